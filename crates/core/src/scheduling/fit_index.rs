//! Which nodes a kind of pod fits on, and how well, kept up to date from a log of changed nodes.

use rustc_hash::FxHashMap;

use super::scores::{SPREAD_WEIGHT, local_score, preference_score};
use crate::cluster::Cluster;
use crate::ids::{FitId, NodeId, RulesId, SurfaceId};
use crate::taints::intolerable_preferences;

/// How many indexes are kept; beyond that the one that was asked least recently goes. Clusters have
/// dozens of distinct pods at a time, and 1,024 indexes over 5,000 nodes are 24 MB.
const INDEXES_MAX: usize = 1024;
/// The score of a node that the pod does not fit on.
const UNFIT: i32 = i32::MIN;
/// The log keeps at least so many changes before the older half is dropped.
const LOG_LENGTH_MIN: usize = 8192;

/// The index of each fit in use, and the log that they catch up with.
#[derive(Clone, Debug, Default)]
pub(crate) struct FitIndexes {
    by_fit: FxHashMap<FitId, FitIndex>,
    /// Each entry is a changed node and the position of its change before that.
    log: Vec<(NodeId, u64)>,
    /// The position of `log[0]` in the log since the beginning of time.
    log_start: u64,
    /// The position of the latest change of each node slot: earlier ones need no look.
    latest: Vec<u64>,
    /// The fits asked since the outermost fork began, oldest first.
    asked_on_forks: Vec<FitId>,
    asked: u64,
    static_answers: FxHashMap<(RulesId, SurfaceId), bool>,
    static_preferences: FxHashMap<(RulesId, SurfaceId), (i32, i32)>,
}

/// Where in the log a fork began, and how many fits had been asked on forks by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForkMark {
    log_end: u64,
    asked: usize,
}

/// Which nodes one fit fits on.
#[derive(Clone, Debug, Default)]
pub(super) struct FitIndex {
    /// One bit a node slot.
    words: Vec<u64>,
    /// The local score of each feasible node, [`UNFIT`] elsewhere; empty until scores are asked for.
    scores: Vec<i32>,
    /// Beside it, for each feasible node: intolerable preferences against the pod, and the weight of
    /// its preferred terms.
    preferences: Vec<(i32, i32)>,
    /// How far in the log this index has come.
    seen: u64,
    asked: u64,
}

impl FitIndexes {
    /// Notes that a node changed, came or went.
    pub(crate) fn node_changed(&mut self, node: NodeId) {
        if self.latest.len() <= node.index() {
            self.latest.resize(node.index() + 1, 0);
        }
        let position = self.log_end();
        let before = std::mem::replace(&mut self.latest[node.index()], position);
        self.log.push((node, before));
    }

    fn log_end(&self) -> u64 {
        self.log_start + self.log.len() as u64
    }

    /// Where a fork begins; `outermost` when it is a fork of the cluster itself.
    pub(crate) fn mark(&mut self, outermost: bool) -> ForkMark {
        if outermost {
            self.asked_on_forks.clear();
        }
        ForkMark { log_end: self.log_end(), asked: self.asked_on_forks.len() }
    }

    /// Takes the index of `fit` out, brought up to date. It must be given back.
    pub(super) fn take(cluster: &mut Cluster, fit: FitId, with_scores: bool) -> FitIndex {
        if cluster.is_fork() {
            cluster.fits.asked_on_forks.push(fit);
        } else {
            cluster.fits.trim_log(cluster.nodes.slot_count());
        }
        let fits = &mut cluster.fits;
        fits.asked += 1;
        let mut index = fits.by_fit.remove(&fit).unwrap_or_default();
        index.asked = fits.asked;
        let log_end = fits.log_end();
        let rebuild = index.words.is_empty()
            || index.seen < fits.log_start
            || (with_scores && index.scores.is_empty());
        if rebuild {
            index.rebuild(cluster, fit, with_scores);
        } else {
            let from = usize::try_from(index.seen - cluster.fits.log_start)
                .expect("a position inside the log");
            let log = std::mem::take(&mut cluster.fits.log);
            index.grow(cluster.nodes.slot_count());
            for (position, (node, _)) in (index.seen..).zip(&log[from..]) {
                // A node that changed again further on is looked at there.
                if cluster.fits.latest[node.index()] == position {
                    index.refresh(cluster, fit, *node);
                }
            }
            cluster.fits.log = log;
        }
        index.seen = log_end;
        index
    }

    /// Puts an index back that was taken out.
    pub(super) fn give_back(&mut self, fit: FitId, index: &mut FitIndex) {
        if self.by_fit.len() >= INDEXES_MAX {
            let oldest = self.by_fit.iter().map(|(id, one)| (one.asked, *id)).min();
            if let Some((_, oldest)) = oldest {
                self.by_fit.remove(&oldest);
            }
        }
        self.by_fit.insert(fit, std::mem::take(index));
    }

    /// Ends a fork that was rolled back: nothing that happened on it needs to be told to anybody but
    /// the indexes that were asked in the meantime. They look again at the nodes it touched.
    pub(crate) fn forget_fork(cluster: &mut Cluster, mark: &ForkMark) {
        let fits = &mut cluster.fits;
        let Some(kept) = mark.log_end.checked_sub(fits.log_start) else { return };
        let kept = usize::try_from(kept).expect("a position inside the log");
        for (node, before) in fits.log[kept..].iter().rev() {
            fits.latest[node.index()] = *before;
        }
        let mut touched: Vec<NodeId> = fits.log.drain(kept..).map(|(node, _)| node).collect();
        let mut asked = fits.asked_on_forks.split_off(mark.asked);
        if asked.is_empty() {
            return;
        }
        touched.sort_unstable();
        touched.dedup();
        asked.sort_unstable();
        asked.dedup();
        for fit in &asked {
            let Some(mut index) = cluster.fits.by_fit.remove(fit) else { continue };
            if index.seen > mark.log_end {
                index.grow(cluster.nodes.slot_count());
                for node in &touched {
                    index.refresh(cluster, *fit, *node);
                }
                index.seen = mark.log_end;
            }
            cluster.fits.by_fit.insert(*fit, index);
        }
        // The fork around this one must know of them too: they have seen what it did.
        cluster.fits.asked_on_forks.extend(asked);
    }

    fn trim_log(&mut self, node_slots: usize) {
        let limit = LOG_LENGTH_MIN.max(4 * node_slots);
        if self.log.len() > limit {
            let dropped = self.log.len() - limit / 2;
            self.log.drain(..dropped);
            self.log_start += dropped as u64;
        }
    }
}

impl FitIndex {
    fn rebuild(&mut self, cluster: &mut Cluster, fit: FitId, with_scores: bool) {
        let slots = cluster.nodes.slot_count();
        self.words = vec![0; slots.div_ceil(64).max(1)];
        self.scores = if with_scores { vec![UNFIT; slots] } else { Vec::new() };
        self.preferences = if with_scores { vec![(0, 0); slots] } else { Vec::new() };
        for index in 0..slots {
            self.refresh(cluster, fit, NodeId::at(index));
        }
    }

    fn grow(&mut self, slots: usize) {
        if self.words.len() < slots.div_ceil(64) {
            self.words.resize(slots.div_ceil(64), 0);
        }
        if !self.scores.is_empty() && self.scores.len() < slots {
            self.scores.resize(slots, UNFIT);
            self.preferences.resize(slots, (0, 0));
        }
    }

    fn refresh(&mut self, cluster: &mut Cluster, fit: FitId, node: NodeId) {
        if node.index() >= cluster.nodes.slot_count() {
            // The slot came and went with a fork.
            if node.index() < self.words.len() * 64 {
                self.clear(node);
            }
            return;
        }
        if cluster.nodes.find(node).is_none() || !cluster.fits_node(fit, node) {
            self.clear(node);
            return;
        }
        self.words[node.index() / 64] |= 1 << (node.index() % 64);
        if !self.scores.is_empty() {
            let score = local_score(cluster, cluster.catalog.fit(fit), node);
            self.scores[node.index()] = i32::try_from(score).expect("scores are at most 200");
            self.preferences[node.index()] = cluster.static_preferences(fit, node);
        }
    }

    fn clear(&mut self, node: NodeId) {
        self.words[node.index() / 64] &= !(1 << (node.index() % 64));
        if let Some(score) = self.scores.get_mut(node.index()) {
            *score = UNFIT;
        }
    }

    /// The first node it fits on in `from..end`.
    pub(super) fn next_fit(&self, from: usize, end: usize) -> Option<NodeId> {
        let mut position = from;
        while position < end {
            let word = self.words.get(position / 64)? >> (position % 64);
            if word != 0 {
                let found = position + word.trailing_zeros() as usize;
                return (found < end).then(|| NodeId::at(found));
            }
            position = (position / 64 + 1) * 64;
        }
        None
    }

    /// The nodes it fits on, in the order of their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        let end = self.words.len() * 64;
        let mut position = 0;
        std::iter::from_fn(move || {
            let node = self.next_fit(position, end)?;
            position = node.index() + 1;
            Some(node)
        })
    }

    pub(super) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The node with the highest total. `spread` holds PodTopologySpread's normalised scores by node
    /// slot, where the plugin has a say.
    pub(super) fn best(&self, spread: Option<&[i64]>, tie_seed: u64) -> Option<NodeId> {
        let feasible = || self.scores.iter().enumerate().filter(|(_, score)| **score != UNFIT);
        let (mut most_against, mut most_wanted) = (0, 0);
        for (index, _) in feasible() {
            let (against, wanted) = self.preferences[index];
            most_against = most_against.max(against);
            most_wanted = most_wanted.max(wanted);
        }
        let total = |index: usize, local: i32| {
            let (against, wanted) = self.preferences[index];
            i64::from(local)
                + preference_score(against, most_against, wanted, most_wanted)
                + spread.map_or(0, |scores| SPREAD_WEIGHT * scores[index])
        };
        let mut best: Option<(i64, u64, NodeId)> = None;
        for (index, local) in feasible() {
            let score = total(index, *local);
            if best.is_some_and(|(highest, ..)| score < highest) {
                continue;
            }
            let node = NodeId::at(index);
            let rank = tie_rank(node, tie_seed);
            if best.is_none_or(|(highest, lowest, _)| score > highest || rank < lowest) {
                best = Some((score, rank, node));
            }
        }
        best.map(|(_, _, node)| node)
    }
}

/// Where a node stands among equals: a fixed order of all ids, drawn from the seed.
pub(super) fn tie_rank(node: NodeId, tie_seed: u64) -> u64 {
    // SplitMix64's finaliser: a permutation, so that no two nodes rank the same.
    let mut mixed = (u64::from(node.0) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ tie_seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Cluster {
    /// The filters that look at one node only, for a whole fit.
    fn fits_node(&mut self, fit: FitId, node: NodeId) -> bool {
        let parts = std::sync::Arc::clone(self.catalog.fit(fit));
        self.fit_has_room(&parts, node)
            && self.static_fit(parts.rules, node)
            && self.port_refusal(&parts, node).is_none()
    }

    fn static_fit(&mut self, rules: RulesId, node: NodeId) -> bool {
        let surface = self.nodes.get(node).surface;
        if let Some(known) = self.fits.static_answers.get(&(rules, surface)) {
            return *known;
        }
        let fits = self.static_refusal(rules, node).is_none();
        if !self.catalog.rules(rules).look_at_single_nodes() {
            self.fits.static_answers.insert((rules, surface), fits);
        }
        fits
    }

    /// What speaks against a pod on a node without keeping it off, and for it: the raw scores of
    /// TaintToleration and NodeAffinity.
    fn static_preferences(&mut self, fit: FitId, node: NodeId) -> (i32, i32) {
        let rules = self.catalog.fit(fit).rules;
        let surface = self.nodes.get(node).surface;
        if let Some(known) = self.fits.static_preferences.get(&(rules, surface)) {
            return *known;
        }
        let parts = self.catalog.rules(rules);
        let found = (
            intolerable_preferences(self.node_taints(node), &parts.tolerations),
            self.preferred_weight(parts, node),
        );
        if !parts.look_at_single_nodes() {
            self.fits.static_preferences.insert((rules, surface), found);
        }
        found
    }
}
