//! Which nodes a loop looks at, and in which order.
//!
//! Nodes of no group and nodes of groups at their minimum are no candidates at all. Of the others
//! the cheap questions are asked first; what passes them is tried in this order: empty nodes, nodes
//! that only wait for pods to finish, nodes with pods to move; within each, the unneeded nodes
//! of the last loop in the order in which they were taken away then, and then the rest by id.
//! (Upstream leaves the order within these to chance. This one makes a second look at an unchanged
//! cluster give the same answer as the first.)

use plimsoll_core::drain::{self, DrainRules, DrainVerdict};
use plimsoll_core::ids::NodeId;
use plimsoll_core::{Cluster, SimTime};

use super::cooldown::Cooldowns;
use super::findings::Findings;
use super::taint_facts::TaintFactsCache;
use super::unneeded::UnneededNodes;
use super::unremovable::{UnremovableMemory, UnremovableReason};
use super::utilization::{UtilizationReader, any_terminating};
use crate::loop_context::LoopContext;

/// The annotation by which a node is kept.
const SCALE_DOWN_DISABLED: &str = "cluster-autoscaler.kubernetes.io/scale-down-disabled";

/// Whether a node says that it is not to be scaled down.
pub(super) fn is_disabled_by_annotation(cluster: &Cluster, node: NodeId) -> bool {
    let annotations = &cluster.node(node).annotations;
    !annotations.is_empty()
        && annotations.get(SCALE_DOWN_DISABLED).is_some_and(|value| value == "true")
}

/// What the candidates are chosen with.
pub(super) struct Eligibility<'a> {
    pub(super) context: &'a LoopContext<'a>,
    pub(super) cooldowns: &'a Cooldowns,
    pub(super) memory: &'a UnremovableMemory,
    pub(super) unneeded: &'a UnneededNodes,
    pub(super) utilization: &'a mut UtilizationReader,
    pub(super) taints: &'a mut TaintFactsCache,
    pub(super) findings: &'a mut Findings,
    pub(super) now: SimTime,
}

/// What the choice came to.
#[derive(Clone, Debug, Default)]
pub(super) struct Candidates {
    /// Any node that is no candidate by its group aside.
    pub(super) any: bool,
    /// Those worth a simulation, in order.
    pub(super) eligible: Vec<NodeId>,
    /// From then on the choice may differ although nothing else changes.
    pub(super) holds_until: SimTime,
    ranked: Vec<(Rank, NodeId)>,
    open_groups: Vec<bool>,
}

/// Where a candidate stands; lower goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    kind: NodeKind,
    place_last_time: usize,
}

/// What stands in the way of a node's deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum NodeKind {
    Empty,
    AwaitsCompletion,
    Occupied,
}

impl Candidates {
    /// Chooses anew. `is_going` says which nodes are being deleted.
    pub(super) fn choose(
        &mut self,
        cluster: &Cluster,
        rules: &DrainRules,
        mut with: Eligibility<'_>,
        is_going: &impl Fn(NodeId) -> bool,
    ) {
        self.any = false;
        self.holds_until = SimTime::MAX;
        self.ranked.clear();
        self.open_groups(cluster, &with);
        with.utilization.take_over_options(cluster);
        if with.utilization.looks_at_terminating {
            with.utilization.looks_at_terminating = any_terminating(cluster, with.context.nodes);
        }
        for node in with.context.nodes.iter().copied() {
            let state = cluster.node(node);
            with.taints.look(cluster, node, state.taints);
            let Some(group) = state.group else { continue };
            if !self.open_groups[group.index()] {
                continue;
            }
            self.any = true;
            // Most nodes of a large cluster end here; only findings would tell more of them.
            let is_above = !with.findings.are_kept
                && with.utilization.is_surely_above(cluster, node, state.template);
            if is_above || is_going(node) {
                continue;
            }
            if let Some(reason) = self.reason_against(cluster, node, &mut with) {
                with.findings.unremovable(node, reason);
                continue;
            }
            let place = with.unneeded.place(node, state.serial);
            let rank = Rank {
                kind: kind_of(cluster, node, rules, with.now),
                place_last_time: place.unwrap_or(usize::MAX),
            };
            self.ranked.push((rank, node));
        }
        self.ranked.sort_unstable();
        self.eligible.clear();
        self.eligible.extend(self.ranked.iter().map(|(_, node)| *node));
    }

    /// Groups above their minimum that no delay of their own holds.
    fn open_groups(&mut self, cluster: &Cluster, with: &Eligibility<'_>) {
        self.open_groups.clear();
        for (id, group) in cluster.groups() {
            let held_until = with.cooldowns.end_of_group(id, with.context);
            if held_until > with.now {
                self.holds_until = self.holds_until.min(held_until);
            }
            let target_size = with.context.targets[id.index()];
            self.open_groups.push(target_size > group.spec.min_size && held_until <= with.now);
        }
    }

    /// The first reason not to look further at a node.
    fn reason_against(
        &mut self,
        cluster: &Cluster,
        node: NodeId,
        with: &mut Eligibility<'_>,
    ) -> Option<UnremovableReason> {
        if with.memory.get(node).is_some() {
            return Some(UnremovableReason::RecentlyUnremovable);
        }
        if let Some(end) = with.taints.of(cluster, node).being_deleted_until(with.now) {
            self.holds_until = self.holds_until.min(end);
            return Some(UnremovableReason::CurrentlyBeingDeleted);
        }
        if is_disabled_by_annotation(cluster, node) {
            return Some(UnremovableReason::ScaleDownDisabledAnnotation);
        }
        if !with.context.settings.scale_down_unready_enabled && !with.context.is_ready(node) {
            return Some(UnremovableReason::ScaleDownUnreadyDisabled);
        }
        let (utilization, is_above) = with.utilization.read(cluster, node, with.now);
        with.findings.utilization(node, utilization);
        is_above.then_some(UnremovableReason::NotUnderutilized)
    }
}

fn kind_of(cluster: &Cluster, node: NodeId, rules: &DrainRules, now: SimTime) -> NodeKind {
    let mut kind = NodeKind::Empty;
    for pod in &cluster.node(node).pods {
        match drain::judge_alone(cluster, *pod, rules, now) {
            DrainVerdict::Skip | DrainVerdict::DaemonSet => {}
            DrainVerdict::AwaitCompletion => kind = NodeKind::AwaitsCompletion,
            // A node with pods to move is not empty, whatever else it waits for.
            DrainVerdict::Move | DrainVerdict::Blocked(_) => return NodeKind::Occupied,
        }
    }
    kind
}
