//! Random clusters and what may be done to them.

use plimsoll_core::cluster::{Cluster, WorkloadKey};
use plimsoll_core::ids::{NodeId, PodId, ShapeId, WorkloadId};
use plimsoll_core::labels::{LabelSelector, NodeSelectorTerm, Operator, Requirement};
use plimsoll_core::node::HOSTNAME_LABEL;
use plimsoll_core::pod::{HostPort, ResourceMap};
use plimsoll_core::taints::{Taint, TaintEffect, Toleration};
use plimsoll_core::workload::{
    CountOrPercent, DisruptionBudgetObject, DisruptionRule, WorkloadKind,
};
use plimsoll_core::{Labels, NodeBirth, NodeSpec, PodBirth, PodSpec, SimTime};
use proptest::prelude::*;
use proptest::sample::select;

/// The controller that every fixture has: a ReplicaSet whose selector is `app=web`.
pub(crate) const REPLICA_SET: WorkloadId = WorkloadId(0);

const GIB: i64 = 1 << 30;
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// Something that is done to a cluster.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Do(Change),
    /// A fork, what is done on it, and what becomes of it.
    Fork(Vec<Step>, ForkEnd),
}

/// What becomes of a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForkEnd {
    Drop,
    /// Kept by the fork around it; dropped where there is none.
    Commit,
    /// Taken back, done once more, and dropped.
    Revert,
}

/// One change. Numbers choose among what there is, going round; without any nothing happens.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    AddNode(NodeSpec),
    AddNodeLike(usize),
    /// A node goes, its pods taken off it first.
    RemoveNode(usize),
    Taint(usize, Vec<Taint>),
    Cordon(usize, bool),
    AddPod(usize),
    /// Pods are not removed on a fork; there nothing happens.
    RemovePod(usize),
    Bind(usize, usize),
    Unbind(usize),
    UseBudget(i64),
    RefreshBudgets,
}

impl Change {
    /// Makes the change.
    pub(crate) fn apply(&self, cluster: &mut Cluster, shapes: &[ShapeId], is_forked: bool) {
        let nodes: Vec<NodeId> = cluster.nodes().map(|(id, _)| id).collect();
        let pods = |cluster: &Cluster, bound: bool| -> Vec<PodId> {
            let chosen = cluster.pods().filter(|(_, pod)| pod.node.is_some() == bound);
            chosen.map(|(id, _)| id).collect()
        };
        match self {
            Change::AddNode(spec) => drop(add_node(cluster, spec)),
            Change::AddNodeLike(node) => {
                let Some(original) = chosen(&nodes, *node) else { return };
                let original = cluster.node(original).clone();
                cluster.add_node_like(&original, &next_name(cluster));
            }
            Change::RemoveNode(node) => {
                let Some(node) = chosen(&nodes, *node) else { return };
                for pod in cluster.node(node).pods.clone() {
                    cluster.unbind(pod);
                }
                cluster.remove_node(node);
            }
            Change::Taint(node, taints) => {
                let Some(node) = chosen(&nodes, *node) else { return };
                cluster.set_taints(node, taints);
            }
            Change::Cordon(node, cordoned) => {
                let Some(node) = chosen(&nodes, *node) else { return };
                cluster.set_unschedulable(node, *cordoned);
            }
            Change::AddPod(kind) => drop(add_pod(cluster, shapes[kind % shapes.len()])),
            Change::RemovePod(pod) => {
                let Some(pod) = chosen(&pods(cluster, true), *pod) else { return };
                if !is_forked {
                    cluster.remove_pod(pod);
                }
            }
            Change::Bind(pod, node) => {
                let Some(pod) = chosen(&pods(cluster, false), *pod) else { return };
                let Some(node) = chosen(&nodes, *node) else { return };
                cluster.bind(pod, node, SimTime(0));
            }
            Change::Unbind(pod) => {
                let Some(pod) = chosen(&pods(cluster, true), *pod) else { return };
                cluster.unbind(pod);
            }
            Change::UseBudget(count) => {
                let budget = cluster.budgets().map(|(id, _)| id).next();
                cluster.use_budget(budget.expect("every fixture has one"), *count);
            }
            Change::RefreshBudgets => cluster.refresh_budgets(),
        }
    }
}

fn chosen<T: Copy>(all: &[T], number: usize) -> Option<T> {
    (!all.is_empty()).then(|| all[number % all.len()])
}

/// A cluster with these nodes, a ReplicaSet, a budget for all its pods, and the shapes of these pods.
pub(crate) fn cluster_of(nodes: &[NodeSpec], pods: &[PodSpec]) -> (Cluster, Vec<ShapeId>) {
    let mut cluster = Cluster::default();
    let shapes = pods.iter().map(|spec| cluster.intern_shape(spec)).collect();
    for spec in nodes {
        add_node(&mut cluster, spec);
    }
    let set = cluster.intern_workload(WorkloadKey::new(WorkloadKind::ReplicaSet, "", "web"));
    assert_eq!(set, REPLICA_SET);
    cluster.update_workload(set, |one| {
        let app = requirement("app", Operator::In, &["web"]);
        one.selector = Some(LabelSelector { requirements: vec![app] });
        one.exists = true;
    });
    cluster.add_budget(DisruptionBudgetObject {
        namespace: String::new(),
        name: "all".to_owned(),
        selector: Some(LabelSelector::default()),
        rule: DisruptionRule::MinAvailable(CountOrPercent::Count(1)),
        disruptions_allowed: Some(3),
        disrupted_pods: std::collections::BTreeSet::new(),
    });
    (cluster, shapes)
}

fn add_node(cluster: &mut Cluster, spec: &NodeSpec) -> NodeId {
    let name = next_name(cluster);
    let mut spec = spec.clone();
    spec.labels.insert(HOSTNAME_LABEL.to_owned(), name.clone());
    cluster.add_node(NodeBirth { name, spec, ready: true, ..NodeBirth::default() })
}

/// The first of n0, n1, ... that no node has.
fn next_name(cluster: &Cluster) -> String {
    (0..)
        .map(|number| format!("n{number}"))
        .find(|name| cluster.nodes().all(|(_, node)| *node.name != **name))
        .expect("there are more names than nodes")
}

/// A pod of this shape that waits.
pub(crate) fn add_pod(cluster: &mut Cluster, shape: ShapeId) -> PodId {
    let (name, created_at) = ("p".into(), SimTime(0));
    cluster.add_pod(PodBirth { name, shape, controller: None, created_at })
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = change().prop_map(Step::Do).prop_recursive(3, 60, 12, |inner| {
        let end = select(vec![ForkEnd::Drop, ForkEnd::Commit, ForkEnd::Revert]);
        (prop::collection::vec(inner, 1..12), end).prop_map(|(steps, end)| Step::Fork(steps, end))
    });
    prop::collection::vec(step, 1..16)
}

fn change() -> impl Strategy<Value = Change> {
    let number = || 0..1000_usize;
    prop_oneof![
        2 => node_spec().prop_map(Change::AddNode),
        1 => number().prop_map(Change::AddNodeLike),
        2 => number().prop_map(Change::RemoveNode),
        1 => (number(), taints()).prop_map(|(node, taints)| Change::Taint(node, taints)),
        1 => (number(), any::<bool>()).prop_map(|(node, cordoned)| Change::Cordon(node, cordoned)),
        5 => number().prop_map(Change::AddPod),
        1 => number().prop_map(Change::RemovePod),
        6 => (number(), number()).prop_map(|(pod, node)| Change::Bind(pod, node)),
        3 => number().prop_map(Change::Unbind),
        1 => (0..3_i64).prop_map(Change::UseBudget),
        1 => Just(Change::RefreshBudgets),
    ]
}

pub(crate) fn node_spec() -> impl Strategy<Value = NodeSpec> {
    let zone = select(vec![None, Some("a"), Some("b")]);
    let size = select(vec![0, 500, 1000, 4000]);
    let memory = select(vec![0, 1, 3, 16]);
    let pods = select(vec![2, 5, 110]);
    (zone, size, memory, pods, 0..2_i64, taints(), prop::bool::weighted(0.1)).prop_map(
        |(zone, cpu, memory_gib, pods, gpus, taints, unschedulable)| {
            let mut labels: Labels = [("generation".to_owned(), cpu.to_string())].into();
            labels.extend(zone.map(|zone| (ZONE_LABEL.to_owned(), zone.to_owned())));
            let mut allocatable = resources(cpu, memory_gib * GIB, gpus);
            allocatable.insert("pods".to_owned(), pods);
            let capacity = allocatable.clone();
            NodeSpec { labels, taints, unschedulable, capacity, allocatable, ..NodeSpec::default() }
        },
    )
}

fn resources(cpu: i64, memory: i64, gpus: i64) -> ResourceMap {
    [("cpu", cpu), ("memory", memory), ("example.com/gpu", gpus)]
        .into_iter()
        .filter(|(_, amount)| *amount > 0)
        .map(|(name, amount)| (name.to_owned(), amount))
        .collect()
}

fn taints() -> impl Strategy<Value = Vec<Taint>> {
    use TaintEffect::{NoExecute, NoSchedule, PreferNoSchedule};
    let effect = select(vec![NoSchedule, PreferNoSchedule, PreferNoSchedule, NoExecute]);
    let taint = (select(vec!["team", "soft"]), select(vec!["", "x"]), effect).prop_map(
        |(key, value, effect)| Taint { key: key.to_owned(), value: value.to_owned(), effect },
    );
    prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(taint, 1..3)]
}

pub(crate) fn pod_spec() -> impl Strategy<Value = PodSpec> {
    let app = select(vec!["web", "db"]);
    let amounts = (select(vec![0, 100, 333, 1500]), select(vec![0, 1, 2]), 0..2_i64);
    let selector = prop_oneof![3 => Just(Vec::new()), 1 => select(vec![
        vec![(ZONE_LABEL, "a")], vec![(ZONE_LABEL, "b")], vec![(HOSTNAME_LABEL, "n2")],
    ])];
    let required =
        prop_oneof![2 => Just(None), 1 => prop::collection::vec(term(), 0..3).prop_map(Some)];
    let preferred = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec((1..100_i64, term()), 1..3),
    ];
    (amounts, selector, required, preferred, tolerations(), host_ports(), (0..2_i32, app)).prop_map(
        |(
            amounts,
            selector,
            required_node_terms,
            preferred_node_terms,
            tolerations,
            ports,
            (priority, app),
        )| {
            let (cpu, memory_gib, gpus) = amounts;
            let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
            PodSpec {
                labels: [("app".to_owned(), app.to_owned())].into(),
                requests: resources(cpu, memory_gib * GIB, gpus),
                scoring_cpu_milli: if cpu == 0 { 100 } else { cpu },
                scoring_memory_bytes: if memory_gib == 0 { 200 << 20 } else { memory_gib * GIB },
                node_selector: selector.into_iter().map(own).collect(),
                required_node_terms,
                preferred_node_terms,
                tolerations,
                host_ports: ports,
                priority,
                ..PodSpec::default()
            }
        },
    )
}

fn term() -> impl Strategy<Value = NodeSelectorTerm> {
    use Operator::{DoesNotExist, Exists, Gt, In, Lt, NotIn};
    let one = requirement;
    let expressions = select(vec![
        one(ZONE_LABEL, In, &["a", "b"]),
        one(ZONE_LABEL, NotIn, &["a"]),
        one(ZONE_LABEL, Exists, &[]),
        one(ZONE_LABEL, DoesNotExist, &[]),
        one("generation", Gt, &["500"]),
        one("generation", Lt, &["1000"]),
        one(HOSTNAME_LABEL, In, &["n0", "n3"]),
    ]);
    let fields = select(vec![
        one("metadata.name", In, &["n1"]),
        one("metadata.name", In, &["n0", "n2"]),
        one("metadata.name", NotIn, &["n1"]),
    ]);
    (prop::collection::vec(expressions, 0..3), prop::collection::vec(fields, 0..2))
        .prop_map(|(expressions, fields)| NodeSelectorTerm { expressions, fields })
}

fn requirement(key: &str, operator: Operator, values: &[&str]) -> Requirement {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Requirement { key: key.to_owned(), operator, values }
}

fn tolerations() -> impl Strategy<Value = Vec<Toleration>> {
    let toleration = (
        select(vec!["", "team", "soft", "node.kubernetes.io/unschedulable"]),
        select(vec![None, Some("x")]),
        select(vec![None, Some(TaintEffect::NoSchedule), Some(TaintEffect::PreferNoSchedule)]),
    )
        .prop_map(|(key, value, effect)| Toleration {
            key: key.to_owned(),
            equal: value.is_some() && !key.is_empty(),
            value: value.unwrap_or_default().to_owned(),
            effect,
        });
    prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(toleration, 1..3)]
}

fn host_ports() -> impl Strategy<Value = Vec<HostPort>> {
    let port = (select(vec!["0.0.0.0", "10.0.0.1", "10.0.0.2"]), select(vec!["TCP", "UDP"]))
        .prop_map(|(ip, protocol)| HostPort {
            ip: ip.to_owned(),
            protocol: protocol.to_owned(),
            port: 80,
        });
    prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(port, 1..2)]
}
