//! Batch jobs of the SURF Lisa cluster, October 2022: each row a job that fills one machine.
//!
//! A row becomes a Job and the one pod of it, annotated with how long it runs. Whether the recorded
//! times are submissions or starts is not known; they are taken as submissions, and the pod is
//! bound at once. Pod and Job are gone when the job ends. Times are absolute. The recording starts
//! one second before the first job, so that a snapshot as of its start is the empty cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use plimsoll_core::{SimDuration, SimTime};
use serde_json::{Value, json};

use super::csv_table::Table;
use super::pod::{self, Resources};
use super::timeline::{self, Life, Stage, Step, Timeline, copy_name, kubernetes_name};
use super::{Format, ImportError, ImportOptions, ImportProgress, groups};
use crate::{ObjectKey, Writer};

const COLUMNS: [&str; 5] =
    ["id", "submission_time_ms", "duration_ms", "cpu_count", "mem_capacity_mb"];

const NAMESPACE: &str = "surf";

/// How long a pod runs once it is bound.
const RUN_FOR_ANNOTATION: &str = "plimsoll.dev/run-for";

/// Milliseconds between the recording's start and the first job.
const LEAD_MS: i64 = 1_000;

/// The latest instant that a row may name, the end of the year 9999: later ones have no text.
const MAX_TIME_MS: i64 = 253_402_300_799_999;

/// Imports the jobs in `files[0]`.
pub(crate) fn import(
    files: &[PathBuf],
    options: &ImportOptions,
    output: &Path,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<Vec<String>, ImportError> {
    let groups_file = options.groups.as_deref().expect("checked by the caller");
    let node_groups = groups::read(groups_file)?;
    let rows = read(&files[0])?;
    let first = rows.iter().map(|job| job.submitted_ms).min().unwrap_or(LEAD_MS);
    let start = SimTime(first - LEAD_MS);
    let mut timeline = Timeline::new(start, options);
    let mut shapes: BTreeMap<(i64, i64), Shape> = BTreeMap::new();
    let mut jobs: Vec<Job> = Vec::with_capacity(rows.len());
    for row in rows {
        let submitted = row.submitted_ms - start.0;
        let ended = submitted + row.duration_ms;
        timeline.add(Life {
            created: Some(submitted),
            scheduled: Some(submitted),
            deleted: Some(ended),
        });
        let created_at = timeline.at(submitted);
        let run_for = seconds_text(timeline.at(ended) - created_at);
        let shape = (row.cores, row.memory_mb);
        shapes.entry(shape).or_insert_with(|| Shape::new(row.cores, row.memory_mb));
        jobs.push(Job { name: row.name, shape, run_for, created_at });
    }
    let steps = timeline.into_steps();
    let end = steps.last().map_or(start, |step| step.at);

    let mut writer = super::create_writer(output, Format::Surf, "surf-lisa", files, start)?;
    for object in node_groups.objects() {
        writer.put(start, start, object)?;
    }
    writer.put(start, start, &pod::namespace(NAMESPACE, start))?;
    timeline::play(&steps, progress, &mut |instant| {
        instant.iter().try_for_each(|step| {
            let job = &jobs[step.row as usize];
            let shape = shapes.get_mut(&job.shape).expect("each job's shape was added with it");
            write(&mut writer, job, shape, *step)
        })
    })?;
    writer.finish(end)?;
    Ok(vec![format!("{} jobs; recorded times are taken as submissions", jobs.len())])
}

/// A line of the file.
struct JobRow {
    name: String,
    submitted_ms: i64,
    duration_ms: i64,
    cores: i64,
    memory_mb: i64,
}

struct Job {
    name: String,
    created_at: SimTime,
    /// Cores and MB.
    shape: (i64, i64),
    run_for: String,
}

/// The objects of the job written last of those that ask for the same, changed in place for the
/// next: whole objects for each of many thousand jobs would fill the memory.
struct Shape {
    job: Value,
    pod: Value,
}

impl Shape {
    fn new(cores: i64, memory_mb: i64) -> Shape {
        let asked = vec![
            ("cpu".to_owned(), cores.to_string()),
            ("memory".to_owned(), megabyte_quantity(memory_mb)),
        ];
        let resources = Resources { requests: asked.clone(), limits: asked };
        let spec = pod::pod_spec(&resources, "Never");
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "spec": {
                "backoffLimit": 6, "completionMode": "NonIndexed", "completions": 1,
                "parallelism": 1, "suspend": false,
                "template": {"metadata": {}, "spec": spec},
            },
        });
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": spec});
        Shape { job, pod }
    }
}

fn read(file: &Path) -> Result<Vec<JobRow>, ImportError> {
    let mut rows = Vec::new();
    let mut names = BTreeSet::new();
    let mut table = Table::open(file, &COLUMNS)?;
    while let Some(row) = table.next_row()? {
        let name = format!("job-{}", kubernetes_name(row.name("id")?));
        if !names.insert(name.clone()) {
            return Err(row.error("id", "names a job for the second time"));
        }
        let submitted_ms = row.count("submission_time_ms")?;
        if submitted_ms > MAX_TIME_MS {
            return Err(row.error("submission_time_ms", "is after the year 9999"));
        }
        let duration_ms = row.count("duration_ms")?;
        if duration_ms > MAX_TIME_MS - submitted_ms {
            return Err(row.error("duration_ms", "ends after the year 9999"));
        }
        rows.push(JobRow {
            name,
            submitted_ms,
            duration_ms,
            cores: row.count("cpu_count")?,
            memory_mb: row.count("mem_capacity_mb")?,
        });
    }
    table.require_rows(rows.len())?;
    Ok(rows)
}

fn write(writer: &mut Writer, job: &Job, shape: &mut Shape, step: Step) -> Result<(), ImportError> {
    let name = copy_name(&job.name, step.copy);
    let uid = pod::uid("Job", NAMESPACE, &name);
    let pod_name = format!("{name}-0");
    let annotations = json!({RUN_FOR_ANNOTATION: job.run_for});
    if step.stage == Stage::Created {
        shape.job["metadata"] = pod::metadata("Job", NAMESPACE, &name, job.created_at);
        shape.job["spec"]["template"]["metadata"]["annotations"] = annotations.clone();
        writer.put(step.at, step.at, &shape.job)?;
    }
    if step.stage != Stage::Deleted {
        let owner = pod::owner_reference("batch/v1", "Job", &name, &uid);
        shape.pod["metadata"]["ownerReferences"] = json!([owner]);
        shape.pod["metadata"]["annotations"] = annotations;
    }
    pod::write(writer, &mut shape.pod, NAMESPACE, &pod_name, job.created_at, step)?;
    if step.stage == Stage::Deleted {
        let key = ObjectKey {
            kind: "Job".into(),
            api_version: "batch/v1".into(),
            namespace: NAMESPACE.into(),
            name,
            uid,
            created_at: None,
        };
        writer.delete(step.at, step.at, &key)?;
    }
    Ok(())
}

/// MB as a quantity, in GB where that is a whole number, as the API server prints it.
fn megabyte_quantity(megabytes: i64) -> String {
    if megabytes % 1000 == 0 { format!("{}G", megabytes / 1000) } else { format!("{megabytes}M") }
}

/// A span in seconds, with a fraction only where there is one: `1194s`, `7.5s`.
fn seconds_text(span: SimDuration) -> String {
    match (span.0 / 1000, span.0 % 1000) {
        (seconds, 0) => format!("{seconds}s"),
        (seconds, millis) => {
            format!("{}s", format!("{seconds}.{millis:03}").trim_end_matches('0'))
        }
    }
}
