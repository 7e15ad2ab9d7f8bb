//! Where a pod wants to be, or not to be, by what other pods are there.

use std::collections::BTreeSet;

use crate::labels::{LabelSelector, Labels};

/// A pod's `affinity.podAffinity` and `affinity.podAntiAffinity`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodAffinity {
    /// Each of these must have a matching pod in the node's domain.
    pub required: Vec<PodAffinityTerm>,
    /// None of these may have a matching pod in the node's domain.
    pub required_anti: Vec<PodAffinityTerm>,
    /// Domains with matching pods are better, by weight (1–100).
    pub preferred: Vec<(i64, PodAffinityTerm)>,
    /// Domains with matching pods are worse, by weight (1–100).
    pub preferred_anti: Vec<(i64, PodAffinityTerm)>,
}

impl PodAffinity {
    /// Whether there is no rule at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.required.is_empty()
            && self.required_anti.is_empty()
            && self.preferred.is_empty()
            && self.preferred_anti.is_empty()
    }
}

/// Which pods a rule is about, and within what part of the cluster.
///
/// Source: `v1.PodAffinityTerm`, after the API server's create strategy (`matchLabelKeys` and
/// `mismatchLabelKeys` merged into the selector).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodAffinityTerm {
    /// Which pods; `None` selects none.
    pub selector: Option<LabelSelector>,
    /// In which namespaces; resolved: the pod's own when the rule names none and has no selector.
    pub namespaces: BTreeSet<String>,
    /// In which namespaces too, by their labels; `None` adds none, an empty selector adds all.
    pub namespace_selector: Option<LabelSelector>,
    /// The node label whose values are the domains.
    pub topology_key: String,
}

impl PodAffinityTerm {
    /// Whether a pod with these labels in this namespace is meant, where `namespace_matches` says
    /// whether the namespace has labels that a selector takes.
    pub fn matches(
        &self,
        namespace: &str,
        labels: &Labels,
        namespace_matches: impl FnOnce(&LabelSelector) -> bool,
    ) -> bool {
        let selects = self.selector.as_ref().is_some_and(|one| one.matches(labels));
        selects
            && (self.namespaces.contains(namespace)
                || self
                    .namespace_selector
                    .as_ref()
                    .is_some_and(|one| one.requirements.is_empty() || namespace_matches(one)))
    }
}
