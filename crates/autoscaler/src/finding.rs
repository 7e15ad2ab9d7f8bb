//! What a strategy knows of pods, nodes and groups: from the loop that tells it until it tells something
//! else of them.
//!
//! A [`Reason`](crate::Reason) is news for whoever reads along; findings are complete. Between two
//! findings of a pod or node every loop found the first of them, loops that were left out included, so
//! that a report can say what held it from when to when.

use plimsoll_core::SimTime;
use plimsoll_core::ids::GroupId;

/// One finding, and whom it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whom it is about.
    pub about: About,
    /// What was found.
    pub word: Word,
    /// When that ends by itself, as far as the strategy knows: a delay, a cooldown, a back-off. Of an
    /// unneeded node: when it has been unneeded for long enough.
    pub until: Option<SimTime>,
}

/// Whom a finding is about. Pods and nodes are named by their serials, which are never used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Pods that wait.
    Pods(Vec<u64>),
    /// A node.
    Node(u64),
    /// All nodes of a group.
    Group(GroupId),
    /// All nodes.
    Cluster,
}

/// What was found, in words and for programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word {
    /// The word of results: [`PodOutcome::as_str`](crate::pending::PodOutcome::as_str),
    /// [`UnremovableReason::as_str`](crate::scale_down::UnremovableReason::as_str), or one of
    /// `Unneeded`, `NotLookedAt`, `AwaitsBudget`, `NodeDeleteStarted`, `InCooldown`,
    /// `ScaleDownDisabled` and `Candidates` (nothing holds the nodes as a whole any more).
    pub code: &'static str,
    /// The same in words, with what it depends on.
    pub text: String,
    /// Of a pod: what each group says to it, where that matters.
    pub groups: Vec<(String, String)>,
}

impl Word {
    pub(crate) fn new(code: &'static str, text: impl Into<String>) -> Word {
        Word { code, text: text.into(), groups: Vec::new() }
    }
}
