//! Packing where other pods, ports, volumes or names tell new nodes apart: nodes are added to a fork
//! and pods are bound to them one by one.

use std::collections::BTreeSet;

use plimsoll_core::catalog::PODS;
use plimsoll_core::ids::{NodeId, PodId, ResourceId, ShapeId};
use plimsoll_core::node::HOSTNAME_LABEL;
use plimsoll_core::scheduling::{Distinction, Plugin};
use plimsoll_core::{Cluster, Fork, SimTime};
use rustc_hash::FxHashMap;

use super::by_room::first_start;
use super::{Estimate, NodeLimit, Order};
use crate::scale_up::equivalence::PodGroup;
use crate::scale_up::template::Template;

/// What the scheduler says of a node that would make pods too uneven. Upstream compares words.
const UNEVEN: &str = "node(s) didn't match pod topology spread constraints";

/// Packs groups in this order.
pub(super) fn pack(
    fork: &mut Fork<'_>,
    order: &Order<'_>,
    template: &Template,
    limit: NodeLimit,
    now: SimTime,
) -> Estimate {
    let has_others = fork.node_count() > 0;
    let mut packing = Packing {
        fork: fork.fork(),
        template,
        limit,
        now,
        first: None,
        nodes: Vec::new(),
        holds_pods: Vec::new(),
        others_with_pods: BTreeSet::new(),
        multiplied: 0,
        next_start: first_start(has_others),
        next_of_all: NodeId(1),
        is_full: false,
        refused: FxHashMap::default(),
        floors: Vec::new(),
        packed: Vec::new(),
    };
    for (group, is_multiplied) in order.each() {
        packing.pack(group, is_multiplied);
    }
    let used = packing.holds_pods.iter().filter(|holds| **holds).count();
    let nodes = used + packing.others_with_pods.len() + packing.multiplied;
    let nodes = u32::try_from(nodes).unwrap_or(u32::MAX);
    Estimate { nodes, pods: std::mem::take(&mut packing.packed) }
}

struct Packing<'a, 'f> {
    fork: Fork<'f>,
    template: &'a Template,
    limit: NodeLimit,
    now: SimTime,
    /// The name of the first new node; the others are made like it.
    first: Option<String>,
    nodes: Vec<NodeId>,
    /// For each new node whether it got a pod.
    holds_pods: Vec<bool>,
    /// Nodes that were there and got a pod.
    others_with_pods: BTreeSet<NodeId>,
    /// Nodes like the newest that nothing was tried on.
    multiplied: usize,
    /// Where the search over the new nodes goes on.
    next_start: usize,
    /// Where the search over all nodes goes on.
    next_of_all: NodeId,
    /// The limit was reached: no new nodes for any later group.
    is_full: bool,
    refused: FxHashMap<(ShapeId, Search), Refused>,
    floors: Vec<i64>,
    packed: Vec<PodId>,
}

/// Where a place is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Search {
    NewNodes,
    AllNodes,
}

/// A search that found nothing.
#[derive(Clone, Debug)]
struct Refused {
    /// How many new nodes there were.
    new_nodes: usize,
    /// See [`Cluster::spread_floors`].
    floors: Vec<i64>,
}

impl Packing<'_, '_> {
    fn pack(&mut self, group: &PodGroup, is_multiplied: bool) {
        let mut judge = Judge::new(&self.fork, group.shape);
        let mut pods = group.pods.iter();
        let mut next = pods.next();
        while let Some(pod) = next {
            judge.look_at(&self.fork, *pod);
            let Some(position) = self.find(&judge) else { break };
            self.place(*pod, position);
            next = pods.next();
        }
        if is_multiplied && next.is_some() {
            let placed = group.pods.len() - pods.len() - 1;
            self.multiply(&group.pods[placed..], &mut judge);
            return;
        }
        while let Some(pod) = next {
            judge.look_at(&self.fork, *pod);
            if !self.place_on_newest(*pod, &judge) {
                return;
            }
            next = pods.next();
        }
    }

    /// Places pods on one new node until it refuses one. The others go on nodes that are taken to hold
    /// as many each.
    fn multiply(&mut self, pods: &[PodId], judge: &mut Judge) {
        if self.is_full || !self.limit.permits(self.nodes.len()) {
            self.is_full = true;
            return;
        }
        self.add_node();
        let newest = self.nodes.len() - 1;
        let mut of_each = 0;
        for pod in pods {
            judge.look_at(&self.fork, *pod);
            if !judge.fits(&self.fork, self.nodes[newest]) {
                break;
            }
            self.place(*pod, newest);
            of_each += 1;
        }
        if of_each == 0 {
            return;
        }
        for more in pods[of_each..].chunks(of_each) {
            if !self.limit.permits(self.nodes.len() + self.multiplied) {
                self.is_full = true;
                return;
            }
            self.multiplied += 1;
            self.packed.extend_from_slice(more);
        }
    }

    /// The next new node, going round, that a pod fits on.
    fn find(&mut self, judge: &Judge) -> Option<usize> {
        let count = self.nodes.len();
        if count == 0 {
            return None;
        }
        let refused = self.known_to_refuse(judge, Search::NewNodes).unwrap_or(0);
        let start = self.next_start % count;
        let mut turn = (start.max(refused)..count).chain(refused..start);
        let found = turn.find(|position| judge.fits(&self.fork, self.nodes[*position]));
        match found {
            Some(position) => self.note_match(self.nodes[position]),
            None => self.note_refused(judge, Search::NewNodes, count),
        }
        found
    }

    /// Places a pod on the newest node or on one more. False when that helps no pod of its kind.
    fn place_on_newest(&mut self, pod: PodId, judge: &Judge) -> bool {
        if let Some(newest) = self.nodes.len().checked_sub(1) {
            if judge.fits(&self.fork, self.nodes[newest]) {
                self.place(pod, newest);
                return true;
            }
            if judge.spreads_by_hostname && self.place_elsewhere(pod, judge, newest) {
                return true;
            }
            if !self.holds_pods[newest] {
                return false;
            }
        }
        if self.is_full || !self.limit.permits(self.nodes.len()) {
            self.is_full = true;
            return false;
        }
        self.add_node();
        let newest = self.nodes.len() - 1;
        if !judge.fits(&self.fork, self.nodes[newest]) {
            return false;
        }
        self.place(pod, newest);
        true
    }

    /// The newest node refuses a pod. If only because pods would be too uneven, any other node is
    /// tried, those too that were there before.
    fn place_elsewhere(&mut self, pod: PodId, judge: &Judge, newest: usize) -> bool {
        let refusal = self.fork.refusal(judge.shape, self.nodes[newest]);
        let is_uneven = refusal.is_some_and(|refusal| {
            refusal.plugin == Plugin::PodTopologySpread
                && refusal.reasons.iter().any(|one| one == UNEVEN)
        });
        if !is_uneven {
            return false;
        }
        let found = match self.known_to_refuse(judge, Search::AllNodes) {
            None => self.fork.first_fit(judge.shape, self.next_of_all),
            Some(refused) => {
                let start = self.next_start.clamp(refused, newest);
                let mut turn = (start..newest).chain(refused..start);
                let found = turn.find(|position| judge.fits(&self.fork, self.nodes[*position]));
                found.map(|position| self.nodes[position])
            }
        };
        let Some(node) = found else {
            self.note_refused(judge, Search::AllNodes, newest);
            return false;
        };
        self.note_match(node);
        match self.nodes.binary_search(&node) {
            Ok(position) => self.place(pod, position),
            Err(_) => {
                self.fork.bind_with_devices(pod, node, self.now);
                self.others_with_pods.insert(node);
                self.packed.push(pod);
            }
        }
        true
    }

    /// How many of the new nodes, the first ones, still refuse such a pod as they did when such a
    /// search found nothing; a search over all nodes is then in vain on all others too.
    fn known_to_refuse(&mut self, judge: &Judge, search: Search) -> Option<usize> {
        let known = self.refused.get(&(judge.shape, search))?;
        self.fork.spread_floors(judge.shape, &mut self.floors)?;
        let has_risen = self.floors.iter().zip(&known.floors).any(|(now, then)| now > then);
        (!has_risen).then_some(known.new_nodes)
    }

    fn note_refused(&mut self, judge: &Judge, search: Search, new_nodes: usize) {
        // Devices and volumes that pods share may let a later one in.
        let holds = judge.distinction != Distinction::Everything;
        let mut floors = Vec::new();
        if holds && self.fork.spread_floors(judge.shape, &mut floors).is_some() {
            self.refused.insert((judge.shape, search), Refused { new_nodes, floors });
        }
    }

    /// Both searches go on after the node that either of them found.
    fn note_match(&mut self, node: NodeId) {
        self.next_of_all = NodeId(node.0 + 1);
        self.next_start = self.nodes.partition_point(|one| *one <= node);
    }

    fn add_node(&mut self) {
        let name = format!("e-{}", self.nodes.len());
        let (fork, now) = (&mut self.fork, self.now);
        let node = match &self.first {
            Some(first) => self.template.add_another(fork, first, &name, now),
            None => {
                let node = self.template.add(fork, &name, now);
                self.first = Some(name);
                node
            }
        };
        // Ids that are free are taken again from the lowest on, so that they ascend.
        debug_assert!(self.nodes.last().is_none_or(|last| *last < node), "new ids ascend");
        self.nodes.push(node);
        self.holds_pods.push(false);
    }

    fn place(&mut self, pod: PodId, position: usize) {
        self.fork.bind_with_devices(pod, self.nodes[position], self.now);
        self.holds_pods[position] = true;
        self.packed.push(pod);
    }
}

/// Whether a pod fits on one of several nodes that are alike, without words and mostly without
/// looking at labels twice.
struct Judge {
    shape: ShapeId,
    requests: Vec<(ResourceId, i64)>,
    distinction: Distinction,
    /// One of its spread constraints, hard or soft, is by hostname.
    spreads_by_hostname: bool,
    /// What labels and taints of new nodes say.
    suits: std::cell::Cell<Option<bool>>,
}

impl Judge {
    fn new(cluster: &Cluster, shape: ShapeId) -> Judge {
        let catalog = cluster.catalog();
        let spread = &cluster.shape(shape).topology_spread;
        Judge {
            shape,
            requests: catalog.fit(catalog.fit_of(shape)).requests.clone(),
            distinction: cluster.distinction(shape),
            spreads_by_hostname: spread.iter().any(|one| one.topology_key == HOSTNAME_LABEL),
            suits: std::cell::Cell::new(None),
        }
    }

    /// Pods that are alike may still have claims of their own, which are judged one by one.
    fn look_at(&mut self, cluster: &Cluster, pod: PodId) {
        if self.distinction == Distinction::Everything {
            self.shape = cluster.pod(pod).shape;
        }
    }

    fn fits(&self, cluster: &Cluster, node: NodeId) -> bool {
        if self.distinction == Distinction::Everything {
            return cluster.fits(self.shape, node);
        }
        let room = |(resource, amount): (ResourceId, i64)| {
            cluster.requested(node, resource) + amount <= cluster.allocatable(node, resource)
        };
        if !room((PODS, 1)) || !self.requests.iter().copied().all(room) {
            return false;
        }
        let suits = self.suits.get().unwrap_or_else(|| cluster.suits(self.shape, node));
        self.suits.set(Some(suits));
        suits
            && (self.distinction == Distinction::Room || !cluster.others_keep_off(self.shape, node))
    }
}
