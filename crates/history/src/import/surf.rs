//! Batch jobs of the SURF Lisa cluster, October 2022: each row a job that fills one machine.
//!
//! A row becomes a Job and the one pod of it, annotated with how long it runs. Whether the recorded
//! times are submissions or starts is not known; they are taken as submissions, and the pod is
//! bound at once. Pod and Job are gone when the job ends. Times are absolute. The recording starts
//! one second before the first job, so that a snapshot as of its start is the empty cluster.

use std::collections::BTreeSet;
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
    let jobs: Vec<Job> = rows
        .into_iter()
        .map(|row| {
            let submitted = row.submitted_ms - start.0;
            let ended = submitted + row.duration_ms;
            timeline.add(Life {
                created: Some(submitted),
                scheduled: Some(submitted),
                deleted: Some(ended),
            });
            let created_at = timeline.at(submitted);
            let run_for = timeline.at(ended) - created_at;
            Job { pod: pod_of(&row, run_for), name: row.name, created_at }
        })
        .collect();
    let steps = timeline.into_steps();
    let end = steps.last().map_or(start, |step| step.at);

    let mut writer = super::create_writer(output, Format::Surf, "surf-lisa", files, start)?;
    for group in &node_groups {
        writer.put(start, start, group)?;
    }
    writer.put(start, start, &pod::namespace(NAMESPACE, start))?;
    timeline::play(&steps, progress, &mut |instant| {
        instant.iter().try_for_each(|step| write(&mut writer, &jobs[step.row as usize], *step))
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
    /// The pod without what tells its copies apart.
    pod: Value,
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
    Ok(rows)
}

/// The pod of a job, which runs for `run_for` once it is bound.
fn pod_of(row: &JobRow, run_for: SimDuration) -> Value {
    let asked = vec![
        ("cpu".to_owned(), row.cores.to_string()),
        ("memory".to_owned(), megabyte_quantity(row.memory_mb)),
    ];
    let resources = Resources { requests: asked.clone(), limits: asked };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"annotations": {RUN_FOR_ANNOTATION: seconds_text(run_for)}},
        "spec": pod::pod_spec(&resources, "Never"),
    })
}

fn write(writer: &mut Writer, job: &Job, step: Step) -> Result<(), ImportError> {
    let name = copy_name(&job.name, step.copy);
    let uid = pod::uid("Job", NAMESPACE, &name);
    if step.stage == Stage::Created {
        writer.put(step.at, step.at, &job_object(job, &name))?;
    }
    let mut pod = job.pod.clone();
    let metadata = &mut pod["metadata"];
    metadata["labels"] = json!({"batch.kubernetes.io/job-name": name});
    metadata["ownerReferences"] = json!([pod::owner_reference("batch/v1", "Job", &name, &uid)]);
    let pod_name = format!("{name}-0");
    pod::write(writer, &mut pod, NAMESPACE, &pod_name, job.created_at, step)?;
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

fn job_object(job: &Job, name: &str) -> Value {
    let template = json!({
        "metadata": {
            "annotations": job.pod["metadata"]["annotations"],
            "labels": {"batch.kubernetes.io/job-name": name},
        },
        "spec": job.pod["spec"],
    });
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": pod::metadata("Job", NAMESPACE, name, job.created_at),
        "spec": {
            "backoffLimit": 6, "completionMode": "NonIndexed", "completions": 1,
            "parallelism": 1, "suspend": false, "template": template,
        },
    })
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
