//! Node groups from the machine deployments of Gardener and of Cluster API.
//!
//! Where a snapshot holds machine deployments, each is also mapped onto a node group, unless the
//! snapshot has a group of that name. The machine deployments, machine classes and worker pools
//! themselves stay as they are, with all their fields.

use serde_json::{Value, json};

use super::groups::{NODE_GROUP_LABEL, PLIMSOLL_API_VERSION, name_of};

/// Cluster API's annotations for the sizes of a group.
const MIN_SIZE_ANNOTATION: &str = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-min-size";
const MAX_SIZE_ANNOTATION: &str = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size";

/// Adds a node group for each machine deployment among `objects` whose sizes and template are
/// known, and returns a sentence for each other one.
pub(crate) fn add_node_groups(objects: &mut Vec<Value>) -> Vec<String> {
    let mut notes = Vec::new();
    let mut node_groups = Vec::new();
    for deployment in objects.iter().filter(|object| object["kind"] == "MachineDeployment") {
        let name = name_of(deployment);
        let is_named = |object: &&Value| object["kind"] == "NodeGroup" && name_of(object) == name;
        if objects.iter().any(|object| is_named(&object)) {
            continue;
        }
        match node_group(deployment, objects) {
            Ok(group) => node_groups.push(group),
            Err(why) => {
                notes.push(format!("machine deployment {name} is no node group: {why}"));
            }
        }
    }
    objects.append(&mut node_groups);
    notes
}

fn node_group(deployment: &Value, objects: &[Value]) -> Result<Value, String> {
    let name = name_of(deployment);
    let (min_size, max_size) = sizes(deployment, objects).ok_or(
        "neither its annotations nor --nodes of a cluster-autoscaler Deployment give its sizes",
    )?;
    if min_size > max_size {
        return Err(format!("its least size {min_size} is above its greatest {max_size}"));
    }
    let class_name = deployment.pointer("/spec/template/spec/class/name").and_then(Value::as_str);
    let class = class_name.and_then(|class_name| {
        objects
            .iter()
            .find(|object| object["kind"] == "MachineClass" && name_of(object) == class_name)
    });
    let class_template = class.and_then(|class| class.get("nodeTemplate"));
    let capacity = class_template
        .and_then(|template| template.get("capacity"))
        .ok_or("no MachineClass with a nodeTemplate tells what its nodes hold")?;
    let template = deployment.pointer("/spec/template/spec/nodeTemplate");
    let labels = template.and_then(|template| template.pointer("/metadata/labels"));
    let mut labels = labels.and_then(Value::as_object).cloned().unwrap_or_default();
    let text = |field: &str| {
        class_template.and_then(|template| template.get(field)).and_then(Value::as_str)
    };
    for (label, field) in [
        ("node.kubernetes.io/instance-type", "instanceType"),
        ("topology.kubernetes.io/region", "region"),
        ("topology.kubernetes.io/zone", "zone"),
    ] {
        if let Some(value) = text(field) {
            labels.entry(label).or_insert(json!(value));
        }
    }
    labels.insert(NODE_GROUP_LABEL.to_owned(), json!(name));
    let taints = template.and_then(|template| template.pointer("/spec/taints"));
    let mut spec = json!({
        "minSize": min_size, "maxSize": max_size,
        "template": {
            "metadata": {"labels": labels},
            "spec": taints.map_or(json!({}), |taints| json!({"taints": taints})),
            "status": {"capacity": capacity, "allocatable": capacity},
        },
    });
    for field in ["instanceType", "zone"] {
        if let Some(value) = text(field) {
            spec[field] = json!(value);
        }
    }
    let target_size = deployment.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(0);
    Ok(json!({
        "apiVersion": PLIMSOLL_API_VERSION, "kind": "NodeGroup",
        "metadata": {"name": name}, "spec": spec, "status": {"targetSize": target_size},
    }))
}

/// The least and the greatest size of a machine deployment: from its annotations, else from the
/// `--nodes=min:max:name` of the autoscaler.
fn sizes(deployment: &Value, objects: &[Value]) -> Option<(u64, u64)> {
    let annotation = |name: &str| -> Option<u64> {
        deployment.pointer("/metadata/annotations")?.get(name)?.as_str()?.parse().ok()
    };
    if let (Some(min_size), Some(max_size)) =
        (annotation(MIN_SIZE_ANNOTATION), annotation(MAX_SIZE_ANNOTATION))
    {
        return Some((min_size, max_size));
    }
    let autoscaler = objects
        .iter()
        .find(|object| object["kind"] == "Deployment" && name_of(object) == "cluster-autoscaler")?;
    let containers = autoscaler.pointer("/spec/template/spec/containers")?.as_array()?;
    containers
        .iter()
        .flat_map(|container| ["command", "args"].map(|list| container.get(list)))
        .filter_map(|list| list?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .find_map(|argument| sizes_in_flag(argument, deployment))
}

/// Reads `--nodes=1:5:shoot--project--name.group`; the namespace may be missing.
fn sizes_in_flag(argument: &str, deployment: &Value) -> Option<(u64, u64)> {
    let mut parts = argument.strip_prefix("--nodes=")?.splitn(3, ':');
    let (min_size, max_size) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let full_name = parts.next()?;
    let namespace = deployment.pointer("/metadata/namespace").and_then(Value::as_str);
    let name = namespace
        .and_then(|namespace| full_name.strip_prefix(namespace)?.strip_prefix('.'))
        .unwrap_or(full_name);
    (name == name_of(deployment)).then_some((min_size, max_size))
}
