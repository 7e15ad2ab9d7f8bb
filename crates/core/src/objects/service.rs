//! Services and namespaces.

use super::fields::{Fields, Read};
use super::metadata::{Metadata, Scope};
use super::selectors;
use crate::namespace::NamespaceObject;
use crate::service::ServiceObject;

/// Reads a v1 Service.
pub(super) fn read_service(object: Fields<'_>) -> Read<ServiceObject> {
    let metadata = Metadata::read(object, Scope::Namespaced)?;
    let selector =
        object.inside("spec", |spec| spec.or_default("selector", selectors::exact_labels))?;
    Ok(ServiceObject {
        namespace: metadata.namespace,
        name: metadata.name,
        selector: selector.unwrap_or_default(),
    })
}

/// Reads a v1 Namespace.
pub(super) fn read_namespace(object: Fields<'_>) -> Read<NamespaceObject> {
    let metadata = Metadata::read(object, Scope::Cluster)?;
    Ok(NamespaceObject { name: metadata.name, labels: metadata.labels })
}
