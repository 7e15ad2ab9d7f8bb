//! Development only.
use plimsoll_core::Cluster;
use plimsoll_core::objects::Snapshot;
use plimsoll_core::scheduling::{judgement_as_json, profile::SchedulerProfiles};
use serde_json::{Value, json};
fn main() {
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).unwrap();
        let case: Value = serde_json::from_str(&text).unwrap();
        let out = run(&case);
        println!("{}", json!({"path": path, "out": out}));
    }
}
fn run(case: &Value) -> Value {
    let profiles = match case.get("schedulerConfiguration") {
        None => SchedulerProfiles::default(),
        Some(one) => match plimsoll_core::objects::read_scheduler_configuration(one) {
            Ok(p) => p,
            Err(e) => return json!({"error": e.to_string()}),
        },
    };
    let (snapshot, _) = match Snapshot::from_values(std::iter::once((
        case["snapshot"].clone(),
        Default::default(),
    ))) {
        Ok(one) => one,
        Err(error) => return json!({"error": error.to_string()}),
    };
    let mut cluster = Cluster::from_snapshot(&snapshot, &profiles);
    let pending = cluster.pending_pods();
    if case["expect"].get("sequential").is_some() {
        let placed = cluster.schedule_in_order(&pending);
        let list: Vec<Value> = placed.iter().map(|(pod, node)| json!({"pod": cluster.pod_full_name(*pod), "node": node.map(|n| cluster.node_name(n).to_owned())})).collect();
        return json!({"sequential": list});
    }
    let mut pods = Vec::new();
    for pod in pending {
        let judgement = cluster.judge(pod);
        let mut one = judgement_as_json(&cluster, pod, &judgement);
        let best: Vec<&str> = judgement.best.iter().map(|n| cluster.node_name(*n)).collect();
        one["nodeOneOf"] = json!(best);
        if !judgement.is_gated {
            let p = cluster.pod(pod);
            let fast = cluster.best_node(p.shape, p.controller, 0);
            one["fast"] = json!(fast.map(|n| cluster.node_name(n).to_owned()));
        }
        pods.push(one);
    }
    json!({"pods": pods})
}
