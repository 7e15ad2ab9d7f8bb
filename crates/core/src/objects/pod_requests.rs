//! What a pod's containers ask for together.
//!
//! Source: `k8s.io/component-helpers/resource.PodRequests`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::FieldError;
use super::fields::{self, Fields, Read};
use crate::devices::is_extended_resource_name;
use crate::pod::{ContainerDeviceRequest, ResourceMap};
use crate::quantity::Quantity;

/// Exact amounts by resource name, before anything is rounded.
pub(super) type Amounts = BTreeMap<String, Quantity>;

/// A container without a cpu request counts as this many thousandths in scores.
///
/// Source: `k8s.io/kubernetes/pkg/scheduler/util.DefaultMilliCPURequest`.
const SCORING_CPU_MILLI: i64 = 100;
/// A container without a memory request counts as this many bytes in scores.
///
/// Source: `k8s.io/kubernetes/pkg/scheduler/util.DefaultMemoryRequest`.
const SCORING_MEMORY_BYTES: i64 = 200 * 1024 * 1024;

/// Whatever decides what a pod asks for.
#[derive(Debug, Default)]
pub(super) struct PodResources {
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    /// `spec.resources.requests`: for the whole pod, instead of its containers.
    pod_level: Amounts,
    overhead: Amounts,
}

#[derive(Debug)]
struct Container {
    /// An init container that runs on beside the others.
    is_sidecar: bool,
    requests: Amounts,
}

impl PodResources {
    /// Reads the resources off a pod's `spec`, with the resizes that its node has in hand.
    pub(super) fn read(spec: Fields<'_>, resizes: &Resizes) -> Read<PodResources> {
        let none = Resizes::default();
        let mut pod_level = spec
            .inside("resources", |fields| read_requests(fields, check_pod_level_name))?
            .unwrap_or_default();
        if let Some(given) = &resizes.given_to_pod {
            for (name, amount) in &mut pod_level {
                let given = given.get(name).copied().unwrap_or_default();
                *amount = if resizes.infeasible { given } else { given.max(*amount) };
            }
        }
        Ok(PodResources {
            containers: spec.items("containers", |value| read_container(value, resizes))?,
            init_containers: spec.items("initContainers", |value| {
                // One that runs to its end is not resized.
                let goes_on = is_sidecar(Fields::of(value)?)?;
                read_container(value, if goes_on { resizes } else { &none })
            })?,
            pod_level,
            overhead: spec.or_default("overhead", |value| {
                read_amounts(Fields::of(value)?, check_container_name)
            })?,
        })
    }

    /// What the pod needs of its node: cpu in thousandths, the rest in units, nothing that is 0.
    pub(super) fn requests(&self) -> ResourceMap {
        let mut map = resource_map(&self.exact_requests());
        map.retain(|_, amount| *amount != 0);
        map
    }

    /// What the first container alone asks for: (milli-CPU, bytes).
    pub(super) fn first_container_requests(&self) -> (i64, i64) {
        self.containers.first().map_or((0, 0), |one| cpu_and_memory(&one.requests))
    }

    /// What a claim for devices would request where devices stand for extended resources: a request
    /// for each container that runs on, and one for the container that needs most beyond those that
    /// start after it, of the ones that run to their end first.
    ///
    /// Source: `createRequestsAndMappings` of kube-scheduler's plugin DynamicResources.
    pub(super) fn extended_resource_requests(
        &self,
    ) -> BTreeMap<String, Vec<ContainerDeviceRequest>> {
        let containers: Vec<(&Container, bool)> = self
            .init_containers
            .iter()
            .map(|one| (one, one.is_sidecar))
            .chain(self.containers.iter().map(|one| (one, true)))
            .collect();
        let mut names: Vec<&String> = containers
            .iter()
            .flat_map(|(container, _)| container.requests.keys())
            .filter(|name| is_extended_resource_name(name))
            .collect();
        names.sort_unstable();
        names.dedup();
        let mut all = BTreeMap::new();
        for name in names {
            let wants = |index: usize| containers[index].0.device_request(index, name);
            let lasting: Vec<Option<ContainerDeviceRequest>> = (0..containers.len())
                .map(|index| if containers[index].1 { wants(index) } else { None })
                .collect();
            let mut largest: Option<ContainerDeviceRequest> = None;
            for index in (0..containers.len()).filter(|index| !containers[*index].1) {
                let Some(mut request) = wants(index) else { continue };
                // What later containers need is free while this one runs.
                let free: i64 = lasting[index..].iter().flatten().map(|one| one.count).sum();
                request.count -= free;
                let most = largest.as_ref().map_or(0, |one| one.count);
                if request.count > most {
                    largest = Some(request);
                }
            }
            let requests: Vec<_> =
                largest.into_iter().chain(lasting.into_iter().flatten()).collect();
            if !requests.is_empty() {
                all.insert(name.clone(), requests);
            }
        }
        all
    }

    /// What the pod asks for, exactly, zeros included.
    pub(super) fn exact_requests(&self) -> Amounts {
        self.total(&Amounts::new(), &self.pod_level)
    }

    /// The same for scores, where a container that asks for no cpu or memory counts as a small one:
    /// (milli-CPU, bytes).
    ///
    /// This is for a pod that is to be placed, of which upstream's NodeResourcesFit overlooks what it
    /// asks for as a whole.
    pub(super) fn scoring_requests(&self) -> (i64, i64) {
        cpu_and_memory(&self.total(&scoring_defaults(), &Amounts::new()))
    }

    /// What counts once the pod is on a node, if it asks for something as a whole: then the defaults
    /// hold only for a resource that it asks for nowhere.
    pub(super) fn placed_scoring_requests(&self) -> Option<(i64, i64)> {
        if self.pod_level.is_empty() {
            return None;
        }
        let mut defaults = scoring_defaults();
        let asked = self.exact_requests();
        defaults.retain(|resource, _| !asked.contains_key(resource));
        Some(cpu_and_memory(&self.total(&defaults, &self.pod_level)))
    }

    /// The larger of all containers running and of each init container with the sidecars started
    /// before it; pod-level requests replace that by resource; then the overhead.
    fn total(&self, defaults: &Amounts, pod_level: &Amounts) -> Amounts {
        let mut running = Amounts::new();
        for container in &self.containers {
            add(&mut running, &container.requests_or(defaults));
        }
        let mut sidecars = Amounts::new();
        let mut starting = Amounts::new();
        for container in &self.init_containers {
            let mut step = container.requests_or(defaults);
            if container.is_sidecar {
                add(&mut running, &step);
                add(&mut sidecars, &step);
                raise(&mut starting, &sidecars);
            } else {
                add(&mut step, &sidecars);
                raise(&mut starting, &step);
            }
        }
        raise(&mut running, &starting);
        running.extend(pod_level.iter().map(|(name, amount)| (name.clone(), *amount)));
        add(&mut running, &self.overhead);
        running
    }
}

/// What a container without a request counts as in scores.
fn scoring_defaults() -> Amounts {
    Amounts::from([
        ("cpu".to_owned(), Quantity::from_milli(SCORING_CPU_MILLI)),
        ("memory".to_owned(), Quantity::from_bytes(SCORING_MEMORY_BYTES)),
    ])
}

fn cpu_and_memory(amounts: &Amounts) -> (i64, i64) {
    let amount = |resource: &str| amounts.get(resource).copied().unwrap_or_default();
    (amount("cpu").ceil_milli(), amount("memory").ceil_units())
}

impl Container {
    /// The request for as many devices as this container, the `index`-th of the pod, asks for.
    fn device_request(&self, index: usize, resource: &str) -> Option<ContainerDeviceRequest> {
        let count = self.requests.get(resource)?.whole_units().filter(|count| *count != 0)?;
        let position = self.requests.keys().position(|name| name == resource)?;
        Some(ContainerDeviceRequest {
            request: format!("container-{index}-request-{position}"),
            count,
        })
    }

    fn requests_or(&self, defaults: &Amounts) -> Amounts {
        let mut requests = defaults.clone();
        requests.extend(self.requests.iter().map(|(name, amount)| (name.clone(), *amount)));
        requests
    }
}

/// Adds `more`, resource by resource.
fn add(amounts: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = amounts.entry(name.clone()).or_default();
        *sum = *sum + *amount;
    }
}

/// Raises each resource to at least `least`.
fn raise(amounts: &mut Amounts, least: &Amounts) {
    for (name, amount) in least {
        let highest = amounts.entry(name.clone()).or_default();
        *highest = (*highest).max(*amount);
    }
}

/// Amounts in the integers that decisions use: cpu in thousandths, the rest in units, rounded up.
pub(super) fn resource_map(amounts: &Amounts) -> ResourceMap {
    amounts
        .iter()
        .map(|(name, amount)| {
            let whole = if name == "cpu" { amount.ceil_milli() } else { amount.ceil_units() };
            (name.clone(), whole)
        })
        .collect()
}

/// In-place resizes of a running pod's containers.
#[derive(Debug, Default)]
pub(super) struct Resizes {
    /// The node cannot give what the spec now asks for: the spec does not count.
    infeasible: bool,
    /// What each container has been given, by its name.
    given: BTreeMap<String, Amounts>,
    /// What the pod as a whole has been given; `None` where the kubelet does not say.
    given_to_pod: Option<Amounts>,
}

impl Resizes {
    /// Reads the `status` of a pod on a node.
    pub(super) fn read(status: Fields<'_>) -> Read<Resizes> {
        let infeasible = status.items("conditions", |value| {
            let fields = Fields::of(value)?;
            let is_pending = fields.or_default("type", fields::text)? == "PodResizePending";
            Ok(is_pending && fields.or_default("reason", fields::text)? == "Infeasible")
        })?;
        let mut given = BTreeMap::new();
        for list in ["containerStatuses", "initContainerStatuses"] {
            given.extend(status.items(list, read_status)?.into_iter().flatten());
        }
        Ok(Resizes {
            infeasible: infeasible.contains(&true),
            given,
            given_to_pod: read_given(status)?,
        })
    }
}

/// The name of a container and what it has been given; `None` when the kubelet does not say.
fn read_status(value: &Value) -> Read<Option<(String, Amounts)>> {
    let fields = Fields::of(value)?;
    let name = fields.required("name", fields::text)?;
    Ok(read_given(fields)?.map(|given| (name, given)))
}

/// What a status says was given: what is in force or was promised, whichever is more.
fn read_given(status: Fields<'_>) -> Read<Option<Amounts>> {
    let actual = status.inside("resources", |resources| {
        resources.or_default("requests", |one| read_amounts(Fields::of(one)?, accept_name))
    })?;
    let allocated = status
        .or_default("allocatedResources", |one| read_amounts(Fields::of(one)?, accept_name))?;
    Ok(actual.map(|mut given| {
        raise(&mut given, &allocated);
        given
    }))
}

fn read_container(value: &Value, resizes: &Resizes) -> Read<Container> {
    let fields = Fields::of(value)?;
    let name = fields.required("name", fields::name)?;
    let mut requests = fields
        .inside("resources", |resources| read_requests(resources, check_container_name))?
        .unwrap_or_default();
    if let Some(given) = resizes.given.get(&name) {
        if resizes.infeasible {
            requests.clear();
        }
        raise(&mut requests, given);
    }
    Ok(Container { is_sidecar: is_sidecar(fields)?, requests })
}

/// Whether an init container runs on beside the others.
pub(super) fn is_sidecar(container: Fields<'_>) -> Read<bool> {
    Ok(container.or_default("restartPolicy", fields::text)? == "Always")
}

/// Reads `requests`, checked against `limits`.
fn read_requests(resources: Fields<'_>, check_name: fn(&str) -> Read<()>) -> Read<Amounts> {
    let limits =
        resources.or_default("limits", |value| read_amounts(Fields::of(value)?, check_name))?;
    resources.or_default("requests", |value| {
        let requests = read_amounts(Fields::of(value)?, check_name)?;
        for (name, amount) in &requests {
            if let Some(limit) = limits.get(name).filter(|limit| amount > limit) {
                let message = format!("expected at most the limit of {limit}, found {amount}");
                return Err(FieldError::here(message).within(name));
            }
        }
        Ok(requests)
    })
}

/// Reads quantities by resource name; none may be negative.
pub(super) fn read_amounts(fields: Fields<'_>, check_name: fn(&str) -> Read<()>) -> Read<Amounts> {
    for name in fields.names() {
        check_name(name).map_err(|error| error.within(name))?;
    }
    fields.every(|value| {
        let amount = fields::quantity(value)?;
        if amount.is_negative() {
            return Err(FieldError::here(format!("expected 0 or more, found {amount}")));
        }
        Ok(amount)
    })
}

/// Takes any resource name: of nodes and statuses.
#[expect(clippy::unnecessary_wraps, reason = "one of several checks behind a function pointer")]
pub(super) fn accept_name(_: &str) -> Read<()> {
    Ok(())
}

/// A resource that containers can ask for.
fn check_container_name(name: &str) -> Read<()> {
    let native = ["cpu", "memory", "ephemeral-storage"].contains(&name);
    if native || name.starts_with("hugepages-") || name.contains('/') {
        return Ok(());
    }
    Err(FieldError::here(
        "expected cpu, memory, ephemeral-storage, hugepages-<size> or a name with a domain such as \
         nvidia.com/gpu",
    ))
}

/// A resource that a pod can ask for as a whole.
fn check_pod_level_name(name: &str) -> Read<()> {
    if ["cpu", "memory"].contains(&name) || name.starts_with("hugepages-") {
        return Ok(());
    }
    Err(FieldError::here("expected cpu, memory or hugepages-<size> for the pod as a whole"))
}
