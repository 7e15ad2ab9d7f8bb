//! Evicting the pods of one node.

use std::collections::VecDeque;

use plimsoll_core::drain::is_daemon_set_pod;
use plimsoll_core::ids::{NodeId, PodId};
use plimsoll_core::{Cluster, SimDuration, SimTime};

use super::ActuationSettings;
use crate::action::Action;

/// A refused eviction is tried again after this long.
const EVICTION_RETRY: SimDuration = SimDuration::from_secs(10);
/// Whether evicted pods are gone is looked at this often.
const VANISHING_POLL: SimDuration = SimDuration::from_secs(5);
/// Pods get so much longer than their grace period to vanish.
const VANISHING_HEADROOM: SimDuration = SimDuration::from_secs(30);
/// The annotation by which a DaemonSet's pod says whether it is evicted before its node goes.
const EVICTS_DAEMON_SET_POD: &str = "cluster-autoscaler.kubernetes.io/enable-ds-eviction";

/// The pods that draining a node evicts, in the order of its list.
pub(super) fn pods_to_evict(
    cluster: &Cluster,
    node: NodeId,
    settings: &ActuationSettings,
) -> Vec<PodId> {
    counted_pods(cluster, node, settings)
        .filter(|pod| {
            !cluster.shape(cluster.pod(*pod).shape).is_mirror && !is_daemon_set_pod(cluster, *pod)
        })
        .collect()
}

/// The DaemonSet pods that are evicted as well; whether that succeeds does not matter.
pub(super) fn daemon_set_pods_to_evict(
    cluster: &Cluster,
    node: NodeId,
    settings: &ActuationSettings,
    by_default: bool,
) -> Vec<PodId> {
    counted_pods(cluster, node, settings)
        .filter(|pod| {
            let spec = cluster.shape(cluster.pod(*pod).shape);
            let says = spec.annotations.get(EVICTS_DAEMON_SET_POD).map(String::as_str);
            let evicts = match says {
                Some("true") => true,
                Some("false") => false,
                _ => by_default,
            };
            evicts && !spec.is_mirror && is_daemon_set_pod(cluster, *pod)
        })
        .collect()
}

/// The node's pods without those whose priority is so low that they count nowhere.
pub(super) fn counted_pods<'a>(
    cluster: &'a Cluster,
    node: NodeId,
    settings: &ActuationSettings,
) -> impl Iterator<Item = PodId> + 'a {
    let cutoff = settings.flags.expendable_pods_priority_cutoff;
    let counts = move |pod: &PodId| !cluster.shape(cluster.pod(*pod).shape).is_expendable(cutoff);
    cluster.node(node).pods.iter().copied().filter(counts)
}

/// The eviction of a node's pods, group by group: those of lower priority first where
/// `drain-priority-config` says so, otherwise all at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drain {
    groups: VecDeque<EvictionGroup>,
    step: Step,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct EvictionGroup {
    grace: SimDuration,
    evictions: Vec<Eviction>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Eviction {
    pod: PodId,
    serial: u64,
    answer: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    NotAsked,
    Awaited,
    Refused,
    Evicted,
}

/// Where the first of the groups is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing was asked for yet.
    Fresh,
    Evicting {
        first_try: SimTime,
        next_try: SimTime,
    },
    Vanishing {
        since: SimTime,
        next_look: SimTime,
    },
}

/// How far a drain got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It goes on at this instant; `None`: when outcomes are known.
    Waits(Option<SimTime>),
    /// No pod is left.
    Drained,
    /// It is given up, for this reason.
    Failed(String),
}

impl Drain {
    pub(super) fn new(cluster: &Cluster, node: NodeId, settings: &ActuationSettings) -> Drain {
        let pods = pods_to_evict(cluster, node, settings);
        let priorities = &settings.flags.drain_priority_config;
        let mut groups: VecDeque<EvictionGroup> = priorities
            .iter()
            .map(|(_, grace)| EvictionGroup { grace: *grace, evictions: Vec::new() })
            .collect();
        if groups.is_empty() {
            let grace = settings.flags.max_graceful_termination;
            groups.push_back(EvictionGroup { grace, evictions: Vec::new() });
        }
        for pod in pods {
            let state = cluster.pod(pod);
            let index = group_of(priorities, cluster.shape(state.shape).priority);
            let answer = Answer::NotAsked;
            groups[index].evictions.push(Eviction { pod, serial: state.serial, answer });
        }
        groups.retain(|group| !group.evictions.is_empty());
        Drain { groups, step: Step::Fresh }
    }

    /// Goes on as far as it gets now.
    pub(super) fn advance(
        &mut self,
        cluster: &Cluster,
        settings: &ActuationSettings,
        now: SimTime,
        actions: &mut Vec<Action>,
    ) -> Progress {
        loop {
            let Some(group) = self.groups.front_mut() else { return Progress::Drained };
            match self.step {
                Step::Fresh => {
                    group.ask(cluster, actions);
                    self.step = Step::Evicting { first_try: now, next_try: now + EVICTION_RETRY };
                }
                Step::Evicting { first_try, next_try } => {
                    if group.has(Answer::Awaited) {
                        return Progress::Waits(None);
                    }
                    if !group.has(Answer::Refused) {
                        self.step = Step::Vanishing { since: now, next_look: now };
                        continue;
                    }
                    if next_try > now {
                        return Progress::Waits(Some(next_try));
                    }
                    if now - first_try >= settings.flags.max_pod_eviction_time {
                        return Progress::Failed(group.refused_text(cluster));
                    }
                    group.ask(cluster, actions);
                    self.step = Step::Evicting { first_try, next_try: now + EVICTION_RETRY };
                }
                Step::Vanishing { since, next_look } => {
                    if next_look > now {
                        return Progress::Waits(Some(next_look));
                    }
                    if group.evictions.iter().all(|one| one.is_gone(cluster)) {
                        self.groups.pop_front();
                        self.step = Step::Fresh;
                        continue;
                    }
                    if now - since >= group.grace + VANISHING_HEADROOM {
                        return Progress::Failed("pods remaining after timeout".to_owned());
                    }
                    self.step = Step::Vanishing { since, next_look: now + VANISHING_POLL };
                }
            }
        }
    }

    /// Takes in the answer to an eviction; true when the pod is one of this drain's.
    pub(super) fn observe(&mut self, pod: PodId, serial: u64, done: bool) -> bool {
        let mut evictions = self.groups.iter_mut().flat_map(|group| &mut group.evictions);
        let found = evictions.find(|one| one.pod == pod && one.serial == serial);
        let Some(eviction) = found else { return false };
        eviction.answer = if done { Answer::Evicted } else { Answer::Refused };
        true
    }
}

impl EvictionGroup {
    fn has(&self, answer: Answer) -> bool {
        self.evictions.iter().any(|one| one.answer == answer)
    }

    /// Asks for every eviction that has not succeeded.
    fn ask(&mut self, cluster: &Cluster, actions: &mut Vec<Action>) {
        for one in &mut self.evictions {
            if one.is_gone(cluster) {
                one.answer = Answer::Evicted;
            }
            if matches!(one.answer, Answer::NotAsked | Answer::Refused) {
                one.answer = Answer::Awaited;
                actions.push(Action::Evict { pod: one.pod, serial: one.serial });
            }
        }
    }

    fn refused_text(&self, cluster: &Cluster) -> String {
        let refused = self.evictions.iter().filter(|one| one.answer == Answer::Refused);
        let mut names: Vec<String> = refused.map(|one| cluster.pod_full_name(one.pod)).collect();
        names.sort_unstable();
        format!("failed to evict {}", names.join(", "))
    }
}

impl Eviction {
    fn is_gone(&self, cluster: &Cluster) -> bool {
        cluster.find_pod(self.pod).is_none_or(|pod| pod.serial != self.serial || pod.node.is_none())
    }
}

/// The group of a priority: the last whose own priority is not higher, or else the first.
fn group_of(priorities: &[(i32, SimDuration)], priority: i32) -> usize {
    priorities.iter().rposition(|(least, _)| *least <= priority).unwrap_or(0)
}
