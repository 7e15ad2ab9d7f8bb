//! Which nodes scale-down looks at. Source: `core/scaledown/eligibility/eligibility_test.go`.

use serde_json::{Value, json};

use crate::stage::{Stage, elsewhere, group, node, owned, pod};

/// A row: what the nodes of the group are, what runs on `regular`, further flags, and what is said of
/// each node.
struct Row {
    name: &'static str,
    nodes: Vec<Value>,
    pods: Vec<Value>,
    flags: &'static [(&'static str, &'static str)],
    expected: &'static [(&'static str, &'static str)],
}

fn changed(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut node = node(name);
    change(&mut node);
    node
}

fn being_deleted() -> Value {
    // The taint's value is the second in which deletion began: 11:59:30.
    let taint = json!({"key": "ToBeDeletedByClusterAutoscaler", "value": "1767614370",
        "effect": "NoSchedule"});
    changed("justDeleted", |node| node["spec"]["taints"] = json!([taint]))
}

fn kept() -> Value {
    changed("noScaleDown", |node| {
        node["metadata"]["annotations"] =
            json!({"cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"});
    })
}

fn unready() -> Value {
    changed("unready", |node| node["status"]["conditions"][0]["status"] = json!("False"))
}

fn without_size() -> Value {
    changed("regular", |node| {
        let amounts = json!({"cpu": "0", "memory": "0", "pods": "100"});
        node["status"]["capacity"] = amounts.clone();
        node["status"]["allocatable"] = amounts;
    })
}

/// A pool of which one slice of 999 is there.
fn incomplete_pool() -> Value {
    json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice",
        "metadata": {"name": "regularNodeIncompleteResourceSlice"},
        "spec": {"driver": "driver.foo.com", "nodeName": "regular",
            "pool": {"name": "regular-pool", "resourceSliceCount": 999, "generation": 1},
            "devices": [{"name": "dev1"}]}})
}

fn big() -> Value {
    pod("big", "600m", "regular")
}

fn small() -> Value {
    pod("small", "100m", "regular")
}

fn daemon() -> Value {
    owned(pod("ds", "500m", "regular"), "DaemonSet", "ds")
}

fn daemon_set() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "ds", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "main", "image": "app",
                "resources": {"requests": {"cpu": "500m"}}}]}}}})
}

/// The cases of the suite that run with and without ignore-daemonsets-utilization.
fn base_rows() -> Vec<Row> {
    let row = |name, nodes, pods, expected| Row { name, nodes, pods, flags: &[], expected };
    vec![
        row("regular node stays", vec![node("regular")], vec![], &[("regular", "unneeded")]),
        row(
            "recently deleted node is filtered out",
            vec![node("regular"), being_deleted()],
            vec![],
            &[("regular", "unneeded"), ("justDeleted", "CurrentlyBeingDeleted")],
        ),
        row(
            "marked no scale down is filtered out",
            vec![kept(), node("regular")],
            vec![],
            &[("noScaleDown", "ScaleDownDisabledAnnotation"), ("regular", "unneeded")],
        ),
        row(
            "highly utilized node is filtered out",
            vec![node("regular")],
            vec![big()],
            &[("regular", "NotUnderutilized")],
        ),
        row(
            "underutilized node stays",
            vec![node("regular")],
            vec![small()],
            &[("regular", "unneeded")],
        ),
        row(
            "node is filtered out if utilization can't be calculated",
            vec![without_size()],
            vec![],
            &[("regular", "UnexpectedError")],
        ),
        row("unready node stays", vec![unready()], vec![], &[("unready", "unneeded")]),
        Row {
            flags: &[("scale-down-unready-enabled", "false")],
            ..row(
                "unready node is filtered out when scale-down of unready is disabled",
                vec![unready()],
                vec![],
                &[("unready", "ScaleDownUnreadyDisabled")],
            )
        },
        row(
            "Node is filtered out because of DRA issues if DRA is enabled",
            vec![node("regular"), incomplete_pool()],
            vec![small()],
            &[("regular", "UnexpectedError")],
        ),
    ]
}

fn daemon_set_rows() -> Vec<Row> {
    let nodes = || vec![node("regular"), daemon_set()];
    let row = |name, pods, flags, expected| Row { name, nodes: nodes(), pods, flags, expected };
    vec![
        row(
            "high utilization daemonsets node stays",
            vec![small(), daemon()],
            &[("ignore-daemonsets-utilization", "true")],
            &[("regular", "unneeded")],
        ),
        row(
            "high utilization daemonsets node is filtered out, when IgnoreDaemonSets is disabled",
            vec![small(), daemon()],
            &[("ignore-daemonsets-utilization", "false")],
            &[("regular", "NotUnderutilized")],
        ),
        row(
            "only daemonsets pods on this node (threshold=0)",
            vec![daemon()],
            &[("ignore-daemonsets-utilization", "true"), ("scale-down-utilization-threshold", "0")],
            &[("regular", "unneeded")],
        ),
    ]
}

fn check(rows: Vec<Row>, more_flags: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for row in rows {
        let items: Vec<Value> = [group(2, &json!({})), elsewhere()]
            .into_iter()
            .chain(row.nodes)
            .chain(row.pods)
            .collect();
        let flags: Vec<(&str, &str)> = more_flags.iter().chain(row.flags).copied().collect();
        let mut stage = Stage::new(&items, &flags);
        stage.run();
        for (node, expected) in row.expected {
            let is_unneeded = stage.unneeded().iter().any(|(name, _)| name == node);
            let found = if is_unneeded { "unneeded" } else { stage.reason(node) };
            if found != *expected {
                wrong.push(format!("{}: {node} is {found:?}, expected {expected:?}", row.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `TestFilterOutUnremovable`, suites `[base]` and `[ignore-daemonsets=true]`.
#[test]
fn nodes_that_are_looked_at() {
    check(base_rows(), &[]);
    check(base_rows(), &[("ignore-daemonsets-utilization", "true")]);
    check(daemon_set_rows(), &[]);
}
