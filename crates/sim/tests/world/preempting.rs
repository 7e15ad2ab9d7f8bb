//! Pods of lower priority go for one that fits nowhere.

use expect_test::expect;
use serde_json::{Value, json};

use crate::objects::{bare_pod, group, node, scenario_with, workload};
use crate::play::Play;

/// One node with 4 cpu, full of three replicas of 1 cpu and priority −5, and an urgent pod of 2 cpu at 10 s.
fn urgent_pod_at_a_full_node(policy: &str, world: &Value) -> Play {
    let mut replicas = workload("ReplicaSet", "filler", 3, "1");
    replicas["spec"]["template"]["spec"]["priority"] = json!(-5);
    replicas["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(20);
    let mut urgent = bare_pod("urgent", "2", None);
    urgent["spec"]["priority"] = json!(10);
    urgent["spec"]["preemptionPolicy"] = json!(policy);
    Play::new(vec![
        scenario_with(&json!([{"at": "10s", "apply": urgent}]), world),
        group("a"),
        node("a-1", "a"),
        replicas,
    ])
}

#[test]
fn the_least_important_pods_go_and_are_made_anew() {
    let mut play = urgent_pod_at_a_full_node("PreemptLowerPriority", &json!({}));
    play.until(60);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               group a pays for 1
               pod filler-1 made
               pod filler-2 made
               pod filler-3 made
               pod filler-1 on a-1
               pod filler-2 on a-1
               pod filler-3 on a-1
        10s    pod urgent made
               pod urgent preempts filler-3 on a-1
               pod filler-3 gone: Preempted
               pod filler-4 made
               pod urgent on a-1
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn a_pod_waits_for_its_victims_to_leave_and_asks_nobody_else_to() {
    let mut play =
        urgent_pod_at_a_full_node("PreemptLowerPriority", &json!({"gracePeriods": true}));
    play.until(60);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               group a pays for 1
               pod filler-1 made
               pod filler-2 made
               pod filler-3 made
               pod filler-1 on a-1
               pod filler-2 on a-1
               pod filler-3 on a-1
        10s    pod urgent made
               pod urgent preempts filler-3 on a-1
               pod filler-3 asked to go: Preempted
               pod filler-4 made
        30s    pod filler-3 gone: Preempted
               pod urgent on a-1
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn a_pod_that_never_preempts_waits() {
    let mut play = urgent_pod_at_a_full_node("Never", &json!({}));
    play.until(60);
    let urgent = play.pod("urgent");
    assert_eq!(play.world.cluster.pod(urgent).node, None);
    assert_eq!(play.world.cluster.pod(urgent).nominated, None);
}
