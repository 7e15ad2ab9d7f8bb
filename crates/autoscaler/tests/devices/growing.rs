//! Scale-up.

use expect_test::expect;
use plimsoll_autoscaler::Settings;
use plimsoll_core::ids::GroupId;
use plimsoll_core::node_group::{Instance, InstanceState};
use serde_json::{Value, json};

use crate::stage::{
    By, NOON, Stage, claim, group, held, node, pending, replica_set, running, slice, template_slice,
};

/// Five pods of one ReplicaSet, each with a claim of its own on one device.
fn trainers() -> Vec<Value> {
    let mut all = vec![replica_set("train", 5)];
    for number in 1..=5 {
        let (pod, of_pod) = (format!("train-{number}"), format!("train-{number}-gpu"));
        all.push(claim(&of_pod, 1, &pod));
        all.push(pending(&pod, "train", "100m", By::Template(&of_pod)));
    }
    all
}

/// Source: `simulator/node_info_utils.go` (slices of the template are copied for each new node),
/// `core/scaleup/equivalence/groups.go` (specs are compared, and they name the template).
#[test]
fn pods_whose_claims_are_made_from_one_template_are_alike_and_packed_by_devices() {
    let mut items = trainers();
    items.push(group("gpus", 0, &json!([template_slice(2)])));
    items.push(group("plain", 0, &json!([])));
    expect![[r#"
        Successful
        5 alike, plain: cannot allocate all claims
        gpus: 3 nodes, 5 pods
        train-1 triggeredScaleUp
        train-2 triggeredScaleUp
        train-3 triggeredScaleUp
        train-4 triggeredScaleUp
        train-5 triggeredScaleUp"#]]
    .assert_eq(&Stage::new(items).scale_up());
}

/// Source: `SanitizedTemplateNodeInfoFromNodeInfo`. The group says nothing of devices; its node has.
#[test]
fn a_real_node_lends_its_devices_to_the_nodes_made_after_it() {
    let mut items = trainers();
    items.extend([group("gpus", 1, &json!([])), node("gpus-1", "gpus"), slice("gpus-1", 2)]);
    expect![[r#"
        Successful
        3 alike
        gpus: 2 nodes, 3 pods
        train-1 fitsExisting
        train-2 fitsExisting
        train-3 triggeredScaleUp
        train-4 triggeredScaleUp
        train-5 triggeredScaleUp"#]]
    .assert_eq(&Stage::new(items).scale_up());
}

/// Source: `SanitizedPodResourceClaims`: what a DaemonSet's pod has for itself is copied too.
#[test]
fn new_nodes_are_short_of_what_their_daemons_hold() {
    let mut items = trainers();
    let mut daemon = running("watch-1", "watch", "10m", By::Template("watch-1-gpu"), "gpus-1");
    daemon["metadata"]["ownerReferences"][0]["kind"] = json!("DaemonSet");
    items.extend([
        group("gpus", 1, &json!([])),
        node("gpus-1", "gpus"),
        slice("gpus-1", 2),
        daemon,
        held("watch-1-gpu", "watch-1", "gpus-1", &["gpu-0"]),
    ]);
    expect![[r#"
        Successful
        4 alike
        gpus: 4 nodes, 4 pods
        train-1 fitsExisting
        train-2 triggeredScaleUp
        train-3 triggeredScaleUp
        train-4 triggeredScaleUp
        train-5 triggeredScaleUp"#]]
    .assert_eq(&Stage::new(items).scale_up());
}

/// Source: `snapshot.go`, `ReservePodClaims`: the first pod's node is where the claim's devices are.
#[test]
fn pods_that_share_a_claim_share_a_node() {
    let mut items = vec![
        replica_set("share", 3),
        claim("both", 2, ""),
        group("gpus", 0, &json!([template_slice(2)])),
    ];
    items.extend(
        (1..=3)
            .map(|number| pending(&format!("share-{number}"), "share", "1500m", By::Name("both"))),
    );
    expect![[r#"
        Successful
        3 alike
        gpus: 1 nodes, 2 pods
        share-1 triggeredScaleUp
        share-2 triggeredScaleUp
        share-3 leftOver"#]]
    .assert_eq(&Stage::new(items).scale_up());
}

/// Source: `core/static_autoscaler.go`, `addLatestScaleUpResultsToClusterSnapshot`: pods that were
/// helped are scheduled on the stand-ins, and their claims with them.
#[test]
fn a_claim_stays_where_the_first_scale_up_of_a_salvo_has_put_it() {
    let mut items = vec![claim("both", 1, "")];
    for pool in ["left", "right"] {
        let mut group = group(pool, 0, &json!([template_slice(1)]));
        group["spec"]["template"]["metadata"] = json!({"labels": {"pool": pool}});
        let mut pod = pending(&format!("{pool}-1"), pool, "100m", By::Name("both"));
        pod["spec"]["nodeSelector"] = json!({"pool": pool});
        items.extend([replica_set(pool, 1), group, pod]);
    }
    let settings = Settings { salvo_scale_up: true, ..Settings::default() };
    let mut stage = Stage::with(&settings, items);
    let told = stage.scale_up();
    let helped = told.lines().filter(|line| line.ends_with("triggeredScaleUp")).count();
    let left = told.lines().filter(|line| line.ends_with("unschedulable")).count();
    assert_eq!((helped, left), (1, 1), "{told}");
    let asked = stage.autoscaler.last_loop().expect("a loop ran").scale_up.increases.len();
    assert_eq!(asked, 1, "no node of the other group has the claim's devices");
}

/// Source: `allocateAll`-or-nothing of the plugin: a claim on more than a node has moves nobody.
#[test]
fn a_claim_on_more_devices_than_a_node_has_helps_no_group() {
    let items = vec![
        replica_set("big", 1),
        claim("big-1-gpu", 3, "big-1"),
        pending("big-1", "big", "100m", By::Template("big-1-gpu")),
        group("gpus", 0, &json!([template_slice(2)])),
    ];
    expect![[r#"
        NoOptionsAvailable
        1 alike, gpus: cannot allocate all claims
        big-1 unschedulable"#]]
    .assert_eq(&Stage::new(items).scale_up());
}

/// Source: `groups.go`: specs that name different claims differ.
#[test]
fn pods_that_name_different_claims_are_not_alike() {
    let items = vec![
        replica_set("two", 2),
        claim("left", 1, ""),
        claim("right", 1, ""),
        pending("two-1", "two", "100m", By::Name("left")),
        pending("two-2", "two", "100m", By::Name("right")),
        group("gpus", 0, &json!([template_slice(2)])),
    ];
    expect![[r#"
        Successful
        1 alike
        1 alike
        gpus: 1 nodes, 2 pods
        two-1 triggeredScaleUp
        two-2 triggeredScaleUp"#]]
    .assert_eq(&Stage::new(items).scale_up());
}

/// Source: `core/static_autoscaler.go`: stand-ins of upcoming nodes are made from the same templates.
#[test]
fn nodes_on_their_way_bring_devices() {
    let mut items = trainers();
    items.push(group("gpus", 0, &json!([template_slice(2)])));
    let mut stage = Stage::new(items);
    stage.scale_up();
    let group = GroupId::at(0);
    let increase = plimsoll_autoscaler::Action::IncreaseSize { group, delta: 3 };
    stage.cluster.set_target_size(group, 3);
    for number in 1..=3 {
        let instance = Instance {
            id: format!("gpus-{number}").into(),
            state: InstanceState::Creating,
            error: None,
            created_at: Some(NOON),
        };
        stage.cluster.update_instances(group, |list| list.push(instance));
    }
    let done = plimsoll_autoscaler::Outcome::Done;
    plimsoll_autoscaler::NodeAutoscaler::observe(
        &mut stage.autoscaler,
        &increase,
        &done,
        &stage.cluster,
        NOON,
    );
    stage.pass(10);
    expect![[r#"
        NotNeeded
        train-1 fitsExisting
        train-2 fitsExisting
        train-3 fitsExisting
        train-4 fitsExisting
        train-5 fitsExisting"#]]
    .assert_eq(&stage.scale_up());
}

/// Source: `processors/customresources/dra_processor.go`.
#[test]
fn a_node_is_not_ready_before_its_devices_are_there() {
    let mut late = node("gpus-1", "gpus");
    late["metadata"]["creationTimestamp"] = json!("2026-01-05T11:59:00Z");
    let items = vec![
        group("gpus", 2, &json!([template_slice(2)])),
        group("plain", 1, &json!([])),
        late,
        node("gpus-2", "gpus"),
        node("plain-1", "plain"),
    ];
    let mut stage = Stage::new(items);
    let states = |stage: &Stage| {
        let classes = stage.autoscaler.registry().classes();
        let lines = stage.cluster.nodes().map(|(id, node)| {
            let class = classes[id.index()].expect("the node was looked at");
            format!("{} {:?} {}", node.name, class.state, class.waits_for_resources)
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    stage.scale_up();
    expect![[r#"
        gpus-1 NotStarted true
        gpus-2 Unready true
        plain-1 Ready false"#]]
    .assert_eq(&states(&stage));
    assert_eq!(stage.autoscaler.registry().group(GroupId::at(0)).resource_unready, 1);
    assert_eq!(stage.autoscaler.registry().resource_unready_count(), 1);

    // More than the group says is no fault; what counts is the number of whole pools by driver.
    for name in ["gpus-1", "gpus-2"] {
        let slice = plimsoll_core::objects::Snapshot::from_values(std::iter::once((
            slice(name, 7),
            plimsoll_core::objects::Origin::default(),
        )));
        let (snapshot, _) = slice.expect("a valid slice");
        stage.cluster.add_slice(snapshot.devices.slices[0].clone());
    }
    stage.pass(10);
    stage.scale_up();
    expect![[r#"
        gpus-1 Ready false
        gpus-2 Ready false
        plain-1 Ready false"#]]
    .assert_eq(&states(&stage));
}

/// Source: `SanitizedPodResourceClaims` gives an error, and with it `RunOnce`.
#[test]
fn a_pod_with_devices_from_elsewhere_on_the_node_that_stands_for_its_group_ends_the_loop() {
    let mut items = trainers();
    items.extend([
        group("gpus", 1, &json!([])),
        node("gpus-1", "gpus"),
        slice("gpus-1", 2),
        running("far-1", "far", "10m", By::Template("far-1-gpu"), "gpus-1"),
        held("far-1-gpu", "far-1", "elsewhere", &["gpu-0"]),
    ]);
    let told = Stage::new(items).scale_up();
    assert_eq!(
        told.lines().next(),
        Some(
            "failed to recompute template node infos: claim ml/far-1-gpu has an allocation r, from \
             a pool that isn't node-local on gpus-1 - can't be sanitized"
        )
    );
    assert!(told.contains("train-1 notReached"), "{told}");
}
