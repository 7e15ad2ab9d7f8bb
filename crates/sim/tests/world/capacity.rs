//! What asks for capacity comes and goes with events; controllers say how far they have come.

use plimsoll_core::capacity::NamespacedName;
use plimsoll_core::workload::WorkloadKind;
use plimsoll_core::{SimDuration, WorkloadKey};
use serde_json::json;

use crate::objects::{group, job, node, scenario, workload};
use crate::play::Play;

#[test]
fn a_request_is_as_old_as_its_event_and_goes_with_another() {
    let request = json!({
        "apiVersion": "autoscaling.x-k8s.io/v1", "kind": "ProvisioningRequest",
        "metadata": {"name": "train", "namespace": "shop",
                     "creationTimestamp": "2020-01-01T00:00:00Z"},
        "spec": {"provisioningClassName": "check-capacity.autoscaling.x-k8s.io",
                 "podSets": [{"podTemplateRef": {"name": "worker"}, "count": 1}]},
    });
    let name = json!({"kind": "ProvisioningRequest", "name": "train", "namespace": "shop"});
    let mut play = Play::new(vec![
        scenario(&json!([{"at": "10s", "apply": request}, {"at": "20s", "delete": name}])),
        group("a"),
    ]);
    let id = NamespacedName { namespace: "shop".to_owned(), name: "train".to_owned() };
    let start = play.world.now();
    play.until(15);
    let there = play.world.cluster.capacity().request(&id).expect("it was applied");
    assert_eq!(there.created_at, Some(start + SimDuration::from_secs(10)));
    let version = play.world.cluster.version();
    play.until(25);
    assert!(play.world.cluster.capacity().request(&id).is_none());
    assert!(play.world.cluster.version() > version, "an autoscaler must look again");
}

#[test]
fn a_parallel_stateful_set_waits_for_none_of_its_pods() {
    let mut play = Play::new(vec![scenario(&json!([])), group("a"), {
        let mut set = workload("StatefulSet", "db", 3, "1");
        set["spec"]["podManagementPolicy"] = json!("Parallel");
        set
    }]);
    play.until(1);
    assert_eq!(play.world.cluster.pod_count(), 3);
}

#[test]
fn a_job_counts_the_pods_that_are_over() {
    let mut play = Play::new(vec![
        scenario(&json!([])),
        group("a"),
        node("a-1", "a"),
        job("batch", 2, 5, "60s"),
    ]);
    let key = WorkloadKey::new(WorkloadKind::Job, "shop", "batch");
    for (until, succeeded) in [(30, 0), (90, 2), (150, 4), (210, 5)] {
        play.until(until);
        let id = play.world.cluster.find_workload(&key).expect("it was applied");
        assert_eq!(play.world.cluster.workload(id).succeeded, succeeded, "after {until} s");
    }
}
