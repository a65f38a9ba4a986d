//! Waits until a Lambda function or one of its versions is ready. The drivers of functions and of aliases share
//! this code.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{LastUpdateStatus, State};
use hitctl_engine::{DriverContext, Fault, RetryPolicy};

use crate::aws::call::ApiCall;
use crate::aws::fault::ApiOperation;

/// The fault code of a function or version that Lambda failed to activate.
pub(crate) const FUNCTION_FAILED: &str = "function_failed";

/// The polling until a function, an update or a version is ready. A function with small code is ready immediately.
/// The time limit is that of AWS's own Lambda waiters.
pub(crate) const READY_RETRY: RetryPolicy =
    RetryPolicy::with_budget(Duration::from_mins(5)).every(Duration::from_millis(150));

/// The condition to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadyCondition {
    /// A new function or version can be invoked.
    Active,
    /// The update whose response had this modification time is in effect.
    Updated(Option<String>),
}

/// The state of a function, as Lambda reports it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FunctionState {
    pub(crate) state: Option<State>,
    pub(crate) state_reason: Option<String>,
    pub(crate) update: Option<LastUpdateStatus>,
    pub(crate) update_reason: Option<String>,
    pub(crate) modified: Option<String>,
}

impl From<GetFunctionConfigurationOutput> for FunctionState {
    fn from(configuration: GetFunctionConfigurationOutput) -> Self {
        Self {
            state: configuration.state,
            state_reason: configuration.state_reason,
            update: configuration.last_update_status,
            update_reason: configuration.last_update_status_reason,
            modified: configuration.last_modified,
        }
    }
}

/// Checks the condition. Returns a transient fault if it is not met yet.
pub(crate) fn check_ready(
    object: &str,
    function: &FunctionState,
    condition: &ReadyCondition,
) -> Result<(), Fault> {
    let failed = |code: &'static str, verb: &str, reason: Option<&String>| {
        let fault = Fault::fatal(code, format!("failed to {verb} {object}")).hinted(FAILED_HINT);
        match reason {
            Some(reason) => fault.caused_by(reason.as_str()),
            None => fault,
        }
    };
    if function.state == Some(State::Failed) {
        return Err(failed(FUNCTION_FAILED, "activate", function.state_reason.as_ref()));
    }
    match condition {
        ReadyCondition::Active => match &function.state {
            // Lambda deactivates a function that was not invoked for weeks; the next invocation activates it.
            Some(State::Active | State::Inactive | State::ActiveNonInvocable) => Ok(()),
            state => {
                let state = state.as_ref().map_or("unknown", State::as_str);
                Err(Fault::transient("pending", format!("the state of {object} is {state}")))
            }
        },
        ReadyCondition::Updated(since) if is_older(function.modified.as_deref(), since.as_deref()) => {
            Err(Fault::transient("stale", format!("the update of {object} is not visible yet")))
        }
        ReadyCondition::Updated(_) => match &function.update {
            Some(LastUpdateStatus::Successful) => Ok(()),
            Some(LastUpdateStatus::Failed) => {
                Err(failed("update_failed", "update", function.update_reason.as_ref()))
            }
            _ => Err(Fault::transient("in_progress", format!("the update of {object} is in progress"))),
        },
    }
}

const FAILED_HINT: &str = "fix the cause, then run the same command again; it continues where it stopped";

/// Whether the response with the time `modified` is older than the change at `since`, because reads may lag behind
/// writes. Both times are in UTC, so texts with the same format can be compared. If the formats differ, only the
/// common part is compared: 19 characters, down to the seconds.
fn is_older(modified: Option<&str>, since: Option<&str>) -> bool {
    match (modified, since) {
        (Some(modified), Some(since)) if modified.len() == since.len() => modified < since,
        (Some(modified), Some(since)) => modified.get(..19) < since.get(..19),
        _ => false,
    }
}

/// Waits until a function or one of its versions meets the condition. Polls immediately and then at a constant
/// interval.
pub(crate) async fn wait_until_ready(
    cx: &DriverContext,
    client: &Client,
    name: &str,
    qualifier: Option<&str>,
    condition: &ReadyCondition,
) -> Result<(), Fault> {
    let object = match qualifier {
        Some(version) => format!("version {version} of function {name}"),
        None => format!("function {name}"),
    };
    let operation = ApiOperation::new("read", object.as_str(), "lambda:GetFunctionConfiguration");
    let progress = match condition {
        ReadyCondition::Active => "waiting for Lambda to finish the activation",
        ReadyCondition::Updated(_) => "waiting for Lambda to finish the update",
    };
    let request = client.get_function_configuration().function_name(name);
    let request = request.set_qualifier(qualifier.map(str::to_owned));
    // A new function may not be visible yet.
    let not_visible = || Fault::transient("not_visible", format!("{object} is not visible yet"));
    ApiCall::new(cx, operation)
        .retrying(&READY_RETRY, progress)
        .until(
            || request.clone().send(),
            |found| {
                found.map_or_else(
                    || Err(not_visible()),
                    |found| check_ready(&object, &found.into(), condition),
                )
            },
        )
        .await
}

#[cfg(test)]
mod tests {
    use hitctl_engine::FaultKind;

    use super::*;

    const OLD: &str = "2026-11-21T09:20:16.863+0000";
    const NEW: &str = "2026-11-21T09:20:17.899+0000";

    fn function_state(state: &str, update: &str, modified: &str) -> FunctionState {
        let non_empty = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        FunctionState {
            state: non_empty(state).map(|state| State::from(state.as_str())),
            state_reason: Some("no such subnet".to_owned()),
            update: non_empty(update).map(|update| LastUpdateStatus::from(update.as_str())),
            update_reason: Some("the role does not exist".to_owned()),
            modified: non_empty(modified),
        }
    }

    fn outcome(function: &FunctionState, condition: &ReadyCondition) -> String {
        match check_ready("function f", function, condition) {
            Ok(()) => "ready".to_owned(),
            Err(fault) if fault.kind == FaultKind::Transient => format!("wait: {}", fault.code),
            Err(fault) => format!("{}: {}", fault.message, fault.cause.as_deref().unwrap_or_default()),
        }
    }

    #[test]
    fn new_function_is_ready_when_active() {
        for (state, expected) in [
            ("Active", "ready"),
            ("Inactive", "ready"),
            ("Pending", "wait: pending"),
            ("Deleting", "wait: pending"),
            ("", "wait: pending"),
            ("Failed", "failed to activate function f: no such subnet"),
        ] {
            assert_eq!(
                outcome(&function_state(state, "InProgress", OLD), &ReadyCondition::Active),
                expected,
                "{state}"
            );
        }
    }

    #[test]
    fn update_is_ready_when_successful_and_visible() {
        let condition = ReadyCondition::Updated(Some(NEW.to_owned()));
        for (update, modified, expected) in [
            ("Successful", NEW, "ready"),
            ("Successful", OLD, "wait: stale"),
            ("Failed", OLD, "wait: stale"),
            ("InProgress", NEW, "wait: in_progress"),
            ("", NEW, "wait: in_progress"),
            ("Failed", NEW, "failed to update function f: the role does not exist"),
            ("Successful", "2026-11-21T09:20:17Z", "ready"),
            ("Successful", "2026-11-21T09:20:16Z", "wait: stale"),
            ("Successful", "", "ready"),
        ] {
            assert_eq!(
                outcome(&function_state("Active", update, modified), &condition),
                expected,
                "{update} {modified}"
            );
        }
        assert_eq!(
            outcome(&function_state("Active", "Successful", OLD), &ReadyCondition::Updated(None)),
            "ready"
        );
    }
}
