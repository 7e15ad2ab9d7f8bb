//! Provisioning requests: pods that are to come all or none, and for which room is found, or made,
//! and then held for ten minutes.
//!
//! Each loop takes up one request: its pods are made up on the fork. If it only checks capacity, they
//! must all fit on nodes that are there or coming; if it may scale up, one increase must make room
//! for all that do not. What became of it is a condition. Requests that are provisioned hold their
//! room by pods made up in every loop, which keep their nodes too; pods that consume a request never
//! cause a scale-up themselves.
//!
//! Source: `processors/provreq` and `provisioningrequest` of release 1.36. Upstream takes requests in
//! no order; ours go by age, then by namespace and name.

mod booking;
mod provisioning;
mod records;

use plimsoll_core::capacity::{NamespacedName, PROVISIONING_REQUEST, ProvisioningRequestObject};
use plimsoll_core::condition::{Condition, ConditionStatus};
use plimsoll_core::ids::PodId;
use plimsoll_core::objects::ObjectName;
use plimsoll_core::{Cluster, Fork, PodBirth, SimDuration, SimTime, WorkloadKey};

use crate::action::Action;
use crate::injection::{FakePods, Origin};
use crate::pending::{PodOutcome, Sorted};
use crate::settings::Settings;
use crate::{Reason, Subject};
use booking::Places;
use records::Record;

/// The autoscaler tries.
const ACCEPTED: &str = "Accepted";
/// There is room, or there is not yet.
const PROVISIONED: &str = "Provisioned";
/// It will never be.
const FAILED: &str = "Failed";
/// Its room is no longer held.
const BOOKING_EXPIRED: &str = "BookingExpired";
/// The class that looks for room that is there.
const CHECK_CAPACITY: &str = "check-capacity.autoscaling.x-k8s.io";
/// The class that scales up for all pods or none.
const BEST_EFFORT_ATOMIC: &str = "best-effort-atomic-scale-up.autoscaling.x-k8s.io";
/// The parameter that names the one autoscaler which is to check capacity.
const PROCESSOR_INSTANCE: &str = "processorInstance";
/// The annotations by which a pod says that it consumes a request; the second is of old.
const CONSUMES: [&str; 2] = [
    "autoscaling.x-k8s.io/consume-provisioning-request",
    "cluster-autoscaler.kubernetes.io/consume-provisioning-request",
];
/// No more pods than this are told of in a loop.
const CONSUMERS_TOLD_MAX: usize = 50;
/// The smallest step of time.
const TICK: SimDuration = SimDuration(1);

/// All requests and how they stand.
#[derive(Clone, Debug, Default)]
pub struct ProvisioningRequests {
    /// By age, namespace and name.
    records: Vec<Record>,
    /// The version of the objects that the records are about.
    version: Option<u64>,
    /// The next scale-up is for a request, if pods that wait want one too.
    is_their_turn: bool,
    booked: Places,
    checked: Places,
    /// The request whose increases were asked for and not yet answered; true once one was refused.
    asked_for: Option<(usize, bool)>,
}

impl ProvisioningRequests {
    /// How each request stands: conditions by namespace and name.
    pub fn conditions(&self) -> impl Iterator<Item = (&NamespacedName, &[Condition])> + '_ {
        self.records.iter().map(|one| (&one.id, one.conditions.0.as_slice()))
    }

    /// Takes pods that consume a request out of those to be helped.
    ///
    /// Source: `processors/provreq/pods_filter.go`.
    pub fn leave_out_consumers(
        &self,
        cluster: &Cluster,
        to_help: &mut Vec<PodId>,
        sorted: &mut Sorted,
        events: &mut Vec<Reason>,
    ) {
        let mut told = 0;
        to_help.retain(|id| {
            let spec = cluster.shape(cluster.pod(*id).shape);
            let Some(request) = CONSUMES.iter().find_map(|key| spec.annotations.get(*key)) else {
                return true;
            };
            if told < CONSUMERS_TOLD_MAX {
                told += 1;
                events.push(Reason {
                    subject: Subject::Pod(cluster.pod_full_name(*id)),
                    text: format!(
                        "Unschedulable pod didn't trigger scale-up, because it's consuming \
                         ProvisioningRequest {}/{request}",
                        spec.namespace
                    ),
                });
            }
            sorted.outcomes.push((*id, PodOutcome::Ignored));
            false
        });
    }

    /// Makes up the pods of the next request, to be helped, and those that hold room.
    ///
    /// Source: `processors/provreq/injector.go` and `processor.go`.
    pub fn inject(
        &mut self,
        fork: &mut Fork<'_>,
        settings: &Settings,
        fakes: &mut FakePods,
        to_help: &mut Vec<PodId>,
        actions: &mut Vec<Action>,
        now: SimTime,
    ) {
        self.take_over(fork);
        if let Some(pods) = self.next_request(fork, settings, fakes, actions, now) {
            to_help.extend(pods);
        }
        self.book(fork, settings, fakes, actions, now);
    }

    /// The pods of the first request that is to be tried now. It is accepted, unless it will be one
    /// of a batch.
    fn next_request(
        &mut self,
        fork: &mut Fork<'_>,
        settings: &Settings,
        fakes: &mut FakePods,
        actions: &mut Vec<Action>,
        now: SimTime,
    ) -> Option<Vec<PodId>> {
        for index in 0..self.records.len() {
            let served = self.object(fork, index).is_some_and(|one| is_served(one, settings));
            if !served || !self.records[index].is_due(settings, now) {
                continue;
            }
            let Some(pods) = self.make_pods(fork, index, fakes, actions, now) else { continue };
            let waits_for_batch = settings.check_capacity_batch_processing
                && self.object(fork, index).is_some_and(|one| checks_capacity(one, settings));
            if !waits_for_batch {
                self.accept(index, actions, now);
            }
            return Some(pods);
        }
        None
    }

    fn accept(&mut self, index: usize, actions: &mut Vec<Action>, now: SimTime) {
        let message = "ProvisioningRequest is accepted by ClusterAutoscaler";
        let accepted = (ACCEPTED, ConditionStatus::True);
        self.set(index, accepted, ("Accepted", message), actions, now);
    }

    /// Makes up a request's pods; the request fails when a template is missing.
    fn make_pods(
        &mut self,
        fork: &mut Fork<'_>,
        index: usize,
        fakes: &mut FakePods,
        actions: &mut Vec<Action>,
        now: SimTime,
    ) -> Option<Vec<PodId>> {
        let object = self.object(fork, index)?.clone();
        match pods_of(fork, &object, index, fakes) {
            Ok(pods) => Some(pods),
            Err(why) => {
                let failed = (FAILED, ConditionStatus::True);
                self.set(index, failed, ("FailedToCreatePods", &why), actions, now);
                None
            }
        }
    }

    /// Sets a condition, and asks for it to be written.
    fn set(
        &mut self,
        index: usize,
        (kind, status): (&str, ConditionStatus),
        (reason, message): (&str, &str),
        actions: &mut Vec<Action>,
        now: SimTime,
    ) {
        let condition = Condition {
            kind: kind.to_owned(),
            status,
            reason: reason.to_owned(),
            message: message.to_owned(),
            changed_at: whole_second(now),
        };
        let record = &mut self.records[index];
        if record.conditions.find(kind) == Some(&condition) {
            return;
        }
        record.conditions.replace(condition.clone());
        actions.push(Action::SetCondition { object: record.object_name(), condition });
    }

    fn object<'c>(
        &self,
        cluster: &'c Cluster,
        index: usize,
    ) -> Option<&'c ProvisioningRequestObject> {
        let record = &self.records[index];
        if record.is_deleted { None } else { cluster.capacity().request(&record.id) }
    }

    /// A group could not be enlarged: the request that this was for is not provisioned.
    pub fn note_refusal(&mut self) {
        if let Some((_, refused)) = &mut self.asked_for {
            *refused = true;
        }
    }

    /// Once the increases of a request have been asked for: what became of it.
    pub fn resume(&mut self, now: SimTime) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some((index, refused)) = self.asked_for.take() {
            self.answer_scale_up(index, !refused, &mut actions, now);
        }
        actions
    }
}

/// Kubernetes keeps times of conditions by the second.
fn whole_second(at: SimTime) -> SimTime {
    SimTime(at.0 - at.0.rem_euclid(1000))
}

/// Whether this autoscaler serves a request.
///
/// Source: `provisioningrequest/supported_classes.go`.
fn is_served(request: &ProvisioningRequestObject, settings: &Settings) -> bool {
    if request.class == BEST_EFFORT_ATOMIC {
        return settings.check_capacity_processor_instance.is_empty();
    }
    checks_capacity(request, settings)
}

/// Whether it is a request to check capacity that this autoscaler serves.
fn checks_capacity(request: &ProvisioningRequestObject, settings: &Settings) -> bool {
    let own = settings.check_capacity_processor_instance.as_str();
    let wanted = request.parameters.get(PROCESSOR_INSTANCE).map_or("", String::as_str);
    if own == wanted {
        return request.class == CHECK_CAPACITY;
    }
    // An instance may still be named before the class, if not in the parameters.
    wanted.is_empty() && request.class.strip_prefix(own) == Some(CHECK_CAPACITY)
}

/// Makes up the pods of a request.
///
/// # Errors
/// Upstream's words when a template is missing.
fn pods_of(
    fork: &mut Fork<'_>,
    request: &ProvisioningRequestObject,
    index: usize,
    fakes: &mut FakePods,
) -> Result<Vec<PodId>, String> {
    let mut shapes = Vec::with_capacity(request.pod_sets.len());
    let mut missing = Vec::new();
    for set in &request.pod_sets {
        let id = NamespacedName {
            namespace: request.id.namespace.clone(),
            name: set.pod_template.clone(),
        };
        match fork.capacity().template(&id).map(|template| template.spec.clone()) {
            Some(mut spec) => {
                // Only the API server knows priority classes, and it never sees these pods.
                spec.priority = 0;
                spec.is_priority_unset = true;
                shapes.push(fork.intern_shape(&spec));
            }
            None => missing.push(set.pod_template.as_str()),
        }
    }
    if !missing.is_empty() {
        return Err(format!(
            "missing pod templates, {} pod templates were referenced, {} templates were missing: {}",
            request.pod_sets.len(),
            missing.len(),
            missing.join(",")
        ));
    }
    let controller = fork.intern_workload(WorkloadKey {
        kind: PROVISIONING_REQUEST.to_owned(),
        namespace: request.id.namespace.clone(),
        name: request.id.name.clone(),
    });
    let created_at = request.created_at.unwrap_or_default();
    let mut pods = Vec::new();
    for (number, (set, shape)) in request.pod_sets.iter().zip(shapes).enumerate() {
        for pod in 0..set.count {
            let name = format!("{}-{number}-{pod}", request.id.name).into();
            let birth = PodBirth { name, shape, controller: Some(controller), created_at };
            pods.push(fakes.add(fork, birth, Origin::Request(index)));
        }
    }
    Ok(pods)
}

fn object_name(id: &NamespacedName) -> ObjectName {
    ObjectName {
        kind: PROVISIONING_REQUEST.to_owned(),
        namespace: id.namespace.clone(),
        name: id.name.clone(),
    }
}

#[cfg(test)]
mod tests;
