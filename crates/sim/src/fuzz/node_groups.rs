//! Node groups of many sizes, zones, prices and templates.

use serde_json::{Map, Value, json};

use super::{Dice, Size};

/// The zones that groups and volumes are in.
pub(super) const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];
/// A machine's cpu in milli-CPU, its memory in MiB, its pods, its GPUs.
const MACHINES: [(u32, u32, u32, u32); 8] = [
    (1_000, 2_048, 8, 0),
    (2_000, 4_096, 17, 0),
    (2_000, 8_192, 29, 0),
    (4_000, 16_384, 58, 0),
    (4_000, 16_384, 58, 0),
    (8_000, 32_768, 110, 0),
    (16_000, 65_536, 110, 0),
    (8_000, 65_536, 110, 2),
];
/// The type of GPU that machines with some have.
pub(super) const GPU_TYPE: &str = "nvidia-t4";
/// A taint that keeps machines from being ready while it is there, where a flag names it.
pub(super) const STARTUP_TAINT: &str = "startup.example.com/agent";

/// A group as drawn, with what others refer to.
#[derive(Clone, Debug)]
pub(super) struct GroupPlan {
    pub(super) name: String,
    pub(super) max_size: u32,
    pub(super) min_size: u32,
    /// What nodes have for pods.
    pub(super) cpu_milli: u32,
    pub(super) memory_mib: u32,
    pub(super) pods: u32,
    pub(super) labels: Map<String, Value>,
    pub(super) taints: Vec<Value>,
    pub(super) capacity: Value,
    pub(super) allocatable: Value,
    /// The whole NodeGroup; its status is filled in with the nodes.
    pub(super) document: Value,
}

/// One to six groups. A replay without a group has nothing to scale.
pub(super) fn draw(dice: &mut Dice, size: Size) -> Vec<GroupPlan> {
    let count = dice.between(1, 6);
    // Groups of one family are alike but for their zone, as those that are balanced are.
    let family = dice.percent(35).then(|| *dice.pick(&MACHINES));
    let priced = !dice.percent(8);
    (0..count).map(|index| draw_group(dice, index, family, priced, size)).collect()
}

fn draw_group(
    dice: &mut Dice,
    index: u32,
    family: Option<(u32, u32, u32, u32)>,
    priced: bool,
    size: Size,
) -> GroupPlan {
    let name = format!("g{index}");
    let (cpu_milli, memory_mib, pods, gpus) = family.unwrap_or_else(|| *dice.pick(&MACHINES));
    let zone = *dice.pick(&ZONES);
    let pool = *dice.pick(&["general", "general", "batch", "special"]);
    let (min_size, max_size) = draw_sizes(dice, size);
    let labels = draw_labels(dice, zone, pool, cpu_milli, gpus);
    let taints = draw_taints(dice, pool);
    let amounts = |cpu: u32, memory: u32| {
        let mut amounts = json!({
            "cpu": format!("{cpu}m"), "memory": format!("{memory}Mi"),
            "ephemeral-storage": "40Gi", "pods": pods.to_string(),
        });
        if gpus > 0 {
            amounts["nvidia.com/gpu"] = json!(gpus.to_string());
        }
        amounts
    };
    let reserved = if dice.percent(60) { (80, memory_mib / 16) } else { (0, 0) };
    let free = (cpu_milli - reserved.0, memory_mib - reserved.1);
    let (capacity, allocatable) = (amounts(cpu_milli, memory_mib), amounts(free.0, free.1));
    let mut spec = json!({
        "minSize": min_size, "maxSize": max_size,
        "instanceType": format!("c{}m{}", cpu_milli / 1000, memory_mib / 1024), "zone": zone,
        "capacityType": if dice.percent(20) { "spot" } else { "on-demand" },
        "bootDelay": draw_boot_delay(dice),
        "template": {
            "metadata": {"labels": labels}, "spec": {"taints": taints},
            "status": {"capacity": capacity, "allocatable": allocatable},
        },
    });
    if priced || dice.percent(50) {
        spec["pricePerHour"] = json!(format!("0.{:03}", dice.between(10, 999)));
    }
    let document = json!({
        "apiVersion": "plimsoll.dev/v1alpha1", "kind": "NodeGroup",
        "metadata": {"name": name}, "spec": spec, "status": {},
    });
    GroupPlan {
        name,
        max_size,
        min_size,
        cpu_milli: free.0,
        memory_mib: free.1,
        pods,
        labels,
        taints,
        capacity,
        allocatable,
        document,
    }
}

/// Minimum and maximum: mostly from zero, sometimes fixed, now and then nothing at all.
fn draw_sizes(dice: &mut Dice, size: Size) -> (u32, u32) {
    let most = size.scale(dice.between(1, 10));
    match dice.between(0, 19) {
        0 => (0, 0),
        1 | 2 => (most.min(4), most.min(4)),
        3..=6 => (dice.between(1, most.min(3)), most),
        _ => (0, most),
    }
}

fn draw_labels(
    dice: &mut Dice,
    zone: &str,
    pool: &str,
    cpu_milli: u32,
    gpus: u32,
) -> Map<String, Value> {
    let mut labels = Map::new();
    let mut set = |key: &str, value: &str| labels.insert(key.to_owned(), json!(value));
    set("topology.kubernetes.io/zone", zone);
    set("node.kubernetes.io/instance-type", &format!("c{}", cpu_milli / 1000));
    set("pool", pool);
    if gpus > 0 {
        set("k8s.amazonaws.com/accelerator", GPU_TYPE);
    }
    if dice.percent(10) {
        set("disk", "ssd");
    }
    labels
}

fn draw_taints(dice: &mut Dice, pool: &str) -> Vec<Value> {
    let mut taints = Vec::new();
    if pool == "special" && dice.percent(70) {
        let effect = *dice.pick(&["NoSchedule", "NoSchedule", "PreferNoSchedule", "NoExecute"]);
        taints.push(json!({"key": "dedicated", "value": "special", "effect": effect}));
    }
    if dice.percent(3) {
        taints.push(json!({"key": STARTUP_TAINT, "effect": "NoSchedule"}));
    }
    taints
}

fn draw_boot_delay(dice: &mut Dice) -> Value {
    match dice.between(0, 9) {
        0 => json!("0s"),
        1 | 2 => json!("20s"),
        3 => json!("5m"),
        // Longer than machines are waited for by default.
        4 => json!("20m"),
        5 | 6 => json!({"p50": "40s", "p99": "4m"}),
        _ => json!("90s"),
    }
}
