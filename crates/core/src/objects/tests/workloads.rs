//! Controllers, disruption budgets and priority classes.

use expect_test::expect;

use super::*;
use crate::pod::RestartPolicy;

/// A template whose pods have the label `app: web` and no other field that a default could fill.
fn template() -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "a"}]}})
}

fn controller(api_version: &str, kind: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"namespace": "shop", "name": "web"}, "spec": spec,
    })
}

fn workload(document: &Value) -> WorkloadObject {
    match parse(document) {
        Ok(Object::Workload(workload)) => workload,
        other => panic!("expected a workload, found {other:?}"),
    }
}

#[test]
fn every_kind_of_controller_is_read_with_its_defaults() {
    let selector = json!({"matchLabels": {"app": "web"}});
    let usual = json!({"selector": selector, "template": template()});
    let mut job = json!({"template": template()});
    job["template"]["spec"]["restartPolicy"] = json!("Never");
    let mut shown = String::new();
    for (api_version, kind, spec) in [
        ("apps/v1", "Deployment", &usual),
        ("apps/v1", "ReplicaSet", &usual),
        ("apps/v1", "StatefulSet", &usual),
        ("apps/v1", "DaemonSet", &usual),
        ("v1", "ReplicationController", &json!({"replicas": 4, "template": template()})),
        ("batch/v1", "Job", &job),
    ] {
        let read = workload(&controller(api_version, kind, spec));
        let pods = read.template.as_ref().expect("a template was given");
        assert_eq!((&read.kind.as_str(), &pods.namespace[..]), (&kind, "shop"));
        assert!(read.selector.matches(&pods.labels), "{kind}");
        shown.push_str(&format!(
            "{} replicas={} completions={:?} labels={:?}\n",
            kind,
            read.replicas,
            read.completions,
            pods.labels.keys().collect::<Vec<_>>()
        ));
    }
    expect![[r#"
        Deployment replicas=1 completions=None labels=["app"]
        ReplicaSet replicas=1 completions=None labels=["app"]
        StatefulSet replicas=1 completions=None labels=["app"]
        DaemonSet replicas=0 completions=None labels=["app"]
        ReplicationController replicas=4 completions=None labels=["app"]
        Job replicas=1 completions=Some(1) labels=["app", "batch.kubernetes.io/job-name", "job-name"]
    "#]]
    .assert_eq(&shown);
}

#[test]
fn a_jobs_pods_depend_on_parallelism_completions_and_suspension() {
    for (fields, replicas, completions) in [
        (json!({"parallelism": 3}), 3, None),
        (json!({"completions": 5}), 1, Some(5)),
        (json!({"parallelism": 2, "completions": 5}), 2, Some(5)),
        (json!({"parallelism": 2, "suspend": true}), 0, None),
    ] {
        let job = workload(&controller("batch/v1", "Job", &fields));
        assert_eq!((job.replicas, job.completions), (replicas, completions), "{fields}");
    }
}

#[test]
fn claims_that_a_stateful_set_makes_are_a_rule_that_is_not_judged() {
    let mut spec = json!({"selector": {}, "template": template()});
    spec["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}}]);
    let pods = workload(&controller("apps/v1", "StatefulSet", &spec)).template;
    let features = pods.expect("a template was given").unjudged_features;
    assert_eq!(features, ["persistentVolumeClaim"]);
}

#[test]
fn a_recorded_controller_may_lack_its_template() {
    let spec = json!({"replicas": 2, "selector": {"matchLabels": {"app": "web"}}});
    assert_eq!(workload(&controller("apps/v1", "ReplicaSet", &spec)).template, None);
}

#[test]
fn a_controller_that_an_api_server_refuses_is_refused() {
    let selector = json!({"matchLabels": {"app": "db"}});
    let mut jobless = template();
    jobless["spec"]["restartPolicy"] = json!("Never");
    let mut broken = template();
    broken["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "x"}});
    let own = json!({"matchLabels": {"app": "web"}});
    let mut shown = String::new();
    for (api_version, kind, spec) in [
        ("apps/v1", "Deployment", json!({"template": template()})),
        ("apps/v1", "Deployment", json!({"selector": selector, "template": template()})),
        ("apps/v1", "Deployment", json!({"selector": own, "replicas": -1})),
        ("apps/v1", "ReplicaSet", json!({"selector": own, "template": jobless})),
        ("apps/v1", "DaemonSet", json!({"selector": own, "template": broken})),
        ("batch/v1", "Job", json!({"template": template()})),
        ("batch/v1", "Job", json!({"parallelism": "all"})),
    ] {
        shown.push_str(&error(&controller(api_version, kind, &spec)));
        shown.push('\n');
    }
    expect![[r#"
        Deployment shop/web: spec.selector: is required, and is missing
        Deployment shop/web: spec.selector: expected a selector that matches the labels of template
        Deployment shop/web: spec.replicas: expected a whole number from 0 to 4294967295, found -1
        ReplicaSet shop/web: spec.template.spec.restartPolicy: expected Always, found Never
        DaemonSet shop/web: spec.template.spec.containers[0].resources.limits.cpu: "x" is not a quantity such as 500m or 2Gi
        Job shop/web: spec.template.spec.restartPolicy: is required, and is missing
        Job shop/web: spec.parallelism: expected a whole number, found "all"
    "#]].assert_eq(&shown);
}

#[test]
fn restart_policies_of_jobs_are_kept() {
    let mut spec = json!({"template": template()});
    spec["template"]["spec"]["restartPolicy"] = json!("OnFailure");
    let pods = workload(&controller("batch/v1", "Job", &spec)).template.expect("a template");
    assert_eq!(pods.restart_policy, RestartPolicy::OnFailure);
}

#[test]
fn budgets_count_pods_or_percentages() {
    let mut shown = String::new();
    for spec in [
        json!({"minAvailable": 2, "selector": {}}),
        json!({"maxUnavailable": "50%"}),
        json!({}),
        json!({"minAvailable": 1, "maxUnavailable": 1}),
        json!({"minAvailable": "half"}),
        json!({"maxUnavailable": "101%"}),
        json!({"minAvailable": -1}),
        json!({"selector": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}}),
    ] {
        let read = parse(&controller("policy/v1", "PodDisruptionBudget", &spec));
        shown.push_str(&match read {
            Ok(Object::DisruptionBudget(budget)) => {
                format!("{:?} selector: {}\n", budget.rule, budget.selector.is_some())
            }
            Ok(other) => format!("{other:?}\n"),
            Err(error) => format!("{error}\n"),
        });
    }
    expect![[r#"
        MinAvailable(Count(2)) selector: true
        MaxUnavailable(Percent(50)) selector: false
        MinAvailable(Count(0)) selector: false
        PodDisruptionBudget shop/web: spec.maxUnavailable: expected only one of minAvailable and maxUnavailable
        PodDisruptionBudget shop/web: spec.minAvailable: expected a number of pods from 0 up, or a percentage "50%", found "half"
        PodDisruptionBudget shop/web: spec.maxUnavailable: expected a number of pods from 0 up, or a percentage "50%", found "101%"
        PodDisruptionBudget shop/web: spec.minAvailable: expected a number of pods from 0 up, or a percentage "50%", found -1
        PodDisruptionBudget shop/web: spec.selector.matchExpressions[0].operator: Invalid value: "Gt": not a valid selector operator
    "#]].assert_eq(&shown);
}

#[test]
fn a_priority_class_is_read() {
    let document = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": "high"}, "value": 1000, "preemptionPolicy": "Never",
    });
    let Ok(Object::PriorityClass(class)) = parse(&document) else { panic!("expected a class") };
    assert_eq!(
        (class.name.as_str(), class.value, class.preempts, class.global_default),
        ("high", 1000, false, false)
    );
}

#[test]
fn a_jobs_progress_is_read_and_a_finished_one_wants_no_more_pods() {
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status});
    for (status, replicas, succeeded) in [
        (json!({}), 3, 0),
        (json!({"succeeded": 2, "conditions": [condition("Complete", "False")]}), 3, 2),
        (json!({"succeeded": 5, "conditions": [condition("Complete", "True")]}), 0, 5),
        (json!({"conditions": [condition("FailureTarget", "True")]}), 3, 0),
        (json!({"conditions": [condition("Failed", "True")]}), 0, 0),
    ] {
        let mut document = controller("batch/v1", "Job", &json!({"parallelism": 3}));
        document["status"] = status.clone();
        let job = workload(&document);
        assert_eq!((job.replicas, job.succeeded), (replicas, succeeded), "{status}");
    }
}

#[test]
fn pods_of_a_daemon_set_tolerate_what_the_controller_makes_them_tolerate() {
    let tolerated = |edit: fn(&mut serde_json::Value)| {
        let mut spec = json!({"selector": {"matchLabels": {"app": "web"}}, "template": template()});
        edit(&mut spec["template"]["spec"]);
        let pods = workload(&controller("apps/v1", "DaemonSet", &spec)).template;
        let list = pods.expect("a template was given").tolerations;
        let lines = list.iter().map(|one| format!("{}:{:?}", one.key, one.effect));
        lines.collect::<Vec<_>>().join("\n")
    };
    expect![[r#"
        node.kubernetes.io/not-ready:Some(NoExecute)
        node.kubernetes.io/unreachable:Some(NoExecute)
        node.kubernetes.io/disk-pressure:Some(NoSchedule)
        node.kubernetes.io/memory-pressure:Some(NoSchedule)
        node.kubernetes.io/pid-pressure:Some(NoSchedule)
        node.kubernetes.io/unschedulable:Some(NoSchedule)"#]]
    .assert_eq(&tolerated(|_| {}));
    expect![[r#"
        node.kubernetes.io/pid-pressure:Some(NoSchedule)
        node.kubernetes.io/not-ready:Some(NoExecute)
        node.kubernetes.io/unreachable:Some(NoExecute)
        node.kubernetes.io/disk-pressure:Some(NoSchedule)
        node.kubernetes.io/memory-pressure:Some(NoSchedule)
        node.kubernetes.io/unschedulable:Some(NoSchedule)
        node.kubernetes.io/network-unavailable:Some(NoSchedule)"#]]
    .assert_eq(&tolerated(|pods| {
        pods["hostNetwork"] = json!(true);
        pods["tolerations"] = json!([{"key": "node.kubernetes.io/pid-pressure",
            "operator": "Exists", "effect": "NoSchedule"}]);
    }));
}
