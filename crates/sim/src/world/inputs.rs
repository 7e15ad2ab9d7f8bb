//! What comes from outside becomes part of the world.

use std::sync::Arc;

use plimsoll_core::cluster::WorkloadKey;
use plimsoll_core::ids::{GroupId, NodeId, PodId, WorkloadId};
use plimsoll_core::node_group::{Instance, InstanceState, NodeGroupSpec};
use plimsoll_core::objects::{Object, ObjectName};
use plimsoll_core::workload::{DisruptionBudgetObject, WorkloadKind};
use plimsoll_core::{NodeBirth, NodeObject, PodBirth, PodObject, PodPhase, SimTime};

use super::World;
use super::cloud::instance_name;
use crate::effect::{Effect, PodEnd};
use crate::input::{Input, RecordedPod};

impl World {
    /// Takes an input at the current instant.
    pub fn take_input(&mut self, input: Input) {
        match input {
            Input::ApplyWorkload(object) => self.apply_workload(&object),
            Input::ApplyPod(object) => self.replace_pod(object),
            Input::ApplyBudget(object) => self.apply_budget(object),
            Input::ApplyNode(object) => self.apply_node(*object),
            Input::ApplySurrounding(object) => self.apply_surrounding(*object),
            Input::ApplyGroup(spec) => self.apply_group(*spec),
            Input::Scale { kind, namespace, name, replicas } => {
                self.scale(&WorkloadKey::new(kind, &namespace, &name), replicas);
            }
            Input::Delete { kind, namespace, name } => self.delete(&kind, &namespace, &name),
            Input::Fault(fault) => self.break_something(&fault),
            Input::RecordedPod(pod) => self.take_recorded_pod(&pod),
            Input::RecordedBinding { key, node } => {
                self.take_recorded_binding(key, node.as_deref());
            }
            Input::RecordedWorkload { key, replicas, exists } => {
                self.know_workload(key, replicas, exists);
            }
            Input::RecordedEnd { key } => {
                if let Some(pod) = self.recorded.get(&key).copied() {
                    self.delete_pod(pod, PodEnd::Deleted);
                }
            }
        }
    }

    fn apply_surrounding(&mut self, mut object: Object) {
        if let Object::Capacity(object) = &mut object {
            object.note_creation(self.now);
        }
        self.cluster.take_surrounding(&object);
    }

    /// Adds a node group or changes its limits, template and price.
    pub fn apply_group(&mut self, spec: NodeGroupSpec) {
        match self.cluster.find_group(&spec.name) {
            Some(known) => self.cluster.set_group_spec(known, spec),
            None => {
                let group = self.cluster.add_group(spec);
                let listed = Arc::clone(&self.cluster.group(group).instances);
                for instance in listed.iter() {
                    self.reserve_number_of(group, instance_name(&instance.id));
                }
            }
        }
    }

    /// Adds a node that is there already, with its machine; or changes one.
    pub fn apply_node(&mut self, object: NodeObject) {
        if let Some(id) = self.node_named(&object.name) {
            self.cluster.set_taints(id, &object.spec.taints);
            self.cluster.set_unschedulable(id, object.spec.unschedulable);
            self.cluster.set_ready(
                id,
                object.readiness.ready,
                object.readiness.since.unwrap_or(self.now),
            );
            self.cluster.set_suspended(id, object.readiness.is_suspended);
            return;
        }
        let label = object.spec.labels.get(plimsoll_core::node::NODE_GROUP_LABEL);
        let group = label.and_then(|name| self.cluster.find_group(name));
        let created_at = object.created_at.unwrap_or(self.now);
        let provider_id = if object.provider_id.is_empty() {
            object.name.clone()
        } else {
            object.provider_id.clone()
        };
        if let Some(group) = group {
            self.adopt_instance(group, &provider_id, &object);
        }
        let node = self.cluster.add_node(NodeBirth {
            name: object.name,
            provider_id,
            spec: object.spec,
            annotations: object.annotations,
            group,
            created_at,
            ready: object.readiness.ready,
            ready_since: object.readiness.since.unwrap_or(created_at),
            is_suspended: object.readiness.is_suspended,
        });
        self.note_node_added(node);
        self.start_daemons(node);
    }

    /// The machine of a node that is there already: known to the cloud, counted in the target, and
    /// its number taken.
    fn adopt_instance(&mut self, group: GroupId, provider_id: &str, node: &NodeObject) {
        let known = self.cluster.group(group).instances.iter().any(|one| *one.id == *provider_id);
        if !known {
            let instance = Instance {
                id: provider_id.into(),
                state: InstanceState::Running,
                error: None,
                created_at: node.created_at,
            };
            self.cluster.update_instances(group, |list| list.push(instance));
            let machines =
                u32::try_from(self.cluster.group(group).instances.len()).expect("machines are few");
            let target = self.cluster.group(group).target_size;
            self.cluster.set_target_size(group, target.max(machines));
        }
        self.reserve_number_of(group, &node.name);
        self.note_paid(group);
    }

    /// Adds a pod that nobody else will create; one with a node is running there.
    pub fn apply_pod(&mut self, object: PodObject) {
        if matches!(object.phase, PodPhase::Succeeded | PodPhase::Failed) {
            return;
        }
        let shape = self.cluster.intern_shape(&object.spec);
        let controller = object.controller.as_ref().map(|one| {
            self.cluster.intern_workload(WorkloadKey {
                kind: one.workload_kind(),
                namespace: object.spec.namespace.clone(),
                name: one.name.clone(),
            })
        });
        let created_at = object.created_at.unwrap_or(self.now);
        let birth = PodBirth { name: object.name.into(), shape, controller, created_at };
        let pod = match object.node_name {
            None => {
                let pod = self.create_pod(birth);
                // Pods that the world does not schedule itself stay as the file says.
                self.cluster.mark_unschedulable(pod, object.marked_unschedulable);
                self.nominate(pod, object.nominated_node_name.as_deref());
                pod
            }
            Some(name) => {
                let Some(node) = self.node_named(&name) else { return };
                let since = object.started_at.or(object.scheduled_condition_at);
                self.create_bound_pod(birth, node, since.unwrap_or(created_at))
            }
        };
        self.cluster.note_uid(pod, &object.uid);
        if let Some(controller) = controller {
            self.controllers.adopt(&self.cluster, controller, pod);
        }
        if let Some(deletion_at) = object.deletion_at {
            self.await_end(pod, deletion_at);
        }
    }

    /// Adds a pod in the place of one of the same name.
    fn replace_pod(&mut self, object: PodObject) {
        if let Some(pod) = self.pod_named(&object.spec.namespace, &object.name) {
            self.remove(pod, PodEnd::Deleted);
        }
        self.apply_pod(object);
    }

    fn pod_named(&self, namespace: &str, name: &str) -> Option<PodId> {
        let named = self.pod_names.get(name)?;
        named.iter().copied().find(|id| {
            let shape = self.cluster.pod(*id).shape;
            self.cluster.shape(shape).namespace == namespace
        })
    }

    /// The node of this name.
    #[must_use]
    pub fn node_named(&self, name: &str) -> Option<NodeId> {
        self.node_names.get(name).copied()
    }

    fn apply_budget(&mut self, object: DisruptionBudgetObject) {
        self.delete("PodDisruptionBudget", &object.namespace.clone(), &object.name.clone());
        self.cluster.add_budget(object);
        self.cluster.refresh_budgets();
    }

    fn take_recorded_pod(&mut self, recorded: &RecordedPod) {
        let pod = self.create_pod(PodBirth {
            name: recorded.name.clone(),
            shape: recorded.shape,
            controller: recorded.controller,
            created_at: recorded.created_at,
        });
        self.record(pod, recorded.key);
    }

    /// Binds a recorded pod as it was recorded. Where the recording does not say which node it was,
    /// only the fact is told.
    fn take_recorded_binding(&mut self, key: u32, node: Option<&str>) {
        let Some(pod) = self.recorded.get(&key).copied() else { return };
        if self.cluster.pod(pod).node.is_some() {
            return;
        }
        match node.and_then(|name| self.node_named(name)) {
            Some(node) => {
                self.cluster.bind(pod, node, self.now);
                self.tell_bound(pod, node);
            }
            None => {
                let serial = self.cluster.pod(pod).serial;
                self.effects.push(Effect::PodBound { serial, node: 0, group: None });
            }
        }
        if self.settings.schedules {
            self.start_running(pod);
        }
    }

    /// Adds a pod of the recording that is on its node already.
    pub fn take_bound_recorded_pod(
        &mut self,
        recorded: &RecordedPod,
        node: NodeId,
        since: SimTime,
    ) {
        let birth = PodBirth {
            name: recorded.name.clone(),
            shape: recorded.shape,
            controller: recorded.controller,
            created_at: recorded.created_at,
        };
        let pod = self.create_bound_pod(birth, node, since);
        self.record(pod, recorded.key);
    }

    /// Makes a controller known that creates no pods by itself: one of a recording.
    pub fn know_workload(&mut self, key: WorkloadKey, replicas: u32, exists: bool) -> WorkloadId {
        let id = self.cluster.intern_workload(key);
        self.cluster.update_workload(id, |one| {
            one.replicas = replicas;
            one.exists = exists;
        });
        id
    }

    fn scale(&mut self, key: &WorkloadKey, replicas: u32) {
        let Some(id) = self.cluster.find_workload(key) else { return };
        if !self.cluster.workload(id).exists {
            return;
        }
        self.scale_set(id, replicas);
        self.reconcile();
    }

    fn delete(&mut self, kind: &str, namespace: &str, name: &str) {
        match kind {
            "Pod" => {
                if let Some(pod) = self.pod_named(namespace, name) {
                    self.delete_pod(pod, PodEnd::Deleted);
                    self.reconcile();
                }
            }
            "PodDisruptionBudget" => {
                let found = self.cluster.budgets().find(|(_, budget)| {
                    budget.object.namespace == namespace && budget.object.name == name
                });
                if let Some((budget, _)) = found {
                    self.cluster.remove_budget(budget);
                }
            }
            "Node" => {
                if let Some(node) = self.node_named(name) {
                    self.remove_node(node);
                    self.reconcile();
                }
            }
            kind => {
                let (kind, namespace, name) =
                    (kind.to_owned(), namespace.to_owned(), name.to_owned());
                let object = ObjectName { kind, namespace, name };
                if self.cluster.remove_capacity(&object) {
                    return;
                }
                let ObjectName { kind, namespace, name } = object;
                let key = WorkloadKey { kind, namespace, name };
                if let Some(id) = self.cluster.find_workload(&key) {
                    self.delete_workload(id);
                    self.reconcile();
                }
            }
        }
    }

    /// Whether an input of the scenario names something that is not there; then it changes nothing.
    #[must_use]
    pub fn knows_workload(&self, kind: WorkloadKind, namespace: &str, name: &str) -> bool {
        let key = WorkloadKey::new(kind, namespace, name);
        self.cluster.find_workload(&key).is_some_and(|id| self.cluster.workload(id).exists)
    }
}
