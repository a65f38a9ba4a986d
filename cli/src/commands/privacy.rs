//! `hitctl privacy`: prints what the configured counter stores about visitors.

use hitctl_report::{Exit, Failure, PrivacyView};
use hitctl_stack::privacy;

use crate::session::Session;

/// Print a privacy text for your page
///
/// The text follows the configuration and describes the counter. Your jurisdiction decides what else you must state.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl privacy\n  hitctl privacy --env prod > privacy.md")]
pub struct Args {}

/// Prints the privacy text.
pub fn run(session: &mut Session, _: &Args) -> Result<Exit, Failure> {
    let config = session.load()?;
    session.console.result(&PrivacyView {
        env: config.env.clone(),
        visitors: config.app.counter.visitors.to_string(),
        paragraphs: privacy::paragraphs(&config),
    });
    Ok(Exit::Done)
}
