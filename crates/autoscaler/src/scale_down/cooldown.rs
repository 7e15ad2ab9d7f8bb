//! When deletions may not start, because something else happened lately.

use plimsoll_core::ids::GroupId;
use plimsoll_core::{SimDuration, SimTime};

use crate::loop_context::LoopContext;
use crate::settings::Settings;

/// How long before the start upstream's process pretends that the last events were, so that a fresh
/// one is not in cooldown.
const BEFORE_START: SimDuration = SimDuration::from_hours(1);

/// The delays, and what they count from.
#[derive(Clone, Debug)]
pub(super) struct Cooldowns {
    after_add: SimDuration,
    after_delete: SimDuration,
    after_failure: SimDuration,
    is_local: bool,
    /// The last loop that started a deletion.
    pub(super) last_delete: Option<SimTime>,
    /// The last loop in which a deletion could not be started.
    pub(super) last_failure: Option<SimTime>,
    /// By group: the last removal of a node, and the last one that the cloud refused.
    deleted_of: Vec<Option<SimTime>>,
    failed_of: Vec<Option<SimTime>>,
}

impl Cooldowns {
    pub(super) fn new(settings: &Settings) -> Cooldowns {
        Cooldowns {
            after_add: settings.scale_down_delay_after_add,
            after_delete: settings.scale_down_delay_after_delete,
            after_failure: settings.scale_down_delay_after_failure,
            is_local: settings.scale_down_delay_type_local,
            last_delete: None,
            last_failure: None,
            deleted_of: Vec::new(),
            failed_of: Vec::new(),
        }
    }

    /// The first instant at which no cooldown of the whole cluster holds. A loop at exactly this
    /// instant may delete.
    pub(super) fn end(&self, context: &LoopContext<'_>) -> SimTime {
        if self.is_local {
            return SimTime(i64::MIN);
        }
        let after = |last: Option<SimTime>, delay| last.map(|at| at + delay);
        let ends = [
            Some(context.last_scale_up + self.after_add),
            after(self.last_delete, self.after_delete),
            after(self.last_failure, self.after_failure),
        ];
        ends.into_iter().flatten().max().unwrap_or(SimTime(i64::MIN))
    }

    /// With delays by group: the first instant at which the group's nodes are candidates again.
    pub(super) fn end_of_group(&self, group: GroupId, context: &LoopContext<'_>) -> SimTime {
        if !self.is_local {
            return SimTime(i64::MIN);
        }
        let last = |times: &[Option<SimTime>]| times.get(group.index()).copied().flatten();
        let ends = [
            Some(context.last_scale_up_of(group) + self.after_add),
            last(&self.deleted_of).map(|at| at + self.after_delete),
            last(&self.failed_of).map(|at| at + self.after_failure),
        ];
        ends.into_iter().flatten().max().unwrap_or(SimTime(i64::MIN))
    }

    pub(super) fn node_deleted(&mut self, group: GroupId, now: SimTime) {
        note(&mut self.deleted_of, group, now);
    }

    pub(super) fn deletion_refused(&mut self, group: GroupId, now: SimTime) {
        note(&mut self.failed_of, group, now);
    }

    /// Takes over what a state document says of the time before the first loop.
    pub(super) fn restore(&mut self, last_delete: Option<SimTime>, last_failure: Option<SimTime>) {
        self.last_delete = last_delete.or(self.last_delete);
        self.last_failure = last_failure.or(self.last_failure);
    }
}

fn note(times: &mut Vec<Option<SimTime>>, group: GroupId, now: SimTime) {
    if times.len() <= group.index() {
        times.resize(group.index() + 1, None);
    }
    times[group.index()] = Some(now);
}

/// What a fresh process takes for the time of an event that it has not seen.
#[must_use]
pub fn before_start(start: SimTime) -> SimTime {
    start - BEFORE_START
}
