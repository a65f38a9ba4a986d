//! The delivery of an event to one target: decides after each attempt what to do next, without any I/O.
//!
//! A delivery has up to two stages. `EventBridge` dispatches the event to the target and follows the rule's retry policy. For a
//! function, Lambda then queues the event, invokes the function, and follows its settings for asynchronous invocations. Each
//! stage has its own format of dead letters.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::timestamp;
use crate::queue_sender::OutboundMessage;

/// The pause before the first retry, in milliseconds; it doubles for each further one. AWS's pauses are far longer (Lambda
/// waits a minute before its first retry of a failed function), but here a developer is waiting.
const FIRST_PAUSE_MS: u64 = 1_000;
/// The longest pause between retries, in milliseconds; the same as Lambda's.
const LONGEST_PAUSE_MS: u64 = 300_000;
/// Lambda's defaults for asynchronous invocations: two retries, within six hours.
const DEFAULT_RETRIES: u32 = 2;
const DEFAULT_AGE_S: u32 = 21_600;

/// The delivery of an event to the target of a rule that it matched, with the rule's settings at the time of the event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Delivery {
    pub(super) rule_arn: String,
    pub(super) target_arn: String,
    pub(super) max_retries: u32,
    pub(super) max_age_s: u32,
    pub(super) dead_letter_arn: String,
    /// The start of the current stage, in milliseconds since the Unix epoch.
    pub(super) since_ms: u64,
    /// The number of failed attempts in the current stage.
    pub(super) failures: u32,
    #[serde(rename = "holder")]
    pub(super) stage: DeliveryStage,
}

/// The service that currently processes an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum DeliveryStage {
    EventBridge,
    Lambda {
        /// The number of times that the invocation could not start.
        waits: u32,
    },
}

/// The result of dispatching an event to its target.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum DispatchResult {
    /// The target has the event.
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
    /// Remove the delivery: the event is delivered, or its failure has no destination.
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
                self.stage = DeliveryStage::Lambda { waits: 0 };
                (self.since_ms, self.failures) = (now_ms, 0);
                return NextStep::AttemptAt(now_ms, self);
            }
            DispatchResult::Failed { code, message, retryable } => (code, message, retryable),
        };
        let retries = self.failures;
        self.failures += 1;
        let due = now_ms.saturating_add(backoff_ms(retries));
        let exhausted = if retries >= self.max_retries {
            Some("MaximumRetryAttempts")
        } else if due > self.expires_at_ms(self.max_age_s) {
            Some("MaximumEventAgeInSeconds")
        } else {
            None
        };
        if retryable && exhausted.is_none() {
            return NextStep::AttemptAt(due, self);
        }
        let mut attributes = BTreeMap::from([
            ("RULE_ARN".to_owned(), self.rule_arn.clone()),
            ("TARGET_ARN".to_owned(), self.target_arn),
            ("ERROR_CODE".to_owned(), code.to_owned()),
            ("ERROR_MESSAGE".to_owned(), message),
            ("RETRY_ATTEMPTS".to_owned(), retries.to_string()),
        ]);
        if let Some(exhausted) = exhausted.filter(|_| retryable) {
            attributes.insert("EXHAUSTED_RETRY_CONDITION".to_owned(), exhausted.to_owned());
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
        let DeliveryStage::Lambda { waits } = &mut self.stage else {
            return NextStep::AttemptAt(now_ms, self);
        };
        let (due, failure, condition) = match result {
            AsyncInvokeResult::Succeeded => return NextStep::Remove,
            AsyncInvokeResult::NotStarted => {
                *waits = waits.saturating_add(1);
                (now_ms.saturating_add(backoff_ms(*waits - 1)), None, "EventAgeExceeded")
            }
            AsyncInvokeResult::Failed { request_id, error, payload } => {
                self.failures += 1;
                let due = now_ms.saturating_add(backoff_ms(self.failures - 1));
                let exhausted = self.failures > config.max_retries;
                let condition = if exhausted { "RetriesExhausted" } else { "EventAgeExceeded" };
                (if exhausted { u64::MAX } else { due }, Some((request_id, error, payload)), condition)
            }
        };
        if due <= self.expires_at_ms(config.max_age_s) {
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

    /// Whether the event exceeds the maximum age, so that Lambda gives it up.
    pub(super) fn is_too_old(&self, config: &AsyncInvokeConfig, now_ms: u64) -> bool {
        now_ms > self.expires_at_ms(config.max_age_s)
    }

    /// Returns the record of a failed asynchronous invocation, as Lambda sends it to a destination. Its request id is that of the
    /// last attempt, which also appears in the function's log.
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
        self.since_ms.saturating_add(u64::from(max_age_s) * 1_000)
    }
}

/// Returns the pause after that many earlier failures, in milliseconds.
fn backoff_ms(failures: u32) -> u64 {
    FIRST_PAUSE_MS.saturating_mul(1 << failures.min(20)).min(LONGEST_PAUSE_MS)
}

#[cfg(test)]
mod tests;
