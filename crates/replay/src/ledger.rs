//! The books of a replay: who came, who waited, what ran, what it cost.
//!
//! The ledger takes the world's effects and the strategy's actions as they happen and keeps facts;
//! `crate::accounts` turns them into a report.

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_autoscaler::action::DeletionCause;
use plimsoll_autoscaler::{Action, Finding, Outcome, Reason, Subject};
use plimsoll_core::Cluster;
use plimsoll_core::catalog::{CPU, MEMORY};
use plimsoll_core::ids::{GroupId, NodeId, ShapeId, WorkloadId};
use plimsoll_core::{SimDuration, SimTime};
use plimsoll_sim::{Effect, PodEnd, World};

use crate::stories::Stories;

/// What happened in a replay.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    start: SimTime,
    /// Every pod by its serial less one; pods of DaemonSets are there too.
    pub pods: Vec<PodFact>,
    /// Every node by its serial.
    pub nodes: BTreeMap<u64, NodeFact>,
    /// Every increase, in order.
    pub scale_ups: Vec<ScaleUpFact>,
    /// Every node that the strategy deleted, in order.
    pub scale_downs: Vec<ScaleDownFact>,
    /// Deletions that were given up: when, node, group, why.
    pub scale_down_failures: Vec<(SimTime, Arc<str>, Option<GroupId>, String)>,
    /// Machines without a Node that were deleted: when, group, name.
    pub instances_removed: Vec<(SimTime, GroupId, Arc<str>)>,
    /// Targets that were lowered: when, group, by how many.
    pub target_decreases: Vec<(SimTime, GroupId, u32)>,
    /// What loops found, by loop; loops that found nothing are left out.
    pub reasons: Vec<(SimTime, Vec<Reason>)>,
    /// The state at each instant at which it changed.
    pub series: Vec<StateFact>,
    /// Paid machines of each group over time: changes only.
    pub paid: BTreeMap<GroupId, Vec<(SimTime, u32)>>,
    /// The integrals over time that utilisation is made of.
    pub usage: Usage,
    /// What was found of single pods and nodes.
    pub stories: Stories,
    /// Who decides.
    strategy: String,
    current: Current,
    evicted_from: BTreeMap<u64, Vec<u64>>,
    loop_at: SimTime,
}

/// One pod.
#[derive(Clone, Debug)]
pub struct PodFact {
    /// Its name within its namespace.
    pub name: Arc<str>,
    /// What it asks for.
    pub shape: ShapeId,
    /// Its controller.
    pub controller: Option<WorkloadId>,
    /// It belongs to a DaemonSet.
    pub is_daemon: bool,
    /// When it was created.
    pub created_at: SimTime,
    /// When it was bound.
    pub bound_at: Option<SimTime>,
    /// The group of the node it was bound to.
    pub group: Option<GroupId>,
    /// When and how it ended.
    pub end: Option<(SimTime, PodEnd)>,
    /// It was bound when the replay began.
    pub was_running: bool,
    node: u64,
}

impl PodFact {
    /// The serial of the node it was bound to; 0 before.
    pub(crate) fn node(&self) -> u64 {
        self.node
    }
}

/// One node.
#[derive(Clone, Debug)]
pub struct NodeFact {
    /// Its name.
    pub name: Arc<str>,
    /// Its group.
    pub group: Option<GroupId>,
    /// When it appeared.
    pub added_at: SimTime,
    /// When it was gone.
    pub removed_at: Option<SimTime>,
    /// It was there when the replay began.
    pub was_there: bool,
    cpu_milli: i64,
    memory_bytes: i64,
    /// The node as it was when it appeared, for reports.
    pub view: Option<crate::report::SnapshotNode>,
}

/// One increase of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaleUpFact {
    /// When.
    pub at: SimTime,
    /// Which group.
    pub group: GroupId,
    /// The target before.
    pub from: u32,
    /// The target after.
    pub to: u32,
}

/// One node deleted by the strategy.
#[derive(Clone, Debug)]
pub struct ScaleDownFact {
    /// When it was gone.
    pub removed_at: SimTime,
    /// The loop that decided it.
    pub decided_at: SimTime,
    /// Its name.
    pub node: Arc<str>,
    /// Its group.
    pub group: Option<GroupId>,
    /// Why it went.
    pub cause: DeletionCause,
    /// Serials of the pods that were evicted for it.
    pub evicted: Vec<u64>,
}

/// The state from an instant until the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateFact {
    /// From when on.
    pub at: SimTime,
    /// Machines that are paid for, and nodes without a group.
    pub machines: u32,
    /// Nodes that are ready.
    pub ready_nodes: u32,
    /// Pods that wait for a node.
    pub pending_pods: u32,
    /// Micro-dollars an hour; `None` when a machine without a price runs.
    pub microusd_per_hour: Option<i64>,
}

/// Integrals over time, in milli-CPU × ms and bytes × ms.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU that pods on nodes asked for.
    pub cpu_requested: i128,
    /// CPU that nodes had for pods.
    pub cpu_allocatable: i128,
    /// Memory that pods on nodes asked for.
    pub memory_requested: i128,
    /// Memory that nodes had for pods.
    pub memory_allocatable: i128,
}

/// The sums at the present instant.
#[derive(Clone, Debug, Default)]
struct Current {
    since: SimTime,
    cpu_requested: i64,
    cpu_allocatable: i64,
    memory_requested: i64,
    memory_allocatable: i64,
    nodes: u32,
    ungrouped_nodes: u32,
    pending: u32,
    paid: BTreeMap<GroupId, u32>,
}

impl Ledger {
    /// Opens the books on a world that has not begun: what is there was there.
    #[must_use]
    pub fn open(world: &mut World, start: SimTime) -> Ledger {
        let mut ledger = Ledger { start, loop_at: SimTime(i64::MIN), ..Ledger::default() };
        ledger.current.since = start;
        ledger.take_effects(world, start);
        for pod in &mut ledger.pods {
            pod.was_running = pod.bound_at.is_some();
        }
        for node in ledger.nodes.values_mut() {
            node.was_there = true;
        }
        ledger.note_state(world, start);
        ledger
    }

    /// Closes the books at `end`.
    pub(crate) fn close(&mut self, world: &mut World, end: SimTime) {
        self.take_effects(world, end);
        self.pass_time(end);
    }

    /// Books what happened at an instant.
    pub(crate) fn note_instant(&mut self, world: &mut World, at: SimTime) {
        self.take_effects(world, at);
        self.note_state(world, at);
    }

    /// Names who decides, for what is said of single pods and nodes.
    pub(crate) fn name_strategy(&mut self, name: &str) {
        name.clone_into(&mut self.strategy);
    }

    /// Books what the scheduler has just tried in vain.
    pub(crate) fn note_tried(&mut self, world: &mut World, at: SimTime) {
        self.take_effects(world, at);
        self.stories.note_unschedulable(&mut world.cluster, at);
    }

    /// Books what a loop found of single pods and nodes.
    pub(crate) fn note_findings(&mut self, findings: Vec<Finding>, at: SimTime) {
        self.stories.note_findings(findings, &self.strategy, at);
    }

    pub(crate) fn begin_loop(&mut self, at: SimTime, reasons: &[Reason]) {
        self.loop_at = at;
        if !reasons.is_empty() {
            self.reasons.push((at, reasons.to_vec()));
        }
    }

    /// What has to be looked up before an action makes it impossible.
    pub(crate) fn before_action(&mut self, world: &World, action: &Action, at: SimTime) {
        match action {
            Action::Evict { pod, serial } => {
                let node = world.cluster.find_pod(*pod).and_then(|one| one.node);
                if let Some(node) = node.and_then(|id| world.cluster.find_node(id)) {
                    self.evicted_from.entry(node.serial).or_default().push(*serial);
                }
            }
            Action::DeleteNode { node, cause, decided_at } => {
                let Some(one) = world.cluster.find_node(*node) else { return };
                self.scale_downs.push(ScaleDownFact {
                    removed_at: at,
                    decided_at: *decided_at,
                    node: Arc::clone(&one.name),
                    group: one.group,
                    cause: *cause,
                    evicted: self.evicted_from.remove(&one.serial).unwrap_or_default(),
                });
            }
            Action::GiveUpScaleDown { node, reason } => {
                let Some(one) = world.cluster.find_node(*node) else { return };
                self.evicted_from.remove(&one.serial);
                self.stories.note_given_up(one.serial, reason, &self.strategy, at);
                let failure = (at, Arc::clone(&one.name), one.group, reason.clone());
                self.scale_down_failures.push(failure);
            }
            Action::DeleteInstances { group, ids, reason } => {
                let words = (*reason, self.strategy.as_str());
                self.stories.note_lost(&world.cluster, *group, ids, words, at);
            }
            _ => {}
        }
    }

    pub(crate) fn after_action(&mut self, action: &Action, outcome: &Outcome, at: SimTime) {
        let done = *outcome == Outcome::Done;
        match action {
            Action::DecreaseTarget { group, by } if done => {
                self.target_decreases.push((at, *group, *by));
            }
            Action::SetCondition { object, condition } if done => {
                let (kind, status) = (&condition.kind, condition.status.as_str());
                let text = format!("{kind}={status} {}: {}", condition.reason, condition.message);
                let subject = Subject::Object(object.to_string());
                self.reasons.push((at, vec![Reason { subject, text }]));
            }
            Action::DeleteNode { .. } if !done => drop(self.scale_downs.pop()),
            Action::Evict { serial, .. } if !done => {
                for evicted in self.evicted_from.values_mut() {
                    evicted.retain(|one| one != serial);
                }
            }
            _ => {}
        }
    }

    fn take_effects(&mut self, world: &mut World, at: SimTime) {
        self.pass_time(at);
        let effects: Vec<Effect> = world.drain_effects().collect();
        for effect in effects {
            self.book(&world.cluster, effect, at);
        }
    }

    fn pass_time(&mut self, to: SimTime) {
        let span = i128::from((to - self.current.since).0);
        let add = |sum: &mut i128, rate: i64| *sum += span * i128::from(rate);
        add(&mut self.usage.cpu_requested, self.current.cpu_requested);
        add(&mut self.usage.cpu_allocatable, self.current.cpu_allocatable);
        add(&mut self.usage.memory_requested, self.current.memory_requested);
        add(&mut self.usage.memory_allocatable, self.current.memory_allocatable);
        self.current.since = to;
    }

    fn book(&mut self, cluster: &Cluster, effect: Effect, at: SimTime) {
        self.stories.book(cluster, &effect, &self.pods, at);
        match effect {
            Effect::PodCreated { serial, name, shape, controller, created_at, .. } => {
                let is_daemon =
                    controller.is_some_and(|id| cluster.workload(id).key.kind == "DaemonSet");
                debug_assert_eq!(serial, self.pods.len() as u64 + 1, "serials count up by one");
                self.pods.push(PodFact {
                    name,
                    shape,
                    controller,
                    is_daemon,
                    created_at: created_at.max(self.start),
                    bound_at: None,
                    group: None,
                    end: None,
                    was_running: false,
                    node: 0,
                });
                self.current.pending += 1;
            }
            Effect::PodBound { serial, node, group } => {
                let (cpu, memory) = self.amounts(cluster, serial);
                let pod = self.pod_mut(serial);
                pod.bound_at = Some(at);
                pod.node = node;
                pod.group = group;
                self.current.pending -= 1;
                self.current.cpu_requested += cpu;
                self.current.memory_requested += memory;
            }
            Effect::PodGone { serial, cause } => {
                let (cpu, memory) = self.amounts(cluster, serial);
                let pod = self.pod_mut(serial);
                pod.end = Some((at, cause));
                if pod.bound_at.is_some() {
                    self.current.cpu_requested -= cpu;
                    self.current.memory_requested -= memory;
                } else {
                    self.current.pending -= 1;
                }
            }
            Effect::PodPreempts { .. } | Effect::PodTerminating { .. } => {}
            Effect::NodeAdded { node, serial, name, group } => {
                self.add_node(cluster, node, serial, name, group, at);
            }
            Effect::NodeRemoved { serial } => {
                let Some(node) = self.nodes.get_mut(&serial) else { return };
                node.removed_at = Some(at);
                self.current.nodes -= 1;
                self.current.cpu_allocatable -= node.cpu_milli;
                self.current.memory_allocatable -= node.memory_bytes;
                self.current.ungrouped_nodes -= u32::from(node.group.is_none());
            }
            Effect::SizeIncreased { group, from, to } => {
                self.scale_ups.push(ScaleUpFact { at, group, from, to });
            }
            Effect::InstancesRemoved { group, names } => {
                self.instances_removed.extend(names.into_iter().map(|name| (at, group, name)));
            }
            Effect::MachinesPaid { group, count } => {
                self.current.paid.insert(group, count);
                self.paid.entry(group).or_default().push((at, count));
            }
        }
    }

    fn add_node(
        &mut self,
        cluster: &Cluster,
        node: NodeId,
        serial: u64,
        name: Arc<str>,
        group: Option<GroupId>,
        at: SimTime,
    ) {
        let alive = cluster.find_node(node).is_some_and(|one| one.serial == serial);
        let amount = |resource| if alive { cluster.allocatable(node, resource) } else { 0 };
        let fact = NodeFact {
            name,
            group,
            added_at: at,
            removed_at: None,
            was_there: false,
            cpu_milli: amount(CPU),
            memory_bytes: amount(MEMORY),
            view: alive.then(|| crate::view::node_view(cluster, node)),
        };
        self.current.nodes += 1;
        self.current.cpu_allocatable += fact.cpu_milli;
        self.current.memory_allocatable += fact.memory_bytes;
        self.current.ungrouped_nodes += u32::from(group.is_none());
        self.nodes.insert(serial, fact);
    }

    fn pod_mut(&mut self, serial: u64) -> &mut PodFact {
        &mut self.pods[usize::try_from(serial - 1).expect("pods fit into memory")]
    }

    fn amounts(&self, cluster: &Cluster, serial: u64) -> (i64, i64) {
        let pod = &self.pods[usize::try_from(serial - 1).expect("pods fit into memory")];
        cluster.cpu_and_memory(pod.shape)
    }

    fn note_state(&mut self, world: &World, at: SimTime) {
        let mut microusd_per_hour = Some(0);
        let mut machines = self.current.ungrouped_nodes;
        for (group, count) in &self.current.paid {
            machines += count;
            let price = world.cluster.group(*group).spec.price_microusd_per_hour;
            if *count > 0 {
                microusd_per_hour = microusd_per_hour
                    .zip(price)
                    .map(|(sum, price): (i64, i64)| sum + price * i64::from(*count));
            }
        }
        let state = StateFact {
            at,
            machines,
            ready_nodes: self.current.nodes,
            pending_pods: self.current.pending,
            microusd_per_hour,
        };
        match self.series.last_mut() {
            Some(last) if last.at == at => *last = state,
            Some(last) if StateFact { at: last.at, ..state } == *last => {}
            _ => self.series.push(state),
        }
    }

    /// When the replay began.
    #[must_use]
    pub fn start(&self) -> SimTime {
        self.start
    }

    /// How long a pod waited, if it was bound after the replay began.
    #[must_use]
    pub fn wait_of(pod: &PodFact) -> Option<SimDuration> {
        if pod.was_running { None } else { pod.bound_at.map(|at| at - pod.created_at) }
    }
}
