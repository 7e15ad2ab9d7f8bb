//! The real traces and scenarios, where they are at hand, against the figures known about them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use plimsoll_core::SimTime;
use plimsoll_history::import::{Format, ImportOptions, run};
use plimsoll_history::{Change, History, verify};
use serde_json::Value;
use tempfile::TempDir;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of real data; `None` on a machine without it, which is an error where the tests
/// count.
#[expect(clippy::print_stderr, reason = "says why the test has nothing to do")]
fn data() -> Option<PathBuf> {
    let shared = std::env::var_os("PLIMSOLL_SHARED")
        .map_or_else(|| workspace().join("../shared"), PathBuf::from);
    let data = shared.join("data");
    if data.is_dir() {
        return Some(data);
    }
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!in_ci, "no real data at {}: set PLIMSOLL_SHARED", data.display());
    eprintln!("passes without looking: no real data at {}", data.display());
    None
}

fn import(format: Format, files: &[&str], groups: Option<&str>) -> Option<(TempDir, History)> {
    let data = data()?;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("x.db");
    let files: Vec<PathBuf> = files.iter().map(|file| data.join(file)).collect();
    let groups = groups.map(|file| workspace().join("examples/groups").join(file));
    let options = ImportOptions { groups, compress: None, inflate: None };
    run(format, &files, &options, &path, &mut |_| {}).expect("real data can be imported");
    assert_eq!(verify(&path).expect("readable"), []);
    let history = History::open(&path).expect("a whole history");
    Some((folder, history))
}

fn count(changes: &[Change], kind: &str) -> usize {
    changes.iter().filter(|change| &*change.object.kind == kind).count()
}

/// The most pods alive at one instant, once everything at the instant has happened.
fn peak_pods(history: &History) -> usize {
    let start = history.snapshot_at(history.start()).expect("readable");
    let mut alive: BTreeSet<u32> = start
        .iter()
        .filter(|change| &*change.object.kind == "Pod")
        .map(|change| change.object_id)
        .collect();
    let (mut peak, mut now) = (alive.len(), history.start());
    history
        .visit_changes(history.start(), history.end(), &mut |change| {
            if change.observed_at != now {
                peak = peak.max(alive.len());
                now = change.observed_at;
            }
            if &*change.object.kind == "Pod" {
                if change.version.is_some() {
                    alive.insert(change.object_id);
                } else {
                    alive.remove(&change.object_id);
                }
            }
            ControlFlow::Continue(())
        })
        .expect("readable");
    peak
}

/// Milliseconds from creation to binding of every pod that waited in view, sorted.
fn waits(history: &History) -> Vec<i64> {
    let mut waits: BTreeMap<u32, i64> = BTreeMap::new();
    history
        .visit_changes(history.start(), history.end(), &mut |change| {
            if let (Some(version), "Pod", Some(created_at)) =
                (&change.version, &*change.object.kind, change.object.created_at)
            {
                let rest = history.document(version.rest).expect("readable");
                if rest.pointer("/status/phase").and_then(Value::as_str) == Some("Running") {
                    waits.insert(change.object_id, (change.observed_at - created_at).0);
                }
            }
            ControlFlow::Continue(())
        })
        .expect("readable");
    let mut waits: Vec<i64> = waits.into_values().collect();
    waits.sort_unstable();
    waits
}

#[test]
fn the_dlrm_month_is_all_there() {
    let Some((_folder, history)) =
        import(Format::Dlrm, &["traces/alibaba-dlrm-2025.csv"], Some("dlrm.yaml"))
    else {
        return;
    };
    let kinds = history.kind_counts().expect("readable");
    assert_eq!((kinds["Pod"], kinds["Deployment"]), (23_871, 156));
    let start = history.snapshot_at(history.start()).expect("readable");
    assert_eq!(count(&start, "Pod"), 7_280);
    let end = history.snapshot_at(history.end()).expect("readable");
    assert_eq!(count(&end, "Pod"), 8_878);
    assert_eq!(peak_pods(&history), 8_984);
    let waits = waits(&history);
    let quantile = |percent: usize| waits[waits.len() * percent / 100] / 1000;
    assert_eq!((quantile(50), quantile(90), quantile(99)), (0, 59, 1_665));
}

#[test]
fn the_surf_month_is_all_there() {
    let Some((_folder, history)) =
        import(Format::Surf, &["traces/surf-lisa-2022-10.csv"], Some("surf.yaml"))
    else {
        return;
    };
    let kinds = history.kind_counts().expect("readable");
    assert_eq!((kinds["Pod"], kinds["Job"]), (68_648, 68_648));
    assert_eq!(count(&history.snapshot_at(history.start()).expect("readable"), "Pod"), 0);
    assert_eq!(count(&history.snapshot_at(history.end()).expect("readable"), "Pod"), 0);
    assert_eq!(peak_pods(&history), 228);
}

#[test]
fn the_openb_pods_and_nodes_are_all_there() {
    let files = ["traces/openb-pods.csv", "traces/openb-nodes.csv"];
    let Some((_folder, history)) = import(Format::Openb, &files, None) else {
        return;
    };
    let kinds = history.kind_counts().expect("readable");
    assert_eq!((kinds["Pod"], kinds["NodeGroup"]), (8_152, 27));
    let start = history.snapshot_at(history.start()).expect("readable");
    let nodes: u64 = start
        .iter()
        .filter(|change| &*change.object.kind == "NodeGroup")
        .map(|change| history.object_json(change).expect("readable"))
        .map(|group| group["spec"]["maxSize"].as_u64().expect("a number"))
        .sum();
    assert_eq!(nodes, 1_523);
    assert_eq!(peak_pods(&history), 56);
    // One pod is bound at the very start.
    assert_eq!(waits(&history).len(), 8_152 - 897 - 1);
}

/// Group, size and number of pods waiting as of an instant.
fn decision(history: &History, time: &str) -> (BTreeMap<String, u64>, usize, usize) {
    let time = SimTime::parse(time).expect("a time");
    let snapshot = history.snapshot_at(time).expect("readable");
    let mut sizes = BTreeMap::new();
    for change in snapshot.iter().filter(|change| &*change.object.kind == "NodeGroup") {
        let group = history.object_json(change).expect("readable");
        let size = group["status"]["targetSize"].as_u64().expect("a number");
        sizes.insert(change.object.name.clone(), size);
    }
    let is_bound = |change: &&Change| {
        change.version.as_ref().is_some_and(|version| version.node_name.is_some())
    };
    let pods = snapshot.iter().filter(|change| &*change.object.kind == "Pod");
    let bound = pods.clone().filter(is_bound).count();
    (sizes, bound, pods.count() - bound)
}

fn sizes(groups: [(&str, u64); 2]) -> BTreeMap<String, u64> {
    groups.into_iter().map(|(name, size)| (name.to_owned(), size)).collect()
}

#[test]
fn the_g2_scenario_is_as_it_was_at_its_decision() {
    let Some((_folder, history)) = import(Format::Gardener, &["scenarios/scenarios.json"], None)
    else {
        return;
    };
    let (before, bound, waiting) = decision(&history, "2024-05-21T14:13:40Z");
    let (one, two) = ("shoot--i034796--g2-p1-z1", "shoot--i034796--g2-p2-z1");
    assert_eq!(before, sizes([(one, 1), (two, 1)]));
    assert_eq!((bound, waiting), (37, 3));
    let (after, _, _) = decision(&history, "2024-05-21T14:13:41Z");
    assert_eq!(after, sizes([(one, 1), (two, 2)]));
}

#[test]
fn scenario_c_grows_in_three_steps() {
    let Some((_folder, history)) = import(Format::Gardener, &["scenarios/scenario_c.json"], None)
    else {
        return;
    };
    let steps: Vec<String> =
        ["2024-05-28T05:49:29Z", "2024-05-28T05:49:49Z", "2024-05-28T05:50:59Z"]
            .into_iter()
            .map(|time| {
                let (sizes, bound, waiting) = decision(&history, time);
                let sizes: Vec<u64> = sizes.into_values().collect();
                format!("{sizes:?} {bound} bound, {waiting} waiting")
            })
            .collect();
    expect_test::expect![[r#"
        [1, 1, 1] 2 bound, 3 waiting
        [1, 1, 3] 2 bound, 11 waiting
        [1, 2, 3] 2 bound, 11 waiting"#]]
    .assert_eq(&steps.join("\n"));
    assert_eq!(history.kind_counts().expect("readable")["Event"], 5);
}
