//! What happened, for whoever keeps the books.

use std::sync::Arc;

use plimsoll_core::SimTime;
use plimsoll_core::ids::{GroupId, NodeId, PodId, ShapeId, WorkloadId};

/// Something that happened in the world. Pods and nodes are named by their serials, which are never
/// used again.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A pod was created.
    PodCreated {
        /// The pod; by the time this is read it may be gone again.
        pod: PodId,
        /// Its serial.
        serial: u64,
        /// Its name, within the namespace of the shape.
        name: Arc<str>,
        /// What it asks for.
        shape: ShapeId,
        /// Its controller.
        controller: Option<WorkloadId>,
        /// When it counts as created.
        created_at: SimTime,
    },
    /// A pod was bound.
    PodBound {
        /// Its serial.
        serial: u64,
        /// The node's serial.
        node: u64,
        /// The node's group.
        group: Option<GroupId>,
    },
    /// The scheduler makes room for a pod: others are asked to go, and it is nominated to their node.
    PodPreempts {
        /// The serial of the pod that needs room.
        serial: u64,
        /// The node's serial.
        node: u64,
        /// The serials of the pods that have to go.
        victims: Vec<u64>,
    },
    /// A pod was asked to go and uses its grace period.
    PodTerminating {
        /// Its serial.
        serial: u64,
        /// Why.
        cause: PodEnd,
    },
    /// A pod is gone.
    PodGone {
        /// Its serial.
        serial: u64,
        /// Why.
        cause: PodEnd,
    },
    /// A Node appeared.
    NodeAdded {
        /// The node; by the time this is read it may be gone again.
        node: NodeId,
        /// Its serial.
        serial: u64,
        /// Its name.
        name: Arc<str>,
        /// Its group.
        group: Option<GroupId>,
    },
    /// A Node is gone.
    NodeRemoved {
        /// Its serial.
        serial: u64,
    },
    /// The cloud accepted an increase.
    SizeIncreased {
        /// Of this group.
        group: GroupId,
        /// The target before.
        from: u32,
        /// The target now.
        to: u32,
    },
    /// Machines without a Node were deleted.
    InstancesRemoved {
        /// Of this group.
        group: GroupId,
        /// Their names.
        names: Vec<Arc<str>>,
    },
    /// The number of machines that cost money in a group: all that were not failed creations.
    MachinesPaid {
        /// Of this group.
        group: GroupId,
        /// So many from now on.
        count: u32,
    },
}

/// Why a pod is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PodEnd {
    /// Its work was done.
    Finished,
    /// Its controller shrank, or somebody deleted it.
    Deleted,
    /// It was evicted.
    Evicted,
    /// It had to go for a pod of higher priority.
    Preempted,
    /// Its node went away under it.
    NodeGone,
}
