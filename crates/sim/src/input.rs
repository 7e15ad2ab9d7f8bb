//! What comes from outside: scenario events and recorded pods.

use std::sync::Arc;

use plimsoll_core::ids::{ShapeId, WorkloadId};
use plimsoll_core::node_group::NodeGroupSpec;
use plimsoll_core::objects::{Fault, Object};
use plimsoll_core::workload::{DisruptionBudgetObject, WorkloadKind, WorkloadObject};
use plimsoll_core::{NodeObject, PodObject, SimTime, WorkloadKey};

/// Something from outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A controller is created, or replaced by one of the same name.
    ApplyWorkload(WorkloadObject),
    /// A bare pod, or one whose controller is named, is created.
    ApplyPod(PodObject),
    /// A disruption budget is created or replaced.
    ApplyBudget(DisruptionBudgetObject),
    /// A node that no cloud made joins, or a node's taints and cordon are changed.
    ApplyNode(Box<NodeObject>),
    /// Something that pods refer to is created or replaced: a service, a namespace, an object of
    /// storage or of devices.
    ApplySurrounding(Box<Object>),
    /// Limits, price or template of a node group change; or a group is added.
    ApplyGroup(Box<NodeGroupSpec>),
    /// A controller wants another number of pods.
    Scale {
        /// Its kind.
        kind: WorkloadKind,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// So many.
        replicas: u32,
    },
    /// An object is deleted: a controller with its pods, a pod, a budget, a node.
    Delete {
        /// Its kind.
        kind: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Something goes wrong in the cloud.
    Fault(Fault),
    /// A pod arrives as it was recorded.
    RecordedPod(RecordedPod),
    /// A recorded pod was bound, as it was recorded: only where the world plays no scheduler.
    RecordedBinding {
        /// The key that its arrival had.
        key: u32,
        /// The node it was bound to; `None` where the recording does not say.
        node: Option<Arc<str>>,
    },
    /// A recorded controller, which creates no pods by itself, wants another number of pods.
    RecordedWorkload {
        /// Which.
        key: WorkloadKey,
        /// So many.
        replicas: u32,
        /// It is there.
        exists: bool,
    },
    /// A recorded pod's end.
    RecordedEnd {
        /// The key that its arrival had.
        key: u32,
    },
}

/// A pod of a recording: when it came and when it went are given, where it runs is not.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedPod {
    /// A number that its end refers to.
    pub key: u32,
    /// Its name.
    pub name: Arc<str>,
    /// What it asks for.
    pub shape: ShapeId,
    /// Its controller, which creates no pods by itself but replaces evicted ones.
    pub controller: Option<WorkloadId>,
    /// When it was created.
    pub created_at: SimTime,
}
