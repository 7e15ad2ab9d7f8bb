//! One node's deletion, step by step.

use std::collections::BTreeMap;

use plimsoll_core::drain::{self, DrainVerdict};
use plimsoll_core::ids::{GroupId, NodeId, PodId};
use plimsoll_core::{Cluster, SimDuration, SimTime};

use super::drain::{Drain, Progress, counted_pods, daemon_set_pods_to_evict};
use super::{ActuationSettings, DeletionEnd, DeletionStart, without_deletion_taint};
use crate::action::{Action, DeletionCause, Outcome};

/// While a node has an annotation that starts so, its deletion waits.
const DELAY_DELETION_PREFIX: &str = "delay-deletion.cluster-autoscaler.kubernetes.io/";
/// Whether such an annotation is still there is looked at this often.
const DELAY_POLL: SimDuration = SimDuration::from_secs(5);

/// A node that is ready to go goes at once, or with its group's batch.
pub(super) fn batched(
    group: GroupId,
    interval: SimDuration,
    batches: &mut BTreeMap<GroupId, SimTime>,
    now: SimTime,
) -> Stage {
    if interval <= SimDuration::ZERO {
        return Stage::Batched { until: now };
    }
    let until = *batches.entry(group).or_insert(now + interval);
    Stage::Batched { until }
}

/// A deletion in progress.
#[derive(Clone, Debug)]
pub(super) struct Deletion {
    pub(super) node: NodeId,
    pub(super) serial: u64,
    pub(super) group: GroupId,
    pub(super) cause: DeletionCause,
    pub(super) started_at: SimTime,
    pub(super) stage: Stage,
    /// Of a group that goes as a whole: how many of its nodes must be ready.
    pub(super) batch_size: Option<usize>,
    /// Its pods could not go.
    has_failed: bool,
    /// A node that was to be tainted with this one could not be.
    is_taken_back: bool,
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The taint was asked for.
    Tainting,
    /// Schedulers are given time to see the taint.
    Waiting { until: SimTime },
    /// Its pods are evicted. The instant says when to go on; `None`: when outcomes are known.
    Draining { drain: Drain, due: Option<SimTime> },
    /// Ready to be deleted, unless somebody asks for a delay.
    Prepared { since: SimTime, due: SimTime },
    /// It waits for the other nodes of a group that goes as a whole.
    Queued,
    /// It is deleted together with others of its group.
    Batched { until: SimTime },
    /// The cloud was asked to delete it.
    Deleting,
    /// The taint is to be taken off again.
    GivingUp { reason: String, since: SimTime },
    /// It is over.
    Ended,
}

impl Deletion {
    pub(super) fn new(
        start: &DeletionStart,
        group: GroupId,
        serial: u64,
        now: SimTime,
    ) -> Deletion {
        Deletion {
            node: start.node,
            serial,
            group,
            cause: start.cause,
            started_at: now,
            stage: Stage::Tainting,
            batch_size: start.batch_size,
            has_failed: false,
            is_taken_back: false,
        }
    }

    /// When it goes on by itself.
    pub(super) fn due(&self) -> Option<SimTime> {
        match &self.stage {
            Stage::Tainting | Stage::Queued | Stage::Deleting | Stage::Ended => None,
            Stage::Waiting { until } | Stage::Batched { until } => Some(*until),
            Stage::Draining { due, .. } => *due,
            Stage::Prepared { due, .. } => Some(*due),
            Stage::GivingUp { since, .. } => Some(*since),
        }
    }

    /// Whether the node went by other means.
    pub(super) fn is_gone(&self, cluster: &Cluster) -> bool {
        cluster.find_node(self.node).is_none_or(|node| node.serial != self.serial)
    }

    /// Whether its pods could not go.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    pub(super) fn is_deleting(&self) -> bool {
        self.stage == Stage::Deleting
    }

    /// Goes on as far as it gets now.
    pub(super) fn advance(
        &mut self,
        cluster: &Cluster,
        settings: &ActuationSettings,
        batches: &mut BTreeMap<GroupId, SimTime>,
        now: SimTime,
        actions: &mut Vec<Action>,
    ) {
        if self.is_gone(cluster) {
            self.stage = Stage::Ended;
        }
        while self.due().is_some_and(|due| due <= now) {
            self.stage = match std::mem::replace(&mut self.stage, Stage::Ended) {
                Stage::Waiting { .. } => {
                    let next = self.look_again(cluster, settings, now, actions);
                    self.has_failed |= matches!(next, Stage::GivingUp { .. });
                    next
                }
                Stage::Draining { mut drain, .. } => {
                    match drain.advance(cluster, settings, now, actions) {
                        Progress::Waits(due) => Stage::Draining { drain, due },
                        Progress::Drained => Stage::Prepared { since: now, due: now },
                        Progress::Failed(reason) => {
                            self.has_failed = true;
                            Stage::GivingUp { reason, since: now }
                        }
                    }
                }
                Stage::Prepared { since, .. } => self.leave(cluster, settings, batches, since, now),
                Stage::Batched { .. } => {
                    actions.push(Action::DeleteNode {
                        node: self.node,
                        cause: self.cause,
                        decided_at: self.started_at,
                    });
                    Stage::Deleting
                }
                Stage::GivingUp { reason, .. } => {
                    self.give_up(cluster, settings, reason, actions);
                    Stage::Ended
                }
                idle @ (Stage::Tainting | Stage::Queued | Stage::Deleting | Stage::Ended) => idle,
            };
        }
    }

    /// After the delay: are the pods still such that the node may go?
    fn look_again(
        &self,
        cluster: &Cluster,
        settings: &ActuationSettings,
        now: SimTime,
        actions: &mut Vec<Action>,
    ) -> Stage {
        let drains = self.cause == DeletionCause::Underutilized;
        for pod in counted_pods(cluster, self.node, settings) {
            // Upstream looks neither at controllers nor at budgets for a node without pods.
            let verdict = if drains {
                drain::judge(cluster, pod, &settings.rules, now)
            } else {
                drain::judge_alone(cluster, pod, &settings.rules, now)
            };
            let reason = match verdict {
                DrainVerdict::Blocked(reason) => {
                    format!("{reason}: {}", cluster.pod_full_name(pod))
                }
                DrainVerdict::Move if !drains => {
                    format!("node is not empty: {}", cluster.pod_full_name(pod))
                }
                _ => continue,
            };
            return Stage::GivingUp { reason, since: now };
        }
        let by_default = if drains {
            settings.flags.daemonset_eviction_for_occupied_nodes
        } else {
            settings.flags.daemonset_eviction_for_empty_nodes
        };
        for pod in daemon_set_pods_to_evict(cluster, self.node, settings, by_default) {
            actions.push(Action::Evict { pod, serial: cluster.pod(pod).serial });
        }
        if drains {
            let drain = Drain::new(cluster, self.node, settings);
            Stage::Draining { drain, due: Some(now) }
        } else {
            Stage::Prepared { since: now, due: now }
        }
    }

    /// Waits while somebody asks for a delay, then goes, alone or with its group's batch.
    fn leave(
        &self,
        cluster: &Cluster,
        settings: &ActuationSettings,
        batches: &mut BTreeMap<GroupId, SimTime>,
        since: SimTime,
        now: SimTime,
    ) -> Stage {
        let annotations = &cluster.node(self.node).annotations;
        let is_delayed = annotations.keys().any(|key| key.starts_with(DELAY_DELETION_PREFIX));
        if is_delayed && now - since < settings.flags.node_deletion_delay_timeout {
            return Stage::Prepared { since, due: now + DELAY_POLL };
        }
        if self.batch_size.is_some() {
            return Stage::Queued;
        }
        batched(self.group, settings.flags.node_deletion_batcher_interval, batches, now)
    }

    /// Takes the taint off. The node stays.
    fn give_up(
        &self,
        cluster: &Cluster,
        settings: &ActuationSettings,
        reason: String,
        actions: &mut Vec<Action>,
    ) {
        let node = cluster.node(self.node);
        let uncordons = settings.flags.cordon_node_before_terminating;
        actions.push(Action::SetTaints {
            node: self.node,
            taints: without_deletion_taint(cluster, self.node),
            unschedulable: node.unschedulable && !uncordons,
        });
        actions.push(Action::GiveUpScaleDown { node: self.node, reason });
    }

    /// The taint is set.
    pub(super) fn tainted(&mut self, settings: &ActuationSettings, now: SimTime) {
        let until = self.started_at + settings.flags.node_delete_delay_after_taint;
        self.stage = Stage::Waiting { until };
        if self.is_taken_back {
            self.take_back(now);
        }
    }

    /// A node that was to be tainted with this one could not be: this one's taint goes again, as soon
    /// as it is there.
    pub(super) fn take_back(&mut self, now: SimTime) {
        self.is_taken_back = true;
        if matches!(self.stage, Stage::Waiting { .. }) {
            let reason = "another node could not be tainted".to_owned();
            self.stage = Stage::GivingUp { reason, since: now };
        }
    }

    /// The answer to an eviction; true when the pod is one of this node's.
    pub(super) fn observe_eviction(
        &mut self,
        pod: PodId,
        serial: u64,
        done: bool,
        now: SimTime,
    ) -> bool {
        let Stage::Draining { drain, due } = &mut self.stage else { return false };
        let is_own = drain.observe(pod, serial, done);
        if is_own {
            *due = Some(now);
        }
        is_own
    }

    /// The cloud's answer.
    pub(super) fn observe_delete(&mut self, outcome: &Outcome, now: SimTime) -> DeletionEnd {
        match outcome {
            Outcome::Done => {
                self.stage = Stage::Ended;
                DeletionEnd::Deleted(self.group)
            }
            Outcome::Refused(text) => {
                self.stage = Stage::GivingUp { reason: text.clone(), since: now };
                DeletionEnd::Refused(self.group)
            }
        }
    }
}
