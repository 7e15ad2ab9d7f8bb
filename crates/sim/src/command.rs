//! What an autoscaler may do to the world: its cloud and its API server.

use std::sync::Arc;

use plimsoll_core::ids::{GroupId, NodeId, PodId};
use plimsoll_core::objects::ObjectName;
use plimsoll_core::taints::Taint;
use thiserror::Error;

/// A call to the cloud or the API server.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Ask for more machines.
    IncreaseSize {
        /// Of this group.
        group: GroupId,
        /// So many.
        delta: u32,
    },
    /// Lower a target without touching machines.
    DecreaseTarget {
        /// Of this group.
        group: GroupId,
        /// By so many.
        by: u32,
    },
    /// Delete a node's machine.
    DeleteNode {
        /// The node.
        node: NodeId,
    },
    /// Delete machines that have no Node.
    DeleteInstances {
        /// Of this group.
        group: GroupId,
        /// The cloud's ids.
        ids: Vec<Arc<str>>,
    },
    /// Change a node's taints and cordon.
    SetTaints {
        /// The node.
        node: NodeId,
        /// All its taints.
        taints: Vec<Taint>,
        /// Cordoned.
        unschedulable: bool,
    },
    /// Delete an object that asks for capacity.
    DeleteObject {
        /// The object.
        object: ObjectName,
    },
    /// Evict a pod.
    Evict {
        /// The pod.
        pod: PodId,
        /// Its serial.
        serial: u64,
    },
}

/// Why a command was refused, in the words of a cloud or an API server.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CommandError {
    /// The cloud does not answer.
    #[error("the cloud provider is unavailable")]
    ProviderDown,
    /// Above the group's maximum.
    #[error("size increase too large - desired:{desired} max:{max}")]
    AboveMax {
        /// The target that was asked for.
        desired: u32,
        /// The group's maximum.
        max: u32,
    },
    /// The target would be less than the machines there are.
    #[error(
        "attempt to delete existing nodes targetSize:{target} delta:-{by} existingNodes: {instances}"
    )]
    BelowInstances {
        /// The target.
        target: u32,
        /// The decrease asked for.
        by: u32,
        /// The machines there are.
        instances: u32,
    },
    /// There is no such node (any more).
    #[error("node not found")]
    NoSuchNode,
    /// The node belongs to no group.
    #[error("node {0} belongs to no node group")]
    NoGroup(String),
    /// There is no such pod (any more).
    #[error("pod not found")]
    NoSuchPod,
    /// A disruption budget forbids it (HTTP 429).
    #[error("Cannot evict pod as it would violate the pod's disruption budget.")]
    BudgetExhausted,
}
