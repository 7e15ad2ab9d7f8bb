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
static SAMPLES: Mutex<Vec<(Row, Sample)>> = Mutex::new(Vec::new());

/// How long something took.
#[derive(Clone, Copy, Debug)]
struct Sample {
    wall: Duration,
    /// What it took of a processor, where the machine says so.
    on_cpu: Option<Duration>,
}

/// The kernel counts a running thread's time at its ticks: it may be short by one.
const TICK: Duration = Duration::from_millis(4);

impl Sample {
    /// What counts: on a machine that others use too, long work is interrupted over and over.
    fn counts(self) -> Duration {
        self.on_cpu.map_or(self.wall, |on_cpu| self.wall.min(on_cpu + TICK))
    }
}

impl Row {
    /// Does the work once and notes how long that took.
    #[expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
    pub(crate) fn sample<T>(self, work: impl FnOnce() -> T) -> T {
        let (start, cpu_before) = (Instant::now(), time_on_cpu());
        let result = work();
        let wall = start.elapsed();
        let on_cpu = cpu_before.and_then(|before| time_on_cpu()?.checked_sub(before));
        self.note(Sample { wall, on_cpu });
        result
    }

    fn note(self, sample: Sample) {
        let mut samples = SAMPLES.lock().expect("no bench has failed");
        match samples.iter_mut().find(|(row, _)| row.name == self.name) {
            Some((_, fastest)) if fastest.counts() <= sample.counts() => {}
            Some((_, fastest)) => *fastest = sample,
            None => samples.push((self, sample)),
        }
    }
}

/// How long this thread has been on a processor.
#[expect(clippy::disallowed_methods, reason = "a bench asks the machine")]
fn time_on_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

/// Prints what was measured.
#[expect(clippy::print_stdout, reason = "the table is what a bench is run for")]
pub(crate) fn print() {
    let samples = SAMPLES.lock().expect("no bench has failed");
    println!(
        "{:<58} {:>11} {:>11} {:>8} {:>9}",
        "fastest sample", "ours", "upstream", "ratio", "limit"
    );
    for (row, sample) in samples.iter() {
        let taken = sample.counts();
        let upstream = row.upstream.map_or_else(|| "-".to_owned(), |one| format!("{one:.2?}"));
        let ratio = row.upstream.map_or_else(
            || "-".to_owned(),
            |one| format!("{:.0}", one.as_secs_f64() / taken.as_secs_f64()),
        );
        let over = if taken > row.limit { "  over its limit" } else { "" };
        println!(
            "{:<58} {:>11} {upstream:>11} {ratio:>8} {:>9}{over}",
            row.name,
            format!("{taken:.2?}"),
            format!("{:.0?}", row.limit)
        );
    }
}
