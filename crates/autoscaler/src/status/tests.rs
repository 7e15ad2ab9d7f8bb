//! What is told over a few loops of small clusters.

use expect_test::{Expect, expect};
use plimsoll_core::SimDuration;
use plimsoll_core::node_group::InstanceState;

use super::{config_map, events, metrics};
use crate::fixture::{Fixture, pod_spec};
use crate::{Action, ClusterAutoscaler, NodeAutoscaler, Outcome};

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
                    if let Action::Evict { pod, .. } = &action {
                        self.cluster.remove_pod(*pod);
                    }
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
    check(
        &found,
        &expect![[r#"
        apiVersion: v1
        data:
          status: |
            autoscalerStatus: Running
            clusterWide:
              health:
                lastProbeTime: "2026-01-05T06:00:00Z"
                lastTransitionTime: "2026-01-05T06:00:00Z"
                nodeCounts:
                  longUnregistered: 0
                  registered:
                    notStarted: 0
                    ready: 1
                    suspended: 0
                    total: 1
                    unready:
                      resourceUnready: 0
                      total: 0
                  unregistered: 0
                status: Healthy
              scaleDown:
                lastProbeTime: "2026-01-05T06:00:00Z"
                lastTransitionTime: "2026-01-05T06:00:00Z"
                status: NoCandidates
              scaleUp:
                lastProbeTime: "2026-01-05T06:00:00Z"
                lastTransitionTime: "2026-01-05T06:00:00Z"
                status: InProgress
            nodeGroups:
            - health:
                cloudProviderTarget: 2
                lastProbeTime: "2026-01-05T06:00:00Z"
                lastTransitionTime: "2026-01-05T06:00:00Z"
                maxSize: 5
                minSize: 1
                nodeCounts:
                  longUnregistered: 0
                  registered:
                    notStarted: 0
                    ready: 1
                    suspended: 0
                    total: 1
                    unready:
                      resourceUnready: 0
                      total: 0
                  unregistered: 0
                status: Healthy
              name: a
              scaleDown:
                lastProbeTime: "2026-01-05T06:00:00Z"
                lastTransitionTime: "2026-01-05T06:00:00Z"
                status: NoCandidates
              scaleUp:
                backoffInfo: {}
                lastProbeTime: "2026-01-05T06:00:00Z"
                lastTransitionTime: "2026-01-05T06:00:00Z"
                status: InProgress
            - health:
                cloudProviderTarget: 0
                lastProbeTime: null
                lastTransitionTime: null
                maxSize: 3
                minSize: 0
                nodeCounts:
                  longUnregistered: 0
                  registered:
                    notStarted: 0
                    ready: 0
                    suspended: 0
                    total: 0
                    unready:
                      resourceUnready: 0
                      total: 0
                  unregistered: 0
                status: Healthy
              name: "12"
              scaleDown:
                lastProbeTime: "2026-01-05T06:00:00Z"
                lastTransitionTime: "2026-01-05T06:00:00Z"
                status: NoCandidates
              scaleUp:
                backoffInfo: {}
                lastProbeTime: null
                lastTransitionTime: null
                status: NoActivity
            time: 2026-01-05 06:00:00 +0000 UTC
        kind: ConfigMap
        metadata:
          annotations:
            cluster-autoscaler.kubernetes.io/last-updated: 2026-01-05 06:00:00 +0000 UTC
          name: cluster-autoscaler-status
          namespace: kube-system
    "#]],
    );
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
    check(
        &lines.join("\n"),
        &expect![[r#"
        all InProgress 00:00 since 00:00, a InProgress - since -, unneeded NoCandidates 00:00 since 00:00
        all InProgress 00:10 since 00:00, a InProgress 00:10 since -, unneeded NoCandidates 00:10 since 00:00
        all NoActivity 00:20 since 00:20, a NoActivity 00:20 since 00:20, unneeded NoCandidates 00:20 since 00:00
        all NoActivity 00:30 since 00:20, a NoActivity 00:30 since 00:20, unneeded NoCandidates 00:30 since 00:00
        all NoActivity 00:40 since 00:20, a NoActivity 00:40 since 00:20, unneeded NoCandidates 00:40 since 00:00"#]],
    );
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
        // Without the block's own indent.
        .map(|line| &line[4..])
        .collect();
    check(
        &counts.join("\n"),
        &expect![[r#"
                  longUnregistered: 0
                  registered:
                    beingDeleted: 1
                    notStarted: 1
                    ready: 3
                    total: 7
                    unready:
                      resourceUnready: 1
                      total: 2
                  unregistered: 1
                candidates: 7
            nodeGroups:
                cloudProviderTarget: 7
                  longUnregistered: 0
                  registered:
                    beingDeleted: 1
                    notStarted: 1
                    ready: 3
                    total: 6
                    unready:
                      resourceUnready: 0
                      total: 1
                  unregistered: 1
                candidates: 6
                cloudProviderTarget: 1
                  longUnregistered: 0
                  registered:
                    notStarted: 0
                    ready: 0
                    total: 1
                    unready:
                      resourceUnready: 1
                      total: 1
                  unregistered: 0
                candidates: 1"#]],
    );
    check(
        &samples(&autoscaler, &fixture, &["nodes_count", "cluster_"]),
        &expect![[r#"
        cluster_cpu_current_cores 28
        cluster_memory_current_bytes 1.20259084288e+11
        cluster_safe_to_autoscale 1
        nodes_count{state="longUnregistered"} 0
        nodes_count{state="notStarted"} 1
        nodes_count{state="ready"} 3
        nodes_count{state="suspended"} 0
        nodes_count{state="unready"} 2
        nodes_count{state="unregistered"} 1"#]],
    );
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
    check(
        &told(&autoscaler),
        &expect![[r#"
        ConfigMap cluster-autoscaler-status Warning ScaleUpTimedOut: Nodes added to group a failed to register within 15m1s
        Pod api-1 Normal NotTriggerScaleUp: pod didn't trigger scale-up: 1 in backoff after failed scale-up"#]],
    );
    let found = config_map(&autoscaler, &fixture.cluster, fixture.now);
    let from = found.find("backoffInfo").expect("it is in the status");
    let upto = found[from..].find("status: Backoff").expect("the group is in back-off");
    let lines = found[from..from + upto].lines().map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    check(
        &lines.join("\n"),
        &expect![[r#"
            backoffInfo:
            errorCode: timeout
            errorMessage: Scale-up timed out for node group a after 15m1s
            lastProbeTime: "2026-01-05T06:15:01Z"
            lastTransitionTime: "2026-01-05T06:15:01Z""#]],
    );
    let shown = ["node_group_", "failed_"];
    check(
        &samples(&autoscaler, &fixture, &shown),
        &expect![[r#"
        failed_node_creations_total{reason="timeout"} 1
        failed_scale_ups_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="apiCallError"} 0
        failed_scale_ups_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="cloudProviderError"} 0
        failed_scale_ups_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="timeout"} 1
        node_group_backoff_status{node_group="a",reason=""} 0
        node_group_backoff_status{node_group="a",reason="timeout"} 1
        node_group_healthiness{node_group="a"} 1
        node_group_max_count{node_group="a"} 5
        node_group_min_count{node_group="a"} 0
        node_group_target_count{node_group="a"} 1"#]],
    );
    fixture.pass_seconds(301);
    fixture.decide(&mut autoscaler);
    check(
        &samples(&autoscaler, &fixture, &["node_group_backoff"]),
        &expect![[r#"
        node_group_backoff_status{node_group="a",reason=""} 0
        node_group_backoff_status{node_group="a",reason="timeout"} 0"#]],
    );
}

#[test]
fn a_scale_up_is_told_to_the_pods_that_caused_it() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    fixture.pending("api", 2, &pod_spec("2", "1Gi"));
    fixture.pending("huge", 1, &pod_spec("64", "1Gi"));
    let mut autoscaler = fixture.recorded(&[]);
    fixture.decide(&mut autoscaler);
    check(
        &told(&autoscaler),
        &expect![[r#"
        ConfigMap cluster-autoscaler-status Normal ScaledUpGroup: Scale-up: setting group a size to 1 instead of 0 (max: 5)
        ConfigMap cluster-autoscaler-status Normal ScaledUpGroup: Scale-up: group a size set to 1 instead of 0 (max: 5)
        Pod api-1 Normal TriggeredScaleUp: pod triggered scale-up: [{a 0->1 (max: 5)}]
        Pod api-2 Normal TriggeredScaleUp: pod triggered scale-up: [{a 0->1 (max: 5)}]"#]],
    );
    fixture.pass_seconds(10);
    fixture.decide(&mut autoscaler);
    check(
        &told(&autoscaler),
        &expect![
            "Pod huge-1 Normal NotTriggerScaleUp: pod didn't trigger scale-up: 1 Insufficient cpu"
        ],
    );
    let shown = ["scaled_up", "unschedulable_pods", "binpacking_heterogeneity_count"];
    check(
        &samples(&autoscaler, &fixture, &shown),
        &expect![[r#"
        binpacking_heterogeneity_count{cpu_count="4",instance_type="",namespace_count="1"} 1
        scaled_up_nodes_total{dra_drivers="",gpu_name="",gpu_resource_name=""} 1
        unschedulable_pods_count{type="scheduler_unprocessed"} 0
        unschedulable_pods_count{type="unschedulable"} 3"#]],
    );
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
    check(
        &told(&autoscaler),
        &expect![[r#"
        ConfigMap cluster-autoscaler-status Normal ScaledUpGroup: Scale-up: setting group a size to 1 instead of 0 (max: 5)
        ConfigMap cluster-autoscaler-status Warning FailedToScaleUpGroup: Scale-up failed for group a: quota exceeded"#]],
    );
    check(
        &samples(&autoscaler, &fixture, &["failed_", "scaled_up"]),
        &expect![[r#"
        failed_node_creations_total{reason="cloudProviderError"} 1
        failed_scale_ups_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="apiCallError"} 0
        failed_scale_ups_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="cloudProviderError"} 1
        failed_scale_ups_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="timeout"} 0"#]],
    );
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
    check(
        &told(&autoscaler),
        &expect![[r#"
        ConfigMap cluster-autoscaler-status Warning MaxNodesTotalReached: Max total nodes in cluster reached: 1
        Pod api-1 Normal NotTriggerScaleUp: pod didn't trigger scale-up: max total nodes in cluster reached
        Pod api-2 Normal NotTriggerScaleUp: pod didn't trigger scale-up: max total nodes in cluster reached"#]],
    );
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
    check(
        &told(&autoscaler),
        &expect![[r#"
        Node a-1 Normal ScaleDown: marked the node as toBeDeleted/unschedulable
        ConfigMap cluster-autoscaler-status Normal ScaleDownEmpty: Scale-down: removing empty node "a-1"
        Node a-1 Normal ScaleDown: nodes removed by cluster autoscaler
        ConfigMap cluster-autoscaler-status Normal ScaleDownEmpty: Scale-down: empty node a-1 removed"#]],
    );
    let shown = ["scaled_down", "unneeded", "scale_down_in", "unremovable"];
    check(
        &samples(&autoscaler, &fixture, &shown),
        &expect![[r#"
        scale_down_in_cooldown 0
        scaled_down_nodes_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="empty"} 1
        scaled_down_nodes_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="underutilized"} 0
        scaled_down_nodes_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="unready"} 0
        unneeded_nodes_count 1
        unremovable_nodes_count{reason="NotUnneededLongEnough"} 1"#]],
    );
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
    check(
        &told(&autoscaler),
        &expect![[r#"
        Node a-2 Normal ScaleDown: marked the node as toBeDeleted/unschedulable
        ConfigMap cluster-autoscaler-status Normal ScaleDown: Scale-down: removing node a-2, utilization: {0.25 0.25 0 0 memory 0.25}, pods to reschedule: api-1
        Pod api-1 Normal ScaleDown: deleting pod for node scale down
        Node a-2 Warning ScaleDownFailed: failed to drain and delete node: failed to delete nodes from group a: no way"#]],
    );
    check(
        &samples(&autoscaler, &fixture, &["evicted", "scaled_down"]),
        &expect![[r#"
        evicted_pods_total{eviction_result="failed"} 0
        evicted_pods_total{eviction_result="succeeded"} 1
        scaled_down_nodes_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="empty"} 0
        scaled_down_nodes_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="underutilized"} 0
        scaled_down_nodes_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="unready"} 0"#]],
    );
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
    check(
        &told(&autoscaler),
        &expect![[r#"
        Node a-2 Normal ScaleDown: marked the node as toBeDeleted/unschedulable
        ConfigMap cluster-autoscaler-status Normal ScaleDown: Scale-down: removing node a-2, utilization: {0.25 0.125 0 0 cpu 0.25}, pods to reschedule: api-1,api-2
        Pod api-1 Normal ScaleDown: deleting pod for node scale down
        Pod api-2 Normal ScaleDown: deleting pod for node scale down
        Pod api-1 Warning ScaleDownFailed: failed to delete pod for ScaleDown
        Pod api-2 Warning ScaleDownFailed: failed to delete pod for ScaleDown
        Node a-2 Warning ScaleDownFailed: failed to drain and delete node: Failed to drain node /a-2, due to following errors: [failed to evict pod shop/api-1 within allowed timeout (last error: no way) failed to evict pod shop/api-2 within allowed timeout (last error: no way)]"#]],
    );
    check(
        &samples(&autoscaler, &fixture, &["evicted"]),
        &expect![[r#"
        evicted_pods_total{eviction_result="failed"} 2
        evicted_pods_total{eviction_result="succeeded"} 0"#]],
    );
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
    check(
        &told(&autoscaler),
        &expect![[r#"
        Node a-1 Warning ScaleDownFailed: failed to mark the node as toBeDeleted/unschedulable: conflict
        Node a-1 Warning ScaleDownFailed: failed to mark the node as toBeDeleted/unschedulable: conflict"#]],
    );
    let shown = ["errors_total{type=\"api", "last_activity"];
    check(
        &samples(&autoscaler, &fixture, &shown),
        &expect![[r#"
        errors_total{type="apiCallError"} 1
        last_activity{activity="autoscaling"} 1.76759283e+09
        last_activity{activity="main"} 1.76759283e+09
        last_activity{activity="mainSuccessful"} 1.7675928e+09
        last_activity{activity="scaleDown"} 1.76759283e+09"#]],
    );
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
    check(
        &told(&autoscaler),
        &expect![[r#"
        ConfigMap cluster-autoscaler-status Normal DeleteUnregistered: Removed unregistered node lost
        Node a-1 Normal ScaleDown: marked the node as toBeDeleted/unschedulable
        ConfigMap cluster-autoscaler-status Normal ScaleDownEmpty: Scale-down: removing empty node "a-1""#]],
    );
    check(
        &samples(&autoscaler, &fixture, &["old_unreg", "nodes_count"]),
        &expect![[r#"
        nodes_count{state="longUnregistered"} 1
        nodes_count{state="notStarted"} 0
        nodes_count{state="ready"} 1
        nodes_count{state="suspended"} 0
        nodes_count{state="unready"} 0
        nodes_count{state="unregistered"} 0
        old_unregistered_nodes_removed_count 1"#]],
    );
}

#[test]
fn a_cluster_without_ready_nodes_is_still_initializing() {
    let mut fixture = Fixture::default();
    fixture.group("a", 0, 5, "4", "16Gi");
    let mut autoscaler = fixture.recorded(&[("scale-up-from-zero", "false")]);
    fixture.decide(&mut autoscaler);
    check(
        &told(&autoscaler),
        &expect![
            "ConfigMap cluster-autoscaler-status Warning ClusterUnhealthy: Cluster has no nodes."
        ],
    );
    let found = config_map(&autoscaler, &fixture.cluster, fixture.now);
    let lines: Vec<&str> = found.lines().filter(|line| !line.contains(": null")).collect();
    check(
        &lines.join("\n"),
        &expect![[r#"
        apiVersion: v1
        data:
          status: |
            autoscalerStatus: Initializing
            clusterWide:
              health:
                nodeCounts:
                  longUnregistered: 0
                  registered:
                    notStarted: 0
                    ready: 0
                    suspended: 0
                    total: 0
                    unready:
                      resourceUnready: 0
                      total: 0
                  unregistered: 0
              scaleDown:
              scaleUp:
            message: Cluster has no nodes.
            time: 2026-01-05 06:00:00 +0000 UTC
        kind: ConfigMap
        metadata:
          annotations:
            cluster-autoscaler.kubernetes.io/last-updated: 2026-01-05 06:00:00 +0000 UTC
          name: cluster-autoscaler-status
          namespace: kube-system"#]],
    );
    let node = fixture.node("a-1", "a");
    fixture.cluster.set_ready(node, false, fixture.now);
    fixture.pass_seconds(600);
    fixture.decide(&mut autoscaler);
    check(&told(&autoscaler), &expect![[""]]);
    fixture.pass_seconds(10);
    fixture.decide(&mut autoscaler);
    check(
        &told(&autoscaler),
        &expect![
            "ConfigMap cluster-autoscaler-status Warning ClusterUnhealthy: Cluster has no ready nodes."
        ],
    );
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
    check(
        &metrics(&autoscaler, &fixture.cluster),
        &expect![[r##"
        # HELP cluster_autoscaler_binpacking_heterogeneity Groups of like pods that one estimate looked at.
        # TYPE cluster_autoscaler_binpacking_heterogeneity histogram
        cluster_autoscaler_binpacking_heterogeneity_bucket{cpu_count="4",instance_type="",namespace_count="1",le="1"} 1
        cluster_autoscaler_binpacking_heterogeneity_bucket{cpu_count="4",instance_type="",namespace_count="1",le="2"} 1
        cluster_autoscaler_binpacking_heterogeneity_bucket{cpu_count="4",instance_type="",namespace_count="1",le="4"} 1
        cluster_autoscaler_binpacking_heterogeneity_bucket{cpu_count="4",instance_type="",namespace_count="1",le="8"} 1
        cluster_autoscaler_binpacking_heterogeneity_bucket{cpu_count="4",instance_type="",namespace_count="1",le="16"} 1
        cluster_autoscaler_binpacking_heterogeneity_bucket{cpu_count="4",instance_type="",namespace_count="1",le="32"} 1
        cluster_autoscaler_binpacking_heterogeneity_bucket{cpu_count="4",instance_type="",namespace_count="1",le="+Inf"} 1
        cluster_autoscaler_binpacking_heterogeneity_sum{cpu_count="4",instance_type="",namespace_count="1"} 1
        cluster_autoscaler_binpacking_heterogeneity_count{cpu_count="4",instance_type="",namespace_count="1"} 1
        # HELP cluster_autoscaler_cluster_cpu_current_cores Cores of the nodes that are not being deleted.
        # TYPE cluster_autoscaler_cluster_cpu_current_cores gauge
        cluster_autoscaler_cluster_cpu_current_cores 4
        # HELP cluster_autoscaler_cluster_memory_current_bytes Memory of the nodes that are not being deleted.
        # TYPE cluster_autoscaler_cluster_memory_current_bytes gauge
        cluster_autoscaler_cluster_memory_current_bytes 1.7179869184e+10
        # HELP cluster_autoscaler_cluster_safe_to_autoscale 1 while the cluster is healthy enough to be scaled, else 0.
        # TYPE cluster_autoscaler_cluster_safe_to_autoscale gauge
        cluster_autoscaler_cluster_safe_to_autoscale 1
        # HELP cluster_autoscaler_cpu_limits_cores How many cores the cluster must and may have.
        # TYPE cluster_autoscaler_cpu_limits_cores gauge
        cluster_autoscaler_cpu_limits_cores{direction="maximum"} 320000
        cluster_autoscaler_cpu_limits_cores{direction="minimum"} 0
        # HELP cluster_autoscaler_errors_total Loops that ended with an error.
        # TYPE cluster_autoscaler_errors_total counter
        cluster_autoscaler_errors_total{type="apiCallError"} 0
        cluster_autoscaler_errors_total{type="cloudProviderError"} 0
        cluster_autoscaler_errors_total{type="configurationError"} 0
        cluster_autoscaler_errors_total{type="internalError"} 0
        cluster_autoscaler_errors_total{type="nodeGroupDoesNotExistError"} 0
        cluster_autoscaler_errors_total{type="transientError"} 0
        cluster_autoscaler_errors_total{type="unexpectedScaleDownStateError"} 0
        # HELP cluster_autoscaler_evicted_pods_total Pods that drains evicted, or could not.
        # TYPE cluster_autoscaler_evicted_pods_total counter
        cluster_autoscaler_evicted_pods_total{eviction_result="failed"} 0
        cluster_autoscaler_evicted_pods_total{eviction_result="succeeded"} 0
        # HELP cluster_autoscaler_failed_scale_ups_total Increases that failed.
        # TYPE cluster_autoscaler_failed_scale_ups_total counter
        cluster_autoscaler_failed_scale_ups_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="apiCallError"} 0
        cluster_autoscaler_failed_scale_ups_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="cloudProviderError"} 0
        cluster_autoscaler_failed_scale_ups_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="timeout"} 0
        # HELP cluster_autoscaler_last_activity When a part of the loop last ran, in Unix seconds.
        # TYPE cluster_autoscaler_last_activity gauge
        cluster_autoscaler_last_activity{activity="autoscaling"} 1.7675928e+09
        cluster_autoscaler_last_activity{activity="main"} 1.7675928e+09
        cluster_autoscaler_last_activity{activity="mainSuccessful"} 1.7675928e+09
        cluster_autoscaler_last_activity{activity="scaleUp"} 1.7675928e+09
        # HELP cluster_autoscaler_max_nodes_count How many nodes the groups and max-nodes-total allow.
        # TYPE cluster_autoscaler_max_nodes_count gauge
        cluster_autoscaler_max_nodes_count 5
        # HELP cluster_autoscaler_memory_limits_bytes How much memory the cluster must and may have.
        # TYPE cluster_autoscaler_memory_limits_bytes gauge
        cluster_autoscaler_memory_limits_bytes{direction="maximum"} 6.8719476736e+15
        cluster_autoscaler_memory_limits_bytes{direction="minimum"} 0
        # HELP cluster_autoscaler_node_group_backoff_status 1 while a group is in back-off for a reason, else 0.
        # TYPE cluster_autoscaler_node_group_backoff_status gauge
        cluster_autoscaler_node_group_backoff_status{node_group="a",reason=""} 0
        # HELP cluster_autoscaler_node_group_healthiness 1 while a group is healthy, else 0.
        # TYPE cluster_autoscaler_node_group_healthiness gauge
        cluster_autoscaler_node_group_healthiness{node_group="a"} 1
        # HELP cluster_autoscaler_node_group_max_count The largest size of a group.
        # TYPE cluster_autoscaler_node_group_max_count gauge
        cluster_autoscaler_node_group_max_count{node_group="a"} 5
        # HELP cluster_autoscaler_node_group_min_count The smallest size of a group.
        # TYPE cluster_autoscaler_node_group_min_count gauge
        cluster_autoscaler_node_group_min_count{node_group="a"} 0
        # HELP cluster_autoscaler_node_group_target_count The size that the cloud was asked for.
        # TYPE cluster_autoscaler_node_group_target_count gauge
        cluster_autoscaler_node_group_target_count{node_group="a"} 1
        # HELP cluster_autoscaler_node_groups_count Node groups, by who made them.
        # TYPE cluster_autoscaler_node_groups_count gauge
        cluster_autoscaler_node_groups_count{node_group_type="autoprovisioned"} 0
        cluster_autoscaler_node_groups_count{node_group_type="autoscaled"} 1
        # HELP cluster_autoscaler_nodes_count Nodes, by state.
        # TYPE cluster_autoscaler_nodes_count gauge
        cluster_autoscaler_nodes_count{state="longUnregistered"} 0
        cluster_autoscaler_nodes_count{state="notStarted"} 0
        cluster_autoscaler_nodes_count{state="ready"} 1
        cluster_autoscaler_nodes_count{state="suspended"} 0
        cluster_autoscaler_nodes_count{state="unready"} 0
        cluster_autoscaler_nodes_count{state="unregistered"} 0
        # HELP cluster_autoscaler_old_unregistered_nodes_removed_count Machines that never became Nodes and were removed.
        # TYPE cluster_autoscaler_old_unregistered_nodes_removed_count counter
        cluster_autoscaler_old_unregistered_nodes_removed_count 0
        # HELP cluster_autoscaler_pending_node_deletions Nodes whose deletion had not ended when the next scale-down began.
        # TYPE cluster_autoscaler_pending_node_deletions gauge
        cluster_autoscaler_pending_node_deletions 0
        # HELP cluster_autoscaler_scale_down_in_cooldown 1 while no deletion may start, else 0.
        # TYPE cluster_autoscaler_scale_down_in_cooldown gauge
        cluster_autoscaler_scale_down_in_cooldown 1
        # HELP cluster_autoscaler_scaled_down_nodes_total Nodes that were removed.
        # TYPE cluster_autoscaler_scaled_down_nodes_total counter
        cluster_autoscaler_scaled_down_nodes_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="empty"} 0
        cluster_autoscaler_scaled_down_nodes_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="underutilized"} 0
        cluster_autoscaler_scaled_down_nodes_total{dra_drivers="",gpu_name="",gpu_resource_name="",reason="unready"} 0
        # HELP cluster_autoscaler_scaled_up_nodes_total Nodes that were added.
        # TYPE cluster_autoscaler_scaled_up_nodes_total counter
        cluster_autoscaler_scaled_up_nodes_total{dra_drivers="",gpu_name="",gpu_resource_name=""} 1
        # HELP cluster_autoscaler_skipped_scale_events_count Groups that were left alone because of a limit of the cluster.
        # TYPE cluster_autoscaler_skipped_scale_events_count counter
        cluster_autoscaler_skipped_scale_events_count{direction="down",reason="CpuResourceLimit"} 0
        cluster_autoscaler_skipped_scale_events_count{direction="down",reason="MemoryResourceLimit"} 0
        cluster_autoscaler_skipped_scale_events_count{direction="up",reason="CpuResourceLimit"} 0
        cluster_autoscaler_skipped_scale_events_count{direction="up",reason="MemoryResourceLimit"} 0
        # HELP cluster_autoscaler_unneeded_nodes_count Nodes that are unneeded now.
        # TYPE cluster_autoscaler_unneeded_nodes_count gauge
        cluster_autoscaler_unneeded_nodes_count 0
        # HELP cluster_autoscaler_unschedulable_pods_count Pods without a node, by whether the scheduler has looked at them.
        # TYPE cluster_autoscaler_unschedulable_pods_count gauge
        cluster_autoscaler_unschedulable_pods_count{type="scheduler_unprocessed"} 0
        cluster_autoscaler_unschedulable_pods_count{type="unschedulable"} 1
    "##]],
    );
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
