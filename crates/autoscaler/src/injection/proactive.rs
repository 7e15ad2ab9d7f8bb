//! Proactive scale-up: pods that controllers want and have not made yet are helped with those that
//! wait.
//!
//! For each ReplicaSet, Job and parallel StatefulSet that has a pod: as many as it wants, less those
//! that run, wait or are gated, each like its newest. Upstream backs a controller off when such pods
//! find no room, but files that under the name of the made-up pod, where nobody looks it up; they
//! are made up again in the next loop, and so are ours.
//!
//! Source: `processors/podinjection/pod_injection_processor.go` and the controllers beside it.

use plimsoll_core::ids::{PodId, WorkloadId};
use plimsoll_core::{Cluster, Fork, Pod, PodBirth, Workload};

use super::{FakePods, Origin, is_handled};
use crate::settings::Settings;

/// Makes up the pods that controllers have yet to make.
pub fn inject(fork: &mut Fork<'_>, settings: &Settings, fakes: &mut FakePods) {
    let mut tallies: Vec<Tally> = vec![Tally::default(); fork.workloads().count()];
    for (id, pod) in fork.pods() {
        let Some(controller) = pod.controller else { continue };
        if counts(fork, settings, id, pod) {
            tallies[controller.index()].note(fork, id, pod);
        }
    }
    for (index, tally) in tallies.into_iter().enumerate() {
        let controller = WorkloadId::at(index);
        let Some(sample) = tally.sample else { continue };
        let wanted = wanted(fork.workload(controller));
        let sample = fork.pod(sample).clone();
        for number in 1..=wanted.saturating_sub(tally.count) {
            let birth = PodBirth {
                name: format!("{}-copy-{number}", sample.name).into(),
                shape: sample.shape,
                controller: Some(controller),
                created_at: sample.created_at,
            };
            fakes.add(fork, birth, Origin::Controller);
        }
    }
}

/// A controller's pods.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    count: u32,
    /// The newest of them; of several the first, those with a node before those without.
    sample: Option<PodId>,
}

impl Tally {
    fn note(&mut self, cluster: &Cluster, id: PodId, pod: &Pod) {
        let rank = |pod: &Pod| (pod.created_at, pod.node.is_some());
        self.count += 1;
        if self.sample.is_none_or(|sample| rank(pod) > rank(cluster.pod(sample))) {
            self.sample = Some(id);
        }
    }
}

/// Whether a pod is one of those that its controller need not make any more. A pod that waits and
/// that the scheduler has not looked at yet is none, as upstream does not see it.
fn counts(cluster: &Cluster, settings: &Settings, id: PodId, pod: &Pod) -> bool {
    if pod.node.is_some() {
        return true;
    }
    if pod.deletion_at.is_some() {
        return false;
    }
    let spec = cluster.shape(pod.shape);
    if !spec.scheduling_gates.is_empty() {
        return true;
    }
    if pod.nominated.is_some() {
        return is_handled(cluster, settings, id)
            && !spec.is_expendable(settings.expendable_pods_priority_cutoff);
    }
    let bypasses = settings.bypassed_scheduler_names.contains(&spec.scheduler_name);
    (pod.marked_unschedulable || bypasses) && is_handled(cluster, settings, id)
}

/// How many pods a controller wants to have at one time; 0 for those that are not hurried.
fn wanted(controller: &Workload) -> u32 {
    if !controller.exists {
        return 0;
    }
    match controller.key.kind.as_str() {
        "ReplicaSet" => controller.replicas,
        "StatefulSet" if controller.is_parallel => controller.replicas,
        "Job" => match (controller.completions, controller.succeeded) {
            // A work queue: as many as may run until the first has succeeded.
            (None, 0) => controller.replicas,
            (completions, succeeded) => {
                completions.unwrap_or(1).saturating_sub(succeeded).min(controller.replicas)
            }
        },
        _ => 0,
    }
}
