//! Tests of the proxy: the calls that it records, and the faults that it injects.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hitctl_emulators::{Emulator, InjectedFault, RecordingProxy};
use jiff::SignedDuration;

use crate::http::{call, create_table, send, tables};

#[test]
fn proxy_records_calls_but_not_visitor_requests() {
    let proxy = RecordingProxy::new(Emulator::moto().endpoint());
    tables(proxy.endpoint());
    assert_eq!(create_table(proxy.endpoint(), "seen").unwrap().0, 200);
    let (status, _) =
        send(proxy.endpoint(), "GET /moto-api/data.json", &[("user-agent", "a visitor")], "").unwrap();
    assert_eq!(status, 200);
    let apis = call(proxy.endpoint(), "apigateway", "GET /v2/apis", "rest", "").unwrap();
    assert_eq!(apis.0, 200, "{}", apis.1);
    assert_eq!(proxy.call_names(), ["dynamodb:ListTables", "dynamodb:CreateTable", "apigateway:GetApis"]);
    assert_eq!(proxy.write_names(), ["dynamodb:CreateTable"]);
    let numbers: Vec<_> = proxy.calls().iter().map(|call| (call.number, call.write_number)).collect();
    assert_eq!(numbers, [(1, 0), (2, 1), (3, 0)]);
    assert!(tables(proxy.endpoint()).contains("seen"));
    proxy.reset();
    assert!(proxy.calls().is_empty());
}

#[test]
fn fault_affects_only_the_selected_call() {
    let proxy = RecordingProxy::new(Emulator::moto().endpoint());
    proxy.fail_write(1, InjectedFault::DropRequest);
    tables(proxy.endpoint());
    assert_eq!(create_table(proxy.endpoint(), "cut"), None);
    assert!(!tables(proxy.endpoint()).contains("cut"));

    proxy.reset();
    proxy.fail_call(2, InjectedFault::DropResponse);
    tables(proxy.endpoint());
    assert_eq!(create_table(proxy.endpoint(), "lost"), None);
    assert!(tables(proxy.endpoint()).contains("lost"));

    proxy.reset();
    proxy.fail_write(1, InjectedFault::server_error());
    let (status, response) = create_table(proxy.endpoint(), "refused").unwrap();
    assert!(status == 500 && response.contains(r#""__type":"InternalFailure""#), "{response}");
    assert!(!tables(proxy.endpoint()).contains("refused"));
    assert_eq!(create_table(proxy.endpoint(), "refused").unwrap().0, 200);

    proxy.set_fault_rule(|call| {
        call.has_name("dynamodb:ListTables").then(|| InjectedFault::Response {
            status: 418,
            content_type: "text/plain".to_owned(),
            body: "a pot".to_owned(),
        })
    });
    let listed = call(proxy.endpoint(), "dynamodb", "POST /", "DynamoDB_20120810.ListTables", "{}").unwrap();
    assert!(listed.0 == 418 && listed.1.ends_with("a pot"), "{}", listed.1);
    proxy.clear_fault_rule();
    assert!(tables(proxy.endpoint()).contains("lost"));
}

#[test]
fn service_error_has_the_format_of_the_service() {
    let proxy = RecordingProxy::new(Emulator::moto().endpoint());
    proxy.set_fault_rule(|_| {
        Some(InjectedFault::service_error(429, "TooManyRequestsException", "slow <down>"))
    });
    let iam =
        call(proxy.endpoint(), "iam", "POST /", "", "Action=GetRole&Version=2010-05-08&RoleName=x").unwrap();
    assert!(iam.1.contains("<Code>TooManyRequestsException</Code><Message>slow &lt;down>"), "{}", iam.1);
    let lambda = call(proxy.endpoint(), "lambda", "GET /2015-03-31/functions/x", "rest", "").unwrap();
    assert_eq!(lambda.0, 429);
    assert!(lambda.1.contains("x-amzn-errortype: TooManyRequestsException"), "{}", lambda.1);
    assert!(lambda.1.contains(r#""message":"slow <down>""#), "{}", lambda.1);
}

#[test]
fn hook_runs_before_or_after_the_call_is_forwarded() {
    let proxy = RecordingProxy::new(Emulator::moto().endpoint());
    let hook_runs = Arc::new(AtomicUsize::new(0));
    let hook = |hook_runs: &Arc<AtomicUsize>| {
        let hook_runs = Arc::clone(hook_runs);
        move || {
            hook_runs.fetch_add(1, Ordering::SeqCst);
        }
    };
    proxy.fail_write(1, InjectedFault::hook_before(hook(&hook_runs)));
    assert_eq!(create_table(proxy.endpoint(), "before"), None);
    assert_eq!(hook_runs.load(Ordering::SeqCst), 1);
    assert!(!tables(proxy.endpoint()).contains("before"));
    proxy.reset();
    proxy.fail_write(1, InjectedFault::hook_after(hook(&hook_runs)));
    assert_eq!(create_table(proxy.endpoint(), "after"), None);
    assert_eq!(hook_runs.load(Ordering::SeqCst), 2);
    assert!(tables(proxy.endpoint()).contains("after"));
}

/// Checks lower bounds only: a slow machine is not an error.
#[test]
fn latency_delay_and_clock_skew_apply_to_responses() {
    let proxy = RecordingProxy::new(Emulator::moto().endpoint());
    proxy.set_latency(Duration::from_millis(30));
    proxy
        .set_fault_rule(|call| (call.number == 2).then_some(InjectedFault::Delay(Duration::from_millis(50))));
    let started = std::time::Instant::now();
    tables(proxy.endpoint());
    assert!(started.elapsed() >= Duration::from_millis(30));
    let started = std::time::Instant::now();
    tables(proxy.endpoint());
    assert!(started.elapsed() >= Duration::from_millis(80));
    proxy.set_clock_skew(SignedDuration::from_hours(24 * 366));
    let response = tables(proxy.endpoint()).to_ascii_lowercase();
    let year = i32::from(jiff::Zoned::now().year());
    let date = response.lines().find_map(|line| line.strip_prefix("date: ")).unwrap();
    assert!(date.contains(&format!(" {} ", year + 1)), "{date}");
    assert_eq!(response.lines().filter(|line| line.starts_with("date:")).count(), 1);
}

#[test]
fn call_that_violates_the_model_is_rejected() {
    let proxy = RecordingProxy::new(Emulator::moto().endpoint());
    let rejected =
        call(proxy.endpoint(), "dynamodb", "POST /", "DynamoDB_20120810.ListTables", r#"{"Limit":101}"#)
            .unwrap();
    assert!(rejected.0 == 400 && rejected.1.contains("ModelViolation"), "{}", rejected.1);
    let violations = proxy.take_violations();
    assert_eq!(violations, ["dynamodb:ListTables: ListTables.Limit: expected at most 100, found 101"]);
}

#[test]
#[should_panic(expected = "calls that AWS would reject")]
fn call_that_violates_the_model_fails_its_test() {
    let proxy = RecordingProxy::new(Emulator::moto().endpoint());
    drop(call(proxy.endpoint(), "dynamodb", "POST /", "DynamoDB_20120810.ListTables", r#"{"Limit":101}"#));
}
