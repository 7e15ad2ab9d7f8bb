//! The file that `--settings` names.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::bail;
use plimsoll_replay::{load_settings, strategy};
use serde_json::Value;

use crate::exit::BadInput;

/// The flags of the file, every one of which must be known and good; none without a file.
///
/// # Errors
/// When the file cannot be used: the error names it, not the source that the flags are for.
pub(crate) fn read(path: Option<&Path>) -> anyhow::Result<BTreeMap<String, Value>> {
    let Some(path) = path else { return Ok(BTreeMap::new()) };
    let flags = load_settings(path)?;
    if let Err(error) = strategy::settings_of(&flags) {
        bail!(BadInput(format!("{}: AutoscalerSettings: {error}", path.display())));
    }
    Ok(flags)
}
