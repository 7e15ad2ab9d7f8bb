//! A reader that wants no more is no error.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use crate::run::{example, program, stdout, surf_trace};

/// Enough that the export does not fit in the buffer of a pipe.
const JOBS: u64 = 2_000;

#[test]
fn a_closed_pipe_ends_an_export_without_a_word() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("jobs.csv"), surf_trace(JOBS)).expect("written");
    let groups = example("groups/surf.yaml");
    stdout(folder.path(), &["import", "surf", "jobs.csv", "--groups", &groups, "-o", "x.db"]);
    for question in [&["export", "x.db"][..], &["snapshot", "x.db", "--at", "+9m", "--json"]] {
        let mut child = program(folder.path())
            .arg("history")
            .args(question)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut first = [0; 1];
        let mut pipe = child.stdout.take().expect("stdout is piped");
        pipe.read_exact(&mut first).expect("something is printed");
        drop(pipe);
        let output = child.wait_with_output().expect("a child");
        assert_eq!(output.status.code(), Some(0), "{question:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{question:?}");
    }
}
