//! What must be so of a cluster at every instant, counted anew from its pods and nodes.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_core::catalog::PODS;
use plimsoll_core::ids::{NodeId, PodId, ResourceId, ShapeId};
use plimsoll_core::workload::{CountOrPercent, DisruptionRule};
use plimsoll_core::{Cluster, SimTime};

use super::watched::Findings;

/// The scheduler whose pods the world binds.
const SCHEDULER_NAME: &str = "default-scheduler";

/// Looks at the cluster before each loop, when controllers and scheduler have come to rest.
#[derive(Clone, Debug)]
pub(super) struct WorldState {
    /// The scheduler lets pods wait that it could not place, whether or not they fit by now.
    has_backoff: bool,
    /// Nodes that were fuller than they may be when the run began, by serial.
    overbooked_at_start: Option<BTreeSet<u64>>,
}

impl WorldState {
    pub(super) fn new(has_backoff: bool) -> WorldState {
        WorldState { has_backoff, overbooked_at_start: None }
    }

    /// All checks.
    pub(super) fn check(&mut self, cluster: &Cluster, now: SimTime, findings: &mut Findings) {
        let overbooked = overbooked_nodes(cluster);
        let exempt = self.overbooked_at_start.get_or_insert_with(|| {
            overbooked.iter().map(|node| cluster.node(*node).serial).collect()
        });
        let fresh = overbooked.iter().find(|id| !exempt.contains(&cluster.node(**id).serial));
        let wrong = fresh.map(|node| cluster.node_name(*node).to_owned());
        findings.note("no node is overbooked", now, wrong);
        findings.note("pods are on nodes that are there", now, misplaced_pod(cluster));
        findings.note("sums equal what is counted anew", now, wrong_sum(cluster));
        findings.note("budgets allow what their pods leave", now, wrong_budget(cluster));
        findings.note("every node of a group has its machine", now, wrong_machine(cluster));
        if !self.has_backoff {
            let wrong = waits_for_nothing(cluster);
            findings.note("what waits fits nowhere", now, wrong);
        }
    }
}

/// Nodes on which more is asked for than there is.
fn overbooked_nodes(cluster: &Cluster) -> Vec<NodeId> {
    let resources = resources(cluster);
    let is_full = |node: NodeId| {
        resources.iter().any(|one| cluster.requested(node, *one) > cluster.allocatable(node, *one))
    };
    cluster.nodes().map(|(id, _)| id).filter(|id| is_full(*id)).collect()
}

fn resources(cluster: &Cluster) -> Vec<ResourceId> {
    (0..cluster.catalog().resource_count()).map(ResourceId::at).collect()
}

/// A pod whose node is gone or does not know it, or a node that lists a pod of another.
fn misplaced_pod(cluster: &Cluster) -> Option<String> {
    let mut listed = 0;
    for (id, node) in cluster.nodes() {
        listed += node.pods.len();
        let strange = |pod: &&PodId| cluster.find_pod(**pod).is_none_or(|one| one.node != Some(id));
        if let Some(pod) = node.pods.iter().find(strange) {
            return Some(format!("node {} lists {pod:?}, which is not on it", node.name));
        }
    }
    let bound = cluster.pods().filter(|(_, pod)| pod.node.is_some()).count();
    (listed != bound).then(|| format!("{bound} pods are bound, and nodes list {listed}"))
}

/// A sum that is kept up to date and differs from what is counted anew.
fn wrong_sum(cluster: &Cluster) -> Option<String> {
    let mut by_shape: BTreeMap<ShapeId, u32> = BTreeMap::new();
    let mut unbound: BTreeSet<PodId> = BTreeSet::new();
    for (id, pod) in cluster.pods() {
        match pod.node {
            Some(_) => *by_shape.entry(pod.shape).or_default() += 1,
            None => drop(unbound.insert(id)),
        }
    }
    let shapes = (0..cluster.catalog().shape_count()).map(ShapeId::at);
    for shape in shapes {
        let counted = by_shape.get(&shape).copied().unwrap_or(0);
        let kept = cluster.bound_of_shape(shape);
        if counted != kept {
            return Some(format!("{counted} pods of {shape:?} are bound, and {kept} are counted"));
        }
    }
    let kept: BTreeSet<PodId> = cluster.unbound_pods().collect();
    if kept != unbound || cluster.unbound_count() != unbound.len() {
        return Some(format!("{} pods wait, and {} are listed", unbound.len(), kept.len()));
    }
    wrong_request(cluster)
}

fn wrong_request(cluster: &Cluster) -> Option<String> {
    for (id, node) in cluster.nodes() {
        for resource in resources(cluster) {
            let name = cluster.catalog().resource_name(resource);
            let of_pod = |pod: &PodId| {
                let spec = cluster.shape(cluster.pod(*pod).shape);
                spec.requests.get(name).copied().unwrap_or(0)
            };
            let counted: i64 = match resource {
                PODS => i64::try_from(node.pods.len()).unwrap_or(i64::MAX),
                _ => node.pods.iter().map(of_pod).sum(),
            };
            let kept = cluster.requested(id, resource);
            if counted != kept {
                return Some(format!("{name} on {}: {counted}, and {kept} is kept", node.name));
            }
        }
    }
    None
}

/// A budget that allows more than its healthy pods, or something else than `minAvailable` leaves.
fn wrong_budget(cluster: &Cluster) -> Option<String> {
    for (id, budget) in cluster.budgets() {
        let allowed = budget.disruptions_allowed;
        let mut healthy = 0;
        for (pod, state) in cluster.pods() {
            let counts = state.node.is_some() && state.deletion_at.is_none();
            healthy += i64::from(counts && cluster.budgets_of(pod).any(|(of, _)| of == id));
        }
        let exact = match budget.object.rule {
            DisruptionRule::MinAvailable(CountOrPercent::Count(least)) => Some(healthy - least),
            // Percentages and `maxUnavailable` refer to what controllers want.
            _ => None,
        };
        let is_wrong = exact.is_some_and(|exact| exact.max(0) != allowed);
        if is_wrong || !(0..=healthy).contains(&allowed) {
            let name = &budget.object.name;
            return Some(format!("budget {name} allows {allowed} of {healthy} healthy pods"));
        }
    }
    None
}

/// A node that belongs to a group whose machines do not have it, or a machine that is listed twice.
fn wrong_machine(cluster: &Cluster) -> Option<String> {
    for (_, group) in cluster.groups() {
        let ids: BTreeSet<&str> = group.instances.iter().map(|one| &*one.id).collect();
        if ids.len() != group.instances.len() {
            return Some(format!("group {} lists a machine twice", group.spec.name));
        }
    }
    for (_, node) in cluster.nodes() {
        let Some(group) = node.group.map(|group| cluster.group(group)) else { continue };
        if !group.instances.iter().any(|one| one.id == node.provider_id) {
            return Some(format!("node {} has no machine in {}", node.name, group.spec.name));
        }
    }
    None
}

/// A pod that waits although a node would take it. Pods that the scheduler must not touch aside; and
/// nothing is said while room is kept for a pod that others had to go for.
fn waits_for_nothing(cluster: &Cluster) -> Option<String> {
    let waiting: Vec<PodId> = cluster
        .unbound_pods()
        .filter(|pod| {
            let state = cluster.pod(*pod);
            let spec = cluster.shape(state.shape);
            let ours = spec.scheduler_name.is_empty() || spec.scheduler_name == SCHEDULER_NAME;
            ours && spec.scheduling_gates.is_empty() && state.deletion_at.is_none()
        })
        .collect();
    if waiting.iter().any(|pod| cluster.pod(*pod).nominated.is_some()) {
        return None;
    }
    let mut judged = BTreeSet::new();
    for pod in waiting {
        let shape = cluster.pod(pod).shape;
        if !judged.insert(shape) {
            continue;
        }
        let fits = |node: &NodeId| cluster.refusal(shape, *node).is_none();
        if let Some(node) = cluster.nodes().map(|(id, _)| id).find(fits) {
            let (pod, node) = (cluster.pod_full_name(pod), cluster.node_name(node));
            return Some(format!("pod {pod} waits, and fits node {node}"));
        }
    }
    None
}
