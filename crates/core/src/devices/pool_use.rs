//! How much of a node's own devices its pods hold.
//!
//! Source: Cluster Autoscaler's `simulator/dynamicresources/utils/utilization.go`, release 1.36.

use std::collections::BTreeMap;

use super::Devices;
use super::claims::ClaimId;
use super::inventory::{DeviceId, PoolId, Slice};
use super::slice::Device;

impl Devices {
    /// The pool of the node's own that is used most, as `driver/pool`, and which part of it the
    /// claims hold: of several equal ones the last by name. `None` when the node has none.
    ///
    /// Devices count alike. Where they draw from counters, the physical devices behind them are what
    /// is counted: a counter set is one, used as much as the counter of it that is drawn from most.
    ///
    /// # Errors
    /// A claim holds nothing yet, or a pool is not whole.
    pub fn highest_pool_use(
        &self,
        node: &str,
        claims: &[ClaimId],
    ) -> Result<Option<(String, f64)>, String> {
        let mut held: Vec<DeviceId> = Vec::new();
        for id in claims {
            let claim = self.claims.get(*id);
            let Some(allocation) = &claim.object.status.allocation else {
                return Err(format!("claim {} not allocated", claim.object.full_name()));
            };
            let results = claim.held.iter().zip(&allocation.results);
            held.extend(results.filter(|(_, one)| !one.admin_access).map(|(id, _)| *id));
        }
        let mut pools: BTreeMap<PoolId, Vec<&Slice>> = BTreeMap::new();
        for slice in self.slices_of(node) {
            pools.entry(slice.pool).or_default().push(slice);
        }
        let mut uses: Vec<(String, f64)> = Vec::with_capacity(pools.len());
        for (id, slices) in pools {
            let pool = self.inventory.pool(id);
            let newest = newest_of(slices, &pool.name)?;
            uses.push((format!("{}/{}", pool.driver, pool.name), use_of(&newest, &held)));
        }
        uses.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(uses.into_iter().max_by(|left, right| left.1.total_cmp(&right.1)))
    }
}

/// The slices of the newest generation, if all are there.
fn newest_of<'a>(mut slices: Vec<&'a Slice>, pool: &str) -> Result<Vec<&'a Slice>, String> {
    let newest = slices.iter().map(|slice| slice.generation).max().unwrap_or(0);
    slices.retain(|slice| slice.generation == newest);
    let wanted = slices.first().map_or(0, |slice| slice.slice_count);
    if i64::try_from(slices.len()) == Ok(wanted) {
        return Ok(slices);
    }
    Err(format!(
        "pool {pool:?} error: newest generation: {newest}, slice count: {wanted} - found only {} \
         slices",
        slices.len()
    ))
}

fn use_of(slices: &[&Slice], held: &[DeviceId]) -> f64 {
    let devices = || slices.iter().flat_map(|slice| &slice.devices);
    if slices.iter().all(|slice| slice.shared_counters.is_empty()) {
        return match devices().count() {
            0 => 0.0,
            all => share(devices().filter(|one| held.contains(&one.id)).count(), all),
        };
    }
    let mut drawn: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    let mut sets: Vec<&str> = Vec::new();
    for one in devices() {
        note_sets(&one.device, &mut sets);
        if held.contains(&one.id) {
            note_drawn(&one.device, &mut drawn);
        }
    }
    if sets.is_empty() {
        return 0.0;
    }
    let mut sum = 0.0;
    for (set, counters) in slices.iter().flat_map(|slice| &slice.shared_counters) {
        let parts = counters.iter().filter(|(_, all)| !all.is_zero()).filter_map(|(name, all)| {
            Some(drawn.get(&(set.as_str(), name.as_str()))? / all.approximate())
        });
        sum += parts.fold(0.0, f64::max) / share(sets.len(), 1);
    }
    sum
}

fn note_sets<'a>(device: &'a Device, sets: &mut Vec<&'a str>) {
    for one in &device.consumes_counters {
        if !sets.contains(&one.counter_set.as_str()) {
            sets.push(&one.counter_set);
        }
    }
}

fn note_drawn<'a>(device: &'a Device, drawn: &mut BTreeMap<(&'a str, &'a str), f64>) {
    for one in &device.consumes_counters {
        for (name, amount) in &one.counters {
            *drawn.entry((&one.counter_set, name)).or_default() += amount.approximate();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "upstream divides floating point numbers too")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}
