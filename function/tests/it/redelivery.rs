//! Simulates a queue that delivers as SQS may: late, in any order, more than once, after lost responses, to a
//! function whose table fails at any time. Compares the final counts with what was sent.
//!
//! A redelivered message never reuses the client request token of its first write, so this also covers the
//! time after DynamoDB has forgotten the token, ten minutes later.

use std::collections::BTreeMap;
use std::sync::Mutex;

use hit_counter::batch::MessageError;
use hit_counter::routes::{Counter, CounterConfig};
use hit_counter::store::PathAdmission;
use serde_json::{Value, json};

use crate::engine::{COUNTS, CallHandling, TestDynamoDb};
use crate::fake::FakeReply;
use crate::hostile::random::SeededRng;
use crate::messages;

/// The number of receives after which a message is a dead letter.
const MAX_RECEIVES: usize = 40;

struct SentMessage {
    record: Value,
    /// The hits that it adds; `None` if it is malformed.
    adds: Option<BTreeMap<String, u64>>,
    receives: usize,
}

fn send(rng: &mut SeededRng, number: usize) -> SentMessage {
    let path = |rng: &mut SeededRng| format!("/{}", rng.below(12));
    let mut adds = BTreeMap::new();
    let body = match rng.below(10) {
        0 => rng.pick(&["", "{", "words", "{}", r#"{"path":"/0","n":0}"#, r#"{"path":"!site"}"#]).to_owned(),
        1 => {
            let hits: Vec<Value> = (0..=rng.below(120))
                .map(|_| {
                    let (path, n) = (path(rng), 1 + rng.below(3));
                    *adds.entry(path.clone()).or_insert(0) += u64::try_from(n).unwrap();
                    json!({"path": path, "n": n})
                })
                .collect();
            json!({"hits": hits, "id": format!("own-{number}")}).to_string()
        }
        2 => {
            let path = path(rng);
            adds.insert(path.clone(), 1);
            path
        }
        _ => {
            let (path, n) = (path(rng), 1 + rng.below(5));
            adds.insert(path.clone(), u64::try_from(n).unwrap());
            json!({"v": 1, "path": path, "n": n}).to_string()
        }
    };
    let record = json!({"eventSource": "aws:sqs", "messageId": format!("message-{number}"), "body": body});
    SentMessage { record, adds: (!adds.is_empty()).then_some(adds), receives: 0 }
}

/// Chooses at random how a call is handled: mostly served, sometimes failed or with a lost response.
fn random_faults(seed: u64) -> impl Fn(usize, &crate::fake::ReceivedRequest) -> CallHandling {
    let rng = Mutex::new(SeededRng(seed));
    move |_, _| {
        let mut rng = rng.lock().unwrap();
        let error =
            |kind: &str| CallHandling::Refuse(FakeReply::Json(400, format!(r#"{{"__type":"x#{kind}"}}"#)));
        match rng.below(40) {
            0 => error("ThrottlingException"),
            1 => error("ResourceNotFoundException"),
            2 => CallHandling::Refuse(FakeReply::Json(500, "{}".to_owned())),
            3 | 4 => CallHandling::LoseResponse,
            5 => CallHandling::Refuse(FakeReply::Json(
                400,
                r#"{"__type":"x#TransactionCanceledException","CancellationReasons":[{"Code":"TransactionConflict"}]}"#.to_owned(),
            )),
            _ => CallHandling::Serve,
        }
    }
}

/// Sends messages and delivers them until the queue is empty. Returns for each page the number of hits sent,
/// the maximum that may be counted, and the number counted.
fn simulate(seed: u64, exact: bool, paths: PathAdmission) -> Vec<(u64, u64, u64)> {
    let mut rng = SeededRng(seed);
    let engine = TestDynamoDb::start_with(random_faults(seed));
    let mut queue: Vec<SentMessage> = (0..150).map(|number| send(&mut rng, number)).collect();
    let mut sent: BTreeMap<String, (u64, u64)> = (0..12).map(|n| (format!("/{n}"), (0, 0))).collect();
    for (path, n) in queue.iter().filter_map(|sent| sent.adds.as_ref()).flatten() {
        sent.get_mut(path).unwrap().0 += n;
    }
    // Two processes share the queue.
    let process =
        || Counter::new(engine.store(false, 1), CounterConfig { paths, ..CounterConfig::default() });
    let mut processes = [process(), process()];
    while !queue.is_empty() {
        let mut batch: Vec<usize> = (0..queue.len()).filter(|_| rng.one_in(3)).take(25).collect();
        if batch.is_empty() {
            continue;
        }
        let offset = rng.below(batch.len());
        batch.rotate_left(offset);
        for index in &batch {
            queue[*index].receives += 1;
            for (path, n) in queue[*index].adds.iter().flatten() {
                sent.get_mut(path).unwrap().1 += n;
            }
        }
        // Sometimes a batch contains the same message twice.
        if rng.one_in(4)
            && let Some(first) = batch.first().copied()
        {
            batch.push(first);
            for (path, n) in queue[first].adds.iter().flatten() {
                sent.get_mut(path).unwrap().1 += n;
            }
        }
        let records: Vec<&Value> = batch.iter().map(|index| &queue[*index].record).collect();
        let event = json!({"Records": records}).to_string();
        let counter = &mut processes[rng.below(2)];
        let done = messages::count(counter, &event, exact);
        let mut deleted = Vec::new();
        for (index, number) in batch.iter().enumerate() {
            let message = &queue[*number];
            let failed = done.failed.get(&index);
            match (&message.adds, failed) {
                (None, Some(MessageError::Malformed(_))) | (Some(_), Some(MessageError::NotStored(_))) => {}
                (Some(_), None) => {
                    // The acknowledgement may be lost.
                    if !rng.one_in(6) {
                        deleted.push(*number);
                    }
                }
                other => panic!("seed {seed}: {} became {other:?}", message.record),
            }
            if message.receives >= MAX_RECEIVES {
                assert!(
                    message.adds.is_none(),
                    "seed {seed}: a valid message became a dead letter: {}",
                    message.record
                );
                deleted.push(*number);
            }
        }
        deleted.sort_unstable();
        deleted.dedup();
        for number in deleted.into_iter().rev() {
            queue.swap_remove(number);
        }
    }
    let of_page = |(path, (sent, max_hits)): (&String, &(u64, u64))| {
        let hits = engine
            .items(COUNTS)
            .iter()
            .find(|item| item["path"]["S"] == *path)
            .map_or(0, |item| item["hits"]["N"].as_str().map_or(0, |hits| hits.parse().unwrap()));
        (*sent, *max_hits, hits)
    };
    sent.iter().map(of_page).collect()
}

#[test]
fn exact_counting_counts_each_message_once() {
    for seed in 1..=4 {
        let paths = if seed % 2 == 0 {
            PathAdmission::Open
        } else {
            PathAdmission::Budget { new_per_day: 1000, max_total: 1000 }
        };
        for (sent, _, counted) in simulate(seed, true, paths) {
            assert_eq!(counted, sent, "seed {seed}");
        }
    }
}

#[test]
fn plain_counting_counts_each_message_at_least_once_and_at_most_per_delivery() {
    let mut over = 0;
    for seed in 11..=13 {
        for (sent, max_hits, counted) in simulate(seed, false, PathAdmission::Open) {
            assert!(
                (sent..=max_hits).contains(&counted),
                "seed {seed}: {counted} of {sent}, at most {max_hits}"
            );
            over += counted - sent;
        }
    }
    assert!(over > 0, "no message was counted twice, so the simulation is too easy");
}
