//! Images and what forks do to their scores.

use crate::cluster::{Cluster, NodeBirth, PodBirth};
use crate::ids::{NodeId, ShapeId};
use crate::node::{NodeImage, NodeSpec};
use crate::pod::PodSpec;
use crate::scheduling::{Plugin, Verdict};
use crate::time::SimTime;

const MIB: i64 = 1 << 20;

/// A node that has the image `web:1`, of this size, unless that is 0.
fn node(cluster: &mut Cluster, name: &str, size_bytes: i64) -> NodeId {
    let image = NodeImage { names: vec!["web:1".to_owned()], size_bytes };
    let images = Some(image).filter(|image| image.size_bytes > 0);
    let spec = NodeSpec {
        allocatable: [("cpu".to_owned(), 4000), ("pods".to_owned(), 110)].into(),
        images: images.into_iter().collect(),
        ..NodeSpec::default()
    };
    cluster.add_node(NodeBirth { name: name.into(), spec, ready: true, ..NodeBirth::default() })
}

fn web(cluster: &mut Cluster) -> ShapeId {
    let images = vec!["web:1".to_owned()];
    cluster.intern_shape(&PodSpec { images, image_container_count: 1, ..PodSpec::default() })
}

fn image_scores(cluster: &mut Cluster) -> Vec<i64> {
    let shape = web(cluster);
    let mut fork = cluster.fork();
    let created_at = SimTime::default();
    let pod = fork.add_pod(PodBirth { name: "web".into(), shape, controller: None, created_at });
    let score = |verdict: Verdict| match verdict {
        Verdict::Fits { scores, .. } => {
            scores.iter().find(|(plugin, _)| *plugin == Plugin::ImageLocality).map(|one| one.1)
        }
        Verdict::Refused(_) => None,
    };
    fork.judge(pod).nodes.into_iter().filter_map(|(_, verdict)| score(verdict)).collect()
}

#[test]
fn a_size_that_goes_with_a_node_on_a_fork_comes_back_with_it() {
    let mut cluster = Cluster::default();
    let first = node(&mut cluster, "first", 900 * MIB);
    let second = node(&mut cluster, "second", 500 * MIB);
    cluster.remove_node(first);
    // The first node said how large the image is, and it still is on a node.
    let before = image_scores(&mut cluster);
    assert_eq!(before, [89]);
    let mut fork = cluster.fork();
    fork.remove_node(second);
    node(&mut fork, "third", 300 * MIB);
    assert_eq!(image_scores(&mut fork), [28]);
    drop(fork);
    assert_eq!(image_scores(&mut cluster), before);
}

#[test]
fn what_a_dropped_fork_scored_is_not_taken_up_by_a_fork_like_it() {
    let mut cluster = Cluster::default();
    let busy = node(&mut cluster, "busy", 900 * MIB);
    let idle = node(&mut cluster, "idle", 900 * MIB);
    let load = cluster.intern_shape(&PodSpec { scoring_cpu_milli: 1000, ..PodSpec::default() });
    let created_at = SimTime::default();
    let birth = PodBirth { name: "load".into(), shape: load, controller: None, created_at };
    let pod = cluster.add_pod(birth);
    cluster.bind(pod, busy, created_at);
    let shape = web(&mut cluster);
    // A node without the image makes it worth less on the others.
    let mut fork = cluster.fork();
    node(&mut fork, "bare", 0);
    fork.set_unschedulable(busy, true);
    assert_eq!(fork.best_node(shape, None, 0), Some(idle));
    drop(fork);
    let mut fork = cluster.fork();
    node(&mut fork, "bare", 0);
    assert_eq!(fork.best_node(shape, None, 0), Some(idle));
}
