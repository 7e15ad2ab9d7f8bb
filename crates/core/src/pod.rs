//! What a pod asks of the cluster.

use std::collections::BTreeMap;

use crate::labels::{LabelSelector, Labels, NodeSelectorTerm};
use crate::pod_affinity::PodAffinity;
use crate::storage::PodVolumes;
use crate::taints::Toleration;
use crate::time::{SimDuration, SimTime};

/// Amounts by resource name: `cpu` in milli-CPU, everything else in whole units (bytes, counts),
/// rounded up as the scheduler does.
pub type ResourceMap = BTreeMap<String, i64>;

/// Everything that scheduling and autoscaling read off a pod, apart from its identity and place:
/// replicas of one Deployment have equal specs. Interned in a [`Cluster`](crate::Cluster) as a
/// *shape*.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodSpec {
    /// The namespace: selectors never look beyond it unless they say so.
    pub namespace: String,
    /// The labels, for other objects' selectors.
    pub labels: Labels,
    /// What the pod needs of its node, by the scheduler's rule (init containers, sidecars,
    /// overhead, pod-level resources). Resources asked for as 0 are left out.
    pub requests: ResourceMap,
    /// What its first container alone asks for, (milli-CPU, bytes): by that Cluster Autoscaler's fast
    /// path guesses how many nodes pods take.
    pub first_container_requests: (i64, i64),
    /// The same for scoring: a container without a cpu request counts as 100 m.
    pub scoring_cpu_milli: i64,
    /// The same for scoring: a container without a memory request counts as 200 MiB.
    pub scoring_memory_bytes: i64,
    /// What others' scores see of it once it is placed, (milli-CPU, bytes), where that is something
    /// else: requests of the pod as a whole count then, and only then.
    pub placed_scoring: Option<(i64, i64)>,
    /// Labels the node must have, from `nodeSelector`.
    pub node_selector: Labels,
    /// `requiredDuringSchedulingIgnoredDuringExecution`: one of the terms must match. `None`: no
    /// such rule; `Some` of no term matches no node.
    pub required_node_terms: Option<Vec<NodeSelectorTerm>>,
    /// Preferred terms with their weights (1–100).
    pub preferred_node_terms: Vec<(i64, NodeSelectorTerm)>,
    /// Which taints do not keep the pod off.
    pub tolerations: Vec<Toleration>,
    /// Host ports of containers and sidecars.
    pub host_ports: Vec<HostPort>,
    /// The priority; higher goes first.
    pub priority: i32,
    /// Nobody gave it a priority, so that 0 is only how it sorts: the autoscaler's cutoff does not
    /// reach it.
    pub is_priority_unset: bool,
    /// Whether it may evict pods of lower priority.
    pub preempts: bool,
    /// Which scheduler is responsible.
    pub scheduler_name: String,
    /// Gates that keep it from being scheduled at all.
    pub scheduling_gates: Vec<String>,
    /// How a controller restarts it; a finished pod of `Always` comes back.
    pub restart_policy: RestartPolicy,
    /// `terminationGracePeriodSeconds`.
    pub termination_grace: SimDuration,
    /// Annotations under `cluster-autoscaler.kubernetes.io/`, `autoscaling.x-k8s.io/` and
    /// `plimsoll.dev/`.
    pub annotations: Labels,
    /// The name of each volume that lives and dies with the node (hostPath, emptyDir not in
    /// memory).
    pub local_volumes: Vec<String>,
    /// Volumes that tie the pod to some nodes, or away from some.
    pub volumes: PodVolumes,
    /// It is a mirror of a static pod.
    pub is_mirror: bool,
    /// How long it runs once bound (`plimsoll.dev/run-for`); `None`: until somebody deletes it.
    pub run_for: Option<SimDuration>,
    /// Rules about other pods near it.
    pub pod_affinity: PodAffinity,
    /// The images it runs, with their tags: of init containers, containers and image volumes, each
    /// as often as it is there.
    pub images: Vec<String>,
    /// How many containers it has, init containers among them: what the score for images is
    /// stretched over.
    pub image_container_count: u32,
    /// What its node's software must be able to do (`status.declaredFeatures`), by name, sorted.
    pub required_node_features: Vec<String>,
    /// Spread rules.
    pub topology_spread: Vec<TopologySpreadConstraint>,
    /// `resourceClaims`: the claims whose devices it needs.
    pub resource_claims: Vec<PodResourceClaim>,
    /// For each extended resource that containers ask for: what a claim for as many devices would
    /// request, where devices stand for the resource.
    pub extended_resource_requests: BTreeMap<String, Vec<ContainerDeviceRequest>>,
    /// Scheduling features the spec uses that this release does not judge, by name. A report states
    /// them.
    pub unjudged_features: Vec<String>,
    /// A digest of everything in the spec that tells pods of one controller apart for Cluster
    /// Autoscaler, what is not kept here among it; 0 for pods that were not read from an object.
    pub digest: u64,
}

impl PodSpec {
    /// Whether the autoscaler with this `expendable-pods-priority-cutoff` takes no notice of such
    /// pods.
    #[must_use]
    pub fn is_expendable(&self, priority_cutoff: i32) -> bool {
        self.priority < priority_cutoff && !self.is_priority_unset
    }
}

/// One of a pod's `resourceClaims`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodResourceClaim {
    /// The name by which containers refer to it.
    pub name: String,
    /// Which ResourceClaim it is.
    pub source: ClaimSource,
}

/// Where a pod's claim comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimSource {
    /// A claim that may be shared: its name in the pod's namespace.
    Claim(String),
    /// A claim made for this pod alone.
    Template {
        /// The ResourceClaimTemplate.
        template: String,
        /// What was made of it so far.
        made: MadeClaim,
        /// The pod's own name: the claim must be this pod's.
        pod_name: String,
        /// The pod's own uid.
        pod_uid: String,
    },
}

/// What a controller made of a claim template for a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MadeClaim {
    /// Nothing yet: the pod has to wait.
    NotYet,
    /// Nothing, on purpose: the pod goes without.
    NotNeeded,
    /// The claim of this name.
    Claim(String),
}

/// So many devices that a container asks for by an extended resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerDeviceRequest {
    /// The name of the request: `container-<index>-request-<index>`.
    pub request: String,
    /// How many.
    pub count: i64,
}

/// A port of the node that a pod occupies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    /// The address; `0.0.0.0` is every address.
    pub ip: String,
    /// TCP, UDP or SCTP.
    pub protocol: String,
    /// The port number.
    pub port: u16,
}

impl HostPort {
    /// Whether both cannot be had on one node.
    ///
    /// Source: `k8s.io/kubernetes/pkg/scheduler/framework.HostPortInfo`.
    #[must_use]
    pub fn conflicts_with(&self, other: &HostPort) -> bool {
        const EVERY_ADDRESS: &str = "0.0.0.0";
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || self.ip == EVERY_ADDRESS || other.ip == EVERY_ADDRESS)
    }
}

/// `spec.restartPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RestartPolicy {
    /// Always.
    #[default]
    Always,
    /// Only when it failed.
    OnFailure,
    /// Never.
    Never,
}

/// One of a pod's `topologySpreadConstraints`, after API defaulting (`matchLabelKeys` merged into
/// the selector).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopologySpreadConstraint {
    /// How uneven the domains may be.
    pub max_skew: i64,
    /// The node label whose values are the domains.
    pub topology_key: String,
    /// True for `DoNotSchedule`, false for `ScheduleAnyway`.
    pub hard: bool,
    /// Which pods count; `None` selects none.
    pub selector: Option<LabelSelector>,
    /// Fewer domains than this count as having an empty one.
    pub min_domains: Option<i64>,
    /// True (the default) when nodes that the pod's node affinity excludes do not count.
    pub honor_affinity: bool,
    /// True when nodes whose taints the pod does not tolerate do not count.
    pub honor_taints: bool,
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PodPhase {
    /// Not running yet.
    #[default]
    Pending,
    /// Running.
    Running,
    /// Finished well.
    Succeeded,
    /// Finished badly.
    Failed,
}

/// A pod as an API server holds it, as far as capacity is concerned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodObject {
    /// The name within the namespace of `spec`.
    pub name: String,
    /// The uid; empty when the file gave none.
    pub uid: String,
    /// When it was created.
    pub created_at: Option<SimTime>,
    /// What it asks for.
    pub spec: PodSpec,
    /// The node it is bound to.
    pub node_name: Option<String>,
    /// The node that preemption made room on.
    pub nominated_node_name: Option<String>,
    /// Its phase.
    pub phase: PodPhase,
    /// Its controller.
    pub controller: Option<ControllerRef>,
    /// When deletion was asked for; it ends after its grace period.
    pub deletion_at: Option<SimTime>,
    /// The kubelet's start time.
    pub started_at: Option<SimTime>,
    /// The scheduler has marked it PodScheduled=False with reason Unschedulable.
    pub marked_unschedulable: bool,
    /// The scheduler asked it to go for a pod of higher priority (its `DisruptionTarget` condition).
    pub is_preempted: bool,
    /// When the PodScheduled condition became what it is.
    pub scheduled_condition_at: Option<SimTime>,
}

/// A reference to the controller of an object: the ownerReference with `controller: true`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ControllerRef {
    /// `apps/v1`, `batch/v1`, ...
    pub api_version: String,
    /// `ReplicaSet`, `Job`, ...
    pub kind: String,
    /// Its name, in the same namespace.
    pub name: String,
    /// Its uid; empty when the file gave none.
    pub uid: String,
}

impl ControllerRef {
    /// The kind by which a cluster knows the controller: of a kind that Kubernetes has itself, but of
    /// another API group, with that group (`ReplicaSet.example.com`), so that namesakes are told
    /// apart.
    #[must_use]
    pub fn workload_kind(&self) -> String {
        let group = self.api_version.split_once('/').map_or("", |(group, _)| group);
        let own_group = match self.kind.as_str() {
            "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => "apps",
            "Job" | "CronJob" => "batch",
            "ReplicationController" => "",
            _ => return self.kind.clone(),
        };
        // A recording may have left the version out.
        if group == own_group || self.api_version.is_empty() {
            self.kind.clone()
        } else {
            format!("{}.{group}", self.kind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namesake_of_another_api_group_is_told_apart() {
        let kind = |api_version: &str, kind: &str| {
            ControllerRef {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                name: "web".to_owned(),
                uid: String::new(),
            }
            .workload_kind()
        };
        assert_eq!(kind("apps/v1", "ReplicaSet"), "ReplicaSet");
        assert_eq!(kind("v1", "ReplicationController"), "ReplicationController");
        assert_eq!(kind("batch/v1beta1", "CronJob"), "CronJob");
        assert_eq!(kind("", "Job"), "Job");
        assert_eq!(
            kind("rollouts.example.com/v1", "ReplicaSet"),
            "ReplicaSet.rollouts.example.com"
        );
        assert_eq!(kind("apps.example.com/v1", "CloneSet"), "CloneSet");
    }
}
