//! Scores that depend on one node only, in kube-scheduler's integer arithmetic, and how scores of
//! several nodes are put on one scale.

use super::profile::{FitStrategy, Plugin, ShapePoint};
use super::rulebook::Rulebook;
use super::topology::Plan;
use crate::catalog::{CPU, EPHEMERAL_STORAGE, Fit, MEMORY, Rules};
use crate::cluster::Cluster;
use crate::ids::{NodeId, ResourceId};
use crate::labels::NodeSelectorTerm;

/// The highest score a plugin gives.
pub(super) const MAX_NODE_SCORE: i64 = 100;
/// A configured score of a shape point is a tenth of a node score.
const SHAPE_SCORE_SCALE: i64 = 10;

impl Cluster {
    /// The weighted sum of the scores that depend on the node alone.
    pub(super) fn weighted_local_score(
        &self,
        fit: &Fit,
        plan: &Plan,
        book: &Rulebook,
        node: NodeId,
    ) -> i64 {
        book.weight(Plugin::NodeResourcesFit) * self.fit_score(fit, book, node)
            + book.weight(Plugin::NodeResourcesBalancedAllocation)
                * self.balanced_score(fit, book, node).unwrap_or(0)
            + book.weight(Plugin::ImageLocality) * self.image_score(plan, node)
    }

    /// NodeResourcesFit: how much would be left, or used, of the resources, where containers
    /// without requests count with the defaults.
    pub(super) fn fit_score(&self, fit: &Fit, book: &Rulebook, node: NodeId) -> i64 {
        if book.scores_are_plain {
            return self.least_allocated_score(fit, node);
        }
        let strategy = &book.profile.arguments.fit.strategy;
        let (mut sum, mut weights) = (0, 0);
        for (resource, weight) in &book.fit_resources {
            let Some((allocatable, requested)) = self.scored_use(fit, *resource, node) else {
                continue;
            };
            let score = match strategy {
                FitStrategy::LeastAllocated => least_allocated(requested, allocatable),
                FitStrategy::MostAllocated => {
                    requested.min(allocatable).wrapping_mul(MAX_NODE_SCORE) / allocatable
                }
                FitStrategy::RequestedToCapacityRatio(shape) => {
                    let score = along_shape(shape, requested, allocatable);
                    // Upstream leaves a resource out that scores nothing.
                    if score <= 0 {
                        continue;
                    }
                    score
                }
            };
            sum += score * weight;
            weights += weight;
        }
        match strategy {
            _ if weights == 0 => 0,
            FitStrategy::RequestedToCapacityRatio(_) => rounded_ratio(sum, weights),
            FitStrategy::LeastAllocated | FitStrategy::MostAllocated => sum / weights,
        }
    }

    /// The default: the mean of what would be left of cpu and memory, in percent.
    fn least_allocated_score(&self, fit: &Fit, node: NodeId) -> i64 {
        let nodes = &self.nodes;
        let cpu = nodes.scoring_cpu_milli[node.index()] + fit.scoring_cpu_milli;
        let memory = nodes.scoring_memory_bytes[node.index()] + fit.scoring_memory_bytes;
        let (mut sum, mut weights) = (0, 0);
        for (allocatable, requested) in
            [(nodes.allocatable.get(CPU, node), cpu), (nodes.allocatable.get(MEMORY, node), memory)]
        {
            if allocatable != 0 {
                weights += 1;
                sum += least_allocated(requested, allocatable);
            }
        }
        if weights == 0 { 0 } else { sum / weights }
    }

    /// What a node has of a resource and what would be requested of it, for NodeResourcesFit's
    /// score; `None` when the resource is left out.
    fn scored_use(&self, fit: &Fit, resource: ResourceId, node: NodeId) -> Option<(i64, i64)> {
        let allocatable = self.allocatable(node, resource);
        let asked = fit.request(resource);
        let is_scalar = ![CPU, MEMORY, EPHEMERAL_STORAGE].contains(&resource);
        if is_scalar && asked == 0 {
            return None;
        }
        if allocatable == 0 {
            let (all, held) = self.devices_for(resource, node)?;
            return Some((all, held + asked));
        }
        let requested = match resource {
            CPU => self.nodes.scoring_cpu_milli[node.index()] + fit.scoring_cpu_milli,
            MEMORY => self.nodes.scoring_memory_bytes[node.index()] + fit.scoring_memory_bytes,
            _ => self.requested(node, resource) + asked,
        };
        Some((allocatable, requested))
    }

    /// NodeResourcesBalancedAllocation of 1.36: how much the pod betters the balance of the
    /// resources. `None` when the pod asks for none of them, as upstream then skips the plugin.
    pub(super) fn balanced_score(&self, fit: &Fit, book: &Rulebook, node: NodeId) -> Option<i64> {
        let resources = &book.balanced_resources;
        if resources.iter().all(|resource| fit.request(*resource) == 0) {
            return None;
        }
        let with = self.balance(fit, resources, node, 1);
        let without = self.balance(fit, resources, node, 0);
        Some(50 + (50 + with - without) / 2)
    }

    /// `int((1 − std) × 100)` of the fractions of the resources requested on a node, with `copies`
    /// of the pod.
    #[expect(clippy::cast_precision_loss, reason = "upstream computes these in float64")]
    #[expect(clippy::cast_possible_truncation, reason = "the value is between 0 and 100")]
    fn balance(&self, fit: &Fit, resources: &[ResourceId], node: NodeId, copies: i64) -> i64 {
        /// More resources than anybody balances; those beyond would be left out.
        const RESOURCES_MAX: usize = 16;
        let mut fractions = [0.0_f64; RESOURCES_MAX];
        let mut count = 0;
        for resource in resources.iter().take(RESOURCES_MAX) {
            let mut allocatable = self.nodes.allocatable.get(*resource, node);
            let mut held = self.nodes.requested.get(*resource, node);
            let asked = fit.request(*resource);
            let is_scalar = ![CPU, MEMORY, EPHEMERAL_STORAGE].contains(resource);
            if is_scalar && asked == 0 {
                continue;
            }
            if allocatable == 0 {
                let Some(devices) = self.devices_for(*resource, node) else { continue };
                (allocatable, held) = devices;
            }
            let requested = held + copies * asked;
            fractions[count] = (requested as f64 / allocatable as f64).min(1.0);
            count += 1;
        }
        let std = match &fractions[..count] {
            [one, other] => ((one - other) / 2.0).abs(),
            several if several.len() > 2 => {
                let mean = several.iter().sum::<f64>() / several.len() as f64;
                let squares = several.iter().map(|one| (one - mean) * (one - mean));
                (squares.sum::<f64>() / several.len() as f64).sqrt()
            }
            _ => 0.0,
        };
        ((1.0 - std) * MAX_NODE_SCORE as f64) as i64
    }

    /// How many devices stand for a resource that the node itself lacks, and how many are held.
    fn devices_for(&self, resource: ResourceId, node: NodeId) -> Option<(i64, i64)> {
        if self.devices.is_empty() {
            return None;
        }
        let totals = self.with_device_view(node, |view| {
            self.devices.extended_resource_totals(view, self.catalog.resource_name(resource))
        });
        Some(totals).filter(|(all, _)| *all > 0)
    }

    /// The sum of the weights of the preferred terms, the pod's and its profile's, that match a
    /// node: NodeAffinity's raw score.
    pub(super) fn preferred_weight(&self, rules: &Rules, node: NodeId) -> i32 {
        let name = self.node_name(node);
        let book = self.catalog.rulebook(rules.profile);
        let matching = |terms: &[(i64, NodeSelectorTerm)]| -> i64 {
            let terms = terms.iter();
            let matching =
                terms.filter(|(_, term)| term.matches(name, |key| self.node_label(node, key)));
            matching.map(|(weight, _)| *weight).sum()
        };
        let sum = matching(&rules.preferred) + matching(book.added_preferences());
        i32::try_from(sum).unwrap_or(i32::MAX)
    }
}

/// What would be left, in per cent. Amounts of more than 2^63 / 100 wrap around, as upstream's do.
#[inline]
fn least_allocated(requested: i64, allocatable: i64) -> i64 {
    if requested > allocatable {
        0
    } else {
        (allocatable - requested).wrapping_mul(MAX_NODE_SCORE) / allocatable
    }
}

/// The score of a utilization by straight lines between the points.
fn along_shape(shape: &[ShapePoint], requested: i64, allocatable: i64) -> i64 {
    let utilization =
        if requested > allocatable { 100 } else { requested.wrapping_mul(100) / allocatable };
    let score = |point: &ShapePoint| point.score * SHAPE_SCORE_SCALE;
    let Some(after) = shape.iter().position(|point| utilization <= point.utilization) else {
        return shape.last().map_or(0, score);
    };
    let Some(before) = after.checked_sub(1) else { return score(&shape[0]) };
    let (low, high) = (&shape[before], &shape[after]);
    score(low)
        + (score(high) - score(low)) * (utilization - low.utilization)
            / (high.utilization - low.utilization)
}

/// The ratio, rounded half away from zero.
#[expect(clippy::cast_precision_loss, reason = "upstream computes this in float64")]
#[expect(clippy::cast_possible_truncation, reason = "the value is between 0 and 100")]
fn rounded_ratio(sum: i64, weights: i64) -> i64 {
    (sum as f64 / weights as f64).round() as i64
}

/// TaintToleration's normalised score: the fewer intolerable preferences the better.
#[inline]
pub(super) fn taint_score(against: i64, most_against: i64) -> i64 {
    MAX_NODE_SCORE - share(against, most_against)
}

/// `DefaultNormalizeScore`: the share of the highest, 0–100; 0 everywhere when that is 0.
#[inline]
pub(super) fn share(score: i64, highest: i64) -> i64 {
    if highest == 0 { 0 } else { score * MAX_NODE_SCORE / highest }
}
