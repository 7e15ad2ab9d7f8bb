//! Namespaces, as far as selectors look at them.

use crate::labels::Labels;

/// The label with a namespace's own name, which the API server puts on every one.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A v1 Namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceObject {
    /// The name.
    pub name: String,
    /// The labels, for namespace selectors.
    pub labels: Labels,
}
