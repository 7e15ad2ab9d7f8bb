//! What fits where, and where a pod would go: kube-scheduler's filters and scores.
//!
//! Three questions are answered, each at the price of what changed since it was last asked:
//! * does a pod of this shape fit that node ([`Cluster::fits`], [`Cluster::refusal`]);
//! * which is the next node it fits on ([`Cluster::first_fit`]);
//! * which node would the scheduler choose ([`Cluster::best_node`]).
//!
//! Pods of one [`FitId`](crate::ids::FitId) share an index over the nodes: one bit for "fits", one
//! integer for the score. A change to a node is one entry in a log; an index catches up with the
//! log when it is next asked, so a pod that is bound costs every index one node, not all of them.
//!
//! Source: kube-scheduler 1.36, default profile.

mod alike;
mod change_log;
mod condition;
mod filters;
mod fit_index;
mod images;
mod indexes;
mod judgement;
mod node_set;
mod pod_affinity;
mod preemption;
mod prepared;
pub mod profile;
mod queue;
mod ranking;
mod refusal;
mod remedy;
mod rulebook;
mod sampling;
mod schedule;
mod scores;
mod spread;
mod topology;
mod trial;

pub use alike::Distinction;
pub(crate) use images::ImageSpread;
pub(crate) use indexes::{ForkMark, Indexes};
pub use judgement::{Judgement, Verdict};
pub use node_set::NodeSet;
pub(crate) use preemption::PreemptionIndexes;
pub use preemption::{Candidate, PreemptionOutcome};
pub use profile::{ExtensionPoint, Plugin, PluginArguments, SchedulerProfile, SchedulerProfiles};
pub use queue::{Backoff, PodQueue};
pub use refusal::{Refusal, describe_refusals};
pub use remedy::{Change, GroupNode, Remedy};
pub(crate) use rulebook::Rulebook;
pub use sampling::NodeSampling;
pub use schedule::{judgement_as_json, preemption_as_json, victim_names};
pub(crate) use topology::Topology;

use std::sync::Arc;

use crate::catalog::CPU;
use crate::cluster::Cluster;
use crate::ids::{NodeId, PodId, ShapeId, WorkloadId};
use prepared::Prepared;
use ranking::Ranking;

impl Kind {
    /// Pods of this shape, nobody's in particular.
    fn of(shape: ShapeId) -> Kind {
        Kind { shape, controller: None, pod: None }
    }
}

/// A pod, or one like it, that is to be placed.
#[derive(Clone, Copy, Debug)]
struct Kind {
    shape: ShapeId,
    controller: Option<WorkloadId>,
    /// The pod itself, which need not leave room for itself where it is nominated to.
    pod: Option<PodId>,
}

impl Cluster {
    /// Whether a pod of this shape fits the node now.
    #[must_use]
    pub fn fits(&self, shape: ShapeId, node: NodeId) -> bool {
        self.refusal(shape, node).is_none()
    }

    /// The first node at or after `start` (going round) that a pod of this shape fits on, cordoned
    /// nodes left out even if the pod tolerates the cordon.
    ///
    /// This is the search of Cluster Autoscaler, which takes any node; see [`Cluster::best_node`]
    /// for the scheduler's.
    pub fn first_fit(&mut self, shape: ShapeId, start: NodeId) -> Option<NodeId> {
        self.search(shape, start, None)
    }

    /// The same among some nodes.
    pub fn first_fit_among(
        &mut self,
        shape: ShapeId,
        start: NodeId,
        among: &NodeSet,
    ) -> Option<NodeId> {
        self.search(shape, start, Some(among))
    }

    fn search(&mut self, shape: ShapeId, start: NodeId, among: Option<&NodeSet>) -> Option<NodeId> {
        // What refuses such pods as a whole leaves no node in the index either.
        let prepared = if self.looks_beyond_nodes(shape) {
            Some(self.prepare(Kind::of(shape)).ok()?)
        } else {
            None
        };
        let fit = self.catalog.fit_of(shape);
        let mut from = start.index();
        let mut end = self.nodes.slot_count();
        let index = Indexes::take_fit(self, fit);
        let mut wrapped = false;
        let found = loop {
            let next = match among {
                None => index.next_fit(from, end),
                Some(among) => index.next_fit_among(among, from, end),
            };
            let refuses = |node| {
                self.nodes.get(node).unschedulable
                    || prepared.as_ref().is_some_and(|one| self.is_kept_off(shape, one, node))
            };
            match next {
                Some(node) if refuses(node) => from = node.index() + 1,
                Some(node) => break Some(node),
                None if wrapped => break None,
                None => {
                    wrapped = true;
                    from = 0;
                    end = start.index().min(end);
                }
            }
        };
        self.indexes.give_fit_back(fit, index);
        found
    }

    /// Whether a pod of this shape fits on any other node than `node` now.
    pub fn fits_elsewhere(&mut self, shape: ShapeId, node: NodeId) -> bool {
        let prepared = if self.looks_beyond_nodes(shape) {
            let Ok(prepared) = self.prepare(Kind::of(shape)) else { return false };
            Some(prepared)
        } else {
            None
        };
        let fit = self.catalog.fit_of(shape);
        let index = Indexes::take_fit(self, fit);
        let is_let_in = |one: NodeId| {
            one != node && prepared.as_ref().is_none_or(|all| !self.is_kept_off(shape, all, one))
        };
        let elsewhere = index.iter().any(is_let_in);
        self.indexes.give_fit_back(fit, index);
        elsewhere
    }

    /// How many nodes a pod of this shape fits on now.
    pub fn count_fits(&mut self, shape: ShapeId) -> usize {
        let Ok(prepared) = self.prepare(Kind::of(shape)) else { return 0 };
        let fit = self.catalog.fit_of(shape);
        let index = Indexes::take_fit(self, fit);
        let count = if self.looks_beyond_nodes(shape) {
            index.iter().filter(|node| !self.is_kept_off(shape, &prepared, *node)).count()
        } else {
            index.count()
        };
        self.indexes.give_fit_back(fit, index);
        count
    }

    /// Whether what fits a pod of this shape depends on more than the node it goes to: on pods of
    /// other nodes, on volumes, on devices.
    #[must_use]
    pub fn looks_beyond_nodes(&self, shape: ShapeId) -> bool {
        self.topology.filters(shape).is_some()
            || self.opponents(shape).next().is_some()
            || self.storage.use_of(shape).is_some()
            || self.may_want_devices(shape)
    }

    /// The node the scheduler would choose for a pod of this shape, made by this controller: the
    /// highest total score among the nodes it fits on. Of equals the one whose id ranks first in an
    /// order drawn from `tie_seed`, the same for every pod.
    pub fn best_node(
        &mut self,
        shape: ShapeId,
        controller: Option<WorkloadId>,
        tie_seed: u64,
    ) -> Option<NodeId> {
        self.best_node_beside(Kind { shape, controller, pod: None }, tie_seed)
    }

    /// The node the scheduler would choose for this pod now: the one that it is nominated to if it
    /// fits there. `None` when it is gated or fits nowhere.
    pub fn choose_node(&mut self, pod: PodId, tie_seed: u64) -> Option<NodeId> {
        let one = self.pod(pod);
        let (shape, controller, nominated) = (one.shape, one.controller, one.nominated);
        if self.gate_of(shape).is_some() {
            return None;
        }
        let kind = Kind { shape, controller, pod: Some(pod) };
        if let Some(node) = nominated.filter(|node| self.find_node(*node).is_some()) {
            let prepared = self.prepare_kind(kind).ok()?;
            if self.refusal_beside(kind, &prepared, node).is_none() {
                return Some(node);
            }
        }
        self.best_node_beside(kind, tie_seed)
    }

    fn best_node_beside(&mut self, kind: Kind, tie_seed: u64) -> Option<NodeId> {
        let prepared = self.prepare_kind(kind).ok()?;
        let fit = self.catalog.fit_of(kind.shape);
        let rules = Arc::clone(self.catalog.rules(self.catalog.fit(fit).rules));
        let book = Arc::clone(self.catalog.rulebook(rules.profile));
        if let Some(named) = rules.named_nodes.as_ref().filter(|_| book.narrows_by_name()) {
            // No index is worth its while for the few nodes that a pod names.
            let nodes: Vec<NodeId> =
                named.iter().filter_map(|name| self.nodes.named(name)).collect();
            return self.best_of(kind, &prepared, &nodes, tie_seed);
        }
        let id = self.plan_of(kind.shape, kind.controller);
        let plan = Arc::clone(self.topology.plans.get(id));
        let mut ranking = Indexes::take_ranking(self, fit, (id, &plan), tie_seed);
        if prepared.devices.is_some() {
            let nodes: Vec<NodeId> = ranking.nodes().collect();
            self.indexes.give_ranking_back((fit, id), ranking);
            return self.best_of(kind, &prepared, &nodes, tie_seed);
        }
        let excluded = self.nodes_unknown_to_indexes(kind, &prepared, &ranking);
        excluded.iter().for_each(|node| ranking.drop_node(*node));
        let best = ranking.best(self, &plan, &book);
        for node in excluded {
            ranking.refresh_node(self, fit, &plan, node);
        }
        self.indexes.give_ranking_back((fit, id), ranking);
        best
    }

    /// The nodes of a ranking that refuse a pod for what no index knows of: volumes, and room that
    /// is kept for pods that are nominated to them.
    fn nodes_unknown_to_indexes(
        &mut self,
        kind: Kind,
        prepared: &Prepared,
        ranking: &Ranking,
    ) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = Vec::new();
        if prepared.asks_beyond_indexes() {
            let refuses =
                |node: &NodeId| self.refusal_beyond_indexes(kind.shape, prepared, *node).is_some();
            nodes.extend(ranking.nodes().filter(refuses));
        }
        for node in self.nodes_with_nominations() {
            if ranking.has(node) && self.refusal_beside(kind, prepared, node).is_some() {
                nodes.push(node);
            }
        }
        nodes
    }

    /// The best of a few nodes, or of those that only slow filters can tell apart: every one is
    /// judged.
    fn best_of(
        &mut self,
        kind: Kind,
        prepared: &Prepared,
        nodes: &[NodeId],
        tie_seed: u64,
    ) -> Option<NodeId> {
        let fits = |node: &NodeId| self.refusal_beside(kind, prepared, *node).is_none();
        let feasible: Vec<NodeId> = nodes.iter().copied().filter(fits).collect();
        if feasible.len() < 2 {
            return feasible.first().copied();
        }
        let id = self.plan_of(kind.shape, kind.controller);
        let plan = Arc::clone(self.topology.plans.get(id));
        let totals = self.score_all(kind.shape, &plan, prepared, &feasible);
        let rank = |node: NodeId| std::cmp::Reverse(ranking::tie_rank(node, tie_seed));
        let best = totals.iter().max_by_key(|(node, verdict)| (verdict.total(), rank(**node)));
        best.map(|(node, _)| *node)
    }

    /// What PreFilters find out about a kind of pod.
    fn prepare_kind(&mut self, kind: Kind) -> Result<Prepared, Refusal> {
        let mut prepared = self.prepare(kind)?;
        if self.has_hard_defaults(kind.shape) {
            let plan = self.plan_of(kind.shape, kind.controller);
            prepared.filters = Some(Arc::new(self.topology.plans.get(plan).filters.clone()));
        }
        Ok(prepared)
    }

    /// Utilisation of one resource of a node, 0 for a node that has none of it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio for reports, not for decisions")]
    pub fn cpu_utilisation(&self, node: NodeId) -> f64 {
        let allocatable = self.allocatable(node, CPU);
        if allocatable == 0 { 0.0 } else { self.requested(node, CPU) as f64 / allocatable as f64 }
    }
}

#[cfg(test)]
mod tests;
