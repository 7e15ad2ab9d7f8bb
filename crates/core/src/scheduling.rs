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

mod change_log;
mod filters;
mod fit_index;
mod images;
mod indexes;
mod judgement;
mod pod_affinity;
pub mod profile;
mod queue;
mod ranking;
mod refusal;
mod rulebook;
mod schedule;
mod scores;
mod spread;
mod topology;

pub(crate) use images::ImageSpread;
pub(crate) use indexes::{ForkMark, Indexes};
pub use judgement::{Judgement, Verdict};
pub use profile::{ExtensionPoint, Plugin, PluginArguments, SchedulerProfile, SchedulerProfiles};
pub use queue::{Backoff, PodQueue};
pub use refusal::{Refusal, describe_refusals};
pub(crate) use rulebook::Rulebook;
pub use schedule::judgement_as_json;
pub(crate) use topology::Topology;

use std::sync::Arc;

use crate::catalog::CPU;
use crate::cluster::Cluster;
use crate::ids::{NodeId, ShapeId, WorkloadId};

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
        let fit = self.catalog.fit_of(shape);
        let mut from = start.index();
        let mut end = self.nodes.slot_count();
        let index = Indexes::take_fit(self, fit);
        let mut wrapped = false;
        let found = loop {
            match index.next_fit(from, end) {
                Some(node)
                    if self.nodes.get(node).unschedulable || self.is_kept_off(shape, node) =>
                {
                    from = node.index() + 1;
                }
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
        let fit = self.catalog.fit_of(shape);
        let index = Indexes::take_fit(self, fit);
        let elsewhere = index.iter().any(|one| one != node && !self.is_kept_off(shape, one));
        self.indexes.give_fit_back(fit, index);
        elsewhere
    }

    /// How many nodes a pod of this shape fits on now.
    pub fn count_fits(&mut self, shape: ShapeId) -> usize {
        let fit = self.catalog.fit_of(shape);
        let index = Indexes::take_fit(self, fit);
        let count = if self.looks_beyond_nodes(shape) {
            index.iter().filter(|node| !self.is_kept_off(shape, *node)).count()
        } else {
            index.count()
        };
        self.indexes.give_fit_back(fit, index);
        count
    }

    /// Whether what fits a pod of this shape depends on other nodes than the one it goes to.
    #[must_use]
    pub fn looks_beyond_nodes(&self, shape: ShapeId) -> bool {
        self.topology.filters(shape).is_some() || self.opponents(shape).next().is_some()
    }

    /// Whether something other than what is local to a node keeps a pod of this shape off it.
    fn is_kept_off(&self, shape: ShapeId, node: NodeId) -> bool {
        let rules = self.catalog.rules(self.catalog.fit(self.catalog.fit_of(shape)).rules);
        let book = self.catalog.rulebook(rules.profile);
        let filters = self.topology.filters(shape).map(Arc::as_ref);
        (book.filters_by(Plugin::PodTopologySpread)
            && filters.is_some_and(|filters| self.breaks_spread(filters, node)))
            || (book.filters_by(Plugin::InterPodAffinity)
                && self.pod_affinity_refusal(shape, filters, node).is_some())
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
        if self.refusal_of_pod(shape).is_some() {
            return None;
        }
        let fit = self.catalog.fit_of(shape);
        let id = self.plan_of(shape, controller);
        let plan = Arc::clone(self.topology.plans.get(id));
        let mut ranking = Indexes::take_ranking(self, fit, (id, &plan), tie_seed);
        let rules = self.catalog.rules(self.catalog.fit(fit).rules);
        let book = Arc::clone(self.catalog.rulebook(rules.profile));
        let best = ranking.best(self, &plan, &book);
        self.indexes.give_ranking_back((fit, id), ranking);
        best
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
