//! From the books of a replay to its report.

use std::collections::BTreeMap;

use plimsoll_core::ids::GroupId;
use plimsoll_core::{Cluster, SimDuration, SimTime};
use plimsoll_sim::PodEnd;

use crate::hopeless::Reasons;
use crate::ledger::{Ledger, PodFact};
use crate::report::batches::by_batch_interval;
use crate::report::money::{CostMeter, MicroUsd};
use crate::report::pending::PendingSeconds;
use crate::report::rounding::{RATIO_DIGITS, node_hours, rounded_ratio};
use crate::report::seconds::Seconds;
use crate::report::{
    API_VERSION, ClusterSnapshot, GroupScaleUp, GroupTotals, LoopDecision, NeverScheduled,
    NodeScaleDown, OwnerWaits, REPLAY_REPORT_KIND, ReplayMode, ReplayReport, SeriesPoint, Totals,
};
use crate::stories;
use crate::view::owner_name;

/// What a report says beside what is in the books.
#[derive(Clone, Debug)]
pub struct Heading {
    /// The source as the user named it.
    pub source: String,
    /// The strategy.
    pub strategy: String,
    /// The seed.
    pub seed: u64,
    /// The end of the window.
    pub end: SimTime,
    /// The length of one batch of deployed pods.
    pub batch_interval: SimDuration,
    /// The cluster at the start.
    pub start_view: ClusterSnapshot,
    /// The cluster at the end.
    pub end_view: ClusterSnapshot,
    /// Whether the source tells of machines: of a recording without nodes nobody knows what ran and
    /// what it cost.
    pub machines_are_known: bool,
    /// What was taken for granted.
    pub assumptions: Vec<String>,
}

/// The report of a timeline replay.
#[must_use]
pub fn report(ledger: &Ledger, cluster: &mut Cluster, heading: Heading) -> ReplayReport {
    let groups = group_totals(ledger, cluster, heading.end);
    let mut totals = totals(ledger, cluster, &groups, heading.end);
    let mut series = series(ledger);
    let known = heading.machines_are_known;
    if !known {
        totals.cost = None;
        series.iter_mut().for_each(|point| point.cost_per_hour = None);
    }
    let mut report = ReplayReport {
        api_version: API_VERSION.to_owned(),
        kind: REPLAY_REPORT_KIND.to_owned(),
        source: heading.source,
        strategy: heading.strategy,
        mode: ReplayMode::Timeline,
        seed: heading.seed,
        workloads: workload_counts(ledger, cluster),
        start_time: ledger.start(),
        end_time: heading.end,
        batch_interval: heading.batch_interval,
        start: heading.start_view,
        end: heading.end_view,
        scaled_up_node_groups: BTreeMap::new(),
        scaled_up_nodes: Vec::new(),
        deployed_pods: deployed_pods(ledger, cluster, heading.batch_interval),
        totals,
        groups: if known { groups } else { Vec::new() },
        series,
        decisions: decisions(ledger, cluster),
        never_scheduled: never_scheduled(ledger, cluster),
        waits_by_owner: waits_by_owner(ledger, cluster),
        scale_up_bursts: Vec::new(),
        backtest: None,
        assumptions: heading.assumptions,
        explanations: stories::explanations(ledger, cluster),
    };
    for fact in &ledger.scale_ups {
        let name = cluster.group(fact.group).spec.name.clone();
        *report.scaled_up_node_groups.entry(name).or_default() += fact.to - fact.from;
    }
    report.scaled_up_nodes = ledger
        .nodes
        .values()
        .filter(|node| !node.was_there && node.group.is_some())
        .filter_map(|node| node.view.clone())
        .collect();
    report
}

/// Pods that count: all but those of DaemonSets and those that ran already.
fn counted(ledger: &Ledger) -> impl Iterator<Item = &PodFact> {
    ledger.pods.iter().filter(|pod| !pod.is_daemon && !pod.was_running)
}

fn totals(ledger: &Ledger, cluster: &Cluster, groups: &[GroupTotals], end: SimTime) -> Totals {
    let mut waits: Vec<SimDuration> = Vec::new();
    let mut still_pending = SimDuration::ZERO;
    let mut created = 0;
    for pod in counted(ledger) {
        created += 1;
        match pod.bound_at {
            Some(bound_at) => waits.push(bound_at - pod.created_at),
            None => {
                let until = pod.end.map_or(end, |(at, _)| at);
                still_pending = still_pending + (until - pod.created_at);
            }
        }
    }
    let evictions = ledger
        .pods
        .iter()
        .filter(|pod| matches!(pod.end, Some((_, PodEnd::Evicted | PodEnd::Preempted))))
        .count();
    let usage = &ledger.usage;
    Totals {
        node_hours: node_hours(machine_ms(ledger, end)),
        cost: total_cost(ledger, cluster, end),
        pods_created: created,
        pods_scheduled: waits.len() as u64,
        pods_never_scheduled: created - waits.len() as u64,
        pending_seconds: PendingSeconds::of(&waits),
        still_pending_seconds: Seconds(still_pending.0),
        scale_ups: groups.iter().map(|group| group.scale_ups).sum(),
        scale_downs: groups.iter().map(|group| group.scale_downs).sum(),
        evictions: evictions as u64,
        cpu_utilization: rounded_ratio(usage.cpu_requested, usage.cpu_allocatable, RATIO_DIGITS),
        memory_utilization: rounded_ratio(
            usage.memory_requested,
            usage.memory_allocatable,
            RATIO_DIGITS,
        ),
    }
}

/// Milliseconds of machines, nodes without a group included.
fn machine_ms(ledger: &Ledger, end: SimTime) -> i128 {
    let grouped: i128 = ledger.paid.values().map(|steps| integral(steps, end)).sum();
    let ungrouped: i128 = ledger
        .nodes
        .values()
        .filter(|node| node.group.is_none())
        .map(|node| i128::from((node.removed_at.unwrap_or(end) - node.added_at).0))
        .sum();
    grouped + ungrouped
}

fn integral(steps: &[(SimTime, u32)], end: SimTime) -> i128 {
    let ends = steps.iter().skip(1).map(|step| step.0).chain([end]);
    steps
        .iter()
        .zip(ends)
        .map(|((at, count), until)| i128::from((until - *at).0) * i128::from(*count))
        .sum()
}

/// What the machines cost; `None` when a machine without a price ran for any time.
fn total_cost(ledger: &Ledger, cluster: &Cluster, end: SimTime) -> Option<MicroUsd> {
    let mut meter = CostMeter::default();
    for (group, steps) in &ledger.paid {
        let ms = integral(steps, end);
        if ms == 0 {
            continue;
        }
        let price = cluster.group(*group).spec.price_microusd_per_hour?;
        meter.charge_integral(ms * i128::from(price));
    }
    ledger.nodes.values().all(|node| node.group.is_some()).then(|| meter.to_cents())
}

fn group_totals(ledger: &Ledger, cluster: &Cluster, end: SimTime) -> Vec<GroupTotals> {
    let none = Vec::new();
    let mut totals: Vec<GroupTotals> = cluster
        .groups()
        .map(|(id, group)| {
            let steps = ledger.paid.get(&id).unwrap_or(&none);
            let ms = integral(steps, end);
            let price = group.spec.price_microusd_per_hour;
            GroupTotals {
                group: group.spec.name.clone(),
                node_hours: node_hours(ms),
                cost: price.map(|price| {
                    let mut meter = CostMeter::default();
                    meter.charge_integral(ms * i128::from(price));
                    meter.to_cents()
                }),
                peak_nodes: steps.iter().map(|step| u64::from(step.1)).max().unwrap_or(0),
                scale_ups: ledger.scale_ups.iter().filter(|fact| fact.group == id).count() as u64,
                scale_downs: scale_downs_of(ledger, id),
            }
        })
        .collect();
    totals.sort_by(|a, b| a.group.cmp(&b.group));
    totals
}

fn scale_downs_of(ledger: &Ledger, group: GroupId) -> u64 {
    ledger.scale_downs.iter().filter(|fact| fact.group == Some(group)).count() as u64
}

fn workload_counts(ledger: &Ledger, cluster: &Cluster) -> BTreeMap<String, u64> {
    let mut owners: BTreeMap<String, std::collections::BTreeSet<String>> = BTreeMap::new();
    for pod in &ledger.pods {
        let Some(controller) = pod.controller else { continue };
        let one = cluster.workload(controller);
        let shown = one.controller.map_or(one, |above| cluster.workload(above));
        let name = format!("{}/{}", shown.key.namespace, shown.key.name);
        owners.entry(shown.key.kind.clone()).or_default().insert(name);
    }
    owners.into_iter().map(|(kind, names)| (kind, names.len() as u64)).collect()
}

fn full_name(cluster: &Cluster, pod: &PodFact) -> String {
    format!("{}/{}", cluster.shape(pod.shape).namespace, pod.name)
}

fn owner_of(cluster: &Cluster, pod: &PodFact) -> String {
    pod.controller.map_or_else(|| full_name(cluster, pod), |id| owner_name(cluster, id))
}

fn deployed_pods(ledger: &Ledger, cluster: &Cluster, interval: SimDuration) -> Vec<Vec<String>> {
    let created: Vec<(SimTime, String)> =
        counted(ledger).map(|pod| (pod.created_at, full_name(cluster, pod))).collect();
    by_batch_interval(created, ledger.start(), interval)
}

fn series(ledger: &Ledger) -> Vec<SeriesPoint> {
    ledger
        .series
        .iter()
        .map(|state| SeriesPoint {
            time: state.at,
            nodes: state.machines,
            ready_nodes: state.ready_nodes,
            pending_pods: state.pending_pods,
            cost_per_hour: state.microusd_per_hour.map(MicroUsd),
        })
        .collect()
}

fn decisions(ledger: &Ledger, cluster: &Cluster) -> Vec<LoopDecision> {
    let mut by_time: BTreeMap<SimTime, LoopDecision> = BTreeMap::new();
    let empty = |time| LoopDecision {
        time,
        scale_ups: Vec::new(),
        scale_downs: Vec::new(),
        reasons: Vec::new(),
    };
    for fact in &ledger.scale_ups {
        let group = cluster.group(fact.group).spec.name.clone();
        by_time.entry(fact.at).or_insert_with(|| empty(fact.at)).scale_ups.push(GroupScaleUp {
            group,
            from: fact.from,
            to: fact.to,
        });
    }
    for fact in &ledger.scale_downs {
        let moved = fact.evicted.iter().map(|serial| {
            let index = usize::try_from(serial - 1).expect("pods fit into memory");
            full_name(cluster, &ledger.pods[index])
        });
        let mut moves: Vec<String> = moved.collect();
        moves.sort();
        by_time.entry(fact.decided_at).or_insert_with(|| empty(fact.decided_at)).scale_downs.push(
            NodeScaleDown {
                node: fact.node.to_string(),
                group: fact
                    .group
                    .map(|group| cluster.group(group).spec.name.clone())
                    .unwrap_or_default(),
                reason: fact.cause.as_str().to_owned(),
                moves,
                removed_at: Some(fact.removed_at),
            },
        );
    }
    for (at, reasons) in &ledger.reasons {
        if let Some(decision) = by_time.get_mut(at) {
            decision.reasons.extend(reasons.iter().map(|reason| reason.to_string()));
        }
    }
    let mut decisions: Vec<LoopDecision> = by_time.into_values().collect();
    for decision in &mut decisions {
        decision.scale_ups.sort_by(|a, b| a.group.cmp(&b.group).then(a.from.cmp(&b.from)));
        decision.scale_downs.sort_by(|a, b| a.node.cmp(&b.node));
    }
    decisions
}

fn never_scheduled(ledger: &Ledger, cluster: &mut Cluster) -> Vec<NeverScheduled> {
    let mut reasons = Reasons::of_replay(&ledger.reasons);
    let mut found = Vec::new();
    for pod in counted(ledger).filter(|pod| pod.bound_at.is_none()) {
        let name = full_name(cluster, pod);
        let reason = reasons.of(cluster, pod.shape, &name);
        found.push((owner_of(cluster, pod), reason, name));
    }
    NeverScheduled::gather(found)
}

/// One entry for each owner of whose pods any waited at all. Bare pods of a trace are each their
/// own owner; they are gathered by namespace, so that a report stays readable.
fn waits_by_owner(ledger: &Ledger, cluster: &Cluster) -> Vec<OwnerWaits> {
    #[derive(Default)]
    struct Gathered {
        waits: Vec<SimDuration>,
        never: u64,
    }
    let mut by_owner: BTreeMap<String, Gathered> = BTreeMap::new();
    for pod in counted(ledger) {
        let kind = pod.controller.map(|id| cluster.workload(id).key.kind.as_str());
        let owner = match kind {
            Some("Job") | None => format!("{}/*", cluster.shape(pod.shape).namespace),
            Some(_) => owner_of(cluster, pod),
        };
        let one = by_owner.entry(owner).or_default();
        match Ledger::wait_of(pod) {
            Some(wait) => one.waits.push(wait),
            None => one.never += 1,
        }
    }
    let mut waits: Vec<OwnerWaits> = by_owner
        .into_iter()
        .filter(|(_, one)| one.never > 0 || one.waits.iter().any(|wait| wait.0 > 0))
        .map(|(owner, one)| OwnerWaits {
            owner,
            pods_scheduled: one.waits.len() as u64,
            pods_never_scheduled: one.never,
            pending_seconds: PendingSeconds::of(&one.waits),
        })
        .collect();
    OwnerWaits::sort_longest_first(&mut waits);
    waits
}
