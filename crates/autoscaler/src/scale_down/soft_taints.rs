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
    let mut removals = Vec::new();
    let mut additions = Vec::new();
    for node in nodes.iter().copied() {
        let known = facts.of(cluster, node);
        let state = cluster.node(node);
        if state.group.is_none() || known.to_be_deleted {
            continue;
        }
        match (known.is_candidate, unneeded.place(node, state.serial).is_some()) {
            (true, false) => removals.push(node),
            (false, true) => additions.push(node),
            _ => {}
        }
    }
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
