//! What happens: workloads come, grow, shrink and go, budgets and limits change, and the cloud
//! fails in every way it can.

use plimsoll_core::SimDuration;
use serde_json::{Value, json};

use super::node_groups::GroupPlan;
use super::workloads::Stage;
use super::{Dice, Size};

/// For how long faults last.
const FAULT_TIMES: [&str; 5] = ["20s", "2m", "10m", "30m", "2h"];

/// Events in the order of their instants. What one names is there by then, or was.
pub(super) fn draw(
    dice: &mut Dice,
    groups: &[GroupPlan],
    stage: &mut Stage,
    duration: SimDuration,
    size: Size,
) -> Vec<Value> {
    let seconds = u32::try_from(duration.0 / 1000).unwrap_or(u32::MAX).max(1);
    let count = dice.between(0, size.scale(12));
    let mut instants: Vec<u32> = (0..count).map(|_| draw_instant(dice, seconds)).collect();
    instants.sort_unstable();
    let mut events: Vec<Value> = instants
        .into_iter()
        .filter_map(|at| {
            let mut event = draw_event(dice, groups, stage, size)?;
            event["at"] = json!(SimDuration::from_secs(i64::from(at)).to_string());
            Some(event)
        })
        .collect();
    // Faults come on top, so that every kind is met often.
    if dice.percent(70) {
        for _ in 0..dice.between(1, 3) {
            let at = SimDuration::from_secs(i64::from(draw_instant(dice, seconds)));
            events.push(json!({"at": at.to_string(), "fault": draw_fault(dice, groups)}));
        }
    }
    events
}

/// Any second, with a liking for those at which loops run.
fn draw_instant(dice: &mut Dice, seconds: u32) -> u32 {
    let at = dice.between(0, seconds - 1);
    if dice.percent(40) { at / 10 * 10 } else { at }
}

fn draw_event(
    dice: &mut Dice,
    groups: &[GroupPlan],
    stage: &mut Stage,
    size: Size,
) -> Option<Value> {
    let plan = dice.pick(groups);
    match dice.between(0, 19) {
        0..=7 => draw_scale(dice, stage, size),
        8..=10 => {
            let owner = stage.draw_owner(dice, size);
            let document = owner.document();
            stage.owners.push(owner);
            Some(json!({"apply": document}))
        }
        11 => Some(json!({"apply": stage.draw_bare_pod(dice)})),
        12 | 13 => Some(json!({"apply": stage.draw_budget(dice)})),
        14 | 15 => draw_deletion(dice, plan, stage),
        16 => Some(json!({"apply": draw_new_limits(dice, plan)})),
        17 => Some(json!({"apply": draw_node_change(dice, plan)})),
        _ => Some(json!({"fault": draw_fault(dice, groups)})),
    }
}

/// A burst, a decline, or to zero.
fn draw_scale(dice: &mut Dice, stage: &Stage, size: Size) -> Option<Value> {
    let scalable: Vec<_> =
        stage.owners.iter().filter_map(|owner| Some((owner.scale_field()?, owner))).collect();
    let (field, owner) = dice.pick_any(&scalable)?;
    let replicas = size.scale(*dice.pick(&[0, 0, 1, 2, 4, 9, 15, 30]));
    let full_name = format!("{}/{}", owner.namespace, owner.name);
    Some(json!({"scale": {*field: full_name, "replicas": replicas}}))
}

/// A controller, a pod, a budget or a node goes. What is gone already may go again.
fn draw_deletion(dice: &mut Dice, plan: &GroupPlan, stage: &Stage) -> Option<Value> {
    let (kind, namespace, name) = match dice.between(0, 5) {
        0 | 1 => {
            let owner = dice.pick_any(&stage.owners)?;
            (owner.kind, owner.namespace, owner.name.clone())
        }
        2 => {
            let (namespace, name) = dice.pick_any(&stage.bare_pods)?;
            ("Pod", *namespace, name.clone())
        }
        3 => {
            let (namespace, name) = dice.pick_any(&stage.budgets)?;
            ("PodDisruptionBudget", *namespace, name.clone())
        }
        _ => ("Node", "", node_name(dice, plan)),
    };
    Some(json!({"delete": {"kind": kind, "namespace": namespace, "name": name}}))
}

/// The group's limits change while it lives.
fn draw_new_limits(dice: &mut Dice, plan: &GroupPlan) -> Value {
    let mut document = plan.document.clone();
    let max_size = dice.between(0, plan.max_size + 3);
    document["spec"]["maxSize"] = json!(max_size);
    document["spec"]["minSize"] = json!(dice.between(0, max_size.min(3)));
    document["status"] = json!({});
    document
}

/// Somebody cordons or taints a node, it stops answering, or it comes back. One that is not there
/// joins.
fn draw_node_change(dice: &mut Dice, plan: &GroupPlan) -> Value {
    let name = node_name(dice, plan);
    let mut labels = plan.labels.clone();
    labels.insert("kubernetes.io/hostname".to_owned(), json!(name));
    labels.insert("plimsoll.dev/node-group".to_owned(), json!(plan.name));
    let mut taints = plan.taints.clone();
    if dice.percent(30) {
        taints.push(json!({"key": "maintenance", "effect": "NoSchedule"}));
    }
    let ready = *dice.pick(&["True", "False", "Unknown"]);
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "providerID": format!("plimsoll://{}/{name}", plan.name),
            "taints": taints, "unschedulable": dice.percent(30),
        },
        "status": {
            "capacity": plan.capacity, "allocatable": plan.allocatable,
            "conditions": [{"type": "Ready", "status": ready}],
        },
    })
}

fn node_name(dice: &mut Dice, plan: &GroupPlan) -> String {
    format!("{}-{}", plan.name, dice.between(1, 6))
}

fn draw_fault(dice: &mut Dice, groups: &[GroupPlan]) -> Value {
    let group = &dice.pick(groups).name;
    let lasts = *dice.pick(&FAULT_TIMES);
    let count = dice.between(1, 5);
    match dice.between(0, 7) {
        0 | 1 => json!({"stockOut": {"group": group, "for": lasts}}),
        2 => json!({"lazyNodes": {"group": group, "for": lasts}}),
        3 if dice.percent(50) => json!({"launchFailure": {"group": group, "for": lasts}}),
        3 => json!({"launchFailure": {"group": group, "count": count}}),
        4 => json!({"neverRegister": {"group": group, "nodes": count}}),
        5 => json!({"spotReclaim": {"group": group, "nodes": count}}),
        6 => json!({"providerDown": {"for": lasts}}),
        _ => json!({"slowRegistration":
            {"group": group, "by": *dice.pick(&["30s", "4m", "25m"]), "for": lasts}}),
    }
}
