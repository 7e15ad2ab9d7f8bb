//! What if this node went: would all of its pods find another place?

use std::hash::{Hash, Hasher};

use plimsoll_core::drain::{self, BlockingReason, DrainRules, DrainVerdict};
use plimsoll_core::ids::{NodeId, PodId, ShapeId};
use plimsoll_core::{Cluster, Fork, SimTime};
use rustc_hash::FxHasher;

use super::hints::Hints;
use super::unremovable::{Remembered, UnremovableReason};

/// One loop's simulations. Nodes that can go are taken away one after the other: what is tried next
/// sees their pods in their new places.
///
/// The search for a place goes on after the node that was found last and begins anew with the first
/// node in each loop. (Upstream's goes on from loop to loop.)
#[derive(Clone, Debug, Default)]
pub(super) struct Simulation {
    /// By node: pods may move there.
    destinations: Vec<bool>,
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
    pub(super) fn begin(
        &mut self,
        cluster: &Cluster,
        destinations: &[NodeId],
        is_going: &impl Fn(NodeId) -> bool,
    ) {
        self.destinations.clear();
        self.destinations.resize(cluster.node_slot_count(), false);
        for node in destinations {
            self.destinations[node.index()] = !is_going(*node);
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
        self.node_holds_until = SimTime::MAX;
        let mut awaits_completion = false;
        self.pods.clear();
        for pod in &fork.node(node).pods {
            if let Some(until) = drain::judged_until(fork, *pod, rules, now) {
                self.node_holds_until = self.node_holds_until.min(until);
            }
            match drain::judge(fork, *pod, rules, now) {
                DrainVerdict::Skip | DrainVerdict::DaemonSet => {}
                DrainVerdict::Move => self.pods.push(*pod),
                DrainVerdict::AwaitCompletion => awaits_completion = true,
                DrainVerdict::Blocked(reason) => return Trial::Blocked(*pod, reason),
            }
        }
        // A pod that fits nowhere else settles it before anything is moved. Moving other pods only
        // takes room away, so that moving them first could not help it, unless it wants them near,
        // or away.
        let stuck = self.pods.iter().copied().find(|pod| {
            let shape = fork.pod(*pod).shape;
            !fork.looks_beyond_nodes(shape) && !fork.fits_elsewhere(shape, node)
        });
        if let Some(stuck) = stuck {
            return Trial::NoPlace(Some(stuck));
        }
        let first_moved = self.moved.len();
        if self.pods.is_empty() {
            fork.forget_claims_on(node);
        } else if !self.move_pods(fork, node, now) {
            self.moved.truncate(first_moved);
            return Trial::NoPlace(None);
        }
        self.destinations[node.index()] = false;
        self.verdicts_hold_until = self.verdicts_hold_until.min(self.node_holds_until);
        self.note_trace(fork, node, first_moved);
        let is_risky = !drain::use_budgets(fork, &self.moved[first_moved..]);
        Trial::Removable { first_moved, is_risky, awaits_completion }
    }

    /// Whether another look at a remembered node would find just the same: the same pod may not
    /// move, or the pod that found no place still fits nowhere else. Time alone changes nothing about
    /// that.
    pub(super) fn stays_stuck(
        &self,
        fork: &mut Fork<'_>,
        remembered: &Remembered,
        rules: &DrainRules,
        now: SimTime,
    ) -> bool {
        let Some((id, serial)) = remembered.stuck else { return false };
        let Some(pod) = fork.find_pod(id).filter(|pod| pod.serial == serial) else { return false };
        let (shape, node) = (pod.shape, remembered.node);
        if pod.node != Some(node) {
            return false;
        }
        let mut stuck_moves = false;
        for other in &fork.node(node).pods {
            if drain::judged_until(fork, *other, rules, now).is_some() {
                return false;
            }
            match drain::judge(fork, *other, rules, now) {
                DrainVerdict::Blocked(reason) => {
                    return remembered.reason == UnremovableReason::BlockedByPod(*other, reason);
                }
                DrainVerdict::Move => stuck_moves |= *other == id,
                DrainVerdict::Skip | DrainVerdict::DaemonSet | DrainVerdict::AwaitCompletion => {}
            }
        }
        remembered.reason == UnremovableReason::NoPlaceToMovePods
            && stuck_moves
            && !fork.looks_beyond_nodes(shape)
            && !fork.fits_elsewhere(shape, node)
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
            if hint != from && self.destinations[hint.index()] && trial.fits(shape, hint) {
                self.is_disturbed |= self.hints.give(trial, pod, hint);
                return Some(hint);
            }
        }
        let place = self.search(trial, shape, from)?;
        self.is_disturbed |= self.hints.give(trial, pod, place);
        self.next_start = place.0 + 1;
        Some(place)
    }

    fn search(&self, trial: &mut Cluster, shape: ShapeId, from: NodeId) -> Option<NodeId> {
        let slots = u32::try_from(trial.node_slot_count()).expect("node ids are 32 bits wide");
        let start = if self.next_start < slots { self.next_start } else { 0 };
        let mut cursor = start;
        let mut went_round = false;
        loop {
            let found = trial.first_fit(shape, NodeId(cursor))?;
            if found.0 < cursor {
                if went_round {
                    return None;
                }
                went_round = true;
            }
            if went_round && found.0 >= start {
                return None;
            }
            if found != from && self.destinations[found.index()] {
                return Some(found);
            }
            cursor = found.0 + 1;
            if cursor == slots {
                if went_round || start == 0 {
                    return None;
                }
                went_round = true;
                cursor = 0;
            }
        }
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
