//! A pod held against single nodes, without scores: what a search asks many times over.

use super::Kind;
use super::prepared::Prepared;
use super::refusal::Refusal;
use super::topology::FilterPlan;
use crate::cluster::Cluster;
use crate::ids::{NodeId, PodId};

/// A pod that passed everything that does not depend on the node.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    kind: Kind,
    prepared: Prepared,
}

impl Trial {
    /// What other pods keep it off; `None` when they keep it off nothing.
    pub(super) fn filters(&self) -> Option<&FilterPlan> {
        self.prepared.filters.as_deref()
    }
}

impl Cluster {
    /// Begins to hold a pod against nodes, as long as the cluster stays as it is.
    ///
    /// # Errors
    /// What refuses the pod as a whole.
    pub(super) fn begin_trial(&mut self, pod: PodId) -> Result<Trial, Refusal> {
        let one = self.pod(pod);
        let kind = Kind { shape: one.shape, controller: one.controller, pod: Some(pod) };
        if let Some(gate) = self.gate_of(kind.shape) {
            return Err(gate);
        }
        let prepared = self.prepare_kind(kind)?;
        Ok(Trial { kind, prepared })
    }

    /// Why the pod does not fit a node.
    pub(super) fn refusal_in_trial(&mut self, trial: &Trial, node: NodeId) -> Option<Refusal> {
        self.refusal_beside(trial.kind, &trial.prepared, node)
    }
}
