//! Where the input of a replay comes from.

mod document;
pub mod files;
mod location;

pub use files::{SourceError, documents, load, load_text, read_text};
