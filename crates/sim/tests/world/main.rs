//! The world's rules, each as a small fixture and the log of what happens.
//!
//! `docs/reference/scenario.md` states the rules. Nodes have 4 cpu; machines of a group boot in
//! 90 s where nothing else is said.

mod budgets;
mod capacity;
mod claims;
mod cloud;
mod controllers;
mod faults;
mod instants;
mod objects;
mod play;
mod preempting;
mod recordings;
