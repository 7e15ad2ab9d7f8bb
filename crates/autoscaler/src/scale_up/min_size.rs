//! Groups below their minimum size: upstream's rule, which looks at what the cloud has been asked
//! for, and ours, which looks at the nodes that came of it.

use std::sync::Arc;

use plimsoll_core::Fork;
use plimsoll_core::ids::{GroupId, NodeId};

use super::limits::Quotas;
use super::orchestrator::{Increase, ScaleUpInputs, not_ready};
use super::template::Template;

/// Enlarges groups of which the cloud has been asked for fewer machines than their minimum, as
/// `enforce-node-group-min-size` demands.
///
/// The limit of nodes is held against the group's own size, as upstream does. Gives how many groups
/// that cut short besides. Like what else the loop has asked for, the stand-ins of its salvo do not
/// count: upstream goes by the nodes that there were before it.
///
/// Source: `ScaleUpToNodeGroupMinSize` in `core/scaleup/orchestrator/orchestrator.go`.
pub fn scale_up_to_min_size(
    fork: &mut Fork<'_>,
    inputs: &ScaleUpInputs<'_>,
    stand_ins: &[NodeId],
) -> (Vec<Increase>, usize) {
    let (mut increases, mut cut_short) = (Vec::new(), 0);
    // Every group is held against the limits as if it were the only one to grow.
    let mut quotas = Quotas::new(fork, inputs.settings);
    stand_ins.iter().for_each(|node| quotas.leave_out(fork, *node));
    for (group, min_size) in minimums(fork) {
        let from = inputs.targets[group.index()];
        if from >= min_size || not_ready(inputs, group).is_some() {
            continue;
        }
        let Some(template) = template_of(fork, inputs, group) else { continue };
        let allowed = quotas.allowed(&quotas.demand(&template.spec), min_size - from);
        let room = match inputs.settings.max_nodes_total {
            0 => allowed,
            most => allowed.min(most.saturating_sub(from)),
        };
        cut_short += usize::from(room < allowed);
        if room > 0 {
            increases.push(Increase { group, from, to: from + room });
        }
    }
    (increases, cut_short)
}

/// Enlarges groups with fewer working nodes than their minimum, as our own
/// `plimsoll-enforce-min-size-on-live-nodes` demands: nodes that are ready count, and machines that
/// are still expected to become Nodes, but neither nodes that have broken down nor machines that have
/// failed. So a group whose target is right is repaired all the same.
///
/// Unlike upstream's rule it holds all of the cluster's limits, `max-nodes-total` included, for all
/// groups together. A group that is unhealthy as a whole or backs off is left alone. By group index
/// `growing` says how many nodes this loop has asked for already, and `on_fork` how many of these have
/// a stand-in on the fork.
pub fn repair_min_size(
    fork: &mut Fork<'_>,
    inputs: &ScaleUpInputs<'_>,
    growing: &[u32],
    on_fork: &[u32],
) -> Vec<Increase> {
    let mut increases = Vec::new();
    let mut quotas = Quotas::new(fork, inputs.settings);
    let mut node_count = inputs.node_count;
    let uncounted: Vec<u32> = growing.iter().zip(on_fork).map(|(all, on)| all - on).collect();
    take_growing(fork, inputs, &uncounted, &mut quotas, &mut node_count);
    for (group, min_size) in minimums(fork) {
        let live = inputs.registry.live(group, inputs.now) + growing[group.index()];
        if live >= min_size || not_ready(inputs, group).is_some() {
            continue;
        }
        let Some(template) = template_of(fork, inputs, group) else { continue };
        let from = inputs.targets[group.index()];
        let room = fork.group(group).spec.max_size.saturating_sub(from);
        let mut wanted = (min_size - live).min(room);
        if let most @ 1.. = inputs.settings.max_nodes_total {
            let nodes = u32::try_from(node_count).unwrap_or(u32::MAX);
            wanted = wanted.min(most.saturating_sub(nodes));
        }
        let demand = quotas.demand(&template.spec);
        wanted = quotas.allowed(&demand, wanted);
        if wanted > 0 {
            quotas.take(&demand, wanted);
            node_count += usize::try_from(wanted).expect("usize is at least 32 bits wide");
            increases.push(Increase { group, from, to: from + wanted });
        }
    }
    increases
}

/// Takes what the loop has asked for already off what is left.
fn take_growing(
    fork: &mut Fork<'_>,
    inputs: &ScaleUpInputs<'_>,
    growing: &[u32],
    quotas: &mut Quotas,
    node_count: &mut usize,
) {
    for (index, count) in growing.iter().enumerate().filter(|(_, count)| **count > 0) {
        if let Some(template) = template_of(fork, inputs, GroupId::at(index)) {
            quotas.take(&quotas.demand(&template.spec), *count);
        }
        *node_count += usize::try_from(*count).expect("usize is at least 32 bits wide");
    }
}

fn minimums(fork: &Fork<'_>) -> Vec<(GroupId, u32)> {
    fork.groups().map(|(id, group)| (id, group.spec.min_size)).collect()
}

fn template_of(
    fork: &mut Fork<'_>,
    inputs: &ScaleUpInputs<'_>,
    group: GroupId,
) -> Option<Arc<Template>> {
    inputs.templates.of_group(fork, inputs.registry, inputs.settings, group, inputs.now)
}
