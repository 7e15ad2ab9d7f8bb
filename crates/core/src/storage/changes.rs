//! Objects come, change and go. Every change hands back what was there before.

use std::sync::Arc;

use super::accounting::NodeSource;
use super::migration::{self, MigratedPlugin, Provisioner};
use super::volume_zone;
use super::{
    ClaimObject, CsiDriverObject, CsiNodeObject, CsiStorageCapacityObject, Disk, InTreeDisk,
    KnownAttachment, KnownClaim, KnownClass, KnownCsiNode, KnownVolume, Migrated,
    PersistentVolumeObject, Storage, StorageClassObject, StorageObject, Translated,
    VolumeAttachmentObject, VolumeSource, claim_key,
};
use crate::ids::{
    AttachmentId, CapacityId, ClaimId, CsiDriverId, DiskId, StorageClassId, StorageNodeId,
    VolumeHandleId, VolumeId,
};

/// What takes a change of a [`Storage`] back. Changes must be taken back in reverse order.
#[must_use = "a fork cannot take back a change whose undo step is dropped"]
#[derive(Clone, Debug)]
pub struct StorageUndo(Former);

/// What stood in a place before.
#[derive(Clone, Debug)]
enum Former {
    Volume(VolumeId, Option<Arc<KnownVolume>>),
    Claim(ClaimId, Option<Arc<KnownClaim>>),
    Class(StorageClassId, Option<Arc<KnownClass>>),
    Driver(CsiDriverId, Option<Arc<CsiDriverObject>>),
    Capacity(CapacityId, Option<Arc<CsiStorageCapacityObject>>),
    CsiNode(StorageNodeId, Option<Arc<KnownCsiNode>>),
    Attachment(AttachmentId, Option<Arc<KnownAttachment>>),
    /// Several changes, oldest first.
    Several(Vec<Former>),
}

impl StorageUndo {
    /// Takes back several changes, given oldest first, as one.
    pub(super) fn several(steps: Vec<StorageUndo>) -> StorageUndo {
        StorageUndo(Former::Several(steps.into_iter().map(|step| step.0).collect()))
    }
}

impl Storage {
    /// Puts an object in, in place of the one of its name if there is one. The counts of attached
    /// volumes follow.
    pub fn put(&mut self, object: StorageObject) -> StorageUndo {
        StorageUndo(match object {
            StorageObject::Volume(object) => {
                let id = VolumeId(self.volumes.intern(&object.name));
                let known = Arc::new(self.know_volume(object));
                Former::Volume(id, self.set_volume(id, Some(known)))
            }
            StorageObject::Claim(object) => {
                let id = ClaimId(self.claims.intern(&claim_key(&object.namespace, &object.name)));
                self.put_claim(id, object)
            }
            StorageObject::Class(object) => {
                let id = StorageClassId(self.classes.intern(&object.name));
                let known = Arc::new(self.know_class(object));
                Former::Class(id, self.set_class(id, Some(known)))
            }
            StorageObject::CsiDriver(object) => {
                let id = CsiDriverId(self.drivers.intern(&object.name));
                let slot = &mut self.drivers.get_mut(id.0).object;
                Former::Driver(id, slot.replace(Arc::new(object)))
            }
            StorageObject::CsiStorageCapacity(object) => {
                let key = claim_key(&object.namespace, &object.name);
                let id = CapacityId(self.capacities.intern(&key));
                Former::Capacity(id, self.set_capacity(id, Some(Arc::new(object))))
            }
            StorageObject::CsiNode(object) => {
                let id = StorageNodeId(self.nodes.intern(&object.name));
                let known = Arc::new(self.know_csi_node(object));
                Former::CsiNode(id, self.set_csi_node(id, Some(known)))
            }
            StorageObject::VolumeAttachment(object) => {
                let id = AttachmentId(self.attachments.intern(&object.name));
                let known = Arc::new(self.know_attachment(&object));
                Former::Attachment(id, self.set_attachment(id, Some(known)))
            }
        })
    }

    /// Takes an object out. `kind` is Kubernetes' word (`PersistentVolume`, `CSINode`, ...),
    /// `namespace` is empty for kinds without one. `None`: there is no such object.
    pub fn remove(&mut self, kind: &str, namespace: &str, name: &str) -> Option<StorageUndo> {
        let former = match kind {
            "PersistentVolume" => {
                let id = VolumeId(self.volumes.find(name)?);
                self.known_volume(id)?;
                Former::Volume(id, self.set_volume(id, None))
            }
            "PersistentVolumeClaim" => {
                let id = self.find_claim(namespace, name)?;
                self.known_claim(id)?;
                Former::Claim(id, self.set_claim(id, None))
            }
            "StorageClass" => {
                let id = StorageClassId(self.classes.find(name)?);
                self.known_class(id)?;
                Former::Class(id, self.set_class(id, None))
            }
            "CSIDriver" => {
                let id = CsiDriverId(self.drivers.find(name)?);
                Former::Driver(id, Some(self.drivers.get_mut(id.0).object.take()?))
            }
            "CSIStorageCapacity" => {
                let id = CapacityId(self.capacities.find(&claim_key(namespace, name))?);
                self.capacities.get(id.0).object.as_ref()?;
                Former::Capacity(id, self.set_capacity(id, None))
            }
            "CSINode" => {
                let id = StorageNodeId(self.nodes.find(name)?);
                self.nodes.get(id.0).csi.as_ref()?;
                Former::CsiNode(id, self.set_csi_node(id, None))
            }
            "VolumeAttachment" => {
                let id = AttachmentId(self.attachments.find(name)?);
                self.attachments.get(id.0).object.as_ref()?;
                Former::Attachment(id, self.set_attachment(id, None))
            }
            _ => return None,
        };
        Some(StorageUndo(former))
    }

    /// Takes a change back. Names that the change mentioned first stay known, which nobody can tell.
    pub fn undo(&mut self, step: StorageUndo) {
        match step.0 {
            Former::Volume(id, former) => drop(self.set_volume(id, former)),
            Former::Claim(id, former) => drop(self.set_claim(id, former)),
            Former::Class(id, former) => drop(self.set_class(id, former)),
            Former::Driver(id, former) => self.drivers.get_mut(id.0).object = former,
            Former::Capacity(id, former) => drop(self.set_capacity(id, former)),
            Former::CsiNode(id, former) => drop(self.set_csi_node(id, former)),
            Former::Attachment(id, former) => drop(self.set_attachment(id, former)),
            Former::Several(steps) => {
                for step in steps.into_iter().rev() {
                    self.undo(StorageUndo(step));
                }
            }
        }
    }

    /// Replaces a claim that is there.
    pub(super) fn change_claim(
        &mut self,
        id: ClaimId,
        change: impl FnOnce(&mut ClaimObject),
    ) -> StorageUndo {
        let mut object = self.claim(id).expect("the claim is there").clone();
        change(&mut object);
        StorageUndo(self.put_claim(id, object))
    }

    fn put_claim(&mut self, id: ClaimId, object: ClaimObject) -> Former {
        let class = StorageClassId(self.classes.intern(&object.spec.class));
        let named = Some(&object.volume_name).filter(|name| !name.is_empty());
        let volume = named.map(|name| VolumeId(self.volumes.intern(name)));
        let known = Arc::new(KnownClaim { object, class, volume });
        Former::Claim(id, self.set_claim(id, Some(known)))
    }

    fn know_volume(&mut self, object: PersistentVolumeObject) -> KnownVolume {
        let class = StorageClassId(self.classes.intern(&object.class));
        let (csi, migrated) = match &object.source {
            VolumeSource::Csi { driver, handle } => (Some(self.attached(driver, handle)), None),
            VolumeSource::InTree(disk) => (None, self.migrate(&object, disk)),
            VolumeSource::Other => (None, None),
        };
        let zones = volume_zone::zones_of(&object.labels);
        KnownVolume { object, class, csi, migrated, zones }
    }

    fn migrate(&mut self, object: &PersistentVolumeObject, disk: &InTreeDisk) -> Option<Migrated> {
        let plugin = MigratedPlugin::of(disk)?;
        let translated = migration::translate(plugin, object, disk);
        let translated = translated.map(|(handle, node_affinity)| Translated {
            attached: self.attached(plugin.driver(), &handle),
            node_affinity,
        });
        Some(Migrated { plugin, translated })
    }

    fn attached(&mut self, driver: &str, handle: &str) -> (CsiDriverId, VolumeHandleId) {
        let driver = CsiDriverId(self.drivers.intern(driver));
        (driver, VolumeHandleId(self.handles.intern(handle)))
    }

    fn know_class(&mut self, object: StorageClassObject) -> KnownClass {
        let provisioner = Provisioner::of(&object.provisioner);
        let driver = match provisioner {
            Provisioner::Migrated(plugin) => plugin.driver(),
            Provisioner::Driver | Provisioner::Uncounted => &object.provisioner,
        };
        let driver = CsiDriverId(self.drivers.intern(driver));
        KnownClass { object, provisioner, driver }
    }

    fn know_csi_node(&mut self, object: CsiNodeObject) -> KnownCsiNode {
        let limited =
            object.drivers.iter().filter_map(|(name, driver)| Some((name, driver.limit?)));
        let limits =
            limited.map(|(name, limit)| (CsiDriverId(self.drivers.intern(name)), limit)).collect();
        KnownCsiNode { object, limits }
    }

    fn know_attachment(&mut self, object: &VolumeAttachmentObject) -> KnownAttachment {
        KnownAttachment {
            node: StorageNodeId(self.nodes.intern(&object.node_name)),
            driver: CsiDriverId(self.drivers.intern(&object.attacher)),
            volume: object.volume_name.as_ref().map(|name| VolumeId(self.volumes.intern(name))),
        }
    }

    /// The id of a disk, known from now on.
    pub(super) fn intern_disk(&mut self, disk: &InTreeDisk) -> DiskId {
        if let Some(known) = self.disk_ids.get(disk) {
            return *known;
        }
        let id = DiskId::at(self.disks.len());
        let plugin = MigratedPlugin::of(disk);
        let handle = plugin.and_then(|_| migration::handle_of_inline(disk).ok());
        let attached =
            plugin.zip(handle).map(|(plugin, handle)| self.attached(plugin.driver(), &handle));
        self.disks.push(Disk { disk: disk.clone(), attached });
        self.disk_ids.insert(disk.clone(), id);
        id
    }

    fn set_volume(
        &mut self,
        id: VolumeId,
        new: Option<Arc<KnownVolume>>,
    ) -> Option<Arc<KnownVolume>> {
        let slot = self.volumes.get(id.0);
        let used = slot.claims.iter().flat_map(|claim| {
            let nodes = self.claims.get(claim.0).nodes.iter();
            nodes.map(|node| (*node, NodeSource::Claim(*claim)))
        });
        let attached = slot.attachments.iter().filter_map(|id| {
            let known = self.attachments.get(id.0).object.as_ref()?;
            Some((known.node, NodeSource::Attachment(*id)))
        });
        let touched: Vec<_> = used.chain(attached).collect();
        let class = new.as_ref().map(|known| known.class);
        let replace = |storage: &mut Storage| {
            std::mem::replace(&mut storage.volumes.get_mut(id.0).object, new)
        };
        let former = self.recount(&touched, replace);
        if let Some(former) = &former {
            self.classes.get_mut(former.class.0).volumes.remove(&id);
        }
        if let Some(class) = class {
            self.classes.get_mut(class.0).volumes.insert(id);
        }
        former
    }

    fn set_claim(&mut self, id: ClaimId, new: Option<Arc<KnownClaim>>) -> Option<Arc<KnownClaim>> {
        let nodes = self.claims.get(id.0).nodes.iter();
        let touched: Vec<_> = nodes.map(|node| (*node, NodeSource::Claim(id))).collect();
        let volume = new.as_ref().and_then(|known| known.volume);
        let replace = |storage: &mut Storage| {
            std::mem::replace(&mut storage.claims.get_mut(id.0).object, new)
        };
        let former = self.recount(&touched, replace);
        if let Some(volume) = former.as_ref().and_then(|known| known.volume) {
            self.volumes.get_mut(volume.0).claims.remove(&id);
        }
        if let Some(volume) = volume {
            self.volumes.get_mut(volume.0).claims.insert(id);
        }
        former
    }

    fn set_class(
        &mut self,
        id: StorageClassId,
        new: Option<Arc<KnownClass>>,
    ) -> Option<Arc<KnownClass>> {
        let touched = self.sources_of_class(id);
        self.recount(&touched, |storage| {
            std::mem::replace(&mut storage.classes.get_mut(id.0).object, new)
        })
    }

    /// Everything on nodes that may be counted by a class. Classes hardly ever change, so all nodes
    /// are walked rather than an index kept.
    fn sources_of_class(&self, class: StorageClassId) -> Vec<(StorageNodeId, NodeSource)> {
        let of_class = |source: &NodeSource| match source {
            NodeSource::Claim(claim) => {
                self.known_claim(*claim).is_some_and(|known| known.class == class)
            }
            NodeSource::Template(one) => *one == class,
            NodeSource::Disk(_) | NodeSource::Attachment(_) => false,
        };
        let nodes = self.nodes.iter().flat_map(|(id, _, slot)| {
            slot.sources.keys().map(move |source| (StorageNodeId(id), *source))
        });
        nodes.filter(|(_, source)| of_class(source)).collect()
    }

    fn set_capacity(
        &mut self,
        id: CapacityId,
        new: Option<Arc<CsiStorageCapacityObject>>,
    ) -> Option<Arc<CsiStorageCapacityObject>> {
        let class = new.as_ref().map(|one| self.classes.intern(&one.class));
        let former = std::mem::replace(&mut self.capacities.get_mut(id.0).object, new);
        if let Some(former) = &former {
            let class = self.classes.intern(&former.class);
            self.classes.get_mut(class).capacities.remove(&id);
        }
        if let Some(class) = class {
            self.classes.get_mut(class).capacities.insert(id);
        }
        former
    }

    fn set_csi_node(
        &mut self,
        id: StorageNodeId,
        new: Option<Arc<KnownCsiNode>>,
    ) -> Option<Arc<KnownCsiNode>> {
        let sources = self.nodes.get(id.0).sources.keys();
        let touched: Vec<_> = sources.map(|source| (id, *source)).collect();
        self.recount(&touched, |storage| {
            std::mem::replace(&mut storage.nodes.get_mut(id.0).csi, new)
        })
    }

    fn set_attachment(
        &mut self,
        id: AttachmentId,
        new: Option<Arc<KnownAttachment>>,
    ) -> Option<Arc<KnownAttachment>> {
        if let Some(known) = self.attachments.get(id.0).object.clone() {
            self.remove_source(known.node, NodeSource::Attachment(id));
            if let Some(volume) = known.volume {
                self.volumes.get_mut(volume.0).attachments.remove(&id);
            }
        }
        let former = std::mem::replace(&mut self.attachments.get_mut(id.0).object, new);
        if let Some(known) = self.attachments.get(id.0).object.clone() {
            self.add_source(known.node, NodeSource::Attachment(id));
            if let Some(volume) = known.volume {
                self.volumes.get_mut(volume.0).attachments.insert(id);
            }
        }
        former
    }
}
