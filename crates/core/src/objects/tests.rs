//! Small objects of every kind, and what is read from them.

mod capacity;
mod devices;
mod nodes;
mod pods;
mod scenarios;
mod scheduling_rules;
mod snapshots;
mod storage;
mod workloads;

use serde_json::{Value, json};

use super::*;

/// The error about `document`, as a user sees it.
fn error(document: &Value) -> String {
    parse(document).expect_err("the object is wrong").to_string()
}

/// A pod `shop/web` with this `spec`.
fn pod_document(spec: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": spec,
    })
}

/// The pod `shop/web` with this `spec`.
fn pod(spec: &Value) -> PodObject {
    match parse(&pod_document(spec)) {
        Ok(Object::Pod(pod)) => pod,
        other => panic!("expected a pod, found {other:?}"),
    }
}

/// A document of one of our kinds, named `x`.
fn own_document(kind: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": OWN_API_VERSION, "kind": kind, "metadata": {"name": "x"}, "spec": spec,
    })
}

/// `base` with `value` at the place that a JSON pointer names; the place must exist or be a new
/// field of one that does.
fn with(base: &Value, pointer: &str, value: Value) -> Value {
    let mut changed = base.clone();
    let (parent, field) = pointer.rsplit_once('/').expect("a pointer has a slash");
    let parent = changed.pointer_mut(parent).expect("the parent is there");
    match parent {
        Value::Array(items) => items[field.parse::<usize>().expect("an index")] = value,
        other => {
            other.as_object_mut().expect("fields").insert(field.to_owned(), value);
        }
    }
    changed
}

#[test]
fn an_object_must_say_what_it_is() {
    for (document, expected) in [
        (json!([1]), "object without a name: expected fields (key: value), found [1]"),
        (json!({"kind": "Pod"}), "Pod without a name: apiVersion: is required, and is missing"),
        (json!({"apiVersion": "v1"}), "object without a name: kind: is required, and is missing"),
        (
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": ""}}),
            "Node without a name: metadata.name: expected a name, found \"\"",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 5}}),
            "Pod without a name: metadata.name: expected text, found 5 (write \"5\")",
        ),
        (
            json!({"apiVersion": "plimsoll.dev/v2", "kind": "NodeGroup", "metadata": {"name": "a"}}),
            "NodeGroup a: apiVersion: expected plimsoll.dev/v1alpha1, found \"plimsoll.dev/v2\"",
        ),
        (
            json!({"apiVersion": OWN_API_VERSION, "kind": "Nodegroup", "metadata": {"name": "a"}}),
            "Nodegroup a: kind: unknown kind \"Nodegroup\"; known: AutoscalerSettings, \
             AutoscalerState, NodeGroup, Scenario",
        ),
    ] {
        assert_eq!(error(&document), expected);
    }
}

#[test]
fn an_unknown_kind_is_kept_as_it_is() {
    let document = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": "kube-system", "name": "priorities"}, "data": {"a": "b"},
    });
    let Ok(Object::Other(other)) = parse(&document) else { panic!("expected another kind") };
    assert_eq!(other.name.to_string(), "ConfigMap kube-system/priorities");
    assert_eq!(other.document, document);
}

#[test]
fn an_unknown_field_is_ignored_in_kubernetes_kinds_and_refused_in_ours() {
    let known = json!({"containers": [{"name": "a"}]});
    let unknown = json!({"containers": [{"name": "a", "colour": "red"}], "colour": "blue"});
    // An API server never gives a field away that it does not know; the digest takes all that is written.
    let digest = pod(&known).spec.digest;
    let mut read = pod(&unknown);
    read.spec.digest = digest;
    assert_eq!(read, pod(&known));
    let spec = json!({"maxsize": 3});
    assert_eq!(
        error(&own_document("NodeGroup", &spec)),
        "NodeGroup x: spec.maxsize: unknown field; nearest: maxSize, minSize, zone"
    );
}

#[test]
fn settings_are_kept_by_flag_name() {
    let spec = json!({"expander": "least-waste", "scan-interval": "10s", "max-nodes-total": 5});
    let Ok(Object::AutoscalerSettings(settings)) =
        parse(&own_document("AutoscalerSettings", &spec))
    else {
        panic!("expected settings")
    };
    assert_eq!(settings.spec.get("max-nodes-total"), Some(&json!(5)));
    assert_eq!(settings.spec.len(), 3);
}
