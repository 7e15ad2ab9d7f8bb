//! Keeps book of deletions: what is told when a node is marked, drained, removed or kept.
//!
//! Source: `core/scaledown/actuation` of release 1.36.

use std::collections::BTreeMap;

use plimsoll_core::Cluster;
use plimsoll_core::drain::is_daemon_set_pod;
use plimsoll_core::ids::{NodeId, PodId};

use super::events::{Event, utilization_text};
use super::families as family;
use super::gpu::GpuLabels;
use super::metrics::Metrics;
use crate::action::DeletionCause;
use crate::registry::Registry;
use crate::scale_down::{ScaleDown, StartedScaleDown};

/// The book.
#[derive(Clone, Debug, Default)]
pub(super) struct DeletionBook {
    going: BTreeMap<NodeId, GoingNode>,
    /// Nodes that are marked in this loop, in order.
    marking: Vec<Marking>,
    /// Evictions by the pod's serial.
    evictions: BTreeMap<u64, Eviction>,
    /// Nodes that lose taints of an earlier process, and which.
    cleaning: BTreeMap<NodeId, (String, Vec<&'static str>)>,
}

#[derive(Clone, Debug)]
struct GoingNode {
    name: String,
    group: String,
    with_drain: bool,
    was_ready: bool,
    gpus: GpuLabels,
    /// What is told once all nodes of its kind are marked.
    announcement: Event,
}

#[derive(Clone, Debug)]
struct Marking {
    node: NodeId,
    with_drain: bool,
    is_done: bool,
}

#[derive(Clone, Debug)]
struct Eviction {
    pod: String,
    node: NodeId,
    /// Nobody waits for it, and nobody is told if it fails.
    is_best_effort: bool,
    is_done: bool,
    last_words: String,
}

impl DeletionBook {
    /// Forgets what has ended by itself, and notes which taints are cleaned up.
    pub(super) fn begin_loop(
        &mut self,
        scale_down: &ScaleDown,
        cleaned: &[(NodeId, String, Vec<&'static str>)],
    ) {
        let deletions = scale_down.deletions();
        self.going.retain(|node, _| deletions.is_going(*node));
        let going = &self.going;
        self.evictions.retain(|_, eviction| going.contains_key(&eviction.node));
        self.marking.clear();
        self.cleaning = cleaned
            .iter()
            .map(|(node, name, keys)| (*node, (name.clone(), keys.clone())))
            .collect();
    }

    /// The loop starts these deletions.
    pub(super) fn start(
        &mut self,
        cluster: &Cluster,
        registry: &Registry,
        started: &[StartedScaleDown],
        scale_down: &ScaleDown,
    ) {
        for one in started {
            let node = cluster.node(one.node);
            let name = node.name.to_string();
            let with_drain = one.cause == DeletionCause::Underutilized;
            let found = scale_down.utilization().iter().find(|(node, _)| *node == one.node);
            let utilization = found.map_or_else(String::new, |(_, found)| utilization_text(found));
            let pods: Vec<String> =
                one.evicts.iter().map(|pod| cluster.pod(*pod).name.to_string()).collect();
            let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
            let announcement = if with_drain {
                Event::removing_with_drain(&name, &utilization, &pods)
            } else {
                Event::removing_empty(&name)
            };
            let template = cluster.catalog().template(node.template);
            let group = &cluster.group(one.group).spec;
            let gpus = GpuLabels::of(
                cluster,
                &template.labels,
                &template.capacity,
                &template.allocatable,
                Some(&group.template),
            );
            let class = registry.classes().get(one.node.index()).copied().flatten();
            self.marking.push(Marking { node: one.node, with_drain, is_done: false });
            self.going.insert(
                one.node,
                GoingNode {
                    name,
                    group: group.name.clone(),
                    with_drain,
                    was_ready: class.is_some_and(|class| class.ready),
                    gpus,
                    announcement,
                },
            );
        }
    }

    /// Taints were set, or not. True when a deletion could not start because of it.
    pub(super) fn tainted(
        &mut self,
        node: NodeId,
        refusal: Option<&str>,
        events: &mut Vec<Event>,
    ) -> bool {
        if let Some((name, keys)) = self.cleaning.remove(&node) {
            events.extend(keys.into_iter().map(|key| match refusal {
                None => Event::taint_cleaned(&name, key),
                Some(words) => Event::taint_cleaning_failed(&name, key, words),
            }));
            return false;
        }
        let Some(place) = self.marking.iter().position(|one| one.node == node && !one.is_done)
        else {
            return false;
        };
        let with_drain = self.marking[place].with_drain;
        let Some(going) = self.going.get(&node) else { return false };
        if let Some(words) = refusal {
            // Upstream tells it where it marks the node, and again where it gives up all of them.
            let event = Event::marking_failed(&going.name, words);
            events.extend([event.clone(), event]);
            let stays = |one: &Marking| one.with_drain || !with_drain;
            for one in self.marking.extract_if(.., |one| stays(one)) {
                self.going.remove(&one.node);
            }
            return true;
        }
        events.push(Event::marked(&going.name));
        self.marking[place].is_done = true;
        let of_kind = |one: &&Marking| one.with_drain == with_drain;
        if self.marking.iter().filter(of_kind).all(|one| one.is_done) {
            let announced = self.marking.extract_if(.., |one| one.with_drain == with_drain);
            let going = &self.going;
            let told = announced.filter_map(|one| going.get(&one.node));
            events.extend(told.map(|going| going.announcement.clone()));
        }
        false
    }

    /// A pod is about to be evicted; only the first try is told.
    pub(super) fn evicts(
        &mut self,
        cluster: &Cluster,
        pod: PodId,
        serial: u64,
        events: &mut Vec<Event>,
    ) {
        let Some(state) = cluster.find_pod(pod).filter(|state| state.serial == serial) else {
            return;
        };
        let Some(node) = state.node.filter(|node| self.going.contains_key(node)) else { return };
        self.evictions.entry(serial).or_insert_with(|| {
            let pod_name = cluster.pod_full_name(pod);
            events.push(Event::evicting(&pod_name));
            Eviction {
                pod: pod_name,
                node,
                is_best_effort: is_daemon_set_pod(cluster, pod),
                is_done: false,
                last_words: String::new(),
            }
        });
    }

    /// What became of a try.
    pub(super) fn evicted(&mut self, serial: u64, refusal: Option<&str>, metrics: &mut Metrics) {
        let Some(eviction) = self.evictions.get_mut(&serial) else { return };
        match refusal {
            Some(words) => words.clone_into(&mut eviction.last_words),
            None if !std::mem::replace(&mut eviction.is_done, true) && !eviction.is_best_effort => {
                metrics.add(&family::EVICTED_PODS_TOTAL, &["succeeded"], 1);
            }
            None => {}
        }
    }

    /// The cloud has deleted the node, or not.
    pub(super) fn deleted(
        &mut self,
        node: NodeId,
        refusal: Option<&str>,
        events: &mut Vec<Event>,
        metrics: &mut Metrics,
    ) {
        let Some(going) = self.forget(node) else { return };
        if let Some(words) = refusal {
            let words = format!("failed to delete nodes from group {}: {words}", going.group);
            events.push(Event::removal_failed(&going.name, going.with_drain, &words));
            return;
        }
        let reason = match (going.was_ready, going.with_drain) {
            (false, _) => "unready",
            (true, true) => "underutilized",
            (true, false) => "empty",
        };
        let labels = ["", going.gpus.gpu_type.as_str(), going.gpus.resource.as_str(), reason];
        metrics.add(&family::SCALED_DOWN_NODES_TOTAL, &labels, 1);
        if going.gpus.any() {
            metrics.add(&family::SCALED_DOWN_GPU_NODES_TOTAL, &labels[1..], 1);
        }
        events.extend(Event::removed(&going.name, going.with_drain));
    }

    /// The node stays. What was told where it happened is not told again.
    pub(super) fn gives_up(
        &mut self,
        node: NodeId,
        reason: &str,
        events: &mut Vec<Event>,
        metrics: &mut Metrics,
    ) {
        let failed: Vec<(String, String)> = self
            .evictions
            .values()
            .filter(|one| one.node == node && !one.is_best_effort && !one.is_done)
            .map(|one| (one.pod.clone(), one.last_words.clone()))
            .collect();
        let Some(going) = self.forget(node) else { return };
        for (pod, _) in &failed {
            events.push(Event::eviction_failed(pod));
            metrics.add(&family::EVICTED_PODS_TOTAL, &["failed"], 1);
        }
        let words = failure_words(&going.name, reason, &failed);
        events.push(Event::removal_failed(&going.name, going.with_drain, &words));
    }

    fn forget(&mut self, node: NodeId) -> Option<GoingNode> {
        self.evictions.retain(|_, eviction| eviction.node != node);
        self.going.remove(&node)
    }
}

/// Why a node stays, in upstream's words; `reason` is in ours.
fn failure_words(node: &str, reason: &str, failed: &[(String, String)]) -> String {
    if !failed.is_empty() {
        let each: Vec<String> = failed
            .iter()
            .map(|(pod, words)| {
                format!("failed to evict pod {pod} within allowed timeout (last error: {words})")
            })
            .collect();
        let all = each.join(" ");
        return format!("Failed to drain node /{node}, due to following errors: [{all}]");
    }
    let (rule, pod) = reason.split_once(": ").unwrap_or((reason, ""));
    let name = pod.split_once('/').map_or(pod, |(_, name)| name);
    let blocked = match rule {
        "pods remaining after timeout" => return format!("Failed to drain node /{node}: {rule}"),
        "node is not empty" => {
            return format!("failed to delete empty node \"{node}\", new pods scheduled");
        }
        "NotReplicated" => format!("{pod} is not replicated"),
        "LocalStorageRequested" => format!("pod with local storage present: {name}"),
        "NotSafeToEvictAnnotation" => {
            format!("pod annotated as not safe to evict present: {name}")
        }
        "UnmovableKubeSystemPod" => {
            format!("non-daemonset, non-mirrored, non-pdb-assigned kube-system pod present: {name}")
        }
        "NotEnoughPdb" => format!("not enough pod disruption budget to move {pod}"),
        "ControllerNotFound" => format!("replication controller for {pod} is not available"),
        "MinReplicasReached" => format!("replication controller for {pod} has too few replicas"),
        _ => return reason.to_owned(),
    };
    format!("GetPodsToMove for \"{node}\" returned error: {blocked}")
}
