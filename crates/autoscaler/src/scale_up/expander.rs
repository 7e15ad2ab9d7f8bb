//! Which option is taken: each expander of the chain keeps its best ones, and of what is left one is
//! drawn.
//!
//! Source: `expander/*` of release 1.36. Scores are float64 as upstream's; only exactly equal ones
//! tie.

use std::sync::Arc;

use plimsoll_core::Cluster;
use plimsoll_core::ids::{GroupId, PodId};

use super::estimator::requests_of;
use super::template::Template;
use crate::registry::{GPU_LABEL, GPU_RESOURCE};
use crate::settings::{Expander, LEAST_PREFERRED, Settings};
use crate::status::Event;

/// One way to help pods: enlarge this group (and those like it).
#[derive(Clone, Debug)]
pub struct ExpansionOption {
    /// The group.
    pub group: GroupId,
    /// Groups whose nodes are interchangeable with its own.
    pub similar: Vec<GroupId>,
    /// How many nodes it takes.
    pub nodes: u32,
    /// The pods they hold.
    pub pods: Vec<PodId>,
    /// What a new node looks like.
    pub template: Arc<Template>,
    /// The last score that an expander gave; lower is better (`most-pods` gives the number below 0).
    pub score: Option<f64>,
}

/// What the chain came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The options left at the end, by index: the answer is one of them.
    pub best: Vec<usize>,
    /// The answer.
    pub chosen: Option<usize>,
    /// What kept an expander from judging.
    pub complaints: Vec<String>,
    /// What upstream would tell as events.
    pub events: Vec<Event>,
}

/// The chain of expanders.
#[derive(Clone, Copy, Debug)]
pub struct Chooser<'a> {
    /// The flags.
    pub settings: &'a Settings,
    /// How many nodes have registered; `price` prefers larger nodes in larger clusters.
    pub registered_count: usize,
    /// Decides between equals.
    pub draw: u64,
}

impl Chooser<'_> {
    /// Runs the chain over the options.
    pub fn choose(&self, cluster: &Cluster, options: &mut [ExpansionOption]) -> Choice {
        let mut choice = Choice { best: (0..options.len()).collect(), ..Choice::default() };
        for expander in &self.settings.expander {
            if *expander == Expander::Random {
                break;
            }
            self.filter(*expander, cluster, options, &mut choice);
            if choice.best.len() <= 1 {
                break;
            }
        }
        choice.chosen = pick(&choice.best, self.draw);
        choice
    }

    fn filter(
        &self,
        expander: Expander,
        cluster: &Cluster,
        options: &mut [ExpansionOption],
        choice: &mut Choice,
    ) {
        let (best, complaints) = (&choice.best, &mut choice.complaints);
        let events = &mut choice.events;
        choice.best = match expander {
            Expander::Random => best.clone(),
            Expander::MostPods => {
                keep_lowest(options, best, |option| Some(-count_as_score(option.pods.len())))
            }
            Expander::LeastNodes => {
                let count =
                    |option: &ExpansionOption| Some(option.nodes).filter(|nodes| *nodes > 0);
                keep_lowest(options, best, |option| count(option).map(f64::from))
            }
            Expander::LeastWaste => keep_lowest(options, best, |option| wasted(cluster, option)),
            Expander::Price => {
                complain_of_missing_prices(cluster, options, best, complaints);
                let nodes = self.registered_count;
                keep_lowest(options, best, |option| price_score(cluster, option, nodes))
            }
            Expander::Priority => keep_preferred(cluster, self.settings, options, best, events),
        };
    }
}

/// One of several equals.
fn pick(best: &[usize], draw: u64) -> Option<usize> {
    let count = u64::try_from(best.len()).unwrap_or(u64::MAX);
    let position = draw.checked_rem(count)?;
    best.get(usize::try_from(position).ok()?).copied()
}

#[expect(clippy::cast_precision_loss, reason = "numbers of pods are far below 2^52")]
fn count_as_score(pods: usize) -> f64 {
    pods as f64
}

/// Keeps the options with the lowest score; those without a score are dropped.
fn keep_lowest(
    options: &mut [ExpansionOption],
    among: &[usize],
    score: impl Fn(&ExpansionOption) -> Option<f64>,
) -> Vec<usize> {
    let mut best = Vec::new();
    let mut lowest = f64::INFINITY;
    for index in among {
        options[*index].score = score(&options[*index]);
        let Some(score) = options[*index].score else { continue };
        if score < lowest {
            best.clear();
            lowest = score;
        }
        #[expect(clippy::float_cmp, reason = "upstream keeps exact ties only")]
        if score == lowest {
            best.push(*index);
        }
    }
    best
}

/// The share of the new nodes' cpu and memory that the pods leave unused, added up.
fn wasted(cluster: &Cluster, option: &ExpansionOption) -> Option<f64> {
    let (cpu, memory) = requests_of(cluster, &option.pods);
    let capacity = &option.template.spec.capacity;
    #[expect(clippy::cast_precision_loss, reason = "upstream computes these shares in float64")]
    let share = |name: &str, requested: i64| {
        let available = capacity.get(name)? * i64::from(option.nodes);
        Some((available - requested) as f64 / available as f64)
    };
    Some(share("cpu", cpu)? + share("memory", memory)?)
}

/// A price of a pod, per hour and unit, in dollars: the base prices of upstream's GCE provider.
const PRICE_PER_CORE: f64 = 0.033_174;
const PRICE_PER_GIB: f64 = 0.004_446;
const PRICE_PER_GPU: f64 = 0.70;
/// What upstream takes for how unfit a node with GPUs is.
const GPU_UNFITNESS: f64 = 1000.0;
/// How fast the preference for the right size of node fades with the number of nodes.
const UNFITNESS_FADES_OVER: f64 = 15.0;
/// The pod whose price keeps small options from extreme ratios: 500 m and 500 MiB.
const STABILIZING_POD: (i64, i64) = (500, 500 << 20);
/// Preferred cores by the number of nodes in the cluster; beyond the last, [`LARGEST_CORES`].
const PREFERRED_CORES: [(usize, f64); 5] = [(2, 1.0), (6, 2.0), (20, 4.0), (60, 8.0), (200, 16.0)];
const LARGEST_CORES: f64 = 32.0;

fn complain_of_missing_prices(
    cluster: &Cluster,
    options: &[ExpansionOption],
    among: &[usize],
    complaints: &mut Vec<String>,
) {
    for index in among {
        let group = &cluster.group(options[*index].group).spec;
        if group.price_microusd_per_hour.is_none() {
            complaints.push(format!("price: group {} has no price", group.name));
        }
    }
}

/// What the nodes cost over what their pods are worth, times how unfit the size of node is.
fn price_score(cluster: &Cluster, option: &ExpansionOption, nodes: usize) -> Option<f64> {
    const MICRO: f64 = 1e6;
    let group = &cluster.group(option.group).spec;
    #[expect(clippy::cast_precision_loss, reason = "upstream's prices are float64")]
    let node_price = group.price_microusd_per_hour? as f64 / MICRO;
    let pods_price: f64 = option
        .pods
        .iter()
        .map(|pod| {
            let shape = cluster.pod(*pod).shape;
            let (cpu, memory) = cluster.cpu_and_memory(shape);
            let gpus = cluster.shape(shape).requests.get(GPU_RESOURCE).copied().unwrap_or(0);
            pod_price(cpu, memory, gpus)
        })
        .sum();
    let stabilizing = pod_price(STABILIZING_POD.0, STABILIZING_POD.1, 0);
    let ratio = (node_price * f64::from(option.nodes) + stabilizing) / (pods_price + stabilizing);
    Some(unfitness(option, nodes) * ratio)
}

#[expect(clippy::cast_precision_loss, reason = "upstream's prices are float64")]
fn pod_price(cpu_milli: i64, memory_bytes: i64, gpus: i64) -> f64 {
    const MILLI: f64 = 1000.0;
    const GIB: f64 = (1_u64 << 30) as f64;
    cpu_milli as f64 / MILLI * PRICE_PER_CORE
        + memory_bytes as f64 / GIB * PRICE_PER_GIB
        + gpus as f64 * PRICE_PER_GPU
}

/// How far the node's cores are from those preferred in a cluster of this size, fading with the
/// number of new nodes.
#[expect(clippy::cast_precision_loss, reason = "upstream computes this in float64")]
fn unfitness(option: &ExpansionOption, nodes: usize) -> f64 {
    let spec = &option.template.spec;
    if spec.labels.contains_key(GPU_LABEL) || spec.allocatable.contains_key(GPU_RESOURCE) {
        return GPU_UNFITNESS;
    }
    let preferred = PREFERRED_CORES.iter().find(|(most, _)| nodes <= *most);
    let preferred_milli = preferred.map_or(LARGEST_CORES, |(_, cores)| *cores) * 1000.0;
    let milli = spec.capacity.get("cpu").copied().unwrap_or(0) as f64;
    let unfit = (preferred_milli / milli).max(milli / preferred_milli);
    let fades = 1.0 - ((f64::from(option.nodes) - 1.0) / UNFITNESS_FADES_OVER).tanh();
    (unfit - 1.0) * fades + 1.0
}

/// Keeps the options of the highest priority that matches any; without a match, or without
/// priorities, all of them.
fn keep_preferred(
    cluster: &Cluster,
    settings: &Settings,
    options: &[ExpansionOption],
    among: &[usize],
    events: &mut Vec<Event>,
) -> Vec<usize> {
    let Some(priorities) = &settings.priorities else {
        let problem = settings.priorities_problem.iter();
        events.extend(problem.map(|text| Event::priorities_invalid(text.clone())));
        return among.to_vec();
    };
    let priority =
        |index: &usize| priorities.of_group(&cluster.group(options[*index].group).spec.name);
    for name in among.iter().map(|index| &cluster.group(options[*index].group).spec.name) {
        if priorities.of_group(name).is_none() {
            events.push(Event::group_without_priority(name));
        }
    }
    let highest = among.iter().filter_map(priority).max().filter(|one| *one >= LEAST_PREFERRED);
    if highest.is_none() {
        events.push(Event::no_group_with_priority());
        return among.to_vec();
    }
    among.iter().copied().filter(|index| priority(index) == highest).collect()
}
