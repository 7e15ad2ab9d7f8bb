//! What must be so of the books and the report of a replay that is over.

use plimsoll_core::SimTime;
use plimsoll_core::ids::NodeId;

use super::trial::Found;
use crate::ledger::{Ledger, PodFact};
use crate::replayer::Played;
use crate::report::money::{CostMeter, MicroUsd};
use crate::report::rounding::node_hours;

/// Holds the books against themselves and against the world at the end; the first thing that is
/// wrong. `count` is told of each check.
pub(super) fn check(played: &Played, count: &mut dyn FnMut(&str)) -> Option<Found> {
    let checks: [(&'static str, Check); 5] = [
        ("pods created were scheduled or never were", wrong_pod_count),
        ("node hours and cost are the integrals of the series", wrong_integral),
        ("the books end as the world does", wrong_end),
        ("nothing ends before it begins", wrong_order),
        ("figures by group add up", wrong_group),
    ];
    for (name, check) in checks {
        count(name);
        if let Some(message) = check(played) {
            return Some(Found::at_the_end(name, message));
        }
    }
    None
}

type Check = fn(&Played) -> Option<String>;

fn wrong_pod_count(played: &Played) -> Option<String> {
    let totals = &played.report.totals;
    let listed: usize = played.report.never_scheduled.iter().map(|one| one.pods.len()).sum();
    let deployed: usize = played.report.deployed_pods.iter().map(Vec::len).sum();
    let numbers = (totals.pods_created, totals.pods_scheduled, totals.pods_never_scheduled);
    let adds_up = numbers.0 == numbers.1 + numbers.2
        && numbers.0 == deployed as u64
        && numbers.2 == listed as u64;
    (!adds_up).then(|| format!("created, scheduled, never: {numbers:?}; {deployed}, {listed}"))
}

/// The series of machines and prices is kept apart from the steps that hours and cost are made of.
fn wrong_integral(played: &Played) -> Option<String> {
    let end = played.report.end_time;
    let series = &played.ledger.series;
    let ends = series.iter().skip(1).map(|one| one.at).chain([end]);
    let (mut machine_ms, mut cost) = (0_i128, Some(CostMeter::default()));
    for (state, until) in series.iter().zip(ends) {
        let span_ms = i128::from((until - state.at).0);
        machine_ms += span_ms * i128::from(state.machines);
        let rate = state.microusd_per_hour.filter(|_| span_ms > 0);
        match (&mut cost, rate) {
            (Some(meter), Some(rate)) => meter.charge_integral(span_ms * i128::from(rate)),
            (cost, _) if span_ms > 0 => *cost = None,
            _ => {}
        }
    }
    let totals = &played.report.totals;
    let hours = node_hours(machine_ms);
    if totals.node_hours < 0.0 || (totals.node_hours - hours).abs() > f64::EPSILON {
        return Some(format!("{} node hours, and {hours} by the series", totals.node_hours));
    }
    // Nodes of no group have no price, so that their cost is not known.
    let ungrouped = played.ledger.nodes.values().any(|node| node.group.is_none());
    let cost = cost.map(CostMeter::to_cents).filter(|_| !ungrouped);
    if totals.cost.is_some_and(|cost| cost < MicroUsd(0)) || totals.cost != cost {
        return Some(format!("a cost of {:?}, and {cost:?} by the series", totals.cost));
    }
    None
}

/// Pods and nodes that the books know of at the end are those that are there.
fn wrong_end(played: &Played) -> Option<String> {
    let (ledger, cluster) = (&played.ledger, &played.world.cluster);
    let alive = |pod: &&PodFact| pod.end.is_none();
    let bound = ledger.pods.iter().filter(alive).filter(|pod| pod.bound_at.is_some()).count();
    let waiting = ledger.pods.iter().filter(alive).filter(|pod| pod.bound_at.is_none()).count();
    let nodes = ledger.nodes.values().filter(|node| node.removed_at.is_none()).count();
    let in_books = (bound, waiting, nodes);
    let bound_there = cluster.pods().filter(|(_, pod)| pod.node.is_some()).count();
    let there = (bound_there, cluster.pod_count() - bound_there, cluster.node_count());
    if in_books != there {
        return Some(format!("bound, waiting, nodes: {in_books:?} in the books, {there:?} there"));
    }
    let last = ledger.series.last()?;
    let shown = (last.pending_pods as usize, last.ready_nodes as usize);
    if shown != (there.1, there.2) {
        return Some(format!("the series ends with waiting, nodes {shown:?}, not {there:?}"));
    }
    wrong_machines_at_end(played)
}

fn wrong_machines_at_end(played: &Played) -> Option<String> {
    let cluster = &played.world.cluster;
    for (id, group) in cluster.groups() {
        let paid = played.ledger.paid.get(&id).and_then(|steps| steps.last());
        let booked = paid.map_or(0, |step| step.1 as usize);
        let there = group.instances.iter().filter(|one| one.error.is_none()).count();
        if booked != there {
            let name = &group.spec.name;
            return Some(format!("{booked} machines of {name} are paid for, {there} are there"));
        }
    }
    let grown = played.report.scaled_up_node_groups.values().map(|by| u64::from(*by)).sum::<u64>();
    let facts = played.ledger.scale_ups.iter().map(|one| u64::from(one.to - one.from)).sum::<u64>();
    (grown != facts).then(|| format!("groups grew by {grown}, increases come to {facts}"))
}

fn wrong_order(played: &Played) -> Option<String> {
    let end = played.report.end_time;
    for pod in &played.ledger.pods {
        let ended = pod.end.map_or(end, |(at, _)| at);
        let bound = pod.bound_at.unwrap_or(ended);
        let runs_before = pod.was_running;
        if ended > end || bound > ended || (pod.created_at > bound && !runs_before) {
            return Some(format!(
                "pod {}: created {}, bound {:?}, ended {:?}",
                pod.name, pod.created_at, pod.bound_at, pod.end
            ));
        }
    }
    for node in played.ledger.nodes.values() {
        if node.removed_at.is_some_and(|at| at < node.added_at || at > end) {
            return Some(format!("node {}: {} to {:?}", node.name, node.added_at, node.removed_at));
        }
    }
    let out_of_order = |pair: &[crate::ledger::StateFact]| pair[0].at >= pair[1].at;
    let series = &played.ledger.series;
    series.windows(2).any(out_of_order).then(|| "the series runs backwards".to_owned())
}

fn wrong_group(played: &Played) -> Option<String> {
    let report = &played.report;
    let hours: f64 = report.groups.iter().map(|group| group.node_hours).sum();
    let ungrouped = ungrouped_hours(&played.ledger, report.end_time);
    // Each figure is rounded to a thousandth of an hour by itself.
    let tolerance = 0.001 * f64::from(u16::try_from(report.groups.len() + 2).unwrap_or(u16::MAX));
    if (hours + ungrouped - report.totals.node_hours).abs() > tolerance {
        let total = report.totals.node_hours;
        return Some(format!("groups have {hours} node hours, others {ungrouped}, all {total}"));
    }
    let by_strategy = |name: &str, all: u64, of_groups: u64| {
        (all != of_groups).then(|| format!("{name}: {all}, and {of_groups} by group"))
    };
    let scale_ups = report.groups.iter().map(|group| group.scale_ups).sum();
    let scale_downs = report.groups.iter().map(|group| group.scale_downs).sum();
    let facts = (played.ledger.scale_ups.len() as u64, played.ledger.scale_downs.len() as u64);
    by_strategy("scale-ups", facts.0, scale_ups)
        .or_else(|| by_strategy("scale-downs", facts.1, scale_downs))
        .or_else(|| gone_node(played))
}

/// A node that was scaled down and is still there.
fn gone_node(played: &Played) -> Option<String> {
    let is_there = |name: &str| {
        let found: Option<NodeId> = played.world.node_named(name);
        found.is_some()
    };
    // A name can come back: a scenario may apply a node of any name.
    let facts = &played.ledger.scale_downs;
    let wrong = facts.iter().find(|fact| {
        is_there(&fact.node)
            && !played
                .ledger
                .nodes
                .values()
                .any(|node| node.name == fact.node && node.removed_at == Some(fact.removed_at))
    });
    wrong.map(|fact| format!("node {} was scaled down and is there", fact.node))
}

fn ungrouped_hours(ledger: &Ledger, end: SimTime) -> f64 {
    let ungrouped = ledger.nodes.values().filter(|node| node.group.is_none());
    let ms = ungrouped.map(|node| i128::from((node.removed_at.unwrap_or(end) - node.added_at).0));
    node_hours(ms.sum())
}
