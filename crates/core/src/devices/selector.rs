//! CEL selectors over devices: compiled once for each text, evaluated once for each kind of device.
//!
//! Source: `k8s.io/dynamic-resource-allocation/cel`.

mod check;
mod environment;
mod quantities;
mod values;
mod versions;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use cel::Program;
use cel::Value;
use cel::common::types::CelBool;
use rustc_hash::FxHashMap;

use super::slice::{Device, DeviceAttribute};
use crate::quantity::Quantity;
use environment::ENVIRONMENT;
use values::DeviceValue;

/// The variable of every selector.
const DEVICE_VARIABLE: &str = "device";
/// A longer expression is refused.
///
/// Source: `resource.k8s.io/v1.CELSelectorExpressionMaxLength`.
const MAX_EXPRESSION_BYTES: usize = 10 * 1024;

/// A compiled expression.
pub(super) struct Selector {
    text: String,
    program: Program,
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Selector({:?})", self.text)
    }
}

impl Selector {
    /// Compiles an expression. The error is one line, in the API server's words where it is about
    /// types.
    pub(super) fn compile(text: &str) -> Result<Selector, String> {
        if text.len() > MAX_EXPRESSION_BYTES {
            return Err(format!("may not be more than {MAX_EXPRESSION_BYTES} bytes"));
        }
        let program = ENVIRONMENT.compile(text).map_err(|errors| {
            let first = errors.errors.first().map(ToString::to_string).unwrap_or_default();
            let line = first.lines().next().unwrap_or_default();
            format!("compilation failed: {line}")
        })?;
        if let Err(refused) = check::check(program.expression()) {
            return Err(match program.source_info().offset_for(refused.expression) {
                Some((start, _)) if refused.expression != 0 => {
                    let (row, column) = position(text, start as usize);
                    let message = refused.message;
                    format!("compilation failed: ERROR: <input>:{row}:{column}: {message}")
                }
                _ => refused.message,
            });
        }
        Ok(Selector { text: text.to_owned(), program })
    }

    /// Whether devices of this kind are selected.
    ///
    /// # Errors
    /// What went wrong at run time, such as an attribute that is not there.
    fn matches(&self, kind: &DeviceKind) -> Result<bool, String> {
        let device = DeviceValue::of(kind);
        let mut context = environment::context();
        context.add_variable_as_val(DEVICE_VARIABLE, Box::new(device));
        let value = Value::resolve_val(self.program.expression(), &context);
        match value {
            Ok(value) => match value.as_ref().downcast_ref::<CelBool>() {
                Some(yes) => Ok(*yes.inner()),
                None => Err(format!(
                    "CEL result of type {} could not be converted to bool",
                    value.as_ref().get_type().name()
                )),
            },
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Line and column, from 1, of an offset in bytes.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let row = before.matches('\n').count();
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count());
    (row + 1, column + 1)
}

/// All of a device that a selector can see; devices that look alike share one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DeviceKind {
    pub(super) driver: String,
    pub(super) attributes: BTreeMap<String, DeviceAttribute>,
    pub(super) capacity: BTreeMap<String, Quantity>,
    pub(super) allow_multiple_allocations: bool,
}

impl DeviceKind {
    pub(super) fn of(driver: &str, device: &Device) -> DeviceKind {
        let capacity = device.capacity.iter().map(|(name, one)| (name.clone(), one.value));
        DeviceKind {
            driver: driver.to_owned(),
            attributes: device.attributes.clone(),
            capacity: capacity.collect(),
            allow_multiple_allocations: device.allow_multiple_allocations,
        }
    }
}

/// An interned expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SelectorId(u32);

/// An interned [`DeviceKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KindId(u32);

/// Answers not asked for yet, and the three that there are.
const UNKNOWN: u8 = 0;
const SELECTED: u8 = 1;
const NOT_SELECTED: u8 = 2;
const FAILED: u8 = 3;

/// All expressions and all kinds of devices, and which selects which as far as it was asked.
#[derive(Debug, Default)]
pub(super) struct Selectors {
    compiled: Vec<Result<Arc<Selector>, String>>,
    by_text: FxHashMap<String, SelectorId>,
    kinds: Vec<Arc<DeviceKind>>,
    by_kind: FxHashMap<Arc<DeviceKind>, KindId>,
    /// By selector, then kind. An answer follows from the two alone, so it is no matter who writes
    /// it down first; that makes room for it behind a shared reference.
    answers: Vec<Vec<AtomicU8>>,
}

impl Clone for Selectors {
    fn clone(&self) -> Selectors {
        let copy = |answer: &AtomicU8| AtomicU8::new(answer.load(Ordering::Relaxed));
        Selectors {
            compiled: self.compiled.clone(),
            by_text: self.by_text.clone(),
            kinds: self.kinds.clone(),
            by_kind: self.by_kind.clone(),
            answers: self.answers.iter().map(|row| row.iter().map(copy).collect()).collect(),
        }
    }
}

impl Selectors {
    /// The identity of an expression. One that does not compile is taken too: it fails when asked.
    pub(super) fn intern(&mut self, text: &str) -> SelectorId {
        if let Some(known) = self.by_text.get(text) {
            return *known;
        }
        let id = SelectorId(next_id(self.compiled.len()));
        self.compiled.push(Selector::compile(text).map(Arc::new));
        self.answers.push(Vec::new());
        self.answers[id.0 as usize].resize_with(self.kinds.len(), AtomicU8::default);
        self.by_text.insert(text.to_owned(), id);
        id
    }

    /// The identity of what selectors see of a device.
    pub(super) fn intern_kind(&mut self, kind: DeviceKind) -> KindId {
        if let Some(known) = self.by_kind.get(&kind) {
            return *known;
        }
        let id = KindId(next_id(self.kinds.len()));
        let kind = Arc::new(kind);
        self.kinds.push(Arc::clone(&kind));
        self.by_kind.insert(kind, id);
        for row in &mut self.answers {
            row.push(AtomicU8::default());
        }
        id
    }

    /// Whether the expression selects devices of this kind.
    ///
    /// # Errors
    /// `CEL compile error: ...` or `CEL runtime error: ...`.
    pub(super) fn selects(&self, selector: SelectorId, kind: KindId) -> Result<bool, String> {
        let answer = &self.answers[selector.0 as usize][kind.0 as usize];
        match answer.load(Ordering::Relaxed) {
            SELECTED => return Ok(true),
            NOT_SELECTED => return Ok(false),
            _ => {}
        }
        let result = match &self.compiled[selector.0 as usize] {
            Err(error) => Err(format!("CEL compile error: {error}")),
            Ok(selector) => selector
                .matches(&self.kinds[kind.0 as usize])
                .map_err(|error| format!("CEL runtime error: {error}")),
        };
        let known = match result {
            Ok(true) => SELECTED,
            Ok(false) => NOT_SELECTED,
            Err(_) => FAILED,
        };
        debug_assert_ne!(known, UNKNOWN);
        answer.store(known, Ordering::Relaxed);
        result
    }
}

fn next_id(count: usize) -> u32 {
    u32::try_from(count).expect("fewer than 2^32 of a kind fit into memory")
}

/// Why an expression is refused, in one line; `None` when it is fine.
pub(crate) fn refusal_of(expression: &str) -> Option<String> {
    Selector::compile(expression).err()
}

#[cfg(test)]
mod tests;
