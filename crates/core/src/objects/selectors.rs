//! Label selectors, node selector terms and the taints and tolerations beside them.

use serde_json::Value;

use super::error::FieldError;
use super::fields::{self, Fields, Read};
use crate::labels::{LabelSelector, Labels, NodeSelectorTerm, Operator, Requirement};
use crate::taints::{Taint, TaintEffect, Toleration};

/// The operators of label selectors.
const LABEL_OPERATORS: [(&str, Operator); 4] = [
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("Exists", Operator::Exists),
    ("DoesNotExist", Operator::DoesNotExist),
];
/// The operators of node selectors over labels.
const NODE_OPERATORS: [(&str, Operator); 6] = [
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("Exists", Operator::Exists),
    ("DoesNotExist", Operator::DoesNotExist),
    ("Gt", Operator::Gt),
    ("Lt", Operator::Lt),
];
/// The operators of node selectors over fields.
const FIELD_OPERATORS: [(&str, Operator); 2] = [("In", Operator::In), ("NotIn", Operator::NotIn)];
/// The effects of taints.
const TAINT_EFFECTS: [(&str, TaintEffect); 3] = [
    ("NoSchedule", TaintEffect::NoSchedule),
    ("PreferNoSchedule", TaintEffect::PreferNoSchedule),
    ("NoExecute", TaintEffect::NoExecute),
];

/// Reads a `metav1.LabelSelector`.
pub(super) fn label_selector(value: &Value) -> Read<LabelSelector> {
    let fields = Fields::of(value)?;
    let mut selector = exact_selector(fields.or_default("matchLabels", fields::labels)?);
    selector
        .requirements
        .extend(fields.items("matchExpressions", |one| requirement(one, &LABEL_OPERATORS))?);
    Ok(selector)
}

/// The selector that wants each of these labels.
pub(super) fn exact_selector(labels: Labels) -> LabelSelector {
    let requirements = labels
        .into_iter()
        .map(|(key, value)| Requirement { key, operator: Operator::In, values: vec![value] })
        .collect();
    LabelSelector { requirements }
}

/// Reads a `v1.NodeSelectorTerm`.
pub(super) fn node_selector_term(value: &Value) -> Read<NodeSelectorTerm> {
    let fields = Fields::of(value)?;
    Ok(NodeSelectorTerm {
        expressions: fields.items("matchExpressions", |one| requirement(one, &NODE_OPERATORS))?,
        fields: fields.items("matchFields", field_requirement)?,
    })
}

fn requirement(value: &Value, operators: &[(&str, Operator)]) -> Read<Requirement> {
    let fields = Fields::of(value)?;
    let key = fields.required("key", fields::name)?;
    let operator = fields.required("operator", |one| fields::word(one, operators))?;
    let values = fields.items("values", fields::text)?;
    let refused = match operator {
        Operator::In | Operator::NotIn if values.is_empty() => "expected at least one value",
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => "expected no values",
        Operator::Gt | Operator::Lt if values.len() != 1 => "expected exactly one value",
        _ => return Ok(Requirement { key, operator, values }),
    };
    let word = fields.raw("operator").and_then(Value::as_str).unwrap_or_default();
    Err(FieldError::here(format!("{refused} with operator {word}")).within("values"))
}

fn field_requirement(value: &Value) -> Read<Requirement> {
    /// The only field that node selectors know.
    const FIELD_KEYS: [(&str, ()); 1] = [("metadata.name", ())];
    let fields = Fields::of(value)?;
    fields.required("key", |one| fields::word(one, &FIELD_KEYS))?;
    let requirement = requirement(value, &FIELD_OPERATORS)?;
    if requirement.values.len() != 1 {
        return Err(FieldError::here("expected exactly one value for a field").within("values"));
    }
    Ok(requirement)
}

/// Reads a `v1.Taint`.
pub(super) fn taint(value: &Value) -> Read<Taint> {
    let fields = Fields::of(value)?;
    Ok(Taint {
        key: fields.required("key", fields::name)?,
        value: fields.or_default("value", fields::text)?,
        effect: fields.required("effect", |one| fields::word(one, &TAINT_EFFECTS))?,
    })
}

/// Reads a `v1.Toleration`.
pub(super) fn toleration(value: &Value) -> Read<Toleration> {
    /// `Equal` compares the value.
    const OPERATORS: [(&str, bool); 2] = [("Equal", true), ("Exists", false)];
    let fields = Fields::of(value)?;
    let key = fields.or_default("key", fields::text)?;
    let equal = fields.required("operator", |one| fields::word(one, &OPERATORS))?;
    let toleration = Toleration {
        key,
        equal,
        value: fields.or_default("value", fields::text)?,
        effect: match fields.raw("effect") {
            Some(Value::String(empty)) if empty.is_empty() => None,
            _ => fields.optional("effect", |one| fields::word(one, &TAINT_EFFECTS))?,
        },
    };
    if toleration.key.is_empty() && toleration.equal {
        let message = "expected Exists where key is empty (every taint is meant)";
        return Err(FieldError::here(message).within("operator"));
    }
    if !toleration.equal && !toleration.value.is_empty() {
        return Err(FieldError::here("expected no value with operator Exists").within("value"));
    }
    Ok(toleration)
}
