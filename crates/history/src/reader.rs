//! Reading a recording: the state as of any instant, and the changes between two.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plimsoll_core::SimTime;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use serde_json::Value;

use crate::checkpoint::{self, AliveRow};
use crate::document::{self, Columns};
use crate::object::{Change, DocumentId, ObjectKey, Version};
use crate::{HistoryError, schema};

/// A finished recording, open for reading. Threads may share it.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    info: RecordingInfo,
    gaps: Vec<Gap>,
    node_names: Vec<Arc<str>>,
    connection: Mutex<Connection>,
    objects: Mutex<ObjectCache>,
    documents: Mutex<Vec<Option<Arc<Value>>>>,
}

/// What a recording says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingInfo {
    /// The name of the cluster.
    pub cluster: String,
    /// How the rows came to be: `dlrm`, `openb`, `surf`, `gardener`, `objects`, `watch`.
    pub format: String,
    /// The files or the server that the rows come from.
    pub source: String,
    /// The instant from which on the cluster was watched.
    pub start: SimTime,
    /// The instant up to which the cluster was watched.
    pub end: SimTime,
    /// The number of rows.
    pub changes: u64,
    /// The number of objects, each life of a name counted.
    pub objects: u64,
    /// The number of distinct documents.
    pub documents: u64,
}

/// A time when nobody watched: what happened in it is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last instant that was watched.
    pub from: SimTime,
    /// The instant from which on somebody watched again.
    pub to: SimTime,
}

#[derive(Debug, Default)]
struct ObjectCache {
    keys: Vec<Option<Arc<ObjectKey>>>,
    /// Kinds, API versions and namespaces, each held once.
    texts: HashMap<String, Arc<str>>,
}

/// Rows read at a time by [`History::visit_changes`]; the database is not locked while the visitor
/// runs, so that it may ask for documents.
const ROWS_PER_PAGE: u64 = 8_192;

/// SQLite may map this much of the file instead of copying pages. One transaction lasts as long as
/// the history is open: a finished recording never changes, and without it every look-up would lock
/// the file and check its header again, which costs more than the look-up.
const READER_SETTINGS: &str = "
PRAGMA mmap_size = 1073741824;
PRAGMA cache_size = -16384;
BEGIN;
";

impl History {
    /// Opens a finished recording. Nothing is ever written to the file or beside it.
    ///
    /// # Errors
    /// One variant of [`HistoryError`] for each way in which the file is not a whole history.
    pub fn open(path: impl AsRef<Path>) -> Result<History, HistoryError> {
        let path = path.as_ref();
        schema::check_header(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(HistoryError::sql(path, "open the database"))?;
        connection
            .execute_batch(READER_SETTINGS)
            .map_err(HistoryError::sql(path, "open the database"))?;
        let info = read_info(&connection, path)?;
        let gaps = read_gaps(&connection).map_err(HistoryError::sql(path, "read the gaps"))?;
        let node_names =
            read_node_names(&connection).map_err(HistoryError::sql(path, "read node names"))?;
        let sized = |count: u64| usize::try_from(count).unwrap_or(0);
        let keys = ObjectCache { keys: vec![None; sized(info.objects)], texts: HashMap::new() };
        Ok(History {
            path: path.to_owned(),
            documents: Mutex::new(vec![None; sized(info.documents)]),
            objects: Mutex::new(keys),
            connection: Mutex::new(connection),
            node_names,
            gaps,
            info,
        })
    }

    /// What the recording says about itself.
    #[must_use]
    pub fn info(&self) -> &RecordingInfo {
        &self.info
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The instant from which on the cluster was watched.
    #[must_use]
    pub fn start(&self) -> SimTime {
        self.info.start
    }

    /// The instant up to which the cluster was watched.
    #[must_use]
    pub fn end(&self) -> SimTime {
        self.info.end
    }

    /// The times when nobody watched, in order.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// The number of objects of each kind, each life of a name counted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn kind_counts(&self) -> Result<BTreeMap<String, u64>, HistoryError> {
        let sql = "SELECT kind, count(*) FROM objects GROUP BY kind";
        let read = || -> rusqlite::Result<BTreeMap<String, u64>> {
            let connection = lock(&self.connection);
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement
                .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
            rows.collect()
        };
        read().map_err(HistoryError::sql(&self.path, "count the objects"))
    }

    /// Every object that was alive as of `time`, by what had been observed until then (`time`
    /// included) and by nothing else: rows observed later, even if effective earlier, do not exist
    /// for it. Ordered by kind, namespace, name and uid.
    ///
    /// # Errors
    /// When the database cannot be read or contradicts itself.
    pub fn snapshot_at(&self, time: SimTime) -> Result<Vec<Change>, HistoryError> {
        let alive = self.alive_at(time)?;
        let keys = self.object_keys(alive.iter().map(|row| row.object))?;
        let mut changes: Vec<Change> = alive
            .iter()
            .zip(keys)
            .map(|(row, object)| {
                Ok(Change {
                    sequence: row.sequence,
                    observed_at: SimTime(row.observed_at),
                    effective_at: SimTime(row.effective_at),
                    object,
                    object_id: row.object,
                    version: Some(Version {
                        meta: DocumentId(row.meta),
                        spec: DocumentId(row.spec),
                        rest: DocumentId(row.rest),
                        node_name: self.node_name(row.node_name)?,
                    }),
                })
            })
            .collect::<Result<_, HistoryError>>()?;
        changes.sort_by(|a, b| {
            let order = |change: &Change| change.sequence;
            let (left, right) = (&*a.object, &*b.object);
            (&left.kind, &left.namespace, &left.name, &left.uid)
                .cmp(&(&right.kind, &right.namespace, &right.name, &right.uid))
                .then(order(a).cmp(&order(b)))
        });
        Ok(changes)
    }

    /// The changes observed after `from_exclusive` and not after `to_inclusive`, in the order in
    /// which they were observed.
    ///
    /// # Errors
    /// When the database cannot be read or contradicts itself.
    pub fn changes(
        &self,
        from_exclusive: SimTime,
        to_inclusive: SimTime,
    ) -> Result<Vec<Change>, HistoryError> {
        let mut changes = Vec::new();
        self.visit_changes(from_exclusive, to_inclusive, &mut |change| {
            changes.push(change);
            ControlFlow::Continue(())
        })?;
        Ok(changes)
    }

    /// Calls `visit` with each change that [`History::changes`] would return, until it breaks. Only
    /// a page of rows is in memory at a time. The visitor may call any method of this history.
    ///
    /// # Errors
    /// When the database cannot be read or contradicts itself.
    pub fn visit_changes(
        &self,
        from_exclusive: SimTime,
        to_inclusive: SimTime,
        visit: &mut dyn FnMut(Change) -> ControlFlow<()>,
    ) -> Result<(), HistoryError> {
        let mut next = self.last_sequence_at(from_exclusive)? + 1;
        let last = self.last_sequence_at(to_inclusive)?;
        while next <= last {
            let page_end = last.min(next + ROWS_PER_PAGE - 1);
            for change in self.page(next, page_end)? {
                if visit(change).is_break() {
                    return Ok(());
                }
            }
            next = page_end + 1;
        }
        Ok(())
    }

    /// Every change of one object, in the order in which they were observed.
    ///
    /// # Errors
    /// When the database cannot be read or contradicts itself.
    pub fn changes_of(&self, object_id: u32) -> Result<Vec<Change>, HistoryError> {
        let rows = self.raw_rows("WHERE object = ?1 ORDER BY sequence", params![object_id])?;
        self.resolve(rows)
    }

    /// A document, parsed on first use and kept.
    ///
    /// # Errors
    /// When there is no such document, or when it is no JSON.
    pub fn document(&self, id: DocumentId) -> Result<Arc<Value>, HistoryError> {
        let place = id.0 as usize;
        if let Some(Some(document)) = lock(&self.documents).get(place) {
            return Ok(Arc::clone(document));
        }
        let body = self.document_text(id)?;
        let value: Value = serde_json::from_str(&body).map_err(|error| {
            HistoryError::damaged(&self.path, format!("document {} is no JSON: {error}", id.0))
        })?;
        let value = Arc::new(value);
        if let Some(slot) = lock(&self.documents).get_mut(place) {
            *slot = Some(Arc::clone(&value));
        }
        Ok(value)
    }

    /// The JSON text of a document, without spaces and with sorted keys. It is not kept: for readers
    /// who want a few fields of many documents.
    ///
    /// # Errors
    /// When there is no such document.
    pub fn document_text(&self, id: DocumentId) -> Result<String, HistoryError> {
        let body: Option<String> = lock(&self.connection)
            .prepare_cached("SELECT body FROM documents WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([id.0], |row| row.get(0)).optional())
            .map_err(HistoryError::sql(&self.path, "read a document"))?;
        body.ok_or_else(|| {
            HistoryError::damaged(&self.path, format!("document {} is missing", id.0))
        })
    }

    /// The whole object of a change, as it was put; of a tombstone what its key tells.
    ///
    /// # Errors
    /// When the database cannot be read or contradicts itself.
    pub fn object_json(&self, change: &Change) -> Result<Value, HistoryError> {
        let Some(version) = &change.version else {
            let columns = Columns { node_name: None, resource_version: None };
            let nothing = &Value::Null;
            return Ok(document::join(&change.object, columns, nothing, nothing, nothing));
        };
        let resource_version: Option<String> = lock(&self.connection)
            .prepare_cached("SELECT resource_version FROM changes WHERE sequence = ?1")
            .and_then(|mut statement| {
                statement.query_row([change.sequence.cast_signed()], |row| row.get(0))
            })
            .map_err(HistoryError::sql(&self.path, "read a row"))?;
        let columns = Columns {
            node_name: version.node_name.as_deref(),
            resource_version: resource_version.as_deref(),
        };
        Ok(document::join(
            &change.object,
            columns,
            &*self.document(version.meta)?,
            &*self.document(version.spec)?,
            &*self.document(version.rest)?,
        ))
    }

    /// The latest row of every object alive as of `time`, in the order of the objects.
    fn alive_at(&self, time: SimTime) -> Result<Vec<AliveRow>, HistoryError> {
        let newest: Option<(i64, Vec<u8>)> = lock(&self.connection)
            .prepare_cached(
                "SELECT sequence, alive FROM checkpoints WHERE observed_at <= ?1
                 ORDER BY observed_at DESC, sequence DESC LIMIT 1",
            )
            .and_then(|mut statement| {
                statement.query_row([time.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()
            })
            .map_err(HistoryError::sql(&self.path, "read a checkpoint"))?;
        let (checkpoint_sequence, mut alive) = match newest {
            None => (0, Vec::new()),
            Some((sequence, bytes)) => {
                let rows = checkpoint::decode(&bytes).ok_or_else(|| {
                    let what = format!("the checkpoint after row {sequence} is unreadable");
                    HistoryError::damaged(&self.path, what)
                })?;
                (sequence, rows)
            }
        };
        let last = self.last_sequence_at(time)?;
        let rows = self.raw_rows(
            "WHERE sequence > ?1 AND sequence <= ?2 ORDER BY sequence",
            params![checkpoint_sequence, last.cast_signed()],
        )?;
        // Later rows of an object win over earlier ones and over the checkpoint.
        let mut latest: Vec<RawRow> = rows;
        latest.sort_by_key(|row| (row.object, std::cmp::Reverse(row.sequence)));
        latest.dedup_by_key(|row| row.object);
        alive.retain(|row| latest.binary_search_by_key(&row.object, |r| r.object).is_err());
        alive.extend(latest.iter().filter_map(RawRow::alive));
        alive.sort_unstable_by_key(|row| row.object);
        Ok(alive)
    }

    /// The sequence of the last row observed at or before `time`, 0 when there is none.
    fn last_sequence_at(&self, time: SimTime) -> Result<u64, HistoryError> {
        let found: Option<i64> = lock(&self.connection)
            .prepare_cached(
                "SELECT sequence FROM changes WHERE observed_at <= ?1
                 ORDER BY observed_at DESC, sequence DESC LIMIT 1",
            )
            .and_then(|mut statement| statement.query_row([time.0], |row| row.get(0)).optional())
            .map_err(HistoryError::sql(&self.path, "look up an instant"))?;
        Ok(found.unwrap_or(0).cast_unsigned())
    }

    fn page(&self, first: u64, last: u64) -> Result<Vec<Change>, HistoryError> {
        let rows = self.raw_rows(
            "WHERE sequence BETWEEN ?1 AND ?2 ORDER BY sequence",
            params![first.cast_signed(), last.cast_signed()],
        )?;
        self.resolve(rows)
    }

    fn raw_rows(
        &self,
        condition: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<RawRow>, HistoryError> {
        let sql = format!(
            "SELECT sequence, observed_at, effective_at, object, meta, spec, rest, node_name
             FROM changes {condition}"
        );
        let read = || -> rusqlite::Result<Vec<RawRow>> {
            let connection = lock(&self.connection);
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(parameters, RawRow::read)?;
            rows.collect()
        };
        read().map_err(HistoryError::sql(&self.path, "read rows"))
    }

    fn resolve(&self, rows: Vec<RawRow>) -> Result<Vec<Change>, HistoryError> {
        let keys = self.object_keys(rows.iter().map(|row| row.object))?;
        rows.into_iter()
            .zip(keys)
            .map(|(row, object)| {
                let version = match row.documents {
                    None => None,
                    Some([meta, spec, rest]) => Some(Version {
                        meta: DocumentId(meta),
                        spec: DocumentId(spec),
                        rest: DocumentId(rest),
                        node_name: self.node_name(row.node_name)?,
                    }),
                };
                Ok(Change {
                    sequence: row.sequence.cast_unsigned(),
                    observed_at: SimTime(row.observed_at),
                    effective_at: SimTime(row.effective_at),
                    object,
                    object_id: row.object,
                    version,
                })
            })
            .collect()
    }

    fn node_name(&self, number: u32) -> Result<Option<Arc<str>>, HistoryError> {
        match number.checked_sub(1) {
            None => Ok(None),
            Some(place) => match self.node_names.get(place as usize) {
                Some(name) => Ok(Some(Arc::clone(name))),
                None => {
                    let what = format!("node name {number} is missing");
                    Err(HistoryError::damaged(&self.path, what))
                }
            },
        }
    }

    /// The keys of the objects numbered `ids`, in that order.
    fn object_keys(
        &self,
        ids: impl Iterator<Item = u32> + Clone,
    ) -> Result<Vec<Arc<ObjectKey>>, HistoryError> {
        let mut cache = lock(&self.objects);
        let mut missing: Vec<u32> = ids
            .clone()
            .filter(|&id| !matches!(cache.keys.get(id as usize), Some(Some(_))))
            .collect();
        missing.sort_unstable();
        missing.dedup();
        if let (Some(&first), Some(&last)) = (missing.first(), missing.last()) {
            let mut load = || {
                let connection = lock(&self.connection);
                // Where most of a range is wanted, one scan beats a look-up per object.
                if (last - first) as usize / 4 < missing.len() {
                    cache.load(&connection, first, last)
                } else {
                    missing.iter().try_for_each(|&id| cache.load(&connection, id, id))
                }
            };
            load().map_err(HistoryError::sql(&self.path, "read objects"))?;
        }
        ids.map(|id| {
            cache
                .keys
                .get(id as usize)
                .cloned()
                .flatten()
                .ok_or_else(|| HistoryError::damaged(&self.path, format!("object {id} is missing")))
        })
        .collect()
    }
}

impl ObjectCache {
    fn load(&mut self, connection: &Connection, first: u32, last: u32) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(
            "SELECT id, kind, api_version, namespace, name, uid, created_at
             FROM objects WHERE id BETWEEN ?1 AND ?2",
        )?;
        let mut rows = statement.query([first, last])?;
        while let Some(row) = rows.next()? {
            let id: u32 = row.get(0)?;
            let mut text = |column| {
                let text = row.get_ref(column)?.as_str()?;
                if let Some(known) = self.texts.get(text) {
                    return Ok::<Arc<str>, rusqlite::Error>(Arc::clone(known));
                }
                let known: Arc<str> = text.into();
                self.texts.insert(text.to_owned(), Arc::clone(&known));
                Ok(known)
            };
            let key = ObjectKey {
                kind: text(1)?,
                api_version: text(2)?,
                namespace: text(3)?,
                name: row.get(4)?,
                uid: row.get(5)?,
                created_at: row.get::<_, Option<i64>>(6)?.map(SimTime),
            };
            if let Some(slot) = self.keys.get_mut(id as usize) {
                slot.get_or_insert_with(|| Arc::new(key));
            }
        }
        Ok(())
    }
}

/// A row of `changes` as it is stored.
#[derive(Clone, Copy, Debug)]
struct RawRow {
    sequence: i64,
    observed_at: i64,
    effective_at: i64,
    object: u32,
    documents: Option<[u32; 3]>,
    node_name: u32,
}

impl RawRow {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<RawRow> {
        let meta: Option<u32> = row.get(4)?;
        Ok(RawRow {
            sequence: row.get(0)?,
            observed_at: row.get(1)?,
            effective_at: row.get(2)?,
            object: row.get(3)?,
            documents: match meta {
                None => None,
                Some(meta) => Some([meta, row.get(5)?, row.get(6)?]),
            },
            node_name: row.get::<_, Option<u32>>(7)?.unwrap_or(0),
        })
    }

    fn alive(&self) -> Option<AliveRow> {
        self.documents.map(|[meta, spec, rest]| AliveRow {
            object: self.object,
            sequence: self.sequence.cast_unsigned(),
            observed_at: self.observed_at,
            effective_at: self.effective_at,
            meta,
            spec,
            rest,
            node_name: self.node_name,
        })
    }
}

fn read_info(connection: &Connection, path: &Path) -> Result<RecordingInfo, HistoryError> {
    let read = || -> rusqlite::Result<BTreeMap<String, String>> {
        let mut statement = connection.prepare("SELECT key, value FROM meta")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    };
    let mut meta = read().map_err(HistoryError::sql(path, "read what the recording is"))?;
    if meta.get("complete").map(String::as_str) != Some("1") {
        return Err(HistoryError::Unfinished { path: path.to_owned() });
    }
    let mut text = |key: &str| {
        meta.remove(key)
            .ok_or_else(|| HistoryError::damaged(path, format!("the recording has no {key}")))
    };
    let time = |key: &str, text: &str| {
        text.parse().map(SimTime).map_err(|_| {
            HistoryError::damaged(path, format!("the recording's {key} is no time: {text:?}"))
        })
    };
    // Rows are only ever added, with numbers that count up, so the largest number is the count.
    let count = |sql: &str| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map(i64::cast_unsigned)
            .map_err(HistoryError::sql(path, "count the rows"))
    };
    Ok(RecordingInfo {
        cluster: text("cluster")?,
        format: text("format")?,
        source: text("source")?,
        start: time("start", &text("start")?)?,
        end: time("end", &text("end")?)?,
        changes: count("SELECT coalesce(max(sequence), 0) FROM changes")?,
        objects: count("SELECT coalesce(max(id) + 1, 0) FROM objects")?,
        documents: count("SELECT coalesce(max(id) + 1, 0) FROM documents")?,
    })
}

fn read_gaps(connection: &Connection) -> rusqlite::Result<Vec<Gap>> {
    let mut statement =
        connection.prepare("SELECT from_time, to_time FROM gaps ORDER BY from_time, to_time")?;
    let rows = statement
        .query_map([], |row| Ok(Gap { from: SimTime(row.get(0)?), to: SimTime(row.get(1)?) }))?;
    rows.collect()
}

fn read_node_names(connection: &Connection) -> rusqlite::Result<Vec<Arc<str>>> {
    let mut statement = connection.prepare("SELECT name FROM node_names ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok(row.get_ref(0)?.as_str()?.into()))?;
    rows.collect()
}

/// A panic in one thread leaves caches that are still right: each entry is written in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
