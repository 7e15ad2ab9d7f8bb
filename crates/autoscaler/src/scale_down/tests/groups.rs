//! Groups with options of their own, and groups that go as a whole.
//!
//! Cases after `unneeded/nodes_test.go`, `planner_test.go`, `scale_down_set_processor_test.go` and
//! `actuation/group_deletion_scheduler_test.go` of release 1.36, with inputs of our own.

use expect_test::expect;
use plimsoll_core::SimDuration;

use super::stage::{Stage, at_once, one_loop};
use crate::Settings;

#[test]
fn each_group_waits_for_as_long_as_its_own_options_say() {
    let mut stage = Stage::new(
        Settings::default(),
        "
        group a 0
        group b 0 unneeded=60
        group c 0 unneeded=0
        group d 0 unready=120
        node a1 a 4000
        node b1 b 4000
        node c1 c 4000
        node d1 d 4000 unready
        node x - 4000
    ",
    );
    stage.run_until(700);
    let deleted: Vec<&str> = stage.log.lines().filter(|line| line.contains("deleted")).collect();
    expect![[r#""#]].assert_eq(&deleted.join("\n"));
}

#[test]
fn each_group_has_its_own_threshold_and_its_own_view_of_daemon_sets() {
    // Of every node half is asked for, by a pod of a DaemonSet and another one.
    let pods =
        |node: &str| format!("pod logs-{node} {node} 1000 daemon\npod web-{node} {node} 1000");
    let lines = format!(
        "
        group a 0
        group b 0 threshold=0.4
        group c 0 threshold=0.4 ignores-daemons
        node a1 a 4000
        node b1 b 4000
        node c1 c 4000
        node x - 64000
        {}\n{}\n{}",
        pods("a1"),
        pods("b1"),
        pods("c1")
    );
    let settings = Settings { max_drain_parallelism: 5, ..at_once() };
    expect![[r#""#]].assert_eq(&one_loop(settings, &lines));
}

#[test]
fn a_group_that_goes_as_a_whole_stays_while_one_of_its_nodes_is_needed() {
    let lines = "
        group a 0 atomic
        node a1 a 4000
        node a2 a 4000
        node a3 a 4000
        group b 0
        node b1 b 4000
        node x - 64000
        pod web a2 3000
    ";
    expect![[r#""#]].assert_eq(&one_loop(at_once(), lines));
}

#[test]
fn a_group_that_goes_as_a_whole_goes_first_and_beyond_the_budget() {
    let lines = "
        group b 0
        node b1 b 4000
        group a 0 atomic
        node a1 a 4000
        node a2 a 4000
        node a3 a 4000
        node x - 64000
    ";
    let settings = Settings { max_scale_down_parallelism: 2, ..at_once() };
    expect![[r#""#]].assert_eq(&one_loop(settings, lines));
}

#[test]
fn nodes_of_a_group_that_goes_as_a_whole_do_not_count_as_enough_found() {
    let nodes: Vec<String> = (1..=9).map(|number| format!("node a{number} a 4000")).collect();
    let lines = format!("group a 0 atomic\nnode x - 64000\n{}", nodes.join("\n"));
    let settings = Settings { max_scale_down_parallelism: 1, ..Settings::default() };
    let mut stage = Stage::new(settings, &lines);
    stage.run_loop();
    assert_eq!(
        stage.scale_down.unneeded().len(),
        9,
        "of an ordinary group two would be looked for"
    );
}

#[test]
fn all_nodes_of_the_group_wait_for_the_last_one_and_go_together() {
    let settings = Settings { max_drain_parallelism: 3, ..at_once() };
    let mut stage = Stage::new(
        settings,
        "
        group a 0 atomic
        node a1 a 4000
        node a2 a 4000
        node a3 a 4000 delayed
        node x - 64000
        pod web a2 1000
    ",
    );
    stage.run_until(200);
    expect![[r#""#]].assert_eq(&stage.log);
}

#[test]
fn where_one_node_cannot_be_drained_all_of_the_group_stay() {
    let settings = Settings {
        max_drain_parallelism: 3,
        scale_down_delay_after_delete: SimDuration::from_mins(10),
        ..at_once()
    };
    let mut stage = Stage::new(
        settings,
        "
        group a 0 atomic
        node a1 a 4000
        node a2 a 4000
        node x - 64000
        pod web a2 1000 app=web
        budget web 1
    ",
    );
    stage.run_until(3);
    // Somebody else uses the budget up between the decision and the drain.
    let budget = stage.cluster.budgets().next().expect("there is one").0;
    stage.cluster.use_budget(budget, 1);
    stage.run_until(200);
    let told: Vec<&str> = stage.log.lines().filter(|line| !line.contains("refused")).collect();
    expect![[r#""#]].assert_eq(&told.join("\n"));
}
