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
/// deletion before this loop are left alone; `started` are the actions that mark nodes in this loop,
/// whose taints are kept.
pub(super) fn update(
    cluster: &Cluster,
    nodes: &[NodeId],
    unneeded: &UnneededNodes,
    facts: &mut TaintFactsCache,
    count_max: usize,
    started: &[Action],
    now: SimTime,
) -> Vec<Action> {
    let mut actions = Vec::new();
    if count_max == 0 {
        return actions;
    }
    let mut additions = Vec::new();
    for node in nodes.iter().copied() {
        let state = cluster.node(node);
        let known = facts.of(cluster, node);
        if state.group.is_none() || known.to_be_deleted {
            continue;
        }
        let is_unneeded = unneeded.place(node, state.serial).is_some();
        if known.is_candidate && !is_unneeded && actions.len() < count_max {
            actions.push(change(cluster, node, started, |taints| {
                taints.retain(|taint| taint.key != DELETION_CANDIDATE);
            }));
        } else if is_unneeded && !known.is_candidate && additions.len() < count_max {
            additions.push(node);
        }
    }
    for node in additions.into_iter().take(count_max - actions.len()) {
        actions.push(change(cluster, node, started, |taints| {
            taints.push(Taint {
                key: DELETION_CANDIDATE.to_owned(),
                value: now.as_seconds().to_string(),
                effect: TaintEffect::PreferNoSchedule,
            });
        }));
    }
    actions
}

fn change(
    cluster: &Cluster,
    node: NodeId,
    started: &[Action],
    edit: impl FnOnce(&mut Vec<Taint>),
) -> Action {
    let earlier = started.iter().rev().find_map(|action| match action {
        Action::SetTaints { node: one, taints, unschedulable } if *one == node => {
            Some((taints.clone(), *unschedulable))
        }
        _ => None,
    });
    let (mut taints, unschedulable) = earlier
        .unwrap_or_else(|| (cluster.node_taints(node).to_vec(), cluster.node(node).unschedulable));
    edit(&mut taints);
    Action::SetTaints { node, taints, unschedulable }
}
