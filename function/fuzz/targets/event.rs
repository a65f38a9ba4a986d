//! Fuzzes events: an event is rejected with a message, or the response is well-formed and the table has one more
//! hit if and only if the response says so.

#![no_main]

use hit_counter::batch;
use hit_counter::http::Origins;
use hit_counter::json::JsonObject;
use hit_counter::moment::Moment;
use hit_counter::routes::{Counter, CounterConfig, RouteOutcome};
use hit_counter::rules::{CountingRules, IgnoreReason};
use hit_counter::store::{MemoryStore, PathAdmission};
use hit_counter::trigger::{EventOptions, InboundMessage, TriggerEvent};
use hitctl_config::contract::{ATTR_HITS, HEADER_IGNORED, KEY_DROPPED_PREFIX};
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/wellformed.rs"]
mod wellformed;

const NOON: Moment = Moment::from_millis(1_789_898_400_000);

fuzz_target!(|data: &[u8]| {
    // JSON is used unchanged. Any other input contains the fields of a request, one per line, so that the fuzzer
    // can reach the routes before it has found the format of events.
    let event = match data.trim_ascii_start().first() {
        Some(b'{' | b'[' | b'"') => data.to_vec(),
        _ => event(&String::from_utf8_lossy(data)).into_bytes(),
    };
    let request = match TriggerEvent::parse(&event, &options(), NOON) {
        Ok(TriggerEvent::Http(request)) => request,
        Ok(TriggerEvent::Batch(messages)) => return count(&messages),
        Ok(TriggerEvent::Single(message, _)) => return count(&[message]),
        Err(failure) => {
            assert!(!failure.message.is_empty(), "rejected without a message");
            return;
        }
    };
    for config in configs() {
        let mut counter = Counter::new(MemoryStore::default(), config);
        for n in 1..=2 {
            let before = (hits(&mut counter), ignored_views(&mut counter));
            let outcome = counter.handle(&request, NOON);
            let expected = (u64::from(outcome.counted), u64::from(is_ignored(&outcome)));
            let after = (hits(&mut counter), ignored_views(&mut counter));
            assert_eq!(
                (after.0 - before.0, after.1 - before.1),
                expected,
                "hits and ignored views of request {n}"
            );
            wellformed::check(&request.method, &outcome);
        }
    }
});

fn options() -> EventOptions {
    let some = |text: &str| Some(text.to_owned());
    EventOptions { event_amount: None, event_key: None, site_bucket: some("site"), log_bucket: some("logs") }
}

/// Counts messages twice, with and without exact counting. The table must have the reported number of additional
/// hits; with exact counting, none the second time. Every rejection must have a message.
fn count(messages: &[InboundMessage]) {
    for (config, exact) in configs().into_iter().zip([false, true]) {
        let mut counter = Counter::new(MemoryStore::default(), config);
        for delivery in 0..2 {
            let before = hits(&mut counter);
            let outcome = batch::count(&mut counter.batch_context(), messages, exact, NOON);
            assert_eq!(hits(&mut counter) - before, outcome.hits, "delivery {delivery}");
            let is_known = |message: &InboundMessage| !message.dedup_id.is_empty();
            if exact && delivery == 1 && messages.iter().all(is_known) {
                assert_eq!(outcome.hits, 0, "a redelivered message was counted again");
            }
            for (index, message) in messages.iter().enumerate() {
                let failed = outcome.failed.get(&index);
                assert!(message.content.is_ok() || failed.is_some(), "a malformed message was not reported");
                assert!(
                    failed.is_none_or(|failed| !failed.message().is_empty()),
                    "rejected without a message"
                );
            }
        }
    }
}

/// Returns the default configuration, and one with everything enabled.
fn configs() -> [CounterConfig; 2] {
    let rules = CountingRules {
        keep_query: vec!["id".to_owned()],
        ignore_bots: true,
        ignore_opted_out: true,
        origins: Origins::parse(Some("https://a.example")),
    };
    let all = CounterConfig {
        rules,
        paths: PathAdmission::Budget { new_per_day: 1, max_total: 1 },
        visitors: true,
        repeat_s: 10,
        queued: true,
        forwards: false,
        public_stats: true,
        approximate: true,
        origin_secret: Some("secret".to_owned()),
        build: Some("b1".to_owned()),
    };
    [CounterConfig::default(), all]
}

fn hits(counter: &mut Counter<MemoryStore>) -> u64 {
    counter.store().items().map(|(_, item)| item.number(ATTR_HITS)).sum()
}

/// Returns the number of ignored views in the table.
fn ignored_views(counter: &mut Counter<MemoryStore>) -> u64 {
    let key = format!("{KEY_DROPPED_PREFIX}{}", NOON.day().month_attribute());
    let Some(item) = counter.store().raw(&key) else { return 0 };
    let attributes = IgnoreReason::CODES
        .iter()
        .filter_map(|code| IgnoreReason::from_code(code))
        .map(IgnoreReason::attribute);
    attributes.map(|attribute| item.number(attribute)).sum()
}

/// Returns whether the view was ignored. For a page of another site, the response is an error with the reason in a
/// header.
fn is_ignored(outcome: &RouteOutcome) -> bool {
    outcome.ignored.is_some() || outcome.response.header(HEADER_IGNORED).is_some()
}

/// Returns an event of payload format 2.0, with the method, the route, the query, the headers and the body on
/// separate lines of `text`.
fn event(text: &str) -> String {
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (method, route, query) = (next(), next(), next());
    let mut headers = JsonObject::new();
    for name in [
        "origin",
        "user-agent",
        "referer",
        "sec-fetch-site",
        "x-forwarded-for",
        "sec-gpc",
        "sec-purpose",
        "if-none-match",
        "x-hitctl-origin-secret",
        "cloudfront-viewer-address",
    ] {
        headers = match next() {
            "" => headers,
            value => headers.text(name, value),
        };
    }
    let http = JsonObject::new().text("method", method).text("path", route).text("sourceIp", next());
    let context = JsonObject::new().raw("http", &http.end()).text("stage", "$default");
    let rest: Vec<&str> = lines.collect();
    JsonObject::new()
        .text("version", "2.0")
        .text("routeKey", "$default")
        .text("rawPath", route)
        .text("rawQueryString", query)
        .raw("headers", &headers.end())
        .raw("requestContext", &context.end())
        .text("body", &rest.join("\n"))
        .end()
}
