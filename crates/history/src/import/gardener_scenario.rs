//! The files of gardener scaling-history, as far as they are read, field by field.

use std::fs;
use std::path::{Path, PathBuf};

use plimsoll_core::SimTime;
use serde_json::{Map, Value};

use super::ImportError;
use super::gardener_objects::Group;

/// A cluster around some scale-ups.
pub(crate) struct Scenario {
    pub(crate) file: PathBuf,
    pub(crate) cluster: String,
    pub(crate) start_time: SimTime,
    pub(crate) end: Option<SimTime>,
    pub(crate) nodes: Vec<NodeRecord>,
    pub(crate) scheduled_pods: Vec<PodRecord>,
    pub(crate) unscheduled_pods: Vec<PodRecord>,
    pub(crate) events: Vec<EventRecord>,
    node_groups: Vec<Value>,
    /// Settings and everything else, as recorded.
    pub(crate) fields: Map<String, Value>,
}

/// A node as recorded.
pub(crate) struct NodeRecord {
    pub(crate) name: String,
    pub(crate) created_at: SimTime,
    pub(crate) record: Value,
}

/// A pod as recorded.
pub(crate) struct PodRecord {
    pub(crate) name: String,
    pub(crate) created_at: SimTime,
    /// Empty for unscheduled pods.
    pub(crate) node_name: String,
    pub(crate) record: Value,
}

/// An event as recorded.
pub(crate) struct EventRecord {
    pub(crate) time: SimTime,
    pub(crate) resizes: Vec<Resize>,
    pub(crate) record: Value,
}

/// What a `TriggeredScaleUp` message says about a group.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resize {
    pub(crate) group: String,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// Reads every scenario of a file.
pub(crate) fn read(file: &Path) -> Result<Vec<Scenario>, ImportError> {
    let text = fs::read_to_string(file).map_err(ImportError::read(file))?;
    let document: Value = serde_json::from_str(&text).map_err(|error| {
        let line = u64::try_from(error.line()).ok();
        ImportError::document(file, line, format!("not JSON: {error}"))
    })?;
    let place = Place { file, path: String::new() };
    let cluster = place.text(&document, "Name")?;
    let scenarios = place.list(&document, "Scenarios")?;
    (0..)
        .zip(scenarios)
        .map(|(index, scenario)| {
            let place = place.item("Scenarios", index);
            Scenario::read(&place, cluster, scenario)
        })
        .collect()
}

impl Scenario {
    fn read(place: &Place<'_>, cluster: &str, value: &Value) -> Result<Scenario, ImportError> {
        let end = match value.get("EndTime") {
            None | Some(Value::Null) => None,
            Some(_) => Some(place.time(value, "EndTime")?),
        };
        Ok(Scenario {
            file: place.file.to_owned(),
            cluster: cluster.to_owned(),
            start_time: place.time(value, "StartTime")?,
            end,
            nodes: place.each(value, "Nodes", NodeRecord::read)?,
            scheduled_pods: place.each(value, "ScheduledPods", PodRecord::read)?,
            unscheduled_pods: place.each(value, "UnscheduledPods", PodRecord::read)?,
            events: place.each(value, "ScaleUpEvents", EventRecord::read)?,
            node_groups: place.list(value, "NodeGroups")?.to_vec(),
            fields: value.as_object().cloned().unwrap_or_default(),
        })
    }

    /// When the first scale-up was decided.
    pub(crate) fn first_event(&self) -> SimTime {
        self.events.iter().map(|event| event.time).min().unwrap_or(self.start_time)
    }

    /// When the history of this scenario starts.
    pub(crate) fn start(&self) -> SimTime {
        let first_pod = self.unscheduled_pods.iter().map(|pod| pod.created_at).min();
        first_pod.map_or(self.first_event(), |time| time.min(self.first_event()))
    }

    /// The node groups, each with the size it had before the first scale-up and a node to take
    /// its template from.
    pub(crate) fn groups(&self) -> Result<Vec<Group>, ImportError> {
        (0..)
            .zip(&self.node_groups)
            .map(|(index, record)| {
                let place = Place { file: &self.file, path: format!("NodeGroups[{index}].") };
                let name = place.text(record, "Name")?.to_owned();
                let pool = place.text(record, "PoolName")?.to_owned();
                let zone = place.text(record, "Zone")?.to_owned();
                let target_size = place.count(record, "TargetSize")?;
                let (min_size, max_size) =
                    (place.count(record, "MinSize")?, place.count(record, "MaxSize")?);
                if min_size > max_size {
                    let what = format!("node group {name}: MinSize is above MaxSize");
                    return Err(ImportError::document(&self.file, None, what));
                }
                let first_resize = self
                    .events
                    .iter()
                    .flat_map(|event| event.resizes.iter().map(move |resize| (event.time, resize)))
                    .filter(|(_, resize)| resize.group == name)
                    .min_by_key(|(time, _)| *time);
                let example = self.example_node(&pool, &zone).ok_or_else(|| {
                    let what = format!("node group {name}: no recorded node shows its template");
                    ImportError::document(&self.file, None, what)
                })?;
                Ok(Group {
                    size_at_start: first_resize.map_or(target_size, |(_, resize)| resize.from),
                    created_at: place.time(record, "CreationTimestamp").ok(),
                    instance_type: place.text(record, "MachineType")?.to_owned(),
                    example: example.record.clone(),
                    record: record.clone(),
                    name,
                    pool,
                    zone,
                    min_size,
                    max_size,
                })
            })
            .collect()
    }

    /// A node that shows what the nodes of a group look like: the youngest of those that were there
    /// when the first scale-up was decided, and only without any the first that came later.
    fn example_node(&self, pool: &str, zone: &str) -> Option<&NodeRecord> {
        let decided_at = self.first_event();
        let of_group = || self.nodes.iter().filter(|node| belongs(&node.record, pool, zone));
        let before = of_group().filter(|node| node.created_at <= decided_at);
        before
            .max_by_key(|node| node.created_at)
            .or_else(|| of_group().min_by_key(|node| node.created_at))
    }
}

impl NodeRecord {
    fn read(place: &Place<'_>, record: &Value) -> Result<NodeRecord, ImportError> {
        Ok(NodeRecord {
            name: place.text(record, "Name")?.to_owned(),
            created_at: place.time(record, "CreationTimestamp")?,
            record: record.clone(),
        })
    }
}

/// Whether a recorded node is of this pool, in this zone.
pub(crate) fn belongs(node: &Value, pool: &str, zone: &str) -> bool {
    let label = |name: &str| node.get("Labels")?.get(name)?.as_str();
    label("worker.gardener.cloud/pool") == Some(pool)
        && label("topology.kubernetes.io/zone") == Some(zone)
}

impl PodRecord {
    fn read(place: &Place<'_>, record: &Value) -> Result<PodRecord, ImportError> {
        if !record.get("Spec").is_some_and(Value::is_object) {
            return Err(place.error("Spec", "is missing"));
        }
        let node_name = record.get("NodeName").and_then(Value::as_str).unwrap_or("");
        Ok(PodRecord {
            name: place.text(record, "Name")?.to_owned(),
            created_at: place.time(record, "CreationTimestamp")?,
            node_name: node_name.to_owned(),
            record: record.clone(),
        })
    }
}

impl EventRecord {
    fn read(place: &Place<'_>, record: &Value) -> Result<EventRecord, ImportError> {
        let resizes = resizes(place.text(record, "Message")?);
        Ok(EventRecord { time: place.time(record, "EventTime")?, resizes, record: record.clone() })
    }
}

/// The groups in a message such as `pod triggered scale-up: [{a 1->3 (max: 3)} {b 0->1 (max: 2)}]`.
fn resizes(message: &str) -> Vec<Resize> {
    let parse = |part: &str| {
        let (inside, _) = part.split_once('}')?;
        let mut words = inside.split_whitespace();
        let group = words.next()?.to_owned();
        let (from, to) = words.next()?.split_once("->")?;
        Some(Resize { group, from: from.parse().ok()?, to: to.parse().ok()? })
    };
    message.split('{').skip(1).filter_map(parse).collect()
}

/// Where in a file a value is, for errors.
struct Place<'a> {
    file: &'a Path,
    /// Ends in a dot unless it is empty.
    path: String,
}

impl<'a> Place<'a> {
    fn error(&self, field: &str, what: &str) -> ImportError {
        ImportError::document(self.file, None, format!("{}{field} {what}", self.path))
    }

    fn item(&self, list: &str, index: usize) -> Place<'a> {
        Place { file: self.file, path: format!("{}{list}[{index}].", self.path) }
    }

    fn text<'v>(&self, value: &'v Value, field: &str) -> Result<&'v str, ImportError> {
        value
            .get(field)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| self.error(field, "is missing or no text"))
    }

    fn count(&self, value: &Value, field: &str) -> Result<u64, ImportError> {
        let number = value.get(field).and_then(Value::as_u64);
        number.ok_or_else(|| self.error(field, "is missing or no whole number of at least 0"))
    }

    fn time(&self, value: &Value, field: &str) -> Result<SimTime, ImportError> {
        SimTime::parse(self.text(value, field)?)
            .map_err(|error| self.error(field, &format!("is wrong: {error}")))
    }

    /// A list; a missing one and `null` are empty.
    fn list<'v>(&self, value: &'v Value, field: &str) -> Result<&'v [Value], ImportError> {
        match value.get(field) {
            None | Some(Value::Null) => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.error(field, "is no list")),
        }
    }

    fn each<T>(
        &self,
        value: &Value,
        field: &str,
        read: impl Fn(&Place<'_>, &Value) -> Result<T, ImportError>,
    ) -> Result<Vec<T>, ImportError> {
        (0..)
            .zip(self.list(value, field)?)
            .map(|(index, item)| read(&self.item(field, index), item))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_which_groups_grew_from_what_to_what() {
        let resize = |group: &str, from, to| Resize { group: group.to_owned(), from, to };
        assert_eq!(
            resizes("pod triggered scale-up: [{a 1->3 (max: 3)} {b-z1 0->1 (max: 2)}]"),
            [resize("a", 1, 3), resize("b-z1", 0, 1)]
        );
        assert_eq!(resizes("pod didn't trigger scale-up: 1 max node group size reached"), []);
        assert_eq!(resizes("[{a one->3}"), []);
    }
}
