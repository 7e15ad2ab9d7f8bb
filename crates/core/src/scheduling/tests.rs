//! Fixtures in a few lines: nodes and pods, then who goes where.

use super::*;
use crate::cluster::{NodeBirth, PodBirth};
use crate::ids::PodId;
use crate::labels::{LabelSelector, NodeSelectorTerm, Operator, Requirement};
use crate::node::{HOSTNAME_LABEL, NodeSpec};
use crate::pod::{HostPort, PodSpec, ResourceMap};
use crate::pod_affinity::PodAffinityTerm;
use crate::taints::{Taint, TaintEffect, Toleration};
use crate::time::{SimDuration, SimTime};

const GIB: i64 = 1 << 30;

fn resources(cpu_milli: i64, memory_bytes: i64) -> ResourceMap {
    [("cpu".to_owned(), cpu_milli), ("memory".to_owned(), memory_bytes)].into()
}

fn node(cluster: &mut Cluster, name: &str, cpu_milli: i64, memory_bytes: i64) -> NodeId {
    node_with(cluster, name, cpu_milli, memory_bytes, |_| {})
}

fn node_with(
    cluster: &mut Cluster,
    name: &str,
    cpu_milli: i64,
    memory_bytes: i64,
    edit: impl FnOnce(&mut NodeSpec),
) -> NodeId {
    let mut allocatable = resources(cpu_milli, memory_bytes);
    allocatable.insert("pods".into(), 110);
    let labels = [("kubernetes.io/hostname".to_owned(), name.to_owned())].into();
    let mut spec =
        NodeSpec { labels, capacity: allocatable.clone(), allocatable, ..NodeSpec::default() };
    edit(&mut spec);
    cluster.add_node(NodeBirth { name: name.into(), spec, ready: true, ..NodeBirth::default() })
}

fn spec(cpu_milli: i64, memory_bytes: i64) -> PodSpec {
    PodSpec {
        namespace: "shop".into(),
        requests: resources(cpu_milli, memory_bytes),
        scoring_cpu_milli: cpu_milli,
        scoring_memory_bytes: memory_bytes,
        ..PodSpec::default()
    }
}

fn pod(cluster: &mut Cluster, name: &str, spec: &PodSpec) -> PodId {
    let shape = cluster.intern_shape(spec);
    let birth =
        PodBirth { name: name.into(), shape, controller: None, created_at: SimTime::default() };
    cluster.add_pod(birth)
}

fn place(cluster: &mut Cluster, name: &str, spec: &PodSpec) -> Option<String> {
    let id = pod(cluster, name, spec);
    let shape = cluster.pod(id).shape;
    let node = cluster.best_node(shape, None, 0)?;
    cluster.bind(id, node, SimTime::default());
    Some(cluster.node_name(node).to_owned())
}

#[test]
fn the_emptier_node_is_chosen() {
    let mut cluster = Cluster::default();
    node(&mut cluster, "small", 2000, 4 * GIB);
    node(&mut cluster, "large", 8000, 16 * GIB);
    assert_eq!(place(&mut cluster, "a", &spec(1000, 2 * GIB)).as_deref(), Some("large"));
}

#[test]
fn room_is_counted_for_cpu_memory_and_pods() {
    let mut cluster = Cluster::default();
    let only = node_with(&mut cluster, "n", 2000, 4 * GIB, |spec| {
        spec.allocatable.insert("pods".into(), 1);
    });
    let big = cluster.intern_shape(&spec(3000, 5 * GIB));
    let refusal = cluster.refusal(big, only).expect("it does not fit");
    assert_eq!(refusal.to_string(), "Insufficient cpu, Insufficient memory");
    assert_eq!(place(&mut cluster, "a", &spec(500, GIB)).as_deref(), Some("n"));
    let shape = cluster.intern_shape(&spec(500, GIB));
    assert_eq!(
        cluster.refusal(shape, only).map(|r| r.to_string()).as_deref(),
        Some("Too many pods")
    );
}

#[test]
fn a_pod_that_asks_for_nothing_fits_an_overcommitted_node() {
    let mut cluster = Cluster::default();
    let only = node(&mut cluster, "n", 1000, GIB);
    let hog = pod(&mut cluster, "hog", &spec(5000, 8 * GIB));
    cluster.bind(hog, only, SimTime::default());
    assert_eq!(place(&mut cluster, "a", &spec(0, 0)).as_deref(), Some("n"));
    assert_eq!(place(&mut cluster, "b", &spec(1, 0)), None);
}

#[test]
fn extended_resources_of_any_name_count() {
    let mut cluster = Cluster::default();
    node(&mut cluster, "plain", 8000, 16 * GIB);
    node_with(&mut cluster, "gpu", 2000, 4 * GIB, |spec| {
        spec.allocatable.insert("nvidia.com/gpu".into(), 1);
    });
    let mut wants = spec(100, GIB);
    wants.requests.insert("nvidia.com/gpu".into(), 1);
    assert_eq!(place(&mut cluster, "a", &wants).as_deref(), Some("gpu"));
    assert_eq!(place(&mut cluster, "b", &wants), None);
}

#[test]
fn the_first_refusing_filter_speaks() {
    let mut cluster = Cluster::default();
    let noted = node_with(&mut cluster, "n", 100, GIB, |spec| {
        spec.unschedulable = true;
        spec.taints.push(Taint {
            key: "gpu".into(),
            value: String::new(),
            effect: TaintEffect::NoSchedule,
        });
    });
    let mut wants = spec(4000, GIB);
    wants.node_selector.insert("disk".into(), "ssd".into());
    let text = |cluster: &mut Cluster, wants: &PodSpec| {
        let shape = cluster.intern_shape(wants);
        cluster.refusal(shape, noted).map(|one| format!("{}: {one}", one.plugin()))
    };
    assert_eq!(
        text(&mut cluster, &wants).as_deref(),
        Some("NodeUnschedulable: node(s) were unschedulable")
    );
    cluster.set_unschedulable(noted, false);
    assert_eq!(
        text(&mut cluster, &wants).as_deref(),
        Some("TaintToleration: node(s) had untolerated taint(s)")
    );
    wants.tolerations.push(Toleration {
        key: "gpu".into(),
        equal: false,
        value: String::new(),
        effect: None,
    });
    assert_eq!(
        text(&mut cluster, &wants).as_deref(),
        Some("NodeAffinity: node(s) didn't match Pod's node affinity/selector")
    );
    wants.node_selector.clear();
    assert_eq!(text(&mut cluster, &wants).as_deref(), Some("NodeResourcesFit: Insufficient cpu"));
}

#[test]
fn host_ports_conflict_by_port_protocol_and_address() {
    let mut cluster = Cluster::default();
    node(&mut cluster, "n", 8000, 16 * GIB);
    let with_port = |ip: &str, protocol: &str| PodSpec {
        host_ports: vec![HostPort { ip: ip.into(), protocol: protocol.into(), port: 80 }],
        ..spec(100, GIB)
    };
    assert!(place(&mut cluster, "a", &with_port("0.0.0.0", "TCP")).is_some());
    assert!(place(&mut cluster, "b", &with_port("10.0.0.1", "TCP")).is_none());
    assert!(place(&mut cluster, "c", &with_port("0.0.0.0", "UDP")).is_some());
}

#[test]
fn node_names_in_fields_narrow_the_nodes_before_any_filter() {
    let mut cluster = Cluster::default();
    let first = node(&mut cluster, "n1", 1000, GIB);
    node(&mut cluster, "n2", 1000, GIB);
    let field = Requirement {
        key: "metadata.name".into(),
        operator: Operator::In,
        values: vec!["n2".into()],
    };
    let term = NodeSelectorTerm { expressions: Vec::new(), fields: vec![field] };
    let wants = PodSpec { required_node_terms: Some(vec![term]), ..spec(100, 0) };
    let shape = cluster.intern_shape(&wants);
    let refusal = cluster.refusal(shape, first).expect("it names another node");
    assert_eq!(refusal.to_string(), "node(s) didn't satisfy plugin(s) [NodeAffinity]");
    assert_eq!(place(&mut cluster, "a", &wants).as_deref(), Some("n2"));
}

#[test]
fn preferences_move_pods_but_never_keep_them_off() {
    let mut cluster = Cluster::default();
    node_with(&mut cluster, "leaving", 8000, 16 * GIB, |spec| {
        spec.taints.push(Taint {
            key: "DeletionCandidateOfClusterAutoscaler".into(),
            value: "1".into(),
            effect: TaintEffect::PreferNoSchedule,
        });
    });
    let staying = node(&mut cluster, "staying", 1000, 2 * GIB);
    assert_eq!(place(&mut cluster, "a", &spec(800, GIB)).as_deref(), Some("staying"));
    assert_eq!(place(&mut cluster, "b", &spec(800, GIB)).as_deref(), Some("leaving"));
    cluster.set_unschedulable(staying, true);
    assert_eq!(place(&mut cluster, "c", &spec(100, 0)).as_deref(), Some("leaving"));
}

#[test]
fn the_condition_counts_reasons_over_nodes_sorted_as_text() {
    let full = Refusal::new(Plugin::NodeResourcesFit, "Insufficient cpu");
    let tainted =
        Refusal::unresolvable(Plugin::TaintToleration, "node(s) had untolerated taint(s)");
    let mut refusals = vec![full; 10];
    refusals.extend([tainted.clone(), tainted]);
    assert_eq!(
        describe_refusals(refusals.iter()),
        "0/12 nodes are available: 10 Insufficient cpu, 2 node(s) had untolerated taint(s)."
    );
    assert_eq!(describe_refusals([].iter()), "no nodes available to schedule pods");
}

#[test]
fn a_nomination_goes_with_its_node_and_not_to_whatever_takes_its_place() {
    let mut cluster = Cluster::default();
    let first = node(&mut cluster, "n1", 1000, GIB);
    let waiting = pod(&mut cluster, "waits", &spec(1000, 0));
    cluster.set_nominated(waiting, Some(first));
    cluster.remove_node(first);
    assert_eq!(cluster.pod(waiting).nominated, None);
    assert_eq!(node(&mut cluster, "n2", 1000, GIB), first, "the slot is used again");
    assert_eq!(place(&mut cluster, "other", &spec(1000, 0)).as_deref(), Some("n2"));
}

#[test]
fn a_pod_that_was_hopeless_is_tried_again_once_the_pod_it_wants_near_is_placed() {
    let mut cluster = Cluster::default();
    node(&mut cluster, "n", 2000, 4 * GIB);
    let selector = |app: &str| LabelSelector {
        requirements: vec![Requirement {
            key: "app".into(),
            operator: Operator::In,
            values: vec![app.into()],
        }],
    };
    let mut follower = PodSpec { priority: 10, ..spec(100, 0) };
    follower.pod_affinity.required = vec![PodAffinityTerm {
        selector: Some(selector("leader")),
        namespaces: [follower.namespace.clone()].into(),
        namespace_selector: None,
        topology_key: HOSTNAME_LABEL.into(),
    }];
    let leader =
        PodSpec { labels: [("app".to_owned(), "leader".to_owned())].into(), ..spec(100, 0) };
    let mut queue = PodQueue::default();
    for (name, wants) in [("follower", &follower), ("leader", &leader)] {
        let id = pod(&mut cluster, name, wants);
        queue.push(&cluster, id, SimTime::default());
    }
    let bound = queue.pass(&mut cluster, SimTime::default(), 0);
    let names: Vec<&str> = bound.iter().map(|(id, _)| &*cluster.pod(*id).name).collect();
    assert_eq!(names, ["leader", "follower"]);
}

#[test]
fn a_pass_goes_by_priority_then_by_creation() {
    let mut cluster = Cluster::default();
    node(&mut cluster, "n", 2000, 4 * GIB);
    let mut queue = PodQueue::default();
    let urgent = PodSpec { priority: 100, ..spec(1000, 0) };
    for (name, wants) in
        [("first", &spec(1000, 0)), ("second", &spec(1000, 0)), ("urgent", &urgent)]
    {
        let id = pod(&mut cluster, name, wants);
        queue.push(&cluster, id, SimTime::default());
    }
    let bound = queue.pass(&mut cluster, SimTime::default(), 0);
    let names: Vec<&str> = bound.iter().map(|(id, _)| &*cluster.pod(*id).name).collect();
    assert_eq!(names, ["urgent", "first"]);
    assert_eq!(queue.len(), 1);
    let left = cluster.unbound_pods().next().expect("one waits");
    assert!(cluster.pod(left).marked_unschedulable);
}

#[test]
fn a_pod_in_back_off_is_left_alone_until_it_ends() {
    let mut cluster = Cluster::default();
    let backoff = Backoff { initial: SimDuration::from_secs(1), max: SimDuration::from_secs(10) };
    let mut queue = PodQueue::new(backoff);
    let id = pod(&mut cluster, "a", &spec(1000, 0));
    let at = |seconds: i64| SimTime(seconds * 1000);
    queue.push(&cluster, id, at(0));
    assert!(queue.pass(&mut cluster, at(0), 0).is_empty());
    assert_eq!(queue.next_ready(at(0)), None, "it would fit nowhere");
    node(&mut cluster, "n", 2000, GIB);
    assert!(queue.pass(&mut cluster, SimTime(500), 0).is_empty());
    assert_eq!(queue.next_ready(SimTime(500)), Some(at(1)));
    assert_eq!(queue.pass(&mut cluster, at(1), 0).len(), 1);
}
