//! What new nodes for some pods cost at least, whichever groups they are of.
//!
//! Each pod takes a share of a node: what it requests of a resource over what a node of the group has
//! of it. The share of the price that goes with it, in the group where that is least, cannot be
//! saved, and shares add up: so the sum over the pods is a bound, for each resource on its own. A
//! whole node of some group that takes the pod cannot be saved either. The largest of these bounds is
//! given. (The linear relaxation of vector bin packing, one constraint at a time.)

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_autoscaler::scale_up::{ScaleUpReport, ScaleUpResult};
use plimsoll_core::ids::GroupId;
use plimsoll_core::{Cluster, ResourceMap};

use crate::report::money::MicroUsd;

/// Shares of a price are added up in so many parts of a micro-dollar, each rounded down.
const PARTS: i128 = 1_000_000;

/// The least that nodes for the pods of a scale-up cost an hour; 0 when there is none.
pub(super) fn least_cost_of_new_nodes(cluster: &Cluster, report: &ScaleUpReport) -> MicroUsd {
    let ScaleUpResult::Successful = report.result else { return MicroUsd(0) };
    let Some(chosen) = report.chosen.map(|index| &report.options[index]) else {
        return MicroUsd(0);
    };
    let helped: BTreeSet<_> = chosen.pods.iter().copied().collect();
    let mut shares = BTreeMap::<&str, i128>::new();
    let mut whole_node = 0;
    for judged in &report.pod_groups {
        let pods = judged.group.pods.iter().filter(|pod| helped.contains(pod)).count();
        let count = i128::try_from(pods).expect("a list is not that long");
        if count == 0 {
            continue;
        }
        let nodes: Vec<NewNode<'_>> =
            judged.fits.iter().filter_map(|group| new_node(cluster, report, *group)).collect();
        // A group without a price could be free for all that is known.
        if nodes.len() < judged.fits.len() {
            continue;
        }
        whole_node = whole_node.max(nodes.iter().map(|one| one.price).min().unwrap_or(0));
        for (resource, requested) in &cluster.shape(judged.group.shape).requests {
            let least = nodes.iter().map(|one| one.share(resource, *requested)).min();
            *shares.entry(resource.as_str()).or_default() += least.unwrap_or(0) * count;
        }
    }
    let of_shares = shares.into_values().max().unwrap_or(0) / PARTS;
    let least = of_shares.max(whole_node.into());
    MicroUsd(i64::try_from(least).unwrap_or(i64::MAX))
}

/// A new node of a group: its price, and what pods may use of it.
struct NewNode<'a> {
    price: i64,
    allocatable: &'a ResourceMap,
}

impl NewNode<'_> {
    /// The part of the price that goes with so much of a resource; a node that has none of it would
    /// not have taken the pod for it.
    fn share(&self, resource: &str, requested: i64) -> i128 {
        let available = self.allocatable.get(resource).copied().unwrap_or(0);
        if available <= 0 {
            return 0;
        }
        i128::from(self.price) * i128::from(requested) * PARTS / i128::from(available)
    }
}

fn new_node<'a>(
    cluster: &'a Cluster,
    report: &'a ScaleUpReport,
    group: GroupId,
) -> Option<NewNode<'a>> {
    let spec = &cluster.group(group).spec;
    let option = report.options.iter().find(|option| option.group == group);
    let template = option.map_or(&spec.template, |option| &option.template.spec);
    let price = spec.price_microusd_per_hour?;
    Some(NewNode { price, allocatable: &template.allocatable })
}
