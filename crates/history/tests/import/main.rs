//! What each importer makes of a few rows, and how it refuses bad ones.

mod clusters;
mod refusals;
mod traces;

use std::path::{Path, PathBuf};

use expect_test::Expect;
use plimsoll_core::SimTime;
use plimsoll_history::import::{Format, ImportOptions, ImportSummary, run};
use plimsoll_history::{Change, History, verify};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

pub(crate) fn options(groups: &str) -> ImportOptions {
    let groups = (!groups.is_empty()).then(|| examples().join("groups").join(groups));
    ImportOptions { groups, compress: None, inflate: None }
}

/// An imported history, in a folder that goes with it.
pub(crate) struct Imported {
    _folder: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) history: History,
    pub(crate) summary: ImportSummary,
}

pub(crate) fn import(format: Format, files: &[&str], options: &ImportOptions) -> Imported {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.db");
    let files: Vec<PathBuf> =
        files.iter().map(|file| examples().join("traces").join(file)).collect();
    let mut told = Vec::new();
    let summary = run(format, &files, options, &path, &mut |progress| told.push(progress))
        .expect("a sample that can be imported");
    let last = told.last().expect("some progress");
    assert_eq!(last.done, last.total);
    assert_eq!(verify(&path).expect("readable"), []);
    let history = History::open(&path).expect("a whole history");
    Imported { _folder: folder, path, history, summary }
}

impl Imported {
    pub(crate) fn object(&self, kind: &str, name: &str, time: SimTime) -> Value {
        let snapshot = self.history.snapshot_at(time).expect("readable");
        let change = snapshot
            .iter()
            .find(|change| &*change.object.kind == kind && change.object.name == name)
            .unwrap_or_else(|| panic!("no {kind} {name} at {time}"));
        self.history.object_json(change).expect("readable")
    }

    /// Seconds from the start, and what each row says.
    pub(crate) fn rows(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        let snapshot = self.history.snapshot_at(self.history.start()).expect("readable");
        lines.extend(snapshot.iter().map(|change| self.line(change)));
        let changes = self.history.changes(self.history.start(), self.history.end());
        lines.extend(changes.expect("readable").iter().map(|change| self.line(change)));
        lines.join("\n")
    }

    fn line(&self, change: &Change) -> String {
        let seconds = (change.observed_at - self.history.start()).as_secs_f64();
        let key = &change.object;
        let object = self.history.object_json(change).expect("readable");
        let text = |pointer: &str| object.pointer(pointer).map(Value::to_string);
        let mut line = format!("+{seconds} {} {}", key.kind, key.name);
        if change.version.is_none() {
            line.push_str(" gone");
        }
        for pointer in
            ["/spec/replicas", "/status/targetSize", "/status/phase", "/spec/nodeName", "/reason"]
        {
            if let Some(text) = text(pointer) {
                line.push_str(&format!(" {}={text}", pointer.rsplit('/').next().unwrap_or("")));
            }
        }
        line
    }
}

pub(crate) fn check_json(value: &Value, expected: &Expect) {
    expected.assert_eq(&serde_json::to_string_pretty(value).expect("JSON"));
}
