//! `plimsoll schedule`: what it prints for snapshots of every kind and size.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::run::{example, import_surf, stdout};

fn json_of(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(folder, arguments)).expect("JSON")
}

#[test]
fn a_history_is_judged_as_the_snapshot_file_of_the_same_instant_is() {
    let folder = tempfile::tempdir().expect("a folder");
    import_surf(folder.path());
    let file = stdout(folder.path(), &["history", "snapshot", "surf.db", "--at", "+2m", "--json"]);
    fs::write(folder.path().join("then.json"), file).expect("written");
    let from_history = json_of(folder.path(), &["schedule", "surf.db@+2m", "--json"]);
    assert_eq!(from_history, json_of(folder.path(), &["schedule", "then.json", "--json"]));
    let pods = from_history["pods"].as_array().expect("pods");
    assert_eq!(pods.len(), 2);
    for pod in pods {
        assert_eq!(pod["message"], "no nodes available to schedule pods");
        assert_eq!(pod["remedies"][0]["kind"], "addNode", "{pod}");
    }
    let end = stdout(folder.path(), &["schedule", "surf.db"]);
    assert!(end.starts_with("surf.db as of 2022-"), "{end}");
}

#[test]
fn every_pod_has_the_fields_of_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = json_of(folder.path(), &["schedule", &example("stuck.yaml"), "--json"]);
    let pods = all["pods"].as_array().expect("pods");
    assert_eq!(pods.len(), 6);
    for pod in pods {
        assert_eq!(pod["nodes"].as_object().map(serde_json::Map::len), Some(5));
        for verdict in pod["nodes"].as_object().expect("nodes").values() {
            let fits = verdict["fits"].as_bool().expect("a verdict");
            assert_eq!(verdict["total"].is_i64(), fits);
            assert_eq!(verdict["scores"].is_object(), fits);
            assert_eq!(verdict["plugin"].is_string(), !fits);
            assert_eq!(verdict["reason"].is_string(), !fits);
        }
        assert_eq!(pod["remedies"].is_array(), pod["node"].is_null());
    }
    let alone = json_of(
        folder.path(),
        &["schedule", &example("stuck.yaml"), "--pod", "shop/api-3", "--json"],
    );
    assert_eq!(alone["pods"], json!([pods[4]]));
    let order =
        json_of(folder.path(), &["schedule", &example("stuck.yaml"), "--sequential", "--json"]);
    assert_eq!(order["sequential"][0], json!({"pod": "shop/web-1", "node": "worker-3"}));
}

/// Nodes of two kinds, pods of one Deployment that fit and of another that do not.
fn large_cluster(nodes: usize) -> String {
    let mut items = Vec::new();
    for number in 0..nodes {
        let taints = if number % 10 == 0 {
            json!([{"key": "gpu", "effect": "NoSchedule"}])
        } else {
            json!([])
        };
        let name = format!("node-{number}");
        items.push(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "spec": {"taints": taints},
            "status": {"allocatable": {"cpu": "4", "memory": "16Gi", "pods": "110"}},
        }));
    }
    for number in 0..20 {
        let (app, cpu) = if number % 2 == 0 { ("web", "1") } else { ("report", "5") };
        items.push(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("{app}-{number}"), "namespace": "shop"},
            "spec": {"containers": [{"name": "c", "image": "i", "resources": {
                "requests": {"cpu": cpu}}}]},
        }));
    }
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

#[test]
fn thousands_of_nodes_and_pods_that_are_alike_fit_on_one_screen() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("large.json"), large_cluster(2000)).expect("written");
    let page = stdout(folder.path(), &["schedule", "large.json"]);
    assert!(page.lines().count() < 30, "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");
    assert!(page.contains("shop/report-1, shop/report-3, shop/report-5 and 7 more"), "{page}");
    assert!(page.contains("1,800  NodeResourcesFit: Insufficient cpu"), "{page}");
    assert!(page.contains("Ask for 1 less cpu (4 instead of 5)"), "{page}");
    let one = stdout(folder.path(), &["schedule", "large.json", "--pod", "shop/web-0"]);
    let rows = one.lines().filter(|line| line.starts_with("  node-")).count();
    assert!(rows >= 1800, "every node that fits has its line: {rows}");
    assert!(one.contains("node-1990"), "every node that refuses is named");
    let sampled = json_of(
        folder.path(),
        &["schedule", "large.json", "--pod", "shop/web-0", "--sample-nodes", "--json"],
    );
    let judged = sampled["pods"][0]["nodes"].as_object().map(serde_json::Map::len);
    // 50 - 2000/125 = 34 per cent of 2,000 nodes that fit, and the tainted ones on the way there.
    assert_eq!(judged, Some(680 + 76));
}
