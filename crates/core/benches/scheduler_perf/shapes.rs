//! The nodes and pods of kube-scheduler's own benchmark.

use std::collections::BTreeSet;

use plimsoll_core::cluster::{Cluster, NodeBirth, PodBirth};
use plimsoll_core::ids::{PodId, ShapeId};
use plimsoll_core::labels::{LabelSelector, Labels, NodeSelectorTerm, Operator, Requirement};
use plimsoll_core::node::{HOSTNAME_LABEL, NodeSpec};
use plimsoll_core::pod::{PodSpec, ResourceMap, TopologySpreadConstraint};
use plimsoll_core::pod_affinity::PodAffinityTerm;

use crate::NOW;

const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
const MIB: i64 = 1 << 20;
/// The node that wins among equals is drawn from this.
const TIE_SEED: u64 = 1;

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Nodes of 4 cpu, 32 GiB and 110 pods in three zones.
pub(crate) fn cluster_of(nodes: usize) -> Cluster {
    let mut cluster = Cluster::default();
    for number in 0..nodes {
        let name = format!("node-{number}");
        let zone = format!("zone-{}", number % 3 + 1);
        let allocatable: ResourceMap = [
            ("cpu".to_owned(), 4_000),
            ("memory".to_owned(), 32 * 1024 * MIB),
            ("pods".to_owned(), 110),
        ]
        .into();
        let spec = NodeSpec {
            labels: labels(&[(HOSTNAME_LABEL, &name), (ZONE_LABEL, &zone)]),
            capacity: allocatable.clone(),
            allocatable,
            ..NodeSpec::default()
        };
        cluster.add_node(NodeBirth { name, spec, ready: true, ..NodeBirth::default() });
    }
    cluster
}

pub(crate) fn add_pods(cluster: &mut Cluster, shape: ShapeId, count: usize) -> Vec<PodId> {
    let one = |number: usize| PodBirth {
        name: format!("pod-{number}").into(),
        shape,
        controller: None,
        created_at: NOW,
    };
    (0..count).map(|number| cluster.add_pod(one(number))).collect()
}

/// Places pods one by one; returns how many found a node.
pub(crate) fn schedule_all(cluster: &mut Cluster, pods: &[PodId]) -> usize {
    let mut placed = 0;
    for pod in pods {
        if let Some(node) = cluster.choose_node(*pod, TIE_SEED) {
            cluster.place(*pod, node, NOW);
            placed += 1;
        }
    }
    placed
}

pub(crate) fn requests(cpu_milli: i64, memory_mib: i64) -> ResourceMap {
    [("cpu".to_owned(), cpu_milli), ("memory".to_owned(), memory_mib * MIB)].into()
}

/// 100 m and 500 MiB.
pub(crate) fn default_pod() -> PodSpec {
    sized(100, 500)
}

fn sized(cpu_milli: i64, memory_mib: i64) -> PodSpec {
    PodSpec {
        namespace: "default".to_owned(),
        requests: requests(cpu_milli, memory_mib),
        scoring_cpu_milli: cpu_milli,
        scoring_memory_bytes: memory_mib * MIB,
        scheduler_name: "default-scheduler".to_owned(),
        preempts: true,
        ..PodSpec::default()
    }
}

pub(crate) fn too_large() -> PodSpec {
    sized(40_000, 500)
}

/// Four of them fill 3.6 of a node's 4 cpu.
pub(crate) fn low_priority_pod() -> PodSpec {
    sized(900, 500)
}

pub(crate) fn preemptor() -> PodSpec {
    PodSpec { priority: 10, ..sized(3_000, 500) }
}

/// A default pod of one colour.
pub(crate) fn meant(color: &str) -> PodSpec {
    PodSpec { labels: labels(&[("color", color)]), ..default_pod() }
}

fn color_is(color: &str) -> LabelSelector {
    let values = vec![color.to_owned()];
    let requirement = Requirement { key: "color".to_owned(), operator: Operator::In, values };
    LabelSelector { requirements: vec![requirement] }
}

pub(crate) fn term(color: &str, key: &str) -> PodAffinityTerm {
    PodAffinityTerm {
        selector: Some(color_is(color)),
        namespaces: BTreeSet::from(["default".to_owned()]),
        namespace_selector: None,
        topology_key: key.to_owned(),
    }
}

pub(crate) fn near_by_zone() -> PodSpec {
    let mut spec = meant("blue");
    spec.pod_affinity.required = vec![term("blue", ZONE_LABEL)];
    spec
}

pub(crate) fn anti_affinity() -> PodSpec {
    let mut spec = meant("green");
    spec.pod_affinity.required_anti = vec![term("green", HOSTNAME_LABEL)];
    spec
}

pub(crate) fn anti_affinity_over_namespaces(namespace: &str) -> PodSpec {
    let mut spec = PodSpec { namespace: namespace.to_owned(), ..meant("green") };
    let values = vec!["devops".to_owned()];
    let team = Requirement { key: "team".to_owned(), operator: Operator::In, values };
    spec.pod_affinity.required_anti = vec![PodAffinityTerm {
        namespaces: BTreeSet::new(),
        namespace_selector: Some(LabelSelector { requirements: vec![team] }),
        ..term("green", HOSTNAME_LABEL)
    }];
    spec
}

pub(crate) fn spread_by_zone(hard: bool) -> PodSpec {
    let constraint = TopologySpreadConstraint {
        max_skew: 5,
        topology_key: ZONE_LABEL.to_owned(),
        hard,
        selector: Some(color_is("blue")),
        min_domains: None,
        honor_affinity: true,
        honor_taints: false,
    };
    PodSpec { topology_spread: vec![constraint], ..meant("blue") }
}

/// A pod that a service of the cluster selects.
pub(crate) fn selected_by_service(cluster: &mut Cluster) -> PodSpec {
    cluster.set_service("default", "blue", labels(&[("color", "blue")]));
    // 50,000 of them must have room on 5,000 nodes.
    PodSpec { labels: labels(&[("color", "blue")]), ..sized(10, 10) }
}

pub(crate) fn in_zones(zones: &[&str]) -> PodSpec {
    let values = zones.iter().map(|zone| (*zone).to_owned()).collect();
    let zone = Requirement { key: ZONE_LABEL.to_owned(), operator: Operator::In, values };
    let term = NodeSelectorTerm { expressions: vec![zone], fields: Vec::new() };
    PodSpec { required_node_terms: Some(vec![term]), ..default_pod() }
}

pub(crate) fn named(node: &str) -> PodSpec {
    let values = vec![node.to_owned()];
    let name = Requirement { key: "metadata.name".to_owned(), operator: Operator::In, values };
    let term = NodeSelectorTerm { expressions: Vec::new(), fields: vec![name] };
    PodSpec { required_node_terms: Some(vec![term]), ..default_pod() }
}
