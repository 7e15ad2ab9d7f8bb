//! How a command ends: 0 done, 1 failed, 2 wrong usage or bad input, 3 differs.

use std::fmt;
use std::process::ExitCode;

use plimsoll_history::HistoryError;
use plimsoll_history::import::ImportError;
use plimsoll_replay::ReplayError;
use plimsoll_replay::recording::RecordingError;
use plimsoll_replay::report::{CompareError, LoadError};
use plimsoll_replay::source::SourceError;

use crate::output;

/// Something went wrong that is not the input's fault.
const EXIT_FAILURE: u8 = 1;
/// The arguments or a file they name cannot be used.
pub(crate) const EXIT_BAD_INPUT: u8 = 2;
/// The command worked, and what it compared or verified is not the same.
const EXIT_DIFFERS: u8 = 3;

/// How a command that could be done ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As it should.
    Success,
    /// Reports differ, or a recording is not sound.
    Differs,
    /// What was tested does not hold.
    Failed,
}

/// The user's input cannot be used, for a reason that only the command line can know.
#[derive(Debug)]
pub(crate) struct BadInput(pub(crate) String);

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

/// Prints the error, if there is one, and gives the exit code.
pub(crate) fn conclude(result: anyhow::Result<Outcome>) -> ExitCode {
    match result {
        Ok(Outcome::Success) => ExitCode::SUCCESS,
        Ok(Outcome::Differs) => ExitCode::from(EXIT_DIFFERS),
        Ok(Outcome::Failed) => ExitCode::from(EXIT_FAILURE),
        Err(error) => {
            output::show_error(&one_line(&error));
            ExitCode::from(code_of(&error))
        }
    }
}

/// The error and its causes, joined by `: `, on one line. Many errors of the libraries name their
/// cause already; it is not said twice.
fn one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn code_of(error: &anyhow::Error) -> u8 {
    let is_bad_input = error.chain().any(|cause| {
        if let Some(import) = cause.downcast_ref::<ImportError>() {
            return is_import_input(import);
        }
        if let Some(replay) = cause.downcast_ref::<ReplayError>() {
            return !matches!(replay, ReplayError::Drive(_));
        }
        cause.is::<BadInput>()
            || cause.is::<SourceError>()
            || cause.is::<RecordingError>()
            || cause.is::<HistoryError>()
            || cause.is::<LoadError>()
            || cause.is::<CompareError>()
    });
    if is_bad_input { EXIT_BAD_INPUT } else { EXIT_FAILURE }
}

/// An import reads files and writes a history: only what it could not write is no fault of the
/// input.
fn is_import_input(error: &ImportError) -> bool {
    !matches!(error, ImportError::History(HistoryError::Sql { .. } | HistoryError::Io { .. }))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_is_not_said_twice_and_all_is_one_line() {
        let disk = io::Error::other("disk\n  full");
        let write =
            HistoryError::Io { path: PathBuf::from("x.db"), operation: "flush", source: disk };
        let error = anyhow::Error::new(write).context("import");
        assert_eq!(one_line(&error), "import: x.db: could not flush: disk full");
    }

    #[test]
    fn a_full_disk_is_a_failure_and_a_wrong_file_is_bad_input() {
        let disk = || io::Error::other("disk full");
        let write =
            HistoryError::Io { path: PathBuf::from("x.db"), operation: "flush", source: disk() };
        assert_eq!(code_of(&ImportError::from(write).into()), EXIT_FAILURE);
        let missing = HistoryError::Missing { path: PathBuf::from("x.db") };
        assert_eq!(code_of(&missing.into()), EXIT_BAD_INPUT);
        let missing = HistoryError::Missing { path: PathBuf::from("x.db") };
        assert_eq!(code_of(&ReplayError::from(missing).into()), EXIT_BAD_INPUT);
        assert_eq!(code_of(&BadInput("--to".to_owned()).into()), EXIT_BAD_INPUT);
        let page: anyhow::Result<()> = Err(disk()).context("page.html: could not write");
        assert_eq!(code_of(&page.expect_err("an error")), EXIT_FAILURE);
    }
}
