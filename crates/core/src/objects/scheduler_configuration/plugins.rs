//! `plugins` of a profile: which plugin takes part at which extension point, and in which order.
//!
//! Source: `mergePlugins` in `pkg/scheduler/apis/config/v1/default_plugins.go`, and
//! `expandMultiPointPlugins`, `getValidScoreWeights` in `pkg/scheduler/framework/runtime`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::error::FieldError;
use super::super::fields::{self, Fields, Read};
use super::super::invalid::invalid;
use super::super::nearest::with_nearest;
use super::SCHEDULER_CONFIGURATION_API_VERSION;
use crate::scheduling::profile::DEFAULT_PLUGINS;
use crate::scheduling::{ExtensionPoint, Plugin};

/// The set that stands for all extension points.
const MULTI_POINT: &str = "multiPoint";
/// In `disabled`: all of them.
const EVERY_PLUGIN: &str = "*";
/// Plugins that there once were.
const REMOVED_PLUGINS: [&str; 4] = ["AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits"];

/// The sets of plugins as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PluginLists {
    multi_point: PluginSet,
    own: BTreeMap<ExtensionPoint, PluginSet>,
}

/// The plugins enabled and disabled at one point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PluginSet {
    enabled: Vec<Enabled>,
    disabled: BTreeSet<String>,
}

/// A plugin with its weight; 0: the configuration gives none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Enabled {
    name: String,
    weight: i64,
}

/// The plugins of each point in calling order.
#[derive(Debug)]
pub(super) struct Expanded {
    points: BTreeMap<ExtensionPoint, Vec<Plugin>>,
    weights: BTreeMap<Plugin, i64>,
}

impl Expanded {
    pub(super) fn at(&self, point: ExtensionPoint) -> &[Plugin] {
        self.points.get(&point).map_or(&[], Vec::as_slice)
    }

    /// The weight of a plugin's score, which is never 0.
    pub(super) fn weight(&self, plugin: Plugin) -> i64 {
        self.weights.get(&plugin).copied().filter(|weight| *weight != 0).unwrap_or(1)
    }
}

impl PluginSet {
    fn read(fields: Fields<'_>) -> Read<PluginSet> {
        fields.only(&["enabled", "disabled"])?;
        let enabled = fields.items("enabled", read_plugin)?;
        let disabled = fields.items("disabled", |value| Ok(read_plugin(value)?.name))?;
        Ok(PluginSet { enabled, disabled: disabled.into_iter().collect() })
    }

    pub(super) fn enabled_count(&self) -> usize {
        self.enabled.len()
    }

    pub(super) fn to_json(&self) -> Value {
        let enabled =
            self.enabled.iter().map(|one| json!({"Name": one.name, "Weight": one.weight}));
        let disabled = self.disabled.iter().map(|name| json!({"Name": name, "Weight": 0}));
        json!({
            "Enabled": enabled.collect::<Vec<_>>(),
            "Disabled": disabled.collect::<Vec<_>>(),
        })
    }

    fn enables(&self, name: &str) -> bool {
        self.enabled.iter().any(|one| one.name == name)
    }
}

fn read_plugin(value: &Value) -> Read<Enabled> {
    let fields = Fields::of(value)?;
    fields.only(&["name", "weight"])?;
    Ok(Enabled {
        name: fields.required("name", fields::text)?,
        weight: fields.or_default("weight", fields::whole_32)?.into(),
    })
}

impl PluginLists {
    pub(super) fn read(fields: Fields<'_>) -> Read<PluginLists> {
        let points = ExtensionPoint::ALL.iter().map(|point| point.field());
        let known: Vec<&str> = points.chain([MULTI_POINT]).collect();
        fields.only(&known)?;
        let mut own = BTreeMap::new();
        for point in ExtensionPoint::ALL {
            let Some(set) = fields.inside(point.field(), PluginSet::read)? else { continue };
            refuse_removed(&set).map_err(|error| error.within(point.field()))?;
            own.insert(point, set);
        }
        let multi_point = fields.inside(MULTI_POINT, PluginSet::read)?.unwrap_or_default();
        Ok(PluginLists { multi_point, own })
    }

    /// What is enabled and disabled at one point by its own set.
    pub(super) fn own(&self, point: ExtensionPoint) -> PluginSet {
        self.own.get(&point).cloned().unwrap_or_default()
    }

    /// The plugins of each point, for the profile of this scheduler.
    pub(super) fn expand(&self, scheduler_name: &str) -> Read<Expanded> {
        let own = ExtensionPoint::ALL.into_iter().map(|point| {
            let plugins = resolve_own(point, &self.own(point));
            Ok((point, plugins.map_err(|error| error.within(point.field()))?))
        });
        let own: BTreeMap<ExtensionPoint, Vec<Plugin>> = own.collect::<Read<_>>()?;
        let spread = self.merge_multi_point()?;
        let mut points = BTreeMap::new();
        for point in ExtensionPoint::ALL {
            points.insert(point, self.plugins_of(point, &own[&point], &spread)?);
        }
        // The weight at the point itself comes before that of all points; of two the first.
        let mut weights = BTreeMap::new();
        for one in self.own(ExtensionPoint::Score).enabled.iter().chain(&spread) {
            if let Some(plugin) = Plugin::named(&one.name) {
                weights.entry(plugin).or_insert(one.weight);
            }
        }
        let expanded = Expanded { points, weights };
        refuse_incomplete(&expanded, scheduler_name)?;
        Ok(expanded)
    }

    /// The plugins for all points: the default ones, as `multiPoint` changes them.
    ///
    /// A default plugin that is enabled again keeps its place and takes the weight given; one that
    /// is disabled and enabled goes to the end, where plugins stand that are no default.
    fn merge_multi_point(&self) -> Read<Vec<Enabled>> {
        let custom = &self.multi_point;
        let mut replaced = BTreeSet::new();
        let mut merged = Vec::new();
        if !custom.disabled.contains(EVERY_PLUGIN) {
            for (plugin, weight) in DEFAULT_PLUGINS {
                let name = plugin.name();
                if custom.disabled.contains(name) {
                    continue;
                }
                // Of several the last counts, and the others are found out below.
                let again = custom.enabled.iter().rposition(|one| one.name == name);
                replaced.extend(again);
                let default = Enabled { name: name.to_owned(), weight };
                merged.push(again.map_or(default, |index| custom.enabled[index].clone()));
            }
        }
        for (index, one) in custom.enabled.iter().enumerate() {
            let place =
                |error: FieldError| error.within_item(index).within("enabled").within(MULTI_POINT);
            // Upstream looks at PreFilter first, whatever the plugin is good for.
            let plugin = resolve(&one.name, ExtensionPoint::PreFilter)
                .map_err(|error| place(error.within("name")))?;
            if replaced.contains(&index) {
                continue;
            }
            if merged.iter().any(|before| before.name == one.name) {
                let point = ExtensionPoint::ALL.into_iter().find(|point| plugin.extends(*point));
                let point = point.expect("each plugin extends a point");
                return Err(place(registered_twice(plugin, point).within("name")));
            }
            merged.push(one.clone());
        }
        Ok(merged)
    }

    /// First what the point's own set enables of the plugins for all points, in its order; then the
    /// other plugins for all points; then what only the own set enables.
    fn plugins_of(
        &self,
        point: ExtensionPoint,
        own: &[Plugin],
        spread: &[Enabled],
    ) -> Read<Vec<Plugin>> {
        let set = self.own(point);
        if set.disabled.contains(EVERY_PLUGIN) {
            return Ok(own.to_vec());
        }
        let here: Vec<Plugin> = spread
            .iter()
            .filter(|one| !set.disabled.contains(&one.name))
            .filter_map(|one| Plugin::named(&one.name))
            .filter(|plugin| plugin.extends(point))
            .collect();
        let is_override = |plugin: &&Plugin| here.contains(plugin);
        let overrides = own.iter().filter(is_override);
        let others = here.iter().filter(|plugin| !set.enables(plugin.name()));
        let additions = own.iter().filter(|plugin| !is_override(plugin));
        Ok(overrides.chain(others).chain(additions).copied().collect())
    }
}

fn refuse_removed(set: &PluginSet) -> Read<()> {
    for (index, one) in set.enabled.iter().enumerate() {
        refuse_removed_name(&one.name)
            .map_err(|error| error.within_item(index).within("enabled"))?;
    }
    Ok(())
}

/// Refuses a plugin that there once was.
pub(super) fn refuse_removed_name(name: &str) -> Read<()> {
    if !REMOVED_PLUGINS.contains(&name) {
        return Ok(());
    }
    let version = SCHEDULER_CONFIGURATION_API_VERSION;
    let rule = format!(
        "was invalid in version {version:?} (KubeSchedulerConfiguration is version {version:?})"
    );
    Err(invalid(name, &rule))
}

/// The plugins that a point's own set enables.
fn resolve_own(point: ExtensionPoint, set: &PluginSet) -> Read<Vec<Plugin>> {
    let mut plugins = Vec::new();
    for (index, one) in set.enabled.iter().enumerate() {
        let plugin = resolve(&one.name, point).and_then(|plugin| {
            if !plugin.extends(point) {
                let kind = point.plugin_type();
                let message = format!("plugin {:?} does not extend {kind} plugin", plugin.name());
                return Err(FieldError::here(message));
            }
            if plugins.contains(&plugin) {
                return Err(registered_twice(plugin, point));
            }
            Ok(plugin)
        });
        let place = |error: FieldError| error.within("name").within_item(index).within("enabled");
        plugins.push(plugin.map_err(place)?);
    }
    Ok(plugins)
}

fn resolve(name: &str, point: ExtensionPoint) -> Read<Plugin> {
    Plugin::named(name).ok_or_else(|| {
        let message = format!("{} {name:?} does not exist", point.plugin_type());
        let known = Plugin::all().map(Plugin::name);
        FieldError::here(with_nearest(&message, name, known))
    })
}

fn registered_twice(plugin: Plugin, point: ExtensionPoint) -> FieldError {
    let kind = point.plugin_type();
    FieldError::here(format!("plugin {:?} already registered as {kind:?}", plugin.name()))
}

/// A profile needs an order of the queue and somebody who binds.
fn refuse_incomplete(expanded: &Expanded, scheduler_name: &str) -> Read<()> {
    let sorters = expanded.at(ExtensionPoint::QueueSort).len();
    if sorters != 1 {
        let message = format!(
            "only one queue sort plugin required for profile with scheduler name \
             {scheduler_name:?}, but got {sorters}"
        );
        return Err(FieldError::here(message).within(ExtensionPoint::QueueSort.field()));
    }
    if expanded.at(ExtensionPoint::Bind).is_empty() {
        let message = format!(
            "at least one bind plugin is needed for profile with scheduler name {scheduler_name:?}"
        );
        return Err(FieldError::here(message).within(ExtensionPoint::Bind.field()));
    }
    Ok(())
}
