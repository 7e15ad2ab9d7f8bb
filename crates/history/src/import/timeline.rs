//! The order in which the rows of a trace happen: times squeezed, load multiplied.

use plimsoll_core::SimTime;

use super::{ImportError, ImportOptions, ImportProgress};

/// Something that happens to one copy of one row of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    /// When.
    pub(crate) at: SimTime,
    /// The row, counted from 0.
    pub(crate) row: u32,
    /// The copy of the row: 0 is the row itself.
    pub(crate) copy: u32,
    /// What.
    pub(crate) stage: Stage,
}

/// What happens; at one instant in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It is there from the recording's start, already running.
    Found,
    /// It is created, and waits.
    Created,
    /// It is bound and runs.
    Scheduled,
    /// It is gone.
    Deleted,
}

/// The life of one row in milliseconds from the trace's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    /// `None`: before the start.
    pub(crate) created: Option<i64>,
    /// `None`: before the start if `created` is so too, and never otherwise.
    pub(crate) scheduled: Option<i64>,
    /// `None`: after the end.
    pub(crate) deleted: Option<i64>,
}

/// Collects the steps of a trace.
#[derive(Debug)]
pub(crate) struct Timeline {
    start: SimTime,
    compress: f64,
    inflate: f64,
    rows: u32,
    steps: Vec<Step>,
}

impl Timeline {
    /// A trace that begins at `start`.
    pub(crate) fn new(start: SimTime, options: &ImportOptions) -> Timeline {
        Timeline {
            start,
            compress: options.compress.unwrap_or(1.0),
            inflate: options.inflate.unwrap_or(1.0),
            rows: 0,
            steps: Vec::new(),
        }
    }

    /// Adds the next row, as often as the load is multiplied.
    pub(crate) fn add(&mut self, life: Life) {
        let row = self.rows;
        self.rows += 1;
        let copies = copies_before(row + 1, self.inflate) - copies_before(row, self.inflate);
        let (start, compress) = (self.start, self.compress);
        let at = |millis| squeezed(start, millis, compress);
        for copy in 0..copies {
            let mut add = |at, stage| self.steps.push(Step { at, row, copy, stage });
            match life.created {
                None => add(start, Stage::Found),
                Some(created) => {
                    add(at(created), Stage::Created);
                    if let Some(scheduled) = life.scheduled {
                        add(at(scheduled), Stage::Scheduled);
                    }
                }
            }
            if let Some(deleted) = life.deleted {
                add(at(deleted), Stage::Deleted);
            }
        }
    }

    /// The instant that is `millis` after the start of the trace, squeezed as all of its times are.
    pub(crate) fn at(&self, millis: i64) -> SimTime {
        squeezed(self.start, millis, self.compress)
    }

    /// The steps in the order in which they happen; what happens at one instant is in the order of
    /// the rows.
    pub(crate) fn into_steps(mut self) -> Vec<Step> {
        self.steps.sort_unstable();
        self.steps
    }
}

/// The time of `millis` after the start of the trace once it is `compress` times as fast.
fn squeezed(start: SimTime, millis: i64, compress: f64) -> SimTime {
    if compress == 1.0 {
        return SimTime(start.0 + millis);
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "times of a trace are far below 2^53 ms; a tiny divisor saturates"
    )]
    let squeezed = (millis as f64 / compress).round() as i64;
    SimTime(start.0.saturating_add(squeezed).min(SimTime::MAX.0))
}

/// How many copies the first `rows` rows make together: rounding never adds up to more than one.
fn copies_before(rows: u32, inflate: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and a load beyond 2^32 saturates"
    )]
    let copies = (f64::from(rows) * inflate).floor() as u32;
    copies
}

/// The name of a copy of a row: the row itself keeps its name.
pub(crate) fn copy_name(name: &str, copy: u32) -> String {
    if copy == 0 { name.to_owned() } else { format!("{name}-x{copy}") }
}

/// A text of a trace as a Kubernetes name: lower case, with `-` for what a name cannot hold.
pub(crate) fn kubernetes_name(text: &str) -> String {
    let name: String = text
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() || c == '.' => c,
            _ => '-',
        })
        .collect();
    name.trim_matches(['-', '.']).to_owned()
}

/// Steps between two calls of the progress function.
const STEPS_PER_PROGRESS: usize = 4_096;

/// Calls `write` with each instant's steps in turn, and tells the progress.
pub(crate) fn play(
    steps: &[Step],
    progress: &mut dyn FnMut(ImportProgress),
    write: &mut dyn FnMut(&[Step]) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let total = steps.len() as u64;
    let (mut done, mut told) = (0, 0);
    for instant in steps.chunk_by(|left, right| left.at == right.at) {
        write(instant)?;
        done += instant.len();
        if done - told >= STEPS_PER_PROGRESS {
            told = done;
            progress(ImportProgress { done: done as u64, total });
        }
    }
    progress(ImportProgress { done: total, total });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(compress: Option<f64>, inflate: Option<f64>) -> String {
        let options = ImportOptions { groups: None, compress, inflate };
        let mut timeline = Timeline::new(SimTime(1_000), &options);
        timeline.add(Life { created: None, scheduled: None, deleted: Some(500) });
        timeline.add(Life { created: Some(100), scheduled: Some(100), deleted: Some(100) });
        timeline.add(Life { created: Some(50), scheduled: None, deleted: None });
        let line =
            |step: Step| format!("{} {}.{} {:?}", step.at.0, step.row, step.copy, step.stage);
        timeline.into_steps().into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn steps_are_in_the_order_of_time_then_row_then_stage() {
        expect_test::expect![[r#"
            1000 0.0 Found
            1050 2.0 Created
            1100 1.0 Created
            1100 1.0 Scheduled
            1100 1.0 Deleted
            1500 0.0 Deleted"#]]
        .assert_eq(&stages(None, None));
    }

    #[test]
    fn compressing_divides_times_and_inflating_adds_copies_evenly() {
        expect_test::expect![[r#"
            1000 0.0 Found
            1005 2.0 Created
            1005 2.1 Created
            1010 1.0 Created
            1010 1.0 Scheduled
            1010 1.0 Deleted
            1050 0.0 Deleted"#]]
        .assert_eq(&stages(Some(10.0), Some(1.4)));
    }
}
