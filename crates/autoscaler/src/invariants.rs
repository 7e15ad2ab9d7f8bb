//! What no strategy may ask for, whatever its rules: held against every decision before anyone acts.
//!
//! The driver asks what is cheap of every decision and step, wherever it is carried out: [`check`],
//! [`check_limits`], [`Retries::check`], and what becomes of pods ([`check_moves`],
//! [`check_deletion`], [`check_eviction`]). `plimsoll sim fuzz`, which runs under the same driver, adds
//! what takes more: naive simulations and memory of every machine ([`check_places`],
//! [`check_pods_left`], [`Retries::look`], [`Unregistered`]). These count anew what strategies keep
//! books on, and share no code with them beyond the cluster itself.

mod limits;
mod moves;
mod retries;
mod unregistered;

pub use limits::check_limits;
pub use moves::{Places, check_places, check_pods_left, nodes_that_start_to_go};
pub use retries::Retries;
pub use unregistered::Unregistered;

mod pods;

pub use pods::{check_deletion, check_eviction, check_moves};

use plimsoll_core::ids::{GroupId, NodeId, PodId};
use plimsoll_core::{Cluster, SimDuration};
use thiserror::Error;

use crate::action::Action;

/// A decision that must not be carried out.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Violation {
    /// An increase by nothing.
    #[error("group {group} is to be enlarged by 0")]
    EmptyIncrease {
        /// The group.
        group: String,
    },
    /// A group would exceed its maximum.
    #[error("group {group} would have {size} machines, more than its maximum of {max}")]
    AboveMax {
        /// The group.
        group: String,
        /// Its target then.
        size: i64,
        /// Its maximum.
        max: u32,
    },
    /// A group would fall below its minimum.
    #[error("group {group} would have {size} machines, fewer than its minimum of {min}")]
    BelowMin {
        /// The group.
        group: String,
        /// Its target then.
        size: i64,
        /// Its minimum.
        min: u32,
    },
    /// A limit of the whole cluster would be exceeded.
    #[error("the cluster would exceed its limit of {resource}")]
    QuotaExceeded {
        /// `nodes`, `cpu`, `memory` or a GPU type.
        resource: String,
    },
    /// A node would be deleted twice, or is not there.
    #[error("node {node} is deleted twice or is not there")]
    NoSuchNode {
        /// Its name, or its id where it has none.
        node: String,
    },
    /// A node that no group would replace would be deleted.
    #[error("node {node} belongs to no group and must not be deleted")]
    NotAutoscaled {
        /// Its name.
        node: String,
    },
    /// A pod would be evicted twice, or is not the pod that was meant.
    #[error("pod {pod} is evicted twice or is not there any more")]
    NoSuchPod {
        /// Its name, or its id where it has none.
        pod: String,
    },
    /// The deletion of a node is begun although a pod on it cannot go.
    #[error("node {node} is to go, and its pod {pod} cannot: {problem}")]
    PodCannotGo {
        /// The node.
        node: String,
        /// The pod.
        pod: String,
        /// Why it cannot.
        problem: String,
    },
    /// A node is deleted with a pod that should have gone before.
    #[error("node {node} is deleted while pod {pod} runs on it")]
    PodLost {
        /// The node.
        node: String,
        /// The pod.
        pod: String,
    },
    /// A budget forbids an eviction that was taken for done.
    #[error("pod {pod} was evicted although disruption budget {budget} allows no disruption")]
    BudgetIgnored {
        /// The pod.
        pod: String,
        /// The budget, `namespace/name`.
        budget: String,
    },
    /// A node would go whose pods find no other place.
    #[error("node {node} starts to go, and its pods find no other place: {pods}")]
    NowhereToGo {
        /// The node.
        node: String,
        /// The pods that would have to move.
        pods: String,
    },
    /// A node would go with a pod that must not be moved.
    #[error("node {node} starts to go with pod {pod}, which must stay: {reason}")]
    MustStay {
        /// The node.
        node: String,
        /// The pod.
        pod: String,
        /// The rule, in upstream's words.
        reason: &'static str,
    },
    /// A group that could not be enlarged is not left alone.
    #[error(
        "group {group} is to be enlarged, {since} after it failed; it is left alone for {wait}"
    )]
    RetriedTooSoon {
        /// The group.
        group: String,
        /// The time since the failure.
        since: SimDuration,
        /// The time it has to be left alone.
        wait: SimDuration,
    },
    /// A machine that has become no Node for too long is kept.
    #[error(
        "machine {machine} of group {group} has become no Node for {since} and is not given up"
    )]
    NotReplaced {
        /// The group.
        group: String,
        /// The cloud's id of the machine.
        machine: String,
        /// The time since it was first seen so.
        since: SimDuration,
    },
    /// A machine that has become no Node for too long counts as room to come.
    #[error(
        "group {group} counts {upcoming} machines as coming, of a target of {target} with {known} known"
    )]
    CountedAsComing {
        /// The group.
        group: String,
        /// So many count as coming.
        upcoming: u32,
        /// So many were asked for.
        target: u32,
        /// So many are ready, or given up.
        known: usize,
    },
}

/// Holds a list of actions, taken in order, against what the groups allow.
///
/// Machines without a Node are given up even below the minimum: they hold nothing.
///
/// # Errors
/// The first action that must not be carried out.
pub fn check(cluster: &Cluster, actions: &[Action]) -> Result<(), Violation> {
    let mut sizes: Vec<i64> =
        cluster.groups().map(|(_, group)| i64::from(group.target_size)).collect();
    let mut deleted: Vec<NodeId> = Vec::new();
    let mut evicted: Vec<PodId> = Vec::new();
    for action in actions {
        match action {
            Action::IncreaseSize { group, delta } => {
                increase(cluster, &mut sizes, *group, *delta)?;
            }
            Action::DecreaseTarget { group, by } => sizes[group.index()] -= i64::from(*by),
            Action::DeleteInstances { group, ids, .. } => {
                sizes[group.index()] -= i64::try_from(ids.len()).unwrap_or(i64::MAX);
            }
            Action::DeleteNode { node, .. } => {
                delete_node(cluster, &mut sizes, &mut deleted, *node)?;
            }
            Action::Evict { pod, serial } => evict(cluster, &mut evicted, *pod, *serial)?,
            Action::SetCondition { .. } | Action::DeleteObject { .. } => {}
            Action::SetTaints { node, .. } | Action::GiveUpScaleDown { node, .. } => {
                if cluster.find_node(*node).is_none() {
                    return Err(Violation::NoSuchNode { node: format!("{node:?}") });
                }
            }
        }
    }
    Ok(())
}

fn increase(
    cluster: &Cluster,
    sizes: &mut [i64],
    group: GroupId,
    delta: u32,
) -> Result<(), Violation> {
    let spec = &cluster.group(group).spec;
    let size = &mut sizes[group.index()];
    *size += i64::from(delta);
    if delta == 0 {
        return Err(Violation::EmptyIncrease { group: spec.name.clone() });
    }
    if *size > i64::from(spec.max_size) {
        let (group, size, max) = (spec.name.clone(), *size, spec.max_size);
        return Err(Violation::AboveMax { group, size, max });
    }
    Ok(())
}

fn delete_node(
    cluster: &Cluster,
    sizes: &mut [i64],
    deleted: &mut Vec<NodeId>,
    id: NodeId,
) -> Result<(), Violation> {
    let Some(node) = cluster.find_node(id).filter(|_| !deleted.contains(&id)) else {
        return Err(Violation::NoSuchNode { node: format!("{id:?}") });
    };
    deleted.push(id);
    let Some(group) = node.group else {
        return Err(Violation::NotAutoscaled { node: node.name.to_string() });
    };
    let spec = &cluster.group(group).spec;
    let size = &mut sizes[group.index()];
    *size -= 1;
    if *size < i64::from(spec.min_size) {
        let (group, size, min) = (spec.name.clone(), *size, spec.min_size);
        return Err(Violation::BelowMin { group, size, min });
    }
    Ok(())
}

fn evict(
    cluster: &Cluster,
    evicted: &mut Vec<PodId>,
    id: PodId,
    serial: u64,
) -> Result<(), Violation> {
    let found = cluster.find_pod(id).filter(|pod| pod.serial == serial && pod.node.is_some());
    if found.is_none() || evicted.contains(&id) {
        return Err(Violation::NoSuchPod { pod: format!("{id:?}") });
    }
    evicted.push(id);
    Ok(())
}

#[cfg(test)]
mod tests;
