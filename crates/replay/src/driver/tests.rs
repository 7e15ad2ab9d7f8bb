//! Claims about when loops run and what they may not do.

use plimsoll_autoscaler::Settings;
use plimsoll_core::ids::GroupId;
use plimsoll_core::objects::{Origin, Snapshot};
use plimsoll_core::pod::PodObject;
use plimsoll_core::{Cluster, Fork};
use plimsoll_sim::{Input, WorldSettings};
use serde_json::json;

use super::*;

/// Notes when it is asked; asks for one more machine in the loops of these numbers.
#[derive(Default)]
struct Probe {
    loops: Vec<i64>,
    asks_in: Vec<usize>,
    may_idle: bool,
    settings: Settings,
    was_productive: bool,
}

impl NodeAutoscaler for Probe {
    fn name(&self) -> &str {
        "probe"
    }

    fn decide(&mut self, cluster: &mut Fork<'_>, now: SimTime) -> Decision {
        self.loops.push(now.as_seconds());
        self.was_productive = false;
        let asks = self.asks_in.contains(&self.loops.len());
        let increase = Action::IncreaseSize { group: GroupId(0), delta: 1 };
        let actions = if asks && cluster.group_count() > 0 { vec![increase] } else { Vec::new() };
        let idle_until = self.may_idle.then_some(SimTime::MAX);
        Decision { actions, reasons: Vec::new(), idle_until }
    }

    fn limits(&self) -> Option<&Settings> {
        Some(&self.settings)
    }

    fn was_productive(&self) -> bool {
        self.was_productive
    }

    fn resume(&mut self, _cluster: &Cluster, _now: SimTime) -> Vec<Action> {
        Vec::new()
    }

    fn next_resume(&self) -> Option<SimTime> {
        None
    }

    fn observe(&mut self, _action: &Action, outcome: &Outcome, _cluster: &Cluster, _now: SimTime) {
        self.was_productive = *outcome == Outcome::Done;
    }
}

/// A group whose machines take an hour, and no node.
fn world(max_size: u32) -> World {
    let group = json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeGroup", "metadata": {"name": "a"},
        "spec": {"maxSize": max_size, "bootDelay": "1h",
                 "template": {"status": {"allocatable": {"cpu": "4", "pods": "110"}}}},
    });
    let values = [(group, Origin::default())].into_iter();
    let (snapshot, _) = Snapshot::from_values(values).expect("the fixture is valid");
    World::from_snapshot(&snapshot, WorldSettings::with_seed(1), SimTime(0))
}

fn play(world: &mut World, probe: &mut Probe, frequent_loops: bool) -> Result<(), DriveError> {
    let (start, end) = (SimTime(0), SimTime(60_000));
    let mut ledger = Ledger::open(world, start);
    let scan_interval = SimDuration::from_secs(10);
    let course = Course { start, end, scan_interval, frequent_loops };
    drive(world, Some(probe), &course, &mut ledger, &mut |_| {})
}

fn pod_at(world: &mut World, second: i64) {
    let name = format!("web-{second}");
    let at = SimTime(second * 1000);
    world.schedule(at, Input::ApplyPod(PodObject { name, ..PodObject::default() }));
}

#[test]
fn two_loops_follow_at_once_after_one_that_came_to_something() {
    let mut probe = Probe { asks_in: vec![2, 4], ..Probe::default() };
    play(&mut world(9), &mut probe, true).expect("nobody breaks a rule");
    assert_eq!(
        probe.loops,
        [0, 10, 10, 10, 10, 10, 20, 30, 40, 50],
        "the second and the fourth did"
    );
    let mut probe = Probe { asks_in: vec![2, 4], ..Probe::default() };
    play(&mut world(9), &mut probe, false).expect("nobody breaks a rule");
    assert_eq!(probe.loops, [0, 10, 20, 30, 40, 50]);
}

#[test]
fn a_pod_that_fits_nowhere_starts_a_loop_where_loops_are_frequent() {
    for (frequent, expected) in
        [(true, &[0, 10, 13, 20, 30, 40, 50][..]), (false, &[0, 10, 20, 30, 40, 50][..])]
    {
        let mut world = world(9);
        pod_at(&mut world, 13);
        pod_at(&mut world, 30);
        let mut probe = Probe::default();
        play(&mut world, &mut probe, frequent).expect("nobody breaks a rule");
        assert_eq!(probe.loops, expected);
    }
}

#[test]
fn loops_are_left_out_again_only_after_one_on_the_grid() {
    let mut world = world(9);
    pod_at(&mut world, 13);
    let mut probe = Probe { may_idle: true, ..Probe::default() };
    play(&mut world, &mut probe, true).expect("nobody breaks a rule");
    assert_eq!(probe.loops, [0, 13, 20]);
}

#[test]
fn a_group_that_was_refused_is_not_asked_again_at_once() {
    // The cloud is down at first, so that the first loop's request is refused.
    let fault = plimsoll_core::objects::Fault::ProviderDown { lasts: SimDuration::from_secs(5) };
    let mut world = world(9);
    world.schedule(SimTime(0), Input::Fault(fault));
    let mut probe = Probe { asks_in: vec![1, 3], ..Probe::default() };
    let error = play(&mut world, &mut probe, false).expect_err("it asks again after 20 s");
    assert_eq!(
        error.to_string(),
        "strategy probe at 1970-01-01T00:00:20Z: group a is to be enlarged, 20s after it failed; it is left \
         alone for 5m"
    );
}

#[test]
fn limits_of_the_strategys_own_flags_are_held_against_it() {
    let settings = Settings { max_nodes_total: 1, ..Settings::default() };
    let mut probe = Probe { asks_in: vec![1], settings, ..Probe::default() };
    assert!(play(&mut world(9), &mut probe, false).is_ok());
    let settings = Settings {
        cores_total: plimsoll_autoscaler::settings::Bounds { min: 0, max: 3 },
        ..Settings::default()
    };
    let mut probe = Probe { asks_in: vec![1], settings, ..Probe::default() };
    let mut world = world(9);
    let mut spec = plimsoll_core::NodeGroupSpec::clone(&world.cluster.group(GroupId(0)).spec);
    spec.template.capacity = [("cpu".to_owned(), 4000)].into();
    world.cluster.set_group_spec(GroupId(0), spec);
    let error = play(&mut world, &mut probe, false).expect_err("four cores are above three");
    assert!(error.to_string().ends_with("the cluster would exceed its limit of cpu"), "{error}");
}

#[test]
fn pods_that_wait_at_the_start_are_scheduled_then_even_if_nobody_scales() {
    let size = json!({"cpu": "4", "pods": "110"});
    let container = json!({"name": "main", "image": "main"});
    let objects = [
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
            "status": {"capacity": size, "allocatable": size,
                       "conditions": [{"type": "Ready", "status": "True"}]}}),
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"containers": [container]}}),
    ];
    let values = objects.into_iter().map(|object| (object, Origin::default()));
    let (snapshot, _) = Snapshot::from_values(values).expect("the fixture is valid");
    let (start, end) = (SimTime(0), SimTime(60_000));
    let mut world = World::from_snapshot(&snapshot, WorldSettings::with_seed(1), start);
    let mut ledger = Ledger::open(&mut world, start);
    let scan_interval = SimDuration::from_secs(10);
    let course = Course { start, end, scan_interval, frequent_loops: false };
    let mut told = Vec::new();
    drive(&mut world, None, &course, &mut ledger, &mut |at| told.push(at))
        .expect("nobody breaks a rule");
    assert_eq!(ledger.pods[0].bound_at, Some(start));
    assert_eq!(told, [start]);
}
