//! Keeps book of what Cluster Autoscaler would tell: events, metrics and the status.
//!
//! The autoscaler calls in at five points: when a loop begins, when its registry is up to date, when
//! it has decided, when deletions go on, and when it is known what became of an action. An
//! autoscaler without a recorder pays nothing.

use std::collections::BTreeSet;

use plimsoll_core::ids::{GroupId, PodId};
use plimsoll_core::{Cluster, SimTime};

use super::conditions::{Candidates, ClusterStatus, NodeCounts, StatusInputs};
use super::deletions::DeletionBook;
use super::events::{Event, Growth, triggered_text};
use super::families as family;
use super::gpu::GpuLabels;
use super::metrics::Metrics;
use super::observation;
use crate::action::{Action, Outcome};
use crate::cluster_autoscaler::LoopReport;
use crate::pending::PodOutcome;
use crate::registry::Registry;
use crate::scale_down::{ScaleDown, ScaleDownResult};
use crate::scale_up::{Increase, ScaleUpResult};
use crate::settings::Settings;

/// The recorder. See the module's text.
#[derive(Clone, Debug)]
pub struct Recorder {
    events: Vec<Event>,
    metrics: Metrics,
    /// The status after the last loop but one.
    before: Option<ClusterStatus>,
    current: Option<OpenLoop>,
    totals: NodeCounts,
    candidates: Candidates,
    deletions: DeletionBook,
    /// By group index: reasons of back-offs that were shown.
    backoff_reasons: Vec<BTreeSet<String>>,
}

/// The last loop, until the next one begins.
#[derive(Clone, Debug)]
struct OpenLoop {
    at: SimTime,
    /// Why the loop ended before anything was looked at.
    not_actionable: Option<&'static str>,
    /// Increases whose outcome is not known yet: those for pods, then those for minimum sizes.
    increases: Vec<Increase>,
    /// How many of them are for pods.
    for_pods: usize,
    /// Groups whose target is lowered because a request timed out.
    reverts: Vec<GroupId>,
    has_failed: bool,
}

/// What the recorder is shown of the autoscaler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) settings: &'a Settings,
    pub(crate) registry: &'a Registry,
}

impl Recorder {
    /// Nothing is recorded yet.
    #[must_use]
    pub(crate) fn new(settings: &Settings) -> Recorder {
        Recorder {
            events: Vec::new(),
            metrics: observation::at_start(settings),
            before: None,
            current: None,
            totals: NodeCounts::default(),
            candidates: Candidates::default(),
            deletions: DeletionBook::default(),
            backoff_reasons: Vec::new(),
        }
    }

    /// A loop begins: what the last one came to is settled.
    pub(crate) fn begin_loop(&mut self, sight: Sight<'_>, now: SimTime) {
        if self.current.is_some() {
            // A loop that ended at once leaves the status of the one before as it was.
            let status = self.status(sight, now);
            self.before =
                if status.initializing.is_some() { self.before.take() } else { Some(status) };
            let mut metrics = std::mem::take(&mut self.metrics);
            self.settle(&mut metrics, sight);
            self.metrics = metrics;
        }
        self.events.clear();
        self.current = Some(OpenLoop {
            at: now,
            not_actionable: None,
            increases: Vec::new(),
            for_pods: 0,
            reverts: Vec::new(),
            has_failed: false,
        });
        self.metrics.set(&family::LAST_ACTIVITY, &["main"], now.as_seconds());
        observation::taints(&mut self.metrics, sight.cluster, sight.settings);
    }

    /// The loop ends at once, for this reason.
    pub(crate) fn not_actionable(&mut self, why: &'static str) {
        if let Some(current) = &mut self.current {
            current.not_actionable = Some(why);
        }
        self.metrics.set(&family::CLUSTER_SAFE_TO_AUTOSCALE, &[], 0);
        observation::show_node_counts(&mut self.metrics, &NodeCounts::default());
    }

    /// The registry is up to date.
    pub(crate) fn registry_updated(&mut self, sight: Sight<'_>, now: SimTime) {
        let Sight { cluster, settings, registry } = sight;
        self.totals = observation::cluster(&mut self.metrics, cluster, registry, settings, now);
    }

    /// The loop has decided. `cluster` is as the loop left it, with what it tried.
    pub(crate) fn decided(
        &mut self,
        sight: Sight<'_>,
        report: &LoopReport,
        scale_down: &ScaleDown,
        now: SimTime,
    ) {
        let Sight { cluster, .. } = sight;
        self.events.extend(report.events.iter().cloned());
        self.events.extend(report.scale_up.events.iter().cloned());
        for failure in &report.failed_scale_ups {
            let gpus = GpuLabels::of_template(cluster, &cluster.group(failure.group).spec.template);
            self.count_failure(&failure.error.code, failure.count, &gpus);
        }
        if report.error.is_some() {
            self.fail("internalError");
        }
        if report.reached_pods {
            self.metrics.set(&family::LAST_ACTIVITY, &["autoscaling"], now.as_seconds());
            observation::pods(&mut self.metrics, cluster, report);
        }
        let ran_scale_up = !matches!(
            report.scale_up.result,
            ScaleUpResult::NotTried
                | ScaleUpResult::NotNeeded
                | ScaleUpResult::InCooldown
                | ScaleUpResult::LimitedByMaxNodesTotal
        );
        if ran_scale_up || (report.reached_pods && sight.settings.enforce_node_group_min_size) {
            self.metrics.set(&family::LAST_ACTIVITY, &["scaleUp"], now.as_seconds());
        }
        self.scale_down_planned(sight, report, scale_down, now);
        if let Some(current) = &mut self.current {
            current.for_pods = report.scale_up.increases.len();
            current.increases.clone_from(&report.scale_up.increases);
            current.increases.extend_from_slice(&report.min_size_increases);
            let failures = report.failed_scale_ups.iter();
            current.reverts = failures.filter(|one| one.is_reverted).map(|one| one.group).collect();
            if current.for_pods == 0 {
                self.tell_pods(sight, report);
            }
        }
    }

    fn scale_down_planned(
        &mut self,
        sight: Sight<'_>,
        report: &LoopReport,
        scale_down: &ScaleDown,
        now: SimTime,
    ) {
        self.deletions.begin_loop(scale_down, &report.cleaned);
        if report.scale_down == ScaleDownResult::NotTried {
            return;
        }
        let Sight { cluster, registry, .. } = sight;
        let unneeded = scale_down.unneeded();
        let mut by_group = vec![0; cluster.group_count()];
        for one in unneeded {
            if let Some(group) = cluster.node(one.node).group {
                by_group[group.index()] += 1;
            }
        }
        self.candidates = Candidates { by_group, at: Some(now) };
        let count = i64::try_from(unneeded.len()).unwrap_or(i64::MAX);
        self.metrics.set(&family::UNNEEDED_NODES_COUNT, &[], count);
        let in_cooldown = report.scale_down == ScaleDownResult::InCooldown;
        self.metrics.set_flag(&family::SCALE_DOWN_IN_COOLDOWN, &[], in_cooldown);
        if !in_cooldown {
            self.metrics.set(&family::LAST_ACTIVITY, &["scaleDown"], now.as_seconds());
        }
        if !in_cooldown && report.scale_down != ScaleDownResult::NoCandidates {
            let mut counts = std::collections::BTreeMap::<&str, i64>::new();
            for (_, reason) in scale_down.unremovable() {
                *counts.entry(reason.as_str()).or_default() += 1;
            }
            for (reason, count) in counts {
                self.metrics.set(&family::UNREMOVABLE_NODES_COUNT, &[reason], count);
            }
        }
        self.deletions.start(cluster, registry, &report.started, scale_down);
    }

    /// Deletions go on with these actions.
    pub(crate) fn resumed(&mut self, cluster: &Cluster, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Evict { pod, serial } => {
                    self.deletions.evicts(cluster, *pod, *serial, &mut self.events);
                }
                Action::GiveUpScaleDown { node, reason } => {
                    self.deletions.gives_up(*node, reason, &mut self.events, &mut self.metrics);
                }
                _ => {}
            }
        }
    }

    /// What became of an action. `report` is that of the last loop.
    pub(crate) fn observed(
        &mut self,
        sight: Sight<'_>,
        action: &Action,
        outcome: &Outcome,
        report: Option<&LoopReport>,
    ) {
        let refusal = match outcome {
            Outcome::Done => None,
            Outcome::Refused(words) => Some(words.as_str()),
        };
        let name_of = |group: &GroupId| sight.cluster.group(*group).spec.name.clone();
        match action {
            Action::IncreaseSize { group, delta } => {
                self.increased(sight, *group, *delta, refusal, report);
            }
            Action::DecreaseTarget { group, .. } => {
                let reverts = self.current.as_mut().map(|current| &mut current.reverts);
                let revert = reverts.and_then(|all| {
                    all.iter().position(|one| one == group).map(|place| all.remove(place))
                });
                match (refusal, revert) {
                    (Some(words), Some(_)) => {
                        self.events.push(Event::revert_failed(&name_of(group), words));
                    }
                    (Some(_), None) => self.fail("cloudProviderError"),
                    (None, _) => {}
                }
            }
            Action::DeleteInstances { ids, reason: "NeverRegistered", .. } => {
                for id in ids {
                    self.events.push(match refusal {
                        None => Event::unregistered_removed(id),
                        Some(words) => Event::unregistered_removal_failed(id, words),
                    });
                }
                if refusal.is_none() {
                    let count = u64::try_from(ids.len()).unwrap_or(u64::MAX);
                    self.metrics.add(&family::OLD_UNREGISTERED_NODES_REMOVED_COUNT, &[], count);
                }
            }
            Action::DeleteInstances { .. }
            | Action::SetCondition { .. }
            | Action::DeleteObject { .. }
            | Action::GiveUpScaleDown { .. } => {}
            Action::SetTaints { node, .. } => {
                if self.deletions.tainted(*node, refusal, &mut self.events) {
                    self.fail("apiCallError");
                }
            }
            Action::Evict { serial, .. } => {
                self.deletions.evicted(*serial, refusal, &mut self.metrics);
            }
            Action::DeleteNode { node, .. } => {
                self.deletions.deleted(*node, refusal, &mut self.events, &mut self.metrics);
            }
        }
    }

    fn increased(
        &mut self,
        sight: Sight<'_>,
        group: GroupId,
        delta: u32,
        refusal: Option<&str>,
        report: Option<&LoopReport>,
    ) {
        let spec = &sight.cluster.group(group).spec;
        let Some(current) = &mut self.current else { return };
        let is_it = |one: &Increase| one.group == group && one.to - one.from == delta;
        let known = current.increases.iter().position(is_it);
        if let Some(increase) = known.map(|place| current.increases.remove(place)) {
            let growth = Growth {
                group: &spec.name,
                from: increase.from,
                to: increase.to,
                max: spec.max_size,
            };
            self.events.push(Event::setting_group_size(growth));
            self.events.push(match refusal {
                None => Event::group_size_set(growth),
                Some(words) => Event::scale_up_refused(&spec.name, words),
            });
        }
        let gpus = GpuLabels::of_template(sight.cluster, &spec.template);
        if refusal.is_some() {
            self.count_failure("cloudProviderError", delta, &gpus);
        } else {
            let labels = ["", gpus.gpu_type.as_str(), gpus.resource.as_str()];
            self.metrics.add(&family::SCALED_UP_NODES_TOTAL, &labels, delta.into());
            if gpus.any() {
                self.metrics.add(&family::SCALED_UP_GPU_NODES_TOTAL, &labels[1..], delta.into());
            }
        }
        let Some(current) = &mut self.current else { return };
        if current.for_pods > 0 {
            // What comes after a refusal is not asked for, or helps no pod any more.
            current.for_pods = if refusal.is_some() { 0 } else { current.for_pods - 1 };
            if let (0, Some(report)) = (current.for_pods, report) {
                self.tell_pods(sight, report);
            }
        }
    }

    fn count_failure(&mut self, reason: &str, nodes: u32, gpus: &GpuLabels) {
        let labels = ["", gpus.gpu_type.as_str(), gpus.resource.as_str(), reason];
        self.metrics.add(&family::FAILED_SCALE_UPS_TOTAL, &labels, 1);
        self.metrics.add(&family::FAILED_NODE_CREATIONS_TOTAL, &[reason], nodes.into());
        if gpus.any() {
            self.metrics.add(&family::FAILED_GPU_SCALE_UPS_TOTAL, &labels[1..], 1);
        }
    }

    /// The loop has failed, with an error of this type.
    fn fail(&mut self, error: &str) {
        if let Some(current) = &mut self.current
            && !std::mem::replace(&mut current.has_failed, true)
        {
            self.metrics.add(&family::ERRORS_TOTAL, &[error], 1);
        }
    }

    /// Pods are told once it is known whether their scale-up went well. While one is under way, or
    /// has failed, nobody is told that no group helps.
    fn tell_pods(&mut self, sight: Sight<'_>, report: &LoopReport) {
        const LIMITED: &str = "max total nodes in cluster reached";
        let Sight { cluster, settings, .. } = sight;
        let scale_up = &report.scale_up;
        let name = |pod| cluster.find_pod(pod).map(|_| cluster.pod_full_name(pod));
        let helped = report.outcomes.iter();
        let helped = helped.filter(|(_, outcome)| *outcome == PodOutcome::TriggeredScaleUp);
        let helped: BTreeSet<PodId> = helped.map(|(pod, _)| *pod).collect();
        let alone = std::slice::from_ref(scale_up);
        let all = if report.salvo.is_empty() { alone } else { &report.salvo[..] };
        for one in all.iter().filter(|one| !one.increases.is_empty()) {
            let message = triggered_text(growths(cluster, &one.increases));
            let pods = one.chosen.iter().flat_map(|chosen| &one.options[*chosen].pods);
            let events = pods
                .filter(|pod| helped.contains(pod))
                .filter_map(|pod| Some(Event::triggered_scale_up(&name(*pod)?, &message)));
            self.events.extend(events);
        }
        if scale_up.result == ScaleUpResult::Error || !scale_up.increases.is_empty() {
            return;
        }
        let stuck: BTreeSet<_> = report
            .outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == PodOutcome::Unschedulable)
            .map(|(pod, _)| *pod)
            .collect();
        if scale_up.pod_groups.is_empty() {
            // A quirk of upstream: the report on minimum sizes takes the place of this one.
            if !settings.enforce_node_group_min_size {
                let events = stuck
                    .iter()
                    .filter_map(|pod| Some(Event::not_triggered_scale_up(&name(*pod)?, LIMITED)));
                self.events.extend(events);
            }
            return;
        }
        for (index, judged) in scale_up.pod_groups.iter().enumerate() {
            let mut pods = judged.group.pods.iter().filter(|pod| stuck.contains(pod)).peekable();
            if pods.peek().is_none() {
                continue;
            }
            let why = scale_up.not_triggered_text(index);
            let events =
                pods.filter_map(|pod| Some(Event::not_triggered_scale_up(&name(*pod)?, &why)));
            self.events.extend(events);
        }
    }

    /// What was told since the last loop began, in order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The same, and it is not told again.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The status after the last loop; `now` is when it is written, where none has run.
    pub(crate) fn status(&self, sight: Sight<'_>, now: SimTime) -> ClusterStatus {
        let Some(current) = &self.current else { return ClusterStatus::initializing(now, "") };
        if let Some(why) = current.not_actionable {
            return ClusterStatus::initializing(current.at, why);
        }
        let Sight { cluster, settings, registry } = sight;
        let inputs = StatusInputs {
            cluster,
            settings,
            registry,
            totals: self.totals,
            candidates: &self.candidates,
            at: current.at,
        };
        ClusterStatus::after_loop(&inputs, self.before.as_ref())
    }

    /// The metrics as they are now.
    pub(crate) fn metrics(&self, sight: Sight<'_>) -> Metrics {
        let mut metrics = self.metrics.clone();
        let mut reasons = self.backoff_reasons.clone();
        self.end_loop(&mut metrics, &mut reasons, sight);
        metrics
    }

    fn settle(&mut self, metrics: &mut Metrics, sight: Sight<'_>) {
        let mut reasons = std::mem::take(&mut self.backoff_reasons);
        self.end_loop(metrics, &mut reasons, sight);
        self.backoff_reasons = reasons;
    }

    /// What a loop shows at its end.
    fn end_loop(
        &self,
        metrics: &mut Metrics,
        reasons: &mut Vec<BTreeSet<String>>,
        sight: Sight<'_>,
    ) {
        let Some(current) = &self.current else { return };
        if !current.has_failed {
            let at = current.at.as_seconds();
            metrics.set(&family::LAST_ACTIVITY, &["mainSuccessful"], at);
        }
        if current.not_actionable.is_none() {
            let Sight { cluster, settings, registry } = sight;
            observation::groups(metrics, cluster, registry, settings, reasons, current.at);
        }
    }
}

/// Increases in upstream's words.
pub(crate) fn growths<'a>(
    cluster: &'a Cluster,
    increases: &'a [Increase],
) -> impl Iterator<Item = Growth<'a>> {
    increases.iter().map(|one| {
        let spec = &cluster.group(one.group).spec;
        Growth { group: &spec.name, from: one.from, to: one.to, max: spec.max_size }
    })
}
