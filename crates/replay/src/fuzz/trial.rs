//! One scenario under one strategy, held against everything that must be so.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use plimsoll_core::SimDuration;
use plimsoll_core::objects::{Origin, Snapshot};
use plimsoll_sim::FuzzScenario;

use super::watched::{Findings, Watched};
use super::{Coverage, books};
use crate::report::ReplayReport;
use crate::{ReplayError, ReplayOptions, Replayer, Strategy};

/// What a trial came to.
#[derive(Debug, Default)]
pub(super) struct Trial {
    pub(super) coverage: Coverage,
    pub(super) failure: Option<Found>,
    /// The scenario cannot be played at all; only ones that were cut down cannot.
    pub(super) is_unplayable: bool,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) check: &'static str,
    /// When, counted from the start; `None` where it shows at the end only.
    pub(super) after: Option<SimDuration>,
    pub(super) message: String,
}

impl Found {
    pub(super) fn at_the_end(check: &'static str, message: String) -> Found {
        Found { check, after: None, message }
    }
}

/// Lives through a scenario three times: watched, with every loop; and twice as users do.
pub(super) fn run(scenario: &FuzzScenario, strategy: Strategy) -> Trial {
    let name = format!("fuzz-{}", scenario.seed);
    let values = scenario.documents().into_iter().map(|one| (one, Origin::default()));
    let snapshot = match Snapshot::from_values(values) {
        Ok((snapshot, _)) => snapshot,
        Err(error) => return unplayable(error.to_string()),
    };
    let has_backoff = snapshot.scenario.as_ref().is_some_and(|one| one.world.pod_backoff.is_some());
    let replayer = match Replayer::of_scenario(&name, snapshot) {
        Ok(replayer) => replayer,
        Err(error) => return unplayable(error.to_string()),
    };
    let findings = Rc::new(RefCell::new(Findings::new(replayer.record_start_time())));
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        live_through(&replayer, strategy, &findings, has_backoff)
    }));
    let mut trial = Trial { coverage: findings.borrow().coverage.clone(), ..Trial::default() };
    trial.coverage.runs = 1;
    trial.coverage.virtual_seconds = u64::try_from(scenario.duration.0 / 1000).unwrap_or(0);
    for fault in scenario.faults() {
        *trial.coverage.faults.entry(fault.to_owned()).or_default() += 1;
    }
    // What the watch saw first explains what came of it.
    let seen = findings.borrow().failure.clone();
    trial.failure = match outcome {
        Err(panic) => {
            let message = panic_text(panic.as_ref());
            Some(seen.unwrap_or_else(|| Found::at_the_end("nothing panics", message)))
        }
        Ok(Err(ReplayError::Drive(error))) => Some(seen.unwrap_or_else(|| {
            Found::at_the_end("the driver refuses no decision", error.to_string())
        })),
        Ok(Err(error)) => return unplayable(error.to_string()),
        Ok(Ok(found)) => seen.or(found),
    };
    trial
}

fn live_through(
    replayer: &Replayer,
    strategy: Strategy,
    findings: &Rc<RefCell<Findings>>,
    has_backoff: bool,
) -> Result<Option<Found>, ReplayError> {
    let watched = replayer.replay_by(strategy, |settings, seed| {
        let findings = Rc::clone(findings);
        Box::new(Watched::new(strategy, settings, seed, findings, has_backoff))
    })?;
    if findings.borrow().failure.is_some() {
        return Ok(None);
    }
    let mut count = |check: &str| findings.borrow_mut().count(check);
    if let Some(found) = books::check(&watched, &mut count) {
        return Ok(Some(found));
    }
    let options = ReplayOptions::default();
    let played = || -> Result<ReplayReport, ReplayError> {
        Ok(replayer.replay(&[strategy], &options, &|_, _| {})?.remove(0))
    };
    let (once, twice) = (played()?, played()?);
    count("a replay twice gives the same bytes");
    if as_text(&once) != as_text(&twice) {
        let message = first_difference(&as_text(&once), &as_text(&twice));
        return Ok(Some(Found::at_the_end("a replay twice gives the same bytes", message)));
    }
    count("loops that are left out change nothing");
    let (once, with_every_loop) = (as_text(&once), as_text(&watched.report));
    if once != with_every_loop {
        let message = first_difference(&once, &with_every_loop);
        return Ok(Some(Found::at_the_end("loops that are left out change nothing", message)));
    }
    Ok(None)
}

fn unplayable(message: String) -> Trial {
    let failure = Some(Found::at_the_end("drawn scenarios can be played", message));
    Trial { failure, is_unplayable: true, ..Trial::default() }
}

fn as_text(report: &ReplayReport) -> String {
    serde_json::to_string_pretty(report).expect("a report is plain data")
}

/// The first line in which two reports differ, with what it stands in.
fn first_difference(one: &str, other: &str) -> String {
    let place = one.lines().zip(other.lines()).position(|(a, b)| a != b);
    let place = place.unwrap_or_else(|| one.lines().count().min(other.lines().count()));
    let line = |text: &str| text.lines().nth(place).unwrap_or("(nothing)").trim().to_owned();
    // The fields above say what the line is about.
    let above: Vec<&str> =
        one.lines().take(place).skip(place.saturating_sub(4)).map(str::trim).collect();
    format!(
        "line {}: {:?} became {:?}, after {}",
        place + 1,
        line(one),
        line(other),
        above.join(" ")
    )
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}
