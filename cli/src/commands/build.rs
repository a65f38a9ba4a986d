//! `hitctl build`.

use hitctl_report::{BuildView, Exit, Failure};

use crate::deployment::build::{FunctionArgs, build};
use crate::deployment::context::with_progress;
use crate::session::Session;

/// Compile the counter function, check the binary, and write a reproducible zip
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The origin of the function.
    #[command(flatten)]
    pub function: FunctionArgs,
}

/// Builds the function and shows the zip.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let loaded = session.load()?;
    let artifact = with_progress(session, &loaded, async |run| build(run, args.function).await).await?;
    session.console.result(&BuildView {
        zip: artifact.zip,
        bytes: artifact.bytes,
        sha256: artifact.sha256,
        arch: artifact.arch.to_string(),
    });
    Ok(Exit::Done)
}
