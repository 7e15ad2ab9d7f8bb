//! The rows of a history: which object, seen when, in which version.

use std::sync::Arc;

use plimsoll_core::SimTime;
use serde_json::Value;

use crate::HistoryError;

/// One row of a history: at `observed_at` somebody saw this object in this state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The place in the recording's order; counts up from 1 without holes.
    pub sequence: u64,
    /// When the change was seen. Every as-of question is answered by this time alone.
    pub observed_at: SimTime,
    /// When the change took effect in the cluster, as far as the object itself tells.
    pub effective_at: SimTime,
    /// Which object.
    pub object: Arc<ObjectKey>,
    /// A dense number for the object within this history, from 0.
    pub object_id: u32,
    /// The state seen, or `None` for a tombstone: the object is gone.
    pub version: Option<Version>,
}

/// Which object: one life of one name. A re-created object has another `uid` and is another object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// `Pod`, `Node`, `NodeGroup`, ...
    pub kind: Arc<str>,
    /// `v1`, `apps/v1`, `plimsoll.dev/v1alpha1`, ...
    pub api_version: Arc<str>,
    /// Empty for objects that live in no namespace.
    pub namespace: Arc<str>,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`; empty where the source has none.
    pub uid: String,
    /// `metadata.creationTimestamp`, where there is one.
    pub created_at: Option<SimTime>,
}

/// The state of an object, as three documents. Replicas share the documents that are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Labels, annotations, owner references and the rest of `metadata`, without what the
    /// [`ObjectKey`] holds.
    pub meta: DocumentId,
    /// `spec`, for pods without `nodeName`; `null` for objects without a spec.
    pub spec: DocumentId,
    /// Every other top-level field: `status`, `data`, `value`, ...
    pub rest: DocumentId,
    /// A pod's `spec.nodeName`.
    pub node_name: Option<Arc<str>>,
}

/// The number of a JSON document within one history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId(pub u32);

impl ObjectKey {
    /// The key of an object in the form that `kubectl get -o json` prints.
    ///
    /// # Errors
    /// [`HistoryError::InvalidObject`] when `apiVersion`, `kind` or `metadata.name` is missing or
    /// no text, or when `creationTimestamp` is no time.
    pub fn of(object: &Value) -> Result<ObjectKey, HistoryError> {
        let parts = KeyParts::of(object)?;
        Ok(ObjectKey {
            kind: parts.kind.into(),
            api_version: parts.api_version.into(),
            namespace: parts.namespace.into(),
            name: parts.name.to_owned(),
            uid: parts.uid.to_owned(),
            created_at: parts.created_at,
        })
    }

    /// The API group: `apps` of `apps/v1`, empty for the core group.
    #[must_use]
    pub fn api_group(&self) -> &str {
        group_of(&self.api_version)
    }
}

/// The fields of an [`ObjectKey`], borrowed from the object.
pub(crate) struct KeyParts<'a> {
    pub(crate) kind: &'a str,
    pub(crate) api_version: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) uid: &'a str,
    pub(crate) created_at: Option<SimTime>,
}

impl<'a> KeyParts<'a> {
    pub(crate) fn of(object: &'a Value) -> Result<KeyParts<'a>, HistoryError> {
        let metadata = object
            .get("metadata")
            .and_then(Value::as_object)
            .ok_or_else(|| invalid(object, "metadata is missing"))?;
        let required = |holder: Option<&'a Value>, field: &str| {
            holder
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .ok_or_else(|| invalid(object, &format!("{field} is missing or no text")))
        };
        let optional = |field: &str| match metadata.get(field) {
            None | Some(Value::Null) => Ok(""),
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(invalid(object, &format!("metadata.{field} is no text"))),
        };
        let created_at = match optional("creationTimestamp")? {
            "" => None,
            text => Some(SimTime::parse(text).map_err(|error| {
                invalid(object, &format!("metadata.creationTimestamp: {error}"))
            })?),
        };
        Ok(KeyParts {
            kind: required(object.get("kind"), "kind")?,
            api_version: required(object.get("apiVersion"), "apiVersion")?,
            namespace: optional("namespace")?,
            name: required(metadata.get("name"), "metadata.name")?,
            uid: optional("uid")?,
            created_at,
        })
    }
}

/// The API group of an `apiVersion`.
pub(crate) fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

fn invalid(object: &Value, what: &str) -> HistoryError {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("").to_owned();
    let kind = text(object.get("kind"));
    let name = text(object.pointer("/metadata/name"));
    let place = match (kind.as_str(), name.as_str()) {
        ("", "") => String::new(),
        (kind, "") => format!("{kind}: "),
        (kind, name) => format!("{kind} {name}: "),
    };
    HistoryError::InvalidObject { what: format!("{place}{what}") }
}
