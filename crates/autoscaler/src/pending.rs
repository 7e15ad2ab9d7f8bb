//! Pods without a node: which of them need a new one.
//!
//! Source: the pod lists and pod list processors of release 1.36, in their order: finished sorting
//! out by kind, pods of nodes being drained are added, then pods that fit on a node that is there
//! or coming are placed on it (higher priority first, each on the node it was placed on last time
//! if it still fits there, else on any), then DaemonSet pods and pods that are too new are left out.
//!
//! Among pods of one priority upstream's order is chance; ours is the larger cpu request first, then
//! the older pod, as what fits in most orders fits in this one. "Any node" is the first one that fits,
//! going round from where the last search ended, by id; upstream's order of nodes is chance.

use std::cmp::Reverse;

use plimsoll_core::drain::is_daemon_set_pod;
use plimsoll_core::ids::{NodeId, PodId, ShapeId};
use plimsoll_core::{Cluster, Fork, PodBirth, SimDuration, SimTime};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::injection::FakePods;
use crate::registry::GPU_RESOURCE;
use crate::scale_up::equivalence::HopelessClaimants;
use crate::settings::Settings;

/// Overrides `new-pod-scale-up-delay` for one pod, where it is longer.
const DELAY_ANNOTATION: &str = "cluster-autoscaler.kubernetes.io/pod-scale-up-delay";
/// While the oldest pod is younger, the rest of its burst may still be coming.
const BURST_SETTLES_AFTER: SimDuration = SimDuration::from_secs(2);
/// The same for pods with GPUs.
const GPU_BURST_SETTLES_AFTER: SimDuration = SimDuration::from_secs(30);

/// What became of a pending pod in a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PodOutcome {
    /// It is in the option that was taken.
    TriggeredScaleUp,
    /// It fits on a node that is there or coming.
    FitsExisting,
    /// No group helps.
    Unschedulable,
    /// Another group would help; not this loop's.
    AwaitEvaluation,
    /// The group that was taken would hold it, but a limit kept it out; or some group would, and the
    /// loop's scale-up was refused.
    LeftOver,
    /// The increase was refused.
    ScaleUpFailed,
    /// It is younger than it must be.
    TooNew,
    /// Its priority is too low to count.
    Expendable,
    /// A DaemonSet's pod never causes a scale-up.
    DaemonSet,
    /// Preemption makes room for it.
    Nominated,
    /// The scheduler has not found it unschedulable, or it is going.
    Ignored,
    /// The loop ended before.
    NotReached,
}

impl PodOutcome {
    /// The word in results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PodOutcome::TriggeredScaleUp => "triggeredScaleUp",
            PodOutcome::FitsExisting => "fitsExisting",
            PodOutcome::Unschedulable => "unschedulable",
            PodOutcome::AwaitEvaluation => "awaitEvaluation",
            PodOutcome::LeftOver => "leftOver",
            PodOutcome::ScaleUpFailed => "scaleUpFailed",
            PodOutcome::TooNew => "tooNew",
            PodOutcome::Expendable => "expendable",
            PodOutcome::DaemonSet => "daemonSet",
            PodOutcome::Nominated => "nominated",
            PodOutcome::Ignored => "ignored",
            PodOutcome::NotReached => "notReached",
        }
    }
}

/// A stand-in for a node that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// Its id on this loop's fork.
    pub node: NodeId,
    /// Tells stand-ins apart over the loops: group index and number in the group.
    pub key: (u32, u32),
}

/// What a loop's pending pods came to.
#[derive(Clone, Debug, Default)]
pub struct Sorted {
    /// Pods that need a new node.
    pub to_help: Vec<PodId>,
    /// What became of the others.
    pub outcomes: Vec<(PodId, PodOutcome)>,
    /// Pods on the fork that stand for bound ones which will have to move, and those made up.
    pub stand_ins: FxHashSet<PodId>,
    /// When a pod that is too new now will be old enough.
    pub next_change: Option<SimTime>,
}

impl Sorted {
    /// Whether no pod was placed on the fork.
    #[must_use]
    pub fn places_none(&self) -> bool {
        let placed = |outcome| matches!(outcome, PodOutcome::FitsExisting | PodOutcome::Nominated);
        self.stand_ins.is_empty() && !self.outcomes.iter().any(|(_, outcome)| placed(*outcome))
    }
}

/// Sorts pending pods, and remembers where each was placed.
#[derive(Clone, Debug, Default)]
pub struct PendingPods {
    hints: Hints,
    next_start: u32,
    expendable: ExpendableShapes,
}

impl PendingPods {
    /// Takes bound pods of too low a priority off the fork: they count nowhere.
    pub fn drop_expendable(&mut self, fork: &mut Fork<'_>, settings: &Settings) {
        self.expendable.look_at_new_shapes(fork, settings);
        let any_bound = self.expendable.shapes.iter().any(|shape| fork.bound_of_shape(*shape) > 0);
        if any_bound {
            let bound: Vec<PodId> = fork
                .pods()
                .filter(|(_, pod)| pod.node.is_some() && self.expendable.contains(pod.shape))
                .map(|(id, _)| id)
                .collect();
            bound.into_iter().for_each(|pod| fork.unbind(pod));
        }
    }

    /// Sorts the pending pods; those that fit somewhere are bound there on the fork.
    ///
    /// `drained` are bound pods that will have to move, `fakes` pods that do not exist. Pods that are
    /// too new are still among those to be helped: see [`PendingPods::leave_out_new`].
    pub fn sort(
        &mut self,
        fork: &mut Fork<'_>,
        settings: &Settings,
        upcoming: &[Upcoming],
        drained: &[PodId],
        fakes: &FakePods,
        now: SimTime,
    ) -> Sorted {
        let mut sorted = Sorted::default();
        let mut waiting = self.waiting_pods(fork, settings, &mut sorted, now);
        // A stand-in is looked for where its pod was placed in the loop before.
        let real = waiting.len();
        let mut originals: FxHashMap<PodId, u64> = FxHashMap::default();
        for pod in drained {
            let stand_in = stand_in(fork, *pod);
            originals.insert(stand_in, fork.pod(*pod).serial);
            waiting.push(stand_in);
        }
        let mut stand_ins: FxHashSet<PodId> = waiting[real..].iter().copied().collect();
        if !fakes.is_empty() {
            self.expendable.look_at_new_shapes(fork, settings);
            let counts = |pod: &PodId| !self.expendable.contains(fork.pod(*pod).shape);
            waiting.extend(fakes.iter().filter(counts));
        }
        let unreal = Unreal { originals: &originals, fakes };
        let mut homeless = self.place(fork, upcoming, waiting, &unreal, &mut sorted, now);
        stand_ins.extend(fakes.iter());
        let mut is_daemon = Last::default();
        homeless.retain(|id| {
            let pod = fork.pod(*id);
            let look = || is_daemon_set_pod(fork, *id);
            let is_daemon = is_daemon.get((pod.shape, pod.controller), look);
            if is_daemon {
                sorted.outcomes.push((*id, PodOutcome::DaemonSet));
            }
            !is_daemon
        });
        if !stand_ins.is_empty() {
            sorted.outcomes.retain(|(pod, _)| !stand_ins.contains(pod));
        }
        sorted.to_help = homeless;
        sorted.stand_ins = stand_ins;
        sorted
    }

    /// Leaves pods that are too new out of those to be helped.
    pub fn leave_out_new(fork: &Fork<'_>, settings: &Settings, sorted: &mut Sorted, now: SimTime) {
        let mut to_help = std::mem::take(&mut sorted.to_help);
        let mut delay = Last::default();
        to_help.retain(|id| {
            let pod = fork.pod(*id);
            let delay = delay.get(pod.shape, || scale_up_delay(fork, pod.shape, settings));
            let old_at = pod.created_at + delay + SimDuration(1);
            if old_at > now {
                if !sorted.stand_ins.contains(id) {
                    sorted.outcomes.push((*id, PodOutcome::TooNew));
                }
                sorted.next_change = earlier(sorted.next_change, old_at);
            }
            old_at <= now
        });
        sorted.to_help = to_help;
    }

    /// Notes that loops were left out before the coming one, as nothing had changed: in them every
    /// pod would have been placed as in the last one.
    pub fn skip_loops(&mut self) {
        self.hints.last.clear();
    }

    /// The pods that the scheduler has found unschedulable, or that nobody waits for the scheduler
    /// with; the others get their outcome.
    fn waiting_pods(
        &mut self,
        fork: &mut Fork<'_>,
        settings: &Settings,
        sorted: &mut Sorted,
        now: SimTime,
    ) -> Vec<PodId> {
        let mut waiting = Vec::with_capacity(fork.unbound_count());
        let mut nominated = Vec::new();
        for id in fork.unbound_pods() {
            let pod = fork.pod(id);
            let outcome = if let Some(outcome) = set_aside(fork, id, settings) {
                if outcome == PodOutcome::Nominated {
                    nominated.extend(pod.nominated.map(|node| (id, node)));
                }
                outcome
            } else if self.expendable.contains(pod.shape) {
                PodOutcome::Expendable
            } else {
                waiting.push(id);
                continue;
            };
            sorted.outcomes.push((id, outcome));
        }
        for (pod, node) in nominated {
            if fork.find_node(node).is_some() && !self.expendable.contains(fork.pod(pod).shape) {
                fork.bind(pod, node, now);
            }
        }
        waiting
    }

    /// Binds pods that fit on a node of the fork; gives the others.
    fn place(
        &mut self,
        fork: &mut Fork<'_>,
        upcoming: &[Upcoming],
        mut pods: Vec<PodId>,
        unreal: &Unreal<'_>,
        sorted: &mut Sorted,
        now: SimTime,
    ) -> Vec<PodId> {
        self.hints.begin_loop();
        let mut rank = Last::default();
        let mut rank_of = |pod: PodId| {
            let shape = fork.pod(pod).shape;
            let is_fake = !unreal.fakes.is_empty() && unreal.fakes.origin(pod).is_some();
            rank.get((shape, is_fake), || {
                let (cpu_milli, _) = fork.cpu_and_memory(shape);
                (Reverse(fork.shape(shape).priority), is_fake, Reverse(cpu_milli))
            })
        };
        if !pods.is_sorted_by_key(|pod| rank_of(*pod)) {
            pods.sort_by_cached_key(|pod| rank_of(*pod));
        }
        let keys: FxHashMap<NodeId, (u32, u32)> =
            upcoming.iter().map(|one| (one.node, one.key)).collect();
        let mut hopeless: FxHashSet<ShapeId> = FxHashSet::default();
        let mut claimants = HopelessClaimants::default();
        let mut last_hopeless: Option<ShapeId> = None;
        let mut homeless = Vec::with_capacity(pods.len());
        for id in pods {
            let shape = fork.pod(id).shape;
            if last_hopeless == Some(shape) || hopeless.contains(&shape) {
                last_hopeless = Some(shape);
                homeless.push(id);
                continue;
            }
            let serial = unreal.key(fork, id);
            let hinted = self.hints.get(fork, serial, upcoming);
            let node = match hinted.filter(|node| fork.fits(shape, *node)) {
                Some(node) => Some(node),
                None if claimants.has_one_like(fork, id) => None,
                None => fork.first_fit(shape, NodeId(self.next_start)).inspect(|node| {
                    self.next_start = node.0 + 1;
                }),
            };
            let Some(node) = node else {
                hopeless.insert(shape);
                claimants.note(fork, id);
                homeless.push(id);
                continue;
            };
            fork.bind_with_devices(id, node, now);
            sorted.outcomes.push((id, PodOutcome::FitsExisting));
            let key = if keys.is_empty() { None } else { keys.get(&node).copied() };
            self.hints.set(fork, serial, node, key);
        }
        homeless
    }
}

/// What becomes of pods in a loop that ends before it looks at them.
#[must_use]
pub fn not_reached(cluster: &Cluster, settings: &Settings) -> Vec<(PodId, PodOutcome)> {
    let outcome = |id| set_aside(cluster, id, settings).unwrap_or(PodOutcome::NotReached);
    cluster.unbound_pods().map(|id| (id, outcome(id))).collect()
}

/// What becomes of a pod without a node that the loop does not look at; `None`: it does.
fn set_aside(cluster: &Cluster, id: PodId, settings: &Settings) -> Option<PodOutcome> {
    let pod = cluster.pod(id);
    let spec = cluster.shape(pod.shape);
    let handled = settings.allowed_scheduler_names.is_empty()
        || settings.allowed_scheduler_names.contains(&spec.scheduler_name);
    let bypassed = settings.bypassed_scheduler_names.contains(&spec.scheduler_name)
        && spec.scheduling_gates.is_empty();
    if pod.deletion_at.is_some() || !handled {
        Some(PodOutcome::Ignored)
    } else if pod.nominated.is_some() {
        Some(PodOutcome::Nominated)
    } else if pod.marked_unschedulable || bypassed {
        None
    } else {
        Some(PodOutcome::Ignored)
    }
}

/// Which pods to place are not what they seem.
struct Unreal<'a> {
    /// The serials of bound pods which will have to move, by who stands for them.
    originals: &'a FxHashMap<PodId, u64>,
    /// They do not exist.
    fakes: &'a FakePods,
}

impl Unreal<'_> {
    /// What the place of a pod is remembered by.
    fn key(&self, cluster: &Cluster, pod: PodId) -> u64 {
        if self.originals.is_empty() && self.fakes.is_empty() {
            return cluster.pod(pod).serial;
        }
        let known = self.fakes.hint_key(pod).or_else(|| self.originals.get(&pod).copied());
        known.unwrap_or_else(|| cluster.pod(pod).serial)
    }
}

/// Whether all pods may be the first of a burst that goes on: the loop then waits for the next.
/// Gives the instant from which on that is no longer so.
#[must_use]
pub fn burst_settles_at(cluster: &Cluster, pods: &[PodId]) -> Option<SimTime> {
    let mut wants_gpu = Last::default();
    let mut oldest: Option<SimTime> = None;
    let mut oldest_gpu: Option<SimTime> = None;
    for id in pods {
        let pod = cluster.pod(*id);
        let look = || cluster.shape(pod.shape).requests.contains_key(GPU_RESOURCE);
        oldest = earlier(oldest, pod.created_at);
        if wants_gpu.get(pod.shape, look) {
            oldest_gpu = earlier(oldest_gpu, pod.created_at);
        }
    }
    let oldest = oldest? + BURST_SETTLES_AFTER;
    Some(oldest_gpu.map_or(oldest, |at| oldest.max(at + GPU_BURST_SETTLES_AFTER)))
}

/// A pod that stands for a bound one which will have to move.
fn stand_in(fork: &mut Fork<'_>, pod: PodId) -> PodId {
    let pod = fork.pod(pod);
    let birth = PodBirth {
        name: std::sync::Arc::clone(&pod.name),
        shape: pod.shape,
        controller: pod.controller,
        created_at: pod.created_at,
    };
    fork.add_pod(birth)
}

/// How old a pod must be; an annotation that is shorter than the flag, or no duration, is ignored.
pub(crate) fn scale_up_delay(
    cluster: &Cluster,
    shape: ShapeId,
    settings: &Settings,
) -> SimDuration {
    let own = cluster.shape(shape).annotations.get(DELAY_ANNOTATION);
    let own = own.and_then(|text| SimDuration::parse(text).ok());
    own.map_or(settings.new_pod_scale_up_delay, |own| own.max(settings.new_pod_scale_up_delay))
}

/// The last answer, for questions that are asked of many pods alike one after the other.
struct Last<K, A>(Option<(K, A)>);

impl<K, A> Default for Last<K, A> {
    fn default() -> Last<K, A> {
        Last(None)
    }
}

impl<K: Copy + PartialEq, A: Copy> Last<K, A> {
    fn get(&mut self, question: K, answer: impl FnOnce() -> A) -> A {
        match self.0 {
            Some((known, answer)) if known == question => answer,
            _ => {
                let answer = answer();
                self.0 = Some((question, answer));
                answer
            }
        }
    }
}

fn earlier(one: Option<SimTime>, other: SimTime) -> Option<SimTime> {
    Some(one.map_or(other, |one| one.min(other)))
}

/// Where pods were placed in the last two loops, by serial.
#[derive(Clone, Debug, Default)]
struct Hints {
    fresh: FxHashMap<u64, Hint>,
    last: FxHashMap<u64, Hint>,
    older: FxHashMap<u64, Hint>,
}

#[derive(Clone, Copy, Debug)]
enum Hint {
    /// A node and its serial.
    Node(NodeId, u64),
    /// The stand-in with this key.
    Upcoming((u32, u32)),
}

impl Hints {
    fn begin_loop(&mut self) {
        self.older = std::mem::take(&mut self.last);
        self.last = std::mem::take(&mut self.fresh);
    }

    fn get(&self, cluster: &Cluster, serial: u64, upcoming: &[Upcoming]) -> Option<NodeId> {
        if self.last.is_empty() && self.older.is_empty() {
            return None;
        }
        let hint = self.last.get(&serial).or_else(|| self.older.get(&serial))?;
        match *hint {
            Hint::Node(node, node_serial) => {
                let same = cluster.find_node(node).is_some_and(|one| one.serial == node_serial);
                same.then_some(node)
            }
            Hint::Upcoming(key) => {
                let position = upcoming.binary_search_by_key(&key, |one| one.key).ok()?;
                Some(upcoming[position].node)
            }
        }
    }

    fn set(&mut self, cluster: &Cluster, serial: u64, node: NodeId, key: Option<(u32, u32)>) {
        let hint = key.map_or_else(|| Hint::Node(node, cluster.node(node).serial), Hint::Upcoming);
        self.fresh.insert(serial, hint);
    }
}

/// The shapes whose pods are expendable, looked at once each.
#[derive(Clone, Debug, Default)]
struct ExpendableShapes {
    shapes: Vec<ShapeId>,
    seen: usize,
}

impl ExpendableShapes {
    fn look_at_new_shapes(&mut self, cluster: &Cluster, settings: &Settings) {
        let count = cluster.catalog().shape_count();
        for shape in (self.seen..count).map(ShapeId::at) {
            if cluster.shape(shape).is_expendable(settings.expendable_pods_priority_cutoff) {
                self.shapes.push(shape);
            }
        }
        self.seen = count;
    }

    fn contains(&self, shape: ShapeId) -> bool {
        self.shapes.binary_search(&shape).is_ok()
    }
}
