//! Pods that want devices: claims are made for them, are given devices, and go with them.

use expect_test::expect;
use serde_json::{Value, json};

use crate::objects::{group, node, scenario, workload};
use crate::play::Play;

/// One device of the class `gpu` on a node.
fn slice(node: &str) -> Value {
    json!({
        "apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice",
        "metadata": {"name": format!("{node}-gpu")},
        "spec": {"driver": "gpu.example.com", "nodeName": node, "devices": [{"name": "gpu-0"}],
                 "pool": {"name": node, "generation": 1, "resourceSliceCount": 1}},
    })
}

fn class() -> Value {
    json!({"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass",
           "metadata": {"name": "gpu"}, "spec": {}})
}

fn claim_template() -> Value {
    let request = json!({"name": "one", "exactly": {"deviceClassName": "gpu"}});
    json!({
        "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate",
        "metadata": {"name": "one-gpu", "namespace": "shop"},
        "spec": {"spec": {"devices": {"requests": [request]}}},
    })
}

#[test]
fn each_pod_of_a_template_has_a_claim_of_its_own_and_gives_its_device_back() {
    let mut trainers = workload("ReplicaSet", "train", 2, "1");
    trainers["spec"]["template"]["spec"]["resourceClaims"] =
        json!([{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]);
    let mut play = Play::new(vec![
        scenario(&json!([
            {"at": "10s", "delete": {"kind": "Pod", "name": "train-1", "namespace": "shop"}}])),
        group("a"),
        node("a-1", "a"),
        class(),
        slice("a-1"),
        claim_template(),
        trainers,
    ]);
    play.until(60);
    expect![[r#"
        0s     group a pays for 1
               node a-1
               group a pays for 1
               pod train-1 made
               pod train-2 made
               pod train-1 on a-1
        10s    pod train-1 gone: Deleted
               pod train-3 made
               pod train-2 on a-1
    "#]]
    .assert_eq(&play.log());
    let claims: Vec<String> = play
        .world
        .cluster
        .devices()
        .claims()
        .map(|claim| format!("{} has devices: {}", claim.name, claim.status.allocation.is_some()))
        .collect();
    assert_eq!(claims, ["train-2-gpu-2 has devices: true", "train-3-gpu-3 has devices: false"]);
}

/// The group `a` whose new nodes bring two devices.
fn group_with_devices() -> Value {
    let mut group = group("a");
    group["spec"]["templateResourceSlices"] = json!([{"spec": {"driver": "gpu.example.com",
        "devices": [{"name": "gpu-0"}, {"name": "gpu-1"}]}}]);
    group
}

fn claims(play: &Play) -> Vec<String> {
    let devices = |claim: &plimsoll_core::devices::claim::ResourceClaimObject| {
        let results = claim.status.allocation.iter().flat_map(|one| &one.results);
        results.map(|one| format!(" {}/{}", one.pool, one.device)).collect::<String>()
    };
    let all = play.world.cluster.devices().claims();
    all.map(|claim| format!("{}:{}", claim.name, devices(claim))).collect()
}

#[test]
fn a_new_node_brings_its_devices_and_takes_them_away() {
    let mut trainers = workload("ReplicaSet", "train", 3, "100m");
    trainers["spec"]["template"]["spec"]["resourceClaims"] =
        json!([{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]);
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group_with_devices(),
        class(),
        claim_template(),
        trainers,
    ]);
    play.increase("a", 2).until(600);
    assert_eq!(
        claims(&play),
        ["train-1-gpu-1: a-1/gpu-0", "train-2-gpu-2: a-2/gpu-0", "train-3-gpu-3: a-1/gpu-1"]
    );
    play.delete_node("a-1").settle();
    assert_eq!(
        claims(&play),
        ["train-2-gpu-2: a-2/gpu-0", "train-4-gpu-4: a-2/gpu-1", "train-5-gpu-5:"]
    );
    assert!(!play.world.cluster.devices().has_slices_of("a-1"));
}

#[test]
fn a_daemon_set_has_claims_of_its_own_on_every_node_that_has_devices_for_them() {
    let mut watchers = workload("DaemonSet", "watch", 0, "100m");
    watchers["spec"]["template"]["spec"]["resourceClaims"] =
        json!([{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]);
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group_with_devices(),
        group("plain"),
        node("plain-1", "plain"),
        class(),
        claim_template(),
        watchers,
    ]);
    play.increase("a", 2).until(600);
    assert_eq!(claims(&play), ["watch-a-1-gpu-2: a-1/gpu-0", "watch-a-2-gpu-3: a-2/gpu-0"]);
    assert_eq!(play.world.cluster.pod_count(), 2);
}
