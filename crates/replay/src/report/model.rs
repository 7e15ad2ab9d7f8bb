//! What one replay of one strategy found: the document that `replay --json` prints.
//!
//! A report is a pure function of the recording, the settings and the seed. It carries no reading
//! of a wall clock, and every list in it has a stated order, so the same input gives the same bytes.

use std::collections::BTreeMap;

use plimsoll_core::{SimDuration, SimTime};
use serde::{Deserialize, Serialize};

use super::explanations::Explanations;
use super::money::MicroUsd;
use super::pending::PendingSeconds;
use super::seconds::Seconds;
use super::serde_time::{instant, optional_instant, span};
use super::snapshot::{ClusterSnapshot, SnapshotNode};
use super::step_series::StepSeries;

/// The `apiVersion` of every report.
pub const API_VERSION: &str = "plimsoll.dev/v1alpha1";
/// The `kind` of a [`ReplayReport`].
pub const REPLAY_REPORT_KIND: &str = "ReplayReport";

/// One strategy's replay of one source over one window of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayReport {
    /// Always [`API_VERSION`].
    pub api_version: String,
    /// Always [`REPLAY_REPORT_KIND`].
    pub kind: String,
    /// What was replayed: the name of the history or scenario file as the user gave it.
    pub source: String,
    /// The strategy that decided, such as `cluster-autoscaler` or `recorded`.
    pub strategy: String,
    /// Whether the whole window was lived through or single bursts of scale-ups were.
    #[serde(default)]
    pub mode: ReplayMode,
    /// The seed of every random choice.
    pub seed: u64,
    /// How many controllers of each kind (`Deployment`, `Job`, ...) own the pods of the window.
    #[serde(default)]
    pub workloads: BTreeMap<String, u64>,
    /// Where the replay began.
    #[serde(with = "instant")]
    pub start_time: SimTime,
    /// Where it ended.
    #[serde(with = "instant")]
    pub end_time: SimTime,
    /// How much recorded time each entry of [`deployed_pods`](Self::deployed_pods) covers.
    #[serde(with = "span")]
    pub batch_interval: SimDuration,
    /// The cluster at `start_time`.
    pub start: ClusterSnapshot,
    /// The cluster at `end_time`.
    pub end: ClusterSnapshot,
    /// Nodes asked for in all, by node group; groups that never grew are left out.
    pub scaled_up_node_groups: BTreeMap<String, u32>,
    /// The nodes that came of it and registered, in that order.
    pub scaled_up_nodes: Vec<SnapshotNode>,
    /// The pods (`ns/name`) created in each batch interval that had some, oldest first.
    pub deployed_pods: Vec<Vec<String>>,
    /// The figures of the whole window.
    pub totals: Totals,
    /// The figures by node group, in order of name.
    #[serde(default)]
    pub groups: Vec<GroupTotals>,
    /// Nodes, pending pods and price over time: a point for each instant at which one changed,
    /// holding until the next point. Oldest first.
    pub series: Vec<SeriesPoint>,
    /// The autoscaler's loops that did something, oldest first.
    pub decisions: Vec<LoopDecision>,
    /// The pods that were never bound, with what held them, in order of owner and reason.
    #[serde(default)]
    pub never_scheduled: Vec<NeverScheduled>,
    /// Who waited: one entry for each owner whose pods waited at all, longest wait first.
    #[serde(default)]
    pub waits_by_owner: Vec<OwnerWaits>,
    /// In scale-ups mode: each recorded burst of scale-ups and what the strategy made of it.
    #[serde(default)]
    pub scale_up_bursts: Vec<ScaleUpBurst>,
    /// How closely the replay under the recorded settings reproduces what happened; absent where the
    /// source is no recording.
    #[serde(default)]
    pub backtest: Option<Backtest>,
    /// What the replay took for granted where the source does not say, one sentence each: how ties
    /// fall, where the first nodes came from, which prices are missing.
    #[serde(default)]
    pub assumptions: Vec<String>,
    /// The lives of all pods and nodes, for `plimsoll explain`.
    #[serde(default)]
    pub explanations: Explanations,
}

/// What is replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplayMode {
    /// The whole window, in one world that lives on under the strategy's own decisions.
    #[default]
    Timeline,
    /// Each burst of recorded scale-ups on its own, from the recorded state at its decision.
    ScaleUps,
}

/// The figures of the whole window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Hours of nodes that were paid for: from the instance's creation to its deletion, empty, failed
    /// and unneeded ones included. Rounded to 3 digits; 0 when no nodes were recorded.
    pub node_hours: f64,
    /// The price of those hours in US dollars, in whole cents; `null` when a group that ran has no
    /// price, or when no nodes were recorded.
    pub cost: Option<MicroUsd>,
    /// Pods that came into being, those pending at the start included.
    pub pods_created: u64,
    /// Pods that were bound to a node in the window.
    pub pods_scheduled: u64,
    /// Pods that were never bound, whether they were deleted while they waited or wait still.
    pub pods_never_scheduled: u64,
    /// The waits of the pods that were bound.
    pub pending_seconds: PendingSeconds,
    /// The waits, summed, of the pods that never were, up to the end of the window.
    pub still_pending_seconds: Seconds,
    /// Increases of a node group's target size.
    pub scale_ups: u64,
    /// Nodes whose deletion the strategy started.
    pub scale_downs: u64,
    /// Pods evicted by scale-down or reclaim.
    pub evictions: u64,
    /// CPU requested by running pods over allocatable CPU, both integrated over the window; a
    /// fraction rounded to 4 digits.
    pub cpu_utilization: f64,
    /// The same of memory.
    pub memory_utilization: f64,
}

/// The figures of one node group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupTotals {
    /// The group.
    pub group: String,
    /// As in [`Totals::node_hours`].
    pub node_hours: f64,
    /// As in [`Totals::cost`]; `null` when the group has no price.
    pub cost: Option<MicroUsd>,
    /// The most nodes that it had at any instant.
    pub peak_nodes: u64,
    /// Increases of its target size.
    pub scale_ups: u64,
    /// Nodes whose deletion the strategy started.
    pub scale_downs: u64,
}

/// The cluster's size, queue and price from `time` until the next point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeriesPoint {
    /// When these values began to hold.
    #[serde(with = "instant")]
    pub time: SimTime,
    /// Instances that are paid for, those still booting included.
    pub nodes: u32,
    /// Nodes that are registered and ready.
    pub ready_nodes: u32,
    /// Pods that wait for a node.
    pub pending_pods: u32,
    /// The price of the nodes in US dollars per hour; `null` when one of them has no price.
    #[serde(default)]
    pub cost_per_hour: Option<MicroUsd>,
}

/// One of the values of a [`SeriesPoint`], such as [`SeriesPoint::node_count`].
pub type SeriesValue = fn(&SeriesPoint) -> i64;

/// One loop of the autoscaler that did something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoopDecision {
    /// When the loop ran.
    #[serde(with = "instant")]
    pub time: SimTime,
    /// Groups whose target was raised, in order of name.
    pub scale_ups: Vec<GroupScaleUp>,
    /// Nodes whose deletion was started, in order of name.
    pub scale_downs: Vec<NodeScaleDown>,
    /// Why, in the strategy's words.
    pub reasons: Vec<String>,
}

/// One group's target raised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupScaleUp {
    /// The group.
    pub group: String,
    /// The target size before.
    pub from: u32,
    /// The target size after.
    pub to: u32,
}

/// One node taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeScaleDown {
    /// The node.
    pub node: String,
    /// Its group.
    pub group: String,
    /// `empty`, `underutilized`, or the strategy's own word.
    pub reason: String,
    /// The pods (`ns/name`) that a place was found for elsewhere.
    pub moves: Vec<String>,
    /// When the node was gone; `null` when that was after the window.
    #[serde(default, with = "optional_instant")]
    pub removed_at: Option<SimTime>,
}

/// Pods of one owner that one reason kept from ever being bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NeverScheduled {
    /// The owner (`ns/name`); a bare pod is its own.
    pub owner: String,
    /// What held them, such as `no group has 32 cpu`.
    pub reason: String,
    /// The pods (`ns/name`), sorted.
    pub pods: Vec<String>,
}

/// The waits of one owner's pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerWaits {
    /// The owner (`ns/name`).
    pub owner: String,
    /// Its pods that were bound.
    pub pods_scheduled: u64,
    /// Its pods that never were.
    pub pods_never_scheduled: u64,
    /// The waits of those that were bound.
    pub pending_seconds: PendingSeconds,
}

/// A burst of recorded scale-ups, beside what the strategy does from the same state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleUpBurst {
    /// The instant whose state the strategy was given: the recorded decision's, not its event's.
    #[serde(with = "instant")]
    pub time: SimTime,
    /// Pods that were waiting at that instant.
    #[serde(default)]
    pub pending_pods: u64,
    /// Nodes that the recorded autoscaler asked for, by group.
    pub recorded: BTreeMap<String, u32>,
    /// Nodes that the strategy asks for, by group.
    pub replayed: BTreeMap<String, u32>,
    /// Whether both are the same groups by the same numbers.
    pub agrees: bool,
}

/// How far the replay under recorded settings is from what happened. Fractions, rounded to 4 digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backtest {
    /// The mean over time of |replayed − recorded| nodes over recorded nodes; instants without
    /// recorded nodes are left out. 0 is perfect; `null` when the recording has no nodes.
    pub node_count_mape: Option<f64>,
    /// Replayed minus recorded median wait, in seconds.
    pub pending_seconds_p50_error: f64,
    /// The share of pods that landed in the node group in which they really ran. 1 is perfect;
    /// `null` when the recording has no placements.
    pub placement_agreement: Option<f64>,
}

impl ReplayReport {
    /// The length of the replayed window.
    #[must_use]
    pub fn window(&self) -> SimDuration {
        self.end_time - self.start_time
    }

    /// One value of each [`SeriesPoint`] as a step function.
    #[must_use]
    pub fn step_series(&self, value: SeriesValue) -> StepSeries {
        StepSeries::new(self.series.iter().map(|point| (point.time, value(point))))
    }
}

impl SeriesPoint {
    /// The nodes, for [`ReplayReport::step_series`].
    #[must_use]
    pub fn node_count(&self) -> i64 {
        i64::from(self.nodes)
    }

    /// The ready nodes, for [`ReplayReport::step_series`].
    #[must_use]
    pub fn ready_node_count(&self) -> i64 {
        i64::from(self.ready_nodes)
    }

    /// The pending pods, for [`ReplayReport::step_series`].
    #[must_use]
    pub fn pending_pod_count(&self) -> i64 {
        i64::from(self.pending_pods)
    }

    /// The price in micro-dollars per hour, 0 where it is not known, for
    /// [`ReplayReport::step_series`].
    #[must_use]
    pub fn microusd_per_hour(&self) -> i64 {
        self.cost_per_hour.map_or(0, |price| price.0)
    }
}

impl Totals {
    /// Whether anything is known of machines: a recording without nodes tells neither their hours
    /// nor their cost nor their use, which are then no zeros. Where there were none, they cost $0.
    #[must_use]
    pub fn knows_machines(&self) -> bool {
        self.cost.is_some() || self.node_hours > 0.0
    }
}

impl NeverScheduled {
    /// Gathers `(owner, reason, pod)` into one entry for each owner and reason, in that order.
    #[must_use]
    pub fn gather(pods: impl IntoIterator<Item = (String, String, String)>) -> Vec<NeverScheduled> {
        let mut gathered: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for (owner, reason, pod) in pods {
            gathered.entry((owner, reason)).or_default().push(pod);
        }
        let entry = |((owner, reason), mut pods): ((String, String), Vec<String>)| {
            pods.sort_unstable();
            NeverScheduled { owner, reason, pods }
        };
        gathered.into_iter().map(entry).collect()
    }
}

impl OwnerWaits {
    /// Sorts into the order of a report: longest wait first, then most pods never scheduled, then
    /// name.
    pub fn sort_longest_first(waits: &mut [OwnerWaits]) {
        waits.sort_by(|a, b| {
            let key = |w: &OwnerWaits| (w.pending_seconds.max, w.pods_never_scheduled);
            key(b).cmp(&key(a)).then_with(|| a.owner.cmp(&b.owner))
        });
    }
}

impl ScaleUpBurst {
    /// A burst with [`agrees`](Self::agrees) worked out; groups by 0 nodes are dropped.
    #[must_use]
    pub fn new(
        time: SimTime,
        pending_pods: u64,
        mut recorded: BTreeMap<String, u32>,
        mut replayed: BTreeMap<String, u32>,
    ) -> ScaleUpBurst {
        recorded.retain(|_, nodes| *nodes > 0);
        replayed.retain(|_, nodes| *nodes > 0);
        let agrees = recorded == replayed;
        ScaleUpBurst { time, pending_pods, recorded, replayed, agrees }
    }
}
