//! How many new nodes of a group it takes, and which pods they hold.
//!
//! Source: `estimator/binpacking_estimator.go` of release 1.36. Pod groups go by how much of a node
//! one of their pods takes, largest first (of equals the earlier one; upstream: any). Each group
//! first fills the new nodes that are there, in turn, and stops at the first pod that fits on
//! none; for the rest only the newest node is tried, and another node is added when it refuses.

use plimsoll_core::catalog::PODS;
use plimsoll_core::ids::{NodeId, PodId, ResourceId, ShapeId};
use plimsoll_core::{Cluster, Fork, Node, SimTime};

use super::equivalence::PodGroup;
use super::template::Template;

/// What an estimate came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// New nodes with at least one pod.
    pub nodes: u32,
    /// The pods they hold, in the order of packing.
    pub pods: Vec<PodId>,
}

/// How many nodes an estimate may add. Of several limits the least holds; 0 is no limit, and below
/// 0 not a single node may be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeLimit(Option<i64>);

impl NodeLimit {
    /// This limit and one more.
    #[must_use]
    pub fn and(self, limit: i64) -> NodeLimit {
        match (self.0, limit) {
            (_, 0) => self,
            (Some(before), limit) => NodeLimit(Some(before.min(limit))),
            (None, limit) => NodeLimit(Some(limit)),
        }
    }

    fn permits(self, nodes: usize) -> bool {
        let nodes = i64::try_from(nodes).unwrap_or(i64::MAX);
        self.0.is_none_or(|limit| nodes < limit)
    }
}

/// Packs pods onto new nodes of a template. What is tried is gone when it returns.
pub fn estimate(
    fork: &mut Fork<'_>,
    groups: &[&PodGroup],
    template: &Template,
    limit: NodeLimit,
    now: SimTime,
) -> Estimate {
    let mut order: Vec<&PodGroup> = groups.to_vec();
    order.sort_by(|one, other| score(fork, other, template).total_cmp(&score(fork, one, template)));
    let mut packing = Packing {
        fork: fork.fork(),
        template,
        limit,
        now,
        first: None,
        nodes: Vec::new(),
        holds_pods: Vec::new(),
        next_start: 0,
        full: false,
        estimate: Estimate::default(),
    };
    for group in order {
        packing.pack(group);
    }
    let used = packing.holds_pods.iter().filter(|holds| **holds).count();
    packing.estimate.nodes = u32::try_from(used).unwrap_or(u32::MAX);
    packing.estimate
}

/// How much of a new node one pod of the group takes: the shares of cpu and memory, added up.
#[expect(clippy::cast_precision_loss, reason = "upstream computes these shares in float64")]
fn score(cluster: &Cluster, group: &PodGroup, template: &Template) -> f64 {
    let (cpu, memory) = cluster.cpu_and_memory(group.shape);
    let share = |name: &str, amount: i64| match template.spec.allocatable.get(name) {
        Some(allocatable) if *allocatable > 0 => amount as f64 / *allocatable as f64,
        _ => 0.0,
    };
    share("cpu", cpu) + share("memory", memory)
}

struct Packing<'a, 'f> {
    fork: Fork<'f>,
    template: &'a Template,
    limit: NodeLimit,
    now: SimTime,
    /// The first new node; the others are made like it.
    first: Option<Node>,
    nodes: Vec<NodeId>,
    /// For each new node whether it got a pod.
    holds_pods: Vec<bool>,
    /// Where the search over the new nodes goes on.
    next_start: usize,
    /// The limit was reached: no new nodes for any later group.
    full: bool,
    estimate: Estimate,
}

impl Packing<'_, '_> {
    fn pack(&mut self, group: &PodGroup) {
        let mut fit = QuickFit::new(&self.fork, group.shape);
        let mut pods = group.pods.iter();
        let mut next = pods.next();
        while let Some(pod) = next {
            fit.look_at(&self.fork, *pod);
            let Some(position) = self.find(&fit) else { break };
            self.place(*pod, position);
            next = pods.next();
        }
        while let Some(pod) = next {
            fit.look_at(&self.fork, *pod);
            if !self.place_on_newest(*pod, &fit) {
                return;
            }
            next = pods.next();
        }
    }

    /// The next new node, going round, that a pod fits on.
    fn find(&mut self, fit: &QuickFit) -> Option<usize> {
        let count = self.nodes.len();
        let found = (0..count)
            .map(|step| (self.next_start + step) % count)
            .find(|position| fit.fits(&self.fork, self.nodes[*position]))?;
        self.next_start = (found + 1) % count;
        Some(found)
    }

    /// Places a pod on the newest node or on one more. False when that helps no pod of its kind.
    fn place_on_newest(&mut self, pod: PodId, fit: &QuickFit) -> bool {
        if let Some(last) = self.nodes.len().checked_sub(1) {
            if fit.fits(&self.fork, self.nodes[last]) {
                self.place(pod, last);
                return true;
            }
            if !self.holds_pods[last] {
                return false;
            }
        }
        if self.full || !self.limit.permits(self.nodes.len()) {
            self.full = true;
            return false;
        }
        self.add_node();
        let last = self.nodes.len() - 1;
        if !fit.fits(&self.fork, self.nodes[last]) {
            return false;
        }
        self.place(pod, last);
        true
    }

    fn add_node(&mut self) {
        let name = format!("e-{}", self.nodes.len());
        let node = match &self.first {
            Some(first) => self.template.add_like(&mut self.fork, first, &name, self.now),
            None => {
                let node = self.template.add(&mut self.fork, &name, self.now);
                self.first = Some(Node { pods: Vec::new(), ..self.fork.node(node).clone() });
                node
            }
        };
        self.nodes.push(node);
        self.holds_pods.push(false);
    }

    fn place(&mut self, pod: PodId, position: usize) {
        self.fork.bind_with_devices(pod, self.nodes[position], self.now);
        self.holds_pods[position] = true;
        self.estimate.pods.push(pod);
    }
}

/// Whether a pod fits on one of several nodes that are alike, without words and mostly without
/// looking at labels twice.
struct QuickFit {
    shape: ShapeId,
    requests: Vec<(ResourceId, i64)>,
    /// Ports, rules about other nodes' pods or a single node's name: every node is judged in full.
    judges_each_node: bool,
    /// The sums of a node say nothing about its devices.
    wants_devices: bool,
    /// What the rules said of the first node.
    rules_match: std::cell::Cell<Option<bool>>,
}

impl QuickFit {
    fn new(cluster: &Cluster, shape: ShapeId) -> QuickFit {
        let catalog = cluster.catalog();
        let fit = catalog.fit(catalog.fit_of(shape));
        let rules = catalog.rules(fit.rules);
        QuickFit {
            shape,
            requests: fit.requests.clone(),
            judges_each_node: !fit.ports.is_empty()
                || rules.look_at_single_nodes()
                || cluster.looks_beyond_nodes(shape),
            wants_devices: cluster.may_want_devices(shape),
            rules_match: std::cell::Cell::new(None),
        }
    }

    /// Pods that are alike may still have claims of their own, which are judged one by one.
    fn look_at(&mut self, cluster: &Cluster, pod: PodId) {
        if self.wants_devices {
            self.shape = cluster.pod(pod).shape;
        }
    }

    fn fits(&self, cluster: &Cluster, node: NodeId) -> bool {
        if self.wants_devices {
            return cluster.fits(self.shape, node);
        }
        let room = |(resource, amount): (ResourceId, i64)| {
            cluster.requested(node, resource) + amount <= cluster.allocatable(node, resource)
        };
        if !room((PODS, 1)) || !self.requests.iter().copied().all(room) {
            return false;
        }
        if self.judges_each_node {
            return cluster.fits(self.shape, node);
        }
        if let Some(known) = self.rules_match.get() {
            return known;
        }
        let matches = cluster.fits(self.shape, node);
        self.rules_match.set(Some(matches));
        matches
    }
}

/// What pods of an option ask for together: cpu (milli) and memory (bytes).
#[must_use]
pub fn requests_of(cluster: &Cluster, pods: &[PodId]) -> (i64, i64) {
    let mut sum = (0, 0);
    for pod in pods {
        let shape = cluster.pod(*pod).shape;
        let (cpu, memory) = cluster.cpu_and_memory(shape);
        sum.0 += cpu;
        sum.1 += memory;
    }
    sum
}
