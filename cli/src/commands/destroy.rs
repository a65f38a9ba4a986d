//! `hitctl destroy`: applies a plan in which every resource is absent.

use std::path::PathBuf;
use std::time::Instant;

use hitctl_cloud::{AccessMode, Cloud};
use hitctl_config::LoadedConfig;
use hitctl_engine::{Action, ApplyOutcome, EventSink, Graph, Plan};
use hitctl_report::{DestroyView, Exit, Failure, LossConfirmation, PlannedLoss, RetainedResource, plural};
use hitctl_stack::address;

use crate::deployment::context::{CloudContext, RunContext, with_progress};
use crate::deployment::design::design_removal;
use crate::deployment::lock::{DeployLock, LockArgs};
use crate::deployment::plan::{PlanRun, apply, plan};
use crate::deployment::view::plan_view;
use crate::deployment::{counts, irreversible};
use crate::elapsed::millis;
use crate::files::write_new;
use crate::session::Session;

/// Remove everything except counts and log
///
/// Asks for a confirmation. To delete the counts and the log too, pass `--delete-data` and confirm with the environment's name.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl destroy --env test\n  hitctl destroy --env test --delete-data --confirm test"
)]
pub struct Args {
    /// Also delete the counts and the log; the counts are exported to a file first
    #[arg(long)]
    pub delete_data: bool,
    /// Confirm with the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Export the counts to this file before they are deleted [default: hits-ENV-counts-TIME.ndjson]
    #[arg(long, value_name = "FILE", requires = "delete_data")]
    pub export: Option<PathBuf>,
    /// How long to wait for another deploy.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Destroys the environment.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let config = session.load_for_writing("destroy").await?;
    destroy(session, &config, args).await
}

/// Destroys the deployment of an app and environment, also one that is not in the configuration.
pub(super) async fn destroy(
    session: &mut Session,
    config: &LoadedConfig,
    args: Args,
) -> Result<Exit, Failure> {
    let started = Instant::now();
    irreversible::check_name(config, args.confirm.as_deref())?;
    let planning = async |run: RunContext<'_>| {
        // The local cloud is not started for resources that do not exist, or without the user's confirmation.
        let cloud = run.open_and_announce(AccessMode::Remove).await?;
        let graph = graph(config, &*cloud, args.delete_data)?;
        let planned = plan(&run.in_cloud(&*cloud), &graph).await?;
        Ok::<_, Failure>((cloud, planned))
    };
    let (cloud, planned) = with_progress(session, config, planning).await?;
    let mut view = plan_view("destroy", config, cloud.location(), &planned, started);
    let PlanRun { plan, losses, .. } = planned;
    let retained = retained(&plan);
    if plan.is_empty() {
        session.console.result(&DestroyView::new(view, &ApplyOutcome::default(), retained));
        return Ok(Exit::Done);
    }
    let needs_name = losses.iter().any(|loss| loss.confirm == LossConfirmation::Name);
    if args.confirm.is_none() && (needs_name || config.app.confirm || !session.global.yes) {
        session.console.preview(&view.clone().brief());
    }
    confirm(session, config, &plan, &losses, args.confirm.as_deref()).await?;
    let cloud = if cloud.is_running() {
        cloud
    } else {
        with_progress(session, config, async |run| run.cloud(AccessMode::Write).await).await?
    };
    let locking = async |run: RunContext<'_>| {
        DeployLock::take(&run.in_cloud(&*cloud), &plan, "destroy", args.lock).await
    };
    let lock = with_progress(session, config, locking).await?;
    let run_without_progress = RunContext { session, config, sink: &EventSink::none() };
    let result = export_and_apply(&run_without_progress.in_cloud(&*cloud), plan, &losses, &lock, &args).await;
    let outcome = result.as_ref().ok();
    let lease_failure = lock.release(outcome).await;
    let outcome = result?;
    let next = format!("hitctl deploy --env {}", config.env);
    view.took_ms = millis(started);
    let mut view = DestroyView::new(view, &outcome, retained);
    view.next = Some(next);
    session.console.result(&view);
    lease_failure
        .or_else(|| {
            Failure::from_outcome(&outcome, "run the same command again; it continues where it stopped")
        })
        .map_or(Ok(Exit::Done), Err)
}

/// Returns the graph in which every resource is absent.
fn graph(config: &LoadedConfig, cloud: &dyn Cloud, delete_data: bool) -> Result<Graph, Failure> {
    let graph = design_removal(config, cloud.location())?;
    Ok(if delete_data { graph.allow_data_deletion() } else { graph })
}

/// Exports the counts if they will be deleted, and applies the plan.
async fn export_and_apply(
    context: &CloudContext<'_>,
    mut plan: Plan,
    agreed: &[PlannedLoss],
    lock: &DeployLock,
    args: &Args,
) -> Result<ApplyOutcome, Failure> {
    let CloudContext { session, config, cloud, .. } = context;
    if lock.waited {
        // The previous lease holder may have changed resources, so plan again. The new plan must not have losses that
        // the user did not confirm.
        let graph = graph(config, *cloud, args.delete_data)?;
        let planned = crate::deployment::plan::plan(context, &graph).await?;
        if !irreversible::covers(agreed, &planned.losses) {
            return Err(irreversible::changed_meanwhile());
        }
        plan = planned.plan;
    }
    if loses_counts(&plan) {
        let file = export(session, config, *cloud, args.export.clone()).await?;
        session.console.message(&format!("exported the counts to {}", file.display()));
    }
    let applying = async |run: RunContext<'_>| {
        let guarded = run.in_cloud(*cloud).with_drivers(lock.drivers(&context.drivers));
        apply(&guarded, &plan, lock.stop()).await
    };
    Ok(with_progress(session, config, applying).await)
}

/// Whether the plan deletes the table of counts.
fn loses_counts(plan: &Plan) -> bool {
    let table = plan.change(&address::hits_table());
    table.is_some_and(|change| matches!(change.action, Action::Delete | Action::Replace))
}

/// Lists the existing resources that the plan keeps, with the reason.
fn retained(plan: &Plan) -> Vec<RetainedResource> {
    let kept =
        plan.changes.iter().filter(|change| change.action == Action::Keep && change.observed.is_some());
    kept.map(|change| RetainedResource {
        address: change.address().to_string(),
        name: change.name().to_owned(),
        why: change.why.to_string(),
    })
    .collect()
}

/// Asks for confirmation. A loss of data, or `confirm = true` in the configuration, needs the environment's name;
/// everything else needs a yes.
async fn confirm(
    session: &mut Session,
    config: &LoadedConfig,
    plan: &Plan,
    losses: &[PlannedLoss],
    confirm_arg: Option<&str>,
) -> Result<(), Failure> {
    let env = &config.env;
    if losses.iter().any(|loss| loss.confirm == LossConfirmation::Name) {
        return irreversible::confirm(session, config, losses, confirm_arg).await;
    }
    if config.app.confirm {
        return session
            .console
            .confirm_loss(&format!("This removes the environment {env}."), env, confirm_arg)
            .await;
    }
    let resources = plural(plan.summary().delete as u64, "resource");
    let question = format!("Remove {resources} of {} in {env}?", config.app.app);
    session.console.confirm(&question, session.global.yes || confirm_arg == Some(env)).await
}

/// Writes the counts to a new file. Returns its path.
async fn export(
    session: &Session,
    config: &LoadedConfig,
    cloud: &dyn Cloud,
    file: Option<PathBuf>,
) -> Result<PathBuf, Failure> {
    let data = counts::read_all_uninterrupted(cloud, config).await?;
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let name = format!("{}-{}-counts-{time}.ndjson", config.app.app, config.env);
    let path = session.cwd.join(file.unwrap_or_else(|| PathBuf::from(name)));
    write_new(&path, &hitctl_counts::to_ndjson(&data))?;
    Ok(path)
}
