//! Decides the next step after each attempt to deliver an event to a target. This module does no I/O.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::timestamp;
use crate::queue_sender::OutboundMessage;

/// The delay before the first retry, in milliseconds. Each further retry doubles it. It is shorter than on AWS (Lambda
/// waits one minute before the first retry of a failed function), because a developer waits for the result.
const FIRST_RETRY_DELAY_MS: u64 = 1_000;
/// The maximum delay before a retry, in milliseconds; the same as Lambda's.
const MAX_RETRY_DELAY_MS: u64 = 300_000;
/// Lambda's default number of retries of a failed asynchronous invocation.
const DEFAULT_RETRIES: u32 = 2;
/// Lambda's default maximum age of an event in its queue, in seconds: six hours.
const DEFAULT_AGE_S: u32 = 21_600;

/// The delivery of an event to the target of a matching rule, with the settings that the rule had when the event
/// arrived. An asynchronous invocation has no rule: it starts in the stage `Lambda`, and the fields of the rule are not
/// used. The `serde` names are the format of the stored deliveries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Delivery {
    pub(super) rule_arn: String,
    pub(super) target_arn: String,
    pub(super) max_retries: u32,
    pub(super) max_age_s: u32,
    pub(super) dead_letter_arn: String,
    /// The start of the current stage, in milliseconds since the Unix epoch.
    #[serde(rename = "since_ms")]
    pub(super) stage_started_at_ms: u64,
    /// The number of failed attempts in the current stage.
    pub(super) failures: u32,
    #[serde(rename = "holder")]
    pub(super) stage: DeliveryStage,
}

/// The service that currently processes an event.
///
/// `EventBridge` dispatches the event to the target and follows the rule's retry policy. For a function, Lambda then
/// queues the event, invokes the function, and follows the function's settings for asynchronous invocations. Each stage
/// has its own dead-letter format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum DeliveryStage {
    EventBridge,
    Lambda {
        /// The number of times that the invocation could not start.
        #[serde(rename = "waits")]
        failed_starts: u32,
    },
}

/// The result of dispatching an event to its target.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum DispatchResult {
    /// The target accepted the event.
    Delivered,
    /// The event is in Lambda's queue of asynchronous invocations.
    QueuedInLambda,
    /// The target rejected the event, or could not be reached.
    Failed { code: &'static str, message: String, retryable: bool },
}

/// The result of an asynchronous invocation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum AsyncInvokeResult {
    Succeeded,
    /// The function failed.
    Failed {
        request_id: String,
        error: String,
        payload: Value,
    },
    /// The invocation did not start: the function was throttled or not available.
    NotStarted,
}

/// A function's settings for asynchronous invocations: retries, and the destination of failed events.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AsyncInvokeConfig {
    pub(super) max_retries: u32,
    pub(super) max_age_s: u32,
    pub(super) on_failure_arn: Option<String>,
}

impl Default for AsyncInvokeConfig {
    fn default() -> Self {
        Self { max_retries: DEFAULT_RETRIES, max_age_s: DEFAULT_AGE_S, on_failure_arn: None }
    }
}

/// The next step of a delivery.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NextStep {
    /// Remove the delivery: the event is delivered, or it failed and no failure destination is configured.
    Remove,
    /// Store the delivery and attempt it at that time, in milliseconds since the Unix epoch.
    AttemptAt(u64, Delivery),
    /// Send a dead letter, then remove the delivery.
    SendToDlq(OutboundMessage),
}

impl Delivery {
    /// Returns the next step after `EventBridge` dispatched the event.
    pub(super) fn after_dispatch(mut self, result: DispatchResult, event: &str, now_ms: u64) -> NextStep {
        let (code, message, retryable) = match result {
            DispatchResult::Delivered => return NextStep::Remove,
            DispatchResult::QueuedInLambda => {
                self.stage = DeliveryStage::Lambda { failed_starts: 0 };
                (self.stage_started_at_ms, self.failures) = (now_ms, 0);
                return NextStep::AttemptAt(now_ms, self);
            }
            DispatchResult::Failed { code, message, retryable } => (code, message, retryable),
        };
        let retries = self.failures;
        self.failures += 1;
        let due = now_ms.saturating_add(backoff_ms(retries));
        let exhausted_condition = if retries >= self.max_retries {
            Some("MaximumRetryAttempts")
        } else if due > self.expires_at_ms(self.max_age_s) {
            Some("MaximumEventAgeInSeconds")
        } else {
            None
        };
        if retryable && exhausted_condition.is_none() {
            return NextStep::AttemptAt(due, self);
        }
        let mut attributes = BTreeMap::from([
            ("RULE_ARN".to_owned(), self.rule_arn.clone()),
            ("TARGET_ARN".to_owned(), self.target_arn),
            ("ERROR_CODE".to_owned(), code.to_owned()),
            ("ERROR_MESSAGE".to_owned(), message),
            ("RETRY_ATTEMPTS".to_owned(), retries.to_string()),
        ]);
        if let Some(condition) = exhausted_condition.filter(|_| retryable) {
            attributes.insert("EXHAUSTED_RETRY_CONDITION".to_owned(), condition.to_owned());
        }
        let (queue_arn, body) = (self.dead_letter_arn, event.to_owned());
        NextStep::SendToDlq(OutboundMessage { queue_arn, body, attributes, sender_arn: Some(self.rule_arn) })
    }

    /// Returns the next step after Lambda invoked the function with the event.
    pub(super) fn after_invoke(
        mut self,
        result: AsyncInvokeResult,
        config: &AsyncInvokeConfig,
        event: &str,
        now_ms: u64,
    ) -> NextStep {
        let DeliveryStage::Lambda { failed_starts } = &mut self.stage else {
            // Lambda does not have the event yet: dispatch it first.
            return NextStep::AttemptAt(now_ms, self);
        };
        // `due` is `None` if no retry is left. `condition` is the reason in the record of the failure, if there is no retry.
        let (due, failure, condition) = match result {
            AsyncInvokeResult::Succeeded => return NextStep::Remove,
            AsyncInvokeResult::NotStarted => {
                *failed_starts = failed_starts.saturating_add(1);
                let due = now_ms.saturating_add(backoff_ms(*failed_starts - 1));
                (Some(due), None, "EventAgeExceeded")
            }
            AsyncInvokeResult::Failed { request_id, error, payload } => {
                self.failures += 1;
                let (due, condition) = if self.failures > config.max_retries {
                    (None, "RetriesExhausted")
                } else {
                    let due = now_ms.saturating_add(backoff_ms(self.failures - 1));
                    (Some(due), "EventAgeExceeded")
                };
                (due, Some((request_id, error, payload)), condition)
            }
        };
        let expires_at_ms = self.expires_at_ms(config.max_age_s);
        if let Some(due) = due.filter(|due| *due <= expires_at_ms) {
            return NextStep::AttemptAt(due, self);
        }
        let Some(queue_arn) = config.on_failure_arn.clone() else { return NextStep::Remove };
        let body = self.failure_record(condition, failure, event, now_ms);
        NextStep::SendToDlq(OutboundMessage {
            queue_arn,
            body,
            attributes: BTreeMap::new(),
            sender_arn: None,
        })
    }

    /// Returns whether the event is older than the maximum age, so that Lambda discards it.
    pub(super) fn is_too_old(&self, config: &AsyncInvokeConfig, now_ms: u64) -> bool {
        now_ms > self.expires_at_ms(config.max_age_s)
    }

    /// Returns the record of a failed asynchronous invocation, in the format that Lambda sends to a destination. The
    /// record has the request id of the last attempt, which is also in the function's log.
    fn failure_record(
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
        // The ARN of a function without a qualifier has seven parts.
        let has_qualifier = self.target_arn.split(':').count() > 7;
        let function_arn =
            if has_qualifier { self.target_arn.clone() } else { format!("{}:$LATEST", self.target_arn) };
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

    /// Returns the time at which the event exceeds the maximum age, in milliseconds since the Unix epoch.
    fn expires_at_ms(&self, max_age_s: u32) -> u64 {
        self.stage_started_at_ms.saturating_add(u64::from(max_age_s) * 1_000)
    }
}

/// Returns the delay before the next attempt, in milliseconds. `failures` is the number of earlier failures.
fn backoff_ms(failures: u32) -> u64 {
    FIRST_RETRY_DELAY_MS.saturating_mul(1 << failures.min(20)).min(MAX_RETRY_DELAY_MS)
}

#[cfg(test)]
mod tests;
