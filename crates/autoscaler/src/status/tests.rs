//! What is told over a few loops of small clusters.

use expect_test::{Expect, expect};
use plimsoll_core::SimDuration;
use plimsoll_core::node_group::InstanceState;

use super::{config_map, events, metrics};
use crate::fixture::{Fixture, pod_spec};
use crate::{ClusterAutoscaler, NodeAutoscaler, Outcome};

impl Fixture {
    /// An autoscaler that has run for long, whose words are kept.
    fn recorded(&self, flags: &[(&str, &str)]) -> ClusterAutoscaler {
        let mut autoscaler = self.autoscaler(flags);
        autoscaler.record_status();
        autoscaler
    }

    /// Goes on with deletions until there is nothing to do now; `refused` says which actions are, by
    /// what they do.
    fn resume(&mut self, autoscaler: &mut ClusterAutoscaler, refused: &str) {
        loop {
            let actions = autoscaler.resume(&self.cluster, self.now);
            if actions.is_empty() {
                return;
            }
            for action in actions {
                let is_refused = !refused.is_empty() && format!("{action:?}").starts_with(refused);
                let outcome = if is_refused {
                    Outcome::Refused("no way".to_owned())
                } else {
                    self.carry_out(&action);
                    Outcome::Done
                };
                autoscaler.observe(&action, &outcome, &self.cluster, self.now);
            }
        }
    }

    fn pass_seconds(&mut self, seconds: i64) {
        self.now += SimDuration::from_secs(seconds);
    }
}

/// All events since the last loop began, one a line.
fn told(autoscaler: &ClusterAutoscaler) -> String {
    let lines: Vec<String> = events(autoscaler)
        .iter()
        .map(|event| {
            let (kind, name) = (event.object.kind(), event.object.name());
            format!("{kind} {name} {} {event}", event.event_type.as_str())
        })
        .collect();
    lines.join("\n")
}

/// The lines of the exposition that start so, comments aside.
fn samples(autoscaler: &ClusterAutoscaler, fixture: &Fixture, names: &[&str]) -> String {
    let all = metrics(autoscaler, &fixture.cluster);
    let short = all.lines().filter_map(|line| line.strip_prefix("cluster_autoscaler_"));
    let wanted = short.filter(|line| names.iter().any(|name| line.starts_with(name)));
    wanted.collect::<Vec<_>>().join("\n")
}

fn check(found: &str, expected: &Expect) {
    expected.assert_eq(found);
}

#[test]
fn the_status_is_what_upstream_would_write_after_the_loop() {
    let mut fixture = Fixture::default();
    fixture.group("a", 1, 5, "4", "16Gi");
    fixture.group("12", 0, 3, "8", "32Gi");
    let node = fixture.node("a-1", "a");
    fixture.running("web", 1, &pod_spec("3", "1Gi"), node);
    fixture.pending("api", 2, &pod_spec("2", "1Gi"));
    let mut autoscaler = fixture.recorded(&[]);
    fixture.decide(&mut autoscaler);
    let found = config_map(&autoscaler, &fixture.cluster, fixture.now);
    check(&found, &expect![[""]]);
}

#[test]
fn transitions_keep_their_time_from_loop_to_loop() {
    let mut fixture = Fixture::default();
    let group = fixture.group("a", 0, 5, "4", "16Gi");
    fixture.pending("api", 1, &pod_spec("2", "1Gi"));
    let mut autoscaler = fixture.recorded(&[]);
    let mut lines = Vec::new();
    for loop_number in 0..5 {
        fixture.decide(&mut autoscaler);
        let recorder = autoscaler.recorder().expect("it records");
        let status = recorder.status(super::sight(&autoscaler, &fixture.cluster), fixture.now);
        let minute = |at: Option<plimsoll_core::SimTime>| {
            at.map_or("-".to_owned(), |at| at.to_string()[14..19].to_owned())
        };
        let of = |one: &super::conditions::Condition| {
            let word = one.word.map_or("-", super::conditions::Word::as_str);
            format!("{word} {} since {}", minute(one.probed_at), minute(one.since))
        };
        let one = &status.groups[0];
        let (whole, own, down) =
            (of(&status.cluster.scale_up), of(&one.scale_up), of(&one.scale_down));
        lines.push(format!("all {whole}, a {own}, unneeded {down}"));
        if loop_number == 1 {
            fixture.register("a-i0", group, fixture.now);
        }
        fixture.pass_seconds(10);
    }
    check(&lines.join("\n"), &expect![[""]]);
}

/// After `TestOKOneUnreadyNodeWithScaleDownCandidate`, `TestUnreadyLongAfterCreation` and
/// `TestNotStarted` of `clusterstate/clusterstate_test.go`, with nodes and times of our own.
#[test]
fn nodes_are_counted_by_how_the_registry_takes_them() {
    let mut fixture = Fixture::default();
    let group = fixture.group("a", 0, 9, "4", "16Gi");
    let other = fixture.group_with("gpu", 0, 9, "4", "16Gi", |spec| {
        spec.template.labels.insert("k8s.amazonaws.com/accelerator".into(), "t4".into());
    });
    for name in ["a-1", "a-2", "a-3"] {
        fixture.node(name, "a");
    }
    let broken = fixture.node("a-4", "a");
    fixture.cluster.set_ready(broken, false, fixture.now);
    let going = fixture.node("a-5", "a");
    fixture.taint(going, crate::taints::TO_BE_DELETED);
    fixture.cluster.set_target_size(group, 7);
    fixture.machine(group, "a-6", InstanceState::Running, None);
    fixture.machine(group, "a-7", InstanceState::Running, None);
    let young = fixture.register("a-7", group, fixture.now);
    fixture.cluster.set_ready(young, false, fixture.now);
    fixture.node("gpu-1", "gpu");
    fixture.cluster.set_target_size(other, 1);
    let mut autoscaler = fixture.recorded(&[]);
    fixture.decide(&mut autoscaler);
    let found = config_map(&autoscaler, &fixture.cluster, fixture.now);
    let counts: Vec<&str> = found
        .lines()
        .filter(|line| {
            let keys = [
                "being",
                "candidates",
                "notSt",
                "ready:",
                "registered",
                "resourceUn",
                "total:",
                "nregistered:",
                "nodeGroups",
                "cloudPro",
            ];
            keys.iter().any(|key| line.contains(key))
        })
        .map(str::trim_end)
        .collect();
    check(&counts.join("\n"), &expect![[""]]);
    check(&samples(&autoscaler, &fixture, &["nodes_count", "cluster_"]), &expect![[""]]);
}

/// After `TestScaleUpBackoff` and `TestExpiredScaleUp` of `clusterstate/clusterstate_test.go`.
#[test]
fn a_group_in_back_off_says_what_for() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    fixture.pending("api", 1, &pod_spec("2", "1Gi"));
    let flags = [("emit-per-nodegroup-metrics", "true")];
    let mut autoscaler = fixture.recorded(&flags);
    fixture.decide(&mut autoscaler);
    fixture.pass_seconds(901);
    fixture.decide(&mut autoscaler);
    check(&told(&autoscaler), &expect![[""]]);
    let found = config_map(&autoscaler, &fixture.cluster, fixture.now);
    let from = found.find("backoffInfo").expect("it is in the status");
    let upto = found[from..].find("status: Backoff").expect("the group is in back-off");
    check(&found[from..from + upto], &expect![[""]]);
    let shown = ["node_group_", "failed_"];
    check(&samples(&autoscaler, &fixture, &shown), &expect![[""]]);
    fixture.pass_seconds(301);
    fixture.decide(&mut autoscaler);
    check(&samples(&autoscaler, &fixture, &["node_group_backoff"]), &expect![[""]]);
}

#[test]
fn a_scale_up_is_told_to_the_pods_that_caused_it() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    fixture.pending("api", 2, &pod_spec("2", "1Gi"));
    fixture.pending("huge", 1, &pod_spec("64", "1Gi"));
    let mut autoscaler = fixture.recorded(&[]);
    fixture.decide(&mut autoscaler);
    check(&told(&autoscaler), &expect![[""]]);
    fixture.pass_seconds(10);
    fixture.decide(&mut autoscaler);
    check(&told(&autoscaler), &expect![[""]]);
    let shown = ["scaled_up", "unschedulable_pods", "binpacking_heterogeneity_count"];
    check(&samples(&autoscaler, &fixture, &shown), &expect![[""]]);
}

#[test]
fn a_refused_scale_up_is_told_on_the_status_and_to_no_pod() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    fixture.pending("api", 2, &pod_spec("2", "1Gi"));
    let mut autoscaler = fixture.recorded(&[]);
    let decision = autoscaler.decide(&mut fixture.cluster.fork(), fixture.now);
    let refusal = Outcome::Refused("quota exceeded".to_owned());
    autoscaler.observe(&decision.actions[0], &refusal, &fixture.cluster, fixture.now);
    check(&told(&autoscaler), &expect![[""]]);
    check(&samples(&autoscaler, &fixture, &["failed_", "scaled_up"]), &expect![[""]]);
}

#[test]
fn nodes_at_their_maximum_are_told_to_every_pod_that_waits() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    let node = fixture.node("a-1", "a");
    fixture.running("web", 1, &pod_spec("3", "1Gi"), node);
    fixture.pending("api", 2, &pod_spec("2", "1Gi"));
    let mut autoscaler = fixture.recorded(&[("max-nodes-total", "1")]);
    fixture.decide(&mut autoscaler);
    check(&told(&autoscaler), &expect![[""]]);
}

#[test]
fn an_empty_node_goes_with_these_words() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    fixture.node("a-1", "a");
    let mut autoscaler = fixture.recorded(&[("scale-down-unneeded-time", "20s")]);
    fixture.decide(&mut autoscaler);
    fixture.pass_seconds(30);
    fixture.decide(&mut autoscaler);
    fixture.pass_seconds(5);
    fixture.resume(&mut autoscaler, "");
    check(&told(&autoscaler), &expect![[""]]);
    let shown = ["scaled_down", "unneeded", "scale_down_in", "unremovable"];
    check(&samples(&autoscaler, &fixture, &shown), &expect![[""]]);
}

#[test]
fn a_drained_node_goes_with_these_words() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    let (busy, idle) = (fixture.node("a-1", "a"), fixture.node("a-2", "a"));
    fixture.running("web", 2, &pod_spec("1500m", "1Gi"), busy);
    fixture.running("api", 1, &pod_spec("1", "4Gi"), idle);
    let mut autoscaler = fixture.recorded(&[("scale-down-unneeded-time", "20s")]);
    fixture.decide(&mut autoscaler);
    fixture.pass_seconds(30);
    fixture.decide(&mut autoscaler);
    fixture.pass_seconds(5);
    fixture.resume(&mut autoscaler, "DeleteNode");
    check(&told(&autoscaler), &expect![[""]]);
    check(&samples(&autoscaler, &fixture, &["evicted", "scaled_down"]), &expect![[""]]);
}

#[test]
fn a_failed_drain_is_told_on_the_pods_and_on_the_node() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    let (busy, idle) = (fixture.node("a-1", "a"), fixture.node("a-2", "a"));
    fixture.running("web", 2, &pod_spec("1500m", "1Gi"), busy);
    fixture.running("api", 2, &pod_spec("500m", "1Gi"), idle);
    let flags = [("scale-down-unneeded-time", "20s"), ("max-pod-eviction-time", "10s")];
    let mut autoscaler = fixture.recorded(&flags);
    fixture.decide(&mut autoscaler);
    fixture.pass_seconds(30);
    fixture.decide(&mut autoscaler);
    for seconds in [5, 10, 10] {
        fixture.pass_seconds(seconds);
        fixture.resume(&mut autoscaler, "Evict");
    }
    check(&told(&autoscaler), &expect![[""]]);
    check(&samples(&autoscaler, &fixture, &["evicted"]), &expect![[""]]);
}

#[test]
fn a_node_that_cannot_be_marked_is_told_twice_as_upstream_does() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    fixture.node("a-1", "a");
    let mut autoscaler = fixture.recorded(&[("scale-down-unneeded-time", "20s")]);
    fixture.decide(&mut autoscaler);
    fixture.pass_seconds(30);
    let decision = autoscaler.decide(&mut fixture.cluster.fork(), fixture.now);
    let refusal = Outcome::Refused("conflict".to_owned());
    autoscaler.observe(&decision.actions[0], &refusal, &fixture.cluster, fixture.now);
    check(&told(&autoscaler), &expect![[""]]);
    let shown = ["errors_total{type=\"api", "last_activity"];
    check(&samples(&autoscaler, &fixture, &shown), &expect![[""]]);
}

#[test]
fn a_machine_that_never_registers_is_told_when_it_is_given_up() {
    let mut fixture = Fixture::default();
    let group = fixture.group("a", 0, 5, "4", "16Gi");
    fixture.node("a-1", "a");
    fixture.cluster.set_target_size(group, 2);
    fixture.machine(group, "lost", InstanceState::Running, None);
    let mut autoscaler = fixture.recorded(&[]);
    fixture.decide(&mut autoscaler);
    fixture.pass_seconds(901);
    fixture.decide(&mut autoscaler);
    check(&told(&autoscaler), &expect![[""]]);
    check(&samples(&autoscaler, &fixture, &["old_unreg", "nodes_count"]), &expect![[""]]);
}

#[test]
fn a_cluster_without_ready_nodes_is_still_initializing() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    let mut autoscaler = fixture.recorded(&[("scale-up-from-zero", "false")]);
    fixture.decide(&mut autoscaler);
    check(&told(&autoscaler), &expect![[""]]);
    let found = config_map(&autoscaler, &fixture.cluster, fixture.now);
    let lines: Vec<&str> = found.lines().filter(|line| !line.contains(": null")).collect();
    check(&lines.join("\n"), &expect![[""]]);
    let node = fixture.node("a-1", "a");
    fixture.cluster.set_ready(node, false, fixture.now);
    fixture.pass_seconds(600);
    fixture.decide(&mut autoscaler);
    check(&told(&autoscaler), &expect![[""]]);
    fixture.pass_seconds(10);
    fixture.decide(&mut autoscaler);
    check(&told(&autoscaler), &expect![[""]]);
}

#[test]
fn the_whole_exposition_after_a_loop() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    let node = fixture.node("a-1", "a");
    fixture.running("web", 1, &pod_spec("3", "1Gi"), node);
    fixture.pending("api", 1, &pod_spec("2", "1Gi"));
    let mut autoscaler = fixture.recorded(&[("emit-per-nodegroup-metrics", "true")]);
    fixture.decide(&mut autoscaler);
    check(&metrics(&autoscaler, &fixture.cluster), &expect![[""]]);
}

#[test]
fn without_a_recorder_nothing_is_told() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    fixture.pending("api", 1, &pod_spec("2", "1Gi"));
    let mut autoscaler = fixture.autoscaler(&[]);
    fixture.decide(&mut autoscaler);
    assert_eq!(events(&autoscaler), []);
    assert_eq!(metrics(&autoscaler, &fixture.cluster), "");
    let found = config_map(&autoscaler, &fixture.cluster, fixture.now);
    assert!(found.contains("autoscalerStatus: Initializing"));
}
