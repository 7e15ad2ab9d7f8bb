//! PodTopologySpread, recounted for every pod.
//!
//! Source: `pkg/scheduler/framework/plugins/podtopologyspread`.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_core::labels::{LabelSelector, Operator, Requirement};
use plimsoll_core::node::HOSTNAME_LABEL;
use plimsoll_core::pod::TopologySpreadConstraint;
use plimsoll_core::scheduling::profile::SpreadDefaults;
use plimsoll_core::scheduling::{Plugin, Refusal, SchedulerProfile};
use plimsoll_core::{Labels, PodSpec};

use crate::naive_selectors::{is_repelled, is_wanted, selects};
use crate::naive_snapshot::{Newcomer, NodeInfo, Placed, Snapshot};

/// What the filter finds out before it looks at a node.
#[derive(Clone)]
pub(crate) struct SpreadFilter {
    constraints: Vec<TopologySpreadConstraint>,
    /// For each constraint: the matching pods of each domain that counts.
    counts: Vec<BTreeMap<String, i64>>,
}

impl SpreadFilter {
    pub(crate) fn new(
        snapshot: &Snapshot<'_>,
        profile: &SchedulerProfile,
        newcomer: &Newcomer<'_>,
    ) -> SpreadFilter {
        let constraints = constraints(snapshot, profile, newcomer, true);
        let mut counts = vec![BTreeMap::new(); constraints.len()];
        for node in &snapshot.nodes {
            if !node.has_all_keys(keys(&constraints)) {
                continue;
            }
            for (constraint, counts) in constraints.iter().zip(&mut counts) {
                if counts_node(constraint, newcomer.spec, node) {
                    let domain = node.labels[&constraint.topology_key].clone();
                    *counts.entry(domain).or_insert(0) +=
                        matching_pods(constraint, &newcomer.spec.namespace, node);
                }
            }
        }
        SpreadFilter { constraints, counts }
    }

    /// A pod is thought to be on a node. Unlike those that are there it counts for an empty selector.
    pub(crate) fn add(&mut self, newcomer: &PodSpec, rival: Placed<'_>, node: &NodeInfo<'_>) {
        if rival.spec.namespace != newcomer.namespace || !node.has_all_keys(keys(&self.constraints))
        {
            return;
        }
        for (constraint, counts) in self.constraints.iter().zip(&mut self.counts) {
            let selector = constraint.selector.as_ref();
            if selector.is_some_and(|one| selects(one, &rival.spec.labels))
                && counts_node(constraint, newcomer, node)
            {
                let domain = node.labels[&constraint.topology_key].clone();
                *counts.entry(domain).or_insert(0) += 1;
            }
        }
    }

    pub(crate) fn refusal(&self, newcomer: &PodSpec, node: &NodeInfo<'_>) -> Option<Refusal> {
        for (constraint, counts) in self.constraints.iter().zip(&self.counts) {
            let Some(domain) = node.labels.get(&constraint.topology_key) else {
                return Some(Refusal::unresolvable(
                    Plugin::PodTopologySpread,
                    "node(s) didn't match pod topology spread constraints (missing required label)",
                ));
            };
            let mut least = counts.values().copied().min().unwrap_or(i64::from(i32::MAX));
            let domains = i64::try_from(counts.len()).expect("domains are few");
            if domains < constraint.min_domains.unwrap_or(1) {
                least = 0;
            }
            let selector = constraint.selector.as_ref();
            let own = i64::from(selector.is_some_and(|one| selects(one, &newcomer.labels)));
            let there = counts.get(domain).copied().unwrap_or(0);
            if there + own - least > constraint.max_skew {
                return Some(Refusal::new(
                    Plugin::PodTopologySpread,
                    "node(s) didn't match pod topology spread constraints",
                ));
            }
        }
        None
    }
}

/// The normalised scores of the feasible nodes; `None` without soft constraints.
#[expect(clippy::cast_precision_loss, reason = "the rule is in floating point")]
#[expect(clippy::cast_possible_truncation, reason = "scores are small")]
pub(crate) fn scores(
    snapshot: &Snapshot<'_>,
    profile: &SchedulerProfile,
    newcomer: &Newcomer<'_>,
    feasible: &[&NodeInfo<'_>],
) -> Option<Vec<i64>> {
    let spec = newcomer.spec;
    let constraints = constraints(snapshot, profile, newcomer, false);
    if constraints.is_empty() {
        return None;
    }
    let is_system = matches!(profile.arguments.spread, SpreadDefaults::System);
    let needs_all_keys = !spec.topology_spread.is_empty() || !is_system;
    let is_ignored = |node: &NodeInfo<'_>| needs_all_keys && !node.has_all_keys(keys(&constraints));
    let scored: Vec<&NodeInfo<'_>> =
        feasible.iter().copied().filter(|node| !is_ignored(node)).collect();
    let raw = |node: &NodeInfo<'_>| -> i64 {
        let mut score = 0.0_f64;
        for constraint in &constraints {
            let key = &constraint.topology_key;
            let Some(domain) = node.labels.get(key) else { continue };
            let (size, count) = if key == HOSTNAME_LABEL {
                (scored.len(), matching_pods(constraint, &spec.namespace, node))
            } else {
                // Nodes without the key, where they are scored at all, weigh as one more domain.
                let domains: BTreeSet<Option<&String>> =
                    scored.iter().map(|one| one.labels.get(key)).collect();
                let counting = snapshot.nodes.iter().filter(|one| {
                    one.labels.get(key) == Some(domain)
                        && !is_ignored(one)
                        && counts_node(constraint, spec, one)
                });
                let pods = counting.map(|one| matching_pods(constraint, &spec.namespace, one));
                (domains.len(), pods.sum())
            };
            score += count as f64 * ((size + 2) as f64).ln() + (constraint.max_skew - 1) as f64;
        }
        score.round() as i64
    };
    let raws: Vec<Option<i64>> =
        feasible.iter().map(|node| (!is_ignored(node)).then(|| raw(node))).collect();
    let highest = raws.iter().flatten().copied().max().unwrap_or(0);
    let lowest = raws.iter().flatten().copied().min().unwrap_or(0);
    let normalised = raws.into_iter().map(|raw| match raw {
        None => 0,
        Some(_) if highest == 0 => 100,
        Some(raw) => 100 * (highest + lowest - raw) / highest,
    });
    Some(normalised.collect())
}

fn keys(constraints: &[TopologySpreadConstraint]) -> impl Iterator<Item = &str> {
    constraints.iter().map(|one| one.topology_key.as_str())
}

/// Whether a node's pods count for a constraint.
fn counts_node(constraint: &TopologySpreadConstraint, spec: &PodSpec, node: &NodeInfo<'_>) -> bool {
    (!constraint.honor_affinity || is_wanted(spec, node))
        && (!constraint.honor_taints || !is_repelled(spec, node))
}

fn matching_pods(
    constraint: &TopologySpreadConstraint,
    namespace: &str,
    node: &NodeInfo<'_>,
) -> i64 {
    let Some(selector) = &constraint.selector else { return 0 };
    if selector.requirements.is_empty() {
        return 0;
    }
    let matching = node.pods.iter().filter(|pod| {
        !pod.is_going && pod.spec.namespace == namespace && selects(selector, &pod.spec.labels)
    });
    i64::try_from(matching.count()).expect("pods are few")
}

/// The hard or the soft constraints of a pod: its own, or, if it has none of either sort, those of
/// the profile.
fn constraints(
    snapshot: &Snapshot<'_>,
    profile: &SchedulerProfile,
    newcomer: &Newcomer<'_>,
    hard: bool,
) -> Vec<TopologySpreadConstraint> {
    let own = &newcomer.spec.topology_spread;
    if !own.is_empty() {
        return own.iter().filter(|one| one.hard == hard).cloned().collect();
    }
    let selector = default_selector(snapshot, newcomer);
    if selector.requirements.is_empty() {
        return Vec::new();
    }
    let mut defaults = profile.arguments.spread.constraints();
    defaults.retain(|one| one.hard == hard);
    for constraint in &mut defaults {
        constraint.selector = Some(selector.clone());
    }
    defaults
}

/// Source: `helper.DefaultSelector`.
fn default_selector(snapshot: &Snapshot<'_>, newcomer: &Newcomer<'_>) -> LabelSelector {
    let spec = newcomer.spec;
    let mut labels = Labels::new();
    for ((namespace, _), selector) in &snapshot.world.services {
        let is_its = selector.iter().all(|(key, value)| spec.labels.get(key) == Some(value));
        if *namespace == spec.namespace && is_its {
            labels.extend(selector.clone());
        }
    }
    let mut others = Vec::new();
    if let Some(owner) = newcomer.owner.filter(|owner| owner.exists)
        && let Some(selector) = &owner.selector
    {
        match owner.key.kind.as_str() {
            // A ReplicationController's selector is a map; its values replace those of services.
            "ReplicationController" => {
                for one in &selector.requirements {
                    labels.insert(one.key.clone(), one.values[0].clone());
                }
            }
            "ReplicaSet" | "StatefulSet" => others.clone_from(&selector.requirements),
            _ => {}
        }
    }
    let equal = |(key, value)| Requirement { key, operator: Operator::In, values: vec![value] };
    let mut requirements: Vec<Requirement> = labels.into_iter().map(equal).collect();
    requirements.append(&mut others);
    LabelSelector { requirements }
}
