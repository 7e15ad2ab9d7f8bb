//! The command line as a whole: which commands there are.

use clap::{Parser, Subcommand};

use crate::exit::Outcome;
use crate::{compare, history, import, plan, replay, schedule, sim};

/// Reads the arguments of this process.
///
/// # Errors
/// What clap has to say instead: a refusal, or the help or version that was asked for.
pub(crate) fn parse() -> Result<Command, clap::Error> {
    Arguments::try_parse().map(|arguments| arguments.command)
}

/// Replays the life of a Kubernetes cluster in virtual time under an autoscaler of your choice, and
/// says what each choice would have cost and how long pods would have waited.
#[derive(Debug, Parser)]
#[command(
    name = "plimsoll",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  plimsoll replay examples/workday.yaml --strategy cluster-autoscaler,threshold
  plimsoll import objects monday.json tuesday.json -o cluster.db
  plimsoll replay cluster.db --from +6h --duration 12h --html replay.html
  plimsoll schedule cluster.db@+6h
  plimsoll plan cluster.db@+6h --what-if expander=most-pods
  plimsoll history snapshot cluster.db --at +6h

Exit codes: 0 done, 1 failed, 2 wrong usage or bad input, 3 what was compared or verified differs."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Import(import::ImportArguments),
    Replay(replay::ReplayArguments),
    Compare(compare::CompareArguments),
    Schedule(schedule::ScheduleArguments),
    Plan(plan::PlanArguments),
    History(history::HistoryArguments),
    Sim(sim::SimArguments),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// Whatever kept it from being done; see [`crate::exit`] for what that means to the caller.
    pub(crate) fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Command::Import(arguments) => import::run(&arguments),
            Command::Replay(arguments) => replay::run(&arguments),
            Command::Compare(arguments) => compare::run(&arguments),
            Command::Schedule(arguments) => schedule::run(&arguments),
            Command::Plan(arguments) => plan::run(&arguments),
            Command::History(arguments) => history::run(&arguments),
            Command::Sim(arguments) => sim::run(&arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_does_not_contradict_itself() {
        Arguments::command().debug_assert();
    }
}
