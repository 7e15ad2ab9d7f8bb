//! When two replays ran different numbers of nodes.

use plimsoll_core::SimTime;
use serde::Serialize;

use super::model::{ReplayReport, SeriesPoint};
use super::serde_time::instant;
use super::step_series::StepSeries;

/// A span in which one replay always had more nodes than the first one that has any, or always
/// fewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeDivergence {
    /// The replay that is held against the first one.
    pub strategy: String,
    /// Where the span begins.
    #[serde(with = "instant")]
    pub from: SimTime,
    /// Where it ends.
    #[serde(with = "instant")]
    pub to: SimTime,
    /// When in the span the difference was largest, for the first time.
    #[serde(with = "instant")]
    pub peak_time: SimTime,
    /// The replay's nodes at that instant.
    pub nodes: i64,
    /// The first replay's nodes at that instant.
    pub base_nodes: i64,
}

impl NodeDivergence {
    /// The largest difference, without its sign.
    #[must_use]
    pub fn size(&self) -> i64 {
        (self.nodes - self.base_nodes).abs()
    }
}

/// All spans in which `other` (called `label`) and `base` had different numbers of nodes: largest
/// difference first, then longest, then earliest.
#[must_use]
pub fn node_divergences(
    base: &ReplayReport,
    other: &ReplayReport,
    label: &str,
) -> Vec<NodeDivergence> {
    let base_nodes = base.step_series(SeriesPoint::node_count);
    let other_nodes = other.step_series(SeriesPoint::node_count);
    let end = base.end_time;
    let mut found: Vec<NodeDivergence> = Vec::new();
    let mut open: Option<NodeDivergence> = None;
    for time in instants(&base_nodes, &other_nodes, base.start_time, end) {
        let (ours, theirs) = (base_nodes.value_at(time), other_nodes.value_at(time));
        let sign = (theirs - ours).signum();
        if let Some(mut span) = open.take() {
            if (span.nodes - span.base_nodes).signum() == sign {
                if (theirs - ours).abs() > span.size() {
                    (span.peak_time, span.nodes, span.base_nodes) = (time, theirs, ours);
                }
                open = Some(span);
                continue;
            }
            found.push(NodeDivergence { to: time, ..span });
        }
        if sign != 0 {
            let (from, strategy) = (time, label.to_owned());
            open = Some(NodeDivergence {
                strategy,
                from,
                to: end,
                peak_time: time,
                nodes: theirs,
                base_nodes: ours,
            });
        }
    }
    found.extend(open);
    found.sort_by_key(|span| (-span.size(), (span.from - span.to).0, span.from));
    found
}

/// The instants in the window at which either changes, ascending, the beginning included.
fn instants(a: &StepSeries, b: &StepSeries, from: SimTime, to: SimTime) -> Vec<SimTime> {
    let changes = a.changes().iter().chain(b.changes()).map(|change| change.0);
    let mut times: Vec<SimTime> = changes.filter(|time| *time > from && *time < to).collect();
    if from < to {
        times.push(from);
    }
    times.sort_unstable();
    times.dedup();
    times
}
