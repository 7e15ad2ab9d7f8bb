//! Machines that come to nothing: those that could not be made and those that never became Nodes.
//!
//! Source: `removeOldUnregisteredNodes`, `deleteCreatedNodesWithErrors` and
//! `overrideNodesToDeleteForZeroOrMax` in `core/static_autoscaler.go` of release 1.36.

use std::sync::Arc;

use plimsoll_core::ids::GroupId;

use super::{ClusterAutoscaler, Step};

impl ClusterAutoscaler {
    /// Deletes machines that have not become Nodes for too long, not below the minimum size: unless
    /// that is forced, or held up by other means.
    pub(super) fn give_up_unregistered(&self, step: &mut Step<'_, '_>) {
        let goes_below_minimum = self.settings.force_delete_unregistered_nodes
            || self.settings.enforce_min_size_on_live_nodes;
        for (group, mut ids) in self.registry.never_registered(step.now) {
            if !goes_below_minimum {
                let min_size = step.fork.group(group).spec.min_size;
                let spare = step.targets[group.index()].saturating_sub(min_size);
                ids.truncate(usize::try_from(spare).unwrap_or(usize::MAX));
            }
            if !ids.is_empty() {
                self.delete_machines(step, group, ids, "NeverRegistered");
            }
        }
    }

    /// Deletes machines that could not be made.
    pub(super) fn delete_failed(&self, step: &mut Step<'_, '_>) {
        for (group, ids) in self.registry.failed_creations() {
            self.delete_machines(step, group, ids, "CreationFailed");
        }
    }

    /// Deletes these machines of a group. A group that has no machine or all it may have is given up
    /// as a whole, its Nodes too; where it may stay in part, nothing is deleted until all have failed.
    fn delete_machines(
        &self,
        step: &mut Step<'_, '_>,
        group: GroupId,
        ids: Vec<Arc<str>>,
        reason: &'static str,
    ) {
        let one = step.fork.group(group);
        let options = self.settings.of_group(&one.spec);
        let mut ids = ids;
        if options.is_atomic {
            let gone = |id: &Arc<str>| {
                let removed = &step.report.removed_instances;
                removed.iter().any(|(of, ids)| *of == group && ids.contains(id))
            };
            let all: Vec<Arc<str>> =
                one.instances.iter().map(|one| &one.id).filter(|id| !gone(id)).cloned().collect();
            let stays = options.allow_non_atomic_scale_up_to_max && all.len() != ids.len();
            ids = if stays { Vec::new() } else { all };
        }
        if !ids.is_empty() {
            step.delete_instances(group, ids, reason);
        }
    }
}
