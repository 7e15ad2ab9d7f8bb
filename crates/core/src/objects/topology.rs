//! `topologySpreadConstraints`.

use serde_json::Value;

use super::error::FieldError;
use super::fields::{self, Fields, Read};
use super::selectors;
use crate::pod::TopologySpreadConstraint;

/// `Honor` counts only nodes that the pod could go to.
const POLICIES: [(&str, bool); 2] = [("Honor", true), ("Ignore", false)];
/// Whether the rule filters nodes or only scores them.
const ACTIONS: [(&str, bool); 2] = [("DoNotSchedule", true), ("ScheduleAnyway", false)];

/// Reads a `v1.TopologySpreadConstraint` whose `matchLabelKeys` are merged into its selector.
pub(super) fn spread_constraint(value: &Value) -> Read<TopologySpreadConstraint> {
    let fields = Fields::of(value)?;
    Ok(TopologySpreadConstraint {
        max_skew: fields.required("maxSkew", positive)?,
        topology_key: fields.required("topologyKey", fields::name)?,
        hard: fields.required("whenUnsatisfiable", |one| fields::word(one, &ACTIONS))?,
        selector: fields.optional("labelSelector", selectors::label_selector)?,
        min_domains: fields.optional("minDomains", positive)?,
        honor_affinity: fields
            .required("nodeAffinityPolicy", |one| fields::word(one, &POLICIES))?,
        honor_taints: fields.required("nodeTaintsPolicy", |one| fields::word(one, &POLICIES))?,
    })
}

fn positive(value: &Value) -> Read<i64> {
    match fields::whole(value)? {
        number if number > 0 => Ok(number),
        number => Err(FieldError::here(format!("expected a number above 0, found {number}"))),
    }
}
