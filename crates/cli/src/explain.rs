//! `plimsoll explain`: what held a pod or node of a replay, from when to when, and what released it.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use clap::Args;
use plimsoll_replay::explain::{Subject, explain_all, text};
use plimsoll_replay::report::{ReplayReport, load_reports};

use crate::exit::{BadInput, Outcome};
use crate::output;

/// Say what held a pod or a node of a replay, from when to when, and what released it
///
/// Of a pod: the scheduler's message, what the autoscaler said in each loop that it waited through,
/// which machine it waited for, where it went and how it ended. Of a node: for which pods it was
/// asked for, what kept it when it was not needed, how it went, and what it cost.
#[derive(Args, Debug)]
#[command(
    override_usage = "plimsoll explain [OPTIONS] <REPORT> {--pod <NS/NAME>|--node <NAME>}",
    after_help = "\
REPORT is what `plimsoll replay` writes with --json or -o DIR.

Examples:
  plimsoll replay examples/workday.yaml -o reports
  plimsoll explain reports/cluster-autoscaler.json --pod shop/report-1
  plimsoll explain reports/cluster-autoscaler.json --node general-4"
)]
pub(crate) struct ExplainArguments {
    /// A file that `plimsoll replay` wrote, with one report or several
    #[arg(value_name = "REPORT")]
    report: PathBuf,
    /// The pod; without a namespace that of the namespace default
    #[arg(long, value_name = "NS/NAME")]
    pod: Option<String>,
    /// The node
    #[arg(long, value_name = "NAME", conflicts_with = "pod")]
    node: Option<String>,
    /// Only under this strategy, where the file has several [default: all of them]
    #[arg(long, value_name = "NAME")]
    strategy: Option<String>,
    /// Print JSON: an object, or an array where the file has several reports
    #[arg(long)]
    json: bool,
}

/// Explains.
///
/// # Errors
/// When the file is no report, or has no such strategy, pod or node.
pub(crate) fn run(arguments: &ExplainArguments) -> anyhow::Result<Outcome> {
    let path = arguments.report.display();
    let subject = subject(arguments)?;
    let reports = load_reports(&arguments.report)?;
    let chosen = choose(&reports, arguments)?;
    let explanations = explain_all(&chosen, &subject)
        .map_err(|error| anyhow!(BadInput(format!("{path}: {error}"))))?;
    if arguments.json {
        let document = match explanations.as_slice() {
            [only] if chosen.len() == 1 => serde_json::to_value(only)?,
            all => serde_json::to_value(all)?,
        };
        output::print_json(&document)?;
    } else {
        output::print(&text::render(&explanations, output::report_width()))?;
    }
    Ok(Outcome::Success)
}

fn subject(arguments: &ExplainArguments) -> anyhow::Result<Subject> {
    match (&arguments.pod, &arguments.node) {
        (Some(pod), _) if pod.contains('/') => Ok(Subject::Pod(pod.clone())),
        (Some(pod), _) => Ok(Subject::Pod(format!("default/{pod}"))),
        (None, Some(node)) => Ok(Subject::Node(node.clone())),
        (None, None) => {
            bail!(BadInput("--pod or --node is needed: whom to explain".to_owned()))
        }
    }
}

/// The reports of the strategy asked for.
fn choose<'a>(
    reports: &'a [ReplayReport],
    arguments: &ExplainArguments,
) -> anyhow::Result<Vec<&'a ReplayReport>> {
    let Some(strategy) = &arguments.strategy else { return Ok(reports.iter().collect()) };
    let chosen: Vec<&ReplayReport> =
        reports.iter().filter(|report| report.strategy == *strategy).collect();
    if chosen.is_empty() {
        let there: Vec<&str> = reports.iter().map(|report| report.strategy.as_str()).collect();
        let path = arguments.report.display();
        let there = there.join(", ");
        bail!(BadInput(format!("{path}: no report under strategy {strategy}; it has {there}")));
    }
    Ok(chosen)
}
