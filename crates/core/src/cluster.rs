//! The state of a cluster, in columns.
//!
//! Everything that decides reads this one type: the scheduler, node autoscalers, the simulated
//! world, and live loops. Changes go through its methods, which keep the sums (what is requested
//! on each node, how many pods of a shape are bound) up to date, so that nothing is ever recounted.
//!
//! [`Cluster::fork`] begins a transaction that is rolled back when the [`Fork`] is dropped: what is
//! tried on a fork is never seen by its parent.

mod budgets;
mod claims;
mod fork;
mod from_snapshot;
mod groups;
mod node_devices;
mod nodes;
mod pods;
mod workloads;

pub use budgets::Budget;
pub use fork::Fork;
pub use groups::NodeGroup;
pub use nodes::{Node, NodeBirth};
pub use pods::{Pod, PodBirth};
pub use workloads::{Workload, WorkloadKey};

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::capacity::{CapacityObject, CapacityObjects};
use crate::catalog::{Catalog, Rules};
use crate::devices::Devices;
use crate::ids::{GroupId, NodeId, PodId, ResourceId, ShapeId, WorkloadId};
use crate::labels::Labels;
use crate::objects::ObjectName;
use crate::pod::PodSpec;
use crate::scheduling::profile::{PluginArguments, SchedulerProfiles};
use crate::scheduling::{Indexes, PreemptionIndexes, Topology};
use crate::storage::{Storage, StorageObject};
use crate::taints::Taint;
use crate::time::SimTime;

use fork::UndoLog;

/// The state of a cluster. See the module's text.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub(crate) catalog: Catalog,
    pub(crate) nodes: nodes::Nodes,
    pub(crate) pods: pods::Pods,
    groups: Vec<NodeGroup>,
    group_names: BTreeMap<String, GroupId>,
    workloads: Vec<Workload>,
    daemon_sets: Vec<WorkloadId>,
    workload_keys: FxHashMap<WorkloadKey, WorkloadId>,
    budgets: Vec<Budget>,
    undo: UndoLog,
    pub(crate) indexes: Indexes,
    pub(crate) topology: Topology,
    pub(crate) storage: Storage,
    pub(crate) devices: Devices,
    capacity: CapacityObjects,
    /// When the snapshot was taken that the cluster comes from.
    pub(crate) looked_at: SimTime,
    pub(crate) preemption_indexes: PreemptionIndexes,
    version: u64,
    node_version: u64,
}

impl Cluster {
    /// Counts changes: two equal versions of one cluster mean that nothing happened in between.
    /// What a fork did and undid counts nothing.
    #[must_use]
    #[inline]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// What pods and nodes have in common, by id.
    #[must_use]
    #[inline]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The spec of pods of this shape.
    #[must_use]
    #[inline]
    pub fn shape(&self, shape: ShapeId) -> &PodSpec {
        self.catalog.shape(shape)
    }

    /// The shape of pods with this spec, known from now on.
    pub fn intern_shape(&mut self, spec: &PodSpec) -> ShapeId {
        let known = self.catalog.shape_count();
        let shape = self.catalog.intern_shape(spec);
        if shape.index() >= known {
            self.storage.shape_came(shape, spec);
            self.topology_shape_came(shape);
        }
        shape
    }

    /// A cluster whose pods are judged by these scheduler profiles.
    #[must_use]
    pub fn with_profiles(profiles: &SchedulerProfiles) -> Cluster {
        let mut cluster = Cluster::default();
        cluster.catalog.set_profiles(profiles);
        cluster
    }

    /// Volumes, claims and what CSI drivers say.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Devices, their classes and claims.
    #[must_use]
    pub fn devices(&self) -> &Devices {
        &self.devices
    }

    /// Pod templates, capacity buffers and provisioning requests.
    #[must_use]
    pub fn capacity(&self) -> &CapacityObjects {
        &self.capacity
    }

    /// Adds one of these objects, in place of the one of its name if there is one.
    ///
    /// # Panics
    /// On a fork, which would not take it back.
    pub fn put_capacity(&mut self, object: CapacityObject) {
        assert!(!self.undo.is_open(), "capacity objects do not change on a fork");
        self.capacity.put(object);
        self.changed();
    }

    /// Takes one of these objects away. False when there was none.
    ///
    /// # Panics
    /// On a fork, which would not take it back.
    pub fn remove_capacity(&mut self, name: &ObjectName) -> bool {
        assert!(!self.undo.is_open(), "capacity objects do not change on a fork");
        let was_there = self.capacity.remove(name);
        if was_there {
            self.changed();
        }
        was_there
    }

    /// Adds an object of storage, in place of the one of its name if there is one.
    pub fn put_storage(&mut self, object: StorageObject) {
        let undo = self.storage.put(object);
        self.note_storage_undo(undo);
    }

    /// The plugins' settings in the profile of pods of this shape.
    pub(crate) fn arguments_of(&self, shape: ShapeId) -> &PluginArguments {
        let rules = self.catalog.rules(self.catalog.fit(self.catalog.fit_of(shape)).rules);
        &self.catalog.rulebook(rules.profile).profile.arguments
    }

    /// The node's name.
    #[must_use]
    pub fn node_name(&self, node: NodeId) -> &str {
        &self.nodes.get(node).name
    }

    /// The labels of a node, hostname aside.
    #[must_use]
    pub fn node_labels(&self, node: NodeId) -> &Labels {
        &self.catalog.template(self.nodes.get(node).template).labels
    }

    /// The value of one label of a node.
    #[must_use]
    pub fn node_label(&self, node: NodeId, key: &str) -> Option<&str> {
        if key == crate::node::HOSTNAME_LABEL {
            self.nodes.get(node).hostname.as_deref()
        } else {
            self.node_labels(node).get(key).map(String::as_str)
        }
    }

    /// The taints of a node.
    #[must_use]
    #[inline]
    pub fn node_taints(&self, node: NodeId) -> &[Taint] {
        self.catalog.taints(self.nodes.get(node).taints)
    }

    /// What pods may use of a node, in the resource's unit.
    #[must_use]
    #[inline]
    pub fn allocatable(&self, node: NodeId, resource: ResourceId) -> i64 {
        self.nodes.allocatable.get(resource, node)
    }

    /// What the pods bound to a node ask for, in the resource's unit.
    #[must_use]
    #[inline]
    pub fn requested(&self, node: NodeId, resource: ResourceId) -> i64 {
        self.nodes.requested.get(resource, node)
    }

    /// `namespace/name` of a pod.
    #[must_use]
    pub fn pod_full_name(&self, pod: PodId) -> String {
        let pod = self.pods.get(pod);
        format!("{}/{}", self.shape(pod.shape).namespace, pod.name)
    }

    /// How many pods of this shape are bound.
    #[must_use]
    pub fn bound_of_shape(&self, shape: ShapeId) -> u32 {
        self.pods.bound_by_shape.get(shape.index()).copied().unwrap_or(0)
    }

    /// Whether a node satisfies the rules' selector and one of the required terms.
    pub(crate) fn selected_by(&self, rules: &Rules, node: NodeId) -> bool {
        let name = self.node_name(node);
        rules.selector.iter().all(|(key, value)| self.node_label(node, key) == Some(value))
            && rules.required.as_ref().is_none_or(|terms| {
                terms.iter().any(|term| term.matches(name, |key| self.node_label(node, key)))
            })
    }

    /// Counts changes to nodes themselves: one came, went, was tainted, cordoned, or changed its
    /// readiness. Pods that come and go count nothing, nor does what a fork did and undid.
    #[must_use]
    #[inline]
    pub fn node_version(&self) -> u64 {
        self.node_version
    }

    fn nodes_changed(&mut self) {
        if !self.undo.is_open() {
            self.node_version += 1;
        }
        self.changed();
    }

    pub(crate) fn changed(&mut self) {
        if !self.undo.is_open() {
            self.version += 1;
        }
    }

    /// A digest of everything that a decision can read. Equal states have equal digests; it serves
    /// the tests of forks and replays, and costs a walk over the whole cluster.
    #[must_use]
    pub fn digest(&self) -> u64 {
        use std::hash::{Hash, Hasher};
        let mut hasher = rustc_hash::FxHasher::default();
        self.nodes.hash_into(&mut hasher);
        self.pods.hash_into(&mut hasher);
        for group in &self.groups {
            group.target_size.hash(&mut hasher);
            group.instances.len().hash(&mut hasher);
        }
        for budget in &self.budgets {
            budget.disruptions_allowed.hash(&mut hasher);
        }
        self.storage.hash_into(&mut hasher);
        self.devices.hash_into(&mut hasher);
        self.capacity.version().hash(&mut hasher);
        hasher.finish()
    }

    /// All pods that have no node, in the order of their creation, as of the beginning of the
    /// outermost fork.
    pub fn unbound_pods(&self) -> impl Iterator<Item = PodId> + '_ {
        self.pods.unbound.values().copied()
    }

    /// How many pods have no node, as of the beginning of the outermost fork.
    #[must_use]
    pub fn unbound_count(&self) -> usize {
        self.pods.unbound.len()
    }
}
