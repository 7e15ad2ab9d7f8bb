//! Progress of long work, on a terminal only and gone when it is over.

use std::sync::Once;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use plimsoll_core::SimTime;

/// Work that is over sooner shows no bar: it would only flash.
const SHOWN_AFTER: Duration = Duration::from_millis(400);
/// Redrawing more often costs time and shows nothing more.
const DRAWS_PER_SECOND: u8 = 8;
/// Of a bar whose steps are counted.
const STEPS_TEMPLATE: &str = "{prefix} {wide_bar} {percent}% {human_pos}/{human_len} {eta}";
/// Of a bar whose steps are milliseconds of virtual time; the message is the instant reached.
const VIRTUAL_TIME_TEMPLATE: &str = "{prefix} {wide_bar} {percent}% {msg} {eta}";

/// How long something took, and how fast that is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    pub(crate) fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// The time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// The bar of one task whose steps are counted.
#[derive(Debug)]
pub(crate) struct StepsBar(Bars);

impl StepsBar {
    /// A bar for the task called `name`.
    pub(crate) fn new(name: &str) -> StepsBar {
        StepsBar(Bars::new(&[name], STEPS_TEMPLATE, 0))
    }

    /// `done` of `total` steps are done.
    pub(crate) fn reach(&self, done: u64, total: u64) {
        self.0.bars[0].set_length(total);
        self.0.reach(0, done);
    }

    /// Takes the bar off the terminal.
    pub(crate) fn clear(&self) {
        self.0.clear();
    }
}

/// A bar for each of several replays of the same window.
#[derive(Debug)]
pub(crate) struct ReplayBars {
    bars: Bars,
    from: SimTime,
}

impl ReplayBars {
    /// Bars for a replay from `from` to `to` by each of `names`.
    pub(crate) fn new(names: &[&str], from: SimTime, to: SimTime) -> ReplayBars {
        let window_ms = u64::try_from((to - from).0).unwrap_or(0);
        ReplayBars { bars: Bars::new(names, VIRTUAL_TIME_TEMPLATE, window_ms), from }
    }

    /// The replay at `place` of the list has come to `at`.
    pub(crate) fn reach(&self, place: usize, at: SimTime) {
        if !self.bars.reach(place, u64::try_from((at - self.from).0).unwrap_or(0)) {
            return;
        }
        if let Some(bar) = self.bars.bars.get(place) {
            bar.set_message(at.to_string());
        }
    }

    /// Takes the bars off the terminal.
    pub(crate) fn clear(&self) {
        self.bars.clear();
    }
}

/// Bars that show up once it is clear that the work takes a while.
#[derive(Debug)]
struct Bars {
    all: MultiProgress,
    bars: Vec<ProgressBar>,
    stopwatch: Stopwatch,
    shown: Once,
}

impl Bars {
    fn new(names: &[&str], template: &str, length: u64) -> Bars {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
        let style = ProgressStyle::with_template(template)
            .expect("the templates are constants of this file")
            .progress_chars("━╸ ");
        let bars = names
            .iter()
            .map(|name| {
                let bar = all.add(ProgressBar::new(length).with_style(style.clone()));
                bar.set_prefix(format!("{name:width$}"));
                bar
            })
            .collect();
        Bars { all, bars, stopwatch: Stopwatch::start(), shown: Once::new() }
    }

    /// Returns whether the bars are to be seen.
    fn reach(&self, place: usize, position: u64) -> bool {
        if let Some(bar) = self.bars.get(place) {
            bar.set_position(position);
        }
        if self.stopwatch.elapsed() < SHOWN_AFTER {
            return false;
        }
        self.shown.call_once(|| {
            // Nothing is drawn when stderr is no terminal.
            let target = ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND);
            self.all.set_draw_target(target);
        });
        !self.all.is_hidden()
    }

    fn clear(&self) {
        for bar in &self.bars {
            bar.finish_and_clear();
        }
    }
}
