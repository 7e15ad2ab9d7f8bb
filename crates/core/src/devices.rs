//! Dynamic resource allocation: the devices of a cluster, who wants them, and who has them.
//!
//! [`Devices`] is plain data beside the other columns of a [`Cluster`](crate::Cluster). What the
//! scheduler asks of it is in [`plugin`]: which pods must wait, which nodes can give a pod the
//! devices that its claims want, and which devices it then gets. Nothing is paid for by a cluster
//! without devices and claims.
//!
//! Source: kube-scheduler 1.36's plugin DynamicResources with its default feature gates, and
//! `k8s.io/dynamic-resource-allocation`.

mod allocator;
mod capacity;
pub mod claim;
mod claims;
mod constraints;
mod counters;
mod extended;
mod inventory;
mod node_devices;
pub mod plugin;
mod pool_use;
mod pools;
mod selector;
pub mod slice;
mod uses;
pub mod version;

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

pub use claims::{ClaimId, DevicesUndo};
pub use extended::is_extended_resource_name;
pub use node_devices::{NodeDevices, PoolCounts};
pub use plugin::{DeviceCycle, NodeAllocation, NodeRefusal, PodIdentity, PreFilter};
pub use pools::NodeView;
pub(crate) use selector::refusal_of as selector_refusal;

use claim::{DeviceClassObject, ResourceClaimObject, ResourceClaimTemplateObject};
use claims::Claims;
use extended::ExtendedResources;
use inventory::Inventory;
use selector::{SelectorId, Selectors};
use slice::ResourceSliceObject;
use uses::Uses;

/// The devices of a cluster, the claims on them, and what is held. Empty by default.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    inventory: Inventory,
    selectors: Selectors,
    uses: Uses,
    classes: BTreeMap<String, DeviceClass>,
    extended: ExtendedResources,
    claims: Claims,
    /// By namespace and name.
    templates: BTreeMap<(String, String), ResourceClaimTemplateObject>,
}

/// A device class, its expressions known by number.
#[derive(Clone, Debug)]
struct DeviceClass {
    object: DeviceClassObject,
    selectors: Vec<SelectorId>,
}

/// The objects that [`Devices`] are made of, in the order of their source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceObjects {
    /// What drivers offer.
    pub slices: Vec<ResourceSliceObject>,
    /// The classes that requests name.
    pub classes: Vec<DeviceClassObject>,
    /// What is wanted and given.
    pub claims: Vec<ResourceClaimObject>,
    /// What claims are made from for pods.
    pub templates: Vec<ResourceClaimTemplateObject>,
}

impl Devices {
    /// The state that these objects describe.
    #[must_use]
    pub fn new(objects: DeviceObjects) -> Devices {
        let mut devices = Devices::default();
        for class in objects.classes {
            devices.add_class(class);
        }
        for slice in objects.slices {
            devices.add_slice(slice);
        }
        for claim in objects.claims {
            devices.add_claim(claim);
        }
        for template in objects.templates {
            devices.add_template(template);
        }
        devices
    }

    /// Whether there is nothing that could matter to any pod without claims: then the plugin need
    /// not be asked about such pods.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inventory.is_empty() && self.classes.is_empty() && self.claims.is_empty()
    }

    /// Takes a slice in; one of the same name is replaced.
    pub fn add_slice(&mut self, slice: ResourceSliceObject) -> DevicesUndo {
        let (index, replaced) = self.inventory.add(slice, &mut self.selectors);
        DevicesUndo::slice_removed(replaced).and(DevicesUndo::slice_added(index))
    }

    /// Forgets a slice. What claims hold of its devices stays held.
    pub fn remove_slice(&mut self, name: &str) -> DevicesUndo {
        DevicesUndo::slice_removed(self.inventory.remove(name))
    }

    /// Takes a class in; one of the same name is replaced.
    pub fn add_class(&mut self, object: DeviceClassObject) {
        let selectors = object.selectors.iter().map(|text| self.selectors.intern(text)).collect();
        self.classes.insert(object.name.clone(), DeviceClass { object, selectors });
        self.extended = ExtendedResources::of(self.classes.values().map(|class| &class.object));
    }

    /// Takes a template in; one of the same name is replaced.
    pub fn add_template(&mut self, template: ResourceClaimTemplateObject) {
        let key = (template.namespace.clone(), template.name.clone());
        self.templates.insert(key, template);
    }

    /// Takes a claim in, with all that it holds.
    ///
    /// # Panics
    /// When there is one of that name already.
    pub fn add_claim(&mut self, claim: ResourceClaimObject) -> DevicesUndo {
        self.insert_claim(claim)
    }

    /// Makes the claim that a controller would make from a template for a pod: `claim_name` in the
    /// pod's namespace, controlled by the pod. `None` when there is no such template.
    pub fn add_claim_from_template(
        &mut self,
        namespace: &str,
        template: &str,
        pod: PodIdentity<'_>,
        claim_name: &str,
    ) -> Option<DevicesUndo> {
        let template = self.templates.get(&(namespace.to_owned(), template.to_owned()))?;
        let claim = ResourceClaimObject {
            name: claim_name.to_owned(),
            namespace: namespace.to_owned(),
            controller: Some(pod.as_controller()),
            spec: template.spec.clone(),
            ..ResourceClaimObject::default()
        };
        Some(self.insert_claim(claim))
    }

    /// The device class that stands for an extended resource: a node that does not have the resource
    /// itself may provide it by devices of that class, and NodeResourcesFit leaves it to
    /// DynamicResources there.
    #[must_use]
    pub fn extended_resource_class(&self, resource: &str) -> Option<&str> {
        self.extended.class_of(resource)
    }

    /// The claim of this name, as it stands.
    #[must_use]
    pub fn claim(&self, namespace: &str, name: &str) -> Option<&ResourceClaimObject> {
        let id = self.claims.find(namespace, name)?;
        Some(&self.claims.get(id).object)
    }

    /// All claims, in the order in which they came.
    pub fn claims(&self) -> impl Iterator<Item = &ResourceClaimObject> {
        self.claims.all().map(|claim| &claim.object)
    }

    /// Adds everything that a decision can read to a digest: what there is, what is held, and by how
    /// many.
    pub fn hash_into(&self, hasher: &mut impl Hasher) {
        for slice in self.inventory.all() {
            (&slice.name, slice.pool, slice.generation).hash(hasher);
        }
        for claim in self.claims.all() {
            claim.object.full_name().hash(hasher);
            claim.object.status.reserved_for.len().hash(hasher);
            claim.object.status.allocation.is_some().hash(hasher);
            for device in &claim.held {
                device.hash(hasher);
            }
        }
    }
}

#[cfg(test)]
mod tests;
