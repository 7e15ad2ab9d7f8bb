//! Carrying deletions out: taint, wait, look again, drain, delete, each node by itself.
//!
//! A deletion is a small state machine (`deletion`). [`Deletions::resume`] moves every one of them
//! as far as it gets and gives what to do; [`Deletions::observe`] takes in what became of that.
//!
//! Source: `core/scaledown/actuation` of release 1.36.

mod budgets;
mod deletion;
mod drain;

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_core::drain::{DrainRules, is_daemon_set_pod};
use plimsoll_core::ids::{GroupId, NodeId, PodId};
use plimsoll_core::taints::{Taint, TaintEffect};
use plimsoll_core::{Cluster, SimTime};

use crate::action::{Action, DeletionCause, Outcome};
use crate::settings::Settings;
use crate::taints::TO_BE_DELETED;
use deletion::{Deletion, Stage};

pub use budgets::{Bucket, GroupSize, crop_to_budgets};

/// All deletions in progress, in the order in which they were started.
#[derive(Clone, Debug)]
pub struct Deletions {
    settings: ActuationSettings,
    list: Vec<Deletion>,
    /// By node: the serial of the node that is going; 0 stands for none.
    going: Vec<u64>,
    /// With batches: when the open batch of a group is deleted.
    batches: BTreeMap<GroupId, SimTime>,
    /// Groups that go as a whole and of which a node could not go since the last round of
    /// deletions was begun.
    failed_groups: BTreeSet<GroupId>,
}

/// The flags that the actuator reads.
#[derive(Clone, Debug)]
pub(crate) struct ActuationSettings {
    flags: Settings,
    rules: DrainRules,
}

/// Something that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionEnd {
    /// The node is gone.
    Deleted(GroupId),
    /// The cloud refused to delete it.
    Refused(GroupId),
    /// It could not be tainted, so that the deletion never started.
    NotStarted(GroupId),
}

/// A node whose deletion is to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeletionStart {
    /// The node.
    pub node: NodeId,
    /// Whether its pods have to move first.
    pub cause: DeletionCause,
    /// Of a group that goes as a whole: it waits until so many of its nodes are ready to go.
    pub batch_size: Option<usize>,
}

impl Deletions {
    /// None in progress.
    #[must_use]
    pub fn new(settings: &Settings, rules: &DrainRules) -> Deletions {
        let settings = ActuationSettings { flags: settings.clone(), rules: rules.clone() };
        Deletions {
            settings,
            list: Vec::new(),
            going: Vec::new(),
            batches: BTreeMap::new(),
            failed_groups: BTreeSet::new(),
        }
    }

    /// A loop has got to where it may start deletions, whether or not it starts any: what failed
    /// before is forgotten. Nodes that wait for one that failed before then wait for ever, as
    /// upstream's do.
    pub fn begin_round(&mut self) {
        self.failed_groups.clear();
    }

    /// Whether the next [`Self::begin_round`] would forget anything.
    #[must_use]
    pub fn remembers_failures(&self) -> bool {
        !self.failed_groups.is_empty()
    }

    /// Starts deletions: each node is tainted and cordoned at once.
    ///
    /// # Panics
    /// When a node belongs to no group or is being deleted already.
    pub fn start(
        &mut self,
        cluster: &Cluster,
        starts: &[DeletionStart],
        now: SimTime,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        for start in starts {
            let node = cluster.node(start.node);
            assert!(!self.is_going(start.node), "node {} is deleted twice", node.name);
            let group = node.group.expect("candidates belong to groups");
            if self.going.len() <= start.node.index() {
                self.going.resize(start.node.index() + 1, 0);
            }
            self.going[start.node.index()] = node.serial;
            self.list.push(Deletion::new(start, group, node.serial, now));
            let mut taints = cluster.node_taints(start.node).to_vec();
            taints.retain(|taint| taint.key != TO_BE_DELETED);
            taints.push(Taint {
                key: TO_BE_DELETED.to_owned(),
                value: now.as_seconds().to_string(),
                effect: TaintEffect::NoSchedule,
            });
            let cordons = self.settings.flags.cordon_node_before_terminating;
            let unschedulable = cordons || node.unschedulable;
            actions.push(Action::SetTaints { node: start.node, taints, unschedulable });
        }
        actions
    }

    /// Goes on with everything that is due.
    pub fn resume(&mut self, cluster: &Cluster, now: SimTime) -> Vec<Action> {
        let mut actions = Vec::new();
        self.batches.retain(|_, at| *at > now);
        loop {
            for one in &mut self.list {
                let failed_before = one.has_failed();
                one.advance(cluster, &self.settings, &mut self.batches, now, &mut actions);
                if one.batch_size.is_some() && one.has_failed() && !failed_before {
                    self.failed_groups.insert(one.group);
                }
            }
            if !self.release_queues(now) {
                break;
            }
        }
        self.drop_ended();
        actions
    }

    /// Lets groups that go as a whole go, once all of their nodes are ready, and gives them up where
    /// one has failed. Whether any deletion goes on.
    fn release_queues(&mut self, now: SimTime) -> bool {
        let mut queued: BTreeMap<GroupId, usize> = BTreeMap::new();
        for one in self.list.iter().filter(|one| one.stage == Stage::Queued) {
            *queued.entry(one.group).or_default() += 1;
        }
        let mut any = false;
        let interval = self.settings.flags.node_deletion_batcher_interval;
        for one in self.list.iter_mut().filter(|one| one.stage == Stage::Queued) {
            if self.failed_groups.contains(&one.group) {
                let reason = "couldn't scale down other nodes in this node group".to_owned();
                one.stage = Stage::GivingUp { reason, since: now };
            } else if one.batch_size.is_none_or(|size| queued[&one.group] >= size) {
                one.stage = deletion::batched(one.group, interval, &mut self.batches, now);
            } else {
                continue;
            }
            any = true;
        }
        any
    }

    /// When something goes on by itself; `None` while nothing is in progress, or everything waits for
    /// outcomes.
    #[must_use]
    pub fn next_resume(&self) -> Option<SimTime> {
        self.list.iter().filter_map(Deletion::due).min()
    }

    /// Takes in what became of an action. Actions of others are passed over.
    pub fn observe(
        &mut self,
        action: &Action,
        outcome: &Outcome,
        now: SimTime,
    ) -> Option<DeletionEnd> {
        let done = *outcome == Outcome::Done;
        let end = match action {
            Action::SetTaints { node, .. } => self.observe_taint(*node, done, now),
            Action::Evict { pod, serial } => {
                self.list.iter_mut().any(|one| one.observe_eviction(*pod, *serial, done, now));
                None
            }
            Action::DeleteNode { node, .. } => {
                let one =
                    self.list.iter_mut().find(|one| one.node == *node && one.is_deleting())?;
                Some(one.observe_delete(outcome, now))
            }
            _ => None,
        };
        self.drop_ended();
        end
    }

    /// A node that cannot be tainted takes back the deletions that were started with it.
    fn observe_taint(&mut self, node: NodeId, done: bool, now: SimTime) -> Option<DeletionEnd> {
        let index =
            self.list.iter().position(|one| one.node == node && one.stage == Stage::Tainting)?;
        if done {
            self.list[index].tainted(&self.settings, now);
            return None;
        }
        let failed = &mut self.list[index];
        let (group, started_at, cause) = (failed.group, failed.started_at, failed.cause);
        failed.stage = Stage::Ended;
        let same_loop = self.list.iter_mut().filter(|one| one.started_at == started_at);
        for one in same_loop {
            // Empty nodes are tainted first, and drained ones only after that went well.
            if one.cause == cause || cause == DeletionCause::Empty {
                one.take_back(now);
            }
        }
        Some(DeletionEnd::NotStarted(group))
    }

    fn drop_ended(&mut self) {
        let going = &mut self.going;
        self.list.retain(|one| {
            let ended = one.stage == Stage::Ended;
            if ended && going[one.node.index()] == one.serial {
                going[one.node.index()] = 0;
            }
            !ended
        });
    }

    /// Whether this node is being deleted.
    #[must_use]
    pub fn is_going(&self, node: NodeId) -> bool {
        self.going.get(node.index()).is_some_and(|serial| *serial > 0)
    }

    /// Forgets deletions of nodes that are gone by other means, so that a new node with the same
    /// id is not taken for the old one.
    pub fn forget_gone_nodes(&mut self, cluster: &Cluster) {
        for one in &mut self.list {
            if one.is_gone(cluster) {
                one.stage = Stage::Ended;
            }
        }
        self.drop_ended();
    }

    /// The nodes being deleted, in the order in which their deletions were started, and whether
    /// they are drained.
    pub fn in_progress(&self) -> impl Iterator<Item = (NodeId, DeletionCause)> + '_ {
        self.list.iter().map(|one| (one.node, one.cause))
    }

    /// How many nodes of a group are being deleted.
    #[must_use]
    pub fn count_of_group(&self, group: GroupId) -> usize {
        self.list.iter().filter(|one| one.group == group).count()
    }

    /// How many deletions are in progress: of empty nodes, and with a drain.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let drains =
            self.list.iter().filter(|one| one.cause == DeletionCause::Underutilized).count();
        (self.list.len() - drains, drains)
    }

    /// The pods on nodes that are being drained and that will be made anew: the loop counts them as
    /// pending already.
    #[must_use]
    pub fn pods_being_drained(&self, cluster: &Cluster) -> Vec<PodId> {
        let drained = self
            .list
            .iter()
            .filter(|one| one.cause == DeletionCause::Underutilized && !one.is_gone(cluster));
        drained
            .flat_map(|one| cluster.node(one.node).pods.iter().copied())
            .filter(|pod| {
                let state = cluster.pod(*pod);
                state.deletion_at.is_none()
                    && !cluster.shape(state.shape).is_mirror
                    && !is_daemon_set_pod(cluster, *pod)
            })
            .collect()
    }

    /// The pods that draining the node would evict: all but mirror and DaemonSet pods, and those that
    /// count nowhere.
    #[must_use]
    pub fn pods_to_evict(&self, cluster: &Cluster, node: NodeId) -> Vec<PodId> {
        drain::pods_to_evict(cluster, node, &self.settings)
    }
}

/// The taints of a node without the one of its deletion.
fn without_deletion_taint(cluster: &Cluster, node: NodeId) -> Vec<Taint> {
    let taints = cluster.node_taints(node).iter();
    taints.filter(|taint| taint.key != TO_BE_DELETED).cloned().collect()
}

/// Takes the taints of unfinished deletions off all nodes of groups, as a fresh autoscaler does, and
/// the soft taints too where they are turned off.
#[must_use]
pub fn clean_up_taints(cluster: &Cluster, settings: &Settings) -> Vec<Action> {
    let mut actions = Vec::new();
    for (id, node) in cluster.nodes() {
        if node.group.is_none() {
            continue;
        }
        let is_marked = cluster.node_taints(id).iter().any(|taint| taint.key == TO_BE_DELETED);
        let drops_soft = settings.max_bulk_soft_taint_count == 0;
        let mut taints = without_deletion_taint(cluster, id);
        if drops_soft {
            taints.retain(|taint| taint.key != crate::taints::DELETION_CANDIDATE);
        }
        let uncordons = is_marked && settings.cordon_node_before_terminating;
        if taints.len() != cluster.node_taints(id).len() {
            let unschedulable = node.unschedulable && !uncordons;
            actions.push(Action::SetTaints { node: id, taints, unschedulable });
        }
    }
    actions
}
