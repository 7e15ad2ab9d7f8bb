//! What a recording promises: whole or not at all, as-of by observation, exact objects.

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use plimsoll_core::SimTime;
use plimsoll_history::{Change, History, HistoryError, ObjectKey, RecordingMeta, Writer, verify};
use serde_json::{Value, json};

fn recording() -> RecordingMeta {
    RecordingMeta {
        cluster: "test".to_owned(),
        format: "objects".to_owned(),
        source: "made by hand".to_owned(),
        start: SimTime(1_000),
    }
}

fn pod(name: &str, uid: &str, node: Option<&str>) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": uid, "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main"}]},
        "status": {"phase": "Pending"},
    });
    if let Some(node) = node {
        pod["spec"]["nodeName"] = json!(node);
        pod["status"]["phase"] = json!("Running");
    }
    pod
}

fn line(change: &Change) -> String {
    let state = match &change.version {
        None => "gone".to_owned(),
        Some(version) => format!(
            "documents {},{},{} on {}",
            version.meta.0,
            version.spec.0,
            version.rest.0,
            version.node_name.as_deref().unwrap_or("-")
        ),
    };
    let (key, seen, effect) = (&change.object, change.observed_at.0, change.effective_at.0);
    let (kind, name, uid) = (&key.kind, &key.name, &key.uid);
    format!("{} seen {seen} effective {effect}: {kind} {name}/{uid} {state}", change.sequence)
}

fn check(changes: &[Change], expected: &Expect) {
    expected.assert_eq(&changes.iter().map(line).collect::<Vec<_>>().join("\n"));
}

fn write(path: &Path) {
    let mut writer = Writer::create(path, &recording()).expect("a writable folder");
    let mut put = |time: i64, object: &Value| {
        writer.put(SimTime(time), SimTime(time - 5), object).expect("a valid row")
    };
    assert!(put(1_000, &pod("a", "u1", None)));
    assert!(put(1_000, &pod("b", "u2", None)));
    assert!(put(2_000, &pod("a", "u1", Some("n1"))));
    assert!(!put(2_500, &pod("a", "u1", Some("n1"))), "nothing changed");
    assert!(put(3_000, &pod("a", "u1", None)), "a state seen before is a change");
    assert!(put(4_000, &pod("b", "u3", None)), "a new life of the name");
    let gone = ObjectKey::of(&pod("a", "u1", None)).expect("a valid object");
    assert!(writer.delete(SimTime(5_000), SimTime(4_999), &gone).expect("a valid row"));
    assert!(!writer.delete(SimTime(5_000), SimTime(4_999), &gone).expect("a valid row"));
    writer.gap(SimTime(2_600), SimTime(2_900)).expect("a valid gap");
    writer.finish(SimTime(6_000)).expect("a finished file");
}

#[test]
fn a_snapshot_knows_what_was_observed_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.db");
    write(&path);
    let history = History::open(&path).expect("a whole history");
    check(
        &history.snapshot_at(SimTime(2_999)).expect("readable"),
        &expect![[r#"
            3 seen 2000 effective 1995: Pod a/u1 documents 0,1,3 on n1
            2 seen 1000 effective 995: Pod b/u2 documents 0,1,2 on -"#]],
    );
    check(
        &history.snapshot_at(SimTime(4_000)).expect("readable"),
        &expect![[r#"
            4 seen 3000 effective 2995: Pod a/u1 documents 0,1,2 on -
            6 seen 4000 effective 3995: Pod b/u3 documents 0,1,2 on -"#]],
    );
    check(&history.snapshot_at(SimTime(999)).expect("readable"), &expect![[""]]);
    check(
        &history.changes(SimTime(1_000), SimTime(5_000)).expect("readable"),
        &expect![[r#"
            3 seen 2000 effective 1995: Pod a/u1 documents 0,1,3 on n1
            4 seen 3000 effective 2995: Pod a/u1 documents 0,1,2 on -
            5 seen 4000 effective 4000: Pod b/u2 gone
            6 seen 4000 effective 3995: Pod b/u3 documents 0,1,2 on -
            7 seen 5000 effective 4999: Pod a/u1 gone"#]],
    );
    assert_eq!(history.gaps().len(), 1);
    assert_eq!((history.start(), history.end()), (SimTime(1_000), SimTime(6_000)));
    assert_eq!(verify(&path).expect("readable"), []);
}

#[test]
fn threads_can_share_a_history() {
    fn shared<T: Send + Sync>() {}
    shared::<History>();
}

#[test]
fn an_object_comes_back_as_it_was_put() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.db");
    let mut pod = pod("a", "u1", Some("n1"));
    pod["metadata"]["resourceVersion"] = json!("41");
    pod["metadata"]["creationTimestamp"] = json!("2026-01-05T03:00:00Z");
    let mut writer = Writer::create(&path, &recording()).expect("a writable folder");
    writer.put(SimTime(1_000), SimTime(1_000), &pod).expect("a valid row");
    let mut same = pod.clone();
    same["metadata"]["resourceVersion"] = json!("42");
    assert!(!writer.put(SimTime(1_001), SimTime(1_001), &same).expect("valid"), "no change");
    writer.finish(SimTime(2_000)).expect("a finished file");
    let history = History::open(&path).expect("a whole history");
    let snapshot = history.snapshot_at(SimTime(1_500)).expect("readable");
    assert_eq!(history.object_json(&snapshot[0]).expect("readable"), pod);
}

#[test]
fn rows_must_come_in_the_order_of_their_observation() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut writer =
        Writer::create(&folder.path().join("x.db"), &recording()).expect("a writable folder");
    writer.put(SimTime(3_000), SimTime(9_000), &pod("a", "u1", None)).expect("a valid row");
    let error = writer.put(SimTime(2_999), SimTime(2_999), &pod("b", "u2", None));
    expect![
        "observed at 1970-01-01T00:00:02.999Z, before the row observed at 1970-01-01T00:00:03Z"
    ]
    .assert_eq(&error.expect_err("out of order").to_string());
    let nameless = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}});
    let error = writer.put(SimTime(3_000), SimTime(3_000), &nameless);
    expect!["not a Kubernetes object: Pod: metadata.name is missing or no text"]
        .assert_eq(&error.expect_err("no name").to_string());
}

#[test]
fn an_unfinished_recording_is_never_taken_for_a_whole_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.db");
    write(&path);
    let before = fs::read(&path).expect("readable");

    let mut writer = Writer::create(&path, &recording()).expect("a writable folder");
    writer.put(SimTime(1_000), SimTime(1_000), &pod("z", "u9", None)).expect("a valid row");
    assert_eq!(fs::read(&path).expect("readable"), before, "the old file is whole until the end");
    drop(writer);
    assert_eq!(fs::read(&path).expect("readable"), before);
    let left: Vec<_> = fs::read_dir(folder.path()).expect("readable").collect();
    assert_eq!(left.len(), 1, "nothing is left behind: {left:?}");

    // What a killed process would leave: a file with rows but without an end.
    let database = rusqlite::Connection::open(&path).expect("a database");
    database.execute("DELETE FROM meta WHERE key = 'complete'", []).expect("writable");
    drop(database);
    let error = History::open(&path).expect_err("unfinished");
    assert!(matches!(error, HistoryError::Unfinished { .. }), "{error}");
}

#[test]
fn each_way_of_not_being_a_history_has_its_own_words() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.db");
    let open = || {
        let error = History::open(&path).expect_err("no history").to_string();
        error.replace(&folder.path().display().to_string(), "DIR")
    };
    expect!["DIR/x.db: no such file"].assert_eq(&open());
    fs::write(&path, "kind: List\n").expect("writable");
    expect!["DIR/x.db: not a history: the file is not an SQLite database"].assert_eq(&open());
    fs::remove_file(&path).expect("removable");
    let foreign = rusqlite::Connection::open(&path).expect("a database");
    foreign.execute_batch("CREATE TABLE x (y)").expect("writable");
    drop(foreign);
    expect![
        "DIR/x.db: not a history: an SQLite database of another program (application_id 0x00000000)"
    ]
    .assert_eq(&open());
    write(&path);
    let whole = fs::read(&path).expect("readable");
    fs::write(&path, &whole[..whole.len() - 5_000]).expect("writable");
    let cut = open().replace(&whole.len().to_string(), "ALL");
    let cut = cut.replace(&(whole.len() - 5_000).to_string(), "SOME");
    expect!["DIR/x.db: truncated: its header promises ALL bytes, the file has SOME"]
        .assert_eq(&cut);
    fs::write(&path, &whole).expect("writable");
    let newer = rusqlite::Connection::open(&path).expect("a database");
    newer.pragma_update(None, "user_version", 99).expect("writable");
    drop(newer);
    expect!["DIR/x.db: written by a newer Plimsoll: its format is 99, this one reads up to 1"]
        .assert_eq(&open());
}

#[test]
fn verify_finds_what_was_tampered_with() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.db");
    let findings = |tampering: &str| {
        write(&path);
        let database = rusqlite::Connection::open(&path).expect("a database");
        database.pragma_update(None, "foreign_keys", false).expect("a setting");
        database.execute_batch(tampering).expect("writable");
        drop(database);
        let findings = verify(&path).expect("readable");
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    expect!["documents: document 1 is not what its hash says"]
        .assert_eq(&findings("UPDATE documents SET body = '{}' WHERE id = 1"));
    expect!["order: row 4 is missing before row 5"]
        .assert_eq(&findings("DELETE FROM changes WHERE sequence = 4"));
    expect![[r#"
        order: row 3 is observed out of order at 1970-01-01T00:00:00.5Z
        prefix: the snapshot as of 1970-01-01T00:00:00.5Z differs from a scan of the rows observed until then, first at object 1
        prefix: the snapshot as of 1970-01-01T00:00:01Z differs from a scan of the rows observed until then, first at object 0"#]]
        .assert_eq(&findings("UPDATE changes SET observed_at = 500 WHERE sequence = 3"));
    expect![[r#"references: row 3 of changes refers to a row missing from documents"#]]
        .assert_eq(&findings("UPDATE changes SET rest = 77 WHERE sequence = 3"));
    expect![["tombstones: row 7 buries object 0, which is not alive"]].assert_eq(&findings(
        "UPDATE changes SET meta = NULL, spec = NULL, rest = NULL WHERE sequence = 4",
    ));
    expect![[r#"
        checkpoints: the one after row 3 is not what the rows say
        prefix: the snapshot as of 1970-01-01T00:00:02Z differs from a scan of the rows observed until then, first at object 0
        prefix: the snapshot as of 1970-01-01T00:00:03Z differs from a scan of the rows observed until then, first at object 1"#]]
        .assert_eq(&findings("INSERT INTO checkpoints VALUES (3, 2000, x'')"));
}
