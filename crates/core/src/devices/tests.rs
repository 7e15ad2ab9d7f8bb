//! What devices are given, to whom, and why not: one rule a test.

mod lifecycle;
mod nodes;
mod requests;
mod sharing;
mod topology;

use serde_json::{Value, json};

use super::*;
use crate::objects::{Origin, Snapshot};
use crate::pod::PodObject;
use crate::scheduling::Refusal;
use crate::scheduling::profile::DynamicResourcesArguments;
use crate::time::SimTime;

/// The time of all tests.
const NOW: SimTime = SimTime(1_000_000_000);

/// A cluster of a few objects.
struct Lab {
    devices: Devices,
    snapshot: Snapshot,
}

impl Lab {
    fn new(items: &[Value]) -> Lab {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        let values = std::iter::once((list, Origin::default()));
        let (snapshot, _) = Snapshot::from_values(values).expect("valid objects");
        Lab { devices: Devices::new(snapshot.devices.clone()), snapshot }
    }

    /// The class `gpu` of all devices, a node `n1`, these objects, and for each claim among them a
    /// pod of its name that uses it.
    fn with_gpus(items: &[Value]) -> Lab {
        let mut all = vec![class("gpu"), node("n1", "a"), node("n2", "b")];
        all.extend_from_slice(items);
        let claims = items.iter().filter(|item| item["kind"] == "ResourceClaim");
        all.extend(claims.map(|claim| {
            let name = claim["metadata"]["name"].as_str().expect("claims have names");
            pod(name, &json!([{"name": "c", "resourceClaimName": name}]))
        }));
        Lab::new(&all)
    }

    fn pod(&self, name: &str) -> &PodObject {
        self.snapshot.pods.iter().find(|pod| pod.name == name).expect("the pod is there")
    }

    fn identity<'a>(pod: &'a PodObject) -> PodIdentity<'a> {
        PodIdentity { name: &pod.name, uid: &pod.uid }
    }

    fn cycle(&self, pod: &PodObject) -> Result<Option<DeviceCycle>, Refusal> {
        let arguments = DynamicResourcesArguments::default();
        match self.devices.pre_filter(&pod.spec, Lab::identity(pod), NOW, arguments) {
            PreFilter::Skip => Ok(None),
            PreFilter::Refused(refusal) => Err(refusal),
            PreFilter::Ask(cycle) => Ok(Some(cycle)),
        }
    }

    fn filter(&self, pod: &PodObject, node: &str) -> Result<NodeAllocation, NodeRefusal> {
        let cycle = self.cycle(pod).expect("the pod is not refused as a whole");
        let Some(cycle) = cycle else { return Ok(NodeAllocation::default()) };
        let node = self.snapshot.nodes.iter().find(|one| one.name == node).expect("a known node");
        let view = NodeView {
            name: &node.name,
            label: &|key| node.spec.labels.get(key).map(String::as_str),
            allocatable: &|resource| node.spec.allocatable.get(resource).copied(),
        };
        self.devices.filter(&pod.spec, &cycle, &view)
    }

    /// What the node gives to the pod (`request=pool/device`, claim by claim), or its refusal.
    fn answer(&self, pod: &str, node: &str) -> String {
        let pod = self.pod(pod);
        let mut after = self.devices.clone();
        let allocation = match self.filter(pod, node) {
            Ok(allocation) => allocation,
            Err(refusal) if refusal.is_error => return format!("error: {}", refusal.refusal),
            Err(refusal) => return refusal.refusal.to_string(),
        };
        let Ok(Some(cycle)) = self.cycle(pod) else { return "nothing wanted".to_owned() };
        let digest = digest(&self.devices);
        let undo = after.reserve(&pod.spec, Lab::identity(pod), &cycle, allocation);
        let mut given = Vec::new();
        for claim in after.claims() {
            let users = &claim.status.reserved_for;
            let Some(allocation) = &claim.status.allocation else { continue };
            if users.iter().any(|user| user.uid == pod.uid) {
                given.extend(allocation.results.iter().map(shown));
            }
        }
        after.undo(undo);
        assert_eq!(super::tests::digest(&after), digest, "undoing leaves no trace");
        given.join(" ")
    }

    /// Binds the pod: what [`Lab::answer`] says is given from now on.
    fn bind(&mut self, pod: &str, node: &str) -> DevicesUndo {
        let pod = self.pod(pod).clone();
        let allocation = self.filter(&pod, node).expect("the pod fits the node");
        let cycle = self.cycle(&pod).expect("the pod fits").expect("the pod wants devices");
        self.devices.reserve(&pod.spec, Lab::identity(&pod), &cycle, allocation)
    }
}

fn shown(result: &claim::AllocatedDevice) -> String {
    let amounts = result.consumed_capacity.iter().flatten();
    let amounts: String = amounts.map(|(name, amount)| format!("[{name}={amount}]")).collect();
    let admin = if result.admin_access { "(admin)" } else { "" };
    format!("{}={}/{}{amounts}{admin}", result.request, result.pool, result.device)
}

fn digest(devices: &Devices) -> u64 {
    let mut hasher = rustc_hash::FxHasher::default();
    devices.hash_into(&mut hasher);
    let held = format!("{:?}", devices.claims().collect::<Vec<_>>());
    held.hash(&mut hasher);
    hasher.finish()
}

fn class(name: &str) -> Value {
    json!({"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": name},
        "spec": {}})
}

fn node(name: &str, zone: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"zone": zone}},
        "status": {"allocatable": {"cpu": "8", "pods": "110"}}})
}

fn pod(name: &str, claims: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "uid": format!("uid-{name}")},
        "spec": {"containers": [{"name": "main", "image": "app"}], "resourceClaims": claims}})
}

/// A slice of `gpu.example.com` that is all of its pool; `spec` is added to or overrides the rest.
fn slice(name: &str, spec: &Value) -> Value {
    let mut all = json!({
        "driver": "gpu.example.com",
        "pool": {"name": name, "generation": 1, "resourceSliceCount": 1},
    });
    for (field, value) in spec.as_object().expect("a spec") {
        all[field] = value.clone();
    }
    json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice",
        "metadata": {"name": name}, "spec": all})
}

/// A slice of node `n1` with these devices.
fn local(devices: &Value) -> Value {
    slice("p", &json!({"nodeName": "n1", "devices": devices}))
}

/// A device of a model.
fn gpu(name: &str, model: &str) -> Value {
    json!({"name": name, "attributes": {"model": {"string": model}}})
}

/// A claim with these requests.
fn claim(name: &str, requests: &Value) -> Value {
    claim_of(name, &json!({"requests": requests}))
}

fn claim_of(name: &str, devices: &Value) -> Value {
    json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim",
        "metadata": {"name": name, "uid": format!("uid-{name}")}, "spec": {"devices": devices}})
}

/// A claim that has these devices of pool `p`, and no user.
fn held(name: &str, devices: &[&str]) -> Value {
    let results: Vec<Value> = devices
        .iter()
        .map(|device| {
            json!({"request": "r", "driver": "gpu.example.com", "pool": "p", "device": device})
        })
        .collect();
    let mut claim = claim(name, &json!([exactly("r", &json!({}))]));
    claim["status"] = json!({"allocation": {"devices": {"results": results}}});
    claim
}

/// A request for devices of class `gpu`.
fn exactly(name: &str, query: &Value) -> Value {
    json!({"name": name, "exactly": of_gpus(query)})
}

/// An alternative of a request.
fn alternative(name: &str, query: &Value) -> Value {
    let mut query = of_gpus(query);
    query["name"] = json!(name);
    query
}

fn of_gpus(query: &Value) -> Value {
    let mut query = query.clone();
    query["deviceClassName"] = json!("gpu");
    query
}

/// The selectors of a model.
fn of_model(model: &str) -> Value {
    let expression = format!(r#"device.attributes["gpu.example.com"].model == "{model}""#);
    json!([{"cel": {"expression": expression}}])
}
