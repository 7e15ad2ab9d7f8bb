//! Scenarios drawn from a seed, for whoever looks for states that nobody thought of.
//!
//! [`FuzzScenario::draw`] makes a cluster with groups, nodes and workloads of all kinds, and what
//! happens to it: bursts, deletions, faults of the cloud. It is plain documents, as a user would
//! write them, so that what is played is what users play and a case that matters can be kept as a
//! file. Most clusters are small and a few are not: small ones show most faults, and are read
//! easily.

mod dice;
mod events;
mod node_groups;
mod nodes;
mod pod_templates;
mod workloads;

pub use dice::Dice;

use plimsoll_core::{SimDuration, SimTime};
use serde_json::{Map, Value, json};

use workloads::Stage;

/// The instant at which every drawn scenario starts.
const START: &str = "2026-01-05T06:00:00Z";

/// A drawn scenario, in parts that can be left out one by one.
#[derive(Clone, Debug, PartialEq)]
pub struct FuzzScenario {
    /// What it was drawn from; also the seed of the world's own chance.
    pub seed: u64,
    /// How long it plays.
    pub duration: SimDuration,
    /// The cluster at the start, one document an object.
    pub objects: Vec<Value>,
    /// The autoscaler's flags. None are drawn here, where nobody knows them.
    pub flags: Map<String, Value>,
    /// What happens, by time.
    pub events: Vec<Value>,
    /// Changes to the world's rules.
    pub world: Map<String, Value>,
}

impl FuzzScenario {
    /// The scenario of a seed. The same seed and duration give the same scenario on any machine.
    #[must_use]
    pub fn draw(seed: u64, duration: SimDuration) -> FuzzScenario {
        let size = Size::draw(&mut Dice::new(seed, "fuzz/size"));
        let mut groups = node_groups::draw(&mut Dice::new(seed, "fuzz/groups"), size);
        let (mut stage, workloads) = Stage::draw(&mut Dice::new(seed, "fuzz/workloads"), size);
        let mut dice = Dice::new(seed, "fuzz/nodes");
        let (nodes, pods) = nodes::draw(&mut dice, &mut groups, &stage, size);
        let mut objects: Vec<Value> = groups.iter().map(|plan| plan.document.clone()).collect();
        objects.extend([nodes, workloads, pods].concat());
        let mut dice = Dice::new(seed, "fuzz/events");
        let events = events::draw(&mut dice, &groups, &mut stage, duration, size);
        let world = draw_world(&mut Dice::new(seed, "fuzz/world"));
        FuzzScenario { seed, duration, objects, flags: Map::new(), events, world }
    }

    /// Whether every group has a price, so that strategies may choose by it.
    #[must_use]
    pub fn has_all_prices(&self) -> bool {
        let mut groups = self.objects.iter().filter(|one| one["kind"] == "NodeGroup");
        groups.all(|group| group["spec"].get("pricePerHour").is_some())
    }

    /// The documents of a scenario file.
    #[must_use]
    pub fn documents(&self) -> Vec<Value> {
        let name = format!("fuzz-{}", self.seed);
        let mut documents = self.objects.clone();
        documents.push(json!({
            "apiVersion": "plimsoll.dev/v1alpha1", "kind": "AutoscalerSettings",
            "metadata": {"name": name}, "spec": self.flags,
        }));
        documents.push(json!({
            "apiVersion": "plimsoll.dev/v1alpha1", "kind": "Scenario",
            "metadata": {"name": name},
            "spec": {
                "start": START, "duration": self.duration.to_string(), "seed": self.seed,
                "world": self.world, "events": self.events,
            },
        }));
        documents
    }

    /// How many events of each fault it has, by the fault's name.
    pub fn faults(&self) -> impl Iterator<Item = &str> + '_ {
        let faults = self.events.iter().filter_map(|event| event.get("fault")?.as_object());
        faults.flat_map(|fault| fault.keys().map(String::as_str))
    }
}

/// How large a scenario is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Small,
    Large,
}

impl Size {
    /// One scenario in so many is a large one.
    const LARGE_PERCENT: u32 = 4;

    fn draw(dice: &mut Dice) -> Size {
        if dice.percent(Size::LARGE_PERCENT) { Size::Large } else { Size::Small }
    }

    /// `small`, or ten times as much.
    fn scale(self, small: u32) -> u32 {
        match self {
            Size::Small => small,
            Size::Large => small * 10,
        }
    }
}

fn draw_world(dice: &mut Dice) -> Map<String, Value> {
    let mut world = Map::new();
    if dice.percent(15) {
        world.insert("podBackoff".to_owned(), json!({"initial": "1s", "max": "10s"}));
    }
    if dice.percent(15) {
        world.insert("gracePeriods".to_owned(), json!(true));
    }
    if dice.percent(10) {
        world.insert("podStartDelay".to_owned(), json!(*dice.pick(&["1s", "8s", "45s"])));
    }
    world
}

/// An instant so long before the start, as objects carry it.
fn before_start(span: SimDuration) -> String {
    let start = SimTime::parse(START).expect("the constant is an instant");
    (start - span).to_string()
}

#[cfg(test)]
mod tests;
