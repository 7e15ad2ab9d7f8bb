//! Scores: which of the nodes that fit is the best, in kube-scheduler's integer arithmetic.

use crate::catalog::{CPU, Fit, MEMORY, Rules};
use crate::cluster::Cluster;
use crate::ids::NodeId;

/// The highest score a plugin gives.
const MAX_NODE_SCORE: i64 = 100;
/// Weights of the default profile of kube-scheduler 1.36.
const TAINT_TOLERATION_WEIGHT: i64 = 3;
const NODE_AFFINITY_WEIGHT: i64 = 2;
/// The weight of PodTopologySpread.
pub(super) const SPREAD_WEIGHT: i64 = 2;

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

/// TaintToleration and NodeAffinity, normalised over the feasible nodes and weighted.
#[inline]
pub(super) fn preference_score(
    against: i32,
    most_against: i32,
    wanted: i32,
    most_wanted: i32,
) -> i64 {
    let taints = MAX_NODE_SCORE - share(against.into(), most_against.into());
    TAINT_TOLERATION_WEIGHT * taints
        + NODE_AFFINITY_WEIGHT * share(wanted.into(), most_wanted.into())
}

impl Cluster {
    /// The sum of the weights of the preferred terms that match a node.
    pub(super) fn preferred_weight(&self, rules: &Rules, node: NodeId) -> i32 {
        let name = self.node_name(node);
        let matching = rules
            .preferred
            .iter()
            .filter(|(_, term)| term.matches(name, |key| self.node_label(node, key)));
        let sum: i64 = matching.map(|(weight, _)| *weight).sum();
        i32::try_from(sum).unwrap_or(i32::MAX)
    }
}

/// `DefaultNormalizeScore`: the share of the highest, 0–100; 0 everywhere when that is 0.
#[inline]
fn share(score: i64, highest: i64) -> i64 {
    if highest == 0 { 0 } else { score * MAX_NODE_SCORE / highest }
}
