//! Reading CSV files by the names of their columns, with errors that name row and column.

use std::fs::File;
use std::path::{Path, PathBuf};

use csv::{Reader, ReaderBuilder, StringRecord, Trim};

use super::ImportError;

/// An open CSV file with a known set of columns. Further columns are ignored.
pub(crate) struct Table {
    file: PathBuf,
    reader: Reader<File>,
    /// The place of each wanted column.
    columns: Vec<(&'static str, usize)>,
    record: StringRecord,
}

/// One row of a [`Table`].
pub(crate) struct Row<'a> {
    table: &'a Table,
}

impl Table {
    /// Opens `file`, whose first line must name all of `columns`, in any order.
    pub(crate) fn open(file: &Path, columns: &[&'static str]) -> Result<Table, ImportError> {
        let input = File::open(file).map_err(ImportError::read(file))?;
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(input);
        let header = reader.headers().map_err(|error| row_error(file, &error))?;
        let columns = columns
            .iter()
            .map(|&column| {
                let place = header.iter().position(|name| name == column);
                place.map(|place| (column, place)).ok_or_else(|| ImportError::MissingColumn {
                    file: file.to_owned(),
                    column: column.to_owned(),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Table { file: file.to_owned(), reader, columns, record: StringRecord::new() })
    }

    /// Whether the first line of `file` names `column`.
    pub(crate) fn has_column(file: &Path, column: &str) -> Result<bool, ImportError> {
        let input = File::open(file).map_err(ImportError::read(file))?;
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(input);
        let header = reader.headers().map_err(|error| row_error(file, &error))?;
        Ok(header.iter().any(|name| name == column))
    }

    /// Refuses a file that turned out to have no rows: it was cut, or is not what it should be.
    pub(crate) fn require_rows(&self, rows: usize) -> Result<(), ImportError> {
        match rows {
            0 => Err(ImportError::Row {
                file: self.file.clone(),
                line: 1,
                what: "no rows follow the first line".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// The next row, `None` after the last.
    pub(crate) fn next_row(&mut self) -> Result<Option<Row<'_>>, ImportError> {
        match self.reader.read_record(&mut self.record) {
            Ok(true) => Ok(Some(Row { table: self })),
            Ok(false) => Ok(None),
            Err(error) => Err(row_error(&self.file, &error)),
        }
    }
}

impl Row<'_> {
    /// The text in `column`, which must be one of the columns that the table was opened with.
    pub(crate) fn text(&self, column: &str) -> &str {
        let place = self.table.columns.iter().find(|(name, _)| *name == column);
        let (_, place) = place.expect("a column that the table was opened with");
        self.table.record.get(*place).unwrap_or("")
    }

    /// The text in `column`, which must not be empty.
    pub(crate) fn name(&self, column: &str) -> Result<&str, ImportError> {
        match self.text(column) {
            "" => Err(self.error(column, "is empty")),
            text => Ok(text),
        }
    }

    /// A number of at least 0, with or without a fraction.
    pub(crate) fn decimal(&self, column: &str) -> Result<f64, ImportError> {
        match self.text(column).parse::<f64>() {
            Ok(number) if number.is_finite() && (0.0..=MAX_DECIMAL).contains(&number) => Ok(number),
            _ => Err(self.error(column, "is not a number of at least 0")),
        }
    }

    /// A whole number.
    pub(crate) fn integer(&self, column: &str) -> Result<i64, ImportError> {
        self.text(column).parse().map_err(|_| self.error(column, "is not a whole number"))
    }

    /// A whole number of at least 0.
    pub(crate) fn count(&self, column: &str) -> Result<i64, ImportError> {
        match self.integer(column)? {
            number if number >= 0 => Ok(number),
            _ => Err(self.error(column, "is below 0")),
        }
    }

    /// Seconds, as milliseconds rounded to the nearest; `None` for an empty field.
    pub(crate) fn seconds(&self, column: &str) -> Result<Option<i64>, ImportError> {
        if self.text(column).is_empty() {
            return Ok(None);
        }
        let seconds = self.decimal(column)?;
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_DECIMAL × 1000 < 2^63")]
        Ok(Some((seconds * 1000.0).round() as i64))
    }

    /// The error that says what is wrong with a field of this row.
    pub(crate) fn error(&self, column: &str, problem: &str) -> ImportError {
        ImportError::Field {
            file: self.table.file.clone(),
            line: self.table.record.position().map_or(0, csv::Position::line),
            column: column.to_owned(),
            value: self.text(column).to_owned(),
            problem: problem.to_owned(),
        }
    }
}

/// The largest number that a field may hold: exact in a float, and a thousand times it fits in 64
/// bits.
const MAX_DECIMAL: f64 = 1e15;

fn row_error(file: &Path, error: &csv::Error) -> ImportError {
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, but the first line names {expected_len} columns")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8 text".to_owned(),
        _ => error.to_string(),
    };
    let line = error.position().map_or(1, csv::Position::line);
    ImportError::Row { file: file.to_owned(), line, what }
}
