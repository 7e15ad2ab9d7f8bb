//! Clusters of Kubernetes objects in a few words, and loops over them.

use std::collections::BTreeMap;

use plimsoll_autoscaler::cluster_autoscaler::{LoopReport, StartState};
use plimsoll_autoscaler::settings::SettingValue;
use plimsoll_autoscaler::{Action, ClusterAutoscaler, NodeAutoscaler, Outcome, Settings};
use plimsoll_core::ids::{NodeId, PodId};
use plimsoll_core::objects::{Origin, Snapshot};
use plimsoll_core::scheduling::SchedulerProfiles;
use plimsoll_core::{Cluster, SimDuration, SimTime};
use serde_json::{Value, json};

/// The instant of the first loop: 2026-01-05T12:00:00Z.
pub(crate) const NOON: SimTime = SimTime(1_767_614_400_000);

/// The cluster that these objects describe.
pub(crate) fn cluster_of(items: &[Value]) -> Cluster {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let values = std::iter::once((list, Origin::default()));
    let (snapshot, _) = Snapshot::from_values(values).expect("valid objects");
    Cluster::from_snapshot(&snapshot, &SchedulerProfiles::default())
}

/// Settings by flag.
pub(crate) fn settings_of(flags: &[(&str, &str)]) -> Settings {
    let text = |value: &str| SettingValue::Text(value.to_owned());
    let flags: BTreeMap<String, SettingValue> =
        flags.iter().map(|(flag, value)| ((*flag).to_owned(), text(value))).collect();
    Settings::from_map(&flags).expect("the flags are good")
}

/// A cluster, and an autoscaler that has run for long.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    autoscaler: ClusterAutoscaler,
    now: SimTime,
}

impl Stage {
    pub(crate) fn new(items: &[Value], flags: &[(&str, &str)]) -> Stage {
        Stage::of(items, settings_of(flags))
    }

    pub(crate) fn of(items: &[Value], settings: Settings) -> Stage {
        let cluster = cluster_of(items);
        let mut autoscaler = ClusterAutoscaler::new(settings, 1);
        let past = StartState { past_first_loop: true, ..StartState::default() };
        autoscaler.restore(&cluster, &past);
        autoscaler.keep_findings();
        Stage { cluster, autoscaler, now: NOON }
    }

    pub(crate) fn pass(&mut self, minutes: i64) {
        self.now += SimDuration::from_mins(minutes);
    }

    pub(crate) fn run(&mut self) {
        self.autoscaler.decide(&mut self.cluster.fork(), self.now);
    }

    /// Runs a loop in a cloud that is asked for its increases and refuses some. Gives how many it was
    /// asked for.
    pub(crate) fn run_refused(&mut self, mut refuses: impl FnMut(&str) -> bool) -> usize {
        let decision = self.autoscaler.decide(&mut self.cluster.fork(), self.now);
        let mut asked = 0;
        for action in &decision.actions {
            let Action::IncreaseSize { group, delta } = action else { continue };
            if !self.autoscaler.still_wants(action) {
                continue;
            }
            asked += 1;
            let (name, target) = {
                let group = self.cluster.group(*group);
                (group.spec.name.clone(), group.target_size)
            };
            let outcome = if refuses(&name) {
                Outcome::Refused(format!("provider error for: {name}"))
            } else {
                self.cluster.set_target_size(*group, target + delta);
                Outcome::Done
            };
            self.autoscaler.observe(action, &outcome, &self.cluster, self.now);
        }
        asked
    }

    /// What the last loop found.
    pub(crate) fn report(&self) -> &LoopReport {
        self.autoscaler.last_loop().expect("a loop ran")
    }

    pub(crate) fn node(&self, name: &str) -> NodeId {
        let mut nodes = self.cluster.nodes();
        nodes.find(|(_, node)| *node.name == *name).expect("there is such a node").0
    }

    pub(crate) fn pod(&self, name: &str) -> PodId {
        let mut pods = self.cluster.pods();
        pods.find(|(_, pod)| *pod.name == *name).expect("there is such a pod").0
    }

    /// Why a node stays; empty when nothing keeps it.
    pub(crate) fn reason(&self, name: &str) -> &'static str {
        let id = self.node(name);
        let stays = self.autoscaler.scale_down().unremovable();
        let reason = stays.into_iter().find(|(node, _)| *node == id);
        reason.map_or("", |(_, reason)| reason.as_str())
    }

    /// The unneeded nodes by name, each with the minutes since the first loop at which it became so.
    pub(crate) fn unneeded(&self) -> Vec<(String, i64)> {
        let minutes = |since: SimTime| (since - NOON).0 / SimDuration::from_mins(1).0;
        let list = self.autoscaler.scale_down().unneeded().iter();
        let mut list: Vec<(String, i64)> = list
            .map(|one| (self.cluster.node_name(one.node).to_owned(), minutes(one.since)))
            .collect();
        list.sort();
        list
    }
}

/// The group `ng1` of one to ten nodes, as far as it is not edited by `spec`.
pub(crate) fn group(target_size: u32, spec: &Value) -> Value {
    let mut group = json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeGroup",
        "metadata": {"name": "ng1"}, "status": {"targetSize": target_size},
        "spec": {"minSize": 1, "maxSize": 10, "template": {"status": size("1", "1Gi")}}});
    for (field, value) in spec.as_object().expect("fields of a group") {
        group["spec"][field] = value.clone();
    }
    group
}

pub(crate) fn size(cpu: &str, memory: &str) -> Value {
    let amounts = json!({"cpu": cpu, "memory": memory, "pods": "100"});
    json!({"capacity": amounts, "allocatable": amounts})
}

/// A node of `ng1` with one core, ready for hours.
pub(crate) fn node(name: &str) -> Value {
    let mut node = json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "creationTimestamp": "2026-01-05T06:00:00Z", "annotations": {},
            "labels": {"plimsoll.dev/node-group": "ng1"}},
        "spec": {"providerID": name}, "status": size("1", "1Gi")});
    node["status"]["conditions"] = json!([{"type": "Ready", "status": "True",
        "lastTransitionTime": "2026-01-05T06:00:00Z"}]);
    node
}

/// A node of no group with room for everything.
pub(crate) fn elsewhere() -> Value {
    let mut node = node("elsewhere");
    node["metadata"]["labels"] = json!({});
    node["status"]["capacity"] = size("100", "100Gi")["capacity"].clone();
    node["status"]["allocatable"] = node["status"]["capacity"].clone();
    node
}

/// A pod that may be evicted, on a node unless that is empty.
pub(crate) fn pod(name: &str, cpu: &str, node: &str) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {},
            "creationTimestamp": "2026-01-05T10:00:00Z",
            "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}},
        "spec": {"volumes": [], "containers": [{"name": "main", "image": "app",
            "resources": {"requests": {"cpu": cpu}}}]},
        "status": {"phase": "Running", "startTime": "2026-01-05T10:00:00Z"}});
    if node.is_empty() {
        pod["status"] = json!({"phase": "Pending"});
    } else {
        pod["spec"]["nodeName"] = json!(node);
    }
    pod
}

/// Names a pod's controller.
pub(crate) fn owned(mut pod: Value, kind: &str, name: &str) -> Value {
    let group = if kind == "ReplicationController" { "v1" } else { "apps/v1" };
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": group, "kind": kind, "name": name,
        "uid": name, "controller": true}]);
    pod
}
