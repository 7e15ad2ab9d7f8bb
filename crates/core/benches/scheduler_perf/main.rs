//! Pods per second on the workload shapes of kube-scheduler's own benchmark, in memory.
//!
//! `cargo bench -p plimsoll-core --bench scheduler_perf`. The peers, 5,000 nodes unless said:
//! * upstream's scheduling loop in one process without an API server, 2 cores: basic 559 pods/s,
//!   required anti-affinity by hostname 188, affinity by zone 235, hard spread by zone 265;
//! * what upstream's CI asks for with an API server: basic 680, spreading 460, preferred 340, default
//!   (by a service) 160, node affinity 220, pod affinity 35, anti-affinity 60, preferred 90, with a
//!   namespace selector 24, unschedulable churn 590, preemption 570, daemonset on 15,000 nodes 1,100,
//!   mixed 140.
//!
//! Source of the shapes: `kubernetes/kubernetes/test/integration/scheduler_perf`.

mod shapes;

use divan::Bencher;
use divan::counter::ItemsCount;
use plimsoll_core::SimTime;
use plimsoll_core::cluster::Cluster;
use plimsoll_core::ids::{PodId, ShapeId};
use plimsoll_core::node::HOSTNAME_LABEL;

use shapes::{
    add_pods, anti_affinity, cluster_of, default_pod, low_priority_pod, meant, named, near_by_zone,
    preemptor, schedule_all, selected_by_service, spread_by_zone, too_large,
};

const NODES: usize = 5_000;
const NOW: SimTime = SimTime(0);

fn main() {
    divan::main();
}

/// Benches pods of one shape that arrive at a cluster, one after the other.
fn bench_pods(
    bencher: Bencher<'_, '_>,
    count: usize,
    start: impl Fn() -> (Cluster, ShapeId) + Sync,
) {
    bencher
        .counter(ItemsCount::new(count))
        .with_inputs(|| {
            let (mut cluster, shape) = start();
            let pods = add_pods(&mut cluster, shape, count);
            (cluster, pods)
        })
        .bench_local_values(|(mut cluster, pods)| {
            assert_eq!(schedule_all(&mut cluster, &pods), pods.len());
            cluster
        });
}

/// A cluster with `count` placed pods of one spec.
fn started(nodes: usize, spec: &plimsoll_core::PodSpec, count: usize) -> Cluster {
    let mut cluster = cluster_of(nodes);
    let shape = cluster.intern_shape(spec);
    let pods = add_pods(&mut cluster, shape, count);
    assert_eq!(schedule_all(&mut cluster, &pods), count);
    cluster
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn basic(bencher: Bencher<'_, '_>) {
    bench_pods(bencher, 10_000, || {
        let mut cluster = started(NODES, &default_pod(), 1_000);
        let shape = cluster.intern_shape(&default_pod());
        (cluster, shape)
    });
}

/// Replicas of one Deployment on ever more nodes: the cost of a pod grows slower than they do.
#[divan::bench(args = [100, 500, 1_000, 2_000, 5_000, 10_000, 15_000], sample_count = 3, sample_size = 1)]
fn curve_over_nodes(bencher: Bencher<'_, '_>, nodes: usize) {
    bench_pods(bencher, 2_000, || {
        let mut cluster = cluster_of(nodes);
        let spec = selected_by_service(&mut cluster);
        let shape = cluster.intern_shape(&spec);
        (cluster, shape)
    });
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn spread_hard_by_zone(bencher: Bencher<'_, '_>) {
    bench_pods(bencher, 5_000, || {
        let mut cluster = started(NODES, &default_pod(), 5_000);
        let shape = cluster.intern_shape(&spread_by_zone(true));
        (cluster, shape)
    });
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn spread_preferred_by_zone(bencher: Bencher<'_, '_>) {
    bench_pods(bencher, 5_000, || {
        let mut cluster = started(NODES, &default_pod(), 5_000);
        let shape = cluster.intern_shape(&spread_by_zone(false));
        (cluster, shape)
    });
}

/// The system's default constraints, for pods of a service.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn spread_by_default(bencher: Bencher<'_, '_>) {
    bench_pods(bencher, 50_000, || {
        let mut cluster = cluster_of(NODES);
        let spec = selected_by_service(&mut cluster);
        let shape = cluster.intern_shape(&spec);
        (cluster, shape)
    });
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn node_affinity(bencher: Bencher<'_, '_>) {
    bench_pods(bencher, 10_000, || {
        let mut cluster = started(NODES, &default_pod(), 5_000);
        let shape = cluster.intern_shape(&shapes::in_zones(&["zone-1", "zone-2"]));
        (cluster, shape)
    });
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn affinity_required_by_zone(bencher: Bencher<'_, '_>) {
    bench_pods(bencher, 5_000, || {
        let mut cluster = started(NODES, &near_by_zone(), 5_000);
        let shape = cluster.intern_shape(&near_by_zone());
        (cluster, shape)
    });
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn anti_affinity_required_by_hostname(bencher: Bencher<'_, '_>) {
    bench_pods(bencher, 2_000, || {
        let mut cluster = started(NODES, &anti_affinity(), 1_000);
        let shape = cluster.intern_shape(&anti_affinity());
        (cluster, shape)
    });
}

#[divan::bench(args = [true, false], sample_count = 3, sample_size = 1)]
fn affinity_preferred_by_hostname(bencher: Bencher<'_, '_>, is_anti: bool) {
    let spec = move || {
        let mut spec = meant("blue");
        let term = (1, shapes::term("blue", HOSTNAME_LABEL));
        if is_anti {
            spec.pod_affinity.preferred_anti = vec![term];
        } else {
            spec.pod_affinity.preferred = vec![term];
        }
        spec
    };
    bench_pods(bencher, 5_000, || {
        let mut cluster = started(NODES, &spec(), 5_000);
        let shape = cluster.intern_shape(&spec());
        (cluster, shape)
    });
}

/// 100 namespaces of 40 pods on 6,000 nodes; the terms mean the pods of all of them.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn anti_affinity_with_namespace_selector(bencher: Bencher<'_, '_>) {
    bench_pods(bencher, 2_000, || {
        let mut cluster = cluster_of(6_000);
        for namespace in 0..100 {
            let name = format!("team-{namespace}");
            cluster.set_namespace(&name, shapes::labels(&[("team", "devops")]));
        }
        for namespace in 0..100 {
            let spec = shapes::anti_affinity_over_namespaces(&format!("team-{namespace}"));
            let shape = cluster.intern_shape(&spec);
            let pods = add_pods(&mut cluster, shape, 40);
            assert_eq!(schedule_all(&mut cluster, &pods), 40);
        }
        let shape = cluster.intern_shape(&shapes::anti_affinity_over_namespaces("team-0"));
        (cluster, shape)
    });
}

/// Every tenth pod fits nowhere.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn unschedulable_churn(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(10_000_usize))
        .with_inputs(|| {
            let mut cluster = cluster_of(NODES);
            let (small, large) =
                (cluster.intern_shape(&default_pod()), cluster.intern_shape(&too_large()));
            let pods: Vec<PodId> = (0..10_000)
                .flat_map(|number| {
                    let shape = if number % 10 == 0 { large } else { small };
                    add_pods(&mut cluster, shape, 1)
                })
                .collect();
            (cluster, pods)
        })
        .bench_local_values(|(mut cluster, pods)| {
            assert_eq!(schedule_all(&mut cluster, &pods), 9_000);
            cluster
        });
}

/// Each pod evicts three of four low-priority pods somewhere, and takes their place.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn preemption(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(5_000_usize))
        .with_inputs(|| {
            let mut cluster = started(NODES, &low_priority_pod(), 4 * NODES);
            let shape = cluster.intern_shape(&preemptor());
            let pods = add_pods(&mut cluster, shape, 5_000);
            (cluster, pods)
        })
        .bench_local_values(|(mut cluster, pods)| {
            for pod in pods {
                assert_eq!(cluster.choose_node(pod, 1), None);
                let (node, victims) =
                    cluster.choose_preemption(pod, 1).expect("low-priority pods are there");
                for victim in victims {
                    cluster.remove_pod(victim);
                }
                cluster.place(pod, node, NOW);
            }
            cluster
        });
}

/// Pods that name their node, as DaemonSets make them: two for each of 15,000 nodes.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn daemonset_on_15000_nodes(bencher: Bencher<'_, '_>) {
    const DAEMON_NODES: usize = 15_000;
    bencher
        .counter(ItemsCount::new(2 * DAEMON_NODES))
        .with_inputs(|| cluster_of(DAEMON_NODES))
        .bench_local_values(|mut cluster| {
            for number in 0..2 * DAEMON_NODES {
                // That the pod's spec is new to the cluster is part of the work.
                let shape =
                    cluster.intern_shape(&named(&format!("node-{}", number % DAEMON_NODES)));
                let pods = add_pods(&mut cluster, shape, 1);
                assert_eq!(schedule_all(&mut cluster, &pods), 1);
            }
            cluster
        });
}

/// Basic pods among 10,000 with all kinds of rules.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn mixed(bencher: Bencher<'_, '_>) {
    bench_pods(bencher, 5_000, || {
        let mut cluster = cluster_of(NODES);
        let mut preferred = meant("red");
        preferred.pod_affinity.preferred = vec![(1, shapes::term("red", HOSTNAME_LABEL))];
        let mut preferred_anti = meant("yellow");
        preferred_anti.pod_affinity.preferred_anti =
            vec![(1, shapes::term("yellow", HOSTNAME_LABEL))];
        for spec in [default_pod(), near_by_zone(), anti_affinity(), preferred, preferred_anti] {
            let shape = cluster.intern_shape(&spec);
            let pods = add_pods(&mut cluster, shape, 2_000);
            assert_eq!(schedule_all(&mut cluster, &pods), 2_000);
        }
        let shape = cluster.intern_shape(&default_pod());
        (cluster, shape)
    });
}
