//! What a node brings along, for nodes that are made after it.
//!
//! Source: Cluster Autoscaler's `simulator/dynamicresources/utils/sanitize.go` and the counting of
//! pools in `processors/customresources/dra_processor.go`, release 1.36.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Devices;
use super::claim::{ResourceClaimObject, single_node, single_node_of};
use super::claims::{ClaimId, DevicesUndo};
use super::inventory::{Slice, SliceIndex};
use super::plugin::PodIdentity;
use super::slice::{PoolPart, Reach, ResourceSliceObject};
use crate::pod::{PodResourceClaim, PodSpec};

/// The slices that one node alone reaches, and the claims of pods that run on every such node.
///
/// Slices, pools and claims keep their names here. On a node that is given them, each is called
/// after the node as well: `name-node`. A pool without a name is called like the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeDevices {
    slices: Vec<ResourceSliceObject>,
    claims: Vec<ResourceClaimObject>,
}

/// How many pools a node has whole, by driver.
pub type PoolCounts = BTreeMap<Arc<str>, u32>;

impl NodeDevices {
    /// These slices, whatever node they are for.
    #[must_use]
    pub fn of_slices(slices: &[ResourceSliceObject]) -> NodeDevices {
        NodeDevices { slices: slices.to_vec(), claims: Vec::new() }
    }

    /// Whether the node brings nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty() && self.claims.is_empty()
    }

    /// How many of the pools are whole: as many slices of the newest generation are there as it is
    /// said to have.
    #[must_use]
    pub fn whole_pools(&self) -> PoolCounts {
        count_whole(self.slices.iter().map(|slice| {
            let PoolPart { name, generation, slice_count } = &slice.pool;
            (slice.driver.as_str(), name.as_str(), *generation, *slice_count)
        }))
    }

    /// The slices as they are called on a node.
    pub fn slices_on<'a>(
        &'a self,
        node: &'a str,
    ) -> impl Iterator<Item = ResourceSliceObject> + 'a {
        self.slices.iter().map(move |slice| {
            let mut slice = slice.clone();
            slice.name = on_node(&slice.name, node);
            slice.pool.name = on_node(&slice.pool.name, node);
            slice.reach = Reach::Node(node.to_owned());
            slice
        })
    }

    /// A claim as it is called on a node, its devices the node's own.
    fn claim_on(&self, claim: &ResourceClaimObject, node: &str) -> ResourceClaimObject {
        let mut claim = claim.clone();
        claim.name = on_node(&claim.name, node);
        if let Some(allocation) = &mut claim.status.allocation {
            for result in allocation.results.iter_mut().filter(|one| !one.admin_access) {
                result.pool = on_node(&result.pool, node).into();
            }
            allocation.node_selector = Some(vec![single_node(node)]);
        }
        claim
    }
}

fn on_node(name: &str, node: &str) -> String {
    if name.is_empty() { node.to_owned() } else { format!("{name}-{node}") }
}

fn count_whole<'a>(slices: impl Iterator<Item = (&'a str, &'a str, i64, i64)>) -> PoolCounts {
    let mut pools: BTreeMap<(&str, &str), (i64, i64, i64)> = BTreeMap::new();
    for (driver, pool, generation, size) in slices {
        let state = pools.entry((driver, pool)).or_insert((generation, size, 0));
        if generation > state.0 {
            *state = (generation, size, 0);
        }
        if generation == state.0 {
            state.2 += 1;
        }
    }
    let mut counts = PoolCounts::new();
    for ((driver, _), (_, size, there)) in pools {
        if there == size {
            *counts.entry(driver.into()).or_default() += 1;
        }
    }
    counts
}

impl Devices {
    /// Whether any slice is there.
    #[must_use]
    pub fn has_slices(&self) -> bool {
        !self.inventory.is_empty()
    }

    /// Whether a node has slices of its own.
    #[must_use]
    pub fn has_slices_of(&self, node: &str) -> bool {
        !self.inventory.of_node(node).is_empty()
    }

    /// How many pools the slices of a node make up.
    #[must_use]
    pub fn whole_pools_of(&self, node: &str) -> PoolCounts {
        count_whole(self.slices_of(node).map(|slice| {
            let pool = self.inventory.pool(slice.pool);
            (&*pool.driver, &*pool.name, slice.generation, slice.slice_count)
        }))
    }

    /// The slices that only this node reaches.
    pub(super) fn slices_of(&self, node: &str) -> impl Iterator<Item = &Slice> {
        self.inventory.of_node(node).iter().map(|index| self.inventory.slice(*index))
    }

    /// The slices of a node, to be given to nodes like it.
    #[must_use]
    pub fn of_node(&self, node: &str) -> NodeDevices {
        let slices = self.slices_of(node).map(|slice| {
            let pool = self.inventory.pool(slice.pool);
            ResourceSliceObject {
                name: slice.name.to_string(),
                driver: pool.driver.to_string(),
                pool: PoolPart {
                    name: pool.name.to_string(),
                    generation: slice.generation,
                    slice_count: slice.slice_count,
                },
                reach: slice.reach.clone(),
                devices: slice.devices.iter().map(|one| (*one.device).clone()).collect(),
                shared_counters: slice.shared_counters.clone(),
            }
        });
        NodeDevices { slices: slices.collect(), claims: Vec::new() }
    }

    /// The claims that a pod's entries mean, those without one left out.
    pub(crate) fn claims_of<'a>(&'a self, pod: &'a PodSpec) -> impl Iterator<Item = ClaimId> + 'a {
        let known = |claim: &PodResourceClaim| self.claim_of(pod, claim).ok().flatten();
        pod.resource_claims.iter().filter_map(known)
    }

    /// Whether a claim is a pod's own, so that it goes with the pod.
    fn is_own(&self, id: ClaimId, pod: PodIdentity<'_>) -> bool {
        let controller = self.claims.get(id).object.controller.as_ref();
        controller
            .is_some_and(|one| one.uid == pod.uid && (!pod.uid.is_empty() || one.name == pod.name))
    }

    /// Adds to what `node` brings the claims of a pod that runs there.
    ///
    /// # Errors
    /// One of the pod's own claims holds devices that are not the node's own: a copy of the node
    /// could not have them.
    pub(crate) fn note_pod_of(
        &self,
        node: (&str, &mut NodeDevices),
        spec: &PodSpec,
        pod: PodIdentity<'_>,
        stays: bool,
    ) -> Result<(), String> {
        let (name, devices) = node;
        for id in self.claims_of(spec).filter(|id| self.is_own(*id, pod)) {
            let object = &self.claims.get(id).object;
            self.refuse_foreign(object, name, devices)?;
            if stays && object.status.allocation.is_some() {
                devices.claims.push(object.clone());
            }
        }
        Ok(())
    }

    fn refuse_foreign(
        &self,
        claim: &ResourceClaimObject,
        node: &str,
        devices: &NodeDevices,
    ) -> Result<(), String> {
        let Some(allocation) = &claim.status.allocation else { return Ok(()) };
        let full_name = claim.full_name();
        let mut holds_any = false;
        for result in allocation.results.iter().filter(|one| !one.admin_access) {
            holds_any = true;
            if !devices.slices.iter().any(|slice| *slice.pool.name == *result.pool) {
                let request = &result.request;
                return Err(format!(
                    "claim {full_name} has an allocation {request}, from a pool that isn't \
                     node-local on {node} - can't be sanitized"
                ));
            }
        }
        if holds_any && single_node_of(allocation.node_selector.as_deref()) != Some(node) {
            return Err(format!(
                "claim {full_name} is allocated, but not node-local on {node} - can't be sanitized"
            ));
        }
        Ok(())
    }

    /// Gives a new node what it brings.
    pub(crate) fn give_to_node(&mut self, devices: &NodeDevices, node: &str) -> DevicesUndo {
        let mut undo = DevicesUndo::nothing();
        for slice in devices.slices_on(node) {
            undo = undo.and(self.add_slice(slice));
        }
        self.give_claims(undo, devices, node)
    }

    /// The same as [`Devices::give_to_node`] where `like` was given them before: nothing has to be
    /// looked up anew.
    pub(crate) fn give_to_node_like(
        &mut self,
        devices: &NodeDevices,
        like: &str,
        node: &str,
    ) -> DevicesUndo {
        let originals: Vec<SliceIndex> = self.inventory.of_node(like).to_vec();
        if originals.len() != devices.slices.len() {
            return self.give_to_node(devices, node);
        }
        let mut undo = DevicesUndo::nothing();
        for (index, slice) in originals.into_iter().zip(&devices.slices) {
            let name = on_node(&slice.name, node);
            undo = undo.and(DevicesUndo::slice_removed(self.inventory.remove(&name)));
            let pool = on_node(&slice.pool.name, node);
            let added = self.inventory.add_like(index, name, &pool, node);
            undo = undo.and(DevicesUndo::slice_added(added));
        }
        self.give_claims(undo, devices, node)
    }

    fn give_claims(
        &mut self,
        mut undo: DevicesUndo,
        devices: &NodeDevices,
        node: &str,
    ) -> DevicesUndo {
        for claim in &devices.claims {
            let claim = devices.claim_on(claim, node);
            if self.claims.find(&claim.namespace, &claim.name).is_none() {
                undo = undo.and(self.insert_claim(claim));
            }
        }
        undo
    }

    /// Forgets the slices that only this node reaches: they go with it.
    pub(crate) fn remove_slices_of(&mut self, node: &str) -> DevicesUndo {
        let names: Vec<Arc<str>> =
            self.slices_of(node).map(|slice| Arc::clone(&slice.name)).collect();
        let mut undo = DevicesUndo::nothing();
        for name in names {
            undo = undo.and(self.remove_slice(&name));
        }
        undo
    }

    /// A pod is taken off its node, to be placed anew: its own claims give back their devices, and
    /// so do those that nobody else uses.
    pub(crate) fn unreserve(&mut self, spec: &PodSpec, pod: PodIdentity<'_>) -> DevicesUndo {
        let ids: Vec<ClaimId> = self.claims_of(spec).collect();
        let mut undo = DevicesUndo::nothing();
        for id in ids {
            let mut users = self.claims.get(id).object.status.reserved_for.clone();
            users.retain(|one| !pod.is(one));
            undo = undo.and(if self.is_own(id, pod) || users.is_empty() {
                self.deallocate(id)
            } else {
                self.set_reserved_for(id, users)
            });
        }
        undo
    }

    /// A pod goes with its node: its own claims go too, others lose a user and keep their devices.
    pub(crate) fn forget_pod(&mut self, spec: &PodSpec, pod: PodIdentity<'_>) -> DevicesUndo {
        let ids: Vec<ClaimId> = self.claims_of(spec).collect();
        let mut undo = DevicesUndo::nothing();
        for id in ids {
            if self.is_own(id, pod) {
                undo = undo.and(self.remove_claim(id));
                continue;
            }
            let mut users = self.claims.get(id).object.status.reserved_for.clone();
            users.retain(|one| !pod.is(one));
            undo = undo.and(self.set_reserved_for(id, users));
        }
        undo
    }
}
