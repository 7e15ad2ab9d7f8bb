//! The report of a fuzz run as people read it.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Failure, FuzzReport};
use crate::report::money::with_thousands;

/// How wide the column of names is.
const NAME_WIDTH: usize = 55;
/// Of more failures of the same check only the number is told.
const SEEDS_SHOWN_MAX: usize = 20;

pub(super) fn render(report: &FuzzReport) -> String {
    let mut out = String::new();
    let coverage = &report.coverage;
    let strategies = report.strategies.join(", ");
    let seeds = format!("{}..{}", report.first_seed, report.end_seed);
    line(&mut out, &format!("seeds {seeds}, {} steps each, {strategies}", report.steps));
    line(&mut out, "");
    count(&mut out, "runs", coverage.runs);
    count(&mut out, "virtual hours", coverage.virtual_seconds / 3600);
    count(&mut out, "loops", coverage.loops);
    section(&mut out, "Decisions", &coverage.decisions);
    section(&mut out, "Faults", &coverage.faults);
    section(&mut out, "Checks", &coverage.checks);
    line(&mut out, "");
    if report.failures.is_empty() {
        line(&mut out, "All of it holds.");
    } else {
        failures(&mut out, &report.failures);
    }
    out
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a string takes all text");
}

fn count(out: &mut String, name: &str, number: u64) {
    let number = with_thousands(i128::from(number));
    line(out, &format!("{name:NAME_WIDTH$}{number:>12}"));
}

fn section(out: &mut String, title: &str, counts: &BTreeMap<String, u64>) {
    line(out, "");
    line(out, title);
    for (name, number) in counts {
        count(out, &format!("  {name}"), *number);
    }
}

/// One paragraph a check and strategy: the first failure in full, and the seeds of the others.
fn failures(out: &mut String, failures: &[Failure]) {
    let mut by_check: BTreeMap<(&str, &str), Vec<&Failure>> = BTreeMap::new();
    for failure in failures {
        by_check.entry((&failure.check, &failure.strategy)).or_default().push(failure);
    }
    line(out, &format!("{} runs fail:", failures.len()));
    for ((check, strategy), failures) in by_check {
        let first = failures[0];
        line(out, "");
        line(out, &format!("FAILED: {check} ({strategy}, seed {})", first.seed));
        let when = first.at.as_ref().map_or_else(|| "at the end".to_owned(), |at| format!("+{at}"));
        line(out, &format!("  {when}: {}", first.message));
        line(out, &format!("  again: {}", first.command));
        if let Some(shrunk) = &first.shrunk {
            line(
                out,
                &format!(
                    "  smallest: {} of {}, {} of {} objects, {} of {} events, {} of {} flags",
                    shrunk.duration[1],
                    shrunk.duration[0],
                    shrunk.objects[1],
                    shrunk.objects[0],
                    shrunk.events[1],
                    shrunk.events[0],
                    shrunk.flags[1],
                    shrunk.flags[0]
                ),
            );
        }
        let others: Vec<String> = failures[1..].iter().map(|one| one.seed.to_string()).collect();
        if !others.is_empty() {
            let shown = others[..others.len().min(SEEDS_SHOWN_MAX)].join(", ");
            line(out, &format!("  {} more, of seeds {shown}", others.len()));
        }
    }
}
