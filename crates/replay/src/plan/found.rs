//! From what the strategy found, in ids, to a plan in names.

use std::collections::BTreeMap;

use plimsoll_autoscaler::cluster_autoscaler::{LoopReport, SCALE_UP_FAILED};
use plimsoll_autoscaler::pending::PodOutcome;
use plimsoll_autoscaler::scale_up::{ScaleUpReport, ScaleUpResult};
use plimsoll_autoscaler::{Action, ClusterAutoscaler, Decision};
use plimsoll_core::ids::{GroupId, PodId};
use plimsoll_core::{Cluster, SimTime};

use super::model::{
    BlockedNode, ConditionChange, ExpansionOption, NodeUtilization, PendingPod, Plan, ScaleDown,
    ScaleUp, SkippedGroup, TargetDecrease,
};
use crate::strategy::Strategy;

/// The event of pods that wait because max-nodes-total is reached; upstream gives it no count.
const MAX_NODES_TOTAL_EVENT: &str = "max total nodes in cluster reached";

/// The last loop of Cluster Autoscaler.
pub(super) fn plan_of(cluster: &Cluster, autoscaler: &ClusterAutoscaler, at: SimTime) -> Plan {
    let report = autoscaler.last_loop().expect("a loop has run");
    let names = Names { cluster };
    let scale_up = &report.scale_up;
    let mut plan = empty(Strategy::ClusterAutoscaler, at);
    plan.scale_up_result = Some(scale_up.result.as_str());
    plan.scale_down_result = Some(report.scale_down.as_str());
    plan.scale_ups = names.increases(report);
    plan.options = scale_up.options.iter().map(|option| names.option(option)).collect();
    plan.best = scale_up.best.iter().map(|index| plan.options[*index].group.clone()).collect();
    plan.best.sort();
    plan.chosen = scale_up.chosen.map(|index| plan.options[index].group.clone());
    let skipped = scale_up.skipped.iter();
    plan.skipped_groups = skipped
        .map(|(group, reason)| SkippedGroup {
            group: names.group(*group),
            reason: reason.to_string(),
        })
        .collect();
    plan.equivalence_groups =
        scale_up.pod_groups.iter().map(|judged| names.pods(&judged.group.pods)).collect();
    let events = report.events.iter().chain(&scale_up.events);
    plan.events = events.map(ToString::to_string).collect();
    plan.events.extend(scale_up.complaints.iter().cloned());
    plan.events.sort();
    plan.error.clone_from(&report.error);
    plan.pods = names.pending_pods(report);
    plan.conditions = report.conditions.iter().map(ConditionChange::of).collect();
    tell_machines(&mut plan, &names, report);
    tell_scale_down(&mut plan, &names, autoscaler, report);
    plan
}

/// What a strategy decided that tells no more than actions and reasons.
pub(super) fn plan_of_actions(
    cluster: &Cluster,
    strategy: Strategy,
    decision: &Decision,
    at: SimTime,
) -> Plan {
    let names = Names { cluster };
    let mut plan = empty(strategy, at);
    let mut targets: Vec<u32> = cluster.groups().map(|(_, group)| group.target_size).collect();
    for action in &decision.actions {
        match action {
            Action::IncreaseSize { group, delta } => {
                let from = targets[group.index()];
                targets[group.index()] += delta;
                let to = targets[group.index()];
                plan.scale_ups.push(ScaleUp { group: names.group(*group), from, to });
            }
            Action::DeleteNode { node, cause, .. } => plan.scale_downs.push(ScaleDown {
                node: cluster.node_name(*node).to_owned(),
                group: cluster.node(*node).group.map_or_else(String::new, |one| names.group(one)),
                reason: cause.as_str().to_owned(),
                moves: Vec::new(),
                evicts: None,
            }),
            Action::DecreaseTarget { .. }
            | Action::DeleteInstances { .. }
            | Action::SetTaints { .. }
            | Action::Evict { .. }
            | Action::SetCondition { .. }
            | Action::DeleteObject { .. }
            | Action::GiveUpScaleDown { .. } => {}
        }
    }
    plan.scale_ups.sort();
    plan.scale_downs.sort_by(|a, b| a.node.cmp(&b.node));
    plan.reasons = decision.reasons.iter().map(ToString::to_string).collect();
    plan
}

fn empty(strategy: Strategy, at: SimTime) -> Plan {
    Plan {
        strategy: strategy.as_str().to_owned(),
        at,
        scale_up_result: None,
        scale_down_result: None,
        scale_ups: Vec::new(),
        options: Vec::new(),
        best: Vec::new(),
        chosen: None,
        skipped_groups: Vec::new(),
        scale_downs: Vec::new(),
        unneeded: Vec::new(),
        unneeded_since: BTreeMap::new(),
        unremovable: Vec::new(),
        utilization: BTreeMap::new(),
        target_decreases: Vec::new(),
        removed_instances: Vec::new(),
        equivalence_groups: Vec::new(),
        events: Vec::new(),
        error: None,
        pods: Vec::new(),
        conditions: Vec::new(),
        reasons: Vec::new(),
        cost_per_hour: None,
    }
}

/// Targets lowered and machines given up.
fn tell_machines(plan: &mut Plan, names: &Names<'_>, report: &LoopReport) {
    let targets = names.cluster.groups().map(|(_, group)| group.target_size);
    let mut targets: Vec<u32> = targets.collect();
    for (group, by) in &report.target_decreases {
        let from = targets[group.index()];
        let to = from.saturating_sub(*by);
        targets[group.index()] = to;
        plan.target_decreases.push(TargetDecrease { group: names.group(*group), from, to });
    }
    let removed = report.removed_instances.iter().flat_map(|(_, ids)| ids);
    plan.removed_instances = removed.map(ToString::to_string).collect();
    plan.removed_instances.sort();
}

fn tell_scale_down(
    plan: &mut Plan,
    names: &Names<'_>,
    autoscaler: &ClusterAutoscaler,
    report: &LoopReport,
) {
    let cluster = names.cluster;
    let node = |id| cluster.node_name(id).to_owned();
    let started = report.started.iter().map(|one| {
        let (moves, evicts) = (names.sorted_pods(&one.moves), names.sorted_pods(&one.evicts));
        ScaleDown {
            node: node(one.node),
            group: names.group(one.group),
            reason: one.cause.as_str().to_owned(),
            evicts: (evicts != moves).then_some(evicts),
            moves,
        }
    });
    plan.scale_downs = started.collect();
    plan.scale_downs.sort_by(|a, b| a.node.cmp(&b.node));
    let scale_down = autoscaler.scale_down();
    plan.unneeded_since =
        scale_down.unneeded().iter().map(|one| (node(one.node), one.since)).collect();
    plan.unneeded = plan.unneeded_since.keys().cloned().collect();
    let stay = scale_down.unremovable();
    let stay = stay.iter().map(|(id, reason)| {
        let blocking = reason.blocking_pod();
        BlockedNode {
            node: node(*id),
            reason: reason.as_str().to_owned(),
            // A pod that was made up, to hold room, is not there any more.
            pod: blocking
                .filter(|(pod, _)| cluster.find_pod(*pod).is_some())
                .map(|(pod, _)| cluster.pod_full_name(pod)),
            pod_reason: blocking.map(|(_, why)| why.as_str().to_owned()),
        }
    });
    plan.unremovable = stay.collect();
    plan.unremovable.sort_by(|a, b| a.node.cmp(&b.node));
    let looked_at = scale_down.utilization().iter().map(|(id, found)| {
        let utilization = NodeUtilization {
            cpu: found.cpu,
            memory: found.memory,
            gpu: found.gpu,
            resource: found.resource.to_string(),
            dominant: found.dominant,
        };
        (node(*id), utilization)
    });
    plan.utilization = looked_at.collect();
}

/// Ids as people know them.
struct Names<'a> {
    cluster: &'a Cluster,
}

impl Names<'_> {
    fn group(&self, id: GroupId) -> String {
        self.cluster.group(id).spec.name.clone()
    }

    /// One entry for each group that grows, for pods or to its minimum or both.
    fn increases(&self, report: &LoopReport) -> Vec<ScaleUp> {
        let mut sizes: BTreeMap<GroupId, (u32, u32)> = BTreeMap::new();
        for one in report.scale_up.increases.iter().chain(&report.min_size_increases) {
            sizes.entry(one.group).or_insert((one.from, one.to)).1 = one.to;
        }
        let entry = |(id, (from, to))| ScaleUp { group: self.group(id), from, to };
        let mut increases: Vec<ScaleUp> = sizes.into_iter().map(entry).collect();
        increases.sort();
        increases
    }

    fn pods(&self, pods: &[PodId]) -> Vec<String> {
        pods.iter().map(|pod| self.cluster.pod_full_name(*pod)).collect()
    }

    fn sorted_pods(&self, pods: &[PodId]) -> Vec<String> {
        let mut names = self.pods(pods);
        names.sort();
        names
    }

    fn option(
        &self,
        option: &plimsoll_autoscaler::scale_up::expander::ExpansionOption,
    ) -> ExpansionOption {
        let mut similar: Vec<String> = option.similar.iter().map(|one| self.group(*one)).collect();
        similar.sort();
        ExpansionOption {
            group: self.group(option.group),
            nodes: option.nodes,
            pods: self.sorted_pods(&option.pods),
            similar,
            score: option.score,
        }
    }

    fn pending_pods(&self, report: &LoopReport) -> Vec<PendingPod> {
        let scale_up = &report.scale_up;
        let mut group_of_pod: BTreeMap<PodId, usize> = BTreeMap::new();
        for (index, judged) in scale_up.pod_groups.iter().enumerate() {
            group_of_pod.extend(judged.group.pods.iter().map(|pod| (*pod, index)));
        }
        let mut answers: BTreeMap<usize, (BTreeMap<String, String>, String)> = BTreeMap::new();
        let chosen = scale_up.chosen.map(|index| self.group(scale_up.options[index].group));
        let mut pods: Vec<PendingPod> = report
            .outcomes
            .iter()
            .map(|(id, outcome)| {
                let mut pod = self.pending_pod(*id, *outcome);
                match outcome {
                    PodOutcome::TriggeredScaleUp | PodOutcome::ScaleUpFailed => {
                        pod.group.clone_from(&chosen);
                    }
                    PodOutcome::Unschedulable
                        if scale_up.result == ScaleUpResult::LimitedByMaxNodesTotal =>
                    {
                        pod.event = Some(MAX_NODES_TOTAL_EVENT.to_owned());
                    }
                    PodOutcome::Unschedulable => {
                        if let Some(index) = group_of_pod.get(id) {
                            let answer = answers
                                .entry(*index)
                                .or_insert_with(|| self.why_no_group_helps(scale_up, *index));
                            (pod.reasons, pod.event) = (answer.0.clone(), Some(answer.1.clone()));
                        }
                    }
                    _ => {}
                }
                pod
            })
            .collect();
        pods.sort_by(|a, b| a.pod.cmp(&b.pod));
        pods
    }

    fn pending_pod(&self, id: PodId, outcome: PodOutcome) -> PendingPod {
        let controller = self.cluster.pod(id).controller;
        PendingPod {
            pod: self.cluster.pod_full_name(id),
            owner: controller.map(|one| self.cluster.workload(one).key.full_name()),
            outcome: outcome.as_str(),
            group: None,
            reasons: BTreeMap::new(),
            event: None,
        }
    }

    /// By group, and as the pod's event says it.
    fn why_no_group_helps(
        &self,
        scale_up: &ScaleUpReport,
        pod_group: usize,
    ) -> (BTreeMap<String, String>, String) {
        let refusals = scale_up.pod_groups[pod_group].refusals.iter();
        let refused = refusals.map(|(group, refusal)| {
            let words: Vec<&str> = refusal.reasons.iter().map(AsRef::as_ref).collect();
            (self.group(*group), words.join(", "))
        });
        let skipped = scale_up.skipped.iter();
        let skipped = skipped.map(|(group, reason)| (self.group(*group), reason.to_string()));
        let failed = scale_up.refused_for(pod_group);
        let failed = failed.map(|group| (self.group(group), SCALE_UP_FAILED.to_owned()));
        let reasons = refused.chain(skipped).chain(failed).collect();
        (reasons, scale_up.not_triggered_text(pod_group))
    }
}
