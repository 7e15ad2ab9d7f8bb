//! Plugin NodeVolumeLimits: how many volumes of a CSI driver a node takes.
//!
//! Source: `k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits`.

use super::accounting::{AttachedKey, Counted, NodeSource};
use super::volume_use::{UsedVolume, VolumeUse};
use super::{NodeSlot, Storage, volume_restrictions};
use crate::ids::CsiDriverId;
use crate::scheduling::Refusal;
use crate::scheduling::profile::Plugin;

const TOO_MANY: &str = "node(s) exceed max volume count";

/// Whether the filter has anything to ask: the pod has claims or disks that a driver took over. The
/// plugin refuses no pod as a whole.
#[must_use]
pub fn applies(storage: &Storage, uses: &VolumeUse) -> bool {
    uses.volumes.iter().any(|volume| match volume {
        UsedVolume::Disk(disk) => storage.disks[disk.index()].attached.is_some(),
        UsedVolume::Claim(_) | UsedVolume::Ephemeral(_) | UsedVolume::Template(_) => true,
    })
}

/// Whether the node can attach what the pod brings along. What pods of the node use already is had
/// for nothing; what only a VolumeAttachment has counts twice, as upstream.
///
/// # Errors
/// When a driver's limit is exceeded, or a claim is not there or not the pod's.
pub fn filter(storage: &Storage, uses: &VolumeUse, node_name: &str) -> Result<(), Refusal> {
    check_claims(storage, uses)?;
    let Some(node) = storage.nodes.find(node_name) else { return Ok(()) };
    let node = storage.nodes.get(node);
    let Some(csi_node) = node.csi.as_ref().filter(|known| !known.limits.is_empty()) else {
        return Ok(());
    };
    let (shared, each) = new_volumes(storage, uses, node);
    let drivers = shared.iter().map(|key| key.driver()).chain(each.iter().copied());
    let mut drivers: Vec<CsiDriverId> = drivers.collect();
    drivers.sort_unstable();
    for group in drivers.chunk_by(|one, other| one == other) {
        let Some(limit) = csi_node.limits.get(&group[0]) else { continue };
        let attached = node.attached_by_driver.get(&group[0]).copied().unwrap_or(0);
        if attached as usize + group.len() > *limit as usize {
            return Err(Refusal::new(Plugin::NodeVolumeLimits, TOO_MANY));
        }
    }
    Ok(())
}

/// The volumes that no pod on the node has, each once, and the drivers of those that are made for
/// the pod alone.
fn new_volumes(
    storage: &Storage,
    uses: &VolumeUse,
    node: &NodeSlot,
) -> (Vec<AttachedKey>, Vec<CsiDriverId>) {
    let (mut shared, mut each) = (Vec::new(), Vec::new());
    for volume in &uses.volumes {
        let source = match volume {
            UsedVolume::Claim(claim) | UsedVolume::Ephemeral(claim) => NodeSource::Claim(*claim),
            UsedVolume::Template(template) => NodeSource::Template(template.class),
            UsedVolume::Disk(disk) => NodeSource::Disk(*disk),
        };
        match storage.counted(source, true) {
            Some(Counted::Shared(key)) => {
                let held = node.attached.get(&key).is_some_and(|holders| holders.pods > 0);
                if !held && !shared.contains(&key) {
                    shared.push(key);
                }
            }
            Some(Counted::Each(driver)) => each.push(driver),
            None => {}
        }
    }
    (shared, each)
}

/// With the other plugins on, they have refused such pods before.
fn check_claims(storage: &Storage, uses: &VolumeUse) -> Result<(), Refusal> {
    for volume in &uses.volumes {
        let (UsedVolume::Claim(claim) | UsedVolume::Ephemeral(claim)) = volume else { continue };
        if storage.known_claim(*claim).is_none() {
            let key = storage.claims.name(claim.0);
            let cause = volume_restrictions::claim_not_found(storage, *claim);
            return Err(Refusal::unresolvable(
                Plugin::NodeVolumeLimits,
                format!("looking up PVC {key}: {cause}"),
            ));
        }
        if let (UsedVolume::Ephemeral(_), Some(foreign)) =
            (volume, storage.foreign_claim(uses, *claim))
        {
            return Err(Refusal::unresolvable(Plugin::NodeVolumeLimits, foreign));
        }
    }
    Ok(())
}
