//! How much memory a cluster holds, and the indexes of the pods that were placed on it.
//!
//! `cargo bench -p plimsoll-core --bench memory`; the figure is `max alloc`. The limit that the
//! project sets itself for 5,000 nodes with 150,000 pods is 150 MB.

use divan::{AllocProfiler, Bencher};
use plimsoll_core::cluster::{Cluster, NodeBirth, PodBirth};
use plimsoll_core::labels::Labels;
use plimsoll_core::node::{HOSTNAME_LABEL, NodeSpec};
use plimsoll_core::pod::{PodSpec, ResourceMap};
use plimsoll_core::{SimTime, scheduling::PodQueue};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const NODES: usize = 5_000;
const DEPLOYMENTS: usize = 300;
const REPLICAS: usize = 500;
const NOW: SimTime = SimTime(0);

fn main() {
    divan::main();
}

/// 150,000 pods of 300 Deployments, each behind a service, so that every kind of pod is spread and
/// has a ranking of its own.
#[divan::bench(sample_count = 1, sample_size = 1)]
fn nodes_5000_pods_150000(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| {
        let mut cluster = Cluster::default();
        (0..NODES).for_each(|number| add_node(&mut cluster, number));
        for deployment in 0..DEPLOYMENTS {
            cluster.set_service("default", &format!("app-{deployment}"), labels_of(deployment));
        }
        for deployment in 0..DEPLOYMENTS {
            let shape = cluster.intern_shape(&pod_of(deployment));
            let mut queue = PodQueue::default();
            for number in 0..REPLICAS {
                let name = format!("app-{deployment}-{number}").into();
                let birth = PodBirth { name, shape, controller: None, created_at: NOW };
                let pod = cluster.add_pod(birth);
                queue.push(&cluster, pod, NOW);
            }
            assert_eq!(queue.pass(&mut cluster, NOW, 1).len(), REPLICAS);
        }
        cluster
    });
}

fn labels_of(deployment: usize) -> Labels {
    Labels::from([("app".to_owned(), format!("app-{deployment}"))])
}

fn pod_of(deployment: usize) -> PodSpec {
    PodSpec {
        namespace: "default".to_owned(),
        labels: labels_of(deployment),
        requests: [("cpu".to_owned(), 100), ("memory".to_owned(), 500 << 20)].into(),
        scoring_cpu_milli: 100,
        scoring_memory_bytes: 500 << 20,
        scheduler_name: "default-scheduler".to_owned(),
        ..PodSpec::default()
    }
}

fn add_node(cluster: &mut Cluster, number: usize) {
    let name = format!("node-{number}");
    let allocatable: ResourceMap =
        [("cpu".to_owned(), 4_000), ("memory".to_owned(), 32 << 30), ("pods".to_owned(), 110)]
            .into();
    let zone = format!("zone-{}", number % 3 + 1);
    let labels = Labels::from([
        (HOSTNAME_LABEL.to_owned(), name.clone()),
        ("topology.kubernetes.io/zone".to_owned(), zone),
    ]);
    let spec = NodeSpec { labels, allocatable, ..NodeSpec::default() };
    cluster.add_node(NodeBirth { name, spec, ready: true, ..NodeBirth::default() });
}
