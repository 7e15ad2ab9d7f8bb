//! The controller of capacity buffers: from what a buffer asks for to how many chunks of which kind.
//!
//! Source: `capacitybuffer/translators` of release 1.36. Resource quotas of namespaces are not held
//! against buffers.

use std::collections::BTreeMap;

use plimsoll_core::capacity::{CapacityBufferObject, ScalableRef};
use plimsoll_core::condition::ConditionStatus;
use plimsoll_core::ids::PodId;
use plimsoll_core::quantity::Quantity;
use plimsoll_core::{Cluster, PodSpec, SimTime, Workload, WorkloadKey};

use super::{ACTIVE_CAPACITY, READY, Record, beside, no_template};
use crate::settings::Settings;

/// Buffers were cut to what quotas leave.
const LIMITED_BY_QUOTAS: &str = "LimitedByQuotas";
/// Kinds with a number of replicas: API group and kind, the resource's plural, and whether it is
/// scaled by itself.
const SCALABLE_KINDS: [(&str, &str, &str, bool); 5] = [
    ("apps", "Deployment", "deployments.apps", true),
    ("apps", "ReplicaSet", "replicasets.apps", true),
    ("apps", "StatefulSet", "statefulsets.apps", true),
    ("", "ReplicationController", "replicationcontrollers", true),
    ("batch", "Job", "jobs.batch", false),
];
/// Kinds whose template is known: API group and kind as upstream looks them up, and the word for one.
const TEMPLATE_KINDS: [(&str, &str, &str); 5] = [
    ("apps", "Deployment", "deployment.apps"),
    ("apps", "ReplicaSet", "replicaset.apps"),
    ("apps", "StatefulSet", "statefulset.apps"),
    ("core", "ReplicationController", "replicationcontroller"),
    ("batch", "Job", "job.batch"),
];
/// The longest name of an object.
const NAME_LENGTH_MAX: usize = 253;

/// Brings the status of one buffer up to date.
pub(super) fn reconcile(
    cluster: &Cluster,
    settings: &Settings,
    buffer: &CapacityBufferObject,
    record: &mut Record,
    now: SimTime,
) {
    let strategy = buffer.provisioning_strategy.as_str();
    if !(strategy.is_empty() || strategy == ACTIVE_CAPACITY) {
        return;
    }
    let translated = match (&buffer.pod_template, &buffer.scalable) {
        (Some(name), _) => {
            chunk_of_template(cluster, settings, buffer, name).map(|one| (one, None))
        }
        (None, Some(scalable)) => chunk_of_scalable(cluster, settings, buffer, scalable),
        (None, None) => return,
    };
    record.status.provisioning_strategy = Some(ACTIVE_CAPACITY.to_owned());
    record.status.pod_template = None;
    record.status.pod_template_generation = None;
    record.chunk = None;
    let chunk_and_count = translated.and_then(|(chunk, scalable_replicas)| {
        let count = chunk_count(buffer, &chunk, scalable_replicas);
        record.status.pod_template = Some(managed_name(&buffer.id.name));
        record.chunk = Some(chunk);
        count.map_err(|why| format!("couldn't get number of replicas for buffer: {why}"))
    });
    match chunk_and_count {
        Ok(count) => {
            record.status.replicas = Some(count);
            record.set(READY, ConditionStatus::True, "AttributesSetSuccessfully", "ready", now);
            if record.chunk.as_ref().is_some_and(|chunk| !chunk.requests.is_empty()) {
                let reason = "ResourceQuotasAllocated";
                record.set(LIMITED_BY_QUOTAS, ConditionStatus::False, reason, "", now);
            }
        }
        Err(why) => {
            record.status.replicas = None;
            let message = format!("Buffer not ready for provisioning: {why}");
            record.set(READY, ConditionStatus::False, "error", &message, now);
        }
    }
}

/// The name of the pod template that upstream's controller keeps for a buffer.
fn managed_name(buffer: &str) -> String {
    const AROUND: [&str; 2] = ["capacitybuffer-", "-pod-template"];
    let longest = NAME_LENGTH_MAX - AROUND[0].len() - AROUND[1].len();
    let cut = buffer.get(..longest).unwrap_or(buffer);
    format!("{}{cut}{}", AROUND[0], AROUND[1])
}

fn chunk_of_template(
    cluster: &Cluster,
    settings: &Settings,
    buffer: &CapacityBufferObject,
    name: &str,
) -> Result<PodSpec, String> {
    match cluster.capacity().template(&beside(&buffer.id, name)) {
        Some(template) => Ok(as_made(settings, &template.spec)),
        None => Err(no_template(name)),
    }
}

/// A pod as it would be made of a template: only the API server knows priority classes.
fn as_made(settings: &Settings, template: &PodSpec) -> PodSpec {
    let mut spec = template.clone();
    if !settings.capacity_buffer_pod_dry_run_enabled {
        spec.priority = 0;
        spec.is_priority_unset = true;
    }
    spec
}

/// Like the newest pod of the object, or else like its template, and how many it has, or wants.
fn chunk_of_scalable(
    cluster: &Cluster,
    settings: &Settings,
    buffer: &CapacityBufferObject,
    scalable: &ScalableRef,
) -> Result<(PodSpec, Option<u32>), String> {
    let live = live_pods(cluster, buffer, scalable);
    if let Ok((Some(newest), count)) = live {
        let spec = PodSpec::clone(cluster.shape(cluster.pod(newest).shape));
        return Ok((spec, Some(count)));
    }
    match template_of(cluster, buffer, scalable) {
        Ok((template, replicas)) => Ok((as_made(settings, &template), Some(replicas))),
        Err(why) => Err(match live {
            Err(live) => format!(
                "failed to resolve live pod: {live}, failed to resolve scalable object: {why}"
            ),
            Ok(_) => format!("failed to resolve scalable object: {why}"),
        }),
    }
}

fn find<'c>(
    cluster: &'c Cluster,
    buffer: &CapacityBufferObject,
    scalable: &ScalableRef,
) -> Option<&'c Workload> {
    let key = WorkloadKey {
        kind: scalable.kind.clone(),
        namespace: buffer.id.namespace.clone(),
        name: scalable.name.clone(),
    };
    let id = cluster.find_workload(&key)?;
    Some(cluster.workload(id)).filter(|one| one.exists)
}

/// The newest pod that the object selects, and how many stay.
fn live_pods(
    cluster: &Cluster,
    buffer: &CapacityBufferObject,
    scalable: &ScalableRef,
) -> Result<(Option<PodId>, u32), String> {
    let (group, kind, name) = (&scalable.api_group, &scalable.kind, &scalable.name);
    let known = SCALABLE_KINDS.iter().find(|one| one.0 == group && one.1 == kind);
    let Some((_, _, plural, has_scale)) = known else {
        let why = format!("no matches for kind {kind:?} in group {group:?}");
        return Err(format!("failed to get scale object: {why}"));
    };
    const NO_SCALE: &str = "failed to get scale object: failed to get scale sub resource";
    if !has_scale {
        return Err(format!("{NO_SCALE}: the server could not find the requested resource"));
    }
    let Some(workload) = find(cluster, buffer, scalable) else {
        return Err(format!("{NO_SCALE}: {plural} {name:?} not found"));
    };
    let Some(selector) = &workload.selector else { return Ok((None, 0)) };
    let mut selected: Vec<Option<bool>> = vec![None; cluster.catalog().shape_count()];
    let (mut newest, mut count) = (None, 0);
    for (id, pod) in cluster.pods() {
        let belongs = *selected[pod.shape.index()].get_or_insert_with(|| {
            let spec = cluster.shape(pod.shape);
            spec.namespace == buffer.id.namespace && selector.matches(&spec.labels)
        });
        if belongs {
            count += u32::from(pod.deletion_at.is_none());
            newest = newest.max(Some((pod.created_at, pod.serial, id)));
        }
    }
    Ok((newest.map(|(_, _, id)| id), count))
}

/// The object's template and how many pods it wants.
fn template_of(
    cluster: &Cluster,
    buffer: &CapacityBufferObject,
    scalable: &ScalableRef,
) -> Result<(PodSpec, u32), String> {
    let (group, kind, name) = (&scalable.api_group, &scalable.kind, &scalable.name);
    let known = TEMPLATE_KINDS.iter().find(|one| one.0 == group && one.1 == kind);
    let Some((_, _, word)) = known else {
        return Err(format!("kind {group}/{kind} is not supported to use pod template"));
    };
    let workload = find(cluster, buffer, scalable);
    match workload.and_then(|one| Some((one.shape?, one.replicas))) {
        Some((shape, replicas)) => Ok((PodSpec::clone(cluster.shape(shape)), replicas)),
        // Upstream says Deployment whatever it is.
        None => Err(format!(
            "failed to get Deployment: failed to get {kind}: {word} {name:?} not found"
        )),
    }
}

/// The least of what replicas, percentage and limits say.
fn chunk_count(
    buffer: &CapacityBufferObject,
    chunk: &PodSpec,
    scalable_replicas: Option<u32>,
) -> Result<u32, &'static str> {
    let of_percentage = buffer.percentage.zip(scalable_replicas).map(|(percentage, replicas)| {
        let chunks = u64::from(percentage) * u64::from(replicas) / 100;
        u32::try_from(chunks).unwrap_or(u32::MAX)
    });
    let of_limits = buffer.limits.as_ref().map(|limits| most_within(limits, chunk)).transpose()?;
    [buffer.replicas, of_percentage, of_limits]
        .into_iter()
        .flatten()
        .min()
        .ok_or("replicas, percentage and limits are not defined")
}

/// How many chunks ask for no more than the limits; a resource without a limit has none.
fn most_within(limits: &BTreeMap<String, Quantity>, chunk: &PodSpec) -> Result<u32, &'static str> {
    let counts = chunk.requests.iter().filter(|(_, amount)| **amount > 0).filter_map(
        |(resource, amount)| {
            let limit = i128::from(limits.get(resource)?.ceil_milli());
            let milli = i128::from(*amount) * if resource == "cpu" { 1 } else { 1000 };
            u32::try_from(limit / milli).ok()
        },
    );
    counts.min().ok_or("resources in configured limits not found in the pod template")
}
