//! Similar groups, and how new nodes are shared out among them.
//!
//! Source: `processors/nodegroupset` of release 1.36, the generic comparator.

use std::collections::BTreeSet;

use plimsoll_core::Cluster;
use plimsoll_core::ids::GroupId;
use plimsoll_core::pod::ResourceMap;

use super::template::Template;
use crate::settings::Settings;

/// Labels that never make groups differ.
const BASIC_IGNORED_LABELS: [&str; 7] = [
    "kubernetes.io/hostname",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "beta.kubernetes.io/fluentd-ds-ready",
    "kops.k8s.io/instancegroup",
];
/// Resources of which a node always says how much is free.
const ALWAYS_FREE: [&str; 4] = ["cpu", "memory", "ephemeral-storage", "pods"];

/// Whether nodes of two groups are interchangeable.
#[must_use]
pub fn are_similar(
    cluster: &Cluster,
    settings: &Settings,
    one: &Template,
    other: &Template,
) -> bool {
    if !settings.balancing_label.is_empty() {
        return settings.balancing_label.iter().all(|key| {
            let (a, b) = (one.spec.labels.get(key), other.spec.labels.get(key));
            a.is_some() && a == b
        });
    }
    let allocatable = settings.max_allocatable_difference_ratio;
    let free = settings.max_free_difference_ratio;
    same_capacity(settings, &one.spec.capacity, &other.spec.capacity)
        && all_within(&one.spec.allocatable, &other.spec.allocatable, allocatable)
        && all_within(&free_resources(cluster, one), &free_resources(cluster, other), free)
        && same_labels(settings, one, other)
}

/// Shares `count` new nodes out: one by one to the smallest group that is not full. `groups` holds
/// (group, target size, maximum size).
///
/// Gives only groups that grow, with their new sizes, in upstream's order, which is that in which they
/// are enlarged: by their sizes, but a group that fills up changes places with the first one that was
/// not full then. That decides too which of several equals gets the last nodes.
///
/// Source: `BalanceScaleUpBetweenGroups` in `balancing_processor.go`. It sorts with an algorithm that
/// keeps the order of equals for up to twelve groups; ours always does.
#[must_use]
pub fn share_out(groups: &[(GroupId, u32, u32)], count: u32) -> Vec<(GroupId, u32)> {
    let mut sizes: Vec<Share> = groups
        .iter()
        .filter(|(_, size, max)| size != max)
        .map(|(group, size, max)| Share { group: *group, before: *size, after: *size, max: *max })
        .collect();
    sizes.sort_by_key(|one| one.before);
    let capacity: u64 = sizes.iter().map(|one| u64::from(one.max.saturating_sub(one.before))).sum();
    let mut left = u64::from(count).min(capacity);
    // Groups before `open` are full; those from there up to `current` have got their node of this round.
    let (mut open, mut current) = (0, 0);
    while left > 0 {
        if sizes[current].after < sizes[current].max {
            sizes[current].after += 1;
            left -= 1;
        } else {
            sizes.swap(open, current);
            open += 1;
        }
        let next_is_smaller =
            sizes.get(current + 1).is_some_and(|next| sizes[current].after > next.after);
        current = if next_is_smaller { current + 1 } else { open };
    }
    sizes
        .into_iter()
        .filter(|one| one.after > one.before)
        .map(|one| (one.group, one.after))
        .collect()
}

/// What one group gets.
struct Share {
    group: GroupId,
    before: u32,
    after: u32,
    max: u32,
}

/// Capacities are equal, up to a small difference in memory.
fn same_capacity(settings: &Settings, one: &ResourceMap, other: &ResourceMap) -> bool {
    one.len() == other.len()
        && one.iter().all(|(name, amount)| {
            other.get(name).is_some_and(|with| match name.as_str() {
                "memory" => within(*amount, *with, settings.memory_difference_ratio),
                _ => amount == with,
            })
        })
}

fn all_within(one: &ResourceMap, other: &ResourceMap, ratio: f64) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .all(|(name, amount)| other.get(name).is_some_and(|with| within(*amount, *with, ratio)))
}

/// Whether two amounts differ by no more than a share of the larger one.
#[expect(clippy::cast_precision_loss, reason = "upstream compares in float64")]
fn within(one: i64, other: i64, ratio: f64) -> bool {
    let (larger, smaller) = (one.max(other), one.min(other));
    (larger - smaller) as f64 <= larger as f64 * ratio
}

/// What DaemonSet and mirror pods leave of a new node.
fn free_resources(cluster: &Cluster, template: &Template) -> ResourceMap {
    let mut requested: ResourceMap =
        ALWAYS_FREE.iter().map(|name| ((*name).to_owned(), 0)).collect();
    for daemon in &template.daemons {
        for (name, amount) in &cluster.shape(daemon.shape).requests {
            *requested.entry(name.clone()).or_default() += amount;
        }
    }
    for (name, amount) in &mut requested {
        *amount = template.spec.allocatable.get(name).copied().unwrap_or(0) - *amount;
    }
    requested
}

fn same_labels(settings: &Settings, one: &Template, other: &Template) -> bool {
    let ignored = |key: &str| {
        BASIC_IGNORED_LABELS.contains(&key)
            || settings.balancing_ignore_label.iter().any(|label| label == key)
    };
    let keys: BTreeSet<&String> = one.spec.labels.keys().chain(other.spec.labels.keys()).collect();
    keys.into_iter()
        .filter(|key| !ignored(key))
        .all(|key| one.spec.labels.get(key) == other.spec.labels.get(key))
}
