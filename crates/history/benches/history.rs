//! How fast a history of a million rows answers, and how fast rows go in.
//!
//! `cargo bench -p plimsoll-history`. The targets: a snapshot in less than 200 ms, and more than
//! 50,000 rows per second in.

use std::path::PathBuf;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::ItemsCount;
use plimsoll_core::SimTime;
use plimsoll_history::{History, ObjectKey, RecordingMeta, Writer};
use serde_json::{Value, json};
use tempfile::TempDir;

fn main() {
    divan::main();
}

const ROWS: i64 = 1_000_000;

/// Pods alive at once.
const ALIVE: i64 = 10_000;

/// Rows of one pod: created, bound, deleted.
const ROWS_PER_POD: i64 = 3;

const ROWS_PER_IMPORT: i64 = 60_000;

/// A recording that benchmarks share, in a folder that goes when they end.
static RECORDING: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("million.db");
    write(&path, ROWS);
    (folder, path)
});

/// Pods of a hundred Deployments; each lives until `ALIVE` others have come.
fn write(path: &std::path::Path, rows: i64) {
    let recording = RecordingMeta {
        cluster: "bench".to_owned(),
        format: "objects".to_owned(),
        source: String::new(),
        start: SimTime(0),
    };
    let mut writer = Writer::create(path, &recording).expect("a writable folder");
    let pods = rows / ROWS_PER_POD;
    for number in 0..pods {
        let now = SimTime(number * 100);
        let mut pod = pod(number);
        writer.put(now, now, &pod).expect("a valid row");
        pod["spec"]["nodeName"] = json!(format!("node-{}", number % 500));
        pod["status"] = json!({"phase": "Running", "startTime": now.to_string()});
        writer.put(now, now, &pod).expect("a valid row");
        if number >= ALIVE {
            let gone = ObjectKey::of(&self::pod(number - ALIVE)).expect("a valid object");
            writer.delete(now, now, &gone).expect("a valid row");
        }
    }
    writer.finish(SimTime(pods * 100)).expect("a finished file");
}

fn pod(number: i64) -> Value {
    let app = format!("app-{}", number % 100);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{app}-{number}"), "namespace": "bench", "uid": format!("u{number}"),
            "creationTimestamp": SimTime(number * 100).to_string(),
            "labels": {"app": app},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": app,
                "uid": app, "controller": true}],
        },
        "spec": {
            "containers": [{"name": "main", "image": "example.invalid/app:1",
                "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}],
            "restartPolicy": "Always", "schedulerName": "default-scheduler",
        },
        "status": {"phase": "Pending"},
    })
}

/// Opening included, so that no cache helps.
#[divan::bench(sample_count = 20, args = [0.1, 0.5, 0.999])]
fn snapshot_of_a_million_rows(bencher: Bencher<'_, '_>, share: f64) {
    let (_, path) = &*RECORDING;
    bencher.bench(|| {
        let history = History::open(path).expect("a whole history");
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a share")]
        let time = (history.end().0 as f64 * share) as i64;
        history.snapshot_at(SimTime(time)).expect("readable").len()
    });
}

#[divan::bench(sample_count = 5)]
fn every_change_of_a_million_rows(bencher: Bencher<'_, '_>) {
    let (_, path) = &*RECORDING;
    bencher.counter(ItemsCount::new(ROWS.cast_unsigned())).bench(|| {
        let history = History::open(path).expect("a whole history");
        let mut rows = 0_u64;
        history
            .visit_changes(SimTime(-1), history.end(), &mut |_| {
                rows += 1;
                std::ops::ControlFlow::Continue(())
            })
            .expect("readable");
        rows
    });
}

#[divan::bench(sample_count = 5)]
fn import(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("import.db");
    bencher
        .counter(ItemsCount::new(ROWS_PER_IMPORT.cast_unsigned()))
        .bench(|| write(&path, ROWS_PER_IMPORT));
}
