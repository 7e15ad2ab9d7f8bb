//! What a node's taints say about its deletion, read once for each distinct list of taints.

use std::collections::BTreeSet;

use plimsoll_core::ids::{NodeId, TaintsId};
use plimsoll_core::taints::Taint;
use plimsoll_core::{Cluster, SimDuration, SimTime};

use crate::taints::{DELETION_CANDIDATE, TO_BE_DELETED};

/// How long a `ToBeDeleted` taint is believed; an older one was left behind.
const BEING_DELETED_FOR: SimDuration = SimDuration::from_mins(5);

/// What one list of taints says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TaintFacts {
    /// It has the taint of a node that is being deleted.
    pub(super) to_be_deleted: bool,
    /// Since when, if the taint says so.
    pub(super) to_be_deleted_at: Option<SimTime>,
    /// It has the soft taint of a candidate.
    pub(super) is_candidate: bool,
    /// Since when, if the taint says so.
    pub(super) candidate_since: Option<SimTime>,
}

impl TaintFacts {
    fn read(taints: &[Taint]) -> TaintFacts {
        let find = |key: &str| taints.iter().find(|taint| taint.key == key);
        let seconds = |taint: &Taint| taint.value.parse().ok().map(|s: i64| SimTime(s * 1000));
        let deleted = find(TO_BE_DELETED);
        let candidate = find(DELETION_CANDIDATE);
        TaintFacts {
            to_be_deleted: deleted.is_some(),
            to_be_deleted_at: deleted.and_then(seconds),
            is_candidate: candidate.is_some(),
            candidate_since: candidate.and_then(seconds),
        }
    }

    /// The first instant at which the node is an ordinary one in spite of its taint; `None` when it
    /// is one already.
    pub(super) fn being_deleted_until(&self, now: SimTime) -> Option<SimTime> {
        self.to_be_deleted_at.map(|at| at + BEING_DELETED_FOR).filter(|end| *end > now)
    }
}

/// The facts of every list of taints seen so far.
#[derive(Clone, Debug, Default)]
pub(super) struct TaintFactsCache {
    by_list: Vec<Option<TaintFacts>>,
    /// The taints each node had when it was last looked at.
    seen: Vec<Option<TaintsId>>,
    /// The nodes that had the soft taint then.
    candidates: BTreeSet<NodeId>,
}

impl TaintFactsCache {
    /// Looks at a node whose taints are these; it costs something only when they have changed.
    #[inline]
    pub(super) fn look(&mut self, cluster: &Cluster, node: NodeId, taints: TaintsId) {
        if self.seen.get(node.index()).copied().flatten() != Some(taints) {
            self.look_closely(cluster, node, taints);
        }
    }

    fn look_closely(&mut self, cluster: &Cluster, node: NodeId, taints: TaintsId) {
        if self.seen.len() <= node.index() {
            self.seen.resize(node.index() + 1, None);
        }
        self.seen[node.index()] = Some(taints);
        if self.of(cluster, node).is_candidate {
            self.candidates.insert(node);
        } else {
            self.candidates.remove(&node);
        }
    }

    /// Whether the soft taint of a node may be changed: it has one if `from` says so, and the node is
    /// not marked for deletion.
    pub(super) fn is_soft_taint_changed(
        &mut self,
        cluster: &Cluster,
        node: NodeId,
        from: bool,
    ) -> bool {
        let known = self.of(cluster, node);
        known.is_candidate == from && !known.to_be_deleted
    }

    /// The nodes with the soft taint, as of the last look at each, in the order of their ids.
    pub(super) fn candidates(&self) -> Vec<NodeId> {
        self.candidates.iter().copied().collect()
    }

    pub(super) fn of(&mut self, cluster: &Cluster, node: NodeId) -> TaintFacts {
        let list = cluster.node(node).taints;
        if self.by_list.len() <= list.index() {
            self.by_list.resize(list.index() + 1, None);
        }
        *self.by_list[list.index()]
            .get_or_insert_with(|| TaintFacts::read(cluster.catalog().taints(list)))
    }
}
