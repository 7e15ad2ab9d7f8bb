//! Kubernetes objects as `kubectl get -o json` prints them, for traces that hold only numbers.

use plimsoll_core::SimTime;
use serde_json::{Map, Value, json};

use super::ImportError;
use super::timeline::{Stage, Step};
use crate::{ObjectKey, Writer};

/// What tells the containers of a trace's pods apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resources {
    /// Name and quantity of what is asked for.
    pub(crate) requests: Vec<(String, String)>,
    /// Name and quantity of what may be used at most.
    pub(crate) limits: Vec<(String, String)>,
}

/// Writes one step in the life of a pod. `pod` holds what it shares with others, and is changed in
/// place: a deep copy for each of a hundred thousand rows would be most of the work.
pub(crate) fn write(
    writer: &mut Writer,
    pod: &mut Value,
    namespace: &str,
    name: &str,
    created_at: SimTime,
    step: Step,
) -> Result<(), ImportError> {
    let uid = uid("Pod", namespace, name);
    if step.stage == Stage::Deleted {
        let key = ObjectKey {
            kind: "Pod".into(),
            api_version: "v1".into(),
            namespace: namespace.into(),
            name: name.to_owned(),
            uid,
            created_at: None,
        };
        writer.delete(step.at, step.at, &key)?;
        return Ok(());
    }
    let metadata = &mut pod["metadata"];
    metadata["namespace"] = json!(namespace);
    metadata["name"] = json!(name);
    metadata["uid"] = json!(uid);
    metadata["creationTimestamp"] = json!(created_at.to_string());
    pod["status"] = match step.stage {
        Stage::Created => pending_status(),
        _ => running_status(step.at),
    };
    writer.put(step.at, step.at, pod)?;
    Ok(())
}

/// The image of every pod of a trace; traces do not say what ran.
const IMAGE: &str = "trace.invalid/workload:recorded";

/// A pod's spec with the defaults that the API server fills in.
pub(crate) fn pod_spec(resources: &Resources, restart_policy: &str) -> Value {
    let quantities = |list: &[(String, String)]| -> Map<String, Value> {
        list.iter().map(|(name, quantity)| (name.clone(), json!(quantity))).collect()
    };
    let mut of_container = json!({"requests": quantities(&resources.requests)});
    if !resources.limits.is_empty() {
        of_container["limits"] = Value::Object(quantities(&resources.limits));
    }
    let unready = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
    json!({
        "containers": [{
            "name": "main",
            "image": IMAGE,
            "imagePullPolicy": "IfNotPresent",
            "resources": of_container,
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        }],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": true,
        "preemptionPolicy": "PreemptLowerPriority",
        "priority": 0,
        "restartPolicy": restart_policy,
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "serviceAccount": "default",
        "serviceAccountName": "default",
        "terminationGracePeriodSeconds": 30,
        "tolerations": [
            unready("node.kubernetes.io/not-ready"),
            unready("node.kubernetes.io/unreachable"),
        ],
    })
}

/// The status of a pod that no scheduler has looked at yet.
pub(crate) fn pending_status() -> Value {
    json!({"phase": "Pending"})
}

/// The status of a pod that was bound at `time` and runs since.
pub(crate) fn running_status(time: SimTime) -> Value {
    let time = time.to_string();
    json!({
        "phase": "Running",
        "startTime": time,
        "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": time}],
    })
}

/// A reference to the controller of an object.
pub(crate) fn owner_reference(api_version: &str, kind: &str, name: &str, uid: &str) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind, "name": name, "uid": uid,
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// The metadata of an object that the import makes: its uid follows from its name, so that the same
/// trace always gives the same history.
pub(crate) fn metadata(kind: &str, namespace: &str, name: &str, created_at: SimTime) -> Value {
    let mut metadata = json!({
        "name": name,
        "uid": uid(kind, namespace, name),
        "creationTimestamp": created_at.to_string(),
    });
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
    }
    metadata
}

/// The uid of an object that the import makes.
pub(crate) fn uid(kind: &str, namespace: &str, name: &str) -> String {
    let kind = kind.to_lowercase();
    if namespace.is_empty() {
        format!("{kind}-{name}")
    } else {
        format!("{kind}-{namespace}-{name}")
    }
}

/// A namespace.
pub(crate) fn namespace(name: &str, created_at: SimTime) -> Value {
    let mut metadata = metadata("Namespace", "", name, created_at);
    metadata["labels"] = json!({"kubernetes.io/metadata.name": name});
    json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": metadata,
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
    })
}

/// `cores` as a quantity: `12`, `500m`.
pub(crate) fn cpu_quantity(cores: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "at most 10^18, see MAX_DECIMAL")]
    let milli = (cores * 1000.0).round() as i64;
    milli_cpu_quantity(milli)
}

/// Thousandths of a core as a quantity: `12`, `500m`.
pub(crate) fn milli_cpu_quantity(milli: i64) -> String {
    if milli % 1000 == 0 { (milli / 1000).to_string() } else { format!("{milli}m") }
}

/// GiB as a quantity, in the largest binary unit in which it is a whole number.
pub(crate) fn gib_quantity(gib: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a float to integer cast saturates")]
    let bytes = (gib * 1_073_741_824.0).round() as i64;
    for (shift, suffix) in [(30, "Gi"), (20, "Mi"), (10, "Ki")] {
        if bytes % (1 << shift) == 0 {
            return format!("{}{suffix}", bytes >> shift);
        }
    }
    bytes.to_string()
}
