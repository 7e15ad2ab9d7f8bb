//! Where the input of a replay comes from.

mod document;
pub mod files;
mod location;
