//! How many new nodes of a group it takes, and which pods they hold.
//!
//! Source: `estimator/binpacking_estimator.go` of release 1.36. Pod groups go by how much of a node
//! one of their pods takes, largest first (of equals the earlier one; upstream: any). Each group
//! first fills the new nodes that are there, in turn, and stops at the first pod that fits on
//! none; for the rest only the newest node is tried, and another node is added when it refuses.
//!
//! Where nothing but room tells new nodes apart, a node is a row of numbers and pods are packed by
//! the dozen (`by_room`); else nodes and pods are tried on the fork one by one (`on_fork`).

mod by_room;
mod fast_path;
mod on_fork;

use plimsoll_core::ids::{PodId, ShapeId};
use plimsoll_core::scheduling::Distinction;
use plimsoll_core::{Cluster, Fork, SimTime};

use super::equivalence::PodGroup;
use super::template::Template;

/// What an estimate came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Nodes that got at least one pod: new ones, and where pods are spread by hostname also nodes
    /// that were there, as upstream counts them.
    pub nodes: u32,
    /// The pods they hold, in the order of packing.
    pub pods: Vec<PodId>,
}

/// How many nodes an estimate may add. Of several limits the least holds; 0 is no limit, and below
/// 0 not a single node may be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeLimit(Option<i64>);

impl NodeLimit {
    /// This limit and one more.
    #[must_use]
    pub fn and(self, limit: i64) -> NodeLimit {
        match (self.0, limit) {
            (_, 0) => self,
            (Some(before), limit) => NodeLimit(Some(before.min(limit))),
            (None, limit) => NodeLimit(Some(limit)),
        }
    }

    fn permits(self, nodes: usize) -> bool {
        let nodes = i64::try_from(nodes).unwrap_or(i64::MAX);
        self.0.is_none_or(|limit| nodes < limit)
    }
}

/// Packs pods onto new nodes of a template. What is tried is gone when it returns.
pub fn estimate(
    fork: &mut Fork<'_>,
    groups: &[&PodGroup],
    template: &Template,
    limit: NodeLimit,
    now: SimTime,
) -> Estimate {
    let order = in_order(fork, groups, template);
    pack(fork, &Order { groups: order, multiplies_last: false }, template, limit, now)
}

/// The same with `fastpath-binpacking-enabled`: of one kind of pods only the first new node is packed,
/// and as many such nodes as it takes are added without a look at what else is there.
pub fn estimate_by_fast_path(
    fork: &mut Fork<'_>,
    groups: &[&PodGroup],
    template: &Template,
    limit: NodeLimit,
    now: SimTime,
) -> Estimate {
    let order = in_fast_path_order(fork, groups, template);
    pack(fork, &order, template, limit, now)
}

/// In which order groups are packed, and whether the last one is multiplied.
struct Order<'a> {
    groups: Vec<&'a PodGroup>,
    multiplies_last: bool,
}

impl<'a> Order<'a> {
    /// Each group, and whether it is the one that is multiplied.
    fn each(&self) -> impl Iterator<Item = (&'a PodGroup, bool)> {
        let last = self.groups.len().checked_sub(1).filter(|_| self.multiplies_last);
        self.groups.iter().enumerate().map(move |(place, group)| (*group, last == Some(place)))
    }
}

fn in_fast_path_order<'a>(
    cluster: &Cluster,
    groups: &[&'a PodGroup],
    template: &Template,
) -> Order<'a> {
    let mut groups = in_order(cluster, groups, template);
    let multiplied = fast_path::most_saving(cluster, &groups, template);
    if let Some(place) = multiplied {
        let group = groups.remove(place);
        groups.push(group);
    }
    Order { groups, multiplies_last: multiplied.is_some() }
}

fn pack(
    fork: &mut Fork<'_>,
    order: &Order<'_>,
    template: &Template,
    limit: NodeLimit,
    now: SimTime,
) -> Estimate {
    if only_room_matters(fork, &order.groups) {
        by_room::pack(fork, order, template, limit, now)
    } else {
        on_fork::pack(fork, order, template, limit, now)
    }
}

fn only_room_matters(cluster: &Cluster, groups: &[&PodGroup]) -> bool {
    let mut last: Option<ShapeId> = None;
    groups.iter().all(|group| {
        // Pods of nobody are groups of their own, but alike.
        last == Some(group.shape) || {
            last = Some(group.shape);
            cluster.distinction(group.shape) == Distinction::Room
        }
    })
}

/// The groups by how much of a new node one of their pods takes: the shares of cpu and memory, added
/// up; most first.
#[expect(clippy::cast_precision_loss, reason = "upstream computes these shares in float64")]
fn in_order<'a>(
    cluster: &Cluster,
    groups: &[&'a PodGroup],
    template: &Template,
) -> Vec<&'a PodGroup> {
    let size = |name: &str| template.spec.allocatable.get(name).copied().unwrap_or(0);
    let (cpu_size, memory_size) = (size("cpu"), size("memory"));
    let share = |amount: i64, size: i64| if size > 0 { amount as f64 / size as f64 } else { 0.0 };
    let mut scored: Vec<(f64, &PodGroup)> = groups
        .iter()
        .map(|group| {
            let (cpu, memory) = cluster.cpu_and_memory(group.shape);
            (share(cpu, cpu_size) + share(memory, memory_size), *group)
        })
        .collect();
    scored.sort_by(|one, other| other.0.total_cmp(&one.0));
    scored.into_iter().map(|(_, group)| group).collect()
}

/// What pods of an option ask for together: cpu (milli) and memory (bytes).
#[must_use]
pub fn requests_of(cluster: &Cluster, pods: &[PodId]) -> (i64, i64) {
    let mut sum = (0, 0);
    let mut last: Option<(ShapeId, (i64, i64))> = None;
    for pod in pods {
        let shape = cluster.pod(*pod).shape;
        let (cpu, memory) = match last {
            Some((known, requests)) if known == shape => requests,
            _ => cluster.cpu_and_memory(shape),
        };
        last = Some((shape, (cpu, memory)));
        sum.0 += cpu;
        sum.1 += memory;
    }
    sum
}

#[cfg(test)]
mod tests;
