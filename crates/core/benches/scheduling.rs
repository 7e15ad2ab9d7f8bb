//! How fast pods find nodes, and what trying things on a fork costs.
//!
//! `cargo bench -p plimsoll-core`. Peers on the same work:
//! * basic scheduling (4 cpu / 32 GiB / 110-pod nodes, pods of 100 m / 500 MiB): kube-scheduler's own
//!   CI asks for 680 pods/s at 5,000 nodes; a scheduler-in-process simulator made of its code was
//!   measured at 261 pods/s at 1,000 nodes; a Rust simulator with two plugins makes 2,000 to
//!   3,000 pods/s there;
//! * fork, 30 pods, drop at 15,000 nodes: Cluster Autoscaler 1.36.1 needs 28 to 91 µs with its delta
//!   snapshot (1.31.5: 31 µs, and 47 ms with its basic snapshot); ours may take 3 µs;
//! * one filter run of Cluster Autoscaler takes 0.8 µs, so a pod that fits on none of 5,000 nodes
//!   costs it 4 ms.

use divan::Bencher;
use divan::counter::ItemsCount;
use plimsoll_core::cluster::{Cluster, NodeBirth, PodBirth};
use plimsoll_core::ids::{NodeId, ShapeId};
use plimsoll_core::node::{HOSTNAME_LABEL, NodeSpec};
use plimsoll_core::pod::{PodSpec, ResourceMap};
use plimsoll_core::scheduling::PodQueue;
use plimsoll_core::{SimDuration, SimTime};

fn main() {
    divan::main();
}

const MIB: i64 = 1 << 20;
const NOW: SimTime = SimTime(0);
/// The pods of one round of basic scheduling.
const PODS_ARRIVING: usize = 10_000;
/// The pods that are tried on a fork, as in Cluster Autoscaler's own benchmark.
const PODS_ON_FORK: u32 = 30;

/// Ten thousand equal pods that arrive at once, placed in one pass.
#[divan::bench(args = [1_000, 5_000], sample_count = 5, sample_size = 1)]
fn basic_scheduling(bencher: Bencher<'_, '_>, nodes: usize) {
    bencher
        .counter(ItemsCount::new(PODS_ARRIVING))
        .with_inputs(|| {
            let mut cluster = cluster(nodes);
            let shape = cluster.intern_shape(&pod_spec(100, 500 * MIB));
            let mut queue = PodQueue::default();
            for number in 0..PODS_ARRIVING {
                let pod = cluster.add_pod(birth(number, shape));
                queue.push(&cluster, pod, NOW);
            }
            (cluster, queue)
        })
        .bench_local_values(|(mut cluster, mut queue)| {
            let bound = queue.pass(&mut cluster, NOW, 1);
            assert_eq!(bound.len(), PODS_ARRIVING);
            (cluster, queue)
        });
}

/// The same pods, each arriving and placed by itself, as in a replay.
#[divan::bench(args = [1_000, 5_000], sample_count = 5, sample_size = 1)]
fn scheduling_one_by_one(bencher: Bencher<'_, '_>, nodes: usize) {
    bencher
        .counter(ItemsCount::new(PODS_ARRIVING))
        .with_inputs(|| {
            let mut cluster = cluster(nodes);
            let shape = cluster.intern_shape(&pod_spec(100, 500 * MIB));
            (cluster, shape)
        })
        .bench_local_values(|(mut cluster, shape)| {
            let mut queue = PodQueue::default();
            for number in 0..PODS_ARRIVING {
                let now = NOW + SimDuration::from_secs(1);
                let pod = cluster.add_pod(birth(number, shape));
                queue.push(&cluster, pod, now);
                assert_eq!(queue.pass(&mut cluster, now, 1).len(), 1);
            }
            cluster
        });
}

#[divan::bench]
fn fork_with_30_pods_at_15000_nodes(bencher: Bencher<'_, '_>) {
    let mut cluster = cluster(15_000);
    let shape = cluster.intern_shape(&pod_spec(100, 500 * MIB));
    // The pods are there before, as in upstream's benchmark.
    let births: Vec<PodBirth> =
        (0..PODS_ON_FORK).map(|number| birth(number as usize, shape)).collect();
    bencher.bench_local(|| {
        let mut fork = cluster.fork();
        for (number, birth) in (0..).zip(&births) {
            let pod = fork.add_pod(birth.clone());
            fork.bind(pod, NodeId(number * 100), NOW);
        }
    });
}

/// A fork with a new node, on it another one, and both dropped: upstream's `ForkAddRevert`.
#[divan::bench]
fn two_forks_with_a_node_each_at_15000_nodes(bencher: Bencher<'_, '_>) {
    let mut cluster = cluster(15_000);
    let model = cluster.node(NodeId(0)).clone();
    bencher.bench_local(|| {
        let mut outer = cluster.fork();
        outer.add_node_like(&model, "tmp-1", model.created_at);
        let mut inner = outer.fork();
        inner.add_node_like(&model, "tmp-2", model.created_at)
    });
}

/// A pod that is larger than any node, after a change to one node.
#[divan::bench]
fn first_fit_miss_at_5000_nodes(bencher: Bencher<'_, '_>) {
    first_fit_after_a_change(bencher, &pod_spec(5_000, MIB), None);
}

/// A pod that fits anywhere, after a change to one node.
#[divan::bench]
fn first_fit_hit_at_5000_nodes(bencher: Bencher<'_, '_>) {
    first_fit_after_a_change(bencher, &pod_spec(50, MIB), Some(NodeId(2_500)));
}

fn first_fit_after_a_change(bencher: Bencher<'_, '_>, spec: &PodSpec, expected: Option<NodeId>) {
    let mut cluster = cluster(5_000);
    let asked = cluster.intern_shape(spec);
    let other = cluster.intern_shape(&pod_spec(100, 500 * MIB));
    let pod = cluster.add_pod(birth(0, other));
    let mut is_bound = false;
    bencher.bench_local(|| {
        if is_bound {
            cluster.unbind(pod);
        } else {
            cluster.bind(pod, NodeId(7), NOW);
        }
        is_bound = !is_bound;
        assert_eq!(cluster.first_fit(asked, NodeId(2_500)), expected);
    });
}

fn cluster(nodes: usize) -> Cluster {
    let mut cluster = Cluster::default();
    for number in 0..nodes {
        let name = format!("node-{number}");
        let mut allocatable = amounts(4_000, 32 * 1024 * MIB);
        allocatable.insert("pods".to_owned(), 110);
        let labels = [(HOSTNAME_LABEL.to_owned(), name.clone())].into();
        let capacity = allocatable.clone();
        let spec = NodeSpec { labels, capacity, allocatable, ..NodeSpec::default() };
        cluster.add_node(NodeBirth { name, spec, ready: true, ..NodeBirth::default() });
    }
    cluster
}

fn pod_spec(cpu_milli: i64, memory_bytes: i64) -> PodSpec {
    PodSpec {
        requests: amounts(cpu_milli, memory_bytes),
        scoring_cpu_milli: cpu_milli,
        scoring_memory_bytes: memory_bytes,
        ..PodSpec::default()
    }
}

fn amounts(cpu_milli: i64, memory_bytes: i64) -> ResourceMap {
    [("cpu".to_owned(), cpu_milli), ("memory".to_owned(), memory_bytes)].into()
}

fn birth(number: usize, shape: ShapeId) -> PodBirth {
    let name = format!("pod-{number}").into();
    PodBirth { name, shape, controller: None, created_at: NOW }
}
