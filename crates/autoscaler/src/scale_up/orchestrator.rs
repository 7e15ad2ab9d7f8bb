//! From pending pods to increases: options, the choice among them, limits, balance.
//!
//! Source: `core/scaleup/orchestrator/orchestrator.go` of release 1.36.

use std::fmt;
use std::sync::Arc;

use plimsoll_core::ids::{GroupId, PodId, ShapeId};
use plimsoll_core::{Fork, Refusal, SimTime};

use super::balance::{are_similar, share_out};
use super::equivalence::{self, PodGroup};
use super::estimator::{NodeLimit, estimate, estimate_by_fast_path};
use super::expander::{Chooser, ExpansionOption};
use super::limits::Quotas;
use super::template::{Template, Templates};
use crate::registry::Registry;
use crate::settings::Settings;
use crate::status::Event;

/// The name of the quota that the flags make.
const CLUSTER_WIDE_QUOTA: &str = "cluster-wide";

/// What a scale-up needs to know besides the cluster.
#[derive(Clone, Debug)]
pub struct ScaleUpInputs<'a> {
    /// The flags.
    pub settings: &'a Settings,
    /// What is known of the groups.
    pub registry: &'a Registry,
    /// What new nodes look like.
    pub templates: &'a Templates,
    /// What each group has been asked for, by group index.
    pub targets: Vec<u32>,
    /// Nodes that have registered.
    pub registered_count: usize,
    /// All nodes, ready or not, and stand-ins for upcoming ones: what `max-nodes-total` limits.
    pub node_count: usize,
    /// Room for all pods is asked for, or none.
    pub all_or_nothing: bool,
    /// Decides between equals.
    pub draw: u64,
    /// The loop's instant.
    pub now: SimTime,
}

/// What a scale-up came to.
#[derive(Clone, Debug, Default)]
pub struct ScaleUpReport {
    /// Upstream's result.
    pub result: ScaleUpResult,
    /// The pods that were to be helped, in groups.
    pub pod_groups: Vec<JudgedPodGroup>,
    /// Groups that were not considered, and why.
    pub skipped: Vec<(GroupId, SkipReason)>,
    /// What the expander was given.
    pub options: Vec<ExpansionOption>,
    /// The options that the expander found best, by index; several are ties.
    pub best: Vec<usize>,
    /// The option that was taken.
    pub chosen: Option<usize>,
    /// What to increase, in this order.
    pub increases: Vec<Increase>,
    /// Groups that were to be enlarged and were not, as the cloud refused one of them.
    pub refused: Vec<GroupId>,
    /// What kept an expander or a limit from its work.
    pub complaints: Vec<String>,
    /// What upstream would tell as events.
    pub events: Vec<Event>,
}

/// Pods that stand or fall together, and how each group's template judged them.
#[derive(Clone, Debug)]
pub struct JudgedPodGroup {
    /// The pods.
    pub group: PodGroup,
    /// Groups whose new nodes would hold such a pod.
    pub fits: Vec<GroupId>,
    /// Groups whose new nodes would not, and what refuses.
    pub refusals: Vec<(GroupId, Refusal)>,
}

/// Upstream's word for what a scale-up came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleUpResult {
    /// The loop ended before.
    #[default]
    NotTried,
    /// No pod needs help.
    NotNeeded,
    /// All pods are too new.
    InCooldown,
    /// max-nodes-total is reached.
    LimitedByMaxNodesTotal,
    /// No group can help.
    NoOptionsAvailable,
    /// Groups were enlarged.
    Successful,
    /// It failed.
    Error,
}

impl ScaleUpResult {
    /// Upstream's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ScaleUpResult::NotTried => "NotTried",
            ScaleUpResult::NotNeeded => "NotNeeded",
            ScaleUpResult::InCooldown => "InCooldown",
            ScaleUpResult::LimitedByMaxNodesTotal => "LimitedByMaxNodesTotal",
            ScaleUpResult::NoOptionsAvailable => "NoOptionsAvailable",
            ScaleUpResult::Successful => "Successful",
            ScaleUpResult::Error => "Error",
        }
    }
}

/// Why a group is not considered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// Too many of its nodes are missing or unready, or nothing is known of it.
    NotReady,
    /// It could not be enlarged lately.
    Backoff,
    /// It is at its maximum.
    MaxSizeReached,
    /// It grows as a whole, and all of it would exceed `max-nodes-total`.
    AtomicAboveNodeLimit,
    /// One more node, or of a group that grows as a whole all of it, would exceed a limit of the
    /// cluster.
    QuotaExceeded(Vec<String>),
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SkipReason::NotReady => f.write_str("not ready for scale-up"),
            SkipReason::Backoff => f.write_str("in backoff after failed scale-up"),
            SkipReason::MaxSizeReached => f.write_str("max node group size reached"),
            SkipReason::AtomicAboveNodeLimit => {
                f.write_str("atomic scale-up exceeds cluster node count limit")
            }
            SkipReason::QuotaExceeded(resources) => {
                let names = resources.join(", ");
                write!(f, "exceeded quota: {CLUSTER_WIDE_QUOTA:?}, resources: {names}")
            }
        }
    }
}

/// One group to enlarge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Increase {
    /// The group.
    pub group: GroupId,
    /// Its target size now.
    pub from: u32,
    /// Its target size then.
    pub to: u32,
}

/// A group that may grow.
struct Candidate {
    group: GroupId,
    template: Arc<Template>,
    /// The pod groups, by index, that fit on its new nodes.
    fitting: Vec<usize>,
}

/// Decides what to enlarge for `pods`, which fit nowhere. What is tried is gone when it returns.
pub fn scale_up(fork: &mut Fork<'_>, inputs: &ScaleUpInputs<'_>, pods: &[PodId]) -> ScaleUpReport {
    let mut report = choose_and_enlarge(fork, inputs, pods);
    if inputs.settings.simulates_skipped_groups {
        judge_skipped_groups(fork, inputs, &mut report);
    }
    report
}

fn choose_and_enlarge(
    fork: &mut Fork<'_>,
    inputs: &ScaleUpInputs<'_>,
    pods: &[PodId],
) -> ScaleUpReport {
    let mut report = ScaleUpReport {
        pod_groups: equivalence::build(fork, pods)
            .into_iter()
            .map(|group| JudgedPodGroup { group, fits: Vec::new(), refusals: Vec::new() })
            .collect(),
        ..ScaleUpReport::default()
    };
    let mut quotas = Quotas::new(fork, inputs.settings);
    let mut candidates = valid_groups(fork, inputs, &quotas, &mut report);
    for candidate in &mut candidates {
        judge_pod_groups(fork, inputs, candidate, &mut report);
    }
    report.options = expansion_options(fork, inputs, &candidates, &report.pod_groups);
    if inputs.all_or_nothing {
        report.options.retain(|option| option.pods.len() >= pods.len());
    }
    if report.options.is_empty() {
        report.result = ScaleUpResult::NoOptionsAvailable;
        return report;
    }
    let chooser = Chooser {
        settings: inputs.settings,
        registered_count: inputs.registered_count,
        draw: inputs.draw,
    };
    let choice = chooser.choose(fork, &mut report.options);
    report.best = choice.best;
    report.complaints = choice.complaints;
    report.events = choice.events;
    report.chosen = choice.chosen;
    let Some(chosen) = choice.chosen else {
        report.result = ScaleUpResult::NoOptionsAvailable;
        return report;
    };
    enlarge(fork, inputs, &mut quotas, &candidates, chosen, &mut report);
    report
}

/// The groups that may grow. Those that may not are skipped, and nothing is tried on them.
fn valid_groups(
    fork: &mut Fork<'_>,
    inputs: &ScaleUpInputs<'_>,
    quotas: &Quotas,
    report: &mut ScaleUpReport,
) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let groups: Vec<(GroupId, u32)> =
        fork.groups().map(|(id, group)| (id, group.spec.max_size)).collect();
    for (group, max_size) in groups {
        let skip = not_ready(inputs, group).or_else(|| {
            (inputs.targets[group.index()] >= max_size).then_some(SkipReason::MaxSizeReached)
        });
        if let Some(reason) = skip {
            report.skipped.push((group, reason));
            continue;
        }
        let (settings, now) = (inputs.settings, inputs.now);
        let options = settings.of_group(&fork.group(group).spec);
        // A group that grows as a whole must have room for all that is missing of it.
        let wanted = if options.is_atomic { max_size - inputs.targets[group.index()] } else { 1 };
        if options.is_atomic && exceeds_node_limit(inputs, wanted) {
            report.skipped.push((group, SkipReason::AtomicAboveNodeLimit));
            continue;
        }
        let template = inputs.templates.of_group(fork, inputs.registry, settings, group, now);
        let Some(template) = template else {
            report.skipped.push((group, SkipReason::NotReady));
            continue;
        };
        let exceeded = quotas.exceeded_by(&quotas.demand(&template.spec), wanted);
        if exceeded.is_empty() {
            candidates.push(Candidate { group, template, fitting: Vec::new() });
        } else {
            let names = exceeded.into_iter().map(str::to_owned).collect();
            report.skipped.push((group, SkipReason::QuotaExceeded(names)));
        }
    }
    candidates
}

/// Whether so many more nodes are more than `max-nodes-total` allows.
fn exceeds_node_limit(inputs: &ScaleUpInputs<'_>, wanted: u32) -> bool {
    let most = i64::from(inputs.settings.max_nodes_total);
    let nodes = i64::try_from(inputs.node_count).unwrap_or(i64::MAX);
    most > 0 && nodes + i64::from(wanted) > most
}

/// Why the registry would not have a group enlarged.
pub(super) fn not_ready(inputs: &ScaleUpInputs<'_>, group: GroupId) -> Option<SkipReason> {
    if !inputs.registry.is_group_healthy(group, inputs.settings) {
        return Some(SkipReason::NotReady);
    }
    inputs.registry.is_backed_off(group, inputs.now).then_some(SkipReason::Backoff)
}

/// Tries the first pod of each pod group on one new node.
fn judge_pod_groups(
    fork: &mut Fork<'_>,
    inputs: &ScaleUpInputs<'_>,
    candidate: &mut Candidate,
    report: &mut ScaleUpReport,
) {
    let mut trial = fork.fork();
    let node = candidate.template.add(&mut trial, "template", inputs.now);
    // Pods of nobody are groups of their own, but alike: they are judged once.
    let mut last: Option<(ShapeId, Option<Refusal>)> = None;
    for (index, judged) in report.pod_groups.iter_mut().enumerate() {
        let shape = judged.group.shape;
        let refusal = match &last {
            Some((known, refusal)) if *known == shape => refusal.clone(),
            _ => trial.refusal(shape, node),
        };
        last = Some((shape, refusal.clone()));
        match refusal {
            None => {
                judged.fits.push(candidate.group);
                candidate.fitting.push(index);
            }
            Some(refusal) => judged.refusals.push((candidate.group, refusal)),
        }
    }
}

/// Tries pods that no group helps on the skipped groups too, so that it is known which of those
/// would hold them. Nothing is decided by that.
fn judge_skipped_groups(
    fork: &mut Fork<'_>,
    inputs: &ScaleUpInputs<'_>,
    report: &mut ScaleUpReport,
) {
    if report.pod_groups.iter().all(|judged| !judged.fits.is_empty()) {
        return;
    }
    let (settings, now) = (inputs.settings, inputs.now);
    for (group, _) in &report.skipped {
        let template = inputs.templates.of_group(fork, inputs.registry, settings, *group, now);
        let Some(template) = template else { continue };
        let mut trial = fork.fork();
        let node = template.add(&mut trial, "template", now);
        for judged in report.pod_groups.iter_mut().filter(|judged| judged.fits.is_empty()) {
            if let Some(refusal) = trial.refusal(judged.group.shape, node) {
                judged.refusals.push((*group, refusal));
            }
        }
    }
}

fn expansion_options(
    fork: &mut Fork<'_>,
    inputs: &ScaleUpInputs<'_>,
    candidates: &[Candidate],
    pod_groups: &[JudgedPodGroup],
) -> Vec<ExpansionOption> {
    let mut options = Vec::new();
    let pod_count: usize = pod_groups.iter().map(|judged| judged.group.pods.len()).sum();
    for candidate in candidates.iter().filter(|one| !one.fitting.is_empty()) {
        let similar = similar_groups(fork, inputs, candidates, candidate);
        let limit = node_limit(fork, inputs, candidate.group, &similar);
        let groups: Vec<&PodGroup> =
            candidate.fitting.iter().map(|index| &pod_groups[*index].group).collect();
        let pack = if inputs.settings.fastpath_binpacking_enabled {
            estimate_by_fast_path
        } else {
            estimate
        };
        let mut estimate = pack(fork, &groups, &candidate.template, limit, inputs.now);
        let spec = &fork.group(candidate.group).spec;
        if inputs.settings.of_group(spec).is_atomic && estimate.nodes > 0 {
            let is_too_small = inputs.all_or_nothing && estimate.nodes > spec.max_size;
            estimate.nodes = if is_too_small { 0 } else { spec.max_size };
        }
        let leaves_out = inputs.all_or_nothing && estimate.pods.len() < pod_count;
        if estimate.nodes > 0 && !estimate.pods.is_empty() && !leaves_out {
            options.push(ExpansionOption {
                group: candidate.group,
                similar,
                nodes: estimate.nodes,
                pods: estimate.pods,
                template: Arc::clone(&candidate.template),
                score: None,
            });
        }
    }
    options
}

/// Groups like a candidate that help at least the same pods. A group that grows as a whole has none,
/// but may be one (as upstream has it), and may then grow by a part.
fn similar_groups(
    fork: &Fork<'_>,
    inputs: &ScaleUpInputs<'_>,
    candidates: &[Candidate],
    candidate: &Candidate,
) -> Vec<GroupId> {
    let settings = inputs.settings;
    if !settings.balance_similar_node_groups
        || settings.of_group(&fork.group(candidate.group).spec).is_atomic
    {
        return Vec::new();
    }
    candidates
        .iter()
        .filter(|other| other.group != candidate.group)
        .filter(|other| {
            are_similar(fork, settings, &candidate.template, &other.template)
                && candidate.fitting.iter().all(|index| other.fitting.binary_search(index).is_ok())
        })
        .map(|other| other.group)
        .collect()
}

/// How many nodes the estimator may add for a group.
fn node_limit(
    fork: &Fork<'_>,
    inputs: &ScaleUpInputs<'_>,
    group: GroupId,
    similar: &[GroupId],
) -> NodeLimit {
    const NONE: i64 = -1;
    let settings = inputs.settings;
    let room: i64 = std::iter::once(group)
        .chain(similar.iter().copied())
        .map(|one| room_in(fork, inputs, one))
        .sum();
    let mut limit = NodeLimit::default()
        .and(i64::from(settings.max_nodes_per_scaleup))
        .and(if room > 0 { room } else { NONE });
    if settings.max_nodes_total > 0 {
        let nodes = i64::try_from(inputs.node_count).unwrap_or(i64::MAX);
        let left = i64::from(settings.max_nodes_total) - nodes;
        limit = limit.and(if left > 0 { left } else { NONE });
    }
    limit
}

fn room_in(fork: &Fork<'_>, inputs: &ScaleUpInputs<'_>, group: GroupId) -> i64 {
    i64::from(fork.group(group).spec.max_size) - i64::from(inputs.targets[group.index()])
}

/// Caps the chosen option's nodes by the limits and shares them out among similar groups. What a
/// quota cuts from one group is not given to another.
fn enlarge(
    fork: &Fork<'_>,
    inputs: &ScaleUpInputs<'_>,
    quotas: &mut Quotas,
    candidates: &[Candidate],
    chosen: usize,
    report: &mut ScaleUpReport,
) {
    let option = &report.options[chosen];
    let mut count = option.nodes;
    if exceeds_node_limit(inputs, count) {
        let most = inputs.settings.max_nodes_total;
        report.events.push(Event::max_nodes_total_reached(most));
        count = most.saturating_sub(u32::try_from(inputs.node_count).unwrap_or(u32::MAX));
    }
    count = quotas.allowed(&quotas.demand(&option.template.spec), count);
    if count == 0 {
        report.result = ScaleUpResult::Error;
        report.complaints.push("max node total count already reached".to_owned());
        return;
    }
    if inputs.all_or_nothing && count < option.nodes {
        report.result = ScaleUpResult::NoOptionsAvailable;
        return;
    }
    let demand_of = |quotas: &Quotas, group: GroupId| {
        let like = candidates.iter().find(|one| one.group == group);
        quotas.demand(&like.map_or(&option.template, |one| &one.template).spec)
    };
    let has_room = |group: &GroupId| quotas.exceeded_by(&demand_of(quotas, *group), 1).is_empty();
    let sizes: Vec<(GroupId, u32, u32)> = std::iter::once(option.group)
        .chain(option.similar.iter().copied().filter(has_room))
        .map(|group| (group, inputs.targets[group.index()], fork.group(group).spec.max_size))
        .collect();
    for (group, to) in share_out(&sizes, count) {
        let from = inputs.targets[group.index()];
        let demand = demand_of(quotas, group);
        let allowed = quotas.allowed(&demand, to - from);
        if allowed > 0 {
            quotas.take(&demand, allowed);
            report.increases.push(Increase { group, from, to: from + allowed });
        }
    }
    let added: u32 = report.increases.iter().map(|one| one.to - one.from).sum();
    if inputs.all_or_nothing && added < count {
        report.increases.clear();
    }
    report.result = if report.increases.is_empty() {
        ScaleUpResult::NoOptionsAvailable
    } else {
        ScaleUpResult::Successful
    };
}
