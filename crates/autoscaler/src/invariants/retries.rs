//! A group that fails is left alone for a while. The driver holds refusals alone; the fuzzer also looks
//! for machines that failed ([`Retries::look`]), which goes through lists that a long replay would
//! go through in vain.

use std::collections::BTreeMap;

use plimsoll_core::ids::GroupId;
use plimsoll_core::node_group::InstanceState;
use plimsoll_core::{Cluster, SimDuration, SimTime};

use super::Violation;
use crate::action::{Action, Outcome};
use crate::settings::Settings;

/// Remembers which groups could not be enlarged, by what the cloud said and by what became of the
/// machines, and counts back-offs only roughly: at least the first one.
#[derive(Clone, Debug)]
pub struct Retries {
    wait: SimDuration,
    failed: BTreeMap<GroupId, SimTime>,
    asked: BTreeMap<GroupId, SimTime>,
}

impl Retries {
    /// Nothing has failed yet. The back-off is the shortest that the flags allow: the first one, its
    /// maximum where that is shorter, and the time after which failures are forgotten.
    #[must_use]
    pub fn new(settings: &Settings) -> Retries {
        let wait = settings
            .initial_node_group_backoff_duration
            .min(settings.max_node_group_backoff_duration)
            .min(settings.node_group_backoff_reset_timeout);
        Retries { wait, failed: BTreeMap::new(), asked: BTreeMap::new() }
    }

    /// Looks for machines that were asked for last and failed at once. Before each loop.
    pub fn look(&mut self, cluster: &Cluster, now: SimTime) {
        for (id, group) in cluster.groups() {
            let Some(asked) = self.asked.get(&id).copied() else { continue };
            let has_failed = group.instances.iter().any(|one| {
                one.state == InstanceState::Creating
                    && one.error.is_some()
                    && one.created_at == Some(asked)
            });
            if has_failed {
                self.asked.remove(&id);
                self.failed.insert(id, now);
            }
        }
    }

    /// Holds a loop's increases against what has failed.
    ///
    /// # Errors
    /// The first group that is not left alone.
    pub fn check(
        &self,
        cluster: &Cluster,
        actions: &[Action],
        now: SimTime,
    ) -> Result<(), Violation> {
        for action in actions {
            let Action::IncreaseSize { group, .. } = action else { continue };
            let Some(failed) = self.failed.get(group) else { continue };
            let since = now - *failed;
            if since <= self.wait {
                let group = cluster.group(*group).spec.name.clone();
                return Err(Violation::RetriedTooSoon { group, since, wait: self.wait });
            }
        }
        Ok(())
    }

    /// Takes in what became of an action.
    pub fn observe(&mut self, action: &Action, outcome: &Outcome, now: SimTime) {
        let Action::IncreaseSize { group, .. } = action else { return };
        match outcome {
            Outcome::Done => drop(self.asked.insert(*group, now)),
            Outcome::Refused(_) => drop(self.failed.insert(*group, now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    #[test]
    fn a_group_that_was_refused_is_left_alone_for_its_back_off() {
        let mut fixture = Fixture::default();
        let group = fixture.group("a", 0, 9, "4", "16Gi");
        let settings = fixture.settings(&[("initial-node-group-backoff-duration", "1m")]);
        let mut retries = Retries::new(&settings);
        let action = Action::IncreaseSize { group, delta: 1 };
        retries.observe(&action, &Outcome::Refused("no".to_owned()), fixture.now);
        let mut after = |seconds| {
            let now = fixture.now + SimDuration::from_secs(seconds);
            retries.look(&fixture.cluster, now);
            retries.check(&fixture.cluster, std::slice::from_ref(&action), now)
        };
        assert_eq!(
            after(60).expect_err("it is still in back-off").to_string(),
            "group a is to be enlarged, 1m after it failed; it is left alone for 1m"
        );
        assert!(after(61).is_ok());
    }

    #[test]
    fn machines_that_fail_at_once_count_as_a_failure_of_their_group() {
        let mut fixture = Fixture::default();
        let group = fixture.group("a", 0, 9, "4", "16Gi");
        let mut retries = Retries::new(&Settings::default());
        let action = Action::IncreaseSize { group, delta: 1 };
        retries.observe(&action, &Outcome::Done, fixture.now);
        fixture.machine(group, "a-1", InstanceState::Creating, Some("STOCKOUT"));
        let asked = fixture.now;
        fixture.cluster.update_instances(group, |list| list[0].created_at = Some(asked));
        let next = fixture.now + SimDuration::from_secs(10);
        retries.look(&fixture.cluster, next);
        assert!(retries.check(&fixture.cluster, &[action], next).is_err());
    }
}
