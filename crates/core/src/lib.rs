//! The cluster as plain data: what there is, what fits where, what may move.
//!
//! This crate is pure: no clock, no files, no threads, no randomness. The same calls give the same
//! answers on any machine.

pub mod time;

pub use time::{SimDuration, SimTime};
