//! Snapshots: objects that belong together.

use expect_test::expect;

use super::*;

fn snapshot(values: Vec<Value>) -> Result<(Snapshot, Vec<SnapshotWarning>), SnapshotError> {
    let sources = values
        .into_iter()
        .enumerate()
        .map(|(document, value)| (value, Origin { document, path: FieldPath::default() }));
    Snapshot::from_values(sources)
}

fn list(items: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn class(name: &str, value: i32, global_default: bool) -> Value {
    json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
        "value": value, "globalDefault": global_default,
        "preemptionPolicy": if name == "meek" { "Never" } else { "PreemptLowerPriority" },
    })
}

fn node(name: &str, group: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"plimsoll.dev/node-group": group}},
    })
}

fn group(name: &str) -> Value {
    json!({
        "apiVersion": OWN_API_VERSION, "kind": "NodeGroup", "metadata": {"name": name},
        "spec": {"maxSize": 3, "template": {}},
    })
}

/// A pod with these fields in its `spec`, beside one container.
fn named_pod(name: &str, fields: &Value) -> Value {
    let mut spec = json!({"containers": [{"name": "a"}]});
    for (field, value) in fields.as_object().expect("fields") {
        spec[field] = value.clone();
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
}

#[test]
fn lists_are_taken_apart_in_order() {
    let (snapshot, warnings) = snapshot(vec![
        list(&json!([node("n2", "a"), list(&json!([node("n1", "a")]))])),
        node("n0", "a"),
    ])
    .expect("a valid snapshot");
    let names: Vec<&str> = snapshot.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["n2", "n1", "n0"]);
    assert_eq!(warnings, []);
}

#[test]
fn the_items_of_a_typed_list_need_not_say_what_they_are() {
    let item = json!({"metadata": {"name": "n"}});
    let typed = json!({"apiVersion": "v1", "kind": "NodeList", "items": [item]});
    let (snapshot, _) = snapshot(vec![typed]).expect("a valid snapshot");
    assert_eq!(snapshot.nodes[0].name, "n");
}

#[test]
fn pods_get_their_priority_from_classes_wherever_these_stand() {
    let (snapshot, _) = snapshot(vec![
        named_pod("named", &json!({"priorityClassName": "high"})),
        named_pod("meek", &json!({"priorityClassName": "meek"})),
        named_pod("unnamed", &json!({})),
        named_pod("system", &json!({"priorityClassName": "system-node-critical"})),
        named_pod("admitted", &json!({"priorityClassName": "gone", "priority": 7})),
        named_pod("own-policy", &json!({"priorityClassName": "high", "preemptionPolicy": "Never"})),
        class("high", 1000, false),
        class("meek", 5, false),
        class("usual", 10, true),
        class("unusual", 20, true),
    ])
    .expect("a valid snapshot");
    let shown: Vec<String> = snapshot
        .pods
        .iter()
        .map(|pod| format!("{} {} {}", pod.name, pod.spec.priority, pod.spec.preempts))
        .collect();
    expect![[r#"
        named 1000 true
        meek 5 false
        unnamed 10 true
        system 2000001000 true
        admitted 7 true
        own-policy 1000 false"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn objects_that_do_not_belong_together_are_refused_with_their_origin() {
    let scenario = |events: Value| {
        own_document(
            "Scenario",
            &json!({"start": "2026-01-05T06:00:00Z", "duration": "1h", "events": events}),
        )
    };
    let mut shown = String::new();
    for values in [
        vec![node("n", "a"), list(&json!([node("n", "a")]))],
        vec![group("workers"), node("n", "worker")],
        vec![named_pod("p", &json!({"priorityClassName": "hihg"})), class("high", 1, false)],
        vec![
            own_document("AutoscalerSettings", &json!({})),
            with(&own_document("AutoscalerSettings", &json!({})), "/metadata/name", json!("y")),
        ],
        vec![scenario(json!([{"at": "0s", "scale": {"deployment": "a/b", "replicas": 1}}]))],
        vec![
            group("workers"),
            scenario(json!([{"at": "0s", "fault": {"stockOut": {"group": "w", "for": "1m"}}}])),
        ],
        vec![json!({"kind": "List", "items": {}})],
        vec![json!("text")],
    ] {
        let error = snapshot(values).expect_err("the objects do not belong together");
        shown.push_str(&format!("{}[{}] {error}\n", error.origin.document, error.origin.path));
    }
    expect![[r#"
        1[items[0]] Node n: is there twice
        1[] Node n: metadata.labels[plimsoll.dev/node-group]: no NodeGroup "worker"; nearest: workers
        0[] Pod default/p: spec.priorityClassName: no PriorityClass "hihg"; nearest: high, system-node-critical, system-cluster-critical
        1[] AutoscalerSettings y: expected at most one AutoscalerSettings in a snapshot
        0[] Scenario x: spec.events[0].scale: no Deployment a/b
        1[] Scenario x: spec.events[0].fault: no NodeGroup "w"; nearest: workers
        0[] List without a name: items: expected a list of objects
        0[] object without a name: expected fields (key: value), found "text"
    "#]].assert_eq(&shown);
}

#[test]
fn what_is_scaled_may_be_applied_before() {
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"selector": {"matchLabels": {"a": "b"}},
                 "template": {"metadata": {"labels": {"a": "b"}},
                              "spec": {"containers": [{"name": "a"}]}}},
    });
    let scale = json!({"at": "2m", "scale": {"deployment": "shop/web", "replicas": 3}});
    let spec = json!({
        "start": "2026-01-05T06:00:00Z", "duration": "2m",
        "events": [scale, {"at": "1m", "apply": deployment}],
    });
    let (snapshot, warnings) =
        snapshot(vec![own_document("Scenario", &spec)]).expect("a valid snapshot");
    assert_eq!(snapshot.scenario.map(|scenario| scenario.events.len()), Some(2));
    let shown: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["Scenario x: 1 of its events come after its end and never happen"]);
}

#[test]
fn warnings_are_one_for_each_kind_and_lost_pod() {
    let other = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
    let (snapshot, warnings) = snapshot(vec![
        other("Secret", "a"),
        other("ConfigMap", "a"),
        other("Event", "a"),
        other("Secret", "b"),
        named_pod("p", &json!({"nodeName": "gone"})),
    ])
    .expect("a valid snapshot");
    let shown: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    expect![[r#"
        v1 Event: 1 kept and ignored: this kind is not known
        v1 Secret: 2 kept and ignored: this kind is not known
        Pod default/p: bound to node "gone", which is not there: it takes part in nothing"#]]
    .assert_eq(&shown.join("\n"));
    assert_eq!(snapshot.others.len(), 4);
}

#[test]
fn a_snapshot_is_as_new_as_its_newest_instant() {
    let mut young = named_pod("p", &json!({}));
    young["metadata"]["creationTimestamp"] = json!("2026-01-05T06:10:00Z");
    young["metadata"]["deletionTimestamp"] = json!("2026-01-05T07:00:00Z");
    let mut old = node("n", "a");
    old["metadata"]["creationTimestamp"] = json!("2026-01-05T05:00:00Z");
    let (snapshot_of_both, _) = snapshot(vec![old, young]).expect("a valid snapshot");
    assert_eq!(
        snapshot_of_both.at().map(|at| at.to_string()).as_deref(),
        Some("2026-01-05T06:10:00Z")
    );
    let (timeless, _) = snapshot(vec![node("n", "a")]).expect("a valid snapshot");
    assert_eq!(timeless.at(), None);
}
