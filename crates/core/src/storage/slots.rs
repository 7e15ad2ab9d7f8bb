//! What is known under a name, by a dense id: a name that was mentioned once keeps its id for good.

use std::sync::Arc;

use rustc_hash::FxHashMap;

/// Entries by name and id. A name may be mentioned (by a pod, by another object) before, or
/// without, the object that it names, so an entry says itself whether its object is there.
#[derive(Clone, Debug)]
pub(super) struct Slots<T> {
    ids: FxHashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
    entries: Vec<T>,
}

impl<T> Default for Slots<T> {
    fn default() -> Slots<T> {
        Slots { ids: FxHashMap::default(), names: Vec::new(), entries: Vec::new() }
    }
}

impl<T: Default> Slots<T> {
    /// The id of a name, known from now on.
    pub(super) fn intern(&mut self, name: &str) -> u32 {
        if let Some(known) = self.ids.get(name) {
            return *known;
        }
        let id = u32::try_from(self.names.len()).expect("fewer than 2^32 names fit into memory");
        let name: Arc<str> = name.into();
        self.ids.insert(Arc::clone(&name), id);
        self.names.push(name);
        self.entries.push(T::default());
        id
    }
}

impl<T> Slots<T> {
    /// The id of a name that was mentioned before.
    #[inline]
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied()
    }

    #[inline]
    pub(super) fn name(&self, id: u32) -> &str {
        &self.names[id as usize]
    }

    #[inline]
    pub(super) fn get(&self, id: u32) -> &T {
        &self.entries[id as usize]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> &mut T {
        &mut self.entries[id as usize]
    }

    /// All entries in the order of their ids, with their names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &str, &T)> + '_ {
        let names = self.names.iter().map(|name| &**name);
        (0..).zip(names).zip(&self.entries).map(|((id, name), entry)| (id, name, entry))
    }
}
