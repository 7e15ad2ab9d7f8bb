//! PodTopologySpread's score: pods of one kind are kept apart over hosts and zones.
//!
//! How many matching pods each node has is counted as pods are bound, never recounted; a fork
//! counts with it.
//!
//! Source: `pkg/scheduler/framework/plugins/podtopologyspread/scoring.go`.

use rustc_hash::FxHashMap;

use super::fit_index::FitIndex;
use crate::cluster::Cluster;
use crate::ids::{NodeId, ShapeId, WorkloadId};
use crate::labels::LabelSelector;
use crate::node::HOSTNAME_LABEL;
use crate::pod::PodSpec;

/// The label of the default constraint over zones.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
/// The system's default constraints: key and maxSkew, both `ScheduleAnyway`.
const DEFAULT_CONSTRAINTS: [(&str, i64); 2] = [(HOSTNAME_LABEL, 3), (ZONE_LABEL, 5)];
/// Owners whose selector makes the default constraints apply.
const SELECTING_OWNERS: [&str; 3] = ["ReplicaSet", "StatefulSet", "ReplicationController"];
/// A node without the label.
const NO_DOMAIN: u32 = u32::MAX;
/// The highest score a plugin gives.
const MAX_NODE_SCORE: i64 = 100;

/// Counts of matching pods by node, and the domains of nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spread {
    counters: Vec<Counter>,
    by_selector: FxHashMap<(String, LabelSelector), usize>,
    /// For each shape the counters that its pods count in.
    by_shape: Vec<Vec<usize>>,
    domains: Vec<Domains>,
}

/// How many pods of a namespace that a selector matches each node has.
#[derive(Clone, Debug)]
struct Counter {
    namespace: String,
    selector: LabelSelector,
    by_node: Vec<i64>,
}

/// Which domain of a topology key each node is in.
#[derive(Clone, Debug)]
struct Domains {
    key: String,
    names: FxHashMap<String, u32>,
    by_node: Vec<u32>,
}

/// A soft constraint, ready to be scored.
struct Constraint {
    counter: usize,
    max_skew: i64,
    /// `None` is the hostname: each node is its own domain.
    domains: Option<usize>,
}

impl Spread {
    /// A pod of this shape was bound (+1), or left or was asked to go (−1).
    pub(crate) fn account(&mut self, shape: ShapeId, node: NodeId, sign: i64) {
        let Some(counters) = self.by_shape.get(shape.index()) else { return };
        for counter in counters {
            let by_node = &mut self.counters[*counter].by_node;
            if by_node.len() <= node.index() {
                by_node.resize(node.index() + 1, 0);
            }
            by_node[node.index()] += sign;
        }
    }

    /// A node came: look which domains it is in.
    pub(crate) fn node_came<'a>(&mut self, node: NodeId, label: impl Fn(&str) -> Option<&'a str>) {
        for domains in &mut self.domains {
            domains.place(node, label(&domains.key));
        }
    }

    /// A shape is new: look which counters its pods count in.
    pub(crate) fn shape_came(&mut self, shape: ShapeId, spec: &PodSpec) {
        let counters = self.counters.iter().enumerate();
        let matching = counters.filter(|(_, one)| one.matches(spec)).map(|(index, _)| index);
        let matching: Vec<usize> = matching.collect();
        if self.by_shape.len() <= shape.index() {
            self.by_shape.resize(shape.index() + 1, Vec::new());
        }
        self.by_shape[shape.index()] = matching;
    }
}

impl Counter {
    fn matches(&self, spec: &PodSpec) -> bool {
        self.namespace == spec.namespace && self.selector.matches(&spec.labels)
    }
}

impl Domains {
    fn place(&mut self, node: NodeId, value: Option<&str>) {
        if self.by_node.len() <= node.index() {
            self.by_node.resize(node.index() + 1, NO_DOMAIN);
        }
        let next = u32::try_from(self.names.len()).expect("domains are few");
        self.by_node[node.index()] = match value {
            None => NO_DOMAIN,
            Some(value) => *self.names.entry(value.to_owned()).or_insert(next),
        };
    }
}

impl Cluster {
    /// The normalised score, 0–100, of each node slot for a pod; `None` when the plugin skips it.
    pub(super) fn spread_scores(
        &mut self,
        shape: ShapeId,
        controller: Option<WorkloadId>,
        index: &FitIndex,
    ) -> Option<Vec<i64>> {
        let spec = std::sync::Arc::clone(self.catalog.shape(shape));
        let own = !spec.topology_spread.is_empty();
        let constraints = if own {
            self.own_constraints(&spec)
        } else {
            self.default_constraints(&spec, controller?)
        };
        if constraints.is_empty() {
            return None;
        }
        let feasible: Vec<NodeId> = index.iter().collect();
        // A pod's own constraints are about nodes that have all their keys.
        let ignored =
            |node: NodeId| own && constraints.iter().any(|one| self.domain_of(one, node).is_none());
        let counted: Vec<NodeId> =
            feasible.iter().copied().filter(|node| !ignored(*node)).collect();
        let mut raw = vec![0.0; counted.len()];
        for constraint in &constraints {
            let count = |node: NodeId| !ignored(node);
            self.add_constraint(constraint, shape, &counted, count, &mut raw);
        }
        Some(normalise(&counted, &raw, self.nodes.slot_count()))
    }

    fn own_constraints(&mut self, spec: &PodSpec) -> Vec<Constraint> {
        let soft = spec.topology_spread.iter().filter(|one| !one.hard);
        soft.filter_map(|one| {
            let selector = one.selector.clone()?;
            Some(self.constraint(&spec.namespace, selector, &one.topology_key, one.max_skew))
        })
        .collect()
    }

    /// The system's constraints, for a pod that the selector of its owner matches.
    fn default_constraints(&mut self, spec: &PodSpec, controller: WorkloadId) -> Vec<Constraint> {
        let owner = self.workload(controller);
        let Some(selector) = owner.selector.clone() else { return Vec::new() };
        let applies = SELECTING_OWNERS.contains(&owner.key.kind.as_str())
            && !selector.requirements.is_empty()
            && selector.matches(&spec.labels);
        if !applies {
            return Vec::new();
        }
        DEFAULT_CONSTRAINTS
            .iter()
            .map(|(key, skew)| self.constraint(&spec.namespace, selector.clone(), key, *skew))
            .collect()
    }

    fn constraint(
        &mut self,
        namespace: &str,
        selector: LabelSelector,
        key: &str,
        max_skew: i64,
    ) -> Constraint {
        Constraint {
            counter: self.counter(namespace, selector),
            max_skew,
            domains: (key != HOSTNAME_LABEL).then(|| self.domains(key)),
        }
    }

    /// The counter of a selector; a new one counts what is bound.
    fn counter(&mut self, namespace: &str, selector: LabelSelector) -> usize {
        let identity = (namespace.to_owned(), selector);
        if let Some(known) = self.spread.by_selector.get(&identity) {
            return *known;
        }
        let place = self.spread.counters.len();
        let mut counter = Counter {
            namespace: identity.0.clone(),
            selector: identity.1.clone(),
            by_node: vec![0; self.nodes.slot_count()],
        };
        self.spread.by_shape.resize(self.catalog.shape_count(), Vec::new());
        for shape in 0..self.catalog.shape_count() {
            if counter.matches(self.catalog.shape(ShapeId::at(shape))) {
                self.spread.by_shape[shape].push(place);
            }
        }
        for (_, pod) in self.pods() {
            let Some(node) = pod.node.filter(|_| pod.deletion_at.is_none()) else { continue };
            if self.spread.by_shape[pod.shape.index()].contains(&place) {
                counter.by_node[node.index()] += 1;
            }
        }
        self.spread.counters.push(counter);
        self.spread.by_selector.insert(identity, place);
        place
    }

    /// The domains of a key; new ones are read off the nodes there are.
    fn domains(&mut self, key: &str) -> usize {
        if let Some(known) = self.spread.domains.iter().position(|one| one.key == key) {
            return known;
        }
        let mut domains =
            Domains { key: key.to_owned(), names: FxHashMap::default(), by_node: Vec::new() };
        for (id, _) in self.nodes() {
            domains.place(id, self.node_label(id, key));
        }
        self.spread.domains.push(domains);
        self.spread.domains.len() - 1
    }

    fn domain_of(&self, constraint: &Constraint, node: NodeId) -> Option<u32> {
        match constraint.domains {
            None => self.nodes.get(node).hostname.as_ref().map(|_| node.0),
            Some(domains) => {
                let by_node = &self.spread.domains[domains].by_node;
                by_node.get(node.index()).copied().filter(|one| *one != NO_DOMAIN)
            }
        }
    }

    /// Adds `count × ln(domains + 2) + maxSkew − 1` to each node that has the key. `counts` says
    /// whether the pods on a node, which need not be among those that are scored, count.
    #[expect(clippy::cast_precision_loss, reason = "upstream computes these in float64")]
    fn add_constraint(
        &self,
        constraint: &Constraint,
        shape: ShapeId,
        counted: &[NodeId],
        counts: impl Fn(NodeId) -> bool,
        raw: &mut [f64],
    ) {
        let by_node = &self.spread.counters[constraint.counter].by_node;
        let on_node = |node: NodeId| by_node.get(node.index()).copied().unwrap_or(0);
        let skew = (constraint.max_skew - 1) as f64;
        let Some(domains) = constraint.domains else {
            let weight = ((counted.len() + 2) as f64).ln();
            for (node, raw) in counted.iter().zip(raw) {
                if self.nodes.get(*node).hostname.is_some() {
                    *raw += on_node(*node) as f64 * weight + skew;
                }
            }
            return;
        };
        let domains = &self.spread.domains[domains];
        let mut sums = vec![None; domains.names.len()];
        for node in counted {
            if let Some(domain) = self.domain_of(constraint, *node) {
                sums[domain as usize] = Some(0_i64);
            }
        }
        let present = sums.iter().flatten().count();
        let rules = self.catalog.rules(self.catalog.fit(self.catalog.fit_of(shape)).rules);
        let all_selected = rules.selector.is_empty() && rules.required.is_none();
        for (index, count) in by_node.iter().enumerate().filter(|(_, count)| **count > 0) {
            let node = NodeId::at(index);
            let Some(sum) =
                self.domain_of(constraint, node).and_then(|domain| sums[domain as usize].as_mut())
            else {
                continue;
            };
            // nodeAffinityPolicy Honor: nodes that the pod could never use do not count.
            if counts(node) && (all_selected || self.selected_by(rules, node)) {
                *sum += count;
            }
        }
        let weight = ((present + 2) as f64).ln();
        for (node, raw) in counted.iter().zip(raw) {
            if let Some(domain) = self.domain_of(constraint, *node) {
                let count = sums[domain as usize].unwrap_or(0);
                *raw += count as f64 * weight + skew;
            }
        }
    }
}

/// `100 × (max + min − s) / max` of the rounded scores, 100 when the highest is 0; 0 for nodes that
/// are not counted.
#[expect(clippy::cast_possible_truncation, reason = "scores are far below 2^53")]
fn normalise(counted: &[NodeId], raw: &[f64], slots: usize) -> Vec<i64> {
    let rounded: Vec<i64> = raw.iter().map(|score| score.round() as i64).collect();
    let highest = rounded.iter().copied().max().unwrap_or(0);
    let lowest = rounded.iter().copied().min().unwrap_or(0);
    let mut scores = vec![0; slots];
    for (node, score) in counted.iter().zip(rounded) {
        scores[node.index()] = if highest == 0 {
            MAX_NODE_SCORE
        } else {
            MAX_NODE_SCORE * (highest + lowest - score) / highest
        };
    }
    scores
}

#[cfg(test)]
mod tests;
