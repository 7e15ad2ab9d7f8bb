//! `topologySpreadConstraints`, of pods and of a scheduler's configuration.
//!
//! Source of rules and words: `validateTopologySpreadConstraints` in `pkg/apis/core/validation`, and
//! `ValidatePodTopologySpreadArgs` in `pkg/scheduler/apis/config/validation`.

use serde_json::Value;

use super::error::FieldError;
use super::fields::{self, Fields, Read};
use super::invalid::{duplicate, forbidden, invalid, missing, unsupported};
use super::{label_keys, label_syntax, selectors};
use crate::pod::TopologySpreadConstraint;

/// `Honor` counts only nodes that the pod could go to.
const POLICIES: [(&str, bool); 2] = [("Honor", true), ("Ignore", false)];
/// Whether the rule filters nodes or only scores them.
const ACTIONS: [(&str, bool); 2] = [("DoNotSchedule", true), ("ScheduleAnyway", false)];

/// Reads a pod's constraints, whose `matchLabelKeys` are merged into their selectors.
pub(super) fn spread_constraints(spec: Fields<'_>) -> Read<Vec<TopologySpreadConstraint>> {
    const FIELD: &str = "topologySpreadConstraints";
    let constraints = spec.items(FIELD, spread_constraint)?;
    for (index, one) in constraints.iter().enumerate() {
        if constraints[index + 1..].iter().any(|later| identity(later) == identity(one)) {
            let error = duplicate(identity(one), "").within("{topologyKey, whenUnsatisfiable}");
            return Err(error.within_item(index).within(FIELD));
        }
    }
    Ok(constraints)
}

fn spread_constraint(value: &Value) -> Read<TopologySpreadConstraint> {
    let fields = Fields::of(value)?;
    let max_skew = fields.or_default("maxSkew", fields::whole_32)?;
    check_positive(max_skew).map_err(|error| error.within("maxSkew"))?;
    let topology_key = fields.or_default("topologyKey", fields::text)?;
    if topology_key.is_empty() {
        return Err(missing("can not be empty").within("topologyKey"));
    }
    let hard = one_of(fields, "whenUnsatisfiable", &ACTIONS)?;
    let min_domains = fields.optional("minDomains", |value| {
        let number = fields::whole_32(value)?;
        check_positive(number)?;
        if !hard {
            let rule = "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not \
                        ScheduleAnyway";
            return Err(invalid(number, rule));
        }
        Ok(i64::from(number))
    })?;
    let honor_affinity = one_of(fields, "nodeAffinityPolicy", &POLICIES)?;
    let honor_taints = one_of(fields, "nodeTaintsPolicy", &POLICIES)?;
    label_keys::check_constraint(fields)?;
    Ok(TopologySpreadConstraint {
        max_skew: max_skew.into(),
        topology_key,
        hard,
        selector: fields.optional("labelSelector", selectors::label_selector)?,
        min_domains,
        honor_affinity,
        honor_taints,
    })
}

/// Reads a constraint of a scheduler's configuration, which is for all pods: it has no selector.
pub(super) fn default_constraint(value: &Value) -> Read<TopologySpreadConstraint> {
    let fields = Fields::of(value)?;
    fields.only(&[
        "maxSkew",
        "topologyKey",
        "whenUnsatisfiable",
        "labelSelector",
        "minDomains",
        "nodeAffinityPolicy",
        "nodeTaintsPolicy",
        "matchLabelKeys",
    ])?;
    let max_skew = fields.or_default("maxSkew", fields::whole_32)?;
    if max_skew <= 0 {
        return Err(invalid(max_skew, "not in valid range (0, inf)").within("maxSkew"));
    }
    let topology_key = fields.or_default("topologyKey", fields::text)?;
    if topology_key.is_empty() {
        return Err(missing("can not be empty").within("topologyKey"));
    }
    label_syntax::check_key(&topology_key).map_err(|error| error.within("topologyKey"))?;
    if fields.or_default("whenUnsatisfiable", fields::text)?.is_empty() {
        return Err(missing("can not be empty").within("whenUnsatisfiable"));
    }
    let hard = one_of(fields, "whenUnsatisfiable", &ACTIONS)?;
    if fields.raw("labelSelector").is_some() {
        let why = "constraint must not define a selector, as they deduced for each pod";
        return Err(forbidden(why).within("labelSelector"));
    }
    // The selector that is found for a pod replaces these; upstream takes them all the same.
    fields.items("matchLabelKeys", fields::text)?;
    let policy = |name: &str, default: &str| {
        let word = fields.optional(name, fields::text)?;
        Ok::<bool, FieldError>(word.as_deref().unwrap_or(default) == "Honor")
    };
    Ok(TopologySpreadConstraint {
        max_skew: max_skew.into(),
        topology_key,
        hard,
        selector: None,
        min_domains: fields.optional("minDomains", fields::whole_32)?.map(i64::from),
        honor_affinity: policy("nodeAffinityPolicy", "Honor")?,
        honor_taints: policy("nodeTaintsPolicy", "Ignore")?,
    })
}

/// What no two constraints of a list may have in common, as errors show it.
pub(super) fn identity(constraint: &TopologySpreadConstraint) -> String {
    let action = ACTIONS.iter().find(|(_, hard)| *hard == constraint.hard);
    let action = action.map_or("", |(word, _)| *word);
    format!("{{{}, {action}}}", constraint.topology_key)
}

fn check_positive(number: i32) -> Read<()> {
    if number > 0 { Ok(()) } else { Err(invalid(number, "must be greater than zero")) }
}

/// The meaning of a word of a closed set.
fn one_of(fields: Fields<'_>, name: &str, words: &[(&str, bool)]) -> Read<bool> {
    let found = fields.or_default(name, fields::text)?;
    let known = words.iter().find(|(word, _)| *word == found);
    known.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let supported: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        unsupported(found, &supported).within(name)
    })
}
