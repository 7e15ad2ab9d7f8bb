//! Transactions: what is tried on a fork is undone when the fork is dropped.

use std::ops::{Deref, DerefMut};

use super::{Cluster, nodes::Node};
use crate::devices::DevicesUndo;
use crate::ids::{BudgetId, ImageId, NodeId, PodId, TaintsId};
use crate::scheduling::{ForkMark, Indexes};
use crate::storage::StorageUndo;

/// A cluster on which things may be tried. Dropping it takes everything back, so that the parent
/// never sees any of it; [`Fork::commit`] keeps it. Forks nest.
///
/// A fork costs nothing by itself: it is a mark in a log of undo steps, so its price is the price
/// of what is done on it.
#[derive(Debug)]
pub struct Fork<'a> {
    cluster: &'a mut Cluster,
    mark: usize,
    index_mark: ForkMark,
    kept: bool,
}

/// What it takes to undo one change.
#[derive(Clone, Debug)]
pub(super) enum Undo {
    /// A node, and whether its slot was made for it.
    NodeAdded(NodeId, bool),
    /// A node, and the sizes of images that went with it though other nodes had reported them.
    NodeRemoved(NodeId, Box<(Node, Vec<(ImageId, i64)>)>),
    SurfaceChanged(NodeId, TaintsId, bool),
    /// A pod, and whether its slot was made for it.
    PodAdded(PodId, bool),
    Bound(PodId),
    Unbound(PodId, NodeId, u32),
    BudgetUsed(BudgetId, i64),
    Storage(Box<StorageUndo>),
    Devices(Box<DevicesUndo>),
}

/// The undo steps of all open forks, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct UndoLog {
    steps: Vec<Undo>,
    open_forks: u32,
}

impl UndoLog {
    pub(super) fn is_open(&self) -> bool {
        self.open_forks > 0
    }

    pub(super) fn push(&mut self, step: Undo) {
        if self.is_open() {
            self.steps.push(step);
        }
    }
}

impl Cluster {
    /// Begins a transaction.
    pub fn fork(&mut self) -> Fork<'_> {
        let (mark, index_mark) = (self.undo.steps.len(), self.indexes.mark(!self.undo.is_open()));
        self.undo.open_forks += 1;
        Fork { cluster: self, mark, index_mark, kept: false }
    }

    /// Notes how a change of the storage is taken back.
    pub(crate) fn note_storage_undo(&mut self, step: StorageUndo) {
        self.undo.push(Undo::Storage(Box::new(step)));
        self.changed();
    }

    /// Notes how a change of the devices is taken back.
    pub(crate) fn note_devices_undo(&mut self, step: DevicesUndo) {
        self.undo.push(Undo::Devices(Box::new(step)));
        self.changed();
    }

    /// Whether a fork is open.
    pub(crate) fn is_fork(&self) -> bool {
        self.undo.is_open()
    }

    fn roll_back(&mut self, mark: usize) {
        while self.undo.steps.len() > mark {
            match self.undo.steps.pop().expect("the log is longer than the mark") {
                Undo::NodeAdded(node, new_slot) => self.undo_node_added(node, new_slot),
                Undo::NodeRemoved(id, node) => self.undo_node_removed(id, *node),
                Undo::SurfaceChanged(id, taints, unschedulable) => {
                    self.write_surface(id, taints, unschedulable);
                }
                Undo::PodAdded(pod, new_slot) => self.undo_pod_added(pod, new_slot),
                Undo::Bound(pod) => self.undo_bound(pod),
                Undo::Unbound(pod, node, slot) => self.undo_unbound(pod, node, slot),
                Undo::Storage(step) => self.storage.undo(*step),
                Undo::Devices(step) => self.devices.undo(*step),
                Undo::BudgetUsed(budget, before) => self.write_disruptions(budget, before),
            }
        }
    }
}

impl Fork<'_> {
    /// Keeps what was done: the parent has it from now on (and undoes it if it is a fork that is
    /// dropped itself).
    ///
    /// # Panics
    /// On an outermost fork: what decisions try must never become the state of a real cluster.
    pub fn commit(mut self) {
        assert!(self.cluster.undo.open_forks > 1, "only a fork of a fork can be kept");
        self.kept = true;
    }

    /// Takes back everything since the fork began, and goes on with it.
    pub fn revert(&mut self) {
        if self.cluster.undo.steps.len() == self.mark {
            return;
        }
        // The nodes that the steps touched are in the log of changes already.
        self.cluster.indexes.begin_roll_back(&self.index_mark);
        self.cluster.roll_back(self.mark);
        Indexes::forget_fork(self.cluster, &self.index_mark);
    }
}

impl Drop for Fork<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.revert();
        }
        self.cluster.undo.open_forks -= 1;
    }
}

impl Deref for Fork<'_> {
    type Target = Cluster;
    fn deref(&self) -> &Cluster {
        self.cluster
    }
}

impl DerefMut for Fork<'_> {
    fn deref_mut(&mut self) -> &mut Cluster {
        self.cluster
    }
}
