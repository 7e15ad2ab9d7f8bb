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
        self.roll(wanted, current, &old);
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
        let replicas = |world: &World, set: WorkloadId| world.cluster.workload(set).replicas;
        let total: u32 =
            replicas(self, current) + old.iter().map(|set| replicas(self, *set)).sum::<u32>();
        let room = (wanted + surge).saturating_sub(total);
        let grown = (replicas(self, current) + room).min(wanted);
        self.scale_set(current, grown);

        let running: u32 = old.iter().chain([&current]).map(|set| self.running_pods_of(*set)).sum();
        let mut may_go = running.saturating_sub(wanted.saturating_sub(unavailable));
        for set in old {
            let has = replicas(self, *set);
            let waiting = has.saturating_sub(self.running_pods_of(*set));
            let goes = has.min(waiting + may_go);
            may_go -= goes.saturating_sub(waiting).min(may_go);
            self.scale_set(*set, has - goes);
        }
    }

    fn running_pods_of(&self, set: WorkloadId) -> u32 {
        let running = self.controllers.get(set).map_or(0, |one| {
            one.pods.values().filter(|pod| self.cluster.pod(**pod).node.is_some()).count()
        });
        u32::try_from(running).expect("pods are few")
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
            selector: LabelSelector::default(),
            template: None,
            controller: None,
        };
        self.controllers.insert(&self.cluster, id, &object, template, self.now);
        id
    }
}
