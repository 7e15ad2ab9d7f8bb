//! Scale-down: which nodes are not needed, and how they go.
//!
//! Each loop simulates what would happen without each node that little is asked of (`planner`); a
//! node that stays unneeded long enough is deleted ([`crate::actuation`]), as far as cooldowns,
//! minimum sizes and limits on parallel deletions allow.
//!
//! Source: `core/scaledown` of Cluster Autoscaler release 1.36.

mod atomic;
mod candidate_rows;
mod candidates;
mod cooldown;
mod findings;
mod hints;
mod minimums;
mod planner;
mod simulation;
mod soft_taints;
mod taint_facts;
mod told;
mod unneeded;
mod unremovable;
mod utilization;
mod verdicts;
mod words;

pub use cooldown::before_start;
pub use unneeded::UnneededNode;
pub use unremovable::UnremovableReason;
pub use utilization::Utilization;

use plimsoll_core::ids::{GroupId, NodeId, PodId};
use plimsoll_core::{Cluster, Fork, PodPhase, SimDuration, SimTime};

use crate::action::DeletionCause;
use crate::actuation::{Bucket, DeletionEnd, DeletionStart, Deletions, crop_to_budgets};
use crate::finding::Word;
use crate::loop_context::LoopContext;
use crate::settings::Settings;
use crate::{Action, Finding, Outcome, Reason};
use candidates::is_disabled_by_annotation;
use cooldown::Cooldowns;
use minimums::Minimums;
use planner::Planner;
use told::Told;
use words::Holder;

/// The scale-down half of the autoscaler.
#[derive(Clone, Debug)]
pub struct ScaleDown {
    settings: Settings,
    planner: Planner,
    cooldowns: Cooldowns,
    deletions: Deletions,
    told: Told,
    is_first_loop: bool,
}

/// What one loop's scale-down came to.
#[derive(Clone, Debug)]
pub struct ScaleDownOutcome {
    /// What to do, in this order: taints of deletions that start, then soft taints.
    pub actions: Vec<Action>,
    /// What is new since the last loop.
    pub reasons: Vec<Reason>,
    /// The result, in upstream's words.
    pub result: ScaleDownResult,
    /// The nodes whose deletion starts, in the order in which they are tainted.
    pub started: Vec<StartedScaleDown>,
    /// While the cluster's version and the fork that loops begin with stay what they were, loops
    /// before this instant would find and do nothing new, and may be left out if the next loop comes
    /// on the grid of `scan-interval`. `None`: the next loop must run.
    pub idle_until: Option<SimTime>,
}

/// The result of a loop's scale-down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScaleDownResult {
    /// Deletions have started.
    NodeDeleteStarted,
    /// There are candidates, but none may go now.
    NoNodeDeleted,
    /// No node is a candidate.
    NoCandidates,
    /// Something else happened too short a time ago.
    InCooldown,
    /// Scale-down is turned off, or the loop ended before it.
    NotTried,
    /// Deletions could not start.
    Error,
}

impl ScaleDownResult {
    /// Upstream's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ScaleDownResult::NodeDeleteStarted => "NodeDeleteStarted",
            ScaleDownResult::NoNodeDeleted => "NoNodeDeleted",
            ScaleDownResult::NoCandidates => "NoCandidates",
            ScaleDownResult::InCooldown => "InCooldown",
            ScaleDownResult::NotTried => "NotTried",
            ScaleDownResult::Error => "Error",
        }
    }
}

/// A node whose deletion starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedScaleDown {
    /// The node.
    pub node: NodeId,
    /// Its group.
    pub group: GroupId,
    /// Whether its pods have to move.
    pub cause: DeletionCause,
    /// The pods that run on it and for which the planner found another place, in the order of the
    /// node's list.
    pub moves: Vec<PodId>,
    /// The pods that a drain will evict; none from an empty node.
    pub evicts: Vec<PodId>,
}

impl ScaleDown {
    /// A fresh one, in no cooldown of its own.
    #[must_use]
    pub fn new(settings: &Settings) -> ScaleDown {
        let planner = Planner::new(settings);
        ScaleDown {
            settings: settings.clone(),
            deletions: Deletions::new(settings, &planner.rules),
            planner,
            cooldowns: Cooldowns::new(settings),
            told: Told::default(),
            is_first_loop: true,
        }
    }

    /// Plans, and starts what may start. The fork is as it was when this returns.
    pub fn plan_and_start(
        &mut self,
        fork: &mut Fork<'_>,
        context: &LoopContext<'_>,
        now: SimTime,
    ) -> ScaleDownOutcome {
        if !self.settings.scale_down_enabled {
            let text = "scale-down is disabled (scale-down-enabled: false)";
            let word = Word::new("ScaleDownDisabled", text);
            self.planner.findings.words.note_cluster(Some((word, None)));
            return not_tried();
        }
        self.begin(fork, context, now);
        let deletions = &self.deletions;
        let is_going = |node: NodeId| deletions.is_going(node);
        let stay = self.planner.plan(fork, context, &self.cooldowns, &is_going, now);
        let mut reasons = self.told.unremovable(fork, &stay);
        self.told.unneeded(fork, self.planner.unneeded.list(), now, &mut reasons);
        self.note_unneeded(fork, context);
        let cooldown_ends = self.cooldowns.end(context);
        let (result, mut actions, started) = if context.scale_down_disabled || now < cooldown_ends {
            (ScaleDownResult::InCooldown, Vec::new(), Vec::new())
        } else if !self.planner.candidates.any {
            (ScaleDownResult::NoCandidates, Vec::new(), Vec::new())
        } else {
            self.start(fork, context, now)
        };
        told::started(fork, &started, &mut reasons);
        self.tell_words(fork, context, &started, now);
        if self.settings.max_bulk_soft_taint_count > 0 {
            soft_taints::update(
                fork,
                context.nodes,
                &self.planner.unneeded,
                &mut self.planner.taints,
                as_size(self.settings.max_bulk_soft_taint_count),
                &mut actions,
                now,
            );
        }
        let idle_until = if actions.is_empty() && !context.scale_down_disabled {
            self.idle_until(fork, context, cooldown_ends, now)
        } else {
            None
        };
        self.planner.promise_idleness(idle_until.is_some());
        ScaleDownOutcome { actions, reasons, result, started, idle_until }
    }

    /// Whether no cooldown of the whole cluster keeps deletions from starting in a loop like this.
    pub(crate) fn may_start(&self, context: &LoopContext<'_>, now: SimTime) -> bool {
        self.settings.scale_down_enabled
            && !context.scale_down_disabled
            && now >= self.cooldowns.end(context)
    }

    fn note_unneeded(&mut self, cluster: &Cluster, context: &LoopContext<'_>) {
        if !self.planner.findings.words.are_told {
            return;
        }
        let mut words = std::mem::take(&mut self.planner.findings.words);
        for one in self.planner.unneeded.list() {
            words.note_unneeded(one, || self.ripe_from(cluster, context, one));
        }
        self.planner.findings.words = words;
    }

    /// Tells of nodes what the last loop did not find.
    fn tell_words(
        &mut self,
        cluster: &Cluster,
        context: &LoopContext<'_>,
        started: &[StartedScaleDown],
        now: SimTime,
    ) {
        if !self.planner.findings.words.are_told {
            return;
        }
        let cooldown = self.cooldowns.last_to_end(context).filter(|(end, ..)| now < *end);
        let word = if context.scale_down_disabled {
            let text = "scale-down waits: pods of a burst are still coming";
            Some((Word::new("InCooldown", text), None))
        } else {
            cooldown.map(|(end, flag, delay)| (words::cooldown_word(flag, delay), Some(end)))
        };
        let planner = &mut self.planner;
        planner.findings.words.note_cluster(word);
        planner.findings.words.note_started(cluster, started);
        planner.findings.words.tell(cluster, &mut planner.utilization, &self.settings, now);
    }

    /// From now on what changes about nodes is told in [`Self::take_findings`].
    pub fn tell_findings(&mut self) {
        self.planner.findings.words.are_told = true;
    }

    /// What the last loop found of nodes that the one before had not.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        self.planner.findings.words.take()
    }

    fn begin(&mut self, cluster: &Cluster, context: &LoopContext<'_>, now: SimTime) {
        self.deletions.forget_gone_nodes(cluster);
        if !std::mem::take(&mut self.is_first_loop) {
            return;
        }
        let ttl = self.settings.node_deletion_candidate_ttl;
        if ttl <= SimDuration::ZERO {
            return;
        }
        let taints = &mut self.planner.taints;
        let times: Vec<(NodeId, SimTime)> = context
            .nodes
            .iter()
            .filter_map(|node| Some((*node, taints.of(cluster, *node).candidate_since?)))
            .filter(|(_, since)| *since + ttl >= now)
            .collect();
        self.planner.unneeded.restore(cluster, &times);
    }

    /// Starts the deletion of nodes that are ripe, as far as the budgets go.
    fn start(
        &mut self,
        cluster: &Cluster,
        context: &LoopContext<'_>,
        now: SimTime,
    ) -> (ScaleDownResult, Vec<Action>, Vec<StartedScaleDown>) {
        let (empty, drains) = self.ripe_nodes(cluster, context, now);
        self.deletions.begin_round();
        let in_progress = self.deletions.counts();
        let (settings, size_of) =
            (&self.settings, |group| atomic::size_of(cluster, context, group));
        let (empty_now, drains_now) =
            crop_to_budgets(settings, in_progress, &empty, &drains, &size_of);
        let mut starts = starts_of(empty_now, DeletionCause::Empty);
        starts.extend(starts_of(drains_now, DeletionCause::Underutilized));
        for (node, _) in empty.iter().chain(&drains) {
            if !starts.iter().any(|start| start.node == *node) {
                self.note_held(cluster, *node, Holder::Budget);
            }
        }
        if starts.is_empty() {
            return (ScaleDownResult::NoNodeDeleted, Vec::new(), Vec::new());
        }
        let started = starts.iter().map(|one| self.describe(cluster, one)).collect();
        let actions = self.deletions.start(cluster, &starts, now);
        self.cooldowns.last_delete = Some(now);
        (ScaleDownResult::NodeDeleteStarted, actions, started)
    }

    /// The nodes that may go now: empty ones, and ones to drain, those that are not risky first.
    fn ripe_nodes(
        &mut self,
        cluster: &Cluster,
        context: &LoopContext<'_>,
        now: SimTime,
    ) -> (Vec<NodeOfGroup>, Vec<NodeOfGroup>) {
        let list = self.planner.unneeded.list();
        if !self.planner.findings.are_kept
            && !list.iter().any(|one| self.ripe_from(cluster, context, one) <= now)
        {
            return (Vec::new(), Vec::new());
        }
        let deletions = &self.deletions;
        let is_going = |node: NodeId| deletions.is_going(node);
        let mut minimums = Minimums::count(cluster, context, &is_going);
        let mut sizes: Vec<usize> = cluster
            .groups()
            .map(|(id, _)| {
                as_size(context.targets[id.index()]).saturating_sub(deletions.count_of_group(id))
            })
            .collect();
        let mut ripe: Vec<&UnneededNode> = Vec::new();
        let (empty, drains): (Vec<_>, Vec<_>) = list.iter().partition(|one| !one.needs_drain);
        let mut held = Vec::new();
        for one in empty.into_iter().chain(drains) {
            match self.reason_to_wait(cluster, context, one, &mut sizes, &mut minimums, now) {
                Some(reason) => held.push((one.node, reason)),
                None => ripe.push(one),
            }
        }
        // Stable: among equals the order of the planner stays.
        ripe.sort_by_key(|one| (one.needs_drain, one.is_risky));
        let ripe = atomic::whole_groups_last(cluster, context, ripe, &mut held);
        let (waits, goes): (Vec<_>, Vec<_>) =
            ripe.into_iter().partition(|one| one.awaits_completion);
        held.extend(
            waits.iter().map(|one| (one.node, UnremovableReason::BlockedByOnCompletionPod)),
        );
        let (drains, empty): (Vec<_>, Vec<_>) = goes.into_iter().partition(|one| one.needs_drain);
        let ids = |list: Vec<&UnneededNode>| {
            list.iter().map(|one| (one.node, group_of(cluster, one.node))).collect()
        };
        let answer = (ids(empty), ids(drains));
        for (node, reason) in held {
            self.planner.findings.unremovable(node, reason);
            let is_implied = matches!(
                reason,
                UnremovableReason::NotUnneededLongEnough | UnremovableReason::NotUnreadyLongEnough
            );
            if !is_implied {
                self.note_held(cluster, node, Holder::Reason(reason));
            }
        }
        answer
    }

    /// Notes what keeps a node that has been unneeded for long enough.
    fn note_held(&mut self, cluster: &Cluster, node: NodeId, by: Holder) {
        let unneeded = &self.planner.unneeded;
        if let Some(place) = unneeded.place(node, cluster.node(node).serial) {
            self.planner.findings.words.note_held(&unneeded.list()[place], by);
        }
    }

    /// Why an unneeded node does not go yet; `None` takes it out of the sizes and sums.
    fn reason_to_wait(
        &self,
        cluster: &Cluster,
        context: &LoopContext<'_>,
        one: &UnneededNode,
        sizes: &mut [usize],
        minimums: &mut Minimums,
        now: SimTime,
    ) -> Option<UnremovableReason> {
        if is_disabled_by_annotation(cluster, one.node) {
            return Some(UnremovableReason::ScaleDownDisabledAnnotation);
        }
        if self.ripe_from(cluster, context, one) > now {
            return Some(if context.is_ready(one.node) {
                UnremovableReason::NotUnneededLongEnough
            } else {
                UnremovableReason::NotUnreadyLongEnough
            });
        }
        let group = group_of(cluster, one.node);
        if sizes[group.index()] <= as_size(cluster.group(group).spec.min_size) {
            return Some(UnremovableReason::NodeGroupMinSizeReached);
        }
        if !minimums.try_take(cluster, one.node) {
            return Some(UnremovableReason::MinimalResourceLimitExceeded);
        }
        sizes[group.index()] -= 1;
        None
    }

    /// The first instant at which the node has been unneeded for long enough: strictly longer than
    /// the flag says, except that no time at all is over at once.
    fn ripe_from(
        &self,
        cluster: &Cluster,
        context: &LoopContext<'_>,
        one: &UnneededNode,
    ) -> SimTime {
        let options = self.settings.of_group(&cluster.group(group_of(cluster, one.node)).spec);
        let time = if context.is_ready(one.node) {
            options.scale_down_unneeded_time
        } else {
            options.scale_down_unready_time
        };
        if time <= SimDuration::ZERO { one.since } else { one.since + time + TICK }
    }

    fn describe(&self, cluster: &Cluster, start: &DeletionStart) -> StartedScaleDown {
        let state = cluster.node(start.node);
        let unneeded = &self.planner.unneeded;
        let place = unneeded.place(start.node, state.serial).expect("only unneeded nodes start");
        let runs_here = |pod: &PodId| {
            let pod = cluster.pod(*pod);
            pod.node == Some(start.node) && pod.phase == PodPhase::Running
        };
        let moved = &self.planner.simulation.moved[unneeded.list()[place].moved.clone()];
        let moves = moved.iter().copied().filter(runs_here).collect();
        let evicts = match start.cause {
            DeletionCause::Empty => Vec::new(),
            DeletionCause::Underutilized => {
                let pods = self.deletions.pods_to_evict(cluster, start.node);
                pods.into_iter().filter(|pod| runs_here(pod)).collect()
            }
        };
        let group = group_of(cluster, start.node);
        StartedScaleDown { node: start.node, group, cause: start.cause, moves, evicts }
    }

    /// See [`ScaleDownOutcome::idle_until`].
    fn idle_until(
        &self,
        cluster: &Cluster,
        context: &LoopContext<'_>,
        cooldown_ends: SimTime,
        now: SimTime,
    ) -> Option<SimTime> {
        if self.deletions.remembers_failures() {
            return None;
        }
        let mut until = self.planner.holds_until()?;
        let (empty, drains) = self.deletions.counts();
        for one in self.planner.unneeded.list() {
            let ripe_from = self.ripe_from(cluster, context, one);
            if ripe_from > now {
                until = until.min(ripe_from.max(cooldown_ends));
            } else if cooldown_ends > now {
                until = until.min(cooldown_ends);
            } else if empty + drains > 0 {
                // It may go as soon as a deletion in progress has ended.
                return None;
            }
        }
        (until > now).then_some(until)
    }

    /// A loop that ended before scale-down: nothing was planned.
    pub fn pass(&mut self) {
        self.planner.pass();
    }

    /// Forgets which nodes are unneeded, as upstream does while the cluster is unhealthy.
    pub fn forget_unneeded(&mut self) {
        self.planner.unneeded.clear();
    }

    /// The next loop looks at all nodes even if they seem to be the same.
    pub(crate) fn look_anew(&mut self) {
        self.planner.candidates.look_anew();
    }

    /// Goes on with deletions in progress; see [`crate::NodeAutoscaler::resume`].
    pub fn resume(&mut self, cluster: &Cluster, now: SimTime) -> Vec<Action> {
        self.deletions.resume(cluster, now)
    }

    /// When a deletion in progress goes on by itself.
    #[must_use]
    pub fn next_resume(&self) -> Option<SimTime> {
        self.deletions.next_resume()
    }

    /// What became of an action of this half; actions of the other half are passed over.
    pub fn observe(
        &mut self,
        action: &Action,
        outcome: &Outcome,
        _cluster: &Cluster,
        now: SimTime,
    ) {
        match self.deletions.observe(action, outcome, now) {
            Some(DeletionEnd::Deleted(group)) => self.cooldowns.node_deleted(group, now),
            Some(DeletionEnd::Refused(group)) => self.cooldowns.deletion_refused(group, now),
            Some(DeletionEnd::NotStarted(_)) => self.cooldowns.last_failure = Some(now),
            None => {}
        }
    }

    /// Takes over when, before the first loop, a deletion was last started and last failed to start.
    pub fn restore_cooldowns(
        &mut self,
        last_delete: Option<SimTime>,
        last_failure: Option<SimTime>,
    ) {
        self.cooldowns.restore(last_delete, last_failure);
    }

    /// No loop was left out since the last one, whatever was promised then.
    pub(crate) fn take_back_promise(&mut self) {
        self.planner.promise_idleness(false);
    }

    /// From now on every loop keeps all that [`Self::unremovable`] and [`Self::utilization`] tell.
    pub fn keep_findings(&mut self) {
        self.planner.findings.are_kept = true;
    }

    /// Somebody asked for the deletion of a pod that is still there long after: from the next loop
    /// on, the pods of busy nodes are looked at one by one, as those past their end count nowhere. The
    /// first loop looks anyway.
    pub fn note_terminating_pod(&mut self) {
        self.planner.utilization.looks_at_terminating = true;
    }

    /// The deletions in progress.
    #[must_use]
    pub fn deletions(&self) -> &Deletions {
        &self.deletions
    }

    /// The nodes that the last loop found unneeded, also those whose deletion starts, in the order
    /// in which it took them away.
    #[must_use]
    pub fn unneeded(&self) -> &[UnneededNode] {
        self.planner.unneeded.list()
    }

    /// Why candidates stay, as of the last loop, by node; the last word on a node counts. Needs
    /// [`Self::keep_findings`].
    #[must_use]
    pub fn unremovable(&self) -> Vec<(NodeId, UnremovableReason)> {
        let mut last = std::collections::BTreeMap::new();
        for (node, reason) in &self.planner.findings.unremovable {
            last.insert(*node, *reason);
        }
        last.into_iter().collect()
    }

    /// What earlier simulations found unremovable, until it is looked at again.
    pub fn recently_unremovable(&self) -> impl Iterator<Item = (NodeId, UnremovableReason)> + '_ {
        self.planner.remembered()
    }

    /// The utilization of each node that the last loop looked at, by node. Needs
    /// [`Self::keep_findings`].
    #[must_use]
    pub fn utilization(&self) -> &[(NodeId, Utilization)] {
        &self.planner.findings.utilization
    }

    /// The last loop that started a deletion.
    #[must_use]
    pub fn last_delete(&self) -> Option<SimTime> {
        self.cooldowns.last_delete
    }

    /// The last time that a deletion could not be started.
    #[must_use]
    pub fn last_failure(&self) -> Option<SimTime> {
        self.cooldowns.last_failure
    }
}

/// A node and its group.
type NodeOfGroup = (NodeId, GroupId);

/// The smallest step of time.
const TICK: SimDuration = SimDuration(1);

fn not_tried() -> ScaleDownOutcome {
    ScaleDownOutcome {
        actions: Vec::new(),
        reasons: Vec::new(),
        result: ScaleDownResult::NotTried,
        started: Vec::new(),
        idle_until: Some(SimTime::MAX),
    }
}

fn starts_of(buckets: Vec<Bucket>, cause: DeletionCause) -> Vec<DeletionStart> {
    let starts = buckets.into_iter().flat_map(|bucket| {
        let batch_size = bucket.batch_size;
        bucket.nodes.into_iter().map(move |node| DeletionStart { node, cause, batch_size })
    });
    starts.collect()
}

fn group_of(cluster: &Cluster, node: NodeId) -> GroupId {
    cluster.node(node).group.expect("candidates belong to groups")
}

fn as_size(flag: u32) -> usize {
    usize::try_from(flag).expect("usize is at least 32 bits wide")
}

#[cfg(test)]
mod tests;
