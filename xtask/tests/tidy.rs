//! The workspace as it is obeys its own rules; each rule's own tests show that it fires.

use std::process::Command;

use xtask::{cargo_program, tidy, workspace_root};

#[test]
fn the_workspace_is_tidy() {
    let findings = tidy::check_workspace(workspace_root()).unwrap();
    let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(shown.is_empty(), "untidy:\n{}", shown.join("\n"));
}

#[test]
fn every_file_is_formatted() {
    let output = Command::new(cargo_program())
        .args(["fmt", "--all", "--check"])
        .current_dir(workspace_root())
        .output()
        .unwrap();
    let differences = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "run cargo fmt --all:\n{differences}{errors}");
}
