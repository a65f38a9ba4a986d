//! `hitctl deploy`: builds the function, plans and applies the changes, and checks the live URL.

use std::pin::pin;
use std::time::Instant;

use clap::builder::FalseyValueParser;
use futures::future::{Either, select};
use hitctl_artifact::Artifact;
use hitctl_cloud::{AccessMode, Cloud, DriverOptions};
use hitctl_config::PathPolicy;
use hitctl_engine::{Action, CompletedChange, Drivers};
use hitctl_report::{DeployView, Exit, Failure};
use hitctl_stack::{FunctionArtifact, address};

use crate::commands::plan;
use crate::deployment::build::{FunctionArgs, build, package};
use crate::deployment::context::{CloudContext, RunContext, with_progress};
use crate::deployment::lock::{DeployLock, LockArgs};
use crate::deployment::plan::{PlanRun, apply, plan_deploy};
use crate::deployment::view::{outputs, plan_view, url};
use crate::deployment::{irreversible, smoke};
use crate::elapsed::millis;
use crate::session::Session;

/// Build, create or update, and check the URL
///
/// Builds the function, plans, asks before irreversible changes, applies the plan, requests the live URL, and prints it. An interrupted
/// deployment is completed by running the command again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl deploy --env local\n  hitctl deploy --env prod --dry-run")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that stands by itself")]
pub struct Args {
    /// The flags that choose how the function's code is obtained.
    #[command(flatten)]
    pub function: FunctionArgs,
    /// Take over existing resources with these names
    #[arg(long)]
    pub adopt: bool,
    /// Confirm the loss of data with the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Show the plan and change nothing, like `hitctl plan`
    #[arg(long, conflicts_with_all = ["confirm", "no_smoke"])]
    pub dry_run: bool,
    /// Skip the check of the live URL
    #[arg(long)]
    pub no_smoke: bool,
    /// Publish no version: requests go to the function itself, and `rollback` cannot return to this code
    #[arg(long, env = "HITCTL_NO_PUBLISH", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub no_publish: bool,
    /// How long to wait for another deploy.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Deploys the environment.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    if args.dry_run {
        let Args { function, adopt, no_publish, .. } = args;
        return plan::run(session, plan::Args { function, adopt, no_publish, detailed_exitcode: false })
            .await;
    }
    let started = Instant::now();
    let mut config = session.load_for_writing("deploy to").await?;
    irreversible::check_name(&config, args.confirm.as_deref())?;
    config.app.function.publish &= !args.no_publish;
    let prepared = with_progress(session, &config, async |run| Box::pin(prepare(run, &args)).await).await?;
    let Prepared { cloud, planned, .. } = &prepared;
    if !planned.losses.is_empty() {
        session.console.preview(&plan_view("deploy", &config, cloud.location(), planned, started).brief());
        let confirmed =
            irreversible::confirm(session, &config, &planned.losses, args.confirm.as_deref()).await;
        if confirmed.is_err() {
            cloud.abandon().await;
        }
        confirmed?;
    }
    let deploying = async |run: RunContext<'_>| Box::pin(deploy(run, prepared, &args, started)).await;
    let (view, failure) = with_progress(session, &config, deploying).await?;
    match (&failure, view.url()) {
        (None, Some(url)) if session.global.quiet && !session.console.is_json() => {
            session.console.text(&format!("{url}\n"));
        }
        _ => session.console.result(&view),
    }
    failure.map_or(Ok(Exit::Done), Err)
}

/// A planned deploy that has not changed anything yet.
struct Prepared {
    cloud: Box<dyn Cloud>,
    code: FunctionArtifact,
    drivers: Drivers,
    planned: PlanRun,
}

/// Connects to the cloud, builds the function, and plans.
async fn prepare(run: RunContext<'_>, args: &Args) -> Result<Prepared, Failure> {
    // Both run at the same time: they are independent, and each can take long the first time.
    let (opening, building) =
        (pin!(run.open_and_announce(AccessMode::Write)), pin!(build(run, args.function.clone())));
    let (cloud, artifact) = match select(opening, building).await {
        Either::Left((cloud, building)) => (cloud?, building.await),
        Either::Right((Ok(artifact), opening)) => (opening.await?, Ok(artifact)),
        // The build failed. Wait for the connection, so that a local cloud that it starts can be stopped.
        Either::Right((Err(failure), opening)) => (opening.await.map_err(|_| failure.clone())?, Err(failure)),
    };
    let prepared = match artifact {
        Ok(artifact) => plan_with(run, &*cloud, args, &artifact).await,
        Err(failure) => Err(failure),
    };
    match prepared {
        Ok((code, drivers, planned)) => Ok(Prepared { cloud, code, drivers, planned }),
        Err(failure) => {
            cloud.abandon().await;
            Err(failure)
        }
    }
}

/// Plans the deploy of a built function to a connected cloud.
async fn plan_with(
    run: RunContext<'_>,
    cloud: &dyn Cloud,
    args: &Args,
    artifact: &Artifact,
) -> Result<(FunctionArtifact, Drivers, PlanRun), Failure> {
    let code = FunctionArtifact { sha256: artifact.sha256.clone(), arch: artifact.arch };
    let drivers = cloud.drivers(DriverOptions {
        code: Some(package(artifact)),
        adopt: args.adopt,
        smoke_tested: !args.no_smoke,
        tags: None,
    });
    let context = run.in_cloud(cloud).with_drivers(drivers.clone());
    let planned = plan_deploy(&context, &code).await?;
    Ok((code, drivers, planned))
}

/// Applies a prepared deploy. Returns its view, and a failure if a change or the smoke test failed.
async fn deploy(
    run: RunContext<'_>,
    prepared: Prepared,
    args: &Args,
    started: Instant,
) -> Result<(DeployView, Option<Failure>), Failure> {
    let Prepared { cloud, code, drivers, mut planned } = prepared;
    let config = run.config;
    let context = run.in_cloud(&*cloud).with_drivers(drivers);
    let lock = DeployLock::take(&context, &planned.plan, "deploy", args.lock).await?;
    if lock.waited {
        planned = match plan_again(&context, &code, &planned).await {
            Ok(planned) => planned,
            Err(failure) => {
                lock.release(None).await;
                return Err(failure);
            }
        };
    }
    let mut view = plan_view("deploy", config, cloud.location(), &planned, started);
    let guarded = context.clone().with_drivers(lock.drivers(&context.drivers));
    let outcome = apply(&guarded, &planned.plan, lock.stop()).await;
    let mut failure = Failure::from_outcome(&outcome, RETRY_HINT);
    if failure.is_none() && !args.no_smoke {
        failure = smoke::run(&context, url(&outcome.outputs).as_deref(), &code.build_id()).await.err();
    }
    if outcome.is_ok() && !planned.plan.is_empty() {
        lock.record(&guarded, "deploy").await;
    }
    // Release the lock only after the smoke test. Otherwise, the live URL could serve the build of another deploy.
    failure = lock.release(Some(&outcome)).await.or(failure);
    if failure.is_some() {
        cloud.abandon().await;
    }
    view.outputs = outputs(config, &outcome.outputs);
    view.took_ms = millis(started);
    let mut view = DeployView::new(view, &outcome);
    let creates_table =
        |done: &CompletedChange| done.address == address::hits_table() && done.action == Action::Create;
    if config.app.counter.paths == PathPolicy::Strict && outcome.done.iter().any(creates_table) {
        // With strict paths, no view is counted before the first sync.
        view.next = format!("hitctl paths sync DIR --env {}", config.env);
    }
    Ok((view, failure))
}

/// Plans again after another command has changed the environment. Fails if the new plan has losses that the user did
/// not confirm.
async fn plan_again(
    context: &CloudContext<'_>,
    code: &FunctionArtifact,
    planned: &PlanRun,
) -> Result<PlanRun, Failure> {
    let new = plan_deploy(context, code).await?;
    if irreversible::covers(&planned.losses, &new.losses) {
        return Ok(new);
    }
    Err(irreversible::changed_meanwhile())
}

/// The hint after a deploy that made only some of its changes.
const RETRY_HINT: &str = "run the same command again; it continues where it stopped";
