//! The soft taint of candidates: the scheduler keeps new pods off nodes that may go soon, as long as
//! others have room.

use plimsoll_core::ids::NodeId;
use plimsoll_core::taints::{Taint, TaintEffect};
use plimsoll_core::{Cluster, SimTime};

use super::taint_facts::TaintFactsCache;
use super::unneeded::UnneededNodes;
use crate::action::Action;
use crate::taints::DELETION_CANDIDATE;

/// Brings the soft taints up to date, at most `count_max` nodes in this loop: first they are taken
/// off needed nodes, then put on unneeded ones, each in the order of ids. Nodes that were marked for
/// deletion before this loop are left alone. `actions` are those that mark nodes in this loop: a
/// node among them gets both taints in one, and the others follow.
pub(super) fn update(
    cluster: &Cluster,
    nodes: &[NodeId],
    unneeded: &UnneededNodes,
    facts: &mut TaintFactsCache,
    count_max: usize,
    actions: &mut Vec<Action>,
    now: SimTime,
) {
    let is_there = |node: &NodeId| nodes.binary_search(node).is_ok();
    let is_managed = |node: &NodeId| cluster.node(*node).group.is_some();
    let is_unneeded = |node: &NodeId| unneeded.place(*node, cluster.node(*node).serial).is_some();
    let mut removals = facts.candidates();
    removals.retain(|node| is_there(node) && is_managed(node) && !is_unneeded(node));
    removals.retain(|node| facts.is_soft_taint_changed(cluster, *node, true));
    let mut additions: Vec<NodeId> = unneeded.list().iter().map(|one| one.node).collect();
    additions.retain(|node| facts.is_soft_taint_changed(cluster, *node, false));
    additions.sort_unstable();
    removals.truncate(count_max);
    additions.truncate(count_max - removals.len());
    for node in removals {
        let taints = cluster.node_taints(node).iter();
        let taints = taints.filter(|taint| taint.key != DELETION_CANDIDATE).cloned().collect();
        let unschedulable = cluster.node(node).unschedulable;
        actions.push(Action::SetTaints { node, taints, unschedulable });
    }
    for node in additions {
        let soft = Taint {
            key: DELETION_CANDIDATE.to_owned(),
            value: now.as_seconds().to_string(),
            effect: TaintEffect::PreferNoSchedule,
        };
        let marking = actions.iter_mut().find_map(|action| match action {
            Action::SetTaints { node: one, taints, .. } if *one == node => Some(taints),
            _ => None,
        });
        if let Some(taints) = marking {
            taints.push(soft);
            continue;
        }
        let mut taints = cluster.node_taints(node).to_vec();
        taints.push(soft);
        let unschedulable = cluster.node(node).unschedulable;
        actions.push(Action::SetTaints { node, taints, unschedulable });
    }
}
