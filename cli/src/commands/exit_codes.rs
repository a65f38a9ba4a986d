//! `hitctl help exit-codes`: lists the exit codes.

use hitctl_report::{Exit, Failure};

use crate::session::Session;

/// The table of exit codes and their meanings.
pub const TEXT: &str = hitctl_report::EXIT_CODES;

/// Prints the exit codes.
pub fn run(session: &mut Session) -> Result<Exit, Failure> {
    session.console.text(TEXT);
    Ok(Exit::Done)
}
