//! `plimsoll schedule`: one scheduling pass over a snapshot, every verdict and score.

mod in_order;
mod page;
mod refused_nodes;
mod verdicts;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use plimsoll_core::Cluster;
use plimsoll_core::ids::{PodId, ShapeId, WorkloadId};
use plimsoll_core::objects::nearest_names;
use plimsoll_core::scheduling::{
    Judgement, NodeSampling, PreemptionOutcome, Remedy, SchedulerProfiles, judgement_as_json,
    preemption_as_json,
};
use plimsoll_replay::source::load_scheduler_configuration;
use serde_json::Value;

use crate::exit::{BadInput, Outcome};
use crate::progress::{StepsBar, Stopwatch};
use crate::{output, snapshot_source};
use in_order::InOrder;
use page::Page;

/// Say where each pending pod of a snapshot would go, and why not elsewhere
///
/// Every pod is judged alone against the snapshot as it stands: the first plugin that refuses each
/// node and what it says, or each plugin's score. For a pod that fits nowhere there is the smallest
/// change that would let it in, tried out before it is told.
#[derive(Args, Debug)]
#[command(after_help = "\
SNAPSHOT is a file of Kubernetes objects, as `kubectl get nodes,pods,pv,pvc,sc -A -o json` prints them,
or a history as of an instant: cluster.db, cluster.db@+6h, cluster.db@2026-01-05T06:00:00Z.

Examples:
  plimsoll schedule examples/stuck.yaml
  plimsoll schedule examples/stuck.yaml --pod shop/report-1
  plimsoll schedule examples/stuck.yaml --sequential
  plimsoll schedule examples/stuck.yaml --scheduler-config examples/schedulers/packed.yaml --json")]
pub(crate) struct ScheduleArguments {
    /// A snapshot file, or a history as of an instant: DB or DB@T
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
    /// Only this pending pod, with every node and the score of each plugin
    #[arg(long, value_name = "NS/NAME")]
    pod: Option<String>,
    /// Place the pods one after the other, in the order of the scheduler's queue, each bound before
    /// the next is tried; with --pod that pod is judged when its turn comes
    #[arg(long)]
    sequential: bool,
    /// Profiles, plugins and weights: a KubeSchedulerConfiguration as kube-scheduler takes it
    #[arg(long, value_name = "FILE")]
    scheduler_config: Option<PathBuf>,
    /// Look for as many nodes that fit as percentageOfNodesToScore says, as kube-scheduler does, and
    /// not at all nodes
    #[arg(long)]
    sample_nodes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Judges.
///
/// # Errors
/// When the snapshot or the configuration cannot be used, or the pod is not pending.
pub(crate) fn run(arguments: &ScheduleArguments) -> anyhow::Result<Outcome> {
    let stopwatch = Stopwatch::start();
    let profiles = match &arguments.scheduler_config {
        Some(path) => load_scheduler_configuration(path)?,
        None => SchedulerProfiles::default(),
    };
    let source = snapshot_source::read(&arguments.snapshot)?;
    for warning in &source.warnings {
        output::warn(warning);
    }
    let mut cluster = Cluster::from_snapshot(&source.snapshot, &profiles);
    let pending = cluster.pending_pods();
    let chosen = match &arguments.pod {
        Some(name) => Some(find_pending(&cluster, &arguments.snapshot, &pending, name)?),
        None => None,
    };
    let sampling = arguments.sample_nodes.then(|| NodeSampling::new(&cluster));
    let mut pass = Pass {
        cluster: &mut cluster,
        sampling: sampling.clone(),
        known: BTreeMap::new(),
        answers: 0,
    };
    match (chosen, arguments.sequential) {
        (None, true) => {
            let mut order = InOrder { cluster: pass.cluster, sampling };
            order.run(&pending, &source.title, arguments.json)?;
        }
        (None, false) => pass.judge_all(&pending, &source.title, arguments.json)?,
        (Some(pod), sequential) => {
            if sequential {
                let earlier = pending.iter().take_while(|one| **one != pod);
                let earlier: Vec<PodId> = earlier.copied().collect();
                let mut order = InOrder { cluster: pass.cluster, sampling };
                order.place(&earlier);
                pass.sampling = order.sampling;
            }
            pass.judge_one(pod, &profiles, arguments.json)?;
        }
    }
    output::note_timing(&format!("judged in {} ms", stopwatch.elapsed().as_millis()));
    Ok(Outcome::Success)
}

/// Answers for so many kinds of pods are kept for others like them: with thousands of nodes each is
/// a megabyte.
const ANSWERS_KEPT: usize = 64;

/// Pods of one kind are mostly judged alike.
type Kind = (ShapeId, Option<WorkloadId>);

/// Judges pods one by one; an answer is kept for those like it.
struct Pass<'a> {
    cluster: &'a mut Cluster,
    /// Of a scheduler that has just started: each pod is judged by its own.
    sampling: Option<NodeSampling>,
    known: BTreeMap<Kind, Answer>,
    answers: usize,
}

/// What is said of one pod, and of others like it.
#[derive(Clone, Debug)]
struct Answer {
    /// Counts answers: equal numbers are one answer.
    number: usize,
    judgement: Judgement,
    preemption: PreemptionOutcome,
    remedies: Vec<Remedy>,
}

impl Pass<'_> {
    fn judge_all(&mut self, pending: &[PodId], title: &str, json: bool) -> anyhow::Result<()> {
        let bar = StepsBar::new("judging");
        let total = pending.len() as u64;
        if json {
            let mut done = 0;
            output::print_with(&mut |out| {
                write!(out, "{{\"pods\": [")?;
                for pod in pending {
                    let element = self.answer(*pod, |pass, answer| pass.json(*pod, answer));
                    out.write_all(if done == 0 { b"\n" } else { b",\n" })?;
                    serde_json::to_writer(&mut *out, &element)?;
                    done += 1;
                    bar.reach(done, total);
                }
                bar.clear();
                out.write_all(b"\n]}\n")
            })
        } else {
            let mut page = Page::new(title, self.cluster, pending.len(), output::report_width());
            for (done, pod) in pending.iter().enumerate() {
                self.answer(*pod, |pass, answer| page.add(pass.cluster, *pod, answer));
                bar.reach(done as u64 + 1, total);
            }
            bar.clear();
            output::print(&page.text(self.cluster))
        }
    }

    fn judge_one(
        &mut self,
        pod: PodId,
        profiles: &SchedulerProfiles,
        json: bool,
    ) -> anyhow::Result<()> {
        self.answer(pod, |pass, answer| {
            if json {
                return output::print_json(&serde_json::json!({"pods": [pass.json(pod, answer)]}));
            }
            let width = output::report_width();
            output::print(&verdicts::text(pass.cluster, profiles, pod, answer, width))
        })
    }

    /// Judges a pod and gives the answer to `tell`. The search for remedies is done once for pods
    /// that are alike and judged alike.
    fn answer<T>(&mut self, pod: PodId, tell: impl FnOnce(&Self, &Answer) -> T) -> T {
        let one = self.cluster.pod(pod);
        let kind = (one.shape, one.controller);
        let judgement = match self.sampling.clone() {
            Some(mut sampling) => self.cluster.judge_sampled(pod, &mut sampling),
            None => self.cluster.judge(pod),
        };
        let known = self.known.remove(&kind).filter(|known| known.judgement == judgement);
        let answer = known.unwrap_or_else(|| self.new_answer(pod, judgement));
        let told = tell(self, &answer);
        if self.known.len() >= ANSWERS_KEPT {
            self.known.pop_first();
        }
        self.known.insert(kind, answer);
        told
    }

    fn new_answer(&mut self, pod: PodId, judgement: Judgement) -> Answer {
        self.answers += 1;
        let preemption = if judgement.message().is_some() {
            self.cluster.judge_preemption(pod, &judgement)
        } else {
            PreemptionOutcome::default()
        };
        let remedies = self.cluster.remedies(pod, &judgement);
        Answer { number: self.answers, judgement, preemption, remedies }
    }

    fn json(&self, pod: PodId, answer: &Answer) -> Value {
        let mut json = judgement_as_json(self.cluster, pod, &answer.judgement);
        if let Some(preemption) = preemption_as_json(self.cluster, &answer.preemption) {
            json["preemption"] = preemption;
        }
        if answer.judgement.best.is_empty() {
            json["remedies"] = answer.remedies.iter().map(Remedy::as_json).collect();
        }
        json
    }
}

/// The pending pod `namespace/name`; without a namespace that of the namespace `default`.
fn find_pending(
    cluster: &Cluster,
    snapshot: &str,
    pending: &[PodId],
    name: &str,
) -> anyhow::Result<PodId> {
    let full_name = if name.contains('/') { name.to_owned() } else { format!("default/{name}") };
    if let Some(pod) = pending.iter().find(|pod| cluster.pod_full_name(**pod) == full_name) {
        return Ok(*pod);
    }
    let there = cluster.pods().find(|(id, _)| cluster.pod_full_name(*id) == full_name);
    if let Some((_, pod)) = there {
        let why = match pod.node {
            Some(node) => format!("it is on node {}", cluster.node_name(node)),
            None if pod.deletion_at.is_some() => "it is being deleted".to_owned(),
            None => {
                let scheduler = &cluster.shape(pod.shape).scheduler_name;
                format!("no profile schedules pods of scheduler {scheduler:?}")
            }
        };
        bail!(BadInput(format!("{snapshot}: --pod {full_name} is not pending: {why}")));
    }
    let names: Vec<String> = pending.iter().map(|pod| cluster.pod_full_name(*pod)).collect();
    let nearest = nearest_names(&full_name, names.iter().map(String::as_str)).join(", ");
    let hint = match nearest.as_str() {
        "" => "no pod is pending".to_owned(),
        nearest => format!("nearest: {nearest}"),
    };
    bail!(BadInput(format!("{snapshot}: --pod {full_name} is not among the pending pods; {hint}")));
}
