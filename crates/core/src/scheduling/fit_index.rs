//! Which nodes a kind of pod fits on by what is local to a node: one bit each.

use super::node_set::NodeSet;
use crate::cluster::Cluster;
use crate::ids::{FitId, NodeId};

/// Which nodes one fit fits on, other nodes' pods aside.
#[derive(Clone, Debug, Default)]
pub(super) struct FitIndex {
    /// One bit a node slot.
    words: Vec<u64>,
    /// How far in the log this index has come.
    pub(super) seen: u64,
    pub(super) asked: u64,
}

impl FitIndex {
    pub(super) fn is_built(&self) -> bool {
        !self.words.is_empty()
    }

    pub(super) fn build(&mut self, cluster: &mut Cluster, fit: FitId) {
        let slots = cluster.nodes.slot_count();
        self.words = vec![0; slots.div_ceil(64).max(1)];
        for index in 0..slots {
            self.refresh(cluster, fit, NodeId::at(index));
        }
    }

    pub(super) fn grow(&mut self, slots: usize) {
        if self.words.len() < slots.div_ceil(64) {
            self.words.resize(slots.div_ceil(64), 0);
        }
    }

    pub(super) fn refresh(&mut self, cluster: &mut Cluster, fit: FitId, node: NodeId) {
        let Some(word) = self.words.get_mut(node.index() / 64) else {
            // The slot came and went with a fork.
            return;
        };
        let bit = 1 << (node.index() % 64);
        if cluster.nodes.find(node).is_some() && cluster.fits_node(fit, node) {
            *word |= bit;
        } else {
            *word &= !bit;
        }
    }

    /// The first node it fits on in `from..end`.
    pub(super) fn next_fit(&self, from: usize, end: usize) -> Option<NodeId> {
        let mut position = from;
        while position < end {
            let word = self.words.get(position / 64)? >> (position % 64);
            if word != 0 {
                let found = position + word.trailing_zeros() as usize;
                return (found < end).then(|| NodeId::at(found));
            }
            position = (position / 64 + 1) * 64;
        }
        None
    }

    /// The first node of a set that it fits on in `from..end`.
    pub(super) fn next_fit_among(
        &self,
        among: &NodeSet,
        from: usize,
        end: usize,
    ) -> Option<NodeId> {
        let mut position = from;
        while position < end {
            let word =
                (self.words.get(position / 64)? & among.word(position / 64)) >> (position % 64);
            if word != 0 {
                let found = position + word.trailing_zeros() as usize;
                return (found < end).then(|| NodeId::at(found));
            }
            position = (position / 64 + 1) * 64;
        }
        None
    }

    /// The nodes it fits on, in the order of their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        let end = self.words.len() * 64;
        let mut position = 0;
        std::iter::from_fn(move || {
            let node = self.next_fit(position, end)?;
            position = node.index() + 1;
            Some(node)
        })
    }

    pub(super) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }
}
