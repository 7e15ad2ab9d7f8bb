//! The table at the end: our fastest sample of each row, upstream's figure, and our limit.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What a row is held against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The work.
    pub(crate) name: &'static str,
    /// What the unmodified Cluster Autoscaler 1.36.1 takes for it on 2 cores; `None`: not measured.
    pub(crate) upstream: Option<Duration>,
    /// What ours may take.
    pub(crate) limit: Duration,
}

/// The fastest sample of each row that was run, in the order of their first samples.
static SAMPLES: Mutex<Vec<(Row, Duration)>> = Mutex::new(Vec::new());

impl Row {
    /// Does the work once and notes how long that took.
    #[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
    pub(crate) fn sample<T>(self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.note(start.elapsed());
        result
    }

    fn note(self, taken: Duration) {
        let mut samples = SAMPLES.lock().expect("no bench has failed");
        match samples.iter_mut().find(|(row, _)| row.name == self.name) {
            Some((_, fastest)) => *fastest = taken.min(*fastest),
            None => samples.push((self, taken)),
        }
    }
}

/// Prints what was measured.
#[expect(clippy::print_stdout, reason = "the table is what a bench is run for")]
pub(crate) fn print() {
    let samples = SAMPLES.lock().expect("no bench has failed");
    println!(
        "{:<58} {:>11} {:>11} {:>8} {:>9}",
        "fastest sample", "ours", "upstream", "ratio", "limit"
    );
    for (row, taken) in samples.iter() {
        let upstream = row.upstream.map_or_else(|| "-".to_owned(), |one| format!("{one:.2?}"));
        let ratio = row.upstream.map_or_else(
            || "-".to_owned(),
            |one| format!("{:.0}", one.as_secs_f64() / taken.as_secs_f64()),
        );
        let over = if *taken > row.limit { "  over its limit" } else { "" };
        println!(
            "{:<58} {:>11} {upstream:>11} {ratio:>8} {:>9}{over}",
            row.name,
            format!("{taken:.2?}"),
            format!("{:.0?}", row.limit)
        );
    }
}
