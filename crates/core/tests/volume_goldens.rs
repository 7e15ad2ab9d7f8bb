//! The volume plugins say what kube-scheduler says, wherever its verdict is theirs.

#![expect(clippy::disallowed_methods, reason = "this test reads the goldens from their folder")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use plimsoll_core::objects::{Origin, Snapshot};
use plimsoll_core::scheduling::Refusal;
use plimsoll_core::scheduling::profile::Plugin;
use plimsoll_core::storage::{NodeView, Storage, VolumePlan, VolumeUse};
use plimsoll_core::{NodeObject, PodObject, PodPhase};
use serde_json::Value;

/// The plugins in question, in calling order.
const PLUGINS: [Plugin; 4] = [
    Plugin::VolumeRestrictions,
    Plugin::NodeVolumeLimits,
    Plugin::VolumeBinding,
    Plugin::VolumeZone,
];
/// The filters after them: where one of these refuses, all of ours have let the pod pass.
/// (DynamicResources may also gate a pod that nobody looks at; no such golden has volumes.)
const LATER_PLUGINS: [&str; 4] =
    ["PodTopologySpread", "InterPodAffinity", "DynamicResources", "NodeDeclaredFeatures"];

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

/// A plugin and its reasons.
type Refused = (String, String);

fn named(refusal: &Refusal) -> Refused {
    (refusal.plugin().to_owned(), refusal.to_string())
}

/// The first of the filters that refuses.
fn filter(
    storage: &Storage,
    uses: &VolumeUse,
    plan: &VolumePlan,
    node: &NodeObject,
) -> Result<(), Refused> {
    let view = NodeView { name: &node.name, labels: &node.spec.labels, hostname: None };
    let refusal = PLUGINS.into_iter().find_map(|one| storage.refusal(uses, plan, one, &view));
    refusal.map_or(Ok(()), |refusal| Err(named(&refusal)))
}

/// The verdict on a node: with the pods that are nominated to it and matter to this one, and then
/// without them.
fn verdict(
    storage: &mut Storage,
    snapshot: &Snapshot,
    pod: &PodObject,
    node: &NodeObject,
) -> Result<(), Refused> {
    let resolve = |storage: &mut Storage, pod: &PodObject| {
        storage.resolve(&pod.spec.namespace, &pod.spec.volumes)
    };
    let Some(uses) = resolve(storage, pod) else { return Ok(()) };
    let plan = storage.plan(&uses, &PLUGINS);
    let mut plan = plan.map_err(|refusal| named(&refusal))?;
    let nominated = snapshot.pods.iter().filter(|other| {
        other.nominated_node_name.as_ref() == Some(&node.name)
            && other.node_name.is_none()
            && other.spec.priority >= pod.spec.priority
            && (&other.spec.namespace, &other.name) != (&pod.spec.namespace, &pod.name)
    });
    let nominated: Vec<VolumeUse> = nominated.filter_map(|other| resolve(storage, other)).collect();
    for other in &nominated {
        storage.account(other, &node.name, true);
        if let Some(restrictions) = &mut plan.restrictions {
            restrictions.pod_came(storage, other);
        }
    }
    let with_them = filter(storage, &uses, &plan, node);
    for other in &nominated {
        storage.account(other, &node.name, false);
        if let Some(restrictions) = &mut plan.restrictions {
            restrictions.pod_left(storage, other);
        }
    }
    with_them.and_then(|()| filter(storage, &uses, &plan, node))
}

/// What a golden says about one node, as far as it binds these plugins: `None` where an earlier
/// plugin has refused, so that ours were not asked.
fn expected(verdict: &Value) -> Option<Result<(), Refused>> {
    if verdict["fits"] == Value::Bool(true) {
        return Some(Ok(()));
    }
    let plugin = verdict["plugin"].as_str().expect("a refusal names its plugin");
    let reason = verdict["reason"].as_str().expect("a refusal has a reason");
    if PLUGINS.iter().any(|one| one.name() == plugin) {
        return Some(Err((plugin.to_owned(), reason.to_owned())));
    }
    LATER_PLUGINS.contains(&plugin).then_some(Ok(()))
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
        for node in &snapshot.nodes {
            let Some(expected) = pod["nodes"].get(&node.name).and_then(expected) else { continue };
            let found = verdict(&mut storage, &snapshot, object, node);
            if found != expected {
                let line = format!("{name} {full_name} {}: {found:?}, not {expected:?}", node.name);
                differences.push(line);
            }
            let plugin = expected.err().map_or_else(String::new, |(plugin, _)| plugin);
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
        let count = counts.get(plugin.name()).copied().unwrap_or(0);
        assert!(count > 10, "only {count} verdicts of {plugin} in the goldens");
    }
}
