//! Capacity buffers: room that is kept free for pods to come.
//!
//! The controller's half (`controller`) works out how many chunks a buffer has and what each looks
//! like. The injector's half makes a pod of each chunk: those that fit hold their room, those that do
//! not are helped like pods that wait. They may be moved when a node goes.
//!
//! Source: `capacitybuffer` and `processors/capacitybuffer` of release 1.36. Upstream's controller
//! runs beside the loop, as objects change and every five minutes; ours runs before each loop.

mod controller;

use std::collections::BTreeMap;

use plimsoll_core::capacity::{
    CAPACITY_BUFFER, CapacityBufferObject, CapacityBufferStatus, NamespacedName,
};
use plimsoll_core::condition::{Condition, ConditionStatus};
use plimsoll_core::drain::SAFE_TO_EVICT;
use plimsoll_core::objects::ObjectName;
use plimsoll_core::{Cluster, Fork, PodBirth, PodSpec, SimTime, WorkloadKey};

use crate::action::Action;
use crate::injection::{FakePods, Origin, count_by_origin};
use crate::pending::PodOutcome;
use crate::scale_up::{ScaleUpReport, ScaleUpResult};
use crate::settings::Settings;
use crate::{Reason, Subject};

/// The strategy that is served.
const ACTIVE_CAPACITY: &str = "buffer.x-k8s.io/active-capacity";
/// The status can be used.
const READY: &str = "ReadyForProvisioning";
/// Pods were made of it.
const PROVISIONING: &str = "Provisioning";

/// How all buffers stand.
#[derive(Clone, Debug, Default)]
pub struct CapacityBuffers {
    records: BTreeMap<NamespacedName, Record>,
}

#[derive(Clone, Debug, Default)]
struct Record {
    /// The object's own status, as it was last seen.
    seen: CapacityBufferStatus,
    /// How it stands now.
    status: CapacityBufferStatus,
    /// What one chunk looks like, where the controller has found that out.
    chunk: Option<PodSpec>,
}

impl CapacityBuffers {
    /// How each buffer stands, by namespace and name, as of the last loop.
    pub fn statuses(&self) -> impl Iterator<Item = (&NamespacedName, &CapacityBufferStatus)> + '_ {
        self.records.iter().map(|(id, record)| (id, &record.status))
    }

    /// Brings statuses up to date and makes up the pods of ready buffers. Conditions that change are
    /// added to `actions`.
    pub fn inject(
        &mut self,
        fork: &mut Fork<'_>,
        settings: &Settings,
        fakes: &mut FakePods,
        actions: &mut Vec<Action>,
        now: SimTime,
    ) {
        if self.records.is_empty() && fork.capacity().buffers().next().is_none() {
            return;
        }
        let buffers: Vec<CapacityBufferObject> = fork.capacity().buffers().cloned().collect();
        self.take_over(&buffers);
        let before: Vec<Vec<Condition>> =
            self.records.values().map(|one| one.status.conditions.0.clone()).collect();
        if settings.capacity_buffer_controller_enabled {
            for buffer in &buffers {
                let record = self.records.get_mut(&buffer.id).expect("all were taken over");
                controller::reconcile(fork, settings, buffer, record, now);
            }
        }
        if settings.capacity_buffer_pod_injection_enabled {
            for (number, (id, record)) in self.records.iter_mut().enumerate() {
                record.provide(fork, id, number, fakes, now);
            }
        }
        for ((id, record), before) in self.records.iter().zip(&before) {
            for condition in &record.status.conditions.0 {
                if !before.contains(condition) {
                    let (object, condition) = (object_name(id), condition.clone());
                    actions.push(Action::SetCondition { object, condition });
                }
            }
        }
    }

    /// Forgets buffers that are gone; a status that somebody else has written counts from now on.
    fn take_over(&mut self, buffers: &[CapacityBufferObject]) {
        let is_there = |id: &NamespacedName| buffers.iter().any(|one| one.id == *id);
        self.records.retain(|id, _| is_there(id));
        for buffer in buffers {
            let record = self.records.entry(buffer.id.clone()).or_default();
            if record.seen != buffer.status {
                record.seen = buffer.status.clone();
                record.status = buffer.status.clone();
            }
        }
    }

    /// What there is to say about buffers after a scale-up, in upstream's words.
    pub fn tell(
        &self,
        cluster: &Cluster,
        report: &ScaleUpReport,
        outcomes: &[(plimsoll_core::ids::PodId, PodOutcome)],
        fakes: &FakePods,
        findings: &mut Vec<Reason>,
    ) {
        if fakes.is_empty() {
            return;
        }
        let about = |number: usize, text: String| {
            let (id, _) = self.records.iter().nth(number).expect("pods of buffers that are there");
            findings.push(Reason { subject: Subject::Object(object_name(id).to_string()), text });
        };
        if report.result == ScaleUpResult::Successful {
            let triggered = outcomes
                .iter()
                .filter(|(_, outcome)| *outcome == PodOutcome::TriggeredScaleUp)
                .map(|(pod, _)| *pod);
            let list = report.increases_list(cluster);
            tell_counts(&count_by_origin(fakes, triggered), about, |count| {
                format!("capacity buffer {count} fake pods triggered scale-up: {list}")
            });
            return;
        }
        if report.result == ScaleUpResult::NoOptionsAvailable {
            self.tell_not_triggered(report, fakes, findings);
        }
    }

    fn tell_not_triggered(
        &self,
        report: &ScaleUpReport,
        fakes: &FakePods,
        findings: &mut Vec<Reason>,
    ) {
        let mut whys: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (index, judged) in report.pod_groups.iter().enumerate() {
            if !judged.fits.is_empty() {
                continue;
            }
            for pod in &judged.group.pods {
                if let Some(Origin::Buffer(number)) = fakes.origin(*pod) {
                    whys.entry(number).or_default().push(report.not_triggered_text(index));
                }
            }
        }
        for (number, whys) in whys {
            let (id, _) = self.records.iter().nth(number).expect("pods of buffers that are there");
            let (count, why) = (whys.len(), whys.join(","));
            let text = format!("capacity buffer {count} fake pods didn't trigger scale-up: {why}");
            findings.push(Reason { subject: Subject::Object(object_name(id).to_string()), text });
        }
    }
}

fn tell_counts(
    counts: &BTreeMap<Origin, usize>,
    mut about: impl FnMut(usize, String),
    text: impl Fn(usize) -> String,
) {
    for (origin, count) in counts {
        if let Origin::Buffer(number) = origin {
            about(*number, text(*count));
        }
    }
}

fn object_name(id: &NamespacedName) -> ObjectName {
    ObjectName {
        kind: CAPACITY_BUFFER.to_owned(),
        namespace: id.namespace.clone(),
        name: id.name.clone(),
    }
}

impl Record {
    /// Makes up the pods of a buffer that is ready, or says why not.
    fn provide(
        &mut self,
        fork: &mut Fork<'_>,
        id: &NamespacedName,
        number: usize,
        fakes: &mut FakePods,
        now: SimTime,
    ) {
        let is_served = self.status.provisioning_strategy.as_deref() == Some(ACTIVE_CAPACITY);
        let holds = |kind: &str| self.status.conditions.is(kind, ConditionStatus::True);
        if !is_served || !(holds(READY) || holds(PROVISIONING)) || self.is_outdated(fork, id) {
            return;
        }
        match self.chunks(fork, id) {
            Ok((chunk, count)) => {
                make_pods(fork, id, number, &chunk, count, fakes);
                self.set(PROVISIONING, ConditionStatus::True, "FakePodsInjected", "", now);
            }
            Err((reason, message)) => {
                self.set(PROVISIONING, ConditionStatus::False, reason, &message, now);
            }
        }
    }

    /// Whether the pod template has changed since the status was written.
    fn is_outdated(&self, cluster: &Cluster, id: &NamespacedName) -> bool {
        let (None, Some(name), Some(generation)) =
            (&self.chunk, &self.status.pod_template, self.status.pod_template_generation)
        else {
            return false;
        };
        let template = cluster.capacity().template(&beside(id, name));
        template.is_some_and(|template| template.generation != generation)
    }

    /// What one chunk looks like and how many there are, or why nobody knows.
    fn chunks(
        &self,
        cluster: &Cluster,
        id: &NamespacedName,
    ) -> Result<(PodSpec, u32), (&'static str, String)> {
        let not_ready = self.status.conditions.is(READY, ConditionStatus::False);
        let (Some(name), Some(count), false) =
            (&self.status.pod_template, self.status.replicas, not_ready)
        else {
            let message = "CapacityBuffer is not ready for provisioning".to_owned();
            return Err(("NotReadyForProvisioning", message));
        };
        if count == 0 {
            return Err(("BufferIsEmpty", "CapacityBuffer has zero replicas".to_owned()));
        }
        let template = cluster.capacity().template(&beside(id, name)).map(|one| &one.spec);
        match self.chunk.as_ref().or(template) {
            Some(chunk) => Ok((chunk.clone(), count)),
            None => {
                let message =
                    format!("failed to get pod template with error: {}", no_template(name));
                Err(("FailedToGetPodTemplate", message))
            }
        }
    }

    fn set(
        &mut self,
        kind: &str,
        status: ConditionStatus,
        reason: &str,
        message: &str,
        now: SimTime,
    ) {
        self.status.conditions.set(Condition {
            kind: kind.to_owned(),
            status,
            reason: reason.to_owned(),
            message: message.to_owned(),
            changed_at: now,
        });
    }
}

/// An object of this name in the namespace of another.
fn beside(id: &NamespacedName, name: &str) -> NamespacedName {
    NamespacedName { namespace: id.namespace.clone(), name: name.to_owned() }
}

/// Upstream's words for a pod template that is not there.
fn no_template(name: &str) -> String {
    format!("capacity buffer client can't get pod template: podtemplates {name:?} not found")
}

/// Makes up the pods of a buffer. They are older than any delay, and may be evicted.
fn make_pods(
    fork: &mut Fork<'_>,
    id: &NamespacedName,
    number: usize,
    chunk: &PodSpec,
    count: u32,
    fakes: &mut FakePods,
) {
    let mut spec = chunk.clone();
    spec.annotations.insert(SAFE_TO_EVICT.to_owned(), "true".to_owned());
    let shape = fork.intern_shape(&spec);
    let controller = fork.intern_workload(WorkloadKey {
        kind: CAPACITY_BUFFER.to_owned(),
        namespace: id.namespace.clone(),
        name: id.name.clone(),
    });
    for chunk in 1..=count {
        let birth = PodBirth {
            name: format!("capacity-buffer-{}-{chunk}", id.name).into(),
            shape,
            controller: Some(controller),
            created_at: SimTime(0),
        };
        fakes.add(fork, birth, Origin::Buffer(number));
    }
}

#[cfg(test)]
mod tests;
