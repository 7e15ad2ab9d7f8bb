//! The documents of a text: YAML or JSON, no key twice.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Number, Value};

/// A snapshot of a large cluster has millions of values; more than this is no snapshot.
const MAX_VALUES: usize = 200_000_000;
/// And its text is shorter than this.
const MAX_TEXT_BYTES: usize = 4 << 30;

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One value.
    Json,
    /// Any number of documents.
    Yaml,
}

/// Why a text has no documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Line and column, from 1; `None` when they are not known.
    pub(super) position: Option<(u64, u64)>,
    pub(super) message: String,
}

/// Reads every document of `text`. Empty documents are left out.
pub(super) fn read(text: &str, format: Format) -> Result<Vec<Value>, SyntaxError> {
    match format {
        Format::Json => {
            let document: Document =
                serde_json::from_str(text).map_err(|error| json_error(&error))?;
            Ok(vec![document.0])
        }
        Format::Yaml => {
            let documents: Vec<Document> =
                serde_saphyr::from_multiple_with_options(text, yaml_options())
                    .map_err(|error| yaml_error(&error))?;
            Ok(documents.into_iter().map(|document| document.0).collect())
        }
    }
}

/// YAML as `kubectl` takes it, except that what readers of YAML disagree about stays text: `yes`,
/// `no`, `on`, `off`, `010`, `1_000`. Where a text is wanted they are one, and elsewhere they are an
/// error, never a surprise.
pub(super) fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: MAX_VALUES,
            max_nodes: MAX_VALUES,
            max_documents: MAX_VALUES,
            max_total_scalar_bytes: MAX_TEXT_BYTES,
        },
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    }
}

fn json_error(error: &serde_json::Error) -> SyntaxError {
    let position = (position_number(error.line()), position_number(error.column()));
    let text = error.to_string();
    let message = text.split(" at line ").next().unwrap_or_default().to_owned();
    SyntaxError { position: Some(position), message }
}

fn position_number(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn yaml_error(error: &serde_saphyr::Error) -> SyntaxError {
    let error = error.without_snippet();
    let position = error.location().map(|place| (place.line(), place.column()));
    if let serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } = error {
        return SyntaxError { position, message: key_twice(key) };
    }
    let text = error.to_string();
    // The position is printed before the message; saying it twice helps nobody.
    let message = text.split(" at line ").next().unwrap_or_default();
    SyntaxError { position, message: message.lines().next().unwrap_or_default().to_owned() }
}

fn key_twice(key: &str) -> String {
    format!("key {key:?} is there twice")
}

/// A JSON value in which no object has a key twice.
struct Document(Value);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Document, D::Error> {
        deserializer.deserialize_any(DocumentVisitor).map(Document)
    }
}

struct DocumentVisitor;

impl<'de> DeserializeSeed<'de> for DocumentVisitor {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(DocumentVisitor)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(key_twice(&key)));
            }
            let value = entries.next_value_seed(DocumentVisitor)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn yaml(text: &str) -> Result<Vec<Value>, SyntaxError> {
        read(text, Format::Yaml)
    }

    #[test]
    fn yaml_documents_become_json_values() {
        let text = "a: 1\nb: [x, 1.5, null, \"2\"]\n---\n---\n# nothing\n---\nc: {d: true}\n";
        assert_eq!(
            yaml(text),
            Ok(vec![json!({"a": 1, "b": ["x", 1.5, null, "2"]}), json!({"c": {"d": true}})])
        );
    }

    #[test]
    fn what_readers_of_yaml_disagree_about_stays_text() {
        assert_eq!(
            yaml("a: on\nb: yes\nc: n\nd: true\ne: 2026-01-05T06:00:00Z\nf: 010\ng: 1_000\n"),
            Ok(vec![json!({
                "a": "on", "b": "yes", "c": "n", "d": true, "e": "2026-01-05T06:00:00Z",
                "f": "010", "g": "1_000",
            })])
        );
    }

    #[test]
    fn anchors_and_merges_are_resolved() {
        let text = "base: &base {x: 1, y: 2}\nmore: {<<: *base, y: 3}\n";
        assert_eq!(
            yaml(text),
            Ok(vec![json!({"base": {"x": 1, "y": 2}, "more": {"x": 1, "y": 3}})])
        );
    }

    #[test]
    fn a_key_that_is_there_twice_is_refused_with_its_place() {
        let error = yaml("a:\n  b: 1\n  b: 2\n").expect_err("b is there twice");
        assert_eq!(error.position, Some((3, 3)));
        let error = read("{\"a\": 1,\n \"a\": 2}", Format::Json).expect_err("a is there twice");
        assert_eq!(error.position.map(|(line, _)| line), Some(2));
        assert_eq!(error.message, "key \"a\" is there twice");
    }

    #[test]
    fn broken_text_is_refused_with_its_place() {
        for (text, format, line) in [
            ("a: [1, 2\nb: 3\n", Format::Yaml, 2),
            ("a: 1\n b: 2\n", Format::Yaml, 2),
            ("{\"a\": 1,\n \"b\": }", Format::Json, 2),
            ("{\"a\": 1", Format::Json, 1),
        ] {
            let error = read(text, format).expect_err(text);
            assert_eq!(error.position.map(|(line, _)| line), Some(line), "{text} {error:?}");
        }
    }
}
