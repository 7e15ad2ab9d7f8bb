//! Capacity buffers and provisioning requests over virtual time: `examples/headroom.yaml`.

use std::fmt::Write as _;
use std::path::PathBuf;

use expect_test::expect;
use plimsoll_autoscaler::Subject;
use plimsoll_core::SimTime;
use plimsoll_replay::{ReplayOptions, Replayer, Strategy};

#[test]
fn room_is_kept_free_asked_for_and_given_back() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/headroom.yaml");
    let replayer = Replayer::open(file).expect("the example is valid");
    let start = replayer.record_start_time();
    let (ledger, cluster) = replayer
        .play(Strategy::ClusterAutoscaler, &ReplayOptions::default())
        .expect("no rule is broken");
    let mut lines: Vec<(SimTime, String)> = Vec::new();
    for one in &ledger.scale_ups {
        let group = &cluster.group(one.group).spec.name;
        lines.push((one.at, format!("{group} {} -> {}", one.from, one.to)));
    }
    for one in &ledger.scale_downs {
        lines.push((one.removed_at, format!("{} goes", one.node)));
    }
    for (at, reasons) in &ledger.reasons {
        for one in reasons {
            if let Subject::Object(name) = &one.subject {
                lines.push((*at, format!("{name}: {}", one.text)));
            }
        }
    }
    let waits = ledger.pods.iter().filter(|pod| pod.bound_at != Some(pod.created_at));
    for pod in waits {
        let bound_at = pod.bound_at.expect("all pods get a place");
        lines.push((bound_at, format!("{} waited {}", pod.name, bound_at - pod.created_at)));
    }
    lines.sort_by_key(|(at, _)| *at);
    let mut story = String::new();
    for (at, line) in lines {
        writeln!(story, "{} {line}", at - start).expect("writing to a text");
    }
    expect![[r#""#]].assert_eq(&story);
}
