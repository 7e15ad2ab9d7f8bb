//! The cluster as plain data: what there is, what fits where, what may move.
//!
//! This crate is pure: no clock, no files, no threads, no randomness. The same calls give the same
//! answers on any machine.

pub mod capacity;
pub mod catalog;
pub mod cluster;
pub mod condition;
pub mod devices;
pub mod drain;
pub mod ids;
pub mod labels;
pub mod namespace;
pub mod node;
pub mod node_group;
pub mod objects;
pub mod pod;
pub mod pod_affinity;
pub mod quantity;
pub mod scheduling;
pub mod service;
pub mod storage;
pub mod taints;
pub mod time;
pub mod workload;

pub use cluster::{
    Cluster, Fork, Node, NodeBirth, NodeGroup, Pod, PodBirth, Workload, WorkloadKey,
};
pub use labels::Labels;
pub use node::{NodeObject, NodeSpec};
pub use node_group::NodeGroupSpec;
pub use pod::{PodObject, PodPhase, PodSpec, ResourceMap};
pub use scheduling::{PodQueue, Refusal};
pub use time::{SimDuration, SimTime};
