//! Conditions of an object's status, as autoscalers keep them.

use crate::time::SimTime;

/// One condition (`metav1.Condition`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its type, for example `Provisioned`.
    pub kind: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// `lastTransitionTime`.
    pub changed_at: SimTime,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionStatus {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    Unknown,
}

impl ConditionStatus {
    /// Kubernetes' word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        }
    }
}

/// The conditions of one object: at most one of each type, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions(pub Vec<Condition>);

impl Conditions {
    /// The condition of this type.
    #[must_use]
    pub fn find(&self, kind: &str) -> Option<&Condition> {
        self.0.iter().find(|one| one.kind == kind)
    }

    /// Whether the condition of this type is there with this status.
    #[must_use]
    pub fn is(&self, kind: &str, status: ConditionStatus) -> bool {
        self.find(kind).is_some_and(|one| one.status == status)
    }

    /// Puts a condition in the place of the one of its type, its time included.
    pub fn replace(&mut self, condition: Condition) {
        match self.0.iter_mut().find(|one| one.kind == condition.kind) {
            Some(one) => *one = condition,
            None => self.0.push(condition),
        }
    }

    /// The same, except that the time stays what it was unless the status is another now. True when
    /// anything has changed.
    ///
    /// Source: `meta.SetStatusCondition` of `k8s.io/apimachinery`.
    pub fn set(&mut self, mut condition: Condition) -> bool {
        if let Some(known) = self.find(&condition.kind) {
            if known.status == condition.status {
                condition.changed_at = known.changed_at;
            }
            if *known == condition {
                return false;
            }
        }
        self.replace(condition);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(status: ConditionStatus, message: &str, seconds: i64) -> Condition {
        Condition {
            kind: "Provisioning".to_owned(),
            status,
            reason: "Because".to_owned(),
            message: message.to_owned(),
            changed_at: SimTime(seconds * 1000),
        }
    }

    #[test]
    fn the_time_of_a_condition_is_that_of_its_status() {
        let mut conditions = Conditions::default();
        assert!(conditions.set(condition(ConditionStatus::True, "one", 1)));
        assert!(!conditions.set(condition(ConditionStatus::True, "one", 2)));
        assert!(conditions.set(condition(ConditionStatus::True, "two", 3)));
        let changed_at = |one: &Conditions| one.find("Provisioning").map(|one| one.changed_at);
        assert_eq!(changed_at(&conditions), Some(SimTime(1000)));
        assert!(conditions.set(condition(ConditionStatus::False, "two", 4)));
        assert_eq!(changed_at(&conditions), Some(SimTime(4000)));
        conditions.replace(condition(ConditionStatus::False, "two", 5));
        assert_eq!(changed_at(&conditions), Some(SimTime(5000)));
        assert_eq!(conditions.0.len(), 1);
    }
}
