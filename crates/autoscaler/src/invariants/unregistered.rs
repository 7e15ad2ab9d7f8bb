//! A machine that never becomes a Node is replaced, not counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_core::ids::GroupId;
use plimsoll_core::node_group::InstanceState;
use plimsoll_core::{Cluster, SimDuration, SimTime};
use rustc_hash::FxHashSet;

use super::Violation;
use crate::action::Action;
use crate::settings::Settings;

/// Upstream looks at the cloud's list anew at least this often.
const REFRESHED_AFTER: SimDuration = SimDuration::from_mins(2);

/// Remembers since when each machine has been without a Node.
#[derive(Clone, Debug)]
pub struct Unregistered {
    wait: SimDuration,
    /// Machines may be kept in a cluster without ready nodes, where nothing is done at all.
    acts_from_zero: bool,
    goes_below_min: bool,
    since: BTreeMap<(GroupId, Arc<str>), SimTime>,
}

impl Unregistered {
    /// No machine has been seen yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Unregistered {
        // A loop to see the machine, and one to see that its time is over.
        let loops = settings.scan_interval + settings.scan_interval;
        Unregistered {
            wait: settings.max_node_provision_time + REFRESHED_AFTER + loops,
            acts_from_zero: settings.scale_up_from_zero,
            goes_below_min: settings.force_delete_unregistered_nodes,
            since: BTreeMap::new(),
        }
    }

    /// Looks for machines without a Node. Before each loop.
    pub fn look(&mut self, cluster: &Cluster, now: SimTime) {
        let mut before = std::mem::take(&mut self.since);
        let registered: FxHashSet<&str> =
            cluster.nodes().map(|(_, node)| &*node.provider_id).collect();
        for (id, group) in cluster.groups() {
            for one in group.instances.iter() {
                let waits = one.error.is_none() && one.state != InstanceState::Deleting;
                if waits && !registered.contains(&*one.id) {
                    let key = (id, Arc::clone(&one.id));
                    let since = before.remove(&key).unwrap_or(now);
                    self.since.insert(key, since);
                }
            }
        }
    }

    /// Holds a loop's actions against the machines whose time is over: as many are given up as
    /// the group's minimum allows.
    ///
    /// # Errors
    /// The first machine that is kept.
    pub fn check(
        &self,
        cluster: &Cluster,
        actions: &[Action],
        now: SimTime,
    ) -> Result<(), Violation> {
        if !self.acts_from_zero {
            return Ok(());
        }
        for (group, machine, since) in self.overdue(now) {
            let mut target = cluster.group(group).target_size;
            let mut is_given_up = false;
            for action in actions {
                let Action::DeleteInstances { group: of, ids, .. } = action else { continue };
                if *of == group {
                    is_given_up |= ids.contains(machine);
                    target = target.saturating_sub(u32::try_from(ids.len()).unwrap_or(u32::MAX));
                }
            }
            let spec = &cluster.group(group).spec;
            if !is_given_up && (target > spec.min_size || self.goes_below_min) {
                let (group, machine) = (spec.name.clone(), machine.to_string());
                return Err(Violation::NotReplaced { group, machine, since: now - since });
            }
        }
        Ok(())
    }

    /// Holds how many machines a strategy counts as coming against those that are there and those
    /// whose time is over.
    ///
    /// # Errors
    /// [`Violation::CountedAsComing`] when they are more than were asked for.
    pub fn check_upcoming(
        &self,
        cluster: &Cluster,
        group: GroupId,
        upcoming: u32,
        now: SimTime,
    ) -> Result<(), Violation> {
        let is_ready = |(id, node): (plimsoll_core::ids::NodeId, &plimsoll_core::Node)| {
            node.group == Some(group) && node.ready && cluster.node_taints(id).is_empty()
        };
        let ready = cluster.nodes().filter(|one| is_ready(*one)).count();
        let known = ready + self.overdue(now).filter(|(of, ..)| *of == group).count();
        let state = cluster.group(group);
        let target = state.target_size;
        let coming = usize::try_from(upcoming).unwrap_or(usize::MAX);
        if upcoming == 0 || coming + known <= usize::try_from(target).unwrap_or(usize::MAX) {
            return Ok(());
        }
        Err(Violation::CountedAsComing { group: state.spec.name.clone(), upcoming, target, known })
    }

    fn overdue(&self, now: SimTime) -> impl Iterator<Item = (GroupId, &Arc<str>, SimTime)> + '_ {
        let all = self.since.iter().map(|((group, machine), since)| (*group, machine, *since));
        all.filter(move |(_, _, since)| *since + self.wait < now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    #[test]
    fn a_machine_without_a_node_is_given_up_after_its_time_and_counts_no_more() {
        let mut fixture = Fixture::default();
        let group = fixture.group("a", 0, 9, "4", "16Gi");
        fixture.machine(group, "a-1", InstanceState::Running, None);
        fixture.cluster.set_target_size(group, 1);
        let mut watch = Unregistered::new(&Settings::default());
        watch.look(&fixture.cluster, fixture.now);
        let soon = fixture.now + SimDuration::from_mins(17);
        assert!(watch.check(&fixture.cluster, &[], soon).is_ok());
        let late = fixture.now + SimDuration::from_mins(18);
        assert_eq!(
            watch.check(&fixture.cluster, &[], late).expect_err("it is overdue").to_string(),
            "machine a-1 of group a has become no Node for 18m and is not given up"
        );
        let given_up =
            Action::DeleteInstances { group, ids: vec!["a-1".into()], reason: "NeverRegistered" };
        assert!(watch.check(&fixture.cluster, &[given_up], late).is_ok());
        assert!(watch.check_upcoming(&fixture.cluster, group, 1, soon).is_ok());
        assert!(watch.check_upcoming(&fixture.cluster, group, 1, late).is_err());
    }

    #[test]
    fn the_minimum_keeps_a_machine_that_never_registers() {
        let mut fixture = Fixture::default();
        let group = fixture.group("a", 1, 9, "4", "16Gi");
        fixture.machine(group, "a-1", InstanceState::Running, None);
        fixture.cluster.set_target_size(group, 1);
        let mut watch = Unregistered::new(&Settings::default());
        watch.look(&fixture.cluster, fixture.now);
        let late = fixture.now + SimDuration::from_mins(30);
        assert!(watch.check(&fixture.cluster, &[], late).is_ok());
    }
}
