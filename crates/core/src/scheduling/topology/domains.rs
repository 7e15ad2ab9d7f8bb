//! The domains of a topology key: which value of a node label each node has.

use rustc_hash::FxHashMap;

use crate::ids::NodeId;

/// A node without the label.
pub(crate) const NO_DOMAIN: u32 = u32::MAX;
/// Up to so many domains a key is coarse: nodes are told apart by domain. Beyond that a change in
/// one domain concerns few nodes, and nodes are told apart by what is counted in their domain.
const COARSE_DOMAINS_MAX: usize = 64;

/// Which domain of a topology key each node is in. Domains are numbered as they first appear and
/// are never forgotten.
#[derive(Clone, Debug, Default)]
pub(crate) struct Domains {
    pub(crate) key: String,
    names: FxHashMap<String, u32>,
    by_node: Vec<u32>,
    members: Vec<Vec<NodeId>>,
}

impl Domains {
    pub(crate) fn new(key: &str) -> Domains {
        Domains { key: key.to_owned(), ..Domains::default() }
    }

    /// The domain of a node, or [`NO_DOMAIN`].
    #[inline]
    pub(crate) fn of(&self, node: NodeId) -> u32 {
        self.by_node.get(node.index()).copied().unwrap_or(NO_DOMAIN)
    }

    /// Whether there are few of them.
    pub(crate) fn is_coarse(&self) -> bool {
        self.members.len() <= COARSE_DOMAINS_MAX
    }

    /// The nodes of a domain, in no particular (but reproducible) order.
    pub(crate) fn members(&self, domain: u32) -> &[NodeId] {
        self.members.get(domain as usize).map_or(&[], Vec::as_slice)
    }

    /// Another node of a node's domain.
    pub(crate) fn mate_of(&self, node: NodeId) -> Option<NodeId> {
        self.members(self.of(node)).iter().copied().find(|one| *one != node)
    }

    /// A node came with this value of the label. Returns its domain.
    pub(crate) fn node_came(&mut self, node: NodeId, value: Option<&str>) -> u32 {
        let domain = match value {
            None => NO_DOMAIN,
            Some(value) => match self.names.get(value) {
                Some(known) => *known,
                None => {
                    let next = u32::try_from(self.members.len()).expect("domains are few");
                    self.names.insert(value.to_owned(), next);
                    self.members.push(Vec::new());
                    next
                }
            },
        };
        if self.by_node.len() <= node.index() {
            self.by_node.resize(node.index() + 1, NO_DOMAIN);
        }
        self.by_node[node.index()] = domain;
        if let Some(members) = self.members.get_mut(domain as usize) {
            members.push(node);
        }
        domain
    }

    /// A node went.
    pub(crate) fn node_left(&mut self, node: NodeId) {
        let Some(domain) = self.by_node.get_mut(node.index()) else { return };
        let domain = std::mem::replace(domain, NO_DOMAIN);
        if let Some(members) = self.members.get_mut(domain as usize) {
            let place =
                members.iter().rposition(|one| *one == node).expect("a member of its domain");
            members.swap_remove(place);
        }
    }
}
