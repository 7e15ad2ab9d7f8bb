//! Device classes, claims on devices and the templates of claims, and what pods say of claims.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/resource/{v1,validation}`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fields::{self, Fields, Read};
use super::invalid::{duplicate, invalid, missing, too_many, unsupported};
use super::label_syntax;
use super::metadata::{Metadata, Scope};
use super::selectors;
use crate::devices::claim::{
    AllocatedDevice, Allocation, ClaimSpec, ClaimStatus, ConstraintRule, Consumer,
    DeviceClassObject, DeviceConstraint, DeviceCount, DeviceQuery, DeviceRequest, DeviceStatus,
    MAX_ALTERNATIVES, MAX_DEVICES_PER_CLAIM, ResourceClaimObject, ResourceClaimTemplateObject,
    Wanted,
};
use crate::devices::slice::{DeviceTaintEffect, DeviceToleration};
use crate::devices::{is_extended_resource_name, selector_refusal};
use crate::pod::{ClaimSource, MadeClaim, PodResourceClaim, PodSpec};

/// The group and version of these kinds.
pub(super) const API_VERSION: &str = "resource.k8s.io/v1";
/// The annotation of claims that the scheduler makes for extended resources.
const EXTENDED_RESOURCE_ANNOTATION: &str = "resource.kubernetes.io/extended-resource-claim";
/// The most selectors of a class or request.
const MAX_SELECTORS: usize = 32;
/// The most constraints of a claim.
const MAX_CONSTRAINTS: usize = 32;
/// The effects of device taints.
pub(super) const TAINT_EFFECTS: [(&str, DeviceTaintEffect); 3] = [
    ("None", DeviceTaintEffect::None),
    ("NoSchedule", DeviceTaintEffect::NoSchedule),
    ("NoExecute", DeviceTaintEffect::NoExecute),
];

/// Reads a DeviceClass.
pub(super) fn read_class(object: Fields<'_>) -> Read<DeviceClassObject> {
    let metadata = Metadata::read(object, Scope::Cluster)?;
    let spec = object.inside("spec", |spec| {
        let extended_resource_name = spec.optional("extendedResourceName", |value| {
            let name = fields::text(value)?;
            if is_extended_resource_name(&name) {
                return Ok(name);
            }
            Err(invalid(name, "must be a valid extended resource name"))
        })?;
        Ok((read_selectors(spec)?, extended_resource_name))
    })?;
    let (selectors, extended_resource_name) = spec.unwrap_or_default();
    Ok(DeviceClassObject {
        name: metadata.name,
        created_at: metadata.created_at,
        selectors,
        extended_resource_name,
    })
}

/// Reads a ResourceClaim.
pub(super) fn read_claim(object: Fields<'_>) -> Read<ResourceClaimObject> {
    let metadata = Metadata::read(object, Scope::Namespaced)?;
    let is_for_extended_resources =
        metadata.annotations.get(EXTENDED_RESOURCE_ANNOTATION).is_some_and(|one| one == "true");
    Ok(ResourceClaimObject {
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        controller: metadata.controller,
        is_being_deleted: metadata.deletion_at.is_some(),
        is_for_extended_resources,
        spec: object.inside("spec", read_claim_spec)?.unwrap_or_default(),
        status: object.inside("status", read_claim_status)?.unwrap_or_default(),
    })
}

/// Reads a ResourceClaimTemplate.
pub(super) fn read_template(object: Fields<'_>) -> Read<ResourceClaimTemplateObject> {
    let metadata = Metadata::read(object, Scope::Namespaced)?;
    let spec = object.inside("spec", |spec| spec.inside("spec", read_claim_spec))?;
    Ok(ResourceClaimTemplateObject {
        name: metadata.name,
        namespace: metadata.namespace,
        spec: spec.flatten().unwrap_or_default(),
    })
}

fn read_claim_spec(spec: Fields<'_>) -> Read<ClaimSpec> {
    let spec = spec.inside("devices", |devices| {
        let requests = devices.items("requests", read_request)?;
        refuse_more_than(MAX_DEVICES_PER_CLAIM, requests.len(), "requests")?;
        refuse_twice(requests.iter().map(|one| one.name.as_str()), "requests")?;
        let constraints =
            devices.items("constraints", |value| read_constraint(value, &requests))?;
        refuse_more_than(MAX_CONSTRAINTS, constraints.len(), "constraints")?;
        Ok(ClaimSpec { requests, constraints })
    })?;
    Ok(spec.unwrap_or_default())
}

/// Refuses a list that is too long.
pub(super) fn refuse_more_than(limit: usize, count: usize, list: &str) -> Read<()> {
    if count <= limit { Ok(()) } else { Err(too_many(count, limit).within(list)) }
}

/// Refuses a list with two items of one name.
pub(super) fn refuse_twice<'a>(names: impl Iterator<Item = &'a str>, list: &str) -> Read<()> {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        if !seen.insert(name) {
            return Err(duplicate(name, "").within_item(index).within(list));
        }
    }
    Ok(())
}

fn read_request(value: &Value) -> Read<DeviceRequest> {
    let fields = Fields::of(value)?;
    let name = fields.required("name", request_name)?;
    let exactly = fields.optional("exactly", |value| read_query(value, true))?;
    let alternatives = fields.items("firstAvailable", |value| {
        let name = Fields::of(value)?.required("name", request_name)?;
        Ok((name, read_query(value, false)?))
    })?;
    refuse_more_than(MAX_ALTERNATIVES, alternatives.len(), "firstAvailable")?;
    refuse_twice(alternatives.iter().map(|(name, _)| name.as_str()), "firstAvailable")?;
    let wanted = match (exactly, alternatives.is_empty()) {
        (Some(query), true) => Wanted::Exactly(query),
        (None, false) => Wanted::FirstAvailable(alternatives),
        (None, true) => {
            return Err(missing("exactly one of `exactly` or `firstAvailable` is required"));
        }
        (Some(_), false) => {
            let rule = "exactly one of `exactly` or `firstAvailable` is required, but multiple \
                        fields are set";
            return Err(invalid(Value::Null, rule));
        }
    };
    Ok(DeviceRequest { name, wanted })
}

/// The name of a request, an alternative, or a claim within a pod.
fn request_name(value: &Value) -> Read<String> {
    let name = required_text(value)?;
    label_syntax::check_dns_label(&name)?;
    Ok(name)
}

/// A text that must not be empty.
pub(super) fn required_text(value: &Value) -> Read<String> {
    let text = fields::text(value)?;
    if text.is_empty() { Err(missing("")) } else { Ok(text) }
}

/// One of the words of a closed set.
pub(super) fn choice<T: Copy>(value: &Value, words: &[(&str, T)]) -> Read<T> {
    let text = required_text(value)?;
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let supported: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        unsupported(text, &supported)
    })
}

/// A text that must be there and not empty.
pub(super) fn required_name(fields: Fields<'_>, name: &str) -> Read<String> {
    match fields.optional(name, required_text)? {
        Some(text) => Ok(text),
        None => Err(missing("").within(name)),
    }
}

/// A choice that may be left out or empty.
fn optional_choice<T: Copy>(
    fields: Fields<'_>,
    name: &str,
    words: &[(&str, T)],
) -> Read<Option<T>> {
    let is_empty = fields.raw(name).and_then(Value::as_str) == Some("");
    if is_empty { Ok(None) } else { fields.optional(name, |value| choice(value, words)) }
}

fn read_query(value: &Value, may_have_admin_access: bool) -> Read<DeviceQuery> {
    /// How many devices are meant.
    const MODES: [(&str, bool); 2] = [("All", true), ("ExactCount", false)];
    let fields = Fields::of(value)?;
    let all = optional_choice(fields, "allocationMode", &MODES)?;
    let count = fields.optional("count", fields::whole)?.unwrap_or(0);
    let count = match (all.unwrap_or(false), count) {
        (true, 0) => DeviceCount::All,
        (true, number) => {
            let rule = "must not be specified when allocationMode is 'All'";
            return Err(invalid(number, rule).within("count"));
        }
        (false, 0) => DeviceCount::Exactly(1),
        (false, number) if number > 0 => DeviceCount::Exactly(number),
        (false, number) => {
            return Err(invalid(number, "must be greater than zero").within("count"));
        }
    };
    let capacity = fields
        .inside("capacity", |capacity| capacity.entries("requests", fields::quantity))?
        .unwrap_or_default();
    Ok(DeviceQuery {
        device_class_name: required_name(fields, "deviceClassName")?,
        selectors: read_selectors(fields)?,
        count,
        admin_access: may_have_admin_access && fields.or_default("adminAccess", fields::flag)?,
        tolerations: fields.items("tolerations", read_toleration)?,
        capacity,
    })
}

fn read_selectors(fields: Fields<'_>) -> Read<Vec<String>> {
    let selectors = fields.items("selectors", |value| {
        let cel = Fields::of(value)?.inside("cel", |cel| {
            cel.or_default("expression", fields::text).and_then(
                |expression| match selector_refusal(&expression) {
                    None => Ok(expression),
                    Some(rule) => Err(invalid(expression, &rule).within("expression")),
                },
            )
        })?;
        cel.ok_or_else(|| missing("").within("cel"))
    })?;
    refuse_more_than(MAX_SELECTORS, selectors.len(), "selectors")?;
    Ok(selectors)
}

fn read_toleration(value: &Value) -> Read<DeviceToleration> {
    /// `Equal` compares the value.
    const OPERATORS: [(&str, bool); 2] = [("Equal", true), ("Exists", false)];
    let fields = Fields::of(value)?;
    let equal = optional_choice(fields, "operator", &OPERATORS)?;
    let toleration = DeviceToleration {
        key: fields.or_default("key", fields::text)?,
        equal: equal.unwrap_or(true),
        value: fields.or_default("value", fields::text)?,
        effect: optional_choice(fields, "effect", &TAINT_EFFECTS)?,
    };
    if !toleration.equal && !toleration.value.is_empty() {
        let rule = "must be empty for operator `Exists`";
        return Err(invalid(toleration.value, rule).within("value"));
    }
    Ok(toleration)
}

fn read_constraint(value: &Value, requests: &[DeviceRequest]) -> Read<DeviceConstraint> {
    let fields = Fields::of(value)?;
    let about = fields.items("requests", |one| {
        let name = fields::name(one)?;
        if requests.iter().any(|request| is_named(request, &name)) {
            return Ok(name);
        }
        let rule = "must be the name of a request in the claim or the name of a request and a \
                    subrequest separated by '/'";
        Err(invalid(name, rule))
    })?;
    let matched = fields.optional("matchAttribute", qualified_name)?;
    let distinct = fields.optional("distinctAttribute", qualified_name)?;
    let rule = match (matched, distinct) {
        (Some(name), None) => ConstraintRule::Match(name),
        (None, Some(name)) => ConstraintRule::Distinct(name),
        (None, None) => {
            return Err(missing(
                "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but \
                 multiple fields are set",
            ));
        }
        (Some(_), Some(_)) => {
            let rule = "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required";
            return Err(invalid(Value::Null, rule));
        }
    };
    Ok(DeviceConstraint { requests: about, rule })
}

/// Whether `name` is that of the request, or of the request and one of its alternatives.
fn is_named(request: &DeviceRequest, name: &str) -> bool {
    match (name.split_once('/'), &request.wanted) {
        (None, _) => request.name == name,
        (Some((first, second)), Wanted::FirstAvailable(alternatives)) => {
            request.name == first && alternatives.iter().any(|(one, _)| one == second)
        }
        (Some(_), Wanted::Exactly(_)) => false,
    }
}

/// A name with a domain.
fn qualified_name(value: &Value) -> Read<String> {
    let name = fields::name(value)?;
    if name.contains('/') {
        return Ok(name);
    }
    Err(invalid(name, "a fully qualified name must be a domain and a name separated by a slash"))
}

fn read_claim_status(status: Fields<'_>) -> Read<ClaimStatus> {
    Ok(ClaimStatus {
        allocation: status.inside("allocation", read_allocation)?,
        reserved_for: status.items("reservedFor", |value| {
            let consumer = Fields::of(value)?;
            Ok(Consumer {
                resource: consumer.or_default("resource", fields::text)?,
                name: consumer.required("name", fields::name)?,
                uid: consumer.or_default("uid", fields::text)?,
            })
        })?,
        devices: status.items("devices", |value| {
            let device = Fields::of(value)?;
            let conditions = device.items("conditions", |value| {
                let condition = Fields::of(value)?;
                let is_true = condition.or_default("status", fields::text)? == "True";
                Ok((is_true, condition.required("type", fields::name)?))
            })?;
            Ok(DeviceStatus {
                driver: device.required("driver", fields::name)?,
                pool: device.required("pool", fields::name)?,
                device: device.required("device", fields::name)?,
                true_conditions: conditions
                    .into_iter()
                    .filter_map(|(is_true, name)| is_true.then_some(name))
                    .collect(),
            })
        })?,
    })
}

fn read_allocation(allocation: Fields<'_>) -> Read<Allocation> {
    let results = allocation.inside("devices", |devices| {
        devices.items("results", |value| {
            let result = Fields::of(value)?;
            let text = |name: &str| result.required(name, fields::name).map(Into::into);
            Ok(AllocatedDevice {
                request: text("request")?,
                driver: text("driver")?,
                pool: text("pool")?,
                device: text("device")?,
                admin_access: result.or_default("adminAccess", fields::flag)?,
                is_share: result.optional("shareID", fields::text)?.is_some(),
                consumed_capacity: result.optional("consumedCapacity", |value| {
                    Fields::of(value)?.every(fields::quantity)
                })?,
                binding_conditions: result.items("bindingConditions", fields::text)?,
                binding_failure_conditions: result
                    .items("bindingFailureConditions", fields::text)?,
            })
        })
    })?;
    Ok(Allocation {
        results: results.unwrap_or_default(),
        node_selector: allocation.inside("nodeSelector", selectors::node_selector_terms)?,
        allocated_at: allocation.optional("allocationTimestamp", fields::time)?,
    })
}

/// Reads a pod's `spec.resourceClaims`, and that containers name none but those.
pub(super) fn read_pod_claims(
    spec: Fields<'_>,
    metadata: &Metadata,
) -> Read<Vec<PodResourceClaim>> {
    let claims = spec.items("resourceClaims", |value| {
        let claim = Fields::of(value)?;
        let name = claim.required("name", request_name)?;
        let by_name = claim.optional("resourceClaimName", fields::name)?;
        let template = claim.optional("resourceClaimTemplateName", fields::name)?;
        let source = match (by_name, template) {
            (Some(name), None) => ClaimSource::Claim(name),
            (None, Some(template)) => ClaimSource::Template {
                template,
                made: MadeClaim::NotYet,
                pod_name: metadata.name.clone(),
                pod_uid: metadata.uid.clone(),
            },
            (None, None) => {
                let rule = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
                return Err(invalid(Value::Null, rule));
            }
            (Some(_), Some(_)) => {
                let rule = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may \
                            be specified";
                return Err(invalid(Value::Null, rule));
            }
        };
        Ok(PodResourceClaim { name, source })
    })?;
    refuse_twice(claims.iter().map(|one| one.name.as_str()), "resourceClaims")?;
    for list in ["initContainers", "containers"] {
        spec.items(list, |container| {
            Fields::of(container)?.inside("resources", |resources| {
                resources.items("claims", |value| {
                    Fields::of(value)?.required("name", |value| {
                        let name = fields::name(value)?;
                        if claims.iter().any(|claim| claim.name == name) {
                            return Ok(());
                        }
                        Err(invalid(name, "must be one of the names in pod.spec.resourceClaims"))
                    })
                })
            })
        })?;
    }
    Ok(claims)
}

/// Notes which claims a controller has made of the pod's templates, from its status.
pub(super) fn resolve_templates(status: Fields<'_>, pod: &mut PodSpec) -> Read<()> {
    let statuses = status.items("resourceClaimStatuses", |value| {
        let status = Fields::of(value)?;
        let name = status.required("name", fields::name)?;
        Ok((name, status.optional("resourceClaimName", fields::name)?))
    })?;
    for claim in &mut pod.resource_claims {
        let ClaimSource::Template { made, .. } = &mut claim.source else { continue };
        let Some((_, name)) = statuses.iter().find(|(name, _)| *name == claim.name) else {
            continue;
        };
        *made = match name {
            Some(name) => MadeClaim::Claim(name.clone()),
            None => MadeClaim::NotNeeded,
        };
    }
    Ok(())
}
