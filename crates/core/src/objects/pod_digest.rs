//! A digest of a pod's spec, by which Cluster Autoscaler tells pods of one controller apart.
//!
//! Source: `PodSpecSemanticallyEqual` in `utils/utils.go` of release 1.36, which compares everything
//! (images, arguments, volumes of any kind) but the node, the host name, environments, and projected
//! volumes with their mounts, whose names are drawn. What decisions rest on is kept in the open in
//! `PodSpec`; of the rest it only matters whether it is the same.

use std::hash::{Hash, Hasher};

use rustc_hash::FxHasher;
use serde_json::Value;

use super::fields::{self, Fields};

/// Fields of Kubernetes' types that are no pointers: an empty one is the same as none.
const MAPS: [&str; 9] = [
    "annotations",
    "labels",
    "limits",
    "matchLabels",
    "metadata",
    "nodeSelector",
    "overhead",
    "requests",
    "resources",
];
/// Fields whose values are quantities, which are equal however they are written.
const QUANTITIES: [&str; 3] = ["limits", "overhead", "requests"];

/// The account of a pod that names none.
const DEFAULT_SERVICE_ACCOUNT: &str = "default";

/// The digest of a `v1.PodSpec` with its defaults.
pub(super) fn of_spec(spec: Fields<'_>) -> u64 {
    let projected = projected_volumes(spec);
    let mut hasher = FxHasher::default();
    for name in spec.names() {
        let Some(value) = spec.raw(name) else { continue };
        let part = match name {
            "nodeName" | "hostname" => None,
            // The API server's admission fills these in, in pods but not in templates that pods are made
            // from here. Priorities are kept in the open.
            "priority" | "preemptionPolicy" => None,
            "serviceAccount" => None,
            "serviceAccountName" if value == DEFAULT_SERVICE_ACCOUNT => None,
            "enableServiceLinks" if value == true => None,
            "volumes" => of_items(value, |one| of_unless(is_projected(one), one)),
            "containers" | "initContainers" => {
                of_items(value, |one| Some(of_container(one, &projected)))
            }
            _ => of_value(name, value),
        };
        if let Some(part) = part {
            (name, part).hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn projected_volumes(spec: Fields<'_>) -> Vec<&str> {
    let volumes = spec.raw("volumes").and_then(Value::as_array);
    let projected = volumes.into_iter().flatten().filter(|one| is_projected(one));
    projected.filter_map(|one| one.get("name")?.as_str()).collect()
}

fn is_projected(volume: &Value) -> bool {
    volume.get("projected").is_some_and(|source| !source.is_null())
}

fn of_container(container: &Value, projected: &[&str]) -> u64 {
    let mut hasher = FxHasher::default();
    let is_dropped = |mount: &Value| {
        let name = mount.get("name").and_then(Value::as_str);
        name.is_some_and(|name| projected.contains(&name))
    };
    for (name, value) in container.as_object().into_iter().flatten() {
        let part = match name.as_str() {
            "env" => None,
            "volumeMounts" => of_items(value, |one| of_unless(is_dropped(one), one)),
            _ => of_value(name, value),
        };
        if let Some(part) = part {
            (name, part).hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn of_unless(is_dropped: bool, value: &Value) -> Option<u64> {
    if is_dropped { None } else { of_value("", value) }
}

/// Items in their order; `None` for none.
fn of_items(list: &Value, of_item: impl Fn(&Value) -> Option<u64>) -> Option<u64> {
    let parts: Vec<u64> = list.as_array()?.iter().filter_map(of_item).collect();
    (!parts.is_empty()).then(|| hashed(&parts))
}

/// The value of the field `name`; `None` where it is the same as a field that is left out.
fn of_value(name: &str, value: &Value) -> Option<u64> {
    match value {
        Value::Null => None,
        Value::Bool(flag) => Some(hashed(&("flag", flag))),
        Value::Number(_) if name == "sizeLimit" => Some(of_quantity(value)),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Some(hashed(&("number", number))),
            None => Some(hashed(&("number", number.to_string()))),
        },
        Value::String(text) if text.is_empty() => None,
        Value::String(_) if name == "sizeLimit" => Some(of_quantity(value)),
        Value::String(text) => Some(hashed(&("text", text))),
        Value::Array(_) => of_items(value, |one| Some(of_value("", one).unwrap_or_default())),
        Value::Object(fields) if fields.is_empty() && MAPS.contains(&name) => None,
        Value::Object(fields) => {
            let are_quantities = QUANTITIES.contains(&name);
            let mut hasher = FxHasher::default();
            for (name, value) in fields {
                let part =
                    if are_quantities { Some(of_quantity(value)) } else { of_value(name, value) };
                if let Some(part) = part {
                    (name, part).hash(&mut hasher);
                }
            }
            Some(hashed(&("fields", hasher.finish())))
        }
    }
}

fn of_quantity(value: &Value) -> u64 {
    match fields::quantity(value) {
        Ok(amount) => hashed(&("quantity", amount)),
        Err(_) => hashed(&("text", value.to_string())),
    }
}

fn hashed(value: &impl Hash) -> u64 {
    let mut hasher = FxHasher::default();
    value.hash(&mut hasher);
    hasher.finish()
}
