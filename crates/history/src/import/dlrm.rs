//! Alibaba's GPU-disaggregated DLRM trace: instances of services over 31 days.
//!
//! An instance becomes a pod in namespace `dlrm`, owned by a ReplicaSet for its shape, which is
//! owned by the Deployment of its app; their `replicas` follow the pods. Time 0 is
//! 2025-01-01T00:00:00Z. An instance without a creation time runs from the recording's start; one
//! without a deletion time is alive at its end. The role is a node selector. RDMA (in percent of a
//! network card) and the greatest number of an app's instances per node are extended resources, as
//! Kubernetes has no field for either.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use plimsoll_core::SimTime;
use serde_json::{Value, json};

use super::csv_table::{Row, Table};
use super::pod::{self, Resources};
use super::timeline::{self, Life, Stage, Step, Timeline, copy_name, kubernetes_name};
use super::{Format, ImportError, ImportOptions, ImportProgress, RELATIVE_START, groups};
use crate::Writer;

const COLUMNS: [&str; 17] = [
    "instance_sn",
    "role",
    "app_name",
    "cpu_request",
    "cpu_limit",
    "gpu_request",
    "gpu_limit",
    "rdma_request",
    "rdma_limit",
    "memory_request",
    "memory_limit",
    "disk_request",
    "disk_limit",
    "max_instance_per_node",
    "creation_time",
    "scheduled_time",
    "deletion_time",
];

const NAMESPACE: &str = "dlrm";

/// The label of nodes that says which role they serve: `CN` (CPU nodes) or `HN` (GPU nodes).
const ROLE_LABEL: &str = "plimsoll.dev/role";

/// Percent of a network card; a node offers as much as its group's template says.
const RDMA_RESOURCE: &str = "plimsoll.dev/rdma";
/// What a node offers of it where the groups file does not say: two cards, since one application runs
/// up to eight instances of a quarter card each on one node.
const RDMA_PERCENT_PER_NODE: &str = "200";
/// The disk of a node where the groups file does not say: enough for eight of the largest instances.
const DISK_PER_NODE: &str = "8Ti";

/// Imports the trace in `files[0]`.
pub(crate) fn import(
    files: &[PathBuf],
    options: &ImportOptions,
    output: &Path,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<Vec<String>, ImportError> {
    let groups_file = options.groups.as_deref().expect("checked by the caller");
    let mut node_groups = groups::read(groups_file)?;
    let mut timeline = Timeline::new(RELATIVE_START, options);
    let mut trace = Trace::read(&files[0], &mut timeline)?;
    trace.add_caps(groups_file, &mut node_groups.groups)?;
    let steps = timeline.into_steps();
    let end = steps.last().map_or(RELATIVE_START, |step| step.at);

    let mut writer =
        super::create_writer(output, Format::Dlrm, "alibaba-dlrm", files, RELATIVE_START)?;
    for object in node_groups.objects() {
        writer.put(RELATIVE_START, RELATIVE_START, object)?;
    }
    let namespace = pod::namespace(NAMESPACE, RELATIVE_START);
    writer.put(RELATIVE_START, RELATIVE_START, &namespace)?;
    timeline::play(&steps, progress, &mut |instant| trace.write(&mut writer, instant))?;
    writer.finish(end)?;
    Ok(vec![format!(
        "{} instances of {} apps in {} shapes; time 0 of the trace is {RELATIVE_START}",
        trace.instances.len(),
        trace.apps.len(),
        trace.shapes.len()
    )])
}

/// The trace in memory.
#[derive(Default)]
struct Trace {
    instances: Vec<Instance>,
    shapes: Vec<Shape>,
    apps: Vec<App>,
    /// The caps of each app on the nodes of each role.
    caps: BTreeMap<(String, usize), BTreeSet<i64>>,
}

/// A row.
struct Instance {
    name: String,
    shape: usize,
    created_at: SimTime,
}

/// Instances that only differ in name and time: the revision of a Deployment.
struct Shape {
    key: ShapeKey,
    app: usize,
    name: String,
    replicas: i64,
    /// Its ReplicaSet, once it has been written.
    replica_set: Option<Value>,
    /// The pod of the instance written last, changed in place for the next.
    pod: Value,
}

/// A service.
struct App {
    name: String,
    first_shape: usize,
    shapes: usize,
    replicas: i64,
    /// Its Deployment, once it has been written.
    deployment: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ShapeKey {
    app: String,
    role: String,
    /// What is asked for, and the most that may be used: CPU, GPU, RDMA, memory, disk.
    requests: [String; 5],
    limits: [String; 5],
    cap: Option<i64>,
}

impl Trace {
    fn read(file: &Path, timeline: &mut Timeline) -> Result<Trace, ImportError> {
        let mut trace = Trace::default();
        let mut shape_of: BTreeMap<ShapeKey, usize> = BTreeMap::new();
        let mut app_of: BTreeMap<String, usize> = BTreeMap::new();
        let mut names = BTreeSet::new();
        let mut table = Table::open(file, &COLUMNS)?;
        while let Some(row) = table.next_row()? {
            let key = shape_key(&row)?;
            let name = kubernetes_name(row.name("instance_sn")?);
            if !names.insert(name.clone()) {
                return Err(row.error("instance_sn", "names an instance for the second time"));
            }
            let life = Life {
                created: row.seconds("creation_time")?,
                scheduled: row.seconds("scheduled_time")?,
                deleted: row.seconds("deletion_time")?,
            };
            check_life(&row, life)?;
            let shape = match shape_of.get(&key) {
                Some(&shape) => shape,
                None => {
                    let shape = trace.shapes.len();
                    let app = *app_of.entry(key.app.clone()).or_insert(trace.apps.len());
                    trace.add_shape(app, &key);
                    shape_of.insert(key, shape);
                    shape
                }
            };
            timeline.add(life);
            let created_at = timeline.at(life.created.unwrap_or(0));
            trace.instances.push(Instance { name, shape, created_at });
        }
        table.require_rows(trace.instances.len())?;
        Ok(trace)
    }

    fn add_shape(&mut self, app: usize, key: &ShapeKey) {
        if app == self.apps.len() {
            self.apps.push(App {
                name: key.app.clone(),
                first_shape: self.shapes.len(),
                shapes: 0,
                replicas: 0,
                deployment: None,
            });
        }
        let owner = &mut self.apps[app];
        owner.shapes += 1;
        // The first shape has the app's own name, the others are numbered from 2.
        let name = match owner.shapes {
            1 => key.app.clone(),
            number => format!("{}-{number}", key.app),
        };
        if let Some(cap) = key.cap {
            self.caps.entry((key.role.clone(), app)).or_default().insert(cap);
        }
        self.shapes.push(Shape {
            key: key.clone(),
            app,
            name,
            replicas: 0,
            replica_set: None,
            pod: Value::Null,
        });
    }

    /// Gives every group the caps of the apps whose role it serves, and every shape its pod.
    fn add_caps(&mut self, file: &Path, node_groups: &mut [Value]) -> Result<(), ImportError> {
        let roles: BTreeSet<String> =
            self.shapes.iter().map(|shape| shape.key.role.clone()).collect();
        for role in roles {
            let mut is_served = false;
            for group in node_groups.iter_mut() {
                if groups::template_label(group, ROLE_LABEL) != Some(role.as_str()) {
                    continue;
                }
                is_served = true;
                groups::add_missing_resource(group, RDMA_RESOURCE, RDMA_PERCENT_PER_NODE);
                groups::add_missing_resource(group, "ephemeral-storage", DISK_PER_NODE);
                for ((_, app), caps) in self.caps.iter().filter(|((of, _), _)| *of == role) {
                    let resource = cap_resource(&self.apps[*app].name);
                    groups::add_resource(group, &resource, &units_per_node(caps).to_string());
                }
            }
            if !is_served {
                let what = format!("no group's template has the label {ROLE_LABEL}: {role}");
                return Err(ImportError::document(file, None, what));
            }
        }
        for shape in &mut self.shapes {
            let units = self.caps.get(&(shape.key.role.clone(), shape.app)).map(units_per_node);
            shape.pod = pod_of(shape, units.unwrap_or(1));
        }
        Ok(())
    }

    /// Writes what happens at one instant: first the owners with their new sizes, then the pods.
    fn write(&mut self, writer: &mut Writer, instant: &[Step]) -> Result<(), ImportError> {
        let mut touched: BTreeSet<usize> = BTreeSet::new();
        for step in instant {
            let shape = self.instances[step.row as usize].shape;
            let difference = match step.stage {
                Stage::Found | Stage::Created => 1,
                Stage::Deleted => -1,
                Stage::Scheduled => continue,
            };
            touched.insert(shape);
            self.shapes[shape].replicas += difference;
            self.apps[self.shapes[shape].app].replicas += difference;
        }
        let now = instant[0].at;
        let apps: BTreeSet<usize> = touched.iter().map(|&shape| self.shapes[shape].app).collect();
        for app in apps {
            let app = &mut self.apps[app];
            let shape = &self.shapes[app.first_shape];
            let deployment = app.deployment.get_or_insert_with(|| deployment_of(shape, now));
            deployment["spec"]["replicas"] = json!(app.replicas);
            writer.put(now, now, deployment)?;
        }
        for shape in touched {
            let shape = &mut self.shapes[shape];
            if shape.replica_set.is_none() {
                shape.replica_set = Some(replica_set_of(shape, now));
            }
            if let Some(replica_set) = &mut shape.replica_set {
                replica_set["spec"]["replicas"] = json!(shape.replicas);
                writer.put(now, now, replica_set)?;
            }
        }
        for step in instant {
            self.write_pod(writer, *step)?;
        }
        Ok(())
    }

    fn write_pod(&mut self, writer: &mut Writer, step: Step) -> Result<(), ImportError> {
        let instance = &self.instances[step.row as usize];
        let name = copy_name(&instance.name, step.copy);
        let pod = &mut self.shapes[instance.shape].pod;
        pod::write(writer, pod, NAMESPACE, &name, instance.created_at, step)
    }
}

fn shape_key(row: &Row<'_>) -> Result<ShapeKey, ImportError> {
    let resources = |suffix: &str| -> Result<[String; 5], ImportError> {
        let column = |resource: &str| format!("{resource}_{suffix}");
        Ok([
            pod::cpu_quantity(row.decimal(&column("cpu"))?),
            row.count(&column("gpu"))?.to_string(),
            row.count(&column("rdma"))?.to_string(),
            pod::gib_quantity(row.decimal(&column("memory"))?),
            pod::gib_quantity(row.decimal(&column("disk"))?),
        ])
    };
    let cap = match row.integer("max_instance_per_node")? {
        -1 => None,
        cap @ 1..=MAX_CAP => Some(cap),
        _ => {
            let problem = "is neither -1 (no limit) nor a number from 1 to 1000";
            return Err(row.error("max_instance_per_node", problem));
        }
    };
    Ok(ShapeKey {
        app: kubernetes_name(row.name("app_name")?),
        role: row.name("role")?.to_owned(),
        requests: resources("request")?,
        limits: resources("limit")?,
        cap,
    })
}

/// The largest number of instances per node that a row may allow; above the pods of any node.
const MAX_CAP: i64 = 1_000;

fn check_life(row: &Row<'_>, life: Life) -> Result<(), ImportError> {
    if life.created.is_none() && life.scheduled.is_some() {
        return Err(row.error("scheduled_time", "is set although creation_time is blank"));
    }
    super::check_order(row, life)
}

/// The resource that stands for the greatest number of an app's instances on one node.
fn cap_resource(app: &str) -> String {
    format!("cap.plimsoll.dev/{app}")
}

/// How much of an app's cap resource a node offers: the cap itself where all its instances of the
/// role agree on one, and else the least number that every cap divides. An instance asks for this
/// divided by its own cap.
fn units_per_node(caps: &BTreeSet<i64>) -> i64 {
    fn divisor(left: i64, right: i64) -> i64 {
        if right == 0 { left } else { divisor(right, left % right) }
    }
    caps.iter().fold(1, |units, &cap| units / divisor(units, cap) * cap)
}

/// The Deployment of an app, whose first shape is `shape`.
fn deployment_of(shape: &Shape, created_at: SimTime) -> Value {
    let app = &shape.key.app;
    let mut metadata = pod::metadata("Deployment", NAMESPACE, app, created_at);
    metadata["labels"] = json!({"app": app});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
        "spec": {"selector": {"matchLabels": {"app": app}}, "template": template_of(shape)},
    })
}

fn replica_set_of(shape: &Shape, created_at: SimTime) -> Value {
    let app = &shape.key.app;
    let labels = json!({"app": app, "pod-template-hash": shape.name});
    let mut metadata = pod::metadata("ReplicaSet", NAMESPACE, &shape.name, created_at);
    let owner = pod::uid("Deployment", NAMESPACE, app);
    metadata["labels"] = labels.clone();
    metadata["ownerReferences"] =
        json!([pod::owner_reference("apps/v1", "Deployment", app, &owner)]);
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata,
        "spec": {"selector": {"matchLabels": labels}, "template": template_of(shape)},
    })
}

fn template_of(shape: &Shape) -> Value {
    json!({
        "metadata": {"labels": shape.pod["metadata"]["labels"]},
        "spec": shape.pod["spec"],
    })
}

/// The pod of a shape, without what tells its instances apart.
fn pod_of(shape: &Shape, units_per_node: i64) -> Value {
    let names = ["cpu", "nvidia.com/gpu", RDMA_RESOURCE, "memory", "ephemeral-storage"];
    let list = |quantities: &[String; 5]| -> Vec<(String, String)> {
        names
            .iter()
            .zip(quantities)
            .filter(|(_, quantity)| !matches!(quantity.as_str(), "0" | "0Gi"))
            .map(|(name, quantity)| ((*name).to_owned(), quantity.clone()))
            .collect()
    };
    let mut resources =
        Resources { requests: list(&shape.key.requests), limits: list(&shape.key.limits) };
    if let Some(cap) = shape.key.cap {
        // An extended resource is asked for and limited alike.
        let units = (cap_resource(&shape.key.app), (units_per_node / cap).to_string());
        resources.limits.push(units.clone());
        resources.requests.push(units);
    }
    let mut spec = pod::pod_spec(&resources, "Always");
    spec["nodeSelector"] = json!({ROLE_LABEL: shape.key.role});
    let owner = pod::uid("ReplicaSet", NAMESPACE, &shape.name);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "labels": {"app": shape.key.app, "pod-template-hash": shape.name},
            "ownerReferences": [pod::owner_reference("apps/v1", "ReplicaSet", &shape.name, &owner)],
        },
        "spec": spec,
    })
}
