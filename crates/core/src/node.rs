//! Nodes, as an API server holds them.

use crate::labels::Labels;
use crate::pod::ResourceMap;
use crate::taints::Taint;
use crate::time::SimTime;

/// The label by which a node says which group it belongs to.
pub const NODE_GROUP_LABEL: &str = "plimsoll.dev/node-group";
/// The label with a node's own name, different on every node.
pub const HOSTNAME_LABEL: &str = "kubernetes.io/hostname";

/// A node as an API server holds it, as far as capacity is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeObject {
    /// The name.
    pub name: String,
    /// The uid; empty when the file gave none.
    pub uid: String,
    /// When it was created.
    pub created_at: Option<SimTime>,
    /// The cloud's id of the machine behind it (`spec.providerID`).
    pub provider_id: String,
    /// Labels, taints and size.
    pub spec: NodeSpec,
    /// Its annotations.
    pub annotations: Labels,
    /// Whether pods may run: see [`Readiness`].
    pub readiness: Readiness,
}

/// What a new machine of a group looks like, or what a node looks like apart from its identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeSpec {
    /// The labels.
    pub labels: Labels,
    /// The taints.
    pub taints: Vec<Taint>,
    /// Cordoned (`spec.unschedulable`).
    pub unschedulable: bool,
    /// What the machine has.
    pub capacity: ResourceMap,
    /// What pods may use of it.
    pub allocatable: ResourceMap,
    /// Images that are there already, in the order of `status.images`.
    pub images: Vec<NodeImage>,
    /// What its software can do beyond the ordinary (`status.declaredFeatures`), by name, sorted.
    pub declared_features: Vec<String>,
}

/// A container image on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeImage {
    /// All its names, by tag and by digest.
    pub names: Vec<String>,
    /// Its size.
    pub size_bytes: i64,
}

/// What a node's conditions say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Readiness {
    /// A Ready condition exists and is neither False nor Unknown; no DiskPressure, no
    /// NetworkUnavailable. (Cluster Autoscaler's rule, taints aside.)
    pub ready: bool,
    /// When the last of these three conditions became what it is.
    pub since: Option<SimTime>,
    /// The condition Suspended is True: the machine is kept, and stopped.
    pub is_suspended: bool,
}
