//! `hitctl destroy`: the deploy of nothing.

use std::path::PathBuf;
use std::time::Instant;

use hitctl_cloud::{Access, Cloud};
use hitctl_config::Loaded;
use hitctl_engine::{Action, Graph, Outcome, Plan, Sink};
use hitctl_report::{Confirmation, DestroyView, Exit, Failure, Left, Loss};
use hitctl_stack::address;

use crate::deployment::context::{DeployContext, RunContext, with_progress};
use crate::deployment::design::design_removal;
use crate::deployment::lock::{DeployLock, LockArgs};
use crate::deployment::plan::{PlanRun, apply, plan};
use crate::deployment::view::plan_view;
use crate::deployment::{counts, irreversible};
use crate::elapsed::millis;
use crate::files::write_new;
use crate::session::Session;

/// Remove what hitctl made; keeps the counts and the log unless `--delete-data` and the environment's name are given
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Delete the counts and the log too; the counts are exported to a file first
    #[arg(long)]
    pub delete_data: bool,
    /// Confirm without a question: the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Export the counts to this file before they are deleted [default: hits-ENV-counts-TIME.ndjson here]
    #[arg(long, value_name = "FILE", requires = "delete_data")]
    pub export: Option<PathBuf>,
    /// How long to wait for another deploy.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// Destroys.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let loaded = session.load_for_writing("destroy").await?;
    destroy(session, &loaded, args).await
}

/// Destroys one app in one env.
pub(super) async fn destroy(session: &mut Session, loaded: &Loaded, args: Args) -> Result<Exit, Failure> {
    let started = Instant::now();
    irreversible::check_name(loaded, args.confirm.as_deref())?;
    let planning = async |run: RunContext<'_>| {
        // Nothing is started for what is not there, or what nobody agrees to.
        let cloud = run.open(Access::Remove).await?;
        let graph = graph(loaded, &*cloud, args.delete_data)?;
        let planned = plan(&run.in_cloud(&*cloud), &graph).await?;
        Ok::<_, Failure>((cloud, planned))
    };
    let (cloud, planned) = with_progress(session, loaded, planning).await?;
    let mut view = plan_view("destroy", loaded, cloud.place(), &planned, started);
    let PlanRun { plan, losses, .. } = planned;
    let left = left(&plan);
    if plan.is_empty() {
        session.console.result(&DestroyView::new(view, &Outcome::default(), left));
        return Ok(Exit::Done);
    }
    let by_name = losses.iter().any(|loss| loss.confirm == Confirmation::Name);
    if args.confirm.is_none() && (by_name || loaded.app.confirm || !session.global.yes) {
        session.console.preview(&view.clone().brief());
    }
    confirm(session, loaded, &plan, &losses, args.confirm.as_deref()).await?;
    let cloud = if cloud.is_running() {
        cloud
    } else {
        with_progress(session, loaded, async |run| run.cloud(Access::Write).await).await?
    };
    let locking = async |run: RunContext<'_>| {
        DeployLock::take(&run.in_cloud(&*cloud), &plan, "destroy", args.lock).await
    };
    let lock = with_progress(session, loaded, locking).await?;
    let quiet = RunContext { session, config: loaded, sink: &Sink::none() };
    let carried_out = carry_out(&quiet.in_cloud(&*cloud), plan, &losses, &lock, &args).await;
    let outcome = carried_out.as_ref().ok();
    let lost = lock.end(outcome).await;
    let outcome = carried_out?;
    let next = format!("hitctl deploy --env {}", loaded.env);
    view.took_ms = millis(started);
    let mut view = DestroyView::new(view, &outcome, left);
    view.next = Some(next);
    session.console.result(&view);
    lost.or_else(|| Failure::outcome(&outcome, "Run the same command again; it continues where it stopped."))
        .map_or(Ok(Exit::Done), Err)
}

/// The graph of an env that is gone.
fn graph(loaded: &Loaded, cloud: &dyn Cloud, delete_data: bool) -> Result<Graph, Failure> {
    let graph = design_removal(loaded, cloud.place())?;
    Ok(if delete_data { graph.deleting_data() } else { graph })
}

/// Exports what will be lost, and removes what there is.
async fn carry_out(
    context: &DeployContext<'_>,
    mut plan: Plan,
    agreed: &[Loss],
    lock: &DeployLock,
    args: &Args,
) -> Result<Outcome, Failure> {
    let DeployContext { session, config, cloud, .. } = context;
    if lock.waited {
        // Whoever had the lease has changed something. What may be lost was agreed to before.
        let graph = graph(config, *cloud, args.delete_data)?;
        let planned = crate::deployment::plan::plan(context, &graph).await?;
        if !irreversible::covers(agreed, &planned.losses) {
            return Err(irreversible::changed_meanwhile());
        }
        plan = planned.plan;
    }
    if loses_counts(&plan) {
        let file = export(session, config, *cloud, args.export.clone()).await?;
        session.console.talk(&format!("exported the counts to {}", file.display()));
    }
    let applying = async |run: RunContext<'_>| {
        let guarded = run.in_cloud(*cloud).with_drivers(lock.drivers(&context.drivers));
        apply(&guarded, &plan, lock.stop()).await
    };
    Ok(with_progress(session, config, applying).await)
}

/// Whether the table of counts is deleted by it.
fn loses_counts(plan: &Plan) -> bool {
    let table = plan.change(&address::hits_table());
    table.is_some_and(|change| matches!(change.action, Action::Delete | Action::Replace))
}

/// What stays, and why.
fn left(plan: &Plan) -> Vec<Left> {
    let kept = plan.changes.iter().filter(|change| change.action == Action::Keep && change.have.is_some());
    kept.map(|change| Left {
        address: change.address().to_string(),
        name: change.name().to_owned(),
        why: change.why.to_string(),
    })
    .collect()
}

/// Asks what has to be asked: the env's name before data is lost or where the config wants it, else yes or no.
async fn confirm(
    session: &mut Session,
    loaded: &Loaded,
    plan: &Plan,
    losses: &[Loss],
    given: Option<&str>,
) -> Result<(), Failure> {
    let env = &loaded.env;
    if losses.iter().any(|loss| loss.confirm == Confirmation::Name) {
        return irreversible::confirm(session, loaded, losses, given).await;
    }
    if loaded.app.confirm {
        return session.console.confirm_loss(&format!("This removes {env}."), env, given).await;
    }
    let count = plan.summary().delete;
    let question = format!("Remove {count} resources of {} in {env}?", loaded.app.app);
    session.console.agree(&question, session.global.yes || given == Some(env)).await
}

/// Writes the counts to a file that is not there yet.
async fn export(
    session: &Session,
    loaded: &Loaded,
    cloud: &dyn Cloud,
    file: Option<PathBuf>,
) -> Result<PathBuf, Failure> {
    let numbers = counts::all(cloud, loaded).await?;
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let name = format!("{}-{}-counts-{time}.ndjson", loaded.app.app, loaded.env);
    let path = session.cwd.join(file.unwrap_or_else(|| PathBuf::from(name)));
    write_new(&path, &hitctl_counts::ndjson(&numbers))?;
    Ok(path)
}
