//! Controllers: who makes pods, who loses them first, who makes them anew.

use expect_test::expect;
use serde_json::{Value, json};

use crate::objects::{bare_pod, group, job, node, owned_pod, scenario, workload};
use crate::play::Play;

#[test]
fn a_replica_set_counts_up_and_shrinks_by_pending_pods_first_then_by_the_highest_number() {
    let scale = |at: &str, replicas: u32| {
        let scale = json!({"replicaSet": "shop/web", "replicas": replicas});
        json!({"at": at, "scale": scale})
    };
    let mut play = Play::new(vec![
        scenario(&json!([scale("10s", 4), scale("20s", 3), scale("30s", 1), scale("40s", 2)])),
        group("a"),
        node("a-1", "a"),
        workload("ReplicaSet", "web", 3, "2"),
    ]);
    play.until(60);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               group a pays for 1
               pod web-1 made
               pod web-2 made
               pod web-3 made
               pod web-1 on a-1
               pod web-2 on a-1
        10s    pod web-4 made
        20s    pod web-4 gone: Deleted
        30s    pod web-3 gone: Deleted
               pod web-2 gone: Deleted
        40s    pod web-5 made
               pod web-5 on a-1
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn numbers_of_a_replica_set_go_on_from_the_pods_of_the_start() {
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group("a"),
        node("a-1", "a"),
        workload("ReplicaSet", "web", 3, "1"),
        owned_pod("web-7", "web", "1", "a-1"),
        owned_pod("web-x2x9z", "web", "1", "a-1"),
    ]);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               pod web-7 made
               pod web-7 on a-1
               pod web-x2x9z made
               pod web-x2x9z on a-1
               group a pays for 1
               pod web-9 made
               pod web-9 on a-1
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn a_stateful_set_makes_one_pod_after_the_other_and_takes_the_highest_away_first() {
    let mut play = Play::new(vec![
        scenario(&json!([
            {"at": "10s", "scale": {"statefulSet": "shop/db", "replicas": 1}},
            {"at": "20s", "scale": {"statefulSet": "shop/db", "replicas": 3}},
            {"at": "30s", "delete": {"kind": "Pod", "name": "db-0", "namespace": "shop"}},
        ])),
        group("a"),
        node("a-1", "a"),
        workload("StatefulSet", "db", 3, "2"),
    ]);
    play.until(60);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               group a pays for 1
               pod db-0 made
               pod db-0 on a-1
               pod db-1 made
               pod db-1 on a-1
               pod db-2 made
        10s    pod db-2 gone: Deleted
               pod db-1 gone: Deleted
        20s    pod db-1 made
               pod db-1 on a-1
               pod db-2 made
        30s    pod db-0 gone: Deleted
               pod db-0 made
               pod db-2 on a-1
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn a_deployment_rolls_a_new_template_out_by_surge_and_unavailable_pods() {
    let mut play = Play::new(vec![
        scenario(&json!([{"at": "10s", "apply": workload("Deployment", "web", 4, "750m")}])),
        group("a"),
        node("a-1", "a"),
        workload("Deployment", "web", 4, "500m"),
    ]);
    play.log();
    play.until(60);
    expect![[r#"
        10s    pod web-<0>-4 gone: Deleted
               pod web-<1>-1 made
               pod web-<1>-2 made
               pod web-<1>-1 on a-1
               pod web-<1>-2 on a-1
               pod web-<0>-3 gone: Deleted
               pod web-<0>-2 gone: Deleted
               pod web-<1>-3 made
               pod web-<1>-4 made
               pod web-<1>-3 on a-1
               pod web-<1>-4 on a-1
               pod web-<0>-1 gone: Deleted
    "#]]
    .assert_eq(&without_hashes(&play.log()));
}

#[test]
fn a_rollout_without_room_keeps_three_quarters_running_and_waits_with_the_rest() {
    let mut play = Play::new(vec![
        scenario(&json!([{"at": "10s", "apply": workload("Deployment", "web", 4, "3")}])),
        group("a"),
        node("a-1", "a"),
        workload("Deployment", "web", 4, "1"),
    ]);
    play.log();
    play.until(60);
    expect![[r#"
        10s    pod web-<0>-1 made
               pod web-<0>-2 made
               pod web-<1>-4 gone: Deleted
    "#]]
    .assert_eq(&without_hashes(&play.log()));
}

#[test]
fn a_job_keeps_parallelism_pods_until_its_completions_have_finished() {
    let mut play = Play::new(vec![
        scenario(&json!([{"at": "10s", "apply": job("batch", 2, 3, "60s")}])),
        group("a"),
        node("a-1", "a"),
    ]);
    play.until(600);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               group a pays for 1
        10s    pod batch-1 made
               pod batch-2 made
               pod batch-1 on a-1
               pod batch-2 on a-1
        1m10s  pod batch-1 gone: Finished
               pod batch-2 gone: Finished
               pod batch-3 made
               pod batch-3 on a-1
        2m10s  pod batch-3 gone: Finished
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn pods_of_a_job_and_bare_pods_are_not_made_anew() {
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group("a"),
        node("a-1", "a"),
        job("batch", 2, 2, "60s"),
        bare_pod("alone", "1", Some("a-1")),
    ]);
    play.until(10).evict("batch-1").delete_node("a-1").settle().until(600);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               pod alone made
               pod alone on a-1
               group a pays for 1
               pod batch-1 made
               pod batch-2 made
               pod batch-1 on a-1
               pod batch-2 on a-1
        10s    pod batch-1 gone: Evicted
               pod alone gone: NodeGone
               pod batch-2 gone: NodeGone
               node a-1 gone
               group a pays for 0
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn pods_of_a_deleted_node_are_made_anew_owner_by_owner_in_the_order_of_their_names() {
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group("a"),
        node("a-1", "a"),
        workload("ReplicaSet", "zoo", 1, "500m"),
        workload("ReplicaSet", "api", 2, "500m"),
        workload("StatefulSet", "db", 1, "500m"),
    ]);
    play.log();
    play.until(10).delete_node("a-1").settle();
    expect![[r#"
        10s    pod api-1 gone: NodeGone
               pod api-2 gone: NodeGone
               pod db-0 gone: NodeGone
               pod zoo-1 gone: NodeGone
               node a-1 gone
               group a pays for 0
               pod api-3 made
               pod api-4 made
               pod db-0 made
               pod zoo-2 made
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn a_daemon_set_has_a_pod_on_every_node_it_fits_and_makes_none_anew() {
    let mut full = owned_pod("hog-1", "hog", "4", "a-2");
    full["metadata"].as_object_mut().expect("an object").remove("ownerReferences");
    let mut play = Play::new(vec![
        scenario(&json!([{"at": "10s", "apply": workload("DaemonSet", "agent", 0, "1")}])),
        group("a"),
        node("a-1", "a"),
        node("a-2", "a"),
        full,
    ]);
    play.until(10).evict("agent-a-1").settle();
    expect![[r#"
        0s     group a pays for 1
               node a-1
               group a pays for 2
               node a-2
               pod hog-1 made
               pod hog-1 on a-2
               group a pays for 2
        10s    pod agent-a-1 made
               pod agent-a-1 on a-1
               pod agent-a-1 gone: Evicted
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn a_deleted_controller_takes_its_pods_along() {
    let mut play = Play::new(vec![
        scenario(&json!([
            {"at": "10s", "delete": {"kind": "Deployment", "name": "web", "namespace": "shop"}}])),
        group("a"),
        node("a-1", "a"),
        workload("Deployment", "web", 2, "1"),
    ]);
    play.log();
    play.until(10);
    expect![[r#"
        10s    pod web-<0>-1 gone: Deleted
               pod web-<0>-2 gone: Deleted
    "#]]
    .assert_eq(&without_hashes(&play.log()));
}

#[test]
fn an_applied_pod_replaces_its_namesake() {
    let mut play = Play::new(vec![
        scenario(&json!([{"at": "10s", "apply": bare_pod("alone", "2", None)}])),
        group("a"),
        node("a-1", "a"),
        bare_pod("alone", "1", Some("a-1")),
    ]);
    play.until(10);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               pod alone made
               pod alone on a-1
               group a pays for 1
        10s    pod alone gone: Deleted
               pod alone made
               pod alone on a-1
    "#]]
    .assert_eq(&play.log());
}

/// ReplicaSets of a Deployment are named by a hash of their template; in order of appearance they
/// read better.
fn without_hashes(log: &str) -> String {
    let mut known: Vec<String> = Vec::new();
    let mut text = log.to_owned();
    for word in log.split_whitespace() {
        let parts: Vec<&str> = word.split('-').collect();
        if let ["web", hash, _] = parts.as_slice()
            && !known.iter().any(|one| one == hash)
        {
            known.push((*hash).to_owned());
        }
    }
    for (number, hash) in known.iter().enumerate() {
        text = text.replace(hash, &format!("<{number}>"));
    }
    text
}

/// A Job with a status.
fn job_at(name: &str, parallelism: u32, completions: u32, status: &Value) -> Value {
    let mut object = job(name, parallelism, completions, "60s");
    object["status"] = status.clone();
    object
}

#[test]
fn a_job_makes_only_the_pods_that_are_missing_and_a_finished_one_none() {
    let over = |kind: &str| json!({"conditions": [{"type": kind, "status": "True"}]});
    let mut pod = owned_pod("part-x2x9z", "part", "1", "a-1");
    pod["metadata"]["ownerReferences"][0]["kind"] = json!("Job");
    pod["metadata"]["ownerReferences"][0]["apiVersion"] = json!("batch/v1");
    pod["metadata"]["annotations"] = json!({"plimsoll.dev/run-for": "60s"});
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group("a"),
        node("a-1", "a"),
        job_at("part", 2, 5, &json!({"succeeded": 2, "active": 1})),
        pod,
        job_at("all", 2, 2, &json!({"succeeded": 2})),
        job_at("done", 2, 2, &over("Complete")),
        job_at("gave-up", 2, 2, &over("Failed")),
    ]);
    play.until(600);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               pod part-x2x9z made
               pod part-x2x9z on a-1
               group a pays for 1
               pod part-2 made
               pod part-2 on a-1
        1m     pod part-x2x9z gone: Finished
               pod part-2 gone: Finished
               pod part-3 made
               pod part-3 on a-1
        2m     pod part-3 gone: Finished
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn a_suspended_job_loses_its_pods_and_makes_them_anew_when_it_goes_on() {
    let suspended = |suspend: bool| {
        let mut object = job("batch", 2, 2, "60s");
        object["spec"]["suspend"] = json!(suspend);
        object
    };
    let mut play = Play::new(vec![
        scenario(&json!([
            {"at": "10s", "apply": suspended(false)},
            {"at": "30s", "apply": suspended(true)},
            {"at": "50s", "apply": suspended(false)},
        ])),
        group("a"),
        node("a-1", "a"),
        suspended(true),
    ]);
    play.until(600);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               group a pays for 1
        10s    pod batch-1 made
               pod batch-2 made
               pod batch-1 on a-1
               pod batch-2 on a-1
        30s    pod batch-2 gone: Deleted
               pod batch-1 gone: Deleted
        50s    pod batch-3 made
               pod batch-4 made
               pod batch-3 on a-1
               pod batch-4 on a-1
        1m50s  pod batch-3 gone: Finished
               pod batch-4 gone: Finished
    "#]]
    .assert_eq(&play.log());
}

#[test]
fn pods_of_a_daemon_set_run_on_nodes_that_keep_others_off() {
    let mut cordoned = node("a-1", "a");
    cordoned["spec"]["unschedulable"] = json!(true);
    cordoned["spec"]["taints"] =
        json!([{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}]);
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group("a"),
        cordoned,
        workload("DaemonSet", "agent", 0, "1"),
        bare_pod("alone", "1", None),
    ]);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               pod alone made
               pod agent-a-1 made
               pod agent-a-1 on a-1
               group a pays for 1
    "#]]
    .assert_eq(&play.log());
}
