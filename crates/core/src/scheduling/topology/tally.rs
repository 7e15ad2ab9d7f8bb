//! What is counted: pods that a rule means, or pods that carry a rule, by node.

use std::collections::BTreeMap;

use crate::ids::NodeId;
use crate::labels::{LabelSelector, Labels};
use crate::pod::PodSpec;
use crate::pod_affinity::PodAffinityTerm;

/// Labels of the namespaces that have an object.
pub(crate) type Namespaces = BTreeMap<String, Labels>;

/// Which pods are counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Query {
    /// Pods of a namespace that a selector with requirements matches, those that are going left out.
    Spread {
        /// The namespace.
        namespace: String,
        /// The selector.
        selector: LabelSelector,
    },
    /// Pods that all of these terms, of pods that are to be placed, mean; their topology keys do not
    /// matter.
    Meant(Vec<PodAffinityTerm>),
    /// Pods that carry this very term.
    Carried(TermUse, PodAffinityTerm),
}

/// What a pod carries a term for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TermUse {
    /// Required anti-affinity: others that the term means are kept off.
    RequiredAnti,
    /// Required affinity: others are drawn, by the profile's `hardPodAffinityWeight`.
    Required,
    /// Preferred affinity (positive) or anti-affinity (negative), by this weight.
    Preferred(i64),
}

impl Query {
    /// How often a pod with this spec counts.
    pub(super) fn weight_of(&self, spec: &PodSpec, namespaces: &Namespaces) -> i32 {
        match self {
            Query::Spread { namespace, selector } => {
                i32::from(*namespace == spec.namespace && selector.matches(&spec.labels))
            }
            Query::Meant(terms) => i32::from(
                !terms.is_empty() && terms.iter().all(|term| is_meant(term, spec, namespaces)),
            ),
            Query::Carried(usage, term) => {
                let carried = carried_terms(spec).filter(|one| one.0 == *usage && one.1 == term);
                i32::try_from(carried.count()).expect("a pod's terms are few")
            }
        }
    }

    /// Whether pods that are going count too.
    pub(super) fn counts_going(&self) -> bool {
        !matches!(self, Query::Spread { .. })
    }
}

/// Whether a term of a pod that is to be placed means a pod with this spec. Upstream looks up the
/// namespaces that such a term selects, and finds only those with an object; but it leaves the
/// selector in place, and goes on to ask it about no labels at all. So a selector that only forbids
/// labels means every namespace.
///
/// Source: `mergeAffinityTermNamespacesIfNotEmpty`, which changes a copy of the term.
pub(crate) fn is_meant(term: &PodAffinityTerm, spec: &PodSpec, namespaces: &Namespaces) -> bool {
    let found = namespaces.get(&spec.namespace);
    found.is_some_and(|labels| term.matches(&spec.namespace, labels, &spec.labels))
        || term.matches(&spec.namespace, &Labels::new(), &spec.labels)
}

/// Whether a term that a placed pod carries means a pod with this spec. Here a namespace without an
/// object has no labels, which some selectors take.
pub(crate) fn is_meant_by_placed(
    term: &PodAffinityTerm,
    spec: &PodSpec,
    namespaces: &Namespaces,
) -> bool {
    let none = Labels::new();
    let labels = namespaces.get(&spec.namespace).unwrap_or(&none);
    term.matches(&spec.namespace, labels, &spec.labels)
}

/// The terms that pods with this spec carry to others.
pub(super) fn carried_terms(spec: &PodSpec) -> impl Iterator<Item = (TermUse, &PodAffinityTerm)> {
    let rules = &spec.pod_affinity;
    let anti = rules.required_anti.iter().map(|term| (TermUse::RequiredAnti, term));
    let required = rules.required.iter().map(|term| (TermUse::Required, term));
    let preferred = rules.preferred.iter().map(|(weight, one)| (TermUse::Preferred(*weight), one));
    let against =
        rules.preferred_anti.iter().map(|(weight, one)| (TermUse::Preferred(-*weight), one));
    anti.chain(required).chain(preferred).chain(against)
}

/// How many pods of a query each node has.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(super) query: Query,
    by_node: Vec<i32>,
    /// The sums over domains that this tally feeds.
    pub(super) sums: Vec<usize>,
}

impl Tally {
    pub(super) fn new(query: Query) -> Tally {
        Tally { query, by_node: Vec::new(), sums: Vec::new() }
    }

    #[inline]
    pub(crate) fn on(&self, node: NodeId) -> i32 {
        self.by_node.get(node.index()).copied().unwrap_or(0)
    }

    #[inline]
    pub(super) fn add(&mut self, node: NodeId, weight: i32) {
        if self.by_node.len() <= node.index() {
            self.by_node.resize(node.index() + 1, 0);
        }
        self.by_node[node.index()] += weight;
    }
}
