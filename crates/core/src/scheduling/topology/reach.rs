//! Which nodes count when pods are counted over domains.

use crate::cluster::Cluster;
use crate::ids::{NodeId, RulesId};
use crate::taints::first_untolerated;

use super::domains::NO_DOMAIN;

/// Which nodes count. The default: all of them.
///
/// Source: `nodeAffinityPolicy` and `nodeTaintsPolicy` of KEP-3094, and the rule that a node counts
/// for a pod's own constraints only if it has all their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reach {
    /// Only nodes that the selector and the required node affinity of these rules match.
    pub(crate) affinity_of: Option<RulesId>,
    /// Only nodes whose taints these rules tolerate.
    pub(crate) tolerations_of: Option<RulesId>,
    /// Only nodes with a domain of each of these keys, by the places of their domains.
    pub(crate) keys: Vec<usize>,
}

impl Reach {
    /// Whether every node counts.
    pub(crate) fn is_everywhere(&self) -> bool {
        *self == Reach::default()
    }
}

impl Cluster {
    /// Whether a node that is there counts.
    pub(super) fn is_in_reach(&self, reach: &Reach, node: NodeId) -> bool {
        reach.keys.iter().all(|key| self.topology.domains[*key].of(node) != NO_DOMAIN)
            && reach.affinity_of.is_none_or(|rules| {
                let rules = self.catalog.rules(rules);
                (rules.selector.is_empty() && rules.required.is_none())
                    || self.selected_by(rules, node)
            })
            && reach.tolerations_of.is_none_or(|rules| {
                let tolerations = &self.catalog.rules(rules).tolerations;
                first_untolerated(self.node_taints(node), tolerations).is_none()
            })
    }
}
