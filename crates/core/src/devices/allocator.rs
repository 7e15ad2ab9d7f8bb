//! The search for devices: the first combination in a fixed order that satisfies everything.
//!
//! Claims are satisfied one after the other, in each its requests, in each its devices. A candidate
//! is picked and the search goes on; when that leads nowhere, it is put back and the next is tried.
//! Pools are tried by driver and name, slices by name, devices in the order of their slice, so that
//! the same devices are given as upstream gives.
//!
//! Source: the "incubating" allocator of `k8s.io/dynamic-resource-allocation/structured`, which the
//! default feature gates of 1.36 pick.

mod result;

use rustc_hash::FxHashMap;

use super::capacity::{self, Amounts};
use super::claim::{DeviceConstraint, DeviceCount, MAX_DEVICES_PER_CLAIM};
use super::constraints::{ConstraintState, Picking};
use super::counters::CounterStates;
use super::inventory::{DeviceId, Inventory, Slice, SlicedDevice};
use super::pools::{NodePool, NodeView, Trouble, covers};
use super::selector::{SelectorId, Selectors};
use super::slice::{DeviceToleration, Reach};
use super::uses::Uses;

pub(super) use result::{Given, allocation};

/// A search that takes more steps is given up. Upstream gives up after ten seconds, which are about
/// as many steps; a count gives the same answer on every machine.
const MAX_STEPS: u64 = 1_000_000;

/// What is searched, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) selectors: &'a Selectors,
    pub(super) uses: &'a Uses,
}

/// A claim to be satisfied.
#[derive(Debug)]
pub(super) struct Wish<'a> {
    /// `namespace/name`, for errors.
    pub(super) claim: &'a str,
    /// The alternatives of each request; one for a request without.
    pub(super) requests: Vec<Vec<Query<'a>>>,
    pub(super) constraints: &'a [DeviceConstraint],
}

/// A request, or one of its alternatives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a> {
    pub(super) names: Picking<'a>,
    pub(super) class: &'a str,
    pub(super) class_selectors: &'a [SelectorId],
    pub(super) selectors: &'a [SelectorId],
    pub(super) count: DeviceCount,
    pub(super) admin_access: bool,
    pub(super) tolerations: &'a [DeviceToleration],
    pub(super) capacity: &'a Amounts,
}

/// Why nothing was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotFound {
    /// There is no way.
    NoWay,
    /// There is no way, and this is a reason on this node.
    OnNode(&'static str),
    /// Something is wrong with the claim or a class: the pod cannot be tried anywhere.
    Failed(String),
}

/// Searches devices on a node for all of the claims.
///
/// # Errors
/// [`NotFound`] says what the caller can make of it.
pub(super) fn allocate<'a>(
    ground: Ground<'a>,
    node: &NodeView<'_>,
    wishes: &'a [Wish<'a>],
) -> Result<Vec<Vec<Given<'a>>>, NotFound> {
    let mut search = Search::new(ground, node, wishes);
    search.prepare().map_err(NotFound::Failed)?;
    match search.allocate_one(Place::default(), false, Location::default()) {
        Ok(true) => Ok(search.given),
        Ok(false) => {
            let is_invalid = |pool: &NodePool<'_>| pool.trouble == Some(Trouble::Invalid);
            Err(match search.pools.iter().any(is_invalid) {
                true => NotFound::OnNode("invalid resource pools were encountered"),
                false => NotFound::NoWay,
            })
        }
        Err(Stop::TooManyDevices) => {
            Err(NotFound::Failed("allocation max size exceeded".to_owned()))
        }
        Err(Stop::Failed(message)) => Err(NotFound::Failed(message)),
    }
}

/// Which device of which request is searched next.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    claim: usize,
    request: usize,
    alternative: usize,
    device: usize,
}

/// Where among the pools the search for a device begins: devices of one request are picked in
/// order, so that no set of them is tried twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Location {
    pool: usize,
    slice: usize,
    device: usize,
}

/// Why a branch of the search ends early.
#[derive(Debug)]
enum Stop {
    /// The claim would get more devices than a claim can have. Another alternative may do.
    TooManyDevices,
    /// Nothing can come of it.
    Failed(String),
}

/// A device that might be picked.
#[derive(Clone, Copy, Debug)]
struct Candidate<'a> {
    pool: usize,
    slice: &'a Slice,
    device: &'a SlicedDevice,
}

/// What is known of a query before the search.
#[derive(Debug)]
struct Prepared<'a> {
    /// How many devices it takes.
    count: usize,
    /// Which, if it takes all.
    all: Vec<Candidate<'a>>,
}

/// What it takes to put a device back.
#[derive(Debug)]
struct Picked {
    drew_counters: bool,
    /// For a share: what of the device was about to be held before.
    share_before: Option<Option<Amounts>>,
}

struct Search<'a, 'n, 'l> {
    ground: Ground<'a>,
    node: &'n NodeView<'l>,
    pools: Vec<NodePool<'a>>,
    wishes: &'a [Wish<'a>],
    /// By claim, request, alternative.
    prepared: Vec<Vec<Vec<Prepared<'a>>>>,
    constraints: Vec<Vec<ConstraintState<'a>>>,
    counters: CounterStates<'a>,
    /// Devices picked as a whole, with the claim that they are for.
    picked: Vec<(DeviceId, usize)>,
    /// What of shared devices is about to be held.
    shares: FxHashMap<DeviceId, Amounts>,
    given: Vec<Vec<Given<'a>>>,
    steps: u64,
}

impl<'a, 'n, 'l> Search<'a, 'n, 'l> {
    fn new(
        ground: Ground<'a>,
        node: &'n NodeView<'l>,
        wishes: &'a [Wish<'a>],
    ) -> Search<'a, 'n, 'l> {
        let states =
            |wish: &'a Wish<'a>| wish.constraints.iter().map(ConstraintState::of).collect();
        Search {
            ground,
            node,
            pools: ground.inventory.pools_for(node),
            wishes,
            prepared: Vec::with_capacity(wishes.len()),
            constraints: wishes.iter().map(states).collect(),
            counters: CounterStates::default(),
            picked: Vec::new(),
            shares: FxHashMap::default(),
            given: wishes.iter().map(|_| Vec::new()).collect(),
            steps: 0,
        }
    }

    /// Finds out how many devices each query takes.
    fn prepare(&mut self) -> Result<(), String> {
        for wish in self.wishes {
            let mut least_devices: usize = 0;
            let mut requests = Vec::with_capacity(wish.requests.len());
            for alternatives in &wish.requests {
                let prepared: Result<Vec<Prepared<'a>>, String> =
                    alternatives.iter().map(|query| self.prepare_query(wish, query)).collect();
                let prepared = prepared?;
                let least = prepared.iter().map(|one| one.count).min().unwrap_or(0);
                least_devices = least_devices.saturating_add(least);
                requests.push(prepared);
            }
            if least_devices > MAX_DEVICES_PER_CLAIM {
                return Err(format!(
                    "claim {}: number of requested devices {least_devices} exceeds the claim limit \
                     of {MAX_DEVICES_PER_CLAIM}",
                    wish.claim
                ));
            }
            self.prepared.push(requests);
        }
        Ok(())
    }

    fn prepare_query(&self, wish: &Wish<'a>, query: &Query<'a>) -> Result<Prepared<'a>, String> {
        if let DeviceCount::Exactly(count) = query.count {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            return Ok(Prepared { count, all: Vec::new() });
        }
        let mut all = Vec::new();
        for (index, pool) in self.pools.iter().enumerate() {
            if let Some(trouble) = pool.trouble {
                let state = match trouble {
                    Trouble::Incomplete => "being updated",
                    Trouble::Invalid => "invalid",
                };
                let request = query.names.alternative.unwrap_or(query.names.request);
                return Err(format!(
                    "claim {}, request {request}: asks for all devices, but resource pool {} is \
                     currently {state}",
                    wish.claim,
                    pool.full_name()
                ));
            }
            for slice in &pool.slices {
                for device in &slice.devices {
                    let candidate = Candidate { pool: index, slice, device };
                    if self.is_selected(wish, query, &candidate)? && self.has_room(query, device) {
                        all.push(candidate);
                    }
                }
            }
        }
        Ok(Prepared { count: all.len(), all })
    }

    /// Finds the device at `place` and everything after it. `in_alternative`: the alternative is
    /// chosen.
    fn allocate_one(
        &mut self,
        place: Place,
        in_alternative: bool,
        start: Location,
    ) -> Result<bool, Stop> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            let message = format!("node {}: timed out trying to allocate devices", self.node.name);
            return Err(Stop::Failed(message));
        }
        let wishes = self.wishes;
        let Some(wish) = wishes.get(place.claim) else { return Ok(true) };
        let Some(alternatives) = wish.requests.get(place.request) else {
            let next = Place { claim: place.claim + 1, ..Place::default() };
            return match self.allocate_one(next, false, Location::default()) {
                // An alternative of an earlier claim may leave it one that takes fewer devices.
                Err(Stop::TooManyDevices) => Ok(false),
                other => other,
            };
        };
        if !in_alternative && alternatives[0].names.alternative.is_some() {
            return self.first_available(place, alternatives.len());
        }
        let query = &alternatives[place.alternative];
        let count = self.prepared[place.claim][place.request][place.alternative].count;
        let takes_all = query.count == DeviceCount::All;
        if takes_all && count == 0 {
            return Ok(false);
        }
        if place.device >= count {
            let next = Place { claim: place.claim, request: place.request + 1, ..Place::default() };
            return self.allocate_one(next, false, Location::default());
        }
        let given = self.given[place.claim].len();
        if given.saturating_add(count - place.device) > MAX_DEVICES_PER_CLAIM {
            return Err(Stop::TooManyDevices);
        }
        if takes_all {
            self.take_next_of_all(wish, query, place, in_alternative)
        } else {
            self.search_pools(wish, query, place, in_alternative, start)
        }
    }

    /// Tries the alternatives of a request, the first that leads to a solution.
    fn first_available(&mut self, place: Place, alternatives: usize) -> Result<bool, Stop> {
        let mut all_take_too_many = true;
        for alternative in 0..alternatives {
            match self.allocate_one(Place { alternative, ..place }, true, Location::default()) {
                Err(Stop::TooManyDevices) => {}
                Ok(false) => all_take_too_many = false,
                decided => return decided,
            }
        }
        if all_take_too_many { Err(Stop::TooManyDevices) } else { Ok(false) }
    }

    /// Takes the next device of a query that takes all: it or none will do.
    fn take_next_of_all(
        &mut self,
        wish: &Wish<'a>,
        query: &'a Query<'a>,
        place: Place,
        in_alternative: bool,
    ) -> Result<bool, Stop> {
        let all = &self.prepared[place.claim][place.request][place.alternative].all;
        let candidate = all[place.device];
        let Some(picked) = self.pick(wish, query, place, &candidate, true)? else {
            return Ok(false);
        };
        let next = Place { device: place.device + 1, ..place };
        let done = self.allocate_one(next, in_alternative, Location::default());
        if !matches!(done, Ok(true)) {
            self.put_back(query, place, &candidate, picked);
        }
        done
    }

    fn search_pools(
        &mut self,
        wish: &Wish<'a>,
        query: &'a Query<'a>,
        place: Place,
        in_alternative: bool,
        start: Location,
    ) -> Result<bool, Stop> {
        for pool in start.pool..self.pools.len() {
            if self.pools[pool].trouble.is_some() {
                continue;
            }
            let first_slice = if pool == start.pool { start.slice } else { 0 };
            for slice_index in first_slice..self.pools[pool].slices.len() {
                let slice = self.pools[pool].slices[slice_index];
                let here = Location { pool, slice: slice_index, device: 0 };
                let is_start = (pool, slice_index) == (start.pool, start.slice);
                let first_device = if is_start { start.device } else { 0 };
                for (index, device) in slice.devices.iter().enumerate().skip(first_device) {
                    let candidate = Candidate { pool, slice, device };
                    if !self.might_do(wish, query, place, &candidate).map_err(Stop::Failed)? {
                        continue;
                    }
                    let Some(picked) = self.pick(wish, query, place, &candidate, false)? else {
                        continue;
                    };
                    let next = Place { device: place.device + 1, ..place };
                    let after = Location { device: index + 1, ..here };
                    match self.allocate_one(next, in_alternative, after) {
                        Ok(true) => return Ok(true),
                        Ok(false) => self.put_back(query, place, &candidate, picked),
                        Err(stop) => {
                            self.put_back(query, place, &candidate, picked);
                            return Err(stop);
                        }
                    }
                }
            }
        }
        Ok(false)
    }

    /// Whether a device is free, selected, and has room.
    fn might_do(
        &self,
        wish: &Wish<'a>,
        query: &Query<'a>,
        place: Place,
        candidate: &Candidate<'a>,
    ) -> Result<bool, String> {
        let id = candidate.device.id;
        let is_taken = if query.admin_access {
            self.is_picked_for(id, place.claim)
        } else {
            self.is_in_use(id)
        };
        Ok(!is_taken
            && self.is_selected(wish, query, candidate)?
            && self.has_room(query, candidate.device))
    }

    fn is_in_use(&self, id: DeviceId) -> bool {
        self.ground.uses.of(id).is_owned() || self.picked.iter().any(|(one, _)| *one == id)
    }

    fn is_picked_for(&self, id: DeviceId, claim: usize) -> bool {
        self.picked.contains(&(id, claim))
    }

    /// Whether the class and the query select a device, and the node reaches it.
    fn is_selected(
        &self,
        wish: &Wish<'a>,
        query: &Query<'a>,
        candidate: &Candidate<'a>,
    ) -> Result<bool, String> {
        let kind = candidate.device.kind;
        for (index, selector) in query.class_selectors.iter().enumerate() {
            let selected =
                self.ground.selectors.selects(*selector, kind).map_err(|error| {
                    format!("class {}: selector #{index}: {error}", query.class)
                })?;
            if !selected {
                return Ok(false);
            }
        }
        for (index, selector) in query.selectors.iter().enumerate() {
            let selected = self
                .ground
                .selectors
                .selects(*selector, kind)
                .map_err(|error| format!("claim {}: selector #{index}: {error}", wish.claim))?;
            if !selected {
                return Ok(false);
            }
        }
        Ok(candidate.slice.reach != Reach::PerDevice
            || candidate.device.device.reach.as_ref().is_some_and(|reach| covers(reach, self.node)))
    }

    fn has_room(&self, query: &Query<'a>, device: &SlicedDevice) -> bool {
        let held = self.ground.uses.of(device.id).consumed.as_ref();
        capacity::has_room(&device.device, query.capacity, held, self.shares.get(&device.id))
    }

    /// Picks a device if counters, taints, constraints and room allow it. `must`: there is no
    /// other way, so that a constraint in the way is an error.
    fn pick(
        &mut self,
        wish: &Wish<'a>,
        query: &'a Query<'a>,
        place: Place,
        candidate: &Candidate<'a>,
        must: bool,
    ) -> Result<Option<Picked>, Stop> {
        let (id, device) = (candidate.device.id, &candidate.device.device);
        let is_share = device.allow_multiple_allocations;
        if query.admin_access && !is_share && self.is_picked_for(id, place.claim)
            || !query.admin_access && self.is_in_use(id)
        {
            return Ok(None);
        }
        // The first share of a device draws for all of them.
        let is_shared_already = is_share
            && (self.ground.uses.of(id).consumed.is_some() || self.shares.contains_key(&id));
        let drew_counters = !is_shared_already && !device.consumes_counters.is_empty();
        let pool = &self.pools[candidate.pool];
        if drew_counters && !self.counters.draw(pool, candidate.device, self.ground.uses) {
            return Ok(None);
        }
        let is_kept_away = device.is_kept_from(query.tolerations);
        let is_allowed = is_kept_away || self.pick_for_constraints(query, place, candidate);
        if is_kept_away || !is_allowed || !self.has_room(query, candidate.device) {
            if is_allowed && !is_kept_away {
                self.put_back_for_constraints(query, place, usize::MAX);
            }
            let pool = &self.pools[candidate.pool];
            if drew_counters {
                self.counters.put_back(pool, candidate.device);
            }
            if must && !is_allowed {
                let message = format!(
                    "claim {}, request {}: cannot add device {}/{} because a claim constraint \
                     would not be satisfied",
                    wish.claim,
                    query.names.alternative.unwrap_or(query.names.request),
                    pool.full_name(),
                    device.name
                );
                return Err(Stop::Failed(message));
            }
            return Ok(None);
        }
        let consumed = is_share.then(|| capacity::taken(device, query.capacity));
        let share_before = consumed.as_ref().map(|consumed| self.hold_share(id, consumed));
        if !is_share {
            self.picked.push((id, place.claim));
        }
        self.given[place.claim].push(Given {
            query,
            slice: candidate.slice,
            device: candidate.device,
            consumed,
        });
        Ok(Some(Picked { drew_counters, share_before }))
    }

    /// Tries a device against the rules one by one; whether all allow it.
    fn pick_for_constraints(
        &mut self,
        query: &Query<'a>,
        place: Place,
        candidate: &Candidate<'a>,
    ) -> bool {
        let driver = &self.pools[candidate.pool].pool.driver;
        let device = &candidate.device.device;
        let refused = self.constraints[place.claim]
            .iter_mut()
            .position(|one| !one.pick(query.names, |name| device.attribute(driver, name)));
        if let Some(count) = refused {
            self.put_back_for_constraints(query, place, count);
        }
        refused.is_none()
    }

    /// Puts the device picked last back for the first `count` rules.
    fn put_back_for_constraints(&mut self, query: &Query<'a>, place: Place, count: usize) {
        for constraint in self.constraints[place.claim].iter_mut().take(count) {
            constraint.put_back(query.names);
        }
    }

    /// Counts a share as about to be held; returns what was before.
    fn hold_share(&mut self, id: DeviceId, consumed: &Amounts) -> Option<Amounts> {
        let before = self.shares.get(&id).cloned();
        let shares = self.shares.entry(id).or_default();
        for (name, amount) in consumed {
            let sum = shares.entry(name.clone()).or_default();
            *sum = *sum + *amount;
        }
        before
    }

    /// Puts the device picked last back.
    fn put_back(
        &mut self,
        query: &'a Query<'a>,
        place: Place,
        candidate: &Candidate<'a>,
        picked: Picked,
    ) {
        let id = candidate.device.id;
        self.given[place.claim].pop();
        match picked.share_before {
            None => {
                self.picked.pop();
            }
            Some(None) => {
                self.shares.remove(&id);
            }
            Some(Some(before)) => {
                self.shares.insert(id, before);
            }
        }
        self.put_back_for_constraints(query, place, usize::MAX);
        if picked.drew_counters {
            self.counters.put_back(&self.pools[candidate.pool], candidate.device);
        }
    }
}
