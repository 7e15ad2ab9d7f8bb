//! What a pod uses, by id: its volumes looked up once for all pods of a shape.

use std::sync::Arc;

use super::{ClaimSpec, PodIdentity, PodVolume, PodVolumes, Storage, claim_key};
use crate::ids::{ClaimId, DiskId, ShapeId, StorageClassId};
use crate::pod::PodSpec;

/// The volumes of a pod that the plugins look at. Made by [`Storage::resolve`]; stays true whatever
/// happens to the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeUse {
    pub(super) namespace: String,
    pub(super) owner: Option<PodIdentity>,
    /// In the order of the pod's spec.
    pub(super) volumes: Vec<UsedVolume>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum UsedVolume {
    /// A claim that the pod names.
    Claim(ClaimId),
    /// The claim of an ephemeral volume.
    Ephemeral(ClaimId),
    /// An ephemeral volume of a pod that has no claims yet.
    Template(Box<UsedTemplate>),
    /// A disk named in the pod.
    Disk(DiskId),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UsedTemplate {
    pub(super) volume: String,
    pub(super) spec: ClaimSpec,
    pub(super) class: StorageClassId,
}

impl Storage {
    /// Notes a new shape of pods. Shapes without volumes cost nothing.
    pub fn shape_came(&mut self, shape: ShapeId, spec: &PodSpec) {
        if spec.volumes.volumes.is_empty() {
            return;
        }
        if let Some(uses) = self.resolve(&spec.namespace, &spec.volumes) {
            self.uses.insert(shape, Arc::new(uses));
        }
    }

    /// Looks up what pods with these volumes use; `None` when no plugin looks at any of them.
    pub fn resolve(&mut self, namespace: &str, volumes: &PodVolumes) -> Option<VolumeUse> {
        let used: Vec<UsedVolume> = volumes
            .volumes
            .iter()
            .filter_map(|volume| self.resolve_volume(namespace, volume, volumes.owner.as_ref()))
            .collect();
        (!used.is_empty()).then(|| VolumeUse {
            namespace: namespace.to_owned(),
            owner: volumes.owner.clone(),
            volumes: used,
        })
    }

    fn resolve_volume(
        &mut self,
        namespace: &str,
        volume: &PodVolume,
        owner: Option<&PodIdentity>,
    ) -> Option<UsedVolume> {
        match volume {
            PodVolume::Claim { name, .. } => {
                Some(UsedVolume::Claim(ClaimId(self.claims.intern(&claim_key(namespace, name)))))
            }
            PodVolume::Ephemeral { volume, template } => Some(match owner {
                Some(owner) => {
                    let name = format!("{}-{volume}", owner.name);
                    let claim = self.claims.intern(&claim_key(namespace, &name));
                    UsedVolume::Ephemeral(ClaimId(claim))
                }
                None => UsedVolume::Template(Box::new(UsedTemplate {
                    volume: volume.clone(),
                    spec: (**template).clone(),
                    class: StorageClassId(self.classes.intern(&template.class)),
                })),
            }),
            PodVolume::Disk(disk) => Some(UsedVolume::Disk(self.intern_disk(disk))),
            PodVolume::InlineCsi { .. } => None,
        }
    }

    /// Upstream's words when the claim of an ephemeral volume is somebody else's.
    ///
    /// Source: `k8s.io/component-helpers/storage/ephemeral.VolumeIsForPod`.
    pub(super) fn foreign_claim(&self, uses: &VolumeUse, claim: ClaimId) -> Option<String> {
        let owner = uses.owner.as_ref()?;
        let object = self.claim(claim)?;
        if object.controller_uid.as_deref() == Some(owner.uid.as_str()) {
            return None;
        }
        Some(format!(
            "PVC {}/{} was not created for pod {}/{} (pod is not owner)",
            object.namespace, object.name, uses.namespace, owner.name
        ))
    }
}
