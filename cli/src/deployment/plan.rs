//! Plans and applies changes: reads the live state, compares it with the resource graph, checks the plan and applies
//! it.

use std::time::Instant;

use hitctl_engine::{ApplyOutcome, Change, Event, Finding, Graph, NOT_OURS, Plan, Severity, Snapshot};
use hitctl_report::{Failure, PlannedLoss, phases};
use hitctl_stack::FunctionArtifact;
use tokio_util::sync::CancellationToken;

use super::context::CloudContext;
use super::design::design;
use super::{distribution, irreversible, quota};
use crate::elapsed::millis;

/// A plan with its findings and losses.
pub(crate) struct PlanRun {
    /// The changes.
    pub(crate) plan: Plan,
    /// The findings that do not prevent the plan from being applied.
    pub(crate) findings: Vec<Finding>,
    /// The irreversible losses. The user confirms each before the first write.
    pub(crate) losses: Vec<PlannedLoss>,
}

/// Reads the live state and plans the changes. Fails if the plan must not be applied.
pub(crate) async fn plan(context: &CloudContext<'_>, graph: &Graph) -> Result<PlanRun, Failure> {
    let live = survey(context, graph).await?;
    check_plan(context, graph, &live)
}

/// Plans a deploy like [`plan`], and adapts the graph to the quotas of the account.
pub(crate) async fn plan_deploy(
    context: &CloudContext<'_>,
    code: &FunctionArtifact,
) -> Result<PlanRun, Failure> {
    let CloudContext { session, config, cloud, .. } = context;
    quota::check_table(config, *cloud).await?;
    let graph = design(config, cloud.location(), Some(code))?;
    let (live, findings) = tokio::try_join!(survey(context, &graph), distribution::findings(config, *cloud))?;
    let (fitted, foreign) = tokio::join!(
        quota::fit(config, *cloud, Some(code), graph.clone(), &live),
        cloud.foreign_access(&graph, &live, &session.stop),
    );
    let (graph, finding) = fitted?;
    let mut run = check_plan(context, &graph, &live)?;
    run.findings.extend(finding.into_iter().chain(foreign).chain(findings));
    Ok(run)
}

fn check_plan(context: &CloudContext<'_>, graph: &Graph, live: &Snapshot) -> Result<PlanRun, Failure> {
    let plan = compare(context, graph, live)?;
    let findings = hitctl_engine::check(&plan);
    let (mut errors, findings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Error);
    if !errors.is_empty() {
        for error in errors.iter_mut().filter(|error| error.code == NOT_OURS) {
            error.hint = plan.change(&error.address).map(adopt_hint);
        }
        return Err(Failure::from_findings(&errors));
    }
    let now_ms = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
    let (losses, findings) = irreversible::split(&plan, findings, context.config.target, now_ms);
    Ok(PlanRun { plan, findings, losses })
}

fn adopt_hint(change: &Change) -> String {
    let (kind, name) = (change.kind(), change.name());
    format!("set another `app` in hitctl.toml, or take over {kind} {name} with `hitctl deploy --adopt`")
}

/// Compares the live state with the graph and returns the plan.
pub(crate) fn compare(context: &CloudContext<'_>, graph: &Graph, live: &Snapshot) -> Result<Plan, Failure> {
    hitctl_engine::plan(graph, live, &context.session.mask())
        .map_err(|error| Failure::new("plan", error.to_string()))
}

/// Reads the live state of the environment without building the function. Returns the graph and the state.
pub(crate) async fn read_live(context: &CloudContext<'_>) -> Result<(Graph, Snapshot), Failure> {
    let graph = design(context.config, context.cloud.location(), None)?;
    let live = survey(context, &graph).await?;
    Ok((graph, live))
}

/// Reads the live state of all resources in the graph.
pub(crate) async fn survey(context: &CloudContext<'_>, graph: &Graph) -> Result<Snapshot, Failure> {
    let CloudContext { session, drivers, sink, .. } = context;
    let reading = hitctl_engine::survey(graph, drivers, sink, &session.stop);
    let live = sink.phase(phases::SURVEY, "reading the deployed resources", reading).await;
    live.map_err(|error| Failure::from_survey(&error))
}

/// Applies a plan.
pub(crate) async fn apply(context: &CloudContext<'_>, plan: &Plan, stop: &CancellationToken) -> ApplyOutcome {
    let CloudContext { drivers, sink, .. } = context;
    let started = Instant::now();
    let has_changes = !plan.is_empty();
    if has_changes {
        sink.send(Event::PhaseStarted { phase: phases::APPLY, detail: "applying the plan".to_owned() });
    }
    let outcome = hitctl_engine::apply(plan, drivers, sink, stop).await;
    if has_changes {
        sink.send(Event::PhaseEnded { phase: phases::APPLY, ok: outcome.is_ok(), took_ms: millis(started) });
    }
    outcome
}
