//! Kubernetes' and our own objects, from JSON values into plain data.
//!
//! Reading has two phases. [`defaulting`] fills in what the API server would, so that a manifest
//! written by hand and the output of `kubectl get -o json` mean the same; then each kind is read
//! into its type. What an API server would refuse is refused, and the error names the object and
//! the field.

mod autoscaler_state;
mod capacity;
pub mod defaulting;
mod device_slices;
mod devices;
mod error;
mod fields;
mod images;
mod invalid;
mod label_keys;
mod label_syntax;
mod metadata;
mod nearest;
mod node;
mod node_group;
mod pod;
mod pod_affinity;
mod pod_digest;
mod pod_features;
mod pod_requests;
mod policy;
mod priority;
mod scenario;
mod scheduler_configuration;
mod selectors;
mod service;
mod snapshot;
mod storage;
mod topology;
mod volumes;
mod workload;

use std::collections::BTreeMap;

use serde_json::Value;

pub use autoscaler_state::{AutoscalerState, FailedScaleUp, ScaleUpRequest};
pub use error::{FieldPath, ObjectError, ObjectName, PathStep};
pub use nearest::nearest_names;
pub use priority::PriorityClasses;
pub use scenario::{
    Fault, FaultExtent, PodBackoff, ScenarioAction, ScenarioEvent, ScenarioObject, WorldSettings,
};
pub use scheduler_configuration::{
    SCHEDULER_CONFIGURATION_API_VERSION, read_scheduler_configuration,
};
pub use snapshot::{Origin, Snapshot, SnapshotError, SnapshotWarning, StorageObjects};

use crate::capacity::CapacityObject;
use crate::devices::claim::{DeviceClassObject, ResourceClaimObject, ResourceClaimTemplateObject};
use crate::devices::slice::ResourceSliceObject;
use crate::namespace::NamespaceObject;
use crate::node::NodeObject;
use crate::node_group::NodeGroupSpec;
use crate::pod::PodObject;
use crate::service::ServiceObject;
use crate::storage::StorageObject;
use crate::workload::{DisruptionBudgetObject, PriorityClassObject, WorkloadKind, WorkloadObject};
use error::FieldError;
use fields::{Fields, Read};

/// The `apiVersion` of our own kinds.
pub const OWN_API_VERSION: &str = "plimsoll.dev/v1alpha1";
/// The API group of our own kinds.
const OWN_GROUP: &str = "plimsoll.dev/";
/// Our own kinds, for the error about an unknown one.
const OWN_KINDS: [&str; 4] = ["AutoscalerSettings", "AutoscalerState", "NodeGroup", "Scenario"];

/// One object of a file, a recording or an API.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A v1 Node.
    Node(NodeObject),
    /// A v1 Pod.
    Pod(PodObject),
    /// A controller of pods.
    Workload(WorkloadObject),
    /// A volume, a claim, or what there is to know about CSI drivers.
    Storage(StorageObject),
    /// Our NodeGroup.
    NodeGroup(NodeGroupSpec),
    /// A policy/v1 PodDisruptionBudget.
    DisruptionBudget(DisruptionBudgetObject),
    /// A scheduling.k8s.io/v1 PriorityClass.
    PriorityClass(PriorityClassObject),
    /// A v1 Service.
    Service(ServiceObject),
    /// A v1 Namespace.
    Namespace(NamespaceObject),
    /// Our AutoscalerSettings.
    AutoscalerSettings(AutoscalerSettingsObject),
    /// Our AutoscalerState.
    AutoscalerState(AutoscalerState),
    /// Our Scenario.
    Scenario(ScenarioObject),
    /// A resource.k8s.io/v1 ResourceSlice.
    ResourceSlice(ResourceSliceObject),
    /// A resource.k8s.io/v1 DeviceClass.
    DeviceClass(DeviceClassObject),
    /// A resource.k8s.io/v1 ResourceClaim.
    ResourceClaim(ResourceClaimObject),
    /// A resource.k8s.io/v1 ResourceClaimTemplate.
    ResourceClaimTemplate(ResourceClaimTemplateObject),
    /// A PodTemplate, CapacityBuffer or ProvisioningRequest.
    Capacity(CapacityObject),
    /// Anything else: kept as it is.
    Other(OtherObject),
}

impl Object {
    /// Whether no node, pod or controller changes with it, as it is only referred to or read: see
    /// [`Cluster::take_surrounding`](crate::Cluster::take_surrounding).
    #[must_use]
    pub fn is_surrounding(&self) -> bool {
        matches!(
            self,
            Object::Service(_)
                | Object::Namespace(_)
                | Object::Storage(_)
                | Object::ResourceSlice(_)
                | Object::DeviceClass(_)
                | Object::ResourceClaim(_)
                | Object::ResourceClaimTemplate(_)
                | Object::Capacity(_)
        )
    }
}

/// Flags of the autoscaler as a document gives them. What they mean is the autoscaler's business.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AutoscalerSettingsObject {
    /// The document's name.
    pub name: String,
    /// Values by flag name.
    pub spec: BTreeMap<String, Value>,
}

/// An object of a kind that has no type of its own here.
#[derive(Clone, Debug, PartialEq)]
pub struct OtherObject {
    /// Its kind, namespace and name.
    pub name: ObjectName,
    /// Its `apiVersion`.
    pub api_version: String,
    /// The object as it was read.
    pub document: Value,
}

/// Reads one object. A pod's `priorityClassName` can name the two classes that every cluster has;
/// use [`parse_with`] or a [`Snapshot`] where there are others.
///
/// # Errors
/// [`ObjectError`] for the first field that an API server would refuse, and for an unknown field
/// or kind of ours.
pub fn parse(document: &Value) -> Result<Object, ObjectError> {
    parse_with(document, &PriorityClasses::built_in())
}

/// Reads one object; pods get their priority from `classes` unless they have one.
///
/// # Errors
/// As [`parse`], and when a pod names a class that `classes` has not.
pub fn parse_with(document: &Value, classes: &PriorityClasses) -> Result<Object, ObjectError> {
    let mut defaulted = document.clone();
    defaulting::apply_defaults(&mut defaulted);
    let name = ObjectName::of(&defaulted);
    read_object(&defaulted, classes).map_err(|error| ObjectError::new(name, error))
}

/// Reads one object that has its defaults, whatever its kind.
fn read_object(document: &Value, classes: &PriorityClasses) -> Read<Object> {
    let fields = Fields::of(document)?;
    let api_version = fields.required("apiVersion", fields::text)?;
    let kind = fields.required("kind", fields::text)?;
    if let Some(workload) = workload_kind(&api_version, &kind) {
        return workload::read(workload, &api_version, fields, classes).map(Object::Workload);
    }
    match (api_version.as_str(), kind.as_str()) {
        ("v1", "Node") => node::read(fields).map(Object::Node),
        ("v1", "Pod") => pod::read(fields, classes).map(Object::Pod),
        ("v1", "Service") => service::read_service(fields).map(Object::Service),
        ("v1", "Namespace") => service::read_namespace(fields).map(Object::Namespace),
        ("policy/v1", "PodDisruptionBudget") => {
            policy::read_budget(fields).map(Object::DisruptionBudget)
        }
        ("scheduling.k8s.io/v1", "PriorityClass") => {
            policy::read_priority_class(fields).map(Object::PriorityClass)
        }
        (devices::API_VERSION, "ResourceSlice") => {
            device_slices::read(fields).map(Object::ResourceSlice)
        }
        (devices::API_VERSION, "DeviceClass") => {
            devices::read_class(fields).map(Object::DeviceClass)
        }
        (devices::API_VERSION, "ResourceClaim") => {
            devices::read_claim(fields).map(Object::ResourceClaim)
        }
        (devices::API_VERSION, "ResourceClaimTemplate") => {
            devices::read_template(fields).map(Object::ResourceClaimTemplate)
        }
        (group, own) if group.starts_with(OWN_GROUP) => read_own(group, own, fields, classes),
        _ => {
            if let Some(object) = storage::read(&api_version, &kind, fields)? {
                return Ok(Object::Storage(object));
            }
            match capacity::read(&api_version, &kind, fields, classes)? {
                Some(object) => Ok(Object::Capacity(object)),
                None => read_other(document, fields, api_version),
            }
        }
    }
}

/// Reads one of our own kinds.
fn read_own(
    api_version: &str,
    kind: &str,
    fields: Fields<'_>,
    classes: &PriorityClasses,
) -> Read<Object> {
    if api_version != OWN_API_VERSION {
        let message = format!("expected {OWN_API_VERSION}, found {api_version:?}");
        return Err(FieldError::here(message).within("apiVersion"));
    }
    match kind {
        "NodeGroup" => node_group::read(fields).map(Object::NodeGroup),
        "AutoscalerSettings" => read_settings(fields).map(Object::AutoscalerSettings),
        "AutoscalerState" => autoscaler_state::read(fields).map(Object::AutoscalerState),
        "Scenario" => scenario::read(fields, classes).map(Object::Scenario),
        unknown => {
            let message = format!("unknown kind {unknown:?}; known: {}", OWN_KINDS.join(", "));
            Err(FieldError::here(message).within("kind"))
        }
    }
}

fn read_settings(fields: Fields<'_>) -> Read<AutoscalerSettingsObject> {
    fields.only(&["apiVersion", "kind", "metadata", "spec"])?;
    let name = metadata::read_own_name(fields)?;
    let spec = fields.entries("spec", |value| Ok(value.clone()))?;
    Ok(AutoscalerSettingsObject { name, spec })
}

fn read_other(document: &Value, fields: Fields<'_>, api_version: String) -> Read<Object> {
    metadata::Metadata::read(fields, metadata::Scope::Unknown)?;
    let name = ObjectName::of(document);
    Ok(Object::Other(OtherObject { name, api_version, document: document.clone() }))
}

/// Which controller of pods this is, if it is one that is understood.
fn workload_kind(api_version: &str, kind: &str) -> Option<WorkloadKind> {
    match (api_version, kind) {
        ("apps/v1", "Deployment") => Some(WorkloadKind::Deployment),
        ("apps/v1", "ReplicaSet") => Some(WorkloadKind::ReplicaSet),
        ("apps/v1", "StatefulSet") => Some(WorkloadKind::StatefulSet),
        ("apps/v1", "DaemonSet") => Some(WorkloadKind::DaemonSet),
        ("batch/v1", "Job") => Some(WorkloadKind::Job),
        ("v1", "ReplicationController") => Some(WorkloadKind::ReplicationController),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
