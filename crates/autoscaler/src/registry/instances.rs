//! The cached lists of machines: when they are fetched, which machines have no Node, which failed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plimsoll_core::ids::GroupId;
use plimsoll_core::node_group::{Instance, InstanceState};
use plimsoll_core::{Cluster, SimDuration, SimTime};
use rustc_hash::FxHashSet;

use super::machines::RegisteredNode;
use super::{FailedScaleUp, Registry, RegistryUpdate};
use crate::settings::Settings;
use crate::status::{Event, ScaleUpError};

/// How often upstream fetches all lists in the background.
const REFRESH_INTERVAL: SimDuration = SimDuration::from_mins(2);

/// A list of machines as the cloud gave it at some time.
#[derive(Clone, Debug, Default)]
pub(super) struct CachedInstances(Arc<Vec<Instance>>);

/// A list of machines that was held against the nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct ComparedList {
    list: CachedInstances,
    /// The sum over the group's nodes.
    nodes_digest: u64,
    /// By place in the list: a node of the machine.
    nodes: Vec<Option<RegisteredNode>>,
    /// Where the machine of the next list is looked for.
    place: usize,
}

impl ComparedList {
    /// The node that a machine of a later list had, where that is quick to find: lists mostly differ by
    /// a few machines, and share the others. Machines come in the order of the later list.
    fn next_node_of(&mut self, instance: &Instance) -> Option<RegisteredNode> {
        /// After so many machines that went, each further one is looked up in the long way.
        const STEPS_MAX: usize = 8;
        let ahead = self.list.0.get(self.place..)?.iter().take(STEPS_MAX);
        let steps = ahead.take_while(|one| !Arc::ptr_eq(&one.id, &instance.id)).count();
        let place = self.place + steps;
        let found = self.list.0.get(place).is_some_and(|one| Arc::ptr_eq(&one.id, &instance.id));
        if !found {
            return None;
        }
        self.place = place + 1;
        self.nodes[place]
    }
}

impl CachedInstances {
    /// Whether this is the very list.
    pub(super) fn is(&self, list: &Arc<Vec<Instance>>) -> bool {
        Arc::ptr_eq(&self.0, list)
    }
}

/// The background refresh: at the first loop, and every [`REFRESH_INTERVAL`] from then on, before
/// the loop of that instant.
#[derive(Clone, Debug, Default)]
pub(super) struct RefreshClock {
    started_at: Option<SimTime>,
    last_loop_at: Option<SimTime>,
}

impl RefreshClock {
    /// Whether the lists are fetched before the loop at `now`.
    ///
    /// A refresh that fell between the loop before and this one counts as of now. One that fell before
    /// a loop that was left out, because nothing had changed, found the lists as they were. Such loops
    /// are on the grid that begins with the first one, where this one may not be.
    fn tick(&mut self, scan_interval: SimDuration, now: SimTime) -> bool {
        let started_at = *self.started_at.get_or_insert(now);
        let last_loop_at = self.last_loop_at.replace(now);
        let since_start = now - started_at;
        let due_at = now - SimDuration(since_start.0 % REFRESH_INTERVAL.0);
        match last_loop_at {
            None => true,
            Some(_) if due_at == now => true,
            Some(last) => {
                let loops_before = (since_start.0 - 1).div_euclid(scan_interval.0.max(1));
                let last_on_grid = started_at + SimDuration(loops_before * scan_interval.0);
                last.max(last_on_grid) < due_at
            }
        }
    }

    /// The next refresh after `now`.
    pub(super) fn next(&self, now: SimTime) -> SimTime {
        let since_start = now - self.started_at.unwrap_or(now);
        now + (REFRESH_INTERVAL - SimDuration(since_start.0 % REFRESH_INTERVAL.0))
    }
}

impl Registry {
    pub(super) fn fetch_instances(&mut self, cluster: &Cluster, settings: &Settings, now: SimTime) {
        let all = self.refreshes.tick(settings.scan_interval, now);
        for (id, group) in cluster.groups() {
            let state = &mut self.groups[id.index()];
            if all || state.is_scaling_up() || state.cached.is_none() {
                state.cached = Some(CachedInstances(Arc::clone(&group.instances)));
            }
        }
    }

    /// Notes which machines have no Node, and since when that has been seen.
    pub(super) fn update_unregistered(&mut self, now: SimTime) {
        let mut changed: Vec<GroupId> = Vec::new();
        for (index, state) in self.groups.iter().enumerate() {
            let Some(cached) = &state.cached else { continue };
            let same = state.compared.as_ref().is_some_and(|one| {
                one.list.is(&cached.0) && one.nodes_digest == state.nodes_digest
            });
            if !same {
                changed.push(GroupId::at(index));
            }
        }
        for id in changed {
            self.compare_with_nodes(id, now);
        }
        for state in &mut self.groups {
            let total = state.unregistered_since.len();
            let overdue = |since: &&SimTime| **since + state.max_node_provision_time < now;
            let long = state.unregistered_since.values().filter(overdue).count();
            state.long_unregistered = u32::try_from(long).unwrap_or(u32::MAX);
            state.unregistered = u32::try_from(total - long).unwrap_or(u32::MAX);
        }
    }

    fn compare_with_nodes(&mut self, id: GroupId, now: SimTime) {
        let (state, machines) = (&mut self.groups[id.index()], &self.scan.machines);
        let Some(cached) = state.cached.clone() else { return };
        let mut before = state.compared.take().unwrap_or_default();
        let mut nodes = Vec::with_capacity(cached.0.len());
        let mut since = BTreeMap::new();
        for instance in cached.0.iter() {
            let known = before.next_node_of(instance).filter(|one| machines.is_there(*one));
            let node = known.or_else(|| machines.node_of(&instance.id));
            nodes.push(node);
            let never_comes = instance.state == InstanceState::Deleting || instance.error.is_some();
            if never_comes || node.is_some() {
                continue;
            }
            let first_seen = state.unregistered_since.get(&instance.id).copied();
            self.changed |= first_seen.is_none();
            since.insert(Arc::clone(&instance.id), first_seen.unwrap_or(now));
        }
        self.changed |= since.len() != state.unregistered_since.len();
        state.unregistered_since = since;
        let nodes_digest = state.nodes_digest;
        state.compared = Some(ComparedList { list: cached, nodes_digest, nodes, place: 0 });
    }

    /// Machines with a creation error that were not seen with that error before: the request is
    /// lowered by as many, and the group is left alone for a while.
    pub(super) fn notice_creation_errors(
        &mut self,
        cluster: &Cluster,
        now: SimTime,
        update: &mut RegistryUpdate,
    ) {
        for (id, group) in cluster.groups() {
            let state = &mut self.groups[id.index()];
            let Some(cached) = state.cached.clone() else { continue };
            if state.errors_read_from.as_ref().is_some_and(|list| list.is(&cached.0)) {
                continue;
            }
            state.errors_read_from = Some(cached.clone());
            let (errors, failed_ids) = creation_errors(&cached.0);
            let seen: FxHashSet<Arc<str>> = state.failed_ids.drain(..).collect();
            state.failed_ids = failed_ids;
            for ((out_of_resources, code), (ids, messages)) in errors {
                let fresh = ids.iter().filter(|one| !seen.contains(**one)).count();
                if fresh == 0 || !state.is_scaling_up() {
                    continue;
                }
                let count = i64::try_from(fresh).unwrap_or(i64::MAX);
                state.add_to_request(-count, now);
                self.changed = true;
                let class = if out_of_resources { "OutOfResource" } else { "Other" };
                let cause = format!("{class}.{code}");
                let words = source_errors(&messages);
                let name = &group.spec.name;
                update.events.push(Event::creation_failed(name, fresh, &cause, &words));
                let error = ScaleUpError { code: code.to_owned(), message: words };
                self.backoff.fail(id, error.clone(), now);
                let count = u32::try_from(fresh).unwrap_or(u32::MAX);
                let failure = FailedScaleUp { group: id, count, error, is_reverted: false };
                update.failures.push(failure);
            }
        }
    }
}

/// The cloud's words. Upstream means to cut long lists short, but only marks them so.
fn source_errors(messages: &BTreeSet<&str>) -> String {
    const MARKED_ABOVE: usize = 3;
    let all: Vec<&str> = messages.iter().copied().collect();
    let mark = if all.len() > MARKED_ABOVE { ", ..." } else { "" };
    format!("{}{mark}", all.join(", "))
}

/// By class and code of the creation error: ids of machines, and the cloud's words.
type CreationErrors<'a> = BTreeMap<(bool, &'a str), (Vec<&'a str>, BTreeSet<&'a str>)>;

fn creation_errors(instances: &[Instance]) -> (CreationErrors<'_>, Vec<Arc<str>>) {
    let mut errors = CreationErrors::new();
    let mut ids = Vec::new();
    for instance in instances {
        let Some(error) = &instance.error else { continue };
        if instance.state != InstanceState::Creating {
            continue;
        }
        let key = (error.out_of_resources, error.code.as_str());
        let entry = errors.entry(key).or_default();
        entry.0.push(&instance.id);
        entry.1.insert(&error.message);
        ids.push(Arc::clone(&instance.id));
    }
    (errors, ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_between_two_loops_is_seen_although_loops_before_it_were_left_out() {
        let (interval, at) = (SimDuration::from_secs(7), |seconds: i64| SimTime(seconds * 1000));
        let mut clock = RefreshClock::default();
        assert!(clock.tick(interval, at(0)), "at the first loop");
        assert!(!clock.tick(interval, at(84)));
        assert!(clock.tick(interval, at(126)), "that of 120 s, right before this loop");
        assert!(!clock.tick(interval, at(252)), "that of 240 s came before a loop left out");
        assert!(clock.tick(interval, at(362)), "that of 360 s, after the loop of 357 s");
        assert!(!clock.tick(interval, at(485)), "that of 480 s: the loop of 483 s was left out");
    }
}
