//! `cargo xtask goldens`: how far our answers are upstream's.

use std::path::{Path, PathBuf};

use plimsoll_replay::goldens::{CaseResult, JUDGED_SUITES, check_suite};

use crate::output;

/// How many differing cases are printed in full.
const CASES_SHOWN_MAX: usize = 5;
/// How much of a value is printed.
const VALUE_LENGTH_MAX: usize = 1200;

/// Judges the suites in these folders, prints what came of it, and fails when any case differs.
///
/// # Errors
/// When a folder cannot be judged, and when a case differs.
pub fn run(folders: &[&str]) -> anyhow::Result<()> {
    let mut differing = 0;
    for folder in folders_of(folders) {
        let result = check_suite(&folder)?;
        let (agreeing, fields) = result.fields();
        output::line(&format!(
            "{}: {} of {} cases, {agreeing} of {fields} fields",
            result.suite,
            result.agreeing_cases(),
            result.cases.len(),
        ))?;
        let differ = result.cases.iter().filter(|case| !case.differences.is_empty());
        for case in differ.clone().take(CASES_SHOWN_MAX) {
            output::line(describe(case).trim_end())?;
        }
        let names: Vec<&str> = differ.clone().map(|case| case.name.as_str()).collect();
        if !names.is_empty() {
            output::line(&format!("  differing: {}", names.join(", ")))?;
        }
        differing += names.len();
    }
    anyhow::ensure!(differing == 0, "{differing} cases differ");
    Ok(())
}

fn folders_of(folders: &[&str]) -> Vec<PathBuf> {
    if folders.is_empty() {
        let shared = shared_folder().join("goldens");
        return JUDGED_SUITES.iter().map(|suite| shared.join(suite)).collect();
    }
    folders.iter().map(PathBuf::from).collect()
}

/// Where the material that is not part of the project stands: `PLIMSOLL_SHARED`, or `../shared`
/// beside the checkout.
#[must_use]
pub fn shared_folder() -> PathBuf {
    std::env::var_os("PLIMSOLL_SHARED").map_or_else(
        || crate::workspace_root().parent().unwrap_or(Path::new("..")).join("shared"),
        PathBuf::from,
    )
}

fn describe(case: &CaseResult) -> String {
    let mut text = format!("  {}\n", case.name);
    for difference in &case.differences {
        let shown = |value: &serde_json::Value| {
            let mut shown = value.to_string();
            if shown.len() > VALUE_LENGTH_MAX {
                let end = (0..=VALUE_LENGTH_MAX).rev().find(|at| shown.is_char_boundary(*at));
                shown.truncate(end.unwrap_or(0));
                shown.push('…');
            }
            shown
        };
        text.push_str(&format!(
            "    {}\n      upstream {}\n      ours     {}\n",
            difference.field,
            shown(&difference.expected),
            shown(&difference.found),
        ));
    }
    text
}
