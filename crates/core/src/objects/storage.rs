//! PersistentVolumes, claims, classes, and what CSI drivers say about themselves.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::FieldError;
use super::fields::{self, Fields, Read};
use super::metadata::{Metadata, Scope};
use super::selectors::{self, NodeValues};
use super::volumes;
use crate::labels::{NodeSelectorTerm, Operator, Requirement};
use crate::quantity::Quantity;
use crate::storage::{
    AccessModes, ClaimObject, ClaimPhase, ClaimReference, ClaimSpec, CsiDriverObject,
    CsiNodeDriver, CsiNodeObject, CsiStorageCapacityObject, PersistentVolumeObject,
    StorageClassObject, StorageObject, TopologyTerm, VolumeAttachmentObject, VolumeMode,
    VolumePhase, VolumeSource,
};

/// The class of a claim or volume, before there was a field for it; it still goes first.
const BETA_CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
/// The volume controller has finished the binding of a claim.
const BIND_COMPLETED_ANNOTATION: &str = "pv.kubernetes.io/bind-completed";
/// The scheduler's choice, for the provisioner.
const SELECTED_NODE_ANNOTATION: &str = "volume.kubernetes.io/selected-node";
/// The in-tree plugins that a kubelet hands to CSI drivers.
const MIGRATED_PLUGINS_ANNOTATION: &str = "storage.alpha.kubernetes.io/migrated-plugins";
/// The fields of a PersistentVolume's spec of which there must be exactly one.
const VOLUME_SOURCES: [&str; 22] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
];
/// `volumeMode`.
const VOLUME_MODES: [(&str, VolumeMode); 2] =
    [("Block", VolumeMode::Block), ("Filesystem", VolumeMode::Filesystem)];
/// `accessModes`.
const ACCESS_MODES: [(&str, AccessModes); 4] = [
    ("ReadOnlyMany", AccessModes::READ_ONLY_MANY),
    ("ReadWriteMany", AccessModes::READ_WRITE_MANY),
    ("ReadWriteOnce", AccessModes::READ_WRITE_ONCE),
    ("ReadWriteOncePod", AccessModes::READ_WRITE_ONCE_POD),
];
/// `status.phase` of a PersistentVolume.
const VOLUME_PHASES: [(&str, VolumePhase); 5] = [
    ("Pending", VolumePhase::Pending),
    ("Available", VolumePhase::Available),
    ("Bound", VolumePhase::Bound),
    ("Released", VolumePhase::Released),
    ("Failed", VolumePhase::Failed),
];
/// `status.phase` of a PersistentVolumeClaim.
const CLAIM_PHASES: [(&str, ClaimPhase); 3] =
    [("Pending", ClaimPhase::Pending), ("Bound", ClaimPhase::Bound), ("Lost", ClaimPhase::Lost)];

/// Reads an object of one of the kinds of storage; `None` when it is of another kind.
pub(super) fn read(
    api_version: &str,
    kind: &str,
    object: Fields<'_>,
) -> Read<Option<StorageObject>> {
    Ok(Some(match (api_version, kind) {
        ("v1", "PersistentVolume") => StorageObject::Volume(persistent_volume(object)?),
        ("v1", "PersistentVolumeClaim") => StorageObject::Claim(claim(object)?),
        ("storage.k8s.io/v1", "StorageClass") => StorageObject::Class(storage_class(object)?),
        ("storage.k8s.io/v1", "CSINode") => StorageObject::CsiNode(csi_node(object)?),
        ("storage.k8s.io/v1", "CSIDriver") => StorageObject::CsiDriver(csi_driver(object)?),
        ("storage.k8s.io/v1", "CSIStorageCapacity") => {
            StorageObject::CsiStorageCapacity(storage_capacity(object)?)
        }
        ("storage.k8s.io/v1", "VolumeAttachment") => {
            StorageObject::VolumeAttachment(volume_attachment(object)?)
        }
        _ => return Ok(None),
    }))
}

fn persistent_volume(object: Fields<'_>) -> Read<PersistentVolumeObject> {
    let metadata = Metadata::read(object, Scope::Cluster)?;
    let phase = object
        .inside("status", |status| {
            status.optional("phase", |value| fields::word(value, &VOLUME_PHASES))
        })?
        .flatten()
        .unwrap_or_default();
    let volume = object.required("spec", |value| {
        let spec = Fields::of(value)?;
        let source = volume_source(spec)?;
        let node_affinity = node_affinity(spec)?;
        if spec.raw("local").is_some() && node_affinity.is_none() {
            let message = "is required for a local volume, and is missing";
            return Err(FieldError::here(message).within("nodeAffinity"));
        }
        Ok(PersistentVolumeObject {
            class: class_of(spec, &metadata)?,
            capacity: spec.required("capacity", |value| {
                Fields::of(value)?.required("storage", positive_quantity)
            })?,
            access_modes: access_modes(spec)?,
            mode: volume_mode(spec)?,
            attributes_class: spec.or_default("volumeAttributesClassName", fields::text)?,
            claim: spec.inside("claimRef", |reference| {
                Ok(ClaimReference {
                    namespace: reference.or_default("namespace", fields::text)?,
                    name: reference.or_default("name", fields::text)?,
                    uid: reference.or_default("uid", fields::text)?,
                })
            })?,
            node_affinity,
            source,
            phase,
            ..PersistentVolumeObject::default()
        })
    })?;
    Ok(PersistentVolumeObject {
        name: metadata.name,
        uid: metadata.uid,
        labels: metadata.labels,
        deletion_at: metadata.deletion_at,
        ..volume
    })
}

fn volume_source(spec: Fields<'_>) -> Read<VolumeSource> {
    let mut sources = VOLUME_SOURCES.into_iter().filter(|name| spec.raw(name).is_some());
    if sources.next().is_none() {
        return Err(FieldError::here("expected a volume type such as csi, local or nfs"));
    }
    if let Some(second) = sources.next() {
        return Err(FieldError::here("expected only one volume type").within(second));
    }
    let csi = spec.inside("csi", |source| {
        Ok(VolumeSource::Csi {
            driver: source.required("driver", fields::name)?,
            handle: source.required("volumeHandle", fields::name)?,
        })
    })?;
    if let Some(csi) = csi {
        return Ok(csi);
    }
    Ok(volumes::disk(spec)?.map_or(VolumeSource::Other, VolumeSource::InTree))
}

fn node_affinity(spec: Fields<'_>) -> Read<Option<Vec<NodeSelectorTerm>>> {
    spec.inside("nodeAffinity", |affinity| {
        affinity.required("required", |value| {
            let selector = Fields::of(value)?;
            let terms = selector.items("nodeSelectorTerms", |value| {
                selectors::node_selector_term(value, NodeValues::Labels)
            })?;
            if terms.is_empty() {
                let message = "expected at least one node selector term";
                return Err(FieldError::here(message).within("nodeSelectorTerms"));
            }
            Ok(terms)
        })
    })
}

fn claim(object: Fields<'_>) -> Read<ClaimObject> {
    let metadata = Metadata::read(object, Scope::Namespaced)?;
    let spec = claim_spec(object, &metadata)?;
    let volume_name = object.inside("spec", |spec| spec.or_default("volumeName", fields::text))?;
    let phase = object
        .inside("status", |status| {
            status.optional("phase", |value| fields::word(value, &CLAIM_PHASES))
        })?
        .flatten()
        .unwrap_or_default();
    Ok(ClaimObject {
        bind_completed: metadata.annotations.contains_key(BIND_COMPLETED_ANNOTATION),
        selected_node: metadata.annotations.get(SELECTED_NODE_ANNOTATION).cloned(),
        namespace: metadata.namespace,
        name: metadata.name,
        uid: metadata.uid,
        controller_uid: metadata.controller.map(|controller| controller.uid),
        deletion_at: metadata.deletion_at,
        spec,
        volume_name: volume_name.unwrap_or_default(),
        phase,
    })
}

/// Reads the `spec` of a claim, or of the template of claims.
pub(super) fn claim_spec(object: Fields<'_>, metadata: &Metadata) -> Read<ClaimSpec> {
    object.required("spec", |value| {
        let spec = Fields::of(value)?;
        let request = spec.required("resources", |value| {
            Fields::of(value)?.required("requests", |value| {
                Fields::of(value)?.required("storage", positive_quantity)
            })
        })?;
        Ok(ClaimSpec {
            class: class_of(spec, metadata)?,
            access_modes: access_modes(spec)?,
            request,
            selector: spec.optional("selector", selectors::label_selector)?,
            mode: volume_mode(spec)?,
            attributes_class: spec.or_default("volumeAttributesClassName", fields::text)?,
        })
    })
}

fn class_of(spec: Fields<'_>, metadata: &Metadata) -> Read<String> {
    let field = spec.or_default("storageClassName", fields::text)?;
    Ok(metadata.annotations.get(BETA_CLASS_ANNOTATION).cloned().unwrap_or(field))
}

fn volume_mode(spec: Fields<'_>) -> Read<VolumeMode> {
    spec.required("volumeMode", |value| fields::word(value, &VOLUME_MODES))
}

fn access_modes(spec: Fields<'_>) -> Read<AccessModes> {
    let modes = spec.items("accessModes", |value| fields::word(value, &ACCESS_MODES))?;
    let all = modes.into_iter().fold(AccessModes::default(), AccessModes::and);
    let one_pod = AccessModes::READ_WRITE_ONCE_POD;
    let refused = match all {
        none if none.is_empty() => "expected at least one access mode",
        mixed if mixed.include(one_pod) && mixed != one_pod => {
            "expected no other access mode beside ReadWriteOncePod"
        }
        modes => return Ok(modes),
    };
    Err(FieldError::here(refused).within("accessModes"))
}

fn positive_quantity(value: &Value) -> Read<Quantity> {
    let quantity = fields::quantity(value)?;
    if quantity.is_negative() || quantity.is_zero() {
        return Err(fields::expected("a quantity above 0", value));
    }
    Ok(quantity)
}

fn quantity_from_zero(value: &Value) -> Read<Quantity> {
    let quantity = fields::quantity(value)?;
    if quantity.is_negative() {
        return Err(fields::expected("a quantity from 0 up", value));
    }
    Ok(quantity)
}

fn storage_class(object: Fields<'_>) -> Read<StorageClassObject> {
    /// Whether claims wait for their first pod.
    const BINDING_MODES: [(&str, bool); 2] = [("Immediate", false), ("WaitForFirstConsumer", true)];
    Ok(StorageClassObject {
        name: Metadata::read(object, Scope::Cluster)?.name,
        provisioner: object.required("provisioner", fields::name)?,
        waits_for_consumer: object
            .required("volumeBindingMode", |value| fields::word(value, &BINDING_MODES))?,
        allowed_topologies: object.items("allowedTopologies", topology_term)?,
    })
}

fn topology_term(value: &Value) -> Read<TopologyTerm> {
    let requirements = Fields::of(value)?.items("matchLabelExpressions", |value| {
        let requirement = Fields::of(value)?;
        let values = requirement.items("values", fields::text)?;
        if values.is_empty() {
            return Err(FieldError::here("expected at least one value").within("values"));
        }
        let key = requirement.required("key", fields::name)?;
        Ok(Requirement { key, operator: Operator::In, values })
    })?;
    Ok(TopologyTerm(requirements))
}

fn csi_node(object: Fields<'_>) -> Read<CsiNodeObject> {
    let metadata = Metadata::read(object, Scope::Cluster)?;
    let migrated = metadata.annotations.get(MIGRATED_PLUGINS_ANNOTATION);
    let drivers =
        object.required("spec", |value| Fields::of(value)?.items("drivers", csi_node_driver))?;
    let mut by_name = BTreeMap::new();
    for (index, (name, driver)) in drivers.into_iter().enumerate() {
        if by_name.contains_key(&name) {
            let error = FieldError::here(format!("the driver {name:?} is there twice"));
            let error = error.within("name").within_item(index).within("drivers").within("spec");
            return Err(error);
        }
        by_name.insert(name, driver);
    }
    Ok(CsiNodeObject {
        name: metadata.name,
        drivers: by_name,
        migrated_plugins: migrated
            .map_or_else(Vec::new, |list| list.split(',').map(str::to_owned).collect()),
    })
}

fn csi_node_driver(value: &Value) -> Read<(String, CsiNodeDriver)> {
    let driver = Fields::of(value)?;
    let limit = driver.inside("allocatable", |one| one.optional("count", fields::count))?.flatten();
    let topology_keys = driver.items("topologyKeys", fields::name)?;
    let name = driver.required("name", fields::name)?;
    Ok((name, CsiNodeDriver { limit, topology_keys }))
}

fn csi_driver(object: Fields<'_>) -> Read<CsiDriverObject> {
    let spec = object.inside("spec", |spec| spec.or_default("storageCapacity", fields::flag))?;
    Ok(CsiDriverObject {
        name: Metadata::read(object, Scope::Cluster)?.name,
        storage_capacity: spec.unwrap_or_default(),
    })
}

fn storage_capacity(object: Fields<'_>) -> Read<CsiStorageCapacityObject> {
    let metadata = Metadata::read(object, Scope::Namespaced)?;
    Ok(CsiStorageCapacityObject {
        namespace: metadata.namespace,
        name: metadata.name,
        class: object.required("storageClassName", fields::name)?,
        node_topology: object.optional("nodeTopology", selectors::label_selector)?,
        capacity: object.optional("capacity", quantity_from_zero)?,
        maximum_volume_size: object.optional("maximumVolumeSize", fields::quantity)?,
    })
}

fn volume_attachment(object: Fields<'_>) -> Read<VolumeAttachmentObject> {
    let name = Metadata::read(object, Scope::Cluster)?.name;
    object.required("spec", |value| {
        let spec = Fields::of(value)?;
        let volume_name = spec.required("source", |value| {
            let source = Fields::of(value)?;
            let volume_name = source.optional("persistentVolumeName", fields::name)?;
            if volume_name.is_some() == source.raw("inlineVolumeSpec").is_some() {
                let message = "expected exactly one of inlineVolumeSpec and persistentVolumeName";
                return Err(FieldError::here(message));
            }
            Ok(volume_name)
        })?;
        Ok(VolumeAttachmentObject {
            name: name.clone(),
            attacher: spec.required("attacher", fields::name)?,
            node_name: spec.required("nodeName", fields::name)?,
            volume_name,
        })
    })
}
