//! The plugins of kube-scheduler, and where each of them has a say.

use std::fmt;

use ExtensionPoint::{
    Bind, Filter, PlacementScore, PostFilter, PreBind, PreEnqueue, PreFilter, PreScore, QueueSort,
    Reserve, Score,
};

/// A plugin that is on by default in kube-scheduler 1.36, in alphabetical order. Plugins behind
/// feature gates that are off (gang scheduling) are not here.
///
/// Source: `pkg/scheduler/framework/plugins/registry.go`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is upstream's plugin of the same name")]
pub enum Plugin {
    DefaultBinder,
    DefaultPreemption,
    DynamicResources,
    ImageLocality,
    InterPodAffinity,
    NodeAffinity,
    NodeDeclaredFeatures,
    NodeName,
    NodePorts,
    NodeResourcesBalancedAllocation,
    NodeResourcesFit,
    NodeUnschedulable,
    NodeVolumeLimits,
    PodTopologySpread,
    PrioritySort,
    SchedulingGates,
    TaintToleration,
    VolumeBinding,
    VolumeRestrictions,
    VolumeZone,
}

/// The default plugins in calling order, each with the weight of its score; plugins that do not
/// score have 0.
///
/// Source: `pkg/scheduler/apis/config/v1/default_plugins.go`.
pub const DEFAULT_PLUGINS: [(Plugin, i64); 20] = [
    (Plugin::SchedulingGates, 0),
    (Plugin::PrioritySort, 0),
    (Plugin::NodeUnschedulable, 0),
    (Plugin::NodeName, 0),
    (Plugin::TaintToleration, 3),
    (Plugin::NodeAffinity, 2),
    (Plugin::NodePorts, 0),
    (Plugin::NodeResourcesFit, 1),
    (Plugin::VolumeRestrictions, 0),
    (Plugin::NodeVolumeLimits, 0),
    // It scores with weight 1 like any plugin without one; upstream gives it none.
    (Plugin::VolumeBinding, 1),
    (Plugin::VolumeZone, 0),
    (Plugin::PodTopologySpread, 2),
    (Plugin::InterPodAffinity, 2),
    (Plugin::DynamicResources, 2),
    (Plugin::DefaultPreemption, 0),
    (Plugin::NodeResourcesBalancedAllocation, 1),
    (Plugin::ImageLocality, 1),
    (Plugin::DefaultBinder, 0),
    (Plugin::NodeDeclaredFeatures, 0),
];

impl Plugin {
    /// All plugins in alphabetical order.
    pub fn all() -> impl Iterator<Item = Plugin> {
        let mut all = DEFAULT_PLUGINS.map(|(plugin, _)| plugin);
        all.sort_unstable();
        all.into_iter()
    }

    /// The plugin of this name, as configurations write it.
    #[must_use]
    pub fn named(name: &str) -> Option<Plugin> {
        DEFAULT_PLUGINS.iter().map(|(plugin, _)| *plugin).find(|plugin| plugin.name() == name)
    }

    /// The name that configurations and verdicts use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Plugin::DefaultBinder => "DefaultBinder",
            Plugin::DefaultPreemption => "DefaultPreemption",
            Plugin::DynamicResources => "DynamicResources",
            Plugin::ImageLocality => "ImageLocality",
            Plugin::InterPodAffinity => "InterPodAffinity",
            Plugin::NodeAffinity => "NodeAffinity",
            Plugin::NodeDeclaredFeatures => "NodeDeclaredFeatures",
            Plugin::NodeName => "NodeName",
            Plugin::NodePorts => "NodePorts",
            Plugin::NodeResourcesBalancedAllocation => "NodeResourcesBalancedAllocation",
            Plugin::NodeResourcesFit => "NodeResourcesFit",
            Plugin::NodeUnschedulable => "NodeUnschedulable",
            Plugin::NodeVolumeLimits => "NodeVolumeLimits",
            Plugin::PodTopologySpread => "PodTopologySpread",
            Plugin::PrioritySort => "PrioritySort",
            Plugin::SchedulingGates => "SchedulingGates",
            Plugin::TaintToleration => "TaintToleration",
            Plugin::VolumeBinding => "VolumeBinding",
            Plugin::VolumeRestrictions => "VolumeRestrictions",
            Plugin::VolumeZone => "VolumeZone",
        }
    }

    /// Whether the plugin has anything to say at a point.
    #[must_use]
    pub fn extends(self, point: ExtensionPoint) -> bool {
        self.points().contains(&point)
    }

    fn points(self) -> &'static [ExtensionPoint] {
        match self {
            Plugin::DefaultBinder => &[Bind],
            Plugin::DefaultPreemption => &[PreEnqueue, PostFilter],
            Plugin::DynamicResources => {
                &[PreEnqueue, PreFilter, Filter, PostFilter, Score, Reserve, PreBind]
            }
            Plugin::ImageLocality => &[Score],
            Plugin::NodeName | Plugin::NodeUnschedulable => &[Filter],
            Plugin::NodeResourcesBalancedAllocation => &[PreScore, Score],
            Plugin::NodeResourcesFit => &[PreFilter, Filter, PreScore, Score, PlacementScore],
            Plugin::InterPodAffinity | Plugin::NodeAffinity | Plugin::PodTopologySpread => {
                &[PreFilter, Filter, PreScore, Score]
            }
            Plugin::NodeDeclaredFeatures
            | Plugin::NodePorts
            | Plugin::NodeVolumeLimits
            | Plugin::VolumeRestrictions
            | Plugin::VolumeZone => &[PreFilter, Filter],
            Plugin::PrioritySort => &[QueueSort],
            Plugin::SchedulingGates => &[PreEnqueue],
            Plugin::TaintToleration => &[Filter, PreScore, Score],
            Plugin::VolumeBinding => &[PreFilter, Filter, Reserve, PreBind, PreScore, Score],
        }
    }
}

impl fmt::Display for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A moment of a scheduling attempt at which plugins are called, in the order in which upstream
/// sets the points up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExtensionPoint {
    /// Before any node is judged.
    PreFilter,
    /// Node by node: may the pod go there.
    Filter,
    /// When no node is left.
    PostFilter,
    /// When a node was chosen.
    Reserve,
    /// Before nodes are scored.
    PreScore,
    /// Node by node: how good is it.
    Score,
    /// Before the pod is bound.
    PreBind,
    /// Binding.
    Bind,
    /// After the pod was bound.
    PostBind,
    /// A last chance to delay.
    Permit,
    /// Before a pod enters the queue.
    PreEnqueue,
    /// The order of the queue.
    QueueSort,
    /// Of pod groups.
    PlacementGenerate,
    /// Of pod groups.
    PlacementScore,
}

impl ExtensionPoint {
    /// All points, in declaration order.
    pub const ALL: [ExtensionPoint; 14] = [
        PreFilter,
        Filter,
        PostFilter,
        Reserve,
        PreScore,
        Score,
        PreBind,
        Bind,
        ExtensionPoint::PostBind,
        ExtensionPoint::Permit,
        PreEnqueue,
        QueueSort,
        ExtensionPoint::PlacementGenerate,
        PlacementScore,
    ];

    /// The field of a configuration's `plugins`.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            PreFilter => "preFilter",
            Filter => "filter",
            PostFilter => "postFilter",
            Reserve => "reserve",
            PreScore => "preScore",
            Score => "score",
            PreBind => "preBind",
            Bind => "bind",
            ExtensionPoint::PostBind => "postBind",
            ExtensionPoint::Permit => "permit",
            PreEnqueue => "preEnqueue",
            QueueSort => "queueSort",
            ExtensionPoint::PlacementGenerate => "placementGenerate",
            PlacementScore => "placementScore",
        }
    }

    /// What upstream's errors call a plugin of this point.
    #[must_use]
    pub fn plugin_type(self) -> &'static str {
        match self {
            PreFilter => "PreFilterPlugin",
            Filter => "FilterPlugin",
            PostFilter => "PostFilterPlugin",
            Reserve => "ReservePlugin",
            PreScore => "PreScorePlugin",
            Score => "ScorePlugin",
            PreBind => "PreBindPlugin",
            Bind => "BindPlugin",
            ExtensionPoint::PostBind => "PostBindPlugin",
            ExtensionPoint::Permit => "PermitPlugin",
            PreEnqueue => "PreEnqueuePlugin",
            QueueSort => "QueueSortPlugin",
            ExtensionPoint::PlacementGenerate => "PlacementGeneratePlugin",
            PlacementScore => "PlacementScorePlugin",
        }
    }
}
