//! Every object of every golden can be read.

#![expect(clippy::disallowed_methods, reason = "this test reads the goldens from their folder")]

use std::fs;
use std::path::{Path, PathBuf};

use plimsoll_core::objects::{Origin, Snapshot, defaulting};
use serde_json::Value;

/// The suites whose cases hold a snapshot or a scenario.
const SUITES: [&str; 4] = ["scheduling", "scale-up", "scale-down", "timeline"];

/// The folder of the goldens; `None` on a machine without them, which CI must not be.
fn goldens() -> Option<PathBuf> {
    let beside_checkout = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("PLIMSOLL_SHARED").map_or_else(beside_checkout, PathBuf::from);
    let folder = shared.join("goldens");
    if folder.is_dir() {
        return Some(folder);
    }
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!in_ci, "CI must have the goldens; there are none in {}", folder.display());
    None
}

/// The cases of a suite with their objects, by file name.
fn cases(folder: &Path) -> Vec<(String, Vec<Value>)> {
    let entries = fs::read_dir(folder).expect("the suite's folder can be listed");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("a case can be read");
        let case: Value = serde_json::from_str(&text).expect("a case is JSON");
        let list = case.get("snapshot").or_else(|| case.get("scenario"));
        let items = list.and_then(|list| list.get("items")).and_then(Value::as_array);
        let items = items.expect("a case has a snapshot or a scenario").clone();
        (path.file_name().expect("a file has a name").to_string_lossy().into_owned(), items)
    };
    paths.iter().map(read).collect()
}

#[test]
fn every_object_of_every_golden_is_read() {
    let Some(folder) = goldens() else {
        // Stated, so that nobody takes the test for run.
        #[expect(clippy::print_stderr, reason = "a test without its data says so")]
        {
            eprintln!("no goldens on this machine: nothing was read");
        }
        return;
    };
    let mut refused = Vec::new();
    let mut read_objects = 0;
    for suite in SUITES {
        for (case, items) in cases(&folder.join(suite)) {
            read_objects += items.len();
            for item in &items {
                let mut once = item.clone();
                defaulting::apply_defaults(&mut once);
                let mut twice = once.clone();
                defaulting::apply_defaults(&mut twice);
                assert_eq!(once, twice, "{suite}/{case}: defaults change what has them");
            }
            let values = items.into_iter().map(|item| (item, Origin::default()));
            if let Err(error) = Snapshot::from_values(values) {
                refused.push(format!("{suite}/{case}: {error}"));
            }
        }
    }
    assert_eq!(refused, Vec::<String>::new());
    assert!(read_objects > 1000, "only {read_objects} objects in the goldens");
}
