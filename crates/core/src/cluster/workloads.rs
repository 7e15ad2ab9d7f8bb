//! Controllers of pods: who they are and how many pods they want.

use super::Cluster;
use crate::ids::{ShapeId, WorkloadId};
use crate::labels::LabelSelector;
use crate::workload::{WorkloadKind, WorkloadObject};

/// A controller of pods.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its kind, namespace and name.
    pub key: WorkloadKey,
    /// How many pods it wants; of a DaemonSet unused.
    pub replicas: u32,
    /// What its pods look like; `None` where nobody knows.
    pub shape: Option<ShapeId>,
    /// Which pods are its own; `None` where nobody knows.
    pub selector: Option<LabelSelector>,
    /// The controller above it.
    pub controller: Option<WorkloadId>,
    /// How many pods a Job must see succeed; `None`: a work queue, or no Job.
    pub completions: Option<u32>,
    /// How many pods of a Job have succeeded.
    pub succeeded: u32,
    /// A StatefulSet that does not wait for one pod before it makes the next.
    pub is_parallel: bool,
    /// Its object is there. A pod may name a controller that is not (or no longer).
    pub exists: bool,
}

impl Workload {
    /// Takes over what the object says, its template and the controller above it aside.
    pub fn take(&mut self, object: &WorkloadObject) {
        self.replicas = object.replicas;
        self.selector = Some(object.selector.clone());
        self.completions = object.completions;
        self.succeeded = object.succeeded;
        self.is_parallel = object.is_parallel;
        self.exists = true;
    }
}

/// The identity of a controller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadKey {
    /// Its kind; kinds that are not understood are kept by name.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl WorkloadKey {
    /// The key of a controller of a kind that is understood.
    #[must_use]
    pub fn new(kind: WorkloadKind, namespace: &str, name: &str) -> WorkloadKey {
        WorkloadKey {
            kind: kind.as_str().to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// `namespace/Kind/name`, as reports print it.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}/{}", self.namespace, self.kind, self.name)
    }
}

impl Cluster {
    /// The id of a controller, which need not exist.
    pub fn intern_workload(&mut self, key: WorkloadKey) -> WorkloadId {
        if let Some(known) = self.workload_keys.get(&key) {
            return *known;
        }
        let id = WorkloadId::at(self.workloads.len());
        if key.kind == WorkloadKind::DaemonSet.as_str() {
            self.daemon_sets.push(id);
        }
        self.workload_keys.insert(key.clone(), id);
        self.workloads.push(Workload {
            key,
            replicas: 0,
            shape: None,
            selector: None,
            controller: None,
            completions: None,
            succeeded: 0,
            is_parallel: false,
            exists: false,
        });
        id
    }

    /// The controller with this key, if anything ever named it.
    #[must_use]
    pub fn find_workload(&self, key: &WorkloadKey) -> Option<WorkloadId> {
        self.workload_keys.get(key).copied()
    }

    /// A controller.
    #[must_use]
    pub fn workload(&self, workload: WorkloadId) -> &Workload {
        &self.workloads[workload.index()]
    }

    /// All controllers, in the order in which they were first named.
    pub fn workloads(&self) -> impl Iterator<Item = (WorkloadId, &Workload)> + '_ {
        self.workloads.iter().enumerate().map(|(index, one)| (WorkloadId::at(index), one))
    }

    /// The DaemonSets among the controllers, in the order in which they were first named: they are
    /// few where controllers are many.
    pub fn daemon_sets(&self) -> impl Iterator<Item = (WorkloadId, &Workload)> + '_ {
        self.daemon_sets.iter().map(|id| (*id, &self.workloads[id.index()]))
    }

    /// Notes how many pods of a Job have succeeded.
    ///
    /// # Panics
    /// On a fork, which would not take it back.
    pub fn set_succeeded(&mut self, workload: WorkloadId, succeeded: u32) {
        assert!(!self.undo.is_open(), "controllers do not change on a fork");
        let one = &mut self.workloads[workload.index()];
        if one.succeeded != succeeded {
            one.succeeded = succeeded;
            self.changed();
        }
    }

    /// Changes a controller.
    ///
    /// # Panics
    /// On a fork, which would not take it back.
    pub fn update_workload(&mut self, workload: WorkloadId, update: impl FnOnce(&mut Workload)) {
        assert!(!self.undo.is_open(), "controllers do not change on a fork");
        let one = &mut self.workloads[workload.index()];
        let before = (one.exists, one.selector.clone());
        update(one);
        if before != (one.exists, one.selector.clone()) {
            self.topology.controllers_changed();
        }
        self.changed();
    }
}
