//! Scheduler profiles: which plugins judge a pod, in which order, with which weights and settings.
//!
//! A profile is data. It is read from a `KubeSchedulerConfiguration`
//! ([`crate::objects::read_scheduler_configuration`]); [`SchedulerProfiles::default`] is what
//! kube-scheduler 1.36 does without one.

mod arguments;
mod plugin;

pub use arguments::{
    AddedAffinity, DynamicResourcesArguments, FitArguments, FitStrategy, PluginArguments,
    PodAffinityArguments, PreemptionArguments, ShapePoint, SpreadDefaults, VolumeBindingArguments,
};
pub use plugin::{DEFAULT_PLUGINS, ExtensionPoint, Plugin};

use super::Backoff;
use crate::time::SimDuration;

/// The scheduler of pods that name none.
pub const DEFAULT_SCHEDULER_NAME: &str = "default-scheduler";

/// All profiles of one scheduler, and what they share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchedulerProfiles {
    /// At least one, each with a name of its own, in the order of the configuration.
    pub profiles: Vec<SchedulerProfile>,
    /// How long a pod that was tried in vain is left alone.
    pub backoff: Backoff,
}

impl SchedulerProfiles {
    /// The profile responsible for pods with this `schedulerName`; `None`: nobody schedules them.
    #[must_use]
    pub fn of(&self, scheduler_name: &str) -> Option<&SchedulerProfile> {
        self.profiles.iter().find(|profile| profile.scheduler_name == scheduler_name)
    }
}

impl Default for SchedulerProfiles {
    fn default() -> SchedulerProfiles {
        SchedulerProfiles {
            profiles: vec![SchedulerProfile::default()],
            backoff: Backoff {
                initial: SimDuration::from_secs(1),
                max: SimDuration::from_secs(10),
            },
        }
    }
}

/// One profile. The lists are in the order in which the plugins are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchedulerProfile {
    /// Pods that name this scheduler are scheduled by this profile.
    pub scheduler_name: String,
    /// Gates that a pod must pass before it is tried.
    pub pre_enqueue: Vec<Plugin>,
    /// What looks at the pod as a whole before any node is judged.
    pub pre_filters: Vec<Plugin>,
    /// What refuses nodes; the first that refuses gives the reason.
    pub filters: Vec<Plugin>,
    /// What is tried for a pod that fits nowhere, until one helps.
    pub post_filters: Vec<Plugin>,
    /// What prepares scores.
    pub pre_scores: Vec<Plugin>,
    /// What scores the nodes that are left, with the weight of each. A weight may be negative: like
    /// upstream, nothing here refuses one. None at all: the first node that fits is taken.
    pub scores: Vec<(Plugin, i64)>,
    /// So many per cent of the nodes are looked at for feasible ones; 0: a share that falls with
    /// the size of the cluster. The profile's own setting, or else that of the configuration.
    pub percentage_of_nodes_to_score: u8,
    /// The plugins' settings.
    pub arguments: PluginArguments,
}

impl SchedulerProfile {
    /// Whether a plugin takes part at a point. Points that decide nothing (reserve, bind, ...) are
    /// not kept, and the answer there is false.
    #[must_use]
    pub fn has(&self, plugin: Plugin, point: ExtensionPoint) -> bool {
        let list = match point {
            ExtensionPoint::PreEnqueue => &self.pre_enqueue,
            ExtensionPoint::PreFilter => &self.pre_filters,
            ExtensionPoint::Filter => &self.filters,
            ExtensionPoint::PostFilter => &self.post_filters,
            ExtensionPoint::PreScore => &self.pre_scores,
            ExtensionPoint::Score => return self.scores.iter().any(|(one, _)| *one == plugin),
            _ => return false,
        };
        list.contains(&plugin)
    }

    /// The weight of a plugin's score; `None`: it does not score.
    #[must_use]
    pub fn weight(&self, plugin: Plugin) -> Option<i64> {
        self.scores.iter().find(|(one, _)| *one == plugin).map(|(_, weight)| *weight)
    }
}

impl Default for SchedulerProfile {
    fn default() -> SchedulerProfile {
        let at = |point: ExtensionPoint| {
            let plugins = DEFAULT_PLUGINS.iter().map(|(plugin, _)| *plugin);
            plugins.filter(|plugin| plugin.extends(point)).collect()
        };
        let weighted = DEFAULT_PLUGINS.iter().copied();
        SchedulerProfile {
            scheduler_name: DEFAULT_SCHEDULER_NAME.to_owned(),
            pre_enqueue: at(ExtensionPoint::PreEnqueue),
            pre_filters: at(ExtensionPoint::PreFilter),
            filters: at(ExtensionPoint::Filter),
            post_filters: at(ExtensionPoint::PostFilter),
            pre_scores: at(ExtensionPoint::PreScore),
            scores: weighted.filter(|(one, _)| one.extends(ExtensionPoint::Score)).collect(),
            percentage_of_nodes_to_score: 0,
            arguments: PluginArguments::default(),
        }
    }
}

#[cfg(test)]
mod tests;
