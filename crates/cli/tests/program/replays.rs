//! What `replay` and `compare` write, and that they write it again in the same way.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::run::{errors, example, fixture, import_surf, run, stdout};

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.map(|entry| name(entry.expect("an entry"))).collect();
    names.sort();
    names
}

#[test]
fn the_same_replay_twice_gives_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    import_surf(folder.path());
    let workday = example("workday.yaml");
    for arguments in [
        &["replay", &workday, "--strategy", "cluster-autoscaler,threshold", "--json"][..],
        &["replay", "surf.db", "--strategy", "recorded,cluster-autoscaler,threshold", "--json"],
        &["replay", "surf.db", "--seed", "7"],
        &["history", "snapshot", "surf.db", "--at", "+5s", "--json"],
        &["history", "export", "surf.db"],
    ] {
        let first = stdout(folder.path(), arguments);
        assert!(first == stdout(folder.path(), arguments), "{arguments:?}");
    }
}

#[test]
fn one_strategy_gives_an_object_and_several_an_array_in_the_order_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = fixture("small.yaml");
    let one = parse(&stdout(folder.path(), &["replay", &small, "--json"]));
    assert_eq!(one["kind"], "ReplayReport");
    assert_eq!(one["strategy"], "cluster-autoscaler");
    let asked = ["replay", &small, "--strategy", "threshold,cluster-autoscaler", "--json"];
    let several = parse(&stdout(folder.path(), &asked));
    let strategies: Vec<&Value> =
        several.as_array().expect("an array").iter().map(|report| &report["strategy"]).collect();
    assert_eq!(strategies, ["threshold", "cluster-autoscaler"]);
    assert_eq!(several[1], one);
}

#[test]
fn a_recording_is_replayed_as_recorded_first() {
    let folder = tempfile::tempdir().expect("a folder");
    import_surf(folder.path());
    let reports = parse(&stdout(folder.path(), &["replay", "surf.db", "--json"]));
    assert_eq!(reports[0]["strategy"], "recorded");
    assert_eq!(reports[1]["strategy"], "cluster-autoscaler");
}

#[test]
fn a_window_is_named_by_instants_or_by_its_length() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = fixture("small.yaml");
    let ends = |window: &[&str]| {
        let mut arguments = vec!["replay", &small, "--json"];
        arguments.extend(window);
        parse(&stdout(folder.path(), &arguments))["endTime"].clone()
    };
    assert_eq!(ends(&[]), "2026-01-05T07:00:00Z");
    assert_eq!(ends(&["--duration", "20m"]), "2026-01-05T06:20:00Z");
    assert_eq!(ends(&["--to", "+20m"]), "2026-01-05T06:20:00Z");
    assert_eq!(ends(&["--to", "2026-01-05T06:20:00Z"]), "2026-01-05T06:20:00Z");
}

#[test]
fn a_folder_gets_every_report_and_nothing_half_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = fixture("small.yaml");
    let asked = ["replay", &small, "--strategy", "cluster-autoscaler,threshold"];
    let mut arguments = asked.to_vec();
    arguments.extend(["-o", "reports/today", "--html", "page.html"]);
    let page = stdout(folder.path(), &arguments);
    let reports = folder.path().join("reports/today");
    assert_eq!(
        names_in(&reports),
        ["cluster-autoscaler.json", "report.html", "report.txt", "threshold.json"]
    );
    assert_eq!(fs::read_to_string(reports.join("report.txt")).expect("text"), page);
    let html = fs::read_to_string(reports.join("report.html")).expect("a page");
    assert!(html.ends_with("</html>\n"));
    assert_eq!(fs::read_to_string(folder.path().join("page.html")).expect("a page"), html);
    assert_eq!(names_in(folder.path()), ["page.html", "reports"]);

    let mut arguments = asked.to_vec();
    arguments.push("--json");
    let both = parse(&stdout(folder.path(), &arguments));
    let threshold = fs::read_to_string(reports.join("threshold.json")).expect("a report");
    assert_eq!(both[1], parse(&threshold));
}

#[test]
fn reports_are_compared_and_the_exit_code_tells_whether_they_differ() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = fixture("small.yaml");
    let strategies = "cluster-autoscaler,threshold";
    stdout(folder.path(), &["replay", &small, "--strategy", strategies, "-o", "."]);
    let same = ["compare", "cluster-autoscaler.json", "cluster-autoscaler.json"];
    assert!(stdout(folder.path(), &same).ends_with("no difference\n"));
    let output =
        run(folder.path(), &["compare", "cluster-autoscaler.json", "threshold.json", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
    let comparison = parse(&String::from_utf8_lossy(&output.stdout));
    assert_eq!(comparison["kind"], "ReplayComparison");
}

#[test]
fn speed_is_told_beside_the_report_and_never_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(folder.path(), &["replay", &fixture("small.yaml")]);
    assert!(errors(&output).starts_with("replayed 1h0m in "), "{}", errors(&output));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("replayed"));
}
