//! Placing the pods of requests, and holding room for those that are provisioned.
//!
//! Source: `bookCapacity` in `processors/provreq/processor.go`, `simulator/scheduling`.

use plimsoll_core::condition::ConditionStatus;
use plimsoll_core::ids::{NodeId, PodId, ShapeId};
use plimsoll_core::{Fork, SimTime};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{FAILED, ProvisioningRequests, is_served, pods_of};
use crate::action::Action;
use crate::injection::FakePods;
use crate::settings::Settings;

/// Where pods of requests were placed before: each is tried there first.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// A node and its serial, by the pod's key.
    hints: FxHashMap<u64, (NodeId, u64)>,
    next_start: u32,
}

impl Places {
    /// Binds pods on the fork; gives those that fit nowhere. When one is enough, the search ends with
    /// it.
    pub(super) fn place(
        &mut self,
        fork: &mut Fork<'_>,
        fakes: &FakePods,
        pods: &[PodId],
        one_is_enough: bool,
        now: SimTime,
    ) -> Vec<PodId> {
        let mut hopeless: FxHashSet<ShapeId> = FxHashSet::default();
        let mut homeless = Vec::new();
        for pod in pods {
            let shape = fork.pod(*pod).shape;
            let key = fakes.hint_key(*pod);
            let hinted =
                key.and_then(|key| self.hint(fork, key)).filter(|node| fork.fits(shape, *node));
            let found = match hinted {
                Some(node) => Some(node),
                None if hopeless.contains(&shape) => None,
                None => fork.first_fit(shape, NodeId(self.next_start)).inspect(|node| {
                    self.next_start = node.0 + 1;
                }),
            };
            let Some(node) = found else {
                hopeless.insert(shape);
                homeless.push(*pod);
                if one_is_enough {
                    return homeless;
                }
                continue;
            };
            fork.bind(*pod, node, now);
            if let Some(key) = key {
                self.hints.insert(key, (node, fork.node(node).serial));
            }
        }
        homeless
    }

    fn hint(&self, fork: &Fork<'_>, key: u64) -> Option<NodeId> {
        let (node, serial) = *self.hints.get(&key)?;
        fork.find_node(node).filter(|one| one.serial == serial).map(|_| node)
    }
}

impl ProvisioningRequests {
    /// Places pods for every request whose room is held. What fits nowhere is not held.
    pub(super) fn book(
        &mut self,
        fork: &mut Fork<'_>,
        settings: &Settings,
        fakes: &mut FakePods,
        actions: &mut Vec<Action>,
        now: SimTime,
    ) {
        let mut pods = Vec::new();
        for index in 0..self.records.len() {
            if !self.records[index].is_booked() {
                continue;
            }
            let object = self.object(fork, index).filter(|one| is_served(one, settings));
            let Some(object) = object.cloned() else { continue };
            match pods_of(fork, &object, index, fakes) {
                Ok(made) => pods.extend(made),
                Err(why) => {
                    let failed = (FAILED, ConditionStatus::True);
                    let message = format!("Couldn't create pods, err: {why}");
                    self.set(index, failed, ("FailedToBookCapacity", &message), actions, now);
                }
            }
        }
        self.booked.place(fork, fakes, &pods, false, now);
    }
}
