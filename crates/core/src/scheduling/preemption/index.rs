//! Where preemption is cheapest for a kind of pod, kept up to date from the log of changed nodes.
//!
//! What it costs to make room on a node depends on that node alone, as long as the pod's rules look
//! at nothing else. So nodes wait in a heap by their cost, and only those that changed are tried
//! again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::Cost;
use crate::cluster::Cluster;
use crate::ids::{FitId, NodeId};
use crate::scheduling::Kind;
use crate::scheduling::indexes::Indexes;
use crate::scheduling::prepared::Prepared;
use crate::scheduling::ranking::tie_rank;

/// How many kinds of preempting pods are kept in mind: few wait at a time.
const KINDS_MAX: usize = 16;

/// Pods with equal keys preempt alike.
type Key = (FitId, i32, u64);

/// The index of each kind of preempting pod in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct PreemptionIndexes {
    by_kind: FxHashMap<Key, PreemptionIndex>,
}

/// What making room costs on each node.
#[derive(Clone, Debug, Default)]
struct PreemptionIndex {
    costs: Vec<Option<Cost>>,
    /// Entries that no longer hold stay until they come to the top.
    heap: BinaryHeap<Reverse<(Cost, u32, NodeId)>>,
    seen: u64,
    /// What budgets allowed when the costs were worked out.
    allowed: Vec<i64>,
    is_built: bool,
}

impl Cluster {
    /// Whether what preemption costs for a kind of pod depends on single nodes only.
    pub(super) fn is_indexed_for_preemption(&self, kind: Kind, prepared: &Prepared) -> bool {
        let is_named = {
            let fit = self.catalog.fit(self.catalog.fit_of(kind.shape));
            self.catalog.rules(fit.rules).named_nodes.is_some()
        };
        !self.is_fork()
            && !is_named
            && !self.looks_beyond_nodes(kind.shape)
            && prepared.filters.is_none()
            && !prepared.asks_beyond_indexes()
    }

    /// The node on which making room costs least.
    pub(super) fn cheapest_node(
        &mut self,
        kind: Kind,
        prepared: &Prepared,
        tie_seed: u64,
    ) -> Option<NodeId> {
        let fit = self.catalog.fit_of(kind.shape);
        let key = (fit, self.shape(kind.shape).priority, tie_seed);
        let mut index = self.preemption_indexes.by_kind.remove(&key).unwrap_or_default();
        let allowed: Vec<i64> =
            self.budgets().map(|(_, budget)| budget.disruptions_allowed).collect();
        let changed = Indexes::changed_since(self, index.seen);
        match changed.filter(|_| index.is_built && index.allowed == allowed) {
            Some(changed) => {
                for node in changed {
                    index.refresh(self, kind, prepared, node, tie_seed);
                }
            }
            None => {
                index = PreemptionIndex { is_built: true, allowed, ..PreemptionIndex::default() };
                for node in 0..self.nodes.slot_count() {
                    index.refresh(self, kind, prepared, NodeId::at(node), tie_seed);
                }
            }
        }
        index.seen = Indexes::log_end(self);
        let cheapest = index.cheapest();
        let indexes = &mut self.preemption_indexes.by_kind;
        if indexes.len() >= KINDS_MAX {
            indexes.clear();
        }
        indexes.insert(key, index);
        cheapest
    }
}

impl PreemptionIndex {
    fn refresh(
        &mut self,
        cluster: &mut Cluster,
        kind: Kind,
        prepared: &Prepared,
        node: NodeId,
        tie_seed: u64,
    ) {
        if self.costs.len() <= node.index() {
            self.costs.resize(node.index() + 1, None);
        }
        let cost = cluster.cost_of_room(kind, prepared, node);
        self.costs[node.index()] = cost;
        if let Some(cost) = cost {
            self.heap.push(Reverse((cost, tie_rank(node, tie_seed), node)));
        }
    }

    fn cheapest(&mut self) -> Option<NodeId> {
        while let Some(Reverse((cost, _, node))) = self.heap.peek() {
            if self.costs[node.index()] == Some(*cost) {
                return Some(*node);
            }
            self.heap.pop();
        }
        None
    }
}

impl Cluster {
    /// What it costs to make room on a node; `None` where that cannot be done.
    fn cost_of_room(&mut self, kind: Kind, prepared: &Prepared, node: NodeId) -> Option<Cost> {
        self.find_node(node)?;
        let refusal = self.refusal_beside(kind, prepared, node)?;
        if !refusal.resolvable {
            return None;
        }
        self.try_node(kind, prepared, node).ok().map(|candidate| candidate.cost)
    }
}
