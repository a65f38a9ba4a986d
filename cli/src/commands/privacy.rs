//! `hitctl privacy`: prints what the configured counter stores about visitors.

use hitctl_report::{Exit, Failure, PrivacyView};
use hitctl_stack::privacy;

use crate::session::Session;

/// Print what the counter keeps of visitors, as a text for your page; it follows the configuration and reads nothing else
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  hitctl privacy --env prod > privacy.md\n\nThe text says what the counter does. Whether that has to be said, and what else, depends on where you are."
)]
pub struct Args {}

/// Prints the text.
pub fn run(session: &mut Session, _: &Args) -> Result<Exit, Failure> {
    let loaded = session.load()?;
    session.console.result(&PrivacyView {
        env: loaded.env.clone(),
        visitors: loaded.app.counter.visitors.to_string(),
        paragraphs: privacy::paragraphs(&loaded),
    });
    Ok(Exit::Done)
}
