//! What must hold for every cluster, whatever was done to it: forks leave no trace, the indexed
//! answers are those of a naive scheduler, sums are those of a recount, nobody overcommits.

mod cluster_steps;
mod naive_scheduler;

use plimsoll_core::cluster::{Cluster, Pod};
use plimsoll_core::ids::{NodeId, PodId, ShapeId};
use plimsoll_core::scheduling::{Backoff, PodQueue};
use plimsoll_core::{NodeSpec, PodSpec, SimDuration, SimTime};
use proptest::prelude::*;

use cluster_steps::{ForkEnd, REPLICA_SET, Step, add_pod, cluster_of, node_spec, pod_spec, steps};

/// More clusters than this find nothing new, and a debug run should take seconds.
const CASES: u32 = 64;
/// The seed that ties are broken with.
const TIE_SEED: u64 = 7;

fn config() -> ProptestConfig {
    ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_fork_that_is_taken_back_leaves_no_trace_and_a_kept_one_leaves_all(
        first_nodes in first_nodes(),
        specs in pod_specs(),
        steps in steps(),
    ) {
        let (mut cluster, shapes) = cluster_of(&first_nodes, &specs);
        run(&mut cluster, &shapes, &steps, 0, &mut |_| {});
    }

    #[test]
    fn what_follows_a_dropped_fork_is_as_if_it_had_never_been(
        first_nodes in first_nodes(),
        specs in pod_specs(),
        steps in steps(),
    ) {
        let mut without_forks = steps.clone();
        without_forks.retain(|step| matches!(step, Step::Do(_)));
        let (mut forked, shapes) = cluster_of(&first_nodes, &specs);
        run(&mut forked, &shapes, &steps, 0, &mut |_| {});
        let (mut plain, _) = cluster_of(&first_nodes, &specs);
        run(&mut plain, &shapes, &without_forks, 0, &mut |_| {});
        prop_assert_eq!(places(&forked), places(&plain));
        prop_assert_eq!(forked.version(), plain.version());
        prop_assert_eq!(answers(&mut forked, &shapes), answers(&mut plain, &shapes));
    }

    #[test]
    fn indexed_answers_are_those_of_a_naive_scheduler_after_every_step(
        first_nodes in first_nodes(),
        specs in pod_specs(),
        steps in steps(),
    ) {
        let (mut cluster, shapes) = cluster_of(&first_nodes, &specs);
        let mut asked = 0;
        // One kind of pods is asked for at a time, so that the indexes of the others fall behind.
        run(&mut cluster, &shapes, &steps, 0, &mut |cluster| {
            asked += 1;
            compare_answers(cluster, shapes[asked % shapes.len()]);
        });
        for shape in &shapes {
            compare_answers(&mut cluster, *shape);
        }
    }

    #[test]
    fn sums_are_those_of_a_recount_after_every_step(
        first_nodes in first_nodes(),
        specs in pod_specs(),
        steps in steps(),
    ) {
        let (mut cluster, shapes) = cluster_of(&first_nodes, &specs);
        run(&mut cluster, &shapes, &steps, 0, &mut |cluster| compare_sums(cluster, &shapes));
    }

    #[test]
    fn passes_of_the_scheduler_never_overcommit_and_leave_nobody_who_fits(
        first_nodes in prop::collection::vec(node_spec(), 1..6),
        specs in pod_specs(),
        arrivals in prop::collection::vec((0..100_usize, 0..3_usize), 1..80),
        backoff_seconds in 0..3_i64,
    ) {
        let (mut cluster, shapes) = cluster_of(&first_nodes, &specs);
        let mut queue = PodQueue::new(Backoff {
            initial: SimDuration::from_secs(backoff_seconds),
            max: SimDuration::from_secs(4 * backoff_seconds),
        });
        for (second, (kind, leaving)) in (0..).zip(arrivals) {
            let now = SimTime(second * 1000);
            let pod = add_pod(&mut cluster, shapes[kind % shapes.len()]);
            queue.push(&cluster, pod, now);
            let bound = queue.pass(&mut cluster, now, TIE_SEED);
            for (pod, node) in bound {
                check_room(&cluster, pod, node);
            }
            if backoff_seconds == 0 {
                check_that_nobody_fits(&cluster);
            }
            remove_bound_pods(&mut cluster, leaving);
        }
        prop_assert_eq!(queue.len(), cluster.unbound_count());
    }
}

#[test]
fn an_index_that_the_log_has_left_behind_is_built_anew() {
    let allocatable = [("cpu", 4000), ("memory", 1 << 33), ("pods", 10)];
    let node = NodeSpec {
        allocatable: allocatable.map(|(name, amount)| (name.to_owned(), amount)).into(),
        ..NodeSpec::default()
    };
    let asks = |cpu| PodSpec { requests: [("cpu".to_owned(), cpu)].into(), ..PodSpec::default() };
    let (mut cluster, shapes) = cluster_of(&[node.clone(), node], &[asks(100), asks(3950)]);
    let (small, whole) = (shapes[0], shapes[1]);
    assert_eq!(cluster.count_fits(whole), 2);
    let pod = add_pod(&mut cluster, small);
    // The log keeps some 8,192 changes; these are more, and the last of them stays.
    for _ in 0..5_000 {
        cluster.bind(pod, NodeId(1), SimTime(0));
        assert_eq!(cluster.count_fits(small), 2);
        cluster.unbind(pod);
        assert_eq!(cluster.count_fits(small), 2);
    }
    cluster.bind(pod, NodeId(0), SimTime(0));
    assert_eq!(cluster.count_fits(whole), 1);
    assert_eq!(cluster.best_node(whole, None, TIE_SEED), Some(NodeId(1)));
}

/// Clusters begin empty, small, or just below the 64 nodes of a word of an index.
fn first_nodes() -> impl Strategy<Value = Vec<NodeSpec>> {
    prop_oneof![
        3 => prop::collection::vec(node_spec(), 0..5),
        1 => (node_spec(), 60..64_usize).prop_map(|(spec, count)| vec![spec; count]),
    ]
}

fn pod_specs() -> impl Strategy<Value = Vec<PodSpec>> {
    prop::collection::vec(pod_spec(), 1..6)
}

/// Carries out the steps, and sees around every fork that it kept or lost what it should.
fn run(
    cluster: &mut Cluster,
    shapes: &[ShapeId],
    steps: &[Step],
    depth: u32,
    after_each: &mut dyn FnMut(&mut Cluster),
) {
    for step in steps {
        match step {
            Step::Do(change) => change.apply(cluster, shapes, depth > 0),
            Step::Fork(inside, end) => {
                let before = everything(cluster, shapes);
                let mut fork = cluster.fork();
                run(&mut fork, shapes, inside, depth + 1, after_each);
                let within = everything(&mut fork, shapes);
                let kept = *end == ForkEnd::Commit && depth > 0;
                if kept {
                    fork.commit();
                } else if *end == ForkEnd::Revert {
                    fork.revert();
                    assert_eq!(everything(&mut fork, shapes), before);
                    run(&mut fork, shapes, inside, depth + 1, after_each);
                    drop(fork);
                } else {
                    drop(fork);
                }
                assert_eq!(everything(cluster, shapes), if kept { within } else { before });
            }
        }
        after_each(cluster);
    }
}

/// All that can be seen of a cluster.
#[derive(Debug, PartialEq)]
struct Everything {
    digest: u64,
    version: u64,
    places: Places,
    answers: Vec<Answers>,
}

fn everything(cluster: &mut Cluster, shapes: &[ShapeId]) -> Everything {
    Everything {
        digest: cluster.digest(),
        version: cluster.version(),
        places: places(cluster),
        answers: answers(cluster, shapes),
    }
}

/// Who is where, in which order, and how many slots that takes.
#[derive(Debug, PartialEq)]
struct Places {
    /// By node: name, serial, its pods in the order of its list.
    nodes: Vec<(NodeId, String, u64, Vec<PodId>)>,
    pods: Vec<(PodId, Pod)>,
    node_slots: usize,
    counts: (usize, usize, usize),
    unbound: Vec<PodId>,
    disruptions_allowed: Vec<i64>,
}

fn places(cluster: &Cluster) -> Places {
    let node = |(id, node): (NodeId, &plimsoll_core::Node)| {
        (id, node.name.to_string(), node.serial, node.pods.clone())
    };
    Places {
        nodes: cluster.nodes().map(node).collect(),
        pods: cluster.pods().map(|(id, pod)| (id, pod.clone())).collect(),
        node_slots: cluster.node_slot_count(),
        counts: (cluster.node_count(), cluster.pod_count(), cluster.unbound_count()),
        unbound: cluster.unbound_pods().collect(),
        disruptions_allowed: cluster.budgets().map(|(_, one)| one.disruptions_allowed).collect(),
    }
}

/// What the scheduler and the autoscaler's search say about pods of one kind.
#[derive(Debug, PartialEq)]
struct Answers {
    first_fit: Option<NodeId>,
    best_node: Option<NodeId>,
    /// For a pod of the ReplicaSet, which the scheduler keeps apart from its like.
    best_node_of_set: Option<NodeId>,
    count_fits: usize,
}

fn answers(cluster: &mut Cluster, shapes: &[ShapeId]) -> Vec<Answers> {
    shapes
        .iter()
        .map(|shape| Answers {
            first_fit: cluster.first_fit(*shape, NodeId(1)),
            best_node: cluster.best_node(*shape, None, TIE_SEED),
            best_node_of_set: cluster.best_node(*shape, Some(REPLICA_SET), TIE_SEED),
            count_fits: cluster.count_fits(*shape),
        })
        .collect()
}

fn compare_answers(cluster: &mut Cluster, shape: ShapeId) {
    let nodes: Vec<NodeId> = cluster.nodes().map(|(id, _)| id).collect();
    for node in &nodes {
        let says = cluster.refusal(shape, *node).map(|refusal| refusal.plugin());
        assert_eq!(says, naive_scheduler::refusing_plugin(cluster, shape, *node), "on {node:?}");
        assert_eq!(cluster.fits(shape, *node), says.is_none());
    }
    let mut fitting = nodes;
    fitting.retain(|node| naive_scheduler::refusing_plugin(cluster, shape, *node).is_none());
    assert_eq!(cluster.count_fits(shape), fitting.len());

    let open: Vec<NodeId> =
        fitting.iter().copied().filter(|node| !cluster.node(*node).unschedulable).collect();
    for start in [0, 1, 63, 64, 1000].map(NodeId) {
        let next = open.iter().find(|node| **node >= start).or(open.first());
        assert_eq!(cluster.first_fit(shape, start), next.copied(), "from {start:?}");
    }

    for controller in [None, Some(REPLICA_SET)] {
        let totals = naive_scheduler::totals(cluster, shape, controller, &fitting);
        let chosen = cluster.best_node(shape, controller, TIE_SEED);
        let total_of = |node| totals.iter().find(|(one, _)| *one == node).map(|(_, total)| *total);
        let highest = totals.iter().map(|(_, total)| *total).max();
        assert_eq!(chosen.and_then(total_of), highest, "{chosen:?} of {totals:?}");
        assert_eq!(cluster.best_node(shape, controller, TIE_SEED), chosen, "another answer");
    }
}

fn compare_sums(cluster: &Cluster, shapes: &[ShapeId]) {
    for (node, _) in cluster.nodes() {
        for name in naive_scheduler::RESOURCES {
            let Some(resource) = cluster.catalog().resource(name) else { continue };
            let counted = naive_scheduler::requested(cluster, node, name);
            assert_eq!(cluster.requested(node, resource), counted, "{name} on {node:?}");
            let has = naive_scheduler::allocatable(cluster, node, name);
            assert_eq!(cluster.allocatable(node, resource), has, "{name} of {node:?}");
        }
    }
    for shape in shapes {
        let bound = cluster.pods().filter(|(_, pod)| pod.shape == *shape && pod.node.is_some());
        assert_eq!(cluster.bound_of_shape(*shape) as usize, bound.count());
    }
}

/// The node still holds what its pods ask for, and no port is taken twice.
fn check_room(cluster: &Cluster, pod: PodId, node: NodeId) {
    let spec = cluster.shape(cluster.pod(pod).shape);
    for name in naive_scheduler::RESOURCES {
        let asks = name == "pods" || spec.requests.get(name).is_some_and(|amount| *amount > 0);
        let taken = naive_scheduler::requested(cluster, node, name);
        let has = naive_scheduler::allocatable(cluster, node, name);
        assert!(!asks || taken <= has, "{taken} of {has} {name} are taken");
    }
    let others = cluster.node(node).pods.iter().filter(|other| **other != pod);
    for other in others.map(|other| cluster.shape(cluster.pod(*other).shape)) {
        assert!(!naive_scheduler::ports_conflict(spec, other), "a port is taken twice");
    }
}

fn check_that_nobody_fits(cluster: &Cluster) {
    for pod in cluster.unbound_pods() {
        let shape = cluster.pod(pod).shape;
        assert!(cluster.pod(pod).marked_unschedulable, "{pod:?} was not judged");
        for (node, _) in cluster.nodes() {
            let refused = naive_scheduler::refusing_plugin(cluster, shape, node);
            assert!(refused.is_some(), "{pod:?} waits and fits on {node:?}");
        }
    }
}

/// The oldest `count` bound pods go.
fn remove_bound_pods(cluster: &mut Cluster, count: usize) {
    let bound: Vec<PodId> = cluster
        .pods()
        .filter(|(_, pod)| pod.node.is_some())
        .map(|(id, _)| id)
        .take(count)
        .collect();
    for pod in bound {
        cluster.remove_pod(pod);
    }
}
