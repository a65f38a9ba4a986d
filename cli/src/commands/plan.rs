//! `hitctl plan`: a deploy that stops before it changes anything.

use std::time::Instant;

use hitctl_cloud::{Access, DriverOptions};
use hitctl_report::{Exit, Failure};
use hitctl_stack::Code;

use crate::deployment::build::{FunctionArgs, build, package};
use crate::deployment::context::DeployContext;
use crate::deployment::plan::plan_deploy;
use crate::deployment::view::{outputs, plan_view};
use crate::session::Session;

/// Show every change that a deploy would make, field by field, and why; only reads
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The origin of the function.
    #[command(flatten)]
    pub function: FunctionArgs,
    /// Take over resources of these names that are somebody else's
    #[arg(long)]
    pub adopt: bool,
    /// Exit with 2 when there is something to change
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// Plans.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let started = Instant::now();
    let loaded = session.load()?;
    let progress = session.console.progress();
    let sink = progress.sink();
    let planned = Box::pin(async {
        let (cloud, artifact) = tokio::try_join!(
            session.cloud(&loaded, Access::Read, &sink),
            build(session, &loaded, args.function, &sink),
        )?;
        let code = Code { sha256: artifact.sha256.clone(), arch: artifact.arch };
        let drivers = cloud.drivers(DriverOptions {
            code: Some(package(&artifact)),
            adopt: args.adopt,
            ..DriverOptions::default()
        });
        let context = DeployContext::new(session, &loaded, &*cloud, &sink).with_drivers(drivers);
        let planned = plan_deploy(&context, &code).await?;
        Ok::<_, Failure>((cloud, planned))
    })
    .await;
    progress.finish();
    let (cloud, planned) = planned?;
    let changes = !planned.plan.is_empty();
    let view = plan_view("plan", &loaded, cloud.place(), &planned, started);
    session.console.result(&view.outputs(outputs(&loaded, &planned.plan.outputs())));
    Ok(if changes && args.detailed_exitcode { Exit::Changes } else { Exit::Done })
}
