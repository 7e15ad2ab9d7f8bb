//! The least that the whole cluster must keep of cpu, memory and GPUs.

use plimsoll_core::Cluster;
use plimsoll_core::ids::NodeId;

use super::utilization::GPU_RESOURCE;
use crate::loop_context::LoopContext;

/// Thousandths of a core in a core.
const MILLI: i64 = 1000;

/// How much may still go of each resource that has a minimum. Sums are made only when some minimum
/// is set.
#[derive(Debug)]
pub(super) struct Minimums {
    left: Vec<Left>,
}

#[derive(Debug)]
struct Left {
    what: Limited,
    amount: i64,
}

#[derive(Debug)]
enum Limited {
    Cores,
    MemoryBytes,
    /// GPUs of the type that the node's GPU label says.
    Gpus(String),
}

impl Limited {
    /// How much of it the node brings: what the machine has, not what pods may use.
    fn amount(&self, cluster: &Cluster, node: NodeId) -> i64 {
        let template = cluster.catalog().template(cluster.node(node).template);
        let capacity = |name: &str| template.capacity.get(name).copied().unwrap_or(0);
        match self {
            Limited::Cores => (capacity("cpu") + MILLI - 1).div_euclid(MILLI),
            Limited::MemoryBytes => capacity("memory"),
            Limited::Gpus(gpu_type) => {
                let is_of_type = template
                    .labels
                    .get(super::utilization::GPU_LABEL)
                    .is_some_and(|t| t == gpu_type);
                if is_of_type { capacity(GPU_RESOURCE) } else { 0 }
            }
        }
    }
}

impl Minimums {
    /// Counts the cluster as the loop sees it: upcoming nodes count, nodes that are going do not.
    pub(super) fn count(
        cluster: &Cluster,
        context: &LoopContext<'_>,
        is_going: &impl Fn(NodeId) -> bool,
    ) -> Minimums {
        let settings = context.settings;
        let gpus = settings
            .gpu_total
            .iter()
            .map(|one| (Limited::Gpus(one.gpu_type.clone()), one.bounds.min));
        let limits = [
            (Limited::Cores, settings.cores_total.min),
            (Limited::MemoryBytes, settings.memory_total_bytes.min),
        ];
        let left = limits
            .into_iter()
            .chain(gpus)
            .filter(|(_, least)| *least > 0)
            .map(|(what, least)| {
                let nodes = context.nodes.iter().chain(context.upcoming);
                let total: i64 = nodes
                    .filter(|node| !is_going(**node))
                    .map(|node| what.amount(cluster, *node))
                    .sum();
                Left { what, amount: total - least }
            })
            .collect();
        Minimums { left }
    }

    /// Takes a node's resources away if every minimum is kept without them.
    pub(super) fn try_take(&mut self, cluster: &Cluster, node: NodeId) -> bool {
        let stays = |one: &Left| one.what.amount(cluster, node) <= one.amount.max(0);
        if !self.left.iter().all(stays) {
            return false;
        }
        for one in &mut self.left {
            one.amount -= one.what.amount(cluster, node);
        }
        true
    }
}
