//! The report for a terminal.
//!
//! Pure text without colours and without any reading of a clock: the same reports give the same
//! bytes. How fast the replay went is the caller's to print, elsewhere.

pub(super) mod bursts;
mod chart;
mod table;
mod wrap;

use std::collections::{BTreeMap, BTreeSet};

use super::clock_text::formatted;
use super::figures::{Amount, Figure, base_of, figures};
use super::labels::labels;
use super::model::{Backtest, GroupTotals, NeverScheduled, ReplayMode, ReplayReport};
use super::money::with_thousands;
use super::prose::{counted, differences};
use super::seconds::Seconds;
use table::Table;
pub use wrap::wrapped;

/// The width for output that is no terminal.
pub const DEFAULT_WIDTH: usize = 100;
/// No report is laid out narrower than this; a narrower terminal wraps.
const MIN_WIDTH: usize = 60;
/// How many lines of reasons a strategy's never scheduled pods get.
const NEVER_SCHEDULED_LINES: usize = 5;
/// How many owners are listed under the longest waits.
const OWNER_LINES: usize = 5;
/// What the backtest's figures are.
const BACKTEST_TITLE: &str = "backtest, replayed under the recorded settings against what happened";
/// How many node groups are listed.
const GROUP_LINES: usize = 12;

/// Lays out one or several reports of the same source and window, at most `width` characters wide
/// where their names allow it. The first report is the one that the others are held against.
#[must_use]
pub fn render(reports: &[ReplayReport], width: usize) -> String {
    let page = Page { reports, labels: labels(reports), width: width.max(MIN_WIDTH) };
    let Some(first) = reports.first() else { return String::new() };
    let mut sections = vec![page.header(first)];
    if reports.iter().any(|report| report.mode == ReplayMode::Timeline) {
        sections.push(page.totals());
        sections.push(page.never_scheduled());
        sections.push(chart::lines(reports, &page.labels, page.width));
        sections.push(page.groups());
        sections.push(page.longest_waits());
        sections.push(page.differences());
    }
    sections.push(bursts::lines(reports, &page.labels, page.width));
    sections.push(page.backtests());
    sections.push(page.assumptions());
    let filled = sections.iter().filter(|lines| !lines.is_empty());
    filled.map(|lines| lines.join("\n") + "\n").collect::<Vec<_>>().join("\n")
}

/// The reports of one page with what their columns are called.
struct Page<'a> {
    reports: &'a [ReplayReport],
    labels: Vec<String>,
    width: usize,
}

impl Page<'_> {
    fn header(&self, first: &ReplayReport) -> Vec<String> {
        let (from, to) = (first.start_time, first.end_time);
        let until = if formatted(from, "%F") == formatted(to, "%F") { "%H:%M" } else { "%F %H:%M" };
        let when = format!("{} to {} UTC", formatted(from, "%F %H:%M"), formatted(to, until));
        let mut text = format!(
            "{} · {} of {} · {when} · seed {}",
            first.source,
            Seconds::from(first.window()).to_short_text(),
            subject(first),
            first.seed
        );
        if first.mode == ReplayMode::ScaleUps {
            text.push_str(" · scale-ups mode");
        }
        let mut lines = wrapped("", &text, self.width, 2);
        if let [only] = self.labels.as_slice() {
            lines.push(format!("strategy {only}"));
        }
        lines
    }

    /// The table of totals; when it is too wide, several ones below each other, each with the first
    /// strategy.
    fn totals(&self) -> Vec<String> {
        let all: Vec<usize> = (0..self.reports.len()).collect();
        let table = self.totals_of(&all);
        if table.width() <= self.width || all.len() <= 2 {
            return table.lines();
        }
        let mut lines = Vec::new();
        for other in &all[1..] {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.extend(self.totals_of(&[0, *other]).lines());
        }
        lines
    }

    fn totals_of(&self, columns: &[usize]) -> Table {
        let mut table = Table::default();
        let several = columns.len() > 1;
        if several {
            let mut head = vec![String::new(), self.labels[columns[0]].clone()];
            for &column in &columns[1..] {
                head.extend([self.labels[column].clone(), String::new()]);
            }
            table.row(head);
        }
        let figures: Vec<Vec<Figure>> =
            columns.iter().map(|&column| figures(&self.reports[column].totals)).collect();
        for (index, figure) in figures[0].iter().enumerate() {
            let column_figures: Vec<Figure> = figures.iter().map(|list| list[index]).collect();
            if !is_superfluous(figure.name, &column_figures) {
                table.row(total_row(&column_figures));
            }
        }
        table
    }

    fn never_scheduled(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (report, label) in self.reports.iter().zip(&self.labels) {
            let entries = &report.never_scheduled;
            if entries.is_empty() {
                continue;
            }
            let under =
                if self.reports.len() > 1 { format!(" under {label}") } else { String::new() };
            lines.push(format!("never scheduled{under}"));
            for entry in entries.iter().take(NEVER_SCHEDULED_LINES) {
                lines.extend(wrapped("  ", &never_scheduled_text(entry), self.width, 4));
            }
            let rest = entries.get(NEVER_SCHEDULED_LINES..).unwrap_or_default();
            let pods: usize = rest.iter().map(|entry| entry.pods.len()).sum();
            if pods > 0 {
                let owners: BTreeSet<&str> = rest.iter().map(|e| e.owner.as_str()).collect();
                let (pods, owners) =
                    (counted(pods as u64, "pod"), counted(owners.len() as u64, "owner"));
                lines.push(format!("  and {pods} more, of {owners}"));
            }
        }
        lines
    }

    fn groups(&self) -> Vec<String> {
        let names: BTreeSet<&str> =
            self.reports.iter().flat_map(|r| &r.groups).map(|g| g.group.as_str()).collect();
        if names.is_empty() {
            return Vec::new();
        }
        let mut table = Table::default();
        table.row(std::iter::once("by node group".to_owned()).chain(self.column_heads()));
        for name in names.iter().take(GROUP_LINES) {
            let cells = self.reports.iter().map(|report| {
                report
                    .groups
                    .iter()
                    .find(|group| group.group == *name)
                    .map_or_else(|| "-".to_owned(), group_text)
            });
            table.row(std::iter::once(format!("  {name}")).chain(cells));
        }
        let mut lines = table.lines();
        if let Some(more) = names.len().checked_sub(GROUP_LINES).filter(|more| *more > 0) {
            lines.push(format!("  and {}", counted(more as u64, "more group")));
        }
        lines
    }

    fn longest_waits(&self) -> Vec<String> {
        let owners = owners_by_longest_wait(self.reports);
        if owners.is_empty() {
            return Vec::new();
        }
        let mut table = Table::default();
        table.row(std::iter::once("longest waits, p50/max".to_owned()).chain(self.column_heads()));
        for (owner, _) in owners.iter().take(OWNER_LINES) {
            let cells = self.reports.iter().map(|report| {
                let waits = report.waits_by_owner.iter().find(|waits| waits.owner == *owner);
                waits.map_or_else(
                    || "-".to_owned(),
                    |waits| {
                        let (p50, max) = (waits.pending_seconds.p50, waits.pending_seconds.max);
                        let pods = counted(waits.pods_scheduled, "pod");
                        format!("{}/{} of {pods}", p50.to_short_text(), max.to_short_text())
                    },
                )
            });
            table.row(std::iter::once(format!("  {owner}")).chain(cells));
        }
        table.lines()
    }

    fn differences(&self) -> Vec<String> {
        let paragraphs = differences(self.reports);
        if paragraphs.is_empty() {
            return Vec::new();
        }
        let mut lines = vec!["what differs".to_owned()];
        lines.extend(paragraphs.iter().flat_map(|text| wrapped("  ", text, self.width, 2)));
        lines
    }

    fn backtests(&self) -> Vec<String> {
        let all = backtests(self.reports, &self.labels);
        let mut lines = Vec::new();
        for (labels, backtest) in &all {
            let whose =
                if all.len() > 1 { format!("{}: ", labels.join(", ")) } else { String::new() };
            let text = format!("{whose}{}", backtest_text(backtest));
            lines.extend(wrapped("  ", &text, self.width, if all.len() > 1 { 4 } else { 2 }));
        }
        if !lines.is_empty() {
            lines.insert(0, BACKTEST_TITLE.to_owned());
        }
        lines
    }

    fn assumptions(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (assumption, holders) in assumptions(self.reports, &self.labels) {
            let whose = if holders.len() == self.reports.len() {
                String::new()
            } else {
                format!("{}: ", holders.join(", "))
            };
            lines.extend(wrapped("  - ", &format!("{whose}{assumption}"), self.width, 4));
        }
        if !lines.is_empty() {
            lines.insert(0, "taken for granted".to_owned());
        }
        lines
    }

    /// What the columns of a table are called: nothing where there is only one.
    fn column_heads(&self) -> Vec<String> {
        if self.reports.len() > 1 { self.labels.clone() } else { Vec::new() }
    }
}

/// Every backtest once, in order of first mention, with the labels of the reports that carry it.
pub(super) fn backtests<'a>(
    reports: &[ReplayReport],
    labels: &'a [String],
) -> Vec<(Vec<&'a str>, Backtest)> {
    let mut order: Vec<(Vec<&str>, Backtest)> = Vec::new();
    for (report, label) in reports.iter().zip(labels) {
        let Some(backtest) = report.backtest else { continue };
        match order.iter_mut().find(|(_, known)| *known == backtest) {
            Some((holders, _)) => holders.push(label),
            None => order.push((vec![label], backtest)),
        }
    }
    order
}

/// Every assumption once, in order of first mention, with the labels of the reports that make it.
pub(super) fn assumptions<'a>(
    reports: &'a [ReplayReport],
    labels: &'a [String],
) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut order: Vec<(&str, Vec<&str>)> = Vec::new();
    for (report, label) in reports.iter().zip(labels) {
        for assumption in &report.assumptions {
            match order.iter_mut().find(|(known, _)| known == assumption) {
                Some((_, holders)) => holders.push(label),
                None => order.push((assumption, vec![label])),
            }
        }
    }
    order
}

/// Owners that waited under any strategy with their longest wait, longest first, then by name.
pub(super) fn owners_by_longest_wait(reports: &[ReplayReport]) -> Vec<(&str, Seconds)> {
    let mut longest: BTreeMap<&str, Seconds> = BTreeMap::new();
    for waits in reports.iter().flat_map(|report| &report.waits_by_owner) {
        let entry = longest.entry(&waits.owner).or_default();
        *entry = (*entry).max(waits.pending_seconds.max);
    }
    let mut owners: Vec<(&str, Seconds)> =
        longest.into_iter().filter(|(_, wait)| *wait > Seconds(0)).collect();
    owners.sort_by_key(|(owner, wait)| (std::cmp::Reverse(*wait), *owner));
    owners
}

/// `shop/report-7: no group has 32 cpu`, or how many pods of which owner, with one of them.
pub(super) fn never_scheduled_text(entry: &NeverScheduled) -> String {
    match entry.pods.as_slice() {
        [only] => format!("{only}: {}", entry.reason),
        pods => {
            let example = pods.first().filter(|pod| **pod != entry.owner);
            let example = example.map_or_else(String::new, |pod| format!(", such as {pod}"));
            let count = counted(pods.len() as u64, "pod");
            format!("{} ({count}{example}): {}", entry.owner, entry.reason)
        }
    }
}

/// How closely the replay reproduces the recording, in words.
pub(super) fn backtest_text(backtest: &Backtest) -> String {
    let placement = backtest.placement_agreement.map_or_else(
        || "placements were not recorded".to_owned(),
        |share| format!("{:.1} % of pods in the group they really ran in", share * 100.0),
    );
    let nodes = backtest.node_count_mape.map_or_else(
        || "nodes were not recorded".to_owned(),
        |error| format!("nodes over time off by {:.1} % on average", error * 100.0),
    );
    format!(
        "{nodes}, median wait off by {:+.1}s, {placement}",
        backtest.pending_seconds_p50_error + 0.0,
    )
}

/// What was replayed: `3 node groups, 14 deployments and 2 jobs`.
pub(super) fn subject(report: &ReplayReport) -> String {
    let groups = report.start.node_groups.len().max(report.groups.len());
    let mut parts = vec![counted(groups as u64, "node group")];
    for (kind, number) in &report.workloads {
        parts.push(counted(*number, &spaced_lower_case(kind)));
    }
    if report.workloads.is_empty() {
        parts.push(counted(report.totals.pods_created, "pod"));
    }
    match parts.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => parts.concat(),
    }
}

/// `StatefulSet` as `stateful set`.
fn spaced_lower_case(kind: &str) -> String {
    let mut words = String::new();
    for (index, letter) in kind.char_indices() {
        if letter.is_uppercase() && index > 0 {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

/// Whether a row would only repeat that no pod was left over.
fn is_superfluous(name: &str, columns: &[Figure]) -> bool {
    let is_nothing = |figure: &Figure| figure.amount.is_none_or(Amount::is_zero);
    name == "stillPendingSeconds" && columns.iter().all(is_nothing)
}

fn total_row(columns: &[Figure]) -> Vec<String> {
    let amounts: Vec<Option<Amount>> = columns.iter().map(|figure| figure.amount).collect();
    let base = base_of(&amounts);
    let mut row = vec![columns[0].title.to_owned(), columns[0].to_text()];
    for (index, figure) in columns.iter().enumerate().skip(1) {
        let base = base.filter(|base| *base < index).and_then(|base| amounts[base]);
        let difference = match (figure.amount, base) {
            (Some(amount), Some(base)) => amount.difference_text(base),
            _ => String::new(),
        };
        row.extend([figure.to_text(), difference]);
    }
    row
}

fn group_text(group: &GroupTotals) -> String {
    let cost = group.cost.map_or_else(|| "no price".to_owned(), |cost| cost.to_dollars_text());
    let peak = with_thousands(group.peak_nodes.into());
    let hours = Amount::NodeHours(group.node_hours).to_text();
    format!("{cost}, {hours} h, peak {peak}")
}

#[cfg(test)]
mod tests;
