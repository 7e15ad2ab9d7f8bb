//! Claims about options of node groups, groups that grow as a whole, salvos and refusals.
//!
//! Cases after `orchestrator_test.go` (`TestZeroOrMaxNodeScaling`, `TestScaleUpToMeetNodeGroupMinSize`,
//! skipped groups), `static_autoscaler_test.go` (instances with errors, unregistered nodes, salvo) and
//! `clusterstate_test.go` of release 1.36, with inputs of our own.

use expect_test::expect;
use plimsoll_core::ids::PodId;
use plimsoll_core::node_group::{InstanceError, InstanceState};
use plimsoll_core::{NodeGroupSpec, PodSpec, SimDuration};

use super::*;
use crate::fixture::{Fixture, pod_spec};
use crate::pending::PodOutcome;

fn atomic(spec: &mut NodeGroupSpec) {
    spec.autoscaling_options.zero_or_max_node_scaling = Some(true);
}

/// One loop in which the cloud refuses one increase, counted from 0: what was asked for, what came of
/// it.
fn answer(
    fixture: &mut Fixture,
    autoscaler: &mut ClusterAutoscaler,
    refused: Option<usize>,
) -> Vec<String> {
    let decision = autoscaler.decide(&mut fixture.cluster.fork(), fixture.now);
    let mut lines = Vec::new();
    for action in &decision.actions {
        let Action::IncreaseSize { group, delta } = action else { continue };
        let name = fixture.cluster.group(*group).spec.name.clone();
        let outcome = if !autoscaler.still_wants(action) {
            lines.push(format!("{name} +{delta} is not asked for"));
            continue;
        } else if refused == Some(lines.len()) {
            lines.push(format!("{name} +{delta} is refused"));
            Outcome::Refused("no quota".to_owned())
        } else {
            lines.push(format!("{name} +{delta}"));
            fixture.carry_out(action);
            Outcome::Done
        };
        autoscaler.observe(action, &outcome, &fixture.cluster, fixture.now);
    }
    lines
}

/// Without the names of groups: which of several equal ones comes first is chance.
fn nameless(lines: &[String]) -> String {
    lines.iter().map(|line| &line[2..]).collect::<Vec<_>>().join(", ")
}

/// Groups that each have pods of their own.
fn groups_with_pods(names: &[&str], pods: usize) -> Fixture {
    let mut fixture = Fixture::default();
    for name in names {
        fixture.group(name, 0, 9, "4", "16Gi");
        let node_selector = [("pool".to_owned(), (*name).to_owned())].into();
        let spec = PodSpec { node_selector, ..pod_spec("2", "1Gi") };
        fixture.pending(name, pods, &spec);
    }
    fixture
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
        lines.extend(answer(&mut fixture, &mut autoscaler, None));
    }
    expect![[r#"
        a +5
        a +3
        a +5"#]]
    .assert_eq(&lines.join("\n"));
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
        let mut autoscaler = fixture.autoscaler(&[flags, ("scale-down-enabled", "false")]);
        lines.push(fixture.after(0, &mut autoscaler));
    }
    expect![[r#"
        why a: skipped: atomic scale-up exceeds cluster node count limit
        why b: skipped: max node group size reached
        why shop/web-1: pod didn't trigger scale-up: 1 atomic scale-up exceeds cluster node count limit, 1 max node group size reached

        a +5
        why b: skipped: max node group size reached
        why a: Scale-up: setting group a size to 5 instead of 0 (max: 5)
        why shop/web-1: pod triggered scale-up: [{a 0->5 (max: 5)}]

        why a: skipped: exceeded quota: "cluster-wide", resources: cpu
        why b: skipped: max node group size reached
        why shop/web-1: pod didn't trigger scale-up: 1 exceeded quota: "cluster-wide", resources: cpu, 1 max node group size reached"#]]
    .assert_eq(&lines.join("\n\n"));
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
        lines.push(format!("{failed:?} failed: [{}]", deleted.join(" ")));
    }
    expect![[r#"
        [1] failed: [a deletes a-i0, a-i1, a-i2: CreationFailed]
        [1] failed: []
        [0, 1, 2] failed: [a deletes a-i0, a-i1, a-i2: CreationFailed]"#]]
    .assert_eq(&lines.join("\n"));
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
    assert_eq!(fixture.after(0, &mut autoscaler), "");
    let late = fixture.after(15 * 60 + 10, &mut autoscaler);
    assert_eq!(late, "a deletes a-1, a-2, a-3: NeverRegistered");
}

#[test]
fn each_group_has_its_own_time_to_provide_nodes() {
    let mut fixture = Fixture::default();
    let mut groups = Vec::new();
    for (name, minutes) in [("a", 2), ("b", 30)] {
        groups.push(fixture.group_with(name, 0, 1, "4", "16Gi", |spec| {
            spec.autoscaling_options.max_node_provision_time =
                Some(SimDuration::from_mins(minutes));
        }));
        let node_selector = [("pool".to_owned(), name.to_owned())].into();
        fixture.pending(name, 1, &PodSpec { node_selector, ..pod_spec("2", "1Gi") });
    }
    let mut autoscaler = fixture.autoscaler(&[("salvo-scale-up", "true")]);
    assert_eq!(nameless(&answer(&mut fixture, &mut autoscaler, None)), "+1, +1");
    let mut told = fixture.after(130, &mut autoscaler);
    fixture.cluster.update_instances(groups[0], Vec::clear);
    // The list of machines is fetched anew every two minutes.
    told.push('\n');
    told += &fixture.after(1790, &mut autoscaler);
    let late: Vec<&str> = told.lines().filter(|line| line.contains("TimedOut")).collect();
    expect![[r#"
        why a: ScaleUpTimedOut: Nodes added to group a failed to register within 2m10s
        why b: ScaleUpTimedOut: Nodes added to group b failed to register within 32m"#]]
    .assert_eq(&late.join("\n"));
}

#[test]
fn a_salvo_goes_on_until_everybody_is_helped() {
    let mut lines = Vec::new();
    for flags in [
        &[][..],
        &[("salvo-scale-up", "true")][..],
        &[("salvo-scale-up", "true"), ("salvo-scale-up-budget", "0s")][..],
        &[("salvo-scale-up", "true"), ("max-nodes-total", "3")][..],
        // Upstream hands the stand-ins on as nodes, so that they use up the limits of the cluster. Where
        // a limit cuts a scale-up its pods do not fit on what was asked for, which ends the salvo.
        &[("salvo-scale-up", "true"), ("cores-total", "0:16")][..],
        &[("salvo-scale-up", "true"), ("cores-total", "0:12")][..],
    ] {
        let mut fixture = groups_with_pods(&["a", "b", "c"], 4);
        let mut autoscaler = fixture.autoscaler(flags);
        let asked = nameless(&answer(&mut fixture, &mut autoscaler, None));
        let report = autoscaler.last_loop().expect("a loop ran");
        let is_helped =
            |(_, outcome): &&(PodId, PodOutcome)| *outcome == PodOutcome::TriggeredScaleUp;
        let helped = report.outcomes.iter().filter(is_helped).count();
        let (result, salvo) = (report.scale_up.result.as_str(), report.salvo.len());
        lines.push(format!("{flags:?}: {result}, {helped} pods, salvo of {salvo}: {asked}"));
    }
    expect![[r#"
        []: Successful, 4 pods, salvo of 0: +2
        [("salvo-scale-up", "true")]: Successful, 12 pods, salvo of 3: +2, +2, +2
        [("salvo-scale-up", "true"), ("salvo-scale-up-budget", "0s")]: Successful, 4 pods, salvo of 0: +2
        [("salvo-scale-up", "true"), ("max-nodes-total", "3")]: NoOptionsAvailable, 6 pods, salvo of 3: +2, +1
        [("salvo-scale-up", "true"), ("cores-total", "0:16")]: NoOptionsAvailable, 8 pods, salvo of 3: +2, +2
        [("salvo-scale-up", "true"), ("cores-total", "0:12")]: Successful, 8 pods, salvo of 2: +2, +1"#]]
    .assert_eq(&lines.join("\n"));
}

/// Source: `RunOnce` in `core/static_autoscaler.go`: minimum sizes are held against the limits with
/// the nodes that were there before the salvo.
#[test]
fn a_minimum_size_is_kept_whatever_the_salvo_of_the_same_loop_takes_of_the_limits() {
    let flags = |salvo| {
        let enforce = ("enforce-node-group-min-size", "true");
        [("salvo-scale-up", salvo), ("cores-total", "0:16"), enforce]
    };
    let asked = |salvo| {
        let mut fixture = groups_with_pods(&["a", "b", "c"], 4);
        fixture.group("d", 1, 9, "4", "16Gi");
        let mut autoscaler = fixture.autoscaler(&flags(salvo));
        nameless(&answer(&mut fixture, &mut autoscaler, None))
    };
    assert_eq!(asked("false"), "+2, +1");
    assert_eq!(asked("true"), "+2, +2, +1");
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
        let asked = nameless(&answer(&mut fixture, &mut autoscaler, Some(1)));
        let report = autoscaler.last_loop().expect("a loop ran");
        let (result, made) = (report.scale_up.result.as_str(), report.scale_up.increases.len());
        let productive = autoscaler.was_productive();
        lines.push(format!("{asked}: {result}, {made} made, productive: {productive}"));
    }
    expect![[r#"
        +1, +1 is refused, +1 is not asked for: Error, 1 made, productive: false
        +1, +1 is refused, +1: Error, 2 made, productive: false"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn a_refusal_ends_a_salvo_but_what_came_before_it_counts() {
    let mut fixture = groups_with_pods(&["a", "b", "c"], 1);
    let flags = [("salvo-scale-up", "true"), ("parallel-scale-up", "true")];
    let mut autoscaler = fixture.autoscaler(&flags);
    let asked = nameless(&answer(&mut fixture, &mut autoscaler, Some(1)));
    assert_eq!(asked, "+1, +1 is refused, +1 is not asked for");
    assert!(autoscaler.was_productive(), "the first scale-up of the salvo was carried out");
    let report = autoscaler.last_loop().expect("a loop ran");
    assert_eq!(report.scale_up.increases.len(), 1);
    assert_eq!(report.scale_up.result, ScaleUpResult::Error);
    let mut outcomes: Vec<&str> = report.outcomes.iter().map(|(_, one)| one.as_str()).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["scaleUpFailed", "scaleUpFailed", "triggeredScaleUp"]);
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
    expect![[r#"
        why shop/web-1: pod didn't trigger scale-up: 2 max node group size reached
        why shop/web-1: pod didn't trigger scale-up: 1 Insufficient cpu, 1 max node group size reached"#]]
    .assert_eq(&lines.join("\n"));
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
        lines.push(key.to_owned());
        lines.push(fixture.after(0, &mut autoscaler));
        fixture.cluster.set_ready(broken, false, fixture.now);
        for seconds in [10, 10, 15 * 60] {
            lines.push(fixture.after(seconds, &mut autoscaler));
        }
        lines.retain(|line| !line.is_empty());
    }
    expect![[r#"
        enforce-node-group-min-size
        plimsoll-enforce-min-size-on-live-nodes
        a +1
        why a: Scale-up: setting group a size to 4 instead of 3 (max: 5)
        a target -1
        a deletes a-3: NeverRegistered
        why a: ScaleUpTimedOut: Nodes added to group a failed to register within 15m10s"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn a_repair_keeps_to_the_limits_of_the_whole_cluster() {
    let mut fixture = Fixture::default();
    fixture.group("a", 3, 5, "4", "16Gi");
    fixture.group("b", 3, 5, "4", "16Gi");
    let key = "plimsoll-enforce-min-size-on-live-nodes";
    let mut autoscaler = fixture.autoscaler(&[(key, "true"), ("max-nodes-total", "4")]);
    assert_eq!(answer(&mut fixture, &mut autoscaler, None), ["a +3", "b +1"]);
}
