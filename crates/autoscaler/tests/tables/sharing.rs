//! Groups that are alike grow together. Source: `core/scaleup/orchestrator/orchestrator_test.go`, and
//! the limits of `estimator`.

use plimsoll_core::ids::GroupId;

use crate::orchestrator::{Row, check, found, run};

/// The flags that make groups share.
pub(crate) const BALANCE: [(&str, &str); 2] = [
    ("balance-similar-node-groups", "true"),
    ("balancing-ignore-label", "plimsoll.dev/node-group"),
];

/// Groups (name, limits, size) of nodes that one pod fills each, and so many pods that wait.
fn filled(groups: &[(&str, &str, usize)], pods: usize) -> String {
    let mut lines = Vec::new();
    for (group, limits, size) in groups {
        lines.push(format!("group {group} {limits} 100m 1Gi"));
        for number in 0..*size {
            lines.push(format!("node {group}-{number} {group} 100m 1Gi"));
            lines.push(format!("pod {group}-pod-{number} {group}-{number} 80m 0"));
        }
    }
    lines.extend((1..=pods).map(|number| format!("pod t{number} - 80m 0")));
    lines.join("\n")
}

/// `TestScaleUpTwoGroups`, `TestScaleUpBalanceGroups`, and of `TestScaleUpBalanceGroupsRespectsQuota`
/// the quota that all groups share: there are none by group. Groups that are alike are found out again
/// where an expander has said nothing of them; ours cannot.
#[test]
fn groups_that_are_alike_share_the_new_nodes() {
    const TWO: &str = "group ng1 1-10 1500m 1000Mi
        group ng2 1-10 1500m 1000Mi
        node ng1-n1 ng1 1500m 1000Mi
        node ng2-n1 ng2 1500m 1000Mi
        pod p1 ng1-n1 1400m 0
        pod p2 ng2-n1 1400m 0
        pod p3 - 1400m 0
        pod p4 - 1400m 0";
    let expected = "options ng1+2 ng2+2; ng1 1->2; ng2 1->2; triggeredScaleUp p3 p4";
    check(&[
        Row { name: "one by one", choose: "ng1", flags: &BALANCE, scene: TWO, expected },
        Row {
            name: "in parallel",
            choose: "ng1",
            flags: &[BALANCE[0], BALANCE[1], ("parallel-scale-up", "true")],
            scene: TWO,
            expected,
        },
        Row {
            name: "the smallest with room",
            choose: "ng2",
            flags: &BALANCE,
            scene: &filled(
                &[("ng1", "1-1", 1), ("ng2", "1-2", 1), ("ng3", "1-5", 1), ("ng4", "1-5", 3)],
                2,
            ),
            expected: "options ng2+2 ng3+2 ng4+2; ng2 1->2; ng3 1->2; triggeredScaleUp t1 t2",
        },
        Row {
            name: "a limit of all caps what is shared",
            choose: "ng1",
            flags: &[BALANCE[0], BALANCE[1], ("cores-total", "0:6")],
            scene: &filled(&[("ng1", "1-10", 1), ("ng2", "1-10", 2), ("ng3", "1-10", 2)], 6),
            expected: "options ng1+6 ng2+6 ng3+6; ng1 1->2; triggeredScaleUp t1 t2 t3 t4 t5 t6",
        },
    ]);
}

/// `TestSngCapacityThreshold` and `TestNewClusterCapacityThreshold` of the estimator: an option has no
/// more nodes than its group and those that share with it have room for, nor than `max-nodes-total`
/// leaves. Each pod takes a node. A limit below 0 is not to be had here.
#[test]
fn options_have_room_for_all_of_their_nodes() {
    type Groups<'a> = &'a [(&'a str, &'a str, usize)];
    let full = [("main", "0-5", 5), ("ng1", "0-10", 10), ("ng2", "0-20", 20)];
    let rows: [(&str, Groups<'_>, &str, &str); 7] = [
        (
            "room in all",
            &[("main", "0-20", 10), ("ng1", "0-10", 5), ("ng2", "0-100", 50), ("ng3", "0-5", 3)],
            "0",
            "options main+67 ng1+67 ng2+67 ng3+67",
        ),
        (
            "groups above their maximum have none",
            &[("main", "0-5", 10), ("ng1", "0-10", 5), ("ng2", "0-10", 11), ("ng3", "0-0", 5)],
            "0",
            "options ng1+5",
        ),
        ("no room anywhere", &full, "0", ""),
        (
            "all groups above their maximum",
            &[("main", "0-5", 10), ("ng1", "0-10", 11), ("ng2", "0-20", 21)],
            "0",
            "",
        ),
        ("the cluster has room", &[("main", "0-100", 5)], "10", "options main+5"),
        ("the cluster has no limit", &[("main", "0-100", 10)], "0", "options main+80"),
        ("the cluster is above its limit", &[("main", "0-100", 10)], "5", ""),
    ];
    for (name, groups, max_nodes_total, expected) in rows {
        let flags = [BALANCE[0], BALANCE[1], ("max-nodes-total", max_nodes_total)];
        let row = Row { name, choose: "main", flags: &flags, scene: &filled(groups, 80), expected };
        let found = found(&run(&row));
        let options = found.split("; ").next().filter(|part| part.starts_with("options"));
        assert_eq!(options.unwrap_or_default(), expected, "{name}");
    }
}

/// `TestComputeSimilarNodeGroups`: which groups share with `ng1`. What is alike is here found out, not
/// given: `pg` has larger nodes. Taints and zones say which pods a group helps, and make no difference
/// between groups.
#[test]
fn only_groups_that_help_the_same_pods_share() {
    const LARGER: &str = "group pg 0-10 200m 1Gi";
    let rows = [
        ("none alike", true, "group ng1 0-10 100m 1Gi\npod p1 - 50m 0", ""),
        (
            "no pod fits",
            true,
            "group ng1 0-10 100m 1Gi
            group ng2 0-10 100m 1Gi
            pod p1 - 9 0",
            "no option",
        ),
        (
            "balancing is off",
            false,
            "group ng1 0-10 100m 1Gi
            group ng2 0-10 100m 1Gi
            group ng3 0-10 100m 1Gi
            pod p1 - 50m 0",
            "",
        ),
        (
            "the same pods",
            true,
            "group ng1 0-10 100m 1Gi
            group ng2 0-10 100m 1Gi
            group ng3 0-10 100m 1Gi
            pod p1 - 50m 0",
            "ng2 ng3",
        ),
        (
            "more pods",
            true,
            "group ng1 0-10 100m 1Gi taint=a
            group ng2 0-10 100m 1Gi
            group ng3 0-10 100m 1Gi zone=z
            pod p1 - 50m 0 bears=a
            pod p2 - 50m 0
            pod p3 - 50m 0 zone=z",
            "ng2 ng3",
        ),
        (
            "fewer pods, or none",
            true,
            "group ng1 0-10 100m 1Gi zone=z
            group ng2 0-10 100m 1Gi
            group ng3 0-10 100m 1Gi taint=a
            pod p1 - 50m 0
            pod p2 - 50m 0 zone=z",
            "",
        ),
    ];
    for (name, balances, lines, expected) in rows {
        let flags = if balances { &BALANCE[..] } else { &BALANCE[1..] };
        let scene = format!("{lines}\n{LARGER}");
        let stage = run(&Row { name, choose: "ng1", flags, scene: &scene, expected });
        let group = |id: GroupId| stage.cluster.group(id).spec.name.as_str();
        let options = &stage.report().scale_up.options;
        let similar = options.iter().find(|one| group(one.group) == "ng1").map(|option| {
            option.similar.iter().map(|one| group(*one)).collect::<Vec<_>>().join(" ")
        });
        assert_eq!(similar.as_deref().unwrap_or("no option"), expected, "{name}");
    }
}
