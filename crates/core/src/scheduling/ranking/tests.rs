//! Classes of nodes where a key has too many domains to tell nodes apart by them.

use crate::cluster::{Cluster, NodeBirth, PodBirth};
use crate::ids::{NodeId, PodId};
use crate::labels::{LabelSelector, Labels};
use crate::node::NodeSpec;
use crate::pod::{HostPort, PodSpec};
use crate::pod_affinity::{PodAffinity, PodAffinityTerm};
use crate::scheduling::{Plugin, SchedulerProfile, SchedulerProfiles};
use crate::time::SimTime;

fn node(cluster: &mut Cluster, name: &str, rack: &str) -> NodeId {
    let labels: Labels = [("rack".to_owned(), rack.to_owned())].into();
    let allocatable = [("cpu".to_owned(), 4000), ("pods".to_owned(), 110)].into();
    let spec = NodeSpec { labels, allocatable, ..NodeSpec::default() };
    let name = name.to_owned();
    cluster.add_node(NodeBirth { name, spec, ready: true, ..NodeBirth::default() })
}

/// A pod that makes its node fuller and would rather be in a rack with its like.
fn sociable() -> PodSpec {
    let term = PodAffinityTerm {
        selector: Some(LabelSelector::default()),
        namespaces: [String::new()].into(),
        topology_key: "rack".to_owned(),
        ..PodAffinityTerm::default()
    };
    let pod_affinity = PodAffinity { preferred: vec![(1, term)], ..PodAffinity::default() };
    PodSpec { scoring_cpu_milli: 1000, pod_affinity, ..PodSpec::default() }
}

fn pod(cluster: &mut Cluster, spec: &PodSpec) -> PodId {
    let shape = cluster.intern_shape(spec);
    let created_at = SimTime::default();
    cluster.add_pod(PodBirth { name: "p".into(), shape, controller: None, created_at })
}

#[test]
fn what_left_a_rack_with_its_node_is_forgotten_by_the_other_nodes_of_the_rack() {
    let mut cluster = Cluster::default();
    let nodes: Vec<NodeId> =
        (0..65).map(|rack| node(&mut cluster, &format!("n{rack}"), &format!("r{rack}"))).collect();
    let mate = node(&mut cluster, "mate", "r0");
    let pod = pod(&mut cluster, &sociable());
    let shape = cluster.pod(pod).shape;
    cluster.bind(pod, mate, SimTime::default());
    assert_eq!(cluster.best_node(shape, None, 0), Some(nodes[0]));
    cluster.unbind(pod);
    cluster.remove_node(mate);
    cluster.bind(pod, nodes[1], SimTime::default());
    assert_eq!(cluster.best_node(shape, None, 0), Some(nodes[1]));
}

#[test]
fn ports_that_are_taken_do_not_matter_to_a_profile_without_node_ports() {
    let mut profile = SchedulerProfile::default();
    profile.filters.retain(|plugin| *plugin != Plugin::NodePorts);
    let scheduler_name = profile.scheduler_name.clone();
    let profiles = SchedulerProfiles { profiles: vec![profile], ..SchedulerProfiles::default() };
    let mut cluster = Cluster::with_profiles(&profiles);
    let taken = node(&mut cluster, "n", "r");
    let port = HostPort { ip: "0.0.0.0".to_owned(), protocol: "TCP".to_owned(), port: 80 };
    let spec = PodSpec { host_ports: vec![port], scheduler_name, ..PodSpec::default() };
    let pod = pod(&mut cluster, &spec);
    let shape = cluster.pod(pod).shape;
    cluster.bind(pod, taken, SimTime::default());
    assert!(cluster.fits(shape, taken));
    assert_eq!(cluster.count_fits(shape), 1);
    assert_eq!(cluster.best_node(shape, None, 0), Some(taken));
}
