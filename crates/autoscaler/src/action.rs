//! What a strategy may ask for, and what may become of it.

use std::sync::Arc;

use plimsoll_core::capacity::PROVISIONING_REQUEST;
use plimsoll_core::condition::Condition;
use plimsoll_core::ids::{GroupId, NodeId, PodId};
use plimsoll_core::objects::ObjectName;
use plimsoll_core::taints::Taint;

/// Something to do to the cluster or its cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the cloud for `delta` more machines.
    IncreaseSize {
        /// Of this group.
        group: GroupId,
        /// So many, at least 1.
        delta: u32,
    },
    /// Lower the target without touching machines that exist.
    DecreaseTarget {
        /// Of this group.
        group: GroupId,
        /// By so many.
        by: u32,
    },
    /// Delete a node's machine; the target falls by one. Pods still on it are gone too.
    DeleteNode {
        /// The node.
        node: NodeId,
        /// Why.
        cause: DeletionCause,
        /// The loop that decided it, for reports.
        decided_at: plimsoll_core::SimTime,
    },
    /// Delete machines that have no Node (failed creations, never registered), and with a group that
    /// has all its machines or none those that have one, Node and all; the target falls by as many.
    DeleteInstances {
        /// Of this group.
        group: GroupId,
        /// The cloud's ids.
        ids: Vec<Arc<str>>,
        /// Why, for reports: `CreationFailed` or `NeverRegistered`.
        reason: &'static str,
    },
    /// Set a node's taints and cordon.
    SetTaints {
        /// The node.
        node: NodeId,
        /// All its taints from now on.
        taints: Vec<Taint>,
        /// Cordoned from now on.
        unschedulable: bool,
    },
    /// Evict a pod, if its disruption budgets allow it.
    Evict {
        /// The pod.
        pod: PodId,
        /// Its serial when that was decided, as ids are used again.
        serial: u64,
    },
    /// Set a condition in the status of an object, in place of the one of its type.
    SetCondition {
        /// The object.
        object: ObjectName,
        /// The condition, its time included.
        condition: Condition,
    },
    /// Delete an object that is over: a ProvisioningRequest.
    DeleteObject {
        /// The object.
        object: ObjectName,
    },
    /// A scale-down that was begun is given up; the node stays.
    GiveUpScaleDown {
        /// The node.
        node: NodeId,
        /// Why.
        reason: String,
    },
}

impl Action {
    /// Whether upstream looks again at once after it, as after a scale-up: a provisioning request was
    /// taken up, and another may wait.
    #[must_use]
    pub fn takes_up_request(&self) -> bool {
        let Action::SetCondition { object, condition } = self else { return false };
        object.kind == PROVISIONING_REQUEST
            && (condition.kind == "Accepted" || condition.reason == "FailedToCreatePods")
    }
}

/// Why a node goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeletionCause {
    /// Nothing on it had to be moved.
    Empty,
    /// Its pods were moved.
    Underutilized,
}

impl DeletionCause {
    /// Upstream's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DeletionCause::Empty => "empty",
            DeletionCause::Underutilized => "underutilized",
        }
    }
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Refused, with the cloud's or the API server's words. An eviction that a disruption budget
    /// forbids is refused and may be tried again.
    Refused(String),
}
