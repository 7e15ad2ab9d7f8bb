//! Scenarios and the autoscaler's state.

use expect_test::expect;

use super::*;
use crate::time::SimDuration;
use crate::workload::WorkloadKind;

fn scenario_document(events: &Value) -> Value {
    own_document(
        "Scenario",
        &json!({"start": "2026-01-05T06:00:00Z", "duration": "12h", "events": events}),
    )
}

fn scenario(document: &Value) -> ScenarioObject {
    match parse(document) {
        Ok(Object::Scenario(scenario)) => scenario,
        other => panic!("expected a scenario, found {other:?}"),
    }
}

#[test]
fn events_are_read_in_file_order() {
    let events = json!([
        {"at": "2h", "scale": {"deployment": "shop/web", "replicas": 40}},
        {"at": "0s", "apply": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
                               "spec": {"containers": [{"name": "a"}]}}},
        {"at": "3h", "delete": {"kind": "Deployment", "name": "web", "namespace": "shop"}},
        {"at": "3h", "delete": {"kind": "Node", "name": "n1"}},
        {"at": "3h", "delete": {"kind": "Pod", "name": "p"}},
    ]);
    let scenario = scenario(&scenario_document(&events));
    assert_eq!((scenario.seed, scenario.duration), (1, SimDuration::from_hours(12)));
    let at: Vec<String> = scenario.events.iter().map(|event| event.at.to_string()).collect();
    assert_eq!(at, ["2h", "0s", "3h", "3h", "3h"]);
    let ScenarioAction::Scale { kind, namespace, name, replicas } = &scenario.events[0].action
    else {
        panic!("expected a scale")
    };
    assert_eq!(
        (*kind, namespace.as_str(), name.as_str(), *replicas),
        (WorkloadKind::Deployment, "shop", "web", 40)
    );
    let ScenarioAction::Apply { object, document } = &scenario.events[1].action else {
        panic!("expected an apply")
    };
    assert!(matches!(object.as_ref(), Object::Pod(pod) if pod.spec.namespace == "default"));
    assert_eq!(document["spec"]["restartPolicy"], "Always");
    let namespaces: Vec<&str> = scenario.events[2..]
        .iter()
        .map(|event| match &event.action {
            ScenarioAction::Delete { namespace, .. } => namespace.as_str(),
            other => panic!("expected a delete, found {other:?}"),
        })
        .collect();
    assert_eq!(namespaces, ["shop", "", "default"]);
}

#[test]
fn every_fault_is_read() {
    let faults = [
        json!({"stockOut": {"group": "a", "for": "30m"}}),
        json!({"lazyNodes": {"group": "a", "for": "30m"}}),
        json!({"launchFailure": {"group": "a", "for": "30m"}}),
        json!({"launchFailure": {"group": "a", "count": 2}}),
        json!({"neverRegister": {"group": "a", "nodes": 2}}),
        json!({"spotReclaim": {"group": "a", "nodes": 2}}),
        json!({"providerDown": {"for": "5m"}}),
        json!({"slowRegistration": {"group": "a", "by": "1m", "for": "30m"}}),
    ];
    let mut shown = String::new();
    for fault in faults {
        let events = json!([{"at": "1h", "fault": fault}]);
        match &scenario(&scenario_document(&events)).events[0].action {
            ScenarioAction::Fault(fault) => shown.push_str(&format!("{fault:?}\n")),
            other => panic!("expected a fault, found {other:?}"),
        }
    }
    expect![[r#"
        StockOut { group: "a", lasts: SimDuration(1800000) }
        LazyNodes { group: "a", lasts: SimDuration(1800000) }
        LaunchFailure { group: "a", extent: Lasting(SimDuration(1800000)) }
        LaunchFailure { group: "a", extent: Next(2) }
        NeverRegister { group: "a", nodes: 2 }
        SpotReclaim { group: "a", nodes: 2 }
        ProviderDown { lasts: SimDuration(300000) }
        SlowRegistration { group: "a", by: SimDuration(60000), lasts: SimDuration(1800000) }
    "#]]
    .assert_eq(&shown);
}

#[test]
fn a_scenario_changes_the_worlds_rules() {
    let world = json!({
        "podBackoff": {"initial": "1s", "max": "10s"}, "podStartDelay": "2s", "gracePeriods": true,
    });
    let read = scenario(&with(&scenario_document(&json!([])), "/spec/world", world)).world;
    assert_eq!(read.pod_start_delay, Some(SimDuration::from_secs(2)));
    assert_eq!(read.grace_periods, Some(true));
    assert_eq!(read.pod_backoff.map(|backoff| backoff.max), Some(SimDuration::from_secs(10)));
    assert_eq!(scenario(&scenario_document(&json!([]))).world, WorldSettings::default());
}

#[test]
fn a_wrong_event_is_refused_with_the_field() {
    let mut shown = String::new();
    for event in [
        json!({"at": "1h"}),
        json!({"scale": {"deployment": "a/b", "replicas": 1}}),
        json!({"at": "-1h", "scale": {"deployment": "a/b", "replicas": 1}}),
        json!({"at": "1h", "scale": {"deployment": "web", "replicas": 1}}),
        json!({"at": "1h", "scale": {"deployment": "a/b"}}),
        json!({"at": "1h", "scale": {"job": "a/b", "replicas": 1}}),
        json!({"at": "1h", "scale": {"deployment": "a/b", "statefulSet": "a/b", "replicas": 1}}),
        json!({"at": "1h", "delete": {"kind": "Pod"}}),
        json!({"at": "1h", "delete": {}, "scale": {}}),
        json!({"at": "1h", "aply": {}}),
        json!({"at": "1h", "apply": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
               "spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": "x"}}}]}}}),
        json!({"at": "1h", "fault": {"stockout": {"group": "a", "for": "1m"}}}),
        json!({"at": "1h", "fault": {"stockOut": {"group": "a"}}}),
        json!({"at": "1h", "fault": {"launchFailure": {"group": "a", "for": "1m", "count": 1}}}),
        json!({"at": "1h", "fault": {}}),
    ] {
        shown.push_str(&error(&scenario_document(&json!([event]))));
        shown.push('\n');
    }
    expect![[r#"
        Scenario x: spec.events[0]: expected exactly one of apply, scale, delete, fault
        Scenario x: spec.events[0].at: is required, and is missing
        Scenario x: spec.events[0].at: expected a duration from 0s up, found "-1h"
        Scenario x: spec.events[0].scale.deployment: expected namespace/name, found "web"
        Scenario x: spec.events[0].scale.replicas: is required, and is missing
        Scenario x: spec.events[0].scale.job: unknown field; nearest: replicas, deployment, replicaSet
        Scenario x: spec.events[0].scale: expected exactly one of deployment, replicaSet, statefulSet
        Scenario x: spec.events[0].delete.name: is required, and is missing
        Scenario x: spec.events[0]: expected exactly one of apply, scale, delete, fault
        Scenario x: spec.events[0].aply: unknown field; nearest: apply, at, fault
        Scenario x: spec.events[0].apply.spec.containers[0].resources.requests.cpu: "x" is not a quantity such as 500m or 2Gi
        Scenario x: spec.events[0].fault.stockout: unknown field; nearest: stockOut, lazyNodes, spotReclaim
        Scenario x: spec.events[0].fault.stockOut.for: is required, and is missing
        Scenario x: spec.events[0].fault.launchFailure: expected exactly one of for and count
        Scenario x: spec.events[0].fault: expected exactly one fault
    "#]].assert_eq(&shown);
}

#[test]
fn the_autoscalers_state_is_read() {
    let spec = json!({
        "scaleUpRequests": [{"group": "a", "nodes": 2, "time": "2026-01-05T11:59:00Z"}],
        "failedScaleUps": [
            {"group": "b", "time": "2026-01-05T11:58:00Z", "class": "Other", "code": "x"}],
        "lastScaleUp": "2026-01-05T11:57:00Z",
        "loops": ["2026-01-05T11:50:00Z"],
        "cloudErrors": {"b": "quota exceeded"},
    });
    let Ok(Object::AutoscalerState(state)) = parse(&own_document("AutoscalerState", &spec)) else {
        panic!("expected a state")
    };
    assert_eq!(state.scale_up_requests[0].nodes, 2);
    assert!(!state.failed_scale_ups[0].out_of_resources);
    assert_eq!(state.last_scale_down_fail, None);
    assert_eq!(state.loops.len(), 1);
    assert_eq!(state.cloud_errors["b"], "quota exceeded");
    assert_eq!(
        error(&own_document("AutoscalerState", &json!({"lastScaleup": "x"}))),
        "AutoscalerState x: spec.lastScaleup: unknown field; nearest: lastScaleUp, \
         failedScaleUps, lastScaleDownFail"
    );
}
