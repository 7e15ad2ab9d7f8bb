//! What the scheduler says of a pod on every node: the first refusal, or every score.
//!
//! This is the slow, complete answer that people are shown. [`Cluster::best_node`] gives the same
//! best node from indexes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Kind;
use super::pod_affinity::AffinityRange;
use super::prepared::Prepared;
use super::profile::Plugin;
use super::refusal::{Refusal, describe_refusals};
use super::rulebook::Rulebook;
use super::scores::{share, taint_score};
use super::spread::{SpreadCensus, SpreadRange};
use super::topology::Plan;
use crate::catalog::Fit;
use crate::cluster::Cluster;
use crate::ids::{NodeId, PodId, ShapeId};
use crate::taints::intolerable_preferences;
use crate::time::SimTime;

/// What every node says to a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// By node, in the order of their ids.
    pub nodes: Vec<(NodeId, Verdict)>,
    /// The nodes with the highest total, in the order of their ids; the nominated node alone when
    /// the pod fits there; none when it fits nowhere.
    pub best: Vec<NodeId>,
    /// The pod is held at the gate and is not tried.
    pub is_gated: bool,
}

/// What a node says to a pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The pod fits.
    Fits {
        /// The normalised score (0–100) of each plugin that has a say, in the profile's order.
        scores: Vec<(Plugin, i64)>,
        /// The sum of the scores times their weights.
        total: i64,
    },
    /// A filter refuses.
    Refused(Refusal),
}

impl Judgement {
    /// The text of the PodScheduled condition; `None` when the pod fits somewhere or is not tried.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        let tried_in_vain = self.best.is_empty() && !self.is_gated;
        tried_in_vain.then(|| describe_refusals(self.refusals().map(|(_, refusal)| refusal)))
    }

    /// The nodes that refuse, and why.
    pub fn refusals(&self) -> impl Iterator<Item = (NodeId, &Refusal)> + '_ {
        self.nodes.iter().filter_map(|(node, verdict)| match verdict {
            Verdict::Refused(refusal) => Some((*node, refusal)),
            Verdict::Fits { .. } => None,
        })
    }
}

impl Cluster {
    /// Judges a pod that has no node against the cluster as it stands.
    pub fn judge(&mut self, pod: PodId) -> Judgement {
        let one = self.pod(pod);
        let (shape, controller, nominated) = (one.shape, one.controller, one.nominated);
        let nodes: Vec<NodeId> = self.nodes().map(|(id, _)| id).collect();
        if let Some(gate) = self.gate_of(shape) {
            let refused = |node: &NodeId| (*node, Verdict::Refused(gate.clone()));
            let nodes = nodes.iter().map(refused).collect();
            return Judgement { nodes, best: Vec::new(), is_gated: true };
        }
        let plan_id = self.plan_of(shape, controller);
        let plan = Arc::clone(self.topology.plans.get(plan_id));
        let kind = Kind { shape, controller, pod: Some(pod) };
        let prepared = self.prepare_kind(kind);
        let refusals: Vec<(NodeId, Option<Refusal>)> = nodes
            .into_iter()
            .map(|node| match &prepared {
                Ok(prepared) => (node, self.refusal_beside(kind, prepared, node)),
                Err(refusal) => (node, Some(refusal.clone())),
            })
            .collect();
        let feasible: Vec<NodeId> =
            refusals.iter().filter(|one| one.1.is_none()).map(|one| one.0).collect();
        let mut verdicts = match &prepared {
            Ok(prepared) => self.score_all(shape, &plan, prepared, &feasible),
            Err(_) => BTreeMap::new(),
        };
        let highest = verdicts.values().map(|verdict| verdict.total()).max();
        let best = match nominated.filter(|node| feasible.contains(node)) {
            Some(nominated) => vec![nominated],
            None => feasible
                .iter()
                .copied()
                .filter(|node| Some(verdicts[node].total()) == highest)
                .collect(),
        };
        let verdict = |(node, refusal): (NodeId, Option<Refusal>)| {
            let verdict = refusal.map(Verdict::Refused);
            (node, verdict.or_else(|| verdicts.remove(&node)).expect("judged either way"))
        };
        Judgement { nodes: refusals.into_iter().map(verdict).collect(), best, is_gated: false }
    }

    /// Why a pod of this shape is not tried at all: PreEnqueue.
    #[must_use]
    pub fn gate_of(&self, shape: ShapeId) -> Option<Refusal> {
        let book = self.rulebook_of(shape);
        let gates = &self.shape(shape).scheduling_gates;
        book.profile.pre_enqueue.iter().find_map(|plugin| match plugin {
            Plugin::SchedulingGates if !gates.is_empty() => {
                let text = format!("waiting for scheduling gates: [{}]", gates.join(" "));
                Some(Refusal::of_pod(Plugin::SchedulingGates, text))
            }
            Plugin::DynamicResources => self.devices.gate(self.shape(shape)),
            _ => None,
        })
    }

    /// What the profile of pods of this shape says.
    pub(super) fn rulebook_of(&self, shape: ShapeId) -> &Arc<Rulebook> {
        let rules = self.catalog.rules(self.catalog.fit(self.catalog.fit_of(shape)).rules);
        self.catalog.rulebook(rules.profile)
    }

    /// The first filter that refuses, with the pods that are nominated to the node and do not yield
    /// to this one on it, and without them.
    ///
    /// Source: `RunFilterPluginsWithNominatedPods`.
    pub(super) fn refusal_beside(
        &mut self,
        kind: Kind,
        prepared: &Prepared,
        node: NodeId,
    ) -> Option<Refusal> {
        let nominated = self.nominated_before(kind, node);
        if !nominated.is_empty() {
            let mut with_them = prepared.clone();
            let mut fork = self.fork();
            for other in nominated {
                fork.bind(other, node, SimTime::default());
                with_them.pod_came(&fork, other);
            }
            let refusal = fork.refusal_by_node(kind.shape, &with_them, node);
            if refusal.is_some() {
                return refusal;
            }
        }
        self.refusal_by_node(kind.shape, prepared, node)
    }

    /// The pods nominated to a node that this one must leave room for: those that wait (on a fork
    /// they may be bound already) and that a profile schedules, of no lower priority.
    fn nominated_before(&self, kind: Kind, node: NodeId) -> Vec<PodId> {
        let priority = self.shape(kind.shape).priority;
        let yields_to = |other: &PodId| {
            let pod = self.pod(*other);
            let spec = self.shape(pod.shape);
            Some(*other) != kind.pod
                && pod.node.is_none()
                && spec.priority >= priority
                && pod.deletion_at.is_none()
                && self.catalog.knows_scheduler(&spec.scheduler_name)
                && self.gate_of(pod.shape).is_none()
        };
        self.nominated_to(node).iter().copied().filter(yields_to).collect()
    }

    /// The scores of nodes that all fit.
    pub(super) fn score_all(
        &self,
        shape: ShapeId,
        plan: &Plan,
        prepared: &Prepared,
        feasible: &[NodeId],
    ) -> BTreeMap<NodeId, Verdict> {
        let book = self.rulebook_of(shape);
        let mut scores: Vec<Vec<(Plugin, i64)>> = vec![Vec::new(); feasible.len()];
        for (plugin, _) in &book.profile.scores {
            let column = self.score_column(*plugin, shape, (plan, prepared), feasible);
            for (node, score) in column.into_iter().enumerate() {
                scores[node].extend(score.map(|score| (*plugin, score)));
            }
        }
        let verdict = |scores: Vec<(Plugin, i64)>| {
            let total = scores.iter().map(|(plugin, score)| book.weight(*plugin) * score).sum();
            Verdict::Fits { scores, total }
        };
        feasible.iter().copied().zip(scores.into_iter().map(verdict)).collect()
    }

    /// A plugin's normalised scores of nodes; `None` where it skips itself.
    fn score_column(
        &self,
        plugin: Plugin,
        shape: ShapeId,
        (plan, prepared): (&Plan, &Prepared),
        nodes: &[NodeId],
    ) -> Vec<Option<i64>> {
        let fit: &Fit = self.catalog.fit(self.catalog.fit_of(shape));
        let rules = self.catalog.rules(fit.rules);
        let book = self.rulebook_of(shape);
        let each = |score: &dyn Fn(NodeId) -> Option<i64>| -> Vec<Option<i64>> {
            nodes.iter().map(|node| score(*node)).collect()
        };
        match plugin {
            Plugin::TaintToleration => {
                let against = |node: NodeId| {
                    i64::from(intolerable_preferences(self.node_taints(node), &rules.tolerations))
                };
                let most = nodes.iter().map(|node| against(*node)).max().unwrap_or(0);
                each(&|node| Some(taint_score(against(node), most)))
            }
            Plugin::NodeAffinity => {
                // Without its PreScore the plugin does not notice that it has nothing to say.
                let has_no_say = rules.preferred.is_empty() && book.added_preferences().is_empty();
                if has_no_say && book.profile.pre_scores.contains(&plugin) {
                    return vec![None; nodes.len()];
                }
                let wanted = |node: NodeId| i64::from(self.preferred_weight(rules, node));
                let most = nodes.iter().map(|node| wanted(*node)).max().unwrap_or(0);
                each(&|node| Some(share(wanted(node), most)))
            }
            Plugin::NodeResourcesFit => each(&|node| Some(self.fit_score(fit, book, node))),
            Plugin::NodeResourcesBalancedAllocation => {
                let unasked = (!book.profile.pre_scores.contains(&plugin)).then_some(0);
                each(&|node| self.balanced_score(fit, book, node).or(unasked))
            }
            Plugin::PodTopologySpread if !plan.soft.is_empty() => self.spread_column(plan, nodes),
            Plugin::InterPodAffinity if self.has_affinity_score(plan) => {
                let mut range = AffinityRange::default();
                nodes.iter().for_each(|node| range.add(self.raw_affinity(plan, *node)));
                each(&|node| Some(range.normalise(self.raw_affinity(plan, node))))
            }
            Plugin::ImageLocality => each(&|node| Some(self.image_score(plan, node))),
            Plugin::DynamicResources => self.device_column(shape, prepared, nodes),
            _ => vec![None; nodes.len()],
        }
    }

    fn device_column(
        &self,
        shape: ShapeId,
        prepared: &Prepared,
        nodes: &[NodeId],
    ) -> Vec<Option<i64>> {
        let Some(cycle) = &prepared.devices else { return vec![Some(0); nodes.len()] };
        let raw = |node: &NodeId| self.devices_on(shape, cycle, *node).map_or(0, |one| one.score);
        let mut scores: Vec<i64> = nodes.iter().map(raw).collect();
        crate::devices::plugin::normalise(&mut scores);
        scores.into_iter().map(Some).collect()
    }

    fn spread_column(&self, plan: &Plan, nodes: &[NodeId]) -> Vec<Option<i64>> {
        let mut census = SpreadCensus::new(plan);
        nodes.iter().for_each(|node| census.add(self, plan, *node, 1));
        let weights = census.finish(plan);
        let raw: Vec<Option<i64>> =
            nodes.iter().map(|node| self.raw_spread(plan, &weights, *node)).collect();
        let mut range = SpreadRange::default();
        raw.iter().for_each(|raw| range.add(*raw));
        raw.into_iter().map(|raw| Some(range.normalise(raw))).collect()
    }
}

impl Verdict {
    /// The sum of the weighted scores; the lowest number for a refusal.
    #[must_use]
    pub fn total(&self) -> i64 {
        match self {
            Verdict::Fits { total, .. } => *total,
            Verdict::Refused(_) => i64::MIN,
        }
    }
}
