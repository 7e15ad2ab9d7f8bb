//! Claims by number, and every change to them with what undoes it.

use rustc_hash::FxHashMap;

use super::Devices;
use super::claim::{Allocation, ClaimStatus, Consumer, ResourceClaimObject};
use super::inventory::{DeviceId, Slice, SliceIndex};
use super::selector::SelectorId;
use super::uses::UsesBefore;

/// A claim. The number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId(u32);

/// A claim, its expressions and devices known by number.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) object: ResourceClaimObject,
    /// By request, then alternative.
    pub(super) selectors: Vec<Vec<Vec<SelectorId>>>,
    /// The devices of the allocation, in the order of its results.
    pub(super) held: Vec<DeviceId>,
}

/// All claims.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    /// In the order in which they came; a claim that went leaves its place empty.
    by_id: Vec<Option<Box<Claim>>>,
    /// By `namespace/name`.
    by_name: FxHashMap<String, ClaimId>,
    /// Those made for extended resources, by the `namespace/name` of their pod.
    for_extended: FxHashMap<String, ClaimId>,
}

/// What it takes to undo a change to [`Devices`].
#[derive(Clone, Debug)]
pub struct DevicesUndo(Vec<Change>);

#[derive(Clone, Debug)]
enum Change {
    Added(ClaimId, UsesBefore),
    Removed(ClaimId, Box<Claim>, UsesBefore),
    Status(ClaimId, Box<ClaimStatus>, Vec<DeviceId>, UsesBefore),
    SliceAdded(SliceIndex),
    SliceRemoved(SliceIndex, Box<Slice>),
}

impl Claims {
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn find(&self, namespace: &str, name: &str) -> Option<ClaimId> {
        if self.by_name.is_empty() {
            return None;
        }
        self.by_name.get(&full_name(namespace, name)).copied()
    }

    /// The claim that the scheduler made for a pod's extended resources.
    pub(super) fn for_extended(&self, namespace: &str, pod: &str) -> Option<ClaimId> {
        if self.for_extended.is_empty() {
            return None;
        }
        self.for_extended.get(&full_name(namespace, pod)).copied()
    }

    pub(super) fn get(&self, id: ClaimId) -> &Claim {
        self.by_id[id.0 as usize].as_ref().expect("a claim in use is there")
    }

    fn get_mut(&mut self, id: ClaimId) -> &mut Claim {
        self.by_id[id.0 as usize].as_mut().expect("a claim in use is there")
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Claim> {
        self.by_id.iter().flatten().map(|claim| &**claim)
    }

    fn insert(&mut self, claim: Box<Claim>) -> ClaimId {
        let id = ClaimId(u32::try_from(self.by_id.len()).expect("claims fit into memory"));
        self.note(&claim.object, id);
        self.by_id.push(Some(claim));
        id
    }

    fn note(&mut self, object: &ResourceClaimObject, id: ClaimId) {
        if let Some(pod) = pod_of_extended(object) {
            self.for_extended.insert(pod, id);
        }
        let previous = self.by_name.insert(object.full_name(), id);
        assert!(previous.is_none(), "ResourceClaim {} is there already", object.full_name());
    }

    fn forget(&mut self, object: &ResourceClaimObject) {
        if let Some(pod) = pod_of_extended(object) {
            self.for_extended.remove(&pod);
        }
        self.by_name.remove(&object.full_name());
    }
}

fn full_name(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

fn pod_of_extended(object: &ResourceClaimObject) -> Option<String> {
    let controller = object.controller.as_ref().filter(|_| object.is_for_extended_resources)?;
    Some(full_name(&object.namespace, &controller.name))
}

impl DevicesUndo {
    /// Nothing to undo.
    pub(super) fn nothing() -> DevicesUndo {
        DevicesUndo(Vec::new())
    }

    pub(super) fn slice_added(index: SliceIndex) -> DevicesUndo {
        DevicesUndo(vec![Change::SliceAdded(index)])
    }

    pub(super) fn slice_removed(slice: Option<(SliceIndex, Slice)>) -> DevicesUndo {
        let change = slice.map(|(index, slice)| Change::SliceRemoved(index, Box::new(slice)));
        DevicesUndo(change.into_iter().collect())
    }

    /// Whether nothing was changed.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn and(mut self, later: DevicesUndo) -> DevicesUndo {
        self.0.extend(later.0);
        self
    }
}

impl Devices {
    /// Undoes a change exactly, provided that all later ones are undone.
    pub fn undo(&mut self, undo: DevicesUndo) {
        for change in undo.0.into_iter().rev() {
            match change {
                Change::Added(id, uses) => {
                    self.uses.restore(uses);
                    let claim = self.claims.by_id[id.0 as usize].take();
                    if let Some(claim) = claim {
                        self.claims.forget(&claim.object);
                    }
                    if id.0 as usize + 1 == self.claims.by_id.len() {
                        self.claims.by_id.pop();
                    }
                }
                Change::Removed(id, claim, uses) => {
                    self.uses.restore(uses);
                    self.claims.note(&claim.object, id);
                    self.claims.by_id[id.0 as usize] = Some(claim);
                }
                Change::Status(id, status, held, uses) => {
                    self.uses.restore(uses);
                    let claim = self.claims.get_mut(id);
                    claim.object.status = *status;
                    claim.held = held;
                }
                Change::SliceAdded(index) => self.inventory.undo_add(index),
                Change::SliceRemoved(index, slice) => self.inventory.put(index, *slice),
            }
        }
    }

    pub(super) fn insert_claim(&mut self, object: ResourceClaimObject) -> DevicesUndo {
        let intern = |query: &super::claim::DeviceQuery, selectors: &mut super::Selectors| {
            query.selectors.iter().map(|text| selectors.intern(text)).collect()
        };
        let mut selectors = Vec::with_capacity(object.spec.requests.len());
        for request in &object.spec.requests {
            let all = request.queries().map(|(_, query)| intern(query, &mut self.selectors));
            selectors.push(all.collect());
        }
        let held = self.ids_of(object.status.allocation.as_ref());
        let results = object.status.allocation.iter().flat_map(|one| &one.results);
        let uses = self.uses.take(&held, &results.cloned().collect::<Vec<_>>());
        let id = self.claims.insert(Box::new(Claim { object, selectors, held }));
        DevicesUndo(vec![Change::Added(id, uses)])
    }

    /// Forgets a claim and gives back what it holds.
    pub(super) fn remove_claim(&mut self, id: ClaimId) -> DevicesUndo {
        let Some(claim) = self.claims.by_id[id.0 as usize].take() else {
            return DevicesUndo::nothing();
        };
        let results = claim.object.status.allocation.as_ref().map(|one| one.results.as_slice());
        let uses = self.uses.give_back(&claim.held, results.unwrap_or_default());
        self.claims.forget(&claim.object);
        DevicesUndo(vec![Change::Removed(id, claim, uses)])
    }

    /// Gives a claim its devices.
    pub(super) fn set_allocation(
        &mut self,
        id: ClaimId,
        allocation: Allocation,
        held: Vec<DeviceId>,
    ) -> DevicesUndo {
        let uses = self.uses.take(&held, &allocation.results);
        let claim = self.claims.get_mut(id);
        let before = Box::new(claim.object.status.clone());
        claim.object.status.allocation = Some(allocation);
        let held_before = std::mem::replace(&mut claim.held, held);
        DevicesUndo(vec![Change::Status(id, before, held_before, uses)])
    }

    /// Takes a claim's devices and reservations away.
    pub fn deallocate(&mut self, id: ClaimId) -> DevicesUndo {
        let claim = self.claims.get_mut(id);
        let before = std::mem::take(&mut claim.object.status);
        let held_before = std::mem::take(&mut claim.held);
        let results = before.allocation.as_ref().map(|one| one.results.as_slice());
        let uses = self.uses.give_back(&held_before, results.unwrap_or_default());
        DevicesUndo(vec![Change::Status(id, Box::new(before), held_before, uses)])
    }

    /// Changes who uses a claim.
    pub(super) fn set_reserved_for(
        &mut self,
        id: ClaimId,
        consumers: Vec<Consumer>,
    ) -> DevicesUndo {
        let claim = self.claims.get_mut(id);
        let before = Box::new(claim.object.status.clone());
        claim.object.status.reserved_for = consumers;
        DevicesUndo(vec![Change::Status(id, before, claim.held.clone(), Vec::new())])
    }

    fn ids_of(&mut self, allocation: Option<&Allocation>) -> Vec<DeviceId> {
        allocation
            .into_iter()
            .flat_map(|allocation| &allocation.results)
            .map(|one| self.inventory.device_id(&one.driver, &one.pool, &one.device))
            .collect()
    }
}
