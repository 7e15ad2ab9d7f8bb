//! The nodes that refuse a pod, by what they say.

use std::collections::BTreeMap;

use plimsoll_core::Cluster;
use plimsoll_core::ids::NodeId;
use plimsoll_core::scheduling::{Judgement, Refusal};
use plimsoll_replay::report::money::with_thousands;
use plimsoll_replay::report::text::wrapped;

/// So many names are given of nodes that say the same; `--pod` gives all.
const NAMES_SHOWN: usize = 6;

/// A line for each reason: how many nodes, which plugin, its words, and some of the nodes' names.
pub(super) fn some(cluster: &Cluster, judgement: &Judgement, width: usize) -> String {
    lines(cluster, judgement, width, NAMES_SHOWN)
}

/// The same with every node's name.
pub(super) fn all(cluster: &Cluster, judgement: &Judgement, width: usize) -> String {
    lines(cluster, judgement, width, usize::MAX)
}

fn lines(cluster: &Cluster, judgement: &Judgement, width: usize, names_max: usize) -> String {
    let groups = by_reason(judgement);
    // A gate refuses the pod before any node is asked.
    if judgement.is_gated || groups.is_empty() {
        return String::new();
    }
    let counts: Vec<String> =
        groups.iter().map(|(_, nodes)| with_thousands(nodes.len() as i128)).collect();
    let widest = counts.iter().map(String::len).max().unwrap_or(0);
    let mut text = "  refused by\n".to_owned();
    for ((refusal, nodes), count) in groups.iter().zip(&counts) {
        let names: Vec<&str> =
            nodes.iter().take(names_max).map(|node| cluster.node_name(*node)).collect();
        let more = match nodes.len() - names.len() {
            0 => String::new(),
            more => format!(" and {} more", with_thousands(more as i128)),
        };
        let said = format!("{}: {refusal}: {}{more}", refusal.plugin(), names.join(", "));
        let first = format!("  {count:>widest$}  ");
        for line in wrapped(&first, &said, width, widest + 4) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

/// Nodes that refuse with the same words, the most frequent first.
fn by_reason(judgement: &Judgement) -> Vec<(&Refusal, Vec<NodeId>)> {
    let mut groups: BTreeMap<&Refusal, Vec<NodeId>> = BTreeMap::new();
    for (node, refusal) in judgement.refusals() {
        groups.entry(refusal).or_default().push(node);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, nodes)| std::cmp::Reverse(nodes.len()));
    groups
}
