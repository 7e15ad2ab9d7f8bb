//! Which pods are packed onto one node that is then multiplied: `fastpath-binpacking-enabled`.
//!
//! Source: `determineBestPEGToFastpath` and `tryFastPath` in `estimator/binpacking_estimator.go` of
//! release 1.36. Upstream saves simulations with it, here it saves nothing; but its answers differ.
//! The kind that saves most goes last whatever its size, so that smaller pods no longer fill what it
//! leaves, and an old new node with room takes its pods only until one fits on none.

use plimsoll_core::labels::LabelSelector;
use plimsoll_core::node::HOSTNAME_LABEL;
use plimsoll_core::{Cluster, PodSpec};

use crate::scale_up::equivalence::PodGroup;
use crate::scale_up::template::Template;

/// The group, by its place in the order of packing, of which upstream expects to save most; of equals
/// the last. `None` when no group can be multiplied.
pub(super) fn most_saving(
    cluster: &Cluster,
    groups: &[&PodGroup],
    template: &Template,
) -> Option<usize> {
    let mut best = None;
    let mut most = 0;
    for (place, group) in groups.iter().enumerate() {
        let spec = cluster.shape(group.shape);
        let saved = saved_simulations(spec, group.pods.len(), template);
        if saved >= most && can_be_multiplied(spec) {
            (best, most) = (Some(place), saved);
        }
    }
    best
}

/// A further node like the first takes as many pods, unless they look at domains of more than a node.
fn can_be_multiplied(spec: &PodSpec) -> bool {
    let mut kept_apart = spec.pod_affinity.required_anti.iter();
    spec.topology_spread.is_empty() && kept_apart.all(|term| term.topology_key == HOSTNAME_LABEL)
}

/// How many pods need not be tried one by one, by a guess at the number of nodes: of cpu and memory
/// only what the first container asks for counts, and all that a node has counts as free.
fn saved_simulations(spec: &PodSpec, pods: usize, template: &Template) -> usize {
    let capacity = |name: &str| template.spec.capacity.get(name).copied().unwrap_or(0);
    let (cpu, memory) = spec.first_container_requests;
    let alone = if keeps_its_like_off(spec) { pods } else { 0 };
    let nodes = alone.max(nodes_by_share(pods, cpu, capacity("cpu"))).max(nodes_by_share(
        pods,
        memory,
        capacity("memory"),
    ));
    pods - pods.checked_div(nodes).unwrap_or(pods)
}

fn keeps_its_like_off(spec: &PodSpec) -> bool {
    let mut terms = spec.pod_affinity.required_anti.iter();
    terms.any(|term| {
        let matches = |selector: &LabelSelector| selector.matches(&spec.labels);
        term.topology_key == HOSTNAME_LABEL && term.selector.as_ref().is_some_and(matches)
    })
}

/// Upstream divides by nothing where a node has none of a resource; what comes of it counts as none.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "upstream computes this in float64"
)]
fn nodes_by_share(pods: usize, amount: i64, capacity: i64) -> usize {
    if capacity <= 0 {
        return 0;
    }
    (pods as f64 * amount as f64 / capacity as f64).ceil() as usize
}
