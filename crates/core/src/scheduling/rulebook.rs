//! A profile made ready: what is asked for every pod and node is looked up once.

use super::profile::{FitStrategy, Plugin, SchedulerProfile};
use crate::catalog::{CPU, EPHEMERAL_STORAGE, MEMORY, looks_at_single_nodes};
use crate::ids::ResourceId;
use crate::labels::NodeSelectorTerm;

/// A profile and what is often asked of it.
#[derive(Clone, Debug)]
pub(crate) struct Rulebook {
    /// The profile.
    pub(crate) profile: SchedulerProfile,
    /// One bit for each filter that is in use.
    filters: u32,
    /// The weight of each plugin's score; 0 for a plugin without one.
    weights: [i64; 32],
    /// The resources of NodeResourcesFit's score and their weights.
    pub(super) fit_resources: Vec<(ResourceId, i64)>,
    /// The resources of NodeResourcesBalancedAllocation.
    pub(super) balanced_resources: Vec<ResourceId>,
    /// Both scores look at cpu and memory alike, the emptier the better: the default.
    pub(super) scores_are_plain: bool,
    looks_at_names: bool,
    narrows_by_name: bool,
}

impl Rulebook {
    pub(crate) fn new(
        profile: SchedulerProfile,
        mut resource: impl FnMut(&str) -> ResourceId,
    ) -> Rulebook {
        let bit = |plugin: &Plugin| 1_u32 << (*plugin as u32);
        let filters = profile.filters.iter().map(bit).fold(0, |all, one| all | one);
        let mut weights = [0; 32];
        for (plugin, weight) in &profile.scores {
            weights[*plugin as usize] = *weight;
        }
        let arguments = &profile.arguments;
        let scored = arguments.fit.resources.iter();
        let fit_resources: Vec<_> =
            scored.map(|(name, weight)| (resource(name), *weight)).collect();
        let balanced = arguments.balanced_resources.iter();
        let balanced_resources: Vec<_> = balanced.map(|name| resource(name)).collect();
        let scores_are_plain = arguments.fit.strategy == FitStrategy::LeastAllocated
            && fit_resources == [(CPU, 1), (MEMORY, 1)]
            && balanced_resources == [CPU, MEMORY];
        let added = &arguments.added_affinity;
        let preferred = added.preferred.iter().map(|(_, term)| term);
        let looks_at_names =
            added.required.iter().flatten().chain(preferred).any(looks_at_single_nodes);
        let narrows_by_name = profile.pre_filters.contains(&Plugin::NodeAffinity);
        Rulebook {
            narrows_by_name,
            profile,
            filters,
            weights,
            fit_resources,
            balanced_resources,
            scores_are_plain,
            looks_at_names,
        }
    }

    /// Whether a filter is in use.
    #[inline]
    pub(crate) fn filters_by(&self, plugin: Plugin) -> bool {
        self.filters & (1 << (plugin as u32)) != 0
    }

    /// The weight of a plugin's score; 0 when it does not score.
    #[inline]
    pub(super) fn weight(&self, plugin: Plugin) -> i64 {
        self.weights[plugin as usize]
    }

    /// Whether the filter leaves a resource out: cpu, memory and ephemeral-storage it never does.
    pub(super) fn ignores(&self, resource: ResourceId, name: &str) -> bool {
        let is_checked_always = [CPU, MEMORY, EPHEMERAL_STORAGE].contains(&resource);
        !is_checked_always && is_extended(name) && self.profile.arguments.fit.ignores(name)
    }

    /// Whether required terms that name nodes narrow them down before any filter runs.
    pub(super) fn narrows_by_name(&self) -> bool {
        self.narrows_by_name
    }

    /// Whether what the profile adds tells nodes apart by name or hostname.
    pub(super) fn looks_at_names(&self) -> bool {
        self.looks_at_names
    }

    /// The required terms that the profile adds to every pod.
    pub(super) fn added_terms(&self) -> Option<&[NodeSelectorTerm]> {
        self.profile.arguments.added_affinity.required.as_deref()
    }

    /// The preferred terms that the profile adds to every pod.
    pub(super) fn added_preferences(&self) -> &[(i64, NodeSelectorTerm)] {
        &self.profile.arguments.added_affinity.preferred
    }
}

/// Whether a resource belongs to somebody other than Kubernetes.
///
/// Source: `v1helper.IsExtendedResourceName`.
fn is_extended(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/") && !name.starts_with("requests.")
}
