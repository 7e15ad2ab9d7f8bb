//! What held a pod or a node, from when to when, and what released it: told from a report alone.

mod node;
mod pod;
mod remedies;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};

use plimsoll_core::SimTime;
use plimsoll_core::objects::nearest_names;
use serde::Serialize;
use thiserror::Error;

use crate::report::explanations::{Explanations, StoryEntry, Word};
use crate::report::seconds::Seconds;
use crate::report::serde_time::{instant, optional_instant};
use crate::report::{API_VERSION, ReplayReport};

/// The `kind` of an [`Explanation`].
pub const EXPLANATION_KIND: &str = "Explanation";

/// Whom to explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The pod `namespace/name`.
    Pod(String),
    /// The node of this name.
    Node(String),
}

/// Everything that happened to a pod or node under one strategy.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// As of every document of ours.
    pub api_version: &'static str,
    /// Always [`EXPLANATION_KIND`].
    pub kind: &'static str,
    /// What was replayed.
    pub source: String,
    /// Who decided.
    pub strategy: String,
    /// The pod, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// The node, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its life; several where the name was used again.
    pub lives: Vec<Life>,
}

/// One life, from beginning to end.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Life {
    /// All of it in a sentence.
    pub summary: String,
    /// What happened, oldest first.
    pub steps: Vec<Step>,
    /// What could be done about what held it.
    pub remedies: Vec<String>,
}

/// Something that happened, or that held for a while.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// When it happened, or from when on it held.
    #[serde(with = "instant")]
    pub time: SimTime,
    /// Until when it held; `null` where it just happened.
    #[serde(with = "optional_instant")]
    pub until: Option<SimTime>,
    /// Who said so; empty for what simply happened.
    pub by: String,
    /// The word for programs.
    pub code: String,
    /// The same for people.
    pub text: String,
    /// What each node group said to a pod.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, String>,
    /// What belongs to it, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// Nothing can be explained.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ExplainError {
    /// The report was written without the lives of pods and nodes.
    #[error(
        "the report under {strategy} has no lives of single pods and nodes: bursts of scale-ups have none, and an earlier release wrote none; `plimsoll replay SOURCE --json` writes them"
    )]
    NoLives {
        /// Who decided.
        strategy: String,
    },
    /// There is no such pod or node.
    #[error("there is no {kind} {name}; {hint}")]
    Unknown {
        /// `pod` or `node`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// The nearest names.
        hint: String,
    },
}

/// Explains a pod or node under each of several strategies; one that does not know it is left out.
///
/// # Errors
/// When no report knows it, with the nearest names, or when none has the data.
pub fn explain_all(
    reports: &[&ReplayReport],
    subject: &Subject,
) -> Result<Vec<Explanation>, ExplainError> {
    let mut explanations = Vec::new();
    let mut error = None;
    for report in reports {
        match explain(report, subject) {
            Ok(explanation) => explanations.push(explanation),
            Err(refusal) => error = error.or(Some(refusal)),
        }
    }
    match error {
        Some(error) if explanations.is_empty() => Err(error),
        _ => Ok(explanations),
    }
}

/// Explains a pod or node under one strategy.
///
/// # Errors
/// As [`explain_all`].
pub fn explain(report: &ReplayReport, subject: &Subject) -> Result<Explanation, ExplainError> {
    let known = &report.explanations;
    if known.pods.is_empty() && known.nodes.is_empty() {
        return Err(ExplainError::NoLives { strategy: report.strategy.clone() });
    }
    let (pod, node, lives) = match subject {
        Subject::Pod(name) => (Some(name.clone()), None, pod::lives(report, name)),
        Subject::Node(name) => (None, Some(name.clone()), node::lives(report, name)),
    };
    if lives.is_empty() {
        return Err(unknown(known, subject));
    }
    Ok(Explanation {
        api_version: API_VERSION,
        kind: EXPLANATION_KIND,
        source: report.source.clone(),
        strategy: report.strategy.clone(),
        pod,
        node,
        lives,
    })
}

fn unknown(known: &Explanations, subject: &Subject) -> ExplainError {
    let (kind, name, names): (_, _, BTreeSet<&str>) = match subject {
        Subject::Pod(name) => ("pod", name, known.pods.iter().map(|one| &*one.name).collect()),
        Subject::Node(name) => ("node", name, known.nodes.iter().map(|one| &*one.name).collect()),
    };
    let hint = match nearest_names(name, names.into_iter()).join(", ") {
        none if none.is_empty() => format!("there was no {kind} at all"),
        nearest => format!("nearest: {nearest}"),
    };
    ExplainError::Unknown { kind, name: name.clone(), hint }
}

impl Step {
    /// Something that happened.
    fn event(time: SimTime, code: &str, text: impl Into<String>) -> Step {
        Step {
            time,
            until: None,
            by: String::new(),
            code: code.to_owned(),
            text: text.into(),
            groups: BTreeMap::new(),
            details: Vec::new(),
        }
    }

    /// Something that somebody found, from an instant until another.
    fn phase(time: SimTime, until: SimTime, word: &Word) -> Step {
        Step {
            until: (until > time).then_some(until),
            by: word.by.clone(),
            groups: word.groups.clone(),
            ..Step::event(time, &word.code, &word.text)
        }
    }
}

/// The instant of a report's offset.
fn at(report: &ReplayReport, offset: Seconds) -> SimTime {
    report.start_time + plimsoll_core::SimDuration(offset.0)
}

/// A story as phases, each until the next of the same author, the last until `end`. What says the same
/// as the one before goes on with it.
fn phases(report: &ReplayReport, story: &[StoryEntry], end: SimTime) -> Vec<Step> {
    let known = &report.explanations;
    let mut steps: Vec<Step> = Vec::new();
    for (place, entry) in story.iter().enumerate() {
        let Some(word) = known.word(entry) else { continue };
        let from = at(report, entry.from);
        let same_author =
            |other: &&StoryEntry| known.word(other).is_some_and(|one| one.by == word.by);
        let next = story[place + 1..].iter().find(same_author);
        let until = next.map_or(end, |next| at(report, next.from)).min(end).max(from);
        let last = steps.iter_mut().rev().find(|step| step.by == word.by);
        match last {
            Some(last) if last.code == word.code && says_the_same(last, word) => {
                last.until = Some(until);
                // One pod after the other may be the one that fits nowhere else.
                if last.text != word.text && is_of_pods(word) && !last.details.contains(&word.text)
                {
                    last.details.push(word.text.clone());
                }
            }
            _ => steps.push(Step::phase(from, until, word)),
        }
    }
    steps
}

/// Whether a word only repeats a step: counts of nodes may differ, and which pod has no other place;
/// what groups say may not.
fn says_the_same(step: &Step, word: &Word) -> bool {
    let is_about_groups = !word.groups.is_empty();
    step.groups == word.groups && (is_about_groups || is_of_pods(word) || step.text == word.text)
}

fn is_of_pods(word: &Word) -> bool {
    word.code == "NoPlaceToMovePods"
}

/// Some of many names: `a, b, c and 4 more`.
fn some_of(names: &[&str]) -> String {
    const NAMED_MAX: usize = 5;
    let named = names[..names.len().min(NAMED_MAX)].join(", ");
    match names.len().checked_sub(NAMED_MAX) {
        Some(more) if more > 0 => format!("{named} and {more} more"),
        _ => named,
    }
}

/// A span for people.
fn span(from: SimTime, to: SimTime) -> String {
    Seconds::from(to - from).to_short_text()
}

#[cfg(test)]
mod tests;
