//! Labels and what selects by them: label selectors, node selector terms, requirements.

use std::collections::BTreeMap;

/// Label keys and values, in key order.
pub type Labels = BTreeMap<String, String>;

/// One condition on a label, or on a field of a node.
///
/// Source: `k8s.io/apimachinery/pkg/labels.Requirement`, `v1.NodeSelectorRequirement`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// The label key, or the field name in `matchFields`.
    pub key: String,
    /// How the value is compared.
    pub operator: Operator,
    /// What it is compared with; empty for `Exists` and `DoesNotExist`, one integer for `Gt`, `Lt`.
    pub values: Vec<String>,
}

/// The operators of selectors. `Gt` and `Lt` occur in node selectors only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// The label is there with one of the values.
    In,
    /// The label is missing or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is missing.
    DoesNotExist,
    /// The label is an integer greater than the value.
    Gt,
    /// The label is an integer less than the value.
    Lt,
}

impl Requirement {
    /// Whether a thing whose label `key` has `value` (`None`: has no such label) meets this.
    #[must_use]
    pub fn matches_value(&self, value: Option<&str>) -> bool {
        match (self.operator, value) {
            (Operator::In, Some(value)) => self.values.iter().any(|one| one == value),
            (Operator::NotIn, Some(value)) => self.values.iter().all(|one| one != value),
            (Operator::Exists, Some(_)) | (Operator::NotIn | Operator::DoesNotExist, None) => true,
            (Operator::Gt, Some(value)) => {
                self.compare(value).is_some_and(|(has, bound)| has > bound)
            }
            (Operator::Lt, Some(value)) => {
                self.compare(value).is_some_and(|(has, bound)| has < bound)
            }
            (Operator::DoesNotExist, Some(_)) | (_, None) => false,
        }
    }

    /// The label's value and the requirement's, when both are integers.
    fn compare(&self, value: &str) -> Option<(i64, i64)> {
        match self.values.as_slice() {
            [bound] => Some((value.parse().ok()?, bound.parse().ok()?)),
            _ => None,
        }
    }
}

/// A `metav1.LabelSelector`, its `matchLabels` already turned into `In` requirements.
/// No requirement at all selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelSelector {
    /// All of these must hold.
    pub requirements: Vec<Requirement>,
}

impl LabelSelector {
    /// Whether `labels` meet every requirement.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements
            .iter()
            .all(|one| one.matches_value(labels.get(&one.key).map(String::as_str)))
    }
}

/// One term of a node selector: its expressions over labels AND its fields.
/// A term with neither matches no node.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeSelectorTerm {
    /// Conditions on the node's labels.
    pub expressions: Vec<Requirement>,
    /// Conditions on the node's fields; Kubernetes knows `metadata.name` only.
    pub fields: Vec<Requirement>,
}

impl NodeSelectorTerm {
    /// Whether a node with this name and these labels meets the term.
    ///
    /// Source: `k8s.io/component-helpers/scheduling/corev1/nodeaffinity`.
    pub fn matches<'a>(&self, name: &'a str, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        if self.expressions.is_empty() && self.fields.is_empty() {
            return false;
        }
        self.expressions.iter().all(|one| one.matches_value(label(&one.key)))
            && self
                .fields
                .iter()
                .all(|one| one.key == "metadata.name" && one.matches_value(Some(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(key: &str, operator: Operator, values: &[&str]) -> Requirement {
        Requirement {
            key: key.into(),
            operator,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        }
    }

    #[test]
    fn each_operator_answers_for_present_and_missing_labels() {
        let table = [
            (Operator::In, &["a", "b"][..], Some("a"), true),
            (Operator::In, &["a"], Some("b"), false),
            (Operator::In, &["a"], None, false),
            (Operator::NotIn, &["a"], Some("b"), true),
            (Operator::NotIn, &["a"], Some("a"), false),
            (Operator::NotIn, &["a"], None, true),
            (Operator::Exists, &[], Some(""), true),
            (Operator::Exists, &[], None, false),
            (Operator::DoesNotExist, &[], None, true),
            (Operator::DoesNotExist, &[], Some("x"), false),
            (Operator::Gt, &["5"], Some("6"), true),
            (Operator::Gt, &["5"], Some("5"), false),
            (Operator::Gt, &["5"], Some("many"), false),
            (Operator::Lt, &["5"], Some("-4"), true),
            (Operator::Lt, &["5"], None, false),
        ];
        for (operator, values, value, expected) in table {
            let one = requirement("k", operator, values);
            assert_eq!(one.matches_value(value), expected, "{operator:?} {values:?} {value:?}");
        }
    }

    #[test]
    fn an_empty_term_matches_no_node_and_an_empty_selector_every_pod() {
        assert!(!NodeSelectorTerm::default().matches("n", |_| None));
        assert!(LabelSelector::default().matches(&Labels::new()));
    }

    #[test]
    fn fields_match_the_nodes_name() {
        let term = NodeSelectorTerm {
            expressions: vec![requirement("zone", Operator::In, &["a"])],
            fields: vec![requirement("metadata.name", Operator::In, &["n1"])],
        };
        assert!(term.matches("n1", |_| Some("a")));
        assert!(!term.matches("n2", |_| Some("a")));
        assert!(!term.matches("n1", |_| Some("b")));
    }
}
