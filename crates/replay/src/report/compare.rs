//! Several reports of the same source and window, held against the first.

use std::collections::BTreeMap;

use plimsoll_core::SimTime;
use serde::Serialize;
use thiserror::Error;

use super::clock_text::{full_instant, minute};
use super::divergence::{NodeDivergence, node_divergences};
use super::figures::{Amount, base_of, figures};
use super::labels::labels;
use super::model::{API_VERSION, Backtest, ReplayMode, ReplayReport};
use super::money::with_thousands;
use super::rounding::{RATIO_DIGITS, rounded_ratio};
use super::seconds::Seconds;
use super::serde_time::instant;
use super::text;

/// The `kind` of a [`Comparison`].
pub const COMPARISON_KIND: &str = "ReplayComparison";
/// How many of the largest differences in the number of nodes a comparison keeps for each strategy.
const DIVERGENCES_KEPT: usize = 10;
/// How many of them the text shows for each strategy.
const DIVERGENCES_SHOWN: usize = 5;
/// How many pods that only some strategies schedule the text shows.
const PODS_SHOWN: usize = 10;

/// What N replays of the same source and window have in common and where they part.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// Always [`API_VERSION`].
    pub api_version: &'static str,
    /// Always [`COMPARISON_KIND`].
    pub kind: &'static str,
    /// What was replayed.
    pub source: String,
    /// Whether the window was lived through or single bursts were.
    pub mode: ReplayMode,
    /// Where the window begins.
    #[serde(with = "instant")]
    pub start_time: SimTime,
    /// Where it ends.
    #[serde(with = "instant")]
    pub end_time: SimTime,
    /// What the reports are called, in the order given; every list below that has one entry for each
    /// report is in this order. The first is the one that the others are held against.
    pub strategies: Vec<String>,
    /// The totals side by side.
    pub totals: Vec<ComparedFigure>,
    /// Where the numbers of nodes were furthest apart from those of the first report that has nodes,
    /// by report, largest difference first; at most ten for each report.
    pub node_divergences: Vec<NodeDivergence>,
    /// Pods that some report, but not all, lists as never scheduled, in order of name.
    pub scheduled_by_some: Vec<PartlyScheduled>,
    /// The backtest of each report.
    pub backtests: Vec<Option<Backtest>>,
    /// In scale-ups mode: for each report, the share of recorded bursts that it repeats, from 0 to 1.
    pub burst_agreement: Vec<Option<f64>>,
}

/// One total of every report.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComparedFigure {
    /// Its path in a report's `totals`, such as `pendingSeconds.p99`.
    pub name: String,
    /// The value of each report; `null` where it is not known.
    pub values: Vec<Option<Amount>>,
    /// Each value minus the first one that is known.
    pub differences: Vec<Option<Amount>>,
    /// Each difference in percent of the value it is from, with one digit; `null` where that is 0.
    pub percent: Vec<Option<f64>>,
}

/// A pod that only some strategies scheduled.
///
/// Pods that a controller makes anew are named by the world they live in, so such a pod need not
/// have existed under every strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartlyScheduled {
    /// The pod (`ns/name`).
    pub pod: String,
    /// Where it was never scheduled, and what held it there.
    pub never_under: BTreeMap<String, String>,
}

/// Why reports cannot be compared.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CompareError {
    /// There is nothing to compare.
    #[error("a comparison needs at least two reports, and there are {0}")]
    TooFew(usize),
    /// Another source, window or mode.
    #[error(
        "report {label} cannot be held against {base}: its {what} is {theirs}, the other's is {ours}"
    )]
    Unlike {
        /// The report that does not fit.
        label: String,
        /// The first report.
        base: String,
        /// `source`, `window` or `mode`.
        what: &'static str,
        /// The report's own.
        theirs: String,
        /// The first report's.
        ours: String,
    },
}

impl Comparison {
    /// Holds every report against the first.
    ///
    /// # Errors
    /// [`CompareError`] when there are fewer than two, or when one is of another source, window or
    /// mode than the first.
    pub fn of(reports: &[ReplayReport]) -> Result<Comparison, CompareError> {
        let [base, others @ ..] = reports else { return Err(CompareError::TooFew(0)) };
        if others.is_empty() {
            return Err(CompareError::TooFew(1));
        }
        let strategies = labels(reports);
        for (other, label) in others.iter().zip(&strategies[1..]) {
            check_alike(base, other, &strategies[0], label)?;
        }
        let with_nodes = reports.iter().zip(&strategies);
        let mut with_nodes = with_nodes.filter(|(report, _)| report.totals.knows_machines());
        let mut divergences = Vec::new();
        if let Some((base, _)) = with_nodes.next() {
            for (other, label) in with_nodes {
                let all = node_divergences(base, other, label);
                divergences.extend(all.into_iter().take(DIVERGENCES_KEPT));
            }
        }
        Ok(Comparison {
            api_version: API_VERSION,
            kind: COMPARISON_KIND,
            source: base.source.clone(),
            mode: base.mode,
            start_time: base.start_time,
            end_time: base.end_time,
            totals: compared_figures(reports),
            node_divergences: divergences,
            scheduled_by_some: scheduled_by_some(reports, &strategies),
            backtests: reports.iter().map(|report| report.backtest).collect(),
            burst_agreement: reports.iter().map(burst_agreement).collect(),
            strategies,
        })
    }

    /// Whether any total, any number of nodes, any pod's fate or any burst differs.
    #[must_use]
    pub fn differs(&self) -> bool {
        let totals = self
            .totals
            .iter()
            .any(|figure| figure.values.iter().any(|value| *value != figure.values[0]));
        let bursts = self.burst_agreement.iter().any(|share| *share != self.burst_agreement[0]);
        totals || bursts || !self.node_divergences.is_empty() || !self.scheduled_by_some.is_empty()
    }

    /// The comparison for a terminal: the reports side by side as [`text::render`] shows them, then
    /// where they part. `reports` must be those that the comparison was made of.
    #[must_use]
    pub fn to_text(&self, reports: &[ReplayReport], width: usize) -> String {
        let mut page = text::render(reports, width);
        for lines in [self.divergence_lines(reports), self.pod_lines()] {
            if !lines.is_empty() {
                page.push('\n');
                page.push_str(&(lines.join("\n") + "\n"));
            }
        }
        if !self.differs() {
            page.push_str("\nno difference\n");
        }
        page
    }

    fn divergence_lines(&self, reports: &[ReplayReport]) -> Vec<String> {
        let with_nodes = reports.iter().position(|report| report.totals.knows_machines());
        let Some(base) = with_nodes else { return Vec::new() };
        let mut lines = Vec::new();
        for strategy in &self.strategies[base + 1..] {
            let spans = self.node_divergences.iter().filter(|span| span.strategy == *strategy);
            for span in spans.take(DIVERGENCES_SHOWN) {
                lines.push(format!(
                    "  {} for {:<6}  {strategy} {}, {} {} (at {})",
                    full_instant(span.from),
                    Seconds::from(span.to - span.from).to_short_text(),
                    with_thousands(span.nodes.into()),
                    self.strategies[base],
                    with_thousands(span.base_nodes.into()),
                    minute(span.peak_time, self.end_time - self.start_time),
                ));
            }
        }
        if !lines.is_empty() {
            lines.insert(0, "numbers of nodes furthest apart (UTC)".to_owned());
        }
        lines
    }

    fn pod_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for partly in self.scheduled_by_some.iter().take(PODS_SHOWN) {
            let held = partly.never_under.iter().map(|(label, why)| format!("{label}: {why}"));
            lines.push(format!("  {}  {}", partly.pod, held.collect::<Vec<_>>().join("; ")));
        }
        if lines.is_empty() {
            return lines;
        }
        lines.insert(0, "never scheduled under some strategies only".to_owned());
        if let Some(more) = self.scheduled_by_some.len().checked_sub(PODS_SHOWN).filter(|n| *n > 0)
        {
            lines.push(format!("  and {} more", with_thousands(more as i128)));
        }
        lines
    }
}

fn check_alike(
    base: &ReplayReport,
    other: &ReplayReport,
    base_label: &str,
    label: &str,
) -> Result<(), CompareError> {
    let window = |report: &ReplayReport| format!("{} to {}", report.start_time, report.end_time);
    let mode = |report: &ReplayReport| match report.mode {
        ReplayMode::Timeline => "timeline".to_owned(),
        ReplayMode::ScaleUps => "scale-ups".to_owned(),
    };
    let aspects = [
        ("source", other.source.clone(), base.source.clone()),
        ("window", window(other), window(base)),
        ("mode", mode(other), mode(base)),
    ];
    for (what, theirs, ours) in aspects {
        if theirs != ours {
            let (label, base) = (label.to_owned(), base_label.to_owned());
            return Err(CompareError::Unlike { label, base, what, theirs, ours });
        }
    }
    Ok(())
}

fn compared_figures(reports: &[ReplayReport]) -> Vec<ComparedFigure> {
    let columns: Vec<_> = reports.iter().map(|report| figures(&report.totals)).collect();
    let row = |index: usize| {
        let values: Vec<Option<Amount>> = columns.iter().map(|list| list[index].amount).collect();
        let base = base_of(&values).and_then(|place| values[place]);
        let against = |with: fn(Amount, Amount) -> Option<Amount>| {
            values.iter().map(|value| with((*value)?, base?)).collect()
        };
        let percent = values.iter().map(|value| (*value)?.percent_over(base?)).collect();
        let name = columns[0][index].name.to_owned();
        ComparedFigure { name, differences: against(Amount::minus), percent, values }
    };
    (0..columns[0].len()).map(row).collect()
}

fn scheduled_by_some(reports: &[ReplayReport], labels: &[String]) -> Vec<PartlyScheduled> {
    let mut held: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
    for (report, label) in reports.iter().zip(labels) {
        for entry in &report.never_scheduled {
            for pod in &entry.pods {
                held.entry(pod).or_default().insert(label.clone(), entry.reason.clone());
            }
        }
    }
    held.retain(|_, never_under| never_under.len() < reports.len());
    held.into_iter()
        .map(|(pod, never_under)| PartlyScheduled { pod: pod.to_owned(), never_under })
        .collect()
}

fn burst_agreement(report: &ReplayReport) -> Option<f64> {
    let bursts = &report.scale_up_bursts;
    let agreeing = bursts.iter().filter(|burst| burst.agrees).count();
    (!bursts.is_empty()).then(|| {
        let (agreeing, all) = (agreeing as i128, bursts.len() as i128);
        rounded_ratio(agreeing, all, RATIO_DIGITS)
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::sample::{scale_ups, workday, workday_of_a_trace};
    use super::*;

    #[test]
    fn reports_are_held_against_the_first() {
        let reports = workday();
        let comparison = Comparison::of(&reports).expect("alike");
        assert!(comparison.differs());
        let json = serde_json::to_string_pretty(&comparison.totals[0]).expect("JSON");
        expect![[r#"
            {
              "name": "cost",
              "values": [
                "18.42",
                "23.10"
              ],
              "differences": [
                "0.00",
                "4.68"
              ],
              "percent": [
                0.0,
                25.4
              ]
            }"#]]
        .assert_eq(&json);
        let json = serde_json::to_string(&comparison.node_divergences).expect("JSON");
        expect![[r#"[{"strategy":"threshold","from":"2026-01-05T09:35:00Z","to":"2026-01-05T17:40:00Z","peakTime":"2026-01-05T16:40:00Z","nodes":20,"baseNodes":4},{"strategy":"threshold","from":"2026-01-05T09:20:00Z","to":"2026-01-05T09:35:00Z","peakTime":"2026-01-05T09:20:00Z","nodes":9,"baseNodes":19},{"strategy":"threshold","from":"2026-01-05T07:31:00Z","to":"2026-01-05T08:00:00Z","peakTime":"2026-01-05T07:31:00Z","nodes":3,"baseNodes":8},{"strategy":"threshold","from":"2026-01-05T08:00:00Z","to":"2026-01-05T09:20:00Z","peakTime":"2026-01-05T08:00:00Z","nodes":9,"baseNodes":8},{"strategy":"threshold","from":"2026-01-05T17:40:00Z","to":"2026-01-05T18:00:00Z","peakTime":"2026-01-05T17:40:00Z","nodes":3,"baseNodes":4}]"#]].assert_eq(&json);
        let json = serde_json::to_string(&comparison.scheduled_by_some).expect("JSON");
        expect![[r#"[{"pod":"shop/batch-1","neverUnder":{"threshold":"no group has nvidia.com/gpu"}},{"pod":"shop/batch-2","neverUnder":{"threshold":"no group has nvidia.com/gpu"}},{"pod":"shop/report-7","neverUnder":{"threshold":"no group has 32 cpu"}}]"#]].assert_eq(&json);
        let text = comparison.to_text(&reports, 90);
        let tail: Vec<&str> =
            text.lines().skip_while(|line| !line.starts_with("numbers of nodes")).collect();
        expect![[r#"
            numbers of nodes furthest apart (UTC)
              2026-01-05 09:35:00 for 8h5m    threshold 20, cluster-autoscaler 4 (at 16:40)
              2026-01-05 09:20:00 for 900s    threshold 9, cluster-autoscaler 19 (at 09:20)
              2026-01-05 07:31:00 for 29m0s   threshold 3, cluster-autoscaler 8 (at 07:31)
              2026-01-05 08:00:00 for 1h20m   threshold 9, cluster-autoscaler 8 (at 08:00)
              2026-01-05 17:40:00 for 20m0s   threshold 3, cluster-autoscaler 4 (at 17:40)

            never scheduled under some strategies only
              shop/batch-1  threshold: no group has nvidia.com/gpu
              shop/batch-2  threshold: no group has nvidia.com/gpu
              shop/report-7  threshold: no group has 32 cpu"#]]
        .assert_eq(&tail.join("\n"));
    }

    #[test]
    fn what_was_not_recorded_is_no_zero_to_be_held_against() {
        let reports = workday_of_a_trace();
        let comparison = Comparison::of(&reports).expect("alike");
        let json = serde_json::to_string(&comparison.totals[0]).expect("JSON");
        expect![[r#"{"name":"cost","values":[null,"18.42","23.10"],"differences":[null,"0.00","4.68"],"percent":[null,0.0,25.4]}"#]].assert_eq(&json);
        let strategies: Vec<&str> =
            comparison.node_divergences.iter().map(|one| one.strategy.as_str()).collect();
        assert_eq!(strategies, ["threshold"; 5]);
        let text = comparison.to_text(&reports, 90);
        let first = text.lines().skip_while(|line| !line.starts_with("numbers of nodes")).nth(1);
        expect!["  2026-01-05 09:35:00 for 8h5m    threshold 20, cluster-autoscaler 4 (at 16:40)"]
            .assert_eq(first.unwrap_or_default());
    }

    #[test]
    fn a_report_does_not_differ_from_itself() {
        let report = workday().swap_remove(0);
        let comparison = Comparison::of(&[report.clone(), report.clone()]).expect("alike");
        assert!(!comparison.differs());
        assert_eq!(comparison.strategies, ["cluster-autoscaler", "cluster-autoscaler #2"]);
        assert!(comparison.to_text(&[report.clone(), report], 90).ends_with("no difference\n"));
    }

    #[test]
    fn other_sources_windows_and_modes_are_refused_by_name() {
        let refusal = |change: fn(&mut ReplayReport)| {
            let mut reports = workday();
            change(&mut reports[1]);
            Comparison::of(&reports).expect_err("unlike").to_string()
        };
        expect!["report threshold cannot be held against cluster-autoscaler: its source is friday.yaml, the other's is workday.yaml"].assert_eq(&refusal(|report| report.source = "friday.yaml".to_owned()));
        expect!["report threshold cannot be held against cluster-autoscaler: its window is 2026-01-05T06:00:00Z to 2026-01-05T06:00:00Z, the other's is 2026-01-05T06:00:00Z to 2026-01-05T18:00:00Z"].assert_eq(&refusal(|report| report.end_time = report.start_time));
        expect!["report threshold cannot be held against cluster-autoscaler: its mode is scale-ups, the other's is timeline"].assert_eq(&refusal(|report| report.mode = ReplayMode::ScaleUps));
        assert_eq!(Comparison::of(&workday()[..1]), Err(CompareError::TooFew(1)));
        assert_eq!(Comparison::of(&[]), Err(CompareError::TooFew(0)));
    }

    #[test]
    fn bursts_are_compared_by_how_many_agree() {
        let report = scale_ups();
        let comparison = Comparison::of(&[report.clone(), report]).expect("alike");
        assert_eq!(comparison.burst_agreement, [Some(0.5), Some(0.5)]);
    }
}
