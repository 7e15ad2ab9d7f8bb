//! `metadata`: what every object has.

use super::fields::{self, Fields, Read};
use crate::labels::Labels;
use crate::pod::ControllerRef;
use crate::time::SimTime;

/// The namespace of objects that name none.
pub(super) const DEFAULT_NAMESPACE: &str = "default";

/// Whether objects of a kind live in namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Like pods.
    Namespaced,
    /// Like nodes.
    Cluster,
    /// Of a kind nobody knows: taken as written, the name may be missing.
    Unknown,
}

/// The parts of `metadata` that matter to anything here.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) labels: Labels,
    pub(super) annotations: Labels,
    pub(super) created_at: Option<SimTime>,
    pub(super) deletion_at: Option<SimTime>,
    pub(super) controller: Option<ControllerRef>,
}

impl Metadata {
    /// Reads the `metadata` of an object.
    pub(super) fn read(object: Fields<'_>, scope: Scope) -> Read<Metadata> {
        if scope == Scope::Unknown {
            return Ok(object.inside("metadata", Metadata::read_fields)?.unwrap_or_default());
        }
        object.required("metadata", |value| {
            let fields = Fields::of(value)?;
            fields.required("name", fields::name)?;
            let mut metadata = Metadata::read_fields(fields)?;
            if scope == Scope::Cluster {
                metadata.namespace.clear();
            } else if metadata.namespace.is_empty() {
                DEFAULT_NAMESPACE.clone_into(&mut metadata.namespace);
            }
            Ok(metadata)
        })
    }

    /// Reads the `metadata` of a pod template: it needs neither a name nor to be there.
    pub(super) fn read_of_template(template: Fields<'_>) -> Read<Metadata> {
        Ok(template.inside("metadata", Metadata::read_fields)?.unwrap_or_default())
    }

    fn read_fields(fields: Fields<'_>) -> Read<Metadata> {
        Ok(Metadata {
            name: fields.or_default("name", fields::text)?,
            namespace: fields.or_default("namespace", fields::text)?,
            uid: fields.or_default("uid", fields::text)?,
            labels: fields.or_default("labels", fields::labels)?,
            annotations: fields.or_default("annotations", fields::labels)?,
            created_at: fields.optional("creationTimestamp", fields::time)?,
            deletion_at: fields.optional("deletionTimestamp", fields::time)?,
            controller: read_controller(fields)?,
        })
    }
}

/// The name of one of our own objects, whose `metadata` holds nothing that could mean something.
pub(super) fn read_own_name(object: Fields<'_>) -> Read<String> {
    Metadata::read(object, Scope::Cluster).map(|metadata| metadata.name)
}

fn read_controller(fields: Fields<'_>) -> Read<Option<ControllerRef>> {
    let owners = fields.items("ownerReferences", |value| {
        let owner = Fields::of(value)?;
        let reference = ControllerRef {
            api_version: owner.required("apiVersion", fields::text)?,
            kind: owner.required("kind", fields::name)?,
            name: owner.required("name", fields::name)?,
            uid: owner.or_default("uid", fields::text)?,
        };
        Ok((owner.or_default("controller", fields::flag)?, reference))
    })?;
    Ok(owners.into_iter().find_map(|(controls, reference)| controls.then_some(reference)))
}
