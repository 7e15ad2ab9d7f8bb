//! The suite `scheduling`: what kube-scheduler says of pending pods, node by node.
//!
//! Format and conventions: the README in the suite's folder.

use std::collections::BTreeMap;

use plimsoll_core::Cluster;
use plimsoll_core::objects::{Snapshot, read_scheduler_configuration};
use plimsoll_core::scheduling::{
    PreemptionOutcome, SchedulerProfiles, judgement_as_json, victim_names,
};
use serde_json::{Map, Value, json};

use super::{CaseResult, Difference, compare};

/// Fields by their place in the case.
type Fields = BTreeMap<String, Value>;

/// Judges the pods of one case and compares.
pub(super) fn check(case: &Value) -> Result<CaseResult, String> {
    let name = case.get("name").and_then(Value::as_str).ok_or("it has no name")?;
    let expected = case.get("expect").ok_or("it expects nothing")?;
    let snapshot = case.get("snapshot").ok_or("it has no snapshot")?;
    let read = read(case.get("schedulerConfiguration"), snapshot);
    if let (Some(pods), Ok(cluster)) = (expected.get("pods").and_then(Value::as_array), &read) {
        let found = Found::judge(&mut cluster.clone());
        let (expected, found) = found.beside(pods);
        return Ok(compare(name, &expected, &found));
    }
    let order = expected.get("sequential").and_then(Value::as_array);
    match (order, read) {
        (Some(order), Ok(mut cluster)) => {
            let found = flatten_order(&place_in_order(&mut cluster));
            let mut expected = flatten_order(order);
            expect_no_more(&mut expected, &found);
            Ok(compare(name, &expected, &found))
        }
        (_, Err(refusal)) => Ok(refused(name, refusal)),
        (None, Ok(_)) => Err("it expects neither pods nor an order".to_owned()),
    }
}

/// A case that we cannot even read disagrees as a whole.
fn refused(name: &str, refusal: String) -> CaseResult {
    let found = Value::from(refusal);
    let difference = Difference { field: "snapshot".to_owned(), expected: Value::Null, found };
    CaseResult { name: name.to_owned(), fields: 1, differences: vec![difference] }
}

fn read(configuration: Option<&Value>, snapshot: &Value) -> Result<Cluster, String> {
    let profiles = match configuration {
        None => SchedulerProfiles::default(),
        Some(one) => read_scheduler_configuration(one).map_err(|error| error.to_string())?,
    };
    let origin = Default::default();
    let (snapshot, _) = Snapshot::from_values([(snapshot.clone(), origin)].into_iter())
        .map_err(|error| error.to_string())?;
    Ok(Cluster::from_snapshot(&snapshot, &profiles))
}

/// Our answers for the pending pods, by name.
struct Found {
    pods: BTreeMap<String, Value>,
}

impl Found {
    fn judge(cluster: &mut Cluster) -> Found {
        let mut pods = BTreeMap::new();
        for pod in cluster.pending_pods() {
            let judgement = cluster.judge(pod);
            let mut answer = judgement_as_json(cluster, pod, &judgement);
            if judgement.message().is_some() {
                let outcome = cluster.judge_preemption(pod, &judgement);
                answer["preemption"] = preemption(cluster, &outcome);
            }
            // What the indexes choose, beside what the complete judgement does.
            let placed = cluster.choose_node(pod, 0);
            answer["placed"] = placed.map(|node| cluster.node_name(node)).into();
            pods.insert(cluster.pod_full_name(pod), answer);
        }
        Found { pods }
    }

    /// What upstream fixed, and what we say to that, field by field. A choice is right when it is
    /// one of upstream's, and is then shown as upstream's set.
    fn beside(&self, expected: &[Value]) -> (Fields, Fields) {
        let mut theirs = Fields::new();
        let mut ours = Fields::new();
        for pod in expected {
            let name = pod.get("pod").and_then(Value::as_str).unwrap_or("");
            let answer = self.pods.get(name).unwrap_or(&Value::Null);
            let one_of = &pod["nodeOneOf"];
            for choice in ["node", "placed"] {
                let field = format!("{name}: {choice}");
                ours.insert(field.clone(), choice_as(one_of, &answer[choice]));
                theirs.insert(field, one_of.clone());
            }
            for (side, from) in [(&mut theirs, pod), (&mut ours, answer)] {
                side.insert(format!("{name}: message"), from["message"].clone());
                flatten_nodes(name, &from["nodes"], side);
            }
            if let Some(expected) = pod.get("preemption") {
                let (field, one_of) = (format!("{name}: preemption"), &expected["nodeOneOf"]);
                ours.insert(field.clone(), choice_as(one_of, &answer["preemption"]["node"]));
                theirs.insert(field, one_of.clone());
                flatten_preemption(name, expected, &mut theirs);
                flatten_preemption(name, &answer["preemption"], &mut ours);
            }
        }
        for name in self.pods.keys() {
            ours.insert(format!("{name}: pending"), true.into());
        }
        let names = expected.iter().filter_map(|pod| pod["pod"].as_str());
        theirs.extend(names.map(|name| (format!("{name}: pending"), true.into())));
        expect_no_more(&mut theirs, &ours);
        (theirs, ours)
    }
}

/// What we have and upstream has not is a difference too.
fn expect_no_more(theirs: &mut Fields, ours: &Fields) {
    for field in ours.iter().filter(|(_, value)| !value.is_null()).map(|(field, _)| field) {
        theirs.entry(field.clone()).or_insert(Value::Null);
    }
}

/// Upstream's set when our choice is in it (or when both say that there is none), else our choice.
fn choice_as(one_of: &Value, choice: &Value) -> Value {
    let set = one_of.as_array().map_or(&[][..], Vec::as_slice);
    let is_right = if set.is_empty() { choice.is_null() } else { set.contains(choice) };
    if is_right { one_of.clone() } else { json!([choice]) }
}

/// `ns/a: n1 fits`, `ns/a: n1 scores TaintToleration`, ...
fn flatten_nodes(pod: &str, nodes: &Value, fields: &mut Fields) {
    for (node, verdict) in nodes.as_object().into_iter().flatten() {
        for (field, value) in verdict.as_object().into_iter().flatten() {
            match value.as_object() {
                Some(scores) => fields.extend(
                    scores
                        .iter()
                        .map(|(plugin, score)| (format!("{pod}: {node} {plugin}"), score.clone())),
                ),
                None => drop(fields.insert(format!("{pod}: {node} {field}"), value.clone())),
            }
        }
    }
}

/// The node chosen, the victims on every candidate, and what is said when there is none.
fn flatten_preemption(pod: &str, preemption: &Value, fields: &mut Fields) {
    for (node, victims) in preemption["victims"].as_object().into_iter().flatten() {
        fields.insert(format!("{pod}: preemption of {node}"), victims.clone());
    }
    fields.insert(format!("{pod}: preemption message"), preemption["message"].clone());
}

/// In the shape of the suite, with our choice for `node`.
fn preemption(cluster: &Cluster, outcome: &PreemptionOutcome) -> Value {
    let victims: Map<String, Value> = outcome
        .candidates
        .iter()
        .map(|one| (cluster.node_name(one.node).to_owned(), victim_names(cluster, one).into()))
        .collect();
    let node = outcome.chosen.as_ref().map(|one| cluster.node_name(one.node));
    json!({"node": node, "victims": victims, "message": outcome.message})
}

fn place_in_order(cluster: &mut Cluster) -> Vec<Value> {
    let pending = cluster.pending_pods();
    let placed = cluster.schedule_in_order(&pending);
    let name = |node: Option<_>| node.map(|node| cluster.node_name(node).to_owned());
    placed
        .iter()
        .map(|(pod, node)| json!({"pod": cluster.pod_full_name(*pod), "node": name(*node)}))
        .collect()
}

fn flatten_order(order: &[Value]) -> Fields {
    let mut fields = Fields::new();
    for (place, entry) in order.iter().enumerate() {
        fields.insert(format!("{place:03} pod"), entry["pod"].clone());
        fields.insert(format!("{place:03} node"), entry["node"].clone());
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(node_one_of: &Value, reason: &str) -> Value {
        json!({
            "name": "x",
            "snapshot": {"apiVersion": "v1", "kind": "List", "items": [
                {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
                 "spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]},
                 "status": {"allocatable": {"cpu": "1", "memory": "1Gi", "pods": "10"}}},
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "a"},
                 "spec": {"containers": [{"name": "c", "image": "i"}]}},
            ]},
            "expect": {"pods": [{
                "pod": "a/p", "nodeOneOf": node_one_of,
                "message": "0/1 nodes are available: 1 node(s) had untolerated taint(s).",
                "nodes": {"n1": {"fits": false, "plugin": "TaintToleration", "reason": reason}},
            }]},
        })
    }

    #[test]
    fn every_field_is_compared_and_a_wrong_one_is_named() {
        let right = case(&json!([]), "node(s) had untolerated taint(s)");
        let result = check(&right).expect("a case");
        assert_eq!((result.fields, result.differences), (7, vec![]));
        let wrong = case(&json!(["n1"]), "no");
        let fields: Vec<String> = check(&wrong)
            .expect("a case")
            .differences
            .into_iter()
            .map(|difference| difference.field)
            .collect();
        assert_eq!(fields, ["a/p: n1 reason", "a/p: node", "a/p: placed"]);
    }

    #[test]
    fn what_upstream_does_not_list_is_a_difference() {
        let mut case = case(&json!([]), "node(s) had untolerated taint(s)");
        case["expect"]["pods"] = json!([]);
        let differences = check(&case).expect("a case").differences;
        let fields: Vec<&str> = differences.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["a/p: pending"]);
    }

    #[test]
    fn a_preemption_is_compared_by_candidate() {
        let mut case = case(&json!([]), "Insufficient cpu");
        let items = case["snapshot"]["items"].as_array_mut().expect("a list");
        items[0]["spec"] = json!({});
        items[1]["spec"] = json!({"priority": 5, "containers": [
            {"name": "c", "image": "i", "resources": {"requests": {"cpu": "1"}}}]});
        let mut low = items[1].clone();
        low["metadata"]["name"] = "low".into();
        low["spec"]["priority"] = 1.into();
        low["spec"]["nodeName"] = "n1".into();
        items.push(low);
        let pod = &mut case["expect"]["pods"][0];
        pod["message"] = "0/1 nodes are available: 1 Insufficient cpu.".into();
        pod["nodes"]["n1"]["plugin"] = "NodeResourcesFit".into();
        pod["preemption"] = json!({"nodeOneOf": ["n1"], "victims": {"n1": ["a/low"]}});
        assert_eq!(check(&case).expect("a case").differences, []);
        case["expect"]["pods"][0]["preemption"]["victims"]["n1"] = json!(["a/other"]);
        case["expect"]["pods"][0]["preemption"]["nodeOneOf"] = json!([]);
        let differences = check(&case).expect("a case").differences;
        let fields: Vec<&str> = differences.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["a/p: preemption", "a/p: preemption of n1"]);
    }
}
