//! Spans of time as plain numbers of seconds, exact to the millisecond.

use plimsoll_core::SimDuration;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A span in milliseconds that a report writes as seconds: `131`, or `0.25` where it is no whole
/// number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(pub i64);

/// Spans below this many milliseconds are shown to people in seconds, longer ones in minutes and
/// more.
const SECONDS_TEXT_LIMIT_MS: i64 = 1_000_000;
/// Spans from here on are shown in days and hours.
const DAYS_TEXT_FROM_MS: i64 = 100 * 3_600_000;

impl Seconds {
    /// For people, as short as it is useful: `131s`, `0.3s`, `16m40s`, `3h12m`, `12d4h`.
    #[must_use]
    pub fn to_short_text(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let ms = self.0.saturating_abs();
        let seconds = ms / 1000;
        let text = if ms < 10_000 && ms % 1000 != 0 {
            let tenths = (ms + 50) / 100;
            format!("{}.{}s", tenths / 10, tenths % 10)
        } else if ms < SECONDS_TEXT_LIMIT_MS {
            format!("{}s", (ms + 500) / 1000)
        } else if ms < 3_600_000 {
            format!("{}m{}s", seconds / 60, seconds % 60)
        } else if ms < DAYS_TEXT_FROM_MS {
            format!("{}h{}m", seconds / 3600, seconds / 60 % 60)
        } else {
            format!("{}d{}h", seconds / 86_400, seconds / 3600 % 24)
        };
        format!("{sign}{text}")
    }

    /// The span in seconds, for ratios only.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        SimDuration(self.0).as_secs_f64()
    }
}

impl From<SimDuration> for Seconds {
    fn from(span: SimDuration) -> Seconds {
        Seconds(span.0)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 1000 == 0 {
            serializer.serialize_i64(self.0 / 1000)
        } else {
            serializer.serialize_f64(self.as_f64())
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seconds, D::Error> {
        let number = f64::deserialize(deserializer)?;
        let millis = (number * 1000.0).round();
        // Far beyond any recording, and still exact in a double.
        if millis.abs() > 9.0e15 {
            return Err(de::Error::custom(format!("{number} is too many seconds")));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
        Ok(Seconds(millis as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_written_exactly_and_read_back() {
        for (ms, json) in [(0, "0"), (131_000, "131"), (250, "0.25"), (-1_500, "-1.5")] {
            assert_eq!(serde_json::to_string(&Seconds(ms)).expect("a number"), json);
            assert_eq!(serde_json::from_str::<Seconds>(json).expect(json), Seconds(ms));
        }
        assert!(serde_json::from_str::<Seconds>("1e300").is_err());
    }

    #[test]
    fn short_texts_grow_with_the_span() {
        for (ms, text) in [
            (0, "0s"),
            (260, "0.3s"),
            (9_960, "10.0s"),
            (655_000, "655s"),
            (1_000_000, "16m40s"),
            (43_200_000, "12h0m"),
            (2_678_400_000, "31d0h"),
            (-5_000, "-5s"),
        ] {
            assert_eq!(Seconds(ms).to_short_text(), text);
        }
    }
}
