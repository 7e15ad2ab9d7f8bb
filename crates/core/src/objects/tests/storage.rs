//! Volumes, claims and CSI drivers, and the volumes of pods.

use super::*;
use crate::labels::{Operator, Requirement};
use crate::quantity::Quantity;
use crate::storage::{
    AccessModes, ClaimObject, ClaimPhase, CsiNodeDriver, InTreeDisk, PersistentVolumeObject,
    PodIdentity, PodVolume, StorageObject, VolumeMode, VolumePhase, VolumeSource,
};

fn stored(document: &Value) -> StorageObject {
    match parse(document) {
        Ok(Object::Storage(object)) => object,
        other => panic!("expected an object of storage, found {other:?}"),
    }
}

fn volume(document: &Value) -> PersistentVolumeObject {
    let StorageObject::Volume(volume) = stored(document) else { panic!("expected a volume") };
    volume
}

fn claim(document: &Value) -> ClaimObject {
    let StorageObject::Claim(claim) = stored(document) else { panic!("expected a claim") };
    claim
}

fn volume_document(spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": spec})
}

fn claim_document(spec: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "c", "namespace": "shop"}, "spec": spec,
    })
}

fn storage_document(kind: &str, fields: &Value) -> Value {
    let mut document = fields.clone();
    document["apiVersion"] = json!("storage.k8s.io/v1");
    document["kind"] = json!(kind);
    if document.get("metadata").is_none() {
        document["metadata"] = json!({"name": "x"});
    }
    document
}

/// The spec of a volume that an API server takes.
fn volume_spec() -> Value {
    json!({
        "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "10Gi"},
        "csi": {"driver": "d", "volumeHandle": "h"},
    })
}

/// The spec of a claim that an API server takes.
fn claim_spec() -> Value {
    json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}})
}

#[test]
fn a_volume_is_read_with_the_api_servers_defaults() {
    let minimal = volume(&volume_document(&volume_spec()));
    let expected = PersistentVolumeObject {
        name: "v".into(),
        capacity: Quantity::from_bytes(10 << 30),
        access_modes: AccessModes::READ_WRITE_ONCE,
        mode: VolumeMode::Filesystem,
        source: VolumeSource::Csi { driver: "d".into(), handle: "h".into() },
        phase: VolumePhase::Pending,
        ..PersistentVolumeObject::default()
    };
    assert_eq!(minimal, expected);
}

#[test]
fn the_class_annotation_goes_before_the_field() {
    let mut document = volume_document(&with(&volume_spec(), "/storageClassName", json!("new")));
    assert_eq!(volume(&document).class, "new");
    document["metadata"]["annotations"] = json!({"volume.beta.kubernetes.io/storage-class": "old"});
    assert_eq!(volume(&document).class, "old");
    let mut document = claim_document(&with(&claim_spec(), "/storageClassName", json!("new")));
    document["metadata"]["annotations"] = json!({"volume.beta.kubernetes.io/storage-class": "old"});
    assert_eq!(claim(&document).spec.class, "old");
}

#[test]
fn a_claim_is_read_with_what_controllers_noted_on_it() {
    let document = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "c", "uid": "u",
            "annotations": {
                "pv.kubernetes.io/bind-completed": "yes",
                "volume.kubernetes.io/selected-node": "n1"},
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "p", "controller": true}]},
        "spec": with(&claim_spec(), "/volumeName", json!("v")),
        "status": {"phase": "Lost"},
    });
    let claim = claim(&document);
    assert_eq!((claim.namespace.as_str(), claim.volume_name.as_str()), ("default", "v"));
    assert_eq!((claim.bind_completed, claim.phase), (true, ClaimPhase::Lost));
    assert_eq!(claim.selected_node.as_deref(), Some("n1"));
    assert_eq!(claim.controller_uid.as_deref(), Some("p"));
}

#[test]
fn an_object_of_storage_that_an_api_server_refuses_is_refused() {
    let volume =
        |pointer: &str, value: Value| volume_document(&with(&volume_spec(), pointer, value));
    let claim = |pointer: &str, value: Value| claim_document(&with(&claim_spec(), pointer, value));
    let mut nothing = volume_spec();
    nothing.as_object_mut().expect("fields").remove("csi");
    let drivers = json!([{"name": "d", "nodeID": "n"}, {"name": "d", "nodeID": "n"}]);
    for (document, expected) in [
        (
            volume_document(&nothing),
            "PersistentVolume v: spec: expected a volume type such as csi, local or nfs",
        ),
        (
            volume("/nfs", json!({"server": "s", "path": "/"})),
            "PersistentVolume v: spec.nfs: expected only one volume type",
        ),
        (
            volume("/accessModes", json!([])),
            "PersistentVolume v: spec.accessModes: expected at least one access mode",
        ),
        (
            volume("/accessModes", json!(["ReadWriteOncePod", "ReadWriteOnce"])),
            "PersistentVolume v: spec.accessModes: expected no other access mode beside \
             ReadWriteOncePod",
        ),
        (
            volume("/accessModes", json!(["Often"])),
            "PersistentVolume v: spec.accessModes[0]: expected one of ReadOnlyMany, \
             ReadWriteMany, ReadWriteOnce, ReadWriteOncePod, found \"Often\"",
        ),
        (
            volume("/capacity", json!({"storage": "0"})),
            "PersistentVolume v: spec.capacity.storage: expected a quantity above 0, found \"0\"",
        ),
        (
            volume("/nodeAffinity", json!({"required": {"nodeSelectorTerms": []}})),
            "PersistentVolume v: spec.nodeAffinity.required.nodeSelectorTerms: expected at least \
             one node selector term",
        ),
        (
            volume("/volumeMode", json!("Tape")),
            "PersistentVolume v: spec.volumeMode: expected one of Block, Filesystem, found \"Tape\"",
        ),
        (
            claim("/resources", json!({"requests": {}})),
            "PersistentVolumeClaim shop/c: spec.resources.requests.storage: is required, and is \
             missing",
        ),
        (
            storage_document("StorageClass", &json!({})),
            "StorageClass x: provisioner: is required, and is missing",
        ),
        (
            storage_document(
                "StorageClass",
                &json!({"provisioner": "p", "volumeBindingMode": "Soon"}),
            ),
            "StorageClass x: volumeBindingMode: expected one of Immediate, WaitForFirstConsumer, \
             found \"Soon\"",
        ),
        (
            storage_document("CSINode", &json!({"spec": {"drivers": drivers}})),
            "CSINode x: spec.drivers[1].name: the driver \"d\" is there twice",
        ),
        (
            storage_document("CSIStorageCapacity", &json!({"capacity": "1Gi"})),
            "CSIStorageCapacity default/x: storageClassName: is required, and is missing",
        ),
        (
            storage_document(
                "VolumeAttachment",
                &json!({"spec": {"attacher": "d", "nodeName": "n", "source": {}}}),
            ),
            "VolumeAttachment x: spec.source: expected exactly one of inlineVolumeSpec and \
             persistentVolumeName",
        ),
    ] {
        assert_eq!(error(&document), expected);
    }
    let local = with(&nothing, "/local", json!({"path": "/d"}));
    assert_eq!(
        error(&volume_document(&local)),
        "PersistentVolume v: spec.nodeAffinity: is required for a local volume, and is missing"
    );
}

#[test]
fn a_csi_node_says_how_many_volumes_it_takes() {
    let document = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSINode",
        "metadata": {"name": "n", "annotations": {
            "storage.alpha.kubernetes.io/migrated-plugins": "kubernetes.io/aws-ebs,kubernetes.io/cinder"}},
        "spec": {"drivers": [
            {"name": "limited", "nodeID": "n", "allocatable": {"count": 3}, "topologyKeys": ["zone"]},
            {"name": "free", "nodeID": "n", "topologyKeys": null}]},
    });
    let StorageObject::CsiNode(node) = stored(&document) else { panic!("expected a CSINode") };
    let limited = CsiNodeDriver { limit: Some(3), topology_keys: vec!["zone".into()] };
    assert_eq!(node.drivers["limited"], limited);
    assert_eq!(node.drivers["free"], CsiNodeDriver::default());
    assert_eq!(node.migrated_plugins, ["kubernetes.io/aws-ebs", "kubernetes.io/cinder"]);
}

#[test]
fn a_class_binds_at_once_and_everywhere_unless_it_says_otherwise() {
    let read = |fields: &Value| match stored(&storage_document("StorageClass", fields)) {
        StorageObject::Class(class) => class,
        other => panic!("expected a class, found {other:?}"),
    };
    let minimal = read(&json!({"provisioner": "p"}));
    assert!(!minimal.waits_for_consumer && minimal.allowed_topologies.is_empty());
    let terms = json!([{"matchLabelExpressions": [{"key": "zone", "values": ["a", "b"]}]}]);
    let late = read(&json!({
        "provisioner": "p", "volumeBindingMode": "WaitForFirstConsumer", "allowedTopologies": terms,
    }));
    let values = vec!["a".to_owned(), "b".to_owned()];
    let requirement = Requirement { key: "zone".into(), operator: Operator::In, values };
    assert!(late.waits_for_consumer);
    assert_eq!(late.allowed_topologies[0].0, [requirement]);
}

/// The volumes of `shop/web` with this one, and whose they are.
fn pod_volumes(volume: &Value) -> (Vec<PodVolume>, Option<PodIdentity>) {
    let mut document = pod_document(&json!({"containers": [{"name": "a"}], "volumes": [volume]}));
    document["metadata"]["uid"] = json!("u");
    let Ok(Object::Pod(pod)) = parse(&document) else { panic!("expected a pod") };
    assert_eq!(pod.spec.unjudged_features, Vec::<String>::new());
    (pod.spec.volumes.volumes, pod.spec.volumes.owner)
}

#[test]
fn only_volumes_that_the_scheduler_looks_at_are_kept() {
    let disk = PodVolume::Disk;
    for (source, expected) in [
        (json!({"emptyDir": {}}), None),
        (
            json!({"persistentVolumeClaim": {"claimName": "c", "readOnly": true}}),
            Some(PodVolume::Claim { name: "c".into(), read_only: true }),
        ),
        (
            json!({"csi": {"driver": "d"}}),
            Some(PodVolume::InlineCsi { driver: "d".into(), read_only: false }),
        ),
        (
            json!({"gcePersistentDisk": {"pdName": "d", "readOnly": true}}),
            Some(disk(InTreeDisk::GcePersistentDisk { name: "d".into(), read_only: true })),
        ),
        (
            json!({"awsElasticBlockStore": {"volumeID": "vol-1"}}),
            Some(disk(InTreeDisk::AwsElasticBlockStore { id: "vol-1".into() })),
        ),
        (
            json!({"iscsi": {"targetPortal": "p", "iqn": "iqn.2026-01.x:d", "lun": 0}}),
            Some(disk(InTreeDisk::Iscsi { iqn: "iqn.2026-01.x:d".into(), read_only: false })),
        ),
        (
            json!({"rbd": {"monitors": ["m"], "image": "i"}}),
            Some(disk(InTreeDisk::Rbd {
                monitors: vec!["m".into()],
                pool: "rbd".into(),
                image: "i".into(),
                read_only: false,
            })),
        ),
        (
            json!({"azureDisk": {"diskName": "d", "diskURI": "/d"}}),
            Some(disk(InTreeDisk::AzureDisk { uri: "/d".into(), managed: false })),
        ),
        (
            json!({"azureDisk": {"diskName": "d", "diskURI": "/d", "kind": "Managed"}}),
            Some(disk(InTreeDisk::AzureDisk { uri: "/d".into(), managed: true })),
        ),
    ] {
        let volume = with(&source, "/name", json!("v"));
        // Replicas share one spec: only ephemeral volumes tell them apart.
        assert_eq!(pod_volumes(&volume), (expected.into_iter().collect(), None), "{source}");
    }
}

#[test]
fn a_pod_with_ephemeral_volumes_is_somebody_and_a_template_is_nobody() {
    let volume = json!({"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": claim_spec()}}});
    let (volumes, owner) = pod_volumes(&volume);
    assert_eq!(owner, Some(PodIdentity { name: "web".into(), uid: "u".into() }));
    let template = Box::new(claim(&claim_document(&claim_spec())).spec);
    assert_eq!(volumes, [PodVolume::Ephemeral { volume: "v".into(), template }]);
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "a"}], "volumes": [volume]}}},
    });
    let Ok(Object::Workload(workload)) = parse(&deployment) else { panic!("expected a workload") };
    let template = workload.template.expect("a template was given").volumes;
    assert_eq!((template.volumes, template.owner), (volumes, None));
}

#[test]
fn a_volume_of_a_pod_that_an_api_server_refuses_is_refused() {
    for (source, expected) in [
        (
            json!({"persistentVolumeClaim": {}}),
            "persistentVolumeClaim.claimName: is required, and is missing",
        ),
        (json!({"ephemeral": {}}), "ephemeral.volumeClaimTemplate: is required, and is missing"),
        (
            json!({"ephemeral": {"volumeClaimTemplate": {"spec": {}}}}),
            "ephemeral.volumeClaimTemplate.spec.resources: is required, and is missing",
        ),
        (json!({"rbd": {"image": "i"}}), "rbd.monitors: expected at least one Ceph monitor"),
    ] {
        let volumes = json!([with(&source, "/name", json!("v"))]);
        let document = pod_document(&json!({"containers": [{"name": "a"}], "volumes": volumes}));
        assert_eq!(error(&document), format!("Pod shop/web: spec.volumes[0].{expected}"));
    }
}
