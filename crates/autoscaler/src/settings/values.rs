//! Values of flags as files and command lines give them, and how they are read.

use plimsoll_core::SimDuration;
use thiserror::Error;

/// A value as a document gives it, before the flag it belongs to gives it a meaning.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingValue {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text, such as a duration.
    Text(String),
    /// A flag given several times.
    List(Vec<String>),
}

/// The least and the most of something in the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Scale-down stops here.
    pub min: i64,
    /// Scale-up stops here.
    pub max: i64,
}

/// The least and the most GPUs of one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuBounds {
    /// The type, as the GPU label of nodes says it.
    pub gpu_type: String,
    /// How many.
    pub bounds: Bounds,
}

/// Why settings are refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SettingError {
    /// No flag has this name.
    #[error("{key}: no such setting; the nearest are {}", nearest.join(", "))]
    Unknown {
        /// What was written.
        key: String,
        /// Names like it, nearest first.
        nearest: Vec<&'static str>,
    },
    /// The value is not what the flag takes.
    #[error("{key}: expected {expected}, not {given}")]
    Value {
        /// The flag.
        key: String,
        /// What it takes.
        expected: &'static str,
        /// What was written.
        given: String,
    },
    /// The flag turns on a feature that is not here.
    #[error("{key}: only the default ({default}) is supported, not {given}: {reason}")]
    Unsupported {
        /// The flag.
        key: &'static str,
        /// The only value that is accepted.
        default: &'static str,
        /// What was written.
        given: String,
        /// What is missing.
        reason: &'static str,
    },
    /// Two flags exclude each other.
    #[error("{0} cannot be combined with {1}")]
    Exclusive(&'static str, &'static str),
}

impl std::fmt::Display for SettingValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SettingValue::Bool(value) => write!(f, "{value}"),
            SettingValue::Int(value) => write!(f, "{value}"),
            SettingValue::Float(value) => write!(f, "{value}"),
            SettingValue::Text(value) => write!(f, "{value:?}"),
            SettingValue::List(values) => write!(f, "{values:?}"),
        }
    }
}

/// One flag's value while it is read. Errors name the flag and what it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a SettingValue,
}

impl Given<'_> {
    pub(super) fn refuse<T>(&self, expected: &'static str) -> Result<T, SettingError> {
        let given = self.value.to_string();
        Err(SettingError::Value { key: self.key.to_owned(), expected, given })
    }

    /// The value as text, the way a command line would give it.
    fn text(&self) -> Option<String> {
        match self.value {
            SettingValue::Text(text) => Some(text.clone()),
            SettingValue::Bool(value) => Some(value.to_string()),
            SettingValue::Int(value) => Some(value.to_string()),
            SettingValue::Float(value) => Some(value.to_string()),
            SettingValue::List(_) => None,
        }
    }

    pub(super) fn name(&self) -> Result<String, SettingError> {
        self.text().map_or_else(|| self.refuse("text"), Ok)
    }

    pub(super) fn boolean(&self) -> Result<bool, SettingError> {
        // As Go reads them.
        match self.text().as_deref() {
            Some("true" | "True" | "TRUE" | "t" | "T" | "1") => Ok(true),
            Some("false" | "False" | "FALSE" | "f" | "F" | "0") => Ok(false),
            _ => self.refuse("true or false"),
        }
    }

    pub(super) fn integer(&self) -> Result<i64, SettingError> {
        let number = self.text().and_then(|text| text.parse().ok());
        number.map_or_else(|| self.refuse("a whole number"), Ok)
    }

    pub(super) fn count(&self) -> Result<u32, SettingError> {
        let number = self.integer().ok().and_then(|number| u32::try_from(number).ok());
        number.map_or_else(|| self.refuse("a whole number, 0 or more"), Ok)
    }

    pub(super) fn priority(&self) -> Result<i32, SettingError> {
        let number = self.integer().ok().and_then(|number| i32::try_from(number).ok());
        number.map_or_else(|| self.refuse("a priority, a 32-bit whole number"), Ok)
    }

    pub(super) fn ratio(&self) -> Result<f64, SettingError> {
        let number = self.text().and_then(|text| text.parse::<f64>().ok());
        match number.filter(|number| number.is_finite()) {
            Some(number) => Ok(number),
            None => self.refuse("a number"),
        }
    }

    pub(super) fn duration(&self) -> Result<SimDuration, SettingError> {
        let span = match self.value {
            SettingValue::Text(text) => SimDuration::parse(text).ok(),
            SettingValue::Int(0) => Some(SimDuration::ZERO),
            _ => None,
        };
        match span.filter(|span| *span >= SimDuration::ZERO) {
            Some(span) => Ok(span),
            None => self.refuse("a duration such as 90s, 10m or 1h30m"),
        }
    }

    /// A flag that may be given several times.
    pub(super) fn repeated(&self) -> Result<Vec<String>, SettingError> {
        match self.value {
            SettingValue::List(values) => Ok(values.clone()),
            SettingValue::Text(text) => Ok(vec![text.clone()]),
            _ => self.refuse("text or a list of texts"),
        }
    }

    /// A comma-separated flag; a list is accepted too.
    pub(super) fn separated(&self) -> Result<Vec<String>, SettingError> {
        let texts = self.repeated()?;
        let parts = texts.iter().flat_map(|text| text.split(','));
        Ok(parts.filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }

    pub(super) fn bounds(&self, unit: i64) -> Result<Bounds, SettingError> {
        const EXPECTED: &str = "MIN:MAX, two whole numbers, neither below 0 nor MIN above MAX";
        let text = self.text().unwrap_or_default();
        let bounds = text.split_once(':').and_then(|(min, max)| parse_bounds(min, max, unit));
        bounds.map_or_else(|| self.refuse(EXPECTED), Ok)
    }

    pub(super) fn gpu_bounds(&self) -> Result<Vec<GpuBounds>, SettingError> {
        let mut all = Vec::new();
        for text in self.repeated()? {
            let parts: Vec<&str> = text.split(':').collect();
            let bounds = match parts[..] {
                [gpu_type, min, max] => parse_bounds(min, max, 1).map(|bounds| (gpu_type, bounds)),
                _ => None,
            };
            let Some((gpu_type, bounds)) = bounds else {
                return self.refuse("TYPE:MIN:MAX, once for each type of GPU");
            };
            all.push(GpuBounds { gpu_type: gpu_type.to_owned(), bounds });
        }
        Ok(all)
    }

    /// `priority:seconds` pairs, in rising order of priority.
    pub(super) fn drain_priorities(&self) -> Result<Vec<(i32, SimDuration)>, SettingError> {
        let mut pairs = Vec::new();
        // Unlike lists of names, this one has no empty items.
        let texts = self.repeated()?;
        for part in texts.iter().flat_map(|text| text.split(',')) {
            let pair = part.split_once(':').and_then(|(priority, seconds)| {
                let seconds: u32 = seconds.parse().ok()?;
                Some((priority.parse().ok()?, SimDuration::from_secs(seconds.into())))
            });
            match pair {
                Some(pair) => pairs.push(pair),
                None => return self.refuse("PRIORITY:SECONDS pairs separated by commas"),
            }
        }
        if pairs.is_empty() {
            return self.refuse("PRIORITY:SECONDS pairs separated by commas");
        }
        pairs.sort_unstable();
        Ok(pairs)
    }
}

fn parse_bounds(min: &str, max: &str, unit: i64) -> Option<Bounds> {
    let scaled = |text: &str| text.parse::<i64>().ok()?.checked_mul(unit);
    let bounds = Bounds { min: scaled(min)?, max: scaled(max)? };
    (0 <= bounds.min && bounds.min <= bounds.max).then_some(bounds)
}
