//! Controllers as far as the lives of pods need them: ReplicaSet, ReplicationController,
//! StatefulSet, Job, DaemonSet. Deployments are in their own file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plimsoll_core::cluster::Cluster;
use plimsoll_core::ids::{NodeId, PodId, ShapeId, WorkloadId};
use plimsoll_core::workload::{WorkloadKind, WorkloadObject};
use plimsoll_core::{PodBirth, SimTime, WorkloadKey};

use super::World;
use crate::effect::PodEnd;

/// All controllers that create pods by themselves, and the numbers of stand-ins for the others.
#[derive(Clone, Debug, Default)]
pub(super) struct Controllers {
    by_id: BTreeMap<WorkloadId, Controller>,
    /// Those that may have something to do, by namespace and name.
    dirty: BTreeSet<(String, String, WorkloadId)>,
    stand_ins: BTreeMap<WorkloadId, u64>,
}

/// One controller and its pods.
#[derive(Clone, Debug)]
pub(super) struct Controller {
    pub(super) kind: WorkloadKind,
    /// What new pods look like.
    pub(super) template: ShapeId,
    /// Its living pods by number; pods that are being deleted are not its own any more.
    pub(super) pods: BTreeMap<u64, PodId>,
    last_number: u64,
    /// How many pods of a Job need not be made any more: made, found, or finished before the world
    /// began. Evicted ones stay counted, as they are not made anew.
    made: u32,
    /// How many of them finished before the world began.
    succeeded_before: u32,
    /// How many pods a Job wants to see finish; `None`: as many as it has at once.
    completions: Option<u32>,
    created_at: SimTime,
}

impl Controllers {
    pub(super) fn get(&self, id: WorkloadId) -> Option<&Controller> {
        self.by_id.get(&id)
    }

    pub(super) fn mark(&mut self, cluster: &Cluster, id: WorkloadId) {
        let key = &cluster.workload(id).key;
        self.dirty.insert((key.namespace.clone(), key.name.clone(), id));
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.dirty.is_empty()
    }

    pub(super) fn insert(
        &mut self,
        cluster: &Cluster,
        id: WorkloadId,
        object: &WorkloadObject,
        template: ShapeId,
        now: SimTime,
    ) {
        let one = self.by_id.entry(id).or_insert_with(|| Controller {
            kind: object.kind,
            template,
            pods: BTreeMap::new(),
            last_number: 0,
            made: object.succeeded,
            succeeded_before: object.succeeded,
            completions: None,
            created_at: now,
        });
        one.template = template;
        one.completions = object.completions;
        self.mark(cluster, id);
    }

    /// A controller's pod that was there before the controller was looked at.
    pub(super) fn adopt(&mut self, cluster: &Cluster, id: WorkloadId, pod: PodId) {
        let name = &cluster.pod(pod).name;
        let prefix = format!("{}-", cluster.workload(id).key.name);
        let Some(one) = self.by_id.get_mut(&id) else { return };
        let parsed = name.strip_prefix(&prefix).and_then(|rest| rest.parse().ok());
        let number = parsed.filter(|n| !one.pods.contains_key(n)).unwrap_or(one.last_number + 1);
        one.last_number = one.last_number.max(number);
        one.made += 1;
        one.pods.insert(number, pod);
        self.mark(cluster, id);
    }

    /// A pod is bound: who waits for that (a Deployment's rollout, a StatefulSet's next pod) goes on.
    pub(super) fn pod_bound(&mut self, cluster: &Cluster, id: WorkloadId) {
        match self.by_id.get(&id).map(|one| one.kind) {
            Some(WorkloadKind::StatefulSet) => self.mark(cluster, id),
            Some(WorkloadKind::ReplicaSet) => {
                if let Some(deployment) = cluster.workload(id).controller {
                    self.mark(cluster, deployment);
                }
            }
            _ => {}
        }
    }

    /// A controller's pod is gone or going.
    pub(super) fn pod_lost(&mut self, cluster: &Cluster, id: WorkloadId, pod: PodId) {
        let Some(one) = self.by_id.get_mut(&id) else { return };
        one.pods.retain(|_, own| *own != pod);
        self.mark(cluster, id);
    }

    /// The name of a pod that takes the place of a recorded one.
    pub(super) fn next_stand_in_name(&mut self, cluster: &Cluster, id: WorkloadId) -> Arc<str> {
        let number = self.stand_ins.entry(id).or_default();
        *number += 1;
        format!("{}-again-{number}", cluster.workload(id).key.name).into()
    }

    fn forget(&mut self, id: WorkloadId) -> Vec<PodId> {
        self.by_id.remove(&id).map(|one| one.pods.into_values().collect()).unwrap_or_default()
    }
}

impl World {
    /// Creates a controller, or gives it a new template and size.
    pub(super) fn apply_workload(&mut self, object: &WorkloadObject) {
        let Some(id) = self.register_workload(object) else { return };
        if object.kind == WorkloadKind::DaemonSet {
            self.start_daemon_everywhere(id);
        }
        self.reconcile();
    }

    /// Makes a controller known that will create pods when it is next reconciled; `None` when it has
    /// no template.
    pub(super) fn register_workload(&mut self, object: &WorkloadObject) -> Option<WorkloadId> {
        let key = WorkloadKey::new(object.kind, &object.namespace, &object.name);
        let id = self.cluster.intern_workload(key);
        let template = object.template.as_ref()?;
        let shape = self.cluster.intern_shape(template);
        let above = object.controller.as_ref().map(|one| {
            self.cluster.intern_workload(WorkloadKey {
                kind: one.workload_kind(),
                namespace: object.namespace.clone(),
                name: one.name.clone(),
            })
        });
        self.cluster.update_workload(id, |workload| {
            workload.take(object);
            workload.shape = Some(shape);
            workload.controller = above;
        });
        self.controllers.insert(&self.cluster, id, object, shape, self.now);
        Some(id)
    }

    /// Deletes a controller with its pods, and the controllers below it.
    pub(super) fn delete_workload(&mut self, id: WorkloadId) {
        self.cluster.update_workload(id, |workload| {
            workload.exists = false;
            workload.replicas = 0;
        });
        let below: Vec<WorkloadId> = self
            .cluster
            .workloads()
            .filter(|(_, one)| one.exists && one.controller == Some(id))
            .map(|(below, _)| below)
            .collect();
        for pod in self.controllers.forget(id) {
            self.delete_pod(pod, PodEnd::Deleted);
        }
        for id in below {
            self.delete_workload(id);
        }
    }

    /// Lets every controller that may have something to do do it, by namespace and name.
    pub fn reconcile(&mut self) {
        while let Some((_, _, id)) = self.controllers.dirty.pop_first() {
            let Some(kind) = self.controllers.get(id).map(|one| one.kind) else { continue };
            match kind {
                WorkloadKind::ReplicaSet | WorkloadKind::ReplicationController => {
                    self.reconcile_replicas(id);
                }
                WorkloadKind::StatefulSet => self.reconcile_stateful_set(id),
                WorkloadKind::Job => self.reconcile_job(id),
                WorkloadKind::Deployment => self.reconcile_deployment(id),
                WorkloadKind::DaemonSet => {}
            }
        }
    }

    /// As many pods as there should be: new ones count up, surplus ones go, pending ones first, then
    /// the highest numbers.
    fn reconcile_replicas(&mut self, id: WorkloadId) {
        let want = self.cluster.workload(id).replicas as usize;
        while self.controller(id).pods.len() < want {
            let number = self.controller(id).last_number + 1;
            self.make_pod(id, number);
        }
        while self.controller(id).pods.len() > want {
            let victim = self.surplus_pod(id);
            self.delete_pod(victim, PodEnd::Deleted);
        }
        self.settle_books(id);
    }

    fn surplus_pod(&self, id: WorkloadId) -> PodId {
        let pods = &self.controller(id).pods;
        let pending = pods.values().rev().find(|pod| self.cluster.pod(**pod).node.is_none());
        *pending.or_else(|| pods.values().next_back()).expect("a surplus is not empty")
    }

    /// Pods 0 … replicas − 1, each made when the one before it runs, or all at once where the set says
    /// so; the highest goes first.
    fn reconcile_stateful_set(&mut self, id: WorkloadId) {
        let want = u64::from(self.cluster.workload(id).replicas);
        let surplus: Vec<PodId> =
            self.controller(id).pods.range(want..).rev().map(|(_, pod)| *pod).collect();
        for pod in surplus {
            self.delete_pod(pod, PodEnd::Deleted);
        }
        let waits = !self.cluster.workload(id).is_parallel;
        for ordinal in 0..want {
            match self.controller(id).pods.get(&ordinal) {
                Some(pod) if self.cluster.pod(*pod).node.is_some() => continue,
                Some(_) => {}
                None => self.make_pod(id, ordinal),
            }
            if waits {
                break;
            }
        }
        self.settle_books(id);
    }

    /// `parallelism` pods when it is applied, and more as they finish until `completions` have.
    /// Pods that were evicted are not made anew; those that a suspension takes away are.
    fn reconcile_job(&mut self, id: WorkloadId) {
        let parallelism = self.cluster.workload(id).replicas;
        while self.controller(id).pods.len() > parallelism as usize {
            let victim = self.surplus_pod(id);
            self.delete_pod(victim, PodEnd::Deleted);
            self.controllers.by_id.get_mut(&id).expect("it is reconciled").made -= 1;
        }
        let one = self.controller(id);
        let wanted = match one.completions {
            Some(completions) => completions,
            // Once a pod of a work queue has succeeded, no more are made.
            None if one.succeeded_before > 0 => 0,
            None => parallelism,
        };
        let active = u32::try_from(one.pods.len()).expect("pods are few");
        // Evicted pods are not made anew here, so nobody should wait for them.
        let over = one.made.saturating_sub(active);
        let more = (parallelism - active).min(wanted.saturating_sub(one.made));
        for _ in 0..more {
            let number = self.controller(id).last_number + 1;
            self.make_pod(id, number);
        }
        self.cluster.set_succeeded(id, over);
        self.settle_books(id);
    }

    fn controller(&self, id: WorkloadId) -> &Controller {
        self.controllers.get(id).expect("a controller that is reconciled exists")
    }

    fn make_pod(&mut self, id: WorkloadId, number: u64) {
        let name = format!("{}-{number}", self.cluster.workload(id).key.name);
        let shape = self.controller(id).template;
        let birth =
            PodBirth { name: name.into(), shape, controller: Some(id), created_at: self.now };
        let pod = self.create_pod(birth);
        let one = self.controllers.by_id.get_mut(&id).expect("looked up above");
        one.pods.insert(number, pod);
        one.made += 1;
        one.last_number = one.last_number.max(number);
    }

    /// What reconciling marked by deleting its own pods needs no second look.
    fn settle_books(&mut self, id: WorkloadId) {
        let key = &self.cluster.workload(id).key;
        self.controllers.dirty.remove(&(key.namespace.clone(), key.name.clone(), id));
    }

    /// Starts a pod of every DaemonSet that fits a new node.
    pub(super) fn start_daemons(&mut self, node: NodeId) {
        let mut sets: Vec<(String, String, WorkloadId)> = self
            .controllers
            .by_id
            .iter()
            .filter(|(_, one)| one.kind == WorkloadKind::DaemonSet)
            .map(|(id, _)| {
                let key = &self.cluster.workload(*id).key;
                (key.namespace.clone(), key.name.clone(), *id)
            })
            .collect();
        sets.sort();
        for (_, _, id) in sets {
            self.start_daemon(id, node);
        }
    }

    pub(super) fn start_daemon_everywhere(&mut self, id: WorkloadId) {
        let nodes: Vec<NodeId> = self.cluster.nodes().map(|(node, _)| node).collect();
        for node in nodes {
            let has_one = self
                .controller(id)
                .pods
                .values()
                .any(|pod| self.cluster.pod(*pod).node == Some(node));
            if !has_one {
                self.start_daemon(id, node);
            }
        }
    }

    fn start_daemon(&mut self, id: WorkloadId, node: NodeId) {
        let shape = self.controller(id).template;
        let set = &self.cluster.workload(id).key.name;
        let birth = PodBirth {
            name: format!("{set}-{}", self.cluster.node_name(node)).into(),
            shape,
            controller: Some(id),
            created_at: self.now,
        };
        let Some(pod) = self.create_daemon_pod(birth, node) else { return };
        let one = self.controllers.by_id.get_mut(&id).expect("looked up above");
        one.last_number += 1;
        one.pods.insert(one.last_number, pod);
    }

    /// When a controller was created, for reports.
    #[must_use]
    pub fn controller_created_at(&self, id: WorkloadId) -> Option<SimTime> {
        self.controllers.get(id).map(|one| one.created_at)
    }
}
