//! The world: a cluster, its cloud and its controllers in virtual time.
//!
//! The driver's round, at each instant at which anything happens:
//! 1. [`World::begin`];
//! 2. commands of work in progress ([`World::command`]), then [`World::reconcile`];
//! 3. [`World::run_due`]: pods finish, machines come up, the scenario speaks;
//! 4. [`World::settle`]: controllers and scheduler until quiet;
//! 5. the autoscaler's loop if one is due, its commands, and `settle` again.
//!
//! The order is that of the rules in `docs/reference/scenario.md`.

mod cloud;
mod controllers;
mod deployments;
mod inputs;
mod pods;
mod preempting;
mod start;

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_core::cluster::Cluster;
use plimsoll_core::ids::{NodeId, PodId};
use plimsoll_core::scheduling::{Backoff, PodQueue};
use plimsoll_core::{SimDuration, SimTime};
use rustc_hash::FxHashMap;

use crate::command::{Command, CommandError};
use crate::effect::Effect;
use crate::event::{Event, EventQueue};
use crate::input::Input;
use cloud::Cloud;
use controllers::Controllers;
use pods::Life;

/// A cluster, its cloud and its controllers in virtual time. See the module's text.
#[derive(Clone, Debug)]
pub struct World {
    /// The cluster as its API server and its cloud would describe it.
    pub cluster: Cluster,
    settings: WorldSettings,
    now: SimTime,
    queue: PodQueue,
    events: EventQueue,
    controllers: Controllers,
    cloud: Cloud,
    /// What is known of a pod beyond the cluster: where its end comes from.
    lives: FxHashMap<u64, Life>,
    /// The living pods of a recording by key.
    recorded: BTreeMap<u32, PodId>,
    node_names: FxHashMap<Arc<str>, NodeId>,
    /// Pods of a name, one for each namespace that has such a pod.
    pod_names: FxHashMap<Arc<str>, Vec<PodId>>,
    /// Pods of the start that preemption made room for, by id and serial.
    nominated: Vec<(PodId, u64)>,
    effects: Vec<Effect>,
    settled_version: Option<u64>,
    backoff_wake: Option<SimTime>,
}

/// How the world behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorldSettings {
    /// The seed of everything that is left to chance.
    pub seed: u64,
    /// The scheduler's back-off of pods that fit nowhere; none by default.
    pub backoff: Backoff,
    /// From binding to running; a pod's `run-for` counts from then.
    pub pod_start_delay: SimDuration,
    /// Whether a pod that is deleted or evicted uses up its grace period.
    pub grace_periods: bool,
    /// Whether the world schedules and runs pods; `false` where a recording says who was bound where
    /// and when.
    pub schedules: bool,
}

impl WorldSettings {
    /// The default rules with this seed.
    #[must_use]
    pub fn with_seed(seed: u64) -> WorldSettings {
        WorldSettings {
            seed,
            backoff: Backoff::default(),
            pod_start_delay: SimDuration::ZERO,
            grace_periods: false,
            schedules: true,
        }
    }
}

impl World {
    /// An empty world at `start`.
    #[must_use]
    pub fn new(settings: WorldSettings, start: SimTime) -> World {
        World {
            cluster: Cluster::default(),
            settings,
            now: start,
            queue: PodQueue::new(settings.backoff),
            events: EventQueue::default(),
            controllers: Controllers::default(),
            cloud: Cloud::new(settings.seed),
            lives: FxHashMap::default(),
            recorded: BTreeMap::new(),
            node_names: FxHashMap::default(),
            pod_names: FxHashMap::default(),
            nominated: Vec::new(),
            effects: Vec::new(),
            settled_version: None,
            backoff_wake: None,
        }
    }

    /// The instant the world is at.
    #[must_use]
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// Schedules something from outside.
    pub fn schedule(&mut self, at: SimTime, input: Input) {
        self.events.push(at, Event::Input(Box::new(input)));
    }

    /// When something happens next by itself.
    #[must_use]
    pub fn next_event_at(&self) -> Option<SimTime> {
        self.events.next_at()
    }

    /// Moves the clock.
    ///
    /// # Panics
    /// When `at` is in the past: the driver has lost its order.
    pub fn begin(&mut self, at: SimTime) {
        assert!(at >= self.now, "time runs forwards");
        self.now = at;
    }

    /// Lets everything happen that is due: pods finish, machines come up, inputs arrive, in this
    /// order.
    pub fn run_due(&mut self) {
        while let Some(event) = self.events.pop_due(self.now) {
            self.step(event);
        }
    }

    /// One event, and what the controllers make of it.
    pub fn step(&mut self, event: Event) {
        match event {
            Event::PodFinishes { pod, serial } => self.finish_pod(pod, serial),
            Event::PodGone { pod, serial, cause } => self.end_grace(pod, serial, cause),
            Event::InstanceBoots { group, id } => self.boot_instance(group, &id),
            Event::Input(input) => self.take_input(*input),
            Event::BackoffEnds => self.settled_version = None,
        }
    }

    /// Lets controllers and scheduler work until nothing changes any more.
    pub fn settle(&mut self) {
        while self.settled_version != Some(self.cluster.version()) {
            self.reconcile();
            self.cluster.refresh_budgets();
            let bound = self.queue.pass(&mut self.cluster, self.now, self.settings.seed);
            for (pod, node) in &bound {
                self.note_bound(*pod, *node);
            }
            self.cluster.refresh_budgets();
            if bound.is_empty() && self.controllers.is_quiet() && !self.preempt() {
                self.settled_version = Some(self.cluster.version());
            }
        }
        let wake = self.queue.next_ready(self.now);
        if let Some(at) = wake.filter(|_| wake != self.backoff_wake) {
            self.events.push(at, Event::BackoffEnds);
        }
        self.backoff_wake = wake;
    }

    /// Carries out a call to the cloud or the API server, at the current instant.
    ///
    /// # Errors
    /// When the cloud or the API server would refuse it.
    pub fn command(&mut self, command: &Command) -> Result<(), CommandError> {
        match command {
            Command::IncreaseSize { group, delta } => self.increase_size(*group, *delta),
            Command::DecreaseTarget { group, by } => self.decrease_target(*group, *by),
            Command::DeleteNode { node } => self.delete_node(*node),
            Command::DeleteInstances { group, ids } => self.delete_instances(*group, ids),
            Command::SetTaints { node, taints, unschedulable } => {
                self.cluster.find_node(*node).ok_or(CommandError::NoSuchNode)?;
                self.cluster.set_taints(*node, taints);
                self.cluster.set_unschedulable(*node, *unschedulable);
                Ok(())
            }
            Command::DeleteObject { object } => {
                self.cluster.remove_capacity(object);
                Ok(())
            }
            Command::Evict { pod, serial } => self.evict(*pod, *serial),
        }
    }

    /// Takes what happened since this was last called, oldest first.
    pub fn drain_effects(&mut self) -> std::vec::Drain<'_, Effect> {
        self.effects.drain(..)
    }

    /// How many pods the scheduler holds in its queue.
    #[must_use]
    pub fn queued_pods(&self) -> usize {
        self.queue.len()
    }

    fn note_bound(&mut self, pod: PodId, node: NodeId) {
        self.tell_bound(pod, node);
        if self.cluster.pod(pod).nominated.is_some() {
            self.cluster.set_nominated(pod, None);
        }
        self.start_running(pod);
        if let Some(controller) = self.cluster.pod(pod).controller {
            self.controllers.pod_bound(&self.cluster, controller);
        }
    }
}
