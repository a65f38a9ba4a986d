//! Tests of CloudFront invalidations: which process invalidates, what is requested, and what happens to a hit
//! if CloudFront returns an error.

use std::thread;
use std::time::Duration;

use hitctl_config::contract::KEY_INVALIDATION;
use serde_json::{Value, json};

use crate::engine::{COUNTS, NOON, TestDynamoDb};
use crate::fake::{BootstrapProcess, FakeReply, FakeServer, ReceivedRequest, environment};
use crate::messages::batch_of;

fn created() -> FakeReply {
    FakeReply::Json(201, "<Invalidation><Id>I2J0I21PCUYOIK</Id></Invalidation>".to_owned())
}

fn refused(code: &str) -> FakeReply {
    FakeReply::Json(400, format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"))
}

/// Starts the program with a distribution, against this table and this CloudFront.
fn host(engine: &TestDynamoDb, cloudfront: &FakeServer, more: &[(&'static str, &str)]) -> BootstrapProcess {
    let mut environment = environment(&format!("http://{}", engine.fake.address));
    environment.push(("AWS_ENDPOINT_URL_CLOUDFRONT", format!("http://{}", cloudfront.address)));
    environment.push(("HITCTL_INVALIDATE", "E123ABC/60".to_owned()));
    environment.push(("HITCTL_SITE_BUCKET", "site".to_owned()));
    environment.push(("AWS_LAMBDA_FUNCTION_NAME", "hits-test".to_owned()));
    environment.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    BootstrapProcess::start_with(environment, 30_000)
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    text.split(from).skip(1).filter_map(|rest| rest.split_once(to)).map(|(inner, _)| inner).collect()
}

fn paths(request: &ReceivedRequest) -> Vec<&str> {
    between(&request.body, "<Path>", "</Path>")
}

fn reference(request: &ReceivedRequest) -> &str {
    between(&request.body, "<CallerReference>", "</CallerReference>")[0]
}

/// Sends several hits. The program invalidates after it has sent the response, so a test must stop the program
/// before it checks the log.
fn hit(host: &BootstrapProcess, times: usize) {
    for _ in 0..times {
        assert_eq!(host.get("/counter", "path=/x").0, 200);
    }
}

#[test]
fn hits_of_a_window_invalidate_once() {
    let (engine, cloudfront) = (TestDynamoDb::start(), FakeServer::serve(|_, _| created()));
    let program = host(&engine, &cloudfront, &[("HITCTL_INVALIDATE_PATHS", "/a /b*")]);
    hit(&program, 3);
    assert_eq!(program.invoke(batch_of(&["/x"])).body, r#"{"batchItemFailures":[]}"#);
    program.stop();
    let requests = cloudfront.received();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].line, "POST /2020-05-31/distribution/E123ABC/invalidation HTTP/1.1");
    assert_eq!(paths(&requests[0]), ["/a", "/b*"]);
    assert!(requests[0].body.contains("<Quantity>2</Quantity>"), "{}", requests[0].body);
    assert!(reference(&requests[0]).starts_with("hitctl-hits-test-"));
    let authorization = &requests[0].headers["authorization"];
    assert!(authorization.contains("/us-east-1/cloudfront/aws4_request"), "{authorization}");
    assert_eq!(engine.number("/x", "hits"), 4);
    let claims = engine.calls().iter().filter(|call| call.ends_with(KEY_INVALIDATION)).count();
    assert_eq!(claims, 1, "the window is claimed once, not by each hit");
}

#[test]
fn requests_without_hits_do_not_invalidate() {
    let (engine, cloudfront) = (TestDynamoDb::start(), FakeServer::serve(|_, _| created()));
    let program = host(&engine, &cloudfront, &[]);
    assert_eq!(program.get("/v1/count", "path=/x").0, 200);
    program.invoke(batch_of(&["{"]));
    program.stop();
    assert!(cloudfront.received().is_empty());
}

#[test]
fn only_one_of_concurrent_processes_invalidates() {
    let (engine, cloudfront) = (TestDynamoDb::start(), FakeServer::serve(|_, _| created()));
    let programs: Vec<BootstrapProcess> = (0..4).map(|_| host(&engine, &cloudfront, &[])).collect();
    let ends = programs.into_iter().map(|program| {
        thread::spawn(move || {
            hit(&program, 5);
            drop(program.stop());
        })
    });
    let ends: Vec<_> = ends.collect();
    for end in ends {
        end.join().unwrap();
    }
    assert_eq!(cloudfront.received().len(), 1);
    assert_eq!(engine.number("/x", "hits"), 20);
}

#[test]
fn only_one_of_concurrent_claims_succeeds_per_window() {
    let engine = TestDynamoDb::start();
    let claims = |now_s: u64| -> usize {
        let claim = || {
            let mut store = engine.store(false, 1);
            store.set_batch_deadline(Duration::from_secs(30));
            usize::from(store.claim_window(now_s, 60).unwrap())
        };
        thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(claim)).collect();
            all.into_iter().map(|one| one.join().unwrap()).sum()
        })
    };
    let now_s = NOON.millis() / 1000;
    assert_eq!((claims(now_s), claims(now_s + 59), claims(now_s + 60)), (1, 0, 1));
    let mut store = engine.store(false, 1);
    assert!(!store.release_window(now_s).unwrap(), "another process has claimed it");
    assert!(store.release_window(now_s + 60).unwrap());
    assert_eq!(claims(now_s + 61), 1);
}

#[test]
fn retryable_error_is_retried_with_the_same_reference() {
    for first in [
        || refused("TooManyInvalidationsInProgress"),
        || FakeReply::Json(503, String::new()),
        || FakeReply::Raw(Vec::new()),
    ] {
        let engine = TestDynamoDb::start();
        let cloudfront = FakeServer::serve(move |number, _| if number == 0 { first() } else { created() });
        let program = host(&engine, &cloudfront, &[]);
        hit(&program, 1);
        let (_, log) = program.stop();
        let requests = cloudfront.received();
        assert_eq!(requests.len(), 2, "{log}");
        assert_eq!(requests[0].body, requests[1].body);
    }
}

#[test]
fn permanent_error_is_logged_and_the_next_hit_tries_again() {
    let engine = TestDynamoDb::start();
    let cloudfront =
        FakeServer::serve(|number, _| if number == 0 { refused("NoSuchDistribution") } else { created() });
    let program = host(&engine, &cloudfront, &[]);
    hit(&program, 3);
    let (_, log) = program.stop();
    assert_eq!(cloudfront.received().len(), 2, "{log}");
    assert_eq!(engine.number("/x", "hits"), 3);
    let line: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!((&line["level"], &line["requestId"]), (&json!("WARN"), &json!("request-1")));
    assert_eq!(line["message"], "failed to invalidate the distribution");
    assert_eq!(line["cause"], "cloudfront CreateInvalidation: status 400 NoSuchDistribution (request REQ)");
}

fn object(key: &str, version: &str) -> String {
    json!({"detail-type": "Object Created", "source": "aws.s3", "id": version, "detail":
        {"bucket": {"name": "site"}, "object": {"key": key, "sequencer": version}}})
    .to_string()
}

#[test]
fn changed_objects_of_a_batch_are_one_invalidation_also_when_redelivered() {
    let (engine, cloudfront) = (TestDynamoDb::start(), FakeServer::serve(|_, _| created()));
    let program = host(&engine, &cloudfront, &[]);
    let mut bodies = [object("index.html", "1"), object("a b.css", "2"), object("index.html", "1")];
    assert_eq!(program.invoke(batch_of(&bodies)).body, r#"{"batchItemFailures":[]}"#);
    bodies.reverse();
    program.invoke(batch_of(&bodies));
    program.stop();
    let requests = cloudfront.received();
    assert_eq!(requests.len(), 2);
    assert_eq!(paths(&requests[0]), ["/a%20b.css", "/", "/index.html"]);
    assert_eq!(requests[0].body, requests[1].body);
    assert!(engine.items(COUNTS).is_empty());
}

#[test]
fn objects_that_were_not_invalidated_are_reported_as_failed() {
    let engine = TestDynamoDb::start();
    let cloudfront = FakeServer::serve(|_, _| refused("AccessDenied"));
    let program = host(&engine, &cloudfront, &[]);
    let other = object("x", "3").replace(r#""site""#, r#""other""#);
    let report = program.invoke(batch_of(&[object("x", "1"), "/x".to_owned(), other.clone()]));
    assert_eq!(report.body, r#"{"batchItemFailures":[{"itemIdentifier":"m0"},{"itemIdentifier":"m2"}]}"#);
    assert_eq!(program.invoke(object("x", "1")).error_type.as_deref(), Some("Hitctl.NotCounted"));
    assert_eq!(program.invoke(other).error_type.as_deref(), Some("Hitctl.MalformedEvent"));
    assert_eq!(engine.number("/x", "hits"), 1);
}
