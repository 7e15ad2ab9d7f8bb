//! Nodes that could go, and since when.

use std::ops::Range;

use plimsoll_core::ids::NodeId;
use plimsoll_core::{Cluster, SimTime};

/// A node whose pods have another place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnneededNode {
    /// The node.
    pub node: NodeId,
    /// Tells it from an earlier node with the same id.
    pub serial: u64,
    /// The loop that first found it unneeded; it was found so by every loop since.
    pub since: SimTime,
    /// It must be drained: pods have to move.
    pub needs_drain: bool,
    /// Its pods' disruption budgets do not allow all of them to go at one time.
    pub is_risky: bool,
    /// Pods on it are left to finish first.
    pub awaits_completion: bool,
    /// Its pods that move, in the planner's list.
    pub(super) moved: Range<usize>,
}

/// The unneeded nodes in the order in which the last loop took them away.
#[derive(Clone, Debug, Default)]
pub(super) struct UnneededNodes {
    list: Vec<UnneededNode>,
    /// By node: one more than the place in `list`; 0 stands for none.
    places: Vec<u32>,
}

impl UnneededNodes {
    pub(super) fn list(&self) -> &[UnneededNode] {
        &self.list
    }

    /// The place in the list that the node had in the last loop.
    pub(super) fn place(&self, node: NodeId, serial: u64) -> Option<usize> {
        let place = (*self.places.get(node.index())? as usize).checked_sub(1)?;
        (self.list[place].serial == serial).then_some(place)
    }

    /// Takes over what a loop found; who was there before keeps its time.
    pub(super) fn update(&mut self, found: &mut Vec<UnneededNode>) {
        for one in found.iter_mut() {
            if let Some(place) = self.place(one.node, one.serial) {
                one.since = self.list[place].since;
            }
        }
        for one in &self.list {
            self.places[one.node.index()] = 0;
        }
        std::mem::swap(&mut self.list, found);
        found.clear();
        for (place, one) in self.list.iter().enumerate() {
            if self.places.len() <= one.node.index() {
                self.places.resize(one.node.index() + 1, 0);
            }
            self.places[one.node.index()] =
                u32::try_from(place + 1).expect("no more entries than nodes");
        }
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.update(&mut Vec::new());
    }

    /// Takes over the times that soft taints say, as after a restart.
    pub(super) fn restore(&mut self, cluster: &Cluster, times: &[(NodeId, SimTime)]) {
        let mut found = times
            .iter()
            .map(|(node, since)| UnneededNode {
                node: *node,
                serial: cluster.node(*node).serial,
                since: *since,
                needs_drain: false,
                is_risky: false,
                awaits_completion: false,
                moved: 0..0,
            })
            .collect();
        self.update(&mut found);
    }
}
