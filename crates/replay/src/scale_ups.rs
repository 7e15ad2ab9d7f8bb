//! Scale-ups mode: one little replay for each burst of recorded scale-ups.
//!
//! The state is that of the instant at which the recorded autoscaler decided, not of what came of
//! it. From there the strategy's loops run until one of them enlarges nothing; only increases count.
//! The first burst is replayed like every other.

use std::collections::BTreeMap;

use plimsoll_autoscaler::settings::Settings;
use plimsoll_core::{Cluster, SimDuration, SimTime};
use plimsoll_history::History;

use crate::accounts::{self, Heading};
use crate::driver::{self, Course};
use crate::ledger::Ledger;
use crate::recording::{self, Recording, ScaleUpEvent};
use crate::relive;
use crate::replayer::{ReplayError, Window};
use crate::report::{ReplayMode, ReplayReport, ScaleUpBurst};
use crate::strategy::Strategy;

/// Events that follow each other by no more than this belong to one burst: they are one decision of
/// the autoscaler, or decisions of loops in a row about the same pods.
const BURST_GAP: SimDuration = SimDuration::from_secs(30);
/// How long a strategy is given from a burst's state on: as many loops as a burst can take in which
/// each enlarges one group, and not long enough for the first new node to come up.
const BURST_WINDOW: SimDuration = SimDuration::from_mins(5);

/// What `strategy` does from the state of each burst.
///
/// # Errors
/// When the history cannot be read or the strategy breaks an invariant.
pub(crate) fn replay(
    history: &History,
    recording: &Recording,
    strategy: Strategy,
    settings: &Settings,
    window: &Window,
) -> Result<Vec<ScaleUpBurst>, ReplayError> {
    let mut bursts = Vec::new();
    for burst in bursts_of(&recording.scale_up_events) {
        let decided_at = burst[0].at;
        if decided_at < window.from || decided_at >= window.to {
            continue;
        }
        let recorded = recorded_increases(&burst);
        let state = recording::read(history, decided_at, decided_at)?;
        let mut world = relive::world_to_scale(&state, 1, decided_at);
        world.settle();
        let pending = world.cluster.unbound_count() as u64;
        let mut ledger = Ledger::open(&mut world, decided_at);
        let replayed = match strategy.build(settings, 1) {
            None => recorded.clone(),
            Some(mut autoscaler) => {
                let course = Course {
                    start: decided_at,
                    end: decided_at + BURST_WINDOW,
                    scan_interval: settings.scan_interval,
                    frequent_loops: settings.frequent_loops_enabled,
                };
                let scaled_by = Some(autoscaler.as_mut() as _);
                driver::drive(&mut world, scaled_by, &course, &mut ledger, &mut |_| {})?;
                replayed_increases(&ledger, &world.cluster)
            }
        };
        bursts.push(ScaleUpBurst::new(decided_at, pending, recorded, replayed));
    }
    Ok(bursts)
}

/// Events in a row that belong together.
fn bursts_of(events: &[ScaleUpEvent]) -> Vec<Vec<ScaleUpEvent>> {
    let mut bursts: Vec<Vec<ScaleUpEvent>> = Vec::new();
    for event in events {
        match bursts.last_mut() {
            Some(burst) if event.at - burst[burst.len() - 1].at <= BURST_GAP => {
                burst.push(event.clone());
            }
            _ => bursts.push(vec![event.clone()]),
        }
    }
    bursts
}

/// How many nodes each group grew by: from the first size that is named to the highest.
fn recorded_increases(burst: &[ScaleUpEvent]) -> BTreeMap<String, u32> {
    let mut sizes: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for (group, from, to) in burst.iter().flat_map(|event| &event.increases) {
        let known = sizes.entry(group).or_insert((*from, *to));
        *known = (known.0.min(*from), known.1.max(*to));
    }
    sizes.into_iter().map(|(group, (from, to))| (group.to_owned(), to - from)).collect()
}

fn replayed_increases(ledger: &Ledger, cluster: &Cluster) -> BTreeMap<String, u32> {
    let mut grown = BTreeMap::new();
    for fact in &ledger.scale_ups {
        let name = cluster.group(fact.group).spec.name.clone();
        *grown.entry(name).or_default() += fact.to - fact.from;
    }
    grown
}

/// The report of a replay in this mode.
pub(crate) fn report(
    ledger: &Ledger,
    cluster: &mut Cluster,
    heading: Heading,
    bursts: Vec<ScaleUpBurst>,
) -> ReplayReport {
    let mut grown: BTreeMap<String, u32> = BTreeMap::new();
    for (group, nodes) in bursts.iter().flat_map(|burst| &burst.replayed) {
        *grown.entry(group.clone()).or_default() += nodes;
    }
    ReplayReport {
        mode: ReplayMode::ScaleUps,
        scaled_up_node_groups: grown,
        scale_up_bursts: bursts,
        ..accounts::report(ledger, cluster, heading)
    }
}

/// What a report in this mode takes for granted.
pub(crate) fn assumptions() -> Vec<String> {
    vec![
        "Each burst starts from the recorded state at its first event; only increases count."
            .to_owned(),
    ]
}

/// The instant from which a burst is replayed, for documentation and tests.
#[must_use]
pub fn burst_starts(events: &[ScaleUpEvent]) -> Vec<SimTime> {
    bursts_of(events).iter().map(|burst| burst[0].at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seconds: i64, group: &str, from: u32, to: u32) -> ScaleUpEvent {
        let increases = vec![(group.to_owned(), from, to)];
        ScaleUpEvent { at: SimTime(seconds * 1000), increases }
    }

    #[test]
    fn events_of_one_decision_are_one_burst_and_the_first_counts() {
        let events =
            [event(0, "a", 1, 2), event(0, "a", 1, 2), event(20, "b", 0, 3), event(600, "a", 2, 3)];
        assert_eq!(burst_starts(&events), [SimTime(0), SimTime(600_000)]);
        let bursts = bursts_of(&events);
        assert_eq!(
            recorded_increases(&bursts[0]),
            [("a".to_owned(), 1), ("b".to_owned(), 3)].into()
        );
        assert_eq!(recorded_increases(&bursts[1]), [("a".to_owned(), 1)].into());
    }
}
