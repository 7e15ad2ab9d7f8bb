//! A plan on one page: what would happen, and why not more.

use std::collections::BTreeMap;

use plimsoll_core::SimTime;
use plimsoll_replay::plan::{BlockedNode, Change, CostPerHour, PendingPod, Plan};
use plimsoll_replay::report::money::with_thousands;
use plimsoll_replay::report::prose::counted;
use plimsoll_replay::report::text::wrapped;

use crate::tables::{Side, lay_out};

/// So many names are given of pods or nodes of which the same is said.
const NAMES_SHOWN: usize = 4;

/// The whole page.
pub(super) fn text(plan: &Plan, title: &str, width: usize) -> String {
    let mut text = format!("{title} · {} at {} · nothing is done\n", plan.strategy, plan.at);
    text.push_str(&scale_up(plan, width));
    text.push_str(&pods(plan, width));
    text.push_str(&scale_down(plan, width));
    text.push_str(&remarks(plan, width));
    text.push_str(&cost(plan.cost_per_hour));
    text
}

/// Today's decision and the one that changes would make of it, and then the latter in full.
pub(super) fn comparison(
    today: &Plan,
    changed: &Plan,
    changes: &[Change],
    title: &str,
    width: usize,
) -> String {
    let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
    let row = |what: &str, tell: &dyn Fn(&Plan) -> String| {
        vec![what.to_owned(), tell(today), tell(changed)]
    };
    let outcome = |outcome: &'static str| {
        move |plan: &Plan| plan.pods.iter().filter(|pod| pod.outcome == outcome).count().to_string()
    };
    let dollars = |pick: fn(CostPerHour) -> String| {
        move |plan: &Plan| plan.cost_per_hour.map_or_else(|| "no price".to_owned(), pick)
    };
    let rows = vec![
        row("groups that grow", &|plan| growth(plan, ", ")),
        row("nodes that go", &|plan| plan.scale_downs.len().to_string()),
        row("unneeded nodes", &|plan| plan.unneeded.len().to_string()),
        row("pods that trigger scale-up", &outcome("triggeredScaleUp")),
        row("pods that no group helps", &outcome("unschedulable")),
        row("pods that wait for the next loops", &|plan| {
            let waits = ["awaitEvaluation", "leftOver"];
            plan.pods.iter().filter(|pod| waits.contains(&pod.outcome)).count().to_string()
        }),
        row("cost per hour now", &dollars(|cost| format!("${}", cost.before))),
        row("cost per hour then", &dollars(|cost| format!("${}", cost.after))),
    ];
    let columns = [("", Side::Left), ("today", Side::Left), ("what if", Side::Left)];
    let mut page = format!("What if {}\n\n", changes.join(", "));
    page.push_str(&lay_out(&columns, rows));
    page.push_str("\nThe changed decision in full:\n\n");
    page.push_str(&text(changed, title, width));
    page
}

/// `workers-a 1 → 3`, and so on.
fn growth(plan: &Plan, between: &str) -> String {
    if plan.scale_ups.is_empty() {
        return "none".to_owned();
    }
    let each = plan.scale_ups.iter().map(|one| format!("{} {} → {}", one.group, one.from, one.to));
    each.collect::<Vec<_>>().join(between)
}

fn scale_up(plan: &Plan, width: usize) -> String {
    let result = plan.scale_up_result.map_or_else(String::new, |word| format!(": {word}"));
    let mut text = format!("\nScale-up{result}\n");
    for one in &plan.scale_ups {
        let more = counted(u64::from(one.to.saturating_sub(one.from)), "node");
        text.push_str(&format!("  {} grows from {} to {} ({more})\n", one.group, one.from, one.to));
    }
    if !plan.options.is_empty() {
        text.push_str(&options(plan));
    }
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in &plan.skipped_groups {
        by_reason.entry(&one.reason).or_default().push(&one.group);
    }
    for (reason, groups) in by_reason {
        text.push_str(&paragraph(
            "  not considered: ",
            &format!("{}: {reason}", some(&groups)),
            width,
        ));
    }
    text
}

/// Every option, the one that is taken marked.
fn options(plan: &Plan) -> String {
    let rows = plan.options.iter().map(|option| {
        let is_chosen = plan.chosen.as_ref() == Some(&option.group);
        let is_tie = plan.best.len() > 1 && plan.best.contains(&option.group);
        let verdict = match (is_chosen, is_tie) {
            (true, true) => "taken, drawn among equals",
            (true, false) => "taken",
            (false, true) => "as good",
            (false, false) => "",
        };
        vec![
            option.group.clone(),
            option.nodes.to_string(),
            with_thousands(option.pods.len() as i128),
            option.score.map_or_else(|| "–".to_owned(), |score| format!("{score:.6}")),
            option.similar.join(", "),
            verdict.to_owned(),
        ]
    });
    let columns = [
        ("option", Side::Left),
        ("nodes", Side::Right),
        ("pods", Side::Right),
        ("score (lower is better)", Side::Right),
        ("shared with", Side::Left),
        ("", Side::Left),
    ];
    lay_out(&columns, rows.collect())
}

/// Pending pods by what becomes of them and why.
fn pods(plan: &Plan, width: usize) -> String {
    if plan.pods.is_empty() {
        return String::new();
    }
    let mut fates: BTreeMap<(usize, String), Vec<&str>> = BTreeMap::new();
    for pod in &plan.pods {
        fates.entry(fate(pod)).or_default().push(&pod.pod);
    }
    let mut text = format!("\nPending pods: {}\n", with_thousands(plan.pods.len() as i128));
    for ((_, fate), pods) in fates {
        text.push_str(&paragraph("  ", &format!("{}: {fate}", some(&pods)), width));
    }
    text
}

/// In which order fates are told, what is done for a pod first.
const FATES: [(&str, &str); 12] = [
    ("triggeredScaleUp", "triggered scale-up"),
    ("scaleUpFailed", "triggered a failed scale-up"),
    (
        "leftOver",
        "left over: a group would hold it, but a limit kept it out or the scale-up failed",
    ),
    ("awaitEvaluation", "waits for the next loop: another group would help"),
    ("unschedulable", "no group helps"),
    ("fitsExisting", "fits on a node that is there or coming"),
    ("nominated", "room is being made for it"),
    ("tooNew", "too new"),
    ("expendable", "its priority is too low to count"),
    ("daemonSet", "a DaemonSet's pod never causes a scale-up"),
    ("ignored", "the scheduler has not found it unschedulable, or it is going"),
    ("notReached", "the loop ended before"),
];

/// Where it stands in the list, and the fate with its reasons.
fn fate(pod: &PendingPod) -> (usize, String) {
    let place = FATES.iter().position(|(word, _)| *word == pod.outcome).unwrap_or(FATES.len());
    let said = FATES.get(place).map_or(pod.outcome, |(_, said)| *said);
    let group = pod.group.as_ref().map_or_else(String::new, |group| format!(" of {group}"));
    let reasons: Vec<String> =
        pod.reasons.iter().map(|(group, reason)| format!("{group}: {reason}")).collect();
    let reasons = match (reasons.is_empty(), &pod.event) {
        (false, _) => format!(" ({})", reasons.join("; ")),
        (true, Some(event)) => format!(" ({event})"),
        (true, None) => String::new(),
    };
    (place, format!("{said}{group}{reasons}"))
}

fn scale_down(plan: &Plan, width: usize) -> String {
    let result = plan.scale_down_result.map_or_else(String::new, |word| format!(": {word}"));
    let mut text = format!("\nScale-down{result}\n");
    for one in &plan.scale_downs {
        let moves = match one.moves.as_slice() {
            [] => String::new(),
            moves => format!(", pods to move: {}", moves.join(", ")),
        };
        let said = format!("{} of {} goes ({}){moves}", one.node, one.group, one.reason);
        text.push_str(&paragraph("  ", &said, width));
    }
    let goes = |node: &str| plan.scale_downs.iter().any(|one| one.node == node);
    let waits = |node: &str| {
        let why = plan.unremovable.iter().find(|one| one.node == node);
        why.map_or_else(String::new, |one| format!(", stays for now: {}", reason(one)))
    };
    for (node, since) in plan.unneeded_since.iter().filter(|(node, _)| !goes(node)) {
        let said = format!("{node} is unneeded {}{}", since_when(*since, plan.at), waits(node));
        text.push_str(&paragraph("  ", &said, width));
    }
    text.push_str(&blocked(plan, width));
    text
}

/// Nodes that stay, by reason; what is asked of those that are used too much.
fn blocked(plan: &Plan, width: usize) -> String {
    let mut by_reason: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let is_needed = |one: &&BlockedNode| !plan.unneeded_since.contains_key(&one.node);
    for one in plan.unremovable.iter().filter(is_needed) {
        let used = plan.utilization.get(&one.node);
        let name = match used.filter(|_| one.reason == "NotUnderutilized") {
            Some(used) => format!("{} ({} {:.0}%)", one.node, used.resource, used.dominant * 100.0),
            None => one.node.clone(),
        };
        by_reason.entry(reason(one)).or_default().push(name);
    }
    let mut text = String::new();
    for (reason, nodes) in by_reason {
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        let verb = if nodes.len() == 1 { "stays" } else { "stay" };
        text.push_str(&paragraph("  ", &format!("{} {verb}: {reason}", some(&nodes)), width));
    }
    text
}

fn reason(one: &BlockedNode) -> String {
    match (&one.pod, &one.pod_reason) {
        (Some(pod), Some(why)) => format!("{} {pod} ({why})", one.reason),
        _ => one.reason.clone(),
    }
}

fn since_when(since: SimTime, at: SimTime) -> String {
    if since == at { "as of this loop".to_owned() } else { format!("for {}", at - since) }
}

/// Everything else that the loop did or would tell.
fn remarks(plan: &Plan, width: usize) -> String {
    let decreases = plan.target_decreases.iter();
    let decreases = decreases
        .map(|one| format!("target of {} lowered from {} to {}", one.group, one.from, one.to));
    let removed = plan.removed_instances.iter();
    let removed = removed.map(|id| format!("machine {id} is given up"));
    let conditions = plan.conditions.iter().map(|one| {
        format!("{}: {}={} {}: {}", one.object, one.kind, one.status, one.reason, one.message)
    });
    let all: Vec<String> = decreases
        .chain(removed)
        .chain(conditions)
        .chain(plan.events.iter().cloned())
        .chain(plan.reasons.iter().cloned())
        .collect();
    if all.is_empty() {
        return String::new();
    }
    let lines: String = all.iter().map(|one| paragraph("  ", one, width)).collect();
    format!("\nAlso\n{lines}")
}

fn cost(cost: Option<CostPerHour>) -> String {
    let Some(cost) = cost else {
        return "\nCost per hour: not known, as a group that counts has no pricePerHour\n"
            .to_owned();
    };
    let bound = cost.lower_bound.filter(|_| cost.after != cost.before);
    let bound = bound.map_or_else(String::new, |least| format!(" (at least ${least})"));
    format!("\nCost per hour: ${} now, ${} then{bound}\n", cost.before, cost.after)
}

/// Some names, and how many more there are.
fn some(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => shown,
        more => format!("{shown} and {} more", with_thousands(more as i128)),
    }
}

fn paragraph(first: &str, text: &str, width: usize) -> String {
    wrapped(first, text, width, 4).iter().map(|line| format!("{line}\n")).collect()
}
