//! What can be wrong with a file to be imported: always which file, and where in it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::HistoryError;

/// Why nothing was imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The arguments do not fit together.
    #[error("{0}")]
    Usage(String),
    /// A file could not be read.
    #[error("{}: could not read: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A CSV file lacks a column.
    #[error("{}:1: column {column} is missing", file.display())]
    MissingColumn {
        /// The file.
        file: PathBuf,
        /// The column.
        column: String,
    },
    /// A row of a CSV file cannot be read as a row.
    #[error("{}:{line}: {what}", file.display())]
    Row {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A field of a CSV file is not what its column holds.
    #[error("{}:{line}: column {column}: {value:?} {problem}", file.display())]
    Field {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column.
        column: String,
        /// The text found.
        value: String,
        /// What is wrong with it, as the end of a sentence.
        problem: String,
    },
    /// A YAML or JSON file, or a part of it, is not what it should be.
    #[error("{}{}: {what}", file.display(), at_line(*line))]
    Document {
        /// The file.
        file: PathBuf,
        /// The line, from 1, where it is known.
        line: Option<u64>,
        /// Which part, and what is wrong with it.
        what: String,
    },
    /// The history could not be written.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl ImportError {
    pub(crate) fn usage(what: String) -> ImportError {
        ImportError::Usage(what)
    }

    pub(crate) fn read(file: &Path) -> impl FnOnce(io::Error) -> ImportError {
        move |source| ImportError::Read { file: file.to_owned(), source }
    }

    pub(crate) fn document(file: &Path, line: Option<u64>, what: impl Into<String>) -> ImportError {
        ImportError::Document { file: file.to_owned(), line, what: what.into() }
    }
}

fn at_line(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(":{line}"))
}
