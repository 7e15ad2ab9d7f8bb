//! One change to a pod, to a node or to a group.

use serde_json::{Value, json};

use super::candidates::GroupNode;
use crate::cluster::{Fork, NodeBirth};
use crate::ids::NodeId;
use crate::labels::{LabelSelector, Operator, Requirement};
use crate::node::{HOSTNAME_LABEL, NodeSpec};
use crate::pod::{HostPort, PodSpec, TopologySpreadConstraint};
use crate::pod_affinity::PodAffinityTerm;
use crate::quantity::Quantity;
use crate::taints::{Taint, TaintEffect, Toleration};

/// The taint that goes with a cordon.
pub(super) const CORDON_TAINT: &str = "node.kubernetes.io/unschedulable";

/// A change after which a refusal may be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The pod's scheduling gates are removed.
    RemoveGates(Vec<String>),
    /// The pod tolerates a taint.
    Tolerate(Taint),
    /// A node is uncordoned.
    Uncordon {
        /// The node.
        node: String,
    },
    /// A node loses a taint that stands for a condition.
    Recover {
        /// The node.
        node: String,
        /// The taint.
        taint: Taint,
    },
    /// A node gets a label.
    LabelNode {
        /// The node.
        node: String,
        /// The label's key.
        key: String,
        /// The label's value.
        value: String,
    },
    /// The pod does not ask for a label by its `nodeSelector` any more.
    DropNodeSelector {
        /// The label's key.
        key: String,
        /// The value asked for.
        value: String,
    },
    /// A term of the pod's required node affinity loses conditions; one without any left takes the
    /// whole rule with it.
    DropNodeConditions {
        /// The place of the term.
        term: usize,
        /// Conditions on labels.
        expressions: Vec<Requirement>,
        /// Conditions on the name.
        fields: Vec<Requirement>,
    },
    /// The pod asks for less of a resource.
    RequestLess {
        /// The resource's name.
        resource: String,
        /// What it asks for, in the resource's unit.
        from: i64,
        /// The most that it may ask for instead.
        to: i64,
    },
    /// The pod gives up a host port.
    GiveUpHostPort(HostPort),
    /// A spread constraint allows more.
    RaiseMaxSkew {
        /// The constraint.
        constraint: TopologySpreadConstraint,
        /// The least `maxSkew` that helps.
        to: i64,
    },
    /// The pod gives up a spread constraint over a label that the node has not.
    DropSpread(TopologySpreadConstraint),
    /// The pod gives up a rule about other pods.
    DropPodRule {
        /// Whether it is one of anti-affinity.
        is_anti: bool,
        /// The rule.
        term: PodAffinityTerm,
    },
    /// A group gets one more node.
    AddNode(Box<GroupNode>),
}

impl Change {
    /// How small the change is: by what it takes to make it and what is given up by it.
    pub(super) fn cost(&self) -> u32 {
        match self {
            Change::RemoveGates(_) => 5,
            // A taint is somebody's wish: a few per cent less of a resource is the smaller change.
            Change::Tolerate(_) | Change::Uncordon { .. } => 15,
            Change::RequestLess { from, to, .. } => {
                let permille = (from - to) * 1000 / (*from).max(1);
                10 + u32::try_from(permille / 10).unwrap_or(100)
            }
            Change::LabelNode { .. } => 18,
            Change::DropNodeSelector { .. } => 20,
            Change::DropNodeConditions { expressions, fields, .. } => {
                let count = u32::try_from(expressions.len() + fields.len()).unwrap_or(100);
                15 + 5 * count
            }
            Change::RaiseMaxSkew { constraint, to } => {
                15 + 5 * u32::try_from((to - constraint.max_skew).clamp(0, 20)).unwrap_or(20)
            }
            Change::AddNode(_) => 25,
            Change::GiveUpHostPort(_) | Change::DropPodRule { .. } | Change::DropSpread(_) => 30,
            Change::Recover { .. } => 40,
        }
    }

    /// What is to be done, to be put into a sentence.
    pub(super) fn clause(&self) -> String {
        match self {
            Change::RemoveGates(gates) => {
                let gate = if gates.len() == 1 { "gate" } else { "gates" };
                format!("remove the scheduling {gate} {}", gates.join(", "))
            }
            Change::Tolerate(taint) => format!("tolerate the taint {}", taint_text(taint)),
            Change::Uncordon { node } => format!("uncordon node {node}"),
            Change::Recover { node, taint } => {
                format!("bring node {node} back, which is tainted {}", taint_text(taint))
            }
            Change::LabelNode { node, key, value } => format!("label node {node} {key}={value}"),
            Change::DropNodeSelector { key, value } => {
                format!("drop the node selector {key}={value}")
            }
            Change::DropNodeConditions { expressions, fields, .. } => {
                match expressions.iter().chain(fields).map(requirement_text).collect::<Vec<_>>() {
                    none if none.is_empty() => {
                        "drop the required node affinity, whose term is empty".to_owned()
                    }
                    texts => format!("drop the node affinity for {}", texts.join(" and ")),
                }
            }
            Change::RequestLess { resource, from, to } => format!(
                "ask for {} less {resource} ({} instead of {})",
                amount_text(resource, from - to),
                amount_text(resource, *to),
                amount_text(resource, *from),
            ),
            Change::GiveUpHostPort(port) => {
                format!("give up host port {}/{}", port.port, port.protocol)
            }
            Change::RaiseMaxSkew { constraint, to } => format!(
                "raise maxSkew over {} from {} to {to}",
                constraint.topology_key, constraint.max_skew
            ),
            Change::DropSpread(constraint) => {
                format!("drop the spread constraint over {}", constraint.topology_key)
            }
            Change::DropPodRule { is_anti, term } => format!(
                "drop the pod {} over {}{}",
                if *is_anti { "anti-affinity" } else { "affinity" },
                term.topology_key,
                selector_text(term.selector.as_ref()),
            ),
            Change::AddNode(node) => {
                let GroupNode { group_name, size, max_size, .. } = &**node;
                format!("add a node to group {group_name} ({size} of {max_size})")
            }
        }
    }

    /// `kind` and what belongs to it.
    pub(super) fn as_json(&self) -> Value {
        match self {
            Change::RemoveGates(gates) => json!({"kind": "removeGates", "gates": gates}),
            Change::Tolerate(taint) => json!({"kind": "tolerate", "taint": taint_json(taint)}),
            Change::Uncordon { node } => json!({"kind": "uncordon", "node": node}),
            Change::Recover { node, taint } => {
                json!({"kind": "recoverNode", "node": node, "taint": taint_json(taint)})
            }
            Change::LabelNode { node, key, value } => {
                json!({"kind": "labelNode", "node": node, "key": key, "value": value})
            }
            Change::DropNodeSelector { key, value } => {
                json!({"kind": "dropNodeSelector", "key": key, "value": value})
            }
            Change::DropNodeConditions { term, expressions, fields } => {
                let texts = |list: &[Requirement]| -> Vec<String> {
                    list.iter().map(requirement_text).collect()
                };
                json!({"kind": "dropNodeAffinity", "term": term,
                       "matchExpressions": texts(expressions), "matchFields": texts(fields)})
            }
            Change::RequestLess { resource, from, to } => json!({
                "kind": "requestLess", "resource": resource,
                "from": amount_text(resource, *from), "to": amount_text(resource, *to),
            }),
            Change::GiveUpHostPort(port) => json!({
                "kind": "giveUpHostPort", "port": port.port, "protocol": port.protocol,
                "hostIP": port.ip,
            }),
            Change::RaiseMaxSkew { constraint, to } => json!({
                "kind": "raiseMaxSkew", "topologyKey": constraint.topology_key,
                "from": constraint.max_skew, "to": to,
            }),
            Change::DropSpread(constraint) => {
                json!({"kind": "dropTopologySpread", "topologyKey": constraint.topology_key})
            }
            Change::DropPodRule { is_anti, term } => json!({
                "kind": if *is_anti { "dropPodAntiAffinity" } else { "dropPodAffinity" },
                "topologyKey": term.topology_key,
            }),
            Change::AddNode(node) => json!({
                "kind": "addNode", "group": node.group_name, "size": node.size,
                "maxSize": node.max_size,
            }),
        }
    }

    /// Whether one of `others` changes the same thing, as much or more.
    pub(super) fn is_in(&self, others: &[Change]) -> bool {
        others.iter().any(|other| match (self, other) {
            (
                Change::RequestLess { resource, to, .. },
                Change::RequestLess { resource: same, to: less, .. },
            ) => resource == same && less <= to,
            (
                Change::RaiseMaxSkew { constraint, to },
                Change::RaiseMaxSkew { constraint: same, to: more },
            ) => constraint == same && more >= to,
            (
                Change::DropNodeConditions { term, expressions, fields },
                Change::DropNodeConditions { term: same, expressions: more, fields: names },
            ) => {
                term == same
                    && expressions.iter().all(|one| more.contains(one))
                    && fields.iter().all(|one| names.contains(one))
            }
            (Change::Uncordon { .. }, Change::Uncordon { .. }) => true,
            (
                Change::LabelNode { key, value, .. },
                Change::LabelNode { key: same, value: equal, .. },
            ) => (key, value) == (same, equal),
            (Change::Recover { taint, .. }, Change::Recover { taint: same, .. }) => taint == same,
            _ => self == other,
        })
    }

    /// Changes the pod, if it is the pod that changes.
    pub(super) fn apply_to_pod(&self, spec: &mut PodSpec) {
        match self {
            Change::RemoveGates(_) => spec.scheduling_gates.clear(),
            Change::Tolerate(taint) => spec.tolerations.push(Toleration {
                key: taint.key.clone(),
                equal: true,
                value: taint.value.clone(),
                effect: Some(taint.effect),
            }),
            Change::DropNodeSelector { key, .. } => drop(spec.node_selector.remove(key)),
            Change::DropNodeConditions { term, expressions, fields } => {
                drop_conditions(spec, *term, expressions, fields);
            }
            Change::RequestLess { resource, to, .. } => request_less(spec, resource, *to),
            Change::GiveUpHostPort(port) => spec.host_ports.retain(|one| one != port),
            Change::RaiseMaxSkew { constraint, to } => {
                let same = spec.topology_spread.iter_mut().find(|one| *one == constraint);
                same.expect("the constraint is the pod's").max_skew = *to;
            }
            Change::DropSpread(constraint) => {
                spec.topology_spread.retain(|one| one != constraint);
            }
            Change::DropPodRule { is_anti: true, term } => {
                spec.pod_affinity.required_anti.retain(|one| one != term);
            }
            Change::DropPodRule { is_anti: false, term } => {
                spec.pod_affinity.required.retain(|one| one != term);
            }
            Change::Uncordon { .. }
            | Change::Recover { .. }
            | Change::LabelNode { .. }
            | Change::AddNode(_) => {}
        }
    }

    /// Changes the node, if it is the node that changes; gives the node that the pod is held
    /// against from then on.
    pub(super) fn apply_to_nodes(
        &self,
        fork: &mut Fork<'_>,
        node: Option<NodeId>,
    ) -> Option<NodeId> {
        match (self, node) {
            (Change::Uncordon { .. }, Some(node)) => {
                keep_taints(fork, node, |taint| taint.key != CORDON_TAINT);
                fork.set_unschedulable(node, false);
            }
            (Change::Recover { taint, .. }, Some(node)) => {
                keep_taints(fork, node, |one| one != taint);
            }
            (Change::LabelNode { key, value, .. }, Some(node)) => {
                return Some(relabel(fork, node, key, value));
            }
            (Change::AddNode(node), _) => return Some(node.add(fork)),
            _ => {}
        }
        node
    }
}

fn keep_taints(fork: &mut Fork<'_>, node: NodeId, keep: impl Fn(&Taint) -> bool) {
    let taints: Vec<Taint> =
        fork.node_taints(node).iter().filter(|one| keep(one)).cloned().collect();
    fork.set_taints(node, &taints);
}

/// Replaces a node by one with another label, under the same pods. Images are left out: they keep
/// no pod off.
fn relabel(fork: &mut Fork<'_>, id: NodeId, key: &str, value: &str) -> NodeId {
    let node = fork.node(id).clone();
    for pod in &node.pods {
        fork.unbind(*pod);
    }
    let template = fork.catalog().template(node.template);
    let mut spec = NodeSpec {
        labels: template.labels.clone(),
        capacity: template.capacity.clone(),
        allocatable: template.allocatable.clone(),
        declared_features: template.declared_features.clone(),
        taints: fork.node_taints(id).to_vec(),
        unschedulable: node.unschedulable,
        images: Vec::new(),
    };
    if let Some(hostname) = &node.hostname {
        spec.labels.insert(HOSTNAME_LABEL.to_owned(), hostname.to_string());
    }
    spec.labels.insert(key.to_owned(), value.to_owned());
    fork.remove_node(id);
    let new = fork.add_node(NodeBirth {
        name: node.name.to_string(),
        provider_id: node.provider_id.to_string(),
        spec,
        group: node.group,
        created_at: node.created_at,
        ready: node.ready,
        ready_since: node.ready_since,
        is_suspended: node.is_suspended,
        ..NodeBirth::default()
    });
    for pod in &node.pods {
        let at = fork.pod(*pod).bound_at;
        fork.bind(*pod, new, at);
    }
    new
}

fn drop_conditions(
    spec: &mut PodSpec,
    term: usize,
    expressions: &[Requirement],
    fields: &[Requirement],
) {
    let terms = spec.required_node_terms.as_mut().expect("the pod has required node affinity");
    let term = &mut terms[term];
    term.expressions.retain(|one| !expressions.contains(one));
    term.fields.retain(|one| !fields.contains(one));
    if term.expressions.is_empty() && term.fields.is_empty() {
        spec.required_node_terms = None;
    }
}

fn request_less(spec: &mut PodSpec, resource: &str, to: i64) {
    let request = spec.requests.get_mut(resource).expect("the pod asks for the resource");
    let less = *request - to;
    *request = to;
    match resource {
        "cpu" => spec.scoring_cpu_milli = (spec.scoring_cpu_milli - less).max(0),
        "memory" => spec.scoring_memory_bytes = (spec.scoring_memory_bytes - less).max(0),
        _ => {}
    }
}

impl Taint {
    fn effect_name(&self) -> &'static str {
        match self.effect {
            TaintEffect::NoSchedule => "NoSchedule",
            TaintEffect::PreferNoSchedule => "PreferNoSchedule",
            TaintEffect::NoExecute => "NoExecute",
        }
    }
}

/// `key=value:NoSchedule`, as kubectl writes it.
fn taint_text(taint: &Taint) -> String {
    let value = if taint.value.is_empty() { String::new() } else { format!("={}", taint.value) };
    format!("{}{value}:{}", taint.key, taint.effect_name())
}

fn taint_json(taint: &Taint) -> Value {
    json!({"key": taint.key, "value": taint.value, "effect": taint.effect_name()})
}

/// As kubectl writes selectors: `a in (b,c)`, `!a`.
fn requirement_text(requirement: &Requirement) -> String {
    let Requirement { key, operator, values } = requirement;
    let list = values.join(",");
    match (operator, values.as_slice()) {
        (Operator::In, [only]) => format!("{key}={only}"),
        (Operator::NotIn, [only]) => format!("{key}!={only}"),
        (Operator::In, _) => format!("{key} in ({list})"),
        (Operator::NotIn, _) => format!("{key} notin ({list})"),
        (Operator::Exists, _) => key.clone(),
        (Operator::DoesNotExist, _) => format!("!{key}"),
        (Operator::Gt, _) => format!("{key}>{list}"),
        (Operator::Lt, _) => format!("{key}<{list}"),
    }
}

/// ` for pods with app=db`.
fn selector_text(selector: Option<&LabelSelector>) -> String {
    let requirements = selector.map_or(&[][..], |one| &one.requirements);
    if requirements.is_empty() {
        return String::new();
    }
    let texts: Vec<String> = requirements.iter().map(requirement_text).collect();
    format!(" for pods with {}", texts.join(","))
}

/// An amount as Kubernetes writes it.
fn amount_text(resource: &str, amount: i64) -> String {
    match resource {
        "cpu" => Quantity::from_milli(amount).to_string(),
        "memory" | "ephemeral-storage" => Quantity::from_bytes(amount).to_string(),
        name if name.starts_with("hugepages-") => Quantity::from_bytes(amount).to_string(),
        _ => amount.to_string(),
    }
}
