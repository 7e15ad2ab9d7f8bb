//! What loops found of nodes, told where it is not what the last loop found.
//!
//! Each node has one word at a time. A group at its minimum and a cooldown hold many nodes at once: they
//! are told of the group and of the cluster, and the nodes keep their words meanwhile.

use plimsoll_core::ids::{GroupId, NodeId, PodId};
use plimsoll_core::{Cluster, SimDuration, SimTime};

use super::StartedScaleDown;
use super::unneeded::UnneededNode;
use super::unremovable::UnremovableReason;
use super::utilization::UtilizationReader;
use crate::action::DeletionCause;
use crate::finding::{About, Finding, Word};
use crate::settings::Settings;

/// The last word on each node, group and the cluster, and what the last loop told.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    pub(super) are_told: bool,
    /// By node: the serial it had, and its word.
    by_node: Vec<Option<(u64, NodeWord)>>,
    /// By node: its serial if its word is that it is used too much, else 0. Most nodes of a large
    /// cluster are, in every loop.
    busy: Vec<u64>,
    changed: Vec<NodeId>,
    by_group: Vec<GroupWord>,
    cluster: Option<(Word, Option<SimTime>)>,
    told: Vec<Finding>,
}

/// What is found of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeWord {
    /// It stays, for this reason; the pod that found no other place, where it is known.
    Stays(UnremovableReason, Option<PodId>),
    /// It could be looked at, and was not: enough others were found.
    NotLookedAt,
    /// It is unneeded since then, and may go at the second instant.
    Unneeded { since: SimTime, ripe_from: SimTime, needs_drain: bool },
    /// It has been unneeded for long enough, since the same instant, and something else keeps it.
    Held { since: SimTime, by: Holder },
    /// Its deletion has started.
    Started(DeletionCause),
}

/// What keeps a node that has been unneeded for long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Reason(UnremovableReason),
    /// The limits on parallel deletions.
    Budget,
}

/// What holds all nodes of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum GroupWord {
    #[default]
    Open,
    MinSize(u32),
    /// A delay of its own, until then.
    Delay(SimTime),
}

impl Words {
    /// Takes in the word on a node.
    #[inline]
    pub(super) fn note(&mut self, node: NodeId, serial: u64, word: NodeWord) {
        if self.are_told && self.by_node.get(node.index()) != Some(&Some((serial, word))) {
            self.change(node, serial, word);
        }
    }

    /// Takes in that a node is used more than the threshold says.
    #[inline]
    pub(super) fn note_busy(&mut self, node: NodeId, serial: u64) {
        if self.are_told && self.busy.get(node.index()) != Some(&serial) {
            let word = NodeWord::Stays(UnremovableReason::NotUnderutilized, None);
            self.note(node, serial, word);
        }
    }

    fn change(&mut self, node: NodeId, serial: u64, word: NodeWord) {
        if self.by_node.len() <= node.index() {
            self.by_node.resize(node.index() + 1, None);
            self.busy.resize(node.index() + 1, 0);
        }
        let is_busy = word == NodeWord::Stays(UnremovableReason::NotUnderutilized, None);
        self.busy[node.index()] = if is_busy { serial } else { 0 };
        self.by_node[node.index()] = Some((serial, word));
        self.changed.push(node);
    }

    /// Takes in that a node is unneeded. What holds it for as long is the later word.
    pub(super) fn note_unneeded(&mut self, one: &UnneededNode, ripe_from: impl Fn() -> SimTime) {
        if !self.are_told {
            return;
        }
        let last = self.by_node.get(one.node.index()).copied().flatten();
        let is_known = last.is_some_and(|(serial, word)| {
            let since = match word {
                NodeWord::Unneeded { since, .. } | NodeWord::Held { since, .. } => Some(since),
                _ => None,
            };
            serial == one.serial && since == Some(one.since)
        });
        if !is_known {
            let (since, ripe_from, needs_drain) = (one.since, ripe_from(), one.needs_drain);
            self.change(one.node, one.serial, NodeWord::Unneeded { since, ripe_from, needs_drain });
        }
    }

    /// Takes in what keeps an unneeded node although its time has come.
    pub(super) fn note_held(&mut self, one: &UnneededNode, by: Holder) {
        self.note(one.node, one.serial, NodeWord::Held { since: one.since, by });
    }

    /// Takes in the deletions that start.
    pub(super) fn note_started(&mut self, cluster: &Cluster, started: &[StartedScaleDown]) {
        for one in started {
            self.note(one.node, cluster.node(one.node).serial, NodeWord::Started(one.cause));
        }
    }

    /// Takes in what holds each group, by index.
    pub(super) fn note_groups(
        &mut self,
        cluster: &Cluster,
        words: impl Iterator<Item = GroupWord>,
    ) {
        if !self.are_told {
            return;
        }
        for (index, word) in words.enumerate() {
            if self.by_group.len() <= index {
                self.by_group.resize(index + 1, GroupWord::Open);
            }
            if std::mem::replace(&mut self.by_group[index], word) == word {
                continue;
            }
            let name = &cluster.group(GroupId::at(index)).spec.name;
            let (word, until) = match word {
                GroupWord::Open => {
                    let text = format!("group {name} may shrink: its nodes are candidates again");
                    (Word::new("Candidates", text), None)
                }
                GroupWord::MinSize(min_size) => {
                    let text = format!("group {name} is at its minimum size of {min_size}");
                    (Word::new("NodeGroupMinSizeReached", text), None)
                }
                GroupWord::Delay(until) => {
                    let text = format!("a scale-down delay holds group {name}");
                    (Word::new("InCooldown", text), Some(until))
                }
            };
            self.told.push(Finding { about: About::Group(GroupId::at(index)), word, until });
        }
    }

    /// Takes in what holds all nodes, and until when; `None` where nothing does.
    pub(super) fn note_cluster(&mut self, word: Option<(Word, Option<SimTime>)>) {
        if !self.are_told || self.cluster == word {
            return;
        }
        // What ends at a known time ends without a word.
        let told = match (&word, &self.cluster) {
            (Some(word), _) => Some(word.clone()),
            (None, Some((_, None))) => Some((Word::new("Candidates", "scale-down goes on"), None)),
            (None, _) => None,
        };
        self.cluster = word;
        let about = About::Cluster;
        self.told.extend(told.map(|(word, until)| Finding { about, word, until }));
    }

    /// Puts what changed into words. Once a loop, when all is noted.
    pub(super) fn tell(
        &mut self,
        cluster: &Cluster,
        utilization: &mut UtilizationReader,
        settings: &Settings,
        now: SimTime,
    ) {
        self.changed.sort_unstable();
        self.changed.dedup();
        for node in std::mem::take(&mut self.changed) {
            let Some((serial, word)) = self.by_node[node.index()] else { continue };
            let until = match word {
                NodeWord::Unneeded { ripe_from, .. } => Some(ripe_from),
                _ => None,
            };
            let is_busy = word == NodeWord::Stays(UnremovableReason::NotUnderutilized, None);
            let found = if is_busy { utilization.read(cluster, node, now) } else { None };
            let word = if let Some((found, _)) = found {
                let group = cluster.node(node).group.expect("candidates belong to groups");
                let options = settings.of_group(&cluster.group(group).spec);
                let threshold = match found.gpu {
                    Some(_) => options.scale_down_gpu_utilization_threshold,
                    None => options.scale_down_utilization_threshold,
                };
                let text = format!(
                    "{:.1} % of its {} is requested, above the threshold of {} %",
                    found.dominant * 100.0,
                    found.resource,
                    threshold * 100.0
                );
                Word::new(UnremovableReason::NotUnderutilized.as_str(), text)
            } else {
                node_word(cluster, word, settings)
            };
            self.told.push(Finding { about: About::Node(serial), word, until });
        }
    }

    pub(super) fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.told)
    }
}

fn node_word(cluster: &Cluster, word: NodeWord, settings: &Settings) -> Word {
    match word {
        NodeWord::Stays(reason, stuck) => {
            Word::new(reason.as_str(), reason_text(cluster, reason, stuck))
        }
        NodeWord::NotLookedAt => {
            Word::new("NotLookedAt", "not looked at: enough other nodes were found unneeded")
        }
        NodeWord::Unneeded { needs_drain: true, .. } => {
            Word::new("Unneeded", "its pods have a place elsewhere")
        }
        NodeWord::Unneeded { needs_drain: false, .. } => {
            Word::new("Unneeded", "nothing on it would have to move")
        }
        NodeWord::Held { by: Holder::Reason(reason), .. } => {
            Word::new(reason.as_str(), reason_text(cluster, reason, None))
        }
        NodeWord::Held { by: Holder::Budget, .. } => {
            let text = format!(
                "other deletions go first (max-scale-down-parallelism {}, max-drain-parallelism {})",
                settings.max_scale_down_parallelism, settings.max_drain_parallelism
            );
            Word::new("AwaitsBudget", text)
        }
        NodeWord::Started(cause) => {
            let text = match cause {
                DeletionCause::Empty => "removing empty node",
                DeletionCause::Underutilized => "removing node, its pods are evicted",
            };
            Word::new("NodeDeleteStarted", text)
        }
    }
}

fn reason_text(cluster: &Cluster, reason: UnremovableReason, stuck: Option<PodId>) -> String {
    let text = match reason {
        UnremovableReason::ScaleDownDisabledAnnotation => {
            "its annotation scale-down-disabled=true keeps it"
        }
        UnremovableReason::ScaleDownUnreadyDisabled => {
            "it is not ready, and scale-down-unready-enabled is false"
        }
        UnremovableReason::NotUnneededLongEnough => "it has not been unneeded for long enough",
        UnremovableReason::NotUnreadyLongEnough => "it has not been unready for long enough",
        UnremovableReason::NodeGroupMinSizeReached => "its group would fall below its minimum size",
        UnremovableReason::MinimalResourceLimitExceeded => {
            "the cluster would fall below a minimum of cpu, memory or GPUs (cores-total, memory-total, gpu-total)"
        }
        UnremovableReason::CurrentlyBeingDeleted => "it is marked as being deleted",
        UnremovableReason::NotUnderutilized => "it is used more than the threshold says",
        UnremovableReason::RecentlyUnremovable => "it could not go a short while ago",
        UnremovableReason::NoPlaceToMovePods => {
            return match stuck {
                Some(pod) => format!("pod {} fits on no other node", cluster.pod_full_name(pod)),
                None => "its pods do not all fit on other nodes".to_owned(),
            };
        }
        UnremovableReason::BlockedByPod(pod, why) => {
            let name = cluster.pod_full_name(pod);
            let empty =
                cluster.budgets_of(pod).filter(|(_, budget)| budget.disruptions_allowed < 1);
            let budgets: Vec<String> = empty
                .map(|(_, budget)| format!("{}/{}", budget.object.namespace, budget.object.name))
                .collect();
            return if why == plimsoll_core::drain::BlockingReason::NotEnoughPdb
                && !budgets.is_empty()
            {
                format!("pod {name} ({why}: PDB {} allows 0 disruptions)", budgets.join(", "))
            } else {
                format!("pod {name} ({why})")
            };
        }
        UnremovableReason::UnexpectedError => "how much of it is used cannot be said",
        UnremovableReason::AtomicScaleDownFailed => {
            "its group goes as a whole or not at all, and not all of it may go"
        }
        UnremovableReason::BlockedByOnCompletionPod => "pods on it are left to finish first",
    };
    text.to_owned()
}

/// The cooldown of all nodes, for [`Words::note_cluster`].
pub(super) fn cooldown_word(flag: &str, delay: SimDuration) -> Word {
    Word::new("InCooldown", format!("scale-down is in cooldown ({flag} {delay})"))
}
