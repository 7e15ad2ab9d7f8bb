//! `cargo xtask <chore>`: the chores of the workspace by name.

use std::io::Write;
use std::process::ExitCode;

use xtask::{gate, goldens, output, tidy, workspace_root};

/// What `cargo xtask` alone, or with a name it does not know, answers.
const USAGE: &str = "\
usage: cargo xtask <chore>
  test    format, lints, tests, documentation: all a change must pass; stops at the first failure
  tidy    the rules of the workspace that neither rustc nor clippy can hold
  goldens [FOLDER...]
          our answers against upstream's, by suite (default: each suite of ../shared/goldens that is
          judged by now); prints the first differences in full";

/// The exit code of a call that names no chore, as in the program `plimsoll`.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => gate::run(workspace_root()),
        ["tidy"] => run_tidy(),
        ["goldens", folders @ ..] => goldens::run(folders),
        _ => {
            complain(USAGE);
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints what is untidy, one finding a line, and fails when there is any.
fn run_tidy() -> anyhow::Result<()> {
    let findings = tidy::check_workspace(workspace_root())?;
    for finding in &findings {
        output::line(&finding.to_string())?;
    }
    anyhow::ensure!(findings.is_empty(), "{} untidy places", findings.len());
    Ok(())
}

/// Tells why there is no result.
fn complain(text: &str) {
    // Nobody is left to be told that stderr is closed.
    let _closed = writeln!(std::io::stderr(), "{text}");
}
