//! `plimsoll schedule --sequential`: pods placed one after the other.

use plimsoll_core::Cluster;
use plimsoll_core::ids::{NodeId, PodId};
use plimsoll_core::scheduling::NodeSampling;
use serde_json::json;

use super::page;
use crate::output;
use crate::tables::{Side, lay_out};

/// Places pods one after the other.
pub(super) struct InOrder<'a> {
    pub(super) cluster: &'a mut Cluster,
    /// How far a scheduler that looks at samples of nodes has come.
    pub(super) sampling: Option<NodeSampling>,
}

impl InOrder<'_> {
    /// Places the pods.
    pub(super) fn place(&mut self, pods: &[PodId]) -> Vec<(PodId, Option<NodeId>)> {
        match &mut self.sampling {
            Some(sampling) => self.cluster.schedule_sampled(pods, sampling),
            None => self.cluster.schedule_in_order(pods),
        }
    }

    /// Places the pods and prints who went where.
    pub(super) fn run(&mut self, pending: &[PodId], title: &str, json: bool) -> anyhow::Result<()> {
        if !json {
            return output::print(&self.page(pending, title));
        }
        let placed = self.place(pending);
        let name = |node: Option<_>| node.map(|node| self.cluster.node_name(node).to_owned());
        let list: Vec<_> = placed
            .iter()
            .map(
                |(pod, node)| json!({"pod": self.cluster.pod_full_name(*pod), "node": name(*node)}),
            )
            .collect();
        output::print_json(&json!({"sequential": list}))
    }

    fn page(&mut self, pending: &[PodId], title: &str) -> String {
        let mut rows = Vec::new();
        let mut unplaced = Vec::new();
        for pod in pending {
            // One at a time: what keeps a pod off is what keeps it off when its turn comes.
            let placed = self.place(&[*pod]);
            let node = placed.first().and_then(|(_, node)| *node);
            let shown = node.map_or("-", |node| self.cluster.node_name(node)).to_owned();
            let name = self.cluster.pod_full_name(*pod);
            if node.is_none() {
                let judgement = self.cluster.judge(*pod);
                let why = page::message_lines(&judgement, output::report_width());
                unplaced.push(format!("{name}\n{why}"));
            }
            rows.push(vec![(rows.len() + 1).to_string(), name, shown]);
        }
        let placed = rows.len() - unplaced.len();
        let mut text = format!("{title} · {placed} of {} pending pods placed\n", rows.len());
        if !rows.is_empty() {
            let columns = [("", Side::Right), ("pod", Side::Left), ("node", Side::Left)];
            text.push('\n');
            text.push_str(&lay_out(&columns, rows));
        }
        for one in unplaced {
            text.push('\n');
            text.push_str(&one);
        }
        text
    }
}
