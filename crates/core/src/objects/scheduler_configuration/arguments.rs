//! `pluginConfig` of a profile: the settings of single plugins.
//!
//! Source: `pkg/scheduler/apis/config/validation/validation_pluginargs.go`.

use serde_json::Value;

use super::super::error::FieldError;
use super::super::fields::{self, Fields, Read};
use super::super::invalid::{duplicate, forbidden, invalid, missing, unsupported};
use super::super::{label_syntax, selectors, topology};
use super::SCHEDULER_CONFIGURATION_API_VERSION;
use super::plugins::refuse_removed_name;
use crate::pod::TopologySpreadConstraint;
use crate::scheduling::profile::{
    AddedAffinity, DynamicResourcesArguments, FitArguments, FitStrategy, PluginArguments,
    PodAffinityArguments, PreemptionArguments, ShapePoint, SpreadDefaults, VolumeBindingArguments,
};
use crate::time::SimDuration;

/// Reads the settings given by plugin name. Settings of plugins that have none here (other
/// people's, or those without arguments) are let pass, as upstream does.
pub(super) fn read(settings: &[(&str, Option<&Value>)]) -> Read<PluginArguments> {
    let mut arguments = PluginArguments::default();
    for (index, (name, value)) in settings.iter().enumerate() {
        let place = |error: FieldError| error.within_item(index).within("pluginConfig");
        refuse_removed_name(name).map_err(place)?;
        let Some(value) = value else { continue };
        read_one(name, value, &mut arguments).map_err(|error| place(error.within("args")))?;
    }
    Ok(arguments)
}

fn read_one(name: &str, value: &Value, arguments: &mut PluginArguments) -> Read<()> {
    let known: &[&str] = match name {
        "DefaultPreemption" => &["minCandidateNodesPercentage", "minCandidateNodesAbsolute"],
        "DynamicResources" => &["filterTimeout", "bindingTimeout"],
        "InterPodAffinity" => &["hardPodAffinityWeight", "ignorePreferredTermsOfExistingPods"],
        "NodeAffinity" => &["addedAffinity"],
        "NodeResourcesBalancedAllocation" => &["resources"],
        "NodeResourcesFit" => &["ignoredResources", "ignoredResourceGroups", "scoringStrategy"],
        "PodTopologySpread" => &["defaultConstraints", "defaultingType"],
        "VolumeBinding" => &["bindTimeoutSeconds", "shape"],
        _ => return Ok(()),
    };
    let fields = Fields::of(value)?;
    let known: Vec<&str> = known.iter().copied().chain(["apiVersion", "kind"]).collect();
    fields.only(&known)?;
    check_type(name, fields)?;
    match name {
        "DefaultPreemption" => arguments.preemption = read_preemption(fields)?,
        "DynamicResources" => arguments.dynamic_resources = read_dynamic_resources(fields)?,
        "InterPodAffinity" => arguments.pod_affinity = read_pod_affinity(fields)?,
        "NodeAffinity" => arguments.added_affinity = read_added_affinity(fields)?,
        "NodeResourcesBalancedAllocation" => {
            arguments.balanced_resources = read_balanced_resources(fields)?;
        }
        "NodeResourcesFit" => arguments.fit = read_fit(fields)?,
        "PodTopologySpread" => arguments.spread = read_spread(fields)?,
        _ => arguments.volume_binding = read_volume_binding(fields)?,
    }
    Ok(())
}

/// The arguments need not say what they are; if they do, they must be this plugin's.
fn check_type(name: &str, fields: Fields<'_>) -> Read<()> {
    fields.optional("apiVersion", |value| {
        super::expect_text(value, SCHEDULER_CONFIGURATION_API_VERSION)
    })?;
    fields.optional("kind", |value| {
        let wanted = format!("{name}Args");
        if value.as_str() == Some(&wanted) {
            return Ok(());
        }
        let group = "kubescheduler.config.k8s.io";
        let found = fields::text(value)?;
        Err(FieldError::here(format!(
            "args for plugin {name} were not of type {wanted}.{group}, got {found}.{group}"
        )))
    })?;
    Ok(())
}

fn read_preemption(fields: Fields<'_>) -> Read<PreemptionArguments> {
    let default = PreemptionArguments::default();
    let (percentage, absolute) = ("minCandidateNodesPercentage", "minCandidateNodesAbsolute");
    let read = PreemptionArguments {
        min_candidate_nodes_percentage: fields
            .optional(percentage, |value| in_range(value, 0, 100))?
            .unwrap_or(default.min_candidate_nodes_percentage),
        min_candidate_nodes_absolute: fields
            .optional(absolute, |value| match fields::whole_32(value)? {
                number if number >= 0 => Ok(number.into()),
                number => Err(invalid(number, "not in valid range [0, inf)")),
            })?
            .unwrap_or(default.min_candidate_nodes_absolute),
    };
    if read.min_candidate_nodes_percentage == 0 && read.min_candidate_nodes_absolute == 0 {
        let rule = format!("cannot be zero at the same time as {absolute}");
        return Err(invalid(0, &rule).within(percentage));
    }
    Ok(read)
}

fn in_range(value: &Value, least: i32, most: i32) -> Read<i64> {
    match fields::whole_32(value)? {
        number if (least..=most).contains(&number) => Ok(number.into()),
        number => Err(invalid(number, &format!("not in valid range [{least}, {most}]"))),
    }
}

fn read_pod_affinity(fields: Fields<'_>) -> Read<PodAffinityArguments> {
    let default = PodAffinityArguments::default();
    let hard_weight = fields.optional("hardPodAffinityWeight", |value| in_range(value, 0, 100))?;
    Ok(PodAffinityArguments {
        hard_weight: hard_weight.unwrap_or(default.hard_weight),
        ignores_preferred_of_existing: fields
            .or_default("ignorePreferredTermsOfExistingPods", fields::flag)?,
    })
}

fn read_added_affinity(fields: Fields<'_>) -> Read<AddedAffinity> {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let added = fields.inside("addedAffinity", |rules| {
        rules.only(&[REQUIRED, PREFERRED])?;
        let required = rules.inside(REQUIRED, |selector| {
            selector.only(&["nodeSelectorTerms"])?;
            selector.items("nodeSelectorTerms", selectors::scheduler_node_term)
        })?;
        let preferred = rules.items(PREFERRED, |value| {
            let fields = Fields::of(value)?;
            fields.only(&["weight", "preference"])?;
            let weight = i64::from(fields.or_default("weight", fields::whole_32)?);
            let term =
                fields.optional("preference", selectors::scheduler_node_term)?.unwrap_or_default();
            Ok((weight, term))
        })?;
        Ok(AddedAffinity { required, preferred })
    })?;
    Ok(added.unwrap_or_default())
}

/// Resources with their weights; a weight of 0 is 1.
fn read_resources(fields: Fields<'_>) -> Read<Vec<(String, i64)>> {
    fields.items("resources", |value| {
        let fields = Fields::of(value)?;
        fields.only(&["name", "weight"])?;
        let name = fields.or_default("name", fields::text)?;
        let weight = fields.or_default("weight", fields::whole)?;
        Ok((name, if weight == 0 { 1 } else { weight }))
    })
}

fn read_balanced_resources(fields: Fields<'_>) -> Read<Vec<String>> {
    let resources = read_resources(fields)?;
    for (index, (name, weight)) in resources.iter().enumerate() {
        let refused = if resources[..index].iter().any(|(before, _)| before == name) {
            duplicate(name.as_str(), "").within("name")
        } else if *weight != 1 {
            invalid(*weight, "must be 1").within("weight")
        } else {
            continue;
        };
        return Err(refused.within_item(index).within("resources"));
    }
    if resources.is_empty() {
        return Ok(PluginArguments::default().balanced_resources);
    }
    Ok(resources.into_iter().map(|(name, _)| name).collect())
}

fn read_fit(fields: Fields<'_>) -> Read<FitArguments> {
    let ignored_resources = fields.items("ignoredResources", |value| {
        let name = fields::text(value)?;
        label_syntax::check_key(&name)?;
        Ok(name)
    })?;
    let ignored_resource_groups = fields.items("ignoredResourceGroups", |value| {
        let group = fields::text(value)?;
        if group.contains('/') {
            return Err(invalid(group, "resource group name can't contain '/'"));
        }
        label_syntax::check_key(&group)?;
        Ok(group)
    })?;
    let default = FitArguments::default();
    let (strategy, resources) = fields
        .inside("scoringStrategy", read_strategy)?
        .unwrap_or((default.strategy, default.resources));
    Ok(FitArguments { ignored_resources, ignored_resource_groups, strategy, resources })
}

fn read_strategy(fields: Fields<'_>) -> Read<(FitStrategy, Vec<(String, i64)>)> {
    const RATIO: &str = "requestedToCapacityRatio";
    fields.only(&["type", "resources", RATIO])?;
    let name = fields.or_default("type", fields::text)?;
    let supported = ["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"];
    if !supported.contains(&name.as_str()) {
        return Err(unsupported(name, &supported).within("type"));
    }
    let mut resources = read_resources(fields)?;
    for (index, (resource, weight)) in resources.iter().enumerate() {
        if !(1..=100).contains(weight) {
            let rule = format!("resource weight of {resource} not in valid range (0, 100]");
            let error = invalid(*weight, &rule).within("weight");
            return Err(error.within_item(index).within("resources"));
        }
    }
    if resources.is_empty() {
        resources = FitArguments::default().resources;
    }
    let shape = fields.inside(RATIO, |fields| {
        fields.only(&["shape"])?;
        Ok(read_shape(fields))
    })?;
    let strategy = match (name.as_str(), shape) {
        ("RequestedToCapacityRatio", Some(shape)) => {
            FitStrategy::RequestedToCapacityRatio(shape.map_err(|error| error.within(RATIO))?)
        }
        ("RequestedToCapacityRatio", None) => {
            let why = "must be specified when type is RequestedToCapacityRatio";
            return Err(missing(why).within(RATIO));
        }
        (_, Some(_)) => {
            let why = "must be nil when type is not RequestedToCapacityRatio";
            return Err(forbidden(why).within(RATIO));
        }
        ("MostAllocated", None) => FitStrategy::MostAllocated,
        (_, None) => FitStrategy::LeastAllocated,
    };
    Ok((strategy, resources))
}

fn read_shape(fields: Fields<'_>) -> Read<Vec<ShapePoint>> {
    let points = fields.items("shape", |value| {
        let fields = Fields::of(value)?;
        fields.only(&["utilization", "score"])?;
        let utilization = fields.or_default("utilization", fields::whole_32)?;
        Ok((i64::from(utilization), fields.or_default("score", |value| in_range(value, 0, 10))?))
    })?;
    if points.is_empty() {
        return Err(missing("at least one point must be specified").within("shape"));
    }
    for (index, (utilization, _)) in points.iter().enumerate() {
        let rule = if index > 0 && points[index - 1].0 >= *utilization {
            "values must be sorted in increasing order"
        } else if !(0..=100).contains(utilization) {
            "not in valid range [0, 100]"
        } else {
            continue;
        };
        let error = invalid(*utilization, rule).within("utilization");
        return Err(error.within_item(index).within("shape"));
    }
    Ok(points.into_iter().map(|(utilization, score)| ShapePoint { utilization, score }).collect())
}

fn read_spread(fields: Fields<'_>) -> Read<SpreadDefaults> {
    let constraints = fields.items("defaultConstraints", topology::default_constraint)?;
    refuse_repeated(&constraints)?;
    let kind = fields.or_default("defaultingType", fields::text)?;
    match kind.as_str() {
        "" | "System" if constraints.is_empty() => Ok(SpreadDefaults::System),
        "" | "System" => {
            let rule = "when .defaultConstraints are not empty";
            Err(invalid("System", rule).within("defaultingType"))
        }
        "List" => Ok(SpreadDefaults::List(constraints)),
        _ => Err(unsupported(kind, &["System", "List"]).within("defaultingType")),
    }
}

fn refuse_repeated(constraints: &[TopologySpreadConstraint]) -> Read<()> {
    let same = |one: &TopologySpreadConstraint, other: &TopologySpreadConstraint| {
        one.topology_key == other.topology_key && one.hard == other.hard
    };
    for (index, one) in constraints.iter().enumerate() {
        if constraints[..index].iter().any(|before| same(before, one)) {
            let error = duplicate(topology::identity(one), "");
            return Err(error.within_item(index).within("defaultConstraints"));
        }
    }
    Ok(())
}

fn read_volume_binding(fields: Fields<'_>) -> Read<VolumeBindingArguments> {
    /// A hundred years: longer is as long.
    const MOST_SECONDS: i64 = u32::MAX as i64;
    let timeout = fields.optional("bindTimeoutSeconds", |value| match fields::whole(value)? {
        seconds if seconds >= 0 => Ok(SimDuration::from_secs(seconds.min(MOST_SECONDS))),
        seconds => {
            Err(invalid(seconds, "invalid BindTimeoutSeconds, should not be a negative value"))
        }
    })?;
    fields.optional("shape", |value| {
        let rule = "unexpected field `shape`, remove it or turn on the feature gate \
                    StorageCapacityScoring";
        Err::<(), _>(invalid(value.clone(), rule))
    })?;
    let default = VolumeBindingArguments::default();
    Ok(VolumeBindingArguments { bind_timeout: timeout.unwrap_or(default.bind_timeout) })
}

fn read_dynamic_resources(fields: Fields<'_>) -> Read<DynamicResourcesArguments> {
    let default = DynamicResourcesArguments::default();
    let at_least = |name: &str, least: SimDuration, rule: &str| {
        fields.optional(name, |value| {
            let text = fields::text(value)?;
            let span =
                SimDuration::parse(&text).map_err(|error| FieldError::here(error.to_string()))?;
            if span < least { Err(invalid(text, rule)) } else { Ok(span) }
        })
    };
    let filter = at_least("filterTimeout", SimDuration::ZERO, "must be zero or positive")?;
    let second = SimDuration::from_secs(1);
    let binding = at_least("bindingTimeout", second, "must be at least 1 second")?;
    Ok(DynamicResourcesArguments {
        filter_timeout: filter.unwrap_or(default.filter_timeout),
        binding_timeout: binding.unwrap_or(default.binding_timeout),
    })
}
