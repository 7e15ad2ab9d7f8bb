//! `plimsoll import`: a trace, a Gardener scenario or the output of kubectl becomes a history.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use plimsoll_history::History;
use plimsoll_history::import::{self, Format, ImportOptions, ImportSummary};
use plimsoll_replay::report::money::with_thousands;

use crate::exit::{BadInput, Outcome};
use crate::history::info;
use crate::output;
use crate::progress::{StepsBar, Stopwatch};

/// Turn traces, Gardener scenarios or the output of `kubectl get` into a history
///
/// FORMAT is one of
///   dlrm      Alibaba's DLRM trace: one CSV file of instances
///   openb     Alibaba's openb trace: a CSV file of pods and one of nodes, in any order
///   surf      jobs of the SURF Lisa cluster, as OpenDC has them: one CSV file
///   gardener  scenarios of gardener scaling-history: JSON files
///   objects   `kubectl get ... -A -o json` or `-o yaml`: one file for each look at the cluster
#[derive(Args, Debug)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  kubectl get nodes,pods,deployments,replicasets,pdb -A -o json > now.json
  plimsoll import objects now.json --groups groups.yaml -o cluster.db
  plimsoll import dlrm instances.csv --groups examples/groups/dlrm.yaml -o dlrm.db
  plimsoll import surf jobs.csv --groups examples/groups/surf.yaml --compress 60 -o fast.db

A history appears when it is complete: an import that fails or is killed leaves no file that any
command would take for one."
)]
pub(crate) struct ImportArguments {
    /// What the files hold: dlrm, openb, surf, gardener or objects
    #[arg(value_name = "FORMAT", value_parser = Format::parse)]
    format: Format,
    /// The files to import
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The history to write; one that is there is replaced once the new one is complete
    #[arg(short, long, value_name = "DB")]
    output: PathBuf,
    /// NodeGroup documents, for sources that name no machines
    #[arg(long, value_name = "FILE")]
    groups: Option<PathBuf>,
    /// Divide every time of a trace, counted from its start, by this number
    #[arg(long, value_name = "N", value_parser = factor)]
    compress: Option<f64>,
    /// Multiply the load of a trace: 2 plays every row twice, 0.5 every second one
    #[arg(long, value_name = "F", value_parser = factor)]
    inflate: Option<f64>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// Imports.
///
/// # Errors
/// Whatever is wrong with the files, or that the history could not be written.
pub(crate) fn run(arguments: &ImportArguments) -> anyhow::Result<Outcome> {
    check_output(arguments)?;
    let options = ImportOptions {
        groups: arguments.groups.clone(),
        compress: arguments.compress,
        inflate: arguments.inflate,
    };
    let bar = StepsBar::new("importing");
    let stopwatch = Stopwatch::start();
    let imported = import::run(
        arguments.format,
        &arguments.files,
        &options,
        &arguments.output,
        &mut |progress| bar.reach(progress.done, progress.total),
    );
    let elapsed = stopwatch.elapsed();
    bar.clear();
    let summary = imported?;
    for remark in &summary.notes {
        output::note(remark);
    }
    output::note(&speed_text(summary.info.changes, elapsed));
    print_summary(arguments, &summary)?;
    Ok(Outcome::Success)
}

/// The history replaces what is at its path, which must not be what is imported.
fn check_output(arguments: &ImportArguments) -> anyhow::Result<()> {
    let place = |path: &Path| fs::canonicalize(path).ok();
    let Some(output) = place(&arguments.output) else { return Ok(()) };
    if output.is_dir() {
        bail!(BadInput(format!(
            "--output {}: is a folder; expected the name of a file",
            arguments.output.display()
        )));
    }
    let sources = arguments.files.iter().chain(&arguments.groups);
    if let Some(same) = sources.into_iter().find(|file| place(file).as_ref() == Some(&output)) {
        bail!(BadInput(format!(
            "--output {}: is a file to be imported, which the history would replace",
            same.display()
        )));
    }
    Ok(())
}

fn print_summary(arguments: &ImportArguments, summary: &ImportSummary) -> anyhow::Result<()> {
    let history = History::open(&arguments.output)?;
    if arguments.json {
        let mut document = info::json(&history)?;
        document["notes"] = summary.notes.as_slice().into();
        return output::print_json(&document);
    }
    output::print(&info::text(&history)?)
}

fn factor(text: &str) -> Result<f64, &'static str> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(factor),
        _ => Err("expected a number above 0"),
    }
}

fn speed_text(rows: u64, elapsed: Duration) -> String {
    let elapsed_ms = elapsed.as_millis().max(1);
    let rows_per_second = u128::from(rows) * 1000 / elapsed_ms;
    format!(
        "imported {} rows in {} ms ({} rows/s)",
        with_thousands(rows.into()),
        with_thousands(elapsed_ms.try_into().unwrap_or(i128::MAX)),
        with_thousands(rows_per_second.try_into().unwrap_or(i128::MAX)),
    )
}
