//! The strategy `threshold`: the simple rule that many home-made autoscalers follow.
//!
//! * More pods wait than [`ThresholdSettings::pending_pods_above`], and a group has room: add one
//!   node, to the first group by name whose new node would hold one of them. If there is none,
//!   nothing is added.
//! * Else, the average utilisation of both cpu and memory (requests over allocatable, over all ready
//!   nodes) is below the limits, and a group is above its minimum: remove the emptiest node that the
//!   drain rules let go. It is tainted and cordoned, its pods are evicted at once, those that
//!   disruption budgets hold are tried again at each loop, and the node goes with its last pod; after
//!   [`DRAIN_GIVEN_UP_AFTER`] it is given up.
//! * After adding or removing a node, nothing for a cooldown.
//!
//! It looks at no prices, and does not ask whether the evicted pods fit elsewhere. Machines that
//! could not be made are given up in the loop that sees them.

mod findings;

use std::sync::Arc;

use plimsoll_core::drain::{BlockingReason, DrainRules, DrainVerdict, is_daemon_set_pod, judge};
use plimsoll_core::ids::{GroupId, NodeId, PodId, ShapeId};
use plimsoll_core::taints::{Taint, TaintEffect};
use plimsoll_core::{Cluster, Fork, Node, SimDuration, SimTime};

use crate::action::{Action, DeletionCause, Outcome};
use crate::chance::draw;
use crate::registry::Registry;
use crate::scale_up::template::Templates;
use crate::settings::Settings;
use crate::taints::TO_BE_DELETED;
use crate::{Decision, Finding, NodeAutoscaler, Reason, Subject};
use findings::{Findings, FoundOfNode, FoundOfPod};

/// A drain that has not ended by then is given up: evictions are refused, and would be for ever.
pub const DRAIN_GIVEN_UP_AFTER: SimDuration = SimDuration::from_mins(2);

/// What the rule is given.
#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdSettings {
    /// How often it looks; default 10 s, the other strategies' scan interval.
    pub check_interval: SimDuration,
    /// Nodes are added when more pods than this wait; default 0.
    pub pending_pods_above: u32,
    /// Nodes are removed while the average of cpu requested is below this share; default 0.2.
    pub cpu_below: f64,
    /// Nodes are removed while the average of memory requested is below this share; default 0.2.
    pub memory_below: f64,
    /// How long nothing is done after a node was added or removed; default 60 s.
    pub cooldown: SimDuration,
    /// Draws among nodes that are equally empty; default 0.
    pub seed: u64,
}

impl Default for ThresholdSettings {
    fn default() -> ThresholdSettings {
        ThresholdSettings {
            check_interval: SimDuration::from_secs(10),
            pending_pods_above: 0,
            cpu_below: 0.2,
            memory_below: 0.2,
            cooldown: SimDuration::from_secs(60),
            seed: 0,
        }
    }
}

/// The strategy. See the module's text.
#[derive(Clone, Debug)]
pub struct Threshold {
    settings: ThresholdSettings,
    /// Cluster Autoscaler's flags at their defaults: they say when a node counts as ready.
    flags: Settings,
    registry: Registry,
    templates: Templates,
    last_action_at: Option<SimTime>,
    draining: Option<Draining>,
    told_of_misfits: bool,
    findings: Findings,
}

/// A node on its way out.
#[derive(Clone, Copy, Debug)]
struct Draining {
    node: NodeId,
    node_serial: u64,
    since: SimTime,
    cause: DeletionCause,
    /// When the call that deletes it was made last. One that was refused is made again at the next
    /// instant, not at once.
    asked_at: Option<SimTime>,
}

impl Threshold {
    /// A strategy that has just started.
    #[must_use]
    pub fn new(settings: ThresholdSettings) -> Threshold {
        let flags = Settings { scan_interval: settings.check_interval, ..Settings::default() };
        Threshold {
            registry: Registry::new(&flags),
            templates: Templates::default(),
            settings,
            flags,
            last_action_at: None,
            draining: None,
            told_of_misfits: false,
            findings: Findings::default(),
        }
    }

    /// What it was given.
    #[must_use]
    pub fn settings(&self) -> &ThresholdSettings {
        &self.settings
    }

    fn cooldown_ends(&self) -> Option<SimTime> {
        self.last_action_at.map(|at| at + self.settings.cooldown)
    }

    /// Adds a node for the waiting pods, if any group's new node would hold one of them.
    fn scale_up(
        &mut self,
        fork: &mut Fork<'_>,
        waiting: &[PodId],
        now: SimTime,
        decision: &mut Decision,
    ) {
        let mut shapes: Vec<ShapeId> = waiting.iter().map(|pod| fork.pod(*pod).shape).collect();
        shapes.sort_unstable();
        shapes.dedup();
        let mut groups: Vec<(String, GroupId)> =
            fork.groups().map(|(id, group)| (group.spec.name.clone(), id)).collect();
        groups.sort_unstable();
        for (name, group) in groups {
            let (target, max_size) =
                (fork.group(group).target_size, fork.group(group).spec.max_size);
            if target >= max_size || !self.would_hold_one(fork, group, &shapes, now) {
                continue;
            }
            self.told_of_misfits = false;
            self.tell_triggered(fork, waiting, (group, target), now);
            let text =
                format!("{} pods wait: one more node, {target}->{}", waiting.len(), target + 1);
            decision.reasons.push(Reason { subject: Subject::Group(name), text });
            decision.actions.push(Action::IncreaseSize { group, delta: 1 });
            return;
        }
        self.findings.note_pods(fork, waiting.iter().copied(), FoundOfPod::NoGroup);
        if !std::mem::replace(&mut self.told_of_misfits, true) {
            let text =
                format!("{} pods wait, and no group with room would hold any", waiting.len());
            decision.reasons.push(Reason { subject: Subject::Cluster, text });
        }
    }

    /// Tells which pods a new node is for: those that it would hold.
    fn tell_triggered(
        &mut self,
        fork: &mut Fork<'_>,
        waiting: &[PodId],
        (group, from): (GroupId, u32),
        now: SimTime,
    ) {
        if !self.findings.are_told {
            return;
        }
        let would_hold = |pod: &PodId| {
            let shape = fork.pod(*pod).shape;
            self.would_hold_one(fork, group, &[shape], now)
        };
        let (held, others): (Vec<PodId>, Vec<PodId>) =
            waiting.iter().copied().partition(would_hold);
        let triggered = FoundOfPod::Triggered { group, from, at: now };
        self.findings.note_pods(fork, held.into_iter(), triggered);
        self.findings.note_pods(fork, others.into_iter(), FoundOfPod::OthersFirst);
    }

    /// Tells what holds each node that belongs to a group, as the choice of `emptiest` saw it.
    fn tell_nodes(
        &mut self,
        fork: &Fork<'_>,
        emptiest: Option<NodeId>,
        may_shrink: &impl Fn(GroupId) -> bool,
        now: SimTime,
    ) {
        if !self.findings.are_told {
            return;
        }
        for (group, _) in fork.groups() {
            self.findings.note_group(fork, group, !may_shrink(group));
        }
        let rules = DrainRules::default();
        for (id, node) in fork.nodes() {
            if Some(id) == emptiest || !node.group.is_some_and(may_shrink) {
                continue;
            }
            let found = match keeper(fork, node, &rules, now) {
                Some((pod, reason)) => {
                    FoundOfNode::KeptBy { pod, serial: fork.pod(pod).serial, reason }
                }
                None => FoundOfNode::OthersFirst,
            };
            self.findings.note_node(fork, id, found);
        }
    }

    fn would_hold_one(
        &self,
        fork: &mut Fork<'_>,
        group: GroupId,
        shapes: &[ShapeId],
        now: SimTime,
    ) -> bool {
        let template = self.templates.of_group(fork, &self.registry, &self.flags, group, now);
        let Some(template) = template else { return false };
        let mut trial = fork.fork();
        let node = template.add(&mut trial, "template", now);
        shapes.iter().any(|shape| trial.fits(*shape, node))
    }

    /// Begins to remove the emptiest node that may go.
    fn scale_down(
        &mut self,
        fork: &Fork<'_>,
        failed: &[(GroupId, Vec<Arc<str>>)],
        now: SimTime,
        decision: &mut Decision,
    ) {
        // Machines that are given up in this loop count no more.
        let size = |id: GroupId| {
            let given_up = failed.iter().find(|(of, _)| *of == id).map_or(0, |(_, ids)| ids.len());
            let given_up = u32::try_from(given_up).unwrap_or(u32::MAX);
            fork.group(id).target_size.saturating_sub(given_up)
        };
        let may_shrink = |id: GroupId| size(id) > fork.group(id).spec.min_size;
        let rules = DrainRules::default();
        let draw = draw(self.settings.seed, now, 0);
        let emptiest = fork
            .nodes()
            .filter(|(_, node)| node.group.is_some_and(may_shrink))
            .filter(|(_, node)| keeper(fork, node, &rules, now).is_none())
            .min_by(|(one, _), (other, _)| {
                let rank = |node: NodeId| (u64::from(node.0) + 1).wrapping_mul(draw | 1);
                let by_use = fullness(fork, *one).total_cmp(&fullness(fork, *other));
                by_use.then_with(|| rank(*one).cmp(&rank(*other)))
            });
        self.tell_nodes(fork, emptiest.map(|(id, _)| id), &may_shrink, now);
        let Some((id, node)) = emptiest else { return };
        let moves = pods_to_move(fork, id, now);
        let cause = match moves.is_empty() {
            true => DeletionCause::Empty,
            false => DeletionCause::Underutilized,
        };
        self.findings.note_node(fork, id, FoundOfNode::Started(cause));
        self.draining = Some(Draining {
            node: id,
            node_serial: node.serial,
            since: now,
            cause,
            asked_at: None,
        });
        let text = format!("the cluster is mostly idle: removing it, {} pods move", moves.len());
        decision.reasons.push(Reason { subject: Subject::Node(node.name.to_string()), text });
        let mut taints = fork.node_taints(id).to_vec();
        taints.push(Taint {
            key: TO_BE_DELETED.to_owned(),
            value: now.as_seconds().to_string(),
            effect: TaintEffect::NoSchedule,
        });
        decision.actions.push(Action::SetTaints { node: id, taints, unschedulable: true });
        decision.actions.extend(evictions(fork, &moves));
    }

    /// Goes on with the drain, or gives it up.
    fn continue_drain(&mut self, fork: &Fork<'_>, draining: Draining, now: SimTime) -> Vec<Action> {
        let moves = pods_to_move(fork, draining.node, now);
        if now - draining.since < DRAIN_GIVEN_UP_AFTER {
            return evictions(fork, &moves);
        }
        self.draining = None;
        self.findings.forget_node(draining.node);
        let mut taints = fork.node_taints(draining.node).to_vec();
        taints.retain(|taint| taint.key != TO_BE_DELETED);
        let reason = format!("{} pods could not be evicted", moves.len());
        vec![
            Action::SetTaints { node: draining.node, taints, unschedulable: false },
            Action::GiveUpScaleDown { node: draining.node, reason },
        ]
    }

    fn drain_in_progress(&mut self, cluster: &Cluster) -> Option<Draining> {
        let alive = |one: &Draining| {
            cluster.find_node(one.node).is_some_and(|node| node.serial == one.node_serial)
        };
        self.draining = self.draining.filter(alive);
        self.draining
    }

    /// Tells what holds all pods that wait.
    fn tell_of_waiting(&mut self, cluster: &Cluster, found: FoundOfPod) {
        if self.findings.are_told {
            self.findings.note_pods(cluster, waiting_pods(cluster).into_iter(), found);
        }
    }

    /// Tells of all nodes that the cluster is used too much for any of them to go.
    fn tell_of_use(&mut self, cluster: &Cluster) {
        if self.findings.are_told {
            for (id, _) in cluster.nodes().filter(|(_, node)| node.group.is_some()) {
                self.findings.note_node(cluster, id, FoundOfNode::ClusterIsUsed);
            }
        }
    }

    /// Whether both averages are below their limits.
    fn is_mostly_idle(&self, cluster: &Cluster) -> bool {
        let (mut cpu, mut memory, mut nodes) = (0.0, 0.0, 0.0);
        for id in self.registry.nodes() {
            let class = self.registry.classes()[id.index()];
            if class.is_some_and(|class| class.ready) {
                cpu += share(cluster, *id, plimsoll_core::catalog::CPU);
                memory += share(cluster, *id, plimsoll_core::catalog::MEMORY);
                nodes += 1.0;
            }
        }
        nodes > 0.0
            && cpu / nodes < self.settings.cpu_below
            && memory / nodes < self.settings.memory_below
    }
}

impl NodeAutoscaler for Threshold {
    fn name(&self) -> &str {
        "threshold"
    }

    fn decide(&mut self, cluster: &mut Fork<'_>, now: SimTime) -> Decision {
        let mut decision = Decision::default();
        self.findings.begin();
        self.registry.update(cluster, &self.flags, now);
        if let Err(text) = self.templates.remember(cluster, &self.registry, &self.flags, now) {
            decision.reasons.push(Reason { subject: Subject::Cluster, text });
        }
        let failed = failed_machines(cluster);
        for (group, ids) in failed.clone() {
            decision.actions.push(Action::DeleteInstances { group, ids, reason: "CreationFailed" });
        }
        if let Some(draining) = self.drain_in_progress(cluster) {
            self.tell_of_waiting(cluster, FoundOfPod::Draining(draining.node));
            decision.actions.extend(self.continue_drain(cluster, draining, now));
            return decision;
        }
        if let Some(ends) = self.cooldown_ends().filter(|ends| *ends > now) {
            // A deletion that the cloud refuses is asked for again in the next loop.
            decision.idle_until = decision.actions.is_empty().then_some(ends);
            self.tell_of_waiting(cluster, FoundOfPod::Cooldown(ends));
            return decision;
        }
        let waiting = waiting_pods(cluster);
        if waiting.len() > usize::try_from(self.settings.pending_pods_above).unwrap_or(usize::MAX) {
            self.scale_up(cluster, &waiting, now, &mut decision);
        } else {
            let too_few = FoundOfPod::TooFewWait(self.settings.pending_pods_above);
            self.findings.note_pods(cluster, waiting.iter().copied(), too_few);
            if self.is_mostly_idle(cluster) {
                self.scale_down(cluster, &failed, now, &mut decision);
            } else {
                self.tell_of_use(cluster);
            }
        }
        if decision.actions.is_empty() && !self.registry.changed() {
            let next = self.registry.next_change(cluster, now);
            decision.idle_until = Some(next.min(drains_change_at(cluster, now)));
        }
        decision
    }

    fn tell_findings(&mut self) {
        self.findings.are_told = true;
    }

    fn take_findings(&mut self) -> Vec<Finding> {
        self.findings.take()
    }

    fn resume(&mut self, cluster: &Cluster, now: SimTime) -> Vec<Action> {
        let Some(draining) = self.drain_in_progress(cluster) else { return Vec::new() };
        let was_asked = draining.asked_at == Some(now);
        if was_asked || !pods_to_move(cluster, draining.node, now).is_empty() {
            return Vec::new();
        }
        self.draining = Some(Draining { asked_at: Some(now), ..draining });
        let (node, cause, decided_at) = (draining.node, draining.cause, draining.since);
        vec![Action::DeleteNode { node, cause, decided_at }]
    }

    fn next_resume(&self) -> Option<SimTime> {
        None
    }

    fn observe(&mut self, action: &Action, outcome: &Outcome, _cluster: &Cluster, now: SimTime) {
        match (action, outcome) {
            (Action::IncreaseSize { .. }, outcome) => {
                self.last_action_at = Some(now);
                if let Outcome::Refused(words) = outcome {
                    self.findings.note_refusal(words);
                }
            }
            (Action::DeleteNode { .. }, Outcome::Done) => {
                self.last_action_at = Some(now);
                self.draining = None;
            }
            _ => {}
        }
    }
}

/// Pods that the scheduler has found unschedulable, DaemonSets' aside.
fn waiting_pods(cluster: &Cluster) -> Vec<PodId> {
    cluster
        .unbound_pods()
        .filter(|id| {
            let pod = cluster.pod(*id);
            pod.marked_unschedulable
                && pod.deletion_at.is_none()
                && !is_daemon_set_pod(cluster, *id)
        })
        .collect()
}

/// Machines that could not be made, by group.
fn failed_machines(cluster: &Cluster) -> Vec<(GroupId, Vec<Arc<str>>)> {
    cluster
        .groups()
        .map(|(id, group)| {
            let failed = group.instances.iter().filter(|one| one.error.is_some());
            (id, failed.map(|one| Arc::clone(&one.id)).collect::<Vec<_>>())
        })
        .filter(|(_, ids)| !ids.is_empty())
        .collect()
}

/// The first pod that keeps its node, and why; without a reason, as it may finish first.
fn keeper(
    cluster: &Cluster,
    node: &Node,
    rules: &DrainRules,
    now: SimTime,
) -> Option<(PodId, Option<BlockingReason>)> {
    node.pods.iter().find_map(|pod| match judge(cluster, *pod, rules, now) {
        DrainVerdict::Blocked(reason) => Some((*pod, Some(reason))),
        DrainVerdict::AwaitCompletion => Some((*pod, None)),
        DrainVerdict::Skip | DrainVerdict::DaemonSet | DrainVerdict::Move => None,
    })
}

/// The pods that have to leave before the node can go: all but DaemonSets' and mirror pods.
fn pods_to_move(cluster: &Cluster, node: NodeId, now: SimTime) -> Vec<PodId> {
    let rules = DrainRules::default();
    let mut pods: Vec<PodId> = cluster.node(node).pods.clone();
    pods.retain(|pod| {
        let verdict = judge(cluster, *pod, &rules, now);
        !matches!(verdict, DrainVerdict::Skip | DrainVerdict::DaemonSet)
    });
    pods.sort_by_key(|pod| cluster.pod(*pod).serial);
    pods
}

/// Evictions of pods that are not on their way already.
fn evictions(cluster: &Cluster, pods: &[PodId]) -> Vec<Action> {
    pods.iter()
        .map(|pod| (*pod, cluster.pod(*pod)))
        .filter(|(_, pod)| pod.deletion_at.is_none())
        .map(|(id, pod)| Action::Evict { pod: id, serial: pod.serial })
        .collect()
}

/// When pods that hold nodes now may hold them no longer: only time tells with kube-system's.
fn drains_change_at(cluster: &Cluster, now: SimTime) -> SimTime {
    let rules = DrainRules::default();
    cluster
        .pods()
        .filter(|(_, pod)| cluster.shape(pod.shape).namespace == "kube-system")
        .map(|(_, pod)| pod.created_at + rules.blocking_system_pod_timeout + SimDuration(1))
        .filter(|at| *at > now)
        .min()
        .unwrap_or(SimTime::MAX)
}

/// The larger share of cpu and memory that is asked for.
fn fullness(cluster: &Cluster, node: NodeId) -> f64 {
    let cpu = share(cluster, node, plimsoll_core::catalog::CPU);
    cpu.max(share(cluster, node, plimsoll_core::catalog::MEMORY))
}

#[expect(clippy::cast_precision_loss, reason = "a share; amounts are far below 2^52")]
fn share(cluster: &Cluster, node: NodeId, resource: plimsoll_core::ids::ResourceId) -> f64 {
    match cluster.allocatable(node, resource) {
        0 => 0.0,
        allocatable => cluster.requested(node, resource) as f64 / allocatable as f64,
    }
}

#[cfg(test)]
mod tests;
