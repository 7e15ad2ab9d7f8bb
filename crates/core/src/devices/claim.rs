//! Resource claims: which devices are wanted, which were given, and to whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::slice::DeviceToleration;
use crate::labels::{NodeSelectorTerm, Operator, Requirement};
use crate::pod::ControllerRef;
use crate::quantity::Quantity;
use crate::time::{SimDuration, SimTime};

/// The most devices that one claim can be given.
///
/// Source: `resource.k8s.io/v1.AllocationResultsMaxSize`.
pub const MAX_DEVICES_PER_CLAIM: usize = 32;
/// The most pods that can use one claim.
///
/// Source: `resource.k8s.io/v1.ResourceClaimReservedForMaxSize`.
pub const MAX_CLAIM_USERS: usize = 256;
/// The most alternatives of a `firstAvailable` request; the first of them scores this much.
///
/// Source: `resource.k8s.io/v1.FirstAvailableDeviceRequestMaxSize`.
pub const MAX_ALTERNATIVES: usize = 8;

/// A `resource.k8s.io/v1` DeviceClass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceClassObject {
    /// The name.
    pub name: String,
    /// When it was created.
    pub created_at: Option<SimTime>,
    /// CEL expressions, all of which must hold for a device of the class.
    pub selectors: Vec<String>,
    /// The extended resource by which containers can ask for devices of the class.
    pub extended_resource_name: Option<String>,
}

/// A `resource.k8s.io/v1` ResourceClaim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceClaimObject {
    /// The name within the namespace.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// The uid; empty when the file gave none.
    pub uid: String,
    /// Its controller: the pod that it was made for.
    pub controller: Option<ControllerRef>,
    /// Deletion was asked for.
    pub is_being_deleted: bool,
    /// The scheduler made it for the extended resources of the pod that controls it.
    pub is_for_extended_resources: bool,
    /// What is wanted.
    pub spec: ClaimSpec,
    /// What was given.
    pub status: ClaimStatus,
}

/// A `resource.k8s.io/v1` ResourceClaimTemplate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceClaimTemplateObject {
    /// The name within the namespace.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// What the claims made from it want.
    pub spec: ClaimSpec,
}

/// `spec.devices` of a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimSpec {
    /// The requests, in the order in which they are satisfied.
    pub requests: Vec<DeviceRequest>,
    /// What must hold between the devices given.
    pub constraints: Vec<DeviceConstraint>,
}

/// A request of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// The name, unique in the claim.
    pub name: String,
    /// What is wanted.
    pub wanted: Wanted,
}

/// The two forms of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `exactly`: this.
    Exactly(DeviceQuery),
    /// `firstAvailable`: the first of these that can be had, by name.
    FirstAvailable(Vec<(String, DeviceQuery)>),
}

/// Which devices, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceQuery {
    /// The device class.
    pub device_class_name: String,
    /// CEL expressions, all of which must hold besides the class's.
    pub selectors: Vec<String>,
    /// How many.
    pub count: DeviceCount,
    /// Whether they may be in use: for monitoring.
    pub admin_access: bool,
    /// Which taints do not matter.
    pub tolerations: Vec<DeviceToleration>,
    /// How much of each capacity is wanted of each device.
    pub capacity: BTreeMap<String, Quantity>,
}

/// How many devices are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceCount {
    /// So many.
    Exactly(i64),
    /// All that the selectors select, and at least one.
    All,
}

/// A rule between the devices of several requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceConstraint {
    /// The requests (`request` or `request/alternative`) whose devices it is about; none: all.
    pub requests: Vec<String>,
    /// What must hold.
    pub rule: ConstraintRule,
}

/// What must hold between devices; both rules name a fully qualified attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConstraintRule {
    /// All have the attribute, with the same value.
    Match(String),
    /// All have the attribute, with different values.
    Distinct(String),
}

/// `status` of a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimStatus {
    /// The devices given; `None`: not yet.
    pub allocation: Option<Allocation>,
    /// Who uses the claim.
    pub reserved_for: Vec<Consumer>,
    /// What drivers say of devices given.
    pub devices: Vec<DeviceStatus>,
}

/// A user of a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consumer {
    /// `pods` as a rule.
    pub resource: String,
    /// The name, in the claim's namespace.
    pub name: String,
    /// The uid.
    pub uid: String,
}

/// `status.allocation` of a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// The devices, by request.
    pub results: Vec<AllocatedDevice>,
    /// Where they can be used; `None`: everywhere.
    pub node_selector: Option<Vec<NodeSelectorTerm>>,
    /// When they were given, if drivers have to get them ready first.
    pub allocated_at: Option<SimTime>,
}

/// A device given to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocatedDevice {
    /// `request`, or `request/alternative`.
    pub request: Arc<str>,
    /// The driver.
    pub driver: Arc<str>,
    /// The pool.
    pub pool: Arc<str>,
    /// The device's name in the pool.
    pub device: Arc<str>,
    /// It is not held: others may use it.
    pub admin_access: bool,
    /// Others may hold parts of it (`shareID`).
    pub is_share: bool,
    /// How much of its capacity is held.
    pub consumed_capacity: Option<BTreeMap<String, Quantity>>,
    /// Conditions that must be true before a pod may start.
    pub binding_conditions: Vec<String>,
    /// Conditions any of which means that it will never be ready.
    pub binding_failure_conditions: Vec<String>,
}

/// What a driver says of a device given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceStatus {
    /// The driver.
    pub driver: String,
    /// The pool.
    pub pool: String,
    /// The device's name in the pool.
    pub device: String,
    /// The types of its conditions that are true.
    pub true_conditions: Vec<String>,
}

impl ResourceClaimObject {
    /// `namespace/name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether the pod of this uid controls it.
    #[must_use]
    pub fn is_controlled_by(&self, uid: &str) -> bool {
        self.controller.as_ref().is_some_and(|controller| controller.uid == uid)
    }
}

impl DeviceRequest {
    /// What can satisfy the request, each with its name if it is one of several alternatives.
    pub(super) fn queries(&self) -> impl Iterator<Item = (Option<&str>, &DeviceQuery)> {
        let (exactly, alternatives) = match &self.wanted {
            Wanted::Exactly(query) => (Some((None, query)), [].as_slice()),
            Wanted::FirstAvailable(alternatives) => (None, alternatives.as_slice()),
        };
        let alternatives = alternatives.iter().map(|(name, query)| (Some(name.as_str()), query));
        exactly.into_iter().chain(alternatives)
    }
}

impl ClaimStatus {
    /// Whether the devices given will never be ready, or were not in time.
    ///
    /// Source: `isClaimReadyForBinding` and `isClaimTimeout` of the plugin.
    pub(super) fn has_failed_binding(&self, now: SimTime, timeout: SimDuration) -> bool {
        let Some(allocation) = &self.allocation else { return false };
        let waited_too_long = allocation.allocated_at.is_some_and(|since| {
            now - since > timeout
                && allocation.results.iter().any(|one| !one.binding_conditions.is_empty())
        });
        for result in allocation.results.iter().filter(|one| !one.binding_conditions.is_empty()) {
            let status = self.devices.iter().find(|one| {
                *one.device == *result.device
                    && *one.driver == *result.driver
                    && *one.pool == *result.pool
            });
            let Some(status) = status else { return waited_too_long };
            let is_true = |condition: &String| status.true_conditions.contains(condition);
            if result.binding_failure_conditions.iter().any(is_true) {
                return true;
            }
            if !result.binding_conditions.iter().all(is_true) {
                return waited_too_long;
            }
        }
        false
    }
}

/// The term that the node of this name alone meets.
pub(super) fn single_node(name: &str) -> NodeSelectorTerm {
    let requirement = Requirement {
        key: "metadata.name".to_owned(),
        operator: Operator::In,
        values: vec![name.to_owned()],
    };
    NodeSelectorTerm { expressions: Vec::new(), fields: vec![requirement] }
}

/// The node that a selector of devices names, if it is made for one node alone.
pub(super) fn single_node_of(terms: Option<&[NodeSelectorTerm]>) -> Option<&str> {
    let [NodeSelectorTerm { expressions, fields }] = terms? else { return None };
    let ([], [field]) = (expressions.as_slice(), fields.as_slice()) else { return None };
    let ("metadata.name", Operator::In, [name]) =
        (field.key.as_str(), field.operator, field.values.as_slice())
    else {
        return None;
    };
    Some(name)
}
