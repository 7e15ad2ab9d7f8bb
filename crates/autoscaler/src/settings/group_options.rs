//! What the flags come to for one group, which may have options of its own.
//!
//! Source: `NodeGroupAutoscalingOptions` and `processors/nodegroupconfig` of release 1.36: the flags
//! are the defaults, and a group's options take their place one by one.

use plimsoll_core::{NodeGroupSpec, SimDuration};

use super::Settings;

/// The options of one group, or of a group without any.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupOptions {
    /// A node of which a larger part is asked for stays.
    pub scale_down_utilization_threshold: f64,
    /// The same for nodes with GPUs.
    pub scale_down_gpu_utilization_threshold: f64,
    /// How long a node must be unneeded before it goes.
    pub scale_down_unneeded_time: SimDuration,
    /// The same for a node that is not ready.
    pub scale_down_unready_time: SimDuration,
    /// A machine without a Node for longer is given up.
    pub max_node_provision_time: SimDuration,
    /// A Node that is not ready for longer after its creation is unready.
    pub max_node_startup_time: SimDuration,
    /// The group has no machine or all it may have: it grows and shrinks as a whole.
    pub is_atomic: bool,
    /// Machines of an atomic group that could be made stay although others failed.
    pub allow_non_atomic_scale_up_to_max: bool,
    /// Pods of DaemonSets do not count in the utilization.
    pub ignore_daemon_sets_utilization: bool,
}

impl GroupOptions {
    /// What the flags say.
    #[must_use]
    pub fn of_flags(settings: &Settings) -> GroupOptions {
        GroupOptions {
            scale_down_utilization_threshold: settings.scale_down_utilization_threshold,
            scale_down_gpu_utilization_threshold: settings.scale_down_gpu_utilization_threshold,
            scale_down_unneeded_time: settings.scale_down_unneeded_time,
            scale_down_unready_time: settings.scale_down_unready_time,
            max_node_provision_time: settings.max_node_provision_time,
            max_node_startup_time: settings.max_node_startup_time,
            is_atomic: false,
            allow_non_atomic_scale_up_to_max: false,
            ignore_daemon_sets_utilization: settings.ignore_daemonsets_utilization,
        }
    }

    /// These options with the group's own in their place.
    #[must_use]
    pub fn for_group(self, group: &NodeGroupSpec) -> GroupOptions {
        let own = &group.autoscaling_options;
        let or_time = |own: Option<SimDuration>, flag| own.unwrap_or(flag);
        GroupOptions {
            scale_down_utilization_threshold: own
                .scale_down_utilization_threshold
                .unwrap_or(self.scale_down_utilization_threshold),
            scale_down_gpu_utilization_threshold: own
                .scale_down_gpu_utilization_threshold
                .unwrap_or(self.scale_down_gpu_utilization_threshold),
            scale_down_unneeded_time: or_time(
                own.scale_down_unneeded_time,
                self.scale_down_unneeded_time,
            ),
            scale_down_unready_time: or_time(
                own.scale_down_unready_time,
                self.scale_down_unready_time,
            ),
            max_node_provision_time: or_time(
                own.max_node_provision_time,
                self.max_node_provision_time,
            ),
            max_node_startup_time: or_time(own.max_node_startup_time, self.max_node_startup_time),
            is_atomic: own.zero_or_max_node_scaling.unwrap_or(self.is_atomic),
            allow_non_atomic_scale_up_to_max: own
                .allow_non_atomic_scale_up_to_max
                .unwrap_or(self.allow_non_atomic_scale_up_to_max),
            ignore_daemon_sets_utilization: own
                .ignore_daemon_sets_utilization
                .unwrap_or(self.ignore_daemon_sets_utilization),
        }
    }
}

impl Settings {
    /// What holds for a group.
    #[must_use]
    pub fn of_group(&self, group: &NodeGroupSpec) -> GroupOptions {
        GroupOptions::of_flags(self).for_group(group)
    }
}
