//! What a recording promises: whole or not at all, as-of by observation, exact objects.

use std::path::Path;

use expect_test::{Expect, expect};
use plimsoll_core::SimTime;
use plimsoll_history::{Change, History, ObjectKey, RecordingMeta, Writer, verify};
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
