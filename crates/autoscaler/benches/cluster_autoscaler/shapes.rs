//! Clusters, pods and groups as upstream's benchmarks have them.

use std::sync::Arc;

use plimsoll_autoscaler::cluster_autoscaler::{ClusterAutoscaler, StartState};
use plimsoll_autoscaler::scale_up::PodGroup;
use plimsoll_autoscaler::scale_up::template::Template;
use plimsoll_autoscaler::settings::Settings;
use plimsoll_core::devices::NodeDevices;
use plimsoll_core::ids::{GroupId, NodeId, PodId};
use plimsoll_core::labels::{LabelSelector, Operator, Requirement};
use plimsoll_core::node_group::{Instance, InstanceState};
use plimsoll_core::pod::TopologySpreadConstraint;
use plimsoll_core::pod_affinity::PodAffinityTerm;
use plimsoll_core::workload::WorkloadKind;
use plimsoll_core::{
    Cluster, Labels, NodeBirth, NodeGroupSpec, NodeSpec, PodBirth, PodSpec, ResourceMap,
    SimDuration, SimTime, WorkloadKey,
};

/// The hostname label.
pub(crate) const HOSTNAME: &str = "kubernetes.io/hostname";
/// The zone label.
pub(crate) const ZONE: &str = "topology.kubernetes.io/zone";
/// When everything happens.
pub(crate) const NOW: SimTime = SimTime(1_767_592_800_000);
/// As many pods as upstream's test nodes hold.
const PODS_PER_NODE: i64 = 100;

/// The sizes of a node.
pub(crate) fn size(cpu_milli: i64, memory_bytes: i64, pods: i64) -> ResourceMap {
    [("cpu", cpu_milli), ("memory", memory_bytes), ("pods", pods)]
        .map(|(name, amount)| (name.to_owned(), amount))
        .into()
}

/// What a node looks like.
pub(crate) fn node_spec(size: ResourceMap, labels: &[(&str, &str)]) -> NodeSpec {
    let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    NodeSpec {
        labels: labels.collect(),
        capacity: size.clone(),
        allocatable: size,
        ..NodeSpec::default()
    }
}

/// What a pod asks for.
pub(crate) fn pod_spec(cpu_milli: i64, memory_bytes: i64) -> PodSpec {
    PodSpec {
        namespace: "universe".into(),
        labels: Labels::from([("app".to_owned(), "estimatee".to_owned())]),
        requests: [("cpu".to_owned(), cpu_milli), ("memory".to_owned(), memory_bytes)].into(),
        scoring_cpu_milli: cpu_milli,
        scoring_memory_bytes: memory_bytes,
        scheduler_name: "default-scheduler".into(),
        preempts: true,
        ..PodSpec::default()
    }
}

fn estimatees() -> LabelSelector {
    let values = vec!["estimatee".to_owned()];
    let requirement = Requirement { key: "app".to_owned(), operator: Operator::In, values };
    LabelSelector { requirements: vec![requirement] }
}

/// The same pod, which wants none of its like on its node.
pub(crate) fn alone_by_hostname(mut spec: PodSpec) -> PodSpec {
    let term = PodAffinityTerm {
        topology_key: HOSTNAME.to_owned(),
        selector: Some(estimatees()),
        namespaces: [spec.namespace.clone()].into(),
        ..PodAffinityTerm::default()
    };
    spec.pod_affinity.required_anti = vec![term];
    spec
}

/// The same pod, spread over the domains of a key.
pub(crate) fn spread_by(mut spec: PodSpec, key: &str, max_skew: i64) -> PodSpec {
    spec.topology_spread = vec![TopologySpreadConstraint {
        max_skew,
        topology_key: key.to_owned(),
        hard: true,
        selector: Some(estimatees()),
        min_domains: None,
        honor_affinity: true,
        honor_taints: false,
    }];
    spec
}

/// Adds a ready node, an hour old.
pub(crate) fn add_node(
    cluster: &mut Cluster,
    name: &str,
    mut spec: NodeSpec,
    group: Option<GroupId>,
) -> NodeId {
    spec.labels.insert(HOSTNAME.to_owned(), name.to_owned());
    let hour_ago = NOW - SimDuration::from_hours(1);
    cluster.add_node(NodeBirth {
        name: name.to_owned(),
        provider_id: name.to_owned(),
        spec,
        group,
        created_at: hour_ago,
        ready: true,
        ready_since: hour_ago,
        ..NodeBirth::default()
    })
}

/// Adds pods that the scheduler found unschedulable, of one ReplicaSet or of nobody.
pub(crate) fn add_pods(
    cluster: &mut Cluster,
    spec: &PodSpec,
    owner: Option<&str>,
    count: usize,
) -> Vec<PodId> {
    let controller = owner.map(|name| {
        let key = WorkloadKey::new(WorkloadKind::ReplicaSet, &spec.namespace, name);
        let id = cluster.intern_workload(key);
        cluster.update_workload(id, |one| {
            one.exists = true;
            one.replicas = u32::try_from(count).expect("pods are few");
        });
        id
    });
    let shape = cluster.intern_shape(spec);
    let created_at = NOW - SimDuration::from_hours(1);
    (0..count)
        .map(|number| {
            let name = format!("pod-{number}").into();
            let pod = cluster.add_pod(PodBirth { name, shape, controller, created_at });
            cluster.mark_unschedulable(pod, true);
            pod
        })
        .collect()
}

/// A group with as many ready nodes as its target says.
pub(crate) fn add_group(
    cluster: &mut Cluster,
    size: ResourceMap,
    nodes: u32,
    max_size: u32,
) -> GroupId {
    let spec = node_spec(size, &[]);
    let group = cluster.add_group(NodeGroupSpec {
        name: "ng1".to_owned(),
        max_size,
        template: spec.clone(),
        target_size: Some(nodes),
        ..NodeGroupSpec::default()
    });
    for number in 0..nodes {
        let name = format!("ng1-node-{number}");
        add_node(cluster, &name, spec.clone(), Some(group));
        let instance = Instance {
            id: Arc::from(name),
            state: InstanceState::Running,
            error: None,
            created_at: None,
        };
        cluster.update_instances(group, |list| list.push(instance));
    }
    group
}

/// An autoscaler that is past its first loop.
pub(crate) fn autoscaler(cluster: &Cluster, settings: Settings) -> ClusterAutoscaler {
    let mut autoscaler = ClusterAutoscaler::new(settings, 1);
    let past = StartState { past_first_loop: true, ..StartState::default() };
    autoscaler.restore(cluster, &past);
    autoscaler
}

/// Upstream's estimate: 51,000 pods in two groups on nodes of 1 core; `rule` changes what they ask.
pub(crate) struct Estimate {
    /// Holds one old node of another zone, and the pods.
    pub(crate) cluster: Cluster,
    /// The pods by group.
    pub(crate) groups: Vec<PodGroup>,
    /// What new nodes look like.
    pub(crate) template: Template,
}

/// See [`Estimate`].
pub(crate) fn estimate_of_51000_pods(rule: impl Fn(PodSpec) -> PodSpec) -> Estimate {
    const MIB: i64 = 1 << 20;
    let mut cluster = Cluster::default();
    let old = node_spec(size(100, 100 * MIB, 10), &[(ZONE, "zone-jupiter")]);
    add_node(&mut cluster, "oldnode", old, None);
    let groups = [(50, 100, 50_000), (95, 190, 1_000)].map(|(cpu, memory, count)| {
        let pods = add_pods(&mut cluster, &rule(pod_spec(cpu, memory)), Some("owner"), count);
        PodGroup { shape: cluster.pod(pods[0]).shape, pods }
    });
    let spec = node_spec(size(1_000, 5_000 * MIB, PODS_PER_NODE), &[(ZONE, "zone-mars")]);
    let template = Template::new(&mut cluster, spec, Labels::new(), NodeDevices::default());
    Estimate { cluster, groups: groups.into(), template }
}
