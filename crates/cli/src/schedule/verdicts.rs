//! One pending pod in full: every node, every plugin's score.

use plimsoll_core::Cluster;
use plimsoll_core::ids::{NodeId, PodId};
use plimsoll_core::scheduling::{Judgement, Plugin, SchedulerProfiles, Verdict};
use plimsoll_replay::report::money::with_thousands;
use plimsoll_replay::report::text::wrapped;

use super::{Answer, page, refused_nodes};
use crate::tables::{Side, lay_out};

/// All that is known of the pod.
pub(super) fn text(
    cluster: &Cluster,
    profiles: &SchedulerProfiles,
    pod: PodId,
    answer: &Answer,
    width: usize,
) -> String {
    let judgement = &answer.judgement;
    let mut text = cluster.pod_full_name(pod);
    text.push_str(&page::verdict_line(cluster, pod, judgement));
    text.push_str(&page::message_lines(judgement, width));
    text.push_str(&scores(cluster, profiles, pod, judgement, width));
    text.push_str(&refused_nodes::all(cluster, judgement, width));
    text.push_str(&page::remedy_lines(cluster, answer, width));
    text
}

/// What a column is called: a plugin's name is wider than any score.
fn column_name(plugin: Plugin) -> &'static str {
    match plugin {
        Plugin::TaintToleration => "taints",
        Plugin::NodeAffinity => "affinity",
        Plugin::NodeResourcesFit => "fit",
        Plugin::VolumeBinding => "volumes",
        Plugin::PodTopologySpread => "spread",
        Plugin::InterPodAffinity => "pods",
        Plugin::DynamicResources => "devices",
        Plugin::NodeResourcesBalancedAllocation => "balance",
        Plugin::ImageLocality => "images",
        other => other.name(),
    }
}

/// Total, node, and the score of each plugin.
type Row<'a> = (i64, NodeId, &'a [(Plugin, i64)]);

/// The nodes that would take the pod, the best first, with the score of each plugin that has a say.
fn scores(
    cluster: &Cluster,
    profiles: &SchedulerProfiles,
    pod: PodId,
    judgement: &Judgement,
    width: usize,
) -> String {
    let mut fitting: Vec<Row<'_>> = judgement
        .nodes
        .iter()
        .filter_map(|(node, verdict)| match verdict {
            Verdict::Fits { scores, total } => Some((*total, *node, scores.as_slice())),
            Verdict::Refused(_) => None,
        })
        .collect();
    let Some((_, _, first)) = fitting.first() else { return String::new() };
    let plugins: Vec<Plugin> = first.iter().map(|(plugin, _)| *plugin).collect();
    let chosen = judgement.chosen();
    fitting.sort_by_key(|(total, node, _)| (Some(*node) != chosen, -total, *node));
    let mut columns = vec![("fits on", Side::Left)];
    columns.extend(plugins.iter().map(|plugin| (column_name(*plugin), Side::Right)));
    columns.push(("total", Side::Right));
    let profile = profiles.of(&cluster.shape(cluster.pod(pod).shape).scheduler_name);
    let weight = |plugin: &Plugin| profile.and_then(|one| one.weight(*plugin)).unwrap_or(0);
    let mut weights = vec!["weight".to_owned()];
    weights.extend(plugins.iter().map(|plugin| weight(plugin).to_string()));
    weights.push(String::new());
    let mut rows = vec![weights];
    rows.extend(fitting.iter().map(|(total, node, scores)| {
        let score = |plugin: &Plugin| scores.iter().find(|(one, _)| one == plugin);
        let mut row = vec![cluster.node_name(*node).to_owned()];
        row.extend(plugins.iter().map(|one| score(one).map_or("-".into(), |(_, n)| n.to_string())));
        row.push(with_thousands((*total).into()));
        row
    }));
    let legend: Vec<String> =
        plugins.iter().map(|one| format!("{} {}", column_name(*one), one.name())).collect();
    let legend = wrapped("  ", &legend.join(", "), width, 2);
    lay_out(&columns, rows) + &legend.iter().map(|line| format!("{line}\n")).collect::<String>()
}
