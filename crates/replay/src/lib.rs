//! History or scenario × strategy → report.
//!
//! [`Replayer`] opens a source and lives through it under one strategy after the other. Strategies
//! (crate `autoscaler`) and the world (crate `sim`) do not know each other; they meet in [`driver`].

pub mod accounts;
pub mod backtesting;
pub mod driver;
pub mod fuzz;
pub mod goldens;
pub mod hopeless;
pub mod ledger;
pub mod plan;
pub mod priorities;
pub mod recording;
pub mod relive;
pub mod replayer;
pub mod report;
pub mod scale_ups;
pub mod source;
pub mod strategy;
pub mod view;

pub use replayer::{Progress, ReplayError, ReplayOptions, Replayer, is_database, load_settings};
pub use strategy::Strategy;
