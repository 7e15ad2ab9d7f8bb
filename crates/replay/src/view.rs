//! The cluster as a report shows it.

use std::collections::BTreeMap;

use plimsoll_core::Cluster;
use plimsoll_core::ids::{NodeId, PodId, WorkloadId};
use plimsoll_core::node::HOSTNAME_LABEL;
use plimsoll_core::pod::ResourceMap;
use plimsoll_core::taints::TaintEffect;
use plimsoll_core::workload::PriorityClassObject;
use serde_json::Value;

use crate::report::money::MicroUsd;
use crate::report::{
    ClusterSnapshot, SnapshotNode, SnapshotNodeGroup, SnapshotPod, SnapshotPriorityClass,
    SnapshotTaint,
};

/// What a snapshot shows beside pods, nodes and groups: it does not change during a replay.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The priority classes.
    pub priority_classes: Vec<PriorityClassObject>,
    /// The autoscaler's flags that were given.
    pub settings: BTreeMap<String, Value>,
    /// Gardener's worker pools, as recorded.
    pub worker_pools: Vec<Value>,
    /// Machine deployments, as recorded.
    pub machine_deployments: Vec<Value>,
}

/// The cluster as it is now. Every list is in order of name.
#[must_use]
pub fn cluster_view(cluster: &Cluster, surroundings: &Surroundings) -> ClusterSnapshot {
    let mut view = ClusterSnapshot {
        worker_pools: surroundings.worker_pools.clone(),
        machine_deployments: surroundings.machine_deployments.clone(),
        priority_classes: surroundings.priority_classes.iter().map(class_view).collect(),
        autoscaler_settings: surroundings.settings.clone(),
        ..ClusterSnapshot::default()
    };
    for (id, pod) in cluster.pods() {
        let shown = pod_view(cluster, id);
        match (pod.node, pod.nominated) {
            (Some(_), _) => view.scheduled_pods.push(shown),
            (None, Some(_)) => view.nominated_pods.push(shown),
            (None, None) => view.unscheduled_pods.push(shown),
        }
    }
    view.nodes = cluster.nodes().map(|(id, _)| node_view(cluster, id)).collect();
    view.node_groups = cluster
        .groups()
        .map(|(_, group)| {
            let some = |text: &String| (!text.is_empty()).then(|| text.clone());
            SnapshotNodeGroup {
                name: group.spec.name.clone(),
                min_size: group.spec.min_size,
                max_size: group.spec.max_size,
                target_size: group.target_size,
                instance_type: some(&group.spec.instance_type),
                zone: some(&group.spec.zone),
                capacity_type: some(&group.spec.capacity_type),
                price_per_hour: group.spec.price_microusd_per_hour.map(MicroUsd),
            }
        })
        .collect();
    view.unscheduled_pods.sort_by(|a, b| a.name.cmp(&b.name));
    view.scheduled_pods.sort_by(|a, b| a.name.cmp(&b.name));
    view.nominated_pods.sort_by(|a, b| a.name.cmp(&b.name));
    view.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    view.node_groups.sort_by(|a, b| a.name.cmp(&b.name));
    view.priority_classes.sort_by(|a, b| a.name.cmp(&b.name));
    view
}

fn pod_view(cluster: &Cluster, id: PodId) -> SnapshotPod {
    let pod = cluster.pod(id);
    let spec = cluster.shape(pod.shape);
    SnapshotPod {
        name: cluster.pod_full_name(id),
        owner: pod.controller.map(|controller| owner_name(cluster, controller)),
        node: pod.node.or(pod.nominated).map(|node| cluster.node_name(node).to_owned()),
        priority: spec.priority,
        requests: quantities(&spec.requests),
        creation_timestamp: Some(pod.created_at),
        deletion_timestamp: pod.deletion_at,
    }
}

/// A node as it is now.
#[must_use]
pub fn node_view(cluster: &Cluster, id: NodeId) -> SnapshotNode {
    let node = cluster.node(id);
    let mut labels = cluster.node_labels(id).clone();
    if let Some(hostname) = &node.hostname {
        labels.insert(HOSTNAME_LABEL.to_owned(), hostname.to_string());
    }
    SnapshotNode {
        name: node.name.to_string(),
        group: node.group.map(|group| cluster.group(group).spec.name.clone()),
        labels,
        taints: cluster
            .node_taints(id)
            .iter()
            .map(|taint| SnapshotTaint {
                key: taint.key.clone(),
                value: taint.value.clone(),
                effect: effect_name(taint.effect).to_owned(),
            })
            .collect(),
        allocatable: quantities(&cluster.catalog().template(node.template).allocatable),
        ready: node.ready,
        creation_timestamp: Some(node.created_at),
    }
}

fn class_view(class: &PriorityClassObject) -> SnapshotPriorityClass {
    SnapshotPriorityClass {
        name: class.name.clone(),
        value: class.value,
        global_default: class.global_default,
        preemption_policy: (!class.preempts).then(|| "Never".to_owned()),
    }
}

fn effect_name(effect: TaintEffect) -> &'static str {
    match effect {
        TaintEffect::NoSchedule => "NoSchedule",
        TaintEffect::PreferNoSchedule => "PreferNoSchedule",
        TaintEffect::NoExecute => "NoExecute",
    }
}

/// `namespace/name` of the controller that people know: a ReplicaSet's Deployment if there is one.
#[must_use]
pub fn owner_name(cluster: &Cluster, controller: WorkloadId) -> String {
    let one = cluster.workload(controller);
    let shown = one.controller.map_or(one, |above| cluster.workload(above));
    format!("{}/{}", shown.key.namespace, shown.key.name)
}

/// Amounts as Kubernetes writes them: milli-CPU with `m` where needed, memory in the largest binary
/// unit that is exact.
#[must_use]
pub fn quantities(amounts: &ResourceMap) -> BTreeMap<String, String> {
    amounts.iter().map(|(name, amount)| (name.clone(), quantity(name, *amount))).collect()
}

/// One amount as Kubernetes writes it.
#[must_use]
pub fn quantity(resource: &str, amount: i64) -> String {
    match resource {
        "cpu" if amount % 1000 == 0 => (amount / 1000).to_string(),
        "cpu" => format!("{amount}m"),
        "memory" | "ephemeral-storage" => binary_quantity(amount),
        name if name.starts_with("hugepages-") => binary_quantity(amount),
        _ => amount.to_string(),
    }
}

fn binary_quantity(bytes: i64) -> String {
    const UNITS: [(&str, u32); 6] =
        [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    UNITS
        .iter()
        .find(|(_, bits)| bytes != 0 && bytes % (1_i64 << bits) == 0)
        .map_or_else(|| bytes.to_string(), |(unit, bits)| format!("{}{unit}", bytes >> bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_short_as_they_are_exact() {
        for (resource, amount, text) in [
            ("cpu", 1500, "1500m"),
            ("cpu", 32_000, "32"),
            ("memory", 2 << 30, "2Gi"),
            ("memory", 1_000_000, "1000000"),
            ("memory", 0, "0"),
            ("nvidia.com/gpu", 8, "8"),
        ] {
            assert_eq!(quantity(resource, amount), text);
        }
    }
}
