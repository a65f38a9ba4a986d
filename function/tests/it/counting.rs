//! Counting against a real engine: what each hit writes, what it costs, and what is left when something fails halfway.

use std::sync::Arc;
use std::thread;

use hit_counter::bots::Sign;
use hit_counter::hit::{Counts, Hit, Item};
use hit_counter::moment::Moment;
use hit_counter::path::{Key, normalise};
use hit_counter::rules::{Ignored, Robot};
use hit_counter::share::Share;
use hit_counter::store::{Added, DynamoDb, Memory, Paths, Store as _, StoreError};
use hit_counter::visitor::Visitor;
use serde_json::{Value, json};

use crate::engine::{COUNTS, DAY_MS, Engine, Fate, NOON, about};
use crate::fake::Reply;

const BUDGET: Paths = Paths::Budget { new_a_day: 3, most: 5 };

fn key(path: &str) -> Key {
    normalise(path).unwrap()
}

fn days_on(days: u64) -> Moment {
    Moment::from_millis(NOON.millis() + days * DAY_MS)
}

fn hit(path: &str) -> Hit {
    Hit::one(key(path), NOON)
}

fn counted(hits: u64, uniques: u64) -> Added {
    Added::Counted(Counts { hits, today: hits, uniques, uniques_today: uniques })
}

fn throttled() -> Fate {
    let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}"#;
    Fate::Refused(Reply::Json(400, body.to_owned()))
}

#[test]
fn a_hit_is_one_call_and_one_write_unit() {
    let engine = Engine::start();
    let mut store = engine.store(false, 1);
    assert_eq!(store.add(&hit("/x"), Paths::Open), Ok(counted(1, 0)));
    assert_eq!(store.add(&hit("/x").by(true), Paths::Open), Ok(counted(2, 1)));
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

/// The model's items of ten years, at their fullest, in a table whose engine has its own idea of an item's size.
#[test]
fn the_fullest_items_cost_one_write_unit() {
    for (bytes, n) in [(1, 3), (60, 40_000), (512, 3), (512, 80_000_000)] {
        let page = key(&format!("/{}", "k".repeat(bytes - 1)));
        let mut model = Memory::default();
        let mut fullest = Item::default();
        let last_day = 2000;
        for day in 0..last_day {
            let hit = Hit { key: page.clone(), at: days_on(day), n, uniques: n, share: None };
            let before = model.item(&page).cloned().unwrap_or_default();
            model.add(&hit, Paths::Open).unwrap();
            if before.size() > fullest.size() {
                fullest = before;
            }
        }
        let engine = Engine::start();
        let mut item = json!({"path": {"S": page.as_str()}, "first": {"S": "2026-09-20"}, "last": {"S": "2026-09-20T10:00:00Z"}});
        for (name, value) in &fullest.numbers {
            item[name] = json!({"N": value.to_string()});
        }
        engine.put(COUNTS, &item);
        // The first of a next month adds the most.
        let hit = Hit { key: page.clone(), at: days_on(last_day + 40), n, uniques: n, share: None };
        engine.store(false, 1).add(&hit, Paths::Open).unwrap();
        let units = engine.units();
        assert!(units.iter().all(|units| *units <= 1.0), "{bytes} bytes, {n} hits: {units:?}");
        assert!(fullest.size() > 900, "{} bytes is not full", fullest.size());
    }
}

#[test]
fn strict_paths_count_only_where_there_is_an_item() {
    let engine = Engine::start();
    let mut store = engine.store(false, 1);
    assert_eq!(store.add(&hit("/x"), Paths::Strict), Ok(Added::Unknown));
    assert_eq!(engine.items(COUNTS), [Value::Null; 0]);
    assert_eq!(store.knows(&key("/x")), Ok(false));
    engine.put(COUNTS, &json!({"path": {"S": "/x"}, "hits": {"N": "41"}}));
    assert_eq!(store.knows(&key("/x")), Ok(true));
    let expected = Counts { hits: 42, today: 1, ..Counts::default() };
    assert_eq!(store.add(&hit("/x"), Paths::Strict), Ok(Added::Counted(expected)));
}

#[test]
fn a_budget_of_new_paths_is_kept_by_day_and_in_all() {
    let engine = Engine::start();
    let mut store = engine.store(false, 1);
    let mut add = |path: &str, day: u64| {
        let hit = Hit::one(key(path), days_on(day));
        match store.add(&hit, BUDGET).unwrap() {
            Added::Counted(counts) => Some(counts.hits),
            Added::Full => None,
            Added::Unknown => panic!("a budget knows no lists"),
        }
    };
    assert_eq!([add("/1", 0), add("/2", 0), add("/3", 0), add("/4", 0)], [Some(1), Some(1), Some(1), None]);
    assert_eq!([add("/3", 0), add("/5", 0)], [Some(2), None], "a path that is there counts on");
    let calls = engine.calls();
    let last = &calls[calls.len() - 3..];
    assert_eq!(last, ["UpdateItem hits-test !budget", "UpdateItem hits-test /3", "UpdateItem hits-test /5"]);
    assert_eq!([add("/4", 1), add("/5", 1), add("/6", 1)], [Some(1), Some(1), None], "five in all");
    assert_eq!([add("/6", 2), add("/1", 2)], [None, Some(2)]);
    assert_eq!(engine.number("!budget", "paths"), 5);
    assert_eq!(engine.number("!budget", "dfzg"), 3);
    assert!(engine.item(COUNTS, "/6").is_null());
}

#[test]
fn one_client_does_not_take_the_whole_budget_whatever_process_it_meets() {
    let engine = Engine::start();
    let paths = Paths::Budget { new_a_day: 30, most: 1000 };
    let by = |address: &str| Share::of(&Visitor::new(address, "Mozilla/5.0").unwrap());
    let (flood, other) = (by("203.0.113.7"), by("198.51.100.1"));
    let add = |store: &mut DynamoDb, path: &str, share: Share| {
        let added = store.add(&hit(path).charged_to(Some(share)), paths).unwrap();
        matches!(added, Added::Counted(_))
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
    assert_eq!(refused.len(), 3 + 9, "the budget is asked once, and then known to refuse: {refused:?}");
    assert!(
        !store.may_admit(paths, Some(flood), NOON.day()) && store.may_admit(paths, Some(other), NOON.day())
    );
    // A process that starts anew learns it from the table.
    let mut second = engine.store(false, 1);
    assert!(!add(&mut second, "/flood/20", flood));
    assert!(add(&mut second, "/new", other) && add(&mut second, "/flood/3", flood));
    let of_sender = second.add(&hit("/vouched"), paths).unwrap();
    assert_eq!(of_sender, counted_once());
    assert_eq!(engine.number("!budget", "dfzg"), 12);
    // The next day begins with no share taken, and with the numbers of the day before removed.
    let tomorrow = Hit::one(key("/flood/21"), days_on(1)).charged_to(Some(flood));
    assert_eq!(second.add(&tomorrow, paths).unwrap(), counted_once());
    let budget = engine.item(COUNTS, "!budget");
    let shares = budget.as_object().unwrap().keys().filter(|name| name.contains('#')).count();
    assert_eq!(shares, 2, "{budget}");
}

fn counted_once() -> Added {
    counted(1, 0)
}

#[test]
fn no_budget_is_none() {
    for paths in [Paths::Budget { new_a_day: 0, most: 5 }, Paths::Budget { new_a_day: 5, most: 0 }] {
        let engine = Engine::start();
        assert_eq!(engine.store(false, 1).add(&hit("/x"), paths), Ok(Added::Full));
        assert_eq!(engine.items(COUNTS), [Value::Null; 0]);
    }
}

#[test]
fn processes_together_keep_the_budget_and_lose_no_hit() {
    let engine = Arc::new(Engine::start());
    let paths = Paths::Budget { new_a_day: 10, most: 1000 };
    let processes: Vec<_> = (0..6)
        .map(|process| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || {
                let mut store = engine.store(false, 1);
                let count = |n: &u32| {
                    let path = format!("/{}", (n * 7 + process * 3) % 30);
                    matches!(store.add(&hit(&path), paths), Ok(Added::Counted(_)))
                };
                (0..60).filter(count).count()
            })
        })
        .collect();
    let answered: usize = processes.into_iter().map(|process| process.join().unwrap()).sum();
    let pages = engine.store(false, 1).pages(NOON.day()).unwrap();
    assert_eq!(pages.site.hits, answered as u64);
    assert!(pages.list.len() <= 10, "{} paths", pages.list.len());
    assert_eq!(engine.number("!budget", "paths"), 10, "it is spent to the last");
}

#[test]
fn what_ends_between_budget_and_hit_costs_a_path_and_no_hit() {
    for lost in [false, true] {
        // The hit's own update is the third call.
        let fate = move |number, _: &_| match number {
            2 if lost => Fate::Lost,
            2 => throttled(),
            _ => Fate::Served,
        };
        let engine = Engine::with(fate);
        let mut store = engine.store(false, 1);
        let answer = store.add(&hit("/x"), BUDGET);
        assert_eq!(matches!(answer, Err(StoreError::Busy(_))), !lost, "{answer:?}");
        assert_eq!(engine.number("/x", "hits"), u64::from(lost), "once, where the answer was lost");
        assert_eq!(engine.number("!budget", "paths"), 1);
        assert_eq!(engine.calls().len(), 3, "never sent twice");
    }
    let engine = Engine::with(|number, _| if number == 1 { Fate::Lost } else { Fate::Served });
    assert!(matches!(engine.store(false, 1).add(&hit("/x"), BUDGET), Err(StoreError::Unavailable(_))));
    assert!(engine.item(COUNTS, "/x").is_null());
}

#[test]
fn shards_add_up() {
    let engine = Engine::start();
    engine.put(COUNTS, &json!({"path": {"S": "/x"}, "hits": {"N": "100"}, "first": {"S": "2026-01-01"}}));
    let mut store = engine.store(false, 3);
    for n in 1..=60 {
        let expected = Counts { hits: 100 + n, today: n, uniques: n / 2, uniques_today: n / 2 };
        assert_eq!(store.add(&hit("/x").by(n % 2 == 0), Paths::Strict), Ok(Added::Counted(expected)));
    }
    for shard in ["/x", "!shard#1#/x", "!shard#2#/x"] {
        assert!(engine.number(shard, "dfzg") > 5, "{shard} has its share");
    }
    assert!(engine.item(COUNTS, "!shard#3#/x").is_null());
    store.add(&hit("/y"), Paths::Open).unwrap();
    let sum = Counts { hits: 160, today: 60, uniques: 30, uniques_today: 30 };
    let one = Counts { hits: 1, today: 1, ..Counts::default() };
    let read = store.read(&[key("/y"), key("/never"), key("/x")], NOON.day());
    assert_eq!(read, Ok(vec![one, Counts::default(), sum]));
    let mut pages = store.pages(NOON.day()).unwrap();
    pages.list.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(pages.list, [("/x".to_owned(), sum), ("/y".to_owned(), one)]);
    assert_eq!((pages.site.hits, pages.site.uniques), (161, 0), "nobody met a visitor of the site");
    let history = store.history(Some(&key("/x"))).unwrap();
    assert_eq!((history.number("m2609"), history.number("w2609"), history.number("hits")), (60, 30, 160));
    assert_eq!(store.history(None).unwrap().number("m2609"), 61);
}

#[test]
fn a_new_paths_first_item_is_its_own() {
    for paths in [Paths::Open, BUDGET, Paths::Strict] {
        let engine = Engine::start();
        let mut store = engine.store(false, 64);
        let added = store.add(&hit("/x"), paths).unwrap();
        if paths == Paths::Strict {
            assert_eq!(added, Added::Unknown);
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
fn a_hit_is_counted_even_if_its_other_shards_cannot_be_read() {
    let engine = Engine::with(|_, request| match request.operation() {
        "BatchGetItem" => throttled(),
        _ => Fate::Served,
    });
    let mut store = engine.store(false, 2);
    assert_eq!(store.add(&hit("/x"), Paths::Open), Ok(counted(1, 0)));
    let notes = store.take_notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].starts_with("the answer leaves out some of a page's hits: dynamodb BatchGetItem"));
}

#[test]
fn what_does_not_count_is_counted_by_month_and_reason() {
    let engine = Engine::start();
    let mut store = engine.store(false, 1);
    let robot = Ignored::Bot(Robot::Agent(Sign::Missing));
    for why in [robot, robot, Ignored::Path, Ignored::Full, Ignored::Dup] {
        store.ignore(why, 1, NOON).unwrap();
    }
    store.ignore(robot, 1, days_on(30)).unwrap();
    let n = |n: &str| json!({"N": n});
    let expected = json!({"path": {"S": "!dropped#m2609"}, "bot": n("2"), "strict": n("1"), "full": n("1"), "dup": n("1")});
    assert_eq!(engine.item(COUNTS, "!dropped#m2609"), expected);
    assert_eq!(engine.number("!dropped#m2610", "bot"), 1);
    assert_eq!(store.pages(NOON.day()).unwrap().list, []);
    assert!(engine.units()[..6].iter().all(|units| *units <= 1.0));
}

#[test]
fn totals_are_read_page_by_page_and_know_what_is_reserved() {
    let engine = Engine::start();
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
    assert_eq!(pages.site, Counts { hits: 800, today: 0, uniques: 5, uniques_today: 3 });
    assert!(engine.calls().len() > 1, "more than a page of a Scan");
    let history = store.history(None).unwrap();
    assert_eq!((history.number("hits"), history.number("w2609"), history.number("paths")), (800, 4, 0));
}

#[test]
fn an_item_that_is_full_is_trimmed_by_one_more_call() {
    let engine = Engine::start();
    let mut item = json!({"path": {"S": "/x"}, "hits": {"N": "60"}});
    for day in 1..=60_u32 {
        let (then, n) = (hit_counter::moment::Day::from_number(20_716 - day), json!({"N": "1"}));
        item[then.attribute()] = n.clone();
        item[then.uniques_attribute()] = n;
    }
    engine.put(COUNTS, &item);
    let mut store = engine.store(false, 1);
    for _ in 0..2 {
        store.add(&hit("/x").by(true), Paths::Open).unwrap();
    }
    assert_eq!(engine.calls().len(), 3, "nothing is due any more");
    let left = engine.item(COUNTS, "/x");
    let kept =
        |prefix: &str| left.as_object().unwrap().keys().filter(|name| name.starts_with(prefix)).count();
    assert_eq!((kept("d"), kept("v")), (31, 31));
    let trimming: Value = serde_json::from_str(&engine.fake.received()[1].body).unwrap();
    assert_eq!(trimming["ConditionExpression"], "attribute_exists(#p)");
    assert_eq!(about(&engine.fake.received()[1]), "UpdateItem hits-test /x");
}

/// Services and emulators write the name of an error in more than one way.
#[test]
fn a_refused_condition_is_known_by_any_of_its_names() {
    for kind in [
        "ConditionalCheckFailedException",
        "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
    ] {
        let engine = Engine::with(move |_, _| {
            let body = json!({"__type": kind, "message": "The conditional request failed"});
            Fate::Refused(Reply::Json(400, body.to_string()))
        });
        let mut store = engine.store(false, 1);
        assert_eq!(store.add(&hit("/x"), Paths::Strict), Ok(Added::Unknown), "{kind}");
        assert_eq!(store.add(&hit("/x"), BUDGET), Ok(Added::Full));
        assert!(matches!(store.add(&hit("/x"), Paths::Open), Err(StoreError::Unavailable(_))));
    }
}

/// A store must be movable to where it works.
#[test]
fn a_store_is_send() {
    fn is_send<T: Send>() {}
    is_send::<DynamoDb>();
}
