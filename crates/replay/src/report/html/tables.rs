//! The page's tables of figures.

use std::collections::BTreeSet;

use super::super::figures::{Amount, Figure, base_of, figures};
use super::super::model::{GroupTotals, OwnerWaits, ReplayReport};
use super::super::money::with_thousands;
use super::super::prose::counted;
use super::super::text::owners_by_longest_wait;
use super::escape::escaped;
use super::{section, swatch};

/// How many owners the table of waits shows.
const OWNERS_SHOWN: usize = 50;
/// How many reasons each strategy's never scheduled pods get.
const NEVER_SCHEDULED_SHOWN: usize = 100;
/// How many pods are named for one reason.
const PODS_NAMED: usize = 8;

/// Every total side by side, with the differences from the first strategy that has it.
pub(super) fn totals(reports: &[ReplayReport], labels: &[String]) -> String {
    let columns: Vec<Vec<Figure>> = reports.iter().map(|report| figures(&report.totals)).collect();
    let mut head = String::from("<th></th>");
    for (index, label) in labels.iter().enumerate() {
        let span = if index == 0 { "" } else { " colspan=\"2\"" };
        head.push_str(&format!("<th{span}>{}</th>", swatch(index, label)));
    }
    let mut rows = String::new();
    for (row, figure) in columns[0].iter().enumerate() {
        rows.push_str(&format!("<tr><td>{}</td>", figure.title));
        let amounts: Vec<Option<Amount>> =
            columns.iter().map(|column| column[row].amount).collect();
        let base = base_of(&amounts);
        for (index, column) in columns.iter().enumerate() {
            rows.push_str(&format!("<td>{}</td>", column[row].to_text()));
            if index > 0 {
                let base = base.filter(|base| *base < index).and_then(|base| amounts[base]);
                rows.push_str(&difference_cell(figure.name, amounts[index], base));
            }
        }
        rows.push_str("</tr>\n");
    }
    section("Totals", &table("", &head, &rows))
}

/// Node-hours, cost and peak by node group.
pub(super) fn groups(reports: &[ReplayReport], labels: &[String]) -> String {
    let all = reports.iter().flat_map(|report| &report.groups);
    let names: BTreeSet<&str> = all.map(|group| group.group.as_str()).collect();
    if names.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for name in names {
        rows.push_str(&format!("<tr><td>{}</td>", escaped(name)));
        for report in reports {
            let group = report.groups.iter().find(|group| group.group == name);
            rows.push_str(&format!("<td>{}</td>", group.map_or("-".to_owned(), group_cell)));
        }
        rows.push_str("</tr>\n");
    }
    section("By node group", &table("", &heads("group", labels), &rows))
}

/// The pods that were never scheduled, with what held them.
pub(super) fn never_scheduled(reports: &[ReplayReport], labels: &[String]) -> String {
    let mut panels = String::new();
    for (index, (report, label)) in reports.iter().zip(labels).enumerate() {
        let entries = &report.never_scheduled;
        if entries.is_empty() {
            continue;
        }
        let mut rows = String::new();
        for entry in entries.iter().take(NEVER_SCHEDULED_SHOWN) {
            let named: Vec<&str> = entry.pods.iter().take(PODS_NAMED).map(String::as_str).collect();
            let rest = entry.pods.len() - named.len();
            let more = if rest > 0 {
                format!(" and {} more", with_thousands(rest as i128))
            } else {
                String::new()
            };
            rows.push_str(&format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td><code>{}</code>{more}</td></tr>\n",
                escaped(&entry.owner),
                escaped(&entry.reason),
                with_thousands(entry.pods.len() as i128),
                escaped(&named.join(", ")),
            ));
        }
        let head = "<th>owner</th><th>held by</th><th>pods</th><th>names</th>";
        let pods = counted(report.totals.pods_never_scheduled, "pod");
        panels.push_str(&format!(
            "<div class=\"panel\"><details open><summary>{}, {pods}{}</summary>\n{}</details></div>\n",
            swatch(index, label),
            shown_of(NEVER_SCHEDULED_SHOWN, entries.len(), "reasons"),
            table("words", head, &rows),
        ));
    }
    if panels.is_empty() { panels } else { format!("<h2>Never scheduled</h2>\n{panels}") }
}

/// How long each owner's pods waited.
pub(super) fn waits(reports: &[ReplayReport], labels: &[String]) -> String {
    let owners = owners_by_longest_wait(reports);
    if owners.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for (owner, _) in owners.iter().take(OWNERS_SHOWN) {
        rows.push_str(&format!("<tr><td>{}</td>", escaped(owner)));
        for report in reports {
            let waits = report.waits_by_owner.iter().find(|waits| waits.owner == *owner);
            rows.push_str(&format!("<td>{}</td>", waits.map_or("-".to_owned(), waits_cell)));
        }
        rows.push_str("</tr>\n");
    }
    let title = format!(
        "Waits by owner <span class=\"note\">p50 / p99 / longest{}</span>",
        shown_of(OWNERS_SHOWN, owners.len(), "owners")
    );
    section(&title, &table("", &heads("owner", labels), &rows))
}

/// `, the first 50 of 312 owners`, or nothing when all are shown.
pub(super) fn shown_of(limit: usize, all: usize, what: &str) -> String {
    if all <= limit {
        return String::new();
    }
    let (limit, all) = (with_thousands(limit as i128), with_thousands(all as i128));
    format!(", the first {limit} of {all} {what}")
}

/// A table of a class with its head's and body's cells.
pub(super) fn table(class: &str, head: &str, rows: &str) -> String {
    format!(
        "<table class=\"{class}\">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    )
}

fn heads(first: &str, labels: &[String]) -> String {
    let mut head = format!("<th>{first}</th>");
    for (index, label) in labels.iter().enumerate() {
        head.push_str(&format!("<th>{}</th>", swatch(index, label)));
    }
    head
}

fn difference_cell(name: &str, amount: Option<Amount>, base: Option<Amount>) -> String {
    let (Some(amount), Some(base)) = (amount, base) else {
        return "<td class=\"delta\"></td>".to_owned();
    };
    let falls = amount.minus(base).filter(|difference| !difference.is_zero());
    let class = match (falls.map(Amount::is_negative), better_when_lower(name)) {
        (Some(falls), Some(lower)) if falls == lower => " better",
        (Some(_), Some(_)) => " worse",
        _ => "",
    };
    format!("<td class=\"delta{class}\">{}</td>", amount.difference_text(base))
}

/// Whether less of a total is better or worse; `None` where neither can be said.
fn better_when_lower(name: &str) -> Option<bool> {
    match name {
        "cost" | "nodeHours" | "podsNeverScheduled" | "stillPendingSeconds" | "evictions" => {
            Some(true)
        }
        // Fewer pods are scheduled where fewer are evicted and made anew, too.
        "cpuUtilization" | "memoryUtilization" => Some(false),
        name if name.starts_with("pendingSeconds") => Some(true),
        _ => None,
    }
}

fn group_cell(group: &GroupTotals) -> String {
    let cost = group.cost.map_or_else(|| "no price".to_owned(), |cost| cost.to_dollars_text());
    let hours = Amount::NodeHours(group.node_hours).to_text();
    let peak = with_thousands(group.peak_nodes.into());
    format!("{cost} <span class=\"note\">{hours} h · peak {peak}</span>")
}

fn waits_cell(waits: &OwnerWaits) -> String {
    let pending = waits.pending_seconds;
    let times =
        [pending.p50, pending.p99, pending.max].map(|wait| wait.to_short_text()).join(" / ");
    let mut pods = counted(waits.pods_scheduled, "pod");
    if waits.pods_never_scheduled > 0 {
        let never = with_thousands(waits.pods_never_scheduled.into());
        pods.push_str(&format!(", {never} never scheduled"));
    }
    format!("{times} <span class=\"note\">{pods}</span>")
}
