//! Runs the built program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A command of the program in `folder`. Nothing of the surroundings may reach its output.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    command.current_dir(folder).env_remove("COLUMNS");
    command
}

/// Runs the program to its end.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder).args(arguments).output().expect("the program starts")
}

/// Runs the program, which must succeed, and returns what it printed.
pub(crate) fn stdout(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{}", errors(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What the program printed on stderr.
pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A file of this crate's fixtures.
pub(crate) fn fixture(name: &str) -> String {
    path_text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name))
}

/// A file of the workspace's examples.
pub(crate) fn example(name: &str) -> String {
    path_text(&workspace_root().join("examples").join(name))
}

/// The root of the checkout.
pub(crate) fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("a checkout")
}

/// Imports the sample of the SURF trace as `surf.db` in `folder`.
pub(crate) fn import_surf(folder: &Path) {
    let (jobs, groups) = (example("traces/surf.csv"), example("groups/surf.yaml"));
    stdout(folder, &["import", "surf", &jobs, "--groups", &groups, "-o", "surf.db"]);
}

/// The text of a SURF trace of so many jobs, one a second.
pub(crate) fn surf_trace(jobs: u64) -> String {
    let mut text = "id,submission_time_ms,duration_ms,cpu_count,mem_capacity_mb\n".to_owned();
    for job in 0..jobs {
        let submitted_ms = 1_664_582_400_000 + job * 1000;
        text.push_str(&format!("{job},{submitted_ms},600000,16,64000\n"));
    }
    text
}

fn path_text(path: &Path) -> String {
    path.to_str().expect("a path of UTF-8").to_owned()
}
