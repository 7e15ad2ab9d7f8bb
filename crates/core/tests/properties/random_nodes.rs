//! Random nodes: each is an ordinary one with a few things that are its own.

use plimsoll_core::node::{HOSTNAME_LABEL, NodeImage};
use plimsoll_core::taints::{Taint, TaintEffect};
use plimsoll_core::{NodeSpec, ResourceMap};
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
/// A label that some nodes have; of a cluster of many racks all.
pub(crate) const RACK_LABEL: &str = "rack";
/// Every resource that the fixtures' pods and nodes have.
pub(crate) const RESOURCES: [&str; 7] = [
    "pods",
    "cpu",
    "memory",
    "ephemeral-storage",
    "example.com/gpu",
    "example.com/nic",
    "hugepages-2Mi",
];

pub(crate) const GIB: i64 = 1 << 30;
const MIB: i64 = 1 << 20;
/// More than the 64 domains up to which a key's domains tell nodes apart.
const MANY_RACKS: usize = 66;

/// A node that is yet to get its name.
#[derive(Clone, Debug)]
pub(crate) struct NodeDraft {
    spec: NodeSpec,
    hostname: Hostname,
}

#[derive(Clone, Copy, Debug)]
enum Hostname {
    /// The node's name, as it should be.
    Own,
    Missing,
    /// That of other nodes too.
    Shared,
}

/// What makes a node unlike others.
#[derive(Clone, Debug)]
enum NodePart {
    Zone(&'static str),
    NoZone,
    Rack(&'static str),
    Hostname(Hostname),
    Room(&'static str, i64),
    Taint(Taint),
    Cordoned,
    Images(Vec<NodeImage>),
    Features(&'static [&'static str]),
}

impl NodeDraft {
    fn new(parts: Vec<NodePart>) -> NodeDraft {
        let ordinary = [("cpu", 4000), ("memory", 16 * GIB), ("pods", 110)];
        let mut draft = NodeDraft {
            spec: NodeSpec {
                allocatable: ordinary.map(|(name, amount)| (name.to_owned(), amount)).into(),
                ..NodeSpec::default()
            },
            hostname: Hostname::Own,
        };
        draft.set_label(ZONE_LABEL, "a");
        for part in parts {
            draft.add(part);
        }
        let cpu = draft.spec.allocatable.get("cpu").copied().unwrap_or(0);
        draft.set_label("generation", &cpu.to_string());
        draft.spec.capacity = draft.spec.allocatable.clone();
        draft
    }

    fn add(&mut self, part: NodePart) {
        let spec = &mut self.spec;
        match part {
            NodePart::Zone(zone) => self.set_label(ZONE_LABEL, zone),
            NodePart::NoZone => drop(spec.labels.remove(ZONE_LABEL)),
            NodePart::Rack(rack) => self.set_label(RACK_LABEL, rack),
            NodePart::Hostname(hostname) => self.hostname = hostname,
            NodePart::Room(resource, 0) => drop(spec.allocatable.remove(resource)),
            NodePart::Room(resource, amount) => {
                spec.allocatable.insert(resource.to_owned(), amount);
            }
            NodePart::Taint(taint) => spec.taints.push(taint),
            NodePart::Cordoned => spec.unschedulable = true,
            NodePart::Images(images) => spec.images = images,
            NodePart::Features(names) => {
                spec.declared_features = names.iter().map(|name| (*name).to_owned()).collect();
            }
        }
    }

    fn set_label(&mut self, key: &str, value: &str) {
        self.spec.labels.insert(key.to_owned(), value.to_owned());
    }

    /// What a node of this name looks like.
    pub(crate) fn named(&self, name: &str) -> NodeSpec {
        let mut spec = self.spec.clone();
        let hostname = match self.hostname {
            Hostname::Own => Some(name),
            Hostname::Missing => None,
            Hostname::Shared => Some("n0"),
        };
        spec.labels.extend(hostname.map(|name| (HOSTNAME_LABEL.to_owned(), name.to_owned())));
        spec
    }
}

pub(crate) fn node_draft() -> impl Strategy<Value = NodeDraft> {
    prop::collection::vec(node_part(), 0..6).prop_map(NodeDraft::new)
}

/// A cluster to begin with: empty, small, or just below or above the 64 nodes of a word of an index.
pub(crate) fn node_drafts() -> impl Strategy<Value = Vec<NodeDraft>> {
    prop_oneof![
        1 => Just(Vec::new()),
        24 => prop::collection::vec(node_draft(), 1..8),
        2 => (node_draft(), 62..66_usize).prop_map(|(draft, count)| vec![draft; count]),
    ]
}

/// A cluster whose racks are more than 64, some of them of two nodes.
pub(crate) fn nodes_in_many_racks() -> impl Strategy<Value = Vec<NodeDraft>> {
    let kinds = prop::collection::vec(node_draft(), 1..4);
    (kinds, MANY_RACKS..MANY_RACKS + 8).prop_map(|(kinds, count)| {
        let draft = |number: usize| {
            let mut draft = kinds[number % kinds.len()].clone();
            draft.set_label(RACK_LABEL, &format!("r{}", number % MANY_RACKS));
            draft
        };
        (0..count).map(draft).collect()
    })
}

fn node_part() -> impl Strategy<Value = NodePart> {
    let room = select(vec![
        ("cpu", 0),
        ("cpu", 500),
        ("cpu", 1000),
        ("memory", 0),
        ("memory", GIB),
        ("memory", 3 * GIB),
        ("pods", 2),
        ("ephemeral-storage", 10 * GIB),
        ("example.com/gpu", 1),
        ("example.com/gpu", 4),
        ("example.com/nic", 2),
        ("hugepages-2Mi", 4 * MIB),
    ]);
    let hostname = select(vec![Hostname::Missing, Hostname::Shared]);
    prop_oneof![
        4 => select(vec!["a", "b", "c"]).prop_map(NodePart::Zone),
        1 => Just(NodePart::NoZone),
        3 => select(vec!["r0", "r1"]).prop_map(NodePart::Rack),
        1 => hostname.prop_map(NodePart::Hostname),
        3 => room.prop_map(|(name, amount)| NodePart::Room(name, amount)),
        1 => taint().prop_map(NodePart::Taint),
        1 => Just(NodePart::Cordoned),
        3 => prop::collection::vec(image(), 1..3).prop_map(NodePart::Images),
        1 => select(vec![&["A"][..], &["A", "B"]]).prop_map(NodePart::Features),
    ]
}

fn image() -> impl Strategy<Value = NodeImage> {
    let names = select(vec![&["web:1"][..], &["db:1"], &["db:1", "db:2"]]);
    (names, select(vec![10 * MIB, 400 * MIB, 700 * MIB])).prop_map(|(names, size_bytes)| {
        NodeImage { names: names.iter().map(|name| (*name).to_owned()).collect(), size_bytes }
    })
}

pub(crate) fn taint() -> impl Strategy<Value = Taint> {
    use TaintEffect::{NoExecute, NoSchedule, PreferNoSchedule};
    let effect =
        select(vec![PreferNoSchedule, PreferNoSchedule, PreferNoSchedule, NoSchedule, NoExecute]);
    (select(vec!["soft", "team"]), select(vec!["", "x"]), effect).prop_map(
        |(key, value, effect)| Taint { key: key.to_owned(), value: value.to_owned(), effect },
    )
}

pub(crate) fn taints() -> impl Strategy<Value = Vec<Taint>> {
    prop::collection::vec(taint(), 0..3)
}

/// Amounts by name.
pub(crate) fn amounts(amounts: &[(&str, i64)]) -> ResourceMap {
    amounts.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect()
}
