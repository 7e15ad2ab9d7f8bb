//! Where a chart's axes have their ticks.

use plimsoll_core::{SimDuration, SimTime};

/// A value axis has at most this many steps.
const MAX_VALUE_STEPS: i64 = 5;
/// A time axis has at most this many ticks.
const MAX_TIME_TICKS: i64 = 9;

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// The distances, in seconds, that people read easily.
const TIME_STEPS_SECONDS: [i64; 20] = [
    1,
    5,
    15,
    30,
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    4 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
    91 * DAY,
];

/// Values from 0 in steps of 1, 2 or 5 times a power of ten, the last one at or above `max`, at
/// least one step of `smallest_step`.
pub(super) fn value_ticks(max: i64, smallest_step: i64) -> Vec<i64> {
    let max = max.max(0);
    let mut step = smallest_step.max(1);
    let mut factors = [2, 5, 10].into_iter().cycle();
    let mut decade = step;
    while step.saturating_mul(MAX_VALUE_STEPS) < max {
        let factor = factors.next().expect("a cycle never ends");
        step = decade.saturating_mul(factor);
        if factor == 10 {
            decade = step;
        }
    }
    let steps = max.div_euclid(step) + i64::from(max % step != 0);
    (0..=steps.max(1)).map(|index| index.saturating_mul(step)).collect()
}

/// Round instants (in UTC) from `from` to `to`, at most nine of them, and how far they are apart.
pub(super) fn time_ticks(from: SimTime, to: SimTime) -> (Vec<SimTime>, SimDuration) {
    let (first, last) = (from.as_seconds(), to.as_seconds());
    let fits = |step: &i64| (last - first) / step < MAX_TIME_TICKS;
    let longest = TIME_STEPS_SECONDS[TIME_STEPS_SECONDS.len() - 1];
    let beyond = || longest * ((last - first) / (longest * MAX_TIME_TICKS) + 1);
    let step = TIME_STEPS_SECONDS.into_iter().find(fits).unwrap_or_else(beyond);
    let mut ticks = Vec::new();
    let mut second = first.div_euclid(step) * step;
    while second <= last {
        let tick = SimTime(second * 1000);
        if tick >= from {
            ticks.push(tick);
        }
        second += step;
    }
    (ticks, SimDuration::from_secs(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_ticks_are_round_and_reach_the_maximum() {
        for (max, smallest, ticks) in [
            (0, 1, vec![0, 1]),
            (3, 1, vec![0, 1, 2, 3]),
            (19, 1, vec![0, 5, 10, 15, 20]),
            (31, 1, vec![0, 10, 20, 30, 40]),
            (1_000, 1, vec![0, 200, 400, 600, 800, 1_000]),
            (4_066_000, 10_000, vec![0, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]),
            (-4, 1, vec![0, 1]),
        ] {
            assert_eq!(value_ticks(max, smallest), ticks, "{max}");
        }
    }

    #[test]
    fn time_ticks_fall_on_round_instants() {
        let at = |text: &str| SimTime::parse(text).expect("a time");
        let (ticks, step) = time_ticks(at("2026-01-05T06:10:00Z"), at("2026-01-05T18:00:00Z"));
        assert_eq!(step, SimDuration::from_hours(2));
        assert_eq!(ticks[0], at("2026-01-05T08:00:00Z"));
        assert_eq!(ticks.len(), 6);
        let (ticks, step) = time_ticks(at("2022-10-01T00:00:00Z"), at("2022-11-01T00:00:00Z"));
        assert_eq!((step, ticks.len()), (SimDuration::from_hours(96), 8));
        let (ticks, _) = time_ticks(at("2022-10-01T00:00:00Z"), at("2022-10-01T00:00:00Z"));
        assert_eq!(ticks.len(), 1);
        let (ticks, _) = time_ticks(SimTime(0), at("2300-01-01T00:00:00Z"));
        assert!(ticks.len() <= 10, "{}", ticks.len());
    }
}
