//! The lives of a node.

use plimsoll_core::SimTime;

use super::pod::pods_that_triggered;
use super::{Life, Step, at, phases, remedies, some_of, span};
use crate::report::explanations::{NodeLife, StoryEntry};
use crate::report::money::CostMeter;
use crate::report::{LoopDecision, NodeScaleDown, ReplayReport};

/// The lives of the nodes of this name, oldest first.
pub(super) fn lives(report: &ReplayReport, name: &str) -> Vec<Life> {
    let nodes = report.explanations.nodes.iter().enumerate();
    nodes
        .filter(|(_, node)| node.name == name)
        .map(|(place, node)| Told::new(report, node, place).life())
        .collect()
}

/// One node, and what is known of it.
struct Told<'a> {
    report: &'a ReplayReport,
    node: &'a NodeLife,
    place: usize,
    /// From when on it was paid for, as far as is known.
    paid_from: SimTime,
    /// When its Node was there.
    there_from: SimTime,
    until: SimTime,
}

impl<'a> Told<'a> {
    fn new(report: &'a ReplayReport, node: &'a NodeLife, place: usize) -> Told<'a> {
        let instant = |offset: Option<_>| offset.map(|offset| at(report, offset));
        let there_from = instant(node.ready).unwrap_or(report.start_time);
        let paid_from = instant(node.asked).unwrap_or(there_from);
        let until = instant(node.gone).unwrap_or(report.end_time);
        Told { report, node, place, paid_from, there_from, until }
    }

    fn life(&self) -> Life {
        if self.node.never_registered {
            return self.life_without_node();
        }
        let mut steps = phases(self.report, &self.node.story, self.until);
        self.tell_ripeness(&mut steps);
        steps.extend(self.cooldowns());
        steps.extend(self.group_phases());
        self.tell_removal(&mut steps);
        let remedies = remedies::of_node(self.report, self.node, &steps);
        steps.extend(self.beginning());
        steps.sort_by_key(|step| (step.time, !step.by.is_empty()));
        steps.push(self.ending());
        Life { summary: self.summary(), steps, remedies }
    }

    /// A machine that never became a Node.
    fn life_without_node(&self) -> Life {
        let mut steps: Vec<Step> = self.asked().into_iter().collect();
        steps.extend(phases(self.report, &self.node.story, self.until));
        let summary = match self.node.gone {
            Some(_) if self.until == self.paid_from => {
                "a machine that never became a Node: given up at once".to_owned()
            }
            Some(_) => format!(
                "a machine that never became a Node: given up after {}",
                span(self.paid_from, self.until)
            ),
            None => "a machine that is no Node at the end of the replay".to_owned(),
        };
        let remedies = remedies::of_node(self.report, self.node, &steps);
        Life { summary, steps, remedies }
    }

    fn asked(&self) -> Option<Step> {
        let asked = self.node.asked?;
        let group = self.node.group.as_deref()?;
        let time = at(self.report, asked);
        let decision = self.report.decisions.iter().find(|one| one.time == time);
        let grown = decision.and_then(|one| one.scale_ups.iter().find(|one| one.group == group));
        let Some(grown) = grown else {
            let text = format!("the cloud began to make it, of group {group}, without an increase");
            return Some(Step::event(time, "asked", text));
        };
        let text = format!("asked for: scale-up of {group} from {} to {}", grown.from, grown.to);
        let mut step = Step::event(time, "asked", text);
        let pods = pods_that_triggered(self.report, group, asked);
        if !pods.is_empty() {
            step.details.push(format!("for {}", counted_names(&pods)));
        }
        Some(step)
    }

    fn beginning(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = self.asked().into_iter().collect();
        steps.push(match (self.node.asked, self.node.ready) {
            (Some(_), Some(_)) => {
                let text = format!(
                    "Ready, {} after it was asked for",
                    span(self.paid_from, self.there_from)
                );
                Step::event(self.there_from, "ready", text)
            }
            (None, Some(_)) => Step::event(self.there_from, "ready", "Ready"),
            (_, None) => {
                Step::event(self.there_from, "wasThere", "was there when the replay began")
            }
        });
        steps
    }

    /// Says of unneeded nodes when they may go.
    fn tell_ripeness(&self, steps: &mut [Step]) {
        for (from, ripe_from, _) in self.unneeded() {
            let of_entry = |step: &&mut Step| step.time == from && step.code == "Unneeded";
            if let Some(step) = steps.iter_mut().find(of_entry) {
                let after = span(from, ripe_from);
                step.details.push(format!("long enough after {after} (scale-down-unneeded-time)"));
            }
        }
    }

    /// From when on it was unneeded, when that was long enough, and until when.
    fn unneeded(&self) -> impl Iterator<Item = (SimTime, SimTime, SimTime)> + '_ {
        let story = &self.node.story;
        story.iter().enumerate().filter_map(|(place, entry)| {
            let word = self.report.explanations.word(entry)?;
            let ripe_from = entry.until.filter(|_| word.code == "Unneeded")?;
            let next = story.get(place + 1).map_or(self.until, |next| at(self.report, next.from));
            Some((at(self.report, entry.from), at(self.report, ripe_from), next.min(self.until)))
        })
    }

    /// What held all nodes while this one was unneeded for long enough.
    fn cooldowns(&self) -> Vec<Step> {
        let story = &self.report.explanations.cluster;
        let mut steps: Vec<Step> = Vec::new();
        for (from, ripe_from, until) in self.unneeded() {
            let ripe_from = ripe_from.max(from);
            for step in self.overlay(story, ripe_from, until) {
                match steps.last_mut() {
                    Some(last) if last.until == Some(step.time) && last.text == step.text => {
                        last.until = step.until;
                    }
                    _ => steps.push(step),
                }
            }
        }
        steps
    }

    /// What held the nodes of its group while it was there.
    fn group_phases(&self) -> Vec<Step> {
        let group = self.node.group.as_ref();
        let story = group.and_then(|group| self.report.explanations.groups.get(group));
        story.map_or_else(Vec::new, |story| self.overlay(&story.0, self.there_from, self.until))
    }

    /// The parts of a story that lie in a span of time; what lets nodes go is no part.
    fn overlay(&self, story: &[StoryEntry], from: SimTime, to: SimTime) -> Vec<Step> {
        let mut steps = Vec::new();
        for (place, entry) in story.iter().enumerate() {
            let Some(word) = self.report.explanations.word(entry) else { continue };
            let next = story.get(place + 1).map(|next| at(self.report, next.from));
            let ends = entry.until.map(|until| at(self.report, until));
            let end = [next, ends, Some(to)].into_iter().flatten().min().unwrap_or(to);
            let begin = at(self.report, entry.from).max(from);
            if begin < end && word.code != "Candidates" {
                steps.push(Step::phase(begin, end, word));
            }
        }
        steps
    }

    /// Its removal by the autoscaler, if it was removed so.
    fn removal(&self) -> Option<(&'a LoopDecision, &'a NodeScaleDown)> {
        let gone = at(self.report, self.node.gone?);
        self.report.decisions.iter().find_map(|decision| {
            let is_this =
                |one: &&NodeScaleDown| one.node == self.node.name && one.removed_at == Some(gone);
            Some((decision, decision.scale_downs.iter().find(is_this)?))
        })
    }

    /// Adds to the loop that began the removal which pods had to move.
    fn tell_removal(&self, steps: &mut Vec<Step>) {
        let Some((decision, removal)) = self.removal() else { return };
        let started =
            |step: &&mut Step| step.code == "NodeDeleteStarted" && step.time == decision.time;
        let place = match steps.iter_mut().find(started) {
            Some(step) => step,
            None => {
                let text = format!("scale-down begins: {}", removal.reason);
                let step = Step {
                    by: self.report.strategy.clone(),
                    until: Some(self.until),
                    ..Step::event(decision.time, "NodeDeleteStarted", text)
                };
                steps.push(step);
                steps.last_mut().expect("it was added just now")
            }
        };
        if !removal.moves.is_empty() {
            let moves: Vec<&str> = removal.moves.iter().map(String::as_str).collect();
            place.details.push(format!("tainted and drained; evicted {}", counted_names(&moves)));
        }
    }

    fn ending(&self) -> Step {
        match (self.node.gone, self.removal()) {
            (None, _) => {
                Step::event(self.until, "endOfReplay", "still there at the end of the replay")
            }
            (Some(_), Some((decision, removal))) => {
                let after = span(decision.time, self.until);
                let text =
                    format!("deleted ({}), {after} after the loop that decided it", removal.reason);
                Step::event(self.until, "deleted", text)
            }
            (Some(_), None) => {
                let text =
                    "gone, not by the autoscaler: the cloud took it back, or somebody deleted it";
                Step::event(self.until, "gone", text)
            }
        }
    }

    fn summary(&self) -> String {
        let group = match &self.node.group {
            Some(group) => format!("of group {group}"),
            None => "of no group".to_owned(),
        };
        let paid = span(self.paid_from, self.until);
        let place = self.place;
        let pods = self.report.explanations.pods.iter();
        let carried =
            pods.filter(|pod| pod.node.is_some_and(|node| node as usize == place)).count();
        let cost = self.cost().map_or_else(String::new, |cost| format!(", cost {cost}"));
        let ending = match (self.node.gone, self.removal()) {
            (None, _) => "still there at the end".to_owned(),
            (_, Some((_, removal))) => format!("removed by scale-down ({})", removal.reason),
            (_, None) => "taken away".to_owned(),
        };
        let pods = if carried == 1 { "pod" } else { "pods" };
        format!("{group}: {paid}{cost}, carried {carried} {pods}; {ending}")
    }

    /// What its life cost within the window; `None` without a price.
    fn cost(&self) -> Option<String> {
        let group = self.node.group.as_ref()?;
        let groups = &self.report.start.node_groups;
        let price = groups.iter().find(|one| one.name == *group)?.price_per_hour?;
        let mut meter = CostMeter::default();
        meter.charge(price.0, (self.until - self.paid_from).0);
        Some(meter.to_cents().to_dollars_text())
    }
}

fn counted_names(names: &[&str]) -> String {
    match names {
        [one] => (*one).to_owned(),
        many => format!("{} pods: {}", many.len(), some_of(many)),
    }
}
