//! Nodes that are alike but for their names and pods: what has to be asked of each one.
//!
//! Whoever tries pods on many copies of one node need not have every filter look at every copy.

use super::profile::Plugin;
use crate::cluster::Cluster;
use crate::ids::{NodeId, ShapeId};

/// What tells nodes apart, for pods of one shape, that are alike but for their names and pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Distinction {
    /// The room that is left; no other pod anywhere matters.
    Room,
    /// Room, and where other pods are.
    OtherPods,
    /// More than that, such as ports, volumes, devices, or the node's name: every node must be
    /// judged in full.
    Everything,
}

impl Cluster {
    /// What tells nodes apart for pods of a shape.
    #[must_use]
    pub fn distinction(&self, shape: ShapeId) -> Distinction {
        let fit = self.catalog.fit(self.catalog.fit_of(shape));
        let rules = self.catalog.rules(fit.rules);
        let book = self.catalog.rulebook(rules.profile);
        let is_ignored = |(resource, _): &(_, i64)| {
            book.ignores(*resource, self.catalog.resource_name(*resource))
        };
        let looks_at_all = !fit.ports.is_empty()
            || rules.look_at_single_nodes()
            || rules.named_nodes.is_some()
            || book.looks_at_names()
            || !book.filters_by(Plugin::NodeResourcesFit)
            || fit.requests.iter().any(is_ignored)
            || self.storage.use_of(shape).is_some()
            || self.may_want_devices(shape);
        if looks_at_all {
            Distinction::Everything
        } else if self.looks_beyond_nodes(shape) {
            Distinction::OtherPods
        } else {
            Distinction::Room
        }
    }

    /// Whether labels, taints, cordon and features of a node let pods of a shape in. Nodes that are
    /// alike give the same answer unless everything tells them apart.
    #[must_use]
    pub fn suits(&self, shape: ShapeId, node: NodeId) -> bool {
        self.is_statically_fit(
            self.catalog.rules(self.catalog.fit(self.catalog.fit_of(shape)).rules),
            node,
        )
    }

    /// Whether other pods, by spread or by affinity, keep pods of a shape off a node.
    #[must_use]
    pub fn others_keep_off(&self, shape: ShapeId, node: NodeId) -> bool {
        let book = self.rulebook_of(shape);
        let plan = self.topology.filters(shape).map(|plan| &**plan);
        if let Some(plan) = plan
            && ((book.filters_by(Plugin::PodTopologySpread) && self.breaks_spread(plan, node))
                || (book.filters_by(Plugin::InterPodAffinity)
                    && (self.misses_affinity(plan, node) || self.breaks_anti_affinity(plan, node))))
        {
            return true;
        }
        book.filters_by(Plugin::InterPodAffinity)
            && self.opponents(shape).any(|sum| self.count_beside(sum, node) > 0)
    }

    /// For each hard spread constraint of a shape the count that nodes are held against. As long as
    /// pods only come and none of these rises, a node that refused such a pod refuses it still.
    /// `None` when pods that come may let it in otherwise, as it wants some of them near.
    pub fn spread_floors(&self, shape: ShapeId, floors: &mut Vec<i64>) -> Option<()> {
        floors.clear();
        let Some(plan) = self.topology.filters(shape) else { return Some(()) };
        if !plan.affinity.is_empty() {
            return None;
        }
        floors.extend(plan.hard.iter().map(|constraint| self.spread_floor(constraint)));
        Some(())
    }
}
