//! `plimsoll history info`: what a recording says about itself.

use plimsoll_history::{History, HistoryError};
use plimsoll_replay::report::money::with_thousands;
use plimsoll_replay::report::{API_VERSION, Seconds};
use serde_json::{Value, json};

use super::{WholeRecording, gaps};
use crate::exit::Outcome;
use crate::output;

pub(super) fn run(arguments: &WholeRecording) -> anyhow::Result<Outcome> {
    let history = History::open(&arguments.history)?;
    if arguments.json {
        output::print_json(&json(&history)?)?;
    } else {
        output::print(&text(&history)?)?;
    }
    Ok(Outcome::Success)
}

/// The recording for people.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn text(history: &History) -> Result<String, HistoryError> {
    let info = history.info();
    let kinds = history.kind_counts()?;
    let kinds: Vec<String> =
        kinds.iter().map(|(kind, count)| format!("{kind} {}", number(*count))).collect();
    let length = Seconds::from(info.end - info.start).to_short_text();
    let gaps = match history.gaps() {
        [] => "none".to_owned(),
        gaps => {
            let total_ms = gaps.iter().map(|gap| (gap.to - gap.from).0).sum();
            format!("{}, {} in all", gaps.len(), Seconds(total_ms).to_short_text())
        }
    };
    let lines = [
        ("cluster", info.cluster.clone()),
        ("from", format!("{} ({})", info.source, info.format)),
        ("window", format!("{} to {} ({length})", info.start, info.end)),
        ("rows", number(info.changes)),
        ("objects", format!("{}: {}", number(info.objects), kinds.join(", "))),
        ("documents", number(info.documents)),
        ("gaps", gaps),
    ];
    let mut page = format!("{}\n", history.path().display());
    for (name, value) in lines {
        page.push_str(&format!("  {name:<10}{value}\n"));
    }
    Ok(page)
}

/// The recording for programs.
///
/// # Errors
/// When the database cannot be read.
pub(crate) fn json(history: &History) -> Result<Value, HistoryError> {
    let info = history.info();
    Ok(json!({
        "apiVersion": API_VERSION,
        "kind": "HistoryInfo",
        "cluster": info.cluster,
        "format": info.format,
        "source": info.source,
        "startTime": info.start.to_string(),
        "endTime": info.end.to_string(),
        "changes": info.changes,
        "objects": info.objects,
        "documents": info.documents,
        "kinds": history.kind_counts()?,
        "gaps": gaps::json(history.gaps()),
    }))
}

fn number(count: u64) -> String {
    with_thousands(count.into())
}
