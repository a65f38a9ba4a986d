//! `hitctl help exit-codes`.

use hitctl_report::{Exit, Failure};

use crate::session::Session;

/// What each exit code means.
pub const TEXT: &str = hitctl_report::EXIT_CODES;

/// Prints them.
pub fn run(session: &mut Session) -> Result<Exit, Failure> {
    session.console.text(TEXT);
    Ok(Exit::Done)
}
