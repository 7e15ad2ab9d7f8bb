//! What is going to happen, and in which order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use plimsoll_core::SimTime;
use plimsoll_core::ids::{GroupId, PodId};

use crate::effect::PodEnd;
use crate::input::Input;

/// Everything that can happen in a world by itself. The list is closed.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A pod's work is done.
    PodFinishes {
        /// The pod.
        pod: PodId,
        /// Its serial, as ids are used again.
        serial: u64,
    },
    /// The grace period of a pod that was asked to go is over.
    PodGone {
        /// The pod.
        pod: PodId,
        /// Its serial.
        serial: u64,
        /// Why it was asked to go.
        cause: PodEnd,
    },
    /// A machine is up: its Node appears.
    InstanceBoots {
        /// Of this group.
        group: GroupId,
        /// The cloud's id of the machine.
        id: Arc<str>,
    },
    /// Something from outside: the scenario or the recording.
    Input(Box<Input>),
    /// Nothing but a reason to look at the queue again: a back-off ends.
    BackoffEnds,
}

impl Event {
    /// The order within one instant: pods finish, then machines come up, then the scenario speaks.
    fn rank(&self) -> u8 {
        match self {
            Event::PodGone { .. } => 0,
            Event::PodFinishes { .. } => 1,
            Event::InstanceBoots { .. } => 2,
            Event::Input(_) => 3,
            Event::BackoffEnds => 4,
        }
    }
}

/// The future: events by instant, rank and the order in which they were scheduled.
#[derive(Clone, Debug, Default)]
pub struct EventQueue {
    heap: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
}

#[derive(Clone, Debug)]
struct Scheduled {
    key: (SimTime, u8, u64),
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Scheduled) -> bool {
        self.key == other.key
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Scheduled) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Scheduled) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

impl EventQueue {
    /// Schedules an event.
    pub fn push(&mut self, at: SimTime, event: Event) {
        self.scheduled += 1;
        let key = (at, event.rank(), self.scheduled);
        self.heap.push(Reverse(Scheduled { key, event }));
    }

    /// When the next event is due.
    #[must_use]
    pub fn next_at(&self) -> Option<SimTime> {
        self.heap.peek().map(|Reverse(next)| next.key.0)
    }

    /// The next event that is due at or before `now`.
    pub fn pop_due(&mut self, now: SimTime) -> Option<Event> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(next)| next.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_an_instant_pods_finish_before_machines_come_up() {
        let mut queue = EventQueue::default();
        let boots = Event::InstanceBoots { group: GroupId(0), id: "a-1".into() };
        let finishes = Event::PodFinishes { pod: PodId(0), serial: 1 };
        queue.push(SimTime(5), Event::BackoffEnds);
        queue.push(SimTime(5), boots.clone());
        queue.push(SimTime(5), finishes.clone());
        queue.push(SimTime(1), boots.clone());
        assert_eq!(queue.pop_due(SimTime(0)), None);
        let order: Vec<Event> = std::iter::from_fn(|| queue.pop_due(SimTime(5))).collect();
        assert_eq!(order, [boots.clone(), finishes, boots, Event::BackoffEnds]);
    }
}
