//! The tables of a history file, their versions, and how a file is recognised.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rusqlite::Connection;

use crate::HistoryError;

/// `application_id` in the header of every history: the letters `PLIM`.
pub(crate) const APPLICATION_ID: u32 = 0x504c_494d;

/// One step per format version: step `n` turns format `n` into format `n + 1`.
const MIGRATIONS: [&str; 1] = [TABLES];

/// The tables. Nothing in them is ever updated or deleted; `checkpoints` is derived from `changes`.
const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE objects (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    api_version TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    created_at INTEGER
) STRICT;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE node_names (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
CREATE TABLE changes (
    sequence INTEGER PRIMARY KEY,
    observed_at INTEGER NOT NULL,
    effective_at INTEGER NOT NULL,
    object INTEGER NOT NULL REFERENCES objects (id),
    meta INTEGER REFERENCES documents (id),
    spec INTEGER REFERENCES documents (id),
    rest INTEGER REFERENCES documents (id),
    node_name INTEGER REFERENCES node_names (id),
    resource_version TEXT,
    CHECK ((meta IS NULL) = (spec IS NULL) AND (meta IS NULL) = (rest IS NULL)),
    CHECK (meta IS NOT NULL OR (node_name IS NULL AND resource_version IS NULL))
) STRICT;
CREATE TABLE gaps (from_time INTEGER NOT NULL, to_time INTEGER NOT NULL) STRICT;
CREATE TABLE checkpoints (
    sequence INTEGER PRIMARY KEY,
    observed_at INTEGER NOT NULL,
    alive BLOB NOT NULL
) STRICT;
";

/// The indexes, built once when a recording is finished: filling them row by row costs more than
/// the rows themselves.
pub(crate) const INDEXES: &str = "
CREATE INDEX changes_by_time ON changes (observed_at);
CREATE INDEX changes_by_object ON changes (object, sequence);
CREATE INDEX objects_by_name ON objects (kind, namespace, name);
CREATE UNIQUE INDEX documents_by_hash ON documents (hash);
CREATE INDEX checkpoints_by_time ON checkpoints (observed_at);
";

/// The format that this program writes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 1;

const _: () = assert!(MIGRATIONS.len() == FORMAT as usize, "one migration per format");

/// Brings an empty or older database to [`FORMAT`], each step in one transaction.
pub(crate) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), HistoryError> {
    let failed = HistoryError::sql;
    let found: u32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(failed(path, "read the format"))?;
    for version in found..FORMAT {
        let step = MIGRATIONS[version as usize];
        let transaction = connection.transaction().map_err(failed(path, "migrate"))?;
        transaction
            .execute_batch(step)
            .and_then(|()| transaction.pragma_update(None, "application_id", APPLICATION_ID))
            .and_then(|()| transaction.pragma_update(None, "user_version", version + 1))
            .and_then(|()| transaction.commit())
            .map_err(failed(path, "migrate"))?;
    }
    Ok(())
}

/// The length of the header of an SQLite file.
const HEADER_BYTES: usize = 100;

/// Tells from the file's header alone whether it is a whole history of a known format: cheap enough
/// for every open, where `PRAGMA quick_check` would read the whole file.
pub(crate) fn check_header(path: &Path) -> Result<(), HistoryError> {
    let mut file = File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => HistoryError::Missing { path: path.to_owned() },
        _ => HistoryError::Io { path: path.to_owned(), operation: "open", source },
    })?;
    let found_bytes = file.metadata().map_err(HistoryError::io(path, "read the length"))?.len();
    let mut header = Vec::with_capacity(HEADER_BYTES);
    file.by_ref()
        .take(HEADER_BYTES as u64)
        .read_to_end(&mut header)
        .map_err(HistoryError::io(path, "read the header"))?;
    if header.len() < HEADER_BYTES || !header.starts_with(b"SQLite format 3\0") {
        return Err(HistoryError::NotSqlite { path: path.to_owned() });
    }
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let application_id = word(68);
    if application_id != APPLICATION_ID {
        return Err(HistoryError::Foreign { path: path.to_owned(), application_id });
    }
    let found = word(60);
    if found > FORMAT {
        return Err(HistoryError::TooNew { path: path.to_owned(), found, supported: FORMAT });
    }
    // A page size of 65,536 does not fit in two bytes and is written as 1.
    let page_bytes = match u64::from(u16::from_be_bytes([header[16], header[17]])) {
        1 => 65_536,
        bytes => bytes,
    };
    let expected_bytes = page_bytes * u64::from(word(28));
    if found_bytes < expected_bytes {
        return Err(HistoryError::Truncated { path: path.to_owned(), expected_bytes, found_bytes });
    }
    Ok(())
}
