//! `matchLabelKeys` and `mismatchLabelKeys`: selectors over the values of the pod's own labels.
//!
//! The API server merges them into the selector when a pod is created, and keeps the fields. So an
//! object that comes from an API server has them merged, a manifest or a controller's template has
//! not, and merging must not be done twice.
//!
//! Source: `applyLabelKeysToLabelSelector` in `pkg/registry/core/pod/strategy.go`,
//! `ValidateMatchLabelKeysAndMismatchLabelKeys` in `pkg/apis/core/validation`.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::fields::{self, Fields, Read};
use super::invalid::{forbidden, invalid};
use super::label_syntax;

/// The fields that hold keys in a pod affinity term, with the operator that each comes to.
const AFFINITY_FIELDS: [(&str, &str); 2] = [(MATCH_KEYS, "In"), (MISMATCH_KEYS, "NotIn")];
/// The same in a spread constraint.
const SPREAD_FIELDS: [(&str, &str); 1] = [(MATCH_KEYS, "In")];
/// Keys of labels that others must share.
const MATCH_KEYS: &str = "matchLabelKeys";
/// Keys of labels that others must not share.
const MISMATCH_KEYS: &str = "mismatchLabelKeys";

/// The pod whose keys are merged.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyOwner<'a> {
    /// Its labels; null when it has none.
    pub(super) labels: &'a Value,
    /// It comes from an API server, and its keys are merged with the labels it then had.
    pub(super) is_stored: bool,
}

/// Merges the keys of a pod affinity term into its `labelSelector`, where they are not merged
/// already. Keys that the pod has no label for, and terms without a selector, are left alone.
pub(super) fn merge_into_term(term: &mut Map<String, Value>, owner: KeyOwner<'_>) {
    merge(term, &AFFINITY_FIELDS, owner);
}

/// The same for a spread constraint.
pub(super) fn merge_into_constraint(constraint: &mut Map<String, Value>, owner: KeyOwner<'_>) {
    merge(constraint, &SPREAD_FIELDS, owner);
}

fn merge(term: &mut Map<String, Value>, fields: &[(&str, &str)], owner: KeyOwner<'_>) {
    for (field, operator) in fields {
        let Some(Value::Array(keys)) = term.get(*field).cloned() else { continue };
        let selector = term.get_mut("labelSelector").and_then(Value::as_object_mut);
        let Some(selector) = selector else { continue };
        for key in keys.iter().filter_map(Value::as_str) {
            let Some(value) = owner.labels.get(key) else { continue };
            if is_merged(selector, key, operator, value, owner.is_stored) {
                continue;
            }
            let requirement = json!({"key": key, "operator": operator, "values": [value]});
            let list = selector.entry("matchExpressions").or_insert(Value::Null);
            if list.is_null() {
                *list = json!([]);
            }
            if let Value::Array(list) = list {
                list.push(requirement);
            }
        }
    }
}

/// Whether a selector has the requirement that merging this key makes. Labels of a stored pod may
/// have changed since, so there the value does not count.
fn is_merged(
    selector: &Map<String, Value>,
    key: &str,
    operator: &str,
    value: &Value,
    is_stored: bool,
) -> bool {
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    expressions.into_iter().flatten().any(|one| {
        let text = |field: &str| one.get(field).and_then(Value::as_str);
        let values = one.get("values").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let same_values = if is_stored { values.len() == 1 } else { values == [value.clone()] };
        text("key") == Some(key) && text("operator") == Some(operator) && same_values
    })
}

/// Refuses keys that are none, that have no selector to go into, or that the selector, with the
/// keys merged into it, has twice.
pub(super) fn check_term(term: Fields<'_>) -> Read<()> {
    check(term, &AFFINITY_FIELDS)
}

/// The same for a spread constraint.
pub(super) fn check_constraint(constraint: Fields<'_>) -> Read<()> {
    check(constraint, &SPREAD_FIELDS)
}

fn check(term: Fields<'_>, fields: &[(&str, &str)]) -> Read<()> {
    let has_selector = term.raw("labelSelector").is_some();
    for (field, _) in fields {
        let keys = term.items(field, fields::text)?;
        if !keys.is_empty() && !has_selector {
            let why = "must not be specified when labelSelector is not set";
            return Err(forbidden(why).within(field));
        }
        for (index, key) in keys.iter().enumerate() {
            label_syntax::check_key(key).map_err(|error| error.within_item(index).within(field))?;
        }
    }
    let matching = term.items(MATCH_KEYS, fields::text)?;
    let mismatching = match fields {
        [_, (mismatch, _)] => term.items(mismatch, fields::text)?,
        _ => Vec::new(),
    };
    let twice = keys_twice(term)?;
    for (index, key) in matching.into_iter().enumerate() {
        let rule = if twice.contains(&key) {
            "exists in both matchLabelKeys and labelSelector"
        } else if mismatching.contains(&key) {
            "exists in both matchLabelKeys and mismatchLabelKeys"
        } else {
            continue;
        };
        return Err(invalid(key, rule).within_item(index).within(MATCH_KEYS));
    }
    Ok(())
}

/// The keys that a term's selector has more than one requirement for.
fn keys_twice(term: Fields<'_>) -> Read<BTreeSet<String>> {
    let twice = term.inside("labelSelector", |selector| {
        let mut seen: BTreeSet<String> =
            selector.or_default("matchLabels", fields::labels)?.into_keys().collect();
        let expressions = selector
            .items("matchExpressions", |one| Fields::of(one)?.or_default("key", fields::text))?;
        Ok(expressions.into_iter().filter(|key| !seen.insert(key.clone())).collect())
    })?;
    Ok(twice.unwrap_or_default())
}
