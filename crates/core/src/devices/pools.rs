//! The pools that a node reaches: newest generation only, whole and consistent ones told from others.
//!
//! Source: `GatherPools` of `k8s.io/dynamic-resource-allocation/structured`, the allocator that the
//! default feature gates of 1.36 pick.

use std::collections::BTreeSet;

use super::inventory::{Inventory, Pool, PoolId, Slice, SliceIndex};
use super::slice::{Counters, Reach};

/// A node, as far as devices are concerned.
pub struct NodeView<'a> {
    /// The name.
    pub name: &'a str,
    /// The value of a label.
    pub label: &'a dyn Fn(&str) -> Option<&'a str>,
    /// What the node itself has of a resource, in whole units; `None` when its allocatable does not
    /// name the resource.
    pub allocatable: &'a dyn Fn(&str) -> Option<i64>,
}

impl std::fmt::Debug for NodeView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeView({})", self.name)
    }
}

/// Why no device of a pool can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The driver is still writing slices.
    Incomplete,
    /// Names are there twice, or counters are missing.
    Invalid,
}

/// A pool as one node sees it.
#[derive(Debug)]
pub(super) struct NodePool<'a> {
    pub(super) pool: &'a Pool,
    pub(super) trouble: Option<Trouble>,
    /// The slices with devices for the node, by name.
    pub(super) slices: Vec<&'a Slice>,
    /// The other slices with devices, which share the counters. None without counters.
    pub(super) slices_elsewhere: Vec<&'a Slice>,
    /// The slices with counter sets.
    pub(super) counter_slices: Vec<&'a Slice>,
    waits_for_binding: bool,
}

impl NodePool<'_> {
    /// `driver/pool`.
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}", self.pool.driver, self.pool.name)
    }
}

impl Inventory {
    /// The pools that a node reaches, in the order in which they are tried.
    pub(super) fn pools_for<'a>(&'a self, node: &NodeView<'_>) -> Vec<NodePool<'a>> {
        let mut relevant: Vec<(PoolId, Vec<&'a Slice>)> = Vec::new();
        for slice in self.slices_for(node) {
            match relevant.iter_mut().find(|(pool, _)| *pool == slice.pool) {
                Some((_, slices)) => slices.push(slice),
                None => relevant.push((slice.pool, vec![slice])),
            }
        }
        for (pool, slices) in &mut relevant {
            if !self.pool(*pool).has_no_counters {
                slices.extend(self.counter_slices_of(*pool));
            }
        }
        let elsewhere = self
            .troubled
            .iter()
            .filter(|(pool, _)| relevant.iter().all(|(one, _)| one != pool))
            .map(|(pool, trouble)| NodePool::in_trouble(self.pool(*pool), *trouble));
        let mut pools: Vec<NodePool<'a>> = elsewhere.collect();
        pools
            .extend(relevant.into_iter().filter_map(|(pool, slices)| self.node_pool(pool, slices)));
        pools.sort_by(|left, right| {
            let key =
                |one: &NodePool<'a>| (one.waits_for_binding, &one.pool.driver, &one.pool.name);
            key(left).cmp(&key(right))
        });
        pools
    }

    /// The slices with devices for a node, of whatever generation.
    pub(super) fn slices_for<'a>(&'a self, node: &NodeView<'_>) -> impl Iterator<Item = &'a Slice> {
        let has_devices = |index: &&SliceIndex| self.slice(**index).shared_counters.is_empty();
        let local = self.of_node(node.name).iter().filter(has_devices);
        let shared = self.shared.iter().filter(|index| self.slice(**index).is_for(node));
        local.chain(shared).map(|index| self.slice(*index))
    }

    fn counter_slices_of(&self, pool: PoolId) -> impl Iterator<Item = &Slice> {
        self.slices_of(pool).filter(|slice| !slice.shared_counters.is_empty())
    }

    /// What stands in the way of nodes that reach no device of the pool.
    pub(super) fn trouble_everywhere(&self, pool: PoolId) -> Option<Trouble> {
        let slices: Vec<&Slice> = self.counter_slices_of(pool).collect();
        if slices.is_empty() { None } else { self.node_pool(pool, slices)?.trouble }
    }

    /// A pool of which these slices matter; `None` when a newer generation is being written.
    fn node_pool<'a>(&'a self, id: PoolId, mut slices: Vec<&'a Slice>) -> Option<NodePool<'a>> {
        let pool = self.pool(id);
        let generation = slices.iter().map(|slice| slice.generation).max()?;
        slices.retain(|slice| slice.generation == generation);
        let slice_count = slices.first()?.slice_count;
        let is_complete = |count: usize| i64::try_from(count) == Ok(slice_count);
        let mut all: Vec<&Slice> = Vec::new();
        if !is_complete(slices.len()) {
            if self.slices_of(id).any(|slice| slice.generation > generation) {
                return None;
            }
            all = self.slices_of(id).filter(|slice| slice.generation == generation).collect();
            if !is_complete(all.len()) {
                return Some(NodePool::in_trouble(pool, Trouble::Incomplete));
            }
        }
        slices.sort_by(|left, right| left.name.cmp(&right.name));
        let (with_counters, with_devices): (Vec<_>, Vec<_>) =
            slices.iter().copied().partition(|slice| !slice.shared_counters.is_empty());
        let elsewhere: Vec<&Slice> = if pool.has_no_counters {
            Vec::new()
        } else {
            all.retain(|slice| slices.iter().all(|one| one.name != slice.name));
            all
        };
        let has_unique_names = pool.has_unique_names || names_are_unique(&with_devices);
        let has_counters = pool.has_no_counters
            || counters_exist(&with_counters, with_devices.iter().chain(&elsewhere));
        if !(has_unique_names && has_counters) {
            return Some(NodePool::in_trouble(pool, Trouble::Invalid));
        }
        let waits_for_binding = with_devices
            .iter()
            .flat_map(|slice| &slice.devices)
            .any(|one| !one.device.binding_conditions.is_empty());
        Some(NodePool {
            pool,
            trouble: None,
            slices: with_devices,
            slices_elsewhere: elsewhere,
            counter_slices: with_counters,
            waits_for_binding,
        })
    }
}

impl<'a> NodePool<'a> {
    fn in_trouble(pool: &'a Pool, trouble: Trouble) -> NodePool<'a> {
        NodePool {
            pool,
            trouble: Some(trouble),
            slices: Vec::new(),
            slices_elsewhere: Vec::new(),
            counter_slices: Vec::new(),
            waits_for_binding: false,
        }
    }
}

impl Slice {
    /// Whether the node reaches the slice, or one of its devices where they say so themselves.
    fn is_for(&self, node: &NodeView<'_>) -> bool {
        if self.reach == Reach::PerDevice {
            self.devices
                .iter()
                .any(|one| one.device.reach.as_ref().is_some_and(|reach| covers(reach, node)))
        } else {
            covers(&self.reach, node)
        }
    }
}

/// Whether the node is one of those reached.
pub(super) fn covers(reach: &Reach, node: &NodeView<'_>) -> bool {
    reach.covers(node.name, node.label)
}

fn names_are_unique(slices: &[&Slice]) -> bool {
    let mut seen = BTreeSet::new();
    slices.iter().flat_map(|slice| &slice.devices).all(|one| seen.insert(one.id))
}

/// Whether no counter set is there twice, and devices draw only from counters that are there.
fn counters_exist<'a>(
    counter_slices: &[&Slice],
    device_slices: impl Iterator<Item = &'a &'a Slice>,
) -> bool {
    let mut sets: Vec<(&str, &Counters)> = Vec::new();
    for (name, counters) in counter_slices.iter().flat_map(|slice| &slice.shared_counters) {
        if sets.iter().any(|(one, _)| one == name) {
            return false;
        }
        sets.push((name, counters));
    }
    device_slices
        .flat_map(|slice| &slice.devices)
        .flat_map(|one| &one.device.consumes_counters)
        .all(|consumption| {
            let set = sets.iter().find(|(name, _)| *name == consumption.counter_set);
            set.is_some_and(|(_, counters)| {
                consumption.counters.keys().all(|name| counters.contains_key(name))
            })
        })
}
