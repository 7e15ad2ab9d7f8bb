//! Taints that mean something to Cluster Autoscaler.

use plimsoll_core::taints::Taint;

use crate::settings::Settings;

/// The taint of a node that is being deleted; its value is the Unix time in seconds.
pub const TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";
/// The soft taint of a node that may be deleted soon; its value is the Unix time in seconds.
pub const DELETION_CANDIDATE: &str = "DeletionCandidateOfClusterAutoscaler";

/// Prefixes of startup taints that upstream knows without being told.
const STARTUP_PREFIXES: [&str; 2] = [
    "startup-taint.cluster-autoscaler.kubernetes.io/",
    "ignore-taint.cluster-autoscaler.kubernetes.io/",
];
/// The prefix of status taints.
const STATUS_PREFIX: &str = "status-taint.cluster-autoscaler.kubernetes.io/";
/// Taints that mirror a node's conditions: a new node does not have them.
const CONDITION_TAINTS: [&str; 11] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/unschedulable",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/network-unavailable",
    "node.kubernetes.io/pid-pressure",
    "node.cloudprovider.kubernetes.io/uninitialized",
    "node.cloudprovider.kubernetes.io/shutdown",
    "cloud.google.com/impending-node-termination",
    "NodeWithImpairedVolumes",
];

/// Whether a node with this taint counts as not ready.
#[must_use]
pub fn is_not_ready_taint(key: &str) -> bool {
    matches!(
        key,
        "node.kubernetes.io/not-ready"
            | "node.kubernetes.io/disk-pressure"
            | "node.kubernetes.io/network-unavailable"
    )
}

/// Whether a node has this taint only until it has started up, so that it counts as not ready.
#[must_use]
pub fn is_startup_taint(settings: &Settings, key: &str) -> bool {
    STARTUP_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
        || settings.startup_taint_prefixes.iter().any(|prefix| key.starts_with(prefix))
        || settings.startup_taints.iter().any(|one| one == key)
}

/// The taints that a new node like this one would have.
#[must_use]
pub fn lasting_taints(settings: &Settings, taints: &[Taint]) -> Vec<Taint> {
    let passes = |key: &str| {
        key == TO_BE_DELETED
            || key == DELETION_CANDIDATE
            || CONDITION_TAINTS.contains(&key)
            || is_startup_taint(settings, key)
            || is_status_taint(settings, key)
    };
    taints.iter().filter(|taint| !passes(&taint.key)).cloned().collect()
}

/// Whether a taint tells a node's state, so that a new node does not have it.
fn is_status_taint(settings: &Settings, key: &str) -> bool {
    key.starts_with(STATUS_PREFIX) || settings.status_taints.iter().any(|one| one == key)
}

/// The type under which metrics count a taint: the key itself only where upstream knows it.
#[must_use]
pub fn reported_taint_type<'a>(settings: &Settings, key: &'a str) -> &'a str {
    const IGNORE_PREFIX: &str = STARTUP_PREFIXES[1];
    if key.starts_with(IGNORE_PREFIX) {
        IGNORE_PREFIX
    } else if key == TO_BE_DELETED || key == DELETION_CANDIDATE || CONDITION_TAINTS.contains(&key) {
        key
    } else if is_startup_taint(settings, key) {
        "startup-taint"
    } else if is_status_taint(settings, key) {
        "status-taint"
    } else {
        "other"
    }
}
