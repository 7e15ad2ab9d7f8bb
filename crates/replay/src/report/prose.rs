//! What differs between replays, in plain sentences.

use super::clock_text::minute;
use super::divergence::node_divergences;
use super::figures::Amount;
use super::labels::labels;
use super::model::ReplayReport;
use super::money::with_thousands;
use super::rounding::rounded_ratio;

/// A paragraph on each replay after the first, held against the first. None for a single one.
#[must_use]
pub fn differences(reports: &[ReplayReport]) -> Vec<String> {
    let labels = labels(reports);
    let Some((base, others)) = reports.split_first() else { return Vec::new() };
    let pairs = others.iter().zip(&labels[1..]);
    pairs.map(|(other, label)| Pair { base, other, base_label: &labels[0], label }.text()).collect()
}

/// Two replays of the same window.
struct Pair<'a> {
    base: &'a ReplayReport,
    other: &'a ReplayReport,
    base_label: &'a str,
    label: &'a str,
}

impl Pair<'_> {
    fn text(&self) -> String {
        let further =
            [self.waiting(), self.never_scheduled(), self.disruption(), self.nodes_over_time()];
        if self.other.totals == self.base.totals && further.iter().all(Option::is_none) {
            return format!("{} comes to the same figures as {}.", self.label, self.base_label);
        }
        let sentences: Vec<String> =
            std::iter::once(self.cost()).chain(further.into_iter().flatten()).collect();
        sentences.join(" ")
    }

    fn cost(&self) -> String {
        let (base, other) = (&self.base.totals, &self.other.totals);
        let hours = compared(
            Amount::NodeHours(other.node_hours),
            Amount::NodeHours(base.node_hours),
            "more node-hours",
            "fewer node-hours",
        );
        let money = match (other.cost, base.cost) {
            (Some(other), Some(base)) => {
                Some((Amount::Money(other), Amount::Money(base), other.cmp(&base)))
            }
            _ => None,
        };
        let Some((theirs, ours, order)) = money else {
            let unpriced = "without prices for all groups there is no cost to compare";
            return match hours {
                Some(hours) => format!("{} runs {hours}; {unpriced}.", self.label),
                None => format!("Both run the same node-hours; {unpriced}."),
            };
        };
        let because = hours.map_or_else(String::new, |hours| format!(", with {hours}"));
        if order.is_eq() {
            return format!("{} costs the same as {}{because}.", self.label, self.base_label);
        }
        let word = if order.is_gt() { "more" } else { "less" };
        let difference = absolute(theirs, ours);
        let percent = theirs
            .percent_over(ours)
            .map_or_else(String::new, |percent| format!(" ({:.1} %)", percent.abs()));
        format!(
            "{} costs {difference}{percent} {word} than {}{because}.",
            self.label, self.base_label
        )
    }

    fn waiting(&self) -> Option<String> {
        let (theirs, ours) = (self.other.totals.pending_seconds, self.base.totals.pending_seconds);
        let (measure, theirs, ours) = if theirs.p99 != ours.p99 {
            ("p99", theirs.p99, ours.p99)
        } else if theirs.max != ours.max {
            ("the longest wait", theirs.max, ours.max)
        } else if theirs.sum != ours.sum {
            ("all waits together", theirs.sum, ours.sum)
        } else {
            return None;
        };
        let word = if theirs > ours { "longer" } else { "less long" };
        let (theirs, ours) = (theirs.to_short_text(), ours.to_short_text());
        Some(format!("Its pods wait {word}: {measure} {theirs} against {ours}."))
    }

    fn never_scheduled(&self) -> Option<String> {
        let theirs = self.other.totals.pods_never_scheduled;
        let ours = self.base.totals.pods_never_scheduled;
        let base = self.base_label;
        match (theirs, ours) {
            _ if theirs == ours => None,
            (0, _) => {
                Some(format!("It schedules every pod; {base} leaves {}.", counted(ours, "pod")))
            }
            (_, 0) => Some(format!(
                "It never schedules {}; {base} schedules every one.",
                counted(theirs, "pod")
            )),
            _ => Some(format!(
                "It never schedules {}; {base} leaves {}.",
                counted(theirs, "pod"),
                with_thousands(ours.into())
            )),
        }
    }

    fn disruption(&self) -> Option<String> {
        let theirs = self.other.totals.evictions;
        let ours = self.base.totals.evictions;
        (theirs != ours).then(|| {
            let against = with_thousands(ours.into());
            format!("It evicts {} against {against}.", counted(theirs, "pod"))
        })
    }

    fn nodes_over_time(&self) -> Option<String> {
        let spans = node_divergences(self.base, self.other, self.label);
        let widest = spans.first()?;
        let window = self.base.window();
        let apart: i64 = spans.iter().map(|span| (span.to - span.from).0).sum();
        let share = rounded_ratio(i128::from(apart) * 100, window.0.into(), 0);
        Some(format!(
            "Node counts differ for {share:.0} % of the time, most at {} ({} against {}).",
            minute(widest.peak_time, window),
            widest.nodes,
            widest.base_nodes,
        ))
    }
}

/// `4.5 more node-hours`, or `None` when there is no difference.
fn compared(theirs: Amount, ours: Amount, more: &str, fewer: &str) -> Option<String> {
    let difference = theirs.minus(ours).filter(|difference| !difference.is_zero())?;
    let words = if difference.is_negative() { fewer } else { more };
    Some(format!("{} {words}", absolute(theirs, ours)))
}

/// The size of the difference for people.
fn absolute(theirs: Amount, ours: Amount) -> String {
    theirs.minus(ours).map_or_else(String::new, |difference| {
        let text = difference.to_text();
        text.strip_prefix('-').map_or(text.clone(), str::to_owned)
    })
}

/// `1 pod`, `2 pods`.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", with_thousands(number.into()))
}
