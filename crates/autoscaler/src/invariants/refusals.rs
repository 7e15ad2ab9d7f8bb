//! Groups that the cloud refused to enlarge.

use std::collections::BTreeMap;

use plimsoll_core::ids::GroupId;
use plimsoll_core::{Cluster, SimTime};

use super::Violation;
use crate::action::{Action, Outcome};
use crate::settings::Settings;

/// Remembers refused increases over a run: a group that was refused is left alone for a while and not
/// asked again in the next loop.
#[derive(Clone, Debug, Default)]
pub struct RefusalWatch {
    refused_at: BTreeMap<GroupId, SimTime>,
}

impl RefusalWatch {
    /// Takes in what became of an action.
    pub fn note(&mut self, action: &Action, outcome: &Outcome, now: SimTime) {
        if let (Action::IncreaseSize { group, .. }, Outcome::Refused(_)) = (action, outcome) {
            self.refused_at.insert(*group, now);
        }
    }

    /// Holds a decision against what was refused before it: the shortest time that a back-off can
    /// take under these flags must be over.
    ///
    /// # Errors
    /// The first group that is asked for more too soon.
    pub fn check(
        &self,
        cluster: &Cluster,
        settings: &Settings,
        actions: &[Action],
        now: SimTime,
    ) -> Result<(), Violation> {
        if self.refused_at.is_empty() {
            return Ok(());
        }
        let shortest = settings
            .initial_node_group_backoff_duration
            .min(settings.max_node_group_backoff_duration)
            .min(settings.node_group_backoff_reset_timeout);
        for action in actions {
            let Action::IncreaseSize { group, .. } = action else { continue };
            let Some(refused_at) = self.refused_at.get(group) else { continue };
            if now < *refused_at + shortest {
                let group = cluster.group(*group).spec.name.clone();
                return Err(Violation::BackoffIgnored { group, refused_at: *refused_at });
            }
        }
        Ok(())
    }
}
