//! How many volumes a node takes, and that they are counted right as everything changes.
//!
//! Source: `nodevolumelimits/csi.go` and its tests.

use proptest::prelude::*;

use super::*;

const FULL: &str = "node(s) exceed max volume count (resolvable)";

fn verdict(storage: &Storage, uses: &VolumeUse, node: &str) -> String {
    if !node_volume_limits::applies(storage, uses) {
        return "nothing to say".to_owned();
    }
    match node_volume_limits::filter(storage, uses, node) {
        Ok(()) => "fits".to_owned(),
        Err(refusal) => line(&refusal),
    }
}

/// The pair of a volume of a driver and a claim `c-<name>` bound to it.
fn bound_pair(name: &str, driver: &str, handle: &str) -> [Value; 2] {
    let source = json!({"spec": {"csi": {"driver": driver, "volumeHandle": handle}}});
    [volume(name, &source), claim(&format!("c-{name}"), &bound_to(name))]
}

fn attachment(name: &str, node: &str, volume: &str) -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": name},
        "spec": {"attacher": "csi.x", "nodeName": node, "source": {"persistentVolumeName": volume}},
    })
}

/// Nodes `a1` with room for two volumes of `csi.x`, where a pod has `h1`, and the volumes.
fn fixture() -> Storage {
    let mut objects = vec![
        csi_node("a1", &[("csi.x", 2)]),
        class("late", &json!({})),
        class("old", &json!({"provisioner": "kubernetes.io/aws-ebs"})),
        class("files", &json!({"provisioner": "kubernetes.io/azure-file"})),
        claim("waits", &json!({})),
        claim("waits-too", &json!({})),
        claim("lost", &bound_to("gone")),
    ];
    for (name, driver, handle) in [
        ("one", "csi.x", "h1"),
        ("again", "csi.x", "h1"),
        ("two", "csi.x", "h2"),
        ("three", "csi.x", "h3"),
        ("other", "csi.y", "h4"),
    ] {
        objects.extend(bound_pair(name, driver, handle));
    }
    let mut storage = storage(&objects);
    let running = pod(&mut storage, &[json!("c-one")]);
    storage.account(&running, "a1", true);
    storage
}

#[test]
fn volumes_that_the_node_has_are_had_for_nothing() {
    let mut storage = fixture();
    for (volumes, expected) in [
        (json!(["c-one"]), "fits"),
        (json!(["c-again"]), "fits"),
        (json!(["c-two"]), "fits"),
        (json!(["c-one", "c-again", "c-two"]), "fits"),
        (json!(["c-two", "c-three"]), FULL),
        (json!(["c-two", "c-two"]), "fits"),
        (json!(["c-two", "c-other"]), "fits"),
        // A volume that is yet to be made counts by its class.
        (json!(["waits"]), "fits"),
        (json!(["waits", "c-two"]), FULL),
        (json!(["waits", "waits-too"]), FULL),
        (json!(["lost", "c-two"]), FULL),
        (
            json!(["missing"]),
            "looking up PVC shop/missing: persistentvolumeclaim \"missing\" not found",
        ),
        (json!([{"iscsi": {"targetPortal": "p", "iqn": "iqn.1"}}]), "nothing to say"),
    ] {
        let uses = pod(&mut storage, volumes.as_array().expect("a list"));
        assert_eq!(verdict(&storage, &uses, "a1"), expected, "{volumes}");
        // A node without a CSINode has no limits.
        let elsewhere = if expected == FULL { "fits" } else { expected };
        assert_eq!(verdict(&storage, &uses, "b1"), elsewhere, "{volumes}");
    }
}

#[test]
fn room_is_free_again_when_a_pod_leaves() {
    let mut storage = fixture();
    let [one, two, three] =
        ["c-one", "c-two", "c-three"].map(|name| pod(&mut storage, &[json!(name)]));
    storage.account(&two, "a1", true);
    assert_eq!(verdict(&storage, &three, "a1"), FULL);
    // Another pod still has the first volume.
    storage.account(&one, "a1", true);
    storage.account(&one, "a1", false);
    assert_eq!(verdict(&storage, &three, "a1"), FULL);
    storage.account(&one, "a1", false);
    assert_eq!(verdict(&storage, &three, "a1"), "fits");
}

#[test]
fn attachments_count_beside_the_pods() {
    let mut storage = fixture();
    let [two, three] = ["c-two", "c-three"].map(|name| pod(&mut storage, &[json!(name)]));
    // The volume of a pod is not counted twice.
    let _ = put(&mut storage, &attachment("x", "a1", "one"));
    assert_eq!(verdict(&storage, &two, "a1"), "fits");
    let added = put(&mut storage, &attachment("y", "a1", "two"));
    assert_eq!(verdict(&storage, &three, "a1"), FULL);
    // Upstream counts a volume that only an attachment has a second time for the pod that wants it.
    assert_eq!(verdict(&storage, &two, "a1"), FULL);
    storage.undo(added);
    assert_eq!(verdict(&storage, &three, "a1"), "fits");
    // Those of volumes that are gone, and of other nodes, count for nothing.
    let _ = put(&mut storage, &attachment("z", "a1", "gone"));
    let _ = put(&mut storage, &attachment("w", "b1", "two"));
    assert_eq!(verdict(&storage, &three, "a1"), "fits");
}

#[test]
fn disks_of_old_plugins_count_for_the_drivers_that_took_over() {
    let limits = [("pd.csi.storage.gke.io", 1), ("ebs.csi.aws.com", 1), ("disk.csi.azure.com", 0)];
    let gce = |name: &str| json!({"gcePersistentDisk": {"pdName": name}});
    let ebs = |id: &str| json!({"awsElasticBlockStore": {"volumeID": id}});
    let azure = |kind: &str| json!({"azureDisk": {"diskName": "d", "diskURI": "/d", "kind": kind}});
    let source = json!({"spec": {"csi": null, "awsElasticBlockStore": {"volumeID": "vol-1"}}});
    let of_class = |class: &str| json!({"spec": {"storageClassName": class}});
    let mut storage = storage(&[
        csi_node("a1", &limits),
        class("old", &json!({"provisioner": "kubernetes.io/aws-ebs"})),
        class("files", &json!({"provisioner": "kubernetes.io/azure-file"})),
        volume("v", &source),
        claim("c", &bound_to("v")),
        claim("waits", &of_class("old")),
        claim("file", &of_class("files")),
    ]);
    let running = pod(&mut storage, &[gce("d"), ebs("aws://zone/vol-1")]);
    storage.account(&running, "a1", true);
    for (volumes, expected) in [
        (json!([gce("d")]), "fits"),
        (json!([gce("e")]), FULL),
        (json!([ebs("vol-1")]), "fits"),
        (json!([ebs("vol-2")]), FULL),
        (json!(["c"]), "fits"),
        (json!(["waits"]), FULL),
        (json!(["file"]), "fits"),
        (json!([azure("Managed")]), FULL),
        (json!([azure("Shared")]), "nothing to say"),
    ] {
        let uses = pod(&mut storage, volumes.as_array().expect("a list"));
        assert_eq!(verdict(&storage, &uses, "a1"), expected, "{volumes}");
    }
    // Without a CSINode, nobody has taken over.
    let gone = storage.remove("CSINode", "", "a1").expect("it was there");
    let uses = pod(&mut storage, &[gce("e")]);
    assert_eq!(verdict(&storage, &uses, "a1"), "fits");
    storage.undo(gone);
    assert_eq!(verdict(&storage, &uses, "a1"), FULL);
}

#[test]
fn each_pod_that_is_yet_to_be_made_brings_its_own_volumes() {
    let mut storage = fixture();
    let spec = ClaimSpec { class: "late".into(), ..ClaimSpec::default() };
    let scratch = PodVolume::Ephemeral { volume: "scratch".into(), template: Box::new(spec) };
    let volumes = PodVolumes { volumes: vec![scratch], owner: None };
    let uses = storage.resolve("shop", &volumes).expect("the pod has volumes");
    assert_eq!(verdict(&storage, &uses, "a1"), "fits");
    storage.account(&uses, "a1", true);
    assert_eq!(verdict(&storage, &uses, "a1"), FULL);
    storage.account(&uses, "a1", false);
    assert_eq!(verdict(&storage, &uses, "a1"), "fits");
}

/// One thing that may happen to a cluster.
#[derive(Clone, Debug)]
enum Step {
    /// This object is put in.
    Put(usize),
    /// The object of this position goes, if it is there.
    Remove(usize),
    /// A pod with these volumes comes to a node.
    Come(usize, usize),
    /// The pod that came at this position leaves, if it is still there.
    Leave(usize),
}

/// Objects that replace each other: the same names with other contents.
fn objects() -> Vec<Value> {
    let migrating = json!({"provisioner": "kubernetes.io/gce-pd"});
    let disk = json!({"spec": {"csi": null, "gcePersistentDisk": {"pdName": "d"}}});
    let of_gce = json!({"spec": {"storageClassName": "gce"}});
    vec![
        csi_node("a1", &[("csi.x", 1)]),
        csi_node("b1", &[("csi.x", 3), ("pd.csi.storage.gke.io", 1)]),
        class("late", &json!({})),
        class("late", &migrating),
        class("gce", &migrating),
        volume("v", &json!({})),
        volume("v", &json!({"spec": {"csi": {"volumeHandle": "w"}}})),
        volume("v", &disk),
        volume("w", &json!({})),
        claim("c", &json!({})),
        claim("c", &bound_to("v")),
        claim("c", &bound_to("w")),
        claim("d", &bound_to("v")),
        claim("d", &of_gce),
        attachment("x", "a1", "v"),
        attachment("x", "b1", "w"),
        attachment("y", "a1", "w"),
    ]
}

fn key_of(object: &Value) -> (String, String, String) {
    let text = |pointer: &str| {
        object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    (text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
}

/// The counts on every node, by names.
fn counts(storage: &Storage) -> Vec<String> {
    let mut lines: Vec<String> = storage
        .nodes
        .iter()
        .flat_map(|(_, node, slot)| {
            slot.attached_by_driver.iter().map(move |(driver, count)| {
                format!("{node} {} {count}", storage.drivers.name(driver.0))
            })
        })
        .collect();
    lines.sort();
    lines
}

fn step() -> impl Strategy<Value = Step> {
    let object = 0..objects().len();
    prop_oneof![
        4 => object.clone().prop_map(Step::Put),
        2 => object.prop_map(Step::Remove),
        3 => (0..POD_VOLUMES.len(), 0..2_usize).prop_map(|(pod, node)| Step::Come(pod, node)),
        1 => (0..6_usize).prop_map(Step::Leave),
    ]
}

/// The claims of the pods that come and go; `gce` is a disk.
const POD_VOLUMES: [&[&str]; 4] = [&["c"], &["d"], &["c", "d", "gce"], &["gce"]];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Counting as things change gives what counting afresh gives, and undoing gives what was.
    #[test]
    fn counts_follow_every_change(steps in prop::collection::vec(step(), 1..25)) {
        let documents = objects();
        let mut storage = Storage::default();
        let mut current: BTreeMap<(String, String, String), usize> = BTreeMap::new();
        let mut pods: Vec<Option<(VolumeUse, &str)>> = Vec::new();
        let disk = json!({"gcePersistentDisk": {"pdName": "d"}});
        for step in steps {
            let before = digest(&storage);
            match step {
                Step::Put(index) => {
                    let undo = put(&mut storage, &documents[index]);
                    storage.undo(undo);
                    prop_assert_eq!(digest(&storage), before);
                    let _ = put(&mut storage, &documents[index]);
                    current.insert(key_of(&documents[index]), index);
                }
                Step::Remove(index) => {
                    let key = key_of(&documents[index]);
                    let undo = storage.remove(&key.0, &key.1, &key.2);
                    prop_assert_eq!(undo.is_some(), current.contains_key(&key));
                    if let Some(undo) = undo {
                        storage.undo(undo);
                        prop_assert_eq!(digest(&storage), before);
                        let _ = storage.remove(&key.0, &key.1, &key.2);
                        current.remove(&key);
                    }
                }
                Step::Come(index, node) => {
                    let node = NODES[node].0;
                    let volume =
                        |name: &&str| if *name == "gce" { disk.clone() } else { json!(name) };
                    let volumes: Vec<Value> = POD_VOLUMES[index].iter().map(volume).collect();
                    let uses = pod(&mut storage, &volumes);
                    storage.account(&uses, node, true);
                    pods.push(Some((uses, node)));
                }
                Step::Leave(index) => {
                    if let Some((uses, node)) = pods.get_mut(index).and_then(Option::take) {
                        storage.account(&uses, node, false);
                    }
                }
            }
            // Afresh, in another order: pods first, then the objects. Ids are resolved by one
            // storage for both, so that they mean the same.
            let mut fresh = storage.clone();
            for (kind, namespace, name) in current.keys() {
                let _ = fresh.remove(kind, namespace, name);
            }
            for (uses, node) in pods.iter().flatten() {
                fresh.account(uses, node, false);
            }
            prop_assert_eq!(counts(&fresh), Vec::<String>::new());
            for index in current.values().rev() {
                let _ = put(&mut fresh, &documents[*index]);
            }
            for (uses, node) in pods.iter().flatten() {
                fresh.account(uses, node, true);
            }
            prop_assert_eq!(counts(&fresh), counts(&storage));
        }
    }
}
