//! Groups, nodes and pods in words.

use serde_json::{Value, json};

use crate::stage::{node, pod, size};

/// What a node has of GPUs of every type.
const GPU: &str = "nvidia.com/gpu";

/// The objects that these lines say, one each:
/// * `group NAME MIN-MAX CPU MEMORY`, the size of its new nodes; its target is the number of its nodes;
/// * `node NAME GROUP CPU MEMORY` (`-`: of no group);
/// * `pod NAME NODE CPU MEMORY` (`-`: it waits, and the scheduler has found no place for it).
///
/// Then words: of groups `size=N` (the target), `atomic`; of groups and nodes `gpu=N` (GPUs, behind a
/// taint), `type=TYPE` (one GPU of this type, behind none), `taint=KEY`, `zone=ZONE`; of pods `gpu=N`,
/// `bears=KEY` (tolerates the taint), `zone=ZONE`, `in=GROUP` (where alone it runs).
pub(crate) fn scene(lines: &str) -> Vec<Value> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| object(&line.split_whitespace().collect::<Vec<_>>())).collect()
}

fn object(words: &[&str]) -> Value {
    let (kind, name, place) = (words[0], words[1], words[2]);
    let (cpu, memory, more) = (words[3], words[4], &words[5..]);
    match kind {
        "group" => {
            let (min, max) = place.split_once('-').expect("a minimum and a maximum");
            let number = |text: &str| text.parse::<u32>().expect("a number");
            let mut template = json!({"metadata": {"labels": {}}, "spec": {},
                "status": size(cpu, memory)});
            let mut group = json!({"apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeGroup",
                "metadata": {"name": name},
                "spec": {"minSize": number(min), "maxSize": number(max)}});
            for word in more {
                match word.split_once('=').unwrap_or((word, "")) {
                    ("size", count) => group["status"] = json!({"targetSize": number(count)}),
                    ("atomic", _) => {
                        group["spec"]["autoscalingOptions"] = json!({"zeroOrMaxNodeScaling": true});
                    }
                    word => equip(&mut template, word),
                }
            }
            group["spec"]["template"] = template;
            group
        }
        "node" => {
            let mut node = node(name);
            if place == "-" {
                node["metadata"]["labels"] = json!({});
            } else {
                node["metadata"]["labels"]["plimsoll.dev/node-group"] = json!(place);
            }
            let size = size(cpu, memory);
            for list in ["capacity", "allocatable"] {
                node["status"][list] = size[list].clone();
            }
            more.iter().for_each(|word| equip(&mut node, word.split_once('=').expect("a value")));
            node
        }
        "pod" => pod_in_words(name, place, (cpu, memory), more),
        other => panic!("unknown thing {other:?}"),
    }
}

/// What a word says of a node.
fn equip(node: &mut Value, (word, value): (&str, &str)) {
    let taint = |key: &str| json!([{"key": key, "value": "present", "effect": "NoSchedule"}]);
    match word {
        "gpu" | "type" => {
            let count = if word == "gpu" { value } else { "1" };
            for list in ["capacity", "allocatable"] {
                node["status"][list][GPU] = json!(count);
            }
            if word == "gpu" {
                node["spec"]["taints"] = taint(GPU);
            } else {
                node["metadata"]["labels"]["k8s.amazonaws.com/accelerator"] = json!(value);
            }
        }
        "taint" => node["spec"]["taints"] = taint(value),
        "zone" => node["metadata"]["labels"]["topology.kubernetes.io/zone"] = json!(value),
        other => panic!("unknown word {other:?}"),
    }
}

fn pod_in_words(name: &str, node: &str, (cpu, memory): (&str, &str), more: &[&str]) -> Value {
    let waits = node == "-";
    let mut pod = pod(name, cpu, if waits { "" } else { node });
    if waits {
        pod["status"]["conditions"] = json!([{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "lastTransitionTime": "2026-01-05T10:00:00Z"}]);
    }
    let mut tolerations = Vec::new();
    let mut requests = json!({"cpu": cpu, "memory": memory});
    for word in more {
        let (word, value) = word.split_once('=').expect("a value");
        match word {
            "gpu" => requests[GPU] = json!(value),
            "bears" => tolerations.push(json!({"key": value, "operator": "Exists"})),
            "zone" => {
                pod["spec"]["nodeSelector"] = json!({"topology.kubernetes.io/zone": value});
            }
            "in" => pod["spec"]["nodeSelector"] = json!({"plimsoll.dev/node-group": value}),
            other => panic!("unknown word {other:?}"),
        }
    }
    let mut resources = json!({"requests": requests});
    if let Some(count) = requests.get(GPU) {
        // The API server has no pod that asks for GPUs without a limit of as many.
        resources["limits"] = json!({GPU: count});
    }
    pod["spec"]["containers"][0]["resources"] = resources;
    pod["spec"]["tolerations"] = json!(tolerations);
    pod
}
