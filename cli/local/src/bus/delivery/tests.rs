//! Tests when a delivery is retried, and when it ends.

use super::*;

const EVENT: &str = r#"{"id":"e1","detail":{"path":"/"}}"#;

fn delivery(target: &str) -> Delivery {
    Delivery {
        rule_arn: "arn:aws:events:local:000000000000:rule/r".to_owned(),
        target_arn: target.to_owned(),
        max_retries: 3,
        max_age_s: 60,
        dead_letter_arn: "arn:aws:sqs:local:000000000000:dlq".to_owned(),
        stage_started_at_ms: 1_000_000,
        failures: 0,
        stage: DeliveryStage::EventBridge,
    }
}

fn failed(retryable: bool) -> DispatchResult {
    let code = if retryable { "THROTTLING" } else { "NO_PERMISSIONS" };
    DispatchResult::Failed { code, message: "no".to_owned(), retryable }
}

fn queued_in_lambda() -> Delivery {
    let NextStep::AttemptAt(1_000_500, delivery) = delivery("arn:aws:lambda:local:000000000000:function:f")
        .after_dispatch(DispatchResult::QueuedInLambda, EVENT, 1_000_500)
    else {
        panic!("the first invocation is due at once");
    };
    delivery
}

fn function_error() -> AsyncInvokeResult {
    AsyncInvokeResult::Failed {
        request_id: "q".to_owned(),
        error: "Unhandled".to_owned(),
        payload: json!({ "errorMessage": "x" }),
    }
}

#[test]
fn delivered_event_is_removed() {
    assert_eq!(delivery("t").after_dispatch(DispatchResult::Delivered, EVENT, 1), NextStep::Remove);
    assert_eq!(
        queued_in_lambda().after_invoke(
            AsyncInvokeResult::Succeeded,
            &AsyncInvokeConfig::default(),
            EVENT,
            1
        ),
        NextStep::Remove
    );
}

#[test]
fn permanent_failure_is_sent_to_dead_letter_queue_without_retry() {
    let NextStep::SendToDlq(message) = delivery("t").after_dispatch(failed(false), EVENT, 1_000_000) else {
        panic!("sent to the dead-letter queue")
    };
    assert_eq!(
        (message.queue_arn.as_str(), message.body.as_str()),
        ("arn:aws:sqs:local:000000000000:dlq", EVENT)
    );
    assert_eq!(message.sender_arn.as_deref(), Some("arn:aws:events:local:000000000000:rule/r"));
    let attributes: Vec<_> =
        message.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    insta::assert_snapshot!(attributes.join("\n"), @"
    ERROR_CODE=NO_PERMISSIONS
    ERROR_MESSAGE=no
    RETRY_ATTEMPTS=0
    RULE_ARN=arn:aws:events:local:000000000000:rule/r
    TARGET_ARN=t
    ");
}

#[test]
fn retries_end_at_maximum_number_or_maximum_age() {
    let (mut current, mut now, mut backoffs) = (delivery("t"), 1_000_000, Vec::new());
    let message = loop {
        match current.after_dispatch(failed(true), EVENT, now) {
            NextStep::AttemptAt(due, next) => {
                backoffs.push(due - now);
                (current, now) = (next, due);
            }
            NextStep::SendToDlq(message) => break message,
            NextStep::Remove => panic!("the event was not delivered"),
        }
    };
    assert_eq!(backoffs, [1_000, 2_000, 4_000]);
    assert_eq!(message.attributes["EXHAUSTED_RETRY_CONDITION"], "MaximumRetryAttempts");
    assert_eq!(message.attributes["RETRY_ATTEMPTS"], "3");
    let NextStep::SendToDlq(message) =
        Delivery { max_age_s: 0, ..delivery("t") }.after_dispatch(failed(true), EVENT, 1_000_000)
    else {
        panic!("too old")
    };
    assert_eq!(message.attributes["EXHAUSTED_RETRY_CONDITION"], "MaximumEventAgeInSeconds");
    assert_eq!(message.attributes["RETRY_ATTEMPTS"], "0");
}

#[test]
fn failed_invocation_is_retried_up_to_configured_maximum() {
    let config =
        AsyncInvokeConfig { on_failure_arn: Some("arn:dlq".to_owned()), ..AsyncInvokeConfig::default() };
    let (mut delivery, mut now, mut backoffs) = (queued_in_lambda(), 1_000_500, Vec::new());
    let message = loop {
        match delivery.after_invoke(function_error(), &config, EVENT, now) {
            NextStep::AttemptAt(due, next) => {
                backoffs.push(due - now);
                (delivery, now) = (next, due);
            }
            NextStep::SendToDlq(message) => break message,
            NextStep::Remove => panic!("a failure destination is configured"),
        }
    };
    assert_eq!(backoffs, [1_000, 2_000]);
    assert_eq!((message.queue_arn.as_str(), message.sender_arn), ("arn:dlq", None));
    let failure_record: Value = serde_json::from_str(&message.body).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&failure_record).unwrap(), @r#"
    {
      "requestContext": {
        "approximateInvokeCount": 3,
        "condition": "RetriesExhausted",
        "functionArn": "arn:aws:lambda:local:000000000000:function:f:$LATEST",
        "requestId": "q"
      },
      "requestPayload": {
        "detail": {
          "path": "/"
        },
        "id": "e1"
      },
      "responseContext": {
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
        "statusCode": 200
      },
      "responsePayload": {
        "errorMessage": "x"
      },
      "timestamp": "1970-01-01T00:16:43.500Z",
      "version": "1.0"
    }
    "#);
}

#[test]
fn throttled_invocation_counts_no_failure_and_is_retried_until_maximum_age() {
    let config =
        AsyncInvokeConfig { max_retries: 0, max_age_s: 10, on_failure_arn: Some("arn:dlq".to_owned()) };
    let (mut delivery, mut now, mut backoffs) = (queued_in_lambda(), 1_000_500, Vec::new());
    let message = loop {
        match delivery.after_invoke(AsyncInvokeResult::NotStarted, &config, EVENT, now) {
            NextStep::AttemptAt(due, next) => {
                backoffs.push(due - now);
                (delivery, now) = (next, due);
            }
            NextStep::SendToDlq(message) => break message,
            NextStep::Remove => panic!("a failure destination is configured"),
        }
    };
    assert_eq!(backoffs, [1_000, 2_000, 4_000]);
    let failure_record: Value = serde_json::from_str(&message.body).unwrap();
    assert_eq!(failure_record["requestContext"]["condition"], "EventAgeExceeded");
    assert_eq!(failure_record["requestContext"]["approximateInvokeCount"], 0);
    assert_eq!(failure_record["responsePayload"], Value::Null);
}

#[test]
fn failed_invocation_without_destination_is_removed() {
    let config = AsyncInvokeConfig { max_retries: 0, ..AsyncInvokeConfig::default() };
    assert_eq!(
        queued_in_lambda().after_invoke(function_error(), &config, EVENT, 1_000_500),
        NextStep::Remove
    );
}

#[test]
fn backoff_doubles_up_to_five_minutes() {
    assert_eq!(
        [backoff_ms(0), backoff_ms(1), backoff_ms(8), backoff_ms(9), backoff_ms(u32::MAX)],
        [1_000, 2_000, 256_000, 300_000, 300_000]
    );
}
