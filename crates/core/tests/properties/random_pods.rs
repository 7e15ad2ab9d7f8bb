//! Random pods: each is an ordinary one with a few rules, alone and mixed.

use plimsoll_core::labels::{LabelSelector, NodeSelectorTerm, Operator, Requirement};
use plimsoll_core::node::HOSTNAME_LABEL;
use plimsoll_core::pod::{HostPort, TopologySpreadConstraint};
use plimsoll_core::pod_affinity::PodAffinityTerm;
use plimsoll_core::scheduling::profile::DEFAULT_SCHEDULER_NAME;
use plimsoll_core::taints::{TaintEffect, Toleration};
use plimsoll_core::{Labels, PodSpec};
use proptest::prelude::*;
use proptest::sample::select;

use crate::random_nodes::{GIB, RACK_LABEL, ZONE_LABEL};

/// The last of them never has an object.
pub(crate) const NAMESPACES: [&str; 3] = ["shop", "lab", "wild"];
/// A scheduler other than the default one.
pub(crate) const OTHER_SCHEDULER: &str = "other";

/// What makes a pod unlike others.
#[derive(Clone, Debug)]
enum PodPart {
    Namespace(&'static str),
    Label(&'static str, &'static str),
    Request(&'static str, i64),
    PlacedScoring(i64, i64),
    NodeSelector(&'static str, &'static str),
    RequiredNodes(Vec<NodeSelectorTerm>),
    PreferredNodes(i64, NodeSelectorTerm),
    Toleration(Toleration),
    Port(HostPort),
    Priority(i32),
    OtherScheduler,
    Spread(TopologySpreadConstraint),
    Near(PodAffinityTerm),
    Apart(PodAffinityTerm),
    RatherNear(i64, PodAffinityTerm),
    RatherApart(i64, PodAffinityTerm),
    Image(&'static str),
    Containers(u32),
    Feature,
    Gate,
}

pub(crate) fn pod_specs() -> impl Strategy<Value = Vec<PodSpec>> {
    prop::collection::vec(pod_spec(), 1..6)
}

pub(crate) fn pod_spec() -> impl Strategy<Value = PodSpec> {
    prop::collection::vec(pod_part(), 0..7).prop_map(|parts| {
        let mut spec = PodSpec {
            namespace: "shop".to_owned(),
            labels: labels("app", "web"),
            scheduler_name: DEFAULT_SCHEDULER_NAME.to_owned(),
            image_container_count: 1,
            ..PodSpec::default()
        };
        for part in parts {
            part.add_to(&mut spec);
        }
        let request = |name: &str| spec.requests.get(name).copied();
        spec.scoring_cpu_milli = request("cpu").unwrap_or(100);
        spec.scoring_memory_bytes = request("memory").unwrap_or(200 << 20);
        name_own_namespace(&mut spec);
        spec
    })
}

impl PodPart {
    fn add_to(self, spec: &mut PodSpec) {
        match self {
            PodPart::Namespace(name) => name.clone_into(&mut spec.namespace),
            PodPart::Label(key, value) => spec.labels.extend(labels(key, value)),
            PodPart::Request(name, amount) => drop(spec.requests.insert(name.to_owned(), amount)),
            PodPart::PlacedScoring(cpu, memory) => spec.placed_scoring = Some((cpu, memory)),
            PodPart::NodeSelector(key, value) => spec.node_selector.extend(labels(key, value)),
            PodPart::RequiredNodes(terms) => spec.required_node_terms = Some(terms),
            PodPart::PreferredNodes(weight, term) => spec.preferred_node_terms.push((weight, term)),
            PodPart::Toleration(toleration) => spec.tolerations.push(toleration),
            PodPart::Port(port) => spec.host_ports.push(port),
            PodPart::Priority(priority) => spec.priority = priority,
            PodPart::OtherScheduler => OTHER_SCHEDULER.clone_into(&mut spec.scheduler_name),
            PodPart::Spread(constraint) => spec.topology_spread.push(constraint),
            PodPart::Near(term) => spec.pod_affinity.required.push(term),
            PodPart::Apart(term) => spec.pod_affinity.required_anti.push(term),
            PodPart::RatherNear(weight, term) => spec.pod_affinity.preferred.push((weight, term)),
            PodPart::RatherApart(weight, term) => {
                spec.pod_affinity.preferred_anti.push((weight, term));
            }
            PodPart::Image(name) => spec.images.push(name.to_owned()),
            PodPart::Containers(count) => spec.image_container_count = count,
            PodPart::Feature => spec.required_node_features = vec!["A".to_owned()],
            PodPart::Gate => spec.scheduling_gates.push("later".to_owned()),
        }
    }
}

/// Terms that say nothing of namespaces mean the pod's own, as the reader of objects has it.
fn name_own_namespace(spec: &mut PodSpec) {
    let rules = &mut spec.pod_affinity;
    let weighted = rules.preferred.iter_mut().chain(&mut rules.preferred_anti);
    let terms = rules.required.iter_mut().chain(&mut rules.required_anti);
    for term in terms.chain(weighted.map(|(_, term)| term)) {
        if term.namespaces.is_empty() && term.namespace_selector.is_none() {
            term.namespaces.insert(spec.namespace.clone());
        }
    }
}

fn pod_part() -> impl Strategy<Value = PodPart> {
    let request = select(vec![
        ("cpu", 100),
        ("cpu", 333),
        ("cpu", 1500),
        ("memory", GIB),
        ("memory", 2 * GIB),
        ("ephemeral-storage", GIB),
        ("example.com/gpu", 1),
        ("example.com/nic", 1),
        ("hugepages-2Mi", 2 << 20),
    ]);
    let node_label =
        select(vec![(ZONE_LABEL, "a"), (ZONE_LABEL, "b"), (HOSTNAME_LABEL, "n2"), ("rack", "r0")]);
    let weight = || select(vec![1_i64, 2, 50]);
    prop_oneof![
        2 => select(NAMESPACES.to_vec()).prop_map(PodPart::Namespace),
        2 => Just(PodPart::Label("app", "db")),
        1 => Just(PodPart::Label("tier", "x")),
        4 => request.prop_map(|(name, amount)| PodPart::Request(name, amount)),
        1 => Just(PodPart::PlacedScoring(700, GIB)),
        1 => node_label.prop_map(|(key, value)| PodPart::NodeSelector(key, value)),
        1 => prop::collection::vec(node_term(), 0..3).prop_map(PodPart::RequiredNodes),
        2 => (weight(), node_term()).prop_map(|(weight, term)| PodPart::PreferredNodes(weight, term)),
        1 => toleration().prop_map(PodPart::Toleration),
        1 => host_port().prop_map(PodPart::Port),
        1 => (0..3_i32).prop_map(PodPart::Priority),
        3 => Just(PodPart::OtherScheduler),
        8 => constraint().prop_map(PodPart::Spread),
        3 => affinity_term().prop_map(PodPart::Near),
        3 => affinity_term().prop_map(PodPart::Apart),
        2 => (weight(), affinity_term()).prop_map(|(weight, term)| PodPart::RatherNear(weight, term)),
        2 => (weight(), affinity_term()).prop_map(|(weight, term)| PodPart::RatherApart(weight, term)),
        4 => select(vec!["web:1", "db:1", "db:2", "none:1"]).prop_map(PodPart::Image),
        1 => (1..3_u32).prop_map(PodPart::Containers),
        1 => Just(PodPart::Feature),
        1 => Just(PodPart::Gate),
    ]
}

fn topology_key() -> impl Strategy<Value = String> {
    select(vec![ZONE_LABEL, ZONE_LABEL, HOSTNAME_LABEL, RACK_LABEL]).prop_map(str::to_owned)
}

pub(crate) fn constraint() -> impl Strategy<Value = TopologySpreadConstraint> {
    let min_domains = prop_oneof![2 => Just(None), 1 => (2..4_i64).prop_map(Some)];
    let policies = (prop::bool::weighted(0.7), prop::bool::weighted(0.3));
    (1..4_i64, topology_key(), any::<bool>(), pod_selector(), min_domains, policies).prop_map(
        |(max_skew, topology_key, hard, selector, min_domains, (honor_affinity, honor_taints))| {
            TopologySpreadConstraint {
                max_skew,
                topology_key,
                hard,
                selector,
                // The API server lets only hard constraints have it.
                min_domains: min_domains.filter(|_| hard),
                honor_affinity,
                honor_taints,
            }
        },
    )
}

/// What selects pods; `None` selects none, and no requirements all.
fn pod_selector() -> impl Strategy<Value = Option<LabelSelector>> {
    prop_oneof![1 => Just(None), 12 => owner_selector().prop_map(Some)]
}

pub(crate) fn owner_selector() -> impl Strategy<Value = LabelSelector> {
    let requirements = select(vec![
        vec![requirement("app", Operator::In, &["web"])],
        vec![requirement("app", Operator::In, &["web"])],
        vec![requirement("app", Operator::In, &["web", "db"])],
        vec![requirement("app", Operator::NotIn, &["web"])],
        vec![requirement("tier", Operator::Exists, &[])],
        vec![requirement("tier", Operator::DoesNotExist, &[])],
        vec![requirement("app", Operator::In, &["db"]), requirement("tier", Operator::Exists, &[])],
        vec![],
    ]);
    requirements.prop_map(|requirements| LabelSelector { requirements })
}

fn affinity_term() -> impl Strategy<Value = PodAffinityTerm> {
    let team = |operator, values: &[&str]| {
        Some(LabelSelector { requirements: vec![requirement("team", operator, values)] })
    };
    let namespaces = select(vec![
        (vec![], None),
        (vec![], None),
        (vec![], None),
        (vec!["lab"], None),
        (vec!["wild", "shop"], None),
        (vec![], Some(LabelSelector::default())),
        (vec![], team(Operator::In, &["a"])),
        (vec!["wild"], team(Operator::Exists, &[])),
        (vec![], team(Operator::NotIn, &["a"])),
        (vec![], team(Operator::DoesNotExist, &[])),
    ]);
    (pod_selector(), namespaces, topology_key()).prop_map(
        |(selector, (names, namespace_selector), topology_key)| PodAffinityTerm {
            selector,
            namespaces: names.into_iter().map(str::to_owned).collect(),
            namespace_selector,
            topology_key,
        },
    )
}

pub(crate) fn node_term() -> impl Strategy<Value = NodeSelectorTerm> {
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
        one("metadata.name", In, &["n2"]),
        one("metadata.name", NotIn, &["n1"]),
    ]);
    let fields = prop_oneof![
        3 => Just(Vec::new()),
        1 => prop::collection::vec(fields, 1..3),
    ];
    (prop::collection::vec(expressions, 0..3), fields)
        .prop_map(|(expressions, fields)| NodeSelectorTerm { expressions, fields })
}

fn toleration() -> impl Strategy<Value = Toleration> {
    (
        select(vec!["", "team", "soft", "node.kubernetes.io/unschedulable"]),
        select(vec![None, Some("x")]),
        select(vec![None, Some(TaintEffect::NoSchedule), Some(TaintEffect::PreferNoSchedule)]),
    )
        .prop_map(|(key, value, effect)| Toleration {
            key: key.to_owned(),
            equal: value.is_some() && !key.is_empty(),
            value: value.unwrap_or_default().to_owned(),
            effect,
        })
}

fn host_port() -> impl Strategy<Value = HostPort> {
    (select(vec!["0.0.0.0", "10.0.0.1", "10.0.0.2"]), select(vec!["TCP", "UDP"])).prop_map(
        |(ip, protocol)| HostPort { ip: ip.to_owned(), protocol: protocol.to_owned(), port: 80 },
    )
}

pub(crate) fn requirement(key: &str, operator: Operator, values: &[&str]) -> Requirement {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Requirement { key: key.to_owned(), operator, values }
}

pub(crate) fn labels(key: &str, value: &str) -> Labels {
    [(key.to_owned(), value.to_owned())].into()
}
