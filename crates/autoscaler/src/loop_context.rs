//! What one loop of the autoscaler knows besides the cluster, handed to its scale-down half.

use plimsoll_core::SimTime;
use plimsoll_core::ids::{GroupId, NodeId};

use crate::registry::NodeClass;
use crate::settings::Settings;

/// The loop's view, gathered before scale-up and scale-down are planned.
///
/// At that point the fork has no expendable pods, holds a stand-in for each upcoming node, and has
/// every pending pod that fits somewhere bound there.
#[derive(Clone, Copy, Debug)]
pub struct LoopContext<'a> {
    /// The flags.
    pub settings: &'a Settings,
    /// The nodes that are really there, by id; those that have registered but not started are left
    /// out where a stand-in of their group takes their place.
    pub nodes: &'a [NodeId],
    /// The stand-ins for upcoming nodes: no candidates and no destinations.
    pub upcoming: &'a [NodeId],
    /// The class of each node, by its index; `None` where no node is.
    pub classes: &'a [Option<NodeClass>],
    /// What each group will have been asked for once this loop's earlier actions are done, by
    /// group index: instances that this loop gives up are taken off already.
    pub targets: &'a [u32],
    /// Neither pods nor nodes were tried on the fork: it is the cluster as it is.
    pub fork_is_bare: bool,
    /// The last loop that enlarged any group, this one included.
    pub last_scale_up: SimTime,
    /// The same by group, for `scale-down-delay-type-local`.
    pub last_scale_up_of: &'a [SimTime],
    /// Nothing may be deleted in this loop, as all pending pods are too new to be helped.
    pub scale_down_disabled: bool,
    /// Counts loops that were run; with the seed it breaks ties.
    pub loop_number: u64,
    /// The seed of everything that upstream leaves to chance.
    pub seed: u64,
}

impl LoopContext<'_> {
    /// Whether Cluster Autoscaler counts the node as ready: its conditions say so, and no taint
    /// speaks against it.
    #[must_use]
    pub fn is_ready(&self, node: NodeId) -> bool {
        self.classes.get(node.index()).copied().flatten().is_some_and(|class| class.ready)
    }

    /// When the group was last enlarged.
    #[must_use]
    pub fn last_scale_up_of(&self, group: GroupId) -> SimTime {
        self.last_scale_up_of.get(group.index()).copied().unwrap_or(self.last_scale_up)
    }
}
