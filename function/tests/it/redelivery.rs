//! A queue that delivers as SQS may: late, in any order, more than once, after answers that were lost, to a function whose
//! table fails at any time. What is counted in the end is compared with what was sent.
//!
//! A redelivered message never comes with the token that it was written with, so that this is also what happens once
//! DynamoDB has forgotten the token, ten minutes later.

use std::collections::BTreeMap;
use std::sync::Mutex;

use hit_counter::batch::Failed;
use hit_counter::routes::{Counter, Setup};
use hit_counter::store::Paths;
use serde_json::{Value, json};

use crate::engine::{COUNTS, Engine, Fate};
use crate::fake::Reply;
use crate::hostile::asked::Dice;
use crate::messages;

/// After so many receives a message is a dead letter.
const RECEIVES: usize = 40;

struct Sent {
    record: Value,
    /// What it adds; nothing if it is malformed.
    adds: Option<BTreeMap<String, u64>>,
    receives: usize,
}

fn send(dice: &mut Dice, number: usize) -> Sent {
    let path = |dice: &mut Dice| format!("/{}", dice.below(12));
    let mut adds = BTreeMap::new();
    let body = match dice.below(10) {
        0 => dice.pick(&["", "{", "words", "{}", r#"{"path":"/0","n":0}"#, r#"{"path":"!site"}"#]).to_owned(),
        1 => {
            let hits: Vec<Value> = (0..=dice.below(120))
                .map(|_| {
                    let (path, n) = (path(dice), 1 + dice.below(3));
                    *adds.entry(path.clone()).or_insert(0) += u64::try_from(n).unwrap();
                    json!({"path": path, "n": n})
                })
                .collect();
            json!({"hits": hits, "id": format!("own-{number}")}).to_string()
        }
        2 => {
            let path = path(dice);
            adds.insert(path.clone(), 1);
            path
        }
        _ => {
            let (path, n) = (path(dice), 1 + dice.below(5));
            adds.insert(path.clone(), u64::try_from(n).unwrap());
            json!({"v": 1, "path": path, "n": n}).to_string()
        }
    };
    let record = json!({"eventSource": "aws:sqs", "messageId": format!("message-{number}"), "body": body});
    Sent { record, adds: (!adds.is_empty()).then_some(adds), receives: 0 }
}

/// What becomes of a call: mostly it is served, now and then it fails, or its answer is lost.
fn chaos(seed: u64) -> impl Fn(usize, &crate::fake::Received) -> Fate {
    let dice = Mutex::new(Dice(seed));
    move |_, _| {
        let mut dice = dice.lock().unwrap();
        let error = |kind: &str| Fate::Refused(Reply::Json(400, format!(r#"{{"__type":"x#{kind}"}}"#)));
        match dice.below(40) {
            0 => error("ThrottlingException"),
            1 => error("ResourceNotFoundException"),
            2 => Fate::Refused(Reply::Json(500, "{}".to_owned())),
            3 | 4 => Fate::Lost,
            5 => Fate::Refused(Reply::Json(
                400,
                r#"{"__type":"x#TransactionCanceledException","CancellationReasons":[{"Code":"TransactionConflict"}]}"#.to_owned(),
            )),
            _ => Fate::Served,
        }
    }
}

/// Sends, delivers until the queue is empty, and returns what was sent to each page, the most that may be counted there,
/// and what was counted.
fn live(seed: u64, exact: bool, paths: Paths) -> Vec<(u64, u64, u64)> {
    let mut dice = Dice(seed);
    let engine = Engine::with(chaos(seed));
    let mut queue: Vec<Sent> = (0..150).map(|number| send(&mut dice, number)).collect();
    let mut sent: BTreeMap<String, (u64, u64)> = (0..12).map(|n| (format!("/{n}"), (0, 0))).collect();
    for (path, n) in queue.iter().filter_map(|sent| sent.adds.as_ref()).flatten() {
        sent.get_mut(path).unwrap().0 += n;
    }
    // Some processes, one after the other and by turns.
    let process = || Counter::new(engine.store(false, 1), Setup { paths, ..Setup::default() });
    let mut processes = [process(), process()];
    while !queue.is_empty() {
        let mut batch: Vec<usize> = (0..queue.len()).filter(|_| dice.one_in(3)).take(25).collect();
        if batch.is_empty() {
            continue;
        }
        let turn = dice.below(batch.len());
        batch.rotate_left(turn);
        for place in &batch {
            queue[*place].receives += 1;
            for (path, n) in queue[*place].adds.iter().flatten() {
                sent.get_mut(path).unwrap().1 += n;
            }
        }
        // Now and then the same message is in a batch twice.
        if dice.one_in(4)
            && let Some(first) = batch.first().copied()
        {
            batch.push(first);
            for (path, n) in queue[first].adds.iter().flatten() {
                sent.get_mut(path).unwrap().1 += n;
            }
        }
        let records: Vec<&Value> = batch.iter().map(|place| &queue[*place].record).collect();
        let event = json!({"Records": records}).to_string();
        let counter = &mut processes[dice.below(2)];
        let done = messages::count(counter, &event, exact);
        let mut gone = Vec::new();
        for (place, number) in batch.iter().enumerate() {
            let message = &queue[*number];
            let failed = done.failed.get(&place);
            match (&message.adds, failed) {
                (None, Some(Failed::Malformed(_))) | (Some(_), Some(Failed::Store(_))) => {}
                (Some(_), None) => {
                    // The queue may not hear of it.
                    if !dice.one_in(6) {
                        gone.push(*number);
                    }
                }
                other => panic!("seed {seed}: {} became {other:?}", message.record),
            }
            if message.receives >= RECEIVES {
                assert!(message.adds.is_none(), "seed {seed}: a good one is dead: {}", message.record);
                gone.push(*number);
            }
        }
        gone.sort_unstable();
        gone.dedup();
        for number in gone.into_iter().rev() {
            queue.swap_remove(number);
        }
    }
    let of_page = |(path, (sent, most)): (&String, &(u64, u64))| {
        let hits = engine
            .items(COUNTS)
            .iter()
            .find(|item| item["path"]["S"] == *path)
            .map_or(0, |item| item["hits"]["N"].as_str().map_or(0, |hits| hits.parse().unwrap()));
        (*sent, *most, hits)
    };
    sent.iter().map(of_page).collect()
}

#[test]
fn each_message_counts_exactly_once() {
    for seed in 1..=4 {
        let paths = if seed % 2 == 0 { Paths::Open } else { Paths::Budget { new_a_day: 1000, most: 1000 } };
        for (sent, _, counted) in live(seed, true, paths) {
            assert_eq!(counted, sent, "seed {seed}");
        }
    }
}

#[test]
fn without_exact_none_is_missing_and_none_counts_more_often_than_it_was_delivered() {
    let mut over = 0;
    for seed in 11..=13 {
        for (sent, most, counted) in live(seed, false, Paths::Open) {
            assert!((sent..=most).contains(&counted), "seed {seed}: {counted} of {sent}, at most {most}");
            over += counted - sent;
        }
    }
    assert!(over > 0, "nothing was delivered twice: the lot is too kind");
}
