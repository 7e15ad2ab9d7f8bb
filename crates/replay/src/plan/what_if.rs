//! Changes to try on a plan: a flag of the autoscaler, or a limit or price of one group.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use plimsoll_core::objects::{Snapshot, nearest_names};
use serde_json::Value;
use thiserror::Error;

use crate::report::money::MicroUsd;

/// One change, as the command line writes it: `expander=least-waste`, `maxSize[workers-a]=8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A flag of the autoscaler.
    Flag {
        /// Its name.
        key: String,
        /// Its value, as a user writes it.
        value: String,
    },
    /// A field of one group.
    Group {
        /// Which, and its value.
        field: GroupField,
        /// The group.
        group: String,
    },
}

/// A field of a NodeGroup's `spec` that can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupField {
    /// `minSize`.
    MinSize(u32),
    /// `maxSize`.
    MaxSize(u32),
    /// `pricePerHour`.
    PricePerHour(MicroUsd),
}

/// A change that cannot be tried.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ChangeError {
    /// It is not written as one.
    #[error("expected FLAG=VALUE or FIELD[GROUP]=VALUE, such as maxSize[workers-a]=8")]
    Syntax,
    /// A group has no such field, or it cannot be tried.
    #[error("{0:?} cannot be tried on a group; minSize, maxSize and pricePerHour can")]
    Field(String),
    /// A value that the field does not take.
    #[error("{field}[{group}]: expected {expected}, found {given:?}")]
    Value {
        /// The field.
        field: &'static str,
        /// The group.
        group: String,
        /// What it takes.
        expected: &'static str,
        /// What was given.
        given: String,
    },
    /// There is no such group.
    #[error("there is no group {group:?}; nearest: {nearest}")]
    UnknownGroup {
        /// What was asked for.
        group: String,
        /// The nearest names, separated by commas.
        nearest: String,
    },
    /// The group's limits would contradict each other.
    #[error("group {group} would have minSize {min} above maxSize {max}")]
    Limits {
        /// The group.
        group: String,
        /// Its minimum then.
        min: u32,
        /// Its maximum then.
        max: u32,
    },
}

/// Makes changes to a snapshot's groups and to the flags that take the place of its own.
///
/// # Errors
/// The first change that names no group; then a group whose limits contradict each other.
pub fn make(
    changes: &[Change],
    snapshot: &mut Snapshot,
    flags: &mut BTreeMap<String, Value>,
) -> Result<(), ChangeError> {
    for change in changes {
        match change {
            Change::Flag { key, value } => {
                flags.insert(key.clone(), Value::String(value.clone()));
            }
            Change::Group { field, group } => {
                let known = snapshot.groups.iter().position(|one| one.name == *group);
                let names = || snapshot.groups.iter().map(|one| one.name.as_str());
                let Some(place) = known else {
                    let nearest = nearest_names(group, names()).join(", ");
                    return Err(ChangeError::UnknownGroup { group: group.clone(), nearest });
                };
                let spec = &mut snapshot.groups[place];
                match *field {
                    GroupField::MinSize(size) => spec.min_size = size,
                    GroupField::MaxSize(size) => spec.max_size = size,
                    GroupField::PricePerHour(price) => {
                        spec.price_microusd_per_hour = Some(price.0);
                    }
                }
            }
        }
    }
    match snapshot.groups.iter().find(|one| one.min_size > one.max_size) {
        None => Ok(()),
        Some(one) => {
            let (group, min, max) = (one.name.clone(), one.min_size, one.max_size);
            Err(ChangeError::Limits { group, min, max })
        }
    }
}

impl FromStr for Change {
    type Err = ChangeError;

    fn from_str(text: &str) -> Result<Change, ChangeError> {
        let (what, value) = text.split_once('=').ok_or(ChangeError::Syntax)?;
        let Some((field, rest)) = what.split_once('[') else {
            let is_flag =
                what.bytes().all(|one| one.is_ascii_lowercase() || b"-0123456789".contains(&one));
            return if is_flag && !what.is_empty() {
                Ok(Change::Flag { key: what.to_owned(), value: value.to_owned() })
            } else {
                Err(ChangeError::Syntax)
            };
        };
        let group = rest.strip_suffix(']').filter(|one| !one.is_empty());
        let group = group.ok_or(ChangeError::Syntax)?.to_owned();
        let wrong = |field, expected| ChangeError::Value {
            field,
            group: group.clone(),
            expected,
            given: value.to_owned(),
        };
        let size = |field| value.parse::<u32>().map_err(|_| wrong(field, "a number of nodes"));
        let field = match field {
            "minSize" => GroupField::MinSize(size("minSize")?),
            "maxSize" => GroupField::MaxSize(size("maxSize")?),
            "pricePerHour" => {
                let price = value.parse::<MicroUsd>().ok().filter(|price| price.0 >= 0);
                let expected = "dollars such as 0.214";
                GroupField::PricePerHour(price.ok_or_else(|| wrong("pricePerHour", expected))?)
            }
            other => return Err(ChangeError::Field(other.to_owned())),
        };
        Ok(Change::Group { field, group })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Flag { key, value } => write!(f, "{key}={value}"),
            Change::Group { field, group } => match field {
                GroupField::MinSize(size) => write!(f, "minSize[{group}]={size}"),
                GroupField::MaxSize(size) => write!(f, "maxSize[{group}]={size}"),
                GroupField::PricePerHour(price) => write!(f, "pricePerHour[{group}]={price}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_reads_as_it_is_written_or_says_what_is_wrong() {
        let said = |text: &str| match text.parse::<Change>() {
            Ok(change) => format!("{change}"),
            Err(error) => error.to_string(),
        };
        let lines = [
            "maxSize[workers-a]=8",
            "pricePerHour[spot]=0.071",
            "expander=least-waste",
            "expander",
            "maxSize[]=3",
            "maxSize[a]=many",
            "zone[a]=eu",
            "Max Size=3",
        ];
        expect_test::expect![[r#"
            maxSize[workers-a]=8
            pricePerHour[spot]=0.071
            expander=least-waste
            expected FLAG=VALUE or FIELD[GROUP]=VALUE, such as maxSize[workers-a]=8
            expected FLAG=VALUE or FIELD[GROUP]=VALUE, such as maxSize[workers-a]=8
            maxSize[a]: expected a number of nodes, found "many"
            "zone" cannot be tried on a group; minSize, maxSize and pricePerHour can
            expected FLAG=VALUE or FIELD[GROUP]=VALUE, such as maxSize[workers-a]=8"#]]
        .assert_eq(&lines.map(said).join("\n"));
    }
}
