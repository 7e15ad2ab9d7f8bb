//! Nodes and node groups.

use expect_test::expect;

use super::*;
use crate::node::Readiness;
use crate::node_group::{BootDelay, InstanceState};
use crate::time::SimDuration;

/// The group `x` with this `spec`.
fn group(spec: &Value) -> NodeGroupSpec {
    match parse(&own_document("NodeGroup", spec)) {
        Ok(Object::NodeGroup(group)) => group,
        other => panic!("expected a group, found {other:?}"),
    }
}

fn small_group() -> Value {
    json!({"minSize": 1, "maxSize": 3, "template": {"status": {"allocatable": {"cpu": 2}}}})
}

#[test]
fn a_node_is_read_with_cpu_in_thousandths_and_the_rest_in_units() {
    let document = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "n1", "uid": "u", "creationTimestamp": "2026-01-05T06:00:00Z",
                     "labels": {"plimsoll.dev/node-group": "a"}},
        "spec": {"providerID": "cloud://n1", "unschedulable": true,
                 "taints": [{"key": "k", "effect": "NoExecute"}]},
        "status": {"capacity": {"cpu": "1.5", "memory": "1Ki", "pods": "110"}},
    });
    let Ok(Object::Node(node)) = parse(&document) else { panic!("expected a node") };
    expect![[r#"
        NodeObject {
            name: "n1",
            uid: "u",
            created_at: Some(
                SimTime(
                    1767592800000,
                ),
            ),
            provider_id: "cloud://n1",
            spec: NodeSpec {
                labels: {
                    "plimsoll.dev/node-group": "a",
                },
                taints: [
                    Taint {
                        key: "k",
                        value: "",
                        effect: NoExecute,
                    },
                ],
                unschedulable: true,
                capacity: {
                    "cpu": 1500,
                    "memory": 1024,
                    "pods": 110,
                },
                allocatable: {
                    "cpu": 1500,
                    "memory": 1024,
                    "pods": 110,
                },
                images: [],
                declared_features: [],
            },
            annotations: {},
            readiness: Readiness {
                ready: false,
                since: None,
                is_suspended: false,
            },
        }
    "#]]
    .assert_debug_eq(&node);
}

#[test]
fn a_node_is_ready_by_cluster_autoscalers_rule() {
    for (conditions, ready, is_suspended) in [
        (&[][..], false, false),
        (&[("Ready", "True")], true, false),
        (&[("Ready", "False")], false, false),
        (&[("Ready", "Unknown")], false, false),
        (&[("Ready", "")], true, false),
        (&[("MemoryPressure", "True"), ("Ready", "True")], true, false),
        (&[("Ready", "True"), ("DiskPressure", "True")], false, false),
        (&[("NetworkUnavailable", "True"), ("Ready", "True")], false, false),
        (&[("NetworkUnavailable", "False"), ("Ready", "True")], true, false),
        (&[("DiskPressure", "False")], false, false),
        (&[("Suspended", "True"), ("Ready", "True")], true, true),
        (&[("Suspended", "False"), ("Ready", "True"), ("Suspended", "True")], true, false),
    ] {
        let list: Vec<Value> = conditions
            .iter()
            .map(|(kind, status)| json!({"type": kind, "status": status}))
            .collect();
        let document = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
            "status": {"conditions": list},
        });
        let Ok(Object::Node(node)) = parse(&document) else { panic!("expected a node") };
        let expected = Readiness { ready, since: None, is_suspended };
        assert_eq!(node.readiness, expected, "{conditions:?}");
    }
}

#[test]
fn a_group_describes_its_new_nodes() {
    let mut spec = small_group();
    spec["pricePerHour"] = json!("0.214");
    spec["bootDelay"] = json!({"p50": "60s", "p99": "4m"});
    spec["template"]["metadata"] =
        json!({"labels": {"pool": "a", "kubernetes.io/hostname": "x"}, "annotations": {"k": "v"}});
    let group = group(&spec);
    assert_eq!((group.min_size, group.max_size, group.target_size), (1, 3, None));
    assert_eq!(group.capacity_type, "on-demand");
    assert_eq!(group.price_microusd_per_hour, Some(214_000));
    assert_eq!(
        group.boot_delay,
        BootDelay { p50: SimDuration::from_mins(1), p99: SimDuration::from_mins(4) }
    );
    assert_eq!(
        group.template.labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(),
        ["plimsoll.dev/node-group=x", "pool=a"]
    );
    assert_eq!(group.template.capacity, group.template.allocatable);
    assert_eq!(group.template_annotations.len(), 1);
}

#[test]
fn prices_are_exact_to_the_micro_dollar() {
    for (text, microusd) in [
        (json!("0.214"), 214_000),
        (json!("3"), 3_000_000),
        (json!(0.5), 500_000),
        (json!("0.0000004"), 0),
        (json!("0.0000005"), 1),
        (json!("12.3456789"), 12_345_679),
    ] {
        let spec = with(&json!({"s": small_group()}), "/s/pricePerHour", text.clone());
        assert_eq!(group(&spec["s"]).price_microusd_per_hour, Some(microusd), "{text}");
    }
}

#[test]
fn a_groups_machines_are_listed() {
    let mut document = own_document("NodeGroup", &small_group());
    document["status"] = json!({"targetSize": 2, "instances": [
        {"id": "i-1", "state": "Running"},
        {"id": "i-2", "state": "Creating",
         "error": {"class": "OutOfResources", "code": "STOCKOUT", "message": "none left"}}]});
    let Ok(Object::NodeGroup(group)) = parse(&document) else { panic!("expected a group") };
    let instances = group.instances.expect("instances are listed");
    assert_eq!(instances[0].state, InstanceState::Running);
    assert!(instances[1].error.as_ref().is_some_and(|error| error.out_of_resources));
    assert_eq!(group.target_size, Some(2));
    document["status"] = json!({"instances": []});
    let Ok(Object::NodeGroup(group)) = parse(&document) else { panic!("expected a group") };
    assert_eq!(group.instances, Some(Vec::new()));
}

#[test]
fn a_wrong_group_is_refused_with_the_field() {
    let base = json!({"s": small_group()});
    let mut shown = String::new();
    for (pointer, value) in [
        ("/s/template", Value::Null),
        ("/s/minSize", json!(4)),
        ("/s/minSize", json!(-1)),
        ("/s/maxSize", json!("many")),
        ("/s/maxSize", Value::Null),
        ("/s/pricePerHour", json!("-1")),
        ("/s/pricePerHour", json!("cheap")),
        ("/s/capacityType", json!("Spot")),
        ("/s/bootDelay", json!(90)),
        ("/s/bootDelay", json!("90")),
        ("/s/bootDelay", json!("-90s")),
        ("/s/bootDelay", json!({"p50": "2m", "p99": "1m"})),
        ("/s/bootDelay", json!({"p50": "2m", "p90": "3m"})),
        ("/s/template/status/allocatable/memory", json!("1.5 Gi")),
        ("/s/template/spec", json!({"taints": [{"key": "k", "effect": "Never"}]})),
        ("/s/template/metadata", json!({"labels": {"plimsoll.dev/node-group": "y"}})),
    ] {
        let changed = with(&base, pointer, value);
        shown.push_str(&error(&own_document("NodeGroup", &changed["s"])));
        shown.push('\n');
    }
    expect![[r#"
        NodeGroup x: spec.template: node group x has no template: what does a new node look like?
        NodeGroup x: spec.minSize: expected at most maxSize (3), found 4
        NodeGroup x: spec.minSize: expected a whole number from 0 to 4294967295, found -1
        NodeGroup x: spec.maxSize: expected a whole number, found "many"
        NodeGroup x: spec.maxSize: is required, and is missing
        NodeGroup x: spec.pricePerHour: expected a price in USD such as "0.214", found "-1"
        NodeGroup x: spec.pricePerHour: expected a price in USD such as "0.214", found "cheap"
        NodeGroup x: spec.capacityType: expected one of on-demand, spot, found "Spot"
        NodeGroup x: spec.bootDelay: expected a duration such as 90s, or {p50, p99}, found 90
        NodeGroup x: spec.bootDelay: "90" is not a duration such as 90s, 10m or 1h30m
        NodeGroup x: spec.bootDelay: expected a duration from 0s up, found "-90s"
        NodeGroup x: spec.bootDelay.p99: expected at least p50 (2m), found 1m
        NodeGroup x: spec.bootDelay.p90: unknown field; nearest: p50, p99
        NodeGroup x: spec.template.status.allocatable.memory: "1.5 Gi" is not a quantity such as 500m or 2Gi
        NodeGroup x: spec.template.spec.taints[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"
        NodeGroup x: spec.template.metadata.labels[plimsoll.dev/node-group]: expected "x" (the group's own name), found "y"
    "#]].assert_eq(&shown);
}

#[test]
fn options_of_a_group_are_numbers_texts_and_durations() {
    let mut spec = small_group();
    spec["autoscalingOptions"] = json!({
        "scaleDownUtilizationThreshold": 0.25, "scaleDownGpuUtilizationThreshold": "0.75",
        "scaleDownUnneededTime": "5m", "maxNodeProvisionTime": "1h30m",
        "zeroOrMaxNodeScaling": true,
    });
    let options = group(&spec).autoscaling_options;
    assert_eq!(options.scale_down_utilization_threshold, Some(0.25));
    assert_eq!(options.scale_down_gpu_utilization_threshold, Some(0.75));
    assert_eq!(options.scale_down_unneeded_time, Some(SimDuration::from_mins(5)));
    assert_eq!(options.max_node_provision_time, Some(SimDuration::from_mins(90)));
    assert_eq!(options.zero_or_max_node_scaling, Some(true));
    assert_eq!(options.scale_down_unready_time, None);
    assert_eq!(group(&small_group()).autoscaling_options, Default::default());
}

#[test]
fn a_wrong_option_of_a_group_is_refused_with_the_field() {
    let mut shown = String::new();
    for (field, value) in [
        ("scaleDownUtilizationThreshold", json!("half")),
        ("scaleDownGpuUtilizationThreshold", json!(-0.1)),
        ("scaleDownUnneededTime", json!(600)),
        ("maxNodeProvisionTime", json!("15 minutes")),
        ("zeroOrMaxNodeScaling", json!("yes")),
        ("scaleDownUneededTime", json!("5m")),
    ] {
        let mut spec = small_group();
        spec["autoscalingOptions"] = json!({field: value});
        shown.push_str(&error(&own_document("NodeGroup", &spec)));
        shown.push('\n');
    }
    expect![[r#"
        NodeGroup x: spec.autoscalingOptions.scaleDownUtilizationThreshold: expected a part such as 0.5 or "0.5", 0 or more, found "half"
        NodeGroup x: spec.autoscalingOptions.scaleDownGpuUtilizationThreshold: expected a part such as 0.5 or "0.5", 0 or more, found -0.1
        NodeGroup x: spec.autoscalingOptions.scaleDownUnneededTime: expected a duration such as 90s or 10m, found 600
        NodeGroup x: spec.autoscalingOptions.maxNodeProvisionTime: "15 minutes" is not a duration such as 90s, 10m or 1h30m
        NodeGroup x: spec.autoscalingOptions.zeroOrMaxNodeScaling: expected true or false, found "yes"
        NodeGroup x: spec.autoscalingOptions.scaleDownUneededTime: unknown field; nearest: scaleDownUnneededTime, scaleDownUnreadyTime, maxNodeStartupTime
    "#]]
    .assert_eq(&shown);
}

#[test]
fn a_group_says_what_devices_its_new_nodes_bring() {
    let slice = |spec: Value| json!({"spec": spec});
    let with = |slices: &Value| {
        let mut spec = json!({"maxSize": 3, "template": {}});
        spec["templateResourceSlices"] = slices.clone();
        spec
    };
    let devices = json!([{"name": "d0"}]);
    let good = json!([
        slice(json!({"driver": "a.example", "devices": devices})),
        slice(json!({"driver": "a.example", "devices": [{"name": "d1"}]})),
        {"metadata": {"name": "own"}, "spec": {"driver": "b.example", "devices": devices,
            "pool": {"name": "p", "generation": 2, "resourceSliceCount": 5}}},
    ]);
    let read_slices = group(&with(&good)).template_slices;
    let shown: Vec<String> = read_slices
        .iter()
        .map(|one| {
            let pool = &one.pool;
            format!(
                "{} of {}: pool {:?} generation {} of {}",
                one.name, one.driver, pool.name, pool.generation, pool.slice_count
            )
        })
        .collect();
    expect![[r#"
        a.example of a.example: pool "" generation 0 of 2
        a.example-2 of a.example: pool "" generation 0 of 2
        own of b.example: pool "p" generation 2 of 5"#]]
    .assert_eq(&shown.join("\n"));
    let mut refusals = String::new();
    for bad in [
        json!([slice(json!({"driver": "a.example", "nodeName": "n", "devices": devices}))]),
        json!([slice(json!({"devices": devices}))]),
        json!([slice(json!({"driver": "a.example", "devices": devices,
            "pool": {"resourceSliceCount": 0}}))]),
        json!([{"kind": "ResourceSlices", "spec": {"driver": "a.example"}}]),
        json!([{"metadata": {"name": "x"}, "spec": {"driver": "a.example"}},
            {"metadata": {"name": "x"}, "spec": {"driver": "b.example"}}]),
    ] {
        refusals.push_str(&error(&own_document("NodeGroup", &with(&bad))));
        refusals.push('\n');
    }
    expect![[r#"
        NodeGroup x: spec.templateResourceSlices[0].spec.nodeName: Forbidden: the devices are the new node's own
        NodeGroup x: spec.templateResourceSlices[0].spec.driver: Required value
        NodeGroup x: spec.templateResourceSlices[0].spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero
        NodeGroup x: spec.templateResourceSlices[0].kind: expected one of ResourceSlice, found "ResourceSlices"
        NodeGroup x: spec.templateResourceSlices[1]: Duplicate value: "x"
    "#]]
    .assert_eq(&refusals);
}
