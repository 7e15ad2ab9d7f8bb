//! An import that dies midway leaves nothing that is taken for a history.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::run::{errors, example, program, run, stdout, surf_trace};

/// Enough that writing them takes seconds, and the import is met in the middle of it.
const JOBS: u64 = 100_000;

/// Starts an import and kills it once it has begun to write.
fn kill_import_midway(folder: &Path) {
    let groups = example("groups/surf.yaml");
    let mut import = program(folder)
        .args(["import", "surf", "jobs.csv", "--groups", &groups, "-o", "x.db"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    while !folder.join("x.db.partial").exists() {
        let ended = import.try_wait().expect("a child");
        assert_eq!(ended, None, "the import ended before it wrote anything");
        std::thread::yield_now();
    }
    import.kill().expect("it still runs");
    let status = import.wait().expect("a child");
    assert!(!status.success(), "the import was over before it could be killed");
}

#[test]
fn a_killed_import_leaves_no_history() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("jobs.csv"), surf_trace(JOBS)).expect("written");
    kill_import_midway(folder.path());
    assert!(!folder.path().join("x.db").exists());
    for leftover in ["x.db", "x.db.partial"] {
        for command in ["info", "verify"] {
            let output = run(folder.path(), &["history", command, leftover]);
            assert_eq!(output.status.code(), Some(2), "{leftover}: {}", errors(&output));
            assert_eq!(errors(&output).lines().count(), 1, "{leftover}: {}", errors(&output));
        }
    }
}

#[test]
fn a_killed_import_leaves_the_older_history_as_it_was_and_the_next_one_replaces_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let groups = example("groups/surf.yaml");
    let import = ["import", "surf", "jobs.csv", "--groups", &groups, "-o", "x.db"];
    fs::write(folder.path().join("jobs.csv"), surf_trace(3)).expect("written");
    stdout(folder.path(), &import);
    let older = fs::read(folder.path().join("x.db")).expect("a history");

    fs::write(folder.path().join("jobs.csv"), surf_trace(JOBS)).expect("written");
    kill_import_midway(folder.path());
    assert_eq!(fs::read(folder.path().join("x.db")).expect("a history"), older);

    fs::write(folder.path().join("jobs.csv"), surf_trace(5)).expect("written");
    stdout(folder.path(), &import);
    assert_ne!(fs::read(folder.path().join("x.db")).expect("a history"), older);
    assert!(!folder.path().join("x.db.partial").exists());
    let verified = stdout(folder.path(), &["history", "verify", "x.db"]);
    assert!(verified.starts_with("x.db: sound"), "{verified}");
}
