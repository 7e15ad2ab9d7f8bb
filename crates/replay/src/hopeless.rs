//! Why pods were never scheduled: which group would take them, and what the others lack.

use std::collections::BTreeMap;

use plimsoll_core::cluster::{Cluster, NodeBirth};
use plimsoll_core::ids::{GroupId, ShapeId};
use plimsoll_core::scheduling::Refusal;

use crate::view::quantity;

/// Finds reasons, each shape once.
#[derive(Debug, Default)]
pub struct Reasons {
    by_shape: BTreeMap<ShapeId, String>,
}

impl Reasons {
    /// What kept pods of this shape from ever being scheduled, in a few words.
    pub fn of(&mut self, cluster: &mut Cluster, shape: ShapeId) -> String {
        if let Some(known) = self.by_shape.get(&shape) {
            return known.clone();
        }
        let reason = reason(cluster, shape);
        self.by_shape.insert(shape, reason.clone());
        reason
    }
}

fn reason(cluster: &mut Cluster, shape: ShapeId) -> String {
    let spec = cluster.shape(shape);
    if !spec.scheduling_gates.is_empty() {
        return format!("held by scheduling gate {}", spec.scheduling_gates.join(", "));
    }
    let groups: Vec<GroupId> = cluster.groups().map(|(id, _)| id).collect();
    if groups.is_empty() {
        return "there is no node group".to_owned();
    }
    let verdicts: Vec<(GroupId, Option<Refusal>)> =
        groups.iter().map(|id| (*id, refusal_of_empty_node(cluster, shape, *id))).collect();
    let taken: Vec<GroupId> =
        verdicts.iter().filter(|one| one.1.is_none()).map(|one| one.0).collect();
    if taken.is_empty() {
        return why_none_fits(cluster, shape, &verdicts);
    }
    let full = |id: &GroupId| cluster.group(*id).target_size >= cluster.group(*id).spec.max_size;
    let names = |ids: &[GroupId]| {
        let names: Vec<&str> = ids.iter().map(|id| cluster.group(*id).spec.name.as_str()).collect();
        names.join(", ")
    };
    if taken.iter().all(full) {
        return format!("{} at maximum size", names(&taken));
    }
    format!("it would fit {}, which was not enlarged in time", names(&taken))
}

/// What an empty new node of a group says to a pod.
fn refusal_of_empty_node(cluster: &mut Cluster, shape: ShapeId, group: GroupId) -> Option<Refusal> {
    let spec = std::sync::Arc::clone(&cluster.group(group).spec);
    let mut fork = cluster.fork();
    let node = fork.add_node(NodeBirth {
        name: format!("{}-template", spec.name),
        spec: spec.template.clone(),
        group: Some(group),
        ready: true,
        ..NodeBirth::default()
    });
    fork.refusal(shape, node)
}

fn why_none_fits(
    cluster: &Cluster,
    shape: ShapeId,
    verdicts: &[(GroupId, Option<Refusal>)],
) -> String {
    let spec = cluster.shape(shape);
    // What every single group lacks explains the most in the fewest words.
    let lacking = spec.requests.iter().find(|(name, amount)| {
        verdicts.iter().all(|(group, _)| {
            let template = &cluster.group(*group).spec.template;
            template.allocatable.get(*name).copied().unwrap_or(0) < **amount
        })
    });
    if let Some((name, amount)) = lacking {
        return format!("no group has {} {name}", quantity(name, *amount));
    }
    let parts: Vec<String> = verdicts
        .iter()
        .filter_map(|(group, refusal)| {
            Some(format!("{}: {}", cluster.group(*group).spec.name, refusal.as_ref()?))
        })
        .collect();
    format!("fits no group ({})", parts.join("; "))
}
