//! DefaultPreemption: which pods of lower priority would have to go for a pod that fits nowhere.
//!
//! Source: `pkg/scheduler/framework/preemption` and `plugins/defaultpreemption`.

mod index;

pub(crate) use index::PreemptionIndexes;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::Kind;
use super::judgement::Judgement;
use super::prepared::Prepared;
use super::profile::Plugin;
use super::ranking::tie_rank;
use super::refusal::{Refusal, describe_refusals};
use crate::cluster::{Budget, Cluster};
use crate::ids::{BudgetId, NodeId, PodId};
use crate::time::SimTime;

/// Priorities are counted from the lowest, so that more victims are never better than fewer.
const PRIORITY_OFFSET: i64 = 1 << 31;

/// What preemption could do for a pod that fits nowhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PreemptionOutcome {
    /// The node on which room would be made, and the pods that would go, the most important first.
    pub chosen: Option<Candidate>,
    /// Every node on which room could be made, in the order of their ids.
    pub candidates: Vec<Candidate>,
    /// What the pod's condition says after the refusals, when nothing can be done.
    pub message: Option<String>,
}

/// A node on which room can be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The node.
    pub node: NodeId,
    /// The pods that would go, the most important first.
    pub victims: Vec<PodId>,
    cost: Cost,
}

/// What it costs to make room on a node; the least is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    budgets_violated: usize,
    highest_priority: i32,
    priority_sum: i64,
    victims: usize,
    /// The latest start of the most important victims: of each node its earliest.
    start: Reverse<SimTime>,
}

impl Cluster {
    /// What preemption could do for a pod that was judged to fit nowhere. Nothing is done.
    pub fn judge_preemption(&mut self, pod: PodId, judgement: &Judgement) -> PreemptionOutcome {
        let one = self.pod(pod);
        let kind = Kind { shape: one.shape, controller: one.controller, pod: Some(pod) };
        let refusals: Vec<(NodeId, &Refusal)> = judgement.refusals().collect();
        let mut outcome = PreemptionOutcome::default();
        if refusals.is_empty() {
            return outcome;
        }
        let post_filters = self.rulebook_of(kind.shape).profile.post_filters.clone();
        let mut words: Vec<String> = Vec::new();
        if post_filters.contains(&Plugin::DynamicResources) {
            words.push(self.words_of_devices(kind, &refusals));
        }
        if post_filters.contains(&Plugin::DefaultPreemption) {
            match self.find_candidates(kind, &refusals) {
                Ok(candidates) => outcome.candidates = candidates,
                Err(text) => words.push(format!("preemption: {text}")),
            }
        }
        let cost = |one: &&Candidate| (one.cost, tie_rank(one.node, 0));
        outcome.chosen = outcome.candidates.iter().min_by_key(cost).cloned();
        if outcome.chosen.is_none() && !words.is_empty() {
            outcome.message = Some(words.join(", "));
        }
        outcome
    }

    /// What DynamicResources adds to the condition of a pod that fits nowhere.
    fn words_of_devices(&self, kind: Kind, refusals: &[(NodeId, &Refusal)]) -> String {
        let prepared = self.prepare(kind).ok();
        let cycle = prepared.as_ref().and_then(|prepared| prepared.devices.as_ref());
        let mut unavailable = BTreeSet::new();
        if let Some(cycle) = cycle {
            let by_devices = |one: &&(NodeId, &Refusal)| one.1.plugin == Plugin::DynamicResources;
            for (node, _) in refusals.iter().filter(by_devices) {
                if let Err(refused) = self.devices_on(kind.shape, cycle, *node) {
                    unavailable.extend(refused.unavailable_claims);
                }
            }
        }
        let identity = self.identity_of(kind.pod);
        self.devices.post_filter(identity, cycle, &unavailable).message.to_owned()
    }

    /// The node on which room is made for a pod that fits nowhere, and the pods that must go, the
    /// most important first. `None` when preemption does not help. Of equals the one whose id ranks
    /// first by `tie_seed`.
    pub fn choose_preemption(&mut self, pod: PodId, tie_seed: u64) -> Option<(NodeId, Vec<PodId>)> {
        let one = self.pod(pod);
        let kind = Kind { shape: one.shape, controller: one.controller, pod: Some(pod) };
        let profile = &self.rulebook_of(kind.shape).profile;
        if !profile.post_filters.contains(&Plugin::DefaultPreemption)
            || self.gate_of(kind.shape).is_some()
        {
            return None;
        }
        let prepared = self.prepare_kind(kind).ok()?;
        if self.is_indexed_for_preemption(kind, &prepared) {
            if self.ineligible(kind, None).is_some() {
                return None;
            }
            let node = self.cheapest_node(kind, &prepared, tie_seed)?;
            let candidate = self.try_node(kind, &prepared, node).ok()?;
            return Some((node, candidate.victims));
        }
        let judgement = self.judge(pod);
        let outcome = self.judge_preemption(pod, &judgement);
        let cost = |one: &Candidate| (one.cost, tie_rank(one.node, tie_seed));
        let best = outcome.candidates.into_iter().min_by_key(cost)?;
        Some((best.node, best.victims))
    }

    /// Every node on which room can be made.
    ///
    /// # Errors
    /// Why none is, in upstream's words.
    fn find_candidates(
        &mut self,
        kind: Kind,
        refusals: &[(NodeId, &Refusal)],
    ) -> Result<Vec<Candidate>, String> {
        if let Some(text) = self.ineligible(kind, Some(refusals)) {
            return Err(text.to_owned());
        }
        let unhelpful = Refusal::unresolvable(
            Plugin::DefaultPreemption,
            "Preemption is not helpful for scheduling",
        );
        let prepared = self.prepare_kind(kind);
        let mut candidates = Vec::new();
        let mut refused: Vec<Refusal> = Vec::new();
        for (node, refusal) in refusals {
            match prepared.as_ref().ok().filter(|_| refusal.resolvable) {
                None => refused.push(unhelpful.clone()),
                Some(prepared) => match self.try_node(kind, prepared, *node) {
                    Ok(candidate) => candidates.push(candidate),
                    Err(refusal) => refused.push(refusal),
                },
            }
        }
        if candidates.is_empty() { Err(describe_refusals(refused.iter())) } else { Ok(candidates) }
    }

    /// Why a pod may not preempt anybody now.
    fn ineligible(
        &self,
        kind: Kind,
        refusals: Option<&[(NodeId, &Refusal)]>,
    ) -> Option<&'static str> {
        let spec = self.shape(kind.shape);
        if !spec.preempts {
            return Some("not eligible due to preemptionPolicy=Never.");
        }
        let nominated = self.pod(kind.pod?).nominated?;
        // Where no pod's leaving would help, waiting for some to leave is in vain.
        let is_hopeless = match refusals {
            Some(refusals) => {
                refusals.iter().any(|(node, refusal)| *node == nominated && !refusal.resolvable)
            }
            None => self.refusal(kind.shape, nominated).is_some_and(|refusal| !refusal.resolvable),
        };
        if is_hopeless {
            return None;
        }
        let leaves_for_somebody = |id: &PodId| {
            let pod = self.pod(*id);
            pod.is_preempted
                && pod.deletion_at.is_some()
                && self.shape(pod.shape).priority < spec.priority
        };
        let waits = self.find_node(nominated)?.pods.iter().any(leaves_for_somebody);
        waits.then_some("not eligible due to a terminating pod on the nominated node.")
    }

    /// Takes all pods of lower priority off a node, and puts back as many as the pod leaves room for,
    /// those first that a budget protects, then the more important ones.
    ///
    /// # Errors
    /// What still refuses the pod when all are gone.
    fn try_node(
        &mut self,
        kind: Kind,
        prepared: &Prepared,
        node: NodeId,
    ) -> Result<Candidate, Refusal> {
        let priority = self.shape(kind.shape).priority;
        let yields = |id: &PodId| self.shape(self.pod(*id).shape).priority < priority;
        let mut pods: Vec<PodId> = self.node(node).pods.iter().copied().filter(yields).collect();
        if pods.is_empty() {
            let reason = "No preemption victims found for incoming pod";
            return Err(Refusal::unresolvable(Plugin::DefaultPreemption, reason));
        }
        pods.sort_by_cached_key(|id| self.importance(*id));
        let protected = self.protected(&pods);
        let mut trial = Trial { prepared: prepared.clone(), node, left_going: Vec::new() };
        let mut fork = self.fork();
        // The last to go is the first to come back, which keeps the node's list in order.
        for pod in &pods {
            trial.take_off(&mut fork, *pod);
        }
        if let Some(refusal) = fork.refusal_beside(kind, &trial.prepared, node) {
            trial.settle(&mut fork);
            return Err(refusal);
        }
        let mut victims: Vec<PodId> = Vec::new();
        let mut budgets_violated = 0;
        let violating = pods.iter().zip(&protected).filter(|one| *one.1);
        let others = pods.iter().zip(&protected).filter(|one| !*one.1);
        for (pod, is_protected) in violating.chain(others) {
            trial.put_back(&mut fork, *pod);
            if fork.refusal_beside(kind, &trial.prepared, node).is_some() {
                trial.take_off(&mut fork, *pod);
                victims.push(*pod);
                budgets_violated += usize::from(*is_protected);
            }
        }
        trial.settle(&mut fork);
        drop(fork);
        victims.sort_by_cached_key(|id| self.importance(*id));
        let Some(first) = victims.first().copied() else {
            // It fits without anybody's leaving; upstream calls that an error.
            let name = self.node_name(node);
            let reason = format!("expected at least one victim pod on node \"{name}\"");
            return Err(Refusal::unresolvable(Plugin::DefaultPreemption, reason));
        };
        let priority_of = |id: &PodId| self.shape(self.pod(*id).shape).priority;
        let cost = Cost {
            budgets_violated,
            highest_priority: priority_of(&first),
            priority_sum: victims
                .iter()
                .map(|id| i64::from(priority_of(id)) + PRIORITY_OFFSET)
                .sum(),
            victims: victims.len(),
            // The most important victim is the one that started first among its equals.
            start: Reverse(self.pod(first).bound_at),
        };
        Ok(Candidate { node, victims, cost })
    }

    /// Sorts more important pods first: by priority, then by an earlier start.
    fn importance(&self, pod: PodId) -> (Reverse<i32>, SimTime, u64) {
        let one = self.pod(pod);
        (Reverse(self.shape(one.shape).priority), one.bound_at, one.serial)
    }

    /// For each pod whether its leaving, after those before it, breaks a budget.
    fn protected(&self, pods: &[PodId]) -> Vec<bool> {
        let mut allowed: Vec<(BudgetId, &Budget, i64)> = self
            .budgets()
            .filter(|(_, budget)| {
                // An empty selector, which protects a whole namespace, matches nothing here.
                let selector = budget.object.selector.as_ref();
                selector.is_some_and(|one| !one.requirements.is_empty())
            })
            .map(|(id, budget)| (id, budget, budget.disruptions_allowed))
            .collect();
        let mut protected = vec![false; pods.len()];
        for (pod, protected) in pods.iter().zip(&mut protected) {
            let one = self.pod(*pod);
            let spec = self.shape(one.shape);
            for (_, budget, allowed) in &mut allowed {
                let object = &budget.object;
                let matches = object.namespace == spec.namespace
                    && !spec.labels.is_empty()
                    && object.selector.as_ref().is_some_and(|one| one.matches(&spec.labels))
                    && !object.disrupted_pods.contains(&*one.name);
                if matches {
                    *allowed -= 1;
                    *protected |= *allowed < 0;
                }
            }
        }
        protected
    }
}

/// A node whose pods are taken off and put back.
struct Trial {
    prepared: Prepared,
    node: NodeId,
    /// Pods that are going anyway, taken off. Upstream's spread counts lose them once more, though
    /// they were not counted.
    left_going: Vec<PodId>,
}

impl Trial {
    fn take_off(&mut self, cluster: &mut Cluster, pod: PodId) {
        cluster.unbind(pod);
        self.prepared.pod_left(cluster, pod);
        let one = cluster.pod(pod);
        let (shape, is_going) = (one.shape, one.deletion_at.is_some());
        if is_going {
            self.left_going.push(pod);
            cluster.topology.account_going(shape, self.node, -1);
        }
    }

    fn put_back(&mut self, cluster: &mut Cluster, pod: PodId) {
        cluster.bind(pod, self.node, SimTime::default());
        self.prepared.pod_came(cluster, pod);
        if let Some(place) = self.left_going.iter().position(|one| *one == pod) {
            self.left_going.swap_remove(place);
            let shape = cluster.pod(pod).shape;
            cluster.topology.account_going(shape, self.node, 1);
        }
    }

    /// Takes back what a fork does not take back by itself.
    fn settle(self, cluster: &mut Cluster) {
        for pod in self.left_going {
            let shape = cluster.pod(pod).shape;
            cluster.topology.account_going(shape, self.node, 1);
        }
    }
}
