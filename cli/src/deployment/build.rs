//! Builds the function's code, or takes a prebuilt file.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use hitctl_artifact as artifact;
use hitctl_artifact::{Artifact, BuildRequest, FunctionSource};
use hitctl_config::DeployTarget;
use hitctl_report::Failure;
use hitctl_resources::CodePackage;

use super::context::RunContext;
use crate::session::Session;

/// The origin of the function.
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

/// Chooses the sources that the function is compiled from.
pub(crate) fn source(session: &Session, from_source: bool) -> Result<FunctionSource, Failure> {
    Ok(FunctionSource::choose(&session.cwd, &session.cache_dir()?, from_source, &session.env)?)
}

/// Builds the function for the environment's target, or checks and packs the file that the user gave.
pub(crate) async fn build(run: RunContext<'_>, args: FunctionArgs) -> Result<Artifact, Failure> {
    let RunContext { session, config: loaded, sink } = run;
    let target = match loaded.target {
        DeployTarget::Local => artifact::BuildTarget::Host,
        DeployTarget::Aws => artifact::BuildTarget::Lambda(loaded.app.function.arch),
    };
    let source = source(session, args.from_source)?;
    let prebuilt = args.artifact.map(|path| session.cwd.join(path));
    let request = BuildRequest { prebuilt, ..BuildRequest::new(target, source, session.env.clone()) };
    Ok(artifact::build(&request, sink, &session.stop).await?)
}

/// Returns the code package that drivers deploy.
pub(crate) fn package(artifact: &Artifact) -> CodePackage {
    CodePackage { sha256: artifact.sha256.clone(), zip: artifact.zip.clone() }
}
