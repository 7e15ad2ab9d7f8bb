//! Snapshots of a cluster as `kubectl get -o json` or `-o yaml` prints them.
//!
//! A file says nothing about when it was made. It is taken as observed at the newest time found in
//! it; the clock is never asked, so that the same files always give the same history. Files are
//! taken in the order of those times. What an earlier file had and a later one has not is gone.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use plimsoll_core::SimTime;
use serde_json::{Value, json};

use super::groups::GroupsFile;
use super::{Format, ImportError, ImportOptions, ImportProgress, groups, machines};
use crate::{ObjectKey, Writer};

/// The fields that hold a time at which something was true of the object. Times to come, such as
/// `deletionTimestamp`, are not among them.
const PAST_TIME_FIELDS: [&str; 13] = [
    "creationTimestamp",
    "lastTransitionTime",
    "lastHeartbeatTime",
    "lastProbeTime",
    "lastUpdateTime",
    "startTime",
    "startedAt",
    "finishedAt",
    "completionTime",
    "firstTimestamp",
    "lastTimestamp",
    "eventTime",
    "renewTime",
];

/// Imports the snapshots in `files`.
pub(crate) fn import(
    files: &[PathBuf],
    options: &ImportOptions,
    output: &Path,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<Vec<String>, ImportError> {
    let given_groups = options.groups.as_deref().map(groups::read).transpose()?.unwrap_or_default();
    let mut snapshots: Vec<Snapshot> =
        files.iter().map(|file| Snapshot::read(file)).collect::<Result<_, _>>()?;
    snapshots.sort_by_key(|snapshot| snapshot.observed_at);
    let start = snapshots[0].observed_at;
    let mut notes = Vec::new();
    for snapshot in &mut snapshots {
        notes.extend(machines::add_node_groups(&mut snapshot.objects));
        snapshot.add_groups(&given_groups);
    }
    notes.sort();
    notes.dedup();
    let total = snapshots.iter().map(|snapshot| snapshot.objects.len() as u64).sum();
    let mut writer = super::create_writer(output, Format::Objects, "kubernetes", files, start)?;
    let (mut known, mut done, mut end) = (BTreeMap::new(), 0, start);
    for snapshot in &snapshots {
        end = snapshot.observed_at;
        snapshot.write(&mut writer, &mut known)?;
        done += snapshot.objects.len() as u64;
        progress(ImportProgress { done, total });
        notes.push(format!(
            "{}: {} objects, taken as observed at {end}, the newest time in it",
            super::file_name(&snapshot.file),
            snapshot.objects.len()
        ));
    }
    writer.finish(end)?;
    Ok(notes)
}

/// The objects of one file.
struct Snapshot {
    file: PathBuf,
    observed_at: SimTime,
    objects: Vec<Value>,
}

/// Kind, namespace, name and uid.
type Life = (String, String, String, String);

impl Snapshot {
    fn read(file: &Path) -> Result<Snapshot, ImportError> {
        let text = fs::read_to_string(file).map_err(ImportError::read(file))?;
        let mut objects = Vec::new();
        for (line, document) in documents(file, &text)? {
            flatten(document, &mut objects)
                .map_err(|what| ImportError::document(file, line, what))?;
        }
        for object in &objects {
            ObjectKey::of(object)
                .map_err(|error| ImportError::document(file, None, error.to_string()))?;
        }
        let newest = objects.iter().filter_map(newest_time).max();
        let observed_at = newest.ok_or_else(|| {
            let what = "holds no time, such as a creationTimestamp, that says when it was made";
            ImportError::document(file, None, what)
        })?;
        Ok(Snapshot { file: file.to_owned(), observed_at, objects })
    }

    /// Adds the groups and the settings of `--groups`; they stand in for groups of the same name and
    /// for any other settings.
    fn add_groups(&mut self, given: &GroupsFile) {
        for group in &given.groups {
            self.objects.retain(|object| {
                object["kind"] != "NodeGroup" || groups::name_of(object) != groups::name_of(group)
            });
        }
        if given.settings.is_some() {
            self.objects.retain(|object| object["kind"] != "AutoscalerSettings");
        }
        self.objects.extend(given.objects().cloned());
    }

    fn write(
        &self,
        writer: &mut Writer,
        known: &mut BTreeMap<Life, ObjectKey>,
    ) -> Result<(), ImportError> {
        let at = self.observed_at;
        let mut present = BTreeMap::new();
        for object in &self.objects {
            let key = ObjectKey::of(object)?;
            present.insert(life_of(&key), key);
        }
        for (life, key) in &*known {
            if !present.contains_key(life) {
                writer.delete(at, at, key)?;
            }
        }
        for object in &self.objects {
            let effective_at = newest_time(object).map_or(at, |time| time.min(at));
            writer.put(at, effective_at, object)?;
        }
        *known = present;
        Ok(())
    }
}

fn life_of(key: &ObjectKey) -> Life {
    let kind = format!("{}/{}", key.api_group(), key.kind);
    (kind, key.namespace.to_string(), key.name.clone(), key.uid.clone())
}

/// The documents of a JSON or YAML file, with the line on which each starts where it is known.
fn documents(file: &Path, text: &str) -> Result<Vec<(Option<u64>, Value)>, ImportError> {
    if text.trim_start().starts_with(['{', '[']) {
        let value = serde_json::from_str(text).map_err(|error| {
            let line = u64::try_from(error.line()).ok();
            ImportError::document(file, line, format!("not JSON: {error}"))
        })?;
        return Ok(vec![(None, value)]);
    }
    let documents = groups::read_documents(file, text)?;
    Ok(documents.into_iter().map(|(line, value)| (Some(line), value)).collect())
}

/// Adds the objects of a document: itself, or the items of a list of any kind.
fn flatten(document: Value, objects: &mut Vec<Value>) -> Result<(), String> {
    let kind = document["kind"].as_str().unwrap_or("").to_owned();
    let item_kind = kind.strip_suffix("List");
    match document {
        Value::Array(items) => items.into_iter().try_for_each(|item| flatten(item, objects)),
        Value::Object(mut fields) if item_kind.is_some() && fields.contains_key("items") => {
            let Some(Value::Array(items)) = fields.remove("items") else {
                return Err(format!("{kind}: items is no list"));
            };
            for mut item in items {
                // The items of a typed list, such as a PodList, do not repeat what they are.
                if let Some(item_kind) = item_kind.filter(|kind| !kind.is_empty())
                    && item.get("kind").is_none()
                    && item.is_object()
                {
                    item["kind"] = json!(item_kind);
                    item["apiVersion"] = fields.get("apiVersion").cloned().unwrap_or_default();
                }
                flatten(item, objects)?;
            }
            Ok(())
        }
        Value::Object(_) => {
            objects.push(document);
            Ok(())
        }
        other => Err(format!("expected a Kubernetes object, found {other}")),
    }
}

/// The newest time at which something was true of an object.
fn newest_time(value: &Value) -> Option<SimTime> {
    match value {
        Value::Array(items) => items.iter().filter_map(newest_time).max(),
        Value::Object(fields) => fields
            .iter()
            .filter_map(|(field, value)| match value {
                Value::String(text) if PAST_TIME_FIELDS.contains(&field.as_str()) => {
                    SimTime::parse(text).ok()
                }
                other => newest_time(other),
            })
            .max(),
        _ => None,
    }
}
