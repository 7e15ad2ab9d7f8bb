//! The settings of plugins, with the defaults of kube-scheduler 1.36.
//!
//! Source: `pkg/scheduler/apis/config/types_pluginargs.go` and `v1/defaults.go` beside it.

use crate::labels::NodeSelectorTerm;
use crate::node::HOSTNAME_LABEL;
use crate::pod::TopologySpreadConstraint;
use crate::time::SimDuration;

/// Names under this domain are Kubernetes' own and no extended resources.
const KUBERNETES_DOMAIN: &str = "kubernetes.io/";

/// The settings of all plugins that have some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginArguments {
    /// NodeAffinity's `addedAffinity`: holds for every pod, beside its own.
    pub added_affinity: AddedAffinity,
    /// NodeResourcesFit's.
    pub fit: FitArguments,
    /// The resources that NodeResourcesBalancedAllocation looks at, each once.
    pub balanced_resources: Vec<String>,
    /// InterPodAffinity's.
    pub pod_affinity: PodAffinityArguments,
    /// PodTopologySpread's: the constraints of pods that have none of their own.
    pub spread: SpreadDefaults,
    /// DefaultPreemption's.
    pub preemption: PreemptionArguments,
    /// VolumeBinding's.
    pub volume_binding: VolumeBindingArguments,
    /// DynamicResources'.
    pub dynamic_resources: DynamicResourcesArguments,
}

impl Default for PluginArguments {
    fn default() -> PluginArguments {
        PluginArguments {
            added_affinity: AddedAffinity::default(),
            fit: FitArguments::default(),
            balanced_resources: vec!["cpu".to_owned(), "memory".to_owned()],
            pod_affinity: PodAffinityArguments::default(),
            spread: SpreadDefaults::default(),
            preemption: PreemptionArguments::default(),
            volume_binding: VolumeBindingArguments::default(),
            dynamic_resources: DynamicResourcesArguments::default(),
        }
    }
}

/// A node affinity that the profile adds to that of every pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddedAffinity {
    /// One of the terms must match; `None`: no such rule.
    pub required: Option<Vec<NodeSelectorTerm>>,
    /// Preferred terms with their weights. Upstream does not hold these weights to 1–100.
    pub preferred: Vec<(i64, NodeSelectorTerm)>,
}

/// What NodeResourcesFit leaves out, and how it scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FitArguments {
    /// Resources that are not checked; they still count for the score.
    pub ignored_resources: Vec<String>,
    /// Domains of extended resources that are not checked: `example.com` is all of
    /// `example.com/...`.
    pub ignored_resource_groups: Vec<String>,
    /// How a resource's use becomes a score.
    pub strategy: FitStrategy,
    /// The resources that are scored, each with its weight (1–100), in the order given.
    pub resources: Vec<(String, i64)>,
}

impl FitArguments {
    /// Whether the filter leaves this resource out. Only extended resources can be left out: cpu,
    /// memory, ephemeral-storage and huge pages are always checked.
    #[must_use]
    pub fn ignores(&self, resource: &str) -> bool {
        let Some((group, _)) = resource.split_once('/') else { return false };
        !resource.contains(KUBERNETES_DOMAIN)
            && (self.ignored_resources.iter().any(|one| one == resource)
                || self.ignored_resource_groups.iter().any(|one| one == group))
    }
}

impl Default for FitArguments {
    fn default() -> FitArguments {
        FitArguments {
            ignored_resources: Vec::new(),
            ignored_resource_groups: Vec::new(),
            strategy: FitStrategy::LeastAllocated,
            resources: vec![("cpu".to_owned(), 1), ("memory".to_owned(), 1)],
        }
    }
}

/// How the use of a resource becomes a score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FitStrategy {
    /// The emptier the better.
    LeastAllocated,
    /// The fuller the better.
    MostAllocated,
    /// By a line through these points, of which there is at least one, by rising utilization.
    RequestedToCapacityRatio(Vec<ShapePoint>),
}

/// A point of a score over utilization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapePoint {
    /// Per cent, 0–100.
    pub utilization: i64,
    /// 0–10, as configured: a tenth of a node score.
    pub score: i64,
}

/// How InterPodAffinity scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodAffinityArguments {
    /// What a required term of an existing pod that matches the newcomer counts, 0–100.
    pub hard_weight: i64,
    /// Preferred terms of existing pods count only for pods that have rules of their own.
    pub ignores_preferred_of_existing: bool,
}

impl Default for PodAffinityArguments {
    fn default() -> PodAffinityArguments {
        PodAffinityArguments { hard_weight: 1, ignores_preferred_of_existing: false }
    }
}

/// The spread constraints of pods that have none of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SpreadDefaults {
    /// Kubernetes' own: over hosts and zones, both soft. Nodes without a zone still score.
    #[default]
    System,
    /// These. The selector of each is `None`: it is that of the pod's owners and services.
    List(Vec<TopologySpreadConstraint>),
}

impl SpreadDefaults {
    /// The constraints, their selectors `None`.
    #[must_use]
    pub fn constraints(&self) -> Vec<TopologySpreadConstraint> {
        let soft = |key: &str, max_skew| TopologySpreadConstraint {
            max_skew,
            topology_key: key.to_owned(),
            hard: false,
            selector: None,
            min_domains: None,
            honor_affinity: true,
            honor_taints: false,
        };
        match self {
            SpreadDefaults::System => {
                vec![soft(HOSTNAME_LABEL, 3), soft("topology.kubernetes.io/zone", 5)]
            }
            SpreadDefaults::List(constraints) => constraints.clone(),
        }
    }
}

/// How many nodes DefaultPreemption tries: the larger of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreemptionArguments {
    /// Of the cluster's nodes, per cent.
    pub min_candidate_nodes_percentage: i64,
    /// Nodes.
    pub min_candidate_nodes_absolute: i64,
}

impl Default for PreemptionArguments {
    fn default() -> PreemptionArguments {
        PreemptionArguments {
            min_candidate_nodes_percentage: 10,
            min_candidate_nodes_absolute: 100,
        }
    }
}

/// VolumeBinding's settings. Its score (`shape`) is behind a feature gate that is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeBindingArguments {
    /// How long binding may take.
    pub bind_timeout: SimDuration,
}

impl Default for VolumeBindingArguments {
    fn default() -> VolumeBindingArguments {
        VolumeBindingArguments { bind_timeout: SimDuration::from_secs(600) }
    }
}

/// DynamicResources' settings. Neither changes an answer: nothing here takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DynamicResourcesArguments {
    /// How long a node may be looked at; zero: as long as it takes.
    pub filter_timeout: SimDuration,
    /// How long devices may take to be ready.
    pub binding_timeout: SimDuration,
}

impl Default for DynamicResourcesArguments {
    fn default() -> DynamicResourcesArguments {
        DynamicResourcesArguments {
            filter_timeout: SimDuration::from_secs(10),
            binding_timeout: SimDuration::from_secs(600),
        }
    }
}
