//! Irreversible effects of a plan, and the confirmation that each needs.
//!
//! A URL that stops working takes a yes; the loss of data (counts, backups, log lines, messages) takes the name of the
//! environment, as `--yes` never covers it. What was not there cannot be lost, and is not warned of.

use hitctl_config::{Loaded, Target};
use hitctl_engine::{Action, Change, FieldDiff, Finding, Plan, Severity};
use hitctl_report::{Confirmation, Exit, Failure, Loss};
use hitctl_resources::{FunctionUrlSpec, HttpApiSpec, LogGroupSpec, OLDEST_MS, Spec as _, TableSpec};
use serde_json::Value as Json;

use crate::session::Session;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

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
        let (loss, confirm) = lost(change, target, now_ms)?;
        Some(Loss { address: change.address().to_string(), loss, confirm })
    });
    (data.chain(others).collect(), findings)
}

/// Returns the loss that a change causes besides the data that the resource itself holds.
fn lost(change: &Change, target: Target, now_ms: u64) -> Option<(String, Confirmation)> {
    let have = change.have.as_ref()?;
    let removed = matches!(change.action, Action::Delete | Action::Replace);
    let field = |name: &str| change.fields.iter().find(|diff| diff.field == name);
    match change.kind() {
        // On this machine a URL comes back: its port is made of names.
        HttpApiSpec::KIND | FunctionUrlSpec::KIND if removed && target == Target::Aws => {
            let url = have.outputs.get("url")?;
            let loss = format!("{url} will stop working; the next deploy creates a different URL");
            Some((loss, Confirmation::Yes))
        }
        TableSpec::KIND if !removed => {
            let FieldDiff { old, new, .. } = field("point_in_time_recovery")?;
            let lost = *old == Json::Bool(true) && *new == Json::Bool(false);
            lost.then(|| ("existing point-in-time backups will be deleted".to_owned(), Confirmation::Name))
        }
        LogGroupSpec::KIND if !removed => {
            let days = field("retention_days")?;
            let (old, new) = (days.old.as_u64()?, days.new.as_u64()?);
            // 0: never deleted.
            let shorter = new > 0 && (old == 0 || new < old);
            let oldest_ms = have.outputs.get(OLDEST_MS).and_then(|ms| ms.parse::<u64>().ok());
            let too_old = oldest_ms.is_none_or(|ms| ms.saturating_add(new * DAY_MS) < now_ms);
            let loss =
                || format!("log lines older than {} will be deleted", hitctl_report::plural(new, "day"));
            (shorter && too_old).then(|| (loss(), Confirmation::Name))
        }
        _ => None,
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
    use serde_json::json;

    use super::*;

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
