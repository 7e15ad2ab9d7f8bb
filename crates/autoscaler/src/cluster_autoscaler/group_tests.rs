//! Claims about options of node groups, groups that grow as a whole, salvos and refusals.
//!
//! Cases after `orchestrator_test.go` (`TestZeroOrMaxNodeScaling`, `TestScaleUpToMeetNodeGroupMinSize`,
//! skipped groups), `static_autoscaler_test.go` (instances with errors, unregistered nodes, salvo) and
//! `clusterstate_test.go` of release 1.36, with inputs of our own.

use expect_test::expect;
use plimsoll_core::node_group::{InstanceError, InstanceState};
use plimsoll_core::{NodeGroupSpec, SimDuration};

use super::*;
use crate::fixture::{Fixture, pod_spec};

fn atomic(spec: &mut NodeGroupSpec) {
    spec.autoscaling_options.zero_or_max_node_scaling = Some(true);
}

/// One loop in which the cloud refuses to enlarge some groups: what was asked for, what came of it.
fn answer(fixture: &mut Fixture, autoscaler: &mut ClusterAutoscaler, refused: &[&str]) -> String {
    let decision = autoscaler.decide(&mut fixture.cluster.fork(), fixture.now);
    let mut lines = Vec::new();
    for action in &decision.actions {
        let Action::IncreaseSize { group, delta } = action else { continue };
        let name = fixture.cluster.group(*group).spec.name.clone();
        let outcome = if !autoscaler.still_wants(action) {
            lines.push(format!("{name} +{delta} is not asked for"));
            continue;
        } else if refused.contains(&name.as_str()) {
            lines.push(format!("{name} +{delta} is refused"));
            Outcome::Refused("no quota".to_owned())
        } else {
            lines.push(format!("{name} +{delta}"));
            fixture.carry_out(action);
            Outcome::Done
        };
        autoscaler.observe(action, &outcome, &fixture.cluster, fixture.now);
    }
    lines.join("\n")
}

fn fail(fixture: &mut Fixture, group: GroupId, machines: &[usize]) {
    fixture.cluster.update_instances(group, |list| {
        for index in machines {
            let message = "none left".to_owned();
            list[*index].error = Some(InstanceError {
                out_of_resources: true,
                code: "STOCKOUT".to_owned(),
                message,
            });
        }
    });
}

#[test]
fn a_group_that_grows_as_a_whole_grows_to_its_maximum() {
    let mut lines = Vec::new();
    // Two pods fit on one node; eleven on no less than six, of which there can be five.
    for (there, pods) in [(0, 2), (2, 7), (0, 11)] {
        let mut fixture = Fixture::default();
        fixture.group_with("a", 0, 5, "4", "16Gi", atomic);
        for number in 0..there {
            fixture.node(&format!("a-{number}"), "a");
        }
        fixture.pending("web", pods, &pod_spec("2", "1Gi"));
        let mut autoscaler = fixture.autoscaler(&[]);
        lines.push(answer(&mut fixture, &mut autoscaler, &[]));
    }
    expect![[r#""#]].assert_eq(&lines.join("\n"));
}

#[test]
fn all_of_the_group_must_be_within_the_limits() {
    let mut lines = Vec::new();
    for flags in [("max-nodes-total", "5"), ("max-nodes-total", "6"), ("cores-total", "0:20")] {
        let mut fixture = Fixture::default();
        fixture.group_with("a", 0, 5, "4", "16Gi", atomic);
        fixture.group("b", 0, 1, "1", "1Gi");
        fixture.node("b-1", "b");
        fixture.pending("web", 1, &pod_spec("2", "1Gi"));
        let mut autoscaler = fixture.autoscaler(&[flags]);
        lines.push(fixture.after(0, &mut autoscaler));
    }
    expect![[r#""#]].assert_eq(&lines.join("\n\n"));
}

#[test]
fn a_group_that_grows_as_a_whole_is_balanced_with_no_other() {
    let mut fixture = Fixture::default();
    let same = |spec: &mut NodeGroupSpec| spec.template.labels.clear();
    fixture.group_with("a", 0, 5, "4", "16Gi", |spec| {
        same(spec);
        atomic(spec);
    });
    fixture.group_with("b", 0, 5, "4", "16Gi", same);
    fixture.group_with("c", 0, 5, "4", "16Gi", same);
    fixture.pending("web", 4, &pod_spec("2", "1Gi"));
    let mut autoscaler = fixture.autoscaler(&[("balance-similar-node-groups", "true")]);
    autoscaler.decide(&mut fixture.cluster.fork(), fixture.now);
    let report = &autoscaler.last_loop().expect("a loop ran").scale_up;
    let likes: Vec<usize> = report.options.iter().map(|one| one.similar.len()).collect();
    // Upstream takes it for one of the groups that others are balanced with, though.
    assert_eq!(likes, [0, 2, 2]);
}

#[test]
fn machines_of_a_whole_group_are_given_up_together() {
    let mut lines = Vec::new();
    for (lenient, failed) in [(false, &[1][..]), (true, &[1][..]), (true, &[0, 1, 2][..])] {
        let mut fixture = Fixture::default();
        let group = fixture.group_with("a", 0, 3, "4", "16Gi", |spec| {
            atomic(spec);
            spec.autoscaling_options.allow_non_atomic_scale_up_to_max = Some(lenient);
        });
        fixture.pending("web", 1, &pod_spec("2", "1Gi"));
        let mut autoscaler = fixture.autoscaler(&[]);
        fixture.after(0, &mut autoscaler);
        fail(&mut fixture, group, failed);
        let told = fixture.after(10, &mut autoscaler);
        let deleted: Vec<&str> = told.lines().filter(|line| line.contains("deletes")).collect();
        lines.push(format!("{failed:?}: {}", deleted.join(" ")));
    }
    expect![[r#""#]].assert_eq(&lines.join("\n"));
}

#[test]
fn a_whole_group_goes_with_its_nodes_when_one_machine_never_registers() {
    let mut fixture = Fixture::default();
    let group = fixture.group_with("a", 0, 3, "4", "16Gi", atomic);
    fixture.node("a-1", "a");
    fixture.node("a-2", "a");
    fixture.machine(group, "a-3", InstanceState::Creating, None);
    fixture.cluster.set_target_size(group, 3);
    let mut autoscaler = fixture.autoscaler(&[("scale-down-enabled", "false")]);
    let first = fixture.after(0, &mut autoscaler);
    let late = fixture.after(15 * 60 + 10, &mut autoscaler);
    expect![[r#""#]].assert_eq(&format!("first: {first}\nlate: {late}"));
}

#[test]
fn each_group_has_its_own_time_to_provide_nodes() {
    let mut fixture = Fixture::default();
    for (name, minutes) in [("a", 2), ("b", 30)] {
        fixture.group_with(name, 0, 1, "4", "16Gi", |spec| {
            spec.autoscaling_options.max_node_provision_time =
                Some(SimDuration::from_mins(minutes));
        });
        let selector = [("pool".to_owned(), name.to_owned())].into();
        let spec = plimsoll_core::PodSpec { node_selector: selector, ..pod_spec("2", "1Gi") };
        fixture.pending(name, 1, &spec);
    }
    let mut autoscaler = fixture.autoscaler(&[("salvo-scale-up", "true")]);
    assert_eq!(answer(&mut fixture, &mut autoscaler, &[]), "a +1\nb +1");
    let mut told = Vec::new();
    for _ in 0..4 {
        let lines = fixture.after(600, &mut autoscaler);
        told.extend(lines.lines().filter(|line| line.contains("TimedOut")).map(str::to_owned));
    }
    expect![[r#""#]].assert_eq(&told.join("\n"));
}

#[test]
fn a_salvo_goes_on_until_everybody_is_helped() {
    let mut lines = Vec::new();
    for flags in [
        &[][..],
        &[("salvo-scale-up", "true")][..],
        &[("salvo-scale-up", "true"), ("salvo-scale-up-budget", "0s")][..],
        &[("salvo-scale-up", "true"), ("max-nodes-total", "3")][..],
    ] {
        let mut fixture = Fixture::default();
        for name in ["a", "b", "c"] {
            fixture.group(name, 0, 9, "4", "16Gi");
            let selector = [("pool".to_owned(), name.to_owned())].into();
            let spec = plimsoll_core::PodSpec { node_selector: selector, ..pod_spec("2", "1Gi") };
            fixture.pending(name, 4, &spec);
        }
        let mut autoscaler = fixture.autoscaler(flags);
        let asked = answer(&mut fixture, &mut autoscaler, &[]);
        let report = autoscaler.last_loop().expect("a loop ran");
        let helped = report
            .outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == PodOutcome::TriggeredScaleUp)
            .count();
        let (result, salvo) = (report.scale_up.result.as_str(), report.salvo.len());
        lines.push(format!("{flags:?}: {result}, {helped} pods, salvo of {salvo}\n{asked}"));
    }
    expect![[r#""#]].assert_eq(&lines.join("\n"));
}

#[test]
fn the_first_refusal_ends_a_scale_up_unless_increases_are_made_in_parallel() {
    let mut lines = Vec::new();
    for in_parallel in ["false", "true"] {
        let mut fixture = Fixture::default();
        for name in ["a", "b", "c"] {
            fixture.group_with(name, 0, 9, "4", "16Gi", |spec| spec.template.labels.clear());
        }
        fixture.pending("web", 6, &pod_spec("2", "1Gi"));
        let flags = [("balance-similar-node-groups", "true"), ("parallel-scale-up", in_parallel)];
        let mut autoscaler = fixture.autoscaler(&flags);
        let asked = answer(&mut fixture, &mut autoscaler, &["b"]);
        let report = autoscaler.last_loop().expect("a loop ran");
        let (result, made) = (report.scale_up.result.as_str(), report.scale_up.increases.len());
        let productive = autoscaler.was_productive();
        lines.push(format!("{asked}\n{result}, {made} made, productive: {productive}"));
    }
    expect![[r#""#]].assert_eq(&lines.join("\n"));
}

#[test]
fn a_refusal_ends_a_salvo_but_what_came_before_it_counts() {
    let mut fixture = Fixture::default();
    for name in ["a", "b", "c"] {
        fixture.group(name, 0, 9, "4", "16Gi");
        let selector = [("pool".to_owned(), name.to_owned())].into();
        let spec = plimsoll_core::PodSpec { node_selector: selector, ..pod_spec("2", "1Gi") };
        fixture.pending(name, 1, &spec);
    }
    let mut autoscaler = fixture.autoscaler(&[("salvo-scale-up", "true")]);
    let order = answer(&mut fixture, &mut autoscaler, &[]);
    let second = order.lines().nth(1).and_then(|line| line.split(' ').next()).expect("three");
    let mut again = Fixture::default();
    for name in ["a", "b", "c"] {
        again.group(name, 0, 9, "4", "16Gi");
        let selector = [("pool".to_owned(), name.to_owned())].into();
        let spec = plimsoll_core::PodSpec { node_selector: selector, ..pod_spec("2", "1Gi") };
        again.pending(name, 1, &spec);
    }
    let mut autoscaler =
        again.autoscaler(&[("salvo-scale-up", "true"), ("parallel-scale-up", "true")]);
    let asked = answer(&mut again, &mut autoscaler, &[second]);
    let kinds: Vec<&str> = asked.lines().map(|line| &line[1..]).collect();
    assert_eq!(kinds, [" +1", " +1 is refused", " +1 is not asked for"]);
    assert!(autoscaler.was_productive(), "the first scale-up of the salvo was carried out");
    let report = autoscaler.last_loop().expect("a loop ran");
    assert_eq!(report.scale_up.increases.len(), 1);
    assert_eq!(report.scale_up.result, ScaleUpResult::Error);
}

#[test]
fn what_refuses_a_pod_is_said_of_skipped_groups_too_where_that_is_asked_for() {
    let mut lines = Vec::new();
    for flag in ["false", "true"] {
        let mut fixture = Fixture::default();
        fixture.group("small", 0, 0, "2", "4Gi");
        fixture.group("large", 0, 0, "64", "256Gi");
        fixture.pending("web", 1, &pod_spec("32", "1Gi"));
        let key = "scaleup-simulation-for-skipped-node-groups-enabled";
        let mut autoscaler = fixture.autoscaler(&[(key, flag)]);
        let told = fixture.after(0, &mut autoscaler);
        lines.extend(told.lines().filter(|line| line.contains("web")).map(str::to_owned));
    }
    expect![[r#""#]].assert_eq(&lines.join("\n"));
}

#[test]
fn upstreams_minimum_looks_at_targets_and_ours_at_nodes() {
    let mut lines = Vec::new();
    for key in ["enforce-node-group-min-size", "plimsoll-enforce-min-size-on-live-nodes"] {
        let mut fixture = Fixture::default();
        let group = fixture.group("a", 3, 5, "4", "16Gi");
        fixture.node("a-1", "a");
        let broken = fixture.node("a-2", "a");
        fixture.machine(group, "a-3", InstanceState::Creating, None);
        fixture.cluster.set_target_size(group, 3);
        let mut autoscaler = fixture.autoscaler(&[(key, "true"), ("scale-down-enabled", "false")]);
        lines.push(format!("{key}:\n{}", fixture.after(0, &mut autoscaler)));
        fixture.cluster.set_ready(broken, false, fixture.now);
        for seconds in [10, 10, 15 * 60] {
            lines.push(fixture.after(seconds, &mut autoscaler));
        }
    }
    expect![[r#""#]].assert_eq(&lines.join("\n"));
}

#[test]
fn a_repair_keeps_to_the_limits_of_the_whole_cluster() {
    let mut fixture = Fixture::default();
    fixture.group("a", 3, 5, "4", "16Gi");
    fixture.group("b", 3, 5, "4", "16Gi");
    let key = "plimsoll-enforce-min-size-on-live-nodes";
    let mut autoscaler = fixture.autoscaler(&[(key, "true"), ("max-nodes-total", "4")]);
    assert_eq!(answer(&mut fixture, &mut autoscaler, &[]), "a +3\nb +1");
}
