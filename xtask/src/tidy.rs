//! The rules of the workspace that neither rustc nor clippy can hold.
//!
//! Every rule is a function from text to findings, so that a test can show that it fires;
//! [`check_workspace`] reads the files and applies them all.

pub mod code_map;
pub mod dependencies;
pub mod manifests;
pub mod sources;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// Applies every rule to the workspace at `root`.
///
/// Findings come in the order of rules, then of paths; none means tidy.
///
/// # Errors
/// A file that cannot be read, or `cargo metadata` that fails: nothing is known about tidiness.
pub fn check_workspace(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let dependencies = dependencies::parse_metadata(&read_metadata(root)?)?;
    let mut findings = dependencies::check_edges(&dependencies);
    findings.extend(dependencies::check_third_party(&dependencies));
    findings.extend(dependencies::check_lockfile(&read(&root.join("Cargo.lock"))?));

    let members = list_members(root)?;
    for member in &members {
        let path = format!("{member}/Cargo.toml");
        findings.extend(manifests::check_manifest(&path, &read(&root.join(&path))?));
    }
    findings.extend(code_map::check_code_map(&read(&root.join("ARCHITECTURE.md"))?, &members));

    for path in list_files(root)? {
        let shown = relative(root, &path);
        if sources::is_text(&shown) {
            let text = read(&path)?;
            findings.extend(sources::check_text(&shown, &text));
            if shown.ends_with(".rs") {
                findings.extend(sources::check_rust(&shown, &text));
            }
        }
    }
    Ok(findings)
}

/// One untidy place: where, and what is wrong there. Displays as `place: problem`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A path with an optional line (`crates/core/src/lib.rs:12`), or the name of a crate.
    pub place: String,
    /// What is wrong and what is wanted instead.
    pub problem: String,
}

impl Finding {
    fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// Folders that hold no source of ours, wherever they are.
const SKIPPED_FOLDERS: [&str; 5] = [".git", "dist", "node_modules", "out", "target"];

/// The member crates as paths from the root: `crates/<name>` by name, then `xtask`.
fn list_members(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut members: Vec<String> = list_folder(&root.join("crates"))?
        .iter()
        .filter(|path| path.join("Cargo.toml").is_file())
        .map(|path| relative(root, path))
        .collect();
    members.push("xtask".to_owned());
    Ok(members)
}

/// All files below `root` in the order of their paths, without [`SKIPPED_FOLDERS`].
fn list_files(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for path in list_folder(&folder)? {
            let skipped = SKIPPED_FOLDERS.iter().any(|name| path.ends_with(name));
            if path.is_dir() && !skipped {
                folders.push(path);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn list_folder(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {folder:?}"))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.with_context(|| format!("cannot list {folder:?}"))?.path());
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path:?}"))
}

/// The path as seen from the root, with `/` on every system.
fn relative(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

fn read_metadata(root: &Path) -> anyhow::Result<String> {
    let output = Command::new(crate::cargo_program())
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .context("cannot start cargo metadata")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo metadata failed: {errors}");
    String::from_utf8(output.stdout).context("cargo metadata printed no UTF-8")
}
