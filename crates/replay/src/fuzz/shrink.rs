//! Making a scenario that fails smaller, until nothing can be left out any more.

use plimsoll_core::SimDuration;
use plimsoll_sim::FuzzScenario;
use serde_json::Value;

use super::trial::{Found, Trial};

/// How many smaller scenarios are tried at most.
const TRIES_MAX: u32 = 400;
/// After the instant of the failure something must be left to play.
const TICK: SimDuration = SimDuration::from_secs(1);

/// The smallest scenario that was found to fail the same check when it is lived through by `run`,
/// and what it shows.
pub(super) fn shrink(
    scenario: &FuzzScenario,
    check: &str,
    run: &dyn Fn(&FuzzScenario) -> Trial,
) -> (FuzzScenario, Option<Found>) {
    let mut shrinking = Shrinking { best: scenario.clone(), found: None, run, check, tries: 0 };
    shrinking.cut_the_end();
    loop {
        let before = shrinking.size();
        shrinking.drop_parts(|scenario| &mut scenario.events);
        shrinking.drop_parts(|scenario| &mut scenario.objects);
        shrinking.drop_flags();
        shrinking.drop_world();
        shrinking.cut_the_end();
        if shrinking.size() == before || shrinking.tries >= TRIES_MAX {
            return (shrinking.best, shrinking.found);
        }
    }
}

struct Shrinking<'a> {
    best: FuzzScenario,
    found: Option<Found>,
    run: &'a dyn Fn(&FuzzScenario) -> Trial,
    check: &'a str,
    tries: u32,
}

type Parts = fn(&mut FuzzScenario) -> &mut Vec<Value>;

impl Shrinking<'_> {
    /// Takes a smaller scenario over if it fails the same check.
    fn try_this(&mut self, smaller: FuzzScenario) -> bool {
        if self.tries >= TRIES_MAX {
            return false;
        }
        self.tries += 1;
        let outcome = (self.run)(&smaller);
        let fails = |found: &Found| found.check == self.check && !outcome.is_unplayable;
        let Some(found) = outcome.failure.clone().filter(fails) else { return false };
        self.best = smaller;
        self.found = Some(found);
        true
    }

    fn size(&self) -> (usize, usize, usize, i64) {
        let best = &self.best;
        (best.objects.len(), best.events.len(), best.flags.len(), best.duration.0)
    }

    /// The shortest prefix that fails: up to the failure where that is known, else by halves.
    fn cut_the_end(&mut self) {
        let known = self.found.as_ref().and_then(|found| found.after);
        let known = known.map(|after| after + TICK).filter(|end| *end < self.best.duration);
        if let Some(end) = known
            && self.try_prefix(end)
        {
            return;
        }
        let (mut least, mut most) = (SimDuration::ZERO, self.best.duration);
        while most - least > TICK && self.tries < TRIES_MAX {
            let half = SimDuration((least.0 + most.0) / 2 / TICK.0 * TICK.0).max(TICK);
            if half >= most {
                return;
            }
            if self.try_prefix(half) {
                most = half;
            } else {
                least = half;
            }
        }
    }

    fn try_prefix(&mut self, end: SimDuration) -> bool {
        let mut smaller = self.best.clone();
        smaller.duration = end;
        let starts_before = |event: &Value| {
            let at = event["at"].as_str().and_then(|text| SimDuration::parse(text).ok());
            at.is_some_and(|at| at < end)
        };
        smaller.events.retain(starts_before);
        self.try_this(smaller)
    }

    /// Leaves out as many at a time as can be, first half of them, in the end each by itself.
    fn drop_parts(&mut self, parts: Parts) {
        let mut length = parts(&mut self.best).len().div_ceil(2);
        while length > 0 {
            let mut from = 0;
            while from < parts(&mut self.best).len() && self.tries < TRIES_MAX {
                let mut smaller = self.best.clone();
                let list = parts(&mut smaller);
                let until = (from + length).min(list.len());
                list.drain(from..until);
                if !self.try_this(smaller) {
                    from += length;
                }
            }
            length /= 2;
        }
    }

    fn drop_flags(&mut self) {
        let names: Vec<String> = self.best.flags.keys().cloned().collect();
        for name in names {
            let mut smaller = self.best.clone();
            smaller.flags.remove(&name);
            self.try_this(smaller);
        }
    }

    fn drop_world(&mut self) {
        let names: Vec<String> = self.best.world.keys().cloned().collect();
        for name in names {
            let mut smaller = self.best.clone();
            smaller.world.remove(&name);
            self.try_this(smaller);
        }
    }
}
