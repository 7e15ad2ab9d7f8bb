//! Nodes that are there at the start, in good and in bad shape, and the pods on them.

use plimsoll_core::SimDuration;
use serde_json::{Value, json};

use super::node_groups::GroupPlan;
use super::workloads::{Owner, Stage};
use super::{Dice, Size, before_start};

/// What is left of a node for the pods that are put on it.
struct Room {
    node: String,
    cpu_milli: u32,
    memory_mib: u32,
    pods: u32,
    is_open: bool,
}

/// Nodes of groups and of none, and the pods that run on them. Fills in the groups' status.
pub(super) fn draw(
    dice: &mut Dice,
    groups: &mut [GroupPlan],
    stage: &Stage,
    size: Size,
) -> (Vec<Value>, Vec<Value>) {
    let mut nodes = Vec::new();
    let mut rooms = Vec::new();
    for plan in &mut *groups {
        let most = plan.max_size.min(size.scale(4));
        let count = if dice.percent(30) { 0 } else { dice.between(plan.min_size.min(most), most) };
        for number in 1..=count {
            let name = format!("{}-{number}", plan.name);
            let node = draw_node(dice, &name, plan, true);
            rooms.push(room_of(&name, plan, &node));
            nodes.push(node);
        }
        draw_status(dice, plan, count);
    }
    if let Some(plan) = dice.pick_any(groups).cloned().filter(|_| dice.percent(25)) {
        for number in 0..dice.between(1, 2) {
            let name = format!("own-{number}");
            let node = draw_node(dice, &name, &plan, false);
            rooms.push(room_of(&name, &plan, &node));
            nodes.push(node);
        }
    }
    (nodes, fill(dice, &mut rooms, stage))
}

/// A node like the group's template. One in six is in bad shape.
fn draw_node(dice: &mut Dice, name: &str, plan: &GroupPlan, is_grouped: bool) -> Value {
    let mut labels = plan.labels.clone();
    labels.insert("kubernetes.io/hostname".to_owned(), json!(name));
    if is_grouped {
        labels.insert("plimsoll.dev/node-group".to_owned(), json!(plan.name));
    }
    let mut taints = plan.taints.clone();
    let mut annotations = json!({});
    let (mut ready, mut cordoned) = ("True", false);
    match dice.between(0, 47) {
        0 | 1 => ready = "False",
        2 => ready = "Unknown",
        3 | 4 => cordoned = true,
        // What an autoscaler that was stopped in the midst of its work leaves behind.
        5 => taints.push(deletion_taint("ToBeDeletedByClusterAutoscaler", "NoSchedule")),
        6 => {
            let key = "DeletionCandidateOfClusterAutoscaler";
            taints.push(deletion_taint(key, "PreferNoSchedule"));
        }
        7 => {
            let key = "cluster-autoscaler.kubernetes.io/scale-down-disabled";
            annotations = json!({key: "true"});
        }
        _ => {}
    }
    let age = SimDuration::from_mins(i64::from(dice.between(0, 300)));
    let since = SimDuration::from_secs(i64::from(dice.between(0, 600))).min(age);
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name, "labels": labels, "annotations": annotations,
            "creationTimestamp": before_start(age),
        },
        "spec": {
            "providerID": format!("plimsoll://{}/{name}", plan.name),
            "taints": taints, "unschedulable": cordoned,
        },
        "status": {
            "capacity": plan.capacity, "allocatable": plan.allocatable,
            "conditions": [{
                "type": "Ready", "status": ready, "lastTransitionTime": before_start(since),
            }],
        },
    })
}

fn deletion_taint(key: &str, effect: &str) -> Value {
    json!({"key": key, "value": "1767590000", "effect": effect})
}

/// What the cloud says of the group: mostly what is there, sometimes more than has registered, and
/// now and then nonsense.
fn draw_status(dice: &mut Dice, plan: &mut GroupPlan, nodes: u32) {
    let id = |number: u32| format!("plimsoll://{0}/{0}-{number}", plan.name);
    let status = match dice.between(0, 19) {
        // Asked for before the start, and on its way.
        0 | 1 => json!({"targetSize": (nodes + dice.between(1, 2)).min(plan.max_size)}),
        // More than there may be.
        2 => json!({"targetSize": plan.max_size + 1}),
        3 | 4 => {
            let mut instances: Vec<Value> =
                (1..=nodes).map(|number| json!({"id": id(number), "state": "Running"})).collect();
            for number in nodes + 1..=nodes + dice.between(1, 2) {
                instances.push(draw_instance(dice, &id(number)));
            }
            json!({"targetSize": instances.len(), "instances": instances})
        }
        _ => json!({}),
    };
    plan.document["status"] = status;
}

/// A machine that has no Node: it never registers, is on its way, or has failed.
fn draw_instance(dice: &mut Dice, id: &str) -> Value {
    match dice.between(0, 2) {
        0 => json!({"id": id, "state": "Running"}),
        1 => json!({"id": id, "state": "Creating"}),
        _ => json!({
            "id": id, "state": "Creating",
            "error": {"class": "OutOfResources", "code": "STOCKOUT", "message": "none left"},
        }),
    }
}

fn room_of(name: &str, plan: &GroupPlan, node: &Value) -> Room {
    let spec = &node["spec"];
    let taints = spec["taints"].as_array().map_or(0, Vec::len);
    Room {
        node: name.to_owned(),
        cpu_milli: plan.cpu_milli,
        memory_mib: plan.memory_mib,
        pods: plan.pods,
        is_open: taints == 0 && spec["unschedulable"] == json!(false),
    }
}

/// Puts pods of the owners on nodes, as a scheduler that looks at room only would have.
fn fill(dice: &mut Dice, rooms: &mut [Room], stage: &Stage) -> Vec<Value> {
    let mut pods = Vec::new();
    for owner in stage.owners.iter().filter(|owner| owner.has_pods_of_its_own()) {
        let running = dice.between(0, owner.replicas);
        for number in 1..=running {
            // StatefulSets count from 0.
            let ordinal = number - u32::from(owner.kind == "StatefulSet");
            let needs = (owner.cpu_milli, owner.memory_mib);
            // A node can be fuller than it should be: its size may have changed since.
            let overcommits = dice.percent(2);
            let fitting: Vec<usize> = (0..rooms.len())
                .filter(|index| rooms[*index].is_open)
                .filter(|index| overcommits || rooms[*index].holds(needs))
                .collect();
            let Some(index) = dice.pick_any(&fitting) else { break };
            let room = &mut rooms[*index];
            room.cpu_milli = room.cpu_milli.saturating_sub(needs.0);
            room.memory_mib = room.memory_mib.saturating_sub(needs.1);
            room.pods = room.pods.saturating_sub(1);
            let age = SimDuration::from_secs(i64::from(dice.between(0, 7_200)));
            pods.push(running_pod(owner, ordinal, &room.node, age));
        }
    }
    pods
}

impl Room {
    fn holds(&self, (cpu_milli, memory_mib): (u32, u32)) -> bool {
        self.pods > 0 && self.cpu_milli >= cpu_milli && self.memory_mib >= memory_mib
    }
}

fn running_pod(owner: &Owner, number: u32, node: &str, age: SimDuration) -> Value {
    let mut pod = owner.template.clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!(format!("{}-{number}", owner.name));
    pod["metadata"]["namespace"] = json!(owner.namespace);
    pod["metadata"]["creationTimestamp"] = json!(before_start(age));
    pod["metadata"]["ownerReferences"] = json!([{
        "apiVersion": owner.api_version(), "kind": owner.kind, "name": owner.name,
        "uid": owner.name, "controller": true,
    }]);
    pod["spec"]["nodeName"] = json!(node);
    // A pod that runs has passed its gates.
    pod["spec"]["schedulingGates"] = json!([]);
    pod["status"] = json!({"phase": "Running", "startTime": before_start(age)});
    pod
}
