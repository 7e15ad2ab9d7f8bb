//! The scores of the nodes that a pod fits on, plugin by plugin.

use plimsoll_core::PodSpec;
use plimsoll_core::scheduling::profile::{FitStrategy, ShapePoint};
use plimsoll_core::scheduling::{Plugin, SchedulerProfile};
use plimsoll_core::taints::{TaintEffect, Toleration};

use crate::naive_selectors::{term_matches, tolerates};
use crate::naive_snapshot::{Newcomer, NodeInfo, Snapshot};
use crate::{naive_pod_affinity, naive_spread};

const MIB: i64 = 1024 * 1024;

/// For each feasible node the normalised scores of the plugins that have a say, in their order.
pub(crate) fn score_all(
    snapshot: &Snapshot<'_>,
    profile: &SchedulerProfile,
    newcomer: &Newcomer<'_>,
    feasible: &[&NodeInfo<'_>],
) -> Vec<Vec<(Plugin, i64)>> {
    let mut rows = vec![Vec::new(); feasible.len()];
    for (plugin, _) in &profile.scores {
        let spec = newcomer.spec;
        let each = |score: &dyn Fn(&NodeInfo<'_>) -> i64| -> Option<Vec<i64>> {
            Some(feasible.iter().map(|node| score(node)).collect())
        };
        let column = match plugin {
            Plugin::TaintToleration => {
                let against = each(&|node| intolerable_preferences(spec, node));
                against
                    .map(normalise)
                    .map(|shares| shares.into_iter().map(|share| 100 - share).collect())
            }
            Plugin::NodeAffinity => node_affinity_scores(profile, spec, feasible),
            Plugin::NodeResourcesFit => each(&|node| fit_score(profile, spec, node)),
            Plugin::NodeResourcesBalancedAllocation => {
                let resources = &profile.arguments.balanced_resources;
                let asks = resources.iter().any(|name| request(spec, name) > 0);
                if asks { each(&|node| balanced_score(resources, spec, node)) } else { None }
            }
            Plugin::PodTopologySpread => {
                naive_spread::scores(snapshot, profile, newcomer, feasible)
            }
            Plugin::InterPodAffinity => {
                naive_pod_affinity::scores(snapshot, profile, spec, feasible)
            }
            Plugin::ImageLocality => each(&|node| image_score(snapshot, spec, node)),
            // No pod here has claims.
            Plugin::DynamicResources => each(&|_| 0),
            _ => None,
        };
        for (row, score) in rows.iter_mut().zip(column.into_iter().flatten()) {
            row.push((*plugin, score));
        }
    }
    rows
}

/// Source: `helper.DefaultNormalizeScore`.
fn normalise(scores: Vec<i64>) -> Vec<i64> {
    let highest = scores.iter().copied().max().unwrap_or(0).max(0);
    if highest == 0 {
        return scores;
    }
    scores.into_iter().map(|score| 100 * score / highest).collect()
}

fn intolerable_preferences(spec: &PodSpec, node: &NodeInfo<'_>) -> i64 {
    let covers = |one: &&Toleration| {
        one.effect.is_none() || one.effect == Some(TaintEffect::PreferNoSchedule)
    };
    let tolerations: Vec<Toleration> = spec.tolerations.iter().filter(covers).cloned().collect();
    let preferences =
        node.taints.iter().filter(|taint| taint.effect == TaintEffect::PreferNoSchedule);
    let count = preferences.filter(|taint| !tolerates(&tolerations, taint)).count();
    i64::try_from(count).expect("taints are few")
}

fn node_affinity_scores(
    profile: &SchedulerProfile,
    spec: &PodSpec,
    feasible: &[&NodeInfo<'_>],
) -> Option<Vec<i64>> {
    let added = &profile.arguments.added_affinity.preferred;
    if spec.preferred_node_terms.is_empty() && added.is_empty() {
        return None;
    }
    let wanted = |node: &&NodeInfo<'_>| -> i64 {
        let terms = spec.preferred_node_terms.iter().chain(added);
        terms.filter(|(_, term)| term_matches(term, node)).map(|(weight, _)| *weight).sum()
    };
    Some(normalise(feasible.iter().map(wanted).collect()))
}

fn fit_score(profile: &SchedulerProfile, spec: &PodSpec, node: &NodeInfo<'_>) -> i64 {
    let arguments = &profile.arguments.fit;
    let (mut sum, mut weights) = (0, 0);
    for (name, weight) in &arguments.resources {
        let (has, taken) = (node.allocatable(name), scored_use(spec, node, name));
        if has == 0 || (is_scalar(name) && request(spec, name) == 0) {
            continue;
        }
        let score = match &arguments.strategy {
            FitStrategy::LeastAllocated if taken > has => 0,
            FitStrategy::LeastAllocated => (has - taken) * 100 / has,
            FitStrategy::MostAllocated => taken.min(has) * 100 / has,
            FitStrategy::RequestedToCapacityRatio(points) => {
                let utilization = if taken > has { 100 } else { taken * 100 / has };
                along(points, utilization)
            }
        };
        let is_ratio = matches!(arguments.strategy, FitStrategy::RequestedToCapacityRatio(_));
        if !is_ratio || score > 0 {
            sum += score * weight;
            weights += weight;
        }
    }
    match &arguments.strategy {
        _ if weights == 0 => 0,
        FitStrategy::RequestedToCapacityRatio(_) => rounded_ratio(sum, weights),
        _ => sum / weights,
    }
}

#[expect(clippy::cast_precision_loss, reason = "the rule is in floating point")]
#[expect(clippy::cast_possible_truncation, reason = "between 0 and 100")]
fn rounded_ratio(sum: i64, weights: i64) -> i64 {
    (sum as f64 / weights as f64).round() as i64
}

/// What would be requested of a resource, containers without a request counted with the defaults.
fn scored_use(spec: &PodSpec, node: &NodeInfo<'_>, resource: &str) -> i64 {
    let placed = node.pods.iter().map(|pod| {
        let own = (pod.spec.scoring_cpu_milli, pod.spec.scoring_memory_bytes);
        pod.spec.placed_scoring.unwrap_or(own)
    });
    match resource {
        "cpu" => placed.map(|(cpu, _)| cpu).sum::<i64>() + spec.scoring_cpu_milli,
        "memory" => placed.map(|(_, memory)| memory).sum::<i64>() + spec.scoring_memory_bytes,
        _ => node.requested(resource) + request(spec, resource),
    }
}

/// Source: `helper.BuildBrokenLinearFunction`.
fn along(points: &[ShapePoint], utilization: i64) -> i64 {
    let scaled = |point: &ShapePoint| point.score * 10;
    for (place, point) in points.iter().enumerate() {
        if utilization <= point.utilization {
            if place == 0 {
                return scaled(point);
            }
            let before = &points[place - 1];
            return scaled(before)
                + (scaled(point) - scaled(before)) * (utilization - before.utilization)
                    / (point.utilization - before.utilization);
        }
    }
    scaled(points.last().expect("a shape has points"))
}

fn balanced_score(resources: &[String], spec: &PodSpec, node: &NodeInfo<'_>) -> i64 {
    let with = balance(resources, spec, node, 1);
    let without = balance(resources, spec, node, 0);
    50 + (50 + with - without) / 2
}

#[expect(clippy::cast_precision_loss, reason = "the rule is in floating point")]
#[expect(clippy::cast_possible_truncation, reason = "between 0 and 100")]
fn balance(resources: &[String], spec: &PodSpec, node: &NodeInfo<'_>, copies: i64) -> i64 {
    let mut fractions = Vec::new();
    for name in resources {
        let (has, asked) = (node.allocatable(name), request(spec, name));
        if has != 0 && !(is_scalar(name) && asked == 0) {
            let taken = node.requested(name) + copies * asked;
            fractions.push(f64::min(1.0, taken as f64 / has as f64));
        }
    }
    let deviation = match fractions.as_slice() {
        [] | [_] => 0.0,
        [one, other] => ((one - other) / 2.0).abs(),
        many => {
            let mean = many.iter().sum::<f64>() / many.len() as f64;
            let squares: f64 = many.iter().map(|one| (one - mean) * (one - mean)).sum();
            (squares / many.len() as f64).sqrt()
        }
    };
    ((1.0 - deviation) * 100.0) as i64
}

fn request(spec: &PodSpec, resource: &str) -> i64 {
    spec.requests.get(resource).copied().unwrap_or(0)
}

fn is_scalar(resource: &str) -> bool {
    !["cpu", "memory", "ephemeral-storage"].contains(&resource)
}

#[expect(clippy::cast_precision_loss, reason = "the rule is in floating point")]
#[expect(clippy::cast_possible_truncation, reason = "a share of a size")]
fn image_score(snapshot: &Snapshot<'_>, spec: &PodSpec, node: &NodeInfo<'_>) -> i64 {
    let mut sum = 0;
    for name in &spec.images {
        let Some(image) = snapshot.cluster.catalog().image_name(name) else { continue };
        if node.images.contains(&image) {
            let having = snapshot.nodes.iter().filter(|one| one.images.contains(&image)).count();
            let share = having as f64 / snapshot.nodes.len() as f64;
            sum += (snapshot.world.image_sizes[&image] as f64 * share) as i64;
        }
    }
    if spec.image_container_count == 0 {
        return 0;
    }
    let (least, most) = (23 * MIB, 1000 * MIB * i64::from(spec.image_container_count));
    100 * (sum.clamp(least, most) - least) / (most - least)
}
