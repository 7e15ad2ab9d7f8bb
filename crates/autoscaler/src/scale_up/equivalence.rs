//! Pods that stand or fall together: judged once, by the first of them.

use plimsoll_core::ids::{PodId, ShapeId, WorkloadId};
use plimsoll_core::pod::{ClaimSource, MadeClaim, PodSpec};
use plimsoll_core::{Cluster, Labels};
use rustc_hash::FxHashMap;

/// A controller has at most so many groups; further pods of other kinds stand alone. Upstream's
/// guard against controllers whose pods are all different.
const GROUPS_PER_CONTROLLER_MAX: usize = 10;

/// Pods of one controller with equal labels and specs, or a single pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodGroup {
    /// What the first of them looks like; all checks use it.
    pub shape: ShapeId,
    /// The pods, in the order they were given.
    pub pods: Vec<PodId>,
}

/// Divides pods into groups, in the order of each group's first pod.
///
/// Source: `core/scaleup/equivalence/groups.go`.
#[must_use]
pub fn build(cluster: &Cluster, pods: &[PodId]) -> Vec<PodGroup> {
    let mut groups: Vec<PodGroup> = Vec::new();
    let mut of_controller: FxHashMap<WorkloadId, Vec<usize>> = FxHashMap::default();
    let mut last: Option<(WorkloadId, ShapeId, usize)> = None;
    for id in pods {
        let pod = cluster.pod(*id);
        let controller = controller_of(cluster, *id);
        let alone = PodGroup { shape: pod.shape, pods: vec![*id] };
        let Some(controller) = controller else {
            groups.push(alone);
            continue;
        };
        if let Some((before, shape, group)) = last
            && (before, shape) == (controller, pod.shape)
        {
            groups[group].pods.push(*id);
            continue;
        }
        let known = of_controller.entry(controller).or_default();
        let like = |group: &&usize| interchangeable(cluster, groups[**group].shape, pod.shape);
        if let Some(group) = known.iter().find(like) {
            last = Some((controller, pod.shape, *group));
            groups[*group].pods.push(*id);
            continue;
        }
        if known.len() < GROUPS_PER_CONTROLLER_MAX {
            known.push(groups.len());
            last = Some((controller, pod.shape, groups.len()));
        }
        groups.push(alone);
    }
    groups
}

/// The controller that a pod shares with pods like it; DaemonSets' pods stand alone.
fn controller_of(cluster: &Cluster, pod: PodId) -> Option<WorkloadId> {
    let controller = cluster.pod(pod).controller;
    controller.filter(|one| cluster.workload(*one).key.kind != "DaemonSet")
}

/// Whether pods of two shapes are equal in all that upstream compares: annotations are not, and of
/// the claims that are made for pods it is the template.
pub(crate) fn interchangeable(cluster: &Cluster, one: ShapeId, other: ShapeId) -> bool {
    if one == other {
        return true;
    }
    let catalog = cluster.catalog();
    let (a, b) = (cluster.shape(one), cluster.shape(other));
    catalog.fit_of(one) == catalog.fit_of(other)
        && a.labels == b.labels
        && without_identity(a) == without_identity(b)
}

/// What pods ask for, apart from what each has for itself.
fn without_identity(spec: &PodSpec) -> PodSpec {
    let mut spec = PodSpec { annotations: Labels::new(), run_for: None, ..spec.clone() };
    spec.volumes.owner = None;
    for claim in &mut spec.resource_claims {
        if let ClaimSource::Template { made, pod_name, pod_uid, .. } = &mut claim.source {
            *made = MadeClaim::NotYet;
            pod_name.clear();
            pod_uid.clear();
        }
    }
    spec
}

/// Pods with claims that fitted nowhere in this loop. Each such pod has a shape of its own, so that
/// what was found out about one is known of another only by comparing them.
///
/// Source: `simulator/scheduling/similar_pods.go`.
#[derive(Debug, Default)]
pub(crate) struct HopelessClaimants {
    of_controller: FxHashMap<WorkloadId, Vec<ShapeId>>,
}

impl HopelessClaimants {
    /// Notes a pod that fits nowhere; of no effect for pods without claims.
    pub(crate) fn note(&mut self, cluster: &Cluster, pod: PodId) {
        let Some(controller) = controller_of(cluster, pod).filter(|_| cluster.has_claims(pod))
        else {
            return;
        };
        let known = self.of_controller.entry(controller).or_default();
        if known.len() < GROUPS_PER_CONTROLLER_MAX {
            known.push(cluster.pod(pod).shape);
        }
    }

    /// Whether a pod like this one, of the same controller, was noted.
    pub(crate) fn has_one_like(&self, cluster: &Cluster, pod: PodId) -> bool {
        if self.of_controller.is_empty() || !cluster.has_claims(pod) {
            return false;
        }
        let known = cluster.pod(pod).controller.and_then(|one| self.of_controller.get(&one));
        let shape = cluster.pod(pod).shape;
        known.is_some_and(|known| known.iter().any(|one| interchangeable(cluster, *one, shape)))
    }
}
