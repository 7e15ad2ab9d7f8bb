//! Machines: asked for, booting, becoming Nodes, deleted.

use expect_test::expect;
use plimsoll_sim::Command;
use serde_json::json;

use crate::objects::{group, group_with, node, scenario, workload};
use crate::play::Play;

#[test]
fn a_machine_becomes_a_node_after_its_boot_delay_with_daemon_pods_before_waiting_ones() {
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group("a"),
        workload("DaemonSet", "agent", 0, "500m"),
        workload("ReplicaSet", "web", 2, "2"),
    ]);
    play.increase("a", 1).until(200);
    expect![[r#"
        0s     group a pays for 0
               pod web-1 made
               pod web-2 made
               group a from 0 to 1
               group a pays for 1
        1m30s  node a-1
               pod agent-a-1 made
               pod agent-a-1 on a-1
               pod web-1 on a-1
    "#]]
    .assert_eq(&play.log());
    expect![[r#"
        target 1
        plimsoll://a/a-1 Running
    "#]]
    .assert_eq(&play.cloud("a"));
    let node = play.node("a-1");
    let label = |key| play.world.cluster.node_label(node, key);
    assert_eq!(label("plimsoll.dev/node-group"), Some("a"));
    assert_eq!(label("kubernetes.io/hostname"), Some("a-1"));
}

#[test]
fn numbers_count_up_from_the_nodes_of_the_start_over_all_machines_ever_asked_for() {
    let mut play = Play::new(vec![
        scenario(&json!([{"at": "10s", "fault": {"stockOut": {"group": "a", "for": "1m"}}}])),
        group("a"),
        node("a-3", "a"),
    ]);
    play.log();
    play.increase("a", 1).until(20).increase("a", 1).until(70).increase("a", 1).until(300);
    expect![[r#"
        0s     group a from 1 to 2
               group a pays for 2
        20s    group a from 2 to 3
               group a pays for 2
        1m10s  group a from 3 to 4
               group a pays for 3
        1m30s  node a-4
        2m40s  node a-6
    "#]]
    .assert_eq(&play.log());
    expect![[r#"
        target 4
        plimsoll://a/a-3 Running
        plimsoll://a/a-4 Running
        plimsoll://a/a-5 STOCKOUT
        plimsoll://a/a-6 Running
    "#]]
    .assert_eq(&play.cloud("a"));
}

#[test]
fn machines_that_a_target_counts_and_nobody_lists_are_booting() {
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group_with("a", &json!("90s"), &json!({"targetSize": 3})),
        node("a-2", "a"),
    ]);
    play.until(90);
    expect![[r#"
        0s     group a pays for 1
               node a-2
               group a pays for 3
        1m30s  node a-3
               node a-4
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn a_machine_that_the_file_lists_keeps_its_number_to_itself() {
    let listed = json!({"targetSize": 2, "instances": [
        {"id": "plimsoll://a/a-1", "state": "Creating"}]});
    let play = Play::new(vec![scenario(&json!([])), group_with("a", &json!("90s"), &listed)]);
    expect![[r#"
        target 2
        plimsoll://a/a-1 Creating
        plimsoll://a/a-2 Creating
    "#]]
    .assert_eq(&play.cloud("a"));
}

#[test]
fn a_deleted_node_is_gone_at_once_with_its_machine_and_lowers_the_target() {
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group("a"),
        node("a-1", "a"),
        node("a-2", "a"),
        workload("DaemonSet", "agent", 0, "500m"),
    ]);
    play.log();
    play.until(30).delete_node("a-1").settle();
    expect![[r#"
        30s    pod agent-a-1 gone: NodeGone
               node a-1 gone
               group a pays for 1
    "#]]
    .assert_eq(&play.log());
    expect![[r#"
        target 1
        plimsoll://a/a-2 Running
    "#]]
    .assert_eq(&play.cloud("a"));
}

#[test]
fn a_machine_that_is_deleted_while_it_boots_never_becomes_a_node() {
    let mut play = Play::new(vec![scenario(&json!([])), group("a")]);
    play.increase("a", 2).until(10);
    let group = play.group("a");
    let ids = vec!["plimsoll://a/a-1".into()];
    play.command(&Command::DeleteInstances { group, ids }).until(200);
    expect![[r#"
        0s     group a pays for 0
               group a from 0 to 2
               group a pays for 2
        10s    group a pays for 1
               group a without a-1
        1m30s  node a-2
    "#]]
    .assert_eq(&play.log());
    expect![[r#"
        target 1
        plimsoll://a/a-2 Running
    "#]]
    .assert_eq(&play.cloud("a"));
}

#[test]
fn an_increase_above_the_maximum_is_refused_whole() {
    let mut play = Play::new(vec![scenario(&json!([])), group("a")]);
    play.increase("a", 3).increase("a", 3);
    expect![[r#"
        0s     group a pays for 0
               group a from 0 to 3
               group a pays for 3
               refused: size increase too large - desired:6 max:5
    "#]]
    .assert_eq(&play.log());
    expect![[r#"
        target 3
        plimsoll://a/a-1 Creating
        plimsoll://a/a-2 Creating
        plimsoll://a/a-3 Creating
    "#]]
    .assert_eq(&play.cloud("a"));
}

#[test]
fn a_target_is_not_lowered_below_the_machines_there_are() {
    let mut play = Play::new(vec![scenario(&json!([])), group("a"), node("a-1", "a")]);
    play.increase("a", 1);
    play.log();
    let group = play.group("a");
    play.command(&Command::DecreaseTarget { group, by: 1 });
    play.command(&Command::DecreaseTarget { group, by: 3 });
    expect![[r#"
        0s     refused: attempt to delete existing nodes targetSize:2 delta:-1 existingNodes: 2
               refused: attempt to delete existing nodes targetSize:2 delta:-3 existingNodes: 2
    "#]]
    .assert_eq(&play.log());
    expect![[r#"
        target 2
        plimsoll://a/a-1 Running
        plimsoll://a/a-2 Creating
    "#]]
    .assert_eq(&play.cloud("a"));
}

#[test]
fn boot_delays_with_percentiles_are_drawn_from_the_seed() {
    let boots = |seed| {
        let delay = json!({"p50": "60s", "p99": "240s"});
        let objects =
            vec![scenario(&json!([])), group_with("a", &delay, &json!({"targetSize": 4}))];
        Play::with_seed(objects, seed).until(1000).log()
    };
    expect![[r#"
        0s     group a pays for 4
        15s    node a-4
        25s    node a-1
        44s    node a-3
        48s    node a-2
    "#]]
    .assert_eq(&boots(1));
    assert_eq!(boots(1), boots(1));
    assert_ne!(boots(1), boots(2));
}

#[test]
fn listed_machines_that_are_being_created_boot_and_others_do_not() {
    let error = json!({"class": "OutOfResources", "code": "STOCKOUT", "message": "none left"});
    let listed = json!({"targetSize": 5, "instances": [
        {"id": "aws:///eu-1a/i-0abc", "state": "Creating"},
        {"id": "plimsoll://a/a-2", "state": "Creating"},
        {"id": "plimsoll://a/a-3", "state": "Creating", "error": error},
        {"id": "plimsoll://a/a-4", "state": "Deleting"},
        {"id": "plimsoll://a/a-5", "state": "Creating"}]});
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group_with("a", &json!("90s"), &listed),
        node("a-5", "a"),
    ]);
    play.until(200);
    expect![[r#"
        0s     group a pays for 4
               node a-5
               group a pays for 4
        1m30s  node i-0abc
               node a-2
    "#]]
    .assert_eq(&play.log());
    expect![[r#"
        target 5
        aws:///eu-1a/i-0abc Running
        plimsoll://a/a-2 Running
        plimsoll://a/a-3 STOCKOUT
        plimsoll://a/a-4 Deleting
        plimsoll://a/a-5 Creating
    "#]]
    .assert_eq(&play.cloud("a"));
}
