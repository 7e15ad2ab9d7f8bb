//! A replay of an hour on one small group, told pod by pod and node by node.

use expect_test::expect;
use plimsoll_core::objects::{Origin, Snapshot};
use serde_json::{Value, json};

use super::*;
use crate::{ReplayOptions, Replayer, Strategy};

/// One group of at most two machines; more pods than it holds, and one that is larger than they are.
fn documents() -> Vec<Value> {
    let size = |cpu: &str| json!({"cpu": cpu, "memory": "16Gi", "pods": "110"});
    let group = |name: &str, cpu: &str, max: u32| {
        json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeGroup", "metadata": {"name": name},
            "spec": {"minSize": 0, "maxSize": max, "pricePerHour": "0.60", "bootDelay": "90s",
                     "template": {"status": {"capacity": size(cpu), "allocatable": size(cpu)}}}})
    };
    let replica_set = |name: &str, cpu: &str, replicas: u32| {
        let requests = json!({"cpu": cpu});
        let container =
            json!({"name": "main", "image": "main", "resources": {"requests": requests}});
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}},
                                  "spec": {"containers": [container]}}}})
    };
    let scenario = json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": "Scenario",
        "metadata": {"name": "hour"},
        "spec": {"start": "2026-01-05T06:00:00Z", "duration": "1h", "events": [
            {"at": "5s", "apply": replica_set("web", "3", 3)},
            {"at": "5s", "apply": replica_set("huge", "32", 1)},
            {"at": "20m", "scale": {"replicaSet": "shop/web", "replicas": 1}}]}});
    vec![group("small", "4", 2), scenario]
}

fn report() -> ReplayReport {
    let documents = documents().into_iter().map(|one| (one, Origin::default()));
    let (snapshot, _) = Snapshot::from_values(documents).expect("the fixture is valid");
    let replayer = Replayer::of_scenario("hour.yaml", snapshot).expect("it has a scenario");
    let options = ReplayOptions::default();
    let mut reports =
        replayer.replay(&[Strategy::ClusterAutoscaler], &options, &|_, _| {}).expect("it plays");
    reports.pop().expect("one report")
}

/// The page on one pod or node.
fn page(report: &ReplayReport, subject: &Subject) -> String {
    text::render(&[explain(report, subject).expect("it is known")], 100)
}

fn pod(name: &str) -> Subject {
    Subject::Pod(format!("shop/{name}"))
}

#[test]
fn a_pod_tells_what_held_it_and_what_released_it() {
    let report = report();
    expect![[r#"
        pod shop/web-1 · hour.yaml · cluster-autoscaler
        waited 95s, then ran 58m20s on small-1; still there at the end

          06:00:05      +0s  created
          06:00:05      +0s  kube-scheduler: no nodes available to schedule pods [95s]
          06:00:05      +0s  cluster-autoscaler: too new for this loop: the next one looks at it [5s]
          06:00:10      +5s  cluster-autoscaler: pod triggered scale-up: [{small 0->2 (max: 2)}]
                               machine small-1: Ready 90s later
                               machine small-2: Ready 90s later
          06:00:10      +5s  cluster-autoscaler: a node of small that is on its way has room for it [90s]
          06:01:40     +95s  node small-1 is Ready, 90s after it was asked for
          06:01:40     +95s  bound to small-1, after 95s
          07:00:00  +59m55s  still runs at the end of the replay

        what would help
          - Most of the wait, 90s, was the boot of a machine: only room that is kept free, or machines that
            boot sooner, would spare it.
    "#]]
    .assert_eq(&page(&report, &pod("web-1")));
}

#[test]
fn a_pod_that_a_maximum_held_tells_which_to_raise() {
    let report = report();
    expect![[r#"
        pod shop/web-3 · hour.yaml · cluster-autoscaler
        never had a node: waited 19m55s; deleted

          06:00:05      +0s  created
          06:00:05      +0s  kube-scheduler: no nodes available to schedule pods [19m55s]
          06:00:05      +0s  cluster-autoscaler: too new for this loop: the next one looks at it [5s]
          06:00:10      +5s  cluster-autoscaler: waits: a limit kept it out of the scale-up
          06:00:10      +5s  cluster-autoscaler: pod didn't trigger scale-up: 1 max node group size reached
                             [19m50s]
                               small: max node group size reached (2)
          06:20:00  +19m55s  deleted while it waited: its controller shrank, or somebody deleted it

        what would help
          - Raise maxSize of small (it is 2): its machines would hold the pod.
    "#]]
    .assert_eq(&page(&report, &pod("web-3")));
}

#[test]
fn a_pod_too_large_for_every_group_is_told_so() {
    let report = report();
    expect![[r#"
        pod shop/huge-1 · hour.yaml · cluster-autoscaler
        never had a node: waited 59m55s; still there at the end

          06:00:05      +0s  created
          06:00:05      +0s  kube-scheduler: no nodes available to schedule pods [59m55s]
          06:00:05      +0s  cluster-autoscaler: too new for this loop: the next one looks at it [5s]
          06:00:10      +5s  cluster-autoscaler: pod didn't trigger scale-up: 1 Insufficient cpu
                               small: Insufficient cpu
          06:00:10      +5s  cluster-autoscaler: pod didn't trigger scale-up: 1 max node group size reached
                             [30m10s]
                               small: max node group size reached (2)
          06:30:20  +30m15s  cluster-autoscaler: pod didn't trigger scale-up: 1 Insufficient cpu [29m40s]
                               small: Insufficient cpu
          07:00:00  +59m55s  still waits at the end of the replay

        what would help
          - No group's machines can hold it (no group has 32 cpu): it has to ask for less, or a group of
            other machines is needed.
    "#]]
    .assert_eq(&page(&report, &pod("huge-1")));
}

#[test]
fn a_node_tells_for_whom_it_came_what_kept_it_and_how_it_went() {
    let report = report();
    expect![[r#"
        node small-2 · hour.yaml · cluster-autoscaler
        of group small: 30m5s, cost $0.30, carried 1 pod; removed by scale-down (empty)

          06:00:10      +0s  asked for: scale-up of small from 0 to 2
                               for 2 pods: shop/web-1, shop/web-2
          06:01:40     +90s  Ready, 90s after it was asked for
          06:01:40     +90s  cluster-autoscaler: NotUnderutilized: 75.0 % of its cpu is requested, above the
                             threshold of 50 % [18m20s]
          06:20:00  +19m50s  cluster-autoscaler: Unneeded: nothing on it would have to move [610s]
                               long enough after 600s (scale-down-unneeded-time)
          06:30:10   +30m0s  cluster-autoscaler: NodeDeleteStarted: removing empty node [5s]
          06:30:15   +30m5s  deleted (empty), 5s after the loop that decided it
    "#]]
    .assert_eq(&page(&report, &Subject::Node("small-2".to_owned())));
}

#[test]
fn a_report_that_was_written_and_read_back_explains_alike() {
    let report = report();
    let json = serde_json::to_string_pretty(&report).expect("a report is JSON");
    let path = std::path::Path::new("a.json");
    let read = crate::report::parse_reports(&json, path).expect("it is read back");
    assert_eq!(read[0], report);
    let subject = pod("web-2");
    assert_eq!(explain(&read[0], &subject), explain(&report, &subject));
}

#[test]
fn phases_follow_each_other_without_gaps() {
    let report = report();
    for pod in report.explanations.pods.iter().filter(|pod| !pod.story.is_empty()) {
        let until = pod.bound.or(pod.end.as_ref().map(|(at, _)| *at));
        let until = until.map_or(report.end_time, |offset| at(&report, offset));
        let steps = phases(&report, &pod.story, until);
        let said = steps.iter().filter(|step| step.by == report.strategy);
        let said: Vec<&Step> = said.collect();
        for pair in said.windows(2) {
            assert_eq!(pair[0].until.unwrap_or(pair[0].time), pair[1].time, "{}", pod.name);
        }
        assert!(
            said.last().is_none_or(|last| last.until.unwrap_or(last.time) == until),
            "{}",
            pod.name
        );
    }
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    let report = report();
    let refusal = explain(&report, &Subject::Node("smal-1".to_owned())).expect_err("unknown");
    assert_eq!(refusal.to_string(), "there is no node smal-1; nearest: small-1, small-2");
    let empty = ReplayReport { explanations: Explanations::default(), ..report };
    let refusal = explain(&empty, &Subject::Node("small-1".to_owned())).expect_err("no lives");
    assert!(refusal.to_string().contains("`plimsoll replay SOURCE --json` writes them"));
}
