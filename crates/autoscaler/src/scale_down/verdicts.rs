//! Verdicts of the drain rules, asked once for each kind of pod.

use plimsoll_core::drain::{DrainRules, DrainVerdict, is_judged_by_kind};
use plimsoll_core::ids::{PodId, ShapeId, WorkloadId};
use plimsoll_core::{Cluster, PodPhase, SimTime};
use rustc_hash::FxHashMap;

type Kind = (ShapeId, Option<WorkloadId>);

/// One of the functions that judge a pod.
pub(super) type JudgePod = fn(&Cluster, PodId, &DrainRules, SimTime) -> DrainVerdict;

/// The verdicts on kinds of pods, as long as controllers and budgets stay as they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdicts {
    by_kind: FxHashMap<Kind, DrainVerdict>,
    last: Option<(Kind, DrainVerdict)>,
}

impl Verdicts {
    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.by_kind.clear();
        self.last = None;
    }

    /// The verdict on a pod, and whether it is one on its kind: time then changes nothing about it.
    pub(super) fn of(
        &mut self,
        cluster: &Cluster,
        id: PodId,
        rules: &DrainRules,
        now: SimTime,
        judge: JudgePod,
    ) -> (DrainVerdict, bool) {
        let pod = cluster.pod(id);
        let kind = (pod.shape, pod.controller);
        let has_not_finished = matches!(pod.phase, PodPhase::Pending | PodPhase::Running);
        let is_ordinary = pod.deletion_at.is_none() && has_not_finished;
        if is_ordinary {
            if let Some((last, verdict)) = self.last
                && last == kind
            {
                return (verdict, true);
            }
            if let Some(verdict) = self.by_kind.get(&kind) {
                self.last = Some((kind, *verdict));
                return (*verdict, true);
            }
        }
        let verdict = judge(cluster, id, rules, now);
        let is_of_kind = is_ordinary && is_judged_by_kind(cluster, pod.shape, rules);
        if is_of_kind {
            self.by_kind.insert(kind, verdict);
            self.last = Some((kind, verdict));
        }
        (verdict, is_of_kind)
    }
}
