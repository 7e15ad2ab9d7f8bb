//! What the scheduler asks of the devices, point by point of its framework.
//!
//! [`Devices::gate`], then once a pod [`Devices::pre_filter`], for each node [`Devices::filter`]
//! (whose result carries the score), for the node chosen [`Devices::reserve`]; [`Devices::release`]
//! when the pod is gone. Nothing here depends on other pods than through claims.
//!
//! Source: `dynamicresources.go` of kube-scheduler 1.36.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::allocator::{self, Ground, NotFound, Query, Wish};
use super::capacity::Amounts;
use super::claim::{
    Allocation, ClaimSpec, Consumer, DeviceRequest, MAX_ALTERNATIVES, MAX_CLAIM_USERS,
    ResourceClaimObject, Wanted,
};
use super::claims::{Claim, ClaimId, DevicesUndo};
use super::constraints::Picking;
use super::extended;
use super::inventory::DeviceId;
use super::pools::NodeView;
use super::selector::SelectorId;
use super::{Devices, is_extended_resource_name};
use crate::pod::{ClaimSource, ControllerRef, MadeClaim, PodResourceClaim, PodSpec};
use crate::scheduling::Refusal;
use crate::scheduling::profile::{DynamicResourcesArguments, Plugin};
use crate::time::SimTime;

/// What a pod without claims adds to the text about preemption.
pub const NOTHING_TO_DEALLOCATE: &str = "no new claims to deallocate";

/// Which pod is asked about, beyond its spec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodIdentity<'a> {
    /// The name in the spec's namespace; empty for a pod that is only thought of.
    pub name: &'a str,
    /// The uid.
    pub uid: &'a str,
}

/// What [`Devices::pre_filter`] found.
#[derive(Clone, Debug)]
pub enum PreFilter {
    /// The pod needs no devices: filters are skipped, the score is 0 everywhere.
    Skip,
    /// No node will do.
    Refused(Refusal),
    /// Every node is to be asked.
    Ask(DeviceCycle),
}

/// What one pod wants of every node. Valid while the devices do not change.
#[derive(Clone, Debug)]
pub struct DeviceCycle {
    /// The pod's claims in the order of its spec.
    claims: Vec<ClaimId>,
    /// By claim: its devices will never be ready, or were not in time.
    has_failed_binding: Vec<bool>,
    /// Whether claims (the one for extended resources counts) are to be given devices.
    allocates: bool,
    extended: Option<ExtendedWish>,
}

/// What is known of the extended resources that a pod asks for, before any node.
#[derive(Clone, Debug)]
struct ExtendedWish {
    /// A claim for them is left over from an earlier attempt.
    stale: Option<ClaimId>,
    /// Each resource and the class that stands for it, if one does.
    resources: Vec<(String, Option<String>)>,
}

/// What a node would give to a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeAllocation {
    /// For every claim without devices, in order.
    given: Vec<(ClaimId, Allocation, Vec<DeviceId>)>,
    /// For extended resources.
    extended: Option<(ClaimSpec, Allocation, Vec<DeviceId>)>,
    /// The node's score before it is normalised: 8 for each request whose first alternative is
    /// given, 7 for the second, and so on.
    pub score: i64,
}

/// Why a node, or every node, is refused. No refusal of this plugin goes away when pods do, so
/// preemption is never tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRefusal {
    /// The reason.
    pub refusal: Refusal,
    /// Upstream ends the whole attempt with an error: something is wrong with a claim, a class or
    /// a slice. The pod is tried again later.
    pub is_error: bool,
    /// Claims, by their position in the pod, whose devices are out of reach on this node.
    pub unavailable_claims: Vec<usize>,
}

/// What is done for a pod that fits nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostFilter {
    /// The text.
    pub message: &'static str,
    /// A claim to be deallocated ([`Devices::deallocate`]), so that it can be given other devices.
    pub deallocate: Option<ClaimId>,
}

impl PreFilter {
    fn refused(reason: String) -> PreFilter {
        PreFilter::Refused(Refusal::of_pod(Plugin::DynamicResources, reason))
    }
}

impl<'a> PodIdentity<'a> {
    /// As the controller of an object.
    #[must_use]
    pub fn as_controller(self) -> ControllerRef {
        ControllerRef {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: self.name.to_owned(),
            uid: self.uid.to_owned(),
        }
    }

    pub(super) fn as_consumer(self) -> Consumer {
        Consumer {
            resource: "pods".to_owned(),
            name: self.name.to_owned(),
            uid: self.uid.to_owned(),
        }
    }

    pub(super) fn is(self, consumer: &Consumer) -> bool {
        consumer.uid == self.uid && (!self.uid.is_empty() || consumer.name == self.name)
    }
}

impl NodeRefusal {
    fn because(reason: impl Into<Cow<'static, str>>) -> NodeRefusal {
        let refusal = Refusal::unresolvable(Plugin::DynamicResources, reason);
        NodeRefusal { refusal, is_error: false, unavailable_claims: Vec::new() }
    }
}

impl Devices {
    /// PreEnqueue: why the pod is not even tried, if one of its claims is not there for it.
    #[must_use]
    pub fn gate(&self, pod: &PodSpec) -> Option<Refusal> {
        let reason =
            pod.resource_claims.iter().find_map(|claim| self.claim_of(pod, claim).err())?;
        Some(Refusal::of_pod(Plugin::DynamicResources, reason))
    }

    /// The claim that a pod's entry means; `None` when it does without.
    pub(super) fn claim_of(
        &self,
        pod: &PodSpec,
        claim: &PodResourceClaim,
    ) -> Result<Option<ClaimId>, String> {
        let namespace = &pod.namespace;
        let (name, owner) = match &claim.source {
            ClaimSource::Claim(name) => (name, None),
            ClaimSource::Template { made: MadeClaim::NotNeeded, .. } => return Ok(None),
            ClaimSource::Template { made: MadeClaim::NotYet, pod_name, .. } => {
                let message = "ResourceClaim not created yet";
                return Err(format!("pod \"{namespace}/{pod_name}\": {message}"));
            }
            ClaimSource::Template { made: MadeClaim::Claim(name), pod_name, pod_uid, .. } => {
                (name, Some((pod_name, pod_uid)))
            }
        };
        let Some(id) = self.claims.find(namespace, name) else {
            return Err(format!("could not find ResourceClaim \"{namespace}/{name}\""));
        };
        let object = &self.claims.get(id).object;
        if object.is_being_deleted {
            return Err(format!("resourceclaim {name:?} is being deleted"));
        }
        match owner {
            Some((pod_name, pod_uid)) if !object.is_controlled_by(pod_uid) => Err(format!(
                "ResourceClaim {namespace}/{name} was not created for Pod {namespace}/{pod_name} \
                 (Pod is not owner)"
            )),
            _ => Ok(Some(id)),
        }
    }

    /// PreFilter: what the pod wants of every node, or why no node will do.
    #[must_use]
    pub fn pre_filter(
        &self,
        pod: &PodSpec,
        identity: PodIdentity<'_>,
        now: SimTime,
        arguments: DynamicResourcesArguments,
    ) -> PreFilter {
        let mut claims = Vec::with_capacity(pod.resource_claims.len());
        for claim in &pod.resource_claims {
            match self.claim_of(pod, claim) {
                Ok(Some(id)) => claims.push(id),
                Ok(None) => {}
                Err(reason) => return PreFilter::refused(reason),
            }
        }
        let extended = self.extended_wish(pod, identity);
        if claims.is_empty() && extended.is_none() {
            return PreFilter::Skip;
        }
        let mut allocates = extended.is_some();
        let mut has_failed_binding = Vec::with_capacity(claims.len());
        for id in &claims {
            let status = &self.claims.get(*id).object.status;
            has_failed_binding.push(status.has_failed_binding(now, arguments.binding_timeout));
            let is_full = status.reserved_for.len() >= MAX_CLAIM_USERS;
            if is_full
                && status.allocation.is_some()
                && !status.reserved_for.iter().any(|one| identity.is(one))
            {
                return PreFilter::refused("resourceclaim in use".to_owned());
            }
            if status.allocation.is_none() {
                allocates = true;
                if let Some(reason) = self.missing_class(&self.claims.get(*id).object) {
                    return PreFilter::refused(reason);
                }
            }
        }
        PreFilter::Ask(DeviceCycle { claims, has_failed_binding, allocates, extended })
    }

    /// The refusal of a claim that names a class that is not there.
    fn missing_class(&self, claim: &ResourceClaimObject) -> Option<String> {
        claim.spec.requests.iter().find_map(|request| {
            request.queries().find_map(|(alternative, query)| {
                let class = &query.device_class_name;
                if self.classes.contains_key(class) {
                    return None;
                }
                let name = qualified(request, alternative);
                Some(format!("request {name}: device class {class} does not exist"))
            })
        })
    }

    /// The extended resources of the pod, if devices stand for any of them.
    fn extended_wish(&self, pod: &PodSpec, identity: PodIdentity<'_>) -> Option<ExtendedWish> {
        if self.classes.is_empty() {
            return None;
        }
        let resources: Vec<(String, Option<String>)> = pod
            .requests
            .keys()
            .filter(|resource| is_extended_resource_name(resource))
            .map(|resource| {
                let class = self.extended.class_of(resource).map(str::to_owned);
                (resource.clone(), class)
            })
            .collect();
        if resources.iter().all(|(_, class)| class.is_none()) {
            return None;
        }
        let stale = self.claims.for_extended(&pod.namespace, identity.name).filter(|id| {
            let object = &self.claims.get(*id).object;
            object.is_controlled_by(identity.uid) && !object.spec.requests.is_empty()
        });
        Some(ExtendedWish { stale, resources })
    }

    /// Filter: what this node would give to the pod.
    ///
    /// # Errors
    /// Why it can give nothing.
    pub fn filter(
        &self,
        pod: &PodSpec,
        cycle: &DeviceCycle,
        node: &NodeView<'_>,
    ) -> Result<NodeAllocation, NodeRefusal> {
        let extended = match &cycle.extended {
            None => None,
            Some(wish) => {
                let spec = wish.on_node(pod, node).map_err(NodeRefusal::because)?;
                if cycle.claims.is_empty() && spec.is_none() {
                    return Ok(NodeAllocation::default());
                }
                spec
            }
        };
        let unavailable = self.unavailable_claims(cycle, node);
        let mut allocation = NodeAllocation::default();
        if cycle.allocates {
            allocation = self.allocate(pod, cycle, extended, node)?;
        }
        if !unavailable.is_empty() {
            return Err(NodeRefusal {
                unavailable_claims: unavailable,
                ..NodeRefusal::because("resourceclaim not available on the node")
            });
        }
        Ok(allocation)
    }

    /// The claims, by position, whose devices cannot be used on the node.
    fn unavailable_claims(&self, cycle: &DeviceCycle, node: &NodeView<'_>) -> Vec<usize> {
        let is_out_of_reach = |id: ClaimId| {
            let status = &self.claims.get(id).object.status;
            let terms = status.allocation.as_ref().and_then(|one| one.node_selector.as_ref());
            terms.is_some_and(|terms| {
                !terms.iter().any(|term| term.matches(node.name, |key| (node.label)(key)))
            })
        };
        (0..cycle.claims.len())
            .filter(|index| {
                is_out_of_reach(cycle.claims[*index]) || cycle.has_failed_binding[*index]
            })
            .collect()
    }

    /// Searches devices for all claims that have none.
    fn allocate(
        &self,
        pod: &PodSpec,
        cycle: &DeviceCycle,
        extended: Option<ClaimSpec>,
        node: &NodeView<'_>,
    ) -> Result<NodeAllocation, NodeRefusal> {
        let waiting: Vec<ClaimId> = cycle
            .claims
            .iter()
            .copied()
            .filter(|id| self.claims.get(*id).object.status.allocation.is_none())
            .collect();
        let mut names: Vec<String> =
            waiting.iter().map(|id| self.claims.get(*id).object.full_name()).collect();
        names.push(format!("{}/<extended-resources>", pod.namespace));
        let mut wishes = Vec::with_capacity(names.len());
        for (id, name) in waiting.iter().zip(&names) {
            wishes.push(self.wish_of(self.claims.get(*id), name)?);
        }
        if let (Some(spec), Some(name)) = (&extended, names.last()) {
            wishes.push(self.wish(name, spec, &[])?);
        }
        let ground =
            Ground { inventory: &self.inventory, selectors: &self.selectors, uses: &self.uses };
        let found = allocator::allocate(ground, node, &wishes).map_err(NodeRefusal::from)?;
        let mut results = found.iter().map(|given| {
            let held: Vec<DeviceId> = given.iter().map(allocator::Given::id).collect();
            (allocator::allocation(given, &self.inventory, node.name), held)
        });
        let mut given = Vec::with_capacity(waiting.len());
        for (id, (allocation, held)) in waiting.iter().zip(results.by_ref()) {
            given.push((*id, allocation, held));
        }
        let of_extended = results.next();
        let score = self.score(cycle, &given);
        let extended = extended.zip(of_extended).map(|(spec, (one, held))| (spec, one, held));
        Ok(NodeAllocation { given, extended, score })
    }

    fn wish_of<'a>(&'a self, claim: &'a Claim, name: &'a str) -> Result<Wish<'a>, NodeRefusal> {
        self.wish(name, &claim.object.spec, &claim.selectors)
    }

    /// What a claim wants, as the allocator takes it. `selectors` may be left out where there are none.
    fn wish<'a>(
        &'a self,
        claim: &'a str,
        spec: &'a ClaimSpec,
        selectors: &'a [Vec<Vec<SelectorId>>],
    ) -> Result<Wish<'a>, NodeRefusal> {
        let mut requests = Vec::with_capacity(spec.requests.len());
        for (index, request) in spec.requests.iter().enumerate() {
            let mut alternatives = Vec::new();
            for (position, (alternative, query)) in request.queries().enumerate() {
                let Some(class) = self.classes.get(&query.device_class_name) else {
                    return Err(NodeRefusal {
                        is_error: true,
                        ..NodeRefusal::because(format!(
                            "claim {claim}, request {}: could not retrieve device class {}",
                            alternative.unwrap_or(&request.name),
                            query.device_class_name
                        ))
                    });
                };
                let capacity: &Amounts = &query.capacity;
                alternatives.push(Query {
                    names: Picking { request: &request.name, alternative },
                    class: &class.object.name,
                    class_selectors: &class.selectors,
                    selectors: selectors.get(index).map_or(&[], |one| &one[position]),
                    count: query.count,
                    admin_access: query.admin_access,
                    tolerations: &query.tolerations,
                    capacity,
                });
            }
            requests.push(alternatives);
        }
        Ok(Wish { claim, requests, constraints: &spec.constraints })
    }

    /// Score: how early in their lists the alternatives given are. Claims that had their devices
    /// before count as well.
    fn score(&self, cycle: &DeviceCycle, given: &[(ClaimId, Allocation, Vec<DeviceId>)]) -> i64 {
        cycle
            .claims
            .iter()
            .map(|id| {
                let object = &self.claims.get(*id).object;
                let new = given.iter().find(|(one, _, _)| one == id).map(|(_, one, _)| one);
                let allocation = object.status.allocation.as_ref().or(new);
                allocation.map_or(0, |one| score_of(&object.spec, one))
            })
            .sum()
    }

    /// Reserve: gives the pod what [`Devices::filter`] found for its node, and notes it as a user of
    /// its claims.
    pub fn reserve(
        &mut self,
        pod: &PodSpec,
        identity: PodIdentity<'_>,
        cycle: &DeviceCycle,
        allocation: NodeAllocation,
    ) -> DevicesUndo {
        let mut undo = DevicesUndo::nothing();
        for (id, allocation, held) in allocation.given {
            undo = undo.and(self.set_allocation(id, allocation, held));
        }
        for id in &cycle.claims {
            let reserved_for = &self.claims.get(*id).object.status.reserved_for;
            if !reserved_for.iter().any(|one| identity.is(one)) {
                let mut consumers = reserved_for.clone();
                consumers.push(identity.as_consumer());
                undo = undo.and(self.set_reserved_for(*id, consumers));
            }
        }
        if let Some((spec, allocation, _)) = allocation.extended
            && !spec.requests.is_empty()
        {
            undo = undo.and(self.add_claim_for_extended(pod, identity, spec, allocation));
        }
        undo
    }

    /// Makes the claim for a pod's extended resources, its devices given.
    fn add_claim_for_extended(
        &mut self,
        pod: &PodSpec,
        identity: PodIdentity<'_>,
        spec: ClaimSpec,
        allocation: Allocation,
    ) -> DevicesUndo {
        let mut object = ResourceClaimObject {
            name: format!("{}-extended-resources", identity.name),
            namespace: pod.namespace.clone(),
            controller: Some(identity.as_controller()),
            is_for_extended_resources: true,
            spec,
            ..ResourceClaimObject::default()
        };
        object.status.allocation = Some(allocation);
        object.status.reserved_for.push(identity.as_consumer());
        // Upstream draws a random end; a number that is free does as well and is the same each time.
        let base = object.name.clone();
        let mut number = 1;
        while self.claims.find(&object.namespace, &object.name).is_some() {
            object.name = format!("{base}-{number}");
            number += 1;
        }
        self.insert_claim(object)
    }

    /// What happens to claims when a pod that used them is gone: those made for it go with it, the
    /// others lose a user, and their devices when that was the last.
    ///
    /// Source: the garbage collector and `k8s.io/kubernetes/pkg/controller/resourceclaim`.
    pub fn release(&mut self, pod: &PodSpec, identity: PodIdentity<'_>) -> DevicesUndo {
        let mut undo = DevicesUndo::nothing();
        if self.claims.is_empty() {
            return undo;
        }
        for claim in &pod.resource_claims {
            let Ok(Some(id)) = self.claim_of(pod, claim) else { continue };
            if matches!(claim.source, ClaimSource::Template { .. }) {
                undo = undo.and(self.remove_claim(id));
                continue;
            }
            let before = &self.claims.get(id).object.status.reserved_for;
            let mut consumers = before.clone();
            consumers.retain(|one| !identity.is(one));
            if consumers.len() < before.len() {
                undo = undo.and(match consumers.is_empty() {
                    true => self.deallocate(id),
                    false => self.set_reserved_for(id, consumers),
                });
            }
        }
        if let Some(id) = self.claims.for_extended(&pod.namespace, identity.name)
            && self.claims.get(id).object.is_controlled_by(identity.uid)
        {
            undo = undo.and(self.remove_claim(id));
        }
        undo
    }

    /// PostFilter: what is done for a pod that no node takes. `cycle`: what [`Devices::pre_filter`]
    /// found; `None` when it, or a filter before it, refused the pod as a whole. `unavailable`: the
    /// claims that some node named in its refusal. Upstream deallocates any one of those; this takes
    /// the first.
    #[must_use]
    pub fn post_filter(
        &self,
        identity: PodIdentity<'_>,
        cycle: Option<&DeviceCycle>,
        unavailable: &BTreeSet<usize>,
    ) -> PostFilter {
        let Some(cycle) = cycle else {
            return PostFilter { message: NOTHING_TO_DEALLOCATE, deallocate: None };
        };
        for index in unavailable {
            let Some(id) = cycle.claims.get(*index).copied() else { continue };
            let users = &self.claims.get(id).object.status.reserved_for;
            if users.is_empty() || matches!(users.as_slice(), [one] if identity.is(one)) {
                let message = "deallocation of ResourceClaim completed";
                return PostFilter { message, deallocate: Some(id) };
            }
        }
        if cycle.extended.as_ref().is_some_and(|wish| wish.stale.is_some()) {
            return PostFilter { message: "deletion of ResourceClaim completed", deallocate: None };
        }
        PostFilter { message: "still not schedulable", deallocate: None }
    }
}

impl ExtendedWish {
    /// The claim for what this node does not have itself; `None` when it has everything.
    fn on_node(
        &self,
        pod: &PodSpec,
        node: &NodeView<'_>,
    ) -> Result<Option<ClaimSpec>, &'static str> {
        if self.stale.is_some() {
            return Err("cannot schedule extended resource claim");
        }
        let mut by_devices: Vec<(&str, &str)> = Vec::new();
        for (resource, class) in &self.resources {
            match ((node.allocatable)(resource), class) {
                (None | Some(0), Some(class)) => by_devices.push((resource, class)),
                (None, None) => return Err("cannot fit resource"),
                _ => {}
            }
        }
        Ok((!by_devices.is_empty()).then(|| extended::claim_spec(pod, &by_devices)))
    }
}

impl From<NotFound> for NodeRefusal {
    fn from(found: NotFound) -> NodeRefusal {
        match found {
            NotFound::NoWay => NodeRefusal::because("cannot allocate all claims"),
            NotFound::OnNode(reason) => NodeRefusal::because(reason),
            NotFound::Failed(reason) => {
                NodeRefusal { is_error: true, ..NodeRefusal::because(reason) }
            }
        }
    }
}

/// `request`, or `request/alternative`.
fn qualified(request: &DeviceRequest, alternative: Option<&str>) -> String {
    match alternative {
        None => request.name.clone(),
        Some(alternative) => format!("{}/{alternative}", request.name),
    }
}

fn score_of(spec: &ClaimSpec, allocation: &Allocation) -> i64 {
    let mut score = 0;
    for request in &spec.requests {
        let Wanted::FirstAvailable(alternatives) = &request.wanted else { continue };
        for (index, (name, _)) in alternatives.iter().enumerate() {
            let reference = qualified(request, Some(name));
            if allocation.results.iter().any(|one| *one.request == *reference) {
                score += i64::try_from(MAX_ALTERNATIVES - index.min(MAX_ALTERNATIVES)).unwrap_or(0);
            }
        }
    }
    score
}

/// Normalises scores to 0–100, the best node's to 100; all are 0 when no request has alternatives.
pub fn normalise(scores: &mut [i64]) {
    /// The highest score that a plugin may give.
    const MAX_SCORE: i64 = 100;
    let Some(best) = scores.iter().copied().max().filter(|best| *best > 0) else { return };
    for score in scores {
        *score = *score * MAX_SCORE / best;
    }
}
