//! Tests the expiry of items with a clock that the tests set.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use dynoxide::Database;
use dynoxide::storage_backend::{Clock, ManualClock};
use serde_json::{Value as Json, json};

use super::super::dispatch;
use super::*;

/// Noon UTC on 2026-11-21, in seconds since the Unix epoch.
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

/// Creates tables with a clock set to [`NOON`], and returns both.
fn tables() -> (Tables, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(NOON));
    let db = Database::memory_with_clock(Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    (Tables { db, path: PathBuf::new() }, clock)
}

fn run_operation(tables: &Tables, operation: &str, body: &Json) -> Json {
    let dispatch::DispatchResponse { status, body: response, .. } =
        dispatch::run(&tables.db, operation, body.to_string().as_bytes()).unwrap();
    assert_eq!(status, 200, "{response}");
    serde_json::from_str(&response).unwrap()
}

fn put(tables: &Tables, table: &str, id: &str, (attribute, value): (&str, Json)) {
    let item = json!({ "id": { "S": id }, attribute: value });
    run_operation(tables, "PutItem", &json!({ "TableName": table, "Item": item }));
}

fn ids(tables: &Tables, table: &str) -> Vec<String> {
    let response = run_operation(tables, "Scan", &json!({ "TableName": table }));
    let items = response["Items"].as_array().unwrap().iter();
    let mut ids: Vec<_> = items.map(|item| item["id"]["S"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

/// Returns the attribute of an item that expires at `second`.
fn expires_at(second: u64) -> (&'static str, Json) {
    ("ttl", json!({ "N": second.to_string() }))
}

#[test]
fn sweep_deletes_only_expired_items() {
    let (tables, clock) = tables();
    tables.put("seen", &spec(Some("ttl")), None).unwrap();
    tables.put("hits", &spec(None), None).unwrap();
    for table in ["seen", "hits"] {
        put(&tables, table, "past", expires_at(NOON - 1));
        put(&tables, table, "now", expires_at(NOON));
        put(&tables, table, "later", expires_at(NOON + 60));
        put(&tables, table, "text", ("ttl", json!({ "S": "1" })));
        put(&tables, table, "none", ("other", json!({ "N": "1" })));
    }
    let all = ids(&tables, "hits");
    assert_eq!(tables.sweep().unwrap(), 1);
    assert_eq!(ids(&tables, "seen"), ["later", "none", "now", "text"]);
    clock.tick(Duration::from_secs(61));
    assert_eq!(tables.sweep().unwrap(), 2);
    assert_eq!(ids(&tables, "seen"), ["none", "text"]);
    assert_eq!(ids(&tables, "hits"), all, "the table has no time to live");
    assert_eq!(tables.sweep().unwrap(), 0);
}

#[test]
fn ttl_attribute_can_be_set_changed_and_unset() {
    let (tables, _clock) = tables();
    let mut previous = None;
    for ttl_attribute in [None, Some("ttl"), Some("ttl"), Some("until"), None] {
        let spec = spec(ttl_attribute);
        tables.put("seen", &spec, previous.as_ref()).unwrap();
        assert_eq!(tables.ttl_attribute("seen").unwrap().as_deref(), ttl_attribute);
        let current = run_operation(&tables, "DescribeTimeToLive", &json!({ "TableName": "seen" }));
        let status = if ttl_attribute.is_some() { "ENABLED" } else { "DISABLED" };
        assert_eq!(current["TimeToLiveDescription"]["TimeToLiveStatus"], status);
        put(&tables, "seen", "past", expires_at(1));
        let expired = usize::from(ttl_attribute == Some("ttl"));
        assert_eq!(tables.sweep().unwrap(), expired, "{ttl_attribute:?}");
        previous = Some(spec);
    }
}

#[test]
fn sweep_covers_large_table() {
    let (tables, _clock) = tables();
    tables.put("seen", &spec(Some("ttl")), None).unwrap();
    for n in 0..1_000 {
        put(&tables, "seen", &format!("{n:04}"), expires_at(if n % 2 == 0 { 1 } else { NOON + 1 }));
    }
    assert_eq!(tables.sweep().unwrap(), 500);
    let remaining = ids(&tables, "seen");
    assert_eq!(remaining.len(), 500);
    assert!(remaining.iter().all(|id| id.parse::<u32>().unwrap() % 2 == 1));
}

/// Sweeps happen at the start and after each minute. The clock is tokio's, which advances when all tasks are idle.
#[tokio::test(start_paused = true)]
async fn sweeps_repeat_until_stopped() {
    let (tables, clock) = tables();
    tables.put("seen", &spec(Some("ttl")), None).unwrap();
    put(&tables, "seen", "first", expires_at(NOON - 1));
    put(&tables, "seen", "second", expires_at(NOON + 1));
    let stop = CancellationToken::new();
    let sweeping = tokio::spawn(run_sweeps(tables.clone(), stop.clone()));
    let started = Instant::now();
    let wait_for_count = |count: usize| {
        let tables = tables.clone();
        async move {
            while ids(&tables, "seen").len() > count {
                tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>()).await.unwrap_err();
            }
        }
    };
    wait_for_count(1).await;
    assert!(started.elapsed() < SWEEP_INTERVAL, "the first sweep is at the start");
    clock.tick(Duration::from_secs(2));
    wait_for_count(0).await;
    assert!(
        started.elapsed() >= SWEEP_INTERVAL && started.elapsed() <= SWEEP_INTERVAL * 2,
        "the second sweep is a minute later"
    );
    stop.cancel();
    sweeping.await.unwrap();
}

#[test]
fn pause_after_long_sweep_is_longer() {
    assert_eq!(pause_after(Duration::ZERO), SWEEP_INTERVAL);
    assert_eq!(pause_after(Duration::from_secs(1)), SWEEP_INTERVAL);
    assert_eq!(pause_after(Duration::from_secs(6)), Duration::from_mins(5));
    assert_eq!(pause_after(Duration::MAX), Duration::MAX);
}
