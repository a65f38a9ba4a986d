//! Irreversible effects of a plan, and the confirmation that each needs.
//!
//! A URL that stops working needs a yes. A loss of data (counts, backups, log lines, messages) needs the name of the
//! environment, because `--yes` never confirms it.

use hitctl_config::{DeployTarget, LoadedConfig};
use hitctl_engine::{Finding, Plan, Severity};
use hitctl_report::{Exit, Failure, LossConfirmation, PlannedLoss};
use hitctl_resources::{EffectContext, REGISTRY, RequiredConfirmation};

use crate::session::Session;

/// Separates the findings that are losses from the others, and adds the losses that the resource kinds report for the
/// changes of the plan. `now_ms` is the time in milliseconds since 1970.
pub(crate) fn split(
    plan: &Plan,
    findings: Vec<Finding>,
    target: DeployTarget,
    now_ms: u64,
) -> (Vec<PlannedLoss>, Vec<Finding>) {
    let (data_losses, findings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Consent);
    let data_losses = data_losses.into_iter().map(|finding| PlannedLoss {
        address: finding.address.to_string(),
        loss: finding.message,
        confirm: LossConfirmation::Name,
    });
    let other_losses = plan.changes.iter().filter_map(|change| {
        let effect = REGISTRY.irreversible(change, EffectContext { target, now_ms })?;
        let confirm = confirmation(effect.confirmation);
        Some(PlannedLoss { address: change.address().to_string(), loss: effect.description, confirm })
    });
    (data_losses.chain(other_losses).collect(), findings)
}

fn confirmation(required: RequiredConfirmation) -> LossConfirmation {
    match required {
        RequiredConfirmation::Yes => LossConfirmation::Yes,
        RequiredConfirmation::EnvironmentName => LossConfirmation::Name,
    }
}

/// Asks for the confirmation that the losses need: the name of the environment, or a yes. `confirm_arg` is the value of
/// `--confirm`.
pub(crate) async fn confirm(
    session: &Session,
    config: &LoadedConfig,
    losses: &[PlannedLoss],
    confirm_arg: Option<&str>,
) -> Result<(), Failure> {
    let env = &config.env;
    let lines: Vec<String> = losses.iter().map(|loss| format!("{}: {}", loss.address, loss.loss)).collect();
    let list = lines.join("\n");
    if losses.iter().any(|loss| loss.confirm == LossConfirmation::Name) {
        let warning = format!("This cannot be undone:\n{list}");
        return session.console.confirm_loss(&warning, env, confirm_arg).await;
    }
    if losses.is_empty() {
        return Ok(());
    }
    let question = format!("{list}\nThis cannot be undone. Continue?");
    session.console.confirm(&question, session.global.yes || confirm_arg == Some(env)).await
}

/// Fails if `--confirm` names another environment, even if nothing would be lost.
pub(crate) fn check_name(config: &LoadedConfig, confirm_arg: Option<&str>) -> Result<(), Failure> {
    match confirm_arg {
        Some(name) if name != config.env => Err(Failure::wrong_confirmation(&config.env, name)),
        _ => Ok(()),
    }
}

/// Whether the user has already agreed to every loss.
pub(crate) fn covers(agreed: &[PlannedLoss], losses: &[PlannedLoss]) -> bool {
    losses.iter().all(|loss| agreed.contains(loss))
}

/// Returns the failure of a command whose losses changed while it waited for another command.
pub(crate) fn changed_meanwhile() -> Failure {
    Failure::new(
        "changed_meanwhile",
        "another command changed the resources that this command would delete; this command changed nothing",
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

    /// Returns the losses of a plan that changes one resource from `observed` to `desired`.
    fn losses(
        kind: &str,
        observed: Option<Json>,
        desired: Option<Json>,
        target: DeployTarget,
    ) -> Vec<(String, LossConfirmation)> {
        let address = hitctl_engine::Address::new(kind, "x");
        let node = match desired {
            Some(spec) => Node::present(address.clone(), "name", spec),
            None => Node::present(address.clone(), "name", json!({})).absent(),
        };
        let graph = Graph::new(vec![node]).unwrap();
        let mut live = Snapshot::default();
        let state = observed.map(|spec| {
            let mut outputs = Outputs::from([("url".to_owned(), "https://old".to_owned())]);
            outputs.extend(spec.get("oldest").map(|ms| (OLDEST_MS.to_owned(), ms.to_string())));
            ObservedState { spec, outputs, owner: Owner::Ours }
        });
        live.insert(address, state);
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
        let on = Some(json!({"point_in_time_recovery": true}));
        let backups = ("existing point-in-time backups will be deleted".to_owned(), LossConfirmation::Name);
        assert_eq!(losses("table", on, Some(off), DeployTarget::Aws), [backups]);
        let lines = ("log lines older than 7 days will be deleted".to_owned(), LossConfirmation::Name);
        let week = || Some(json!({"retention_days": 7}));
        // A retention of 0 days keeps log lines forever.
        for old in [0, 14] {
            for target in [DeployTarget::Aws, DeployTarget::Local] {
                let longer = json!({"retention_days": old});
                assert_eq!(losses("log_group", Some(longer), week(), target), std::slice::from_ref(&lines));
            }
        }
        let longer = json!({"retention_days": 14, "oldest": 92 * DAY_MS});
        assert_eq!(losses("log_group", Some(longer), week(), DeployTarget::Aws), [lines]);
    }

    #[test]
    fn created_and_unchanged_resources_have_no_loss() {
        let off = || json!({"point_in_time_recovery": false, "retention_days": 1});
        for kind in ["table", "log_group", "http_api", "function_url", "queue"] {
            for target in [DeployTarget::Aws, DeployTarget::Local] {
                assert_eq!(losses(kind, None, Some(off()), target), [], "{kind} is created");
                assert_eq!(losses(kind, Some(off()), Some(off()), target), [], "{kind} is unchanged");
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
        // The oldest log line is 6 days old, so none is deleted.
        let recent = Some(json!({"retention_days": 14, "oldest": 94 * DAY_MS}));
        assert_eq!(losses("log_group", recent, Some(json!({"retention_days": 7})), DeployTarget::Aws), []);
    }
}
