//! Scale-up: which groups to enlarge so that pending pods find room.
//!
//! Source: `core/scaleup/orchestrator` and what it calls, release 1.36. Where upstream's order is
//! chance (Go maps, unstable sorts, ties) ours is fixed: pod groups go by their first pod, node
//! groups by id, and the last choice among equal options is drawn from seed and instant.

pub mod balance;
pub mod equivalence;
pub mod estimator;
pub mod expander;
pub mod limits;
pub mod min_size;
pub mod orchestrator;
pub mod template;

pub use equivalence::PodGroup;
pub use expander::ExpansionOption;
pub use orchestrator::{Increase, ScaleUpReport, ScaleUpResult, SkipReason};
