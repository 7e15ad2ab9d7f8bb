//! PersistentVolumes: pieces of storage that exist.

use crate::labels::{Labels, NodeSelectorTerm};
use crate::quantity::Quantity;
use crate::storage::InTreeDisk;
use crate::time::SimTime;

/// A v1 PersistentVolume, as far as the scheduler reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PersistentVolumeObject {
    /// The name.
    pub name: String,
    /// The uid; empty when the file gave none.
    pub uid: String,
    /// The labels: zones for VolumeZone, and what claims select by.
    pub labels: Labels,
    /// When deletion was asked for; such a volume is bound to nothing new.
    pub deletion_at: Option<SimTime>,
    /// The storage class (the beta annotation goes before the field); empty: of no class.
    pub class: String,
    /// `spec.capacity.storage`.
    pub capacity: Quantity,
    /// How it can be mounted.
    pub access_modes: AccessModes,
    /// Filesystem or block device.
    pub mode: VolumeMode,
    /// The VolumeAttributesClass; empty: none.
    pub attributes_class: String,
    /// The claim that it is kept for, or bound to.
    pub claim: Option<ClaimReference>,
    /// Which nodes reach it: one of the terms must match. `None`: every node.
    pub node_affinity: Option<Vec<NodeSelectorTerm>>,
    /// Where the bytes are.
    pub source: VolumeSource,
    /// Where it is in its life.
    pub phase: VolumePhase,
}

/// `spec.claimRef`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClaimReference {
    /// The claim's namespace.
    pub namespace: String,
    /// The claim's name.
    pub name: String,
    /// The claim's uid; empty when whoever keeps the volume for the claim did not know it.
    pub uid: String,
}

/// Where a volume's bytes are, as far as anything here depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum VolumeSource {
    /// A CSI driver has it, under a handle of its own.
    Csi {
        /// The driver's name.
        driver: String,
        /// The driver's name for the volume.
        handle: String,
    },
    /// A disk of a plugin that was part of Kubernetes once.
    InTree(InTreeDisk),
    /// Anything else (nfs, local, hostPath, ...).
    #[default]
    Other,
}

/// `status.phase` of a PersistentVolume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VolumePhase {
    /// Not usable yet.
    #[default]
    Pending,
    /// Free.
    Available,
    /// Bound to a claim.
    Bound,
    /// Its claim is gone, its bytes are not.
    Released,
    /// Could not be reclaimed.
    Failed,
}

/// `volumeMode` of claims and volumes; they must be equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VolumeMode {
    /// A directory.
    #[default]
    Filesystem,
    /// A block device.
    Block,
}

/// A set of access modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessModes(u8);

impl AccessModes {
    /// One node writes.
    pub const READ_WRITE_ONCE: AccessModes = AccessModes(1);
    /// Many nodes read.
    pub const READ_ONLY_MANY: AccessModes = AccessModes(2);
    /// Many nodes write.
    pub const READ_WRITE_MANY: AccessModes = AccessModes(4);
    /// One pod writes.
    pub const READ_WRITE_ONCE_POD: AccessModes = AccessModes(8);

    /// Both sets in one.
    #[must_use]
    pub fn and(self, other: AccessModes) -> AccessModes {
        AccessModes(self.0 | other.0)
    }

    /// Whether every mode of `other` is one of these.
    #[must_use]
    pub fn include(self, other: AccessModes) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}
