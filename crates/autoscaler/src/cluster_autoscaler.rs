//! The strategy `cluster-autoscaler`: Cluster Autoscaler's loop, step by step.
//!
//! Source: `core/static_autoscaler.go`, `RunOnce`, of release 1.36.

mod broken_machines;
mod execution;
mod if_refused;
mod pod_findings;
mod report;
mod salvo;
mod start_state;

pub use report::{LoopReport, SCALE_UP_FAILED};
pub use start_state::StartState;

use std::sync::Arc;

use plimsoll_core::condition::Condition;
use plimsoll_core::ids::{GroupId, NodeId, PodId};
use plimsoll_core::objects::ObjectName;
use plimsoll_core::{Cluster, Fork, SimDuration, SimTime};
use rustc_hash::FxHashSet;
use thiserror::Error;

use crate::action::{Action, Outcome};
use crate::capacity_buffers::CapacityBuffers;
use crate::chance::draw;
use crate::injection::{FakePods, Origin, proactive};
use crate::loop_context::LoopContext;
use crate::pending::{PendingPods, PodOutcome, Sorted, Upcoming, burst_settles_at, not_reached};
use crate::provisioning_requests::ProvisioningRequests;
use crate::registry::{NodeState, Registry};
use crate::scale_down::{ScaleDown, before_start};
use crate::scale_up::min_size;
use crate::scale_up::orchestrator::ScaleUpInputs;
use crate::scale_up::template::Templates;
use crate::scale_up::{Increase, ScaleUpReport, ScaleUpResult};
use crate::settings::{Expander, Settings};
use crate::status::{Event, Recorder, ScaleUpError, Sight};
use crate::taints::{DELETION_CANDIDATE, TO_BE_DELETED};
use crate::{Decision, Finding, NodeAutoscaler, Reason};
use execution::{Execution, ScaleUpKind};
use if_refused::{AfterRefusal, IfRefused};
use pod_findings::{Circumstances, PodFindings};
use report::Told;

/// Cluster Autoscaler 1.36, as far as it decides anything.
///
/// Where upstream leaves a choice to chance, ours is fixed: pod groups go by their first pod, node
/// groups and nodes by id, and one of several best options is drawn from seed and instant.
#[derive(Clone, Debug)]
pub struct ClusterAutoscaler {
    settings: Settings,
    seed: u64,
    registry: Registry,
    templates: Templates,
    pending: PendingPods,
    buffers: CapacityBuffers,
    requests: ProvisioningRequests,
    scale_down: ScaleDown,
    last_scale_up: Option<SimTime>,
    /// By group; `None`: not since the start.
    last_scale_up_of: Vec<Option<SimTime>>,
    is_first_loop: bool,
    started_at: Option<SimTime>,
    last_loop_at: Option<SimTime>,
    loop_number: u64,
    /// How many loops there were at this instant before.
    turn: u64,
    told: Told,
    pod_findings: PodFindings,
    last_loop: Option<LoopReport>,
    execution: Execution,
    /// `None`: a refusal would make no difference to scale-down.
    if_refused: Option<Box<IfRefused>>,
    after_refusal: AfterRefusal,
    /// The last loop that enlarged something or began to delete something.
    productive_loop: u64,
    /// `None`: nobody asks what would be told.
    recorder: Option<Box<Recorder>>,
}

/// Nobody is told that no node is ready before the autoscaler has run for so long.
const NODES_BECOME_READY_WITHIN: SimDuration = SimDuration::from_mins(10);

/// A strategy that chooses by price meets a group without one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("group {group} has no pricePerHour, which the expander price needs")]
pub struct MissingPrice {
    /// The group.
    pub group: String,
}

/// What a loop gathers on its way.
struct Step<'f, 'c> {
    fork: &'f mut Fork<'c>,
    now: SimTime,
    actions: Vec<Action>,
    report: LoopReport,
    /// By group: what the cloud will have been asked for once the actions so far are done.
    targets: Vec<u32>,
    upcoming: Vec<Upcoming>,
    /// Pods that do not exist.
    fakes: FakePods,
    /// The real nodes that count.
    nodes: Vec<NodeId>,
    /// Stand-ins for what the salvo's earlier scale-ups have asked for, and how many by group.
    salvo_nodes: Vec<NodeId>,
    salvo_counts: Vec<u32>,
    execution: Execution,
    /// When time alone changes what this loop found about pods.
    pods_change_at: Option<SimTime>,
    scale_down_disabled: bool,
    fork_is_bare: bool,
    scale_down_idle_until: Option<SimTime>,
    scale_down_reasons: Vec<Reason>,
}

/// Whether a loop goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoOn,
    Stop,
}

impl ClusterAutoscaler {
    /// An autoscaler that has just started.
    #[must_use]
    pub fn new(settings: Settings, seed: u64) -> ClusterAutoscaler {
        ClusterAutoscaler {
            registry: Registry::new(&settings),
            templates: Templates::default(),
            pending: PendingPods::default(),
            buffers: CapacityBuffers::default(),
            requests: ProvisioningRequests::default(),
            scale_down: ScaleDown::new(&settings),
            last_scale_up: None,
            last_scale_up_of: Vec::new(),
            is_first_loop: true,
            started_at: None,
            last_loop_at: None,
            loop_number: 0,
            turn: 0,
            told: Told::default(),
            pod_findings: PodFindings::default(),
            last_loop: None,
            execution: Execution::default(),
            if_refused: None,
            after_refusal: AfterRefusal::default(),
            productive_loop: 0,
            recorder: None,
            settings,
            seed,
        }
    }

    /// Takes over what happened before the first loop.
    pub fn restore(&mut self, cluster: &Cluster, state: &StartState) {
        self.is_first_loop = !state.past_first_loop;
        for (group, nodes, at) in &state.scale_up_requests {
            self.registry.register_scale_up(cluster, &self.settings, *group, *nodes, *at);
        }
        for (group, at) in &state.failed_scale_ups {
            self.registry.register_failure(*group, ScaleUpError::default(), *at);
        }
        self.last_scale_up = state.last_scale_up;
        let (deleted, failed) = (state.last_scale_down_delete, state.last_scale_down_failure);
        self.scale_down.restore_cooldowns(deleted, failed);
    }

    /// The flags.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Everything the last loop found; `None` before the first.
    #[must_use]
    pub fn last_loop(&self) -> Option<&LoopReport> {
        self.last_loop.as_ref()
    }

    /// What is known of the groups.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// How capacity buffers stand.
    #[must_use]
    pub fn capacity_buffers(&self) -> &CapacityBuffers {
        &self.buffers
    }

    /// How provisioning requests stand.
    #[must_use]
    pub fn provisioning_requests(&self) -> &ProvisioningRequests {
        &self.requests
    }

    /// The scale-down half.
    #[must_use]
    pub fn scale_down(&self) -> &ScaleDown {
        &self.scale_down
    }

    /// From now on the scale-down half keeps all that it finds, for whoever asks.
    pub fn keep_findings(&mut self) {
        self.scale_down.keep_findings();
    }

    /// The caller runs every loop there is: between the last one and the next none is left out, however
    /// far apart they are. Without this, loops are taken to have run on time and to have found the same.
    pub fn note_no_loop_is_left_out(&mut self) {
        self.last_loop_at = None;
        self.scale_down.take_back_promise();
    }

    /// From now on the status, events and metrics are kept, for [`crate::status`] to tell. All
    /// findings are kept too.
    pub fn record_status(&mut self) {
        self.keep_findings();
        self.recorder.get_or_insert_with(|| Box::new(Recorder::new(&self.settings)));
    }

    /// What is kept of that; `None`: nobody has asked for it.
    #[must_use]
    pub fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_deref()
    }

    /// The same, to take events out.
    pub fn recorder_mut(&mut self) -> Option<&mut Recorder> {
        self.recorder.as_deref_mut()
    }

    /// Shows the recorder, if there is one, how things stand.
    fn record(&mut self, cluster: &Cluster, note: impl FnOnce(&mut Recorder, Sight<'_>)) {
        if let Some(recorder) = &mut self.recorder {
            let (settings, registry) = (&self.settings, &self.registry);
            note(recorder, Sight { cluster, settings, registry });
        }
    }

    /// See [`ScaleDown::note_terminating_pod`].
    pub fn note_terminating_pod(&mut self) {
        self.scale_down.note_terminating_pod();
    }

    /// Whether every group has the price that the expander needs.
    ///
    /// # Errors
    /// The first group without one, when the chain of expanders has `price`.
    pub fn check_prices(&self, cluster: &Cluster) -> Result<(), MissingPrice> {
        if !self.settings.expander.contains(&Expander::Price) {
            return Ok(());
        }
        let unpriced = |spec: &plimsoll_core::NodeGroupSpec| spec.price_microusd_per_hour.is_none();
        match cluster.groups().find(|(_, group)| unpriced(&group.spec)) {
            None => Ok(()),
            Some((_, group)) => Err(MissingPrice { group: group.spec.name.clone() }),
        }
    }

    fn run(&mut self, step: &mut Step<'_, '_>) {
        if self.settings.enable_provisioning_requests {
            step.actions.extend(self.requests.resume(step.now));
            self.requests.refresh(step.fork, &self.settings, &mut step.actions, step.now);
        }
        if self.look(step) == Flow::Stop {
            self.scale_down.pass();
            step.report.outcomes = not_reached(step.fork, &self.settings);
            return;
        }
        step.report.reached_pods = true;
        self.inject_upcoming(step);
        let sorted = self.sort_pods(step);
        self.plan_scale_up(step, sorted);
        self.plan_scale_down(step);
        self.keep_minimum_sizes(step);
    }

    /// Enlarges groups below their minimum: by upstream's rule, then by ours.
    fn keep_minimum_sizes(&self, step: &mut Step<'_, '_>) {
        if self.settings.enforce_node_group_min_size {
            let inputs = self.scale_up_inputs(step);
            let (increases, cut_short) =
                min_size::scale_up_to_min_size(step.fork, &inputs, &step.salvo_nodes);
            let told = Event::max_nodes_total_reached(self.settings.max_nodes_total);
            step.report.events.extend(std::iter::repeat_n(told, cut_short));
            step.increase_to_minimum(increases);
        }
        if self.settings.enforce_min_size_on_live_nodes {
            let inputs = self.scale_up_inputs(step);
            let mut growing = vec![0; step.targets.len()];
            let report = &step.report;
            for one in report.scale_up.increases.iter().chain(&report.min_size_increases) {
                growing[one.group.index()] += one.to - one.from;
            }
            let counts = &step.salvo_counts;
            let increases = min_size::repair_min_size(step.fork, &inputs, &growing, counts);
            step.increase_to_minimum(increases);
        }
    }

    /// Updates what is known and cleans up: everything before pods are looked at.
    fn look(&mut self, step: &mut Step<'_, '_>) -> Flow {
        if std::mem::take(&mut self.is_first_loop) {
            clean_up_taints(step, &self.settings);
        }
        let now = step.now;
        self.registry.expect_pools(self.templates.expected_pools(step.fork));
        if !self.settings.scale_up_from_zero && self.is_not_actionable(step) {
            return Flow::Stop;
        }
        let update = self.registry.update(step.fork, &self.settings, now);
        self.record(step.fork, |recorder, sight| recorder.registry_updated(sight, now));
        step.report.events.extend(update.events);
        for failure in update.failures.iter().filter(|one| one.is_reverted) {
            step.decrease_target(failure.group, failure.count);
        }
        step.report.failed_scale_ups = update.failures;
        let remembered = self.templates.remember(step.fork, &self.registry, &self.settings, now);
        if let Err(words) = remembered {
            let text = format!("failed to recompute template node infos: {words}");
            step.report.error = Some(text);
            return Flow::Stop;
        }
        self.give_up_unregistered(step);
        if !self.registry.is_cluster_healthy(&self.settings) {
            self.scale_down.forget_unneeded();
            step.report.events.push(Event::cluster_unhealthy("Cluster is unhealthy"));
            return Flow::Stop;
        }
        if self.delete_failed(step) {
            self.registry.recalculate(&step.targets);
        }
        let sizes = self.registry.sizes_to_fix(now);
        for (group, by) in &sizes {
            step.decrease_target(*group, *by);
        }
        if sizes.is_empty() { Flow::GoOn } else { Flow::Stop }
    }

    /// Whether no node could take a pod, where that ends the loop before anything else.
    fn is_not_actionable(&mut self, step: &mut Step<'_, '_>) -> bool {
        self.registry.look_at_nodes(step.fork, &self.settings, step.now);
        if self.registry.ready_count() > 0 {
            return false;
        }
        let is_empty = self.registry.nodes().is_empty();
        let why = if is_empty { "Cluster has no nodes." } else { "Cluster has no ready nodes." };
        self.scale_down.forget_unneeded();
        let started_at = self.started_at.unwrap_or(step.now);
        if is_empty || step.now > started_at + NODES_BECOME_READY_WITHIN {
            step.report.events.push(Event::cluster_unhealthy(why));
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.not_actionable(why);
        }
        true
    }

    /// Puts stand-ins for upcoming nodes on the fork. Nodes of those groups that have registered
    /// but not started are taken off, as the stand-ins are for them too.
    fn inject_upcoming(&mut self, step: &mut Step<'_, '_>) {
        let (now, settings) = (step.now, &self.settings);
        step.nodes.extend_from_slice(self.registry.nodes());
        for group in (0..step.fork.group_count()).map(GroupId::at) {
            let count = self.registry.upcoming(group, now);
            if count == 0 {
                continue;
            }
            let template = self.templates.of_group(step.fork, &self.registry, settings, group, now);
            let Some(template) = template else { continue };
            self.remove_not_started(step, group);
            let base = format!("{}-template-upcoming", step.fork.group(group).spec.name);
            let first = format!("{base}-0");
            for number in 0..count {
                let name = format!("{base}-{number}");
                let node = match number {
                    0 => template.add(step.fork, &name, now),
                    _ => template.add_another(step.fork, &first, &name, now),
                };
                step.upcoming.push(Upcoming { node, key: (group.0, number) });
            }
        }
    }

    fn remove_not_started(&self, step: &mut Step<'_, '_>, group: GroupId) {
        if self.registry.group(group).not_started == 0 {
            return;
        }
        let classes = self.registry.classes();
        let fork = &mut *step.fork;
        step.nodes.retain(|id| {
            let state = classes[id.index()].map(|class| class.state);
            let goes = fork.node(*id).group == Some(group) && state == Some(NodeState::NotStarted);
            if goes {
                fork.forget_claims_on(*id);
                for pod in fork.node(*id).pods.clone() {
                    fork.unbind(pod);
                }
                fork.remove_node(*id);
            }
            !goes
        });
    }

    fn sort_pods(&mut self, step: &mut Step<'_, '_>) -> Sorted {
        let skipped_loops =
            self.last_loop_at.is_some_and(|last| step.now - last > self.settings.scan_interval);
        if skipped_loops {
            self.pending.skip_loops();
        }
        self.pending.drop_expendable(step.fork, &self.settings);
        let drained = self.scale_down.deletions().pods_being_drained(step.fork);
        self.inject_pods(step);
        let (settings, now, fakes) = (&self.settings, step.now, &step.fakes);
        let mut sorted =
            self.pending.sort(step.fork, settings, &step.upcoming, &drained, fakes, now);
        if settings.enable_provisioning_requests {
            let Step { fork, fakes, actions, report, .. } = step;
            let mut to_help = std::mem::take(&mut sorted.to_help);
            let events = &mut report.object_findings;
            self.requests.leave_out_consumers(fork, &mut to_help, &mut sorted, events);
            self.requests.inject(fork, settings, fakes, &mut to_help, actions, now);
            sorted.to_help = to_help;
            sorted.stand_ins.extend(fakes.iter());
        }
        if settings.enable_proactive_scaleup {
            step.fakes.enforce_limit(&mut sorted.to_help, settings.pod_injection_limit);
        }
        PendingPods::leave_out_new(step.fork, settings, &mut sorted, now);
        step.pods_change_at = sorted.next_change;
        step.fork_is_bare = step.upcoming.is_empty() && drained.is_empty() && sorted.places_none();
        sorted
    }

    /// Makes up the pods of controllers, then those of capacity buffers.
    fn inject_pods(&mut self, step: &mut Step<'_, '_>) {
        let (settings, now) = (&self.settings, step.now);
        let Step { fork, fakes, actions, .. } = step;
        if settings.enable_proactive_scaleup {
            proactive::inject(fork, settings, fakes);
        }
        if settings.capacity_buffer_controller_enabled
            || settings.capacity_buffer_pod_injection_enabled
        {
            self.buffers.inject(fork, settings, fakes, actions, now);
        }
    }

    fn plan_scale_up(&mut self, step: &mut Step<'_, '_>, sorted: Sorted) {
        let max_nodes = usize::try_from(self.settings.max_nodes_total).unwrap_or(usize::MAX);
        let settles_at = burst_settles_at(step.fork, &sorted.to_help)
            .filter(|at| *at > step.now && self.settings.bypassed_scheduler_names.is_empty());
        let fakes = &step.fakes;
        let is_requested = |pod: &PodId| matches!(fakes.origin(*pod), Some(Origin::Request(_)));
        let is_requested = sorted.to_help.iter().any(is_requested);
        let instead = if sorted.to_help.is_empty() {
            Some(ScaleUpResult::NotNeeded)
        } else if max_nodes > 0 && self.registry.ready_count() >= max_nodes {
            let most = self.settings.max_nodes_total;
            step.report.events.push(Event::max_nodes_total_reached(most));
            Some(ScaleUpResult::LimitedByMaxNodesTotal)
        } else if let Some(settles_at) = settles_at {
            step.scale_down_disabled = true;
            step.pods_change_at =
                Some(step.pods_change_at.map_or(settles_at, |at| at.min(settles_at)));
            Some(ScaleUpResult::InCooldown)
        } else {
            None
        };
        step.report.scale_up = match instead.filter(|_| !is_requested) {
            Some(result) => ScaleUpReport { result, ..ScaleUpReport::default() },
            None => {
                let reports = self.scale_up_for(step, &sorted.to_help);
                step.report.take_scale_ups(reports)
            }
        };
        let report = &step.report.scale_up;
        if report.increases.is_empty() && report.result == ScaleUpResult::Successful {
            // Upstream takes room that was found for room that was made.
            self.last_scale_up = Some(step.now);
        }
        let mut outcomes = step.report.outcomes_of(&sorted.to_help);
        if is_requested {
            // Pods and requests take turns: whoever was passed over is looked at in the next loop.
            step.pods_change_at = Some(step.now);
            note_passed_over(&sorted.to_help, &mut outcomes);
        }
        let findings = &mut step.report.object_findings;
        self.buffers.tell(step.fork, &step.report.scale_up, &outcomes, &step.fakes, findings);
        step.report.note_pods(sorted, outcomes);
    }

    fn scale_up_inputs(&self, step: &Step<'_, '_>) -> ScaleUpInputs<'_> {
        ScaleUpInputs {
            settings: &self.settings,
            registry: &self.registry,
            templates: &self.templates,
            targets: step.targets.clone(),
            registered_count: self.registry.nodes().len(),
            node_count: step.fork.node_count(),
            all_or_nothing: false,
            draw: draw(self.seed, step.now, self.turn),
            now: step.now,
        }
    }

    fn plan_scale_down(&mut self, step: &mut Step<'_, '_>) {
        let started = before_start(step.now);
        let last_scale_up = *self.last_scale_up.get_or_insert(started);
        let by_group: Vec<SimTime> = (0..step.fork.group_count())
            .map(|index| self.last_scale_up_of.get(index).copied().flatten().unwrap_or(started))
            .collect();
        let upcoming = step.upcoming.iter().map(|one| one.node);
        let upcoming: Vec<NodeId> = upcoming.chain(step.salvo_nodes.iter().copied()).collect();
        let mut targets = step.targets.clone();
        for one in step.report.scale_up.increases.iter().rev() {
            targets[one.group.index()] = one.from;
        }
        let context = LoopContext {
            settings: &self.settings,
            nodes: &step.nodes,
            upcoming: &upcoming,
            classes: self.registry.classes(),
            targets: &targets,
            fork_is_bare: step.fork_is_bare,
            last_scale_up,
            last_scale_up_of: &by_group,
            scale_down_disabled: step.scale_down_disabled,
            loop_number: self.loop_number,
            seed: self.seed,
        };
        let increases = &step.report.scale_up.increases;
        let outcome = if increases.is_empty() {
            self.scale_down.plan_and_start(step.fork, &context, step.now)
        } else {
            let planned = IfRefused::plan(&self.scale_down, step.fork, &context, step.now);
            let mut enlarged = by_group.clone();
            increases.iter().for_each(|one| enlarged[one.group.index()] = step.now);
            let context = LoopContext {
                targets: &step.targets,
                last_scale_up: step.now,
                last_scale_up_of: &enlarged,
                ..context
            };
            let outcome = self.scale_down.plan_and_start(step.fork, &context, step.now);
            self.if_refused = planned.map(|mut planned| {
                planned.withhold(&outcome.actions);
                Box::new(planned)
            });
            outcome
        };
        step.actions.extend(outcome.actions);
        step.report.scale_down = outcome.result;
        step.report.started = outcome.started;
        step.scale_down_reasons = outcome.reasons;
        step.scale_down_idle_until =
            if self.settings.scale_down_enabled { outcome.idle_until } else { Some(SimTime::MAX) };
    }

    /// The cloud refused to enlarge a group.
    fn note_refusal(&mut self, cluster: &Cluster, group: GroupId, words: &str, now: SimTime) {
        self.registry.register_failure(group, ScaleUpError::refused(words), now);
        self.requests.note_refusal();
        let answer = self.execution.answer(group, false);
        let Some(report) = &mut self.last_loop else { return };
        report.note_refusal(cluster, group, words);
        // What is done for minimum sizes is the last thing in a loop: nothing hangs on it.
        if answer.kind == Some(ScaleUpKind::MinSize) {
            return;
        }
        report.note_failed_pods(group, answer.scale_up.unwrap_or(0));
        self.pod_findings.note_refusal(report, words);
        if let Some(planned) = self.if_refused.take() {
            (self.scale_down, self.after_refusal) = planned.happen(report);
            if !report.started.is_empty() {
                self.productive_loop = self.loop_number;
            }
        }
    }

    /// Until when loops would decide nothing, as long as the cluster stays as it is.
    fn idle_until(&self, step: &Step<'_, '_>) -> Option<SimTime> {
        let changes_by_itself = self.registry.changed() || self.templates.expects_otherwise();
        if !step.actions.is_empty() || changes_by_itself || step.scale_down_disabled {
            return None;
        }
        let registry = self.registry.next_change(step.fork, step.now);
        let requests = if self.settings.enable_provisioning_requests {
            self.requests.next_change(&self.settings, step.now)
        } else {
            None
        };
        let until = registry
            .min(step.scale_down_idle_until?)
            .min(requests.unwrap_or(SimTime::MAX))
            .min(step.pods_change_at.unwrap_or(SimTime::MAX));
        (until > step.now).then_some(until)
    }
}

impl NodeAutoscaler for ClusterAutoscaler {
    fn name(&self) -> &str {
        "cluster-autoscaler"
    }

    fn decide(&mut self, cluster: &mut Fork<'_>, now: SimTime) -> Decision {
        self.loop_number += 1;
        self.if_refused = None;
        self.after_refusal = AfterRefusal::default();
        self.turn = if self.last_loop_at == Some(now) { self.turn + 1 } else { 0 };
        self.started_at.get_or_insert(now);
        let targets: Vec<u32> = cluster.groups().map(|(_, group)| group.target_size).collect();
        let salvo_counts = vec![0; targets.len()];
        let mut step = Step {
            fork: cluster,
            now,
            actions: Vec::new(),
            report: LoopReport::new(now),
            targets,
            upcoming: Vec::new(),
            fakes: FakePods::default(),
            nodes: Vec::new(),
            salvo_nodes: Vec::new(),
            salvo_counts,
            execution: Execution::default(),
            pods_change_at: None,
            scale_down_disabled: false,
            fork_is_bare: true,
            scale_down_idle_until: None,
            scale_down_reasons: Vec::new(),
        };
        self.record(step.fork, |recorder, sight| recorder.begin_loop(sight, now));
        self.run(&mut step);
        if !step.report.cleaned.is_empty() {
            // This loop saw these nodes without their taints, which may be refused; the next one looks.
            self.registry.look_anew();
            self.scale_down.look_anew();
        }
        if let Some(recorder) = &mut self.recorder {
            let (settings, registry) = (&self.settings, &self.registry);
            let sight = Sight { cluster: step.fork, settings, registry };
            recorder.decided(sight, &step.report, &self.scale_down, now);
        }
        let idle_until = self.idle_until(&step);
        step.report.conditions = conditions_set(&step.actions);
        let mut reasons = self.told.news(step.fork, &step.report);
        reasons.append(&mut step.scale_down_reasons);
        self.pod_findings.note_loop(&Circumstances {
            cluster: step.fork,
            report: &step.report,
            upcoming: &step.upcoming,
            registry: &self.registry,
            settings: &self.settings,
            now,
        });
        let takes_up_request = step.actions.iter().any(Action::takes_up_request);
        if !step.report.started.is_empty() || takes_up_request {
            self.productive_loop = self.loop_number;
        }
        self.execution = step.execution;
        self.last_loop_at = Some(now);
        self.last_loop = Some(step.report);
        Decision { actions: step.actions, reasons, idle_until }
    }

    fn still_wants(&mut self, action: &Action) -> bool {
        let Action::IncreaseSize { group, delta } = action else {
            return self.after_refusal.still_wants(action);
        };
        let in_parallel = self.settings.parallel_scale_up;
        let wants = self.execution.still_wants(*group, in_parallel);
        if !wants && let Some(report) = &mut self.last_loop {
            report.note_withdrawal(*group, *delta);
        }
        wants
    }

    fn limits(&self) -> Option<&Settings> {
        Some(&self.settings)
    }

    fn was_productive(&self) -> bool {
        self.productive_loop == self.loop_number && self.loop_number > 0
    }

    fn resume(&mut self, cluster: &Cluster, now: SimTime) -> Vec<Action> {
        let mut actions = self.requests.resume(now);
        actions.append(&mut self.after_refusal.take());
        actions.extend(self.scale_down.resume(cluster, now));
        if let Some(recorder) = &mut self.recorder {
            recorder.resumed(cluster, &actions);
        }
        actions
    }

    fn next_resume(&self) -> Option<SimTime> {
        self.scale_down.next_resume()
    }

    fn observe(&mut self, action: &Action, outcome: &Outcome, cluster: &Cluster, now: SimTime) {
        let done = *outcome == Outcome::Done;
        match action {
            Action::IncreaseSize { group, delta } if done => {
                self.registry.register_scale_up(cluster, &self.settings, *group, *delta, now);
                // Of a scale-up that is refused in part upstream counts nothing as its last.
                if self.execution.answer(*group, true).is_complete {
                    self.if_refused = None;
                    self.last_scale_up = Some(now);
                    self.productive_loop = self.loop_number;
                }
                self.last_scale_up_of.resize(cluster.group_count(), None);
                self.last_scale_up_of[group.index()] = Some(now);
            }
            Action::IncreaseSize { group, .. } => {
                let Outcome::Refused(words) = outcome else { return };
                self.note_refusal(cluster, *group, words, now);
            }
            Action::DeleteInstances { group, .. } => self.registry.invalidate_instances(*group),
            _ => self.scale_down.observe(action, outcome, cluster, now),
        }
        if let Some(recorder) = &mut self.recorder {
            let (settings, registry) = (&self.settings, &self.registry);
            let sight = Sight { cluster, settings, registry };
            recorder.observed(sight, action, outcome, self.last_loop.as_ref());
        }
    }

    fn tell_findings(&mut self) {
        self.pod_findings.are_told = true;
        self.scale_down.tell_findings();
    }

    fn take_findings(&mut self) -> Vec<Finding> {
        let mut findings = self.pod_findings.take();
        findings.append(&mut self.scale_down.take_findings());
        findings
    }
}

/// Pods that nobody has looked at, as the loop was a provisioning request's.
fn note_passed_over(to_help: &[PodId], outcomes: &mut Vec<(PodId, PodOutcome)>) {
    let told: FxHashSet<PodId> = outcomes.iter().map(|(pod, _)| *pod).collect();
    let passed_over = to_help.iter().filter(|pod| !told.contains(pod));
    outcomes.extend(passed_over.map(|pod| (*pod, PodOutcome::NotReached)));
}

/// The conditions that actions set.
fn conditions_set(actions: &[Action]) -> Vec<(ObjectName, Condition)> {
    let set = |action: &Action| match action {
        Action::SetCondition { object, condition } => Some((object.clone(), condition.clone())),
        _ => None,
    };
    actions.iter().filter_map(set).collect()
}

/// The first loop frees nodes that an earlier process was about to delete.
fn clean_up_taints(step: &mut Step<'_, '_>, settings: &Settings) {
    let drops_soft = settings.max_bulk_soft_taint_count == 0;
    let passes = |key: &str| key == TO_BE_DELETED || (drops_soft && key == DELETION_CANDIDATE);
    let nodes: Vec<NodeId> =
        step.fork.nodes().filter(|(_, node)| node.group.is_some()).map(|(id, _)| id).collect();
    for node in nodes {
        let before = step.fork.node_taints(node);
        if !before.iter().any(|taint| passes(&taint.key)) {
            continue;
        }
        let was_going = before.iter().any(|taint| taint.key == TO_BE_DELETED);
        let taints: Vec<_> = before.iter().filter(|one| !passes(&one.key)).cloned().collect();
        let keys = [TO_BE_DELETED, DELETION_CANDIDATE].into_iter();
        let keys = keys.filter(|key| before.iter().any(|one| one.key == *key && passes(key)));
        let cleaned = (node, step.fork.node_name(node).to_owned(), keys.collect());
        step.report.cleaned.push(cleaned);
        let uncordons = was_going && settings.cordon_node_before_terminating;
        let unschedulable = step.fork.node(node).unschedulable && !uncordons;
        step.fork.set_taints(node, &taints);
        step.fork.set_unschedulable(node, unschedulable);
        step.actions.push(Action::SetTaints { node, taints, unschedulable });
    }
}

impl Step<'_, '_> {
    fn increase_to_minimum(&mut self, increases: Vec<Increase>) {
        self.increase(ScaleUpKind::MinSize, &increases);
        if !increases.is_empty() {
            self.report.scale_up.result = ScaleUpResult::Successful;
        }
        self.report.min_size_increases.extend(increases);
    }

    fn increase(&mut self, kind: ScaleUpKind, increases: &[Increase]) {
        self.execution.plan(kind, increases);
        for one in increases {
            self.targets[one.group.index()] = one.to;
            let delta = one.to - one.from;
            self.actions.push(Action::IncreaseSize { group: one.group, delta });
        }
    }

    /// Lowers a target. The clouds that matter refuse to go below the machines that exist, so only
    /// what they would take is counted on.
    fn decrease_target(&mut self, group: GroupId, by: u32) {
        let target = &mut self.targets[group.index()];
        let machines = self.fork.group(group).instances.len();
        let lowered = target.saturating_sub(by);
        if usize::try_from(lowered).is_ok_and(|lowered| lowered >= machines) {
            *target = lowered;
        }
        self.actions.push(Action::DecreaseTarget { group, by });
        self.report.target_decreases.push((group, by));
    }

    fn delete_instances(&mut self, group: GroupId, ids: Vec<Arc<str>>, reason: &'static str) {
        let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let target = &mut self.targets[group.index()];
        *target = target.saturating_sub(count);
        self.report.removed_instances.push((group, ids.clone()));
        self.actions.push(Action::DeleteInstances { group, ids, reason });
    }
}

#[cfg(test)]
mod finding_tests;
#[cfg(test)]
mod group_tests;
#[cfg(test)]
mod tests;
