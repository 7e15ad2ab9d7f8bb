//! Instants and durations: milliseconds in integers, text at the edges.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

use thiserror::Error;

/// An instant: milliseconds since the Unix epoch, in virtual or in real time.
///
/// The pure crates never ask what time it is; whoever drives them passes the instant in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(pub i64);

/// A span of time in milliseconds. Negative spans are allowed: they come out of subtractions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimDuration(pub i64);

/// Why a text is not an instant or a duration.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TimeError {
    /// Not an RFC 3339 time.
    #[error("{0:?} is not an RFC 3339 time such as 2026-01-05T06:00:00Z")]
    Instant(String),
    /// Not a Go-style duration.
    #[error("{0:?} is not a duration such as 90s, 10m or 1h30m")]
    Duration(String),
}

impl SimTime {
    /// The far future: later than any instant a recording or a scenario can hold.
    pub const MAX: SimTime = SimTime(i64::MAX / 4);

    /// Reads an RFC 3339 time; parts of a millisecond are dropped.
    ///
    /// # Errors
    /// [`TimeError::Instant`] when `text` is not one.
    pub fn parse(text: &str) -> Result<SimTime, TimeError> {
        text.parse::<jiff::Timestamp>()
            .map(|timestamp| SimTime(timestamp.as_millisecond()))
            .map_err(|_| TimeError::Instant(text.to_owned()))
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

/// RFC 3339 in UTC, with milliseconds only where there are some.
impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => f.write_str("never"),
        }
    }
}

impl SimDuration {
    /// No time at all.
    pub const ZERO: SimDuration = SimDuration(0);

    /// `seconds` seconds.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> SimDuration {
        SimDuration(seconds * 1000)
    }

    /// `minutes` minutes.
    #[must_use]
    pub const fn from_mins(minutes: i64) -> SimDuration {
        SimDuration(minutes * 60_000)
    }

    /// `hours` hours.
    #[must_use]
    pub const fn from_hours(hours: i64) -> SimDuration {
        SimDuration(hours * 3_600_000)
    }

    /// The span in seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a report's precision, not a decision's")]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Reads a duration as Go's `time.ParseDuration` does: `300ms`, `1.5h`, `2h45m`, `-10s`, `0`.
    /// Anything below a millisecond is dropped.
    ///
    /// # Errors
    /// [`TimeError::Duration`] when `text` is not one, or when it is longer than 290 years.
    pub fn parse(text: &str) -> Result<SimDuration, TimeError> {
        parse_go_duration(text).ok_or_else(|| TimeError::Duration(text.to_owned()))
    }
}

/// The nanoseconds of each unit of Go's duration grammar, longest name first.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

fn parse_go_duration(text: &str) -> Option<SimDuration> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    if rest == "0" {
        return Some(SimDuration::ZERO);
    }
    let mut nanos: i128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale = UNITS.iter().find(|(name, _)| *name == unit)?.1;
        nanos = nanos.checked_add(scaled(number, scale)?)?;
        if nanos > i128::from(i64::MAX) {
            return None;
        }
        rest = tail;
    }
    i64::try_from(sign * nanos / 1_000_000).ok().map(SimDuration)
}

/// `number` (decimal digits, at most one point) × `scale`, rounded down.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = whole.checked_mul(scale)?;
    let mut unit = scale;
    for digit in fraction.bytes() {
        unit /= 10;
        nanos += i128::from(digit - b'0') * unit;
    }
    Some(nanos)
}

/// As Go prints durations, without the parts that are zero at the end: `10m`, `1h30m`, `1.5s`.
impl fmt::Display for SimDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let total = self.0.unsigned_abs();
        let (hours, minutes, millis) = (total / 3_600_000, total / 60_000 % 60, total % 60_000);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        match (millis / 1000, millis % 1000) {
            (0, 0) => Ok(()),
            (seconds, 0) => write!(f, "{seconds}s"),
            (0, fraction) if hours == 0 && minutes == 0 => write!(f, "{fraction}ms"),
            (seconds, fraction) => {
                let text = format!("{seconds}.{fraction:03}");
                write!(f, "{}s", text.trim_end_matches('0'))
            }
        }
    }
}

impl Add<SimDuration> for SimTime {
    type Output = SimTime;
    fn add(self, span: SimDuration) -> SimTime {
        SimTime(self.0.saturating_add(span.0))
    }
}

impl AddAssign<SimDuration> for SimTime {
    fn add_assign(&mut self, span: SimDuration) {
        *self = *self + span;
    }
}

impl Sub<SimDuration> for SimTime {
    type Output = SimTime;
    fn sub(self, span: SimDuration) -> SimTime {
        SimTime(self.0.saturating_sub(span.0))
    }
}

impl Sub for SimTime {
    type Output = SimDuration;
    fn sub(self, earlier: SimTime) -> SimDuration {
        SimDuration(self.0.saturating_sub(earlier.0))
    }
}

impl Add for SimDuration {
    type Output = SimDuration;
    fn add(self, other: SimDuration) -> SimDuration {
        SimDuration(self.0.saturating_add(other.0))
    }
}

impl Sub for SimDuration {
    type Output = SimDuration;
    fn sub(self, other: SimDuration) -> SimDuration {
        SimDuration(self.0.saturating_sub(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("0", 0),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("300ms", 300),
            ("-10s", -10_000),
            (".5s", 500),
            ("1us", 0),
        ] {
            assert_eq!(SimDuration::parse(text), Ok(SimDuration(millis)), "{text}");
        }
        for text in ["", "10", "s", "1.2.3s", "10 m", "1d", "-", "9999999999h"] {
            assert!(SimDuration::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn durations_print_as_short_as_they_are_exact() {
        for (millis, text) in [
            (0, "0s"),
            (600_000, "10m"),
            (5_400_000, "1h30m"),
            (1_500, "1.5s"),
            (250, "250ms"),
            (3_600_000, "1h"),
            (61_000, "1m1s"),
            (-90_000, "-1m30s"),
        ] {
            assert_eq!(SimDuration(millis).to_string(), text);
        }
    }

    #[test]
    fn instants_round_trip() {
        let instant = SimTime::parse("2026-01-05T06:00:00Z").expect("a valid time");
        assert_eq!(instant.to_string(), "2026-01-05T06:00:00Z");
        assert_eq!((instant + SimDuration(250)).to_string(), "2026-01-05T06:00:00.25Z");
        assert_eq!(
            SimTime::parse("2024-05-21T19:43:30+05:30").map(|t| t.to_string()),
            Ok("2024-05-21T14:13:30Z".to_owned())
        );
        assert!(SimTime::parse("yesterday").is_err());
    }
}
