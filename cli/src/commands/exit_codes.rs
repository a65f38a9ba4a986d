//! `hitctl help exit-codes`.

use hitctl_report::{Exit, Failure};

use crate::session::Session;

/// The meaning of each exit code.
pub const TEXT: &str = hitctl_report::EXIT_CODES;

/// Prints the exit codes.
pub fn run(session: &mut Session) -> Result<Exit, Failure> {
    session.console.text(TEXT);
    Ok(Exit::Done)
}
