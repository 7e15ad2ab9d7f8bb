//! The life of a pod: made, bound, running, finished, evicted, gone.

use std::sync::Arc;

use plimsoll_core::ids::{NodeId, PodId};
use plimsoll_core::pod::PodPhase;
use plimsoll_core::{PodBirth, SimTime};

use super::World;
use crate::command::CommandError;
use crate::effect::{Effect, PodEnd};
use crate::event::Event;

/// The name of the scheduler that the world plays.
const SCHEDULER_NAME: &str = "default-scheduler";

/// What is known of a pod beyond the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// The pod of the recording that it is, or stands in for.
    pub(super) recorded_key: u32,
}

impl World {
    /// Creates a pod and queues it, unless it is gated or another scheduler's.
    pub(super) fn create_pod(&mut self, birth: PodBirth) -> PodId {
        let pod = self.cluster.add_pod(birth);
        self.cluster.make_claims(pod);
        self.note_created(pod);
        let spec = self.cluster.shape(self.cluster.pod(pod).shape);
        let ours = spec.scheduler_name.is_empty() || spec.scheduler_name == SCHEDULER_NAME;
        if ours && spec.scheduling_gates.is_empty() && self.settings.schedules {
            self.queue.push(&self.cluster, pod, self.now);
        }
        pod
    }

    /// Notes the node that preemption made room on for a pod, if it is there.
    pub(super) fn nominate(&mut self, pod: PodId, node: Option<&str>) {
        let Some(node) = node.and_then(|name| self.node_named(name)) else { return };
        self.cluster.set_nominated(pod, Some(node));
        self.nominated.push((pod, self.cluster.pod(pod).serial));
    }

    /// Forgets nominations for a node that goes, so that none points at whatever comes in its place.
    pub(super) fn withdraw_nominations(&mut self, node: NodeId) {
        let nominated = std::mem::take(&mut self.nominated);
        for (pod, serial) in nominated {
            match self.cluster.find_pod(pod).filter(|one| one.serial == serial) {
                Some(one) if one.nominated == Some(node) => self.cluster.set_nominated(pod, None),
                Some(one) if one.nominated.is_some() => self.nominated.push((pod, serial)),
                _ => {}
            }
        }
    }

    /// Creates a pod that is on its node already: of a DaemonSet, or running when the world began.
    pub(super) fn create_bound_pod(
        &mut self,
        birth: PodBirth,
        node: NodeId,
        bound_at: SimTime,
    ) -> PodId {
        let pod = self.cluster.add_pod(birth);
        self.note_created(pod);
        self.cluster.bind(pod, node, bound_at);
        self.tell_bound(pod, node);
        self.start_running(pod);
        pod
    }

    /// Creates the pod of a DaemonSet on its node, if it fits there. Its claims are made for it and
    /// given devices.
    pub(super) fn create_daemon_pod(&mut self, birth: PodBirth, node: NodeId) -> Option<PodId> {
        if self.cluster.shape(birth.shape).resource_claims.is_empty() {
            let fits = self.cluster.fits(birth.shape, node);
            return fits.then(|| self.create_bound_pod(birth, node, self.now));
        }
        if !self.cluster.selects_and_tolerates(birth.shape, node) {
            return None;
        }
        let pod = self.cluster.add_pod(birth);
        self.cluster.make_claims(pod);
        if !self.cluster.fits(self.cluster.pod(pod).shape, node) {
            self.cluster.remove_pod(pod);
            return None;
        }
        self.note_created(pod);
        self.cluster.place(pod, node, self.now);
        self.tell_bound(pod, node);
        self.start_running(pod);
        Some(pod)
    }

    pub(super) fn tell_bound(&mut self, pod: PodId, node: NodeId) {
        let serial = self.cluster.pod(pod).serial;
        let node = self.cluster.node(node);
        self.effects.push(Effect::PodBound { serial, node: node.serial, group: node.group });
    }

    fn note_created(&mut self, pod: PodId) {
        let one = self.cluster.pod(pod);
        self.pod_names.entry(Arc::clone(&one.name)).or_default().push(pod);
        self.effects.push(Effect::PodCreated {
            pod,
            serial: one.serial,
            name: Arc::clone(&one.name),
            shape: one.shape,
            controller: one.controller,
            created_at: one.created_at,
        });
    }

    /// Schedules the end of a pod that runs for a given time.
    pub(super) fn start_running(&mut self, pod: PodId) {
        let one = self.cluster.pod(pod);
        let run_for = self.cluster.shape(one.shape).run_for.filter(|_| self.settings.schedules);
        if let Some(run_for) = run_for {
            let at = one.bound_at + self.settings.pod_start_delay + run_for;
            let event = Event::PodFinishes { pod, serial: one.serial };
            self.events.push(at.max(self.now), event);
        }
    }

    pub(super) fn finish_pod(&mut self, pod: PodId, serial: u64) {
        if self.is_alive(pod, serial) {
            self.remove(pod, PodEnd::Finished);
        }
    }

    pub(super) fn end_grace(&mut self, pod: PodId, serial: u64, cause: PodEnd) {
        if self.is_alive(pod, serial) {
            self.remove(pod, cause);
        }
    }

    fn is_alive(&self, pod: PodId, serial: u64) -> bool {
        self.cluster.find_pod(pod).is_some_and(|one| one.serial == serial)
    }

    /// Deletes a pod: at once, or when its grace period is over.
    pub(super) fn delete_pod(&mut self, pod: PodId, cause: PodEnd) {
        let one = self.cluster.pod(pod);
        let grace = self.cluster.shape(one.shape).termination_grace;
        let lingers = self.settings.grace_periods && one.phase == PodPhase::Running && grace.0 > 0;
        if !lingers {
            self.remove(pod, cause);
        } else if one.deletion_at.is_none() {
            let serial = one.serial;
            self.cluster.set_deletion(pod, Some(self.now));
            self.events.push(self.now + grace, Event::PodGone { pod, serial, cause });
            self.effects.push(Effect::PodTerminating { serial, cause });
            self.lose_pod(pod, cause);
        }
    }

    /// Takes a pod out of the world.
    pub(super) fn remove(&mut self, pod: PodId, cause: PodEnd) {
        let one = self.cluster.pod(pod);
        let serial = one.serial;
        let was_lost_before = one.deletion_at.is_some();
        self.queue.remove(one);
        if !was_lost_before {
            self.lose_pod(pod, cause);
        }
        let gone = self.cluster.remove_pod(pod);
        if let Some(named) = self.pod_names.get_mut(&gone.name) {
            named.retain(|id| *id != pod);
            if named.is_empty() {
                self.pod_names.remove(&gone.name);
            }
        }
        self.effects.push(Effect::PodGone { serial, cause });
    }

    /// Tells the pod's controller, and replaces a recorded pod that did not end by itself.
    fn lose_pod(&mut self, pod: PodId, cause: PodEnd) {
        let one = self.cluster.pod(pod).clone();
        if let Some(controller) = one.controller {
            self.controllers.pod_lost(&self.cluster, controller, pod);
        }
        let Some(life) = self.lives.remove(&one.serial) else { return };
        self.recorded.remove(&life.recorded_key);
        let taken_away = matches!(cause, PodEnd::Evicted | PodEnd::Preempted | PodEnd::NodeGone);
        if let (true, Some(controller)) = (taken_away, one.controller) {
            // Rule 4: the pod of a controller is remade at once; it ends when its original ended.
            let name = self.controllers.next_stand_in_name(&self.cluster, controller);
            let birth = PodBirth {
                name,
                shape: one.shape,
                controller: Some(controller),
                created_at: self.now,
            };
            let stand_in = self.create_pod(birth);
            self.record(stand_in, life.recorded_key);
        }
    }

    /// Remembers which pod of the recording this one is.
    pub(super) fn record(&mut self, pod: PodId, recorded_key: u32) {
        self.lives.insert(self.cluster.pod(pod).serial, Life { recorded_key });
        self.recorded.insert(recorded_key, pod);
    }

    /// Lets a pod that was asked to go before the world began go when its time is over. Its
    /// controller replaces it now.
    pub(super) fn await_end(&mut self, pod: PodId, deletion_at: SimTime) {
        let serial = self.cluster.pod(pod).serial;
        self.queue.remove(self.cluster.pod(pod));
        self.cluster.set_deletion(pod, Some(deletion_at));
        self.lose_pod(pod, PodEnd::Deleted);
        let event = Event::PodGone { pod, serial, cause: PodEnd::Deleted };
        self.events.push(deletion_at.max(self.now), event);
    }

    /// Evicts a pod, if its budgets allow it. As the API server does, it lets a pod that waits or is
    /// going already go without asking them.
    pub(super) fn evict(&mut self, pod: PodId, serial: u64) -> Result<(), CommandError> {
        if !self.is_alive(pod, serial) {
            return Err(CommandError::NoSuchPod);
        }
        let one = self.cluster.pod(pod);
        if one.node.is_none() || one.deletion_at.is_some() {
            self.delete_pod(pod, PodEnd::Evicted);
            return Ok(());
        }
        self.cluster.match_budgets();
        if self.cluster.budgets_of(pod).any(|(_, budget)| budget.disruptions_allowed < 1) {
            return Err(CommandError::BudgetExhausted);
        }
        let budgets: Vec<_> = self.cluster.budgets_of(pod).map(|(id, _)| id).collect();
        for budget in budgets {
            self.cluster.use_budget(budget, 1);
        }
        self.delete_pod(pod, PodEnd::Evicted);
        Ok(())
    }
}
