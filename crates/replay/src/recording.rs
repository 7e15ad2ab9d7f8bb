//! A recording as a world relives it: the state at the beginning, and what came from outside.
//!
//! What came from outside is the workload: which pods arrived and when their work was over, how
//! controllers, budgets and groups' limits changed. What the recorded autoscaler did to nodes is
//! not: under another strategy it would not have happened. Nodes of no group are nobody's to scale,
//! so they come and go as recorded.

mod documents;

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use plimsoll_core::node::NODE_GROUP_LABEL;
use plimsoll_core::objects::{self, Object, ObjectError, PriorityClasses, Snapshot, SnapshotError};
use plimsoll_core::pod::ControllerRef;
use plimsoll_core::workload::{WorkloadKind, WorkloadObject};
use plimsoll_core::{NodeObject, PodObject, PodPhase, PodSpec, SimTime};
use plimsoll_history::{Change, DocumentId, History, HistoryError, ObjectKey, Version};
use serde_json::{Value, json};
use thiserror::Error;

use documents::{Likeness, PodIdentity, PodProgress};

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
    /// Jobs that came after the beginning, in order.
    pub jobs: Vec<JobHistory>,
    /// Other changes after the beginning that a replay takes part in, in order.
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
    /// The first of the pods with this spec, as it was first seen: pods that differ in name,
    /// controller and time only share it.
    pub object: Arc<PodObject>,
    /// Its own name.
    pub name: String,
    /// Its own controller.
    pub controller: Option<ControllerRef>,
    /// When it was created.
    pub created_at: SimTime,
    /// When it was first seen bound, and where if that is known.
    pub bound: Option<(SimTime, Option<Arc<str>>)>,
    /// When its work was over or somebody deleted it.
    pub ended_at: Option<SimTime>,
}

/// A Job as it was first seen. Traces have very many; their pods are recorded themselves, so that
/// nothing looks at the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobHistory {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: String,
    /// How many pods it wants.
    pub replicas: u32,
    /// The controller above it, such as a CronJob.
    pub controller: Option<ControllerRef>,
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
    /// An object was created or changed. Of the controllers only DaemonSets come again when they
    /// change.
    Put(Box<Object>),
    /// A controller wants another number of pods than before.
    Scale {
        /// Its kind.
        kind: WorkloadKind,
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        name: String,
        /// So many.
        replicas: u32,
    },
    /// A budget or a DaemonSet was deleted. What other controllers leave behind is recorded pod by
    /// pod.
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
    /// A document of it is not what an API server writes.
    #[error("{history}: row {sequence}: {kind} {name}: {field}: {error}")]
    Document {
        /// The history's file.
        history: String,
        /// The row.
        sequence: u64,
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
        /// Which part of the object.
        field: &'static str,
        /// What is wrong.
        error: serde_json::Error,
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
    pod_places: Vec<Option<Place>>,
    node_places: BTreeMap<u32, usize>,
    /// Pods parsed once for all that are alike, asked for by key only.
    parsed_pods: HashMap<Likeness, PodsAlike>,
    /// What the status documents of pods say.
    progress: BTreeMap<DocumentId, PodProgress>,
    /// How many pods each known controller wants, by the history's number for the object.
    sizes: BTreeMap<u32, u32>,
    /// Controllers parsed once for all that have equal documents.
    parsed_sizes: BTreeMap<(WorkloadKind, [DocumentId; 3]), Arc<Size>>,
}

/// Pods that are alike by how long they run, which is the one thing they differ in.
type PodsAlike = BTreeMap<Option<String>, Arc<PodObject>>;

#[derive(Clone, Copy)]
enum Place {
    Pod(usize),
    Daemon(usize),
}

/// What a replay looks at of a controller that it knows, and of every Job.
struct Size {
    replicas: u32,
    controller: Option<ControllerRef>,
}

impl<'a> Reader<'a> {
    fn new(history: &'a History, from: SimTime) -> Reader<'a> {
        let objects = usize::try_from(history.info().objects).unwrap_or(0);
        Reader {
            history,
            from,
            classes: PriorityClasses::built_in(),
            recording: Recording::default(),
            pod_places: vec![None; objects],
            node_places: BTreeMap::new(),
            parsed_pods: HashMap::new(),
            progress: BTreeMap::new(),
            sizes: BTreeMap::new(),
            parsed_sizes: BTreeMap::new(),
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
        self.recording.snapshot = snapshot;
        for change in beginning {
            match &*change.object.kind {
                "Pod" => self.take_pod(change)?,
                "Node" => self.take_node(change)?,
                _ => {
                    if let (Some(kind), Some(version)) =
                        (sized_kind(&change.object), &change.version)
                    {
                        let size = self.size_of(change, kind, version)?;
                        self.sizes.insert(change.object_id, size.replicas);
                    }
                }
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
        let progress = self.progress_of(change, version.rest)?;
        if self.place_of(change.object_id).is_none() {
            if progress.finished {
                return Ok(());
            }
            self.begin_pod(change, version)?;
        }
        if progress.finished {
            self.end_pod(change.object_id, at);
            return Ok(());
        }
        let scheduled = version.node_name.is_some() || progress.scheduled;
        if scheduled
            && let Some(pod) = self.pod_mut(change.object_id)
            && pod.bound.is_none()
        {
            let since = progress.scheduled_at.unwrap_or(at);
            pod.bound = Some((since, version.node_name.clone()));
        }
        Ok(())
    }

    fn progress_of(
        &mut self,
        change: &Change,
        rest: DocumentId,
    ) -> Result<PodProgress, RecordingError> {
        if let Some(known) = self.progress.get(&rest) {
            return Ok(*known);
        }
        let progress = PodProgress::read(&self.history.document_text(rest)?)
            .map_err(|error| self.document_error(change, "status", error))?;
        self.progress.insert(rest, progress);
        Ok(progress)
    }

    fn begin_pod(&mut self, change: &Change, version: &Version) -> Result<(), RecordingError> {
        let Some(pod) = self.new_pod(change, version)? else { return Ok(()) };
        let belongs_to_node = pod.object.spec.is_mirror
            || pod.controller.as_ref().is_some_and(|one| one.kind == "DaemonSet");
        let place = if belongs_to_node {
            self.recording.daemon_pods.push(pod);
            Place::Daemon(self.recording.daemon_pods.len() - 1)
        } else {
            self.recording.pods.push(pod);
            Place::Pod(self.recording.pods.len() - 1)
        };
        if let Some(slot) = self.pod_places.get_mut(change.object_id as usize) {
            *slot = Some(place);
        }
        Ok(())
    }

    /// The pod as it begins. Its object is shared with those that are alike.
    fn new_pod(
        &mut self,
        change: &Change,
        version: &Version,
    ) -> Result<Option<PodHistory>, RecordingError> {
        let metadata = self.history.document_text(version.meta)?;
        let namespace = &change.object.namespace;
        let identity = documents::read_pod_identity(namespace, version.spec, &metadata);
        let known = identity.as_ref().and_then(|one| self.alike(one));
        let object = match known {
            Some(known) => known,
            None => {
                let Object::Pod(pod) = self.parse(change)? else { return Ok(None) };
                Arc::new(pod)
            }
        };
        let controller = match identity {
            Some(PodIdentity { likeness, run_for, controller }) => {
                let alike = self.parsed_pods.entry(likeness).or_default();
                alike.entry(run_for).or_insert_with(|| Arc::clone(&object));
                controller
            }
            None => object.controller.clone(),
        };
        let name = change.object.name.clone();
        Ok(Some(PodHistory {
            controller: controller.or_else(|| inferred_daemon_set(&object.spec, &name)),
            name,
            created_at: change.object.created_at.unwrap_or(change.effective_at),
            bound: None,
            ended_at: None,
            object,
        }))
    }

    /// A pod that is like this one and runs as long, made from another one if need be.
    fn alike(&self, identity: &PodIdentity) -> Option<Arc<PodObject>> {
        let alike = self.parsed_pods.get(&identity.likeness)?;
        if let Some(known) = alike.get(&identity.run_for) {
            return Some(Arc::clone(known));
        }
        let other = alike.values().next()?;
        documents::with_run_for(other, identity.run_for.as_deref()?).map(Arc::new)
    }

    fn place_of(&self, object_id: u32) -> Option<Place> {
        self.pod_places.get(object_id as usize).copied().flatten()
    }

    fn pod_mut(&mut self, object_id: u32) -> Option<&mut PodHistory> {
        match self.place_of(object_id)? {
            Place::Pod(index) => self.recording.pods.get_mut(index),
            Place::Daemon(index) => self.recording.daemon_pods.get_mut(index),
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
        let at = change.observed_at;
        let key = &*change.object;
        let Some(version) = &change.version else {
            if matches!(&*key.kind, "PodDisruptionBudget" | "DaemonSet") {
                let deleted = OutsideChange::Delete {
                    kind: key.kind.to_string(),
                    namespace: key.namespace.to_string(),
                    name: key.name.clone(),
                };
                self.recording.changes.push((at, deleted));
            }
            return Ok(());
        };
        if let Some(kind) = sized_kind(key) {
            return self.take_sized(change, kind, version);
        }
        match self.parse(change)? {
            Object::ResourceSlice(_)
            | Object::DeviceClass(_)
            | Object::ResourceClaim(_)
            | Object::ResourceClaimTemplate(_)
            | Object::Service(_)
            | Object::Namespace(_)
            | Object::Other(_) => {}
            object => self.recording.changes.push((at, OutsideChange::Put(Box::new(object)))),
        }
        Ok(())
    }

    /// A controller whose pods are recorded themselves: after its first sight only the number of
    /// pods it wants matters.
    fn take_sized(
        &mut self,
        change: &Change,
        kind: WorkloadKind,
        version: &Version,
    ) -> Result<(), RecordingError> {
        let size = self.size_of(change, kind, version)?;
        let before = self.sizes.insert(change.object_id, size.replicas);
        let (namespace, name) = (&change.object.namespace, &change.object.name);
        match before {
            None if kind == WorkloadKind::Job => self.recording.jobs.push(JobHistory {
                namespace: Arc::clone(namespace),
                name: name.clone(),
                replicas: size.replicas,
                controller: size.controller.clone(),
            }),
            None => {
                let put = OutsideChange::Put(Box::new(self.parse(change)?));
                self.recording.changes.push((change.observed_at, put));
            }
            Some(before) if before == size.replicas => {}
            Some(_) => {
                let scale = OutsideChange::Scale {
                    kind,
                    namespace: Arc::clone(namespace),
                    name: name.clone(),
                    replicas: size.replicas,
                };
                self.recording.changes.push((change.observed_at, scale));
            }
        }
        Ok(())
    }

    /// Reads a controller without its template, once for all that have the same documents.
    fn size_of(
        &mut self,
        change: &Change,
        kind: WorkloadKind,
        version: &Version,
    ) -> Result<Arc<Size>, RecordingError> {
        let documents = (kind, [version.meta, version.spec, version.rest]);
        if let Some(known) = self.parsed_sizes.get(&documents) {
            return Ok(Arc::clone(known));
        }
        let spec = documents::spec_without_template(&self.history.document_text(version.spec)?)
            .map_err(|error| self.document_error(change, "spec", error))?;
        let fields = |document: &Value| document.as_object().cloned().unwrap_or_default();
        let mut metadata = fields(&*self.history.document(version.meta)?);
        metadata.insert("name".to_owned(), json!(change.object.name));
        metadata.insert("namespace".to_owned(), json!(*change.object.namespace));
        let mut object = fields(&*self.history.document(version.rest)?);
        object.insert("apiVersion".to_owned(), json!(*change.object.api_version));
        object.insert("kind".to_owned(), json!(*change.object.kind));
        object.insert("metadata".to_owned(), Value::Object(metadata));
        object.insert("spec".to_owned(), spec);
        let size = match self.parse_json(change, &Value::Object(object))? {
            Object::Workload(one) => Size { replicas: one.replicas, controller: one.controller },
            _ => Size { replicas: 0, controller: None },
        };
        let size = Arc::new(size);
        self.parsed_sizes.insert(documents, Arc::clone(&size));
        Ok(size)
    }

    fn parse(&self, change: &Change) -> Result<Object, RecordingError> {
        self.parse_json(change, &self.history.object_json(change)?)
    }

    fn parse_json(&self, change: &Change, object: &Value) -> Result<Object, RecordingError> {
        objects::parse_with(object, &self.classes).map_err(|error| RecordingError::Object {
            history: self.history.path().display().to_string(),
            sequence: change.sequence,
            error: Box::new(error),
        })
    }

    fn document_error(
        &self,
        change: &Change,
        field: &'static str,
        error: serde_json::Error,
    ) -> RecordingError {
        RecordingError::Document {
            history: self.history.path().display().to_string(),
            sequence: change.sequence,
            kind: change.object.kind.to_string(),
            name: change.object.name.clone(),
            field,
            error,
        }
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

    /// The controllers that recorded pods name and that have objects, or whose objects come later;
    /// of those that come later not the [`Recording::jobs`].
    pub fn workloads(&self) -> impl Iterator<Item = &WorkloadObject> {
        let later = self.changes.iter().filter_map(|(_, change)| match change {
            OutsideChange::Put(object) => match object.as_ref() {
                Object::Workload(workload) => Some(workload),
                _ => None,
            },
            OutsideChange::Scale { .. } | OutsideChange::Delete { .. } => None,
        });
        self.snapshot.workloads.iter().chain(later)
    }
}

/// The kind of a controller whose pods a replay takes as they were recorded. DaemonSets are not
/// among them: they run pods on nodes that were never recorded.
fn sized_kind(key: &ObjectKey) -> Option<WorkloadKind> {
    match (&*key.api_version, &*key.kind) {
        ("apps/v1", "Deployment") => Some(WorkloadKind::Deployment),
        ("apps/v1", "ReplicaSet") => Some(WorkloadKind::ReplicaSet),
        ("apps/v1", "StatefulSet") => Some(WorkloadKind::StatefulSet),
        ("batch/v1", "Job") => Some(WorkloadKind::Job),
        ("v1", "ReplicationController") => Some(WorkloadKind::ReplicationController),
        _ => None,
    }
}

/// Only the DaemonSet controller pins a pod to its node by a field, so a recording that kept no
/// owners still tells which pods are a DaemonSet's.
fn inferred_daemon_set(spec: &PodSpec, pod: &str) -> Option<ControllerRef> {
    let pinned = spec.required_node_terms.iter().flatten().any(|term| {
        term.fields.iter().any(|field| field.key == "metadata.name" && field.values.len() == 1)
    });
    pinned.then(|| ControllerRef {
        api_version: "apps/v1".to_owned(),
        kind: WorkloadKind::DaemonSet.as_str().to_owned(),
        name: pod.rsplit_once('-').map_or(pod, |(set, _)| set).to_owned(),
        uid: String::new(),
    })
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
