//! ResourceSlices.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/resource/validation.ValidateResourceSlice`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::devices::{TAINT_EFFECTS, refuse_more_than, refuse_twice};
use super::error::FieldError;
use super::fields::{self, Fields, Read};
use super::metadata::{Metadata, Scope};
use super::selectors;
use crate::devices::slice::{
    CounterConsumption, Counters, Device, DeviceAttribute, DeviceCapacity, DeviceTaint, PoolPart,
    Reach, RequestPolicy, ResourceSliceObject, ValidAmounts,
};
use crate::devices::version::Version;
use crate::quantity::Quantity;

/// The most devices of a slice.
const MAX_DEVICES: usize = 128;
/// The most devices of a slice in which one has taints or draws from counters.
const MAX_DEVICES_WITH_ADVANCED_FEATURES: usize = 64;
/// The most attributes and capacities of a device, together.
const MAX_ATTRIBUTES_AND_CAPACITIES: usize = 32;
/// The longest text of an attribute.
const MAX_ATTRIBUTE_BYTES: usize = 64;
/// The most taints of a device.
const MAX_TAINTS: usize = 16;
/// The most counter sets of a slice.
const MAX_COUNTER_SETS: usize = 8;
/// The most counter sets that a device draws from.
const MAX_CONSUMED_SETS: usize = 2;

/// Reads a ResourceSlice.
pub(super) fn read(object: Fields<'_>) -> Read<ResourceSliceObject> {
    let metadata = Metadata::read(object, Scope::Cluster)?;
    object.required("spec", |value| {
        let spec = Fields::of(value)?;
        let per_device = spec.optional("perDeviceNodeSelection", only_true)?.is_some();
        let reach = read_slice_reach(spec, per_device)?;
        let devices = spec.items("devices", |value| read_device(value, per_device))?;
        let is_advanced = devices
            .iter()
            .any(|device| !device.taints.is_empty() || !device.consumes_counters.is_empty());
        let limit = if is_advanced { MAX_DEVICES_WITH_ADVANCED_FEATURES } else { MAX_DEVICES };
        refuse_more_than(limit, devices.len(), "devices")?;
        refuse_twice(devices.iter().map(|one| one.name.as_str()), "devices")?;
        let shared_counters = read_shared_counters(spec)?;
        if !shared_counters.is_empty() && !devices.is_empty() {
            let message = "only one of `sharedCounters` or `devices` is allowed";
            return Err(FieldError::here(message));
        }
        Ok(ResourceSliceObject {
            name: metadata.name,
            driver: spec.required("driver", fields::name)?,
            pool: spec.required("pool", read_pool)?,
            reach,
            devices,
            shared_counters,
        })
    })
}

fn read_pool(value: &Value) -> Read<PoolPart> {
    let pool = Fields::of(value)?;
    let not_below = |least: i64, words: &'static str| {
        move |value: &Value| match fields::whole(value)? {
            number if number >= least => Ok(number),
            number => Err(FieldError::here(format!("must be {words} zero, found {number}"))),
        }
    };
    Ok(PoolPart {
        name: pool.required("name", fields::name)?,
        generation: pool.or_default("generation", not_below(0, "greater than or equal to"))?,
        slice_count: pool.required("resourceSliceCount", not_below(1, "greater than"))?,
    })
}

/// A field that is left out rather than set to false.
fn only_true(value: &Value) -> Read<bool> {
    if fields::flag(value)? {
        return Ok(true);
    }
    Err(FieldError::here("must be either unset or set to true, found false"))
}

fn read_slice_reach(spec: Fields<'_>, per_device: bool) -> Read<Reach> {
    let mut reaches = read_reaches(spec)?;
    if let Some(Reach::Selected(terms)) =
        reaches.iter().find(|one| matches!(one, Reach::Selected(_)))
        && terms.len() != 1
    {
        let error = FieldError::here("must have exactly one node selector term");
        return Err(error.within("nodeSelectorTerms").within("nodeSelector"));
    }
    if per_device {
        reaches.push(Reach::PerDevice);
    }
    one_of(
        reaches,
        "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required",
    )
}

/// Every way in which the fields say which nodes are meant.
fn read_reaches(fields: Fields<'_>) -> Read<Vec<Reach>> {
    let node = fields.optional("nodeName", fields::name)?.map(Reach::Node);
    let selector = fields.inside("nodeSelector", selectors::node_selector_terms)?;
    let all = fields.optional("allNodes", only_true)?.map(|_| Reach::AllNodes);
    Ok([node, selector.map(Reach::Selected), all].into_iter().flatten().collect())
}

fn one_of(mut reaches: Vec<Reach>, required: &str) -> Read<Reach> {
    match (reaches.pop(), reaches.is_empty()) {
        (Some(reach), true) => Ok(reach),
        (None, _) => Err(FieldError::here(required)),
        (Some(_), false) => {
            Err(FieldError::here(format!("{required}, but multiple fields are set")))
        }
    }
}

fn read_device(value: &Value, per_device: bool) -> Read<Device> {
    let fields = Fields::of(value)?;
    let attributes = fields.entries("attributes", read_attribute)?;
    let allow_multiple_allocations = fields.or_default("allowMultipleAllocations", fields::flag)?;
    let capacity =
        fields.entries("capacity", |value| read_capacity(value, allow_multiple_allocations))?;
    let count = attributes.len() + capacity.len();
    if count > MAX_ATTRIBUTES_AND_CAPACITIES {
        let message = format!(
            "the total number of attributes and capacities must not exceed \
             {MAX_ATTRIBUTES_AND_CAPACITIES}, found {count}"
        );
        return Err(FieldError::here(message));
    }
    let taints = fields.items("taints", read_taint)?;
    refuse_more_than(MAX_TAINTS, taints.len(), "taints")?;
    let consumes_counters = fields.items("consumesCounters", |value| {
        let one = Fields::of(value)?;
        Ok(CounterConsumption {
            counter_set: one.required("counterSet", fields::name)?,
            counters: read_counters(one)?,
        })
    })?;
    refuse_more_than(MAX_CONSUMED_SETS, consumes_counters.len(), "consumesCounters")?;
    Ok(Device {
        name: fields.required("name", fields::name)?,
        attributes,
        capacity,
        allow_multiple_allocations,
        consumes_counters,
        reach: read_device_reach(fields, per_device)?,
        taints,
        binds_to_node: fields.or_default("bindsToNode", fields::flag)?,
        binding_conditions: fields.items("bindingConditions", fields::name)?,
        binding_failure_conditions: fields.items("bindingFailureConditions", fields::name)?,
    })
}

fn read_device_reach(fields: Fields<'_>, per_device: bool) -> Read<Option<Reach>> {
    let reaches = read_reaches(fields)?;
    if per_device {
        let required = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when \
                        `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
        return one_of(reaches, required).map(Some);
    }
    if reaches.is_empty() {
        return Ok(None);
    }
    Err(FieldError::here(
        "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is \
         set to true in the ResourceSlice spec",
    ))
}

fn read_attribute(value: &Value) -> Read<DeviceAttribute> {
    let fields = Fields::of(value)?;
    let short = |value: &Value| {
        let text = fields::text(value)?;
        if text.len() <= MAX_ATTRIBUTE_BYTES {
            return Ok(text);
        }
        Err(FieldError::here(format!("may not be more than {MAX_ATTRIBUTE_BYTES} bytes")))
    };
    let values = [
        fields.optional("int", fields::whole)?.map(DeviceAttribute::Int),
        fields.optional("bool", fields::flag)?.map(DeviceAttribute::Bool),
        fields.optional("string", short)?.map(DeviceAttribute::Text),
        fields
            .optional("version", |value| {
                let text = short(value)?;
                let message = "must be a string compatible with semver.org spec 2.0.0";
                Version::parse(&text)
                    .ok_or_else(|| FieldError::here(format!("{message}, found {text:?}")))
            })?
            .map(DeviceAttribute::Version),
    ];
    let mut values = values.into_iter().flatten();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(FieldError::here("exactly one value must be specified")),
    }
}

fn read_capacity(value: &Value, may_be_shared: bool) -> Read<DeviceCapacity> {
    let fields = Fields::of(value)?;
    let amount = fields.required("value", fields::quantity)?;
    let policy = fields.optional("requestPolicy", |value| {
        if !may_be_shared {
            return Err(FieldError::here("allowMultipleAllocations must be true"));
        }
        read_policy(Fields::of(value)?, amount)
    })?;
    Ok(DeviceCapacity { value: amount, policy })
}

fn read_policy(policy: Fields<'_>, most: Quantity) -> Read<RequestPolicy> {
    let default = policy.optional("default", fields::quantity)?;
    let values = policy.items("validValues", fields::quantity)?;
    let range =
        policy.optional("validRange", |value| read_range(Fields::of(value)?, default, most))?;
    let valid = match (values.is_empty(), range) {
        (true, None) => ValidAmounts::Any,
        (true, Some(range)) => range,
        (false, None) => {
            check_values(&values, default, most).map_err(|error| error.within("validValues"))?;
            ValidAmounts::Values(values)
        }
        (false, Some(_)) => {
            return Err(FieldError::here(
                "exactly one policy can be specified, cannot specify \"validValues\" and \
                 \"validRange\" at the same time",
            ));
        }
    };
    if default.is_none() && valid != ValidAmounts::Any {
        let message = "required when validValues or validRange is defined";
        return Err(FieldError::here(message).within("default"));
    }
    Ok(RequestPolicy { default, valid })
}

fn check_values(values: &[Quantity], default: Option<Quantity>, most: Quantity) -> Read<()> {
    for (index, value) in values.iter().enumerate() {
        if index > 0 && *value <= values[index - 1] {
            let message = "values must be sorted in ascending order";
            return Err(FieldError::here(message).within_item(index));
        }
        if *value > most {
            let message = format!("option is larger than capacity value: {most}");
            return Err(FieldError::here(message).within_item(index));
        }
    }
    match default {
        Some(default) if !values.contains(&default) => {
            Err(FieldError::here("default value is not valid according to the requestPolicy"))
        }
        _ => Ok(()),
    }
}

fn read_range(range: Fields<'_>, default: Option<Quantity>, most: Quantity) -> Read<ValidAmounts> {
    let min = range.required("min", fields::quantity)?;
    let max = range.optional("max", fields::quantity)?;
    let step = range.optional("step", fields::quantity)?;
    let refuse = |field: &str, message: String| Err(FieldError::here(message).within(field));
    if min > most {
        return refuse("min", format!("min is larger than capacity value: {most}"));
    }
    if default.is_some_and(|default| default < min) {
        return refuse("min", format!("default is less than min: {min}"));
    }
    if let Some(max) = max {
        if min > max {
            return refuse("max", format!("min is larger than max: {max}"));
        }
        if max > most {
            return refuse("max", format!("max is larger than capacity value: {most}"));
        }
        if default.is_some_and(|default| default > max) {
            return refuse("max", format!("default is more than max: {max}"));
        }
    }
    if let Some(step) = step {
        if step.ceil_units() <= 0 {
            return refuse("step", "must be greater than zero".to_owned());
        }
        if min + step > most {
            let sum = min + step;
            return refuse("step", format!("one step {sum} is larger than capacity value: {most}"));
        }
        let is_off = |value: Quantity| {
            value.ceil_units().saturating_sub(min.ceil_units()) % step.ceil_units() != 0
        };
        if let Some(value) = default.into_iter().chain(max).find(|value| is_off(*value)) {
            let message =
                format!("{value} is not a multiple of a given step ({step}) from ({min})");
            return refuse("step", message);
        }
    }
    Ok(ValidAmounts::Range { min, max, step })
}

fn read_taint(value: &Value) -> Read<DeviceTaint> {
    let fields = Fields::of(value)?;
    Ok(DeviceTaint {
        key: fields.required("key", fields::name)?,
        value: fields.or_default("value", fields::text)?,
        effect: fields.required("effect", |one| fields::word(one, &TAINT_EFFECTS))?,
    })
}

fn read_shared_counters(spec: Fields<'_>) -> Read<BTreeMap<String, Counters>> {
    let sets = spec.items("sharedCounters", |value| {
        let set = Fields::of(value)?;
        Ok((set.required("name", fields::name)?, read_counters(set)?))
    })?;
    refuse_more_than(MAX_COUNTER_SETS, sets.len(), "sharedCounters")?;
    refuse_twice(sets.iter().map(|(name, _)| name.as_str()), "sharedCounters")?;
    Ok(sets.into_iter().collect())
}

/// Reads `counters`, of which there is at least one.
fn read_counters(fields: Fields<'_>) -> Read<Counters> {
    let counters = fields
        .entries("counters", |value| Fields::of(value)?.required("value", fields::quantity))?;
    if counters.is_empty() {
        return Err(FieldError::here("is required, and is missing").within("counters"));
    }
    Ok(counters)
}
