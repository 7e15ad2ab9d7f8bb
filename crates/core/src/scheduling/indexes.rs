//! The indexes in use, and how they catch up with the changes of nodes.
//!
//! A change to a node is one entry in a log; an index catches up with the log when it is next asked.
//! When a fork is rolled back the log is cut where the fork began, and only the indexes that were
//! asked on the fork look again at the nodes it touched.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::change_log::ChangeLog;
use super::fit_index::FitIndex;
use super::profile::Plugin;
use super::ranking::Ranking;
use super::topology::{Plan, PlanId};
use crate::cluster::Cluster;
use crate::ids::{FitId, NodeId, RulesId, SurfaceId};
use crate::taints::intolerable_preferences;

/// How many indexes of fits are kept; beyond that the one that was asked least recently goes. A bit
/// a node is little.
const FIT_INDEXES_MAX: usize = 1024;
/// How many rankings are kept. Clusters have dozens of kinds of pods waiting at a time, and 256
/// rankings over 5,000 nodes are 40 MB.
const RANKINGS_MAX: usize = 256;

/// The index of each kind of pod in use, and the log that they catch up with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Indexes {
    /// By fit.
    fits: Vec<Option<Box<FitIndex>>>,
    fit_count: usize,
    rankings: FxHashMap<RankingKey, Ranking>,
    log: ChangeLog,
    /// The indexes asked since the outermost fork began, oldest first.
    asked_on_forks: Vec<Asked>,
    /// How many there were when the innermost fork, or one inside it that has ended, began.
    asked_before_fork: usize,
    asked: u64,
    static_answers: FxHashMap<(RulesId, SurfaceId), bool>,
    static_preferences: FxHashMap<(RulesId, SurfaceId), (i32, i32)>,
}

/// Pods with equal keys are ranked alike.
type RankingKey = (FitId, PlanId);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Fit(FitId),
    Ranking(FitId, PlanId),
}

/// Where in the log a fork began, and how many indexes had been asked on forks by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForkMark {
    log_end: u64,
    asked: usize,
}

impl Indexes {
    /// Notes that a node changed, came or went.
    pub(crate) fn node_changed(&mut self, node: NodeId) {
        self.log.push(node);
    }

    /// Notes that pods came to a node or left it.
    #[inline]
    pub(crate) fn pods_changed(&mut self, node: NodeId) {
        self.log.push_pods(node);
    }

    /// Where a fork begins; `outermost` when it is a fork of the cluster itself.
    pub(crate) fn mark(&mut self, outermost: bool) -> ForkMark {
        if outermost {
            self.asked_on_forks.clear();
        }
        self.asked_before_fork = self.asked_on_forks.len();
        ForkMark { log_end: self.log.end(), asked: self.asked_on_forks.len() }
    }

    /// A fork is about to be rolled back and then forgotten.
    pub(crate) fn begin_roll_back(&mut self, mark: &ForkMark) {
        self.log.be_quiet_until_cut(mark.log_end);
    }

    /// Takes the index of `fit` out, brought up to date. It must be given back.
    pub(super) fn take_fit(cluster: &mut Cluster, fit: FitId) -> Box<FitIndex> {
        Indexes::note_asked(cluster, Asked::Fit(fit));
        let mut index = cluster.indexes.remove_fit(fit).unwrap_or_default();
        if index.is_built() && index.seen == cluster.indexes.log.end() {
            index.asked = cluster.indexes.asked;
            return index;
        }
        let log = std::mem::take(&mut cluster.indexes.log);
        match log.since(index.seen).filter(|_| index.is_built()) {
            None => index.build(cluster, fit),
            Some(changed) => {
                index.grow(cluster.nodes.slot_count());
                for node in changed {
                    index.refresh(cluster, fit, node);
                }
            }
        }
        index.seen = log.end();
        index.asked = cluster.indexes.asked;
        cluster.indexes.log = log;
        index
    }

    /// Puts an index back that was taken out.
    pub(super) fn give_fit_back(&mut self, fit: FitId, index: Box<FitIndex>) {
        if self.fit_count >= FIT_INDEXES_MAX {
            let kept = self.fits.iter().enumerate();
            let kept = kept.filter_map(|(place, one)| Some((one.as_ref()?.asked, place)));
            if let Some((_, oldest)) = kept.min() {
                self.fits[oldest] = None;
                self.fit_count -= 1;
            }
        }
        if self.fits.len() <= fit.index() {
            self.fits.resize_with(fit.index() + 1, || None);
        }
        let before = self.fits[fit.index()].replace(index);
        self.fit_count += usize::from(before.is_none());
    }

    fn remove_fit(&mut self, fit: FitId) -> Option<Box<FitIndex>> {
        let index = self.fits.get_mut(fit.index())?.take()?;
        self.fit_count -= 1;
        Some(index)
    }

    /// Takes the ranking of a fit and plan out, brought up to date. It must be given back.
    pub(super) fn take_ranking(
        cluster: &mut Cluster,
        fit: FitId,
        (id, plan): (PlanId, &Plan),
        tie_seed: u64,
    ) -> Ranking {
        Indexes::note_asked(cluster, Asked::Ranking(fit, id));
        let mut ranking = cluster.indexes.rankings.remove(&(fit, id)).unwrap_or_default();
        let log = std::mem::take(&mut cluster.indexes.log);
        let is_outdated = ranking.is_outdated(cluster, plan, tie_seed);
        match log.since(ranking.seen).filter(|_| !is_outdated) {
            None => ranking.build(cluster, fit, plan, tie_seed),
            Some(changed) => {
                for node in changed {
                    ranking.refresh(cluster, fit, plan, node);
                }
            }
        }
        ranking.seen = log.end();
        ranking.asked = cluster.indexes.asked;
        cluster.indexes.log = log;
        ranking
    }

    /// Puts a ranking back that was taken out.
    pub(super) fn give_ranking_back(&mut self, key: RankingKey, ranking: Ranking) {
        if self.rankings.len() >= RANKINGS_MAX {
            let oldest = self.rankings.iter().map(|(key, one)| (one.asked, *key)).min();
            if let Some((_, oldest)) = oldest {
                self.rankings.remove(&oldest);
            }
        }
        self.rankings.insert(key, ranking);
    }

    fn note_asked(cluster: &mut Cluster, asked: Asked) {
        if cluster.is_fork() {
            let indexes = &mut cluster.indexes;
            // Whoever is asked over and over is noted once: by this fork, or by one inside it that
            // has ended and handed its notes on.
            let own = indexes.asked_on_forks.get(indexes.asked_before_fork..);
            if own.and_then(<[Asked]>::last) != Some(&asked) {
                indexes.asked_on_forks.push(asked);
            }
        } else {
            let slots = cluster.nodes.slot_count();
            cluster.indexes.log.trim(slots);
        }
        cluster.indexes.asked += 1;
    }

    /// The nodes that changed at or after a position in the log; `None` when it does not reach back
    /// that far.
    pub(super) fn changed_since(cluster: &mut Cluster, position: u64) -> Option<Vec<NodeId>> {
        let slots = cluster.nodes.slot_count();
        cluster.indexes.log.trim(slots);
        cluster.indexes.log.since(position).map(Iterator::collect)
    }

    /// The position of the next change in the log.
    pub(super) fn log_end(cluster: &Cluster) -> u64 {
        cluster.indexes.log.end()
    }

    /// Ends a fork that was rolled back: nothing that happened on it needs to be told to anybody but
    /// the indexes that were asked in the meantime. They look again at the nodes it touched.
    pub(crate) fn forget_fork(cluster: &mut Cluster, mark: &ForkMark) {
        let Some(mut touched) = cluster.indexes.log.cut(mark.log_end) else { return };
        let mut asked = cluster.indexes.asked_on_forks.split_off(mark.asked);
        if asked.is_empty() {
            return;
        }
        touched.sort_unstable();
        touched.dedup();
        asked.sort_unstable();
        asked.dedup();
        for one in &asked {
            match *one {
                Asked::Fit(fit) => {
                    let Some(mut index) = cluster.indexes.remove_fit(fit) else { continue };
                    if index.seen > mark.log_end {
                        index.grow(cluster.nodes.slot_count());
                        for node in &touched {
                            index.refresh(cluster, fit, *node);
                        }
                        index.seen = mark.log_end;
                    }
                    cluster.indexes.give_fit_back(fit, index);
                }
                Asked::Ranking(fit, plan) => {
                    let key = (fit, plan);
                    let Some(mut ranking) = cluster.indexes.rankings.remove(&key) else { continue };
                    if ranking.seen > mark.log_end {
                        let parts = Arc::clone(cluster.topology.plans.get(plan));
                        if ranking.has_other_images(cluster, &parts) {
                            // It was scored on the fork, with images or nodes that are no more.
                            // Corrected in part it would fit neither this state nor the next fork
                            // that brings the same.
                            continue;
                        }
                        for node in &touched {
                            ranking.refresh(cluster, fit, &parts, *node);
                        }
                        ranking.seen = mark.log_end;
                    }
                    cluster.indexes.rankings.insert(key, ranking);
                }
            }
        }
        // The fork around this one must know of them too: they have seen what it did.
        cluster.indexes.asked_on_forks.extend(asked);
    }
}

impl Cluster {
    /// Forgets everything that was worked out about kinds of pods.
    pub(crate) fn forget_indexes(&mut self) {
        assert!(!self.is_fork(), "what indexes rest on does not change on a fork");
        self.indexes.fits.clear();
        self.indexes.fit_count = 0;
        self.indexes.rankings.clear();
        self.preemption_indexes = super::PreemptionIndexes::default();
    }

    /// Forgets what was ranked by plans that no longer mean what they meant.
    pub(super) fn forget_rankings(&mut self) {
        self.indexes.rankings.clear();
    }

    /// The filters that look at one node only, for a whole fit.
    #[inline]
    pub(super) fn fits_node(&mut self, fit: FitId, node: NodeId) -> bool {
        let parts = self.catalog.fit(fit);
        let rules = parts.rules;
        let book = self.catalog.rulebook(self.catalog.rules(rules).profile);
        self.fit_has_room(parts, book, node)
            && (!book.filters_by(Plugin::NodePorts) || self.port_refusal(parts, node).is_none())
            && self.static_fit(rules, node)
    }

    pub(super) fn static_fit(&mut self, rules: RulesId, node: NodeId) -> bool {
        let surface = self.nodes.get(node).surface;
        if let Some(known) = self.indexes.static_answers.get(&(rules, surface)) {
            return *known;
        }
        let parts = self.catalog.rules(rules);
        let fits = self.is_statically_fit(parts, node);
        if !parts.look_at_single_nodes() && !self.catalog.rulebook(parts.profile).looks_at_names() {
            self.indexes.static_answers.insert((rules, surface), fits);
        }
        fits
    }

    /// What speaks against a pod on a node without keeping it off, and for it: the raw scores of
    /// TaintToleration and NodeAffinity.
    pub(super) fn static_preferences(&mut self, fit: FitId, node: NodeId) -> (i32, i32) {
        let rules = self.catalog.fit(fit).rules;
        let surface = self.nodes.get(node).surface;
        if let Some(known) = self.indexes.static_preferences.get(&(rules, surface)) {
            return *known;
        }
        let parts = self.catalog.rules(rules);
        let found = (
            intolerable_preferences(self.node_taints(node), &parts.tolerations),
            self.preferred_weight(parts, node),
        );
        if !parts.look_at_single_nodes() && !self.catalog.rulebook(parts.profile).looks_at_names() {
            self.indexes.static_preferences.insert((rules, surface), found);
        }
        found
    }
}
