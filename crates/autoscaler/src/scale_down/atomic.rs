//! Groups that have no machine or all they may have: they go as a whole.
//!
//! Source: `AtomicResizeFilteringProcessor` of release 1.36.

use std::collections::BTreeMap;

use plimsoll_core::Cluster;
use plimsoll_core::ids::{GroupId, NodeId};
use rustc_hash::FxHashSet;

use super::unneeded::UnneededNode;
use super::unremovable::UnremovableReason;
use super::{as_size, group_of};
use crate::actuation::GroupSize;
use crate::loop_context::LoopContext;

/// What decides whether nodes are all of a group. The Nodes are counted for atomic groups only.
pub(super) fn size_of(cluster: &Cluster, context: &LoopContext<'_>, group: GroupId) -> GroupSize {
    let one = cluster.group(group);
    let is_atomic = context.settings.of_group(&one.spec).is_atomic;
    let target = as_size(context.targets[group.index()]);
    if !is_atomic {
        return GroupSize { is_atomic, target, registered: 0 };
    }
    let listed: FxHashSet<&str> = one.instances.iter().map(|machine| &*machine.id).collect();
    let is_registered = |node: &&NodeId| {
        let node = cluster.node(**node);
        node.group == Some(group) && listed.contains(&*node.provider_id)
    };
    let registered = context.nodes.iter().filter(is_registered).count();
    GroupSize { is_atomic, target, registered }
}

/// The candidates that may go: first those of ordinary groups, then the atomic groups all of whose
/// nodes are candidates, by id. The others are held.
pub(super) fn whole_groups_last<'a>(
    cluster: &Cluster,
    context: &LoopContext<'_>,
    candidates: Vec<&'a UnneededNode>,
    held: &mut Vec<(NodeId, UnremovableReason)>,
) -> Vec<&'a UnneededNode> {
    let is_atomic = |one: &&UnneededNode| {
        let group = cluster.group(group_of(cluster, one.node));
        context.settings.of_group(&group.spec).is_atomic
    };
    let (atomic, mut may_go): (Vec<_>, Vec<_>) = candidates.into_iter().partition(is_atomic);
    let mut by_group: BTreeMap<GroupId, Vec<&UnneededNode>> = BTreeMap::new();
    for one in atomic {
        by_group.entry(group_of(cluster, one.node)).or_default().push(one);
    }
    for (group, nodes) in by_group {
        let size = size_of(cluster, context, group);
        if [size.target, size.registered].contains(&nodes.len()) {
            may_go.extend(nodes);
        } else {
            let reason = UnremovableReason::AtomicScaleDownFailed;
            held.extend(nodes.iter().map(|one| (one.node, reason)));
        }
    }
    may_go
}
