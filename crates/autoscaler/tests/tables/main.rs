//! The cases of upstream's suites that carry over as data: inputs and expected results are written
//! anew, each table names the suite that it is after.
//!
//! Upstream asks one unit at a time, here a whole loop decides; rows have what lets the other units
//! pass. Source: cluster-autoscaler 1.36.1.

mod budgets;
mod eligibility;
mod equivalence;
mod expanders;
mod orchestrator;
mod refusals;
mod scene;
mod sharing;
mod similarity;
mod stage;
mod unneeded;
