//! Every flag of Cluster Autoscaler 1.36 and what it does here.

use super::Settings;
use super::expanders::parse_chain;
use super::values::{Given, SettingError, SettingValue};

/// What a flag does here.
#[derive(Clone, Copy, Debug)]
pub enum FlagEffect {
    /// It changes decisions.
    Decides,
    /// It belongs to a feature that is not here, so that only this default is accepted.
    OnlyDefault {
        /// The default.
        default: &'static str,
        /// What is missing.
        reason: &'static str,
    },
    /// Upstream has it, but it decides nothing here, for this reason.
    Irrelevant(&'static str),
}

/// What the flag of this name does here; `None`: upstream has no such flag.
#[must_use]
pub fn flag_effect(name: &str) -> Option<FlagEffect> {
    find(name).map(|flag| match flag.rule {
        Rule::Sets(_) => FlagEffect::Decides,
        Rule::OnlyDefault(default, reason) => FlagEffect::OnlyDefault { default, reason },
        Rule::Checked(_, reason) | Rule::Irrelevant(reason) => FlagEffect::Irrelevant(reason),
    })
}

/// The names of all flags, in the order of the alphabet.
pub fn flag_names() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<&str> =
        TABLES.iter().flat_map(|table| table.iter()).map(|f| f.name).collect();
    names.sort_unstable();
    names.into_iter()
}

/// Sets one flag.
pub(super) fn set(
    settings: &mut Settings,
    key: &str,
    value: &SettingValue,
) -> Result<(), SettingError> {
    let Some(flag) = find(key) else {
        return Err(SettingError::Unknown { key: key.to_owned(), nearest: nearest(key) });
    };
    match flag.rule {
        Rule::Sets(write) | Rule::Checked(write, _) => write(settings, &Given { key, value }),
        Rule::Irrelevant(_) => Ok(()),
        Rule::OnlyDefault(default, reason) => {
            let given = match value {
                SettingValue::Text(text) => text.clone(),
                SettingValue::List(texts) => texts.join(","),
                other => other.to_string(),
            };
            if given == default {
                return Ok(());
            }
            Err(SettingError::Unsupported { key: flag.name, default, given, reason })
        }
    }
}

fn at_least_one(_: &mut Settings, given: &Given<'_>) -> Result<(), SettingError> {
    match given.count() {
        Ok(0) | Err(_) => given.refuse("a whole number, 1 or more"),
        Ok(_) => Ok(()),
    }
}

struct Flag {
    name: &'static str,
    rule: Rule,
}

type Write = fn(&mut Settings, &Given<'_>) -> Result<(), SettingError>;

#[derive(Clone, Copy)]
enum Rule {
    Sets(Write),
    OnlyDefault(&'static str, &'static str),
    /// It decides nothing, but with some values upstream does not start.
    Checked(Write, &'static str),
    Irrelevant(&'static str),
}

const fn sets(name: &'static str, write: Write) -> Flag {
    Flag { name, rule: Rule::Sets(write) }
}

const fn only(name: &'static str, default: &'static str, reason: &'static str) -> Flag {
    Flag { name, rule: Rule::OnlyDefault(default, reason) }
}

const fn irrelevant(name: &'static str, reason: &'static str) -> Flag {
    Flag { name, rule: Rule::Irrelevant(reason) }
}

fn find(name: &str) -> Option<&'static Flag> {
    TABLES.iter().flat_map(|table| table.iter()).find(|flag| flag.name == name)
}

/// How many names an error about an unknown one lists.
const NEAREST_COUNT: usize = 3;

/// The names that take the fewest changes of a character to get to.
fn nearest(name: &str) -> Vec<&'static str> {
    let mut all: Vec<(usize, &str)> =
        flag_names().map(|known| (edit_distance(name, known), known)).collect();
    all.sort_unstable();
    all.into_iter().take(NEAREST_COUNT).map(|(_, known)| known).collect()
}

/// The Levenshtein distance, by bytes.
fn edit_distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

static TABLES: [&[Flag]; 5] = [SCALE_UP, INJECTION, SCALE_DOWN, ONLY_DEFAULT, IRRELEVANT];

/// `|s, g| s.field = g.read()?` in the form the table needs.
macro_rules! write {
    ($field:ident, $read:ident) => {
        |settings, given| {
            settings.$field = given.$read()?;
            Ok(())
        }
    };
}

static SCALE_UP: &[Flag] = &[
    sets("scan-interval", write!(scan_interval, duration)),
    sets("frequent-loops-enabled", write!(frequent_loops_enabled, boolean)),
    sets("allowed-scheduler-names", write!(allowed_scheduler_names, separated)),
    sets("bypassed-scheduler-names", write!(bypassed_scheduler_names, separated)),
    sets("new-pod-scale-up-delay", write!(new_pod_scale_up_delay, duration)),
    sets("expendable-pods-priority-cutoff", write!(expendable_pods_priority_cutoff, priority)),
    sets("scale-up-from-zero", write!(scale_up_from_zero, boolean)),
    sets("expander", |settings, given| {
        settings.expander = parse_chain(given)?;
        Ok(())
    }),
    sets("max-nodes-total", write!(max_nodes_total, count)),
    sets("cores-total", |settings, given| {
        settings.cores_total = given.bounds(1)?;
        Ok(())
    }),
    sets("memory-total", |settings, given| {
        settings.memory_total_bytes = given.bounds(super::GIB)?;
        Ok(())
    }),
    sets("gpu-total", write!(gpu_total, gpu_bounds)),
    sets("max-nodes-per-scaleup", write!(max_nodes_per_scaleup, count)),
    sets("fastpath-binpacking-enabled", write!(fastpath_binpacking_enabled, boolean)),
    sets("balance-similar-node-groups", write!(balance_similar_node_groups, boolean)),
    sets("balancing-ignore-label", write!(balancing_ignore_label, repeated)),
    sets("balancing-label", write!(balancing_label, repeated)),
    sets("memory-difference-ratio", write!(memory_difference_ratio, ratio)),
    sets("max-free-difference-ratio", write!(max_free_difference_ratio, ratio)),
    sets("max-allocatable-difference-ratio", write!(max_allocatable_difference_ratio, ratio)),
    sets("enforce-node-group-min-size", write!(enforce_node_group_min_size, boolean)),
    // Ours: upstream looks at what the cloud has been asked for and never at what came of it.
    sets(
        "plimsoll-enforce-min-size-on-live-nodes",
        write!(enforce_min_size_on_live_nodes, boolean),
    ),
    sets("parallel-scale-up", write!(parallel_scale_up, boolean)),
    sets("salvo-scale-up", write!(salvo_scale_up, boolean)),
    sets("salvo-scale-up-budget", write!(salvo_scale_up_budget, duration)),
    sets(
        "scaleup-simulation-for-skipped-node-groups-enabled",
        write!(simulates_skipped_groups, boolean),
    ),
    sets("force-ds", write!(force_ds, boolean)),
    sets("scale-from-unschedulable", write!(scale_from_unschedulable, boolean)),
    sets("node-info-cache-expire-time", write!(node_info_cache_expire_time, duration)),
    sets("startup-taint", |settings, given| {
        settings.startup_taints.extend(given.repeated()?);
        Ok(())
    }),
    sets("ignore-taint", |settings, given| {
        settings.startup_taints.extend(given.repeated()?);
        Ok(())
    }),
    sets("startup-taint-prefix", write!(startup_taint_prefixes, repeated)),
    sets("status-taint", write!(status_taints, repeated)),
    sets("max-node-provision-time", write!(max_node_provision_time, duration)),
    sets("max-node-startup-time", write!(max_node_startup_time, duration)),
    sets("ok-total-unready-count", write!(ok_total_unready_count, count)),
    sets("max-total-unready-percentage", write!(max_total_unready_percentage, ratio)),
    sets(
        "initial-node-group-backoff-duration",
        write!(initial_node_group_backoff_duration, duration),
    ),
    sets("max-node-group-backoff-duration", write!(max_node_group_backoff_duration, duration)),
    sets("node-group-backoff-reset-timeout", write!(node_group_backoff_reset_timeout, duration)),
    sets("force-delete-unregistered-nodes", write!(force_delete_unregistered_nodes, boolean)),
    sets("emit-per-nodegroup-metrics", write!(emit_per_nodegroup_metrics, boolean)),
];

static INJECTION: &[Flag] = &[
    sets("enable-proactive-scaleup", write!(enable_proactive_scaleup, boolean)),
    sets("pod-injection-limit", write!(pod_injection_limit, count)),
    sets("capacity-buffer-controller-enabled", write!(capacity_buffer_controller_enabled, boolean)),
    sets(
        "capacity-buffer-pod-injection-enabled",
        write!(capacity_buffer_pod_injection_enabled, boolean),
    ),
    sets(
        "capacity-buffer-pod-dry-run-enabled",
        write!(capacity_buffer_pod_dry_run_enabled, boolean),
    ),
    sets("enable-provisioning-requests", write!(enable_provisioning_requests, boolean)),
    sets(
        "provisioning-request-initial-backoff-time",
        write!(provisioning_request_initial_backoff_time, duration),
    ),
    sets(
        "provisioning-request-max-backoff-time",
        write!(provisioning_request_max_backoff_time, duration),
    ),
    sets("check-capacity-batch-processing", write!(check_capacity_batch_processing, boolean)),
    sets(
        "check-capacity-provisioning-request-max-batch-size",
        write!(check_capacity_provisioning_request_max_batch_size, count),
    ),
    sets("check-capacity-processor-instance", write!(check_capacity_processor_instance, name)),
];

static SCALE_DOWN: &[Flag] = &[
    sets("scale-down-enabled", write!(scale_down_enabled, boolean)),
    sets("scale-down-unready-enabled", write!(scale_down_unready_enabled, boolean)),
    sets("scale-down-utilization-threshold", write!(scale_down_utilization_threshold, ratio)),
    sets(
        "scale-down-gpu-utilization-threshold",
        write!(scale_down_gpu_utilization_threshold, ratio),
    ),
    sets("scale-down-unneeded-time", write!(scale_down_unneeded_time, duration)),
    sets("scale-down-unready-time", write!(scale_down_unready_time, duration)),
    sets("scale-down-delay-after-add", write!(scale_down_delay_after_add, duration)),
    sets("scale-down-delay-after-delete", write!(scale_down_delay_after_delete, duration)),
    sets("scale-down-delay-after-failure", write!(scale_down_delay_after_failure, duration)),
    sets("scale-down-delay-type-local", write!(scale_down_delay_type_local, boolean)),
    sets(
        "scale-down-non-empty-candidates-count",
        write!(scale_down_non_empty_candidates_count, integer),
    ),
    sets("scale-down-candidates-pool-ratio", write!(scale_down_candidates_pool_ratio, ratio)),
    sets(
        "scale-down-candidates-pool-min-count",
        write!(scale_down_candidates_pool_min_count, count),
    ),
    sets("unremovable-node-recheck-timeout", write!(unremovable_node_recheck_timeout, duration)),
    sets("max-scale-down-parallelism", write!(max_scale_down_parallelism, count)),
    sets("max-drain-parallelism", write!(max_drain_parallelism, count)),
    sets("max-bulk-soft-taint-count", write!(max_bulk_soft_taint_count, count)),
    sets("max-graceful-termination-sec", |settings, given| {
        let seconds = i64::from(given.count()?);
        settings.max_graceful_termination = plimsoll_core::SimDuration::from_secs(seconds);
        Ok(())
    }),
    sets("max-pod-eviction-time", write!(max_pod_eviction_time, duration)),
    sets("drain-priority-config", write!(drain_priority_config, drain_priorities)),
    sets("node-delete-delay-after-taint", write!(node_delete_delay_after_taint, duration)),
    sets("node-deletion-delay-timeout", write!(node_deletion_delay_timeout, duration)),
    sets("node-deletion-batcher-interval", write!(node_deletion_batcher_interval, duration)),
    sets("node-deletion-candidate-ttl", write!(node_deletion_candidate_ttl, duration)),
    sets("cordon-node-before-terminating", write!(cordon_node_before_terminating, boolean)),
    sets("daemonset-eviction-for-empty-nodes", write!(daemonset_eviction_for_empty_nodes, boolean)),
    sets(
        "daemonset-eviction-for-occupied-nodes",
        write!(daemonset_eviction_for_occupied_nodes, boolean),
    ),
    sets("skip-nodes-with-system-pods", write!(skip_nodes_with_system_pods, boolean)),
    sets("skip-nodes-with-local-storage", write!(skip_nodes_with_local_storage, boolean)),
    sets(
        "skip-nodes-with-custom-controller-pods",
        write!(skip_nodes_with_custom_controller_pods, boolean),
    ),
    sets(
        "blocking-system-pod-distruption-timeout",
        write!(blocking_system_pod_disruption_timeout, duration),
    ),
    sets("ignore-daemonsets-utilization", write!(ignore_daemonsets_utilization, boolean)),
    sets("ignore-mirror-pods-utilization", write!(ignore_mirror_pods_utilization, boolean)),
    sets("min-replica-count", write!(min_replica_count, count)),
];

static ONLY_DEFAULT: &[Flag] = &[
    only("async-node-groups", "false", "node groups are not made by the autoscaler"),
    only("capacity-quotas-enabled", "false", "CapacityQuota objects are not read"),
    only("enable-dynamic-resource-allocation", "true", "upstream 1.36 does not start without it"),
    only("enable-csi-node-aware-scheduling", "false", "CSINode limits are not judged"),
    only("estimator", "binpacking", "there is no other estimator"),
    only("scheduler-config-file", "", "the scheduler's default profile is used"),
];

const CLOUD: &str = "the cloud is a node provider here";
const EDGE: &str = "how the API server is reached decides nothing";
const LEASE: &str = "who leads is decided outside of the strategy";
const LOGS: &str = "logs decide nothing";
const WALL_CLOCK: &str = "a loop takes no virtual time";
const STATUS: &str = "status, events and metrics decide nothing";
const SPEED: &str = "how many threads search decides nothing here";
const UNUSED: &str = "it belongs to a feature that is off";

static IRRELEVANT: &[Flag] = &[
    irrelevant("add-dir-header", LOGS),
    irrelevant("address", STATUS),
    irrelevant("alsologtostderr", LOGS),
    irrelevant("alsologtostderrthreshold", LOGS),
    irrelevant("aws-use-static-instance-list", CLOUD),
    irrelevant("bulk-mig-instances-listing-enabled", CLOUD),
    irrelevant("check-capacity-provisioning-request-batch-timebox", WALL_CLOCK),
    irrelevant("cloud-config", CLOUD),
    irrelevant("cloud-provider", CLOUD),
    irrelevant("cluster-name", STATUS),
    irrelevant("cluster-snapshot-parallelism", SPEED),
    irrelevant("clusterapi-cloud-config-authoritative", CLOUD),
    irrelevant("debugging-snapshot-enabled", STATUS),
    irrelevant("dynamic-node-delete-delay-after-taint-enabled", WALL_CLOCK),
    irrelevant("feature-gates", "upstream's gates are at their defaults"),
    irrelevant("force-delete-failed-nodes", "it only picks another call of the cloud"),
    irrelevant("gce-concurrent-refreshes", CLOUD),
    irrelevant("gce-mig-instances-min-refresh-wait-time", CLOUD),
    irrelevant("grpc-expander-cert", UNUSED),
    irrelevant("grpc-expander-url", UNUSED),
    irrelevant("kube-api-content-type", EDGE),
    irrelevant("kube-client-burst", EDGE),
    irrelevant("kube-client-qps", EDGE),
    irrelevant("kubeconfig", EDGE),
    irrelevant("kubernetes", EDGE),
    irrelevant("leader-elect", LEASE),
    irrelevant("leader-elect-lease-duration", LEASE),
    irrelevant("leader-elect-renew-deadline", LEASE),
    irrelevant("leader-elect-resource-lock", LEASE),
    irrelevant("leader-elect-resource-name", LEASE),
    irrelevant("leader-elect-resource-namespace", LEASE),
    irrelevant("leader-elect-retry-period", LEASE),
    irrelevant("legacy-stderr-threshold-behavior", LOGS),
    irrelevant("log-backtrace-at", LOGS),
    irrelevant("log-dir", LOGS),
    irrelevant("log-file", LOGS),
    irrelevant("log-file-max-size", LOGS),
    irrelevant("log-flush-frequency", LOGS),
    irrelevant("log-json-info-buffer-size", LOGS),
    irrelevant("log-json-split-stream", LOGS),
    irrelevant("log-text-info-buffer-size", LOGS),
    irrelevant("log-text-split-stream", LOGS),
    irrelevant("logging-format", LOGS),
    irrelevant("logtostderr", LOGS),
    irrelevant("max-binpacking-time", WALL_CLOCK),
    irrelevant("max-bulk-soft-taint-time", WALL_CLOCK),
    irrelevant("max-failing-time", WALL_CLOCK),
    irrelevant("max-inactivity", WALL_CLOCK),
    irrelevant("max-node-skip-eval-time-tracker-enabled", STATUS),
    irrelevant("max-nodegroup-binpacking-duration", WALL_CLOCK),
    irrelevant("max-startup-time", WALL_CLOCK),
    irrelevant("namespace", EDGE),
    irrelevant("node-group-auto-discovery", CLOUD),
    irrelevant("node-removal-latency-tracking-enabled", STATUS),
    irrelevant("nodes", "groups are NodeGroup documents"),
    irrelevant("one-output", LOGS),
    Flag { name: "predicate-parallelism", rule: Rule::Checked(at_least_one, SPEED) },
    irrelevant("profiling", STATUS),
    irrelevant("provisioning-request-max-backoff-cache-size", "no request is forgotten here"),
    irrelevant("record-duplicated-events", STATUS),
    irrelevant("regional", CLOUD),
    irrelevant("scale-down-simulation-timeout", WALL_CLOCK),
    irrelevant("skip-headers", LOGS),
    irrelevant("skip-log-headers", LOGS),
    irrelevant("status-config-map-name", STATUS),
    irrelevant("stderrthreshold", LOGS),
    irrelevant("user-agent", EDGE),
    irrelevant("v", LOGS),
    irrelevant("vmodule", LOGS),
    irrelevant("write-status-configmap", STATUS),
];
