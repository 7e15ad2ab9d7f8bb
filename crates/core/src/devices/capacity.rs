//! Capacity that several claims share: what a request takes of it, and whether there is room.
//!
//! Source: `consumable_capacity.go` of `k8s.io/dynamic-resource-allocation/structured`.

use std::collections::BTreeMap;

use super::slice::{Device, DeviceCapacity, RequestPolicy, ValidAmounts};
use crate::quantity::Quantity;

/// Amounts by the name of a capacity.
pub(super) type Amounts = BTreeMap<String, Quantity>;

/// Whether a request for these amounts fits into a device beside what is held of it and what this
/// attempt would hold already. It does not when the device lacks a capacity that is asked for.
pub(super) fn has_room(
    device: &Device,
    requests: &Amounts,
    held: Option<&Amounts>,
    to_be_held: Option<&Amounts>,
) -> bool {
    let amount = |amounts: Option<&Amounts>, name: &str| {
        amounts.and_then(|amounts| amounts.get(name)).copied().unwrap_or_default()
    };
    requests.keys().all(|name| device.capacity.contains_key(name))
        && device.capacity.iter().all(|(name, capacity)| {
            let taken = taken_of(capacity, requests.get(name).copied());
            let sum = amount(held, name) + taken + amount(to_be_held, name);
            is_valid(taken, capacity.policy.as_ref()) && sum <= capacity.value
        })
}

/// What a request takes of every capacity of a device.
pub(super) fn taken(device: &Device, requests: &Amounts) -> Amounts {
    device
        .capacity
        .iter()
        .map(|(name, capacity)| (name.clone(), taken_of(capacity, requests.get(name).copied())))
        .collect()
}

/// What a request takes of one capacity: the default, or all of it, if it says nothing; otherwise
/// what it says, rounded up to what the policy allows.
fn taken_of(capacity: &DeviceCapacity, request: Option<Quantity>) -> Quantity {
    let Some(policy) = &capacity.policy else { return request.unwrap_or(capacity.value) };
    let Some(request) = request else { return policy.default.unwrap_or(capacity.value) };
    match &policy.valid {
        ValidAmounts::Any => request,
        ValidAmounts::Values(values) => {
            values.iter().copied().find(|value| request <= *value).unwrap_or(request)
        }
        ValidAmounts::Range { min, .. } if request < *min => *min,
        ValidAmounts::Range { step: None, .. } => request,
        ValidAmounts::Range { min, step: Some(step), .. } => {
            let (least, step) = (min.ceil_units(), step.ceil_units().max(1));
            let above = request.ceil_units().saturating_sub(least);
            let steps = above / step + i64::from(above % step != 0);
            Quantity::from_bytes(least.saturating_add(step.saturating_mul(steps)))
        }
    }
}

fn is_valid(amount: Quantity, policy: Option<&RequestPolicy>) -> bool {
    let Some(policy) = policy else { return true };
    if policy.default == Some(amount) {
        return true;
    }
    match &policy.valid {
        ValidAmounts::Any => true,
        ValidAmounts::Values(values) => values.contains(&amount),
        ValidAmounts::Range { min, max, step } => {
            let above = amount.ceil_units().saturating_sub(min.ceil_units());
            max.is_none_or(|max| amount <= max)
                && step.is_none_or(|step| above % step.ceil_units().max(1) == 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).expect(text)
    }

    fn range(min: &str, max: Option<&str>, step: Option<&str>) -> ValidAmounts {
        let (max, step) = (max.map(quantity), step.map(quantity));
        ValidAmounts::Range { min: quantity(min), max, step }
    }

    /// Source: `consumable_capacity_test.go`.
    #[test]
    fn requests_are_rounded_up_to_what_the_policy_allows() {
        let steps = range("2", Some("9"), Some("3"));
        let values = ValidAmounts::Values(vec![quantity("1"), quantity("4"), quantity("8")]);
        let table = [
            (range("2", None, None), Some("1"), "2", true),
            (range("2", None, None), Some("7"), "7", true),
            (range("2", Some("6"), None), Some("7"), "7", false),
            (steps.clone(), Some("2"), "2", true),
            (steps.clone(), Some("3"), "5", true),
            (steps.clone(), Some("6"), "8", true),
            (steps.clone(), Some("9"), "11", false),
            (steps, None, "2", true),
            (values.clone(), Some("2"), "4", true),
            (values.clone(), Some("9"), "9", false),
            (values, None, "2", true),
            (ValidAmounts::Any, Some("3"), "3", true),
        ];
        for (valid, request, takes, is_allowed) in table {
            let policy = RequestPolicy { default: Some(quantity("2")), valid };
            let capacity = DeviceCapacity { value: quantity("10"), policy: Some(policy) };
            let amount = taken_of(&capacity, request.map(quantity));
            assert_eq!(amount, quantity(takes), "{capacity:?} {request:?}");
            assert_eq!(
                is_valid(amount, capacity.policy.as_ref()),
                is_allowed,
                "{capacity:?} {request:?}"
            );
        }
    }

    #[test]
    fn what_is_held_and_what_is_about_to_be_count_against_the_capacity() {
        let capacity = DeviceCapacity { value: quantity("10"), policy: None };
        let device =
            Device { capacity: [("memory".to_owned(), capacity)].into(), ..Device::default() };
        let amounts = |amount: &str| Amounts::from([("memory".to_owned(), quantity(amount))]);
        let room = |request: &str, held: &str, about: &str| {
            has_room(&device, &amounts(request), Some(&amounts(held)), Some(&amounts(about)))
        };
        assert!(room("4", "3", "3"));
        assert!(!room("4", "3", "4"));
        assert!(has_room(&device, &Amounts::new(), None, None), "all of an unused device");
        assert!(!has_room(&device, &Amounts::new(), Some(&amounts("1")), None));
        let unknown = Amounts::from([("cores".to_owned(), quantity("1"))]);
        assert!(!has_room(&device, &unknown, None, None));
    }
}
