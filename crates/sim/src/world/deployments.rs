//! Deployments: one ReplicaSet for the current template, rolled out with upstream's default
//! strategy (25 % surge rounded up, 25 % unavailable rounded down).

use std::hash::{Hash, Hasher};

use plimsoll_core::WorkloadKey;
use plimsoll_core::ids::{ShapeId, WorkloadId};
use plimsoll_core::labels::LabelSelector;
use plimsoll_core::workload::{WorkloadKind, WorkloadObject};
use rustc_hash::FxHasher;

use super::World;

impl World {
    /// Brings the ReplicaSets of a Deployment one step nearer to what it wants. It is looked at
    /// again whenever one of their pods is bound or lost.
    pub(super) fn reconcile_deployment(&mut self, id: WorkloadId) {
        let wanted = self.cluster.workload(id).replicas;
        let Some(template) = self.cluster.workload(id).shape else { return };
        let owned: Vec<WorkloadId> = self
            .cluster
            .workloads()
            .filter(|(_, one)| one.exists && one.controller == Some(id))
            .map(|(set, _)| set)
            .collect();
        let current = owned
            .iter()
            .copied()
            .find(|set| self.has_template(*set, template))
            .unwrap_or_else(|| self.make_replica_set(id, template));
        let old: Vec<WorkloadId> = owned.into_iter().filter(|set| *set != current).collect();
        if old.iter().all(|set| self.cluster.workload(*set).replicas == 0) {
            self.scale_set(current, wanted);
            return;
        }
        let old_before = self.replicas_of(&old);
        self.roll(wanted, current, &old);
        if self.replicas_of(&old) < old_before {
            // Pods that went make room for new ones: the next step need not wait for anything.
            self.controllers.mark(&self.cluster, id);
        }
    }

    /// Whether a ReplicaSet is of this template of its Deployment: equal but for the label that the
    /// real controller adds to tell ReplicaSets apart.
    fn has_template(&self, set: WorkloadId, template: ShapeId) -> bool {
        const HASH_LABEL: &str = "pod-template-hash";
        let Some(shape) = self.cluster.workload(set).shape else { return false };
        if shape == template {
            return true;
        }
        let mut spec = self.cluster.shape(shape).clone();
        spec.labels.remove(HASH_LABEL).is_some() && spec == *self.cluster.shape(template)
    }

    /// One step of a rolling update.
    ///
    /// Source: `pkg/controller/deployment/rolling.go`.
    fn roll(&mut self, wanted: u32, current: WorkloadId, old: &[WorkloadId]) {
        let surge = wanted.div_ceil(4);
        let unavailable = if wanted / 4 == 0 && surge == 0 { 1 } else { wanted / 4 };
        let total = self.replicas_of(&[current]) + self.replicas_of(old);
        let room = (wanted + surge).saturating_sub(total);
        let grown = (self.replicas_of(&[current]) + room).min(wanted);
        self.scale_set(current, grown);

        let total = grown + self.replicas_of(old);
        let must_run = wanted.saturating_sub(unavailable);
        let new_waiting = grown - self.running_pods_of(current);
        // Old pods that wait go first, as long as so many would run if all the new ones did.
        let mut may_go = total.saturating_sub(must_run + new_waiting);
        for set in old {
            let has = self.replicas_of(&[*set]);
            let goes = may_go.min(has - self.running_pods_of(*set));
            may_go -= goes;
            self.scale_set(*set, has - goes);
        }
        let running: u32 = old.iter().chain([&current]).map(|set| self.running_pods_of(*set)).sum();
        let mut may_go = may_go.min(running.saturating_sub(must_run));
        for set in old {
            let has = self.replicas_of(&[*set]);
            let goes = may_go.min(has);
            may_go -= goes;
            self.scale_set(*set, has - goes);
        }
    }

    fn replicas_of(&self, sets: &[WorkloadId]) -> u32 {
        sets.iter().map(|set| self.cluster.workload(*set).replicas).sum()
    }

    /// How many pods run of those that the set is to keep; it may not have got rid of others yet.
    fn running_pods_of(&self, set: WorkloadId) -> u32 {
        let running = self.controllers.get(set).map_or(0, |one| {
            one.pods.values().filter(|pod| self.cluster.pod(**pod).node.is_some()).count()
        });
        u32::try_from(running).expect("pods are few").min(self.cluster.workload(set).replicas)
    }

    pub(super) fn scale_set(&mut self, set: WorkloadId, replicas: u32) {
        if self.cluster.workload(set).replicas != replicas {
            self.cluster.update_workload(set, |one| one.replicas = replicas);
        }
        self.controllers.mark(&self.cluster, set);
    }

    /// Makes the ReplicaSet of a template: `<deployment>-<hash of the template>`.
    fn make_replica_set(&mut self, deployment: WorkloadId, template: ShapeId) -> WorkloadId {
        let WorkloadKey { namespace, name, .. } = self.cluster.workload(deployment).key.clone();
        let mut hasher = FxHasher::default();
        self.cluster.shape(template).hash(&mut hasher);
        let name = format!("{name}-{:08x}", hasher.finish() & 0xffff_ffff);
        let key = WorkloadKey::new(WorkloadKind::ReplicaSet, &namespace, &name);
        let id = self.cluster.intern_workload(key);
        let selector = self.cluster.workload(deployment).selector.clone();
        self.cluster.update_workload(id, |one| {
            one.replicas = 0;
            one.shape = Some(template);
            one.selector = selector;
            one.controller = Some(deployment);
            one.exists = true;
        });
        let object = WorkloadObject {
            kind: WorkloadKind::ReplicaSet,
            api_version: "apps/v1".to_owned(),
            namespace,
            name,
            uid: String::new(),
            created_at: Some(self.now),
            replicas: 0,
            completions: None,
            succeeded: 0,
            is_parallel: false,
            selector: LabelSelector::default(),
            template: None,
            controller: None,
        };
        self.controllers.insert(&self.cluster, id, &object, template, self.now);
        id
    }
}
