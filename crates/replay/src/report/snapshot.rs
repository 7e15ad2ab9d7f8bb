//! The cluster at one instant, as a report shows it.

use std::collections::BTreeMap;

use plimsoll_core::SimTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::money::MicroUsd;
use super::serde_time::optional_instant;

/// Pods, nodes, groups and settings at one instant. Every list is in order of name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSnapshot {
    /// Pods without a node that none was promised to.
    pub unscheduled_pods: Vec<SnapshotPod>,
    /// Pods bound to a node.
    pub scheduled_pods: Vec<SnapshotPod>,
    /// Pods that wait for their preemption's victims to leave the nominated node.
    pub nominated_pods: Vec<SnapshotPod>,
    /// The nodes.
    pub nodes: Vec<SnapshotNode>,
    /// The node groups.
    pub node_groups: Vec<SnapshotNodeGroup>,
    /// Gardener's worker pools, as the recording has them.
    pub worker_pools: Vec<Value>,
    /// Machine deployments, as the recording has them.
    pub machine_deployments: Vec<Value>,
    /// The priority classes.
    pub priority_classes: Vec<SnapshotPriorityClass>,
    /// The autoscaler's settings that are in force, by upstream's flag name.
    pub autoscaler_settings: BTreeMap<String, Value>,
}

/// A pod in a [`ClusterSnapshot`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotPod {
    /// `ns/name`.
    pub name: String,
    /// The controller that made it (`ns/name`), if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The node it is bound to, or the one it is nominated for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its priority.
    #[serde(default)]
    pub priority: i32,
    /// What it asks for, by resource, as Kubernetes quantities.
    #[serde(default)]
    pub requests: BTreeMap<String, String>,
    /// When it came into being.
    #[serde(default, with = "optional_instant", skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<SimTime>,
    /// When its deletion was asked for, if it was.
    #[serde(default, with = "optional_instant", skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<SimTime>,
}

/// A node in a [`ClusterSnapshot`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotNode {
    /// Its name.
    pub name: String,
    /// Its node group; `null` when it belongs to none.
    pub group: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its taints, in the node's own order.
    pub taints: Vec<SnapshotTaint>,
    /// What pods can have of it, by resource, as Kubernetes quantities.
    pub allocatable: BTreeMap<String, String>,
    /// Whether it is ready.
    #[serde(default = "ready_unless_said")]
    pub ready: bool,
    /// When it came into being.
    #[serde(default, with = "optional_instant", skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<SimTime>,
}

/// A taint of a [`SnapshotNode`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotTaint {
    /// The key.
    pub key: String,
    /// The value, often empty.
    #[serde(default)]
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// A node group in a [`ClusterSnapshot`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotNodeGroup {
    /// Its name.
    pub name: String,
    /// The fewest nodes that it may have.
    pub min_size: u32,
    /// The most nodes that it may have.
    pub max_size: u32,
    /// The nodes that it should have now.
    pub target_size: u32,
    /// The machine's type, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// The zone, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// `on-demand` or `spot`, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_type: Option<String>,
    /// US dollars for an hour of one node; `null` when not known.
    #[serde(default)]
    pub price_per_hour: Option<MicroUsd>,
}

/// A priority class in a [`ClusterSnapshot`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotPriorityClass {
    /// Its name.
    pub name: String,
    /// The priority that it gives.
    pub value: i32,
    /// Whether pods that name no class have it.
    #[serde(default)]
    pub global_default: bool,
    /// `PreemptLowerPriority` or `Never`, where it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preemption_policy: Option<String>,
}

fn ready_unless_said() -> bool {
    true
}
