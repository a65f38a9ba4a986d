//! Counts randomly corrupted batches: nothing panics, malformed messages are reported, and the table contains the
//! reported number of hits. With exact counting, the same batch is not counted a second time.

use hit_counter::batch::{self, MessageError};
use hit_counter::routes::{Counter, CounterConfig};
use hit_counter::store::{MemoryStore, PathAdmission};
use hit_counter::trigger::{EventOptions, ParsedContent, TriggerEvent};
use serde_json::{Value, json};

use super::random::SeededRng;
use super::{Moment, START_MS, corrupt, total_hits};

const BATCHES: usize = 10_000;

/// Returns a message of a random kind, as an SQS record.
fn record(rng: &mut SeededRng, n: usize) -> Value {
    let path = format!("/{}", rng.below(30));
    let view = json!({"cf": {"config": {"requestId": format!("cf{n}")}, "request": {"clientIp": "203.0.113.7",
        "method": rng.pick(&["GET", "POST"]), "uri": path, "querystring": "", "headers": {}}}});
    let body = match rng.below(7) {
        0 => json!({"v": 1, "path": path, "n": 1 + rng.below(9), "ip": "203.0.113.7", "ua": "Mozilla/5.0"}).to_string(),
        1 => json!({"hits": [{"path": path}, {"path": "/x", "ts": "2026-09-20T10:00:00Z"}]}).to_string(),
        2 => path,
        3 => json!({"Records": [view]}).to_string(),
        4 => json!({"id": format!("e{n}"), "detail-type": "Hit", "time": "2026-09-20T10:00:00Z", "detail": {"path": path}}).to_string(),
        5 => json!({"detail-type": "Object Created", "source": "aws.s3", "detail": {"bucket": {"name": "site"}, "object": {"key": "a"}}}).to_string(),
        _ => json!({"p": path, "b": 0}).to_string(),
    };
    // Only the last kind of body begins like this: a hit that a page sent.
    let attributes = if body.starts_with(r#"{"b":0"#) {
        json!({"ip": {"stringValue": "203.0.113.7"}, "ua": {"stringValue": "Mozilla/5.0"}})
    } else {
        json!({})
    };
    let body = if rng.one_in(3) { String::from_utf8_lossy(&corrupt(rng, &body)).into_owned() } else { body };
    json!({"eventSource": "aws:sqs", "messageId": format!("m{n}"), "body": body, "messageAttributes": attributes})
}

#[test]
fn corrupted_batches_are_counted_as_reported() {
    let mut rng = SeededRng(6);
    let now = Moment::from_millis(START_MS);
    let paths = PathAdmission::Budget { new_per_day: 1000, max_total: 1000 };
    let mut counters = [false, true].map(|exact| {
        let config = CounterConfig { visitors: true, repeat_s: 10, paths, ..CounterConfig::default() };
        (exact, Counter::new(MemoryStore::default(), config))
    });
    let (mut refused, mut counted_in_all) = (0, 0);
    for n in 0..BATCHES {
        let records: Vec<Value> = (0..=rng.below(4)).map(|at| record(&mut rng, n * 10 + at)).collect();
        let event = json!({"Records": records}).to_string();
        let event = if rng.one_in(4) { corrupt(&mut rng, &event) } else { event.into_bytes() };
        let messages = match TriggerEvent::parse(&event, &EventOptions::default(), now) {
            Ok(TriggerEvent::Batch(messages)) => messages,
            Ok(TriggerEvent::Single(message, _)) => vec![message],
            Ok(TriggerEvent::Http(request)) => panic!("a batch became {request:?}"),
            Err(failure) => {
                assert_eq!(failure.kind, "Hitctl.UnsupportedEvent", "{}", failure.message);
                continue;
            }
        };
        for (exact, counter) in &mut counters {
            let before = total_hits(counter);
            let counted = batch::count(&mut counter.batch_context(), &messages, *exact, now);
            assert_eq!(
                total_hits(counter) - before,
                counted.hits,
                "batch {n}: {}",
                String::from_utf8_lossy(&event)
            );
            for (index, message) in messages.iter().enumerate() {
                match (&message.content, counted.failed.get(&index)) {
                    (Err(why), Some(MessageError::Malformed(reported))) => assert_eq!(why, reported),
                    // An invalid path is found when the rules are applied.
                    (Ok(ParsedContent::Hits(_)), Some(MessageError::Malformed(_))) | (Ok(_), None) => {}
                    other => panic!("batch {n}: {other:?}"),
                }
            }
            if *exact && messages.iter().all(|message| !message.dedup_id.is_empty()) {
                let redelivered = batch::count(&mut counter.batch_context(), &messages, true, now);
                assert_eq!(redelivered.hits, 0, "batch {n}: {}", String::from_utf8_lossy(&event));
            }
            refused += counted.failed.len();
            counted_in_all += counted.hits;
        }
    }
    assert!(refused > 2000 && counted_in_all > 10_000, "{refused} refused, {counted_in_all} counted");
}
