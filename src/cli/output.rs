//! Where text goes: results to stdout, everything else to stderr, and neither is worth a panic.

use std::io::{self, Write};
use std::process::ExitCode;

/// Done.
pub const DONE: u8 = 0;
/// Tried and failed.
pub const FAILED: u8 = 1;
/// Asked for in a way that cannot be.
pub const USAGE: u8 = 2;

/// Prints a result. A reader that left early, as `head` does, is no failure.
pub fn print_result(text: &str) -> ExitCode {
    match write_result(&mut io::stdout().lock(), text) {
        Ok(()) => ExitCode::from(DONE),
        Err(error) => {
            print_problem(&format!("cannot write to stdout: {error}"));
            ExitCode::from(FAILED)
        }
    }
}

/// Prints a problem as `lmhaven: …`. With stderr closed there is nobody to tell.
pub fn print_problem(text: &str) {
    let mut stderr = io::stderr().lock();
    for line in text.lines() {
        let _ = writeln!(stderr, "lmhaven: {line}");
    }
}

fn write_result(to: &mut impl Write, text: &str) -> io::Result<()> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match write!(to, "{text}{end}").and_then(|()| to.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Text from elsewhere without the characters that steer a terminal.
pub fn harmless(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_result_ends_with_one_line_break() {
        for text in ["one\ntwo", "one\ntwo\n"] {
            let mut written = Vec::new();
            write_result(&mut written, text).unwrap();
            assert_eq!(written, b"one\ntwo\n");
        }
    }

    #[test]
    fn a_reader_that_left_is_no_failure_and_a_full_disk_is() {
        assert!(write_result(&mut Broken(io::ErrorKind::BrokenPipe), "x").is_ok());
        assert!(write_result(&mut Broken(io::ErrorKind::StorageFull), "x").is_err());
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(harmless("a\u{1b}[31m\nb"), "a\u{fffd}[31m\u{fffd}b");
    }
}
