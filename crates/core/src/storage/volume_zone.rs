//! Plugin VolumeZone: volumes whose labels say in which zone or region they lie.
//!
//! Source: `k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumezone`.

use super::migration::{
    BETA_REGION_LABEL, BETA_ZONE_LABEL, REGION_LABEL, ZONE_DELIMITER, ZONE_LABEL,
};
use super::volume_use::{UsedVolume, VolumeUse};
use super::{KnownClaim, NodeView, Storage, volume_restrictions};
use crate::ids::VolumeId;
use crate::labels::Labels;
use crate::scheduling::Refusal;
use crate::scheduling::profile::Plugin;

const NO_ZONE: &str = "node(s) had no available volume zone";
/// The labels that say where nodes and volumes lie, in upstream's order.
const TOPOLOGY_LABELS: [&str; 4] = [BETA_ZONE_LABEL, BETA_REGION_LABEL, ZONE_LABEL, REGION_LABEL];

/// The bound volumes of a pod that say where they lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZonedVolumes(Vec<VolumeId>);

/// The zones, or regions, in one label of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VolumeZones {
    key: &'static str,
    values: Vec<String>,
}

/// Reads the zones and regions in a volume's labels. A label with an empty zone in it says nothing.
pub(super) fn zones_of(labels: &Labels) -> Vec<VolumeZones> {
    let zones = |key: &'static str| {
        let values = labels.get(key)?.split(ZONE_DELIMITER).map(str::trim).map(str::to_owned);
        let values: Vec<String> = values.collect();
        let readable = values.iter().all(|value| !value.is_empty());
        readable.then_some(VolumeZones { key, values })
    };
    TOPOLOGY_LABELS.into_iter().filter_map(zones).collect()
}

/// Whether the pod may run at all, and what to ask on each node. Ephemeral volumes are not looked
/// at, as upstream.
///
/// # Errors
/// When a claim of the pod leads to no volume.
pub fn pre_filter(storage: &Storage, uses: &VolumeUse) -> Result<Option<ZonedVolumes>, Refusal> {
    let mut zoned = Vec::new();
    for volume in &uses.volumes {
        let UsedVolume::Claim(claim) = volume else { continue };
        let Some(known) = storage.known_claim(*claim) else {
            let reason = volume_restrictions::claim_not_found(storage, *claim);
            return Err(Refusal::of_pod(Plugin::VolumeZone, reason));
        };
        let Some(volume) = known.volume else {
            refuse_unbound(storage, known)?;
            continue;
        };
        let Some(known) = storage.known_volume(volume) else {
            let name = storage.volumes.name(volume.0);
            let reason = format!("persistentvolume {name:?} not found");
            return Err(Refusal::of_pod(Plugin::VolumeZone, reason));
        };
        if !known.zones.is_empty() {
            zoned.push(volume);
        }
    }
    Ok((!zoned.is_empty()).then_some(ZonedVolumes(zoned)))
}

/// A claim without a volume is right only when it waits for its first pod.
fn refuse_unbound(storage: &Storage, claim: &KnownClaim) -> Result<(), Refusal> {
    if claim.object.spec.class.is_empty() {
        return Err(Refusal::of_pod(
            Plugin::VolumeZone,
            "PersistentVolumeClaim had no pv name and storageClass name",
        ));
    }
    match storage.known_class(claim.class) {
        None => {
            let class = &claim.object.spec.class;
            let reason = format!("storageclass.storage.k8s.io {class:?} not found");
            Err(Refusal::of_pod(Plugin::VolumeZone, reason))
        }
        Some(class) if class.object.waits_for_consumer => Ok(()),
        Some(_) => Err(Refusal::of_pod(Plugin::VolumeZone, "PersistentVolume had no name")),
    }
}

/// Whether the node lies where the volumes do. A node that says nothing about where it lies has
/// them all.
///
/// # Errors
/// When a volume lies elsewhere.
pub fn filter(
    storage: &Storage,
    volumes: &ZonedVolumes,
    node: &NodeView<'_>,
) -> Result<(), Refusal> {
    if TOPOLOGY_LABELS.into_iter().all(|key| node.label(key).is_none()) {
        return Ok(());
    }
    let known = volumes.0.iter().filter_map(|volume| storage.known_volume(*volume));
    let reached = known.flat_map(|volume| &volume.zones).all(|zones| {
        let here = node.label(zones.key).or_else(|| node.label(newer_label(zones.key)));
        here.is_some_and(|here| zones.values.iter().any(|one| one == here))
    });
    if reached { Ok(()) } else { Err(Refusal::unresolvable(Plugin::VolumeZone, NO_ZONE)) }
}

/// The label that took the place of an old one.
fn newer_label(key: &'static str) -> &'static str {
    match key {
        BETA_ZONE_LABEL => ZONE_LABEL,
        BETA_REGION_LABEL => REGION_LABEL,
        newer => newer,
    }
}
