//! Visitors against a real engine: who is new, what is remembered of them and what is not, and that nothing which goes
//! wrong there costs a hit.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hit_counter::hit::{Counts, Hit};
use hit_counter::moment::{Day, Moment};
use hit_counter::path::{Key, normalise};
use hit_counter::store::{Added, DynamoDb, Met, Paths, Seen, Store as _};
use hit_counter::visitor::Visitor;
use serde_json::{Value, json};

use crate::engine::{COUNTS, DAY_MS, Engine, Fate, NOON, SEEN};
use crate::fake::{Host, Received, Reply, environment};

const BOTH: Met = Met { page: true, site: true };
const PAGE: Met = Met { page: true, site: false };
const NEITHER: Met = Met { page: false, site: false };

fn key(path: &str) -> Key {
    normalise(path).unwrap()
}

fn visitor(number: u32) -> Visitor {
    Visitor::new(&format!("203.0.113.{number}"), "Mozilla/5.0 (Secret)").unwrap()
}

fn days_on(days: u64) -> Moment {
    Moment::from_millis(NOON.millis() + days * DAY_MS)
}

/// What the routes do with a view; returns the page's counts.
fn view(store: &mut DynamoDb, who: &Visitor, path: &str, now: Moment) -> Counts {
    let met = store.meet(who, &key(path), now).unwrap();
    match store.add(&Hit::one(key(path), now).by(met.page), Paths::Open).unwrap() {
        Added::Counted(counts) => counts,
        other => panic!("{other:?}"),
    }
}

fn throttled() -> Fate {
    let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"203.0.113.1"}"#;
    Fate::Refused(Reply::Json(400, body.to_owned()))
}

/// Chooses a fate.
type Fault = fn() -> Fate;

/// The fate of every call that names `word`.
fn failing(word: &'static str, fault: Fault) -> impl Fn(usize, &Received) -> Fate {
    move |_, request| if request.body.contains(word) { fault() } else { Fate::Served }
}

/// The ids of what is remembered of visitors.
fn hashes(engine: &Engine) -> HashSet<String> {
    let id = |item: &Value| item["id"]["S"].as_str().unwrap().to_owned();
    engine.items(SEEN).iter().map(id).filter(|id| !id.contains('#')).collect()
}

fn salts(engine: &Engine) -> Vec<String> {
    let id = |item: &Value| item["id"]["S"].as_str().unwrap().to_owned();
    let mut salts: Vec<String> =
        engine.items(SEEN).iter().map(id).filter(|id| id.starts_with("salt#")).collect();
    salts.sort();
    salts
}

#[test]
fn a_visitor_counts_once_a_day_on_a_page_and_once_on_the_site() {
    let engine = Engine::start();
    let mut store = engine.store(true, 1);
    let who = visitor(1);
    assert_eq!(store.meet(&who, &key("/a"), NOON), Ok(BOTH));
    assert_eq!(store.meet(&who, &key("/a"), NOON), Ok(NEITHER));
    assert_eq!(store.meet(&who, &key("/b"), NOON), Ok(PAGE));
    assert_eq!(store.meet(&visitor(2), &key("/b"), NOON), Ok(BOTH));
    assert_eq!(store.meet(&who, &key("/a"), days_on(1)), Ok(BOTH), "the day after, nobody is recognised");
    assert_eq!(store.take_notes(), [""; 0]);
    assert_eq!(engine.number("!site", "uniques"), 3);
    assert_eq!(engine.number("!site", "vfzg"), 2);
    assert_eq!(engine.number("!site", "vfzh"), 1);
    assert_eq!(engine.number("!site", "w2609"), 3);
    assert_eq!(hashes(&engine).len(), 7);
}

#[test]
fn what_a_view_writes_and_what_it_costs() {
    let engine = Engine::start();
    let mut store = engine.store(true, 1);
    store.warm().unwrap();
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
fn only_hashes_are_remembered_and_they_pass() {
    let engine = Engine::start();
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
        assert!(!tables.contains(secret), "{secret} is at rest");
    }
    let salt = engine.item(SEEN, "salt#fzg")["salt"]["S"].as_str().unwrap().to_owned();
    let printed = format!("{store:?}");
    assert!(
        !printed.contains(&salt) && !hashes(&engine).iter().any(|hash| printed.contains(hash)),
        "{printed}"
    );
}

#[test]
fn another_site_and_another_day_have_other_hashes() {
    let (one, other) = (Engine::start(), Engine::start());
    let salt = json!({"id": {"S": "salt#fzg"}, "salt": {"S": "5".repeat(64)}});
    for engine in [&one, &other] {
        engine.put(SEEN, &salt);
        view(&mut engine.store(true, 1), &visitor(1), "/a", NOON);
    }
    assert_eq!(hashes(&one), hashes(&other), "the same site and salt, the same hashes");
    view(&mut other.store(true, 1), &visitor(1), "/a", days_on(1));
    assert_eq!(hashes(&other).len(), 4);
}

#[test]
fn processes_share_the_salt_that_was_first() {
    let engine = Arc::new(Engine::start());
    let processes: Vec<_> = (0..6)
        .map(|_| {
            let engine = Arc::clone(&engine);
            thread::spawn(move || {
                let mut store = engine.store(true, 1);
                store.warm().unwrap();
                for n in 1..=20 {
                    view(&mut store, &visitor(n), "/a", NOON);
                }
                assert_eq!(store.take_notes(), [""; 0]);
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
fn a_new_days_salt_takes_the_old_ones_away() {
    let engine = Engine::start();
    let id = |day: u32| format!("salt#{}", Day::from_number(day).attribute().trim_start_matches('d'));
    for age in 1..=8 {
        engine.put(SEEN, &json!({"id": {"S": id(20_716 - age)}, "salt": {"S": "a".repeat(64)}}));
    }
    let mut store = engine.store(true, 1);
    store.warm().unwrap();
    assert_eq!(salts(&engine), [id(20_715), id(20_716)], "yesterday's stays for who is late");
    let calls = engine.calls().len();
    engine.store(true, 1).warm().unwrap();
    store.meet(&visitor(1), &key("/a"), NOON).unwrap();
    assert_eq!(engine.calls().len(), calls + 4, "who finds a salt deletes none");
    assert_eq!(store.meet(&visitor(1), &key("/a"), days_on(1)), Ok(BOTH));
    assert_eq!(salts(&engine), [id(20_716), id(20_717)]);
}

#[test]
fn midnight_is_where_the_day_ends() {
    let engine = Engine::start();
    let mut store = engine.store(true, 1);
    let midnight = NOON.millis() / DAY_MS * DAY_MS + DAY_MS;
    let last = view(&mut store, &visitor(1), "/a", Moment::from_millis(midnight - 1));
    assert_eq!(last, Counts { hits: 1, today: 1, uniques: 1, uniques_today: 1 });
    let first = view(&mut store, &visitor(1), "/a", Moment::from_millis(midnight));
    assert_eq!(first, Counts { hits: 2, today: 1, uniques: 2, uniques_today: 1 });
    let again = view(&mut store, &visitor(1), "/a", Moment::from_millis(midnight + 1));
    assert_eq!(again, Counts { hits: 3, today: 2, uniques: 2, uniques_today: 1 });
}

#[test]
fn a_lost_answer_may_hide_a_visitor_and_counts_none_twice() {
    // The calls of a first view, the old salts' aside: page's hash, site's hash, `!site`, the hit.
    for lost in 0..3 {
        let fate = move |number, _: &_| if number == lost + 1 { Fate::Lost } else { Fate::Served };
        let engine = Engine::with(fate);
        engine.put(SEEN, &json!({"id": {"S": "salt#fzg"}, "salt": {"S": "5".repeat(64)}}));
        let mut store = engine.store(true, 1);
        for _ in 0..3 {
            view(&mut store, &visitor(1), "/a", NOON);
        }
        assert_eq!(engine.number("/a", "hits"), 3);
        assert!(engine.number("/a", "uniques") <= 1 && engine.number("!site", "uniques") <= 1);
        assert_eq!(engine.number("/a", "uniques"), u64::from(lost > 0), "call {lost}");
    }
}

#[test]
fn a_table_of_visitors_that_fails_costs_no_hit() {
    fn gone() -> Fate {
        let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no 203.0.113.1"}"#;
        Fate::Refused(Reply::Json(400, body.to_owned()))
    }
    let faults: [(&str, Fault); 2] =
        [("ProvisionedThroughputExceeded", throttled), ("ResourceNotFound", gone)];
    for (name, fault) in faults {
        let engine = Engine::with(failing(SEEN, fault));
        let mut store = engine.store(true, 1);
        store.warm().unwrap();
        let counts = view(&mut store, &visitor(1), "/a", NOON);
        assert_eq!(counts, Counts { hits: 1, today: 1, ..Counts::default() });
        let notes = store.take_notes();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(
            notes[1].starts_with("a visitor was not told apart: dynamodb UpdateItem, table hits-test-seen")
        );
        assert!(notes[1].contains(name) && !notes.concat().contains("203.0.113"), "{notes:?}");
    }
}

#[test]
fn a_salt_that_was_not_to_be_had_is_taken_by_the_first_hit() {
    let engine = Engine::with(|number, _| if number == 0 { throttled() } else { Fate::Served });
    let mut store = engine.store(true, 1);
    store.warm().unwrap();
    assert!(store.take_notes()[0].starts_with("the day's salt was not taken yet: "));
    assert_eq!(store.meet(&visitor(1), &key("/a"), NOON), Ok(BOTH));
}

#[test]
fn a_site_that_cannot_be_counted_leaves_the_page_right() {
    let engine = Engine::with(failing("!site", throttled));
    let mut store = engine.store(true, 1);
    assert_eq!(store.meet(&visitor(1), &key("/a"), NOON), Ok(PAGE));
    assert!(store.take_notes()[0].starts_with("a visitor of the site was not counted: "));
}

#[test]
fn visitors_that_hang_leave_the_hit_its_time() {
    let engine = Engine::with(|_, request| match request.operation() {
        "PutItem" => Fate::Refused(Reply::Hang),
        _ => Fate::Served,
    });
    let mut store = engine.store(true, 1);
    store.warm().unwrap();
    store.begin(Duration::from_secs(3));
    assert_eq!(view(&mut store, &visitor(1), "/a", NOON).hits, 1);
    assert!(store.take_notes()[0].ends_with("timed out"));
}

#[test]
fn raw_addresses_are_kept_for_as_long_as_was_said() {
    let engine = Engine::start();
    let mut store = engine.store_with(Some(Seen { table: SEEN.to_owned(), raw_days: Some(7) }), 1);
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
fn an_address_that_cannot_be_kept_is_a_note_without_it() {
    let engine = Engine::with(failing("ip#", throttled));
    let mut store = engine.store_with(Some(Seen { table: SEEN.to_owned(), raw_days: Some(7) }), 1);
    assert_eq!(store.meet(&visitor(1), &key("/a"), NOON), Ok(BOTH));
    let notes = store.take_notes();
    assert!(
        notes[0].starts_with("an address was not kept: ") && !notes[0].contains("203.0.113"),
        "{notes:?}"
    );
}

/// Visits by chance equal a model that remembers everything.
#[test]
fn visits_by_chance_count_as_a_naive_model_says() {
    let engine = Engine::start();
    let mut processes = [engine.store(true, 1), engine.store(true, 1)];
    let (mut pages, mut site) = (HashSet::new(), HashSet::new());
    let mut state = 7_u32;
    let mut chance = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % below
    };
    for day in 0..3 {
        for _ in 0..120 {
            let (who, page, process) = (chance(9) + 1, chance(4), chance(2));
            let store = &mut processes[process as usize];
            view(store, &visitor(who), &format!("/{page}"), days_on(day));
            pages.insert((day, page, who));
            site.insert((day, who));
        }
    }
    let today = days_on(2).day();
    let all = processes[0].pages(today).unwrap();
    for (path, counts) in &all.list {
        let of_page = |&&(_, page, _): &&(u64, u32, u32)| format!("/{page}") == *path;
        assert_eq!(counts.uniques, pages.iter().filter(of_page).count() as u64);
        let of_today = pages.iter().filter(of_page).filter(|(day, _, _)| *day == 2);
        assert_eq!(counts.uniques_today, of_today.count() as u64);
    }
    let of_today = site.iter().filter(|(day, _)| *day == 2).count();
    let expected =
        Counts { hits: 360, today: 120, uniques: site.len() as u64, uniques_today: of_today as u64 };
    assert_eq!(all.site, expected);
}

/// The program itself: what a page is told, and what the log is not.
#[test]
fn the_program_counts_visitors_and_says_nothing_of_them() {
    for fails in [false, true] {
        let engine =
            Engine::with(
                move |_, request| {
                    if fails && request.operation() == "PutItem" { throttled() } else { Fate::Served }
                },
            );
        let mut environment = environment(&format!("http://{}", engine.fake.address));
        for (name, value) in
            [("HITCTL_VISITORS", "raw/7"), ("HITS_SEEN_TABLE_NAME", SEEN), ("LOG_LEVEL", "debug")]
        {
            environment.push((name, value.to_owned()));
        }
        let host = Host::start_with(environment, 30_000);
        let uniques = u64::from(!fails);
        for hits in 1..=2 {
            let expected = json!({"v": 1, "path": "/x", "hits": hits, "uniques": uniques,
                "today": {"hits": hits, "uniques": uniques}, "counted": true});
            let (status, body) = host.get("/counter", "path=/x");
            assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()), (200, expected));
        }
        let log = host.end().1;
        assert_eq!(log.matches("a visitor was not told apart").count(), if fails { 2 } else { 0 }, "{log}");
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
