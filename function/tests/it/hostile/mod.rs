//! 100,000 requests and events with a fixed seed, good ones and hostile ones: none panics, none is counted wrongly, every answer
//! is well-formed. What is known to mean something is compared with a model; what was broken by lot, with itself.

pub(crate) mod asked;
mod messages;
mod model;

use std::collections::BTreeMap;

use hit_counter::hit::Item;
use hit_counter::moment::Moment;
use hit_counter::path::normalise;
use hit_counter::routes::{Counter, Outcome, Setup};
use hit_counter::rules::Ignored;
use hit_counter::store::{Memory, Paths};
use hit_counter::trigger::{Event, Sources};
use hitctl_config::contract::{
    ATTR_DROPPED_PATH, ATTR_HITS, ATTR_UNIQUES, HEADER_ERROR, KEY_DROPPED_PREFIX, KEY_SITE,
};
use serde_json::Value;

use crate::wellformed;
use asked::{Asked, Dice};
use model::{Expected, Model};

/// In the afternoon of 2026-09-20.
const START_MS: u64 = 1_789_898_400_000;
const REQUESTS: usize = 20_000;

fn known(counter: &mut Counter<Memory>) -> BTreeMap<String, u64> {
    counter.store().items().map(|(key, item)| (key.to_owned(), item.number(ATTR_HITS))).collect()
}

fn hits(counter: &mut Counter<Memory>) -> u64 {
    counter.store().items().map(|(_, item)| item.number(ATTR_HITS)).sum()
}

/// Asks [`REQUESTS`] times, `step_s` seconds apart at most, and compares each answer and in the end the whole table.
fn compare(seed: u64, setup: Setup, pages: usize, step_s: usize, by_hand: &[&str]) {
    let mut dice = Dice(seed);
    let mut counter = Counter::new(Memory::default(), setup.clone());
    let mut model = Model::new(setup);
    for key in by_hand {
        counter.store().put(key, Item::default());
        model.know(key);
    }
    let mut now = Moment::from_millis(START_MS);
    let mut sum = 0_u64;
    for n in 0..REQUESTS {
        now = Moment::from_millis(now.millis() + u64::try_from(dice.below(step_s * 1000)).unwrap());
        let asked = Asked::draw(&mut dice, pages);
        let event = asked.event(&mut dice).to_string();
        let Ok(Event::Http(request)) = Event::parse(event.as_bytes(), &Sources::default(), now) else {
            panic!("no request: {event}")
        };
        let outcome = counter.answer(&request, now);
        let (expected, counts, why) = model.answer(&asked, now);
        let context = || format!("seed {seed}, request {n}: {event}\n{outcome:?}\n{expected:?}");
        assert_eq!(outcome.counted, counts, "{}", context());
        assert_eq!(outcome.ignored.map(Ignored::code), why, "{}", context());
        assert!(is_as_expected(&outcome, &expected, asked.method), "{}", context());
        wellformed::check(asked.method, &outcome);
        if let (Some(key), true) = (&outcome.key, counts) {
            assert_eq!(Some(key.as_str()), asked.page.as_deref().ok(), "{}", context());
        }
        sum += u64::from(counts);
    }
    assert_eq!(known(&mut counter), model.hits());
    assert_eq!(hits(&mut counter), sum);
    let site = counter.store().raw(KEY_SITE).map_or(0, |item| item.number(ATTR_UNIQUES));
    assert_eq!(site, model.site_uniques());
    for ((month, reason), n) in model.dropped() {
        let noted = counter.store().raw(&format!("{KEY_DROPPED_PREFIX}{month}"));
        // `path` is the table's key.
        let name = if *reason == "path" { ATTR_DROPPED_PATH } else { reason };
        assert_eq!(noted.map(|item| item.number(name)), Some(*n), "{reason} in {month}");
    }
    assert!(sum > 2000, "only {sum} were counted: the lot draws too little that is good");
}

fn is_as_expected(outcome: &Outcome, expected: &Expected, method: &str) -> bool {
    let answer = &outcome.answer;
    let said = || serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
    let has_body = method != "HEAD";
    match expected {
        Expected::Body(body) => answer.status == 200 && (!has_body || said() == *body),
        Expected::Drawn(n) => {
            let title = format!("<title>views: {n}</title>");
            let is_drawn = !has_body || answer.body.replace(',', "").contains(&title);
            answer.status == 200 && answer.header(HEADER_ERROR).is_none() && is_drawn
        }
        Expected::DrawnError(code) => answer.status == 200 && answer.header(HEADER_ERROR) == Some(code),
        Expected::Status(status) => answer.status == *status,
        Expected::Error(status, code) => answer.status == *status && (!has_body || said()["error"] == *code),
    }
}

#[test]
fn a_counter_that_counts_everything_for_months() {
    compare(1, Setup::default(), 40, 600, &[]);
}

#[test]
fn a_careful_counter() {
    compare(2, Model::careful(), 60, 40, &[]);
}

#[test]
fn a_counter_of_paths_that_were_added_by_hand() {
    let setup = Setup { paths: Paths::Strict, ..Setup::default() };
    compare(
        3,
        setup,
        30,
        20,
        &[
            "/", "/a/b", "/n/1", "/n/2", "/n/3", "/n/4", "/n/5", "/n/6", "/n/7", "/n/8", "/n/9", "/n/10",
            "my page",
        ],
    );
}

#[test]
fn a_counter_with_a_budget_of_paths() {
    let setup = Setup { paths: Paths::Budget { new_a_day: 40, most: 100 }, ..Setup::default() };
    compare(4, setup, 3000, 40, &[]);
}

/// Breaks an event in one of the ways in which events break, or in which nobody sends them.
fn break_one(dice: &mut Dice, event: &str) -> Vec<u8> {
    let mut bytes = event.as_bytes().to_vec();
    for _ in 0..=dice.below(2) {
        let at = dice.below(bytes.len().max(1));
        let insert = |bytes: &mut Vec<u8>, piece: &[u8]| drop(bytes.splice(at..at, piece.iter().copied()));
        match dice.below(9) {
            0 => bytes.truncate(at),
            1 | 2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(dice.below(256)).unwrap();
                }
            }
            3 => insert(&mut bytes, b"\xff\xfe"),
            4 => insert(&mut bytes, "[".repeat(dice.below(3000)).as_bytes()),
            5 => insert(&mut bytes, b"\\u0000"),
            6 => insert(&mut bytes, b"\\ud800"),
            7 => insert(&mut bytes, "%c3".repeat(dice.below(3000)).as_bytes()),
            _ => {
                let words =
                    [("\"GET\"", "null"), ("null", "{}"), ("\"2.0\"", "2"), ("true", "null"), ("{", "[{")];
                let (from, to) = dice.pick(&words);
                bytes = String::from_utf8_lossy(&bytes).replacen(from, to, 1).into_bytes();
            }
        }
    }
    bytes
}

#[test]
fn broken_events_are_refused_in_words_or_counted_as_they_say() {
    let mut dice = Dice(5);
    let setup = Setup { repeat_s: 10, public_stats: true, approximate: true, ..Model::careful() };
    let mut counter = Counter::new(Memory::default(), setup);
    let mut now = Moment::from_millis(START_MS);
    let mut before = 0;
    let (mut refused, mut sum) = (0, 0);
    for n in 0..REQUESTS {
        now = Moment::from_millis(now.millis() + 3000);
        let event = Asked::draw(&mut dice, 20).event(&mut dice).to_string();
        let event = break_one(&mut dice, &event);
        let request = match Event::parse(&event, &Sources::default(), now) {
            Ok(Event::Http(request)) => request,
            Ok(other) => panic!("a request became {other:?}"),
            Err(failure) => {
                assert!(failure.message.starts_with("the event is"), "{}", failure.message);
                refused += 1;
                continue;
            }
        };
        let outcome = counter.answer(&request, now);
        wellformed::check(&request.method, &outcome);
        let after = hits(&mut counter);
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
        refused > 2000 && sum > 300,
        "{refused} refused, {sum} counted: the lot is too kind or too cruel"
    );
}
