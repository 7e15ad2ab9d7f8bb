//! `affinity.podAffinity` and `affinity.podAntiAffinity`.
//!
//! Source of rules and words: `validatePodAffinityTerm` in `pkg/apis/core/validation`; of the
//! namespaces: `getNamespacesFromPodAffinityTerm` in `k8s.io/kube-scheduler/framework`.

use serde_json::Value;

use super::defaulting::{PREFERRED_TERMS, REQUIRED_TERMS};
use super::fields::{self, Fields, Read};
use super::invalid::{invalid, missing};
use super::{label_keys, label_syntax, selectors};
use crate::pod_affinity::{PodAffinity, PodAffinityTerm};

/// Reads the rules of a pod in `namespace`, the keys of whose terms are merged.
pub(super) fn read(spec: Fields<'_>, namespace: &str) -> Read<PodAffinity> {
    let read = spec.inside("affinity", |affinity| {
        let (required, preferred) = read_kind(affinity, "podAffinity", namespace)?;
        let (required_anti, preferred_anti) = read_kind(affinity, "podAntiAffinity", namespace)?;
        Ok(PodAffinity { required, required_anti, preferred, preferred_anti })
    })?;
    Ok(read.unwrap_or_default())
}

/// The weight of a preferred term, of a node or a pod.
pub(super) fn read_weight(fields: Fields<'_>) -> Read<i64> {
    match fields.or_default("weight", fields::whole_32)? {
        weight @ 1..=100 => Ok(weight.into()),
        weight => Err(invalid(weight, "must be in the range 1-100").within("weight")),
    }
}

/// Terms that must hold, and terms with a weight.
type Terms = (Vec<PodAffinityTerm>, Vec<(i64, PodAffinityTerm)>);

fn read_kind(affinity: Fields<'_>, kind: &str, namespace: &str) -> Read<Terms> {
    let terms = affinity.inside(kind, |rules| {
        let required =
            rules.items(REQUIRED_TERMS, |term| read_term(Fields::of(term)?, namespace))?;
        let preferred = rules.items(PREFERRED_TERMS, |value| {
            let fields = Fields::of(value)?;
            let weight = read_weight(fields)?;
            let term = fields
                .required("podAffinityTerm", |term| read_term(Fields::of(term)?, namespace))?;
            Ok((weight, term))
        })?;
        Ok((required, preferred))
    })?;
    Ok(terms.unwrap_or_default())
}

fn read_term(term: Fields<'_>, own_namespace: &str) -> Read<PodAffinityTerm> {
    let selector = term.optional("labelSelector", selectors::label_selector)?;
    let namespace_selector = term.optional("namespaceSelector", selectors::label_selector)?;
    let mut namespaces = term.items("namespaces", |value: &Value| {
        let name = fields::text(value)?;
        label_syntax::check_dns_label(&name)?;
        Ok(name)
    })?;
    label_keys::check_term(term)?;
    let topology_key = term.or_default("topologyKey", fields::text)?;
    let checked = if topology_key.is_empty() {
        Err(missing("can not be empty"))
    } else {
        label_syntax::check_key(&topology_key)
    };
    checked.map_err(|error| error.within("topologyKey"))?;
    if namespaces.is_empty() && namespace_selector.is_none() {
        namespaces.push(own_namespace.to_owned());
    }
    Ok(PodAffinityTerm {
        selector,
        namespaces: namespaces.into_iter().collect(),
        namespace_selector,
        topology_key,
    })
}
