//! Pods, and the pod templates of controllers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::defaulting::{PREFERRED_TERMS, REQUIRED_TERMS};
use super::devices;
use super::error::FieldError;
use super::fields::{self, Fields, Read};
use super::images;
use super::invalid::{duplicate, forbidden, missing};
use super::label_syntax;
use super::metadata::{Metadata, Scope};
use super::pod_affinity;
use super::pod_digest;
use super::pod_features;
use super::pod_requests::{self, PodResources, Resizes};
use super::priority::PriorityClasses;
use super::selectors::{self, NodeValues};
use super::topology;
use super::volumes;
use crate::labels::{Labels, NodeSelectorTerm};
use crate::pod::{HostPort, PodObject, PodPhase, PodSpec, RestartPolicy};
use crate::storage::PodVolumes;
use crate::time::SimDuration;

/// Prefixes of the annotations that decisions look at.
const KEPT_ANNOTATIONS: [&str; 3] =
    ["cluster-autoscaler.kubernetes.io/", "autoscaling.x-k8s.io/", "plimsoll.dev/"];
/// How long a pod runs once bound.
const RUN_FOR_ANNOTATION: &str = "plimsoll.dev/run-for";
/// The kubelet puts it on its picture of a static pod.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";
/// `spec.restartPolicy`.
const RESTART_POLICIES: [(&str, RestartPolicy); 3] = [
    ("Always", RestartPolicy::Always),
    ("OnFailure", RestartPolicy::OnFailure),
    ("Never", RestartPolicy::Never),
];
/// `status.phase`. A pod whose node is out of reach is `Unknown`; it still holds its place.
const PHASES: [(&str, PodPhase); 5] = [
    ("Pending", PodPhase::Pending),
    ("Running", PodPhase::Running),
    ("Unknown", PodPhase::Running),
    ("Succeeded", PodPhase::Succeeded),
    ("Failed", PodPhase::Failed),
];

/// Reads a v1 Pod.
pub(super) fn read(object: Fields<'_>, classes: &PriorityClasses) -> Read<PodObject> {
    let metadata = Metadata::read(object, Scope::Namespaced)?;
    let node_name = object
        .inside("spec", |spec| spec.or_default("nodeName", fields::text))?
        .filter(|name| !name.is_empty());
    // The status counts on a node only: a resize may be under way.
    let resizes = match node_name {
        Some(_) => object.inside("status", Resizes::read)?.unwrap_or_default(),
        None => Resizes::default(),
    };
    let spec = object.required("spec", |value| {
        let fields = Fields::of(value)?;
        let resources = PodResources::read(fields, &resizes)?;
        read_spec(fields, &metadata, &resources, classes)
    })?;
    if node_name.is_some() && !spec.scheduling_gates.is_empty() {
        let why = "cannot be set until all schedulingGates have been cleared";
        return Err(forbidden(why).within("nodeName").within("spec"));
    }
    let run_for = read_run_for(&metadata).map_err(|error| error.within("metadata"))?;
    let volumes = spec.volumes.owned_by(&metadata.name, &metadata.uid);
    let mut spec = PodSpec { run_for, volumes, ..spec };
    object.inside("status", |status| devices::resolve_templates(status, &mut spec))?;
    let mut pod = PodObject {
        name: metadata.name,
        uid: metadata.uid,
        created_at: metadata.created_at,
        spec,
        node_name,
        controller: metadata.controller,
        deletion_at: metadata.deletion_at,
        ..PodObject::default()
    };
    object.inside("status", |status| read_status(status, &mut pod))?;
    Ok(pod)
}

/// Reads a `v1.PodTemplateSpec` of a controller in `namespace`.
pub(super) fn read_template(
    template: Fields<'_>,
    namespace: &str,
    classes: &PriorityClasses,
) -> Read<PodSpec> {
    let mut metadata = Metadata::read_of_template(template)?;
    namespace.clone_into(&mut metadata.namespace);
    let spec = template.required("spec", |value| {
        let fields = Fields::of(value)?;
        read_spec(fields, &metadata, &PodResources::read(fields, &Resizes::default())?, classes)
    })?;
    let run_for = read_run_for(&metadata).map_err(|error| error.within("metadata"))?;
    Ok(PodSpec { run_for, ..spec })
}

fn read_spec(
    spec: Fields<'_>,
    metadata: &Metadata,
    resources: &PodResources,
    classes: &PriorityClasses,
) -> Read<PodSpec> {
    spec.required("containers", |value| match value.as_array() {
        Some(list) if !list.is_empty() => Ok(()),
        _ => Err(fields::expected("a list of at least one container", value)),
    })?;
    // Read for its errors: the defaults of host ports depend on it.
    spec.or_default("hostNetwork", fields::flag)?;
    let (scoring_cpu_milli, scoring_memory_bytes) = resources.scoring_requests();
    let standing = classes.standing(spec)?;
    let (required_node_terms, preferred_node_terms) = read_node_affinity(spec)?;
    let volumes = spec.items("volumes", volumes::volume)?;
    Ok(PodSpec {
        namespace: metadata.namespace.clone(),
        labels: metadata.labels.clone(),
        requests: resources.requests(),
        first_container_requests: resources.first_container_requests(),
        scoring_cpu_milli,
        scoring_memory_bytes,
        placed_scoring: resources.placed_scoring_requests(),
        node_selector: spec.or_default("nodeSelector", selectors::exact_labels)?,
        required_node_terms,
        preferred_node_terms,
        tolerations: spec.items("tolerations", selectors::toleration)?,
        host_ports: read_host_ports(spec)?,
        priority: standing.priority,
        is_priority_unset: standing.is_unset,
        preempts: standing.preempts,
        scheduler_name: spec.required("schedulerName", fields::name)?,
        scheduling_gates: read_gates(spec)?,
        restart_policy: spec
            .required("restartPolicy", |value| fields::word(value, &RESTART_POLICIES))?,
        termination_grace: SimDuration::from_secs(
            spec.required("terminationGracePeriodSeconds", fields::count)?.into(),
        ),
        annotations: kept_annotations(metadata),
        local_volumes: volumes.iter().filter(|one| one.local).map(|one| one.name.clone()).collect(),
        volumes: PodVolumes {
            volumes: volumes.into_iter().filter_map(|one| one.tie).collect(),
            owner: None,
        },
        is_mirror: metadata.annotations.contains_key(MIRROR_ANNOTATION),
        run_for: None,
        pod_affinity: pod_affinity::read(spec, &metadata.namespace)?,
        images: images::of_pod(spec)?,
        image_container_count: images::container_count(spec)?,
        required_node_features: pod_features::required(spec)?,
        topology_spread: topology::spread_constraints(spec)?,
        resource_claims: devices::read_pod_claims(spec, metadata)?,
        extended_resource_requests: resources.extended_resource_requests(),
        unjudged_features: Vec::new(),
        digest: pod_digest::of_spec(spec),
    })
}

fn kept_annotations(metadata: &Metadata) -> Labels {
    metadata
        .annotations
        .iter()
        .filter(|(key, _)| KEPT_ANNOTATIONS.iter().any(|prefix| key.starts_with(prefix)))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn read_run_for(metadata: &Metadata) -> Read<Option<SimDuration>> {
    let Some(text) = metadata.annotations.get(RUN_FOR_ANNOTATION) else { return Ok(None) };
    fields::duration(&Value::String(text.clone()))
        .map(Some)
        .map_err(|error| error.within(RUN_FOR_ANNOTATION).within("annotations"))
}

/// Required terms (if there is such a rule), and preferred terms with their weights.
type NodeAffinity = (Option<Vec<NodeSelectorTerm>>, Vec<(i64, NodeSelectorTerm)>);

fn read_node_affinity(spec: Fields<'_>) -> Read<NodeAffinity> {
    let affinity = spec.inside("affinity", |affinity| {
        affinity.inside("nodeAffinity", |rules| {
            let required = rules.inside(REQUIRED_TERMS, read_required_node_terms)?;
            let preferred = rules.items(PREFERRED_TERMS, |value| {
                let fields = Fields::of(value)?;
                let weight = pod_affinity::read_weight(fields)?;
                let term = fields
                    .optional("preference", |value| {
                        selectors::node_selector_term(value, NodeValues::Anything)
                    })?
                    .unwrap_or_default();
                Ok((weight, term))
            })?;
            Ok((required, preferred))
        })
    })?;
    Ok(affinity.flatten().unwrap_or_default())
}

fn read_required_node_terms(selector: Fields<'_>) -> Read<Vec<NodeSelectorTerm>> {
    const FIELD: &str = "nodeSelectorTerms";
    let terms =
        selector.items(FIELD, |value| selectors::node_selector_term(value, NodeValues::Labels))?;
    if terms.is_empty() {
        return Err(missing("must have at least one node selector term").within(FIELD));
    }
    Ok(terms)
}

/// The gates that keep a pod from being scheduled, each once.
fn read_gates(spec: Fields<'_>) -> Read<Vec<String>> {
    const FIELD: &str = "schedulingGates";
    let gates = spec.items(FIELD, |gate| {
        let name = Fields::of(gate)?.or_default("name", fields::text)?;
        label_syntax::check_key(&name)?;
        Ok(name)
    })?;
    for (index, name) in gates.iter().enumerate() {
        if gates[..index].contains(name) {
            return Err(duplicate(name.as_str(), "").within_item(index).within(FIELD));
        }
    }
    Ok(gates)
}

/// Host ports of containers and sidecars; those of plain init containers are free again before the
/// others start, and the scheduler leaves them out.
fn read_host_ports(spec: Fields<'_>) -> Read<Vec<HostPort>> {
    // All containers share the node's ports; init containers run one by one, each on its own.
    let mut taken = BTreeSet::new();
    let mut ports = spec.items("containers", |value| read_ports(value, &mut taken))?;
    ports.extend(spec.items("initContainers", |value| {
        let goes_on = pod_requests::is_sidecar(Fields::of(value)?)?;
        let ports = read_ports(value, &mut BTreeSet::new())?;
        Ok(if goes_on { ports } else { Vec::new() })
    })?);
    Ok(ports.into_iter().flatten().collect())
}

/// The host ports of a container, none of which is `taken` already.
fn read_ports(container: &Value, taken: &mut BTreeSet<String>) -> Read<Vec<HostPort>> {
    /// An address of the node that is left out means all of them.
    const EVERY_ADDRESS: &str = "0.0.0.0";
    /// What a port can speak.
    const PROTOCOLS: [(&str, &str); 3] = [("TCP", "TCP"), ("UDP", "UDP"), ("SCTP", "SCTP")];
    let ports = Fields::of(container)?.items("ports", |value| {
        let fields = Fields::of(value)?;
        let port = fields.or_default("hostPort", |number| {
            u16::try_from(fields::whole(number)?)
                .map_err(|_| fields::expected("a port from 1 to 65535", number))
        })?;
        let ip = fields.or_default("hostIP", fields::text)?;
        let protocol = fields.required("protocol", |one| fields::word(one, &PROTOCOLS))?;
        // Compared as written: an address that is left out is not found to be every address.
        let shown = format!("{protocol}/{ip}/{port}");
        if port != 0 && !taken.insert(shown.clone()) {
            return Err(duplicate(shown, "").within("hostPort"));
        }
        Ok(HostPort {
            ip: if ip.is_empty() { EVERY_ADDRESS.to_owned() } else { ip },
            protocol: protocol.to_owned(),
            port,
        })
    })?;
    Ok(ports.into_iter().filter(|port| port.port != 0).collect())
}

/// Adds a feature that the controller gives its pods.
pub(super) fn mark_unjudged(pods: &mut PodSpec, feature: &str) {
    if !pods.unjudged_features.iter().any(|one| one == feature) {
        pods.unjudged_features.push(feature.to_owned());
        pods.unjudged_features.sort_unstable();
    }
}

fn read_status(status: Fields<'_>, pod: &mut PodObject) -> Read<()> {
    pod.phase = status.or_default("phase", |value| match value.as_str() {
        Some("") => Ok(PodPhase::Pending),
        _ => fields::word(value, &PHASES),
    })?;
    pod.started_at = status.optional("startTime", fields::time)?;
    pod.nominated_node_name =
        status.optional("nominatedNodeName", fields::text)?.filter(|name| !name.is_empty());
    status.items("conditions", |value| {
        let condition = Fields::of(value)?;
        let kind = condition.required("type", fields::text)?;
        if kind == "DisruptionTarget" {
            let status = condition.or_default("status", fields::text)?;
            let reason = condition.or_default("reason", fields::text)?;
            pod.is_preempted = status == "True" && reason == "PreemptionByScheduler";
        }
        if kind == "PodScheduled" {
            let status = condition.or_default("status", fields::text)?;
            let reason = condition.or_default("reason", fields::text)?;
            pod.marked_unschedulable = status == "False" && reason == "Unschedulable";
            pod.scheduled_condition_at = condition.optional("lastTransitionTime", fields::time)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// A field error for a restart policy that a controller cannot have.
pub(super) fn refuse_restart_policy(policy: RestartPolicy, allowed: &[RestartPolicy]) -> Read<()> {
    if allowed.contains(&policy) {
        return Ok(());
    }
    let words = |wanted: &[RestartPolicy]| {
        let names: Vec<&str> = RESTART_POLICIES
            .iter()
            .filter(|(_, one)| wanted.contains(one))
            .map(|(name, _)| *name)
            .collect();
        names.join(" or ")
    };
    let message = format!("expected {}, found {}", words(allowed), words(&[policy]));
    Err(FieldError::here(message).within("restartPolicy").within("spec"))
}
