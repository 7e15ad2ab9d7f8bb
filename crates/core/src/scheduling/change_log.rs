//! Which nodes changed, in order, for whoever wants to catch up.

use crate::ids::NodeId;

/// The log keeps at least so many changes before the older half is dropped.
const LENGTH_MIN: usize = 8192;

/// A log of changed nodes. Positions count from the beginning of time.
#[derive(Clone, Debug, Default)]
pub(super) struct ChangeLog {
    /// Each entry is a changed node and the position of its change before that.
    entries: Vec<(NodeId, u64)>,
    /// The position of `entries[0]`.
    start: u64,
    /// The position of the latest change of each node slot: earlier ones need no look.
    latest: Vec<u64>,
    /// Pods that come and go are not noted for now.
    is_quiet: bool,
}

impl ChangeLog {
    #[inline]
    pub(super) fn push(&mut self, node: NodeId) {
        if self.latest.len() <= node.index() {
            self.latest.resize(node.index() + 1, 0);
        }
        let position = self.end();
        let before = std::mem::replace(&mut self.latest[node.index()], position);
        self.entries.push((node, before));
    }

    /// Notes that pods came to a node or left it, unless it stands in the part that is about to be
    /// cut off already.
    #[inline]
    pub(super) fn push_pods(&mut self, node: NodeId) {
        if !self.is_quiet {
            self.push(node);
        }
    }

    /// Pods that come and go from now on, until the log is cut at a position, take back what stands
    /// after it. Nothing happens when the log does not reach back that far, as it cannot be cut
    /// there then.
    pub(super) fn be_quiet_until_cut(&mut self, position: u64) {
        self.is_quiet = position >= self.start;
    }

    /// Where the next change will stand.
    pub(super) fn end(&self) -> u64 {
        self.start + self.entries.len() as u64
    }

    /// The nodes that changed at or after a position, each once; `None` when the log does not reach
    /// back that far.
    pub(super) fn since(&self, position: u64) -> Option<impl Iterator<Item = NodeId> + '_> {
        let from = usize::try_from(position.checked_sub(self.start)?).expect("inside the log");
        let changes = (position..).zip(&self.entries[from..]);
        // A node that changed again further on is looked at there.
        Some(changes.filter_map(|(position, (node, _))| {
            (self.latest[node.index()] == position).then_some(*node)
        }))
    }

    /// Forgets what stands at or after a position, and returns the nodes that changed there; `None`
    /// when the log does not reach back that far.
    pub(super) fn cut(&mut self, position: u64) -> Option<Vec<NodeId>> {
        self.is_quiet = false;
        let kept = usize::try_from(position.checked_sub(self.start)?).expect("inside the log");
        for (node, before) in self.entries[kept..].iter().rev() {
            self.latest[node.index()] = *before;
        }
        Some(self.entries.drain(kept..).map(|(node, _)| node).collect())
    }

    /// Drops the older part of a log that has become long for so many nodes.
    pub(super) fn trim(&mut self, node_slots: usize) {
        let limit = LENGTH_MIN.max(4 * node_slots);
        if self.entries.len() > limit {
            let dropped = self.entries.len() - limit / 2;
            self.entries.drain(..dropped);
            self.start += dropped as u64;
        }
    }
}
