//! What can go wrong with a history file, in words a user can act on.

use std::io;
use std::path::{Path, PathBuf};

use plimsoll_core::SimTime;
use thiserror::Error;

/// Why a history could not be written, opened or read.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// There is no file at this path.
    #[error("{}: no such file", path.display())]
    Missing {
        /// The path asked for.
        path: PathBuf,
    },
    /// The file does not start as an SQLite database does.
    #[error("{}: not a history: the file is not an SQLite database", path.display())]
    NotSqlite {
        /// The file.
        path: PathBuf,
    },
    /// An SQLite database that some other program made.
    #[error(
        "{}: not a history: an SQLite database of another program (application_id {application_id:#010x})",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The `application_id` in its header; 0 when it has none.
        application_id: u32,
    },
    /// The file is shorter than its own header says.
    #[error(
        "{}: truncated: its header promises {expected_bytes} bytes, the file has {found_bytes}",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Page size × page count of the header.
        expected_bytes: u64,
        /// The length of the file.
        found_bytes: u64,
    },
    /// A recording whose writer never finished it.
    #[error("{}: unfinished: the import or recording that wrote it was interrupted", path.display())]
    Unfinished {
        /// The file.
        path: PathBuf,
    },
    /// A history of a later format than this program knows.
    #[error(
        "{}: written by a newer Plimsoll: its format is {found}, this one reads up to {supported}",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: u32,
        /// The newest format that this program knows.
        supported: u32,
    },
    /// The database contradicts itself.
    #[error("{}: damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What contradicts what.
        what: String,
    },
    /// A row was observed before the one written last.
    #[error("observed at {observed_at}, before the row observed at {last_observed_at}")]
    OutOfOrder {
        /// The observation time of the refused row.
        observed_at: SimTime,
        /// The observation time of the row before it.
        last_observed_at: SimTime,
    },
    /// Something that is not a Kubernetes object.
    #[error("not a Kubernetes object: {what}")]
    InvalidObject {
        /// The field that is missing or of the wrong kind.
        what: String,
    },
    /// SQLite refused.
    #[error("{}: could not {operation}: {source}", path.display())]
    Sql {
        /// The file.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// SQLite's words.
        source: rusqlite::Error,
    },
    /// The file system refused.
    #[error("{}: could not {operation}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// The system's words.
        source: io::Error,
    },
}

impl HistoryError {
    /// Makes an adapter for `map_err` that names the file and the operation.
    pub(crate) fn sql(
        path: &Path,
        operation: &'static str,
    ) -> impl FnOnce(rusqlite::Error) -> HistoryError {
        move |source| HistoryError::Sql { path: path.to_owned(), operation, source }
    }

    /// Makes an adapter for `map_err` that names the file and the operation.
    pub(crate) fn io(
        path: &Path,
        operation: &'static str,
    ) -> impl FnOnce(io::Error) -> HistoryError {
        move |source| HistoryError::Io { path: path.to_owned(), operation, source }
    }

    /// The database at `path` contradicts itself.
    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> HistoryError {
        HistoryError::Damaged { path: path.to_owned(), what: what.into() }
    }
}
