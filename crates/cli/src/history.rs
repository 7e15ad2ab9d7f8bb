//! `plimsoll history`: looking into a recording.

mod diff;
mod events;
mod export;
mod gaps;
pub(crate) mod info;
mod snapshot;
mod verify;

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use plimsoll_core::SimTime;
use plimsoll_history::{History, ObjectKey};
use serde_json::{Value, json};

use crate::exit::{BadInput, Outcome};
use crate::time_argument::Instant;

/// Look into a history: what it holds, the cluster as of an instant, what changed between two
#[derive(Args, Debug)]
#[command(after_help = "\
A time T is RFC 3339 (2026-01-05T06:00:00Z) or an offset from the start of the recording (+6h).

Examples:
  plimsoll history info cluster.db
  plimsoll history snapshot cluster.db --at +6h
  plimsoll history diff cluster.db --from +6h --at +7h
  plimsoll history verify cluster.db")]
pub(crate) struct HistoryArguments {
    #[command(subcommand)]
    question: Question,
}

/// What is asked of the history.
#[derive(Debug, Subcommand)]
enum Question {
    /// What was recorded, from when to when, and how much of it there is
    Info(WholeRecording),
    /// The cluster as of an instant, by what had been observed until then
    #[command(after_help = "\
With --json it is a snapshot file: a List of whole objects, as `kubectl get -o json` prints them.

Examples:
  plimsoll history snapshot cluster.db
  plimsoll history snapshot cluster.db --at 2026-01-05T06:00:00Z --json > six-o-clock.json")]
    Snapshot(AsOf),
    /// Which objects came, went or changed between two instants
    Diff(Between),
    /// The Kubernetes events, in the order in which they were observed
    Events(Between),
    /// The times when nobody watched
    Gaps(AsOf),
    /// Every change as a line of JSON, in the order in which they were observed
    #[command(after_help = "\
Each line has sequence, observedAt, effectiveAt, deleted and the whole object; of a deleted one what
identifies it.

Example:
  plimsoll history export cluster.db --from +6h --at +7h | jq -r .object.kind | sort | uniq -c")]
    Export(Between),
    /// Check the recording against itself
    #[command(after_help = "\
Checks SQLite's own integrity, references, the numbering and order of rows, the hash of every
document, tombstones, checkpoints, and that a snapshot does not depend on what was observed later.
Exits with 3 when something is wrong, and with 2 when the file is no history at all.")]
    Verify(WholeRecording),
}

/// A recording as a whole.
#[derive(Args, Debug)]
struct WholeRecording {
    /// The history
    #[arg(value_name = "DB")]
    history: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A recording as of an instant.
#[derive(Args, Debug)]
struct AsOf {
    /// The history
    #[arg(value_name = "DB")]
    history: PathBuf,
    /// As of when [default: the end of the recording]
    #[arg(long, value_name = "T")]
    at: Option<Instant>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was observed after an instant and not after another.
#[derive(Args, Debug)]
struct Between {
    /// The history
    #[arg(value_name = "DB")]
    history: PathBuf,
    /// What was observed after this instant [default: everything]
    #[arg(long, value_name = "T")]
    from: Option<Instant>,
    /// What was observed until this instant [default: the end of the recording]
    #[arg(long, value_name = "T")]
    at: Option<Instant>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Answers the question.
///
/// # Errors
/// When the file is no whole history, or an instant lies outside of it.
pub(crate) fn run(arguments: &HistoryArguments) -> anyhow::Result<Outcome> {
    match &arguments.question {
        Question::Info(whole) => info::run(whole),
        Question::Snapshot(as_of) => snapshot::run(as_of),
        Question::Diff(between) => diff::run(between),
        Question::Events(between) => events::run(between),
        Question::Gaps(as_of) => gaps::run(as_of),
        Question::Export(between) => export::run(between),
        Question::Verify(whole) => verify::run(whole),
    }
}

/// An open recording, and the instants of [`Between`].
struct Span {
    history: History,
    /// Before the first row where no start was asked for.
    from_exclusive: SimTime,
    to_inclusive: SimTime,
}

impl Between {
    fn open(&self) -> anyhow::Result<Span> {
        let history = History::open(&self.history)?;
        let to_inclusive = instant_within(&history, "--at", self.at, history.end())?;
        // What is there from the first instant on was observed at that instant.
        let before_all = SimTime(history.start().0 - 1);
        let from_exclusive = instant_within(&history, "--from", self.from, before_all)?;
        if from_exclusive > to_inclusive {
            bail!(BadInput(format!("--from {from_exclusive} is after --at {to_inclusive}")));
        }
        Ok(Span { history, from_exclusive, to_inclusive })
    }
}

impl Span {
    /// `2026-01-05T06:00:00Z to 2026-01-05T18:00:00Z`.
    fn text(&self) -> String {
        format!("{} to {}", self.from_exclusive.max(self.history.start()), self.to_inclusive)
    }
}

impl AsOf {
    fn open(&self) -> anyhow::Result<(History, SimTime)> {
        let history = History::open(&self.history)?;
        let at = instant_within(&history, "--at", self.at, history.end())?;
        Ok((history, at))
    }
}

/// The instant asked for, which must lie in the recording: of other times it knows nothing.
pub(crate) fn instant_within(
    history: &History,
    option: &str,
    asked: Option<Instant>,
    default: SimTime,
) -> anyhow::Result<SimTime> {
    let Some(asked) = asked else { return Ok(default) };
    let (start, end) = (history.start(), history.end());
    let at = asked.resolve(start);
    if at < start || at > end {
        bail!(BadInput(format!(
            "{}: {option} {at} is outside of the recording, which covers {start} to {end}",
            history.path().display()
        )));
    }
    Ok(at)
}

/// `Pod shop/web-1`, `Node n1`.
fn display_name(key: &ObjectKey) -> String {
    let ObjectKey { kind, namespace, name, .. } = key;
    if namespace.is_empty() {
        format!("{kind} {name}")
    } else {
        format!("{kind} {namespace}/{name}")
    }
}

/// What identifies an object, without what is empty.
fn identity(key: &ObjectKey) -> Value {
    let mut identity = json!({"apiVersion": *key.api_version, "kind": *key.kind, "name": key.name});
    for (field, value) in [("namespace", &*key.namespace), ("uid", &key.uid)] {
        if !value.is_empty() {
            identity[field] = value.into();
        }
    }
    identity
}
