//! From waiting pods to larger groups. Source: `core/scaleup/orchestrator/orchestrator_test.go`.
//!
//! Upstream's table says which option is taken; here the expander `priority` takes that group's.

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_autoscaler::pending::PodOutcome;
use plimsoll_autoscaler::registry::Registry;
use plimsoll_autoscaler::scale_up::ScaleUpResult;
use plimsoll_autoscaler::scale_up::orchestrator::{ScaleUpInputs, scale_up};
use plimsoll_autoscaler::scale_up::template::Templates;
use plimsoll_autoscaler::settings::{Expander, Priorities};
use plimsoll_core::ids::{GroupId, PodId};

use crate::scene::scene;
use crate::stage::{NOON, Stage, cluster_of, settings_of};

/// One case.
pub(crate) struct Row<'a> {
    pub(crate) name: &'a str,
    /// The group whose option is taken.
    pub(crate) choose: &'a str,
    pub(crate) flags: &'a [(&'a str, &'a str)],
    pub(crate) scene: &'a str,
    /// The options, the increases, what became of the pods, and why no group helps those that stay.
    pub(crate) expected: &'a str,
}

pub(crate) fn run(row: &Row<'_>) -> Stage {
    let mut stage = staged(row);
    stage.run();
    stage
}

pub(crate) fn staged(row: &Row<'_>) -> Stage {
    let mut settings = settings_of(row.flags);
    settings.expander = vec![Expander::Priority];
    let chosen = format!("^{}$", row.choose);
    settings.priorities = Some(Priorities::new(&[(10, vec![chosen])]).expect("a good pattern"));
    Stage::of(&scene(row.scene), settings)
}

pub(crate) fn found(stage: &Stage) -> String {
    let report = stage.report();
    let name = |group: GroupId| stage.cluster.group(group).spec.name.as_str();
    let scale_up = &report.scale_up;
    let mut parts = Vec::new();
    let options: Vec<String> =
        scale_up.options.iter().map(|one| format!("{}+{}", name(one.group), one.nodes)).collect();
    if !options.is_empty() {
        parts.push(format!("options {}", options.join(" ")));
    }
    let increases = scale_up.increases.iter().chain(&report.min_size_increases);
    parts.extend(increases.map(|one| format!("{} {}->{}", name(one.group), one.from, one.to)));
    let mut outcomes: BTreeMap<PodOutcome, Vec<&str>> = BTreeMap::new();
    for (pod, outcome) in &report.outcomes {
        outcomes.entry(*outcome).or_default().push(&stage.cluster.pod(*pod).name);
    }
    for (outcome, mut pods) in outcomes {
        pods.sort_unstable();
        parts.push(format!("{} {}", outcome.as_str(), pods.join(" ")));
    }
    let unschedulable: BTreeSet<PodId> = report
        .outcomes
        .iter()
        .filter(|(_, outcome)| *outcome == PodOutcome::Unschedulable)
        .map(|(pod, _)| *pod)
        .collect();
    let groups = scale_up.pod_groups.iter().enumerate();
    let groups = groups.filter(|(_, one)| unschedulable.contains(&one.group.pods[0]));
    let why: BTreeSet<String> =
        groups.map(|(index, _)| scale_up.not_triggered_text(index)).collect();
    parts.extend(why);
    parts.join("; ")
}

pub(crate) fn check(rows: &[Row<'_>]) {
    let mut wrong = Vec::new();
    for row in rows {
        let found = found(&run(row));
        if found != row.expected {
            wrong.push(format!("{}:\n  {found}\n  {}", row.name, row.expected));
        }
    }
    assert!(wrong.is_empty(), "found, expected:\n{}", wrong.join("\n"));
}

/// `TestScaleUpOK`, `TestMixedScaleUp`, `TestScaleUpNoHelp`, `TestScaleUpUnhealthy`.
#[test]
fn groups_grow_for_pods_that_fit_on_their_nodes() {
    check(&[
        Row {
            name: "one group helps",
            choose: "ng2",
            flags: &[],
            scene: "group ng1 1-10 100m 1Gi
                group ng2 1-10 1 1Gi
                node n1 ng1 100m 1Gi
                node n2 ng2 1 1Gi
                pod p1 n1 80m 0
                pod p2 n2 800m 0
                pod p-new - 500m 0",
            expected: "options ng2+1; ng2 1->2; triggeredScaleUp p-new",
        },
        Row {
            name: "pods for one group, for another, and for none",
            choose: "ng2",
            flags: &[],
            scene: "group ng1 1-10 100m 1000Mi
                group ng2 1-10 1 100Mi
                node n1 ng1 100m 1000Mi
                node n2 ng2 1 100Mi
                pod p1 n1 80m 900Mi
                pod p2 n2 800m 0
                pod triggering - 900m 0
                pod remaining - 2 0
                pod awaiting - 0 200Mi",
            expected: "options ng1+1 ng2+1; ng2 1->2; triggeredScaleUp triggering; \
                unschedulable remaining; awaitEvaluation awaiting; 2 Insufficient cpu",
        },
        Row {
            name: "no group helps",
            choose: "ng1",
            flags: &[],
            scene: "group ng1 1-10 100m 1Gi
                node n1 ng1 100m 1Gi
                pod p1 n1 80m 0
                pod p-new - 500m 0",
            expected: "unschedulable p-new; 1 Insufficient cpu",
        },
        Row {
            name: "the group that would help is unhealthy",
            choose: "ng2",
            flags: &[],
            scene: "group ng1 1-10 100m 1Gi
                group ng2 1-10 1 1Gi size=5
                node n1 ng1 100m 1Gi
                node n2 ng2 1 1Gi
                pod p1 n1 80m 0
                pod p2 n2 800m 0
                pod p-new - 550m 0",
            expected: "unschedulable p-new; 1 Insufficient cpu, 1 not ready for scale-up",
        },
    ]);
}

/// `TestScaleUpMaxCoresLimitHit`, `TestScaleUpMaxMemoryLimitHit`, both `...WithNotAutoscaledGroup`, and
/// `TestNoScaleUpMaxCoresLimitHit`.
#[test]
fn limits_of_cores_and_memory_cut_what_was_chosen() {
    const CORES: &str = "group ng1 1-10 2 100Mi
        node n1 ng1 2 100Mi
        pod p1 n1 1 0
        pod p2 n2 3 0
        pod p-new-1 - 2 0
        pod p-new-2 - 2 0";
    const MEMORY: &str = "group ng1 1-10 2 100Mi
        node n1 ng1 2 100Mi
        pod p1 n1 1 0
        pod p2 n2 3 0
        pod p-new-1 - 2 100Mi
        pod p-new-2 - 2 100Mi
        pod p-new-3 - 2 100Mi";
    let with = |lines: &str, more: &str| format!("{lines}\n{more}");
    let grouped = "group ng2 1-10 4 1000Mi\nnode n2 ng2 4 1000Mi";
    // 2 GiB, of which this node leaves 200 MiB and a little.
    let large = "group ng2 1-10 4 1700Mi\nnode n2 ng2 4 1700Mi";
    check(&[
        Row {
            name: "cores",
            choose: "ng1",
            flags: &[("cores-total", "0:9")],
            scene: &with(CORES, grouped),
            expected: "options ng1+2; ng1 1->2; triggeredScaleUp p-new-1 p-new-2",
        },
        Row {
            name: "cores, of which nodes of no group have some",
            choose: "ng1",
            flags: &[("cores-total", "0:9")],
            scene: &with(CORES, "node n2 - 4 1000Mi"),
            expected: "options ng1+2; ng1 1->2; triggeredScaleUp p-new-1 p-new-2",
        },
        Row {
            name: "memory",
            choose: "ng1",
            flags: &[("memory-total", "0:2")],
            scene: &with(MEMORY, large),
            expected: "options ng1+3; ng1 1->3; triggeredScaleUp p-new-1 p-new-2 p-new-3",
        },
        Row {
            name: "memory, of which nodes of no group have some",
            choose: "ng1",
            flags: &[("memory-total", "0:2")],
            scene: &with(MEMORY, "node n2 - 4 1700Mi"),
            expected: "options ng1+3; ng1 1->3; triggeredScaleUp p-new-1 p-new-2 p-new-3",
        },
        Row {
            name: "not enough of either for any node",
            choose: "ng1",
            flags: &[("cores-total", "0:7"), ("memory-total", "0:1")],
            scene: &with(CORES, grouped),
            expected: "unschedulable p-new-1 p-new-2; \
                2 exceeded quota: \"cluster-wide\", resources: cpu, memory",
        },
    ]);
}

/// `TestScaleUpCapToMaxTotalNodesLimit` and `...WithNotAutoscaledGroup`. There the estimator has no
/// limits; in a whole loop it takes no more pods than fit on the nodes that may be added.
#[test]
fn the_limit_of_nodes_holds_for_those_of_no_group_too() {
    const PODS: &str = "pod p1 n1 1 0
        pod p2 n2 3 0
        pod p-new-1 - 4 100Mi
        pod p-new-2 - 4 100Mi
        pod p-new-3 - 4 100Mi";
    let expected = "options ng2+1; ng2 1->2; triggeredScaleUp p-new-1; leftOver p-new-2 p-new-3";
    let flags = &[("max-nodes-total", "3")];
    check(&[
        Row {
            name: "all nodes in groups",
            choose: "ng2",
            flags,
            scene: &format!(
                "group ng1 1-10 2 100Mi
                group ng2 1-10 4 1000Mi
                node n1 ng1 2 100Mi
                node n2 ng2 4 1000Mi
                {PODS}"
            ),
            expected,
        },
        Row {
            name: "one node in none",
            choose: "ng2",
            flags,
            scene: &format!(
                "group ng2 1-10 4 1000Mi
                node n1 - 2 100Mi
                node n2 ng2 4 1000Mi
                {PODS}"
            ),
            expected,
        },
    ]);
}

/// `TestWillConsiderGpuAndStandardPoolForPodWhichDoesNotRequireGpu`,
/// `TestWillConsiderOnlyGpuPoolForPodWhichDoesRequiresGpu` and
/// `TestWillConsiderAllPoolsWhichFitTwoPodsRequiringGpus`.
#[test]
fn groups_with_gpus_are_options_for_whoever_bears_their_taint() {
    const TWO_POOLS: &str = "group gpu-pool 1-10 2 1000Mi gpu=1
        group std-pool 1-10 2 1000Mi
        node gpu-node-1 gpu-pool 2 1000Mi gpu=1
        node std-node-1 std-pool 2 1000Mi
        pod gpu-pod-1 gpu-node-1 2 1000Mi gpu=1 bears=nvidia.com/gpu
        pod std-pod-1 std-node-1 2 1000Mi";
    let flags = &[("max-nodes-total", "100")];
    check(&[
        Row {
            name: "a pod without GPUs",
            choose: "std-pool",
            flags,
            scene: &format!("{TWO_POOLS}\npod extra - 2 1000Mi bears=nvidia.com/gpu"),
            expected: "options gpu-pool+1 std-pool+1; std-pool 1->2; triggeredScaleUp extra",
        },
        Row {
            name: "a pod with one",
            choose: "gpu-pool",
            flags,
            scene: &format!("{TWO_POOLS}\npod extra - 2 1000Mi gpu=1 bears=nvidia.com/gpu"),
            expected: "options gpu-pool+1; gpu-pool 1->2; triggeredScaleUp extra",
        },
        Row {
            name: "three pods with one each",
            choose: "gpu-1-pool",
            flags,
            scene: "group gpu-1-pool 1-10 2 1000Mi gpu=1
                group gpu-2-pool 1-10 2 1000Mi gpu=2
                group gpu-4-pool 1-10 2 1000Mi gpu=4
                group std-pool 1-10 2 1000Mi
                node gpu-1-node gpu-1-pool 2 1000Mi gpu=1
                node gpu-2-node gpu-2-pool 2 1000Mi gpu=2
                node gpu-4-node gpu-4-pool 2 1000Mi gpu=4
                node std-node std-pool 2 1000Mi
                pod gpu-pod-1 gpu-1-node 2 1000Mi gpu=1 bears=nvidia.com/gpu
                pod gpu-pod-2 gpu-2-node 2 1000Mi gpu=2 bears=nvidia.com/gpu
                pod gpu-pod-3 gpu-4-node 2 1000Mi gpu=4 bears=nvidia.com/gpu
                pod std-pod-1 std-node 2 1000Mi
                pod extra-1 - 1m 1Mi gpu=1 bears=nvidia.com/gpu
                pod extra-2 - 1m 1Mi gpu=1 bears=nvidia.com/gpu
                pod extra-3 - 1m 1Mi gpu=1 bears=nvidia.com/gpu",
            expected: "options gpu-1-pool+3 gpu-2-pool+2 gpu-4-pool+1; gpu-1-pool 1->4; \
                triggeredScaleUp extra-1 extra-2 extra-3",
        },
    ]);
}

/// `TestScaleUpWithMultipleQuotas`: one quota by group is here a limit of the GPUs that only that
/// group's nodes have.
#[test]
fn every_limit_counts_for_the_groups_that_use_it_up() {
    const TWO: &str = "group ng1 1-10 2 1Gi
        group ng2 1-10 2 1Gi type=b
        node n1 ng1 2 1Gi
        node n2 ng2 2 1Gi type=b
        pod f1 n1 2 0
        pod f2 n2 2 0
        pod p1 - 1 0";
    check(&[
        Row {
            name: "within all limits",
            choose: "ng1",
            flags: &[("cores-total", "0:8"), ("gpu-total", "b:0:2")],
            scene: TWO,
            expected: "options ng1+1 ng2+1; ng1 1->2; triggeredScaleUp p1",
        },
        Row {
            name: "one group above its limit",
            choose: "ng1",
            flags: &[("cores-total", "0:8"), ("gpu-total", "b:0:1")],
            scene: TWO,
            expected: "options ng1+1; ng1 1->2; triggeredScaleUp p1",
        },
        Row {
            name: "both groups above their limits",
            choose: "ng1",
            flags: &[("gpu-total", "a:0:1")],
            scene: "group ng1 1-10 2 1Gi type=a
                group ng2 1-10 2 1Gi type=a
                node n1 ng1 2 1Gi type=a
                pod f1 n1 2 0
                pod p1 - 1 0",
            expected: "unschedulable p1; 2 exceeded quota: \"cluster-wide\", resources: a",
        },
        Row {
            name: "capped by a limit",
            choose: "ng1",
            flags: &[("cores-total", "0:6")],
            scene: "group ng1 1-10 2 1Gi
                node n1 ng1 2 1Gi
                pod f1 n1 2 0
                pod p1 - 2 0
                pod p2 - 2 0
                pod p3 - 2 0",
            expected: "options ng1+3; ng1 1->3; triggeredScaleUp p1 p2 p3",
        },
    ]);
}

/// `TestZeroOrMaxNodeScaling`.
#[test]
fn atomic_groups_grow_to_their_maximum_or_not_at_all() {
    const ONE_NODE: &str = "group ng1 0-5 900m 900Mi atomic
        node n1 ng1 900m 900Mi
        pod p1 n1 900m 900Mi";
    const TWO_PODS: &str = "pod p-new-1 - 1 1000Mi\npod p-new-2 - 1 1000Mi";
    check(&[
        Row {
            name: "from nothing to the maximum",
            choose: "ng2",
            flags: &[],
            scene: &format!(
                "{ONE_NODE}
                group ng2 0-5 1 1000Mi atomic
                pod p-new - 1 1000Mi"
            ),
            expected: "options ng2+5; ng2 0->5; triggeredScaleUp p-new",
        },
        Row {
            name: "two groups alike",
            choose: "ng3",
            flags: &[],
            scene: &format!(
                "{ONE_NODE}
                group ng2 0-5 1 1000Mi atomic
                group ng3 0-4 1 1000Mi atomic
                {TWO_PODS}
                pod p-new-3 - 1 1000Mi
                pod p-new-4 - 1 1000Mi"
            ),
            expected: "options ng2+5 ng3+4; ng3 0->4; \
                triggeredScaleUp p-new-1 p-new-2 p-new-3 p-new-4",
        },
        Row {
            name: "pods for one group, for another, and for none",
            choose: "ng3",
            flags: &[],
            scene: "group ng1 0-5 500m 2000Mi atomic
                group ng2 0-5 2 500Mi atomic
                group ng3 0-5 1 1000Mi atomic
                node n1 ng1 500m 2000Mi
                node n2 ng2 2 500Mi
                pod p1 n1 400m 1900Mi
                pod p2 n2 1900m 400Mi
                pod p-triggering - 1 1000Mi
                pod p-remaining - 2 2000Mi
                pod p-awaiting - 100m 1800Mi",
            expected: "options ng1+5 ng3+5; ng3 0->5; triggeredScaleUp p-triggering; \
                unschedulable p-remaining; awaitEvaluation p-awaiting; \
                2 Insufficient cpu, 2 Insufficient memory",
        },
        Row {
            name: "not enough cores for all of either group",
            choose: "ng2",
            flags: &[("cores-total", "0:3")],
            scene: &format!("{ONE_NODE}\ngroup ng2 0-3 1 1000Mi atomic\n{TWO_PODS}"),
            expected: "unschedulable p-new-1 p-new-2; \
                2 exceeded quota: \"cluster-wide\", resources: cpu",
        },
        Row {
            name: "not enough memory for all of either group",
            choose: "ng2",
            flags: &[("memory-total", "0:3")],
            scene: &format!("{ONE_NODE}\ngroup ng2 0-3 1 1000Mi atomic\n{TWO_PODS}"),
            expected: "unschedulable p-new-1 p-new-2; \
                2 exceeded quota: \"cluster-wide\", resources: memory",
        },
        Row {
            name: "not enough nodes for all of the group",
            choose: "ng2",
            flags: &[("max-nodes-total", "5")],
            scene: &format!(
                "group ng1 0-2 900m 900Mi atomic
                group ng2 0-5 1 1000Mi atomic
                node n1 ng1 900m 900Mi
                node n2 ng1 900m 900Mi
                pod p1 n1 900m 900Mi
                pod p2 n2 900m 900Mi
                {TWO_PODS}"
            ),
            expected: "unschedulable p-new-1 p-new-2; \
                1 atomic scale-up exceeds cluster node count limit, \
                1 max node group size reached",
        },
    ]);
}

/// `TestAllOrNothing`: pods of one core each, a group of one such node and nine more at most. A whole
/// loop asks so for ProvisioningRequests only.
#[test]
fn all_pods_are_helped_or_none() {
    for (pods, result, grows) in
        [(9, ScaleUpResult::Successful, 9), (11, ScaleUpResult::NoOptionsAvailable, 0)]
    {
        let lines: Vec<String> =
            (0..pods).map(|number| format!("pod p{number} - 1 100Mi")).collect();
        let nodes = "group ng 1-10 1 1000Mi\nnode n1 ng 1 1000Mi\npod fill n1 1 0";
        let mut cluster = cluster_of(&scene(&format!("{nodes}\n{}", lines.join("\n"))));
        let (settings, now) = (settings_of(&[]), NOON);
        let (mut registry, mut templates) = (Registry::new(&settings), Templates::default());
        registry.update(&cluster, &settings, now);
        templates.remember(&mut cluster, &registry, &settings, now).expect("no devices");
        let inputs = ScaleUpInputs {
            settings: &settings,
            registry: &registry,
            templates: &templates,
            targets: vec![1],
            registered_count: 1,
            node_count: 1,
            all_or_nothing: true,
            draw: 0,
            now,
        };
        let pods: Vec<PodId> = cluster.unbound_pods().collect();
        let report = scale_up(&mut cluster.fork(), &inputs, &pods);
        assert_eq!(report.result, result);
        let growth: u32 = report.increases.iter().map(|one| one.to - one.from).sum();
        assert_eq!(growth, grows);
    }
}

/// `TestScaleUpToMeetNodeGroupMinSize`.
#[test]
fn groups_below_their_minimum_grow_as_far_as_limits_allow() {
    check(&[Row {
        name: "room for one more node",
        choose: "ng1",
        flags: &[("enforce-node-group-min-size", "true"), ("cores-total", "0:48")],
        scene: "group ng1 3-10 16 1Gi
            group ng2 1-10 16 1Gi
            node n1 ng1 16 1Gi
            node n2 ng2 16 1Gi",
        expected: "ng1 1->2",
    }]);
}

/// `TestScaleUpSimulationForSkippedNodeGroups`: `ng1` and `ng3` are full, `ng2` is not.
#[test]
fn by_flag_skipped_groups_are_judged_for_pods_that_nobody_helps() {
    const SCENE: &str = "group ng1 0-1 2 2000Mi
        group ng2 0-2 1 1000Mi
        group ng3 0-1 1 1000Mi
        node n1 ng1 2 2000Mi
        node n2 ng2 1 1000Mi
        node n3 ng3 1 1000Mi
        pod f1 n1 2 0
        pod f2 n2 1 0
        pod f3 n3 1 0
        pod p1 - 1500m 1500Mi
        pod p2 - 3 3000Mi";
    let on = &[("scaleup-simulation-for-skipped-node-groups-enabled", "true")];
    let three = format!("{SCENE}\npod p3 - 500m 500Mi");
    let judged = [
        ("p1", "ng2 rejects, ng3 rejects, ng1 skipped"),
        ("p2", "ng2 rejects, ng1 rejects, ng3 rejects"),
    ];
    let unjudged = [
        ("p1", "ng2 rejects, ng1 skipped, ng3 skipped"),
        ("p2", "ng2 rejects, ng1 skipped, ng3 skipped"),
    ];
    for (name, flags, lines, expected, grows) in [
        ("without the flag", &on[..0], SCENE, unjudged, 0),
        ("with the flag", &on[..], SCENE, judged, 0),
        ("with the flag, and a pod that is helped", &on[..], &three, judged, 1),
    ] {
        let stage = run(&Row { name, choose: "ng2", flags, scene: lines, expected: "" });
        let scale_up = &stage.report().scale_up;
        assert_eq!(scale_up.increases.len(), grows, "{name}");
        for (pod, expected) in expected {
            let id = stage.pod(pod);
            let judged = scale_up.pod_groups.iter().find(|one| one.group.pods.contains(&id));
            let rejects = judged.expect("the pod waits").refusals.iter().map(|(group, _)| *group);
            let rejects: Vec<GroupId> = rejects.collect();
            let skipped = scale_up.skipped.iter().map(|(group, _)| *group);
            let skipped = skipped.filter(|group| !rejects.contains(group));
            let group = |id: GroupId| &stage.cluster.group(id).spec.name;
            let words: Vec<String> = rejects
                .iter()
                .map(|id| format!("{} rejects", group(*id)))
                .chain(skipped.map(|id| format!("{} skipped", group(id))))
                .collect();
            assert_eq!(words.join(", "), expected, "{name}: {pod}");
        }
    }
}
