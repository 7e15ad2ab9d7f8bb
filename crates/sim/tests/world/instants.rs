//! What happens in which order, and how pods wait.

use expect_test::expect;
use serde_json::{Value, json};

use crate::objects::{bare_pod, group, job, node, scenario, scenario_with, workload};
use crate::play::Play;

#[test]
fn within_an_instant_pods_finish_then_machines_come_up_then_the_scenario_speaks() {
    let mut play = Play::new(vec![
        scenario(&json!([
            {"at": "90s", "scale": {"replicaSet": "shop/web", "replicas": 1}},
            {"at": "90s", "apply": bare_pod("alone", "1", None)},
        ])),
        group("a"),
        node("a-1", "a"),
        workload("ReplicaSet", "web", 0, "1"),
        job("batch", 1, 1, "90s"),
    ]);
    play.increase("a", 1).until(90);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               group a pays for 1
               pod batch-1 made
               pod batch-1 on a-1
               group a from 1 to 2
               group a pays for 2
        1m30s  pod batch-1 gone: Finished
               node a-2
               pod web-1 made
               pod alone made
               pod web-1 on a-1
               pod alone on a-2
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn waiting_pods_go_by_priority_then_by_the_order_in_which_they_were_made() {
    let mut urgent = bare_pod("urgent", "2", None);
    urgent["spec"]["priority"] = json!(100);
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group("a"),
        bare_pod("first", "2", None),
        bare_pod("second", "2", None),
        urgent,
    ]);
    play.increase("a", 1).until(90);
    expect![[r#"
        0s     pod first made
               pod second made
               pod urgent made
               group a pays for 0
               group a from 0 to 1
               group a pays for 1
        1m30s  node a-1
               pod urgent on a-1
               pod first on a-1
    "#]]
    .assert_eq(&play.log());
    let waits = play.pod("second");
    assert!(play.world.cluster.pod(waits).marked_unschedulable);
}

#[test]
fn a_pod_in_back_off_waits_for_its_end_although_it_would_fit() {
    let backoff = json!({"podBackoff": {"initial": "60s", "max": "5m"}});
    let mut play = Play::new(vec![
        scenario_with(&json!([{"at": "20s", "apply": node("x", "a")}]), &backoff),
        group("a"),
        workload("ReplicaSet", "web", 1, "3"),
    ]);
    play.until(600);
    expect![[r#"
        0s     group a pays for 0
               pod web-1 made
        20s    group a pays for 1
               node x
        1m     pod web-1 on x
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn a_pod_whose_back_off_is_over_is_placed_as_soon_as_there_is_room() {
    let backoff = json!({"podBackoff": {"initial": "60s", "max": "5m"}});
    let mut play = Play::new(vec![
        scenario_with(&json!([{"at": "70s", "apply": node("x", "a")}]), &backoff),
        group("a"),
        workload("ReplicaSet", "web", 1, "3"),
    ]);
    play.until(600);
    expect![[r#"
        0s     group a pays for 0
               pod web-1 made
        1m10s  group a pays for 1
               node x
               pod web-1 on x
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn nothing_happens_while_a_pod_waits_in_vain() {
    let backoff = json!({"podBackoff": {"initial": "1s", "max": "10s"}});
    let objects = |world: Value| {
        vec![scenario_with(&json!([]), &world), workload("ReplicaSet", "web", 1, "3")]
    };
    assert_eq!(Play::new(objects(json!({}))).world.next_event_at(), None);
    assert_eq!(Play::new(objects(backoff)).world.next_event_at(), None);
}

#[test]
fn the_time_a_pod_runs_for_counts_from_its_start_after_the_start_delay() {
    let mut play = Play::new(vec![
        scenario_with(&json!([]), &json!({"podStartDelay": "5s"})),
        group("a"),
        node("a-1", "a"),
        job("batch", 1, 1, "60s"),
    ]);
    play.until(600);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               group a pays for 1
               pod batch-1 made
               pod batch-1 on a-1
        1m5s   pod batch-1 gone: Finished
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn the_same_seed_gives_the_same_effects() {
    let log = || {
        let mut play = Play::with_seed(
            vec![
                scenario(&json!([
                    {"at": "10s", "fault": {"spotReclaim": {"group": "a", "nodes": 2}}}])),
                group("a"),
                node("a-1", "a"),
                node("a-2", "a"),
                node("a-3", "a"),
                workload("ReplicaSet", "web", 6, "1"),
            ],
            7,
        );
        play.until(600).log()
    };
    assert_eq!(log(), log());
}

#[test]
fn a_pod_of_another_scheduler_stays_marked_as_the_file_says() {
    let mut pod = bare_pod("theirs", "1", None);
    pod["spec"]["schedulerName"] = json!("their-scheduler");
    pod["status"] = json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]});
    let play = Play::new(vec![scenario(&json!([])), group("a"), node("a-1", "a"), pod]);
    assert!(play.world.cluster.pod(play.pod("theirs")).marked_unschedulable);
}

#[test]
fn a_nomination_lasts_until_the_pod_is_bound_or_its_node_goes() {
    let nominated = |name: &str, cpu: &str, node: &str| {
        let mut pod = bare_pod(name, cpu, None);
        pod["status"] = json!({"phase": "Pending", "nominatedNodeName": node});
        pod
    };
    // Room is kept for nominated pods only from those of no higher priority.
    let mut yielding = nominated("waits", "3", "a-1");
    yielding["spec"]["priority"] = json!(-1);
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group("a"),
        node("a-1", "a"),
        node("a-2", "a"),
        bare_pod("here", "3", Some("a-1")),
        bare_pod("there", "3", Some("a-2")),
        nominated("fits", "1", "a-1"),
        yielding,
        nominated("lost", "3", "a-9"),
        nominated("other", "3", "a-2"),
    ]);
    let nomination = |play: &Play, pod: &str| play.world.cluster.pod(play.pod(pod)).nominated;
    let (first, second) = (play.node("a-1"), play.node("a-2"));
    assert_eq!(nomination(&play, "fits"), None);
    assert_eq!(nomination(&play, "waits"), Some(first));
    assert_eq!(nomination(&play, "lost"), None);
    play.delete_node("a-1");
    assert_eq!(nomination(&play, "waits"), None);
    assert_eq!(nomination(&play, "other"), Some(second));
}
