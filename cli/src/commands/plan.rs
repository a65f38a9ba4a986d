//! `hitctl plan`: a deploy that stops before it changes anything.

use std::time::Instant;

use crate::cloud::{self, Access, Drive};
use crate::commands::steps::{self, FunctionArgs};
use crate::report::{Exit, Failure};
use crate::session::Session;
use crate::stack::Code;

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
            cloud::open(session, &loaded, Access::Read, &sink),
            steps::build(session, &loaded, args.function, &sink),
        )?;
        let code = Code { sha256: artifact.sha256.clone(), arch: artifact.arch };
        let drivers =
            cloud.drivers(Drive { artifact: Some(&artifact), adopt: args.adopt, ..Drive::default() });
        let planned = steps::plan_deploy(session, &loaded, &*cloud, &code, &drivers, &sink).await?;
        Ok::<_, Failure>((cloud, planned))
    })
    .await;
    progress.finish();
    let (cloud, planned) = planned?;
    let changes = !planned.plan.is_empty();
    let view = steps::plan_view("plan", &loaded, cloud.place(), &planned, started);
    session.console.result(&view.outputs(steps::outputs(&loaded, &planned.plan.outputs())));
    Ok(if changes && args.detailed_exitcode { Exit::Changes } else { Exit::Done })
}
