//! Builds worlds from recordings: one to be scaled by a strategy, one that only repeats what
//! happened.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plimsoll_core::cluster::WorkloadKey;
use plimsoll_core::devices::NodeDevices;
use plimsoll_core::ids::{GroupId, NodeId, ShapeId, WorkloadId};
use plimsoll_core::node::{HOSTNAME_LABEL, NODE_GROUP_LABEL, Readiness};
use plimsoll_core::objects::Object;
use plimsoll_core::pod::ControllerRef;
use plimsoll_core::workload::{WorkloadKind, WorkloadObject};
use plimsoll_core::{NodeObject, SimTime};
use plimsoll_sim::{Input, RecordedPod, World, WorldSettings};

use crate::hopeless::refusal_of_empty_node;
use crate::recording::{OutsideChange, PodHistory, Recording};

/// A world that lives through a recording's workload under whatever strategy scales it.
#[must_use]
pub fn world_to_scale(recording: &Recording, seed: u64, from: SimTime) -> World {
    let mut world = World::new(WorldSettings::with_seed(seed), from);
    let mut builder = Builder { world: &mut world, shapes: BTreeMap::new() };
    builder.add_groups(recording);
    builder.world.cluster.take_surroundings(&recording.snapshot);
    let there = recording.nodes.iter().filter(|node| node.added_at <= from);
    for node in there.filter(|node| node.removed_at.is_none_or(|end| end > from)) {
        builder.world.apply_node(node.object.clone());
    }
    builder.know_workloads(recording);
    builder.add_daemons(recording, from);
    for budget in &recording.snapshot.budgets {
        builder.world.take_input(Input::ApplyBudget(budget.clone()));
    }
    builder.add_pods(recording, from);
    builder.schedule_changes(recording, from);
    builder.schedule_ungrouped_nodes(recording, from);
    world.cluster.refresh_budgets();
    world
}

/// A world that repeats what was recorded: nodes come and go and pods are bound as they were.
#[must_use]
pub fn world_as_recorded(recording: &Recording, seed: u64, from: SimTime) -> World {
    let settings = WorldSettings { schedules: false, ..WorldSettings::with_seed(seed) };
    let mut world = World::new(settings, from);
    let mut builder = Builder { world: &mut world, shapes: BTreeMap::new() };
    builder.add_groups(recording);
    builder.world.cluster.take_surroundings(&recording.snapshot);
    for node in &recording.nodes {
        if node.added_at <= from {
            builder.world.apply_node(node.object.clone());
        } else {
            builder.world.schedule(node.added_at, Input::ApplyNode(Box::new(node.object.clone())));
        }
        if let Some(removed_at) = node.removed_at {
            let name = node.object.name.clone();
            let delete = Input::Delete { kind: "Node".to_owned(), namespace: String::new(), name };
            builder.world.schedule(removed_at.max(from), delete);
        }
    }
    builder.know_workloads(recording);
    for (key, pod) in (0..).zip(&recording.pods) {
        builder.repeat_pod(pod, key, from);
    }
    world
}

struct Builder<'a> {
    world: &'a mut World,
    /// Shapes by the address of the shared object, so that each is interned once.
    shapes: BTreeMap<usize, ShapeId>,
}

impl Builder<'_> {
    fn add_groups(&mut self, recording: &Recording) {
        for group in &recording.snapshot.groups {
            let mut group = group.clone();
            // Machines come from the recorded nodes; a target that counts others is the recorded
            // autoscaler's doing.
            group.target_size = None;
            group.instances = None;
            self.world.apply_group(group);
        }
    }

    /// Controllers exist for the drain rules and budgets; the pods come from the recording. One that
    /// comes later is known from the beginning, as it was when it came.
    fn know_workloads(&mut self, recording: &Recording) {
        let mut known: BTreeSet<(WorkloadKind, &str, &str)> = BTreeSet::new();
        for object in recording.workloads() {
            if known.insert((object.kind, &object.namespace, &object.name)) {
                self.know_workload(object);
            }
        }
        for job in &recording.jobs {
            let key = WorkloadKey::new(WorkloadKind::Job, &job.namespace, &job.name);
            let above = self.intern_controller(job.controller.as_ref(), &job.namespace);
            let id = self.world.know_workload(key, job.replicas, true);
            self.world.cluster.update_workload(id, |one| one.controller = above);
        }
    }

    fn know_workload(&mut self, object: &WorkloadObject) {
        let key = WorkloadKey::new(object.kind, &object.namespace, &object.name);
        let id = self.world.know_workload(key, object.replicas, true);
        let above = self.intern_controller(object.controller.as_ref(), &object.namespace);
        // A Job's template carries the Job's name: each would be a shape that no recorded pod has.
        let template = object.template.as_ref().filter(|_| object.kind != WorkloadKind::Job);
        let shape = template.map(|spec| self.world.cluster.intern_shape(spec));
        self.world.cluster.update_workload(id, |one| {
            one.controller = above;
            one.shape = shape;
            one.selector = Some(object.selector.clone());
        });
    }

    fn intern_controller(
        &mut self,
        controller: Option<&ControllerRef>,
        namespace: &str,
    ) -> Option<WorkloadId> {
        let one = controller?;
        Some(self.world.cluster.intern_workload(WorkloadKey {
            kind: one.workload_kind(),
            namespace: namespace.to_owned(),
            name: one.name.clone(),
        }))
    }

    fn shape_of(&mut self, pod: &PodHistory) -> ShapeId {
        let address = Arc::as_ptr(&pod.object) as usize;
        if let Some(known) = self.shapes.get(&address) {
            return *known;
        }
        let shape = self.world.cluster.intern_shape(&pod.object.spec);
        self.shapes.insert(address, shape);
        shape
    }

    fn recorded_pod(&mut self, pod: &PodHistory, key: u32) -> RecordedPod {
        let shape = self.shape_of(pod);
        let namespace = &pod.object.spec.namespace;
        let controller = self.intern_controller(pod.controller.as_ref(), namespace);
        RecordedPod {
            key,
            name: pod.name.as_str().into(),
            shape,
            controller,
            created_at: pod.created_at,
        }
    }

    /// DaemonSets run a pod on every new node. Their template is the object's where it was recorded,
    /// else that of the first of their pods.
    fn add_daemons(&mut self, recording: &Recording, from: SimTime) {
        let mut templates: BTreeMap<(String, String), WorkloadObject> = BTreeMap::new();
        for object in recording.workloads().filter(|one| one.kind == WorkloadKind::DaemonSet) {
            if object.template.is_some() {
                let key = (object.namespace.clone(), object.name.clone());
                templates.entry(key).or_insert_with(|| object.clone());
            }
        }
        for pod in &recording.daemon_pods {
            let Some(controller) = &pod.controller else { continue };
            let namespace = pod.object.spec.namespace.clone();
            let key = (namespace.clone(), controller.name.clone());
            templates.entry(key).or_insert_with(|| daemon_set_of(pod, namespace, controller));
        }
        for pod in &recording.daemon_pods {
            let bound_before = pod.bound.as_ref().filter(|(at, _)| *at <= from);
            let Some((_, Some(node))) = bound_before else { continue };
            let mut object = (*pod.object).clone();
            object.name.clone_from(&pod.name);
            object.controller.clone_from(&pod.controller);
            object.node_name = Some(node.to_string());
            self.world.apply_pod(object);
        }
        for object in templates.into_values() {
            self.world.take_input(Input::ApplyWorkload(object));
        }
    }

    /// Pods that ran are on their nodes, those that waited wait, the others arrive in time.
    fn add_pods(&mut self, recording: &Recording, from: SimTime) {
        let mut homeless = Vec::new();
        for (key, pod) in (0..).zip(&recording.pods) {
            let recorded = self.recorded_pod(pod, key);
            let running_since =
                pod.bound.as_ref().filter(|(at, _)| *at <= from && pod.created_at <= from);
            match running_since {
                Some((since, Some(node))) => match self.world.node_named(node) {
                    Some(node) => self.world.take_bound_recorded_pod(&recorded, node, *since),
                    None => self.world.take_input(Input::RecordedPod(recorded)),
                },
                Some((since, None)) => homeless.push((recorded, *since)),
                None if pod.created_at <= from => {
                    self.world.take_input(Input::RecordedPod(recorded));
                }
                None => self.world.schedule(pod.created_at, Input::RecordedPod(recorded)),
            }
            self.schedule_end(pod, key, from);
        }
        house(self.world, homeless);
    }

    fn schedule_end(&mut self, pod: &PodHistory, key: u32, from: SimTime) {
        // A pod that runs for a given time ends by itself, when it was bound decides when.
        if let Some(ended_at) = pod.ended_at.filter(|_| pod.object.spec.run_for.is_none()) {
            self.world.schedule(ended_at.max(from), Input::RecordedEnd { key });
        }
    }

    fn repeat_pod(&mut self, pod: &PodHistory, key: u32, from: SimTime) {
        let recorded = self.recorded_pod(pod, key);
        if pod.created_at <= from {
            self.world.take_input(Input::RecordedPod(recorded));
        } else {
            self.world.schedule(pod.created_at, Input::RecordedPod(recorded));
        }
        if let Some((at, node)) = &pod.bound {
            let binding = Input::RecordedBinding { key, node: node.clone() };
            if *at <= from && pod.created_at <= from {
                self.world.take_input(binding);
            } else {
                self.world.schedule((*at).max(pod.created_at), binding);
            }
        }
        if let Some(ended_at) = pod.ended_at {
            self.world.schedule(ended_at.max(from), Input::RecordedEnd { key });
        }
    }

    fn schedule_changes(&mut self, recording: &Recording, from: SimTime) {
        for (at, change) in &recording.changes {
            let input = match change {
                OutsideChange::Put(object) => match object.as_ref() {
                    Object::Workload(one) if one.kind == WorkloadKind::DaemonSet => {
                        Input::ApplyWorkload(one.clone())
                    }
                    Object::Workload(one) => Input::RecordedWorkload {
                        key: WorkloadKey::new(one.kind, &one.namespace, &one.name),
                        replicas: one.replicas,
                        exists: true,
                    },
                    Object::DisruptionBudget(budget) => Input::ApplyBudget(budget.clone()),
                    Object::NodeGroup(group) => Input::ApplyGroup(Box::new(group.clone())),
                    one if one.is_surrounding() => Input::ApplySurrounding(object.clone()),
                    _ => continue,
                },
                OutsideChange::Scale { kind, namespace, name, replicas } => {
                    Input::RecordedWorkload {
                        key: WorkloadKey::new(*kind, namespace, name),
                        replicas: *replicas,
                        exists: true,
                    }
                }
                OutsideChange::Delete { kind, namespace, name } => {
                    let (kind, namespace, name) = (kind.clone(), namespace.clone(), name.clone());
                    Input::Delete { kind, namespace, name }
                }
            };
            self.world.schedule((*at).max(from), input);
        }
    }

    fn schedule_ungrouped_nodes(&mut self, recording: &Recording, from: SimTime) {
        for node in recording.nodes.iter().filter(|node| !recording.is_grouped(&node.object)) {
            if node.added_at > from {
                let input = Input::ApplyNode(Box::new(node.object.clone()));
                self.world.schedule(node.added_at, input);
            }
            if let Some(removed_at) = node.removed_at.filter(|at| *at > from) {
                let name = node.object.name.clone();
                let (kind, namespace) = ("Node".to_owned(), String::new());
                self.world.schedule(removed_at, Input::Delete { kind, namespace, name });
            }
        }
    }
}

fn daemon_set_of(
    pod: &PodHistory,
    namespace: String,
    controller: &ControllerRef,
) -> WorkloadObject {
    let mut template = pod.object.spec.clone();
    // The controller pins each pod to its node; the template names none.
    template.required_node_terms = None;
    WorkloadObject {
        kind: WorkloadKind::DaemonSet,
        api_version: controller.api_version.clone(),
        namespace,
        name: controller.name.clone(),
        uid: controller.uid.clone(),
        created_at: None,
        replicas: 0,
        completions: None,
        succeeded: 0,
        is_parallel: false,
        selector: plimsoll_core::labels::LabelSelector::default(),
        template: Some(template),
        controller: None,
    }
}

/// Finds machines for pods that ran at the beginning on nodes that the recording does not name:
/// largest first, each on the first machine with room, else on a new one of the cheapest group (by
/// price, then by name) that it fits. Every strategy starts from the same machines.
fn house(world: &mut World, mut homeless: Vec<(RecordedPod, SimTime)>) {
    homeless.sort_by_key(|(pod, _)| {
        let (cpu, memory) = world.cluster.cpu_and_memory(pod.shape);
        (Reverse(cpu), Reverse(memory), pod.key)
    });
    let mut groups: Vec<GroupId> = world.cluster.groups().map(|(id, _)| id).collect();
    groups.sort_by_key(|id| {
        let spec = &world.cluster.group(*id).spec;
        (spec.price_microusd_per_hour.unwrap_or(i64::MAX), spec.name.clone())
    });
    let mut machines: BTreeMap<GroupId, u32> = BTreeMap::new();
    for (pod, since) in homeless {
        let node = world
            .cluster
            .first_fit(pod.shape, NodeId(0))
            .or_else(|| add_machine(world, pod.shape, &groups, &mut machines));
        match node {
            Some(node) => world.take_bound_recorded_pod(&pod, node, since),
            None => world.take_input(Input::RecordedPod(pod)),
        }
    }
}

fn add_machine(
    world: &mut World,
    shape: ShapeId,
    groups: &[GroupId],
    machines: &mut BTreeMap<GroupId, u32>,
) -> Option<NodeId> {
    let group = groups.iter().copied().find(|group| {
        let spec = Arc::clone(&world.cluster.group(*group).spec);
        world.cluster.group(*group).target_size < spec.max_size
            && refusal_of_empty_node(&mut world.cluster, shape, *group).is_none()
    })?;
    let spec = Arc::clone(&world.cluster.group(group).spec);
    let number = machines.entry(group).or_default();
    *number += 1;
    let name = format!("{}-{number}", spec.name);
    world.cluster.give_devices(&NodeDevices::of_slices(&spec.template_slices), &name);
    let mut node = spec.template.clone();
    node.labels.insert(HOSTNAME_LABEL.to_owned(), name.clone());
    node.labels.insert(NODE_GROUP_LABEL.to_owned(), spec.name.clone());
    world.apply_node(NodeObject {
        provider_id: format!("plimsoll://{}/{name}", spec.name),
        name: name.clone(),
        uid: String::new(),
        created_at: Some(world.now()),
        spec: node,
        annotations: spec.template_annotations.clone(),
        readiness: Readiness { ready: true, since: Some(world.now()), is_suspended: false },
    });
    world.node_named(&name)
}

#[cfg(test)]
mod tests {
    use plimsoll_core::objects::{Origin, Snapshot};
    use serde_json::{Value, json};

    use super::*;

    const SINCE: &str = "2026-01-05T10:00:00Z";

    fn snapshot(items: &[Value]) -> Snapshot {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        let values = std::iter::once((list, Origin::default()));
        Snapshot::from_values(values).expect("valid objects").0
    }

    /// A recording of these objects, and of pods that ran on nodes that nobody knows.
    fn recording(items: &[Value]) -> Recording {
        let mut snapshot = snapshot(items);
        let pods = std::mem::take(&mut snapshot.pods).into_iter().map(|pod| PodHistory {
            name: pod.name.clone(),
            controller: pod.controller.clone(),
            created_at: pod.created_at.expect("it says so"),
            bound: Some((pod.created_at.expect("it says so"), None)),
            ended_at: None,
            object: Arc::new(pod),
        });
        Recording { pods: pods.collect(), snapshot, ..Recording::default() }
    }

    fn group(name: &str, slices: &Value) -> Value {
        let size = json!({"cpu": "4", "memory": "16Gi", "pods": "110"});
        json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeGroup",
            "metadata": {"name": name}, "spec": {"maxSize": 9, "templateResourceSlices": slices,
                "template": {"status": {"capacity": size, "allocatable": size}}}})
    }

    fn pod(name: &str, spec: &Value) -> Value {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "ml", "creationTimestamp": SINCE},
            "spec": {"containers": [{"name": "main", "image": "app"}]}});
        for (field, value) in spec.as_object().expect("fields of a spec") {
            pod["spec"][field] = value.clone();
        }
        pod
    }

    fn nodes_of_pods(world: &World) -> Vec<String> {
        let node = |id: Option<NodeId>| id.map_or("-", |id| world.cluster.node_name(id)).to_owned();
        world.cluster.pods().map(|(_, pod)| format!("{} {}", pod.name, node(pod.node))).collect()
    }

    #[test]
    fn a_machine_for_a_pod_with_devices_brings_them() {
        let slice =
            json!([{"spec": {"driver": "gpu.example.com", "devices": [{"name": "gpu-0"}]}}]);
        let request = json!({"name": "r", "exactly": {"deviceClassName": "gpu", "count": 1}});
        let recording = recording(&[
            group("a-plain", &json!([])),
            group("gpus", &slice),
            json!({"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass",
                "metadata": {"name": "gpu"}, "spec": {}}),
            json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim",
                "metadata": {"name": "one", "namespace": "ml"},
                "spec": {"devices": {"requests": [request]}}}),
            pod("train", &json!({"resourceClaims": [{"name": "d", "resourceClaimName": "one"}]})),
        ]);
        let world = world_to_scale(&recording, 1, SimTime(1_767_614_400_000));
        assert_eq!(nodes_of_pods(&world), ["train gpus-1"]);
        let node = world.node_named("gpus-1").expect("it was added");
        assert!(world.cluster.has_own_devices(node));
    }

    /// What pods refer to is there from the beginning, not only once it changes.
    #[test]
    fn a_recorded_volume_ties_a_pod_to_its_zone() {
        let reference = json!({"name": "data", "namespace": "ml", "uid": "uid-data"});
        let mut metadata = reference.clone();
        metadata["annotations"] = json!({"pv.kubernetes.io/bind-completed": "yes"});
        let zonal = |name: &str| {
            let mut group = group(name, &json!([]));
            let labels = json!({"topology.kubernetes.io/zone": name});
            group["spec"]["template"]["metadata"] = json!({"labels": labels});
            group
        };
        let claim = json!({"name": "v", "persistentVolumeClaim": {"claimName": "data"}});
        let recording = recording(&[
            zonal("a"),
            zonal("b"),
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata,
                "spec": {"volumeName": "pv", "accessModes": ["ReadWriteOnce"],
                    "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}},
                "status": {"phase": "Bound"}}),
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv"},
                "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                    "claimRef": reference, "csi": {"driver": "d", "volumeHandle": "h"},
                    "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                        {"key": "topology.kubernetes.io/zone", "operator": "In",
                            "values": ["b"]}]}]}}}}),
            pod("db", &json!({"volumes": [claim]})),
        ]);
        let world = world_to_scale(&recording, 1, SimTime(1_767_614_400_000));
        assert_eq!(nodes_of_pods(&world), ["db b-1"]);
        let repeated = world_as_recorded(&recording, 1, SimTime(1_767_614_400_000));
        assert_eq!(repeated.cluster.unbound_count(), 1, "its node is not known");
    }
}
