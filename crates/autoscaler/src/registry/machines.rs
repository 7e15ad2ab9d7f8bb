//! Which machines have a Node: kept from walk to walk, as most nodes of one are those of the last.

use std::sync::Arc;

use plimsoll_core::Node;
use plimsoll_core::ids::NodeId;
use rustc_hash::FxHashMap;

/// The cloud's ids of the nodes that the last walk met.
#[derive(Clone, Debug, Default)]
pub(super) struct RegisteredMachines {
    /// By node: its serial and its machine.
    by_node: Vec<Option<(u64, Arc<str>)>>,
    /// How many nodes say that they are this machine (one, where nobody errs), and the last that did.
    nodes_of: FxHashMap<Arc<str>, (u32, NodeId)>,
    /// The walk goes on here.
    next: usize,
}

/// A node that some machine has. A node never becomes another machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RegisteredNode {
    node: NodeId,
    serial: u64,
}

/// No node has this serial: where of several nodes of a machine the one that is known is gone.
const NO_SERIAL: u64 = 0;

impl RegisteredMachines {
    /// A Node of a machine, as of the last walk; `None`: it has none.
    pub(super) fn node_of(&self, machine: &str) -> Option<RegisteredNode> {
        let (_, node) = *self.nodes_of.get(machine)?;
        let known = self.by_node.get(node.index()).and_then(Option::as_ref);
        let serial =
            known.filter(|(_, of)| **of == *machine).map_or(NO_SERIAL, |(serial, _)| *serial);
        Some(RegisteredNode { node, serial })
    }

    /// Whether what was a node of some machine once was there in the last walk.
    #[inline]
    pub(super) fn is_there(&self, one: RegisteredNode) -> bool {
        let known = self.by_node.get(one.node.index()).and_then(Option::as_ref);
        known.is_some_and(|(serial, _)| *serial == one.serial)
    }

    /// A walk over all nodes begins.
    pub(super) fn begin(&mut self) {
        self.next = 0;
    }

    /// The walk meets a node. Nodes come in the order of their ids.
    #[inline]
    pub(super) fn meet(&mut self, id: NodeId, node: &Node) {
        self.pass_until(id.index());
        self.next = id.index() + 1;
        let known = self.by_node.get(id.index()).and_then(Option::as_ref);
        if known.is_none_or(|(serial, _)| *serial != node.serial) {
            self.replace(id, node);
        }
    }

    /// The walk is over.
    pub(super) fn end(&mut self) {
        self.pass_until(self.by_node.len());
    }

    /// There is no node between the last that was met and this index.
    #[inline]
    fn pass_until(&mut self, end: usize) {
        for index in self.next..end.min(self.by_node.len()) {
            self.forget(index);
        }
    }

    fn replace(&mut self, id: NodeId, node: &Node) {
        if self.by_node.len() <= id.index() {
            self.by_node.resize(id.index() + 1, None);
        }
        self.forget(id.index());
        let nodes_of = self.nodes_of.entry(Arc::clone(&node.provider_id)).or_insert((0, id));
        *nodes_of = (nodes_of.0 + 1, id);
        self.by_node[id.index()] = Some((node.serial, Arc::clone(&node.provider_id)));
    }

    fn forget(&mut self, index: usize) {
        let Some((_, machine)) = self.by_node[index].take() else { return };
        if let Some((count, _)) = self.nodes_of.get_mut(&machine) {
            *count -= 1;
            if *count == 0 {
                self.nodes_of.remove(&machine);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_core::{Cluster, NodeBirth};

    fn add(cluster: &mut Cluster, name: &str, machine: &str) -> NodeId {
        let (name, provider_id) = (name.to_owned(), machine.to_owned());
        cluster.add_node(NodeBirth { name, provider_id, ..NodeBirth::default() })
    }

    fn walk(machines: &mut RegisteredMachines, cluster: &Cluster) -> String {
        machines.begin();
        cluster.nodes().for_each(|(id, node)| machines.meet(id, node));
        machines.end();
        let all = ["m-a", "m-b", "m-c"].into_iter();
        all.filter(|one| machines.node_of(one).is_some()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_machine_has_a_node_while_any_node_says_that_it_is_this_machine() {
        let mut cluster = Cluster::default();
        let mut machines = RegisteredMachines::default();
        let a = add(&mut cluster, "a", "m-a");
        let b = add(&mut cluster, "b", "m-b");
        let twin = add(&mut cluster, "b-twin", "m-b");
        assert_eq!(walk(&mut machines, &cluster), "m-a m-b");
        cluster.remove_node(b);
        assert_eq!(walk(&mut machines, &cluster), "m-a m-b", "the twin is still there");
        cluster.remove_node(twin);
        assert_eq!(walk(&mut machines, &cluster), "m-a", "the last slots are empty");
        cluster.remove_node(a);
        assert_eq!(add(&mut cluster, "c", "m-c"), a, "the slot is used again");
        assert_eq!(walk(&mut machines, &cluster), "m-c");
    }
}
