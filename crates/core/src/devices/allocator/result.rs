//! What a search found, as a claim's status holds it.

use std::sync::Arc;

use super::Query;
use crate::devices::capacity::Amounts;
use crate::devices::claim::{AllocatedDevice, Allocation, single_node};
use crate::devices::inventory::{DeviceId, Inventory, Slice, SlicedDevice};
use crate::devices::slice::Reach;
use crate::labels::{NodeSelectorTerm, Requirement};

/// A device found for a query.
#[derive(Debug)]
pub(in crate::devices) struct Given<'a> {
    pub(super) query: &'a Query<'a>,
    pub(super) slice: &'a Slice,
    pub(super) device: &'a SlicedDevice,
    /// What is held of it; `None`: all of it.
    pub(super) consumed: Option<Amounts>,
}

impl Given<'_> {
    /// The device.
    pub(in crate::devices) fn id(&self) -> DeviceId {
        self.device.id
    }

    fn as_allocated(&self, inventory: &Inventory) -> AllocatedDevice {
        let (driver, pool, name) = inventory.names(self.device.id);
        let request = match self.query.names.alternative {
            None => self.query.names.request.into(),
            Some(alternative) => format!("{}/{alternative}", self.query.names.request).into(),
        };
        let device = &self.device.device;
        AllocatedDevice {
            request,
            driver: Arc::clone(driver),
            pool: Arc::clone(pool),
            device: Arc::clone(name),
            admin_access: self.query.admin_access,
            is_share: self.consumed.is_some(),
            consumed_capacity: self.consumed.clone().filter(|amounts| !amounts.is_empty()),
            binding_conditions: device.binding_conditions.clone(),
            binding_failure_conditions: device.binding_failure_conditions.clone(),
        }
    }
}

/// The allocation of a claim whose devices were searched for the node of this name.
pub(in crate::devices) fn allocation(
    given: &[Given<'_>],
    inventory: &Inventory,
    node: &str,
) -> Allocation {
    Allocation {
        results: given.iter().map(|one| one.as_allocated(inventory)).collect(),
        node_selector: node_selector(given, node),
        allocated_at: None,
    }
}

/// Where all of the devices can be used: on this node if one of them is bound to it, otherwise
/// where the terms of all hold.
///
/// Source: `createNodeSelector` of the upstream allocator.
fn node_selector(given: &[Given<'_>], node: &str) -> Option<Vec<NodeSelectorTerm>> {
    let mut term = NodeSelectorTerm::default();
    for one in given {
        let reach = match &one.slice.reach {
            Reach::PerDevice => one.device.device.reach.as_ref(),
            reach => Some(reach),
        };
        if one.device.device.binds_to_node || matches!(reach, Some(Reach::Node(_))) {
            return Some(vec![single_node(node)]);
        }
        if let Some(Reach::Selected(terms)) = reach
            && let [selected] = terms.as_slice()
        {
            add_new(&mut term.fields, &selected.fields);
            add_new(&mut term.expressions, &selected.expressions);
        }
    }
    let selects_all = term.fields.is_empty() && term.expressions.is_empty();
    (!selects_all).then(|| vec![term])
}

fn add_new(requirements: &mut Vec<Requirement>, more: &[Requirement]) {
    for one in more {
        if !requirements.contains(one) {
            requirements.push(one.clone());
        }
    }
}
