//! Filters: why a pod does not fit a node, in kube-scheduler's order and words.

use std::collections::BTreeMap;
use std::fmt;

use crate::catalog::{CPU, Fit, MEMORY, PODS};
use crate::cluster::Cluster;
use crate::ids::{NodeId, ResourceId, RulesId, ShapeId};
use crate::taints::first_untolerated;

/// The first filter that refuses a pod on a node, and what it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The node is cordoned.
    NodeUnschedulable,
    /// A taint is not tolerated.
    TaintToleration,
    /// The node selector or the required node affinity does not match.
    NodeAffinity,
    /// `metadata.name` terms name other nodes.
    NodeAffinityNames,
    /// A host port is taken.
    NodePorts,
    /// Not enough of these resources is left; `pods` stands for too many pods.
    NodeResourcesFit(Vec<String>),
}

impl Refusal {
    /// The plugin's name.
    #[must_use]
    pub fn plugin(&self) -> &'static str {
        match self {
            Refusal::NodeUnschedulable => "NodeUnschedulable",
            Refusal::TaintToleration => "TaintToleration",
            Refusal::NodeAffinity | Refusal::NodeAffinityNames => "NodeAffinity",
            Refusal::NodePorts => "NodePorts",
            Refusal::NodeResourcesFit(_) => "NodeResourcesFit",
        }
    }

    /// The plugin's reasons, one by one, as they are counted in the pod's condition.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match self {
            Refusal::NodeUnschedulable => one("node(s) were unschedulable"),
            Refusal::TaintToleration => one("node(s) had untolerated taint(s)"),
            Refusal::NodeAffinity => one("node(s) didn't match Pod's node affinity/selector"),
            Refusal::NodeAffinityNames => one("node(s) didn't satisfy plugin(s) [NodeAffinity]"),
            Refusal::NodePorts => one("node(s) didn't have free ports for the requested pod ports"),
            Refusal::NodeResourcesFit(resources) => resources
                .iter()
                .map(|name| match name.as_str() {
                    "pods" => "Too many pods".to_owned(),
                    name => format!("Insufficient {name}"),
                })
                .collect(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reasons().join(", "))
    }
}

/// The text of the PodScheduled condition: reasons counted over the nodes, sorted as strings.
///
/// Source: `framework.FitError.Error`.
#[must_use]
pub fn describe_refusals<'a>(refusals: impl Iterator<Item = &'a Refusal>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut nodes = 0;
    for refusal in refusals {
        nodes += 1;
        for reason in refusal.reasons() {
            *counts.entry(reason).or_default() += 1;
        }
    }
    if nodes == 0 {
        return "no nodes available to schedule pods".to_owned();
    }
    let mut parts: Vec<String> =
        counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    parts.sort();
    format!("0/{nodes} nodes are available: {}.", parts.join(", "))
}

impl Cluster {
    /// Why a pod of this shape does not fit the node: the first filter that refuses, or `None`.
    #[must_use]
    pub fn refusal(&self, shape: ShapeId, node: NodeId) -> Option<Refusal> {
        let fit = self.catalog.fit(self.catalog.fit_of(shape));
        self.static_refusal(fit.rules, node)
            .or_else(|| self.port_refusal(fit, node))
            .or_else(|| self.room_refusal(fit, node))
    }

    /// Filters that look at labels, taints and cordons only.
    pub(super) fn static_refusal(&self, rules: RulesId, node: NodeId) -> Option<Refusal> {
        let rules = self.catalog.rules(rules);
        if let Some(named) = rules.named_nodes() {
            // PreFilter has narrowed the nodes before any filter runs.
            if named.binary_search(&self.node_name(node)).is_err() {
                return Some(Refusal::NodeAffinityNames);
            }
        }
        if self.nodes.get(node).unschedulable && !rules.tolerate_cordon() {
            return Some(Refusal::NodeUnschedulable);
        }
        if first_untolerated(self.node_taints(node), &rules.tolerations).is_some() {
            return Some(Refusal::TaintToleration);
        }
        (!self.selected_by(rules, node)).then_some(Refusal::NodeAffinity)
    }

    /// Host ports that pods of the node hold already.
    pub(super) fn port_refusal(&self, fit: &Fit, node: NodeId) -> Option<Refusal> {
        if fit.ports.is_empty() {
            return None;
        }
        let taken = self.nodes.get(node).pods.iter().any(|pod| {
            let other = self.catalog.fit(self.catalog.fit_of(self.pods.get(*pod).shape));
            other.ports.iter().any(|held| fit.ports.iter().any(|port| port.conflicts_with(held)))
        });
        taken.then_some(Refusal::NodePorts)
    }

    /// Room by resource, and the number of pods.
    fn room_refusal(&self, fit: &Fit, node: NodeId) -> Option<Refusal> {
        let mut missing = Vec::new();
        if self.requested(node, PODS) + 1 > self.allocatable(node, PODS) {
            missing.push("pods".to_owned());
        }
        for (resource, amount) in &fit.requests {
            if !self.has_room(*resource, *amount, node) {
                missing.push(self.catalog.resource_name(*resource).to_owned());
            }
        }
        (!missing.is_empty()).then_some(Refusal::NodeResourcesFit(missing))
    }

    /// The same as `room_refusal(..).is_none()`, without words.
    #[inline]
    pub(super) fn fit_has_room(&self, fit: &Fit, node: NodeId) -> bool {
        self.has_room(PODS, 1, node)
            && fit.requests.iter().all(|(resource, amount)| self.has_room(*resource, *amount, node))
    }

    #[inline]
    fn has_room(&self, resource: ResourceId, amount: i64, node: NodeId) -> bool {
        self.nodes.requested.get(resource, node) + amount
            <= self.nodes.allocatable.get(resource, node)
    }

    /// Whether a request is more than the whole node has: nothing that leaves would help.
    #[must_use]
    pub fn never_has_room(&self, shape: ShapeId, node: NodeId) -> bool {
        let fit = self.catalog.fit(self.catalog.fit_of(shape));
        fit.requests.iter().any(|(resource, amount)| *amount > self.allocatable(node, *resource))
    }

    /// The cpu (milli) and memory (bytes) that a pod of this shape asks for.
    #[must_use]
    pub fn cpu_and_memory(&self, shape: ShapeId) -> (i64, i64) {
        let fit = self.catalog.fit(self.catalog.fit_of(shape));
        let amount = |id| fit.requests.iter().find(|(one, _)| *one == id).map_or(0, |(_, n)| *n);
        (amount(CPU), amount(MEMORY))
    }
}
