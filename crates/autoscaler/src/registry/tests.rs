//! The registry's rules as tables, each after a suite of `clusterstate/clusterstate_test.go` of
//! release 1.36 that its comment names, with clusters of our own.

use std::collections::BTreeSet;

use plimsoll_core::ids::GroupId;
use plimsoll_core::node_group::InstanceState;
use plimsoll_core::{Cluster, SimDuration, SimTime};

use super::Registry;
use crate::fixture::Fixture;
use crate::settings::Settings;
use crate::status::ScaleUpError;
use crate::taints::TO_BE_DELETED;

/// One group `a` and a registry.
struct Scene {
    fixture: Fixture,
    registry: Registry,
    settings: Settings,
    group: GroupId,
}

/// What is there when the registry looks.
#[derive(Clone, Copy, Debug, Default)]
struct There {
    target: u32,
    ready: usize,
    /// Not ready for long after their start.
    unready: usize,
    /// Stopped, and kept; not ready either.
    suspended: usize,
    /// Not ready, and young.
    starting: usize,
    /// Marked for deletion.
    going: usize,
    /// Machines without a Node, seen for the first time.
    machines: usize,
    /// Machines without a Node for too long.
    lost: usize,
    /// An open request for so many, made just now.
    increase: u32,
}

impl Scene {
    fn new(flags: &[(&str, &str)]) -> Scene {
        let mut fixture = Fixture::default();
        let group = fixture.group("a", 0, 100, "4", "16Gi");
        let settings = fixture.settings(flags);
        let registry = Registry::new(&settings);
        Scene { fixture, registry, settings, group }
    }

    /// The registry's view after its look.
    fn of(there: There, flags: &[(&str, &str)]) -> Scene {
        let mut scene = Scene::new(flags);
        let group = scene.group;
        for number in 0..there.lost {
            scene.machine(&format!("lost-{number}"));
        }
        scene.update();
        scene.pass(901);
        let now = scene.fixture.now;
        for number in 0..there.ready {
            scene.node(&format!("ready-{number}"), true, SimDuration::from_hours(1));
        }
        for number in 0..there.unready {
            scene.node(&format!("unready-{number}"), false, SimDuration::from_hours(1));
        }
        for number in 0..there.suspended {
            scene.node(&format!("suspended-{number}"), false, SimDuration::from_hours(1));
            let all = scene.fixture.cluster.nodes();
            let node = all.last().map(|(id, _)| id).expect("it was added");
            scene.fixture.cluster.set_suspended(node, true);
        }
        for number in 0..there.starting {
            scene.node(&format!("starting-{number}"), false, SimDuration::from_secs(30));
        }
        for number in 0..there.going {
            let name = format!("going-{number}");
            scene.node(&name, true, SimDuration::from_hours(1));
            let all = scene.fixture.cluster.nodes();
            let node = all.last().map(|(id, _)| id).expect("it was added");
            scene.fixture.taint(node, TO_BE_DELETED);
        }
        for number in 0..there.machines {
            scene.machine(&format!("machine-{number}"));
        }
        scene.fixture.cluster.set_target_size(group, there.target);
        if there.increase > 0 {
            scene.register(there.increase, now);
        }
        // The lists of machines are fetched anew every two minutes.
        scene.pass(0);
        scene.update();
        scene
    }

    fn node(&mut self, name: &str, ready: bool, age: SimDuration) {
        self.machine(name);
        let now = self.fixture.now;
        let node = self.fixture.register(name, self.group, now - age);
        self.fixture.cluster.set_ready(node, ready, now - age);
    }

    fn machine(&mut self, name: &str) {
        self.fixture.machine(self.group, name, InstanceState::Running, None);
    }

    fn register(&mut self, increase: u32, at: SimTime) {
        let (cluster, settings) = (&self.fixture.cluster, &self.settings);
        self.registry.register_scale_up(cluster, settings, self.group, increase, at);
    }

    fn update(&mut self) -> super::RegistryUpdate {
        // An invalidated list is fetched by the next look.
        self.registry.invalidate_instances(self.group);
        self.registry.update(&self.fixture.cluster, &self.settings, self.fixture.now)
    }

    fn pass(&mut self, seconds: i64) {
        self.fixture.now += SimDuration::from_secs(seconds);
    }

    fn upcoming(&self) -> u32 {
        self.registry.upcoming(self.group, self.fixture.now)
    }
}

/// After `TestUpdateAcceptableRanges`: open requests and machines that were given up lower what is
/// expected; machines that may still come do not, nor does a request whose nodes are all there.
#[test]
fn fewer_nodes_are_expected_by_what_is_requested_and_what_is_lost() {
    let base = There { target: 12, ready: 12, ..There::default() };
    for (there, least) in [
        (base, 12),
        (There { ready: 8, increase: 4, ..base }, 8),
        (There { increase: 4, ..base }, 12),
        (There { ready: 9, machines: 3, ..base }, 12),
        (There { ready: 9, lost: 3, ..base }, 9),
        (There { ready: 5, machines: 2, lost: 3, increase: 2, ..base }, 7),
        (There { ready: 9, going: 3, ..base }, 12),
    ] {
        let scene = Scene::of(there, &[]);
        assert_eq!(scene.registry.group(scene.group).acceptable_min, least, "{there:?}");
    }
}

/// After `TestUpdateIncorrectNodeGroupSizes` and `TestIncorrectSize`.
#[test]
fn a_number_of_nodes_is_incorrect_when_no_machine_explains_it() {
    let base = There { target: 6, ready: 6, ..There::default() };
    for (there, incorrect) in [
        (base, None),
        (There { ready: 4, ..base }, Some((4, 6))),
        (There { ready: 8, ..base }, Some((8, 6))),
        (There { ready: 4, machines: 2, ..base }, None),
        (There { ready: 4, machines: 1, ..base }, Some((4, 6))),
        (There { ready: 4, lost: 2, ..base }, None),
        (There { ready: 3, machines: 1, lost: 2, ..base }, None),
        (There { ready: 0, ..base }, None),
        (There { ready: 3, starting: 2, unready: 1, ..base }, None),
        (There { ready: 6, going: 1, ..base }, Some((7, 6))),
    ] {
        let scene = Scene::of(there, &[]);
        let found = &scene.registry.group(scene.group).incorrect;
        let found = found.as_ref().map(|size| (size.registered, size.expected));
        assert_eq!(found, incorrect, "{there:?}");
    }
}

/// After the same: the time counts from the first look that found the very same two numbers.
#[test]
fn an_incorrect_size_keeps_its_time_only_while_it_stays_the_same() {
    let mut scene = Scene::of(There { target: 6, ready: 4, ..There::default() }, &[]);
    let group = scene.group;
    let since =
        |scene: &Scene| scene.registry.group(group).incorrect.as_ref().map(|size| size.first_seen);
    let first = scene.fixture.now;
    scene.pass(60);
    scene.update();
    assert_eq!(since(&scene), Some(first));
    assert_eq!(scene.registry.sizes_to_fix(scene.fixture.now), []);
    scene.pass(841);
    let fixes = scene.registry.sizes_to_fix(scene.fixture.now);
    assert_eq!(fixes, [(group, 2)], "901 s: more than max-node-provision-time");
    scene.node("late", true, SimDuration::from_secs(90));
    scene.update();
    assert_eq!(since(&scene), Some(scene.fixture.now), "five of six is another size");
}

/// After `TestUpcomingNodes`, `TestGetUpcomingNodesSkipsWithoutScaleUpRequestOrBackoff` and
/// `TestTaintBasedNodeDeletion`.
#[test]
fn nodes_are_upcoming_that_are_requested_and_neither_there_nor_lost() {
    let base = There { target: 7, ready: 3, increase: 4, ..There::default() };
    for (there, upcoming) in [
        (base, 4),
        (There { machines: 4, ..base }, 4),
        (There { starting: 3, ..base }, 4),
        (There { unready: 1, ..base }, 3),
        (There { suspended: 1, ..base }, 3),
        (There { lost: 1, ..base }, 3),
        (There { going: 2, ..base }, 4),
        (There { increase: 0, ..base }, 0),
        (There { ready: 7, ..base }, 0),
        (There { target: 2, ..base }, 0),
    ] {
        let scene = Scene::of(there, &[]);
        assert_eq!(scene.upcoming(), upcoming, "{there:?}");
        let state = scene.registry.group(scene.group);
        assert_eq!(state.is_scaling_up(), upcoming > 0, "{there:?}");
    }
    let mut scene = Scene::of(base, &[]);
    let now = scene.fixture.now;
    scene.registry.register_failure(scene.group, ScaleUpError::default(), now);
    assert_eq!(scene.upcoming(), 0, "in back-off nothing counts as coming");
}

/// After `TestTooManyUnready`, `TestUnreadyLongAfterCreation` and `TestNotStarted`.
#[test]
fn a_cluster_is_unhealthy_when_too_many_and_too_large_a_part_are_unready() {
    let base = There { target: 10, ..There::default() };
    for (there, is_healthy) in [
        (There { ready: 10, ..base }, true),
        (There { ready: 7, unready: 3, ..base }, true),
        (There { ready: 6, unready: 4, ..base }, true),
        (There { ready: 5, unready: 5, ..base }, false),
        (There { ready: 1, unready: 3, ..base }, true),
        (There { ready: 0, unready: 4, ..base }, false),
        (There { ready: 5, starting: 5, ..base }, true),
        (There { ready: 5, going: 5, ..base }, true),
    ] {
        let scene = Scene::of(there, &[]);
        assert_eq!(scene.registry.is_cluster_healthy(&scene.settings), is_healthy, "{there:?}");
    }
}

/// After `TestMissingNodes`, `TestOKWithScaleUp` and `TestEmptyOK`.
#[test]
fn a_group_is_unhealthy_when_too_many_of_its_nodes_are_missing() {
    let base = There { target: 12, ..There::default() };
    for (there, is_healthy) in [
        (There { ready: 12, ..base }, true),
        (There { ready: 9, ..base }, true),
        (There { ready: 8, ..base }, false),
        (There { ready: 4, increase: 8, ..base }, true),
        (There { ready: 4, increase: 3, ..base }, false),
        (There { ready: 4, lost: 8, ..base }, true),
        (There { ready: 8, unready: 4, ..base }, true),
        (There { ready: 4, unready: 8, ..base }, false),
        (There { ready: 4, suspended: 8, ..base }, true),
        (There { ready: 3, starting: 9, ..base }, false),
        (base, false),
        (There { increase: 12, ..base }, true),
        (There { target: 0, ..base }, true),
    ] {
        let scene = Scene::of(there, &[]);
        let found = scene.registry.is_group_healthy(scene.group, &scene.settings);
        assert_eq!(found, is_healthy, "{there:?}");
    }
}

/// After `TestExpiredScaleUp`, `TestExpiredScaleUpRevertsTargetSize` and
/// `TestExpiredScaleUpRevertsPartialIncrease`: the whole request is reverted, also where some of its
/// nodes have come.
#[test]
fn a_request_that_is_late_is_reverted_as_a_whole() {
    let mut scene = Scene::of(There { target: 5, ready: 1, increase: 4, ..There::default() }, &[]);
    let requested_at = scene.fixture.now;
    scene.pass(60);
    for name in ["one", "two"] {
        scene.node(name, true, SimDuration::from_secs(30));
    }
    scene.pass(840);
    assert_eq!(scene.update().failures, [], "at its very end there is still hope");
    scene.pass(1);
    let update = scene.update();
    let failure = &update.failures[0];
    assert_eq!((failure.group, failure.count, failure.is_reverted), (scene.group, 4, true));
    assert_eq!(failure.error.code, "timeout");
    let now = scene.fixture.now;
    assert_eq!((now - requested_at).0, 901_000);
    assert!(scene.registry.is_backed_off(scene.group, now));
    assert_eq!(scene.registry.group(scene.group).request, None);
    assert_eq!(scene.update().failures, [], "it is told once");
}

/// After `TestUpdateScaleUp`: only more nodes restart the time of a request, fewer do not, and none
/// ends it.
#[test]
fn a_request_restarts_only_when_more_is_asked_for() {
    let mut scene = Scene::of(There { target: 9, ready: 1, increase: 5, ..There::default() }, &[]);
    let group = scene.group;
    let first = scene.fixture.now;
    let open = |scene: &Scene| {
        let request = scene.registry.group(group).request.as_ref();
        request.map(|request| (request.increase, request.requested_at))
    };
    assert_eq!(open(&scene), Some((5, first)));
    scene.pass(100);
    let now = scene.fixture.now;
    scene.register(3, now);
    assert_eq!(open(&scene), Some((8, now)));
    for (fewer, left) in [(2, Some((6, now))), (6, None), (1, None)] {
        let state = &mut scene.registry.groups[group.index()];
        state.add_to_request(-fewer, now + SimDuration::from_secs(50));
        assert_eq!(open(&scene), left);
    }
}

/// After `TestHandleInstanceCreationErrors`: machines that failed are told once, taken off the
/// request, and neither waited for nor counted as unregistered.
#[test]
fn machines_that_could_not_be_made_are_not_waited_for() {
    let mut scene = Scene::of(There { target: 5, ready: 1, increase: 4, ..There::default() }, &[]);
    let group = scene.group;
    for name in ["failed-1", "failed-2"] {
        scene.fixture.machine(group, name, InstanceState::Creating, Some("STOCKOUT"));
    }
    scene.fixture.machine(group, "coming", InstanceState::Creating, None);
    let update = scene.update();
    let failure = &update.failures[0];
    assert_eq!((failure.count, failure.is_reverted), (2, false));
    assert_eq!(failure.error.code, "STOCKOUT");
    let text = update.events[0].to_string();
    assert_eq!(
        text,
        "ScaleUpFailed: Failed adding 2 nodes to group a due to OutOfResource.STOCKOUT; \
         source errors: none left"
    );
    let state = scene.registry.group(group);
    assert_eq!(state.request.as_ref().map(|request| request.increase), Some(2));
    assert_eq!((state.unregistered, state.long_unregistered), (1, 0));
    assert_eq!(scene.registry.failed_creations()[0].1.len(), 2);
    assert_eq!(scene.update().failures, [], "the same machines are told once");
}

/// After `TestUnregisteredNodes`: the time counts from the first look, and ends when the Node comes.
#[test]
fn a_machine_is_lost_when_it_was_seen_without_a_node_for_too_long() {
    let mut scene = Scene::of(There { target: 2, ready: 1, machines: 1, ..There::default() }, &[]);
    let group = scene.group;
    let counts = |scene: &Scene| {
        let state = scene.registry.group(group);
        (state.unregistered, state.long_unregistered)
    };
    assert_eq!(counts(&scene), (1, 0));
    scene.pass(900);
    scene.update();
    assert_eq!(counts(&scene), (1, 0), "at its very end there is still hope");
    scene.pass(1);
    scene.update();
    assert_eq!(counts(&scene), (0, 1));
    let lost = scene.registry.never_registered(scene.fixture.now);
    assert_eq!(lost.len(), 1);
    let now = scene.fixture.now;
    scene.fixture.register("machine-0", group, now);
    scene.update();
    assert_eq!(counts(&scene), (0, 0));
}

/// After `TestScaleUpBackoff`: each request that comes to nothing holds the group back for longer, and
/// one that comes to something does not let it go.
#[test]
fn a_group_that_failed_is_healthy_and_backs_off() {
    let flags = [("max-node-provision-time", "2m")];
    let mut scene = Scene::of(There { target: 4, ready: 3, ..There::default() }, &flags);
    let group = scene.group;
    let request = |scene: &mut Scene, age_s: i64| {
        // What was reverted is asked for again.
        scene.fixture.cluster.set_target_size(group, 4);
        let at = scene.fixture.now - SimDuration::from_secs(age_s);
        scene.register(1, at);
        let failures = scene.update().failures;
        failures.iter().map(|one| one.error.message.clone()).collect::<Vec<_>>().join(" ")
    };
    let stands = |scene: &Scene| {
        let (registry, settings) = (&scene.registry, &scene.settings);
        assert!(
            registry.is_cluster_healthy(settings) && registry.is_group_healthy(group, settings)
        );
        registry.is_backed_off(group, scene.fixture.now)
    };
    let failure = request(&mut scene, 180);
    assert_eq!(failure, "Scale-up timed out for node group a after 3m0s");
    assert!(stands(&scene));
    scene.pass(301);
    assert!(!stands(&scene), "after five minutes and a second");
    let failure = request(&mut scene, 121);
    assert_eq!(failure, "Scale-up timed out for node group a after 2m1s");
    assert!(stands(&scene));
    scene.pass(301);
    assert!(stands(&scene), "now it is ten minutes");
    assert_eq!(request(&mut scene, 0), "");
    scene.node("late", true, SimDuration::from_mins(1));
    assert_eq!(scene.update().failures, []);
    assert_eq!(scene.registry.group(group).request, None, "all that was asked for is there");
    assert!(stands(&scene), "that ends no back-off");
}

/// After `TestRecalculateStateAfterNodeGroupSizeChanged` and `TestHasNodeGroupStartedScaleUp`: what
/// the cloud has been asked for changes in the middle of a loop.
#[test]
fn another_target_counts_at_once() {
    let base = There { target: 4, ready: 1, ..There::default() };
    for (name, there, target, least, upcoming) in [
        ("the scale-up has failed", base, 1, 1, 0),
        ("a part of it", There { target: 7, ready: 5, increase: 1, ..base }, 6, 5, 1),
        ("it goes on", There { increase: 3, ..base }, 4, 1, 3),
        ("there is none", There { ready: 4, ..base }, 4, 4, 0),
    ] {
        let mut scene = Scene::of(there, &[]);
        scene.registry.recalculate(&[target]);
        let state = scene.registry.group(scene.group);
        assert_eq!((state.acceptable_min, scene.upcoming()), (least, upcoming), "{name}");
    }
    let mut scene = Scene::of(There { target: 3, increase: 3, ..There::default() }, &[]);
    assert!(scene.registry.group(scene.group).is_scaling_up());
    scene.registry.recalculate(&[0]);
    let state = scene.registry.group(scene.group);
    assert!(!state.is_scaling_up() && state.request.is_some(), "the request is not forgotten");
}

/// After `TestUnreadyAfterCreationWithIncreasedStartupTime`: the node is half an hour old.
#[test]
fn a_node_may_take_its_time_to_start() {
    for (flags, counts) in [
        (&[][..], (1, 0)),
        (&[("max-node-startup-time", "30m")], (1, 0)),
        (&[("max-node-startup-time", "35m")], (0, 1)),
    ] {
        let mut scene = Scene::new(flags);
        scene.node("slow", false, SimDuration::from_mins(30));
        scene.fixture.cluster.set_target_size(scene.group, 1);
        scene.update();
        let state = scene.registry.group(scene.group);
        assert_eq!((state.unready, state.not_started), counts, "{flags:?}");
        assert_eq!(scene.upcoming(), 0, "{flags:?}");
    }
}

/// After `TestTruncateIfExceedMaxSize`; the limit is that of the program.
#[test]
fn long_error_messages_are_cut() {
    for (length, kept, mark) in [(12, 12, ""), (500, 500, ""), (501, 489, "<truncated>")] {
        let message = "x".repeat(length);
        let error = ScaleUpError { message, ..ScaleUpError::default() };
        assert_eq!(error.short_message(), format!("{}{mark}", "x".repeat(kept)));
    }
}

/// Machines and Nodes that come and go in any order, drawn from a seed.
#[test]
fn a_machine_without_a_node_is_found_however_lists_and_nodes_change() {
    let mut scene = Scene::new(&[]);
    let (mut drawn, mut born) = (0x9e37_79b9_7f4a_7c15_u64, 0);
    let mut below = move |end: usize| {
        drawn ^= drawn << 13;
        drawn ^= drawn >> 7;
        drawn ^= drawn << 17;
        usize::try_from(drawn % u64::try_from(end).expect("few")).expect("few")
    };
    let has_node =
        |cluster: &Cluster, name: &str| cluster.nodes().any(|(_, node)| &*node.name == name);
    let mut without_a_node = 0;
    for round in 0..200 {
        for _ in 0..below(12) {
            let nodes: Vec<_> = scene.fixture.cluster.nodes().map(|(id, _)| id).collect();
            match below(5) {
                0 => scene.fixture.cluster.update_instances(scene.group, |list| {
                    let (from, count) = (below(list.len() + 1), below(12));
                    list.drain(from..(from + count).min(list.len()));
                }),
                1 if !nodes.is_empty() => {
                    scene.fixture.cluster.remove_node(nodes[below(nodes.len())]);
                }
                // A Node that was away is back, or one comes whose machine is not listed.
                2 => {
                    let since = scene.fixture.now;
                    let name = format!("m-{}", below(born + 1));
                    if !has_node(&scene.fixture.cluster, &name) {
                        scene.fixture.register(&name, scene.group, since);
                    }
                }
                3 => {
                    scene.machine(&format!("m-{born}"));
                    born += 1;
                }
                _ => {
                    let mut fresh = || {
                        born += 1;
                        format!("m-{}", born - 1)
                    };
                    scene.node(&fresh(), true, SimDuration::from_secs(30));
                }
            }
        }
        scene.pass(121);
        scene.update();
        let cluster = &scene.fixture.cluster;
        let machines = cluster.group(scene.group).instances.iter().map(|one| one.id.to_string());
        let expected: BTreeSet<String> = machines.filter(|id| !has_node(cluster, id)).collect();
        let found = scene.registry.group(scene.group).unregistered_since.keys();
        let found: BTreeSet<String> = found.map(|id| id.to_string()).collect();
        assert_eq!(found, expected, "round {round}");
        without_a_node += found.len();
    }
    assert!(without_a_node > 100, "there was something to find: {without_a_node}");
}
