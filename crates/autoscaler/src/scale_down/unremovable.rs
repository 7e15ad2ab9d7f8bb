//! Nodes that could not go, why, and when they are looked at again.

use std::fmt;

use plimsoll_core::drain::BlockingReason;
use plimsoll_core::ids::{NodeId, PodId};
use plimsoll_core::{Cluster, SimDuration, SimTime};

use super::words::NodeWord;

/// Why a node stays, in upstream's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnremovableReason {
    /// The annotation `scale-down-disabled=true`.
    ScaleDownDisabledAnnotation,
    /// It is not ready, and such nodes are left alone.
    ScaleDownUnreadyDisabled,
    /// It has not been unneeded for the whole time.
    NotUnneededLongEnough,
    /// The same for a node that is not ready.
    NotUnreadyLongEnough,
    /// Its group is at its minimum.
    NodeGroupMinSizeReached,
    /// Its group goes as a whole or not at all, and not all of it may go.
    AtomicScaleDownFailed,
    /// The cluster's minimum of cpu, memory or GPUs would not be kept.
    MinimalResourceLimitExceeded,
    /// It is going already.
    CurrentlyBeingDeleted,
    /// It is used more than the threshold says.
    NotUnderutilized,
    /// It could not go a short while ago.
    RecentlyUnremovable,
    /// Its pods fit nowhere else.
    NoPlaceToMovePods,
    /// This pod cannot be moved.
    BlockedByPod(PodId, BlockingReason),
    /// It waits for pods that may finish first.
    BlockedByOnCompletionPod,
    /// How much of it is used cannot be said.
    UnexpectedError,
}

impl UnremovableReason {
    /// Upstream's word, the pod aside.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            UnremovableReason::ScaleDownDisabledAnnotation => "ScaleDownDisabledAnnotation",
            UnremovableReason::ScaleDownUnreadyDisabled => "ScaleDownUnreadyDisabled",
            UnremovableReason::NotUnneededLongEnough => "NotUnneededLongEnough",
            UnremovableReason::NotUnreadyLongEnough => "NotUnreadyLongEnough",
            UnremovableReason::NodeGroupMinSizeReached => "NodeGroupMinSizeReached",
            UnremovableReason::AtomicScaleDownFailed => "AtomicScaleDownFailed",
            UnremovableReason::MinimalResourceLimitExceeded => "MinimalResourceLimitExceeded",
            UnremovableReason::CurrentlyBeingDeleted => "CurrentlyBeingDeleted",
            UnremovableReason::NotUnderutilized => "NotUnderutilized",
            UnremovableReason::RecentlyUnremovable => "RecentlyUnremovable",
            UnremovableReason::NoPlaceToMovePods => "NoPlaceToMovePods",
            UnremovableReason::BlockedByPod(..) => "BlockedByPod",
            UnremovableReason::BlockedByOnCompletionPod => "BlockedByOnCompletionPod",
            UnremovableReason::UnexpectedError => "UnexpectedError",
        }
    }

    /// The pod that blocks, and why it does.
    #[must_use]
    pub fn blocking_pod(self) -> Option<(PodId, BlockingReason)> {
        match self {
            UnremovableReason::BlockedByPod(pod, reason) => Some((pod, reason)),
            _ => None,
        }
    }
}

impl fmt::Display for UnremovableReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a verdict depended on: the cluster's version, and a digest of what was moved before it in
/// the same loop. Equal surroundings give equal verdicts.
pub(super) type Surroundings = (u64, u64);

/// A node that a simulation found unremovable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remembered {
    pub(super) node: NodeId,
    pub(super) serial: u64,
    /// It is looked at again in the first loop at or after this instant.
    pub(super) until: SimTime,
    pub(super) reason: UnremovableReason,
    /// The loop that looked.
    pub(super) loop_number: u64,
    /// Where the same verdict would come again; `None` when that is not known.
    pub(super) surroundings: Option<Surroundings>,
    /// The pod that keeps the node whatever else happens, and its serial.
    pub(super) stuck: Option<(PodId, u64)>,
    /// What the next look would find, as of the end of the last loop.
    pub(super) outlook: Outlook,
}

impl Remembered {
    /// Whether the pod that keeps the node is on it.
    pub(super) fn is_still_stuck(&self, cluster: &Cluster) -> bool {
        let on = |pod: PodId| cluster.find_pod(pod).and_then(|one| Some((one.serial, one.node?)));
        self.stuck.is_some_and(|(pod, serial)| on(pod) == Some((serial, self.node)))
    }

    /// The word on the node while nothing else holds it.
    pub(super) fn word(&self, cluster: &Cluster) -> NodeWord {
        let is_gone = |(pod, serial): (PodId, u64)| {
            cluster.find_pod(pod).is_none_or(|one| one.serial != serial)
        };
        if self.stuck.is_some_and(is_gone) {
            return NodeWord::Stays(UnremovableReason::RecentlyUnremovable, None);
        }
        let stuck = self.stuck.filter(|_| self.reason.blocking_pod().is_none());
        NodeWord::Stays(self.reason, stuck.map(|(pod, _)| pod))
    }
}

/// What looking again at a remembered node would find while the cluster stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// That has to be seen.
    Unknown,
    /// The same, for another while.
    Same,
    /// Nobody would look: it is no candidate any more.
    Nothing,
}

/// What simulations found unremovable, until it is looked at again. Entries go by time or with the
/// node, never because a node has become empty.
#[derive(Clone, Debug, Default)]
pub(super) struct UnremovableMemory {
    entries: Vec<Remembered>,
    /// By node: one more than the place in `entries`; 0 stands for none.
    places: Vec<u32>,
}

impl UnremovableMemory {
    /// Forgets entries whose time has come and nodes that are gone.
    pub(super) fn forget_expired(&mut self, cluster: &Cluster, now: SimTime) {
        let places = &mut self.places;
        self.entries.retain(|one| {
            let gone = cluster.find_node(one.node).is_none_or(|node| node.serial != one.serial);
            let keep = one.until > now && !gone;
            if !keep {
                places[one.node.index()] = 0;
            }
            keep
        });
        for (place, one) in self.entries.iter().enumerate() {
            self.places[one.node.index()] = place_number(place);
        }
    }

    /// What is remembered of a node. Only right after [`Self::forget_expired`].
    pub(super) fn get(&self, node: NodeId) -> Option<&Remembered> {
        let place = *self.places.get(node.index())?;
        (place > 0).then(|| &self.entries[place as usize - 1])
    }

    /// Remembers a node that is not remembered yet.
    pub(super) fn add(&mut self, entry: Remembered) {
        if self.places.len() <= entry.node.index() {
            self.places.resize(entry.node.index() + 1, 0);
        }
        self.entries.push(entry);
        self.places[entry.node.index()] = place_number(self.entries.len() - 1);
    }

    pub(super) fn entries(&self) -> &[Remembered] {
        &self.entries
    }

    pub(super) fn entries_mut(&mut self) -> &mut [Remembered] {
        &mut self.entries
    }
}

fn place_number(place: usize) -> u32 {
    u32::try_from(place + 1).expect("no more entries than nodes")
}

/// When a loop on the grid `last_loop + k × interval` would have looked again at an entry that
/// ends at `until`, over and over with the same verdict, remembering it for `timeout` each time:
/// the last such loop before `now`, if there is one.
pub(super) fn last_look_before(
    now: SimTime,
    last_loop: SimTime,
    interval: SimDuration,
    until: SimTime,
    timeout: SimDuration,
) -> Option<SimTime> {
    let loops =
        |span: i64| span.max(0).div_euclid(interval.0) + i64::from(span.max(0) % interval.0 > 0);
    let first = last_loop.0 + loops(until.0 - last_loop.0).max(1) * interval.0;
    if first >= now.0 {
        return None;
    }
    let period = loops(timeout.0).max(1) * interval.0;
    Some(SimTime(first + (now.0 - 1 - first).div_euclid(period) * period))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_that_were_skipped_keep_to_the_grid() {
        let secs = |s: i64| SimTime(s * 1000);
        let look = |now, until| {
            last_look_before(
                secs(now),
                secs(0),
                SimDuration::from_secs(10),
                secs(until),
                SimDuration::from_secs(25),
            )
        };
        assert_eq!(look(100, 105), None, "its time has not come");
        assert_eq!(look(100, 100), None, "the loop that is on looks itself");
        assert_eq!(look(100, 95), None, "the first loop after its end is the one that is on");
        assert_eq!(look(101, 95), Some(secs(100)));
        assert_eq!(look(100, 20), Some(secs(80)), "20, 50, 80: each time for 25 s");
        assert_eq!(look(111, 20), Some(secs(110)));
    }
}
