//! Tests of counting with an in-memory DynamoDB: what each hit writes, what it costs, and the state after partial
//! failures.

use std::sync::Arc;
use std::thread;

use hit_counter::bots::BotSignal;
use hit_counter::hit::{CountItem, CountSummary, Hit};
use hit_counter::moment::Moment;
use hit_counter::path::{PageKey, normalise};
use hit_counter::rules::{BotEvidence, IgnoreReason};
use hit_counter::share::BudgetShare;
use hit_counter::store::{
    AddResult, CounterStore as _, DynamoDbStore, MemoryStore, PathAdmission, StoreError,
};
use hit_counter::visitor::Visitor;
use serde_json::{Value, json};

use crate::engine::{COUNTS, CallHandling, DAY_MS, NOON, TestDynamoDb, describe_call};
use crate::fake::FakeReply;

const BUDGET: PathAdmission = PathAdmission::Budget { new_per_day: 3, max_total: 5 };

fn key(path: &str) -> PageKey {
    normalise(path).unwrap()
}

fn days_later(days: u64) -> Moment {
    Moment::from_millis(NOON.millis() + days * DAY_MS)
}

fn hit(path: &str) -> Hit {
    Hit::one(key(path), NOON)
}

fn counted(hits: u64, uniques: u64) -> AddResult {
    AddResult::Counted(CountSummary { hits, today: hits, uniques, uniques_today: uniques })
}

fn throttled() -> CallHandling {
    let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}"#;
    CallHandling::Refuse(FakeReply::Json(400, body.to_owned()))
}

#[test]
fn hit_is_one_call_and_one_write_unit() {
    let engine = TestDynamoDb::start();
    let mut store = engine.store(false, 1);
    assert_eq!(store.add(&hit("/x"), PathAdmission::Open), Ok(counted(1, 0)));
    assert_eq!(store.add(&hit("/x").with_new_visitor(true), PathAdmission::Open), Ok(counted(2, 1)));
    assert_eq!(engine.calls(), ["UpdateItem hits-test /x"; 2]);
    assert_eq!(engine.units(), [1.0; 2]);
    assert_eq!(engine.fake.connections(), 1);
    let n = |n: &str| json!({"N": n});
    let expected = json!({
        "path": {"S": "/x"}, "hits": n("2"), "dfzg": n("2"), "m2609": n("2"), "uniques": n("1"), "vfzg": n("1"),
        "w2609": n("1"), "first": {"S": "2026-09-20"}, "last": {"S": "2026-09-20T10:00:00Z"},
    });
    assert_eq!(engine.item(COUNTS, "/x"), expected);
}

/// The largest items of a simulation, in a table that computes the sizes of items itself.
#[test]
fn fullest_items_cost_one_write_unit() {
    for (bytes, n) in [(1, 3), (60, 40_000), (512, 3), (512, 80_000_000)] {
        let page = key(&format!("/{}", "k".repeat(bytes - 1)));
        let mut model = MemoryStore::default();
        let mut fullest = CountItem::default();
        let last_day = 2000;
        for day in 0..last_day {
            let hit = Hit { key: page.clone(), at: days_later(day), n, uniques: n, share: None };
            let before = model.item(&page).cloned().unwrap_or_default();
            model.add(&hit, PathAdmission::Open).unwrap();
            if before.size() > fullest.size() {
                fullest = before;
            }
        }
        let engine = TestDynamoDb::start();
        let mut item = json!({"path": {"S": page.as_str()}, "first": {"S": "2026-09-20"}, "last": {"S": "2026-09-20T10:00:00Z"}});
        for (name, value) in &fullest.numbers {
            item[name] = json!({"N": value.to_string()});
        }
        engine.put(COUNTS, &item);
        // The first day of a new month adds the most.
        let hit = Hit { key: page.clone(), at: days_later(last_day + 40), n, uniques: n, share: None };
        engine.store(false, 1).add(&hit, PathAdmission::Open).unwrap();
        let units = engine.units();
        assert!(units.iter().all(|units| *units <= 1.0), "{bytes} bytes, {n} hits: {units:?}");
        assert!(fullest.size() > 900, "{} bytes is not full", fullest.size());
    }
}

#[test]
fn strict_paths_count_only_with_an_existing_item() {
    let engine = TestDynamoDb::start();
    let mut store = engine.store(false, 1);
    assert_eq!(store.add(&hit("/x"), PathAdmission::Strict), Ok(AddResult::UnknownPath));
    assert_eq!(engine.items(COUNTS), [Value::Null; 0]);
    assert_eq!(store.has_item(&key("/x")), Ok(false));
    engine.put(COUNTS, &json!({"path": {"S": "/x"}, "hits": {"N": "41"}}));
    assert_eq!(store.has_item(&key("/x")), Ok(true));
    let expected = CountSummary { hits: 42, today: 1, ..CountSummary::default() };
    assert_eq!(store.add(&hit("/x"), PathAdmission::Strict), Ok(AddResult::Counted(expected)));
}

#[test]
fn path_budget_is_limited_by_day_and_in_total() {
    let engine = TestDynamoDb::start();
    let mut store = engine.store(false, 1);
    let mut add = |path: &str, day: u64| {
        let hit = Hit::one(key(path), days_later(day));
        match store.add(&hit, BUDGET).unwrap() {
            AddResult::Counted(counts) => Some(counts.hits),
            AddResult::BudgetExhausted => None,
            AddResult::UnknownPath => panic!("a path budget never returns `UnknownPath`"),
        }
    };
    assert_eq!([add("/1", 0), add("/2", 0), add("/3", 0), add("/4", 0)], [Some(1), Some(1), Some(1), None]);
    assert_eq!([add("/3", 0), add("/5", 0)], [Some(2), None], "a known path is still counted");
    let calls = engine.calls();
    let last = &calls[calls.len() - 3..];
    assert_eq!(last, ["UpdateItem hits-test !budget", "UpdateItem hits-test /3", "UpdateItem hits-test /5"]);
    assert_eq!([add("/4", 1), add("/5", 1), add("/6", 1)], [Some(1), Some(1), None], "five paths in total");
    assert_eq!([add("/6", 2), add("/1", 2)], [None, Some(2)]);
    assert_eq!(engine.number("!budget", "paths"), 5);
    assert_eq!(engine.number("!budget", "dfzg"), 3);
    assert!(engine.item(COUNTS, "/6").is_null());
}

#[test]
fn client_cannot_use_the_whole_budget_in_any_process() {
    let engine = TestDynamoDb::start();
    let paths = PathAdmission::Budget { new_per_day: 30, max_total: 1000 };
    let share_of = |address: &str| BudgetShare::for_visitor(&Visitor::new(address, "Mozilla/5.0").unwrap());
    let (flood, other) = (share_of("203.0.113.7"), share_of("198.51.100.1"));
    let add = |store: &mut DynamoDbStore, path: &str, share: BudgetShare| {
        let added = store.add(&hit(path).with_share(Some(share)), paths).unwrap();
        matches!(added, AddResult::Counted(_))
    };
    let mut store = engine.store(false, 1);
    let counted = (0..20).filter(|n| add(&mut store, &format!("/flood/{n}"), flood)).count();
    assert_eq!(counted, 10);
    let calls = engine.calls();
    assert_eq!(
        calls[..3],
        ["UpdateItem hits-test /flood/0", "UpdateItem hits-test !budget", "UpdateItem hits-test /flood/0"]
    );
    let refused = &calls[30..];
    assert_eq!(
        refused[..3],
        ["UpdateItem hits-test /flood/10", "UpdateItem hits-test !budget", "GetItem hits-test !budget"]
    );
    assert_eq!(
        refused.len(),
        3 + 9,
        "the budget is read once, and then remembered as exhausted: {refused:?}"
    );
    assert!(
        !store.may_admit_path(paths, Some(flood), NOON.day())
            && store.may_admit_path(paths, Some(other), NOON.day())
    );
    // In a new process, the table refuses the path.
    let mut second = engine.store(false, 1);
    assert!(!add(&mut second, "/flood/20", flood));
    assert!(add(&mut second, "/new", other) && add(&mut second, "/flood/3", flood));
    let without_client = second.add(&hit("/without-client"), paths).unwrap();
    assert_eq!(without_client, counted_once());
    assert_eq!(engine.number("!budget", "dfzg"), 12);
    // The next day begins with unused shares, and the attributes of the day before are removed.
    let tomorrow = Hit::one(key("/flood/21"), days_later(1)).with_share(Some(flood));
    assert_eq!(second.add(&tomorrow, paths).unwrap(), counted_once());
    let budget = engine.item(COUNTS, "!budget");
    let shares = budget.as_object().unwrap().keys().filter(|name| name.contains('#')).count();
    assert_eq!(shares, 2, "{budget}");
}

fn counted_once() -> AddResult {
    counted(1, 0)
}

#[test]
fn zero_budget_admits_no_path() {
    for paths in [
        PathAdmission::Budget { new_per_day: 0, max_total: 5 },
        PathAdmission::Budget { new_per_day: 5, max_total: 0 },
    ] {
        let engine = TestDynamoDb::start();
        assert_eq!(engine.store(false, 1).add(&hit("/x"), paths), Ok(AddResult::BudgetExhausted));
        assert_eq!(engine.items(COUNTS), [Value::Null; 0]);
    }
}

#[test]
fn concurrent_processes_keep_the_budget_and_lose_no_hit() {
    let engine = Arc::new(TestDynamoDb::start());
    let paths = PathAdmission::Budget { new_per_day: 10, max_total: 1000 };
    let processes: Vec<_> = (0..6)
        .map(|process| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || {
                let mut store = engine.store(false, 1);
                let count = |n: &u32| {
                    let path = format!("/{}", (n * 7 + process * 3) % 30);
                    matches!(store.add(&hit(&path), paths), Ok(AddResult::Counted(_)))
                };
                (0..60).filter(count).count()
            })
        })
        .collect();
    let counted_hits: usize = processes.into_iter().map(|process| process.join().unwrap()).sum();
    let pages = engine.store(false, 1).pages(NOON.day()).unwrap();
    assert_eq!(pages.site.hits, counted_hits as u64);
    assert!(pages.list.len() <= 10, "{} paths", pages.list.len());
    assert_eq!(engine.number("!budget", "paths"), 10, "the whole budget is used");
}

#[test]
fn failure_between_budget_and_hit_costs_a_path_and_no_hit() {
    for lose_response in [false, true] {
        // The third call counts the hit.
        let choose = move |number, _: &_| match number {
            2 if lose_response => CallHandling::LoseResponse,
            2 => throttled(),
            _ => CallHandling::Serve,
        };
        let engine = TestDynamoDb::start_with(choose);
        let mut store = engine.store(false, 1);
        let result = store.add(&hit("/x"), BUDGET);
        assert_eq!(matches!(result, Err(StoreError::Throttled(_))), !lose_response, "{result:?}");
        assert_eq!(
            engine.number("/x", "hits"),
            u64::from(lose_response),
            "counted once if only the response was lost"
        );
        assert_eq!(engine.number("!budget", "paths"), 1);
        assert_eq!(engine.calls().len(), 3, "never sent twice");
    }
    let engine =
        TestDynamoDb::start_with(
            |number, _| if number == 1 { CallHandling::LoseResponse } else { CallHandling::Serve },
        );
    assert!(matches!(engine.store(false, 1).add(&hit("/x"), BUDGET), Err(StoreError::Unavailable(_))));
    assert!(engine.item(COUNTS, "/x").is_null());
}

#[test]
fn shards_are_summed() {
    let engine = TestDynamoDb::start();
    engine.put(COUNTS, &json!({"path": {"S": "/x"}, "hits": {"N": "100"}, "first": {"S": "2026-01-01"}}));
    let mut store = engine.store(false, 3);
    for n in 1..=60 {
        let expected = CountSummary { hits: 100 + n, today: n, uniques: n / 2, uniques_today: n / 2 };
        assert_eq!(
            store.add(&hit("/x").with_new_visitor(n % 2 == 0), PathAdmission::Strict),
            Ok(AddResult::Counted(expected))
        );
    }
    for shard in ["/x", "!shard#1#/x", "!shard#2#/x"] {
        assert!(engine.number(shard, "dfzg") > 5, "{shard} has too few hits");
    }
    assert!(engine.item(COUNTS, "!shard#3#/x").is_null());
    store.add(&hit("/y"), PathAdmission::Open).unwrap();
    let sum = CountSummary { hits: 160, today: 60, uniques: 30, uniques_today: 30 };
    let one = CountSummary { hits: 1, today: 1, ..CountSummary::default() };
    let read = store.read(&[key("/y"), key("/never"), key("/x")], NOON.day());
    assert_eq!(read, Ok(vec![one, CountSummary::default(), sum]));
    let mut pages = store.pages(NOON.day()).unwrap();
    pages.list.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(pages.list, [("/x".to_owned(), sum), ("/y".to_owned(), one)]);
    assert_eq!((pages.site.hits, pages.site.uniques), (161, 0), "no visitor of the site was recorded");
    let history = store.history(Some(&key("/x"))).unwrap();
    assert_eq!((history.number("m2609"), history.number("w2609"), history.number("hits")), (60, 30, 160));
    assert_eq!(store.history(None).unwrap().number("m2609"), 61);
}

#[test]
fn first_item_of_a_new_path_is_its_base_item() {
    for paths in [PathAdmission::Open, BUDGET, PathAdmission::Strict] {
        let engine = TestDynamoDb::start();
        let mut store = engine.store(false, 64);
        let added = store.add(&hit("/x"), paths).unwrap();
        if paths == PathAdmission::Strict {
            assert_eq!(added, AddResult::UnknownPath);
            assert_eq!(engine.items(COUNTS), [Value::Null; 0]);
            continue;
        }
        assert_eq!(added, counted(1, 0));
        assert_eq!(engine.number("/x", "hits"), 1);
        for n in 2..=20 {
            assert_eq!(store.add(&hit("/x"), paths), Ok(counted(n, 0)));
        }
    }
}

#[test]
fn hit_is_counted_even_if_its_other_shards_cannot_be_read() {
    let engine = TestDynamoDb::start_with(|_, request| match request.operation() {
        "BatchGetItem" => throttled(),
        _ => CallHandling::Serve,
    });
    let mut store = engine.store(false, 2);
    assert_eq!(store.add(&hit("/x"), PathAdmission::Open), Ok(counted(1, 0)));
    let warnings = store.take_warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0].message, "failed to read the other shards of a path");
    assert!(format!("{:?}", warnings[0].detail).contains("dynamodb BatchGetItem"), "{warnings:?}");
}

#[test]
fn ignored_views_are_counted_by_month_and_reason() {
    let engine = TestDynamoDb::start();
    let mut store = engine.store(false, 1);
    let bot = IgnoreReason::Bot(BotEvidence::UserAgent(BotSignal::Missing));
    for why in [bot, bot, IgnoreReason::UnknownPath, IgnoreReason::BudgetExhausted, IgnoreReason::Duplicate] {
        store.count_ignored(why, 1, NOON).unwrap();
    }
    store.count_ignored(bot, 1, days_later(30)).unwrap();
    let n = |n: &str| json!({"N": n});
    let expected = json!({"path": {"S": "!dropped#m2609"}, "bot": n("2"), "strict": n("1"), "full": n("1"), "dup": n("1")});
    assert_eq!(engine.item(COUNTS, "!dropped#m2609"), expected);
    assert_eq!(engine.number("!dropped#m2610", "bot"), 1);
    assert_eq!(store.pages(NOON.day()).unwrap().list, []);
    assert!(engine.units()[..6].iter().all(|units| *units <= 1.0));
}

#[test]
fn totals_are_read_over_scan_pages_without_reserved_items() {
    let engine = TestDynamoDb::start();
    for n in 0..400 {
        let pad = "p".repeat(4000);
        engine.put(COUNTS, &json!({"path": {"S": format!("/{n}")}, "hits": {"N": "2"}, "pad": {"S": pad}}));
    }
    for reserved in ["!lease", "!budget", "!import#1", "!dropped#m2609"] {
        engine.put(COUNTS, &json!({"path": {"S": reserved}, "hits": {"N": "900"}, "paths": {"N": "9"}}));
    }
    engine.put(
        COUNTS,
        &json!({"path": {"S": "!site"}, "uniques": {"N": "5"}, "vfzg": {"N": "3"}, "w2609": {"N": "4"}}),
    );
    let mut store = engine.store(false, 1);
    let pages = store.pages(NOON.day()).unwrap();
    assert_eq!(pages.list.len(), 400);
    assert_eq!(pages.site, CountSummary { hits: 800, today: 0, uniques: 5, uniques_today: 3 });
    assert!(engine.calls().len() > 1, "expected several `Scan` calls");
    let history = store.history(None).unwrap();
    assert_eq!((history.number("hits"), history.number("w2609"), history.number("paths")), (800, 4, 0));
}

#[test]
fn full_item_is_trimmed_by_one_more_call() {
    let engine = TestDynamoDb::start();
    let mut item = json!({"path": {"S": "/x"}, "hits": {"N": "60"}});
    for day in 1..=60_u32 {
        let (then, n) = (hit_counter::moment::Day::from_number(20_716 - day), json!({"N": "1"}));
        item[then.attribute()] = n.clone();
        item[then.uniques_attribute()] = n;
    }
    engine.put(COUNTS, &item);
    let mut store = engine.store(false, 1);
    for _ in 0..2 {
        store.add(&hit("/x").with_new_visitor(true), PathAdmission::Open).unwrap();
    }
    assert_eq!(engine.calls().len(), 3, "the second hit trims nothing");
    let trimmed = engine.item(COUNTS, "/x");
    let kept =
        |prefix: &str| trimmed.as_object().unwrap().keys().filter(|name| name.starts_with(prefix)).count();
    assert_eq!((kept("d"), kept("v")), (31, 31));
    let trimming: Value = serde_json::from_str(&engine.fake.received()[1].body).unwrap();
    assert_eq!(trimming["ConditionExpression"], "attribute_exists(#p)");
    assert_eq!(describe_call(&engine.fake.received()[1]), "UpdateItem hits-test /x");
}

/// The service and its emulators write the name of an error with or without a prefix.
#[test]
fn failed_condition_is_recognized_by_any_of_its_names() {
    for kind in [
        "ConditionalCheckFailedException",
        "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
    ] {
        let engine = TestDynamoDb::start_with(move |_, _| {
            let body = json!({"__type": kind, "message": "The conditional request failed"});
            CallHandling::Refuse(FakeReply::Json(400, body.to_string()))
        });
        let mut store = engine.store(false, 1);
        assert_eq!(store.add(&hit("/x"), PathAdmission::Strict), Ok(AddResult::UnknownPath), "{kind}");
        assert_eq!(store.add(&hit("/x"), BUDGET), Ok(AddResult::BudgetExhausted));
        assert!(matches!(store.add(&hit("/x"), PathAdmission::Open), Err(StoreError::Unavailable(_))));
    }
}

/// A store must be movable to another thread.
#[test]
fn store_is_send() {
    fn is_send<T: Send>() {}
    is_send::<DynamoDbStore>();
}
