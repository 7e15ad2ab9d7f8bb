//! Controllers of pods.

use serde_json::Value;

use super::defaulting::JOB_NAME_LABEL;
use super::error::FieldError;
use super::fields::{self, Fields, Read};
use super::metadata::{Metadata, Scope};
use super::pod;
use super::priority::PriorityClasses;
use super::selectors;
use crate::labels::{LabelSelector, Labels};
use crate::pod::{PodSpec, RestartPolicy};
use crate::taints::{TaintEffect, Toleration};
use crate::workload::{WorkloadKind, WorkloadObject};

/// The taints that a DaemonSet's pods tolerate whatever its template says.
///
/// Source: `AddOrUpdateDaemonPodTolerations` in `pkg/controller/daemon/util`.
const DAEMON_TOLERATIONS: [(&str, TaintEffect); 6] = [
    ("node.kubernetes.io/not-ready", TaintEffect::NoExecute),
    ("node.kubernetes.io/unreachable", TaintEffect::NoExecute),
    ("node.kubernetes.io/disk-pressure", TaintEffect::NoSchedule),
    ("node.kubernetes.io/memory-pressure", TaintEffect::NoSchedule),
    ("node.kubernetes.io/pid-pressure", TaintEffect::NoSchedule),
    ("node.kubernetes.io/unschedulable", TaintEffect::NoSchedule),
];
/// The one that they tolerate as well when they use the node's network.
const HOST_NETWORK_TOLERATION: (&str, TaintEffect) =
    ("node.kubernetes.io/network-unavailable", TaintEffect::NoSchedule);
/// The conditions that say that a Job is over.
const FINISHED_CONDITIONS: [&str; 2] = ["Complete", "Failed"];

/// Reads a controller of this kind.
pub(super) fn read(
    kind: WorkloadKind,
    api_version: &str,
    object: Fields<'_>,
    classes: &PriorityClasses,
) -> Read<WorkloadObject> {
    let metadata = Metadata::read(object, Scope::Namespaced)?;
    let progress = match kind {
        WorkloadKind::Job => object.inside("status", JobProgress::read)?.unwrap_or_default(),
        _ => JobProgress::default(),
    };
    object.required("spec", |value| {
        let spec = Fields::of(value)?;
        let template = spec.inside("template", |template| {
            let mut pods = pod::read_template(template, &metadata.namespace, classes)?;
            if !spec.items("volumeClaimTemplates", Fields::of)?.is_empty() {
                pod::mark_unjudged(&mut pods, "persistentVolumeClaim");
            }
            pod::refuse_restart_policy(pods.restart_policy, allowed_policies(kind))?;
            if kind == WorkloadKind::DaemonSet {
                add_daemon_tolerations(&mut pods, uses_host_network(template)?);
            }
            Ok(pods)
        })?;
        let selector = read_selector(kind, spec, &metadata.name)?;
        refuse_foreign_pods(kind, &selector, template.as_ref())?;
        Ok(WorkloadObject {
            kind,
            api_version: api_version.to_owned(),
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
            uid: metadata.uid.clone(),
            created_at: metadata.created_at,
            replicas: if progress.finished { 0 } else { read_replicas(kind, spec)? },
            completions: match kind {
                WorkloadKind::Job => spec.optional("completions", fields::count)?,
                _ => None,
            },
            succeeded: progress.succeeded,
            is_parallel: kind == WorkloadKind::StatefulSet
                && spec.optional("podManagementPolicy", read_is_parallel)?.unwrap_or(false),
            selector,
            template,
            controller: metadata.controller.clone(),
        })
    })
}

/// `podManagementPolicy` of a StatefulSet.
fn read_is_parallel(value: &Value) -> Read<bool> {
    fields::word(value, &[("OrderedReady", false), ("Parallel", true)])
}

/// How far a Job has come.
#[derive(Default)]
struct JobProgress {
    succeeded: u32,
    finished: bool,
}

impl JobProgress {
    fn read(status: Fields<'_>) -> Read<JobProgress> {
        let conditions = status.items("conditions", |value| {
            let condition = Fields::of(value)?;
            let kind = condition.required("type", fields::text)?;
            let holds = condition.required("status", fields::text)? == "True";
            Ok(holds && FINISHED_CONDITIONS.contains(&kind.as_str()))
        })?;
        Ok(JobProgress {
            succeeded: status.or_default("succeeded", fields::count)?,
            finished: conditions.contains(&true),
        })
    }
}

fn uses_host_network(template: Fields<'_>) -> Read<bool> {
    let flag = template.inside("spec", |spec| spec.or_default("hostNetwork", fields::flag))?;
    Ok(flag.unwrap_or(false))
}

/// Adds the tolerations that the DaemonSet controller gives to its pods, where they are not there
/// already.
fn add_daemon_tolerations(pods: &mut PodSpec, host_network: bool) {
    let network = host_network.then_some(HOST_NETWORK_TOLERATION);
    for (key, effect) in DAEMON_TOLERATIONS.into_iter().chain(network) {
        let toleration = Toleration {
            key: key.to_owned(),
            equal: false,
            value: String::new(),
            effect: Some(effect),
        };
        if !pods.tolerations.contains(&toleration) {
            pods.tolerations.push(toleration);
        }
    }
}

/// How pods of a controller may be restarted.
fn allowed_policies(kind: WorkloadKind) -> &'static [RestartPolicy] {
    match kind {
        WorkloadKind::Job => &[RestartPolicy::OnFailure, RestartPolicy::Never],
        _ => &[RestartPolicy::Always],
    }
}

/// How many pods the controller wants now: of a suspended Job none, of a DaemonSet it depends on
/// the nodes.
fn read_replicas(kind: WorkloadKind, spec: Fields<'_>) -> Read<u32> {
    match kind {
        WorkloadKind::DaemonSet => Ok(0),
        WorkloadKind::Job if spec.or_default("suspend", fields::flag)? => Ok(0),
        WorkloadKind::Job => spec.required("parallelism", fields::count),
        _ => spec.required("replicas", fields::count),
    }
}

fn read_selector(kind: WorkloadKind, spec: Fields<'_>, name: &str) -> Read<LabelSelector> {
    match kind {
        WorkloadKind::ReplicationController => {
            Ok(selectors::exact_selector(spec.or_default("selector", selectors::exact_labels)?))
        }
        WorkloadKind::Job => {
            // Without a selector the API server makes one from the Job's identity.
            let made = || {
                selectors::exact_selector(Labels::from([(
                    JOB_NAME_LABEL.to_owned(),
                    name.to_owned(),
                )]))
            };
            Ok(spec.optional("selector", selectors::label_selector)?.unwrap_or_else(made))
        }
        _ => spec.required("selector", selectors::label_selector),
    }
}

/// Refuses a controller that would make pods it does not recognise as its own.
fn refuse_foreign_pods(
    kind: WorkloadKind,
    selector: &LabelSelector,
    template: Option<&PodSpec>,
) -> Read<()> {
    // A Job's selector is about its uid, which the API server puts on the pods.
    let foreign = template.is_some_and(|pods| !selector.matches(&pods.labels));
    if kind == WorkloadKind::Job || !foreign {
        return Ok(());
    }
    let message = "expected a selector that matches the labels of template";
    Err(FieldError::here(message).within("selector"))
}
