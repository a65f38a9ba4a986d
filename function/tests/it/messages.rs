//! Tests of messages, from the event to the tables: what is written, how often, and what is reported.

use std::time::Duration;

use hit_counter::batch::{self, BatchResult, MessageError};
use hit_counter::moment::Moment;
use hit_counter::routes::{Counter, CounterConfig};
use hit_counter::store::{DynamoDbStore, PathAdmission};
use hit_counter::trigger::{EventOptions, InboundMessage, TriggerEvent};
use hitctl_config::contract::{KEY_BUDGET, KEY_SITE};
use serde_json::{Value, json};

use crate::engine::{COUNTS, CallHandling, DAY_MS, NOON, SEEN, TestDynamoDb};
use crate::fake::{BootstrapProcess, FakeReply, environment};
use crate::hostile::random::SeededRng;

/// Returns an SQS event with these bodies, whose message IDs are `m0`, `m1` and so on.
pub(crate) fn batch_of<B: AsRef<str>>(bodies: &[B]) -> String {
    let record = |(n, body): (usize, &B)| json!({"eventSource": "aws:sqs", "messageId": format!("m{n}"), "body": body.as_ref()});
    json!({"Records": bodies.iter().enumerate().map(record).collect::<Vec<Value>>()}).to_string()
}

pub(crate) fn read(event: &str) -> Vec<InboundMessage> {
    match TriggerEvent::parse(event.as_bytes(), &EventOptions::default(), NOON) {
        Ok(TriggerEvent::Batch(messages)) => messages,
        other => panic!("no batch: {other:?}"),
    }
}

pub(crate) fn count(counter: &mut Counter<DynamoDbStore>, event: &str, exact: bool) -> BatchResult {
    counter.store().set_batch_deadline(Duration::from_secs(30));
    batch::count(&mut counter.batch_context(), &read(event), exact, NOON)
}

fn counter(engine: &TestDynamoDb, config: CounterConfig) -> Counter<DynamoDbStore> {
    Counter::new(engine.store(config.visitors, 1), config)
}

fn malformed(done: &BatchResult) -> Vec<usize> {
    let is_malformed = |failed: &MessageError| matches!(failed, MessageError::Malformed(_));
    done.failed.iter().filter(|(_, failed)| is_malformed(failed)).map(|(index, _)| *index).collect()
}

/// Returns 25 messages over ten pages, five of them on the day before.
fn burst() -> Vec<String> {
    let yesterday = Moment::from_millis(NOON.millis() - DAY_MS).rfc3339();
    let body = |n: usize| {
        let ts = if n.is_multiple_of(5) { yesterday.clone() } else { NOON.rfc3339() };
        json!({"v": 1, "path": format!("/{}", n % 10), "ts": ts, "n": n + 1}).to_string()
    };
    (0..25).map(body).collect()
}

fn check_burst(engine: &TestDynamoDb) {
    let all: u64 = (0..10).map(|n| engine.number(&format!("/{n}"), "hits")).sum();
    assert_eq!(all, (1..=25).sum::<u64>());
    let (today, yesterday) = (NOON.day(), Moment::from_millis(NOON.millis() - DAY_MS).day());
    assert_eq!(engine.number("/0", "hits"), 1 + 11 + 21);
    assert_eq!(engine.number("/0", &yesterday.attribute()), 1 + 11 + 21);
    assert_eq!(engine.number("/0", &today.attribute()), 0);
    assert_eq!(engine.number("/1", &today.attribute()), 2 + 12 + 22);
    assert_eq!(engine.number("/1", &today.month_attribute()), 2 + 12 + 22);
    let (first, last) = (yesterday.to_string(), NOON.rfc3339());
    assert_eq!(engine.item(COUNTS, "/0")["first"]["S"], first);
    assert_eq!(engine.item(COUNTS, "/1")["last"]["S"], last);
}

#[test]
fn batch_is_one_write_per_page() {
    let engine = TestDynamoDb::start();
    let done = count(&mut counter(&engine, CounterConfig::default()), &batch_of(&burst()), false);
    assert_eq!((done.hits, done.failed.len()), (325, 0));
    assert_eq!(engine.calls().len(), 10, "{:?}", engine.calls());
    check_burst(&engine);
}

#[test]
fn exact_batch_is_one_transaction_and_counts_once() {
    let engine = TestDynamoDb::start();
    let mut counter = counter(&engine, CounterConfig::default());
    let done = count(&mut counter, &batch_of(&burst()), true);
    assert_eq!((done.hits, done.failed.len()), (325, 0));
    let transactions = |engine: &TestDynamoDb| {
        engine.calls().iter().filter(|call| call.starts_with("TransactWriteItems")).count()
    };
    assert_eq!(transactions(&engine), 1, "{:?}", engine.calls());
    assert_eq!(engine.items(SEEN).len(), 25);
    let ttl = engine.item(SEEN, "msg#m0")["ttl"]["N"].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(ttl, NOON.millis() / 1000 + 20 * 86_400);
    check_burst(&engine);
    // All messages again, in another order and with an additional one.
    let mut more = read(&batch_of(&burst()));
    more.reverse();
    more.push(InboundMessage { id: "new".to_owned(), dedup_id: "new".to_owned(), ..more[0].clone() });
    let done = batch::count(&mut counter.batch_context(), &more, true, NOON);
    assert_eq!((done.hits, done.failed.len()), (25, 0));
    assert_eq!(transactions(&engine), 3, "one is cancelled, one writes the remaining message");
}

#[test]
fn duplicate_message_in_a_batch_counts_once_if_exact() {
    for (exact, hits) in [(true, 1), (false, 2)] {
        let engine = TestDynamoDb::start();
        let bodies = [r#"{"path":"/x","id":"same"}"#; 2];
        let done = count(&mut counter(&engine, CounterConfig::default()), &batch_of(&bodies), exact);
        assert_eq!((done.hits, engine.number("/x", "hits")), (hits, hits));
    }
}

#[test]
fn reload_is_not_counted_when_redelivered_to_another_process() {
    let engine = TestDynamoDb::start();
    let config = CounterConfig { repeat_s: 10, ..CounterConfig::default() };
    let body = json!({"p": "/a", "b": 0}).to_string();
    let record = |id: &str| {
        let attributes = json!({"ip": {"stringValue": "203.0.113.7"}, "ua": {"stringValue": "Mozilla/5.0"}});
        json!({"eventSource": "aws:sqs", "messageId": id, "body": body, "messageAttributes": attributes})
    };
    let event =
        |ids: &[&str]| json!({"Records": ids.iter().map(|id| record(id)).collect::<Vec<_>>()}).to_string();
    let first = count(&mut counter(&engine, config.clone()), &event(&["view", "reload"]), true);
    assert_eq!((first.hits, first.ignored), (1, 1), "{first:?}");
    // Another process, which has received neither message, receives the second one again.
    let again = count(&mut counter(&engine, config.clone()), &event(&["reload"]), true);
    assert_eq!((again.hits, again.failed.len()), (0, 0), "{again:?}");
    assert_eq!(engine.number("/a", "hits"), 1);
    // A message that contains only reloads is recognized too.
    let mut late = counter(&engine, config.clone());
    assert_eq!(count(&mut late, &event(&["later"]), true).hits, 1);
    assert_eq!(count(&mut late, &event(&["once more"]), true).hits, 0);
    assert_eq!(count(&mut counter(&engine, config), &event(&["once more"]), true).hits, 0);
    assert_eq!(engine.number("/a", "hits"), 2);
}

#[test]
fn units_of_a_redelivered_large_message_count_once() {
    let hits: Vec<Value> = (0..500).map(|n| json!({"path": format!("/{n}")})).collect();
    let large = json!({"hits": hits}).to_string();
    let engine = TestDynamoDb::start();
    let mut counter = counter(&engine, CounterConfig::default());
    assert_eq!(count(&mut counter, &batch_of(&[&large, "/x"]), true).hits, 501);
    assert_eq!(
        count(&mut counter, &batch_of(&["/y", "/x"]), true).hits,
        1,
        "the large message m0 has markers of its units only, so this m0 is new"
    );
    let again = count(&mut counter, &batch_of(&[&large]), true);
    assert_eq!((again.hits, again.failed.len()), (0, 0));
    assert_eq!(engine.number("/499", "hits"), 1);
}

#[test]
fn malformed_message_fails_alone() {
    for exact in [false, true] {
        let engine = TestDynamoDb::start();
        let bodies = ["/a", "{", "/b", r#"{"path":"!lease"}"#, r#"{"hits":[{"path":"/c"},{"path":"/\\"}]}"#];
        let done = count(&mut counter(&engine, CounterConfig::default()), &batch_of(&bodies), exact);
        assert_eq!((done.hits, malformed(&done)), (2, vec![1, 3, 4]));
        assert_eq!(engine.items(COUNTS).len(), 2, "no hit of an invalid message is counted");
    }
}

#[test]
fn refused_paths_are_counted_as_ignored() {
    for exact in [false, true] {
        for (paths, known, reason) in [
            (PathAdmission::Strict, 1, "strict"),
            (PathAdmission::Budget { new_per_day: 1, max_total: 10 }, 2, "full"),
        ] {
            let engine = TestDynamoDb::start();
            engine.put(COUNTS, &json!({"path": {"S": "/known"}}));
            let config = CounterConfig { paths, ..CounterConfig::default() };
            let bodies =
                ["/known", "/new/1", r#"{"hits":[{"path":"/known"},{"path":"/new/2","n":3}]}"#, "/new/1"];
            let done = count(&mut counter(&engine, config), &batch_of(&bodies), exact);
            assert!(done.failed.is_empty(), "{done:?}");
            let pages = engine
                .items(COUNTS)
                .iter()
                .filter(|item| !item["path"]["S"].as_str().unwrap().starts_with('!'))
                .count();
            assert_eq!((pages, engine.number("/known", "hits")), (known, 2), "{paths:?} {exact}");
            let dropped = format!("!dropped#{}", NOON.day().month_attribute());
            assert_eq!(engine.number(&dropped, reason), done.ignored);
            assert_eq!(done.hits + done.ignored, 7);
            if reason == "full" {
                assert_eq!(engine.number(KEY_BUDGET, "paths"), 1);
            }
        }
    }
}

#[test]
fn messages_of_one_client_cannot_use_the_whole_budget() {
    for exact in [false, true] {
        let engine = TestDynamoDb::start();
        let config = CounterConfig {
            paths: PathAdmission::Budget { new_per_day: 20, max_total: 100 },
            ..CounterConfig::default()
        };
        let body = |path: &str, ip: &str| json!({"path": path, "ip": ip, "ua": "Mozilla/5.0"}).to_string();
        let mut bodies: Vec<String> = (0..30).map(|n| body(&format!("/flood/{n}"), "203.0.113.7")).collect();
        bodies.push(body("/flood/29", "198.51.100.1"));
        bodies.push(body("/new", "198.51.100.1"));
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let mut counter = counter(&engine, config);
        let done = count(&mut counter, &batch_of(&bodies), exact);
        assert!(done.failed.is_empty(), "{done:?}");
        assert_eq!(done.hits, 10 + 3, "a page of both clients is charged to the second client: {done:?}");
        assert_eq!((done.ignored, engine.number("/new", "hits")), (19, 1));
        if exact {
            // The messages below would have the same IDs as those above.
            continue;
        }
        // Messages without a client need no share of the budget.
        let bare: Vec<String> = (0..5).map(|n| format!("/bare/{n}")).collect();
        let bare: Vec<&str> = bare.iter().map(String::as_str).collect();
        assert_eq!(count(&mut counter, &batch_of(&bare), exact).hits, 5);
    }
}

#[test]
fn visitors_are_recorded_once_per_page_and_day() {
    for exact in [false, true] {
        let engine = TestDynamoDb::start();
        let config = CounterConfig { visitors: true, ..CounterConfig::default() };
        let body = |path: &str, ip: &str| json!({"path": path, "ip": ip, "ua": "Mozilla/5.0"}).to_string();
        let old = Moment::from_millis(NOON.millis() - 2 * DAY_MS).rfc3339();
        let bodies = [
            body("/x", "203.0.113.7"),
            body("/x", "203.0.113.7"),
            body("/y", "203.0.113.7"),
            body("/x", "203.0.113.8"),
            "/x".to_owned(),
            json!({"path": "/x", "ip": "203.0.113.9", "ts": old}).to_string(),
        ];
        let mut counter = counter(&engine, config);
        let done = count(&mut counter, &batch_of(&bodies), exact);
        assert_eq!((done.hits, done.warnings.len()), (6, 0), "{done:?}");
        assert_eq!(
            engine.number("/x", "uniques"),
            2,
            "the visitor of a day whose salt is deleted is not counted"
        );
        assert_eq!(engine.number("/y", "uniques"), 1);
        assert_eq!(engine.number(KEY_SITE, "uniques"), 2);
        let today = NOON.day().uniques_attribute();
        assert_eq!(engine.number(KEY_SITE, &today), 2);
        count(&mut counter, &batch_of(&bodies), exact);
        assert_eq!((engine.number("/x", "uniques"), engine.number(KEY_SITE, "uniques")), (2, 2));
    }
}

#[test]
fn failed_write_fails_the_messages_of_its_page() {
    let engine = TestDynamoDb::start_with(|_, request| {
        if request.operation() == "UpdateItem" && request.body.contains(r#""S":"/bad""#) {
            return CallHandling::Refuse(FakeReply::Json(500, "{}".to_owned()));
        }
        CallHandling::Serve
    });
    let done = count(
        &mut counter(&engine, CounterConfig::default()),
        &batch_of(&["/a", "/bad", "/b", "/bad"]),
        false,
    );
    assert_eq!(done.hits, 2);
    assert_eq!(done.failed.keys().copied().collect::<Vec<_>>(), [1, 3]);
    assert!(malformed(&done).is_empty());
}

#[test]
fn batch_without_time_left_is_reported_as_failed() {
    for exact in [false, true] {
        let engine = TestDynamoDb::start();
        let mut counter = counter(&engine, CounterConfig::default());
        counter.store().set_batch_deadline(Duration::ZERO);
        let done = batch::count(&mut counter.batch_context(), &read(&batch_of(&["/a", "/b"])), exact, NOON);
        assert_eq!((done.hits, done.failed.len()), (0, 2));
        assert!(engine.items(COUNTS).is_empty());
    }
}

/// Runs the program with a batch that includes an invalid message, and with single events.
#[test]
fn program_responds_in_the_format_of_each_source() {
    let engine = TestDynamoDb::start();
    let mut environment = environment(&format!("http://{}", engine.fake.address));
    environment.push(("HITCTL_EXACT", "1".to_owned()));
    environment.push(("HITS_SEEN_TABLE_NAME", SEEN.to_owned()));
    let host = BootstrapProcess::start_with(environment, 30_000);
    let report = host.invoke(batch_of(&["/x", r#"{"path":7,"ip":"203.0.113.7"}"#, "/x"]));
    assert_eq!(report.body, r#"{"batchItemFailures":[{"itemIdentifier":"m1"}]}"#);
    let event = r#"{"id":"e1","detail-type":"Hit","source":"cli","detail":{"path":"/x"}}"#;
    assert_eq!(host.invoke(event).body, r#"{"v":1,"hits":1,"ignored":0}"#);
    assert_eq!(
        host.invoke(event).body,
        r#"{"v":1,"hits":0,"ignored":0}"#,
        "a repeated invocation counts nothing"
    );
    let viewer = r#"{"Records":[{"cf":{"config":{"requestId":"r"},"request":{"clientIp":"203.0.113.7","method":"GET","uri":"/x","querystring":"","headers":{}}}}]}"#;
    let response = host.invoke(viewer).body;
    assert_eq!(
        response,
        r#"{"clientIp":"203.0.113.7","method":"GET","uri":"/x","querystring":"","headers":{}}"#
    );
    let failed = host.invoke(event.replace("path", "page"));
    assert_eq!(failed.error_type.as_deref(), Some("Hitctl.MalformedEvent"));
    insta::assert_snapshot!(failed.body, @r#"{"errorMessage":"the event is invalid: the event has no value at /detail/path","errorType":"Hitctl.MalformedEvent","stackTrace":[]}"#);
    assert_eq!(engine.number("/x", "hits"), 4);
    let (_, log) = host.stop();
    assert!(!log.contains("203.0.113"), "{log}");
    let refused: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = |line: &Value| (line["level"].clone(), line["messageId"].clone(), line["cause"].clone());
    let refused: Vec<_> =
        refused.iter().filter(|line| line["message"] == "message refused").map(summary).collect();
    assert_eq!(
        refused,
        [
            (json!("ERROR"), json!("m1"), json!("`path`: expected a string")),
            (json!("ERROR"), json!("e1"), json!("the event has no value at /detail/path")),
        ]
    );
}

/// If the table is unavailable, no message may be acknowledged.
#[test]
fn messages_are_not_acknowledged_without_a_table() {
    let mut rng = SeededRng(7);
    let engine = TestDynamoDb::start_with(|_, _| {
        CallHandling::Refuse(FakeReply::Json(400, r#"{"__type":"x#ResourceNotFoundException"}"#.to_owned()))
    });
    let mut counter = counter(&engine, CounterConfig { visitors: true, ..CounterConfig::default() });
    for exact in [false, true] {
        let bodies: Vec<String> = (0..=rng.below(20)).map(|n| format!("/{n}")).collect();
        let done = count(&mut counter, &batch_of(&bodies), exact);
        assert_eq!((done.hits, done.failed.len()), (0, bodies.len()));
    }
}
