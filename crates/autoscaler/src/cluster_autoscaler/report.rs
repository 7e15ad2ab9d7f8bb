//! What a loop found, in full, and the part of it that is news.

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_core::condition::Condition;
use plimsoll_core::ids::{GroupId, NodeId, PodId};
use plimsoll_core::objects::ObjectName;
use plimsoll_core::{Cluster, SimTime};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::pending::{PodOutcome, Sorted};
use crate::registry::FailedScaleUp;
use crate::scale_down::{ScaleDownResult, StartedScaleDown};
use crate::scale_up::{Increase, ScaleUpReport, ScaleUpResult};
use crate::status::events::triggered_text;
use crate::status::{Event, growths};
use crate::{Reason, Subject};

/// Upstream's reason against a group whose increase was refused.
pub const SCALE_UP_FAILED: &str = "scale-up execution failed";

/// Everything one loop found. Ids are those of the cluster that the loop looked at.
#[derive(Clone, Debug)]
pub struct LoopReport {
    /// When.
    pub at: SimTime,
    /// What scale-up came to. Of a salvo: the last of its scale-ups, with the increases of all.
    pub scale_up: ScaleUpReport,
    /// The scale-ups of a salvo one by one, where there was more than one.
    pub salvo: Vec<ScaleUpReport>,
    /// What became of each pending pod.
    pub outcomes: Vec<(PodId, PodOutcome)>,
    /// What scale-down came to.
    pub scale_down: ScaleDownResult,
    /// The nodes whose deletion started.
    pub started: Vec<StartedScaleDown>,
    /// Targets that were lowered without touching machines.
    pub target_decreases: Vec<(GroupId, u32)>,
    /// Machines without a Node that were given up.
    pub removed_instances: Vec<(GroupId, Vec<Arc<str>>)>,
    /// Groups that were below their minimum size and are enlarged for that.
    pub min_size_increases: Vec<Increase>,
    /// Conditions of other objects that the loop sets, in this order.
    pub conditions: Vec<(ObjectName, Condition)>,
    /// What there is to tell of other objects, again in each loop.
    pub object_findings: Vec<Reason>,
    /// What upstream would tell as events before it scales anything.
    pub events: Vec<Event>,
    /// Scale-ups that the loop found to have come to nothing.
    pub failed_scale_ups: Vec<FailedScaleUp>,
    /// Nodes that lose taints which an earlier process left, and which.
    pub cleaned: Vec<(NodeId, String, Vec<&'static str>)>,
    /// The loop went on to look at pods.
    pub reached_pods: bool,
    /// The error that ended the loop early, in upstream's words.
    pub error: Option<String>,
}

impl LoopReport {
    pub(super) fn new(at: SimTime) -> LoopReport {
        LoopReport {
            at,
            scale_up: ScaleUpReport::default(),
            salvo: Vec::new(),
            outcomes: Vec::new(),
            scale_down: ScaleDownResult::NotTried,
            started: Vec::new(),
            target_decreases: Vec::new(),
            removed_instances: Vec::new(),
            min_size_increases: Vec::new(),
            conditions: Vec::new(),
            object_findings: Vec::new(),
            events: Vec::new(),
            failed_scale_ups: Vec::new(),
            cleaned: Vec::new(),
            reached_pods: false,
            error: None,
        }
    }

    /// Takes over the scale-ups of a loop, and gives what they come to: the result of the last one.
    pub(super) fn take_scale_ups(&mut self, mut reports: Vec<ScaleUpReport>) -> ScaleUpReport {
        self.events.extend(reports.iter_mut().flat_map(|one| std::mem::take(&mut one.events)));
        if reports.len() <= 1 {
            return reports.pop().unwrap_or_default();
        }
        let mut last = reports.last().cloned().unwrap_or_default();
        last.increases = reports.iter().flat_map(|one| one.increases.iter().copied()).collect();
        self.salvo = reports;
        last
    }

    /// The cloud refused to enlarge a group.
    pub(super) fn note_refusal(&mut self, cluster: &Cluster, group: GroupId, words: &str) {
        self.drop_increase(group, None);
        self.scale_up.result = ScaleUpResult::Error;
        self.events.push(Event::scale_up_refused(&cluster.group(group).spec.name, words));
    }

    /// With a refused group a scale-up, the one of this place among the loop's, has failed, and with it
    /// its pods.
    pub(super) fn note_failed_pods(&mut self, group: GroupId, scale_up: usize) {
        // Pods of a salvo's earlier scale-ups are helped; those of later ones are not tried any more.
        let helped: FxHashSet<PodId> =
            self.salvo.iter().take(scale_up).flat_map(chosen_pods).collect();
        for (pod, outcome) in &mut self.outcomes {
            match *outcome {
                PodOutcome::TriggeredScaleUp if !helped.contains(pod) => {
                    *outcome = PodOutcome::ScaleUpFailed;
                }
                // Upstream says of a loop that failed for nobody that another group would help.
                PodOutcome::AwaitEvaluation => *outcome = PodOutcome::LeftOver,
                _ => {}
            }
        }
        self.note_not_enlarged(group);
    }

    /// An increase is not carried out, as one before it was refused.
    pub(super) fn note_withdrawal(&mut self, group: GroupId, delta: u32) {
        self.drop_increase(group, Some(delta));
        if self.salvo.is_empty() {
            self.note_not_enlarged(group);
        }
    }

    /// Pods that only groups would help which the cloud refused to enlarge, or which were not tried
    /// after that, are beyond help.
    fn note_not_enlarged(&mut self, group: GroupId) {
        let scale_up = &mut self.scale_up;
        scale_up.refused.push(group);
        let hopeless: FxHashSet<PodId> = scale_up
            .pod_groups
            .iter()
            .filter(|one| one.fits.iter().all(|group| scale_up.refused.contains(group)))
            .flat_map(|one| one.group.pods.iter().copied())
            .collect();
        for (pod, outcome) in &mut self.outcomes {
            let waits = matches!(outcome, PodOutcome::LeftOver | PodOutcome::AwaitEvaluation);
            if waits && hopeless.contains(pod) {
                *outcome = PodOutcome::Unschedulable;
            }
        }
    }

    /// Takes out the last increase of a group, by so many nodes if that is known.
    fn drop_increase(&mut self, group: GroupId, delta: Option<u32>) {
        let is_it = |one: &Increase| {
            one.group == group && delta.is_none_or(|delta| one.to - one.from == delta)
        };
        for list in [&mut self.min_size_increases, &mut self.scale_up.increases] {
            if let Some(place) = list.iter().rposition(is_it) {
                list.remove(place);
                return;
            }
        }
    }

    /// What became of pods that were to be helped.
    pub(super) fn outcomes_of(&self, to_help: &[PodId]) -> Vec<(PodId, PodOutcome)> {
        let earlier = self.salvo.iter().rev().skip(1);
        let helped: FxHashSet<PodId> = earlier.flat_map(chosen_pods).collect();
        let (helped, left): (Vec<PodId>, Vec<PodId>) =
            to_help.iter().partition(|pod| helped.contains(*pod));
        let triggered = helped.into_iter().map(|pod| (pod, PodOutcome::TriggeredScaleUp));
        triggered.chain(self.scale_up.outcomes(&left)).collect()
    }

    /// Takes over what became of the pods, those aside that only stood for others.
    pub(super) fn note_pods(&mut self, sorted: Sorted, outcomes: Vec<(PodId, PodOutcome)>) {
        self.outcomes = sorted.outcomes;
        self.outcomes.extend(outcomes);
        let stand_ins = &sorted.stand_ins;
        if stand_ins.is_empty() {
            return;
        }
        self.outcomes.retain(|(pod, _)| !stand_ins.contains(pod));
        for report in self.salvo.iter_mut().chain([&mut self.scale_up]) {
            for option in &mut report.options {
                option.pods.retain(|pod| !stand_ins.contains(pod));
            }
            for judged in &mut report.pod_groups {
                judged.group.pods.retain(|pod| !stand_ins.contains(pod));
            }
            report.pod_groups.retain(|judged| !judged.group.pods.is_empty());
        }
    }
}

/// The pods of the option that was taken.
fn chosen_pods(report: &ScaleUpReport) -> impl Iterator<Item = PodId> + '_ {
    report.chosen.into_iter().flat_map(|index| report.options[index].pods.iter().copied())
}

impl ScaleUpReport {
    /// What became of the pods that were to be helped.
    fn outcomes(&self, to_help: &[PodId]) -> Vec<(PodId, PodOutcome)> {
        let all = |outcome| to_help.iter().map(|pod| (*pod, outcome)).collect();
        match self.result {
            ScaleUpResult::NotTried | ScaleUpResult::NotNeeded => {
                return all(PodOutcome::NotReached);
            }
            ScaleUpResult::LimitedByMaxNodesTotal => return all(PodOutcome::Unschedulable),
            ScaleUpResult::InCooldown => return all(PodOutcome::TooNew),
            ScaleUpResult::NoOptionsAvailable
            | ScaleUpResult::Successful
            | ScaleUpResult::Error => {}
        }
        let chosen = self.chosen.map(|index| &self.options[index]);
        let mut packed = PodSet::default();
        chosen.iter().flat_map(|option| &option.pods).for_each(|pod| packed.insert(*pod));
        let packed_outcome = match self.result {
            ScaleUpResult::Successful => PodOutcome::TriggeredScaleUp,
            _ => PodOutcome::ScaleUpFailed,
        };
        let mut outcomes = Vec::with_capacity(to_help.len());
        for judged in &self.pod_groups {
            let in_chosen = chosen.is_some_and(|option| judged.fits.contains(&option.group));
            let other = if judged.fits.is_empty() {
                PodOutcome::Unschedulable
            } else if in_chosen || chosen.is_none() {
                PodOutcome::LeftOver
            } else {
                PodOutcome::AwaitEvaluation
            };
            for pod in &judged.group.pods {
                let outcome = if packed.contains(*pod) { packed_outcome } else { other };
                outcomes.push((*pod, outcome));
            }
        }
        outcomes
    }

    /// Why no group helps a pod group: the number of groups by reason, in the order of the words.
    /// Upstream's event NotTriggerScaleUp without its prefix.
    #[must_use]
    pub fn not_triggered_text(&self, pod_group: usize) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (_, refusal) in &self.pod_groups[pod_group].refusals {
            for reason in &refusal.reasons {
                *counts.entry(reason.to_string()).or_default() += 1;
            }
        }
        // What was found out about a skipped group says more than why it was skipped.
        let refuses = |group: &GroupId| {
            self.pod_groups[pod_group].refusals.iter().any(|(one, _)| one == group)
        };
        for (_, skip) in self.skipped.iter().filter(|(group, _)| !refuses(group)) {
            *counts.entry(skip.to_string()).or_default() += 1;
        }
        let failed = self.refused_for(pod_group).count();
        if failed > 0 {
            counts.insert(SCALE_UP_FAILED.to_owned(), failed);
        }
        let mut parts: Vec<String> =
            counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        parts.sort();
        parts.join(", ")
    }

    /// The groups that would help a pod group, had the cloud not refused.
    pub fn refused_for(&self, pod_group: usize) -> impl Iterator<Item = GroupId> + '_ {
        let fits = self.pod_groups[pod_group].fits.iter().copied();
        fits.filter(|group| self.refused.contains(group))
    }

    /// The increases in upstream's words.
    pub(crate) fn increases_list(&self, cluster: &Cluster) -> String {
        let parts: Vec<String> = self
            .increases
            .iter()
            .map(|one| {
                let spec = &cluster.group(one.group).spec;
                format!("{{{} {}->{} (max: {})}}", spec.name, one.from, one.to, spec.max_size)
            })
            .collect();
        format!("[{}]", parts.join(" "))
    }

    /// The event of pods that caused them.
    pub(super) fn increases_text(&self, cluster: &Cluster) -> String {
        triggered_text(growths(cluster, &self.increases))
    }
}

/// What was told in the last loop, so that only news is told in the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// By the pod's serial: a digest of what was told of it.
    pods: FxHashMap<u64, u64>,
    groups: Vec<Reason>,
}

impl Told {
    /// What the report says about pods and groups that the last one did not.
    pub(super) fn news(&mut self, cluster: &Cluster, report: &LoopReport) -> Vec<Reason> {
        let mut news: Vec<Reason> = report.events.iter().map(Reason::from).collect();
        let mut groups = group_findings(cluster, report);
        news.extend(groups.iter().filter(|one| !self.groups.contains(one)).cloned());
        std::mem::swap(&mut self.groups, &mut groups);
        self.pod_news(cluster, report, &mut news);
        news
    }

    fn pod_news(&mut self, cluster: &Cluster, report: &LoopReport, news: &mut Vec<Reason>) {
        let groups = &report.scale_up.pod_groups;
        let outcomes = OutcomesByPod::new(&report.outcomes);
        let before = std::mem::take(&mut self.pods);
        self.pods.reserve(groups.iter().map(|judged| judged.group.pods.len()).sum());
        self.tell_salvo(cluster, report, &before, news);
        // Of a salvo the last scale-up speaks for itself, and for all pods that wait on.
        let last = report.salvo.last().unwrap_or(&report.scale_up);
        let triggered = Text::new(last.increases_text(cluster));
        let [awaits, left_over, failed] = [
            "waits: another group would help",
            "waits: a limit kept it out of the scale-up",
            "waits: the scale-up failed",
        ]
        .map(|text| Text::new(text.to_owned()));
        for (index, judged) in groups.iter().enumerate() {
            let not_triggered = std::cell::OnceCell::new();
            for id in &judged.group.pods {
                let text = match outcomes.of(*id) {
                    Some(PodOutcome::TriggeredScaleUp) => &triggered,
                    Some(PodOutcome::Unschedulable) => not_triggered.get_or_init(|| {
                        let why = report.scale_up.not_triggered_text(index);
                        Text::new(format!("pod didn't trigger scale-up: {why}"))
                    }),
                    Some(PodOutcome::AwaitEvaluation) => &awaits,
                    Some(PodOutcome::LeftOver) => &left_over,
                    Some(PodOutcome::ScaleUpFailed) => &failed,
                    _ => continue,
                };
                let serial = cluster.pod(*id).serial;
                self.pods.insert(serial, text.digest);
                if before.get(&serial) != Some(&text.digest) {
                    let subject = Subject::Pod(cluster.pod_full_name(*id));
                    news.push(Reason { subject, text: text.words.clone() });
                }
            }
        }
    }
}

/// Something that is told of many pods.
struct Text {
    words: String,
    digest: u64,
}

impl Text {
    fn new(words: String) -> Text {
        Text { digest: digest(&words), words }
    }
}

/// Some pods, one bit each.
#[derive(Default)]
struct PodSet {
    words: Vec<u64>,
}

impl PodSet {
    fn insert(&mut self, pod: PodId) {
        if self.words.len() <= pod.index() / 64 {
            self.words.resize(pod.index() / 64 + 1, 0);
        }
        self.words[pod.index() / 64] |= 1 << (pod.index() % 64);
    }

    fn contains(&self, pod: PodId) -> bool {
        self.words.get(pod.index() / 64).is_some_and(|word| word & (1 << (pod.index() % 64)) != 0)
    }
}

/// The outcome of each pod, by its index.
struct OutcomesByPod(Vec<Option<PodOutcome>>);

impl OutcomesByPod {
    fn new(outcomes: &[(PodId, PodOutcome)]) -> OutcomesByPod {
        let end = outcomes.iter().map(|(pod, _)| pod.index() + 1).max().unwrap_or(0);
        let mut by_pod = vec![None; end];
        for (pod, outcome) in outcomes {
            by_pod[pod.index()] = Some(*outcome);
        }
        OutcomesByPod(by_pod)
    }

    fn of(&self, pod: PodId) -> Option<PodOutcome> {
        self.0.get(pod.index()).copied().flatten()
    }
}

impl Told {
    /// Tells the pods that a salvo's earlier scale-ups help.
    fn tell_salvo(
        &mut self,
        cluster: &Cluster,
        report: &LoopReport,
        before: &FxHashMap<u64, u64>,
        news: &mut Vec<Reason>,
    ) {
        for earlier in report.salvo.iter().rev().skip(1).rev() {
            let text = Text::new(earlier.increases_text(cluster));
            for id in chosen_pods(earlier) {
                let serial = cluster.pod(id).serial;
                self.pods.insert(serial, text.digest);
                if before.get(&serial) != Some(&text.digest) {
                    let subject = Subject::Pod(cluster.pod_full_name(id));
                    news.push(Reason { subject, text: text.words.clone() });
                }
            }
        }
    }
}

fn group_findings(cluster: &Cluster, report: &LoopReport) -> Vec<Reason> {
    let about = |group: GroupId, text: String| Reason {
        subject: Subject::Group(cluster.group(group).spec.name.clone()),
        text,
    };
    let scale_up = &report.scale_up;
    let skipped = scale_up.skipped.iter();
    let skipped = skipped.map(|(group, reason)| about(*group, format!("skipped: {reason}")));
    let grows = growths(cluster, &scale_up.increases)
        .chain(growths(cluster, &report.min_size_increases))
        .map(Event::setting_group_size)
        .map(|event| Reason { subject: event.subject, text: event.message });
    let complaints = scale_up.complaints.iter();
    let complaints =
        complaints.map(|text| Reason { subject: Subject::Cluster, text: text.clone() });
    let events = scale_up.events.iter().map(Reason::from);
    let objects = report.object_findings.iter().cloned();
    skipped.chain(grows).chain(complaints).chain(events).chain(objects).collect()
}

fn digest(text: &str) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = rustc_hash::FxHasher::default();
    text.hash(&mut hasher);
    hasher.finish()
}
