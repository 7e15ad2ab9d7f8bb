//! What becomes of pods when the cloud refuses to enlarge a group. Source:
//! `core/scaleup/orchestrator/orchestrator_test.go`.

use plimsoll_autoscaler::scale_up::ScaleUpResult;
use plimsoll_core::ids::GroupId;

use crate::orchestrator::{Row, staged};
use crate::sharing::BALANCE;
use crate::stage::Stage;

/// The pods that no group helps which the cloud has not refused to enlarge, or was not asked to after
/// a refusal.
fn remaining(stage: &Stage) -> String {
    let scale_up = &stage.report().scale_up;
    let is_lost = |group: &GroupId| scale_up.refused.contains(group);
    let groups = scale_up.pod_groups.iter().filter(|one| one.fits.iter().all(is_lost));
    let pods = groups.flat_map(|one| &one.group.pods);
    let mut names: Vec<&str> = pods.map(|pod| &*stage.cluster.pod(*pod).name).collect();
    names.sort_unstable();
    names.join(" ")
}

/// `TestCloudProviderFailingToScaleUpGroups`: one by one, nothing is asked for after a refusal.
#[test]
fn a_refusal_ends_a_scale_up_that_asks_group_by_group() {
    const SCENE: &str = "group ng1 0-2 1500m 1000Mi
        group ng2 0-2 1500m 1000Mi
        node ng1-n1 ng1 1500m 1000Mi
        node ng2-n1 ng2 1500m 1000Mi
        pod p1 ng1-n1 1400m 0
        pod p2 ng2-n1 1400m 0
        pod p3 - 1400m 0
        pod p4 - 1400m 0";
    for (name, in_parallel, refused, asked, remain) in [
        ("one by one, all refused", "false", 2, 1, "p3 p4"),
        ("in parallel, all refused", "true", 2, 2, "p3 p4"),
        ("one by one, one refused", "false", 1, 1, "p3 p4"),
        ("in parallel, one refused", "true", 1, 2, ""),
    ] {
        let flags = [BALANCE[0], BALANCE[1], ("parallel-scale-up", in_parallel)];
        let mut stage =
            staged(&Row { name, choose: "ng1", flags: &flags, scene: SCENE, expected: remain });
        let mut left = refused;
        let found = stage.run_refused(|_| {
            let refuses = left > 0;
            left -= i32::from(refuses);
            refuses
        });
        assert_eq!(found, asked, "{name}");
        assert_eq!(stage.report().scale_up.result, ScaleUpResult::Error, "{name}");
        assert_eq!(remaining(&stage), remain, "{name}");
    }
}

/// `TestScaleUpPartialSuccessPopulatesPodsRemainUnschedulable...`, and with them
/// `TestMarkFailedGroupsAsUnschedulable`: `ng2` is refused.
#[test]
fn pods_that_another_group_helps_are_not_lost_with_the_one_refused() {
    const NODES: &str = "group ng1 0-2 1 1000Mi
        group ng2 0-2 1 1000Mi
        node ng1-n1 ng1 1 1000Mi
        node ng2-n1 ng2 1 1000Mi
        pod fill-1 ng1-n1 1 0
        pod fill-2 ng2-n1 1 0";
    for (name, in_parallel, pods, remain) in [
        (
            "in parallel",
            "true",
            "pod p1 - 900m 0 in=ng1
            pod p2 - 900m 0 in=ng2",
            "p2",
        ),
        (
            "one by one",
            "false",
            "pod p1-1 - 900m 0 in=ng1
            pod p1-2 - 900m 0 in=ng1
            pod p2-1 - 900m 0 in=ng2
            pod p2-2 - 900m 0 in=ng2",
            "p2-1 p2-2",
        ),
        (
            "for one group, the other, and both",
            "false",
            "pod p1 - 100m 0 in=ng1
            pod p2 - 100m 0 in=ng2
            pod p3 - 100m 0",
            "p2",
        ),
    ] {
        let flags = [BALANCE[0], BALANCE[1], ("parallel-scale-up", in_parallel)];
        let scene = format!("{NODES}\n{pods}");
        let mut stage =
            staged(&Row { name, choose: "ng2", flags: &flags, scene: &scene, expected: remain });
        assert_eq!(stage.run_refused(|group| group == "ng2"), 1, "{name}");
        assert_eq!(stage.report().scale_up.result, ScaleUpResult::Error, "{name}");
        assert_eq!(remaining(&stage), remain, "{name}");
    }
}
