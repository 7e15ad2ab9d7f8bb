//! The few fields of recorded documents that a replay looks at.
//!
//! A month holds hundred thousands of documents that differ in a time or an owner's name. Reading
//! just these fields costs a fraction of whole objects, which are built once for all that are alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use plimsoll_core::pod::ControllerRef;
use plimsoll_core::{PodObject, SimDuration, SimTime};
use plimsoll_history::DocumentId;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// How long a pod runs once it is bound: a trace's jobs differ in little else.
const RUN_FOR_ANNOTATION: &str = "plimsoll.dev/run-for";

/// What makes the pods of a recording alike: those that are equal in this have equal specs but for
/// the time they run, whatever their names and controllers are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Likeness {
    namespace: Arc<str>,
    spec: DocumentId,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    deletion_timestamp: Option<String>,
}

/// What the metadata document of a pod says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PodIdentity {
    /// What it shares with others.
    pub(super) likeness: Likeness,
    /// How long it runs, as its annotation says.
    pub(super) run_for: Option<String>,
    /// Its own controller.
    pub(super) controller: Option<ControllerRef>,
}

/// Reads a pod's metadata document. `None` when it is not as an API server writes it; then reading
/// the whole object tells what is wrong.
pub(super) fn read_pod_identity(
    namespace: &Arc<str>,
    spec: DocumentId,
    metadata: &str,
) -> Option<PodIdentity> {
    let mut metadata: PodMetadata = serde_json::from_str(metadata).ok()?;
    let run_for = metadata.annotations.as_mut().and_then(|all| all.remove(RUN_FOR_ANNOTATION));
    let owners = metadata.owner_references.unwrap_or_default();
    if owners.iter().any(|owner| owner.kind.is_empty() || owner.name.is_empty()) {
        return None;
    }
    let controller = owners.into_iter().find(|owner| owner.controller == Some(true));
    let likeness = Likeness {
        namespace: Arc::clone(namespace),
        spec,
        labels: metadata.labels,
        annotations: metadata.annotations,
        deletion_timestamp: metadata.deletion_timestamp,
    };
    let controller = controller.map(|owner| ControllerRef {
        api_version: owner.api_version,
        kind: owner.kind,
        name: owner.name,
        uid: owner.uid.unwrap_or_default(),
    });
    Some(PodIdentity { likeness, run_for, controller })
}

/// The pod like `pod` that runs for a time of its own; `None` when that is no time.
pub(super) fn with_run_for(pod: &PodObject, run_for: &str) -> Option<PodObject> {
    let span = SimDuration::parse(run_for).ok().filter(|span| *span >= SimDuration::ZERO)?;
    let mut pod = pod.clone();
    pod.spec.annotations.insert(RUN_FOR_ANNOTATION.to_owned(), run_for.to_owned());
    pod.spec.run_for = Some(span);
    Some(pod)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodMetadata {
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    deletion_timestamp: Option<String>,
    owner_references: Option<Vec<Owner>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owner {
    api_version: String,
    kind: String,
    name: String,
    uid: Option<String>,
    controller: Option<bool>,
}

/// How far a pod has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PodProgress {
    /// Its work is over.
    pub(super) finished: bool,
    /// The scheduler has found it a node.
    pub(super) scheduled: bool,
    /// When it did, where the status says so.
    pub(super) scheduled_at: Option<SimTime>,
}

impl PodProgress {
    /// Reads the document of a pod that holds its `status`.
    pub(super) fn read(document: &str) -> serde_json::Result<PodProgress> {
        let document: PodRest<'_> = serde_json::from_str(document)?;
        let Some(status) = document.status else { return Ok(PodProgress::default()) };
        let mut conditions = status.conditions.iter().flatten();
        let bound = conditions
            .find(|one| one.kind == "PodScheduled")
            .filter(|one| one.status == Some("True"));
        Ok(PodProgress {
            finished: matches!(status.phase, Some("Succeeded" | "Failed")),
            scheduled: bound.is_some(),
            scheduled_at: bound
                .and_then(|one| one.last_transition_time)
                .and_then(|time| SimTime::parse(time).ok()),
        })
    }
}

/// Words and times hold nothing that JSON would escape, so they can be borrowed.
#[derive(Deserialize)]
struct PodRest<'a> {
    #[serde(borrow)]
    status: Option<PodStatus<'a>>,
}

#[derive(Deserialize)]
struct PodStatus<'a> {
    phase: Option<&'a str>,
    #[serde(borrow)]
    conditions: Option<Vec<Condition<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    status: Option<&'a str>,
    last_transition_time: Option<&'a str>,
}

/// The `spec` of a controller without the template of its pods, which is most of it.
pub(super) fn spec_without_template(document: &str) -> serde_json::Result<Value> {
    #[derive(Deserialize)]
    struct Spec {
        #[serde(rename = "template")]
        _template: Option<IgnoredAny>,
        #[serde(flatten)]
        others: Map<String, Value>,
    }
    serde_json::from_str(document).map(|spec: Spec| Value::Object(spec.others))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pods_progress_is_its_phase_and_its_binding() {
        let read = |text: &str| {
            let progress = PodProgress::read(text).expect("a status");
            let at = progress.scheduled_at.map(|at| at.to_string());
            (progress.finished, progress.scheduled, at)
        };
        assert_eq!(read("{}"), (false, false, None));
        assert_eq!(
            read(r#"{"status":{"phase":"Failed","podIP":"10.0.0.1"}}"#),
            (true, false, None)
        );
        let bound = r#"{"status":{"conditions":[
            {"type":"Ready","status":"True","lastTransitionTime":"2026-01-05T07:00:00Z"},
            {"type":"PodScheduled","status":"True","lastTransitionTime":"2026-01-05T06:00:00Z"}
        ],"phase":"Running"}}"#;
        assert_eq!(read(bound), (false, true, Some("2026-01-05T06:00:00Z".to_owned())));
        let waiting = bound
            .replace(r#""PodScheduled","status":"True""#, r#""PodScheduled","status":"False""#);
        assert_eq!(read(&waiting), (false, false, None));
        assert!(PodProgress::read(r#"{"status":{"phase":5}}"#).is_err());
    }

    #[test]
    fn pods_that_differ_in_owner_and_running_time_only_are_alike() {
        let read = |metadata: &str| read_pod_identity(&"shop".into(), DocumentId(7), metadata);
        let owned_by = |name: &str| {
            read(&format!(
                r#"{{"labels":{{"app":"web"}},"ownerReferences":[
                    {{"apiVersion":"v1","kind":"Node","name":"n1","uid":"u0"}},
                    {{"apiVersion":"batch/v1","kind":"Job","name":"{name}","uid":"u1","controller":true}}]}}"#
            ))
        };
        let one = owned_by("a").expect("metadata");
        assert_eq!(one.controller.map(|one| one.name).as_deref(), Some("a"));
        assert_eq!(one.likeness, owned_by("b").expect("metadata").likeness);
        let other = read(r#"{"labels":{"app":"api"}}"#).expect("metadata");
        assert_ne!(one.likeness, other.likeness);
        let annotated = |seconds: u32| {
            let run_for = format!(r#"{{"annotations":{{"plimsoll.dev/run-for":"{seconds}s"}}}}"#);
            read(&run_for).expect("metadata")
        };
        assert_eq!(annotated(60).likeness, annotated(61).likeness);
        assert_eq!(annotated(60).run_for.as_deref(), Some("60s"));
        assert_eq!(owned_by(""), None);
        assert_eq!(read(r#"{"labels":{"app":1}}"#), None);
    }

    #[test]
    fn a_pod_with_another_running_time_is_what_reading_it_whole_gives() {
        let parse = |seconds: u32| {
            let document = json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "a", "annotations": {RUN_FOR_ANNOTATION: format!("{seconds}s")}},
                "spec": {"containers": [{"name": "main"}]},
            });
            match plimsoll_core::objects::parse(&document) {
                Ok(plimsoll_core::objects::Object::Pod(pod)) => pod,
                other => panic!("not a pod: {other:?}"),
            }
        };
        assert_eq!(with_run_for(&parse(60), "90s"), Some(parse(90)));
        assert_eq!(with_run_for(&parse(60), "-1s"), None);
        assert_eq!(with_run_for(&parse(60), "soon"), None);
    }

    #[test]
    fn a_spec_loses_its_template_and_nothing_else() {
        let spec =
            r#"{"replicas":3,"selector":{"matchLabels":{"app":"web"}},"template":{"spec":{}}}"#;
        let without = spec_without_template(spec).expect("a spec").to_string();
        assert_eq!(without, r#"{"replicas":3,"selector":{"matchLabels":{"app":"web"}}}"#);
    }
}
