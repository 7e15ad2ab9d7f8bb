//! How an object is cut into documents that replicas can share, and put together again.
//!
//! What differs between two replicas of one Deployment goes into columns (name, namespace, uid,
//! creation time, resource version, a pod's node name); what is the same stays in the documents.

use std::fmt::Write as _;

use plimsoll_core::SimTime;
use serde_json::{Map, Value};

use crate::object::{KeyParts, ObjectKey};

/// The canonical texts of the three documents of one object, and the columns beside them.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(crate) meta: String,
    pub(crate) spec: String,
    pub(crate) rest: String,
}

/// The columns that are cut out of an object besides its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Columns<'a> {
    pub(crate) node_name: Option<&'a str>,
    pub(crate) resource_version: Option<&'a str>,
}

impl Parts {
    /// Cuts `object` and writes the canonical texts of its documents into `self`, whose buffers
    /// are used again from call to call.
    pub(crate) fn cut<'a>(&mut self, object: &'a Value, key: &KeyParts<'_>) -> Columns<'a> {
        let empty = Map::new();
        let fields = object.as_object().unwrap_or(&empty);
        let metadata = fields.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
        let created_in_column = key.created_at.is_some_and(|created_at| {
            metadata.get("creationTimestamp").and_then(Value::as_str)
                == Some(created_at.to_string().as_str())
        });
        self.meta.clear();
        write_object(&mut self.meta, metadata, |field, value| match field {
            "name" => true,
            "namespace" | "uid" | "resourceVersion" => is_text(value),
            "creationTimestamp" => created_in_column,
            _ => false,
        });
        let spec = fields.get("spec");
        let node_name = (key.kind == "Pod" && key.api_version == "v1")
            .then(|| spec?.get("nodeName")?.as_str().filter(|name| !name.is_empty()))
            .flatten();
        self.spec.clear();
        match spec {
            None | Some(Value::Null) => self.spec.push_str("null"),
            Some(Value::Object(spec)) => write_object(&mut self.spec, spec, |field, _| {
                field == "nodeName" && node_name.is_some()
            }),
            Some(other) => write_canonical(&mut self.spec, other),
        }
        self.rest.clear();
        write_object(&mut self.rest, fields, |field, value| match field {
            "apiVersion" | "kind" => true,
            "metadata" => true,
            "spec" => !value.is_null(),
            _ => false,
        });
        let resource_version =
            metadata.get("resourceVersion").filter(|v| is_text(v)).and_then(Value::as_str);
        // The borrow of `empty` must not leak into the result, hence the look-ups from `object`.
        let node_name = node_name.and(object.pointer("/spec/nodeName")).and_then(Value::as_str);
        let resource_version = resource_version
            .and(object.pointer("/metadata/resourceVersion"))
            .and_then(Value::as_str);
        Columns { node_name, resource_version }
    }
}

/// Puts the whole object together again from its key, columns and documents.
pub(crate) fn join(
    key: &ObjectKey,
    columns: Columns<'_>,
    meta: &Value,
    spec: &Value,
    rest: &Value,
) -> Value {
    let mut metadata = meta.as_object().cloned().unwrap_or_default();
    let mut place = |field: &str, text: &str| {
        if !text.is_empty() && !metadata.contains_key(field) {
            metadata.insert(field.to_owned(), Value::String(text.to_owned()));
        }
    };
    place("name", &key.name);
    place("namespace", &key.namespace);
    place("uid", &key.uid);
    place("resourceVersion", columns.resource_version.unwrap_or(""));
    place("creationTimestamp", &key.created_at.map(|t: SimTime| t.to_string()).unwrap_or_default());

    let mut object = rest.as_object().cloned().unwrap_or_default();
    object.insert("apiVersion".to_owned(), Value::String(key.api_version.to_string()));
    object.insert("kind".to_owned(), Value::String(key.kind.to_string()));
    object.insert("metadata".to_owned(), Value::Object(metadata));
    if !spec.is_null() {
        let mut spec = spec.clone();
        if let (Some(node_name), Some(fields)) = (columns.node_name, spec.as_object_mut()) {
            fields.insert("nodeName".to_owned(), Value::String(node_name.to_owned()));
        }
        object.insert("spec".to_owned(), spec);
    }
    Value::Object(object)
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

/// Writes `value` as JSON without spaces and with the keys of every object in byte order, so that
/// equal values have equal texts and equal hashes.
pub(crate) fn write_canonical(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => {
            write!(out, "{number}").expect("writing to a String cannot fail");
        }
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(out, item);
            }
            out.push(']');
        }
        Value::Object(fields) => write_object(out, fields, |_, _| false),
    }
}

/// Writes an object without the fields for which `skip` holds.
fn write_object(
    out: &mut String,
    fields: &Map<String, Value>,
    skip: impl Fn(&str, &Value) -> bool,
) {
    // The map keeps byte order unless some crate of the build turns on serde_json's
    // `preserve_order`; sorting an already sorted list costs next to nothing.
    let mut entries: Vec<(&String, &Value)> =
        fields.iter().filter(|(field, value)| !skip(field, value)).collect();
    entries.sort_unstable_by_key(|(field, _)| *field);
    out.push('{');
    for (index, (field, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(out, field);
        out.push(':');
        write_canonical(out, value);
    }
    out.push('}');
}

/// Writes a JSON string. Only what JSON demands is escaped.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut copied = 0;
    for (index, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(&text[copied..index]);
        copied = index + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            other => write!(out, "\\u{other:04x}").expect("writing to a String cannot fail"),
        }
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn round_trip(object: &Value) -> (Parts, Value) {
        let key_parts = KeyParts::of(object).expect("a valid object");
        let mut parts = Parts::default();
        let columns = parts.cut(object, &key_parts);
        let parse = |text: &str| serde_json::from_str::<Value>(text).expect("canonical JSON");
        let joined = join(
            &ObjectKey::of(object).expect("a valid object"),
            columns,
            &parse(&parts.meta),
            &parse(&parts.spec),
            &parse(&parts.rest),
        );
        (parts, joined)
    }

    #[test]
    fn a_pod_is_cut_so_that_its_replicas_share_documents() {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "web-1", "namespace": "shop", "uid": "u1", "resourceVersion": "77",
                "creationTimestamp": "2026-01-05T03:00:00Z", "labels": {"b": "2", "a": "1"},
            },
            "spec": {"nodeName": "n1", "containers": [{"name": "main"}]},
            "status": {"phase": "Running"},
        });
        let (parts, joined) = round_trip(&pod);
        expect_test::expect![[r#"
            {"labels":{"a":"1","b":"2"}}
            {"containers":[{"name":"main"}]}
            {"status":{"phase":"Running"}}"#]]
        .assert_eq(&format!("{}\n{}\n{}", parts.meta, parts.spec, parts.rest));
        assert_eq!(joined, pod);
    }

    #[test]
    fn odd_objects_are_put_together_exactly_as_they_were() {
        for object in [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}),
            json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "a", "namespace": "",
                "uid": null, "creationTimestamp": null}, "spec": null}),
            json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "a",
                "creationTimestamp": "2024-05-21T19:43:30+05:30"}, "spec": [1, 2.5, "x\"\\\n\u{1}é"]}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
                "spec": {"nodeName": ""}}),
            json!({"apiVersion": "v1", "kind": "PriorityClass", "metadata": {"name": "a"},
                "value": -5, "data": {"nodeName": "kept"}}),
        ] {
            assert_eq!(round_trip(&object).1, object);
        }
    }
}
