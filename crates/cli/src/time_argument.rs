//! Instants and spans of time on the command line.

use std::str::FromStr;

use plimsoll_core::{SimDuration, SimTime};

/// An instant as a user names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instant {
    /// RFC 3339: `2026-01-05T06:00:00Z`.
    At(SimTime),
    /// So long after the start of the source: `+6h`.
    AfterStart(SimDuration),
}

impl Instant {
    /// The instant itself, in a source that begins at `start`.
    pub(crate) fn resolve(self, start: SimTime) -> SimTime {
        match self {
            Instant::At(time) => time,
            Instant::AfterStart(offset) => start + offset,
        }
    }
}

impl FromStr for Instant {
    type Err = String;

    fn from_str(text: &str) -> Result<Instant, String> {
        let instant = match text.strip_prefix('+') {
            // A second sign would be taken for a part of the offset.
            Some(offset) if !offset.starts_with(['+', '-']) => {
                SimDuration::parse(offset).ok().map(Instant::AfterStart)
            }
            Some(_) => None,
            None => SimTime::parse(text).ok().map(Instant::At),
        };
        instant.ok_or_else(|| {
            "expected an RFC 3339 time such as 2026-01-05T06:00:00Z, or an offset from the start \
             such as +6h or +1h30m"
                .to_owned()
        })
    }
}

/// A span that must not be empty, in Go's syntax: `90s`, `10m`, `1h30m`.
pub(crate) fn span(text: &str) -> Result<SimDuration, String> {
    match SimDuration::parse(text) {
        Ok(span) if span > SimDuration::ZERO => Ok(span),
        Ok(_) => Err("expected a duration above 0".to_owned()),
        Err(_) => Err("expected a duration such as 90s, 10m or 1h30m".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_absolute_or_an_offset_from_the_start() {
        let start = SimTime::parse("2026-01-05T06:00:00Z").expect("a time");
        let at = |text: &str| text.parse::<Instant>().map(|one| one.resolve(start).to_string());
        assert_eq!(at("+1h30m").as_deref(), Ok("2026-01-05T07:30:00Z"));
        assert_eq!(at("+0s").as_deref(), Ok("2026-01-05T06:00:00Z"));
        assert_eq!(at("2026-02-01T01:00:00+01:00").as_deref(), Ok("2026-02-01T00:00:00Z"));
        for text in ["", "6h", "+", "++6h", "+-6h", "+6", "2026-01-05", "noon"] {
            assert!(at(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_span_is_longer_than_nothing() {
        assert_eq!(span("90s"), Ok(SimDuration::from_secs(90)));
        for text in ["0s", "-1m", "10", "soon"] {
            assert!(span(text).is_err(), "{text:?}");
        }
    }
}
