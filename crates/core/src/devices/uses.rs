//! Which devices are held by claims.
//!
//! Source: `allocateddevices.go` of the plugin.

use super::capacity::Amounts;
use super::claim::AllocatedDevice;
use super::inventory::DeviceId;
use crate::quantity::Quantity;

/// What claims hold of one device.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct DeviceUse {
    /// How many claims hold all of it; more than one only in a broken cluster.
    owners: u32,
    /// How many claims hold a part of it.
    shares: u32,
    /// How much of its capacity the parts are; `None` while no part of a known size is held.
    pub(super) consumed: Option<Amounts>,
}

impl DeviceUse {
    /// Whether one claim holds all of it.
    pub(super) fn is_owned(&self) -> bool {
        self.owners > 0
    }

    /// Whether any claim holds any of it.
    pub(super) fn is_in_use(&self) -> bool {
        self.owners > 0 || self.shares > 0 || self.consumed.is_some()
    }

    fn take(&mut self, result: &AllocatedDevice) {
        if !result.is_share {
            self.owners += 1;
            return;
        }
        self.shares += 1;
        if let Some(more) = &result.consumed_capacity {
            let consumed = self.consumed.get_or_insert_default();
            for (name, amount) in more {
                let sum = consumed.entry(name.clone()).or_default();
                *sum = *sum + *amount;
            }
        }
    }

    fn give_back(&mut self, result: &AllocatedDevice) {
        if !result.is_share {
            self.owners -= 1;
            return;
        }
        self.shares -= 1;
        if let (Some(consumed), Some(less)) = (&mut self.consumed, &result.consumed_capacity) {
            for (name, amount) in less {
                if let Some(sum) = consumed.get_mut(name) {
                    *sum = *sum - *amount;
                }
            }
            if consumed.values().all(|amount| Quantity::is_zero(*amount)) {
                self.consumed = None;
            }
        }
    }
}

/// What is held of every device.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses {
    by_device: Vec<DeviceUse>,
}

/// What nobody holds.
static UNUSED: DeviceUse = DeviceUse { owners: 0, shares: 0, consumed: None };

/// What devices were held for before a change, in the order of the change.
pub(super) type UsesBefore = Vec<(DeviceId, DeviceUse)>;

impl Uses {
    pub(super) fn of(&self, device: DeviceId) -> &DeviceUse {
        self.by_device.get(device.index()).unwrap_or(&UNUSED)
    }

    /// Notes that devices are held; those used by administrators are not.
    pub(super) fn take(&mut self, devices: &[DeviceId], results: &[AllocatedDevice]) -> UsesBefore {
        self.change(devices, results, DeviceUse::take)
    }

    /// Notes that devices that were taken are not held any more.
    pub(super) fn give_back(
        &mut self,
        devices: &[DeviceId],
        results: &[AllocatedDevice],
    ) -> UsesBefore {
        self.change(devices, results, DeviceUse::give_back)
    }

    /// Puts back what was there before a change.
    pub(super) fn restore(&mut self, before: UsesBefore) {
        for (device, was) in before.into_iter().rev() {
            self.by_device[device.index()] = was;
        }
    }

    fn change(
        &mut self,
        devices: &[DeviceId],
        results: &[AllocatedDevice],
        change: fn(&mut DeviceUse, &AllocatedDevice),
    ) -> UsesBefore {
        let mut before = Vec::with_capacity(devices.len());
        for (device, result) in devices.iter().zip(results) {
            if result.admin_access {
                continue;
            }
            if self.by_device.len() <= device.index() {
                self.by_device.resize_with(device.index() + 1, DeviceUse::default);
            }
            let one = &mut self.by_device[device.index()];
            before.push((*device, one.clone()));
            change(one, result);
        }
        before
    }
}
