//! The strategies by name, and their settings.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use plimsoll_autoscaler::NodeAutoscaler;
use plimsoll_autoscaler::cluster_autoscaler::{ClusterAutoscaler, MissingPrice, StartState};
use plimsoll_autoscaler::settings::{SettingError, SettingValue, Settings};
use plimsoll_autoscaler::threshold::{Threshold, ThresholdSettings};
use plimsoll_core::Cluster;
use serde_json::Value;
use thiserror::Error;

/// Who scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strategy {
    /// What really happened, as the recording tells it.
    Recorded,
    /// Cluster Autoscaler's rules.
    ClusterAutoscaler,
    /// Seed 004's rule: pending pods above a number, utilisation below a number.
    Threshold,
}

impl Strategy {
    /// All that can be asked for, in the order of the documentation.
    pub const ALL: [Strategy; 3] =
        [Strategy::Recorded, Strategy::ClusterAutoscaler, Strategy::Threshold];

    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Recorded => "recorded",
            Strategy::ClusterAutoscaler => "cluster-autoscaler",
            Strategy::Threshold => "threshold",
        }
    }

    /// The autoscaler itself; `None` for what was recorded.
    #[must_use]
    pub fn build(self, settings: &Settings, seed: u64) -> Option<Box<dyn NodeAutoscaler>> {
        match self {
            Strategy::Recorded => None,
            Strategy::ClusterAutoscaler => {
                Some(Box::new(ClusterAutoscaler::new(settings.clone(), seed)))
            }
            Strategy::Threshold => {
                let settings = ThresholdSettings { seed, ..ThresholdSettings::default() };
                Some(Box::new(Threshold::new(settings)))
            }
        }
    }
}

impl Strategy {
    /// As [`Strategy::build`], for a cluster in which an autoscaler was at work before. The threshold
    /// rule remembers nothing that matters to an increase.
    #[must_use]
    pub fn build_in_midst(
        self,
        settings: &Settings,
        seed: u64,
        cluster: &Cluster,
        memory: &StartState,
    ) -> Option<Box<dyn NodeAutoscaler>> {
        match self {
            Strategy::Recorded | Strategy::Threshold => self.build(settings, seed),
            Strategy::ClusterAutoscaler => {
                let mut autoscaler = ClusterAutoscaler::new(settings.clone(), seed);
                autoscaler.restore(cluster, memory);
                Some(Box::new(autoscaler))
            }
        }
    }
}

impl Strategy {
    /// Whether the cluster tells all that the strategy needs before it begins.
    ///
    /// # Errors
    /// The first group without a price, where the expander `price` is asked for.
    pub fn check(self, settings: &Settings, cluster: &Cluster) -> Result<(), MissingPrice> {
        match self {
            Strategy::Recorded | Strategy::Threshold => Ok(()),
            Strategy::ClusterAutoscaler => {
                ClusterAutoscaler::new(settings.clone(), 0).check_prices(cluster)
            }
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A strategy that nobody knows.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown strategy {name:?}; known are {}", known_names())]
pub struct UnknownStrategy {
    /// What was asked for.
    pub name: String,
}

fn known_names() -> String {
    Strategy::ALL.map(Strategy::as_str).join(", ")
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Strategy, UnknownStrategy> {
        Strategy::ALL
            .into_iter()
            .find(|one| one.as_str() == name)
            .ok_or_else(|| UnknownStrategy { name: name.to_owned() })
    }
}

/// The settings that flags in a document come to.
///
/// # Errors
/// The first flag that is unknown or whose value is not what it takes.
pub fn settings_of(flags: &BTreeMap<String, Value>) -> Result<Settings, SettingError> {
    let values: BTreeMap<String, SettingValue> =
        flags.iter().map(|(key, value)| (key.clone(), setting_value(value))).collect();
    Settings::from_map(&values)
}

/// A JSON value as settings take it; what they do not take becomes text, for them to refuse.
fn setting_value(value: &Value) -> SettingValue {
    match value {
        Value::Bool(flag) => SettingValue::Bool(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => SettingValue::Int(whole),
            (None, Some(fraction)) => SettingValue::Float(fraction),
            (None, None) => SettingValue::Text(number.to_string()),
        },
        Value::String(text) => SettingValue::Text(text.clone()),
        Value::Array(items) => {
            let text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            SettingValue::List(items.iter().map(text).collect())
        }
        Value::Null | Value::Object(_) => SettingValue::Text(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_strategy_is_answered_with_the_known_ones() {
        assert_eq!("threshold".parse(), Ok(Strategy::Threshold));
        let error = "karpenter".parse::<Strategy>().expect_err("not built in");
        assert_eq!(
            error.to_string(),
            "unknown strategy \"karpenter\"; known are recorded, cluster-autoscaler, threshold"
        );
    }
}
