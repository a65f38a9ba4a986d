//! Deliveries: when they are tried again, and when they are given up.

use super::*;

const EVENT: &str = r#"{"id":"e1","detail":{"path":"/"}}"#;

fn job(target: &str) -> Job {
    Job {
        rule_arn: "arn:aws:events:local:000000000000:rule/r".to_owned(),
        target_arn: target.to_owned(),
        max_retries: 3,
        max_age_s: 60,
        dead_letter_arn: "arn:aws:sqs:local:000000000000:dlq".to_owned(),
        since_ms: 1_000_000,
        failures: 0,
        holder: Holder::EventBridge,
    }
}

fn failed(again: bool) -> Handed {
    let code = if again { "THROTTLING" } else { "NO_PERMISSIONS" };
    Handed::Failed { code, message: "no".to_owned(), again }
}

fn in_lambda() -> Job {
    let Next::At(1_000_500, job) =
        job("arn:aws:lambda:local:000000000000:function:f").handed(Handed::ToLambda, EVENT, 1_000_500)
    else {
        panic!("Lambda has it at once");
    };
    job
}

fn error() -> Ran {
    Ran::Failed {
        request_id: "q".to_owned(),
        error: "Unhandled".to_owned(),
        payload: json!({ "errorMessage": "x" }),
    }
}

#[test]
fn what_was_handed_over_is_forgotten() {
    assert_eq!(job("t").handed(Handed::Done, EVENT, 1), Next::Forget);
    assert_eq!(in_lambda().ran(Ran::Done, &Settings::default(), EVENT, 1), Next::Forget);
}

#[test]
fn what_cannot_help_is_not_tried_again() {
    let Next::SendToDlq(message) = job("t").handed(failed(false), EVENT, 1_000_000) else { panic!("buried") };
    assert_eq!(
        (message.queue_arn.as_str(), message.body.as_str()),
        ("arn:aws:sqs:local:000000000000:dlq", EVENT)
    );
    assert_eq!(message.sender_arn.as_deref(), Some("arn:aws:events:local:000000000000:rule/r"));
    let told: Vec<_> = message.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    ERROR_CODE=NO_PERMISSIONS
    ERROR_MESSAGE=no
    RETRY_ATTEMPTS=0
    RULE_ARN=arn:aws:events:local:000000000000:rule/r
    TARGET_ARN=t
    ");
}

#[test]
fn retries_end_by_their_number_or_by_age() {
    let (mut job, mut now, mut pauses) = (job("t"), 1_000_000, Vec::new());
    let message = loop {
        match job.handed(failed(true), EVENT, now) {
            Next::At(due, next) => {
                pauses.push(due - now);
                (job, now) = (next, due);
            }
            Next::SendToDlq(message) => break message,
            Next::Forget => panic!("it was not delivered"),
        }
    };
    assert_eq!(pauses, [1_000, 2_000, 4_000]);
    assert_eq!(message.attributes["EXHAUSTED_RETRY_CONDITION"], "MaximumRetryAttempts");
    assert_eq!(message.attributes["RETRY_ATTEMPTS"], "3");
    let Next::SendToDlq(message) =
        super::Job { max_age_s: 0, ..job_again() }.handed(failed(true), EVENT, 1_000_000)
    else {
        panic!("too old")
    };
    assert_eq!(message.attributes["EXHAUSTED_RETRY_CONDITION"], "MaximumEventAgeInSeconds");
    assert_eq!(message.attributes["RETRY_ATTEMPTS"], "0");
}

fn job_again() -> Job {
    job("t")
}

#[test]
fn a_function_that_fails_is_tried_as_often_as_its_settings_say() {
    let settings = Settings { on_failure_arn: Some("arn:dlq".to_owned()), ..Settings::default() };
    let (mut job, mut now, mut pauses) = (in_lambda(), 1_000_500, Vec::new());
    let message = loop {
        match job.ran(error(), &settings, EVENT, now) {
            Next::At(due, next) => {
                pauses.push(due - now);
                (job, now) = (next, due);
            }
            Next::SendToDlq(message) => break message,
            Next::Forget => panic!("there is a destination"),
        }
    };
    assert_eq!(pauses, [1_000, 2_000]);
    assert_eq!((message.queue_arn.as_str(), message.sender_arn), ("arn:dlq", None));
    let record: Value = serde_json::from_str(&message.body).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&record).unwrap(), @r#"
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
fn waiting_for_room_is_no_failure_and_ends_by_age() {
    let settings = Settings { max_retries: 0, max_age_s: 10, on_failure_arn: Some("arn:dlq".to_owned()) };
    let (mut job, mut now, mut pauses) = (in_lambda(), 1_000_500, Vec::new());
    let message = loop {
        match job.ran(Ran::NotYet, &settings, EVENT, now) {
            Next::At(due, next) => {
                pauses.push(due - now);
                (job, now) = (next, due);
            }
            Next::SendToDlq(message) => break message,
            Next::Forget => panic!("there is a destination"),
        }
    };
    assert_eq!(pauses, [1_000, 2_000, 4_000]);
    let record: Value = serde_json::from_str(&message.body).unwrap();
    assert_eq!(record["requestContext"]["condition"], "EventAgeExceeded");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 0);
    assert_eq!(record["responsePayload"], Value::Null);
}

#[test]
fn without_a_destination_what_failed_is_gone() {
    let settings = Settings { max_retries: 0, ..Settings::default() };
    assert_eq!(in_lambda().ran(error(), &settings, EVENT, 1_000_500), Next::Forget);
}

#[test]
fn pauses_grow_to_five_minutes() {
    assert_eq!(
        [pause(0), pause(1), pause(8), pause(9), pause(u32::MAX)],
        [1_000, 2_000, 256_000, 300_000, 300_000]
    );
}
