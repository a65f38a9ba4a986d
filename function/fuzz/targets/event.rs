//! Any bytes as an event, all the way to the answer: it is refused in words, or the answer is well-formed and the table
//! has one hit more if and only if the answer says so.

#![no_main]

use hit_counter::batch;
use hit_counter::http::Origins;
use hit_counter::json::Object;
use hit_counter::moment::Moment;
use hit_counter::routes::{Counter, Outcome, Setup};
use hit_counter::rules::{Ignored, Rules};
use hit_counter::store::{Memory, Paths};
use hit_counter::trigger::{Event, Message, Sources};
use hitctl_config::contract::{ATTR_HITS, HEADER_IGNORED, KEY_DROPPED_PREFIX};
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/wellformed.rs"]
mod wellformed;

const NOON: Moment = Moment::from_millis(1_789_898_400_000);

fuzz_target!(|data: &[u8]| {
    // JSON is taken as it is. Anything else is the fields of a request, one a line, so that the routes are reached
    // without the fuzzer having to learn the shape of an event first.
    let event = match data.trim_ascii_start().first() {
        Some(b'{' | b'[' | b'"') => data.to_vec(),
        _ => event(&String::from_utf8_lossy(data)).into_bytes(),
    };
    let request = match Event::parse(&event, &sources(), NOON) {
        Ok(Event::Http(request)) => request,
        Ok(Event::Batch(messages)) => return count(&messages),
        Ok(Event::Single(message, _)) => return count(&[message]),
        Err(failure) => {
            assert!(!failure.message.is_empty(), "refused without a word");
            return;
        }
    };
    for setup in setups() {
        let mut counter = Counter::new(Memory::default(), setup);
        for n in 1..=2 {
            let before = (hits(&mut counter), dropped(&mut counter));
            let outcome = counter.answer(&request, NOON);
            let expected = (u64::from(outcome.counted), u64::from(was_dropped(&outcome)));
            let after = (hits(&mut counter), dropped(&mut counter));
            assert_eq!((after.0 - before.0, after.1 - before.1), expected, "hits and drops of request {n}");
            wellformed::check(&request.method, &outcome);
        }
    }
});

fn sources() -> Sources {
    let all = |text: &str| Some(text.to_owned());
    Sources { event_amount: None, event_key: None, site_bucket: all("site"), log_bucket: all("logs") }
}

/// Messages, twice, as they come and each once: the table has as many hits more as is said, none the second time where each
/// counts once, and what is refused is refused with a word.
fn count(messages: &[Message]) {
    for (setup, exact) in setups().into_iter().zip([false, true]) {
        let mut counter = Counter::new(Memory::default(), setup);
        for delivery in 0..2 {
            let before = hits(&mut counter);
            let outcome = batch::count(&mut counter.tools(), messages, exact, NOON);
            assert_eq!(hits(&mut counter) - before, outcome.hits, "delivery {delivery}");
            let is_known = |message: &Message| !message.mark.is_empty();
            if exact && delivery == 1 && messages.iter().all(is_known) {
                assert_eq!(outcome.hits, 0, "counted again");
            }
            for (place, message) in messages.iter().enumerate() {
                let failed = outcome.failed.get(&place);
                assert!(message.content.is_ok() || failed.is_some(), "malformed, and not told");
                assert!(failed.is_none_or(|failed| !failed.why().is_empty()), "refused without a word");
            }
        }
    }
}

/// Nothing decided, and everything decided.
fn setups() -> [Setup; 2] {
    let rules = Rules {
        keep_query: vec!["id".to_owned()],
        ignore_bots: true,
        ignore_opted_out: true,
        origins: Origins::parse(Some("https://a.example")),
    };
    let all = Setup {
        rules,
        paths: Paths::Budget { new_a_day: 1, most: 1 },
        visitors: true,
        repeat_s: 10,
        queued: true,
        forwards: false,
        public_stats: true,
        approximate: true,
        origin_secret: Some("secret".to_owned()),
        build: Some("b1".to_owned()),
    };
    [Setup::default(), all]
}

fn hits(counter: &mut Counter<Memory>) -> u64 {
    counter.store().items().map(|(_, item)| item.number(ATTR_HITS)).sum()
}

/// The views that were noted as not counted.
fn dropped(counter: &mut Counter<Memory>) -> u64 {
    let key = format!("{KEY_DROPPED_PREFIX}{}", NOON.day().month_attribute());
    let Some(item) = counter.store().raw(&key) else { return 0 };
    Ignored::CODES.iter().map(|code| item.number(code)).sum()
}

/// A view of another site's page is an error, and its reason stands in a header.
fn was_dropped(outcome: &Outcome) -> bool {
    outcome.ignored.is_some() || outcome.answer.header(HEADER_IGNORED).is_some()
}

/// An event of payload 2.0 with the method, the route, the query, the headers and the body on one line each.
fn event(text: &str) -> String {
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (method, route, query) = (next(), next(), next());
    let mut headers = Object::new();
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
    let http = Object::new().text("method", method).text("path", route).text("sourceIp", next());
    let context = Object::new().raw("http", &http.end()).text("stage", "$default");
    let rest: Vec<&str> = lines.collect();
    Object::new()
        .text("version", "2.0")
        .text("routeKey", "$default")
        .text("rawPath", route)
        .text("rawQueryString", query)
        .raw("headers", &headers.end())
        .raw("requestContext", &context.end())
        .text("body", &rest.join("\n"))
        .end()
}
