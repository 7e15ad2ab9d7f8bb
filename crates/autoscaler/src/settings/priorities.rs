//! The priorities of the expander `priority`: patterns of group names by priority.

use regex_lite::Regex;
use thiserror::Error;

/// Which groups are preferred: of all levels with a matching group the highest wins.
#[derive(Clone, Debug, Default)]
pub struct Priorities {
    /// By priority, highest first.
    levels: Vec<(i64, Vec<Regex>)>,
}

/// A pattern that is no regular expression.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "Can't compile regexp rule for priority {priority} and rule {pattern}: it is no regular expression"
)]
pub struct PrioritiesError {
    /// Its level.
    pub priority: i64,
    /// What was written.
    pub pattern: String,
}

/// Groups of a lower priority are never preferred: upstream's comparison starts here.
pub(crate) const LEAST_PREFERRED: i64 = -1;

impl Priorities {
    /// Priorities from levels in any order, as the key `priorities` of upstream's ConfigMap
    /// `cluster-autoscaler-priority-expander` holds them.
    ///
    /// # Errors
    /// The first pattern that is no regular expression. Upstream then ignores the whole map.
    pub fn new(levels: &[(i64, Vec<String>)]) -> Result<Priorities, PrioritiesError> {
        let mut compiled = Vec::with_capacity(levels.len());
        for (priority, patterns) in levels {
            let mut regexes = Vec::with_capacity(patterns.len());
            for pattern in patterns {
                let regex = Regex::new(pattern).map_err(|_| PrioritiesError {
                    priority: *priority,
                    pattern: pattern.clone(),
                })?;
                regexes.push(regex);
            }
            compiled.push((*priority, regexes));
        }
        compiled.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        Ok(Priorities { levels: compiled })
    }

    /// The highest priority whose patterns match this group.
    #[must_use]
    pub fn of_group(&self, group: &str) -> Option<i64> {
        self.levels
            .iter()
            .find(|(_, regexes)| regexes.iter().any(|regex| regex.is_match(group)))
            .map(|(priority, _)| *priority)
    }
}

impl PartialEq for Priorities {
    fn eq(&self, other: &Priorities) -> bool {
        fn text(one: &Priorities) -> Vec<(i64, Vec<&str>)> {
            one.levels
                .iter()
                .map(|(level, all)| (*level, all.iter().map(Regex::as_str).collect()))
                .collect()
        }
        text(self) == text(other)
    }
}
