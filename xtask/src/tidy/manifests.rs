//! What every member's Cargo.toml must have: the workspace's lints, versions and identity.

use super::Finding;

/// Keys of `[package]` that come from the workspace, so that they are true of all crates at once.
const INHERITED_KEYS: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

/// Checks the text of one member's Cargo.toml; `path` is only shown.
///
/// Reads lines, not TOML: our manifests have one key a line, and any other form is a finding.
#[must_use]
pub fn check_manifest(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut section = "";
    let mut inherited = Vec::new();
    let mut has_lints = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
        } else if section == "lints" && line == "workspace = true" {
            has_lints = true;
        } else if section == "package" {
            inherited.extend(line.strip_suffix(".workspace = true"));
        } else if section.ends_with("dependencies") && !is_inherited_dependency(line) {
            findings.push(Finding::new(
                format!("{path}:{}", index + 1),
                format!("{line}: state versions once, in [workspace.dependencies]"),
            ));
        }
    }
    for key in INHERITED_KEYS {
        if !inherited.contains(&key) {
            findings.push(Finding::new(path, format!("[package] wants {key}.workspace = true")));
        }
    }
    if !has_lints {
        findings.push(Finding::new(path, "wants [lints] workspace = true"));
    }
    findings
}

/// `name.workspace = true` or `name = { workspace = true, ... }`.
fn is_inherited_dependency(line: &str) -> bool {
    line.ends_with(".workspace = true") || line.contains("{ workspace = true")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const GOOD: &str = "\
[package]
name = \"a\"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

[dependencies]
# Why a comment is no dependency.
serde.workspace = true
kube = { workspace = true, features = [\"ws\"] }

[[bench]]
name = \"speed\"
harness = false

[lints]
workspace = true
";

    #[test]
    fn a_manifest_in_our_form_passes() {
        assert_eq!(check_manifest("a/Cargo.toml", GOOD), []);
    }

    #[test]
    fn a_version_of_its_own_and_missing_lints_are_found() {
        let bad = "[package]\nname = \"a\"\nversion = \"1.0.0\"\nedition.workspace = true\n\
                   license.workspace = true\npublish.workspace = true\n\
                   [dev-dependencies]\nrand = \"0.9\"\n";
        let findings = check_manifest("a/Cargo.toml", bad);
        let shown: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
        expect![[r#"
            a/Cargo.toml:8: rand = "0.9": state versions once, in [workspace.dependencies]
            a/Cargo.toml: [package] wants version.workspace = true
            a/Cargo.toml: [package] wants rust-version.workspace = true
            a/Cargo.toml: wants [lints] workspace = true
        "#]]
        .assert_eq(&shown);
    }
}
