//! What no strategy may ask for, whatever its rules: held against every decision before anyone acts.

use plimsoll_core::Cluster;
use plimsoll_core::ids::{GroupId, NodeId, PodId};
use thiserror::Error;

use crate::action::{Action, Outcome};
use crate::scale_up::limits::Quotas;
use crate::settings::Settings;

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
    /// A budget forbids an eviction that was taken for done.
    #[error("pod {pod} was evicted although disruption budget {budget} allows no disruption")]
    BudgetIgnored {
        /// The pod.
        pod: String,
        /// The budget, `namespace/name`.
        budget: String,
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

/// Holds increases against the limits of the whole cluster: `max-nodes-total` (over what groups
/// have been asked for and nodes of no group), `cores-total`, `memory-total`, `gpu-total`.
///
/// # Errors
/// The first limit that an increase would exceed.
pub fn check_limits(
    cluster: &Cluster,
    settings: &Settings,
    actions: &[Action],
) -> Result<(), Violation> {
    let mut quotas = Quotas::new(cluster, settings);
    let mut nodes = i64::try_from(cluster.node_count()).unwrap_or(i64::MAX);
    let most = i64::from(settings.max_nodes_total);
    for action in actions {
        let Action::IncreaseSize { group, delta } = action else { continue };
        nodes += i64::from(*delta);
        if most > 0 && nodes > most {
            return Err(Violation::QuotaExceeded { resource: "nodes".to_owned() });
        }
        let template = &cluster.group(*group).spec.template;
        let demand = quotas.demand(template);
        if quotas.allowed(&demand, *delta) < *delta {
            let resource = quotas.exceeded_by(&demand).first().map_or("cpu or memory", |one| one);
            return Err(Violation::QuotaExceeded { resource: resource.to_owned() });
        }
        quotas.take(&demand, *delta);
    }
    Ok(())
}

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
    if *outcome != Outcome::Done || before.find_pod(*pod).is_none() {
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
mod tests {
    use super::*;
    use crate::action::DeletionCause;
    use crate::fixture::Fixture;
    use plimsoll_core::SimTime;

    fn delete(node: NodeId) -> Action {
        let (cause, decided_at) = (DeletionCause::Empty, SimTime(0));
        Action::DeleteNode { node, cause, decided_at }
    }

    fn text(result: Result<(), Violation>) -> String {
        result.map_or_else(|violation| violation.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn groups_stay_between_their_minimum_and_maximum() {
        let mut fixture = Fixture::default();
        let group = fixture.group("a", 1, 3, "4", "16Gi");
        let (first, second) = (fixture.node("n1", "a"), fixture.node("n2", "a"));
        let cluster = &fixture.cluster;
        let increase = |delta| Action::IncreaseSize { group, delta };
        let lines = [
            text(check(cluster, &[increase(1)])),
            text(check(cluster, &[increase(1), increase(1)])),
            text(check(cluster, &[increase(0)])),
            text(check(cluster, &[delete(first)])),
            text(check(cluster, &[delete(first), delete(second)])),
            text(check(cluster, &[increase(1), delete(first), delete(first)])),
        ];
        expect_test::expect![[r#"
            fine
            group a would have 4 machines, more than its maximum of 3
            group a is to be enlarged by 0
            fine
            group a would have 0 machines, fewer than its minimum of 1
            node NodeId(0) is deleted twice or is not there"#]]
        .assert_eq(&lines.join("\n"));
    }

    #[test]
    fn limits_of_the_whole_cluster_hold_for_all_increases_together() {
        let mut fixture = Fixture::default();
        let group = fixture.group("a", 0, 9, "4", "16Gi");
        fixture.node("n1", "a");
        let increase = |delta| Action::IncreaseSize { group, delta };
        let cores = fixture.settings(&[("cores-total", "0:12")]);
        let nodes = fixture.settings(&[("max-nodes-total", "2")]);
        let cluster = &fixture.cluster;
        assert!(check_limits(cluster, &cores, &[increase(2)]).is_ok());
        assert!(check_limits(cluster, &cores, &[increase(1), increase(2)]).is_err());
        assert!(check_limits(cluster, &nodes, &[increase(1)]).is_ok());
        assert!(check_limits(cluster, &nodes, &[increase(2)]).is_err());
    }
}
