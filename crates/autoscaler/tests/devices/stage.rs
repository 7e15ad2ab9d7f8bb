//! Clusters of a few objects, and one loop over them.

use plimsoll_autoscaler::cluster_autoscaler::StartState;
use plimsoll_autoscaler::{ClusterAutoscaler, NodeAutoscaler, Settings};
use plimsoll_core::objects::{Origin, Snapshot};
use plimsoll_core::scheduling::SchedulerProfiles;
use plimsoll_core::{Cluster, SimDuration, SimTime};
use serde_json::{Value, json};

/// The instant of the first loop.
pub(crate) const NOON: SimTime = SimTime(1_767_614_400_000);

/// A cluster and an autoscaler that has run for long.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) autoscaler: ClusterAutoscaler,
    pub(crate) now: SimTime,
}

impl Stage {
    /// The class `gpu` of all devices, and these objects.
    pub(crate) fn new(items: Vec<Value>) -> Stage {
        Stage::with(&Settings::default(), items)
    }

    /// The same with flags.
    pub(crate) fn with(settings: &Settings, items: Vec<Value>) -> Stage {
        let class = json!({"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass",
            "metadata": {"name": "gpu"}, "spec": {}});
        let all: Vec<Value> = std::iter::once(class).chain(items).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": all});
        let values = std::iter::once((list, Origin::default()));
        let (snapshot, _) = Snapshot::from_values(values).expect("valid objects");
        let cluster = Cluster::from_snapshot(&snapshot, &SchedulerProfiles::default());
        let mut autoscaler = ClusterAutoscaler::new(settings.clone(), 1);
        let past = StartState { past_first_loop: true, ..StartState::default() };
        autoscaler.restore(&cluster, &past);
        autoscaler.keep_findings();
        Stage { cluster, autoscaler, now: NOON }
    }

    /// Runs a loop and says what became of groups, options and pods, a line each.
    pub(crate) fn scale_up(&mut self) -> String {
        let before = self.cluster.digest();
        self.autoscaler.decide(&mut self.cluster.fork(), self.now);
        assert_eq!(self.cluster.digest(), before, "a loop leaves no trace");
        let report = self.autoscaler.last_loop().expect("a loop ran");
        let name = |group| self.cluster.group(group).spec.name.clone();
        let mut lines: Vec<String> = report.error.iter().cloned().collect();
        lines.push(report.scale_up.result.as_str().to_owned());
        for one in &report.scale_up.pod_groups {
            let sizes = format!("{} alike", one.group.pods.len());
            let against =
                one.refusals.iter().map(|(group, why)| format!("{}: {why}", name(*group)));
            lines.push(std::iter::once(sizes).chain(against).collect::<Vec<_>>().join(", "));
        }
        for one in &report.scale_up.options {
            lines.push(format!(
                "{}: {} nodes, {} pods",
                name(one.group),
                one.nodes,
                one.pods.len()
            ));
        }
        let mut outcomes = report.outcomes.clone();
        outcomes.sort_unstable();
        for (pod, outcome) in outcomes {
            lines.push(format!("{} {}", self.cluster.pod(pod).name, outcome.as_str()));
        }
        lines.join("\n")
    }

    /// Runs a loop and says of each node how much of it is used, and whether it can go.
    pub(crate) fn scale_down(&mut self) -> String {
        self.autoscaler.decide(&mut self.cluster.fork(), self.now);
        let found = self.autoscaler.scale_down();
        let name = |node| self.cluster.node_name(node).to_owned();
        let used = found.utilization().iter();
        let used =
            used.map(|(id, one)| format!("{} {} {:.2}", name(*id), one.resource, one.dominant));
        let unneeded = found.unneeded().iter().map(|one| format!("{} unneeded", name(one.node)));
        let stays = found.unremovable().into_iter();
        let stays = stays.map(|(id, why)| format!("{} {}", name(id), why.as_str()));
        let mut lines: Vec<String> = used.chain(unneeded).chain(stays).collect();
        lines.sort();
        lines.join("\n")
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now += SimDuration::from_secs(seconds);
    }
}

/// A group of up to nine nodes with 4 cores, whose new nodes bring these slices.
pub(crate) fn group(name: &str, nodes: u32, slices: &Value) -> Value {
    json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeGroup", "metadata": {"name": name},
        "spec": {"maxSize": 9, "templateResourceSlices": slices, "template": {"status": size()}},
        "status": {"targetSize": nodes}})
}

fn size() -> Value {
    json!({"capacity": {"cpu": "4", "memory": "16Gi", "pods": "110"},
        "allocatable": {"cpu": "4", "memory": "16Gi", "pods": "110"}})
}

/// A slice as a group has it.
pub(crate) fn template_slice(devices: u32) -> Value {
    json!({"spec": {"driver": "gpu.example.com", "devices": devices_named(devices)}})
}

fn devices_named(count: u32) -> Vec<Value> {
    (0..count).map(|number| json!({"name": format!("gpu-{number}")})).collect()
}

/// A node that has been ready for hours.
pub(crate) fn node(name: &str, group: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "creationTimestamp": "2026-01-05T06:00:00Z",
            "labels": {"plimsoll.dev/node-group": group}},
        "spec": {"providerID": name},
        "status": {"capacity": size()["capacity"], "allocatable": size()["allocatable"],
            "conditions": [{"type": "Ready", "status": "True",
                "lastTransitionTime": "2026-01-05T06:00:00Z"}]}})
}

/// A node's own slice, all of the pool that is called like the node.
pub(crate) fn slice(node: &str, devices: u32) -> Value {
    json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice",
        "metadata": {"name": format!("{node}-gpus")},
        "spec": {"driver": "gpu.example.com", "nodeName": node, "devices": devices_named(devices),
            "pool": {"name": node, "generation": 1, "resourceSliceCount": 1}}})
}

/// A claim on `count` devices, made for a pod unless that is empty.
pub(crate) fn claim(name: &str, count: u32, pod: &str) -> Value {
    let mut metadata = json!({"name": name, "namespace": "ml", "uid": format!("uid-{name}")});
    if !pod.is_empty() {
        metadata["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Pod", "name": pod,
            "uid": format!("uid-{pod}"), "controller": true}]);
    }
    json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": metadata,
        "spec": {"devices": {"requests": [
            {"name": "r", "exactly": {"deviceClassName": "gpu", "count": count}}]}}})
}

/// A claim of a pod that has these devices of a node's.
pub(crate) fn held(name: &str, pod: &str, node: &str, devices: &[&str]) -> Value {
    let mut claim = claim(name, u32::try_from(devices.len()).expect("few"), pod);
    let result = |device: &&str| json!({"request": "r", "driver": "gpu.example.com", "pool": node, "device": device});
    let results: Vec<Value> = devices.iter().map(result).collect();
    claim["status"] = json!({
        "reservedFor": [{"resource": "pods", "name": pod, "uid": format!("uid-{pod}")}],
        "allocation": {"devices": {"results": results}, "nodeSelector": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]}},
    });
    claim
}

/// How a pod comes by a claim.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    /// It names it.
    Name(&'a str),
    /// This one was made for it from the template `one-gpu`.
    Template(&'a str),
}

/// A pod of a ReplicaSet that fits nowhere.
pub(crate) fn pending(name: &str, owner: &str, cpu: &str, claim: By<'_>) -> Value {
    let (source, made) = match claim {
        By::Name(claim) => (json!({"name": "gpu", "resourceClaimName": claim}), json!([])),
        By::Template(claim) => (
            json!({"name": "gpu", "resourceClaimTemplateName": "one-gpu"}),
            json!([{"name": "gpu", "resourceClaimName": claim}]),
        ),
    };
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "ml", "uid": format!("uid-{name}"),
            "creationTimestamp": "2026-01-05T10:00:00Z", "labels": {"app": owner},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner,
                "uid": owner, "controller": true}]},
        "spec": {"resourceClaims": [source], "containers": [{"name": "main", "image": "app",
            "resources": {"requests": {"cpu": cpu}}}]},
        "status": {"phase": "Pending", "resourceClaimStatuses": made,
            "conditions": [{"type": "PodScheduled", "status": "False",
                "reason": "Unschedulable"}]}})
}

/// The same, running on a node.
pub(crate) fn running(name: &str, owner: &str, cpu: &str, claim: By<'_>, node: &str) -> Value {
    let mut pod = pending(name, owner, cpu, claim);
    pod["spec"]["nodeName"] = json!(node);
    let statuses = pod["status"]["resourceClaimStatuses"].take();
    pod["status"] = json!({"phase": "Running", "startTime": "2026-01-05T10:00:00Z",
        "resourceClaimStatuses": statuses});
    pod
}

/// The controller of pods.
pub(crate) fn replica_set(name: &str, replicas: u32) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": "ml"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "app"}]}}}})
}
