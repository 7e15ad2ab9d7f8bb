//! Plugin VolumeRestrictions: disks and claims that cannot be shared.
//!
//! Source: `k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumerestrictions`.

use super::accounting::NodeSource;
use super::volume_use::{UsedVolume, VolumeUse};
use super::{AccessModes, Storage};
use crate::ids::{ClaimId, DiskId};
use crate::scheduling::Refusal;
use crate::scheduling::profile::Plugin;

const DISK_TAKEN: &str = "node(s) had no available disk";
const CLAIM_TAKEN: &str = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod \
                           access mode already in-use by another pod";

/// What the filter asks: the claims that one pod only may use, and how often others use them.
///
/// [`Restrictions::pod_came`] and [`Restrictions::pod_left`] follow pods that are tried on or taken
/// off nodes without the cluster's own counts changing, as in preemption and for nominated pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restrictions {
    exclusive: Vec<ClaimId>,
    disks: Vec<DiskId>,
    /// Below zero when a pod that left used a claim more than once: upstream counts so too.
    conflicts: i64,
}

/// Whether the pod may run at all, and what to ask on each node.
///
/// # Errors
/// When a claim that the pod names is not there.
pub fn pre_filter(storage: &Storage, uses: &VolumeUse) -> Result<Option<Restrictions>, Refusal> {
    let mut exclusive = Vec::new();
    let mut disks = Vec::new();
    for volume in &uses.volumes {
        match volume {
            UsedVolume::Claim(claim) => {
                let Some(object) = storage.claim(*claim) else {
                    return Err(Refusal::of_pod(
                        Plugin::VolumeRestrictions,
                        claim_not_found(storage, *claim),
                    ));
                };
                let one_pod = object.spec.access_modes.include(AccessModes::READ_WRITE_ONCE_POD);
                if one_pod && !exclusive.contains(claim) {
                    exclusive.push(*claim);
                }
            }
            UsedVolume::Disk(disk) if storage.disks[disk.index()].disk.can_conflict() => {
                disks.push(*disk);
            }
            UsedVolume::Disk(_) | UsedVolume::Ephemeral(_) | UsedVolume::Template(_) => {}
        }
    }
    let taken = exclusive.iter().filter(|claim| storage.claims.get(claim.0).users > 0).count();
    if disks.is_empty() && taken == 0 {
        // A skipped plugin stays out of it, even where a nominated pod uses the same claim.
        return Ok(None);
    }
    let conflicts = i64::try_from(taken).expect("a pod's claims are few");
    Ok(Some(Restrictions { exclusive, disks, conflicts }))
}

/// Whether the pod may share the node with what is there.
///
/// # Errors
/// When a disk is taken on the node, or a claim anywhere.
pub fn filter(
    storage: &Storage,
    restrictions: &Restrictions,
    node_name: &str,
) -> Result<(), Refusal> {
    if restrictions.disks.iter().any(|disk| is_disk_taken(storage, *disk, node_name)) {
        return Err(Refusal::new(Plugin::VolumeRestrictions, DISK_TAKEN));
    }
    if restrictions.conflicts > 0 {
        return Err(Refusal::new(Plugin::VolumeRestrictions, CLAIM_TAKEN));
    }
    Ok(())
}

fn is_disk_taken(storage: &Storage, disk: DiskId, node_name: &str) -> bool {
    let Some(node) = storage.nodes.find(node_name) else { return false };
    let wanted = &storage.disks[disk.index()].disk;
    let first = NodeSource::Disk(DiskId(0));
    let last = NodeSource::Disk(DiskId(u32::MAX));
    storage.nodes.get(node).sources.range(first..=last).any(|(source, _)| match source {
        NodeSource::Disk(held) => storage.disks[held.index()].disk.conflicts_with(wanted),
        _ => false,
    })
}

impl Restrictions {
    /// A pod is tried on a node: upstream's AddPod.
    pub fn pod_came(&mut self, storage: &Storage, other: &VolumeUse) {
        self.conflicts += self.uses_by(storage, other);
    }

    /// A pod is taken off its node for a trial: upstream's RemovePod.
    pub fn pod_left(&mut self, storage: &Storage, other: &VolumeUse) {
        self.conflicts -= self.uses_by(storage, other);
    }

    /// How many volumes of another pod name one of the claims. Upstream compares names alone, so a
    /// claim of the same name in another namespace counts here.
    fn uses_by(&self, storage: &Storage, other: &VolumeUse) -> i64 {
        let names = |claim: &ClaimId| {
            let name = storage.claim_name(*claim);
            self.exclusive.iter().any(|one| storage.claim_name(*one) == name)
        };
        let count = other
            .volumes
            .iter()
            .filter(|volume| matches!(volume, UsedVolume::Claim(claim) if names(claim)))
            .count();
        i64::try_from(count).expect("a pod's claims are few")
    }
}

/// The API machinery's words about a claim that is not there.
pub(super) fn claim_not_found(storage: &Storage, claim: ClaimId) -> String {
    format!("persistentvolumeclaim {:?} not found", storage.claim_name(claim))
}
