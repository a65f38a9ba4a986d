//! Compiles the function, or packs a prebuilt executable.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use hitctl_artifact as artifact;
use hitctl_artifact::{Artifact, BuildRequest, FunctionSource};
use hitctl_config::DeployTarget;
use hitctl_report::Failure;
use hitctl_resources::CodePackage;

use super::context::RunContext;
use crate::session::Session;

/// The flags that choose how the function's code is obtained.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct FunctionArgs {
    /// Use this zip or binary instead of compiling
    #[arg(long, value_name = "FILE", env = "HITCTL_ARTIFACT", hide_env_values = true)]
    pub artifact: Option<PathBuf>,
    /// Compile the function of the hitctl checkout around the working directory, instead of the sources inside hitctl
    #[arg(
        long,
        conflicts_with = "artifact",
        env = "HITCTL_FROM_SOURCE",
        hide_env_values = true,
        value_parser = FalseyValueParser::new()
    )]
    pub from_source: bool,
}

/// Chooses the source code from which the function is compiled.
pub(crate) fn source(session: &Session, from_source: bool) -> Result<FunctionSource, Failure> {
    Ok(FunctionSource::choose(&session.cwd, &session.cache_dir()?, from_source, &session.env)?)
}

/// Builds the function for the environment's target, or checks and packs the file of `--artifact`.
pub(crate) async fn build(run: RunContext<'_>, args: FunctionArgs) -> Result<Artifact, Failure> {
    let RunContext { session, config, sink } = run;
    let target = match config.target {
        DeployTarget::Local => artifact::BuildTarget::Host,
        DeployTarget::Aws => artifact::BuildTarget::Lambda(config.app.function.arch),
    };
    let source = source(session, args.from_source)?;
    let prebuilt = args.artifact.map(|path| session.cwd.join(path));
    let request = BuildRequest { prebuilt, ..BuildRequest::new(target, source, session.env.clone()) };
    Ok(artifact::build(&request, sink, &session.stop).await?)
}

/// Returns the code package for the drivers, which deploy it.
pub(crate) fn package(artifact: &Artifact) -> CodePackage {
    CodePackage { sha256: artifact.sha256.clone(), zip: artifact.zip.clone() }
}
