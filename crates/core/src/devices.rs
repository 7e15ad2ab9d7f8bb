//! Dynamic resource allocation.

mod selector;
pub mod slice;
pub mod version;
