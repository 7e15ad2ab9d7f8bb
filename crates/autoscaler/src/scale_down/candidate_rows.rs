//! What is asked of every node in every loop, in one short row a node.
//!
//! Most nodes of a large cluster are used too much to be looked at any closer. All that says so is
//! here, so that a loop goes through a table, and not through nodes that are scattered over memory.

use plimsoll_core::Cluster;
use plimsoll_core::ids::{GroupId, NodeId};

use super::taint_facts::TaintFactsCache;
use super::utilization::{Limits, UtilizationReader};

/// The rows of the nodes that a loop goes through.
#[derive(Clone, Debug, Default)]
pub(super) struct CandidateRows {
    rows: Vec<CandidateRow>,
    /// What the rows were made from.
    made_from: Option<(u64, Vec<NodeId>)>,
}

/// A node that belongs to a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct CandidateRow {
    pub(super) node: NodeId,
    pub(super) group: GroupId,
    pub(super) serial: u64,
    limits: Limits,
}

impl CandidateRow {
    /// Whether a node is above its threshold, where its sums are enough to say so: see
    /// [`UtilizationReader::are_sums_enough`].
    #[inline]
    pub(super) fn is_surely_above(&self, cluster: &Cluster) -> bool {
        let [first, second] = &self.limits;
        // Both are cheap, and one branch is better to foresee than two.
        (cluster.requested(self.node, first.0) > first.1)
            | (cluster.requested(self.node, second.0) > second.1)
    }
}

impl CandidateRows {
    /// The rows are made anew although the nodes are the same.
    pub(super) fn clear(&mut self) {
        self.made_from = None;
    }

    /// The rows of those of these nodes that belong to a group, in the same order. Looks at the taints
    /// of all nodes that it makes rows of.
    pub(super) fn of(
        &mut self,
        cluster: &Cluster,
        nodes: &[NodeId],
        utilization: &mut UtilizationReader,
        taints: &mut TaintFactsCache,
    ) -> &[CandidateRow] {
        let version = cluster.node_version();
        let is_known = |(seen, of): &(u64, Vec<NodeId>)| *seen == version && of == nodes;
        if !self.made_from.as_ref().is_some_and(is_known) {
            self.make(cluster, nodes, utilization, taints);
            let mut made_from = self.made_from.take().map(|(_, nodes)| nodes).unwrap_or_default();
            made_from.clear();
            made_from.extend_from_slice(nodes);
            self.made_from = Some((version, made_from));
        }
        &self.rows
    }

    fn make(
        &mut self,
        cluster: &Cluster,
        nodes: &[NodeId],
        utilization: &mut UtilizationReader,
        taints: &mut TaintFactsCache,
    ) {
        self.rows.clear();
        for node in nodes.iter().copied() {
            let state = cluster.node(node);
            taints.look(cluster, node, state.taints);
            let Some(group) = state.group else { continue };
            let limits = utilization.limits_of(cluster, node);
            self.rows.push(CandidateRow { node, group, serial: state.serial, limits });
        }
    }
}
