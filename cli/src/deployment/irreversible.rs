//! Irreversible effects of a plan, and the confirmation that each needs.
//!
//! A URL that stops working needs a yes. The loss of data (counts, backups, log lines, messages) needs the name of the
//! environment, since `--yes` never covers it. A resource that does not exist cannot be lost and causes no warning.

use hitctl_config::{DeployTarget, LoadedConfig};
use hitctl_engine::{Finding, Plan, Severity};
use hitctl_report::{Exit, Failure, LossConfirmation, PlannedLoss};
use hitctl_resources::{EffectContext, REGISTRY, RequiredConfirmation};

use crate::session::Session;

/// Separates the losses from the findings about a plan, and adds losses that only the deployer knows. `now_ms` is the
/// time in milliseconds since 1970.
pub(crate) fn split(
    plan: &Plan,
    findings: Vec<Finding>,
    target: DeployTarget,
    now_ms: u64,
) -> (Vec<PlannedLoss>, Vec<Finding>) {
    let (data, findings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Consent);
    let data = data.into_iter().map(|finding| PlannedLoss {
        address: finding.address.to_string(),
        loss: finding.message,
        confirm: LossConfirmation::Name,
    });
    let others = plan.changes.iter().filter_map(|change| {
        let effect = REGISTRY.irreversible(change, EffectContext { target, now_ms })?;
        let confirm = confirmation(effect.confirmation);
        Some(PlannedLoss { address: change.address().to_string(), loss: effect.description, confirm })
    });
    (data.chain(others).collect(), findings)
}

fn confirmation(required: RequiredConfirmation) -> LossConfirmation {
    match required {
        RequiredConfirmation::Yes => LossConfirmation::Yes,
        RequiredConfirmation::EnvironmentName => LossConfirmation::Name,
    }
}

/// Asks for the confirmation that the losses need: the name of the environment, or a yes. `given` is the value of
/// `--confirm`.
pub(crate) async fn confirm(
    session: &Session,
    loaded: &LoadedConfig,
    losses: &[PlannedLoss],
    confirm_arg: Option<&str>,
) -> Result<(), Failure> {
    let env = &loaded.env;
    let all: Vec<String> = losses.iter().map(|loss| format!("{}: {}", loss.address, loss.loss)).collect();
    let all = all.join("\n");
    if losses.iter().any(|loss| loss.confirm == LossConfirmation::Name) {
        let warning = format!("This cannot be undone:\n{all}");
        return session.console.confirm_loss(&warning, env, confirm_arg).await;
    }
    if losses.is_empty() {
        return Ok(());
    }
    let question = format!("{all}\nThis cannot be undone. Continue?");
    session.console.confirm(&question, session.global.yes || confirm_arg == Some(env)).await
}

/// Fails if `--confirm` names another environment, even if nothing would be lost.
pub(crate) fn check_name(loaded: &LoadedConfig, confirm_arg: Option<&str>) -> Result<(), Failure> {
    match confirm_arg {
        Some(name) if name != loaded.env => Err(Failure::wrong_confirmation(&loaded.env, name)),
        _ => Ok(()),
    }
}

/// Whether the user has already agreed to every loss.
pub(crate) fn covers(agreed: &[PlannedLoss], losses: &[PlannedLoss]) -> bool {
    losses.iter().all(|loss| agreed.contains(loss))
}

/// Returns the failure of a run whose losses have changed while it waited for another run.
pub(crate) fn changed_meanwhile() -> Failure {
    Failure::new(
        "changed_meanwhile",
        "another run changed the resources that this run would delete; nothing was changed",
    )
    .hinted("run the same command again")
    .with_exit(Exit::Confirm)
}

#[cfg(test)]
mod tests {
    use hitctl_engine::{Graph, Node, ObservedState, Outputs, Owner, Snapshot};
    use hitctl_resources::OLDEST_MS;
    use serde_json::{Value as Json, json};

    use super::*;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    const NOW_MS: u64 = 100 * DAY_MS;

    /// Returns the losses of a plan from `have` to `want` for one resource.
    fn losses(
        kind: &str,
        have: Option<Json>,
        want: Option<Json>,
        target: DeployTarget,
    ) -> Vec<(String, LossConfirmation)> {
        let address = hitctl_engine::Address::new(kind, "x");
        let node = match want {
            Some(spec) => Node::present(address.clone(), "name", spec),
            None => Node::present(address.clone(), "name", json!({})).absent(),
        };
        let graph = Graph::new(vec![node]).unwrap();
        let mut live = Snapshot::default();
        let found = have.map(|spec| {
            let mut outputs = Outputs::from([("url".to_owned(), "https://old".to_owned())]);
            outputs.extend(spec.get("oldest").map(|ms| (OLDEST_MS.to_owned(), ms.to_string())));
            ObservedState { spec, outputs, owner: Owner::Ours }
        });
        live.insert(address, found);
        let plan = hitctl_engine::plan(&graph, &live, &hitctl_engine::SecretMask::default()).unwrap();
        let (losses, _) = split(&plan, hitctl_engine::check(&plan), target, NOW_MS);
        losses.into_iter().map(|loss| (loss.loss, loss.confirm)).collect()
    }

    #[test]
    fn url_that_stops_working_needs_yes() {
        let loss = "https://old will stop working; the next deploy creates a different URL".to_owned();
        for kind in ["http_api", "function_url"] {
            let removed = |target| losses(kind, Some(json!({})), None, target);
            assert_eq!(removed(DeployTarget::Aws), [(loss.clone(), LossConfirmation::Yes)]);
            assert_eq!(removed(DeployTarget::Local), []);
        }
        assert_eq!(losses("http_api", Some(json!({"a": 1})), Some(json!({"a": 2})), DeployTarget::Aws), []);
    }

    #[test]
    fn deleted_backups_and_log_lines_need_environment_name() {
        let off = json!({"point_in_time_recovery": false});
        let had = Some(json!({"point_in_time_recovery": true}));
        let backups = ("existing point-in-time backups will be deleted".to_owned(), LossConfirmation::Name);
        assert_eq!(losses("table", had, Some(off), DeployTarget::Aws), [backups]);
        let lines = ("log lines older than 7 days will be deleted".to_owned(), LossConfirmation::Name);
        let week = || Some(json!({"retention_days": 7}));
        for old in [0, 14] {
            for target in [DeployTarget::Aws, DeployTarget::Local] {
                let had = json!({"retention_days": old});
                assert_eq!(losses("log_group", Some(had), week(), target), std::slice::from_ref(&lines));
            }
        }
        let had = json!({"retention_days": 14, "oldest": 92 * DAY_MS});
        assert_eq!(losses("log_group", Some(had), week(), DeployTarget::Aws), [lines]);
    }

    #[test]
    fn created_and_unchanged_resources_have_no_loss() {
        let off = || json!({"point_in_time_recovery": false, "retention_days": 1});
        for kind in ["table", "log_group", "http_api", "function_url", "queue"] {
            for target in [DeployTarget::Aws, DeployTarget::Local] {
                assert_eq!(losses(kind, None, Some(off()), target), [], "{kind} is created");
                assert_eq!(losses(kind, Some(off()), Some(off()), target), [], "{kind} stays");
            }
        }
        assert_eq!(
            losses("table", Some(json!({"point_in_time_recovery": false})), Some(off()), DeployTarget::Aws),
            []
        );
        for (old, new) in [(7, 14), (7, 0), (7, 7)] {
            let days = |days: i32| Some(json!({ "retention_days": days }));
            assert_eq!(losses("log_group", days(old), days(new), DeployTarget::Aws), []);
        }
        // No line is old enough to be deleted.
        let young = Some(json!({"retention_days": 14, "oldest": 94 * DAY_MS}));
        assert_eq!(losses("log_group", young, Some(json!({"retention_days": 7})), DeployTarget::Aws), []);
    }
}
