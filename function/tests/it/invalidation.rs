//! CloudFront's cache: who invalidates when several want to, what is asked of CloudFront, and what becomes of a hit when
//! CloudFront refuses.

use std::thread;
use std::time::Duration;

use hitctl_config::contract::KEY_INVALIDATION;
use serde_json::{Value, json};

use crate::engine::{COUNTS, Engine, NOON};
use crate::fake::{Fake, Host, Received, Reply, environment};
use crate::messages::batch_of;

fn created() -> Reply {
    Reply::Json(201, "<Invalidation><Id>I2J0I21PCUYOIK</Id></Invalidation>".to_owned())
}

fn refused(code: &str) -> Reply {
    Reply::Json(400, format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>"))
}

/// The program with a distribution, against this table and this CloudFront.
fn host(engine: &Engine, cloudfront: &Fake, more: &[(&'static str, &str)]) -> Host {
    let mut environment = environment(&format!("http://{}", engine.fake.address));
    environment.push(("AWS_ENDPOINT_URL_CLOUDFRONT", format!("http://{}", cloudfront.address)));
    environment.push(("HITCTL_INVALIDATE", "E123ABC/60".to_owned()));
    environment.push(("HITCTL_SITE_BUCKET", "site".to_owned()));
    environment.push(("AWS_LAMBDA_FUNCTION_NAME", "hits-test".to_owned()));
    environment.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Host::start_with(environment, 30_000)
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Vec<&'a str> {
    text.split(from).skip(1).filter_map(|rest| rest.split_once(to)).map(|(inner, _)| inner).collect()
}

fn paths(request: &Received) -> Vec<&str> {
    between(&request.body, "<Path>", "</Path>")
}

fn reference(request: &Received) -> &str {
    between(&request.body, "<CallerReference>", "</CallerReference>")[0]
}

/// One hit after the other: an answer is out before what follows it, so the log's end is awaited by ending the program.
fn hit(host: &Host, times: usize) {
    for _ in 0..times {
        assert_eq!(host.get("/counter", "path=/x").0, 200);
    }
}

#[test]
fn hits_of_a_window_invalidate_once() {
    let (engine, cloudfront) = (Engine::start(), Fake::serve(|_, _| created()));
    let program = host(&engine, &cloudfront, &[("HITCTL_INVALIDATE_PATHS", "/a /b*")]);
    hit(&program, 3);
    assert_eq!(program.invoke(batch_of(&["/x"])).body, r#"{"batchItemFailures":[]}"#);
    program.end();
    let asked = cloudfront.received();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "POST /2020-05-31/distribution/E123ABC/invalidation HTTP/1.1");
    assert_eq!(paths(&asked[0]), ["/a", "/b*"]);
    assert!(asked[0].body.contains("<Quantity>2</Quantity>"), "{}", asked[0].body);
    assert!(reference(&asked[0]).starts_with("hitctl-hits-test-"));
    let authorization = &asked[0].headers["authorization"];
    assert!(authorization.contains("/us-east-1/cloudfront/aws4_request"), "{authorization}");
    assert_eq!(engine.number("/x", "hits"), 4);
    let claims = engine.calls().iter().filter(|call| call.ends_with(KEY_INVALIDATION)).count();
    assert_eq!(claims, 1, "the window is remembered, and not asked for with each hit");
}

#[test]
fn what_counts_nothing_invalidates_nothing() {
    let (engine, cloudfront) = (Engine::start(), Fake::serve(|_, _| created()));
    let program = host(&engine, &cloudfront, &[]);
    assert_eq!(program.get("/v1/count", "path=/x").0, 200);
    program.invoke(batch_of(&["{"]));
    program.end();
    assert!(cloudfront.received().is_empty());
}

#[test]
fn of_concurrent_processes_one_invalidates() {
    let (engine, cloudfront) = (Engine::start(), Fake::serve(|_, _| created()));
    let programs: Vec<Host> = (0..4).map(|_| host(&engine, &cloudfront, &[])).collect();
    let ends = programs.into_iter().map(|program| {
        thread::spawn(move || {
            hit(&program, 5);
            drop(program.end());
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
fn of_concurrent_claims_one_wins_in_each_window() {
    let engine = Engine::start();
    let claims = |now_s: u64| -> usize {
        let claim = || {
            let mut store = engine.store(false, 1);
            store.begin_long(Duration::from_secs(30));
            usize::from(store.claim(now_s, 60).unwrap())
        };
        thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(claim)).collect();
            all.into_iter().map(|one| one.join().unwrap()).sum()
        })
    };
    let now_s = NOON.millis() / 1000;
    assert_eq!((claims(now_s), claims(now_s + 59), claims(now_s + 60)), (1, 0, 1));
    let mut store = engine.store(false, 1);
    assert!(!store.give_back(now_s).unwrap(), "another has it now");
    assert!(store.give_back(now_s + 60).unwrap());
    assert_eq!(claims(now_s + 61), 1);
}

#[test]
fn what_may_pass_is_asked_again_with_the_same_reference() {
    for first in [
        || refused("TooManyInvalidationsInProgress"),
        || Reply::Json(503, String::new()),
        || Reply::Raw(Vec::new()),
    ] {
        let engine = Engine::start();
        let cloudfront = Fake::serve(move |number, _| if number == 0 { first() } else { created() });
        let program = host(&engine, &cloudfront, &[]);
        hit(&program, 1);
        let (_, log) = program.end();
        let asked = cloudfront.received();
        assert_eq!(asked.len(), 2, "{log}");
        assert_eq!(asked[0].body, asked[1].body);
    }
}

#[test]
fn a_refusal_is_a_line_of_the_log_and_the_next_hit_tries_again() {
    let engine = Engine::start();
    let cloudfront =
        Fake::serve(|number, _| if number == 0 { refused("NoSuchDistribution") } else { created() });
    let program = host(&engine, &cloudfront, &[]);
    hit(&program, 3);
    let (_, log) = program.end();
    assert_eq!(cloudfront.received().len(), 2, "{log}");
    assert_eq!(engine.number("/x", "hits"), 3);
    let line: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!((&line["level"], &line["requestId"]), (&json!("WARN"), &json!("request-1")));
    assert_eq!(line["message"], "the distribution was not invalidated");
    assert_eq!(line["cause"], "cloudfront CreateInvalidation: status 400 NoSuchDistribution (request REQ)");
}

fn object(key: &str, version: &str) -> String {
    json!({"detail-type": "Object Created", "source": "aws.s3", "id": version, "detail":
        {"bucket": {"name": "site"}, "object": {"key": key, "sequencer": version}}})
    .to_string()
}

#[test]
fn changed_objects_of_a_batch_are_one_invalidation_and_the_same_when_they_come_again() {
    let (engine, cloudfront) = (Engine::start(), Fake::serve(|_, _| created()));
    let program = host(&engine, &cloudfront, &[]);
    let mut bodies = [object("index.html", "1"), object("a b.css", "2"), object("index.html", "1")];
    assert_eq!(program.invoke(batch_of(&bodies)).body, r#"{"batchItemFailures":[]}"#);
    bodies.reverse();
    program.invoke(batch_of(&bodies));
    program.end();
    let asked = cloudfront.received();
    assert_eq!(asked.len(), 2);
    assert_eq!(paths(&asked[0]), ["/a%20b.css", "/", "/index.html"]);
    assert_eq!(asked[0].body, asked[1].body);
    assert!(engine.items(COUNTS).is_empty());
}

#[test]
fn objects_that_were_not_invalidated_come_again() {
    let engine = Engine::start();
    let cloudfront = Fake::serve(|_, _| refused("AccessDenied"));
    let program = host(&engine, &cloudfront, &[]);
    let other = object("x", "3").replace(r#""site""#, r#""other""#);
    let posted = program.invoke(batch_of(&[object("x", "1"), "/x".to_owned(), other.clone()]));
    assert_eq!(posted.body, r#"{"batchItemFailures":[{"itemIdentifier":"m0"},{"itemIdentifier":"m2"}]}"#);
    assert_eq!(program.invoke(object("x", "1")).error_type.as_deref(), Some("Hitctl.NotCounted"));
    assert_eq!(program.invoke(other).error_type.as_deref(), Some("Hitctl.MalformedEvent"));
    assert_eq!(engine.number("/x", "hits"), 1);
}
