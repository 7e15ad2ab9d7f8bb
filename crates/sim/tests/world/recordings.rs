//! Pods of a recording: when they come and go is given, where they run is not.

use expect_test::expect;
use plimsoll_core::cluster::WorkloadKey;
use plimsoll_core::ids::{ShapeId, WorkloadId};
use plimsoll_core::objects::{Origin, Snapshot};
use plimsoll_core::workload::WorkloadKind;
use plimsoll_core::{PodSpec, SimTime};
use plimsoll_sim::{Input, RecordedPod, World, WorldSettings};

use crate::objects::{group, node};
use crate::play::Play;

const START: SimTime = SimTime(0);

/// Two nodes, and a ReplicaSet of the recording whose pods ask for 3 cpu.
fn recorded_world(schedules: bool) -> (World, ShapeId, WorkloadId) {
    let objects = [group("a"), node("a-1", "a"), node("a-2", "a")];
    let values = objects.into_iter().map(|object| (object, Origin::default()));
    let (snapshot, _) = Snapshot::from_values(values).expect("the fixture is valid");
    let settings = WorldSettings { schedules, ..WorldSettings::with_seed(1) };
    let mut world = World::from_snapshot(&snapshot, settings, START);
    let shape = world.cluster.intern_shape(&PodSpec {
        namespace: "shop".into(),
        requests: [("cpu".to_owned(), 3000)].into(),
        scoring_cpu_milli: 3000,
        ..PodSpec::default()
    });
    let key = WorkloadKey::new(WorkloadKind::ReplicaSet, "shop", "web");
    let set = world.know_workload(key, 1, true);
    (world, shape, set)
}

fn at(seconds: i64) -> SimTime {
    SimTime(seconds * 1000)
}

fn arrival(key: u32, shape: ShapeId, controller: Option<WorkloadId>, seconds: i64) -> Input {
    let name = format!("web-{key}").into();
    let created_at = at(seconds);
    Input::RecordedPod(RecordedPod { key, name, shape, controller, created_at })
}

#[test]
fn an_evicted_pod_is_replaced_and_its_replacement_ends_when_the_original_ended() {
    let (mut world, shape, set) = recorded_world(true);
    world.schedule(at(10), arrival(1, shape, Some(set), 10));
    world.schedule(at(100), Input::RecordedEnd { key: 1 });
    let mut play = Play::of(world, START);
    play.until(10);
    play.log();
    play.until(50).evict("web-1").settle().evict("web-again-1").settle().until(100);
    expect![[r#"
        50s    pod web-again-1 made
               pod web-1 gone: Evicted
               pod web-again-1 on a-1
               pod web-again-2 made
               pod web-again-1 gone: Evicted
               pod web-again-2 on a-1
        1m40s  pod web-again-2 gone: Deleted
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn a_recorded_pod_without_a_controller_is_not_replaced() {
    let (mut world, shape, _) = recorded_world(true);
    world.schedule(at(10), arrival(1, shape, None, 10));
    world.schedule(at(100), Input::RecordedEnd { key: 1 });
    let mut play = Play::of(world, START);
    play.until(50).evict("web-1").settle().until(100);
    expect![[r#"
        10s    group a pays for 1
               node a-1
               group a pays for 2
               node a-2
               group a pays for 2
               pod web-1 made
               pod web-1 on a-1
        50s    pod web-1 gone: Evicted
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn where_the_recording_says_who_was_bound_nobody_schedules() {
    let (mut world, shape, set) = recorded_world(false);
    world.schedule(at(10), arrival(1, shape, Some(set), 10));
    world.schedule(at(25), Input::RecordedBinding { key: 1, node: Some("a-2".into()) });
    world.schedule(at(100), Input::RecordedEnd { key: 1 });
    world.schedule(at(110), Input::RecordedEnd { key: 1 });
    let mut play = Play::of(world, START);
    play.until(200);
    expect![[r#"
        10s    group a pays for 1
               node a-1
               group a pays for 2
               node a-2
               group a pays for 2
               pod web-1 made
        25s    pod web-1 on a-2
        1m40s  pod web-1 gone: Deleted
    "#]]
    .assert_eq(&play.log());
}
