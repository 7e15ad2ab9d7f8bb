//! Node autoscaling decisions: pure functions of a cluster and an instant.
//!
//! A strategy reads a cluster, says what it would do and why, and acts on nothing. Whoever drives it
//! (a replay, a live loop) carries the actions out and reports what became of each. A strategy
//! cannot know whether it is live or simulated.

pub mod action;
pub mod actuation;
pub mod backoff;
pub mod capacity_buffers;
pub mod chance;
pub mod cluster_autoscaler;
pub mod finding;
#[cfg(test)]
mod fixture;
pub mod injection;
pub mod invariants;
pub mod loop_context;
pub mod pending;
pub mod provisioning_requests;
pub mod registry;
pub mod scale_down;
pub mod scale_up;
pub mod settings;
pub mod status;
pub mod taints;
pub mod threshold;

pub use action::{Action, Outcome};
pub use cluster_autoscaler::ClusterAutoscaler;
pub use finding::Finding;
pub use loop_context::LoopContext;
pub use settings::Settings;
pub use threshold::{Threshold, ThresholdSettings};

use std::fmt;

use plimsoll_core::{Cluster, Fork, SimTime};

/// A node autoscaler.
///
/// The driver keeps to this protocol:
/// 1. At each loop instant it calls [`decide`](NodeAutoscaler::decide), carries the actions out in
///    order, as far as they are [still wanted](NodeAutoscaler::still_wants), and hands each outcome to
///    [`observe`](NodeAutoscaler::observe) at once.
/// 2. Then, and first thing at each instant that [`next_resume`](NodeAutoscaler::next_resume)
///    names, it calls [`resume`](NodeAutoscaler::resume) over and over, carrying out and observing
///    the actions of each call, until a call gives none.
pub trait NodeAutoscaler {
    /// The strategy's name, as on the command line.
    fn name(&self) -> &str;

    /// One loop: what to do and why. What it tries on the fork is gone when it returns.
    fn decide(&mut self, cluster: &mut Fork<'_>, now: SimTime) -> Decision;

    /// Asked right before an action of the last decision is carried out: whether it is still wanted
    /// after what became of those before it. If not, the driver passes it over.
    fn still_wants(&mut self, _action: &Action) -> bool {
        true
    }

    /// The flags whose limits of the whole cluster every decision is held against; `None`: the
    /// strategy has no such limits.
    fn limits(&self) -> Option<&Settings> {
        None
    }

    /// Whether the last loop came to something: it has enlarged a group or begun to delete a node.
    /// Where loops are frequent, others follow at once.
    fn was_productive(&self) -> bool {
        false
    }

    /// Goes on with what earlier decisions began (taint, wait, evict, delete).
    fn resume(&mut self, cluster: &Cluster, now: SimTime) -> Vec<Action>;

    /// When something that was begun goes on by itself.
    fn next_resume(&self) -> Option<SimTime>;

    /// What became of an action.
    fn observe(&mut self, action: &Action, outcome: &Outcome, cluster: &Cluster, now: SimTime);

    /// From now on loops tell [`take_findings`](NodeAutoscaler::take_findings) what they found. A
    /// strategy without findings has nothing to do.
    fn tell_findings(&mut self) {}

    /// What the last loop found that the one before had not, once its actions have been carried out
    /// and observed. Empty before [`tell_findings`](NodeAutoscaler::tell_findings).
    fn take_findings(&mut self) -> Vec<Finding> {
        Vec::new()
    }
}

/// What one loop decided.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// What to do, in this order.
    pub actions: Vec<Action>,
    /// Why, one finding a line, for reports; only findings that are new since the last loop.
    pub reasons: Vec<Reason>,
    /// As long as the cluster's version stays what it was, loops before this instant would decide
    /// nothing, and the driver may leave them out. `None`: the next loop must run.
    pub idle_until: Option<SimTime>,
}

/// A finding of a loop.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// What it is about.
    pub subject: Subject,
    /// The finding, in Cluster Autoscaler's words where it has some.
    pub text: String,
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The pod `namespace/name`.
    Pod(String),
    /// A node, by name.
    Node(String),
    /// A node group, by name.
    Group(String),
    /// Another object: kind, namespace and name.
    Object(String),
    /// The whole cluster.
    Cluster,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Pod(name) => write!(f, "pod {name}: {}", self.text),
            Subject::Node(name) => write!(f, "node {name}: {}", self.text),
            Subject::Group(name) => write!(f, "group {name}: {}", self.text),
            Subject::Object(name) => write!(f, "{name}: {}", self.text),
            Subject::Cluster => f.write_str(&self.text),
        }
    }
}
