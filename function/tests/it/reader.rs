//! Tests of the reader, which handles read requests, writes to no table, and forwards each hit to the counter
//! function, which counts it once.

use serde_json::{Value, json};

use crate::engine::{COUNTS, CallHandling, TestDynamoDb};
use crate::fake::{BootstrapProcess, FakeReply, FakeServer, environment, event};

const COUNTER: &str = "hits-test:live";

/// Starts the program as the reader, with this table and this Lambda.
fn reader(engine: &TestDynamoDb, lambda: &FakeServer, more: &[(&'static str, &str)]) -> BootstrapProcess {
    let mut environment = environment(&format!("http://{}", engine.fake.address));
    environment.push(("AWS_ENDPOINT_URL_LAMBDA", format!("http://{}", lambda.address)));
    environment.push(("HITCTL_COUNTER", COUNTER.to_owned()));
    environment.push(("HITCTL_VISITORS", "hash".to_owned()));
    environment.push(("HITCTL_REPEAT_S", "10".to_owned()));
    environment.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    BootstrapProcess::start_with(environment, 5_000)
}

/// Starts the program as the counter function, with the same table.
fn counter(engine: &TestDynamoDb, more: &[(&'static str, &str)]) -> BootstrapProcess {
    let mut environment = environment(&format!("http://{}", engine.fake.address));
    environment.push(("HITS_SEEN_TABLE_NAME", "hits-test-seen".to_owned()));
    environment.push(("HITCTL_VISITORS", "hash".to_owned()));
    environment.push(("HITCTL_REPEAT_S", "10".to_owned()));
    environment.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    BootstrapProcess::start_with(environment, 5_000)
}

fn accepted() -> FakeReply {
    FakeReply::Json(202, String::new())
}

/// Returns the text that a badge shows.
fn shown(svg: &str) -> String {
    let title = svg.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    title.unwrap_or_default().to_owned()
}

fn writes(engine: &TestDynamoDb) -> Vec<String> {
    let calls = engine.calls().into_iter();
    calls
        .filter(|call| !["GetItem", "BatchGetItem", "Scan"].iter().any(|read| call.starts_with(read)))
        .collect()
}

#[test]
fn counting_badge_is_forwarded_once_and_shows_the_number_after_it() {
    let (engine, lambda) = (TestDynamoDb::start(), FakeServer::serve(|_, _| accepted()));
    engine.put(COUNTS, &json!({"path": {"S": "/a"}, "hits": {"N": "41"}}));
    let program = reader(&engine, &lambda, &[]);
    let (status, badge) = program.get("/v1/badge.svg", "path=/a&hit=1");
    assert_eq!((status, shown(&badge).as_str()), (200, "views: 42"));
    // A reload is forwarded too, because the counter function decides, but it is not added to the count.
    assert_eq!(shown(&program.get("/v1/badge.svg", "path=/a&hit=1").1), "views: 41");
    assert_eq!(shown(&program.get("/v1/badge.svg", "path=/a").1), "views: 41");
    assert_eq!(writes(&engine), Vec::<String>::new());

    let sent = lambda.received();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].line, "POST /2015-03-31/functions/hits-test/invocations?Qualifier=live HTTP/1.1");
    assert_eq!(sent[0].headers["x-amz-invocation-type"], "Event");
    let authorization = &sent[0].headers["authorization"];
    assert!(authorization.contains("/eu-central-1/lambda/aws4_request"), "{authorization}");
    assert!(authorization.contains("x-amz-invocation-type"), "{authorization}");

    // The counter function counts the first hit and recognizes the second as a reload.
    let program = counter(&engine, &[]);
    let responses: Vec<String> = sent.iter().map(|hit| program.invoke(hit.body.as_str()).body).collect();
    assert_eq!(responses, [r#"{"v":1,"hits":1,"ignored":0}"#, r#"{"v":1,"hits":0,"ignored":1}"#]);
    assert_eq!(engine.number("/a", "hits"), 42);
    assert_eq!(engine.number("/a", "uniques"), 1);
}

#[test]
fn forwarded_hit_that_arrives_twice_counts_once_with_exact() {
    let (engine, lambda) = (TestDynamoDb::start(), FakeServer::serve(|_, _| accepted()));
    let program = reader(&engine, &lambda, &[]);
    program.get("/v1/pixel.svg", "path=/a");
    let hit = lambda.received().remove(0).body;
    for _ in 0..2 {
        // Each delivery goes to a new process, which does not know the view.
        counter(&engine, &[("HITCTL_EXACT", "1")]).invoke(hit.as_str());
    }
    assert_eq!(engine.number("/a", "hits"), 1);
}

#[test]
fn busy_lambda_is_retried_and_permanent_error_is_shown() {
    let engine = TestDynamoDb::start();
    let busy = FakeServer::serve(|n, _| if n < 2 { FakeReply::Json(429, String::new()) } else { accepted() });
    let program = reader(&engine, &busy, &[]);
    assert_eq!(shown(&program.get("/v1/badge.svg", "path=/a&hit=1").1), "views: 1");
    assert_eq!(busy.received().len(), 3);

    let refusing = FakeServer::serve(|_, _| FakeReply::Json(403, String::new()));
    let program = reader(&engine, &refusing, &[]);
    let (status, badge, headers) = get_with_headers(&program, "/v1/badge.svg", "path=/a&hit=1");
    assert_eq!((status, shown(&badge).as_str()), (200, "views: n/a"));
    assert_eq!(headers["hitctl-error"], "unavailable");
    assert_eq!(refusing.received().len(), 1, "a permanent error is not retried");
    let (_, log) = program.stop();
    assert!(log.contains("lambda Invoke: status 403"), "{log}");
}

/// Returns status, body and headers.
fn get_with_headers(program: &BootstrapProcess, route: &str, query: &str) -> (u64, String, Value) {
    let response: Value = serde_json::from_str(&program.invoke(event("GET", route, query)).body).unwrap();
    let body = response["body"].as_str().unwrap_or_default().to_owned();
    (response["statusCode"].as_u64().unwrap(), body, response["headers"].clone())
}

#[test]
fn hit_is_forwarded_even_if_its_number_cannot_be_read() {
    let engine = TestDynamoDb::start_with(|_, _| CallHandling::Refuse(FakeReply::Json(500, String::new())));
    let lambda = FakeServer::serve(|_, _| accepted());
    let program = reader(&engine, &lambda, &[]);
    let (status, badge) = program.get("/v1/badge.svg", "path=/a&hit=1");
    assert_eq!((status, shown(&badge).as_str()), (200, "views: n/a"));
    assert_eq!(lambda.received().len(), 1);
}

#[test]
fn view_that_does_not_count_is_forwarded_with_its_reason() {
    let (engine, lambda) = (TestDynamoDb::start(), FakeServer::serve(|_, _| accepted()));
    let program = reader(&engine, &lambda, &[("HITCTL_BOTS", "ignore")]);
    // The event has no user agent, so it looks like a bot's.
    let (_, badge, headers) = get_with_headers(&program, "/v1/badge.svg", "path=/a&hit=1");
    assert_eq!((shown(&badge).as_str(), &headers["hitctl-ignored"]), ("views: 0", &json!("bot")));
    let sent: Value = serde_json::from_str(&lambda.received()[0].body).unwrap();
    assert_eq!((&sent["why"], &sent["ip"]), (&json!("bot"), &Value::Null));
    let program = counter(&engine, &[("HITCTL_BOTS", "ignore")]);
    let response = program.invoke(lambda.received()[0].body.as_str()).body;
    assert_eq!(response, r#"{"v":1,"hits":0,"ignored":1}"#);
    assert_eq!(engine.number("/a", "hits"), 0);
}

#[test]
fn counter_that_cannot_write_fails_the_invocation() {
    let (engine, lambda) = (TestDynamoDb::start(), FakeServer::serve(|_, _| accepted()));
    reader(&engine, &lambda, &[]).get("/v1/badge.svg", "path=/a&hit=1");
    let broken = TestDynamoDb::start_with(|_, _| CallHandling::Refuse(FakeReply::Json(500, String::new())));
    let report = counter(&broken, &[]).invoke(lambda.received()[0].body.as_str());
    assert_eq!(report.error_type.as_deref(), Some("Hitctl.NotCounted"), "{}", report.body);
}

#[test]
fn invalid_counter_is_an_init_error_that_names_the_variable() {
    let (engine, lambda) = (TestDynamoDb::start(), FakeServer::serve(|_, _| accepted()));
    let program = reader(&engine, &lambda, &[("HITCTL_COUNTER", "not/a name")]);
    let report = program.next_report();
    assert!(report.path.ends_with("/init/error"), "{}", report.path);
    assert!(
        report.body.contains("HITCTL_COUNTER: expected `FUNCTION` or `FUNCTION:ALIAS`, found `not/a name`"),
        "{}",
        report.body
    );
}
