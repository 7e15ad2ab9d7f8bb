//! A cluster to look at: a snapshot file, or a history as of an instant.

use std::path::Path;

use plimsoll_core::SimTime;
use plimsoll_core::objects::Snapshot;
use plimsoll_history::History;
use plimsoll_replay::{is_database, source};

use crate::exit::BadInput;
use crate::history::instant_within;
use crate::time_argument::Instant;

/// A cluster at one instant.
pub(crate) struct SnapshotSource {
    pub(crate) snapshot: Snapshot,
    /// What its reader should know, a sentence each.
    pub(crate) warnings: Vec<String>,
    /// What it is called.
    pub(crate) title: String,
    /// The instant that a history was asked for; a file says no such thing.
    pub(crate) at: Option<SimTime>,
}

/// Reads `FILE`, `DB` or `DB@T`. A file whose own name has an `@` is taken as it is.
pub(crate) fn read(argument: &str) -> anyhow::Result<SnapshotSource> {
    let whole = Path::new(argument);
    let (path, at) = match argument.rsplit_once('@') {
        Some((path, at)) if !whole.exists() => {
            let at: Instant =
                at.parse().map_err(|problem| BadInput(format!("{argument}: {problem}")))?;
            (Path::new(path), Some(at))
        }
        _ => (whole, None),
    };
    let texts = |warnings: Vec<_>| warnings.iter().map(ToString::to_string).collect();
    if at.is_none() && !is_database(path) {
        let (snapshot, warnings) = source::load(path)?;
        let title = path.display().to_string();
        return Ok(SnapshotSource { snapshot, warnings: texts(warnings), title, at: None });
    }
    let history = History::open(path)?;
    let at = instant_within(&history, "@", at, history.end())?;
    let (snapshot, warnings) = source::snapshot_as_of(&history, at)?;
    let title = format!("{} as of {at}", path.display());
    Ok(SnapshotSource { snapshot, warnings: texts(warnings), title, at: Some(at) })
}
