//! Disruption budgets and priority classes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::error::FieldError;
use super::fields::{self, Fields, Read};
use super::metadata::{Metadata, Scope};
use super::selectors;
use crate::workload::{
    CountOrPercent, DisruptionBudgetObject, DisruptionRule, PriorityClassObject,
};

/// Reads a policy/v1 PodDisruptionBudget.
pub(super) fn read_budget(object: Fields<'_>) -> Read<DisruptionBudgetObject> {
    let metadata = Metadata::read(object, Scope::Namespaced)?;
    let (selector, rule) = object.required("spec", |value| {
        let spec = Fields::of(value)?;
        let selector = spec.optional("selector", selectors::label_selector)?;
        Ok((selector, read_rule(spec)?))
    })?;
    let disruptions_allowed = object
        .inside("status", |status| status.optional("disruptionsAllowed", fields::whole))?
        .flatten();
    let disrupted_pods = object.inside("status", |status| {
        let names = status.inside("disruptedPods", |pods| Ok(names_of(pods)))?;
        Ok(names.unwrap_or_default())
    })?;
    Ok(DisruptionBudgetObject {
        namespace: metadata.namespace,
        name: metadata.name,
        selector,
        rule,
        disruptions_allowed,
        disrupted_pods: disrupted_pods.unwrap_or_default(),
    })
}

fn names_of(map: Fields<'_>) -> BTreeSet<String> {
    map.names().map(str::to_owned).collect()
}

fn read_rule(spec: Fields<'_>) -> Read<DisruptionRule> {
    let min_available = spec.optional("minAvailable", count_or_percent)?;
    let max_unavailable = spec.optional("maxUnavailable", count_or_percent)?;
    match (min_available, max_unavailable) {
        (Some(count), None) => Ok(DisruptionRule::MinAvailable(count)),
        (None, Some(count)) => Ok(DisruptionRule::MaxUnavailable(count)),
        (Some(_), Some(_)) => {
            let message = "expected only one of minAvailable and maxUnavailable";
            Err(FieldError::here(message).within("maxUnavailable"))
        }
        // The disruption controller reads a budget that demands nothing as "at least none".
        (None, None) => Ok(DisruptionRule::MinAvailable(CountOrPercent::Count(0))),
    }
}

/// An IntOrString: `3` or `"50%"`.
fn count_or_percent(value: &Value) -> Read<CountOrPercent> {
    let refuse = || fields::expected("a number of pods from 0 up, or a percentage \"50%\"", value);
    if let Some(text) = value.as_str() {
        let digits = text.strip_suffix('%').ok_or_else(refuse)?;
        let percent: u8 = digits.parse().map_err(|_| refuse())?;
        return if percent <= 100 {
            Ok(CountOrPercent::Percent(percent.into()))
        } else {
            Err(refuse())
        };
    }
    fields::count(value).map(|count| CountOrPercent::Count(count.into())).map_err(|_| refuse())
}

/// Reads a scheduling.k8s.io/v1 PriorityClass.
pub(super) fn read_priority_class(object: Fields<'_>) -> Read<PriorityClassObject> {
    /// Whether pods of the class may evict others.
    const PREEMPTION_POLICIES: [(&str, bool); 2] =
        [("PreemptLowerPriority", true), ("Never", false)];
    let preempts =
        object.optional("preemptionPolicy", |value| fields::word(value, &PREEMPTION_POLICIES))?;
    Ok(PriorityClassObject {
        name: Metadata::read(object, Scope::Cluster)?.name,
        value: object.required("value", fields::whole_32)?,
        global_default: object.or_default("globalDefault", fields::flag)?,
        preempts: preempts.unwrap_or(true),
    })
}
