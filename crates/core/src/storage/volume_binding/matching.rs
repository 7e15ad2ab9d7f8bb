//! Which of the volumes that are there a claim gets.

use super::{Wanted, reaches};
use crate::ids::VolumeId;
use crate::storage::{ClaimObject, NodeView, PersistentVolumeObject, Storage, VolumePhase};

/// The volume that a waiting claim gets on a node: the one kept for it, or else the smallest that
/// will do. Of equally small ones the first by id; upstream's order is chance.
///
/// Source: `k8s.io/component-helpers/storage/volume.FindMatchingVolume`.
pub(super) fn find_volume(
    storage: &Storage,
    wanted: &Wanted<'_>,
    chosen: &[VolumeId],
    node: &NodeView<'_>,
) -> Option<VolumeId> {
    let mut smallest: Option<(VolumeId, &PersistentVolumeObject)> = None;
    for id in &storage.classes.get(wanted.class.0).volumes {
        let Some(known) = storage.known_volume(*id).filter(|_| !chosen.contains(id)) else {
            continue;
        };
        let volume = &known.object;
        let kept = wanted.object.is_some_and(|claim| is_kept_for(volume, claim));
        let fits = (volume.claim.is_none() || kept)
            && volume.capacity >= wanted.spec.request
            && volume.mode == wanted.spec.mode
            && volume.attributes_class == wanted.spec.attributes_class
            && volume.deletion_at.is_none();
        if !fits {
            continue;
        }
        if kept {
            // A volume that is kept for the claim and is out of reach rules the node out.
            return reaches(volume.node_affinity.as_deref(), node).then_some(*id);
        }
        let smaller = smallest.is_none_or(|(_, other)| volume.capacity < other.capacity);
        if smaller && is_free_for(volume, wanted, node) {
            smallest = Some((*id, volume));
        }
    }
    smallest.map(|(id, _)| id)
}

fn is_free_for(volume: &PersistentVolumeObject, wanted: &Wanted<'_>, node: &NodeView<'_>) -> bool {
    volume.phase == VolumePhase::Available
        && wanted.spec.selector.as_ref().is_none_or(|selector| selector.matches(&volume.labels))
        && volume.access_modes.include(wanted.spec.access_modes)
        && reaches(volume.node_affinity.as_deref(), node)
}

/// Source: `IsVolumeBoundToClaim`. A reference without a uid means whoever has the name.
fn is_kept_for(volume: &PersistentVolumeObject, claim: &ClaimObject) -> bool {
    volume.claim.as_ref().is_some_and(|kept| {
        kept.name == claim.name
            && kept.namespace == claim.namespace
            && (kept.uid.is_empty() || kept.uid == claim.uid)
    })
}
