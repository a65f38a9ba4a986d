//! `hitctl open`: opens the page of the deployed counter in a browser.

use std::process::Stdio;

use hitctl_report::{Exit, Failure, UrlView};

use crate::deployment::context::with_progress;
use crate::deployment::live_url::live_url;
use crate::session::Session;

/// Open the counter's page in a browser
///
/// The page describes the counter and shows the line to paste into your own pages. Opening it counts no view.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl open\n  hitctl open --env prod")]
pub struct Args {}

/// Prints the URL and opens it.
pub async fn run(session: &mut Session) -> Result<Exit, Failure> {
    let config = session.load()?;
    let url = with_progress(session, &config, live_url).await?;
    let opened = open_browser(session, &url);
    session.console.result(&UrlView { env: config.env, url: url.clone() });
    opened.map_err(|cause| {
        let failure = Failure::new("no_browser", "failed to open a browser").caused_by(cause);
        failure.hinted(format!("open {url} yourself"))
    })?;
    Ok(Exit::Done)
}

/// Starts a program that opens URLs, without waiting for it. Tries the programs of this system until one starts.
fn open_browser(session: &Session, url: &str) -> Result<(), std::io::Error> {
    let mut result = Err(std::io::ErrorKind::NotFound.into());
    for mut command in open::commands(url) {
        command.env_clear().envs(&session.env).current_dir(&session.cwd);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        result = command.spawn().map(drop);
        if result.is_ok() {
            break;
        }
    }
    result
}
