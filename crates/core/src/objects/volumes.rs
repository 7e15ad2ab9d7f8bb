//! The volumes of pods: what ties them to nodes.

use serde_json::Value;

use super::error::FieldError;
use super::fields::{self, Fields, Read};
use super::metadata::Metadata;
use super::storage;
use crate::storage::{InTreeDisk, PodVolume};

/// A volume of a pod.
pub(super) struct Volume {
    pub(super) name: String,
    /// It lives and dies with the node.
    pub(super) local: bool,
    /// What the scheduler looks at.
    pub(super) tie: Option<PodVolume>,
}

/// Reads a `v1.Volume`.
pub(super) fn volume(value: &Value) -> Read<Volume> {
    let fields = Fields::of(value)?;
    let name = fields.required("name", fields::name)?;
    let on_disk = fields
        .inside("emptyDir", |source| Ok(source.or_default("medium", fields::text)? != "Memory"))?;
    let local = fields.raw("hostPath").is_some() || on_disk == Some(true);
    let tie = match claim(fields, &name)? {
        None => disk(fields)?.map(PodVolume::Disk),
        claim => claim,
    };
    Ok(Volume { name, local, tie })
}

fn claim(volume: Fields<'_>, name: &str) -> Read<Option<PodVolume>> {
    let claim = volume.inside("persistentVolumeClaim", |source| {
        Ok(PodVolume::Claim {
            name: source.required("claimName", fields::name)?,
            read_only: source.or_default("readOnly", fields::flag)?,
        })
    })?;
    let ephemeral = volume.inside("ephemeral", |source| {
        source.required("volumeClaimTemplate", |value| {
            let template = Fields::of(value)?;
            let metadata = Metadata::read_of_template(template)?;
            let spec = storage::claim_spec(template, &metadata)?;
            Ok(PodVolume::Ephemeral { volume: name.to_owned(), template: Box::new(spec) })
        })
    })?;
    let inline = volume.inside("csi", |source| {
        Ok(PodVolume::InlineCsi {
            driver: source.required("driver", fields::name)?,
            read_only: source.or_default("readOnly", fields::flag)?,
        })
    })?;
    Ok(claim.or(ephemeral).or(inline))
}

/// Reads the disk of a plugin that was part of Kubernetes once, in a pod's volume or in the spec of
/// a PersistentVolume; `None` when it is something else.
pub(super) fn disk(source: Fields<'_>) -> Read<Option<InTreeDisk>> {
    let read_only = |disk: Fields<'_>| disk.or_default("readOnly", fields::flag);
    let found = [
        source.inside("gcePersistentDisk", |disk| {
            let name = disk.required("pdName", fields::name)?;
            Ok(InTreeDisk::GcePersistentDisk { name, read_only: read_only(disk)? })
        })?,
        source.inside("awsElasticBlockStore", |disk| {
            Ok(InTreeDisk::AwsElasticBlockStore { id: disk.required("volumeID", fields::name)? })
        })?,
        source.inside("iscsi", |disk| {
            let iqn = disk.required("iqn", fields::name)?;
            Ok(InTreeDisk::Iscsi { iqn, read_only: read_only(disk)? })
        })?,
        source.inside("rbd", rbd)?,
        source.inside("azureDisk", azure_disk)?,
        source.inside("cinder", |disk| {
            Ok(InTreeDisk::Cinder { id: disk.required("volumeID", fields::name)? })
        })?,
        source.inside("portworxVolume", |disk| {
            Ok(InTreeDisk::Portworx { id: disk.required("volumeID", fields::name)? })
        })?,
    ];
    Ok(found.into_iter().flatten().next())
}

fn rbd(disk: Fields<'_>) -> Read<InTreeDisk> {
    let monitors = disk.items("monitors", fields::text)?;
    if monitors.is_empty() {
        return Err(FieldError::here("expected at least one Ceph monitor").within("monitors"));
    }
    Ok(InTreeDisk::Rbd {
        monitors,
        pool: disk.required("pool", fields::name)?,
        image: disk.required("image", fields::name)?,
        read_only: disk.or_default("readOnly", fields::flag)?,
    })
}

fn azure_disk(disk: Fields<'_>) -> Read<InTreeDisk> {
    /// Only disks that Azure manages are under the driver; upstream compares without case.
    const MANAGED: &str = "managed";
    let kind = disk.required("kind", fields::text)?;
    Ok(InTreeDisk::AzureDisk {
        uri: disk.required("diskURI", fields::name)?,
        managed: kind.eq_ignore_ascii_case(MANAGED),
    })
}
