//! Label selectors, node selector terms and the taints and tolerations beside them.
//!
//! Source of rules and words: `pkg/apis/core/validation` of Kubernetes, and
//! `k8s.io/apimachinery/pkg/apis/meta/v1/validation` for label selectors.

use serde_json::Value;

use super::fields::{self, Fields, Read};
use super::invalid::{duplicate, forbidden, invalid, missing, unsupported};
use super::label_syntax;
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
/// The only field that node selectors know.
const NAME_FIELD: &str = "metadata.name";
/// The effects of taints.
const TAINT_EFFECTS: [(&str, TaintEffect); 3] = [
    ("NoSchedule", TaintEffect::NoSchedule),
    ("PreferNoSchedule", TaintEffect::PreferNoSchedule),
    ("NoExecute", TaintEffect::NoExecute),
];

/// Reads a `metav1.LabelSelector`.
pub(super) fn label_selector(value: &Value) -> Read<LabelSelector> {
    let fields = Fields::of(value)?;
    let mut selector = exact_selector(fields.or_default("matchLabels", exact_labels)?);
    selector.requirements.extend(fields.items("matchExpressions", |one| {
        let requirement = written_requirement(one, &LABEL_OPERATORS)?;
        check_key_syntax(&requirement)?;
        check_values_syntax(&requirement.values)?;
        Ok(requirement)
    })?);
    Ok(selector)
}

/// Reads labels that something must have.
pub(super) fn exact_labels(value: &Value) -> Read<Labels> {
    let labels = fields::labels(value)?;
    for (key, value) in &labels {
        label_syntax::check_key(key)?;
        label_syntax::check_value(value)?;
    }
    Ok(labels)
}

/// The selector that wants each of these labels.
pub(super) fn exact_selector(labels: Labels) -> LabelSelector {
    let requirements = labels
        .into_iter()
        .map(|(key, value)| Requirement { key, operator: Operator::In, values: vec![value] })
        .collect();
    LabelSelector { requirements }
}

/// Whether the values of a node selector must be label values: in required terms they must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeValues {
    /// Label values only.
    Labels,
    /// Anything: a preferred term with an odd value merely never matches.
    Anything,
}

/// Reads a `v1.NodeSelectorTerm` of a pod.
pub(super) fn node_selector_term(value: &Value, values: NodeValues) -> Read<NodeSelectorTerm> {
    let fields = Fields::of(value)?;
    Ok(NodeSelectorTerm {
        expressions: fields.items("matchExpressions", |one| {
            let requirement = written_requirement(one, &NODE_OPERATORS)?;
            check_key_syntax(&requirement)?;
            if values == NodeValues::Labels {
                check_values_syntax(&requirement.values)?;
            }
            Ok(requirement)
        })?,
        fields: fields.items("matchFields", field_requirement)?,
    })
}

/// Reads the terms of a `v1.NodeSelector` that only label values can be in.
pub(super) fn node_selector_terms(selector: Fields<'_>) -> Read<Vec<NodeSelectorTerm>> {
    selector.items("nodeSelectorTerms", |one| node_selector_term(one, NodeValues::Labels))
}

/// Reads a `v1.NodeSelectorTerm` of a scheduler's configuration: decoded strictly, and with the
/// words of the scheduler, which differ from the API server's.
///
/// Source: `k8s.io/component-helpers/scheduling/corev1/nodeaffinity`.
pub(super) fn scheduler_node_term(value: &Value) -> Read<NodeSelectorTerm> {
    let fields = Fields::of(value)?;
    fields.only(&["matchExpressions", "matchFields"])?;
    let requirement = |one, operators: &[(&str, Operator)]| {
        let fields = Fields::of(one)?;
        fields.only(&["key", "operator", "values"])?;
        let operator = fields.or_default("operator", fields::text)?;
        let Some((_, known)) = operators.iter().find(|(word, _)| *word == operator) else {
            let words: Vec<&str> = operators.iter().map(|(word, _)| *word).collect();
            return Err(unsupported(operator, &words).within("operator"));
        };
        let values = fields.items("values", fields::text)?;
        let key = fields.or_default("key", fields::text)?;
        Ok(Requirement { key, operator: *known, values })
    };
    Ok(NodeSelectorTerm {
        expressions: fields.items("matchExpressions", |one| {
            let requirement = requirement(one, &NODE_OPERATORS)?;
            check_for_scheduler(&requirement)?;
            Ok(requirement)
        })?,
        fields: fields.items("matchFields", |one| {
            let requirement = requirement(one, &FIELD_OPERATORS)?;
            if requirement.values.len() != 1 {
                return Err(invalid(requirement.values, "must have one element").within("values"));
            }
            Ok(requirement)
        })?,
    })
}

/// The rules of `labels.NewRequirement`.
fn check_for_scheduler(requirement: &Requirement) -> Read<()> {
    let Requirement { operator, values, .. } = requirement;
    label_syntax::check_key(&requirement.key).map_err(|error| error.within("key"))?;
    let broken = match operator {
        Operator::In | Operator::NotIn if values.is_empty() => {
            "for 'in', 'notin' operators, values set can't be empty"
        }
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
            "values set must be empty for exists and does not exist"
        }
        Operator::Gt | Operator::Lt if values.len() != 1 => {
            "for 'Gt', 'Lt' operators, exactly one value is required"
        }
        _ => "",
    };
    if !broken.is_empty() {
        return Err(invalid(values.clone(), broken).within("values"));
    }
    if let (Operator::Gt | Operator::Lt, [bound]) = (operator, values.as_slice())
        && bound.parse::<i64>().is_err()
    {
        let rule = "for 'Gt', 'Lt' operators, the value must be an integer";
        return Err(invalid(bound.as_str(), rule).within_item(0).within("values"));
    }
    check_values_syntax(values)
}

/// A requirement whose operator is one of these and has as many values as it needs.
fn written_requirement(value: &Value, operators: &[(&str, Operator)]) -> Read<Requirement> {
    let fields = Fields::of(value)?;
    let word = fields.or_default("operator", fields::text)?;
    let known = operators.iter().find(|(name, _)| *name == word);
    let Some((_, operator)) = known else {
        return Err(invalid(word, "not a valid selector operator").within("operator"));
    };
    let key = fields.or_default("key", fields::text)?;
    let values = fields.items("values", fields::text)?;
    let requirement = Requirement { key, operator: *operator, values };
    check_values_number(&requirement)?;
    Ok(requirement)
}

/// Refuses values where there may be none, and the other way round.
fn check_values_number(requirement: &Requirement) -> Read<()> {
    let values = &requirement.values;
    let refused = match requirement.operator {
        Operator::In | Operator::NotIn if values.is_empty() => {
            missing("must be specified when `operator` is 'In' or 'NotIn'")
        }
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
            forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
        }
        Operator::Gt | Operator::Lt if values.len() != 1 => {
            missing("must be specified single value when `operator` is 'Lt' or 'Gt'")
        }
        _ => return Ok(()),
    };
    Err(refused.within("values"))
}

fn check_key_syntax(requirement: &Requirement) -> Read<()> {
    label_syntax::check_key(&requirement.key).map_err(|error| error.within("key"))
}

fn check_values_syntax(values: &[String]) -> Read<()> {
    for (index, value) in values.iter().enumerate() {
        label_syntax::check_value(value)
            .map_err(|error| error.within_item(index).within("values"))?;
    }
    Ok(())
}

fn field_requirement(value: &Value) -> Read<Requirement> {
    let requirement = written_requirement(value, &FIELD_OPERATORS)?;
    if requirement.values.len() != 1 {
        let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field \
                   selector";
        return Err(missing(why).within("values"));
    }
    if requirement.key != NAME_FIELD {
        return Err(invalid(requirement.key, "not a valid field selector key").within("key"));
    }
    for (index, name) in requirement.values.iter().enumerate() {
        label_syntax::check_subdomain(name)
            .map_err(|error| error.within_item(index).within("values"))?;
    }
    Ok(requirement)
}

/// Reads the taints of a node.
pub(super) fn taints(object: Fields<'_>, name: &str) -> Read<Vec<Taint>> {
    let taints = object.items(name, taint)?;
    for (index, taint) in taints.iter().enumerate() {
        let same = |one: &Taint| one.key == taint.key && one.effect == taint.effect;
        if taints[..index].iter().any(same) {
            let effect = TAINT_EFFECTS.iter().find(|(_, one)| *one == taint.effect);
            let word = effect.map_or("", |(word, _)| *word);
            let shown = format!("{}:{word}", taint.key);
            let error = duplicate(shown, "taints must be unique by key and effect pair");
            return Err(error.within_item(index).within(name));
        }
    }
    Ok(taints)
}

fn taint(value: &Value) -> Read<Taint> {
    let fields = Fields::of(value)?;
    let key = fields.or_default("key", fields::text)?;
    label_syntax::check_key(&key).map_err(|error| error.within("key"))?;
    let value = fields.or_default("value", fields::text)?;
    label_syntax::check_value(&value).map_err(|error| error.within("value"))?;
    let effect = match fields.or_default("effect", fields::text)?.as_str() {
        "" => Err(missing("")),
        word => taint_effect(word),
    };
    Ok(Taint { key, value, effect: effect.map_err(|error| error.within("effect"))? })
}

fn taint_effect(word: &str) -> Read<TaintEffect> {
    let known = TAINT_EFFECTS.iter().find(|(name, _)| *name == word);
    known.map(|(_, effect)| *effect).ok_or_else(|| {
        let words: Vec<&str> = TAINT_EFFECTS.iter().map(|(name, _)| *name).collect();
        unsupported(word, &words)
    })
}

/// Reads a `v1.Toleration`.
pub(super) fn toleration(value: &Value) -> Read<Toleration> {
    let fields = Fields::of(value)?;
    let key = fields.or_default("key", fields::text)?;
    if !key.is_empty() {
        label_syntax::check_key(&key).map_err(|error| error.within("key"))?;
    }
    let operator = fields.or_default("operator", fields::text)?;
    let value = fields.or_default("value", fields::text)?;
    let effect = fields.or_default("effect", fields::text)?;
    if key.is_empty() && operator != "Exists" {
        let rule = "operator must be Exists when `key` is empty, which means \"match all values \
                    and all keys\"";
        return Err(invalid(operator, rule).within("operator"));
    }
    let seconds = fields.optional("tolerationSeconds", fields::whole)?;
    if seconds.is_some() && effect != "NoExecute" {
        let rule = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        return Err(invalid(effect, rule).within("effect"));
    }
    let equal = toleration_operator(&operator, &value).map_err(|error| error.within("operator"))?;
    let effect = match effect.as_str() {
        "" => None,
        word => Some(taint_effect(word).map_err(|error| error.within("effect"))?),
    };
    Ok(Toleration { key, equal, value, effect })
}

/// Whether the value is compared. Upstream reports a wrong value at the operator, too.
fn toleration_operator(operator: &str, value: &str) -> Read<bool> {
    match operator {
        "" | "Equal" => label_syntax::check_value(value).map(|()| true),
        "Exists" if value.is_empty() => Ok(false),
        "Exists" => Err(invalid(value, "value must be empty when `operator` is 'Exists'")),
        // Behind a feature gate that is off.
        "Lt" | "Gt" => Err(unsupported(operator, &["Equal", "Exists", "Lt", "Gt"])),
        _ => Err(unsupported(operator, &["Equal", "Exists"])),
    }
}
