//! An event on its way to one target, and what becomes of it: pure.
//!
//! Two services carry it, one after the other. `EventBridge` hands it to the target, and tries again by the rule's retry
//! policy. A function has it then in Lambda's own queue, which runs it and tries again by the function's settings for
//! asynchronous invocations. Each has dead letters of a form of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::timestamp;
use crate::queue_sender::OutboundMessage;

/// The first pause before another try, in milliseconds; it doubles. AWS's are longer by far (a minute before Lambda's first
/// retry of a function that failed): here somebody is waiting.
const FIRST_PAUSE_MS: u64 = 1_000;
/// The longest pause, in milliseconds; Lambda's own.
const LONGEST_PAUSE_MS: u64 = 300_000;
/// What Lambda does without settings: two more tries, within six hours.
const DEFAULT_RETRIES: u32 = 2;
const DEFAULT_AGE_S: u32 = 21_600;

/// An event and one target of a rule that it matched, as both were when it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) rule_arn: String,
    pub(super) target_arn: String,
    pub(super) max_retries: u32,
    pub(super) max_age_s: u32,
    pub(super) dead_letter_arn: String,
    /// Since when the service that has it now has it, in milliseconds since the Unix epoch.
    pub(super) since_ms: u64,
    /// How often that service has failed with it.
    pub(super) failures: u32,
    pub(super) holder: Holder,
}

/// Who has an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Holder {
    EventBridge,
    Lambda {
        /// How often it had to wait for room.
        waits: u32,
    },
}

/// What a target said to `EventBridge`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Handed {
    /// The event is where it should be.
    Done,
    /// The function's asynchronous queue has it.
    ToLambda,
    /// It is not; trying `again` may help.
    Failed { code: &'static str, message: String, again: bool },
}

/// What became of an invocation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ran {
    Done,
    /// The function failed.
    Failed {
        request_id: String,
        error: String,
        payload: Value,
    },
    /// It did not begin: no room, or no function at the moment.
    NotYet,
}

/// What Lambda does with events that fail, as the function's settings say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) max_retries: u32,
    pub(super) max_age_s: u32,
    pub(super) on_failure_arn: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_retries: DEFAULT_RETRIES, max_age_s: DEFAULT_AGE_S, on_failure_arn: None }
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Next {
    /// Nothing: it is delivered, or there is nobody to tell.
    Forget,
    /// Try the job, as it is now, at that time.
    At(u64, Job),
    /// Write the dead message; then it is over.
    SendToDlq(OutboundMessage),
}

impl Job {
    /// After `EventBridge` tried to hand the event over.
    pub(super) fn handed(mut self, handed: Handed, event: &str, now_ms: u64) -> Next {
        let (code, message, again) = match handed {
            Handed::Done => return Next::Forget,
            Handed::ToLambda => {
                self.holder = Holder::Lambda { waits: 0 };
                (self.since_ms, self.failures) = (now_ms, 0);
                return Next::At(now_ms, self);
            }
            Handed::Failed { code, message, again } => (code, message, again),
        };
        let retries = self.failures;
        self.failures += 1;
        let due = now_ms.saturating_add(pause(retries));
        let exhausted = if retries >= self.max_retries {
            Some("MaximumRetryAttempts")
        } else if due > self.end(self.max_age_s) {
            Some("MaximumEventAgeInSeconds")
        } else {
            None
        };
        if again && exhausted.is_none() {
            return Next::At(due, self);
        }
        let mut attributes = BTreeMap::from([
            ("RULE_ARN".to_owned(), self.rule_arn.clone()),
            ("TARGET_ARN".to_owned(), self.target_arn),
            ("ERROR_CODE".to_owned(), code.to_owned()),
            ("ERROR_MESSAGE".to_owned(), message),
            ("RETRY_ATTEMPTS".to_owned(), retries.to_string()),
        ]);
        if let Some(exhausted) = exhausted.filter(|_| again) {
            attributes.insert("EXHAUSTED_RETRY_CONDITION".to_owned(), exhausted.to_owned());
        }
        let (queue_arn, body) = (self.dead_letter_arn, event.to_owned());
        Next::SendToDlq(OutboundMessage { queue_arn, body, attributes, sender_arn: Some(self.rule_arn) })
    }

    /// After Lambda tried to run the function with the event.
    pub(super) fn ran(mut self, ran: Ran, settings: &Settings, event: &str, now_ms: u64) -> Next {
        let Holder::Lambda { waits } = &mut self.holder else { return Next::At(now_ms, self) };
        let (due, failure, condition) = match ran {
            Ran::Done => return Next::Forget,
            Ran::NotYet => {
                *waits = waits.saturating_add(1);
                (now_ms.saturating_add(pause(*waits - 1)), None, "EventAgeExceeded")
            }
            Ran::Failed { request_id, error, payload } => {
                self.failures += 1;
                let due = now_ms.saturating_add(pause(self.failures - 1));
                let exhausted = self.failures > settings.max_retries;
                let condition = if exhausted { "RetriesExhausted" } else { "EventAgeExceeded" };
                (if exhausted { u64::MAX } else { due }, Some((request_id, error, payload)), condition)
            }
        };
        if due <= self.end(settings.max_age_s) {
            return Next::At(due, self);
        }
        let Some(queue_arn) = settings.on_failure_arn.clone() else { return Next::Forget };
        let body = self.record(condition, failure, event, now_ms);
        Next::SendToDlq(OutboundMessage { queue_arn, body, attributes: BTreeMap::new(), sender_arn: None })
    }

    /// Whether Lambda gives it up.
    pub(super) fn is_too_old(&self, settings: &Settings, now_ms: u64) -> bool {
        now_ms > self.end(settings.max_age_s)
    }

    /// The record of a failed asynchronous invocation, as Lambda sends it to a destination. Its request id is that of the last
    /// try, by which the function's log knows it.
    fn record(
        &self,
        condition: &str,
        failure: Option<(String, String, Value)>,
        event: &str,
        now_ms: u64,
    ) -> String {
        let (context, payload) = match &failure {
            Some((_, error, payload)) => (
                json!({ "statusCode": 200, "executedVersion": "$LATEST", "functionError": error }),
                payload.clone(),
            ),
            None => (Value::Null, Value::Null),
        };
        let request: Value = serde_json::from_str(event).unwrap_or_default();
        let named = self.target_arn.split(':').count() > 7;
        let function_arn =
            if named { self.target_arn.clone() } else { format!("{}:$LATEST", self.target_arn) };
        json!({
            "version": "1.0",
            "timestamp": format!("{:.3}", timestamp(now_ms)),
            "requestContext": {
                "requestId": failure.map_or_else(crate::ids::uuid, |(request_id, ..)| request_id),
                "functionArn": function_arn,
                "condition": condition,
                "approximateInvokeCount": self.failures,
            },
            "requestPayload": request,
            "responseContext": context,
            "responsePayload": payload,
        })
        .to_string()
    }

    /// When it is too old.
    fn end(&self, max_age_s: u32) -> u64 {
        self.since_ms.saturating_add(u64::from(max_age_s) * 1_000)
    }
}

/// How long to wait after that many earlier failures, in milliseconds.
fn pause(failures: u32) -> u64 {
    FIRST_PAUSE_MS.saturating_mul(1 << failures.min(20)).min(LONGEST_PAUSE_MS)
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
