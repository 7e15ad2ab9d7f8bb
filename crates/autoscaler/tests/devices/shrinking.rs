//! Scale-down.

use expect_test::expect;
use plimsoll_autoscaler::settings::{SettingValue, Settings};
use serde_json::{Value, json};

use crate::stage::{By, Stage, claim, group, held, node, replica_set, running, slice};

/// Two nodes with four devices each; `train-1` has one of the first node's, `rest` these of the
/// second's.
fn two_nodes(held_of_second: &[&str]) -> Vec<Value> {
    vec![
        group("gpus", 2, &json!([])),
        node("gpus-1", "gpus"),
        node("gpus-2", "gpus"),
        slice("gpus-1", 4),
        slice("gpus-2", 4),
        replica_set("train", 1),
        replica_set("rest", 1),
        held("train-1-gpu", "train-1", "gpus-1", &["gpu-0"]),
        running("train-1", "train", "1500m", By::Template("train-1-gpu"), "gpus-1"),
        held("rest-1-gpu", "rest-1", "gpus-2", held_of_second),
        running("rest-1", "rest", "100m", By::Template("rest-1-gpu"), "gpus-2"),
    ]
}

/// Source: `simulator/utilization/info.go` (devices alone judge the node),
/// `simulator/cluster.go` and `snapshot.go`, `UnreservePodClaims` (the claim is given other devices).
#[test]
fn a_node_goes_when_its_pods_find_devices_elsewhere() {
    let mut stage = Stage::new(two_nodes(&["gpu-0", "gpu-1", "gpu-2"]));
    expect![[r#"
        gpus-1 NotUnneededLongEnough
        gpus-1 gpu.example.com/gpus-1 0.25
        gpus-1 unneeded
        gpus-2 NotUnderutilized
        gpus-2 gpu.example.com/gpus-2 0.75"#]]
    .assert_eq(&stage.scale_down());
}

#[test]
fn a_node_stays_when_its_pods_find_no_devices_elsewhere() {
    let mut stage = Stage::new(two_nodes(&["gpu-0", "gpu-1", "gpu-2", "gpu-3"]));
    expect![[r#"
        gpus-1 NoPlaceToMovePods
        gpus-1 gpu.example.com/gpus-1 0.25
        gpus-2 NotUnderutilized
        gpus-2 gpu.example.com/gpus-2 1.00"#]]
    .assert_eq(&stage.scale_down());
}

/// Source: `groupAllocatedReservedDevices` gives an error, and `core/scaledown/eligibility` with it.
#[test]
fn a_claim_without_devices_keeps_its_node() {
    let mut items = two_nodes(&["gpu-0"]);
    items[7] = claim("train-1-gpu", 1, "train-1");
    let found = Stage::new(items).scale_down();
    assert!(found.contains("gpus-1 UnexpectedError"), "{found}");
}

/// Source: `config/flags/flags.go` of release 1.36 ends the program on anything else.
#[test]
fn devices_cannot_be_switched_off() {
    let with = |value| {
        let flag = "enable-dynamic-resource-allocation".to_owned();
        Settings::from_map(&[(flag, SettingValue::Bool(value))].into())
    };
    assert!(with(true).is_ok());
    let refused = with(false).expect_err("upstream does not start").to_string();
    assert!(refused.contains("enable-dynamic-resource-allocation"), "{refused}");
}
