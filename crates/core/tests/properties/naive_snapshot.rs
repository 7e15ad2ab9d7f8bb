//! What the naive scheduler looks at: nodes and pods as plain lists, read anew for every question.

use std::collections::BTreeMap;

use plimsoll_core::cluster::{Cluster, Workload};
use plimsoll_core::ids::{ImageId, NodeId, PodId, WorkloadId};
use plimsoll_core::scheduling::{Plugin, SchedulerProfile, SchedulerProfiles};
use plimsoll_core::taints::Taint;
use plimsoll_core::{Labels, PodSpec, ResourceMap};

/// What a cluster was told and does not tell again.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) profiles: SchedulerProfiles,
    /// Labels of the namespaces that have an object.
    pub(crate) namespaces: BTreeMap<String, Labels>,
    /// The selector of each service, by namespace and name; an empty one selects nothing.
    pub(crate) services: BTreeMap<(String, String), Labels>,
    /// The size of an image, as the first of the nodes that have it reported it: kube-scheduler
    /// keeps that for as long as one of them is there.
    pub(crate) image_sizes: BTreeMap<ImageId, i64>,
}

/// A cluster at one moment.
pub(crate) struct Snapshot<'a> {
    pub(crate) world: &'a World,
    pub(crate) cluster: &'a Cluster,
    /// In the order of their ids.
    pub(crate) nodes: Vec<NodeInfo<'a>>,
}

/// A node and the pods on it.
#[derive(Clone)]
pub(crate) struct NodeInfo<'a> {
    pub(crate) id: NodeId,
    pub(crate) name: &'a str,
    pub(crate) labels: Labels,
    pub(crate) taints: &'a [Taint],
    pub(crate) is_cordoned: bool,
    pub(crate) allocatable: &'a ResourceMap,
    pub(crate) images: Vec<ImageId>,
    pub(crate) features: &'a [String],
    pub(crate) pods: Vec<Placed<'a>>,
}

/// A pod that has a node, or is thought to have one.
#[derive(Clone, Copy)]
pub(crate) struct Placed<'a> {
    pub(crate) spec: &'a PodSpec,
    /// Its deletion was asked for.
    pub(crate) is_going: bool,
}

/// A pod that is to be placed.
pub(crate) struct Newcomer<'a> {
    pub(crate) spec: &'a PodSpec,
    pub(crate) owner: Option<&'a Workload>,
    /// The node that room was made on for it.
    pub(crate) nominated: Option<NodeId>,
    /// Pods that room was made for and that do not yield to it, with their nodes.
    pub(crate) rivals: Vec<(NodeId, Placed<'a>)>,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn of(cluster: &'a Cluster, world: &'a World) -> Snapshot<'a> {
        let mut nodes: Vec<NodeInfo<'a>> = Vec::new();
        for (id, node) in cluster.nodes() {
            let template = cluster.catalog().template(node.template);
            let mut labels = cluster.node_labels(id).clone();
            if let Some(hostname) = cluster.node_label(id, plimsoll_core::node::HOSTNAME_LABEL) {
                labels.insert(plimsoll_core::node::HOSTNAME_LABEL.to_owned(), hostname.to_owned());
            }
            nodes.push(NodeInfo {
                id,
                name: cluster.node_name(id),
                labels,
                taints: cluster.node_taints(id),
                is_cordoned: node.unschedulable,
                allocatable: &template.allocatable,
                images: cluster.catalog().images(node.images).iter().map(|one| one.0).collect(),
                features: &template.declared_features,
                pods: Vec::new(),
            });
        }
        for (id, pod) in cluster.pods() {
            if let Some(node) = nodes.iter_mut().find(|node| Some(node.id) == pod.node) {
                node.pods.push(Placed::of(cluster, id));
            }
        }
        Snapshot { world, cluster, nodes }
    }

    /// A pod of this kind in a cluster where room was made for nobody.
    pub(crate) fn newcomer(
        &self,
        spec: &'a PodSpec,
        controller: Option<WorkloadId>,
    ) -> Newcomer<'a> {
        let owner = controller.map(|id| self.cluster.workload(id));
        Newcomer { spec, owner, nominated: None, rivals: Vec::new() }
    }

    /// A pod that waits, among others that wait and that room was made for. Those that are gated or
    /// about to go count for nothing. `itself` is `None` for one that is yet to come.
    pub(crate) fn newcomer_among_rivals(
        &self,
        spec: &'a PodSpec,
        controller: Option<WorkloadId>,
        itself: Option<PodId>,
    ) -> Newcomer<'a> {
        let mut newcomer = self.newcomer(spec, controller);
        newcomer.nominated = itself.and_then(|id| self.cluster.pod(id).nominated);
        for (id, pod) in self.cluster.pods() {
            let Some(node) = pod.nominated else { continue };
            let rival = Placed::of(self.cluster, id);
            let yields = rival.spec.priority < spec.priority;
            let waits = pod.node.is_none() && !rival.is_going && !self.is_gated(rival.spec);
            if waits && Some(id) != itself && !yields {
                newcomer.rivals.push((node, rival));
            }
        }
        newcomer
    }

    /// Whether a pod with this spec is not tried at all.
    pub(crate) fn is_gated(&self, spec: &PodSpec) -> bool {
        let gates = &self.profile_of(spec).pre_enqueue;
        gates.contains(&Plugin::SchedulingGates) && !spec.scheduling_gates.is_empty()
    }

    /// The profile that judges pods with this spec.
    pub(crate) fn profile_of(&self, spec: &PodSpec) -> SchedulerProfile {
        self.world.profiles.of(&spec.scheduler_name).cloned().unwrap_or_default()
    }
}

impl<'a> Placed<'a> {
    fn of(cluster: &'a Cluster, id: PodId) -> Placed<'a> {
        let pod = cluster.pod(id);
        Placed { spec: cluster.shape(pod.shape), is_going: pod.deletion_at.is_some() }
    }
}

impl NodeInfo<'_> {
    /// What the pods on it ask for.
    pub(crate) fn requested(&self, resource: &str) -> i64 {
        let asked = self.pods.iter().map(|pod| pod.spec.requests.get(resource).copied());
        asked.map(Option::unwrap_or_default).sum()
    }

    pub(crate) fn allocatable(&self, resource: &str) -> i64 {
        self.allocatable.get(resource).copied().unwrap_or(0)
    }

    pub(crate) fn has_all_keys<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> bool {
        keys.into_iter().all(|key| self.labels.contains_key(key))
    }
}
