//! Refusals in the API server's words.
//!
//! Source: `k8s.io/apimachinery/pkg/util/validation/field.Error`.

use serde_json::Value;

use super::error::FieldError;

/// A longer value is cut: an error is one line.
const SHOWN_CHARS: usize = 200;

/// A value that breaks a rule.
pub(super) fn invalid(value: impl Into<Value>, rule: &str) -> FieldError {
    FieldError::here(format!("Invalid value: {}: {rule}", shown(&value.into())))
}

/// A value that is missing or empty. `why` may be empty.
pub(super) fn missing(why: &str) -> FieldError {
    FieldError::here(if why.is_empty() {
        "Required value".to_owned()
    } else {
        format!("Required value: {why}")
    })
}

/// A word that is none of a closed set.
pub(super) fn unsupported(value: impl Into<Value>, supported: &[&str]) -> FieldError {
    let words: Vec<String> = supported.iter().map(|word| format!("{word:?}")).collect();
    let value = shown(&value.into());
    FieldError::here(format!("Unsupported value: {value}: supported values: {}", words.join(", ")))
}

/// A value that is there twice where it may be there once. `why` may be empty.
pub(super) fn duplicate(value: impl Into<Value>, why: &str) -> FieldError {
    let colon = if why.is_empty() { "" } else { ": " };
    FieldError::here(format!("Duplicate value: {}{colon}{why}", shown(&value.into())))
}

/// A value that may not be there under the circumstances.
pub(super) fn forbidden(why: &str) -> FieldError {
    FieldError::here(format!("Forbidden: {why}"))
}

/// A list that is too long.
pub(super) fn too_many(count: usize, limit: usize) -> FieldError {
    FieldError::here(format!("Too many: {count}: must have at most {limit} items"))
}

/// A text that is too long.
pub(super) fn too_long(limit_bytes: usize) -> FieldError {
    FieldError::here(format!("Too long: may not be more than {limit_bytes} bytes"))
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= SHOWN_CHARS {
        return text;
    }
    text.chars().take(SHOWN_CHARS).chain("...".chars()).collect()
}
