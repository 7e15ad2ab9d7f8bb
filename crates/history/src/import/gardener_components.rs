//! What ran on every node of a scenario but was left out of it: Gardener's own components.
//!
//! The pods of `kube-system` are taken out of most scenarios. What is left of them are two figures:
//! `SystemComponentRequests` and `CriticalComponentRequests`, the most that components of each class
//! requested on one node. Which node ran what is lost, so every node is taken to run that much,
//! recorded and new ones alike. The classes overlap (a node's network agent is of both), so the
//! larger figure of each resource counts, not the sum.

use std::collections::BTreeMap;

use plimsoll_core::SimTime;
use plimsoll_core::quantity::Quantity;
use serde_json::{Map, Value, json};

use super::ImportError;
use super::gardener::annotate;
use super::gardener_scenario::Scenario;
use super::pod::{Resources, metadata, pod_spec};

/// Where the components run.
const NAMESPACE: &str = "kube-system";
/// The name of the DaemonSet that stands for them.
const NAME: &str = "unlisted-components";
/// The fields with their requests.
const FIELDS: [&str; 2] = ["SystemComponentRequests", "CriticalComponentRequests"];
/// Kubernetes' own class for what no node works without: such pods are on a node before others.
const PRIORITY_CLASS: (&str, i32) = ("system-node-critical", 2_000_001_000);

/// A DaemonSet that requests what the unlisted components do; `None` where the scenario lists them
/// or says nothing about them.
pub(crate) fn unlisted_components(
    scenario: &Scenario,
    at: SimTime,
) -> Result<Option<Value>, ImportError> {
    let is_listed = |pod: &Value| pod.get("Namespace").and_then(Value::as_str) == Some(NAMESPACE);
    if scenario.scheduled_pods.iter().any(|pod| is_listed(&pod.record)) {
        return Ok(None);
    }
    let mut largest: BTreeMap<String, (Quantity, String)> = BTreeMap::new();
    let mut recorded = Map::new();
    for field in FIELDS {
        let Some(requests) = scenario.fields.get(field).and_then(Value::as_object) else {
            continue;
        };
        recorded.insert(field.to_owned(), json!(requests));
        for (resource, text) in requests {
            let (quantity, text) = read_quantity(scenario, field, resource, text)?;
            let known = largest.entry(resource.clone()).or_default();
            if quantity > known.0 {
                *known = (quantity, text);
            }
        }
    }
    largest.retain(|_, (quantity, _)| !quantity.is_zero());
    if largest.is_empty() {
        return Ok(None);
    }
    let requests = largest.into_iter().map(|(resource, (_, text))| (resource, text)).collect();
    Ok(Some(daemon_set(requests, &Value::Object(recorded), at)))
}

fn read_quantity(
    scenario: &Scenario,
    field: &str,
    resource: &str,
    text: &Value,
) -> Result<(Quantity, String), ImportError> {
    let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
    let quantity = Quantity::parse(&text).map_err(|error| {
        let what = format!("{field}.{resource}: {error}");
        ImportError::document(&scenario.file, None, what)
    })?;
    Ok((quantity, text))
}

fn daemon_set(requests: Vec<(String, String)>, recorded: &Value, at: SimTime) -> Value {
    let labels = json!({"app": NAME});
    let mut spec = pod_spec(&Resources { requests, limits: Vec::new() }, "Always");
    spec["tolerations"] = json!([{"operator": "Exists"}]);
    spec["priorityClassName"] = json!(PRIORITY_CLASS.0);
    spec["priority"] = json!(PRIORITY_CLASS.1);
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": metadata("DaemonSet", NAMESPACE, NAME, at),
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    });
    annotate(&mut object, "stands-for", &recorded.to_string());
    object
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::gardener_scenario::read;
    use super::*;

    /// The requests of the components of a scenario with these fields, or what is wrong.
    fn requests(fields: &str) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("x.json");
        let scenario = format!(r#"{{"StartTime": "2026-01-05T12:00:00Z"{fields}}}"#);
        fs::write(&file, format!(r#"{{"Name": "x", "Scenarios": [{scenario}]}}"#))
            .expect("writable");
        let scenario = read(&file).expect("a scenario").pop().expect("one");
        match unlisted_components(&scenario, scenario.start_time) {
            Ok(Some(set)) => {
                let containers = &set["spec"]["template"]["spec"]["containers"];
                containers[0]["resources"]["requests"].to_string()
            }
            Ok(None) => "none".to_owned(),
            Err(error) => error.to_string().replace(&*folder.path().to_string_lossy(), ""),
        }
    }

    #[test]
    fn every_node_runs_the_larger_of_what_the_classes_requested() {
        let both = r#", "SystemComponentRequests": {"cpu": "43m", "memory": "600Mi"},
            "CriticalComponentRequests": {"cpu": "0.5", "memory": "587352010"}"#;
        assert_eq!(requests(both), r#"{"cpu":"0.5","memory":"600Mi"}"#);
        assert_eq!(requests(""), "none");
        assert_eq!(requests(r#", "SystemComponentRequests": {"cpu": "0"}"#), "none");
    }

    #[test]
    fn components_that_are_listed_are_not_counted_twice() {
        let listed = r#", "SystemComponentRequests": {"cpu": "43m"}, "ScheduledPods": [{
            "Name": "dns", "Namespace": "kube-system", "NodeName": "n1", "Spec": {},
            "CreationTimestamp": "2026-01-05T11:00:00Z"}]"#;
        assert_eq!(requests(listed), "none");
    }

    #[test]
    fn a_request_that_is_no_quantity_is_named() {
        let error = requests(r#", "CriticalComponentRequests": {"memory": "much"}"#);
        assert!(error.starts_with("/x.json: CriticalComponentRequests.memory: "), "{error}");
    }
}
