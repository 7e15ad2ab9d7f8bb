//! How far a replay is from what the recording says happened.

use std::collections::BTreeMap;

use plimsoll_core::{SimDuration, SimTime};

use super::model::Backtest;
use super::pending::PendingSeconds;
use super::rounding::{RATIO_DIGITS, rounded, rounded_ratio};
use super::step_series::StepSeries;

/// Digits after the point of the error in the median wait: whole milliseconds.
const SECONDS_DIGITS: u32 = 3;

/// One side of a backtest: what happened, or what the replay made of it.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// The number of nodes over time.
    pub nodes: StepSeries,
    /// The waits of the pods that were bound.
    pub pending_seconds: PendingSeconds,
    /// The node group in which each pod (`ns/name`) landed.
    pub placements: BTreeMap<String, String>,
}

/// Holds `replayed` against `recorded` from `from` to `to`.
#[must_use]
pub fn backtest(recorded: &Course, replayed: &Course, from: SimTime, to: SimTime) -> Backtest {
    let (theirs, ours) = (replayed.pending_seconds.p50, recorded.pending_seconds.p50);
    let error = SimDuration(theirs.0.saturating_sub(ours.0)).as_secs_f64();
    Backtest {
        node_count_mape: node_count_mape(&recorded.nodes, &replayed.nodes, from, to),
        pending_seconds_p50_error: rounded(error, SECONDS_DIGITS),
        placement_agreement: placement_agreement(&recorded.placements, &replayed.placements),
    }
}

/// The mean over time of |replayed − recorded| / recorded, without the time in which nothing was
/// recorded; `None` when there is no other time.
#[must_use]
pub fn node_count_mape(
    recorded: &StepSeries,
    replayed: &StepSeries,
    from: SimTime,
    to: SimTime,
) -> Option<f64> {
    let changes = recorded.changes().iter().chain(replayed.changes()).map(|change| change.0);
    let mut times: Vec<SimTime> = changes.filter(|time| *time > from && *time < to).collect();
    times.push(from);
    times.sort_unstable();
    times.dedup();
    let ends: Vec<SimTime> = times.iter().skip(1).copied().chain([to]).collect();
    let (mut error_seconds, mut seconds) = (0.0, 0.0);
    for (start, end) in times.into_iter().zip(ends) {
        let nodes = recorded.value_at(start);
        if nodes > 0 && end > start {
            let span = (end - start).as_secs_f64();
            let off = i128::from((replayed.value_at(start) - nodes).abs());
            error_seconds += rounded_ratio(off, nodes.into(), EXACT_DIGITS) * span;
            seconds += span;
        }
    }
    (seconds > 0.0).then(|| rounded(error_seconds / seconds, RATIO_DIGITS))
}

/// Digits of a single error before it is averaged.
const EXACT_DIGITS: u32 = 12;

/// The share of pods with a recorded placement that the replay put into the same group; a pod that
/// it never placed disagrees. `None` without recorded placements.
#[must_use]
pub fn placement_agreement(
    recorded: &BTreeMap<String, String>,
    replayed: &BTreeMap<String, String>,
) -> Option<f64> {
    let same = recorded.iter().filter(|(pod, group)| replayed.get(*pod) == Some(group)).count();
    (!recorded.is_empty())
        .then(|| rounded_ratio(same as i128, recorded.len() as i128, RATIO_DIGITS))
}

#[cfg(test)]
mod tests {
    use super::super::seconds::Seconds;
    use super::*;

    fn nodes(changes: &[(i64, i64)]) -> StepSeries {
        StepSeries::new(changes.iter().map(|&(second, value)| (SimTime(second * 1000), value)))
    }

    fn course(series: StepSeries, p50_ms: i64, placements: &[(&str, &str)]) -> Course {
        let pending_seconds = PendingSeconds { p50: Seconds(p50_ms), ..PendingSeconds::default() };
        let placements =
            placements.iter().map(|(p, g)| ((*p).to_owned(), (*g).to_owned())).collect();
        Course { nodes: series, pending_seconds, placements }
    }

    #[test]
    fn a_course_held_against_itself_is_perfect() {
        let course = course(nodes(&[(0, 3), (10, 5)]), 250, &[("ns/a", "g")]);
        let perfect = Backtest {
            node_count_mape: Some(0.0),
            pending_seconds_p50_error: 0.0,
            placement_agreement: Some(1.0),
        };
        assert_eq!(backtest(&course, &course, SimTime(0), SimTime(20_000)), perfect);
    }

    #[test]
    fn errors_are_weighed_by_time_and_signed_where_a_sign_means_something() {
        let recorded = course(nodes(&[(0, 0), (10, 4)]), 2_000, &[("ns/a", "g"), ("ns/b", "g")]);
        let replayed =
            course(nodes(&[(0, 9), (20, 4), (30, 3)]), 500, &[("ns/a", "g"), ("ns/c", "g")]);
        let backtest = backtest(&recorded, &replayed, SimTime(0), SimTime(40_000));
        // Ten seconds without recorded nodes, then 5/4 off, 0 off and 1/4 off for ten seconds each.
        assert_eq!(backtest.node_count_mape, Some(0.5));
        assert_eq!(backtest.pending_seconds_p50_error, -1.5);
        assert_eq!(backtest.placement_agreement, Some(0.5));
    }

    #[test]
    fn nothing_recorded_is_no_error_and_no_agreement() {
        let none = Course::default();
        assert_eq!(backtest(&none, &none, SimTime(0), SimTime(0)), Backtest::default());
    }
}
