//! What may become of pods when nodes go, as cheaply as a driver can ask it of every decision: each
//! pod by itself, by the rules of [`drain`]. Whether all of them have places at one time, and whether
//! these rules are right, is asked by `moves`, which only the fuzzer can afford.

use plimsoll_core::drain::{self, DrainVerdict};
use plimsoll_core::ids::{NodeId, PodId};
use plimsoll_core::{Cluster, Fork, SimTime};

use super::Violation;
use crate::action::{Action, Outcome};
use crate::settings::Settings;
use crate::taints::TO_BE_DELETED;

/// Holds what became of an eviction against the budgets as they were before it.
///
/// # Errors
/// When it was done although a budget that covers the pod allowed no disruption.
pub fn check_eviction(
    before: &Cluster,
    action: &Action,
    outcome: &Outcome,
) -> Result<(), Violation> {
    let Action::Evict { pod, .. } = action else { return Ok(()) };
    // Budgets do not protect a pod that runs nowhere or is going already.
    let protected = before.find_pod(*pod).filter(|one| one.node.is_some());
    if *outcome != Outcome::Done || protected.is_none_or(|one| one.deletion_at.is_some()) {
        return Ok(());
    }
    match before.budgets_of(*pod).find(|(_, budget)| budget.disruptions_allowed < 1) {
        None => Ok(()),
        Some((_, budget)) => Err(Violation::BudgetIgnored {
            pod: before.pod_full_name(*pod),
            budget: format!("{}/{}", budget.object.namespace, budget.object.name),
        }),
    }
}

/// Holds the nodes whose deletion a decision begins (they get the ToBeDeleted taint) against their
/// pods: none may be one that blocks its node, budgets included, and each must fit on a node that
/// stays. Where a pod looks at other pods or at volumes, moving the others may make its place, so that
/// it is not asked about; pods too low in priority to count are gone first, as they are for the
/// strategy.
///
/// # Errors
/// The first pod that cannot go.
pub fn check_moves(
    cluster: &mut Cluster,
    settings: &Settings,
    actions: &[Action],
    now: SimTime,
) -> Result<(), Violation> {
    let going: Vec<NodeId> = actions
        .iter()
        .filter_map(|action| match action {
            Action::SetTaints { node, taints, .. } => {
                let marks = taints.iter().any(|taint| taint.key == TO_BE_DELETED);
                (marks && !is_marked(cluster, *node)).then_some(*node)
            }
            _ => None,
        })
        .collect();
    if going.iter().all(|node| cluster.node(*node).pods.is_empty()) {
        return Ok(());
    }
    let mut fork = cluster.fork();
    let expendable: Vec<PodId> = fork
        .pods()
        .filter(|(_, pod)| pod.node.is_some() && counts_nowhere(&fork, settings, pod.shape))
        .map(|(id, _)| id)
        .collect();
    expendable.into_iter().for_each(|pod| fork.unbind(pod));
    let rules = settings.drain_rules();
    for node in &going {
        for pod in fork.node(*node).pods.clone() {
            let problem = match drain::judge(&fork, pod, &rules, now) {
                DrainVerdict::Skip | DrainVerdict::DaemonSet => continue,
                DrainVerdict::Blocked(reason) => reason.to_string(),
                DrainVerdict::AwaitCompletion => "it is left to finish".to_owned(),
                DrainVerdict::Move if has_place(&mut fork, pod, &going) => continue,
                DrainVerdict::Move => "it fits nowhere else".to_owned(),
            };
            return Err(Violation::PodCannotGo {
                node: fork.node_name(*node).to_owned(),
                pod: fork.pod_full_name(pod),
                problem,
            });
        }
    }
    Ok(())
}

/// Holds the deletion of a node against the pods on it at that instant: everything but what goes with
/// a node (pods of DaemonSets, mirror pods, pods past their end or too low in priority to count) must
/// have gone before. Pods that came after the deletion was decided came in spite of the taint.
///
/// # Errors
/// The first pod that would be lost.
pub fn check_deletion(
    before: &Cluster,
    settings: Option<&Settings>,
    action: &Action,
    now: SimTime,
) -> Result<(), Violation> {
    let Action::DeleteNode { node, decided_at, .. } = action else { return Ok(()) };
    let Some(state) = before.find_node(*node) else { return Ok(()) };
    let rules = settings.map(Settings::drain_rules).unwrap_or_default();
    let is_lost = |pod: &PodId| {
        let one = before.pod(*pod);
        let expendable = settings.is_some_and(|flags| counts_nowhere(before, flags, one.shape));
        let goes_along = matches!(
            drain::judge_alone(before, *pod, &rules, now),
            DrainVerdict::Skip | DrainVerdict::DaemonSet
        );
        one.bound_at <= *decided_at && !expendable && !goes_along
    };
    match state.pods.iter().find(|pod| is_lost(pod)) {
        None => Ok(()),
        Some(pod) => Err(Violation::PodLost {
            node: state.name.to_string(),
            pod: before.pod_full_name(*pod),
        }),
    }
}

fn is_marked(cluster: &Cluster, node: NodeId) -> bool {
    cluster.node_taints(node).iter().any(|taint| taint.key == TO_BE_DELETED)
}

fn counts_nowhere(
    cluster: &Cluster,
    settings: &Settings,
    shape: plimsoll_core::ids::ShapeId,
) -> bool {
    cluster.shape(shape).is_expendable(settings.expendable_pods_priority_cutoff)
}

fn has_place(fork: &mut Fork<'_>, pod: PodId, going: &[NodeId]) -> bool {
    let shape = fork.pod(pod).shape;
    if fork.looks_beyond_nodes(shape) {
        return true;
    }
    // Where the strategy itself would look first there mostly is a place; that is held to the filters.
    let mut start = NodeId(0);
    for _ in 0..=going.len() {
        match fork.first_fit(shape, start) {
            Some(node) if going.contains(&node) => start = NodeId(node.0 + 1),
            Some(node) if fork.fits(shape, node) => return true,
            _ => break,
        }
    }
    fork.nodes().any(|(id, _)| !going.contains(&id) && fork.fits(shape, id))
}
