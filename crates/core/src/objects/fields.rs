//! Reading fields of a document; every step adds itself to an error that passes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::FieldError;
use super::nearest::with_nearest;
use crate::labels::Labels;
use crate::quantity::Quantity;
use crate::time::{SimDuration, SimTime};

/// What was read, or which field is wrong.
pub(super) type Read<T> = Result<T, FieldError>;

/// The fields of an object in a document. `null` counts as missing, as in Kubernetes.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    pub(super) fn of(value: &'a Value) -> Read<Fields<'a>> {
        match value {
            Value::Object(map) => Ok(Fields(map)),
            other => Err(expected("fields (key: value)", other)),
        }
    }

    /// The field's value as it is; `None` when it is missing or null.
    pub(super) fn raw(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn optional<T>(
        self,
        name: &str,
        read: impl FnOnce(&'a Value) -> Read<T>,
    ) -> Read<Option<T>> {
        self.raw(name).map(|value| read(value).map_err(|error| error.within(name))).transpose()
    }

    pub(super) fn required<T>(
        self,
        name: &str,
        read: impl FnOnce(&'a Value) -> Read<T>,
    ) -> Read<T> {
        self.optional(name, read)?
            .ok_or_else(|| FieldError::here("is required, and is missing").within(name))
    }

    /// The field's value, or the type's default when it is missing.
    pub(super) fn or_default<T: Default>(
        self,
        name: &str,
        read: impl FnOnce(&'a Value) -> Read<T>,
    ) -> Read<T> {
        self.optional(name, read).map(Option::unwrap_or_default)
    }

    /// What `read` makes of the fields inside; `None` when the field is missing.
    pub(super) fn inside<T>(
        self,
        name: &str,
        read: impl FnOnce(Fields<'a>) -> Read<T>,
    ) -> Read<Option<T>> {
        self.optional(name, |value| read(Fields::of(value)?))
    }

    /// The items of a list; none when it is missing.
    pub(super) fn items<T>(
        self,
        name: &str,
        mut read: impl FnMut(&'a Value) -> Read<T>,
    ) -> Read<Vec<T>> {
        self.or_default(name, |value| {
            let Value::Array(items) = value else { return Err(expected("a list", value)) };
            items
                .iter()
                .enumerate()
                .map(|(index, item)| read(item).map_err(|error| error.within_item(index)))
                .collect()
        })
    }

    /// The values of a map; none when it is missing.
    pub(super) fn entries<T>(
        self,
        name: &str,
        read: impl FnMut(&'a Value) -> Read<T>,
    ) -> Read<BTreeMap<String, T>> {
        self.or_default(name, |value| Fields::of(value)?.every(read))
    }

    /// Every field's value, as of a map.
    pub(super) fn every<T>(
        self,
        mut read: impl FnMut(&'a Value) -> Read<T>,
    ) -> Read<BTreeMap<String, T>> {
        self.0
            .iter()
            .map(|(key, value)| match read(value) {
                Ok(one) => Ok((key.clone(), one)),
                Err(error) => Err(error.within(key)),
            })
            .collect()
    }

    /// The names of the fields that are there.
    pub(super) fn names(self) -> impl Iterator<Item = &'a str> {
        self.0.keys().map(String::as_str)
    }

    /// Refuses a field that is not one of `known`: for our own kinds, where a typing error must not
    /// pass for a default.
    pub(super) fn only(self, known: &[&str]) -> Read<()> {
        match self.names().find(|name| !known.contains(name)) {
            None => Ok(()),
            Some(unknown) => {
                let message = with_nearest("unknown field", unknown, known.iter().copied());
                Err(FieldError::here(message).within(unknown))
            }
        }
    }
}

/// An error that says what should be here and what is.
pub(super) fn expected(what: &str, found: &Value) -> FieldError {
    /// A longer value is cut: an error is one line.
    const SHOWN_CHARS: usize = 60;
    let mut shown: String = found.to_string();
    if shown.chars().count() > SHOWN_CHARS {
        shown = shown.chars().take(SHOWN_CHARS).chain("...".chars()).collect();
    }
    FieldError::here(format!("expected {what}, found {shown}"))
}

pub(super) fn text(value: &Value) -> Read<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => {
            Err(FieldError::here(format!("expected text, found {value} (write \"{value}\")")))
        }
        other => Err(expected("text", other)),
    }
}

/// A text that is not empty.
pub(super) fn name(value: &Value) -> Read<String> {
    let text = text(value)?;
    if text.is_empty() { Err(expected("a name", value)) } else { Ok(text) }
}

pub(super) fn flag(value: &Value) -> Read<bool> {
    value.as_bool().ok_or_else(|| expected("true or false", value))
}

pub(super) fn whole(value: &Value) -> Read<i64> {
    value.as_i64().ok_or_else(|| expected("a whole number", value))
}

/// A whole number from 0 up.
pub(super) fn count(value: &Value) -> Read<u32> {
    let number = whole(value)?;
    u32::try_from(number).map_err(|_| expected("a whole number from 0 to 4294967295", value))
}

/// A whole number of 32 bits.
pub(super) fn whole_32(value: &Value) -> Read<i32> {
    let number = whole(value)?;
    i32::try_from(number).map_err(|_| expected("a whole number of 32 bits", value))
}

pub(super) fn time(value: &Value) -> Read<SimTime> {
    let text = value.as_str().ok_or_else(|| expected("an RFC 3339 time", value))?;
    SimTime::parse(text).map_err(|error| FieldError::here(error.to_string()))
}

/// A Go-style duration that is not negative.
pub(super) fn duration(value: &Value) -> Read<SimDuration> {
    let text = value.as_str().ok_or_else(|| expected("a duration such as 90s or 10m", value))?;
    let span = SimDuration::parse(text).map_err(|error| FieldError::here(error.to_string()))?;
    if span < SimDuration::ZERO {
        return Err(FieldError::here(format!("expected a duration from 0s up, found {text:?}")));
    }
    Ok(span)
}

pub(super) fn labels(value: &Value) -> Read<Labels> {
    Fields::of(value)?.every(text)
}

/// A quantity, as text or as a bare number.
pub(super) fn quantity(value: &Value) -> Read<Quantity> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => return Err(expected("a quantity such as 500m or 2Gi", other)),
    };
    Quantity::parse(&text).map_err(|error| FieldError::here(error.to_string()))
}

/// One of the words of a closed set.
pub(super) fn word<T: Copy>(value: &Value, words: &[(&str, T)]) -> Read<T> {
    let found = value.as_str();
    words.iter().find(|(name, _)| Some(*name) == found).map(|(_, meaning)| *meaning).ok_or_else(
        || {
            let known: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
            expected(&format!("one of {}", known.join(", ")), value)
        },
    )
}
