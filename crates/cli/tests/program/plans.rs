//! `plimsoll plan`: one loop over snapshots of every kind.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::run::{example, import_surf, stdout};

fn json_of(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&stdout(folder, arguments)).expect("JSON")
}

#[test]
fn the_plan_has_the_fields_of_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = json_of(folder.path(), &["plan", &example("rollout.yaml"), "--json"]);
    assert_eq!(plan["strategy"], "cluster-autoscaler");
    assert_eq!(plan["at"], "2026-01-05T12:00:00Z");
    assert_eq!(plan["scaleUpResult"], "Successful");
    assert_eq!(plan["scaleDownResult"], "InCooldown");
    assert_eq!(plan["scaleUps"], json!([{"group": "workers-a", "from": 3, "to": 4}]));
    assert_eq!(plan["best"], json!(["workers-a"]));
    assert_eq!(plan["unneeded"], json!(["spot-b-1"]));
    assert_eq!(plan["unneededSince"], json!({"spot-b-1": "2026-01-05T11:49:00Z"}));
    assert_eq!(
        plan["costPerHour"],
        json!({"before": "0.713", "after": "0.927", "lowerBound": "0.927"})
    );
    let report = plan["pods"].as_array().expect("pods").iter();
    let report = report.filter(|pod| pod["pod"] == "shop/report-1").collect::<Vec<_>>();
    assert_eq!(
        json!(report),
        json!([{
            "pod": "shop/report-1", "outcome": "unschedulable",
            "reasons": {"large-a": "Insufficient cpu", "workers-a": "Insufficient cpu",
                        "spot-b": "node(s) had untolerated taint(s)"},
            "event": "1 node(s) had untolerated taint(s), 2 Insufficient cpu",
        }])
    );
}

#[test]
fn a_what_if_stands_beside_todays_plan_and_changes_nothing_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let today = json_of(folder.path(), &["plan", &example("rollout.yaml"), "--json"]);
    let changes = ["--what-if", "maxSize[large-a]=0", "--what-if", "expander=price"];
    let mut both = vec!["plan", "", "--json"];
    let path = example("rollout.yaml");
    both[1] = &path;
    both.extend(changes);
    let mut both = json_of(folder.path(), &both);
    let changed = both["whatIf"].take();
    both.as_object_mut().expect("an object").remove("whatIf");
    assert_eq!(both, today);
    assert_eq!(changed["changes"], json!(["maxSize[large-a]=0", "expander=price"]));
    assert_eq!(
        changed["plan"]["skippedGroups"],
        json!([{"group": "large-a", "reason": "max node group size reached"}])
    );
}

#[test]
fn a_history_is_planned_as_the_snapshot_file_of_the_same_instant_is() {
    let folder = tempfile::tempdir().expect("a folder");
    import_surf(folder.path());
    let file = stdout(folder.path(), &["history", "snapshot", "surf.db", "--at", "+2m", "--json"]);
    fs::write(folder.path().join("then.json"), file).expect("written");
    let from_history = json_of(folder.path(), &["plan", "surf.db@+2m", "--json"]);
    let at = from_history["at"].as_str().expect("an instant");
    assert_eq!(from_history["pods"].as_array().map(Vec::len), Some(2));
    assert_eq!(from_history, json_of(folder.path(), &["plan", "then.json", "--at", at, "--json"]));
}
