//! Which node is the best for a kind of pod, kept up to date from the log of changed nodes.
//!
//! Whatever a pod's rules see of a node beyond its room and its own score, they see in common with
//! many others: the same zone, as many matching pods, the same taints. Nodes that look alike are a
//! class. A class is judged once for a pod, by any of its nodes, and only its best node can win.
//! So a pod costs a look at each class and at each node that changed since its like was placed,
//! however many nodes there are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::images::ImageSituation;
use super::pod_affinity::AffinityRange;
use super::profile::Plugin;
use super::rulebook::Rulebook;
use super::scores::{share, taint_score};
use super::spread::{SpreadCensus, SpreadRange};
use super::topology::{NO_DOMAIN, Plan, SoftCount};
use crate::cluster::Cluster;
use crate::ids::{FitId, NodeId};

/// A node that the pod does not fit on, other nodes' pods aside, is in no class.
const NO_CLASS: u32 = u32::MAX;
/// What a node without the label has in place of a count.
const NOT_THERE: i64 = -1;
/// A heap is made anew when it holds this many entries for each node that is in it.
const STALE_ENTRIES_FACTOR: usize = 3;

/// The nodes that pods of one fit and one plan fit on, by class.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranking {
    features: Vec<Feature>,
    /// What the scores for images were worked out with.
    images: ImageSituation,
    tie_seed: u64,
    /// The score of each node slot that does not depend on other nodes.
    local: Vec<i64>,
    class_of: Vec<u32>,
    classes: Vec<Class>,
    free: Vec<u32>,
    /// The classes that have nodes, by what their nodes look like.
    by_look: BTreeMap<Box<[i64]>, u32>,
    /// How far in the log this ranking has come.
    pub(super) seen: u64,
    pub(super) asked: u64,
    is_built: bool,
    /// What a node looks like, while it is worked out.
    scratch: Vec<i64>,
}

/// One thing that a plan sees of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Feature {
    /// The domain of a key that has few.
    Domain(usize),
    /// What a sum counts in the node's domain, of a key that has many domains.
    Count(usize),
    /// Whether any of these sums, of one key with many domains, counts something there.
    AnyPresent(Vec<usize>),
    /// What a tally counts on the node.
    OnNode(usize),
    /// Whether the node has a domain of the key.
    HasDomain(usize),
}

#[derive(Clone, Debug, Default)]
struct Class {
    look: Box<[i64]>,
    live: usize,
    /// The best node is on top, once entries that no longer hold are taken off.
    heap: BinaryHeap<Entry>,
}

/// A node as it was when it was entered: it is that still if its class and score are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    score: i64,
    rank: Reverse<u32>,
    node: NodeId,
}

impl Ranking {
    /// Whether it must be built, or built anew because keys now have many domains.
    pub(super) fn is_outdated(&self, cluster: &Cluster, plan: &Plan, tie_seed: u64) -> bool {
        !self.is_built
            || self.tie_seed != tie_seed
            || self.has_other_images(cluster, plan)
            || self.features != features(cluster, plan)
    }

    /// Whether the scores for images were worked out in another situation.
    pub(super) fn has_other_images(&self, cluster: &Cluster, plan: &Plan) -> bool {
        self.images != cluster.image_situation(plan)
    }

    pub(super) fn build(&mut self, cluster: &mut Cluster, fit: FitId, plan: &Plan, tie_seed: u64) {
        *self = Ranking {
            features: features(cluster, plan),
            images: cluster.image_situation(plan),
            tie_seed,
            is_built: true,
            seen: self.seen,
            asked: self.asked,
            ..Ranking::default()
        };
        for index in 0..cluster.nodes.slot_count() {
            self.refresh_node(cluster, fit, plan, NodeId::at(index));
        }
    }

    /// A node changed: look at it again, and at those that share a domain with it of a key whose
    /// domains are told apart by their counts.
    pub(super) fn refresh(&mut self, cluster: &mut Cluster, fit: FitId, plan: &Plan, node: NodeId) {
        self.refresh_node(cluster, fit, plan, node);
        for index in 0..self.features.len() {
            let domains = match &self.features[index] {
                Feature::Count(sum) => cluster.topology.sums[*sum].domains,
                Feature::AnyPresent(sums) => cluster.topology.sums[sums[0]].domains,
                Feature::Domain(_) | Feature::OnNode(_) | Feature::HasDomain(_) => continue,
            };
            let domain = cluster.topology.domains[domains].of(node);
            let members = cluster.topology.domains[domains].members(domain).len();
            for place in 0..if members > 1 { members } else { 0 } {
                let other = cluster.topology.domains[domains].members(domain)[place];
                self.refresh_node(cluster, fit, plan, other);
            }
        }
    }

    pub(super) fn refresh_node(
        &mut self,
        cluster: &mut Cluster,
        fit: FitId,
        plan: &Plan,
        node: NodeId,
    ) {
        if cluster.nodes.find(node).is_none() || !cluster.fits_node(fit, node) {
            self.drop_node(node);
            return;
        }
        let (against, wanted) = cluster.static_preferences(fit, node);
        let mut look = std::mem::take(&mut self.scratch);
        look.clear();
        look.extend([i64::from(against), i64::from(wanted)]);
        look.extend(self.features.iter().map(|feature| feature.of(cluster, node)));
        let parts = cluster.catalog.fit(fit);
        let book = cluster.catalog.rulebook(cluster.catalog.rules(parts.rules).profile);
        let score = cluster.weighted_local_score(parts, plan, book, node);
        self.place(node, &look, score);
        self.scratch = look;
    }

    fn place(&mut self, node: NodeId, look: &[i64], score: i64) {
        if self.class_of.len() <= node.index() {
            self.class_of.resize(node.index() + 1, NO_CLASS);
            self.local.resize(node.index() + 1, 0);
        }
        let before = self.class_of[node.index()];
        if before != NO_CLASS && *self.classes[before as usize].look == *look {
            if self.local[node.index()] == score {
                return;
            }
        } else {
            self.drop_node(node);
            let class = match self.by_look.get(look) {
                Some(known) => *known,
                None => self.open_class(look),
            };
            self.classes[class as usize].live += 1;
            self.class_of[node.index()] = class;
        }
        self.local[node.index()] = score;
        let class = &mut self.classes[self.class_of[node.index()] as usize];
        let rank = Reverse(tie_rank(node, self.tie_seed));
        class.heap.push(Entry { score, rank, node });
        if class.heap.len() > STALE_ENTRIES_FACTOR * (class.live + 64) {
            let (class_of, local) = (&self.class_of, &self.local);
            let own = class_of[node.index()];
            let mut kept: Vec<Entry> = std::mem::take(&mut class.heap).into_vec();
            kept.retain(|one| {
                class_of[one.node.index()] == own && local[one.node.index()] == one.score
            });
            kept.sort_unstable();
            kept.dedup();
            class.heap = kept.into();
        }
    }

    fn open_class(&mut self, look: &[i64]) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            self.classes.push(Class::default());
            u32::try_from(self.classes.len() - 1).expect("classes are fewer than nodes")
        });
        self.classes[id as usize].look = look.into();
        self.by_look.insert(look.into(), id);
        id
    }

    /// The nodes that are ranked, in the order of their ids.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        let ranked = self.class_of.iter().enumerate().filter(|(_, class)| **class != NO_CLASS);
        ranked.map(|(index, _)| NodeId::at(index))
    }

    /// Whether a node is ranked.
    pub(super) fn has(&self, node: NodeId) -> bool {
        self.class_of.get(node.index()).is_some_and(|class| *class != NO_CLASS)
    }

    /// Takes a node out, until it is looked at again.
    pub(super) fn drop_node(&mut self, node: NodeId) {
        let Some(class) = self.class_of.get_mut(node.index()) else { return };
        let id = std::mem::replace(class, NO_CLASS);
        if id == NO_CLASS {
            return;
        }
        let class = &mut self.classes[id as usize];
        class.live -= 1;
        if class.live == 0 {
            class.heap.clear();
            self.by_look.remove(&class.look);
            self.free.push(id);
        }
    }

    /// The best node of a class, its score and its rank among equals.
    fn top(&mut self, class: u32) -> Entry {
        let heap = &mut self.classes[class as usize].heap;
        loop {
            let top = *heap.peek().expect("a class with nodes has an entry for each");
            let is_current = self.class_of[top.node.index()] == class
                && self.local[top.node.index()] == top.score;
            if is_current {
                return top;
            }
            heap.pop();
        }
    }

    /// The node with the highest total among those that every filter of the plan passes; of equals
    /// the one that ranks first.
    pub(super) fn best(
        &mut self,
        cluster: &Cluster,
        plan: &Plan,
        book: &Rulebook,
    ) -> Option<NodeId> {
        let ids: Vec<u32> = self.by_look.values().copied().collect();
        let mut candidates: Vec<Candidate> = Vec::with_capacity(ids.len());
        for id in ids {
            let top = self.top(id);
            if cluster.plan_refuses(plan, book, top.node) {
                continue;
            }
            let class = &self.classes[id as usize];
            let (against, wanted) = (class.look[0], class.look[1]);
            candidates.push(Candidate {
                top,
                nodes: class.live,
                against,
                wanted,
                ..Candidate::default()
            });
        }
        match candidates.as_slice() {
            [] => None,
            [only] => Some(only.top.node),
            _ => Some(best_of(cluster, plan, book, &mut candidates)),
        }
    }
}

/// The best node of a class, and what its class scores.
#[derive(Clone, Debug)]
struct Candidate {
    top: Entry,
    nodes: usize,
    against: i64,
    wanted: i64,
    spread: Option<i64>,
    affinity: i64,
}

impl Default for Candidate {
    fn default() -> Candidate {
        let top = Entry { score: 0, rank: Reverse(0), node: NodeId(0) };
        Candidate { top, nodes: 0, against: 0, wanted: 0, spread: None, affinity: 0 }
    }
}

fn best_of(
    cluster: &Cluster,
    plan: &Plan,
    book: &Rulebook,
    candidates: &mut [Candidate],
) -> NodeId {
    let most_against = candidates.iter().map(|one| one.against).max().unwrap_or(0);
    let most_wanted = candidates.iter().map(|one| one.wanted).max().unwrap_or(0);
    let mut spread_range = SpreadRange::default();
    if !plan.soft.is_empty() {
        let mut census = SpreadCensus::new(plan);
        for one in candidates.iter() {
            census.add(cluster, plan, one.top.node, one.nodes);
        }
        let weights = census.finish(plan);
        for one in candidates.iter_mut() {
            one.spread = cluster.raw_spread(plan, &weights, one.top.node);
            spread_range.add(one.spread);
        }
    }
    let mut affinity_range = AffinityRange::default();
    if !plan.weights.is_empty() {
        for one in candidates.iter_mut() {
            one.affinity = cluster.raw_affinity(plan, one.top.node);
            affinity_range.add(one.affinity);
        }
    }
    let total = |one: &Candidate| {
        let mut total = one.top.score
            + book.weight(Plugin::TaintToleration) * taint_score(one.against, most_against)
            + book.weight(Plugin::NodeAffinity) * share(one.wanted, most_wanted);
        if !plan.soft.is_empty() {
            total += book.weight(Plugin::PodTopologySpread) * spread_range.normalise(one.spread);
        }
        if !plan.weights.is_empty() {
            total += book.weight(Plugin::InterPodAffinity) * affinity_range.normalise(one.affinity);
        }
        total
    };
    let best = candidates.iter().max_by_key(|one| (total(one), one.top.rank));
    best.expect("there is a candidate").top.node
}

impl Cluster {
    /// Whether what other pods do keeps a pod off a node.
    #[inline]
    pub(super) fn plan_refuses(&self, plan: &Plan, book: &Rulebook, node: NodeId) -> bool {
        let filters = &plan.filters;
        (book.filters_by(Plugin::PodTopologySpread) && self.breaks_spread(filters, node))
            || (book.filters_by(Plugin::InterPodAffinity)
                && ((!filters.affinity.is_empty() && self.misses_affinity(filters, node))
                    || self.breaks_anti_affinity(filters, node)
                    || plan.opponents.iter().any(|sum| self.count_beside(*sum, node) > 0)))
    }
}

impl Feature {
    fn of(&self, cluster: &Cluster, node: NodeId) -> i64 {
        let topology = &cluster.topology;
        match self {
            Feature::Domain(domains) => match topology.domains[*domains].of(node) {
                NO_DOMAIN => NOT_THERE,
                domain => domain.into(),
            },
            Feature::Count(sum) => {
                let sum = &topology.sums[*sum];
                match topology.domains[sum.domains].of(node) {
                    NO_DOMAIN => NOT_THERE,
                    domain => sum.in_domain(domain),
                }
            }
            Feature::AnyPresent(sums) => {
                let domains = topology.sums[sums[0]].domains;
                match topology.domains[domains].of(node) {
                    NO_DOMAIN => NOT_THERE,
                    domain => {
                        let any = sums.iter().any(|sum| topology.sums[*sum].in_domain(domain) > 0);
                        any.into()
                    }
                }
            }
            Feature::OnNode(tally) => topology.tallies[*tally].on(node).into(),
            Feature::HasDomain(domains) => {
                (topology.domains[*domains].of(node) != NO_DOMAIN).into()
            }
        }
    }
}

/// What a plan sees of nodes.
fn features(cluster: &Cluster, plan: &Plan) -> Vec<Feature> {
    let topology = &cluster.topology;
    let mut features: Vec<Feature> = Vec::new();
    let mut add = |feature: Feature| {
        if !features.contains(&feature) {
            features.push(feature);
        }
    };
    let key_of = |sum: usize| topology.sums[sum].domains;
    let is_coarse = |domains: usize| topology.domains[domains].is_coarse();
    let filters = &plan.filters;
    let counted = filters.hard.iter().map(|one| one.sum);
    for sum in counted.chain(plan.weights.iter().map(|(sum, _)| *sum)) {
        add(if is_coarse(key_of(sum)) {
            Feature::Domain(key_of(sum))
        } else {
            Feature::Count(sum)
        });
    }
    for sums in [&filters.affinity, &filters.anti] {
        for sum in sums {
            let coarse = is_coarse(key_of(*sum));
            add(if coarse {
                Feature::Domain(key_of(*sum))
            } else {
                Feature::AnyPresent(vec![*sum])
            });
        }
    }
    let mut opponents: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for sum in &plan.opponents {
        opponents.entry(key_of(*sum)).or_default().push(*sum);
    }
    for (domains, sums) in opponents {
        add(if is_coarse(domains) { Feature::Domain(domains) } else { Feature::AnyPresent(sums) });
    }
    for constraint in &plan.soft {
        // How many domains there are among the nodes matters, so they are told apart in any case;
        // of the hostname only whether the node has one.
        match constraint.count {
            SoftCount::ByDomain(_) => add(Feature::Domain(constraint.domains)),
            SoftCount::ByNode(tally) => {
                add(Feature::OnNode(tally));
                add(Feature::HasDomain(constraint.domains));
            }
        }
    }
    features
}

/// Where a node stands among equals: a fixed order of all ids, drawn from the seed.
pub(super) fn tie_rank(node: NodeId, tie_seed: u64) -> u32 {
    // MurmurHash3's finaliser is a permutation, so that no two nodes rank the same.
    let seed = u32::try_from((tie_seed ^ (tie_seed >> 32)) & u64::from(u32::MAX)).expect("32 bits");
    let mut mixed = node.0.wrapping_mul(0x9e37_79b1) ^ seed;
    mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x85eb_ca6b);
    mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
    mixed ^ (mixed >> 16)
}

#[cfg(test)]
mod tests;
