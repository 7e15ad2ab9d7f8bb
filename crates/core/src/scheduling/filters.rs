//! Filters: why a pod does not fit a node, in kube-scheduler's order.

use super::Kind;
use super::prepared::Prepared;
use super::profile::Plugin;
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use crate::catalog::{CPU, Fit, MEMORY, PODS, Rules};
use crate::cluster::Cluster;
use crate::ids::{NodeId, ResourceId, ShapeId};
use crate::taints::first_untolerated;

impl Cluster {
    /// Why a pod of this shape does not fit the node: the first filter that refuses, in the order
    /// of its profile, or `None`.
    #[must_use]
    pub fn refusal(&self, shape: ShapeId, node: NodeId) -> Option<Refusal> {
        match self.prepare(Kind::of(shape)) {
            Ok(prepared) => self.refusal_by_node(shape, &prepared, node),
            Err(refusal) => Some(refusal),
        }
    }

    /// Why a pod of this shape fits no node at all, whatever the nodes: what upstream finds out
    /// before it looks at one.
    #[must_use]
    pub fn refusal_of_pod(&self, shape: ShapeId) -> Option<Refusal> {
        self.prepare(Kind::of(shape)).err()
    }

    /// The first filter that refuses the node.
    pub(super) fn refusal_by_node(
        &self,
        shape: ShapeId,
        prepared: &Prepared,
        node: NodeId,
    ) -> Option<Refusal> {
        let plan = prepared.filters.as_deref();
        let fit = self.catalog.fit(self.catalog.fit_of(shape));
        let rules = self.catalog.rules(fit.rules);
        let book = self.catalog.rulebook(rules.profile);
        if book.narrows_by_name() && self.is_not_named(rules, node) {
            let reason = "node(s) didn't satisfy plugin(s) [NodeAffinity]";
            return Some(Refusal::unresolvable(Plugin::NodeAffinity, reason));
        }
        let filters = book.profile.filters.iter();
        filters.copied().find_map(|plugin| match plugin {
            Plugin::NodeUnschedulable => self.cordon_refusal(rules, node),
            Plugin::TaintToleration => self.taint_refusal(rules, node),
            Plugin::NodeAffinity => self.node_affinity_refusal(rules, book, node),
            Plugin::NodePorts => self.port_refusal(fit, node),
            Plugin::NodeResourcesFit => self.room_refusal(fit, book, node),
            Plugin::PodTopologySpread => self.spread_refusal(plan?, node),
            Plugin::InterPodAffinity if prepared.skips_pod_affinity => None,
            Plugin::InterPodAffinity => self.pod_affinity_refusal(shape, plan, node),
            Plugin::NodeDeclaredFeatures => self.features_refusal(rules, node),
            Plugin::DynamicResources => self.device_refusal(shape, prepared, node),
            plugin => self.volume_refusal(prepared, plugin, node),
        })
    }

    /// PreFilter has narrowed the nodes to those that the terms name, and this is another.
    fn is_not_named(&self, rules: &Rules, node: NodeId) -> bool {
        let name = self.node_name(node);
        let is_other =
            |named: &Vec<String>| named.binary_search_by(|one| one.as_str().cmp(name)).is_err();
        rules.named_nodes.as_ref().is_some_and(is_other)
    }

    fn cordon_refusal(&self, rules: &Rules, node: NodeId) -> Option<Refusal> {
        (self.nodes.get(node).unschedulable && !rules.tolerate_cordon())
            .then(|| Refusal::unresolvable(Plugin::NodeUnschedulable, "node(s) were unschedulable"))
    }

    fn taint_refusal(&self, rules: &Rules, node: NodeId) -> Option<Refusal> {
        first_untolerated(self.node_taints(node), &rules.tolerations).map(|_| {
            Refusal::unresolvable(Plugin::TaintToleration, "node(s) had untolerated taint(s)")
        })
    }

    fn node_affinity_refusal(
        &self,
        rules: &Rules,
        book: &Rulebook,
        node: NodeId,
    ) -> Option<Refusal> {
        let reason = if !self.is_added_affinity_met(book, node) {
            "node(s) didn't match scheduler-enforced node affinity"
        } else if !self.selected_by(rules, node) {
            "node(s) didn't match Pod's node affinity/selector"
        } else {
            return None;
        };
        Some(Refusal::unresolvable(Plugin::NodeAffinity, reason))
    }

    fn is_added_affinity_met(&self, book: &Rulebook, node: NodeId) -> bool {
        book.added_terms().is_none_or(|terms| {
            let name = self.node_name(node);
            terms.iter().any(|term| term.matches(name, |key| self.node_label(node, key)))
        })
    }

    fn features_refusal(&self, rules: &Rules, node: NodeId) -> Option<Refusal> {
        let declared = &self.catalog.template(self.nodes.get(node).template).declared_features;
        let lacks = rules.features.iter().any(|one| declared.binary_search(one).is_err());
        lacks.then(|| {
            let reason = "node(s) didn't match Pod's required features";
            Refusal::unresolvable(Plugin::NodeDeclaredFeatures, reason)
        })
    }

    /// Filters that look at labels, taints and cordons only, in no particular order.
    pub(super) fn is_statically_fit(&self, rules: &Rules, node: NodeId) -> bool {
        let book = self.catalog.rulebook(rules.profile);
        let affinity_holds = !book.filters_by(Plugin::NodeAffinity)
            || (self.is_added_affinity_met(book, node) && self.selected_by(rules, node));
        affinity_holds
            && !(book.narrows_by_name() && self.is_not_named(rules, node))
            && (!book.filters_by(Plugin::NodeUnschedulable)
                || self.cordon_refusal(rules, node).is_none())
            && (!book.filters_by(Plugin::TaintToleration)
                || self.taint_refusal(rules, node).is_none())
            && (!book.filters_by(Plugin::NodeDeclaredFeatures)
                || self.features_refusal(rules, node).is_none())
    }

    /// Whether a pod of this shape selects the node and tolerates it, whatever the room there: what
    /// DaemonSets ask of a node.
    #[must_use]
    pub fn selects_and_tolerates(&self, shape: ShapeId, node: NodeId) -> bool {
        let fit = self.catalog.fit(self.catalog.fit_of(shape));
        self.is_statically_fit(self.catalog.rules(fit.rules), node)
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
        taken.then(|| {
            let reason = "node(s) didn't have free ports for the requested pod ports";
            Refusal::new(Plugin::NodePorts, reason)
        })
    }

    /// Room by resource, and the number of pods.
    fn room_refusal(&self, fit: &Fit, book: &Rulebook, node: NodeId) -> Option<Refusal> {
        let mut refusal =
            Refusal { reasons: Vec::new(), ..Refusal::new(Plugin::NodeResourcesFit, "") };
        if !self.has_room(PODS, 1, node) {
            refusal.reasons.push("Too many pods".into());
        }
        for (resource, amount) in &fit.requests {
            let name = self.catalog.resource_name(*resource);
            if !self.has_room(*resource, *amount, node)
                && !book.ignores(*resource, name)
                && !self.is_left_to_devices(*resource, name, node)
            {
                refusal.reasons.push(format!("Insufficient {name}").into());
                refusal.resolvable &= *amount <= self.allocatable(node, *resource);
            }
        }
        (!refusal.reasons.is_empty()).then_some(refusal)
    }

    /// The same as `room_refusal(..).is_none()`, without words.
    #[inline]
    pub(super) fn fit_has_room(&self, fit: &Fit, book: &Rulebook, node: NodeId) -> bool {
        !book.filters_by(Plugin::NodeResourcesFit)
            || (self.has_room(PODS, 1, node)
                && fit.requests.iter().all(|(resource, amount)| {
                    let name = || self.catalog.resource_name(*resource);
                    self.has_room(*resource, *amount, node)
                        || book.ignores(*resource, name())
                        || self.is_left_to_devices(*resource, name(), node)
                }))
    }

    /// Whether DynamicResources looks after a resource that the node lacks.
    fn is_left_to_devices(&self, resource: ResourceId, name: &str, node: NodeId) -> bool {
        !self.devices.is_empty()
            && self.allocatable(node, resource) == 0
            && self.devices.extended_resource_class(name).is_some()
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
