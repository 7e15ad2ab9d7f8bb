//! `plimsoll sim`: the simulation itself, put to the test.

mod fuzz;

use clap::{Args, Subcommand};

use crate::exit::Outcome;

/// Put the simulation and its strategies to the test
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct SimArguments {
    #[command(subcommand)]
    command: SimCommand,
}

/// What can be done with it.
#[derive(Debug, Subcommand)]
enum SimCommand {
    Fuzz(fuzz::FuzzArguments),
}

/// Does it.
///
/// # Errors
/// Whatever kept it from being done.
pub(crate) fn run(arguments: &SimArguments) -> anyhow::Result<Outcome> {
    match &arguments.command {
        SimCommand::Fuzz(arguments) => fuzz::run(arguments),
    }
}
