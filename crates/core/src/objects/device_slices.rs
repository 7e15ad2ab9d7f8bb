//! ResourceSlices.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/resource/validation.ValidateResourceSlice`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::devices::{
    API_VERSION, TAINT_EFFECTS, choice, refuse_more_than, refuse_twice, required_name,
};
use super::fields::{self, Fields, Read};
use super::invalid::{forbidden, invalid, missing, too_long};
use super::label_syntax;
use super::metadata::{Metadata, Scope};
use super::selectors;
use crate::devices::slice::{
    CounterConsumption, Counters, Device, DeviceAttribute, DeviceCapacity, DeviceTaint, PoolPart,
    Reach, RequestPolicy, ResourceSliceObject, ValidAmounts,
};
use crate::devices::version::Version;
use crate::quantity::Quantity;

/// Where a NodeGroup has the slices that its new nodes bring.
const TEMPLATES: &str = "templateResourceSlices";
/// What a pool's generation must be.
const GENERATION_RULE: &str = "must be greater than or equal to zero";
/// What a pool's number of slices must be.
const SLICE_COUNT_RULE: &str = "must be greater than zero";
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
        let offer = read_offer(spec, per_device)?;
        let pool = spec.required("pool", read_pool)?;
        Ok(ResourceSliceObject { name: metadata.name, pool, reach, ..offer })
    })
}

/// Reads the slices that every new node of a group brings. They name no node; names and pools may be
/// left out. A pool without a name is called after the node; unless it says otherwise, it has as many
/// slices as the list has of it.
pub(super) fn read_templates(group: Fields<'_>) -> Read<Vec<ResourceSliceObject>> {
    let mut slices = group.items(TEMPLATES, read_template)?;
    let pools: Vec<(String, String)> =
        slices.iter().map(|slice| (slice.driver.clone(), slice.pool.name.clone())).collect();
    for (index, slice) in slices.iter_mut().enumerate() {
        let is_mate = |other: &&(String, String)| **other == pools[index];
        if slice.pool.slice_count == 0 {
            let mates = pools.iter().filter(is_mate).count();
            slice.pool.slice_count = i64::try_from(mates).expect("a list fits into memory");
        }
        if slice.name.is_empty() {
            let before =
                pools[..index].iter().filter(|(driver, _)| *driver == slice.driver).count();
            slice.name = match before {
                0 => slice.driver.clone(),
                before => format!("{}-{}", slice.driver, before + 1),
            };
        }
    }
    refuse_twice(slices.iter().map(|slice| slice.name.as_str()), TEMPLATES)?;
    Ok(slices)
}

fn read_template(value: &Value) -> Read<ResourceSliceObject> {
    let object = Fields::of(value)?;
    object.only(&["apiVersion", "kind", "metadata", "spec"])?;
    object.optional("apiVersion", |value| fields::word(value, &[(API_VERSION, ())]))?;
    object.optional("kind", |value| fields::word(value, &[("ResourceSlice", ())]))?;
    let metadata = Metadata::read_of_template(object)?;
    object.required("spec", |value| {
        let spec = Fields::of(value)?;
        for field in ["nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"] {
            if spec.raw(field).is_some() {
                return Err(forbidden("the devices are the new node's own").within(field));
            }
        }
        let offer = read_offer(spec, false)?;
        let pool = spec.or_default("pool", read_template_pool)?;
        Ok(ResourceSliceObject { name: metadata.name, pool, ..offer })
    })
}

/// What a slice offers, its name, pool and reach aside.
fn read_offer(spec: Fields<'_>, per_device: bool) -> Read<ResourceSliceObject> {
    let devices = spec.items("devices", |value| read_device(value, per_device))?;
    let is_advanced = devices
        .iter()
        .any(|device| !device.taints.is_empty() || !device.consumes_counters.is_empty());
    let limit = if is_advanced { MAX_DEVICES_WITH_ADVANCED_FEATURES } else { MAX_DEVICES };
    refuse_more_than(limit, devices.len(), "devices")?;
    refuse_twice(devices.iter().map(|one| one.name.as_str()), "devices")?;
    let shared_counters = read_shared_counters(spec)?;
    if !shared_counters.is_empty() && !devices.is_empty() {
        return Err(invalid("", "only one of `sharedCounters` or `devices` is allowed"));
    }
    Ok(ResourceSliceObject {
        name: String::new(),
        driver: required_name(spec, "driver")?,
        pool: PoolPart::default(),
        reach: Reach::Node(String::new()),
        devices,
        shared_counters,
    })
}

/// The pool of a slice that new nodes bring; 0 slices: as many as there are.
fn read_template_pool(value: &Value) -> Read<PoolPart> {
    let pool = Fields::of(value)?;
    pool.only(&["name", "generation", "resourceSliceCount"])?;
    Ok(PoolPart {
        name: pool.or_default("name", fields::name)?,
        generation: pool.or_default("generation", not_below(0, GENERATION_RULE))?,
        slice_count: pool.or_default("resourceSliceCount", not_below(1, SLICE_COUNT_RULE))?,
    })
}

/// A number that must not be below `least`.
fn not_below(least: i64, rule: &'static str) -> impl Fn(&Value) -> Read<i64> {
    move |value: &Value| match fields::whole(value)? {
        number if number >= least => Ok(number),
        number => Err(invalid(number, rule)),
    }
}

fn read_pool(value: &Value) -> Read<PoolPart> {
    let pool = Fields::of(value)?;
    Ok(PoolPart {
        name: required_name(pool, "name")?,
        generation: pool.or_default("generation", not_below(0, GENERATION_RULE))?,
        slice_count: match pool.raw("resourceSliceCount") {
            None => {
                let error = invalid(0, SLICE_COUNT_RULE);
                return Err(error.within("resourceSliceCount"));
            }
            Some(_) => pool.required("resourceSliceCount", not_below(1, SLICE_COUNT_RULE))?,
        },
    })
}

/// A field that is left out rather than set to false.
fn only_true(value: &Value) -> Read<bool> {
    if fields::flag(value)? {
        return Ok(true);
    }
    Err(invalid(false, "must be either unset or set to true"))
}

fn read_slice_reach(spec: Fields<'_>, per_device: bool) -> Read<Reach> {
    let mut reaches = read_reaches(spec)?;
    if let Some(Reach::Selected(terms)) =
        reaches.iter().find(|one| matches!(one, Reach::Selected(_)))
        && terms.len() != 1
    {
        let error = invalid(terms.len(), "must have exactly one node selector term");
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
        (None, _) => Err(missing(required)),
        (Some(_), false) => {
            Err(invalid(Value::Null, &format!("{required}, but multiple fields are set")))
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
        let rule = format!(
            "the total number of attributes and capacities must not exceed \
             {MAX_ATTRIBUTES_AND_CAPACITIES}"
        );
        return Err(invalid(count, &rule));
    }
    let taints = fields.items("taints", read_taint)?;
    refuse_more_than(MAX_TAINTS, taints.len(), "taints")?;
    let consumes_counters = fields.items("consumesCounters", |value| {
        let one = Fields::of(value)?;
        Ok(CounterConsumption {
            counter_set: required_name(one, "counterSet")?,
            counters: read_counters(one)?,
        })
    })?;
    refuse_more_than(MAX_CONSUMED_SETS, consumes_counters.len(), "consumesCounters")?;
    Ok(Device {
        name: required_name(fields, "name")?,
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
    let rule = "`nodeName`, `nodeSelector` and `allNodes` can only be set if \
                `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
    Err(invalid(Value::Null, rule))
}

fn read_attribute(value: &Value) -> Read<DeviceAttribute> {
    let fields = Fields::of(value)?;
    let short = |value: &Value| {
        let text = fields::text(value)?;
        if text.len() <= MAX_ATTRIBUTE_BYTES {
            Ok(text)
        } else {
            Err(too_long(MAX_ATTRIBUTE_BYTES))
        }
    };
    let values = [
        fields.optional("int", fields::whole)?.map(DeviceAttribute::Int),
        fields.optional("bool", fields::flag)?.map(DeviceAttribute::Bool),
        fields.optional("string", short)?.map(DeviceAttribute::Text),
        fields
            .optional("version", |value| {
                let text = short(value)?;
                let rule = "must be a string compatible with semver.org spec 2.0.0";
                Version::parse(&text).ok_or_else(|| invalid(text, rule))
            })?
            .map(DeviceAttribute::Version),
    ];
    let mut values = values.into_iter().flatten();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(invalid("", "exactly one value must be specified")),
    }
}

fn read_capacity(value: &Value, may_be_shared: bool) -> Read<DeviceCapacity> {
    let fields = Fields::of(value)?;
    let amount = fields.required("value", fields::quantity)?;
    let policy = fields.optional("requestPolicy", |value| {
        if !may_be_shared {
            return Err(forbidden("allowMultipleAllocations must be true"));
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
            return Err(forbidden(
                "exactly one policy can be specified, cannot specify \"validValues\" and \
                 \"validRange\" at the same time",
            ));
        }
    };
    let needs_default = match &valid {
        ValidAmounts::Any => None,
        ValidAmounts::Values(_) => Some("required when validValues is defined"),
        ValidAmounts::Range { .. } => Some("required when validRange is defined"),
    };
    if let (None, Some(why)) = (default, needs_default) {
        return Err(missing(why).within("default"));
    }
    Ok(RequestPolicy { default, valid })
}

fn check_values(values: &[Quantity], default: Option<Quantity>, most: Quantity) -> Read<()> {
    for (index, value) in values.iter().enumerate() {
        if index > 0 && *value <= values[index - 1] {
            let rule = "values must be sorted in ascending order";
            return Err(invalid(value.to_string(), rule).within_item(index));
        }
        if *value > most {
            let rule = format!("option is larger than capacity value: {most}");
            return Err(invalid(value.to_string(), &rule).within_item(index));
        }
    }
    match default {
        Some(default) if !values.contains(&default) => {
            let rule = "default value is not valid according to the requestPolicy";
            Err(invalid(default.to_string(), rule))
        }
        _ => Ok(()),
    }
}

fn read_range(range: Fields<'_>, default: Option<Quantity>, most: Quantity) -> Read<ValidAmounts> {
    let Some(min) = range.optional("min", fields::quantity)? else {
        return Err(missing("required when validRange is defined").within("min"));
    };
    let max = range.optional("max", fields::quantity)?;
    let step = range.optional("step", fields::quantity)?;
    let refuse = |field: &str, value: Quantity, rule: String| {
        Err(invalid(value.to_string(), &rule).within(field))
    };
    if min > most {
        return refuse("min", min, format!("min is larger than capacity value: {most}"));
    }
    if let Some(default) = default.filter(|default| *default < min) {
        return refuse("min", default, format!("default is less than min: {min}"));
    }
    if let Some(max) = max {
        if min > max {
            return refuse("max", min, format!("min is larger than max: {max}"));
        }
        if max > most {
            return refuse("max", max, format!("max is larger than capacity value: {most}"));
        }
        if let Some(default) = default.filter(|default| *default > max) {
            return refuse("max", default, format!("default is more than max: {max}"));
        }
    }
    if let Some(step) = step {
        check_step(step, min, default.into_iter().chain(max), most)
            .map_err(|error| error.within("step"))?;
    }
    Ok(ValidAmounts::Range { min, max, step })
}

/// Refuses a step that does not lead from the least amount to these.
fn check_step(
    step: Quantity,
    min: Quantity,
    mut amounts: impl Iterator<Item = Quantity>,
    most: Quantity,
) -> Read<()> {
    let units = step.ceil_units();
    if units <= 0 {
        // The API server would divide by it.
        return Err(invalid(step.to_string(), "must be greater than zero"));
    }
    if min + step > most {
        let rule = format!("one step {} is larger than capacity value: {most}", min + step);
        return Err(invalid(step.to_string(), &rule));
    }
    let is_off =
        |value: &Quantity| value.ceil_units().saturating_sub(min.ceil_units()) % units != 0;
    match amounts.find(is_off) {
        None => Ok(()),
        Some(value) => {
            let rule = format!("value is not a multiple of a given step ({step}) from ({min})");
            Err(invalid(value.to_string(), &rule))
        }
    }
}

fn read_taint(value: &Value) -> Read<DeviceTaint> {
    let fields = Fields::of(value)?;
    Ok(DeviceTaint {
        key: fields.or_default("key", fields::text).and_then(|key| {
            label_syntax::check_key(&key).map_err(|error| error.within("key"))?;
            Ok(key)
        })?,
        value: fields.or_default("value", fields::text).and_then(|value| {
            label_syntax::check_value(&value).map_err(|error| error.within("value"))?;
            Ok(value)
        })?,
        effect: match fields.optional("effect", |one| choice(one, &TAINT_EFFECTS))? {
            Some(effect) => effect,
            None => return Err(missing("").within("effect")),
        },
    })
}

fn read_shared_counters(spec: Fields<'_>) -> Read<BTreeMap<String, Counters>> {
    let sets = spec.items("sharedCounters", |value| {
        let set = Fields::of(value)?;
        Ok((required_name(set, "name")?, read_counters(set)?))
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
        return Err(missing("").within("counters"));
    }
    Ok(counters)
}
