//! What is used on each node, counted as pods come and go.

use std::collections::btree_map::Entry;

use super::migration::Provisioner;
use super::volume_use::{UsedVolume, VolumeUse};
use super::{MigratedPlugin, Storage};
use crate::ids::{
    AttachmentId, ClaimId, CsiDriverId, DiskId, StorageClassId, StorageNodeId, VolumeHandleId,
};

/// Something on a node that may stand for an attached volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum NodeSource {
    /// Pods use this claim.
    Claim(ClaimId),
    /// Pods name this disk.
    Disk(DiskId),
    /// Pods that have no claims yet will get volumes of this class, each its own.
    Template(StorageClassId),
    /// A VolumeAttachment says that its volume is there.
    Attachment(AttachmentId),
}

/// One volume of a driver; what several claims or pods share is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum AttachedKey {
    /// The driver's handle.
    Handle(CsiDriverId, VolumeHandleId),
    /// A volume that will be made for this claim.
    ToBeMade(CsiDriverId, ClaimId),
}

impl AttachedKey {
    pub(super) fn driver(self) -> CsiDriverId {
        match self {
            AttachedKey::Handle(driver, _) | AttachedKey::ToBeMade(driver, _) => driver,
        }
    }
}

/// How many sources say that a volume is on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Holders {
    /// Claims and disks that pods use.
    pub(super) pods: u32,
    /// VolumeAttachments.
    pub(super) attachments: u32,
}

/// What a source counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Once, however many share it.
    Shared(AttachedKey),
    /// Each time.
    Each(CsiDriverId),
}

impl Storage {
    /// Notes that a pod came to a node (`comes`), or left it. Pods without a node, and finished
    /// ones, use nothing.
    pub fn account(&mut self, uses: &VolumeUse, node_name: &str, comes: bool) {
        let node = StorageNodeId(self.nodes.intern(node_name));
        for volume in &uses.volumes {
            let source = match volume {
                UsedVolume::Claim(claim) => {
                    let users = &mut self.claims.get_mut(claim.0).users;
                    *users = if comes { *users + 1 } else { *users - 1 };
                    NodeSource::Claim(*claim)
                }
                UsedVolume::Ephemeral(claim) => NodeSource::Claim(*claim),
                UsedVolume::Template(template) => NodeSource::Template(template.class),
                UsedVolume::Disk(disk) => NodeSource::Disk(*disk),
            };
            if comes {
                self.add_source(node, source);
            } else {
                self.remove_source(node, source);
            }
        }
    }

    pub(super) fn add_source(&mut self, node: StorageNodeId, source: NodeSource) {
        let uses = self.nodes.get_mut(node.0).sources.entry(source).or_default();
        *uses += 1;
        let first = *uses == 1;
        if let (true, NodeSource::Claim(claim)) = (first, source) {
            self.claims.get_mut(claim.0).nodes.insert(node);
        }
        self.count_one(node, source, first, true);
    }

    pub(super) fn remove_source(&mut self, node: StorageNodeId, source: NodeSource) {
        let Entry::Occupied(mut uses) = self.nodes.get_mut(node.0).sources.entry(source) else {
            unreachable!("what leaves a node was counted when it came");
        };
        *uses.get_mut() -= 1;
        let last = *uses.get() == 0;
        if last {
            uses.remove();
        }
        if let (true, NodeSource::Claim(claim)) = (last, source) {
            self.claims.get_mut(claim.0).nodes.remove(&node);
        }
        self.count_one(node, source, last, false);
    }

    /// Counts one use of a source; shared ones count with the first and until the last.
    fn count_one(&mut self, node: StorageNodeId, source: NodeSource, is_end: bool, comes: bool) {
        match self.counted(source, self.nodes.get(node.0).csi.is_some()) {
            Some(Counted::Shared(key)) if is_end => self.hold(node, key, source, comes),
            Some(Counted::Each(driver)) => self.add_to_driver(node, driver, 1, comes),
            Some(Counted::Shared(_)) | None => {}
        }
    }

    /// Makes a change after which some sources may count as something else.
    pub(super) fn recount<T>(
        &mut self,
        touched: &[(StorageNodeId, NodeSource)],
        change: impl FnOnce(&mut Storage) -> T,
    ) -> T {
        for (node, source) in touched {
            self.count_all(*node, *source, false);
        }
        let result = change(self);
        for (node, source) in touched {
            self.count_all(*node, *source, true);
        }
        result
    }

    /// Counts every use of a source that is there, or takes all of them out of the counts.
    fn count_all(&mut self, node: StorageNodeId, source: NodeSource, counts: bool) {
        let slot = self.nodes.get(node.0);
        let uses = slot.sources.get(&source).copied().unwrap_or(0);
        match self.counted(source, slot.csi.is_some()) {
            Some(Counted::Shared(key)) => self.hold(node, key, source, counts),
            Some(Counted::Each(driver)) => self.add_to_driver(node, driver, uses, counts),
            None => {}
        }
    }

    fn hold(&mut self, node: StorageNodeId, key: AttachedKey, source: NodeSource, holds: bool) {
        let attached = &mut self.nodes.get_mut(node.0).attached;
        let holders = attached.entry(key).or_default();
        let was_held = holders.pods + holders.attachments > 0;
        let by_attachment = matches!(source, NodeSource::Attachment(_));
        let count = if by_attachment { &mut holders.attachments } else { &mut holders.pods };
        *count = if holds { *count + 1 } else { *count - 1 };
        let is_held = holders.pods + holders.attachments > 0;
        if !is_held {
            attached.remove(&key);
        }
        if was_held != is_held {
            self.add_to_driver(node, key.driver(), 1, is_held);
        }
    }

    fn add_to_driver(&mut self, node: StorageNodeId, driver: CsiDriverId, count: u32, adds: bool) {
        let counts = &mut self.nodes.get_mut(node.0).attached_by_driver;
        let volumes = counts.entry(driver).or_default();
        *volumes = if adds { *volumes + count } else { *volumes - count };
        if *volumes == 0 {
            counts.remove(&driver);
        }
    }

    /// What a source on a node counts as. A driver has taken over from its in-tree plugin on nodes
    /// that have a CSINode.
    ///
    /// Source: plugin NodeVolumeLimits (`filterAttachableVolumes`, `getNodeVolumeAttachmentInfo`).
    pub(super) fn counted(&self, source: NodeSource, has_csi_node: bool) -> Option<Counted> {
        match source {
            NodeSource::Claim(claim) => self.counted_claim(claim, has_csi_node),
            NodeSource::Disk(disk) => {
                let (driver, handle) =
                    self.disks[disk.index()].attached.filter(|_| has_csi_node)?;
                Some(Counted::Shared(AttachedKey::Handle(driver, handle)))
            }
            NodeSource::Template(class) => {
                Some(Counted::Each(self.driver_of_class(class, has_csi_node)?))
            }
            NodeSource::Attachment(attachment) => {
                let known = self.attachments.get(attachment.0).object.as_ref()?;
                let (_, handle) = self.known_volume(known.volume?)?.csi?;
                Some(Counted::Shared(AttachedKey::Handle(known.driver, handle)))
            }
        }
    }

    fn counted_claim(&self, claim: ClaimId, has_csi_node: bool) -> Option<Counted> {
        let known = self.known_claim(claim)?;
        let volume = known.volume.and_then(|volume| self.known_volume(volume));
        let Some(volume) = volume else {
            let driver = self.driver_of_class(known.class, has_csi_node)?;
            return Some(Counted::Shared(AttachedKey::ToBeMade(driver, claim)));
        };
        let migrated = || {
            let migrated = volume.migrated.as_ref().filter(|_| has_csi_node)?;
            Some(migrated.translated.as_ref().ok()?.attached)
        };
        let (driver, handle) = volume.csi.or_else(migrated)?;
        Some(Counted::Shared(AttachedKey::Handle(driver, handle)))
    }

    fn driver_of_class(&self, class: StorageClassId, has_csi_node: bool) -> Option<CsiDriverId> {
        let class = self.known_class(class)?;
        let counts = match class.provisioner {
            Provisioner::Driver => true,
            Provisioner::Migrated(_) => has_csi_node,
            Provisioner::Uncounted => false,
        };
        counts.then_some(class.driver)
    }

    /// Whether the kubelet of a node hands a plugin's volumes to the driver that took over.
    ///
    /// Source: plugin VolumeBinding (`isPluginMigratedToCSIOnNode`).
    pub(super) fn is_migrated_on(&self, plugin: MigratedPlugin, node_name: &str) -> bool {
        let csi_node = self.csi_node(node_name);
        csi_node.is_some_and(|known| {
            known.object.migrated_plugins.iter().any(|one| one == plugin.name())
        })
    }
}
