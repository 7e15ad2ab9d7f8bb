//! What loops found of pending pods, told where it is not what the last loop found.

use std::hash::{Hash, Hasher};

use plimsoll_core::ids::{GroupId, NodeId, PodId};
use plimsoll_core::{Cluster, SimTime};
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::report::LoopReport;
use crate::Subject;
use crate::finding::{About, Finding, Word};
use crate::pending::{PodOutcome, Upcoming, scale_up_delay};
use crate::registry::Registry;
use crate::scale_up::{ScaleUpResult, SkipReason};
use crate::settings::Settings;

/// The last finding of each pod, and what the last loop told.
#[derive(Clone, Debug, Default)]
pub(super) struct PodFindings {
    pub(super) are_told: bool,
    /// By pod: the serial it had, and a digest of what was found.
    last: Vec<(u64, u64)>,
    told: Vec<Finding>,
    /// By pod: its pod group in this loop.
    pod_group_of: FxHashMap<PodId, usize>,
}

/// What a loop's findings are made of.
pub(super) struct Circumstances<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) report: &'a LoopReport,
    pub(super) upcoming: &'a [Upcoming],
    pub(super) registry: &'a Registry,
    pub(super) settings: &'a Settings,
    pub(super) now: SimTime,
}

/// Pods with equal keys have the same found of them in a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Outcome(PodOutcome),
    /// The outcome of a pod group, by index.
    PodGroup(PodOutcome, usize),
    /// It fits on a node of the group that is on its way.
    FitsUpcoming(GroupId),
    FitsNode(NodeId),
    Nominated(NodeId),
    YoungUntil(SimTime),
    /// Why the autoscaler does not look at it.
    Ignored(Ignored),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Ignored {
    Terminating,
    Gated,
    OtherScheduler,
    NotTried,
}

/// What was found of pods with the same key.
struct Batch {
    digest: u64,
    pods: Vec<u64>,
}

impl PodFindings {
    /// Takes in a loop.
    pub(super) fn note_loop(&mut self, from: &Circumstances<'_>) {
        if !self.are_told {
            return;
        }
        self.told.clear();
        self.pod_group_of.clear();
        for (index, judged) in from.report.scale_up.pod_groups.iter().enumerate() {
            self.pod_group_of.extend(judged.group.pods.iter().map(|pod| (*pod, index)));
        }
        let upcoming: FxHashMap<NodeId, GroupId> =
            from.upcoming.iter().map(|one| (one.node, GroupId(one.key.0))).collect();
        let mut places: FxHashMap<Key, usize> = FxHashMap::default();
        let mut batches: Vec<(Key, Batch)> = Vec::new();
        for (pod, outcome) in &from.report.outcomes {
            let key = from.key(*pod, *outcome, self.pod_group_of.get(pod).copied(), &upcoming);
            let place = *places.entry(key).or_insert_with(|| {
                batches.push((key, Batch { digest: from.digest(key), pods: Vec::new() }));
                batches.len() - 1
            });
            let batch = &mut batches[place].1;
            let word = (from.cluster.pod(*pod).serial, batch.digest);
            let last = slot(&mut self.last, *pod);
            if *last != word {
                *last = word;
                batch.pods.push(word.0);
            }
        }
        let news = batches.into_iter().filter(|(_, batch)| !batch.pods.is_empty());
        self.told.extend(news.map(|(key, batch)| Finding {
            about: About::Pods(batch.pods),
            word: from.word(key),
            until: match key {
                Key::YoungUntil(until) => Some(until).filter(|until| *until > from.now),
                _ => None,
            },
        }));
    }

    /// The cloud refused an increase: pods that were told to have triggered it have not. The report
    /// knows by now which.
    pub(super) fn note_refusal(&mut self, report: &LoopReport, words: &str) {
        let triggered = PodOutcome::TriggeredScaleUp.as_str();
        if !self.told.iter().any(|one| one.word.code == triggered) {
            return;
        }
        let has_failed = |one: &&(PodId, PodOutcome)| one.1 == PodOutcome::ScaleUpFailed;
        let failed: FxHashSet<u64> = report
            .outcomes
            .iter()
            .filter(has_failed)
            .filter_map(|(pod, _)| self.last.get(pod.index()).map(|(serial, _)| *serial))
            .collect();
        let mut pods = Vec::new();
        for finding in self.told.iter_mut().filter(|one| one.word.code == triggered) {
            let About::Pods(serials) = &mut finding.about else { continue };
            pods.extend(serials.iter().copied().filter(|serial| failed.contains(serial)));
            serials.retain(|serial| !failed.contains(serial));
        }
        self.told.retain(|one| one.about != About::Pods(Vec::new()));
        if !pods.is_empty() {
            let text = format!("waits: the scale-up failed: {words}");
            let word = Word::new(PodOutcome::ScaleUpFailed.as_str(), text);
            self.told.push(Finding { about: About::Pods(pods), word, until: None });
        }
    }

    pub(super) fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.told)
    }
}

impl Circumstances<'_> {
    fn key(
        &self,
        id: PodId,
        outcome: PodOutcome,
        pod_group: Option<usize>,
        upcoming: &FxHashMap<NodeId, GroupId>,
    ) -> Key {
        let pod = self.cluster.pod(id);
        match outcome {
            PodOutcome::FitsExisting => match pod.node {
                Some(node) => match upcoming.get(&node) {
                    Some(group) => Key::FitsUpcoming(*group),
                    None => Key::FitsNode(node),
                },
                None => Key::Outcome(outcome),
            },
            PodOutcome::Nominated => pod.nominated.map_or(Key::Outcome(outcome), Key::Nominated),
            PodOutcome::TooNew => {
                let delay = scale_up_delay(self.cluster, pod.shape, self.settings);
                let old_at = pod.created_at + delay;
                if old_at >= self.now { Key::YoungUntil(old_at) } else { Key::Outcome(outcome) }
            }
            PodOutcome::Ignored => Key::Ignored(self.why_ignored(id)),
            PodOutcome::Unschedulable | PodOutcome::AwaitEvaluation => {
                pod_group.map_or(Key::Outcome(outcome), |index| Key::PodGroup(outcome, index))
            }
            _ => Key::Outcome(outcome),
        }
    }

    fn why_ignored(&self, id: PodId) -> Ignored {
        let pod = self.cluster.pod(id);
        let spec = self.cluster.shape(pod.shape);
        let allowed = &self.settings.allowed_scheduler_names;
        if pod.deletion_at.is_some() {
            Ignored::Terminating
        } else if !allowed.is_empty() && !allowed.contains(&spec.scheduler_name) {
            Ignored::OtherScheduler
        } else if !spec.scheduling_gates.is_empty() {
            Ignored::Gated
        } else {
            Ignored::NotTried
        }
    }

    /// Equal digests, equal findings: without the price of words that nobody is told.
    fn digest(&self, key: Key) -> u64 {
        let mut hasher = FxHasher::default();
        let scale_up = &self.report.scale_up;
        match key {
            Key::PodGroup(outcome, index) => {
                outcome.hash(&mut hasher);
                let judged = &scale_up.pod_groups[index];
                judged.fits.hash(&mut hasher);
                for (group, refusal) in &judged.refusals {
                    (group, &refusal.reasons).hash(&mut hasher);
                }
                for (group, skip) in &scale_up.skipped {
                    (group, self.skip_text(*group, skip)).hash(&mut hasher);
                }
            }
            Key::Outcome(PodOutcome::TriggeredScaleUp) => {
                let increases = scale_up.increases.iter();
                let sizes: Vec<_> = increases.map(|one| (one.group, one.from, one.to)).collect();
                (self.now, sizes).hash(&mut hasher);
            }
            Key::FitsNode(node) | Key::Nominated(node) => {
                (std::mem::discriminant(&key), self.cluster.node(node).serial).hash(&mut hasher);
            }
            Key::Outcome(_) => (key, &scale_up.complaints).hash(&mut hasher),
            Key::FitsUpcoming(_) | Key::YoungUntil(_) | Key::Ignored(_) => key.hash(&mut hasher),
        }
        hasher.finish()
    }

    fn word(&self, key: Key) -> Word {
        let name = |group: GroupId| self.cluster.group(group).spec.name.as_str();
        match key {
            Key::Outcome(outcome) => Word::new(outcome.as_str(), self.outcome_text(outcome)),
            Key::PodGroup(outcome, index) => self.pod_group_word(outcome, index),
            Key::FitsUpcoming(group) => {
                let text = format!("a node of {} that is on its way has room for it", name(group));
                Word::new("fitsUpcoming", text)
            }
            Key::FitsNode(node) => {
                let node = self.cluster.node_name(node);
                let text = format!("node {node} has room for it: the scheduler's turn");
                Word::new(PodOutcome::FitsExisting.as_str(), text)
            }
            Key::Nominated(node) => {
                let node = self.cluster.find_node(node).map_or("?", |node| &*node.name);
                let text = format!("preemption makes room for it on node {node}");
                Word::new(PodOutcome::Nominated.as_str(), text)
            }
            Key::YoungUntil(until) if until == self.now => {
                let text = "too new for this loop: the next one looks at it";
                Word::new(PodOutcome::TooNew.as_str(), text)
            }
            Key::YoungUntil(_) => {
                let text = "too young to cause a scale-up (new-pod-scale-up-delay)";
                Word::new(PodOutcome::TooNew.as_str(), text)
            }
            Key::Ignored(why) => {
                let text = match why {
                    Ignored::Terminating => "not looked at: it is being deleted",
                    Ignored::Gated => "not looked at: it is held by scheduling gates",
                    Ignored::OtherScheduler => {
                        "not looked at: its scheduler is not among allowed-scheduler-names"
                    }
                    Ignored::NotTried => "not looked at: the scheduler has not tried it yet",
                };
                Word::new(PodOutcome::Ignored.as_str(), text)
            }
        }
    }

    fn outcome_text(&self, outcome: PodOutcome) -> String {
        let scale_up = &self.report.scale_up;
        let complaint = |text: &str| match scale_up.complaints.as_slice() {
            [] => text.to_owned(),
            complaints => format!("{text}: {}", complaints.join("; ")),
        };
        match outcome {
            PodOutcome::TriggeredScaleUp => scale_up.increases_text(self.cluster),
            PodOutcome::FitsExisting => "a node has room for it: the scheduler's turn".to_owned(),
            PodOutcome::Unschedulable
                if scale_up.result == ScaleUpResult::LimitedByMaxNodesTotal =>
            {
                "pod didn't trigger scale-up: max-nodes-total is reached".to_owned()
            }
            PodOutcome::Unschedulable => complaint("pod didn't trigger scale-up"),
            PodOutcome::AwaitEvaluation => "waits: another group would help".to_owned(),
            PodOutcome::LeftOver => complaint("waits: a limit kept it out of the scale-up"),
            PodOutcome::ScaleUpFailed => complaint("waits: the scale-up failed"),
            PodOutcome::TooNew => "waits: more pods of its burst may be coming".to_owned(),
            PodOutcome::Expendable => {
                "its priority is below expendable-pods-priority-cutoff: it causes no scale-up"
                    .to_owned()
            }
            PodOutcome::DaemonSet => "a DaemonSet's pod causes no scale-up".to_owned(),
            PodOutcome::Nominated => "preemption makes room for it".to_owned(),
            PodOutcome::Ignored => "not looked at".to_owned(),
            PodOutcome::NotReached => self.not_reached_text(),
        }
    }

    fn not_reached_text(&self) -> String {
        let told = self.report.events.iter().rev().find(|one| one.subject == Subject::Cluster);
        match told {
            Some(event) => format!("not looked at: {}: {}", event.reason, event.message),
            None => "not looked at: the sizes of node groups had to be put right first".to_owned(),
        }
    }

    fn pod_group_word(&self, outcome: PodOutcome, index: usize) -> Word {
        let scale_up = &self.report.scale_up;
        let judged = &scale_up.pod_groups[index];
        let name = |group: GroupId| self.cluster.group(group).spec.name.clone();
        let mut groups: Vec<(String, String)> = Vec::new();
        groups.extend(judged.fits.iter().map(|group| (name(*group), "would hold it".to_owned())));
        groups.extend(judged.refusals.iter().map(|(group, why)| (name(*group), why.to_string())));
        let skipped = scale_up.skipped.iter();
        groups.extend(skipped.map(|(group, why)| (name(*group), self.skip_text(*group, why))));
        groups.sort_unstable();
        let text = match outcome {
            PodOutcome::Unschedulable => {
                let why = scale_up.not_triggered_text(index);
                format!("pod didn't trigger scale-up: {why}")
            }
            _ => self.outcome_text(outcome),
        };
        Word { code: outcome.as_str(), text, groups }
    }

    fn skip_text(&self, group: GroupId, skip: &SkipReason) -> String {
        match (skip, self.registry.backoff_until(group, self.now)) {
            (SkipReason::Backoff, Some(until)) => format!("{skip} until {until}"),
            (SkipReason::MaxSizeReached, _) => {
                format!("{skip} ({})", self.cluster.group(group).spec.max_size)
            }
            _ => skip.to_string(),
        }
    }
}

fn slot(list: &mut Vec<(u64, u64)>, pod: PodId) -> &mut (u64, u64) {
    if list.len() <= pod.index() {
        list.resize(pod.index() + 1, (0, 0));
    }
    &mut list[pod.index()]
}
