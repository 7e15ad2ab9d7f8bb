//! What a new node of a group would look like, the pods of its DaemonSets included.
//!
//! A group is represented, in this order, by: a good node that it has (ready for more than a
//! minute, schedulable, not being deleted; the one with the lowest id); the last such node that it
//! had; its template; any node at all. Upstream takes the first good node of a list in no order.
//!
//! Source: `processors/nodeinfosprovider/mixed_nodeinfos_processor.go`, `simulator/node_info_utils.go`.

use std::sync::Arc;

use plimsoll_core::devices::{NodeDevices, PoolCounts};
use plimsoll_core::drain::is_daemon_set_pod;
use plimsoll_core::ids::{GroupId, NodeId, PodId, ShapeId, SurfaceId, WorkloadId};
use plimsoll_core::labels::Labels;
use plimsoll_core::node::HOSTNAME_LABEL;
use plimsoll_core::{Cluster, Fork, Node, NodeBirth, NodeGroupSpec, NodeSpec, PodBirth, SimTime};

use crate::registry::Registry;
use crate::settings::Settings;
use crate::taints::lasting_taints;

/// The label that upstream gives to every node that it only imagines, whether made after a real node
/// or after a provider's template. Which DaemonSets run there is found out before.
const TEMPLATE_NODE_LABEL: &str = "cluster-autoscaler.kubernetes.io/template-node";
/// Deprecated labels that upstream adds to a provider's template, and where their values are from.
const DEPRECATED_LABELS: [(&str, &str); 3] = [
    ("beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"),
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
];
/// The priority of `system-node-critical`: such DaemonSets make room for themselves.
const SYSTEM_NODE_CRITICAL: i32 = 2_000_001_000;

/// A new node of a group. It belongs to the cluster that it was made in, and to that one's clones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Labels, taints and size.
    pub spec: NodeSpec,
    /// The pods that run on it from the start.
    pub daemons: Vec<DaemonPod>,
    /// The devices that it brings, and what those pods hold of them.
    pub devices: Arc<NodeDevices>,
    /// What nodes are made after, as that is cheaper than to look up `spec` each time.
    model: Node,
}

/// A pod of a DaemonSet, or a mirror pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DaemonPod {
    /// What it asks for.
    pub shape: ShapeId,
    /// Whose it is.
    pub controller: Option<WorkloadId>,
}

impl Template {
    /// A template without pods: a node of this size, with these labels, taints, annotations and devices.
    #[must_use]
    pub fn new(
        cluster: &mut Cluster,
        spec: NodeSpec,
        annotations: Labels,
        devices: NodeDevices,
    ) -> Template {
        let mut of_model = spec.clone();
        of_model.labels.insert(HOSTNAME_LABEL.to_owned(), String::new());
        let model = cluster.model_node(NodeBirth {
            spec: of_model,
            annotations,
            // It belongs to no group, so that nobody takes it for a real one.
            group: None,
            ready: true,
            ..NodeBirth::default()
        });
        Template { spec, daemons: Vec::new(), devices: Arc::new(devices), model }
    }

    /// Adds a node like this one, with its DaemonSet pods.
    pub fn add(&self, fork: &mut Fork<'_>, name: &str, now: SimTime) -> NodeId {
        fork.give_devices(&self.devices, name);
        self.add_node(fork, name, now)
    }

    /// Adds another node after [`Template::add`] has added the one that is called `first`.
    pub fn add_another(
        &self,
        fork: &mut Fork<'_>,
        first: &str,
        name: &str,
        now: SimTime,
    ) -> NodeId {
        fork.give_devices_like(&self.devices, first, name);
        self.add_node(fork, name, now)
    }

    fn add_node(&self, fork: &mut Fork<'_>, name: &str, now: SimTime) -> NodeId {
        let node = fork.add_node_like(&self.model, name, now);
        for daemon in &self.daemons {
            let pod = fork.add_pod(PodBirth {
                name: Arc::from("daemon"),
                shape: daemon.shape,
                controller: daemon.controller,
                created_at: now,
            });
            fork.bind(pod, node, now);
        }
        node
    }
}

/// The templates of all groups, and what is remembered of nodes that are gone.
#[derive(Clone, Debug, Default)]
pub struct Templates {
    /// By group: its last good node.
    remembered: Vec<Option<Remembered>>,
    /// By group: the pools of devices that a node must have to be ready. Empty while nothing has any.
    expected_pools: Vec<PoolCounts>,
    expects_otherwise: bool,
}

#[derive(Clone, Debug)]
struct Remembered {
    node_serial: u64,
    surface: SurfaceId,
    template: Arc<Template>,
    at: SimTime,
}

impl Templates {
    /// Notes what the good nodes look like. Once a loop, so that a group is still known by its last
    /// node when that is gone.
    ///
    /// # Errors
    /// A good node runs a pod with devices that no other node like it could have. Upstream ends its
    /// loop.
    pub fn remember(
        &mut self,
        cluster: &mut Cluster,
        registry: &Registry,
        settings: &Settings,
        now: SimTime,
    ) -> Result<(), String> {
        self.remembered.resize(cluster.group_count(), None);
        for (index, slot) in self.remembered.iter_mut().enumerate() {
            let Some(id) = registry.representative(GroupId::at(index)) else { continue };
            let node = cluster.node(id);
            let daemons = daemons_on(cluster, node);
            let devices = cluster.devices_of(id, |pod| is_daemon(cluster, pod))?;
            let known = slot.as_mut().filter(|one| {
                one.node_serial == node.serial
                    && one.surface == node.surface
                    && one.template.daemons == daemons
                    && *one.template.devices == devices
            });
            if let Some(known) = known {
                known.at = now;
                continue;
            }
            let (node_serial, surface) = (node.serial, node.surface);
            let template = Arc::new(from_node(cluster, id, (daemons, devices), settings));
            *slot = Some(Remembered { node_serial, surface, template, at: now });
        }
        self.note_expected_pools(cluster, registry, settings, now);
        Ok(())
    }

    /// By group: how many whole pools of devices, by driver, a node must have to be ready. That is
    /// what the group's template had in the last loop; before the first, what the group says.
    #[must_use]
    pub fn expected_pools(&self, cluster: &Cluster) -> Vec<PoolCounts> {
        if self.expected_pools.is_empty() {
            pools_of_groups(cluster)
        } else {
            self.expected_pools.clone()
        }
    }

    /// Whether the last loop's templates have other devices than those of the loop before.
    #[must_use]
    pub fn expects_otherwise(&self) -> bool {
        self.expects_otherwise
    }

    fn note_expected_pools(
        &mut self,
        cluster: &Cluster,
        registry: &Registry,
        settings: &Settings,
        now: SimTime,
    ) {
        let said = pools_of_groups(cluster);
        let before = std::mem::take(&mut self.expected_pools);
        if said.is_empty() && !cluster.devices().has_slices() {
            self.expects_otherwise = !before.is_empty();
            return;
        }
        let pools = cluster.groups().map(|(group, one)| {
            if let Some(known) = self.known(registry, settings, group, now) {
                known.template.devices.whole_pools()
            } else if !one.spec.template.allocatable.is_empty() {
                said.get(group.index()).cloned().unwrap_or_default()
            } else {
                let node = registry.last_resort(group).map(|node| cluster.node_name(node));
                node.map(|name| cluster.devices().whole_pools_of(name)).unwrap_or_default()
            }
        });
        self.expected_pools = pools.collect();
        self.expects_otherwise = before != self.expected_pools;
    }

    /// The good node that stands for a group, or stood for it not too long ago.
    fn known(
        &self,
        registry: &Registry,
        settings: &Settings,
        group: GroupId,
        now: SimTime,
    ) -> Option<&Remembered> {
        let known = self.remembered.get(group.index())?.as_ref()?;
        let stands = registry.representative(group).is_some();
        (stands || known.at + settings.node_info_cache_expire_time >= now).then_some(known)
    }

    /// The template of a group; `None` when nothing is known of it.
    pub fn of_group(
        &self,
        fork: &mut Fork<'_>,
        registry: &Registry,
        settings: &Settings,
        group: GroupId,
        now: SimTime,
    ) -> Option<Arc<Template>> {
        if let Some(known) = self.known(registry, settings, group, now) {
            return Some(with_forced_daemons(&known.template, fork, settings, now));
        }
        if !fork.group(group).spec.template.allocatable.is_empty() {
            return Some(Arc::new(from_provider(fork, group, settings, now)));
        }
        let id = registry.last_resort(group)?;
        let devices = fork.devices_of(id, |pod| is_daemon(fork, pod)).ok()?;
        let daemons = daemons_on(fork, fork.node(id));
        Some(Arc::new(from_node(fork, id, (daemons, devices), settings)))
    }
}

/// The pools that each group says that its new nodes bring; empty when no group says any.
fn pools_of_groups(cluster: &Cluster) -> Vec<PoolCounts> {
    if cluster.groups().all(|(_, group)| group.spec.template_slices.is_empty()) {
        return Vec::new();
    }
    let pools = |spec: &NodeGroupSpec| NodeDevices::of_slices(&spec.template_slices).whole_pools();
    cluster.groups().map(|(_, group)| pools(&group.spec)).collect()
}

/// Whether a pod runs on every node of its kind, and stays on its own.
fn is_daemon(cluster: &Cluster, id: PodId) -> bool {
    let pod = cluster.pod(id);
    pod.deletion_at.is_none()
        && (cluster.shape(pod.shape).is_mirror || is_daemon_set_pod(cluster, id))
}

/// Mirror pods and pods of DaemonSets on a node, as far as they stay.
fn daemons_on(cluster: &Cluster, node: &Node) -> Vec<DaemonPod> {
    let mut daemons: Vec<DaemonPod> = node
        .pods
        .iter()
        .filter(|id| is_daemon(cluster, **id))
        .map(|id| cluster.pod(*id))
        .map(|pod| DaemonPod { shape: pod.shape, controller: pod.controller })
        .collect();
    daemons.sort_unstable();
    daemons
}

fn from_node(
    cluster: &mut Cluster,
    node: NodeId,
    (daemons, devices): (Vec<DaemonPod>, NodeDevices),
    settings: &Settings,
) -> Template {
    let node = cluster.node(node);
    let template = cluster.catalog().template(node.template);
    let mut labels = Labels::clone(&template.labels);
    labels.insert(TEMPLATE_NODE_LABEL.to_owned(), "true".to_owned());
    let spec = NodeSpec {
        labels,
        taints: lasting_taints(settings, cluster.catalog().taints(node.taints)),
        unschedulable: false,
        capacity: template.capacity.clone(),
        allocatable: template.allocatable.clone(),
        declared_features: template.declared_features.clone(),
        // Images decide between nodes only; any node does for an estimate.
        images: Vec::new(),
    };
    let annotations = Labels::clone(&node.annotations);
    Template { daemons, ..Template::new(cluster, spec, annotations, devices) }
}

/// A provider's template: with every DaemonSet that would run there, and then with upstream's own
/// labels.
fn from_provider(
    fork: &mut Fork<'_>,
    group: GroupId,
    settings: &Settings,
    now: SimTime,
) -> Template {
    let group = Arc::clone(&fork.group(group).spec);
    let mut spec = group.template.clone();
    spec.taints = lasting_taints(settings, &spec.taints);
    let annotations = group.template_annotations.clone();
    let bare = Template::new(fork, spec.clone(), annotations.clone(), NodeDevices::default());
    let daemons = daemons_that_would_run(&bare, fork, now, |_, _| true);
    let labels = &mut spec.labels;
    labels.insert(TEMPLATE_NODE_LABEL.to_owned(), "true".to_owned());
    for (deprecated, stable) in DEPRECATED_LABELS {
        if let Some(value) = labels.get(stable).cloned() {
            labels.insert(deprecated.to_owned(), value);
        }
    }
    let devices = NodeDevices::of_slices(&group.template_slices);
    Template { daemons, ..Template::new(fork, spec, annotations, devices) }
}

/// A real node's template and the DaemonSets that have no pod there: all that would run with
/// force-ds, else those that make room for themselves.
fn with_forced_daemons(
    template: &Arc<Template>,
    fork: &mut Fork<'_>,
    settings: &Settings,
    now: SimTime,
) -> Arc<Template> {
    let missing = daemons_that_would_run(template, fork, now, |cluster, daemon| {
        let has_one = template.daemons.iter().any(|one| one.controller == daemon.controller);
        let spec = cluster.shape(daemon.shape);
        let pushes_in = spec.priority >= SYSTEM_NODE_CRITICAL && spec.preempts;
        !has_one && (settings.force_ds || pushes_in)
    });
    if missing.is_empty() {
        return Arc::clone(template);
    }
    let mut with = Template::clone(template);
    with.daemons.extend(missing);
    Arc::new(with)
}

/// The DaemonSets whose pods tolerate and select such a node, whatever the room.
fn daemons_that_would_run(
    template: &Template,
    fork: &mut Fork<'_>,
    now: SimTime,
    wanted: impl Fn(&Cluster, &DaemonPod) -> bool,
) -> Vec<DaemonPod> {
    let candidates: Vec<DaemonPod> = fork
        .daemon_sets()
        .filter(|(_, workload)| workload.exists && workload.key.kind == "DaemonSet")
        .filter_map(|(id, workload)| {
            Some(DaemonPod { shape: workload.shape?, controller: Some(id) })
        })
        .filter(|daemon| wanted(fork, daemon))
        .collect();
    if candidates.is_empty() {
        return candidates;
    }
    let mut trial = fork.fork();
    let node = trial.add_node_like(&template.model, "template", now);
    let runs = |daemon: &DaemonPod| trial.selects_and_tolerates(daemon.shape, node);
    candidates.into_iter().filter(runs).collect()
}
