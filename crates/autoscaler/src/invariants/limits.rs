//! The limits of the whole cluster.

use plimsoll_core::ids::GroupId;
use plimsoll_core::node::NodeSpec;
use plimsoll_core::{Cluster, NodeGroupSpec};

use super::Violation;
use crate::action::Action;
use crate::scale_up::limits::Quotas;
use crate::settings::Settings;

/// Holds increases against the limits of the whole cluster: `max-nodes-total` (over Nodes that were
/// asked for or work), `cores-total`, `memory-total`, `gpu-total`.
///
/// An increase up to a group's own minimum passes: `enforce-node-group-min-size` looks at each group
/// by itself. New nodes count as the least that is known of them, by the group's template or by a
/// Node that it has, as a strategy may go by either.
///
/// # Errors
/// The first limit that an increase would exceed.
pub fn check_limits(
    cluster: &Cluster,
    settings: &Settings,
    actions: &[Action],
) -> Result<(), Violation> {
    let increases = || {
        actions.iter().filter_map(|action| match action {
            Action::IncreaseSize { group, delta } => Some((*group, *delta)),
            _ => None,
        })
    };
    if increases().next().is_none() {
        return Ok(());
    }
    let mut quotas = Quotas::new(cluster, settings);
    let most = i64::from(settings.max_nodes_total);
    let mut nodes = if most > 0 { countable_nodes(cluster) } else { 0 };
    let mut targets: Vec<u32> = cluster.groups().map(|(_, group)| group.target_size).collect();
    for (group, delta) in increases() {
        let spec = &cluster.group(group).spec;
        let target = &mut targets[group.index()];
        *target = target.saturating_add(delta);
        if *target <= spec.min_size {
            continue;
        }
        nodes += i64::from(delta);
        if most > 0 && nodes > most {
            return Err(Violation::QuotaExceeded { resource: "nodes".to_owned() });
        }
        let demand = quotas.demand(&least_known(cluster, group, spec));
        if let Some(resource) = quotas.exceeded_by(&demand, delta).first() {
            return Err(Violation::QuotaExceeded { resource: (*resource).to_owned() });
        }
        quotas.take(&demand, delta);
    }
    Ok(())
}

/// The Nodes that count: of a group those that are ready, and others as far as they were asked for.
fn countable_nodes(cluster: &Cluster) -> i64 {
    let mut of_group: Vec<(i64, i64)> = vec![(0, 0); cluster.group_count()];
    let mut others = 0;
    for (_, node) in cluster.nodes() {
        match node.group {
            None => others += 1,
            Some(group) => {
                let (all, ready) = &mut of_group[group.index()];
                *all += 1;
                *ready += i64::from(node.ready);
            }
        }
    }
    let in_groups = cluster.groups().zip(of_group);
    let in_groups = in_groups
        .map(|((_, group), (all, ready))| all.min(i64::from(group.target_size).max(ready)));
    others + in_groups.sum::<i64>()
}

/// The least that is known of a group's nodes, resource by resource.
fn least_known(cluster: &Cluster, group: GroupId, spec: &NodeGroupSpec) -> NodeSpec {
    let mut least = spec.template.clone();
    let mut templates: Vec<_> = cluster
        .nodes()
        .filter(|(_, node)| node.group == Some(group))
        .map(|(_, node)| node.template)
        .collect();
    templates.sort_unstable();
    templates.dedup();
    for template in templates {
        let other = cluster.catalog().template(template);
        if least.allocatable.is_empty() {
            least.labels = plimsoll_core::Labels::clone(&other.labels);
            least.capacity = other.capacity.clone();
            least.allocatable = other.allocatable.clone();
        }
        for (mine, theirs) in
            [(&mut least.capacity, &other.capacity), (&mut least.allocatable, &other.allocatable)]
        {
            for (name, amount) in mine.iter_mut() {
                *amount = (*amount).min(theirs.get(name).copied().unwrap_or(0));
            }
        }
    }
    least
}
