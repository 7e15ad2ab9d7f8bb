//! InterPodAffinity, recounted for every pod.
//!
//! Source: `pkg/scheduler/framework/plugins/interpodaffinity`.

use std::collections::BTreeMap;

use plimsoll_core::PodSpec;
use plimsoll_core::pod_affinity::PodAffinityTerm;
use plimsoll_core::scheduling::{Plugin, Refusal, SchedulerProfile};

use crate::naive_selectors::{newcomer_means, placed_means};
use crate::naive_snapshot::{NodeInfo, Placed, Snapshot, World};

/// Numbers by topology key and value.
type ByDomain = BTreeMap<(String, String), i64>;

/// What the filter finds out before it looks at a node.
#[derive(Clone, Default)]
pub(crate) struct AffinityFilter {
    wanted: ByDomain,
    unwanted: ByDomain,
    /// Pods that are there and do not want the newcomer.
    opponents: ByDomain,
}

impl AffinityFilter {
    /// `None` when the plugin has nothing to say: it is then not asked again for this pod, whatever
    /// pods are thought to be there besides.
    pub(crate) fn new(snapshot: &Snapshot<'_>, newcomer: &PodSpec) -> Option<AffinityFilter> {
        let mut filter = AffinityFilter::default();
        for node in &snapshot.nodes {
            for pod in &node.pods {
                filter.add(newcomer, *pod, node, snapshot.world);
            }
        }
        let rules = &newcomer.pod_affinity;
        let has_rules = !rules.required.is_empty() || !rules.required_anti.is_empty();
        (has_rules || !filter.opponents.is_empty()).then_some(filter)
    }

    pub(crate) fn add(
        &mut self,
        newcomer: &PodSpec,
        pod: Placed<'_>,
        node: &NodeInfo<'_>,
        world: &World,
    ) {
        let rules = &newcomer.pod_affinity;
        if rules.required.iter().all(|term| newcomer_means(term, pod.spec, world)) {
            for term in &rules.required {
                count(&mut self.wanted, term, node, 1);
            }
        }
        for term in &rules.required_anti {
            if newcomer_means(term, pod.spec, world) {
                count(&mut self.unwanted, term, node, 1);
            }
        }
        for term in &pod.spec.pod_affinity.required_anti {
            if placed_means(term, newcomer, world) {
                count(&mut self.opponents, term, node, 1);
            }
        }
    }

    pub(crate) fn refusal(
        &self,
        newcomer: &PodSpec,
        node: &NodeInfo<'_>,
        world: &World,
    ) -> Option<Refusal> {
        let plugin = Plugin::InterPodAffinity;
        if !self.is_wanted_there(newcomer, node, world) {
            let reason = "node(s) didn't match pod affinity rules";
            return Some(Refusal::unresolvable(plugin, reason));
        }
        let anti = newcomer.pod_affinity.required_anti.iter();
        if anti.filter_map(|term| at(&self.unwanted, term, node)).any(|count| count > 0) {
            return Some(Refusal::new(plugin, "node(s) didn't match pod anti-affinity rules"));
        }
        let has_opponents = node.labels.iter().any(|(key, value)| {
            self.opponents.get(&(key.clone(), value.clone())).is_some_and(|count| *count > 0)
        });
        has_opponents.then(|| {
            Refusal::new(plugin, "node(s) didn't satisfy existing pods anti-affinity rules")
        })
    }

    fn is_wanted_there(&self, newcomer: &PodSpec, node: &NodeInfo<'_>, world: &World) -> bool {
        let terms = &newcomer.pod_affinity.required;
        if terms.iter().any(|term| !node.labels.contains_key(&term.topology_key)) {
            return false;
        }
        let has_company =
            terms.iter().all(|term| at(&self.wanted, term, node).is_some_and(|count| count > 0));
        let is_first = self.wanted.is_empty()
            && terms.iter().all(|term| newcomer_means(term, newcomer, world));
        has_company || is_first
    }
}

/// The normalised scores of the feasible nodes; `None` when no domain has a weight, be it 0.
#[expect(clippy::cast_precision_loss, reason = "the rule is in floating point")]
#[expect(clippy::cast_possible_truncation, reason = "scores are between 0 and 100")]
pub(crate) fn scores(
    snapshot: &Snapshot<'_>,
    profile: &SchedulerProfile,
    newcomer: &PodSpec,
    feasible: &[&NodeInfo<'_>],
) -> Option<Vec<i64>> {
    let own = &newcomer.pod_affinity;
    let arguments = &profile.arguments.pod_affinity;
    let has_preferences = !own.preferred.is_empty() || !own.preferred_anti.is_empty();
    if arguments.ignores_preferred_of_existing && !has_preferences {
        return None;
    }
    let world = snapshot.world;
    let mut weights = ByDomain::new();
    for node in &snapshot.nodes {
        for pod in &node.pods {
            let theirs = &pod.spec.pod_affinity;
            let mut weigh = |term: &PodAffinityTerm, weight: i64, is_meant: bool| {
                if is_meant {
                    count(&mut weights, term, node, weight);
                }
            };
            for (weight, term) in &own.preferred {
                weigh(term, *weight, newcomer_means(term, pod.spec, world));
            }
            for (weight, term) in &own.preferred_anti {
                weigh(term, -*weight, newcomer_means(term, pod.spec, world));
            }
            if arguments.hard_weight > 0 {
                for term in &theirs.required {
                    weigh(term, arguments.hard_weight, placed_means(term, newcomer, world));
                }
            }
            for (weight, term) in &theirs.preferred {
                weigh(term, *weight, placed_means(term, newcomer, world));
            }
            for (weight, term) in &theirs.preferred_anti {
                weigh(term, -*weight, placed_means(term, newcomer, world));
            }
        }
    }
    if weights.is_empty() {
        return None;
    }
    let raw = |node: &&NodeInfo<'_>| -> i64 {
        let domains = node.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
        domains.filter_map(|domain| weights.get(&domain)).sum()
    };
    let raws: Vec<i64> = feasible.iter().map(raw).collect();
    let highest = raws.iter().copied().max().unwrap_or(0);
    let lowest = raws.iter().copied().min().unwrap_or(0);
    let normalised = raws.into_iter().map(|raw| {
        if highest == lowest {
            return 0;
        }
        (100.0 * ((raw - lowest) as f64 / (highest - lowest) as f64)) as i64
    });
    Some(normalised.collect())
}

/// Adds to the node's domain of the term's key, if it has one.
fn count(counts: &mut ByDomain, term: &PodAffinityTerm, node: &NodeInfo<'_>, weight: i64) {
    if let Some(value) = node.labels.get(&term.topology_key) {
        *counts.entry((term.topology_key.clone(), value.clone())).or_insert(0) += weight;
    }
}

fn at(counts: &ByDomain, term: &PodAffinityTerm, node: &NodeInfo<'_>) -> Option<i64> {
    let value = node.labels.get(&term.topology_key)?;
    counts.get(&(term.topology_key.clone(), value.clone())).copied()
}
