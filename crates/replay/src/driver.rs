//! Drives a world under a strategy: the one place where the two meet.
//!
//! At each instant: work in progress of the strategy goes on, controllers make up for lost pods,
//! then pods finish, machines come up, the scenario speaks, controllers and scheduler work until
//! quiet, and the strategy's loop runs if one is due. Loops that provably decide nothing are left
//! out, so that an idle day costs nothing.

use plimsoll_autoscaler::invariants::{self, RefusalWatch};
use plimsoll_autoscaler::{Action, Decision, NodeAutoscaler, Outcome};
use plimsoll_core::{SimDuration, SimTime};
use plimsoll_sim::{Command, World};
use thiserror::Error;

use crate::ledger::Ledger;

/// How many loops may follow each other at one instant where a loop that did something is followed
/// by another at once. That ends after a few, unless the cloud refuses, at once and again and again,
/// what a strategy asks for: upstream then goes on as fast as its loops are. As a loop takes no time
/// here, the next one waits for the grid.
const LOOPS_AT_ONE_INSTANT_MAX: u32 = 100;

/// How many steps of what was begun may follow each other at one instant; the limit turns an endless
/// strategy into an error.
const STEPS_AT_ONE_INSTANT_MAX: u32 = 1000;

/// When to drive, and how often the strategy looks.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// The first instant, and that of the first loop.
    pub start: SimTime,
    /// The instant at which it is over; what is due then does not happen any more.
    pub end: SimTime,
    /// From loop to loop.
    pub scan_interval: SimDuration,
    /// Loops also run at once where upstream's trigger would have them run: two after one that came to
    /// something, and one when a pod is found unschedulable.
    pub frequent_loops: bool,
}

/// A strategy that must not be driven any further.
#[derive(Debug, Error)]
pub enum DriveError {
    /// It broke one of the rules that hold for every strategy.
    #[error("strategy {strategy} at {at}: {violation}")]
    Invariant {
        /// The strategy.
        strategy: String,
        /// The loop.
        at: SimTime,
        /// What it would have done.
        violation: invariants::Violation,
    },
    /// It never came to rest at one instant.
    #[error("strategy {strategy} at {at}: {STEPS_AT_ONE_INSTANT_MAX} steps at one instant")]
    Restless {
        /// The strategy.
        strategy: String,
        /// The instant.
        at: SimTime,
    },
}

/// When a loop follows at once instead of after the scan interval.
///
/// Source: `loop/trigger.go` and `main.go` of Cluster Autoscaler 1.36. Before each run the trigger is
/// given the start of the run before the last one, so that two runs follow at once after one that came
/// to something; and a pod that the scheduler has newly found unschedulable starts a run. Upstream's
/// runs take time, so that no two start at once; here their order tells them apart.
#[derive(Default)]
struct Trigger {
    /// Whether the last run, and the one before it, came to something.
    productive: [bool; 2],
    /// [`plimsoll_core::Cluster::unschedulable_marks`] as of the start of the last run.
    seen_marks: u64,
}

/// What is known of the loop that ran last.
struct LastLoop {
    at: SimTime,
    /// The cluster's version that it looked at.
    version: u64,
    idle_until: Option<SimTime>,
}

/// Drives `world` from the course's start to its end, and keeps the books. `strategy` is `None`
/// where nobody scales. `progress` is told each instant.
///
/// # Errors
/// When the strategy breaks an invariant.
pub fn drive<'a>(
    world: &'a mut World,
    strategy: Option<&'a mut (dyn NodeAutoscaler + 'a)>,
    course: &'a Course,
    ledger: &'a mut Ledger,
    progress: &mut dyn FnMut(SimTime),
) -> Result<(), DriveError> {
    ledger.name_strategy(strategy.as_ref().map_or("", |one| one.name()));
    let (trigger, watch) = (Trigger::default(), RefusalWatch::default());
    let mut drive = Drive { world, strategy, course, ledger, last_loop: None, trigger, watch };
    if course.start < course.end {
        // What waits at the start is scheduled then, whether or not anything happens or anyone scales.
        progress(course.start);
        drive.live_through(course.start)?;
    }
    while let Some(at) = drive.next_instant().filter(|at| *at < course.end) {
        progress(at);
        drive.live_through(at)?;
    }
    drive.world.begin(course.end.max(drive.world.now()));
    drive.ledger.close(drive.world, course.end);
    Ok(())
}

struct Drive<'a> {
    world: &'a mut World,
    strategy: Option<&'a mut (dyn NodeAutoscaler + 'a)>,
    course: &'a Course,
    ledger: &'a mut Ledger,
    last_loop: Option<LastLoop>,
    trigger: Trigger,
    watch: RefusalWatch,
}

impl Drive<'_> {
    fn next_instant(&self) -> Option<SimTime> {
        let resume = self.strategy.as_ref().and_then(|strategy| strategy.next_resume());
        [self.world.next_event_at(), resume, self.next_loop()].into_iter().flatten().min()
    }

    /// When the next loop that may decide something is due.
    fn next_loop(&self) -> Option<SimTime> {
        self.strategy.as_ref()?;
        let Some(last) = &self.last_loop else { return Some(self.course.start) };
        let earliest = self.on_grid(last.at + SimDuration(1));
        let quiet = self.world.cluster.version() == last.version;
        // What a loop promises of those after it counts from loop to loop, on the grid.
        let is_on_grid = self.on_grid(last.at) == last.at;
        let wanted = match last.idle_until {
            Some(until) if quiet && is_on_grid => until,
            _ => self.world.now(),
        };
        Some(self.on_grid(earliest.max(wanted)))
    }

    /// Whether a loop runs now although the scan interval is not over: a pod was found unschedulable
    /// since the last one began.
    fn is_woken(&self) -> bool {
        self.course.frequent_loops
            && self.strategy.is_some()
            && self.last_loop.is_some()
            && self.world.cluster.unschedulable_marks() > self.trigger.seen_marks
    }

    /// The first loop instant at or after `at`.
    fn on_grid(&self, at: SimTime) -> SimTime {
        let interval = self.course.scan_interval.0;
        let since_start = (at - self.course.start).0;
        let loops = since_start.div_euclid(interval) + i64::from(since_start % interval != 0);
        self.course.start + SimDuration(loops.saturating_mul(interval))
    }

    fn live_through(&mut self, at: SimTime) -> Result<(), DriveError> {
        self.world.begin(at);
        if self.strategy.as_ref().and_then(|one| one.next_resume()).is_some_and(|due| due <= at) {
            self.resume(at)?;
        }
        self.world.reconcile();
        self.world.run_due();
        self.world.settle();
        self.ledger.note_tried(self.world, at);
        if self.next_loop() == Some(at) || self.is_woken() {
            self.run_loops(at)?;
        }
        self.ledger.note_instant(self.world, at);
        Ok(())
    }

    /// The loop of this instant, and those that follow at once.
    fn run_loops(&mut self, at: SimTime) -> Result<(), DriveError> {
        for _ in 0..LOOPS_AT_ONE_INSTANT_MAX {
            self.run_loop(at)?;
            let goes_on = self.course.frequent_loops && self.trigger.productive.contains(&true);
            if !goes_on && !self.is_woken() {
                break;
            }
        }
        Ok(())
    }

    fn run_loop(&mut self, at: SimTime) -> Result<(), DriveError> {
        let Some(strategy) = self.strategy.as_deref_mut() else { return Ok(()) };
        let version = self.world.cluster.version();
        self.trigger.seen_marks = self.world.cluster.unschedulable_marks();
        let decision = strategy.decide(&mut self.world.cluster.fork(), at);
        self.hold_to_rules(&decision.actions, at)?;
        let Decision { actions, reasons, idle_until } = decision;
        self.ledger.begin_loop(at, &reasons);
        for action in actions {
            if self.strategy.as_deref_mut().is_some_and(|one| one.still_wants(&action)) {
                self.carry_out(&action, at)?;
            }
        }
        self.resume(at)?;
        if let Some(strategy) = self.strategy.as_deref_mut() {
            self.ledger.note_findings(strategy.take_findings(), at);
        }
        let was_productive = self.strategy.as_ref().is_some_and(|one| one.was_productive());
        self.trigger.productive = [was_productive, self.trigger.productive[0]];
        self.world.settle();
        self.ledger.note_tried(self.world, at);
        self.last_loop = Some(LastLoop { at, version, idle_until });
        Ok(())
    }

    /// Lets the strategy go on with what it began, until it has nothing more to do at this instant.
    fn resume(&mut self, at: SimTime) -> Result<(), DriveError> {
        for _ in 0..STEPS_AT_ONE_INSTANT_MAX {
            let Some(strategy) = self.strategy.as_deref_mut() else { return Ok(()) };
            let actions = strategy.resume(&self.world.cluster, at);
            if actions.is_empty() {
                return Ok(());
            }
            // Most of it goes on with deletions that were held to the rules when they were decided.
            if actions.iter().any(|action| matches!(action, Action::SetTaints { .. })) {
                self.hold_to_rules(&actions, at)?;
            }
            for action in actions {
                self.carry_out(&action, at)?;
            }
        }
        let strategy = self.strategy.as_ref().map_or("", |one| one.name()).to_owned();
        Err(DriveError::Restless { strategy, at })
    }

    fn carry_out(&mut self, action: &Action, at: SimTime) -> Result<(), DriveError> {
        let limits = self.strategy.as_ref().and_then(|one| one.limits());
        let deletion = invariants::check_deletion(&self.world.cluster, limits, action, at);
        self.require(deletion, at)?;
        if matches!(action, Action::Evict { .. }) {
            self.world.cluster.match_budgets();
        }
        let forbidden = invariants::check_eviction(&self.world.cluster, action, &Outcome::Done);
        self.ledger.before_action(self.world, action, at);
        let outcome = match as_command(action).map(|command| self.world.command(&command)) {
            None | Some(Ok(())) => Outcome::Done,
            Some(Err(refusal)) => Outcome::Refused(refusal.to_string()),
        };
        if outcome == Outcome::Done {
            self.require(forbidden, at)?;
        }
        self.watch.note(action, &outcome, at);
        self.ledger.after_action(action, &outcome, at);
        if let Some(strategy) = self.strategy.as_deref_mut() {
            strategy.observe(action, &outcome, &self.world.cluster, at);
        }
        Ok(())
    }

    /// Holds what is about to be done against the rules for every strategy, and for those that have
    /// limits against these.
    fn hold_to_rules(&mut self, actions: &[Action], at: SimTime) -> Result<(), DriveError> {
        let cluster = &mut self.world.cluster;
        let mut verdict = invariants::check(cluster, actions);
        if let Some(settings) = self.strategy.as_ref().and_then(|one| one.limits()) {
            verdict = verdict
                .and_then(|()| invariants::check_limits(cluster, settings, actions))
                .and_then(|()| self.watch.check(cluster, settings, actions, at))
                .and_then(|()| invariants::check_moves(cluster, settings, actions, at));
        }
        self.require(verdict, at)
    }

    /// Ends the drive where a rule is broken that holds for every strategy.
    fn require(
        &self,
        verdict: Result<(), invariants::Violation>,
        at: SimTime,
    ) -> Result<(), DriveError> {
        verdict.map_err(|violation| {
            let strategy = self.strategy.as_ref().map_or("", |one| one.name()).to_owned();
            DriveError::Invariant { strategy, at, violation }
        })
    }
}

/// The call that an action comes to; `None` for those that only tell something. Conditions are kept
/// by the strategy, which goes on from what it has set itself.
fn as_command(action: &Action) -> Option<Command> {
    Some(match action {
        Action::IncreaseSize { group, delta } => {
            Command::IncreaseSize { group: *group, delta: *delta }
        }
        Action::DecreaseTarget { group, by } => Command::DecreaseTarget { group: *group, by: *by },
        Action::DeleteNode { node, .. } => Command::DeleteNode { node: *node },
        Action::DeleteInstances { group, ids, .. } => {
            Command::DeleteInstances { group: *group, ids: ids.clone() }
        }
        Action::SetTaints { node, taints, unschedulable } => Command::SetTaints {
            node: *node,
            taints: taints.clone(),
            unschedulable: *unschedulable,
        },
        Action::Evict { pod, serial } => Command::Evict { pod: *pod, serial: *serial },
        Action::DeleteObject { object } => Command::DeleteObject { object: object.clone() },
        Action::GiveUpScaleDown { .. } | Action::SetCondition { .. } => return None,
    })
}

#[cfg(test)]
mod tests;
