//! Writing a recording: one writer, append-only, whole or not at all.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plimsoll_core::SimTime;
use rusqlite::{Connection, params};
use serde_json::Value;

use crate::checkpoint::{self, AliveRow};
use crate::document::{Columns, Parts};
use crate::object::{KeyParts, ObjectKey, group_of};
use crate::{HistoryError, schema};

/// What is known about a recording before its first row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingMeta {
    /// The name of the cluster.
    pub cluster: String,
    /// How the rows came to be: `dlrm`, `openb`, `surf`, `gardener`, `objects`, `watch`.
    pub format: String,
    /// The files or the server that the rows come from.
    pub source: String,
    /// The instant from which on the cluster was watched; no row is observed before it.
    pub start: SimTime,
}

/// Writes one recording.
///
/// The rows go to `<path>.partial`; only [`Writer::finish`] gives the file its name. A writer that
/// is dropped before leaves nothing behind, and a process that is killed leaves a `.partial` that
/// no reader takes for a history.
#[derive(Debug)]
pub struct Writer {
    /// `None` once the file is finished.
    connection: Option<Connection>,
    path: PathBuf,
    partial_path: PathBuf,
    last_observed_at: SimTime,
    sequence: u64,
    rows_since_commit: u32,
    rows_since_checkpoint: u64,
    min_rows_per_checkpoint: u64,
    alive: u64,
    objects: Vec<ObjectState>,
    /// The lives of a name, oldest first, by group, kind, namespace and name.
    lives: HashMap<String, Vec<u32>>,
    documents: HashMap<[u8; 32], u32>,
    node_names: HashMap<String, u32>,
    parts: Parts,
    name_buffer: String,
}

/// One life of one object: its identity, and its latest version while it is alive.
#[derive(Debug)]
struct ObjectState {
    api_version: Arc<str>,
    uid: String,
    created_at: Option<SimTime>,
    latest: Option<AliveRow>,
}

/// Rows per transaction: large enough that the cost of a commit vanishes, small enough that the
/// write-ahead log stays in memory.
const ROWS_PER_COMMIT: u32 = 50_000;

/// The fewest rows between two checkpoints. A snapshot reads one checkpoint and at most this many
/// rows, or as many as objects are alive.
const MIN_ROWS_PER_CHECKPOINT: u64 = 16_384;

/// SQLite settings of a writer: a write-ahead log, no lock file, 64 MiB of cache. Nothing is flushed
/// on the way: an unfinished file is worthless anyway, and `finish` flushes all of it before the
/// file gets its name. Foreign keys hold by construction and are checked by `verify`.
const WRITER_SETTINGS: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -65536;
PRAGMA temp_store = MEMORY;
PRAGMA foreign_keys = OFF;
";

impl Writer {
    /// Starts a recording that will be at `path` once it is finished.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn create(path: &Path, recording: &RecordingMeta) -> Result<Writer, HistoryError> {
        let mut partial_path = path.as_os_str().to_owned();
        partial_path.push(".partial");
        let partial_path = PathBuf::from(partial_path);
        remove_database(&partial_path)?;
        let connection = Connection::open(&partial_path)
            .map_err(HistoryError::sql(&partial_path, "create the file"))?;
        let mut writer = Writer {
            connection: Some(connection),
            path: path.to_owned(),
            partial_path,
            last_observed_at: recording.start,
            sequence: 0,
            rows_since_commit: 0,
            rows_since_checkpoint: 0,
            min_rows_per_checkpoint: MIN_ROWS_PER_CHECKPOINT,
            alive: 0,
            objects: Vec::new(),
            lives: HashMap::new(),
            documents: HashMap::new(),
            node_names: HashMap::new(),
            parts: Parts::default(),
            name_buffer: String::new(),
        };
        writer.prepare(recording)?;
        Ok(writer)
    }

    fn prepare(&mut self, recording: &RecordingMeta) -> Result<(), HistoryError> {
        let connection = self.connection.as_mut().expect("a writer in use has its connection");
        connection
            .execute_batch(WRITER_SETTINGS)
            .map_err(HistoryError::sql(&self.partial_path, "set up the file"))?;
        schema::migrate(connection, &self.partial_path)?;
        self.execute("start writing", "BEGIN", [])?;
        for (key, value) in [
            ("cluster", recording.cluster.as_str()),
            ("format", &recording.format),
            ("source", &recording.source),
            ("start", &recording.start.0.to_string()),
        ] {
            self.write_meta(key, value)?;
        }
        Ok(())
    }

    /// Records that `object`, as `kubectl get -o json` prints it, was seen at `observed_at`. Returns
    /// whether a row was written: none is when the object is as it was when last seen, its
    /// `resourceVersion` aside.
    ///
    /// An object of the same kind, namespace and name but with another uid that is still alive must
    /// have gone unseen: its tombstone is written first.
    ///
    /// # Errors
    /// [`HistoryError::OutOfOrder`] when an earlier call had a later `observed_at`,
    /// [`HistoryError::InvalidObject`] when `object` is none, and whatever the disk says.
    pub fn put(
        &mut self,
        observed_at: SimTime,
        effective_at: SimTime,
        object: &Value,
    ) -> Result<bool, HistoryError> {
        self.check_order(observed_at)?;
        let key = KeyParts::of(object)?;
        let id = self.object_of(&key, observed_at)?;
        let mut parts = std::mem::take(&mut self.parts);
        let columns = parts.cut(object, &key);
        let version = self.intern(&parts, columns);
        self.parts = parts;
        let (meta, spec, rest, node_name) = version?;
        let latest = &self.objects[id as usize].latest;
        let unchanged = latest.is_some_and(|row| {
            (row.meta, row.spec, row.rest, row.node_name) == (meta, spec, rest, node_name)
        });
        if unchanged {
            return Ok(false);
        }
        let row = AliveRow {
            object: id,
            sequence: self.sequence + 1,
            observed_at: observed_at.0,
            effective_at: effective_at.0,
            meta,
            spec,
            rest,
            node_name,
        };
        self.execute(
            "write a row",
            "INSERT INTO changes VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                row.sequence.cast_signed(),
                row.observed_at,
                row.effective_at,
                id,
                meta,
                spec,
                rest,
                (node_name != 0).then_some(node_name),
                columns.resource_version
            ],
        )?;
        if self.objects[id as usize].latest.replace(row).is_none() {
            self.alive += 1;
        }
        self.row_written(observed_at)?;
        Ok(true)
    }

    /// Records that the object of `key` was found gone at `observed_at`. With an empty uid any life
    /// of the name is meant. Returns whether a tombstone was written: none is when no such object
    /// was alive.
    ///
    /// # Errors
    /// [`HistoryError::OutOfOrder`] when an earlier call had a later `observed_at`, and whatever
    /// the disk says.
    pub fn delete(
        &mut self,
        observed_at: SimTime,
        effective_at: SimTime,
        key: &ObjectKey,
    ) -> Result<bool, HistoryError> {
        self.check_order(observed_at)?;
        let name = name_key(key.api_group(), &key.kind, &key.namespace, &key.name);
        let alive = self.lives.get(&name).and_then(|lives| {
            lives.iter().rev().copied().find(|&id| {
                let state = &self.objects[id as usize];
                state.latest.is_some() && (key.uid.is_empty() || key.uid == state.uid)
            })
        });
        match alive {
            Some(id) => self.bury(id, observed_at, effective_at).map(|()| true),
            None => Ok(false),
        }
    }

    /// Records that nobody watched from `from` to `to`.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn gap(&mut self, from: SimTime, to: SimTime) -> Result<(), HistoryError> {
        self.execute("write a gap", "INSERT INTO gaps VALUES (?1, ?2)", [from.0, to.0])
    }

    /// Writes checkpoints far more often than is useful, so that small tests meet them.
    #[cfg(test)]
    pub(crate) fn with_checkpoint_every(mut self, rows: u64) -> Writer {
        self.min_rows_per_checkpoint = rows;
        self
    }

    /// The rows written so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.sequence
    }

    /// Ends the recording at `end`, or at its last row if that is later, and gives the file its
    /// name. A file that was there before is replaced in one step.
    ///
    /// # Errors
    /// Whatever the disk says; then nothing is at the final path that was not there before.
    pub fn finish(mut self, end: SimTime) -> Result<(), HistoryError> {
        let end = end.max(self.last_observed_at);
        self.write_meta("end", &end.0.to_string())?;
        self.execute("finish", "COMMIT", [])?;
        let connection = self.connection.take().expect("a writer in use has its connection");
        let partial_path = self.partial_path.clone();
        let failed = HistoryError::sql;
        connection
            .execute_batch(schema::INDEXES)
            .map_err(failed(&partial_path, "build the indexes"))?;
        // A finished recording never changes again. Without the log it is one plain file, which can
        // be read from a read-only place.
        connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;")
            .map_err(failed(&partial_path, "fold in the write-ahead log"))?;
        connection
            .execute("INSERT INTO meta VALUES ('complete', '1')", [])
            .map_err(failed(&partial_path, "call the recording complete"))?;
        connection
            .close()
            .map_err(|(_, source)| failed(&partial_path, "close the file")(source))?;
        let sync = fs::File::open(&partial_path).and_then(|file| file.sync_all());
        sync.map_err(HistoryError::io(&partial_path, "flush the file"))?;
        for suffix in ["-wal", "-shm"] {
            remove_if_there(&with_suffix(&self.path, suffix))?;
        }
        fs::rename(&partial_path, &self.path)
            .map_err(HistoryError::io(&self.path, "give the finished file its name"))
    }

    fn check_order(&self, observed_at: SimTime) -> Result<(), HistoryError> {
        if observed_at < self.last_observed_at {
            return Err(HistoryError::OutOfOrder {
                observed_at,
                last_observed_at: self.last_observed_at,
            });
        }
        Ok(())
    }

    /// The number of the object, new if this life of the name was never seen.
    fn object_of(&mut self, key: &KeyParts<'_>, observed_at: SimTime) -> Result<u32, HistoryError> {
        let mut name = std::mem::take(&mut self.name_buffer);
        write_name_key(&mut name, group_of(key.api_version), key.kind, key.namespace, key.name);
        let lives = self.lives.get(&name).map_or(&[][..], Vec::as_slice);
        let same_life = |&&id: &&u32| {
            let state = &self.objects[id as usize];
            state.uid == key.uid
                && *state.api_version == *key.api_version
                && state.created_at == key.created_at
        };
        let found = lives.iter().rev().find(same_life).copied();
        let ghost = lives
            .iter()
            .rev()
            .copied()
            .find(|&id| Some(id) != found && self.objects[id as usize].latest.is_some());
        if let Some(ghost) = ghost {
            self.bury(ghost, observed_at, observed_at)?;
        }
        let id = match found {
            Some(id) => id,
            None => self.add_object(key, &name)?,
        };
        self.name_buffer = name;
        Ok(id)
    }

    fn add_object(&mut self, key: &KeyParts<'_>, name: &str) -> Result<u32, HistoryError> {
        let id = next_id(self.objects.len());
        self.execute(
            "write an object",
            "INSERT INTO objects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                id,
                key.kind,
                key.api_version,
                key.namespace,
                key.name,
                key.uid,
                key.created_at.map(|time| time.0)
            ],
        )?;
        self.objects.push(ObjectState {
            api_version: key.api_version.into(),
            uid: key.uid.to_owned(),
            created_at: key.created_at,
            latest: None,
        });
        match self.lives.get_mut(name) {
            Some(lives) => lives.push(id),
            None => {
                self.lives.insert(name.to_owned(), vec![id]);
            }
        }
        Ok(id)
    }

    /// Writes the tombstone of an object that is alive.
    fn bury(
        &mut self,
        id: u32,
        observed_at: SimTime,
        effective_at: SimTime,
    ) -> Result<(), HistoryError> {
        self.execute(
            "write a tombstone",
            "INSERT INTO changes (sequence, observed_at, effective_at, object)
             VALUES (?1, ?2, ?3, ?4)",
            params![(self.sequence + 1).cast_signed(), observed_at.0, effective_at.0, id],
        )?;
        self.objects[id as usize].latest = None;
        self.alive -= 1;
        self.row_written(observed_at)
    }

    /// The numbers of the three documents and of the node name, each stored once.
    fn intern(
        &mut self,
        parts: &Parts,
        columns: Columns<'_>,
    ) -> Result<(u32, u32, u32, u32), HistoryError> {
        let meta = self.document(&parts.meta)?;
        let spec = self.document(&parts.spec)?;
        let rest = self.document(&parts.rest)?;
        let node_name = match columns.node_name {
            None => 0,
            Some(name) => match self.node_names.get(name) {
                Some(&id) => id,
                None => {
                    // Numbers count from 1: 0 stands for "no node" in a checkpoint.
                    let id = next_id(self.node_names.len()) + 1;
                    self.execute(
                        "write a node name",
                        "INSERT INTO node_names VALUES (?1, ?2)",
                        params![id, name],
                    )?;
                    self.node_names.insert(name.to_owned(), id);
                    id
                }
            },
        };
        Ok((meta, spec, rest, node_name))
    }

    fn document(&mut self, body: &str) -> Result<u32, HistoryError> {
        let hash = *blake3::hash(body.as_bytes()).as_bytes();
        if let Some(&id) = self.documents.get(&hash) {
            return Ok(id);
        }
        let id = next_id(self.documents.len());
        self.execute(
            "write a document",
            "INSERT INTO documents VALUES (?1, ?2, ?3)",
            params![id, hash.as_slice(), body],
        )?;
        self.documents.insert(hash, id);
        Ok(id)
    }

    /// Keeps the books after each row: order, commits, checkpoints.
    fn row_written(&mut self, observed_at: SimTime) -> Result<(), HistoryError> {
        self.sequence += 1;
        self.last_observed_at = observed_at;
        self.rows_since_checkpoint += 1;
        self.rows_since_commit += 1;
        if self.rows_since_checkpoint >= self.min_rows_per_checkpoint.max(self.alive) {
            self.rows_since_checkpoint = 0;
            let alive = checkpoint::encode(self.objects.iter().filter_map(|state| state.latest));
            self.execute(
                "write a checkpoint",
                "INSERT INTO checkpoints VALUES (?1, ?2, ?3)",
                params![self.sequence.cast_signed(), observed_at.0, alive],
            )?;
        }
        if self.rows_since_commit >= ROWS_PER_COMMIT {
            self.rows_since_commit = 0;
            self.execute("commit", "COMMIT", [])?;
            self.execute("commit", "BEGIN", [])?;
        }
        Ok(())
    }

    fn write_meta(&mut self, key: &str, value: &str) -> Result<(), HistoryError> {
        self.execute("describe the recording", "INSERT INTO meta VALUES (?1, ?2)", [key, value])
    }

    fn execute(
        &self,
        operation: &'static str,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<(), HistoryError> {
        let connection = self.connection.as_ref().expect("a writer in use has its connection");
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(parameters))
            .map(|_| ())
            .map_err(HistoryError::sql(&self.partial_path, operation))
    }
}

/// An unfinished recording is removed. Errors are of no use to anybody here: whatever stays behind
/// is named `.partial` and refused by every reader.
impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.connection.take());
        let _ = remove_database(&self.partial_path);
    }
}

/// Numbers stay below 2³²: a recording with more objects or documents than that does not fit in
/// memory long before.
fn next_id(count: usize) -> u32 {
    u32::try_from(count).expect("a recording holds fewer than 2^32 objects and documents")
}

fn name_key(group: &str, kind: &str, namespace: &str, name: &str) -> String {
    let mut key = String::new();
    write_name_key(&mut key, group, kind, namespace, name);
    key
}

fn write_name_key(key: &mut String, group: &str, kind: &str, namespace: &str, name: &str) {
    key.clear();
    for part in [group, kind, namespace, name] {
        key.push_str(part);
        key.push('\0');
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove_database(path: &Path) -> Result<(), HistoryError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        remove_if_there(&with_suffix(path, suffix))?;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<(), HistoryError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(HistoryError::io(path, "remove a file left behind")(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_full_disk_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let recording = RecordingMeta {
            cluster: "test".to_owned(),
            format: "objects".to_owned(),
            source: String::new(),
            start: SimTime(0),
        };
        let mut writer =
            Writer::create(&folder.path().join("x.db"), &recording).expect("a writable folder");
        // SQLite reports a limit on the pages of a file just as it reports a full disk.
        let connection = writer.connection.as_ref().expect("an open file");
        connection.execute_batch("PRAGMA max_page_count = 40").expect("a setting");
        let write_much = |writer: &mut Writer| {
            (0..10_000).try_for_each(|number| {
                let object = json!({
                    "apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": format!("pod-{number}"), "labels": {"n": number}},
                });
                writer.put(SimTime(number), SimTime(number), &object).map(|_| ())
            })
        };
        let error = write_much(&mut writer).expect_err("no room");
        assert!(error.to_string().contains("database or disk is full"), "{error}");
        drop(writer);
        let left: Vec<_> = fs::read_dir(folder.path()).expect("readable").collect();
        assert!(left.is_empty(), "{left:?}");
    }
}
