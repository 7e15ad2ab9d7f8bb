//! How each request stands over the loops, and what time alone changes about it.
//!
//! Source: `refresh` in `processors/provreq/processor.go`, `IsAvailableForProvisioning` in
//! `injector.go`.

use plimsoll_core::capacity::NamespacedName;
use plimsoll_core::condition::{ConditionStatus, Conditions};
use plimsoll_core::objects::ObjectName;
use plimsoll_core::{Cluster, SimDuration, SimTime};
use rustc_hash::FxHashMap;

use super::{
    BOOKING_EXPIRED, FAILED, PROVISIONED, ProvisioningRequests, TICK, is_served, object_name,
};
use crate::action::Action;
use crate::settings::Settings;

/// Room is held for so long.
const RESERVATION_TIME: SimDuration = SimDuration::from_mins(10);
/// A request that was not provisioned for so long has failed.
const EXPIRATION_TIME: SimDuration = SimDuration::from_hours(7 * 24);
/// A request that is over is deleted after so long.
const TERMINAL_TIME_TO_LIVE: SimDuration = SimDuration::from_hours(7 * 24);
/// So many requests expire or fail of age in a loop.
const UPDATES_MAX: usize = 20;

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) id: NamespacedName,
    serial: u64,
    created_at: SimTime,
    /// The object's own conditions, as they were last seen.
    seen: Conditions,
    pub(super) conditions: Conditions,
    /// How long it waits after it has failed again; `None`: it has not been tried twice.
    retry_after: Option<SimDuration>,
    pub(super) is_deleted: bool,
}

impl Record {
    pub(super) fn object_name(&self) -> ObjectName {
        object_name(&self.id)
    }

    fn holds(&self, kind: &str) -> bool {
        self.conditions.is(kind, ConditionStatus::True)
    }

    /// Whether room is to be held for it.
    pub(super) fn is_booked(&self) -> bool {
        !self.holds(FAILED) && !self.holds(BOOKING_EXPIRED) && self.holds(PROVISIONED)
    }

    /// Whether it is to be tried now. To ask doubles the wait until the next time.
    pub(super) fn is_due(&mut self, settings: &Settings, now: SimTime) -> bool {
        if self.holds(FAILED) || self.holds(PROVISIONED) {
            self.retry_after = None;
            return false;
        }
        let Some(due_at) = self.due_at(settings) else { return false };
        let is_due = due_at <= now;
        if is_due && self.conditions.find(PROVISIONED).is_some() {
            let doubled = self.wait(settings) + self.wait(settings);
            self.retry_after = Some(doubled.min(settings.provisioning_request_max_backoff_time));
        }
        is_due
    }

    fn wait(&self, settings: &Settings) -> SimDuration {
        self.retry_after.unwrap_or(settings.provisioning_request_initial_backoff_time)
    }

    /// From when on it may be tried; `None`: never, as it is over or nobody knows how it stands.
    fn due_at(&self, settings: &Settings) -> Option<SimTime> {
        match self.conditions.find(PROVISIONED) {
            None => Some(SimTime(i64::MIN)),
            Some(one) if one.status == ConditionStatus::False => {
                Some(one.changed_at + self.wait(settings) + TICK)
            }
            Some(_) => None,
        }
    }

    /// When it is over for so long that it is deleted.
    fn deleted_at(&self) -> Option<SimTime> {
        let over = [PROVISIONED, FAILED].into_iter().filter_map(|kind| self.conditions.find(kind));
        over.map(|one| one.changed_at + TERMINAL_TIME_TO_LIVE + TICK).min()
    }

    /// When its room is no longer held, or when it fails of age.
    fn expires_at(&self) -> Option<SimTime> {
        if self.holds(BOOKING_EXPIRED) || self.holds(FAILED) {
            return None;
        }
        match self.conditions.find(PROVISIONED).filter(|one| one.status == ConditionStatus::True) {
            Some(one) => Some(one.changed_at + RESERVATION_TIME + TICK),
            None => Some(self.created_at + EXPIRATION_TIME + TICK),
        }
    }
}

impl ProvisioningRequests {
    /// Takes over requests that came, went, or whose status somebody else has written.
    pub(super) fn take_over(&mut self, cluster: &Cluster) {
        let version = cluster.capacity().version();
        if self.version.replace(version) == Some(version) {
            return;
        }
        let mut known: FxHashMap<u64, Record> =
            std::mem::take(&mut self.records).into_iter().map(|one| (one.serial, one)).collect();
        for (serial, object) in cluster.capacity().requests() {
            let same = known.remove(&serial).filter(|one| one.seen == object.conditions);
            self.records.push(same.unwrap_or_else(|| Record {
                id: object.id.clone(),
                serial,
                created_at: object.created_at.unwrap_or_default(),
                seen: object.conditions.clone(),
                conditions: object.conditions.clone(),
                retry_after: None,
                is_deleted: false,
            }));
        }
        // Objects come by namespace and name, and the sort is stable.
        self.records.sort_by_key(|one| one.created_at);
    }

    /// Before a loop: room that was held for long enough is no longer held, requests that waited too
    /// long have failed, and those that are over for long are deleted.
    pub fn refresh(
        &mut self,
        cluster: &Cluster,
        settings: &Settings,
        actions: &mut Vec<Action>,
        now: SimTime,
    ) {
        self.take_over(cluster);
        let (mut expired, mut failed) = (Vec::new(), Vec::new());
        for (index, record) in self.records.iter().enumerate() {
            if expired.len() >= UPDATES_MAX {
                break;
            }
            let object = cluster.capacity().request(&record.id).filter(|_| !record.is_deleted);
            let served = object.is_some_and(|one| is_served(one, settings));
            if !served || record.expires_at().is_none_or(|at| at > now) {
                continue;
            }
            if record.holds(PROVISIONED) {
                expired.push(index);
            } else if failed.len() < UPDATES_MAX - expired.len() {
                failed.push(index);
            }
        }
        let is_true = ConditionStatus::True;
        for index in expired {
            let why = ("CapacityReservationTimeExpired", "Capacity reservation time is expired");
            self.set(index, (BOOKING_EXPIRED, is_true), why, actions, now);
        }
        for index in failed {
            let why = ("Expired", "ProvisioningRequest is expired");
            self.set(index, (FAILED, is_true), why, actions, now);
        }
        for record in &mut self.records {
            if !record.is_deleted && record.deleted_at().is_some_and(|at| at <= now) {
                record.is_deleted = true;
                actions.push(Action::DeleteObject { object: record.object_name() });
            }
        }
    }

    /// When time alone changes anything about a request, after `now`.
    #[must_use]
    pub fn next_change(&self, settings: &Settings, now: SimTime) -> Option<SimTime> {
        let alive = self.records.iter().filter(|one| !one.is_deleted);
        let times = alive.flat_map(|one| {
            let due_at = if one.holds(FAILED) { None } else { one.due_at(settings) };
            [due_at, one.expires_at(), one.deleted_at()]
        });
        times.flatten().filter(|at| *at > now).min()
    }
}
