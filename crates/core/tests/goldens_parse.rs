//! Every object of every golden can be read.

#![expect(clippy::disallowed_methods, reason = "this test reads the goldens from their folder")]

use std::fs;
use std::path::{Path, PathBuf};

use plimsoll_core::objects::{Origin, Snapshot, defaulting, read_scheduler_configuration};
use plimsoll_core::scheduling::{Plugin, SchedulerProfile};
use serde_json::Value;

/// The suites whose cases hold a snapshot or a scenario.
const SUITES: [&str; 4] = ["scheduling", "scale-up", "scale-down", "timeline"];

/// The folder of the goldens; `None` on a machine without them, which CI must not be.
fn goldens() -> Option<PathBuf> {
    let beside_checkout = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("PLIMSOLL_SHARED").map_or_else(beside_checkout, PathBuf::from);
    let folder = shared.join("goldens");
    if folder.is_dir() {
        return Some(folder);
    }
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!in_ci, "CI must have the goldens; there are none in {}", folder.display());
    None
}

/// The cases of a suite, by file name.
fn cases(folder: &Path) -> Vec<(String, Value)> {
    let entries = fs::read_dir(folder).expect("the suite's folder can be listed");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("a case can be read");
        let case: Value = serde_json::from_str(&text).expect("a case is JSON");
        (path.file_name().expect("a file has a name").to_string_lossy().into_owned(), case)
    };
    paths.iter().map(read).collect()
}

/// The objects of a case.
fn objects(case: &Value) -> Vec<Value> {
    let list = case.get("snapshot").or_else(|| case.get("scenario"));
    let items = list.and_then(|list| list.get("items")).and_then(Value::as_array);
    items.expect("a case has a snapshot or a scenario").clone()
}

#[test]
fn every_object_of_every_golden_is_read() {
    let Some(folder) = goldens() else {
        // Stated, so that nobody takes the test for run.
        #[expect(clippy::print_stderr, reason = "a test without its data says so")]
        {
            eprintln!("no goldens on this machine: nothing was read");
        }
        return;
    };
    let mut refused = Vec::new();
    let mut read_objects = 0;
    for suite in SUITES {
        for (case, document) in cases(&folder.join(suite)) {
            let items = objects(&document);
            read_objects += items.len();
            for item in &items {
                let mut once = item.clone();
                defaulting::apply_defaults(&mut once);
                let mut twice = once.clone();
                defaulting::apply_defaults(&mut twice);
                assert_eq!(once, twice, "{suite}/{case}: defaults change what has them");
            }
            let values = items.into_iter().map(|item| (item, Origin::default()));
            if let Err(error) = Snapshot::from_values(values) {
                refused.push(format!("{suite}/{case}: {error}"));
            }
        }
    }
    assert_eq!(refused, Vec::<String>::new());
    assert!(read_objects > 1000, "only {read_objects} objects in the goldens");
}

/// What a verdict says that the profile does not explain.
fn unexplained(verdict: &Value, profile: &SchedulerProfile) -> Option<String> {
    if verdict["fits"] == Value::Bool(false) {
        // PreFilter's narrowing names its plugins in brackets, gates are PreEnqueue's.
        let name = verdict["plugin"].as_str().expect("a refusal names its plugin");
        let plugin = Plugin::named(name)?;
        let known = profile.filters.contains(&plugin)
            || profile.pre_filters.contains(&plugin)
            || profile.pre_enqueue.contains(&plugin);
        return (!known).then(|| format!("{name} refuses, and is not in the profile"));
    }
    let mut total = 0;
    for (name, score) in verdict["scores"].as_object().expect("scores by plugin") {
        let weight = Plugin::named(name).and_then(|plugin| profile.weight(plugin));
        let Some(weight) = weight else {
            return Some(format!("{name} scores, and is not in the profile"));
        };
        total += weight * score.as_i64().expect("a score is whole");
    }
    (verdict["total"].as_i64() != Some(total))
        .then(|| format!("{} is not {total}", verdict["total"]))
}

#[test]
fn the_weights_of_every_goldens_profile_give_the_totals_recorded() {
    let Some(folder) = goldens() else { return };
    let mut differences = Vec::new();
    let mut configurations = 0;
    let mut verdicts = 0;
    for (case, document) in cases(&folder.join("scheduling")) {
        let configuration = document.get("schedulerConfiguration");
        configurations += usize::from(configuration.is_some());
        let profiles = configuration.map(read_scheduler_configuration).transpose();
        let profiles = profiles.unwrap_or_else(|error| panic!("{case}: {error}"));
        let profiles = profiles.unwrap_or_default();
        for pod in document["expect"]["pods"].as_array().into_iter().flatten() {
            let name = pod["pod"].as_str().expect("a pod has a name");
            let scheduler = objects(&document).iter().find_map(|one| {
                let text = |pointer: &str| one.pointer(pointer).and_then(Value::as_str);
                let full = format!("{}/{}", text("/metadata/namespace")?, text("/metadata/name")?);
                let is_it = full == name && text("/kind") == Some("Pod");
                is_it.then(|| text("/spec/schedulerName").unwrap_or("default-scheduler").to_owned())
            });
            let profile = scheduler.and_then(|scheduler| profiles.of(&scheduler));
            let profile = profile.expect("every judged pod has a profile");
            for (node, verdict) in pod["nodes"].as_object().expect("verdicts by node") {
                verdicts += 1;
                let difference = unexplained(verdict, profile);
                differences.extend(difference.map(|why| format!("{case} {name} {node}: {why}")));
            }
        }
    }
    assert_eq!(differences, Vec::<String>::new());
    assert!(configurations >= 25, "only {configurations} cases have a configuration");
    assert!(verdicts > 1000, "only {verdicts} verdicts in the goldens");
}
