//! The lives of a pod.

use plimsoll_core::SimTime;

use super::{Life, Step, at, phases, remedies, span};
use crate::report::ReplayReport;
use crate::report::explanations::{NodeLife, PodLife, StoryEntry};
use crate::report::seconds::Seconds;

/// The lives of the pods of this name, oldest first.
pub(super) fn lives(report: &ReplayReport, name: &str) -> Vec<Life> {
    let pods = report.explanations.pods.iter().enumerate();
    pods.filter(|(_, pod)| pod.name == name)
        .map(|(place, pod)| Told::new(report, pod, place).life())
        .collect()
}

/// One pod, and what is known of it.
struct Told<'a> {
    report: &'a ReplayReport,
    pod: &'a PodLife,
    place: usize,
    node: Option<&'a NodeLife>,
    created: SimTime,
    /// When it no longer waited: bound, gone, or the end of the replay.
    waited_until: SimTime,
}

impl<'a> Told<'a> {
    fn new(report: &'a ReplayReport, pod: &'a PodLife, place: usize) -> Told<'a> {
        let created = at(report, pod.created.unwrap_or_default());
        let ended = pod.end.as_ref().map(|(offset, _)| at(report, *offset));
        let bound = pod.bound.map(|offset| at(report, offset));
        let waited_until = bound.or(ended).unwrap_or(report.end_time);
        let node = report.explanations.node_of(pod);
        Told { report, pod, place, node, created, waited_until }
    }

    fn life(&self) -> Life {
        let mut steps = vec![self.origin()];
        let mut waiting = phases(self.report, &self.pod.story, self.waited_until);
        for step in &mut waiting {
            if step.code == "triggeredScaleUp" {
                step.details = self.machines_of(step);
            }
        }
        let remedies = remedies::of_pod(self.report, self.pod, &waiting, self.boot());
        steps.extend(waiting);
        steps.extend(self.ready());
        steps.sort_by_key(|step| step.time);
        steps.extend(self.bound());
        steps.extend(self.ending());
        Life { summary: self.summary(), steps, remedies }
    }

    fn origin(&self) -> Step {
        let pods = &self.report.explanations.pods;
        let is_this = |one: &&PodLife| one.again.is_some_and(|again| again as usize == self.place);
        if self.pod.created.is_none() {
            let text = match self.node {
                Some(node) => format!("ran on node {} when the replay began", node.name),
                None => "ran when the replay began".to_owned(),
            };
            return Step::event(self.report.start_time, "ranAtStart", text);
        }
        let text = match pods.iter().find(is_this) {
            Some(before) => {
                format!("created in place of {}, which was {}", before.name, end_text(before))
            }
            None if self.created == self.report.start_time => {
                "created, or waiting already when the replay began".to_owned()
            }
            None => "created".to_owned(),
        };
        Step::event(self.created, "created", text)
    }

    /// The machines that were asked for in the loop of a scale-up, and what became of them.
    fn machines_of(&self, step: &Step) -> Vec<String> {
        let known = &self.report.explanations;
        let asked_now = |node: &&NodeLife| {
            let is_of_group = |group: &String| step.text.contains(&format!("{{{group} "));
            node.asked.is_some_and(|asked| at(self.report, asked) == step.time)
                && node.group.as_ref().is_some_and(is_of_group)
        };
        let machines: Vec<&NodeLife> = known.nodes.iter().filter(asked_now).collect();
        machines.iter().map(|node| self.fate_of(node, step.time)).collect()
    }

    fn fate_of(&self, node: &NodeLife, asked: SimTime) -> String {
        let name = &node.name;
        if let Some(ready) = node.ready {
            let after = span(asked, at(self.report, ready));
            return format!("machine {name}: Ready {after} later");
        }
        let why = node.story.last().and_then(|entry| self.report.explanations.word(entry));
        match (node.gone, why) {
            (Some(gone), Some(why)) => {
                let gone = at(self.report, gone);
                let after = if gone == asked {
                    "at once".to_owned()
                } else {
                    format!("{} later", span(asked, gone))
                };
                format!("machine {name}: given up {after}: {}", why.text)
            }
            (Some(gone), None) => {
                format!("machine {name}: gone {} later", span(asked, at(self.report, gone)))
            }
            (None, _) => format!("machine {name}: still booting at the end of the replay"),
        }
    }

    /// From when to when the pod waited for the boot of its node.
    fn boot(&self) -> Option<(SimTime, SimTime)> {
        let node = self.node.filter(|_| self.pod.bound.is_some())?;
        let (asked, ready) = (at(self.report, node.asked?), at(self.report, node.ready?));
        let from = asked.max(self.created);
        (ready > from && ready <= self.waited_until).then_some((from, ready))
    }

    fn ready(&self) -> Option<Step> {
        let ((_, ready), node) = self.boot().zip(self.node)?;
        let asked = at(self.report, node.asked?);
        let text =
            format!("node {} is Ready, {} after it was asked for", node.name, span(asked, ready));
        Some(Step::event(ready, "nodeReady", text))
    }

    fn bound(&self) -> Option<Step> {
        let bound = at(self.report, self.pod.bound?);
        let node = self.node.map_or("a node that is not named", |node| &*node.name);
        let how = if bound == self.created {
            "at once".to_owned()
        } else {
            format!("after {}", span(self.created, bound))
        };
        Some(Step::event(bound, "bound", format!("bound to {node}, {how}")))
    }

    fn ending(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(asked) = self.pod.asked_to_go {
            let text = "asked to go; it uses its grace period";
            steps.push(Step::event(at(self.report, asked), "terminating", text));
        }
        let Some((offset, cause)) = &self.pod.end else {
            let text = if self.is_placed() {
                "still runs at the end of the replay"
            } else {
                "still waits at the end of the replay"
            };
            steps.push(Step::event(self.report.end_time, "endOfReplay", text));
            return steps;
        };
        let time = at(self.report, *offset);
        let mut step = Step::event(time, cause, self.why_it_ended(cause, time));
        let again =
            self.pod.again.and_then(|place| self.report.explanations.pods.get(place as usize));
        step.details.extend(again.map(|again| format!("made anew as {}", again.name)));
        steps.push(step);
        steps
    }

    fn why_it_ended(&self, cause: &str, time: SimTime) -> String {
        let node = self.node.map_or("", |node| &*node.name);
        match cause {
            "finished" => "finished: its work was done".to_owned(),
            "evicted" => match removal_of(self.report, node, time) {
                Some((decided, why)) => {
                    let ago = span(decided, time);
                    format!("evicted: scale-down of node {node} ({why}), decided {ago} before")
                }
                None => format!("evicted from node {node}"),
            },
            "preempted" => {
                let by = self.pod.preempted_by;
                let by = by.and_then(|place| self.report.explanations.pods.get(place as usize));
                match by {
                    Some(by) => format!("preempted: it had to make room for {}", by.name),
                    None => {
                        "preempted: it had to make room for a pod of higher priority".to_owned()
                    }
                }
            }
            "nodeGone" => format!("gone with its node {node}"),
            _ if self.is_placed() => {
                "deleted: its controller shrank, or somebody deleted it".to_owned()
            }
            _ => {
                "deleted while it waited: its controller shrank, or somebody deleted it".to_owned()
            }
        }
    }

    fn is_placed(&self) -> bool {
        self.pod.created.is_none() || self.pod.bound.is_some()
    }

    fn summary(&self) -> String {
        let end = self.pod.end.as_ref().map(|(offset, _)| at(self.report, *offset));
        let until = end.unwrap_or(self.report.end_time);
        let ending = self.pod.end.as_ref().map_or("still there at the end", |_| end_text(self.pod));
        let waited = span(self.created, self.waited_until);
        if !self.is_placed() {
            return format!("never had a node: waited {waited}; {ending}");
        }
        let node = self.node.map_or("a node that is not named", |node| &*node.name);
        let ran = span(self.waited_from_placement(), until);
        if self.pod.created.is_none() {
            format!("ran {ran} on {node} since the replay began; {ending}")
        } else if self.waited_until == self.created {
            format!("had a node at once, ran {ran} on {node}; {ending}")
        } else {
            format!("waited {waited}, then ran {ran} on {node}; {ending}")
        }
    }

    fn waited_from_placement(&self) -> SimTime {
        if self.pod.created.is_none() { self.report.start_time } else { self.waited_until }
    }
}

/// How a pod ended, in a word or two.
fn end_text(pod: &PodLife) -> &str {
    match pod.end.as_ref().map(|(_, cause)| cause.as_str()) {
        Some("nodeGone") => "gone with its node",
        Some(cause) => cause,
        None => "still there",
    }
}

/// The loop that decided to remove a node, if it was being removed at that instant, and why.
fn removal_of<'a>(
    report: &'a ReplayReport,
    node: &str,
    time: SimTime,
) -> Option<(SimTime, &'a str)> {
    let decisions = report.decisions.iter().filter(|decision| decision.time <= time);
    decisions.rev().find_map(|decision| {
        let found = decision.scale_downs.iter().find(|one| one.node == node)?;
        let is_on = found.removed_at.is_none_or(|removed| removed >= time);
        is_on.then_some((decision.time, found.reason.as_str()))
    })
}

/// The pods whose waiting made a loop enlarge a group.
pub(super) fn pods_that_triggered<'a>(
    report: &'a ReplayReport,
    group: &str,
    asked: Seconds,
) -> Vec<&'a str> {
    let known = &report.explanations;
    let size = format!("{{{group} ");
    let triggered = |entry: &StoryEntry| {
        let word = known.word(entry).filter(|_| entry.from == asked);
        word.is_some_and(|word| word.code == "triggeredScaleUp" && word.text.contains(&size))
    };
    let pods = known.pods.iter().filter(|pod| pod.story.iter().any(triggered));
    pods.map(|pod| pod.name.as_str()).collect()
}
