//! Rules between the devices of a claim, kept up to date while devices are picked and put back.
//!
//! Source: `constraint.go` and `matchAttributeConstraint` of the upstream allocator. One trait of
//! upstream's is kept on purpose, since it decides what is given: `distinctAttribute` remembers one
//! device a request, the last, and forgets it when that is put back; also when it was only tried
//! and a later rule refused it.

use std::collections::BTreeMap;

use super::claim::{ConstraintRule, DeviceConstraint};
use super::slice::DeviceAttribute;

/// A rule and the devices picked so far.
#[derive(Debug)]
pub(super) struct ConstraintState<'a> {
    constraint: &'a DeviceConstraint,
    picked: usize,
    /// The value that all must have.
    common: Option<&'a DeviceAttribute>,
    /// The value of the last device of each request.
    by_request: BTreeMap<&'a str, &'a DeviceAttribute>,
}

/// For which request a device is picked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Picking<'a> {
    /// The request's name.
    pub(super) request: &'a str,
    /// The alternative's name, if the request has some.
    pub(super) alternative: Option<&'a str>,
}

impl<'a> ConstraintState<'a> {
    pub(super) fn of(constraint: &'a DeviceConstraint) -> ConstraintState<'a> {
        ConstraintState { constraint, picked: 0, common: None, by_request: BTreeMap::new() }
    }

    /// The attribute that the rule is about.
    fn attribute_name(&self) -> &'a str {
        match &self.constraint.rule {
            ConstraintRule::Match(name) | ConstraintRule::Distinct(name) => name,
        }
    }

    /// Whether the rule is about devices of this request.
    fn applies(&self, picking: Picking<'_>) -> bool {
        self.constraint.requests.is_empty()
            || self.constraint.requests.iter().any(|one| match one.split_once('/') {
                None => one == picking.request,
                Some((request, alternative)) => {
                    request == picking.request && picking.alternative == Some(alternative)
                }
            })
    }

    /// Notes a device, given its attributes by name, if it may be picked beside the others.
    pub(super) fn pick(
        &mut self,
        picking: Picking<'a>,
        attribute: impl FnOnce(&str) -> Option<&'a DeviceAttribute>,
    ) -> bool {
        if !self.applies(picking) {
            return true;
        }
        let Some(value) = attribute(self.attribute_name()) else { return false };
        let is_allowed = self.picked == 0
            || match self.constraint.rule {
                ConstraintRule::Match(_) => self.common == Some(value),
                ConstraintRule::Distinct(_) => self.by_request.values().all(|one| *one != value),
            };
        if is_allowed {
            if self.picked == 0 {
                self.common = Some(value);
            }
            self.by_request.insert(picking.request, value);
            self.picked += 1;
        }
        is_allowed
    }

    /// Notes that the device picked last was put back.
    pub(super) fn put_back(&mut self, picking: Picking<'_>) {
        if self.applies(picking) {
            self.by_request.remove(picking.request);
            self.picked -= 1;
        }
    }
}
