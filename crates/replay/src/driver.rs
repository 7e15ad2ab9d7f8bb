//! Drives a world under a strategy: the one place where the two meet.
//!
//! At each instant: work in progress of the strategy goes on, controllers make up for lost pods,
//! then pods finish, machines come up, the scenario speaks, controllers and scheduler work until
//! quiet, and the strategy's loop runs if one is due. Loops that provably decide nothing are left
//! out, so that an idle day costs nothing.

use plimsoll_autoscaler::invariants;
use plimsoll_autoscaler::{Action, Decision, NodeAutoscaler, Outcome};
use plimsoll_core::{SimDuration, SimTime};
use plimsoll_sim::{Command, World};
use thiserror::Error;

use crate::ledger::Ledger;

/// How many loops may follow each other at one instant where a loop that did something is followed
/// by another at once. A loop that did something changed the cluster, so that real runs end after a
/// few; the limit turns an endless one into an error.
const LOOPS_AT_ONE_INSTANT_MAX: u32 = 1000;

/// When to drive, and how often the strategy looks.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// The first instant, and that of the first loop.
    pub start: SimTime,
    /// The instant at which it is over; what is due then does not happen any more.
    pub end: SimTime,
    /// From loop to loop.
    pub scan_interval: SimDuration,
    /// A loop that did something is followed by another at once.
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
    #[error("strategy {strategy} at {at}: {LOOPS_AT_ONE_INSTANT_MAX} loops at one instant")]
    Restless {
        /// The strategy.
        strategy: String,
        /// The instant.
        at: SimTime,
    },
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
    let mut drive = Drive { world, strategy, course, ledger, last_loop: None };
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
        let earliest = last.at + self.course.scan_interval;
        let quiet = self.world.cluster.version() == last.version;
        let wanted = match last.idle_until {
            Some(until) if quiet => until,
            _ => self.world.now(),
        };
        Some(self.on_grid(earliest.max(wanted)))
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
            self.resume(at);
        }
        self.world.reconcile();
        self.world.run_due();
        self.world.settle();
        if self.next_loop() == Some(at) {
            self.run_loops(at)?;
        }
        self.ledger.note_instant(self.world, at);
        Ok(())
    }

    /// The loop of this instant, and those that follow at once.
    fn run_loops(&mut self, at: SimTime) -> Result<(), DriveError> {
        for _ in 0..LOOPS_AT_ONE_INSTANT_MAX {
            let acted = self.run_loop(at)?;
            if !(acted && self.course.frequent_loops) {
                return Ok(());
            }
        }
        let strategy = self.strategy.as_ref().map_or("", |one| one.name()).to_owned();
        Err(DriveError::Restless { strategy, at })
    }

    /// One loop; true when it scaled something up or began to scale something down.
    fn run_loop(&mut self, at: SimTime) -> Result<bool, DriveError> {
        let Some(strategy) = self.strategy.as_deref_mut() else { return Ok(false) };
        let version = self.world.cluster.version();
        let decision = strategy.decide(&mut self.world.cluster.fork(), at);
        invariants::check(&self.world.cluster, &decision.actions).map_err(|violation| {
            DriveError::Invariant { strategy: strategy.name().to_owned(), at, violation }
        })?;
        let Decision { actions, reasons, idle_until } = decision;
        self.ledger.begin_loop(at, &reasons);
        let scales = |action: &Action| {
            matches!(action, Action::IncreaseSize { .. }) || action.takes_up_request()
        };
        let began_before = self.strategy.as_ref().and_then(|one| one.next_resume());
        let acted = actions.iter().any(scales);
        for action in actions {
            self.carry_out(&action, at);
        }
        self.resume(at);
        let began = self.strategy.as_ref().and_then(|one| one.next_resume()) != began_before;
        self.world.settle();
        self.last_loop = Some(LastLoop { at, version, idle_until });
        Ok(acted || began)
    }

    /// Lets the strategy go on with what it began, until it has nothing more to do at this instant.
    fn resume(&mut self, at: SimTime) {
        loop {
            let Some(strategy) = self.strategy.as_deref_mut() else { return };
            let actions = strategy.resume(&self.world.cluster, at);
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.carry_out(&action, at);
            }
        }
    }

    fn carry_out(&mut self, action: &Action, at: SimTime) {
        self.ledger.before_action(self.world, action, at);
        let outcome = match as_command(action).map(|command| self.world.command(&command)) {
            None | Some(Ok(())) => Outcome::Done,
            Some(Err(refusal)) => Outcome::Refused(refusal.to_string()),
        };
        self.ledger.after_action(action, &outcome, at);
        if let Some(strategy) = self.strategy.as_deref_mut() {
            strategy.observe(action, &outcome, &self.world.cluster, at);
        }
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
mod tests {
    use plimsoll_core::objects::{Origin, Snapshot};
    use plimsoll_sim::WorldSettings;
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_that_wait_at_the_start_are_scheduled_then_even_if_nobody_scales() {
        let size = json!({"cpu": "4", "pods": "110"});
        let container = json!({"name": "main", "image": "main"});
        let objects = [
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
                "status": {"capacity": size, "allocatable": size,
                           "conditions": [{"type": "Ready", "status": "True"}]}}),
            json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"containers": [container]}}),
        ];
        let values = objects.into_iter().map(|object| (object, Origin::default()));
        let (snapshot, _) = Snapshot::from_values(values).expect("the fixture is valid");
        let (start, end) = (SimTime(0), SimTime(60_000));
        let mut world = World::from_snapshot(&snapshot, WorldSettings::with_seed(1), start);
        let mut ledger = Ledger::open(&mut world, start);
        let scan_interval = SimDuration::from_secs(10);
        let course = Course { start, end, scan_interval, frequent_loops: false };
        let mut told = Vec::new();
        drive(&mut world, None, &course, &mut ledger, &mut |at| told.push(at))
            .expect("nobody breaks a rule");
        assert_eq!(ledger.pods[0].bound_at, Some(start));
        assert_eq!(told, [start]);
    }
}
