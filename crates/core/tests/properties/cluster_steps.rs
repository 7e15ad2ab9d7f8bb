//! What may be done to a cluster, on forks and outside.

use plimsoll_core::cluster::Cluster;
use plimsoll_core::ids::{NodeId, PodId, ShapeId, WorkloadId};
use plimsoll_core::labels::LabelSelector;
use plimsoll_core::taints::Taint;
use plimsoll_core::{Labels, NodeBirth, PodBirth, SimTime};
use proptest::prelude::*;
use proptest::sample::select;

use crate::random_nodes::{NodeDraft, node_draft, taints};
use crate::random_pods::{NAMESPACES, labels, owner_selector};
use crate::stage::{OWNERS, Stage};

/// Something that is done to a cluster.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Do(Change),
    /// A fork, what is done on it, and what becomes of it.
    Fork(Vec<Step>, ForkEnd),
}

/// What becomes of a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForkEnd {
    Drop,
    /// Kept by the fork around it; dropped where there is none.
    Commit,
    /// Taken back, done once more, and dropped.
    Revert,
}

/// One change. Numbers choose among what there is, going round; without any nothing happens.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    AddNode(NodeDraft),
    AddNodeLike(usize),
    /// A node goes, its pods taken off it first. One that room was made on stays while a fork is
    /// open.
    RemoveNode(usize),
    Taint(usize, Vec<Taint>),
    Cordon(usize, bool),
    /// A pod of this kind and perhaps of an owner; kinds become known when their first pod comes.
    AddPod(usize, Option<usize>),
    /// The same, and it is bound at once.
    AddBound(usize, usize),
    Bind(usize, usize),
    Unbind(usize),
    UseBudget(i64),
    RefreshBudgets,
    /// What happens outside forks only.
    Observe(Observation),
}

/// A change that is not tried but seen: on a fork nothing happens.
#[derive(Clone, Debug)]
pub(crate) enum Observation {
    RemovePod(usize),
    /// A pod's deletion is asked for, or that is taken back.
    Going(usize, bool),
    /// Room was made for a pod that waits, or nowhere any more.
    Nominate(usize, Option<usize>),
    /// An owner changes its selector, or its object goes.
    Select(usize, Option<LabelSelector>),
    Namespace(&'static str, Labels),
    Service(Service),
}

/// A service comes, or the one of this name changes.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    namespace: &'static str,
    name: &'static str,
    selector: Labels,
}

impl Service {
    pub(crate) fn apply(&self, cluster: &mut Cluster, stage: &mut Stage) {
        cluster.set_service(self.namespace, self.name, self.selector.clone());
        let key = (self.namespace.to_owned(), self.name.to_owned());
        stage.world.services.insert(key, self.selector.clone());
    }
}

impl Change {
    /// Makes the change.
    pub(crate) fn apply(&self, cluster: &mut Cluster, stage: &mut Stage, is_forked: bool) {
        let nodes: Vec<NodeId> = cluster.nodes().map(|(id, _)| id).collect();
        let node = |number: usize| chosen(&nodes, number);
        match self {
            Change::AddNode(draft) => drop(add_node(cluster, stage, draft)),
            Change::AddNodeLike(original) => {
                let Some(original) = node(*original) else { return };
                let original = cluster.node(original).clone();
                let added =
                    cluster.add_node_like(&original, &next_name(cluster), original.created_at);
                stage.note_images(cluster, added);
            }
            Change::RemoveNode(number) => {
                let Some(node) = node(*number) else { return };
                let nominated = |one: &PodId| cluster.pod(*one).nominated == Some(node);
                let nominated: Vec<PodId> =
                    pods(cluster, |_| true).into_iter().filter(nominated).collect();
                if is_forked && !nominated.is_empty() {
                    return;
                }
                nominated.into_iter().for_each(|pod| cluster.set_nominated(pod, None));
                remove_node(cluster, node);
            }
            Change::Taint(number, taints) => {
                let Some(node) = node(*number) else { return };
                cluster.set_taints(node, taints);
            }
            Change::Cordon(number, cordoned) => {
                let Some(node) = node(*number) else { return };
                cluster.set_unschedulable(node, *cordoned);
            }
            Change::AddPod(kind, owner) => {
                let shape = stage.shape(cluster, *kind);
                add_pod(cluster, shape, *owner);
            }
            Change::AddBound(kind, number) => {
                let Some(node) = node(*number) else { return };
                let shape = stage.shape(cluster, *kind);
                let pod = add_pod(cluster, shape, None);
                cluster.bind(pod, node, SimTime(0));
            }
            Change::Bind(pod, number) => {
                let Some(pod) = chosen(&pods(cluster, |node| node.is_none()), *pod) else { return };
                let Some(node) = node(*number) else { return };
                cluster.bind(pod, node, SimTime(0));
            }
            Change::Unbind(pod) => {
                let Some(pod) = chosen(&pods(cluster, |node| node.is_some()), *pod) else { return };
                cluster.unbind(pod);
            }
            Change::UseBudget(count) => {
                let budget = cluster.budgets().map(|(id, _)| id).next();
                cluster.use_budget(budget.expect("every fixture has one"), *count);
            }
            Change::RefreshBudgets => cluster.refresh_budgets(),
            Change::Observe(observation) if !is_forked => observation.apply(cluster, stage, &nodes),
            Change::Observe(_) => {}
        }
    }
}

impl Observation {
    fn apply(&self, cluster: &mut Cluster, stage: &mut Stage, nodes: &[NodeId]) {
        match self {
            Observation::RemovePod(pod) => {
                let Some(pod) = chosen(&pods(cluster, |_| true), *pod) else { return };
                cluster.remove_pod(pod);
            }
            Observation::Going(pod, is_going) => {
                let Some(pod) = chosen(&pods(cluster, |_| true), *pod) else { return };
                cluster.set_deletion(pod, is_going.then_some(SimTime(1)));
            }
            Observation::Nominate(pod, node) => {
                let Some(pod) = chosen(&pods(cluster, |node| node.is_none()), *pod) else { return };
                cluster.set_nominated(pod, node.and_then(|number| chosen(nodes, number)));
            }
            Observation::Select(owner, selector) => {
                let owner = WorkloadId::at(owner % OWNERS.len());
                let is_a_map = cluster.workload(owner).key.kind == "ReplicationController";
                cluster.update_workload(owner, |one| {
                    one.exists = selector.is_some();
                    if let Some(selector) = selector {
                        let mut selector = selector.clone();
                        selector.requirements.retain(|one| !is_a_map || one.values.len() == 1);
                        one.selector = Some(selector);
                    }
                });
            }
            Observation::Namespace(name, labels) => {
                cluster.set_namespace(name, labels.clone());
                stage.world.namespaces.insert((*name).to_owned(), labels.clone());
            }
            Observation::Service(service) => service.apply(cluster, stage),
        }
    }
}

fn chosen<T: Copy>(all: &[T], number: usize) -> Option<T> {
    (!all.is_empty()).then(|| all[number % all.len()])
}

/// The pods whose place is such.
fn pods(cluster: &Cluster, is_such: impl Fn(Option<NodeId>) -> bool) -> Vec<PodId> {
    cluster.pods().filter(|(_, pod)| is_such(pod.node)).map(|(id, _)| id).collect()
}

fn remove_node(cluster: &mut Cluster, node: NodeId) {
    for pod in cluster.node(node).pods.clone() {
        cluster.unbind(pod);
    }
    cluster.remove_node(node);
}

pub(crate) fn add_node(cluster: &mut Cluster, stage: &mut Stage, draft: &NodeDraft) -> NodeId {
    let name = next_name(cluster);
    let spec = draft.named(&name);
    let node = cluster.add_node(NodeBirth { name, spec, ready: true, ..NodeBirth::default() });
    stage.note_images(cluster, node);
    node
}

/// The first of n0, n1, ... that no node has.
fn next_name(cluster: &Cluster) -> String {
    (0..)
        .map(|number| format!("n{number}"))
        .find(|name| cluster.nodes().all(|(_, node)| *node.name != **name))
        .expect("there are more names than nodes")
}

/// A pod of this shape that waits. Owners are of its namespace or none.
pub(crate) fn add_pod(cluster: &mut Cluster, shape: ShapeId, owner: Option<usize>) -> PodId {
    let owner = owner.map(|number| WorkloadId::at(number % OWNERS.len()));
    let namespace = &cluster.shape(shape).namespace;
    let controller = owner.filter(|id| cluster.workload(*id).key.namespace == *namespace);
    let (name, created_at) = ("p".into(), SimTime(0));
    cluster.add_pod(PodBirth { name, shape, controller, created_at })
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = change().prop_map(Step::Do).prop_recursive(3, 60, 12, |inner| {
        let end = select(vec![ForkEnd::Drop, ForkEnd::Commit, ForkEnd::Revert]);
        (prop::collection::vec(inner, 1..12), end).prop_map(|(steps, end)| Step::Fork(steps, end))
    });
    prop::collection::vec(step, 1..16)
}

fn number() -> impl Strategy<Value = usize> {
    0..1000_usize
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => node_draft().prop_map(Change::AddNode),
        1 => number().prop_map(Change::AddNodeLike),
        2 => number().prop_map(Change::RemoveNode),
        1 => (number(), taints()).prop_map(|(node, taints)| Change::Taint(node, taints)),
        1 => (number(), any::<bool>()).prop_map(|(node, cordoned)| Change::Cordon(node, cordoned)),
        3 => (number(), prop::option::of(number()))
            .prop_map(|(kind, owner)| Change::AddPod(kind, owner)),
        5 => (number(), number()).prop_map(|(kind, node)| Change::AddBound(kind, node)),
        5 => (number(), number()).prop_map(|(pod, node)| Change::Bind(pod, node)),
        3 => number().prop_map(Change::Unbind),
        1 => (0..3_i64).prop_map(Change::UseBudget),
        1 => Just(Change::RefreshBudgets),
        5 => observation().prop_map(Change::Observe),
    ]
}

fn observation() -> impl Strategy<Value = Observation> {
    let selector = prop_oneof![1 => Just(None), 3 => owner_selector().prop_map(Some)];
    prop_oneof![
        2 => number().prop_map(Observation::RemovePod),
        2 => (number(), any::<bool>()).prop_map(|(pod, going)| Observation::Going(pod, going)),
        3 => (number(), prop::option::weighted(0.8, number()))
            .prop_map(|(pod, node)| Observation::Nominate(pod, node)),
        2 => (number(), selector).prop_map(|(owner, selector)| Observation::Select(owner, selector)),
        1 => namespace().prop_map(|(name, labels)| Observation::Namespace(name, labels)),
        1 => service().prop_map(Observation::Service),
    ]
}

/// A namespace with an object; the last one never has one.
pub(crate) fn namespace() -> impl Strategy<Value = (&'static str, Labels)> {
    let labels = select(vec![labels("team", "a"), labels("team", "b"), Labels::new()]);
    (select(NAMESPACES[..2].to_vec()), labels)
}

pub(crate) fn service() -> impl Strategy<Value = Service> {
    let selector = select(vec![
        labels("app", "web"),
        labels("app", "web"),
        labels("app", "db"),
        labels("tier", "x"),
        Labels::new(),
    ]);
    (select(NAMESPACES.to_vec()), select(vec!["one", "two"]), selector)
        .prop_map(|(namespace, name, selector)| Service { namespace, name, selector })
}
