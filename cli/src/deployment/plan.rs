//! From the design of an environment to a plan and its execution: read what is live, compare, check, apply.

use std::time::Instant;

use hitctl_engine::{Change, Event, Finding, Graph, NOT_OURS, Outcome, Plan, Severity, Snapshot};
use hitctl_report::{Failure, Loss, phases};
use hitctl_stack::Code;
use tokio_util::sync::CancellationToken;

use super::context::DeployContext;
use super::design::design;
use super::{distribution, irreversible, quota};
use crate::elapsed::millis;

/// A plan with its findings and losses.
pub(crate) struct PlanRun {
    /// The changes.
    pub(crate) plan: Plan,
    /// Findings that do not forbid the plan.
    pub(crate) findings: Vec<Finding>,
    /// Irreversible losses; each is confirmed before the first write.
    pub(crate) losses: Vec<Loss>,
}

/// Reads what is live and plans what to do. Refuses a plan that must not be carried out.
pub(crate) async fn plan(context: &DeployContext<'_>, graph: &Graph) -> Result<PlanRun, Failure> {
    let live = survey(context, graph).await?;
    checked(context, graph, &live)
}

/// Plans a deploy: like [`plan`], with the design fitted to the quotas of the account.
pub(crate) async fn plan_deploy(context: &DeployContext<'_>, code: &Code) -> Result<PlanRun, Failure> {
    let DeployContext { session, config, cloud, .. } = context;
    quota::check_table(config, *cloud).await?;
    let graph = design(config, cloud.place(), Some(code))?;
    let (live, findings) = tokio::try_join!(survey(context, &graph), distribution::findings(config, *cloud))?;
    let (fitted, foreign) = tokio::join!(
        quota::fit(config, *cloud, Some(code), graph.clone(), &live),
        cloud.foreign_access(&graph, &live, &session.stop),
    );
    let (graph, finding) = fitted?;
    let mut run = checked(context, &graph, &live)?;
    run.findings.extend(finding.into_iter().chain(foreign).chain(findings));
    Ok(run)
}

fn checked(context: &DeployContext<'_>, graph: &Graph, live: &Snapshot) -> Result<PlanRun, Failure> {
    let plan = difference(context, graph, live)?;
    let findings = hitctl_engine::check(&plan);
    let (mut errors, findings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Error);
    if !errors.is_empty() {
        for error in errors.iter_mut().filter(|error| error.code == NOT_OURS) {
            error.hint = plan.change(&error.address).map(adopt_hint);
        }
        return Err(Failure::findings(&errors));
    }
    let now_ms = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
    let (losses, findings) = irreversible::split(&plan, findings, context.config.target, now_ms);
    Ok(PlanRun { plan, findings, losses })
}

fn adopt_hint(change: &Change) -> String {
    let (kind, name) = (change.kind(), change.name());
    format!("give `app` in hitctl.toml another name, or take {kind} {name} over with `hitctl deploy --adopt`")
}

/// The plan from what is live to what is wanted.
pub(crate) fn difference(
    context: &DeployContext<'_>,
    graph: &Graph,
    live: &Snapshot,
) -> Result<Plan, Failure> {
    hitctl_engine::plan(graph, live, &context.session.mask())
        .map_err(|error| Failure::new("plan", error.to_string()))
}

/// Reads what is live of the env, without a build.
pub(crate) async fn look(context: &DeployContext<'_>) -> Result<(Graph, Snapshot), Failure> {
    let graph = design(context.config, context.cloud.place(), None)?;
    let live = survey(context, &graph).await?;
    Ok((graph, live))
}

/// Reads what is live.
pub(crate) async fn survey(context: &DeployContext<'_>, graph: &Graph) -> Result<Snapshot, Failure> {
    let DeployContext { session, drivers, sink, .. } = context;
    let reading = hitctl_engine::survey(graph, drivers, sink, &session.stop);
    let live = sink.phase(phases::SURVEY, "reading what is deployed", reading).await;
    live.map_err(|error| Failure::unread(&error))
}

/// Carries out a plan.
pub(crate) async fn apply(context: &DeployContext<'_>, plan: &Plan, stop: &CancellationToken) -> Outcome {
    let DeployContext { drivers, sink, .. } = context;
    let started = Instant::now();
    let idle = plan.is_empty();
    if !idle {
        sink.send(Event::PhaseStarted { phase: phases::APPLY, detail: "applying the plan".to_owned() });
    }
    let outcome = hitctl_engine::apply(plan, drivers, sink, stop).await;
    if !idle {
        sink.send(Event::PhaseEnded { phase: phases::APPLY, ok: outcome.is_ok(), took_ms: millis(started) });
    }
    outcome
}
