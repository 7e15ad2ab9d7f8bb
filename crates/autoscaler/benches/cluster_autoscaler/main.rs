//! The autoscaler's loop and its parts, on the shapes of Cluster Autoscaler's own benchmarks.
//!
//! `cargo bench -p plimsoll-autoscaler`. What upstream 1.36.1 takes for the same work on 2 cores is in
//! each row, beside what ours may take; a table at the end holds our fastest samples against both.
//!
//! Source of the shapes: `estimator/binpacking_estimator_test.go`,
//! `core/podlistprocessor/filter_out_schedulable_test.go`, `core/bench/benchmark_runonce_test.go`.

mod shapes;
mod table;

use std::time::Duration;

use divan::Bencher;
use plimsoll_autoscaler::NodeAutoscaler;
use plimsoll_autoscaler::injection::FakePods;
use plimsoll_autoscaler::pending::PendingPods;
use plimsoll_autoscaler::scale_up::estimator::{NodeLimit, estimate};
use plimsoll_autoscaler::settings::Settings;
use plimsoll_core::{Cluster, PodSpec, SimDuration};

use shapes::{
    HOSTNAME, NOW, ZONE, add_group, add_node, add_pods, alone_by_hostname, autoscaler,
    estimate_of_51000_pods, node_spec, pod_spec, size, spread_by,
};
use table::Row;

fn main() {
    divan::main();
    table::print();
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The row of the estimate; its versions with rules between pods may take three times as long.
const ESTIMATE_LIMIT: Duration = ms(25);
/// As many nodes as upstream's benchmark lets the estimator add.
const ESTIMATE_NODES_MAX: i64 = 3_000;

fn bench_estimate(
    bencher: Bencher<'_, '_>,
    row: Row,
    rule: impl Fn(PodSpec) -> PodSpec,
    limit: NodeLimit,
    expected: (u32, usize),
) {
    let mut shape = estimate_of_51000_pods(rule);
    let groups: Vec<_> = shape.groups.iter().collect();
    bencher.bench_local(|| {
        let mut fork = shape.cluster.fork();
        let found = row.sample(|| estimate(&mut fork, &groups, &shape.template, limit, NOW));
        assert_eq!((found.nodes, found.pods.len()), expected);
    });
}

#[divan::bench]
fn estimate_51000_pods(bencher: Bencher<'_, '_>) {
    let row = Row {
        name: "estimate, 51,000 pods to 2,595 nodes",
        upstream: Some(ms(3_100)),
        limit: ESTIMATE_LIMIT,
    };
    let limit = NodeLimit::default().and(ESTIMATE_NODES_MAX);
    bench_estimate(bencher, row, |spec| spec, limit, (2_595, 51_000));
}

#[divan::bench]
fn estimate_alone_by_hostname(bencher: Bencher<'_, '_>) {
    let row = Row {
        name: "estimate, one pod a node by anti-affinity, 3,000 nodes",
        upstream: None,
        limit: 3 * ESTIMATE_LIMIT,
    };
    let limit = NodeLimit::default().and(ESTIMATE_NODES_MAX);
    bench_estimate(bencher, row, alone_by_hostname, limit, (3_000, 3_000));
}

#[divan::bench]
fn estimate_spread_by_zone(bencher: Bencher<'_, '_>) {
    let row = Row {
        name: "estimate, spread by zone, 51,000 pods to 2,595 nodes",
        upstream: None,
        limit: 3 * ESTIMATE_LIMIT,
    };
    let limit = NodeLimit::default().and(ESTIMATE_NODES_MAX);
    let rule = |spec| spread_by(spec, ZONE, 51_000);
    bench_estimate(bencher, row, rule, limit, (2_595, 51_000));
}

#[divan::bench]
fn estimate_spread_by_hostname(bencher: Bencher<'_, '_>) {
    let row = Row {
        name: "estimate, spread by hostname, 18,001 pods to 3,001 nodes",
        upstream: None,
        limit: 3 * ESTIMATE_LIMIT,
    };
    let limit = NodeLimit::default().and(ESTIMATE_NODES_MAX);
    let rule = |spec| spread_by(spec, HOSTNAME, 5);
    bench_estimate(bencher, row, rule, limit, (3_001, 18_001));
}

/// Pending pods of which none fits on any node.
fn bench_filter(bencher: Bencher<'_, '_>, row: Row, nodes: usize, pending: usize) {
    let mut cluster = Cluster::default();
    for number in 0..nodes {
        let spec = node_spec(size(2_000, 200_000, 100), &[]);
        let name = format!("n-{number}");
        let node = add_node(&mut cluster, &name, spec, None);
        let pod = add_pods(&mut cluster, &pod_spec(1_000, 200_000), None, 1)[0];
        cluster.bind(pod, node, NOW);
    }
    add_pods(&mut cluster, &pod_spec(1_000, 2_000_000), None, pending);
    let settings = Settings::default();
    let mut pods = PendingPods::default();
    bencher.bench_local(|| {
        let mut fork = cluster.fork();
        let sorted =
            row.sample(|| pods.sort(&mut fork, &settings, &[], &[], &FakePods::default(), NOW));
        assert_eq!(sorted.to_help.len(), pending);
    });
}

#[divan::bench]
fn filter_out_schedulable_200_nodes(bencher: Bencher<'_, '_>) {
    let row = Row {
        name: "filter out schedulable, 200 nodes, 60,000 pending",
        upstream: Some(ms(5_100)),
        limit: ms(40),
    };
    bench_filter(bencher, row, 200, 60_000);
}

#[divan::bench]
fn filter_out_schedulable_1000_nodes(bencher: Bencher<'_, '_>) {
    let row = Row {
        name: "filter out schedulable, 1,000 nodes, 12,000 pending",
        upstream: Some(ms(4_300)),
        limit: ms(40),
    };
    bench_filter(bencher, row, 1_000, 12_000);
}

/// Pods that the scheduler has not got to yet, and that all fit: each is placed.
#[divan::bench]
fn place_30000_on_1000_nodes(bencher: Bencher<'_, '_>) {
    let row =
        Row { name: "place 30,000 pending pods on 1,000 nodes", upstream: None, limit: ms(40) };
    let mut cluster = Cluster::default();
    add_group(&mut cluster, size(10_000, 10_000, 110), 1_000, 1_000);
    add_pods(&mut cluster, &pod_spec(200, 200), Some("owner"), 30_000);
    let settings = Settings::default();
    let mut pods = PendingPods::default();
    bencher.bench_local(|| {
        let mut fork = cluster.fork();
        let sorted =
            row.sample(|| pods.sort(&mut fork, &settings, &[], &[], &FakePods::default(), NOW));
        assert!(sorted.to_help.is_empty());
    });
}

/// What upstream's own benchmarks of the whole loop set.
fn run_once_settings() -> Settings {
    Settings { max_nodes_total: 10_000, max_nodes_per_scaleup: 10_000, ..Settings::default() }
}

/// 1,000 nodes in good use and nobody waiting, 10 seconds after the last such loop.
#[divan::bench]
fn idle_loop(bencher: Bencher<'_, '_>) {
    let row = Row {
        name: "loop with nothing to do, 1,000 nodes x 30 pods",
        upstream: Some(ms(180)),
        limit: ms(1),
    };
    let mut cluster = Cluster::default();
    add_group(&mut cluster, size(10_000, 10_000, 110), 1_000, 10_000);
    let nodes: Vec<_> = cluster.nodes().map(|(id, _)| id).collect();
    let pods = add_pods(&mut cluster, &pod_spec(300, 300), Some("owner"), 30_000);
    for (number, pod) in pods.into_iter().enumerate() {
        cluster.bind(pod, nodes[number % nodes.len()], NOW);
    }
    let mut autoscaler = autoscaler(&cluster, run_once_settings());
    let mut now = NOW;
    bencher.bench_local(|| {
        now += SimDuration::from_secs(10);
        // A pod that the scheduler just moved: whatever rests on an unchanged cluster does not hold.
        let pod = cluster.node(nodes[7]).pods[0];
        cluster.unbind(pod);
        cluster.bind(pod, nodes[7], now);
        let decision = row.sample(|| autoscaler.decide(&mut cluster.fork(), now));
        assert!(decision.actions.is_empty());
    });
}

fn bench_scale_up(bencher: Bencher<'_, '_>, row: Row, owner: Option<&str>) {
    let mut cluster = Cluster::default();
    let group = add_group(&mut cluster, size(10_000, 10_000, 100), 0, 10_000);
    add_pods(&mut cluster, &pod_spec(200, 200), owner, 50_000);
    bencher.with_inputs(|| autoscaler(&cluster, run_once_settings())).bench_local_values(
        |mut autoscaler| {
            let mut cluster = cluster.clone();
            let decision = row.sample(|| autoscaler.decide(&mut cluster.fork(), NOW));
            let increase = plimsoll_autoscaler::Action::IncreaseSize { group, delta: 1_000 };
            assert_eq!(decision.actions, [increase]);
            (cluster, autoscaler)
        },
    );
}

#[divan::bench]
fn scale_up_loop(bencher: Bencher<'_, '_>) {
    let row = Row {
        name: "loop, a ReplicaSet of 50,000 pods, 0 to 1,000 nodes",
        upstream: Some(ms(2_960)),
        limit: ms(30),
    };
    bench_scale_up(bencher, row, Some("owner"));
}

#[divan::bench]
fn scale_up_loop_without_controllers(bencher: Bencher<'_, '_>) {
    let row = Row {
        name: "loop, 50,000 pods of nobody, 0 to 1,000 nodes",
        upstream: Some(ms(2_960)),
        limit: ms(60),
    };
    bench_scale_up(bencher, row, None);
}

/// 2,000 nodes in use by two fifths, so that 1,200 can go.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn scale_down_loop(bencher: Bencher<'_, '_>) {
    let row = Row {
        name: "scale-down loop, 2,000 nodes x 40 pods, 1,200 go",
        upstream: None,
        limit: ms(100),
    };
    let mut cluster = Cluster::default();
    add_group(&mut cluster, size(10_000, 10_000, 110), 2_000, 10_000);
    let nodes: Vec<_> = cluster.nodes().map(|(id, _)| id).collect();
    let mut spec = pod_spec(100, 100);
    let safe = ("cluster-autoscaler.kubernetes.io/safe-to-evict".to_owned(), "true".to_owned());
    spec.annotations.insert(safe.0, safe.1);
    let pods = add_pods(&mut cluster, &spec, None, 80_000);
    for (number, pod) in pods.into_iter().enumerate() {
        cluster.bind(pod, nodes[number % nodes.len()], NOW);
    }
    let settings = Settings {
        scale_down_unneeded_time: SimDuration::ZERO,
        scale_down_delay_after_add: SimDuration::ZERO,
        max_scale_down_parallelism: 2_000,
        max_drain_parallelism: 2_000,
        ..run_once_settings()
    };
    bencher.with_inputs(|| autoscaler(&cluster, settings.clone())).bench_local_values(
        |mut autoscaler| {
            let mut cluster = cluster.clone();
            let decision = row.sample(|| autoscaler.decide(&mut cluster.fork(), NOW));
            let started = &autoscaler.last_loop().expect("a loop has run").started;
            assert_eq!(started.len(), 1_200);
            (cluster, autoscaler, decision)
        },
    );
}
