//! All pending pods on one page: where each goes, what refused it elsewhere, what would help.

use std::collections::BTreeMap;

use plimsoll_core::Cluster;
use plimsoll_core::ids::{NodeId, PodId};
use plimsoll_core::scheduling::{Judgement, Verdict, victim_names};
use plimsoll_replay::report::money::with_thousands;
use plimsoll_replay::report::prose::counted;
use plimsoll_replay::report::text::wrapped;

use super::Answer;
use super::refused_nodes;
use crate::tables::{Side, lay_out};

/// So many of the nodes that would take a pod are listed; `--pod` lists all.
const FITTING_NODES_SHOWN: usize = 5;
/// So many names are given of pods that are alike.
const ALIKE_SHOWN: usize = 3;

/// Pods that are alike and judged alike.
struct Block {
    pods: Vec<PodId>,
    /// What is said of them.
    text: String,
}

/// A page that grows pod by pod.
pub(super) struct Page {
    heading: String,
    width: usize,
    blocks: Vec<Block>,
    /// The block of each answer, by its number.
    places: BTreeMap<usize, usize>,
}

impl Page {
    pub(super) fn new(title: &str, cluster: &Cluster, pending: usize, width: usize) -> Page {
        let placed = cluster.pod_count() - cluster.unbound_count();
        let count = |number: usize, noun: &str| counted(number as u64, noun);
        let heading = format!(
            "{title} · {}, {} on them, {} pending\n",
            count(cluster.node_count(), "node"),
            count(placed, "pod"),
            with_thousands(pending as i128),
        );
        Page { heading, width, blocks: Vec::new(), places: BTreeMap::new() }
    }

    /// Adds a pod.
    pub(super) fn add(&mut self, cluster: &Cluster, pod: PodId, answer: &Answer) {
        if let Some(place) = self.places.get(&answer.number) {
            self.blocks[*place].pods.push(pod);
            return;
        }
        let text = self.block(cluster, pod, answer);
        self.places.insert(answer.number, self.blocks.len());
        self.blocks.push(Block { pods: vec![pod], text });
    }

    /// The whole page.
    pub(super) fn text(&self, cluster: &Cluster) -> String {
        let mut text = self.heading.clone();
        for block in &self.blocks {
            text.push('\n');
            text.push_str(&names(cluster, &block.pods));
            text.push_str(&block.text);
        }
        text
    }

    fn block(&self, cluster: &Cluster, pod: PodId, answer: &Answer) -> String {
        let judgement = &answer.judgement;
        let mut text = verdict_line(cluster, pod, judgement);
        text.push_str(&message_lines(judgement, self.width));
        text.push_str(&fitting_nodes(cluster, judgement));
        text.push_str(&refused_nodes::some(cluster, judgement, self.width));
        text.push_str(&remedy_lines(cluster, answer, self.width));
        text
    }
}

/// `shop/web-1`, and how many more are like it.
fn names(cluster: &Cluster, pods: &[PodId]) -> String {
    let names: Vec<String> =
        pods.iter().take(ALIKE_SHOWN).map(|pod| cluster.pod_full_name(*pod)).collect();
    match pods.len() - names.len() {
        0 => names.join(", "),
        more => format!("{} and {} more", names.join(", "), with_thousands(more as i128)),
    }
}

/// The end of a block's first line.
pub(super) fn verdict_line(cluster: &Cluster, pod: PodId, judgement: &Judgement) -> String {
    if judgement.is_gated {
        return " is held back\n".to_owned();
    }
    let Some(node) = judgement.chosen() else { return " fits nowhere\n".to_owned() };
    let why =
        if cluster.pod(pod).nominated == Some(node) { ", where room was made for it" } else { "" };
    format!(" goes to {}{why}\n", cluster.node_name(node))
}

/// The condition that kube-scheduler would write, wrapped.
pub(super) fn message_lines(judgement: &Judgement, width: usize) -> String {
    let message = if judgement.is_gated { Some(gate(judgement)) } else { judgement.message() };
    message.map_or_else(String::new, |message| indented("  ", &message, width, 4))
}

/// What holds a gated pod back.
pub(super) fn gate(judgement: &Judgement) -> String {
    let refusal = judgement.refusals().next();
    refusal.map_or_else(|| "held at a gate".to_owned(), |(_, refusal)| refusal.to_string())
}

/// What would let the pod in: who would go for it, and what could be changed.
pub(super) fn remedy_lines(cluster: &Cluster, answer: &Answer, width: usize) -> String {
    if !answer.judgement.best.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    if let Some(chosen) = &answer.preemption.chosen {
        let (node, victims) = (cluster.node_name(chosen.node), victim_names(cluster, chosen));
        let said = format!("room would be made on {node}, {} would go", victims.join(", "));
        return indented("  preemption: ", &said, width, 4);
    }
    for (place, remedy) in answer.remedies.iter().enumerate() {
        let title = if place == 0 { "  smallest change: " } else { "  or: " };
        text.push_str(&indented(title, &remedy.text(), width, 4));
    }
    if text.is_empty() {
        text.push_str("  no small change to the pod, a node or a group lets it in\n");
    }
    text
}

fn indented(first: &str, text: &str, width: usize, indent: usize) -> String {
    wrapped(first, text, width, indent).iter().map(|line| format!("{line}\n")).collect()
}

/// The best of the nodes that would take the pod.
fn fitting_nodes(cluster: &Cluster, judgement: &Judgement) -> String {
    let mut fitting: Vec<(i64, NodeId)> = judgement
        .nodes
        .iter()
        .filter_map(|(node, verdict)| match verdict {
            Verdict::Fits { total, .. } => Some((*total, *node)),
            Verdict::Refused(_) => None,
        })
        .collect();
    if fitting.is_empty() {
        return String::new();
    }
    let first = judgement.chosen();
    fitting.sort_by_key(|(total, node)| (Some(*node) != first, -total, *node));
    let rows = fitting.iter().take(FITTING_NODES_SHOWN);
    let rows = rows.map(|(total, node)| {
        vec![cluster.node_name(*node).to_owned(), with_thousands((*total).into())]
    });
    let mut text =
        lay_out(&[("fits on", Side::Left), ("total score", Side::Right)], rows.collect());
    if let Some(rest) = fitting.get(FITTING_NODES_SHOWN..).filter(|rest| !rest.is_empty()) {
        let lowest = rest.last().map_or(0, |(total, _)| *total);
        let more = with_thousands(rest.len() as i128);
        text.push_str(&format!("  and {more} more, down to {}\n", with_thousands(lowest.into())));
    }
    text
}
