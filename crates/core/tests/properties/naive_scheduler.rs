//! A scheduler as slow and plain as it can be, written from kube-scheduler's rules: every answer
//! is worked out anew from the pods and nodes themselves.

use std::collections::BTreeSet;

use plimsoll_core::PodSpec;
use plimsoll_core::cluster::Cluster;
use plimsoll_core::ids::{NodeId, ShapeId, WorkloadId};
use plimsoll_core::labels::{NodeSelectorTerm, Operator, Requirement};
use plimsoll_core::taints::{Taint, TaintEffect, Toleration};

/// The label that the system's default constraint over zones looks at.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
/// Every resource that the fixtures' pods and nodes have.
pub(crate) const RESOURCES: [&str; 4] = ["pods", "cpu", "memory", "example.com/gpu"];

/// The first filter, in kube-scheduler's order, that refuses a pod of this shape on the node.
pub(crate) fn refusing_plugin(
    cluster: &Cluster,
    shape: ShapeId,
    node: NodeId,
) -> Option<&'static str> {
    let spec = cluster.shape(shape);
    // PreFilter of NodeAffinity: names in every term leave no other node to the filters.
    if let Some(terms) = &spec.required_node_terms
        && terms.iter().all(names_nodes)
        && !terms.iter().any(|term| fields_match(cluster, term, node))
    {
        return Some("NodeAffinity");
    }
    let cordon = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        value: String::new(),
        effect: TaintEffect::NoSchedule,
    };
    if cluster.node(node).unschedulable && !tolerates(&spec.tolerations, &cordon) {
        return Some("NodeUnschedulable");
    }
    let keeps_off = |taint: &&Taint| taint.effect != TaintEffect::PreferNoSchedule;
    let mut taints = cluster.node_taints(node).iter().filter(keeps_off);
    if taints.any(|taint| !tolerates(&spec.tolerations, taint)) {
        return Some("TaintToleration");
    }
    if !is_wanted(cluster, spec, node) {
        return Some("NodeAffinity");
    }
    let pods = &cluster.node(node).pods;
    if pods.iter().any(|pod| ports_conflict(spec, cluster.shape(cluster.pod(*pod).shape))) {
        return Some("NodePorts");
    }
    let is_full = RESOURCES.iter().any(|name| {
        let asks = if *name == "pods" { 1 } else { spec.requests.get(*name).copied().unwrap_or(0) };
        asks > 0 && requested(cluster, node, name) + asks > allocatable(cluster, node, name)
    });
    is_full.then_some("NodeResourcesFit")
}

/// The weighted sum of the default profile's scores on each of the nodes, which all fit.
pub(crate) fn totals(
    cluster: &Cluster,
    shape: ShapeId,
    controller: Option<WorkloadId>,
    nodes: &[NodeId],
) -> Vec<(NodeId, i64)> {
    let spec = cluster.shape(shape);
    let against = |node: NodeId| {
        let covers = |one: &&Toleration| {
            one.effect.is_none() || one.effect == Some(TaintEffect::PreferNoSchedule)
        };
        let tolerations: Vec<Toleration> =
            spec.tolerations.iter().filter(covers).cloned().collect();
        let taints = cluster.node_taints(node).iter();
        let preferences = taints.filter(|taint| taint.effect == TaintEffect::PreferNoSchedule);
        let count = preferences.filter(|taint| !tolerates(&tolerations, taint)).count();
        i64::try_from(count).expect("taints are few")
    };
    let wanted = |node: NodeId| -> i64 {
        let preferred = spec.preferred_node_terms.iter();
        preferred.filter(|(_, term)| term_matches(cluster, term, node)).map(|one| one.0).sum()
    };
    let most_against = nodes.iter().map(|node| against(*node)).max().unwrap_or(0);
    let most_wanted = nodes.iter().map(|node| wanted(*node)).max().unwrap_or(0);
    let spread = controller.map(|owner| spread_scores(cluster, spec, owner, nodes));
    let total = |(index, node): (usize, &NodeId)| {
        let taints =
            if most_against == 0 { 100 } else { 100 - against(*node) * 100 / most_against };
        let affinity = if most_wanted == 0 { 0 } else { wanted(*node) * 100 / most_wanted };
        let sum = 3 * taints
            + 2 * affinity
            + 2 * spread.as_ref().map_or(0, |scores| scores[index])
            + least_allocated(cluster, spec, *node)
            + balanced_allocation(cluster, spec, *node);
        (*node, sum)
    };
    nodes.iter().enumerate().map(total).collect()
}

/// PodTopologySpread's normalised scores under the system's default constraints.
#[expect(clippy::cast_precision_loss, reason = "the rule is in floating point")]
#[expect(clippy::cast_possible_truncation, reason = "scores are small")]
fn spread_scores(
    cluster: &Cluster,
    spec: &PodSpec,
    owner: WorkloadId,
    nodes: &[NodeId],
) -> Vec<i64> {
    let selector = cluster.workload(owner).selector.as_ref().expect("the fixture gives one");
    let like_it =
        |node: NodeId| specs_on(cluster, node).filter(|one| selector.matches(&one.labels));
    // Nodes without a zone weigh as one more zone, though that zone's pods count for nobody.
    let zones: BTreeSet<Option<&str>> =
        nodes.iter().map(|node| cluster.node_label(*node, ZONE_LABEL)).collect();
    let in_zone = |zone: &str| -> usize {
        let all = cluster.nodes().map(|(id, _)| id);
        all.filter(|id| cluster.node_label(*id, ZONE_LABEL) == Some(zone))
            .filter(|id| is_wanted(cluster, spec, *id))
            .map(|id| like_it(id).count())
            .sum()
    };
    let raw = |node: &NodeId| {
        let host = like_it(*node).count() as f64 * ((nodes.len() + 2) as f64).ln() + 2.0;
        let zone = cluster.node_label(*node, ZONE_LABEL);
        let zone =
            zone.map_or(0.0, |zone| in_zone(zone) as f64 * ((zones.len() + 2) as f64).ln() + 4.0);
        (host + zone).round() as i64
    };
    let rounded: Vec<i64> = nodes.iter().map(raw).collect();
    let highest = rounded.iter().copied().max().unwrap_or(0);
    let lowest = rounded.iter().copied().min().unwrap_or(0);
    rounded.iter().map(|one| 100 * (highest + lowest - one) / highest).collect()
}

/// What the pods bound to a node ask for, counted.
pub(crate) fn requested(cluster: &Cluster, node: NodeId, resource: &str) -> i64 {
    specs_on(cluster, node)
        .map(|spec| match resource {
            "pods" => 1,
            name => spec.requests.get(name).copied().unwrap_or(0),
        })
        .sum()
}

/// What the node's template says there is.
pub(crate) fn allocatable(cluster: &Cluster, node: NodeId, resource: &str) -> i64 {
    let template = cluster.catalog().template(cluster.node(node).template);
    template.allocatable.get(resource).copied().unwrap_or(0)
}

/// Whether both pods want one port of one address.
pub(crate) fn ports_conflict(one: &PodSpec, other: &PodSpec) -> bool {
    one.host_ports.iter().any(|left| {
        other.host_ports.iter().any(|right| {
            let everywhere = left.ip == "0.0.0.0" || right.ip == "0.0.0.0";
            (left.port, &left.protocol) == (right.port, &right.protocol)
                && (everywhere || left.ip == right.ip)
        })
    })
}

fn specs_on(cluster: &Cluster, node: NodeId) -> impl Iterator<Item = &PodSpec> {
    cluster
        .pods()
        .filter(move |(_, pod)| pod.node == Some(node))
        .map(|(_, pod)| cluster.shape(pod.shape))
}

fn least_allocated(cluster: &Cluster, spec: &PodSpec, node: NodeId) -> i64 {
    let cpu: i64 = specs_on(cluster, node).map(|one| one.scoring_cpu_milli).sum();
    let memory: i64 = specs_on(cluster, node).map(|one| one.scoring_memory_bytes).sum();
    let shares: Vec<i64> =
        [("cpu", cpu + spec.scoring_cpu_milli), ("memory", memory + spec.scoring_memory_bytes)]
            .iter()
            .map(|(name, taken)| (allocatable(cluster, node, name), *taken))
            .filter(|(has, _)| *has > 0)
            .map(|(has, taken)| if taken > has { 0 } else { (has - taken) * 100 / has })
            .collect();
    let count = i64::try_from(shares.len()).expect("there are two");
    if count == 0 { 0 } else { shares.iter().sum::<i64>() / count }
}

fn balanced_allocation(cluster: &Cluster, spec: &PodSpec, node: NodeId) -> i64 {
    let asks = |name: &str| spec.requests.get(name).copied().unwrap_or(0);
    if asks("cpu") == 0 && asks("memory") == 0 {
        return 0;
    }
    let with = balance(cluster, node, asks("cpu"), asks("memory"));
    let without = balance(cluster, node, 0, 0);
    50 + (50 + with - without) / 2
}

#[expect(clippy::cast_precision_loss, reason = "the rule is in floating point")]
#[expect(clippy::cast_possible_truncation, reason = "between 0 and 100")]
fn balance(cluster: &Cluster, node: NodeId, more_cpu: i64, more_memory: i64) -> i64 {
    let fractions: Vec<f64> = [("cpu", more_cpu), ("memory", more_memory)]
        .iter()
        .map(|(name, more)| {
            (requested(cluster, node, name) + more, allocatable(cluster, node, name))
        })
        .filter(|(_, has)| *has > 0)
        .map(|(taken, has)| f64::min(1.0, taken as f64 / has as f64))
        .collect();
    let deviation = match fractions.as_slice() {
        [cpu, memory] => (cpu - memory).abs() / 2.0,
        _ => 0.0,
    };
    ((1.0 - deviation) * 100.0) as i64
}

fn tolerates(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|one| {
        let key = one.key.is_empty() || one.key == taint.key;
        let value = !one.equal || one.value == taint.value;
        let effect = one.effect.is_none() || one.effect == Some(taint.effect);
        key && value && effect
    })
}

fn is_wanted(cluster: &Cluster, spec: &PodSpec, node: NodeId) -> bool {
    let selector = spec
        .node_selector
        .iter()
        .all(|(key, value)| cluster.node_label(node, key) == Some(value.as_str()));
    let required = match &spec.required_node_terms {
        None => true,
        Some(terms) => terms.iter().any(|term| term_matches(cluster, term, node)),
    };
    selector && required
}

fn names_nodes(term: &NodeSelectorTerm) -> bool {
    term.fields.iter().any(|field| field.operator == Operator::In)
}

fn fields_match(cluster: &Cluster, term: &NodeSelectorTerm, node: NodeId) -> bool {
    let is_in = |field: &&Requirement| field.operator == Operator::In;
    let name = cluster.node_name(node);
    term.fields.iter().filter(is_in).all(|field| holds(field, Some(name)))
}

fn term_matches(cluster: &Cluster, term: &NodeSelectorTerm, node: NodeId) -> bool {
    let name = cluster.node_name(node);
    let is_empty = term.expressions.is_empty() && term.fields.is_empty();
    !is_empty
        && term.expressions.iter().all(|one| holds(one, cluster.node_label(node, &one.key)))
        && term.fields.iter().all(|one| holds(one, Some(name)))
}

fn holds(requirement: &Requirement, value: Option<&str>) -> bool {
    let listed = |value: &str| requirement.values.iter().any(|one| one == value);
    let numbers = |value: &str| -> Option<(i64, i64)> {
        Some((value.parse().ok()?, requirement.values.first()?.parse().ok()?))
    };
    match requirement.operator {
        Operator::In => value.is_some_and(listed),
        Operator::NotIn => !value.is_some_and(listed),
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
        Operator::Gt => value.and_then(numbers).is_some_and(|(has, bound)| has > bound),
        Operator::Lt => value.and_then(numbers).is_some_and(|(has, bound)| has < bound),
    }
}
