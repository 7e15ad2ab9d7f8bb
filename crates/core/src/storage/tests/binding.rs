//! Which volumes claims get, and where bound ones hold their pods.
//!
//! Source: `volume_binding.go`, `binder.go`, `pv_helpers.go` and their tests.

use super::*;

const NO_VOLUME: &str = "node(s) didn't find available persistent volumes to bind";

#[test]
fn a_pod_with_a_wrong_claim_is_refused_everywhere() {
    let of_class = |class: &str| json!({"spec": {"storageClassName": class}});
    let going = json!({"metadata": {"deletionTimestamp": "2026-01-05T06:00:00Z"}});
    let mut storage = storage(&[
        class("late", &json!({})),
        class("early", &json!({"volumeBindingMode": "Immediate"})),
        claim("lost", &json!({"spec": {"volumeName": "v"}, "status": {"phase": "Lost"}})),
        claim("going", &going),
        claim("early", &of_class("early")),
        claim("classless", &of_class("")),
        claim("lost-class", &of_class("gone")),
        claim("prebound", &json!({"spec": {"volumeName": "v"}})),
        claim("p-v0", &json!({})),
    ]);
    let unbound = "pod has unbound immediate PersistentVolumeClaims";
    for (volumes, expected) in [
        (json!(["missing"]), r#"persistentvolumeclaim "missing" not found"#),
        (
            json!(["lost"]),
            r#"persistentvolumeclaim "lost" bound to non-existent persistentvolume "v""#,
        ),
        (json!(["going"]), r#"persistentvolumeclaim "going" is being deleted"#),
        (json!(["early"]), unbound),
        (json!(["classless"]), unbound),
        (json!(["lost-class"]), unbound),
        (json!(["prebound"]), unbound),
        // What is wrong with any claim goes before what is not bound.
        (json!(["early", "going"]), r#"persistentvolumeclaim "going" is being deleted"#),
        (json!([ephemeral()]), "PVC shop/p-v0 was not created for pod shop/p (pod is not owner)"),
        (
            json!([{"emptyDir": {}}, ephemeral()]),
            "waiting for ephemeral volume controller to create the persistentvolumeclaim \"p-v1\"",
        ),
    ] {
        let uses = pod(&mut storage, volumes.as_array().expect("a list"));
        assert_eq!(bindings(&storage, &uses), [expected], "{volumes}");
    }
}

#[test]
fn a_bound_volume_holds_its_pod_to_the_nodes_that_reach_it() {
    let mut storage = storage(&[
        volume("v", &only_zones(&["a"])),
        volume("w", &only_zones(&["a", "b"])),
        volume("everywhere", &json!({})),
        claim("c", &bound_to("v")),
        claim("d", &bound_to("w")),
        claim("e", &bound_to("everywhere")),
    ]);
    let refused = "node(s) didn't match PersistentVolume's node affinity";
    for (claims, expected) in [
        (json!(["c"]), ["a1:".to_owned(), format!("b1: {refused}"), format!("bare: {refused}")]),
        (json!(["d"]), ["a1:".to_owned(), "b1:".to_owned(), format!("bare: {refused}")]),
        (
            json!(["e", "d", "c"]),
            ["a1:".to_owned(), format!("b1: {refused}"), format!("bare: {refused}")],
        ),
        (json!(["e"]), ["a1:".to_owned(), "b1:".to_owned(), "bare:".to_owned()]),
    ] {
        let uses = pod(&mut storage, claims.as_array().expect("a list"));
        assert_eq!(bindings(&storage, &uses), expected, "{claims}");
    }
}

/// `CheckNodeAffinity` hands the matcher a node that has labels and no name.
#[test]
fn to_a_volume_nodes_have_no_name() {
    let fields = |operator: &str| {
        let field = json!({"key": "metadata.name", "operator": operator, "values": ["a1"]});
        json!({"spec": {"nodeAffinity": {"required": {
            "nodeSelectorTerms": [{"matchFields": [field]}]}}}})
    };
    let mut storage = storage(&[
        volume("in", &fields("In")),
        volume("not-in", &fields("NotIn")),
        claim("c", &bound_to("in")),
        claim("d", &bound_to("not-in")),
    ]);
    let refused = "a1: node(s) didn't match PersistentVolume's node affinity";
    for (name, expected) in [("c", refused), ("d", "a1:")] {
        let uses = pod(&mut storage, &[json!(name)]);
        assert_eq!(bindings(&storage, &uses)[0], expected, "{name}");
    }
}

#[test]
fn a_volume_that_is_gone_is_noticed_for_ephemeral_claims_too() {
    let owner = json!({"metadata": {"ownerReferences": [
        {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "uid-p", "controller": true}]}});
    let mut storage = storage(&[claim("p-v0", &merged(bound_to("gone"), &owner))]);
    let uses = pod(&mut storage, &[ephemeral()]);
    assert_eq!(
        bindings(&storage, &uses)[0],
        "a1: node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
    );
}

#[test]
fn a_claim_gets_the_smallest_volume_that_will_do() {
    let size = |size: &str| json!({"spec": {"capacity": {"storage": size}}});
    let with = |more: Value| merged(size("5Gi"), &more);
    let mut storage = storage(&[
        class_by_hand("late"),
        volume("large", &size("20Gi")),
        volume("medium", &size("10Gi")),
        volume("small", &size("4Gi")),
        volume("other-class", &with(json!({"spec": {"storageClassName": "other"}}))),
        volume("device", &with(json!({"spec": {"volumeMode": "Block"}}))),
        volume("read-only", &with(json!({"spec": {"accessModes": ["ReadOnlyMany"]}}))),
        volume("fast", &with(json!({"spec": {"volumeAttributesClassName": "fast"}}))),
        volume("released", &with(json!({"status": {"phase": "Released"}}))),
        volume("pending", &with(json!({"status": {"phase": "Pending"}}))),
        volume("going", &with(json!({"metadata": {"deletionTimestamp": "2026-01-05T06:00:00Z"}}))),
        volume("kept", &with(json!({"spec": {"claimRef": {"name": "x", "namespace": "shop"}}}))),
        claim("c", &json!({})),
    ]);
    let uses = pod(&mut storage, &[json!("c")]);
    assert_eq!(bindings(&storage, &uses), ["a1: c=medium", "b1: c=medium", "bare: c=medium"]);
}

#[test]
fn a_claims_selector_is_heeded() {
    let ssd = json!({"metadata": {"labels": {"disk": "ssd"}}});
    let selector = json!({"spec": {"selector": {"matchLabels": {"disk": "ssd"}}}});
    let mut storage = storage(&[
        class_by_hand("late"),
        volume("plain", &json!({"spec": {"capacity": {"storage": "5Gi"}}})),
        volume("ssd", &merged(only_zones(&["b"]), &ssd)),
        claim("c", &selector),
    ]);
    let uses = pod(&mut storage, &[json!("c")]);
    let refused = |node: &str| format!("{node}: {NO_VOLUME}");
    assert_eq!(bindings(&storage, &uses), [refused("a1"), "b1: c=ssd".into(), refused("bare")]);
}

#[test]
fn a_volume_that_is_kept_for_a_claim_is_taken_or_rules_the_node_out() {
    let kept = |uid: &str| {
        let reference = json!({"name": "c", "namespace": "shop", "uid": uid});
        merged(
            only_zones(&["a"]),
            &json!({"spec": {"claimRef": reference, "capacity": {"storage": "50Gi"}}}),
        )
    };
    for (uid, expected) in [
        ("", ["a1: c=kept".to_owned(), "b1: c=new".to_owned()]),
        ("uid-c", ["a1: c=kept".to_owned(), "b1: c=new".to_owned()]),
        ("another", ["a1: c=free".to_owned(), "b1: c=free".to_owned()]),
    ] {
        let mut storage = storage(&[
            class("late", &json!({})),
            volume("free", &json!({})),
            volume("kept", &kept(uid)),
            claim("c", &json!({})),
        ]);
        let uses = pod(&mut storage, &[json!("c")]);
        assert_eq!(bindings(&storage, &uses)[..2], expected, "uid {uid:?}");
    }
}

#[test]
fn the_smallest_claim_chooses_first() {
    let size = |size: &str| json!({"spec": {"capacity": {"storage": size}}});
    let request = |size: &str| json!({"spec": {"resources": {"requests": {"storage": size}}}});
    let mut storage = storage(&[
        class_by_hand("late"),
        volume("five", &size("5Gi")),
        volume("ten", &size("10Gi")),
        claim("big", &request("8Gi")),
        claim("little", &request("1Gi")),
    ]);
    let uses = pod(&mut storage, &[json!("big"), json!("little")]);
    assert_eq!(bindings(&storage, &uses)[0], "a1: little=five big=ten");
    let uses = pod(&mut storage, &[json!("big"), json!("little"), json!("big")]);
    assert_eq!(bindings(&storage, &uses)[0], format!("a1: {NO_VOLUME}"));
}

#[test]
fn volumes_are_made_where_the_class_allows_it() {
    let key = "topology.kubernetes.io/zone";
    let term = |values: &[&str]| json!({"matchLabelExpressions": [{"key": key, "values": values}]});
    let hostname = json!({"matchLabelExpressions": [
        {"key": key, "values": ["a", "b"]}, {"key": "kubernetes.io/hostname", "values": ["b1"]}]});
    let (yes, no) = ("c=new".to_owned(), NO_VOLUME.to_owned());
    for (terms, [on_a, on_b, on_bare]) in [
        (json!([]), [&yes, &yes, &yes]),
        (json!([term(&["a"])]), [&yes, &no, &no]),
        (json!([term(&["x"]), term(&["b"])]), [&no, &yes, &no]),
        (json!([hostname]), [&no, &yes, &no]),
        (json!([{}]), [&no, &no, &no]),
    ] {
        let mut storage =
            storage(&[class("late", &json!({"allowedTopologies": terms})), claim("c", &json!({}))]);
        let uses = pod(&mut storage, &[json!("c")]);
        let expected = [format!("a1: {on_a}"), format!("b1: {on_b}"), format!("bare: {on_bare}")];
        assert_eq!(bindings(&storage, &uses), expected, "{terms}");
    }
}

#[test]
fn a_claim_whose_node_was_chosen_keeps_it() {
    let selected =
        json!({"metadata": {"annotations": {"volume.kubernetes.io/selected-node": "b1"}}});
    let mut storage = storage(&[
        class("late", &json!({})),
        volume("v", &json!({})),
        claim("c", &selected),
        claim("d", &json!({})),
    ]);
    let uses = pod(&mut storage, &[json!("c"), json!("d")]);
    let refused = |node: &str| format!("{node}: {NO_VOLUME}");
    // The provisioner is at work for it, so it takes no volume that is there.
    assert_eq!(bindings(&storage, &uses), [refused("a1"), "b1: d=v c=new".into(), refused("bare")]);
}

fn capacity(name: &str, more: &Value) -> Value {
    let base = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSIStorageCapacity",
        "metadata": {"name": name, "namespace": "kube-system"}, "storageClassName": "late",
        "nodeTopology": {"matchLabels": {"topology.kubernetes.io/zone": "a"}}, "capacity": "100Gi",
    });
    merged(base, more)
}

#[test]
fn where_a_driver_reports_room_there_must_be_enough() {
    let driver = |tracks: bool| {
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver",
               "metadata": {"name": "csi.x"}, "spec": {"storageCapacity": tracks}})
    };
    let full = "node(s) did not have enough free storage".to_owned();
    let made = "c=new".to_owned();
    for (tracks, pools, [on_a, on_b, on_bare]) in [
        (false, vec![], [&made, &made, &made]),
        (true, vec![], [&full, &full, &full]),
        (true, vec![capacity("x", &json!({}))], [&made, &full, &full]),
        (true, vec![capacity("x", &json!({"capacity": "4Gi"}))], [&full, &full, &full]),
        // The size of the largest volume says more than the sum.
        (true, vec![capacity("x", &json!({"maximumVolumeSize": "4Gi"}))], [&full, &full, &full]),
        (true, vec![capacity("x", &json!({"capacity": null}))], [&full, &full, &full]),
        (true, vec![capacity("x", &json!({"nodeTopology": null}))], [&full, &full, &full]),
        (
            true,
            vec![capacity("x", &json!({"nodeTopology": {"matchLabels": null}}))],
            [&made, &made, &made],
        ),
        (true, vec![capacity("x", &json!({"storageClassName": "other"}))], [&full, &full, &full]),
        (
            true,
            vec![
                capacity("x", &json!({"capacity": "1Gi"})),
                capacity("y", &json!({"capacity": "5Gi"})),
            ],
            [&made, &full, &full],
        ),
    ] {
        let mut objects = vec![class("late", &json!({})), driver(tracks), claim("c", &json!({}))];
        objects.extend(pools.clone());
        let mut storage = storage(&objects);
        let uses = pod(&mut storage, &[json!("c")]);
        let expected = [format!("a1: {on_a}"), format!("b1: {on_b}"), format!("bare: {on_bare}")];
        assert_eq!(bindings(&storage, &uses), expected, "{tracks} {pools:?}");
    }
}

/// `FindPodVolumes` collects its reasons in this order.
#[test]
fn bound_and_unbound_claims_each_give_a_reason() {
    let mut storage = storage(&[
        class_by_hand("late"),
        volume("v", &only_zones(&["a"])),
        claim("c", &bound_to("v")),
        claim("d", &json!({})),
    ]);
    let uses = pod(&mut storage, &[json!("d"), json!("c")]);
    assert_eq!(
        bindings(&storage, &uses)[1],
        format!("b1: node(s) didn't match PersistentVolume's node affinity, {NO_VOLUME}")
    );
}

/// `tryTranslatePVToCSI`: only where the kubelet hands the plugin's volumes to the driver.
#[test]
fn the_zones_of_an_old_disk_are_the_drivers_on_migrated_nodes() {
    let disk = json!({"spec": {
        "csi": null, "awsElasticBlockStore": {"volumeID": "vol-1"}}});
    let migrated = |name: &str, id: &str| {
        let annotation = "storage.alpha.kubernetes.io/migrated-plugins";
        let plugins = json!({"metadata": {"name": name, "annotations": {annotation: id}}});
        merged(csi_node(name, &[]), &plugins)
    };
    let mut storage = storage(&[
        volume("v", &merged(only_zones(&["a"]), &disk)),
        claim("c", &bound_to("v")),
        migrated("a1", "kubernetes.io/aws-ebs"),
        migrated("b1", "kubernetes.io/cinder"),
    ]);
    let uses = pod(&mut storage, &[json!("c")]);
    let prepared = volume_binding::pre_filter(&storage, &uses).expect("the claim is bound");
    let claims = prepared.expect("the pod has a claim");
    let reaches = |node: &str, key: &str, zone: &str| {
        let labels = Labels::from([(key.to_owned(), zone.to_owned())]);
        let view = NodeView { name: node, labels: &labels, hostname: None };
        volume_binding::filter(&storage, &uses, &claims, &view).is_ok()
    };
    assert!(reaches("a1", "topology.ebs.csi.aws.com/zone", "a"));
    assert!(!reaches("a1", "topology.kubernetes.io/zone", "a"));
    assert!(reaches("b1", "topology.kubernetes.io/zone", "a"));
    assert!(!reaches("b1", "topology.ebs.csi.aws.com/zone", "a"));
}

#[test]
fn a_pod_that_is_yet_to_be_made_is_judged_by_the_claims_it_will_get() {
    let mut storage = storage(&[class("late", &json!({})), volume("v", &only_zones(&["a"]))]);
    let template = |storage: &mut Storage, class: &str| {
        let spec = ClaimSpec {
            class: class.into(),
            access_modes: AccessModes::READ_WRITE_ONCE,
            ..ClaimSpec::default()
        };
        let volume = PodVolume::Ephemeral { volume: "v".into(), template: Box::new(spec) };
        let volumes = PodVolumes { volumes: vec![volume], owner: None };
        storage.resolve("shop", &volumes).expect("the pod has volumes")
    };
    let uses = template(&mut storage, "late");
    assert_eq!(
        bindings(&storage, &uses),
        ["a1: template 0=v", "b1: template 0=new", "bare: template 0=new"]
    );
    let uses = template(&mut storage, "gone");
    assert_eq!(bindings(&storage, &uses), ["pod has unbound immediate PersistentVolumeClaims"]);
}
