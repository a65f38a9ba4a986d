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
pub(crate) fn outputs(loaded: &Loaded, live: &BTreeMap<Address, Outputs>) -> Vec<(&'static str, String)> {
    let (app, env) = (&loaded.app.app, &loaded.env);
    let mut outputs: Vec<_> = url(live).map(|url| ("url", url)).into_iter().collect();
    if live.contains_key(&address::counter()) {
        outputs.push(("function", names::function(app, env)));
    }
    if live.contains_key(&address::hits_table()) {
        outputs.push(("table", names::table(app, env)));
    }
    outputs
}

/// The view of a plan that was, or will be, carried out.
pub(crate) fn plan_view(
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
