//! Filling in what the API server fills in when it takes an object.
//!
//! Values of an unexpected shape are left alone: the reader that follows says what is wrong.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/{core,apps,batch}/v1.SetDefaults_*`, and the strategies that
//! prepare pods for creation.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::label_keys::{self, KeyOwner};
use super::metadata::DEFAULT_NAMESPACE;
use super::pod_requests::{PodResources, Resizes};
use crate::namespace::NAMESPACE_NAME_LABEL;

/// Terms of pod (anti-)affinity that must hold.
pub(super) const REQUIRED_TERMS: &str = "requiredDuringSchedulingIgnoredDuringExecution";
/// Terms of pod (anti-)affinity with a weight.
pub(super) const PREFERRED_TERMS: &str = "preferredDuringSchedulingIgnoredDuringExecution";
/// The label by which a Job knows its pods.
pub(super) const JOB_NAME_LABEL: &str = "batch.kubernetes.io/job-name";
/// Its older name.
const LEGACY_JOB_NAME_LABEL: &str = "job-name";
/// Seconds between asking a pod to stop and killing it.
const TERMINATION_GRACE_SECONDS: i64 = 30;
/// The scheduler of pods that name none.
const DEFAULT_SCHEDULER: &str = "default-scheduler";
/// Resources of which a pod may ask for less than its limit, as a whole.
const OVERCOMMITTED_RESOURCES: [&str; 2] = ["cpu", "memory"];

/// Fills in what `document` leaves out: by its kind, for all kinds of which anything is read.
/// Applying it twice changes nothing more.
pub fn apply_defaults(document: &mut Value) {
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    let names = (text("apiVersion").to_owned(), text("kind").to_owned());
    match (names.0.as_str(), names.1.as_str()) {
        ("v1", "Pod") => {
            default_namespace(document);
            default_pod(document, true);
        }
        ("v1", "Node") => default_node(document),
        ("v1", "ReplicationController") => {
            default_namespace(document);
            default_replicas(document);
            default_replication_controller(document);
        }
        ("apps/v1", "Deployment" | "ReplicaSet" | "StatefulSet") => {
            default_namespace(document);
            default_replicas(document);
            default_template(document, true);
        }
        ("apps/v1", "DaemonSet") => {
            default_namespace(document);
            default_template(document, true);
        }
        ("batch/v1", "Job") => default_job(document),
        ("v1", "PodTemplate") => {
            default_namespace(document);
            if let Some(template) = document.pointer_mut("/template") {
                default_pod(template, true);
            }
        }
        ("policy/v1", "PodDisruptionBudget")
        | ("v1", "Service")
        | ("autoscaling.x-k8s.io/v1" | "autoscaling.x-k8s.io/v1beta1", "ProvisioningRequest")
        | ("autoscaling.x-k8s.io/v1alpha1" | "autoscaling.x-k8s.io/v1beta1", "CapacityBuffer")
        | ("resource.k8s.io/v1", "ResourceClaim" | "ResourceClaimTemplate") => {
            default_namespace(document);
        }
        ("v1", "Namespace") => label_namespace(document),
        ("v1", "PersistentVolume") => {
            if let Some(spec) = fields_at(document, "/spec") {
                default_volume_mode(spec);
                default_disk(spec);
            }
        }
        ("v1", "PersistentVolumeClaim") => {
            default_namespace(document);
            if let Some(spec) = fields_at(document, "/spec") {
                default_volume_mode(spec);
            }
        }
        ("storage.k8s.io/v1", "StorageClass") => {
            if let Some(class) = fields_at(document, "") {
                set_missing(class, "volumeBindingMode", json!("Immediate"));
            }
        }
        ("storage.k8s.io/v1", "CSIStorageCapacity") => default_namespace(document),
        (super::OWN_API_VERSION, "NodeGroup") => {
            if let Some(template) = document.pointer_mut("/spec/template") {
                default_node(template);
            }
        }
        (super::OWN_API_VERSION, "Scenario") => default_scenario(document),
        _ => {}
    }
}

fn fields_at<'a>(document: &'a mut Value, pointer: &str) -> Option<&'a mut Map<String, Value>> {
    document.pointer_mut(pointer).and_then(Value::as_object_mut)
}

/// The fields in `name`, made if they are missing; `None` when something else is there.
fn fields_made<'a>(
    fields: &'a mut Map<String, Value>,
    name: &str,
) -> Option<&'a mut Map<String, Value>> {
    set_missing(fields, name, json!({}));
    fields.get_mut(name).and_then(Value::as_object_mut)
}

/// Puts `value` where nothing (or null) is.
fn set_missing(fields: &mut Map<String, Value>, name: &str, value: Value) {
    if fields.get(name).is_none_or(Value::is_null) {
        fields.insert(name.to_owned(), value);
    }
}

/// Puts `value` where nothing, null or an empty text is.
fn set_empty(fields: &mut Map<String, Value>, name: &str, value: &str) {
    if fields.get(name).is_none_or(|one| one.is_null() || one.as_str() == Some("")) {
        fields.insert(name.to_owned(), Value::from(value));
    }
}

/// Calls `change` for the fields of every item of the list `name`.
fn each_item(
    fields: &mut Map<String, Value>,
    name: &str,
    mut change: impl FnMut(&mut Map<String, Value>),
) {
    if let Some(Value::Array(items)) = fields.get_mut(name) {
        items.iter_mut().filter_map(Value::as_object_mut).for_each(&mut change);
    }
}

fn default_namespace(document: &mut Value) {
    if let Some(metadata) = fields_at(document, "/metadata") {
        set_empty(metadata, "namespace", DEFAULT_NAMESPACE);
    }
}

/// A namespace carries its name as a label.
fn label_namespace(document: &mut Value) {
    let Some(metadata) = fields_at(document, "/metadata") else { return };
    let Some(name) = metadata.get("name").filter(|name| name.is_string()).cloned() else { return };
    if let Some(labels) = fields_made(metadata, "labels") {
        labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name);
    }
}

fn default_replicas(document: &mut Value) {
    if let Some(spec) = fields_at(document, "/spec") {
        set_missing(spec, "replicas", json!(1));
    }
}

fn default_template(document: &mut Value, always_restarts: bool) {
    if let Some(template) = document.pointer_mut("/spec/template") {
        default_pod(template, always_restarts);
    }
}

/// A ReplicationController without a selector takes its template's labels.
fn default_replication_controller(document: &mut Value) {
    default_template(document, true);
    let labels = document.pointer("/spec/template/metadata/labels").cloned();
    if let (Some(labels), Some(spec)) = (labels, fields_at(document, "/spec")) {
        set_missing(spec, "selector", labels);
    }
}

/// One pod that must succeed once, unless the Job says otherwise; its pods carry its name.
fn default_job(document: &mut Value) {
    default_namespace(document);
    let name = document.pointer("/metadata/name").cloned();
    if let Some(spec) = fields_at(document, "/spec") {
        let either = |one: &str| spec.get(one).is_some_and(|value| !value.is_null());
        if !either("completions") && !either("parallelism") {
            set_missing(spec, "completions", json!(1));
        }
        set_missing(spec, "parallelism", json!(1));
        let own_labels = spec.get("manualSelector").and_then(Value::as_bool) != Some(true);
        let template = spec.get_mut("template").and_then(Value::as_object_mut);
        if let (Some(name), true, Some(template)) = (name, own_labels, template) {
            label_template(template, &name);
        }
    }
    default_template(document, false);
}

fn label_template(template: &mut Map<String, Value>, job_name: &Value) {
    let labels =
        fields_made(template, "metadata").and_then(|metadata| fields_made(metadata, "labels"));
    if let Some(labels) = labels {
        set_missing(labels, JOB_NAME_LABEL, job_name.clone());
        set_missing(labels, LEGACY_JOB_NAME_LABEL, job_name.clone());
    }
}

/// Of a node that keeps nothing back, pods may use all.
fn default_node(document: &mut Value) {
    let Some(status) = fields_at(document, "/status") else { return };
    if let Some(capacity) = status.get("capacity").filter(|value| !value.is_null()).cloned() {
        set_missing(status, "allocatable", capacity);
    }
}

fn default_scenario(document: &mut Value) {
    if let Some(spec) = fields_at(document, "/spec") {
        each_item(spec, "events", |event| {
            if let Some(applied) = event.get_mut("apply") {
                apply_defaults(applied);
            }
        });
    }
}

/// Defaults of a pod or of a pod template.
fn default_pod(pod: &mut Value, always_restarts: bool) {
    let labels = pod.pointer("/metadata/labels").cloned().unwrap_or_default();
    // Only pods that an API server has taken have one: manifests and templates have not.
    let uid = pod.pointer("/metadata/uid").and_then(Value::as_str);
    let owner = KeyOwner { labels: &labels, is_stored: uid.is_some_and(|uid| !uid.is_empty()) };
    let Some(spec) = fields_at(pod, "/spec") else { return };
    if always_restarts {
        set_empty(spec, "restartPolicy", "Always");
    }
    set_missing(spec, "terminationGracePeriodSeconds", json!(TERMINATION_GRACE_SECONDS));
    set_empty(spec, "schedulerName", DEFAULT_SCHEDULER);
    let on_host_network = spec.get("hostNetwork").and_then(Value::as_bool) == Some(true);
    for list in ["containers", "initContainers"] {
        each_item(spec, list, |container| default_container(container, on_host_network));
    }
    each_item(spec, "volumes", default_volume);
    each_item(spec, "tolerations", |toleration| set_empty(toleration, "operator", "Equal"));
    each_item(spec, "topologySpreadConstraints", |one| default_spread_constraint(one, owner));
    default_pod_affinity(spec, owner);
    default_pod_level_requests(spec);
}

fn default_container(container: &mut Map<String, Value>, on_host_network: bool) {
    each_item(container, "ports", |port| {
        set_empty(port, "protocol", "TCP");
        let container_port = port.get("containerPort").cloned();
        let host_port = port.get("hostPort").and_then(Value::as_i64).unwrap_or_default();
        if let (true, 0, Some(number)) = (on_host_network, host_port, container_port) {
            port.insert("hostPort".to_owned(), number);
        }
    });
    let resources = container.get_mut("resources").and_then(Value::as_object_mut);
    let Some(resources) = resources else { return };
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else { return };
    if let Some(requests) = fields_made(resources, "requests") {
        for (name, limit) in limits {
            set_missing(requests, &name, limit);
        }
    }
}

/// What is claimed is a directory, unless it is said to be a device.
fn default_volume_mode(spec: &mut Map<String, Value>) {
    set_missing(spec, "volumeMode", json!("Filesystem"));
}

/// What the API fills into the disks of old plugins, as far as anybody reads it.
fn default_disk(source: &mut Map<String, Value>) {
    if let Some(disk) = source.get_mut("rbd").and_then(Value::as_object_mut) {
        set_empty(disk, "pool", "rbd");
    }
    if let Some(disk) = source.get_mut("azureDisk").and_then(Value::as_object_mut) {
        set_missing(disk, "kind", json!("Shared"));
    }
}

/// A volume that names no source is an emptyDir.
fn default_volume(volume: &mut Map<String, Value>) {
    let has_source = volume.iter().any(|(field, source)| field != "name" && !source.is_null());
    if !has_source {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    default_disk(volume);
    let template =
        volume.get_mut("ephemeral").and_then(|one| one.pointer_mut("/volumeClaimTemplate/spec"));
    if let Some(spec) = template.and_then(Value::as_object_mut) {
        default_volume_mode(spec);
    }
}

fn default_spread_constraint(constraint: &mut Map<String, Value>, owner: KeyOwner<'_>) {
    set_missing(constraint, "nodeAffinityPolicy", json!("Honor"));
    set_missing(constraint, "nodeTaintsPolicy", json!("Ignore"));
    label_keys::merge_into_constraint(constraint, owner);
}

/// Merges the keys of pod affinity terms.
fn default_pod_affinity(spec: &mut Map<String, Value>, owner: KeyOwner<'_>) {
    let Some(Value::Object(affinity)) = spec.get_mut("affinity") else { return };
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(Value::Object(rules)) = affinity.get_mut(kind) else { continue };
        each_item(rules, REQUIRED_TERMS, |term| label_keys::merge_into_term(term, owner));
        each_item(rules, PREFERRED_TERMS, |weighted| {
            if let Some(Value::Object(term)) = weighted.get_mut("podAffinityTerm") {
                label_keys::merge_into_term(term, owner);
            }
        });
    }
}

/// Where a pod has limits as a whole, what it does not request as a whole is what its containers
/// request, or else the limit.
fn default_pod_level_requests(spec: &mut Map<String, Value>) {
    let limits = spec.get("resources").and_then(|resources| resources.get("limits"));
    let Some(Value::Object(limits)) = limits.cloned() else { return };
    if limits.is_empty() {
        return;
    }
    let containers_only = json!({
        "containers": spec.get("containers"),
        "initContainers": spec.get("initContainers"),
    });
    let read = Fields::of(&containers_only)
        .and_then(|fields| PodResources::read(fields, &Resizes::default()));
    let Ok(asked) = read.map(|resources| resources.exact_requests()) else { return };
    let resources = spec.get_mut("resources").and_then(Value::as_object_mut);
    let Some(requests) = resources.and_then(|one| fields_made(one, "requests")) else { return };
    for (name, amount) in asked {
        if OVERCOMMITTED_RESOURCES.contains(&name.as_str()) {
            set_missing(requests, &name, json!(amount.to_string()));
        }
    }
    for (name, limit) in limits {
        set_missing(requests, &name, limit);
    }
}
