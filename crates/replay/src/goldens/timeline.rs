//! The suite `timeline`: whole scenarios, told second by second.
//!
//! Format and conventions: the README in the suite's folder.

use std::collections::BTreeMap;

use plimsoll_core::ids::GroupId;
use plimsoll_core::objects::Snapshot;
use plimsoll_core::{Cluster, SimDuration, SimTime};
use plimsoll_sim::PodEnd;
use serde_json::{Value, json};

use super::{CaseResult, compare};
use crate::ledger::{Ledger, PodFact};
use crate::replayer::{ReplayOptions, Replayer};
use crate::strategy::Strategy;

/// Upstream leaves the pods out where more than so many waited; then `podTotals` stands alone.
const PODS_LISTED_MAX: usize = 80;

/// Plays one case and compares the story.
pub(super) fn check(case: &Value) -> Result<CaseResult, String> {
    let name = case.get("name").and_then(Value::as_str).ok_or("it has no name")?;
    let scenario = case.get("scenario").ok_or("it has no scenario")?;
    let origin = Default::default();
    let (snapshot, _) = Snapshot::from_values([(scenario.clone(), origin)].into_iter())
        .map_err(|error| error.to_string())?;
    let replayer = Replayer::of_scenario(name, snapshot).map_err(|error| error.to_string())?;
    let (ledger, cluster) = replayer
        .play(Strategy::ClusterAutoscaler, &ReplayOptions::default())
        .map_err(|error| error.to_string())?;
    let expected = case.get("expect").and_then(Value::as_object).ok_or("it expects nothing")?;
    let expected: BTreeMap<String, Value> = flatten_end(expected);
    let end = replayer.record_end_time();
    let mut found = Story { ledger: &ledger, cluster: &cluster, end }.tell();
    hide_what_varies(case, &expected, &mut found);
    Ok(compare(name, &expected, &found))
}

/// `end.byGroup`, `end.pending` become fields of their own.
fn flatten_end(expected: &serde_json::Map<String, Value>) -> BTreeMap<String, Value> {
    let mut flat: BTreeMap<String, Value> = BTreeMap::new();
    for (field, value) in expected {
        match (field.as_str(), value.as_object()) {
            ("end", Some(parts)) => {
                flat.extend(parts.iter().map(|(k, v)| (format!("end.{k}"), v.clone())));
            }
            _ => drop(flat.insert(field.clone(), value.clone())),
        }
    }
    flat
}

/// Names that differ from run to run upstream are left out of our story too.
fn hide_what_varies(
    case: &Value,
    expected: &BTreeMap<String, Value>,
    found: &mut BTreeMap<String, Value>,
) {
    let partial = case.get("partial").and_then(Value::as_array);
    for part in partial.into_iter().flatten().filter_map(Value::as_str) {
        let Some((field, name)) = part.split_once('.') else { continue };
        let Some(Value::Array(entries)) = found.get_mut(field) else { continue };
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            entry.remove(name);
        }
        // Without the name the order among equals is that of the remaining fields.
        entries.sort_by_key(|entry| {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
            (seconds(&text("at")), text("group"), seconds(&text("decidedAt")), text("reason"))
        });
    }
    if let Some(Value::Array(entries)) = found.get("pods")
        && entries.len() > PODS_LISTED_MAX
        && !expected.contains_key("pods")
    {
        found.remove("pods");
    }
}

fn seconds(text: &str) -> i64 {
    text.trim_end_matches('s').parse().unwrap_or(0)
}

/// Everything that happened, in the words of the suite.
struct Story<'a> {
    ledger: &'a Ledger,
    cluster: &'a Cluster,
    end: SimTime,
}

impl Story<'_> {
    fn tell(&self) -> BTreeMap<String, Value> {
        [
            ("scaleUps", self.scale_ups()),
            ("scaleDowns", self.scale_downs()),
            ("targetDecreases", self.target_decreases()),
            ("instancesRemoved", self.instances_removed()),
            ("scaleDownFailures", self.scale_down_failures()),
            ("nodes", self.nodes()),
            ("evictions", self.evictions()),
            ("podTotals", self.pod_totals()),
            ("pods", self.pods()),
            ("end.byGroup", json!(self.nodes_by_group(self.end))),
            ("end.pending", self.pending()),
            ("end.pendingByOwner", self.pending_by_owner()),
        ]
        .into_iter()
        .map(|(field, value)| (field.to_owned(), value))
        .collect()
    }

    fn offset(&self, at: SimTime) -> String {
        in_seconds(at - self.ledger.start())
    }

    fn group(&self, group: GroupId) -> &str {
        &self.cluster.group(group).spec.name
    }

    fn scale_ups(&self) -> Value {
        let mut facts: Vec<_> = self
            .ledger
            .scale_ups
            .iter()
            .map(|fact| (fact.at, self.group(fact.group), fact.from, fact.to))
            .collect();
        facts.sort();
        facts
            .into_iter()
            .map(|(at, group, from, to)| {
                json!({"at": self.offset(at), "group": group, "from": from, "to": to})
            })
            .collect()
    }

    fn scale_downs(&self) -> Value {
        let mut facts: Vec<_> = self
            .ledger
            .scale_downs
            .iter()
            .map(|fact| {
                let group = fact.group.map_or("", |group| self.group(group));
                (fact.removed_at, group, node_number(&fact.node), fact)
            })
            .collect();
        facts.sort_by_key(|(at, group, number, _)| (*at, *group, *number));
        facts
            .into_iter()
            .map(|(at, group, _, fact)| {
                json!({
                    "at": self.offset(at),
                    "decidedAt": self.offset(fact.decided_at),
                    "group": group,
                    "node": &*fact.node,
                    "reason": fact.cause.as_str(),
                })
            })
            .collect()
    }

    fn target_decreases(&self) -> Value {
        self.ledger
            .target_decreases
            .iter()
            .map(|(at, group, by)| {
                json!({"at": self.offset(*at), "group": self.group(*group), "by": by})
            })
            .collect()
    }

    fn instances_removed(&self) -> Value {
        let mut facts: Vec<_> = self
            .ledger
            .instances_removed
            .iter()
            .map(|(at, group, name)| (*at, self.group(*group), node_number(name), name))
            .collect();
        facts.sort();
        facts
            .into_iter()
            .map(|(at, group, _, name)| {
                json!({"at": self.offset(at), "group": group, "instance": &**name})
            })
            .collect()
    }

    fn scale_down_failures(&self) -> Value {
        self.ledger
            .scale_down_failures
            .iter()
            .map(|(at, node, group, _)| {
                let group = group.map_or("", |group| self.group(group));
                json!({"at": self.offset(*at), "group": group, "node": &**node})
            })
            .collect()
    }

    /// Nodes by group at the start and at every change.
    fn nodes(&self) -> Value {
        let mut instants: Vec<SimTime> = vec![self.ledger.start()];
        for node in self.ledger.nodes.values() {
            instants.push(node.added_at);
            instants.extend(node.removed_at);
        }
        instants.sort_unstable();
        instants.dedup();
        let mut told: Vec<(SimTime, BTreeMap<String, u32>)> = Vec::new();
        for at in instants.into_iter().filter(|at| *at < self.end) {
            let counts = self.nodes_by_group(at);
            if told.last().is_none_or(|(_, before)| *before != counts) {
                told.push((at, counts));
            }
        }
        told.into_iter()
            .map(|(at, counts)| json!({"at": self.offset(at), "byGroup": counts}))
            .collect()
    }

    fn nodes_by_group(&self, at: SimTime) -> BTreeMap<String, u32> {
        let mut counts: BTreeMap<String, u32> =
            self.cluster.groups().map(|(_, group)| (group.spec.name.clone(), 0)).collect();
        for node in self.ledger.nodes.values() {
            let there = node.added_at <= at && node.removed_at.is_none_or(|gone| gone > at);
            if let (true, Some(group)) = (there, node.group) {
                *counts.entry(self.group(group).to_owned()).or_default() += 1;
            }
        }
        counts
    }

    fn evictions(&self) -> Value {
        let mut counts: BTreeMap<(SimTime, String), u32> = BTreeMap::new();
        for pod in self.ledger.pods.iter().filter(|pod| !pod.is_daemon) {
            if let Some((at, PodEnd::Evicted)) = pod.end {
                *counts.entry((at, self.owner(pod))).or_default() += 1;
            }
        }
        counts
            .into_iter()
            .map(|((at, owner), count)| {
                json!({"at": self.offset(at), "owner": owner, "count": count})
            })
            .collect()
    }

    fn waits(&self) -> impl Iterator<Item = (&PodFact, SimDuration)> {
        self.ledger
            .pods
            .iter()
            .filter(|pod| !pod.is_daemon)
            .filter_map(|pod| Some((pod, Ledger::wait_of(pod)?)))
            .filter(|(_, wait)| wait.0 > 0)
    }

    fn pod_totals(&self) -> Value {
        let mut totals: BTreeMap<String, (u32, i64)> = BTreeMap::new();
        for (pod, wait) in self.waits() {
            let total = totals.entry(self.owner(pod)).or_default();
            *total = (total.0 + 1, total.1 + wait.0 / 1000);
        }
        totals
            .into_iter()
            .map(|(owner, (count, seconds))| {
                json!({"owner": owner, "count": count, "seconds": seconds})
            })
            .collect()
    }

    fn pods(&self) -> Value {
        let mut waits: Vec<(String, SimDuration)> =
            self.waits().map(|(pod, wait)| (self.name(pod), wait)).collect();
        waits.sort_by_key(|(name, _)| natural(name));
        waits
            .into_iter()
            .map(|(name, wait)| json!({"pod": name, "pendingFor": in_seconds(wait)}))
            .collect()
    }

    fn still_pending(&self) -> impl Iterator<Item = &PodFact> {
        let alive = |pod: &&PodFact| pod.bound_at.is_none() && pod.end.is_none();
        self.ledger.pods.iter().filter(alive)
    }

    fn pending(&self) -> Value {
        let mut names: Vec<String> = self.still_pending().map(|pod| self.name(pod)).collect();
        names.sort_by_key(|name| natural(name));
        json!(names)
    }

    fn pending_by_owner(&self) -> Value {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for pod in self.still_pending() {
            *counts.entry(self.owner(pod)).or_default() += 1;
        }
        json!(counts)
    }

    fn name(&self, pod: &PodFact) -> String {
        format!("{}/{}", self.cluster.shape(pod.shape).namespace, pod.name)
    }

    fn owner(&self, pod: &PodFact) -> String {
        pod.controller
            .map_or_else(|| self.name(pod), |id| self.cluster.workload(id).key.full_name())
    }
}

fn in_seconds(span: SimDuration) -> String {
    format!("{}s", span.0 / 1000)
}

/// The number at the end of a node's name.
fn node_number(name: &str) -> u32 {
    name.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(0)
}

/// Names in the order in which people count: `web-9` before `web-10`.
fn natural(name: &str) -> (String, u32) {
    let (stem, _) = name.rsplit_once('-').unwrap_or((name, ""));
    (stem.to_owned(), node_number(name))
}
