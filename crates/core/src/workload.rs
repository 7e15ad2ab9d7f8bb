//! What makes pods and what protects them: controllers, priority classes, disruption budgets.

use std::collections::BTreeSet;

use crate::labels::LabelSelector;
use crate::pod::{ControllerRef, PodSpec};
use crate::time::SimTime;

/// A controller of pods.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadObject {
    /// What kind it is.
    pub kind: WorkloadKind,
    /// `apps/v1`, ...
    pub api_version: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid; empty when the file gave none.
    pub uid: String,
    /// When it was created.
    pub created_at: Option<SimTime>,
    /// How many pods it wants: `replicas`, or `parallelism` of a Job, which is 0 for one that is
    /// suspended or finished. A DaemonSet has one per node.
    pub replicas: u32,
    /// How many pods a Job must see succeed; `None`: as many as `parallelism`.
    pub completions: Option<u32>,
    /// How many pods of a Job have succeeded so far.
    pub succeeded: u32,
    /// A StatefulSet of `podManagementPolicy: Parallel`.
    pub is_parallel: bool,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// What its pods look like; `None` where the document has no template (a bare recording).
    pub template: Option<PodSpec>,
    /// The controller above it (a ReplicaSet's Deployment).
    pub controller: Option<ControllerRef>,
}

/// The kinds of controllers that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// apps/v1 Deployment: keeps one ReplicaSet.
    Deployment,
    /// apps/v1 ReplicaSet.
    ReplicaSet,
    /// v1 ReplicationController.
    ReplicationController,
    /// apps/v1 StatefulSet: pods with stable names.
    StatefulSet,
    /// apps/v1 DaemonSet: a pod on every node it fits.
    DaemonSet,
    /// batch/v1 Job.
    Job,
}

impl WorkloadKind {
    /// The kind's name in Kubernetes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            WorkloadKind::Deployment => "Deployment",
            WorkloadKind::ReplicaSet => "ReplicaSet",
            WorkloadKind::ReplicationController => "ReplicationController",
            WorkloadKind::StatefulSet => "StatefulSet",
            WorkloadKind::DaemonSet => "DaemonSet",
            WorkloadKind::Job => "Job",
        }
    }
}

/// A policy/v1 PodDisruptionBudget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisruptionBudgetObject {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which pods it protects; `None` selects none, an empty selector the whole namespace.
    pub selector: Option<LabelSelector>,
    /// How many must stay, or may go.
    pub rule: DisruptionRule,
    /// `status.disruptionsAllowed`; `None` where the file gave no status.
    pub disruptions_allowed: Option<i64>,
    /// `status.disruptedPods`: names of pods whose eviction is under way; they use nothing more.
    pub disrupted_pods: BTreeSet<String>,
}

/// What a disruption budget demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisruptionRule {
    /// `minAvailable`: so many pods must stay healthy.
    MinAvailable(CountOrPercent),
    /// `maxUnavailable`: so many may be away.
    MaxUnavailable(CountOrPercent),
}

/// An IntOrString: a number of pods, or a percentage, which rounds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountOrPercent {
    /// So many pods.
    Count(i64),
    /// So many percent of the expected pods.
    Percent(i64),
}

impl CountOrPercent {
    /// The number of pods out of `total`, percentages rounded up.
    #[must_use]
    pub fn of(self, total: i64) -> i64 {
        match self {
            CountOrPercent::Count(count) => count,
            CountOrPercent::Percent(percent) => (percent * total + 99).div_euclid(100),
        }
    }
}

/// A scheduling.k8s.io/v1 PriorityClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorityClassObject {
    /// Its name.
    pub name: String,
    /// The priority of its pods.
    pub value: i32,
    /// Pods without a class get this one.
    pub global_default: bool,
    /// Whether its pods may evict others.
    pub preempts: bool,
}
