//! Pods that stand or fall together: judged once, by the first of them.

use plimsoll_core::ids::{PodId, ShapeId, WorkloadId};
use plimsoll_core::pod::PodSpec;
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
        let controller =
            pod.controller.filter(|one| cluster.workload(*one).key.kind != "DaemonSet");
        let alone = || PodGroup { shape: pod.shape, pods: vec![*id] };
        let Some(controller) = controller else {
            groups.push(alone());
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
        groups.push(alone());
    }
    groups
}

/// Whether pods of two shapes are equal in all that upstream compares: annotations are not.
fn interchangeable(cluster: &Cluster, one: ShapeId, other: ShapeId) -> bool {
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
    spec
}
