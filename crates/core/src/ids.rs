//! Dense identities: each is an index into the columns of a [`Cluster`](crate::Cluster).

use std::fmt;

/// Defines what every identity has; they differ in type only, so that one cannot stand for another.
macro_rules! identity {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The index into the columns.
            #[must_use]
            #[inline]
            pub fn index(self) -> usize {
                self.0 as usize
            }

            /// The identity at `index`.
            ///
            /// # Panics
            /// When there are more than 2³² of them, which no memory holds.
            #[must_use]
            pub fn at(index: usize) -> Self {
                Self(u32::try_from(index).expect("fewer than 2^32 of a kind fit into memory"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )*};
}

identity! {
    /// A node. The number is used again once the node is gone.
    NodeId;
    /// A pod. The number is used again once the pod is gone; see [`Pod::serial`](crate::Pod).
    PodId;
    /// A node group. Never used again.
    GroupId;
    /// A controller of pods. Never used again.
    WorkloadId;
    /// An interned [`PodSpec`](crate::PodSpec).
    ShapeId;
    /// An interned set of labels, capacity and allocatable.
    TemplateId;
    /// An interned list of taints.
    TaintsId;
    /// The name of a container image.
    ImageId;
    /// An interned list of images: what a node has.
    ImagesId;
    /// A resource name; the first four are fixed, see [`crate::catalog`].
    ResourceId;
    /// What decides whether pods fit a node by itself: pods of many shapes share one.
    FitId;
    /// Where pods may go whatever the room: selectors, node affinity, tolerations.
    RulesId;
    /// A node seen by [`RulesId`]: template, taints, cordon.
    SurfaceId;
    /// A disruption budget. Never used again.
    BudgetId;
    /// The name of a PersistentVolume, whether or not there is one of that name now.
    VolumeId;
    /// The namespace and name of a PersistentVolumeClaim, whether or not there is one now.
    ClaimId;
    /// The name of a StorageClass, whether or not there is one of that name now.
    StorageClassId;
    /// The name of a CSI driver or provisioner.
    CsiDriverId;
    /// The namespace and name of a CSIStorageCapacity, whether or not there is one now.
    CapacityId;
    /// The name of a VolumeAttachment, whether or not there is one of that name now.
    AttachmentId;
    /// What a CSI driver calls one of its volumes.
    VolumeHandleId;
    /// A disk that pods name in their own spec.
    DiskId;
    /// The name of a node as storage knows it: CSINodes and VolumeAttachments outlive nodes.
    StorageNodeId;
}
