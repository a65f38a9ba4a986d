//! Paths whose hits are sharded over several items: every command uses their sum, and none leaves a shard behind.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value as Json, json};

use crate::support::{SetOnDrop, TestEnv};

/// Deploys a counter without hits.
fn deployed_env() -> TestEnv {
    let test_env = TestEnv::with_config("[counter]\nvisitors = \"none\"\npaths = \"open\"\n");
    test_env.deploy();
    test_env
}

/// Writes an item as the function does, with hits and visitors on one day, 2026-09-20. The attributes `d` and `m` are
/// the hits of a day or month, `v` and `w` the visitors.
fn put(test_env: &TestEnv, key: &str, n: u64, (first, last): (&str, &str)) {
    let number = |n: u64| json!({ "N": n.to_string() });
    let item = json!({
        "path": { "S": key }, "hits": number(n), "uniques": number(n / 2),
        "dfzg": number(n), "vfzg": number(n / 2), "m2609": number(n), "w2609": number(n / 2),
        "first": { "S": first }, "last": { "S": last }
    });
    test_env.table("PutItem", &json!({ "TableName": "hits-local", "Item": item }));
}

const EARLY: (&str, &str) = ("2026-09-19", "2026-09-20T10:00:00Z");
const LATE: (&str, &str) = ("2026-09-20", "2026-09-20T11:00:00Z");

/// Writes a path of three items with 60 hits in total.
fn put_sharded(test_env: &TestEnv, path: &str) {
    put(test_env, path, 10, LATE);
    put(test_env, &format!("!shard#3#{path}"), 20, EARLY);
    // A shard beyond the configured number, from a time with more shards.
    put(test_env, &format!("!shard#63#{path}"), 30, LATE);
}

/// Returns the keys of all items with their hits, without the record of the last deploy.
fn items(test_env: &TestEnv) -> BTreeMap<String, Option<u64>> {
    let all = test_env.table("Scan", &json!({ "TableName": "hits-local" }));
    let hits = |item: &Json| item["hits"]["N"].as_str().map(|n| n.parse().unwrap());
    let all = all["Items"].as_array().unwrap().iter().filter(|item| item["path"]["S"] != "!deployed");
    all.map(|item| (item["path"]["S"].as_str().unwrap().to_owned(), hits(item))).collect()
}

fn only_item(path: &str, hits: u64) -> BTreeMap<String, Option<u64>> {
    BTreeMap::from([(path.to_owned(), Some(hits))])
}

fn row(test_env: &TestEnv, path: &str) -> Json {
    test_env.counts(&["get", path, "--json"]).json()["counts"][0].clone()
}

/// Returns the counts of a path that [`put_sharded`] wrote, with another number of hits.
fn sharded_counts(path: &str, hits: u64) -> Json {
    json!({
        "path": path, "hits": hits, "uniques": 30, "first": "2026-09-19", "last": "2026-09-20T11:00:00Z",
        "days": { "2026-09-20": { "hits": 60, "uniques": 30 } },
        "months": { "2026-09": { "hits": 60, "uniques": 30 } }
    })
}

#[test]
fn every_command_works_on_the_sum_and_leaves_one_item() {
    let test_env = deployed_env();
    put_sharded(&test_env, "/a");
    assert_eq!(row(&test_env, "/a"), sharded_counts("/a", 60));
    let list = test_env.counts(&["list", "--json"]).json();
    let brief = json!({ "path": "/a", "hits": 60, "uniques": 30, "first": "2026-09-19", "last": "2026-09-20T11:00:00Z" });
    assert_eq!(list["counts"], json!([brief]));
    assert_eq!(test_env.run(&["status", "--env", "local", "--json"]).json()["hits"], 60);
    // A change that only adds keeps the shards.
    test_env.counts(&["add", "/a", "5"]);
    assert_eq!(items(&test_env).len(), 3);
    assert_eq!(row(&test_env, "/a"), sharded_counts("/a", 65));
    // The new total is less than the hits of a single shard.
    test_env.counts(&["add", "/a", "-50", "--yes"]);
    assert_eq!(items(&test_env), only_item("/a", 15));
    assert_eq!(row(&test_env, "/a"), sharded_counts("/a", 15));
    test_env.counts(&["delete", "/a", "--confirm", "local"]);
    put_sharded(&test_env, "/a");
    test_env.counts(&["set", "/a", "7", "--confirm", "local"]);
    assert_eq!((items(&test_env), row(&test_env, "/a")), (only_item("/a", 7), sharded_counts("/a", 7)));
    test_env.counts(&["delete", "/a", "--confirm", "local"]);
    put_sharded(&test_env, "/a");
    let output = test_env.counts(&["rename", "/a", "/b", "--json"]).json();
    assert_eq!(
        output["changed"],
        json!([{ "path": "/a", "old": 60, "new": null }, { "path": "/b", "old": null, "new": 60 }])
    );
    assert_eq!((items(&test_env), row(&test_env, "/b")), (only_item("/b", 60), sharded_counts("/b", 60)));
    put_sharded(&test_env, "/c");
    test_env.counts(&["merge", "/b", "/c", "/d", "--yes"]);
    assert_eq!(items(&test_env), only_item("/d", 120));
    assert_eq!(row(&test_env, "/d")["days"], json!({ "2026-09-20": { "hits": 120, "uniques": 60 } }));
    put_sharded(&test_env, "/d");
    let output = test_env.counts(&["reset", "--all", "--confirm", "local", "--json"]).json();
    assert_eq!(output["changed"], json!([{ "path": "/d", "old": 60, "new": 0 }]));
    assert_eq!(items(&test_env), only_item("/d", 0));
    put_sharded(&test_env, "/d");
    test_env.counts(&["delete", "/d", "--confirm", "local"]);
    assert_eq!(items(&test_env), BTreeMap::new());
    // A path that consists only of a shard is a path.
    put(&test_env, "!shard#1#/e", 4, LATE);
    test_env.counts(&["rename", "/e", "/f"]);
    assert_eq!(items(&test_env), only_item("/f", 4));
}

#[test]
fn replacing_import_replaces_the_sum() {
    let test_env = deployed_env();
    put_sharded(&test_env, "/a");
    test_env.write("a.csv", "/a,3\n");
    test_env.counts(&["import", "a.csv", "--replace", "--confirm", "local"]);
    assert_eq!(row(&test_env, "/a")["hits"], 3);
    assert!(items(&test_env).keys().all(|key| !key.starts_with("!shard")));
}

/// Merges more items than one transaction can change.
#[test]
fn merge_of_many_shards_keeps_the_sum() {
    let test_env = deployed_env();
    let paths = ["/a", "/b", "/c"];
    for path in paths {
        put(&test_env, path, 2, LATE);
        for n in 1..64 {
            put(&test_env, &format!("!shard#{n}#{path}"), 2, EARLY);
        }
    }
    test_env.counts(&["merge", "/a", "/b", "/c", "/into", "--yes"]);
    assert_eq!(items(&test_env), only_item("/into", 3 * 64 * 2));
    assert_eq!(row(&test_env, "/into")["days"], json!({ "2026-09-20": { "hits": 384, "uniques": 192 } }));
}

/// Updates shards continuously, as the function does, while commands change their paths.
#[test]
fn hits_on_shards_survive_merge_and_rename() {
    let test_env = deployed_env();
    let (stop, updated) = (AtomicBool::new(false), AtomicU64::new(0));
    let keys = ["/a", "!shard#1#/a", "!shard#2#/a", "/b"];
    std::thread::scope(|scope| {
        for key in keys {
            let (test_env, stop, updated) = (&test_env, &stop, &updated);
            scope.spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let response = test_env.send_to_table("UpdateItem", &json!({
                        "TableName": "hits-local", "Key": { "path": { "S": key } },
                        "UpdateExpression": "ADD hits :n, dfzg :n SET #l = :l",
                        "ExpressionAttributeNames": { "#l": "last" },
                        "ExpressionAttributeValues": { ":n": { "N": "1" }, ":l": { "S": "2026-09-20T10:00:00Z" } }
                    }));
                    // An update that conflicts with a transaction is refused and not executed.
                    if response.status == 200 {
                        updated.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        let _stop = SetOnDrop(&stop);
        for round in 0..4 {
            let goal = updated.load(Ordering::SeqCst) + 40;
            while updated.load(Ordering::SeqCst) < goal {
                std::thread::yield_now();
            }
            let args: &[&str] = match round % 2 {
                0 => &["counts", "merge", "/a", "/b", "--yes", "--json"],
                _ => &["counts", "rename", "/a", &format!("/new{round}"), "--json"],
            };
            let output = test_env.run(args);
            // The path may not exist at this moment.
            assert!(
                output.code == 0 || output.json()["error"]["code"] == "no_such_path",
                "{args:?}: {output:?}"
            );
        }
    });
    let rows = test_env.counts(&["export", "--json"]).json()["counts"].clone();
    let sum = |field: fn(&Json) -> &Json| -> u64 {
        rows.as_array().unwrap().iter().map(|row| field(row).as_u64().unwrap_or(0)).sum()
    };
    let updated = updated.into_inner();
    assert_eq!(sum(|row| &row["hits"]), updated, "{rows}");
    assert_eq!(sum(|row| &row["days"]["2026-09-20"]["hits"]), updated, "{rows}");
}

#[test]
fn deleted_paths_release_their_budget() {
    let test_env = deployed_env();
    // Writes the number of paths in the budget. With `None`, reads the number.
    let budget = |n: Option<u64>| {
        let key = json!({ "TableName": "hits-local", "Key": { "path": { "S": "!budget" } } });
        match n {
            Some(n) => {
                let item = json!({ "path": { "S": "!budget" }, "paths": { "N": n.to_string() }, "dfzg": { "N": "3" } });
                test_env.table("PutItem", &json!({ "TableName": "hits-local", "Item": item }));
                n.to_string()
            }
            None => test_env.table("GetItem", &key)["Item"]["paths"]["N"].as_str().unwrap_or("-").to_owned(),
        }
    };
    for path in ["/a", "/b", "/c"] {
        put_sharded(&test_env, path);
    }
    test_env.counts(&["delete", "/never"]);
    assert_eq!(budget(None), "-", "a deletion creates no budget");
    budget(Some(3));
    test_env.counts(&["delete", "/a", "--confirm", "local"]);
    assert_eq!(budget(None), "2");
    test_env.counts(&["merge", "/b", "/c", "--yes"]);
    assert_eq!(budget(None), "1");
    // Imported paths use no budget, so none is released.
    budget(Some(0));
    test_env.counts(&["delete", "/c", "--confirm", "local"]);
    assert_eq!(budget(None), "0");
}
