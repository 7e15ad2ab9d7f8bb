//! Disruption budgets: how many pods may go at the moment.

use std::collections::BTreeSet;

use super::{Cluster, Workload, fork::Undo};
use crate::ids::{BudgetId, PodId, ShapeId, WorkloadId};
use crate::workload::{DisruptionBudgetObject, DisruptionRule};

/// Controllers whose `replicas` is no number of pods of their own: a Deployment's pods are its
/// ReplicaSets', and a DaemonSet has as many as there are nodes.
const UNSIZED_KINDS: [&str; 2] = ["Deployment", "DaemonSet"];

/// A disruption budget and how much of it is left.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Selector and rule.
    pub object: DisruptionBudgetObject,
    /// How many of its pods may be evicted now.
    pub disruptions_allowed: i64,
    /// Deleted: protects nothing any more.
    pub deleted: bool,
    /// For each shape whether the budget protects its pods; grows with the catalog.
    protects: Vec<bool>,
}

impl Budget {
    /// Whether it protects pods of this shape.
    #[must_use]
    pub fn protects(&self, shape: ShapeId) -> bool {
        !self.deleted && self.protects.get(shape.index()).copied().unwrap_or(false)
    }
}

impl Cluster {
    /// Adds a budget. What it allows is as the file says, or is worked out by
    /// [`Cluster::refresh_budgets`].
    ///
    /// # Panics
    /// On a fork, which would not take it back.
    pub fn add_budget(&mut self, object: DisruptionBudgetObject) -> BudgetId {
        assert!(!self.undo.is_open(), "budgets are not added on a fork");
        let id = BudgetId::at(self.budgets.len());
        self.budgets.push(Budget {
            disruptions_allowed: object.disruptions_allowed.unwrap_or(0),
            object,
            deleted: false,
            protects: Vec::new(),
        });
        self.match_budgets();
        self.changed();
        id
    }

    /// Removes a budget.
    ///
    /// # Panics
    /// On a fork, which would not take it back.
    pub fn remove_budget(&mut self, budget: BudgetId) {
        assert!(!self.undo.is_open(), "budgets are not removed on a fork");
        self.budgets[budget.index()].deleted = true;
        self.changed();
    }

    /// All budgets that were not deleted, in the order of their ids.
    pub fn budgets(&self) -> impl Iterator<Item = (BudgetId, &Budget)> + '_ {
        self.budgets
            .iter()
            .enumerate()
            .filter(|(_, budget)| !budget.deleted)
            .map(|(index, budget)| (BudgetId::at(index), budget))
    }

    /// The budgets that protect a pod.
    pub fn budgets_of(&self, pod: PodId) -> impl Iterator<Item = (BudgetId, &Budget)> + '_ {
        let shape = self.pods.get(pod).shape;
        self.budgets().filter(move |(_, budget)| budget.protects(shape))
    }

    /// Looks which shapes each budget protects. Shapes that came since are added.
    pub fn match_budgets(&mut self) {
        let shapes = self.catalog.shape_count();
        for budget in &mut self.budgets {
            for index in budget.protects.len()..shapes {
                let spec = self.catalog.shape(ShapeId::at(index));
                let selected =
                    budget.object.selector.as_ref().is_some_and(|one| one.matches(&spec.labels));
                budget.protects.push(selected && spec.namespace == budget.object.namespace);
            }
        }
    }

    /// Works out what each budget allows now: healthy pods (bound ones that were not asked to go)
    /// less those that must stay.
    ///
    /// Source: the disruption controller. Expected pods are the replicas of the controllers whose
    /// pods match; `maxUnavailable` and percentages refer to them. Where nobody knows how many a
    /// controller wants, it is taken to want those that it has.
    pub fn refresh_budgets(&mut self) {
        self.refresh_some_budgets(|_| true);
    }

    /// The same for budgets of which the file did not say what they allow.
    pub(crate) fn refresh_unstated_budgets(&mut self) {
        self.refresh_some_budgets(|budget| budget.object.disruptions_allowed.is_none());
    }

    fn refresh_some_budgets(&mut self, is_concerned: impl Fn(&Budget) -> bool) {
        if self.budgets.is_empty() {
            return;
        }
        self.match_budgets();
        for index in 0..self.budgets.len() {
            let budget = &self.budgets[index];
            if budget.deleted || !is_concerned(budget) {
                continue;
            }
            let healthy = self.healthy_pods(budget);
            let expected = self.expected_pods(budget);
            let desired = match budget.object.rule {
                DisruptionRule::MinAvailable(least) => least.of(expected),
                DisruptionRule::MaxUnavailable(most) => (expected - most.of(expected)).max(0),
            };
            let allowed = (healthy - desired).max(0);
            let before = budget.disruptions_allowed;
            if allowed != before {
                self.write_disruptions(BudgetId::at(index), allowed);
                self.undo.push(Undo::BudgetUsed(BudgetId::at(index), before));
                self.changed();
            }
        }
    }

    fn healthy_pods(&self, budget: &Budget) -> i64 {
        let shapes = (0..budget.protects.len()).map(ShapeId::at);
        let bound = shapes.filter(|shape| budget.protects(*shape));
        let bound: i64 = bound.map(|shape| i64::from(self.bound_of_shape(shape))).sum();
        let going = self.pods.going.iter().map(|pod| self.pods.get(*pod));
        let going = going.filter(|pod| pod.node.is_some() && budget.protects(pod.shape)).count();
        bound - i64::try_from(going).expect("pods are few")
    }

    fn expected_pods(&self, budget: &Budget) -> i64 {
        let wants = |one: &Workload| one.exists && !UNSIZED_KINDS.contains(&one.key.kind.as_str());
        let templates = |one: &Workload| one.shape.is_some_and(|shape| budget.protects(shape));
        let mut controllers: BTreeSet<WorkloadId> = self
            .workloads()
            .filter(|(_, one)| wants(one) && templates(one))
            .map(|(id, _)| id)
            .collect();
        let mut others = 0;
        for (shape, owners) in self.pods.owners_by_shape.iter().enumerate() {
            for (owner, count) in owners.iter().filter(|_| budget.protects(ShapeId::at(shape))) {
                match owner.filter(|owner| wants(self.workload(*owner))) {
                    Some(owner) => drop(controllers.insert(owner)),
                    None => others += i64::from(*count),
                }
            }
        }
        let replicas = controllers.iter().map(|one| i64::from(self.workload(*one).replicas));
        replicas.sum::<i64>() + others
    }

    /// Takes `count` disruptions from a budget.
    pub fn use_budget(&mut self, budget: BudgetId, count: i64) {
        let before = self.budgets[budget.index()].disruptions_allowed;
        self.write_disruptions(budget, before - count);
        self.undo.push(Undo::BudgetUsed(budget, before));
        self.changed();
    }

    pub(super) fn write_disruptions(&mut self, budget: BudgetId, allowed: i64) {
        self.budgets[budget.index()].disruptions_allowed = allowed;
    }
}
