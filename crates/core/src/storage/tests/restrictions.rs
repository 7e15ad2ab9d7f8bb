//! Disks and claims that cannot be shared.
//!
//! Source: `volume_restrictions.go` and its tests.

use super::*;

fn verdict(storage: &Storage, uses: &VolumeUse, node: &str) -> String {
    let refused = match volume_restrictions::pre_filter(storage, uses) {
        Err(refusal) => refusal,
        Ok(None) => return "nothing to say".to_owned(),
        Ok(Some(restrictions)) => match volume_restrictions::filter(storage, &restrictions, node) {
            Ok(()) => return "fits".to_owned(),
            Err(refusal) => refusal,
        },
    };
    line(&refused)
}

const TAKEN: &str = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access \
                     mode already in-use by another pod (resolvable)";

fn one_pod_claim(name: &str) -> Value {
    let one_pod = json!({"spec": {"accessModes": ["ReadWriteOncePod"]}});
    claim(name, &merged(bound_to("v"), &one_pod))
}

#[test]
fn a_claim_of_one_pod_is_taken_on_every_node_until_that_pod_is_gone() {
    let mut storage = storage(&[one_pod_claim("c"), claim("shared", &bound_to("v"))]);
    let uses = pod(&mut storage, &[json!("c"), json!("shared")]);
    assert_eq!(verdict(&storage, &uses, "a1"), "nothing to say");
    storage.account(&uses, "b1", true);
    for node in ["a1", "b1"] {
        assert_eq!(verdict(&storage, &uses, node), TAKEN);
    }
    // A claim of other modes is used by as many as like.
    let shares = pod(&mut storage, &[json!("shared")]);
    assert_eq!(verdict(&storage, &shares, "a1"), "nothing to say");
    storage.account(&uses, "b1", false);
    assert_eq!(verdict(&storage, &uses, "a1"), "nothing to say");
}

#[test]
fn taking_the_other_pod_off_for_a_trial_lifts_the_conflict() {
    let mut storage = storage(&[one_pod_claim("c")]);
    let uses = pod(&mut storage, &[json!("c")]);
    storage.account(&uses, "b1", true);
    let prepared = volume_restrictions::pre_filter(&storage, &uses).expect("the claim is there");
    let mut restrictions = prepared.expect("the claim is taken");
    let answer = |restrictions: &volume_restrictions::Restrictions, storage: &Storage| {
        volume_restrictions::filter(storage, restrictions, "a1").is_ok()
    };
    restrictions.pod_left(&storage, &uses);
    assert!(answer(&restrictions, &storage));
    restrictions.pod_came(&storage, &uses);
    assert!(!answer(&restrictions, &storage));
    // Upstream compares the names of claims without their namespaces.
    let namesake = pod_in(&mut storage, "other", &[json!("c")]);
    restrictions.pod_left(&storage, &namesake);
    assert!(answer(&restrictions, &storage));
}

#[test]
fn an_ephemeral_volume_takes_no_claim_from_another_pod() {
    let mut storage = storage(&[one_pod_claim("p-v0")]);
    let ephemeral = pod(&mut storage, &[ephemeral()]);
    storage.account(&ephemeral, "b1", true);
    let by_name = pod(&mut storage, &[json!("p-v0")]);
    assert_eq!(verdict(&storage, &by_name, "a1"), "nothing to say");
}

#[test]
fn a_claim_that_is_not_there_refuses_the_pod() {
    let mut storage = storage(&[]);
    let uses = pod(&mut storage, &[json!("gone")]);
    assert_eq!(verdict(&storage, &uses, "a1"), r#"persistentvolumeclaim "gone" not found"#);
}

#[test]
fn a_disk_conflicts_on_its_node_unless_all_only_read() {
    let gce = |name: &str, read_only: bool| json!({"gcePersistentDisk": {"pdName": name, "readOnly": read_only}});
    let ebs = |id: &str| json!({"awsElasticBlockStore": {"volumeID": id, "readOnly": true}});
    let iscsi = |iqn: &str, read_only: bool| json!({"iscsi": {"targetPortal": "p", "iqn": iqn, "readOnly": read_only}});
    let rbd = |monitors: &[&str], pool: &str, image: &str, read_only: bool| json!({"rbd": {"monitors": monitors, "pool": pool, "image": image, "readOnly": read_only}});
    for (here, wanted, conflicts) in [
        (gce("d", false), gce("d", true), true),
        (gce("d", true), gce("d", false), true),
        (gce("d", true), gce("d", true), false),
        (gce("d", false), gce("e", false), false),
        (ebs("vol-1"), ebs("vol-1"), true),
        (ebs("vol-1"), ebs("vol-2"), false),
        (iscsi("iqn.1", true), iscsi("iqn.1", true), false),
        (iscsi("iqn.1", true), iscsi("iqn.1", false), true),
        (iscsi("iqn.1", false), iscsi("iqn.2", false), false),
        (rbd(&["m1", "m2"], "p", "i", false), rbd(&["m2", "m3"], "p", "i", true), true),
        (rbd(&["m1", "m2"], "p", "i", true), rbd(&["m2"], "p", "i", true), false),
        (rbd(&["m1"], "p", "i", false), rbd(&["m2"], "p", "i", false), false),
        (rbd(&["m1"], "p", "i", false), rbd(&["m1"], "q", "i", false), false),
        (rbd(&["m1"], "p", "i", false), rbd(&["m1"], "p", "j", false), false),
        (gce("d", false), ebs("d"), false),
    ] {
        let mut storage = storage(&[]);
        let running = pod(&mut storage, std::slice::from_ref(&here));
        storage.account(&running, "a1", true);
        let uses = pod(&mut storage, std::slice::from_ref(&wanted));
        let expected =
            if conflicts { "node(s) had no available disk (resolvable)" } else { "fits" };
        assert_eq!(verdict(&storage, &uses, "a1"), expected, "{here} {wanted}");
        assert_eq!(verdict(&storage, &uses, "b1"), "fits", "{here} {wanted}");
        storage.account(&running, "a1", false);
        assert_eq!(verdict(&storage, &uses, "a1"), "fits", "{here} {wanted}");
    }
}
