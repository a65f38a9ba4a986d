//! `hitctl build`: builds the function and copies its zip.

use std::path::{Path, PathBuf};

use hitctl_artifact::Artifact;
use hitctl_report::{BuildView, Exit, Failure};

use crate::deployment::build::{FunctionArgs, build};
use crate::deployment::context::with_progress;
use crate::files;
use crate::session::Session;

/// Compile the counter function and write a zip
///
/// Checks architecture and glibc version of the binary. The same sources give the same zip, byte for byte.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl build --env local\n  hitctl build --env prod --out function.zip")]
pub struct Args {
    /// The flags that choose how the function's code is obtained.
    #[command(flatten)]
    pub function: FunctionArgs,
    /// Write the zip to this file, or into this directory
    #[arg(short, long, value_name = "PATH")]
    pub out: Option<PathBuf>,
}

/// Builds the function and shows the zip.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let config = session.load()?;
    let artifact = with_progress(session, &config, async |run| build(run, args.function).await).await?;
    let zip = match args.out {
        Some(out) => copy_to(&artifact, &session.cwd.join(out))?,
        None => artifact.zip,
    };
    session.console.result(&BuildView {
        zip,
        bytes: artifact.bytes,
        sha256: artifact.sha256,
        arch: artifact.arch.to_string(),
    });
    Ok(Exit::Done)
}

/// Copies the zip to the file `out`, or into the directory `out` under its own name. Returns the path of the copy.
fn copy_to(artifact: &Artifact, out: &Path) -> Result<PathBuf, Failure> {
    let file = match artifact.zip.file_name() {
        Some(name) if out.is_dir() => out.join(name),
        _ => out.to_owned(),
    };
    let zip = std::fs::read(&artifact.zip).map_err(|error| {
        Failure::new("io", format!("failed to read {}", artifact.zip.display())).caused_by(error)
    })?;
    files::write(&file, &zip)?;
    Ok(file)
}
