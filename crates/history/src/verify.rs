//! Checking a recording against itself, by ways that share as little as possible with the reader.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use plimsoll_core::SimTime;
use rusqlite::{Connection, OpenFlags};

use crate::checkpoint::{self, AliveRow};
use crate::object::group_of;
use crate::{History, HistoryError};

/// Something wrong with a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check found it: `integrity`, `references`, `order`, `documents`, `tombstones`,
    /// `checkpoints`, `prefix`.
    pub check: &'static str,
    /// What is wrong, and where.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)
    }
}

/// Findings reported by one check; the first ones say what is wrong, thousands more would not.
const MAX_FINDINGS_PER_CHECK: usize = 20;

/// Instants at which snapshots are compared, evenly spread over the rows, both ends included.
const SAMPLED_INSTANTS: i64 = 9;

/// Reads the whole recording at `path` and checks: SQLite's own integrity; references between
/// tables; that rows are numbered without holes, in the order of their observation and within the
/// recording's time; the hash of every document; that a tombstone follows a version and no name
/// has two living objects; that each checkpoint is what the rows before it say; and that snapshots
/// at several instants equal a plain scan of the rows observed until then. Returns what is wrong,
/// nothing for a sound recording.
///
/// # Errors
/// When the file is not a whole history, or when it cannot be read.
pub fn verify(path: impl AsRef<Path>) -> Result<Vec<Finding>, HistoryError> {
    let path = path.as_ref();
    let history = History::open(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(HistoryError::sql(path, "open the database"))?;
    let mut findings = Findings::default();
    check_integrity(&connection, &mut findings)
        .map_err(HistoryError::sql(path, "check the integrity"))?;
    if !findings.list.is_empty() {
        // Pages that SQLite itself cannot read would only repeat themselves in every other check.
        return Ok(findings.list);
    }
    check_documents(&connection, &mut findings)
        .map_err(HistoryError::sql(path, "check the documents"))?;
    check_rows(&connection, &history, &mut findings)
        .map_err(HistoryError::sql(path, "check the rows"))?;
    for time in sampled_instants(&connection, &history)
        .map_err(HistoryError::sql(path, "sample instants"))?
    {
        let scanned = scan(&connection, time).map_err(HistoryError::sql(path, "scan the rows"))?;
        let read: BTreeMap<u32, u64> = history
            .snapshot_at(time)?
            .into_iter()
            .map(|change| (change.object_id, change.sequence))
            .collect();
        if read != scanned {
            let differing = (0..).zip(0..history.info().objects).map(|(id, _)| id);
            let first = differing.into_iter().find(|id| read.get(id) != scanned.get(id));
            findings.add(
                "prefix",
                format!(
                    "the snapshot as of {time} differs from a scan of the rows observed until \
                     then, first at object {}",
                    first.unwrap_or(u32::MAX)
                ),
            );
        }
    }
    Ok(findings.list)
}

#[derive(Default)]
struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    fn add(&mut self, check: &'static str, what: String) {
        if self.list.iter().filter(|finding| finding.check == check).count()
            < MAX_FINDINGS_PER_CHECK
        {
            self.list.push(Finding { check, what });
        }
    }
}

fn check_integrity(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text: String = row.get(0)?;
        if text != "ok" {
            findings.add("integrity", text);
        }
    }
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, row_id, parent): (String, Option<i64>, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        findings.add(
            "references",
            format!("row {} of {table} refers to a row missing from {parent}", row_id.unwrap_or(0)),
        );
    }
    Ok(())
}

fn check_documents(connection: &Connection, findings: &mut Findings) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT id, hash, body FROM documents ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let body = row.get_ref(2)?.as_str()?;
        if blake3::hash(body.as_bytes()).as_bytes().as_slice() != row.get_ref(1)?.as_blob()? {
            findings.add("documents", format!("document {id} is not what its hash says"));
        }
    }
    Ok(())
}

/// The name of an object, which only one living object may have.
type Name = (String, String, String, String);

/// One pass over the rows in their order.
fn check_rows(
    connection: &Connection,
    history: &History,
    findings: &mut Findings,
) -> rusqlite::Result<()> {
    let names = read_names(connection)?;
    let mut checkpoints = read_checkpoints(connection)?;
    let mut latest: BTreeMap<u32, AliveRow> = BTreeMap::new();
    let mut living_names: BTreeSet<&Name> = BTreeSet::new();
    let (mut expected, mut last_observed) = (1_i64, history.start().0);
    let mut statement = connection.prepare(
        "SELECT sequence, observed_at, effective_at, object, meta, spec, rest,
                coalesce(node_name, 0)
         FROM changes ORDER BY sequence",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (sequence, observed_at): (i64, i64) = (row.get(0)?, row.get(1)?);
        if sequence != expected {
            findings.add("order", format!("row {expected} is missing before row {sequence}"));
        }
        if observed_at < last_observed || observed_at > history.end().0 {
            let time = SimTime(observed_at);
            findings.add("order", format!("row {sequence} is observed out of order at {time}"));
        }
        (expected, last_observed) = (sequence + 1, observed_at);
        let object: u32 = row.get(3)?;
        let name = names.get(&object);
        match row.get::<_, Option<u32>>(4)? {
            None => {
                if latest.remove(&object).is_none() {
                    let what = format!("row {sequence} buries object {object}, which is not alive");
                    findings.add("tombstones", what);
                }
                name.map(|name| living_names.remove(name));
            }
            Some(meta) => {
                let alive = AliveRow {
                    object,
                    sequence: sequence.cast_unsigned(),
                    observed_at,
                    effective_at: row.get(2)?,
                    meta,
                    spec: row.get(5)?,
                    rest: row.get(6)?,
                    node_name: row.get(7)?,
                };
                let is_new = latest.insert(object, alive).is_none();
                if is_new && name.is_some_and(|name| !living_names.insert(name)) {
                    let what = format!(
                        "row {sequence} makes object {object} while another of its name is alive"
                    );
                    findings.add("tombstones", what);
                }
            }
        }
        if let Some(bytes) = checkpoints.remove(&sequence)
            && checkpoint::decode(&bytes) != Some(latest.values().copied().collect())
        {
            let what = format!("the one after row {sequence} is not what the rows say");
            findings.add("checkpoints", what);
        }
    }
    for sequence in checkpoints.keys() {
        findings.add("checkpoints", format!("the one after row {sequence} follows no row"));
    }
    Ok(())
}

fn read_names(connection: &Connection) -> rusqlite::Result<BTreeMap<u32, Name>> {
    let mut statement =
        connection.prepare("SELECT id, api_version, kind, namespace, name FROM objects")?;
    let rows = statement.query_map([], |row| {
        let group = group_of(row.get_ref(1)?.as_str()?).to_owned();
        Ok((row.get(0)?, (group, row.get(2)?, row.get(3)?, row.get(4)?)))
    })?;
    rows.collect()
}

fn read_checkpoints(connection: &Connection) -> rusqlite::Result<BTreeMap<i64, Vec<u8>>> {
    let mut statement = connection.prepare("SELECT sequence, alive FROM checkpoints")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// The observation times of evenly spread rows: ties and checkpoint borders lie where rows are.
fn sampled_instants(connection: &Connection, history: &History) -> rusqlite::Result<Vec<SimTime>> {
    let last = history.info().changes.cast_signed();
    let mut instants = vec![history.start(), history.end()];
    for sample in 0..SAMPLED_INSTANTS {
        let sequence = 1 + (last - 1) * sample / (SAMPLED_INSTANTS - 1);
        let sql = "SELECT observed_at FROM changes WHERE sequence >= ?1 ORDER BY sequence LIMIT 1";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([sequence])?;
        if let Some(row) = rows.next()? {
            instants.push(SimTime(row.get(0)?));
        }
    }
    instants.sort_unstable();
    instants.dedup();
    Ok(instants)
}

/// The naive as-of: for each object the last row observed until `time`, tombstones left out.
fn scan(connection: &Connection, time: SimTime) -> rusqlite::Result<BTreeMap<u32, u64>> {
    let mut statement = connection.prepare_cached(
        "SELECT object, sequence, meta FROM changes NOT INDEXED WHERE observed_at <= ?1",
    )?;
    let mut rows = statement.query([time.0])?;
    let mut latest: BTreeMap<u32, (u64, bool)> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let object: u32 = row.get(0)?;
        let sequence = row.get::<_, i64>(1)?.cast_unsigned();
        let is_alive = row.get::<_, Option<i64>>(2)?.is_some();
        let entry = latest.entry(object).or_insert((sequence, is_alive));
        if sequence >= entry.0 {
            *entry = (sequence, is_alive);
        }
    }
    Ok(latest
        .into_iter()
        .filter(|(_, (_, is_alive))| *is_alive)
        .map(|(object, (sequence, _))| (object, sequence))
        .collect())
}
