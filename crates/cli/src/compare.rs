//! `plimsoll compare`: reports of the same source held against the first one.

use std::path::PathBuf;

use clap::Args;
use plimsoll_replay::report::{Comparison, html, load_reports};

use crate::exit::Outcome;
use crate::{output, whole_file};

/// Hold replay reports of the same source and window against the first one
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  plimsoll replay cluster.db --settings today.yaml --json > today.json
  plimsoll replay cluster.db --settings tomorrow.yaml --json > tomorrow.json
  plimsoll compare today.json tomorrow.json --html compared.html

Exits with 3 when the reports differ, so that a script can ask whether a change changes anything.")]
pub(crate) struct CompareArguments {
    /// Files that `plimsoll replay` wrote, with one report each or several
    #[arg(value_name = "REPORT", required = true)]
    reports: Vec<PathBuf>,
    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
    /// Write all reports side by side as one page that opens without a network
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Compares.
///
/// # Errors
/// When a file is no report, when there are fewer than two, or when they are not of one source.
pub(crate) fn run(arguments: &CompareArguments) -> anyhow::Result<Outcome> {
    let mut reports = Vec::new();
    for path in &arguments.reports {
        reports.extend(load_reports(path)?);
    }
    let comparison = Comparison::of(&reports)?;
    if let Some(path) = &arguments.html {
        whole_file::write_text(path, &html::render(&reports))?;
    }
    if arguments.json {
        output::print_with(&mut |out| {
            serde_json::to_writer_pretty(&mut *out, &comparison)?;
            out.write_all(b"\n")
        })?;
    } else {
        output::print(&comparison.to_text(&reports, output::report_width()))?;
    }
    Ok(if comparison.differs() { Outcome::Differs } else { Outcome::Success })
}
