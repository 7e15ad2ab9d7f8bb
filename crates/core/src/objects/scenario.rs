//! Our Scenario: what happens to the cluster of a file, and when.

use serde_json::Value;

use super::Object;
use super::error::FieldError;
use super::fields::{self, Fields, Read};
use super::metadata::{self, DEFAULT_NAMESPACE};
use super::priority::PriorityClasses;
use crate::time::{SimDuration, SimTime};
use crate::workload::WorkloadKind;

/// The seed of scenarios that name none.
const DEFAULT_SEED: u64 = 1;
/// Kinds that live in no namespace, as far as a scenario can delete them.
const CLUSTER_KINDS: [&str; 6] =
    ["Namespace", "Node", "NodeGroup", "PersistentVolume", "PriorityClass", "StorageClass"];

/// What happens, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioObject {
    /// Its name.
    pub name: String,
    /// When the cluster is as the file says.
    pub start: SimTime,
    /// How long the scenario plays.
    pub duration: SimDuration,
    /// The seed of every random choice.
    pub seed: u64,
    /// In the order of the file; those at one instant happen in this order.
    pub events: Vec<ScenarioEvent>,
    /// Changes to the world's rules.
    pub world: WorldSettings,
}

/// Something that happens to the cluster from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioEvent {
    /// When, counted from the start. At or after the scenario's end: never.
    pub at: SimDuration,
    /// What.
    pub action: ScenarioAction,
}

/// What an event does.
#[derive(Clone, Debug, PartialEq)]
pub enum ScenarioAction {
    /// Creates an object, or replaces the one of that kind and name.
    Apply {
        /// The object.
        object: Box<Object>,
        /// The same as a document, with its defaults.
        document: Value,
    },
    /// Changes the replicas of a controller.
    Scale {
        /// Deployment, ReplicaSet or StatefulSet.
        kind: WorkloadKind,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// How many pods it now wants.
        replicas: u32,
    },
    /// Deletes an object.
    Delete {
        /// Its kind.
        kind: String,
        /// Its namespace; empty for kinds without one.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Something breaks.
    Fault(Fault),
}

/// What can break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// New machines of the group fail at once: the cloud has none left.
    StockOut {
        /// The group.
        group: String,
        /// For how long.
        lasts: SimDuration,
    },
    /// New machines of the group stay Creating for ever.
    LazyNodes {
        /// The group.
        group: String,
        /// For how long machines asked for are such.
        lasts: SimDuration,
    },
    /// New machines of the group fail at once, for another reason than a stock-out.
    LaunchFailure {
        /// The group.
        group: String,
        /// Which machines.
        extent: FaultExtent,
    },
    /// The next machines of the group run, but never become Nodes.
    NeverRegister {
        /// The group.
        group: String,
        /// How many of them.
        nodes: u32,
    },
    /// The cloud takes machines of the group back.
    SpotReclaim {
        /// The group.
        group: String,
        /// How many.
        nodes: u32,
    },
    /// The cloud answers no call.
    ProviderDown {
        /// For how long.
        lasts: SimDuration,
    },
    /// New machines of the group become Nodes later than their boot delay says.
    SlowRegistration {
        /// The group.
        group: String,
        /// By how much later.
        by: SimDuration,
        /// For how long machines asked for are such.
        lasts: SimDuration,
    },
}

/// Which of the machines asked for a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultExtent {
    /// All that are asked for within this time.
    Lasting(SimDuration),
    /// The next so many.
    Next(u32),
}

impl Fault {
    /// The group that the fault is about; `None`: all of them.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        match self {
            Fault::StockOut { group, .. }
            | Fault::LazyNodes { group, .. }
            | Fault::LaunchFailure { group, .. }
            | Fault::NeverRegister { group, .. }
            | Fault::SpotReclaim { group, .. }
            | Fault::SlowRegistration { group, .. } => Some(group),
            Fault::ProviderDown { .. } => None,
        }
    }
}

/// What a scenario changes about the world; `None` leaves the world's own rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorldSettings {
    /// How long the scheduler lets a pod wait that it could not place.
    pub pod_backoff: Option<PodBackoff>,
    /// From binding to running.
    pub pod_start_delay: Option<SimDuration>,
    /// Whether a pod that is deleted or evicted uses up its grace period.
    pub grace_periods: Option<bool>,
}

/// The scheduler's back-off of one pod: doubled with every attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodBackoff {
    /// After the first attempt.
    pub initial: SimDuration,
    /// Never longer than this.
    pub max: SimDuration,
}

/// Reads a plimsoll.dev/v1alpha1 Scenario.
pub(super) fn read(object: Fields<'_>, classes: &PriorityClasses) -> Read<ScenarioObject> {
    object.only(&["apiVersion", "kind", "metadata", "spec"])?;
    let name = metadata::read_own_name(object)?;
    object.required("spec", |value| {
        let spec = Fields::of(value)?;
        spec.only(&["start", "duration", "seed", "events", "world"])?;
        Ok(ScenarioObject {
            name,
            start: spec.required("start", fields::time)?,
            duration: spec.required("duration", fields::duration)?,
            seed: spec.optional("seed", read_seed)?.unwrap_or(DEFAULT_SEED),
            events: spec.items("events", |event| read_event(event, classes))?,
            world: spec.inside("world", read_world)?.unwrap_or_default(),
        })
    })
}

fn read_seed(value: &Value) -> Read<u64> {
    value.as_u64().ok_or_else(|| fields::expected("a whole number from 0 up", value))
}

fn read_world(world: Fields<'_>) -> Read<WorldSettings> {
    world.only(&["podBackoff", "podStartDelay", "gracePeriods"])?;
    Ok(WorldSettings {
        pod_backoff: world.inside("podBackoff", |backoff| {
            backoff.only(&["initial", "max"])?;
            let initial = backoff.required("initial", fields::duration)?;
            let max = backoff.required("max", fields::duration)?;
            if max < initial {
                let message = format!("expected at least initial ({initial}), found {max}");
                return Err(FieldError::here(message).within("max"));
            }
            Ok(PodBackoff { initial, max })
        })?,
        pod_start_delay: world.optional("podStartDelay", fields::duration)?,
        grace_periods: world.optional("gracePeriods", fields::flag)?,
    })
}

fn read_event(value: &Value, classes: &PriorityClasses) -> Read<ScenarioEvent> {
    let event = Fields::of(value)?;
    event.only(&["at", "apply", "scale", "delete", "fault"])?;
    let at = event.required("at", fields::duration)?;
    let actions: Vec<&str> = event.names().filter(|name| *name != "at").collect();
    let [action] = actions.as_slice() else {
        return Err(FieldError::here("expected exactly one of apply, scale, delete, fault"));
    };
    let action = event.required(action, |inner| match *action {
        "apply" => Ok(ScenarioAction::Apply {
            object: Box::new(super::read_object(inner, classes)?),
            document: inner.clone(),
        }),
        "scale" => read_scale(Fields::of(inner)?),
        "delete" => read_delete(Fields::of(inner)?),
        _ => read_fault(Fields::of(inner)?).map(ScenarioAction::Fault),
    })?;
    Ok(ScenarioEvent { at, action })
}

fn read_scale(scale: Fields<'_>) -> Read<ScenarioAction> {
    /// What can be scaled.
    const KINDS: [(&str, WorkloadKind); 3] = [
        ("deployment", WorkloadKind::Deployment),
        ("replicaSet", WorkloadKind::ReplicaSet),
        ("statefulSet", WorkloadKind::StatefulSet),
    ];
    scale.only(&["deployment", "replicaSet", "statefulSet", "replicas"])?;
    let named: Vec<&(&str, WorkloadKind)> =
        KINDS.iter().filter(|(field, _)| scale.raw(field).is_some()).collect();
    let [(field, kind)] = named.as_slice() else {
        let message = "expected exactly one of deployment, replicaSet, statefulSet";
        return Err(FieldError::here(message));
    };
    let (namespace, name) = scale.required(field, |value| {
        let text = fields::text(value)?;
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                Ok((namespace.to_owned(), name.to_owned()))
            }
            _ => Err(fields::expected("namespace/name", value)),
        }
    })?;
    let replicas = scale.required("replicas", fields::count)?;
    Ok(ScenarioAction::Scale { kind: *kind, namespace, name, replicas })
}

fn read_delete(delete: Fields<'_>) -> Read<ScenarioAction> {
    delete.only(&["apiVersion", "kind", "name", "namespace"])?;
    let kind = delete.required("kind", fields::name)?;
    let mut namespace = delete.or_default("namespace", fields::text)?;
    if CLUSTER_KINDS.contains(&kind.as_str()) {
        namespace.clear();
    } else if namespace.is_empty() {
        DEFAULT_NAMESPACE.clone_into(&mut namespace);
    }
    Ok(ScenarioAction::Delete { kind, namespace, name: delete.required("name", fields::name)? })
}

fn read_fault(fault: Fields<'_>) -> Read<Fault> {
    fault.only(&[
        "stockOut",
        "lazyNodes",
        "launchFailure",
        "neverRegister",
        "spotReclaim",
        "providerDown",
        "slowRegistration",
    ])?;
    let names: Vec<&str> = fault.names().collect();
    let [kind] = names.as_slice() else {
        return Err(FieldError::here("expected exactly one fault"));
    };
    fault.required(kind, |value| read_fault_of(kind, Fields::of(value)?))
}

/// Reads the fault that goes by this name.
fn read_fault_of(kind: &str, fields: Fields<'_>) -> Read<Fault> {
    let group = || fields.required("group", fields::name);
    let lasts = || fields.required("for", fields::duration);
    let nodes = || fields.required("nodes", fields::count);
    match kind {
        "stockOut" => {
            fields.only(&["group", "for"])?;
            Ok(Fault::StockOut { group: group()?, lasts: lasts()? })
        }
        "lazyNodes" => {
            fields.only(&["group", "for"])?;
            Ok(Fault::LazyNodes { group: group()?, lasts: lasts()? })
        }
        "launchFailure" => {
            fields.only(&["group", "for", "count"])?;
            Ok(Fault::LaunchFailure { group: group()?, extent: read_extent(fields)? })
        }
        "neverRegister" => {
            fields.only(&["group", "nodes"])?;
            Ok(Fault::NeverRegister { group: group()?, nodes: nodes()? })
        }
        "spotReclaim" => {
            fields.only(&["group", "nodes"])?;
            Ok(Fault::SpotReclaim { group: group()?, nodes: nodes()? })
        }
        "providerDown" => {
            fields.only(&["for"])?;
            Ok(Fault::ProviderDown { lasts: lasts()? })
        }
        _ => {
            fields.only(&["group", "by", "for"])?;
            let by = fields.required("by", fields::duration)?;
            Ok(Fault::SlowRegistration { group: group()?, by, lasts: lasts()? })
        }
    }
}

fn read_extent(fields: Fields<'_>) -> Read<FaultExtent> {
    let lasts = fields.optional("for", fields::duration)?;
    let count = fields.optional("count", fields::count)?;
    match (lasts, count) {
        (Some(lasts), None) => Ok(FaultExtent::Lasting(lasts)),
        (None, Some(count)) => Ok(FaultExtent::Next(count)),
        _ => Err(FieldError::here("expected exactly one of for and count")),
    }
}
