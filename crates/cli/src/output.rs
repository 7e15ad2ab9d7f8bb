//! The only place that talks to the terminal: results on stdout, everything else on stderr.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::error::ErrorKind as Refusal;

use crate::exit::EXIT_BAD_INPUT;

/// A report on a terminal is never laid out narrower than this.
const MIN_TERMINAL_WIDTH: usize = 80;
/// Nor wider: longer lines are hard to read.
const MAX_TERMINAL_WIDTH: usize = 160;

/// Prints a result.
///
/// # Errors
/// When stdout cannot be written to; a reader that has closed its end wants no more and is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    print_with(&mut |out| out.write_all(text.as_bytes()))
}

/// Prints a result that is too large to be built as one text. `write` is stopped by an error of the
/// writer, which it must pass on, when the reader has closed its end.
///
/// # Errors
/// As [`print()`].
pub(crate) fn print_with(
    write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            // What is still in the buffer must not be tried again on drop.
            drop(out.into_parts());
            Ok(())
        }
        result => result.context("could not write to stdout"),
    }
}

/// Prints a JSON document with an indent of two and a line break at its end.
///
/// # Errors
/// As [`print()`].
pub(crate) fn print_json(document: &serde_json::Value) -> anyhow::Result<()> {
    print_with(&mut |out| {
        serde_json::to_writer_pretty(&mut *out, document)?;
        out.write_all(b"\n")
    })
}

/// Tells the user something beside the result.
pub(crate) fn note(text: &str) {
    // Nobody is left to be told that stderr is closed.
    let _closed = writeln!(io::stderr(), "{text}");
}

/// Tells the user how fast something was, if there is one: on a terminal only.
pub(crate) fn note_timing(text: &str) {
    if io::stderr().is_terminal() {
        note(text);
    }
}

/// Tells the user what to know before trusting the result.
pub(crate) fn warn(text: &str) {
    note(&format!("warning: {text}"));
}

/// Tells the user why there is no result.
pub(crate) fn show_error(text: &str) {
    note(&format!("error: {text}"));
}

/// Prints what clap answers instead of arguments: the help or version that was asked for, or what
/// is wrong. A wrong value is bad input and gets one line.
pub(crate) fn show_refusal(refusal: &clap::Error) -> ExitCode {
    match refusal.kind() {
        Refusal::ValueValidation | Refusal::InvalidValue => note(&first_paragraph(refusal)),
        // With colours on a terminal; as above, a closed stream is nobody's to report.
        _ => drop(refusal.print()),
    }
    ExitCode::from(u8::try_from(refusal.exit_code()).unwrap_or(EXIT_BAD_INPUT))
}

/// The message itself, without the hint at `--help` after it, on one line.
fn first_paragraph(refusal: &clap::Error) -> String {
    let text = refusal.render().to_string();
    let lines = text.lines().take_while(|line| !line.is_empty());
    lines.map(str::trim).collect::<Vec<_>>().join(" ")
}

/// How wide a report on stdout is to be: as COLUMNS says, else as wide as the terminal.
pub(crate) fn report_width() -> usize {
    if !io::stdout().is_terminal() {
        return plimsoll_replay::report::text::DEFAULT_WIDTH;
    }
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || {
        let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
        Some(usize::from(width.0))
    };
    columns
        .or_else(terminal)
        .unwrap_or(plimsoll_replay::report::text::DEFAULT_WIDTH)
        .clamp(MIN_TERMINAL_WIDTH, MAX_TERMINAL_WIDTH)
}
