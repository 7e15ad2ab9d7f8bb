//! Node sampling: a scheduler of a large cluster looks for enough nodes that fit, not for all, and
//! goes on from there with the next pod.
//!
//! Nodes are looked at one after the other here; kube-scheduler looks at sixteen at a time, so that
//! there a few more or less may be looked at.
//!
//! Source: `findNodesThatFitPod`, `numFeasibleNodesToFind` in `pkg/scheduler/schedule_one.go`,
//! `pkg/scheduler/backend/cache/node_tree.go`, `GetZoneKey` in
//! `k8s.io/component-helpers/node/topology`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Kind;
use super::judgement::{Judgement, Verdict};
use super::prepared::Prepared;
use super::refusal::Refusal;
use crate::cluster::Cluster;
use crate::ids::{NodeId, PodId};

/// So many nodes that fit are looked for at least.
const FEASIBLE_NODES_MIN: usize = 100;
/// Without a percentage in the configuration: that of a small cluster.
const PERCENTAGE_OF_SMALL_CLUSTER: usize = 50;
/// It falls by one for so many nodes,
const NODES_PER_PERCENT: usize = 125;
/// but not below this.
const PERCENTAGE_MIN: usize = 5;

/// Labels that name a zone, and a region; the older ones count first.
const ZONE_LABELS: [&str; 2] =
    ["failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"];
const REGION_LABELS: [&str; 2] =
    ["failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"];

/// In which order a scheduler looks at the nodes, and how far it has come.
#[derive(Clone, Debug)]
pub struct NodeSampling {
    order: Vec<NodeId>,
    next_start: usize,
}

impl NodeSampling {
    /// Of a scheduler that has just started: a node of each zone in turn, zones and the nodes of each
    /// in the order in which they came.
    #[must_use]
    pub fn new(cluster: &Cluster) -> NodeSampling {
        let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut zones: Vec<Vec<NodeId>> = Vec::new();
        for (id, _) in cluster.nodes() {
            let place = *places.entry(cluster.zone_of(id)).or_insert(zones.len());
            if place == zones.len() {
                zones.push(Vec::new());
            }
            zones[place].push(id);
        }
        let longest = zones.iter().map(Vec::len).max().unwrap_or(0);
        let order = (0..longest)
            .flat_map(|turn| zones.iter().filter_map(move |nodes| nodes.get(turn).copied()))
            .collect();
        NodeSampling { order, next_start: 0 }
    }

    /// Notes that so many nodes were looked at.
    fn went_on(&mut self, looked_at: usize) {
        self.next_start = (self.next_start + looked_at) % self.order.len().max(1);
    }
}

/// How many nodes that fit are enough, of so many nodes.
fn feasible_nodes_to_find(percentage: u8, nodes: usize) -> usize {
    if nodes < FEASIBLE_NODES_MIN {
        return nodes;
    }
    let percentage = match percentage {
        0 => PERCENTAGE_OF_SMALL_CLUSTER
            .saturating_sub(nodes / NODES_PER_PERCENT)
            .max(PERCENTAGE_MIN),
        set => usize::from(set),
    };
    (nodes * percentage / 100).max(FEASIBLE_NODES_MIN)
}

impl Cluster {
    /// Judges a pod as [`Cluster::judge`] does, but looks only at as many nodes as the profile's
    /// `percentageOfNodesToScore` asks for: the others are not in the judgement, unless the pod fits
    /// nowhere.
    pub fn judge_sampled(&mut self, pod: PodId, sampling: &mut NodeSampling) -> Judgement {
        let one = self.pod(pod);
        let (shape, controller, nominated) = (one.shape, one.controller, one.nominated);
        let kind = Kind { shape, controller, pod: Some(pod) };
        if self.gate_of(shape).is_some() {
            return self.judge(pod);
        }
        let Ok(prepared) = self.prepare_kind(kind) else { return self.judge(pod) };
        if let Some(node) = nominated.filter(|node| self.find_node(*node).is_some())
            && self.refusal_beside(kind, &prepared, node).is_none()
        {
            return self.scored(kind, &prepared, &[node], Vec::new());
        }
        let candidates = self.sampled_from(kind, sampling);
        let book = Arc::clone(self.rulebook_of(shape));
        let enough = match book.profile.scores.as_slice() {
            [] => 1,
            _ => {
                feasible_nodes_to_find(book.profile.percentage_of_nodes_to_score, candidates.len())
            }
        };
        let mut feasible: Vec<NodeId> = Vec::new();
        let mut refused: Vec<(NodeId, Refusal)> = Vec::new();
        for place in 0..candidates.len() {
            let node = candidates[(sampling.next_start + place) % candidates.len()];
            match self.refusal_beside(kind, &prepared, node) {
                Some(refusal) => refused.push((node, refusal)),
                // One more than enough says that the search is over.
                None if feasible.len() == enough => break,
                None => feasible.push(node),
            }
        }
        sampling.went_on(feasible.len() + refused.len());
        if feasible.is_empty() {
            self.judge(pod)
        } else {
            self.scored(kind, &prepared, &feasible, refused)
        }
    }

    /// Places pods as [`Cluster::schedule_in_order`] does, each after a look at a sample of nodes.
    pub fn schedule_sampled(
        &mut self,
        pods: &[PodId],
        sampling: &mut NodeSampling,
    ) -> Vec<(PodId, Option<NodeId>)> {
        let mut placements = Vec::with_capacity(pods.len());
        for pod in pods {
            let node = self.judge_sampled(*pod, sampling).chosen();
            if let Some(node) = node {
                let now = self.pod(*pod).created_at;
                self.reserve(*pod, node, false);
                self.bind(*pod, node, now);
            }
            placements.push((*pod, node));
        }
        placements
    }

    /// The nodes that are looked at, in order: all, or those that the pod names.
    fn sampled_from(&self, kind: Kind, sampling: &NodeSampling) -> Vec<NodeId> {
        let rules = self.catalog.rules(self.catalog.fit(self.catalog.fit_of(kind.shape)).rules);
        let book = self.catalog.rulebook(rules.profile);
        match rules.named_nodes.as_ref().filter(|_| book.narrows_by_name()) {
            None => sampling.order.clone(),
            Some(names) => {
                let is_named = |node: &NodeId| names.iter().any(|one| one == self.node_name(*node));
                sampling.order.iter().copied().filter(is_named).collect()
            }
        }
    }

    /// The judgement when these nodes fit and those refuse.
    fn scored(
        &mut self,
        kind: Kind,
        prepared: &Prepared,
        feasible: &[NodeId],
        refused: Vec<(NodeId, Refusal)>,
    ) -> Judgement {
        let id = self.plan_of(kind.shape, kind.controller);
        let plan = Arc::clone(self.topology.plans.get(id));
        let mut verdicts = self.score_all(kind.shape, &plan, prepared, feasible);
        let highest = verdicts.values().map(Verdict::total).max();
        let is_best = |(_, verdict): &(&NodeId, &Verdict)| Some(verdict.total()) == highest;
        let best = verdicts.iter().filter(is_best).map(|(node, _)| *node).collect();
        verdicts.extend(refused.into_iter().map(|(node, one)| (node, Verdict::Refused(one))));
        Judgement { nodes: verdicts.into_iter().collect(), best, is_gated: false }
    }

    /// Region and zone; empty where the node names none.
    fn zone_of(&self, node: NodeId) -> (&str, &str) {
        let first = |labels: [&str; 2]| labels.iter().find_map(|key| self.node_label(node, key));
        (first(REGION_LABELS).unwrap_or(""), first(ZONE_LABELS).unwrap_or(""))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::objects::{Origin, Snapshot, read_scheduler_configuration};

    #[test]
    fn enough_is_a_share_that_falls_with_the_size_of_the_cluster() {
        for (percentage, nodes, enough) in [
            (0, 99, 99),
            (0, 100, 100),
            (0, 1000, 420),
            (0, 5000, 500),
            (0, 6000, 300),
            (0, 20_000, 1000),
            (30, 50, 50),
            (30, 1000, 300),
            (30, 200, 100),
            (100, 5000, 5000),
        ] {
            assert_eq!(feasible_nodes_to_find(percentage, nodes), enough, "{percentage} {nodes}");
        }
    }

    fn node(name: &str, zone: &str, cpu: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {
                "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone}},
            "status": {"allocatable": {"cpu": cpu, "memory": "4Gi", "pods": "10"}},
        })
    }

    fn pod(name: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "a"},
            "spec": {"containers": [{"name": "c", "image": "i", "resources": {
                "requests": {"cpu": "1"}}}]},
        })
    }

    fn cluster(objects: Vec<Value>, percentage: u8) -> Cluster {
        let configuration = json!({
            "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
            "percentageOfNodesToScore": percentage,
        });
        let profiles = read_scheduler_configuration(&configuration).expect("a configuration");
        let objects = objects.into_iter().map(|object| (object, Origin::default()));
        let (snapshot, _) = Snapshot::from_values(objects).expect("objects");
        Cluster::from_snapshot(&snapshot, &profiles)
    }

    fn names(cluster: &Cluster, nodes: &[NodeId]) -> String {
        nodes.iter().map(|node| cluster.node_name(*node)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn zones_take_turns() {
        let nodes = [("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("c1", "c"), ("c2", "c")];
        let nodes = nodes.map(|(name, zone)| node(name, zone, "2"));
        let cluster = cluster(nodes.to_vec(), 0);
        let sampling = NodeSampling::new(&cluster);
        assert_eq!(names(&cluster, &sampling.order), "a1 b1 c1 a2 c2 a3");
    }

    #[test]
    fn the_search_ends_with_enough_nodes_and_goes_on_behind_them() {
        // Of 200 nodes every fourth is too small; 50 % are 100 that fit, so that 133 are looked at.
        let size = |n: usize| if n.is_multiple_of(4) { "500m" } else { "2" };
        let mut objects: Vec<Value> =
            (0..200).map(|n| node(&format!("n{n}"), "a", size(n))).collect();
        objects.push(pod("p"));
        let mut cluster = cluster(objects, 50);
        let pending = cluster.pending_pods();
        let mut sampling = NodeSampling::new(&cluster);
        let judgement = cluster.judge_sampled(pending[0], &mut sampling);
        let refused = judgement.refusals().count();
        assert_eq!((judgement.nodes.len() - refused, refused), (100, 34));
        assert_eq!(sampling.next_start, 134);
        let judgement = cluster.judge_sampled(pending[0], &mut sampling);
        assert_eq!(sampling.next_start, 67);
        let first: Vec<NodeId> = judgement.nodes.iter().map(|(node, _)| *node).take(2).collect();
        assert_eq!(names(&cluster, &first), "n0 n1");
        assert!(judgement.nodes.iter().all(|(node, _)| !(67..134).contains(&node.index())));
    }

    #[test]
    fn a_small_cluster_is_judged_as_a_whole_and_so_is_a_pod_that_fits_nowhere() {
        let objects = vec![node("n1", "a", "2"), node("n2", "a", "500m"), pod("p")];
        let mut small = cluster(objects, 10);
        let pod_id = small.pending_pods()[0];
        let mut sampling = NodeSampling::new(&small);
        assert_eq!(small.judge_sampled(pod_id, &mut sampling), small.judge(pod_id));
        let mut objects: Vec<Value> =
            (0..150).map(|n| node(&format!("n{n}"), "a", "500m")).collect();
        objects.push(pod("p"));
        let mut full = cluster(objects, 10);
        let pod_id = full.pending_pods()[0];
        let mut sampling = NodeSampling::new(&full);
        let judgement = full.judge_sampled(pod_id, &mut sampling);
        assert_eq!(judgement.nodes.len(), 150);
        assert_eq!(full.schedule_sampled(&[pod_id], &mut sampling), [(pod_id, None)]);
    }
}
