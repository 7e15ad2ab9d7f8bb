//! What answers a refusal: for each filter the changes after which it would not refuse any more.
//!
//! What has no answer here (volumes, devices, an imposed affinity, other pods' anti-affinity, a
//! node that has too many pods) is no small change to the pod or the node.

use super::Stage;
use super::change::{CORDON_TAINT, Change};
use crate::catalog::Rules;
use crate::cluster::{Cluster, Fork};
use crate::ids::{NodeId, ShapeId};
use crate::labels::{NodeSelectorTerm, Operator, Requirement};
use crate::pod::{PodSpec, TopologySpreadConstraint};
use crate::pod_affinity::PodAffinityTerm;
use crate::scheduling::profile::Plugin;
use crate::scheduling::refusal::Refusal;
use crate::taints::{Taint, TaintEffect};

/// Taints under these prefixes are put on by Kubernetes when something is wrong with the node: a
/// pod that tolerates one is placed where it cannot run.
const CONDITION_TAINTS: [&str; 2] = ["node.kubernetes.io/", "node.cloudprovider.kubernetes.io/"];
/// Labels under these domains say what a node is. Nobody makes a node something else by a label.
const DESCRIBING_DOMAINS: [&str; 2] = ["kubernetes.io", "k8s.io"];
/// More labels than this are no small change.
const LABELS_MAX: usize = 2;
/// Memory is told in whole units of this; whoever reads it writes `1500Mi`, not the bytes.
const MEMORY_STEP_BYTES: i64 = 1 << 20;

/// Changes that go together; several lists are several ways.
type Answers = Vec<Vec<Change>>;

impl Fork<'_> {
    /// What answers a refusal of the pod on the node. Empty: nothing known.
    pub(super) fn answers(&mut self, stage: &Stage, refusal: &Refusal) -> Answers {
        let (node, spec) = (stage.node, &stage.spec);
        let shape = self.pod(stage.pod).shape;
        let all_of = |changes: Vec<Change>| match changes.as_slice() {
            [] => Vec::new(),
            _ => vec![changes],
        };
        match refusal.plugin {
            Plugin::SchedulingGates => {
                vec![vec![Change::RemoveGates(spec.scheduling_gates.clone())]]
            }
            Plugin::NodeUnschedulable => vec![vec![self.uncordon(node)]],
            Plugin::TaintToleration => all_of(self.untainting(spec, node)),
            Plugin::NodeAffinity => self.affinity_answers(shape, spec, node),
            Plugin::NodePorts => all_of(self.ports_in_use(spec, node)),
            Plugin::NodeResourcesFit => all_of(self.smaller_requests(stage, refusal)),
            Plugin::PodTopologySpread => all_of(self.looser_spread(stage)),
            Plugin::InterPodAffinity => all_of(self.fewer_pod_rules(stage)),
            _ => Vec::new(),
        }
    }

    fn uncordon(&self, node: NodeId) -> Change {
        Change::Uncordon { node: self.node_name(node).to_owned() }
    }

    fn untainting(&self, spec: &PodSpec, node: NodeId) -> Vec<Change> {
        let keeps_off = |taint: &&Taint| {
            taint.effect != TaintEffect::PreferNoSchedule
                && !spec.tolerations.iter().any(|one| one.covers(taint))
        };
        let taints = self.node_taints(node).iter().filter(keeps_off);
        let change = |taint: &Taint| {
            if taint.key == CORDON_TAINT {
                self.uncordon(node)
            } else if CONDITION_TAINTS.iter().any(|prefix| taint.key.starts_with(prefix)) {
                let node = self.node_name(node).to_owned();
                Change::Recover { node, taint: taint.clone() }
            } else {
                Change::Tolerate(taint.clone())
            }
        };
        taints.map(change).collect()
    }

    /// The pod asks for less of the node, or the node gets the labels that are asked for.
    fn affinity_answers(&self, shape: ShapeId, spec: &PodSpec, node: NodeId) -> Answers {
        let mut drops: Vec<Change> = Vec::new();
        let mut wanted: Vec<(String, String)> = Vec::new();
        let mut may_label = true;
        for (key, value) in &spec.node_selector {
            if self.node_label(node, key) != Some(value) {
                wanted.push((key.clone(), value.clone()));
                drops.push(Change::DropNodeSelector { key: key.clone(), value: value.clone() });
            }
        }
        let rules = self.catalog().rules(self.catalog().fit(self.catalog().fit_of(shape)).rules);
        if let Some(nearest) = self.nearest_term(rules, node) {
            may_label = nearest.fields.is_empty() && !nearest.expressions.is_empty();
            for expression in &nearest.expressions {
                let label = label_for(expression);
                may_label &= label.is_some();
                wanted.extend(label);
            }
            let NearestTerm { place: term, expressions, fields } = nearest;
            drops.push(Change::DropNodeConditions { term, expressions, fields });
        }
        may_label &= !wanted.is_empty() && wanted.len() <= LABELS_MAX;
        may_label &= wanted.iter().all(|(key, _)| !is_describing(key));
        let mut answers = Vec::new();
        if may_label {
            let name = self.node_name(node);
            let label = |(key, value)| Change::LabelNode { node: name.to_owned(), key, value };
            answers.push(wanted.into_iter().map(label).collect());
        }
        if !drops.is_empty() {
            answers.push(drops);
        }
        answers
    }

    /// The required term with the fewest conditions that the node does not meet; `None` when one is
    /// met, or there is none.
    fn nearest_term(&self, rules: &Rules, node: NodeId) -> Option<NearestTerm> {
        let name = self.node_name(node);
        let terms = rules.required.as_ref()?;
        if terms.iter().any(|term| term.matches(name, |key| self.node_label(node, key)))
            && rules.named_nodes.as_ref().is_none_or(|names| names.iter().any(|one| one == name))
        {
            return None;
        }
        let unmet = |(place, term): (usize, &NodeSelectorTerm)| NearestTerm {
            place,
            expressions: unmet(&term.expressions, |key| self.node_label(node, key)),
            fields: unmet(&term.fields, |_| Some(name)),
        };
        let terms = terms.iter().enumerate().map(unmet);
        terms.min_by_key(|term| term.expressions.len() + term.fields.len())
    }

    fn ports_in_use(&self, spec: &PodSpec, node: NodeId) -> Vec<Change> {
        let held = |port: &&crate::pod::HostPort| {
            self.node(node).pods.iter().any(|pod| {
                let other = self.shape(self.pod(*pod).shape);
                other.host_ports.iter().any(|held| port.conflicts_with(held))
            })
        };
        spec.host_ports.iter().filter(held).cloned().map(Change::GiveUpHostPort).collect()
    }

    /// Requests cut to what is free; nothing when that is not possible for one of them.
    fn smaller_requests(&self, stage: &Stage, refusal: &Refusal) -> Vec<Change> {
        let mut changes = Vec::new();
        for reason in &refusal.reasons {
            let Some(resource) = reason.strip_prefix("Insufficient ") else { return Vec::new() };
            let Some(from) = stage.spec.requests.get(resource).copied() else { return Vec::new() };
            let free = self.free_for(stage, resource);
            let is_memory = resource == "memory" && free >= MEMORY_STEP_BYTES;
            let to = if is_memory { free - free % MEMORY_STEP_BYTES } else { free };
            if to <= 0 || to >= from {
                return Vec::new();
            }
            changes.push(Change::RequestLess { resource: resource.to_owned(), from, to });
        }
        changes
    }

    /// What is free of a resource, what pods nominated to the node will take left out.
    fn free_for(&self, stage: &Stage, resource: &str) -> i64 {
        let Some(id) = self.catalog().resource(resource) else { return 0 };
        let comes_first = |pod: &&crate::ids::PodId| {
            self.shape(self.pod(**pod).shape).priority >= stage.spec.priority
        };
        let nominated = self.nominated_to(stage.node).iter().filter(comes_first);
        let promised: i64 = nominated
            .filter_map(|pod| self.shape(self.pod(*pod).shape).requests.get(resource))
            .sum();
        self.allocatable(stage.node, id) - self.requested(stage.node, id) - promised
    }

    fn looser_spread(&mut self, stage: &Stage) -> Vec<Change> {
        let hard: Vec<TopologySpreadConstraint> =
            stage.spec.topology_spread.iter().filter(|one| one.hard).cloned().collect();
        let Ok(trial) = self.begin_trial(stage.pod) else { return Vec::new() };
        let Some(filters) = trial.filters() else { return Vec::new() };
        // The profile's constraints are not the pod's to change.
        let own = hard.iter().zip(&filters.hard).filter(|_| hard.len() == filters.hard.len());
        own.filter_map(|(constraint, counted)| {
            let constraint = constraint.clone();
            match self.skew_on(counted, stage.node) {
                None => Some(Change::DropSpread(constraint)),
                Some(skew) if skew > constraint.max_skew => {
                    Some(Change::RaiseMaxSkew { constraint, to: skew })
                }
                Some(_) => None,
            }
        })
        .collect()
    }

    /// The pod's own rules that the node breaks: affinity first, as it is judged first.
    fn fewer_pod_rules(&mut self, stage: &Stage) -> Vec<Change> {
        let Ok(trial) = self.begin_trial(stage.pod) else { return Vec::new() };
        let Some(filters) = trial.filters() else { return Vec::new() };
        let rules = &stage.spec.pod_affinity;
        let is_missed = |sum: usize| self.count_beside(sum, stage.node) == 0;
        if self.misses_affinity(filters, stage.node) {
            return dropped(false, &rules.required, &filters.affinity, is_missed);
        }
        let is_near = |sum: usize| self.count_beside(sum, stage.node) > 0;
        dropped(true, &rules.required_anti, &filters.anti, is_near)
    }
}

impl Cluster {
    /// How far a node's pod requests are beyond what is free, in thousandths of what is asked for,
    /// added up: the smaller, the nearer to fitting.
    pub(super) fn shortfall_permille(&self, shape: ShapeId, node: NodeId) -> i64 {
        let fit = self.catalog.fit(self.catalog.fit_of(shape));
        let missing = |(resource, amount): &(crate::ids::ResourceId, i64)| {
            let free = self.allocatable(node, *resource) - self.requested(node, *resource);
            let lacks = i128::from((amount - free).max(0));
            i64::try_from(lacks * 1000 / i128::from(*amount).max(1)).unwrap_or(i64::MAX)
        };
        fit.requests.iter().map(missing).fold(0, i64::saturating_add)
    }
}

/// A required term and what a node does not meet of it.
struct NearestTerm {
    place: usize,
    expressions: Vec<Requirement>,
    fields: Vec<Requirement>,
}

fn unmet<'a>(
    requirements: &[Requirement],
    value: impl Fn(&str) -> Option<&'a str>,
) -> Vec<Requirement> {
    let is_unmet = |one: &&Requirement| !one.matches_value(value(&one.key));
    requirements.iter().filter(is_unmet).cloned().collect()
}

/// A label that meets the requirement; `None` where it asks for something else.
fn label_for(requirement: &Requirement) -> Option<(String, String)> {
    let value = match requirement.operator {
        Operator::In => requirement.values.first()?.clone(),
        Operator::Exists => String::new(),
        _ => return None,
    };
    Some((requirement.key.clone(), value))
}

fn is_describing(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let is_under = |one: &str| {
        domain.strip_suffix(one).is_some_and(|head| head.is_empty() || head.ends_with('.'))
    };
    DESCRIBING_DOMAINS.into_iter().any(is_under)
}

fn dropped(
    is_anti: bool,
    terms: &[PodAffinityTerm],
    sums: &[usize],
    is_broken: impl Fn(usize) -> bool,
) -> Vec<Change> {
    let broken = terms.iter().zip(sums).filter(|(_, sum)| is_broken(**sum));
    broken.map(|(term, _)| Change::DropPodRule { is_anti, term: term.clone() }).collect()
}
