//! Our answers against upstream's, suite by suite.

use std::path::PathBuf;

use plimsoll_replay::goldens::check_suite;

#[test]
fn whole_scenarios_are_told_as_upstream_tells_them() {
    check("timeline");
}

#[test]
fn pending_pods_are_judged_as_upstream_judges_them() {
    check("scheduling");
}

#[test]
fn groups_grow_as_upstream_lets_them_grow() {
    check("scale-up");
}

#[test]
fn nodes_go_as_upstream_lets_them_go() {
    check("scale-down");
}

fn check(suite: &str) {
    let Some(folder) = goldens(suite) else { return };
    let result = check_suite(&folder).expect("the suite can be read");
    let differing: Vec<&str> = result
        .cases
        .iter()
        .filter(|case| !case.differences.is_empty())
        .map(|case| case.name.as_str())
        .collect();
    assert!(!result.cases.is_empty(), "{} has no cases", folder.display());
    assert!(
        differing.is_empty(),
        "{} of {} cases agree with upstream; `cargo xtask goldens` shows the others: {differing:?}",
        result.agreeing_cases(),
        result.cases.len(),
    );
}

/// The suite's folder. On a user's machine there is none; CI must not go without.
fn goldens(suite: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("PLIMSOLL_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("goldens").join(suite);
    let there = folder.is_dir();
    assert!(
        there || std::env::var_os("CI").is_none(),
        "CI needs the goldens, and {} is missing",
        folder.display()
    );
    there.then_some(folder)
}
