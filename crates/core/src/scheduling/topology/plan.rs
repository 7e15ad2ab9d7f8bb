//! What a kind of pod asks of the counts: made once for a kind, read for every pod of it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::reach::Reach;
use super::tally::{Query, TermUse, is_meant};
use crate::cluster::Cluster;
use crate::ids::{ImageId, ShapeId, WorkloadId};
use crate::labels::{LabelSelector, Labels, Operator, Requirement};
use crate::node::HOSTNAME_LABEL;
use crate::pod::{PodSpec, TopologySpreadConstraint};
use crate::pod_affinity::PodAffinityTerm;
use crate::scheduling::profile::SpreadDefaults;

/// Kinds of owners whose selectors narrow down whom the default constraints spread.
const SELECTING_OWNERS: [&str; 2] = ["ReplicaSet", "StatefulSet"];
/// The kind of owners whose selector is a map of labels, whose values replace those of services.
const OWNER_WITH_LABELS: &str = "ReplicationController";

/// What keeps pods of a shape off nodes. Numbers are places of sums.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct FilterPlan {
    /// Hard spread constraints, in the order of the pod.
    pub(crate) hard: Vec<Hard>,
    /// Required affinity: a sum for each term.
    pub(crate) affinity: Vec<usize>,
    /// The pod's own terms mean itself, so that it may be the first of its kind.
    pub(crate) may_be_first: bool,
    /// Required anti-affinity: a sum for each term.
    pub(crate) anti: Vec<usize>,
}

/// A hard spread constraint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Hard {
    /// The matching pods by domain.
    pub(crate) sum: usize,
    /// How uneven it may be.
    pub(crate) max_skew: i64,
    /// With fewer domains than this the least count is 0.
    pub(crate) min_domains: i64,
    /// 1 when the selector matches the pod itself.
    pub(crate) self_match: i64,
}

/// Everything that other nodes have to say to pods of one shape and controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Plan {
    /// What keeps them off.
    pub(crate) filters: FilterPlan,
    /// Sums of placed pods whose required anti-affinity means them.
    pub(crate) opponents: Vec<usize>,
    /// Soft spread constraints.
    pub(crate) soft: Vec<Soft>,
    /// Nodes without all the keys of the soft constraints score nothing.
    pub(crate) soft_needs_all_keys: bool,
    /// Pod affinity's score: sums and their weights.
    pub(crate) weights: Vec<(usize, i64)>,
    /// The images that it runs, each as often as it is there.
    pub(crate) images: Vec<ImageId>,
    /// How many containers it has.
    pub(crate) image_container_count: u32,
}

/// A soft spread constraint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Soft {
    /// The matching pods by domain; of the hostname, by node.
    pub(crate) count: SoftCount,
    /// The place of the key's domains.
    pub(crate) domains: usize,
    /// How uneven it may be without a loss.
    pub(crate) max_skew: i64,
}

/// Where the matching pods of a soft constraint are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SoftCount {
    /// The hostname counts by node: the place of the tally.
    ByNode(usize),
    /// The place of the sum.
    ByDomain(usize),
}

/// The number of a plan: kinds of pods with equal plans share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PlanId(pub(crate) u32);

/// What a plan was made from: the state of the terms that mean the shape, and of controllers.
type Generation = (u32, u32);

/// Plans made so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plans {
    ids: FxHashMap<Arc<Plan>, PlanId>,
    plans: Vec<Arc<Plan>>,
    /// Of a shape and controller: the state of things that the plan was made in, and the plan.
    of_kind: FxHashMap<(ShapeId, Option<WorkloadId>), (Generation, PlanId)>,
    /// Changes when a controller's selector does.
    pub(crate) generation: u32,
}

impl Plans {
    pub(crate) fn get(&self, id: PlanId) -> &Arc<Plan> {
        &self.plans[id.0 as usize]
    }
}

impl Cluster {
    /// The plan of pods of this shape and controller.
    pub(crate) fn plan_of(&mut self, shape: ShapeId, controller: Option<WorkloadId>) -> PlanId {
        let generation = self.topology.by_shape[shape.index()].generation;
        let generation = (generation, self.topology.plans.generation);
        let kind = (shape, controller);
        if let Some((made_in, plan)) = self.topology.plans.of_kind.get(&kind)
            && *made_in == generation
        {
            return *plan;
        }
        let plan = self.make_plan(shape, controller);
        let plans = &mut self.topology.plans;
        let id = match plans.ids.get(&plan) {
            Some(known) => *known,
            None => {
                let id = PlanId(u32::try_from(plans.plans.len()).expect("plans are few"));
                let plan = Arc::new(plan);
                plans.ids.insert(Arc::clone(&plan), id);
                plans.plans.push(plan);
                id
            }
        };
        // Making a plan may have brought new terms to nobody: the generation stays what it was.
        plans.of_kind.insert(kind, (generation, id));
        id
    }

    fn make_plan(&mut self, shape: ShapeId, controller: Option<WorkloadId>) -> Plan {
        let spec = Arc::clone(self.catalog.shape(shape));
        let filters = if self.has_hard_defaults(shape) {
            self.make_filter_plan(shape, controller).map(|plan| FilterPlan::clone(&plan))
        } else {
            self.topology.filters(shape).map(|plan| FilterPlan::clone(plan))
        };
        let opponents = self.opponents(shape).collect();
        let (soft, soft_needs_all_keys) = self.soft_constraints(shape, controller, &spec);
        let weights = self.affinity_weights(shape, &spec);
        let filters = filters.unwrap_or_default();
        let images = spec.images.iter().map(|name| self.catalog.intern_image_name(name)).collect();
        let image_container_count = spec.image_container_count;
        Plan {
            filters,
            opponents,
            soft,
            soft_needs_all_keys,
            weights,
            images,
            image_container_count,
        }
    }

    /// The sums of placed pods whose required anti-affinity means pods of a shape.
    pub(crate) fn opponents(&self, shape: ShapeId) -> impl Iterator<Item = usize> + '_ {
        let carriers = self.topology.carriers(shape);
        carriers.filter(|(usage, _)| *usage == TermUse::RequiredAnti).map(|(_, sum)| sum)
    }

    pub(crate) fn has_hard_defaults(&self, shape: ShapeId) -> bool {
        match &self.arguments_of(shape).spread {
            SpreadDefaults::System => false,
            SpreadDefaults::List(constraints) => constraints.iter().any(|one| one.hard),
        }
    }

    /// What keeps pods of a shape off nodes; `None` when nothing does.
    pub(super) fn make_filter_plan(
        &mut self,
        shape: ShapeId,
        controller: Option<WorkloadId>,
    ) -> Option<Arc<FilterPlan>> {
        let spec = Arc::clone(self.catalog.shape(shape));
        let hard = self.constraints(shape, controller, &spec, true);
        let rules = &spec.pod_affinity;
        if hard.is_empty() && rules.required.is_empty() && rules.required_anti.is_empty() {
            return None;
        }
        let keys = self.keys_of(&hard);
        let hard = hard.iter().map(|one| self.hard(shape, &spec, one, &keys)).collect();
        let mut plan = FilterPlan { hard, ..FilterPlan::default() };
        if !rules.required.is_empty() {
            let tally = self.tally(Query::Meant(without_keys(&rules.required)));
            let namespaces = self.topology.namespaces();
            plan.may_be_first = rules.required.iter().all(|one| is_meant(one, &spec, namespaces));
            for term in &rules.required {
                let domains = self.domains(&term.topology_key);
                plan.affinity.push(self.sum(tally, domains, Reach::default()));
            }
        }
        plan.anti = rules.required_anti.iter().map(|term| self.sum_of_meant(term)).collect();
        Some(Arc::new(plan))
    }

    fn hard(
        &mut self,
        shape: ShapeId,
        spec: &PodSpec,
        constraint: &TopologySpreadConstraint,
        keys: &[usize],
    ) -> Hard {
        let tally = self.tally(spread_query(spec, constraint));
        let domains = self.domains(&constraint.topology_key);
        let reach = self.reach_of(shape, constraint, keys);
        let sum = self.sum(tally, domains, reach);
        self.topology.sums[sum].keep_levels();
        let selects = constraint.selector.as_ref().is_some_and(|one| one.matches(&spec.labels));
        Hard {
            sum,
            max_skew: constraint.max_skew,
            min_domains: constraint.min_domains.unwrap_or(1),
            self_match: i64::from(selects),
        }
    }

    /// Which nodes count for a constraint of pods of a shape.
    fn reach_of(
        &self,
        shape: ShapeId,
        constraint: &TopologySpreadConstraint,
        keys: &[usize],
    ) -> Reach {
        let id = self.catalog.fit(self.catalog.fit_of(shape)).rules;
        let rules = self.catalog.rules(id);
        let is_choosy = !rules.selector.is_empty() || rules.required.is_some();
        Reach {
            affinity_of: (constraint.honor_affinity && is_choosy).then_some(id),
            tolerations_of: constraint.honor_taints.then_some(id),
            keys: keys.to_vec(),
        }
    }

    /// The keys that a node must have to count, where there are several: of a single one a node
    /// without it has no domain anyway.
    fn keys_of(&mut self, constraints: &[TopologySpreadConstraint]) -> Vec<usize> {
        let mut keys: Vec<usize> =
            constraints.iter().map(|one| self.domains(&one.topology_key)).collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.len() < 2 { Vec::new() } else { keys }
    }

    fn soft_constraints(
        &mut self,
        shape: ShapeId,
        controller: Option<WorkloadId>,
        spec: &PodSpec,
    ) -> (Vec<Soft>, bool) {
        let constraints = self.constraints(shape, controller, spec, false);
        let is_system = matches!(self.arguments_of(shape).spread, SpreadDefaults::System);
        // The system's constraints let nodes without a zone still be spread over by hostname.
        let needs_all_keys = !spec.topology_spread.is_empty() || !is_system;
        let keys = if needs_all_keys { self.keys_of(&constraints) } else { Vec::new() };
        let soft = constraints.iter().map(|constraint| {
            let tally = self.tally(spread_query(spec, constraint));
            let domains = self.domains(&constraint.topology_key);
            let count = if constraint.topology_key == HOSTNAME_LABEL {
                SoftCount::ByNode(tally)
            } else {
                let reach = self.reach_of(shape, constraint, &keys);
                SoftCount::ByDomain(self.sum(tally, domains, reach))
            };
            Soft { count, domains, max_skew: constraint.max_skew }
        });
        (soft.collect(), needs_all_keys)
    }

    /// The constraints of a pod, hard or soft: its own, or the profile's if it has none at all and
    /// something selects it.
    fn constraints(
        &self,
        shape: ShapeId,
        controller: Option<WorkloadId>,
        spec: &PodSpec,
        hard: bool,
    ) -> Vec<TopologySpreadConstraint> {
        let of_this_kind = |one: &&TopologySpreadConstraint| one.hard == hard;
        if !spec.topology_spread.is_empty() {
            return spec.topology_spread.iter().filter(of_this_kind).cloned().collect();
        }
        let defaults = self.arguments_of(shape).spread.constraints();
        let mut defaults: Vec<_> = defaults.iter().filter(of_this_kind).cloned().collect();
        if defaults.is_empty() {
            return defaults;
        }
        let selector = self.default_selector(spec, controller);
        if selector.requirements.is_empty() {
            return Vec::new();
        }
        for constraint in &mut defaults {
            constraint.selector = Some(selector.clone());
        }
        defaults
    }

    /// What the services that select a pod and its controller select, all together.
    ///
    /// Source: `helper.DefaultSelector`.
    fn default_selector(&self, spec: &PodSpec, controller: Option<WorkloadId>) -> LabelSelector {
        let mut labels = Labels::new();
        for selector in self.topology.services_in(&spec.namespace) {
            if selector.iter().all(|(key, value)| spec.labels.get(key) == Some(value)) {
                labels.extend(selector.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
        }
        let owner = controller.map(|id| self.workload(id)).filter(|owner| owner.exists);
        let kind = owner.map_or("", |owner| owner.key.kind.as_str());
        let selected = owner.and_then(|owner| owner.selector.as_ref());
        let selected = selected.map_or(&[][..], |selector| &selector.requirements);
        if kind == OWNER_WITH_LABELS {
            let values = selected.iter().flat_map(|one| one.values.iter().map(|it| (&one.key, it)));
            labels.extend(values.map(|(key, value)| (key.clone(), value.clone())));
        }
        let equal = |(key, value)| Requirement { key, operator: Operator::In, values: vec![value] };
        let mut requirements: Vec<Requirement> = labels.into_iter().map(equal).collect();
        if SELECTING_OWNERS.contains(&kind) {
            for requirement in selected {
                if !requirements.contains(requirement) {
                    requirements.push(requirement.clone());
                }
            }
        }
        requirements.sort_unstable();
        LabelSelector { requirements }
    }

    /// What InterPodAffinity adds up for pods of a shape.
    fn affinity_weights(&mut self, shape: ShapeId, spec: &PodSpec) -> Vec<(usize, i64)> {
        let rules = &spec.pod_affinity;
        let arguments = self.arguments_of(shape).pod_affinity;
        let hard_weight = arguments.hard_weight;
        let has_own = !rules.preferred.is_empty() || !rules.preferred_anti.is_empty();
        if arguments.ignores_preferred_of_existing && !has_own {
            return Vec::new();
        }
        let mut weights: Vec<(usize, i64)> = Vec::new();
        for (weight, term) in &rules.preferred {
            weights.push((self.sum_of_meant(term), *weight));
        }
        for (weight, term) in &rules.preferred_anti {
            weights.push((self.sum_of_meant(term), -*weight));
        }
        let existing = self.topology.carriers(shape).filter_map(|(usage, sum)| match usage {
            TermUse::Preferred(weight) => Some((sum, weight)),
            TermUse::Required if hard_weight > 0 => Some((sum, hard_weight)),
            TermUse::Required | TermUse::RequiredAnti => None,
        });
        weights.extend(existing);
        weights
    }

    /// The pods that one term means, by its domains.
    fn sum_of_meant(&mut self, term: &PodAffinityTerm) -> usize {
        let tally = self.tally(Query::Meant(without_keys(std::slice::from_ref(term))));
        let domains = self.domains(&term.topology_key);
        self.sum(tally, domains, Reach::default())
    }
}

/// What a spread constraint counts: nothing for an empty selector, as upstream has it.
fn spread_query(spec: &PodSpec, constraint: &TopologySpreadConstraint) -> Query {
    match &constraint.selector {
        Some(selector) if !selector.requirements.is_empty() => {
            Query::Spread { namespace: spec.namespace.clone(), selector: selector.clone() }
        }
        _ => Query::Meant(Vec::new()),
    }
}

/// The terms as far as they say which pods are meant: terms that differ by key only share a tally.
fn without_keys(terms: &[PodAffinityTerm]) -> Vec<PodAffinityTerm> {
    let mut terms: Vec<PodAffinityTerm> = terms
        .iter()
        .map(|one| PodAffinityTerm { topology_key: String::new(), ..one.clone() })
        .collect();
    terms.sort_unstable();
    terms.dedup();
    terms
}
