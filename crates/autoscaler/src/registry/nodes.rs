//! The one walk over all nodes of a loop: who is ready, who is not, who can stand for a group.

use plimsoll_core::catalog::{Catalog, NodeTemplate};
use plimsoll_core::devices::PoolCounts;
use plimsoll_core::ids::{NodeId, SurfaceId};
use plimsoll_core::{Cluster, Node, SimDuration, SimTime};

use super::groups::GroupState;
use super::machines::RegisteredMachines;
use crate::settings::Settings;
use crate::taints::{TO_BE_DELETED, is_not_ready_taint, is_startup_taint};

/// How long a node must have been ready before it can stand for its group.
const STABLE_AFTER: SimDuration = SimDuration::from_mins(1);
/// The label that says which GPUs a node has.
pub(crate) const GPU_LABEL: &str = "k8s.amazonaws.com/accelerator";
/// The resource that GPUs are.
pub(crate) const GPU_RESOURCE: &str = "nvidia.com/gpu";

/// What is known of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeClass {
    /// How the registry counts it.
    pub state: NodeState,
    /// Its conditions and taints say that pods can run.
    pub ready: bool,
    /// Nothing speaks against it but that its GPUs or devices are not there yet.
    pub waits_for_resources: bool,
}

/// How the registry counts a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// Its machine is gone or going (it has the ToBeDeleted taint).
    Deleted,
    /// Its machine is stopped, and kept.
    Suspended,
    /// Pods can run.
    Ready,
    /// Not ready, and young enough for that.
    NotStarted,
    /// Not ready, though it should be.
    Unready,
}

/// The walk and what it found.
#[derive(Clone, Debug)]
pub(super) struct NodeScan {
    pub(super) classes: Vec<Option<NodeClass>>,
    pub(super) nodes: Vec<NodeId>,
    pub(super) ready_count: usize,
    pub(super) unready_count: u32,
    pub(super) resource_unready_count: u32,
    pub(super) representatives: Vec<Option<NodeId>>,
    pub(super) last_resorts: Vec<Option<NodeId>>,
    /// Which machines the nodes are.
    pub(super) machines: RegisteredMachines,
    /// When time alone changes a class or makes a node a representative.
    pub(super) next_change: SimTime,
    /// By group: the pools of devices that its nodes must have; empty: none of any.
    expected_pools: Vec<PoolCounts>,
    /// The cluster's node version and the number of groups that the last walk saw.
    seen: Option<(u64, usize)>,
    traits: Vec<Option<Traits>>,
    settings: Settings,
}

/// What taints and size say about nodes of one surface.
#[derive(Clone, Copy, Debug)]
struct Traits {
    to_be_deleted: bool,
    /// It is not ready, whatever its conditions say.
    not_ready: bool,
    not_ready_by_taint: bool,
    /// Its GPUs are not allocatable yet.
    waits_for_gpu: bool,
}

impl NodeClass {
    /// Whether it should be ready and is not, for want of its GPUs or devices.
    #[must_use]
    pub fn is_resource_unready(self) -> bool {
        self.state == NodeState::Unready && self.waits_for_resources
    }
}

impl NodeScan {
    pub(super) fn new(settings: &Settings) -> NodeScan {
        NodeScan {
            classes: Vec::new(),
            nodes: Vec::new(),
            ready_count: 0,
            unready_count: 0,
            resource_unready_count: 0,
            representatives: Vec::new(),
            last_resorts: Vec::new(),
            machines: RegisteredMachines::default(),
            next_change: SimTime::MAX,
            expected_pools: Vec::new(),
            seen: None,
            traits: Vec::new(),
            settings: settings.clone(),
        }
    }

    /// How many nodes there are, as a number to take shares of.
    #[expect(clippy::cast_precision_loss, reason = "numbers of nodes are far below 2^52")]
    pub(super) fn registered(&self) -> f64 {
        self.nodes.len() as f64
    }

    /// The next walk is not left out although the nodes are the same.
    pub(super) fn look_anew(&mut self) {
        self.seen = None;
    }

    pub(super) fn expect_pools(&mut self, pools: Vec<PoolCounts>) {
        if pools != self.expected_pools {
            self.expected_pools = pools;
            self.look_anew();
        }
    }

    pub(super) fn run(
        &mut self,
        cluster: &Cluster,
        settings: &Settings,
        now: SimTime,
        groups: &mut [GroupState],
    ) {
        // Another walk over the same nodes would find the same, until time makes a difference.
        let sight = (cluster.node_version(), groups.len());
        if self.seen == Some(sight) && now < self.next_change {
            return;
        }
        self.seen = Some(sight);
        self.nodes.clear();
        self.classes.clear();
        self.classes.resize(cluster.node_slot_count(), None);
        for list in [&mut self.representatives, &mut self.last_resorts] {
            list.clear();
            list.resize(groups.len(), None);
        }
        self.ready_count = 0;
        self.unready_count = 0;
        self.resource_unready_count = 0;
        self.next_change = SimTime::MAX;
        groups.iter_mut().for_each(GroupState::clear_counts);
        self.machines.begin();
        for (id, node) in cluster.nodes() {
            self.machines.meet(id, node);
            let traits = self.traits_of(cluster.catalog(), node.surface);
            let lacks_devices = self.lacks_devices(cluster, node);
            let startup_time = match node.group {
                Some(group) => groups[group.index()].max_node_startup_time,
                None => settings.max_node_startup_time,
            };
            let class = self.classify(node, (traits, lacks_devices), startup_time, now);
            self.nodes.push(id);
            self.classes[id.index()] = Some(class);
            self.ready_count += usize::from(class.ready && !node.unschedulable);
            self.unready_count += u32::from(class.state == NodeState::Unready);
            self.resource_unready_count += u32::from(class.is_resource_unready());
            if let Some(group) = node.group {
                groups[group.index()].count(node, class);
                let stands = class.ready
                    && !traits.to_be_deleted
                    && (!node.unschedulable || settings.scale_from_unschedulable);
                self.note_representative(
                    group.index(),
                    id,
                    stands.then_some(node.ready_since),
                    now,
                );
            }
        }
        self.machines.end();
    }

    fn note_representative(
        &mut self,
        group: usize,
        node: NodeId,
        good_since: Option<SimTime>,
        now: SimTime,
    ) {
        self.last_resorts[group].get_or_insert(node);
        let Some(since) = good_since else { return };
        if since + STABLE_AFTER < now {
            self.representatives[group].get_or_insert(node);
        } else {
            self.next_change = self.next_change.min(since + STABLE_AFTER + SimDuration(1));
        }
    }

    /// Whether a node is short of devices that nodes of its group have. Cordoned nodes are not asked.
    ///
    /// Source: `processors/customresources/dra_processor.go`.
    fn lacks_devices(&self, cluster: &Cluster, node: &Node) -> bool {
        let expected = node.group.and_then(|group| self.expected_pools.get(group.index()));
        let Some(expected) = expected.filter(|pools| !pools.is_empty()) else { return false };
        if node.unschedulable {
            return false;
        }
        let there = cluster.devices().whole_pools_of(&node.name);
        expected.iter().any(|(driver, count)| there.get(driver).is_none_or(|one| one < count))
    }

    fn classify(
        &mut self,
        node: &Node,
        (traits, lacks_devices): (Traits, bool),
        startup_time: SimDuration,
        now: SimTime,
    ) -> NodeClass {
        let ready = node.ready && !traits.not_ready && !lacks_devices;
        let waits_for_resources =
            node.ready && !traits.not_ready_by_taint && (traits.waits_for_gpu || lacks_devices);
        let startup_ends = node.created_at + startup_time;
        let state = if traits.to_be_deleted {
            NodeState::Deleted
        } else if node.is_suspended {
            NodeState::Suspended
        } else if ready {
            NodeState::Ready
        } else if startup_ends > now {
            self.next_change = self.next_change.min(startup_ends);
            NodeState::NotStarted
        } else {
            NodeState::Unready
        };
        NodeClass { state, ready, waits_for_resources }
    }

    fn traits_of(&mut self, catalog: &Catalog, surface: SurfaceId) -> Traits {
        if let Some(Some(known)) = self.traits.get(surface.index()) {
            return *known;
        }
        let (template, taints) = {
            let parts = catalog.surface(surface);
            (catalog.template(parts.template), catalog.taints(parts.taints))
        };
        let speaks_against =
            |key: &str| is_not_ready_taint(key) || is_startup_taint(&self.settings, key);
        let not_ready_by_taint = taints.iter().any(|taint| speaks_against(&taint.key));
        let traits = Traits {
            to_be_deleted: taints.iter().any(|taint| taint.key == TO_BE_DELETED),
            not_ready: waits_for_gpu(template) || not_ready_by_taint,
            not_ready_by_taint,
            waits_for_gpu: waits_for_gpu(template),
        };
        if self.traits.len() <= surface.index() {
            self.traits.resize(surface.index() + 1, None);
        }
        self.traits[surface.index()] = Some(traits);
        traits
    }
}

/// Whether a node like this has the GPU label, and its GPUs are not allocatable yet: it is not ready.
fn waits_for_gpu(template: &NodeTemplate) -> bool {
    let gpus = template.allocatable.get(GPU_RESOURCE).copied().unwrap_or(0);
    gpus == 0 && template.labels.contains_key(GPU_LABEL)
}

impl GroupState {
    fn count(&mut self, node: &Node, class: NodeClass) {
        self.registered += 1;
        // Serials are never used again, and an odd factor keeps sums of them apart.
        let mixed = node.serial.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.nodes_digest = self.nodes_digest.wrapping_add(mixed ^ (mixed >> 29));
        self.resource_unready += u32::from(class.is_resource_unready());
        match class.state {
            NodeState::Deleted => self.deleted += 1,
            NodeState::Suspended => self.suspended += 1,
            NodeState::Ready => self.ready += 1,
            NodeState::NotStarted => self.not_started += 1,
            NodeState::Unready => self.unready += 1,
        }
    }
}
