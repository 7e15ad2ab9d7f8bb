//! The flags of Cluster Autoscaler that change what it decides, with the defaults of release 1.36.
//!
//! Keys are upstream's flag names and durations are written as Go writes them. A flag that exists
//! upstream but decides nothing here (logging, leases, clients) is accepted, so that a real
//! deployment's flags can be used as they are; a flag of a feature that is not here is accepted at
//! its default only; anything else is an error that lists the nearest names.

mod expanders;
mod flags;
mod group_options;
mod priorities;
mod values;

pub use expanders::Expander;
pub use flags::{FlagEffect, flag_effect, flag_names};
pub use group_options::GroupOptions;
pub(crate) use priorities::LEAST_PREFERRED;
pub use priorities::{Priorities, PrioritiesError};
pub use values::{Bounds, GpuBounds, SettingError, SettingValue};

use std::collections::BTreeMap;

use plimsoll_core::SimDuration;
use plimsoll_core::drain::DrainRules;

/// One gibibyte: the unit of `memory-total`.
const GIB: i64 = 1 << 30;

/// Everything that can be set. Each field is named after its flag, the unit last.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `scan-interval`: how often the loop runs.
    pub scan_interval: SimDuration,
    /// `frequent-loops-enabled`: the driver runs the next loop at once where upstream would.
    pub frequent_loops_enabled: bool,
    /// `allowed-scheduler-names`: only pods of these schedulers are helped; empty: all.
    pub allowed_scheduler_names: Vec<String>,
    /// `bypassed-scheduler-names`: pods of these schedulers are helped before the scheduler has
    /// said that they fit nowhere.
    pub bypassed_scheduler_names: Vec<String>,
    /// `new-pod-scale-up-delay`: younger pods are not helped.
    pub new_pod_scale_up_delay: SimDuration,
    /// `expendable-pods-priority-cutoff`: pods of lower priority count nowhere.
    pub expendable_pods_priority_cutoff: i32,
    /// `scale-up-from-zero`: act although no node is ready.
    pub scale_up_from_zero: bool,
    /// `expander`: how the best option is chosen, one after the other.
    pub expander: Vec<Expander>,
    /// The ConfigMap of the expander `priority`; `None` when there is none.
    pub priorities: Option<Priorities>,
    /// What is wrong with that ConfigMap where there is one that cannot be used: the text of
    /// upstream's event PriorityConfigMapInvalid.
    pub priorities_problem: Option<String>,
    /// `max-nodes-total`; 0: no limit.
    pub max_nodes_total: u32,
    /// `cores-total`, in cores.
    pub cores_total: Bounds,
    /// `memory-total`, in bytes (the flag is in GiB).
    pub memory_total_bytes: Bounds,
    /// `gpu-total`, by GPU type.
    pub gpu_total: Vec<GpuBounds>,
    /// `max-nodes-per-scaleup`: the estimator stops there; 0: no limit.
    pub max_nodes_per_scaleup: u32,
    /// `fastpath-binpacking-enabled`: one kind of pods is packed onto one node, which is multiplied.
    pub fastpath_binpacking_enabled: bool,
    /// `balance-similar-node-groups`.
    pub balance_similar_node_groups: bool,
    /// `balancing-ignore-label`: labels that do not make groups differ.
    pub balancing_ignore_label: Vec<String>,
    /// `balancing-label`: when any is given, only these labels are compared, and
    /// `balancing-ignore-label` is of no effect.
    pub balancing_label: Vec<String>,
    /// `memory-difference-ratio`.
    pub memory_difference_ratio: f64,
    /// `max-free-difference-ratio`.
    pub max_free_difference_ratio: f64,
    /// `max-allocatable-difference-ratio`.
    pub max_allocatable_difference_ratio: f64,
    /// `enforce-node-group-min-size`: what the cloud has been asked for is held against the minimum.
    pub enforce_node_group_min_size: bool,
    /// `plimsoll-enforce-min-size-on-live-nodes` (not upstream's): the nodes that work or are on
    /// their way are held against the minimum.
    pub enforce_min_size_on_live_nodes: bool,
    /// `parallel-scale-up`: an increase that is refused does not keep others of its scale-up back.
    pub parallel_scale_up: bool,
    /// `salvo-scale-up`: a loop goes on with further scale-ups while they succeed.
    pub salvo_scale_up: bool,
    /// `salvo-scale-up-budget`: no further scale-up begins after this time. A loop takes no virtual
    /// time, so that only 0 is ever used up.
    pub salvo_scale_up_budget: SimDuration,
    /// `scaleup-simulation-for-skipped-node-groups-enabled`: what refuses a pod is said of skipped
    /// groups too.
    pub simulates_skipped_groups: bool,
    /// `force-ds`: DaemonSets without a pod on a group's nodes count too.
    pub force_ds: bool,
    /// `scale-from-unschedulable`: cordoned nodes may stand for their group.
    pub scale_from_unschedulable: bool,
    /// `node-info-cache-expire-time`: how long a group is remembered by a node that is gone.
    pub node_info_cache_expire_time: SimDuration,
    /// `startup-taint` and `ignore-taint`: keys of taints that make a node count as not ready.
    pub startup_taints: Vec<String>,
    /// `startup-taint-prefix`.
    pub startup_taint_prefixes: Vec<String>,
    /// `status-taint`: keys of taints that a template does not take over.
    pub status_taints: Vec<String>,
    /// `max-node-provision-time`: an instance without a Node for longer is given up.
    pub max_node_provision_time: SimDuration,
    /// `max-node-startup-time`: a Node that is not ready for longer after its creation is unready.
    pub max_node_startup_time: SimDuration,
    /// `ok-total-unready-count`.
    pub ok_total_unready_count: u32,
    /// `max-total-unready-percentage`.
    pub max_total_unready_percentage: f64,
    /// `initial-node-group-backoff-duration`.
    pub initial_node_group_backoff_duration: SimDuration,
    /// `max-node-group-backoff-duration`.
    pub max_node_group_backoff_duration: SimDuration,
    /// `node-group-backoff-reset-timeout`.
    pub node_group_backoff_reset_timeout: SimDuration,
    /// `force-delete-unregistered-nodes`: below the minimum size too.
    pub force_delete_unregistered_nodes: bool,
    /// `enable-proactive-scaleup`: pods that controllers have yet to make are helped too.
    pub enable_proactive_scaleup: bool,
    /// `pod-injection-limit`: no more such pods than make up so many that need help.
    pub pod_injection_limit: u32,
    /// `capacity-buffer-controller-enabled`: the status of capacity buffers is worked out here.
    pub capacity_buffer_controller_enabled: bool,
    /// `capacity-buffer-pod-injection-enabled`: capacity buffers hold room.
    pub capacity_buffer_pod_injection_enabled: bool,
    /// `capacity-buffer-pod-dry-run-enabled`: pods of buffers are as the API server would make them.
    pub capacity_buffer_pod_dry_run_enabled: bool,
    /// `enable-provisioning-requests`.
    pub enable_provisioning_requests: bool,
    /// `provisioning-request-initial-backoff-time`: a request that failed waits so long.
    pub provisioning_request_initial_backoff_time: SimDuration,
    /// `provisioning-request-max-backoff-time`: the wait is doubled each time, up to this.
    pub provisioning_request_max_backoff_time: SimDuration,
    /// `check-capacity-batch-processing`: several requests a loop.
    pub check_capacity_batch_processing: bool,
    /// `check-capacity-provisioning-request-max-batch-size`: at most so many.
    pub check_capacity_provisioning_request_max_batch_size: u32,
    /// `check-capacity-processor-instance`: only requests that name it are served; empty: those that
    /// name none.
    pub check_capacity_processor_instance: String,
    /// `emit-per-nodegroup-metrics`: metrics tell groups apart.
    pub emit_per_nodegroup_metrics: bool,
    /// `scale-down-enabled`.
    pub scale_down_enabled: bool,
    /// `scale-down-unready-enabled`.
    pub scale_down_unready_enabled: bool,
    /// `scale-down-utilization-threshold`: a node above it stays.
    pub scale_down_utilization_threshold: f64,
    /// `scale-down-gpu-utilization-threshold`: the same for nodes with GPUs.
    pub scale_down_gpu_utilization_threshold: f64,
    /// `scale-down-unneeded-time`.
    pub scale_down_unneeded_time: SimDuration,
    /// `scale-down-unready-time`.
    pub scale_down_unready_time: SimDuration,
    /// `scale-down-delay-after-add`.
    pub scale_down_delay_after_add: SimDuration,
    /// `scale-down-delay-after-delete`.
    pub scale_down_delay_after_delete: SimDuration,
    /// `scale-down-delay-after-failure`.
    pub scale_down_delay_after_failure: SimDuration,
    /// `scale-down-delay-type-local`: the delays count by group.
    pub scale_down_delay_type_local: bool,
    /// `scale-down-non-empty-candidates-count`.
    pub scale_down_non_empty_candidates_count: i64,
    /// `scale-down-candidates-pool-ratio`.
    pub scale_down_candidates_pool_ratio: f64,
    /// `scale-down-candidates-pool-min-count`.
    pub scale_down_candidates_pool_min_count: u32,
    /// `unremovable-node-recheck-timeout`.
    pub unremovable_node_recheck_timeout: SimDuration,
    /// `max-scale-down-parallelism`.
    pub max_scale_down_parallelism: u32,
    /// `max-drain-parallelism`.
    pub max_drain_parallelism: u32,
    /// `max-bulk-soft-taint-count`: 0 turns soft taints off.
    pub max_bulk_soft_taint_count: u32,
    /// `max-graceful-termination-sec`.
    pub max_graceful_termination: SimDuration,
    /// `max-pod-eviction-time`.
    pub max_pod_eviction_time: SimDuration,
    /// `drain-priority-config`: (priority, grace period) in rising order; empty: all pods at once.
    pub drain_priority_config: Vec<(i32, SimDuration)>,
    /// `node-delete-delay-after-taint`.
    pub node_delete_delay_after_taint: SimDuration,
    /// `node-deletion-delay-timeout`.
    pub node_deletion_delay_timeout: SimDuration,
    /// `node-deletion-batcher-interval`.
    pub node_deletion_batcher_interval: SimDuration,
    /// `node-deletion-candidate-ttl`.
    pub node_deletion_candidate_ttl: SimDuration,
    /// `cordon-node-before-terminating`.
    pub cordon_node_before_terminating: bool,
    /// `daemonset-eviction-for-empty-nodes`.
    pub daemonset_eviction_for_empty_nodes: bool,
    /// `daemonset-eviction-for-occupied-nodes`.
    pub daemonset_eviction_for_occupied_nodes: bool,
    /// `skip-nodes-with-system-pods`.
    pub skip_nodes_with_system_pods: bool,
    /// `skip-nodes-with-local-storage`.
    pub skip_nodes_with_local_storage: bool,
    /// `skip-nodes-with-custom-controller-pods`.
    pub skip_nodes_with_custom_controller_pods: bool,
    /// `blocking-system-pod-distruption-timeout` (spelt so).
    pub blocking_system_pod_disruption_timeout: SimDuration,
    /// `ignore-daemonsets-utilization`.
    pub ignore_daemonsets_utilization: bool,
    /// `ignore-mirror-pods-utilization`.
    pub ignore_mirror_pods_utilization: bool,
    /// `min-replica-count`.
    pub min_replica_count: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            scan_interval: SimDuration::from_secs(10),
            frequent_loops_enabled: true,
            allowed_scheduler_names: Vec::new(),
            bypassed_scheduler_names: Vec::new(),
            new_pod_scale_up_delay: SimDuration::ZERO,
            expendable_pods_priority_cutoff: -10,
            scale_up_from_zero: true,
            expander: vec![Expander::LeastWaste],
            priorities: None,
            priorities_problem: None,
            max_nodes_total: 0,
            cores_total: Bounds { min: 0, max: 320_000 },
            memory_total_bytes: Bounds { min: 0, max: 6_400_000 * GIB },
            gpu_total: Vec::new(),
            max_nodes_per_scaleup: 1000,
            fastpath_binpacking_enabled: false,
            balance_similar_node_groups: false,
            balancing_ignore_label: Vec::new(),
            balancing_label: Vec::new(),
            memory_difference_ratio: 0.015,
            max_free_difference_ratio: 0.05,
            max_allocatable_difference_ratio: 0.05,
            enforce_node_group_min_size: false,
            enforce_min_size_on_live_nodes: false,
            parallel_scale_up: false,
            salvo_scale_up: false,
            salvo_scale_up_budget: SimDuration::from_mins(1),
            simulates_skipped_groups: false,
            force_ds: false,
            scale_from_unschedulable: false,
            node_info_cache_expire_time: SimDuration::from_hours(87_600),
            startup_taints: Vec::new(),
            startup_taint_prefixes: Vec::new(),
            status_taints: Vec::new(),
            max_node_provision_time: SimDuration::from_mins(15),
            max_node_startup_time: SimDuration::from_mins(15),
            ok_total_unready_count: 3,
            max_total_unready_percentage: 45.0,
            initial_node_group_backoff_duration: SimDuration::from_mins(5),
            max_node_group_backoff_duration: SimDuration::from_mins(30),
            node_group_backoff_reset_timeout: SimDuration::from_hours(3),
            force_delete_unregistered_nodes: false,
            enable_proactive_scaleup: false,
            pod_injection_limit: 5000,
            capacity_buffer_controller_enabled: false,
            capacity_buffer_pod_injection_enabled: false,
            capacity_buffer_pod_dry_run_enabled: true,
            enable_provisioning_requests: false,
            provisioning_request_initial_backoff_time: SimDuration::from_mins(1),
            provisioning_request_max_backoff_time: SimDuration::from_mins(10),
            check_capacity_batch_processing: false,
            check_capacity_provisioning_request_max_batch_size: 10,
            check_capacity_processor_instance: String::new(),
            emit_per_nodegroup_metrics: false,
            scale_down_enabled: true,
            scale_down_unready_enabled: true,
            scale_down_utilization_threshold: 0.5,
            scale_down_gpu_utilization_threshold: 0.5,
            scale_down_unneeded_time: SimDuration::from_mins(10),
            scale_down_unready_time: SimDuration::from_mins(20),
            scale_down_delay_after_add: SimDuration::from_mins(10),
            scale_down_delay_after_delete: SimDuration::ZERO,
            scale_down_delay_after_failure: SimDuration::from_mins(3),
            scale_down_delay_type_local: false,
            scale_down_non_empty_candidates_count: 30,
            scale_down_candidates_pool_ratio: 0.1,
            scale_down_candidates_pool_min_count: 50,
            unremovable_node_recheck_timeout: SimDuration::from_mins(5),
            max_scale_down_parallelism: 10,
            max_drain_parallelism: 1,
            max_bulk_soft_taint_count: 10,
            max_graceful_termination: SimDuration::from_secs(600),
            max_pod_eviction_time: SimDuration::from_mins(2),
            drain_priority_config: Vec::new(),
            node_delete_delay_after_taint: SimDuration::from_secs(5),
            node_deletion_delay_timeout: SimDuration::from_mins(2),
            node_deletion_batcher_interval: SimDuration::ZERO,
            node_deletion_candidate_ttl: SimDuration::ZERO,
            cordon_node_before_terminating: true,
            daemonset_eviction_for_empty_nodes: false,
            daemonset_eviction_for_occupied_nodes: true,
            skip_nodes_with_system_pods: true,
            skip_nodes_with_local_storage: true,
            skip_nodes_with_custom_controller_pods: true,
            blocking_system_pod_disruption_timeout: SimDuration::from_hours(1),
            ignore_daemonsets_utilization: false,
            ignore_mirror_pods_utilization: false,
            min_replica_count: 0,
        }
    }
}

impl Settings {
    /// What the flags say about which pods may move.
    #[must_use]
    pub fn drain_rules(&self) -> DrainRules {
        DrainRules {
            skip_nodes_with_system_pods: self.skip_nodes_with_system_pods,
            skip_nodes_with_local_storage: self.skip_nodes_with_local_storage,
            skip_nodes_with_custom_controller_pods: self.skip_nodes_with_custom_controller_pods,
            min_replica_count: self.min_replica_count,
            blocking_system_pod_timeout: self.blocking_system_pod_disruption_timeout,
        }
    }

    /// The defaults, changed by `values`: upstream's flag names without the dashes.
    ///
    /// # Errors
    /// The first key, in the order of the map, that is unknown or whose value is not what the flag
    /// takes; or two flags that exclude each other.
    pub fn from_map(values: &BTreeMap<String, SettingValue>) -> Result<Settings, SettingError> {
        let mut settings = Settings::default();
        for (key, value) in values {
            flags::set(&mut settings, key, value)?;
        }
        settings.check_schedulers()?;
        let (drain, grace) = ("drain-priority-config", "max-graceful-termination-sec");
        if values.contains_key(drain) && values.contains_key(grace) {
            return Err(SettingError::Exclusive(drain, grace));
        }
        if settings.scan_interval <= SimDuration::ZERO {
            return Err(SettingError::Value {
                key: "scan-interval".to_owned(),
                expected: "a duration above zero",
                given: settings.scan_interval.to_string(),
            });
        }
        Ok(settings)
    }

    /// Upstream does not start when a scheduler is to be bypassed whose pods are not to be helped.
    fn check_schedulers(&self) -> Result<(), SettingError> {
        let allowed = &self.allowed_scheduler_names;
        let is_helped = |name: &&String| allowed.is_empty() || allowed.contains(*name);
        match self.bypassed_scheduler_names.iter().find(|name| !is_helped(name)) {
            None => Ok(()),
            Some(name) => Err(SettingError::Value {
                key: "bypassed-scheduler-names".to_owned(),
                expected: "only schedulers of allowed-scheduler-names",
                given: name.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
