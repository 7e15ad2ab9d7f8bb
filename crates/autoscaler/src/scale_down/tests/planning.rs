//! What one loop finds.

use expect_test::{Expect, expect};
use plimsoll_core::{SimDuration, SimTime};

use super::stage::{Stage, at_once, one_loop};
use crate::Settings;
use crate::settings::Bounds;

fn check(settings: Settings, lines: &str, expected: &Expect) {
    expected.assert_eq(&one_loop(settings, lines));
}

#[test]
fn nodes_of_no_group_and_of_groups_at_their_minimum_are_no_candidates() {
    let lines = "
        group a 1
        node a1 a 4000
        node x - 4000
    ";
    check(
        at_once(),
        lines,
        &expect![[r#"
        NoCandidates
    "#]],
    );
}

#[test]
fn utilization_above_the_threshold_blocks_and_equal_does_not() {
    let lines = "
        group a 0
        node a1 a 4000
        node a2 a 4000
        node x - 4000
        pod even a1 2000
        pod more a2 2001
    ";
    check(
        at_once(),
        lines,
        &expect![[r#"
        NodeDeleteStarted
        starts a1 underutilized [even]
        unneeded a1 since 0s
        stays a2 NotUnderutilized
    "#]],
    );
}

#[test]
fn daemon_set_pods_can_be_left_out_of_both_sides() {
    let lines = "
        group a 0
        node a1 a 4000
        node x - 4000
        pod logs a1 1000 daemon
        pod web a1 1500
    ";
    check(
        at_once(),
        lines,
        &expect![[r#"
        NoNodeDeleted
        stays a1 NotUnderutilized
    "#]],
    );
    // 1500 of 3000 is just the threshold; one more is not.
    let settings = Settings { ignore_daemonsets_utilization: true, ..at_once() };
    check(
        settings.clone(),
        lines,
        &expect![[r#"
        NodeDeleteStarted
        starts a1 underutilized [web]
        unneeded a1 since 0s
    "#]],
    );
    check(
        settings,
        &lines.replace("1500", "1501"),
        &expect![[r#"
        NoNodeDeleted
        stays a1 NotUnderutilized
    "#]],
    );
}

#[test]
fn a_node_with_gpus_is_judged_by_them_alone() {
    let lines = "
        group a 0
        node a1 a 4000 gpu=4
        node a2 a 4000 gpu=4
        node x - 9000 gpu=8
        pod busy a1 100 gpu=3
        pod idle a2 3900 gpu=2
    ";
    check(
        at_once(),
        lines,
        &expect![[r#"
        NodeDeleteStarted
        starts a2 underutilized [idle]
        unneeded a2 since 0s
        stays a1 NotUnderutilized
    "#]],
    );
}

#[test]
fn empty_nodes_go_first_and_one_drain_beside_them() {
    let lines = "
        group a 0
        node a1 a 4000
        node a2 a 4000
        node a3 a 4000
        node x - 9000
        pod one a1 500
        pod two a2 500
        pod logs a3 100 daemon
    ";
    check(
        at_once(),
        lines,
        &expect![[r#"
        NodeDeleteStarted
        starts a3 empty []
        starts a1 underutilized [one]
        unneeded a3 since 0s
        unneeded a1 since 0s
        unneeded a2 since 0s
    "#]],
    );
}

#[test]
fn the_planner_stops_after_twice_the_parallelism() {
    let mut lines = "group a 0\n".to_owned();
    for index in 0..8 {
        lines.push_str(&format!("node a{index} a 4000\n"));
    }
    let settings = Settings { max_scale_down_parallelism: 3, ..at_once() };
    check(
        settings,
        &lines,
        &expect![[r#"
        NodeDeleteStarted
        starts a0 empty []
        starts a1 empty []
        starts a2 empty []
        unneeded a0 since 0s
        unneeded a1 since 0s
        unneeded a2 since 0s
        unneeded a3 since 0s
        unneeded a4 since 0s
        unneeded a5 since 0s
    "#]],
    );
}

#[test]
fn pods_of_unmovable_kinds_keep_their_node_and_say_so() {
    let lines = "
        group a 0
        node a1 a 4000
        node a2 a 4000
        node a3 a 4000
        node a4 a 4000 kept
        node x - 9000
        pod alone a1 100 bare
        pod batch a2 100 bare safe=on-completion
        pod large a3 1900 only=a3
    ";
    check(
        at_once(),
        lines,
        &expect![[r#"
        NoNodeDeleted
        unneeded a2 since 0s
        stays a1 BlockedByPod alone NotReplicated
        stays a2 BlockedByOnCompletionPod
        stays a3 NoPlaceToMovePods
        stays a4 ScaleDownDisabledAnnotation
    "#]],
    );
}

#[test]
fn a_node_that_only_waits_for_pods_is_tried_before_nodes_with_pods_to_move() {
    // By id the other one would go first, with its pod to the one that waits.
    let lines = "
        group a 0
        node a1 a 4000
        node a2 a 4000
        pod web a1 1000
        pod batch a2 100 bare safe=on-completion
    ";
    check(
        at_once(),
        lines,
        &expect![[r#"
        NoNodeDeleted
        unneeded a2 since 0s
        stays a1 NoPlaceToMovePods
        stays a2 BlockedByOnCompletionPod
    "#]],
    );
}

#[test]
fn a_node_that_stays_is_looked_at_again_by_a_loop_that_comes_late() {
    let mut stage = Stage::new(
        at_once(),
        "
        group a 0
        node a1 a 4000
        node x - 9000
        pod alone a1 100 bare
    ",
    );
    stage.scale_down.keep_findings();
    stage.run_loop();
    let first = stage.findings();
    stage.now = SimTime::default() + SimDuration::from_secs(605);
    stage.scale_down.take_back_promise();
    stage.run_loop();
    assert_eq!(stage.findings(), first, "no loop looked again in between");
}

#[test]
fn a_budget_is_used_up_by_the_nodes_found_before() {
    let lines = "
        group a 0
        node a1 a 4000
        node a2 a 4000
        node x - 9000
        pod one a1 100 app=web
        pod two a2 100 app=web
        budget web 1
    ";
    check(
        at_once(),
        lines,
        &expect![[r#"
        NodeDeleteStarted
        starts a1 underutilized [one]
        unneeded a1 since 0s
        stays a2 BlockedByPod two NotEnoughPdb
    "#]],
    );
}

#[test]
fn a_node_whose_pods_cannot_all_go_at_one_time_goes_after_the_others() {
    let lines = "
        group a 0
        node x - 9000
        node a1 a 4000
        node a2 a 4000
        pod one a1 100 app=web
        pod two a1 100 app=web
        pod other a2 100
        budget web 1
    ";
    check(
        at_once(),
        lines,
        &expect![[r#"
            NodeDeleteStarted
            starts a1 underutilized [one two]
            unneeded a1 since 0s
            stays a2 BlockedByPod two NotEnoughPdb
        "#]],
    );
}

#[test]
fn cordoned_nodes_take_no_pods_but_unready_ones_do() {
    let lines = "
        group a 0
        node a1 a 4000
        node x - 9000 cordoned
        pod web a1 100
    ";
    check(
        at_once(),
        lines,
        &expect![[r#"
        NoNodeDeleted
        stays a1 NoPlaceToMovePods
    "#]],
    );
    check(
        at_once(),
        &lines.replace("cordoned", "unready"),
        &expect![[r#"
        NodeDeleteStarted
        starts a1 underutilized [web]
        unneeded a1 since 0s
    "#]],
    );
}

#[test]
fn pending_pods_that_fit_count_and_need_another_place_too() {
    let lines = "
        group a 0
        node a1 a 4000
        pod web - 1000
    ";
    check(
        at_once(),
        lines,
        &expect![[r#"
        NoNodeDeleted
        stays a1 NoPlaceToMovePods
    "#]],
    );
    check(
        at_once(),
        &format!("{lines}\n node x - 9000"),
        &expect![[r#"
        NodeDeleteStarted
        starts a1 underutilized []
        unneeded a1 since 0s
    "#]],
    );
}

#[test]
fn minimum_size_counts_per_node_accepted() {
    let lines = "
        group a 2
        node a1 a 4000
        node a2 a 4000
        node a3 a 4000
        node a4 a 4000
    ";
    check(
        at_once(),
        lines,
        &expect![[r#"
        NodeDeleteStarted
        starts a1 empty []
        starts a2 empty []
        unneeded a1 since 0s
        unneeded a2 since 0s
        unneeded a3 since 0s
        unneeded a4 since 0s
        stays a3 NodeGroupMinSizeReached
        stays a4 NodeGroupMinSizeReached
    "#]],
    );
}

#[test]
fn the_cluster_keeps_its_minimum_of_cores() {
    let lines = "
        group a 0
        node a1 a 4000
        node a2 a 4000
        node a3 a 4000
    ";
    let settings = Settings { cores_total: Bounds { min: 7, max: 1000 }, ..at_once() };
    check(
        settings,
        lines,
        &expect![[r#"
        NodeDeleteStarted
        starts a1 empty []
        unneeded a1 since 0s
        unneeded a2 since 0s
        unneeded a3 since 0s
        stays a2 MinimalResourceLimitExceeded
        stays a3 MinimalResourceLimitExceeded
    "#]],
    );
}

#[test]
fn a_deletion_taint_is_believed_for_five_minutes() {
    let lines = "
        group a 0
        node a1 a 4000 taint=299
        node a2 a 4000 taint=300
    ";
    check(
        at_once(),
        lines,
        &expect![[r#"
        NodeDeleteStarted
        starts a2 empty []
        unneeded a2 since 0s
        stays a1 CurrentlyBeingDeleted
    "#]],
    );
}

#[test]
fn unready_nodes_have_their_own_flags() {
    let lines = "
        group a 0
        node a1 a 4000 unready
    ";
    let settings = Settings { scale_down_unready_time: SimDuration::from_mins(1), ..at_once() };
    check(
        settings,
        lines,
        &expect![[r#"
        NoNodeDeleted
        unneeded a1 since 0s
        stays a1 NotUnreadyLongEnough
    "#]],
    );
    let settings = Settings { scale_down_unready_enabled: false, ..at_once() };
    check(
        settings,
        lines,
        &expect![[r#"
        NoNodeDeleted
        stays a1 ScaleDownUnreadyDisabled
    "#]],
    );
}

#[test]
fn pods_moved_in_by_the_simulation_are_moved_again_but_not_named() {
    let lines = "
        group a 0
        node a1 a 4000
        node a2 a 4000
        node x - 4000
        pod one a1 900
        pod two a2 900
        pod filler x 2000
    ";
    let settings = Settings { max_drain_parallelism: 5, ..at_once() };
    check(
        settings,
        lines,
        &expect![[r#"
        NodeDeleteStarted
        starts a1 underutilized [one]
        starts a2 underutilized [two]
        unneeded a1 since 0s
        unneeded a2 since 0s
    "#]],
    );
}

#[test]
fn what_was_found_is_told_once() {
    let mut stage = Stage::new(
        Settings::default(),
        "
        group a 0
        node a1 a 4000
        node a2 a 4000
        pod alone a1 100 bare
        ",
    );
    stage.tells_reasons = true;
    stage.run_until(700);
    expect![[r#"
        0s node a1: BlockedByPod: shop/alone (NotReplicated)
        0s node a2: unneeded
        0s a2 soft
        610s node a2: removing empty node
        610s a2 marked
        615s a2 deleted (empty, decided 5s ago)
    "#]]
    .assert_eq(&stage.log);
}
