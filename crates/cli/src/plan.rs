//! `plimsoll plan`: the one loop that an autoscaler would run now, and nothing is done.

mod page;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use plimsoll_core::objects::Snapshot;
use plimsoll_replay::Strategy;
use plimsoll_replay::plan::{Change, Plan, PlanOptions, Told, make_changes, plan, told};
use serde_json::Value;

use crate::exit::{BadInput, Outcome};
use crate::progress::Stopwatch;
use crate::time_argument::Instant;
use crate::{output, settings_file, snapshot_source};

/// Say what an autoscaler would decide now, and why; nothing is done
///
/// One loop of the strategy over the snapshot: which groups grow, every option with its score, which
/// nodes are unneeded and since when, what keeps the others, and what becomes of each pending pod.
#[derive(Args, Debug)]
#[command(after_help = "\
SNAPSHOT is a file of Kubernetes objects and NodeGroups, or a history as of an instant: cluster.db,
cluster.db@+6h, cluster.db@2026-01-05T06:00:00Z.
What a first loop cannot know (open scale-ups, failures, timers) is told by an AutoscalerState in it.

Changes for --what-if: FLAG=VALUE, minSize[GROUP]=N, maxSize[GROUP]=N, pricePerHour[GROUP]=USD.

Examples:
  plimsoll plan examples/rollout.yaml
  plimsoll plan examples/rollout.yaml --what-if 'maxSize[workers-a]=8' --what-if expander=most-pods
  plimsoll plan cluster.db@+6h --settings tomorrow.yaml --json")]
pub(crate) struct PlanArguments {
    /// A snapshot file, or a history as of an instant: DB or DB@T
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
    /// Who decides: cluster-autoscaler or threshold
    #[arg(long, value_name = "NAME", default_value_t = Strategy::ClusterAutoscaler)]
    strategy: Strategy,
    /// Flags of Cluster Autoscaler that take the place of the snapshot's own: an AutoscalerSettings
    /// document or a map of flags
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// When the loop runs [default: the instant of the history, or the newest time in the file]
    #[arg(long, value_name = "T")]
    at: Option<Instant>,
    /// A change to try; may be given several times. The decision is shown beside today's
    #[arg(long, value_name = "CHANGE", value_parser = change)]
    what_if: Vec<Change>,
    /// The seed of what upstream leaves to chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print the status ConfigMap that Cluster Autoscaler would write after the loop
    #[arg(long, conflicts_with_all = ["json", "what_if"])]
    status: bool,
    /// Print Cluster Autoscaler's metrics after the loop, in Prometheus' text format
    #[arg(long, conflicts_with_all = ["json", "what_if", "status"])]
    metrics: bool,
    /// Print the events that Cluster Autoscaler would write in the loop
    #[arg(long, conflicts_with_all = ["json", "what_if", "status", "metrics"])]
    events: bool,
}

/// Plans.
///
/// # Errors
/// When the snapshot, the settings or a change cannot be used.
pub(crate) fn run(arguments: &PlanArguments) -> anyhow::Result<Outcome> {
    let stopwatch = Stopwatch::start();
    let flags = settings_file::read(arguments.settings.as_deref())?;
    let mut source = snapshot_source::read(&arguments.snapshot)?;
    for warning in &source.warnings {
        output::warn(warning);
    }
    let shown = source.at.or_else(|| source.snapshot.at());
    // An offset counts from the instant that the snapshot shows.
    let at = arguments.at.map(|at| at.resolve(shown.unwrap_or_default())).or(shown);
    let seed = arguments.seed;
    let mut options = PlanOptions { strategy: arguments.strategy, settings: flags, at, seed };
    if arguments.status || arguments.metrics || arguments.events {
        let told = told(&source.snapshot, &options)
            .map_err(|error| BadInput(format!("{}: {error}", arguments.snapshot)))?;
        output::print(&words(arguments, told))?;
        return Ok(Outcome::Success);
    }
    let today = decide(arguments, &source.snapshot, &options)?;
    let changed = if arguments.what_if.is_empty() {
        None
    } else {
        let changes = &arguments.what_if;
        make_changes(changes, &mut source.snapshot, &mut options.settings)
            .map_err(|error| BadInput(format!("{}: --what-if: {error}", arguments.snapshot)))?;
        Some(decide(arguments, &source.snapshot, &options)?)
    };
    if arguments.json {
        output::print_json(&as_json(&today, changed.as_ref(), &arguments.what_if))?;
    } else {
        let width = output::report_width();
        let text = match &changed {
            None => page::text(&today, &source.title, width),
            Some(changed) => {
                page::comparison(&today, changed, &arguments.what_if, &source.title, width)
            }
        };
        output::print(&text)?;
    }
    output::note_timing(&format!("decided in {} ms", stopwatch.elapsed().as_millis()));
    Ok(Outcome::Success)
}

/// What of the loop's words was asked for.
fn words(arguments: &PlanArguments, told: Told) -> String {
    if arguments.status {
        return told.status;
    }
    if arguments.metrics {
        return told.metrics;
    }
    let lines = told.events.iter().map(|event| {
        let (object, event_type) = (&event.object, event.event_type.as_str());
        let (kind, namespace, name) = (object.kind(), object.namespace(), object.name());
        let (reason, message) = (event.reason, &event.message);
        format!("{event_type}  {reason}  {kind} {namespace}/{name}  {message}\n")
    });
    lines.collect()
}

fn decide(
    arguments: &PlanArguments,
    snapshot: &Snapshot,
    options: &PlanOptions,
) -> anyhow::Result<Plan> {
    plan(snapshot, options)
        .map_err(|error| BadInput(format!("{}: {error}", arguments.snapshot)).into())
}

/// Today's plan; with changes it has what they make of it under `whatIf`.
fn as_json(today: &Plan, changed: Option<&Plan>, changes: &[Change]) -> Value {
    let document = |plan: &Plan| serde_json::to_value(plan).expect("a plan is a JSON document");
    let mut json = document(today);
    if let Some(changed) = changed {
        let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let mut other: BTreeMap<String, Value> = BTreeMap::new();
        other.insert("changes".to_owned(), changes.into());
        other.insert("plan".to_owned(), document(changed));
        json["whatIf"] = serde_json::to_value(other).expect("a map of texts is a JSON document");
    }
    json
}

fn change(text: &str) -> Result<Change, String> {
    text.parse().map_err(|error: plimsoll_replay::plan::ChangeError| error.to_string())
}
