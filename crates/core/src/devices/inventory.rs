//! All devices there are: slices by pool and by the nodes that reach them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::pools::Trouble;
use super::selector::{DeviceKind, KindId, Selectors};
use super::slice::{Counters, Device, Reach, ResourceSliceObject};

/// A device by its driver, pool and name. It is known from the first time that a slice offers it or
/// a claim holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct DeviceId(u32);

impl DeviceId {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A pool by its driver and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PoolId(u32);

/// A slice's place in the inventory.
pub(super) type SliceIndex = u32;

/// Every slice, and how to find the ones that matter.
#[derive(Clone, Debug, Default)]
pub(super) struct Inventory {
    /// In the order in which they came; a slice that went leaves its place empty.
    slices: Vec<Option<Slice>>,
    by_name: FxHashMap<String, SliceIndex>,
    pools: Vec<Pool>,
    by_driver: FxHashMap<Arc<str>, FxHashMap<Arc<str>, PoolId>>,
    device_names: Vec<(PoolId, Arc<str>)>,
    /// Slices that one node reaches, by the node's name; those with counter sets too.
    pub(super) by_node: FxHashMap<String, Vec<SliceIndex>>,
    /// Slices with devices for several nodes.
    pub(super) shared: Vec<SliceIndex>,
    /// Pools that stand in the way even on nodes that reach no device of theirs. Upstream looks at
    /// counter sets on every node.
    pub(super) troubled: Vec<(PoolId, Trouble)>,
}

/// A slice, its devices known by number.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    pub(super) name: Arc<str>,
    pub(super) pool: PoolId,
    pub(super) generation: i64,
    pub(super) slice_count: i64,
    pub(super) reach: Reach,
    pub(super) devices: Vec<SlicedDevice>,
    pub(super) shared_counters: BTreeMap<String, Counters>,
}

/// A device of a slice.
#[derive(Clone, Debug)]
pub(super) struct SlicedDevice {
    pub(super) id: DeviceId,
    pub(super) kind: KindId,
    pub(super) device: Arc<Device>,
}

/// A pool, with all its slices of whatever generation.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) driver: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) slices: Vec<SliceIndex>,
    device_ids: FxHashMap<Arc<str>, DeviceId>,
    /// No two slices have a device of the same name, so no subset of them has.
    pub(super) has_unique_names: bool,
    /// No slice has counter sets, nor devices that draw from some.
    pub(super) has_no_counters: bool,
}

impl Inventory {
    /// Takes a slice in. Gives its index, and the slice of the same name that it replaces.
    pub(super) fn add(
        &mut self,
        object: ResourceSliceObject,
        selectors: &mut Selectors,
    ) -> (SliceIndex, Option<(SliceIndex, Slice)>) {
        let replaced = self.remove(&object.name);
        let pool = self.pool_id(&object.driver, &object.pool.name);
        let devices: Vec<SlicedDevice> = object
            .devices
            .into_iter()
            .map(|device| SlicedDevice {
                id: self.device_in(pool, &device.name),
                kind: selectors.intern_kind(DeviceKind::of(&object.driver, &device)),
                device: Arc::new(device),
            })
            .collect();
        let slice = Slice {
            name: object.name.into(),
            pool,
            generation: object.pool.generation,
            slice_count: object.pool.slice_count,
            reach: object.reach,
            devices,
            shared_counters: object.shared_counters,
        };
        (self.push(slice), replaced)
    }

    /// Takes in a slice like one that is there, for another node and as a part of another pool of
    /// the same driver.
    pub(super) fn add_like(
        &mut self,
        original: SliceIndex,
        name: String,
        pool: &str,
        node: &str,
    ) -> SliceIndex {
        let mut slice = self.slice(original).clone();
        let driver = Arc::clone(&self.pool(slice.pool).driver);
        slice.pool = self.pool_id(&driver, pool);
        slice.name = name.into();
        slice.reach = Reach::Node(node.to_owned());
        for one in &mut slice.devices {
            one.id = self.device_in(slice.pool, &one.device.name);
        }
        self.push(slice)
    }

    fn push(&mut self, slice: Slice) -> SliceIndex {
        let index = SliceIndex::try_from(self.slices.len()).expect("slices fit into memory");
        self.slices.push(None);
        self.put(index, slice);
        index
    }

    /// Puts a slice in the place that is kept for it.
    pub(super) fn put(&mut self, index: SliceIndex, slice: Slice) {
        let enter = |list: &mut Vec<SliceIndex>| {
            let at = list.partition_point(|one| *one < index);
            list.insert(at, index);
        };
        match &slice.reach {
            Reach::Node(node) => enter(self.by_node.entry(node.clone()).or_default()),
            _ if slice.shared_counters.is_empty() => enter(&mut self.shared),
            _ => {}
        }
        let pool = slice.pool;
        enter(&mut self.pools[pool.0 as usize].slices);
        self.by_name.insert(slice.name.to_string(), index);
        self.slices[index as usize] = Some(slice);
        self.look_over(pool);
    }

    /// Forgets the slice of this name, if there is one.
    pub(super) fn remove(&mut self, name: &str) -> Option<(SliceIndex, Slice)> {
        let index = *self.by_name.get(name)?;
        Some((index, self.take(index)?))
    }

    /// Takes back that a slice was added: it is the last one.
    pub(super) fn undo_add(&mut self, index: SliceIndex) {
        self.take(index);
        self.slices.truncate(index as usize);
    }

    fn take(&mut self, index: SliceIndex) -> Option<Slice> {
        let slice = self.slices[index as usize].take()?;
        self.by_name.remove(&*slice.name);
        self.shared.retain(|one| *one != index);
        if let Reach::Node(node) = &slice.reach
            && let Some(list) = self.by_node.get_mut(node)
        {
            list.retain(|one| *one != index);
            if list.is_empty() {
                self.by_node.remove(node);
            }
        }
        self.pools[slice.pool.0 as usize].slices.retain(|one| *one != index);
        self.look_over(slice.pool);
        Some(slice)
    }

    /// The slices that only the node of this name reaches, in the order in which they came.
    pub(super) fn of_node(&self, node: &str) -> &[SliceIndex] {
        self.by_node.get(node).map_or(&[], Vec::as_slice)
    }

    /// All slices, in the order in which they came.
    pub(super) fn all(&self) -> impl Iterator<Item = &Slice> {
        self.slices.iter().flatten()
    }

    /// Notes again what holds for a pool as a whole.
    fn look_over(&mut self, id: PoolId) {
        let mut names: Vec<DeviceId> = Vec::new();
        let mut has_no_counters = true;
        for slice in self.slices_of(id) {
            has_no_counters &= slice.shared_counters.is_empty();
            for one in &slice.devices {
                names.push(one.id);
                has_no_counters &= one.device.consumes_counters.is_empty();
            }
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        let pool = &mut self.pools[id.0 as usize];
        pool.has_unique_names = names.len() == count;
        pool.has_no_counters = has_no_counters;
        self.troubled.retain(|(one, _)| *one != id);
        if let Some(trouble) = self.trouble_everywhere(id) {
            self.troubled.push((id, trouble));
        }
    }

    /// The slice at an index.
    ///
    /// # Panics
    /// When the slice is gone: indexes are not kept across changes.
    pub(super) fn slice(&self, index: SliceIndex) -> &Slice {
        self.slices[index as usize].as_ref().expect("an index in use is of a slice that is there")
    }

    pub(super) fn pool(&self, id: PoolId) -> &Pool {
        &self.pools[id.0 as usize]
    }

    /// All slices of a pool, of whatever generation.
    pub(super) fn slices_of(&self, id: PoolId) -> impl Iterator<Item = &Slice> {
        self.pool(id).slices.iter().map(|index| self.slice(*index))
    }

    /// The device of these names, known from now on.
    pub(super) fn device_id(&mut self, driver: &str, pool: &str, name: &str) -> DeviceId {
        let pool = self.pool_id(driver, pool);
        self.device_in(pool, name)
    }

    /// A device's driver, pool and name.
    pub(super) fn names(&self, id: DeviceId) -> (&Arc<str>, &Arc<str>, &Arc<str>) {
        let (pool, name) = &self.device_names[id.index()];
        let pool = self.pool(*pool);
        (&pool.driver, &pool.name, name)
    }

    /// Whether no slice is there.
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    fn device_in(&mut self, pool: PoolId, name: &str) -> DeviceId {
        let ids = &mut self.pools[pool.0 as usize].device_ids;
        if let Some(known) = ids.get(name) {
            return *known;
        }
        let id = DeviceId(u32::try_from(self.device_names.len()).expect("devices fit into memory"));
        let name: Arc<str> = name.into();
        ids.insert(Arc::clone(&name), id);
        self.device_names.push((pool, name));
        id
    }

    fn pool_id(&mut self, driver: &str, name: &str) -> PoolId {
        if let Some(known) = self.by_driver.get(driver).and_then(|pools| pools.get(name)) {
            return *known;
        }
        let id = PoolId(u32::try_from(self.pools.len()).expect("pools fit into memory"));
        let (driver, name): (Arc<str>, Arc<str>) = (driver.into(), name.into());
        self.by_driver.entry(Arc::clone(&driver)).or_default().insert(Arc::clone(&name), id);
        self.pools.push(Pool {
            driver,
            name,
            slices: Vec::new(),
            device_ids: FxHashMap::default(),
            has_unique_names: true,
            has_no_counters: true,
        });
        id
    }
}
