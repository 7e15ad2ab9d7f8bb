//! One scheduling pass over a cluster that stands still: every verdict and score, or every
//! placement.

use serde_json::{Map, Value, json};

use super::judgement::{Judgement, Verdict};
use super::preemption::{Candidate, PreemptionOutcome};
use super::ranking::tie_rank;
use crate::cluster::Cluster;
use crate::ids::{NodeId, PodId};

/// Seeds the choice among equals: a pass over a snapshot has no seed of its own.
const TIE_SEED: u64 = 0;

impl Cluster {
    /// The pods that wait for a node and that one of the profiles schedules, in the order of the
    /// scheduler's queue: by priority, then by creation.
    #[must_use]
    pub fn pending_pods(&self) -> Vec<PodId> {
        let mut pending: Vec<PodId> = self
            .unbound_pods()
            .filter(|id| {
                let pod = self.pod(*id);
                let scheduler = &self.shape(pod.shape).scheduler_name;
                pod.deletion_at.is_none() && self.catalog.knows_scheduler(scheduler)
            })
            .collect();
        pending.sort_by_key(|id| {
            let pod = self.pod(*id);
            (-i64::from(self.shape(pod.shape).priority), pod.created_at, pod.serial)
        });
        pending
    }

    /// Places pods one after the other, each bound before the next is tried. Each is tried once and
    /// none is preempted.
    pub fn schedule_in_order(&mut self, pods: &[PodId]) -> Vec<(PodId, Option<NodeId>)> {
        let mut placements = Vec::with_capacity(pods.len());
        for id in pods {
            let node = self.choose_node(*id, TIE_SEED);
            if let Some(node) = node {
                let now = self.pod(*id).created_at;
                self.reserve(*id, node, false);
                self.bind(*id, node, now);
            }
            placements.push((*id, node));
        }
        placements
    }
}

impl Judgement {
    /// The node that the pod goes to, of equals the one that ranks first; `None` when it goes
    /// nowhere.
    #[must_use]
    pub fn chosen(&self) -> Option<NodeId> {
        self.best.iter().copied().min_by_key(|node| tie_rank(*node, TIE_SEED))
    }
}

/// One element of `pods` in `plimsoll schedule --json`.
#[must_use]
pub fn judgement_as_json(cluster: &Cluster, pod: PodId, judgement: &Judgement) -> Value {
    let nodes: Map<String, Value> = judgement
        .nodes
        .iter()
        .map(|(node, verdict)| (cluster.node_name(*node).to_owned(), verdict_as_json(verdict)))
        .collect();
    let mut json = json!({
        "pod": cluster.pod_full_name(pod),
        "node": judgement.chosen().map(|node| cluster.node_name(node)),
        "nodes": nodes,
    });
    if let Some(message) = judgement.message() {
        json["message"] = message.into();
    }
    json
}

/// `preemption` of such an element: the node on which room would be made, and who would go for it.
/// `None` when preemption would not help.
#[must_use]
pub fn preemption_as_json(cluster: &Cluster, outcome: &PreemptionOutcome) -> Option<Value> {
    let chosen = outcome.chosen.as_ref()?;
    Some(json!({
        "node": cluster.node_name(chosen.node),
        "victims": victim_names(cluster, chosen),
    }))
}

/// The pods that would go, in the order of their names.
#[must_use]
pub fn victim_names(cluster: &Cluster, candidate: &Candidate) -> Vec<String> {
    let mut names: Vec<String> =
        candidate.victims.iter().map(|pod| cluster.pod_full_name(*pod)).collect();
    names.sort_unstable();
    names
}

fn verdict_as_json(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Fits { scores, total } => {
            let scores: Map<String, Value> = scores
                .iter()
                .map(|(plugin, score)| (plugin.name().to_owned(), (*score).into()))
                .collect();
            json!({"fits": true, "scores": scores, "total": total})
        }
        Verdict::Refused(refusal) => {
            json!({"fits": false, "plugin": refusal.plugin(), "reason": refusal.to_string()})
        }
    }
}
