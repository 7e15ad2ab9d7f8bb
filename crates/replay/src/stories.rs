//! What the books keep of single pods and nodes, so that their lives can be explained.
//!
//! A pod or node has one entry for each time that something else was found of it; a pod that was bound
//! at once has none.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use plimsoll_autoscaler::Finding;
use plimsoll_autoscaler::finding::About;
use plimsoll_core::ids::{GroupId, NodeId, PodId, ShapeId, WorkloadId};
use plimsoll_core::node_group::Instance;
use plimsoll_core::workload::WorkloadKind;
use plimsoll_core::{Cluster, SimTime};
use plimsoll_sim::{Effect, PodEnd};

use crate::hopeless::refusal_of_empty_node;
use crate::ledger::{Ledger, PodFact};
use crate::report::explanations::{Explanations, NodeLife, PodLife, Story, StoryEntry, Word};
use crate::report::seconds::Seconds;

/// Whose words a pod's condition has.
const SCHEDULER: &str = "kube-scheduler";
/// What Cluster Autoscaler says of a pod that no group was enlarged for.
const UNSCHEDULABLE: &str = "unschedulable";

/// Everything that was found, by serial.
#[derive(Clone, Debug, Default)]
pub struct Stories {
    words: Vec<Word>,
    places: BTreeMap<Word, u32>,
    pods: BTreeMap<u64, Vec<Entry>>,
    nodes: BTreeMap<u64, Vec<Entry>>,
    groups: BTreeMap<GroupId, Vec<Entry>>,
    cluster: Vec<Entry>,
    asked_to_go: BTreeMap<u64, SimTime>,
    made_again: BTreeMap<u64, u64>,
    preempted_by: BTreeMap<u64, u64>,
    /// When the cloud was asked for the machine of a node.
    asked_for: BTreeMap<u64, SimTime>,
    lost: Vec<LostMachine>,
    /// Pods that no pass of the scheduler was seen to judge.
    fresh: Vec<(u64, PodId)>,
    instant: Option<Instant>,
    has_scheduler: bool,
}

/// From when on which word holds, and until when if that is known.
type Entry = (SimTime, u32, Option<SimTime>);

/// A machine that was given up without having become a Node.
#[derive(Clone, Debug)]
struct LostMachine {
    name: String,
    group: GroupId,
    asked_at: Option<SimTime>,
    gone_at: Option<SimTime>,
    word: Option<u32>,
}

/// Who was taken away at one instant, by controller: what the controller makes then is in its place.
#[derive(Clone, Debug)]
struct Instant {
    at: SimTime,
    taken: BTreeMap<WorkloadId, VecDeque<u64>>,
    /// The pod that was made last, if nothing has happened since: the stand-in for a pod of a recording
    /// is made right before that goes.
    made: Option<(WorkloadId, u64)>,
}

impl Stories {
    /// Takes in something that happened. The pod of an end is as the books have it.
    pub(crate) fn book(
        &mut self,
        cluster: &Cluster,
        effect: &Effect,
        pods: &[PodFact],
        at: SimTime,
    ) {
        if self.instant.as_ref().is_none_or(|instant| instant.at != at) {
            self.instant = Some(Instant { at, taken: BTreeMap::new(), made: None });
        }
        let made = self.instant.as_mut().and_then(|instant| instant.made.take());
        // A DaemonSet's pods come and go with their nodes, none in place of another.
        let replaces =
            |id: &WorkloadId| cluster.workload(*id).key.kind != WorkloadKind::DaemonSet.as_str();
        let controller = |serial: u64| {
            let pod = usize::try_from(serial - 1).ok().and_then(|place| pods.get(place));
            pod.and_then(|pod| pod.controller).filter(replaces)
        };
        match effect {
            Effect::PodCreated { pod, serial, controller, .. } => {
                self.fresh.push((*serial, *pod));
                self.was_made(*serial, controller.filter(replaces));
            }
            Effect::PodTerminating { serial, cause } => {
                self.asked_to_go.insert(*serial, at);
                self.was_taken(*serial, controller(*serial), *cause, None);
            }
            Effect::PodGone { serial, cause } if !self.asked_to_go.contains_key(serial) => {
                self.was_taken(*serial, controller(*serial), *cause, made);
            }
            Effect::PodPreempts { serial, node, victims } => {
                let name = |serial: &u64| pod_name(cluster, pods, *serial);
                let victims_text: Vec<String> = victims.iter().map(name).collect();
                let node = cluster.nodes().find(|(_, one)| one.serial == *node);
                let node = node.map_or("?", |(_, one)| &*one.name);
                let text = format!("preempts {} on node {node}", victims_text.join(", "));
                self.say_of_pod(*serial, at, word(SCHEDULER, "Preempts", text), None);
                self.preempted_by.extend(victims.iter().map(|victim| (*victim, *serial)));
            }
            Effect::NodeAdded { node, serial, group: Some(group), .. } => {
                let asked_at = asked_at(cluster, *node, *serial, *group);
                self.asked_for.extend(asked_at.map(|asked_at| (*serial, asked_at)));
            }
            _ => {}
        }
    }

    fn was_made(&mut self, serial: u64, controller: Option<WorkloadId>) {
        let (Some(controller), Some(instant)) = (controller, &mut self.instant) else { return };
        match instant.taken.get_mut(&controller).and_then(VecDeque::pop_front) {
            Some(before) => drop(self.made_again.insert(before, serial)),
            None => instant.made = Some((controller, serial)),
        }
    }

    fn was_taken(
        &mut self,
        serial: u64,
        controller: Option<WorkloadId>,
        cause: PodEnd,
        made: Option<(WorkloadId, u64)>,
    ) {
        let is_replaced = matches!(cause, PodEnd::Evicted | PodEnd::Preempted | PodEnd::NodeGone);
        let (Some(controller), Some(instant), true) = (controller, &mut self.instant, is_replaced)
        else {
            return;
        };
        match made.filter(|(maker, _)| *maker == controller) {
            Some((_, after)) => drop(self.made_again.insert(serial, after)),
            None => instant.taken.entry(controller).or_default().push_back(serial),
        }
    }

    /// Takes in what the scheduler says of pods that it has just tried in vain for the first time.
    pub(crate) fn note_unschedulable(&mut self, cluster: &mut Cluster, at: SimTime) {
        // Pods that are alike are told alike at one instant.
        let mut known: BTreeMap<(ShapeId, Option<WorkloadId>), Option<u32>> = BTreeMap::new();
        for (serial, id) in std::mem::take(&mut self.fresh) {
            let Some(pod) = cluster.find_pod(id).filter(|pod| pod.serial == serial) else {
                continue;
            };
            if pod.node.is_some() {
                continue;
            }
            let (shape, kind) = (pod.shape, (pod.shape, pod.controller));
            let is_gated = cluster.gate_of(shape).is_some();
            if !pod.marked_unschedulable && !is_gated {
                continue;
            }
            self.has_scheduler = true;
            if let std::collections::btree_map::Entry::Vacant(vacant) = known.entry(kind) {
                let message = cluster.unschedulable_message(id);
                let code = if is_gated { "SchedulingGated" } else { "Unschedulable" };
                vacant.insert(message.map(|text| {
                    intern(&mut self.words, &mut self.places, word(SCHEDULER, code, text))
                }));
            }
            if let Some(word) = known[&kind] {
                push(self.pods.entry(serial).or_default(), (at, word, None));
            }
        }
    }

    /// Takes in what a loop of the strategy `by` found.
    pub(crate) fn note_findings(&mut self, findings: Vec<Finding>, by: &str, at: SimTime) {
        for finding in findings {
            let word = Word {
                by: by.to_owned(),
                code: finding.word.code.to_owned(),
                text: finding.word.text,
                groups: finding.word.groups.into_iter().collect(),
            };
            let entry = (at, intern(&mut self.words, &mut self.places, word), finding.until);
            match finding.about {
                About::Pods(serials) => {
                    for serial in serials {
                        push(self.pods.entry(serial).or_default(), entry);
                    }
                }
                About::Node(serial) => push(self.nodes.entry(serial).or_default(), entry),
                About::Group(group) => push(self.groups.entry(group).or_default(), entry),
                About::Cluster => push(&mut self.cluster, entry),
            }
        }
    }

    /// Takes in that a scale-down was begun and is given up.
    pub(crate) fn note_given_up(&mut self, node: u64, reason: &str, by: &str, at: SimTime) {
        let word = word(by, "ScaleDownGivenUp", format!("scale-down is given up: {reason}"));
        let word = intern(&mut self.words, &mut self.places, word);
        push(self.nodes.entry(node).or_default(), (at, word, None));
    }

    /// Takes in that machines without a Node are deleted, before they are.
    pub(crate) fn note_lost(
        &mut self,
        cluster: &Cluster,
        group: GroupId,
        ids: &[Arc<str>],
        (reason, by): (&str, &str),
        at: SimTime,
    ) {
        for id in ids {
            let instance = cluster.group(group).instances.iter().rfind(|one| one.id == *id);
            let error = instance.and_then(|one| one.error.as_ref());
            let text = match error {
                Some(error) => format!("{}: {}", error.code, error.message),
                None => "its Node never appeared".to_owned(),
            };
            let word = intern(&mut self.words, &mut self.places, word(by, reason, text));
            self.lost.push(LostMachine {
                name: machine_name(id),
                group,
                asked_at: instance.and_then(|one| one.created_at),
                gone_at: Some(at),
                word: Some(word),
            });
        }
    }

    fn say_of_pod(&mut self, serial: u64, at: SimTime, word: Word, until: Option<SimTime>) {
        let word = intern(&mut self.words, &mut self.places, word);
        push(self.pods.entry(serial).or_default(), (at, word, until));
    }
}

/// The lives of all pods and nodes of a replay.
pub(crate) fn explanations(ledger: &Ledger, cluster: &mut Cluster) -> Explanations {
    let stories = &ledger.stories;
    let start = ledger.start();
    let group_name = |cluster: &Cluster, group: GroupId| cluster.group(group).spec.name.clone();
    let mut places: BTreeMap<u64, u32> = BTreeMap::new();
    let mut nodes = Vec::with_capacity(ledger.nodes.len());
    for (serial, fact) in &ledger.nodes {
        places.insert(*serial, place_of(nodes.len()));
        let asked_at = stories.asked_for.get(serial).filter(|_| !fact.was_there);
        nodes.push(NodeLife {
            name: fact.name.to_string(),
            group: fact.group.map(|group| group_name(cluster, group)),
            asked: asked_at.map(|at| since(*at, start)),
            ready: (!fact.was_there).then(|| since(fact.added_at, start)),
            gone: fact.removed_at.map(|at| since(at, start)),
            never_registered: false,
            story: story(stories.nodes.get(serial), start),
        });
    }
    let lost = stories.lost.iter().cloned().chain(still_coming(cluster));
    nodes.extend(lost.map(|lost| {
        NodeLife {
            name: lost.name,
            group: Some(group_name(cluster, lost.group)),
            asked: lost.asked_at.map(|at| since(at, start)),
            gone: lost.gone_at.map(|at| since(at, start)),
            never_registered: true,
            story: lost
                .word
                .zip(lost.gone_at)
                .map(|(word, at)| StoryEntry { from: since(at, start), word, until: None })
                .into_iter()
                .collect(),
            ..NodeLife::default()
        }
    }));
    let mut takers: BTreeMap<ShapeId, Vec<String>> = BTreeMap::new();
    let mut pods = Vec::with_capacity(ledger.pods.len());
    for (serial, fact) in (1..).zip(&ledger.pods) {
        pods.push(pod_life(stories, cluster, (serial, fact), &places, &mut takers, start));
    }
    let of_groups = stories.groups.iter();
    Explanations {
        has_scheduler: stories.has_scheduler,
        words: stories.words.clone(),
        cluster: story(Some(&stories.cluster), start),
        groups: of_groups
            .map(|(group, entries)| {
                (group_name(cluster, *group), Story(story(Some(entries), start)))
            })
            .collect(),
        nodes,
        pods,
    }
}

fn pod_life(
    stories: &Stories,
    cluster: &mut Cluster,
    (serial, fact): (u64, &PodFact),
    nodes: &BTreeMap<u64, u32>,
    takers: &mut BTreeMap<ShapeId, Vec<String>>,
    start: SimTime,
) -> PodLife {
    let ran = fact.was_running;
    let entries = stories.pods.get(&serial);
    let was_refused = entries.into_iter().flatten().any(|(_, word, _)| {
        let word = &stories.words[*word as usize];
        word.code == UNSCHEDULABLE && word.by != SCHEDULER
    });
    PodLife {
        name: format!("{}/{}", cluster.shape(fact.shape).namespace, fact.name),
        created: (!ran).then(|| since(fact.created_at, start)),
        bound: fact.bound_at.filter(|_| !ran).map(|at| since(at, start)),
        node: nodes.get(&fact.node()).copied(),
        asked_to_go: stories.asked_to_go.get(&serial).map(|at| since(*at, start)),
        end: fact.end.map(|(at, cause)| (since(at, start), end_name(cause).to_owned())),
        again: stories.made_again.get(&serial).map(|serial| pod_place(*serial)),
        preempted_by: stories.preempted_by.get(&serial).map(|serial| pod_place(*serial)),
        would_fit: was_refused.then(|| {
            takers.entry(fact.shape).or_insert_with(|| groups_that_fit(cluster, fact.shape)).clone()
        }),
        story: story(entries, start),
    }
}

fn groups_that_fit(cluster: &mut Cluster, shape: ShapeId) -> Vec<String> {
    let groups: Vec<GroupId> = cluster.groups().map(|(id, _)| id).collect();
    let fits = |group: &GroupId| refusal_of_empty_node(cluster, shape, *group).is_none();
    let fitting: Vec<GroupId> = groups.into_iter().filter(fits).collect();
    fitting.into_iter().map(|group| cluster.group(group).spec.name.clone()).collect()
}

/// Machines that are no Nodes at the end.
fn still_coming(cluster: &Cluster) -> Vec<LostMachine> {
    let there: BTreeSet<&str> = cluster.nodes().map(|(_, node)| &*node.provider_id).collect();
    let machine = |group: GroupId, one: &Instance| LostMachine {
        name: machine_name(&one.id),
        group,
        asked_at: one.created_at,
        gone_at: None,
        word: None,
    };
    let of_group = |(id, group): (GroupId, &plimsoll_core::cluster::NodeGroup)| {
        let missing = group.instances.iter().filter(|one| !there.contains(&*one.id));
        missing.map(|one| machine(id, one)).collect::<Vec<_>>()
    };
    cluster.groups().flat_map(of_group).collect()
}

/// When the cloud was asked for the machine of a node.
fn asked_at(cluster: &Cluster, node: NodeId, serial: u64, group: GroupId) -> Option<SimTime> {
    let node = cluster.find_node(node).filter(|one| one.serial == serial)?;
    let mut instances = cluster.group(group).instances.iter();
    instances.rfind(|one| one.id == node.provider_id)?.created_at
}

/// The last part of the cloud's id.
fn machine_name(id: &str) -> String {
    id.rsplit('/').next().unwrap_or(id).to_owned()
}

fn pod_name(cluster: &Cluster, pods: &[PodFact], serial: u64) -> String {
    let place = usize::try_from(serial - 1).expect("pods fit into memory");
    pods.get(place).map_or_else(String::new, |pod| {
        format!("{}/{}", cluster.shape(pod.shape).namespace, pod.name)
    })
}

fn word(by: &str, code: &str, text: String) -> Word {
    Word { by: by.to_owned(), code: code.to_owned(), text, groups: BTreeMap::new() }
}

fn intern(words: &mut Vec<Word>, places: &mut BTreeMap<Word, u32>, word: Word) -> u32 {
    if let Some(place) = places.get(&word) {
        return *place;
    }
    let place = place_of(words.len());
    words.push(word.clone());
    places.insert(word, place);
    place
}

/// Adds an entry, unless it says the same again.
fn push(entries: &mut Vec<Entry>, entry: Entry) {
    if entries.last() != Some(&entry) {
        entries.push(entry);
    }
}

fn story(entries: Option<&Vec<Entry>>, start: SimTime) -> Vec<StoryEntry> {
    let entry = |(from, word, until): &Entry| StoryEntry {
        from: since(*from, start),
        word: *word,
        until: until.map(|at| since(at, start)),
    };
    entries.into_iter().flatten().map(entry).collect()
}

fn since(at: SimTime, start: SimTime) -> Seconds {
    Seconds::from(at - start)
}

fn place_of(place: usize) -> u32 {
    u32::try_from(place).expect("a report has fewer than 2^32 lives")
}

fn pod_place(serial: u64) -> u32 {
    u32::try_from(serial - 1).expect("a report has fewer than 2^32 lives")
}

fn end_name(cause: PodEnd) -> &'static str {
    match cause {
        PodEnd::Finished => "finished",
        PodEnd::Deleted => "deleted",
        PodEnd::Evicted => "evicted",
        PodEnd::Preempted => "preempted",
        PodEnd::NodeGone => "nodeGone",
    }
}
