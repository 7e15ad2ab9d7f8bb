//! Whole runs of drawn scenarios with faults, every invariant held against every loop: the library
//! behind `plimsoll sim fuzz`.
//!
//! A seed draws a scenario ([`FuzzScenario`]) and flags (`flags`). Each strategy lives through it as
//! in `plimsoll replay` (`trial`): once as users run it, and once watched (`watched`), with no loop
//! left out. Both must give the same report, byte for byte. What is wrong is made smaller
//! (`shrink`) until nothing can be left out any more.

mod books;
mod flags;
mod shrink;
mod text;
mod trial;
mod watched;
mod world_state;

use std::collections::BTreeMap;
use std::ops::Range;

use plimsoll_core::SimDuration;
use plimsoll_sim::FuzzScenario;
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;

use crate::Strategy;

/// How many scan intervals a run has where nobody says so: an hour and a half at ten seconds, long
/// enough for the default timers to run out several times.
pub const DEFAULT_STEPS: u32 = 540;
/// The strategies that decide.
pub const STRATEGIES: [Strategy; 2] = [Strategy::ClusterAutoscaler, Strategy::Threshold];
/// Failures that are made smaller; of others only the seed is told. Each takes a few hundred runs.
const SHRUNK_MAX: usize = 3;

/// What to run.
#[derive(Clone, Debug)]
pub struct FuzzOptions {
    /// The seeds.
    pub seeds: Range<u64>,
    /// How many scan intervals each run has.
    pub steps: u32,
    /// Who decides.
    pub strategies: Vec<Strategy>,
}

/// What all runs came to. It depends on the options only.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FuzzReport {
    /// The first seed.
    pub first_seed: u64,
    /// One more than the last seed.
    pub end_seed: u64,
    /// How many scan intervals each run had.
    pub steps: u32,
    /// Who decided.
    pub strategies: Vec<String>,
    /// What was covered.
    pub coverage: Coverage,
    /// What was wrong, by seed and strategy; nothing, if all is well.
    pub failures: Vec<Failure>,
}

/// How much was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Scenarios lived through, once for each strategy.
    pub runs: u64,
    /// Virtual seconds.
    pub virtual_seconds: u64,
    /// Loops in which a strategy decided.
    pub loops: u64,
    /// Decisions by kind.
    pub decisions: BTreeMap<String, u64>,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// Checks by name, with how often each was made.
    pub checks: BTreeMap<String, u64>,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The seed that shows it.
    pub seed: u64,
    /// The strategy.
    pub strategy: String,
    /// Which check failed.
    pub check: String,
    /// When, from the start of the scenario; `None` where it shows at the end only.
    pub at: Option<String>,
    /// What was found.
    pub message: String,
    /// The command that shows it again.
    pub command: String,
    /// The smallest scenario that was found to show it: the documents of a scenario file.
    pub scenario: Option<Vec<Value>>,
    /// What was left out to get there.
    pub shrunk: Option<Shrunk>,
}

/// How much smaller a scenario became.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shrunk {
    /// Its length before and after.
    pub duration: [String; 2],
    /// How many objects before and after.
    pub objects: [usize; 2],
    /// How many events before and after.
    pub events: [usize; 2],
    /// How many flags before and after.
    pub flags: [usize; 2],
}

/// The scenario of a seed with its flags, `steps` scan intervals long.
#[must_use]
pub fn scenario(seed: u64, steps: u32) -> FuzzScenario {
    let (scan_interval, flags) = flags::draw(seed);
    let duration = SimDuration(scan_interval.0.saturating_mul(i64::from(steps.max(1))));
    let mut scenario = FuzzScenario::draw(seed, duration);
    scenario.flags = flags;
    flags::suit(&mut scenario);
    scenario
}

/// Runs every seed under every strategy. Runs share the machine's cores; the answer does not depend
/// on how. `progress` is told of each seed that is done.
#[must_use]
pub fn run(options: &FuzzOptions, progress: &(dyn Fn() + Sync)) -> FuzzReport {
    let outcomes: Vec<(Coverage, Vec<Failure>)> = options
        .seeds
        .clone()
        .into_par_iter()
        .map(|seed| {
            let outcome = run_seed(seed, options);
            progress();
            outcome
        })
        .collect();
    let mut report = FuzzReport {
        first_seed: options.seeds.start,
        end_seed: options.seeds.end,
        steps: options.steps,
        strategies: options.strategies.iter().map(|one| one.as_str().to_owned()).collect(),
        ..FuzzReport::default()
    };
    for (coverage, failures) in outcomes {
        report.coverage.add(&coverage);
        report.failures.extend(failures);
    }
    shrink_some(&mut report);
    report
}

fn run_seed(seed: u64, options: &FuzzOptions) -> (Coverage, Vec<Failure>) {
    let drawn = scenario(seed, options.steps);
    let mut coverage = Coverage::default();
    let mut failures = Vec::new();
    for strategy in &options.strategies {
        let outcome = trial::run(&drawn, *strategy);
        coverage.add(&outcome.coverage);
        failures.extend(outcome.failure.map(|found| {
            let command = format!(
                "plimsoll sim fuzz --seeds {seed}..{} --steps {} --strategy {strategy}",
                seed + 1,
                options.steps
            );
            Failure {
                seed,
                strategy: strategy.as_str().to_owned(),
                check: found.check.to_owned(),
                at: found.after.map(|span| span.to_string()),
                message: found.message,
                command,
                scenario: None,
                shrunk: None,
            }
        }));
    }
    (coverage, failures)
}

/// Makes the first failure of each check smaller.
fn shrink_some(report: &mut FuzzReport) {
    let mut seen: Vec<(String, String)> = Vec::new();
    let steps = report.steps;
    for failure in &mut report.failures {
        let key = (failure.strategy.clone(), failure.check.clone());
        if seen.len() >= SHRUNK_MAX || seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let strategy: Strategy = failure.strategy.parse().expect("it is a strategy's name");
        let drawn = scenario(failure.seed, steps);
        let again = |smaller: &FuzzScenario| trial::run(smaller, strategy);
        let (smallest, found) = shrink::shrink(&drawn, &failure.check, &again);
        failure.shrunk = Some(Shrunk {
            duration: [drawn.duration.to_string(), smallest.duration.to_string()],
            objects: [drawn.objects.len(), smallest.objects.len()],
            events: [drawn.events.len(), smallest.events.len()],
            flags: [drawn.flags.len(), smallest.flags.len()],
        });
        failure.scenario = Some(smallest.documents());
        if let Some(found) = found {
            failure.at = found.after.map(|span| span.to_string());
            failure.message = found.message;
        }
    }
}

impl Coverage {
    fn add(&mut self, other: &Coverage) {
        self.runs += other.runs;
        self.virtual_seconds += other.virtual_seconds;
        self.loops += other.loops;
        for (mine, others) in [
            (&mut self.decisions, &other.decisions),
            (&mut self.faults, &other.faults),
            (&mut self.checks, &other.checks),
        ] {
            for (name, count) in others {
                *mine.entry(name.clone()).or_default() += count;
            }
        }
    }
}

impl FuzzReport {
    /// The report as people read it.
    #[must_use]
    pub fn to_text(&self) -> String {
        text::render(self)
    }
}

#[cfg(test)]
mod tests;
