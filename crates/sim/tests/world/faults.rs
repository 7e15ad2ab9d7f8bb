//! What can go wrong in the cloud.

use expect_test::expect;
use plimsoll_sim::Command;
use serde_json::{Value, json};

use crate::objects::{group, node, scenario, workload};
use crate::play::Play;

/// A group without nodes, and one fault at 10 s.
fn with_fault(fault: &Value) -> Play {
    Play::new(vec![scenario(&json!([{"at": "10s", "fault": fault}])), group("a")])
}

#[test]
fn in_a_stock_out_an_increase_is_accepted_and_its_machines_fail_at_once_and_cost_nothing() {
    let mut play = with_fault(&json!({"stockOut": {"group": "a", "for": "60s"}}));
    play.until(10).increase("a", 2).until(69).increase("a", 1).until(70).increase("a", 1);
    play.until(600);
    expect![[r#"
        0s     group a pays for 0
        10s    group a from 0 to 2
               group a pays for 0
        1m9s   group a from 2 to 3
               group a pays for 0
        1m10s  group a from 3 to 4
               group a pays for 1
        2m40s  node a-4
    "#]]
    .assert_eq(&play.log());
    expect![[r#"
        target 4
        plimsoll://a/a-1 STOCKOUT
        plimsoll://a/a-2 STOCKOUT
        plimsoll://a/a-3 STOCKOUT
        plimsoll://a/a-4 Running
    "#]]
    .assert_eq(&play.cloud("a"));
    let ids = ["a-1", "a-2", "a-3"].map(|name| format!("plimsoll://a/{name}").into()).to_vec();
    let group = play.group("a");
    play.command(&Command::DeleteInstances { group, ids });
    expect![[r#"
        10m    group a pays for 1
               group a without a-1, a-2, a-3
    "#]]
    .assert_eq(&play.log());
    expect![[r#"
        target 1
        plimsoll://a/a-4 Running
    "#]]
    .assert_eq(&play.cloud("a"));
}

#[test]
fn a_short_stock_out_does_not_end_a_longer_one() {
    let mut play = Play::new(vec![
        scenario(&json!([
            {"at": "10s", "fault": {"stockOut": {"group": "a", "for": "10m"}}},
            {"at": "20s", "fault": {"stockOut": {"group": "a", "for": "10s"}}},
        ])),
        group("a"),
    ]);
    play.until(60).increase("a", 1);
    expect![[r#"
        target 1
        plimsoll://a/a-1 STOCKOUT
    "#]]
    .assert_eq(&play.cloud("a"));
}

#[test]
fn lazy_machines_stay_in_creation_for_ever_and_cost() {
    let mut play = with_fault(&json!({"lazyNodes": {"group": "a", "for": "60s"}}));
    play.until(10).increase("a", 1).until(70).increase("a", 1).until(6000);
    expect![[r#"
        0s     group a pays for 0
        10s    group a from 0 to 1
               group a pays for 1
        1m10s  group a from 1 to 2
               group a pays for 2
        2m40s  node a-2
    "#]]
    .assert_eq(&play.log());
    expect![[r#"
        target 2
        plimsoll://a/a-1 Creating
        plimsoll://a/a-2 Running
    "#]]
    .assert_eq(&play.cloud("a"));
}

#[test]
fn launch_failures_hit_so_many_machines_and_are_no_stock_out() {
    let mut play = with_fault(&json!({"launchFailure": {"group": "a", "count": 2}}));
    play.until(10).increase("a", 3).until(600);
    expect![[r#"
        0s     group a pays for 0
        10s    group a from 0 to 3
               group a pays for 1
        1m40s  node a-3
    "#]]
    .assert_eq(&play.log());
    expect![[r#"
        target 3
        plimsoll://a/a-1 LAUNCH_FAILED
        plimsoll://a/a-2 LAUNCH_FAILED
        plimsoll://a/a-3 Running
    "#]]
    .assert_eq(&play.cloud("a"));
    let errors = play.world.cluster.group(play.group("a")).instances.clone();
    let out_of_resources =
        |index: usize| errors[index].error.as_ref().map(|one| one.out_of_resources);
    assert_eq!([0, 1, 2].map(out_of_resources), [Some(false), Some(false), None]);
}

#[test]
fn machines_that_never_register_run_without_a_node() {
    let mut play = with_fault(&json!({"neverRegister": {"group": "a", "nodes": 1}}));
    play.until(10).increase("a", 2).until(600);
    expect![[r#"
        0s     group a pays for 0
        10s    group a from 0 to 2
               group a pays for 2
        1m40s  node a-2
    "#]]
    .assert_eq(&play.log());
    expect![[r#"
        target 2
        plimsoll://a/a-1 Running
        plimsoll://a/a-2 Running
    "#]]
    .assert_eq(&play.cloud("a"));
}

#[test]
fn slow_registration_adds_to_the_boot_delay_of_machines_asked_for_in_its_time() {
    let mut play =
        with_fault(&json!({"slowRegistration": {"group": "a", "by": "5m", "for": "60s"}}));
    play.until(10).increase("a", 1).until(70).increase("a", 1).until(600);
    expect![[r#"
        0s     group a pays for 0
        10s    group a from 0 to 1
               group a pays for 1
        1m10s  group a from 1 to 2
               group a pays for 2
        2m40s  node a-2
        6m40s  node a-1
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn a_reclaimed_machine_takes_its_pods_along_and_the_cloud_asks_for_another() {
    let mut play = Play::new(vec![
        scenario(&json!([{"at": "10s", "fault": {"spotReclaim": {"group": "a", "nodes": 1}}}])),
        group("a"),
        node("a-1", "a"),
        workload("ReplicaSet", "web", 1, "3"),
    ]);
    play.log();
    play.until(600);
    expect![[r#"
        10s    pod web-1 gone: NodeGone
               node a-1 gone
               group a pays for 1
               pod web-2 made
        1m40s  node a-2
               pod web-2 on a-2
    "#]]
    .assert_eq(&play.log());
    expect![[r#"
        target 1
        plimsoll://a/a-2 Running
    "#]]
    .assert_eq(&play.cloud("a"));
}

#[test]
fn a_provider_that_is_down_refuses_every_call_and_changes_nothing() {
    let mut play = Play::new(vec![
        scenario(&json!([{"at": "10s", "fault": {"providerDown": {"for": "60s"}}}])),
        group("a"),
        node("a-1", "a"),
    ]);
    play.log();
    play.until(10).increase("a", 1).delete_node("a-1");
    let group = play.group("a");
    play.command(&Command::DecreaseTarget { group, by: 1 });
    play.command(&Command::DeleteInstances { group, ids: Vec::new() });
    play.until(70).increase("a", 1);
    expect![[r#"
        10s    refused: the cloud provider is unavailable
               refused: the cloud provider is unavailable
               refused: the cloud provider is unavailable
               refused: the cloud provider is unavailable
        1m10s  group a from 1 to 2
               group a pays for 2
    "#]]
    .assert_eq(&play.log());
}
