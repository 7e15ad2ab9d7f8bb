//! The simulated cloud: node groups whose machines take time to come up, run out, and fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plimsoll_core::devices::NodeDevices;
use plimsoll_core::ids::{GroupId, NodeId};
use plimsoll_core::node::{HOSTNAME_LABEL, NODE_GROUP_LABEL};
use plimsoll_core::node_group::{Instance, InstanceError, InstanceState};
use plimsoll_core::objects::{Fault, FaultExtent};
use plimsoll_core::{NodeBirth, SimDuration, SimTime};

use super::World;
use crate::command::CommandError;
use crate::effect::{Effect, PodEnd};
use crate::event::Event;
use crate::random::Stream;

/// What the cloud knows beyond the groups in the cluster: numbers, chance and faults.
#[derive(Clone, Debug)]
pub(super) struct Cloud {
    seed: u64,
    by_group: BTreeMap<GroupId, GroupState>,
    down_until: SimTime,
    reclaims: Stream,
}

/// One group's counter, chance and faults.
#[derive(Clone, Debug)]
struct GroupState {
    /// The highest number given to a machine so far.
    last_number: u32,
    boots: Stream,
    stock_out_until: SimTime,
    lazy_until: SimTime,
    failing_until: SimTime,
    failing_next: u32,
    unregistered_next: u32,
    /// Ids of machines that run but never become Nodes.
    unregistered: BTreeSet<Arc<str>>,
    slow_until: SimTime,
    slow_by: SimDuration,
}

impl Cloud {
    pub(super) fn new(seed: u64) -> Cloud {
        Cloud {
            seed,
            by_group: BTreeMap::new(),
            down_until: SimTime(i64::MIN),
            reclaims: Stream::new(seed, "spot-reclaim"),
        }
    }

    fn group(&mut self, group: GroupId, name: &str) -> &mut GroupState {
        let seed = self.seed;
        self.by_group.entry(group).or_insert_with(|| GroupState {
            last_number: 0,
            boots: Stream::new(seed, &format!("boot/{name}")),
            stock_out_until: SimTime(i64::MIN),
            lazy_until: SimTime(i64::MIN),
            failing_until: SimTime(i64::MIN),
            failing_next: 0,
            unregistered_next: 0,
            unregistered: BTreeSet::new(),
            slow_until: SimTime(i64::MIN),
            slow_by: SimDuration::ZERO,
        })
    }
}

/// What becomes of a machine that was asked for.
enum Launch {
    Boots(SimDuration),
    Fails(InstanceError),
    NeverReady,
    NeverRegisters(SimDuration),
}

impl World {
    /// Makes numbers of new machines begin above that of the machine or node of this name.
    pub(super) fn reserve_number_of(&mut self, group: GroupId, machine: &str) {
        let name = self.cluster.group(group).spec.name.clone();
        let number = machine.strip_prefix(&name).and_then(|rest| rest.strip_prefix('-'));
        let Some(number) = number.and_then(|number| number.parse().ok()) else { return };
        let state = self.cloud.group(group, &name);
        state.last_number = state.last_number.max(number);
    }

    pub(super) fn increase_size(&mut self, group: GroupId, delta: u32) -> Result<(), CommandError> {
        self.refuse_while_down()?;
        let (from, max) = {
            let group = self.cluster.group(group);
            (group.target_size, group.spec.max_size)
        };
        let to = from.saturating_add(delta);
        if to > max {
            return Err(CommandError::AboveMax { desired: to, max });
        }
        self.cluster.set_target_size(group, to);
        self.effects.push(Effect::SizeIncreased { group, from, to });
        for _ in 0..delta {
            self.launch(group);
        }
        self.note_paid(group);
        Ok(())
    }

    fn refuse_while_down(&self) -> Result<(), CommandError> {
        if self.now < self.cloud.down_until { Err(CommandError::ProviderDown) } else { Ok(()) }
    }

    /// Asks for one machine. A failed one takes a number too.
    pub(super) fn launch(&mut self, group: GroupId) {
        let spec = Arc::clone(&self.cluster.group(group).spec);
        let now = self.now;
        let state = self.cloud.group(group, &spec.name);
        state.last_number += 1;
        let number = state.last_number;
        let boot_delay = state.boots.boot_delay(spec.boot_delay);
        let id: Arc<str> = instance_id(&spec.name, number).into();
        let launch = state.fate(now, boot_delay, &id);
        let (error, boots_after) = match launch {
            Launch::Boots(after) | Launch::NeverRegisters(after) => (None, Some(after)),
            Launch::NeverReady => (None, None),
            Launch::Fails(error) => (Some(error), None),
        };
        let instance = Instance {
            id: Arc::clone(&id),
            state: InstanceState::Creating,
            error,
            created_at: Some(now),
        };
        self.cluster.update_instances(group, |list| list.push(instance));
        if let Some(after) = boots_after {
            self.events.push(now + after, Event::InstanceBoots { group, id });
        }
    }

    /// Boots the machines that the cloud lists as being created. How long they have been at it is
    /// not known, so their delay counts from now.
    pub(super) fn boot_listed(&mut self, group: GroupId) {
        let spec = Arc::clone(&self.cluster.group(group).spec);
        let listed = Arc::clone(&self.cluster.group(group).instances);
        let boots = |one: &&Instance| one.state == InstanceState::Creating && one.error.is_none();
        for instance in listed.iter().filter(boots) {
            let registered =
                self.cluster.nodes().any(|(_, node)| *node.provider_id == *instance.id);
            if !registered {
                let after = self.cloud.group(group, &spec.name).boots.boot_delay(spec.boot_delay);
                let event = Event::InstanceBoots { group, id: Arc::clone(&instance.id) };
                self.events.push(self.now + after, event);
            }
        }
    }

    /// A machine is up; its Node appears, and the DaemonSets' pods run on it.
    pub(super) fn boot_instance(&mut self, group: GroupId, id: &str) {
        let spec = Arc::clone(&self.cluster.group(group).spec);
        let mut found = false;
        self.cluster.update_instances(group, |list| {
            if let Some(instance) = list.iter_mut().rfind(|one| *one.id == *id) {
                instance.state = InstanceState::Running;
                found = true;
            }
        });
        let name = instance_name(id).to_owned();
        let registers = !self.cloud.group(group, &spec.name).unregistered.contains(id);
        // A listed machine may be called like a Node of another machine; there is no second one.
        if !found || !registers || self.node_named(&name).is_some() {
            return;
        }
        self.cluster.give_devices(&NodeDevices::of_slices(&spec.template_slices), &name);
        let mut node = spec.template.clone();
        node.labels.insert(HOSTNAME_LABEL.to_owned(), name.clone());
        node.labels.entry(NODE_GROUP_LABEL.to_owned()).or_insert_with(|| spec.name.clone());
        let birth = NodeBirth {
            name,
            provider_id: id.to_owned(),
            spec: node,
            annotations: spec.template_annotations.clone(),
            group: Some(group),
            created_at: self.now,
            ready: true,
            ready_since: self.now,
            is_suspended: false,
        };
        let node = self.cluster.add_node(birth);
        self.note_node_added(node);
        self.start_daemons(node);
    }

    pub(super) fn note_node_added(&mut self, node: NodeId) {
        let one = self.cluster.node(node);
        self.node_names.insert(Arc::clone(&one.name), node);
        self.effects.push(Effect::NodeAdded {
            node,
            serial: one.serial,
            name: Arc::clone(&one.name),
            group: one.group,
        });
    }

    /// Says how many machines of a group cost money now.
    pub(super) fn note_paid(&mut self, group: GroupId) {
        let paid = self.cluster.group(group).instances.iter().filter(|one| one.error.is_none());
        let count = u32::try_from(paid.count()).expect("machines are few");
        self.effects.push(Effect::MachinesPaid { group, count });
    }

    pub(super) fn decrease_target(&mut self, group: GroupId, by: u32) -> Result<(), CommandError> {
        self.refuse_while_down()?;
        let one = self.cluster.group(group);
        let (target, instances) = (one.target_size, one.instances.len());
        let instances = u32::try_from(instances).expect("machines are few");
        if target < by || target - by < instances {
            return Err(CommandError::BelowInstances { target, by, instances });
        }
        self.cluster.set_target_size(group, target - by);
        Ok(())
    }

    pub(super) fn delete_node(&mut self, node: NodeId) -> Result<(), CommandError> {
        self.refuse_while_down()?;
        let one = self.cluster.find_node(node).ok_or(CommandError::NoSuchNode)?;
        let group = one.group.ok_or_else(|| CommandError::NoGroup(one.name.to_string()))?;
        let id = Arc::clone(&one.provider_id);
        self.remove_node(node);
        self.forget_instances(group, &[id]);
        Ok(())
    }

    pub(super) fn delete_instances(
        &mut self,
        group: GroupId,
        ids: &[Arc<str>],
    ) -> Result<(), CommandError> {
        self.refuse_while_down()?;
        let mut names = Vec::new();
        for id in ids {
            let node = self.node_named(instance_name(id)).filter(|node| {
                let node = self.cluster.node(*node);
                node.group == Some(group) && *node.provider_id == **id
            });
            match node {
                Some(node) => self.remove_node(node),
                None => names.push(Arc::from(instance_name(id))),
            }
        }
        self.forget_instances(group, ids);
        self.effects.push(Effect::InstancesRemoved { group, names });
        Ok(())
    }

    /// Takes machines off a group's list; its target falls by as many.
    fn forget_instances(&mut self, group: GroupId, ids: &[Arc<str>]) {
        let before = self.cluster.group(group).instances.len();
        self.cluster.update_instances(group, |list| {
            list.retain(|one| !ids.iter().any(|id| **id == *one.id));
        });
        let after = self.cluster.group(group).instances.len();
        let gone = u32::try_from(before - after).expect("machines are few");
        let target = self.cluster.group(group).target_size;
        self.cluster.set_target_size(group, target.saturating_sub(gone));
        self.note_paid(group);
    }

    /// Takes a Node away with everything that still runs on it.
    pub(super) fn remove_node(&mut self, node: NodeId) {
        for pod in self.cluster.node(node).pods.clone() {
            self.remove(pod, PodEnd::NodeGone);
        }
        self.withdraw_nominations(node);
        let serial = self.cluster.node(node).serial;
        self.node_names.remove(&self.cluster.node(node).name);
        self.cluster.remove_node(node);
        self.effects.push(Effect::NodeRemoved { serial });
    }

    /// Something goes wrong from now on.
    pub(super) fn break_something(&mut self, fault: &Fault) {
        if let Fault::ProviderDown { lasts } = fault {
            self.cloud.down_until = self.cloud.down_until.max(self.now + *lasts);
            return;
        }
        let Some(group) = fault.group().and_then(|name| self.cluster.find_group(name)) else {
            return;
        };
        if let Fault::SpotReclaim { nodes, .. } = fault {
            self.reclaim(group, *nodes);
            return;
        }
        let name = self.cluster.group(group).spec.name.clone();
        let now = self.now;
        self.cloud.group(group, &name).take_fault(fault, now);
    }

    /// The cloud takes machines back and, as managed groups do, asks for replacements at once.
    fn reclaim(&mut self, group: GroupId, count: u32) {
        for _ in 0..count {
            let nodes: Vec<NodeId> = self
                .cluster
                .nodes()
                .filter(|(_, node)| node.group == Some(group))
                .map(|(id, _)| id)
                .collect();
            if nodes.is_empty() {
                return;
            }
            let node = nodes[self.cloud.reclaims.below(nodes.len())];
            let id = Arc::clone(&self.cluster.node(node).provider_id);
            self.remove_node(node);
            self.cluster.update_instances(group, |list| list.retain(|one| *one.id != *id));
            self.launch(group);
            self.note_paid(group);
        }
    }
}

impl GroupState {
    /// What becomes of the machine that is asked for now.
    fn fate(&mut self, now: SimTime, boot_delay: SimDuration, id: &Arc<str>) -> Launch {
        let error = |out_of_resources, code: &str, message: &str| {
            Launch::Fails(InstanceError {
                out_of_resources,
                code: code.to_owned(),
                message: message.to_owned(),
            })
        };
        if now < self.stock_out_until {
            return error(true, "STOCKOUT", "the zone has no machines of this type left");
        }
        if now < self.failing_until || self.failing_next > 0 {
            self.failing_next = self.failing_next.saturating_sub(1);
            return error(false, "LAUNCH_FAILED", "the machine could not be started");
        }
        if now < self.lazy_until {
            return Launch::NeverReady;
        }
        let slow = if now < self.slow_until { self.slow_by } else { SimDuration::ZERO };
        if self.unregistered_next > 0 {
            self.unregistered_next -= 1;
            self.unregistered.insert(Arc::clone(id));
            return Launch::NeverRegisters(boot_delay + slow);
        }
        Launch::Boots(boot_delay + slow)
    }

    /// Begins a fault. A shorter one does not end a longer one of its kind.
    fn take_fault(&mut self, fault: &Fault, now: SimTime) {
        match fault {
            Fault::StockOut { lasts, .. } => {
                self.stock_out_until = self.stock_out_until.max(now + *lasts);
            }
            Fault::LazyNodes { lasts, .. } => self.lazy_until = self.lazy_until.max(now + *lasts),
            Fault::LaunchFailure { extent: FaultExtent::Lasting(lasts), .. } => {
                self.failing_until = self.failing_until.max(now + *lasts);
            }
            Fault::LaunchFailure { extent: FaultExtent::Next(count), .. } => {
                self.failing_next += count;
            }
            Fault::NeverRegister { nodes, .. } => self.unregistered_next += nodes,
            Fault::SlowRegistration { by, lasts, .. } => {
                self.slow_until = now + *lasts;
                self.slow_by = *by;
            }
            Fault::SpotReclaim { .. } | Fault::ProviderDown { .. } => {}
        }
    }
}

/// The cloud's id of a group's machine.
pub(super) fn instance_id(group: &str, number: u32) -> String {
    format!("plimsoll://{group}/{group}-{number}")
}

/// The name of a machine: the last part of its id.
pub(super) fn instance_name(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
