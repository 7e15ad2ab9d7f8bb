//! How long a group is left alone after it could not be enlarged.

use plimsoll_core::ids::GroupId;
use plimsoll_core::{SimDuration, SimTime};

use crate::settings::Settings;
use crate::status::ScaleUpError;

/// Which groups are in back-off, and how long the next one would take.
///
/// The first failure costs `initial`; a failure after a back-off has ended doubles it, up to `max`;
/// a failure during one starts it anew without doubling. Only `reset` without a failure brings it
/// back to `initial`; a success does not.
///
/// Source: `utils/backoff/exponential_backoff.go` of release 1.36.
#[derive(Clone, Debug)]
pub struct Backoff {
    initial: SimDuration,
    max: SimDuration,
    reset: SimDuration,
    by_group: Vec<Option<Entry>>,
}

#[derive(Clone, Debug)]
struct Entry {
    duration: SimDuration,
    until: SimTime,
    last_failure: SimTime,
    error: ScaleUpError,
}

impl Backoff {
    /// Nothing is in back-off yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Backoff {
        Backoff {
            initial: settings.initial_node_group_backoff_duration,
            max: settings.max_node_group_backoff_duration,
            reset: settings.node_group_backoff_reset_timeout,
            by_group: Vec::new(),
        }
    }

    /// Notes a failure of a group at `now` and returns when its back-off ends.
    pub fn fail(&mut self, group: GroupId, error: ScaleUpError, now: SimTime) -> SimTime {
        if self.by_group.len() <= group.index() {
            self.by_group.resize(group.index() + 1, None);
        }
        let entry = &mut self.by_group[group.index()];
        let duration = match entry {
            None => self.initial,
            Some(before) if before.until < now => {
                SimDuration(before.duration.0.saturating_mul(2)).min(self.max)
            }
            Some(before) => before.duration,
        };
        let until = now + duration;
        *entry = Some(Entry { duration, until, last_failure: now, error });
        until
    }

    /// Whether a group is in back-off at `now`, the very end included.
    #[must_use]
    pub fn is_backed_off(&self, group: GroupId, now: SimTime) -> bool {
        self.error(group, now).is_some()
    }

    /// The last failure of a group that is in back-off at `now`.
    #[must_use]
    pub fn error(&self, group: GroupId, now: SimTime) -> Option<&ScaleUpError> {
        self.entry(group).filter(|entry| now <= entry.until).map(|entry| &entry.error)
    }

    /// The first instant after `now` at which a back-off is over.
    #[must_use]
    pub fn next_end(&self, now: SimTime) -> Option<SimTime> {
        let ends = self.by_group.iter().flatten().map(|entry| entry.until);
        ends.filter(|until| now <= *until).min().map(|until| until + SimDuration(1))
    }

    /// Forgets groups whose last failure is too long ago to count.
    pub fn forget_stale(&mut self, now: SimTime) {
        for entry in &mut self.by_group {
            if entry.as_ref().is_some_and(|entry| entry.last_failure + self.reset < now) {
                *entry = None;
            }
        }
    }

    fn entry(&self, group: GroupId) -> Option<&Entry> {
        self.by_group.get(group.index())?.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> SimTime {
        SimTime(seconds * 1000)
    }

    #[test]
    fn it_still_holds_at_its_very_end_and_doubles_after_it() {
        let group = GroupId(0);
        let mut backoff = Backoff::new(&Settings::default());
        assert_eq!(backoff.fail(group, ScaleUpError::default(), at(10)), at(310));
        assert!(backoff.is_backed_off(group, at(310)));
        assert!(!backoff.is_backed_off(group, at(320)));
        assert_eq!(backoff.fail(group, ScaleUpError::default(), at(330)), at(930), "ten minutes");
        assert_eq!(
            backoff.fail(group, ScaleUpError::default(), at(900)),
            at(1500),
            "again ten: it had not ended"
        );
        assert_eq!(backoff.fail(group, ScaleUpError::default(), at(1510)), at(2710), "twenty");
        assert_eq!(backoff.fail(group, ScaleUpError::default(), at(2720)), at(4520), "thirty");
        assert_eq!(
            backoff.fail(group, ScaleUpError::default(), at(4530)),
            at(6330),
            "thirty is the most"
        );
    }

    #[test]
    fn only_three_hours_without_a_failure_bring_it_back_to_five_minutes() {
        let group = GroupId(0);
        let mut backoff = Backoff::new(&Settings::default());
        backoff.fail(group, ScaleUpError::default(), at(0));
        backoff.forget_stale(at(10_800));
        assert_eq!(backoff.fail(group, ScaleUpError::default(), at(10_800)), at(11_400));
        backoff.forget_stale(at(10_800 + 10_801));
        assert_eq!(backoff.fail(group, ScaleUpError::default(), at(30_000)), at(30_300));
    }
}
