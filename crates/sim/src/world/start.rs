//! The world as a file describes it.

use plimsoll_core::SimTime;
use plimsoll_core::ids::{GroupId, WorkloadId};
use plimsoll_core::objects::{ScenarioAction, Snapshot};
use plimsoll_core::scheduling::Backoff;
use plimsoll_core::workload::WorkloadKind;

use super::{World, WorldSettings};
use crate::input::Input;

impl World {
    /// The world of a snapshot at `start`, with the events of its scenario ahead of it.
    ///
    /// What is there is there: nodes with their machines, pods on their nodes. Then the controllers
    /// make up for what is missing, and machines that are being created or that a target counts but
    /// nobody lists are booting.
    #[must_use]
    pub fn from_snapshot(snapshot: &Snapshot, settings: WorldSettings, start: SimTime) -> World {
        let mut world = World::new(settings, start);
        for group in &snapshot.groups {
            world.apply_group(group.clone());
        }
        world.cluster.take_surroundings(snapshot);
        for node in &snapshot.nodes {
            world.apply_node(node.clone());
        }
        let workloads: Vec<(WorkloadId, WorkloadKind)> = snapshot
            .workloads
            .iter()
            .filter_map(|object| Some((world.register_workload(object)?, object.kind)))
            .collect();
        for pod in &snapshot.pods {
            world.apply_pod(pod.clone());
        }
        for budget in &snapshot.budgets {
            world.cluster.add_budget(budget.clone());
        }
        for (id, kind) in workloads {
            if kind == WorkloadKind::DaemonSet {
                world.start_daemon_everywhere(id);
            }
        }
        world.boot_what_comes();
        world.cluster.refresh_budgets();
        world.schedule_scenario(snapshot, start);
        world
    }

    /// Boots the machines that are being created, and those that targets count and the clouds do not
    /// list.
    fn boot_what_comes(&mut self) {
        let groups: Vec<GroupId> = self.cluster.groups().map(|(id, _)| id).collect();
        for id in groups {
            self.boot_listed(id);
            let group = self.cluster.group(id);
            let listed = u32::try_from(group.instances.len()).expect("machines are few");
            for _ in listed..group.target_size {
                self.launch(id);
            }
            self.note_paid(id);
        }
    }

    fn schedule_scenario(&mut self, snapshot: &Snapshot, start: SimTime) {
        let Some(scenario) = &snapshot.scenario else { return };
        for event in &scenario.events {
            if let Some(input) = as_input(&event.action) {
                self.schedule(start + event.at, input);
            }
        }
    }
}

impl WorldSettings {
    /// The rules that a snapshot's scenario asks for, with this seed.
    #[must_use]
    pub fn of_snapshot(snapshot: &Snapshot, seed: u64) -> WorldSettings {
        let mut settings = WorldSettings::with_seed(seed);
        let Some(asked) = snapshot.scenario.as_ref().map(|scenario| &scenario.world) else {
            return settings;
        };
        if let Some(backoff) = asked.pod_backoff {
            settings.backoff = Backoff { initial: backoff.initial, max: backoff.max };
        }
        settings.pod_start_delay = asked.pod_start_delay.unwrap_or(settings.pod_start_delay);
        settings.grace_periods = asked.grace_periods.unwrap_or(settings.grace_periods);
        settings
    }
}

/// What a scenario's event means to the world; `None` for objects that the world does not play.
fn as_input(action: &ScenarioAction) -> Option<Input> {
    use plimsoll_core::objects::Object;
    Some(match action {
        ScenarioAction::Apply { object, .. } => match object.as_ref() {
            Object::Workload(object) => Input::ApplyWorkload(object.clone()),
            Object::Pod(object) => {
                let mut object = object.clone();
                // The event's time is the time of creation, whatever is printed.
                object.created_at = None;
                Input::ApplyPod(object)
            }
            Object::DisruptionBudget(object) => Input::ApplyBudget(object.clone()),
            Object::Node(object) => Input::ApplyNode(Box::new(object.clone())),
            Object::NodeGroup(spec) => Input::ApplyGroup(Box::new(spec.clone())),
            Object::Capacity(object) => {
                let mut object = object.clone();
                object.forget_creation();
                Input::ApplySurrounding(Box::new(Object::Capacity(object)))
            }
            one if one.is_surrounding() => Input::ApplySurrounding(object.clone()),
            _ => return None,
        },
        ScenarioAction::Scale { kind, namespace, name, replicas } => Input::Scale {
            kind: *kind,
            namespace: namespace.clone(),
            name: name.clone(),
            replicas: *replicas,
        },
        ScenarioAction::Delete { kind, namespace, name } => {
            Input::Delete { kind: kind.clone(), namespace: namespace.clone(), name: name.clone() }
        }
        ScenarioAction::Fault(fault) => Input::Fault(fault.clone()),
    })
}
