//! One claim a test, on worlds of a few lines.

mod groups;
mod idleness;
mod planning;
pub(crate) mod stage;
mod tables;
mod timing;
