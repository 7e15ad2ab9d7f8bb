//! The status as the ConfigMap that monitoring reads: `kube-system/cluster-autoscaler-status`.
//!
//! Source: `clusterstate/utils/status.go` and the tags of `clusterstate/api/types.go`, release 1.36.

use plimsoll_core::SimTime;

use super::conditions::{ClusterStatus, Condition, GroupConditions, NodeCounts, ScaleUpError};
use super::events::{AUTOSCALER_NAMESPACE, STATUS_CONFIG_MAP};
use super::go_text::{go_time, rfc3339_seconds};
use super::yaml::Yaml;

/// The annotation that says when the ConfigMap was written.
pub const LAST_UPDATED: &str = "cluster-autoscaler.kubernetes.io/last-updated";

/// The whole ConfigMap, as YAML.
#[must_use]
pub fn config_map_yaml(status: &ClusterStatus) -> String {
    let written_at = Yaml::Text(go_time(status.at));
    let metadata = Yaml::map([
        ("annotations", Yaml::map([(LAST_UPDATED, written_at)])),
        ("name", text(STATUS_CONFIG_MAP)),
        ("namespace", text(AUTOSCALER_NAMESPACE)),
    ]);
    Yaml::map([
        ("apiVersion", text("v1")),
        ("data", Yaml::map([("status", Yaml::Text(status_yaml(status)))])),
        ("kind", text("ConfigMap")),
        ("metadata", metadata),
    ])
    .document()
}

/// The ConfigMap's key `status`, which is YAML itself.
#[must_use]
pub fn status_yaml(status: &ClusterStatus) -> String {
    let cluster = &status.cluster;
    let running = if status.initializing.is_some() { "Initializing" } else { "Running" };
    let mut scale_down = condition(&cluster.scale_down);
    push_candidates(&mut scale_down, cluster.candidates);
    let mut health = condition(&cluster.health);
    push(&mut health, "nodeCounts", node_counts(&cluster.nodes));
    let cluster_wide = Yaml::map([
        ("health", health),
        ("scaleDown", scale_down),
        ("scaleUp", condition(&cluster.scale_up)),
    ]);
    let mut whole = Yaml::map([
        ("autoscalerStatus", text(running)),
        ("clusterWide", cluster_wide),
        ("time", Yaml::Text(go_time(status.at))),
    ]);
    if let Some(message) = status.initializing.as_ref().filter(|message| !message.is_empty()) {
        push(&mut whole, "message", Yaml::Text(message.clone()));
    }
    if !status.groups.is_empty() {
        push(&mut whole, "nodeGroups", Yaml::List(status.groups.iter().map(group).collect()));
    }
    whole.document()
}

fn group(group: &GroupConditions) -> Yaml {
    let mut health = condition(&group.health);
    push(&mut health, "nodeCounts", node_counts(&group.nodes));
    push(&mut health, "cloudProviderTarget", Yaml::Int(group.target));
    push(&mut health, "minSize", count(group.min_size));
    push(&mut health, "maxSize", count(group.max_size));
    let mut scale_up = condition(&group.scale_up);
    push(&mut scale_up, "backoffInfo", backoff_info(group.backoff.as_ref()));
    let mut scale_down = condition(&group.scale_down);
    push_candidates(&mut scale_down, group.candidates);
    let mut whole =
        Yaml::map([("health", health), ("scaleDown", scale_down), ("scaleUp", scale_up)]);
    if !group.name.is_empty() {
        push(&mut whole, "name", Yaml::Text(group.name.clone()));
    }
    whole
}

fn backoff_info(error: Option<&ScaleUpError>) -> Yaml {
    let mut info = Yaml::map([]);
    if let Some(error) = error {
        for (key, value) in
            [("errorCode", error.code.clone()), ("errorMessage", error.short_message())]
        {
            if !value.is_empty() {
                push(&mut info, key, Yaml::Text(value));
            }
        }
    }
    info
}

fn condition(condition: &Condition) -> Yaml {
    let time = |at: Option<SimTime>| at.map_or(Yaml::Null, |at| Yaml::Text(rfc3339_seconds(at)));
    let mut map = Yaml::map([
        ("lastProbeTime", time(condition.probed_at)),
        ("lastTransitionTime", time(condition.since)),
    ]);
    if let Some(word) = condition.word {
        push(&mut map, "status", text(word.as_str()));
    }
    map
}

/// Only the numbers of nodes being deleted and of candidates are left out at zero.
fn node_counts(nodes: &NodeCounts) -> Yaml {
    let unready = Yaml::map([
        ("resourceUnready", count(nodes.resource_unready)),
        ("total", count(nodes.unready)),
    ]);
    let mut registered = Yaml::map([
        ("notStarted", count(nodes.not_started)),
        ("ready", count(nodes.ready)),
        ("suspended", count(nodes.suspended)),
        ("total", count(nodes.registered)),
        ("unready", unready),
    ]);
    if nodes.being_deleted > 0 {
        push(&mut registered, "beingDeleted", count(nodes.being_deleted));
    }
    Yaml::map([
        ("longUnregistered", count(nodes.long_unregistered)),
        ("registered", registered),
        ("unregistered", count(nodes.unregistered)),
    ])
}

fn push_candidates(map: &mut Yaml, candidates: u32) {
    if candidates > 0 {
        push(map, "candidates", count(candidates));
    }
}

fn push(map: &mut Yaml, key: &'static str, value: Yaml) {
    if let Yaml::Map(map) = map {
        map.insert(key, value);
    }
}

fn text(text: &str) -> Yaml {
    Yaml::Text(text.to_owned())
}

fn count(count: u32) -> Yaml {
    Yaml::Int(i64::from(count))
}
