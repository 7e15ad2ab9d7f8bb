//! Counts by domain, kept as pods and nodes come and go.

use std::collections::BTreeMap;

/// How many pods of a tally each domain of a key has, over the nodes within a reach.
#[derive(Clone, Debug)]
pub(crate) struct Sum {
    /// The place of the tally.
    pub(crate) tally: usize,
    /// The place of the domains.
    pub(crate) domains: usize,
    /// The place of the reach.
    pub(super) reach: usize,
    by_domain: Vec<i64>,
    /// How many nodes within reach each domain has.
    nodes: Vec<u32>,
    /// How many domains have such a node.
    present: usize,
    /// How many of those domains have each count, where the least is asked for.
    levels: Option<BTreeMap<i64, u32>>,
    total: i64,
}

impl Sum {
    pub(super) fn new(tally: usize, domains: usize, reach: usize) -> Sum {
        Sum {
            tally,
            domains,
            reach,
            by_domain: Vec::new(),
            nodes: Vec::new(),
            present: 0,
            levels: None,
            total: 0,
        }
    }

    /// How many pods a domain has.
    #[inline]
    pub(crate) fn in_domain(&self, domain: u32) -> i64 {
        self.by_domain.get(domain as usize).copied().unwrap_or(0)
    }

    /// How many pods all domains have.
    #[inline]
    pub(crate) fn total(&self) -> i64 {
        self.total
    }

    /// How many domains have a node within reach.
    #[inline]
    pub(crate) fn present(&self) -> usize {
        self.present
    }

    /// The least count of a domain with a node within reach; `None` when there is none.
    ///
    /// # Panics
    /// When levels were never asked for.
    #[inline]
    pub(crate) fn least(&self) -> Option<i64> {
        let levels = self.levels.as_ref().expect("levels are kept for hard constraints");
        levels.first_key_value().map(|(count, _)| *count)
    }

    /// Keeps track of the least count from now on.
    pub(super) fn keep_levels(&mut self) {
        if self.levels.is_some() {
            return;
        }
        let mut levels = BTreeMap::new();
        for (count, nodes) in self.by_domain.iter().zip(&self.nodes) {
            if *nodes > 0 {
                *levels.entry(*count).or_default() += 1;
            }
        }
        self.levels = Some(levels);
    }

    pub(super) fn node_came(&mut self, domain: u32) {
        self.grow(domain);
        let nodes = &mut self.nodes[domain as usize];
        *nodes += 1;
        if *nodes == 1 {
            self.present += 1;
            let count = self.by_domain[domain as usize];
            self.raise_level(count);
        }
    }

    pub(super) fn node_left(&mut self, domain: u32) {
        let nodes = &mut self.nodes[domain as usize];
        *nodes -= 1;
        if *nodes == 0 {
            self.present -= 1;
            let count = self.by_domain[domain as usize];
            self.lower_level(count);
        }
    }

    /// Pods came to (or, negative, left) a node of this domain.
    #[inline]
    pub(super) fn add(&mut self, domain: u32, weight: i64) {
        self.grow(domain);
        let count = &mut self.by_domain[domain as usize];
        let before = *count;
        *count += weight;
        let after = *count;
        self.total += weight;
        if self.levels.is_some() && self.nodes[domain as usize] > 0 {
            self.lower_level(before);
            self.raise_level(after);
        }
    }

    fn grow(&mut self, domain: u32) {
        if self.by_domain.len() <= domain as usize {
            self.by_domain.resize(domain as usize + 1, 0);
            self.nodes.resize(domain as usize + 1, 0);
        }
    }

    fn raise_level(&mut self, count: i64) {
        if let Some(levels) = &mut self.levels {
            *levels.entry(count).or_default() += 1;
        }
    }

    fn lower_level(&mut self, count: i64) {
        if let Some(levels) = &mut self.levels {
            let domains = levels.get_mut(&count).expect("a level of a present domain");
            *domains -= 1;
            if *domains == 0 {
                levels.remove(&count);
            }
        }
    }
}
