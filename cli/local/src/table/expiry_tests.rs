//! Items that expire, by a clock that the test sets.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use dynoxide::Database;
use dynoxide::storage_backend::{Clock, ManualClock};
use serde_json::{Value as Json, json};

use super::super::dispatch;
use super::*;

const NOON: u64 = 1_795_262_400;

fn spec(ttl_attribute: Option<&str>) -> TableSpec {
    TableSpec {
        partition_key: "id".into(),
        point_in_time_recovery: false,
        deletion_protection: false,
        max_write_units: 100,
        ttl_attribute: ttl_attribute.map(str::to_owned),
        tags: BTreeMap::new(),
    }
}

/// Tables whose clock says noon, and that clock.
fn tables() -> (Tables, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(NOON));
    let db = Database::memory_with_clock(Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    (Tables { db, path: PathBuf::new() }, clock)
}

fn ask(tables: &Tables, operation: &str, body: &Json) -> Json {
    let dispatch::Answer { status, body: answer, .. } =
        dispatch::run(&tables.db, operation, body.to_string().as_bytes()).unwrap();
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

fn put(tables: &Tables, table: &str, id: &str, (attribute, value): (&str, Json)) {
    let item = json!({ "id": { "S": id }, attribute: value });
    ask(tables, "PutItem", &json!({ "TableName": table, "Item": item }));
}

fn ids(tables: &Tables, table: &str) -> Vec<String> {
    let found = ask(tables, "Scan", &json!({ "TableName": table }));
    let items = found["Items"].as_array().unwrap().iter();
    let mut ids: Vec<_> = items.map(|item| item["id"]["S"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

fn at(second: u64) -> (&'static str, Json) {
    ("ttl", json!({ "N": second.to_string() }))
}

#[test]
fn what_has_expired_goes_and_the_rest_stays() {
    let (tables, clock) = tables();
    tables.put("seen", &spec(Some("ttl")), None).unwrap();
    tables.put("hits", &spec(None), None).unwrap();
    for table in ["seen", "hits"] {
        put(&tables, table, "past", at(NOON - 1));
        put(&tables, table, "now", at(NOON));
        put(&tables, table, "later", at(NOON + 60));
        put(&tables, table, "text", ("ttl", json!({ "S": "1" })));
        put(&tables, table, "none", ("other", json!({ "N": "1" })));
    }
    let all = ids(&tables, "hits");
    assert_eq!(tables.sweep().unwrap(), 1);
    assert_eq!(ids(&tables, "seen"), ["later", "none", "now", "text"]);
    clock.tick(Duration::from_secs(61));
    assert_eq!(tables.sweep().unwrap(), 2);
    assert_eq!(ids(&tables, "seen"), ["none", "text"]);
    assert_eq!(ids(&tables, "hits"), all, "counts are for ever");
    assert_eq!(tables.sweep().unwrap(), 0);
}

#[test]
fn the_attribute_can_be_set_changed_and_unset_in_place() {
    let (tables, _clock) = tables();
    let mut old = None;
    for ttl in [None, Some("ttl"), Some("ttl"), Some("until"), None] {
        let spec = spec(ttl);
        tables.put("seen", &spec, old.as_ref()).unwrap();
        assert_eq!(tables.ttl("seen").unwrap().as_deref(), ttl);
        let live = ask(&tables, "DescribeTimeToLive", &json!({ "TableName": "seen" }));
        let status = if ttl.is_some() { "ENABLED" } else { "DISABLED" };
        assert_eq!(live["TimeToLiveDescription"]["TimeToLiveStatus"], status);
        put(&tables, "seen", "past", at(1));
        let swept = usize::from(ttl == Some("ttl"));
        assert_eq!(tables.sweep().unwrap(), swept, "{ttl:?}");
        old = Some(spec);
    }
}

#[test]
fn a_large_table_is_swept_whole() {
    let (tables, _clock) = tables();
    tables.put("seen", &spec(Some("ttl")), None).unwrap();
    for n in 0..1_000 {
        put(&tables, "seen", &format!("{n:04}"), at(if n % 2 == 0 { 1 } else { NOON + 1 }));
    }
    assert_eq!(tables.sweep().unwrap(), 500);
    let left = ids(&tables, "seen");
    assert_eq!(left.len(), 500);
    assert!(left.iter().all(|id| id.parse::<u32>().unwrap() % 2 == 1));
}

/// A sweep goes at the start, and one after each minute; the time here is tokio's, which goes on when nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn sweeps_go_on_until_they_are_stopped() {
    let (tables, clock) = tables();
    tables.put("seen", &spec(Some("ttl")), None).unwrap();
    put(&tables, "seen", "first", at(NOON - 1));
    put(&tables, "seen", "second", at(NOON + 1));
    let stop = CancellationToken::new();
    let sweeping = tokio::spawn(sweeps(tables.clone(), stop.clone()));
    let began = Instant::now();
    let left = |count: usize| {
        let tables = tables.clone();
        async move {
            while ids(&tables, "seen").len() > count {
                tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>()).await.unwrap_err();
            }
        }
    };
    left(1).await;
    assert!(began.elapsed() < SWEEP_EVERY, "at the start");
    clock.tick(Duration::from_secs(2));
    left(0).await;
    assert!(began.elapsed() >= SWEEP_EVERY && began.elapsed() <= SWEEP_EVERY * 2, "and a minute later");
    stop.cancel();
    sweeping.await.unwrap();
}

#[test]
fn a_long_sweep_is_followed_by_a_longer_pause() {
    assert_eq!(pause_after(Duration::ZERO), SWEEP_EVERY);
    assert_eq!(pause_after(Duration::from_secs(1)), SWEEP_EVERY);
    assert_eq!(pause_after(Duration::from_secs(6)), Duration::from_mins(5));
    assert_eq!(pause_after(Duration::MAX), Duration::MAX);
}
