//! What one loop shows of the cluster's state in metrics.
//!
//! Source: `core/static_autoscaler.go`, `core/utils`, `utils/taints` and
//! `processors/status/metrics_autoscaling_status_processor.go` of release 1.36.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_core::ids::{GroupId, NodeId};
use plimsoll_core::{Cluster, SimDuration, SimTime};

use super::conditions::NodeCounts;
use super::families as family;
use super::metrics::Metrics;
use crate::cluster_autoscaler::LoopReport;
use crate::pending::PodOutcome;
use crate::registry::{NodeState, Registry};
use crate::scale_up::SkipReason;
use crate::settings::Settings;
use crate::taints::{TO_BE_DELETED, reported_taint_type};

/// A node counts as being deleted for so long after it was marked.
const DELETION_LASTS: SimDuration = SimDuration::from_mins(5);
/// Thousandths of a core in a core.
const MILLI: i64 = 1000;

/// The samples that a fresh process shows before its first loop.
pub(super) fn at_start(settings: &Settings) -> Metrics {
    let mut metrics = Metrics::default();
    for gauge in [
        &family::CLUSTER_SAFE_TO_AUTOSCALE,
        &family::MAX_NODES_COUNT,
        &family::CLUSTER_CPU_CURRENT_CORES,
        &family::CLUSTER_MEMORY_CURRENT_BYTES,
        &family::PENDING_NODE_DELETIONS,
        &family::UNNEEDED_NODES_COUNT,
        &family::SCALE_DOWN_IN_COOLDOWN,
    ] {
        metrics.set(gauge, &[], 0);
    }
    metrics.add(&family::OLD_UNREGISTERED_NODES_REMOVED_COUNT, &[], 0);
    let limits = [
        (&family::CPU_LIMITS_CORES, settings.cores_total),
        (&family::MEMORY_LIMITS_BYTES, settings.memory_total_bytes),
    ];
    for (gauge, bounds) in limits {
        metrics.set(gauge, &["minimum"], bounds.min);
        metrics.set(gauge, &["maximum"], bounds.max);
    }
    for error in [
        "cloudProviderError",
        "apiCallError",
        "internalError",
        "transientError",
        "configurationError",
        "nodeGroupDoesNotExistError",
        "unexpectedScaleDownStateError",
    ] {
        metrics.add(&family::ERRORS_TOTAL, &[error], 0);
    }
    for reason in ["cloudProviderError", "apiCallError", "timeout"] {
        metrics.add(&family::FAILED_SCALE_UPS_TOTAL, &["", "", "", reason], 0);
    }
    for reason in ["underutilized", "empty", "unready"] {
        metrics.add(&family::SCALED_DOWN_NODES_TOTAL, &["", "", "", reason], 0);
    }
    for result in ["succeeded", "failed"] {
        metrics.add(&family::EVICTED_PODS_TOTAL, &[result], 0);
    }
    for direction in ["down", "up"] {
        for reason in ["CpuResourceLimit", "MemoryResourceLimit"] {
            metrics.add(&family::SKIPPED_SCALE_EVENTS_COUNT, &[direction, reason], 0);
        }
    }
    metrics
}

/// Taints by type: shown by every loop, also by one that ends at once.
pub(super) fn taints(metrics: &mut Metrics, cluster: &Cluster, settings: &Settings) {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for (id, _) in cluster.nodes() {
        for taint in cluster.node_taints(id) {
            *counts.entry(reported_taint_type(settings, &taint.key)).or_default() += 1;
        }
    }
    for (taint_type, count) in counts {
        metrics.set(&family::NODE_TAINTS_COUNT, &[taint_type], count);
    }
}

/// The cluster as the registry has just found it.
pub(super) fn cluster(
    metrics: &mut Metrics,
    cluster: &Cluster,
    registry: &Registry,
    settings: &Settings,
    now: SimTime,
) -> NodeCounts {
    let totals = count_nodes(cluster, registry);
    show_node_counts(metrics, &totals);
    let is_healthy = registry.is_cluster_healthy(settings);
    metrics.set_flag(&family::CLUSTER_SAFE_TO_AUTOSCALE, &[], is_healthy);
    let groups = i64::try_from(cluster.group_count()).unwrap_or(i64::MAX);
    metrics.set(&family::NODE_GROUPS_COUNT, &["autoscaled"], groups);
    metrics.set(&family::NODE_GROUPS_COUNT, &["autoprovisioned"], 0);
    let most: i64 = cluster.groups().map(|(_, group)| i64::from(group.spec.max_size)).sum();
    let most = match settings.max_nodes_total {
        0 => most,
        total => most.min(i64::from(total)),
    };
    metrics.set(&family::MAX_NODES_COUNT, &[], most);
    show_sizes(metrics, cluster, now);
    if settings.emit_per_nodegroup_metrics {
        for (_, group) in cluster.groups() {
            let labels = [group.spec.name.as_str()];
            metrics.set(&family::NODE_GROUP_MIN_COUNT, &labels, group.spec.min_size.into());
            metrics.set(&family::NODE_GROUP_MAX_COUNT, &labels, group.spec.max_size.into());
            metrics.set(&family::NODE_GROUP_TARGET_COUNT, &labels, group.target_size.into());
        }
    }
    totals
}

/// Nodes by state.
pub(super) fn show_node_counts(metrics: &mut Metrics, counts: &NodeCounts) {
    for (state, count) in [
        ("ready", counts.ready),
        ("unready", counts.unready),
        ("notStarted", counts.not_started),
        ("suspended", counts.suspended),
        ("longUnregistered", counts.long_unregistered),
        ("unregistered", counts.unregistered),
    ] {
        metrics.set(&family::NODES_COUNT, &[state], count.into());
    }
}

fn count_nodes(cluster: &Cluster, registry: &Registry) -> NodeCounts {
    let resource_unready = registry.resource_unready_count();
    let mut counts = NodeCounts { resource_unready, ..NodeCounts::default() };
    for id in registry.nodes() {
        let Some(class) = registry.classes()[id.index()] else { continue };
        counts.registered += 1;
        match class.state {
            NodeState::Deleted => counts.being_deleted += 1,
            NodeState::Suspended => counts.suspended += 1,
            NodeState::Ready => counts.ready += 1,
            NodeState::NotStarted => counts.not_started += 1,
            NodeState::Unready => counts.unready += 1,
        }
    }
    for state in (0..cluster.group_count()).map(|index| registry.group(GroupId::at(index))) {
        counts.long_unregistered += state.long_unregistered;
        counts.unregistered += state.unregistered;
    }
    counts
}

fn show_sizes(metrics: &mut Metrics, cluster: &Cluster, now: SimTime) {
    let (mut cores, mut memory) = (0, 0);
    for (id, node) in cluster.nodes() {
        if is_being_deleted(cluster, id, now) {
            continue;
        }
        let capacity = &cluster.catalog().template(node.template).capacity;
        let amount = |name: &str| capacity.get(name).copied().unwrap_or(0).max(0);
        cores += (amount("cpu") + MILLI - 1) / MILLI;
        memory += amount("memory");
    }
    metrics.set(&family::CLUSTER_CPU_CURRENT_CORES, &[], cores);
    metrics.set(&family::CLUSTER_MEMORY_CURRENT_BYTES, &[], memory);
}

fn is_being_deleted(cluster: &Cluster, node: NodeId, now: SimTime) -> bool {
    let taint = cluster.node_taints(node).iter().find(|taint| taint.key == TO_BE_DELETED);
    let since = taint.and_then(|taint| taint.value.parse::<i64>().ok());
    since.is_some_and(|since| now - SimTime(since.saturating_mul(MILLI)) < DELETION_LASTS)
}

/// What the loop found about pods, and what its scale-up looked at.
pub(super) fn pods(metrics: &mut Metrics, cluster: &Cluster, report: &LoopReport) {
    let (mut unschedulable, mut unprocessed) = (0, 0);
    for (id, outcome) in &report.outcomes {
        if matches!(outcome, PodOutcome::Ignored | PodOutcome::Nominated) {
            continue;
        }
        let marked = cluster.find_pod(*id).is_some_and(|pod| pod.marked_unschedulable);
        *(if marked { &mut unschedulable } else { &mut unprocessed }) += 1;
    }
    metrics.set(&family::UNSCHEDULABLE_PODS_COUNT, &["unschedulable"], unschedulable);
    metrics.set(&family::UNSCHEDULABLE_PODS_COUNT, &["scheduler_unprocessed"], unprocessed);
    for (_, skip) in &report.scale_up.skipped {
        let SkipReason::QuotaExceeded(resources) = skip else { continue };
        for resource in resources.iter().collect::<BTreeSet<_>>() {
            let reason = match resource.as_str() {
                "cpu" => "CpuResourceLimit",
                "memory" => "MemoryResourceLimit",
                _ => continue,
            };
            metrics.add(&family::SKIPPED_SCALE_EVENTS_COUNT, &["up", reason], 1);
        }
    }
    show_estimates(metrics, cluster, report);
}

/// One observation for each group that some pods fit.
fn show_estimates(metrics: &mut Metrics, cluster: &Cluster, report: &LoopReport) {
    const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
    for (group, spec) in cluster.groups().map(|(id, group)| (id, &group.spec.template)) {
        let judged = report.scale_up.pod_groups.iter();
        let fitting: Vec<_> = judged.filter(|one| one.fits.contains(&group)).collect();
        if fitting.is_empty() {
            continue;
        }
        let namespaces: BTreeSet<&str> =
            fitting.iter().map(|one| &*cluster.shape(one.group.shape).namespace).collect();
        let namespace_count = match namespaces.len() {
            few @ 0..=5 => few.to_string(),
            6..=10 => "6-10".to_owned(),
            _ => "11+".to_owned(),
        };
        let cores = cpu_text(spec.capacity.get("cpu").copied().unwrap_or(0));
        let instance_type = spec.labels.get(INSTANCE_TYPE).map_or("", String::as_str);
        let labels = [cores.as_str(), instance_type, &namespace_count];
        let size = i64::try_from(fitting.len()).unwrap_or(i64::MAX);
        metrics.observe(&family::BINPACKING_HETEROGENEITY, &labels, size);
    }
}

/// An amount of cpu as Kubernetes prints it.
fn cpu_text(milli: i64) -> String {
    if milli % MILLI == 0 { (milli / MILLI).to_string() } else { format!("{milli}m") }
}

/// Health and back-off of each group at the end of a loop. `seen` are the reasons that each group,
/// by index, was in back-off for at some time: they are shown as 0 once they are over.
pub(super) fn groups(
    metrics: &mut Metrics,
    cluster: &Cluster,
    registry: &Registry,
    settings: &Settings,
    seen: &mut Vec<BTreeSet<String>>,
    now: SimTime,
) {
    /// Where the cloud has given no code.
    const UNKNOWN: &str = "unknown";
    if !settings.emit_per_nodegroup_metrics {
        return;
    }
    seen.resize_with(cluster.group_count(), BTreeSet::new);
    for (id, group) in cluster.groups() {
        let name = group.spec.name.as_str();
        let is_healthy = registry.is_group_healthy(id, settings);
        metrics.set_flag(&family::NODE_GROUP_HEALTHINESS, &[name], is_healthy);
        let code = registry.backed_off_for(id, now).map(|error| error.code.as_str());
        let code = code.map(|code| if code.is_empty() { UNKNOWN } else { code });
        let reasons = &mut seen[id.index()];
        reasons.extend(code.map(str::to_owned));
        if reasons.is_empty() {
            metrics.set(&family::NODE_GROUP_BACKOFF_STATUS, &[name, ""], 0);
        }
        for reason in reasons.iter() {
            let labels = [name, reason.as_str()];
            let holds = code == Some(reason.as_str());
            metrics.set_flag(&family::NODE_GROUP_BACKOFF_STATUS, &labels, holds);
        }
    }
}
