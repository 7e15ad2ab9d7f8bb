//! PodTopologySpread: pods of one kind are kept apart over the domains of node labels.
//!
//! Source: `pkg/scheduler/framework/plugins/podtopologyspread`.

use super::profile::Plugin;
use super::refusal::Refusal;
use super::scores::MAX_NODE_SCORE;
use super::topology::{FilterPlan, Hard, NO_DOMAIN, Plan, Soft, SoftCount};
use crate::cluster::Cluster;
use crate::ids::NodeId;

impl Cluster {
    /// The first hard constraint that a node would break.
    pub(super) fn spread_refusal(&self, plan: &FilterPlan, node: NodeId) -> Option<Refusal> {
        plan.hard.iter().find_map(|constraint| {
            let Some(skew) = self.skew_on(constraint, node) else {
                let reason = "node(s) didn't match pod topology spread constraints (missing \
                              required label)";
                return Some(Refusal::unresolvable(Plugin::PodTopologySpread, reason));
            };
            (skew > constraint.max_skew).then(|| {
                let reason = "node(s) didn't match pod topology spread constraints";
                Refusal::new(Plugin::PodTopologySpread, reason)
            })
        })
    }

    /// How uneven the domains would be with the pod on a node; `None` when the node is in none.
    #[inline]
    pub(super) fn skew_on(&self, constraint: &Hard, node: NodeId) -> Option<i64> {
        let sum = &self.topology.sums[constraint.sum];
        let domain = self.topology.domains[sum.domains].of(node);
        if domain == NO_DOMAIN {
            return None;
        }
        Some(sum.in_domain(domain) + constraint.self_match - self.spread_floor(constraint))
    }

    /// The count that domains are held against: the least of them, or none while they are too few.
    #[inline]
    pub(super) fn spread_floor(&self, constraint: &Hard) -> i64 {
        let sum = &self.topology.sums[constraint.sum];
        let has_enough = i64::try_from(sum.present()).unwrap_or(i64::MAX) >= constraint.min_domains;
        // Without a domain in reach upstream's least count is the largest integer: any will do.
        if has_enough { sum.least().unwrap_or(i64::from(i32::MAX)) } else { 0 }
    }

    /// The same as `spread_refusal(..).is_some()`, without words.
    #[inline]
    pub(super) fn breaks_spread(&self, plan: &FilterPlan, node: NodeId) -> bool {
        plan.hard.iter().any(|constraint| {
            self.skew_on(constraint, node).is_none_or(|skew| skew > constraint.max_skew)
        })
    }
}

/// What the scores of soft constraints depend on besides the node: which nodes are scored.
#[derive(Clone, Debug, Default)]
pub(super) struct SpreadWeights {
    /// The weight of each constraint: ln(domains + 2).
    weights: Vec<f64>,
}

/// Counts the nodes that are scored and their domains, to weigh constraints.
#[derive(Clone, Debug)]
pub(super) struct SpreadCensus {
    nodes: usize,
    /// For each constraint the domains seen so far, with repetitions.
    domains: Vec<Vec<u32>>,
}

impl SpreadCensus {
    pub(super) fn new(plan: &Plan) -> SpreadCensus {
        SpreadCensus { nodes: 0, domains: vec![Vec::new(); plan.soft.len()] }
    }

    /// So many nodes like this one are scored.
    pub(super) fn add(&mut self, cluster: &Cluster, plan: &Plan, node: NodeId, count: usize) {
        if cluster.is_ignored_by_spread(plan, node) {
            return;
        }
        self.nodes += count;
        for (constraint, seen) in plan.soft.iter().zip(&mut self.domains) {
            if let SoftCount::ByDomain(_) = constraint.count {
                // Nodes without the key, where they count at all, are a domain of their own.
                seen.push(cluster.topology.domains[constraint.domains].of(node));
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "upstream computes these in float64")]
    pub(super) fn finish(mut self, plan: &Plan) -> SpreadWeights {
        let weights = plan.soft.iter().zip(&mut self.domains).map(|(constraint, seen)| {
            let size = match constraint.count {
                SoftCount::ByNode(_) => self.nodes,
                SoftCount::ByDomain(_) => {
                    seen.sort_unstable();
                    seen.dedup();
                    seen.len()
                }
            };
            ((size + 2) as f64).ln()
        });
        SpreadWeights { weights: weights.collect() }
    }
}

impl Cluster {
    /// Whether a node gets no score because it lacks a key.
    pub(super) fn is_ignored_by_spread(&self, plan: &Plan, node: NodeId) -> bool {
        let lacks = |one: &Soft| self.topology.domains[one.domains].of(node) == NO_DOMAIN;
        plan.soft_needs_all_keys && plan.soft.iter().any(lacks)
    }

    /// The raw score of a node: the sum of `count × weight + maxSkew − 1` over the constraints whose
    /// key it has, rounded half away from zero; less is better. `None` when it is ignored.
    #[expect(clippy::cast_precision_loss, reason = "upstream computes these in float64")]
    #[expect(clippy::cast_possible_truncation, reason = "scores are far below 2^53")]
    pub(super) fn raw_spread(
        &self,
        plan: &Plan,
        weights: &SpreadWeights,
        node: NodeId,
    ) -> Option<i64> {
        if self.is_ignored_by_spread(plan, node) {
            return None;
        }
        let mut score: f64 = 0.0;
        for (constraint, weight) in plan.soft.iter().zip(&weights.weights) {
            let domain = self.topology.domains[constraint.domains].of(node);
            if domain == NO_DOMAIN {
                continue;
            }
            let count = match constraint.count {
                SoftCount::ByNode(tally) => i64::from(self.topology.tallies[tally].on(node)),
                SoftCount::ByDomain(sum) => self.topology.sums[sum].in_domain(domain),
            };
            score += count as f64 * weight + (constraint.max_skew - 1) as f64;
        }
        Some(score.round() as i64)
    }
}

/// The least and the highest raw score.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpreadRange {
    least: i64,
    highest: i64,
}

impl Default for SpreadRange {
    fn default() -> SpreadRange {
        SpreadRange { least: i64::MAX, highest: 0 }
    }
}

impl SpreadRange {
    pub(super) fn add(&mut self, raw: Option<i64>) {
        if let Some(raw) = raw {
            self.least = self.least.min(raw);
            self.highest = self.highest.max(raw);
        }
    }

    /// `100 × (max + min − s) / max`, 100 when the highest is 0; 0 for nodes that are ignored.
    pub(super) fn normalise(self, raw: Option<i64>) -> i64 {
        match raw {
            None => 0,
            Some(_) if self.highest == 0 => MAX_NODE_SCORE,
            Some(raw) => MAX_NODE_SCORE * (self.highest + self.least - raw) / self.highest,
        }
    }
}

#[cfg(test)]
mod tests;
