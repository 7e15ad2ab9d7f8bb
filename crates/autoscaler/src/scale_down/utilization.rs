//! How much of a node its pods ask for.
//!
//! Source: `simulator/utilization/info.go` of release 1.36.

use std::borrow::Cow;

use plimsoll_core::catalog::{CPU, MEMORY};
use plimsoll_core::ids::{GroupId, NodeId, PodId, ResourceId, TemplateId};
use plimsoll_core::{Cluster, SimTime, drain};

use crate::settings::{GroupOptions, Settings};

/// Requests as parts of what pods may use of a node, as the planner sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct Utilization {
    /// Of the cpu; 0 on a node that is judged by its GPUs or its devices.
    pub cpu: f64,
    /// Of the memory; 0 on a node that is judged by its GPUs or its devices.
    pub memory: f64,
    /// Of the GPUs, on a node that has some: it is judged by them alone.
    pub gpu: Option<f64>,
    /// Of the pool of devices that is used most, on a node that has slices of its own and no GPUs as
    /// a resource: it is judged by that alone.
    pub dynamic_resource: Option<f64>,
    /// The resource that is used most, by its Kubernetes name, or `driver/pool`.
    pub resource: Cow<'static, str>,
    /// How much of that resource is used: what the threshold is held against.
    pub dominant: f64,
}

impl Utilization {
    fn of(resource: Cow<'static, str>, dominant: f64) -> Utilization {
        Utilization { cpu: 0.0, memory: 0.0, gpu: None, dynamic_resource: None, resource, dominant }
    }
}

/// The resource that stands for a GPU.
pub(super) const GPU_RESOURCE: &str = "nvidia.com/gpu";
/// The label of nodes that have GPUs, even before their driver has published any.
pub(super) const GPU_LABEL: &str = "k8s.amazonaws.com/accelerator";

/// Which pods count, and what is known about kinds of nodes.
#[derive(Clone, Debug)]
pub(super) struct UtilizationReader {
    flags: GroupOptions,
    ignore_mirrors: bool,
    /// By template: whether nodes of it are judged by their GPUs.
    has_gpu: Vec<Option<bool>>,
    /// By template: the most that may be asked of its nodes before they are above their threshold,
    /// and the group whose options say so. A template is mostly one group's.
    limits: Vec<Option<(Option<GroupId>, Limits)>>,
    /// What the groups were when `limits` was made.
    options: Vec<GroupOptions>,
    /// Pods past their end may be about: pods have to be looked at one by one.
    pub(super) looks_at_terminating: bool,
}

impl UtilizationReader {
    pub(super) fn new(settings: &Settings) -> UtilizationReader {
        UtilizationReader {
            flags: GroupOptions::of_flags(settings),
            ignore_mirrors: settings.ignore_mirror_pods_utilization,
            has_gpu: Vec::new(),
            limits: Vec::new(),
            options: Vec::new(),
            looks_at_terminating: true,
        }
    }

    /// Brings what is known of the groups' options up to date, and says whether they are what they
    /// were. Once a loop.
    pub(super) fn take_over_options(&mut self, cluster: &Cluster) -> bool {
        let of = |index: usize| self.flags.for_group(&cluster.group(GroupId::at(index)).spec);
        let known = self.options.len();
        let same = known == cluster.group_count()
            && self.options.iter().enumerate().all(|(index, one)| *one == of(index));
        if !same {
            self.options = (0..cluster.group_count()).map(of).collect();
            self.limits.clear();
        }
        same
    }

    fn options_of(&self, group: Option<GroupId>) -> &GroupOptions {
        group.and_then(|group| self.options.get(group.index())).unwrap_or(&self.flags)
    }

    /// Whether the sums that nodes keep are all that counts, so that `CandidateRow::is_surely_above`
    /// says the same as [`Self::read`] would.
    pub(super) fn are_sums_enough(&self) -> bool {
        !self.ignore_mirrors && !self.looks_at_terminating
    }

    /// The most that may be asked of a node before it is above its threshold.
    pub(super) fn limits_of(&mut self, cluster: &Cluster, node: NodeId) -> Limits {
        if cluster.has_own_devices(node) {
            return NO_LIMITS;
        }
        let (group, template) = (cluster.node(node).group, cluster.node(node).template);
        match self.limits.get(template.index()) {
            Some(Some((of, limits))) if *of == group => *limits,
            _ => self.work_out_limits(cluster, node, template),
        }
    }

    fn work_out_limits(&mut self, cluster: &Cluster, node: NodeId, template: TemplateId) -> Limits {
        let group = cluster.node(node).group;
        let options = *self.options_of(group);
        let limits = if options.ignore_daemon_sets_utilization {
            // Sums are not enough: pods have to be looked at one by one.
            NO_LIMITS
        } else if self.is_judged_by_gpu(cluster, template) {
            let gpu = cluster.catalog().resource(GPU_RESOURCE).unwrap_or(CPU);
            let has_some = gpu != CPU && cluster.allocatable(node, gpu) != 0;
            let most = cluster.allocatable(node, gpu);
            let threshold = options.scale_down_gpu_utilization_threshold;
            let most = if has_some { most_within(threshold, most) } else { i64::MAX };
            [(gpu, most), (gpu, most)]
        } else {
            let sizes = [CPU, MEMORY].map(|one| cluster.allocatable(node, one));
            let most = |size| {
                let threshold = options.scale_down_utilization_threshold;
                if sizes.contains(&0) { i64::MAX } else { most_within(threshold, size) }
            };
            [(CPU, most(sizes[0])), (MEMORY, most(sizes[1]))]
        };
        if self.limits.len() <= template.index() {
            self.limits.resize(template.index() + 1, None);
        }
        self.limits[template.index()] = Some((group, limits));
        limits
    }

    /// The node's utilization, and whether it is above its threshold. Equal is not above. `None` when
    /// it cannot be said: the node has no cpu or memory, a claim of a pod there holds nothing, or a
    /// pool of its devices is not whole.
    pub(super) fn read(
        &mut self,
        cluster: &Cluster,
        node: NodeId,
        now: SimTime,
    ) -> Option<(Utilization, bool)> {
        if self.is_judged_by_gpu(cluster, cluster.node(node).template) {
            let gpu = cluster
                .catalog()
                .resource(GPU_RESOURCE)
                .and_then(|gpu| self.ratio(cluster, node, gpu, now))
                .unwrap_or(0.0);
            let options = self.options_of(cluster.node(node).group);
            let is_above = gpu > options.scale_down_gpu_utilization_threshold;
            let found = Utilization::of(GPU_RESOURCE.into(), gpu);
            return Some((Utilization { gpu: Some(gpu), ..found }, is_above));
        }
        let found = match cluster.highest_pool_use(node).ok()? {
            Some((pool, used)) => {
                let dynamic_resource = Some(used);
                Utilization { dynamic_resource, ..Utilization::of(pool.into(), used) }
            }
            None => {
                let cpu = self.ratio(cluster, node, CPU, now)?;
                let memory = self.ratio(cluster, node, MEMORY, now)?;
                let (resource, dominant) =
                    if cpu > memory { ("cpu", cpu) } else { ("memory", memory) };
                Utilization { cpu, memory, ..Utilization::of(resource.into(), dominant) }
            }
        };
        let options = self.options_of(cluster.node(node).group);
        let is_above = found.dominant > options.scale_down_utilization_threshold;
        Some((found, is_above))
    }

    fn is_judged_by_gpu(&mut self, cluster: &Cluster, template: TemplateId) -> bool {
        if self.has_gpu.len() <= template.index() {
            self.has_gpu.resize(template.index() + 1, None);
        }
        *self.has_gpu[template.index()].get_or_insert_with(|| {
            let template = cluster.catalog().template(template);
            template.labels.contains_key(GPU_LABEL)
                || template.allocatable.get(GPU_RESOURCE).is_some_and(|count| *count > 0)
        })
    }

    /// `None` when the node has none of the resource.
    fn ratio(
        &self,
        cluster: &Cluster,
        node: NodeId,
        resource: ResourceId,
        now: SimTime,
    ) -> Option<f64> {
        let allocatable = cluster.allocatable(node, resource);
        if allocatable == 0 {
            return None;
        }
        let options = self.options_of(cluster.node(node).group);
        let ignores_daemon_sets = options.ignore_daemon_sets_utilization;
        let looks_at_pods = ignores_daemon_sets || self.ignore_mirrors || self.looks_at_terminating;
        let (requested, left_out) = if looks_at_pods {
            self.count(cluster, node, resource, ignores_daemon_sets, now)
        } else {
            (cluster.requested(node, resource), 0)
        };
        Some(quotient(requested, allocatable - left_out))
    }

    /// What counts of the requests, and what is taken out of both sides.
    fn count(
        &self,
        cluster: &Cluster,
        node: NodeId,
        resource: ResourceId,
        ignores_daemon_sets: bool,
        now: SimTime,
    ) -> (i64, i64) {
        let (mut counted, mut left_out) = (0, 0);
        for pod in &cluster.node(node).pods {
            let shape = cluster.pod(*pod).shape;
            let spec = cluster.shape(shape);
            let fit = cluster.catalog().fit(cluster.catalog().fit_of(shape));
            let amount =
                fit.requests.iter().find(|(one, _)| *one == resource).map_or(0, |(_, n)| *n);
            if (ignores_daemon_sets && drain::is_daemon_set_pod(cluster, *pod))
                || (self.ignore_mirrors && spec.is_mirror)
            {
                left_out += amount;
            } else if !drain::is_long_terminating(cluster.pod(*pod), spec, now) {
                counted += amount;
            }
        }
        (counted, left_out)
    }
}

#[expect(clippy::cast_precision_loss, reason = "upstream divides floating point numbers too")]
fn quotient(part: i64, whole: i64) -> f64 {
    part as f64 / whole as f64
}

/// The most of two resources that may be asked of a node.
pub(super) type Limits = [(ResourceId, i64); 2];

/// Nothing can be said of a node by its sums.
const NO_LIMITS: Limits = [(CPU, i64::MAX), (CPU, i64::MAX)];

/// The largest part of `whole` whose quotient is not above `threshold`.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a first guess, which is put right below"
)]
fn most_within(threshold: f64, whole: i64) -> i64 {
    let mut most = (threshold * whole as f64) as i64;
    while quotient(most, whole) > threshold {
        most -= 1;
    }
    while quotient(most + 1, whole) <= threshold {
        most += 1;
    }
    most
}

/// Whether deletion of any pod on these nodes was asked for.
pub(super) fn any_terminating(cluster: &Cluster, nodes: &[NodeId]) -> bool {
    let terminating = |pod: &PodId| cluster.pod(*pod).deletion_at.is_some();
    nodes.iter().any(|node| cluster.node(*node).pods.iter().any(terminating))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_within_a_threshold_is_the_last_that_is_not_above() {
        for threshold in [0.0, 0.1, 0.3, 0.5, 0.7, 1.0] {
            for whole in [1, 3, 7, 3920, 192_000, 960 << 30] {
                let most = most_within(threshold, whole);
                assert!(quotient(most, whole) <= threshold, "{most} of {whole}");
                assert!(quotient(most + 1, whole) > threshold, "{most} of {whole}");
            }
        }
    }
}
