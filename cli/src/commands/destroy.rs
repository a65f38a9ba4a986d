//! `hitctl destroy`: the deploy of nothing.

use std::path::PathBuf;
use std::time::Instant;

use hitctl_config::Loaded;
use hitctl_engine::{Action, Keep, Outcome, Plan};

use crate::cloud::{self, Access, Cloud};
use crate::commands::counts::{self, Format};
use crate::commands::steps::{self, PlanRun, millis};
use crate::report::{DestroyView, Exit, Failure, Left};
use crate::session::Session;
use crate::stack::Code;

/// Remove what hitctl made; keeps the table of counts unless `--delete-data` and the environment's name are given
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Delete the counts too; they are exported to a file first
    #[arg(long)]
    pub delete_data: bool,
    /// Confirm without a question: the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Export the counts to this file before they are deleted [default: hits-ENV-counts-TIME.ndjson here]
    #[arg(long, value_name = "FILE", requires = "delete_data")]
    pub export: Option<PathBuf>,
}

/// Destroys.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let started = Instant::now();
    let loaded = session.load()?;
    let progress = session.console.progress();
    let sink = progress.sink();
    let planned = async {
        // Nothing is started for what is not there, or what nobody agrees to.
        let cloud = steps::open(session, &loaded, Access::Remove, &sink).await?;
        let code = Code { sha256: String::new(), arch: loaded.app.function.arch };
        let mut graph = steps::design(&loaded, cloud.place(), &code)?.all_absent();
        if args.delete_data {
            graph = graph.deleting_data();
        }
        let planned = steps::plan(session, &graph, &cloud.drivers(None), &sink).await?;
        Ok::<_, Failure>((cloud, planned))
    }
    .await;
    progress.finish();
    let (cloud, PlanRun { plan, findings }) = planned?;
    let view = steps::plan_view("destroy", &loaded, cloud.place(), &plan, &findings, started);
    let left = left(&plan);
    if plan.is_empty() {
        session.console.result(&DestroyView::new(view, &Outcome::default(), left));
        return Ok(Exit::Done);
    }
    let loses = plan.changes.iter().any(|change| {
        change.node.keep == Keep::AskBeforeLoss && matches!(change.action, Action::Delete | Action::Replace)
    });
    if args.confirm.is_none() && (loses || loaded.app.confirm || !session.global.yes) {
        session.console.preview(&view.clone().brief());
    }
    confirm(session, &loaded, &plan, loses, args.confirm.as_deref()).await?;
    let cloud = if cloud.is_running() {
        cloud
    } else {
        let progress = session.console.progress();
        let cloud = cloud::open(session, &loaded, Access::Write, &progress.sink()).await;
        progress.finish();
        cloud?
    };
    if loses {
        let file = export(session, &loaded, &*cloud, args.export).await?;
        session.console.talk(&format!("exported the counts to {}", file.display()));
    }
    let progress = session.console.progress();
    let outcome = steps::apply(session, plan, &cloud.drivers(None), &progress.sink()).await;
    progress.finish();
    let next = format!("hitctl deploy --env {}", loaded.env);
    session.console.result(&DestroyView::new(view.took_ms(millis(started)), &outcome, left).next(next));
    Failure::outcome(&outcome, "Run the same command again; it continues where it stopped.")
        .map_or(Ok(Exit::Done), Err)
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
    loses: bool,
    given: Option<&str>,
) -> Result<(), Failure> {
    let env = &loaded.env;
    if loses {
        return session
            .console
            .confirm_loss(&format!("This deletes every count of {env}."), env, given)
            .await;
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
    let rows = counts::all(cloud, loaded).await?;
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let name = format!("{}-{}-counts-{time}.ndjson", loaded.app.app, loaded.env);
    let path = session.cwd.join(file.unwrap_or_else(|| PathBuf::from(name)));
    counts::write_new(&path, &counts::render(&rows, Format::Ndjson))?;
    Ok(path)
}
