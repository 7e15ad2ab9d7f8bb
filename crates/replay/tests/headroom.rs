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
        let told = format!("{} {line}", at - start);
        writeln!(story, "{}", told.trim_end()).expect("writing to a text");
    }
    expect![[r#"
        0s workers 0 -> 1
        0s workers 1 -> 2
        0s CapacityBuffer shop/spare: capacity buffer 2 fake pods triggered scale-up: [{workers 0->1 (max: 8)}]
        0s CapacityBuffer shop/spare: ReadyForProvisioning=True AttributesSetSuccessfully: ready
        0s CapacityBuffer shop/spare: LimitedByQuotas=False ResourceQuotasAllocated:
        0s CapacityBuffer shop/spare: Provisioning=True FakePodsInjected:
        0s CapacityBuffer shop/spare: capacity buffer 2 fake pods triggered scale-up: [{workers 1->2 (max: 8)}]
        1m30s web-80fcfa68-1 waited 1m30s
        1m30s web-80fcfa68-2 waited 1m30s
        1m30s web-80fcfa68-3 waited 1m30s
        1m30s web-80fcfa68-4 waited 1m30s
        10m workers 2 -> 3
        10m CapacityBuffer shop/spare: capacity buffer 2 fake pods triggered scale-up: [{workers 2->3 (max: 8)}]
        30m ProvisioningRequest shop/train: Accepted=True Accepted: ProvisioningRequest is accepted by ClusterAutoscaler
        30m10s ProvisioningRequest shop/train: Accepted=True Accepted: ProvisioningRequest is accepted by ClusterAutoscaler
        30m10s ProvisioningRequest shop/train: Failed=True CapacityIsNotFound: CA could not find requested capacity
        40m ProvisioningRequest shop/batch: Accepted=True Accepted: ProvisioningRequest is accepted by ClusterAutoscaler
        40m10s workers 3 -> 5
        40m10s ProvisioningRequest shop/batch: Accepted=True Accepted: ProvisioningRequest is accepted by ClusterAutoscaler
        40m10s ProvisioningRequest shop/batch: Provisioned=True CapacityIsProvisioned: Capacity is found in the cluster
        50m20s ProvisioningRequest shop/batch: BookingExpired=True CapacityReservationTimeExpired: Capacity reservation time is expired
        1h35s workers-4 goes
        1h35s workers-5 goes
        1h30m15s workers-3 goes
    "#]].assert_eq(&story);
}
