//! Node groups: what the cloud scales.

use std::sync::Arc;

use crate::devices::slice::ResourceSliceObject;
use crate::labels::Labels;
use crate::node::NodeSpec;
use crate::time::{SimDuration, SimTime};

/// A node group, as our `NodeGroup` document describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeGroupSpec {
    /// The id.
    pub name: String,
    /// Never fewer machines than this.
    pub min_size: u32,
    /// Never more machines than this.
    pub max_size: u32,
    /// The machine type, for people and prices.
    pub instance_type: String,
    /// The zone.
    pub zone: String,
    /// `on-demand` or `spot`.
    pub capacity_type: String,
    /// Micro-dollars an hour for one machine; `None`: no price is known.
    pub price_microusd_per_hour: Option<i64>,
    /// From the request to the Node being there, Ready.
    pub boot_delay: BootDelay,
    /// What a new node looks like; labels without the hostname.
    pub template: NodeSpec,
    /// Annotations of a new node.
    pub template_annotations: Labels,
    /// What the autoscaler does differently with this group.
    pub autoscaling_options: NodeGroupOptions,
    /// The devices that a new node brings: each name, and that of each pool, is followed by the
    /// node's; a pool without a name is called like the node.
    pub template_slices: Vec<ResourceSliceObject>,
    /// How many machines the cloud has been asked for; `None`: as many as there are.
    pub target_size: Option<u32>,
    /// The machines the cloud lists; `None`: the group's Nodes, all running.
    pub instances: Option<Vec<Instance>>,
}

/// What an autoscaler does differently with one group; `None`: as its flags say.
///
/// Source: `NodeGroupAutoscalingOptions` of Cluster Autoscaler 1.36, which a cloud gives by group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NodeGroupOptions {
    /// A node of which a larger part is asked for stays.
    pub scale_down_utilization_threshold: Option<f64>,
    /// The same for nodes with GPUs.
    pub scale_down_gpu_utilization_threshold: Option<f64>,
    /// How long a node must be unneeded before it goes.
    pub scale_down_unneeded_time: Option<SimDuration>,
    /// The same for a node that is not ready.
    pub scale_down_unready_time: Option<SimDuration>,
    /// A machine without a Node for longer is given up.
    pub max_node_provision_time: Option<SimDuration>,
    /// A Node that is not ready for longer after its creation is unready.
    pub max_node_startup_time: Option<SimDuration>,
    /// The group has no machine or all it may have, never a part of them.
    pub zero_or_max_node_scaling: Option<bool>,
    /// Of such a group, machines that could be made stay although others failed.
    pub allow_non_atomic_scale_up_to_max: Option<bool>,
    /// Pods of DaemonSets do not count in the utilization.
    pub ignore_daemon_sets_utilization: Option<bool>,
}

/// How long machines of a group take to become Nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootDelay {
    /// The median.
    pub p50: SimDuration,
    /// Exceeded by one machine in a hundred; equal to `p50`: every machine takes the same time.
    pub p99: SimDuration,
}

/// A machine, as the cloud lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The cloud's id; equal to the Node's `spec.providerID`.
    pub id: Arc<str>,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Why it could not be made.
    pub error: Option<InstanceError>,
    /// When it was asked for, if that is known.
    pub created_at: Option<SimTime>,
}

/// Where a machine is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstanceState {
    /// Asked for, not running yet.
    Creating,
    /// Running.
    Running,
    /// Going.
    Deleting,
}

/// Why a machine could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceError {
    /// True for class OutOfResources (stock-out, quota), false for Other.
    pub out_of_resources: bool,
    /// The cloud's code, such as `STOCKOUT`.
    pub code: String,
    /// The cloud's words.
    pub message: String,
}
