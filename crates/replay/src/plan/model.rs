//! A plan as data: what `plimsoll plan --json` prints.
//!
//! Words (results, outcomes, reasons) are Cluster Autoscaler's. Names are in the order of the
//! alphabet unless said otherwise.

use std::collections::BTreeMap;

use plimsoll_core::SimTime;
use plimsoll_core::condition::Condition;
use plimsoll_core::objects::ObjectName;
use serde::{Serialize, Serializer};

use crate::report::money::MicroUsd;
use crate::report::serde_time;

/// One loop's decision and what led to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Who decided.
    pub strategy: String,
    /// When.
    #[serde(with = "serde_time::instant")]
    pub at: SimTime,
    /// What scale-up came to; `None`: the strategy has no word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_up_result: Option<&'static str>,
    /// What scale-down came to; `None`: the strategy has no word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_down_result: Option<&'static str>,
    /// Groups that grow.
    pub scale_ups: Vec<ScaleUp>,
    /// Every way to help pods that was weighed, in the order in which the expander saw them.
    pub options: Vec<ExpansionOption>,
    /// The groups of the options that the expander found best; several are ties, one of which was
    /// drawn.
    pub best: Vec<String>,
    /// The group of the option that was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    /// Groups that were not considered.
    pub skipped_groups: Vec<SkippedGroup>,
    /// Nodes whose deletion starts.
    pub scale_downs: Vec<ScaleDown>,
    /// Nodes that are not needed, also those whose deletion starts.
    pub unneeded: Vec<String>,
    /// Since when each of them was not needed.
    #[serde(serialize_with = "instants")]
    pub unneeded_since: BTreeMap<String, SimTime>,
    /// Nodes that stay, and why.
    pub unremovable: Vec<BlockedNode>,
    /// What is asked of the nodes that scale-down looked at.
    pub utilization: BTreeMap<String, NodeUtilization>,
    /// Targets that are lowered without touching machines.
    pub target_decreases: Vec<TargetDecrease>,
    /// Machines without a Node that are given up, by the cloud's id.
    pub removed_instances: Vec<String>,
    /// Pods that stand or fall together; the pods of a group in the order in which they came.
    pub equivalence_groups: Vec<Vec<String>>,
    /// What upstream would tell as events, those about pods and nodes aside: `Reason: text`.
    pub events: Vec<String>,
    /// The error that ended the loop early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What becomes of each pending pod.
    pub pods: Vec<PendingPod>,
    /// Conditions of capacity buffers and provisioning requests that are set, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionChange>,
    /// Why, in the strategy's own words, where it has no other answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// What the groups cost; `None` where a group that counts has no price.
    pub cost_per_hour: Option<CostPerHour>,
}

/// A condition that is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConditionChange {
    /// Kind, namespace and name of the object.
    pub object: String,
    /// The condition's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// Why, in one word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}

impl ConditionChange {
    /// As data.
    #[must_use]
    pub fn of((object, condition): &(ObjectName, Condition)) -> ConditionChange {
        ConditionChange {
            object: object.to_string(),
            kind: condition.kind.clone(),
            status: condition.status.as_str(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
        }
    }
}

/// A group that grows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ScaleUp {
    /// Its name.
    pub group: String,
    /// Its target size now.
    pub from: u32,
    /// Its target size then.
    pub to: u32,
}

/// One way to help pods.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExpansionOption {
    /// The group that would grow.
    pub group: String,
    /// By so many nodes.
    pub nodes: u32,
    /// The pods they would hold.
    pub pods: Vec<String>,
    /// Groups that would share the nodes.
    pub similar: Vec<String>,
    /// The last score that an expander gave, lower is better; `None`: none was asked to score it.
    pub score: Option<f64>,
}

/// A group that was not considered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedGroup {
    /// Its name.
    pub group: String,
    /// Why.
    pub reason: String,
}

/// A node whose deletion starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScaleDown {
    /// Its name.
    pub node: String,
    /// Its group.
    pub group: String,
    /// `empty` or `underutilized`.
    pub reason: String,
    /// Pods that run on it and have another place.
    pub moves: Vec<String>,
    /// Pods that will be evicted, where that is not the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evicts: Option<Vec<String>>,
}

/// A node that stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockedNode {
    /// Its name.
    pub node: String,
    /// Why.
    pub reason: String,
    /// The pod that keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Why that pod does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_reason: Option<String>,
}

/// Requests on a node as parts of what pods may use of it, to six decimals.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeUtilization {
    /// Of the cpu; 0 on a node with GPUs, which is judged by them alone.
    #[serde(serialize_with = "share")]
    pub cpu: f64,
    /// Of the memory; as `cpu`.
    #[serde(serialize_with = "share")]
    pub memory: f64,
    /// Of the GPUs.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_share")]
    pub gpu: Option<f64>,
    /// The resource that is used most.
    pub resource: String,
    /// How much of it is used.
    #[serde(serialize_with = "share")]
    pub dominant: f64,
}

/// A target that is lowered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetDecrease {
    /// The group.
    pub group: String,
    /// Its target size now.
    pub from: u32,
    /// Its target size then.
    pub to: u32,
}

/// What becomes of a pending pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PendingPod {
    /// `namespace/name`.
    pub pod: String,
    /// Its controller, `namespace/Kind/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Upstream's word.
    pub outcome: &'static str,
    /// The group that grows (or was to grow) for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Why each group cannot help.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<String, String>,
    /// The event that the pod would get, without its prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// What the machines of all groups cost an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CostPerHour {
    /// As asked for now.
    pub before: MicroUsd,
    /// Once the plan is carried out.
    pub after: MicroUsd,
    /// No nodes of these groups that hold the pods of the scale-up cost less, machines that stay
    /// included; `None`: the strategy does not say which pods it helps.
    pub lower_bound: Option<MicroUsd>,
}

const DECIMALS: f64 = 1e6;

fn rounded(share: f64) -> f64 {
    (share * DECIMALS).round() / DECIMALS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn share<S: Serializer>(share: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(rounded(*share))
}

#[expect(clippy::ref_option, reason = "serde asks for a reference")]
fn optional_share<S: Serializer>(share: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    share.map(rounded).serialize(serializer)
}

fn instants<S: Serializer>(
    times: &BTreeMap<String, SimTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(times.iter().map(|(name, time)| (name, time.to_string())))
}
