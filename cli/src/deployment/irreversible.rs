//! Irreversible effects of a plan, and the confirmation that each needs.
//!
//! A URL that stops working takes a yes; the loss of data (counts, backups, log lines, messages) takes the name of the
//! environment, as `--yes` never covers it. What was not there cannot be lost, and is not warned of.

use hitctl_config::{Loaded, Target};
use hitctl_engine::{Finding, Plan, Severity};
use hitctl_report::{Confirmation, Exit, Failure, Loss};
use hitctl_resources::{EffectContext, REGISTRY, RequiredConfirmation};

use crate::session::Session;

/// Takes the losses out of the findings about a plan, and adds those that only a deployer knows. `now_ms` is the time in
/// milliseconds since 1970.
pub(crate) fn split(
    plan: &Plan,
    findings: Vec<Finding>,
    target: Target,
    now_ms: u64,
) -> (Vec<Loss>, Vec<Finding>) {
    let (data, findings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.severity == Severity::Consent);
    let data = data.into_iter().map(|finding| Loss {
        address: finding.address.to_string(),
        loss: finding.message,
        confirm: Confirmation::Name,
    });
    let others = plan.changes.iter().filter_map(|change| {
        let effect = REGISTRY.irreversible(change, EffectContext { target, now_ms })?;
        let confirm = confirmation(effect.confirmation);
        Some(Loss { address: change.address().to_string(), loss: effect.description, confirm })
    });
    (data.chain(others).collect(), findings)
}

fn confirmation(required: RequiredConfirmation) -> Confirmation {
    match required {
        RequiredConfirmation::Yes => Confirmation::Yes,
        RequiredConfirmation::EnvironmentName => Confirmation::Name,
    }
}

/// Asks for what the losses take: the name of the environment, else a yes. `given` is what `--confirm` says.
pub(crate) async fn confirm(
    session: &Session,
    loaded: &Loaded,
    losses: &[Loss],
    given: Option<&str>,
) -> Result<(), Failure> {
    let env = &loaded.env;
    let all: Vec<String> = losses.iter().map(|loss| format!("{}: {}", loss.address, loss.loss)).collect();
    let all = all.join("\n");
    if losses.iter().any(|loss| loss.confirm == Confirmation::Name) {
        let warning = format!("This cannot be undone:\n{all}");
        return session.console.confirm_loss(&warning, env, given).await;
    }
    if losses.is_empty() {
        return Ok(());
    }
    let question = format!("{all}\nThis cannot be undone. Go on?");
    session.console.agree(&question, session.global.yes || given == Some(env)).await
}

/// Refuses `--confirm` with another name than that of the environment, whatever is about to be lost.
pub(crate) fn check_name(loaded: &Loaded, given: Option<&str>) -> Result<(), Failure> {
    match given {
        Some(name) if name != loaded.env => Err(Failure::wrong_confirmation(&loaded.env, name)),
        _ => Ok(()),
    }
}

/// Whether every loss was agreed to already.
pub(crate) fn covers(agreed: &[Loss], losses: &[Loss]) -> bool {
    losses.iter().all(|loss| agreed.contains(loss))
}

/// The failure of a run whose losses have changed while it waited for another one.
pub(crate) fn changed_meanwhile() -> Failure {
    Failure::new("changed_meanwhile", "another run changed what this one would delete; nothing was changed")
        .hinted("run the same command again")
        .exits(Exit::Confirm)
}

#[cfg(test)]
mod tests {
    use hitctl_engine::{Graph, Live, Node, Outputs, Owner, Snapshot};
    use hitctl_resources::OLDEST_MS;
    use serde_json::{Value as Json, json};

    use super::*;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    const NOW_MS: u64 = 100 * DAY_MS;

    /// The losses of a plan from `have` to `want` for one resource.
    fn losses(
        kind: &str,
        have: Option<Json>,
        want: Option<Json>,
        target: Target,
    ) -> Vec<(String, Confirmation)> {
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
            Live { spec, outputs, owner: Owner::Ours }
        });
        live.insert(address, found);
        let plan = hitctl_engine::plan(&graph, &live, &hitctl_engine::Mask::default()).unwrap();
        let (losses, _) = split(&plan, hitctl_engine::check(&plan), target, NOW_MS);
        losses.into_iter().map(|loss| (loss.loss, loss.confirm)).collect()
    }

    #[test]
    fn a_url_that_stops_working_takes_a_yes() {
        let loss = "https://old will stop working; the next deploy creates a different URL".to_owned();
        for kind in ["http_api", "function_url"] {
            let removed = |target| losses(kind, Some(json!({})), None, target);
            assert_eq!(removed(Target::Aws), [(loss.clone(), Confirmation::Yes)]);
            assert_eq!(removed(Target::Local), []);
        }
        assert_eq!(losses("http_api", Some(json!({"a": 1})), Some(json!({"a": 2})), Target::Aws), []);
    }

    #[test]
    fn backups_and_log_lines_that_are_deleted_take_the_name() {
        let off = json!({"point_in_time_recovery": false});
        let had = Some(json!({"point_in_time_recovery": true}));
        let backups = ("existing point-in-time backups will be deleted".to_owned(), Confirmation::Name);
        assert_eq!(losses("table", had, Some(off), Target::Aws), [backups]);
        let lines = ("log lines older than 7 days will be deleted".to_owned(), Confirmation::Name);
        let week = || Some(json!({"retention_days": 7}));
        for old in [0, 14] {
            for target in [Target::Aws, Target::Local] {
                let had = json!({"retention_days": old});
                assert_eq!(losses("log_group", Some(had), week(), target), std::slice::from_ref(&lines));
            }
        }
        let had = json!({"retention_days": 14, "oldest": 92 * DAY_MS});
        assert_eq!(losses("log_group", Some(had), week(), Target::Aws), [lines]);
    }

    #[test]
    fn nothing_is_lost_by_what_is_created_or_has_nothing_to_lose() {
        let off = || json!({"point_in_time_recovery": false, "retention_days": 1});
        for kind in ["table", "log_group", "http_api", "function_url", "queue"] {
            for target in [Target::Aws, Target::Local] {
                assert_eq!(losses(kind, None, Some(off()), target), [], "{kind} is created");
                assert_eq!(losses(kind, Some(off()), Some(off()), target), [], "{kind} stays");
            }
        }
        assert_eq!(
            losses("table", Some(json!({"point_in_time_recovery": false})), Some(off()), Target::Aws),
            []
        );
        for (old, new) in [(7, 14), (7, 0), (7, 7)] {
            let days = |days: i32| Some(json!({ "retention_days": days }));
            assert_eq!(losses("log_group", days(old), days(new), Target::Aws), []);
        }
        // Nothing in it is as old as that.
        let young = Some(json!({"retention_days": 14, "oldest": 94 * DAY_MS}));
        assert_eq!(losses("log_group", young, Some(json!({"retention_days": 7})), Target::Aws), []);
    }
}
