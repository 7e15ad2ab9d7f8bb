//! What if this node went: would all of its pods find another place?

use std::hash::{Hash, Hasher};

use plimsoll_core::drain::{self, BlockingReason, DrainRules, DrainVerdict};
use plimsoll_core::ids::{NodeId, PodId, ShapeId};
use plimsoll_core::scheduling::NodeSet;
use plimsoll_core::{Cluster, Fork, SimTime};
use rustc_hash::FxHasher;

use super::hints::Hints;
use super::unremovable::{Remembered, UnremovableReason};
use super::verdicts::Verdicts;

/// One loop's simulations. Nodes that can go are taken away one after the other: what is tried next
/// sees their pods in their new places.
///
/// The search for a place goes on after the node that was found last and begins anew with the first
/// node in each loop. (Upstream's goes on from loop to loop.)
#[derive(Clone, Debug, Default)]
pub(super) struct Simulation {
    /// Pods may move there.
    destinations: NodeSet,
    next_start: u32,
    pub(super) hints: Hints,
    /// Pods that were moved for good, node by node.
    pub(super) moved: Vec<PodId>,
    /// A digest of everything that was moved for good.
    pub(super) trace: u64,
    /// A pod was moved twice, so that the next loop will try another place first.
    pub(super) is_disturbed: bool,
    /// A hint was there to be looked at, in the last node's simulation.
    pub(super) used_hints: bool,
    /// From then on the verdict on a pod of the node that was tried last may differ although
    /// nothing else changes.
    pub(super) node_holds_until: SimTime,
    /// The same for all nodes that can go.
    pub(super) verdicts_hold_until: SimTime,
    pods: Vec<PodId>,
    /// On the pods of the node that is tried.
    verdicts: Verdicts,
    /// Shapes of pods of the node that is tried of which it is known that one fits elsewhere.
    movable: Vec<ShapeId>,
}

/// The answer for one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trial {
    /// It can go; its pods are in [`Simulation::moved`] from this place on.
    Removable { first_moved: usize, is_risky: bool, awaits_completion: bool },
    /// This pod cannot move.
    Blocked(PodId, BlockingReason),
    /// A pod found no place. It is named where it fits on no other node even if nothing else is
    /// moved: then the same is found for as long as that is so.
    NoPlace(Option<PodId>),
}

impl Simulation {
    /// Begins a loop in which pods may move to `destinations`.
    pub(super) fn begin(&mut self, destinations: &[NodeId], is_going: &impl Fn(NodeId) -> bool) {
        self.destinations.clear();
        for node in destinations.iter().filter(|node| !is_going(**node)) {
            self.destinations.insert(*node);
        }
        self.next_start = 0;
        self.hints.begin_loop();
        self.moved.clear();
        self.trace = 0;
        self.is_disturbed = false;
        self.verdicts_hold_until = SimTime::MAX;
    }

    /// Tries to take a node away, and leaves it away on `fork` if all of its pods find a place.
    pub(super) fn take_away(
        &mut self,
        fork: &mut Fork<'_>,
        node: NodeId,
        rules: &DrainRules,
        now: SimTime,
    ) -> Trial {
        self.used_hints = false;
        let awaits_completion = match self.judge_pods(fork, node, rules, now) {
            Ok(awaits_completion) => awaits_completion,
            Err((pod, reason)) => return Trial::Blocked(pod, reason),
        };
        // A pod that fits nowhere else settles it before anything is moved. Moving other pods only
        // takes room away, so that moving them first could not help it, unless it wants them near,
        // or away.
        if let Some(stuck) = self.find_stuck(fork, node) {
            return Trial::NoPlace(Some(stuck));
        }
        let first_moved = self.moved.len();
        if self.pods.is_empty() {
            fork.forget_claims_on(node);
        } else if !self.first_has_place(fork, node) || !self.move_pods(fork, node, now) {
            self.moved.truncate(first_moved);
            return Trial::NoPlace(None);
        }
        self.destinations.remove(node);
        self.verdicts_hold_until = self.verdicts_hold_until.min(self.node_holds_until);
        self.note_trace(fork, node, first_moved);
        let is_risky = !drain::use_budgets(fork, &self.moved[first_moved..]);
        Trial::Removable { first_moved, is_risky, awaits_completion }
    }

    /// Lists the pods of a node that have to move, and says whether others are left to finish first;
    /// or the first pod that cannot move.
    fn judge_pods(
        &mut self,
        cluster: &Cluster,
        node: NodeId,
        rules: &DrainRules,
        now: SimTime,
    ) -> Result<bool, (PodId, BlockingReason)> {
        self.node_holds_until = SimTime::MAX;
        let mut awaits_completion = false;
        self.pods.clear();
        self.verdicts.clear();
        for pod in &cluster.node(node).pods {
            let (verdict, is_of_kind) = self.verdicts.of(cluster, *pod, rules, now, drain::judge);
            if !is_of_kind && let Some(until) = drain::judged_until(cluster, *pod, rules, now) {
                self.node_holds_until = self.node_holds_until.min(until);
            }
            match verdict {
                DrainVerdict::Skip | DrainVerdict::DaemonSet => {}
                DrainVerdict::Move => self.pods.push(*pod),
                DrainVerdict::AwaitCompletion => awaits_completion = true,
                DrainVerdict::Blocked(reason) => return Err((*pod, reason)),
            }
        }
        Ok(awaits_completion)
    }

    /// The first pod that fits on no other node even now.
    fn find_stuck(&mut self, fork: &mut Fork<'_>, node: NodeId) -> Option<PodId> {
        self.movable.clear();
        for pod in &self.pods {
            let shape = fork.pod(*pod).shape;
            if self.movable.contains(&shape) {
                continue;
            }
            if !fork.looks_beyond_nodes(shape) && !fork.fits_elsewhere(shape, node) {
                return Some(*pod);
            }
            self.movable.push(shape);
        }
        None
    }

    /// False when the first pod has no place to go to, so that nothing has to be taken off the node
    /// to find that out. Where other pods matter nothing is known before.
    fn first_has_place(&mut self, fork: &mut Fork<'_>, node: NodeId) -> bool {
        let pod = self.pods[0];
        let shape = fork.pod(pod).shape;
        if fork.looks_beyond_nodes(shape) {
            return true;
        }
        if let Some(hint) = self.hints.get(fork, pod) {
            self.used_hints = true;
            if hint != node && self.destinations.contains(hint) && fork.fits(shape, hint) {
                return true;
            }
        }
        self.search(fork, shape, node).is_some()
    }

    /// Whether another look at a remembered node, with the others away that can go, would find just the
    /// same: the same pod may not move, or the pod that found no place still fits nowhere else. Time
    /// alone changes nothing about that.
    pub(super) fn stays_stuck(
        &mut self,
        away: &mut Fork<'_>,
        remembered: &Remembered,
        rules: &DrainRules,
        now: SimTime,
    ) -> bool {
        let node = remembered.node;
        if !remembered.is_still_stuck(away) {
            return false;
        }
        let judged = self.judge_pods(away, node, rules, now);
        if self.node_holds_until != SimTime::MAX {
            return false;
        }
        match judged {
            Err((pod, reason)) => remembered.reason == UnremovableReason::BlockedByPod(pod, reason),
            Ok(_) => {
                remembered.reason == UnremovableReason::NoPlaceToMovePods
                    && self.find_stuck(away, node) == remembered.stuck.map(|(pod, _)| pod)
            }
        }
    }

    /// Moves the pods, all or none. The node stays without them, so that its zone still counts; the
    /// claims of those that go with it are forgotten.
    fn move_pods(&mut self, fork: &mut Fork<'_>, node: NodeId, now: SimTime) -> bool {
        let mut trial = fork.fork();
        for pod in &self.pods {
            trial.unbind_with_devices(*pod);
        }
        trial.forget_claims_on(node);
        for index in 0..self.pods.len() {
            let pod = self.pods[index];
            let Some(place) = self.find_place(&mut trial, pod, node) else { return false };
            trial.bind_with_devices(pod, place, now);
            self.moved.push(pod);
        }
        trial.commit();
        true
    }

    /// The place the pod had last time, or the next one that it fits.
    fn find_place(&mut self, trial: &mut Cluster, pod: PodId, from: NodeId) -> Option<NodeId> {
        let shape = trial.pod(pod).shape;
        if let Some(hint) = self.hints.get(trial, pod) {
            self.used_hints = true;
            if hint != from && self.destinations.contains(hint) && trial.fits(shape, hint) {
                self.is_disturbed |= self.hints.give(trial, pod, hint);
                return Some(hint);
            }
        }
        let place = self.search(trial, shape, from)?;
        self.is_disturbed |= self.hints.give(trial, pod, place);
        self.next_start = place.0 + 1;
        Some(place)
    }

    /// The next destination, going round, that a pod fits on; not the node it is on.
    fn search(&mut self, trial: &mut Cluster, shape: ShapeId, from: NodeId) -> Option<NodeId> {
        let is_destination = self.destinations.contains(from);
        self.destinations.remove(from);
        let found = trial.first_fit_among(shape, NodeId(self.next_start), &self.destinations);
        if is_destination {
            self.destinations.insert(from);
        }
        found
    }

    fn note_trace(&mut self, cluster: &Cluster, node: NodeId, first_moved: usize) {
        let mut hasher = FxHasher::default();
        (self.trace, node, cluster.node(node).serial).hash(&mut hasher);
        for pod in &self.moved[first_moved..] {
            (*pod, cluster.pod(*pod).node).hash(&mut hasher);
        }
        self.trace = hasher.finish();
    }
}
