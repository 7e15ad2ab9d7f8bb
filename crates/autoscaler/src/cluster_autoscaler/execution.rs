//! Which increases of a loop belong together, and what becomes of the rest when one is refused.
//!
//! Source: `executor.go` of `core/scaleup/orchestrator` and `runScaleUpSalvo` of release 1.36. A
//! scale-up asks for its increases one after the other and stops at the first that is refused, unless
//! they are asked for in parallel. A salvo ends with the first of its scale-ups that fails.

use plimsoll_core::ids::GroupId;

use crate::scale_up::Increase;

/// The scale-ups of the last loop, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Execution {
    scale_ups: Vec<ScaleUp>,
}

#[derive(Clone, Debug)]
struct ScaleUp {
    kind: ScaleUpKind,
    /// Groups whose increase has not been answered, in order.
    waiting: Vec<GroupId>,
    failed: bool,
}

/// What a scale-up is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScaleUpKind {
    /// Pending pods: one of the loop's salvo, which may be the only one.
    Pods,
    /// Groups below their minimum size.
    MinSize,
}

/// What an answer to an increase came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The place of its scale-up among those of the loop; `None`: nobody knows of it.
    pub(super) scale_up: Option<usize>,
    /// What that is for.
    pub(super) kind: Option<ScaleUpKind>,
    /// All of its scale-up was carried out.
    pub(super) is_complete: bool,
}

impl Execution {
    /// Notes a scale-up of the loop that is on.
    pub(super) fn plan(&mut self, kind: ScaleUpKind, increases: &[Increase]) {
        if !increases.is_empty() {
            let waiting = increases.iter().map(|one| one.group).collect();
            self.scale_ups.push(ScaleUp { kind, waiting, failed: false });
        }
    }

    /// Whether the next increase of this group is still to be carried out. One that is not counts as
    /// answered.
    pub(super) fn still_wants(&mut self, group: GroupId, in_parallel: bool) -> bool {
        let waits = |one: &ScaleUp| one.waiting.contains(&group);
        let Some(index) = self.scale_ups.iter().position(waits) else { return true };
        let (before, rest) = self.scale_ups.split_at_mut(index);
        let own = &mut rest[0];
        let salvo_is_over = own.kind == ScaleUpKind::Pods
            && before.iter().any(|one| one.kind == ScaleUpKind::Pods && one.failed);
        let is_void = salvo_is_over || (own.failed && !in_parallel);
        if is_void {
            own.answer(group);
        }
        !is_void
    }

    /// Notes what became of an increase.
    pub(super) fn answer(&mut self, group: GroupId, done: bool) -> Answer {
        let waits = |one: &ScaleUp| one.waiting.contains(&group);
        let Some(index) = self.scale_ups.iter().position(waits) else {
            return Answer { scale_up: None, kind: None, is_complete: done };
        };
        let own = &mut self.scale_ups[index];
        own.answer(group);
        own.failed |= !done;
        let is_complete = own.waiting.is_empty() && !own.failed;
        Answer { scale_up: Some(index), kind: Some(own.kind), is_complete }
    }
}

impl ScaleUp {
    fn answer(&mut self, group: GroupId) {
        if let Some(place) = self.waiting.iter().position(|one| *one == group) {
            self.waiting.remove(place);
        }
    }
}
