//! Recorded scale-ups of real clusters, replayed from the state in which they were decided.

use std::path::{Path, PathBuf};

use plimsoll_history::import::{self, Format, ImportOptions};
use plimsoll_replay::report::ScaleUpBurst;
use plimsoll_replay::{ReplayOptions, Replayer, Strategy};

#[test]
fn cluster_autoscaler_enlarges_the_groups_that_it_really_enlarged() {
    for (file, expected) in [("scenarios.json", 1), ("scenario_c.json", 2)] {
        let Some(path) = scenario(file) else { return };
        let bursts = replay(&path);
        assert_eq!(bursts.len(), expected, "{file}");
        for burst in &bursts {
            assert!(burst.agrees, "{file}: {burst:?}");
            assert!(!burst.recorded.is_empty(), "{file}: {burst:?}");
        }
    }
}

fn replay(file: &Path) -> Vec<ScaleUpBurst> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = folder.path().join("gardener.db");
    let files = [file.to_owned()];
    import::run(Format::Gardener, &files, &ImportOptions::default(), &database, &mut |_| {})
        .expect("the scenario can be imported");
    let replayer = Replayer::open(&database).expect("the history can be opened");
    let strategies = [Strategy::ClusterAutoscaler];
    let reports = replayer
        .replay_scale_ups(&strategies, &ReplayOptions::default())
        .expect("the history can be replayed");
    reports.into_iter().next().expect("one strategy gives one report").scale_up_bursts
}

/// A real scenario. On a user's machine there is none; CI must not go without.
fn scenario(file: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("PLIMSOLL_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let path = shared.join("data/scenarios").join(file);
    let there = path.is_file();
    assert!(
        there || std::env::var_os("CI").is_none(),
        "CI needs the recorded scenarios, and {} is missing",
        path.display()
    );
    there.then_some(path)
}
