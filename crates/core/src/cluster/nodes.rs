//! Nodes in columns: identity and state in one, sizes and sums in one column a resource.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{Cluster, fork::Undo};
use crate::catalog::{CPU, MEMORY, PODS, Surface};
use crate::ids::{
    GroupId, ImageId, ImagesId, NodeId, PodId, ResourceId, SurfaceId, TaintsId, TemplateId,
};
use crate::labels::Labels;
use crate::node::NodeSpec;
use crate::scheduling::ImageSpread;
use crate::taints::Taint;
use crate::time::SimTime;

/// A node's identity and state. Sizes and sums are in columns: see [`Cluster::allocatable`] and
/// [`Cluster::requested`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The name.
    pub name: Arc<str>,
    /// The cloud's id of the machine behind it.
    pub provider_id: Arc<str>,
    /// The value of its hostname label.
    pub hostname: Option<Arc<str>>,
    /// Labels and size.
    pub template: TemplateId,
    /// Taints.
    pub taints: TaintsId,
    /// Cordoned.
    pub unschedulable: bool,
    /// What static predicates see.
    pub surface: SurfaceId,
    /// The images that are there already.
    pub images: ImagesId,
    /// Its annotations.
    pub annotations: Arc<Labels>,
    /// The group it belongs to.
    pub group: Option<GroupId>,
    /// When its object was created.
    pub created_at: SimTime,
    /// Cluster Autoscaler's reading of the conditions, taints aside.
    pub ready: bool,
    /// When the Ready condition became what it is.
    pub ready_since: SimTime,
    /// The machine is kept, and stopped: the condition Suspended.
    pub is_suspended: bool,
    /// The pods bound to it, in no particular (but reproducible) order.
    pub pods: Vec<PodId>,
    /// Counts nodes ever made: tells a node from an earlier one with the same id.
    pub serial: u64,
}

/// What a new node is made from.
#[derive(Clone, Debug, Default)]
pub struct NodeBirth {
    /// The name.
    pub name: String,
    /// The cloud's id of its machine.
    pub provider_id: String,
    /// Labels, taints and size.
    pub spec: NodeSpec,
    /// Annotations.
    pub annotations: Labels,
    /// Its group.
    pub group: Option<GroupId>,
    /// When its object was created.
    pub created_at: SimTime,
    /// Whether pods may run.
    pub ready: bool,
    /// Since when that is so.
    pub ready_since: SimTime,
    /// Whether its machine is stopped.
    pub is_suspended: bool,
}

/// All nodes. A slot without a node is free and is used again, lowest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nodes {
    slots: Vec<Option<Node>>,
    free: std::collections::BTreeSet<NodeId>,
    pub(crate) allocatable: Columns,
    pub(crate) requested: Columns,
    /// Requests for scoring: what pods without a request count as.
    pub(crate) scoring_cpu_milli: Vec<i64>,
    pub(crate) scoring_memory_bytes: Vec<i64>,
    pub(crate) image_spread: ImageSpread,
    by_name: FxHashMap<Arc<str>, NodeId>,
    born: u64,
    alive: usize,
    /// By template: how many nodes have it.
    by_template: Vec<u32>,
}

/// One column of integers a resource; a resource that nobody uses has an empty column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    by_resource: Vec<Vec<i64>>,
}

impl Columns {
    #[inline]
    pub(crate) fn get(&self, resource: ResourceId, node: NodeId) -> i64 {
        self.column(resource).get(node.index()).copied().unwrap_or(0)
    }

    #[inline]
    pub(crate) fn column(&self, resource: ResourceId) -> &[i64] {
        self.by_resource.get(resource.index()).map_or(&[], Vec::as_slice)
    }

    #[inline]
    pub(crate) fn add(&mut self, resource: ResourceId, node: NodeId, amount: i64) {
        let column = self.by_resource.get_mut(resource.index());
        match column.and_then(|column| column.get_mut(node.index())) {
            Some(cell) => *cell += amount,
            None => *self.cell(resource, node) += amount,
        }
    }

    pub(crate) fn set(&mut self, resource: ResourceId, node: NodeId, amount: i64) {
        let column = self.by_resource.get_mut(resource.index());
        match column.and_then(|column| column.get_mut(node.index())) {
            Some(cell) => *cell = amount,
            None => *self.cell(resource, node) = amount,
        }
    }

    /// The cell, which is made where it is missing: rarely.
    #[cold]
    fn cell(&mut self, resource: ResourceId, node: NodeId) -> &mut i64 {
        if self.by_resource.len() <= resource.index() {
            self.by_resource.resize_with(resource.index() + 1, Vec::new);
        }
        let column = &mut self.by_resource[resource.index()];
        if column.len() <= node.index() {
            column.resize(node.index() + 1, 0);
        }
        &mut column[node.index()]
    }

    fn clear(&mut self, node: NodeId) {
        for column in &mut self.by_resource {
            if let Some(cell) = column.get_mut(node.index()) {
                *cell = 0;
            }
        }
    }
}

impl Nodes {
    #[inline]
    pub(crate) fn get(&self, node: NodeId) -> &Node {
        self.slots[node.index()].as_ref().expect("the node is alive")
    }

    pub(crate) fn find(&self, node: NodeId) -> Option<&Node> {
        self.slots.get(node.index())?.as_ref()
    }

    /// The node of this name; of several the first that came.
    pub(crate) fn named(&self, name: &str) -> Option<NodeId> {
        self.by_name.get(name).copied()
    }

    pub(super) fn get_mut(&mut self, node: NodeId) -> &mut Node {
        self.slots[node.index()].as_mut().expect("the node is alive")
    }

    /// One more than the highest id in use.
    pub(crate) fn slot_count(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn hash_into(&self, hasher: &mut impl Hasher) {
        for (index, slot) in self.slots.iter().enumerate() {
            let Some(node) = slot else { continue };
            let id = NodeId::at(index);
            (index, &node.name, node.surface, node.group, node.ready, &node.pods).hash(hasher);
            for resource in [CPU, MEMORY, PODS] {
                self.requested.get(resource, id).hash(hasher);
                self.allocatable.get(resource, id).hash(hasher);
            }
        }
    }
}

impl Cluster {
    /// All nodes, in the order of their ids.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> + '_ {
        self.nodes
            .slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| Some((NodeId::at(index), slot.as_ref()?)))
    }

    /// How many nodes there are.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.alive
    }

    /// The templates that nodes have, and how many nodes have each.
    pub fn node_counts_by_template(&self) -> impl Iterator<Item = (TemplateId, u32)> + '_ {
        let counts = self.nodes.by_template.iter().copied().enumerate();
        counts.filter(|(_, count)| *count > 0).map(|(index, count)| (TemplateId::at(index), count))
    }

    /// One more than the highest node id that was ever in use: the length of a column.
    #[must_use]
    pub fn node_slot_count(&self) -> usize {
        self.nodes.slot_count()
    }

    /// A node that is there.
    ///
    /// # Panics
    /// When it is gone; see [`Cluster::find_node`].
    #[must_use]
    #[inline]
    pub fn node(&self, node: NodeId) -> &Node {
        self.nodes.get(node)
    }

    /// A node that may be gone.
    #[must_use]
    #[inline]
    pub fn find_node(&self, node: NodeId) -> Option<&Node> {
        self.nodes.find(node)
    }

    /// Adds a node.
    pub fn add_node(&mut self, birth: NodeBirth) -> NodeId {
        let node = self.model_node(birth);
        self.place_new_node(node)
    }

    /// A node that is nowhere: a model that others are made after with [`Cluster::add_node_like`], in
    /// this cluster, its forks and its later clones. Its serial is 0.
    pub fn model_node(&mut self, birth: NodeBirth) -> Node {
        let (template, hostname) = self.catalog.intern_template(&birth.spec);
        let taints = self.catalog.intern_taints(&birth.spec.taints);
        let unschedulable = birth.spec.unschedulable;
        let surface = self.catalog.intern_surface(Surface { template, taints, unschedulable });
        let images = self.catalog.intern_images(&birth.spec.images);
        Node {
            name: birth.name.into(),
            provider_id: birth.provider_id.into(),
            hostname: hostname.map(Into::into),
            template,
            taints,
            unschedulable,
            surface,
            images,
            annotations: Arc::new(birth.annotations),
            group: birth.group,
            created_at: birth.created_at,
            ready: birth.ready,
            ready_since: birth.ready_since,
            is_suspended: birth.is_suspended,
            pods: Vec::new(),
            serial: 0,
        }
    }

    /// Adds a node like `original`, without its pods, under another name, created at that instant and
    /// ready, or not, since then: what a new machine of the same kind looks like. Cheaper than
    /// [`Cluster::add_node`], as nothing has to be looked up.
    pub fn add_node_like(&mut self, original: &Node, name: &str, created_at: SimTime) -> NodeId {
        let name: Arc<str> = name.into();
        self.place_new_node(Node {
            hostname: original.hostname.as_ref().map(|_| Arc::clone(&name)),
            provider_id: Arc::clone(&name),
            name,
            template: original.template,
            taints: original.taints,
            unschedulable: original.unschedulable,
            surface: original.surface,
            images: original.images,
            annotations: Arc::clone(&original.annotations),
            group: original.group,
            created_at,
            ready: original.ready,
            ready_since: created_at,
            is_suspended: false,
            pods: Vec::new(),
            serial: 0,
        })
    }

    /// Places a node that never was anywhere.
    fn place_new_node(&mut self, mut node: Node) -> NodeId {
        self.nodes.born += 1;
        node.serial = self.nodes.born;
        let reused = self.nodes.free.pop_first();
        let id = reused.unwrap_or_else(|| {
            self.nodes.slots.push(None);
            NodeId::at(self.nodes.slots.len() - 1)
        });
        self.fill_slot(id, node);
        self.undo.push(Undo::NodeAdded(id, reused.is_none()));
        self.nodes_changed();
        id
    }

    fn fill_slot(&mut self, id: NodeId, node: Node) {
        self.nodes.allocatable.clear(id);
        self.nodes.requested.clear(id);
        for (resource, amount) in self.catalog.template_sizes(node.template).iter() {
            self.nodes.allocatable.set(*resource, id, *amount);
        }
        let length = self.nodes.slots.len();
        self.nodes.scoring_cpu_milli.resize(length, 0);
        self.nodes.scoring_memory_bytes.resize(length, 0);
        self.nodes.scoring_cpu_milli[id.index()] = 0;
        self.nodes.scoring_memory_bytes[id.index()] = 0;
        self.nodes.image_spread.node_came(self.catalog.images(node.images));
        self.nodes.by_name.entry(Arc::clone(&node.name)).or_insert(id);
        let template = node.template.index();
        if self.nodes.by_template.len() <= template {
            self.nodes.by_template.resize(template + 1, 0);
        }
        self.nodes.by_template[template] += 1;
        self.nodes.slots[id.index()] = Some(node);
        self.nodes.alive += 1;
        self.topology_node_came(id);
        self.indexes.node_changed(id);
    }

    /// Removes a node that has no pods any more, and the devices that only it reaches. Pods that are nominated to it no longer are, unless
    /// this is a fork.
    ///
    /// # Panics
    /// When pods are still bound to it: they must be removed or unbound first.
    pub fn remove_node(&mut self, id: NodeId) {
        if !self.is_fork() {
            for pod in self.nominated_to(id).to_vec() {
                self.set_nominated(pod, None);
            }
        }
        self.remove_slices_of(id);
        let images = self.catalog.images(self.nodes.get(id).images);
        let image_sizes = self.nodes.image_spread.sizes_lost_with(images);
        let node = self.take_node(id);
        self.undo.push(Undo::NodeRemoved(id, Box::new((node, image_sizes))));
        self.nodes_changed();
    }

    fn take_node(&mut self, id: NodeId) -> Node {
        let node = self.nodes.slots[id.index()].take().expect("the node is alive");
        assert!(node.pods.is_empty(), "node {} is removed with pods on it", node.name);
        self.nodes.free.insert(id);
        self.nodes.alive -= 1;
        self.nodes.by_template[node.template.index()] -= 1;
        self.nodes.image_spread.node_left(self.catalog.images(node.images));
        if self.nodes.by_name.get(&node.name) == Some(&id) {
            self.nodes.by_name.remove(&node.name);
        }
        for mate in self.topology.mates_of(id) {
            self.indexes.node_changed(mate);
        }
        self.topology.node_left(id);
        self.indexes.node_changed(id);
        node
    }

    pub(super) fn undo_node_added(&mut self, id: NodeId, new_slot: bool) {
        self.take_node(id);
        self.nodes.born -= 1;
        if new_slot {
            self.nodes.slots.pop();
            self.nodes.free.remove(&id);
        }
    }

    pub(super) fn undo_node_removed(
        &mut self,
        id: NodeId,
        (node, image_sizes): (Node, Vec<(ImageId, i64)>),
    ) {
        self.nodes.free.remove(&id);
        self.fill_slot(id, node);
        self.nodes.image_spread.put_sizes_back(&image_sizes);
    }

    /// Changes a node's taints.
    pub fn set_taints(&mut self, id: NodeId, taints: &[Taint]) {
        let taints = self.catalog.intern_taints(taints);
        let cordoned = self.nodes.get(id).unschedulable;
        self.set_surface(id, taints, cordoned);
    }

    /// Cordons or uncordons a node.
    pub fn set_unschedulable(&mut self, id: NodeId, unschedulable: bool) {
        let taints = self.nodes.get(id).taints;
        self.set_surface(id, taints, unschedulable);
    }

    fn set_surface(&mut self, id: NodeId, taints: TaintsId, unschedulable: bool) {
        let node = self.nodes.get(id);
        let before = (node.taints, node.unschedulable);
        if before == (taints, unschedulable) {
            return;
        }
        self.write_surface(id, taints, unschedulable);
        self.undo.push(Undo::SurfaceChanged(id, before.0, before.1));
        self.nodes_changed();
    }

    pub(super) fn write_surface(&mut self, id: NodeId, taints: TaintsId, unschedulable: bool) {
        let template = self.nodes.get(id).template;
        let surface = self.catalog.intern_surface(Surface { template, taints, unschedulable });
        let node = self.nodes.get_mut(id);
        node.taints = taints;
        node.unschedulable = unschedulable;
        node.surface = surface;
        self.reconsider_reach(id);
        self.indexes.node_changed(id);
    }

    /// Says whether a node's machine is stopped. Not undone by forks, as it is observed.
    pub fn set_suspended(&mut self, id: NodeId, is_suspended: bool) {
        let before = std::mem::replace(&mut self.nodes.get_mut(id).is_suspended, is_suspended);
        if before != is_suspended {
            self.nodes_changed();
        }
    }

    /// Says whether a node is ready, and since when. Not undone by forks: readiness is observed,
    /// never tried.
    pub fn set_ready(&mut self, id: NodeId, ready: bool, since: SimTime) {
        let node = self.nodes.get_mut(id);
        node.ready = ready;
        node.ready_since = since;
        self.nodes_changed();
    }
}
