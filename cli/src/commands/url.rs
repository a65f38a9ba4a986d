//! `hitctl url`: prints the URL of the deployed counter.

use hitctl_report::{Exit, Failure, UrlView};

use crate::deployment::context::with_progress;
use crate::deployment::live_url::live_url;
use crate::session::Session;

/// Print the URL of the counter
///
/// Prints the base URL alone, without a trailing slash. It reads the deployed resources and starts nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl url --env prod\n  curl \"$(hitctl url)/v1/count?path=/\"")]
pub struct Args {}

/// Prints the URL.
pub async fn run(session: &mut Session) -> Result<Exit, Failure> {
    let config = session.load()?;
    let url = with_progress(session, &config, live_url).await?;
    session.console.result(&UrlView { env: config.env, url });
    Ok(Exit::Done)
}
