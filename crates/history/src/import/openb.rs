//! Alibaba's GPU v2023 trace ("openb"): pods over 149 days, and the nodes of the cluster.
//!
//! Each distinct shape of the node list becomes a node group with as many nodes at most; `--groups`
//! replaces them. Time 0 is 2025-01-01T00:00:00Z. Pods that the trace calls Pending are never
//! bound. A pod's GPU share becomes the extended resource `plimsoll.dev/gpu-milli` (1000 per GPU);
//! one number per node cannot say that a share must fit on one card. `gpu_spec` becomes a required
//! node affinity, `qos` a priority class.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use plimsoll_core::SimTime;
use serde_json::{Value, json};

use super::csv_table::{Row, Table};
use super::groups::GroupsFile;
use super::pod::{self, Resources};
use super::timeline::{self, Life, Stage, Timeline, copy_name, kubernetes_name};
use super::{Format, ImportError, ImportOptions, ImportProgress, RELATIVE_START, groups};

const POD_COLUMNS: [&str; 11] = [
    "name",
    "cpu_milli",
    "memory_mib",
    "num_gpu",
    "gpu_milli",
    "gpu_spec",
    "qos",
    "pod_phase",
    "creation_time",
    "deletion_time",
    "scheduled_time",
];

const NODE_COLUMNS: [&str; 5] = ["sn", "cpu_milli", "memory_mib", "gpu", "model"];

const NAMESPACE: &str = "openb";

/// Thousandths of a GPU.
const GPU_MILLI_RESOURCE: &str = "plimsoll.dev/gpu-milli";

/// The label of nodes that names the model of their GPUs.
const GPU_MODEL_LABEL: &str = "plimsoll.dev/gpu-model";

/// Pods per node: the kubelet's default.
const PODS_PER_NODE: &str = "110";

/// The trace's service classes, with the name and value of the priority class that stands for each:
/// latency-sensitive before guaranteed before burstable before best-effort.
const PRIORITY_CLASSES: [(&str, &str, i64); 4] = [
    ("LS", "latency-sensitive", 4000),
    ("Guaranteed", "guaranteed", 3000),
    ("Burstable", "burstable", 2000),
    ("BE", "best-effort", 1000),
];

/// Imports the pods and the nodes in `files`, whichever comes first.
pub(crate) fn import(
    files: &[PathBuf],
    options: &ImportOptions,
    output: &Path,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<Vec<String>, ImportError> {
    let nodes_first = Table::has_column(&files[0], "sn")?;
    let (pods_file, nodes_file) =
        if nodes_first { (&files[1], &files[0]) } else { (&files[0], &files[1]) };
    let shapes = read_nodes(nodes_file)?;
    let node_groups = match &options.groups {
        Some(file) => groups::read(file)?,
        None => GroupsFile {
            groups: shapes.iter().map(|(shape, &count)| shape.group(count)).collect(),
            settings: None,
        },
    };
    let mut timeline = Timeline::new(RELATIVE_START, options);
    let pods = read_pods(pods_file, &mut timeline)?;
    let steps = timeline.into_steps();
    let start = RELATIVE_START;
    let end = steps.last().map_or(start, |step| step.at);

    let mut writer = super::create_writer(output, Format::Openb, "alibaba-openb", files, start)?;
    for object in node_groups.objects() {
        writer.put(start, start, object)?;
    }
    writer.put(start, start, &pod::namespace(NAMESPACE, start))?;
    for (_, name, value) in PRIORITY_CLASSES {
        writer.put(start, start, &priority_class(name, value))?;
    }
    timeline::play(&steps, progress, &mut |instant| {
        instant.iter().try_for_each(|step| {
            let pod = &pods[step.row as usize];
            let name = copy_name(&pod.name, step.copy);
            let mut object = match step.stage {
                Stage::Deleted => Value::Null,
                _ => pod.object(),
            };
            pod::write(&mut writer, &mut object, NAMESPACE, &name, pod.created_at, *step)
        })
    })?;
    writer.finish(end)?;
    let nodes: i64 = shapes.values().sum();
    Ok(vec![
        format!("{} pods; {nodes} nodes in {} shapes", pods.len(), shapes.len()),
        "a GPU share is one number per node: it does not say whether it fits on one card"
            .to_owned(),
    ])
}

/// What nodes of one group have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NodeShape {
    /// Empty for nodes without GPUs.
    gpu_model: String,
    cpu_milli: i64,
    memory_mib: i64,
    gpus: i64,
}

struct Pod {
    name: String,
    created_at: SimTime,
    cpu_milli: i64,
    memory_mib: i64,
    /// Of all its GPUs together.
    gpu_milli: i64,
    /// The GPU models it can run on; empty for any.
    gpu_models: Vec<String>,
    /// Its service class, as a place in [`PRIORITY_CLASSES`].
    class: usize,
}

/// How many nodes of each shape there are.
fn read_nodes(file: &Path) -> Result<BTreeMap<NodeShape, i64>, ImportError> {
    let mut shapes = BTreeMap::new();
    let mut table = Table::open(file, &NODE_COLUMNS)?;
    while let Some(row) = table.next_row()? {
        let gpus = row.count("gpu")?;
        let gpu_model = row.text("model").to_owned();
        if (gpus > 0) == gpu_model.is_empty() {
            return Err(row.error("model", "does not fit the number of GPUs"));
        }
        let shape = NodeShape {
            gpu_model,
            cpu_milli: row.count("cpu_milli")?,
            memory_mib: row.count("memory_mib")?,
            gpus,
        };
        *shapes.entry(shape).or_insert(0) += 1;
    }
    table.require_rows(shapes.len())?;
    Ok(shapes)
}

impl NodeShape {
    fn group(&self, count: i64) -> Value {
        let mut labels = json!({
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/os": "linux",
            "node.kubernetes.io/instance-type": self.name(),
            groups::NODE_GROUP_LABEL: self.name(),
        });
        let mut capacity = json!({
            "cpu": pod::milli_cpu_quantity(self.cpu_milli),
            "memory": mib_quantity(self.memory_mib),
            "pods": PODS_PER_NODE,
        });
        if self.gpus > 0 {
            labels[GPU_MODEL_LABEL] = json!(self.gpu_model);
            capacity["nvidia.com/gpu"] = json!(self.gpus.to_string());
            capacity[GPU_MILLI_RESOURCE] = json!((self.gpus * 1000).to_string());
        }
        json!({
            "apiVersion": groups::PLIMSOLL_API_VERSION, "kind": "NodeGroup",
            "metadata": {"name": self.name()},
            "spec": {
                "minSize": 0, "maxSize": count, "instanceType": self.name(),
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {},
                    "status": {"capacity": capacity, "allocatable": capacity},
                },
            },
            "status": {"targetSize": 0},
        })
    }

    /// `g2-8-96c-384gi`: GPU model and number, cores, GiB.
    fn name(&self) -> String {
        let size = format!(
            "{}c-{}",
            pod::milli_cpu_quantity(self.cpu_milli),
            mib_quantity(self.memory_mib)
        );
        let name = match self.gpus {
            0 => format!("cpu-{size}"),
            gpus => format!("{}-{gpus}-{size}", self.gpu_model),
        };
        kubernetes_name(&name)
    }
}

fn read_pods(file: &Path, timeline: &mut Timeline) -> Result<Vec<Pod>, ImportError> {
    let mut pods = Vec::new();
    let mut names = BTreeSet::new();
    let mut table = Table::open(file, &POD_COLUMNS)?;
    while let Some(row) = table.next_row()? {
        let name = kubernetes_name(row.name("name")?);
        if !names.insert(name.clone()) {
            return Err(row.error("name", "names a pod for the second time"));
        }
        let Some(created) = row.seconds("creation_time")? else {
            return Err(row.error("creation_time", "is empty"));
        };
        let is_pending = row.text("pod_phase") == "Pending";
        let life = Life {
            created: Some(created),
            scheduled: if is_pending { None } else { row.seconds("scheduled_time")? },
            deleted: row.seconds("deletion_time")?,
        };
        super::check_order(&row, life)?;
        timeline.add(life);
        pods.push(Pod::read(&row, name, timeline.at(created))?);
    }
    table.require_rows(pods.len())?;
    Ok(pods)
}

impl Pod {
    fn read(row: &Row<'_>, name: String, created_at: SimTime) -> Result<Pod, ImportError> {
        let qos = row.text("qos");
        let class = PRIORITY_CLASSES.iter().position(|(word, _, _)| *word == qos);
        let gpu_milli = row.count("num_gpu")?.checked_mul(row.count("gpu_milli")?);
        let models = row.text("gpu_spec").split('|').filter(|model| !model.is_empty());
        Ok(Pod {
            name,
            created_at,
            cpu_milli: row.count("cpu_milli")?,
            memory_mib: row.count("memory_mib")?,
            gpu_milli: gpu_milli.ok_or_else(|| row.error("gpu_milli", "is too large"))?,
            gpu_models: models.map(str::to_owned).collect(),
            class: class
                .ok_or_else(|| row.error("qos", "is none of LS, Guaranteed, Burstable, BE"))?,
        })
    }

    /// The pod without what tells its copies apart.
    fn object(&self) -> Value {
        let (qos, class, priority) = PRIORITY_CLASSES[self.class];
        let mut resources = Resources {
            requests: vec![
                ("cpu".to_owned(), pod::milli_cpu_quantity(self.cpu_milli)),
                ("memory".to_owned(), mib_quantity(self.memory_mib)),
            ],
            limits: Vec::new(),
        };
        if self.gpu_milli > 0 {
            // An extended resource is asked for and limited alike.
            let asked = (GPU_MILLI_RESOURCE.to_owned(), self.gpu_milli.to_string());
            resources.limits.push(asked.clone());
            resources.requests.push(asked);
        }
        let mut spec = pod::pod_spec(&resources, "Always");
        spec["priority"] = json!(priority);
        spec["priorityClassName"] = json!(class);
        if !self.gpu_models.is_empty() {
            let model =
                json!({"key": GPU_MODEL_LABEL, "operator": "In", "values": self.gpu_models});
            spec["affinity"] = json!({"nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [model]}],
                },
            }});
        }
        let metadata = json!({"labels": {"plimsoll.dev/qos": qos}});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    }
}

fn priority_class(name: &str, value: i64) -> Value {
    json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": pod::metadata("PriorityClass", "", name, RELATIVE_START),
        "value": value, "globalDefault": false, "preemptionPolicy": "PreemptLowerPriority",
        "description": "stands for a service class of the openb trace",
    })
}

/// MiB as a quantity, in GiB where that is a whole number.
fn mib_quantity(mib: i64) -> String {
    if mib % 1024 == 0 { format!("{}Gi", mib / 1024) } else { format!("{mib}Mi") }
}
