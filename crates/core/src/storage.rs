//! Volumes: what claims, PersistentVolumes, classes and CSI drivers say about where pods may go.
//!
//! [`Storage`] is plain data and part of a cluster. Objects go in and out through [`Storage::put`]
//! and [`Storage::remove`]; each change returns what takes it back ([`StorageUndo`]), as forks need.
//! What pods hold on each node is counted as they come and go ([`Storage::account`]), so that no
//! question walks over pods.
//!
//! The rules are four plugins of kube-scheduler, in its order: [`volume_restrictions`],
//! [`node_volume_limits`], [`volume_binding`], [`volume_zone`]. Each has a `pre_filter` for the pod
//! as a whole, which refuses it everywhere or prepares what its `filter` asks on every node. A
//! prepared `None` means that the plugin has nothing to say about the pod. A [`VolumePlan`] is all
//! four in the order of a profile.
//!
//! Source: kube-scheduler 1.36, with that release's default feature gates (no storage capacity
//! scoring, no volume limit scaling, VolumeAttributesClass on).

mod accounting;
mod attachment;
mod changes;
mod claim;
mod migration;
pub mod node_volume_limits;
mod persistent_volume;
mod pod_volumes;
mod provisioning;
mod slots;
pub mod volume_binding;
mod volume_plan;
pub mod volume_restrictions;
mod volume_use;
pub mod volume_zone;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::ids::{
    AttachmentId, CapacityId, ClaimId, CsiDriverId, DiskId, ShapeId, StorageClassId, StorageNodeId,
    VolumeHandleId, VolumeId,
};
use crate::labels::{Labels, NodeSelectorTerm};
use crate::node::HOSTNAME_LABEL;

pub use attachment::{CsiNodeDriver, CsiNodeObject, VolumeAttachmentObject};
pub use changes::StorageUndo;
pub use claim::{ClaimObject, ClaimPhase, ClaimSpec};
pub use persistent_volume::{
    AccessModes, ClaimReference, PersistentVolumeObject, VolumeMode, VolumePhase, VolumeSource,
};
pub use pod_volumes::{InTreeDisk, PodIdentity, PodVolume, PodVolumes};
pub use provisioning::{
    CsiDriverObject, CsiStorageCapacityObject, StorageClassObject, TopologyTerm,
};
pub use volume_plan::VolumePlan;
pub use volume_use::VolumeUse;

use accounting::{AttachedKey, Holders, NodeSource};
use migration::{MigratedPlugin, Provisioner};
use slots::Slots;

/// Everything about volumes in a cluster. See the module's text.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    volumes: Slots<VolumeSlot>,
    claims: Slots<ClaimSlot>,
    classes: Slots<ClassSlot>,
    drivers: Slots<DriverSlot>,
    capacities: Slots<CapacitySlot>,
    attachments: Slots<AttachmentSlot>,
    nodes: Slots<NodeSlot>,
    handles: Slots<()>,
    disks: Vec<Disk>,
    disk_ids: FxHashMap<InTreeDisk, DiskId>,
    uses: FxHashMap<ShapeId, Arc<VolumeUse>>,
}

/// One object of storage, as a file or an API gives it.
#[derive(Clone, Debug, PartialEq)]
pub enum StorageObject {
    /// A v1 PersistentVolume.
    Volume(PersistentVolumeObject),
    /// A v1 PersistentVolumeClaim.
    Claim(ClaimObject),
    /// A storage.k8s.io/v1 StorageClass.
    Class(StorageClassObject),
    /// A storage.k8s.io/v1 CSINode.
    CsiNode(CsiNodeObject),
    /// A storage.k8s.io/v1 CSIDriver.
    CsiDriver(CsiDriverObject),
    /// A storage.k8s.io/v1 CSIStorageCapacity.
    CsiStorageCapacity(CsiStorageCapacityObject),
    /// A storage.k8s.io/v1 VolumeAttachment.
    VolumeAttachment(VolumeAttachmentObject),
}

/// A node as the plugins see it.
#[derive(Clone, Copy, Debug)]
pub struct NodeView<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its labels; those of [`Cluster::node_labels`](crate::Cluster::node_labels), which lack the
    /// hostname, will do.
    pub labels: &'a Labels,
    /// Its hostname label, where `labels` lacks it.
    pub hostname: Option<&'a str>,
}

impl<'a> NodeView<'a> {
    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&'a str> {
        let hostname = self.hostname.filter(|_| key == HOSTNAME_LABEL);
        hostname.or_else(|| self.labels.get(key).map(String::as_str))
    }
}

/// A name of a PersistentVolume.
#[derive(Clone, Debug, Default)]
struct VolumeSlot {
    object: Option<Arc<KnownVolume>>,
    /// The claims that name it.
    claims: BTreeSet<ClaimId>,
    /// The attachments that name it.
    attachments: BTreeSet<AttachmentId>,
}

/// A PersistentVolume, and what follows from it alone.
#[derive(Debug)]
struct KnownVolume {
    object: PersistentVolumeObject,
    class: StorageClassId,
    /// The driver and its handle.
    csi: Option<(CsiDriverId, VolumeHandleId)>,
    /// The same for a volume of an in-tree plugin, where its driver has taken over.
    migrated: Option<Migrated>,
    /// The zones and regions in its labels.
    zones: Vec<volume_zone::VolumeZones>,
}

/// A volume of an in-tree plugin in the eyes of the driver that took over.
#[derive(Debug)]
struct Migrated {
    plugin: MigratedPlugin,
    /// Or why the driver does not know it.
    translated: Result<Translated, String>,
}

#[derive(Debug)]
struct Translated {
    attached: (CsiDriverId, VolumeHandleId),
    node_affinity: Option<Vec<NodeSelectorTerm>>,
}

/// A namespace and name of a PersistentVolumeClaim.
#[derive(Clone, Debug, Default)]
struct ClaimSlot {
    object: Option<Arc<KnownClaim>>,
    /// The nodes on which pods use it.
    nodes: BTreeSet<StorageNodeId>,
    /// How many volumes of pods that have a node name it as `persistentVolumeClaim`.
    users: u32,
}

#[derive(Debug)]
struct KnownClaim {
    object: ClaimObject,
    class: StorageClassId,
    /// What `volumeName` names.
    volume: Option<VolumeId>,
}

/// A name of a StorageClass. The empty one stands for "of no class".
#[derive(Clone, Debug, Default)]
struct ClassSlot {
    object: Option<Arc<KnownClass>>,
    /// The volumes of the class.
    volumes: BTreeSet<VolumeId>,
    /// The room that is reported for the class.
    capacities: BTreeSet<CapacityId>,
}

#[derive(Debug)]
struct KnownClass {
    object: StorageClassObject,
    /// By whom volumes that are yet to be made are counted.
    provisioner: Provisioner,
    /// The driver of `provisioner`, if it is one.
    driver: CsiDriverId,
}

/// A name of a CSI driver.
#[derive(Clone, Debug, Default)]
struct DriverSlot {
    object: Option<Arc<CsiDriverObject>>,
}

/// A namespace and name of a CSIStorageCapacity.
#[derive(Clone, Debug, Default)]
struct CapacitySlot {
    object: Option<Arc<CsiStorageCapacityObject>>,
}

/// A name of a VolumeAttachment.
#[derive(Clone, Debug, Default)]
struct AttachmentSlot {
    object: Option<Arc<KnownAttachment>>,
}

#[derive(Debug, Hash)]
struct KnownAttachment {
    node: StorageNodeId,
    driver: CsiDriverId,
    volume: Option<VolumeId>,
}

/// A name of a node.
#[derive(Clone, Debug, Default)]
struct NodeSlot {
    csi: Option<Arc<KnownCsiNode>>,
    /// What is used on the node, and by how many volumes of pods.
    sources: BTreeMap<NodeSource, u32>,
    /// The volumes of drivers that are on the node, and who says so.
    attached: BTreeMap<AttachedKey, Holders>,
    /// How many volumes of each driver are on the node.
    attached_by_driver: BTreeMap<CsiDriverId, u32>,
}

#[derive(Debug)]
struct KnownCsiNode {
    object: CsiNodeObject,
    /// How many volumes of each driver the node takes; drivers without a limit are not here.
    limits: BTreeMap<CsiDriverId, u32>,
}

/// A disk that pods name themselves.
#[derive(Clone, Debug)]
struct Disk {
    disk: InTreeDisk,
    /// The driver that took over and its handle.
    attached: Option<(CsiDriverId, VolumeHandleId)>,
}

impl Storage {
    /// What pods of this shape use; `None` when the plugins have nothing to say about them.
    #[must_use]
    #[inline]
    pub fn use_of(&self, shape: ShapeId) -> Option<&Arc<VolumeUse>> {
        if self.uses.is_empty() { None } else { self.uses.get(&shape) }
    }

    /// The id of a claim that was mentioned, by itself or by a pod.
    #[must_use]
    pub fn find_claim(&self, namespace: &str, name: &str) -> Option<ClaimId> {
        self.claims.find(&claim_key(namespace, name)).map(ClaimId)
    }

    /// A claim; `None` when there is none of that name.
    #[must_use]
    pub fn claim(&self, claim: ClaimId) -> Option<&ClaimObject> {
        self.known_claim(claim).map(|known| &known.object)
    }

    /// All claims, in the order of their ids.
    pub fn claims(&self) -> impl Iterator<Item = (ClaimId, &ClaimObject)> + '_ {
        self.claims
            .iter()
            .filter_map(|(id, _, slot)| Some((ClaimId(id), &slot.object.as_ref()?.object)))
    }

    /// The id of a PersistentVolume that was mentioned.
    #[must_use]
    pub fn find_volume(&self, name: &str) -> Option<VolumeId> {
        self.volumes.find(name).map(VolumeId)
    }

    /// A PersistentVolume; `None` when there is none of that name.
    #[must_use]
    pub fn volume(&self, volume: VolumeId) -> Option<&PersistentVolumeObject> {
        self.known_volume(volume).map(|known| &known.object)
    }

    /// All PersistentVolumes, in the order of their ids.
    pub fn volumes(&self) -> impl Iterator<Item = (VolumeId, &PersistentVolumeObject)> + '_ {
        self.volumes
            .iter()
            .filter_map(|(id, _, slot)| Some((VolumeId(id), &slot.object.as_ref()?.object)))
    }

    /// Adds everything that a decision can read to a digest. Names that were mentioned and have no
    /// object count for nothing.
    pub fn hash_into(&self, hasher: &mut impl Hasher) {
        for (id, claim) in self.claims() {
            (id, claim, self.claims.get(id.0).users).hash(hasher);
        }
        for (id, volume) in self.volumes() {
            (id, volume).hash(hasher);
        }
        for class in self.classes.iter().filter_map(|(_, _, slot)| slot.object.as_ref()) {
            class.object.hash(hasher);
        }
        for driver in self.drivers.iter().filter_map(|(_, _, slot)| slot.object.as_ref()) {
            driver.hash(hasher);
        }
        for capacity in self.capacities.iter().filter_map(|(_, _, slot)| slot.object.as_ref()) {
            capacity.hash(hasher);
        }
        for attachment in self.attachments.iter().filter_map(|(_, _, slot)| slot.object.as_ref()) {
            attachment.hash(hasher);
        }
        for (_, name, slot) in self.nodes.iter() {
            if slot.csi.is_some() || !slot.sources.is_empty() {
                (name, slot.csi.as_ref().map(|known| &known.object)).hash(hasher);
                (&slot.sources, &slot.attached, &slot.attached_by_driver).hash(hasher);
            }
        }
    }

    #[inline]
    fn known_claim(&self, claim: ClaimId) -> Option<&Arc<KnownClaim>> {
        self.claims.get(claim.0).object.as_ref()
    }

    #[inline]
    fn known_volume(&self, volume: VolumeId) -> Option<&Arc<KnownVolume>> {
        self.volumes.get(volume.0).object.as_ref()
    }

    #[inline]
    fn known_class(&self, class: StorageClassId) -> Option<&Arc<KnownClass>> {
        self.classes.get(class.0).object.as_ref()
    }

    /// The name within its namespace.
    fn claim_name(&self, claim: ClaimId) -> &str {
        let key = self.claims.name(claim.0);
        key.split_once('/').map_or(key, |(_, name)| name)
    }

    /// The CSINode of a node that may be unknown.
    fn csi_node(&self, node_name: &str) -> Option<&Arc<KnownCsiNode>> {
        self.nodes.get(self.nodes.find(node_name)?).csi.as_ref()
    }
}

/// Under which name a claim is known.
fn claim_key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

#[cfg(test)]
mod tests;
