//! What the autoscaler knows of node groups beyond what the cluster says: open requests, machines
//! that have not become Nodes, what is healthy, what is in back-off.
//!
//! Source: `clusterstate/clusterstate.go` of release 1.36. The list of machines of a group is
//! cached as upstream caches it: fetched anew while the group is scaling up and after failed
//! machines were deleted, else every two minutes. A machine that was deleted is therefore seen as
//! unregistered for a while.

mod groups;
mod instances;
mod machines;
mod nodes;

pub use groups::{GroupState, IncorrectSize, ScaleUpRequest};
pub(crate) use nodes::{GPU_LABEL, GPU_RESOURCE};
pub use nodes::{NodeClass, NodeState};

use std::sync::Arc;

use plimsoll_core::devices::PoolCounts;
use plimsoll_core::ids::{GroupId, NodeId};
use plimsoll_core::{Cluster, SimTime};

use crate::backoff::Backoff;
use crate::settings::{GroupOptions, Settings};
use crate::status::{Event, ScaleUpError};
use nodes::NodeScan;

/// The registry. See the module's text.
#[derive(Clone, Debug)]
pub struct Registry {
    groups: Vec<GroupState>,
    backoff: Backoff,
    scan: NodeScan,
    refreshes: instances::RefreshClock,
    changed: bool,
}

/// What an update found.
#[derive(Clone, Debug, Default)]
pub struct RegistryUpdate {
    /// Scale-ups that have come to nothing.
    pub failures: Vec<FailedScaleUp>,
    /// What is worth telling.
    pub events: Vec<Event>,
}

/// A scale-up that has come to nothing, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedScaleUp {
    /// The group.
    pub group: GroupId,
    /// How many nodes did not come.
    pub count: u32,
    /// Why.
    pub error: ScaleUpError,
    /// The request timed out: the target is to be lowered by as many.
    pub is_reverted: bool,
}

impl Registry {
    /// A registry that has seen nothing.
    #[must_use]
    pub fn new(settings: &Settings) -> Registry {
        Registry {
            groups: Vec::new(),
            backoff: Backoff::new(settings),
            scan: NodeScan::new(settings),
            refreshes: instances::RefreshClock::default(),
            changed: false,
        }
    }

    /// Looks at the cluster: classifies nodes, finds unregistered machines, closes requests that
    /// are done or late, notices failed creations. Once a loop.
    pub fn update(
        &mut self,
        cluster: &Cluster,
        settings: &Settings,
        now: SimTime,
    ) -> RegistryUpdate {
        let mut update = RegistryUpdate::default();
        self.changed = false;
        self.take_over_options(cluster, settings);
        self.fetch_instances(cluster, settings, now);
        self.scan.run(cluster, settings, now, &mut self.groups);
        self.update_unregistered(now);
        self.update_ranges(cluster);
        self.update_requests(cluster, now, &mut update);
        self.notice_creation_errors(cluster, now, &mut update);
        self.update_ranges(cluster);
        self.update_incorrect_sizes(now);
        update
    }

    /// Brings the groups up to date with what the cluster says of them.
    fn take_over_options(&mut self, cluster: &Cluster, settings: &Settings) {
        self.groups.resize_with(cluster.group_count(), GroupState::default);
        let flags = GroupOptions::of_flags(settings);
        for (id, group) in cluster.groups() {
            let options = flags.for_group(&group.spec);
            let state = &mut self.groups[id.index()];
            state.max_node_provision_time = options.max_node_provision_time;
            if state.max_node_startup_time != options.max_node_startup_time {
                state.max_node_startup_time = options.max_node_startup_time;
                self.scan.look_anew();
            }
        }
    }

    /// Looks at the nodes alone: [`Self::nodes`], [`Self::classes`] and [`Self::ready_count`] are up
    /// to date then.
    pub fn look_at_nodes(&mut self, cluster: &Cluster, settings: &Settings, now: SimTime) {
        self.take_over_options(cluster, settings);
        self.scan.run(cluster, settings, now, &mut self.groups);
    }

    /// The next update looks at the nodes even if they seem to be the same.
    pub(crate) fn look_anew(&mut self) {
        self.scan.look_anew();
    }

    /// Says which pools of devices a node of each group must have to be ready, by group; an empty list:
    /// none. Before [`Registry::update`].
    pub fn expect_pools(&mut self, pools: Vec<PoolCounts>) {
        self.scan.expect_pools(pools);
    }

    fn update_requests(&mut self, cluster: &Cluster, now: SimTime, update: &mut RegistryUpdate) {
        self.backoff.forget_stale(now);
        for (id, group) in cluster.groups() {
            let state = &mut self.groups[id.index()];
            let Some(request) = state.request.clone() else { continue };
            if !state.nodes_are_coming() {
                state.request = None;
                self.changed = true;
            } else if request.expected_by < now {
                state.request = None;
                self.changed = true;
                let waited = now - request.requested_at;
                let name = &group.spec.name;
                let error = ScaleUpError::timed_out(name, waited);
                self.backoff.fail(id, error.clone(), now);
                update.events.push(Event::scale_up_timed_out(name, waited));
                let count = request.increase;
                let failure = FailedScaleUp { group: id, count, error, is_reverted: true };
                update.failures.push(failure);
            }
        }
    }

    fn update_ranges(&mut self, cluster: &Cluster) {
        for (id, group) in cluster.groups() {
            self.groups[id.index()].update_range(group.target_size);
        }
    }

    /// Takes over what the cloud has been asked for meanwhile, by group index: what is acceptable, and
    /// how many nodes are missing, follow at once.
    pub fn recalculate(&mut self, targets: &[u32]) {
        for (state, target) in self.groups.iter_mut().zip(targets) {
            state.update_range(*target);
        }
    }

    fn update_incorrect_sizes(&mut self, now: SimTime) {
        for state in &mut self.groups {
            state.update_incorrect_size(now);
        }
    }

    /// Notes that the cloud took a request for more nodes.
    pub fn register_scale_up(
        &mut self,
        cluster: &Cluster,
        settings: &Settings,
        group: GroupId,
        delta: u32,
        now: SimTime,
    ) {
        self.take_over_options(cluster, settings);
        let state = &mut self.groups[group.index()];
        state.add_to_request(i64::from(delta), now);
        state.update_range(cluster.group(group).target_size);
    }

    /// Notes that a group could not be enlarged: it is left alone for a while.
    pub fn register_failure(&mut self, group: GroupId, error: ScaleUpError, now: SimTime) {
        self.backoff.fail(group, error, now);
    }

    /// Forgets the cached list of machines of a group.
    pub fn invalidate_instances(&mut self, group: GroupId) {
        if let Some(state) = self.groups.get_mut(group.index()) {
            state.cached = None;
        }
    }

    /// The class of each node, by its index; `None` where no node is.
    #[must_use]
    pub fn classes(&self) -> &[Option<NodeClass>] {
        &self.scan.classes
    }

    /// All nodes, by id, as of the last update.
    #[must_use]
    pub fn nodes(&self) -> &[NodeId] {
        &self.scan.nodes
    }

    /// How many nodes are ready and not cordoned.
    #[must_use]
    pub fn ready_count(&self) -> usize {
        self.scan.ready_count
    }

    /// How many nodes are unready for want of their GPUs or devices.
    #[must_use]
    pub fn resource_unready_count(&self) -> u32 {
        self.scan.resource_unready_count
    }

    /// What is known of a group, as of the last update.
    #[must_use]
    pub fn group(&self, group: GroupId) -> &GroupState {
        &self.groups[group.index()]
    }

    /// The first node of each group that can stand for it, by group index: ready for more than a
    /// minute, schedulable, not being deleted.
    #[must_use]
    pub fn representative(&self, group: GroupId) -> Option<NodeId> {
        self.scan.representatives.get(group.index()).copied().flatten()
    }

    /// Any node of the group, where none can stand for it.
    #[must_use]
    pub fn last_resort(&self, group: GroupId) -> Option<NodeId> {
        self.scan.last_resorts.get(group.index()).copied().flatten()
    }

    /// Whether a group is in back-off.
    #[must_use]
    pub fn is_backed_off(&self, group: GroupId, now: SimTime) -> bool {
        self.backoff.is_backed_off(group, now)
    }

    /// When the back-off of a group ends, if it is in one.
    #[must_use]
    pub fn backoff_until(&self, group: GroupId, now: SimTime) -> Option<SimTime> {
        self.backoff.until(group, now)
    }

    /// Why a group is in back-off; `None`: it is not.
    #[must_use]
    pub fn backed_off_for(&self, group: GroupId, now: SimTime) -> Option<&ScaleUpError> {
        self.backoff.error(group, now)
    }

    /// How many nodes are on their way to a group, as far as they may count as room: none without
    /// an open request or during back-off.
    #[must_use]
    pub fn upcoming(&self, group: GroupId, now: SimTime) -> u32 {
        let state = &self.groups[group.index()];
        if state.request.is_none() || self.is_backed_off(group, now) {
            return 0;
        }
        u32::try_from(state.missing()).unwrap_or(0)
    }

    /// How many nodes of a group work or are still expected to: nodes that are ready, are suspended or
    /// have not started, and machines that may yet become Nodes. Neither nodes that have broken down nor
    /// machines that have failed count.
    #[must_use]
    pub fn live(&self, group: GroupId, now: SimTime) -> u32 {
        let state = &self.groups[group.index()];
        let expected = state.not_started + state.unregistered;
        state.ready + state.suspended + expected.max(self.upcoming(group, now))
    }

    /// Whether few enough nodes are unready for the autoscaler to go on.
    #[must_use]
    pub fn is_cluster_healthy(&self, settings: &Settings) -> bool {
        let unready = self.scan.unready_count;
        let share = settings.max_total_unready_percentage / 100.0 * self.scan.registered();
        unready <= settings.ok_total_unready_count || f64::from(unready) <= share
    }

    /// Whether few enough of a group's nodes are missing for it to be enlarged.
    #[must_use]
    pub fn is_group_healthy(&self, group: GroupId, settings: &Settings) -> bool {
        self.groups[group.index()].is_healthy(settings)
    }

    /// Machines with a creation error, by group: they are to be deleted.
    #[must_use]
    pub fn failed_creations(&self) -> Vec<(GroupId, Vec<Arc<str>>)> {
        self.by_group(|state| state.failed_ids.clone())
    }

    /// Machines that have not become Nodes for too long, by group.
    #[must_use]
    pub fn never_registered(&self, now: SimTime) -> Vec<(GroupId, Vec<Arc<str>>)> {
        self.by_group(|state| state.long_unregistered_ids(now))
    }

    fn by_group(
        &self,
        select: impl Fn(&GroupState) -> Vec<Arc<str>>,
    ) -> Vec<(GroupId, Vec<Arc<str>>)> {
        let all = self.groups.iter().enumerate();
        all.map(|(index, state)| (GroupId::at(index), select(state)))
            .filter(|(_, ids)| !ids.is_empty())
            .collect()
    }

    /// Groups that have had too few Nodes for too long without machines that explain it, and by
    /// how many their target is to be lowered.
    #[must_use]
    pub fn sizes_to_fix(&self, now: SimTime) -> Vec<(GroupId, u32)> {
        let all = self.groups.iter().enumerate();
        all.filter_map(|(index, state)| {
            let size = state.incorrect.as_ref()?;
            let overdue = size.first_seen + state.max_node_provision_time < now;
            let missing = size.expected - size.registered;
            let by = u32::try_from(missing).ok().filter(|by| overdue && *by > 0)?;
            Some((GroupId::at(index), by))
        })
        .collect()
    }

    /// Whether the last update changed anything that is kept between loops.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.changed
    }

    /// The first instant after `now` at which an update of the same cluster could come out
    /// differently.
    #[must_use]
    pub fn next_change(&self, cluster: &Cluster, now: SimTime) -> SimTime {
        let mut next = self.scan.next_change;
        next = next.min(self.backoff.next_end(now).unwrap_or(SimTime::MAX));
        let mut stale = false;
        for (id, group) in cluster.groups() {
            let state = &self.groups[id.index()];
            next = next.min(state.next_change(now));
            let fresh = |list: &instances::CachedInstances| list.is(&group.instances);
            stale |= !state.cached.as_ref().is_some_and(fresh);
        }
        if stale { next.min(self.refreshes.next(now)) } else { next }
    }
}

#[cfg(test)]
mod tests;
