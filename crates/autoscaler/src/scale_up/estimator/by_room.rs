//! Packing where only room tells new nodes apart: a node is a row of numbers, and neither nodes nor
//! pods are tried on the fork.

use plimsoll_core::catalog::PODS;
use plimsoll_core::ids::{FitId, NodeId, PodId, ResourceId};
use plimsoll_core::{Cluster, Fork, SimTime};
use rustc_hash::FxHashMap;

use super::{Estimate, NodeLimit, Order};
use crate::scale_up::equivalence::PodGroup;
use crate::scale_up::template::Template;

/// Packs groups, in this order, of whose pods [`Distinction::Room`] is said.
///
/// [`Distinction::Room`]: plimsoll_core::scheduling::Distinction::Room
pub(super) fn pack(
    fork: &mut Fork<'_>,
    order: &Order<'_>,
    template: &Template,
    limit: NodeLimit,
    now: SimTime,
) -> Estimate {
    let mut trial = fork.fork();
    let model = template.add(&mut trial, "e-0", now);
    let has_others = trial.node_count() > 1;
    let mut packing = RoomPacking::new(&trial, &order.groups, model, limit, has_others);
    let mut kinds: FxHashMap<FitId, Kind> = FxHashMap::default();
    for (group, is_multiplied) in order.each() {
        let fit = trial.catalog().fit_of(group.shape);
        let kind = kinds.entry(fit).or_insert_with(|| packing.kind(&trial, group, model));
        if is_multiplied {
            packing.pack_multiplied(group, kind);
        } else {
            packing.pack(group, kind);
        }
    }
    let nodes = u32::try_from(packing.holds_pods.iter().filter(|holds| **holds).count());
    Estimate { nodes: nodes.unwrap_or(u32::MAX), pods: packing.packed }
}

struct RoomPacking {
    /// What any of the pods ask for; pods themselves first.
    resources: Vec<ResourceId>,
    /// What a new node has left of each.
    of_new: Vec<i64>,
    /// The same of each new node, row by row.
    left: Vec<i64>,
    /// For each new node whether it got a pod.
    holds_pods: Vec<bool>,
    limit: NodeLimit,
    /// Where the search over the new nodes goes on.
    next_start: usize,
    /// The limit was reached: no new nodes for any later group.
    is_full: bool,
    packed: Vec<PodId>,
    /// The rows that the group in hand may still go to.
    open: Vec<usize>,
}

/// Pods that ask for the same.
struct Kind {
    /// By resource, as in [`RoomPacking::resources`].
    asks: Vec<i64>,
    /// Whether new nodes are of a kind that such a pod may go to at all.
    suits: bool,
    /// The rows before this one have no room for such a pod. Room never grows.
    exhausted: usize,
}

impl RoomPacking {
    fn new(
        cluster: &Cluster,
        groups: &[&PodGroup],
        model: NodeId,
        limit: NodeLimit,
        has_others: bool,
    ) -> RoomPacking {
        let catalog = cluster.catalog();
        let mut resources = vec![PODS];
        let mut last: Option<FitId> = None;
        for group in groups {
            let fit = catalog.fit_of(group.shape);
            if last.replace(fit) == Some(fit) {
                continue;
            }
            for (resource, _) in &catalog.fit(fit).requests {
                if !resources.contains(resource) {
                    resources.push(*resource);
                }
            }
        }
        let room = |resource: &ResourceId| {
            cluster.allocatable(model, *resource) - cluster.requested(model, *resource)
        };
        RoomPacking {
            of_new: resources.iter().map(room).collect(),
            resources,
            left: Vec::new(),
            holds_pods: Vec::new(),
            limit,
            next_start: first_start(has_others),
            is_full: false,
            packed: Vec::with_capacity(groups.iter().map(|group| group.pods.len()).sum()),
            open: Vec::new(),
        }
    }

    fn kind(&self, cluster: &Cluster, group: &PodGroup, model: NodeId) -> Kind {
        let catalog = cluster.catalog();
        let fit = catalog.fit(catalog.fit_of(group.shape));
        let asked = |resource: &ResourceId| match *resource {
            PODS => 1,
            other => fit.request(other),
        };
        Kind {
            asks: self.resources.iter().map(asked).collect(),
            suits: cluster.suits(group.shape, model),
            exhausted: 0,
        }
    }

    fn pack(&mut self, group: &PodGroup, kind: &mut Kind) {
        let mut placed = self.fill_in_turn(kind, group.pods.len());
        while placed < group.pods.len() {
            let wanted = group.pods.len() - placed;
            if let Some(newest) = self.holds_pods.len().checked_sub(1) {
                let count = self.count_fits(kind, newest).min(wanted);
                self.take(kind, newest, count);
                placed += count;
                if count == wanted || !self.holds_pods[newest] {
                    break;
                }
            }
            if self.is_full || !self.limit.permits(self.holds_pods.len()) {
                self.is_full = true;
                break;
            }
            self.add_node();
            if self.count_fits(kind, self.holds_pods.len() - 1) == 0 {
                break;
            }
        }
        self.packed.extend_from_slice(&group.pods[..placed]);
    }

    /// Packs the last group: what the nodes that are there do not take goes on nodes that each take
    /// as much as the first of them.
    fn pack_multiplied(&mut self, group: &PodGroup, kind: &mut Kind) {
        let mut placed = self.fill_in_turn(kind, group.pods.len());
        let mut of_each: Option<usize> = None;
        while placed < group.pods.len() && !self.is_full {
            if !self.limit.permits(self.holds_pods.len()) {
                self.is_full = true;
                break;
            }
            self.add_node();
            let newest = self.holds_pods.len() - 1;
            let most = *of_each.get_or_insert_with(|| self.count_fits(kind, newest));
            if most == 0 {
                break;
            }
            let count = most.min(group.pods.len() - placed);
            self.take(kind, newest, count);
            placed += count;
        }
        self.packed.extend_from_slice(&group.pods[..placed]);
    }

    fn add_node(&mut self) {
        self.holds_pods.push(false);
        self.left.extend_from_slice(&self.of_new);
    }

    /// Places up to `most` pods one by one, each on the next row, going round, that has room, until
    /// none has. Gives how many were placed.
    fn fill_in_turn(&mut self, kind: &mut Kind, most: usize) -> usize {
        let count = self.holds_pods.len();
        if count == 0 || !kind.suits {
            return 0;
        }
        let start = self.next_start % count;
        let turn = (start.max(kind.exhausted)..count).chain(kind.exhausted..start);
        let mut open = std::mem::take(&mut self.open);
        open.clear();
        open.extend(turn.filter(|row| self.has_room(kind, *row)));
        let mut placed = 0;
        while !open.is_empty() && placed < most {
            let round = open.len().min(most - placed);
            let mut kept = 0;
            for place in 0..round {
                let row = open[place];
                self.take(kind, row, 1);
                self.next_start = row + 1;
                if self.has_room(kind, row) {
                    open[kept] = row;
                    kept += 1;
                }
            }
            placed += round;
            if round == open.len() {
                open.truncate(kept);
            }
        }
        if open.is_empty() {
            kind.exhausted = count;
        }
        self.open = open;
        placed
    }

    #[inline]
    fn row(&self, row: usize) -> &[i64] {
        let width = self.resources.len();
        &self.left[row * width..(row + 1) * width]
    }

    #[inline]
    fn has_room(&self, kind: &Kind, row: usize) -> bool {
        self.row(row).iter().zip(&kind.asks).all(|(left, asked)| asked <= left || *asked == 0)
    }

    /// How many such pods a row takes, one after the other.
    fn count_fits(&self, kind: &Kind, row: usize) -> usize {
        if !kind.suits {
            return 0;
        }
        let asked = self.row(row).iter().zip(&kind.asks).filter(|(_, asked)| **asked > 0);
        let counts = asked.map(|(left, asked)| left.max(&0) / asked);
        usize::try_from(counts.min().unwrap_or(0)).unwrap_or(usize::MAX)
    }

    #[inline]
    fn take(&mut self, kind: &Kind, row: usize, count: usize) {
        if count == 0 {
            return;
        }
        let width = self.resources.len();
        let times = i64::try_from(count).expect("pods are few");
        for (left, asked) in self.left[row * width..].iter_mut().zip(&kind.asks) {
            *left -= asked * times;
        }
        self.holds_pods[row] = true;
    }
}

/// Where a search over the new nodes begins that nothing was found by before: upstream looks at the
/// second node of all first.
pub(super) fn first_start(has_others: bool) -> usize {
    usize::from(!has_others)
}
