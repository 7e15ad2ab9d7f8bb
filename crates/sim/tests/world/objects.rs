//! Objects for fixtures: nodes of 4 cpu, pods that ask for cpu only.

use serde_json::{Value, json};

/// The scenario: its events and nothing special about the world.
pub(crate) fn scenario(events: &Value) -> Value {
    scenario_with(events, &json!({}))
}

pub(crate) fn scenario_with(events: &Value, world: &Value) -> Value {
    json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "Scenario", "metadata": {"name": "s"},
        "spec": {"start": "2026-01-05T06:00:00Z", "duration": "12h", "events": events,
                 "world": world},
    })
}

/// A group of at most 5 machines whose boot takes 90 s.
pub(crate) fn group(name: &str) -> Value {
    group_with(name, &json!("90s"), &json!({}))
}

pub(crate) fn group_with(name: &str, boot_delay: &Value, status: &Value) -> Value {
    json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeGroup", "metadata": {"name": name},
        "spec": {"minSize": 0, "maxSize": 5, "bootDelay": boot_delay,
                 "template": {"status": {"capacity": size(), "allocatable": size()}}},
        "status": status,
    })
}

/// A node of a group, Ready.
pub(crate) fn node(name: &str, group: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {
            "plimsoll.dev/node-group": group, "kubernetes.io/hostname": name}},
        "spec": {"providerID": format!("plimsoll://{group}/{name}")},
        "status": {"capacity": size(), "allocatable": size(),
                   "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn size() -> Value {
    json!({"cpu": "4", "memory": "16Gi", "pods": "110"})
}

/// `Deployment`, `ReplicaSet`, `StatefulSet` or `DaemonSet` in the namespace `shop`.
pub(crate) fn workload(kind: &str, name: &str, replicas: u32, cpu: &str) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                 "template": template(name, cpu)},
    });
    if kind == "DaemonSet" {
        object["spec"].as_object_mut().expect("an object").remove("replicas");
    }
    object
}

/// A Job whose pods run for `run_for`.
pub(crate) fn job(name: &str, parallelism: u32, completions: u32, run_for: &str) -> Value {
    let mut template = template(name, "1");
    template["spec"]["restartPolicy"] = json!("Never");
    template["metadata"]["annotations"] = json!({"plimsoll.dev/run-for": run_for});
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"parallelism": parallelism, "completions": completions, "template": template},
    })
}

fn template(app: &str, cpu: &str) -> Value {
    json!({"metadata": {"labels": {"app": app}}, "spec": {"containers": containers(cpu)}})
}

fn containers(cpu: &str) -> Value {
    json!([{"name": "main", "image": "main", "resources": {"requests": {"cpu": cpu}}}])
}

/// A pod without a controller; bound when a node is named.
pub(crate) fn bare_pod(name: &str, cpu: &str, node: Option<&str>) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
        "spec": {"containers": containers(cpu)},
    });
    if let Some(node) = node {
        pod["spec"]["nodeName"] = json!(node);
        pod["status"] = json!({"phase": "Running"});
    }
    pod
}

/// A pod of a ReplicaSet, running.
pub(crate) fn owned_pod(name: &str, owner: &str, cpu: &str, node: &str) -> Value {
    let mut pod = bare_pod(name, cpu, Some(node));
    pod["metadata"]["labels"]["app"] = json!(owner);
    pod["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner,
        "controller": true}]);
    pod
}

/// A budget for the pods of one app.
pub(crate) fn budget(app: &str, max_unavailable: u32) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": app, "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": app}}, "maxUnavailable": max_unavailable},
    })
}
