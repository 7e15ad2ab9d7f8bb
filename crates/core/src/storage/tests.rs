//! Small clusters with volumes, and what the plugins say about pods on their nodes.

mod attached;
mod binding;
mod reserving;
mod restrictions;
mod zones;

use std::hash::Hasher;

use rustc_hash::FxHasher;
use serde_json::{Value, json};

use super::volume_binding::{PodBindings, PodClaims};
use super::*;
use crate::objects::{Object, parse};
use crate::scheduling::Refusal;

/// The nodes of the fixtures by name, zone and hostname; the last says nothing about itself.
const NODES: [(&str, &[(&str, &str)]); 3] = [
    ("a1", &[("topology.kubernetes.io/zone", "a"), ("kubernetes.io/hostname", "a1")]),
    ("b1", &[("topology.kubernetes.io/zone", "b"), ("kubernetes.io/hostname", "b1")]),
    ("bare", &[]),
];

/// A storage with these objects.
fn storage(objects: &[Value]) -> Storage {
    let mut storage = Storage::default();
    for object in objects {
        let _ = put(&mut storage, object);
    }
    storage
}

fn put(storage: &mut Storage, object: &Value) -> StorageUndo {
    match parse(object) {
        Ok(Object::Storage(object)) => storage.put(object),
        other => panic!("expected an object of storage, found {other:?}"),
    }
}

/// `base` with the fields of `more` in it, however deep.
fn merged(mut base: Value, more: &Value) -> Value {
    match (&mut base, more) {
        (Value::Object(fields), Value::Object(new)) => {
            for (name, value) in new {
                let before = fields.remove(name).unwrap_or_default();
                fields.insert(name.clone(), merged(before, value));
            }
            base
        }
        _ => more.clone(),
    }
}

/// A free CSI volume of class `late` with 10 GiB.
fn volume(name: &str, more: &Value) -> Value {
    let base = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "10Gi"},
            "storageClassName": "late", "csi": {"driver": "csi.x", "volumeHandle": name}},
        "status": {"phase": "Available"},
    });
    merged(base, more)
}

/// Only nodes of these zones reach it.
fn only_zones(zones: &[&str]) -> Value {
    let term = json!({"matchExpressions": [
        {"key": "topology.kubernetes.io/zone", "operator": "In", "values": zones}]});
    json!({"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}}})
}

/// A claim for 5 GiB of class `late` that is not bound.
fn claim(name: &str, more: &Value) -> Value {
    let base = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}")},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}},
            "storageClassName": "late"},
        "status": {"phase": "Pending"},
    });
    merged(base, more)
}

/// What makes a claim bound to a volume for good.
fn bound_to(volume: &str) -> Value {
    json!({
        "metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
        "spec": {"volumeName": volume}, "status": {"phase": "Bound"},
    })
}

/// A class that waits for the first pod.
fn class(name: &str, more: &Value) -> Value {
    let base = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
        "provisioner": "csi.x", "volumeBindingMode": "WaitForFirstConsumer",
    });
    merged(base, more)
}

/// A class whose volumes are made by hand.
fn class_by_hand(name: &str) -> Value {
    class(name, &json!({"provisioner": "kubernetes.io/no-provisioner"}))
}

/// A CSINode whose drivers take so many volumes.
fn csi_node(name: &str, limits: &[(&str, u32)]) -> Value {
    let drivers: Vec<Value> = limits
        .iter()
        .map(|(driver, limit)| {
            json!({"name": driver, "nodeID": name, "allocatable": {"count": limit},
                   "topologyKeys": ["topology.kubernetes.io/zone"]})
        })
        .collect();
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": name},
        "spec": {"drivers": drivers},
    })
}

/// What the pod `shop/p` (uid `uid-p`) with these volumes uses. A text names a claim; other volumes
/// are written out.
fn pod(storage: &mut Storage, volumes: &[Value]) -> VolumeUse {
    pod_in(storage, "shop", volumes)
}

fn pod_in(storage: &mut Storage, namespace: &str, volumes: &[Value]) -> VolumeUse {
    let volumes: Vec<Value> = volumes
        .iter()
        .enumerate()
        .map(|(index, volume)| {
            let source = match volume.as_str() {
                Some(claim) => json!({"persistentVolumeClaim": {"claimName": claim}}),
                None => volume.clone(),
            };
            merged(json!({"name": format!("v{index}")}), &source)
        })
        .collect();
    let document = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": namespace, "uid": "uid-p"},
        "spec": {"containers": [{"name": "c"}], "volumes": volumes},
    });
    let Ok(Object::Pod(pod)) = parse(&document) else { panic!("expected a pod") };
    storage.resolve(namespace, &pod.spec.volumes).expect("the pod has volumes")
}

/// An ephemeral volume of class `late`.
fn ephemeral() -> Value {
    let template = claim("", &json!({}))["spec"].clone();
    json!({"ephemeral": {"volumeClaimTemplate": {"spec": template}}})
}

fn labels_of(node: &str) -> Labels {
    let (_, labels) = NODES.iter().find(|(name, _)| *name == node).expect("a node of the fixture");
    labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A refusal as a line: the reasons, and whether pods that leave could help.
fn line(refusal: &Refusal) -> String {
    let reasons = refusal.reasons.join(", ");
    if refusal.resolvable { format!("{reasons} (resolvable)") } else { reasons }
}

/// What VolumeBinding has to say about a pod on a node.
fn bind(
    storage: &Storage,
    uses: &VolumeUse,
    claims: &PodClaims,
    node: &str,
) -> Result<PodBindings, String> {
    let labels = labels_of(node);
    let view = NodeView { name: node, labels: &labels, hostname: None };
    volume_binding::filter(storage, uses, claims, &view).map_err(|refusal| line(&refusal))
}

/// What VolumeBinding says on each of the nodes: which volume every claim gets.
fn bindings(storage: &Storage, uses: &VolumeUse) -> Vec<String> {
    let claims = match volume_binding::pre_filter(storage, uses) {
        Ok(Some(claims)) => claims,
        Ok(None) => return vec!["nothing to say".to_owned()],
        Err(refusal) => return vec![line(&refusal)],
    };
    let name = |wanted: &volume_binding::WantedClaim| match wanted {
        volume_binding::WantedClaim::Claim(claim) => storage.claim_name(*claim).to_owned(),
        volume_binding::WantedClaim::Template(position) => format!("template {position}"),
    };
    let shown = |found: &PodBindings| {
        let bound = found.bound.iter();
        let bound = bound
            .map(|(wanted, volume)| format!("{}={}", name(wanted), storage.volumes.name(volume.0)));
        let made = found.provisioned.iter().map(|wanted| format!("{}=new", name(wanted)));
        bound.chain(made).collect::<Vec<_>>().join(" ")
    };
    NODES
        .iter()
        .map(|(node, _)| match bind(storage, uses, &claims, node) {
            Ok(found) => format!("{node}: {}", shown(&found)).trim_end().to_owned(),
            Err(refused) => format!("{node}: {refused}"),
        })
        .collect()
}

fn digest(storage: &Storage) -> u64 {
    let mut hasher = FxHasher::default();
    storage.hash_into(&mut hasher);
    hasher.finish()
}
