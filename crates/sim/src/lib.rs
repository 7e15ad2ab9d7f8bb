//! A world in virtual time: cloud, kubelets, controllers, scheduler, faults.
//!
//! [`World`] is a discrete-event simulation. Whoever drives it asks for the next instant at which
//! something happens, lets it happen, and may then issue commands as an autoscaler's cloud and API
//! server would receive them. The world does not know who scales it.

pub mod command;
pub mod effect;
pub mod event;
pub mod fuzz;
pub mod input;
pub mod random;
pub mod world;

pub use command::{Command, CommandError};
pub use effect::{Effect, PodEnd};
pub use event::Event;
pub use fuzz::FuzzScenario;
pub use input::{Input, RecordedPod};
pub use world::{World, WorldSettings};
