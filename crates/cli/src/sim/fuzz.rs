//! `plimsoll sim fuzz`: drawn scenarios with faults, every invariant held at every loop.

use std::ops::Range;
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::bail;
use clap::Args;
use plimsoll_replay::Strategy;
use plimsoll_replay::fuzz::{DEFAULT_STEPS, FuzzOptions, FuzzReport, STRATEGIES, run as run_seeds};
use serde_json::json;

use crate::exit::{BadInput, Outcome};
use crate::progress::{StepsBar, Stopwatch};
use crate::{output, whole_file};

/// Live through random scenarios with faults and hold every invariant at every loop
///
/// A seed draws a cluster, its workloads, the autoscaler's flags, and what happens: bursts,
/// deletions, stock-outs, machines that never register, a cloud that does not answer. Each strategy
/// lives through it as in `plimsoll replay`. The same seeds give the same bytes.
#[derive(Args, Debug)]
#[command(after_help = "\
Exits with 1 when something does not hold. Then it says which seed shows it, the command that shows
it again, and how small the scenario can be made; with --keep, `plimsoll replay` can play that one.

Examples:
  plimsoll sim fuzz
  plimsoll sim fuzz --seeds 0..10000 --strategy cluster-autoscaler
  plimsoll sim fuzz --seeds 4711..4712 --keep found.json
  plimsoll replay found.json")]
pub(crate) struct FuzzArguments {
    /// From the first seed up to, not including, the second
    #[arg(long, value_name = "A..B", default_value = "0..100", value_parser = seeds)]
    seeds: Range<u64>,
    /// How many scan intervals each scenario lasts
    #[arg(long, value_name = "N", default_value_t = DEFAULT_STEPS,
          value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,
    /// Who scales, separated by commas [default: cluster-autoscaler,threshold]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    strategy: Vec<Strategy>,
    /// Write the smallest scenario that shows the first failure to a file
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the seeds.
///
/// # Errors
/// When a strategy cannot be fuzzed, or a file cannot be written.
pub(super) fn run(arguments: &FuzzArguments) -> anyhow::Result<Outcome> {
    let strategies = strategies(&arguments.strategy)?;
    let options =
        FuzzOptions { seeds: arguments.seeds.clone(), steps: arguments.steps, strategies };
    let total = options.seeds.end - options.seeds.start;
    let bar = StepsBar::new("seeds");
    let done = AtomicU64::new(0);
    // A panic is a finding like any other: it is told in the report.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let stopwatch = Stopwatch::start();
    let report = run_seeds(&options, &|| {
        bar.reach(done.fetch_add(1, Ordering::Relaxed) + 1, total);
    });
    panic::set_hook(hook);
    bar.clear();
    if let Some(path) = &arguments.keep {
        keep(path, &report)?;
    }
    if arguments.json {
        output::print_json(&serde_json::to_value(&report)?)?;
    } else {
        output::print(&report.to_text())?;
    }
    output::note_timing(&format!("{total} seeds in {:.1} s", stopwatch.elapsed().as_secs_f64()));
    Ok(if report.failures.is_empty() { Outcome::Success } else { Outcome::Failed })
}

fn strategies(asked: &[Strategy]) -> anyhow::Result<Vec<Strategy>> {
    for (place, strategy) in asked.iter().enumerate() {
        if !STRATEGIES.contains(strategy) {
            bail!(BadInput(format!("--strategy: {strategy} decides nothing that could be tested")));
        }
        if asked[..place].contains(strategy) {
            bail!(BadInput(format!("--strategy: {strategy} is there twice")));
        }
    }
    Ok(if asked.is_empty() { STRATEGIES.to_vec() } else { asked.to_vec() })
}

/// Writes the smallest scenario of the first failure, as a file that `plimsoll replay` plays.
fn keep(path: &Path, report: &FuzzReport) -> anyhow::Result<()> {
    let Some(documents) = report.failures.iter().find_map(|one| one.scenario.as_ref()) else {
        output::note(&format!("{}: nothing failed, so nothing is written", path.display()));
        return Ok(());
    };
    let list = json!({"apiVersion": "v1", "kind": "List", "items": documents});
    whole_file::write(path, &mut |out| {
        serde_json::to_writer_pretty(&mut *out, &list)?;
        out.write_all(b"\n")
    })
}

/// `A..B`, with at least one seed.
fn seeds(text: &str) -> Result<Range<u64>, &'static str> {
    const EXPECTED: &str = "expected A..B, two whole numbers with A below B";
    let (from, to) = text.split_once("..").ok_or(EXPECTED)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| EXPECTED);
    let seeds = number(from)?..number(to)?;
    if seeds.is_empty() { Err(EXPECTED) } else { Ok(seeds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range_that_is_not_empty() {
        assert_eq!(seeds("3..7"), Ok(3..7));
        for wrong in ["3", "7..3", "3..3", "a..b", "3..=7", "-1..4"] {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
    }
}
