//! The volumes of a pod's spec, as far as they decide where the pod may go.

use crate::storage::ClaimSpec;

/// The volumes of a pod that the scheduler looks at, in the order of its spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodVolumes {
    /// The volumes. Those that hold no rule (emptyDir, configMap, ...) are left out.
    pub volumes: Vec<PodVolume>,
    /// Who the pod is, when it has ephemeral volumes: their claims are named after it and must be
    /// its own. `None` for pods without ephemeral volumes, whose spec must not tell replicas apart,
    /// and for pod templates: a pod that is yet to be made has no claims yet, so it is judged by
    /// the claims that would be made for it.
    pub owner: Option<PodIdentity>,
}

impl PodVolumes {
    /// Whether any volume is ephemeral (`ephemeral.volumeClaimTemplate`).
    #[must_use]
    pub fn has_ephemeral(&self) -> bool {
        self.volumes.iter().any(|one| matches!(one, PodVolume::Ephemeral { .. }))
    }

    /// The same volumes, of a pod that has a name now: its ephemeral volumes are from here on
    /// claims in the cluster (`<pod>-<volume>`), which must be there and be owned by this uid.
    /// Volumes without ephemeral ones stay as they are.
    #[must_use]
    pub fn owned_by(&self, name: &str, uid: &str) -> PodVolumes {
        let identity = || PodIdentity { name: name.to_owned(), uid: uid.to_owned() };
        let owner = self.has_ephemeral().then(identity);
        PodVolumes { volumes: self.volumes.clone(), owner }
    }
}

/// A pod's name and uid.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodIdentity {
    /// The name.
    pub name: String,
    /// The uid; empty when the file gave none.
    pub uid: String,
}

/// A volume that ties a pod to some nodes, or away from some.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PodVolume {
    /// `persistentVolumeClaim`.
    Claim {
        /// The claim's name, in the pod's namespace.
        name: String,
        /// Mounted for reading.
        read_only: bool,
    },
    /// `ephemeral`: a claim that is made for the pod.
    Ephemeral {
        /// The volume's name; the claim's is `<pod>-<volume>`.
        volume: String,
        /// The claim as it is made.
        template: Box<ClaimSpec>,
    },
    /// A disk named in the pod itself.
    Disk(InTreeDisk),
    /// `csi`: made by the driver when the pod starts. No scheduler plugin looks at it.
    InlineCsi {
        /// The driver.
        driver: String,
        /// Mounted for reading.
        read_only: bool,
    },
}

/// A disk of a volume plugin that was part of Kubernetes once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InTreeDisk {
    /// `gcePersistentDisk`.
    GcePersistentDisk {
        /// `pdName`.
        name: String,
        /// Mounted for reading.
        read_only: bool,
    },
    /// `awsElasticBlockStore`.
    AwsElasticBlockStore {
        /// `volumeID`.
        id: String,
    },
    /// `iscsi`.
    Iscsi {
        /// The target's qualified name.
        iqn: String,
        /// Mounted for reading.
        read_only: bool,
    },
    /// `rbd`.
    Rbd {
        /// The Ceph monitors.
        monitors: Vec<String>,
        /// The pool.
        pool: String,
        /// The image.
        image: String,
        /// Mounted for reading.
        read_only: bool,
    },
    /// `azureDisk`.
    AzureDisk {
        /// `diskURI`.
        uri: String,
        /// `kind: Managed`; the older kinds have no CSI driver.
        managed: bool,
    },
    /// `cinder`.
    Cinder {
        /// `volumeID`.
        id: String,
    },
    /// `portworxVolume`.
    Portworx {
        /// `volumeID`.
        id: String,
    },
}

impl InTreeDisk {
    /// Whether two pods of one node cannot both have it.
    ///
    /// Source: plugin VolumeRestrictions (`isVolumeConflict`). An EBS volume is had once; the others
    /// can be shared by pods that all only read.
    #[must_use]
    pub fn conflicts_with(&self, other: &InTreeDisk) -> bool {
        use InTreeDisk::{AwsElasticBlockStore, GcePersistentDisk, Iscsi, Rbd};
        match (self, other) {
            (
                GcePersistentDisk { name, read_only },
                GcePersistentDisk { name: other_name, read_only: other_reads },
            ) => name == other_name && !(*read_only && *other_reads),
            (AwsElasticBlockStore { id }, AwsElasticBlockStore { id: other_id }) => id == other_id,
            (Iscsi { iqn, read_only }, Iscsi { iqn: other_iqn, read_only: other_reads }) => {
                iqn == other_iqn && !(*read_only && *other_reads)
            }
            (
                Rbd { monitors, pool, image, read_only },
                Rbd {
                    monitors: other_monitors,
                    pool: other_pool,
                    image: other_image,
                    read_only: other_reads,
                },
            ) => {
                monitors.iter().any(|one| other_monitors.contains(one))
                    && pool == other_pool
                    && image == other_image
                    && !(*read_only && *other_reads)
            }
            _ => false,
        }
    }

    /// Whether VolumeRestrictions looks at disks of this kind.
    #[must_use]
    pub fn can_conflict(&self) -> bool {
        use InTreeDisk::{AwsElasticBlockStore, GcePersistentDisk, Iscsi, Rbd};
        matches!(
            self,
            GcePersistentDisk { .. } | AwsElasticBlockStore { .. } | Iscsi { .. } | Rbd { .. }
        )
    }
}
