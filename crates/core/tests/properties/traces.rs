//! All that can be seen of a cluster, to be compared before and after.

use plimsoll_core::cluster::{Cluster, Pod};
use plimsoll_core::ids::{NodeId, PodId, ShapeId};
use plimsoll_core::scheduling::Judgement;
use plimsoll_core::{Node, PodBirth, PodSpec, SimTime};

use crate::TIE_SEED;
use crate::stage::Stage;

/// All that can be seen of a cluster.
#[derive(Debug, PartialEq)]
pub(crate) struct Everything {
    digest: u64,
    version: u64,
    places: Places,
    answers: Vec<Answers>,
}

pub(crate) fn everything(cluster: &mut Cluster, specs: &[PodSpec]) -> Everything {
    Everything {
        digest: cluster.digest(),
        version: cluster.version(),
        places: places(cluster, specs),
        answers: answers(cluster, specs),
    }
}

/// Who is where, in which order, and how many slots that takes.
#[derive(Debug, PartialEq)]
pub(crate) struct Places {
    /// By node: name, serial, its pods in the order of its list.
    nodes: Vec<(NodeId, String, u64, Vec<PodId>)>,
    /// Shapes are numbered by their specs: when a shape became known is no part of a pod.
    pods: Vec<(PodId, Pod)>,
    node_slots: usize,
    counts: (usize, usize, usize),
    unbound: Vec<PodId>,
    disruptions_allowed: Vec<i64>,
}

pub(crate) fn places(cluster: &Cluster, specs: &[PodSpec]) -> Places {
    let node =
        |(id, node): (NodeId, &Node)| (id, node.name.to_string(), node.serial, node.pods.clone());
    let pod = |(id, pod): (PodId, &Pod)| {
        let mut pod = pod.clone();
        let spec = specs.iter().position(|spec| spec == cluster.shape(pod.shape));
        pod.shape = ShapeId::at(spec.expect("one of the kinds"));
        (id, pod)
    };
    Places {
        nodes: cluster.nodes().map(node).collect(),
        pods: cluster.pods().map(pod).collect(),
        node_slots: cluster.node_slot_count(),
        counts: (cluster.node_count(), cluster.pod_count(), cluster.unbound_count()),
        unbound: cluster.unbound_pods().collect(),
        disruptions_allowed: cluster.budgets().map(|(_, one)| one.disruptions_allowed).collect(),
    }
}

/// What the scheduler and the autoscaler's search say about pods of one kind.
#[derive(Debug, PartialEq)]
pub(crate) struct Answers {
    first_fit: Option<NodeId>,
    count_fits: usize,
    /// By owner, as the scheduler tells pods apart by it.
    best_nodes: Vec<Option<NodeId>>,
    judgement: Judgement,
}

pub(crate) fn answers(cluster: &mut Cluster, specs: &[PodSpec]) -> Vec<Answers> {
    let mut answers = Vec::new();
    for spec in specs {
        let shape = cluster.intern_shape(spec);
        let owners = Stage::owners_of(spec).into_iter();
        let best_nodes = owners.map(|owner| cluster.best_node(shape, owner, TIE_SEED)).collect();
        answers.push(Answers {
            first_fit: cluster.first_fit(shape, NodeId(1)),
            count_fits: cluster.count_fits(shape),
            best_nodes,
            judgement: {
                let mut fork = cluster.fork();
                let (name, created_at) = ("asks".into(), SimTime(0));
                let pod = fork.add_pod(PodBirth { name, shape, controller: None, created_at });
                fork.judge(pod)
            },
        });
    }
    answers
}
