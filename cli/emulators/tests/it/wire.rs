//! What the wire sees, and what it does to calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hitctl_emulators::{Emulator, Fault, Wire};
use jiff::SignedDuration;

use crate::http::{call, create_table, send, tables};

#[test]
fn calls_are_written_down_and_visitors_are_not() {
    let wire = Wire::new(Emulator::moto().endpoint());
    tables(wire.endpoint());
    assert_eq!(create_table(wire.endpoint(), "seen").unwrap().0, 200);
    let (status, _) =
        send(wire.endpoint(), "GET /moto-api/data.json", &[("user-agent", "a visitor")], "").unwrap();
    assert_eq!(status, 200);
    let apis = call(wire.endpoint(), "apigateway", "GET /v2/apis", "rest", "").unwrap();
    assert_eq!(apis.0, 200, "{}", apis.1);
    assert_eq!(wire.names(), ["dynamodb:ListTables", "dynamodb:CreateTable", "apigateway:GetApis"]);
    assert_eq!(wire.writes(), ["dynamodb:CreateTable"]);
    let numbers: Vec<_> = wire.calls().iter().map(|call| (call.n, call.write)).collect();
    assert_eq!(numbers, [(1, 0), (2, 1), (3, 0)]);
    assert!(tables(wire.endpoint()).contains("seen"));
    wire.reset();
    assert!(wire.calls().is_empty());
}

#[test]
fn a_call_can_be_cut_lost_or_refused_and_the_next_one_is_well() {
    let wire = Wire::new(Emulator::moto().endpoint());
    wire.at_write(1, Fault::Cut);
    tables(wire.endpoint());
    assert_eq!(create_table(wire.endpoint(), "cut"), None);
    assert!(!tables(wire.endpoint()).contains("cut"));

    wire.reset();
    wire.at(2, Fault::LostAnswer);
    tables(wire.endpoint());
    assert_eq!(create_table(wire.endpoint(), "lost"), None);
    assert!(tables(wire.endpoint()).contains("lost"));

    wire.reset();
    wire.at_write(1, Fault::server_error());
    let (status, answer) = create_table(wire.endpoint(), "refused").unwrap();
    assert!(status == 500 && answer.contains(r#""__type":"InternalFailure""#), "{answer}");
    assert!(!tables(wire.endpoint()).contains("refused"));
    assert_eq!(create_table(wire.endpoint(), "refused").unwrap().0, 200);

    wire.rule(|call| {
        call.is("dynamodb:ListTables").then(|| Fault::Answer {
            status: 418,
            content_type: "text/plain".to_owned(),
            body: "a pot".to_owned(),
        })
    });
    let listed = call(wire.endpoint(), "dynamodb", "POST /", "DynamoDB_20120810.ListTables", "{}").unwrap();
    assert!(listed.0 == 418 && listed.1.ends_with("a pot"), "{}", listed.1);
    wire.heal();
    assert!(tables(wire.endpoint()).contains("lost"));
}

#[test]
fn errors_are_worded_as_the_service_words_them() {
    let wire = Wire::new(Emulator::moto().endpoint());
    wire.rule(|_| Some(Fault::status(429, "TooManyRequestsException", "slow <down>")));
    let iam =
        call(wire.endpoint(), "iam", "POST /", "", "Action=GetRole&Version=2010-05-08&RoleName=x").unwrap();
    assert!(iam.1.contains("<Code>TooManyRequestsException</Code><Message>slow &lt;down>"), "{}", iam.1);
    let lambda = call(wire.endpoint(), "lambda", "GET /2015-03-31/functions/x", "rest", "").unwrap();
    assert_eq!(lambda.0, 429);
    assert!(lambda.1.contains("x-amzn-errortype: TooManyRequestsException"), "{}", lambda.1);
    assert!(lambda.1.contains(r#""message":"slow <down>""#), "{}", lambda.1);
}

#[test]
fn hooks_run_before_a_call_arrives_or_after_it_was_done() {
    let wire = Wire::new(Emulator::moto().endpoint());
    let ran = Arc::new(AtomicUsize::new(0));
    let hook = |ran: &Arc<AtomicUsize>| {
        let ran = Arc::clone(ran);
        move || {
            ran.fetch_add(1, Ordering::SeqCst);
        }
    };
    wire.at_write(1, Fault::before(hook(&ran)));
    assert_eq!(create_table(wire.endpoint(), "before"), None);
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    assert!(!tables(wire.endpoint()).contains("before"));
    wire.reset();
    wire.at_write(1, Fault::after(hook(&ran)));
    assert_eq!(create_table(wire.endpoint(), "after"), None);
    assert_eq!(ran.load(Ordering::SeqCst), 2);
    assert!(tables(wire.endpoint()).contains("after"));
}

/// Lower bounds only: what is slower than asked for is slow, not wrong.
#[test]
fn answers_come_late_and_from_another_time() {
    let wire = Wire::new(Emulator::moto().endpoint());
    wire.latency(Duration::from_millis(30));
    wire.rule(|call| (call.n == 2).then_some(Fault::Delay(Duration::from_millis(50))));
    let begun = std::time::Instant::now();
    tables(wire.endpoint());
    assert!(begun.elapsed() >= Duration::from_millis(30));
    let begun = std::time::Instant::now();
    tables(wire.endpoint());
    assert!(begun.elapsed() >= Duration::from_millis(80));
    wire.skew(SignedDuration::from_hours(24 * 366));
    let answer = tables(wire.endpoint()).to_ascii_lowercase();
    let year = i32::from(jiff::Zoned::now().year());
    let date = answer.lines().find_map(|line| line.strip_prefix("date: ")).unwrap();
    assert!(date.contains(&format!(" {} ", year + 1)), "{date}");
    assert_eq!(answer.lines().filter(|line| line.starts_with("date:")).count(), 1);
}

#[test]
fn call_that_the_model_does_not_allow_is_refused() {
    let wire = Wire::new(Emulator::moto().endpoint());
    let wrong =
        call(wire.endpoint(), "dynamodb", "POST /", "DynamoDB_20120810.ListTables", r#"{"Limit":101}"#)
            .unwrap();
    assert!(wrong.0 == 400 && wrong.1.contains("ModelViolation"), "{}", wrong.1);
    let violations = wire.take_violations();
    assert_eq!(violations, ["dynamodb:ListTables: ListTables.Limit: expected at most 100, found 101"]);
}

#[test]
#[should_panic(expected = "calls that AWS would refuse")]
fn call_that_the_model_does_not_allow_fails_its_test() {
    let wire = Wire::new(Emulator::moto().endpoint());
    drop(call(wire.endpoint(), "dynamodb", "POST /", "DynamoDB_20120810.ListTables", r#"{"Limit":101}"#));
}
