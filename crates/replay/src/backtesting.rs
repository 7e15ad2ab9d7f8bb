//! How closely a replay under the recorded settings tells what really happened.

use std::collections::BTreeMap;

use plimsoll_core::SimTime;

use crate::recording::Recording;
use crate::report::backtest::{Course, backtest as compare};
use crate::report::{Backtest, ClusterSnapshot, ReplayReport, SeriesPoint};

/// Holds a replay against the recording.
#[must_use]
pub fn backtest(
    recording: &Recording,
    recorded: &ReplayReport,
    replayed: &ReplayReport,
    from: SimTime,
    to: SimTime,
) -> Backtest {
    let course = |report: &ReplayReport| Course {
        nodes: report.step_series(SeriesPoint::node_count),
        pending_seconds: report.totals.pending_seconds,
        placements: placements(&report.end),
    };
    let mut found = compare(&course(recorded), &course(replayed), from, to);
    if recording.nodes.is_empty() {
        found.node_count_mape = None;
        found.placement_agreement = None;
    }
    found
}

/// The group of each pod that is on a node.
fn placements(view: &ClusterSnapshot) -> BTreeMap<String, String> {
    let groups: BTreeMap<&str, &str> = view
        .nodes
        .iter()
        .filter_map(|node| Some((node.name.as_str(), node.group.as_deref()?)))
        .collect();
    view.scheduled_pods
        .iter()
        .filter_map(|pod| {
            let group = groups.get(pod.node.as_deref()?)?;
            Some((pod.name.clone(), (*group).to_owned()))
        })
        .collect()
}
