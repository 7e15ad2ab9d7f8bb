//! The recording of a cluster: an append-only, bitemporal history in one SQLite file.
//!
//! A row says when a change was *observed* and when it took *effect*. Every question "as of T" is
//! answered by observation time alone, for every kind of object, so that nothing that was learnt
//! after T can leak into the answer. Deletions are rows too (tombstones), and times when nobody
//! watched are recorded as gaps.
//!
//! [`Writer`] writes a recording, [`History`] reads it, and [`import`] turns traces, Gardener
//! scenarios and the output of `kubectl get` into one.

mod checkpoint;
mod document;
mod error;
pub mod import;
mod object;
#[cfg(test)]
mod properties;
mod reader;
mod schema;
mod verify;
mod writer;

pub use error::HistoryError;
pub use object::{Change, DocumentId, ObjectKey, Version};
pub use reader::{Gap, History, RecordingInfo};
pub use verify::{Finding, verify};
pub use writer::{RecordingMeta, Writer};
