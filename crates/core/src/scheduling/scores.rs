//! Scores: which of the nodes that fit is the best, in kube-scheduler's integer arithmetic.

use super::fit_index::FitIndex;
use crate::catalog::{CPU, Fit, MEMORY};
use crate::cluster::Cluster;
use crate::ids::{FitId, NodeId};
use crate::taints::intolerable_preferences;

/// The highest score a plugin gives.
const MAX_NODE_SCORE: i64 = 100;
/// Weights of the default profile of kube-scheduler 1.36.
const TAINT_TOLERATION_WEIGHT: i64 = 3;
const NODE_AFFINITY_WEIGHT: i64 = 2;

/// NodeResourcesFit (least allocated) + NodeResourcesBalancedAllocation, both of weight 1.
pub(super) fn local_score(cluster: &Cluster, fit: &Fit, node: NodeId) -> i64 {
    least_allocated(cluster, fit, node) + balanced_allocation(cluster, fit, node)
}

/// NodeResourcesFit with LeastAllocated: the mean of what would be left of cpu and memory, in
/// percent, where pods without requests count with the defaults.
fn least_allocated(cluster: &Cluster, fit: &Fit, node: NodeId) -> i64 {
    let nodes = &cluster.nodes;
    let cpu = nodes.scoring_cpu_milli[node.index()] + fit.scoring_cpu_milli;
    let memory = nodes.scoring_memory_bytes[node.index()] + fit.scoring_memory_bytes;
    let (mut sum, mut weights) = (0, 0);
    for (allocatable, requested) in
        [(nodes.allocatable.get(CPU, node), cpu), (nodes.allocatable.get(MEMORY, node), memory)]
    {
        if allocatable == 0 {
            continue;
        }
        weights += 1;
        if requested <= allocatable {
            sum += (allocatable - requested) * MAX_NODE_SCORE / allocatable;
        }
    }
    if weights == 0 { 0 } else { sum / weights }
}

/// NodeResourcesBalancedAllocation of 1.36: how much the pod betters the balance of cpu and memory,
/// 50 meaning not at all. 0 when the pod asks for neither, as upstream then skips the plugin.
fn balanced_allocation(cluster: &Cluster, fit: &Fit, node: NodeId) -> i64 {
    let asks = |id| fit.requests.iter().find(|(one, _)| *one == id).map_or(0, |(_, n)| *n);
    let (cpu, memory) = (asks(CPU), asks(MEMORY));
    if cpu == 0 && memory == 0 {
        return 0;
    }
    let with = balance(cluster, node, cpu, memory);
    let without = balance(cluster, node, 0, 0);
    50 + (50 + with - without) / 2
}

/// `int((1 − std) × 100)` of the fractions of cpu and memory requested on a node.
#[expect(clippy::cast_precision_loss, reason = "upstream computes these fractions in float64")]
#[expect(clippy::cast_possible_truncation, reason = "the value is between 0 and 100")]
fn balance(cluster: &Cluster, node: NodeId, cpu: i64, memory: i64) -> i64 {
    let fraction = |resource, more: i64| {
        let allocatable = cluster.nodes.allocatable.get(resource, node);
        (allocatable != 0).then(|| {
            let requested = cluster.nodes.requested.get(resource, node) + more;
            (requested as f64 / allocatable as f64).min(1.0)
        })
    };
    let std = match (fraction(CPU, cpu), fraction(MEMORY, memory)) {
        (Some(one), Some(other)) => ((one - other) / 2.0).abs(),
        _ => 0.0,
    };
    ((1.0 - std) * MAX_NODE_SCORE as f64) as i64
}

impl Cluster {
    /// Whether a score of this fit depends on the other feasible nodes: preferred node affinity, or
    /// nodes with preferences against pods.
    pub(super) fn scores_need_all_nodes(&self, fit: FitId) -> bool {
        let rules = self.catalog.rules(self.catalog.fit(fit).rules);
        !rules.preferred.is_empty() || self.fits.any_preference_taint()
    }

    /// The best node where TaintToleration and NodeAffinity have to be normalised over all feasible
    /// nodes first.
    pub(super) fn best_by_normalised_scores(
        &self,
        fit: FitId,
        index: &FitIndex,
        tie_seed: u64,
    ) -> Option<NodeId> {
        let rules = self.catalog.rules(self.catalog.fit(fit).rules);
        let raw: Vec<(NodeId, i64, i64)> = index
            .iter()
            .map(|node| {
                let against = intolerable_preferences(self.node_taints(node), &rules.tolerations);
                (node, against, self.preferred_weight(fit, node))
            })
            .collect();
        let most_against = raw.iter().map(|one| one.1).max().unwrap_or(0);
        let most_wanted = raw.iter().map(|one| one.2).max().unwrap_or(0);
        let total = |(node, against, wanted): &(NodeId, i64, i64)| {
            let taints = reversed_share(*against, most_against);
            let affinity = share(*wanted, most_wanted);
            index.score(*node) + TAINT_TOLERATION_WEIGHT * taints + NODE_AFFINITY_WEIGHT * affinity
        };
        raw.iter()
            .max_by_key(|one| {
                (total(one), std::cmp::Reverse(super::fit_index::tie_rank(one.0, tie_seed)))
            })
            .map(|one| one.0)
    }

    /// The sum of the weights of the preferred terms that match a node.
    fn preferred_weight(&self, fit: FitId, node: NodeId) -> i64 {
        let rules = self.catalog.rules(self.catalog.fit(fit).rules);
        let name = self.node_name(node);
        rules
            .preferred
            .iter()
            .filter(|(_, term)| term.matches(name, |key| self.node_label(node, key)))
            .map(|(weight, _)| *weight)
            .sum()
    }
}

/// `DefaultNormalizeScore`: the share of the highest, 0–100; 0 everywhere when that is 0.
fn share(score: i64, highest: i64) -> i64 {
    if highest == 0 { 0 } else { score * MAX_NODE_SCORE / highest }
}

/// `DefaultNormalizeScore` reversed: 100 everywhere when the highest is 0.
fn reversed_share(score: i64, highest: i64) -> i64 {
    MAX_NODE_SCORE - share(score, highest)
}
