//! Pods of lower priority go for one that fits nowhere.

use plimsoll_core::SimDuration;
use plimsoll_core::ids::{NodeId, PodId};

use super::World;
use crate::effect::{Effect, PodEnd};

impl World {
    /// Makes room for the pods that the last pass found no place for and that may preempt others, as
    /// the scheduler does right after such an attempt: the victims are asked to go, and the pod
    /// is nominated to their node. True when somebody was asked to go.
    ///
    /// Source: DefaultPreemption; budgets are heeded where there is a choice, not otherwise.
    pub(super) fn preempt(&mut self) -> bool {
        let Some(lowest) = self.cluster.lowest_bound_priority() else { return false };
        let mut asked_somebody = false;
        // A pod in back-off has not been tried since room was made for it.
        let some_are_held_back = self.settings.backoff.initial > SimDuration::ZERO;
        for kind in self.queue.hopeless_pods(&self.cluster, lowest) {
            for pod in kind {
                // What was done for others may have left room for this one.
                let may_fit = asked_somebody || some_are_held_back;
                if may_fit && self.cluster.choose_node(pod, self.settings.seed).is_some() {
                    continue;
                }
                let found = self.cluster.choose_preemption(pod, self.settings.seed);
                // What helps none of them helps no other: they are alike. One that waits already for
                // its victims to leave is passed over.
                match found {
                    Some((node, victims)) => {
                        self.make_room(pod, node, &victims);
                        asked_somebody = true;
                    }
                    None if self.cluster.pod(pod).nominated.is_some() => {}
                    None => break,
                }
            }
        }
        asked_somebody
    }

    fn make_room(&mut self, pod: PodId, node: NodeId, victims: &[PodId]) {
        let priority = self.cluster.shape(self.cluster.pod(pod).shape).priority;
        self.effects.push(Effect::PodPreempts {
            serial: self.cluster.pod(pod).serial,
            node: self.cluster.node(node).serial,
            victims: victims.iter().map(|victim| self.cluster.pod(*victim).serial).collect(),
        });
        self.cluster.set_nominated(pod, Some(node));
        self.nominated.push((pod, self.cluster.pod(pod).serial));
        // Pods of lower priority that wait for room on this node have to look for it elsewhere.
        for other in self.cluster.nominated_to(node).to_vec() {
            if self.cluster.shape(self.cluster.pod(other).shape).priority < priority {
                self.cluster.set_nominated(other, None);
            }
        }
        for victim in victims {
            self.cluster.set_preempted(*victim, true);
            self.delete_pod(*victim, PodEnd::Preempted);
        }
    }
}
