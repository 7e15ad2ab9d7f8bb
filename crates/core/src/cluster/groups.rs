//! Node groups: what the cloud was asked for and what it lists.

use std::sync::Arc;

use super::Cluster;
use crate::ids::GroupId;
use crate::node_group::{Instance, NodeGroupSpec};

/// A node group.
#[derive(Clone, Debug)]
pub struct NodeGroup {
    /// Limits, template, price.
    pub spec: Arc<NodeGroupSpec>,
    /// How many machines the cloud has been asked for.
    pub target_size: u32,
    /// The machines the cloud lists, in the order in which they were asked for.
    pub instances: Arc<Vec<Instance>>,
}

impl Cluster {
    /// Adds a group and gives its id. Machines and target are as the spec says, or none and 0.
    ///
    /// # Panics
    /// On a fork, which would not take it back.
    pub fn add_group(&mut self, spec: NodeGroupSpec) -> GroupId {
        assert!(!self.undo.is_open(), "groups are not added on a fork");
        let id = GroupId::at(self.groups.len());
        self.group_names.insert(spec.name.clone(), id);
        self.groups.push(NodeGroup {
            target_size: spec.target_size.unwrap_or(0),
            instances: Arc::new(spec.instances.clone().unwrap_or_default()),
            spec: Arc::new(spec),
        });
        self.changed();
        id
    }

    /// All groups, in the order of their ids.
    pub fn groups(&self) -> impl Iterator<Item = (GroupId, &NodeGroup)> + '_ {
        self.groups.iter().enumerate().map(|(index, group)| (GroupId::at(index), group))
    }

    /// How many groups there are.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// A group.
    #[must_use]
    pub fn group(&self, group: GroupId) -> &NodeGroup {
        &self.groups[group.index()]
    }

    /// The group of this name.
    #[must_use]
    pub fn find_group(&self, name: &str) -> Option<GroupId> {
        self.group_names.get(name).copied()
    }

    /// What the cloud now says of a group.
    ///
    /// # Panics
    /// On a fork, which would not take it back.
    pub fn set_target_size(&mut self, group: GroupId, target_size: u32) {
        assert!(!self.undo.is_open(), "targets do not change on a fork");
        self.groups[group.index()].target_size = target_size;
        self.changed();
    }

    /// Changes the list of machines of a group. Who holds the list of before keeps it.
    ///
    /// # Panics
    /// On a fork, which would not take it back.
    pub fn update_instances(&mut self, group: GroupId, update: impl FnOnce(&mut Vec<Instance>)) {
        assert!(!self.undo.is_open(), "machines do not change on a fork");
        update(Arc::make_mut(&mut self.groups[group.index()].instances));
        self.changed();
    }

    /// Replaces limits, template or price of a group.
    ///
    /// # Panics
    /// On a fork, which would not take it back.
    pub fn set_group_spec(&mut self, group: GroupId, spec: NodeGroupSpec) {
        assert!(!self.undo.is_open(), "groups do not change on a fork");
        self.groups[group.index()].spec = Arc::new(spec);
        self.changed();
    }
}
