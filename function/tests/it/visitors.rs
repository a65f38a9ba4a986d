//! Tests of visitors with an in-memory DynamoDB: which are new, what is stored about them, and that failures never
//! lose a hit.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hit_counter::hit::{CountSummary, Hit};
use hit_counter::log::{LogDetail, LogEvent};
use hit_counter::moment::{Day, Moment};
use hit_counter::path::{PageKey, normalise};
use hit_counter::store::{
    AddResult, CounterStore as _, DynamoDbStore, NewVisitor, PathAdmission, VisitorTable,
};
use hit_counter::visitor::Visitor;
use serde_json::{Value, json};

use crate::engine::{COUNTS, CallHandling, DAY_MS, NOON, SEEN, TestDynamoDb};
use crate::fake::{BootstrapProcess, FakeReply, ReceivedRequest, environment};

const BOTH: NewVisitor = NewVisitor { page: true, site: true };
const PAGE: NewVisitor = NewVisitor { page: true, site: false };
const NEITHER: NewVisitor = NewVisitor { page: false, site: false };

fn key(path: &str) -> PageKey {
    normalise(path).unwrap()
}

fn visitor(number: u32) -> Visitor {
    Visitor::new(&format!("203.0.113.{number}"), "Mozilla/5.0 (Secret)").unwrap()
}

fn days_later(days: u64) -> Moment {
    Moment::from_millis(NOON.millis() + days * DAY_MS)
}

/// Handles a view as the routes do; returns the page's counts.
fn view(store: &mut DynamoDbStore, visitor: &Visitor, path: &str, now: Moment) -> CountSummary {
    let new_visitor = store.record_visitor(visitor, &key(path), now).unwrap();
    match store
        .add(&Hit::one(key(path), now).with_new_visitor(new_visitor.page), PathAdmission::Open)
        .unwrap()
    {
        AddResult::Counted(counts) => counts,
        other => panic!("{other:?}"),
    }
}

fn throttled() -> CallHandling {
    let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"203.0.113.1"}"#;
    CallHandling::Refuse(FakeReply::Json(400, body.to_owned()))
}

/// Returns the handling of a failing call.
type FaultFn = fn() -> CallHandling;

/// Fails every call whose body contains `word`.
fn failing(word: &'static str, fault: FaultFn) -> impl Fn(usize, &ReceivedRequest) -> CallHandling {
    move |_, request| if request.body.contains(word) { fault() } else { CallHandling::Serve }
}

/// Returns the stored hashes of visitors.
fn hashes(engine: &TestDynamoDb) -> HashSet<String> {
    let id = |item: &Value| item["id"]["S"].as_str().unwrap().to_owned();
    engine.items(SEEN).iter().map(id).filter(|id| !id.contains('#')).collect()
}

fn salts(engine: &TestDynamoDb) -> Vec<String> {
    let id = |item: &Value| item["id"]["S"].as_str().unwrap().to_owned();
    let mut salts: Vec<String> =
        engine.items(SEEN).iter().map(id).filter(|id| id.starts_with("salt#")).collect();
    salts.sort();
    salts
}

#[test]
fn visitor_counts_once_a_day_per_page_and_per_site() {
    let engine = TestDynamoDb::start();
    let mut store = engine.store(true, 1);
    let first = visitor(1);
    assert_eq!(store.record_visitor(&first, &key("/a"), NOON), Ok(BOTH));
    assert_eq!(store.record_visitor(&first, &key("/a"), NOON), Ok(NEITHER));
    assert_eq!(store.record_visitor(&first, &key("/b"), NOON), Ok(PAGE));
    assert_eq!(store.record_visitor(&visitor(2), &key("/b"), NOON), Ok(BOTH));
    assert_eq!(
        store.record_visitor(&first, &key("/a"), days_later(1)),
        Ok(BOTH),
        "no visitor is recognized on the next day"
    );
    assert_eq!(store.take_warnings(), Vec::<LogEvent>::new());
    assert_eq!(engine.number("!site", "uniques"), 3);
    assert_eq!(engine.number("!site", "vfzg"), 2);
    assert_eq!(engine.number("!site", "vfzh"), 1);
    assert_eq!(engine.number("!site", "w2609"), 3);
    assert_eq!(hashes(&engine).len(), 7);
}

#[test]
fn view_writes_are_few_and_cost_one_unit_each() {
    let engine = TestDynamoDb::start();
    let mut store = engine.store(true, 1);
    store.warm_up().unwrap();
    let warm = engine.calls();
    assert_eq!(warm[0], "UpdateItem hits-test-seen salt#fzg");
    view(&mut store, &visitor(1), "/a", NOON);
    view(&mut store, &visitor(1), "/a", NOON);
    view(&mut store, &visitor(1), "/b", NOON);
    let put = "PutItem hits-test-seen";
    let calls = engine.calls()[warm.len()..].to_vec();
    assert_eq!(
        calls[..4],
        [put, put, "UpdateItem hits-test !site", "UpdateItem hits-test /a"],
        "new on the site"
    );
    assert_eq!(calls[4..6], [put, "UpdateItem hits-test /a"], "not new");
    assert_eq!(calls[6..], [put, put, "UpdateItem hits-test /b"], "new on a page");
    assert!(engine.units()[warm.len()..].iter().all(|units| *units <= 1.0));
    assert_eq!(engine.fake.connections(), 1);
}

#[test]
fn only_hashes_are_stored_and_they_expire() {
    let engine = TestDynamoDb::start();
    let mut store = engine.store(true, 1);
    view(&mut store, &visitor(1), "/secret-page", NOON);
    for item in engine.items(SEEN) {
        let id = item["id"]["S"].as_str().unwrap();
        assert_eq!(item["ttl"]["N"], "1790035200", "2026-09-22T00:00:00Z: a day after the day's end");
        if id.starts_with("salt#") {
            assert_eq!((id, item.as_object().unwrap().len()), ("salt#fzg", 3));
            continue;
        }
        assert_eq!(item.as_object().unwrap().len(), 2, "{item}");
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }
    let tables = format!("{:?}{:?}", engine.items(SEEN), engine.items(COUNTS));
    for secret in ["203.0.113", "Mozilla"] {
        assert!(!tables.contains(secret), "{secret} is stored");
    }
    let salt = engine.item(SEEN, "salt#fzg")["salt"]["S"].as_str().unwrap().to_owned();
    let printed = format!("{store:?}");
    assert!(
        !printed.contains(&salt) && !hashes(&engine).iter().any(|hash| printed.contains(hash)),
        "{printed}"
    );
}

#[test]
fn hashes_differ_by_day() {
    let (one, other) = (TestDynamoDb::start(), TestDynamoDb::start());
    let salt = json!({"id": {"S": "salt#fzg"}, "salt": {"S": "5".repeat(64)}});
    for engine in [&one, &other] {
        engine.put(SEEN, &salt);
        view(&mut engine.store(true, 1), &visitor(1), "/a", NOON);
    }
    assert_eq!(hashes(&one), hashes(&other), "the same site and salt give the same hashes");
    view(&mut other.store(true, 1), &visitor(1), "/a", days_later(1));
    assert_eq!(hashes(&other).len(), 4);
}

#[test]
fn processes_share_the_first_salt() {
    let engine = Arc::new(TestDynamoDb::start());
    let processes: Vec<_> = (0..6)
        .map(|_| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || {
                let mut store = engine.store(true, 1);
                store.warm_up().unwrap();
                for n in 1..=20 {
                    view(&mut store, &visitor(n), "/a", NOON);
                }
                assert_eq!(store.take_warnings(), Vec::<LogEvent>::new());
            })
        })
        .collect();
    for process in processes {
        process.join().unwrap();
    }
    assert_eq!(salts(&engine), ["salt#fzg"]);
    assert_eq!(engine.number("/a", "hits"), 120);
    assert_eq!(engine.number("/a", "uniques"), 20);
    assert_eq!(engine.number("!site", "uniques"), 20);
}

#[test]
fn new_salt_deletes_the_old_ones() {
    let engine = TestDynamoDb::start();
    let id = |day: u32| format!("salt#{}", Day::from_number(day).attribute().trim_start_matches('d'));
    for age in 1..=8 {
        engine.put(SEEN, &json!({"id": {"S": id(20_716 - age)}, "salt": {"S": "a".repeat(64)}}));
    }
    let mut store = engine.store(true, 1);
    store.warm_up().unwrap();
    assert_eq!(salts(&engine), [id(20_715), id(20_716)], "yesterday's salt is kept for late hits");
    let calls = engine.calls().len();
    engine.store(true, 1).warm_up().unwrap();
    store.record_visitor(&visitor(1), &key("/a"), NOON).unwrap();
    assert_eq!(engine.calls().len(), calls + 4, "a process that finds a salt deletes none");
    assert_eq!(store.record_visitor(&visitor(1), &key("/a"), days_later(1)), Ok(BOTH));
    assert_eq!(salts(&engine), [id(20_716), id(20_717)]);
}

#[test]
fn visitor_counts_again_after_midnight() {
    let engine = TestDynamoDb::start();
    let mut store = engine.store(true, 1);
    let midnight = NOON.millis() / DAY_MS * DAY_MS + DAY_MS;
    let last = view(&mut store, &visitor(1), "/a", Moment::from_millis(midnight - 1));
    assert_eq!(last, CountSummary { hits: 1, today: 1, uniques: 1, uniques_today: 1 });
    let first = view(&mut store, &visitor(1), "/a", Moment::from_millis(midnight));
    assert_eq!(first, CountSummary { hits: 2, today: 1, uniques: 2, uniques_today: 1 });
    let again = view(&mut store, &visitor(1), "/a", Moment::from_millis(midnight + 1));
    assert_eq!(again, CountSummary { hits: 3, today: 2, uniques: 2, uniques_today: 1 });
}

#[test]
fn visitor_is_never_counted_twice_after_a_missing_response() {
    // The calls of a first view, apart from those for old salts: the page's hash, the site's hash, `!site`,
    // the hit.
    for lose_response in 0..3 {
        let choose = move |number, _: &_| {
            if number == lose_response + 1 { CallHandling::LoseResponse } else { CallHandling::Serve }
        };
        let engine = TestDynamoDb::start_with(choose);
        engine.put(SEEN, &json!({"id": {"S": "salt#fzg"}, "salt": {"S": "5".repeat(64)}}));
        let mut store = engine.store(true, 1);
        for _ in 0..3 {
            view(&mut store, &visitor(1), "/a", NOON);
        }
        assert_eq!(engine.number("/a", "hits"), 3);
        assert!(engine.number("/a", "uniques") <= 1 && engine.number("!site", "uniques") <= 1);
        assert_eq!(engine.number("/a", "uniques"), u64::from(lose_response > 0), "call {lose_response}");
    }
}

#[test]
fn failing_visitor_table_costs_no_hit() {
    fn not_found() -> CallHandling {
        let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no 203.0.113.1"}"#;
        CallHandling::Refuse(FakeReply::Json(400, body.to_owned()))
    }
    let faults: [(&str, FaultFn); 2] =
        [("ProvisionedThroughputExceeded", throttled), ("ResourceNotFound", not_found)];
    for (name, fault) in faults {
        let engine = TestDynamoDb::start_with(failing(SEEN, fault));
        let mut store = engine.store(true, 1);
        store.warm_up().unwrap();
        let counts = view(&mut store, &visitor(1), "/a", NOON);
        assert_eq!(counts, CountSummary { hits: 1, today: 1, ..CountSummary::default() });
        let warnings = store.take_warnings();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert_eq!(warnings[1].message, "failed to record a visitor");
        let cause = format!("{:?}", warnings[1].detail);
        assert!(cause.contains("dynamodb UpdateItem, table hits-test-seen"), "{cause}");
        assert!(cause.contains(name), "{cause}");
        assert!(!format!("{warnings:?}").contains("203.0.113"), "{warnings:?}");
    }
}

#[test]
fn salt_that_failed_to_load_is_loaded_by_the_first_hit() {
    let engine =
        TestDynamoDb::start_with(|number, _| if number == 0 { throttled() } else { CallHandling::Serve });
    let mut store = engine.store(true, 1);
    store.warm_up().unwrap();
    assert_eq!(store.take_warnings()[0].message, "failed to load the day's salt");
    assert_eq!(store.record_visitor(&visitor(1), &key("/a"), NOON), Ok(BOTH));
}

#[test]
fn failed_site_count_does_not_affect_the_page() {
    let engine = TestDynamoDb::start_with(failing("!site", throttled));
    let mut store = engine.store(true, 1);
    assert_eq!(store.record_visitor(&visitor(1), &key("/a"), NOON), Ok(PAGE));
    assert_eq!(store.take_warnings()[0].message, "failed to count a visitor of the site");
}

#[test]
fn hanging_visitor_calls_leave_time_for_the_hit() {
    let engine = TestDynamoDb::start_with(|_, request| match request.operation() {
        "PutItem" => CallHandling::Refuse(FakeReply::Hang),
        _ => CallHandling::Serve,
    });
    let mut store = engine.store(true, 1);
    store.warm_up().unwrap();
    store.set_request_deadline(Duration::from_secs(3));
    assert_eq!(view(&mut store, &visitor(1), "/a", NOON).hits, 1);
    let warnings = store.take_warnings();
    assert!(
        matches!(&warnings[0].detail, LogDetail::Cause(cause) if cause.ends_with("timed out")),
        "{warnings:?}"
    );
}

#[test]
fn raw_addresses_expire_after_the_configured_days() {
    let engine = TestDynamoDb::start();
    let mut store =
        engine.store_with(Some(VisitorTable { table: SEEN.to_owned(), address_retention_days: Some(7) }), 1);
    view(&mut store, &visitor(1), "/a", NOON);
    view(&mut store, &visitor(1), "/a", Moment::from_millis(NOON.millis() + 60_000));
    let expected = json!({
        "id": {"S": "ip#203.0.113.1"}, "hits": {"N": "2"}, "first": {"S": "2026-09-20T10:00:00Z"},
        "last": {"S": "2026-09-20T10:01:00Z"}, "ttl": {"N": (1_789_898_460_u64 + 7 * 86_400).to_string()},
    });
    assert_eq!(engine.item(SEEN, "ip#203.0.113.1"), expected);
    assert_eq!(engine.number("/a", "uniques"), 1);
}

#[test]
fn address_that_cannot_be_stored_is_a_warning_without_the_address() {
    let engine = TestDynamoDb::start_with(failing("ip#", throttled));
    let mut store =
        engine.store_with(Some(VisitorTable { table: SEEN.to_owned(), address_retention_days: Some(7) }), 1);
    assert_eq!(store.record_visitor(&visitor(1), &key("/a"), NOON), Ok(BOTH));
    let warnings = store.take_warnings();
    assert_eq!(warnings[0].message, "failed to store an address");
    assert!(!format!("{warnings:?}").contains("203.0.113"), "{warnings:?}");
}

/// Compares random visits with a model that remembers everything.
#[test]
fn random_visits_count_as_in_a_naive_model() {
    let engine = TestDynamoDb::start();
    let mut processes = [engine.store(true, 1), engine.store(true, 1)];
    let (mut pages, mut site) = (HashSet::new(), HashSet::new());
    let mut state = 7_u32;
    let mut random_below = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    for day in 0..3 {
        for _ in 0..120 {
            let (number, page, process) = (random_below(9) + 1, random_below(4), random_below(2));
            let store = &mut processes[process as usize];
            view(store, &visitor(number), &format!("/{page}"), days_later(day));
            pages.insert((day, page, number));
            site.insert((day, number));
        }
    }
    let today = days_later(2).day();
    let all = processes[0].pages(today).unwrap();
    for (path, counts) in &all.list {
        let of_page = |&&(_, page, _): &&(u64, u32, u32)| format!("/{page}") == *path;
        assert_eq!(counts.uniques, pages.iter().filter(of_page).count() as u64);
        let of_today = pages.iter().filter(of_page).filter(|(day, _, _)| *day == 2);
        assert_eq!(counts.uniques_today, of_today.count() as u64);
    }
    let of_today = site.iter().filter(|(day, _)| *day == 2).count();
    let expected =
        CountSummary { hits: 360, today: 120, uniques: site.len() as u64, uniques_today: of_today as u64 };
    assert_eq!(all.site, expected);
}

/// Runs the program: checks the responses, and that the log contains no personal data.
#[test]
fn program_counts_visitors_without_logging_them() {
    for fails in [false, true] {
        let engine = TestDynamoDb::start_with(move |_, request| {
            if fails && request.operation() == "PutItem" { throttled() } else { CallHandling::Serve }
        });
        let mut environment = environment(&format!("http://{}", engine.fake.address));
        for (name, value) in
            [("HITCTL_VISITORS", "raw/7"), ("HITS_SEEN_TABLE_NAME", SEEN), ("LOG_LEVEL", "debug")]
        {
            environment.push((name, value.to_owned()));
        }
        let host = BootstrapProcess::start_with(environment, 30_000);
        let uniques = u64::from(!fails);
        for hits in 1..=2 {
            let expected = json!({"v": 1, "path": "/x", "hits": hits, "uniques": uniques,
                "today": {"hits": hits, "uniques": uniques}, "counted": true});
            let (status, body) = host.get("/counter", "path=/x");
            assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()), (200, expected));
        }
        let log = host.stop().1;
        assert_eq!(log.matches("failed to record a visitor").count(), if fails { 2 } else { 0 }, "{log}");
        let ids = engine
            .items(SEEN)
            .into_iter()
            .flat_map(|item| [item["id"]["S"].clone(), item["salt"]["S"].clone()]);
        for secret in ids.filter_map(|id| id.as_str().map(str::to_owned)).chain(["203.0.113.7".to_owned()]) {
            assert!(!log.contains(&secret), "{secret} is in the log");
        }
        assert_eq!(engine.item(SEEN, "ip#203.0.113.7")["hits"]["N"], "2");
    }
}
