//! The scheduler's queue: who is tried when.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::cluster::{Cluster, Pod};
use crate::ids::{NodeId, PodId, ShapeId, WorkloadId};
use crate::time::{SimDuration, SimTime};

/// Pods that wait for a node, and the passes over them.
///
/// A pass tries pods by priority, then in the order of their creation, until none can be placed.
/// Pods of one shape stand or fall together: when the first of them fits nowhere the others are
/// not tried. A class of pods that fits nowhere costs its index a look at the nodes that changed,
/// and nothing when none did; this is what re-queueing on the events that could help comes to.
#[derive(Clone, Debug, Default)]
pub struct PodQueue {
    classes: BTreeMap<ClassKey, Class>,
    backoff: Backoff,
    len: usize,
}

/// How long a pod that was tried in vain is left alone: `initial`, doubled with each attempt, up
/// to `max`. Zero (the default) means that it is tried whenever it could help. An attempt is made
/// when the pod is new or when there was room that its like took first; a pod whose back-off is
/// over waits for room like any other, and time that passes is no attempt.
///
/// Source: kube-scheduler's podInitialBackoffSeconds (1) and podMaxBackoffSeconds (10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    /// After the first attempt.
    pub initial: SimDuration,
    /// At most.
    pub max: SimDuration,
}

impl Backoff {
    fn after(self, attempts: u32) -> SimDuration {
        let doublings = attempts.saturating_sub(1).min(20);
        SimDuration((self.initial.0 << doublings).min(self.max.0))
    }
}

/// Pods of one class have one shape and one controller: nothing tells them apart for the scheduler.
type ClassKey = (ShapeId, Option<WorkloadId>);

/// Pods of one class.
#[derive(Clone, Debug, Default)]
struct Class {
    priority: i32,
    /// By serial, which is the order of creation.
    waiting: BTreeMap<u64, Waiting>,
    /// Serials of pods that no pass has judged yet.
    unjudged: BTreeSet<u64>,
    /// A pod in back-off would fit somewhere now.
    wakes: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    pod: PodId,
    attempts: u32,
    ready_at: SimTime,
}

impl PodQueue {
    /// An empty queue with this back-off.
    #[must_use]
    pub fn new(backoff: Backoff) -> PodQueue {
        PodQueue { backoff, ..PodQueue::default() }
    }

    /// How many pods wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Queues a pod of the cluster. A gated pod must not be queued before its gates are gone.
    pub fn push(&mut self, cluster: &Cluster, pod: PodId, now: SimTime) {
        let one = cluster.pod(pod);
        let serial = one.serial;
        let class = self.classes.entry((one.shape, one.controller)).or_default();
        class.priority = cluster.shape(one.shape).priority;
        class.waiting.insert(serial, Waiting { pod, attempts: 0, ready_at: now });
        class.unjudged.insert(serial);
        self.len += 1;
    }

    /// Takes a pod out, as it is about to be deleted. No effect when it does not wait.
    pub fn remove(&mut self, pod: &Pod) {
        let (key, serial) = ((pod.shape, pod.controller), pod.serial);
        let Some(class) = self.classes.get_mut(&key) else { return };
        if class.waiting.remove(&serial).is_some() {
            self.len -= 1;
        }
        class.unjudged.remove(&serial);
        if class.waiting.is_empty() {
            self.classes.remove(&key);
        }
    }

    /// Tries the pods until none can be placed; binds those that can, and marks the others
    /// unschedulable. Returns what was bound, in order.
    pub fn pass(
        &mut self,
        cluster: &mut Cluster,
        now: SimTime,
        tie_seed: u64,
    ) -> Vec<(PodId, NodeId)> {
        let mut bound = Vec::new();
        loop {
            let placed_before = bound.len();
            let hopeless = self.try_heads(cluster, now, tie_seed, &mut bound);
            // A pod that was placed after another was found hopeless may be what that one wants
            // near it, or even out its domains.
            let could_help = |(key, placed): &(ClassKey, usize)| {
                *placed < bound.len() && cluster.looks_beyond_nodes(key.0)
            };
            if bound.len() == placed_before || !hopeless.iter().any(could_help) {
                break;
            }
        }
        self.len -= bound.len();
        if self.backoff.initial > SimDuration::ZERO {
            for ((shape, _), class) in &mut self.classes {
                let waits = class.waiting.values().any(|one| one.ready_at > now);
                class.wakes = waits && cluster.count_fits(*shape) > 0;
            }
        }
        bound
    }

    /// Tries the first pod of each class, by priority and age, until no class has one that can be
    /// placed. Returns the classes that were found hopeless, and how many pods had been placed.
    fn try_heads(
        &mut self,
        cluster: &mut Cluster,
        now: SimTime,
        tie_seed: u64,
        bound: &mut Vec<(PodId, NodeId)>,
    ) -> Vec<(ClassKey, usize)> {
        let mut hopeless = Vec::new();
        let mut heads: BinaryHeap<(i32, Reverse<u64>, ClassKey, bool)> = BinaryHeap::new();
        heads.extend(self.classes.iter().filter_map(|(key, class)| {
            Some((class.priority, Reverse(class.first_ready(now)?), *key, false))
        }));
        while let Some((priority, Reverse(serial), key, found_room)) = heads.pop() {
            let class = self.classes.get_mut(&key).expect("heads are of classes that wait");
            let head = class.waiting[&serial].pod;
            let Some(node) = cluster.choose_node(head, tie_seed) else {
                class.judged_hopeless(cluster, now, self.backoff, found_room);
                hopeless.push((key, bound.len()));
                continue;
            };
            class.waiting.remove(&serial);
            class.unjudged.remove(&serial);
            cluster.place(head, node, now);
            bound.push((head, node));
            match class.first_ready(now) {
                Some(next) => heads.push((priority, Reverse(next), key, true)),
                None if class.waiting.is_empty() => drop(self.classes.remove(&key)),
                None => {}
            }
        }
        hopeless
    }

    /// Pods that were judged and fit nowhere, and that may preempt pods of the priority `lowest`: kind
    /// by kind, those of the highest priority first, each kind in the order of creation.
    #[must_use]
    pub fn hopeless_pods(&self, cluster: &Cluster, lowest: i32) -> Vec<Vec<PodId>> {
        let may_preempt = |(key, class): &(&ClassKey, &Class)| {
            class.priority > lowest && cluster.shape(key.0).preempts
        };
        let mut classes: Vec<_> = self.classes.iter().filter(may_preempt).collect();
        classes.sort_by_key(|(_, class)| {
            (Reverse(class.priority), class.waiting.first_key_value().map(|(serial, _)| *serial))
        });
        let judged = |class: &Class| -> Vec<PodId> {
            let waiting = class.waiting.iter();
            let judged = waiting.filter(|(serial, _)| !class.unjudged.contains(serial));
            judged.map(|(_, one)| one.pod).collect()
        };
        classes.into_iter().map(|(_, class)| judged(class)).collect()
    }

    /// When, after `now`, the next back-off of a pod ends that would have fitted somewhere at the
    /// last pass. For other pods nothing is gained by another pass at that time.
    #[must_use]
    pub fn next_ready(&self, now: SimTime) -> Option<SimTime> {
        if self.backoff.initial == SimDuration::ZERO {
            return None;
        }
        let waking = self.classes.values().filter(|class| class.wakes);
        let times = waking.flat_map(|class| class.waiting.values());
        times.map(|waiting| waiting.ready_at).filter(|at| *at > now).min()
    }
}

impl Class {
    fn first_ready(&self, now: SimTime) -> Option<u64> {
        self.waiting.iter().find(|(_, one)| one.ready_at <= now).map(|(serial, _)| *serial)
    }

    /// None of the pods fits anywhere. `found_room`: one of them did in the same pass, so that the
    /// others were tried too.
    fn judged_hopeless(
        &mut self,
        cluster: &mut Cluster,
        now: SimTime,
        backoff: Backoff,
        found_room: bool,
    ) {
        let new = std::mem::take(&mut self.unjudged);
        for waiting in new.iter().filter_map(|serial| self.waiting.get(serial)) {
            cluster.mark_unschedulable(waiting.pod, true);
        }
        if backoff.initial == SimDuration::ZERO {
            return;
        }
        for (serial, waiting) in &mut self.waiting {
            if waiting.ready_at <= now && (found_room || new.contains(serial)) {
                waiting.attempts += 1;
                waiting.ready_at = now + backoff.after(waiting.attempts);
            }
        }
    }
}
