//! A pod that fits nowhere, and the sentences about what would let it in.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::objects::{Origin, Snapshot};
use crate::scheduling::SchedulerProfiles;

/// Nodes of 2 cpu and 4 GiB in two zones, all of them idle.
fn node(name: &str, zone: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone}},
        "spec": {},
        "status": {"allocatable": {"cpu": "2", "memory": "4Gi", "pods": "10"}},
    })
}

fn pod(name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    if spec.get("containers").is_none() {
        spec["containers"] = json!([{"name": "c", "image": "i"}]);
    }
    let metadata = json!({"name": name, "namespace": "shop", "labels": {"app": "web"}});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

fn requesting(requests: &Value) -> Value {
    json!({"containers": [{"name": "c", "image": "i", "resources": {"requests": requests}}]})
}

/// Judges the pod `shop/p` among the others and tells its remedies.
fn check(others: &[Value], spec: &Value, expected: &Expect) {
    let (mut cluster, pod) = cluster_with(others, spec);
    let before = cluster.digest();
    let judgement = cluster.judge(pod);
    let remedies = cluster.remedies(pod, &judgement);
    let told: Vec<String> = remedies.iter().map(Remedy::text).collect();
    expected.assert_eq(&told.join("\n"));
    assert_eq!(cluster.digest(), before, "the search left a trace");
    assert_eq!(cluster.judge(pod), judgement, "the search left a trace");
}

fn cluster_with(others: &[Value], spec: &Value) -> (Cluster, PodId) {
    let objects = others.iter().cloned().chain([pod("p", spec)]);
    let objects = objects.map(|object| (object, Origin::default()));
    let (snapshot, _) = Snapshot::from_values(objects).expect("objects");
    let cluster = Cluster::from_snapshot(&snapshot, &SchedulerProfiles::default());
    let pending = cluster.pending_pods();
    let asked = pending.iter().find(|id| cluster.pod_full_name(**id) == "shop/p");
    let pod = *asked.expect("it is pending");
    (cluster, pod)
}

#[test]
fn a_taint_is_to_be_tolerated() {
    let mut tainted = node("n1", "a");
    tainted["spec"]["taints"] = json!([{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]);
    check(
        &[tainted],
        &json!({}),
        &expect!["Tolerate the taint gpu=yes:NoSchedule; the pod goes to n1."],
    );
}

#[test]
fn nobody_is_told_to_tolerate_a_broken_node() {
    let mut broken = node("n1", "a");
    broken["spec"]["taints"] =
        json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}]);
    check(
        &[broken],
        &json!({}),
        &expect![
            "Bring node n1 back, which is tainted node.kubernetes.io/not-ready:NoExecute; the pod goes to n1."
        ],
    );
}

#[test]
fn a_cordon_is_one_change_though_it_is_a_taint_too() {
    let mut cordoned = node("n1", "a");
    cordoned["spec"] = json!({"unschedulable": true, "taints": [
        {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]});
    check(&[cordoned], &json!({}), &expect!["Uncordon node n1; the pod goes to n1."]);
}

#[test]
fn requests_are_cut_to_the_most_that_some_node_has() {
    let mut nodes: Vec<Value> = (1..=3).map(|n| node(&format!("n{n}"), "a")).collect();
    let mut full = pod("full", &requesting(&json!({"cpu": "1"})));
    full["spec"]["nodeName"] = "n1".into();
    nodes.push(full);
    check(
        &nodes,
        &requesting(&json!({"cpu": "2200m", "memory": "1Gi"})),
        &expect![
            "Ask for 200m less cpu (2 instead of 2200m); the pod goes to n2, one of 2 that fit."
        ],
    );
    check(
        &nodes,
        &requesting(&json!({"cpu": "2200m", "memory": "5Gi"})),
        &expect![
            "Ask for 200m less cpu (2 instead of 2200m) and ask for 1Gi less memory (4Gi instead of 5Gi); the pod goes to n2, one of 2 that fit."
        ],
    );
}

#[test]
fn a_missing_label_is_put_on_or_not_asked_for() {
    let nodes = [node("n1", "a"), node("n2", "b")];
    check(
        &nodes,
        &json!({"nodeSelector": {"disktype": "ssd"}}),
        &expect![[r#"
        Label node n1 disktype=ssd; the pod goes to n1.
        Drop the node selector disktype=ssd; the pod goes to n1, one of 2 that fit."#]],
    );
    // What a zone is called is not changed by a label.
    check(
        &nodes,
        &json!({"nodeSelector": {"topology.kubernetes.io/zone": "c"}}),
        &expect![
            "Drop the node selector topology.kubernetes.io/zone=c; the pod goes to n1, one of 2 that fit."
        ],
    );
    let terms = json!([{"matchExpressions": [
        {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["b"]},
        {"key": "arch", "operator": "In", "values": ["arm", "riscv"]},
    ]}]);
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": terms}}});
    check(
        &nodes,
        &json!({"affinity": affinity}),
        &expect![[r#"
            Label node n2 arch=arm; the pod goes to n2.
            Drop the node affinity for arch in (arm,riscv); the pod goes to n2."#]],
    );
}

#[test]
fn a_host_port_that_is_taken_is_given_up() {
    let port = json!({"containers": [{"name": "c", "image": "i", "ports": [
        {"containerPort": 80, "hostPort": 80}]}]});
    let mut holder = pod("holder", &port);
    holder["spec"]["nodeName"] = "n1".into();
    check(
        &[node("n1", "a"), holder],
        &port,
        &expect!["Give up host port 80/TCP; the pod goes to n1."],
    );
}

#[test]
fn skew_is_raised_by_as_little_as_helps() {
    let mut objects = vec![node("n1", "a"), node("n2", "b")];
    objects[1]["spec"]["unschedulable"] = true.into();
    for name in ["x", "y"] {
        let mut placed = pod(name, &json!({}));
        placed["spec"]["nodeName"] = "n1".into();
        objects.push(placed);
    }
    let spread = json!({"topologySpreadConstraints": [{
        "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }]});
    check(
        &objects,
        &spread,
        &expect![[r#"
        Uncordon node n2; the pod goes to n2.
        Raise maxSkew over topology.kubernetes.io/zone from 1 to 3; the pod goes to n1."#]],
    );
}

#[test]
fn a_rule_about_other_pods_is_dropped_by_name() {
    let rule = |kind: &str, app: &str| {
        json!({"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": app}}},
        ]}}})
    };
    let mut other = pod("other", &json!({}));
    other["spec"]["nodeName"] = "n1".into();
    let objects = [node("n1", "a"), other];
    check(
        &objects,
        &rule("podAntiAffinity", "web"),
        &expect![
            "Drop the pod anti-affinity over kubernetes.io/hostname for pods with app=web; the pod goes to n1."
        ],
    );
    check(
        &objects,
        &rule("podAffinity", "db"),
        &expect![
            "Drop the pod affinity over kubernetes.io/hostname for pods with app=db; the pod goes to n1."
        ],
    );
}

#[test]
fn gates_come_first_and_then_what_else_is_in_the_way() {
    let gates = json!([{"name": "example.com/quota"}]);
    check(
        &[node("n1", "a")],
        &json!({"schedulingGates": gates}),
        &expect!["Remove the scheduling gate example.com/quota; the pod goes to n1."],
    );
    let mut spec = requesting(&json!({"cpu": "2500m"}));
    spec["schedulingGates"] = gates;
    check(
        &[node("n1", "a")],
        &spec,
        &expect![
            "Remove the scheduling gate example.com/quota and ask for 500m less cpu (2 instead of 2500m); the pod goes to n1."
        ],
    );
}

fn group(name: &str, max_size: u32, cpu: &str, taints: &Value) -> Value {
    json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeGroup", "metadata": {"name": name},
        "spec": {"minSize": 0, "maxSize": max_size, "template": {
            "spec": {"taints": taints},
            "status": {"allocatable": {"cpu": cpu, "memory": "64Gi", "pods": "10"}},
        }},
    })
}

#[test]
fn a_node_more_is_tried_with_the_pods_that_run_on_every_node() {
    let mut daemon = pod("agent-1", &requesting(&json!({"cpu": "100m"})));
    daemon["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": "u",
                "controller": true}]);
    daemon["spec"]["nodeName"] = "n1".into();
    let objects = |cpu: &str| {
        let taints = json!([{"key": "big", "effect": "NoSchedule"}]);
        [
            node("n1", "a"),
            daemon.clone(),
            group("big", 3, cpu, &json!([])),
            group("tainted", 3, "64", &taints),
            group("full", 0, "64", &json!([])),
        ]
    };
    let large = requesting(&json!({"cpu": "8"}));
    check(
        &objects("9"),
        &large,
        &expect![[r#"
        Add a node to group big (0 of 3); the pod goes there.
        Add a node to group tainted (0 of 3) and tolerate the taint big:NoSchedule; the pod goes there.
        Ask for 6100m less cpu (1900m instead of 8); the pod goes to n1."#]],
    );
    // 8 cpu are not enough: the DaemonSet's pod takes a part of them.
    check(
        &objects("8"),
        &large,
        &expect![[r#"
            Add a node to group big (0 of 3) and ask for 100m less cpu (7900m instead of 8); the pod goes there.
            Add a node to group tainted (0 of 3) and tolerate the taint big:NoSchedule; the pod goes there.
            Ask for 6100m less cpu (1900m instead of 8); the pod goes to n1."#]],
    );
}

#[test]
fn where_nothing_small_helps_nothing_is_said() {
    // Another pod's rule is not the pod's to change.
    let mut hermit = pod(
        "hermit",
        &json!({"affinity": {"podAntiAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": [{
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": {"matchLabels": {"app": "web"}}}]}}}),
    );
    hermit["spec"]["nodeName"] = "n1".into();
    check(&[node("n1", "a"), hermit], &json!({}), &expect![""]);
    // All cpu is taken; a request of nothing is no request.
    let mut hog = pod("hog", &requesting(&json!({"cpu": "2"})));
    hog["spec"]["nodeName"] = "n1".into();
    check(&[node("n1", "a"), hog], &requesting(&json!({"cpu": "1"})), &expect![""]);
    check(&[], &json!({}), &expect![""]);
}

#[test]
fn a_pod_that_fits_needs_no_remedy() {
    check(&[node("n1", "a")], &json!({}), &expect![""]);
}

#[test]
fn a_remedy_is_data_too() {
    let mut tainted = node("n1", "a");
    tainted["spec"]["taints"] = json!([{"key": "gpu", "effect": "NoSchedule"}]);
    let (mut cluster, pod) = cluster_with(&[tainted], &requesting(&json!({"cpu": "2500m"})));
    let judgement = cluster.judge(pod);
    let remedies = cluster.remedies(pod, &judgement);
    let json: Vec<String> = remedies.iter().map(|one| format!("{:#}", one.as_json())).collect();
    expect![[r#"
        {
          "changes": [
            {
              "kind": "tolerate",
              "taint": {
                "effect": "NoSchedule",
                "key": "gpu",
                "value": ""
              }
            },
            {
              "from": "2500m",
              "kind": "requestLess",
              "resource": "cpu",
              "to": "2"
            }
          ],
          "goesTo": "n1",
          "kind": "several",
          "nodesThatFit": 1,
          "text": "Tolerate the taint gpu:NoSchedule and ask for 500m less cpu (2 instead of 2500m); the pod goes to n1."
        }"#]].assert_eq(&json.join("\n"));
}

#[test]
fn thousands_of_nodes_that_refuse_alike_are_a_few_trials() {
    let mut objects: Vec<Value> = (0..3000).map(|n| node(&format!("n{n}"), "a")).collect();
    for n in 0..3000 {
        let cpu = format!("{}m", 100 + n % 700);
        let mut placed = pod(&format!("p{n}"), &requesting(&json!({"cpu": cpu})));
        placed["spec"]["nodeName"] = format!("n{n}").into();
        objects.push(placed);
    }
    let (mut cluster, pod) = cluster_with(&objects, &requesting(&json!({"cpu": "1950m"})));
    let judgement = cluster.judge(pod);
    assert_eq!(cluster.telling_nodes(pod, &judgement).len(), 3);
    let remedies = cluster.remedies(pod, &judgement);
    expect![
        "Ask for 50m less cpu (1900m instead of 1950m); the pod goes to n0, one of 5 that fit."
    ]
    .assert_eq(&remedies.iter().map(Remedy::text).collect::<Vec<_>>().join("\n"));
}
