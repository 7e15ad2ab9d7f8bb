//! Instants as people read them on an axis. All times are UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use plimsoll_core::{SimDuration, SimTime};

/// A window longer than this needs the date beside the time of day.
const ONE_DAY: SimDuration = SimDuration::from_hours(24);
/// A window longer than this needs the date only.
const TEN_DAYS: SimDuration = SimDuration::from_hours(240);

/// `time` as short as it is unambiguous in a window of length `window`: `06:00`, `Jan 05 06:00` or
/// `Jan 05`.
#[must_use]
pub fn short_instant(time: SimTime, window: SimDuration) -> String {
    let pattern = if window <= ONE_DAY {
        "%H:%M"
    } else if window <= TEN_DAYS {
        "%b %d %H:%M"
    } else {
        "%b %d"
    };
    formatted(time, pattern)
}

/// `time` to the minute, with the date where the window is longer than a day: `06:00` or
/// `Jan 05 06:00`.
#[must_use]
pub fn minute(time: SimTime, window: SimDuration) -> String {
    short_instant(time, window.min(TEN_DAYS))
}

/// `time` with date, time of day and seconds: `2026-01-05 06:00:10`.
#[must_use]
pub fn full_instant(time: SimTime) -> String {
    formatted(time, "%Y-%m-%d %H:%M:%S")
}

/// `time` by a pattern of `strftime`, in UTC; `never` beyond the calendar's end.
#[must_use]
pub fn formatted(time: SimTime, pattern: &str) -> String {
    match Timestamp::from_millisecond(time.0) {
        Ok(timestamp) => TimeZone::UTC.to_datetime(timestamp).strftime(pattern).to_string(),
        Err(_) => "never".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_shown_where_the_time_of_day_alone_is_ambiguous() {
        let time = SimTime::parse("2026-01-05T06:00:10Z").expect("a time");
        let shown = [12, 48, 744].map(|hours| short_instant(time, SimDuration::from_hours(hours)));
        assert_eq!(shown, ["06:00", "Jan 05 06:00", "Jan 05"]);
        assert_eq!(minute(time, SimDuration::from_hours(744)), "Jan 05 06:00");
        assert_eq!(full_instant(time), "2026-01-05 06:00:10");
        assert_eq!(full_instant(SimTime::MAX), "never");
    }
}
