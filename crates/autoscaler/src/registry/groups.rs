//! What is known of one node group.

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_core::{SimDuration, SimTime};

use super::instances::{CachedInstances, ComparedList};
use crate::settings::Settings;

/// One node group, as of the last update.
#[derive(Clone, Debug, Default)]
pub struct GroupState {
    /// Nodes of the group.
    pub registered: u32,
    /// Nodes that are ready.
    pub ready: u32,
    /// Nodes that should be ready and are not.
    pub unready: u32,
    /// Those of them that are unready for want of their GPUs or devices.
    pub resource_unready: u32,
    /// Nodes that have registered lately and are not ready yet.
    pub not_started: u32,
    /// Nodes whose machine is gone or going.
    pub deleted: u32,
    /// Nodes whose machine is stopped, and kept.
    pub suspended: u32,
    /// Machines without a Node.
    pub unregistered: u32,
    /// Machines without a Node for longer than max-node-provision-time.
    pub long_unregistered: u32,
    /// What the cloud has been asked for.
    pub target: i64,
    /// A machine without a Node for longer is given up.
    pub max_node_provision_time: SimDuration,
    /// A Node that is not ready for longer after its creation is unready.
    pub(super) max_node_startup_time: SimDuration,
    /// Fewer ready nodes than this are a shortfall.
    pub acceptable_min: i64,
    /// The open request, if any.
    pub request: Option<ScaleUpRequest>,
    /// The number of Nodes differs from the target without an explanation.
    pub incorrect: Option<IncorrectSize>,
    /// Machines with a creation error.
    pub(super) failed_ids: Vec<Arc<str>>,
    /// The list that `failed_ids` was made from.
    pub(super) errors_read_from: Option<CachedInstances>,
    /// Since when each machine has been seen without a Node.
    pub(super) unregistered_since: BTreeMap<Arc<str>, SimTime>,
    pub(super) cached: Option<CachedInstances>,
    /// Adds up the serials of the group's nodes: equal sums mean the same nodes.
    pub(super) nodes_digest: u64,
    /// The list and the nodes that `unregistered_since` was made from.
    pub(super) compared: Option<ComparedList>,
}

/// An increase that has not been fulfilled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleUpRequest {
    /// How many nodes are still asked for.
    pub increase: u32,
    /// When the last of them was asked for.
    pub requested_at: SimTime,
    /// When all of them should be there.
    pub expected_by: SimTime,
}

/// A number of Nodes that the target does not explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncorrectSize {
    /// Nodes there are.
    pub registered: i64,
    /// Nodes there should be.
    pub expected: i64,
    /// Since when the two have been so.
    pub first_seen: SimTime,
}

impl GroupState {
    pub(super) fn clear_counts(&mut self) {
        self.registered = 0;
        self.ready = 0;
        self.unready = 0;
        self.suspended = 0;
        self.resource_unready = 0;
        self.not_started = 0;
        self.deleted = 0;
        self.nodes_digest = 0;
    }

    /// Whether the group has no node and no machine that anybody has seen.
    #[must_use]
    pub fn is_unseen(&self) -> bool {
        self.registered + self.unregistered + self.long_unregistered == 0
    }

    /// How many of the nodes that the cloud has been asked for are neither there nor given up. Nodes
    /// that are going do not count as there.
    #[must_use]
    pub fn missing(&self) -> i64 {
        self.target - i64::from(self.ready + self.unready + self.suspended + self.long_unregistered)
    }

    /// Whether nodes are missing that the cloud has been asked for.
    pub(super) fn nodes_are_coming(&self) -> bool {
        self.missing() > 0
    }

    /// Whether nodes are missing and an open request explains it.
    #[must_use]
    pub fn is_scaling_up(&self) -> bool {
        self.request.is_some() && self.nodes_are_coming()
    }

    pub(super) fn update_range(&mut self, target_size: u32) {
        self.target = i64::from(target_size);
        let increase = self.request.as_ref().map_or(0, |request| i64::from(request.increase));
        self.acceptable_min = self.target - i64::from(self.long_unregistered) - increase;
    }

    /// Opens a request, adds to it, or takes from it. Only more nodes restart its time.
    pub(super) fn add_to_request(&mut self, delta: i64, now: SimTime) {
        let before = self.request.as_ref().map_or(0, |request| i64::from(request.increase));
        if before == 0 && delta <= 0 {
            return;
        }
        let Some(increase) = u32::try_from(before + delta).ok().filter(|increase| *increase > 0)
        else {
            self.request = None;
            return;
        };
        let restarted = ScaleUpRequest {
            increase,
            requested_at: now,
            expected_by: now + self.max_node_provision_time,
        };
        match &mut self.request {
            Some(request) if delta <= 0 => request.increase = increase,
            request => *request = Some(restarted),
        }
    }

    pub(super) fn update_incorrect_size(&mut self, now: SimTime) {
        let registered = i64::from(self.registered);
        let explained = i64::from(self.unregistered) + i64::from(self.long_unregistered);
        let fine = self.is_unseen()
            || (registered <= self.target && registered >= self.target - explained);
        if fine {
            self.incorrect = None;
            return;
        }
        let same =
            |one: &IncorrectSize| one.registered == registered && one.expected == self.target;
        if !self.incorrect.as_ref().is_some_and(same) {
            let expected = self.target;
            self.incorrect = Some(IncorrectSize { registered, expected, first_seen: now });
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of nodes are far below 2^52")]
    pub(super) fn is_healthy(&self, settings: &Settings) -> bool {
        if self.is_unseen() {
            return self.target == 0 || self.acceptable_min == 0;
        }
        let good = self.ready + self.suspended;
        let shortfall = (self.acceptable_min - i64::from(good)).max(0);
        let there = f64::from(good + self.unready + self.not_started);
        let share = settings.max_total_unready_percentage / 100.0 * there;
        shortfall <= i64::from(settings.ok_total_unready_count) || shortfall as f64 <= share
    }

    pub(super) fn long_unregistered_ids(&self, now: SimTime) -> Vec<Arc<str>> {
        self.unregistered_since
            .iter()
            .filter(|(_, since)| **since + self.max_node_provision_time < now)
            .map(|(id, _)| Arc::clone(id))
            .collect()
    }

    /// The first instant after `now` at which time alone changes something.
    pub(super) fn next_change(&self, now: SimTime) -> SimTime {
        let overdue = |since: SimTime| since + self.max_node_provision_time + SimDuration(1);
        let request = self.request.iter().map(|request| request.expected_by + SimDuration(1));
        let size = self.incorrect.iter().map(|size| overdue(size.first_seen));
        let machines = self.unregistered_since.values().map(|since| overdue(*since));
        request.chain(size).chain(machines).filter(|at| *at > now).min().unwrap_or(SimTime::MAX)
    }
}
