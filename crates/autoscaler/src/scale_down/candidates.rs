//! Which nodes a loop looks at, and in which order.
//!
//! Nodes of no group and nodes of groups at their minimum are no candidates at all. Of the others
//! the cheap questions are asked first; what passes them is tried in this order: empty nodes, nodes
//! that only wait for pods to finish, nodes with pods to move; within each, the unneeded nodes
//! of the last loop in the order in which they were taken away then, and then the rest by id.
//! (Upstream leaves the order within these to chance. This one makes a second look at an unchanged
//! cluster give the same answer as the first.)

use plimsoll_core::drain::{self, DrainRules, DrainVerdict};
use plimsoll_core::ids::{GroupId, NodeId};
use plimsoll_core::{Cluster, SimTime};

use super::candidate_rows::CandidateRows;
use super::cooldown::Cooldowns;
use super::findings::Findings;
use super::taint_facts::TaintFactsCache;
use super::unneeded::UnneededNodes;
use super::unremovable::{UnremovableMemory, UnremovableReason};
use super::utilization::{UtilizationReader, any_terminating};
use super::verdicts::Verdicts;
use super::words::{GroupWord, NodeWord};
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
    verdicts: Verdicts,
    open_groups: Vec<bool>,
    rows: CandidateRows,
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
    /// The next choice looks at all nodes even if they seem to be the same.
    pub(super) fn look_anew(&mut self) {
        self.rows.clear();
    }

    /// Whether pods would have to move off the node at a place of the list, whatever else is away.
    pub(super) fn is_occupied(&self, place: usize) -> bool {
        self.ranked[place].0.kind == NodeKind::Occupied
    }

    /// Whether the last choice took a group for one whose nodes may go.
    pub(super) fn is_open(&self, group: GroupId) -> bool {
        self.open_groups[group.index()]
    }

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
        self.verdicts.clear();
        self.open_groups(cluster, &mut with);
        if !with.utilization.take_over_options(cluster) {
            self.rows.clear();
        }
        if with.utilization.looks_at_terminating {
            with.utilization.looks_at_terminating = any_terminating(cluster, with.context.nodes);
        }
        // Most nodes of a large cluster end there; only findings would tell more of them.
        let is_quick = !with.findings.are_kept && with.utilization.are_sums_enough();
        let mut rows = std::mem::take(&mut self.rows);
        for row in rows.of(cluster, with.context.nodes, with.utilization, with.taints) {
            if !self.open_groups[row.group.index()] {
                continue;
            }
            self.any = true;
            let (node, serial) = (row.node, row.serial);
            if is_quick && row.is_surely_above(cluster) {
                with.findings.words.note_busy(node, serial);
                continue;
            }
            if is_going(node) {
                continue;
            }
            if let Some(reason) = self.reason_against(cluster, node, &mut with) {
                with.findings.unremovable(node, reason);
                // What holds a remembered node is told by whoever remembers it.
                if reason != UnremovableReason::RecentlyUnremovable {
                    with.findings.words.note(node, serial, NodeWord::Stays(reason, None));
                }
                continue;
            }
            let place = with.unneeded.place(node, serial);
            let rank = Rank {
                kind: self.kind_of(cluster, node, rules, with.now),
                place_last_time: place.unwrap_or(usize::MAX),
            };
            self.ranked.push((rank, node));
        }
        self.rows = rows;
        self.ranked.sort_unstable();
        self.eligible.clear();
        self.eligible.extend(self.ranked.iter().map(|(_, node)| *node));
    }

    /// Groups above their minimum that no delay of their own holds.
    fn open_groups(&mut self, cluster: &Cluster, with: &mut Eligibility<'_>) {
        self.open_groups.clear();
        for (id, group) in cluster.groups() {
            let held_until = with.cooldowns.end_of_group(id, with.context);
            if held_until > with.now {
                self.holds_until = self.holds_until.min(held_until);
            }
            let target_size = with.context.targets[id.index()];
            self.open_groups.push(target_size > group.spec.min_size && held_until <= with.now);
        }
        let words = cluster.groups().map(|(id, group)| {
            let held_until = with.cooldowns.end_of_group(id, with.context);
            if with.context.targets[id.index()] <= group.spec.min_size {
                GroupWord::MinSize(group.spec.min_size)
            } else if held_until > with.now {
                GroupWord::Delay(held_until)
            } else {
                GroupWord::Open
            }
        });
        with.findings.words.note_groups(cluster, words);
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
        let Some((utilization, is_above)) = with.utilization.read(cluster, node, with.now) else {
            return Some(UnremovableReason::UnexpectedError);
        };
        if !with.context.settings.scale_down_unready_enabled && !with.context.is_ready(node) {
            return Some(UnremovableReason::ScaleDownUnreadyDisabled);
        }
        with.findings.utilization(node, utilization);
        is_above.then_some(UnremovableReason::NotUnderutilized)
    }

    fn kind_of(
        &mut self,
        cluster: &Cluster,
        node: NodeId,
        rules: &DrainRules,
        now: SimTime,
    ) -> NodeKind {
        let mut kind = NodeKind::Empty;
        for pod in &cluster.node(node).pods {
            match self.verdicts.of(cluster, *pod, rules, now, drain::judge_alone).0 {
                DrainVerdict::Skip | DrainVerdict::DaemonSet => {}
                DrainVerdict::AwaitCompletion => kind = NodeKind::AwaitsCompletion,
                // A node with pods to move is not empty, whatever else it waits for.
                DrainVerdict::Move | DrainVerdict::Blocked(_) => return NodeKind::Occupied,
            }
        }
        kind
    }
}
