//! How many deletions may be in progress, and which go first.
//!
//! Source: `core/scaledown/budgets` of release 1.36. Nodes go group by group, in the order in which
//! the groups first occur. Groups that shrink as a whole come first: each of them goes with all of
//! its nodes or not at all, and one of them in a round may go although it is larger than what is left
//! of a budget, or else a large one never would.

use plimsoll_core::ids::{GroupId, NodeId};

use crate::settings::Settings;

/// Nodes of one group that may be deleted now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The group.
    pub group: GroupId,
    /// The nodes, all of them empty or all to be drained.
    pub nodes: Vec<NodeId>,
    /// Of a group that goes as a whole: so many of its nodes must be ready to go before any is
    /// deleted.
    pub batch_size: Option<usize>,
}

/// What the budgets must know of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSize {
    /// It goes as a whole or not at all.
    pub is_atomic: bool,
    /// What the cloud has been asked for.
    pub target: usize,
    /// Its Nodes whose machines the cloud lists.
    pub registered: usize,
}

/// What is left of the budgets. Below zero, more is in progress than the flags allow.
struct Budgets {
    all: i64,
    drains: i64,
    /// An atomic group may still exceed what is left.
    may_overflow: bool,
}

/// The nodes out of `empty` and `drains` that may start now, when so many deletions are in progress
/// (of empty nodes, with a drain).
#[must_use]
pub fn crop_to_budgets(
    settings: &Settings,
    in_progress: (usize, usize),
    empty: &[(NodeId, GroupId)],
    drains: &[(NodeId, GroupId)],
    size_of: &dyn Fn(GroupId) -> GroupSize,
) -> (Vec<Bucket>, Vec<Bucket>) {
    let is_atomic = |bucket: &Bucket| size_of(bucket.group).is_atomic;
    let (empty_atomic, empty) = by_group(empty).into_iter().partition::<Vec<_>, _>(is_atomic);
    let (drain_atomic, drains) = by_group(drains).into_iter().partition::<Vec<_>, _>(is_atomic);
    let (empty_now, drains_now) = (count(in_progress.0), count(in_progress.1));
    let mut left = Budgets {
        all: i64::from(settings.max_scale_down_parallelism) - empty_now - drains_now,
        drains: i64::from(settings.max_drain_parallelism) - drains_now,
        may_overflow: true,
    };
    let mut chosen = (Vec::new(), Vec::new());
    left.take_atomic_with_empty(&empty_atomic, &drain_atomic, size_of, &mut chosen);
    left.drains = left.drains.min(left.all);
    left.take_atomic_to_drain(&empty_atomic, &drain_atomic, size_of, &mut chosen.1);
    left.all -= take_individual(empty, left.all, &mut chosen.0);
    let for_drains = left.drains.min(left.all);
    take_individual(drains, for_drains, &mut chosen.1);
    chosen
}

impl Budgets {
    /// Atomic groups with at least one empty node, and what of them is to be drained.
    fn take_atomic_with_empty(
        &mut self,
        empty: &[Bucket],
        drains: &[Bucket],
        size_of: &dyn Fn(GroupId) -> GroupSize,
        chosen: &mut (Vec<Bucket>, Vec<Bucket>),
    ) {
        for bucket in empty {
            let drained = drains.iter().find(|one| one.group == bucket.group);
            let drain_count = drained.map_or(0, |one| count(one.nodes.len()));
            let total = count(bucket.nodes.len()) + drain_count;
            let exceeds = self.all < total || self.drains < drain_count;
            let nothing_left = self.all == 0 || (drain_count > 0 && self.drains == 0);
            if exceeds && (nothing_left || !self.may_overflow) {
                break;
            }
            let size = size_of(bucket.group);
            let is_whole = [size.target, size.registered].into_iter().any(|n| count(n) == total);
            if !is_whole {
                continue;
            }
            let batch_size = Some(batch_size(size, bucket));
            chosen.0.push(Bucket { batch_size, ..bucket.clone() });
            chosen.1.extend(drained.map(|one| Bucket { batch_size, ..one.clone() }));
            self.all -= total;
            self.drains -= drain_count;
            self.may_overflow = false;
        }
    }

    /// Atomic groups all of whose nodes are to be drained.
    fn take_atomic_to_drain(
        &mut self,
        empty: &[Bucket],
        drains: &[Bucket],
        size_of: &dyn Fn(GroupId) -> GroupSize,
        chosen: &mut Vec<Bucket>,
    ) {
        for bucket in drains {
            if empty.iter().any(|one| one.group == bucket.group) {
                continue;
            }
            let total = count(bucket.nodes.len());
            if self.drains < total && (self.drains == 0 || !self.may_overflow) {
                break;
            }
            let size = size_of(bucket.group);
            if ![size.target, size.registered].contains(&bucket.nodes.len()) {
                continue;
            }
            chosen.push(Bucket { batch_size: Some(batch_size(size, bucket)), ..bucket.clone() });
            self.all -= total;
            self.drains -= total;
            self.may_overflow = false;
        }
    }
}

/// How many nodes must be ready before the group goes: all that were asked for, or all that
/// registered where the bucket has all of those, as machines that never register would hold it up.
fn batch_size(size: GroupSize, bucket: &Bucket) -> usize {
    if bucket.nodes.len() == size.registered { size.registered } else { size.target }
}

/// Takes from the buckets in turn until the budget is used up; gives how much of it was.
fn take_individual(buckets: Vec<Bucket>, budget: i64, chosen: &mut Vec<Bucket>) -> i64 {
    let mut left = usize::try_from(budget).unwrap_or(0);
    let mut taken = 0;
    for mut bucket in buckets {
        if left == 0 {
            break;
        }
        bucket.nodes.truncate(left);
        left -= bucket.nodes.len();
        taken += count(bucket.nodes.len());
        chosen.push(bucket);
    }
    taken
}

fn by_group(nodes: &[(NodeId, GroupId)]) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for (node, group) in nodes {
        match buckets.iter_mut().find(|bucket| bucket.group == *group) {
            Some(bucket) => bucket.nodes.push(*node),
            None => {
                buckets.push(Bucket { group: *group, nodes: vec![*node], batch_size: None });
            }
        }
    }
    buckets
}

fn count(nodes: usize) -> i64 {
    i64::try_from(nodes).expect("numbers of nodes are far below 2^63")
}
