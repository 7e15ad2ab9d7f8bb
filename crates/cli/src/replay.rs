//! `plimsoll replay`: a source is lived through once more, under each strategy asked for.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use plimsoll_core::{SimDuration, SimTime};
use plimsoll_replay::report::money::with_thousands;
use plimsoll_replay::report::{ReplayReport, Seconds, html, text};
use plimsoll_replay::{ReplayOptions, Replayer, Strategy};

use crate::exit::{BadInput, Outcome};
use crate::progress::{ReplayBars, Stopwatch};
use crate::time_argument::{Instant, span};
use crate::{output, settings_file, whole_file};

/// Replay a recording or a scenario in virtual time under one or more strategies
///
/// Every strategy lives through the same window; the report sets them side by side and holds them
/// against the first. The same input gives the same bytes.
#[derive(Args, Debug)]
#[command(after_help = "\
Strategies:
  recorded            what really happened; only where the source is a recording
  cluster-autoscaler  the rules of Kubernetes' Cluster Autoscaler, with its flags as settings
  threshold           adds a node while pods wait, removes one while use is low

A time T is RFC 3339 (2026-01-05T06:00:00Z) or an offset from the start of the source (+6h).
A duration D is written as in Go: 90s, 10m, 1h30m.

Examples:
  plimsoll replay examples/workday.yaml --strategy cluster-autoscaler,threshold
  plimsoll replay cluster.db --from +6h --duration 12h --html replay.html
  plimsoll replay cluster.db --settings tomorrow.yaml --json > tomorrow.json
  plimsoll replay cluster.db --mode scale-ups
  plimsoll replay cluster.db -o reports/")]
pub(crate) struct ReplayArguments {
    /// A history (see `plimsoll import`) or a scenario file
    #[arg(value_name = "SOURCE")]
    source: PathBuf,
    /// Who scales, separated by commas [default: recorded where the source is a recording, and
    /// cluster-autoscaler]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    strategy: Vec<Strategy>,
    /// Flags of Cluster Autoscaler that take the place of the source's own: an AutoscalerSettings
    /// document or a map of flags
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// From when on [default: the start of the source]
    #[arg(long, value_name = "T")]
    from: Option<Instant>,
    /// Until when [default: the end of the source]
    #[arg(long, value_name = "T", conflicts_with = "duration")]
    to: Option<Instant>,
    /// For how long, instead of --to
    #[arg(long, value_name = "D", value_parser = span)]
    duration: Option<SimDuration>,
    /// Live through the whole window, or decide anew on each recorded burst of scale-ups
    #[arg(long, value_enum, default_value_t = Mode::Timeline)]
    mode: Mode,
    /// How much time each entry of the report's `deployedPods` covers [default: the scan interval]
    #[arg(long, value_name = "D", value_parser = span)]
    batch_interval: Option<SimDuration>,
    /// The seed of all chance [default: the scenario's, or 1]
    #[arg(long, value_name = "N", value_parser = seed)]
    seed: Option<u64>,
    /// Write a report for each strategy (STRATEGY.json), report.txt and report.html to a folder
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print the report as JSON: an object, or an array when there are several strategies
    #[arg(long)]
    json: bool,
    /// Write one page with charts that opens without a network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What is replayed of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// All of it, from its start on
    Timeline,
    /// Each recorded burst of scale-ups on its own, from the state in which it was decided
    ScaleUps,
}

/// Replays.
///
/// # Errors
/// When the source or the settings cannot be used, or a report cannot be written.
pub(crate) fn run(arguments: &ReplayArguments) -> anyhow::Result<Outcome> {
    let settings = settings_file::read(arguments.settings.as_deref())?;
    let replayer = Replayer::open(&arguments.source)?;
    check_mode(arguments, &replayer)?;
    let strategies = strategies(arguments, &replayer)?;
    let options = options(arguments, settings, &replayer);
    for warning in replayer.warnings() {
        output::warn(warning);
    }
    let stopwatch = Stopwatch::start();
    let reports = match arguments.mode {
        Mode::Timeline => replay_timeline(&replayer, &strategies, &options)?,
        Mode::ScaleUps => replayer.replay_scale_ups(&strategies, &options)?,
    };
    let elapsed = stopwatch.elapsed();
    if let Some(folder) = &arguments.output {
        write_folder(folder, &reports)?;
    }
    if let Some(path) = &arguments.html {
        whole_file::write_text(path, &html::render(&reports))?;
    }
    if arguments.json {
        output::print_with(&mut |out| write_json(out, &reports))?;
    } else {
        output::print(&text::render(&reports, output::report_width()))?;
    }
    if let Some(report) = reports.first() {
        output::note(&speed_text(report.end_time - report.start_time, elapsed));
    }
    Ok(Outcome::Success)
}

/// What happened is known of recordings only.
fn check_mode(arguments: &ReplayArguments, replayer: &Replayer) -> anyhow::Result<()> {
    if arguments.mode == Mode::ScaleUps && !replayer.is_recording() {
        bail!(BadInput(format!(
            "--mode scale-ups: {} is a scenario; only a recording has bursts of scale-ups",
            arguments.source.display()
        )));
    }
    Ok(())
}

/// Those asked for, none twice, or those that suit the source.
fn strategies(arguments: &ReplayArguments, replayer: &Replayer) -> anyhow::Result<Vec<Strategy>> {
    let asked = &arguments.strategy;
    for (place, strategy) in asked.iter().enumerate() {
        if asked[..place].contains(strategy) {
            bail!(BadInput(format!("--strategy: {strategy} is there twice")));
        }
    }
    Ok(match (asked.as_slice(), replayer.is_recording()) {
        ([], true) => vec![Strategy::Recorded, Strategy::ClusterAutoscaler],
        ([], false) => vec![Strategy::ClusterAutoscaler],
        (asked, _) => asked.to_vec(),
    })
}

fn options(
    arguments: &ReplayArguments,
    settings: BTreeMap<String, serde_json::Value>,
    replayer: &Replayer,
) -> ReplayOptions {
    let start = replayer.record_start_time();
    let from = arguments.from.map(|instant| instant.resolve(start));
    let to = match (arguments.to, arguments.duration) {
        (Some(instant), _) => Some(instant.resolve(start)),
        (None, Some(duration)) => Some(from.unwrap_or(start) + duration),
        (None, None) => None,
    };
    ReplayOptions {
        from,
        to,
        settings,
        seed: arguments.seed,
        batch_interval: arguments.batch_interval,
    }
}

fn replay_timeline(
    replayer: &Replayer,
    strategies: &[Strategy],
    options: &ReplayOptions,
) -> anyhow::Result<Vec<ReplayReport>> {
    let end = replayer.record_end_time();
    let from = options.from.unwrap_or(replayer.record_start_time());
    let to = options.to.unwrap_or(end).min(end);
    let names: Vec<&str> = strategies.iter().map(|strategy| strategy.as_str()).collect();
    let bars = ReplayBars::new(&names, from, to);
    let replayed =
        replayer.replay(strategies, options, &|place, at: SimTime| bars.reach(place, at));
    bars.clear();
    Ok(replayed?)
}

/// One report as an object, several as an array.
fn write_json(out: &mut dyn Write, reports: &[ReplayReport]) -> io::Result<()> {
    match reports {
        [report] => serde_json::to_writer_pretty(&mut *out, report)?,
        reports => serde_json::to_writer_pretty(&mut *out, reports)?,
    }
    out.write_all(b"\n")
}

fn write_folder(folder: &Path, reports: &[ReplayReport]) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("--output {}: could not make the folder", folder.display()))?;
    for report in reports {
        let path = folder.join(format!("{}.json", report.strategy));
        let alone = std::slice::from_ref(report);
        whole_file::write(&path, &mut |out| write_json(out, alone))?;
    }
    let page = text::render(reports, text::DEFAULT_WIDTH);
    whole_file::write_text(&folder.join("report.txt"), &page)?;
    whole_file::write_text(&folder.join("report.html"), &html::render(reports))
}

fn seed(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "expected a whole number of at least 0")
}

/// `replayed 12h0m in 41 ms (1,050,000x)`.
fn speed_text(window: SimDuration, elapsed: Duration) -> String {
    let elapsed_us = i128::try_from(elapsed.as_micros()).unwrap_or(i128::MAX).max(1);
    let times = three_digits(i128::from(window.0) * 1000 / elapsed_us);
    let took = match elapsed_us {
        0..10_000_000 => format!("{} ms", with_thousands((elapsed_us + 500) / 1000)),
        _ => format!("{} s", with_thousands((elapsed_us + 500_000) / 1_000_000)),
    };
    let window = Seconds::from(window).to_short_text();
    format!("replayed {window} in {took} ({}x)", with_thousands(times))
}

/// A measured number is not more exact than this.
fn three_digits(number: i128) -> i128 {
    let mut scale = 1;
    while number / scale >= 1000 {
        scale *= 10;
    }
    number / scale * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_told_in_three_digits() {
        let day = SimDuration::from_hours(12);
        assert_eq!(
            speed_text(day, Duration::from_millis(41)),
            "replayed 12h0m in 41 ms (1,050,000x)"
        );
        let month = SimDuration::from_hours(744);
        assert_eq!(speed_text(month, Duration::from_secs(12)), "replayed 31d0h in 12 s (223,000x)");
        let burst = SimDuration::from_secs(1);
        assert_eq!(speed_text(burst, Duration::from_secs(2)), "replayed 1s in 2,000 ms (0x)");
    }
}
