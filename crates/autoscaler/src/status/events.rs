//! The events that Cluster Autoscaler 1.36 writes: on which object, of which type, with which
//! reason and message. Every message is made here, and nowhere else.
//!
//! Source: the calls of `Eventf` and `Event` in `core`, `clusterstate`, `processors`, `expander`
//! and `utils/taints` of release 1.36. Listed is what is handed to the recorder; the recorder of
//! client-go then counts repetitions within minutes on the first of them.

use std::fmt;

use plimsoll_core::SimDuration;

use crate::scale_down::Utilization;
use crate::status::go_text::go_float;
use crate::{Reason, Subject};

/// The namespace of the autoscaler's own ConfigMaps.
pub const AUTOSCALER_NAMESPACE: &str = "kube-system";
/// The ConfigMap that holds the status, and that events about the whole cluster are about.
pub const STATUS_CONFIG_MAP: &str = "cluster-autoscaler-status";
/// The ConfigMap of the expander `priority`.
pub const PRIORITY_CONFIG_MAP: &str = "cluster-autoscaler-priority-expander";
/// Events about objects without a namespace go there.
const DEFAULT_NAMESPACE: &str = "default";

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// The object it is written on.
    pub object: EventObject,
    /// Whether something is wrong.
    pub event_type: EventType,
    /// One word, as monitoring selects by it.
    pub reason: &'static str,
    /// The rest, for people.
    pub message: String,
    /// What it is about, for reports: an event on the status ConfigMap may be about a group.
    pub subject: Subject,
}

/// The types of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// As it should be.
    Normal,
    /// Something is wrong.
    Warning,
}

impl EventType {
    /// Kubernetes' word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        }
    }
}

/// The objects that events are written on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventObject {
    /// The ConfigMap that holds the status.
    Status,
    /// The ConfigMap of the expander `priority`.
    Priorities,
    /// A node, by name.
    Node(String),
    /// The pod `namespace/name`.
    Pod(String),
}

impl EventObject {
    /// The object's kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            EventObject::Status | EventObject::Priorities => "ConfigMap",
            EventObject::Node(_) => "Node",
            EventObject::Pod(_) => "Pod",
        }
    }

    /// The namespace that the event is in; a node has none of its own.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self {
            EventObject::Status | EventObject::Priorities => AUTOSCALER_NAMESPACE,
            EventObject::Node(_) => DEFAULT_NAMESPACE,
            EventObject::Pod(name) => name.split_once('/').map_or("", |(namespace, _)| namespace),
        }
    }

    /// The object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            EventObject::Status => STATUS_CONFIG_MAP,
            EventObject::Priorities => PRIORITY_CONFIG_MAP,
            EventObject::Node(name) => name,
            EventObject::Pod(name) => name.split_once('/').map_or(name, |(_, name)| name),
        }
    }
}

/// `Reason: message`, as reports tell events.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

impl From<&Event> for Reason {
    fn from(event: &Event) -> Reason {
        Reason { subject: event.subject.clone(), text: event.to_string() }
    }
}

impl Event {
    fn new(
        object: EventObject,
        event_type: EventType,
        reason: &'static str,
        message: String,
    ) -> Event {
        let subject = match &object {
            EventObject::Status | EventObject::Priorities => Subject::Cluster,
            EventObject::Node(name) => Subject::Node(name.clone()),
            EventObject::Pod(name) => Subject::Pod(name.clone()),
        };
        Event { object, event_type, reason, message, subject }
    }

    fn normal(object: EventObject, reason: &'static str, message: String) -> Event {
        Event::new(object, EventType::Normal, reason, message)
    }

    fn warning(object: EventObject, reason: &'static str, message: String) -> Event {
        Event::new(object, EventType::Warning, reason, message)
    }

    fn about_group(self, group: &str) -> Event {
        Event { subject: Subject::Group(group.to_owned()), ..self }
    }
}

/// A group grows.
#[derive(Clone, Copy, Debug)]
pub struct Growth<'a> {
    /// The group.
    pub group: &'a str,
    /// Its target size before.
    pub from: u32,
    /// Its target size then.
    pub to: u32,
    /// Its largest size.
    pub max: u32,
}

/// Upstream's form of a list of these: `{a 1->2 (max: 5)}`.
impl fmt::Display for Growth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{} {}->{} (max: {})}}", self.group, self.from, self.to, self.max)
    }
}

/// Scale-up.
impl Event {
    /// The cloud is about to be asked for more machines.
    #[must_use]
    pub fn setting_group_size(growth: Growth<'_>) -> Event {
        let Growth { group, from, to, max } = growth;
        let message =
            format!("Scale-up: setting group {group} size to {to} instead of {from} (max: {max})");
        Event::normal(EventObject::Status, "ScaledUpGroup", message).about_group(group)
    }

    /// The cloud took it.
    #[must_use]
    pub fn group_size_set(growth: Growth<'_>) -> Event {
        let Growth { group, from, to, max } = growth;
        let message =
            format!("Scale-up: group {group} size set to {to} instead of {from} (max: {max})");
        Event::normal(EventObject::Status, "ScaledUpGroup", message).about_group(group)
    }

    /// The cloud refused it, with these words.
    #[must_use]
    pub fn scale_up_refused(group: &str, words: &str) -> Event {
        let message = format!("Scale-up failed for group {group}: {words}");
        Event::warning(EventObject::Status, "FailedToScaleUpGroup", message).about_group(group)
    }

    /// Machines that were asked for did not become Nodes in time.
    #[must_use]
    pub fn scale_up_timed_out(group: &str, waited: SimDuration) -> Event {
        let message = format!("Nodes added to group {group} failed to register within {waited}");
        Event::warning(EventObject::Status, "ScaleUpTimedOut", message).about_group(group)
    }

    /// The target could not be lowered after that.
    #[must_use]
    pub fn revert_failed(group: &str, words: &str) -> Event {
        let message = format!(
            "Failed to decrease target size for group {group} after scale-up timeout: {words}"
        );
        Event::warning(EventObject::Status, "FailedToRevertScaleUp", message).about_group(group)
    }

    /// The cloud could not make machines, because of `class.code`.
    #[must_use]
    pub fn creation_failed(group: &str, count: usize, cause: &str, words: &str) -> Event {
        let message = format!(
            "Failed adding {count} nodes to group {group} due to {cause}; source errors: {words}"
        );
        Event::warning(EventObject::Status, "ScaleUpFailed", message).about_group(group)
    }

    /// `max-nodes-total` keeps from adding (more) nodes.
    #[must_use]
    pub fn max_nodes_total_reached(most: u32) -> Event {
        let message = format!("Max total nodes in cluster reached: {most}");
        Event::warning(EventObject::Status, "MaxNodesTotalReached", message)
    }

    /// The pod `namespace/name` is in the option that was taken.
    #[must_use]
    pub fn triggered_scale_up(pod: &str, message: &str) -> Event {
        Event::normal(EventObject::Pod(pod.to_owned()), "TriggeredScaleUp", message.to_owned())
    }

    /// No group helps the pod `namespace/name`, for these reasons.
    #[must_use]
    pub fn not_triggered_scale_up(pod: &str, why: &str) -> Event {
        let message = format!("pod didn't trigger scale-up: {why}");
        Event::normal(EventObject::Pod(pod.to_owned()), "NotTriggerScaleUp", message)
    }
}

/// The message of [`Event::triggered_scale_up`].
#[must_use]
pub fn triggered_text<'a>(growths: impl Iterator<Item = Growth<'a>>) -> String {
    let parts: Vec<String> = growths.map(|growth| growth.to_string()).collect();
    format!("pod triggered scale-up: [{}]", parts.join(" "))
}

/// The expander `priority`.
impl Event {
    /// The whole ConfigMap is ignored, because of this.
    #[must_use]
    pub fn priorities_invalid(message: String) -> Event {
        Event::warning(EventObject::Priorities, "PriorityConfigMapInvalid", message)
    }

    /// No pattern matches the group's name.
    #[must_use]
    pub fn group_without_priority(group: &str) -> Event {
        let message = format!(
            "Priority expander: node group {group} not found in priority expander configuration. \
             The group won't be used."
        );
        Event::warning(EventObject::Priorities, "PriorityConfigMapNotMatchedGroup", message)
    }

    /// No pattern matches any group that could grow.
    #[must_use]
    pub fn no_group_with_priority() -> Event {
        let message = "Priority expander: no priorities info found for any of the expansion options. \
                       No options filtered.";
        Event::warning(
            EventObject::Priorities,
            "PriorityConfigMapNoGroupMatched",
            message.to_owned(),
        )
    }
}

/// The cluster as a whole, and machines without Nodes.
impl Event {
    /// Nothing is done, because of this.
    #[must_use]
    pub fn cluster_unhealthy(message: &str) -> Event {
        Event::warning(EventObject::Status, "ClusterUnhealthy", message.to_owned())
    }

    /// A machine that never became a Node was given up.
    #[must_use]
    pub fn unregistered_removed(instance: &str) -> Event {
        let message = format!("Removed unregistered node {instance}");
        Event::normal(EventObject::Status, "DeleteUnregistered", message)
    }

    /// The cloud would not delete it.
    #[must_use]
    pub fn unregistered_removal_failed(instance: &str, words: &str) -> Event {
        let message = format!("Failed to remove node {instance}: {words}");
        Event::warning(EventObject::Status, "DeleteUnregisteredFailed", message)
    }

    /// A taint that an earlier process left was taken off.
    #[must_use]
    pub fn taint_cleaned(node: &str, taint: &str) -> Event {
        let message = format!("removed {taint} taint from node {node}");
        Event::normal(EventObject::Node(node.to_owned()), "ClusterAutoscalerCleanup", message)
    }

    /// It could not be taken off.
    #[must_use]
    pub fn taint_cleaning_failed(node: &str, taint: &str, words: &str) -> Event {
        let message = format!("failed to clean {taint} on node {node}: {words}");
        Event::warning(EventObject::Node(node.to_owned()), "ClusterAutoscalerCleanup", message)
    }
}

/// Scale-down.
impl Event {
    /// The node has its taint.
    #[must_use]
    pub fn marked(node: &str) -> Event {
        let message = "marked the node as toBeDeleted/unschedulable".to_owned();
        Event::normal(EventObject::Node(node.to_owned()), "ScaleDown", message)
    }

    /// The taint could not be set.
    #[must_use]
    pub fn marking_failed(node: &str, words: &str) -> Event {
        let message = format!("failed to mark the node as toBeDeleted/unschedulable: {words}");
        Event::warning(EventObject::Node(node.to_owned()), "ScaleDownFailed", message)
    }

    /// An empty node starts to go.
    #[must_use]
    pub fn removing_empty(node: &str) -> Event {
        let message = format!("Scale-down: removing empty node \"{node}\"");
        Event::normal(EventObject::Status, "ScaleDownEmpty", message).about_node(node)
    }

    /// A node starts to go, and these pods (names alone) have to move.
    #[must_use]
    pub fn removing_with_drain(node: &str, utilization: &str, pods: &[&str]) -> Event {
        let message = format!(
            "Scale-down: removing node {node}, utilization: {utilization}, pods to reschedule: {}",
            pods.join(",")
        );
        Event::normal(EventObject::Status, "ScaleDown", message).about_node(node)
    }

    /// The cloud has taken the node's machine away: the node's own event, and the status's.
    #[must_use]
    pub fn removed(node: &str, with_drain: bool) -> [Event; 2] {
        let own = "nodes removed by cluster autoscaler".to_owned();
        let (reason, message) = if with_drain {
            ("ScaleDown", format!("Scale-down: node {node} removed with drain"))
        } else {
            ("ScaleDownEmpty", format!("Scale-down: empty node {node} removed"))
        };
        [
            Event::normal(EventObject::Node(node.to_owned()), "ScaleDown", own),
            Event::normal(EventObject::Status, reason, message).about_node(node),
        ]
    }

    /// A node stays although its deletion had started.
    #[must_use]
    pub fn removal_failed(node: &str, with_drain: bool, words: &str) -> Event {
        let message = if with_drain {
            format!("failed to drain and delete node: {words}")
        } else {
            format!("failed to delete empty node: {words}")
        };
        Event::warning(EventObject::Node(node.to_owned()), "ScaleDownFailed", message)
    }

    /// The pod `namespace/name` is about to be evicted.
    #[must_use]
    pub fn evicting(pod: &str) -> Event {
        let message = "deleting pod for node scale down".to_owned();
        Event::normal(EventObject::Pod(pod.to_owned()), "ScaleDown", message)
    }

    /// It could not be evicted in time.
    #[must_use]
    pub fn eviction_failed(pod: &str) -> Event {
        let message = "failed to delete pod for ScaleDown".to_owned();
        Event::warning(EventObject::Pod(pod.to_owned()), "ScaleDownFailed", message)
    }

    fn about_node(self, node: &str) -> Event {
        Event { subject: Subject::Node(node.to_owned()), ..self }
    }
}

/// A node's utilization as upstream's events print it: the shares of cpu, memory, GPUs and claimed
/// devices, the resource that counts, and its share.
#[must_use]
pub fn utilization_text(utilization: &Utilization) -> String {
    let shares = [utilization.cpu, utilization.memory, utilization.gpu.unwrap_or(0.0), 0.0];
    let shares: Vec<String> = shares.into_iter().map(go_float).collect();
    let (resource, dominant) = (&utilization.resource, go_float(utilization.dominant));
    format!("{{{} {resource} {dominant}}}", shares.join(" "))
}
