//! The names, types and labels of Cluster Autoscaler 1.36's metrics.
//!
//! Source: `metrics/metrics.go` of release 1.36. Every name gets the prefix [`PREFIX`]. Labels stand
//! in the order of the alphabet, as expositions do. [docs/reference/status.md] says which of
//! upstream's metrics are missing, and why.
//!
//! [docs/reference/status.md]: https://plimsoll.dev/reference/status

/// What every name starts with.
pub const PREFIX: &str = "cluster_autoscaler_";

/// One metric: what all its samples share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    /// The name without [`PREFIX`].
    pub name: &'static str,
    /// What its values mean.
    pub kind: Kind,
    /// The names of its labels, in the order of the alphabet.
    pub labels: &'static [&'static str],
    /// What it tells, for people.
    pub help: &'static str,
}

/// What a metric's values mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// The last value counts.
    Gauge,
    /// It only grows.
    Counter,
    /// Observations by size; these are the upper bounds, the infinite one aside.
    Histogram(&'static [i64]),
}

impl Kind {
    /// Prometheus' word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram(_) => "histogram",
        }
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, labels, help }
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind: Kind::Counter, labels, help }
}

/// Labels of what is counted by what nodes have.
const NODE_LABELS: &[&str] = &["dra_drivers", "gpu_name", "gpu_resource_name"];
/// The same with a reason.
const REASONED_NODE_LABELS: &[&str] = &["dra_drivers", "gpu_name", "gpu_resource_name", "reason"];
/// Labels of the older counters of nodes with GPUs.
const GPU_LABELS: &[&str] = &["gpu_name", "gpu_resource_name"];
/// The same with a reason.
const REASONED_GPU_LABELS: &[&str] = &["gpu_name", "gpu_resource_name", "reason"];

/// 1 while few enough nodes are unready.
pub static CLUSTER_SAFE_TO_AUTOSCALE: Family = gauge(
    "cluster_safe_to_autoscale",
    &[],
    "1 while the cluster is healthy enough to be scaled, else 0.",
);
/// Nodes by how the registry counts them.
pub static NODES_COUNT: Family = gauge("nodes_count", &["state"], "Nodes, by state.");
/// Groups.
pub static NODE_GROUPS_COUNT: Family =
    gauge("node_groups_count", &["node_group_type"], "Node groups, by who made them.");
/// Pods without a node that the loop began with.
pub static UNSCHEDULABLE_PODS_COUNT: Family = gauge(
    "unschedulable_pods_count",
    &["type"],
    "Pods without a node, by whether the scheduler has looked at them.",
);
/// How many nodes there may be.
pub static MAX_NODES_COUNT: Family =
    gauge("max_nodes_count", &[], "How many nodes the groups and max-nodes-total allow.");
/// Cores of the nodes that stay.
pub static CLUSTER_CPU_CURRENT_CORES: Family =
    gauge("cluster_cpu_current_cores", &[], "Cores of the nodes that are not being deleted.");
/// The flag `cores-total`.
pub static CPU_LIMITS_CORES: Family =
    gauge("cpu_limits_cores", &["direction"], "How many cores the cluster must and may have.");
/// Memory of the nodes that stay.
pub static CLUSTER_MEMORY_CURRENT_BYTES: Family =
    gauge("cluster_memory_current_bytes", &[], "Memory of the nodes that are not being deleted.");
/// The flag `memory-total`.
pub static MEMORY_LIMITS_BYTES: Family =
    gauge("memory_limits_bytes", &["direction"], "How much memory the cluster must and may have.");
/// A group's smallest size.
pub static NODE_GROUP_MIN_COUNT: Family =
    gauge("node_group_min_count", &["node_group"], "The smallest size of a group.");
/// A group's largest size.
pub static NODE_GROUP_MAX_COUNT: Family =
    gauge("node_group_max_count", &["node_group"], "The largest size of a group.");
/// What the cloud has been asked for.
pub static NODE_GROUP_TARGET_COUNT: Family =
    gauge("node_group_target_count", &["node_group"], "The size that the cloud was asked for.");
/// 1 while few enough of a group's nodes are missing.
pub static NODE_GROUP_HEALTHINESS: Family =
    gauge("node_group_healthiness", &["node_group"], "1 while a group is healthy, else 0.");
/// 1 while a group is in back-off for a reason.
pub static NODE_GROUP_BACKOFF_STATUS: Family = gauge(
    "node_group_backoff_status",
    &["node_group", "reason"],
    "1 while a group is in back-off for a reason, else 0.",
);
/// When a part of the loop last ran.
pub static LAST_ACTIVITY: Family =
    gauge("last_activity", &["activity"], "When a part of the loop last ran, in Unix seconds.");
/// Nodes whose deletion waits for the rest of their group.
pub static PENDING_NODE_DELETIONS: Family = gauge(
    "pending_node_deletions",
    &[],
    "Nodes whose deletion had not ended when the next scale-down began.",
);
/// Loops that ended with an error.
pub static ERRORS_TOTAL: Family =
    counter("errors_total", &["type"], "Loops that ended with an error.");
/// Nodes that the cloud was asked for.
pub static SCALED_UP_NODES_TOTAL: Family =
    counter("scaled_up_nodes_total", NODE_LABELS, "Nodes that were added.");
/// Those of them with GPUs.
pub static SCALED_UP_GPU_NODES_TOTAL: Family =
    counter("scaled_up_gpu_nodes_total", GPU_LABELS, "Nodes with GPUs that were added.");
/// Increases that came to nothing.
pub static FAILED_SCALE_UPS_TOTAL: Family =
    counter("failed_scale_ups_total", REASONED_NODE_LABELS, "Increases that failed.");
/// Nodes that did not come.
pub static FAILED_NODE_CREATIONS_TOTAL: Family = counter(
    "failed_node_creations_total",
    &["reason"],
    "Nodes that were asked for and did not come.",
);
/// Increases of groups with GPUs that came to nothing.
pub static FAILED_GPU_SCALE_UPS_TOTAL: Family = counter(
    "failed_gpu_scale_ups_total",
    REASONED_GPU_LABELS,
    "Increases by nodes with GPUs that failed.",
);
/// Nodes that were removed.
pub static SCALED_DOWN_NODES_TOTAL: Family =
    counter("scaled_down_nodes_total", REASONED_NODE_LABELS, "Nodes that were removed.");
/// Those of them with GPUs.
pub static SCALED_DOWN_GPU_NODES_TOTAL: Family = counter(
    "scaled_down_gpu_nodes_total",
    REASONED_GPU_LABELS,
    "Nodes with GPUs that were removed.",
);
/// Pods evicted in drains.
pub static EVICTED_PODS_TOTAL: Family =
    counter("evicted_pods_total", &["eviction_result"], "Pods that drains evicted, or could not.");
/// Nodes that could go.
pub static UNNEEDED_NODES_COUNT: Family =
    gauge("unneeded_nodes_count", &[], "Nodes that are unneeded now.");
/// Nodes that could not.
pub static UNREMOVABLE_NODES_COUNT: Family =
    gauge("unremovable_nodes_count", &["reason"], "Nodes that have to stay, by why.");
/// 1 while something else happened too short a time ago.
pub static SCALE_DOWN_IN_COOLDOWN: Family =
    gauge("scale_down_in_cooldown", &[], "1 while no deletion may start, else 0.");
/// Machines without Nodes that were given up.
pub static OLD_UNREGISTERED_NODES_REMOVED_COUNT: Family = counter(
    "old_unregistered_nodes_removed_count",
    &[],
    "Machines that never became Nodes and were removed.",
);
/// Groups that a limit of the cluster kept out.
pub static SKIPPED_SCALE_EVENTS_COUNT: Family = counter(
    "skipped_scale_events_count",
    &["direction", "reason"],
    "Groups that were left alone because of a limit of the cluster.",
);
/// Taints of nodes.
pub static NODE_TAINTS_COUNT: Family =
    gauge("node_taints_count", &["type"], "Taints of nodes, by type.");
/// Groups of like pods in one estimate.
pub static BINPACKING_HETEROGENEITY: Family = Family {
    name: "binpacking_heterogeneity",
    kind: Kind::Histogram(&[1, 2, 4, 8, 16, 32]),
    labels: &["cpu_count", "instance_type", "namespace_count"],
    help: "Groups of like pods that one estimate looked at.",
};

/// What the live loop measures by a clock. Decisions do not determine it, so that a replay has
/// nothing to put here; names and bounds are upstream's, for dashboards.
pub mod wall_clock {
    /// A histogram of seconds by part of the loop, the label `function`.
    pub const FUNCTION_DURATION: &str = "function_duration_seconds";
    /// The same as a summary without quantiles over the last hour, the label `function`.
    pub const FUNCTION_DURATION_QUANTILE: &str = "function_duration_quantile_seconds";
    /// The parts of the loop that upstream measures outside of clouds.
    pub const FUNCTIONS: [&str; 12] = [
        "main",
        "mainSuccessful",
        "autoscaling",
        "loopWait",
        "cloudProviderRefresh",
        "updateClusterState",
        "filterOutSchedulable",
        "scaleUp",
        "scaleUp:buildPodEquivalenceGroups",
        "scaleUp:estimate",
        "findUnneeded",
        "scaleDown",
    ];
    /// A histogram of seconds from when a node could have gone, the label `deleted`; only with
    /// `node-removal-latency-tracking-enabled`.
    pub const NODE_REMOVAL_LATENCY: &str = "node_removal_latency_seconds";
    /// A gauge of seconds; only with `max-node-skip-eval-time-tracker-enabled`.
    pub const MAX_NODE_SKIP_EVAL_DURATION: &str = "max_node_skip_eval_duration_seconds";

    /// The upper bounds of [`FUNCTION_DURATION`]: 150 of them from 0.1 s to half an hour, each the
    /// same factor above the one before.
    #[must_use]
    pub fn function_duration_bounds() -> Vec<f64> {
        const FIRST: f64 = 0.1;
        const LAST: f64 = 1800.0;
        const COUNT: u16 = 150;
        let factor = (LAST / FIRST).powf(1.0 / f64::from(COUNT - 1));
        (0..COUNT).map(|step| FIRST * factor.powi(i32::from(step))).collect()
    }

    /// The upper bounds of [`NODE_REMOVAL_LATENCY`]: 19 of them from 1 s, each half again as large.
    #[must_use]
    pub fn node_removal_latency_bounds() -> Vec<f64> {
        const COUNT: i32 = 19;
        (0..COUNT).map(|step| 1.5_f64.powi(step)).collect()
    }
}
