//! What is wrong with an object: which object, which field, what was expected.

use std::fmt;

use serde_json::Value;
use thiserror::Error;

/// An object that an API server would refuse, or that we cannot read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{name}: {}{message}", prefix(path))]
pub struct ObjectError {
    /// Which object.
    pub name: ObjectName,
    /// Which field, from the object's root; empty: the object as a whole.
    pub path: FieldPath,
    /// What was expected there, and what was found.
    pub message: String,
}

impl ObjectError {
    pub(super) fn new(name: ObjectName, error: FieldError) -> ObjectError {
        let mut steps = error.inner_first;
        steps.reverse();
        ObjectError { name, path: FieldPath(steps), message: error.message }
    }
}

fn prefix(path: &FieldPath) -> String {
    if path.0.is_empty() { String::new() } else { format!("{path}: ") }
}

/// Kinds whose objects have no metadata: configurations of programs.
const NAMELESS_KINDS: [&str; 1] = ["KubeSchedulerConfiguration"];

/// What identifies an object. Prints as `Pod shop/web-1`, `Node n1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// Its kind; empty when the document says none.
    pub kind: String,
    /// Its namespace; empty for kinds without one.
    pub namespace: String,
    /// Its name; empty when the document says none.
    pub name: String,
}

impl ObjectName {
    /// As far as the document says it; never fails, since it serves errors.
    #[must_use]
    pub fn of(document: &Value) -> ObjectName {
        let text = |pointer: &str| {
            document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        ObjectName {
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.kind.is_empty() { "object" } else { &self.kind })?;
        match (self.namespace.is_empty(), self.name.is_empty()) {
            (_, true) if NAMELESS_KINDS.contains(&self.kind.as_str()) => Ok(()),
            (_, true) => f.write_str(" without a name"),
            (true, false) => write!(f, " {}", self.name),
            (false, false) => write!(f, " {}/{}", self.namespace, self.name),
        }
    }
}

/// Where in a document a field is. Prints as `spec.containers[0].image`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldPath(pub Vec<PathStep>);

/// One step into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathStep {
    /// Into the field of this name.
    Field(String),
    /// Into the item at this position, from 0.
    Item(usize),
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                PathStep::Item(index) => write!(f, "[{index}]")?,
                PathStep::Field(name) if name.contains('.') => write!(f, "[{name}]")?,
                PathStep::Field(name) if position == 0 => f.write_str(name)?,
                PathStep::Field(name) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}

/// An error on its way out of an object; every reader that it passes adds its step.
#[derive(Clone, Debug)]
pub(super) struct FieldError {
    inner_first: Vec<PathStep>,
    message: String,
}

impl FieldError {
    /// An error about the value at hand.
    pub(super) fn here(message: impl Into<String>) -> FieldError {
        FieldError { inner_first: Vec::new(), message: message.into() }
    }

    /// The same error, seen from the object that has the value in this field.
    #[must_use]
    pub(super) fn within(mut self, field: &str) -> FieldError {
        self.inner_first.push(PathStep::Field(field.to_owned()));
        self
    }

    /// The same error, seen from the list that has the value at this position.
    #[must_use]
    pub(super) fn within_item(mut self, index: usize) -> FieldError {
        self.inner_first.push(PathStep::Item(index));
        self
    }
}
