//! Kubernetes objects from the records of gardener scaling-history.

use plimsoll_core::{SimDuration, SimTime};
use serde_json::{Map, Value, json};

use super::ImportError;
use super::gardener::annotate;
use super::gardener_scenario::{EventRecord, NodeRecord, PodRecord, Scenario, belongs};
use super::groups::{NODE_GROUP_LABEL, PLIMSOLL_API_VERSION};

/// A node group: in Gardener the machine deployment of one worker pool in one zone.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) pool: String,
    pub(crate) zone: String,
    pub(crate) instance_type: String,
    pub(crate) min_size: u64,
    pub(crate) max_size: u64,
    /// The target size before the first scale-up.
    pub(crate) size_at_start: u64,
    pub(crate) created_at: Option<SimTime>,
    /// A recorded node of the group.
    pub(crate) example: Value,
    /// The group as recorded.
    pub(crate) record: Value,
}

/// The label that names the host; it differs between nodes of one group.
const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";

/// Taints that come and go with the state of one node, by the beginnings of their keys.
const PASSING_TAINTS: [&str; 4] = [
    "node.kubernetes.io/",
    "node.cloudprovider.kubernetes.io/",
    "ToBeDeletedByClusterAutoscaler",
    "DeletionCandidateOfClusterAutoscaler",
];

/// The settings of the recorded autoscaler under upstream's flag names, and the price list of the
/// priority expander where there is one.
pub(crate) fn settings(scenario: &Scenario, at: SimTime) -> Result<Vec<Value>, ImportError> {
    let empty = Map::new();
    let recorded = scenario.fields.get("CASettings").and_then(Value::as_object).unwrap_or(&empty);
    let mut settings = json!({
        "apiVersion": PLIMSOLL_API_VERSION, "kind": "AutoscalerSettings",
        "metadata": {"name": "default"}, "spec": {},
    });
    let mut objects = Vec::new();
    for (field, value) in recorded {
        let is_unset = matches!(value, Value::Null) || *value == json!(0) || *value == json!("");
        if is_unset || field == "Hash" || field == "SnapshotTimestamp" {
            continue;
        }
        let flag = match field.as_str() {
            "Expander" => "expander",
            "MaxNodesTotal" => "max-nodes-total",
            "ScanInterval" => "scan-interval",
            "MaxNodeProvisionTime" => "max-node-provision-time",
            "MaxGracefulTerminationSeconds" => "max-graceful-termination-sec",
            "NewPodScaleUpDelay" => "new-pod-scale-up-delay",
            "IgnoreDaemonSetUtilization" => "ignore-daemonsets-utilization",
            "Priorities" => {
                objects.push(priorities(value, at));
                continue;
            }
            _ => {
                annotate(&mut settings, &format!("recorded-{field}"), &plain(value));
                continue;
            }
        };
        let is_duration =
            matches!(flag, "scan-interval" | "max-node-provision-time" | "new-pod-scale-up-delay");
        settings["spec"][flag] = match value.as_i64() {
            // Go writes durations into JSON as nanoseconds.
            Some(nanos) if is_duration => json!(SimDuration(nanos / 1_000_000).to_string()),
            _ => value.clone(),
        };
    }
    objects.insert(0, settings);
    Ok(objects)
}

/// A value as it is put into an annotation.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn priorities(text: &Value, at: SimTime) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "cluster-autoscaler-priority-expander", "namespace": "kube-system",
            "creationTimestamp": at.to_string(),
        },
        "data": {"priorities": text},
    })
}

/// The worker pool of a group, with its own fields.
pub(crate) fn worker_pool(group: &Group) -> Value {
    let record = &group.record;
    let zones: Vec<&str> =
        record.get("PoolZones").and_then(Value::as_str).unwrap_or("").split_whitespace().collect();
    json!({
        "apiVersion": PLIMSOLL_API_VERSION, "kind": "WorkerPool",
        "metadata": {"name": group.pool},
        "spec": {
            "machineType": group.instance_type,
            "architecture": record["Architecture"],
            "minimum": record["PoolMin"],
            "maximum": record["PoolMax"],
            "zones": zones,
            "shootGeneration": record["ShootGeneration"],
        },
    })
}

/// The two objects that know a group's size: its machine deployment, and the node group itself.
pub(crate) fn sized(group: &Group, start: SimTime, target_size: u64) -> [Value; 2] {
    let mut metadata = json!({"name": group.name});
    if let Some(created_at) = group.created_at {
        if created_at <= start {
            metadata["creationTimestamp"] = json!(created_at.to_string());
        } else {
            let annotation = "plimsoll.dev/recorded-CreationTimestamp";
            metadata["annotations"] = json!({annotation: created_at.to_string()});
        }
    }
    let mut deployment_metadata = metadata.clone();
    deployment_metadata["generation"] = group.record["MCDGeneration"].clone();
    let machine_deployment = json!({
        "apiVersion": "machine.sapcloud.io/v1alpha1", "kind": "MachineDeployment",
        "metadata": deployment_metadata,
        "spec": {
            "replicas": target_size,
            "poolName": group.pool,
            "zone": group.zone,
            "machineType": group.instance_type,
        },
    });
    let node_group = json!({
        "apiVersion": PLIMSOLL_API_VERSION, "kind": "NodeGroup",
        "metadata": metadata,
        "spec": {
            "minSize": group.min_size,
            "maxSize": group.max_size,
            "instanceType": group.instance_type,
            "zone": group.zone,
            "template": template(group),
        },
        "status": {"targetSize": target_size},
    });
    [machine_deployment, node_group]
}

/// What a new node of the group will look like: a recorded one, without what is that node's own.
fn template(group: &Group) -> Value {
    let example = &group.example;
    let mut labels = example["Labels"].as_object().cloned().unwrap_or_default();
    labels.remove(HOSTNAME_LABEL);
    labels.insert(NODE_GROUP_LABEL.to_owned(), json!(group.name));
    let mut spec = json!({});
    let passes = |taint: &&Value| {
        let key = taint["key"].as_str().unwrap_or("");
        PASSING_TAINTS.iter().any(|beginning| key.starts_with(beginning))
    };
    let taints: Vec<&Value> = example["Taints"]
        .as_array()
        .map(|taints| taints.iter().filter(|taint| !passes(taint)).collect())
        .unwrap_or_default();
    if !taints.is_empty() {
        spec["taints"] = json!(taints);
    }
    json!({
        "metadata": {"labels": labels},
        "spec": spec,
        "status": {"capacity": example["Capacity"], "allocatable": example["Allocatable"]},
    })
}

/// A node, labelled with its group.
pub(crate) fn node(node: &NodeRecord, groups: &[Group]) -> Value {
    let record = &node.record;
    let mut labels = record["Labels"].as_object().cloned().unwrap_or_default();
    if let Some(group) = groups.iter().find(|group| belongs(record, &group.pool, &group.zone)) {
        labels.insert(NODE_GROUP_LABEL.to_owned(), json!(group.name));
    }
    let mut spec = json!({"providerID": record["ProviderID"]});
    if record["Taints"].as_array().is_some_and(|taints| !taints.is_empty()) {
        spec["taints"] = record["Taints"].clone();
    }
    let created_at = node.created_at.to_string();
    let mut object = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": node.name,
            "uid": format!("node-{}", node.name),
            "creationTimestamp": created_at,
            "labels": labels,
        },
        "spec": spec,
        "status": {
            "capacity": record["Capacity"],
            "allocatable": record["Allocatable"],
            // Only nodes that are ready were recorded.
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": created_at}],
        },
    });
    if let Some(volumes) = record.get("AllocatableVolumes").and_then(Value::as_i64) {
        annotate(&mut object, "recorded-AllocatableVolumes", &volumes.to_string());
    }
    object
}

/// A pod that no node was found for yet.
pub(crate) fn pending_pod(pod: &PodRecord) -> Value {
    let mut object = pod_object(pod);
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.remove("nodeName");
    }
    object["status"] = json!({
        "phase": "Pending",
        "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "lastTransitionTime": pod.created_at.to_string(),
        }],
    });
    if let Some(nominated) = nominated_node(pod) {
        object["status"]["nominatedNodeName"] = json!(nominated);
    }
    object
}

/// A pod that is bound to its node since `bound_at`.
pub(crate) fn bound_pod(pod: &PodRecord, bound_at: SimTime) -> Value {
    let mut object = pod_object(pod);
    object["spec"]["nodeName"] = json!(pod.node_name);
    object["status"] = super::pod::running_status(bound_at);
    object
}

fn nominated_node(pod: &PodRecord) -> Option<&str> {
    pod.record.get("NominatedNodeName")?.as_str().filter(|name| !name.is_empty())
}

fn pod_object(pod: &PodRecord) -> Value {
    let record = &pod.record;
    let mut metadata = json!({"name": pod.name, "creationTimestamp": pod.created_at.to_string()});
    for (field, recorded) in [("namespace", "Namespace"), ("uid", "UID"), ("labels", "Labels")] {
        if let Some(value) = record.get(recorded).filter(|value| !value.is_null()) {
            metadata[field] = value.clone();
        }
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": record["Spec"]})
}

/// A recorded event as a Kubernetes event about its pod.
pub(crate) fn event(event: &EventRecord) -> Value {
    let record = &event.record;
    let text = |field: &str| record.get(field).and_then(Value::as_str).unwrap_or("");
    let time = event.time.to_string();
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {
            "name": format!("{}.{}", text("InvolvedObjectName"), text("UID")),
            "namespace": text("InvolvedObjectNamespace"),
            "uid": text("UID"),
            "creationTimestamp": time,
        },
        "involvedObject": {
            "apiVersion": "v1",
            "kind": text("InvolvedObjectKind"),
            "name": text("InvolvedObjectName"),
            "namespace": text("InvolvedObjectNamespace"),
            "uid": text("InvolvedObjectUID"),
        },
        "type": "Normal",
        "reason": text("Reason"),
        "message": text("Message"),
        "count": 1,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "reportingComponent": text("ReportingController"),
        "source": {"component": text("ReportingController")},
    })
}
