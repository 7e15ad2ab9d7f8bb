//! Pods that room was made for, and what they want near them.

use crate::cluster::{Cluster, NodeBirth, PodBirth};
use crate::ids::{NodeId, PodId};
use crate::labels::{LabelSelector, Labels};
use crate::node::NodeSpec;
use crate::pod::PodSpec;
use crate::pod_affinity::{PodAffinity, PodAffinityTerm};
use crate::scheduling::profile::DEFAULT_SCHEDULER_NAME;
use crate::time::SimTime;

fn node(cluster: &mut Cluster, pods: i64) -> NodeId {
    let labels: Labels = [("zone".to_owned(), "a".to_owned())].into();
    let allocatable = [("pods".to_owned(), pods)].into();
    let spec = NodeSpec { labels, allocatable, ..NodeSpec::default() };
    cluster.add_node(NodeBirth { name: "n".into(), spec, ready: true, ..NodeBirth::default() })
}

fn plain() -> PodSpec {
    PodSpec { scheduler_name: DEFAULT_SCHEDULER_NAME.to_owned(), ..PodSpec::default() }
}

/// A pod that wants no other in its zone.
fn loner() -> PodSpec {
    let term = PodAffinityTerm {
        selector: Some(LabelSelector::default()),
        namespaces: [String::new()].into(),
        topology_key: "zone".to_owned(),
        ..PodAffinityTerm::default()
    };
    let pod_affinity = PodAffinity { required_anti: vec![term], ..PodAffinity::default() };
    PodSpec { pod_affinity, ..plain() }
}

fn pod(cluster: &mut Cluster, spec: &PodSpec) -> PodId {
    let shape = cluster.intern_shape(spec);
    let created_at = SimTime::default();
    cluster.add_pod(PodBirth { name: "p".into(), shape, controller: None, created_at })
}

#[test]
fn a_nominated_loner_keeps_off_only_those_whom_the_plugin_looks_at_anyway() {
    let mut cluster = Cluster::default();
    let room = node(&mut cluster, 110);
    let (nominated, newcomer) = (pod(&mut cluster, &loner()), pod(&mut cluster, &plain()));
    cluster.set_nominated(nominated, Some(room));
    // Nobody with a rule is placed and the newcomer has none: upstream skips the plugin for it.
    assert_eq!(cluster.judge(newcomer).best, [room]);
    let other = pod(&mut cluster, &loner());
    assert_eq!(cluster.judge(other).best, []);
}

#[test]
fn a_nominated_pod_that_a_fork_has_bound_is_not_expected_a_second_time() {
    let mut cluster = Cluster::default();
    let room = node(&mut cluster, 2);
    let (nominated, newcomer) = (pod(&mut cluster, &plain()), pod(&mut cluster, &plain()));
    cluster.set_nominated(nominated, Some(room));
    let mut fork = cluster.fork();
    fork.bind(nominated, room, SimTime::default());
    assert_eq!(fork.judge(newcomer).best, [room]);
}
