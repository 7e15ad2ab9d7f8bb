//! How instants and spans of time are written in a report: RFC 3339 in UTC, and Go-style durations.
//!
//! For `#[serde(with = "serde_time::instant")]` and its siblings.

/// A [`plimsoll_core::SimTime`] as an RFC 3339 text.
pub mod instant {
    use plimsoll_core::SimTime;
    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Writes `time` as RFC 3339 in UTC, with milliseconds only where there are some.
    ///
    /// # Errors
    /// Those of `serializer`.
    pub fn serialize<S: Serializer>(time: &SimTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    /// Reads an RFC 3339 time.
    ///
    /// # Errors
    /// When the text is not one, and those of `deserializer`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SimTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        SimTime::parse(&text).map_err(de::Error::custom)
    }
}

/// An optional [`plimsoll_core::SimTime`]: RFC 3339 or `null`.
pub mod optional_instant {
    use plimsoll_core::SimTime;
    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Writes `time` as RFC 3339 in UTC, or `null`.
    ///
    /// # Errors
    /// Those of `serializer`.
    pub fn serialize<S: Serializer>(
        time: &Option<SimTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.collect_str(time),
            None => serializer.serialize_none(),
        }
    }

    /// Reads an RFC 3339 time or `null`.
    ///
    /// # Errors
    /// When there is a text that is no time, and those of `deserializer`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SimTime>, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            Some(text) => SimTime::parse(&text).map(Some).map_err(de::Error::custom),
            None => Ok(None),
        }
    }
}

/// A [`plimsoll_core::SimDuration`] as a Go-style duration such as `10s` or `1h30m`.
pub mod span {
    use plimsoll_core::SimDuration;
    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Writes `span` as a Go-style duration.
    ///
    /// # Errors
    /// Those of `serializer`.
    pub fn serialize<S: Serializer>(span: &SimDuration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(span)
    }

    /// Reads a Go-style duration.
    ///
    /// # Errors
    /// When the text is not one, and those of `deserializer`.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SimDuration, D::Error> {
        let text = String::deserialize(deserializer)?;
        SimDuration::parse(&text).map_err(de::Error::custom)
    }
}
