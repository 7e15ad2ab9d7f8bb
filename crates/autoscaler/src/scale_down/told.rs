//! What was told about nodes, so that each finding is told once.

use plimsoll_core::Cluster;
use plimsoll_core::SimTime;
use plimsoll_core::ids::NodeId;

use super::StartedScaleDown;
use super::unneeded::UnneededNode;
use super::unremovable::UnremovableReason;
use crate::action::DeletionCause;
use crate::{Reason, Subject};

/// The last word on each node.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    by_node: Vec<Option<(u64, UnremovableReason)>>,
}

impl Told {
    /// Tells why nodes that were simulated have to stay, where that is not the last word on them.
    pub(super) fn unremovable(
        &mut self,
        cluster: &Cluster,
        stay: &[(NodeId, UnremovableReason)],
    ) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for (node, reason) in stay {
            let word = Some((cluster.node(*node).serial, *reason));
            let last = self.slot(*node);
            if *last == word {
                continue;
            }
            *last = word;
            let text = match reason.blocking_pod() {
                Some((pod, why)) => format!("{reason}: {} ({why})", cluster.pod_full_name(pod)),
                None => reason.to_string(),
            };
            reasons.push(about(cluster, *node, text));
        }
        reasons
    }

    /// Tells which nodes have become unneeded.
    pub(super) fn unneeded(
        &mut self,
        cluster: &Cluster,
        unneeded: &[UnneededNode],
        now: SimTime,
        reasons: &mut Vec<Reason>,
    ) {
        for one in unneeded.iter().filter(|one| one.since == now) {
            *self.slot(one.node) = None;
            reasons.push(about(cluster, one.node, "unneeded".to_owned()));
        }
    }

    fn slot(&mut self, node: NodeId) -> &mut Option<(u64, UnremovableReason)> {
        if self.by_node.len() <= node.index() {
            self.by_node.resize(node.index() + 1, None);
        }
        &mut self.by_node[node.index()]
    }
}

/// Tells which nodes start to go.
pub(super) fn started(cluster: &Cluster, started: &[StartedScaleDown], reasons: &mut Vec<Reason>) {
    for one in started {
        let text = match one.cause {
            DeletionCause::Empty => "removing empty node".to_owned(),
            DeletionCause::Underutilized => {
                let names: Vec<String> =
                    one.moves.iter().map(|pod| cluster.pod_full_name(*pod)).collect();
                format!("removing node, pods to reschedule: {}", names.join(", "))
            }
        };
        reasons.push(about(cluster, one.node, text));
    }
}

fn about(cluster: &Cluster, node: NodeId, text: String) -> Reason {
    Reason { subject: Subject::Node(cluster.node_name(node).to_owned()), text }
}
