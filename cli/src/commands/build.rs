//! `hitctl build`.

use hitctl_report::{BuildView, Exit, Failure};

use crate::deployment::build::{FunctionArgs, build};
use crate::deployment::context::with_progress;
use crate::session::Session;

/// Compile the counter function and write a zip
///
/// Checks architecture and glibc version of the binary. The same sources give the same zip, byte for byte.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl build --env local\n  hitctl build --env prod --json")]
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
