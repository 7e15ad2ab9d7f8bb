//! Which drivers run on a node, and which volumes are attached to it.

use std::collections::BTreeMap;

/// A storage.k8s.io/v1 CSINode: the CSI drivers on the node of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CsiNodeObject {
    /// The node's name.
    pub name: String,
    /// The drivers, by name.
    pub drivers: BTreeMap<String, CsiNodeDriver>,
    /// In-tree plugins whose volumes the kubelet hands to CSI drivers (annotation
    /// `storage.alpha.kubernetes.io/migrated-plugins`).
    pub migrated_plugins: Vec<String>,
}

/// One of the drivers of a [`CsiNodeObject`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CsiNodeDriver {
    /// How many volumes it can attach (`allocatable.count`); `None`: as many as one likes.
    pub limit: Option<u32>,
    /// The node labels that say where the node stands, in the driver's eyes.
    pub topology_keys: Vec<String>,
}

/// A storage.k8s.io/v1 VolumeAttachment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VolumeAttachmentObject {
    /// The name.
    pub name: String,
    /// The driver that attaches.
    pub attacher: String,
    /// The node.
    pub node_name: String,
    /// The PersistentVolume; `None`: an inline volume.
    pub volume_name: Option<String>,
}
