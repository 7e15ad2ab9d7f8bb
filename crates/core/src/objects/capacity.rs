//! Pod templates, capacity buffers and provisioning requests.
//!
//! Source: `apis/capacitybuffer` and `apis/provisioningrequest` of Cluster Autoscaler 1.36, with the
//! rules of their CustomResourceDefinitions.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::FieldError;
use super::fields::{self, Fields, Read};
use super::invalid::{invalid, missing, too_many};
use super::metadata::{Metadata, Scope};
use super::pod;
use super::priority::PriorityClasses;
use crate::capacity::{
    CapacityBufferObject, CapacityBufferStatus, CapacityObject, NamespacedName, PodSet,
    PodTemplateObject, ProvisioningRequestObject, ScalableRef,
};
use crate::condition::{Condition, ConditionStatus, Conditions};

/// `spec.provisioningStrategy` where none is given.
const DEFAULT_STRATEGY: &str = "buffer.x-k8s.io/active-capacity";
/// A ProvisioningRequest has at most so many sets of pods.
const POD_SETS_MAX: usize = 32;
/// `status` of a condition.
const CONDITION_STATUSES: [(&str, ConditionStatus); 3] = [
    ("True", ConditionStatus::True),
    ("False", ConditionStatus::False),
    ("Unknown", ConditionStatus::Unknown),
];

/// Reads an object of one of these kinds; `None` for other kinds.
pub(super) fn read(
    api_version: &str,
    kind: &str,
    object: Fields<'_>,
    classes: &PriorityClasses,
) -> Read<Option<CapacityObject>> {
    Ok(Some(match (api_version, kind) {
        ("v1", "PodTemplate") => {
            CapacityObject::PodTemplate(Box::new(read_pod_template(object, classes)?))
        }
        // Upstream asks for v1beta1; the API server serves either version as the other.
        ("autoscaling.x-k8s.io/v1alpha1" | "autoscaling.x-k8s.io/v1beta1", "CapacityBuffer") => {
            CapacityObject::Buffer(read_buffer(object)?)
        }
        ("autoscaling.x-k8s.io/v1" | "autoscaling.x-k8s.io/v1beta1", "ProvisioningRequest") => {
            CapacityObject::Request(read_request(object)?)
        }
        _ => return Ok(None),
    }))
}

fn id_of(metadata: Metadata) -> NamespacedName {
    NamespacedName { namespace: metadata.namespace, name: metadata.name }
}

fn read_pod_template(object: Fields<'_>, classes: &PriorityClasses) -> Read<PodTemplateObject> {
    let metadata = Metadata::read(object, Scope::Namespaced)?;
    let generation =
        object.inside("metadata", |fields| fields.optional("generation", fields::whole))?.flatten();
    let spec = object.required("template", |value| {
        pod::read_template(Fields::of(value)?, &metadata.namespace, classes)
    })?;
    Ok(PodTemplateObject { id: id_of(metadata), generation: generation.unwrap_or_default(), spec })
}

fn read_buffer(object: Fields<'_>) -> Read<CapacityBufferObject> {
    let metadata = Metadata::read(object, Scope::Namespaced)?;
    let created_at = metadata.created_at;
    let status = object.inside("status", read_buffer_status)?.unwrap_or_default();
    object.required("spec", |value| {
        let spec = Fields::of(value)?;
        let pod_template = spec.inside("podTemplateRef", read_reference)?;
        let scalable = spec.inside("scalableRef", read_scalable)?;
        let replicas = spec.optional("replicas", small_count)?;
        let limits = spec.optional("limits", read_limits)?;
        if pod_template.is_some() && scalable.is_some() {
            let rule = "You must define either PodTemplateRef or ScalableRef, but not both";
            return Err(invalid("object", rule));
        }
        if pod_template.is_some() && replicas.is_none() && limits.is_none() {
            return Err(invalid("object", "If X is set, replicas or limits must also be set"));
        }
        Ok(CapacityBufferObject {
            id: id_of(metadata),
            created_at,
            provisioning_strategy: spec
                .optional("provisioningStrategy", fields::text)?
                .unwrap_or_else(|| DEFAULT_STRATEGY.to_owned()),
            pod_template,
            scalable,
            replicas,
            percentage: spec.optional("percentage", small_count)?,
            limits,
            status,
        })
    })
}

fn read_reference(reference: Fields<'_>) -> Read<String> {
    reference.required("name", fields::name)
}

fn read_scalable(reference: Fields<'_>) -> Read<ScalableRef> {
    Ok(ScalableRef {
        api_group: reference.or_default("apiGroup", fields::text)?,
        kind: reference.required("kind", fields::name)?,
        name: reference.required("name", fields::name)?,
    })
}

fn read_limits(value: &Value) -> Read<BTreeMap<String, crate::quantity::Quantity>> {
    Fields::of(value)?.every(fields::quantity)
}

/// A whole number of 32 bits from 0 up.
fn small_count(value: &Value) -> Read<u32> {
    let number = fields::whole_32(value)?;
    u32::try_from(number).map_err(|_| invalid(number, "should be greater than or equal to 0"))
}

fn read_buffer_status(status: Fields<'_>) -> Read<CapacityBufferStatus> {
    Ok(CapacityBufferStatus {
        pod_template: status.inside("podTemplateRef", read_reference)?,
        pod_template_generation: status.optional("podTemplateGeneration", fields::whole)?,
        replicas: status.optional("replicas", small_count)?,
        provisioning_strategy: status.optional("provisioningStrategy", fields::text)?,
        conditions: read_conditions(status)?,
    })
}

fn read_request(object: Fields<'_>) -> Read<ProvisioningRequestObject> {
    let metadata = Metadata::read(object, Scope::Namespaced)?;
    let (created_at, uid) = (metadata.created_at, metadata.uid.clone());
    let conditions = object.inside("status", read_conditions)?.unwrap_or_default();
    object.required("spec", |value| {
        let spec = Fields::of(value)?;
        let pod_sets = spec.items("podSets", read_pod_set)?;
        if pod_sets.is_empty() {
            return Err(missing("").within("podSets"));
        }
        if pod_sets.len() > POD_SETS_MAX {
            return Err(too_many(pod_sets.len(), POD_SETS_MAX).within("podSets"));
        }
        Ok(ProvisioningRequestObject {
            id: id_of(metadata),
            uid,
            created_at,
            class: spec.required("provisioningClassName", fields::name)?,
            parameters: spec.entries("parameters", fields::text)?,
            pod_sets,
            conditions,
        })
    })
}

fn read_pod_set(value: &Value) -> Read<PodSet> {
    let set = Fields::of(value)?;
    let pod_template =
        set.required("podTemplateRef", |value| read_reference(Fields::of(value)?))?;
    let count = set.required("count", |value| match fields::whole_32(value)? {
        number @ ..=0 => Err(invalid(number, "should be greater than or equal to 1")),
        number => Ok(number.unsigned_abs()),
    })?;
    Ok(PodSet { pod_template, count })
}

/// `conditions` of a status: at most one of each type.
fn read_conditions(status: Fields<'_>) -> Read<Conditions> {
    let mut conditions = Conditions::default();
    let list = status.items("conditions", |value| {
        let one = Fields::of(value)?;
        Ok(Condition {
            kind: one.required("type", fields::name)?,
            status: one.required("status", |value| fields::word(value, &CONDITION_STATUSES))?,
            reason: one.or_default("reason", fields::text)?,
            message: one.or_default("message", fields::text)?,
            changed_at: one.optional("lastTransitionTime", fields::time)?.unwrap_or_default(),
        })
    })?;
    for (index, one) in list.into_iter().enumerate() {
        if conditions.find(&one.kind).is_some() {
            let error: FieldError = super::invalid::duplicate(one.kind, "");
            return Err(error.within("type").within_item(index).within("conditions"));
        }
        conditions.replace(one);
    }
    Ok(conditions)
}
