//! What the groups cost an hour before and after a plan.

use plimsoll_autoscaler::cluster_autoscaler::LoopReport;
use plimsoll_core::Cluster;

use super::bound::least_cost_of_new_nodes;
use super::model::{CostPerHour, Plan};
use crate::report::money::MicroUsd;

/// The cost of all groups; `None` where a group that has or gets machines has no price. Nodes of no
/// group have no price and count nowhere. `report` is what Cluster Autoscaler found.
pub(super) fn per_hour(
    cluster: &Cluster,
    plan: &Plan,
    report: Option<&LoopReport>,
) -> Option<CostPerHour> {
    let before: Vec<i64> =
        cluster.groups().map(|(_, group)| i64::from(group.target_size)).collect();
    let mut kept = before.clone();
    let place = |name: &str| cluster.find_group(name).expect("a plan names groups").index();
    for one in &plan.target_decreases {
        kept[place(&one.group)] -= i64::from(one.from) - i64::from(one.to);
    }
    for (group, ids) in report.iter().flat_map(|report| &report.removed_instances) {
        kept[group.index()] -= i64::try_from(ids.len()).ok()?;
    }
    for one in &plan.scale_downs {
        kept[place(&one.group)] -= 1;
    }
    let mut after = kept.clone();
    for one in &plan.scale_ups {
        after[place(&one.group)] += i64::from(one.to) - i64::from(one.from);
    }
    let of_new_nodes = report.map(|report| least_cost_of_new_nodes(cluster, &report.scale_up));
    let of_kept = cost(cluster, &kept)?;
    Some(CostPerHour {
        before: cost(cluster, &before)?,
        after: cost(cluster, &after)?,
        lower_bound: of_new_nodes.map(|least| MicroUsd(of_kept.0.saturating_add(least.0))),
    })
}

fn cost(cluster: &Cluster, sizes: &[i64]) -> Option<MicroUsd> {
    let mut sum: i64 = 0;
    for (id, group) in cluster.groups() {
        let size = sizes[id.index()].max(0);
        if size > 0 {
            let price = group.spec.price_microusd_per_hour?;
            sum = sum.saturating_add(price.saturating_mul(size));
        }
    }
    Some(MicroUsd(sum))
}
