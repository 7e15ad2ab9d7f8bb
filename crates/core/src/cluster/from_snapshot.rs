//! The cluster that a snapshot shows, as it stands: nothing is made up for what is missing.

use super::{Cluster, NodeBirth, PodBirth, WorkloadKey};
use crate::devices::{DeviceObjects, Devices};
use crate::ids::{GroupId, NodeId, PodId};
use crate::node::NodeObject;
use crate::node_group::{Instance, InstanceState};
use crate::objects::{Object, Snapshot};
use crate::pod::{PodObject, PodPhase};
use crate::scheduling::profile::SchedulerProfiles;
use crate::time::SimTime;
use crate::workload::WorkloadObject;

use rustc_hash::FxHashMap;

impl Cluster {
    /// The cluster of a snapshot, its pods judged by these profiles. Finished pods are left out, and
    /// so are pods on nodes that are not there.
    #[must_use]
    pub fn from_snapshot(snapshot: &Snapshot, profiles: &SchedulerProfiles) -> Cluster {
        let mut cluster = Cluster::with_profiles(profiles);
        let at = snapshot.at().unwrap_or_default();
        cluster.looked_at = at;
        for group in &snapshot.groups {
            cluster.add_group(group.clone());
        }
        let mut nodes: FxHashMap<&str, NodeId> = FxHashMap::default();
        for node in &snapshot.nodes {
            nodes.insert(&node.name, cluster.take_node_object(node, at));
        }
        cluster.complete_groups();
        for workload in &snapshot.workloads {
            cluster.take_workload(workload);
        }
        cluster.take_surroundings(snapshot);
        for pod in &snapshot.pods {
            cluster.take_pod(pod, &nodes, at);
        }
        for budget in &snapshot.budgets {
            cluster.add_budget(budget.clone());
        }
        cluster.refresh_unstated_budgets();
        cluster
    }

    /// Takes over what pods refer to (namespaces, services, volumes, devices), and what asks for
    /// capacity.
    pub fn take_surroundings(&mut self, snapshot: &Snapshot) {
        for object in &snapshot.storage.0 {
            self.put_storage(object.clone());
        }
        if snapshot.devices != DeviceObjects::default() {
            self.devices = Devices::new(snapshot.devices.clone());
            self.forget_indexes();
        }
        for namespace in &snapshot.namespaces {
            self.set_namespace(&namespace.name, namespace.labels.clone());
        }
        let at = snapshot.at().unwrap_or_default();
        for object in &snapshot.capacity {
            let mut object = object.clone();
            object.note_creation(at);
            self.put_capacity(object);
        }
        for service in &snapshot.services {
            self.set_service(&service.namespace, &service.name, service.selector.clone());
        }
    }

    /// Takes over an object that pods may refer to, or that asks for capacity; others have no effect.
    pub fn take_surrounding(&mut self, object: &Object) {
        match object {
            Object::Storage(object) => self.put_storage(object.clone()),
            Object::Namespace(one) => self.set_namespace(&one.name, one.labels.clone()),
            Object::Service(one) => {
                self.set_service(&one.namespace, &one.name, one.selector.clone());
            }
            Object::Capacity(object) => self.put_capacity(object.clone()),
            Object::ResourceSlice(one) => self.add_slice(one.clone()),
            Object::DeviceClass(one) => {
                self.devices.add_class(one.clone());
                self.forget_indexes();
            }
            Object::ResourceClaimTemplate(one) => self.devices.add_template(one.clone()),
            Object::ResourceClaim(one)
                if self.devices.claim(&one.namespace, &one.name).is_none() =>
            {
                let undo = self.devices.add_claim(one.clone());
                self.note_devices_undo(undo);
            }
            _ => {}
        }
        self.changed();
    }

    fn take_node_object(&mut self, node: &NodeObject, at: SimTime) -> NodeId {
        let created_at = node.created_at.unwrap_or(at);
        let label = node.spec.labels.get(crate::node::NODE_GROUP_LABEL);
        let id = if node.provider_id.is_empty() { &node.name } else { &node.provider_id };
        self.add_node(NodeBirth {
            name: node.name.clone(),
            provider_id: id.clone(),
            spec: node.spec.clone(),
            annotations: node.annotations.clone(),
            group: label.and_then(|name| self.find_group(name)),
            created_at,
            ready: node.readiness.ready,
            ready_since: node.readiness.since.unwrap_or(created_at),
            is_suspended: node.readiness.is_suspended,
        })
    }

    /// A group that does not say so has its nodes for machines, and has been asked for as many.
    fn complete_groups(&mut self) {
        for id in (0..self.group_count()).map(GroupId::at) {
            if self.group(id).spec.instances.is_none() {
                let of_group = self.nodes().filter(|(_, node)| node.group == Some(id));
                let running = of_group.map(|(_, node)| Instance {
                    id: node.provider_id.as_ref().into(),
                    state: InstanceState::Running,
                    error: None,
                    created_at: Some(node.created_at),
                });
                let running: Vec<Instance> = running.collect();
                self.update_instances(id, |instances| *instances = running);
            }
            if self.group(id).spec.target_size.is_none() {
                let count = u32::try_from(self.group(id).instances.len());
                self.set_target_size(id, count.expect("machines are few"));
            }
        }
    }

    fn take_workload(&mut self, object: &WorkloadObject) {
        let key = WorkloadKey::new(object.kind, &object.namespace, &object.name);
        let id = self.intern_workload(key);
        let shape = object.template.as_ref().map(|template| self.intern_shape(template));
        let above = object.controller.as_ref().map(|one| {
            self.intern_workload(WorkloadKey {
                kind: one.workload_kind(),
                namespace: object.namespace.clone(),
                name: one.name.clone(),
            })
        });
        self.update_workload(id, |workload| {
            workload.take(object);
            workload.shape = shape;
            workload.controller = above;
        });
    }

    fn take_pod(
        &mut self,
        object: &PodObject,
        nodes: &FxHashMap<&str, NodeId>,
        at: SimTime,
    ) -> Option<PodId> {
        if matches!(object.phase, PodPhase::Succeeded | PodPhase::Failed) {
            return None;
        }
        let find = |name: &Option<String>| nodes.get(name.as_deref()?).copied();
        let node = find(&object.node_name);
        if object.node_name.is_some() && node.is_none() {
            return None;
        }
        let shape = self.intern_shape(&object.spec);
        let controller = object.controller.as_ref().map(|one| {
            self.intern_workload(WorkloadKey {
                kind: one.workload_kind(),
                namespace: object.spec.namespace.clone(),
                name: one.name.clone(),
            })
        });
        let created_at = object.created_at.unwrap_or(at);
        let name = object.name.as_str().into();
        let pod = self.add_pod(PodBirth { name, shape, controller, created_at });
        match node {
            Some(node) => {
                let since = object.started_at.or(object.scheduled_condition_at);
                self.bind(pod, node, since.unwrap_or(created_at));
            }
            None => {
                self.mark_unschedulable(pod, object.marked_unschedulable);
                self.set_nominated(pod, find(&object.nominated_node_name));
            }
        }
        self.note_uid(pod, &object.uid);
        self.set_preempted(pod, object.is_preempted);
        if object.deletion_at.is_some() {
            self.set_deletion(pod, object.deletion_at);
        }
        Some(pod)
    }
}
