//! The fast answers held against the naive ones.

use plimsoll_core::cluster::Cluster;
use plimsoll_core::ids::{NodeId, PodId, ShapeId, WorkloadId};
use plimsoll_core::scheduling::Judgement;
use plimsoll_core::{PodBirth, PodSpec, SimTime};

use crate::TIE_SEED;
use crate::naive_scheduler::{judge, judge_ungated, ports_conflict, refusals};
use crate::naive_snapshot::{Placed, Snapshot};
use crate::random_nodes::RESOURCES;
use crate::stage::Stage;

/// Everything that the cluster says of pods of one kind.
pub(crate) fn compare_answers(cluster: &mut Cluster, stage: &Stage, kind: usize) {
    let spec = &stage.specs[kind % stage.specs.len()];
    let shape = stage.shape(cluster, kind);
    compare_fits(cluster, stage, spec, shape, kind);
    for owner in Stage::owners_of(spec) {
        compare_best_node(cluster, stage, (spec, shape), owner);
    }
    let owners = Stage::owners_of(spec);
    compare_judgement(cluster, stage, (spec, shape), owners[kind % owners.len()]);
    let waiting: Vec<PodId> =
        cluster.unbound_pods().filter(|id| is_waiting(cluster, *id)).collect();
    if !waiting.is_empty() {
        compare_judgement_of_waiting(cluster, stage, waiting[kind % waiting.len()]);
    }
}

/// Pods without a node are listed as of the beginning of the outermost fork.
fn is_waiting(cluster: &Cluster, pod: PodId) -> bool {
    cluster.find_pod(pod).is_some_and(|pod| pod.node.is_none())
}

/// Where pods of a kind fit, whoever owns them and wherever room was made for others.
fn compare_fits(
    cluster: &mut Cluster,
    stage: &Stage,
    spec: &PodSpec,
    shape: ShapeId,
    number: usize,
) {
    let refused = {
        let snapshot = Snapshot::of(cluster, &stage.world);
        refusals(&snapshot, &snapshot.newcomer(spec, None))
    };
    for (node, refusal) in &refused {
        assert_eq!(cluster.refusal(shape, *node), *refusal, "on {node:?}");
        assert_eq!(cluster.fits(shape, *node), refusal.is_none(), "on {node:?}");
    }
    let fitting: Vec<NodeId> =
        refused.iter().filter(|one| one.1.is_none()).map(|one| one.0).collect();
    assert_eq!(cluster.count_fits(shape), fitting.len());

    let open: Vec<NodeId> =
        fitting.iter().copied().filter(|node| !cluster.node(*node).unschedulable).collect();
    for start in [0, 1, 63, 64, 1000].map(NodeId) {
        let next = open.iter().find(|node| **node >= start).or(open.first());
        assert_eq!(cluster.first_fit(shape, start), next.copied(), "from {start:?}");
    }
    let asked = refused.get(number % refused.len().max(1));
    for node in asked.into_iter().chain(refused.first()).map(|one| one.0) {
        let elsewhere = fitting.iter().any(|one| *one != node);
        assert_eq!(cluster.fits_elsewhere(shape, node), elsewhere, "than {node:?}");
    }
}

/// The scheduler's choice, gates aside.
fn compare_best_node(
    cluster: &mut Cluster,
    stage: &Stage,
    (spec, shape): (&PodSpec, ShapeId),
    owner: Option<WorkloadId>,
) {
    let judged = {
        let snapshot = Snapshot::of(cluster, &stage.world);
        judge_ungated(&snapshot, &snapshot.newcomer_among_rivals(spec, owner, None))
    };
    let chosen = cluster.best_node(shape, owner, TIE_SEED);
    match chosen {
        Some(node) => assert!(judged.best.contains(&node), "{node:?} for {owner:?}: {judged:#?}"),
        None => assert_eq!(judged.best, [], "none for {owner:?}: {judged:#?}"),
    }
    assert_eq!(cluster.best_node(shape, owner, TIE_SEED), chosen, "another answer");
}

/// What every node says to a pod that is yet to come.
fn compare_judgement(
    cluster: &mut Cluster,
    stage: &Stage,
    (spec, shape): (&PodSpec, ShapeId),
    controller: Option<WorkloadId>,
) {
    let expected = {
        let snapshot = Snapshot::of(cluster, &stage.world);
        judge(&snapshot, &snapshot.newcomer_among_rivals(spec, controller, None))
    };
    let mut fork = cluster.fork();
    let (name, created_at) = ("asks".into(), SimTime(0));
    let pod = fork.add_pod(PodBirth { name, shape, controller, created_at });
    assert_same(&fork.judge(pod), &expected);
}

fn compare_judgement_of_waiting(cluster: &mut Cluster, stage: &Stage, pod: PodId) {
    let expected = {
        let one = cluster.pod(pod);
        let snapshot = Snapshot::of(cluster, &stage.world);
        let spec = cluster.shape(one.shape);
        judge(&snapshot, &snapshot.newcomer_among_rivals(spec, one.controller, Some(pod)))
    };
    assert_same(&cluster.judge(pod), &expected);
    match cluster.choose_node(pod, TIE_SEED) {
        Some(node) => assert!(expected.best.contains(&node), "{node:?} for {pod:?}: {expected:#?}"),
        None => assert_eq!(expected.best, [], "none for {pod:?}: {expected:#?}"),
    }
}

/// Both say the same, node by node.
fn assert_same(judgement: &Judgement, expected: &Judgement) {
    for (one, other) in judgement.nodes.iter().zip(&expected.nodes) {
        assert_eq!(one, other);
    }
    assert_eq!(judgement, expected);
}

pub(crate) fn compare_sums(cluster: &Cluster, stage: &Stage) {
    for node in Snapshot::of(cluster, &stage.world).nodes {
        for name in RESOURCES {
            let Some(resource) = cluster.catalog().resource(name) else { continue };
            let pods = i64::try_from(node.pods.len()).expect("pods are few");
            let counted = if name == "pods" { pods } else { node.requested(name) };
            assert_eq!(cluster.requested(node.id, resource), counted, "{name} on {}", node.name);
            let has = node.allocatable(name);
            assert_eq!(cluster.allocatable(node.id, resource), has, "{name} of {}", node.name);
        }
    }
    for shape in (0..cluster.catalog().shape_count()).map(ShapeId::at) {
        let bound = cluster.pods().filter(|(_, pod)| pod.shape == shape && pod.node.is_some());
        assert_eq!(cluster.bound_of_shape(shape) as usize, bound.count());
    }
}

/// The node still holds what its pods ask for, and no port is taken twice.
pub(crate) fn check_room(cluster: &Cluster, stage: &Stage, pod: PodId, node: NodeId) {
    let spec = cluster.shape(cluster.pod(pod).shape);
    let snapshot = Snapshot::of(cluster, &stage.world);
    let node = snapshot.nodes.iter().find(|one| one.id == node).expect("it is there");
    for name in RESOURCES {
        let asks = spec.requests.get(name).is_some_and(|amount| *amount > 0);
        let (taken, has) = (node.requested(name), node.allocatable(name));
        assert!(!asks || taken <= has, "{taken} of {has} {name} are taken");
    }
    assert!(node.pods.len() <= usize::try_from(node.allocatable("pods")).expect("not negative"));
    let is_itself = |other: &&Placed<'_>| std::ptr::eq(other.spec, spec);
    let holders = node.pods.iter().filter(|other| ports_conflict(spec, other.spec));
    assert!(holders.count() <= node.pods.iter().filter(is_itself).count().min(1));
}

/// Whoever waits fits nowhere. Pods that others' coming may help are left out: a pass of the
/// scheduler tries each kind once.
pub(crate) fn check_that_nobody_fits(cluster: &Cluster, stage: &Stage) {
    let snapshot = Snapshot::of(cluster, &stage.world);
    for pod in cluster.unbound_pods() {
        let one = cluster.pod(pod);
        let spec = cluster.shape(one.shape);
        assert!(one.marked_unschedulable, "{pod:?} was not judged");
        let is_helped = !spec.pod_affinity.required.is_empty()
            || spec.topology_spread.iter().any(|constraint| constraint.hard);
        if is_helped {
            continue;
        }
        for (node, refusal) in refusals(&snapshot, &snapshot.newcomer(spec, one.controller)) {
            assert!(refusal.is_some(), "{pod:?} waits and fits on {node:?}");
        }
    }
}
