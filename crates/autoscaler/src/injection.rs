//! Pods that do not exist: made up on a loop's fork, placed and helped like others, never told of.
//!
//! They come from controllers that have yet to make them (`proactive`), from capacity buffers
//! ([`crate::capacity_buffers`]) and from provisioning requests ([`crate::provisioning_requests`]).

pub mod proactive;

use std::hash::{Hash, Hasher};

use plimsoll_core::ids::PodId;
use plimsoll_core::{Cluster, Fork, PodBirth};
use rustc_hash::{FxHashMap, FxHasher};

/// Told apart from the serials of real pods, which are far fewer.
const FAKE_KEY: u64 = 1 << 63;

/// What a pod that does not exist stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A pod that its controller has yet to make.
    Controller,
    /// Room of the capacity buffer with this number.
    Buffer(usize),
    /// A pod of the provisioning request with this number.
    Request(usize),
}

/// The pods that one loop made up.
#[derive(Clone, Debug, Default)]
pub struct FakePods {
    list: Vec<PodId>,
    by_pod: FxHashMap<PodId, (Origin, u64)>,
}

impl FakePods {
    /// Makes one up. Its name and namespace tell it from others of its origin, over the loops.
    pub fn add(&mut self, fork: &mut Fork<'_>, birth: PodBirth, origin: Origin) -> PodId {
        let mut hasher = FxHasher::default();
        (std::mem::discriminant(&origin), &fork.shape(birth.shape).namespace).hash(&mut hasher);
        birth.name.hash(&mut hasher);
        let pod = fork.add_pod(birth);
        self.list.push(pod);
        self.by_pod.insert(pod, (origin, hasher.finish() | FAKE_KEY));
        pod
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, in the order in which they were made up.
    pub fn iter(&self) -> impl Iterator<Item = PodId> + '_ {
        self.list.iter().copied()
    }

    /// What a pod stands for; `None`: it is real.
    #[must_use]
    pub fn origin(&self, pod: PodId) -> Option<Origin> {
        if self.list.is_empty() {
            return None;
        }
        self.by_pod.get(&pod).map(|(origin, _)| *origin)
    }

    /// What to remember its place by: the same number in each loop, and never that of a real pod.
    #[must_use]
    pub fn hint_key(&self, pod: PodId) -> Option<u64> {
        if self.list.is_empty() {
            return None;
        }
        self.by_pod.get(&pod).map(|(_, key)| *key)
    }

    /// Leaves out so many pods of controllers that no more than `limit` pods are to be helped, as far
    /// as that goes.
    ///
    /// Source: `processors/podinjection/enforce_injected_pods_limit_processor.go`.
    pub fn enforce_limit(&self, to_help: &mut Vec<PodId>, limit: u32) {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut surplus = to_help.len().saturating_sub(limit);
        to_help.retain(|pod| {
            let goes = surplus > 0 && self.origin(*pod) == Some(Origin::Controller);
            surplus -= usize::from(goes);
            !goes
        });
    }
}

/// How many pods of which origin are among `pods`, by origin.
#[must_use]
pub fn count_by_origin(
    fakes: &FakePods,
    pods: impl Iterator<Item = PodId>,
) -> std::collections::BTreeMap<Origin, usize> {
    let mut counts = std::collections::BTreeMap::new();
    for origin in pods.filter_map(|pod| fakes.origin(pod)) {
        *counts.entry(origin).or_default() += 1;
    }
    counts
}

/// Whether a pod's scheduler is one that is looked after.
pub(crate) fn is_handled(
    cluster: &Cluster,
    settings: &crate::settings::Settings,
    pod: PodId,
) -> bool {
    let name = &cluster.shape(cluster.pod(pod).shape).scheduler_name;
    settings.allowed_scheduler_names.is_empty() || settings.allowed_scheduler_names.contains(name)
}

#[cfg(test)]
mod tests;
