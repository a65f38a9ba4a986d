//! Two tables in one cloud: the counts, which stay, and who was seen, whose items expire.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hitctl_local::client::Client;
use serde_json::{Value as Json, json};

use crate::harness::{LONG, Machine, Raw, dynamodb_head, hits, kill, pid, table_spec};

const COUNTS: &str = "hits-local";
const SEEN: &str = "hits-local-seen";

/// In the year 2100.
const LATER: u64 = 4_102_444_800;

/// The spec of the table of who was seen.
fn seen_spec() -> Json {
    json!({
        "partition_key": "id",
        "point_in_time_recovery": false,
        "deletion_protection": false,
        "max_write_units": 100,
        "ttl_attribute": "ttl",
        "tags": { "hitctl:app": "hits", "hitctl:env": "local" },
    })
}

async fn deploy(client: &Client) {
    client.put_resource("table", COUNTS, &table_spec()).await.unwrap();
    client.put_resource("table", SEEN, &seen_spec()).await.unwrap();
}

/// Asks the tables as the function does.
async fn ask(raw: &mut Raw, operation: &str, body: &Json) -> std::io::Result<(u16, Json)> {
    let (status, answer) = raw.send(&dynamodb_head(operation, "127.0.0.1"), &body.to_string()).await?;
    Ok((status, serde_json::from_str(&answer).unwrap()))
}

/// Remembers somebody until then; refused with a 400 for who is known already.
async fn see(raw: &mut Raw, id: &str, until: u64) -> std::io::Result<u16> {
    let body = json!({
        "TableName": SEEN,
        "Item": { "id": { "S": id }, "ttl": { "N": until.to_string() } },
        "ConditionExpression": "attribute_not_exists(id)",
    });
    Ok(ask(raw, "PutItem", &body).await?.0)
}

/// Who is remembered.
async fn seen(client: &Client) -> BTreeSet<String> {
    let mut raw = Raw::connect(&client.endpoint().table).await.unwrap();
    let mut found = BTreeSet::new();
    let mut body = json!({ "TableName": SEEN, "ConsistentRead": true });
    loop {
        let (status, page) = ask(&mut raw, "Scan", &body).await.unwrap();
        assert_eq!(status, 200, "{page}");
        let items = page["Items"].as_array().unwrap().iter();
        found.extend(items.map(|item| item["id"]["S"].as_str().unwrap().to_owned()));
        match page.get("LastEvaluatedKey") {
            Some(key) => body["ExclusiveStartKey"] = key.clone(),
            None => return found,
        }
    }
}

/// Whether the items of a table expire.
async fn expires(client: &Client, table: &str) -> bool {
    let mut raw = Raw::connect(&client.endpoint().table).await.unwrap();
    let (status, told) = ask(&mut raw, "DescribeTimeToLive", &json!({ "TableName": table })).await.unwrap();
    assert_eq!(status, 200, "{told}");
    told["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sigkill_in_the_middle_of_writes_to_both_loses_nothing_acknowledged() {
    const WRITERS: u64 = 4;
    let machine = Machine::new();
    let client = machine.start_new().await;
    deploy(&client).await;
    let counted = Arc::new(AtomicU64::new(0));
    let enough = Arc::new(tokio::sync::Notify::new());
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (counted, enough) = (Arc::clone(&counted), Arc::clone(&enough));
        let url = client.endpoint().table.clone();
        writers.spawn(async move {
            let mut raw = Raw::connect(&url).await.unwrap();
            let mut known = Vec::new();
            // A visit writes to both, until the daemon is gone.
            for n in 0.. {
                let id = format!("{writer}-{n}");
                match see(&mut raw, &id, LATER).await {
                    Ok(status) => assert_eq!(status, 200, "{id} is new"),
                    Err(_) => break,
                }
                known.push(id);
                match raw.hit(COUNTS, "/").await {
                    Ok((status, body)) => assert_eq!(status, 200, "{body}"),
                    Err(_) => break,
                }
                if counted.fetch_add(1, Ordering::SeqCst) == 300 {
                    enough.notify_one();
                }
            }
            known
        });
    }
    tokio::time::timeout(LONG, enough.notified()).await.unwrap();
    kill(pid(&client));
    let known: BTreeSet<String> =
        tokio::time::timeout(LONG, writers.join_all()).await.unwrap().into_iter().flatten().collect();
    let acknowledged = counted.load(Ordering::SeqCst);

    let client = machine.start_new().await;
    let found = hits(&client, COUNTS, "/").await;
    assert!(
        (acknowledged..=acknowledged + WRITERS).contains(&found),
        "{found} hits, {acknowledged} acknowledged"
    );
    let seen = seen(&client).await;
    let lost: Vec<_> = known.difference(&seen).collect();
    assert!(lost.is_empty(), "{lost:?} were acknowledged");
    assert!(seen.len() as u64 <= known.len() as u64 + WRITERS, "{} of {}", seen.len(), known.len());
    assert!(expires(&client, SEEN).await && !expires(&client, COUNTS).await);
    let mut raw = Raw::connect(&client.endpoint().table).await.unwrap();
    assert_eq!(see(&mut raw, known.first().unwrap(), LATER).await.unwrap(), 400, "seen before");
}

#[tokio::test]
async fn what_has_expired_is_gone_soon_after_a_start_and_counts_stay() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    deploy(&client).await;
    let mut raw = Raw::connect(&client.endpoint().table).await.unwrap();
    for n in 0..200 {
        assert_eq!(see(&mut raw, &format!("old{n}"), 1).await.unwrap(), 200);
    }
    assert_eq!(see(&mut raw, "new", LATER).await.unwrap(), 200);
    // A count that happens to look as if it had expired.
    let count = json!({ "TableName": COUNTS, "Item": {
        "path": { "S": "/" }, "hits": { "N": "7" }, "ttl": { "N": "1" },
    } });
    assert_eq!(ask(&mut raw, "PutItem", &count).await.unwrap().0, 200);
    kill(pid(&client));

    let client = machine.start_new().await;
    let swept = async {
        while seen(&client).await != BTreeSet::from(["new".to_owned()]) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, swept).await.unwrap();
    assert_eq!(hits(&client, COUNTS, "/").await, 7);
}

#[tokio::test]
async fn one_goes_without_the_other_and_a_reset_takes_both() {
    let machine = Machine::new();
    let client = machine.start_new().await;
    deploy(&client).await;
    let mut raw = Raw::connect(&client.endpoint().table).await.unwrap();
    raw.hit(COUNTS, "/").await.unwrap();
    see(&mut raw, "somebody", LATER).await.unwrap();

    // Visitors off and on again: what was known is forgotten, and the counts are as they were.
    client.delete_resource("table", SEEN).await.unwrap();
    assert_eq!(client.resource("table", SEEN).await.unwrap(), None);
    assert_eq!(hits(&client, COUNTS, "/").await, 1);
    client.put_resource("table", SEEN, &seen_spec()).await.unwrap();
    assert_eq!(seen(&client).await, BTreeSet::new());
    assert!(expires(&client, SEEN).await);

    // The time to live is changed in place, and what is there stays.
    see(&mut raw, "somebody", LATER).await.unwrap();
    let mut lasting = seen_spec();
    lasting["ttl_attribute"] = Json::Null;
    client.put_resource("table", SEEN, &lasting).await.unwrap();
    assert!(!expires(&client, SEEN).await);
    assert_eq!(seen(&client).await.len(), 1);

    // A spec that an older program wrote has no such field.
    lasting.as_object_mut().unwrap().remove("ttl_attribute");
    client.put_resource("table", SEEN, &seen_spec()).await.unwrap();
    client.put_resource("table", SEEN, &lasting).await.unwrap();
    assert!(!expires(&client, SEEN).await);

    Client::reset(&machine.dir(), LONG).await.unwrap();
    assert!(!machine.dir().exists());
    let client = machine.start_new().await;
    assert!(client.resources().await.unwrap().is_empty());
    client.put_resource("table", SEEN, &seen_spec()).await.unwrap();
    assert_eq!(seen(&client).await, BTreeSet::new());
}
