//! Being laid out.

pub mod source;
