//! Which nodes are asked: a few of each kind that refuses alike, and one more of each group.

use std::collections::{BTreeMap, BTreeSet};

use super::change::Change;
use crate::cluster::{Cluster, Fork, NodeBirth, PodBirth};
use crate::drain::is_daemon_set_pod;
use crate::ids::{GroupId, NodeId, PodId, ShapeId, SurfaceId, WorkloadId};
use crate::node::{HOSTNAME_LABEL, NODE_GROUP_LABEL, NodeSpec};
use crate::scheduling::judgement::Judgement;
use crate::scheduling::profile::Plugin;
use crate::scheduling::refusal::Refusal;
use crate::time::SimTime;

/// So many of the nodes that refuse alike are asked, the nearest to fitting first: the nearest by
/// resources need not be the nearest by everything.
const ASKED_ALIKE_MAX: usize = 3;
/// So many nodes are asked in all.
const ASKED_MAX: usize = 48;
/// A pod of another kind in the way, or a step of skew too many, is as far off as so many
/// thousandths of a request.
const STEP_PERMILLE: i64 = 200;

/// One more node of a group, and the pods that run on it from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupNode {
    /// The group.
    pub group: GroupId,
    /// Its name.
    pub group_name: String,
    /// How many nodes it has.
    pub size: u32,
    /// How many it may have.
    pub max_size: u32,
    spec: NodeSpec,
    daemons: Vec<(ShapeId, Option<WorkloadId>)>,
}

impl GroupNode {
    /// Adds the node to the cluster, with those pods of DaemonSets that it lets in.
    pub(super) fn add(&self, fork: &mut Fork<'_>) -> NodeId {
        let name = format!("{}-new", self.group_name);
        let mut spec = self.spec.clone();
        spec.labels.insert(HOSTNAME_LABEL.to_owned(), name.clone());
        spec.labels.insert(NODE_GROUP_LABEL.to_owned(), self.group_name.clone());
        let node = fork.add_node(NodeBirth {
            name,
            spec,
            group: Some(self.group),
            ready: true,
            ..NodeBirth::default()
        });
        for (shape, controller) in &self.daemons {
            let at = SimTime::default();
            let refusal = fork.refusal(*shape, node);
            // A DaemonSet's pod makes room for itself, or waits for it there.
            let runs = refusal.is_none_or(|refusal| {
                matches!(refusal.plugin, Plugin::NodePorts | Plugin::NodeResourcesFit)
            });
            if runs {
                let birth = PodBirth {
                    name: "daemon".into(),
                    shape: *shape,
                    controller: *controller,
                    created_at: at,
                };
                let pod = fork.add_pod(birth);
                fork.bind(pod, node, at);
            }
        }
        node
    }
}

impl Cluster {
    /// A few nodes of each kind that refuses alike, the nearest to fitting first.
    pub(super) fn telling_nodes(&self, pod: PodId, judgement: &Judgement) -> Vec<NodeId> {
        let shape = self.pod(pod).shape;
        let mut alike: BTreeMap<(SurfaceId, &Refusal), Vec<(i64, NodeId)>> = BTreeMap::new();
        for (node, refusal) in judgement.refusals() {
            let distance = self.distance(shape, node);
            let nodes = alike.entry((self.node(node).surface, refusal)).or_default();
            nodes.push((distance, node));
        }
        let mut asked: Vec<(i64, NodeId)> = Vec::new();
        for (_, mut nodes) in alike {
            nodes.sort_unstable();
            asked.extend(nodes.into_iter().take(ASKED_ALIKE_MAX));
        }
        asked.sort_unstable();
        asked.into_iter().take(ASKED_MAX).map(|(_, node)| node).collect()
    }

    /// How far a node is from taking pods of a shape, as far as that is a matter of degree.
    fn distance(&self, shape: ShapeId, node: NodeId) -> i64 {
        let mut steps = 0;
        if let Some(filters) = self.topology.filters(shape) {
            for constraint in &filters.hard {
                let skew = self.skew_on(constraint, node).unwrap_or(constraint.max_skew + 1);
                steps += (skew - constraint.max_skew).max(0);
            }
            steps += filters.anti.iter().map(|sum| self.count_beside(*sum, node)).sum::<i64>();
        }
        self.shortfall_permille(shape, node).saturating_add(steps.saturating_mul(STEP_PERMILLE))
    }

    /// One more node of each group that may grow and of which it is known what a node looks like.
    pub(super) fn possible_nodes(&self) -> Vec<Change> {
        let mut sizes: BTreeMap<GroupId, u32> = BTreeMap::new();
        let mut first: BTreeMap<GroupId, NodeId> = BTreeMap::new();
        for (id, node) in self.nodes() {
            let Some(group) = node.group else { continue };
            *sizes.entry(group).or_default() += 1;
            first.entry(group).or_insert(id);
        }
        let daemons = self.daemon_pods();
        let open = self.groups().filter_map(|(group, known)| {
            let size = sizes.get(&group).copied().unwrap_or(0).max(known.target_size);
            let max_size = known.spec.max_size;
            let template = &known.spec.template;
            let spec = if template.allocatable.is_empty() {
                self.spec_of(*first.get(&group)?)
            } else {
                template.clone()
            };
            (size < max_size).then(|| {
                let group_name = known.spec.name.clone();
                let daemons = daemons.clone();
                Change::AddNode(Box::new(GroupNode {
                    group,
                    group_name,
                    size,
                    max_size,
                    spec,
                    daemons,
                }))
            })
        });
        open.collect()
    }

    /// A pod of each DaemonSet that has any.
    fn daemon_pods(&self) -> Vec<(ShapeId, Option<WorkloadId>)> {
        let mut seen = BTreeSet::new();
        let daemons = self.pods().filter(|(id, pod)| {
            pod.node.is_some() && pod.controller.is_some() && is_daemon_set_pod(self, *id)
        });
        let firsts = daemons.filter(|(_, pod)| seen.insert(pod.controller));
        firsts.map(|(_, pod)| (pod.shape, pod.controller)).collect()
    }

    /// What a node looks like, without what happened to it.
    fn spec_of(&self, node: NodeId) -> NodeSpec {
        let template = self.catalog.template(self.node(node).template);
        NodeSpec {
            labels: template.labels.clone(),
            capacity: template.capacity.clone(),
            allocatable: template.allocatable.clone(),
            declared_features: template.declared_features.clone(),
            ..NodeSpec::default()
        }
    }
}
