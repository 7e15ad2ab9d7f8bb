//! Claims about the simple rule.

use expect_test::expect;

use super::*;
use crate::fixture::{Fixture, pod_spec};

fn settings() -> ThresholdSettings {
    ThresholdSettings::default()
}

#[test]
fn one_node_is_added_for_many_pods_then_nothing_for_the_cooldown() {
    let mut fixture = Fixture::default();
    fixture.group("b", 0, 5, "4", "16Gi");
    fixture.group("a", 0, 5, "1", "2Gi");
    fixture.pending("web", 9, &pod_spec("2", "4Gi"));
    let mut threshold = Threshold::new(settings());
    let first = fixture.after(0, &mut threshold);
    let second = fixture.after(50, &mut threshold);
    let third = fixture.after(10, &mut threshold);
    expect![[r#"
        b +1
        why b: 9 pods wait: one more node, 0->1
        --
        --
        b +1
        why b: 9 pods wait: one more node, 1->2"#]]
    .assert_eq(&[first, second, third].join("\n--\n").replace("--\n\n--", "--\n--"));
}

#[test]
fn a_pod_that_no_group_holds_adds_nothing() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    fixture.pending("huge", 1, &pod_spec("64", "1Gi"));
    let mut threshold = Threshold::new(settings());
    expect!["why cluster: 1 pods wait, and no group with room would hold any"]
        .assert_eq(&fixture.after(0, &mut threshold));
    assert_eq!(fixture.after(10, &mut threshold), "");
}

#[test]
fn an_idle_cluster_loses_its_emptiest_node_but_never_its_minimum() {
    let mut fixture = Fixture::default();
    fixture.group("a", 1, 5, "4", "16Gi");
    let (busy, idle) = (fixture.node("busy", "a"), fixture.node("idle", "a"));
    fixture.running("web", 1, &pod_spec("1", "1Gi"), busy);
    let mut threshold = Threshold::new(settings());
    expect![[r#"
        idle taints [ToBeDeletedByClusterAutoscaler]
        why idle: the cluster is mostly idle: removing it, 0 pods move"#]]
    .assert_eq(&fixture.after(0, &mut threshold));
    let actions = threshold.resume(&fixture.cluster, fixture.now);
    assert!(matches!(actions[..], [Action::DeleteNode { node, .. }] if node == idle));
    threshold.observe(&actions[0], &Outcome::Done, &fixture.cluster, fixture.now);
    fixture.cluster.remove_node(idle);
    let group = fixture.cluster.find_group("a").expect("it is there");
    fixture.cluster.set_target_size(group, 1);
    assert_eq!(fixture.after(60, &mut threshold), "", "the minimum holds");
}

#[test]
fn a_drain_that_budgets_hold_up_is_given_up() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    let node = fixture.node("n1", "a");
    fixture.running("web", 1, &pod_spec("500m", "1Gi"), node);
    let mut threshold = Threshold::new(settings());
    let begin = fixture.after(0, &mut threshold);
    assert!(threshold.resume(&fixture.cluster, fixture.now).is_empty(), "a pod is left");
    let again = fixture.after(10, &mut threshold);
    let end = fixture.after(110, &mut threshold);
    expect![[r#"
        n1 taints [ToBeDeletedByClusterAutoscaler]
        evict shop/web-1
        why n1: the cluster is mostly idle: removing it, 1 pods move
        evict shop/web-1
        n1 taints []
        n1 stays: 1 pods could not be evicted"#]]
    .assert_eq(&[begin, again, end].join("\n"));
}

#[test]
fn a_deletion_that_the_cloud_refuses_is_asked_for_again_later_not_at_once() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    fixture.node("idle", "a");
    let mut threshold = Threshold::new(settings());
    fixture.after(0, &mut threshold);
    let actions = threshold.resume(&fixture.cluster, fixture.now);
    let refused = Outcome::Refused("the cloud provider is unavailable".to_owned());
    threshold.observe(&actions[0], &refused, &fixture.cluster, fixture.now);
    assert!(threshold.resume(&fixture.cluster, fixture.now).is_empty(), "not at once");
    assert_eq!(fixture.after(10, &mut threshold), "");
    assert_eq!(threshold.resume(&fixture.cluster, fixture.now), actions);
}

#[test]
fn a_machine_that_is_given_up_counts_no_more_towards_the_minimum() {
    let mut fixture = Fixture::default();
    let group = fixture.group("a", 1, 5, "4", "16Gi");
    fixture.node("idle", "a");
    fixture.machine(
        group,
        "failed",
        plimsoll_core::node_group::InstanceState::Creating,
        Some("STOCKOUT"),
    );
    fixture.cluster.set_target_size(group, 2);
    let mut threshold = Threshold::new(settings());
    assert_eq!(fixture.after(0, &mut threshold), "a deletes failed: CreationFailed");
}

#[test]
fn a_pod_is_told_what_it_waits_for_and_the_cloud_s_refusal() {
    let mut fixture = Fixture::default();
    let group = fixture.group("a", 0, 1, "4", "16Gi");
    fixture.pending("web", 2, &pod_spec("2", "4Gi"));
    fixture.pending("huge", 1, &pod_spec("64", "1Gi"));
    let mut threshold = Threshold::new(settings());
    threshold.tell_findings();
    let first = fixture.told(0, &mut threshold);
    let second = fixture.told(10, &mut threshold);
    let same = fixture.told(10, &mut threshold);
    let full = fixture.told(40, &mut threshold);
    expect![[r#"
        web-1 web-2: triggeredScaleUp: pod triggered scale-up: [{a 0->1 (max: 1)}]
        huge-1: awaitEvaluation: waits: a node is added for other pods
        --
        web-1 web-2 huge-1: notReached: not looked at: a node was added or removed a short while ago until +1m
        --

        --
        web-1 web-2 huge-1: unschedulable: pod didn't trigger scale-up: no group with room would hold any that waits"#]].assert_eq(&[first, second, same, full].join("\n--\n"));

    fixture.cluster.set_target_size(group, 0);
    let decision = threshold.decide(&mut fixture.cluster.fork(), fixture.now);
    let refused = Outcome::Refused("quota exceeded".to_owned());
    threshold.observe(&decision.actions[0], &refused, &fixture.cluster, fixture.now);
    let told: Vec<String> =
        threshold.take_findings().into_iter().map(|one| one.word.text).collect();
    expect![[r#"
        waits: the scale-up failed: quota exceeded
        waits: a node is added for other pods"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn a_node_is_told_what_keeps_it_while_others_go() {
    let mut fixture = Fixture::default();
    fixture.group("a", 1, 5, "4", "16Gi");
    let (busy, kept) = (fixture.node("busy", "a"), fixture.node("kept", "a"));
    fixture.node("idle", "a");
    fixture.node("later", "a");
    let web = fixture.running("web", 1, &pod_spec("3500m", "1Gi"), busy);
    let mut spec = pod_spec("100m", "1Gi");
    spec.annotations.insert(plimsoll_core::drain::SAFE_TO_EVICT.into(), "false".into());
    fixture.running("db", 1, &spec, kept);
    let mut threshold = Threshold::new(settings());
    threshold.tell_findings();
    let used = fixture.told(0, &mut threshold);
    fixture.cluster.remove_pod(web[0]);
    let idle = fixture.told(10, &mut threshold);
    expect![[r#"
        busy: NotUnderutilized: the cluster is not mostly idle: nodes go while the averages of cpu and memory requested are below their limits
        kept: NotUnderutilized: the cluster is not mostly idle: nodes go while the averages of cpu and memory requested are below their limits
        idle: NotUnderutilized: the cluster is not mostly idle: nodes go while the averages of cpu and memory requested are below their limits
        later: NotUnderutilized: the cluster is not mostly idle: nodes go while the averages of cpu and memory requested are below their limits
        --
        kept: BlockedByPod: pod shop/db-1 (NotSafeToEvictAnnotation)
        idle: NotLookedAt: one node goes at a time, the emptiest first
        later: NotLookedAt: one node goes at a time, the emptiest first
        busy: NodeDeleteStarted: removing empty node"#]].assert_eq(&[used, idle].join("\n--\n"));
}
