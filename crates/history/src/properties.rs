//! Properties of as-of questions over random recordings, against a model that keeps every state of
//! every object in a list.

use std::path::Path;

use plimsoll_core::SimTime;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{History, ObjectKey, RecordingMeta, Writer, verify};

/// One call of the writer. Few names, uids and states, so that lives and states come back.
#[derive(Clone, Debug)]
struct Operation {
    /// Milliseconds since the operation before.
    pause: i64,
    /// How much earlier the change took effect; rows take effect in any order.
    lag: i64,
    kind: &'static str,
    name: &'static str,
    uid: &'static str,
    /// `None` deletes.
    state: Option<u8>,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = (
        prop_oneof![3 => Just(0_i64), 2 => 1..50_i64],
        0..200_i64,
        prop::sample::select(vec!["Pod", "Node"]),
        prop::sample::select(vec!["a", "b", "c"]),
        prop::sample::select(vec!["", "u1", "u2"]),
        prop::option::weighted(0.7, 0..4_u8),
    )
        .prop_map(|(pause, lag, kind, name, uid, state)| Operation {
            pause,
            lag,
            kind,
            name,
            uid,
            state,
        });
    prop::collection::vec(operation, 0..60)
}

fn object(operation: &Operation, state: u8) -> Value {
    let mut object = json!({
        "apiVersion": "v1", "kind": operation.kind,
        "metadata": {"name": operation.name, "labels": {"state": (state % 2).to_string()}},
        "spec": {"size": state / 2},
        "status": {"phase": "Running"},
    });
    if !operation.uid.is_empty() {
        object["metadata"]["uid"] = json!(operation.uid);
    }
    if state == 3 && operation.kind == "Pod" {
        object["spec"]["nodeName"] = json!("node-1");
    }
    object
}

/// What the recording should hold: every state that a name ever had, with its observation time.
#[derive(Default)]
struct Model {
    seen: Vec<(i64, (&'static str, &'static str), Option<Value>)>,
}

impl Model {
    fn apply(&mut self, time: i64, operation: &Operation) {
        let name = (operation.kind, operation.name);
        match operation.state {
            Some(state) => self.seen.push((time, name, Some(object(operation, state)))),
            None => {
                let current = self.seen.iter().rev().find(|(_, of, _)| *of == name);
                let current = current.and_then(|(_, _, object)| object.as_ref());
                let is_meant = current.is_some_and(|current| {
                    operation.uid.is_empty() || current["metadata"]["uid"] == operation.uid
                });
                if is_meant {
                    self.seen.push((time, name, None));
                }
            }
        }
    }

    fn alive_at(&self, time: i64) -> Vec<Value> {
        let mut names: Vec<_> = self.seen.iter().map(|(_, name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .filter_map(|name| {
                let mut until =
                    self.seen.iter().filter(|(seen, of, _)| *seen <= time && *of == name);
                until.next_back().and_then(|(_, _, object)| object.clone())
            })
            .collect()
    }
}

/// Writes the operations observed until `until`.
fn record(path: &Path, operations: &[Operation], until: i64) -> Model {
    let meta = RecordingMeta {
        cluster: "random".to_owned(),
        format: "objects".to_owned(),
        source: String::new(),
        start: SimTime(0),
    };
    let mut writer = Writer::create(path, &meta).expect("writable").with_checkpoint_every(5);
    let (mut model, mut now) = (Model::default(), 0);
    for operation in operations {
        now += operation.pause;
        if now > until {
            break;
        }
        let (seen, effect) = (SimTime(now), SimTime(now - operation.lag));
        match operation.state {
            Some(state) => {
                writer.put(seen, effect, &object(operation, state)).expect("a valid row");
            }
            None => {
                let key = ObjectKey::of(&object(operation, 0)).expect("a valid object");
                writer.delete(seen, effect, &key).expect("a valid row");
            }
        }
        model.apply(now, operation);
    }
    writer.finish(SimTime(now)).expect("finished");
    model
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_snapshot_equals_the_model_and_ignores_later_rows(
        operations in operations(),
        share in 0.0..1.0_f64,
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let total: i64 = operations.iter().map(|operation| operation.pause).sum();
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small")]
        let time = (total as f64 * share) as i64;

        let whole_path = folder.path().join("whole.db");
        let model = record(&whole_path, &operations, i64::MAX);
        let whole = History::open(&whole_path).expect("whole");
        let snapshot = whole.snapshot_at(SimTime(time)).expect("readable");
        let objects: Vec<Value> = snapshot
            .iter()
            .map(|change| whole.object_json(change).expect("readable"))
            .collect();
        prop_assert_eq!(objects, model.alive_at(time));

        let prefix_path = folder.path().join("prefix.db");
        record(&prefix_path, &operations, time);
        let prefix = History::open(&prefix_path).expect("whole");
        prop_assert_eq!(&snapshot, &prefix.snapshot_at(SimTime(time)).expect("readable"));
        prop_assert_eq!(
            whole.changes(SimTime(-1), SimTime(time)).expect("readable"),
            prefix.changes(SimTime(-1), SimTime(i64::MAX)).expect("readable")
        );
        prop_assert_eq!(verify(&whole_path).expect("readable"), vec![]);
    }

    #[test]
    fn a_snapshot_and_the_changes_after_it_give_the_later_snapshot(operations in operations()) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.db");
        record(&path, &operations, i64::MAX);
        let history = History::open(&path).expect("whole");
        let middle = SimTime(i64::midpoint(history.start().0, history.end().0));
        let mut alive = history.snapshot_at(middle).expect("readable");
        for change in history.changes(middle, history.end()).expect("readable") {
            alive.retain(|other| other.object_id != change.object_id);
            if change.version.is_some() {
                alive.push(change);
            }
        }
        alive.sort_by_key(|change| change.sequence);
        let mut expected = history.snapshot_at(history.end()).expect("readable");
        expected.sort_by_key(|change| change.sequence);
        prop_assert_eq!(alive, expected);
    }
}
