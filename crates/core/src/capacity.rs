//! What asks for capacity without being a pod: capacity buffers, provisioning requests, and the pod
//! templates that both refer to.

use std::collections::BTreeMap;

use crate::condition::Conditions;
use crate::objects::ObjectName;
use crate::pod::PodSpec;
use crate::quantity::Quantity;
use crate::time::SimTime;

/// Where an object lives and what it is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespacedName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A v1 PodTemplate.
#[derive(Clone, Debug, PartialEq)]
pub struct PodTemplateObject {
    /// Where it is.
    pub id: NamespacedName,
    /// Counts changes of its content.
    pub generation: i64,
    /// The pods that it describes, in its namespace.
    pub spec: PodSpec,
}

/// An autoscaling.x-k8s.io/v1beta1 CapacityBuffer: room that is to be kept free.
#[derive(Clone, Debug, PartialEq)]
pub struct CapacityBufferObject {
    /// Where it is.
    pub id: NamespacedName,
    /// When it was created.
    pub created_at: Option<SimTime>,
    /// How it is provided; `buffer.x-k8s.io/active-capacity` unless something else is said.
    pub provisioning_strategy: String,
    /// The PodTemplate of one chunk, by name.
    pub pod_template: Option<String>,
    /// The object whose pods one chunk is like.
    pub scalable: Option<ScalableRef>,
    /// So many chunks.
    pub replicas: Option<u32>,
    /// So many percent of the scalable object's pods.
    pub percentage: Option<u32>,
    /// No more chunks than ask for this much together.
    pub limits: Option<BTreeMap<String, Quantity>>,
    /// What a controller has made of it.
    pub status: CapacityBufferStatus,
}

/// Something with a number of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalableRef {
    /// Its API group.
    pub api_group: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// `status` of a CapacityBuffer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CapacityBufferStatus {
    /// The PodTemplate to make pods from, by name.
    pub pod_template: Option<String>,
    /// The generation of that template that the status is about.
    pub pod_template_generation: Option<i64>,
    /// So many chunks.
    pub replicas: Option<u32>,
    /// How it is provided.
    pub provisioning_strategy: Option<String>,
    /// `ReadyForProvisioning`, `Provisioning`, `LimitedByQuotas`.
    pub conditions: Conditions,
}

/// An autoscaling.x-k8s.io ProvisioningRequest: pods that are to come, all or none.
#[derive(Clone, Debug, PartialEq)]
pub struct ProvisioningRequestObject {
    /// Where it is.
    pub id: NamespacedName,
    /// Its uid; empty when the file gave none.
    pub uid: String,
    /// When it was created.
    pub created_at: Option<SimTime>,
    /// `provisioningClassName`.
    pub class: String,
    /// What the class may want to know.
    pub parameters: BTreeMap<String, String>,
    /// The pods.
    pub pod_sets: Vec<PodSet>,
    /// How it stands.
    pub conditions: Conditions,
}

/// Pods of a ProvisioningRequest that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodSet {
    /// Their PodTemplate, by name.
    pub pod_template: String,
    /// So many.
    pub count: u32,
}

/// One of these objects.
#[derive(Clone, Debug, PartialEq)]
pub enum CapacityObject {
    /// A PodTemplate.
    PodTemplate(Box<PodTemplateObject>),
    /// A CapacityBuffer.
    Buffer(CapacityBufferObject),
    /// A ProvisioningRequest.
    Request(ProvisioningRequestObject),
}

impl CapacityObject {
    /// Notes when it was created, unless it says so itself.
    pub fn note_creation(&mut self, at: SimTime) {
        if let Some(slot) = self.creation() {
            slot.get_or_insert(at);
        }
    }

    /// The newest instant that it tells of.
    #[must_use]
    pub fn newest_time(&self) -> Option<SimTime> {
        let (created_at, conditions) = match self {
            CapacityObject::PodTemplate(_) => return None,
            CapacityObject::Buffer(one) => (one.created_at, &one.status.conditions),
            CapacityObject::Request(one) => (one.created_at, &one.conditions),
        };
        let changed_at = conditions.0.iter().map(|one| one.changed_at);
        changed_at.chain(created_at).max()
    }

    /// Forgets when it was created: it will be anew.
    pub fn forget_creation(&mut self) {
        if let Some(slot) = self.creation() {
            *slot = None;
        }
    }

    fn creation(&mut self) -> Option<&mut Option<SimTime>> {
        match self {
            CapacityObject::PodTemplate(_) => None,
            CapacityObject::Buffer(one) => Some(&mut one.created_at),
            CapacityObject::Request(one) => Some(&mut one.created_at),
        }
    }
}

/// The kind of ProvisioningRequests.
pub const PROVISIONING_REQUEST: &str = "ProvisioningRequest";
/// The kind of CapacityBuffers.
pub const CAPACITY_BUFFER: &str = "CapacityBuffer";
/// The kind of PodTemplates.
pub const POD_TEMPLATE: &str = "PodTemplate";

/// All of these objects of a cluster, by namespace and name.
#[derive(Clone, Debug, Default)]
pub struct CapacityObjects {
    templates: BTreeMap<NamespacedName, PodTemplateObject>,
    buffers: BTreeMap<NamespacedName, CapacityBufferObject>,
    requests: BTreeMap<NamespacedName, (u64, ProvisioningRequestObject)>,
    version: u64,
}

impl CapacityObjects {
    /// Counts changes.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The PodTemplate of this name.
    #[must_use]
    pub fn template(&self, id: &NamespacedName) -> Option<&PodTemplateObject> {
        self.templates.get(id)
    }

    /// The buffers, by namespace and name.
    pub fn buffers(&self) -> impl Iterator<Item = &CapacityBufferObject> + '_ {
        self.buffers.values()
    }

    /// The requests, by namespace and name, each with a number that tells it from an earlier one of
    /// its name.
    pub fn requests(&self) -> impl Iterator<Item = (u64, &ProvisioningRequestObject)> + '_ {
        self.requests.values().map(|(serial, one)| (*serial, one))
    }

    /// The request of this name.
    #[must_use]
    pub fn request(&self, id: &NamespacedName) -> Option<&ProvisioningRequestObject> {
        self.requests.get(id).map(|(_, one)| one)
    }

    /// Adds an object, in place of the one of its kind and name if there is one.
    pub fn put(&mut self, object: CapacityObject) {
        self.version += 1;
        match object {
            CapacityObject::PodTemplate(one) => {
                self.templates.insert(one.id.clone(), *one);
            }
            CapacityObject::Buffer(one) => {
                self.buffers.insert(one.id.clone(), one);
            }
            CapacityObject::Request(one) => {
                let known = self.requests.get(&one.id).filter(|(_, known)| known.uid == one.uid);
                let serial = known.map_or(self.version, |(serial, _)| *serial);
                self.requests.insert(one.id.clone(), (serial, one));
            }
        }
    }

    /// Takes an object away. False when there was none.
    pub fn remove(&mut self, name: &ObjectName) -> bool {
        let id = NamespacedName { namespace: name.namespace.clone(), name: name.name.clone() };
        let was_there = match name.kind.as_str() {
            POD_TEMPLATE => self.templates.remove(&id).is_some(),
            CAPACITY_BUFFER => self.buffers.remove(&id).is_some(),
            PROVISIONING_REQUEST => self.requests.remove(&id).is_some(),
            _ => false,
        };
        self.version += u64::from(was_there);
        was_there
    }
}
