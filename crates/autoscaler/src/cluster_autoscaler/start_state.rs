//! What an autoscaler that has run before brings along.

use plimsoll_core::SimTime;
use plimsoll_core::ids::GroupId;

/// What happened before the first loop. The default is a process that has just started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartState {
    /// The first loop's clean-up of ToBeDeleted taints was done already.
    pub past_first_loop: bool,
    /// Increases that are not finished: group, number of nodes, when.
    pub scale_up_requests: Vec<(GroupId, u32, SimTime)>,
    /// Increases that failed: group, when. In order.
    pub failed_scale_ups: Vec<(GroupId, SimTime)>,
    /// The last scale-up; default: an hour before the first loop.
    pub last_scale_up: Option<SimTime>,
    /// The last start of a deletion.
    pub last_scale_down_delete: Option<SimTime>,
    /// The last deletion that could not start.
    pub last_scale_down_failure: Option<SimTime>,
}
