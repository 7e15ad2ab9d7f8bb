//! Resource slices: the devices that a driver offers, and to which nodes.

use std::collections::BTreeMap;

use super::version::Version;
use crate::labels::NodeSelectorTerm;
use crate::quantity::Quantity;

/// A `resource.k8s.io/v1` ResourceSlice: a part of a pool of devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceSliceObject {
    /// The name. Within a pool, slices are searched in the order of their names.
    pub name: String,
    /// The driver that offers the devices.
    pub driver: String,
    /// The pool that this is a part of.
    pub pool: PoolPart,
    /// Which nodes reach the devices.
    pub reach: Reach,
    /// The devices, in the order in which they are tried.
    pub devices: Vec<Device>,
    /// Counter sets by name, from which devices of the pool draw. A slice with any has no devices.
    pub shared_counters: BTreeMap<String, Counters>,
}

/// Amounts by the name of a counter.
pub type Counters = BTreeMap<String, Quantity>;

/// Which pool a slice belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolPart {
    /// The pool's name, unique for its driver.
    pub name: String,
    /// Which version of the pool this is a part of; the newest counts.
    pub generation: i64,
    /// How many slices the pool has in this generation.
    pub slice_count: i64,
}

/// Which nodes reach a slice, or a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The node of this name.
    Node(String),
    /// Nodes that one of the terms selects; a slice has exactly one.
    Selected(Vec<NodeSelectorTerm>),
    /// Every node.
    AllNodes,
    /// Each device says it for itself. Of slices only.
    PerDevice,
}

impl Reach {
    /// Whether a node of this name and these labels is reached; never for [`Reach::PerDevice`].
    pub(super) fn covers<'a>(
        &self,
        name: &'a str,
        label: impl Fn(&str) -> Option<&'a str>,
    ) -> bool {
        match self {
            Reach::Node(node) => node == name,
            Reach::Selected(terms) => terms.iter().any(|term| term.matches(name, &label)),
            Reach::AllNodes => true,
            Reach::PerDevice => false,
        }
    }
}

/// A device, or a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// The name, unique in its pool.
    pub name: String,
    /// Attributes by name; a name without a domain is in the driver's.
    pub attributes: BTreeMap<String, DeviceAttribute>,
    /// Capacities by name, as with attributes.
    pub capacity: BTreeMap<String, DeviceCapacity>,
    /// Whether several claims may share it, each taking a part of its capacity.
    pub allow_multiple_allocations: bool,
    /// What it draws from the pool's counter sets while allocated.
    pub consumes_counters: Vec<CounterConsumption>,
    /// Which nodes reach it, in a slice where each device says so.
    pub reach: Option<Reach>,
    /// Its taints.
    pub taints: Vec<DeviceTaint>,
    /// Once allocated it stays on the node that it was allocated for.
    pub binds_to_node: bool,
    /// Conditions that must be true before a pod may start.
    pub binding_conditions: Vec<String>,
    /// Conditions any of which means that it will never be ready.
    pub binding_failure_conditions: Vec<String>,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DeviceAttribute {
    /// A whole number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
    /// A text.
    Text(String),
    /// A semantic version.
    Version(Version),
}

/// How much a device has of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCapacity {
    /// The amount.
    pub value: Quantity,
    /// How requests for a part of it are rounded and limited.
    pub policy: Option<RequestPolicy>,
}

/// `requestPolicy` of a capacity that can be shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestPolicy {
    /// What a request that names no amount takes; without it, all there is.
    pub default: Option<Quantity>,
    /// Which amounts can be had.
    pub valid: ValidAmounts,
}

/// Which amounts of a capacity can be requested.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ValidAmounts {
    /// Any.
    #[default]
    Any,
    /// These, in ascending order.
    Values(Vec<Quantity>),
    /// From `min` on, in steps.
    Range {
        /// The least; a smaller request gets this.
        min: Quantity,
        /// The most.
        max: Option<Quantity>,
        /// What may be added to the least, any number of times.
        step: Option<Quantity>,
    },
}

/// What a device draws from one counter set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CounterConsumption {
    /// The set's name.
    pub counter_set: String,
    /// How much of each of its counters.
    pub counters: Counters,
}

/// A taint of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTaint {
    /// The key.
    pub key: String,
    /// The value, often empty.
    pub value: String,
    /// What it does.
    pub effect: DeviceTaintEffect,
}

/// What a device's taint does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceTaintEffect {
    /// Nothing, for information only.
    None,
    /// It is not allocated to requests that do not tolerate the taint.
    NoSchedule,
    /// The same, and pods that have it are evicted.
    NoExecute,
}

/// A toleration of a request for devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceToleration {
    /// The key; empty covers every key.
    pub key: String,
    /// True for operator `Equal`, false for `Exists`.
    pub equal: bool,
    /// The value that `Equal` compares.
    pub value: String,
    /// The effect it covers; `None` covers all.
    pub effect: Option<DeviceTaintEffect>,
}

impl DeviceToleration {
    /// Whether this covers `taint`.
    ///
    /// Source: `k8s.io/dynamic-resource-allocation/resourceclaim.ToleratesTaint`.
    #[must_use]
    pub fn covers(&self, taint: &DeviceTaint) -> bool {
        self.effect.is_none_or(|effect| effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && (!self.equal || self.value == taint.value)
    }
}

impl Device {
    /// Whether one of its taints keeps away a request with these tolerations.
    pub(super) fn is_kept_from(&self, tolerations: &[DeviceToleration]) -> bool {
        self.taints.iter().any(|taint| {
            taint.effect != DeviceTaintEffect::None
                && !tolerations.iter().any(|toleration| toleration.covers(taint))
        })
    }

    /// The attribute of a fully qualified name, of a device of `driver`.
    ///
    /// Source: `lookupAttribute` of the upstream allocator.
    pub(super) fn attribute(&self, driver: &str, name: &str) -> Option<&DeviceAttribute> {
        self.attributes.get(name).or_else(|| {
            let (domain, id) = name.split_once('/')?;
            if domain == driver { self.attributes.get(id) } else { None }
        })
    }
}
