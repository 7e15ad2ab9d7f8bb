//! The cases of upstream's suites about drains, as tables: a pod in a few words, and what the rules say.
//!
//! A row names its case, so that it can be found in the suite its table is from. Upstream asks single
//! rules; here a pod is judged by all twelve, so rows about one rule have what lets the pod pass
//! the others. Cases that hand in rules of their own have no counterpart.
//!
//! Source: cluster-autoscaler 1.36.1.

use plimsoll_core::drain::{self, DrainRules, DrainVerdict};
use plimsoll_core::objects::{Origin, Snapshot};
use plimsoll_core::scheduling::SchedulerProfiles;
use plimsoll_core::{Cluster, SimDuration, SimTime};
use serde_json::{Value, json};

/// When the pods are judged: 2020-12-18T17:00:00Z, as upstream's suites have it.
const NOW: SimTime = SimTime(1_608_310_800_000);

/// A case's name, the pod, and the verdict.
type Row = (&'static str, &'static str, &'static str);

/// Words: `ns=N`, `of=Kind` (`of=Kind@group/v1` for a group of one's own; `lost`: it is not there),
/// `emptyDir=V`, `gitRepo=V`, `safe=X`, `safe-volumes=a;b`, `daemonset-pod`, `mirror`, `deleted=30s`
/// (ago; `deleted=-15s`: still to come), `grace=0`, `age=61m`, `phase=P`, `restart=R`, `label=k:v`,
/// `pdb=NS/k:v/allowed`, `allow-custom`, `timeout=1m` (of system pods).
fn judge(text: &str) -> String {
    let mut case = Case::new();
    text.split_whitespace().for_each(|word| case.apply(word));
    case.judge()
}

struct Case {
    pod: Value,
    is_lost: bool,
    budgets: Vec<Value>,
    rules: DrainRules,
}

fn ago(text: &str) -> String {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let milliseconds = SimDuration::parse(text).expect("a duration").0;
    (NOW - SimDuration(sign * milliseconds)).to_string()
}

impl Case {
    fn new() -> Case {
        Case {
            pod: json!({"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "bar", "namespace": "default", "annotations": {}, "labels": {},
                    "creationTimestamp": ago("30m")},
                "spec": {"nodeName": "node", "volumes": [],
                    "containers": [{"name": "main", "image": "app"}]},
                "status": {"phase": "Running"}}),
            is_lost: false,
            budgets: Vec::new(),
            rules: DrainRules::default(),
        }
    }

    fn apply(&mut self, word: &str) {
        const PREFIX: &str = "cluster-autoscaler.kubernetes.io";
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let metadata = &mut self.pod["metadata"];
        let pair = |text: &str| {
            let (key, value) = text.split_once(':').expect("key:value");
            json!({key: value})
        };
        match name {
            "ns" => metadata["namespace"] = json!(value),
            "of" => {
                let group = match value {
                    "Job" => "batch/v1",
                    "ReplicationController" => "v1",
                    _ => "apps/v1",
                };
                let (kind, group) = value.split_once('@').unwrap_or((value, group));
                metadata["ownerReferences"] = json!([{"apiVersion": group, "kind": kind,
                    "name": "owner", "uid": "u", "controller": true}]);
            }
            "lost" => self.is_lost = true,
            "emptyDir" | "gitRepo" => {
                let volumes = self.pod["spec"]["volumes"].as_array_mut().expect("a list");
                volumes.push(json!({"name": value, name: {}}));
            }
            "safe" => metadata["annotations"][format!("{PREFIX}/safe-to-evict")] = json!(value),
            "safe-volumes" => {
                let names = value.replace(';', ",");
                metadata["annotations"][format!("{PREFIX}/safe-to-evict-local-volumes")] =
                    json!(names);
            }
            "daemonset-pod" => {
                metadata["annotations"][format!("{PREFIX}/daemonset-pod")] = json!("true");
            }
            "mirror" => metadata["annotations"]["kubernetes.io/config.mirror"] = json!("something"),
            "deleted" => metadata["deletionTimestamp"] = json!(ago(value)),
            "age" => metadata["creationTimestamp"] = json!(ago(value)),
            "label" => metadata["labels"] = pair(value),
            "grace" => {
                let seconds: i64 = value.parse().expect("seconds");
                self.pod["spec"]["terminationGracePeriodSeconds"] = json!(seconds);
            }
            "restart" => self.pod["spec"]["restartPolicy"] = json!(value),
            "phase" => self.pod["status"]["phase"] = json!(value),
            "pdb" => {
                let parts: Vec<&str> = value.split('/').collect();
                let allowed: i64 = parts[2].parse().expect("a number");
                self.budgets.push(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                    "metadata": {"name": format!("b{}", self.budgets.len()), "namespace": parts[0]},
                    "spec": {"minAvailable": 1, "selector": {"matchLabels": pair(parts[1])}},
                    "status": {"disruptionsAllowed": allowed, "currentHealthy": 1,
                        "desiredHealthy": 1, "expectedPods": 1}}));
            }
            "allow-custom" => self.rules.skip_nodes_with_custom_controller_pods = false,
            "timeout" => {
                let timeout = SimDuration::parse(value).expect("a duration");
                self.rules.blocking_system_pod_timeout = timeout;
            }
            _ => panic!("unknown word {word:?}"),
        }
    }

    /// The controller that the pod names, with five replicas.
    fn owner(&self) -> Option<Value> {
        let reference = self.pod["metadata"]["ownerReferences"].get(0)?;
        let template = json!({"metadata": {"labels": {"a": "b"}},
            "spec": {"restartPolicy": "Always", "containers": [{"name": "c", "image": "i"}]}});
        let mut spec = json!({"replicas": 5, "selector": {"matchLabels": {"a": "b"}},
            "template": template});
        if reference["kind"] == "Job" {
            spec = json!({"template": spec["template"]});
            spec["template"]["spec"]["restartPolicy"] = json!("Never");
        }
        if reference["kind"] == "ReplicationController" {
            spec["selector"] = json!({"a": "b"});
        }
        Some(json!({"apiVersion": reference["apiVersion"], "kind": reference["kind"],
            "metadata": {"name": "owner", "namespace": self.pod["metadata"]["namespace"]},
            "spec": spec}))
    }

    fn judge(self) -> String {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node"}});
        let owner = self.owner().filter(|_| !self.is_lost);
        let items: Vec<Value> =
            [node].into_iter().chain(owner).chain(self.budgets).chain([self.pod]).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        let values = std::iter::once((list, Origin::default()));
        let (snapshot, _) = Snapshot::from_values(values).expect("valid objects");
        let mut cluster = Cluster::from_snapshot(&snapshot, &SchedulerProfiles::default());
        cluster.match_budgets();
        let Some((pod, _)) = cluster.pods().next() else { return "Gone".to_owned() };
        match drain::judge(&cluster, pod, &self.rules, NOW) {
            DrainVerdict::Blocked(reason) => reason.to_string(),
            verdict => format!("{verdict:?}"),
        }
    }
}

fn check(rows: &[Row]) {
    let differ = |(name, pod, expected): &Row| {
        let found = judge(pod);
        (found != *expected).then(|| format!("{name}: {pod}: {found}, expected {expected}"))
    };
    let wrong: Vec<String> = rows.iter().filter_map(differ).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Source: `simulator/drain_test.go`, `TestGetPodsToMove`. Finished pods are never part of a cluster.
#[test]
fn pods_to_move() {
    check(&[
        ("Unreplicated pod", "", "NotReplicated"),
        ("Replicated pod", "of=ReplicaSet", "Move"),
        ("Manifest pod", "ns=kube-system mirror", "Skip"),
        ("DaemonSet pod", "of=DaemonSet", "DaemonSet"),
        ("Kube-system", "ns=kube-system of=ReplicaSet", "UnmovableKubeSystemPod"),
        (
            "Kube-system no pdb, blocking",
            "ns=kube-system of=ReplicaSet age=59m",
            "UnmovableKubeSystemPod",
        ),
        ("Kube-system no pdb, allowing", "ns=kube-system of=ReplicaSet age=61m", "Move"),
        ("Local storage", "of=ReplicaSet emptyDir=empty-vol", "LocalStorageRequested"),
        ("Non-local storage", "of=ReplicaSet gitRepo=my-repo", "Move"),
        (
            "Pdb blocking",
            "of=ReplicaSet label=critical:true pdb=default/critical:true/0",
            "NotEnoughPdb",
        ),
        ("Pdb allowing", "of=ReplicaSet label=critical:true pdb=default/critical:true/1", "Move"),
        ("Pod termination, terminated", "of=ReplicaSet deleted=90s", "Skip"),
        ("Pod termination, terminating", "of=ReplicaSet deleted=-30s", "Move"),
        ("RC-managed pod", "of=ReplicationController", "Move"),
        (
            "DS-managed pod by a custom Daemonset",
            "of=CustomDaemonSet@crd/v1 daemonset-pod lost",
            "DaemonSet",
        ),
        ("Job-managed pod", "of=Job", "Move"),
        ("SS-managed pod", "of=StatefulSet", "Move"),
        ("RS-managed pod that is being deleted", "of=ReplicaSet deleted=1h", "Skip"),
        (
            "pod with EmptyDir, matching values",
            "of=ReplicationController emptyDir=s-1 emptyDir=s-2 emptyDir=s-3 safe-volumes=s-1;s-2;s-3",
            "Move",
        ),
        ("failed pod", "restart=Never phase=Failed", "Gone"),
        (
            "long terminating pod with 0 grace period",
            "of=ReplicationController restart=OnFailure grace=0 deleted=60s phase=Unknown",
            "Skip",
        ),
        (
            "long terminating pod with extended grace period",
            "of=ReplicationController restart=OnFailure grace=360 deleted=180s phase=Unknown",
            "Move",
        ),
        ("evicted pod", "restart=Always phase=Failed", "Gone"),
        ("pod in terminal state", "restart=OnFailure phase=Succeeded", "Gone"),
        ("pod with PodSafeToEvict annotation", "safe=true", "Move"),
        ("kube-system pod with PodSafeToEvict annotation", "ns=kube-system safe=true", "Move"),
        ("pod with EmptyDir and PodSafeToEvict annotation", "emptyDir=scratch safe=true", "Move"),
        (
            "kube-system PDB with matching kube-system pod",
            "ns=kube-system of=ReplicationController label=k8s-app:bar pdb=kube-system/k8s-app:bar/1",
            "Move",
        ),
        (
            "kube-system PDB with non-matching kube-system pod",
            "ns=kube-system of=ReplicationController label=k8s-app:bar pdb=kube-system/k8s-app:foo/1",
            "UnmovableKubeSystemPod",
        ),
        (
            "kube-system PDB with default namespace pod",
            "of=ReplicationController label=k8s-app:bar pdb=kube-system/k8s-app:bar/1",
            "Move",
        ),
        (
            "default namespace PDB with matching labels kube-system pod",
            "ns=kube-system of=ReplicationController label=k8s-app:bar pdb=default/k8s-app:bar/1",
            "UnmovableKubeSystemPod",
        ),
        (
            "pod with safe-to-evict=on-completion annotation",
            "safe=on-completion",
            "AwaitCompletion",
        ),
    ]);
}

/// Source: `simulator/drainability/rules/localstorage/rule_test.go`.
#[test]
fn local_storage() {
    const THREE: &str = "of=ReplicationController emptyDir=s-1 emptyDir=s-2 emptyDir=s-3";
    let with = |volumes: &str| judge(&format!("{THREE} safe-volumes={volumes}"));
    check(&[
        ("EmptyDir", "of=ReplicationController emptyDir=scratch", "LocalStorageRequested"),
        ("annotation", "of=ReplicationController emptyDir=scratch safe-volumes=scratch", "Move"),
        (
            "empty value",
            "of=ReplicationController emptyDir=scratch safe-volumes=",
            "LocalStorageRequested",
        ),
        (
            "non-matching value",
            "of=ReplicationController emptyDir=s-1 safe-volumes=s-2",
            "LocalStorageRequested",
        ),
    ]);
    assert_eq!(with("s-1;s-2;s-3"), "Move", "matching values");
    assert_eq!(with("s-1;s-2;s-5"), "LocalStorageRequested", "non-matching values");
    assert_eq!(with("s-1;s-2"), "LocalStorageRequested", "some matching values");
    assert_eq!(with(";"), "LocalStorageRequested", "empty values");
}

/// Source: `simulator/drainability/rules/longterminating/rule_test.go` and
/// `utils/drain/drain_test.go`, `TestIsPodLongTerminating`. A pod without a grace period has 30 s.
#[test]
fn pods_past_their_end() {
    check(&[
        ("regular pod", "of=ReplicaSet", "Move"),
        ("0 grace period", "of=ReplicaSet grace=0 deleted=-15s", "Move"),
        ("expired, 0 grace period", "of=ReplicaSet grace=0 deleted=60s", "Skip"),
        ("extended grace period", "of=ReplicaSet grace=360 deleted=-180s", "Move"),
        ("expired, extended grace period", "of=ReplicaSet grace=360 deleted=720s", "Skip"),
        ("No deletion timestamp", "of=ReplicaSet grace=0", "Move"),
        ("Just deleted, no grace period defined", "of=ReplicaSet deleted=0s", "Move"),
        ("Deleted for longer, no grace period defined", "of=ReplicaSet deleted=90s", "Skip"),
        ("Just deleted, grace period 0", "of=ReplicaSet grace=0 deleted=0s", "Move"),
        (
            "Deleted for longer, but not than grace period (2 min)",
            "of=ReplicaSet grace=120 deleted=60s",
            "Move",
        ),
        (
            "Deleted for longer than grace period (2 min)",
            "of=ReplicaSet grace=120 deleted=180s",
            "Skip",
        ),
    ]);
}

/// Source: `rule_test.go` of `mirror`, `notsafetoevict`, `oncompletion`, `safetoevict`, `terminal`,
/// `daemonset` in `simulator/drainability/rules`.
#[test]
fn annotations_and_kinds() {
    check(&[
        ("mirror: regular pod", "of=ReplicaSet", "Move"),
        ("mirror: mirror pod", "ns=kube-system mirror", "Skip"),
        ("notsafetoevict: PodSafeToEvict", "ns=kube-system safe=true", "Move"),
        ("notsafetoevict: RC, no annotation", "of=ReplicationController", "Move"),
        (
            "notsafetoevict: RC, false",
            "of=ReplicationController safe=false",
            "NotSafeToEvictAnnotation",
        ),
        ("notsafetoevict: job, no annotation", "of=Job", "Move"),
        ("notsafetoevict: job, false", "of=Job safe=false", "NotSafeToEvictAnnotation"),
        ("oncompletion: regular pod", "of=ReplicaSet", "Move"),
        ("oncompletion: on-completion", "of=ReplicaSet safe=on-completion", "AwaitCompletion"),
        ("oncompletion: true", "of=ReplicaSet safe=true", "Move"),
        ("oncompletion: false", "of=ReplicaSet safe=false", "NotSafeToEvictAnnotation"),
        ("safetoevict: safe to evict pod", "safe=true", "Move"),
        ("terminal: terminal pod", "restart=OnFailure phase=Succeeded", "Gone"),
        ("terminal: failed pod", "restart=Never phase=Failed", "Gone"),
        ("daemonset: daemonset pod", "of=DaemonSet", "DaemonSet"),
    ]);
}

/// Source: `simulator/drainability/rules/replicacount/rule_test.go`. A controller of another group than
/// Kubernetes' own is not looked up; StatefulSets and DaemonSets of one count as such all the same.
#[test]
fn controllers_that_are_there_and_that_are_not() {
    check(&[
        ("RC-managed pod", "of=ReplicationController", "Move"),
        ("RC-managed pod, missing", "of=ReplicationController lost", "ControllerNotFound"),
        ("DS-managed pod", "of=DaemonSet", "DaemonSet"),
        ("DS-managed pod, missing", "of=DaemonSet lost", "ControllerNotFound"),
        ("DS-managed pod by a custom API Group", "of=DaemonSet@crd/v1", "DaemonSet"),
        ("the same, missing", "of=DaemonSet@crd/v1 lost", "DaemonSet"),
        (
            "DS-managed pod by a custom Daemonset",
            "of=CustomDaemonSet@crd/v1 daemonset-pod",
            "DaemonSet",
        ),
        ("the same, missing", "of=CustomDaemonSet@crd/v1 daemonset-pod lost", "DaemonSet"),
        ("Job-managed pod", "of=Job", "Move"),
        ("Job-managed pod, missing", "of=Job lost", "ControllerNotFound"),
        ("SS-managed pod", "of=StatefulSet", "Move"),
        ("SS-managed pod, missing", "of=StatefulSet lost", "ControllerNotFound"),
        ("SS-managed pod by a custom API Group", "of=StatefulSet@kruise/v1", "Move"),
        ("the same, missing", "of=StatefulSet@kruise/v1 lost", "Move"),
        ("RS-managed pod", "of=ReplicaSet", "Move"),
        ("RS-managed pod that is being deleted", "of=ReplicaSet deleted=-1h", "Move"),
        ("RS-managed pod, missing", "of=ReplicaSet lost", "ControllerNotFound"),
    ]);
}

/// Source: `simulator/drainability/rules/replicated/rule_test.go`.
#[test]
fn pods_that_nothing_would_make_anew() {
    check(&[
        ("RC-managed pod", "of=ReplicationController allow-custom", "Move"),
        ("Job-managed pod", "of=Job allow-custom", "Move"),
        ("SS-managed pod", "of=StatefulSet allow-custom", "Move"),
        ("RS-managed pod", "of=ReplicaSet allow-custom", "Move"),
        ("naked pod, custom controllers block", "", "NotReplicated"),
        ("naked pod, custom controllers do not", "allow-custom", "NotReplicated"),
        (
            "custom-controller-managed non-blocking pod",
            "of=FooController@apps/v1 lost allow-custom",
            "Move",
        ),
        (
            "custom-controller-managed blocking pod",
            "of=FooController@apps/v1 lost",
            "NotReplicated",
        ),
    ]);
}

/// Source: `rule_test.go` of `system` and `pdb` in `simulator/drainability/rules`.
#[test]
fn budgets_and_system_pods() {
    const RC: &str = "of=ReplicationController";
    check(&[
        (
            "system: kube-system PDB, matching",
            "ns=kube-system of=ReplicationController label=k8s-app:bar pdb=kube-system/k8s-app:bar/1 timeout=1m",
            "Move",
        ),
        (
            "system: kube-system PDB, non-matching",
            "ns=kube-system of=ReplicationController label=k8s-app:bar pdb=kube-system/k8s-app:foo/1 age=30s timeout=1m",
            "UnmovableKubeSystemPod",
        ),
        (
            "system: default namespace PDB",
            "ns=kube-system of=ReplicationController label=k8s-app:bar pdb=default/k8s-app:bar/1 age=30s timeout=1m",
            "UnmovableKubeSystemPod",
        ),
        (
            "system: younger than the timeout",
            "ns=kube-system of=ReplicaSet age=59s timeout=1m",
            "UnmovableKubeSystemPod",
        ),
        (
            "system: older than the timeout",
            "ns=kube-system of=ReplicaSet age=61s timeout=1m",
            "Move",
        ),
        ("pdb: no pdbs", RC, "Move"),
        (
            "pdb: no matching pdbs",
            "ns=good of=ReplicaSet label=label:true pdb=bad/label:true/0 pdb=good/label:false/0",
            "Move",
        ),
        (
            "pdb: pdb prevents scale-down",
            "ns=good of=ReplicaSet label=label:true pdb=bad/label:true/0 pdb=good/label:true/0 pdb=good/label:false/0",
            "NotEnoughPdb",
        ),
    ]);
}

/// Its name, how many pods only the first budget covers, only the second, and both; the disruptions
/// that each allows (`None`: there are no budgets), whether the pods can go at one time, and what is
/// left.
type BudgetRow = (&'static str, [usize; 3], Option<[i64; 2]>, bool, Option<[i64; 2]>);

/// Source: `core/scaledown/pdb/basic_test.go`, `TestBasicCanRemovePods` and `TestBasicRemovePods`. A pod
/// that a used-up budget covers is refused by the rule about budgets before they are counted together.
#[test]
fn budgets_that_cover_several_pods_of_a_node() {
    let rows: [BudgetRow; 6] = [
        ("no budgets", [2, 1, 0], None, true, None),
        ("not enough left", [2, 1, 0], Some([1, 0]), false, Some([-1, -1])),
        ("at risk", [2, 1, 0], Some([1, 2]), false, Some([-1, 1])),
        ("enough left", [2, 3, 0], Some([2, 4]), true, Some([0, 1])),
        ("a pod under both", [0, 0, 1], Some([1, 1]), true, Some([0, 0])),
        ("a pod under both, and others", [1, 1, 1], Some([2, 1]), false, Some([0, -1])),
    ];
    for (name, [first, second, both], allowed, at_one_time, left) in rows {
        let mut items = Vec::new();
        let labels = [
            (first, json!({"label-1": "true"})),
            (second, json!({"label-2": "true"})),
            (both, json!({"label-1": "true", "label-2": "true"})),
        ];
        for (count, labels) in labels {
            for _ in 0..count {
                items.push(json!({"apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": format!("pod-{}", items.len()), "namespace": "ns",
                        "labels": labels},
                    "spec": {"containers": [{"name": "main", "image": "app"}]}}));
            }
        }
        for (number, allowed) in allowed.iter().flatten().enumerate() {
            let number = number + 1;
            items.push(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                "metadata": {"name": format!("budget-{number}"), "namespace": "ns"},
                "spec": {"minAvailable": 1,
                    "selector": {"matchLabels": {format!("label-{number}"): "true"}}},
                "status": {"disruptionsAllowed": allowed}}));
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        let (snapshot, _) = Snapshot::from_values(std::iter::once((list, Origin::default())))
            .expect("good objects");
        let mut cluster = Cluster::from_snapshot(&snapshot, &SchedulerProfiles::default());
        let pods: Vec<_> = cluster.pods().map(|(id, _)| id).collect();
        assert_eq!(drain::use_budgets(&mut cluster, &pods), at_one_time, "{name}");
        let found: Vec<i64> =
            cluster.budgets().map(|(_, budget)| budget.disruptions_allowed).collect();
        assert_eq!(found, left.map(Vec::from).unwrap_or_default(), "{name}");
    }
}
