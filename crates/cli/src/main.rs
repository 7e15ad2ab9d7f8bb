//! The program `plimsoll`: it reads its arguments, calls the libraries and prints what they answer.

mod arguments;
mod compare;
mod exit;
mod explain;
mod history;
mod import;
mod output;
mod plan;
mod progress;
mod replay;
mod schedule;
mod settings_file;
mod sim;
mod snapshot_source;
mod tables;
mod time_argument;
mod whole_file;

use std::process::ExitCode;

fn main() -> ExitCode {
    match arguments::parse() {
        Ok(command) => exit::conclude(command.run()),
        Err(refusal) => output::show_refusal(&refusal),
    }
}
