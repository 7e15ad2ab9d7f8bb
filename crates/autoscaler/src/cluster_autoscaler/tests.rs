//! Claims about the loop's scale-up half, on clusters of a few lines.

use expect_test::{Expect, expect};
use plimsoll_core::node_group::InstanceState;
use plimsoll_core::taints::Toleration;
use plimsoll_core::{PodSpec, SimDuration};

use super::*;
use crate::fixture::{Fixture, pod_spec};
use crate::pending::PodOutcome;
use crate::settings::Priorities;

/// Runs one loop and shows what it decided.
fn check(fixture: &mut Fixture, flags: &[(&str, &str)], expected: &Expect) -> ClusterAutoscaler {
    let mut autoscaler = fixture.autoscaler(flags);
    expected.assert_eq(&fixture.after(0, &mut autoscaler));
    autoscaler
}

/// The options of the last loop: group, nodes, pods, and the groups like it.
fn options(fixture: &Fixture, autoscaler: &ClusterAutoscaler) -> String {
    let name = |group: &GroupId| fixture.cluster.group(*group).spec.name.clone();
    let report = &autoscaler.last_loop().expect("a loop ran").scale_up;
    let lines = report.options.iter().map(|one| {
        let similar: Vec<String> = one.similar.iter().map(name).collect();
        let (group, nodes, pods) = (name(&one.group), one.nodes, one.pods.len());
        format!("{group}: {nodes} nodes, {pods} pods, like [{}]", similar.join(", "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn outcomes(autoscaler: &ClusterAutoscaler) -> Vec<&'static str> {
    let report = autoscaler.last_loop().expect("a loop ran");
    let mut sorted = report.outcomes.clone();
    sorted.sort_unstable();
    sorted.into_iter().map(|(_, outcome)| outcome.as_str()).collect()
}

#[test]
fn free_room_is_used_before_nodes_are_added() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    let node = fixture.node("a-1", "a");
    fixture.running("web", 1, &pod_spec("2", "1Gi"), node);
    fixture.pending("api", 4, &pod_spec("2", "1Gi"));
    let autoscaler = check(
        &mut fixture,
        &[],
        &expect![[r#"
            a +2
            why a: Scale-up: setting group a size to 3 instead of 1 (max: 9)
            why shop/api-2: pod triggered scale-up: [{a 1->3 (max: 9)}]
            why shop/api-3: pod triggered scale-up: [{a 1->3 (max: 9)}]
            why shop/api-4: pod triggered scale-up: [{a 1->3 (max: 9)}]"#]],
    );
    assert_eq!(outcomes(&autoscaler)[0], "fitsExisting");
}

#[test]
fn reasons_are_counted_over_groups_and_told_once() {
    let mut fixture = Fixture::default();
    fixture.group("small", 0, 9, "2", "4Gi");
    fixture.group("tiny", 0, 9, "1", "2Gi");
    fixture.group("full", 0, 0, "64", "256Gi");
    fixture.pending("huge", 1, &pod_spec("32", "1Gi"));
    let mut autoscaler = check(
        &mut fixture,
        &[],
        &expect![[r#"
            why full: skipped: max node group size reached
            why shop/huge-1: pod didn't trigger scale-up: 1 max node group size reached, 2 Insufficient cpu"#]],
    );
    assert_eq!(fixture.after(10, &mut autoscaler), "", "nothing of it is news");
}

#[test]
fn pods_of_upcoming_nodes_cause_no_second_increase() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    fixture.pending("api", 2, &pod_spec("2", "1Gi"));
    let mut autoscaler = fixture.autoscaler(&[]);
    fixture.after(0, &mut autoscaler);
    assert_eq!(fixture.after(10, &mut autoscaler), "");
    fixture.pending("late", 3, &pod_spec("2", "1Gi"));
    expect![[r#"
        a +2
        why a: Scale-up: setting group a size to 3 instead of 1 (max: 9)
        why shop/late-1: pod triggered scale-up: [{a 1->3 (max: 9)}]
        why shop/late-2: pod triggered scale-up: [{a 1->3 (max: 9)}]
        why shop/late-3: pod triggered scale-up: [{a 1->3 (max: 9)}]"#]]
    .assert_eq(&fixture.after(10, &mut autoscaler));
}

#[test]
fn a_request_times_out_strictly_after_its_time_and_its_target_is_given_back() {
    let mut fixture = Fixture::default();
    let group = fixture.group("a", 0, 9, "4", "16Gi");
    fixture.group("b", 0, 9, "8", "64Gi");
    fixture.pending("api", 1, &pod_spec("2", "1Gi"));
    let mut autoscaler = fixture.autoscaler(&[]);
    fixture.after(0, &mut autoscaler);
    fixture.cluster.update_instances(group, Vec::clear);
    assert_eq!(fixture.after(900, &mut autoscaler), "");
    expect![[r#"
        a target -1
        b +1
        why a: ScaleUpTimedOut: Nodes added to group a failed to register within 15m10s
        why a: skipped: not ready for scale-up
        why b: Scale-up: setting group b size to 1 instead of 0 (max: 9)
        why shop/api-1: pod triggered scale-up: [{b 0->1 (max: 9)}]"#]]
    .assert_eq(&fixture.after(10, &mut autoscaler));
}

#[test]
fn failed_creations_are_deleted_and_another_group_is_used_in_the_same_loop() {
    let mut fixture = Fixture::default();
    let group = fixture.group("a", 0, 9, "4", "16Gi");
    fixture.group("b", 0, 9, "8", "64Gi");
    fixture.pending("api", 1, &pod_spec("2", "1Gi"));
    let mut autoscaler = fixture.autoscaler(&[]);
    fixture.after(0, &mut autoscaler);
    fixture.cluster.update_instances(group, Vec::clear);
    fixture.machine(group, "a-failed", InstanceState::Creating, Some("STOCKOUT"));
    expect![[r#"
        a deletes a-failed: CreationFailed
        b +1
        why a: ScaleUpFailed: Failed adding 1 nodes to group a due to OutOfResource.STOCKOUT; source errors: none left
        why a: skipped: in backoff after failed scale-up
        why b: Scale-up: setting group b size to 1 instead of 0 (max: 9)
        why shop/api-1: pod triggered scale-up: [{b 0->1 (max: 9)}]"#]]
    .assert_eq(&fixture.after(10, &mut autoscaler));
}

#[test]
fn machines_that_never_register_are_given_up_but_not_below_the_minimum() {
    let mut fixture = Fixture::default();
    let group = fixture.group("a", 1, 9, "4", "16Gi");
    fixture.cluster.set_target_size(group, 2);
    fixture.machine(group, "m1", InstanceState::Creating, None);
    fixture.machine(group, "m2", InstanceState::Creating, None);
    let mut autoscaler = fixture.autoscaler(&[]);
    assert_eq!(fixture.after(0, &mut autoscaler), "");
    assert_eq!(fixture.after(900, &mut autoscaler), "");
    assert_eq!(fixture.after(10, &mut autoscaler), "a deletes m1: NeverRegistered");
    assert_eq!(fixture.after(10, &mut autoscaler), "", "one must stay");
}

#[test]
fn a_pod_as_old_as_the_delay_is_still_too_new() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    fixture.pending("api", 1, &pod_spec("2", "1Gi"));
    let mut autoscaler = fixture.autoscaler(&[("new-pod-scale-up-delay", "1h")]);
    assert_eq!(fixture.after(0, &mut autoscaler), "");
    assert_eq!(outcomes(&autoscaler), ["tooNew"]);
    assert!(fixture.after(1, &mut autoscaler).starts_with("a +1"));
}

#[test]
fn a_burst_younger_than_two_seconds_holds_the_loop_back() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    fixture.now += SimDuration::from_hours(1);
    fixture.pending("young", 1, &pod_spec("2", "1Gi"));
    fixture.now += SimDuration(-3_600_000 + 1000);
    let mut autoscaler = fixture.autoscaler(&[]);
    assert_eq!(fixture.after(0, &mut autoscaler), "");
    let result = autoscaler.last_loop().map(|report| report.scale_up.result);
    assert_eq!(result, Some(ScaleUpResult::InCooldown));
    assert!(fixture.after(1, &mut autoscaler).starts_with("a +1"));
}

#[test]
fn expendable_pods_neither_wait_nor_hold_room() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    let node = fixture.node("a-1", "a");
    let idle = PodSpec { priority: -11, ..pod_spec("3", "1Gi") };
    fixture.running("filler", 1, &idle, node);
    fixture.pending("filler-too", 1, &idle);
    fixture.pending("api", 1, &pod_spec("2", "1Gi"));
    let autoscaler = check(&mut fixture, &[], &expect!["why a-1: NoPlaceToMovePods"]);
    assert_eq!(outcomes(&autoscaler), ["expendable", "fitsExisting"]);
}

#[test]
fn daemon_sets_take_room_on_nodes_that_are_not_there_yet() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    fixture.daemon_set("agent", &pod_spec("500m", "1Gi"));
    fixture.pending("api", 2, &pod_spec("2", "1Gi"));
    let autoscaler = fixture_options(&mut fixture, &[]);
    expect!["a: 2 nodes, 2 pods, like []"].assert_eq(&options(&fixture, &autoscaler));
}

fn fixture_options(fixture: &mut Fixture, flags: &[(&str, &str)]) -> ClusterAutoscaler {
    let mut autoscaler = fixture.autoscaler(flags);
    fixture.after(0, &mut autoscaler);
    autoscaler
}

#[test]
fn a_real_node_stands_for_its_group_with_its_lasting_taints_only() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    let node = fixture.node("a-1", "a");
    fixture.taint(node, "node.kubernetes.io/memory-pressure");
    fixture.pending("api", 1, &pod_spec("2", "1Gi"));
    let autoscaler = fixture_options(&mut fixture, &[]);
    expect!["a: 1 nodes, 1 pods, like []"].assert_eq(&options(&fixture, &autoscaler));
    fixture.taint(node, "team");
    fixture.pending("other", 1, &pod_spec("3", "1Gi"));
    let tolerant = Toleration { key: "team".into(), equal: false, value: "".into(), effect: None };
    let spec = PodSpec { tolerations: vec![tolerant], ..pod_spec("4", "1Gi") };
    fixture.pending("team", 1, &spec);
    let autoscaler = fixture_options(&mut fixture, &[]);
    expect!["a: 1 nodes, 1 pods, like []"].assert_eq(&options(&fixture, &autoscaler));
}

#[test]
fn the_estimator_packs_large_pods_first_and_fills_up_with_small_ones() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 99, "4", "16Gi");
    fixture.pending("small", 4, &pod_spec("1", "1Gi"));
    fixture.pending("large", 4, &pod_spec("3", "1Gi"));
    let autoscaler = fixture_options(&mut fixture, &[]);
    expect!["a: 4 nodes, 8 pods, like []"].assert_eq(&options(&fixture, &autoscaler));
}

#[test]
fn limits_stop_the_estimator_and_leave_pods_over() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 99, "4", "16Gi");
    fixture.pending("api", 3, &pod_spec("3", "1Gi"));
    let autoscaler = fixture_options(&mut fixture, &[("max-nodes-per-scaleup", "2")]);
    assert_eq!(outcomes(&autoscaler), ["triggeredScaleUp", "triggeredScaleUp", "leftOver"]);
}

#[test]
fn a_quota_cuts_the_nodes_but_all_pods_of_the_option_count_as_triggered() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 99, "4", "16Gi");
    fixture.node("a-1", "a");
    fixture.pending("api", 3, &pod_spec("4", "1Gi"));
    fixture.pending("bpi", 1, &pod_spec("4", "2Gi"));
    let mut autoscaler = fixture.autoscaler(&[("cores-total", "0:12")]);
    let told = fixture.after(0, &mut autoscaler);
    assert!(told.starts_with("a +2\n"), "{told}");
    assert_eq!(outcomes(&autoscaler).iter().filter(|one| **one == "triggeredScaleUp").count(), 3);
}

#[test]
fn a_group_over_a_quota_is_skipped_in_upstreams_words() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 99, "4", "16Gi");
    fixture.pending("api", 1, &pod_spec("4", "1Gi"));
    let flags = [("cores-total", "0:3"), ("memory-total", "0:8")];
    check(
        &mut fixture,
        &flags,
        &expect![[r#"
            why a: skipped: exceeded quota: "cluster-wide", resources: cpu, memory
            why shop/api-1: pod didn't trigger scale-up: 1 exceeded quota: "cluster-wide", resources: cpu, memory"#]],
    );
}

#[test]
fn max_nodes_total_counts_upcoming_nodes() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 99, "4", "16Gi");
    fixture.node("a-1", "a");
    fixture.pending("api", 9, &pod_spec("4", "1Gi"));
    let mut autoscaler = fixture.autoscaler(&[("max-nodes-total", "3")]);
    assert!(fixture.after(0, &mut autoscaler).starts_with("a +2\n"));
    let told = fixture.after(10, &mut autoscaler);
    assert!(!told.contains("a +"), "two are upcoming: {told}");
}

#[test]
fn similar_groups_share_new_nodes_smallest_first() {
    let mut fixture = Fixture::default();
    let ignore = [("balance-similar-node-groups", "true"), ("balancing-ignore-label", "pool")];
    for name in ["a", "b", "c"] {
        fixture.group(name, 0, 3, "4", "16Gi");
    }
    fixture.group("other", 0, 9, "4", "32Gi");
    fixture.node("a-1", "a");
    fixture.node("a-2", "a");
    fixture.pending("api", 7, &pod_spec("4", "1Gi"));
    check(
        &mut fixture,
        &ignore,
        &expect![[r#"
            c +3
            b +2
            why c: Scale-up: setting group c size to 3 instead of 0 (max: 3)
            why b: Scale-up: setting group b size to 2 instead of 0 (max: 3)
            why shop/api-3: pod triggered scale-up: [{c 0->3 (max: 3)} {b 0->2 (max: 3)}]
            why shop/api-4: pod triggered scale-up: [{c 0->3 (max: 3)} {b 0->2 (max: 3)}]
            why shop/api-5: pod triggered scale-up: [{c 0->3 (max: 3)} {b 0->2 (max: 3)}]
            why shop/api-6: pod triggered scale-up: [{c 0->3 (max: 3)} {b 0->2 (max: 3)}]
            why shop/api-7: pod triggered scale-up: [{c 0->3 (max: 3)} {b 0->2 (max: 3)}]"#]],
    );
}

#[test]
fn a_group_with_nodes_is_similar_to_one_with_a_template_only() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    fixture.group("b", 0, 9, "4", "16Gi");
    fixture.node("a-1", "a");
    fixture.pending("api", 5, &pod_spec("4", "1Gi"));
    let flags = [("balance-similar-node-groups", "true"), ("balancing-ignore-label", "pool")];
    let mut autoscaler = fixture.autoscaler(&flags);
    let told = fixture.after(0, &mut autoscaler);
    let grown: Vec<&str> = told.lines().take_while(|line| line.contains(" +")).collect();
    assert_eq!(grown, ["b +3", "a +1"]);
}

#[test]
fn each_expander_prefers_its_own() {
    let chosen = |expander: &str| {
        let mut fixture = Fixture::default();
        let priced = |price| {
            move |spec: &mut plimsoll_core::NodeGroupSpec| {
                spec.price_microusd_per_hour = Some(price);
            }
        };
        fixture.group_with("large", 0, 9, "16", "64Gi", priced(3_000_000));
        fixture.group_with("medium", 0, 9, "4", "16Gi", priced(100_000));
        fixture.group_with("small", 0, 9, "2", "8Gi", priced(90_000));
        fixture.pending("api", 4, &pod_spec("1500m", "1Gi"));
        fixture.pending("big", 1, &pod_spec("3", "1Gi"));
        let mut autoscaler = fixture.autoscaler(&[("expander", expander)]);
        let levels = [(10, vec!["^small$".to_owned()]), (1, vec![".*".to_owned()])];
        autoscaler.settings.priorities = Priorities::new(&levels).ok();
        let told = fixture.after(0, &mut autoscaler);
        told.lines().next().unwrap_or_default().to_owned()
    };
    let chain = ["least-nodes", "price", "priority", "most-pods,price", "least-waste"];
    let lines: Vec<String> =
        chain.iter().map(|expander| format!("{expander}: {}", chosen(expander))).collect();
    expect![[r#"
        least-nodes: large +1
        price: small +4
        priority: small +4
        most-pods,price: medium +3
        least-waste: small +4"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn a_missing_price_is_an_error_that_names_the_group() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    let by_price = fixture.autoscaler(&[("expander", "price")]);
    let error = by_price.check_prices(&fixture.cluster).expect_err("a has none");
    assert_eq!(error.to_string(), "group a has no pricePerHour, which the expander price needs");
    assert!(fixture.autoscaler(&[]).check_prices(&fixture.cluster).is_ok());
}

#[test]
fn groups_below_their_minimum_are_enlarged_only_where_that_is_asked_for() {
    let mut fixture = Fixture::default();
    fixture.group("a", 2, 9, "4", "16Gi");
    assert_eq!(fixture.after(0, &mut fixture_autoscaler(&[])), "");
    let mut enforcing = fixture_autoscaler(&[("enforce-node-group-min-size", "true")]);
    assert!(fixture.after(0, &mut enforcing).starts_with("a +2"));
}

fn fixture_autoscaler(flags: &[(&str, &str)]) -> ClusterAutoscaler {
    Fixture::default().autoscaler(flags)
}

#[test]
fn an_idle_cluster_promises_idleness_until_something_can_happen() {
    let mut fixture = Fixture::default();
    let group = fixture.group("a", 2, 9, "4", "16Gi");
    fixture.node("a-1", "a");
    let mut autoscaler = fixture.autoscaler(&[]);
    let idle = fixture.decide(&mut autoscaler).idle_until;
    assert!(idle.is_some_and(|until| until > fixture.now + SimDuration::from_hours(1)), "{idle:?}");
    fixture.cluster.set_target_size(group, 2);
    fixture.machine(group, "late", InstanceState::Creating, None);
    fixture.now += SimDuration::from_secs(10);
    let idle = fixture.decide(&mut autoscaler).idle_until;
    let refresh = fixture.now + SimDuration::from_secs(110);
    assert_eq!(idle, Some(refresh), "the new machine is seen by the background refresh");
}

#[test]
fn a_refused_increase_fails_the_scale_up_and_backs_the_group_off() {
    let mut fixture = Fixture::default();
    let group = fixture.group("a", 0, 9, "4", "16Gi");
    fixture.pending("api", 1, &pod_spec("2", "1Gi"));
    let mut autoscaler = fixture.autoscaler(&[]);
    let decision = autoscaler.decide(&mut fixture.cluster.fork(), fixture.now);
    let refusal = Outcome::Refused("quota exceeded".to_owned());
    autoscaler.observe(&decision.actions[0], &refusal, &fixture.cluster, fixture.now);
    let report = autoscaler.last_loop().expect("a loop ran");
    assert_eq!(report.scale_up.result, ScaleUpResult::Error);
    assert_eq!(
        report.events.last().map(ToString::to_string).as_deref(),
        Some("FailedToScaleUpGroup: Scale-up failed for group a: quota exceeded")
    );
    assert_eq!(outcomes(&autoscaler), ["scaleUpFailed"]);
    assert!(autoscaler.registry().is_backed_off(group, fixture.now));
}

#[test]
fn an_unhealthy_cluster_is_left_alone() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 9, "4", "16Gi");
    for number in 1..=5 {
        let node = fixture.node(&format!("a-{number}"), "a");
        let since = fixture.now - SimDuration::from_hours(1);
        fixture.cluster.set_ready(node, number == 5, since);
    }
    fixture.pending("api", 9, &pod_spec("4", "1Gi"));
    let autoscaler =
        check(&mut fixture, &[], &expect!["why cluster: ClusterUnhealthy: Cluster is unhealthy"]);
    let result = autoscaler.last_loop().map(|report| report.scale_up.result);
    assert_eq!(result, Some(ScaleUpResult::NotTried));
    assert_eq!(PodOutcome::NotReached.as_str(), "notReached");
}
