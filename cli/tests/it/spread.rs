//! Paths whose hits are spread over several items: every command sees their sum, and none leaves a shard behind.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value as Json, json};

use crate::support::{SetOnDrop, Yard};

/// A deployed counter without a hit.
fn yard() -> Yard {
    let yard = Yard::with("[counter]\nvisitors = \"none\"\npaths = \"open\"\n");
    yard.deploy();
    yard
}

/// Puts an item there as the function would have left it: hits and visitors, all on one day.
fn put(yard: &Yard, key: &str, n: u64, (first, last): (&str, &str)) {
    let number = |n: u64| json!({ "N": n.to_string() });
    let item = json!({
        "path": { "S": key }, "hits": number(n), "uniques": number(n / 2),
        "dfzg": number(n), "vfzg": number(n / 2), "m2609": number(n), "w2609": number(n / 2),
        "first": { "S": first }, "last": { "S": last }
    });
    yard.table("PutItem", &json!({ "TableName": "hits-local", "Item": item }));
}

const EARLY: (&str, &str) = ("2026-09-19", "2026-09-20T10:00:00Z");
const LATE: (&str, &str) = ("2026-09-20", "2026-09-20T11:00:00Z");

/// A path of three items with 60 hits in all.
fn spread(yard: &Yard, path: &str) {
    put(yard, path, 10, LATE);
    put(yard, &format!("!shard#3#{path}"), 20, EARLY);
    // More shards than are configured: there were more once.
    put(yard, &format!("!shard#63#{path}"), 30, LATE);
}

/// The keys of all items but the lease's, with their hits.
fn items(yard: &Yard) -> BTreeMap<String, Option<u64>> {
    let all = yard.table("Scan", &json!({ "TableName": "hits-local" }));
    let hits = |item: &Json| item["hits"]["N"].as_str().map(|n| n.parse().unwrap());
    let all = all["Items"].as_array().unwrap().iter();
    all.map(|item| (item["path"]["S"].as_str().unwrap().to_owned(), hits(item))).collect()
}

fn sole(path: &str, hits: u64) -> BTreeMap<String, Option<u64>> {
    BTreeMap::from([(path.to_owned(), Some(hits))])
}

fn row(yard: &Yard, path: &str) -> Json {
    yard.counts(&["get", path, "--json"]).json()["counts"][0].clone()
}

/// What a path has that had all of [`spread`], with other hits.
fn whole(path: &str, hits: u64) -> Json {
    json!({
        "path": path, "hits": hits, "uniques": 30, "first": "2026-09-19", "last": "2026-09-20T11:00:00Z",
        "days": { "2026-09-20": { "hits": 60, "uniques": 30 } },
        "months": { "2026-09": { "hits": 60, "uniques": 30 } }
    })
}

#[test]
fn every_command_works_on_the_sum_and_leaves_one_item() {
    let yard = yard();
    spread(&yard, "/a");
    assert_eq!(row(&yard, "/a"), whole("/a", 60));
    let list = yard.counts(&["list", "--json"]).json();
    let brief = json!({ "path": "/a", "hits": 60, "uniques": 30, "first": "2026-09-19", "last": "2026-09-20T11:00:00Z" });
    assert_eq!(list["counts"], json!([brief]));
    assert_eq!(yard.run(&["status", "--env", "local", "--json"]).json()["hits"], 60);
    // What only adds leaves the shards alone.
    yard.counts(&["add", "/a", "5"]);
    assert_eq!(items(&yard).len(), 3);
    assert_eq!(row(&yard, "/a"), whole("/a", 65));
    // Less than any one of them has.
    yard.counts(&["add", "/a", "-50", "--yes"]);
    assert_eq!(items(&yard), sole("/a", 15));
    assert_eq!(row(&yard, "/a"), whole("/a", 15));
    yard.counts(&["delete", "/a", "--confirm", "local"]);
    spread(&yard, "/a");
    yard.counts(&["set", "/a", "7", "--confirm", "local"]);
    assert_eq!((items(&yard), row(&yard, "/a")), (sole("/a", 7), whole("/a", 7)));
    yard.counts(&["delete", "/a", "--confirm", "local"]);
    spread(&yard, "/a");
    let ran = yard.counts(&["rename", "/a", "/b", "--json"]).json();
    assert_eq!(
        ran["changed"],
        json!([{ "path": "/a", "old": 60, "new": null }, { "path": "/b", "old": null, "new": 60 }])
    );
    assert_eq!((items(&yard), row(&yard, "/b")), (sole("/b", 60), whole("/b", 60)));
    spread(&yard, "/c");
    yard.counts(&["merge", "/b", "/c", "/d", "--yes"]);
    assert_eq!(items(&yard), sole("/d", 120));
    assert_eq!(row(&yard, "/d")["days"], json!({ "2026-09-20": { "hits": 120, "uniques": 60 } }));
    spread(&yard, "/d");
    let ran = yard.counts(&["reset", "--all", "--confirm", "local", "--json"]).json();
    assert_eq!(ran["changed"], json!([{ "path": "/d", "old": 60, "new": 0 }]));
    assert_eq!(items(&yard), sole("/d", 0));
    spread(&yard, "/d");
    yard.counts(&["delete", "/d", "--confirm", "local"]);
    assert_eq!(items(&yard), BTreeMap::new());
    // A path that has nothing but a shard is a path.
    put(&yard, "!shard#1#/e", 4, LATE);
    yard.counts(&["rename", "/e", "/f"]);
    assert_eq!(items(&yard), sole("/f", 4));
}

#[test]
fn a_replacing_import_replaces_the_sum() {
    let yard = yard();
    spread(&yard, "/a");
    yard.write("a.csv", "/a,3\n");
    yard.counts(&["import", "a.csv", "--replace", "--confirm", "local"]);
    assert_eq!(row(&yard, "/a")["hits"], 3);
    assert!(items(&yard).keys().all(|key| !key.starts_with("!shard")));
}

/// More items than one transaction takes.
#[test]
fn a_merge_of_many_shards_comes_to_the_same_sum() {
    let yard = yard();
    let paths = ["/a", "/b", "/c"];
    for path in paths {
        put(&yard, path, 2, LATE);
        for n in 1..64 {
            put(&yard, &format!("!shard#{n}#{path}"), 2, EARLY);
        }
    }
    yard.counts(&["merge", "/a", "/b", "/c", "/into", "--yes"]);
    assert_eq!(items(&yard), sole("/into", 3 * 64 * 2));
    assert_eq!(row(&yard, "/into")["days"], json!({ "2026-09-20": { "hits": 384, "uniques": 192 } }));
}

/// Shards that are hit all the time, as the function hits them.
#[test]
fn no_hit_on_a_shard_is_lost_while_paths_are_moved() {
    let yard = yard();
    let (over, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let keys = ["/a", "!shard#1#/a", "!shard#2#/a", "/b"];
    std::thread::scope(|scope| {
        for key in keys {
            let (yard, over, done) = (&yard, &over, &done);
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let answer = yard.ask_table("UpdateItem", &json!({
                        "TableName": "hits-local", "Key": { "path": { "S": key } },
                        "UpdateExpression": "ADD hits :n, dfzg :n SET #l = :l",
                        "ExpressionAttributeNames": { "#l": "last" },
                        "ExpressionAttributeValues": { ":n": { "N": "1" }, ":l": { "S": "2026-09-20T10:00:00Z" } }
                    }));
                    // One that meets a transaction is told to come back, and was not done.
                    if answer.status == 200 {
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        let _end = SetOnDrop(&over);
        for round in 0..4 {
            let goal = done.load(Ordering::SeqCst) + 40;
            while done.load(Ordering::SeqCst) < goal {
                std::thread::yield_now();
            }
            let args: &[&str] = match round % 2 {
                0 => &["counts", "merge", "/a", "/b", "--yes", "--json"],
                _ => &["counts", "rename", "/a", &format!("/new{round}"), "--json"],
            };
            let ran = yard.run(args);
            // With all of it gone at this very moment there is nothing to move.
            assert!(ran.code == 0 || ran.json()["error"]["code"] == "no_such_path", "{args:?}: {ran:?}");
        }
    });
    let rows = yard.counts(&["export", "--json"]).json()["counts"].clone();
    let sum = |of: fn(&Json) -> &Json| -> u64 {
        rows.as_array().unwrap().iter().map(|row| of(row).as_u64().unwrap_or(0)).sum()
    };
    let done = done.into_inner();
    assert_eq!(sum(|row| &row["hits"]), done, "{rows}");
    assert_eq!(sum(|row| &row["days"]["2026-09-20"]["hits"]), done, "{rows}");
}

#[test]
fn paths_that_are_gone_give_their_budget_back() {
    let yard = yard();
    let budget = |n: Option<u64>| {
        let key = json!({ "TableName": "hits-local", "Key": { "path": { "S": "!budget" } } });
        match n {
            Some(n) => {
                let item = json!({ "path": { "S": "!budget" }, "paths": { "N": n.to_string() }, "dfzg": { "N": "3" } });
                yard.table("PutItem", &json!({ "TableName": "hits-local", "Item": item }));
                n.to_string()
            }
            None => yard.table("GetItem", &key)["Item"]["paths"]["N"].as_str().unwrap_or("-").to_owned(),
        }
    };
    for path in ["/a", "/b", "/c"] {
        spread(&yard, path);
    }
    yard.counts(&["delete", "/never"]);
    assert_eq!(budget(None), "-", "where there is no budget, none is made");
    budget(Some(3));
    yard.counts(&["delete", "/a", "--confirm", "local"]);
    assert_eq!(budget(None), "2");
    yard.counts(&["merge", "/b", "/c", "--yes"]);
    assert_eq!(budget(None), "1");
    // What came by files has taken nothing, and takes nothing now.
    budget(Some(0));
    yard.counts(&["delete", "/c", "--confirm", "local"]);
    assert_eq!(budget(None), "0");
}
