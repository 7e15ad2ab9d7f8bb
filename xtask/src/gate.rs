//! The gate: everything a change must pass, in the order in which it fails cheapest.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

use crate::output;

/// Runs format check, lints, tests and documentation, and stops at the first that fails.
///
/// Prints each command before running it and, last, one line with the number of tests over all
/// test binaries: `cargo test` itself closes on the count of its last binary, often zero.
///
/// # Errors
/// Names the command that could not be started or failed; a run that executed no test fails.
pub fn run(root: &Path) -> anyhow::Result<()> {
    run_cargo(root, &["fmt", "--all", "--check"], &[])?;
    run_cargo(root, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    let counts = run_tests(root, &["test", "--workspace", "--no-fail-fast"])?;
    run_cargo(root, &["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    let TestCounts { passed, failed, ignored } = counts;
    output::line(&format!("{passed} passed, {failed} failed, {ignored} skipped"))?;
    ensure!(counts.passed > 0, "cargo test ran no test");
    Ok(())
}

/// How many tests did what, over all test binaries of one `cargo test`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TestCounts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were not run because they are marked so.
    pub ignored: u64,
}

impl TestCounts {
    /// Adds the numbers of one line of `cargo test` if it closes a test binary
    /// (`test result: ok. 3 passed; 0 failed; 0 ignored; ...`); any other line counts nothing.
    pub fn add_line(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let Some((_, counts)) = result.split_once(". ") else { return };
        for part in counts.split("; ") {
            match part.split_once(' ') {
                Some((count, "passed")) => self.passed += count.parse().unwrap_or(0),
                Some((count, "failed")) => self.failed += count.parse().unwrap_or(0),
                Some((count, "ignored")) => self.ignored += count.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

fn run_cargo(root: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<()> {
    let shown = show_command(arguments, variables);
    output::line(&format!("+ {shown}"))?;
    let status = Command::new(crate::cargo_program())
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(root)
        .status()
        .with_context(|| format!("cannot start {shown}"))?;
    ensure!(status.success(), "{shown} failed");
    Ok(())
}

/// Like `run_cargo`, but reads the output on its way to the terminal to count the tests.
fn run_tests(root: &Path, arguments: &[&str]) -> anyhow::Result<TestCounts> {
    let shown = show_command(arguments, &[]);
    output::line(&format!("+ {shown}"))?;
    let mut child = Command::new(crate::cargo_program())
        .args(arguments)
        .current_dir(root)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {shown}"))?;
    let output = child.stdout.take().expect("stdout of the child is piped");
    let mut counts = TestCounts::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.with_context(|| format!("cannot read the output of {shown}"))?;
        let line = String::from_utf8_lossy(&line);
        output::line(&line)?;
        counts.add_line(&line);
    }
    let status = child.wait().with_context(|| format!("cannot wait for {shown}"))?;
    ensure!(status.success(), "{shown} failed");
    Ok(counts)
}

/// The command as one would type it.
fn show_command(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut shown = String::new();
    for (name, value) in variables {
        shown.push_str(&format!("{name}='{value}' "));
    }
    shown.push_str("cargo ");
    shown.push_str(&arguments.join(" "));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_all_test_binaries_are_added() {
        let mut counts = TestCounts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "   Doc-tests plimsoll_core",
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ] {
            counts.add_line(line);
        }
        assert_eq!(counts, TestCounts { passed: 7, failed: 2, ignored: 1 });
    }

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let shown = show_command(&["doc", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")]);
        assert_eq!(shown, "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
    }
}
