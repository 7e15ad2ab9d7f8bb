//! What pods ask for: from nothing to more than any machine has, with every rule that says where
//! they may go.

use serde_json::{Value, json};

use super::Dice;
use super::node_groups::ZONES;

/// Requests of cpu in milli-CPU; 0 stands for none. The last is more than any machine has.
const CPU_MILLI: [u32; 12] = [0, 10, 100, 100, 250, 500, 500, 900, 1_500, 3_000, 7_000, 200_000];
/// Requests of memory in MiB; 0 stands for none.
const MEMORY_MIB: [u32; 8] = [0, 16, 128, 256, 512, 1_024, 3_000, 12_000];
/// The priority classes that scenarios have; the first is below the cut-off of expendable pods.
pub(super) const PRIORITIES: [(&str, i32); 4] =
    [("expendable", -100), ("low", -5), ("high", 1_000), ("urgent", 100_000)];

/// A template as drawn, with what it asks for.
pub(super) struct PodTemplate {
    pub(super) document: Value,
    pub(super) cpu_milli: u32,
    pub(super) memory_mib: u32,
}

/// What the template is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Service,
    Job,
    DaemonSet,
}

/// A template of pods that carry the label `app`.
pub(super) fn draw(dice: &mut Dice, app: &str, purpose: Purpose) -> PodTemplate {
    let is_daemon = purpose == Purpose::DaemonSet;
    let cpu_milli = if is_daemon { *dice.pick(&[0, 50, 200]) } else { draw_cpu(dice) };
    let memory_mib = if is_daemon { *dice.pick(&[0, 32, 128]) } else { *dice.pick(&MEMORY_MIB) };
    let mut spec = json!({"containers": [container(dice, cpu_milli, memory_mib)]});
    if purpose == Purpose::Job {
        spec["restartPolicy"] = json!("Never");
    }
    if dice.percent(20) {
        spec["priorityClassName"] = json!(dice.pick(&PRIORITIES).0);
    }
    if dice.percent(if is_daemon { 50 } else { 20 }) {
        spec["tolerations"] = json!([{"key": "dedicated", "operator": "Exists"}]);
    }
    if dice.percent(15) {
        spec["terminationGracePeriodSeconds"] = json!(*dice.pick(&[0, 5, 120]));
    }
    draw_node_rules(dice, &mut spec);
    if !is_daemon {
        draw_neighbours(dice, app, &mut spec);
        draw_volumes(dice, &mut spec);
        if dice.percent(3) {
            spec["schedulerName"] = json!("another");
        }
        if dice.percent(2) {
            spec["schedulingGates"] = json!([{"name": "example.com/later"}]);
        }
    }
    let mut metadata = json!({"labels": {"app": app}});
    metadata["annotations"] = draw_annotations(dice, purpose);
    PodTemplate { document: json!({"metadata": metadata, "spec": spec}), cpu_milli, memory_mib }
}

/// Small requests are common, and one in so many is larger than any machine.
fn draw_cpu(dice: &mut Dice) -> u32 {
    let drawn = *dice.pick(&CPU_MILLI);
    if drawn > 100_000 && dice.percent(60) { 500 } else { drawn }
}

fn container(dice: &mut Dice, cpu_milli: u32, memory_mib: u32) -> Value {
    let mut requests = json!({});
    if cpu_milli > 0 {
        requests["cpu"] = json!(format!("{cpu_milli}m"));
    }
    if memory_mib > 0 {
        requests["memory"] = json!(format!("{memory_mib}Mi"));
    }
    if dice.percent(5) {
        requests["ephemeral-storage"] = json!("9Gi");
    }
    let mut limits = json!({});
    if dice.percent(3) {
        limits["nvidia.com/gpu"] = json!("1");
    }
    let mut container = json!({"name": "main", "image": "registry.example/main:1"});
    container["resources"] = json!({"requests": requests, "limits": limits});
    if dice.percent(4) {
        container["ports"] = json!([{"containerPort": 8080, "hostPort": 8080}]);
    }
    container
}

/// Which nodes, whatever runs there.
fn draw_node_rules(dice: &mut Dice, spec: &mut Value) {
    match dice.between(0, 24) {
        0 => spec["nodeSelector"] = json!({"pool": *dice.pick(&["general", "batch", "special"])}),
        1 => spec["nodeSelector"] = json!({"topology.kubernetes.io/zone": *dice.pick(&ZONES)}),
        2 => {
            let key = *dice.pick(&["pool", "disk", "topology.kubernetes.io/zone"]);
            let operator = *dice.pick(&["Exists", "DoesNotExist"]);
            let term = json!({"matchExpressions": [{"key": key, "operator": operator}]});
            spec["affinity"]["nodeAffinity"] = match dice.percent(70) {
                true => json!({"requiredDuringSchedulingIgnoredDuringExecution":
                    {"nodeSelectorTerms": [term]}}),
                false => json!({"preferredDuringSchedulingIgnoredDuringExecution":
                    [{"weight": 10, "preference": term}]}),
            };
        }
        _ => {}
    }
}

/// Which nodes, by what else runs there: affinity, anti-affinity and spreading.
fn draw_neighbours(dice: &mut Dice, app: &str, spec: &mut Value) {
    let key = *dice.pick(&["kubernetes.io/hostname", "topology.kubernetes.io/zone"]);
    // Mostly pods of their own kind, sometimes those of another.
    let other =
        if dice.percent(80) { app.to_owned() } else { format!("app{}", dice.between(0, 4)) };
    let selector = json!({"matchLabels": {"app": other}});
    let term = json!({"labelSelector": selector, "topologyKey": key});
    let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": [term]});
    match dice.between(0, 19) {
        0 | 1 => spec["affinity"]["podAntiAffinity"] = required,
        2 => spec["affinity"]["podAffinity"] = required,
        3 => {
            spec["affinity"]["podAntiAffinity"] = json!({
                "preferredDuringSchedulingIgnoredDuringExecution":
                    [{"weight": 50, "podAffinityTerm": term}],
            });
        }
        4 | 5 => {
            spec["topologySpreadConstraints"] = json!([{
                "maxSkew": dice.between(1, 2), "topologyKey": key, "labelSelector": selector,
                "whenUnsatisfiable": *dice.pick(&["DoNotSchedule", "ScheduleAnyway"]),
            }]);
        }
        _ => {}
    }
}

fn draw_volumes(dice: &mut Dice, spec: &mut Value) {
    match dice.between(0, 39) {
        0 | 1 => spec["volumes"] = json!([{"name": "cache", "emptyDir": {}}]),
        2 => spec["volumes"] = json!([{"name": "host", "hostPath": {"path": "/data"}}]),
        3 => {
            let claim = json!({
                "accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
                "resources": {"requests": {"storage": "1Gi"}},
            });
            spec["volumes"] =
                json!([{"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": claim}}}]);
        }
        _ => {}
    }
}

fn draw_annotations(dice: &mut Dice, purpose: Purpose) -> Value {
    let mut annotations = json!({});
    let ends = match purpose {
        Purpose::Job => 90,
        Purpose::Service => 8,
        Purpose::DaemonSet => 0,
    };
    if dice.percent(ends) {
        let run_for = *dice.pick(&["10s", "45s", "3m", "12m", "40m"]);
        annotations["plimsoll.dev/run-for"] = json!(run_for);
    }
    if dice.percent(12) {
        let says = *dice.pick(&["true", "false", "on-completion"]);
        annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] = json!(says);
    }
    if dice.percent(3) {
        annotations["cluster-autoscaler.kubernetes.io/pod-scale-up-delay"] = json!("90s");
    }
    if purpose == Purpose::DaemonSet && dice.percent(20) {
        let says = *dice.pick(&["true", "false"]);
        annotations["cluster-autoscaler.kubernetes.io/enable-ds-eviction"] = json!(says);
    }
    annotations
}
