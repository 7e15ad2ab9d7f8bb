//! What a loop found about nodes, for whoever asks for the whole answer.

use plimsoll_core::ids::NodeId;

use super::unremovable::UnremovableReason;
use super::utilization::Utilization;

/// The findings of the last loop. A replay of a month does not want them and leaves them out.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) are_kept: bool,
    pub(super) unremovable: Vec<(NodeId, UnremovableReason)>,
    pub(super) utilization: Vec<(NodeId, Utilization)>,
}

impl Findings {
    pub(super) fn clear(&mut self) {
        self.unremovable.clear();
        self.utilization.clear();
    }

    pub(super) fn unremovable(&mut self, node: NodeId, reason: UnremovableReason) {
        if self.are_kept {
            self.unremovable.push((node, reason));
        }
    }

    pub(super) fn utilization(&mut self, node: NodeId, utilization: Utilization) {
        if self.are_kept {
            self.utilization.push((node, utilization));
        }
    }
}
