//! A recording as a world relives it: the state at the beginning, and what came from outside.
//!
//! What came from outside is the workload: which pods arrived and when their work was over, how
//! controllers, budgets and groups' limits changed. What the recorded autoscaler did to nodes is
//! not: under another strategy it would not have happened. Nodes of no group are nobody's to scale,
//! so they come and go as recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use plimsoll_core::node::NODE_GROUP_LABEL;
use plimsoll_core::objects::{self, Object, ObjectError, PriorityClasses, Snapshot, SnapshotError};
use plimsoll_core::workload::{WorkloadKind, WorkloadObject};
use plimsoll_core::{NodeObject, PodObject, PodPhase, SimTime};
use plimsoll_history::{Change, History, HistoryError};
use serde_json::Value;
use thiserror::Error;

/// What a recording tells about a window of time.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Everything but pods at the beginning.
    pub snapshot: Snapshot,
    /// Gardener's worker pools at the beginning.
    pub worker_pools: Vec<Value>,
    /// Machine deployments at the beginning.
    pub machine_deployments: Vec<Value>,
    /// Every pod that lived in the window, in the order of its arrival. Pods of DaemonSets and
    /// mirrors of static pods are in `daemon_pods`.
    pub pods: Vec<PodHistory>,
    /// Pods that belong to their node.
    pub daemon_pods: Vec<PodHistory>,
    /// Other changes after the beginning, in order.
    pub changes: Vec<(SimTime, OutsideChange)>,
    /// Every Node that was there in the window: when it came, what it was, when it went.
    pub nodes: Vec<NodeHistory>,
    /// Scale-ups that the recorded autoscaler said it made, in order.
    pub scale_up_events: Vec<ScaleUpEvent>,
    /// The settings changed in the window.
    pub settings_changed: bool,
}

/// A pod's life as it was recorded.
#[derive(Clone, Debug)]
pub struct PodHistory {
    /// The object as it was first seen, without its node.
    pub object: Arc<PodObject>,
    /// Its own name; the object is shared by pods that differ in name and time only.
    pub name: String,
    /// When it was created.
    pub created_at: SimTime,
    /// When it was first seen bound, and where if that is known.
    pub bound: Option<(SimTime, Option<Arc<str>>)>,
    /// When its work was over or somebody deleted it.
    pub ended_at: Option<SimTime>,
}

/// A node's life as it was recorded.
#[derive(Clone, Debug)]
pub struct NodeHistory {
    /// The node as it was first seen.
    pub object: NodeObject,
    /// When it came.
    pub added_at: SimTime,
    /// When it went.
    pub removed_at: Option<SimTime>,
}

/// Something else that came from outside.
#[derive(Clone, Debug)]
pub enum OutsideChange {
    /// An object was created or changed.
    Put(Box<Object>),
    /// An object was deleted.
    Delete {
        /// Its kind.
        kind: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// A scale-up that the recorded autoscaler said it made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleUpEvent {
    /// When it said so.
    pub at: SimTime,
    /// Group, size before, size after.
    pub increases: Vec<(String, u32, u32)>,
}

/// A recording that cannot be relived.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// The history cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// An object of it is not what it should be.
    #[error("{history}: row {sequence}: {error}")]
    Object {
        /// The history's file.
        history: String,
        /// The row.
        sequence: u64,
        /// What is wrong.
        error: Box<ObjectError>,
    },
    /// The objects of the beginning do not go together.
    #[error("{history}: {error}")]
    Snapshot {
        /// The history's file.
        history: String,
        /// What is wrong.
        error: SnapshotError,
    },
}

/// Reads what a history tells about `from ..= to`.
///
/// # Errors
/// When the history cannot be read, or an object in it is malformed.
pub fn read(history: &History, from: SimTime, to: SimTime) -> Result<Recording, RecordingError> {
    let mut reader = Reader::new(history, from);
    let beginning = history.snapshot_at(from)?;
    reader.read_beginning(&beginning)?;
    let mut failure = None;
    history.visit_changes(from, to, &mut |change| match reader.take_change(&change) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    })?;
    match failure {
        Some(error) => Err(error),
        None => Ok(reader.finish()),
    }
}

struct Reader<'a> {
    history: &'a History,
    from: SimTime,
    classes: PriorityClasses,
    recording: Recording,
    /// Where each object's pod is in the list, by the history's number for the object.
    pod_places: BTreeMap<u32, Place>,
    node_places: BTreeMap<u32, usize>,
    /// Pods parsed once for each pair of metadata and spec.
    parsed_pods: BTreeMap<(u32, u32), Arc<PodObject>>,
    /// Names of DaemonSets whose objects are in the recording.
    groups: BTreeSet<String>,
}

#[derive(Clone, Copy)]
enum Place {
    Pod(usize),
    Daemon(usize),
}

impl<'a> Reader<'a> {
    fn new(history: &'a History, from: SimTime) -> Reader<'a> {
        Reader {
            history,
            from,
            classes: PriorityClasses::built_in(),
            recording: Recording::default(),
            pod_places: BTreeMap::new(),
            node_places: BTreeMap::new(),
            parsed_pods: BTreeMap::new(),
            groups: BTreeSet::new(),
        }
    }

    fn read_beginning(&mut self, beginning: &[Change]) -> Result<(), RecordingError> {
        let mut objects = Vec::new();
        for change in beginning {
            match &*change.object.kind {
                "Pod" | "Event" => {}
                "WorkerPool" => {
                    self.recording.worker_pools.push(self.history.object_json(change)?);
                }
                "MachineDeployment" => {
                    self.recording.machine_deployments.push(self.history.object_json(change)?);
                }
                _ => objects.push((self.history.object_json(change)?, Default::default())),
            }
        }
        let (snapshot, _) = Snapshot::from_values(objects.into_iter()).map_err(|error| {
            RecordingError::Snapshot { history: self.history.path().display().to_string(), error }
        })?;
        self.classes = PriorityClasses::with(&snapshot.priority_classes);
        self.groups = snapshot.groups.iter().map(|group| group.name.clone()).collect();
        self.recording.snapshot = snapshot;
        for change in beginning {
            match &*change.object.kind {
                "Pod" => self.take_pod(change)?,
                "Node" => self.take_node(change)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn take_change(&mut self, change: &Change) -> Result<(), RecordingError> {
        match &*change.object.kind {
            "Pod" => self.take_pod(change),
            "Node" => self.take_node(change),
            "Event" => self.take_event(change),
            "AutoscalerSettings" => {
                self.recording.settings_changed = true;
                Ok(())
            }
            _ => self.take_other(change),
        }
    }

    fn take_pod(&mut self, change: &Change) -> Result<(), RecordingError> {
        let at = change.effective_at.max(self.from).min(change.observed_at);
        let Some(version) = &change.version else {
            self.end_pod(change.object_id, at);
            return Ok(());
        };
        let status = self.history.document(version.rest)?;
        let status = status.get("status");
        let phase = status.and_then(|one| one.get("phase")).and_then(Value::as_str);
        let finished = matches!(phase, Some("Succeeded" | "Failed"));
        if !self.pod_places.contains_key(&change.object_id) {
            if finished {
                return Ok(());
            }
            self.begin_pod(change, version.meta.0, version.spec.0)?;
        }
        if finished {
            self.end_pod(change.object_id, at);
            return Ok(());
        }
        let scheduled = version.node_name.is_some() || is_scheduled(status);
        if scheduled
            && let Some(pod) = self.pod_mut(change.object_id)
            && pod.bound.is_none()
        {
            let since = scheduled_at(status).unwrap_or(at);
            pod.bound = Some((since, version.node_name.clone()));
        }
        Ok(())
    }

    fn begin_pod(&mut self, change: &Change, meta: u32, spec: u32) -> Result<(), RecordingError> {
        let object = match self.parsed_pods.get(&(meta, spec)) {
            Some(known) => Arc::clone(known),
            None => {
                let Object::Pod(pod) = self.parse(change)? else { return Ok(()) };
                let pod = Arc::new(pod);
                self.parsed_pods.insert((meta, spec), Arc::clone(&pod));
                pod
            }
        };
        let created_at = change.object.created_at.unwrap_or(change.effective_at);
        let belongs_to_node = object.spec.is_mirror
            || object.controller.as_ref().is_some_and(|one| one.kind == "DaemonSet");
        let history = PodHistory {
            name: change.object.name.clone(),
            created_at,
            bound: None,
            ended_at: None,
            object,
        };
        let place = if belongs_to_node {
            self.recording.daemon_pods.push(history);
            Place::Daemon(self.recording.daemon_pods.len() - 1)
        } else {
            self.recording.pods.push(history);
            Place::Pod(self.recording.pods.len() - 1)
        };
        self.pod_places.insert(change.object_id, place);
        Ok(())
    }

    fn pod_mut(&mut self, object_id: u32) -> Option<&mut PodHistory> {
        match self.pod_places.get(&object_id)? {
            Place::Pod(index) => self.recording.pods.get_mut(*index),
            Place::Daemon(index) => self.recording.daemon_pods.get_mut(*index),
        }
    }

    fn end_pod(&mut self, object_id: u32, at: SimTime) {
        if let Some(pod) = self.pod_mut(object_id)
            && pod.ended_at.is_none()
        {
            pod.ended_at = Some(at);
        }
    }

    fn take_node(&mut self, change: &Change) -> Result<(), RecordingError> {
        let place = self.node_places.get(&change.object_id).copied();
        match (place, &change.version) {
            (Some(index), None) => {
                self.recording.nodes[index].removed_at = Some(change.observed_at);
            }
            (None, Some(_)) => {
                let Object::Node(object) = self.parse(change)? else { return Ok(()) };
                let added_at = object.created_at.unwrap_or(change.effective_at);
                self.node_places.insert(change.object_id, self.recording.nodes.len());
                self.recording.nodes.push(NodeHistory { object, added_at, removed_at: None });
            }
            _ => {}
        }
        Ok(())
    }

    fn take_event(&mut self, change: &Change) -> Result<(), RecordingError> {
        if change.version.is_none() {
            return Ok(());
        }
        let event = self.history.object_json(change)?;
        if event.get("reason").and_then(Value::as_str) != Some("TriggeredScaleUp") {
            return Ok(());
        }
        let message = event.get("message").and_then(Value::as_str).unwrap_or_default();
        let increases = parse_increases(message);
        if !increases.is_empty() {
            let at = change.effective_at;
            self.recording.scale_up_events.push(ScaleUpEvent { at, increases });
        }
        Ok(())
    }

    fn take_other(&mut self, change: &Change) -> Result<(), RecordingError> {
        let outside = match &change.version {
            None => OutsideChange::Delete {
                kind: change.object.kind.to_string(),
                namespace: change.object.namespace.to_string(),
                name: change.object.name.clone(),
            },
            Some(_) => match self.parse(change)? {
                Object::Other(_) => return Ok(()),
                object => OutsideChange::Put(Box::new(object)),
            },
        };
        self.recording.changes.push((change.observed_at, outside));
        Ok(())
    }

    fn parse(&self, change: &Change) -> Result<Object, RecordingError> {
        let document = self.history.object_json(change)?;
        let object = objects::parse_with(&document, &self.classes).map_err(|error| {
            RecordingError::Object {
                history: self.history.path().display().to_string(),
                sequence: change.sequence,
                error: Box::new(error),
            }
        })?;
        Ok(match object {
            Object::Pod(mut pod) => {
                infer_daemon_set(&mut pod);
                Object::Pod(pod)
            }
            other => other,
        })
    }

    fn finish(mut self) -> Recording {
        self.recording.pods.sort_by(|a, b| (a.created_at, &a.name).cmp(&(b.created_at, &b.name)));
        self.recording
    }
}

impl Recording {
    /// Whether a node belongs to a group of the recording.
    #[must_use]
    pub fn is_grouped(&self, node: &NodeObject) -> bool {
        node.spec
            .labels
            .get(NODE_GROUP_LABEL)
            .is_some_and(|name| self.snapshot.groups.iter().any(|group| group.name == *name))
    }

    /// The controllers that recorded pods name and that have objects, or whose objects come later.
    pub fn workloads(&self) -> impl Iterator<Item = &WorkloadObject> {
        let later = self.changes.iter().filter_map(|(_, change)| match change {
            OutsideChange::Put(object) => match object.as_ref() {
                Object::Workload(workload) => Some(workload),
                _ => None,
            },
            OutsideChange::Delete { .. } => None,
        });
        self.snapshot.workloads.iter().chain(later)
    }
}

/// Only the DaemonSet controller pins a pod to its node by a field, so a recording that kept no
/// owners still tells which pods are a DaemonSet's.
fn infer_daemon_set(pod: &mut PodObject) {
    let pinned = pod.spec.required_node_terms.iter().flatten().any(|term| {
        term.fields.iter().any(|field| field.key == "metadata.name" && field.values.len() == 1)
    });
    if pod.controller.is_none() && pinned {
        let set = pod.name.rsplit_once('-').map_or(pod.name.as_str(), |(set, _)| set);
        pod.controller = Some(plimsoll_core::pod::ControllerRef {
            api_version: "apps/v1".to_owned(),
            kind: WorkloadKind::DaemonSet.as_str().to_owned(),
            name: set.to_owned(),
            uid: String::new(),
        });
    }
}

fn scheduled_condition(status: Option<&Value>) -> Option<&Value> {
    status?
        .get("conditions")?
        .as_array()?
        .iter()
        .find(|one| one.get("type").and_then(Value::as_str) == Some("PodScheduled"))
}

fn is_scheduled(status: Option<&Value>) -> bool {
    scheduled_condition(status)
        .and_then(|one| one.get("status"))
        .is_some_and(|one| one.as_str() == Some("True"))
}

fn scheduled_at(status: Option<&Value>) -> Option<SimTime> {
    let condition = scheduled_condition(status)?;
    let time = condition.get("lastTransitionTime")?.as_str()?;
    SimTime::parse(time).ok().filter(|_| is_scheduled(status))
}

/// Reads `pod triggered scale-up: [{group 1->3 (max: 5)} {other 0->1 (max: 2)}]`.
fn parse_increases(message: &str) -> Vec<(String, u32, u32)> {
    message
        .split('{')
        .skip(1)
        .filter_map(|part| {
            let (group, rest) = part.split_once(' ')?;
            let (sizes, _) = rest.split_once(' ')?;
            let (from, to) = sizes.split_once("->")?;
            Some((group.to_owned(), from.parse().ok()?, to.parse().ok()?))
        })
        .collect()
}

/// Pods that had not ended when the window began.
#[must_use]
pub fn is_alive_at(pod: &PodHistory, from: SimTime) -> bool {
    pod.ended_at.is_none_or(|end| end > from) && pod.object.phase != PodPhase::Failed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_ups_are_read_from_the_autoscalers_own_words() {
        assert_eq!(
            parse_increases("pod triggered scale-up: [{a-z1 1->3 (max: 5)} {b 0->1 (max: 2)}]"),
            [("a-z1".to_owned(), 1, 3), ("b".to_owned(), 0, 1)]
        );
        assert!(parse_increases("pod didn't trigger scale-up").is_empty());
    }
}
