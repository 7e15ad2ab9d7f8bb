//! What a loop found, in full, and the part of it that is news.

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_core::condition::Condition;
use plimsoll_core::ids::{GroupId, PodId};
use plimsoll_core::objects::ObjectName;
use plimsoll_core::{Cluster, SimTime};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::pending::{PodOutcome, Sorted};
use crate::scale_down::{ScaleDownResult, StartedScaleDown};
use crate::scale_up::{Increase, ScaleUpReport, ScaleUpResult};
use crate::{Reason, Subject};

/// Everything one loop found. Ids are those of the cluster that the loop looked at.
#[derive(Clone, Debug)]
pub struct LoopReport {
    /// When.
    pub at: SimTime,
    /// What scale-up came to.
    pub scale_up: ScaleUpReport,
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
    /// What upstream would tell as events, pods aside.
    pub events: Vec<Reason>,
}

impl LoopReport {
    pub(super) fn new(at: SimTime) -> LoopReport {
        LoopReport {
            at,
            scale_up: ScaleUpReport::default(),
            outcomes: Vec::new(),
            scale_down: ScaleDownResult::NotTried,
            started: Vec::new(),
            target_decreases: Vec::new(),
            removed_instances: Vec::new(),
            min_size_increases: Vec::new(),
            conditions: Vec::new(),
            object_findings: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The cloud refused to enlarge a group: the scale-up has failed, and with it its pods.
    pub(super) fn note_refusal(&mut self, cluster: &Cluster, group: GroupId, words: &str) {
        let refused = |one: &Increase| one.group == group;
        self.min_size_increases.retain(|one| !refused(one));
        self.scale_up.increases.retain(|one| !refused(one));
        self.scale_up.result = ScaleUpResult::Error;
        for (_, outcome) in &mut self.outcomes {
            if *outcome == PodOutcome::TriggeredScaleUp {
                *outcome = PodOutcome::ScaleUpFailed;
            }
        }
        let name = cluster.group(group).spec.name.clone();
        let text = format!("FailedToScaleUpGroup: Scale-up failed for group {name}: {words}");
        self.events.push(Reason { subject: Subject::Group(name), text });
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
        for option in &mut self.scale_up.options {
            option.pods.retain(|pod| !stand_ins.contains(pod));
        }
        for judged in &mut self.scale_up.pod_groups {
            judged.group.pods.retain(|pod| !stand_ins.contains(pod));
        }
        self.scale_up.pod_groups.retain(|judged| !judged.group.pods.is_empty());
    }
}

impl ScaleUpReport {
    /// What became of the pods that were to be helped.
    pub(super) fn outcomes(&self, to_help: &[PodId]) -> Vec<(PodId, PodOutcome)> {
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
        let packed: FxHashSet<PodId> =
            chosen.iter().flat_map(|option| option.pods.iter().copied()).collect();
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
                let outcome = if packed.contains(pod) { packed_outcome } else { other };
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
        for (_, skip) in &self.skipped {
            *counts.entry(skip.to_string()).or_default() += 1;
        }
        let mut parts: Vec<String> =
            counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        parts.sort();
        parts.join(", ")
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
        let mut news = report.events.clone();
        let mut groups = group_findings(cluster, report);
        news.extend(groups.iter().filter(|one| !self.groups.contains(one)).cloned());
        std::mem::swap(&mut self.groups, &mut groups);
        let outcomes: FxHashMap<PodId, PodOutcome> = report.outcomes.iter().copied().collect();
        let mut told = FxHashMap::default();
        let list = report.scale_up.increases_list(cluster);
        let triggered = format!("pod triggered scale-up: {list}");
        for (index, judged) in report.scale_up.pod_groups.iter().enumerate() {
            let not_triggered = std::cell::OnceCell::new();
            for id in &judged.group.pods {
                let text: &str = match outcomes.get(id) {
                    Some(PodOutcome::TriggeredScaleUp) => &triggered,
                    Some(PodOutcome::Unschedulable) => not_triggered.get_or_init(|| {
                        let why = report.scale_up.not_triggered_text(index);
                        format!("pod didn't trigger scale-up: {why}")
                    }),
                    Some(PodOutcome::AwaitEvaluation) => "waits: another group would help",
                    Some(PodOutcome::LeftOver) => "waits: a limit kept it out of the scale-up",
                    Some(PodOutcome::ScaleUpFailed) => "waits: the scale-up failed",
                    _ => continue,
                };
                let serial = cluster.pod(*id).serial;
                let digest = digest(text);
                told.insert(serial, digest);
                if self.pods.get(&serial) != Some(&digest) {
                    let subject = Subject::Pod(cluster.pod_full_name(*id));
                    news.push(Reason { subject, text: text.to_owned() });
                }
            }
        }
        self.pods = told;
        news
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
    let grows = scale_up.increases.iter().chain(&report.min_size_increases).map(|one| {
        let spec = &cluster.group(one.group).spec;
        let (name, from, to, max) = (&spec.name, one.from, one.to, spec.max_size);
        let text =
            format!("Scale-up: setting group {name} size to {to} instead of {from} (max: {max})");
        about(one.group, text)
    });
    let objects = report.object_findings.iter().cloned();
    let complaints = scale_up.complaints.iter();
    let complaints =
        complaints.map(|text| Reason { subject: Subject::Cluster, text: text.clone() });
    skipped.chain(grows).chain(complaints).chain(objects).collect()
}

fn digest(text: &str) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = rustc_hash::FxHasher::default();
    text.hash(&mut hasher);
    hasher.finish()
}
