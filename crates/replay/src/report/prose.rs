//! What differs between replays, in plain sentences.

use super::clock_text::minute;
use super::divergence::node_divergences;
use super::figures::Amount;
use super::labels::labels;
use super::model::ReplayReport;
use super::money::with_thousands;
use super::rounding::rounded_ratio;
use super::seconds::Seconds;

/// A paragraph on each replay after the first, held against the first; machines and their cost
/// against the first that knows of them. None for a single one.
#[must_use]
pub fn differences(reports: &[ReplayReport]) -> Vec<String> {
    let labels = labels(reports);
    let Some((base, others)) = reports.split_first() else { return Vec::new() };
    let with_machines = reports.iter().position(|report| report.totals.knows_machines());
    others
        .iter()
        .zip(1..)
        .map(|(other, index): (&ReplayReport, usize)| {
            let label = labels[index].as_str();
            let machines = with_machines
                .filter(|place| *place < index)
                .map(|place| (&reports[place], labels[place].as_str()));
            Pair { base, other, base_label: &labels[0], label, machines }.text()
        })
        .collect()
}

/// Two replays of the same window.
struct Pair<'a> {
    base: &'a ReplayReport,
    other: &'a ReplayReport,
    base_label: &'a str,
    label: &'a str,
    /// Whose machines the other's are held against; `None` where no earlier replay knows of any.
    machines: Option<(&'a ReplayReport, &'a str)>,
}

impl Pair<'_> {
    fn text(&self) -> String {
        let further =
            [self.waiting(), self.never_scheduled(), self.disruption(), self.nodes_over_time()];
        if self.other.totals == self.base.totals && further.iter().all(Option::is_none) {
            return format!("{} comes to the same figures as {}.", self.label, self.base_label);
        }
        let sentences: Vec<String> =
            std::iter::once(self.machines()).chain(further.into_iter().flatten()).collect();
        sentences.join(" ")
    }

    fn machines(&self) -> String {
        if !self.other.totals.knows_machines() {
            return format!("{} tells of no nodes and no cost.", self.label);
        }
        match self.machines {
            Some((base, base_label)) => self.cost(base, base_label),
            None => format!(
                "{} tells of no nodes and no cost; {} {}.",
                self.base_label,
                self.label,
                self.own_cost()
            ),
        }
    }

    /// `runs 86.1 node-hours for $18.42`.
    fn own_cost(&self) -> String {
        let totals = &self.other.totals;
        let hours = Amount::NodeHours(totals.node_hours).to_text();
        let money = totals
            .cost
            .map_or_else(String::new, |cost| format!(" for {}", Amount::Money(cost).to_text()));
        format!("runs {hours} node-hours{money}")
    }

    /// ` under recorded`, where others of the paragraph are not held against it; else nothing.
    fn under(&self, label: &str) -> String {
        let same = self.machines.is_some_and(|(_, other)| other == self.base_label);
        if same { String::new() } else { format!(" under {label}") }
    }

    fn cost(&self, base: &ReplayReport, base_label: &str) -> String {
        let (base, other) = (&base.totals, &self.other.totals);
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
                Some(hours) => {
                    format!("{} runs {hours} than {base_label}; {unpriced}.", self.label)
                }
                None => {
                    format!("{} and {base_label} run the same node-hours; {unpriced}.", self.label)
                }
            };
        };
        let because = hours.map_or_else(String::new, |hours| format!(", with {hours}"));
        if order.is_eq() {
            return format!("{} costs the same as {base_label}{because}.", self.label);
        }
        let word = if order.is_gt() { "more" } else { "less" };
        let difference = absolute(theirs, ours);
        let percent = theirs
            .percent_over(ours)
            .map_or_else(String::new, |percent| format!(" ({:.1} %)", percent.abs()));
        format!("{} costs {difference}{percent} {word} than {base_label}{because}.", self.label)
    }

    fn waiting(&self) -> Option<String> {
        let (theirs, ours) = (self.other.totals.pending_seconds, self.base.totals.pending_seconds);
        let under = self.under(self.base_label);
        let against = |measure: &str, theirs: Seconds, ours: Seconds| {
            let (theirs, ours) = (theirs.to_short_text(), ours.to_short_text());
            format!("{measure} {theirs} against {ours}{under}")
        };
        let word = |theirs: Seconds, ours: Seconds| if theirs > ours { "longer" } else { "less" };
        let all = (theirs.sum != ours.sum)
            .then(|| (word(theirs.sum, ours.sum), against("in all", theirs.sum, ours.sum)));
        let longest = [("p99", theirs.p99, ours.p99), ("the longest wait", theirs.max, ours.max)]
            .into_iter()
            .find(|(_, theirs, ours)| theirs != ours)
            .map(|(measure, theirs, ours)| (word(theirs, ours), against(measure, theirs, ours)));
        Some(match (all, longest) {
            (None, None) => return None,
            (Some((word, text)), None) | (None, Some((word, text))) => {
                format!("Its pods wait {word}: {text}.")
            }
            (Some((all, _)), Some((longest, text))) if all == longest => {
                format!("Its pods wait {all}: {text}.")
            }
            (Some((word, all)), Some((_, longest))) => {
                format!("Its pods wait {word} ({all}), but not the longest: {longest}.")
            }
        })
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
        let (base, base_label) = self.machines?;
        let theirs = self.other.totals.evictions;
        let ours = base.totals.evictions;
        let known = self.other.totals.knows_machines();
        (known && theirs != ours).then(|| {
            let (against, under) = (with_thousands(ours.into()), self.under(base_label));
            format!("It evicts {} against {against}{under}.", counted(theirs, "pod"))
        })
    }

    fn nodes_over_time(&self) -> Option<String> {
        let (base, base_label) = self.machines?;
        if !self.other.totals.knows_machines() {
            return None;
        }
        let spans = node_divergences(base, self.other, self.label);
        let widest = spans.first()?;
        let window = self.base.window();
        let apart: i64 = spans.iter().map(|span| (span.to - span.from).0).sum();
        let share = rounded_ratio(i128::from(apart) * 100, window.0.into(), 0);
        Some(format!(
            "Node counts differ for {share:.0} % of the time, most at {} ({} against {}{}).",
            minute(widest.peak_time, window),
            widest.nodes,
            widest.base_nodes,
            self.under(base_label),
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
