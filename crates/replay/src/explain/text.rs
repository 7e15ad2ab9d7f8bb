//! An explanation for a terminal.

use plimsoll_core::{SimDuration, SimTime};

use super::{Explanation, Life, Step, span};
use crate::report::clock_text::formatted;
use crate::report::seconds::Seconds;
use crate::report::text::wrapped;

/// No page is laid out narrower than this.
const MIN_WIDTH: usize = 60;
/// A life of more steps than this is told by its beginning and its end.
const STEPS_MAX: usize = 60;
/// So many sentences are told below a step.
const DETAILS_MAX: usize = 8;
/// So many of its first steps are told then, and as many of its last.
const STEPS_AT_EACH_END: usize = 25;

/// Lays out explanations, at most `width` characters wide where their words allow it.
#[must_use]
pub fn render(explanations: &[Explanation], width: usize) -> String {
    let width = width.max(MIN_WIDTH);
    let pages: Vec<String> = explanations.iter().map(|one| page(one, width)).collect();
    pages.join("\n")
}

fn page(explanation: &Explanation, width: usize) -> String {
    let subject = match (&explanation.pod, &explanation.node) {
        (Some(pod), _) => format!("pod {pod}"),
        (_, Some(node)) => format!("node {node}"),
        (None, None) => String::new(),
    };
    let title = format!("{subject} · {} · {}", explanation.source, explanation.strategy);
    let mut lines = wrapped("", &title, width, 2);
    let count = explanation.lives.len();
    for (number, life) in (1..).zip(&explanation.lives) {
        let which = if count > 1 { format!("{number} of {count}: ") } else { String::new() };
        if number > 1 {
            lines.push(String::new());
        }
        lines.extend(wrapped("", &format!("{which}{}", life.summary), width, 2));
        lines.push(String::new());
        lines.extend(timeline(life, width));
        if !life.remedies.is_empty() {
            lines.push(String::new());
            lines.push("what would help".to_owned());
            lines.extend(life.remedies.iter().flat_map(|text| wrapped("  - ", text, width, 4)));
        }
    }
    lines.join("\n") + "\n"
}

/// When, how long after the beginning, and what.
fn timeline(life: &Life, width: usize) -> Vec<String> {
    let (Some(first), Some(last)) = (life.steps.first(), life.steps.last()) else {
        return Vec::new();
    };
    let is_one_day = formatted(first.time, "%F") == formatted(last.time, "%F");
    let pattern = if is_one_day { "%H:%M:%S" } else { "%b %d %H:%M:%S" };
    let since: Vec<String> =
        life.steps.iter().map(|step| format!("+{}", span(first.time, step.time))).collect();
    let since_width = since.iter().map(String::len).max().unwrap_or(0);
    let steps = life.steps.len();
    let left_out =
        if steps > STEPS_MAX { STEPS_AT_EACH_END..steps - STEPS_AT_EACH_END } else { 0..0 };
    let mut lines = Vec::new();
    for (place, (step, since)) in life.steps.iter().zip(&since).enumerate() {
        if left_out.contains(&place) {
            if place == left_out.start {
                lines.push(format!(
                    "  ... {} steps are left out here; --json has them",
                    left_out.len()
                ));
            }
            continue;
        }
        let head = format!("  {}  {since:>since_width$}  ", formatted(step.time, pattern));
        let indent = head.chars().count();
        lines.extend(wrapped(&head, &text(step), width, indent));
        let further = step.groups.iter().map(|(group, said)| format!("{group}: {said}"));
        let details = step.details.iter().take(DETAILS_MAX).cloned();
        let more = step.details.len().checked_sub(DETAILS_MAX).filter(|more| *more > 0);
        let more = more.map(|more| format!("and {more} more like these; --json has them"));
        for detail in further.chain(details).chain(more) {
            let head = " ".repeat(indent + 2);
            lines.extend(wrapped(&head, &detail, width, indent + 4));
        }
    }
    lines
}

/// What is said in one line: who says it, what, and for how long it held.
fn text(step: &Step) -> String {
    let by = if step.by.is_empty() { String::new() } else { format!("{}: ", step.by) };
    let is_told = ["unschedulable", "triggeredScaleUp", "Unschedulable"].contains(&&*step.code);
    let code = if step.code.starts_with(char::is_uppercase) && !is_told && !step.by.is_empty() {
        format!("{}: ", step.code)
    } else {
        String::new()
    };
    let held = step.until.map_or(SimDuration::ZERO, |until: SimTime| until - step.time);
    let held = if held > SimDuration::ZERO {
        format!(" [{}]", Seconds::from(held).to_short_text())
    } else {
        String::new()
    };
    format!("{by}{code}{}{held}", step.text)
}
