//! Where new volumes come from: StorageClasses, the drivers behind them, and the room they report.

use crate::labels::{LabelSelector, Labels, Requirement};
use crate::quantity::Quantity;

/// A storage.k8s.io/v1 StorageClass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StorageClassObject {
    /// The name.
    pub name: String,
    /// Who makes its volumes.
    pub provisioner: String,
    /// Claims are bound when their first pod is scheduled (`WaitForFirstConsumer`).
    pub waits_for_consumer: bool,
    /// Where volumes can be made: on nodes that match one of the terms. Empty: everywhere.
    pub allowed_topologies: Vec<TopologyTerm>,
}

/// The provisioner of classes whose volumes are all made by hand.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

impl StorageClassObject {
    /// Whether volumes of the class are made on demand.
    #[must_use]
    pub fn provisions(&self) -> bool {
        self.provisioner != NO_PROVISIONER
    }
}

/// A `v1.TopologySelectorTerm`: each requirement must hold. One without any matches no node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TopologyTerm(pub Vec<Requirement>);

impl TopologyTerm {
    /// Whether a node with these labels matches.
    #[must_use]
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        !self.0.is_empty() && self.0.iter().all(|one| one.matches_value(label(&one.key)))
    }
}

/// A storage.k8s.io/v1 CSIDriver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CsiDriverObject {
    /// The name.
    pub name: String,
    /// The driver reports how much room is left, and the scheduler heeds it.
    pub storage_capacity: bool,
}

/// A storage.k8s.io/v1 CSIStorageCapacity: how much room a driver has for volumes of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CsiStorageCapacityObject {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The class.
    pub class: String,
    /// The nodes that reach it; `None`: no node.
    pub node_topology: Option<LabelSelector>,
    /// How much room is left.
    pub capacity: Option<Quantity>,
    /// The largest volume that can be made; goes before `capacity`.
    pub maximum_volume_size: Option<Quantity>,
}

impl CsiStorageCapacityObject {
    /// Whether a volume of this size can be made.
    #[must_use]
    pub fn suffices_for(&self, request: Quantity) -> bool {
        let limit = self.maximum_volume_size.or(self.capacity);
        limit.is_some_and(|limit| limit.ceil_units() >= request.ceil_units())
    }
}

/// What a driver's CSINode entry and the node's labels say about where a volume made on the node can
/// be reached: the topology that the external provisioner gives it.
#[must_use]
pub(super) fn segment_of<'a>(
    keys: &[String],
    label: impl Fn(&str) -> Option<&'a str>,
) -> Option<Labels> {
    let found = |key: &String| Some((key.clone(), label(key)?.to_owned()));
    let segment: Labels = keys.iter().map(found).collect::<Option<_>>()?;
    (!segment.is_empty()).then_some(segment)
}
