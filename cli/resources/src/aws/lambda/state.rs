//! The states of a Lambda function, and the limits for waiting for them. The function and its alias share them.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{LastUpdateStatus, State};
use hitctl_engine::{Cx, Fault, Wait};

use crate::aws::call::Call;
use crate::aws::fault::Doing;

/// The code of a function or version that Lambda could not make ready.
pub(crate) const FUNCTION_FAILED: &str = "function_failed";

/// For a function, an update or a version to be ready: at once for small code, as long as Lambda's own waiters at most.
pub(crate) const SETTLING: Wait = Wait::up_to(Duration::from_mins(5)).every(Duration::from_millis(150));

/// The state to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// A new function or version can be called.
    Active,
    /// An update is in force: the one that was answered with this time of the last modification.
    Updated(Option<String>),
}

/// The state of a function, as Lambda reports it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) state: Option<State>,
    pub(crate) state_reason: Option<String>,
    pub(crate) update: Option<LastUpdateStatus>,
    pub(crate) update_reason: Option<String>,
    pub(crate) modified: Option<String>,
}

impl From<GetFunctionConfigurationOutput> for Seen {
    fn from(answer: GetFunctionConfigurationOutput) -> Self {
        Self {
            state: answer.state,
            state_reason: answer.state_reason,
            update: answer.last_update_status,
            update_reason: answer.last_update_status_reason,
            modified: answer.last_modified,
        }
    }
}

/// Whether it is so far; a transient fault says that it is not yet.
pub(crate) fn verdict(what: &str, seen: &Seen, until: &Until) -> Result<(), Fault> {
    let failed = |code: &'static str, why: &str, reason: Option<&String>| {
        let fault = Fault::fatal(code, format!("{what} {why}")).hinted(FAILED);
        match reason {
            Some(reason) => fault.caused_by(reason.as_str()),
            None => fault,
        }
    };
    if seen.state == Some(State::Failed) {
        return Err(failed(FUNCTION_FAILED, "could not be made ready", seen.state_reason.as_ref()));
    }
    match until {
        Until::Active => match &seen.state {
            // One that was not called for weeks is inactive, and wakes with the next call.
            Some(State::Active | State::Inactive | State::ActiveNonInvocable) => Ok(()),
            state => {
                let state = state.as_ref().map_or("unknown", State::as_str);
                Err(Fault::transient("pending", format!("its state is {state}")))
            }
        },
        Until::Updated(since) if is_older(seen.modified.as_deref(), since.as_deref()) => {
            Err(Fault::transient("stale", "the change is not visible yet"))
        }
        Until::Updated(_) => match &seen.update {
            Some(LastUpdateStatus::Successful) => Ok(()),
            Some(LastUpdateStatus::Failed) => {
                Err(failed("update_failed", "could not be changed", seen.update_reason.as_ref()))
            }
            _ => Err(Fault::transient("in_progress", "the change is in progress")),
        },
    }
}

const FAILED: &str = "fix the reason, then run the same command again; it continues where it stopped";

/// Whether an answer is of before the change: reads may lag behind writes. Both times are in the same form and in UTC, so
/// that they compare as text; what they do not have in common is not compared.
fn is_older(seen: Option<&str>, since: Option<&str>) -> bool {
    match (seen, since) {
        (Some(seen), Some(since)) if seen.len() == since.len() => seen < since,
        (Some(seen), Some(since)) => seen.get(..19) < since.get(..19),
        _ => false,
    }
}

/// Waits until a function, or a version of it, is ready. Asks at once, then steadily.
pub(crate) async fn wait_until_ready(
    cx: &Cx,
    client: &Client,
    name: &str,
    qualifier: Option<&str>,
    until: &Until,
) -> Result<(), Fault> {
    let what = match qualifier {
        Some(version) => format!("version {version} of function {name}"),
        None => format!("function {name}"),
    };
    let doing = Doing::new("read", what.as_str(), "lambda:GetFunctionConfiguration");
    let waiting = match until {
        Until::Active => "waiting for Lambda to make it ready",
        Until::Updated(_) => "waiting for Lambda to carry out the change",
    };
    let request = client.get_function_configuration().function_name(name);
    let request = request.set_qualifier(qualifier.map(str::to_owned));
    // Reads may lag behind the creation.
    let unseen = || Fault::transient("not_visible", "it is not visible yet");
    Call::new(cx, doing)
        .retrying(&SETTLING, waiting)
        .until(
            || request.clone().send(),
            |found| found.map_or_else(|| Err(unseen()), |found| verdict(&what, &found.into(), until)),
        )
        .await
}

#[cfg(test)]
mod tests {
    use hitctl_engine::FaultKind;

    use super::*;

    const OLD: &str = "2026-11-21T09:20:16.863+0000";
    const NEW: &str = "2026-11-21T09:20:17.899+0000";

    fn seen(state: &str, update: &str, modified: &str) -> Seen {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Seen {
            state: given(state).map(|state| State::from(state.as_str())),
            state_reason: Some("no such subnet".to_owned()),
            update: given(update).map(|update| LastUpdateStatus::from(update.as_str())),
            update_reason: Some("the role is gone".to_owned()),
            modified: given(modified),
        }
    }

    fn word(seen: &Seen, until: &Until) -> String {
        match verdict("function f", seen, until) {
            Ok(()) => "ready".to_owned(),
            Err(fault) if fault.kind == FaultKind::Transient => format!("wait: {}", fault.code),
            Err(fault) => format!("{}: {}", fault.message, fault.cause.as_deref().unwrap_or_default()),
        }
    }

    #[test]
    fn a_new_function_is_waited_for_until_it_can_be_called() {
        for (state, expected) in [
            ("Active", "ready"),
            ("Inactive", "ready"),
            ("Pending", "wait: pending"),
            ("Deleting", "wait: pending"),
            ("", "wait: pending"),
            ("Failed", "function f could not be made ready: no such subnet"),
        ] {
            assert_eq!(word(&seen(state, "InProgress", OLD), &Until::Active), expected, "{state}");
        }
    }

    #[test]
    fn an_update_is_waited_for_until_it_is_in_force_and_seen() {
        let until = Until::Updated(Some(NEW.to_owned()));
        for (update, modified, expected) in [
            ("Successful", NEW, "ready"),
            ("Successful", OLD, "wait: stale"),
            ("Failed", OLD, "wait: stale"),
            ("InProgress", NEW, "wait: in_progress"),
            ("", NEW, "wait: in_progress"),
            ("Failed", NEW, "function f could not be changed: the role is gone"),
            ("Successful", "2026-11-21T09:20:17Z", "ready"),
            ("Successful", "2026-11-21T09:20:16Z", "wait: stale"),
            ("Successful", "", "ready"),
        ] {
            assert_eq!(word(&seen("Active", update, modified), &until), expected, "{update} {modified}");
        }
        assert_eq!(word(&seen("Active", "Successful", OLD), &Until::Updated(None)), "ready");
    }
}
