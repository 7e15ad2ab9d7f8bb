//! Scenarios of gardener scaling-history: a cluster around the scale-ups that Cluster Autoscaler
//! made in it.
//!
//! A scenario was cut out *after* its scale-ups, so parts of it tell of their effects. The history
//! holds what was there when the autoscaler decided:
//! - The recording starts when the first unscheduled pod was created, or with the first scale-up.
//!   Nodes and scheduled pods that are older are there from the start, bound; younger ones come at
//!   their creation time. A scheduled pod whose node is younger waits until its node is there, and
//!   one whose node the scenario does not know is never bound. (In the two public scenarios every
//!   scheduled pod is on a node older than itself, and no node is younger than the first scale-up.)
//! - `TargetSize` of a group is the size after the last scale-up. Each event's message says from
//!   which size to which: the group starts at the first and changes with each event.
//! - The creation time of a group is that of its newest row in scaling-history's database, which
//!   may be later than scale-ups of the same group. One later than the start is kept as an
//!   annotation.
//! - Stamps are whole seconds, and pods are created in the very second of the event that names
//!   them. Events and the new sizes are observed one millisecond later: a snapshot as of the event's
//!   time is the state that the decision was made from.
//! - Pods have no owners in this format, and none are made up. `AllocatableVolumes` has no place in
//!   Kubernetes' objects and becomes an annotation.
//! - Components of `kube-system` that were taken out of the scenario become a DaemonSet that requests
//!   as much; see [`super::gardener_components`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plimsoll_core::SimTime;
use serde_json::{Value, json};

use super::gardener_components::unlisted_components;
use super::gardener_objects::{self, Group};
use super::gardener_scenario::{Scenario, read};
use super::{Format, ImportError, ImportProgress};
use crate::{ObjectKey, Writer};

/// How long after its time stamp an event is observed.
const EVENT_OBSERVATION_DELAY_MS: i64 = 1;

/// Imports the scenarios of one cluster, from one or several files.
pub(crate) fn import(
    files: &[PathBuf],
    output: &Path,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<Vec<String>, ImportError> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for file in files {
        for scenario in read(file)? {
            if let Some(first) = scenarios.first()
                && first.cluster != scenario.cluster
            {
                let (one, other) = (&first.cluster, &scenario.cluster);
                let what = format!("a history holds one cluster, and these are {one} and {other}");
                return Err(ImportError::document(file, None, what));
            }
            scenarios.push(scenario);
        }
    }
    scenarios.sort_by_key(Scenario::start);
    let Some(first) = scenarios.first() else {
        return Err(ImportError::document(&files[0], None, "holds no scenario"));
    };
    let start = first.start();
    let mut writer = super::create_writer(output, Format::Gardener, &first.cluster, files, start)?;
    let total = scenarios.len() as u64;
    let (mut known, mut end) = (BTreeMap::new(), start);
    let mut notes = Vec::new();
    for (done, scenario) in (1..).zip(&scenarios) {
        let (entries, note) = entries_of(scenario, end)?;
        bury_missing(&mut writer, &mut known, &entries, scenario.start().max(end))?;
        for entry in entries {
            writer.put(entry.observed_at, entry.effective_at, &entry.object)?;
            end = entry.observed_at;
        }
        end = scenario.end.map_or(end, |scenario_end| scenario_end.max(end));
        notes.push(note);
        progress(ImportProgress { done, total });
    }
    writer.finish(end)?;
    Ok(notes)
}

/// Something to be put.
struct Entry {
    observed_at: SimTime,
    effective_at: SimTime,
    object: Value,
}

/// What an earlier scenario of the same cluster had and this one has not is gone.
fn bury_missing(
    writer: &mut Writer,
    known: &mut BTreeMap<(String, String, String, String), ObjectKey>,
    entries: &[Entry],
    at: SimTime,
) -> Result<(), ImportError> {
    let mut present = BTreeMap::new();
    for entry in entries {
        let key = ObjectKey::of(&entry.object)?;
        let life = (key.kind.to_string(), key.namespace.to_string(), key.name.clone());
        present.insert((life.0, life.1, life.2, key.uid.clone()), key);
    }
    for (life, key) in &*known {
        if !present.contains_key(life) && &*key.kind != "Event" {
            writer.delete(at, at, key)?;
        }
    }
    *known = present;
    Ok(())
}

/// Everything that a scenario says, in the order in which it is observed, and a sentence about it.
/// Nothing is observed before `not_before`.
fn entries_of(
    scenario: &Scenario,
    not_before: SimTime,
) -> Result<(Vec<Entry>, String), ImportError> {
    let start = scenario.start().max(not_before);
    let groups = scenario.groups()?;
    let mut entries = Vec::new();
    let mut put = |time: SimTime, object: Value| {
        entries.push(Entry { observed_at: time.max(start), effective_at: time, object });
    };
    for object in gardener_objects::settings(scenario, start)? {
        put(start, object);
    }
    let components = unlisted_components(scenario, start)?;
    let has_unlisted = components.is_some();
    if let Some(daemon_set) = components {
        put(start, daemon_set);
    }
    for group in &groups {
        let created_at = group.created_at.filter(|&time| time <= start);
        put(created_at.unwrap_or(start), gardener_objects::worker_pool(group));
        for object in gardener_objects::sized(group, start, group.size_at_start) {
            put(created_at.unwrap_or(start), object);
        }
    }
    for node in &scenario.nodes {
        put(node.created_at, gardener_objects::node(node, &groups));
    }
    let mut never_bound = 0;
    for pod in &scenario.scheduled_pods {
        let node = scenario.nodes.iter().find(|node| node.name == pod.node_name);
        let bound_at = node.map(|node| node.created_at.max(pod.created_at));
        never_bound += usize::from(bound_at.is_none());
        if bound_at != Some(pod.created_at) {
            put(pod.created_at, gardener_objects::pending_pod(pod));
        }
        if let Some(bound_at) = bound_at {
            put(bound_at, gardener_objects::bound_pod(pod, bound_at));
        }
    }
    for pod in &scenario.unscheduled_pods {
        put(pod.created_at, gardener_objects::pending_pod(pod));
    }
    entries.extend(scale_ups(scenario, &groups, start));
    entries.sort_by_key(|entry| entry.observed_at);
    Ok((entries, told(scenario, never_bound, has_unlisted)))
}

/// A sentence about a scenario.
fn told(scenario: &Scenario, never_bound: usize, has_unlisted: bool) -> String {
    let unlisted = if has_unlisted {
        "; kube-system is left out, so every node is taken to run what it requested at most"
    } else {
        ""
    };
    format!(
        "{} at {}: {} nodes, {} scheduled pods ({never_bound} of them on unknown nodes, kept \
         pending), {} unscheduled pods, {} scale-up events{unlisted}",
        scenario.cluster,
        scenario.first_event(),
        scenario.nodes.len(),
        scenario.scheduled_pods.len(),
        scenario.unscheduled_pods.len(),
        scenario.events.len(),
    )
}

/// The scale-ups of a scenario and the sizes that they led to.
fn scale_ups(scenario: &Scenario, groups: &[Group], start: SimTime) -> Vec<Entry> {
    let mut entries = Vec::new();
    for event in &scenario.events {
        let seen = SimTime(event.time.0 + EVENT_OBSERVATION_DELAY_MS).max(start);
        let mut put = |object| {
            entries.push(Entry { observed_at: seen, effective_at: event.time, object });
        };
        put(gardener_objects::event(event));
        for resize in &event.resizes {
            for group in groups.iter().filter(|group| group.name == resize.group) {
                gardener_objects::sized(group, start, resize.to).into_iter().for_each(&mut put);
            }
        }
    }
    entries
}

/// An annotation for what has no place in a Kubernetes object.
pub(crate) fn annotate(object: &mut Value, name: &str, value: &str) {
    object["metadata"]["annotations"][format!("plimsoll.dev/{name}")] = json!(value);
}
