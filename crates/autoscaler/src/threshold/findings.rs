//! What the rule found of pods, nodes and groups, told where it is not what the last loop found.
//!
//! Nodes are looked at in loops that could remove one; in others they keep their words, as pods do that
//! nobody waits for any more.

use plimsoll_core::drain::BlockingReason;
use plimsoll_core::ids::{GroupId, NodeId, PodId};
use plimsoll_core::{Cluster, SimTime};

use crate::action::DeletionCause;
use crate::finding::{About, Finding, Word};
use crate::pending::PodOutcome;
use crate::scale_down::UnremovableReason;

/// The last word on each pod, node and group, and what the last loop told.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) are_told: bool,
    /// By pod: its serial, and what was found.
    pods: Vec<Option<(u64, FoundOfPod)>>,
    /// By node: its serial, and what was found.
    nodes: Vec<Option<(u64, FoundOfNode)>>,
    /// By group: whether it was at its minimum.
    at_minimum: Vec<bool>,
    told: Vec<Finding>,
}

/// What is found of a pod that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FoundOfPod {
    /// A node of the group is added, which would hold it.
    Triggered { group: GroupId, from: u32, at: SimTime },
    /// A node is added for other pods.
    OthersFirst,
    /// No group with room would hold any pod that waits.
    NoGroup,
    /// So few pods wait that no node is added; at most so many.
    TooFewWait(u32),
    /// Nothing is done until then.
    Cooldown(SimTime),
    /// Nothing is done while this node is being removed.
    Draining(NodeId),
}

/// What is found of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FoundOfNode {
    /// The cluster as a whole is used more than the limits say.
    ClusterIsUsed,
    /// This pod, with its serial, keeps it; without a reason, because it may finish first.
    KeptBy { pod: PodId, serial: u64, reason: Option<BlockingReason> },
    /// It may go, and another goes first.
    OthersFirst,
    /// Its removal begins.
    Started(DeletionCause),
}

impl Findings {
    /// A loop begins.
    pub(super) fn begin(&mut self) {
        self.told.clear();
    }

    pub(super) fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.told)
    }

    /// Takes in what is found of pods that wait.
    pub(super) fn note_pods(
        &mut self,
        cluster: &Cluster,
        pods: impl Iterator<Item = PodId>,
        found: FoundOfPod,
    ) {
        if !self.are_told {
            return;
        }
        let mut news = Vec::new();
        for pod in pods {
            let serial = cluster.pod(pod).serial;
            if replace(&mut self.pods, pod.index(), (serial, found)) {
                news.push(serial);
            }
        }
        if !news.is_empty() {
            let until = match found {
                FoundOfPod::Cooldown(until) => Some(until),
                _ => None,
            };
            let word = pod_word(cluster, found);
            self.told.push(Finding { about: About::Pods(news), word, until });
        }
    }

    /// The cloud refused to add the node: nothing was triggered.
    pub(super) fn note_refusal(&mut self, words: &str) {
        let triggered = PodOutcome::TriggeredScaleUp.as_str();
        for one in self.told.iter_mut().filter(|one| one.word.code == triggered) {
            let text = format!("waits: the scale-up failed: {words}");
            one.word = Word::new(PodOutcome::ScaleUpFailed.as_str(), text);
        }
    }

    /// Takes in what is found of a node.
    pub(super) fn note_node(&mut self, cluster: &Cluster, node: NodeId, found: FoundOfNode) {
        let serial = cluster.node(node).serial;
        if self.are_told && replace(&mut self.nodes, node.index(), (serial, found)) {
            let (about, word) = (About::Node(serial), node_word(cluster, found));
            self.told.push(Finding { about, word, until: None });
        }
    }

    /// The removal of a node is given up, which the driver tells.
    pub(super) fn forget_node(&mut self, node: NodeId) {
        if let Some(last) = self.nodes.get_mut(node.index()) {
            *last = None;
        }
    }

    /// Takes in whether a group is at its minimum.
    pub(super) fn note_group(&mut self, cluster: &Cluster, group: GroupId, is_at_minimum: bool) {
        if !self.are_told {
            return;
        }
        if self.at_minimum.len() <= group.index() {
            self.at_minimum.resize(group.index() + 1, false);
        }
        let before = std::mem::replace(&mut self.at_minimum[group.index()], is_at_minimum);
        if before == is_at_minimum {
            return;
        }
        let spec = &cluster.group(group).spec;
        let word = if is_at_minimum {
            let text = format!("group {} is at its minimum size of {}", spec.name, spec.min_size);
            Word::new(UnremovableReason::NodeGroupMinSizeReached.as_str(), text)
        } else {
            let text = format!("group {} may shrink: its nodes are candidates again", spec.name);
            Word::new("Candidates", text)
        };
        self.told.push(Finding { about: About::Group(group), word, until: None });
    }
}

/// Replaces what was found by what is, and says whether that is something else.
fn replace<T: Copy + PartialEq>(list: &mut Vec<Option<T>>, index: usize, found: T) -> bool {
    if list.len() <= index {
        list.resize(index + 1, None);
    }
    list[index].replace(found) != Some(found)
}

fn pod_word(cluster: &Cluster, found: FoundOfPod) -> Word {
    let (outcome, text) = match found {
        FoundOfPod::Triggered { group, from, .. } => {
            let spec = &cluster.group(group).spec;
            let (name, to, max) = (&spec.name, from + 1, spec.max_size);
            let text = format!("pod triggered scale-up: [{{{name} {from}->{to} (max: {max})}}]");
            (PodOutcome::TriggeredScaleUp, text)
        }
        FoundOfPod::OthersFirst => {
            (PodOutcome::AwaitEvaluation, "waits: a node is added for other pods".to_owned())
        }
        FoundOfPod::NoGroup => {
            let text = "pod didn't trigger scale-up: no group with room would hold any that waits";
            (PodOutcome::Unschedulable, text.to_owned())
        }
        FoundOfPod::TooFewWait(at_most) => {
            let text = format!("pod didn't trigger scale-up: no more than {at_most} pods wait");
            (PodOutcome::Unschedulable, text)
        }
        FoundOfPod::Cooldown(_) => {
            let text = "not looked at: a node was added or removed a short while ago";
            (PodOutcome::NotReached, text.to_owned())
        }
        FoundOfPod::Draining(node) => {
            let text = format!("not looked at: node {} is being removed", cluster.node_name(node));
            (PodOutcome::NotReached, text)
        }
    };
    Word::new(outcome.as_str(), text)
}

fn node_word(cluster: &Cluster, found: FoundOfNode) -> Word {
    match found {
        FoundOfNode::ClusterIsUsed => {
            let text = "the cluster is not mostly idle: nodes go while the averages of cpu and memory requested are below their limits";
            Word::new(UnremovableReason::NotUnderutilized.as_str(), text)
        }
        FoundOfNode::KeptBy { pod, reason: Some(reason), .. } => {
            let text = format!("pod {} ({reason})", cluster.pod_full_name(pod));
            Word::new("BlockedByPod", text)
        }
        FoundOfNode::KeptBy { reason: None, .. } => {
            let text = "pods on it are left to finish first";
            Word::new(UnremovableReason::BlockedByOnCompletionPod.as_str(), text)
        }
        FoundOfNode::OthersFirst => {
            Word::new("NotLookedAt", "one node goes at a time, the emptiest first")
        }
        FoundOfNode::Started(DeletionCause::Empty) => {
            Word::new("NodeDeleteStarted", "removing empty node")
        }
        FoundOfNode::Started(DeletionCause::Underutilized) => {
            Word::new("NodeDeleteStarted", "removing node, its pods are evicted")
        }
    }
}
