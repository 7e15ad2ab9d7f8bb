//! InterPodAffinity: pods near other pods, or away from them.
//!
//! Source: `pkg/scheduler/framework/plugins/interpodaffinity`.

use super::profile::Plugin;
use super::refusal::Refusal;
use super::scores::MAX_NODE_SCORE;
use super::topology::{FilterPlan, NO_DOMAIN, Plan, Sum};
use crate::cluster::Cluster;
use crate::ids::{NodeId, ShapeId};

impl Cluster {
    /// What keeps a pod of this shape off the node: its own affinity, its own anti-affinity, or the
    /// anti-affinity of pods that are there, in this order.
    pub(super) fn pod_affinity_refusal(
        &self,
        shape: ShapeId,
        plan: Option<&FilterPlan>,
        node: NodeId,
    ) -> Option<Refusal> {
        let plugin = Plugin::InterPodAffinity;
        if let Some(plan) = plan {
            if self.misses_affinity(plan, node) {
                let reason = "node(s) didn't match pod affinity rules";
                return Some(Refusal::unresolvable(plugin, reason));
            }
            if self.breaks_anti_affinity(plan, node) {
                let reason = "node(s) didn't match pod anti-affinity rules";
                return Some(Refusal::new(plugin, reason));
            }
        }
        self.opponents(shape).any(|sum| self.count_beside(sum, node) > 0).then(|| {
            let reason = "node(s) didn't satisfy existing pods anti-affinity rules";
            Refusal::new(plugin, reason)
        })
    }

    /// Whether neither pods of this shape nor those that are there, anywhere, have a required rule
    /// that concerns them: the plugin's PreFilter then skips it.
    pub(super) fn has_no_pod_affinity(&self, shape: ShapeId, plan: Option<&FilterPlan>) -> bool {
        plan.is_none_or(|plan| plan.affinity.is_empty() && plan.anti.is_empty())
            && self.opponents(shape).all(|sum| self.topology.sums[sum].total() == 0)
    }

    /// Whether some term of the pod's required affinity has no pod in the node's domain.
    pub(super) fn misses_affinity(&self, plan: &FilterPlan, node: NodeId) -> bool {
        let mut all_near = true;
        for place in &plan.affinity {
            let sum = &self.topology.sums[*place];
            let domain = self.topology.domains[sum.domains].of(node);
            if domain == NO_DOMAIN {
                return true;
            }
            all_near &= sum.in_domain(domain) > 0;
        }
        // The first of a series of pods that want each other must be let in somewhere.
        let is_first = || {
            let none_anywhere =
                plan.affinity.iter().all(|place| self.topology.sums[*place].total() == 0);
            plan.may_be_first && none_anywhere
        };
        !all_near && !is_first()
    }

    /// Whether the pod's required anti-affinity means a pod in the node's domain.
    pub(super) fn breaks_anti_affinity(&self, plan: &FilterPlan, node: NodeId) -> bool {
        plan.anti.iter().any(|sum| self.count_beside(*sum, node) > 0)
    }

    /// What a sum counts in a node's domain; 0 for a node without one.
    #[inline]
    pub(super) fn count_beside(&self, sum: usize, node: NodeId) -> i64 {
        let sum: &Sum = &self.topology.sums[sum];
        match self.topology.domains[sum.domains].of(node) {
            NO_DOMAIN => 0,
            domain => sum.in_domain(domain),
        }
    }

    /// Whether the plugin scores at all: something that a term means, or that carries a term, is in
    /// some domain, though the weights may cancel.
    pub(super) fn has_affinity_score(&self, plan: &Plan) -> bool {
        plan.weights.iter().any(|(sum, _)| self.topology.sums[*sum].total() > 0)
    }

    /// The raw score of a node: the weights of what is in its domains.
    pub(super) fn raw_affinity(&self, plan: &Plan, node: NodeId) -> i64 {
        plan.weights.iter().map(|(sum, weight)| weight * self.count_beside(*sum, node)).sum()
    }
}

/// The least and the highest raw score.
#[derive(Clone, Copy, Debug)]
pub(super) struct AffinityRange {
    least: i64,
    highest: i64,
}

impl Default for AffinityRange {
    fn default() -> AffinityRange {
        AffinityRange { least: i64::MAX, highest: i64::MIN }
    }
}

impl AffinityRange {
    pub(super) fn add(&mut self, raw: i64) {
        self.least = self.least.min(raw);
        self.highest = self.highest.max(raw);
    }

    /// `int(100 × (s − min) / (max − min))`, 0 when all are equal.
    #[expect(clippy::cast_precision_loss, reason = "upstream computes these in float64")]
    #[expect(clippy::cast_possible_truncation, reason = "the value is between 0 and 100")]
    pub(super) fn normalise(self, raw: i64) -> i64 {
        let range = self.highest - self.least;
        if range <= 0 {
            return 0;
        }
        (MAX_NODE_SCORE as f64 * ((raw - self.least) as f64 / range as f64)) as i64
    }
}

#[cfg(test)]
mod tests;
