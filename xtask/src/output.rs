//! What chores tell a terminal, or a pipe whose reader may have seen enough.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

/// Prints a line to stdout.
///
/// # Errors
/// When stdout cannot be written to; a reader that has closed its end wants no more and is no error.
pub fn line(text: &str) -> anyhow::Result<()> {
    line_to(&mut io::stdout().lock(), text)
}

fn line_to(out: &mut dyn Write, text: &str) -> anyhow::Result<()> {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("could not write to stdout"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _text: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_error() {
        assert!(line_to(&mut Failing(ErrorKind::BrokenPipe), "more").is_ok());
        let full = line_to(&mut Failing(ErrorKind::StorageFull), "more");
        assert_eq!(full.expect_err("nothing was written").to_string(), "could not write to stdout");
    }
}
