//! Plays a world as a driver would, and writes down what happened, a line an effect.

use std::collections::BTreeMap;
use std::fmt::Write;

use plimsoll_core::ids::{GroupId, NodeId, PodId};
use plimsoll_core::objects::{Origin, Snapshot};
use plimsoll_core::{SimDuration, SimTime};
use plimsoll_sim::{Command, Effect, World, WorldSettings};
use serde_json::Value;

/// A world, and the log of what happened in it.
pub(crate) struct Play {
    pub(crate) world: World,
    start: SimTime,
    /// Names by serial: effects name nobody twice.
    pods: BTreeMap<u64, String>,
    nodes: BTreeMap<u64, String>,
    log: String,
    logged_at: Option<SimTime>,
}

impl Play {
    /// The world of these objects, one of which is a Scenario, at rest at its start.
    pub(crate) fn new(objects: Vec<Value>) -> Play {
        Play::with_seed(objects, 1)
    }

    pub(crate) fn with_seed(objects: Vec<Value>, seed: u64) -> Play {
        let values = objects.into_iter().map(|object| (object, Origin::default()));
        let (snapshot, _) = Snapshot::from_values(values).expect("the fixture is valid");
        let start = snapshot.scenario.as_ref().expect("the fixture has a scenario").start;
        let settings = WorldSettings::of_snapshot(&snapshot, seed);
        let mut play = Play::of(World::from_snapshot(&snapshot, settings, start), start);
        play.live_through(start);
        play
    }

    pub(crate) fn of(world: World, start: SimTime) -> Play {
        let (pods, nodes) = (BTreeMap::new(), BTreeMap::new());
        Play { world, start, pods, nodes, log: String::new(), logged_at: None }
    }

    /// Lets everything happen until so many seconds after the start, and that instant itself.
    pub(crate) fn until(&mut self, seconds: i64) -> &mut Play {
        let end = self.start + SimDuration::from_secs(seconds);
        while let Some(at) = self.world.next_event_at().filter(|at| *at <= end) {
            self.live_through(at);
        }
        self.live_through(end);
        self
    }

    /// Carries out a command at the current instant, and notes how that went.
    pub(crate) fn command(&mut self, command: &Command) -> &mut Play {
        let answer = self.world.command(command);
        self.note_effects();
        if let Err(error) = answer {
            self.write(&format!("refused: {error}"));
        }
        self
    }

    pub(crate) fn increase(&mut self, group: &str, delta: u32) -> &mut Play {
        let group = self.group(group);
        self.command(&Command::IncreaseSize { group, delta })
    }

    pub(crate) fn evict(&mut self, pod: &str) -> &mut Play {
        let pod = self.pod(pod);
        let serial = self.world.cluster.pod(pod).serial;
        self.command(&Command::Evict { pod, serial })
    }

    pub(crate) fn delete_node(&mut self, node: &str) -> &mut Play {
        let node = self.node(node);
        self.command(&Command::DeleteNode { node })
    }

    /// Lets controllers and scheduler react to commands.
    pub(crate) fn settle(&mut self) -> &mut Play {
        self.world.settle();
        self.note_effects();
        self
    }

    pub(crate) fn group(&self, name: &str) -> GroupId {
        self.world.cluster.find_group(name).expect("the fixture has this group")
    }

    pub(crate) fn node(&self, name: &str) -> NodeId {
        self.world.node_named(name).expect("there is such a node now")
    }

    pub(crate) fn pod(&self, name: &str) -> PodId {
        let mut pods = self.world.cluster.pods();
        pods.find(|(_, pod)| *pod.name == *name).expect("there is such a pod now").0
    }

    /// The group's target, and its machines with their states, a line a machine.
    pub(crate) fn cloud(&self, group: &str) -> String {
        let group = self.world.cluster.group(self.group(group));
        let machines: Vec<String> = group
            .instances
            .iter()
            .map(|one| match &one.error {
                Some(error) => format!("{} {}", one.id, error.code),
                None => format!("{} {:?}", one.id, one.state),
            })
            .collect();
        format!("target {}\n{}\n", group.target_size, machines.join("\n"))
    }

    /// What happened since this was last asked.
    pub(crate) fn log(&mut self) -> String {
        self.logged_at = None;
        std::mem::take(&mut self.log)
    }

    fn live_through(&mut self, at: SimTime) {
        self.world.begin(at);
        self.world.reconcile();
        self.world.run_due();
        self.world.settle();
        self.note_effects();
    }

    fn note_effects(&mut self) {
        let effects: Vec<Effect> = self.world.drain_effects().collect();
        for effect in effects {
            let line = self.describe(&effect);
            self.write(&line);
        }
    }

    fn write(&mut self, line: &str) {
        let now = self.world.now();
        let time = if self.logged_at == Some(now) {
            String::new()
        } else {
            (now - self.start).to_string()
        };
        self.logged_at = Some(now);
        writeln!(self.log, "{time:<6} {line}").expect("text has room");
    }

    fn describe(&mut self, effect: &Effect) -> String {
        let group = |id: GroupId| self.world.cluster.group(id).spec.name.clone();
        match effect {
            Effect::PodCreated { serial, name, .. } => {
                self.pods.insert(*serial, name.to_string());
                format!("pod {name} made")
            }
            Effect::PodBound { serial, node, .. } => {
                format!("pod {} on {}", self.pods[serial], self.nodes[node])
            }
            Effect::PodPreempts { serial, node, victims } => {
                let victims: Vec<&str> =
                    victims.iter().map(|serial| self.pods[serial].as_str()).collect();
                let (pod, node) = (&self.pods[serial], &self.nodes[node]);
                format!("pod {pod} preempts {} on {node}", victims.join(", "))
            }
            Effect::PodTerminating { serial, cause } => {
                format!("pod {} asked to go: {cause:?}", self.pods[serial])
            }
            Effect::PodGone { serial, cause } => {
                format!("pod {} gone: {cause:?}", self.pods[serial])
            }
            Effect::NodeAdded { serial, name, .. } => {
                self.nodes.insert(*serial, name.to_string());
                format!("node {name}")
            }
            Effect::NodeRemoved { serial } => format!("node {} gone", self.nodes[serial]),
            Effect::SizeIncreased { group: id, from, to } => {
                format!("group {} from {from} to {to}", group(*id))
            }
            Effect::InstancesRemoved { group: id, names } => {
                format!("group {} without {}", group(*id), names.join(", "))
            }
            Effect::MachinesPaid { group: id, count } => {
                format!("group {} pays for {count}", group(*id))
            }
        }
    }
}
