//! `hitctl deploy`: build, plan, apply, and a look at the live URL.

use std::time::Instant;

use clap::builder::FalseyValueParser;
use hitctl_config::{Loaded, Paths, names};
use hitctl_engine::{Action, Done, Drivers, Event, Phase, Sink};
use hitctl_resources::{Spec as _, TableSpec};

use crate::cloud::{Access, Cloud, Drive};
use crate::commands::irreversible;
use crate::commands::steps::{self, FunctionArgs, PlanRun, millis};
use crate::commands::turn::{Lock, Turn};
use crate::report::{DeployView, Exit, Failure, PlanView};
use crate::session::Session;
use crate::smoke;
use crate::stack::Code;

/// Build the counter, create or update what it needs, ask the live URL, and print it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl deploy --env local\n  hitctl deploy --env local --artifact function.zip"
)]
pub struct Args {
    /// The origin of the function.
    #[command(flatten)]
    pub function: FunctionArgs,
    /// Take over resources of these names that are somebody else's
    #[arg(long)]
    pub adopt: bool,
    /// Confirm without a question what cannot be undone: the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Do not ask the live URL at the end
    #[arg(long)]
    pub no_smoke: bool,
    /// Publish no version this time: requests go to the function itself, and `rollback` has nothing new to go back to
    #[arg(long, env = "HITCTL_NO_PUBLISH", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub no_publish: bool,
    /// How long to wait for another deploy.
    #[command(flatten)]
    pub lock: Lock,
}

/// Deploys.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let started = Instant::now();
    let mut loaded = session.load_for_writing("deploy to").await?;
    irreversible::check_name(&loaded, args.confirm.as_deref())?;
    loaded.app.function.publish &= !args.no_publish;
    let progress = session.console.progress();
    let prepared = Box::pin(prepare(session, &loaded, &args, &progress.sink())).await;
    progress.finish();
    let prepared = prepared?;
    if !prepared.planned.losses.is_empty() {
        let view = prepared.view(&loaded, started);
        session.console.preview(&view.brief());
        irreversible::confirm(session, &loaded, &prepared.planned.losses, args.confirm.as_deref()).await?;
    }
    let progress = session.console.progress();
    let deployed = Box::pin(deploy(session, &loaded, prepared, &args, started, &progress.sink())).await;
    progress.finish();
    let (view, failure) = deployed?;
    session.console.result(&view);
    failure.map_or(Ok(Exit::Done), Err)
}

/// A deploy that has written nothing yet.
struct Prepared {
    cloud: Box<dyn Cloud>,
    code: Code,
    drivers: Drivers,
    planned: PlanRun,
}

impl Prepared {
    fn view(&self, loaded: &Loaded, started: Instant) -> PlanView {
        steps::plan_view("deploy", loaded, self.cloud.place(), &self.planned, started)
    }
}

/// Opens the cloud, builds the function, and plans.
async fn prepare(session: &Session, loaded: &Loaded, args: &Args, sink: &Sink) -> Result<Prepared, Failure> {
    // Neither needs the other, and each may take a while the first time.
    let (cloud, artifact) = tokio::try_join!(
        steps::open(session, loaded, Access::Write, sink),
        steps::build(session, loaded, args.function.clone(), sink),
    )?;
    let code = Code { sha256: artifact.sha256.clone(), arch: artifact.arch };
    let drivers = cloud.drivers(Drive {
        artifact: Some(&artifact),
        adopt: args.adopt,
        called_at_the_end: !args.no_smoke,
        tags: None,
    });
    let planned = steps::plan_deploy(session, loaded, &*cloud, &code, &drivers, sink).await?;
    Ok(Prepared { cloud, code, drivers, planned })
}

/// Carries out a deploy, and gives back what became of it and what failed.
async fn deploy(
    session: &Session,
    loaded: &Loaded,
    mut prepared: Prepared,
    args: &Args,
    started: Instant,
    sink: &Sink,
) -> Result<(DeployView, Option<Failure>), Failure> {
    let plan = &prepared.planned.plan;
    let turn = Turn::take(session, loaded, &*prepared.cloud, plan, ("deploy", args.lock), sink).await?;
    if turn.waited {
        prepared.planned = match again(session, loaded, &prepared, sink).await {
            Ok(planned) => planned,
            Err(failure) => {
                turn.end(None).await;
                return Err(failure);
            }
        };
    }
    let view = prepared.view(loaded, started);
    let Prepared { cloud, code, drivers, planned } = prepared;
    let outcome = steps::apply(&planned.plan, &turn.drivers(&drivers), sink, turn.stop()).await;
    let mut failure = Failure::outcome(&outcome, AGAIN);
    if failure.is_none() && !args.no_smoke {
        let url = steps::url(&outcome.outputs);
        failure = look(session, loaded, &*cloud, url.as_deref(), &code.build_id(), sink).await.err();
    }
    // Until then, lest the live URL answers with the build of another deploy.
    failure = turn.end(Some(&outcome)).await.or(failure);
    let view = view.outputs(steps::outputs(loaded, &outcome.outputs)).took_ms(millis(started));
    let mut view = DeployView::new(view, &outcome);
    let made = |done: &Done| done.address == TableSpec::address("hits") && done.action == Action::Create;
    if loaded.app.counter.paths == Paths::Strict && outcome.done.iter().any(made) {
        // Until then nothing is counted.
        view = view.next(format!("hitctl paths sync DIR --env {}", loaded.env));
    }
    Ok((view, failure))
}

/// Plans once more after another deploy has ended. What that one changed must not make this one lose more than was agreed to.
async fn again(
    session: &Session,
    loaded: &Loaded,
    prepared: &Prepared,
    sink: &Sink,
) -> Result<PlanRun, Failure> {
    let Prepared { cloud, code, drivers, planned } = prepared;
    let new = steps::plan_deploy(session, loaded, &**cloud, code, drivers, sink).await?;
    if irreversible::covers(&planned.losses, &new.losses) {
        return Ok(new);
    }
    Err(irreversible::changed_meanwhile())
}

/// Checks that the build answers and reads its table; says why where it cannot be asked.
pub(super) async fn look(
    session: &Session,
    loaded: &Loaded,
    cloud: &dyn Cloud,
    url: Option<&str>,
    build: &str,
    sink: &Sink,
) -> Result<(), Failure> {
    let function = names::function(&loaded.app.app, &loaded.env);
    let place = cloud.place();
    let detail = match (url, place.endpoint.as_deref()) {
        (Some(url), Some(endpoint)) if smoke::is_elsewhere(url, endpoint) => {
            session.console.talk(&format!("not asking {url}: the emulator at {endpoint} does not serve it"));
            return Ok(());
        }
        (Some(url), _) => format!("asking {url}/healthz"),
        // Not every emulator runs functions.
        (None, Some(_)) => return Ok(()),
        (None, None) => format!("calling function {function}"),
    };
    let started = Instant::now();
    sink.send(Event::PhaseStarted { phase: Phase::Smoke, detail });
    let seen = smoke::check(session, smoke::Target { cloud, function: &function, url, build }).await;
    sink.send(Event::PhaseEnded { phase: Phase::Smoke, ok: seen.is_ok(), took_ms: millis(started) });
    seen
}

/// What to do after a deploy that did not come to its end.
const AGAIN: &str = "Run the same command again; it continues where it stopped.";
