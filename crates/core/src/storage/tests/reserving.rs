//! What a decision leaves behind, and that it can be taken back.
//!
//! Source: `AssumePodVolumes` in `binder.go`; the volume controller; the external provisioner.

use super::*;

const NO_VOLUME: &str = "node(s) didn't find available persistent volumes to bind";

/// Places a pod on a node as the scheduler does.
fn place(storage: &mut Storage, uses: &VolumeUse, node: &str) -> Option<StorageUndo> {
    let prepared = volume_binding::pre_filter(storage, uses).expect("the claims are in order");
    let claims = prepared.expect("the pod has claims");
    let found = bind(storage, uses, &claims, node).expect("the pod fits");
    storage.reserve(uses, &found, "p", node)
}

#[test]
fn the_next_pod_finds_the_volume_taken_until_the_decision_is_taken_back() {
    let mut storage = storage(&[
        class_by_hand("late"),
        volume("v", &only_zones(&["a"])),
        claim("c", &json!({})),
        claim("d", &json!({})),
    ]);
    let first = pod(&mut storage, &[json!("c")]);
    let second = pod(&mut storage, &[json!("d")]);
    let before = digest(&storage);
    assert_eq!(bindings(&storage, &second)[0], "a1: d=v");
    let undo = place(&mut storage, &first, "a1").expect("a volume was bound");
    assert_ne!(digest(&storage), before);
    assert_eq!(bindings(&storage, &second)[0], format!("a1: {NO_VOLUME}"));
    let conflict = "node(s) didn't match PersistentVolume's node affinity";
    assert_eq!(
        bindings(&storage, &first),
        ["a1:".to_owned(), format!("b1: {conflict}"), format!("bare: {conflict}")]
    );
    storage.undo(undo);
    assert_eq!(digest(&storage), before);
    assert_eq!(bindings(&storage, &second)[0], "a1: d=v");
}

#[test]
fn a_claim_for_which_a_volume_is_made_stays_where_it_is_made() {
    let mut storage = storage(&[
        class("late", &json!({})),
        csi_node("a1", &[("csi.x", 5)]),
        claim("c", &json!({})),
    ]);
    let uses = pod(&mut storage, &[json!("c")]);
    let before = digest(&storage);
    let selected = place(&mut storage, &uses, "a1").expect("the node was noted");
    let refused = |node: &str, text: &str| format!("{node}: {text}");
    assert_eq!(
        bindings(&storage, &uses),
        ["a1: c=new".to_owned(), refused("b1", NO_VOLUME), refused("bare", NO_VOLUME)]
    );
    // Another pod with the claim on that node changes nothing more.
    assert!(place(&mut storage, &uses, "a1").is_none());

    let claim = storage.find_claim("shop", "c").expect("the claim is known");
    let labels = labels_of("a1");
    let node = NodeView { name: "a1", labels: &labels, hostname: None };
    let made = storage.provision(claim, &node).expect("the claim waits for its volume");
    assert!(storage.provision(claim, &node).is_none());
    let conflict = "node(s) didn't match PersistentVolume's node affinity";
    assert_eq!(
        bindings(&storage, &uses),
        ["a1:".to_owned(), refused("b1", conflict), refused("bare", conflict)]
    );
    let volume = storage.find_volume("pvc-uid-c").and_then(|volume| storage.volume(volume));
    assert_eq!(volume.map(|volume| volume.class.as_str()), Some("late"));

    storage.undo(made);
    assert_eq!(bindings(&storage, &uses)[0], "a1: c=new");
    storage.undo(selected);
    assert_eq!(digest(&storage), before);
}

#[test]
fn a_volume_bound_for_a_pod_without_claims_is_taken_in_the_pods_name() {
    let mut storage = storage(&[class_by_hand("late"), volume("v", &json!({}))]);
    let spec = ClaimSpec {
        class: "late".into(),
        access_modes: AccessModes::READ_WRITE_ONCE,
        ..ClaimSpec::default()
    };
    let scratch = PodVolume::Ephemeral { volume: "scratch".into(), template: Box::new(spec) };
    let volumes = PodVolumes { volumes: vec![scratch], owner: None };
    let uses = storage.resolve("shop", &volumes).expect("the pod has volumes");
    let undo = place(&mut storage, &uses, "a1").expect("a volume was bound");
    let volume = storage.find_volume("v").and_then(|volume| storage.volume(volume));
    let name = volume.and_then(|volume| Some(volume.claim.as_ref()?.name.clone()));
    assert_eq!(name.as_deref(), Some("p-scratch"));
    assert_eq!(bindings(&storage, &uses)[0], format!("a1: {NO_VOLUME}"));
    storage.undo(undo);
    assert_eq!(bindings(&storage, &uses)[0], "a1: template 0=v");
}

#[test]
fn objects_that_go_can_come_back() {
    let objects = [
        class("late", &json!({})),
        volume("v", &only_zones(&["a"])),
        claim("c", &bound_to("v")),
        csi_node("a1", &[("csi.x", 1)]),
    ];
    let mut storage = storage(&objects);
    let uses = pod(&mut storage, &[json!("c")]);
    storage.account(&uses, "a1", true);
    let before = digest(&storage);
    let mut steps = Vec::new();
    for (kind, namespace, name) in [
        ("PersistentVolume", "", "v"),
        ("PersistentVolumeClaim", "shop", "c"),
        ("StorageClass", "", "late"),
        ("CSINode", "", "a1"),
    ] {
        steps.push(storage.remove(kind, namespace, name).expect("the object is there"));
        assert!(storage.remove(kind, namespace, name).is_none(), "{kind}");
    }
    assert!(storage.remove("Secret", "shop", "c").is_none());
    assert_ne!(digest(&storage), before);
    while let Some(step) = steps.pop() {
        storage.undo(step);
    }
    assert_eq!(digest(&storage), before);
}
