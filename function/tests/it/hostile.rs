//! Sends 100,000 random requests and events with fixed seeds, valid and corrupted ones. Nothing panics, and every
//! response is well-formed. The counts after valid requests are compared with a model, those after corrupted ones
//! with the responses.

mod messages;
mod model;
pub(crate) mod random;

use std::collections::BTreeMap;

use hit_counter::hit::CountItem;
use hit_counter::moment::Moment;
use hit_counter::path::normalise;
use hit_counter::routes::{Counter, CounterConfig, RouteOutcome};
use hit_counter::rules::IgnoreReason;
use hit_counter::store::{MemoryStore, PathAdmission};
use hit_counter::trigger::{EventOptions, TriggerEvent};
use hitctl_config::contract::{
    ATTR_DROPPED_PATH, ATTR_HITS, ATTR_UNIQUES, HEADER_ERROR, KEY_DROPPED_PREFIX, KEY_SITE,
};
use serde_json::Value;

use crate::wellformed;
use model::{CounterModel, ExpectedResponse};
use random::{RandomRequest, SeededRng};

/// 10:00 UTC on 2026-09-20.
const START_MS: u64 = 1_789_898_400_000;
const REQUESTS: usize = 20_000;

fn hits_by_page(counter: &mut Counter<MemoryStore>) -> BTreeMap<String, u64> {
    counter.store().items().map(|(key, item)| (key.to_owned(), item.number(ATTR_HITS))).collect()
}

fn total_hits(counter: &mut Counter<MemoryStore>) -> u64 {
    counter.store().items().map(|(_, item)| item.number(ATTR_HITS)).sum()
}

/// Sends [`REQUESTS`] requests, at most `step_s` seconds apart. Compares each response, and finally the whole table,
/// with the model.
fn compare(seed: u64, config: CounterConfig, pages: usize, step_s: usize, preset_paths: &[&str]) {
    let mut rng = SeededRng(seed);
    let mut counter = Counter::new(MemoryStore::default(), config.clone());
    let mut model = CounterModel::new(config);
    for key in preset_paths {
        counter.store().put(key, CountItem::default());
        model.add_known_path(key);
    }
    let mut now = Moment::from_millis(START_MS);
    let mut sum = 0_u64;
    for n in 0..REQUESTS {
        now = Moment::from_millis(now.millis() + u64::try_from(rng.below(step_s * 1000)).unwrap());
        let random_request = RandomRequest::new(&mut rng, pages);
        let event = random_request.event(&mut rng).to_string();
        let Ok(TriggerEvent::Http(request)) =
            TriggerEvent::parse(event.as_bytes(), &EventOptions::default(), now)
        else {
            panic!("no request: {event}")
        };
        let outcome = counter.handle(&request, now);
        let (expected, counts, why) = model.expect(&random_request, now);
        let context = || format!("seed {seed}, request {n}: {event}\n{outcome:?}\n{expected:?}");
        assert_eq!(outcome.counted, counts, "{}", context());
        assert_eq!(outcome.ignored.map(IgnoreReason::code), why, "{}", context());
        assert!(is_as_expected(&outcome, &expected, random_request.method), "{}", context());
        wellformed::check(random_request.method, &outcome);
        if let (Some(key), true) = (&outcome.key, counts) {
            assert_eq!(Some(key.as_str()), random_request.page.as_deref().ok(), "{}", context());
        }
        sum += u64::from(counts);
    }
    assert_eq!(hits_by_page(&mut counter), model.hits());
    assert_eq!(total_hits(&mut counter), sum);
    let site = counter.store().raw(KEY_SITE).map_or(0, |item| item.number(ATTR_UNIQUES));
    assert_eq!(site, model.site_uniques());
    for ((month, reason), n) in model.dropped() {
        let dropped = counter.store().raw(&format!("{KEY_DROPPED_PREFIX}{month}"));
        // `path` is already the name of the table's key.
        let name = if *reason == "path" { ATTR_DROPPED_PATH } else { reason };
        assert_eq!(dropped.map(|item| item.number(name)), Some(*n), "{reason} in {month}");
    }
    assert!(sum > 2000, "only {sum} requests were counted: the generator creates too few valid ones");
}

fn is_as_expected(outcome: &RouteOutcome, expected: &ExpectedResponse, method: &str) -> bool {
    let response = &outcome.response;
    let body_json = || serde_json::from_str::<Value>(&response.body).unwrap_or_default();
    let has_body = method != "HEAD";
    match expected {
        ExpectedResponse::Body(body) => response.status == 200 && (!has_body || body_json() == *body),
        ExpectedResponse::Badge(n) => {
            let title = format!("<title>views: {n}</title>");
            let shows_number = !has_body || response.body.replace(',', "").contains(&title);
            response.status == 200 && response.header(HEADER_ERROR).is_none() && shows_number
        }
        ExpectedResponse::BadgeError(code) => {
            response.status == 200 && response.header(HEADER_ERROR) == Some(code)
        }
        ExpectedResponse::Status(status) => response.status == *status,
        ExpectedResponse::Error(status, code) => {
            response.status == *status && (!has_body || body_json()["error"] == *code)
        }
    }
}

#[test]
fn default_counter_matches_the_model_over_months() {
    compare(1, CounterConfig::default(), 40, 600, &[]);
}

#[test]
fn counter_with_all_rules_matches_the_model() {
    compare(2, CounterModel::strict_config(), 60, 40, &[]);
}

#[test]
fn counter_with_strict_paths_matches_the_model() {
    let config = CounterConfig { paths: PathAdmission::Strict, ..CounterConfig::default() };
    compare(
        3,
        config,
        30,
        20,
        &[
            "/", "/a/b", "/n/1", "/n/2", "/n/3", "/n/4", "/n/5", "/n/6", "/n/7", "/n/8", "/n/9", "/n/10",
            "my page",
        ],
    );
}

#[test]
fn counter_with_path_budget_matches_the_model() {
    let config = CounterConfig {
        paths: PathAdmission::Budget { new_per_day: 40, max_total: 100 },
        ..CounterConfig::default()
    };
    compare(4, config, 3000, 40, &[]);
}

/// Corrupts an event at random, in ways that do and that do not occur in practice.
fn corrupt(rng: &mut SeededRng, event: &str) -> Vec<u8> {
    let mut bytes = event.as_bytes().to_vec();
    for _ in 0..=rng.below(2) {
        let at = rng.below(bytes.len().max(1));
        let insert =
            |bytes: &mut Vec<u8>, inserted: &[u8]| drop(bytes.splice(at..at, inserted.iter().copied()));
        match rng.below(9) {
            0 => bytes.truncate(at),
            1 | 2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(rng.below(256)).unwrap();
                }
            }
            3 => insert(&mut bytes, b"\xff\xfe"),
            4 => insert(&mut bytes, "[".repeat(rng.below(3000)).as_bytes()),
            5 => insert(&mut bytes, b"\\u0000"),
            6 => insert(&mut bytes, b"\\ud800"),
            7 => insert(&mut bytes, "%c3".repeat(rng.below(3000)).as_bytes()),
            _ => {
                let words =
                    [("\"GET\"", "null"), ("null", "{}"), ("\"2.0\"", "2"), ("true", "null"), ("{", "[{")];
                let (from, to) = rng.pick(&words);
                bytes = String::from_utf8_lossy(&bytes).replacen(from, to, 1).into_bytes();
            }
        }
    }
    bytes
}

#[test]
fn corrupted_events_are_rejected_or_counted_as_reported() {
    let mut rng = SeededRng(5);
    let config = CounterConfig {
        repeat_s: 10,
        public_stats: true,
        approximate: true,
        ..CounterModel::strict_config()
    };
    let mut counter = Counter::new(MemoryStore::default(), config);
    let mut now = Moment::from_millis(START_MS);
    let mut before = 0;
    let (mut rejected, mut sum) = (0, 0);
    for n in 0..REQUESTS {
        now = Moment::from_millis(now.millis() + 3000);
        let event = RandomRequest::new(&mut rng, 20).event(&mut rng).to_string();
        let event = corrupt(&mut rng, &event);
        let request = match TriggerEvent::parse(&event, &EventOptions::default(), now) {
            Ok(TriggerEvent::Http(request)) => request,
            Ok(other) => panic!("a request became {other:?}"),
            Err(failure) => {
                assert_eq!(failure.kind, "Hitctl.UnsupportedEvent", "{}", failure.message);
                rejected += 1;
                continue;
            }
        };
        let outcome = counter.handle(&request, now);
        wellformed::check(&request.method, &outcome);
        let after = total_hits(&mut counter);
        assert_eq!(
            after - before,
            u64::from(outcome.counted),
            "event {n}: {}",
            String::from_utf8_lossy(&event)
        );
        if let (Some(key), true) = (&outcome.key, outcome.counted) {
            assert_eq!(normalise(key.as_str()).as_ref(), Ok(key), "event {n}");
        }
        sum += after - before;
        before = after;
    }
    assert!(
        rejected > 2000 && sum > 300,
        "{rejected} rejected, {sum} counted: the generator corrupts too little or too much"
    );
}
