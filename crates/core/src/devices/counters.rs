//! Counters that partitions of a device draw from.
//!
//! Source: `checkAvailableCounters` of the upstream allocator. It knows pools by their bare names;
//! so does this, since two drivers may well call their pools after the node.

use std::collections::BTreeMap;

use super::inventory::SlicedDevice;
use super::pools::NodePool;
use super::uses::Uses;
use crate::quantity::Quantity;

/// A counter: its set's name and its own.
type CounterName<'a> = (&'a str, &'a str);

/// The counters of the pools from which devices were drawn in one attempt.
#[derive(Debug, Default)]
pub(super) struct CounterStates<'a> {
    by_pool: Vec<(&'a str, PoolCounters<'a>)>,
}

#[derive(Debug)]
struct PoolCounters<'a> {
    /// What devices that are held leave.
    available: BTreeMap<CounterName<'a>, Quantity>,
    /// What this attempt draws.
    drawn: BTreeMap<CounterName<'a>, Quantity>,
}

impl<'a> CounterStates<'a> {
    /// Draws what the device consumes, if no counter of the pool is then overdrawn.
    pub(super) fn draw(
        &mut self,
        pool: &NodePool<'a>,
        device: &'a SlicedDevice,
        uses: &Uses,
    ) -> bool {
        let counters = self.of_pool(pool, uses);
        for (name, amount) in consumption(device) {
            let sum = counters.drawn.entry(name).or_default();
            *sum = *sum + amount;
        }
        let suffices = counters.available.iter().all(|(name, available)| {
            counters.drawn.get(name).copied().unwrap_or_default() <= *available
        });
        if !suffices {
            counters.put_back(device);
        }
        suffices
    }

    /// Puts back what was drawn for a device.
    pub(super) fn put_back(&mut self, pool: &NodePool<'a>, device: &'a SlicedDevice) {
        let known = self.by_pool.iter_mut().find(|(name, _)| *name == &*pool.pool.name);
        if let Some((_, counters)) = known {
            counters.put_back(device);
        }
    }

    fn of_pool(&mut self, pool: &NodePool<'a>, uses: &Uses) -> &mut PoolCounters<'a> {
        let name: &'a str = &pool.pool.name;
        let index = match self.by_pool.iter().position(|(one, _)| *one == name) {
            Some(index) => index,
            None => {
                self.by_pool.push((name, PoolCounters::of(pool, uses)));
                self.by_pool.len() - 1
            }
        };
        &mut self.by_pool[index].1
    }
}

impl<'a> PoolCounters<'a> {
    fn of(pool: &NodePool<'a>, uses: &Uses) -> PoolCounters<'a> {
        let mut available: BTreeMap<CounterName<'a>, Quantity> = BTreeMap::new();
        for (set, counters) in pool.counter_slices.iter().flat_map(|one| &one.shared_counters) {
            for (name, amount) in counters {
                available.insert((set, name), *amount);
            }
        }
        let held = pool
            .slices
            .iter()
            .chain(&pool.slices_elsewhere)
            .flat_map(|slice| &slice.devices)
            .filter(|one| uses.of(one.id).is_in_use());
        for (name, amount) in held.flat_map(consumption) {
            if let Some(left) = available.get_mut(&name) {
                *left = *left - amount;
            }
        }
        PoolCounters { available, drawn: BTreeMap::new() }
    }

    fn put_back(&mut self, device: &'a SlicedDevice) {
        for (name, amount) in consumption(device) {
            let sum = self.drawn.entry(name).or_default();
            *sum = *sum - amount;
        }
    }
}

fn consumption(device: &SlicedDevice) -> impl Iterator<Item = (CounterName<'_>, Quantity)> {
    device.device.consumes_counters.iter().flat_map(|one| {
        let set = one.counter_set.as_str();
        one.counters.iter().map(move |(name, amount)| ((set, name.as_str()), *amount))
    })
}
