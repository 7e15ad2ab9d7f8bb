//! Since when nodes are unneeded, and which of them may go. Source:
//! `core/scaledown/unneeded/nodes_test.go`.

use serde_json::{Value, json};

use crate::stage::{Stage, elsewhere, group, node, pod};

/// Words of node names; those that are not among them are kept by a pod that nobody would remake.
fn keep_all_but(stage: &mut Stage, unneeded: &str) {
    for name in ["n1", "n2", "n3"] {
        let (node, pod) = (stage.node(name), stage.pod(&format!("keeps-{name}")));
        let is_kept = stage.cluster.pod(pod).node.is_some();
        match (unneeded.split(' ').any(|one| one == name), is_kept) {
            (true, true) => stage.cluster.unbind(pod),
            (false, false) => stage.cluster.bind(pod, node, plimsoll_core::SimTime(0)),
            _ => {}
        }
    }
}

/// Its name, the nodes that are unneeded in the first loop and in the last, and since which minute each.
type TimesRow<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, i64)]);

/// Its name, the nodes, the group's `spec`, flags, and why the node stays.
type StayRow<'a> = (&'a str, Vec<Value>, &'a Value, &'a [(&'a str, &'a str)], &'a str);

/// `TestUpdate`: a minute lies between the two loops.
#[test]
fn a_node_is_unneeded_since_the_first_loop_in_a_row_that_found_it_so() {
    let rows: [TimesRow<'_>; 4] = [
        ("added then deleted", "n1 n2 n3", "", &[]),
        ("added in last call", "", "n1 n2 n3", &[("n1", 1), ("n2", 1), ("n3", 1)]),
        ("single one remaining", "n1 n2 n3", "n2", &[("n2", 0)]),
        ("single one older", "n2", "n1 n2 n3", &[("n1", 1), ("n2", 0), ("n3", 1)]),
    ];
    for (name, first, last, expected) in rows {
        let mut items = vec![group(3, &json!({"minSize": 0})), elsewhere()];
        for node_name in ["n1", "n2", "n3"] {
            items.push(node(node_name));
            items.push(pod(&format!("keeps-{node_name}"), "900m", node_name));
        }
        let mut stage = Stage::new(&items, &[]);
        for (minutes, unneeded) in [(0, first), (1, last)] {
            stage.pass(minutes);
            keep_all_but(&mut stage, unneeded);
            stage.run();
        }
        let expected: Vec<(String, i64)> =
            expected.iter().map(|(node, since)| ((*node).to_owned(), *since)).collect();
        assert_eq!(stage.unneeded(), expected, "{name}");
    }
}

/// `TestUpdate`, "threshold updated on existing node" and "mixed update and preservation": a node that
/// stops being ready stays unneeded since when it was, and waits for `scale-down-unready-time` from
/// then on. `TestRemovableAt` is beside the module.
#[test]
fn a_node_that_becomes_unready_keeps_its_time_and_gets_another_delay() {
    let flags = [("scale-down-unneeded-time", "5m"), ("scale-down-unready-time", "15m")];
    let items = [group(2, &json!({"minSize": 0})), elsewhere(), node("n1"), node("n2")];
    let mut stage = Stage::new(&items, &flags);
    stage.run();
    let n2 = stage.node("n2");
    stage.cluster.set_ready(n2, false, plimsoll_core::SimTime(0));
    for (minutes, unneeded, n1, n2) in [
        (1, &["n1", "n2"][..], "NotUnneededLongEnough", "NotUnreadyLongEnough"),
        (9, &["n1", "n2"], "", "NotUnreadyLongEnough"),
        // The first one is on its way now.
        (5, &["n2"], "", "NotUnreadyLongEnough"),
        (1, &["n2"], "", ""),
    ] {
        stage.pass(minutes);
        stage.run();
        let unneeded: Vec<(String, i64)> =
            unneeded.iter().map(|name| ((*name).to_owned(), 0)).collect();
        assert_eq!(stage.unneeded(), unneeded, "after {minutes} more minutes");
        let reasons = [stage.reason("n1"), stage.reason("n2")];
        assert_eq!(reasons, [n1, n2], "after {minutes} more minutes");
    }
}

/// `TestNodeLoadFromExistingTaints`: what an earlier process knew is believed if it is not too old. All
/// nodes are unneeded now; of the first it is known since when.
#[test]
fn a_fresh_autoscaler_believes_soft_taints_that_are_young_enough() {
    let soft = |name: &str, value: &str| {
        let mut node = node(name);
        node["spec"]["taints"] = json!([{"key": "DeletionCandidateOfClusterAutoscaler",
            "value": value, "effect": "PreferNoSchedule"}]);
        node
    };
    // Noon is the second 1767614400.
    let known = || vec![soft("n1", "1767614280"), node("n2")];
    let expired = || soft("n3", "1767613200");
    let invalid = || soft("n4", "INVALID_VALUE");
    for (nodes, expected) in [
        (known(), &[("n1", -2), ("n2", 0)][..]),
        ([known(), vec![expired()]].concat(), &[("n1", -2), ("n2", 0), ("n3", 0)]),
        (
            [known(), vec![expired(), invalid()]].concat(),
            &[("n1", -2), ("n2", 0), ("n3", 0), ("n4", 0)],
        ),
    ] {
        let target = u32::try_from(nodes.len()).expect("few");
        let items: Vec<Value> =
            [group(target, &json!({"minSize": 0})), elsewhere()].into_iter().chain(nodes).collect();
        let mut stage = Stage::new(&items, &[("node-deletion-candidate-ttl", "5m")]);
        stage.run();
        let expected: Vec<(String, i64)> =
            expected.iter().map(|(name, since)| ((*name).to_owned(), *since)).collect();
        assert_eq!(stage.unneeded(), expected);
    }
}

/// `TestRemovableAt_UnremovableReasons`: the node has been unneeded for ten minutes. Failures of the
/// options themselves, and nodes of no group, do not come that far here.
#[test]
fn unneeded_nodes_that_may_not_go_yet() {
    let unready = || {
        let mut node = node("n1");
        node["status"]["conditions"][0]["status"] = json!("False");
        node
    };
    let five: &[(&str, &str)] =
        &[("scale-down-unneeded-time", "5m"), ("scale-down-unready-time", "5m")];
    let kept = || {
        let mut node = node("n1");
        node["metadata"]["annotations"] =
            json!({"cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"});
        node
    };
    let rows: [StayRow<'_>; 6] = [
        ("goes", vec![node("n1")], &json!({"minSize": 0}), five, ""),
        (
            "ScaleDownDisabledAnnotation",
            vec![kept()],
            &json!({"minSize": 0}),
            five,
            "ScaleDownDisabledAnnotation",
        ),
        (
            "NotUnneededLongEnough",
            vec![node("n1")],
            &json!({"minSize": 0}),
            &[("scale-down-unneeded-time", "15m"), ("scale-down-unready-time", "5m")],
            "NotUnneededLongEnough",
        ),
        (
            "NotUnreadyLongEnough",
            vec![unready()],
            &json!({"minSize": 0}),
            &[("scale-down-unneeded-time", "5m"), ("scale-down-unready-time", "15m")],
            "NotUnreadyLongEnough",
        ),
        (
            "NodeGroupMinSizeReached",
            vec![node("n0"), node("n1")],
            &json!({"minSize": 1}),
            five,
            "NodeGroupMinSizeReached",
        ),
        (
            "MinimalResourceLimitExceeded",
            vec![node("n1")],
            &json!({"minSize": 0}),
            &[
                ("scale-down-unneeded-time", "5m"),
                ("scale-down-unready-time", "5m"),
                ("cores-total", "101:1000"),
            ],
            "MinimalResourceLimitExceeded",
        ),
    ];
    for (name, nodes, spec, flags, expected) in rows {
        let target = u32::try_from(nodes.len()).expect("few");
        let items: Vec<Value> =
            [group(target, spec), elsewhere()].into_iter().chain(nodes).collect();
        let mut stage = Stage::new(&items, flags);
        stage.run();
        stage.pass(10);
        stage.run();
        assert_eq!(stage.reason("n1"), expected, "{name}");
    }
}
