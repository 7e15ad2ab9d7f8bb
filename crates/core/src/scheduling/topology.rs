//! Counts of pods over topology domains, kept as pods and nodes come and go, never recounted.
//!
//! PodTopologySpread and InterPodAffinity ask one kind of question: how many pods of some sort does
//! a domain have. A [`Tally`] counts a sort of pods by node; a [`Sum`] adds a tally up over the
//! domains of one key, over the nodes within a [`Reach`]. Sorts are found by shape, when a shape or
//! a sort is new, so that binding a pod costs an addition for each sort it belongs to. A fork that
//! is rolled back unbinds what it bound, and so counts back.

mod domains;
mod plan;
mod reach;
mod sum;
mod tally;

pub(crate) use domains::{Domains, NO_DOMAIN};
pub(crate) use plan::{FilterPlan, Hard, Plan, PlanId, Soft, SoftCount};
pub(crate) use reach::Reach;
pub(crate) use sum::Sum;
pub(crate) use tally::{Namespaces, Query, Tally, TermUse};

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::cluster::Cluster;
use crate::ids::{NodeId, ShapeId};
use crate::labels::Labels;
use crate::pod_affinity::PodAffinityTerm;

use plan::Plans;
use tally::{carried_terms, is_meant_by_placed};

/// All counts, and what they are counted for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topology {
    pub(crate) domains: Vec<Domains>,
    domains_by_key: FxHashMap<String, usize>,
    reaches: Vec<NodesInReach>,
    reach_places: FxHashMap<Reach, usize>,
    pub(crate) tallies: Vec<Tally>,
    tally_places: FxHashMap<Query, usize>,
    pub(crate) sums: Vec<Sum>,
    sum_places: FxHashMap<(usize, usize, usize), usize>,
    terms: Vec<CarriedTerm>,
    term_places: FxHashMap<(TermUse, PodAffinityTerm), usize>,
    by_shape: Vec<ShapeCounts>,
    pub(super) plans: Plans,
    namespaces: Namespaces,
    /// The selector of each service that has one, by namespace and name.
    services: Services,
}

/// Selectors of services by namespace and name.
type Services = BTreeMap<(String, String), Labels>;

/// A reach and the nodes within it.
#[derive(Clone, Debug)]
struct NodesInReach {
    reach: Reach,
    includes: Vec<bool>,
    /// The sums that are taken over it.
    sums: Vec<usize>,
}

/// A term that pods carry, and where its carriers are counted.
#[derive(Clone, Debug)]
struct CarriedTerm {
    usage: TermUse,
    term: PodAffinityTerm,
    sum: usize,
}

/// What there is to know of the pods of a shape.
#[derive(Clone, Debug, Default)]
struct ShapeCounts {
    /// The tallies they count in, and how often.
    tallies: Vec<(usize, i32)>,
    /// The carried terms that mean them.
    meant_by: Vec<usize>,
    /// Changes whenever `meant_by` does.
    generation: u32,
    filters: Option<Arc<FilterPlan>>,
}

impl Topology {
    /// A pod was bound (+1) or left (−1); `is_going` when its deletion was asked for.
    #[inline]
    pub(crate) fn account(&mut self, shape: ShapeId, node: NodeId, sign: i32, is_going: bool) {
        let Some(counts) = self.by_shape.get_mut(shape.index()) else { return };
        // Most pods count for no other pod's rules.
        if counts.tallies.is_empty() {
            return;
        }
        let tallies = std::mem::take(&mut counts.tallies);
        for (place, weight) in &tallies {
            if !is_going || self.tallies[*place].query.counts_going() {
                self.add(*place, node, sign * weight);
            }
        }
        self.by_shape[shape.index()].tallies = tallies;
    }

    /// A bound pod's deletion was asked for (−1) or taken back (+1).
    pub(crate) fn account_going(&mut self, shape: ShapeId, node: NodeId, sign: i32) {
        let Some(counts) = self.by_shape.get(shape.index()) else { return };
        for (place, weight) in counts.tallies.clone() {
            if !self.tallies[place].query.counts_going() {
                self.add(place, node, sign * weight);
            }
        }
    }

    fn add(&mut self, tally: usize, node: NodeId, weight: i32) {
        let tally = &mut self.tallies[tally];
        tally.add(node, weight);
        for place in &tally.sums {
            let sum = &mut self.sums[*place];
            if self.reaches[sum.reach].includes[node.index()] {
                let domain = self.domains[sum.domains].of(node);
                if domain != NO_DOMAIN {
                    sum.add(domain, weight.into());
                }
            }
        }
    }

    /// A node went. It has no pods any more.
    pub(crate) fn node_left(&mut self, node: NodeId) {
        for reach in &mut self.reaches {
            if std::mem::take(&mut reach.includes[node.index()]) {
                for place in &reach.sums {
                    let sum = &mut self.sums[*place];
                    let domain = self.domains[sum.domains].of(node);
                    if domain != NO_DOMAIN {
                        sum.node_left(domain);
                    }
                }
            }
        }
        for domains in &mut self.domains {
            domains.node_left(node);
        }
    }

    /// Of each key with many domains another node of this one's domain: whoever looks at that one
    /// looks at all nodes of the domain, even when this one is no more.
    pub(crate) fn mates_of(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let fine = self.domains.iter().filter(|domains| !domains.is_coarse());
        fine.filter_map(move |domains| domains.mate_of(node))
    }

    /// A controller's or service's selector changed: the default constraints may.
    pub(crate) fn controllers_changed(&mut self) {
        self.plans.generation += 1;
    }

    /// Labels of the namespaces that have an object.
    pub(crate) fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// The selectors of the services of a namespace.
    pub(crate) fn services_in(&self, namespace: &str) -> impl Iterator<Item = &Labels> + '_ {
        let namespace = namespace.to_owned();
        let first = (namespace.clone(), String::new());
        let all = self.services.range(first..).take_while(move |(key, _)| key.0 == namespace);
        all.map(|(_, selector)| selector)
    }

    /// The sums of the carriers of the terms, with this use, that mean pods of a shape.
    pub(crate) fn carriers(&self, shape: ShapeId) -> impl Iterator<Item = (TermUse, usize)> + '_ {
        let meant_by = self.by_shape.get(shape.index()).map_or(&[][..], |one| &one.meant_by);
        meant_by.iter().map(|place| (self.terms[*place].usage, self.terms[*place].sum))
    }

    /// What keeps pods of a shape off nodes, other than what is local to a node.
    #[inline]
    pub(crate) fn filters(&self, shape: ShapeId) -> Option<&Arc<FilterPlan>> {
        self.by_shape.get(shape.index())?.filters.as_ref()
    }
}

impl Cluster {
    /// Gives a namespace its labels. Namespaces that were never named have none.
    pub fn set_namespace(&mut self, name: &str, labels: Labels) {
        if self.topology.namespaces.get(name) != Some(&labels) {
            self.topology.namespaces.insert(name.to_owned(), labels);
            self.recount_topology();
            self.changed();
        }
    }

    /// Gives a service its selector: pods that it matches are spread by the default constraints. An
    /// empty one selects nothing.
    ///
    /// # Panics
    /// On a fork, which would not take it back.
    pub fn set_service(&mut self, namespace: &str, name: &str, selector: Labels) {
        assert!(!self.is_fork(), "services do not change on a fork");
        let key = (namespace.to_owned(), name.to_owned());
        if self.topology.services.get(&key).unwrap_or(&Labels::new()) == &selector {
            return;
        }
        if selector.is_empty() {
            self.topology.services.remove(&key);
        } else {
            self.topology.services.insert(key, selector);
        }
        self.topology.controllers_changed();
        for shape in (0..self.catalog.shape_count()).map(ShapeId::at) {
            if self.has_hard_defaults(shape) {
                let filters = self.make_filter_plan(shape, None);
                self.topology.by_shape[shape.index()].filters = filters;
            }
        }
        self.changed();
    }

    /// Starts counting anew, as what the counts mean has changed.
    pub(crate) fn recount_topology(&mut self) {
        assert!(!self.is_fork(), "namespaces and services do not change on a fork");
        self.topology = Topology {
            namespaces: std::mem::take(&mut self.topology.namespaces),
            services: std::mem::take(&mut self.topology.services),
            ..Topology::default()
        };
        self.forget_rankings();
        // All shapes are there from the beginning: a tally counts the pods of each that are bound.
        let shapes = self.catalog.shape_count();
        self.topology.by_shape.resize_with(shapes, ShapeCounts::default);
        for shape in 0..self.catalog.shape_count() {
            self.topology_shape_came(ShapeId::at(shape));
        }
    }

    /// A shape is new: find out what its pods count for, and what counts for them.
    pub(crate) fn topology_shape_came(&mut self, shape: ShapeId) {
        let spec = Arc::clone(self.catalog.shape(shape));
        let topology = &mut self.topology;
        let tallies = topology.tallies.iter().enumerate().filter_map(|(place, tally)| {
            let weight = tally.query.weight_of(&spec, &topology.namespaces);
            (weight != 0).then_some((place, weight))
        });
        let terms = topology.terms.iter().enumerate();
        let meaning =
            terms.filter(|(_, one)| is_meant_by_placed(&one.term, &spec, &topology.namespaces));
        let counts = ShapeCounts {
            tallies: tallies.collect(),
            meant_by: meaning.map(|(place, _)| place).collect(),
            ..ShapeCounts::default()
        };
        if topology.by_shape.len() <= shape.index() {
            topology.by_shape.resize_with(shape.index() + 1, ShapeCounts::default);
        }
        topology.by_shape[shape.index()] = counts;
        for (usage, term) in carried_terms(&spec) {
            self.term_came(usage, term);
        }
        let filters = self.make_filter_plan(shape, None);
        self.topology.by_shape[shape.index()].filters = filters;
    }

    fn term_came(&mut self, usage: TermUse, term: &PodAffinityTerm) {
        let identity = (usage, term.clone());
        if self.topology.term_places.contains_key(&identity) {
            return;
        }
        let tally = self.tally(Query::Carried(usage, term.clone()));
        let domains = self.domains(&term.topology_key);
        let sum = self.sum(tally, domains, Reach::default());
        let place = self.topology.terms.len();
        self.topology.term_places.insert(identity, place);
        self.topology.terms.push(CarriedTerm { usage, term: term.clone(), sum });
        let topology = &mut self.topology;
        for (index, counts) in topology.by_shape.iter_mut().enumerate() {
            let spec = self.catalog.shape(ShapeId::at(index));
            if is_meant_by_placed(term, spec, &topology.namespaces) {
                counts.meant_by.push(place);
                counts.generation += 1;
            }
        }
    }

    /// The place of the domains of a key; new ones are read off the nodes there are.
    pub(super) fn domains(&mut self, key: &str) -> usize {
        if let Some(known) = self.topology.domains_by_key.get(key) {
            return *known;
        }
        let mut domains = Domains::new(key);
        for (id, _) in self.nodes() {
            domains.node_came(id, self.node_label(id, key));
        }
        let place = self.topology.domains.len();
        self.topology.domains.push(domains);
        self.topology.domains_by_key.insert(key.to_owned(), place);
        place
    }

    /// The place of a tally; a new one counts what is bound.
    pub(super) fn tally(&mut self, query: Query) -> usize {
        if let Some(known) = self.topology.tally_places.get(&query) {
            return *known;
        }
        let place = self.topology.tallies.len();
        let mut tally = Tally::new(query.clone());
        let mut counts_bound = false;
        for (index, counts) in self.topology.by_shape.iter_mut().enumerate() {
            let shape = ShapeId::at(index);
            let weight = query.weight_of(self.catalog.shape(shape), &self.topology.namespaces);
            if weight != 0 {
                counts.tallies.push((place, weight));
                counts_bound |= self.pods.bound_by_shape.get(index).is_some_and(|bound| *bound > 0);
            }
        }
        if counts_bound {
            for (_, pod) in self.pods() {
                let Some(node) = pod.node else { continue };
                if pod.deletion_at.is_some() && !query.counts_going() {
                    continue;
                }
                let counts = &self.topology.by_shape[pod.shape.index()].tallies;
                if let Some((_, weight)) = counts.iter().find(|(one, _)| *one == place) {
                    tally.add(node, *weight);
                }
            }
        }
        self.topology.tallies.push(tally);
        self.topology.tally_places.insert(query, place);
        place
    }

    fn reach(&mut self, reach: Reach) -> usize {
        if let Some(known) = self.topology.reach_places.get(&reach) {
            return *known;
        }
        let mut includes = vec![false; self.nodes.slot_count()];
        for (id, _) in self.nodes() {
            includes[id.index()] = self.is_in_reach(&reach, id);
        }
        let place = self.topology.reaches.len();
        self.topology.reach_places.insert(reach.clone(), place);
        self.topology.reaches.push(NodesInReach { reach, includes, sums: Vec::new() });
        place
    }

    /// The place of a sum; a new one adds up what is tallied.
    pub(super) fn sum(&mut self, tally: usize, domains: usize, reach: Reach) -> usize {
        let reach = self.reach(reach);
        let identity = (tally, domains, reach);
        if let Some(known) = self.topology.sum_places.get(&identity) {
            return *known;
        }
        let mut sum = Sum::new(tally, domains, reach);
        let topology = &mut self.topology;
        for (node, _) in topology.reaches[reach].includes.iter().enumerate().filter(|one| *one.1) {
            let node = NodeId::at(node);
            let domain = topology.domains[domains].of(node);
            if domain != NO_DOMAIN {
                sum.node_came(domain);
                sum.add(domain, topology.tallies[tally].on(node).into());
            }
        }
        let place = topology.sums.len();
        topology.sums.push(sum);
        topology.tallies[tally].sums.push(place);
        topology.reaches[reach].sums.push(place);
        topology.sum_places.insert(identity, place);
        place
    }

    /// A node came, without pods.
    pub(crate) fn topology_node_came(&mut self, node: NodeId) {
        let mut domains = std::mem::take(&mut self.topology.domains);
        for one in &mut domains {
            one.node_came(node, self.node_label(node, &one.key));
        }
        self.topology.domains = domains;
        self.reconsider_reach(node);
    }

    /// What nodes a reach takes in may have changed for a node.
    pub(crate) fn reconsider_reach(&mut self, node: NodeId) {
        for place in 0..self.topology.reaches.len() {
            let reach = &self.topology.reaches[place];
            let includes = reach.reach.is_everywhere() || self.is_in_reach(&reach.reach, node);
            let topology = &mut self.topology;
            let reach = &mut topology.reaches[place];
            if reach.includes.len() <= node.index() {
                reach.includes.resize(node.index() + 1, false);
            }
            if std::mem::replace(&mut reach.includes[node.index()], includes) == includes {
                continue;
            }
            for place in &reach.sums {
                let sum = &mut topology.sums[*place];
                let domain = topology.domains[sum.domains].of(node);
                if domain == NO_DOMAIN {
                    continue;
                }
                let pods = i64::from(topology.tallies[sum.tally].on(node));
                if includes {
                    sum.node_came(domain);
                    sum.add(domain, pods);
                } else {
                    sum.add(domain, -pods);
                    sum.node_left(domain);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
