//! A cluster at one instant, from the objects of a file.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use thiserror::Error;

use super::error::{FieldError, FieldPath, ObjectError, ObjectName, PathStep};
use super::nearest::with_nearest;
use super::{
    AutoscalerState, Object, OtherObject, PriorityClasses, ScenarioAction, ScenarioObject,
    defaulting, read_object,
};
use crate::capacity::CapacityObject;
use crate::devices::DeviceObjects;
use crate::namespace::NamespaceObject;
use crate::node::{NODE_GROUP_LABEL, NodeObject};
use crate::node_group::NodeGroupSpec;
use crate::pod::PodObject;
use crate::service::ServiceObject;
use crate::storage::{Storage, StorageObject};
use crate::time::SimTime;
use crate::workload::{DisruptionBudgetObject, PriorityClassObject, WorkloadObject};

/// Kinds that are kept for the scheduling rules that look at them, without a warning. A pod under a
/// rule that is not judged says so itself (`PodSpec::unjudged_features`).
const KEPT_KINDS: [&str; 1] = ["ConfigMap"];

/// A cluster at one instant. Objects are in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The nodes.
    pub nodes: Vec<NodeObject>,
    /// The pods, their priority resolved.
    pub pods: Vec<PodObject>,
    /// The node groups.
    pub groups: Vec<NodeGroupSpec>,
    /// The controllers of pods.
    pub workloads: Vec<WorkloadObject>,
    /// The disruption budgets.
    pub budgets: Vec<DisruptionBudgetObject>,
    /// Volumes, claims, classes, and what CSI drivers say.
    pub storage: StorageObjects,
    /// The priority classes of the file, without the built-in ones.
    pub priority_classes: Vec<PriorityClassObject>,
    /// The services.
    pub services: Vec<ServiceObject>,
    /// The namespaces. Others may be in use: an object says in which one it lives, and a namespace
    /// without an object of its own has no labels.
    pub namespaces: Vec<NamespaceObject>,
    /// The autoscaler's flags; `None`: the file has no such document.
    pub settings: Option<BTreeMap<String, Value>>,
    /// What the autoscaler did before.
    pub state: Option<AutoscalerState>,
    /// What is to happen.
    pub scenario: Option<ScenarioObject>,
    /// Devices, their classes, and claims on them.
    pub devices: DeviceObjects,
    /// Pod templates, capacity buffers, provisioning requests.
    pub capacity: Vec<CapacityObject>,
    /// Objects of other kinds.
    pub others: Vec<OtherObject>,
}

/// The objects of storage, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StorageObjects(pub Vec<StorageObject>);

impl StorageObjects {
    /// What a cluster with these objects knows about volumes. Pods come on top of it.
    #[must_use]
    pub fn load(&self) -> Storage {
        let mut storage = Storage::default();
        for object in &self.0 {
            // Nothing was there before, so nothing is to be taken back.
            let _ = storage.put(object.clone());
        }
        storage
    }
}

/// Where in its source an object came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Which document, from 0.
    pub document: usize,
    /// Which item of the document, when that is a list.
    pub path: FieldPath,
}

/// An object of a snapshot that cannot be taken, and where it came from.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{error}")]
pub struct SnapshotError {
    /// Where the object is.
    pub origin: Origin,
    /// What is wrong with it.
    pub error: Box<ObjectError>,
}

/// Something about a snapshot that its reader should know.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SnapshotWarning {
    /// A kind that nothing here looks at.
    #[error("{api_version} {kind}: {count} kept and ignored: this kind is not known")]
    IgnoredKind {
        /// Its `apiVersion`.
        api_version: String,
        /// Its kind.
        kind: String,
        /// How many there are.
        count: usize,
    },
    /// A pod bound to a node that is not there.
    #[error("Pod {pod}: bound to node {node:?}, which is not there: it takes part in nothing")]
    LostPod {
        /// `namespace/name` of the pod.
        pod: String,
        /// The node it names.
        node: String,
    },
    /// Events at or after the end of the scenario.
    #[error("Scenario {scenario}: {count} of its events come after its end and never happen")]
    LateEvents {
        /// The scenario's name.
        scenario: String,
        /// How many there are.
        count: usize,
    },
}

impl Snapshot {
    /// Reads objects, in file order. Lists are taken apart, defaults filled in, priorities resolved
    /// by the priority classes among the objects.
    ///
    /// # Errors
    /// [`SnapshotError`] for the first object that cannot be read, is there twice, or names a group
    /// or controller that is not there.
    pub fn from_values(
        values: impl Iterator<Item = (Value, Origin)>,
    ) -> Result<(Snapshot, Vec<SnapshotWarning>), SnapshotError> {
        let mut sources: Vec<(Value, Origin)> = Vec::new();
        for (value, origin) in values {
            take_apart(value, origin, &mut sources)?;
        }
        for (document, _) in &mut sources {
            defaulting::apply_defaults(document);
        }
        let classes = PriorityClasses::with(&read_classes(&sources)?);
        let mut snapshot = Snapshot::default();
        let mut origins = Origins::default();
        for (document, origin) in sources {
            let name = ObjectName::of(&document);
            let refuse = |error| SnapshotError {
                error: Box::new(ObjectError::new(name.clone(), error)),
                origin: origin.clone(),
            };
            let object = read_object(&document, &classes).map_err(refuse)?;
            origins.note(&object, &document, &name, &origin).map_err(refuse)?;
            snapshot.take(object);
        }
        snapshot.check_groups(&origins)?;
        snapshot.check_scenario(&origins)?;
        let warnings = snapshot.warnings();
        Ok((snapshot, warnings))
    }

    /// The newest instant at which anything in the snapshot is known to have happened; `None` when
    /// no object carries a time. Deletion times lie in the future and do not count.
    #[must_use]
    pub fn at(&self) -> Option<SimTime> {
        let nodes = self.nodes.iter().flat_map(|node| [node.created_at, node.readiness.since]);
        let pods = self
            .pods
            .iter()
            .flat_map(|pod| [pod.created_at, pod.started_at, pod.scheduled_condition_at]);
        let workloads = self.workloads.iter().map(|workload| workload.created_at);
        let state = self.state.iter().flat_map(|state| {
            let requests = state.scale_up_requests.iter().map(|one| Some(one.time));
            let failures = state.failed_scale_ups.iter().map(|one| Some(one.time));
            let loops = state.loops.iter().copied().map(Some);
            [state.last_scale_up, state.last_scale_down_delete, state.last_scale_down_fail]
                .into_iter()
                .chain(requests)
                .chain(failures)
                .chain(loops)
        });
        let capacity = self.capacity.iter().map(CapacityObject::newest_time);
        let start = self.scenario.iter().map(|scenario| Some(scenario.start));
        let objects = nodes.chain(pods).chain(workloads).chain(capacity);
        objects.chain(state).chain(start).flatten().max()
    }

    fn take(&mut self, object: Object) {
        match object {
            Object::Node(node) => self.nodes.push(node),
            Object::Pod(pod) => self.pods.push(pod),
            Object::Workload(workload) => self.workloads.push(workload),
            Object::NodeGroup(group) => self.groups.push(group),
            Object::DisruptionBudget(budget) => self.budgets.push(budget),
            Object::Storage(object) => self.storage.0.push(object),
            Object::PriorityClass(class) => self.priority_classes.push(class),
            Object::Service(service) => self.services.push(service),
            Object::Namespace(namespace) => self.namespaces.push(namespace),
            Object::AutoscalerSettings(settings) => self.settings = Some(settings.spec),
            Object::AutoscalerState(state) => self.state = Some(state),
            Object::Scenario(scenario) => self.scenario = Some(scenario),
            Object::ResourceSlice(slice) => self.devices.slices.push(slice),
            Object::DeviceClass(class) => self.devices.classes.push(class),
            Object::ResourceClaim(claim) => self.devices.claims.push(claim),
            Object::ResourceClaimTemplate(template) => self.devices.templates.push(template),
            Object::Capacity(object) => self.capacity.push(object),
            Object::Other(other) => self.others.push(other),
        }
    }

    /// Where the file describes groups, every node that names one must name one of them.
    fn check_groups(&self, origins: &Origins) -> Result<(), SnapshotError> {
        if self.groups.is_empty() {
            return Ok(());
        }
        for node in &self.nodes {
            let Some(group) = node.spec.labels.get(NODE_GROUP_LABEL) else { continue };
            if let Some(unknown) = self.refuse_group(group) {
                let error = unknown.within(NODE_GROUP_LABEL).within("labels").within("metadata");
                return Err(origins.error("Node", "", &node.name, error));
            }
        }
        Ok(())
    }

    /// An error when no such group is described.
    fn refuse_group(&self, group: &str) -> Option<FieldError> {
        let known = || self.groups.iter().map(|one| one.name.as_str());
        if known().any(|one| one == group) {
            return None;
        }
        let message = with_nearest(&format!("no NodeGroup {group:?}"), group, known());
        Some(FieldError::here(message))
    }

    /// What events name must be there, at the start or by an earlier event.
    fn check_scenario(&self, origins: &Origins) -> Result<(), SnapshotError> {
        let Some(scenario) = &self.scenario else { return Ok(()) };
        let mut applied: BTreeSet<(&str, &str, &str)> =
            self.workloads.iter().map(identity).collect();
        let mut order: Vec<usize> = (0..scenario.events.len()).collect();
        order.sort_by_key(|index| scenario.events[*index].at);
        for index in order {
            let refused = match &scenario.events[index].action {
                ScenarioAction::Apply { object, .. } => {
                    if let Object::Workload(workload) = object.as_ref() {
                        applied.insert(identity(workload));
                    }
                    None
                }
                ScenarioAction::Scale { kind, namespace, name, .. } => {
                    let known = applied.contains(&(kind.as_str(), namespace, name));
                    (!known).then(|| {
                        let message = format!("no {} {namespace}/{name}", kind.as_str());
                        FieldError::here(message).within("scale")
                    })
                }
                ScenarioAction::Fault(fault) => fault
                    .group()
                    .and_then(|group| self.refuse_group(group))
                    .map(|error| error.within("fault")),
                ScenarioAction::Delete { .. } => None,
            };
            if let Some(error) = refused {
                let error = error.within_item(index).within("events").within("spec");
                return Err(origins.error("Scenario", "", &scenario.name, error));
            }
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<SnapshotWarning> {
        let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let is_kept = |kind: &str| KEPT_KINDS.contains(&kind);
        for other in self.others.iter().filter(|other| !is_kept(&other.name.kind)) {
            *kinds.entry((&other.api_version, &other.name.kind)).or_default() += 1;
        }
        let ignored =
            kinds.into_iter().map(|((api_version, kind), count)| SnapshotWarning::IgnoredKind {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                count,
            });
        let nodes: BTreeSet<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
        let lost = self.pods.iter().filter_map(|pod| {
            let node = pod.node_name.as_deref().filter(|node| !nodes.contains(node))?;
            Some(SnapshotWarning::LostPod {
                pod: format!("{}/{}", pod.spec.namespace, pod.name),
                node: node.to_owned(),
            })
        });
        let late = self.scenario.iter().filter_map(|scenario| {
            let count = scenario.events.iter().filter(|one| one.at >= scenario.duration).count();
            let name = scenario.name.clone();
            (count > 0).then_some(SnapshotWarning::LateEvents { scenario: name, count })
        });
        ignored.chain(lost).chain(late).collect()
    }
}

fn identity(workload: &WorkloadObject) -> (&str, &str, &str) {
    (workload.kind.as_str(), &workload.namespace, &workload.name)
}

/// Puts the objects of a document into `sources`: itself, or the items of a list. The items of a
/// typed list (`PodList`, as the API itself answers) need not say what they are.
fn take_apart(
    mut value: Value,
    origin: Origin,
    sources: &mut Vec<(Value, Origin)>,
) -> Result<(), SnapshotError> {
    let name = ObjectName::of(&value);
    let item_kind = name.kind.strip_suffix("List").map(str::to_owned);
    let items = value.get_mut("items").map(Value::take);
    let (item_kind, items) = match (item_kind, items) {
        (Some(item_kind), Some(Value::Array(items))) => (item_kind, items),
        (Some(item_kind), _) if item_kind.is_empty() => {
            let error = FieldError::here("expected a list of objects").within("items");
            return Err(SnapshotError { origin, error: Box::new(ObjectError::new(name, error)) });
        }
        (_, other) => {
            if let (Some(fields), Some(items)) = (value.as_object_mut(), other) {
                fields.insert("items".to_owned(), items);
            }
            sources.push((value, origin));
            return Ok(());
        }
    };
    for (index, mut item) in items.into_iter().enumerate() {
        if let (false, Some(fields)) = (item_kind.is_empty(), item.as_object_mut()) {
            fields.entry("kind").or_insert_with(|| Value::from(item_kind.as_str()));
            fields.entry("apiVersion").or_insert_with(|| value["apiVersion"].clone());
        }
        let mut origin = origin.clone();
        origin.path.0.extend([PathStep::Field("items".to_owned()), PathStep::Item(index)]);
        take_apart(item, origin, sources)?;
    }
    Ok(())
}

/// The priority classes among the objects: pods that stand before them need them too.
fn read_classes(sources: &[(Value, Origin)]) -> Result<Vec<PriorityClassObject>, SnapshotError> {
    let mut classes = Vec::new();
    for (document, origin) in sources {
        if document.get("kind").and_then(Value::as_str) != Some("PriorityClass") {
            continue;
        }
        let read = read_object(document, &PriorityClasses::built_in());
        match read {
            Ok(Object::PriorityClass(class)) => classes.push(class),
            Ok(_) => {}
            Err(error) => {
                let error = Box::new(ObjectError::new(ObjectName::of(document), error));
                return Err(SnapshotError { origin: origin.clone(), error });
            }
        }
    }
    Ok(classes)
}

/// Where each object came from, and that none is there twice.
#[derive(Default)]
struct Origins {
    by_identity: BTreeMap<(String, ObjectName), Origin>,
    settings: bool,
    state: bool,
    scenario: bool,
}

impl Origins {
    fn note(
        &mut self,
        object: &Object,
        document: &Value,
        name: &ObjectName,
        origin: &Origin,
    ) -> Result<(), FieldError> {
        let only_one = match object {
            Object::AutoscalerSettings(_) => std::mem::replace(&mut self.settings, true),
            Object::AutoscalerState(_) => std::mem::replace(&mut self.state, true),
            Object::Scenario(_) => std::mem::replace(&mut self.scenario, true),
            _ => false,
        };
        if only_one {
            let message = format!("expected at most one {} in a snapshot", name.kind);
            return Err(FieldError::here(message));
        }
        let api_version = document.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let previous = self.by_identity.insert((group.to_owned(), name.clone()), origin.clone());
        if previous.is_some() && !name.name.is_empty() {
            return Err(FieldError::here("is there twice"));
        }
        Ok(())
    }

    /// An error about an object that was read already.
    fn error(&self, kind: &str, namespace: &str, name: &str, error: FieldError) -> SnapshotError {
        let name = ObjectName {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let found = self.by_identity.iter().find(|((_, one), _)| *one == name);
        let origin = found.map(|(_, origin)| origin.clone()).unwrap_or_default();
        SnapshotError { origin, error: Box::new(ObjectError::new(name, error)) }
    }
}
