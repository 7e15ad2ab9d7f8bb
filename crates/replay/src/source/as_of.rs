//! A recorded cluster at one instant, as a snapshot.

use plimsoll_core::SimTime;
use plimsoll_core::objects::{Snapshot, SnapshotWarning};
use plimsoll_history::History;

use crate::recording::RecordingError;

/// The cluster as of `at`, by what had been observed until then: what the file that
/// `plimsoll history snapshot --json` prints would give.
///
/// # Errors
/// When the history cannot be read, or an object in it is none that an API server would hold.
pub fn snapshot_as_of(
    history: &History,
    at: SimTime,
) -> Result<(Snapshot, Vec<SnapshotWarning>), RecordingError> {
    let mut objects = Vec::new();
    for change in history.snapshot_at(at)? {
        // What happened is no part of how things stand.
        if &*change.object.kind != "Event" {
            objects.push((history.object_json(&change)?, Default::default()));
        }
    }
    Snapshot::from_values(objects.into_iter()).map_err(|error| RecordingError::Snapshot {
        history: history.path().display().to_string(),
        error,
    })
}
