//! A random cluster to begin with, and what the tests keep beside it.

use std::collections::BTreeSet;

use plimsoll_core::cluster::{Cluster, WorkloadKey};
use plimsoll_core::ids::{NodeId, ShapeId, WorkloadId};
use plimsoll_core::labels::{LabelSelector, Operator};
use plimsoll_core::scheduling::SchedulerProfiles;
use plimsoll_core::workload::{
    CountOrPercent, DisruptionBudgetObject, DisruptionRule, WorkloadKind,
};
use plimsoll_core::{Labels, PodSpec, SimTime};
use proptest::prelude::*;

use crate::cluster_steps::{Service, add_node, add_pod, namespace, service};
use crate::naive_snapshot::World;
use crate::random_nodes::{NodeDraft, node_drafts, nodes_in_many_racks};
use crate::random_pods::{NAMESPACES, pod_specs, requirement};
use crate::random_profiles::profiles;

/// The controllers that every fixture has; the selector of each is `app=web` at first.
pub(crate) const OWNERS: [(WorkloadKind, &str); 5] = [
    (WorkloadKind::ReplicaSet, NAMESPACES[0]),
    (WorkloadKind::ReplicationController, NAMESPACES[0]),
    (WorkloadKind::StatefulSet, NAMESPACES[1]),
    (WorkloadKind::Job, NAMESPACES[0]),
    (WorkloadKind::ReplicaSet, NAMESPACES[2]),
];

/// What a cluster begins with.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    profiles: SchedulerProfiles,
    nodes: Vec<NodeDraft>,
    namespaces: Vec<(&'static str, Labels)>,
    services: Vec<Service>,
    pub(crate) specs: Vec<PodSpec>,
    /// Kinds of the pods that are there, and numbers of their nodes.
    placed: Vec<(usize, usize)>,
}

/// What the tests know of a cluster that it does not tell.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub(crate) world: World,
    /// The kinds of pods there may be.
    pub(crate) specs: Vec<PodSpec>,
}

pub(crate) fn beginning() -> impl Strategy<Value = Beginning> {
    beginning_with(node_drafts())
}

/// A beginning with a topology key of more domains than are told apart one by one.
pub(crate) fn beginning_in_many_racks() -> impl Strategy<Value = Beginning> {
    beginning_with(nodes_in_many_racks())
}

fn beginning_with(
    nodes: impl Strategy<Value = Vec<NodeDraft>>,
) -> impl Strategy<Value = Beginning> {
    (
        profiles(),
        nodes,
        prop::collection::vec(namespace(), 0..3),
        prop::collection::vec(service(), 0..3),
        pod_specs(),
        prop::collection::vec((0..1000_usize, 0..1000_usize), 0..10),
    )
        .prop_map(|(profiles, nodes, namespaces, services, specs, placed)| Beginning {
            profiles,
            nodes,
            namespaces,
            services,
            specs,
            placed,
        })
}

impl Beginning {
    /// The cluster.
    pub(crate) fn build(&self) -> (Cluster, Stage) {
        let mut cluster = Cluster::with_profiles(&self.profiles);
        let world = World { profiles: self.profiles.clone(), ..World::default() };
        let mut stage = Stage { world, specs: self.specs.clone() };
        add_owners_and_budget(&mut cluster);
        for (name, labels) in &self.namespaces {
            cluster.set_namespace(name, labels.clone());
            stage.world.namespaces.insert((*name).to_owned(), labels.clone());
        }
        for service in &self.services {
            service.apply(&mut cluster, &mut stage);
        }
        let nodes: Vec<NodeId> =
            self.nodes.iter().map(|draft| add_node(&mut cluster, &mut stage, draft)).collect();
        for (kind, node) in self.placed.iter().filter(|_| !nodes.is_empty()) {
            let shape = stage.shape(&mut cluster, *kind);
            let pod = add_pod(&mut cluster, shape, None);
            cluster.bind(pod, nodes[node % nodes.len()], SimTime(0));
        }
        (cluster, stage)
    }

    /// The same without gates and other profiles than the default.
    pub(crate) fn ungated_and_judged_by_default(mut self) -> Beginning {
        self.profiles = SchedulerProfiles::default();
        for spec in &mut self.specs {
            spec.scheduling_gates.clear();
            spec.scheduler_name.clone_from(&self.profiles.profiles[0].scheduler_name);
        }
        self
    }
}

fn add_owners_and_budget(cluster: &mut Cluster) {
    for (number, (kind, namespace)) in OWNERS.into_iter().enumerate() {
        let owner = cluster.intern_workload(WorkloadKey::new(kind, namespace, "web"));
        assert_eq!(owner, WorkloadId::at(number));
        cluster.update_workload(owner, |one| {
            let app = requirement("app", Operator::In, &["web"]);
            one.selector = Some(LabelSelector { requirements: vec![app] });
            one.exists = true;
        });
    }
    cluster.add_budget(DisruptionBudgetObject {
        namespace: NAMESPACES[0].to_owned(),
        name: "all".to_owned(),
        selector: Some(LabelSelector::default()),
        rule: DisruptionRule::MinAvailable(CountOrPercent::Count(1)),
        disruptions_allowed: Some(3),
        disrupted_pods: BTreeSet::new(),
    });
}

impl Stage {
    /// The shape of pods of a kind, which may be new to the cluster.
    pub(crate) fn shape(&self, cluster: &mut Cluster, kind: usize) -> ShapeId {
        cluster.intern_shape(&self.specs[kind % self.specs.len()])
    }

    /// A node came: of images that no other node has it says the size.
    pub(crate) fn note_images(&mut self, cluster: &Cluster, node: NodeId) {
        let images_of = |node: NodeId| cluster.catalog().images(cluster.node(node).images);
        for (image, size_bytes) in images_of(node).iter() {
            let mut others = cluster.nodes().map(|(id, _)| id).filter(|id| *id != node);
            if others.all(|other| images_of(other).iter().all(|(one, _)| one != image)) {
                self.world.image_sizes.insert(*image, *size_bytes);
            }
        }
    }

    /// The controllers that pods with this spec may have.
    pub(crate) fn owners_of(spec: &PodSpec) -> Vec<Option<WorkloadId>> {
        let of_namespace = |number: &usize| OWNERS[*number].1 == spec.namespace;
        let owners = (0..OWNERS.len()).filter(of_namespace).map(WorkloadId::at).map(Some);
        [None].into_iter().chain(owners).collect()
    }
}
