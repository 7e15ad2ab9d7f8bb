//! Who selects what: requirements, node selectors, tolerations and namespaces, one by one.

use plimsoll_core::labels::{LabelSelector, NodeSelectorTerm, Operator, Requirement};
use plimsoll_core::pod_affinity::PodAffinityTerm;
use plimsoll_core::taints::{Taint, TaintEffect, Toleration};
use plimsoll_core::{Labels, PodSpec};

use crate::naive_snapshot::{NodeInfo, World};

/// Whether a selector selects something with these labels.
pub(crate) fn selects(selector: &LabelSelector, labels: &Labels) -> bool {
    selector
        .requirements
        .iter()
        .all(|one| requirement_holds(one, labels.get(&one.key).map(String::as_str)))
}

fn requirement_holds(requirement: &Requirement, value: Option<&str>) -> bool {
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

/// Whether a pod's node selector and required node affinity take a node.
pub(crate) fn is_wanted(spec: &PodSpec, node: &NodeInfo<'_>) -> bool {
    spec.node_selector.iter().all(|(key, value)| node.labels.get(key) == Some(value))
        && spec.required_node_terms.as_ref().is_none_or(|terms| any_term_matches(terms, node))
}

pub(crate) fn any_term_matches(terms: &[NodeSelectorTerm], node: &NodeInfo<'_>) -> bool {
    terms.iter().any(|term| term_matches(term, node))
}

pub(crate) fn term_matches(term: &NodeSelectorTerm, node: &NodeInfo<'_>) -> bool {
    if term.expressions.is_empty() && term.fields.is_empty() {
        return false;
    }
    let label = |key: &String| node.labels.get(key).map(String::as_str);
    term.expressions.iter().all(|one| requirement_holds(one, label(&one.key)))
        && term.fields.iter().all(|one| requirement_holds(one, Some(node.name)))
}

pub(crate) fn tolerates(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|one| {
        let key = one.key.is_empty() || one.key == taint.key;
        let value = !one.equal || one.value == taint.value;
        let effect = one.effect.is_none() || one.effect == Some(taint.effect);
        key && value && effect
    })
}

/// Whether a taint of the node keeps the pod off.
pub(crate) fn is_repelled(spec: &PodSpec, node: &NodeInfo<'_>) -> bool {
    node.taints.iter().any(|taint| {
        taint.effect != TaintEffect::PreferNoSchedule && !tolerates(&spec.tolerations, taint)
    })
}

/// Whether a term of a pod that is to be placed means a pod that is there.
///
/// kube-scheduler lists the namespaces that such a term's selector selects and adds them by name.
/// The selector stays in place beside the names and is asked too, with no labels at all: one that
/// only forbids labels selects every namespace.
pub(crate) fn newcomer_means(term: &PodAffinityTerm, other: &PodSpec, world: &World) -> bool {
    let mut names = term.namespaces.clone();
    if let Some(selector) = &term.namespace_selector {
        for (name, labels) in &world.namespaces {
            if selects(selector, labels) {
                names.insert(name.clone());
            }
        }
    }
    means(term, names.contains(&other.namespace), &Labels::new(), other)
}

/// Whether a term of a pod that is there means one that is to be placed.
pub(crate) fn placed_means(term: &PodAffinityTerm, newcomer: &PodSpec, world: &World) -> bool {
    let none = Labels::new();
    let labels = world.namespaces.get(&newcomer.namespace).unwrap_or(&none);
    means(term, term.namespaces.contains(&newcomer.namespace), labels, newcomer)
}

fn means(
    term: &PodAffinityTerm,
    is_named: bool,
    namespace_labels: &Labels,
    other: &PodSpec,
) -> bool {
    let is_selected =
        term.namespace_selector.as_ref().is_some_and(|one| selects(one, namespace_labels));
    (is_named || is_selected)
        && term.selector.as_ref().is_some_and(|one| selects(one, &other.labels))
}
