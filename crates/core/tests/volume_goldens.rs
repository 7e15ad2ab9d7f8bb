//! The volume plugins say what kube-scheduler says, wherever its verdict is theirs.

#![expect(clippy::disallowed_methods, reason = "this test reads the goldens from their folder")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use plimsoll_core::objects::{Origin, Snapshot};
use plimsoll_core::storage::{
    NodeView, Storage, VolumeRefusal, VolumeUse, node_volume_limits, volume_binding,
    volume_restrictions, volume_zone,
};
use plimsoll_core::{NodeObject, PodObject, PodPhase};
use serde_json::Value;

/// The plugins in question, in calling order.
const PLUGINS: [&str; 4] = [
    volume_restrictions::NAME,
    node_volume_limits::NAME,
    volume_binding::NAME,
    volume_zone::NAME,
];
/// The filters after them: where one of these refuses, all of ours have let the pod pass.
const LATER_PLUGINS: [&str; 4] =
    ["PodTopologySpread", "InterPodAffinity", "DynamicResources", "NodeDeclaredFeatures"];
/// The PreFilters before them, which may refuse a pod as a whole before ours are asked.
const GATES: [&str; 2] = ["SchedulingGates", "DynamicResources"];

/// The folder of the goldens; `None` on a machine without them, which CI must not be.
fn goldens() -> Option<PathBuf> {
    let beside_checkout = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("PLIMSOLL_SHARED").map_or_else(beside_checkout, PathBuf::from);
    let folder = shared.join("goldens/scheduling");
    if folder.is_dir() {
        return Some(folder);
    }
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!in_ci, "CI must have the goldens; there are none in {}", folder.display());
    None
}

/// The storage of a snapshot with its running pods on their nodes.
fn storage_of(snapshot: &Snapshot) -> Storage {
    let mut storage = snapshot.storage.load();
    for pod in &snapshot.pods {
        let finished = matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed);
        let node = pod.node_name.as_deref().filter(|_| !finished);
        let uses = storage.resolve(&pod.spec.namespace, &pod.spec.volumes);
        if let (Some(node), Some(uses)) = (node, uses) {
            storage.account(&uses, node, true);
        }
    }
    storage
}

/// The first of the plugins that refuses, with its reasons.
fn verdict(storage: &Storage, uses: &VolumeUse, node: &NodeObject) -> Option<(String, String)> {
    let view = NodeView { name: &node.name, labels: &node.spec.labels, hostname: None };
    let refused = |plugin: &str, refusal: &VolumeRefusal| {
        Some((plugin.to_owned(), refusal.reasons.join(", ")))
    };
    let restrictions = match volume_restrictions::pre_filter(storage, uses) {
        Err(refusal) => return refused(volume_restrictions::NAME, &refusal),
        Ok(prepared) => prepared,
    };
    let claims = match volume_binding::pre_filter(storage, uses) {
        Err(refusal) => return refused(volume_binding::NAME, &refusal),
        Ok(prepared) => prepared,
    };
    let zoned = match volume_zone::pre_filter(storage, uses) {
        Err(refusal) => return refused(volume_zone::NAME, &refusal),
        Ok(prepared) => prepared,
    };
    if let Some(restrictions) = restrictions
        && let Err(refusal) = volume_restrictions::filter(storage, &restrictions, &node.name)
    {
        return refused(volume_restrictions::NAME, &refusal);
    }
    if node_volume_limits::applies(storage, uses)
        && let Err(refusal) = node_volume_limits::filter(storage, uses, &node.name)
    {
        return refused(node_volume_limits::NAME, &refusal);
    }
    if let Some(claims) = claims
        && let Err(refusal) = volume_binding::filter(storage, uses, &claims, &view)
    {
        return refused(volume_binding::NAME, &refusal);
    }
    if let Some(zoned) = zoned
        && let Err(refusal) = volume_zone::filter(storage, &zoned, &view)
    {
        return refused(volume_zone::NAME, &refusal);
    }
    None
}

/// What a golden says about one node, as far as it binds these plugins: `None` where an earlier
/// plugin has refused, so that ours were not asked.
fn expected(verdict: &Value) -> Option<Option<(String, String)>> {
    if verdict["fits"] == Value::Bool(true) {
        return Some(None);
    }
    let plugin = verdict["plugin"].as_str().expect("a refusal names its plugin");
    let reason = verdict["reason"].as_str().expect("a refusal has a reason");
    if PLUGINS.contains(&plugin) {
        return Some(Some((plugin.to_owned(), reason.to_owned())));
    }
    (LATER_PLUGINS.contains(&plugin) && !GATES.contains(&plugin)).then_some(None)
}

fn compare(name: &str, case: &Value, counts: &mut BTreeMap<String, usize>) -> Vec<String> {
    let items = case["snapshot"]["items"].as_array().expect("a snapshot has items").clone();
    let values = items.into_iter().map(|item| (item, Origin::default()));
    let (snapshot, _) = Snapshot::from_values(values).expect("a golden can be read");
    let mut storage = storage_of(&snapshot);
    let mut differences = Vec::new();
    for pod in case["expect"]["pods"].as_array().into_iter().flatten() {
        let full_name = pod["pod"].as_str().expect("a pod has a name");
        let is_it = |one: &&PodObject| format!("{}/{}", one.spec.namespace, one.name) == full_name;
        let object = snapshot.pods.iter().find(is_it).expect("the pod is in the snapshot");
        let uses = storage.resolve(&object.spec.namespace, &object.spec.volumes);
        for node in &snapshot.nodes {
            let Some(expected) = pod["nodes"].get(&node.name).and_then(expected) else { continue };
            let found = uses.as_ref().and_then(|uses| verdict(&storage, uses, node));
            if found != expected {
                let line = format!("{name} {full_name} {}: {found:?}, not {expected:?}", node.name);
                differences.push(line);
            }
            let (plugin, _) = expected.unwrap_or_default();
            *counts.entry(plugin).or_default() += 1;
        }
    }
    differences
}

#[test]
fn the_volume_plugins_refuse_what_upstream_refuses_and_nothing_else() {
    let Some(folder) = goldens() else {
        // Stated, so that nobody takes the test for run.
        #[expect(clippy::print_stderr, reason = "a test without its data says so")]
        {
            eprintln!("no goldens on this machine: nothing was compared");
        }
        return;
    };
    let entries = fs::read_dir(&folder).expect("the suite's folder can be listed");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut differences = Vec::new();
    let mut counts = BTreeMap::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a case can be read");
        let case: Value = serde_json::from_str(&text).expect("a case is JSON");
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        differences.extend(compare(&name, &case, &mut counts));
    }
    assert_eq!(differences, Vec::<String>::new());
    for plugin in PLUGINS {
        let count = counts.get(plugin).copied().unwrap_or(0);
        assert!(count > 10, "only {count} verdicts of {plugin} in the goldens");
    }
}
