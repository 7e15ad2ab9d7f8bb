//! Random scheduler profiles: the default with a few settings changed.

use plimsoll_core::labels::NodeSelectorTerm;
use plimsoll_core::pod::TopologySpreadConstraint;
use plimsoll_core::scheduling::profile::{FitStrategy, ShapePoint, SpreadDefaults};
use plimsoll_core::scheduling::{Plugin, SchedulerProfile, SchedulerProfiles};
use proptest::prelude::*;
use proptest::sample::select;

use crate::random_pods::{OTHER_SCHEDULER, constraint, node_term};

/// What makes a profile unlike the default.
#[derive(Clone, Debug)]
enum ProfilePart {
    Strategy(FitStrategy),
    FitResources(Vec<(&'static str, i64)>),
    Balanced(Vec<&'static str>),
    Ignored(&'static str),
    IgnoredGroup,
    Weight(Plugin, i64),
    Without(Plugin),
    WithoutScore(Plugin),
    FilterFirst(Plugin),
    AddedRequired(Vec<NodeSelectorTerm>),
    AddedPreferred(i64, NodeSelectorTerm),
    HardPodAffinityWeight(i64),
    IgnorePreferredOfExisting,
    Defaults(Vec<TopologySpreadConstraint>),
}

/// The default scheduler and another.
pub(crate) fn profiles() -> impl Strategy<Value = SchedulerProfiles> {
    let default = prop_oneof![3 => Just(Vec::new()), 1 => parts()];
    (default, parts()).prop_map(|(default, other)| SchedulerProfiles {
        profiles: vec![
            profile(SchedulerProfile::default(), default),
            profile(
                SchedulerProfile {
                    scheduler_name: OTHER_SCHEDULER.to_owned(),
                    ..SchedulerProfile::default()
                },
                other,
            ),
        ],
        ..SchedulerProfiles::default()
    })
}

fn parts() -> impl Strategy<Value = Vec<ProfilePart>> {
    prop::collection::vec(part(), 0..4)
}

fn profile(mut profile: SchedulerProfile, parts: Vec<ProfilePart>) -> SchedulerProfile {
    for part in parts {
        part.add_to(&mut profile);
    }
    profile
}

impl ProfilePart {
    fn add_to(self, profile: &mut SchedulerProfile) {
        let arguments = &mut profile.arguments;
        match self {
            ProfilePart::Strategy(strategy) => arguments.fit.strategy = strategy,
            ProfilePart::FitResources(resources) => {
                let own = |(name, weight): (&str, i64)| (name.to_owned(), weight);
                arguments.fit.resources = resources.into_iter().map(own).collect();
            }
            ProfilePart::Balanced(names) => {
                arguments.balanced_resources = names.into_iter().map(str::to_owned).collect();
            }
            ProfilePart::Ignored(name) => arguments.fit.ignored_resources.push(name.to_owned()),
            ProfilePart::IgnoredGroup => {
                arguments.fit.ignored_resource_groups.push("example.com".to_owned());
            }
            ProfilePart::Weight(plugin, weight) => {
                let scores = profile.scores.iter_mut();
                scores.filter(|one| one.0 == plugin).for_each(|one| one.1 = weight);
            }
            ProfilePart::Without(plugin) => {
                let points = [
                    &mut profile.pre_enqueue,
                    &mut profile.pre_filters,
                    &mut profile.filters,
                    &mut profile.pre_scores,
                ];
                points.into_iter().for_each(|point| point.retain(|one| *one != plugin));
                profile.scores.retain(|one| one.0 != plugin);
            }
            ProfilePart::WithoutScore(plugin) => {
                profile.pre_scores.retain(|one| *one != plugin);
                profile.scores.retain(|one| one.0 != plugin);
            }
            ProfilePart::FilterFirst(plugin) => {
                // Stable: the others keep their order.
                profile.filters.sort_by_key(|one| *one != plugin);
            }
            ProfilePart::AddedRequired(terms) => arguments.added_affinity.required = Some(terms),
            ProfilePart::AddedPreferred(weight, term) => {
                arguments.added_affinity.preferred.push((weight, term));
            }
            ProfilePart::HardPodAffinityWeight(weight) => {
                arguments.pod_affinity.hard_weight = weight;
            }
            ProfilePart::IgnorePreferredOfExisting => {
                arguments.pod_affinity.ignores_preferred_of_existing = true;
            }
            ProfilePart::Defaults(constraints) => {
                arguments.spread = SpreadDefaults::List(constraints);
            }
        }
    }
}

fn part() -> impl Strategy<Value = ProfilePart> {
    let filters = SchedulerProfile::default().filters;
    let scores: Vec<Plugin> = SchedulerProfile::default().scores.iter().map(|one| one.0).collect();
    let fit_resources = select(vec![
        vec![("cpu", 1)],
        vec![("memory", 3), ("cpu", 1)],
        vec![("cpu", 1), ("example.com/gpu", 5)],
        vec![("example.com/nic", 2), ("ephemeral-storage", 1), ("memory", 1)],
    ]);
    let balanced = select(vec![
        vec!["cpu"],
        vec!["cpu", "memory", "example.com/gpu"],
        vec!["example.com/gpu", "ephemeral-storage"],
        vec!["cpu", "memory", "ephemeral-storage", "example.com/nic"],
    ]);
    // Defaults have no selector of their own, and no minDomains.
    let defaults = constraint().prop_map(|one| TopologySpreadConstraint {
        selector: None,
        min_domains: None,
        ..one
    });
    prop_oneof![
        2 => strategy().prop_map(ProfilePart::Strategy),
        2 => fit_resources.prop_map(ProfilePart::FitResources),
        2 => balanced.prop_map(ProfilePart::Balanced),
        1 => select(vec!["example.com/gpu", "cpu"]).prop_map(ProfilePart::Ignored),
        1 => Just(ProfilePart::IgnoredGroup),
        2 => (select(scores.clone()), select(vec![0_i64, 5, 100]))
            .prop_map(|(plugin, weight)| ProfilePart::Weight(plugin, weight)),
        1 => select(filters.clone()).prop_map(ProfilePart::Without),
        1 => select(scores).prop_map(ProfilePart::WithoutScore),
        1 => select(filters).prop_map(ProfilePart::FilterFirst),
        1 => prop::collection::vec(node_term(), 1..3).prop_map(ProfilePart::AddedRequired),
        1 => (select(vec![1_i64, 50]), node_term())
            .prop_map(|(weight, term)| ProfilePart::AddedPreferred(weight, term)),
        1 => select(vec![0_i64, 7]).prop_map(ProfilePart::HardPodAffinityWeight),
        1 => Just(ProfilePart::IgnorePreferredOfExisting),
        3 => prop::collection::vec(defaults, 0..3).prop_map(ProfilePart::Defaults),
    ]
}

fn strategy() -> impl Strategy<Value = FitStrategy> {
    let points = |points: &[(i64, i64)]| {
        let point = |(utilization, score): &(i64, i64)| ShapePoint {
            utilization: *utilization,
            score: *score,
        };
        FitStrategy::RequestedToCapacityRatio(points.iter().map(point).collect())
    };
    select(vec![
        FitStrategy::MostAllocated,
        FitStrategy::LeastAllocated,
        points(&[(0, 0), (100, 10)]),
        points(&[(10, 9), (40, 3), (70, 0)]),
    ])
}
