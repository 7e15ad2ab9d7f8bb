//! Pod affinity and anti-affinity: which other pods a pod wants near it, and which not.

use std::collections::BTreeSet;

use crate::labels::{LabelSelector, Labels};

/// A pod's rules about other pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodAffinity {
    /// Pods that match must be in the node's domain, for each term.
    pub required: Vec<PodAffinityTerm>,
    /// No pod that matches may be in the node's domain, for each term.
    pub required_anti: Vec<PodAffinityTerm>,
    /// Domains with pods that match are better, by a weight of 1–100.
    pub preferred: Vec<(i64, PodAffinityTerm)>,
    /// Domains with pods that match are worse, by a weight of 1–100.
    pub preferred_anti: Vec<(i64, PodAffinityTerm)>,
}

impl PodAffinity {
    /// Whether the pod has no such rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.required.is_empty()
            && self.required_anti.is_empty()
            && self.preferred.is_empty()
            && self.preferred_anti.is_empty()
    }
}

/// Which pods are meant, and what counts as near. `matchLabelKeys` and `mismatchLabelKeys` are
/// merged into the selector.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodAffinityTerm {
    /// By labels; `None` selects nothing.
    pub selector: Option<LabelSelector>,
    /// In these namespaces. The pod's own is here when the term names none and has no namespace
    /// selector.
    pub namespaces: BTreeSet<String>,
    /// In namespaces with such labels, too; `None`: in no more. One without requirements selects
    /// every namespace.
    pub namespace_selector: Option<LabelSelector>,
    /// Nodes with the same value of this label are one domain.
    pub topology_key: String,
}

impl PodAffinityTerm {
    /// Whether a pod is meant. `namespace_labels` are those of the pod's namespace; a namespace
    /// without an object has none.
    ///
    /// Source: `AffinityTerm.Matches` in `k8s.io/kube-scheduler/framework`.
    #[must_use]
    pub fn matches(&self, namespace: &str, namespace_labels: &Labels, labels: &Labels) -> bool {
        let selects = |selector: &Option<LabelSelector>, labels: &Labels| {
            selector.as_ref().is_some_and(|selector| selector.matches(labels))
        };
        (self.namespaces.contains(namespace) || selects(&self.namespace_selector, namespace_labels))
            && selects(&self.selector, labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{Operator, Requirement};

    fn labels(key: &str, value: &str) -> Labels {
        Labels::from([(key.to_owned(), value.to_owned())])
    }

    fn selector(key: &str, value: &str) -> LabelSelector {
        let values = vec![value.to_owned()];
        let requirement = Requirement { key: key.to_owned(), operator: Operator::In, values };
        LabelSelector { requirements: vec![requirement] }
    }

    #[test]
    fn a_term_means_pods_of_its_namespaces_and_of_those_that_its_selector_finds() {
        let term = PodAffinityTerm {
            selector: Some(selector("app", "db")),
            namespaces: ["shop".to_owned()].into(),
            namespace_selector: Some(selector("team", "data")),
            topology_key: "zone".to_owned(),
        };
        let (db, data, none) = (labels("app", "db"), labels("team", "data"), Labels::new());
        assert!(term.matches("shop", &none, &db));
        assert!(term.matches("other", &data, &db));
        assert!(!term.matches("other", &none, &db));
        assert!(!term.matches("shop", &data, &labels("app", "web")));
        let no_selector = PodAffinityTerm { selector: None, ..term.clone() };
        assert!(!no_selector.matches("shop", &data, &db));
        let every_namespace = LabelSelector::default();
        let everywhere = PodAffinityTerm { namespace_selector: Some(every_namespace), ..term };
        assert!(everywhere.matches("other", &none, &db));
    }
}
