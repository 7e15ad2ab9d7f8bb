//! Upstream's tables of the planner and of the unneeded nodes, with inputs of our own. Source:
//! `core/scaledown/planner/planner_test.go` and `core/scaledown/unneeded/nodes_test.go`.
//!
//! The recent evictions of upstream's tables are empty in its program, which gives them no time to
//! live. Rows with them are here with pods that wait in their stead.

use plimsoll_core::ids::NodeId;
use plimsoll_core::{SimDuration, SimTime};

use super::stage::{Stage, at_once};
use crate::Settings;
use crate::action::DeletionCause;
use crate::settings::Bounds;

/// Its name, the world, the nodes that are unneeded, and those that stay and why.
type StateRow<'a> = (&'a str, &'a str, &'a str, &'a str);

/// Its name, the world, the empty nodes that go, those that go with a drain, and those that stay and why.
type DeleteRow<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

fn names(stage: &Stage, nodes: impl Iterator<Item = NodeId>) -> String {
    let mut names: Vec<&str> = nodes.map(|node| stage.cluster.node_name(node)).collect();
    names.sort_unstable();
    names.join(" ")
}

/// Why candidates stay, `NODE=REASON` each.
fn stays(stage: &Stage) -> String {
    let stays = stage.scale_down.unremovable().into_iter();
    let stays =
        stays.map(|(node, why)| format!("{}={}", stage.cluster.node_name(node), why.as_str()));
    stays.collect::<Vec<_>>().join(" ")
}

/// Nodes of no group aside, all nodes that are not `kept` may be looked at however busy they are. A
/// pod called `light` asks for nothing: it only makes its node one of those with pods to move, which
/// go by id, as upstream's table has it, after those without.
fn check_state(rows: &[StateRow<'_>]) {
    let settings = Settings {
        scale_down_utilization_threshold: 1.0,
        max_scale_down_parallelism: 10,
        ..Settings::default()
    };
    let mut wrong = Vec::new();
    for (name, lines, unneeded, stay) in rows {
        let mut stage = Stage::new(settings.clone(), &format!("group ng 0\n{lines}"));
        stage.scale_down.keep_findings();
        stage.run_loop();
        let found = names(&stage, stage.scale_down.unneeded().iter().map(|one| one.node));
        // Unneeded nodes stay for now, as they have not been so for long.
        let stays = stays(&stage);
        let stays = stays.split(' ').filter(|one| !one.ends_with("=NotUnneededLongEnough"));
        let found = (found, stays.collect::<Vec<_>>().join(" "));
        if found != ((*unneeded).to_owned(), (*stay).to_owned()) {
            wrong.push(format!("{name}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `TestUpdateClusterState` up to the evictions. A limit on the time of simulations has no place here.
const PLACES: &[StateRow<'static>] = &[
    (
        "empty nodes, all eligible",
        "node n1 ng 1000
            node n2 ng 1000
            node n3 ng 1000",
        "n1 n2 n3",
        "",
    ),
    (
        "empty nodes, some eligible",
        "node n1 ng 1000
            node n2 ng 1000
            node n3 ng 1000 kept",
        "n1 n2",
        "n3=ScaleDownDisabledAnnotation",
    ),
    (
        "empty nodes, none eligible",
        "node n1 ng 1000 kept
            node n2 ng 1000 kept",
        "",
        "n1=ScaleDownDisabledAnnotation n2=ScaleDownDisabledAnnotation",
    ),
    (
        "a single node in use",
        "node n1 ng 1000
            pod p1 n1 500",
        "",
        "n1=NoPlaceToMovePods",
    ),
    (
        "the other node is being deleted",
        "node n1 ng 1000
            node n2 ng 1000 taint=10
            pod p1 n1 500
            pod p2 n1 500",
        "",
        "n1=NoPlaceToMovePods n2=CurrentlyBeingDeleted",
    ),
    (
        "room on a node that is not eligible",
        "node n1 ng 1000
            node n2 ng 1000 kept
            pod p1 n1 500
            pod p2 n1 500",
        "n1",
        "n2=ScaleDownDisabledAnnotation",
    ),
    (
        "room on an eligible node, which then is in use",
        "node n1 ng 1000
            node n2 ng 1000
            pod p1 n1 500
            pod p2 n1 500
            pod light n2 0",
        "n1",
        "n2=NoPlaceToMovePods",
    ),
    (
        "no room anywhere",
        "node n1 ng 2000
            node n2 ng 1000
            node n3 ng 500 kept
            pod p1 n1 1000
            pod p2 n1 1000
            pod p3 n2 1000",
        "",
        "n1=NoPlaceToMovePods n2=NoPlaceToMovePods n3=ScaleDownDisabledAnnotation",
    ),
    (
        "room for the pods of all",
        "node n1 ng 1000
            node n2 ng 1000
            node n3 ng 2000 kept
            pod p1 n1 500
            pod p2 n1 500
            pod p3 n2 500
            pod p4 n2 500",
        "n1 n2",
        "n3=ScaleDownDisabledAnnotation",
    ),
    (
        "room for the pods of some",
        "node n1 ng 2000
            node n2 ng 1000
            node n3 ng 1000 kept
            pod p1 n1 1000
            pod p2 n1 1000
            pod p3 n2 500
            pod p4 n2 500",
        "n2",
        "n1=NoPlaceToMovePods n3=ScaleDownDisabledAnnotation",
    ),
    (
        "room for the pods of none",
        "node n1 ng 1000
            node n2 ng 1000
            node n3 ng 500 kept
            pod p1 n1 500
            pod p2 n1 500
            pod p3 n2 500
            pod p4 n2 500",
        "",
        "n1=NoPlaceToMovePods n2=NoPlaceToMovePods n3=ScaleDownDisabledAnnotation",
    ),
];

#[test]
fn nodes_whose_pods_have_another_place_are_unneeded() {
    check_state(PLACES);
}

/// `TestUpdateClusterState`, its evictions. Evicted pods that nobody makes anew do not wait.
const WAITING: &[StateRow<'static>] = &[
    (
        "no room elsewhere",
        "node n1 ng 1000
            node n2 ng 2000 taint=10
            pod p1 - 500",
        "",
        "n1=NoPlaceToMovePods n2=CurrentlyBeingDeleted",
    ),
    (
        "a DaemonSet's pod fits only on the node that goes",
        "node n1 ng 1000
            node n2 ng 2000 taint=10
            pod p1 - 500 daemon only=n2",
        "n1",
        "n2=CurrentlyBeingDeleted",
    ),
    (
        "room on a node that is not eligible",
        "node n1 ng 1000
            node n2 ng 1000 kept
            node n3 ng 1000 taint=10
            pod p1 - 500",
        "n1",
        "n2=ScaleDownDisabledAnnotation n3=CurrentlyBeingDeleted",
    ),
    (
        "room on an eligible node",
        "node n1 ng 1000
            node n2 ng 1000
            node n3 ng 1000 taint=10
            pod p1 - 500
            pod light n2 0",
        "n1",
        "n2=NoPlaceToMovePods n3=CurrentlyBeingDeleted",
    ),
    (
        "too large for any node",
        "node n1 ng 1000
            node n2 ng 1000
            node n3 ng 2000 taint=10
            pod p1 - 2000",
        "n1 n2",
        "n3=CurrentlyBeingDeleted",
    ),
    (
        "all are placed again",
        "node n1 ng 1000
            node n2 ng 1000
            node n3 ng 2000 taint=10",
        "n1 n2",
        "n3=CurrentlyBeingDeleted",
    ),
    (
        "one of two is placed again",
        "node n1 ng 1000
            node n2 ng 1000
            node n3 ng 2000 taint=10
            pod p1 - 1000
            pod light n2 0",
        "n1",
        "n2=NoPlaceToMovePods n3=CurrentlyBeingDeleted",
    ),
    (
        "none of two is placed again",
        "node n1 ng 1000
            node n2 ng 1000
            node n3 ng 2000 taint=10
            pod p1 - 1000
            pod p2 - 1000",
        "",
        "n1=NoPlaceToMovePods n2=NoPlaceToMovePods n3=CurrentlyBeingDeleted",
    ),
    (
        "room for all that run and wait",
        "node n1 ng 1000
            node n2 ng 1000
            node n3 ng 1000 kept
            node n4 ng 2000 taint=10
            pod p1 n1 250
            pod p2 - 250
            pod p3 - 250",
        "n1 n2",
        "n3=ScaleDownDisabledAnnotation n4=CurrentlyBeingDeleted",
    ),
    (
        "room for some that run and wait",
        "node n1 ng 1000
            node n2 ng 1000
            node n3 ng 1000 kept
            node n4 ng 2000 taint=10
            pod p1 n1 500
            pod p2 - 500
            pod p3 - 500",
        "n1",
        "n2=NoPlaceToMovePods n3=ScaleDownDisabledAnnotation n4=CurrentlyBeingDeleted",
    ),
    (
        "room for none",
        "node n1 ng 1000
            node n2 ng 1000
            node n3 ng 1000 kept
            node n4 ng 2000 taint=10
            pod p1 n1 1000
            pod p2 - 1000
            pod p3 - 1000",
        "",
        "n1=NoPlaceToMovePods n2=NoPlaceToMovePods n3=ScaleDownDisabledAnnotation n4=CurrentlyBeingDeleted",
    ),
];

#[test]
fn pods_that_wait_take_room_on_nodes_that_could_go() {
    check_state(WAITING);
}

/// A row of the table of limits: so many empty nodes, of which some have been unneeded before.
#[derive(Clone, Copy)]
struct LimitRow<'a> {
    name: &'a str,
    nodes: usize,
    unneeded_before: usize,
    parallelism: u32,
    unneeded_time_s: i64,
    loops_every_s: i64,
    is_atomic: bool,
    expected: usize,
}

/// `TestUpdateClusterStatUnneededNodesLimit`.
#[test]
fn a_loop_looks_for_as_many_nodes_as_could_go_until_they_are_ripe() {
    let ordinary = LimitRow {
        name: "nothing unneeded before",
        nodes: 100,
        unneeded_before: 0,
        parallelism: 10,
        unneeded_time_s: 60,
        loops_every_s: 10,
        is_atomic: false,
        expected: 20,
    };
    let atomic = LimitRow { is_atomic: true, expected: 100, unneeded_before: 5, ..ordinary };
    let rows = [
        ordinary,
        LimitRow { name: "some", unneeded_before: 3, expected: 23, ..ordinary },
        LimitRow { name: "as many as can be", unneeded_before: 70, expected: 70, ..ordinary },
        LimitRow { name: "more than can be", unneeded_before: 77, expected: 70, ..ordinary },
        LimitRow { name: "nodes go at once", unneeded_time_s: 0, ..ordinary },
        LimitRow {
            name: "quick loops",
            unneeded_before: 13,
            loops_every_s: 1,
            expected: 33,
            ..ordinary
        },
        LimitRow {
            name: "slow loops",
            unneeded_before: 13,
            loops_every_s: 30,
            expected: 30,
            ..ordinary
        },
        LimitRow { name: "atomic", ..atomic },
        LimitRow { name: "atomic, quick loops", loops_every_s: 1, ..atomic },
        LimitRow { name: "atomic, slow loops", loops_every_s: 30, ..atomic },
        LimitRow { name: "atomic, many", unneeded_before: 77, loops_every_s: 30, ..atomic },
        LimitRow { name: "atomic, none", unneeded_before: 0, loops_every_s: 30, ..atomic },
        LimitRow {
            name: "atomic, a short time and quick loops",
            nodes: 500,
            unneeded_before: 0,
            parallelism: 1,
            unneeded_time_s: 1,
            loops_every_s: 1,
            expected: 500,
            ..atomic
        },
    ];
    for row in rows {
        assert_eq!(unneeded_within_limit(row), row.expected, "{}", row.name);
    }
}

fn unneeded_within_limit(row: LimitRow<'_>) -> usize {
    let settings = Settings {
        max_scale_down_parallelism: row.parallelism,
        scale_down_unneeded_time: SimDuration::from_secs(row.unneeded_time_s),
        ..Settings::default()
    };
    let mut stage =
        Stage::new(settings, if row.is_atomic { "group ng 0 atomic" } else { "group ng 0" });
    // A loop before there are nodes: how long lies between loops is seen from two of them.
    stage.run_loop();
    stage.scale_down.take_back_promise();
    stage.now += SimDuration::from_secs(row.loops_every_s);
    for number in 0..row.nodes {
        stage.add(&format!("node n{number} ng 1000"));
    }
    let before: Vec<(NodeId, SimTime)> =
        stage.cluster.nodes().take(row.unneeded_before).map(|(id, _)| (id, stage.now)).collect();
    stage.scale_down.planner.unneeded.restore(&stage.cluster, &before);
    stage.run_loop();
    stage.scale_down.unneeded().len()
}

/// `TestNodesToDelete`, each row behind the minimum of cores: the nodes have been unneeded for long
/// enough. No flag limits the number of
/// nodes from below, as a quota of upstream's does.
const DELETIONS: &[(i64, DeleteRow<'static>)] = &[
    (0, ("no nodes", "group ng 0", "", "", "")),
    (
        0,
        (
            "empty, and waits for a pod",
            "group ng 0
                node n1 ng 1000
                pod job n1 100 bare safe=on-completion",
            "",
            "",
            "n1=BlockedByOnCompletionPod",
        ),
    ),
    (
        0,
        (
            "to drain, and waits for a pod",
            "group ng 0
                node n1 ng 1000
                pod p1 n1 100
                pod job n1 100 bare safe=on-completion
                node x - 8000",
            "",
            "",
            "n1=BlockedByOnCompletionPod",
        ),
    ),
    (0, ("one empty", "group ng 0\nnode n1 ng 1000", "n1", "", "")),
    (0, ("one to drain", "group ng 0\nnode n1 ng 1000\npod p n1 9\nnode x - 8000", "", "n1", "")),
    (
        0,
        (
            "one of an atomic group",
            "group ng 0 atomic
                node n0 ng 1000 kept
                node n1 ng 1000
                node n2 ng 1000 kept",
            "",
            "",
            "n0=ScaleDownDisabledAnnotation n1=AtomicScaleDownFailed \
                 n2=ScaleDownDisabledAnnotation",
        ),
    ),
    (
        0,
        (
            "all of an atomic group",
            "group ng 0 atomic
                node n1 ng 1000
                node n2 ng 1000
                node n3 ng 1000",
            "n1 n2 n3",
            "",
            "",
        ),
    ),
    (
        0,
        (
            "all of an atomic group, one to drain",
            "group ng 0 atomic
                node n1 ng 1000
                node n2 ng 1000
                node n3 ng 1000
                pod p n3 9
                node x - 8000",
            "n1 n2",
            "n3",
            "",
        ),
    ),
    (
        2,
        (
            "the first takes what the minimum leaves",
            "group ng 0
                node n1 ng 1000
                node n2 ng 1000
                node n3 ng 1000 kept
                pod p1 n2 100",
            "n1",
            "",
            "n2=MinimalResourceLimitExceeded n3=ScaleDownDisabledAnnotation",
        ),
    ),
    (
        1,
        (
            "the minimum leaves both",
            "group ng 0
                node n1 ng 1000
                node n2 ng 1000
                node n3 ng 1000 kept",
            "n1 n2",
            "",
            "n3=ScaleDownDisabledAnnotation",
        ),
    ),
];

#[test]
fn ripe_nodes_go_as_far_as_minimums_and_whole_groups_allow() {
    for (cores, (name, lines, empty, drains, stay)) in DELETIONS {
        let (mut stage, found) = nodes_to_delete(Bounds { min: *cores, max: 1000 }, lines);
        assert_eq!(found, ((*empty).to_owned(), (*drains).to_owned()), "{name}");
        assert_eq!(stays(&stage), *stay, "{name}");
        // Started is started.
        stage.run_loop();
        assert_eq!(names_started(&stage, |_| true), "", "{name}");
    }
}

/// `TestNodesToDelete`, "different groups", with the whole of each.
#[test]
fn groups_of_all_kinds_go_side_by_side() {
    let lines = "
        group empty 0
        group drain 0
        group mixed 0
        group Empty 0 atomic
        group Mixed 0 atomic
        group Needed 0 atomic
        group Partial 0 atomic
        node empty-0 empty 1000
        node empty-1 empty 1000
        node empty-2 empty 1000
        node drain-0 drain 1000
        node drain-1 drain 1000
        node drain-2 drain 1000
        pod p1 drain-0 9
        pod p2 drain-1 9
        pod p3 drain-1 9
        pod p4 drain-2 9
        node mixed-0 mixed 1000
        node mixed-1 mixed 1000
        node mixed-2 mixed 1000
        pod p5 mixed-1 9
        pod p6 mixed-2 9
        node Empty-0 Empty 1000
        node Empty-1 Empty 1000
        node Empty-2 Empty 1000
        node Mixed-0 Mixed 1000
        node Mixed-1 Mixed 1000
        node Mixed-2 Mixed 1000
        pod p7 Mixed-1 9
        pod p8 Mixed-2 9
        node Needed-0 Needed 1000 kept
        node Needed-1 Needed 1000
        node Needed-2 Needed 1000
        pod p9 Needed-2 9
        node Partial-0 Partial 1000 listed
        node Partial-1 Partial 1000 listed
        pod p10 Partial-1 9
        node x - 8000
    ";
    let (stage, (empty, drains)) = nodes_to_delete(Bounds { min: 0, max: 1000 }, lines);
    assert_eq!(empty, "Empty-0 Empty-1 Empty-2 Mixed-0 Partial-0 empty-0 empty-1 empty-2 mixed-0");
    assert_eq!(drains, "Mixed-1 Mixed-2 Partial-1 drain-0 drain-1 drain-2 mixed-1 mixed-2");
    assert_eq!(
        stays(&stage),
        "Needed-0=ScaleDownDisabledAnnotation Needed-1=AtomicScaleDownFailed \
         Needed-2=AtomicScaleDownFailed"
    );
}

/// `TestRemovableAt`: two nodes of the group are being deleted already.
#[test]
fn nodes_on_their_way_count_against_the_minimum_size() {
    for (name, drain_count, target, expected) in [
        ("the minimum is far", 2, 10, (3, 2)),
        ("the minimum keeps one to drain", 5, 10, (3, 4)),
        ("the minimum keeps empty ones too", 5, 5, (2, 0)),
    ] {
        let settings = Settings {
            max_scale_down_parallelism: 100,
            max_drain_parallelism: 100,
            scale_down_delay_after_delete: SimDuration::ZERO,
            ..at_once()
        };
        let mut stage = Stage::new(
            settings,
            "group ng 1
            node x - 64000
            node going-1 ng 1000
            node going-2 ng 1000
            node kept ng 1000 kept",
        );
        stage.run_loop();
        assert_eq!(names_started(&stage, |_| true), "going-1 going-2", "{name}");
        for number in 0..3 {
            stage.add(&format!("node empty-{number} ng 1000"));
        }
        for number in 0..drain_count {
            stage.add(&format!("node drain-{number} ng 1000"));
            stage.add(&format!("pod p{number} drain-{number} 9"));
        }
        let group = stage.cluster.find_group("ng").expect("the group is there");
        stage.cluster.set_target_size(group, target);
        stage.now += SimDuration::from_secs(1);
        stage.run_loop();
        let started = &stage.last.as_ref().expect("a loop ran").started;
        let count = |cause| started.iter().filter(|one| one.cause == cause).count();
        let found = (count(DeletionCause::Empty), count(DeletionCause::Underutilized));
        assert_eq!(found, expected, "{name}");
    }
}

/// The deletions that start after an hour, of empty nodes and with a drain. Of the group `Partial`
/// three machines were asked for.
fn nodes_to_delete(cores_total: Bounds, lines: &str) -> (Stage, (String, String)) {
    let settings = Settings {
        max_scale_down_parallelism: 100,
        max_drain_parallelism: 100,
        cores_total,
        ..Settings::default()
    };
    let mut stage = Stage::new(settings, lines);
    if let Some(partial) = stage.cluster.find_group("Partial") {
        stage.cluster.set_target_size(partial, 3);
    }
    stage.scale_down.keep_findings();
    stage.run_loop();
    stage.scale_down.take_back_promise();
    stage.now += SimDuration::from_hours(1);
    stage.run_loop();
    let of = |cause| names_started(&stage, |one| one == cause);
    let found = (of(DeletionCause::Empty), of(DeletionCause::Underutilized));
    (stage, found)
}

fn names_started(stage: &Stage, is_wanted: impl Fn(DeletionCause) -> bool) -> String {
    let started = &stage.last.as_ref().expect("a loop ran").started;
    names(stage, started.iter().filter(|one| is_wanted(one.cause)).map(|one| one.node))
}
