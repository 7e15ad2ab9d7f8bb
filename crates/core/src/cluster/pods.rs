//! Pods: which shape, whose, where.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Cluster, fork::Undo};
use crate::catalog::PODS;
use crate::devices::PodIdentity;
use crate::ids::{NodeId, PodId, ShapeId, WorkloadId};
use crate::pod::PodPhase;
use crate::time::SimTime;

/// A pod's identity and place. What it asks for is its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// The name, within the namespace of the shape.
    pub name: Arc<str>,
    /// What it asks for.
    pub shape: ShapeId,
    /// The node it is bound to.
    pub node: Option<NodeId>,
    /// The node that preemption made room on.
    pub nominated: Option<NodeId>,
    /// Its controller.
    pub controller: Option<WorkloadId>,
    /// When it was created.
    pub created_at: SimTime,
    /// When it was bound; meaningless while it is not.
    pub bound_at: SimTime,
    /// When deletion was asked for.
    pub deletion_at: Option<SimTime>,
    /// Its phase. Finished pods are removed from a cluster, so it is Pending or Running.
    pub phase: PodPhase,
    /// The scheduler has said that it fits nowhere.
    pub marked_unschedulable: bool,
    /// The scheduler asked it to go for a pod of higher priority.
    pub is_preempted: bool,
    /// Counts pods ever made: the order of creation, and what tells a pod from an earlier one with
    /// the same id.
    pub serial: u64,
    /// Where it stands in its node's list; 0 without a node.
    slot: u32,
}

/// What a new pod is made from.
#[derive(Clone, Debug)]
pub struct PodBirth {
    /// The name.
    pub name: Arc<str>,
    /// What it asks for.
    pub shape: ShapeId,
    /// Its controller.
    pub controller: Option<WorkloadId>,
    /// When it was created.
    pub created_at: SimTime,
}

/// All pods. A slot without a pod is free and is used again, lowest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pods {
    slots: Vec<Option<Pod>>,
    free: BTreeSet<PodId>,
    pub(super) unbound: BTreeMap<u64, PodId>,
    pub(crate) bound_by_shape: Vec<u32>,
    /// How many pods of each priority are bound.
    bound_by_priority: BTreeMap<i32, u32>,
    /// Pods that were asked to go.
    pub(super) going: BTreeSet<PodId>,
    /// Pods without a node that room was made for, by the node.
    nominated: BTreeMap<NodeId, Vec<PodId>>,
    /// How many pods each controller has, by shape; `None` counts those without one.
    pub(super) owners_by_shape: BTreeMap<ShapeId, BTreeMap<Option<WorkloadId>, u32>>,
    /// The uids of pods that claims may know.
    uids: FxHashMap<PodId, Arc<str>>,
    /// How often a pod was found to fit nowhere, after it had fitted or was new.
    unschedulable_marks: u64,
    born: u64,
    alive: usize,
}

impl Pods {
    pub(crate) fn get(&self, pod: PodId) -> &Pod {
        self.slots[pod.index()].as_ref().expect("the pod is alive")
    }

    fn get_mut(&mut self, pod: PodId) -> &mut Pod {
        self.slots[pod.index()].as_mut().expect("the pod is alive")
    }

    /// The uid of a pod that claims may know; empty for others.
    pub(crate) fn uid(&self, pod: PodId) -> &str {
        self.uids.get(&pod).map_or("", |uid| uid)
    }

    /// A pod without a node turns out to ask for something else.
    pub(super) fn change_shape(
        &mut self,
        pod: PodId,
        shape: ShapeId,
        controller: Option<WorkloadId>,
    ) {
        let before = std::mem::replace(&mut self.get_mut(pod).shape, shape);
        self.discount_owner(before, controller);
        self.count_owner(shape, controller);
    }

    fn drop_nomination(&mut self, pod: PodId, node: NodeId) {
        if let Some(pods) = self.nominated.get_mut(&node) {
            pods.retain(|one| *one != pod);
            if pods.is_empty() {
                self.nominated.remove(&node);
            }
        }
    }

    fn count_owner(&mut self, shape: ShapeId, owner: Option<WorkloadId>) {
        *self.owners_by_shape.entry(shape).or_default().entry(owner).or_default() += 1;
    }

    fn discount_owner(&mut self, shape: ShapeId, owner: Option<WorkloadId>) {
        let owners = self.owners_by_shape.get_mut(&shape).expect("the pod was counted");
        let count = owners.get_mut(&owner).expect("the pod was counted");
        *count -= 1;
        if *count == 0 {
            owners.remove(&owner);
        }
    }

    pub(super) fn hash_into(&self, hasher: &mut impl Hasher) {
        for (index, slot) in self.slots.iter().enumerate() {
            let Some(pod) = slot else { continue };
            (index, &pod.name, pod.shape, pod.node, pod.serial, pod.slot).hash(hasher);
        }
    }
}

impl Cluster {
    /// All pods, in the order of their ids.
    pub fn pods(&self) -> impl Iterator<Item = (PodId, &Pod)> + '_ {
        self.pods
            .slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| Some((PodId::at(index), slot.as_ref()?)))
    }

    /// How many pods there are.
    #[must_use]
    pub fn pod_count(&self) -> usize {
        self.pods.alive
    }

    /// A pod that is there.
    ///
    /// # Panics
    /// When it is gone; see [`Cluster::find_pod`].
    #[must_use]
    #[inline]
    pub fn pod(&self, pod: PodId) -> &Pod {
        self.pods.get(pod)
    }

    /// A pod that may be gone.
    #[must_use]
    #[inline]
    pub fn find_pod(&self, pod: PodId) -> Option<&Pod> {
        self.pods.slots.get(pod.index())?.as_ref()
    }

    /// Adds a pod that has no node yet.
    pub fn add_pod(&mut self, birth: PodBirth) -> PodId {
        self.pods.born += 1;
        let reused = self.pods.free.pop_first();
        let id = reused.unwrap_or_else(|| {
            self.pods.slots.push(None);
            PodId::at(self.pods.slots.len() - 1)
        });
        let serial = self.pods.born;
        self.pods.count_owner(birth.shape, birth.controller);
        self.pods.slots[id.index()] = Some(Pod {
            name: birth.name,
            shape: birth.shape,
            node: None,
            nominated: None,
            controller: birth.controller,
            created_at: birth.created_at,
            bound_at: birth.created_at,
            deletion_at: None,
            phase: PodPhase::Pending,
            marked_unschedulable: false,
            is_preempted: false,
            serial,
            slot: 0,
        });
        self.pods.alive += 1;
        if self.undo.is_open() {
            self.undo.push(Undo::PodAdded(id, reused.is_none()));
        } else {
            self.pods.unbound.insert(serial, id);
        }
        self.changed();
        id
    }

    /// Removes a pod; frees what it held on its node.
    ///
    /// # Panics
    /// On a fork: what is tried there unbinds pods, it does not remove them.
    pub fn remove_pod(&mut self, id: PodId) -> Pod {
        assert!(!self.undo.is_open(), "pods are not removed on a fork");
        if self.pods.get(id).node.is_some() {
            self.detach(id);
        }
        self.release_devices(id);
        let pod = self.pods.slots[id.index()].take().expect("the pod is alive");
        self.pods.uids.remove(&id);
        self.pods.unbound.remove(&pod.serial);
        if let Some(nominated) = pod.nominated {
            self.pods.drop_nomination(id, nominated);
            self.indexes.node_changed(nominated);
        }
        self.pods.going.remove(&id);
        self.pods.discount_owner(pod.shape, pod.controller);
        self.pods.free.insert(id);
        self.pods.alive -= 1;
        self.changed();
        pod
    }

    /// Claims that a pod used lose it; those made for it go with it.
    fn release_devices(&mut self, id: PodId) {
        let shape = self.pods.get(id).shape;
        if self.devices.is_empty() || !self.may_want_devices(shape) {
            return;
        }
        let spec = Arc::clone(self.catalog.shape(shape));
        let (name, uid) = (Arc::clone(&self.pods.get(id).name), self.pods.uid(id).to_owned());
        let identity = PodIdentity { name: &name, uid: &uid };
        let undo = self.devices.release(&spec, identity);
        self.note_devices_undo(undo);
    }

    /// Notes a pod's uid, if claims may ask for it.
    pub fn note_uid(&mut self, id: PodId, uid: &str) {
        if !uid.is_empty() && self.may_want_devices(self.pods.get(id).shape) {
            self.pods.uids.insert(id, uid.into());
        }
    }

    pub(super) fn undo_pod_added(&mut self, id: PodId, new_slot: bool) {
        let pod = self.pods.slots[id.index()].take().expect("the pod is alive");
        self.pods.discount_owner(pod.shape, pod.controller);
        self.pods.born -= 1;
        self.pods.alive -= 1;
        if new_slot {
            self.pods.slots.pop();
        } else {
            self.pods.free.insert(id);
        }
    }

    /// Binds a pod to a node. Whether it fits is the caller's business; sums may exceed what there
    /// is, as they do in a real cluster.
    ///
    /// # Panics
    /// When the pod has a node already.
    pub fn bind(&mut self, id: PodId, node: NodeId, at: SimTime) {
        assert!(self.pods.get(id).node.is_none(), "pod {} is bound twice", self.pods.get(id).name);
        self.attach(id, node);
        if self.undo.is_open() {
            self.undo.push(Undo::Bound(id));
        } else {
            let pod = self.pods.get_mut(id);
            pod.bound_at = at;
            pod.phase = PodPhase::Running;
            pod.marked_unschedulable = false;
            let (serial, nominated) = (pod.serial, pod.nominated.take());
            self.pods.unbound.remove(&serial);
            if let Some(nominated) = nominated {
                self.pods.drop_nomination(id, nominated);
                self.indexes.node_changed(nominated);
            }
        }
        self.changed();
    }

    /// Takes a pod off its node.
    ///
    /// # Panics
    /// When it has none.
    pub fn unbind(&mut self, id: PodId) {
        let (node, slot) = self.detach(id);
        if self.undo.is_open() {
            self.undo.push(Undo::Unbound(id, node, slot));
        } else {
            let pod = self.pods.get_mut(id);
            pod.phase = PodPhase::Pending;
            let serial = pod.serial;
            self.pods.unbound.insert(serial, id);
        }
        self.changed();
    }

    pub(super) fn undo_bound(&mut self, id: PodId) {
        self.detach(id);
    }

    /// Puts a pod back exactly where it stood in its node's list.
    pub(super) fn undo_unbound(&mut self, id: PodId, node: NodeId, slot: u32) {
        self.attach(id, node);
        let pods = &mut self.nodes.get_mut(node).pods;
        let last = pods.len() - 1;
        pods.swap(slot as usize, last);
        let moved = pods[last];
        self.pods.get_mut(id).slot = slot;
        if moved != id {
            self.pods.get_mut(moved).slot = u32::try_from(last).expect("a node's pods are few");
        }
    }

    fn attach(&mut self, id: PodId, node: NodeId) {
        self.account(id, node, 1);
        let list = &mut self.nodes.get_mut(node).pods;
        let slot = u32::try_from(list.len()).expect("a node's pods are few");
        list.push(id);
        let pod = self.pods.get_mut(id);
        pod.node = Some(node);
        pod.slot = slot;
    }

    fn detach(&mut self, id: PodId) -> (NodeId, u32) {
        let pod = self.pods.get_mut(id);
        let node = pod.node.take().expect("the pod is bound");
        // A pod without a node stands nowhere; a trace of where it stood would tell clusters apart.
        let slot = std::mem::take(&mut pod.slot);
        self.account(id, node, -1);
        let list = &mut self.nodes.get_mut(node).pods;
        list.swap_remove(slot as usize);
        if let Some(moved) = list.get(slot as usize).copied() {
            self.pods.get_mut(moved).slot = slot;
        }
        (node, slot)
    }

    fn account(&mut self, id: PodId, node: NodeId, sign: i32) {
        let pod = self.pods.get(id);
        let (shape, is_going) = (pod.shape, pod.deletion_at.is_some());
        self.topology.account(shape, node, sign, is_going);
        if let Some(uses) = self.storage.use_of(shape).cloned() {
            let name = Arc::clone(&self.nodes.get(node).name);
            self.storage.account(&uses, &name, sign > 0);
        }
        let sign = i64::from(sign);
        let fit = self.catalog.fit(self.catalog.fit_of(shape));
        for (resource, amount) in &fit.requests {
            self.nodes.requested.add(*resource, node, sign * amount);
        }
        self.nodes.requested.add(PODS, node, sign);
        let (cpu_milli, memory_bytes) = fit.placed_scoring;
        self.nodes.scoring_cpu_milli[node.index()] += sign * cpu_milli;
        self.nodes.scoring_memory_bytes[node.index()] += sign * memory_bytes;
        if self.pods.bound_by_shape.len() <= shape.index() {
            self.pods.bound_by_shape.resize(shape.index() + 1, 0);
        }
        let bound = &mut self.pods.bound_by_shape[shape.index()];
        *bound = if sign > 0 { *bound + 1 } else { *bound - 1 };
        let priority = self.catalog.shape(shape).priority;
        let of_priority = self.pods.bound_by_priority.entry(priority).or_default();
        *of_priority = if sign > 0 { *of_priority + 1 } else { *of_priority - 1 };
        if *of_priority == 0 {
            self.pods.bound_by_priority.remove(&priority);
        }
        self.indexes.node_changed(node);
    }

    /// Notes that the scheduler found no place for a pod. Not undone by forks.
    pub fn mark_unschedulable(&mut self, id: PodId, marked: bool) {
        let pod = self.pods.get_mut(id);
        if pod.marked_unschedulable != marked {
            pod.marked_unschedulable = marked;
            self.pods.unschedulable_marks += u64::from(marked);
            self.changed();
        }
    }

    /// How often so far the scheduler has found no place for a pod that it had not found that of
    /// before: whoever remembers the number sees whether there is such a pod since.
    #[must_use]
    pub fn unschedulable_marks(&self) -> u64 {
        self.pods.unschedulable_marks
    }

    /// Notes that a pod was asked to go for one of higher priority. Not undone by forks.
    pub fn set_preempted(&mut self, id: PodId, is_preempted: bool) {
        self.pods.get_mut(id).is_preempted = is_preempted;
        self.changed();
    }

    /// Notes when a pod was bound, for pods that were bound before the cluster was looked at.
    pub fn set_bound_at(&mut self, id: PodId, at: SimTime) {
        self.pods.get_mut(id).bound_at = at;
    }

    /// Notes that deletion of a pod was asked for. Not undone by forks.
    pub fn set_deletion(&mut self, id: PodId, at: Option<SimTime>) {
        let pod = self.pods.get_mut(id);
        let was_going = std::mem::replace(&mut pod.deletion_at, at).is_some();
        let (shape, node) = (pod.shape, pod.node);
        if let Some(node) = node.filter(|_| was_going != at.is_some()) {
            self.topology.account_going(shape, node, if was_going { 1 } else { -1 });
            self.indexes.node_changed(node);
        }
        if at.is_some() {
            self.pods.going.insert(id);
        } else {
            self.pods.going.remove(&id);
        }
        self.changed();
    }

    /// The lowest priority of a bound pod.
    #[must_use]
    pub fn lowest_bound_priority(&self) -> Option<i32> {
        self.pods.bound_by_priority.first_key_value().map(|(priority, _)| *priority)
    }

    /// The nodes that pods without one are nominated to, in the order of their ids.
    pub(crate) fn nodes_with_nominations(&self) -> Vec<NodeId> {
        self.pods.nominated.keys().copied().collect()
    }

    /// The pods that have no node and are nominated to this one, in the order of their nomination.
    #[must_use]
    pub fn nominated_to(&self, node: NodeId) -> &[PodId] {
        self.pods.nominated.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Notes the node that preemption made room on.
    ///
    /// # Panics
    /// On a fork, which would not take it back.
    pub fn set_nominated(&mut self, id: PodId, node: Option<NodeId>) {
        assert!(!self.undo.is_open(), "nominations do not change on a fork");
        let before = std::mem::replace(&mut self.pods.get_mut(id).nominated, node);
        if let Some(before) = before {
            self.pods.drop_nomination(id, before);
            self.indexes.node_changed(before);
        }
        if let Some(node) = node {
            self.pods.nominated.entry(node).or_default().push(id);
            self.indexes.node_changed(node);
        }
        self.changed();
    }
}
