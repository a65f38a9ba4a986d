//! `hitctl build`.

use std::path::PathBuf;

use crate::commands::steps::build;
use crate::report::{BuildView, Exit, Failure};
use crate::session::Session;

/// Compile the counter function for the environment's target, check the binary, and write a zip that is the same bytes on
/// every machine
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Check and pack this zip or binary instead of compiling
    #[arg(long, value_name = "FILE", env = "HITCTL_ARTIFACT", hide_env_values = true)]
    pub artifact: Option<PathBuf>,
}

/// Builds.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let loaded = session.load()?;
    let progress = session.console.progress();
    let built = build(session, &loaded, args.artifact, &progress.sink()).await;
    progress.finish();
    let artifact = built?;
    session.console.result(&BuildView {
        zip: artifact.zip,
        bytes: artifact.bytes,
        sha256: artifact.sha256,
        arch: artifact.arch.to_string(),
    });
    Ok(Exit::Done)
}
