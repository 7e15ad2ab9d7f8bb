//! Holds our answers against what the unmodified upstream code answered.
//!
//! A golden is one file: a cluster, settings, and what upstream made of it. Each suite is read by
//! its own module; new cases need no code. `cargo xtask goldens` and the test suite call
//! [`check_suite`].

mod decisions;
mod scheduling;
mod timeline;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::Value;
use thiserror::Error;

/// The suites that are judged by now.
pub const JUDGED_SUITES: [&str; 4] = ["scheduling", "scale-up", "scale-down", "timeline"];

/// What came of one suite.
#[derive(Clone, Debug, Default)]
pub struct SuiteResult {
    /// The suite's name.
    pub suite: String,
    /// The cases, in order of name.
    pub cases: Vec<CaseResult>,
}

/// What came of one case.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// How many fields were compared.
    pub fields: usize,
    /// The fields that differ, in order.
    pub differences: Vec<Difference>,
}

/// A field of a case on which we disagree with upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The field.
    pub field: String,
    /// What upstream answered.
    pub expected: Value,
    /// What we answered.
    pub found: Value,
}

/// A suite that cannot be judged.
#[derive(Debug, Error)]
pub enum GoldenError {
    /// A folder or file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is no golden of its suite.
    #[error("{path}: {problem}")]
    Format {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// There is no code for a suite.
    #[error("{0}: no such suite; known are {known}", known = JUDGED_SUITES.join(", "))]
    UnknownSuite(String),
}

impl SuiteResult {
    /// How many cases agree in every field.
    #[must_use]
    pub fn agreeing_cases(&self) -> usize {
        self.cases.iter().filter(|case| case.differences.is_empty()).count()
    }

    /// How many fields agree, of how many.
    #[must_use]
    pub fn fields(&self) -> (usize, usize) {
        let all: usize = self.cases.iter().map(|case| case.fields).sum();
        let differing: usize = self.cases.iter().map(|case| case.differences.len()).sum();
        (all - differing, all)
    }
}

/// Judges every case in a suite's folder, whose name is the suite's.
///
/// # Errors
/// When the folder or a file in it cannot be read.
pub fn check_suite(folder: &Path) -> Result<SuiteResult, GoldenError> {
    let suite =
        folder.file_name().map(|one| one.to_string_lossy().into_owned()).unwrap_or_default();
    let judge: fn(&Value) -> Result<CaseResult, String> = match suite.as_str() {
        "scheduling" => scheduling::check,
        "scale-up" | "scale-down" => decisions::check,
        "timeline" => timeline::check,
        _ => return Err(GoldenError::UnknownSuite(suite)),
    };
    let cases = case_files(folder)?
        .par_iter()
        .map(|path| {
            let text = fs::read_to_string(path)
                .map_err(|source| GoldenError::Read { path: path.clone(), source })?;
            let format = |problem: String| GoldenError::Format { path: path.clone(), problem };
            let case: Value =
                serde_json::from_str(&text).map_err(|error| format(error.to_string()))?;
            judge(&case).map_err(format)
        })
        .collect::<Result<_, _>>()?;
    Ok(SuiteResult { suite, cases })
}

fn case_files(folder: &Path) -> Result<Vec<PathBuf>, GoldenError> {
    let read = |source| GoldenError::Read { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.extension().is_some_and(|one| one == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Compares the fields that upstream fixed with ours, one by one.
fn compare(
    name: &str,
    expected: &BTreeMap<String, Value>,
    found: &BTreeMap<String, Value>,
) -> CaseResult {
    let differences = expected
        .iter()
        .filter_map(|(field, expected)| {
            let found = found.get(field).cloned().unwrap_or(Value::Null);
            (found != *expected).then(|| Difference {
                field: field.clone(),
                expected: expected.clone(),
                found,
            })
        })
        .collect();
    CaseResult { name: name.to_owned(), fields: expected.len(), differences }
}
