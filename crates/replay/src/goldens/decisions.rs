//! The suites `scale-up` and `scale-down`: one loop of the autoscaler, as `plimsoll plan --json`
//! tells it.
//!
//! Format and conventions: the READMEs in the suites' folders. A list that upstream's chance reaches
//! (`partial`) is compared as far as it is fixed; an answer that is one of several (`...OneOf`) must
//! be one of them.

use std::collections::BTreeMap;

use plimsoll_core::SimTime;
use plimsoll_core::objects::Snapshot;
use serde_json::{Map, Value, json};

use super::{CaseResult, compare};
use crate::plan::{Plan, PlanOptions, plan};
use crate::strategy::Strategy;

/// Plans one case and compares the answers.
pub(super) fn check(case: &Value) -> Result<CaseResult, String> {
    let text = |field: &str| {
        let found = case.get(field).and_then(Value::as_str);
        found.ok_or_else(|| format!("it has no {field}"))
    };
    let at = SimTime::parse(text("now")?).map_err(|error| error.to_string())?;
    let flags = case.get("settings").and_then(Value::as_object).ok_or("it has no settings")?;
    let expect = case.get("expect").and_then(Value::as_object).ok_or("it expects nothing")?;
    let options = PlanOptions {
        strategy: Strategy::ClusterAutoscaler,
        settings: flags.iter().map(|(flag, value)| (flag.clone(), value.clone())).collect(),
        at: Some(at),
        seed: case.get("seed").and_then(Value::as_u64).unwrap_or(1),
    };
    let plan = plan(&snapshot_of(case)?, &options).map_err(|error| error.to_string())?;
    let (expected, found) = Comparison { expect, plan: &plan }.fields();
    Ok(compare(text("name")?, &expected, &found))
}

/// The case's cluster, and what its `state`, `loops` and `cloudErrors` say as a document of ours.
fn snapshot_of(case: &Value) -> Result<Snapshot, String> {
    let snapshot = case.get("snapshot").ok_or("it has no snapshot")?.clone();
    let mut state = case.get("state").and_then(Value::as_object).cloned().unwrap_or_default();
    for field in ["loops", "cloudErrors"] {
        if let Some(value) = case.get(field) {
            state.insert(field.to_owned(), value.clone());
        }
    }
    let state = json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "AutoscalerState",
        "metadata": {"name": "default"}, "spec": state,
    });
    let values = [snapshot, state].into_iter().map(|one| (one, Default::default()));
    let (snapshot, _) = Snapshot::from_values(values).map_err(|error| error.to_string())?;
    Ok(snapshot)
}

type Fields = BTreeMap<String, Value>;

/// What upstream answered, and what we did.
struct Comparison<'a> {
    expect: &'a Map<String, Value>,
    plan: &'a Plan,
}

impl Comparison<'_> {
    /// Both answers in the same form, field by field, as far as upstream's is fixed.
    fn fields(&self) -> (Fields, Fields) {
        let ours = serde_json::to_value(self.plan).expect("a plan is a JSON document");
        let mut expected = Fields::new();
        let mut found = Fields::new();
        for (field, value) in self.expect {
            let is_partial = self.is_partial(field);
            let (theirs, mine) = match field.as_str() {
                "partial" => continue,
                "scaleUpsOneOf" | "scaleDownsOneOf" => one_of(field, value, &ours),
                "options" => (
                    by_key(value, "group", |one| with_similar(one.clone())),
                    self.options(value, &ours),
                ),
                "pods" => (by_key(value, "pod", Clone::clone), self.pods(value, &ours)),
                "podCounts" => (pod_counts(value), self.pod_counts(value)),
                "scaleDowns" => (by_key(value, "node", Clone::clone), {
                    by_key(&ours[field], "node", Clone::clone)
                }),
                "unremovable" => (by_key(value, "node", Clone::clone), {
                    let theirs = by_key(value, "node", Clone::clone);
                    by_key(&ours[field], "node", |one| without_chance(one, &theirs))
                }),
                "equivalenceGroups" => (sets(value), sets(&ours[field])),
                "utilization" => (as_fields(value), as_fields(&ours[field])),
                _ => (whole(value), whole(&ours[field])),
            };
            let mine = if is_partial { restricted(mine, &theirs) } else { mine };
            let name = |key: &str| {
                if key.is_empty() { field.clone() } else { format!("{field}.{key}") }
            };
            expected.extend(theirs.iter().map(|(key, value)| (name(key), value.clone())));
            // What upstream does not have must not be there, and counts as a field.
            for (key, value) in mine {
                if !theirs.contains_key(&key) {
                    expected.insert(name(&key), Value::Null);
                }
                found.insert(name(&key), value);
            }
        }
        (expected, found)
    }

    fn is_partial(&self, field: &str) -> bool {
        let partial = self.expect.get("partial").and_then(Value::as_array);
        partial.is_some_and(|fields| fields.iter().any(|one| one == field))
    }

    /// Our options in the form of theirs: pods by controller where theirs are.
    fn options(&self, theirs: &Value, ours: &Value) -> Fields {
        let counted: Vec<&Value> = items(theirs)
            .filter(|one| one.get("podCounts").is_some())
            .map(|one| &one["group"])
            .collect();
        by_key(&ours["options"], "group", |one| {
            let mut option = with_similar(one.clone());
            let fields = option.as_object_mut().expect("an option is an object");
            fields.remove("score");
            if counted.contains(&&one["group"]) {
                let mut counts: BTreeMap<String, u64> = BTreeMap::new();
                for pod in items(&one["pods"]).filter_map(Value::as_str) {
                    *counts.entry(self.owner_of(pod)).or_default() += 1;
                }
                fields.remove("pods");
                fields.insert("podCounts".to_owned(), json!(counts));
            }
            option
        })
    }

    /// Our pods with the fields that theirs have; those that theirs count by controller are left out.
    fn pods(&self, theirs: &Value, ours: &Value) -> Fields {
        let counted: Vec<&Value> = self
            .expect
            .get("podCounts")
            .into_iter()
            .flat_map(items)
            .map(|one| &one["owner"])
            .collect();
        let listed = by_key(theirs, "pod", Clone::clone);
        let mut pods = Fields::new();
        for one in items(&ours["pods"]) {
            let name = one["pod"].as_str().unwrap_or_default();
            let is_counted = counted.contains(&&json!(self.owner_of(name)));
            if !is_counted || listed.contains_key(name) {
                pods.insert(name.to_owned(), like(one, listed.get(name)));
            }
        }
        pods
    }

    /// How many of our pods of each controller that theirs count met which fate.
    fn pod_counts(&self, theirs: &Value) -> Fields {
        let owners: Vec<&str> = items(theirs).filter_map(|one| one["owner"].as_str()).collect();
        let mut counts = Fields::new();
        for pod in &self.plan.pods {
            let owner = self.owner_of(&pod.pod);
            if !owners.contains(&owner.as_str()) {
                continue;
            }
            let like_these =
                items(theirs).find(|one| one["owner"] == *owner && one["outcome"] == pod.outcome);
            let value = serde_json::to_value(pod).expect("a pod is a JSON document");
            let key = fate(&owner, &like(&value, like_these));
            let count = counts.entry(key).or_insert(json!(0));
            *count = json!(count.as_u64().unwrap_or(0) + 1);
        }
        counts
    }

    /// The controller of a pod, or the pod itself where it has none.
    fn owner_of(&self, pod: &str) -> String {
        let known = self.plan.pods.iter().find(|one| one.pod == pod);
        known.and_then(|one| one.owner.clone()).unwrap_or_else(|| pod.to_owned())
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// One value as the only field.
fn whole(value: &Value) -> Fields {
    Fields::from([(String::new(), value.clone())])
}

/// A list of objects by what tells them apart.
fn by_key(list: &Value, key: &str, form: impl Fn(&Value) -> Value) -> Fields {
    let name = |one: &Value| one[key].as_str().unwrap_or_default().to_owned();
    items(list).map(|one| (name(one), form(one))).collect()
}

fn as_fields(object: &Value) -> Fields {
    let fields = object.as_object().into_iter().flatten();
    // Numbers are compared as such: upstream prints whole ones without a point.
    fields.map(|(name, value)| (name.clone(), as_floats(value))).collect()
}

fn as_floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), as_floats(value))).collect()
        }
        other => other.clone(),
    }
}

/// An option says which groups are similar, also when none is.
fn with_similar(mut option: Value) -> Value {
    if option.get("similar").is_none() {
        option["similar"] = json!([]);
    }
    option
}

/// One of several answers: ours stands for all if it is among them.
fn one_of(field: &str, answers: &Value, ours: &Value) -> (Fields, Fields) {
    let mine = &ours[field.trim_end_matches("OneOf")];
    let is_among = items(answers).any(|answer| answer == mine);
    (whole(if is_among { mine } else { answers }), whole(mine))
}

/// Lists of names whose order says nothing.
fn sets(lists: &Value) -> Fields {
    let mut sets: Vec<Vec<&str>> = items(lists)
        .map(|list| {
            let mut names: Vec<&str> = items(list).filter_map(Value::as_str).collect();
            names.sort_unstable();
            names
        })
        .collect();
    sets.sort();
    whole(&json!(sets))
}

/// A pod that upstream left out, as any of several keeps the node, is left out of ours.
fn without_chance(ours: &Value, theirs: &Fields) -> Value {
    let node = ours["node"].as_str().unwrap_or_default();
    match theirs.get(node) {
        Some(one) if one.get("pod").is_none() && one["reason"] == "BlockedByPod" => {
            json!({"node": ours["node"], "reason": ours["reason"]})
        }
        _ => ours.clone(),
    }
}

/// Our pod with the fields that theirs has; what became of it always counts.
fn like(ours: &Value, theirs: Option<&Value>) -> Value {
    let Some(theirs) = theirs.and_then(Value::as_object) else {
        return json!({"pod": ours["pod"], "outcome": ours["outcome"]});
    };
    let names = theirs.keys().filter(|name| !["count", "owner"].contains(&name.as_str()));
    let mut fields: Map<String, Value> =
        names.filter_map(|name| Some((name.clone(), ours.get(name)?.clone()))).collect();
    fields.insert("outcome".to_owned(), ours["outcome"].clone());
    Value::Object(fields)
}

fn pod_counts(theirs: &Value) -> Fields {
    let key = |one: &Value| fate(one["owner"].as_str().unwrap_or_default(), one);
    items(theirs).map(|one| (key(one), one["count"].clone())).collect()
}

/// What tells pods of one controller apart in `podCounts`.
fn fate(owner: &str, pod: &Value) -> String {
    let detail = [pod.get("group"), pod.get("reasons")];
    let detail: Vec<String> = detail.into_iter().flatten().map(ToString::to_string).collect();
    format!("{owner} {} {}", pod["outcome"].as_str().unwrap_or_default(), detail.join(" "))
}

/// What theirs has of ours.
fn restricted(ours: Fields, theirs: &Fields) -> Fields {
    if let (Some(mine), Some(fixed)) = (ours.get(""), theirs.get("")) {
        let kept: Vec<&Value> =
            items(mine).filter(|one| items(fixed).any(|it| it == *one)).collect();
        return whole(&json!(kept));
    }
    ours.into_iter().filter(|(key, _)| theirs.contains_key(key)).collect()
}
