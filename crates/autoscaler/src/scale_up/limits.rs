//! Limits over the whole cluster: cores, memory and GPUs.
//!
//! Source: `resourcequotas` of release 1.36, where the flags make one quota named `cluster-wide`.
//! Sizes are capacities; cores count whole, rounded up. Nodes of virtual kubelets do not count.

use plimsoll_core::Cluster;
use plimsoll_core::ids::NodeId;
use plimsoll_core::node::NodeSpec;
use plimsoll_core::pod::ResourceMap;

use crate::registry::{GPU_LABEL, GPU_RESOURCE};
use crate::settings::Settings;

/// What is left of each limited resource: `cpu` in cores, `memory` in bytes, GPUs by type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotas {
    left: Vec<(String, i64)>,
}

/// How much of each limited resource one node takes, in the order of [`Quotas`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand(Vec<i64>);

impl Quotas {
    /// What the nodes of the cluster, upcoming ones included, leave of the limits.
    #[must_use]
    pub fn new(cluster: &Cluster, settings: &Settings) -> Quotas {
        let mut quotas = Quotas {
            left: vec![
                ("cpu".to_owned(), settings.cores_total.max),
                ("memory".to_owned(), settings.memory_total_bytes.max),
            ],
        };
        for gpus in &settings.gpu_total {
            quotas.left.push((gpus.gpu_type.clone(), gpus.bounds.max));
        }
        for (template, count) in cluster.node_counts_by_template() {
            let template = cluster.catalog().template(template);
            let demand =
                quotas.demand_of(&template.labels, &template.capacity, &template.allocatable);
            quotas.take(&demand, count);
        }
        quotas
    }

    /// Gives back what a node of the cluster takes.
    pub fn leave_out(&mut self, cluster: &Cluster, node: NodeId) {
        let template = cluster.catalog().template(cluster.node(node).template);
        let demand = self.demand_of(&template.labels, &template.capacity, &template.allocatable);
        for ((_, left), amount) in self.left.iter_mut().zip(&demand.0) {
            *left += amount;
        }
    }

    /// What one new node like this takes.
    #[must_use]
    pub fn demand(&self, spec: &NodeSpec) -> Demand {
        self.demand_of(&spec.labels, &spec.capacity, &spec.allocatable)
    }

    fn demand_of(
        &self,
        labels: &plimsoll_core::Labels,
        capacity: &ResourceMap,
        allocatable: &ResourceMap,
    ) -> Demand {
        const MILLI_PER_CORE: i64 = 1000;
        if labels.get("type").is_some_and(|value| value == "virtual-kubelet") {
            return Demand(vec![0; self.left.len()]);
        }
        let amount = |map: &ResourceMap, name: &str| map.get(name).copied().unwrap_or(0);
        let cores = amount(capacity, "cpu") + MILLI_PER_CORE - 1;
        let mut demand = vec![cores.div_euclid(MILLI_PER_CORE), amount(capacity, "memory")];
        let gpu_type = labels.get(GPU_LABEL);
        for (name, _) in self.left.iter().skip(demand.len()) {
            let has = gpu_type == Some(name);
            demand.push(if has { amount(allocatable, GPU_RESOURCE) } else { 0 });
        }
        Demand(demand)
    }

    /// The resources of which there is not enough for so many more nodes.
    #[must_use]
    pub fn exceeded_by(&self, demand: &Demand, nodes: u32) -> Vec<&str> {
        self.left
            .iter()
            .zip(&demand.0)
            .filter(|((_, left), amount)| **amount > 0 && *left < *amount * i64::from(nodes))
            .map(|((name, _), _)| name.as_str())
            .collect()
    }

    /// How many of `wanted` such nodes are within the limits.
    #[must_use]
    pub fn allowed(&self, demand: &Demand, wanted: u32) -> u32 {
        self.left
            .iter()
            .zip(&demand.0)
            .filter(|(_, amount)| **amount > 0)
            .map(|((_, left), amount)| u32::try_from((left / amount).max(0)).unwrap_or(u32::MAX))
            .fold(wanted, u32::min)
    }

    /// Takes `count` such nodes off what is left.
    pub fn take(&mut self, demand: &Demand, count: u32) {
        for ((_, left), amount) in self.left.iter_mut().zip(&demand.0) {
            *left -= amount * i64::from(count);
        }
    }
}
