//! What would have to change for a pod that fits nowhere: the smallest changes, each really tried.
//!
//! Nodes that refuse alike are one case, of which a few are tried. From a node's refusal follow the
//! changes that would answer it; they are made on a fork and the node is asked again, until it takes
//! the pod or nothing is left to answer with. What comes of it is a list of changes for each node;
//! the cheapest lists are then judged over all nodes, and only what lets the pod in is told.

mod answers;
mod candidates;
mod change;

use serde_json::{Value, json};

use super::judgement::Judgement;
use super::refusal::Refusal;
use crate::cluster::{Cluster, Fork, PodBirth};
use crate::ids::{NodeId, PodId};
use crate::pod::PodSpec;

pub use candidates::GroupNode;
pub use change::Change;

/// So many remedies are worth reading.
const REMEDIES_MAX: usize = 3;
/// Nobody calls more changes than this small.
const CHANGES_MAX: usize = 4;
/// So many lists of changes are looked at for one node: it has two answers where it has a choice.
const LISTS_PER_NODE_MAX: usize = 16;
/// So many lists are judged over all nodes before the search gives up. Each was tried on a node
/// already, so that the first ones hold.
const JUDGED_MAX: usize = 8;
/// What each further change costs beside what it is.
const FURTHER_CHANGE_COST: u32 = 10;

/// Changes that would let a pod in.
#[derive(Clone, Debug, PartialEq)]
pub struct Remedy {
    /// What to change, all of it.
    pub changes: Vec<Change>,
    /// The node that the pod then goes to.
    pub node: String,
    /// How many nodes would take it then.
    pub nodes_that_fit: usize,
}

impl Remedy {
    /// One sentence that says what to do and what comes of it.
    #[must_use]
    pub fn text(&self) -> String {
        let clauses: Vec<String> = self.changes.iter().map(Change::clause).collect();
        let todo = match clauses.as_slice() {
            [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
            _ => clauses.join(""),
        };
        let mut letters = todo.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        let where_to = match (self.adds_node(), self.nodes_that_fit) {
            (true, _) => "the pod goes there".to_owned(),
            (false, 0 | 1) => format!("the pod goes to {}", self.node),
            (false, nodes) => format!("the pod goes to {}, one of {nodes} that fit", self.node),
        };
        format!("{first}{}; {where_to}.", letters.as_str())
    }

    /// An element of `remedies` in `plimsoll schedule --json`.
    #[must_use]
    pub fn as_json(&self) -> Value {
        let mut json = match self.changes.as_slice() {
            [only] => only.as_json(),
            several => {
                let changes: Vec<Value> = several.iter().map(Change::as_json).collect();
                json!({"kind": "several", "changes": changes})
            }
        };
        json["goesTo"] = self.node.as_str().into();
        json["nodesThatFit"] = self.nodes_that_fit.into();
        json["text"] = self.text().into();
        json
    }

    fn adds_node(&self) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::AddNode(_)))
    }
}

/// Changes after which a node takes the pod.
#[derive(Clone, Debug)]
struct Proposal {
    cost: u32,
    node: NodeId,
    changes: Vec<Change>,
}

impl Cluster {
    /// The smallest changes, cheapest first, that would let in a pod that was judged to fit nowhere;
    /// none for a pod that fits somewhere, or when no such change is known. The cluster is left as
    /// it was.
    ///
    /// # Panics
    /// On a fork: the pod's own nomination is set aside meanwhile.
    pub fn remedies(&mut self, pod: PodId, judgement: &Judgement) -> Vec<Remedy> {
        if !judgement.best.is_empty() {
            return Vec::new();
        }
        // The changed pod would otherwise leave room for the unchanged one.
        let nominated = self.pod(pod).nominated;
        if nominated.is_some() {
            self.set_nominated(pod, None);
        }
        let mut proposals = Vec::new();
        for node in self.telling_nodes(pod, judgement) {
            self.propose(pod, Some(node), Vec::new(), &mut proposals);
        }
        for add_node in self.possible_nodes() {
            self.propose(pod, None, vec![add_node], &mut proposals);
        }
        proposals.sort_by_key(|one| (one.cost, one.node));
        let remedies = self.verified(pod, &proposals);
        if nominated.is_some() {
            self.set_nominated(pod, nominated);
        }
        remedies
    }

    /// What would make one node (that of the first change, when none is given) take the pod.
    fn propose(
        &mut self,
        pod: PodId,
        node: Option<NodeId>,
        start: Vec<Change>,
        proposals: &mut Vec<Proposal>,
    ) {
        let mut open = vec![start];
        let mut looked_at = 0;
        while let Some(changes) = open.pop() {
            looked_at += 1;
            if looked_at > LISTS_PER_NODE_MAX {
                return;
            }
            let mut fork = self.fork();
            let Some(stage) = set_up(&mut fork, pod, node, &changes) else { continue };
            let Some(refusal) = stage.refusal(&mut fork) else {
                let cost = cost_of(&changes);
                proposals.push(Proposal { cost, node: stage.node, changes });
                continue;
            };
            for answer in fork.answers(&stage, &refusal) {
                let is_new = answer.iter().all(|change| !changes.contains(change));
                if is_new && changes.len() + answer.len() <= CHANGES_MAX {
                    open.push(changes.iter().cloned().chain(answer).collect());
                }
            }
        }
    }

    /// The first of the proposals that hold over all nodes, none of them more of the same.
    fn verified(&mut self, pod: PodId, proposals: &[Proposal]) -> Vec<Remedy> {
        let mut remedies: Vec<Remedy> = Vec::new();
        let mut judged = 0;
        for proposal in proposals {
            let asks_more =
                |known: &Remedy| known.changes.iter().all(|one| one.is_in(&proposal.changes));
            if remedies.iter().any(asks_more) {
                continue;
            }
            judged += 1;
            remedies.extend(self.judge_changed(pod, proposal));
            if remedies.len() >= REMEDIES_MAX || judged >= JUDGED_MAX {
                break;
            }
        }
        remedies
    }

    fn judge_changed(&mut self, pod: PodId, proposal: &Proposal) -> Option<Remedy> {
        let mut fork = self.fork();
        let known = fork.find_node(proposal.node).is_some();
        let node = known.then_some(proposal.node);
        let stage = set_up(&mut fork, pod, node, &proposal.changes)?;
        let judgement = fork.judge(stage.pod);
        let chosen = judgement.chosen()?;
        Some(Remedy {
            changes: proposal.changes.clone(),
            node: fork.node_name(chosen).to_owned(),
            nodes_that_fit: judgement.nodes.len() - judgement.refusals().count(),
        })
    }
}

/// The changed pod and the node that it is held against.
#[derive(Clone, Debug)]
struct Stage {
    pod: PodId,
    node: NodeId,
    spec: PodSpec,
}

impl Stage {
    fn refusal(&self, fork: &mut Fork<'_>) -> Option<Refusal> {
        match fork.begin_trial(self.pod) {
            Ok(trial) => fork.refusal_in_trial(&trial, self.node),
            Err(refusal) => Some(refusal),
        }
    }
}

/// Makes the changes on a fork; `None` when there is no node to hold the pod against.
fn set_up(
    fork: &mut Fork<'_>,
    pod: PodId,
    node: Option<NodeId>,
    changes: &[Change],
) -> Option<Stage> {
    let one = fork.pod(pod).clone();
    let mut spec = fork.shape(one.shape).clone();
    let mut node = node;
    for change in changes {
        change.apply_to_pod(&mut spec);
        node = change.apply_to_nodes(fork, node);
    }
    let shape = fork.intern_shape(&spec);
    let pod = fork.add_pod(PodBirth {
        name: one.name,
        shape,
        controller: one.controller,
        created_at: one.created_at,
    });
    Some(Stage { pod, node: node?, spec })
}

fn cost_of(changes: &[Change]) -> u32 {
    let further = u32::try_from(changes.len()).map_or(u32::MAX, |count| count.saturating_sub(1));
    changes.iter().map(Change::cost).sum::<u32>() + further * FURTHER_CHANGE_COST
}

#[cfg(test)]
mod tests;
