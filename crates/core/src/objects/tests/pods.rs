//! Pods: what they ask for, their defaults, what is refused.

use expect_test::expect;

use super::*;
use crate::pod::PodSpec;
use crate::pod::{HostPort, ResourceMap};
use crate::time::SimDuration;

/// A container `name` that requests these amounts.
fn container(name: &str, requests: &Value) -> Value {
    json!({"name": name, "resources": {"requests": requests}})
}

/// A sidecar: an init container that runs on.
fn sidecar(name: &str, requests: &Value) -> Value {
    let mut sidecar = container(name, requests);
    sidecar["restartPolicy"] = json!("Always");
    sidecar
}

/// `cpu=250 memory=64 | scoring cpu=250 memory=64`
fn asks_for(pod: &PodObject) -> String {
    let list: Vec<String> =
        pod.spec.requests.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
    format!(
        "{} | scoring cpu={} memory={}",
        list.join(" "),
        pod.spec.scoring_cpu_milli,
        pod.spec.scoring_memory_bytes
    )
}

#[test]
fn a_minimal_pod_gets_the_api_servers_defaults() {
    expect![[r#"
        PodObject {
            name: "web",
            uid: "",
            created_at: None,
            spec: PodSpec {
                namespace: "shop",
                labels: {},
                requests: {},
                first_container_requests: (
                    0,
                    0,
                ),
                scoring_cpu_milli: 100,
                scoring_memory_bytes: 209715200,
                placed_scoring: None,
                node_selector: {},
                required_node_terms: None,
                preferred_node_terms: [],
                tolerations: [],
                host_ports: [],
                priority: 0,
                is_priority_unset: true,
                preempts: true,
                scheduler_name: "default-scheduler",
                scheduling_gates: [],
                restart_policy: Always,
                termination_grace: SimDuration(
                    30000,
                ),
                annotations: {},
                local_volumes: [],
                volumes: PodVolumes {
                    volumes: [],
                    owner: None,
                },
                is_mirror: false,
                run_for: None,
                pod_affinity: PodAffinity {
                    required: [],
                    required_anti: [],
                    preferred: [],
                    preferred_anti: [],
                },
                images: [],
                image_container_count: 1,
                required_node_features: [],
                topology_spread: [],
                resource_claims: [],
                extended_resource_requests: {},
                unjudged_features: [],
                digest: 16657039174162563180,
            },
            node_name: None,
            nominated_node_name: None,
            phase: Pending,
            controller: None,
            deletion_at: None,
            started_at: None,
            marked_unschedulable: false,
            is_preempted: false,
            scheduled_condition_at: None,
        }
    "#]]
    .assert_debug_eq(&pod(&json!({"containers": [{"name": "a"}]})));
}

#[test]
fn requests_follow_the_schedulers_rule() {
    let one = container("a", &json!({"cpu": "250m", "memory": "64Mi"}));
    let two = container("b", &json!({"cpu": 1, "nvidia.com/gpu": 2, "ephemeral-storage": 0}));
    let init = container("i", &json!({"cpu": "1500m"}));
    let helper = sidecar("s", &json!({"cpu": "100m", "memory": "1Gi"}));
    let table = [
        (
            json!({"containers": [one, two]}),
            "cpu=1250 memory=67108864 nvidia.com/gpu=2 | scoring cpu=1250 memory=276824064",
        ),
        // The init container needs more cpu than what runs later.
        (
            json!({"containers": [one], "initContainers": [init]}),
            "cpu=1500 memory=67108864 | scoring cpu=1500 memory=209715200",
        ),
        // A sidecar runs beside the init containers after it, not beside those before it.
        (
            json!({"containers": [one], "initContainers": [helper, init]}),
            "cpu=1600 memory=1140850688 | scoring cpu=1600 memory=1283457024",
        ),
        (
            json!({"containers": [one], "initContainers": [init, helper]}),
            "cpu=1500 memory=1140850688 | scoring cpu=1500 memory=1140850688",
        ),
        (
            json!({"containers": [one], "overhead": {"cpu": "10m", "memory": "1Mi"}}),
            "cpu=260 memory=68157440 | scoring cpu=260 memory=68157440",
        ),
        // The pod's own requests replace its containers', resource by resource.
        (
            json!({"containers": [one], "resources": {"requests": {"cpu": "2"}}}),
            "cpu=2000 memory=67108864 | scoring cpu=250 memory=67108864",
        ),
        // An explicit zero stays zero in scores, too.
        (
            json!({"containers": [container("a", &json!({"cpu": 0, "memory": "1"}))]}),
            "memory=1 | scoring cpu=0 memory=1",
        ),
        // A limit is a request where none is made.
        (
            json!({"containers": [{"name": "a", "resources": {"limits": {"cpu": 1, "memory": "1.5"}}}]}),
            "cpu=1000 memory=2 | scoring cpu=1000 memory=2",
        ),
        // As a whole: what the containers request, else the limit.
        (
            json!({"containers": [one], "resources": {"limits": {"cpu": 3, "memory": "2Gi"}}}),
            "cpu=250 memory=67108864 | scoring cpu=250 memory=67108864",
        ),
        (
            json!({"containers": [{"name": "a"}], "resources": {"limits": {"cpu": 3}}}),
            "cpu=3000 | scoring cpu=100 memory=209715200",
        ),
    ];
    for (spec, expected) in table {
        assert_eq!(asks_for(&pod(&spec)), expected, "{spec}");
    }
}

#[test]
fn a_resize_under_way_counts_for_what_is_given_and_what_is_asked() {
    let document = |cpu: &str, reason: &str| {
        let mut document = pod_document(
            &json!({"nodeName": "n", "containers": [container("a", &json!({"cpu": cpu}))]}),
        );
        document["status"] = json!({
            "phase": "Running",
            "conditions": [{"type": "PodResizePending", "status": "True", "reason": reason}],
            "containerStatuses": [{
                "name": "a",
                "resources": {"requests": {"cpu": "1500m"}},
                "allocatedResources": {"cpu": "2"},
            }],
        });
        document
    };
    let cpu = |document: &Value| match parse(document) {
        Ok(Object::Pod(pod)) => pod.spec.requests["cpu"],
        other => panic!("expected a pod, found {other:?}"),
    };
    assert_eq!(cpu(&document("3", "Deferred")), 3000);
    assert_eq!(cpu(&document("1", "Deferred")), 2000);
    assert_eq!(cpu(&document("8", "Infeasible")), 2000);
    let unbound = with(&document("1", "Deferred"), "/spec/nodeName", json!(""));
    assert_eq!(cpu(&unbound), 1000);
    let wrong = "/status/containerStatuses/0/allocatedResources";
    assert_eq!(
        error(&with(&document("1", "Deferred"), wrong, json!({"cpu": "x"}))),
        "Pod shop/web: status.containerStatuses[0].allocatedResources.cpu: \"x\" is not a quantity \
         such as 500m or 2Gi"
    );
}

#[test]
fn a_resize_of_the_pod_as_a_whole_counts_for_what_it_asks_for_as_a_whole() {
    let document = |reason: &str| {
        let mut document = pod_document(&json!({
            "nodeName": "n",
            "containers": [container("a", &json!({"cpu": "500m"}))],
            "resources": {"requests": {"cpu": "1"}},
        }));
        document["status"] = json!({
            "phase": "Running",
            "conditions": [{"type": "PodResizePending", "status": "True", "reason": reason}],
            "resources": {"requests": {"cpu": "600m", "memory": "1Gi"}},
            "allocatedResources": {"cpu": "700m"},
        });
        document
    };
    let asks = |reason: &str| match parse(&document(reason)) {
        Ok(Object::Pod(pod)) => pod.spec.requests,
        other => panic!("expected a pod, found {other:?}"),
    };
    assert_eq!(asks("Deferred"), ResourceMap::from([("cpu".to_owned(), 1000)]));
    assert_eq!(asks("Infeasible"), ResourceMap::from([("cpu".to_owned(), 700)]));
}

#[test]
fn a_placed_pod_with_requests_as_a_whole_counts_without_defaults_for_its_containers() {
    let spec = json!({
        "containers": [container("a", &json!({"memory": "1Gi"})), {"name": "b"}],
        "resources": {"requests": {"cpu": "1"}},
    });
    let PodSpec { scoring_cpu_milli, scoring_memory_bytes, placed_scoring, .. } = pod(&spec).spec;
    assert_eq!((scoring_cpu_milli, scoring_memory_bytes), (200, (1024 + 200) << 20));
    assert_eq!(placed_scoring, Some((1000, 1024 << 20)));
}

#[test]
fn host_ports_are_those_of_containers_and_sidecars() {
    let ports = |port: i64| json!([{"containerPort": 80, "hostPort": port}, {"containerPort": 81}]);
    let spec = json!({
        "containers": [{"name": "a", "ports": [
            {"containerPort": 53, "hostPort": 53, "protocol": "UDP", "hostIP": "10.0.0.1"}]}],
        "initContainers": [
            {"name": "i", "ports": ports(7000)},
            {"name": "s", "restartPolicy": "Always", "ports": ports(8000)}],
    });
    let port = |ip: &str, protocol: &str, port| HostPort {
        ip: ip.to_owned(),
        protocol: protocol.to_owned(),
        port,
    };
    assert_eq!(
        pod(&spec).spec.host_ports,
        [port("10.0.0.1", "UDP", 53), port("0.0.0.0", "TCP", 8000)]
    );
    let on_host = json!({"hostNetwork": true, "containers": [{"name": "a", "ports": ports(0)}]});
    assert_eq!(
        pod(&on_host).spec.host_ports,
        [port("0.0.0.0", "TCP", 80), port("0.0.0.0", "TCP", 81)]
    );
}

#[test]
fn local_volumes_tie_a_pod_to_its_node() {
    let spec = json!({
        "containers": [{"name": "a"}],
        "volumes": [
            {"name": "host", "hostPath": {"path": "/x"}},
            {"name": "disk", "emptyDir": {}},
            {"name": "nothing"},
            {"name": "huge", "emptyDir": {"medium": "HugePages"}},
            {"name": "memory", "emptyDir": {"medium": "Memory"}},
            {"name": "settings", "configMap": {"name": "c"}},
            {"name": "claim", "persistentVolumeClaim": {"claimName": "c"}}],
    });
    assert_eq!(pod(&spec).spec.local_volumes, ["host", "disk", "nothing", "huge"]);
}

#[test]
fn spread_rules_take_the_pods_own_labels_into_their_selector_once() {
    let rule = json!({
        "maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app": "web"}},
        "matchLabelKeys": ["version", "missing"],
    });
    let mut document =
        pod_document(&json!({"containers": [{"name": "a"}], "topologySpreadConstraints": [rule]}));
    document["metadata"]["labels"] = json!({"app": "web", "version": "3"});
    defaulting::apply_defaults(&mut document);
    let once = document.clone();
    defaulting::apply_defaults(&mut document);
    assert_eq!(document, once);
    let Ok(Object::Pod(pod)) = parse(&document) else { panic!("expected a pod") };
    expect![[r#"
        [
            TopologySpreadConstraint {
                max_skew: 2,
                topology_key: "zone",
                hard: false,
                selector: Some(
                    LabelSelector {
                        requirements: [
                            Requirement {
                                key: "app",
                                operator: In,
                                values: [
                                    "web",
                                ],
                            },
                            Requirement {
                                key: "version",
                                operator: In,
                                values: [
                                    "3",
                                ],
                            },
                        ],
                    },
                ),
                min_domains: None,
                honor_affinity: true,
                honor_taints: false,
            },
        ]
    "#]]
    .assert_debug_eq(&pod.spec.topology_spread);
}

#[test]
fn annotations_that_decide_are_kept() {
    let mut document = pod_document(&json!({"containers": [{"name": "a"}]}));
    document["metadata"]["annotations"] = json!({
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "plimsoll.dev/run-for": "10m",
        "kubernetes.io/config.mirror": "abc",
        "team": "shop",
    });
    let Ok(Object::Pod(pod)) = parse(&document) else { panic!("expected a pod") };
    assert_eq!(pod.spec.run_for, Some(SimDuration::from_mins(10)));
    assert!(pod.spec.is_mirror);
    assert_eq!(
        pod.spec.annotations.keys().collect::<Vec<_>>(),
        ["cluster-autoscaler.kubernetes.io/safe-to-evict", "plimsoll.dev/run-for"]
    );
    document["metadata"]["annotations"]["plimsoll.dev/run-for"] = json!("soon");
    assert_eq!(
        error(&document),
        "Pod shop/web: metadata.annotations[plimsoll.dev/run-for]: \"soon\" is not a duration such \
         as 90s, 10m or 1h30m"
    );
}

#[test]
fn the_state_of_a_pod_is_read() {
    let mut document = pod_document(&json!({"containers": [{"name": "a"}], "nodeName": ""}));
    document["metadata"]["ownerReferences"] = json!([
        {"apiVersion": "v1", "kind": "Secret", "name": "s", "uid": "1"},
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "2", "controller": true},
    ]);
    document["status"] = json!({"phase": "Pending", "nominatedNodeName": "n1", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
         "lastTransitionTime": "2026-01-05T06:00:00Z"}]});
    let Ok(Object::Pod(pod)) = parse(&document) else { panic!("expected a pod") };
    assert_eq!(pod.node_name, None);
    assert_eq!(pod.nominated_node_name.as_deref(), Some("n1"));
    assert!(pod.marked_unschedulable);
    assert_eq!(
        pod.scheduled_condition_at.map(|at| at.to_string()).as_deref(),
        Some("2026-01-05T06:00:00Z")
    );
    assert_eq!(pod.controller.map(|owner| owner.kind).as_deref(), Some("ReplicaSet"));
}

#[test]
fn what_an_api_server_refuses_is_refused_with_the_field() {
    let base = json!({"s": {
        "containers": [{"name": "a", "resources": {"requests": {}, "limits": {}}}],
        "tolerations": [{"key": "k"}],
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [
                {"key": "k", "operator": "In", "values": ["v"]}]}]}}},
    }});
    let resources = "/s/containers/0/resources";
    let term = "/s/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/\
                nodeSelectorTerms/0/matchExpressions/0";
    let mut shown = String::new();
    for (pointer, value) in [
        ("/s/containers".to_owned(), json!([])),
        ("/s/containers/0/name".to_owned(), Value::Null),
        (format!("{resources}/requests/cpu"), json!("1.2.3")),
        (format!("{resources}/requests/cpu"), json!(-1)),
        (format!("{resources}/requests/gpu"), json!(1)),
        (format!("{resources}/requests"), json!("many")),
        (resources.to_owned(), json!({"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}})),
        ("/s/resources".to_owned(), json!({"requests": {"nvidia.com/gpu": 1}})),
        ("/s/restartPolicy".to_owned(), json!("Sometimes")),
        ("/s/hostNetwork".to_owned(), json!("yes")),
        ("/s/nodeSelector".to_owned(), json!({"disk": true})),
        ("/s/preemptionPolicy".to_owned(), json!("Always")),
        ("/s/priorityClassName".to_owned(), json!("high")),
        ("/s/terminationGracePeriodSeconds".to_owned(), json!(-1)),
        ("/s/tolerations/0/operator".to_owned(), json!("Matches")),
        ("/s/tolerations/0/effect".to_owned(), json!("NoScheduling")),
        ("/s/tolerations/0/key".to_owned(), json!("")),
        ("/s/topologySpreadConstraints/0/maxSkew".to_owned(), json!(0)),
        (format!("{term}/operator"), json!("Is")),
        (format!("{term}/operator"), json!("Exists")),
        (format!("{term}/values"), json!([])),
        (term.to_owned(), json!({"key": "k", "operator": "Gt", "values": ["1", "2"]})),
    ] {
        let changed = with(&base, &pointer, value);
        match parse(&pod_document(&changed["s"])) {
            Err(error) => shown.push_str(&format!("{error}\n")),
            Ok(_) => shown.push_str(&format!("accepted: {pointer}\n")),
        }
    }
    expect![[r#"
        Pod shop/web: spec.containers: expected a list of at least one container, found []
        Pod shop/web: spec.containers[0].name: is required, and is missing
        Pod shop/web: spec.containers[0].resources.requests.cpu: "1.2.3" is not a quantity such as 500m or 2Gi
        Pod shop/web: spec.containers[0].resources.requests.cpu: expected 0 or more, found -1
        Pod shop/web: spec.containers[0].resources.requests.gpu: expected cpu, memory, ephemeral-storage, hugepages-<size> or a name with a domain such as nvidia.com/gpu
        Pod shop/web: spec.containers[0].resources.requests: expected fields (key: value), found "many"
        Pod shop/web: spec.containers[0].resources.requests.cpu: expected at most the limit of 1500m, found 2
        Pod shop/web: spec.resources.requests[nvidia.com/gpu]: expected cpu, memory or hugepages-<size> for the pod as a whole
        Pod shop/web: spec.restartPolicy: expected one of Always, OnFailure, Never, found "Sometimes"
        Pod shop/web: spec.hostNetwork: expected true or false, found "yes"
        Pod shop/web: spec.nodeSelector.disk: expected text, found true (write "true")
        Pod shop/web: spec.preemptionPolicy: expected one of PreemptLowerPriority, Never, found "Always"
        Pod shop/web: spec.priorityClassName: no PriorityClass "high"; nearest: system-node-critical, system-cluster-critical
        Pod shop/web: spec.terminationGracePeriodSeconds: expected a whole number from 0 to 4294967295, found -1
        Pod shop/web: spec.tolerations[0].operator: Unsupported value: "Matches": supported values: "Equal", "Exists"
        Pod shop/web: spec.tolerations[0].effect: Unsupported value: "NoScheduling": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"
        Pod shop/web: spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"
        Pod shop/web: spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero
        Pod shop/web: spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator
        Pod shop/web: spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'
        Pod shop/web: spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'
        Pod shop/web: spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'
    "#]].assert_eq(&shown);
}
