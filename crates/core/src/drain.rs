//! What may move: Cluster Autoscaler's drain rules, asked of one pod of the cluster.
//!
//! Twelve rules are asked in order and the first that decides wins; a pod that no rule decides about
//! is moved. The last rule looks at disruption budgets as they stand in the cluster, so whoever
//! takes several nodes away on a fork calls [`use_budgets`] after each.
//!
//! Source: cluster-autoscaler 1.36, `simulator/drainability/rules`.

use std::fmt;

use crate::cluster::{Cluster, Pod, Workload};
use crate::ids::{PodId, ShapeId};
use crate::pod::{PodPhase, PodSpec, RestartPolicy};
use crate::time::{SimDuration, SimTime};

/// The verdict of the drain rules on a pod: all twelve, with controllers and budgets.
#[must_use]
pub fn judge(cluster: &Cluster, pod: PodId, rules: &DrainRules, now: SimTime) -> DrainVerdict {
    judge_with(cluster, pod, rules, now, Lookups::All)
}

/// The same without asking whether the controller exists and what budgets allow, as upstream judges
/// when it only wants to know whether a node is empty.
#[must_use]
pub fn judge_alone(
    cluster: &Cluster,
    pod: PodId,
    rules: &DrainRules,
    now: SimTime,
) -> DrainVerdict {
    judge_with(cluster, pod, rules, now, Lookups::None)
}

/// Which flags the rules read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainRules {
    /// `skip-nodes-with-system-pods`: pods of kube-system that no budget covers stay.
    pub skip_nodes_with_system_pods: bool,
    /// `skip-nodes-with-local-storage`: pods with local volumes stay.
    pub skip_nodes_with_local_storage: bool,
    /// `skip-nodes-with-custom-controller-pods`: pods of other controllers than the known ones stay.
    pub skip_nodes_with_custom_controller_pods: bool,
    /// `min-replica-count`: pods of smaller ReplicaSets and ReplicationControllers stay.
    pub min_replica_count: u32,
    /// `blocking-system-pod-distruption-timeout` (spelt so): a pod of kube-system older than this
    /// blocks no more.
    pub blocking_system_pod_timeout: SimDuration,
}

impl Default for DrainRules {
    fn default() -> DrainRules {
        DrainRules {
            skip_nodes_with_system_pods: true,
            skip_nodes_with_local_storage: true,
            skip_nodes_with_custom_controller_pods: true,
            min_replica_count: 0,
            blocking_system_pod_timeout: SimDuration::from_hours(1),
        }
    }
}

/// What becomes of a pod when its node goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DrainVerdict {
    /// It is left alone (a mirror pod, a pod long past its end).
    Skip,
    /// It belongs to a DaemonSet: it needs no other place and never blocks.
    DaemonSet,
    /// It must find another place.
    Move,
    /// It is left to finish; the node goes when it has.
    AwaitCompletion,
    /// The node cannot go.
    Blocked(BlockingReason),
}

/// Why a pod keeps its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockingReason {
    /// The controller it names does not exist.
    ControllerNotFound,
    /// Its controller has fewer replicas than `min-replica-count`.
    MinReplicasReached,
    /// Nothing would make it anew.
    NotReplicated,
    /// A pod of kube-system that no budget covers.
    UnmovableKubeSystemPod,
    /// The annotation `safe-to-evict=false`.
    NotSafeToEvictAnnotation,
    /// Its data would be lost.
    LocalStorageRequested,
    /// A budget allows no disruption.
    NotEnoughPdb,
}

impl BlockingReason {
    /// Upstream's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            BlockingReason::ControllerNotFound => "ControllerNotFound",
            BlockingReason::MinReplicasReached => "MinReplicasReached",
            BlockingReason::NotReplicated => "NotReplicated",
            BlockingReason::UnmovableKubeSystemPod => "UnmovableKubeSystemPod",
            BlockingReason::NotSafeToEvictAnnotation => "NotSafeToEvictAnnotation",
            BlockingReason::LocalStorageRequested => "LocalStorageRequested",
            BlockingReason::NotEnoughPdb => "NotEnoughPdb",
        }
    }
}

impl fmt::Display for BlockingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The annotation by which a pod says whether it may be evicted.
pub const SAFE_TO_EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
/// The annotation that names local volumes whose loss does not matter, separated by commas.
pub const SAFE_TO_EVICT_LOCAL_VOLUMES: &str =
    "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";
/// The annotation by which a pod of another controller counts as a DaemonSet's.
pub const DAEMON_SET_POD: &str = "cluster-autoscaler.kubernetes.io/daemonset-pod";
/// A pod that should have been gone for this long is not waited for.
const LONG_TERMINATING_AFTER: SimDuration = SimDuration::from_secs(30);
/// The namespace whose pods are only moved when a budget says that somebody thought about it.
const SYSTEM_NAMESPACE: &str = "kube-system";

/// What a judgement may look up besides the pod.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lookups {
    All,
    None,
}

fn judge_with(
    cluster: &Cluster,
    id: PodId,
    rules: &DrainRules,
    now: SimTime,
    lookups: Lookups,
) -> DrainVerdict {
    let pod = cluster.pod(id);
    let spec = cluster.shape(pod.shape);
    let controller = pod.controller.map(|one| cluster.workload(one));
    if spec.is_mirror || is_long_terminating(pod, spec, now) {
        return DrainVerdict::Skip;
    }
    if lookups == Lookups::All
        && let Some(reason) = controller.and_then(|one| controller_blocks(one, rules))
    {
        return DrainVerdict::Blocked(reason);
    }
    if belongs_to_daemon_set(spec, controller) {
        return DrainVerdict::DaemonSet;
    }
    let safe_to_evict = spec.annotations.get(SAFE_TO_EVICT).map(String::as_str);
    if safe_to_evict == Some("true") || is_finished(pod, spec) {
        return DrainVerdict::Move;
    }
    if safe_to_evict == Some("on-completion") {
        return DrainVerdict::AwaitCompletion;
    }
    if !is_replicated(controller, rules) {
        return DrainVerdict::Blocked(BlockingReason::NotReplicated);
    }
    if rules.skip_nodes_with_system_pods
        && spec.namespace == SYSTEM_NAMESPACE
        && (lookups == Lookups::None || cluster.budgets_of(id).next().is_none())
    {
        // Old enough, it is drained and none of the rules below is asked.
        return if pod.created_at + rules.blocking_system_pod_timeout < now {
            DrainVerdict::Move
        } else {
            DrainVerdict::Blocked(BlockingReason::UnmovableKubeSystemPod)
        };
    }
    if safe_to_evict == Some("false") {
        return DrainVerdict::Blocked(BlockingReason::NotSafeToEvictAnnotation);
    }
    if rules.skip_nodes_with_local_storage && has_local_storage(spec) {
        return DrainVerdict::Blocked(BlockingReason::LocalStorageRequested);
    }
    if lookups == Lookups::All
        && cluster.budgets_of(id).any(|(_, budget)| budget.disruptions_allowed < 1)
    {
        return DrainVerdict::Blocked(BlockingReason::NotEnoughPdb);
    }
    DrainVerdict::Move
}

/// The instant from which the verdict on a pod may differ although nothing else changes; `None`
/// when time alone changes nothing.
#[must_use]
pub fn judged_until(
    cluster: &Cluster,
    pod: PodId,
    rules: &DrainRules,
    now: SimTime,
) -> Option<SimTime> {
    const TICK: SimDuration = SimDuration(1);
    let pod = cluster.pod(pod);
    let spec = cluster.shape(pod.shape);
    let terminated = pod.deletion_at.map(|at| at + spec.termination_grace + LONG_TERMINATING_AFTER);
    let aged = (rules.skip_nodes_with_system_pods && spec.namespace == SYSTEM_NAMESPACE)
        .then(|| pod.created_at + rules.blocking_system_pod_timeout);
    [terminated, aged].into_iter().flatten().map(|at| at + TICK).filter(|at| *at > now).min()
}

/// Whether all pods of a shape and controller, those aside that have finished or were asked to go,
/// get the same verdict at any time.
#[must_use]
pub fn is_judged_by_kind(cluster: &Cluster, shape: ShapeId, rules: &DrainRules) -> bool {
    !rules.skip_nodes_with_system_pods || cluster.shape(shape).namespace != SYSTEM_NAMESPACE
}

/// Whether a pod should have been gone for so long that nobody waits for it any more.
#[must_use]
pub fn is_long_terminating(pod: &Pod, spec: &PodSpec, now: SimTime) -> bool {
    pod.deletion_at.is_some_and(|at| at + spec.termination_grace + LONG_TERMINATING_AFTER < now)
}

/// Whether a pod counts as a DaemonSet's: by its controller, or because it says so.
#[must_use]
pub fn is_daemon_set_pod(cluster: &Cluster, pod: PodId) -> bool {
    let pod = cluster.pod(pod);
    belongs_to_daemon_set(cluster.shape(pod.shape), pod.controller.map(|one| cluster.workload(one)))
}

fn belongs_to_daemon_set(spec: &PodSpec, controller: Option<&Workload>) -> bool {
    controller.is_some_and(|one| kind_without_api_group(one) == "DaemonSet")
        || spec.annotations.get(DAEMON_SET_POD).is_some_and(|value| value == "true")
}

/// Takes one disruption for each of `pods` from every budget that covers it. True when all of them
/// could go at one time, that is, when no budget is asked for more than it had.
pub fn use_budgets(cluster: &mut Cluster, pods: &[PodId]) -> bool {
    let mut at_one_time = true;
    let budgets: Vec<_> =
        cluster.budgets().map(|(id, budget)| (id, budget.disruptions_allowed)).collect();
    for (id, allowed) in budgets {
        let covered = pods
            .iter()
            .filter(|pod| cluster.budgets_of(**pod).any(|(budget, _)| budget == id))
            .count();
        let covered = i64::try_from(covered).unwrap_or(i64::MAX);
        if covered > 0 {
            at_one_time &= covered <= allowed;
            cluster.use_budget(id, covered);
        }
    }
    at_one_time
}

/// A finished pod is gone for good, unless its containers are always started again.
fn is_finished(pod: &Pod, spec: &PodSpec) -> bool {
    match pod.phase {
        PodPhase::Failed => true,
        PodPhase::Succeeded => spec.restart_policy != RestartPolicy::Always,
        PodPhase::Pending | PodPhase::Running => false,
    }
}

/// Kinds are kept with their API group after a dot where it is not Kubernetes' own. Such controllers
/// are never looked up, but their kind counts.
fn kind_without_api_group(controller: &Workload) -> &str {
    controller.key.kind.split('.').next().unwrap_or_default()
}

fn controller_blocks(controller: &Workload, rules: &DrainRules) -> Option<BlockingReason> {
    if !rules.skip_nodes_with_custom_controller_pods {
        return None;
    }
    let kind = controller.key.kind.as_str();
    let counts_replicas = matches!(kind, "ReplicationController" | "ReplicaSet");
    if !counts_replicas && !matches!(kind, "Job" | "StatefulSet" | "DaemonSet") {
        return None;
    }
    if !controller.exists {
        return Some(BlockingReason::ControllerNotFound);
    }
    (counts_replicas && controller.replicas < rules.min_replica_count)
        .then_some(BlockingReason::MinReplicasReached)
}

fn is_replicated(controller: Option<&Workload>, rules: &DrainRules) -> bool {
    let Some(controller) = controller else { return false };
    let kind = kind_without_api_group(controller);
    !rules.skip_nodes_with_custom_controller_pods
        || matches!(kind, "ReplicationController" | "Job" | "ReplicaSet" | "StatefulSet")
}

/// The list of volumes is split at its commas and nothing is trimmed, as upstream does it.
fn has_local_storage(spec: &PodSpec) -> bool {
    let safe = spec.annotations.get(SAFE_TO_EVICT_LOCAL_VOLUMES);
    spec.local_volumes
        .iter()
        .any(|volume| !safe.is_some_and(|names| names.split(',').any(|name| name == volume)))
}

#[cfg(test)]
mod tests;
