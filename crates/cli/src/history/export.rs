//! `plimsoll history export`: every change as a line of JSON.

use std::io::{self, Write};
use std::ops::ControlFlow;

use plimsoll_history::{Change, History, HistoryError};
use serde_json::json;

use super::Between;
use crate::exit::Outcome;
use crate::output;

pub(super) fn run(arguments: &Between) -> anyhow::Result<Outcome> {
    let span = arguments.open()?;
    let mut unreadable = None;
    output::print_with(&mut |out| {
        let mut written = Ok(());
        let visited =
            span.history.visit_changes(span.from_exclusive, span.to_inclusive, &mut |change| {
                match write_line(out, &span.history, &change) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(Stop::Closed(error)) => {
                        written = Err(error);
                        ControlFlow::Break(())
                    }
                    Err(Stop::Unreadable(error)) => {
                        unreadable = Some(error);
                        ControlFlow::Break(())
                    }
                }
            });
        unreadable = unreadable.take().or(visited.err());
        written
    })?;
    match unreadable {
        Some(error) => Err(error.into()),
        None => Ok(Outcome::Success),
    }
}

/// Why the export ends early.
enum Stop {
    Unreadable(HistoryError),
    Closed(io::Error),
}

fn write_line(out: &mut dyn Write, history: &History, change: &Change) -> Result<(), Stop> {
    let line = json!({
        "sequence": change.sequence,
        "observedAt": change.observed_at.to_string(),
        "effectiveAt": change.effective_at.to_string(),
        "deleted": change.version.is_none(),
        "object": history.object_json(change).map_err(Stop::Unreadable)?,
    });
    writeln!(out, "{line}").map_err(Stop::Closed)
}
