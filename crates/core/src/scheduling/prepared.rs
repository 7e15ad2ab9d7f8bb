//! What is found out about a pod before any node is looked at, and what then keeps it off nodes
//! beyond what is local to a node.

use std::sync::Arc;

use super::Kind;
use super::profile::Plugin;
use super::refusal::Refusal;
use super::topology::FilterPlan;
use crate::cluster::Cluster;
use crate::devices::{self, DeviceCycle, NodeAllocation, NodeRefusal, PodIdentity, PreFilter};
use crate::ids::{NodeId, PodId, ShapeId};
use crate::storage::{NodeView, VolumePlan, VolumeUse};
use crate::time::SimTime;

/// What PreFilter plugins keep for their filters. It holds as long as the cluster stays as it is;
/// on a trial that adds or takes away pods see [`Prepared::pod_came`].
#[derive(Clone, Debug, Default)]
pub(super) struct Prepared {
    pub(super) filters: Option<Arc<FilterPlan>>,
    /// InterPodAffinity had nothing to say before the trial. Upstream then does not ask it again,
    /// not even about pods that come with the trial and want nobody near them.
    pub(super) skips_pod_affinity: bool,
    volumes: Option<(Arc<VolumeUse>, VolumePlan)>,
    pub(super) devices: Option<DeviceCycle>,
}

impl Prepared {
    /// Whether filters must be asked that no index knows about.
    pub(super) fn asks_beyond_indexes(&self) -> bool {
        self.devices.is_some() || self.volumes.as_ref().is_some_and(|(_, plan)| !plan.is_empty())
    }

    /// A pod was put on a node for a trial.
    pub(super) fn pod_came(&mut self, cluster: &Cluster, pod: PodId) {
        self.restrict(cluster, pod, true);
    }

    /// A pod was taken off its node for a trial.
    pub(super) fn pod_left(&mut self, cluster: &Cluster, pod: PodId) {
        self.restrict(cluster, pod, false);
    }

    fn restrict(&mut self, cluster: &Cluster, pod: PodId, comes: bool) {
        let restrictions = self.volumes.as_mut().and_then(|(_, plan)| plan.restrictions.as_mut());
        let Some(restrictions) = restrictions else { return };
        let Some(other) = cluster.storage.use_of(cluster.pod(pod).shape) else { return };
        if comes {
            restrictions.pod_came(&cluster.storage, other);
        } else {
            restrictions.pod_left(&cluster.storage, other);
        }
    }
}

impl Cluster {
    /// Runs the PreFilter plugins for a kind of pod.
    ///
    /// # Errors
    /// The refusal of the first plugin, in the profile's order, that refuses the pod as a whole.
    pub(super) fn prepare(&self, kind: Kind) -> Result<Prepared, Refusal> {
        let shape = kind.shape;
        let rules = self.catalog.rules(self.catalog.fit(self.catalog.fit_of(shape)).rules);
        let book = self.catalog.rulebook(rules.profile);
        let pre_filters = &book.profile.pre_filters;
        let filters = self.topology.filters(shape).cloned();
        let skips_pod_affinity = self.has_no_pod_affinity(shape, filters.as_deref());
        let mut prepared = Prepared { filters, skips_pod_affinity, ..Prepared::default() };
        let mut refusals: Vec<Refusal> = Vec::new();
        if pre_filters.contains(&Plugin::NodeAffinity) && rules.contradict_themselves() {
            let reason = "pod affinity terms conflict";
            refusals.push(Refusal::of_pod(Plugin::NodeAffinity, reason));
        }
        if let Some(uses) = self.storage.use_of(shape) {
            match self.storage.plan(uses, pre_filters) {
                Ok(plan) => prepared.volumes = Some((Arc::clone(uses), plan)),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if pre_filters.contains(&Plugin::DynamicResources) && self.may_want_devices(shape) {
            let arguments = book.profile.arguments.dynamic_resources;
            let identity = self.identity_of(kind.pod);
            let spec = self.shape(shape);
            match self.devices.pre_filter(spec, identity, self.looked_at, arguments) {
                PreFilter::Skip => {}
                PreFilter::Ask(cycle) => prepared.devices = Some(cycle),
                PreFilter::Refused(refusal) => refusals.push(refusal),
            }
        }
        let place = |one: &Refusal| pre_filters.iter().position(|plugin| *plugin == one.plugin);
        match refusals.into_iter().min_by_key(place) {
            Some(first) => Err(first),
            None => Ok(prepared),
        }
    }

    /// A node as plugins about volumes and devices see it.
    pub(super) fn view_of(&self, node: NodeId) -> NodeView<'_> {
        let hostname = self.nodes.get(node).hostname.as_deref();
        NodeView { name: self.node_name(node), labels: self.node_labels(node), hostname }
    }

    /// What a plugin about volumes says of a node.
    pub(super) fn volume_refusal(
        &self,
        prepared: &Prepared,
        plugin: Plugin,
        node: NodeId,
    ) -> Option<Refusal> {
        let (uses, plan) = prepared.volumes.as_ref()?;
        self.storage.refusal(uses, plan, plugin, &self.view_of(node))
    }

    /// Whether pods of a shape may want devices: they have claims, or ask for resources that devices
    /// may stand for.
    #[inline]
    #[must_use]
    pub fn may_want_devices(&self, shape: ShapeId) -> bool {
        let spec = self.catalog.shape(shape);
        !spec.resource_claims.is_empty()
            || (!self.devices.is_empty()
                && spec
                    .requests
                    .keys()
                    .any(|name| self.devices.extended_resource_class(name).is_some()))
    }

    /// Who a pod is, for claims that are its own.
    pub(crate) fn identity_of(&self, pod: Option<PodId>) -> PodIdentity<'_> {
        pod.map_or_else(PodIdentity::default, |id| PodIdentity {
            name: &self.pod(id).name,
            uid: self.pods.uid(id),
        })
    }

    /// What devices a node would give to a pod, or why it gives none.
    pub(super) fn devices_on(
        &self,
        shape: ShapeId,
        cycle: &DeviceCycle,
        node: NodeId,
    ) -> Result<NodeAllocation, NodeRefusal> {
        self.with_device_view(node, |view| self.devices.filter(self.shape(shape), cycle, view))
    }

    /// Shows a node as devices see it.
    pub(super) fn with_device_view<Answer>(
        &self,
        node: NodeId,
        ask: impl FnOnce(&devices::NodeView<'_>) -> Answer,
    ) -> Answer {
        let template = self.catalog.template(self.nodes.get(node).template);
        ask(&devices::NodeView {
            name: self.node_name(node),
            label: &|key| self.node_label(node, key),
            allocatable: &|name| template.allocatable.get(name).copied(),
        })
    }

    /// Whether something other than what is local to a node keeps a pod of this shape off it.
    pub(super) fn is_kept_off(&self, shape: ShapeId, prepared: &Prepared, node: NodeId) -> bool {
        let book = self.rulebook_of(shape);
        let filters = prepared.filters.as_deref();
        (book.filters_by(Plugin::PodTopologySpread)
            && filters.is_some_and(|filters| self.breaks_spread(filters, node)))
            || (book.filters_by(Plugin::InterPodAffinity)
                && self.pod_affinity_refusal(shape, filters, node).is_some())
            || (prepared.asks_beyond_indexes()
                && self.refusal_beyond_indexes(shape, prepared, node).is_some())
    }

    /// The first refusal by a filter that no index knows about.
    pub(super) fn refusal_beyond_indexes(
        &self,
        shape: ShapeId,
        prepared: &Prepared,
        node: NodeId,
    ) -> Option<Refusal> {
        let filters = self.rulebook_of(shape).profile.filters.iter();
        filters.copied().find_map(|plugin| match plugin {
            Plugin::DynamicResources => self.device_refusal(shape, prepared, node),
            plugin => self.volume_refusal(prepared, plugin, node),
        })
    }

    /// What DynamicResources says of a node.
    pub(super) fn device_refusal(
        &self,
        shape: ShapeId,
        prepared: &Prepared,
        node: NodeId,
    ) -> Option<Refusal> {
        let cycle = prepared.devices.as_ref()?;
        self.devices_on(shape, cycle, node).err().map(|refused| refused.refusal)
    }

    /// Binds a pod to the node that was chosen for it; its claims get their volumes, those too that
    /// are yet to be made.
    pub fn place(&mut self, pod: PodId, node: NodeId, at: SimTime) {
        self.reserve(pod, node, true);
        self.bind(pod, node, at);
    }

    /// Gives the claims of a pod that is about to be bound what was found for them on the node. With
    /// `provisions`, volumes that are to be made are there at once.
    pub(super) fn reserve(&mut self, pod: PodId, node: NodeId, provisions: bool) {
        let one = self.pod(pod);
        let kind = Kind { shape: one.shape, controller: one.controller, pod: Some(pod) };
        if self.storage.use_of(kind.shape).is_none() && !self.may_want_devices(kind.shape) {
            return;
        }
        let Ok(prepared) = self.prepare(kind) else { return };
        if let Some((uses, plan)) = &prepared.volumes {
            self.reserve_volumes(pod, node, (uses, plan), provisions);
        }
        if let Some(cycle) = &prepared.devices {
            self.reserve_found(pod, node, cycle);
        }
    }

    /// Gives the claims of a pod that is about to be bound the devices that the node has for them.
    pub(crate) fn reserve_devices(&mut self, pod: PodId, node: NodeId) {
        let one = self.pod(pod);
        let kind = Kind { shape: one.shape, controller: one.controller, pod: Some(pod) };
        if let Ok(Prepared { devices: Some(cycle), .. }) = self.prepare(kind) {
            self.reserve_found(pod, node, &cycle);
        }
    }

    fn reserve_found(&mut self, pod: PodId, node: NodeId, cycle: &DeviceCycle) {
        let shape = self.pod(pod).shape;
        let Ok(allocation) = self.devices_on(shape, cycle, node) else { return };
        let spec = Arc::clone(self.catalog.shape(shape));
        let (name, uid) = (Arc::clone(&self.pod(pod).name), self.pods.uid(pod).to_owned());
        let identity = PodIdentity { name: &name, uid: &uid };
        let undo = self.devices.reserve(&spec, identity, cycle, allocation);
        self.note_devices_undo(undo);
    }

    fn reserve_volumes(
        &mut self,
        pod: PodId,
        node: NodeId,
        (uses, plan): (&VolumeUse, &VolumePlan),
        provisions: bool,
    ) {
        let pod_name = Arc::clone(&self.pod(pod).name);
        let bindings = self.storage.bindings(uses, plan, &self.view_of(node));
        let node_name = self.node_name(node).to_owned();
        if let Some(undo) = self.storage.reserve(uses, &bindings, &pod_name, &node_name) {
            self.note_storage_undo(undo);
        }
        if !provisions {
            return;
        }
        let labels = self.node_labels(node).clone();
        let hostname = self.nodes.get(node).hostname.clone();
        let view = NodeView { name: &node_name, labels: &labels, hostname: hostname.as_deref() };
        for claim in bindings.claims_to_be_made() {
            if let Some(undo) = self.storage.provision(claim, &view) {
                self.note_storage_undo(undo);
            }
        }
    }
}
