//! Scale-ups mode: recorded bursts of scale-ups beside the strategy's own.

use std::collections::BTreeMap;

use super::super::clock_text::full_instant;
use super::super::model::{ReplayReport, ScaleUpBurst};
use super::super::money::with_thousands;
use super::super::prose::counted;
use super::super::rounding::rounded_ratio;
use super::table::Table;

/// Up to this many bursts are listed; of more only those that differ.
const BURST_LINES: usize = 40;

/// A block for each report that has bursts.
pub(super) fn lines(reports: &[ReplayReport], labels: &[String], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for (report, label) in reports.iter().zip(labels) {
        if report.scale_up_bursts.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(format!("{label}: {}", agreement_text(&report.scale_up_bursts)));
        lines.extend(listed(&report.scale_up_bursts, label, width));
    }
    lines
}

/// `12 of 14 bursts of scale-ups as recorded (85.7 %)`.
pub(in super::super) fn agreement_text(bursts: &[ScaleUpBurst]) -> String {
    let agreeing = bursts.iter().filter(|burst| burst.agrees).count();
    let percent = rounded_ratio(agreeing as i128 * 100, bursts.len() as i128, 1);
    let (agreeing, all) = (with_thousands(agreeing as i128), with_thousands(bursts.len() as i128));
    format!("{agreeing} of {all} bursts of scale-ups as recorded ({percent:.1} %)")
}

/// `workers-a +2, workers-b +1`, or `nothing`.
pub(in super::super) fn increases_text(groups: &BTreeMap<String, u32>) -> String {
    let parts: Vec<String> =
        groups.iter().map(|(group, nodes)| format!("{group} +{nodes}")).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn listed(bursts: &[ScaleUpBurst], label: &str, width: usize) -> Vec<String> {
    let all = bursts.len() <= BURST_LINES;
    let shown: Vec<&ScaleUpBurst> =
        bursts.iter().filter(|burst| all || !burst.agrees).take(BURST_LINES).collect();
    let mut table = Table::default();
    table.row(["  at (UTC)", "pending", "recorded", label, ""].map(str::to_owned));
    for burst in &shown {
        table.row([
            format!("  {}", full_instant(burst.time)),
            with_thousands(burst.pending_pods.into()),
            increases_text(&burst.recorded),
            increases_text(&burst.replayed),
            if burst.agrees { "same" } else { "differs" }.to_owned(),
        ]);
    }
    let mut lines = if table.width() <= width { table.lines() } else { stacked(&shown, label) };
    let hidden = bursts.len() - shown.len();
    if hidden > 0 {
        lines.push(format!("  {} more are in the JSON", with_thousands(hidden as i128)));
    }
    lines
}

/// Where group names are too long for a table: one burst after another.
fn stacked(bursts: &[&ScaleUpBurst], label: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let name_width = label.chars().count().max("recorded".len());
    for burst in bursts {
        let verdict = if burst.agrees { "same" } else { "differs" };
        let pending = counted(burst.pending_pods, "pending pod");
        lines.push(format!("  {} UTC, {pending}: {verdict}", full_instant(burst.time)));
        lines.push(format!("    {:<name_width$}  {}", "recorded", increases_text(&burst.recorded)));
        if !burst.agrees {
            lines.push(format!("    {label:<name_width$}  {}", increases_text(&burst.replayed)));
        }
    }
    lines
}
