//! The scale-up of requests: room is looked for, or made, and the answer is a condition.
//!
//! Source: `provisioningrequest/orchestrator`, `checkcapacity` and `besteffortatomic`.

use plimsoll_core::Fork;
use plimsoll_core::SimTime;
use plimsoll_core::condition::ConditionStatus;
use plimsoll_core::ids::PodId;

use super::{BEST_EFFORT_ATOMIC, FAILED, PROVISIONED, ProvisioningRequests, checks_capacity};
use crate::action::Action;
use crate::injection::{FakePods, Origin};
use crate::scale_up::orchestrator::{self, ScaleUpInputs};
use crate::scale_up::{ScaleUpReport, ScaleUpResult};

/// The parameter by which a request is tried once only.
const NO_RETRY: &str = "noRetry";
/// A reason.
const CAPACITY_IS_FOUND: (&str, &str) = ("CapacityIsFound", "Capacity is found in the cluster");
/// A reason.
const CAPACITY_IS_PROVISIONED: (&str, &str) =
    ("CapacityIsProvisioned", "Capacity is found in the cluster");
/// A reason.
const CAPACITY_IS_NOT_FOUND: (&str, &str) =
    ("CapacityIsNotFound", "Capacity is not found, CA will try to find it later.");
/// The same where nothing is tried later.
const CAPACITY_IS_NOT_THERE: (&str, &str) =
    ("CapacityIsNotFound", "CA could not find requested capacity");

impl ProvisioningRequests {
    /// Scales up for pods that wait or for a request, in turns where both are there.
    ///
    /// Source: `provisioningrequest/orchestrator/wrapper_orchestrator.go`.
    pub fn scale_up(
        &mut self,
        fork: &mut Fork<'_>,
        inputs: &ScaleUpInputs<'_>,
        to_help: &[PodId],
        fakes: &mut FakePods,
        actions: &mut Vec<Action>,
    ) -> ScaleUpReport {
        let is_requested = |pod: &&PodId| matches!(fakes.origin(**pod), Some(Origin::Request(_)));
        let (requested, others): (Vec<PodId>, Vec<PodId>) =
            to_help.iter().partition(|pod| is_requested(pod));
        if requested.is_empty() {
            self.is_their_turn = false;
        } else if others.is_empty() {
            self.is_their_turn = true;
        }
        let is_their_turn = self.is_their_turn;
        self.is_their_turn = !is_their_turn;
        if is_their_turn {
            self.provision(fork, inputs, &requested, fakes, actions)
        } else {
            orchestrator::scale_up(fork, inputs, &others)
        }
    }

    /// Asks one class after the other; the first that tries anything decides.
    fn provision(
        &mut self,
        fork: &mut Fork<'_>,
        inputs: &ScaleUpInputs<'_>,
        pods: &[PodId],
        fakes: &mut FakePods,
        actions: &mut Vec<Action>,
    ) -> ScaleUpReport {
        let request = pods.iter().find_map(|pod| match fakes.origin(*pod) {
            Some(Origin::Request(index)) => Some(index),
            _ => None,
        });
        let Some(index) = request else { return ScaleUpReport::default() };
        let mut trial = fork.fork();
        let batch_max = inputs.settings.check_capacity_provisioning_request_max_batch_size;
        let batch = if inputs.settings.check_capacity_batch_processing && batch_max > 1 {
            self.batch(&mut trial, inputs, batch_max, fakes, actions)
        } else {
            let object = self.object(&trial, index);
            let is_checked = object.is_some_and(|one| checks_capacity(one, inputs.settings));
            if is_checked { vec![(index, pods.to_vec())] } else { Vec::new() }
        };
        if !batch.is_empty() {
            let result = self.check_capacity(&mut trial, &batch, fakes, actions, inputs.now);
            return ScaleUpReport { result, ..ScaleUpReport::default() };
        }
        let is_atomic =
            self.object(&trial, index).is_some_and(|one| one.class == BEST_EFFORT_ATOMIC);
        if is_atomic {
            return self.scale_up_for_all(&mut trial, inputs, index, pods, fakes, actions);
        }
        ScaleUpReport::default()
    }

    /// Up to so many requests to check capacity that are due, with their pods.
    fn batch(
        &mut self,
        fork: &mut Fork<'_>,
        inputs: &ScaleUpInputs<'_>,
        most: u32,
        fakes: &mut FakePods,
        actions: &mut Vec<Action>,
    ) -> Vec<(usize, Vec<PodId>)> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut batch = Vec::new();
        for index in 0..self.records.len() {
            if batch.len() >= most {
                break;
            }
            let object = self.object(fork, index);
            if !object.is_some_and(|one| checks_capacity(one, inputs.settings))
                || !self.records[index].is_due(inputs.settings, inputs.now)
            {
                continue;
            }
            let pods = self.make_pods(fork, index, fakes, actions, inputs.now);
            batch.extend(pods.map(|pods| (index, pods)));
        }
        batch
    }

    /// Whether the pods of each request fit, one request after the other: what the first takes, the
    /// next cannot have. The best result counts.
    fn check_capacity(
        &mut self,
        fork: &mut Fork<'_>,
        batch: &[(usize, Vec<PodId>)],
        fakes: &FakePods,
        actions: &mut Vec<Action>,
        now: SimTime,
    ) -> ScaleUpResult {
        for (index, _) in batch {
            self.accept(*index, actions, now);
        }
        let mut result = ScaleUpResult::NoOptionsAvailable;
        for (index, pods) in batch {
            let mut trial = fork.fork();
            if self.checked.place(&mut trial, fakes, pods, true, now).is_empty() {
                trial.commit();
                result = ScaleUpResult::Successful;
                let provisioned = (PROVISIONED, ConditionStatus::True);
                self.set(*index, provisioned, CAPACITY_IS_FOUND, actions, now);
                continue;
            }
            drop(trial);
            let parameters = self.object(fork, *index).map(|one| &one.parameters);
            let gives_up =
                parameters.and_then(|one| one.get(NO_RETRY)).is_some_and(|v| v == "true");
            if gives_up {
                let failed = (FAILED, ConditionStatus::True);
                self.set(*index, failed, CAPACITY_IS_NOT_THERE, actions, now);
            } else {
                let not_provisioned = (PROVISIONED, ConditionStatus::False);
                self.set(*index, not_provisioned, CAPACITY_IS_NOT_FOUND, actions, now);
            }
        }
        result
    }

    /// Scales up for all pods of a request that do not fit on what is there, or for none.
    fn scale_up_for_all(
        &mut self,
        fork: &mut Fork<'_>,
        inputs: &ScaleUpInputs<'_>,
        index: usize,
        pods: &[PodId],
        fakes: &FakePods,
        actions: &mut Vec<Action>,
    ) -> ScaleUpReport {
        let homeless = self.checked.place(fork, fakes, pods, false, inputs.now);
        if homeless.is_empty() {
            let provisioned = (PROVISIONED, ConditionStatus::True);
            self.set(index, provisioned, CAPACITY_IS_FOUND, actions, inputs.now);
            return ScaleUpReport { result: ScaleUpResult::NotNeeded, ..Default::default() };
        }
        let all_or_nothing = ScaleUpInputs { all_or_nothing: true, ..inputs.clone() };
        let report = orchestrator::scale_up(fork, &all_or_nothing, &homeless);
        if report.result == ScaleUpResult::Successful {
            self.asked_for = Some((index, false));
        } else {
            self.answer_scale_up(index, false, actions, inputs.now);
        }
        report
    }

    pub(super) fn answer_scale_up(
        &mut self,
        index: usize,
        is_provisioned: bool,
        actions: &mut Vec<Action>,
        now: SimTime,
    ) {
        let (status, why) = if is_provisioned {
            (ConditionStatus::True, CAPACITY_IS_PROVISIONED)
        } else {
            (ConditionStatus::False, CAPACITY_IS_NOT_FOUND)
        };
        self.set(index, (PROVISIONED, status), why, actions, now);
    }
}
