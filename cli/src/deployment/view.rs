//! The view of a deployment: its plan and its outputs.

use std::collections::BTreeMap;
use std::time::Instant;

use hitctl_config::{Loaded, Target, names};
use hitctl_engine::{Action, Address, Change, Outputs, Plan};
use hitctl_report::PlanView;
use hitctl_resources::Place;
use hitctl_stack::address;
use hitctl_stack::cost::{self, Estimate};

use super::plan::PlanRun;
use crate::elapsed::millis;

/// The URL that counts, of the API or of the function itself, without a trailing slash.
pub(crate) fn url(outputs: &BTreeMap<Address, Outputs>) -> Option<String> {
    let found = outputs.get(&address::api()).or_else(|| outputs.get(&address::function_url()));
    found?.get("url").cloned()
}

/// The outputs of a deployment, by name, for scripts.
pub(crate) fn outputs(loaded: &Loaded, live: &BTreeMap<Address, Outputs>) -> BTreeMap<String, String> {
    let (app, env) = (&loaded.app.app, &loaded.env);
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

/// The view of a plan that was, or will be, carried out.
pub(crate) fn plan_view(
    command: &str,
    loaded: &Loaded,
    place: &Place,
    PlanRun { plan, findings, losses }: &PlanRun,
    started: Instant,
) -> PlanView {
    let mut view = PlanView::new(command, &loaded.env, &loaded.target.to_string(), plan);
    view.losses.clone_from(losses);
    (view.account, view.region) = (Some(place.account.clone()), Some(place.region.clone()));
    let warnings = findings.iter().map(|finding| format!("{}: {}", finding.address, finding.message));
    view.warnings = warnings.chain(other_release(plan)).collect();
    view.estimate = costs(command, loaded);
    view.took_ms = millis(started);
    view
}

/// The cost estimate, for commands that create resources on AWS.
fn costs(command: &str, loaded: &Loaded) -> Option<Estimate> {
    let asks = loaded.target == Target::Aws && matches!(command, "plan" | "deploy");
    asks.then(|| cost::estimate(&loaded.app))
}

/// The reason for switching the alias while the function itself is unchanged.
fn other_release(plan: &Plan) -> Option<String> {
    let of_release = |alias: &&Change| {
        alias.action == Action::Update && alias.fields.iter().any(|field| field.field == "release")
    };
    let alias = plan.change(&address::live()).filter(of_release)?;
    let function = plan.change(&address::counter())?;
    let reader = plan.change(&address::reader()).map_or(Action::Keep, |reader| reader.action);
    let as_it_was = function.action == Action::Keep && reader == Action::Keep;
    let version = alias.have.as_ref()?.outputs.get("version").filter(|_| as_it_was)?;
    Some(format!(
        "{}: version {version} answers, which is of another release than the function (rolled back, or a deploy did not come to its end); a deploy lets this release answer",
        alias.address()
    ))
}
