//! PersistentVolumeClaims: pieces of storage that somebody asks for.

use crate::labels::LabelSelector;
use crate::quantity::Quantity;
use crate::storage::{AccessModes, VolumeMode};
use crate::time::SimTime;

/// A v1 PersistentVolumeClaim, as far as the scheduler reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClaimObject {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The uid; empty when the file gave none.
    pub uid: String,
    /// The uid of its controller (for a claim of an ephemeral volume: the pod); `None`: it has none.
    pub controller_uid: Option<String>,
    /// When deletion was asked for.
    pub deletion_at: Option<SimTime>,
    /// What is asked for.
    pub spec: ClaimSpec,
    /// `spec.volumeName`: the volume it is bound to, or wants; empty: none.
    pub volume_name: String,
    /// The binding is complete (annotation `pv.kubernetes.io/bind-completed`).
    pub bind_completed: bool,
    /// The node that a volume is being made for (annotation `volume.kubernetes.io/selected-node`).
    pub selected_node: Option<String>,
    /// Where it is in its life.
    pub phase: ClaimPhase,
}

/// What a claim, or the template of claims in an ephemeral volume, asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimSpec {
    /// The storage class (the beta annotation goes before the field); empty: of no class.
    pub class: String,
    /// How it is to be mounted.
    pub access_modes: AccessModes,
    /// `resources.requests.storage`.
    pub request: Quantity,
    /// Which labels a volume must have; `None`: any.
    pub selector: Option<LabelSelector>,
    /// Filesystem or block device.
    pub mode: VolumeMode,
    /// The VolumeAttributesClass; empty: none.
    pub attributes_class: String,
}

/// `status.phase` of a PersistentVolumeClaim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClaimPhase {
    /// Not bound.
    #[default]
    Pending,
    /// Bound.
    Bound,
    /// Its volume is gone.
    Lost,
}

impl ClaimObject {
    /// Whether it is bound for good, as the scheduler sees it.
    #[must_use]
    pub fn is_fully_bound(&self) -> bool {
        !self.volume_name.is_empty() && self.bind_completed
    }
}
