//! Some of the nodes, one bit each.

use crate::ids::NodeId;

/// A set of nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSet {
    words: Vec<u64>,
}

impl NodeSet {
    /// Takes all nodes out.
    pub fn clear(&mut self) {
        self.words.clear();
    }

    /// Puts a node in.
    pub fn insert(&mut self, node: NodeId) {
        if self.words.len() <= node.index() / 64 {
            self.words.resize(node.index() / 64 + 1, 0);
        }
        self.words[node.index() / 64] |= 1 << (node.index() % 64);
    }

    /// Takes a node out.
    pub fn remove(&mut self, node: NodeId) {
        if let Some(word) = self.words.get_mut(node.index() / 64) {
            *word &= !(1 << (node.index() % 64));
        }
    }

    /// Whether a node is in.
    #[must_use]
    #[inline]
    pub fn contains(&self, node: NodeId) -> bool {
        self.word(node.index() / 64) & (1 << (node.index() % 64)) != 0
    }

    /// The bits of 64 nodes.
    #[inline]
    pub(super) fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(0)
    }
}
