//! Volumes whose labels say where they lie.
//!
//! Source: `volume_zone.go` and its tests.

use super::*;

const ZONE: &str = "topology.kubernetes.io/zone";
const REGION: &str = "topology.kubernetes.io/region";
const BETA_ZONE: &str = "failure-domain.beta.kubernetes.io/zone";
const BETA_REGION: &str = "failure-domain.beta.kubernetes.io/region";

fn verdict(storage: &Storage, uses: &VolumeUse, labels: &[(&str, &str)]) -> String {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let labels: Labels = labels.collect();
    let view = NodeView { name: "n", labels: &labels, hostname: None };
    match volume_zone::pre_filter(storage, uses) {
        Err(refusal) => line(&refusal),
        Ok(None) => "nothing to say".to_owned(),
        Ok(Some(zoned)) => match volume_zone::filter(storage, &zoned, &view) {
            Ok(()) => "fits".to_owned(),
            Err(refusal) => line(&refusal),
        },
    }
}

#[test]
fn a_volume_is_had_in_its_zones_and_on_nodes_that_say_nothing() {
    const REFUSED: &str = "node(s) had no available volume zone";
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let table: [(Pairs<'_>, Pairs<'_>, &str); 14] = [
        (&[(ZONE, "a")], &[(ZONE, "a")], "fits"),
        (&[(ZONE, "a")], &[(ZONE, "b")], REFUSED),
        (&[(ZONE, "a")], &[], "fits"),
        (&[(ZONE, "a")], &[("disk", "ssd")], "fits"),
        (&[(ZONE, "a")], &[(REGION, "r")], REFUSED),
        (&[(ZONE, "a__b")], &[(ZONE, "b")], "fits"),
        (&[(ZONE, "a__ b ")], &[(ZONE, "b")], "fits"),
        (&[(ZONE, "a__b")], &[(ZONE, "a__b")], REFUSED),
        (&[(ZONE, "a__")], &[(ZONE, "b")], "nothing to say"),
        (&[(ZONE, "a"), (REGION, "r")], &[(ZONE, "a"), (REGION, "s")], REFUSED),
        (&[(BETA_ZONE, "a")], &[(ZONE, "a")], "fits"),
        (&[(BETA_REGION, "r")], &[(BETA_REGION, "r"), (REGION, "s")], "fits"),
        (&[(ZONE, "a")], &[(BETA_ZONE, "a")], REFUSED),
        (&[("disk", "ssd")], &[(ZONE, "a")], "nothing to say"),
    ];
    for (volume_labels, node_labels, expected) in table {
        let labels: Labels =
            volume_labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let objects =
            [volume("v", &json!({"metadata": {"labels": labels}})), claim("c", &bound_to("v"))];
        let mut storage = storage(&objects);
        let uses = pod(&mut storage, &[json!("c")]);
        let found = verdict(&storage, &uses, node_labels);
        assert_eq!(found, expected, "{volume_labels:?} {node_labels:?}");
    }
}

#[test]
fn a_claim_must_lead_to_a_volume_or_wait_for_its_pod() {
    let of_class = |class: &str| json!({"spec": {"storageClassName": class}});
    let mut storage = storage(&[
        class("late", &json!({})),
        class("early", &json!({"volumeBindingMode": "Immediate"})),
        claim("waits", &json!({})),
        claim("unbound", &of_class("early")),
        claim("classless", &of_class("")),
        claim("lost-class", &of_class("gone")),
        claim("lost-volume", &bound_to("gone")),
    ]);
    for (name, expected) in [
        ("missing", r#"persistentvolumeclaim "missing" not found"#),
        ("waits", "nothing to say"),
        ("unbound", "PersistentVolume had no name"),
        ("classless", "PersistentVolumeClaim had no pv name and storageClass name"),
        ("lost-class", r#"storageclass.storage.k8s.io "gone" not found"#),
        ("lost-volume", r#"persistentvolume "gone" not found"#),
    ] {
        let uses = pod(&mut storage, &[json!(name)]);
        assert_eq!(verdict(&storage, &uses, &[]), expected, "{name}");
    }
    let ephemeral = pod(&mut storage, &[ephemeral()]);
    assert_eq!(verdict(&storage, &ephemeral, &[]), "nothing to say");
}
