//! The steps that `plan`, `deploy`, `status` and `destroy` share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use clap::builder::FalseyValueParser;
use hitctl_config::{Loaded, Target, names};
use hitctl_engine::{
    Action, Address, Change, Drivers, Event, Finding, Graph, GraphError, Node, Outcome, Outputs, Phase, Plan,
    Severity, Sink, Snapshot,
};
use hitctl_resources::{
    AliasSpec, FunctionSpec, FunctionUrlSpec, HttpApiSpec, RoleSpec, Spec as _, TableSpec,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::artifact::{self, Artifact, BuildRequest, Source};
use crate::cloud::{self, Access, Cloud};
use crate::commands::{distribution, irreversible, quota};
use crate::cost::{self, Estimate};
use crate::report::{Exit, Failure, Loss, PlanView};
use crate::session::Session;
use crate::stack::{self, Code, Place};
use crate::tune;

/// What a survey and a plan found.
pub(super) struct PlanRun {
    /// What to do about it.
    pub(super) plan: Plan,
    /// What there is to say about that; none of them forbids it.
    pub(super) findings: Vec<Finding>,
    /// Irreversible losses; each is confirmed before the first write.
    pub(super) losses: Vec<Loss>,
}

/// The origin of the function.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct FunctionArgs {
    /// Use this zip or binary instead of compiling
    #[arg(long, value_name = "FILE", env = "HITCTL_ARTIFACT", hide_env_values = true)]
    pub artifact: Option<PathBuf>,
    /// Compile the function of the hitctl checkout around the working directory; without it, only hitctl's own checkout is compiled
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
pub(super) fn source(session: &Session, from_source: bool) -> Result<Source, Failure> {
    Ok(Source::choose(&session.cwd, &session.cache_dir()?, from_source, &session.env)?)
}

/// Builds the function for the environment's target, or checks and packs the file that the user gave.
pub(super) async fn build(
    session: &Session,
    loaded: &Loaded,
    args: FunctionArgs,
    sink: &Sink,
) -> Result<Artifact, Failure> {
    let target = match loaded.target {
        Target::Local => artifact::Target::Host,
        Target::Aws => artifact::Target::Lambda(loaded.app.function.arch),
    };
    let source = source(session, args.from_source)?;
    let request = BuildRequest::new(target, source, session.env.clone())
        .given(args.artifact.map(|path| session.cwd.join(path)));
    Ok(artifact::build(&request, sink, &session.stop).await?)
}

/// Designs the app around the built code.
pub(super) fn design(loaded: &Loaded, place: &Place, code: &Code) -> Result<Graph, Failure> {
    stack::design(&loaded.app, &loaded.env, place, code).map_err(|error| unfit(&error))
}

/// The graph of what shall go, with what a killed `tune` or an interrupted renewal of a KMS grant may have left.
pub(super) fn with_copy(graph: Graph, loaded: &Loaded) -> Result<Graph, Failure> {
    let graph = tune::with_copy(graph, loaded).map_err(|error| unfit(&error))?;
    if loaded.target != Target::Aws {
        return Ok(graph);
    }
    let (app, env) = (&loaded.app.app, &loaded.env);
    let functions = [("grant", names::function(app, env)), ("reader_grant", names::reader(app, env))];
    let left = functions.map(|(role, function)| {
        Node::present(RoleSpec::address(role), names::grant_role(&function), json!({})).absent()
    });
    Graph::new(graph.nodes().iter().cloned().chain(left).collect()).map_err(|error| unfit(&error))
}

fn unfit(error: &GraphError) -> Failure {
    Failure::new("design", format!("the parts do not fit together: {error}"))
        .hinted("this is a mistake in hitctl: please report it with your hitctl.toml")
}

/// Reads what is live and plans what to do. Refuses a plan that must not be carried out.
pub(super) async fn plan(
    session: &Session,
    target: Target,
    graph: &Graph,
    drivers: &Drivers,
    sink: &Sink,
) -> Result<PlanRun, Failure> {
    let live = survey(session, graph, drivers, sink).await?;
    checked(session, graph, &live, target)
}

/// As [`plan`], for the app as the configuration wants it and the account can carry it.
pub(super) async fn plan_deploy(
    session: &Session,
    loaded: &Loaded,
    cloud: &dyn Cloud,
    code: &Code,
    drivers: &Drivers,
    sink: &Sink,
) -> Result<PlanRun, Failure> {
    quota::check_table(loaded, cloud).await?;
    let graph = design(loaded, cloud.place(), code)?;
    let (live, findings) =
        tokio::try_join!(survey(session, &graph, drivers, sink), distribution::findings(loaded, cloud))?;
    let (fitted, foreign) = tokio::join!(
        quota::fit(loaded, cloud, code, graph.clone(), &live),
        cloud.foreign_access(&graph, &live, &session.stop),
    );
    let (graph, finding) = fitted?;
    let mut run = checked(session, &graph, &live, loaded.target)?;
    run.findings.extend(finding.into_iter().chain(foreign).chain(findings));
    Ok(run)
}

fn checked(session: &Session, graph: &Graph, live: &Snapshot, target: Target) -> Result<PlanRun, Failure> {
    let plan = hitctl_engine::plan(graph, live, &session.mask())
        .map_err(|error| Failure::new("plan", error.to_string()))?;
    let findings = hitctl_engine::check(&plan);
    let (errors, findings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Error);
    if !errors.is_empty() {
        return Err(Failure::findings(&errors));
    }
    let now_ms = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
    let (losses, findings) = irreversible::split(&plan, findings, target, now_ms);
    Ok(PlanRun { plan, findings, losses })
}

/// Reads what is live.
pub(super) async fn survey(
    session: &Session,
    graph: &Graph,
    drivers: &Drivers,
    sink: &Sink,
) -> Result<Snapshot, Failure> {
    let started = Instant::now();
    sink.send(Event::PhaseStarted { phase: Phase::Survey, detail: "reading what is deployed".to_owned() });
    let live = hitctl_engine::survey(graph, drivers, sink, &session.stop).await;
    sink.send(Event::PhaseEnded { phase: Phase::Survey, ok: live.is_ok(), took_ms: millis(started) });
    live.map_err(|error| Failure::faults("failed to read what is deployed", &error, Exit::Error))
}

/// Carries out a plan.
pub(super) async fn apply(plan: &Plan, drivers: &Drivers, sink: &Sink, stop: &CancellationToken) -> Outcome {
    let started = Instant::now();
    let idle = plan.is_empty();
    if !idle {
        sink.send(Event::PhaseStarted { phase: Phase::Apply, detail: "applying the plan".to_owned() });
    }
    let outcome = hitctl_engine::apply(plan, drivers, sink, stop).await;
    if !idle {
        sink.send(Event::PhaseEnded { phase: Phase::Apply, ok: outcome.is_ok(), took_ms: millis(started) });
    }
    outcome
}

/// Opens the cloud of the env for what writes, and says, before the first write, where that will go.
pub(super) async fn open(
    session: &Session,
    loaded: &Loaded,
    access: Access,
    sink: &Sink,
) -> Result<Box<dyn Cloud>, Failure> {
    let say =
        |place: &str| session.console.talk(&format!("app {}, env {}, {place}", loaded.app.app, loaded.env));
    if loaded.target == Target::Local {
        // Said first: it may have to be started.
        say("on this machine");
        return cloud::open(session, loaded, access, sink).await;
    }
    let cloud = cloud::open(session, loaded, access, sink).await?;
    let Place { account, region, endpoint, .. } = cloud.place();
    let at = endpoint.as_ref().map(|endpoint| format!(", endpoint {endpoint}")).unwrap_or_default();
    say(&format!("AWS account {account}, region {region}{at}"));
    Ok(cloud)
}

/// The URL that counts, of the API or of the function itself, without a trailing slash.
pub(super) fn url(outputs: &BTreeMap<Address, Outputs>) -> Option<String> {
    let found = outputs
        .get(&HttpApiSpec::address("api"))
        .or_else(|| outputs.get(&FunctionUrlSpec::address("counter")));
    found?.get("url").cloned()
}

/// What scripts want to know of what is deployed.
pub(super) fn outputs(loaded: &Loaded, live: &BTreeMap<Address, Outputs>) -> Vec<(&'static str, String)> {
    let (app, env) = (&loaded.app.app, &loaded.env);
    let mut outputs: Vec<_> = url(live).map(|url| ("url", url)).into_iter().collect();
    if live.contains_key(&FunctionSpec::address("counter")) {
        outputs.push(("function", names::function(app, env)));
    }
    if live.contains_key(&TableSpec::address("hits")) {
        outputs.push(("table", names::table(app, env)));
    }
    outputs
}

/// The view of a plan that was, or will be, carried out.
pub(super) fn plan_view(
    command: &str,
    loaded: &Loaded,
    place: &Place,
    PlanRun { plan, findings, losses }: &PlanRun,
    started: Instant,
) -> PlanView {
    PlanView::new(command, &loaded.env, &loaded.target.to_string(), plan)
        .losses(losses.clone())
        .place(&place.account, &place.region)
        .warnings(
            findings
                .iter()
                .map(|finding| format!("{}: {}", finding.address, finding.message))
                .chain(other_release(plan))
                .collect(),
        )
        .estimate(costs(command, loaded))
        .took_ms(millis(started))
}

/// What the app costs, for commands that may bring it about; this machine costs nothing.
fn costs(command: &str, loaded: &Loaded) -> Option<Estimate> {
    let asks = loaded.target == Target::Aws && matches!(command, "plan" | "deploy");
    asks.then(|| cost::estimate(&loaded.app))
}

/// Why the alias is switched when the function itself stays as it is.
fn other_release(plan: &Plan) -> Option<String> {
    let of_release = |alias: &&Change| {
        alias.action == Action::Update && alias.fields.iter().any(|field| field.field == "release")
    };
    let alias = plan.change(&AliasSpec::address("live")).filter(of_release)?;
    let function = plan.change(&FunctionSpec::address("counter"))?;
    let reader = plan.change(&FunctionSpec::address("reader")).map_or(Action::Keep, |reader| reader.action);
    let as_it_was = function.action == Action::Keep && reader == Action::Keep;
    let version = alias.have.as_ref()?.outputs.get("version").filter(|_| as_it_was)?;
    Some(format!(
        "{}: version {version} answers, which is of another release than the function (rolled back, or a deploy did not come to its end); a deploy lets this release answer",
        alias.address()
    ))
}

/// Milliseconds since then.
pub(super) fn millis(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
