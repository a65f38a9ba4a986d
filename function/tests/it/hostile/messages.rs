//! Batches that were broken by lot: nothing panics, what is malformed is told, the table holds what is said to be counted,
//! and where each message counts once, the same batch adds nothing the second time.

use hit_counter::batch::{self, Failed};
use hit_counter::routes::{Counter, Setup};
use hit_counter::store::{Memory, Paths};
use hit_counter::trigger::{Content, Event, Sources};
use serde_json::{Value, json};

use super::asked::Dice;
use super::{Moment, START_MS, break_one, hits};

const BATCHES: usize = 10_000;

/// A message of one of the shapes, as a record of SQS.
fn record(dice: &mut Dice, n: usize) -> Value {
    let path = format!("/{}", dice.below(30));
    let view = json!({"cf": {"config": {"requestId": format!("cf{n}")}, "request": {"clientIp": "203.0.113.7",
        "method": dice.pick(&["GET", "POST"]), "uri": path, "querystring": "", "headers": {}}}});
    let body = match dice.below(7) {
        0 => json!({"v": 1, "path": path, "n": 1 + dice.below(9), "ip": "203.0.113.7", "ua": "Mozilla/5.0"}).to_string(),
        1 => json!({"hits": [{"path": path}, {"path": "/x", "ts": "2026-09-20T10:00:00Z"}]}).to_string(),
        2 => path,
        3 => json!({"Records": [view]}).to_string(),
        4 => json!({"id": format!("e{n}"), "detail-type": "Hit", "time": "2026-09-20T10:00:00Z", "detail": {"path": path}}).to_string(),
        5 => json!({"detail-type": "Object Created", "source": "aws.s3", "detail": {"bucket": {"name": "site"}, "object": {"key": "a"}}}).to_string(),
        _ => json!({"p": path, "b": 0}).to_string(),
    };
    let attributes = if body.starts_with(r#"{"b":0"#) {
        json!({"ip": {"stringValue": "203.0.113.7"}, "ua": {"stringValue": "Mozilla/5.0"}})
    } else {
        json!({})
    };
    let body =
        if dice.one_in(3) { String::from_utf8_lossy(&break_one(dice, &body)).into_owned() } else { body };
    json!({"eventSource": "aws:sqs", "messageId": format!("m{n}"), "body": body, "messageAttributes": attributes})
}

#[test]
fn broken_batches_are_counted_as_they_say() {
    let mut dice = Dice(6);
    let now = Moment::from_millis(START_MS);
    let paths = Paths::Budget { new_a_day: 1000, most: 1000 };
    let mut counters = [false, true].map(|exact| {
        let setup = Setup { visitors: true, repeat_s: 10, paths, ..Setup::default() };
        (exact, Counter::new(Memory::default(), setup))
    });
    let (mut refused, mut counted_in_all) = (0, 0);
    for n in 0..BATCHES {
        let records: Vec<Value> = (0..=dice.below(4)).map(|at| record(&mut dice, n * 10 + at)).collect();
        let event = json!({"Records": records}).to_string();
        let event = if dice.one_in(4) { break_one(&mut dice, &event) } else { event.into_bytes() };
        let messages = match Event::parse(&event, &Sources::default(), now) {
            Ok(Event::Batch(messages)) => messages,
            Ok(Event::Single(message, _)) => vec![message],
            Ok(Event::Http(request)) => panic!("a batch became {request:?}"),
            Err(failure) => {
                assert!(failure.message.starts_with("the event is"), "{}", failure.message);
                continue;
            }
        };
        for (exact, counter) in &mut counters {
            let before = hits(counter);
            let counted = batch::count(&mut counter.tools(), &messages, *exact, now);
            assert_eq!(
                hits(counter) - before,
                counted.hits,
                "batch {n}: {}",
                String::from_utf8_lossy(&event)
            );
            for (place, message) in messages.iter().enumerate() {
                match (&message.content, counted.failed.get(&place)) {
                    (Err(why), Some(Failed::Malformed(told))) => assert_eq!(why, told),
                    // A path that cannot be one is found when it is judged.
                    (Ok(Content::Hits(_)), Some(Failed::Malformed(_))) | (Ok(_), None) => {}
                    other => panic!("batch {n}: {other:?}"),
                }
            }
            if *exact && messages.iter().all(|message| !message.mark.is_empty()) {
                let again = batch::count(&mut counter.tools(), &messages, true, now);
                assert_eq!(again.hits, 0, "batch {n}: {}", String::from_utf8_lossy(&event));
            }
            refused += counted.failed.len();
            counted_in_all += counted.hits;
        }
    }
    assert!(refused > 2000 && counted_in_all > 10_000, "{refused} refused, {counted_in_all} counted");
}
