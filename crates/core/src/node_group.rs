//! Node groups: what the cloud scales.

use std::sync::Arc;

use crate::devices::slice::ResourceSliceObject;
use crate::labels::Labels;
use crate::node::NodeSpec;
use crate::time::{SimDuration, SimTime};

/// A node group, as our `NodeGroup` document describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// The devices that a new node brings: each name, and that of each pool, is followed by the
    /// node's; a pool without a name is called like the node.
    pub template_slices: Vec<ResourceSliceObject>,
    /// How many machines the cloud has been asked for; `None`: as many as there are.
    pub target_size: Option<u32>,
    /// The machines the cloud lists; `None`: the group's Nodes, all running.
    pub instances: Option<Vec<Instance>>,
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
