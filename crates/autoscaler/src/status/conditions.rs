//! What the status says of the cluster and of each group, as plain data.
//!
//! Source: `GetStatus` of `clusterstate/clusterstate.go`, release 1.36. Each condition carries when
//! it was looked at and since when it is what it is, so that the status of one loop is made from
//! that of the loop before.

use plimsoll_core::ids::GroupId;
use plimsoll_core::{Cluster, SimTime};

use crate::registry::{GroupState, Registry};
use crate::settings::Settings;
use crate::status::go_text::go_duration;

/// Longer error messages are cut, as all groups share one ConfigMap.
const ERROR_MESSAGE_BYTES_MAX: usize = 500;
/// What stands at the end of one that was cut.
const CUT_MARK: &str = "<truncated>";

/// The status at the end of a loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterStatus {
    /// The loop's instant; that of writing, where no loop has come so far.
    pub at: SimTime,
    /// Why no loop has come so far; `None`: the autoscaler is running.
    pub initializing: Option<String>,
    /// The whole cluster.
    pub cluster: ClusterConditions,
    /// Each group, in the order of their ids.
    pub groups: Vec<GroupConditions>,
}

/// What is said of the whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterConditions {
    /// Whether few enough nodes are unready.
    pub health: Condition,
    /// Its nodes, those of no group included.
    pub nodes: NodeCounts,
    /// Whether any group grows.
    pub scale_up: Condition,
    /// Whether any node is unneeded.
    pub scale_down: Condition,
    /// How many are.
    pub candidates: u32,
}

/// What is said of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupConditions {
    /// Its name.
    pub name: String,
    /// Whether few enough of its nodes are missing.
    pub health: Condition,
    /// Its nodes.
    pub nodes: NodeCounts,
    /// How many machines the cloud has been asked for.
    pub target: i64,
    /// Its smallest size.
    pub min_size: u32,
    /// Its largest size.
    pub max_size: u32,
    /// Whether it grows, or why it may not.
    pub scale_up: Condition,
    /// What it is in back-off for.
    pub backoff: Option<ScaleUpError>,
    /// Whether any of its nodes is unneeded.
    pub scale_down: Condition,
    /// How many are.
    pub candidates: u32,
}

/// A word, when it was looked at, and since when it is so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// `None`: nobody has looked yet.
    pub word: Option<Word>,
    /// The last look; `None` too for a group without a node or machine that anybody has seen.
    pub probed_at: Option<SimTime>,
    /// The look that first found it so.
    pub since: Option<SimTime>,
}

/// What a condition may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Word {
    /// Nothing much is wrong.
    Healthy,
    /// Too many nodes are unready or missing.
    Unhealthy,
    /// Nodes are on their way.
    InProgress,
    /// They are not.
    NoActivity,
    /// A failure is too short a time ago.
    Backoff,
    /// Nodes are unneeded.
    CandidatesPresent,
    /// None is.
    NoCandidates,
}

impl Word {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Word::Healthy => "Healthy",
            Word::Unhealthy => "Unhealthy",
            Word::InProgress => "InProgress",
            Word::NoActivity => "NoActivity",
            Word::Backoff => "Backoff",
            Word::CandidatesPresent => "CandidatesPresent",
            Word::NoCandidates => "NoCandidates",
        }
    }

    fn of_health(is_healthy: bool) -> Word {
        if is_healthy { Word::Healthy } else { Word::Unhealthy }
    }

    fn of_candidates(count: u32) -> Word {
        if count > 0 { Word::CandidatesPresent } else { Word::NoCandidates }
    }
}

impl Condition {
    /// The condition after another look.
    fn now(word: Word, probed_at: Option<SimTime>, before: Condition) -> Condition {
        let same = before.word == Some(word);
        Condition {
            word: Some(word),
            probed_at,
            since: if same { before.since } else { probed_at },
        }
    }
}

/// Nodes by how the registry counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCounts {
    /// All of them.
    pub registered: u32,
    /// Pods can run.
    pub ready: u32,
    /// Not ready, and young enough for that.
    pub not_started: u32,
    /// Their machines are gone or going.
    pub being_deleted: u32,
    /// Their machines are stopped, and kept.
    pub suspended: u32,
    /// Not ready, though they should be.
    pub unready: u32,
    /// Of the unready ones those that only wait for their GPUs or devices.
    pub resource_unready: u32,
    /// Machines that have had no Node for longer than max-node-provision-time.
    pub long_unregistered: u32,
    /// Machines without a Node, for less.
    pub unregistered: u32,
}

impl NodeCounts {
    /// What the registry counted of a group.
    #[must_use]
    pub fn of_group(state: &GroupState) -> NodeCounts {
        NodeCounts {
            registered: state.registered,
            ready: state.ready,
            not_started: state.not_started,
            being_deleted: state.deleted,
            unready: state.unready,
            suspended: state.suspended,
            resource_unready: state.resource_unready,
            long_unregistered: state.long_unregistered,
            unregistered: state.unregistered,
        }
    }
}

/// Why a group could not be enlarged. The default says nothing, as of a failure before the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScaleUpError {
    /// The cloud's code, `timeout`, or `cloudProviderError` for a request that was refused.
    pub code: String,
    /// In words.
    pub message: String,
}

impl ScaleUpError {
    /// The cloud refused to enlarge a group, with these words.
    #[must_use]
    pub fn refused(words: &str) -> ScaleUpError {
        ScaleUpError {
            code: "cloudProviderError".to_owned(),
            message: format!("failed to increase node group size: {words}"),
        }
    }

    /// Nodes that were asked for did not come in time.
    #[must_use]
    pub fn timed_out(group: &str, waited: plimsoll_core::SimDuration) -> ScaleUpError {
        ScaleUpError {
            code: "timeout".to_owned(),
            message: format!(
                "Scale-up timed out for node group {group} after {}",
                go_duration(waited)
            ),
        }
    }

    /// The message, cut to what the status may hold.
    #[must_use]
    pub fn short_message(&self) -> String {
        if self.message.len() <= ERROR_MESSAGE_BYTES_MAX {
            return self.message.clone();
        }
        let end = self.message.floor_char_boundary(ERROR_MESSAGE_BYTES_MAX - CUT_MARK.len());
        format!("{}{CUT_MARK}", &self.message[..end])
    }
}

/// Which nodes the last loop that looked for unneeded ones found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// By group index.
    pub by_group: Vec<u32>,
    /// When that was; `None`: no loop got that far.
    pub at: Option<SimTime>,
}

/// What a status is made from, besides the one before.
#[derive(Clone, Copy, Debug)]
pub struct StatusInputs<'a> {
    /// The cluster after the loop's increases.
    pub cluster: &'a Cluster,
    /// The flags.
    pub settings: &'a Settings,
    /// The registry after the loop.
    pub registry: &'a Registry,
    /// The nodes of the whole cluster.
    pub totals: NodeCounts,
    /// What is unneeded.
    pub candidates: &'a Candidates,
    /// The loop's instant.
    pub at: SimTime,
}

impl ClusterStatus {
    /// The status of a process that has not run a loop yet, for this reason.
    #[must_use]
    pub fn initializing(at: SimTime, why: &str) -> ClusterStatus {
        ClusterStatus {
            at,
            initializing: Some(why.to_owned()),
            cluster: ClusterConditions::default(),
            groups: Vec::new(),
        }
    }

    /// The status after a loop, given that after the loop before.
    #[must_use]
    pub fn after_loop(inputs: &StatusInputs<'_>, last: Option<&ClusterStatus>) -> ClusterStatus {
        let nothing = GroupConditions::default();
        let last_of = |id: GroupId, name: &str| {
            let same = last.and_then(|last| last.groups.get(id.index()));
            same.filter(|group| group.name == name).unwrap_or(&nothing)
        };
        let groups: Vec<GroupConditions> = inputs
            .cluster
            .groups()
            .map(|(id, group)| {
                GroupConditions::after_loop(inputs, id, last_of(id, &group.spec.name))
            })
            .collect();
        let before = last.map(|last| last.cluster.clone()).unwrap_or_default();
        let probed_at = Some(inputs.at);
        let is_healthy = inputs.registry.is_cluster_healthy(inputs.settings);
        let grows = groups.iter().any(|group| group.scale_up.word == Some(Word::InProgress));
        let grows = if grows { Word::InProgress } else { Word::NoActivity };
        let candidates: u32 = inputs.candidates.by_group.iter().sum();
        let unneeded = Word::of_candidates(candidates);
        let cluster = ClusterConditions {
            health: Condition::now(Word::of_health(is_healthy), probed_at, before.health),
            nodes: inputs.totals,
            scale_up: Condition::now(grows, probed_at, before.scale_up),
            scale_down: Condition::now(unneeded, inputs.candidates.at, before.scale_down),
            candidates,
        };
        ClusterStatus { at: inputs.at, initializing: None, cluster, groups }
    }
}

impl GroupConditions {
    fn after_loop(
        inputs: &StatusInputs<'_>,
        id: GroupId,
        before: &GroupConditions,
    ) -> GroupConditions {
        let StatusInputs { registry, settings, at, .. } = *inputs;
        let spec = &inputs.cluster.group(id).spec;
        let state = registry.group(id);
        let probed_at = (!state.is_unseen()).then_some(at);
        let is_healthy = registry.is_group_healthy(id, settings);
        let error = registry.backed_off_for(id, at);
        let (scale_up, backoff) = if state.is_scaling_up() {
            (Word::InProgress, None)
        } else if !is_healthy {
            (Word::Unhealthy, None)
        } else if error.is_some() {
            (Word::Backoff, error.cloned())
        } else {
            (Word::NoActivity, None)
        };
        let of_group = |counts: &[u32]| counts.get(id.index()).copied().unwrap_or(0);
        let candidates = of_group(&inputs.candidates.by_group);
        let unneeded = Word::of_candidates(candidates);
        GroupConditions {
            name: spec.name.clone(),
            health: Condition::now(Word::of_health(is_healthy), probed_at, before.health),
            nodes: NodeCounts::of_group(state),
            target: state.target,
            min_size: spec.min_size,
            max_size: spec.max_size,
            scale_up: Condition::now(scale_up, probed_at, before.scale_up),
            backoff,
            scale_down: Condition::now(unneeded, inputs.candidates.at, before.scale_down),
            candidates,
        }
    }
}
