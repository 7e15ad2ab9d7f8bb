//! Disruption budgets and grace periods: who may go, and when they are gone.

use expect_test::expect;
use serde_json::json;

use crate::objects::{budget, group, node, owned_pod, scenario, scenario_with, workload};
use crate::play::Play;

#[test]
fn evictions_of_one_instant_share_what_a_budget_allowed_at_its_beginning() {
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group("a"),
        node("a-1", "a"),
        workload("ReplicaSet", "web", 3, "1"),
        budget("web", 1),
    ]);
    play.log();
    play.until(10).evict("web-1").evict("web-2").settle();
    expect![[r#"
        10s    pod web-1 gone: Evicted
               refused: Cannot evict pod as it would violate the pod's disruption budget.
               pod web-4 made
               pod web-4 on a-1
    "#]]
    .assert_eq(&play.log());
    // The new pod is bound by now, so that another may go.
    play.evict("web-2").settle();
    expect![[r#"
        10s    pod web-2 gone: Evicted
               pod web-5 made
               pod web-5 on a-1
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn a_budget_stays_used_while_the_new_pod_waits() {
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group("a"),
        node("a-1", "a"),
        node("a-2", "a"),
        workload("ReplicaSet", "web", 2, "4"),
        budget("web", 1),
    ]);
    play.until(10);
    let on = play.world.cluster.pod(play.pod("web-1")).node.expect("it is bound");
    play.log();
    play.evict("web-1");
    play.world.command(&cordon(on)).expect("the node is there");
    play.settle().until(20).evict("web-2");
    expect![[r#"
        10s    pod web-1 gone: Evicted
               pod web-3 made
        20s    refused: Cannot evict pod as it would violate the pod's disruption budget.
    "#]]
    .assert_eq(&play.log());
}

fn cordon(node: plimsoll_core::ids::NodeId) -> plimsoll_sim::Command {
    plimsoll_sim::Command::SetTaints { node, taints: Vec::new(), unschedulable: true }
}

#[test]
fn a_budget_holds_for_pods_whose_controller_no_file_describes() {
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group("a"),
        node("a-1", "a"),
        owned_pod("web-1", "web", "1", "a-1"),
        owned_pod("web-2", "web", "1", "a-1"),
        budget("web", 1),
    ]);
    play.log();
    play.evict("web-1").evict("web-2");
    expect![[r#"
        0s     pod web-1 gone: Evicted
               refused: Cannot evict pod as it would violate the pod's disruption budget.
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn with_grace_periods_a_pod_holds_its_room_until_its_period_is_over() {
    let mut web = workload("ReplicaSet", "web", 1, "3");
    web["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(45);
    let mut play = Play::new(vec![
        scenario_with(&json!([]), &json!({"gracePeriods": true})),
        group("a"),
        node("a-1", "a"),
        web,
    ]);
    play.log();
    play.until(10).evict("web-1").settle().until(600);
    expect![[r#"
        10s    pod web-1 asked to go: Evicted
               pod web-2 made
        55s    pod web-1 gone: Evicted
               pod web-2 on a-1
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn a_pod_that_is_going_uses_its_budget_once_and_is_not_healthy_any_more() {
    let mut play = Play::new(vec![
        scenario_with(&json!([]), &json!({"gracePeriods": true})),
        group("a"),
        node("a-1", "a"),
        node("a-2", "a"),
        workload("ReplicaSet", "web", 2, "3"),
        budget("web", 1),
    ]);
    play.log();
    // The new pod has no room while the old one is going: the budget must not allow a second.
    play.until(10).evict("web-1").settle().evict("web-1").evict("web-2").settle().until(600);
    expect![[r#"
        10s    pod web-1 asked to go: Evicted
               pod web-3 made
               refused: Cannot evict pod as it would violate the pod's disruption budget.
        40s    pod web-1 gone: Evicted
               pod web-3 on a-1
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn a_pod_that_was_going_when_the_file_was_written_goes_when_it_says_and_is_replaced_at_once() {
    let mut going = owned_pod("web-1", "web", "3", "a-1");
    going["metadata"]["deletionTimestamp"] = json!("2026-01-05T06:00:20Z");
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group("a"),
        node("a-1", "a"),
        workload("ReplicaSet", "web", 1, "3"),
        going,
    ]);
    play.until(60);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               pod web-1 made
               pod web-1 on a-1
               group a pays for 1
               pod web-2 made
        20s    pod web-1 gone: Deleted
               pod web-2 on a-1
    "#]]
    .assert_eq(&play.log());
}
