//! Claims about what no strategy may ask for.

use expect_test::expect;
use plimsoll_core::{PodSpec, SimTime};

use super::*;
use crate::action::DeletionCause;
use crate::fixture::{Fixture, pod_spec};
use crate::settings::Settings;
use crate::taints::TO_BE_DELETED;
use plimsoll_core::taints::{Taint, TaintEffect};

fn delete(node: NodeId) -> Action {
    let (cause, decided_at) = (DeletionCause::Empty, SimTime(i64::MAX));
    Action::DeleteNode { node, cause, decided_at }
}

fn mark(node: NodeId) -> Action {
    let (key, value, effect) = (TO_BE_DELETED.to_owned(), String::new(), TaintEffect::NoSchedule);
    Action::SetTaints { node, taints: vec![Taint { key, value, effect }], unschedulable: true }
}

fn text(result: Result<(), Violation>) -> String {
    result.map_or_else(|violation| violation.to_string(), |()| "fine".to_owned())
}

#[test]
fn groups_stay_between_their_minimum_and_maximum() {
    let mut fixture = Fixture::default();
    let group = fixture.group("a", 1, 3, "4", "16Gi");
    let (first, second) = (fixture.node("n1", "a"), fixture.node("n2", "a"));
    let cluster = &fixture.cluster;
    let increase = |delta| Action::IncreaseSize { group, delta };
    let lines = [
        text(check(cluster, &[increase(1)])),
        text(check(cluster, &[increase(1), increase(1)])),
        text(check(cluster, &[increase(0)])),
        text(check(cluster, &[delete(first)])),
        text(check(cluster, &[delete(first), delete(second)])),
        text(check(cluster, &[increase(1), delete(first), delete(first)])),
    ];
    expect![[r#"
        fine
        group a would have 4 machines, more than its maximum of 3
        group a is to be enlarged by 0
        fine
        group a would have 0 machines, fewer than its minimum of 1
        node NodeId(0) is deleted twice or is not there"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn limits_of_the_whole_cluster_hold_for_all_increases_together() {
    let mut fixture = Fixture::default();
    let group = fixture.group("a", 0, 9, "4", "16Gi");
    let small = fixture.group("b", 2, 9, "4", "16Gi");
    fixture.node("n1", "a");
    let increase = |delta| Action::IncreaseSize { group, delta };
    let cores = fixture.settings(&[("cores-total", "0:12")]);
    let nodes = fixture.settings(&[("max-nodes-total", "2")]);
    let to_minimum = Action::IncreaseSize { group: small, delta: 2 };
    let cluster = &fixture.cluster;
    let lines = [
        text(check_limits(cluster, &cores, &[increase(2)])),
        text(check_limits(cluster, &cores, &[increase(1), increase(2)])),
        text(check_limits(cluster, &nodes, &[increase(1)])),
        text(check_limits(cluster, &nodes, &[increase(2)])),
        text(check_limits(cluster, &nodes, &[increase(1), to_minimum])),
    ];
    expect![[r#"
        fine
        the cluster would exceed its limit of cpu
        fine
        the cluster would exceed its limit of nodes
        fine"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn no_node_goes_whose_pods_fit_nowhere_else() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    let (first, second) = (fixture.node("n1", "a"), fixture.node("n2", "a"));
    fixture.running("web", 1, &pod_spec("3", "1Gi"), first);
    let (flags, now) = (Settings::default(), fixture.now);
    let verdict = |fixture: &mut Fixture, nodes: &[NodeId]| {
        let actions: Vec<Action> = nodes.iter().map(|node| mark(*node)).collect();
        text(check_moves(&mut fixture.cluster, &flags, &actions, now))
    };
    let free = verdict(&mut fixture, &[first]);
    let together = verdict(&mut fixture, &[first, second]);
    let low = PodSpec { priority: -11, ..pod_spec("2", "1Gi") };
    fixture.running("filler", 1, &low, second);
    let behind_filler = verdict(&mut fixture, &[first]);
    fixture.running("api", 1, &pod_spec("2", "1Gi"), second);
    let full = verdict(&mut fixture, &[first]);
    let bare = fixture.running("bare", 1, &pod_spec("100m", "1Gi"), second);
    fixture.cluster.update_workload(
        fixture.cluster.pod(bare[0]).controller.expect("it has one"),
        |one| {
            one.exists = false;
        },
    );
    let blocked = verdict(&mut fixture, &[second]);
    expect![[r#"
        fine
        node n1 is to go, and its pod shop/web-1 cannot: it fits nowhere else
        fine
        node n1 is to go, and its pod shop/web-1 cannot: it fits nowhere else
        node n2 is to go, and its pod shop/bare-1 cannot: ControllerNotFound"#]]
    .assert_eq(&[free, together, behind_filler, full, blocked].join("\n"));
}

#[test]
fn no_pod_is_lost_with_its_node() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    let (first, second) = (fixture.node("n1", "a"), fixture.node("n2", "a"));
    fixture.running("web", 1, &pod_spec("1", "1Gi"), first);
    let (now, flags) = (fixture.now, Settings::default());
    let decided_before = SimTime(0);
    let late =
        Action::DeleteNode { node: first, cause: DeletionCause::Empty, decided_at: decided_before };
    let cluster = &fixture.cluster;
    let lines = [
        text(check_deletion(cluster, Some(&flags), &delete(first), now)),
        text(check_deletion(cluster, Some(&flags), &late, now)),
        text(check_deletion(cluster, Some(&flags), &delete(second), now)),
    ];
    expect![[r#"
        node n1 is deleted while pod shop/web-1 runs on it
        fine
        fine"#]]
    .assert_eq(&lines.join("\n"));
}
