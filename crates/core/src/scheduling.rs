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

mod filters;
mod fit_index;
pub mod profile;
mod queue;
mod scores;
mod spread;

pub use filters::{Refusal, describe_refusals};
pub(crate) use fit_index::{FitIndexes, ForkMark};
pub use profile::{ExtensionPoint, Plugin, PluginArguments, SchedulerProfile, SchedulerProfiles};
pub use queue::{Backoff, PodQueue};
pub(crate) use spread::Spread;

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
        let mut index = FitIndexes::take(self, fit, false);
        let mut wrapped = false;
        let found = loop {
            match index.next_fit(from, end) {
                Some(node) if self.nodes.get(node).unschedulable => from = node.index() + 1,
                Some(node) => break Some(node),
                None if wrapped => break None,
                None => {
                    wrapped = true;
                    from = 0;
                    end = start.index().min(end);
                }
            }
        };
        self.fits.give_back(fit, &mut index);
        found
    }

    /// Whether a pod of this shape fits on any other node than `node` now.
    pub fn fits_elsewhere(&mut self, shape: ShapeId, node: NodeId) -> bool {
        let fit = self.catalog.fit_of(shape);
        let mut index = FitIndexes::take(self, fit, false);
        let end = self.nodes.slot_count();
        let elsewhere = match index.next_fit(0, end) {
            Some(first) if first == node => index.next_fit(node.index() + 1, end).is_some(),
            first => first.is_some(),
        };
        self.fits.give_back(fit, &mut index);
        elsewhere
    }

    /// How many nodes a pod of this shape fits on now.
    pub fn count_fits(&mut self, shape: ShapeId) -> usize {
        let fit = self.catalog.fit_of(shape);
        let mut index = FitIndexes::take(self, fit, false);
        let count = index.count();
        self.fits.give_back(fit, &mut index);
        count
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
        let fit = self.catalog.fit_of(shape);
        let mut index = FitIndexes::take(self, fit, true);
        let spread = match index.next_fit(0, self.nodes.slot_count()) {
            Some(_) => self.spread_scores(shape, controller, &index),
            None => None,
        };
        let best = index.best(spread.as_deref(), tie_seed);
        self.fits.give_back(fit, &mut index);
        best
    }

    /// The score of a node for pods of this shape that does not depend on the other nodes:
    /// NodeResourcesFit + NodeResourcesBalancedAllocation, each 0–100.
    #[must_use]
    pub fn local_score(&self, shape: ShapeId, node: NodeId) -> i64 {
        scores::local_score(self, self.catalog.fit(self.catalog.fit_of(shape)), node)
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
