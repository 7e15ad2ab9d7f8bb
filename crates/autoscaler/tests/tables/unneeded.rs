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
    let rows: [StayRow<'_>; 5] = [
        ("goes", vec![node("n1")], &json!({"minSize": 0}), five, ""),
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
