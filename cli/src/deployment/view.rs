//! Builds the views of a deployment: its plan and its outputs.

use std::collections::BTreeMap;
use std::time::Instant;

use hitctl_config::{DeployTarget, LoadedConfig, names};
use hitctl_engine::{Action, Address, Change, Finding, Outputs, Plan};
use hitctl_report::PlanView;
use hitctl_resources::CloudLocation;
use hitctl_stack::address;
use hitctl_stack::cost::{self, CostEstimate};

use super::plan::PlanRun;
use crate::elapsed::millis;

/// Returns the URL of the API or of the function, without a trailing slash.
pub(crate) fn url(outputs: &BTreeMap<Address, Outputs>) -> Option<String> {
    let found = outputs.get(&address::api()).or_else(|| outputs.get(&address::function_url()));
    found?.get("url").cloned()
}

/// Returns the outputs of a deployment by name, for JSON output.
pub(crate) fn outputs(config: &LoadedConfig, live: &BTreeMap<Address, Outputs>) -> BTreeMap<String, String> {
    let (app, env) = (&config.app.app, &config.env);
    let named = |name: &str, address: &Address, value: String| {
        live.contains_key(address).then(|| (name.to_owned(), value))
    };
    let outputs = [
        url(live).map(|url| ("url".to_owned(), url)),
        named("function", &address::counter(), names::function(app, env)),
        named("table", &address::hits_table(), names::table(app, env)),
    ];
    outputs.into_iter().flatten().collect()
}

/// Returns the view of a plan. `started` is the start of the command.
pub(crate) fn plan_view(
    command: &str,
    config: &LoadedConfig,
    location: &CloudLocation,
    PlanRun { plan, findings, losses }: &PlanRun,
    started: Instant,
) -> PlanView {
    let mut view = PlanView::new(command, &config.env, &config.target.to_string(), plan);
    view.losses.clone_from(losses);
    (view.account, view.region) = (Some(location.account.clone()), Some(location.region.clone()));
    view.warnings = findings.iter().map(finding_text).chain(alias_warning(plan)).collect();
    view.estimate = cost_estimate(command, config);
    view.took_ms = millis(started);
    view
}

/// Returns a finding as text, with its hint on a line of its own.
fn finding_text(finding: &Finding) -> String {
    let hint = finding.hint.as_ref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{}: {}{hint}", finding.address, finding.message)
}

/// Returns the cost estimate for commands that create resources on AWS.
fn cost_estimate(command: &str, config: &LoadedConfig) -> Option<CostEstimate> {
    let creates_resources = config.target == DeployTarget::Aws && matches!(command, "plan" | "deploy");
    creates_resources.then(|| cost::estimate(&config.app))
}

/// Returns a warning if the plan switches the alias while the function itself is unchanged.
fn alias_warning(plan: &Plan) -> Option<String> {
    let changes_release = |alias: &&Change| {
        alias.action == Action::Update && alias.fields.iter().any(|field| field.field == "release")
    };
    let alias = plan.change(&address::live_alias()).filter(changes_release)?;
    let function = plan.change(&address::counter())?;
    let reader = plan.change(&address::reader()).map_or(Action::Keep, |reader| reader.action);
    let unchanged = function.action == Action::Keep && reader == Action::Keep;
    let version = alias.observed.as_ref()?.outputs.get("version").filter(|_| unchanged)?;
    Some(format!(
        "{}: the live alias points at version {version}, which differs from the deployed code (after a rollback or an incomplete deploy); a deploy points it at the deployed code",
        alias.address()
    ))
}
