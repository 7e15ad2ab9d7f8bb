//! What the PodScheduled condition of a pod says that fits nowhere, at the price of a look at each node.
//!
//! [`Cluster::judge`] finds the same with every verdict, for people who want all of it; a replay asks
//! of every pod that has to wait, among thousands of nodes.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::Kind;
use super::prepared::Prepared;
use super::profile::Plugin;
use super::refusal::{Refusal, RefusalTally, describe_refusals};
use crate::catalog::{PODS, ProfileId};
use crate::cluster::Cluster;
use crate::ids::{FitId, NodeId, PodId, ShapeId, SurfaceId};

/// One bit each for the number of pods and the requests that a node has no room for; pods that ask
/// for more resources than fit into it are looked at the long way.
const RESOURCES_MAX: usize = 63;

impl Cluster {
    /// The message of the PodScheduled condition of a pod without a node, as the scheduler would write
    /// it now; what it says about preemption is left out. `None` when it fits somewhere; of a gated
    /// pod what its gate says.
    pub fn unschedulable_message(&mut self, pod: PodId) -> Option<String> {
        let one = self.pod(pod);
        let (shape, controller) = (one.shape, one.controller);
        if let Some(gate) = self.gate_of(shape) {
            return Some(gate.to_string());
        }
        let kind = Kind { shape, controller, pod: Some(pod) };
        let nodes: Vec<NodeId> = self.nodes().map(|(id, _)| id).collect();
        let prepared = match self.prepare_kind(kind) {
            Ok(prepared) => prepared,
            Err(refusal) => return Some(describe_refusals(nodes.iter().map(|_| &refusal))),
        };
        if self.refuses_by_node_alone(shape, &prepared) {
            return self.message_by_room(shape, &prepared, &nodes);
        }
        let mut refusals: Vec<Refusal> = Vec::with_capacity(nodes.len());
        for node in nodes {
            refusals.push(self.refusal_beside(kind, &prepared, node)?);
        }
        Some(describe_refusals(refusals.iter()))
    }

    /// Whether labels, taints, cordon and room are all that can refuse the pod: a node that has none
    /// of the first against it refuses for room or not at all.
    fn refuses_by_node_alone(&self, shape: ShapeId, prepared: &Prepared) -> bool {
        let fit = self.catalog.fit(self.catalog.fit_of(shape));
        let rules = self.catalog.rules(fit.rules);
        fit.ports.is_empty()
            && fit.requests.len() < RESOURCES_MAX
            && prepared.filters.is_none()
            && !prepared.asks_beyond_indexes()
            && !self.looks_beyond_nodes(shape)
            && rules.named_nodes.is_none()
            && !self.asks_for_room_early(rules.profile)
            && self.nodes_with_nominations().is_empty()
    }

    /// Whether the profile asks for room before it asks for labels, taints and cordon: then nodes of one
    /// surface may refuse for different reasons.
    fn asks_for_room_early(&self, profile: ProfileId) -> bool {
        let filters = &self.catalog.rulebook(profile).profile.filters;
        let after_room = filters.iter().skip_while(|one| **one != Plugin::NodeResourcesFit);
        let is_static = |one: &Plugin| {
            matches!(
                one,
                Plugin::NodeUnschedulable | Plugin::TaintToleration | Plugin::NodeAffinity
            )
        };
        after_room.into_iter().any(is_static)
    }

    /// Counts what nodes lack without a word for each node.
    fn message_by_room(
        &mut self,
        shape: ShapeId,
        prepared: &Prepared,
        nodes: &[NodeId],
    ) -> Option<String> {
        let fit_id = self.catalog.fit_of(shape);
        let rules = self.catalog.fit(fit_id).rules;
        let mut lacking: FxHashMap<u64, usize> = FxHashMap::default();
        let mut refusals: Vec<(Refusal, usize)> = Vec::new();
        // What nodes of one surface refuse by labels, taints or cordon, they refuse alike.
        let mut by_surface: FxHashMap<SurfaceId, usize> = FxHashMap::default();
        for node in nodes.iter().copied() {
            let surface = self.node(node).surface;
            let fits_statically = self.static_fit(rules, node);
            let bits = if fits_statically { self.lack_of(fit_id, node) } else { 0 };
            if bits != 0 {
                *lacking.entry(bits).or_default() += 1;
                continue;
            }
            if let Some(place) = by_surface.get(&surface).filter(|_| !fits_statically) {
                refusals[*place].1 += 1;
                continue;
            }
            let refusal = self.refusal_by_node(shape, prepared, node)?;
            let known = refusals.iter().position(|(known, _)| *known == refusal);
            let place = known.unwrap_or(refusals.len());
            if known.is_none() {
                refusals.push((refusal, 0));
            }
            refusals[place].1 += 1;
            if !fits_statically {
                by_surface.insert(surface, place);
            }
        }
        let fit = self.catalog.fit(fit_id);
        let mut tally = RefusalTally::default();
        for (refusal, count) in &refusals {
            let reasons = refusal.reasons.iter().map(|reason| Cow::Borrowed(&**reason));
            tally.add_nodes(*count, reasons);
        }
        let mut lacking: Vec<(u64, usize)> = lacking.into_iter().collect();
        lacking.sort_unstable();
        for (bits, count) in lacking {
            let pods = (bits & 1 != 0).then_some(Cow::Borrowed("Too many pods"));
            let missing =
                (0_u32..).zip(&fit.requests).filter(|(place, _)| bits >> (place + 1) & 1 != 0);
            let names = missing.map(|(_, (resource, _))| {
                Cow::Owned(format!("Insufficient {}", self.catalog.resource_name(*resource)))
            });
            tally.add_nodes(count, pods.into_iter().chain(names));
        }
        Some(tally.text())
    }

    /// A bit for each thing that a node has too little of: the number of pods, then the requests.
    fn lack_of(&self, fit: FitId, node: NodeId) -> u64 {
        let fit = self.catalog.fit(fit);
        let book = self.catalog.rulebook(self.catalog.rules(fit.rules).profile);
        if !book.filters_by(Plugin::NodeResourcesFit) {
            return 0;
        }
        let mut bits = u64::from(!self.has_room(PODS, 1, node));
        for (place, (resource, amount)) in (1_u32..).zip(&fit.requests) {
            let name = || self.catalog.resource_name(*resource);
            let lacks = !self.has_room(*resource, *amount, node)
                && !book.ignores(*resource, name())
                && !self.is_left_to_devices(*resource, name(), node);
            bits |= u64::from(lacks) << place;
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{NodeBirth, PodBirth};
    use crate::node::NodeSpec;
    use crate::pod::{PodSpec, ResourceMap};
    use crate::taints::{Taint, TaintEffect};
    use crate::time::SimTime;

    fn amounts(cpu_milli: i64, memory_bytes: i64) -> ResourceMap {
        [("cpu".to_owned(), cpu_milli), ("memory".to_owned(), memory_bytes)].into()
    }

    fn add_node(cluster: &mut Cluster, name: &str, cpu_milli: i64, pods: i64, tainted: bool) {
        let mut allocatable = amounts(cpu_milli, 1 << 30);
        allocatable.insert("pods".to_owned(), pods);
        let taint = Taint {
            key: "dedicated".to_owned(),
            value: String::new(),
            effect: TaintEffect::NoSchedule,
        };
        let taints = if tainted { vec![taint] } else { Vec::new() };
        let spec = NodeSpec { allocatable, taints, ..NodeSpec::default() };
        let birth = NodeBirth { name: name.to_owned(), spec, ready: true, ..NodeBirth::default() };
        cluster.add_node(birth);
    }

    fn add_pod(cluster: &mut Cluster, requests: ResourceMap) -> PodId {
        let shape = cluster.intern_shape(&PodSpec { requests, ..PodSpec::default() });
        let birth = PodBirth { name: "a".into(), shape, controller: None, created_at: SimTime(0) };
        cluster.add_pod(birth)
    }

    #[test]
    fn the_short_way_says_what_the_complete_judgement_says() {
        let mut cluster = Cluster::default();
        let none = add_pod(&mut cluster, amounts(500, 0));
        assert_eq!(
            cluster.unschedulable_message(none).as_deref(),
            Some("no nodes available to schedule pods")
        );
        for (name, cpu_milli, pods, tainted) in [
            ("a", 1000, 10, false),
            ("b", 1000, 0, false),
            ("c", 9000, 10, true),
            ("d", 0, 9, false),
        ] {
            add_node(&mut cluster, name, cpu_milli, pods, tainted);
        }
        for requests in
            [amounts(2000, 0), amounts(2000, 2 << 30), amounts(1, 2 << 30), amounts(1, 1)]
        {
            let pod = add_pod(&mut cluster, requests);
            let shape = cluster.pod(pod).shape;
            let kind = Kind { shape, controller: None, pod: Some(pod) };
            let prepared = cluster.prepare_kind(kind).expect("nothing refuses it as a whole");
            assert!(cluster.refuses_by_node_alone(shape, &prepared), "the short way is taken");
            assert_eq!(cluster.unschedulable_message(pod), cluster.judge(pod).message());
        }
        let huge = add_pod(&mut cluster, amounts(2000, 2 << 30));
        expect_test::expect![
            "0/4 nodes are available: 1 Too many pods, 1 node(s) had untolerated taint(s), 3 Insufficient cpu, 3 Insufficient memory."
        ]
        .assert_eq(&cluster.unschedulable_message(huge).expect("it fits nowhere"));
    }
}
