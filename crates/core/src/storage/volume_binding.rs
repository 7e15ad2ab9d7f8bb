//! Plugin VolumeBinding: claims get volumes, bound volumes hold pods to the nodes that reach them.
//!
//! [`filter`] says for one node which volumes its claims would get; [`Storage::reserve`] makes it so
//! once the node is chosen, so that the next pod finds them taken. The plugin narrows no nodes
//! beforehand in this release.
//!
//! Source: `k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding`.

mod matching;
mod reserving;

use super::volume_use::{UsedTemplate, UsedVolume, VolumeUse};
use super::{
    ClaimObject, ClaimPhase, ClaimSpec, KnownVolume, NodeView, Storage, volume_restrictions,
};
use crate::ids::{ClaimId, StorageClassId, VolumeId};
use crate::labels::NodeSelectorTerm;
use crate::quantity::Quantity;
use crate::scheduling::Refusal;
use crate::scheduling::profile::Plugin;

const NODE_CONFLICT: &str = "node(s) didn't match PersistentVolume's node affinity";
const NO_VOLUME: &str = "node(s) didn't find available persistent volumes to bind";
const NO_SPACE: &str = "node(s) did not have enough free storage";
const VOLUME_GONE: &str =
    "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";
const UNBOUND_IMMEDIATE: &str = "pod has unbound immediate PersistentVolumeClaims";

/// A pod's claims, sorted by what is still to be done for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodClaims {
    bound: Vec<ClaimId>,
    /// Those that wait for the pod's node.
    waiting: Vec<WantedClaim>,
}

/// A claim that is to get a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedClaim {
    /// One that is there.
    Claim(ClaimId),
    /// That of the ephemeral volume at this position of a pod that has no claims yet.
    Template(usize),
}

/// What becomes of a pod's waiting claims on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodBindings {
    /// Which volume each claim gets.
    pub bound: Vec<(WantedClaim, VolumeId)>,
    /// For which claims a volume is made.
    pub provisioned: Vec<WantedClaim>,
}

impl PodBindings {
    /// The claims, there already, for which a volume is made.
    pub fn claims_to_be_made(&self) -> impl Iterator<Item = ClaimId> + '_ {
        self.provisioned.iter().filter_map(|wanted| match wanted {
            WantedClaim::Claim(claim) => Some(*claim),
            WantedClaim::Template(_) => None,
        })
    }
}

/// A wanted claim, with what is asked for.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    claim: WantedClaim,
    /// `None`: the claim is yet to be made.
    object: Option<&'a ClaimObject>,
    spec: &'a ClaimSpec,
    class: StorageClassId,
}

/// Whether the pod may run at all, and what to ask on each node.
///
/// # Errors
/// When a claim is not there, lost, about to go, not the pod's, or should have been bound before.
pub fn pre_filter(storage: &Storage, uses: &VolumeUse) -> Result<Option<PodClaims>, Refusal> {
    let mut claims = PodClaims { bound: Vec::new(), waiting: Vec::new() };
    for volume in &uses.volumes {
        if let UsedVolume::Claim(claim) | UsedVolume::Ephemeral(claim) = volume {
            let ephemeral = matches!(volume, UsedVolume::Ephemeral(_));
            refuse_claim(storage, uses, *claim, ephemeral)?;
        }
    }
    let mut unbound_immediate = false;
    for (position, volume) in uses.volumes.iter().enumerate() {
        let waits =
            |class| storage.known_class(class).is_some_and(|one| one.object.waits_for_consumer);
        match volume {
            UsedVolume::Claim(claim) | UsedVolume::Ephemeral(claim) => {
                let known = storage.known_claim(*claim).expect("its absence was refused above");
                if known.object.is_fully_bound() {
                    claims.bound.push(*claim);
                } else if known.volume.is_none() && waits(known.class) {
                    claims.waiting.push(WantedClaim::Claim(*claim));
                } else {
                    unbound_immediate = true;
                }
            }
            // The claims of a pod that is yet to be made are bound, if at once, before it comes.
            UsedVolume::Template(template) if waits(template.class) => {
                claims.waiting.push(WantedClaim::Template(position));
            }
            UsedVolume::Template(template) => {
                unbound_immediate |= storage.known_class(template.class).is_none();
            }
            UsedVolume::Disk(_) => {}
        }
    }
    if unbound_immediate {
        return Err(Refusal::of_pod(Plugin::VolumeBinding, UNBOUND_IMMEDIATE));
    }
    let has_any = !claims.bound.is_empty() || !claims.waiting.is_empty();
    Ok(has_any.then_some(claims))
}

/// Source: `podHasPVCs`.
fn refuse_claim(
    storage: &Storage,
    uses: &VolumeUse,
    claim: ClaimId,
    ephemeral: bool,
) -> Result<(), Refusal> {
    let name = storage.claim_name(claim);
    let reason = match storage.claim(claim) {
        None if ephemeral => format!(
            "waiting for ephemeral volume controller to create the persistentvolumeclaim {name:?}"
        ),
        None => volume_restrictions::claim_not_found(storage, claim),
        Some(object) if object.phase == ClaimPhase::Lost => {
            let volume = &object.volume_name;
            format!(
                "persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}"
            )
        }
        Some(object) if object.deletion_at.is_some() => {
            format!("persistentvolumeclaim {name:?} is being deleted")
        }
        Some(_) => match storage.foreign_claim(uses, claim).filter(|_| ephemeral) {
            Some(foreign) => foreign,
            None => return Ok(()),
        },
    };
    Err(Refusal::of_pod(Plugin::VolumeBinding, reason))
}

/// Whether the node reaches the pod's bound volumes, and what its waiting claims would get there.
///
/// # Errors
/// When it does not, or there is nothing for them. Upstream gives up the whole attempt when a volume
/// of an in-tree plugin makes no sense to the driver that took over; here its text is the reason.
pub fn filter(
    storage: &Storage,
    uses: &VolumeUse,
    claims: &PodClaims,
    node: &NodeView<'_>,
) -> Result<PodBindings, Refusal> {
    let mut reasons: Vec<&'static str> = Vec::new();
    let bound = check_bound(storage, &claims.bound, node)
        .map_err(|error| Refusal::unresolvable(Plugin::VolumeBinding, error))?;
    reasons.extend(bound.filter(|reason| *reason == NODE_CONFLICT));
    let mut bindings = PodBindings::default();
    match find_volumes(storage, uses, &claims.waiting, node) {
        Ok(found) => bindings = found,
        Err(reason) => reasons.push(reason),
    }
    reasons.extend(bound.filter(|reason| *reason == VOLUME_GONE));
    if reasons.is_empty() {
        return Ok(bindings);
    }
    let reasons = reasons.into_iter().map(Into::into).collect();
    let (plugin, resolvable) = (Plugin::VolumeBinding, false);
    Err(Refusal { plugin, reasons, resolvable, of_whole_pod: false })
}

/// Why a bound volume keeps the pod off the node; the first that does is named.
///
/// Source: `checkBoundClaims`.
fn check_bound(
    storage: &Storage,
    claims: &[ClaimId],
    node: &NodeView<'_>,
) -> Result<Option<&'static str>, String> {
    for claim in claims {
        let volume = storage.known_claim(*claim).and_then(|known| known.volume);
        let Some(known) = volume.and_then(|volume| storage.known_volume(volume)) else {
            return Ok(Some(VOLUME_GONE));
        };
        if !reaches(affinity_on(storage, known, node)?, node) {
            return Ok(Some(NODE_CONFLICT));
        }
    }
    Ok(None)
}

/// The terms that hold for a volume on a node: the driver's, where it has taken over there.
fn affinity_on<'a>(
    storage: &Storage,
    volume: &'a KnownVolume,
    node: &NodeView<'_>,
) -> Result<Option<&'a [NodeSelectorTerm]>, String> {
    let migrated =
        volume.migrated.as_ref().filter(|one| storage.is_migrated_on(one.plugin, node.name));
    Ok(match migrated.map(|one| &one.translated) {
        None => volume.object.node_affinity.as_deref(),
        Some(Ok(translated)) => translated.node_affinity.as_deref(),
        Some(Err(error)) => return Err(format!("could not translate pv: {error}")),
    })
}

/// Whether a node matches the terms of a volume. Only labels are looked at: to a volume, nodes have
/// no name.
///
/// Source: `k8s.io/component-helpers/storage/volume.CheckNodeAffinity`.
fn reaches(terms: Option<&[NodeSelectorTerm]>, node: &NodeView<'_>) -> bool {
    terms.is_none_or(|terms| terms.iter().any(|term| term.matches("", |key| node.label(key))))
}

/// What the waiting claims would get on the node, or why there is nothing for one of them.
///
/// Source: `FindPodVolumes`.
fn find_volumes(
    storage: &Storage,
    uses: &VolumeUse,
    waiting: &[WantedClaim],
    node: &NodeView<'_>,
) -> Result<PodBindings, &'static str> {
    let mut bindings = PodBindings::default();
    let mut to_match: Vec<Wanted<'_>> = Vec::new();
    for claim in waiting {
        let wanted = storage.wanted(uses, *claim);
        match wanted.object.and_then(|object| object.selected_node.as_deref()) {
            Some(selected) if selected != node.name => return Err(NO_VOLUME),
            Some(_) => bindings.provisioned.push(*claim),
            None => to_match.push(wanted),
        }
    }
    // The smallest first, so that it does not take a volume that only it could do without.
    to_match.sort_by_key(|wanted| wanted.spec.request);
    let mut chosen: Vec<VolumeId> = Vec::new();
    for wanted in to_match {
        match matching::find_volume(storage, &wanted, &chosen, node) {
            Some(volume) => {
                chosen.push(volume);
                bindings.bound.push((wanted.claim, volume));
            }
            None => bindings.provisioned.push(wanted.claim),
        }
    }
    for claim in &bindings.provisioned {
        refuse_provisioning(storage, &storage.wanted(uses, *claim), node)?;
    }
    Ok(bindings)
}

/// Source: `checkVolumeProvisions`.
fn refuse_provisioning(
    storage: &Storage,
    wanted: &Wanted<'_>,
    node: &NodeView<'_>,
) -> Result<(), &'static str> {
    let class = storage.known_class(wanted.class).filter(|class| class.object.provisions());
    let class = &class.ok_or(NO_VOLUME)?.object;
    let terms = &class.allowed_topologies;
    if !terms.is_empty() && !terms.iter().any(|term| term.matches(|key| node.label(key))) {
        return Err(NO_VOLUME);
    }
    let driver = storage.drivers.find(&class.provisioner);
    let driver = driver.and_then(|driver| storage.drivers.get(driver).object.as_ref());
    let tracked = driver.is_some_and(|driver| driver.storage_capacity);
    if tracked && !has_space(storage, wanted.class, wanted.spec.request, node) {
        return Err(NO_SPACE);
    }
    Ok(())
}

/// Whether some pool that the node reaches has room for the volume. Volumes that are about to be
/// made take nothing off it: only the driver says what is left.
///
/// Source: `hasEnoughCapacity`.
fn has_space(
    storage: &Storage,
    class: StorageClassId,
    request: Quantity,
    node: &NodeView<'_>,
) -> bool {
    let pools = storage.classes.get(class.0).capacities.iter();
    let mut pools = pools.filter_map(|pool| storage.capacities.get(pool.0).object.as_ref());
    pools.any(|pool| {
        let reached = pool.node_topology.as_ref().is_some_and(|selector| {
            selector.requirements.iter().all(|one| one.matches_value(node.label(&one.key)))
        });
        reached && pool.suffices_for(request)
    })
}

impl Storage {
    fn wanted<'a>(&'a self, uses: &'a VolumeUse, claim: WantedClaim) -> Wanted<'a> {
        match claim {
            WantedClaim::Claim(id) => {
                let known = self.known_claim(id).expect("a waiting claim is there");
                let object = Some(&known.object);
                Wanted { claim, object, spec: &known.object.spec, class: known.class }
            }
            WantedClaim::Template(position) => {
                let template = uses.template(position);
                Wanted { claim, object: None, spec: &template.spec, class: template.class }
            }
        }
    }
}

impl VolumeUse {
    fn template(&self, position: usize) -> &UsedTemplate {
        match &self.volumes[position] {
            UsedVolume::Template(template) => template,
            other => unreachable!("a template was at position {position}, now it is {other:?}"),
        }
    }
}
