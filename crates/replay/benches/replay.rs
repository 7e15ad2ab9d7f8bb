//! Whole months in seconds: what a replay costs from the open history to the finished books.
//!
//! Peers, on 2 cores: a public Rust simulator (two scheduling plugins, no timers, no boot delay)
//! takes 89.1 s for the DLRM month, 46.9 s and 493 MB for 1,000 nodes × 100,000 pods, 31.0 s for
//! openb at its own clock. Ours must stay below 10 s, 4 s and 250 MB, 1 s; the SURF month below 5 s.
//!
//! The traces are read from `../shared/data/traces`; a bench whose trace is missing says so.

use std::path::{Path, PathBuf};

use plimsoll_autoscaler::cluster_autoscaler::ClusterAutoscaler;
use plimsoll_autoscaler::settings::Settings;
use plimsoll_core::node_group::{BootDelay, NodeGroupSpec};
use plimsoll_core::{NodeSpec, PodObject, PodSpec, ResourceMap, SimDuration, SimTime};
use plimsoll_history::import::{self, Format, ImportOptions};
use plimsoll_replay::driver::{Course, drive};
use plimsoll_replay::ledger::Ledger;
use plimsoll_replay::{ReplayOptions, Replayer, Strategy};
use plimsoll_sim::{Input, World, WorldSettings};

fn main() {
    divan::main();
}

/// DLRM: 23,871 instances over 31 days, both node groups.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn dlrm_month(bencher: divan::Bencher<'_, '_>) {
    let files = ["alibaba-dlrm-2025.csv"];
    replay_trace(bencher, Format::Dlrm, &files, Some("dlrm.yaml"));
}

/// SURF: 68,648 jobs over 30 days from zero.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn surf_month(bencher: divan::Bencher<'_, '_>) {
    replay_trace(bencher, Format::Surf, &["surf-lisa-2022-10.csv"], Some("surf.yaml"));
}

/// openb: 8,152 pods over 149 days at their own clock.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn openb_own_clock(bencher: divan::Bencher<'_, '_>) {
    replay_trace(bencher, Format::Openb, &["openb-pods.csv", "openb-nodes.csv"], None);
}

fn replay_trace(
    bencher: divan::Bencher<'_, '_>,
    format: Format,
    files: &[&str],
    groups: Option<&str>,
) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let traces = std::env::var_os("PLIMSOLL_SHARED")
        .map_or_else(|| root.join("../shared"), PathBuf::from)
        .join("data/traces");
    let files: Vec<PathBuf> = files.iter().map(|file| traces.join(file)).collect();
    assert!(files.iter().all(|file| file.is_file()), "no traces in {}", traces.display());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = folder.path().join("trace.db");
    let options = ImportOptions {
        groups: groups.map(|file| root.join("examples/groups").join(file)),
        ..ImportOptions::default()
    };
    import::run(format, &files, &options, &database, &mut |_| {}).expect("the trace imports");
    bencher.bench_local(|| {
        let replayer = Replayer::open(&database).expect("the history opens");
        replayer
            .play(Strategy::ClusterAutoscaler, &ReplayOptions::default())
            .expect("the trace replays")
    });
}

const NODES: u32 = 1_000;
const PODS: i64 = 100_000;
/// Every pod runs for an hour to two hours, so that about 5,400 run at once.
const RUN_SECONDS_MIN: i64 = 3_600;

/// 100,000 pods that come one a second and run for an hour or two, on up to 1,000 nodes.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn a_thousand_nodes_a_hundred_thousand_pods(bencher: divan::Bencher<'_, '_>) {
    bencher.bench_local(|| {
        let start = SimTime(0);
        let mut world = synthetic_world(start);
        let mut ledger = Ledger::open(&mut world, start);
        let settings = Settings::default();
        let course = Course {
            start,
            end: start + SimDuration::from_secs(PODS),
            scan_interval: settings.scan_interval,
            frequent_loops: settings.frequent_loops_enabled,
        };
        let mut strategy = ClusterAutoscaler::new(settings, 1);
        drive(&mut world, Some(&mut strategy), &course, &mut ledger, &mut |_| {})
            .expect("the strategy keeps the rules");
        ledger
    });
}

fn synthetic_world(start: SimTime) -> World {
    let mut world = World::new(WorldSettings::with_seed(1), start);
    let size: ResourceMap = [("cpu", 8_000), ("memory", 32 << 30), ("pods", 110)]
        .map(|(k, v)| (k.to_owned(), v))
        .into();
    world.apply_group(NodeGroupSpec {
        name: "workers".to_owned(),
        max_size: NODES,
        price_microusd_per_hour: Some(400_000),
        boot_delay: BootDelay { p50: SimDuration::from_secs(60), p99: SimDuration::from_secs(60) },
        template: NodeSpec { capacity: size.clone(), allocatable: size, ..NodeSpec::default() },
        ..NodeGroupSpec::default()
    });
    for number in 0..PODS {
        let seconds = RUN_SECONDS_MIN + (number * 7_919) % RUN_SECONDS_MIN;
        let cpu_milli = 500 + (number * 31) % 8 * 125;
        let memory_bytes = 1 << 30;
        let requests = [("cpu".to_owned(), cpu_milli), ("memory".to_owned(), memory_bytes)].into();
        let spec = PodSpec {
            namespace: "bench".to_owned(),
            requests,
            scoring_cpu_milli: cpu_milli,
            scoring_memory_bytes: memory_bytes,
            run_for: Some(SimDuration::from_secs(seconds / 300 * 300)),
            ..PodSpec::default()
        };
        let pod = PodObject { name: format!("pod-{number}"), spec, ..PodObject::default() };
        world.schedule(start + SimDuration::from_secs(number), Input::ApplyPod(pod));
    }
    world
}
