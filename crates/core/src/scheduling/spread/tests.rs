//! Scores of single nodes, where only the places of matching pods differ.

use crate::cluster::{Cluster, NodeBirth, PodBirth};
use crate::ids::{NodeId, PodId};
use crate::labels::{LabelSelector, Labels, Operator, Requirement};
use crate::node::{HOSTNAME_LABEL, NodeSpec};
use crate::pod::{PodSpec, TopologySpreadConstraint};
use crate::scheduling::Verdict;
use crate::scheduling::profile::Plugin;
use crate::time::SimTime;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn node(cluster: &mut Cluster, name: &str, more: &[(&str, &str)]) -> NodeId {
    let mut labels = labels(more);
    labels.insert(HOSTNAME_LABEL.to_owned(), name.to_owned());
    let allocatable = [("pods".to_owned(), 110)].into();
    let spec = NodeSpec { labels, allocatable, ..NodeSpec::default() };
    cluster.add_node(NodeBirth { name: name.into(), spec, ready: true, ..NodeBirth::default() })
}

/// A pod of the app `web`, to be spread over these keys.
fn web(keys: &[&str]) -> PodSpec {
    let selector = LabelSelector {
        requirements: vec![Requirement {
            key: "app".into(),
            operator: Operator::In,
            values: vec!["web".into()],
        }],
    };
    let constraint = |key: &&str| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: (*key).to_owned(),
        hard: false,
        selector: Some(selector.clone()),
        min_domains: None,
        honor_affinity: true,
        honor_taints: false,
    };
    PodSpec {
        namespace: "shop".into(),
        labels: labels(&[("app", "web")]),
        topology_spread: keys.iter().map(constraint).collect(),
        ..PodSpec::default()
    }
}

fn bound(cluster: &mut Cluster, spec: &PodSpec, node: NodeId) -> PodId {
    let shape = cluster.intern_shape(spec);
    let birth =
        PodBirth { name: "web".into(), shape, controller: None, created_at: SimTime::default() };
    let pod = cluster.add_pod(birth);
    cluster.bind(pod, node, SimTime::default());
    pod
}

fn scores(cluster: &mut Cluster, spec: &PodSpec) -> Vec<i64> {
    let shape = cluster.intern_shape(spec);
    let birth =
        PodBirth { name: "new".into(), shape, controller: None, created_at: SimTime::default() };
    let pod = cluster.add_pod(birth);
    let judgement = cluster.judge(pod);
    cluster.remove_pod(pod);
    let score = |verdict: &Verdict| match verdict {
        Verdict::Fits { scores, .. } => {
            scores.iter().find(|(plugin, _)| *plugin == Plugin::PodTopologySpread).map(|one| one.1)
        }
        Verdict::Refused(_) => None,
    };
    judgement.nodes.iter().map(|(_, one)| score(one).expect("it fits and is spread")).collect()
}

#[test]
fn pods_that_are_going_do_not_count() {
    let mut cluster = Cluster::default();
    let first = node(&mut cluster, "a", &[]);
    node(&mut cluster, "b", &[]);
    let spec = web(&[HOSTNAME_LABEL]);
    let pod = bound(&mut cluster, &spec, first);
    assert_eq!(scores(&mut cluster, &spec), [0, 100]);
    cluster.set_deletion(pod, Some(SimTime(30_000)));
    assert_eq!(scores(&mut cluster, &spec), [100, 100]);
    let again = bound(&mut cluster, &spec, first);
    assert_eq!(scores(&mut cluster, &spec), [0, 100]);
    cluster.remove_pod(pod);
    assert_eq!(scores(&mut cluster, &spec), [0, 100]);
    cluster.remove_pod(again);
    assert_eq!(scores(&mut cluster, &spec), [100, 100]);
}

#[test]
fn pods_that_went_before_anybody_counted_do_not_count_either() {
    let mut cluster = Cluster::default();
    let first = node(&mut cluster, "a", &[]);
    node(&mut cluster, "b", &[]);
    let spec = web(&[HOSTNAME_LABEL]);
    let pod = bound(&mut cluster, &spec, first);
    cluster.set_deletion(pod, Some(SimTime(30_000)));
    assert_eq!(scores(&mut cluster, &spec), [100, 100]);
}

#[test]
fn pods_on_nodes_without_the_key_of_another_own_constraint_do_not_count() {
    let mut cluster = Cluster::default();
    node(&mut cluster, "a", &[("zone", "1"), ("rack", "x")]);
    node(&mut cluster, "b", &[("zone", "2"), ("rack", "x")]);
    let rackless = node(&mut cluster, "c", &[("zone", "1")]);
    let plain = web(&[]);
    bound(&mut cluster, &plain, rackless);
    assert_eq!(scores(&mut cluster, &web(&["zone"])), [0, 100, 0]);
    assert_eq!(scores(&mut cluster, &web(&["zone", "rack"])), [100, 100, 0]);
}
