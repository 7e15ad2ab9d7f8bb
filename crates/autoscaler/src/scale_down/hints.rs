//! Where a pod found its place last time: the planner tries that node first, so that what is
//! unneeded stays unneeded from loop to loop.

use plimsoll_core::Cluster;
use plimsoll_core::ids::{NodeId, PodId};

/// A remembered place by pod. A hint lasts through the loop after the one in which it was given.
#[derive(Clone, Debug, Default)]
pub(super) struct Hints {
    by_pod: Vec<Option<Hint>>,
    loop_number: u64,
}

#[derive(Clone, Copy, Debug)]
struct Hint {
    pod_serial: u64,
    node: NodeId,
    node_serial: u64,
    given_in: u64,
}

impl Hints {
    /// Begins the next loop: hints older than the last loop's are forgotten.
    pub(super) fn begin_loop(&mut self) {
        self.loop_number += 1;
    }

    /// The loop that is on.
    pub(super) fn loop_number(&self) -> u64 {
        self.loop_number
    }

    /// The node the pod was placed on in this loop or the last, if it is still there.
    pub(super) fn get(&self, cluster: &Cluster, pod: PodId) -> Option<NodeId> {
        let hint = self.by_pod.get(pod.index()).copied().flatten()?;
        let fresh = hint.given_in + 1 >= self.loop_number
            && hint.pod_serial == cluster.pod(pod).serial
            && cluster.find_node(hint.node).is_some_and(|node| node.serial == hint.node_serial);
        fresh.then_some(hint.node)
    }

    /// Remembers a place. True when the pod was given another one in this same loop.
    pub(super) fn give(&mut self, cluster: &Cluster, pod: PodId, node: NodeId) -> bool {
        if self.by_pod.len() <= pod.index() {
            self.by_pod.resize(pod.index() + 1, None);
        }
        let hint = Hint {
            pod_serial: cluster.pod(pod).serial,
            node,
            node_serial: cluster.node(node).serial,
            given_in: self.loop_number,
        };
        let before = self.by_pod[pod.index()].replace(hint);
        before.is_some_and(|one| {
            one.pod_serial == hint.pod_serial
                && one.given_in == hint.given_in
                && (one.node != hint.node || one.node_serial != hint.node_serial)
        })
    }

    /// Passes over `count` loops in which nothing was given.
    pub(super) fn skip_loops(&mut self, count: u64) {
        self.loop_number += count;
    }

    /// Makes the hint of a pod that was given in loop `from` as fresh as if it had been given again
    /// in loop `to`. Nothing happens when it was given in another loop.
    pub(super) fn renew(&mut self, pod: PodId, from: u64, to: u64) {
        if let Some(hint) = self.by_pod.get_mut(pod.index()).and_then(Option::as_mut)
            && hint.given_in == from
        {
            hint.given_in = to;
        }
    }
}
