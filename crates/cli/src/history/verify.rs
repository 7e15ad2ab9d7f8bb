//! `plimsoll history verify`: a recording checked against itself.

use plimsoll_history::{Finding, History, verify};
use plimsoll_replay::report::API_VERSION;
use plimsoll_replay::report::money::with_thousands;
use serde_json::json;

use super::WholeRecording;
use crate::exit::Outcome;
use crate::output;

pub(super) fn run(arguments: &WholeRecording) -> anyhow::Result<Outcome> {
    let findings = verify(&arguments.history)?;
    if arguments.json {
        let entry = |finding: &Finding| json!({"check": finding.check, "what": finding.what});
        output::print_json(&json!({
            "apiVersion": API_VERSION,
            "kind": "HistoryVerification",
            "sound": findings.is_empty(),
            "findings": findings.iter().map(entry).collect::<Vec<_>>(),
        }))?;
    } else if findings.is_empty() {
        let rows = History::open(&arguments.history)?.info().changes;
        let rows = with_thousands(rows.into());
        output::print(&format!("{}: sound, {rows} rows\n", arguments.history.display()))?;
    } else {
        let lines: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
        output::print(&lines)?;
    }
    Ok(if findings.is_empty() { Outcome::Success } else { Outcome::Differs })
}
