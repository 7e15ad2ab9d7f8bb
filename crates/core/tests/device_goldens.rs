//! DynamicResources' verdicts and scores for the upstream answers in the scheduling goldens.

#![expect(clippy::disallowed_methods, reason = "this test reads the goldens from their folder")]

use std::path::PathBuf;

use plimsoll_core::SimTime;
use plimsoll_core::devices::{Devices, NodeView, PodIdentity, PreFilter, plugin};
use plimsoll_core::objects::{Origin, Snapshot};
use plimsoll_core::scheduling::profile::DynamicResourcesArguments;
use plimsoll_core::{NodeObject, PodObject};
use serde_json::Value;

/// The time of the scheduling goldens.
const NOW: &str = "2026-01-05T06:00:00Z";
/// Filters that come after DynamicResources: where they refuse, DynamicResources did not.
const LATER_FILTERS: [&str; 1] = ["NodeDeclaredFeatures"];

/// The folder of the goldens; `None` on a machine without them, which CI must not be.
fn goldens() -> Option<PathBuf> {
    let shared = std::env::var_os("PLIMSOLL_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let folder = shared.join("goldens/scheduling");
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(folder.is_dir() || !in_ci, "CI must have the goldens: {}", folder.display());
    folder.is_dir().then_some(folder)
}

/// What the plugin says of one pod on one node.
#[derive(Debug, PartialEq)]
enum Verdict {
    Fits(i64),
    Refused(String),
}

/// What the plugin says of a pod, by node in the order of the snapshot.
fn verdicts(devices: &Devices, nodes: &[NodeObject], pod: &PodObject) -> Vec<Verdict> {
    let refused =
        |reason: &str| nodes.iter().map(|_| Verdict::Refused(reason.to_owned())).collect();
    if let Some(reason) = devices.gate(&pod.spec) {
        return refused(&reason.to_string());
    }
    let identity = PodIdentity { name: &pod.name, uid: &pod.uid };
    let now = SimTime::parse(NOW).expect("a valid time");
    let cycle =
        match devices.pre_filter(&pod.spec, identity, now, DynamicResourcesArguments::default()) {
            PreFilter::Skip => return nodes.iter().map(|_| Verdict::Fits(0)).collect(),
            PreFilter::Refused(refusal) => return refused(&refusal.to_string()),
            PreFilter::Ask(cycle) => cycle,
        };
    let answers = nodes.iter().map(|node| {
        let view = NodeView {
            name: &node.name,
            label: &|key| node.spec.labels.get(key).map(String::as_str),
            allocatable: &|resource| node.spec.allocatable.get(resource).copied(),
        };
        match devices.filter(&pod.spec, &cycle, &view) {
            Ok(allocation) => Verdict::Fits(allocation.score),
            Err(refusal) => Verdict::Refused(refusal.refusal.to_string()),
        }
    });
    answers.collect()
}

/// How many verdicts of the plugin agree with a case; panics at the first that does not.
fn check(case: &Value) -> usize {
    let name = case["name"].as_str().expect("cases have names");
    let values = std::iter::once((case["snapshot"].clone(), Origin::default()));
    let (snapshot, _) =
        Snapshot::from_values(values).unwrap_or_else(|error| panic!("{name}: {error}"));
    let devices = Devices::new(snapshot.devices.clone());
    let mut compared = 0;
    for expected in case["expect"]["pods"].as_array().into_iter().flatten() {
        let pod_name = expected["pod"].as_str().expect("pods have names");
        let is_meant =
            |pod: &&PodObject| format!("{}/{}", pod.spec.namespace, pod.name) == pod_name;
        let pod = snapshot.pods.iter().find(is_meant).expect("the pod is in the snapshot");
        let found = verdicts(&devices, &snapshot.nodes, pod);
        let nodes = || snapshot.nodes.iter().map(|node| &expected["nodes"][&node.name]);
        let mut scores: Vec<i64> = nodes()
            .zip(&found)
            .filter_map(|(node, verdict)| match verdict {
                Verdict::Fits(score) if node["fits"] == true => Some(*score),
                _ => None,
            })
            .collect();
        plugin::normalise(&mut scores);
        let mut scores = scores.into_iter();
        for ((node, verdict), object) in nodes().zip(&found).zip(&snapshot.nodes) {
            let place =
                format!("{name}: {pod_name} on {}: {verdict:?}, upstream {node}", object.name);
            if node["fits"] == true {
                let score = scores.next().unwrap_or_else(|| panic!("{place}"));
                if let Some(upstream) = node["scores"]["DynamicResources"].as_i64() {
                    assert_eq!(score, upstream, "{place}");
                }
                compared += 1;
            } else if node["plugin"] == "DynamicResources" {
                let reason = node["reason"].as_str().unwrap_or_default();
                assert_eq!(*verdict, Verdict::Refused(reason.to_owned()), "{place}");
                compared += 1;
            } else if LATER_FILTERS.iter().any(|later| node["plugin"] == *later) {
                assert!(matches!(verdict, Verdict::Fits(_)), "{place}");
                compared += 1;
            }
        }
    }
    compared
}

#[test]
fn dynamic_resources_judges_as_upstream_does() {
    let Some(folder) = goldens() else { return };
    let mut of_devices = 0;
    for entry in std::fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the folder is readable").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("goldens are readable");
        let case: Value = serde_json::from_str(&text).expect("goldens are JSON");
        // Profiles may leave the plugin out.
        if case.get("schedulerConfiguration").is_some() {
            continue;
        }
        let compared = check(&case);
        if case["name"].as_str().is_some_and(|name| name.starts_with("dra-")) {
            assert!(compared > 0, "{} says nothing about devices", path.display());
            of_devices += compared;
        }
    }
    assert!(of_devices > 150, "only {of_devices} verdicts of cases about devices");
}
