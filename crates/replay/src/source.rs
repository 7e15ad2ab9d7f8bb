//! Where the input of a replay comes from.

mod as_of;
mod document;
pub mod files;
mod location;
mod scheduler_configuration;

pub use as_of::snapshot_as_of;
pub use files::{SourceError, documents, load, load_text, read_text};
pub use scheduler_configuration::load_scheduler_configuration;
