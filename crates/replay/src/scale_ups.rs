//! Scale-ups mode: one little replay for each burst of recorded scale-ups.
//!
//! The state is that of the instant at which the recorded autoscaler decided, not of what came of
//! it. Machines that it had asked for before and that had not become Nodes are coming: they are room
//! for pods, they count in their group's size, and Cluster Autoscaler waits for them. From there the
//! strategy's loops run until they enlarge nothing for as long as ends a recorded burst; only
//! increases count. The first burst is replayed like every other.

use std::collections::BTreeMap;

use plimsoll_autoscaler::cluster_autoscaler::StartState;
use plimsoll_autoscaler::settings::Settings;
use plimsoll_core::node_group::{BootDelay, NodeGroupSpec};
use plimsoll_core::{Cluster, SimDuration, SimTime};
use plimsoll_history::History;
use plimsoll_sim::{Command, World};

use crate::accounts::{self, Heading};
use crate::driver::{self, Course};
use crate::ledger::{Ledger, ScaleUpFact};
use crate::recording::{self, Recording, ScaleUpEvent};
use crate::relive;
use crate::replayer::{ReplayError, Window};
use crate::report::{ReplayMode, ReplayReport, ScaleUpBurst};
use crate::strategy::Strategy;

/// Events that follow each other by no more than this belong to one burst: they are one decision of
/// the autoscaler, or decisions of loops in a row about the same pods.
const BURST_GAP: SimDuration = SimDuration::from_secs(30);
/// How long a strategy is given from a burst's state on: as many loops as a burst can take in which
/// each enlarges one group. No machine comes up in that time: what a strategy makes of new nodes is
/// no part of its answer to the burst.
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
        let sizes = sizes_before(&state.snapshot.groups, &burst);
        let earlier: Vec<&ScaleUpEvent> =
            recording.scale_up_events.iter().filter(|event| event.at < decided_at).collect();
        let memory = ask_for_what_comes(&mut world, &sizes, &earlier);
        world.settle();
        let pending = world.cluster.unbound_count() as u64;
        let replayed = match strategy.build_in_midst(settings, 1, &world.cluster, &memory) {
            None => recorded.clone(),
            Some(mut autoscaler) => {
                let mut ledger = Ledger::open(&mut world, decided_at);
                let known = ledger.scale_ups.len();
                let flags = autoscaler.limits();
                let course = Course {
                    start: decided_at,
                    end: decided_at + BURST_WINDOW,
                    scan_interval: settings.scan_interval,
                    frequent_loops: flags.is_some_and(|flags| flags.frequent_loops_enabled),
                };
                let scaled_by = Some(autoscaler.as_mut() as _);
                driver::drive(&mut world, scaled_by, &course, &mut ledger, &mut |_| {})?;
                replayed_increases(&ledger.scale_ups[known..], &world.cluster, decided_at)
            }
        };
        bursts.push(ScaleUpBurst::new(decided_at, pending, recorded, replayed));
    }
    Ok(bursts)
}

/// The target size of each group at the decision. Where the burst names a size, that is what the
/// autoscaler saw; a recorder may have seen the new target before it saw the event.
fn sizes_before(groups: &[NodeGroupSpec], burst: &[ScaleUpEvent]) -> BTreeMap<String, u32> {
    let mut sizes: BTreeMap<String, u32> =
        groups.iter().filter_map(|one| Some((one.name.clone(), one.target_size?))).collect();
    for (group, from, _) in burst.iter().rev().flat_map(|event| &event.increases) {
        sizes.insert(group.clone(), *from);
    }
    sizes
}

/// Has the cloud make the machines that groups' sizes count and that are no Nodes. Gives what an
/// autoscaler remembers that asked for them with the `earlier` scale-ups.
fn ask_for_what_comes(
    world: &mut World,
    sizes: &BTreeMap<String, u32>,
    earlier: &[&ScaleUpEvent],
) -> StartState {
    let mut memory = StartState {
        past_first_loop: true,
        last_scale_up: earlier.last().map(|event| event.at),
        ..StartState::default()
    };
    let groups: Vec<_> = world.cluster.groups().map(|(id, _)| id).collect();
    for group in groups {
        let mut spec = NodeGroupSpec::clone(&world.cluster.group(group).spec);
        spec.boot_delay = BootDelay { p50: BURST_WINDOW, p99: BURST_WINDOW };
        let size = sizes.get(&spec.name).copied().unwrap_or(0).min(spec.max_size);
        let names_group =
            |event: &&&ScaleUpEvent| event.increases.iter().any(|(name, _, _)| *name == spec.name);
        let asked_at = earlier.iter().rev().find(names_group).map(|event| event.at);
        world.apply_group(spec);
        let coming = size.saturating_sub(world.cluster.group(group).target_size);
        if coming > 0 {
            world
                .command(&Command::IncreaseSize { group, delta: coming })
                .expect("the size is within the maximum, and no cloud is down in a new world");
            memory.scale_up_requests.push((group, coming, asked_at.unwrap_or(world.now())));
        }
    }
    memory
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

/// How many nodes each group grew by until nothing more was enlarged for as long as ends a burst.
fn replayed_increases(
    scale_ups: &[ScaleUpFact],
    cluster: &Cluster,
    decided_at: SimTime,
) -> BTreeMap<String, u32> {
    let mut grown = BTreeMap::new();
    let mut last_at = decided_at;
    for fact in scale_ups {
        if fact.at - last_at > BURST_GAP {
            break;
        }
        last_at = fact.at;
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
        "Each burst starts from the recorded state at its first event, with the machines coming that \
         had been asked for before; only increases count."
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

    #[test]
    fn a_size_that_the_burst_names_is_the_one_before_it() {
        let group = |name: &str, size| NodeGroupSpec {
            name: name.to_owned(),
            target_size: size,
            ..NodeGroupSpec::default()
        };
        let groups = [group("a", Some(3)), group("b", Some(2)), group("c", None)];
        let burst = [event(0, "a", 1, 2), event(10, "a", 2, 3)];
        assert_eq!(
            sizes_before(&groups, &burst),
            [("a".to_owned(), 1), ("b".to_owned(), 2)].into()
        );
    }

    #[test]
    fn machines_asked_for_before_are_coming_and_remembered() {
        let mut world = World::new(plimsoll_sim::WorldSettings::with_seed(1), SimTime(100_000));
        for name in ["a", "b"] {
            let spec = NodeGroupSpec { name: name.into(), max_size: 9, ..NodeGroupSpec::default() };
            world.apply_group(spec);
        }
        let sizes = [("a".to_owned(), 2)].into();
        let earlier = [event(30, "a", 0, 1), event(40, "a", 1, 2), event(50, "b", 0, 1)];
        let earlier: Vec<&ScaleUpEvent> = earlier.iter().collect();
        let memory = ask_for_what_comes(&mut world, &sizes, &earlier);
        let a = world.cluster.find_group("a").expect("it was added");
        assert_eq!(memory.scale_up_requests, [(a, 2, SimTime(40_000))]);
        assert_eq!(memory.last_scale_up, Some(SimTime(50_000)));
        assert_eq!(world.cluster.group(a).target_size, 2);
        assert_eq!(world.cluster.group(a).instances.len(), 2);
    }
}
