//! Our NodeGroup.

use serde_json::Value;

use super::device_slices;
use super::error::FieldError;
use super::fields::{self, Fields, Read};
use super::metadata;
use super::node;
use crate::labels::Labels;
use crate::node::{HOSTNAME_LABEL, NODE_GROUP_LABEL, NodeSpec};
use crate::node_group::{
    BootDelay, Instance, InstanceError, InstanceState, NodeGroupOptions, NodeGroupSpec,
};

/// The fields of `spec`.
const SPEC_FIELDS: [&str; 10] = [
    "minSize",
    "maxSize",
    "instanceType",
    "zone",
    "capacityType",
    "pricePerHour",
    "bootDelay",
    "autoscalingOptions",
    "template",
    "templateResourceSlices",
];
/// The fields of `spec.autoscalingOptions`.
const OPTION_FIELDS: [&str; 9] = [
    "scaleDownUtilizationThreshold",
    "scaleDownGpuUtilizationThreshold",
    "scaleDownUnneededTime",
    "scaleDownUnreadyTime",
    "maxNodeProvisionTime",
    "maxNodeStartupTime",
    "zeroOrMaxNodeScaling",
    "allowNonAtomicScaleUpToMax",
    "ignoreDaemonSetsUtilization",
];
/// What machines of a group are paid for.
const CAPACITY_TYPES: [(&str, &str); 2] = [("on-demand", ON_DEMAND), ("spot", "spot")];
/// The capacity type of groups that name none.
const ON_DEMAND: &str = "on-demand";
/// Where a machine is in its life.
const INSTANCE_STATES: [(&str, InstanceState); 3] = [
    ("Running", InstanceState::Running),
    ("Creating", InstanceState::Creating),
    ("Deleting", InstanceState::Deleting),
];
/// Whether the cloud had none left, or something else went wrong.
pub(super) const ERROR_CLASSES: [(&str, bool); 2] = [("OutOfResources", true), ("Other", false)];
/// Micro-dollars have six decimal places.
const PRICE_DECIMALS: usize = 6;

/// Reads a plimsoll.dev/v1alpha1 NodeGroup.
pub(super) fn read(object: Fields<'_>) -> Read<NodeGroupSpec> {
    object.only(&["apiVersion", "kind", "metadata", "spec", "status"])?;
    let name = metadata::read_own_name(object)?;
    let mut group = object.required("spec", |value| read_spec(Fields::of(value)?, &name))?;
    let status = object.inside("status", |status| {
        status.only(&["targetSize", "instances"])?;
        let target_size = status.optional("targetSize", fields::count)?;
        let listed = status.raw("instances").is_some();
        Ok((target_size, status.items("instances", read_instance)?, listed))
    })?;
    if let Some((target_size, instances, listed)) = status {
        group.target_size = target_size;
        group.instances = listed.then_some(instances);
    }
    group.name = name;
    Ok(group)
}

fn read_spec(spec: Fields<'_>, name: &str) -> Read<NodeGroupSpec> {
    spec.only(&SPEC_FIELDS)?;
    let min_size = spec.or_default("minSize", fields::count)?;
    let max_size = spec.required("maxSize", fields::count)?;
    if min_size > max_size {
        let message = format!("expected at most maxSize ({max_size}), found {min_size}");
        return Err(FieldError::here(message).within("minSize"));
    }
    let Some(template) = spec.raw("template") else {
        let message = format!("node group {name} has no template: what does a new node look like?");
        return Err(FieldError::here(message).within("template"));
    };
    let (template, template_annotations) =
        read_template(template, name).map_err(|error| error.within("template"))?;
    let capacity_type = spec.optional("capacityType", |one| fields::word(one, &CAPACITY_TYPES))?;
    Ok(NodeGroupSpec {
        min_size,
        max_size,
        instance_type: spec.or_default("instanceType", fields::text)?,
        zone: spec.or_default("zone", fields::text)?,
        capacity_type: capacity_type.unwrap_or(ON_DEMAND).to_owned(),
        price_microusd_per_hour: spec.optional("pricePerHour", read_price)?,
        boot_delay: spec.or_default("bootDelay", read_boot_delay)?,
        autoscaling_options: spec.inside("autoscalingOptions", read_options)?.unwrap_or_default(),
        template,
        template_annotations,
        template_slices: device_slices::read_templates(spec)?,
        ..NodeGroupSpec::default()
    })
}

/// Times as Go writes them, thresholds as numbers or decimal texts.
fn read_options(options: Fields<'_>) -> Read<NodeGroupOptions> {
    options.only(&OPTION_FIELDS)?;
    let threshold = |name| options.optional(name, read_threshold);
    let time = |name| options.optional(name, fields::duration);
    let flag = |name| options.optional(name, fields::flag);
    Ok(NodeGroupOptions {
        scale_down_utilization_threshold: threshold("scaleDownUtilizationThreshold")?,
        scale_down_gpu_utilization_threshold: threshold("scaleDownGpuUtilizationThreshold")?,
        scale_down_unneeded_time: time("scaleDownUnneededTime")?,
        scale_down_unready_time: time("scaleDownUnreadyTime")?,
        max_node_provision_time: time("maxNodeProvisionTime")?,
        max_node_startup_time: time("maxNodeStartupTime")?,
        zero_or_max_node_scaling: flag("zeroOrMaxNodeScaling")?,
        allow_non_atomic_scale_up_to_max: flag("allowNonAtomicScaleUpToMax")?,
        ignore_daemon_sets_utilization: flag("ignoreDaemonSetsUtilization")?,
    })
}

fn read_threshold(value: &Value) -> Read<f64> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    };
    number
        .filter(|number: &f64| number.is_finite() && *number >= 0.0)
        .ok_or_else(|| fields::expected("a part such as 0.5 or \"0.5\", 0 or more", value))
}

/// A v1.Node without a name. Its nodes belong to this group, whether it says so or not.
fn read_template(value: &Value, group: &str) -> Read<(NodeSpec, Labels)> {
    let fields = Fields::of(value)?;
    let metadata = metadata::Metadata::read_of_template(fields)?;
    let mut labels = metadata.labels;
    labels.remove(HOSTNAME_LABEL);
    let own = labels.entry(NODE_GROUP_LABEL.to_owned()).or_insert_with(|| group.to_owned());
    if own != group {
        let message = format!("expected {group:?} (the group's own name), found {own:?}");
        return Err(FieldError::here(message)
            .within(NODE_GROUP_LABEL)
            .within("labels")
            .within("metadata"));
    }
    Ok((NodeSpec { labels, ..node::read_spec(fields)? }, metadata.annotations))
}

/// Dollars as a decimal text, in micro-dollars; what is finer is rounded to the nearest.
fn read_price(value: &Value) -> Read<i64> {
    let refuse = || fields::expected("a price in USD such as \"0.214\"", value);
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(refuse()),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let is_decimal = !whole.is_empty()
        && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if !is_decimal {
        return Err(refuse());
    }
    let micro_digits: String =
        fraction.chars().chain(std::iter::repeat('0')).take(PRICE_DECIMALS).collect();
    let round_up = fraction.as_bytes().get(PRICE_DECIMALS).is_some_and(|digit| *digit >= b'5');
    format!("{whole}{micro_digits}")
        .parse::<i64>()
        .ok()
        .and_then(|microusd| microusd.checked_add(i64::from(round_up)))
        .ok_or_else(refuse)
}

fn read_boot_delay(value: &Value) -> Read<BootDelay> {
    if value.is_string() {
        let every = fields::duration(value)?;
        return Ok(BootDelay { p50: every, p99: every });
    }
    let Ok(quantiles) = Fields::of(value) else {
        return Err(fields::expected("a duration such as 90s, or {p50, p99}", value));
    };
    quantiles.only(&["p50", "p99"])?;
    let p50 = quantiles.required("p50", fields::duration)?;
    let p99 = quantiles.optional("p99", fields::duration)?.unwrap_or(p50);
    if p99 < p50 {
        let message = format!("expected at least p50 ({p50}), found {p99}");
        return Err(FieldError::here(message).within("p99"));
    }
    Ok(BootDelay { p50, p99 })
}

fn read_instance(value: &Value) -> Read<Instance> {
    let fields = Fields::of(value)?;
    fields.only(&["id", "state", "error", "createdAt"])?;
    Ok(Instance {
        id: fields.required("id", fields::name)?.into(),
        state: fields
            .optional("state", |one| fields::word(one, &INSTANCE_STATES))?
            .unwrap_or(InstanceState::Running),
        error: fields.inside("error", |error| {
            error.only(&["class", "code", "message"])?;
            Ok(InstanceError {
                out_of_resources: error
                    .required("class", |one| fields::word(one, &ERROR_CLASSES))?,
                code: error.or_default("code", fields::text)?,
                message: error.or_default("message", fields::text)?,
            })
        })?,
        created_at: fields.optional("createdAt", fields::time)?,
    })
}
