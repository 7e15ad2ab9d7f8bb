//! Services, as far as they say which pods belong together.

use crate::labels::Labels;

/// A v1 Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceObject {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// Pods of the namespace with all these labels are its own; without any, none are.
    pub selector: Labels,
}
