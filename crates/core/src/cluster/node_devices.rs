//! Nodes and the devices they bring: what is tried about them on a fork, and what comes and goes.

use std::sync::Arc;

use super::Cluster;
use crate::devices::slice::ResourceSliceObject;
use crate::devices::{NodeDevices, PodIdentity};
use crate::ids::{NodeId, PodId};
use crate::time::SimTime;

impl Cluster {
    /// What a node brings, to be given to nodes like it: its own slices, and what pods for which
    /// `stays` holds have of them.
    ///
    /// # Errors
    /// A pod on the node holds devices that are not the node's own. Upstream can then make no other
    /// node after this one.
    pub fn devices_of(
        &self,
        node: NodeId,
        stays: impl Fn(PodId) -> bool,
    ) -> Result<NodeDevices, String> {
        if self.devices.is_empty() {
            return Ok(NodeDevices::default());
        }
        let name = self.node_name(node);
        let mut devices = self.devices.of_node(name);
        let mut pods = self.node(node).pods.clone();
        pods.retain(|pod| self.has_claims(*pod));
        pods.sort_unstable_by_key(|pod| self.pod(*pod).serial);
        for pod in pods {
            let spec = self.shape(self.pod(pod).shape);
            let identity = self.identity_of(Some(pod));
            self.devices.note_pod_of((name, &mut devices), spec, identity, stays(pod))?;
        }
        Ok(devices)
    }

    /// Gives a node of this name, which need not be there yet, what it brings.
    pub fn give_devices(&mut self, devices: &NodeDevices, node: &str) {
        if !devices.is_empty() {
            let undo = self.devices.give_to_node(devices, node);
            self.note_devices_undo(undo);
            self.nodes_changed();
        }
    }

    /// The same where the node `like` was given them before. Cheaper, as nothing has to be looked up.
    pub fn give_devices_like(&mut self, devices: &NodeDevices, like: &str, node: &str) {
        if !devices.is_empty() {
            let undo = self.devices.give_to_node_like(devices, like, node);
            self.note_devices_undo(undo);
            self.nodes_changed();
        }
    }

    /// A driver says what it offers.
    pub fn add_slice(&mut self, slice: ResourceSliceObject) {
        let undo = self.devices.add_slice(slice);
        self.note_devices_undo(undo);
        self.nodes_changed();
    }

    /// The slices that only this node reaches go with it.
    pub(super) fn remove_slices_of(&mut self, node: NodeId) {
        if self.devices.has_slices() {
            let name = Arc::clone(&self.nodes.get(node).name);
            let undo = self.devices.remove_slices_of(&name);
            if !undo.is_nothing() {
                self.note_devices_undo(undo);
            }
        }
    }

    /// Whether a pod names claims.
    #[must_use]
    pub fn has_claims(&self, pod: PodId) -> bool {
        !self.shape(self.pod(pod).shape).resource_claims.is_empty()
    }

    /// Binds a pod as Cluster Autoscaler tries it: its claims get devices of the node. Devices that
    /// stand for extended resources are not held, as upstream leaves that step to the scheduler.
    pub fn bind_with_devices(&mut self, pod: PodId, node: NodeId, at: SimTime) {
        if self.has_claims(pod) {
            self.reserve_devices(pod, node);
        }
        self.bind(pod, node, at);
    }

    /// Takes a pod off its node, to be placed anew; what its claims hold is given back.
    pub fn unbind_with_devices(&mut self, pod: PodId) {
        if self.has_claims(pod) {
            self.change_claims_of(pod, |devices, spec, identity| devices.unreserve(spec, identity));
        }
        self.unbind(pod);
    }

    /// Forgets the claims of pods that go with a node.
    pub fn forget_claims_on(&mut self, node: NodeId) {
        if self.devices.is_empty() {
            return;
        }
        let mut pods = self.node(node).pods.clone();
        pods.retain(|pod| self.has_claims(*pod));
        for pod in pods {
            self.change_claims_of(pod, |devices, spec, identity| {
                devices.forget_pod(spec, identity)
            });
        }
    }

    fn change_claims_of(
        &mut self,
        pod: PodId,
        change: impl FnOnce(
            &mut crate::devices::Devices,
            &crate::pod::PodSpec,
            PodIdentity<'_>,
        ) -> crate::devices::DevicesUndo,
    ) {
        let spec = Arc::clone(self.catalog.shape(self.pod(pod).shape));
        let (name, uid) = (Arc::clone(&self.pod(pod).name), self.pods.uid(pod).to_owned());
        let undo = change(&mut self.devices, &spec, PodIdentity { name: &name, uid: &uid });
        self.note_devices_undo(undo);
    }

    /// The pool of the node's own devices that its pods use most, as `driver/pool`, and how much of
    /// it; `None` when the node has none.
    ///
    /// # Errors
    /// A claim of a pod there holds nothing, or a pool is not whole.
    pub fn highest_pool_use(&self, node: NodeId) -> Result<Option<(String, f64)>, String> {
        if !self.devices.has_slices() {
            return Ok(None);
        }
        let pods = self.node(node).pods.iter();
        let claims: Vec<_> =
            pods.flat_map(|pod| self.devices.claims_of(self.shape(self.pod(*pod).shape))).collect();
        self.devices.highest_pool_use(self.node_name(node), &claims)
    }

    /// Whether a node brings devices of its own.
    #[must_use]
    pub fn has_own_devices(&self, node: NodeId) -> bool {
        self.devices.has_slices() && self.devices.has_slices_of(self.node_name(node))
    }
}
