//! Import and what a history answers afterwards.

use std::fs;

use serde_json::Value;

use crate::run::{errors, example, import_surf, run, stdout};

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn every_sample_is_imported_and_sound() {
    let folder = tempfile::tempdir().expect("a folder");
    let groups = |name: &str| ["--groups".to_owned(), example(&format!("groups/{name}.yaml"))];
    let traces = |names: &[&str]| -> Vec<String> {
        names.iter().map(|name| example(&format!("traces/{name}"))).collect()
    };
    let samples = [
        ("dlrm", [traces(&["dlrm.csv"]), groups("dlrm").to_vec()].concat()),
        ("surf", [traces(&["surf.csv"]), groups("surf").to_vec()].concat()),
        ("openb", traces(&["openb-nodes.csv", "openb-pods.csv"])),
        ("gardener", traces(&["gardener.json"])),
        ("objects", traces(&["objects-1.yaml", "objects-2.json"])),
    ];
    for (format, rest) in &samples {
        let database = format!("{format}.db");
        let mut arguments = vec!["import", format];
        arguments.extend(rest.iter().map(String::as_str));
        arguments.extend(["-o", &database]);
        let summary = stdout(folder.path(), &arguments);
        assert_eq!(summary, stdout(folder.path(), &["history", "info", &database]), "{format}");
        let verified = stdout(folder.path(), &["history", "verify", &database]);
        assert!(verified.starts_with(&format!("{database}: sound")), "{verified}");
    }
}

#[test]
fn a_snapshot_as_json_is_a_snapshot_file() {
    let folder = tempfile::tempdir().expect("a folder");
    import_surf(folder.path());
    let asked = ["history", "snapshot", "surf.db", "--at", "+1s", "--json"];
    let snapshot = stdout(folder.path(), &asked);
    let list = parse(&snapshot);
    assert_eq!((&list["apiVersion"], &list["kind"]), (&"v1".into(), &"List".into()));
    let kinds: Vec<&Value> =
        list["items"].as_array().expect("items").iter().map(|item| &item["kind"]).collect();
    assert!(kinds.contains(&&"NodeGroup".into()) && kinds.contains(&&"Pod".into()), "{kinds:?}");
    fs::write(folder.path().join("then.json"), &snapshot).expect("written");
    stdout(folder.path(), &["import", "objects", "then.json", "-o", "again.db"]);
    let again = parse(&stdout(folder.path(), &["history", "snapshot", "again.db", "--json"]));
    assert_eq!(again["items"], list["items"]);
}

#[test]
fn what_is_exported_is_every_row_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    import_surf(folder.path());
    let lines = stdout(folder.path(), &["history", "export", "surf.db"]);
    let sequences: Vec<u64> =
        lines.lines().map(|line| parse(line)["sequence"].as_u64().expect("a number")).collect();
    let info = parse(&stdout(folder.path(), &["history", "info", "surf.db", "--json"]));
    let rows = info["changes"].as_u64().expect("a number");
    assert_eq!(sequences, (1..=rows).collect::<Vec<_>>());
    let until = stdout(folder.path(), &["history", "export", "surf.db", "--at", "+30s"]);
    let after = stdout(folder.path(), &["history", "export", "surf.db", "--from", "+30s"]);
    assert_eq!(until + &after, lines);
}

#[test]
fn a_difference_names_what_came_went_and_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = [example("traces/objects-1.yaml"), example("traces/objects-2.json")];
    stdout(folder.path(), &["import", "objects", &files[0], &files[1], "-o", "x.db"]);
    let text = stdout(folder.path(), &["history", "diff", "x.db", "--from", "+0s"]);
    assert!(text.contains("\n- Node n1\n"), "{text}");
    assert!(text.contains("\n+ Pod shop/web-2\n- "), "{text}");
    let json = parse(&stdout(folder.path(), &["history", "diff", "x.db", "--json"]));
    assert_eq!(json["removed"].as_array().map(Vec::len), Some(0), "nothing was before the start");
}

#[test]
fn events_are_told_in_the_order_in_which_they_were_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    stdout(folder.path(), &["import", "gardener", &example("traces/gardener.json"), "-o", "x.db"]);
    let text = stdout(folder.path(), &["history", "events", "x.db"]);
    assert!(text.contains("2026-01-05T12:00:10Z"), "{text}");
    assert!(text.contains("TriggeredScaleUp"), "{text}");
    let list = parse(&stdout(folder.path(), &["history", "events", "x.db", "--json"]));
    assert_eq!(list["items"][0]["reason"], "TriggeredScaleUp");
}

#[test]
fn an_instant_outside_of_the_recording_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    import_surf(folder.path());
    let output = run(folder.path(), &["history", "snapshot", "surf.db", "--at", "+1000h"]);
    assert_eq!(output.status.code(), Some(2));
    let error = errors(&output);
    assert!(error.starts_with("error: surf.db: --at 2022-11-11T15:59:59Z is outside"), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn an_import_never_replaces_what_it_imports() {
    let folder = tempfile::tempdir().expect("a folder");
    let snapshot = fs::read(example("traces/objects-1.yaml")).expect("a sample");
    fs::write(folder.path().join("now.yaml"), &snapshot).expect("written");
    let output = run(folder.path(), &["import", "objects", "now.yaml", "-o", "./now.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors(&output).contains("--output now.yaml: is a file to be imported"));
    assert_eq!(fs::read(folder.path().join("now.yaml")).expect("there"), snapshot);
}
