//! `hitctl plan`: shows what a deploy would change, and changes nothing.

use std::time::Instant;

use clap::builder::FalseyValueParser;
use hitctl_cloud::{AccessMode, DriverOptions};
use hitctl_report::{Exit, Failure};
use hitctl_stack::FunctionArtifact;

use crate::deployment::build::{FunctionArgs, build, package};
use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::plan::plan_deploy;
use crate::deployment::view::{outputs, plan_view};
use crate::session::Session;

/// Show the changes and costs of a deployment
///
/// Prints every change, field by field with its reason, and the cost of a typical month and of the worst case. Changes
/// nothing.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl plan --env prod\n  hitctl plan --env prod --detailed-exitcode --json"
)]
pub struct Args {
    /// The flags that choose how the function's code is obtained.
    #[command(flatten)]
    pub function: FunctionArgs,
    /// Take over existing resources with these names
    #[arg(long)]
    pub adopt: bool,
    /// Plan a deployment that publishes no version
    #[arg(long, env = "HITCTL_NO_PUBLISH", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub no_publish: bool,
    /// Exit with 2 if there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// Shows the plan.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let started = Instant::now();
    let mut config = session.load()?;
    config.app.function.publish &= !args.no_publish;
    let planning = async |run: RunContext<'_>| {
        let (cloud, artifact) =
            tokio::try_join!(run.open_and_announce(AccessMode::Read), build(run, args.function))?;
        let code = FunctionArtifact { sha256: artifact.sha256.clone(), arch: artifact.arch };
        let drivers = cloud.drivers(DriverOptions {
            code: Some(package(&artifact)),
            adopt: args.adopt,
            ..DriverOptions::default()
        });
        let planned = plan_deploy(&run.in_cloud(&*cloud).with_drivers(drivers), &code).await?;
        Ok::<_, Failure>((cloud, planned))
    };
    let (cloud, planned) = Box::pin(with_progress(session, &config, planning)).await?;
    let has_changes = !planned.plan.is_empty();
    let mut view = plan_view("plan", &config, cloud.location(), &planned, started);
    view.outputs = outputs(&config, &planned.plan.outputs());
    view.verbose = session.global.verbose > 0;
    session.console.result(&view);
    Ok(if has_changes && args.detailed_exitcode { Exit::Changes } else { Exit::Done })
}
