//! Counts that come late, and whom rules mean.

use crate::cluster::{Cluster, NodeBirth, PodBirth, WorkloadKey};
use crate::ids::{NodeId, WorkloadId};
use crate::labels::{LabelSelector, Labels, Operator, Requirement};
use crate::node::NodeSpec;
use crate::pod::{PodSpec, TopologySpreadConstraint};
use crate::pod_affinity::{PodAffinity, PodAffinityTerm};
use crate::scheduling::profile::SpreadDefaults;
use crate::scheduling::{Plugin, SchedulerProfile, SchedulerProfiles, Verdict};
use crate::time::SimTime;
use crate::workload::WorkloadKind;

fn labels(key: &str, value: &str) -> Labels {
    [(key.to_owned(), value.to_owned())].into()
}

fn selector(key: &str, operator: Operator, values: &[&str]) -> LabelSelector {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    LabelSelector { requirements: vec![Requirement { key: key.to_owned(), operator, values }] }
}

fn node(cluster: &mut Cluster, zone: &str) -> NodeId {
    let allocatable = [("pods".to_owned(), 110)].into();
    let spec = NodeSpec { labels: labels("zone", zone), allocatable, ..NodeSpec::default() };
    let name = format!("in-{zone}");
    cluster.add_node(NodeBirth { name, spec, ready: true, ..NodeBirth::default() })
}

fn web(namespace: &str) -> PodSpec {
    PodSpec { namespace: namespace.to_owned(), labels: labels("app", "web"), ..PodSpec::default() }
}

/// A pod that keeps away from `app=web` in namespaces that the selector selects.
fn loner(namespace_selector: LabelSelector) -> PodSpec {
    let term = PodAffinityTerm {
        selector: Some(selector("app", Operator::In, &["web"])),
        namespace_selector: Some(namespace_selector),
        topology_key: "zone".to_owned(),
        ..PodAffinityTerm::default()
    };
    let pod_affinity = PodAffinity { required_anti: vec![term], ..PodAffinity::default() };
    PodSpec { namespace: "shop".to_owned(), pod_affinity, ..PodSpec::default() }
}

fn bind(cluster: &mut Cluster, spec: &PodSpec, node: NodeId) {
    let shape = cluster.intern_shape(spec);
    let created_at = SimTime::default();
    let birth = PodBirth { name: "web".into(), shape, controller: None, created_at };
    let pod = cluster.add_pod(birth);
    cluster.bind(pod, node, created_at);
}

#[test]
fn pods_that_were_bound_before_still_count_when_a_namespace_gets_labels() {
    let mut cluster = Cluster::default();
    let [taken, empty] = ["a", "b"].map(|zone| node(&mut cluster, zone));
    let shape = cluster.intern_shape(&loner(selector("team", Operator::In, &["data"])));
    // Pods of later kinds than the one that looks at them.
    bind(&mut cluster, &web("lab"), taken);
    assert!(cluster.fits(shape, taken));
    cluster.set_namespace("lab", labels("team", "data"));
    assert!(!cluster.fits(shape, taken));
    assert!(cluster.fits(shape, empty));
    cluster.set_namespace("lab", labels("team", "web"));
    assert!(cluster.fits(shape, taken));
}

#[test]
fn a_newcomers_selector_that_only_forbids_labels_means_every_namespace() {
    let mut cluster = Cluster::default();
    let taken = node(&mut cluster, "a");
    cluster.set_namespace("lab", labels("team", "data"));
    bind(&mut cluster, &web("lab"), taken);
    for (operator, values, fits) in [
        (Operator::NotIn, &["data"][..], false),
        (Operator::DoesNotExist, &[], false),
        (Operator::NotIn, &["web"], false),
        (Operator::In, &["web"], true),
        (Operator::Exists, &[], false),
    ] {
        let shape = cluster.intern_shape(&loner(selector("team", operator, values)));
        assert_eq!(cluster.fits(shape, taken), fits, "{operator:?} {values:?}");
    }
}

/// An owner whose selector is `app=db`, though its pods are `app=web`.
fn owner(cluster: &mut Cluster, kind: WorkloadKind) -> WorkloadId {
    let id = cluster.intern_workload(WorkloadKey::new(kind, "shop", "db"));
    cluster.update_workload(id, |one| {
        one.selector = Some(selector("app", Operator::In, &["db"]));
        one.exists = true;
    });
    id
}

/// The scores of PodTopologySpread for a pod of this owner; empty when it has none.
fn spread_scores(cluster: &mut Cluster, controller: WorkloadId) -> Vec<i64> {
    let shape = cluster.intern_shape(&web("shop"));
    let mut fork = cluster.fork();
    let (controller, created_at) = (Some(controller), SimTime::default());
    let pod = fork.add_pod(PodBirth { name: "web".into(), shape, controller, created_at });
    let nodes = fork.judge(pod).nodes.into_iter();
    let scores = nodes.filter_map(|(_, verdict)| match verdict {
        Verdict::Fits { scores, .. } => Some(scores),
        Verdict::Refused(_) => None,
    });
    let of_plugin = |one: &(Plugin, i64)| one.0 == Plugin::PodTopologySpread;
    scores.filter_map(|scores| scores.into_iter().find(of_plugin)).map(|one| one.1).collect()
}

fn two_zones_with_a_database_in_the_first() -> Cluster {
    let mut cluster = Cluster::default();
    let first = ["default-a", "b"].map(|zone| spread_node(&mut cluster, zone))[0];
    let database = PodSpec { labels: labels("app", "db"), ..web("shop") };
    bind(&mut cluster, &database, first);
    cluster.set_service("shop", "web", labels("app", "web"));
    cluster
}

fn spread_node(cluster: &mut Cluster, zone: &str) -> NodeId {
    let allocatable = [("pods".to_owned(), 110)].into();
    let labels = labels("topology.kubernetes.io/zone", zone);
    let spec = NodeSpec { labels, allocatable, ..NodeSpec::default() };
    let name = format!("in-{zone}");
    cluster.add_node(NodeBirth { name, spec, ready: true, ..NodeBirth::default() })
}

#[test]
fn the_labels_of_a_replication_controller_replace_those_of_services() {
    let mut cluster = two_zones_with_a_database_in_the_first();
    // The pod is counted among databases.
    let controller = owner(&mut cluster, WorkloadKind::ReplicationController);
    assert_eq!(spread_scores(&mut cluster, controller), [80, 100]);
    // `app=web` and `app=db` at once: nobody is that.
    let set = owner(&mut cluster, WorkloadKind::ReplicaSet);
    assert_eq!(spread_scores(&mut cluster, set), [100, 100]);
}

#[test]
fn the_selector_of_an_owner_that_is_gone_counts_no_more() {
    let mut cluster = two_zones_with_a_database_in_the_first();
    let controller = owner(&mut cluster, WorkloadKind::ReplicationController);
    cluster.update_workload(controller, |one| one.exists = false);
    assert_eq!(spread_scores(&mut cluster, controller), [100, 100]);
}

#[test]
fn a_service_that_comes_late_brings_its_pods_the_hard_default_constraints() {
    let mut profile = SchedulerProfile::default();
    let hard = TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "zone".to_owned(),
        hard: true,
        selector: None,
        min_domains: None,
        honor_affinity: true,
        honor_taints: false,
    };
    profile.arguments.spread = SpreadDefaults::List(vec![hard]);
    let scheduler_name = profile.scheduler_name.clone();
    let profiles = SchedulerProfiles { profiles: vec![profile], ..SchedulerProfiles::default() };
    let mut cluster = Cluster::with_profiles(&profiles);
    let [taken, _empty] = ["a", "b"].map(|zone| node(&mut cluster, zone));
    let spec = PodSpec { scheduler_name, ..web("shop") };
    bind(&mut cluster, &spec, taken);
    let shape = cluster.intern_shape(&spec);
    assert_eq!(cluster.count_fits(shape), 2);
    cluster.set_service("shop", "web", labels("app", "web"));
    assert_eq!(cluster.count_fits(shape), 1);
    cluster.set_service("shop", "web", Labels::new());
    assert_eq!(cluster.count_fits(shape), 2);
}
